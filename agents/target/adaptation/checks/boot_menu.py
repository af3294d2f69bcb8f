"""The boot menu's default entry: its kernel, RAM disk and root file system are there and fit the target."""

from __future__ import annotations

import re
from typing import Final

from agents.target.adaptation.formats.assignments import assignments
from agents.target.adaptation.formats.grub_config import MenuEntry, linux_commands
from agents.target.adaptation.formats.grub_environment import environment_values, is_environment
from agents.target.adaptation.formats.initramfs import ImageContent, InitramfsError, read_image
from agents.target.adaptation.inputs import Inputs, failed, passed
from agents.target.adaptation.kernels import Kernel, module_name, read_kernel
from agents.target.adaptation.menus import Menu, read_menu
from agents.target.adaptation.references import is_device_reference
from agents.target.adaptation.steps.boot_menu.grub2 import FOREIGN_COMMANDS, environment_path, menu_text
from agents.target.adaptation.steps.boot_menu.grub_legacy import boot_device
from agents.target.adaptation.steps.file_system_table import RESUME
from agents.target.adaptation.steps.initramfs import activates_lvm, modules_for_target
from agents.target.adaptation.system import SystemFacts
from agents.target.adaptation.tree import Tree
from contracts.adaptation import AdaptationCheck
from contracts.errors.adaptation import (
    GRUB_DEVICE,
    GRUB_ENTRY_MISSING,
    GRUB_FIRMWARE,
    GRUB_UUID_UNKNOWN,
    GRUBENV_BAD,
    INITRD_CORRUPT,
    INITRD_MISSING,
    INITRD_NO_DRIVER,
    INITRD_NO_LVM,
    INITRD_STALE,
    KERNEL_MISSING,
    KERNEL_MODULES,
    ROOT_UNRESOLVED,
    SWAP_RESUME,
)

_IMAGE_LIMIT_BYTES: Final = 1 << 30
# Boot protocol: magic at 0x202, number of set-up sectors at 0x1F1, size of the rest in 16 bytes at 0x1F4.
_MAGIC_AT: Final = 0x202
# Settings inside an image that make it wait for devices.
_SETTINGS: Final = re.compile(r"etc/cmdline\.d/.*|etc/lvm/devices/.*\.devices|conf/conf\.d/.*")
_WAITED_FOR: Final = re.compile(r"(?:root=|resume=|rd\.lvm\.lv=|rd\.md\.uuid=|RESUME=|IDNAME=)(\S+)")
_NO_DEVICE: Final = frozenset({"none", "auto", ""})


def boot_menu_checks(tree: Tree, inputs: Inputs, system: SystemFacts) -> tuple[AdaptationCheck, ...]:
    """All checks that follow the default entry."""
    menu = read_menu(tree, system)
    checks = [_uuids(menu, inputs), *_grub_environment(tree, inputs, system), *_firmware(tree, inputs, system)]
    if menu.entry is None or not menu.entry.kernel:
        return (*checks, failed(GRUB_ENTRY_MISSING, path=menu.path, reason="there is no entry with a kernel"))
    checks += [passed(GRUB_ENTRY_MISSING), _root(menu.entry, inputs), _resume(tree, menu, menu.entry, inputs)]
    if menu.device and menu.device.strip() != boot_device(inputs):
        checks.append(failed(GRUB_DEVICE, path=menu.path, device=menu.device, expected=boot_device(inputs)))
    return (*checks, *_kernel_checks(tree, inputs, menu.entry))


def _uuids(menu: Menu, inputs: Inputs) -> AdaptationCheck:
    unknown = sorted(menu.uuids - inputs.references.uuids) or sorted(menu.logical_volumes - _lvm_ids(inputs))
    if unknown:
        return failed(GRUB_UUID_UNKNOWN, path=menu.path, uuid=unknown[0])
    return passed(GRUB_UUID_UNKNOWN)


def _lvm_ids(inputs: Inputs) -> set[str]:
    """As GRUB names logical volumes: the UUIDs of group and volume."""
    return {f"{group.uuid}/{volume.uuid}" for group in inputs.layout.volume_groups for volume in group.logical_volumes}


def _grub_environment(tree: Tree, inputs: Inputs, system: SystemFacts) -> list[AdaptationCheck]:
    """Its form, and the arguments that it gives to entries."""
    path = environment_path(system)
    content = tree.read(path)
    if content is None:
        return [passed(GRUBENV_BAD)]
    if not is_environment(content):
        reason = f"it has {len(content)} bytes or a wrong head; a GRUB environment has 1024"
        return [failed(GRUBENV_BAD, path=path, reason=reason)]
    words = environment_values(content).get("kernelopts", "").split()
    gone = [
        word
        for word in words
        if word.startswith("root=") and is_device_reference(word[5:]) and inputs.references.resolve(word[5:]) is None
    ]
    if gone and system.boot_menu == "bls":
        return [failed(GRUBENV_BAD, path=path, reason=f"its kernelopts have {gone[0]}, which the target does not have")]
    return [passed(GRUBENV_BAD)]


def _firmware(tree: Tree, inputs: Inputs, system: SystemFacts) -> list[AdaptationCheck]:
    if system.boot_menu == "grub_legacy":
        return []
    foreign = FOREIGN_COMMANDS[inputs.facts.firmware]
    if foreign in linux_commands(menu_text(tree, system)):
        path, firmware = system.menu_path, inputs.facts.firmware
        return [failed(GRUB_FIRMWARE, path=path, command=foreign, firmware=firmware)]
    return [passed(GRUB_FIRMWARE)]


def _root(entry: MenuEntry, inputs: Inputs) -> AdaptationCheck:
    root = entry.argument("root")
    expected = inputs.references.root
    if expected is None or inputs.references.resolve(root) != expected:
        return failed(ROOT_UNRESOLVED, root=root or "nothing", expected=expected.reference if expected else "none")
    mounted = inputs.references.subvolume_of_root(entry.argument("rootflags").split(","))
    planned = inputs.references.subvolume_at("/")
    if mounted != planned:
        wanted = f"the subvolume {planned or 'at the top'} of {expected.reference}"
        return failed(ROOT_UNRESOLVED, root=f"{root} with the subvolume {mounted or 'at the top'}", expected=wanted)
    return passed(ROOT_UNRESOLVED)


def _resume(tree: Tree, menu: Menu, entry: MenuEntry, inputs: Inputs) -> AdaptationCheck:
    """A warning: the boot waits for such a device, and then goes on."""
    configured = assignments(tree.text(RESUME) or "").get("RESUME", "")
    for path, reference in ((menu.path, entry.argument("resume")), (RESUME, configured)):
        if reference not in _NO_DEVICE and inputs.references.resolve(reference) is None:
            return failed(SWAP_RESUME, "W", path=path, spec=reference)
    return passed(SWAP_RESUME, "W")


def _kernel_checks(tree: Tree, inputs: Inputs, entry: MenuEntry) -> list[AdaptationCheck]:
    path = inputs.references.path_in_system(entry.kernel)
    release = entry.kernel.rpartition("/")[2].partition("-")[2]
    complaint = kernel_complaint(tree.read(path, limit_bytes=_IMAGE_LIMIT_BYTES))
    checks = [failed(KERNEL_MISSING, path=path, reason=complaint) if complaint else passed(KERNEL_MISSING)]
    index = f"/lib/modules/{release}/modules.dep"
    checks.append(
        passed(KERNEL_MODULES) if tree.is_file(index) else failed(KERNEL_MODULES, release=release, path=index)
    )
    initrd = inputs.references.path_in_system(entry.initrds[-1]) if entry.initrds else ""
    image = tree.read(initrd, limit_bytes=_IMAGE_LIMIT_BYTES) if initrd else None
    if image is None:
        return [*checks, failed(INITRD_MISSING, path=initrd or "(none)", release=release)]
    return [*checks, passed(INITRD_MISSING), *_initrd_checks(image, initrd, read_kernel(tree, release), inputs)]


def kernel_complaint(image: bytes | None) -> str:
    """What is wrong with a kernel image; "" for nothing."""
    if image is None:
        return "the file is missing"
    if image[_MAGIC_AT : _MAGIC_AT + 4] != b"HdrS":
        return "it is not a Linux kernel"
    setup_sectors = image[0x1F1] or 4
    size = (setup_sectors + 1) * 512 + int.from_bytes(image[0x1F4:0x1F8], "little") * 16
    # The protected-mode part is rounded up to 16 bytes and may be followed by a signature.
    if len(image) + 16 < size:
        return f"it has {len(image)} of {size} bytes"
    return ""


def _initrd_checks(image: bytes, path: str, kernel: Kernel, inputs: Inputs) -> list[AdaptationCheck]:
    try:
        content = read_image(image, lambda name: _SETTINGS.fullmatch(name) is not None)
    except InitramfsError as error:
        return [failed(INITRD_CORRUPT, path=path, reason=error)]
    if not content.names & {"init", "linuxrc"}:
        return [failed(INITRD_CORRUPT, path=path, reason="it has no /init")]
    inside = {module_name(name) for name in content.names if ".ko" in name}
    missing = sorted(kernel.with_dependencies(modules_for_target(inputs, kernel)) - inside)
    checks = [passed(INITRD_CORRUPT)]
    checks.append(
        failed(INITRD_NO_DRIVER, path=path, drivers=", ".join(missing)) if missing else passed(INITRD_NO_DRIVER)
    )
    root = inputs.references.root
    if root is not None and root.logical_volume:
        has_lvm = activates_lvm(image)
        checks.append(
            passed(INITRD_NO_LVM) if has_lvm else failed(INITRD_NO_LVM, path=path, volume=root.logical_volume)
        )
    return [*checks, *_stale(content, path, inputs)]


def _stale(content: ImageContent, path: str, inputs: Inputs) -> list[AdaptationCheck]:
    """Devices of the source, or of the machine that built the image, that it would wait for before the root."""
    root = inputs.references.root
    starts = ("root=", "rd.", *(("IDNAME=",) if root is not None and root.logical_volume else ()))
    for file, data in sorted(content.files.items()):
        for match in _WAITED_FOR.finditer(data.decode(errors="replace")):
            device = match.group(1)
            is_waited_for = match.group().startswith(starts)
            if device in _NO_DEVICE or (not is_device_reference(device) and match.group().startswith("root=")):
                continue
            if inputs.references.resolve(device) is None and not _is_there(match.group(), inputs):
                return [failed(INITRD_STALE, "E" if is_waited_for else "W", path=path, device=device, file=file)]
    return [passed(INITRD_STALE)]


def _is_there(setting: str, inputs: Inputs) -> bool:
    """Whether the target has the logical volume or array that a setting names."""
    name, _, value = setting.partition("=")
    if name == "rd.lvm.lv":
        return inputs.references.resolve(f"/dev/{value}") is not None
    return name == "rd.md.uuid" and inputs.references.has_kind("linux_raid_member")
