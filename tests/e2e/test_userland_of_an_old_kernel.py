"""The agent's one file with the system calls of old kernels alone: it enrols this machine, which is then checked."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from agents.bundle import build_agent
from tests.e2e.command_line import running_agent, running_installation
from tests.userland.test_userland import OLD_KERNELS, as_old_kernel

pytestmark = [pytest.mark.root, pytest.mark.long, pytest.mark.timeout(600)]
LARGEST_RESIDENT_MIB = 120


@pytest.mark.parametrize("kernel", OLD_KERNELS)
def test_userland_of_an_old_kernel_holds_an_agent_that_enrols(
    tmp_path: Path, kernel: str, note: Callable[[str], None]
) -> None:
    program = as_old_kernel(OLD_KERNELS[kernel], [str(build_agent())])
    with running_installation(tmp_path) as sms:
        agent = sms.new_agent(Path("/"), tmp_path / "agent", program=program)
        with running_agent(agent):
            server = sms.await_server(timeout_s=120)
            shown = sms.ask("server", "show", server)
            assert agent.process is not None
            resident_mib = resident_bytes(agent.process.pid) / (1 << 20)
    assert "2.6." in str(shown), "the kernel's release, as it is told"
    note(f"an agent at rest, with what {kernel} knows: {resident_mib:.0f} MiB resident")
    assert 10 < resident_mib < LARGEST_RESIDENT_MIB


def resident_bytes(pid: int) -> int:
    """Of a process and all that it has started; what they share is counted once."""
    own = re.search(r"^Pss: +(\d+) kB", Path(f"/proc/{pid}/smaps_rollup").read_text(), re.MULTILINE)
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return (int(own[1]) << 10 if own else 0) + sum(resident_bytes(int(child)) for child in children)
