"""GRUB 2's generated menu: made anew by the system's own grub-mkconfig, or edited where it is; and its environment."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from agents.target.adaptation.changes import Change, StepResult, WriteFile
from agents.target.adaptation.command_line import CommandLine
from agents.target.adaptation.formats.grub_config import (
    linux_commands,
    name_of_kernel,
    named_entry,
    parse_menu,
    searched_uuids,
    with_arguments,
)
from agents.target.adaptation.formats.grub_environment import environment_block, environment_values, is_environment
from agents.target.adaptation.inputs import Inputs, failed
from agents.target.adaptation.kernels import Kernel
from agents.target.adaptation.steps.boot_menu.bls import entry_files, entry_name
from agents.target.adaptation.steps.sandboxed import sandbox_check
from agents.target.adaptation.system import SystemFacts
from agents.target.adaptation.tree import Tree, encode
from contracts.adaptation import AdaptationCheck
from contracts.errors.adaptation import GRUB_FIRMWARE

MENU_LIMIT_BYTES: Final = 4 << 20
# What RHEL's GRUB calls its loaders by firmware; the plain name works with both.
FOREIGN_COMMANDS: Final = {"BIOS": "linuxefi", "UEFI": "linux16"}


def plan_grub_config(tree: Tree, inputs: Inputs, system: SystemFacts, line: CommandLine) -> StepResult:
    """The new grub.cfg. It is what the program prints, so the program needs no write access.

    Where nothing but arguments has to change, they are edited: a menu that was made elsewhere may be more than what
    the system's settings say.
    """
    text = menu_text(tree, system)
    checks: tuple[AdaptationCheck, ...] = ()
    if system.mkconfig and (system.has_dpkg or not text or searched_uuids(text) - inputs.references.uuids):
        made, check = _made_menu(tree, inputs, system, line)
        if made is not None:
            return StepResult(changes=(made,), checks=(check,))
        checks = (check,)
    new = with_arguments(text, line.adapted)
    change = WriteFile(path=system.menu_path, content=encode(new), reason="kernel arguments")
    return StepResult(changes=(change,) if new != text else (), checks=checks)


def _made_menu(
    tree: Tree, inputs: Inputs, system: SystemFacts, line: CommandLine
) -> tuple[WriteFile | None, AdaptationCheck]:
    result = inputs.builder.run([system.mkconfig])
    check = sandbox_check("grub-mkconfig", result, severity="W")
    mode = None if tree.is_file(system.menu_path) else 0o600
    made = WriteFile(
        path=system.menu_path, content=result.output, reason="boot menu", mode=mode, after="built by grub-mkconfig"
    )
    if result.is_planned:
        # The menu as it is stands for the one that will be made: its entries have the same names.
        return replace(made, content=encode(with_arguments(menu_text(tree, system), line.adapted))), check
    if check.failure is not None or b"### END" not in result.output:
        return None, check
    foreign = FOREIGN_COMMANDS[inputs.facts.firmware]
    if foreign in linux_commands(result.output.decode("utf-8", "surrogateescape")):
        # The builder saw the firmware of the machine that it ran on instead of the target's.
        return None, failed(GRUB_FIRMWARE, "W", path="grub-mkconfig", command=foreign, firmware=inputs.facts.firmware)
    return replace(made, content=_with_root_volume(result.output, inputs)), check


def _with_root_volume(menu: bytes, inputs: Inputs) -> bytes:
    """The menu with a logical volume's own name as the root: where the builder ran, it was on none."""
    root = inputs.references.root
    if root is None or not root.logical_volume:
        return menu
    other = f"root=UUID={root.file_system.uuid}"

    def named(arguments: str) -> str:
        return " ".join(f"root={root.reference}" if word == other else word for word in arguments.split(" "))

    return encode(with_arguments(menu.decode("utf-8", "surrogateescape"), named))


def menu_text(tree: Tree, system: SystemFacts) -> str:
    """The menu as it is; "" when there is none."""
    content = tree.read(system.menu_path, limit_bytes=MENU_LIMIT_BYTES) or b""
    return content.decode("utf-8", "surrogateescape")


def environment_path(system: SystemFacts) -> str:
    """Beside the menu of BIOS; by UEFI the same path leads to the EFI system partition."""
    return f"{system.grub_folder}/grubenv"


def with_environment(
    tree: Tree, inputs: Inputs, system: SystemFacts, line: CommandLine, result: StepResult, *, chosen: Kernel | None
) -> StepResult:
    """The result with GRUB's environment: no one-time entry, a saved entry that exists, arguments that hold."""
    path = environment_path(system)
    content = tree.read(path)
    if content is None and (chosen is None or system.boot_menu != "bls"):
        return result
    values = environment_values(content or b"")
    new = {name: value for name, value in values.items() if name not in {"next_entry", "recordfail"}}
    if "kernelopts" in new:
        new["kernelopts"] = line.adapted(new["kernelopts"])
    _set_saved_entry(tree, system, result, new, chosen)
    # A link to the EFI system partition cannot be read by GRUB of a BIOS: the file takes its place.
    is_astray = inputs.facts.firmware == "BIOS" and "/EFI/" in (tree.link_target(path) or "")
    if new == values and content is not None and is_environment(content) and not is_astray:
        return result
    block = environment_block(new)
    if block is None:
        return result
    change: Change = WriteFile(path=path, content=block, reason="GRUB's environment", replaces_link=is_astray)
    return replace(result, changes=(*result.changes, change))


def _set_saved_entry(
    tree: Tree, system: SystemFacts, result: StepResult, values: dict[str, str], chosen: Kernel | None
) -> None:
    """The chosen kernel's entry; or the first one's by leaving the name out, when what is saved is not there."""
    if system.boot_menu == "bls":
        if chosen is not None:
            values["saved_entry"] = entry_name(tree, chosen.release)
        names = {path.rpartition("/")[2].removesuffix(".conf") for path in entry_files(tree)}
        saved = values.get("saved_entry", "")
        if saved and not saved.isdigit() and saved not in names:
            del values["saved_entry"]
        return
    menu = parse_menu(_new_text(tree, system, result))
    if chosen is not None and not system.has_dpkg:
        values["saved_entry"] = name_of_kernel(menu, chosen.release)
    saved = values.get("saved_entry", "")
    if saved and menu and named_entry(menu, saved) is None:
        del values["saved_entry"]


def _new_text(tree: Tree, system: SystemFacts, result: StepResult) -> str:
    """The menu as it will be."""
    made = [each for each in result.changes if isinstance(each, WriteFile) and each.path == system.menu_path]
    return made[-1].content.decode("utf-8", "surrogateescape") if made else menu_text(tree, system)
