"""`sms audit export` and `sms audit verify`: the trace as a file, and its check with or without an installation."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, BinaryIO

import typer
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from pydantic import ValidationError

from cli.api import ApiClient, on_api
from cli.options import DEFAULT_DATA_FOLDER, DataOption, OutputOption
from cli.output import OutputFormat, out, print_fields, print_json
from contracts.base import Model
from contracts.errors import MigrationError
from contracts.errors.cli import USAGE
from contracts.messages.audit import TraceVerified
from contracts.messages.checkpoint import Checkpoint, ExportPage
from contracts.trace.checkpoint import read_public_key
from contracts.trace.export import MAX_LINE_BYTES, check_export

BROKEN_EXIT_CODE = 4
_WHOLE_TRACE_TAKES_S = 150.0
_STANDARD_STREAM = "-"


class _Kept(Model):
    """A file that holds a checkpoint: alone, in an event, or in a list as `sms audit checkpoints` shows it."""

    checkpoint: Checkpoint | None = None
    checkpoints: tuple[Checkpoint, ...] = ()


def register(app: typer.Typer) -> None:
    """Add the commands to those of `sms audit`."""
    app.command("export")(export)
    app.command("verify")(verify)


def export(
    file: Annotated[str, typer.Argument(help="File to write, - for standard output.")],
    data: DataOption = DEFAULT_DATA_FOLDER,
    output: OutputOption = OutputFormat.TABLE,
) -> None:
    """Write the whole trace as JSON lines: records, checkpoints, public key. `sms audit verify FILE` checks it."""
    if file == _STANDARD_STREAM:
        on_api(data, lambda api: _export(api, sys.stdout.buffer))
        return
    path = Path(file)
    with _replacing(path) as stream:
        lines = on_api(data, lambda api: _export(api, stream))
    if output is OutputFormat.JSON:
        print_json({"file": str(path), "lines": lines, "size_bytes": path.stat().st_size})
        return
    out.print(f"{lines} lines in {path}", markup=False)


def verify(
    file: Annotated[Path | None, typer.Argument(help="An export; without it the installation's own trace.")] = None,
    data: DataOption = DEFAULT_DATA_FOLDER,
    public_key: Annotated[
        str, typer.Option(help="The installation's public key, or a file with it: 64 hex digits.")
    ] = "",
    kept: Annotated[
        Path | None, typer.Option(help="JSON file with a checkpoint that was kept elsewhere; FILE must contain it.")
    ] = None,
    output: OutputOption = OutputFormat.TABLE,
) -> int:
    """Check chain, tree and signatures; exits with 4 when anything was changed. With FILE no service is needed."""
    if file is None:
        path = "/v3/audit/verification"
        verdict = on_api(data, lambda api: api.get(path, TraceVerified, timeout_s=_WHOLE_TRACE_TAKES_S))
    else:
        verdict = _check_file(file, _public_key(public_key), _kept_checkpoint(kept))
    if output is OutputFormat.JSON:
        print_json(verdict.model_dump(mode="json"))
    else:
        _show(verdict, is_key_given=bool(public_key) or file is None)
    return 0 if verdict.is_intact else BROKEN_EXIT_CODE


async def _export(api: ApiClient, stream: BinaryIO) -> int:
    """Page by page; returns the number of lines."""
    page = await api.post("/v3/audit/exports", None, ExportPage, timeout_s=_WHOLE_TRACE_TAKES_S)
    count = 0
    while True:
        for line in page.lines:
            stream.write(line.encode() + b"\n")
        count += len(page.lines)
        if not page.cursor:
            return count
        page = await api.get("/v3/audit/exports", ExportPage, cursor=page.cursor)


@contextmanager
def _replacing(path: Path) -> Iterator[BinaryIO]:
    """Half an export is never found under the name of a whole one. It is for its owner's eyes: mode 0600."""
    partial = path.with_name(f".{path.name}.partial")
    partial.unlink(missing_ok=True)
    try:
        descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except OSError as error:
        raise _usage(f"{path} cannot be written: {error.strerror}.") from error
    try:
        with os.fdopen(descriptor, "wb") as stream:
            yield stream
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


def _check_file(file: Path, public_key: Ed25519PublicKey | None, kept: Checkpoint | None) -> TraceVerified:
    try:
        with file.open("rb") as stream:
            lines = iter(lambda: stream.readline(MAX_LINE_BYTES), b"")
            return check_export(lines, public_key=public_key, kept=kept)
    except OSError as error:
        raise _usage(f"{file} cannot be read: {error.strerror}.") from error


def _public_key(text: str) -> Ed25519PublicKey | None:
    if not text:
        return None
    try:
        path = Path(text)
        return read_public_key(path.read_text(encoding="ascii") if path.is_file() else text)
    except (OSError, ValueError) as error:
        raise _usage(f"{text!r} is no public key, nor a file with one.") from error


def _kept_checkpoint(path: Path | None) -> Checkpoint | None:
    if path is None:
        return None
    try:
        text = path.read_text(encoding="utf-8")
        kept = _Kept.model_validate_json(text)
        found = kept.checkpoint or next(iter(kept.checkpoints), None)
        return found or Checkpoint.model_validate_json(text)
    except (OSError, ValidationError, UnicodeDecodeError) as error:
        raise _usage(f"{path} holds no checkpoint.") from error


def _show(verdict: TraceVerified, *, is_key_given: bool) -> None:
    print_fields(
        {
            "intact": verdict.is_intact,
            "records": verdict.records,
            "broken at": verdict.broken_at or "",
            "reason": verdict.reason,
            "last hash": verdict.last_hash,
            "checkpoints": verdict.checkpoints,
            "records under them": verdict.last_checkpoint,
            "public key": verdict.public_key,
        }
    )
    if verdict.is_intact and not is_key_given:
        out.print("The key is the file's own: compare it with the installation's, or give it with --public-key.")


def _usage(reason: str) -> MigrationError:
    return MigrationError(USAGE, reason=reason, command="sms audit")
