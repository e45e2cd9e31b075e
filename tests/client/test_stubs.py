"""The typing stubs: generated from the catalogue, and complete."""

from __future__ import annotations

import ast
from pathlib import Path

import remx
from remx import _contrib, nd
from remx._fluent import Fluent
from remx._operators import ELEMENTWISE
from remx_contract import pyi
from remx_contract.signature import METHODS, names

CLIENT = Path(remx.__file__).parent
SPACES = ("contrib", "linalg", "image")


def defined(body: list[ast.stmt]) -> set[str]:
    """The names that a stub's statements define."""
    found: set[str] = set()
    for statement in body:
        if isinstance(statement, (ast.FunctionDef, ast.ClassDef)):
            found.add(statement.name)
        elif isinstance(statement, ast.ImportFrom):
            found.update(alias.asname for alias in statement.names if alias.asname)
        elif isinstance(statement, ast.AnnAssign) and isinstance(statement.target, ast.Name):
            found.add(statement.target.id)
    return found


def class_body(module: ast.Module, name: str) -> list[ast.stmt]:
    return next(one.body for one in module.body if isinstance(one, ast.ClassDef) and one.name == name)


def test_the_stubs_are_what_the_catalogue_renders() -> None:
    assert (CLIENT / "nd.pyi").read_text() == pyi.module()
    assert (CLIENT / "_fluent.pyi").read_text() == pyi.methods()


def test_the_stub_has_every_function() -> None:
    stub = ast.parse((CLIENT / "nd.pyi").read_text())
    assert set(dir(nd)) <= defined(stub.body)
    for space in SPACES:
        assert set(names(space)) <= defined(class_body(stub, space))


def test_the_stub_has_the_functions_of_contrib() -> None:
    assert set(pyi.CONTRIB) == set(_contrib.__all__)
    assert all(f"    {name} = staticmethod(_contrib.{name})\n" in pyi.module() for name in pyi.CONTRIB)


def test_the_stub_has_every_method() -> None:
    stub = ast.parse((CLIENT / "_fluent.pyi").read_text())
    methods = defined(class_body(stub, "Fluent"))
    assert {name for name in vars(Fluent) if not name.startswith("__")} == methods
    assert set(METHODS) <= methods


def test_the_stub_knows_the_functions_of_two_operands() -> None:
    assert set(ELEMENTWISE) | {"true_divide"} == set(pyi.PYTHON_LEVEL)
