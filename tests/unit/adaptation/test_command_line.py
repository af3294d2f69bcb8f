"""Kernel arguments on the target, and editors that keep every byte which they do not change."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from agents.target.adaptation.command_line import CommandLine
from agents.target.adaptation.formats.assignments import assignments, edited_assignments
from agents.target.adaptation.formats.bls import with_options
from agents.target.adaptation.formats.grub_config import with_arguments
from agents.target.adaptation.formats.grub_environment import environment_block, environment_values
from agents.target.adaptation.formats.grub_legacy import edited_menu
from agents.target.adaptation.references import References, mapper_name
from tests.unit.adaptation.trees.redhat import EL7
from tests.unit.adaptation.trees.shape import BOOT_UUID, ROOT_UUID, SOURCE_MACS, SWAP_UUID, TARGET_MACS

REFERENCES = References(EL7.layout(), EL7.inventory())
LINE = CommandLine(
    references=REFERENCES, network_map={SOURCE_MACS[0]: TARGET_MACS[0]}, has_serial_port=True, extra=("net.ifnames=0",)
)
words = st.sampled_from(
    [
        *(
            "root=/dev/sda2",
            "root=/dev/mapper/centos-root",
            f"root=UUID={ROOT_UUID}",
            "resume=/dev/sdz9",
            "ro",
            "quiet",
        ),
        *(
            "rd.lvm.lv=centos/root",
            "console=hvc0",
            "console=ttyS0,115200n8",
            "console=tty0",
            "net.ifnames=0",
            "rd.break",
        ),
        *("rootflags=subvol=@,subvolid=256", f"ifname=lan:{SOURCE_MACS[0]}", "$tuned_params", "BOOTIF=01-00"),
    ]
)
lines = st.lists(words, max_size=12).map(" ".join)
texts = st.text(alphabet="abc=\"' \t\n#{}$/\\linuxoptionskernelroottitle(hd0,1)", max_size=200)


def test_every_kind_of_argument_that_does_not_hold_is_replaced_or_left_out() -> None:
    text = (
        "BOOT_IMAGE=/vmlinuz root=/dev/mapper/centos-root ro resume=/dev/mapper/centos-swap boot=/dev/sda1 "
        f"resume=UUID={SWAP_UUID} rd.lvm.lv=centos/root rd.md.uuid=1:2 rd_NO_MD rd.luks.uuid=luks-1 rd.break "
        f"console=hvc0 console=ttyS1,9600 ifname=lan:{SOURCE_MACS[0]} rootflags=subvol=@,subvolid=256 fips=1"
    )
    assert LINE.adapted(text).split() == [
        *("BOOT_IMAGE=/vmlinuz", f"root=UUID={ROOT_UUID}", "ro", f"boot=UUID={BOOT_UUID}", f"resume=UUID={SWAP_UUID}"),
        *("rd_NO_MD", "console=ttyS0,115200n8", "console=ttyS0,115200n8", f"ifname=lan:{TARGET_MACS[0]}"),
        *("rootflags=subvol=@", "fips=1", "net.ifnames=0"),
    ]


def test_target_without_a_serial_port_gets_no_console_on_one() -> None:
    line = CommandLine(references=REFERENCES, network_map={}, has_serial_port=False)
    assert line.adapted("ro console=hvc0 quiet") == "ro quiet"


@given(lines)
def test_adapting_twice_is_the_same_as_once(text: str) -> None:
    once = LINE.adapted(text)
    assert LINE.adapted(once) == once


@given(texts)
def test_editors_that_change_no_value_keep_every_byte(text: str) -> None:
    assert with_options(text, lambda value: value) == text
    assert with_arguments(text, lambda value: value) == text
    assert edited_assignments(text, lambda _, value: value) == text


@given(st.dictionaries(st.text("abc_", min_size=1), st.text("ab=/ #$", max_size=80), max_size=14))
def test_environment_is_read_back_as_it_was_written(values: dict[str, str]) -> None:
    block = environment_block(values)
    assert block is None or (len(block) == 1024 and environment_values(block) == values)


def test_environment_without_room_is_not_written() -> None:
    assert environment_block({"kernelopts": "x" * 1000}) is None


def test_assignment_gets_quotes_where_blanks_need_them_and_keeps_those_that_it_has() -> None:
    text = 'A=one # note\nB=\'two\'\nexport C="three"\nbroken "line\n'
    new = edited_assignments(text, lambda _, value: f"{value} more")
    assert assignments(new) == {"A": "one more", "B": "two more", "C": "three more"}
    assert "B='two more'" in new
    assert new.endswith('broken "line\n')


def test_hypervisor_of_xen_gets_no_kernel_arguments() -> None:
    text = (
        "default 0\ntitle Xen\n root (hd0,4)\n kernel /xen.gz dom0_mem=1G\n kernel --no-mem-option (hd0,4)/vmlinuz-3\n"
    )
    new = edited_menu(text, arguments=lambda value: f"{value}!", device="(hd0,0)", default=2)
    assert new.splitlines() == [
        *("default 2", "title Xen", " root (hd0,0)", " kernel /xen.gz dom0_mem=1G"),
        " kernel --no-mem-option (hd0,0)/vmlinuz-3 !",
    ]


def test_title_of_another_system_keeps_its_partition() -> None:
    other = "title Other\nrootnoverify (hd0,3)\nroot (hd0,3)\nchainloader +1\n"
    text = f"{other}title Linux\nroot (hd0,1)\nkernel /vmlinuz-3 ro\n"
    new = edited_menu(text, arguments=lambda value: value, device="(hd0,0)", default=None)
    assert new == text.replace("(hd0,1)", "(hd0,0)")


def test_both_names_of_a_logical_volume_are_one() -> None:
    assert mapper_name("/dev/my-vg/lv-root") == mapper_name("/dev/mapper/my--vg-lv--root")
    assert mapper_name("/dev/disk/by-id") == "/dev/disk/by-id"
