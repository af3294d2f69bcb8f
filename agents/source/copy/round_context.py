"""What all parts of a round over one volume share."""

from __future__ import annotations

from dataclasses import dataclass

from agents.source.copy.catalogue import Catalogue
from agents.source.copy.channel import Channel
from agents.source.copy.exclusions import Exclusions
from agents.source.copy.restructure import Restructuring
from agents.source.copy.sender import SenderPool
from agents.source.copy.tally import Tally, VolumeCount
from contracts.layout import CopyVolume


@dataclass(frozen=True, kw_only=True)
class RoundContext:
    """root: descriptor of the volume's root on the source. device: its st_dev. is_first: the catalogue held
    nothing of this volume when the round began, so that nothing can have been moved or removed."""

    volume: CopyVolume
    root: int
    device: int
    is_first: bool
    round_number: int
    catalogue: Catalogue
    channel: Channel
    pool: SenderPool
    restructuring: Restructuring
    exclusions: Exclusions
    tally: Tally
    count: VolumeCount
