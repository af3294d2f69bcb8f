"""Only our own layer subscribes with the framework: it alone sees to acknowledgements."""

from __future__ import annotations

import re
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[3]


def test_only_the_bus_layer_imports_the_framework() -> None:
    importing = re.compile(r"^\s*(from|import) faststream", re.MULTILINE)
    found = set()
    for folder in ("contracts", "shared", "services", "agents", "cli"):
        for path in (PROJECT / folder).rglob("*.py"):
            if importing.search(path.read_text(encoding="utf-8")):
                found.add(str(path.relative_to(PROJECT)))
    assert found == {"shared/bus/connection.py", "shared/bus/service_bus.py"}


def test_every_subscription_of_the_framework_names_its_acknowledgement() -> None:
    layer = (PROJECT / "shared/bus/connection.py").read_text(encoding="utf-8")
    assert layer.count("broker.subscriber(") == 1
    assert layer.count("ack_policy=AckPolicy.MANUAL") == 1
    assert "broker.subscriber(" not in (PROJECT / "shared/bus/service_bus.py").read_text(encoding="utf-8")
