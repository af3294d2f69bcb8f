"""The subvolumes of Btrfs: which of them are copied beside the mounted ones, and which are made on the target."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from contracts.inventory import BtrfsSubvolume, BtrfsVolume, SourceInventory
from contracts.layout import TargetSubvolume
from services.task.domain.layout.volume_groups import Placement
from services.task.domain.layout.volumes import MovingVolume, file_systems

# Where snapper keeps its snapshots; after a rollback some of them can be written to.
_SNAPSHOTS: Final = "/.snapshots/"


def nested_volumes(
    inventory: SourceInventory, mounted: Sequence[MovingVolume]
) -> tuple[tuple[MovingVolume, ...], tuple[str, ...]]:
    """What is seen inside mounted subvolumes without being mounted itself, and notes on what is left out.

    Snapshots that cannot be written to are left out, and those of snapper: what the system works with is copied. Others
    that were made as snapshots are copied like any subvolume: containers and machines live in such.
    """
    points = {each.mount.mount_point for each in mounted}
    nested: list[MovingVolume] = []
    notes: list[str] = []
    for name, known in _btrfs_by_volume(inventory).items():
        own = {each.subvolume: each for each in mounted if each.volume == name}
        unseen: list[str] = []
        hidden: list[str] = []
        for subvolume in sorted(known.subvolumes, key=lambda each: each.name):
            if subvolume.name in own or any(_is_below(each, subvolume.name) for each in own):
                continue
            inside = _innermost(own, subvolume.name)
            if inside is None:
                unseen.append(subvolume.name)
                continue
            moving = _nested(inside, subvolume.name)
            is_hidden = any(_is_below(subvolume.name, each) for each in hidden)
            if is_hidden or _is_snapshot(subvolume) or moving.mount.mount_point in points:
                hidden.append(subvolume.name)
            else:
                nested.append(moving)
        notes += [_note(name, [*hidden, *unseen])] if own and (hidden or unseen) else []
        if any(each.is_snapshot and each.name in {one.subvolume for one in nested} for each in known.subvolumes):
            notes.append(f"{name}: what its subvolumes share is not shared on the target, which needs more room")
    return tuple(nested), tuple(notes)


def planned_subvolumes(
    inventory: SourceInventory, volumes: Iterable[MovingVolume], places: Mapping[str, Placement]
) -> tuple[TargetSubvolume, ...]:
    """Those that are copied and those around them, in the order in which they are made. places: by mount point."""
    known = _btrfs_by_volume(inventory)
    wanted: dict[Placement, set[str]] = {}
    defaults: dict[Placement, str] = {}
    for moving in volumes:
        if not moving.subvolume:
            continue
        place = places[moving.mount.mount_point]
        around = known[moving.volume].subvolumes if moving.volume in known else ()
        outer = {each.name for each in around if _is_below(moving.subvolume, each.name)}
        wanted.setdefault(place, set()).update(outer, {moving.subvolume})
        defaults[place] = known[moving.volume].default_subvolume_name if moving.volume in known else ""
    return tuple(
        TargetSubvolume(
            target_disk=place.disk,
            target_partition=place.partition,
            path=path,
            is_default=path == defaults[place],
            logical_volume=place.logical_volume,
        )
        for place, paths in wanted.items()
        for path in sorted(paths, key=lambda each: (each.count("/"), each))
    )


def _btrfs_by_volume(inventory: SourceInventory) -> dict[str, BtrfsVolume]:
    told = {each.uuid: each for each in inventory.btrfs if each.uuid}
    known = file_systems(inventory)
    return {name: told[each.uuid] for name, each in known.items() if each is not None and each.uuid in told}


def _is_snapshot(subvolume: BtrfsSubvolume) -> bool:
    return subvolume.is_snapshot and (subvolume.is_read_only or _SNAPSHOTS in f"/{subvolume.name}")


def _innermost(mounted: Mapping[str, MovingVolume], path: str) -> MovingVolume | None:
    """The mounted subvolume in which a path is seen."""
    around = [name for name in mounted if not name or _is_below(path, name)]
    return mounted[max(around, key=len)] if around else None


def _is_below(path: str, outer: str) -> bool:
    return path.startswith(f"{outer}/")


def _nested(inside: MovingVolume, path: str) -> MovingVolume:
    inner = path.removeprefix(f"{inside.subvolume}/") if inside.subvolume else path
    mount = inside.mount.model_copy(
        update={
            "mount_point": f"{inside.mount.mount_point.rstrip('/')}/{inner}",
            "host_path": f"{inside.mount.host_path.rstrip('/')}/{inner}",
            "root": f"/{path}",
        }
    )
    return MovingVolume(mount=mount, volume=inside.volume, subvolume=path, is_nested=True)


def _note(volume: str, left_out: Sequence[str]) -> str:
    named = ", ".join(left_out[:3]) + (f" and {len(left_out) - 3} more" if len(left_out) > 3 else "")
    return f"{volume}: subvolumes that are snapshots or not seen in a mounted one are left out: {named}"
