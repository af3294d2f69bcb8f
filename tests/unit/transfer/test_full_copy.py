import os
from pathlib import Path

import pytest
from transfer_kit import Pair, clear_flags, differences, make_odd_tree, snapshot

from agents.source.copy import read_files
from agents.target.receive import write_files

pytestmark = pytest.mark.root


@pytest.fixture(params=["compiled", "interpreted"])
def trees(tmp_path: Path, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch):
    if request.param == "interpreted":
        for module in (read_files, write_files):
            monkeypatch.setattr(module, "load", lambda _: None)
    source, target = tmp_path / "source", tmp_path / "target"
    target.mkdir()
    make_odd_tree(source, has_flags=True)
    pair = Pair(tmp_path, {0: (source, target, "/")})
    yield pair, source, target
    pair.close()
    clear_flags(source)
    clear_flags(target)


def test_every_oddity_arrives_and_verifies(trees) -> None:
    pair, source, target = trees
    before = snapshot(source)
    summary = pair.source.copy()
    assert summary.files_sent > 1500
    assert [path.path for path in summary.skipped_paths] == ["/special/sock"]
    assert differences(before, snapshot(target)) == []
    assert differences(before, snapshot(source)) == []
    assert os.stat(target / "holes").st_blocks * 512 < 2 << 20
    assert os.stat(target / "all-hole").st_blocks == 0
    report = pair.source.verify()
    assert report.is_equal, report
    assert report.files > 1500
    again = pair.source.sync(1)
    assert again.bytes_content == 0, again
    assert differences(before, snapshot(target)) == []
