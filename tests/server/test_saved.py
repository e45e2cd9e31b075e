"""What is kept for the backward pass: what the reviewed table says, and nothing that a rule does not use."""

from __future__ import annotations

import dis
import inspect
import json

import pytest
from remx_contract.op import Grad
from remx_server.registry import KERNELS, Rule
from support.saved import PATH, table, text

RULES = [
    (op, rule)
    for op, kernel in KERNELS.items()
    for rule in [*kernel.rules.values(), kernel.rule_for_all]
    if rule is not None
]


def test_rows_keep_what_the_table_says() -> None:
    made = table()
    known = json.loads(PATH.read_text())
    changed = {op: kept for op, kept in made.items() if known.get(op) != kept}
    assert not changed, "read what changed, then run tests/golden/make_saved.py"
    assert PATH.read_text() == text(made)
    assert set(made) == {op for op, kernel in KERNELS.items() if kernel.op.grad is Grad.RULES}


@pytest.mark.parametrize(("op", "rule"), RULES, ids=lambda given: given if isinstance(given, str) else "")
def test_a_rule_uses_all_that_it_names(op: str, rule: Rule) -> None:
    used: set[str] = set()
    for step in dis.get_instructions(rule.function):
        if step.opname.startswith("LOAD_"):
            used.update(step.argval if isinstance(step.argval, tuple) else [step.argval])
    named = set(inspect.signature(rule.function).parameters)
    # The gradient does not count where the answer is zeros of a shape.
    assert named - {"g", "gs"} <= used, f"a rule of {op} keeps what it does not use"
