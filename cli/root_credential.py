"""The account's first access key, made with the installation: without it nobody could make another one."""

from __future__ import annotations

import secrets
from pathlib import Path

from pydantic import SecretStr

from cli.installation import DataFolder, write_whole
from cli.profile_file import Profile, load_profile, read_private, save_profile
from contracts.base import Model


class RootCredential(Model):
    """What identity imports at its start; the file stays the only place outside of identity that holds the secret,
    with the profile that is made of it."""

    account: str
    access_key: str
    secret_key: SecretStr


def write_root_credential(folder: DataFolder, *, account: str) -> RootCredential:
    """Make the credential file unless there is one."""
    path = folder.root_credential_file
    if not path.exists():
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        access_key, secret_key = "AK" + secrets.token_hex(9).upper(), secrets.token_urlsafe(32)
        write_whole(path, {"account": account, "access_key": access_key, "secret_key": secret_key})
    return RootCredential.model_validate_json(read_private(path))


def write_default_profile(folder: DataFolder, root: RootCredential, *, endpoint: str, ca_file: Path) -> None:
    """Write the data folder's profile, with which the command line on this machine works; a key of the user's own
    that has been put into it stays."""
    access_key, secret_key = root.access_key, root.secret_key
    if folder.profile_file.exists():
        kept = load_profile(folder.profile_file)
        access_key, secret_key = kept.access_key, kept.secret_key
    profile = Profile(endpoint=endpoint, access_key=access_key, secret_key=secret_key, ca_file=ca_file)
    save_profile(folder.profile_file, profile)
