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
