"""Shape and dtype rules of the optimizers' updates: of weights, gradients and states, and of factors."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from ..dtypes import DType, float16, float32
from ..errors import ArgumentError, DTypeError, ShapeError
from ..op import Attrs, DTypeRule, ShapeRule
from ..spec import Shape
from . import shapes, types


def group_update(inputs: Sequence[Shape], attrs: Attrs) -> Sequence[Shape]:
    """A weight and its gradient of one shape, and a history with an element for each row at least."""
    weight, grad, history = inputs
    shapes.all_same((weight, grad), attrs)
    if not weight or not history or history[0] != weight[0]:
        raise ShapeError(
            argument="history", got=f"shape {history}", expected=f"a first axis as long as that of {weight}"
        )
    return (weight,)


def with_norms(inputs: Sequence[Shape], attrs: Attrs) -> Sequence[Shape]:
    """Arrays of the weight's shape, but for `r1` and `r2`, which have one element."""
    weight, step, *norms = inputs
    shapes.all_same((weight, step, *norms[2:]), attrs)
    for name, norm in zip(("r1", "r2"), norms, strict=False):
        if not norm or norm[0] != 1:
            raise ShapeError(argument=name, got=f"shape {norm}", expected="one element")
    return (weight,)


def with_factor(inputs: Sequence[Shape], attrs: Attrs) -> Sequence[Shape]:
    """Arrays of one shape, and a last one that has at least one element."""
    _one_element(inputs[-1])
    return shapes.all_same(inputs[:-1], attrs)


def _one_element(shape: Shape) -> None:
    if 0 in shape:
        raise ShapeError(argument="rescale_grad", got=f"shape {shape}", expected="an element")


def masters(count: int, *, result: int = 0) -> DTypeRule:
    """The first ``count`` arrays have one dtype, the others are of float32; input ``result`` has the
    output's."""

    def rule(dtypes: Sequence[DType], attrs: Attrs) -> Sequence[DType]:
        types.same(dtypes[:count], attrs)
        _single(dtypes[count:])
        return (dtypes[result],)

    return rule


def half_with_masters(dtypes: Sequence[DType], attrs: Attrs) -> Sequence[DType]:
    """Weight and gradient of float16, the others and the output of float32."""
    for dtype in dtypes[:2]:
        if dtype != float16:
            raise DTypeError(argument="weight", got=dtype.name, expected="float16")
    _single(dtypes[2:])
    return (float32,)


def _single(dtypes: Sequence[DType]) -> None:
    for dtype in dtypes:
        if dtype != float32:
            raise DTypeError(got=dtype.name, expected="float32 for states and weights in float32")


class Several:
    """The inputs of an op that updates several weights: as many arrays for each of them, and some for all.

    Attributes
    ----------
    number : str
        The attribute that says how many weights there are.
    each : int
        How many arrays come for each weight: itself, its gradient, and its states.
    shared : int
        How many arrays come after those of all weights.
    lists : tuple of str
        Attributes that have a number for each weight.
    """

    def __init__(self, number: str, each: int, shared: int = 0, lists: tuple[str, ...] = ()) -> None:
        self.number = number
        self.each = each
        self.shared = shared
        self.lists = lists

    def check(self, count: int, attrs: Attrs) -> None:
        """ArgumentError unless there are as many arrays and numbers as the attribute says."""
        weights = attrs[self.number]
        wanted = weights * self.each + self.shared
        if weights < 1 or count != wanted:
            raise ArgumentError(
                argument=self.number, got=f"{weights} with {count} arrays", expected=f"{wanted} arrays"
            )
        for name in self.lists:
            if len(attrs[name]) != weights:
                raise ArgumentError(
                    argument=name,
                    got=f"{len(attrs[name])} numbers",
                    expected=f"{weights}, one for each weight",
                )

    def mutated(self, *states: int) -> Callable[[int], tuple[int, ...]]:
        """The positions of the states, which are these of each weight's arrays."""

        def positions(count: int) -> tuple[int, ...]:
            end = count - self.shared
            return tuple(sorted(at for state in states for at in range(state, end, self.each)))

        return positions

    def outputs(self, attrs: Attrs) -> int:
        """As many as there are weights."""
        number: int = attrs[self.number]
        return number

    def shape(self, check_shared: Callable[[Shape, int], None] | None = None) -> ShapeRule:
        """The weights' shapes, which their gradients and states have too."""

        def rule(inputs: Sequence[Shape], attrs: Attrs) -> Sequence[Shape]:
            self.check(len(inputs), attrs)
            weights = attrs[self.number]
            end = weights * self.each
            if check_shared is not None:
                for shape in inputs[end:]:
                    check_shared(shape, weights)
            groups = [inputs[start : start + self.each] for start in range(0, end, self.each)]
            return [shapes.all_same(group, attrs)[0] for group in groups]

        return rule

    def dtype(self, own: int, single: bool) -> DTypeRule:
        """The first ``own`` arrays of all weights have one dtype, the others are of float32; so are the
        shared ones if ``single``, or else they have the weights' dtype."""

        def rule(dtypes: Sequence[DType], attrs: Attrs) -> Sequence[DType]:
            self.check(len(dtypes), attrs)
            weights = attrs[self.number]
            end = weights * self.each
            mine = [dtype for k, dtype in enumerate(dtypes[:end]) if k % self.each < own]
            states = [dtype for k, dtype in enumerate(dtypes[:end]) if k % self.each >= own]
            shared = list(dtypes[end:])
            types.same(mine if single else mine + shared, attrs)
            _single(states + shared if single else states)
            return [dtypes[0]] * weights

        return rule


def one_for_each(shape: Shape, weights: int) -> None:
    """ShapeError unless an array has a number for each weight."""
    size = 1
    for length in shape:
        size *= length
    if size != weights:
        raise ShapeError(got=f"shape {shape}", expected=f"{weights} numbers, one for each weight")


def a_factor(shape: Shape, weights: int) -> None:
    """ShapeError unless an array has an element."""
    _one_element(shape)
