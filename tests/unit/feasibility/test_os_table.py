"""Which row of the compatibility table stands for a release."""

from __future__ import annotations

import pytest

from contracts.inventory import OperatingSystem
from services.feasibility.adapters.os_table_file import load_os_table

TABLE = load_os_table()
CASES = [
    ("rhel", "Red Hat Enterprise Linux 8.5 (Ootpa)", "8.5", "Red Hat Enterprise Linux 8.5"),
    ("rhel", "Red Hat Enterprise Linux 8.6", "8.6", None),
    ("rhel", "Red Hat Enterprise Linux Server 6.10", "6.10", "Red Hat Enterprise Linux 6.10"),
    ("centos", "CentOS Linux 7 (Core)", "7.9.2009", "CentOS 7.9"),
    ("centos", "CentOS Stream 8", "8", "CentOS Stream 8"),
    ("centos", "CentOS Stream 9", "9", "CentOS Stream 9"),
    ("centos", "CentOS Linux 9", "9", None),
    ("ol", "Oracle Linux Server 7.9", "7.9", "Oracle Linux 7.9"),
    ("sles", "SUSE Linux Enterprise Server 11 (x86_64)", "11.4", "SUSE Linux Enterprise Server 11 SP4"),
    ("sles", "SUSE Linux Enterprise Server 12", "12", "SUSE Linux Enterprise Server 12 SP0"),
    ("sles", "SUSE Linux Enterprise Server 15 SP3", "15.3", "SUSE Linux Enterprise Server 15 SP3"),
    ("ubuntu", "Ubuntu 20.04.6 LTS", "20.04.6", "Ubuntu Server 20.04"),
    ("ubuntu", "Ubuntu 22.04 LTS", "22.04", None),
    ("debian", "Debian GNU/Linux 6.0.10", "6.0.10", "Debian GNU/Linux 6.0.10"),
    ("debian", "Debian GNU/Linux 7", "7.11", "Debian GNU/Linux 7.11.0"),
    ("debian", "Debian GNU/Linux 8", "8.11.1", "Debian GNU/Linux 8.11.0"),
    ("debian", "Debian GNU/Linux 10", "10.1", "Debian GNU/Linux 10.1.0"),
    ("debian", "Debian GNU/Linux 10", "10.13", None),
    ("debian", "Debian GNU/Linux 11", "11.0", "Debian GNU/Linux 11.0.0"),
    ("debian", "Debian GNU/Linux 12", "12.5", None),
    ("euleros", "EulerOS 2.0 (SP5)", "2.0", "EulerOS 2.5.0"),
    ("amzn", "Amazon Linux 2", "2", "Amazon Linux 2.0"),
    ("amzn", "Amazon Linux AMI 2018.03", "2018.03", "Amazon Linux 2018.3"),
    ("alinux", "Alibaba Cloud Linux 3.2104 U10", "3.2104", "Alibaba Cloud Linux 3.2104"),
    ("alinux", "Alibaba Cloud Linux (Aliyun Linux) 2.1903 LTS", "2.1903", "Alibaba Cloud Linux 2.1903 LTS"),
    ("tencentos", "TencentOS Server 2.4", "2.4", "TencentOS Server 2.4"),
    ("tencentos", "TencentOS Server 2.4 (TK4)", "2.4", "TencentOS Server 2.4 (TK4)"),
    ("gentoo", "Gentoo", "2.14", None),
    ("", "", "", None),
]


@pytest.mark.parametrize(("identifier", "name", "version", "row"), CASES)
def test_release_finds_its_row(identifier: str, name: str, version: str, row: str | None) -> None:
    found = TABLE.row_for(OperatingSystem(id=identifier, name=name, version=version))
    assert (found.name if found else None) == row


def test_whole_table_is_readable_and_every_row_is_of_a_known_system() -> None:
    windows = [row for row in TABLE.rows if row.name.startswith("Windows")]
    linux = [row for row in TABLE.rows if row not in windows]
    assert (len(linux), len(windows), len(TABLE.kernels)) == (158, 9, 346)
    assert all(row.system and row.version for row in linux)
    assert all(row.bits == 64 for row in TABLE.rows)
    assert {row.uefi_supported for row in TABLE.rows} == {"yes", "no", "n/a"}


@pytest.mark.parametrize(
    ("product", "row"),
    [
        ("Windows Server 2008 R2 Enterprise", "Windows Server 2008 R2"),
        ("Windows Server 2008 Standard", "Windows Server 2008"),
        ("Windows Server 2012", "Windows Server 2012"),
        ("Windows Server 2012 R2 Datacenter", "Windows Server 2012 R2"),
        ("Windows Server 2019 Standard", "Windows Server 2019"),
        ("Windows 7 Ultimate", "Windows 7"),
        ("Windows 8.1 Pro", "Windows 8.1"),
        ("Windows 8 Pro", None),
        ("Windows 10 Pro", "Windows 10"),
        ("Windows 11 Pro", None),
        ("Windows Server 2022 Standard", None),
    ],
)
def test_windows_product_finds_its_row(product: str, row: str | None) -> None:
    found = TABLE.row_for(OperatingSystem(family="windows", id="windows", name=product))
    assert (found.name if found else None) == row
