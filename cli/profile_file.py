"""Profiles: where an installation's API is, and the access key for it; one file of mode 0600 for each."""

from __future__ import annotations

import os
import re
import stat
from contextvars import ContextVar
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Final
from urllib.parse import urlsplit

from pydantic import AfterValidator, SecretStr, ValidationError

from cli.installation import DataFolder, write_whole
from cli.settings import CommandLineSettings
from contracts.base import Model
from contracts.errors import MigrationError
from contracts.errors.cli import NO_PROFILE, PROFILE_EXPOSED, PROFILE_UNREADABLE, USAGE

_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_MAX_FILE_BYTES: Final = 64 * 1024


def checked_endpoint(url: str) -> str:
    """The address in its plain form. Raises ValueError unless it is https://HOST or https://HOST:PORT."""
    parts = urlsplit(url)
    if parts.scheme != "https" or not parts.hostname:
        raise ValueError("the endpoint is https://HOST:PORT")
    if parts.path not in {"", "/"} or parts.query or parts.fragment or parts.username is not None:
        raise ValueError("the endpoint has neither path nor query nor user name")
    _ = parts.port  # raises for one that is no number
    return f"https://{parts.netloc}"


class Profile(Model):
    """endpoint: https://HOST:PORT. ca_file: what signs the server's certificate, None for the system's authorities."""

    endpoint: Annotated[str, AfterValidator(checked_endpoint)]
    access_key: str
    secret_key: SecretStr
    ca_file: Path | None = None


@dataclass(frozen=True, kw_only=True)
class Choice:
    """What --profile and --endpoint say; "" where they are not given. profile: a name, or a path with a slash."""

    profile: str = ""
    endpoint: str = ""

    @property
    def is_elsewhere(self) -> bool:
        """Whether another installation is meant than that of the data folder."""
        return bool(self.profile or self.endpoint)


_NOTHING_CHOSEN: Final = Choice()
_choice: ContextVar[Choice] = ContextVar("root options of this command line", default=_NOTHING_CHOSEN)


def choose(choice: Choice) -> None:
    """Remember the root options of the command line that runs."""
    _choice.set(choice)


def chosen() -> Choice:
    """The root options of the command line that runs."""
    return _choice.get()


def chosen_profile(data: Path) -> Profile:
    """The profile that the root options name, else that of the data folder.

    Raises MigrationError: SMS.CLI.NOT_INSTALLED, SMS.CLI.NO_PROFILE or that it cannot be used.
    """
    choice = chosen()
    profile = load_profile(profile_path(choice.profile)) if choice.profile else _profile_of_folder(DataFolder.at(data))
    if not choice.endpoint:
        return profile
    try:
        return profile.model_copy(update={"endpoint": checked_endpoint(choice.endpoint)})
    except ValueError as error:
        raise MigrationError(USAGE, reason=f"--endpoint {choice.endpoint}: {error}.", command="sms") from error


def profiles_folder() -> Path:
    """Where the user's profiles are kept."""
    configuration = CommandLineSettings().configuration_folder()
    return configuration / "sms" / "profiles"


def profile_path(name: str) -> Path:
    """The file of a profile. Raises MigrationError SMS.CLI.USAGE for a name that no file can have."""
    if "/" in name:
        return Path(name).expanduser().absolute()
    if not _NAME.fullmatch(name):
        raise MigrationError(
            USAGE,
            reason=f"{name!r} is no name of a profile: letters, digits, dots, dashes and underscores, at most 64.",
            command="sms profile add",
        )
    return profiles_folder() / f"{name}.json"


def load_profile(path: Path) -> Profile:
    """Read a profile; a relative ca_file is meant from the profile's own folder.

    Raises MigrationError SMS.CLI.NO_PROFILE, SMS.CLI.PROFILE_EXPOSED or SMS.CLI.PROFILE_UNREADABLE.
    """
    text = read_private(path)
    try:
        profile = Profile.model_validate_json(text)
    except ValidationError as error:
        # pydantic's text would repeat the input, the secret key included.
        fields = ", ".join(".".join(str(part) for part in one["loc"]) or "the whole file" for one in error.errors())
        raise MigrationError(PROFILE_UNREADABLE, path=path, reason=f"{fields} is missing or wrong") from error
    if profile.ca_file is None or profile.ca_file.is_absolute():
        return profile
    return profile.model_copy(update={"ca_file": path.parent / profile.ca_file})


def save_profile(path: Path, profile: Profile) -> None:
    """Write a profile with mode 0600, whole or not at all."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    fields = profile.model_dump(mode="json") | {"secret_key": profile.secret_key.get_secret_value()}
    write_whole(path, fields)


def read_private(path: Path) -> str:
    """A file that holds a secret. Raises MigrationError, also when others than its owner may read it."""
    try:
        with path.open("rb") as stream:
            # Of the open file, not of the name: a look before opening could be at another file.
            mode = os.fstat(stream.fileno()).st_mode
            if stat.S_ISREG(mode) and mode & 0o077:
                raise MigrationError(PROFILE_EXPOSED, path=path, mode=f"{stat.S_IMODE(mode):04o}")
            return stream.read(_MAX_FILE_BYTES).decode()
    except FileNotFoundError as error:
        raise MigrationError(NO_PROFILE, path=path) from error
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is no text"
        raise MigrationError(PROFILE_UNREADABLE, path=path, reason=reason) from error


def _profile_of_folder(folder: DataFolder) -> Profile:
    folder.installation()
    return load_profile(folder.profile_file)
