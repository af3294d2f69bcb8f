"""What holds for the plan of every disk, whatever its partitions look like."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from contracts.inventory import Partition
from services.task.domain.layout.options import MIB
from services.task.domain.layout.partitions import Placed, disk_end_bytes, place

SECTOR = 512


@st.composite
def partitions(draw: st.DrawFn) -> list[Partition]:
    """Partitions as any tool may have made them: odd starts, any order of numbers, maybe logical ones."""
    count = draw(st.integers(1, 4))
    numbers = draw(st.permutations(range(1, count + 1)))
    extended = draw(st.sampled_from([None, *numbers]))
    cursor = draw(st.integers(34, 4096))
    made: list[Partition] = []
    for number in numbers:
        if number == extended:
            inside, end = _logical(draw, cursor)
            made.append(_partition(number, cursor, end - cursor, kind="extended"))
            made += inside
        else:
            end = cursor + draw(st.integers(1, 40_000))
            made.append(_partition(number, cursor, end - cursor))
        cursor = end + draw(st.integers(0, 3000))
    return made


def _logical(draw: st.DrawFn, cursor: int) -> tuple[list[Partition], int]:
    made = []
    for number in range(5, 5 + draw(st.integers(0, 3))):
        cursor += draw(st.integers(1, 2048))
        size = draw(st.integers(1, 40_000))
        made.append(_partition(number, cursor, size, kind="logical"))
        cursor += size
    return made, cursor + 2


def _partition(number: int, start: int, size: int, kind: str = "primary") -> Partition:
    values = {"number": number, "name": f"sda{number}", "start_bytes": start * SECTOR, "size_bytes": size * SECTOR}
    return Partition.model_validate(values | {"kind": kind})


sizes = st.dictionaries(st.integers(1, 7), st.integers(SECTOR, 100 * MIB), max_size=3)


def _overlap(one: Placed, other: Placed) -> bool:
    return one.start_bytes < other.end_bytes and other.start_bytes < one.end_bytes


@given(partitions(), sizes)
def test_no_two_partitions_overlap_and_each_keeps_its_number(source: list[Partition], wanted: dict[int, int]) -> None:
    placed = place(source, wanted)
    assert sorted(each.source.number for each in placed) == sorted(each.number for each in source)
    data = [each for each in placed if each.source.kind != "extended"]
    for index, one in enumerate(data):
        assert not any(_overlap(one, other) for other in data[index + 1 :])


@given(partitions(), sizes)
def test_partitions_are_aligned_and_none_starts_before_one_mebibyte(
    source: list[Partition], wanted: dict[int, int]
) -> None:
    for each in place(source, wanted):
        assert each.start_bytes >= MIB
        assert each.source.kind == "extended" or each.start_bytes % MIB == 0


@given(partitions(), sizes)
def test_every_partition_has_its_size_and_fits_on_the_disk(source: list[Partition], wanted: dict[int, int]) -> None:
    placed = place(source, wanted)
    end = disk_end_bytes(placed, "mbr")
    for each in placed:
        assert each.end_bytes <= end
        assert (
            each.size_bytes >= wanted.get(each.source.number, each.source.size_bytes) or each.source.kind == "extended"
        )


@given(partitions(), sizes)
def test_logical_partitions_lie_in_the_extended_one_with_room_for_their_tables(
    source: list[Partition], wanted: dict[int, int]
) -> None:
    placed = place(source, wanted)
    extended = [each for each in placed if each.source.kind == "extended"]
    logical = sorted((each for each in placed if each.source.kind == "logical"), key=lambda each: each.start_bytes)
    cursor = extended[0].start_bytes if extended else 0
    for each in logical:
        assert each.start_bytes >= cursor + SECTOR
        cursor = each.end_bytes
        assert cursor <= extended[0].end_bytes
