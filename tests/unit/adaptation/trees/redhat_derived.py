"""Systems that came from Red Hat's: its rebuilds with kernels of their own, Fedora, EulerOS, Amazon's."""

from __future__ import annotations

from typing import Final

from tests.unit.adaptation.trees.redhat import EL6, EL7, EL8, EL9
from tests.unit.adaptation.trees.shape import Shape


def rebuilt(shape: Shape, name: str, release_file: str, *, kernel: str = "", **changed: object) -> Shape:
    """Another system of the same making: other release file and kernel."""
    old = shape.release
    new = kernel or old
    files = {
        path.replace(old, new): content.replace(old, new) if isinstance(content, str) else content
        for path, content in shape.files.items()
    }
    files["/etc/os-release"] = release_file
    fields = {field: getattr(shape, field) for field in shape.__dataclass_fields__}
    return Shape(**{**fields, "name": name, "release": new, "files": files, **changed})


ORACLE9: Final = rebuilt(
    EL9,
    "oracle-9-uek",
    'ID="ol"\nID_LIKE="fedora"\nVERSION_ID="9.4"\nPLATFORM_ID="platform:el9"\nPRETTY_NAME="Oracle Linux Server 9.4"\n',
    kernel="5.15.0-205.149.5.1.el9uek.x86_64",
)
FEDORA: Final = rebuilt(
    EL9,
    "fedora-40",
    'ID=fedora\nVERSION_ID=40\nPLATFORM_ID="platform:f40"\nPRETTY_NAME="Fedora Linux 40"\n',
    kernel="6.8.5-301.fc40.x86_64",
)
EULEROS: Final = rebuilt(
    EL7,
    "euleros-2",
    'ID="euleros"\nVERSION_ID="2.0"\nPRETTY_NAME="EulerOS 2.0 (SP5)"\n',
    kernel="3.10.0-862.14.1.h197.eulerosv2r7.x86_64",
)
OPENEULER: Final = rebuilt(
    EL7,
    "openeuler-22",
    'ID="openEuler"\nVERSION_ID="22.03"\nPRETTY_NAME="openEuler 22.03 (LTS-SP3)"\n',
    kernel="5.10.0-182.0.0.95.oe2203sp3.x86_64",
)
ALIBABA2: Final = rebuilt(
    EL7,
    "alibaba-2",
    'ID="alinux"\nID_LIKE="rhel fedora centos anolis"\nVERSION_ID="2.1903"\nPRETTY_NAME="Alibaba Cloud Linux 2.1903"\n',
    kernel="4.19.91-26.al7.x86_64",
)
ALIBABA3: Final = rebuilt(
    EL8,
    "alibaba-3",
    'ID="alinux"\nID_LIKE="rhel fedora centos anolis"\nVERSION_ID="3"\nPLATFORM_ID="platform:al8"\n'
    'PRETTY_NAME="Alibaba Cloud Linux 3"\n',
    kernel="5.10.134-16.al8.x86_64",
)
TENCENT2: Final = rebuilt(
    EL7,
    "tencentos-2.4",
    'ID="tencentos"\nID_LIKE="rhel fedora centos"\nVERSION_ID="2.4"\nPRETTY_NAME="TencentOS Server 2.4"\n',
    kernel="5.4.119-19-0009.11",
)
TENCENT3: Final = rebuilt(
    EL8,
    "tencentos-3.1",
    'ID="tencentos"\nID_LIKE="rhel fedora centos"\nVERSION_ID="3.1"\nPLATFORM_ID="platform:el8"\n'
    'PRETTY_NAME="TencentOS Server 3.1"\n',
    kernel="5.4.119-19.0009.28",
)
AMAZON2: Final = rebuilt(
    EL7,
    "amazon-2",
    'ID="amzn"\nID_LIKE="centos rhel fedora"\nVERSION_ID="2"\nPRETTY_NAME="Amazon Linux 2"\n',
    kernel="4.14.355-275.amzn2.x86_64",
)
AMAZON2023: Final = rebuilt(
    EL9,
    "amazon-2023",
    'ID="amzn"\nID_LIKE="fedora"\nVERSION_ID="2023"\nPLATFORM_ID="platform:al2023"\nPRETTY_NAME="Amazon Linux 2023"\n',
    kernel="6.1.90-99.173.amzn2023.x86_64",
)
_AMAZON1_RELEASE: Final = "4.14.336-178.554.amzn1.x86_64"
AMAZON1: Final = Shape(
    name="amazon-1",
    release=_AMAZON1_RELEASE,
    initrd_name="initramfs-{}.img",
    has_boot=False,
    files={
        "/etc/os-release": 'ID="amzn"\nID_LIKE="rhel fedora"\nVERSION_ID="2018.03"\nPRETTY_NAME="Amazon Linux AMI"\n',
        "/etc/system-release": "Amazon Linux AMI release 2018.03\n",
        "/boot/grub/menu.lst": (
            "default=0\ntimeout=0\nhiddenmenu\n\n"
            f"title Amazon Linux 2018.03 ({_AMAZON1_RELEASE})\nroot (hd0,0)\n"
            f"kernel /boot/vmlinuz-{_AMAZON1_RELEASE} root=LABEL=/ console=tty1 console=ttyS0 selinux=0\n"
            f"initrd /boot/initramfs-{_AMAZON1_RELEASE}.img\n"
        ),
        **{path: content for path, content in EL6.files.items() if path.startswith("/boot/grub/") and "stage" in path},
        "/etc/fstab": "LABEL=/     /           ext4    defaults,noatime  1   1\ntmpfs /dev/shm tmpfs defaults 0 0\n",
        "/etc/sysconfig/network-scripts/ifcfg-eth0": "DEVICE=eth0\nBOOTPROTO=dhcp\nONBOOT=yes\nTYPE=Ethernet\n",
        "/etc/udev/rules.d/53-ec2-network-interfaces.rules": 'ACTION=="add", SUBSYSTEM=="net", RUN+="/sbin/ifup"\n',
        "/etc/cloud/cloud.cfg": "datasource_list: [ Ec2, None ]\n",
        "/etc/init.d/cloud-init": "#!/bin/sh\n",
        "/etc/init.d/amazon-ssm-agent": "#!/bin/sh\n",
        "/etc/securetty": "console\ntty1\nttyS0\n",
        "/sbin/dracut": "#!/bin/bash\n# dracut 004\n",
    },
    programs=("/sbin/dracut",),
    links={
        "/etc/rc.d/rc3.d/S50cloud-init": "../init.d/cloud-init",
        "/etc/rc.d/rc3.d/S80amazon-ssm-agent": "../init.d/amazon-ssm-agent",
    },
)
SHAPES: Final = (
    *(ORACLE9, FEDORA, EULEROS, OPENEULER, AMAZON1, AMAZON2, AMAZON2023),
    *(ALIBABA2, ALIBABA3, TENCENT2, TENCENT3),
)
