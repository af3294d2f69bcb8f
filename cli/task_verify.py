"""`sms task verify`: compare the replica with what was copied, and check the signed report of that anywhere."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from cli.api import ApiClient, on_api, segment
from cli.installation import write_whole
from cli.options import DEFAULT_DATA_FOLDER, DataOption, OutputOption
from cli.output import OutputFormat, cell, out, print_fields, print_json, print_table
from cli.task_actions import act_on_task
from cli.task_view import print_verification
from cli.watch import Watch, details_path
from contracts.errors import MigrationError
from contracts.errors.cli import USAGE
from contracts.messages.task import TaskAction, TaskDetails
from contracts.messages.verification import TaskVerification
from contracts.trace.checkpoint import read_public_key
from contracts.verification import VerificationDocument, is_genuine

DIFFERENT_EXIT_CODE = 4
_COMMAND = "sms task verify"
_KEY_OF_THE_INSTALLATION = Path("keys/task.signing.pub")
_SHOWN_PATHS = 20


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("verify")(verify)


def verify(
    task_id: Annotated[str, typer.Argument(help="Without it, --report FILE is checked; no service is needed.")] = "",
    quick: Annotated[
        bool, typer.Option("--quick", help="Read the contents of a sample only; everything else is compared.")
    ] = False,
    sample: Annotated[float, typer.Option(metavar="PERCENT", help="How many files --quick reads.")] = 5.0,
    seed: Annotated[int | None, typer.Option(help="Of an earlier --quick: the same files again.")] = None,
    report: Annotated[
        Path | None, typer.Option("--report", help="Write the signed report, or, without TASK_ID, check it.")
    ] = None,
    public_key: Annotated[
        str, typer.Option(help="The installation's public key for reports, or a file with it: 64 hex digits.")
    ] = "",
    data: DataOption = DEFAULT_DATA_FOLDER,
    output: OutputOption = OutputFormat.TABLE,
) -> int:
    """Read the replica back from disk and compare it with what the last round read; exits with 4 if it differs.

    Without TASK_ID, check a report that was kept: whether the installation has signed it, and what it says.
    """
    if not task_id:
        if report is None:
            raise _usage("TASK_ID or --report FILE is needed.")
        return _check(report, public_key, data, output)
    flags = {"is_quick": quick, "sample_percent": sample, "seed": seed}
    document = on_api(data, lambda api: _verify(api, task_id, flags, is_quiet=output is OutputFormat.JSON))
    if report is not None:
        write_whole(report, document.model_dump(mode="json"))
    if output is OutputFormat.JSON:
        print_json(_shown(document))
    else:
        _print(document)
    return 0 if document.report.is_equal else DIFFERENT_EXIT_CODE


async def _verify(api: ApiClient, task_id: str, flags: Mapping[str, object], *, is_quiet: bool) -> VerificationDocument:
    before = (await api.get(details_path(task_id), TaskDetails)).task
    await act_on_task(api, task_id, TaskAction.VERIFY, **flags)
    try:
        await Watch(api, task_id, frozenset({before.phase}), is_quiet=is_quiet, after=before.version).run()
    except MigrationError:
        # A task whose launch has failed goes back to that failure; its copy has been verified all the same.
        after = (await api.get(details_path(task_id), TaskDetails)).task
        if after.verification is None or after.consistency_at == before.consistency_at:
            raise
    return (await api.get(f"/v3/tasks/{segment(task_id)}/verification", TaskVerification)).document


def _check(file: Path, key_text: str, data: Path, output: OutputFormat) -> int:
    key = _public_key(key_text, data)
    try:
        document = VerificationDocument.model_validate_json(file.read_text(encoding="utf-8"))
        is_signed = is_genuine(document, key or read_public_key(document.public_key))
    except (OSError, ValueError) as error:
        raise _usage(f"{file} holds no report of a verification.") from error
    if output is OutputFormat.JSON:
        verdict = {"is_genuine": is_signed, "is_key_given": key is not None}
        print_json(_shown(document) | verdict)
    else:
        print_fields({"genuine": "yes" if is_signed else "NO: it was changed, or another key has signed it"})
        _print(document)
        if is_signed and key is None:
            out.print("The key is the file's own: compare it with the installation's, or give it with --public-key.")
    return 0 if is_signed and document.report.is_equal else DIFFERENT_EXIT_CODE


def _public_key(text: str, data: Path) -> Ed25519PublicKey | None:
    """What the user says, or else this machine's installation; None leaves the file's own."""
    own = data / _KEY_OF_THE_INSTALLATION
    try:
        if not text:
            return read_public_key(own.read_text(encoding="ascii")) if own.is_file() else None
        path = Path(text)
        return read_public_key(path.read_text(encoding="ascii") if path.is_file() else text)
    except (OSError, ValueError) as error:
        raise _usage(f"{text or own} is no public key, nor a file with one.") from error


def _shown(document: VerificationDocument) -> dict[str, Any]:
    """The stable keys: id, is_equal, those of the report and those of the document."""
    found = {"id": document.task_id, "is_equal": document.report.is_equal}
    return found | document.report.model_dump(mode="json") | document.model_dump(mode="json", exclude={"report"})


def _print(document: VerificationDocument) -> None:
    report = document.report
    print_fields(
        {
            "task": document.task_id,
            "server": document.server_name or document.server_id,
            "verified at": document.verified_at.isoformat(),
            "round": document.round_number or "full copy",
            "file systems": ", ".join(document.volumes),
            "public key": document.public_key,
        }
    )
    print_verification(report)
    print_table(
        ("folder", "files", "different", "missing", "extra", "changed since"),
        (
            (each.path, each.files, each.different, each.missing, each.extra, each.changed_since)
            for each in report.directories
        ),
    )
    for each in report.different_paths[:_SHOWN_PATHS]:
        out.print(cell(f"  different: {each.path} ({', '.join(each.what)})"))
    for what, paths in (("missing", report.missing_paths), ("extra", report.extra_paths)):
        for path in paths[:_SHOWN_PATHS]:
            out.print(cell(f"  {what}: {path}"))
    if document.exclusions:
        print_table(("not compared", "why"), ((e.path, f"{e.reason} {e.detail}".strip()) for e in document.exclusions))


def _usage(reason: str) -> MigrationError:
    return MigrationError(USAGE, reason=reason, command=_COMMAND)
