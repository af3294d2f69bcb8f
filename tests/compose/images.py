"""The images of the deployment, built from packages: no registry of images is needed.

What takes long (the base system, the wheels) is cached in the user's cache folder, named by what it is made from.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from tests.compose.engine import Engine

PROJECT = Path(__file__).resolve().parents[2]
CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "sms"
LOCK = PROJECT / "requirements-runtime.lock"
BASE_PACKAGES = "python3,python3-venv,libcurl4,ca-certificates"
BASE_IMAGE = "sms-test-base:bookworm"
# As in the public image.
MONGODB_FOLDER = "RUN install -d -o 999 -g 999 /data/db\n"
SOURCES = ("contracts", "shared", "services", "agents", "cli")


def build_all(engine: Engine, folder: Path) -> None:
    """Build sms:test, nats:test and mongo:test."""
    engine.run("docker", "import", str(base_system()), BASE_IMAGE)
    build_sms(engine, folder / "sms")
    build_program(engine, folder / "nats", "nats:test", "scratch", nats_server())
    build_program(engine, folder / "mongo", "mongo:test", BASE_IMAGE, mongod(), MONGODB_FOLDER)


def build_sms(engine: Engine, context: Path) -> None:
    context.mkdir(parents=True)
    for name in SOURCES:
        shutil.copytree(PROJECT / name, context / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("Dockerfile", ".dockerignore", LOCK.name):
        shutil.copy(PROJECT / name, context / name)
    shutil.copytree(wheels(), context / "wheels")
    engine.run("docker", "build", "--quiet", "--build-arg", f"BASE={BASE_IMAGE}", "--tag", "sms:test", str(context))


def build_program(engine: Engine, context: Path, tag: str, base: str, program: Path, further: str = "") -> None:
    """An image with one program in /usr/local/bin, and further lines of its Dockerfile."""
    context.mkdir(parents=True)
    shutil.copy(program, context / program.name)
    entry = f'ENTRYPOINT ["/usr/local/bin/{program.name}"]\n' if base == "scratch" else ""
    (context / "Dockerfile").write_text(
        f"FROM {base}\nCOPY {program.name} /usr/local/bin/{program.name}\n{further}{entry}"
    )
    engine.run("docker", "build", "--quiet", "--tag", tag, str(context))


def base_system() -> Path:
    """A minimal Debian as a tar file."""

    def make(target: Path) -> None:
        tree = target.with_suffix(".tree")
        command = ["debootstrap", "--variant=minbase", f"--include={BASE_PACKAGES}", "bookworm", str(tree)]
        try:
            subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
            shutil.rmtree(tree / "var/cache/apt/archives", ignore_errors=True)
            subprocess.run(["tar", "-C", str(tree), "-cf", str(target), "."], check=True)
        finally:
            shutil.rmtree(tree, ignore_errors=True)

    return cached("container-base", BASE_PACKAGES.encode(), ".tar", make)


def wheels() -> Path:
    """A folder with every wheel that the image needs."""

    def make(target: Path) -> None:
        # Not `pip download`: what is published as source only must arrive built, as the image has no compiler.
        command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--require-hashes"]
        subprocess.run([*command, "--requirement", str(LOCK), "--wheel-dir", str(target)], check=True)

    return cached("wheels", LOCK.read_bytes(), "", make)


def cached(name: str, made_from: bytes, suffix: str, make: Callable[[Path], None]) -> Path:
    """A file or folder of the cache; made under another name first, so that a kill leaves no half of it."""
    target = CACHE / f"{name}-{hashlib.sha256(made_from).hexdigest()[:12]}{suffix}"
    if not target.exists():
        CACHE.mkdir(parents=True, exist_ok=True)
        unfinished = target.with_name(f".{target.name}.{os.getpid()}")
        make(unfinished)
        unfinished.rename(target)
    return target


def nats_server() -> Path:
    return Path(sys.executable).with_name("nats-server").resolve()


def mongod() -> Path:
    found = sorted(Path(sys.prefix).glob("lib/python*/site-packages/**/mongod"))
    if not found:
        raise RuntimeError("the package with mongod is not installed: make install")
    return found[0]
