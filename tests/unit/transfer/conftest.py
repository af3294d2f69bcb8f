"""Makes the kit of these tests importable, and a pair of ends, in whose place a module may have its own."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from tracked import Tracked


@pytest.fixture
def pair(tmp_path: Path) -> Iterator[Tracked]:
    source, target = tmp_path / "source", tmp_path / "target"
    source.mkdir()
    target.mkdir()
    pair = Tracked(tmp_path, source, target)
    yield pair
    pair.close()
