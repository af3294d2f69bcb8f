"""The page of all error codes, for people."""

from __future__ import annotations

from itertools import groupby

from contracts.errors import ErrorCode
from contracts.errors.catalogue import load_catalogue

_HEAD = """\
# Error codes

Generated from `contracts/errors/`; do not edit. A code never changes its meaning. Words in braces are filled in
with the figures and names of the case. *Resumable* means that `sms task start` goes on from the last good step.
"""


def errors_page() -> str:
    """docs/errors.md as text."""
    codes = sorted(load_catalogue().values(), key=lambda code: code.code)
    parts = [_HEAD]
    for area, members in groupby(codes, key=lambda code: code.code.split(".")[1]):
        parts.append(f"\n## {area}\n")
        parts.extend(_entry(code) for code in members)
    return "".join(parts)


def _entry(code: ErrorCode) -> str:
    resumable = ", resumable" if code.is_resumable else ""
    return (
        f"\n### `{code.code}`\n\n"
        f"Exit status {code.exit_code}, HTTP status {code.http_status}{resumable}.\n\n"
        f"- Cause: {code.cause}\n"
        f"- Remedy: {code.remedy}\n"
    )
