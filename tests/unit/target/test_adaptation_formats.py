"""Parsers of configuration files and images."""

from __future__ import annotations

import gzip
import lzma

import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from agents.target.adaptation.formats.archive import appended
from agents.target.adaptation.formats.assignments import assignments
from agents.target.adaptation.formats.fstab import MOUNT_POINT, SPEC, parse_fstab
from agents.target.adaptation.formats.grub_config import default_entry, parse_menu, searched_uuids
from agents.target.adaptation.formats.grub_environment import environment_values, is_environment
from agents.target.adaptation.formats.initramfs import InitramfsError, names_in_image
from agents.target.adaptation.kernels import version_key
from agents.target.adaptation.steps.network.interfaces import with_dhcp
from agents.target.adaptation.steps.network.keyfiles import with_automatic
from agents.target.adaptation.steps.network.networkd import with_dhcp as networkd_with_dhcp

GRUB = """
search --no-floppy --fs-uuid --set=root 6d2f1c3e-1111-4222-8333-123456789abc
if [ "${next_entry}" ] ; then
   set default="${next_entry}"
else
   set default="DEFAULT"
fi
function load_video {
  insmod all_video
}
menuentry 'Debian GNU/Linux' --class debian $menuentry_id_option 'gnulinux-simple-1' {
\tload_video
\tlinux\t/boot/vmlinuz-6.1 root=UUID=6d2f ro  console=tty0 console=ttyS0
\tinitrd\t/boot/initrd.img-6.1
}
submenu 'Advanced options' $menuentry_id_option 'gnulinux-advanced-1' {
\tmenuentry 'Debian, with Linux 5.10' --class debian $menuentry_id_option 'gnulinux-5.10-advanced-1' {
\t\tlinux\t/boot/vmlinuz-5.10 root=UUID=6d2f ro
\t}
}
"""


@given(
    st.text(
        alphabet=st.characters(codec="utf-8", exclude_characters="\x0b\x0c\x1c\x1d\x1e\x85\u2028\u2029"), max_size=200
    )
)
def test_fstab_lines_joined_again_are_the_file(text: str) -> None:
    assert "".join(line.raw for line in parse_fstab(text)) == text


def test_fstab_fields_are_replaced_without_touching_blanks_and_comments() -> None:
    (line,) = parse_fstab("  /dev/sda1\t/mnt/my\\040disk   ext4  defaults 0 2   # data\n")
    assert line.value(MOUNT_POINT) == "/mnt/my disk"
    assert line.replaced(SPEC, "UUID=1") == "  UUID=1\t/mnt/my\\040disk   ext4  defaults 0 2   # data\n"


def test_assignments_take_the_last_value_and_no_broken_line() -> None:
    text = 'ID=debian\nNAME="A \\"B\\""\nBROKEN="x\n# ID=no\nexport ID=\'ubuntu\' # trailing\n'
    assert assignments(text) == {"NAME": 'A "B"', "ID": "ubuntu"}


@pytest.mark.parametrize(
    ("default", "kernel"),
    [
        ("0", "/boot/vmlinuz-6.1"),
        ("gnulinux-advanced-1>gnulinux-5.10-advanced-1", "/boot/vmlinuz-5.10"),
        ("1>0", "/boot/vmlinuz-5.10"),
        ("Debian GNU/Linux", "/boot/vmlinuz-6.1"),
        ("gone", "/boot/vmlinuz-6.1"),
        ("${saved_entry}", "/boot/vmlinuz-5.10"),
    ],
)
def test_default_entry_is_the_one_that_grub_starts(default: str, kernel: str) -> None:
    entry = default_entry(GRUB.replace("DEFAULT", default), saved_entry="1>gnulinux-5.10-advanced-1")
    assert entry is not None
    assert entry.kernel == kernel


def test_menu_tells_arguments_and_searched_file_systems() -> None:
    first = parse_menu(GRUB)[0]
    assert (first.argument("root"), first.argument("console")) == ("UUID=6d2f", "ttyS0")
    assert first.initrds == ("/boot/initrd.img-6.1",)
    assert searched_uuids(GRUB) == {"6d2f1c3e-1111-4222-8333-123456789abc"}


def test_grub_environment_has_exactly_1024_bytes() -> None:
    block = b"# GRUB Environment Block\nsaved_entry=1>2\n".ljust(1024, b"#")
    assert is_environment(block)
    assert environment_values(block)["saved_entry"] == "1>2"
    assert not is_environment(block + b"\n")


def cpio(*names: str) -> bytes:
    archive = b""
    for name in (*names, "TRAILER!!!"):
        fields = [0, 0o100644, 0, 0, 1, 0, 3 if name != "TRAILER!!!" else 0, 0, 0, 0, 0, len(name) + 1, 0]
        archive += b"070701" + b"".join(b"%08X" % field for field in fields)
        archive += name.encode() + b"\0"
        archive += b"\0" * (-len(archive) % 4)
        if name != "TRAILER!!!":
            archive += b"abc\0"
    return archive


@pytest.mark.parametrize("pack", [gzip.compress, zstandard.ZstdCompressor().compress, lambda content: content])
def test_initramfs_with_early_microcode_is_unpacked(pack: object) -> None:
    assert callable(pack)
    image = cpio("kernel/x86/microcode/AMD.bin") + b"\0" * 512 + pack(cpio("init", "./lib/modules/6.1/virtio_blk.ko"))
    assert names_in_image(image) == {"kernel/x86/microcode/AMD.bin", "init", "lib/modules/6.1/virtio_blk.ko"}


@pytest.mark.parametrize("pack", [gzip.compress, zstandard.ZstdCompressor().compress, lambda content: content])
def test_initramfs_that_ends_too_early_is_refused(pack: object) -> None:
    assert callable(pack)
    packed = pack(cpio("init", "etc/fstab"))
    with pytest.raises(InitramfsError):
        names_in_image(packed[: len(packed) // 2])


@pytest.mark.parametrize("pack", [gzip.compress, zstandard.ZstdCompressor().compress, lzma.compress])
def test_archive_appended_to_an_image_is_read_with_it(pack: object) -> None:
    assert callable(pack)
    image = appended(pack(cpio("init")), {"usr/lib/modules/6.1/nvme.ko": b"module"})
    assert names_in_image(image) >= {"init", "usr/lib/modules", "usr/lib/modules/6.1/nvme.ko"}


@given(st.binary(max_size=300))
def test_no_bytes_at_all_crash_the_initramfs_parser(content: bytes) -> None:
    try:
        names_in_image(content)
    except InitramfsError:
        return


def test_image_that_unpacks_without_end_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("agents.target.adaptation.formats.initramfs.UNPACKED_LIMIT_BYTES", 1 << 20)
    with pytest.raises(InitramfsError, match="more than"):
        names_in_image(gzip.compress(bytes(4 << 20)))
    with pytest.raises(InitramfsError, match="within each other"):
        names_in_image(gzip.compress(gzip.compress(gzip.compress(gzip.compress(cpio("init"))))))


def test_kernel_versions_sort_as_people_count() -> None:
    releases = ["5.10.0-9-amd64", "6.1.0-21-amd64", "5.10.0-28-amd64", "6.1.0-3-amd64"]
    assert sorted(releases, key=version_key) == [releases[0], releases[2], releases[3], releases[1]]


def test_static_stanza_of_a_real_card_becomes_dhcp() -> None:
    text = (
        "auto lo\niface lo inet loopback\n\nallow-hotplug ens3\niface ens3 inet static\n\taddress 10.0.0.2/24\n"
        "\tgateway 10.0.0.1\n\tmtu 1400\n\niface br0 inet static\n\taddress 10.1.0.1/24\n"
    )
    assert with_dhcp(text, {"ens3"}) == text.replace("ens3 inet static", "ens3 inet dhcp").replace(
        "\taddress 10.0.0.2/24\n\tgateway", "# \taddress 10.0.0.2/24\n# \tgateway"
    )


def test_static_networkd_file_becomes_dhcp() -> None:
    text = "[Match]\nName=ens3\n\n[Network]\nAddress=10.0.0.2/24\nGateway=10.0.0.1\n"
    assert networkd_with_dhcp(text) == (
        "[Match]\nName=ens3\n\n[Network]\nDHCP=yes\n# Address=10.0.0.2/24\n# Gateway=10.0.0.1\n"
    )
    assert (
        networkd_with_dhcp("[Match]\nName=ens3\n[Network]\nDHCP=ipv4\n") == "[Match]\nName=ens3\n[Network]\nDHCP=ipv4\n"
    )


def test_manual_keyfile_becomes_automatic() -> None:
    text = "[connection]\ntype=ethernet\n[ipv4]\nmethod=manual\naddress1=10.0.0.2/24,10.0.0.1\n[ipv6]\nmethod=auto\n"
    assert with_automatic(text) == text.replace("manual", "auto").replace("address1", "# address1")
