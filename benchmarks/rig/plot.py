"""Results as pictures: bars for the medians, whiskers from the least to the greatest, in SVG."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final
from xml.sax.saxutils import escape

from benchmarks.rig.result import OURS, Comparison, Spread

_WIDTH, _LEFT, _RIGHT = 760, 90, 150
_BAR, _STEP, _TOP = 18, 30, 66
_MIB: Final = 1 << 20
_COLOURS: Final = {True: "#2b6cb0", False: "#a0aec0"}


def plot(comparison: Comparison) -> str:
    """The text of an SVG file."""
    found = comparison.contenders
    parts: list[str] = []
    tree = comparison.tree
    title = f"{comparison.benchmark}: {tree.kind}, {tree.files:,} files, {tree.bytes_total / _MIB:,.0f} MiB"
    parts += _text(10, 22, title, size=15)
    parts += _text(
        10, 40, f"{comparison.link}, {len(comparison.rounds)} rounds, cache {comparison.cache}; median, range"
    )
    y = _panel(parts, _TOP, "seconds until on disk", {name: one.seconds for name, one in found.items()}, 1.0)
    y = _panel(parts, y + 16, "MiB on the wire", {name: one.wire_bytes for name, one in found.items()}, _MIB)
    for verdict in comparison.verdicts:
        y += 18
        said = "met" if verdict.is_met else "missed"
        goal = f"{verdict.peer} takes {verdict.measured.median:.2f} times as long"
        parts += _text(10, y, f"{goal}; goal {verdict.goal.times:g} against {verdict.goal.against}: {said}")
    return _picture(parts, y, comparison.command)


def plot_spreads(title: str, rows: Mapping[str, Spread], *, about: Sequence[str], command: str) -> str:
    """The text of an SVG file with one panel. about: lines under the title."""
    parts = _text(10, 22, title, size=15)
    for number, line in enumerate(about):
        parts += _text(10, 40 + 16 * number, line)
    y = _panel(parts, _TOP + 16 * len(about), "median, range", rows, 1.0)
    return _picture(parts, y, command)


def _picture(parts: list[str], y: int, command: str) -> str:
    y += 18
    parts += _text(10, y, command, size=10)
    head = f'<svg xmlns="http://www.w3.org/2000/svg" width="{_WIDTH}" height="{y + 14}" font-family="sans-serif">'
    return "\n".join([head, '<rect width="100%" height="100%" fill="white"/>', *parts, "</svg>"]) + "\n"


def _panel(parts: list[str], y: int, title: str, rows: Mapping[str, Spread], unit: float) -> int:
    """Draw the bars; returns where the next thing may begin."""
    parts += _text(10, y, title)
    greatest = max(row.max for row in rows.values()) or 1.0

    def x(value: float) -> float:
        return _LEFT + (_WIDTH - _LEFT - _RIGHT) * value / greatest

    for name, row in rows.items():
        y += _STEP
        top = y - _BAR
        parts += _text(10, y - 4, name)
        bar = f'width="{x(row.median) - _LEFT:.1f}" height="{_BAR}" fill="{_COLOURS[name == OURS]}"'
        parts.append(f'<rect x="{_LEFT}" y="{top}" {bar}/>')
        middle = top + _BAR / 2
        parts.append(f'<path d="M{x(row.min):.1f} {middle}H{x(row.max):.1f}" stroke="black"/>')
        for end in (row.min, row.max):
            parts.append(f'<path d="M{x(end):.1f} {middle - 4}v8" stroke="black"/>')
        parts += _text(x(row.max) + 8, y - 4, f"{row.median / unit:,.2f}")
    return y + 14


def _text(x: float, y: float, text: str, *, size: int = 12) -> list[str]:
    return [f'<text x="{x:.1f}" y="{y:.1f}" font-size="{size}">{escape(text)}</text>']
