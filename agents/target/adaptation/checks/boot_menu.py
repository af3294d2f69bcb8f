"""The boot menu's default entry: its kernel, RAM disk and root file system are there and fit the target."""

from __future__ import annotations

from typing import Final

from agents.target.adaptation.formats.assignments import assignments
from agents.target.adaptation.formats.grub_config import MenuEntry, default_entry, searched_uuids
from agents.target.adaptation.formats.grub_environment import environment_values, is_environment
from agents.target.adaptation.formats.initramfs import InitramfsError, names_in_image
from agents.target.adaptation.inputs import Inputs, failed, passed
from agents.target.adaptation.kernels import Kernel, module_name, read_kernel
from agents.target.adaptation.steps.file_system_table import RESUME
from agents.target.adaptation.steps.initramfs import modules_for_target
from agents.target.adaptation.tree import Tree
from contracts.adaptation import AdaptationCheck
from contracts.errors.adaptation import (
    GRUB_ENTRY_MISSING,
    GRUB_UUID_UNKNOWN,
    GRUBENV_BAD,
    INITRD_CORRUPT,
    INITRD_MISSING,
    INITRD_NO_DRIVER,
    KERNEL_MISSING,
    KERNEL_MODULES,
    ROOT_UNRESOLVED,
    SWAP_RESUME,
)

_CONFIG: Final = "/boot/grub/grub.cfg"
_ENVIRONMENT: Final = "/boot/grub/grubenv"
_IMAGE_LIMIT_BYTES: Final = 1 << 30
_MENU_LIMIT_BYTES: Final = 4 << 20
# Boot protocol: magic at 0x202, number of set-up sectors at 0x1F1, size of the rest in 16 bytes at 0x1F4.
_MAGIC_AT: Final = 0x202


def boot_menu_checks(tree: Tree, inputs: Inputs) -> tuple[AdaptationCheck, ...]:
    """All checks that follow the default entry."""
    content = tree.read(_CONFIG, limit_bytes=_MENU_LIMIT_BYTES)
    text = (content or b"").decode("utf-8", "surrogateescape")
    environment = tree.read(_ENVIRONMENT)
    saved = environment_values(environment or b"").get("saved_entry", "")
    entry = default_entry(text, saved)
    checks = [_uuids(text, inputs), _grub_environment(environment)]
    if entry is None or not entry.kernel:
        return (*checks, failed(GRUB_ENTRY_MISSING, path=_CONFIG, reason="there is no entry with a kernel"))
    checks += [passed(GRUB_ENTRY_MISSING), _root(entry, inputs), _resume(tree, entry, inputs)]
    return (*checks, *_kernel_checks(tree, inputs, entry))


def _uuids(text: str, inputs: Inputs) -> AdaptationCheck:
    unknown = sorted(searched_uuids(text) - inputs.references.uuids)
    if unknown:
        return failed(GRUB_UUID_UNKNOWN, path=_CONFIG, uuid=unknown[0])
    return passed(GRUB_UUID_UNKNOWN)


def _grub_environment(content: bytes | None) -> AdaptationCheck:
    if content is not None and not is_environment(content):
        return failed(GRUBENV_BAD, path=_ENVIRONMENT, size_bytes=len(content))
    return passed(GRUBENV_BAD)


def _root(entry: MenuEntry, inputs: Inputs) -> AdaptationCheck:
    root = entry.argument("root")
    expected = inputs.references.root
    if expected is None or inputs.references.resolve(root) != expected:
        return failed(ROOT_UNRESOLVED, root=root or "nothing", expected=expected.reference if expected else "none")
    return passed(ROOT_UNRESOLVED)


def _resume(tree: Tree, entry: MenuEntry, inputs: Inputs) -> AdaptationCheck:
    """A warning: the boot waits for such a device, and then goes on."""
    configured = assignments(tree.text(RESUME) or "").get("RESUME", "")
    for path, reference in ((_CONFIG, entry.argument("resume")), (RESUME, configured)):
        if reference not in {"", "none", "auto"} and inputs.references.resolve(reference) is None:
            return failed(SWAP_RESUME, "W", path=path, spec=reference)
    return passed(SWAP_RESUME, "W")


def _kernel_checks(tree: Tree, inputs: Inputs, entry: MenuEntry) -> list[AdaptationCheck]:
    prefix = "/boot" if inputs.references.boot is not inputs.references.root else ""
    path = prefix + entry.kernel
    release = entry.kernel.rpartition("/")[2].partition("-")[2]
    complaint = kernel_complaint(tree.read(path, limit_bytes=_IMAGE_LIMIT_BYTES))
    checks = [failed(KERNEL_MISSING, path=path, reason=complaint) if complaint else passed(KERNEL_MISSING)]
    index = f"/lib/modules/{release}/modules.dep"
    checks.append(
        passed(KERNEL_MODULES) if tree.is_file(index) else failed(KERNEL_MODULES, release=release, path=index)
    )
    initrd = prefix + entry.initrds[-1] if entry.initrds else ""
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
        names = names_in_image(image)
    except InitramfsError as error:
        return [failed(INITRD_CORRUPT, path=path, reason=error)]
    if not names & {"init", "linuxrc"}:
        return [failed(INITRD_CORRUPT, path=path, reason="it has no /init")]
    inside = {module_name(name) for name in names if ".ko" in name}
    missing = sorted(kernel.with_dependencies(modules_for_target(inputs)) - inside)
    if missing:
        return [passed(INITRD_CORRUPT), failed(INITRD_NO_DRIVER, path=path, drivers=", ".join(missing))]
    return [passed(INITRD_CORRUPT), passed(INITRD_NO_DRIVER)]
