"""Files of the installation: complete or absent, with their modes from the first moment on."""

from __future__ import annotations

import os
import shutil
from pathlib import Path


def make_folder(path: Path, *, mode: int) -> None:
    """Make a folder, or give an existing one this mode."""
    path.mkdir(parents=True, exist_ok=True)
    path.chmod(mode)


def write_whole(path: Path, content: bytes, *, mode: int) -> None:
    """Replace a file; a secret is never readable by others, not even while it is being written."""
    temporary = path.with_name(f".{path.name}.new")
    temporary.unlink(missing_ok=True)
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as stream:
        stream.write(content)
        os.fchmod(stream.fileno(), mode)
        stream.flush()
        os.fsync(stream.fileno())
    temporary.replace(path)


def copy_program(source: Path, target: Path) -> None:
    """Copy an executable beside its place, then rename: the old one may be running."""
    if target.exists() and target.samefile(source):
        return
    temporary = target.with_name(f".{target.name}.new")
    shutil.copyfile(source, temporary)
    temporary.chmod(0o755)
    temporary.replace(target)


def remove(path: Path) -> None:
    """Remove a file, link or whole folder, if it is there."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
