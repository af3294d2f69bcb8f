"""Writes what is generated from the contracts: JSON Schemas, the AsyncAPI document, the list of error codes.

``python -m contracts.generate`` writes, ``--check`` compares, ``--publish`` takes the present schemas as published.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Final

from contracts.documents.asyncapi import asyncapi_document
from contracts.documents.errors_page import errors_page
from contracts.documents.json_text import json_text
from contracts.documents.schemas import file_name, message_schema
from contracts.messages import load_messages

PROJECT: Final = Path(__file__).resolve().parent.parent
_SCHEMAS: Final = "contracts/schemas"
_PUBLISHED: Final = "contracts/published"


def documents() -> dict[str, str]:
    """Every generated file: its path below the project's folder, and its text."""
    messages = load_messages()
    files = {f"{_SCHEMAS}/{file_name(key)}": json_text(message_schema(message)) for key, message in messages.items()}
    files["contracts/asyncapi.json"] = json_text(asyncapi_document())
    files["docs/errors.md"] = errors_page()
    return files


def published_schemas() -> dict[str, str]:
    """The snapshot that `--publish` takes: the schemas of all messages as they are now."""
    return {
        f"{_PUBLISHED}/{file_name(key)}": json_text(message_schema(message)) for key, message in load_messages().items()
    }


def write_documents(folder: Path) -> list[Path]:
    """Write all documents below a folder; returns the files."""
    return _write(folder, documents())


def stale_documents(folder: Path) -> list[str]:
    """Paths of files that are missing, differ from the code, or are generated no more."""
    wanted = documents()
    stale = [path for path, text in wanted.items() if not _has(folder / path, text)]
    found = {f"{_SCHEMAS}/{file.name}" for file in (folder / _SCHEMAS).glob("*.json")}
    return sorted([*stale, *(found - wanted.keys())])


def main() -> int:
    """The command line; returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m contracts.generate", description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing; fail when a file differs from the code")
    parser.add_argument("--publish", action="store_true", help="take the present messages as the published versions")
    arguments = parser.parse_args()
    if arguments.check:
        stale = stale_documents(PROJECT)
        for path in stale:
            sys.stderr.write(f"{path} differs from the code: run `make generate`\n")
        return 1 if stale else 0
    wanted = documents()
    for path in stale_documents(PROJECT):
        if path not in wanted:
            (PROJECT / path).unlink()
    _write(PROJECT, wanted)
    if arguments.publish:
        _write(PROJECT, published_schemas())
    return 0


def _write(folder: Path, files: dict[str, str]) -> list[Path]:
    written = []
    for path, text in files.items():
        file = folder / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")
        written.append(file)
    return written


def _has(file: Path, text: str) -> bool:
    return file.is_file() and file.read_text(encoding="utf-8") == text


if __name__ == "__main__":
    sys.exit(main())
