import os
import threading

from agents.transfer.compression import LEVELS, AdaptiveCompressor, BoundedDecompressor
from agents.transfer.frames import FLAG_COMPRESSED, Frame, Kind

TEXT = b"the same words again and again, " * 40_000


def test_busy_link_raises_the_level_to_the_highest_and_no_further() -> None:
    compressor = AdaptiveCompressor()
    for _ in range(10):
        compressor.adapt(1.0)
    assert compressor.level == LEVELS[-1]


def test_idle_link_ends_without_compression() -> None:
    compressor = AdaptiveCompressor()
    for _ in range(10):
        compressor.adapt(0.1)
    assert compressor.level is None
    assert compressor.compress(TEXT) == (0, TEXT)


def test_level_stays_where_neither_link_nor_processor_has_much_to_spare() -> None:
    compressor = AdaptiveCompressor()
    compressor.adapt(0.7)
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
