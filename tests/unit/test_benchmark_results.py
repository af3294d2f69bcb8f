"""The page about the benchmarks' results."""

from __future__ import annotations

import json
from pathlib import Path

from benchmarks.rig.comparison import RESULTS
from benchmarks.rig.report import PAGE, page


def test_the_page_says_what_the_results_say() -> None:
    assert (RESULTS / PAGE).read_text(encoding="utf-8") == page(RESULTS), "run make generate"


def test_a_goal_that_was_missed_is_shown_as_missed(tmp_path: Path) -> None:
    for name in ("memory.json", "full-copy-system-loopback.json"):
        result = json.loads((RESULTS / name).read_text(encoding="utf-8"))
        for verdict in result.get("verdicts", ()):
            verdict["is_met"] = False
        if "is_met" in result:
            result["is_met"] = False
        (tmp_path / name).write_text(json.dumps(result), encoding="utf-8")

    rows = [line for line in page(tmp_path).splitlines() if line.startswith("| [")]

    assert len(rows) == 2
    assert all("**missed**" in row and "met: " not in row.replace("**missed**: ", "") for row in rows)
