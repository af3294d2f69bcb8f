"""Mount options of Btrfs: numbers of subvolumes are given anew on the target, their names stay."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from agents.target.adaptation.references import References

_NUMBER: Final = "subvolid="
_NAME: Final = "subvol="


def named_subvolume(options: Iterable[str], references: References, *, uuid: str, mount_point: str) -> list[str]:
    """The options with ``subvol=`` in place of ``subvolid=``. uuid: of the file system that is mounted.

    Where the source's inventory does not know the number, what was mounted there on the source is meant.
    """
    kept = list(options)
    has_name = any(each.startswith(_NAME) for each in kept)
    result = []
    for each in kept:
        if not each.startswith(_NUMBER):
            result.append(each)
        elif not has_name:
            name = references.subvolume_numbered(uuid, each.removeprefix(_NUMBER))
            name = name or references.subvolume_at(mount_point)
            result += [f"{_NAME}/{name.lstrip('/')}"] if name else []
    return result
