"""The report of a verification: what it names, and that no letter of it can be changed."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from typer.testing import CliRunner

from cli.task import app
from contracts.errors import MigrationError
from contracts.inventory import Mount
from contracts.messages.task import ActOnTask, TaskAction
from contracts.trace.checkpoint import read_public_key
from contracts.transfer import CopySummary, DirectoryVerification, PathDifference, SkippedPath, VerificationReport
from contracts.verification import VerificationDocument, is_genuine
from services.task.adapters.signer import ReportSigner
from services.task.domain.task import Task
from services.task.domain.verification import document_of, verification_wish
from tests.unit.task.saga_world import START, new_task

SOCKET = SkippedPath(path="/run/sock", reason="socket")
NAMED = SkippedPath(path="/var/cache", reason="excluded")


def verified(*, different: int = 0) -> Task:
    task = new_task()
    mounts = (
        Mount(mount_point="/", host_path="/", kind="ext4", volume="sda1"),
        Mount(mount_point="/nfs", host_path="/nfs", kind="nfs4", volume="", is_network=True),
    )
    report = VerificationReport(
        files=3,
        different=different,
        directories=(DirectoryVerification(path="/etc", files=3, different=different),),
        different_paths=(PathDifference(path="/etc/passwd", what=("owner",)),) if different else (),
        exclusions=(NAMED,),
        seconds=1.25,
    )
    return task.model_copy(
        update={
            "inventory": task.inventory.model_copy(update={"mounts": mounts}),
            "verification": report,
            "consistency_at": START,
            "rounds": (CopySummary(round_number=2, files_skipped=2, skipped_paths=(SOCKET, NAMED)),),
        }
    )


@pytest.fixture
def key_file(tmp_path: Path) -> Path:
    return tmp_path / "keys" / "task.signing"


def test_a_report_names_everything_that_was_not_compared(key_file: Path) -> None:
    document = ReportSigner(key_file).sign(document_of(verified()))
    assert [(each.path, each.reason) for each in document.exclusions] == [
        ("/var/cache", "excluded"),
        ("/nfs", "network"),
        ("/run/sock", "socket"),
    ]
    assert (document.volumes, document.round_number, document.files_skipped) == (("/",), 2, 2)


def test_a_task_without_a_verification_has_no_report() -> None:
    with pytest.raises(MigrationError, match=r"SMS\.TASK\.NOT_VERIFIED"):
        document_of(new_task())


def test_a_signed_report_is_genuine_after_any_way_of_keeping_it_and_after_no_edit(key_file: Path) -> None:
    signed = ReportSigner(key_file).sign(document_of(verified(different=1)))
    key = read_public_key(key_file.with_name("task.signing.pub").read_text())
    assert is_genuine(VerificationDocument.model_validate_json(signed.model_dump_json()), key)
    text = signed.model_dump(mode="json")
    edits = (
        lambda d: d["report"].update(different=0),
        lambda d: d["report"]["different_paths"].clear(),
        lambda d: d["report"]["directories"][0].update(path="/var"),
        lambda d: d["exclusions"].pop(),
        lambda d: d.update(task_id="t2"),
        lambda d: d.update(verified_at="2026-01-02T00:00:00Z"),
        lambda d: d.update(signature=d["signature"].upper()),
    )
    for edit in edits:
        changed = json.loads(json.dumps(text))
        edit(changed)
        assert not is_genuine(VerificationDocument.model_validate(changed), key)
    assert not is_genuine(signed, Ed25519PrivateKey.generate().public_key())


def test_a_quick_verification_without_a_seed_gets_one_that_a_repeat_gets_too() -> None:
    def wish(**fields: object) -> object:
        request = {"idempotency_key": "k1", "task_id": "t1", "action": TaskAction.VERIFY, "is_quick": True, **fields}
        return verification_wish(ActOnTask.model_validate(request))

    assert wish() == wish()
    assert wish() != wish(idempotency_key="k2")
    assert wish(seed=7).seed == 7  # type: ignore[attr-defined]
    for percent in (0, 101):
        with pytest.raises(MigrationError, match=r"SMS\.TASK\.SETTING_INVALID"):
            wish(sample_percent=percent)


def check(file: Path, *options: str) -> tuple[int, dict[str, object]]:
    """`sms task verify --report FILE`, without any service."""
    arguments = ["verify", "--report", str(file), "--output", "json", "--data", str(file.parent / "none"), *options]
    result = CliRunner().invoke(app, arguments, standalone_mode=False)
    return result.return_value, json.loads(result.stdout)


@pytest.mark.parametrize("different", [0, 1])
def test_a_kept_report_is_checked_without_any_service(key_file: Path, tmp_path: Path, different: int) -> None:
    signed = ReportSigner(key_file).sign(document_of(verified(different=different)))
    file = tmp_path / "report.json"
    file.write_text(signed.model_dump_json())
    key = str(key_file.with_name("task.signing.pub"))
    code, said = check(file, "--public-key", key)
    assert (code, said["is_genuine"], said["is_key_given"]) == (4 if different else 0, True, True)
    assert check(file)[1]["is_key_given"] is False
    file.write_text(signed.model_dump_json().replace('"/etc"', '"/usr"'))
    code, said = check(file, "--public-key", key)
    assert (code, said["is_genuine"]) == (4, False)
    stranger: Ed25519PublicKey = Ed25519PrivateKey.generate().public_key()
    file.write_text(signed.model_dump_json())
    assert check(file, "--public-key", stranger.public_bytes_raw().hex())[0] == 4
