"""Which kernel a system runs, or would run."""

from __future__ import annotations

import os
import re

from agents.source.inventory.boot_loader import version_key
from agents.source.inventory.system_tree import SystemTree

_NOT_KERNELS = re.compile(r"rescue|kdump|\.(rpmsave|rpmnew|bak|old)$|\.dpkg-")


def installed_kernels(tree: SystemTree) -> list[str]:
    """Releases with an image in /boot and a folder of modules, newest first."""
    releases = []
    for name in tree.names("/boot"):
        found = re.match(r"(?:vmlinuz|vmlinux|bzImage)-(.+)$", name)
        if found and not _NOT_KERNELS.search(name):
            releases.append(found.group(1))
    with_modules = [
        release
        for release in releases
        if tree.is_directory(f"/lib/modules/{release}") or tree.is_directory(f"/usr/lib/modules/{release}")
    ]
    return sorted(with_modules, key=version_key, reverse=True)


def kernel_release(tree: SystemTree, default_kernel: str) -> str:
    """The running kernel of a live system; of a mounted tree the boot loader's default, else its newest one."""
    if tree.is_live:
        return os.uname().release
    installed = installed_kernels(tree)
    default = default_kernel.rpartition("/")[2].partition("-")[2]
    return default if default in installed else next(iter(installed), "")
