"""S14: caches that name devices of the source."""

from __future__ import annotations

import re
from typing import Final

from agents.target.adaptation.changes import RemoveFile, StepResult
from agents.target.adaptation.inputs import failed
from agents.target.adaptation.tree import Tree
from contracts.adaptation import AdaptationCheck
from contracts.errors.adaptation import DEVICE_STALE

_CACHES: Final = (
    *("/etc/blkid.tab", "/etc/blkid.tab.old", "/etc/blkid/blkid.tab", "/etc/lvm/cache/.cache"),
    *("/etc/udev/rules.d/70-persistent-cd.rules", "/boot/grub/device.map"),
)
# Files in which only a person can tell what is meant.
_LOOKED_AT: Final = ("/etc/smartd.conf", "/etc/hdparm.conf", "/etc/auto.misc", "/etc/default/grub", "/etc/crypttab")
_DEVICE: Final = re.compile(r"/dev/(?:disk/by-(?:id|path)/\S+|(?:sd|hd|xvd)[a-z]+\d*|nvme\d+n\d+(?:p\d+)?|md\d+)\b")


def plan_caches(tree: Tree) -> StepResult:
    """They are made again when they are missing."""
    present = [path for path in _CACHES if tree.is_file(path)]
    return StepResult(changes=tuple(RemoveFile(path=path, reason="devices of the source") for path in present))


def stale_device_checks(tree: Tree) -> tuple[AdaptationCheck, ...]:
    """DEVICE_STALE warnings."""
    checks = []
    for path in _LOOKED_AT:
        lines = [line for line in (tree.text(path) or "").splitlines() if not line.lstrip().startswith("#")]
        found = sorted({match.group() for line in lines for match in _DEVICE.finditer(line)})
        checks += [failed(DEVICE_STALE, "W", path=path, device=device) for device in found]
    return tuple(checks)
