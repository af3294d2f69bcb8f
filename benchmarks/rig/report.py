"""Writes the page that shows all results: ``python -m benchmarks.rig.report``."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Final

from benchmarks.rig.comparison import RESULTS
from benchmarks.rig.result import OURS, Comparison, Spread, Verdict, cell

PAGE: Final = "README.md"
_MIB: Final = 1 << 20
_HEAD: Final = """# Results

Written by `python -m benchmarks.rig.report` from the files beside it; each names its method, its machine and the
command that made it. Figures are the median of all rounds and, in brackets, the least and the greatest. *Times ours* is
how many times as long the other took in the same round.
"""


def page(folder: Path) -> str:
    """The page about all results in a folder. Raises ValidationError for a file that is no result."""
    found = {path.name: path.read_text(encoding="utf-8") for path in sorted(folder.glob("*.json"))}
    compared = [Comparison.model_validate_json(text) for text in found.values() if "contenders" in json.loads(text)]
    others = [_other(name, json.loads(found[name])) for name in _OTHERS if name in found]
    lines = [
        "## Compared with other programs",
        "",
        "| Benchmark | Data, link, cache | Ours | Times ours | Goal | Day |",
        "| --- | --- | --- | --- | --- | --- |",
        *map(_row, compared),
        "",
        "## Measured alone",
        "",
        "| Benchmark | Figure | Goal | Day |",
        "| --- | --- | --- | --- |",
        *others,
    ]
    return "\n".join([_HEAD, *lines, ""])


def _row(one: Comparison) -> str:
    tree = one.tree
    name = f"{one.benchmark}-{tree.kind}-{one.link}"
    data = f"{tree.kind}, {tree.files:,} files, {tree.bytes_total / _MIB:,.0f} MiB; {one.link}; {one.cache}"
    ours = one.contenders[OURS]
    peers = "<br>".join(f"{peer} {cell(times.seconds, 1.0)}" for peer, times in one.peers.items())
    goals = "<br>".join(map(_goal, one.verdicts)) or "none"
    return f"| [{name}]({name}.svg) | {data} | {cell(ours.seconds, 1.0)} s | {peers} | {goals} | {one.began_at[:10]} |"


def _goal(verdict: Verdict) -> str:
    return f"{'met' if verdict.is_met else '**missed**'}: {verdict.goal.against} {verdict.goal.times:g}"


def _other(name: str, result: dict[str, Any]) -> str:
    figure, goal, is_met = _OTHERS[name](result)
    met = "" if is_met is None else "met: " if is_met else "**missed**: "
    return f"| [{name.removesuffix('.json')}]({name}) | {figure} | {met}{goal} | {result['began_at'][:10]} |"


Said = tuple[str, str, bool | None]


def _memory(result: dict[str, Any]) -> Said:
    source, target, goal = (result[f"{name}_bytes"] / _MIB for name in ("source_peak", "target_peak", "goal"))
    figure = (
        f"{result['files']:,} files; resident at most: source agent {source:.0f} MiB, target agent {target:.0f} MiB"
    )
    return figure, f"{goal:.0f} MiB", result["is_met"]


def _sync_lag(result: dict[str, Any]) -> Said:
    lag = cell(Spread(**result["p99_s"]), 1.0)
    return f"{result['per_second']:g} operations/s; p99 {lag} s", f"p99 {result['goal_s']:g} s", result["is_reached"]


def _source_load(result: dict[str, Any]) -> Said:
    share = cell(Spread(**result["share"]["default"]), 1.0)
    return f"share of its throughput that the source's own work keeps: {share}", f"{result['goal']:g}", result["is_met"]


def _parts(result: dict[str, Any]) -> Said:
    cold, warm, replace = (cell(Spread(**result[f"{name}_s"]), 1.0) for name in ("look_cold", "look_warm", "replace"))
    looked = f"{result['files']:,} files; looking at all of them: cold {cold} s, warm {warm} s"
    return f"{looked}; replacing the changed ones {replace} s", "none", None


def _api(result: dict[str, Any]) -> Said:
    listed, mixed = (f"p95 {result[name]['p95_ms']:,.0f} ms" for name in ("list_all", "mixed"))
    all_of_it = f"a page of all {result['servers']:,} servers {listed}; mixed requests at {result['rate']:g}/s {mixed}"
    return all_of_it, "none", None


_OTHERS: Final = {
    "memory.json": _memory,
    "sync-lag.json": _sync_lag,
    "source-load.json": _source_load,
    "second-round-parts.json": _parts,
    "api.json": _api,
}


if __name__ == "__main__":
    (RESULTS / PAGE).write_text(page(RESULTS), encoding="utf-8")
