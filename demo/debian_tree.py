"""A Debian system tree as a tarball, made by debootstrap once and kept in the user's cache."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from demo.cache import cache_folder, one_builder, recipe_digest

_RECIPE_VERSION: Final = "1"
_NOT_NEEDED: Final = ("var/cache/apt/archives", "var/lib/apt/lists", "usr/share/doc", "usr/share/man", "usr/share/info")


def debian_tree_tarball(suite: str, packages: Sequence[str], *, later: Sequence[str] = ()) -> Path:
    """The tarball (zstd, numeric owners, extended attributes) of a minimal system with these packages.

    later: packages that apt installs afterwards, in place of ones that debootstrap prefers. It takes about a minute
    when it is not in the cache; needs root and a Debian mirror.
    """
    ingredients = [_RECIPE_VERSION, suite, " ".join(sorted(packages))]
    digest = recipe_digest(*ingredients, *([" ".join(sorted(later))] if later else []))
    name = f"debian-tree-{suite}-{digest}"
    tarball = cache_folder() / f"{name}.tar.zst"
    with one_builder(name):
        if not tarball.exists():
            _build(tarball, suite, packages, later)
    return tarball


def unpack_tree(tarball: Path, target: Path) -> None:
    """Unpack such a tarball with everything that it holds."""
    subprocess.run(
        ["tar", "-C", str(target), "--numeric-owner", "--xattrs", "--xattrs-include=*", "-I", "zstd", "-xpf", tarball],
        check=True,
    )


def _build(tarball: Path, suite: str, packages: Sequence[str], later: Sequence[str]) -> None:
    with tempfile.TemporaryDirectory(dir=tarball.parent, prefix="debootstrap-") as folder:
        tree, unfinished = Path(folder, "tree"), Path(folder, "tree.tar.zst")
        environment = os.environ | {"DEBIAN_FRONTEND": "noninteractive", "LC_ALL": "C"}
        log = Path(folder, "debootstrap.log")
        with log.open("wb") as stream:
            include = ",".join(sorted(packages))
            command = ["debootstrap", "--variant=minbase", f"--include={include}", suite, str(tree)]
            result = subprocess.run(command, stdout=stream, stderr=stream, env=environment)
            if later and not result.returncode:
                install = ["chroot", str(tree), "apt-get", "install", "-q", "-y", "--no-install-recommends", *later]
                result = subprocess.run(install, stdout=stream, stderr=stream, env=environment)
        if result.returncode:
            last_lines = "\n".join(log.read_text(errors="replace").splitlines()[-12:])
            raise RuntimeError(f"debootstrap of {suite} failed:\n{last_lines}")
        for name in _NOT_NEEDED:
            shutil.rmtree(tree / name, ignore_errors=True)
            (tree / name).mkdir(parents=True)
        pack = ["tar", "-C", str(tree), "--numeric-owner", "--xattrs", "--xattrs-include=*"]
        subprocess.run([*pack, "-I", "zstd -3 -T2", "-cf", str(unfinished), "."], check=True)
        unfinished.replace(tarball)
