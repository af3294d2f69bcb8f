"""Builds the one-file agent with PyInstaller and staticx, and keeps it under a name made from what is in it."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Final

from agents.compiled import compiled_path

_PROJECT: Final = Path(__file__).resolve().parents[2]
# A build of 28 MB per change of a source file would fill the cache.
_BUILDS_KEPT: Final = 4
_PACKED: Final = ("agents", "contracts")
# Imported by nothing that a source server runs; PyInstaller would take them along through optional imports.
_LEFT_OUT: Final = (
    "agents.bundle", "agents.helper_image", "agents.host", "tkinter", "unittest", "pydoc", "doctest", "pdb", "lib2to3",
    "distutils", "setuptools", "pip", "test", "curses", "readline", "aiohttp", "email_validator", "dotenv", "rich",
    "hypothesis", "mypy", "numpy",
)  # fmt: skip
_IMPORTED_LATE: Final = (
    "agents.source.start", "agents.target.start", "agents.target.layer", "agents.target.ordered",
    "agents.install", "contracts.errors.catalogue",
)  # fmt: skip


def build_agent() -> Path:
    """The path of the agent as one executable file for x86-64 Linux, built if sources or lock file have changed.

    It holds Python, every library and the C library; it needs /proc and a temporary folder of about 100 MB that
    allows execution. Takes about 30 s. Raises RuntimeError with the end of the tool's output when a tool fails.
    """
    program = cache_folder() / f"sms-agent-{_digest()}"
    if not program.exists():
        with tempfile.TemporaryDirectory(prefix="sms-agent-build-") as folder:
            built = _pack(Path(folder))
            unfinished = program.with_name(f".{program.name}.{os.getpid()}")
            shutil.copy(built, unfinished)
            unfinished.chmod(0o755)
            unfinished.replace(program)
        _forget_old_builds(program)
    return program


def _forget_old_builds(newest: Path) -> None:
    builds = sorted(newest.parent.glob("sms-agent-*"), key=lambda path: path.stat().st_mtime)
    for path in builds[:-_BUILDS_KEPT]:
        path.unlink(missing_ok=True)


def cache_folder() -> Path:
    """``$XDG_CACHE_HOME/sms`` or ``~/.cache/sms``; made if it is not there."""
    base = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")  # noqa: TID251 - the user's own variable
    folder = Path(base) / "sms"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def _digest() -> str:
    digest = hashlib.sha256(sys.version.encode())
    sources = [path for name in _PACKED for kind in ("*.py", "*.c") for path in (_PROJECT / name).rglob(kind)]
    for path in sorted((*sources, _PROJECT / "requirements.lock")):
        relative = path.relative_to(_PROJECT)
        if relative.parts[:2] in (("agents", "host"), ("agents", "helper_image")):
            continue
        content = path.read_bytes()
        digest.update(f"{relative} {len(content)}\n".encode() + content)
    return digest.hexdigest()[:12]


def _pack(folder: Path) -> Path:
    # PyInstaller leaves out what it cannot import, and says so only in a log.
    _run([sys.executable, "-c", f"import {', '.join(_IMPORTED_LATE)}"], _PROJECT)
    command = [sys.executable, "-m", "PyInstaller", "--onefile", "--clean", "--noconfirm", "--name", "sms-agent"]
    command += ["--distpath", str(folder), "--workpath", str(folder / "work"), "--specpath", str(folder)]
    command += ["--paths", str(_PROJECT), "--runtime-hook", str(_PROJECT / "agents/bundle/restore_environment.py")]
    command += [
        f"--add-binary={compiled_path(source)}:{source.parent.relative_to(_PROJECT)}"
        for source in sorted((_PROJECT / "agents").rglob("*.c"))
    ]
    command += [f"--exclude-module={name}" for name in _LEFT_OUT]
    command += [f"--hidden-import={name}" for name in _IMPORTED_LATE]
    _run([*command, str(_PROJECT / "agents" / "main.py")], folder)
    packed = folder / "sms-agent-static"
    # Compressed it would be a tenth smaller and take twice as long to start.
    staticx = [sys.executable, "-m", "staticx", "--no-compress", "--strip", str(folder / "sms-agent"), str(packed)]
    _run(staticx, folder)
    return packed


def _run(command: list[str], folder: Path) -> None:
    beside_python = str(Path(sys.executable).parent)
    environment = dict(os.environ)  # noqa: TID251 - handed on to a child as it is
    environment["PATH"] = f"{beside_python}:{environment.get('PATH', '/usr/bin:/bin')}"
    result = subprocess.run(command, cwd=folder, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    if result.returncode:
        tail = "\n".join(result.stdout.decode(errors="replace").splitlines()[-15:])
        raise RuntimeError(f"packing the agent failed in {' '.join(command[1:3])}:\n{tail}")
