"""Snippets of reading and writing by key: keys of every kind, on arrays of one and of three axes."""

from __future__ import annotations

from .snippets import Differs, Table, table

_CUBE = "a = nd.arange(24).reshape((2, 3, 4)); "
_LINE = "a = nd.arange(6); "

# Keys of an array of shape (2, 3, 4).
CUBE_KEYS = (
    "0", "1", "-1", "-2", "2", "-3", "True", "np.int64(1)", "np.int32(-1)", "np.uint8(1)", "...", "None",
    ":", "1:", ":1", "-1:", "::2", "::-1", "1:1", "5:9", "1::-1", "-9:9", ":0", "0:2:1", "2:0:-2",
    "0, 1", "0, 1, 2", "-1, -1, -1", "0, 3", "0, 0, 0, 0", "0, :, 1", ":, 1", ":, :, 1", ":, 1:, 1:3",
    "0, 1:", "0, 1:3", "0, 1, 1:3", "0:1, 1:2", "0:1, 1:3, :", "0:2, 0:3, 0:4", "1, ::2", "1, 0, ::2",
    "0:1, 0:1, 2:3", "1:2, 1, 1:2", "0:1, :, 0:4", "0:1, 2, :", "1, :, :", "..., 0", "0, ...", "..., 1:3",
    "0, ..., 1", "..., ...", "None, 0", "0, None", ":, None", "..., None", "None, ..., None", "None, None, 1",
    "0, None, 1, None, 2", "1, None, 1:, None",
    "[0, 1]", "[1, 0, 1]", "[-1, 0]", "[[0, 1], [1, 0]]", "[0, 1], [2, 0]", "[0, 1], 1", "1, [0, 2]",
    ":, [2, 0]",
    "..., [3, 0, 1]", "[0, 1], :, [3, 2]", "0, :, [1, 2]", "[0], [[1], [2]]", "[0, 1], 0:2", "None, [1, 0]",
    "[1, 0], None", "[0, 1], ..., 1", "np.array([1, 0])", "np.array([[0], [1]]), np.array([2, 1])",
    "nd.array([1, 0])", "nd.array([0, 1], dtype='int32'), nd.array([1, 2], dtype='int32')",
    "nd.array([1], dtype='int64')", "nd.array([[1, 0]], dtype='uint8')", "1, nd.array([0, 2])", "(1, (0, 2))",
    "range(2)", ":, range(0, 3, 2)", "[0, 1], [0, 1, 2]", "'a'", "1.0", "[0.0, 1.0]", "[2]", "0, [3]",
    "[True, False]", "np.array([True, False])", "slice(None)", "(slice(0, 1), slice(None), slice(1, 2))",
    "()", "1.5", "{}", "[]", ":, []",
)  # fmt: skip

LINE_KEYS = (
    "0", "5", "-6", "6", "-7", ":", "1:4", "::2", "::-1", "4:1:-1", "...", "None", "None, 1:3", "[0, 5, 0]",
    "[-1, -6]", "[[0, 1], [2, 3]]", "nd.array([0, 2])", "1:2", "5:", "6:", "3:3", "0, 0", "True, 1",
    "np.arange(3)",
)  # fmt: skip

# What is written to the keys; each broadcasts to some of them and not to others.
VALUES = ("7", "-1.5", "nd.arange(4)", "np.arange(4)", "[[1], [2], [3]]", "nd.ones((1, 1, 1, 1)) * 3")
SET_KEYS = (
    "0", "1, 2", "0, 1, 2", ":", "...", "1:", "::2", ":, 1", ":, :, 1:3", "..., None", "0, None", "1, 1:3",
    "0, :, ::2",
    "[1, 0]", "[0, 1], [2, 0]", ":, [2, 0]", "nd.array([1, 0])", "[0, 1], :, 1", "0, [0, 2]", "1:1",
    "None", "::-1",
    "2", "0, 0, 0, 0", "'a'", "[[0, 1], [1, 0]]", "[0, 0]", "-1, ..., -1",
)  # fmt: skip

_LIKE_NUMPY = "MXNet refuses it; here it means what it means in NumPy"
_EMPTY = "nd.arange(24).reshape((2, 3, 4))"
_DIFFERENT = {
    "cube[np.uint8(1)]": (f"{_CUBE}a[1]", _LIKE_NUMPY),
    "cube[np.uint8(1)] shares": (f"{_CUBE}a[1] = -1; a", _LIKE_NUMPY),
    "cube[[1, 0], None]": (f"{_CUBE}a[[1, 0]].expand_dims(1)", "MXNet puts the new axis in front instead"),
    "cube[[]]": (f"{_CUBE}a[0:0]", _LIKE_NUMPY),
    "cube[:, []]": (f"{_CUBE}a[:, 0:0]", _LIKE_NUMPY),
    "cube[[]] shares": (_EMPTY, _LIKE_NUMPY),
    "cube[:, []] shares": (_EMPTY, _LIKE_NUMPY),
    "line[True, 1]": ("IndexError", "MXNet drops the True"),
    "line[True, 1] shares": ("IndexError", "MXNet drops the True"),
    "cube[..., None] = nd.arange(4)": ("ValueError", "MXNet overlooks the new axis, where NumPy refuses"),
    "cube[..., None] = np.arange(4)": ("ValueError", "MXNet overlooks the new axis, where NumPy refuses"),
    "cube[..., None] = [[1], [2], [3]]": ("ValueError", "MXNet overlooks the new axis, where NumPy refuses"),
    "cube[1:1] = nd.arange(4)": (_EMPTY, _LIKE_NUMPY),
    "cube[1:1] = np.arange(4)": (_EMPTY, _LIKE_NUMPY),
    "cube[1:1] = [[1], [2], [3]]": (_EMPTY, _LIKE_NUMPY),
    "cube[1:1] = nd.ones((1, 1, 1, 1)) * 3": (_EMPTY, _LIKE_NUMPY),
}


def _marked(snippets: dict[str, str]) -> Table:
    """Snippets, with what is known to differ marked."""
    return {
        name: Differs(code, *_DIFFERENT[name]) if name in _DIFFERENT else code
        for name, code in snippets.items()
    }


# A write outside of an array corrupts MXNet's memory.
_OUTSIDE = ("[2]", "0, [3]", "[0, 1], [0, 1, 2]")

GET: Table = _marked(
    {
        **{f"cube[{key}]": f"{_CUBE}a[{key}]" for key in CUBE_KEYS},
        **{f"line[{key}]": f"{_LINE}a[{key}]" for key in LINE_KEYS},
    }
)
SHARED: Table = _marked(
    {
        **{
            f"cube[{key}] shares": f"{_CUBE}b = a[{key}]; b[:] = -1; a"
            for key in CUBE_KEYS
            if key not in _OUTSIDE
        },
        **{f"line[{key}] shares": f"{_LINE}b = a[{key}]; b[:] = -1; a" for key in LINE_KEYS},
    }
)
SET: Table = _marked(
    {f"cube[{key}] = {value}": f"{_CUBE}a[{key}] = {value}; a" for key in SET_KEYS for value in VALUES}
)

OTHERS: Table = table(
    "a = nd.arange(6, dtype='int32'); a[1] = 2.9; a",
    "a = nd.arange(6, dtype='uint8'); a[1:3] = -1; a",
    "a = nd.arange(6, dtype='int32'); a[:] = nd.array([0.5, 1.5, 2.5, -0.5, -1.5, 9]); a",
    "a = nd.arange(6, dtype='int32'); a[[1, 2]] = np.array([1.9, -1.9]); a",
    Differs("a = nd.arange(4); a[:] = None; a", "TypeError", "MXNet writes NaN"),
    "a = nd.arange(4); a[:] = 'x'; a",
    "a = nd.arange(4); a[0] = [1, 2]; a",
    "a = nd.arange(4); a[:] = True; a",
    "a = nd.arange(4); a[:] = np.float64(2.5); a",
    "a = nd.arange(4); a[:] = np.ones((1, 4)); a",
    "a = nd.arange(4); a[:] = np.ones((2, 4)); a",
    "a = nd.zeros((2, 3)); a[:] = [1, 2, 3]; a",
    "a = nd.zeros((2, 3)); a[:] = nd.array([[5], [6]]); a",
    "a = nd.zeros((2, 3)); a[:] = nd.ones((3, 2)); a",
    *(
        f"a = nd.zeros((2, 3)); a[{key}] is a"
        for key in (":", "()", "::1", "::-1", "...", ":, :", "0:", "0:2", "(slice(None),)", "None")
    ),
    "a = nd.zeros((2, 3)); a[1] += 2; a",
    "a = nd.zeros((2, 3)); a[[0, 0]] += 1; a",
    "a = nd.zeros((2, 3)); a[:, 1] -= nd.array([1, 2]); a",
    "a = nd.arange(6).reshape((2, 3)); b = a[1]; a[:] = 0; b",
    "a = nd.arange(6).reshape((2, 3)); b = a[1]; a[1, 2] = 9; b",
    "a = nd.arange(6).reshape((2, 3)); b = a[:, 1]; a[:] = 0; b",
    "a = nd.arange(6).reshape((2, 3)); b = a[0][1:]; b[:] = -1; a",
    "a = nd.arange(6).reshape((2, 3)); b = a.reshape((3, 2))[1]; b[:] = -1; a",
    "a = nd.arange(6).reshape((2, 3)); a[0] = a[1]; a",
    Differs(
        "a = nd.arange(6); a[1:] = a[:-1]; a",
        "nd.array([0, 0, 1, 2, 3, 4])",
        "MXNet reads what it has just written",
    ),
    Differs(
        "a = nd.arange(6); a[::-1] = a; a",
        "nd.array([5, 4, 3, 2, 1, 0])",
        "MXNet reads what it has just written",
    ),
    "nd.arange(6).slice(begin=(1,), end=(4,))",
    "nd.arange(6).reshape((2, 3)).slice_assign_scalar(7, (0, 1), (2, 3), (1, 1))",
    "a = nd.zeros((2, 3)); a.slice_assign(nd.ones((2, 2)), (0, 1), (2, 3), (1, 1)); a",
    "[x for x in nd.arange(3)]",
    "[x for x in nd.arange(6).reshape((3, 2))]",
    "a = nd.zeros((3, 2)); [x.__setitem__(0, 5) for x in a]; a",
    "len(nd.zeros((4, 2)))",
    "a = nd.arange(4); a[nd.array([9])]",
    "a = nd.arange(4); a.take(nd.array([9, -9]))",
    "nd.arange(4)[nd.array([[1]])].shape",
    "nd.array([1, 2, 3])[nd.array([0, 1, 1])]",
    "m = nd.array([1, 0, 1]); nd.array([5, 6, 7])[m]",
    "a = nd.array([5, 6, 7]); a[a > 5] = 0; a",
)
