"""`sms profile`: which installations this user can drive, and with which access keys."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Any

import typer
from pydantic import SecretStr

from cli.api import trusted_authorities
from cli.options import OutputOption
from cli.output import OutputFormat, out, print_fields, print_json, print_table
from cli.profile_file import (
    Profile,
    checked_endpoint,
    load_profile,
    profile_path,
    profiles_folder,
    read_private,
    save_profile,
)
from contracts.errors import MigrationError
from contracts.errors.cli import NO_PROFILE, PROFILE_EXISTS, USAGE

app = typer.Typer(help="Installations that you drive, and your access keys for them.", no_args_is_help=True)

_STDIN = Path("-")


@app.command("add")
def add(
    name: str,
    endpoint: Annotated[str, typer.Option("--endpoint", help="https://HOST:PORT of the installation's API.")],
    access_key: Annotated[str, typer.Option(help="Access key; `sms credential create` makes one.")],
    secret_key_file: Annotated[
        Path, typer.Option(help="File of mode 0600 with the secret key; - for standard input, where it can be typed.")
    ] = _STDIN,
    ca_file: Annotated[
        Path | None, typer.Option("--ca", help="The installation's CA. [default: the authorities of this system]")
    ] = None,
    replace: Annotated[bool, typer.Option("--replace", help="Replace the profile of this name.")] = False,
    output: OutputOption = OutputFormat.TABLE,
) -> None:
    """Write a profile: a file that only you can read, with address, access key, secret key and CA."""
    path = profile_path(name)
    if path.exists() and not replace:
        raise MigrationError(PROFILE_EXISTS, name=name, endpoint=load_profile(path).endpoint)
    try:
        address = checked_endpoint(endpoint)
    except ValueError as error:
        raise MigrationError(USAGE, reason=f"--endpoint {endpoint}: {error}.", command="sms profile add") from error
    ca_file = ca_file.expanduser().absolute() if ca_file else None
    trusted_authorities(ca_file)
    profile = Profile(endpoint=address, access_key=access_key, secret_key=_secret(secret_key_file), ca_file=ca_file)
    save_profile(path, profile)
    if output is OutputFormat.JSON:
        print_json(profile_json(name, profile))
        return
    out.print(f"profile {name} is written; use it with: sms --profile {name} …", markup=False)


@app.command("list")
def list_profiles(output: OutputOption = OutputFormat.TABLE) -> None:
    """List your profiles, without their secrets."""
    folder = profiles_folder()
    found = [(path.stem, load_profile(path)) for path in sorted(folder.glob("*.json")) if path.is_file()]
    if output is OutputFormat.JSON:
        print_json({"count": len(found), "profiles": [profile_json(name, profile) for name, profile in found]})
        return
    print_table(
        ("name", "endpoint", "access key", "CA"),
        ((name, profile.endpoint, profile.access_key, profile.ca_file or "") for name, profile in found),
    )


@app.command("show")
def show(name: str, output: OutputOption = OutputFormat.TABLE) -> None:
    """Show one profile, without its secret."""
    path = profile_path(name)
    profile = load_profile(path)
    if output is OutputFormat.JSON:
        print_json(profile_json(name, profile))
        return
    print_fields(
        {
            "name": name,
            "endpoint": profile.endpoint,
            "access key": profile.access_key,
            "CA": profile.ca_file,
            "file": path,
        }
    )


@app.command("remove")
def remove(name: str, output: OutputOption = OutputFormat.TABLE) -> None:
    """Remove a profile of this user; the access key itself stays valid."""
    path = profile_path(name)
    try:
        path.unlink()
    except FileNotFoundError as error:
        raise MigrationError(NO_PROFILE, path=path) from error
    if output is OutputFormat.JSON:
        print_json({"name": name, "removed": True})
        return
    out.print(f"removed {name}", markup=False)


def profile_json(name: str, profile: Profile) -> dict[str, Any]:
    """A profile with the stable keys; never its secret."""
    return {
        "name": name,
        "endpoint": profile.endpoint,
        "access_key": profile.access_key,
        "ca_file": str(profile.ca_file) if profile.ca_file else None,
    }


def _secret(source: Path) -> SecretStr:
    """Never from an argument: other users see those in the list of processes."""
    if source != _STDIN:
        text = read_private(source)
    elif sys.stdin.isatty():
        text = typer.prompt("Secret key", hide_input=True, err=True)
    else:
        text = sys.stdin.read()
    if not text.strip():
        raise MigrationError(USAGE, reason="The secret key is empty.", command="sms profile add")
    return SecretStr(text.strip())
