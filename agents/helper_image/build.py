"""The helper VM's image: a kernel, an initramfs that finds the rest, and a read-only system with the agent in it.

Kept in the cache under a name made from what it is built from, as the packed agent is; the same inputs give the same
bytes (`digest`), whenever and wherever they are built.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import shutil
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from agents.bundle import build_agent
from agents.bundle.build import cache_folder
from agents.helper_image.archive import Member, archive
from agents.helper_image.contents import MODULES, START_MODULES
from agents.helper_image.kernel_modules import dependencies, with_dependencies
from agents.helper_image.packages import Downloaded, download, package_list, run, unpack

HELPER_IMAGE_LINK: Final = "helper-image"
_OWN: Final = Path(__file__).resolve().parent
_FILES: Final = _OWN / "files"
_FOLDERS: Final = ("proc", "sys", "dev", "run", "tmp", "root", "var/lib", "var/log", "var/cache", "etc/sms-helper")
_KEPT: Final = 2


def build_helper_image() -> Path:
    """The folder with ``vmlinuz``, ``initrd``, ``system.squashfs``, ``manifest.json`` and ``digest``.

    Takes about two minutes when it is not in the cache; needs root and a Debian mirror. The link ``helper-image`` in
    the cache leads to it afterwards. Raises RuntimeError with a tool's last lines.
    """
    agent = build_agent()
    cache = cache_folder()
    image = cache / f"helper-image-{_recipe(agent)}"
    with _one_builder(cache):
        if not image.exists():
            with tempfile.TemporaryDirectory(dir=cache, prefix=".helper-image-") as folder:
                built = _build(Path(folder), agent)
                built.rename(image)
        link = cache / HELPER_IMAGE_LINK
        fresh = link.with_name(f".{HELPER_IMAGE_LINK}.new")
        fresh.unlink(missing_ok=True)
        fresh.symlink_to(image.name)
        fresh.replace(link)
        _forget_old_images(cache, image)
    return image


def _build(folder: Path, agent: Path) -> Path:
    found = download(folder / "download")
    tree = folder / "system"
    kernel = unpack(found, tree)
    epoch = int(os.environ.get("SOURCE_DATE_EPOCH", found.epoch))  # noqa: TID251 - the convention of builders
    release = next((kernel / "lib/modules").iterdir()).name
    order = _install_modules(kernel, tree, release)
    _install_own_files(tree, agent, order)
    run(["ldconfig", "-r", str(tree)])
    shutil.rmtree(tree / "var/cache/ldconfig", ignore_errors=True)

    image = folder / "image"
    image.mkdir()
    shutil.copyfile(kernel / f"boot/vmlinuz-{release}", image / "vmlinuz")
    (image / "initrd").write_bytes(_initramfs(kernel, tree, release))
    _squash(tree, image / "system.squashfs", epoch)
    digests = {path.name: _sha256(path) for path in sorted(image.iterdir())}
    manifest = {
        "release_sha256": hashlib.sha256(found.release.encode()).hexdigest(),
        "release_date": _date_line(found),
        "source_date_epoch": epoch,
        "kernel": release,
        "packages": package_list(found),
        "agent": agent.name,
        "files": digests,
    }
    text = json.dumps(manifest, indent=1, sort_keys=True) + "\n"
    (image / "manifest.json").write_text(text, encoding="utf-8")
    (image / "digest").write_text(hashlib.sha256(text.encode()).hexdigest(), encoding="ascii")
    return image


def _install_modules(kernel: Path, tree: Path, release: str) -> tuple[str, ...]:
    """The needed modules into the tree; the names that its init loads."""
    run(["depmod", "-b", str(kernel), release])
    source, target = kernel / "lib/modules" / release, tree / "usr/lib/modules" / release
    known = dependencies((source / "modules.dep").read_text(encoding="ascii"))
    for path in with_dependencies((*START_MODULES, *MODULES), known):
        (target / path).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source / path, target / path)
    for name in ("modules.builtin", "modules.builtin.modinfo", "modules.order"):
        shutil.copyfile(source / name, target / name)
    run(["depmod", "-b", str(tree), release])
    return MODULES


def _install_own_files(tree: Path, agent: Path, modules: tuple[str, ...]) -> None:
    for name in _FOLDERS:
        (tree / name).mkdir(parents=True, exist_ok=True)
    _write(tree / "etc/passwd", "root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/:/usr/sbin/nologin\n")
    _write(tree / "etc/group", "root:x:0:\ntty:x:5:\ndisk:x:6:\nnogroup:x:65534:\n")
    _write(tree / "etc/hostname", "sms-helper\n")
    _write(tree / "etc/hosts", "127.0.0.1 localhost sms-helper\n")
    _write(tree / "etc/nsswitch.conf", "passwd: files\ngroup: files\nhosts: files\n")
    _write(tree / "etc/sms-helper/modules", "".join(f"{name}\n" for name in modules))
    (tree / "etc/mtab").unlink(missing_ok=True)
    (tree / "etc/mtab").symlink_to("/proc/self/mounts")
    if not (tree / "usr/bin/sh").exists():
        (tree / "usr/bin/sh").symlink_to("dash")
    (tree / "etc/lvm").mkdir(exist_ok=True)
    _write(tree / "etc/lvm/lvm.conf", (_FILES / "lvm.conf").read_text(encoding="ascii"))
    _write(tree / "usr/sbin/sms-helper-init", (_FILES / "init").read_text(encoding="ascii"), mode=0o755)
    shutil.copyfile(agent, tree / "usr/bin/sms-agent")
    (tree / "usr/bin/sms-agent").chmod(0o755)


def _initramfs(kernel: Path, tree: Path, release: str) -> bytes:
    """Not compressed: it holds 3 MB, and emulated machines are slow at unpacking."""
    source = kernel / "lib/modules" / release
    known = dependencies((source / "modules.dep").read_text(encoding="ascii"))
    paths = with_dependencies(START_MODULES, known)
    names = [Path(path).name for path in paths]
    members = [Member.folder(name) for name in ("bin", "proc", "sys", "dev", "image", "changes", "system", "modules")]
    members += [
        Member.program("bin/busybox", (tree / "usr/bin/busybox").read_bytes()),
        Member.program("init", (_FILES / "start").read_bytes()),
        Member(path="dev/console", mode=stat.S_IFCHR | 0o600, device=(5, 1)),
        Member(
            path="modules/order", mode=stat.S_IFREG | 0o644, content="".join(f"{each}\n" for each in names).encode()
        ),
    ]
    members += [
        Member(path=f"modules/{Path(path).name}", mode=stat.S_IFREG | 0o644, content=(source / path).read_bytes())
        for path in paths
    ]
    return archive(members)


def _squash(tree: Path, image: Path, epoch: int) -> None:
    command = ["mksquashfs", str(tree), str(image), "-noappend", "-no-progress", "-comp", "zstd", "-no-xattrs"]
    command += ["-all-time", str(epoch), "-mkfs-time", str(epoch), "-all-root", "-processors", "2"]
    # mksquashfs refuses both, the variable and the options.
    run(["env", "-u", "SOURCE_DATE_EPOCH", *command])


def _recipe(agent: Path) -> str:
    digest = hashlib.sha256(_sha256(agent).encode())
    for path in sorted(path for path in _OWN.rglob("*") if path.is_file() and "__pycache__" not in path.parts):
        content = path.read_bytes()
        digest.update(f"{path.relative_to(_OWN)} {len(content)}\n".encode() + content)
    return digest.hexdigest()[:12]


def _forget_old_images(cache: Path, newest: Path) -> None:
    images = sorted(cache.glob("helper-image-*"), key=lambda path: path.stat().st_mtime)
    for path in [path for path in images if path != newest][: -(_KEPT - 1) or None]:
        shutil.rmtree(path)


@contextmanager
def _one_builder(cache: Path) -> Iterator[None]:
    """Two that need the image build it once: the second waits and finds it."""
    with (cache / ".helper-image.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _date_line(found: Downloaded) -> str:
    return next(line for line in found.release.splitlines() if line.startswith("Date:")).partition(":")[2].strip()


def _write(path: Path, text: str, *, mode: int = 0o644) -> None:
    path.write_text(text, encoding="ascii")
    path.chmod(mode)
