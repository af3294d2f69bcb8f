"""The first key of an installation: a file that its creator wrote, taken over at the start."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Final

from pydantic import Field, SecretStr, ValidationError

from contracts.base import Model
from contracts.messages.identity import CredentialCreated
from contracts.subjects import evt, token
from services.identity.directory import Directory
from services.identity.domain.ports import Seal
from services.identity.domain.records import INSTALLATION_PLACE, Credential
from services.identity.facts import SERVICE
from services.identity.records import IdentityRecords
from shared.store.port import ConflictError, DuplicateError, OutgoingMessage
from shared.telemetry import log

_OTHERS: Final = 0o077
_DESCRIPTION: Final = "root key of the installation"


class RootCredential(Model):
    """The file: account, access_key and secret_key."""

    account: str
    access_key: str = Field(pattern=r"^[A-Za-z0-9_-]{8,64}$")
    secret_key: SecretStr = Field(min_length=32, max_length=128)


def read_root_credential(path: Path) -> RootCredential:
    """Raises ValueError, which names no secret, and OSError. Nobody but its owner may be able to read the file."""
    if path.stat().st_mode & _OTHERS:
        raise ValueError(f"{path} can be read by others: its mode must be 0600")
    try:
        credential = RootCredential.model_validate_json(path.read_bytes())
        token(credential.account)
    except (ValidationError, ValueError) as error:
        raise ValueError(f"{path} is no credential file ({type(error).__name__})") from None
    return credential


async def import_root_credential(
    records: IdentityRecords, directory: Directory, seal: Seal, credential: RootCredential, *, now: datetime
) -> None:
    """Make it a key of the account's root user, unless the account has it. Raises ValueError when it cannot be.

    A key that was disabled stays so: the file of the first start must not bring it back.
    """
    account, access_key = credential.account, credential.access_key
    root = await directory.ensure_account(account, now=now)
    known = await records.credential(access_key)
    if known is not None:
        if known.account != account:
            raise ValueError(f"access key {access_key} belongs to another account than {account}")
        return
    sealed = seal.seal(credential.secret_key.get_secret_value(), account=account, identifier=access_key, version=1)
    subject = evt(account, "credential", access_key, "created")
    record = Credential(
        account=account,
        access_key=access_key,
        place=INSTALLATION_PLACE,
        secret=sealed,
        created_at=now,
        description=_DESCRIPTION,
        user_id=root.id,
    )
    created = CredentialCreated(access_key=access_key, user_id=root.id)
    event = OutgoingMessage.of(subject, created, source=SERVICE, account=account, actor=SERVICE)
    try:
        await records.credentials.save(account, access_key, record, expected_version=0, outbox=[event])
    except DuplicateError:
        raise ValueError(f"account {account} has another root key of its installation, which is active") from None
    except ConflictError:
        return  # another replica was first
    log("root credential taken over", account=account, access_key=access_key)
