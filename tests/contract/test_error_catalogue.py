"""Every error code is unique, raised somewhere, and its texts are filled in where it is raised."""

from __future__ import annotations

import ast
import importlib
import pkgutil
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

import contracts.errors
from contracts.errors import ErrorCode
from contracts.errors.catalogue import load_catalogue

PROJECT = Path(__file__).resolve().parents[2]
CATALOGUE = load_catalogue()
EXIT_CODES = {1, 2, 3, 4, 5, 6}


@pytest.mark.parametrize("code", CATALOGUE.values(), ids=lambda code: code.code)
def test_a_code_is_complete(code: ErrorCode) -> None:
    assert re.fullmatch(r"SMS\.[A-Z]+\.[A-Z0-9_]+", code.code)
    assert code.exit_code in EXIT_CODES
    assert 400 <= code.http_status < 600
    assert code.cause.strip()
    assert code.remedy.strip(), "a person must be told what to do"


@pytest.mark.parametrize("code", CATALOGUE.values(), ids=lambda code: code.code)
def test_the_texts_can_be_filled_in(code: ErrorCode) -> None:
    failure = code.failure(**dict.fromkeys(code.parameter_names(), "x"))
    assert "{" not in failure.cause + failure.remedy


def test_one_name_stands_for_one_code() -> None:
    names = [name for name, _ in constants()]
    assert len(names) >= len(CATALOGUE)


@pytest.mark.parametrize("code", CATALOGUE)
def test_a_code_is_used_by_the_program(code: str) -> None:
    names = {name for name, value in constants() if value.code == code}
    assert names & used_names(), f"nothing raises {code}: remove it, or raise it"


@cache
def constants() -> list[tuple[str, ErrorCode]]:
    found = []
    for module in pkgutil.iter_modules(contracts.errors.__path__):
        loaded = importlib.import_module(f"contracts.errors.{module.name}")
        found += [(name, value) for name, value in vars(loaded).items() if isinstance(value, ErrorCode)]
    return found


@cache
def used_names() -> frozenset[str]:
    """Names that are read outside of the catalogue and of import statements."""
    names: set[str] = set()
    for path in sources():
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Name):
                names.add(node.id)
            elif isinstance(node, ast.Attribute):
                names.add(node.attr)
    return frozenset(names)


def sources() -> Iterator[Path]:
    for folder in ("shared", "services", "agents", "cli"):
        yield from (PROJECT / folder).rglob("*.py")


def test_whoever_raises_a_code_fills_in_all_its_texts() -> None:
    checked = 0
    missing = []
    for path in sources():
        tree = ast.parse(path.read_text(encoding="utf-8"))
        known = imported_codes(tree)
        for call in (node for node in ast.walk(tree) if isinstance(node, ast.Call)):
            code = code_of_call(call, known)
            # `**parameters` is filled in elsewhere.
            if code is None or any(keyword.arg is None for keyword in call.keywords):
                continue
            checked += 1
            if lacking := code.parameter_names() - {keyword.arg for keyword in call.keywords}:
                missing.append(f"{path.relative_to(PROJECT)}:{call.lineno} {code.code}: {sorted(lacking)}")
    assert checked > 50, "the search itself must still find the places"
    assert missing == []


def imported_codes(tree: ast.Module) -> dict[str, ErrorCode]:
    """Codes by the name that a module knows them under, ``alias.NAME`` for those of an imported module."""
    known: dict[str, ErrorCode] = {}
    for node in ast.walk(tree):
        if not isinstance(node, ast.ImportFrom) or not (node.module or "").startswith("contracts.errors"):
            continue
        for alias in node.names:
            name = alias.asname or alias.name
            loaded = importlib.import_module(node.module or "")
            value = getattr(loaded, alias.name, None)
            if isinstance(value, ErrorCode):
                known[name] = value
            elif value is not None and hasattr(value, "__path__") is False and hasattr(value, "__file__"):
                members = vars(value).items()
                known |= {f"{name}.{inner}": code for inner, code in members if isinstance(code, ErrorCode)}
    return known


def code_of_call(call: ast.Call, known: dict[str, ErrorCode]) -> ErrorCode | None:
    """The code that a call raises (``MigrationError(CODE, …)``) or fills in (``CODE.failure(…)``)."""
    if isinstance(call.func, ast.Name) and call.func.id == "MigrationError" and call.args:
        return known.get(ast.unparse(call.args[0]))
    if isinstance(call.func, ast.Attribute) and call.func.attr == "failure":
        return known.get(ast.unparse(call.func.value))
    return None
