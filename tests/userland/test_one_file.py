"""The agent as one file: started in userlands that are older than what it was built in, in a folder with nothing else,
with the system calls of old kernels; installed, upgraded and removed where no systemd runs."""

from __future__ import annotations

import shutil
import subprocess
import urllib.error
import urllib.request
from pathlib import Path

import pytest

from agents.bundle import build_agent
from demo.debian_tree import debian_tree_tarball, unpack_tree
from tests.unit.transfer.transfer_kit import Authority
from tests.userland.test_userland import OLD_KERNELS, as_old_kernel

pytestmark = [pytest.mark.long, pytest.mark.root, pytest.mark.timeout(900)]

LARGEST_BYTES = 40 << 20
# Of the agent that waits for its bus, what unpacked it included.
LARGEST_RESIDENT_MIB = 100
# The oldest that a mirror still has, and their C libraries: the agent is built with 2.36.
UBUNTU = "http://archive.ubuntu.com/ubuntu"
USERLANDS = {"bullseye": "2.31", "xenial": "2.23"}
FOLDER = "/root/in"
PROGRAM = "/opt/sms-agent/sms-agent"

# Everything but what a kernel shows, the test's own folder, and how large a directory has become.
LIST = (
    r"find / \( -path /proc -o -path /dev -o -path /sys -o -path /root/in \) -prune"
    r" -o -type f -printf '%p %m %U:%G %s\n' -o -printf '%p %y %m %U:%G %l\n' | sort"
)
LIFE = rf"""set -eu
list() {{ {LIST}; }}
pid_of() {{ grep -l -a '^{PROGRAM}.run' /proc/[0-9]*/cmdline 2>/dev/null | cut -d/ -f3 | sort | head -n 1; }}
await_agent() {{ for _ in $(seq 300); do test -n "$(pid_of)" && return; sleep 0.1; done; echo "no agent"; exit 1; }}
cd {FOLDER}
export TMPDIR={FOLDER}
list >before
INSTALL="install --bus tls://127.0.0.1:9 --access-key AK --secret-key-file secret --ca ca.pem"
./sms-agent $INSTALL
await_agent
sleep 5
first=$(pid_of)
all=$(grep -l -a -P 'sms-agent\x00run' /proc/[0-9]*/cmdline)
for each in $all; do cat "$(dirname "$each")/smaps_rollup"; done >memory
/etc/init.d/sms-agent status
list >installed
echo kept >/var/lib/sms-agent/mark
./sms-agent $INSTALL
sleep 1
await_agent
test "$(pid_of)" != "$first"
test "$(cat /var/lib/sms-agent/mark)" = kept
list | grep -v /var/lib/sms-agent/ >upgraded
{PROGRAM} uninstall
for _ in $(seq 100); do test -z "$(pid_of)" && break; sleep 0.1; done
test -z "$(pid_of)"
list >after
"""


@pytest.fixture(scope="module")
def agent() -> Path:
    return build_agent()


def userland(name: str, folder: Path) -> Path:
    """A minimal system, unpacked."""
    tree = folder / "tree"
    tree.mkdir()
    if name == "bullseye":
        unpack_tree(debian_tree_tarball(name, ("init-system-helpers", "sysvinit-utils")), tree)
        return tree
    try:
        with urllib.request.urlopen(f"{UBUNTU}/dists/{name}/Release", timeout=20):  # noqa: S310 - our own address
            pass
    except urllib.error.URLError as error:
        pytest.skip(f"{UBUNTU} has no {name} here: {error}")
    # Nothing of it outlives the test; Debian has no package with Ubuntu's keys.
    command = ["debootstrap", "--no-check-gpg", "--variant=minbase", name, str(tree), UBUNTU]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, timeout=600)
    return tree


def in_tree(tree: Path, *command: str, is_mounted: bool = True) -> subprocess.CompletedProcess[str]:
    """Run a program in a tree, with process ids and a /proc of its own: what it leaves running ends with it.

    is_mounted: the tree's root is a mount point, as that of a server is.
    """
    within = ["unshare", "--mount", "--pid", "--fork", "--kill-child", f"--mount-proc={tree}/proc"]
    within += ["sh", "-c", 'mount --rbind "$0" "$0" && exec chroot "$0" "$@"'] if is_mounted else ["chroot"]
    within += [str(tree)]
    environment = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C"}
    return subprocess.run(
        [*within, *command], env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=300
    )


def bring(agent: Path, tree: Path) -> None:
    folder = tree / FOLDER[1:]
    folder.mkdir(parents=True)
    shutil.copy2(agent, folder / "sms-agent")
    (folder / "secret").write_text("a secret key")
    (folder / "ca.pem").write_text(Authority().pem)


def test_userland_with_nothing_but_the_agent_and_proc(agent: Path, tmp_path: Path) -> None:
    size = agent.stat().st_size
    print(f"the agent's one file has {size / 1e6:.1f} MB")  # noqa: T201 - the figure is reported
    assert size <= LARGEST_BYTES
    tree = tmp_path / "bare"
    for name in ("proc", "tmp"):
        (tree / name).mkdir(parents=True)
    shutil.copy2(agent, tree / "sms-agent")
    started = in_tree(tree, "/sms-agent", "--version", is_mounted=False)
    assert (started.returncode, started.stdout.split()[0]) == (0, "sms-agent"), started.stderr
    (tree / "secret").touch()
    (tree / "ca").touch()
    words = ("--bus", "tls://127.0.0.1:9", "--access-key", "AK", "--secret-key-file", "/secret", "--ca", "/ca")
    for verb, code, why in (
        ("install", "SMS.AGENT.INSTALL_FAILED", "neither systemd nor /etc/init.d"),
        ("run", "SMS.AGENT.OPTIONS", "no file system of this system is mounted there"),
    ):
        refused = in_tree(tree, "/sms-agent", verb, *words, is_mounted=False)
        assert (refused.returncode, refused.stderr.split(":")[0]) == (1, code), refused.stderr
        assert why in refused.stderr
    assert sorted(path.name for path in tree.iterdir()) == ["ca", "proc", "secret", "sms-agent", "tmp", "var"]
    assert list((tree / "tmp").iterdir()) == [], "what it has unpacked is gone"


@pytest.mark.parametrize("kernel", OLD_KERNELS)
def test_userland_of_an_old_kernel_starts_the_one_file(agent: Path, kernel: str) -> None:
    """The whole of it: what unpacks itself, Python, and the C library, which asks for no version since 2.36."""
    command = as_old_kernel(OLD_KERNELS[kernel], [str(agent), "--version"])
    started = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert (started.returncode, started.stdout.split()[0]) == (0, "sms-agent"), started.stderr


@pytest.mark.parametrize("name", USERLANDS)
def test_userland_without_systemd_is_as_before_after_install_upgrade_and_uninstall(
    agent: Path, tmp_path: Path, name: str
) -> None:
    tree = userland(name, tmp_path)
    said = in_tree(tree, "/usr/bin/ldd", "--version").stdout.splitlines()[0]
    assert said.endswith(USERLANDS[name]), said
    bring(agent, tree)
    lived = in_tree(tree, "/bin/sh", "-c", LIFE)
    log = tree / "var/log/sms-agent.log"
    shown = log.read_text(errors="replace")[-2000:] if log.exists() else ""
    assert lived.returncode == 0, f"{lived.stdout}{lived.stderr}{shown}"
    before, installed, upgraded, after = (
        set((tree / FOLDER[1:] / which).read_text().splitlines())
        for which in ("before", "installed", "upgraded", "after")
    )
    # What is in /run is of the agent that runs, and goes with it.
    own = {line.split()[0] for line in installed - before if not line.startswith("/run/sms-")}
    memory = [line.split() for line in (tree / FOLDER[1:] / "memory").read_text().splitlines()]
    resident_mib = sum(int(words[1]) for words in memory if words[0] == "Pss:") / 1024
    print(f"{name}: {resident_mib:.0f} MiB resident, {len(own)} paths")  # noqa: T201 - the figures are reported
    assert 10 < resident_mib < LARGEST_RESIDENT_MIB
    assert {"/etc/init.d/sms-agent", "/etc/sms-agent/config.json", PROGRAM} <= own
    assert [path for path in own if "sms-agent" not in path] == []
    assert any(path.endswith("/agents/source/scan/libdirectory_scan.so") for path in own), "without what is compiled"
    passing = ("/run/sms-", "/opt/sms-agent/unpacked/", "/var/lib/sms-agent")
    stays = {line for line in upgraded ^ installed if not line.startswith(passing)}
    assert {line.split()[0] for line in stays} <= {"/var/log/sms-agent.log"}
    assert sorted(after ^ before) == []
