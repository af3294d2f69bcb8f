"""Which operating system a tree holds, with the most exact version that it tells."""

from __future__ import annotations

import re
import shlex
from typing import Final

from agents.source.inventory.system_tree import SystemTree
from contracts.inventory import OperatingSystem

# Derivatives carry redhat-release too, so it comes after all of them.
_RELEASE_FILES: Final = (
    ("oracle-release", "ol"),
    ("centos-release", "centos"),
    ("rocky-release", "rocky"),
    ("almalinux-release", "almalinux"),
    ("euleros-release", "euleros"),
    ("openEuler-release", "openEuler"),
    ("alinux-release", "alinux"),
    ("anolis-release", "anolis"),
    ("tencentos-release", "tencentos"),
    ("altlinux-release", "altlinux"),
    ("redhat-release", "rhel"),
    ("system-release", "amzn"),
)
_ELF_CLASS_64: Final = 2
_MACHINES: Final = {3: "i386", 40: "arm", 62: "x86_64", 183: "aarch64", 243: "riscv64", 22: "s390x", 21: "ppc64le"}


def parse_os_release(text: str) -> dict[str, str]:
    """The assignments of an os-release or lsb-release file."""
    values = {}
    for line in text.splitlines():
        name, separator, value = line.strip().partition("=")
        if not separator or name.startswith("#"):
            continue
        try:
            values[name] = " ".join(shlex.split(value))
        except ValueError:
            values[name] = value.strip("\"'")
    return values


def _first_version(text: str) -> str:
    found = re.search(r"\d+(?:\.\d+)*", text)
    return found.group(0) if found else ""


def _from_release_file(tree: SystemTree) -> tuple[str, str, str]:
    for name, system_id in _RELEASE_FILES:
        line = tree.read_text(f"/etc/{name}").strip().partition("\n")[0]
        if line:
            identifier = "rhel" if name == "centos-release" and line.startswith("Red Hat") else system_id
            return identifier, line, _first_version(line)
    suse = tree.read_text("/etc/SuSE-release")
    if suse:
        fields = dict(re.findall(r"^(VERSION|PATCHLEVEL)\s*=\s*(\S+)", suse, re.MULTILINE))
        version = ".".join(filter(None, (fields.get("VERSION", ""), fields.get("PATCHLEVEL", ""))))
        return "sles", suse.partition("\n")[0], version
    return "", "", ""


def _exact_version(tree: SystemTree, system_id: str, release: dict[str, str]) -> str:
    version_id = release.get("VERSION_ID", "")
    if system_id == "debian":
        # "12.5", but "trixie/sid" before a release: then os-release is all there is.
        debian = tree.read_text("/etc/debian_version").strip()
        return debian if debian[:1].isdigit() else version_id
    candidates = [version_id]
    if system_id not in ("ubuntu", "sles", "opensuse-leap"):
        candidates.append(_from_release_file(tree)[2])
    candidates += [_first_version(release.get("VERSION", "")), _first_version(release.get("PRETTY_NAME", ""))]
    if system_id in ("sles", "opensuse-leap"):
        return version_id
    # The longest one that goes on where VERSION_ID ends: 7 → 7.9.2009.
    fitting = [text for text in candidates if text == version_id or text.startswith(f"{version_id}.") or not version_id]
    return max(fitting, key=len, default=version_id)


def _elf_header(tree: SystemTree) -> bytes:
    for path in ("/bin/sh", "/sbin/init", "/usr/bin/env", "/bin/bash"):
        header = tree.read_bytes(path, limit=20)
        if header[:4] == b"\x7fELF":
            return header
    return b""


def architecture_of(tree: SystemTree) -> str:
    """The architecture of the tree's programs in uname's words; "" when it holds none."""
    header = _elf_header(tree)
    return _MACHINES.get(int.from_bytes(header[18:20], "little"), "") if len(header) == 20 else ""


def read_operating_system(tree: SystemTree) -> OperatingSystem:
    """os-release where it exists, else the release files of older systems."""
    release = parse_os_release(tree.read_text("/etc/os-release") or tree.read_text("/usr/lib/os-release"))
    header = _elf_header(tree)
    bits = 32 if header and header[4] != _ELF_CLASS_64 else 64
    if release.get("ID"):
        system_id = release["ID"].lower() if release["ID"] != "openEuler" else release["ID"]
        return OperatingSystem(
            id=system_id,
            name=release.get("PRETTY_NAME") or release.get("NAME", ""),
            version_id=release.get("VERSION_ID", ""),
            version=_exact_version(tree, system_id, release),
            id_like=tuple(release.get("ID_LIKE", "").split()),
            bits=bits,
        )
    lsb = parse_os_release(tree.read_text("/etc/lsb-release"))
    if lsb.get("DISTRIB_ID"):
        version = lsb.get("DISTRIB_RELEASE", "")
        return OperatingSystem(
            id=lsb["DISTRIB_ID"].lower(),
            name=lsb.get("DISTRIB_DESCRIPTION", ""),
            version_id=version,
            version=version,
            bits=bits,
        )
    system_id, name, version = _from_release_file(tree)
    if not system_id and (version := tree.read_text("/etc/debian_version").strip()):
        system_id, name = "debian", f"Debian GNU/Linux {version}"
    return OperatingSystem(id=system_id, name=name, version_id=version, version=version, bits=bits)
