"""What all parts of a round over one volume share."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from agents.source.copy.catalogue import Catalogue
from agents.source.copy.channel import Channel
from agents.source.copy.exclusions import Exclusions
from agents.source.copy.restructure import Restructuring
from agents.source.copy.sender import SenderPool
from agents.source.copy.tally import Tally, VolumeCount
from agents.source.tracking.volume_tracker import VolumeTracker
from contracts.layout import CopyVolume


@dataclass(frozen=True, kw_only=True)
class RoundContext:
    """root: descriptor of the volume's root on the source. device: its st_dev. is_first: the catalogue held
    nothing of this volume when the round began, so that nothing can have been moved or removed. pass_number: above
    that of every earlier pass. devices: st_dev of each copied volume. tracker: of the volume, where it is
    followed. postponed: names by row of their directory that could not be settled: the next round looks at them."""

    volume: CopyVolume
    root: int
    device: int
    is_first: bool
    pass_number: int
    catalogue: Catalogue
    channel: Channel
    pool: SenderPool
    restructuring: Restructuring
    exclusions: Exclusions
    tally: Tally
    count: VolumeCount
    devices: frozenset[int] = frozenset()
    tracker: VolumeTracker | None = None
    postponed: dict[int, set[bytes]] = field(default_factory=dict)

    def postpone(self, directory: int, names: Iterable[bytes]) -> None:
        """Leave names to the next round."""
        self.postponed.setdefault(directory, set()).update(names)
