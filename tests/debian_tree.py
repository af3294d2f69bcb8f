"""A small real Debian 12 system tree as a tarball, built once by debootstrap and kept in the user's cache."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import tempfile
from pathlib import Path

SUITE = "bookworm"
PACKAGES = (
    "dbus",
    "grub-pc",
    "ifupdown",
    "initramfs-tools",
    "iproute2",
    "isc-dhcp-client",
    "linux-image-cloud-amd64",
    "systemd-sysv",
    "udev",
    "xfsprogs",
    "zstd",
)
RECIPE_VERSION = 1


def cache_folder() -> Path:
    """Where built images live: ``$XDG_CACHE_HOME/sms`` or ``~/.cache/sms``."""
    base = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return Path(base) / "sms"


def debian_tarball() -> Path:
    """The path of the tarball (zstd, numeric owners, extended attributes), made if it is not there yet.

    The name holds a hash of everything it was built from. Takes about a minute; needs root and a mirror.
    """
    recipe = f"{RECIPE_VERSION} {SUITE} {' '.join(PACKAGES)}"
    digest = hashlib.sha256(recipe.encode()).hexdigest()[:12]
    tarball = cache_folder() / f"debian-{SUITE}-{digest}.tar.zst"
    if tarball.exists():
        return tarball
    tarball.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=tarball.parent, prefix="debootstrap-") as folder:
        tree = Path(folder) / "tree"
        _run(["debootstrap", "--variant=minbase", f"--include={','.join(PACKAGES)}", SUITE, str(tree)])
        _tidy(tree)
        unfinished = Path(folder) / "tree.tar.zst"
        _run(["tar", "-C", str(tree), "--numeric-owner", "--xattrs", "-I", "zstd -3 -T2", "-cf", str(unfinished), "."])
        unfinished.replace(tarball)
    return tarball


def _tidy(tree: Path) -> None:
    (tree / "etc/hostname").write_text("source\n")
    for folder in (tree / "var/cache/apt/archives", tree / "var/lib/apt/lists", tree / "usr/share/doc"):
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
    # A password-free root login, since the machine is booted in tests only.
    _run(["chroot", str(tree), "passwd", "-d", "root"])


def _run(command: list[str]) -> None:
    environment = dict(os.environ, DEBIAN_FRONTEND="noninteractive", LC_ALL="C")
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, env=environment)
