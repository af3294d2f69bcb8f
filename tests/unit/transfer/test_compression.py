import os
import threading
from itertools import pairwise

import pytest

from agents.transfer.compression import LEVELS, AdaptiveCompressor, BoundedDecompressor
from agents.transfer.frames import FLAG_COMPRESSED, Frame, Kind

TEXT = b"the same words again and again, " * 40_000
PROCESSORS = len(os.sched_getaffinity(0))


def adapt(compressor: AdaptiveCompressor, share: float, *, busy: float = 0.0, own: float = 0.0) -> None:
    compressor.adapt(share, busy_processors=busy, own_processors=own, seconds=0.5)


def test_busy_link_raises_the_level_to_the_highest_and_no_further() -> None:
    compressor = AdaptiveCompressor()
    for _ in range(10):
        adapt(compressor, 1.0)
    assert compressor.level == LEVELS[-1]


def test_busy_link_does_not_raise_the_level_where_no_processor_has_time_for_it() -> None:
    compressor = AdaptiveCompressor()
    for _ in range(10):
        adapt(compressor, 1.0, busy=0.9 * PROCESSORS, own=0.9 * PROCESSORS)
    assert compressor.level == 1, "the contents that the link then carries would take more than there is"


def test_work_of_others_does_not_grow_with_what_the_link_carries() -> None:
    compressor = AdaptiveCompressor()
    for _ in range(10):
        adapt(compressor, 1.0, busy=0.9 * PROCESSORS, own=0.02 * PROCESSORS)
    assert compressor.level == LEVELS[-1]


@pytest.mark.parametrize(("compressed_bytes_s", "level"), [(0, 2), (100e6, 1)])
def test_what_compressing_takes_counts_for_what_the_next_level_takes(
    monkeypatch: pytest.MonkeyPatch, compressed_bytes_s: float, level: int
) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 1})
    compressor = AdaptiveCompressor()
    # 100 MB/s take 0.6 processors at level 1 and 118 would take 0.9 at level 2, with all else of this process as well.
    for _ in range(3):
        if compressed_bytes_s:
            compressor.compress(TEXT)
        seconds = len(TEXT) / compressed_bytes_s if compressed_bytes_s else 1
        compressor.adapt(1.0, busy_processors=1.7, own_processors=0.9, seconds=seconds)
    assert compressor.level == level


def test_one_answer_alone_changes_nothing() -> None:
    compressor = AdaptiveCompressor()
    for share in (1.0, 0.1, 1.0, 0.1, 1.0):
        adapt(compressor, share)
        assert compressor.level == 1


def test_a_level_that_was_too_high_is_tried_again_ever_later() -> None:
    compressor = AdaptiveCompressor()
    tried = []
    for number in range(1000):
        before = compressor.level
        # From level 3 on the processor is what is scarce.
        adapt(compressor, 0.3 if compressor.level in LEVELS[LEVELS.index(3) :] else 0.95)
        if compressor.level == 3 != before:
            tried.append(number)
    pauses = [later - earlier for earlier, later in pairwise(tried)]
    assert pauses == sorted(pauses)
    assert pauses[-1] >= 64 > pauses[0]


def test_idle_link_ends_without_compression() -> None:
    compressor = AdaptiveCompressor()
    for _ in range(10):
        adapt(compressor, 0.1)
    assert compressor.level is None
    assert compressor.compress(TEXT) == (0, TEXT)


def test_level_stays_where_neither_link_nor_processor_has_much_to_spare() -> None:
    compressor = AdaptiveCompressor()
    for _ in range(10):
        adapt(compressor, 0.8)
    assert compressor.level == 1


def test_what_does_not_shrink_travels_as_it_is() -> None:
    noise = os.urandom(1 << 20)
    assert AdaptiveCompressor().compress(noise) == (0, noise)


def test_more_threads_than_contexts_all_get_their_own_payload_back() -> None:
    compressor, wrong = AdaptiveCompressor(), []

    def work(number: int) -> None:
        payload = b"%d " % number + TEXT
        for _ in range(10):
            flags, packed = compressor.compress(payload)
            frame = Frame(Kind.BATCH, flags, 1, 1, 0, packed)
            if flags != FLAG_COMPRESSED or BoundedDecompressor().unpack(frame) != payload:
                wrong.append(number)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []
