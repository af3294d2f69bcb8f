"""The shape of the tree: services look alike, modules stay small, names say what is inside."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

PROJECT = Path(__file__).resolve().parents[2]
OURS = ("contracts", "shared", "services", "agents", "cli", "tests", "demo", "examples", "benchmarks", "packaging")
SERVICES = sorted(path.name for path in (PROJECT / "services").iterdir() if (path / "__main__.py").exists())
CORE = {
    "registry",
    "feasibility",
    "task",
    "certificate_issuer",
    "target_provisioner",
    "identity",
    "audit",
    "gateway",
    "metering",
    "notification",
}

LARGEST_MODULE_LINES = 400
EVERY_SERVICE_HAS = {"README.md", "__main__.py", "settings.py", "bootstrap.py", "subscriptions.py", "domain"}
FORBIDDEN_NAMES = {"utils", "util", "helpers", "common", "manager", "misc", "stuff", "base_utils"}
# What names no owner of a fact, only the wish to put it somewhere.
FORBIDDEN_IN_NAMES = re.compile(r"(_part\d+|_utils?|_helpers)$")


def modules() -> list[Path]:
    found = (path for folder in OURS for path in (PROJECT / folder).rglob("*.py"))
    return sorted(path.relative_to(PROJECT) for path in found if "__pycache__" not in path.parts)


def test_the_core_services_are_there() -> None:
    assert set(SERVICES) >= CORE


@pytest.mark.parametrize("service", SERVICES)
def test_every_service_has_the_same_shape(service: str) -> None:
    folder = PROJECT / "services" / service
    present = {path.name for path in folder.iterdir()}
    assert present >= EVERY_SERVICE_HAS, f"missing: {sorted(EVERY_SERVICE_HAS - present)}"
    assert any(name.endswith("handlers.py") for name in present), "handlers: load, decide, save"


@pytest.mark.parametrize("service", SERVICES)
def test_a_service_starts_in_its_main_module_and_nowhere_else(service: str) -> None:
    main = (PROJECT / "services" / service / "__main__.py").read_text(encoding="utf-8")
    assert "run_service(" in main
    assert len(main.splitlines()) <= 30, "settings, bootstrap, run: nothing else"


def test_no_module_is_too_large() -> None:
    sizes = {str(path): len((PROJECT / path).read_text(encoding="utf-8").splitlines()) for path in modules()}
    assert {path: lines for path, lines in sizes.items() if lines > LARGEST_MODULE_LINES} == {}


def test_no_module_has_a_name_that_says_nothing() -> None:
    bad = [str(path) for path in modules() if path.stem in FORBIDDEN_NAMES or FORBIDDEN_IN_NAMES.search(path.stem)]
    assert bad == []


def test_every_module_begins_with_its_one_job() -> None:
    silent = []
    for path in modules():
        tree = ast.parse((PROJECT / path).read_text(encoding="utf-8"))
        if tree.body and not ast.get_docstring(tree) and path.parts[0] != "tests":
            silent.append(str(path))
    assert silent == []


def test_no_test_patches_what_it_tests() -> None:
    """Ports have fakes, and where the real thing runs here it is used."""
    patching = []
    for path in modules():
        for node in ast.walk(ast.parse((PROJECT / path).read_text(encoding="utf-8"))):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            patching += [str(path) for name in names if name.startswith("unittest")]
    assert patching == []
