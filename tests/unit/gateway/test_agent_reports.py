"""Between an agent's reports over HTTP and the statuses of an agent on the bus."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from contracts.messages.agent import ChannelEnd, SyncVolumes
from contracts.messages.agent_log import LOG_CHUNK_BYTES
from services.gateway.domain.agent_words import idle_word, newest, word_of
from services.gateway.domain.http_agents import AgentTask
from services.gateway.domain.mapping.agent_reports import (
    command_param,
    detail_text,
    log_chunks_of,
    progress_of,
    succeeded,
    verification_of,
)
from services.gateway.domain.wire.agents import DirectoryResult, UpdateTaskSpeedReq

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def sync_task(**changed: object) -> AgentTask:
    command = SyncVolumes(
        task_id="t1",
        epoch=4,
        volumes=(),
        endpoints=(("192.0.2.1", 4433),),
        channel=ChannelEnd(certificate_pem="c", authority_pem="a"),
        generation="g1",
        round_number=3,
    )
    values: dict[str, object] = {
        "id": "t1",
        "account": "acme",
        "server_id": "s1",
        "changed_at": NOW,
        "epoch": 4,
        "verb": "sync",
        "state": "open",
        "command_text": command.model_dump_json(),
    }
    return AgentTask.model_validate(values | changed)


def report(**changed: object) -> UpdateTaskSpeedReq:
    values: dict[str, object] = {
        "subtask_name": "SYNC_LINUX_FILE",
        "progress": 50,
        "replicatesize": 600,
        "totalsize": 1000,
        "process_trace": "half",
    }
    return UpdateTaskSpeedReq.model_validate(values | changed)


@pytest.mark.parametrize(
    ("verb", "word"),
    [("copy", "START"), ("sync", "SYNC"), ("verify", "SYNC"), ("stop-work", "STOP"), ("forget-task", "DELETE")],
)
def test_verbs_have_words(verb: str, word: str) -> None:
    assert word_of(verb) == word


def test_who_has_nothing_to_do_is_told_why() -> None:
    assert idle_word(None) == "TASK_NOT_STARTED"
    done = sync_task(state="done")
    assert idle_word(done) == "TASK_NOT_STARTED"
    assert idle_word(done.model_copy(update={"verb": "stop-work"})) == "TASK_HAS_STOPPED"
    assert idle_word(done.model_copy(update={"has_ended": True})) == "TASK_HAS_FINISHED"


def test_the_open_command_comes_before_what_has_ended() -> None:
    later = NOW.replace(year=2027)
    ended = sync_task(id="t0", state="done", has_ended=True, changed_at=later)
    resting = sync_task(id="t2", state="done", changed_at=NOW)
    assert newest([ended, sync_task()]) == sync_task()
    assert newest([ended, resting]) == resting
    assert newest([]) is None


def test_parameters_carry_what_the_agent_needs_and_no_certificate() -> None:
    param = command_param(sync_task(issue=2))
    assert (param.task_id, param.verb, param.epoch, param.round_number, param.certificate) == ("t1", "sync", 4, 3, 2)
    assert param.endpoints == [("192.0.2.1", 4433)]
    assert "channel" not in param.model_dump()


def test_progress_goes_on_under_the_commands_epoch_in_our_units() -> None:
    found = progress_of(sync_task(), report(migrate_speed=8.0, remain_time=7, agent_time="2026-01-01T09:30:05Z"))
    assert (found.task_id, found.epoch, found.verb, found.minute_of_day) == ("t1", 4, "sync", 570)
    assert (found.progress.bytes_done, found.progress.bytes_total, found.progress.round_number) == (600, 1000, 3)
    assert (found.progress.smoothed_rate_bytes_s, found.wire_rate_bit_s) == (1e6, 8e6)
    assert found.progress.volumes[0].bytes_done == 600
    assert found.load is None
    assert progress_of(sync_task(), report(replicatesize=5000)).progress.bytes_done == 1000
    assert progress_of(sync_task(), report(agent_time="noon")).minute_of_day is None


def test_a_success_has_the_last_figures() -> None:
    last = progress_of(sync_task(), report(compress_rate=2.0)).progress
    summary = succeeded(sync_task(), last).summary
    assert summary is not None
    assert (summary.round_number, summary.bytes_total, summary.bytes_sent) == (3, 1000, 300)
    assert succeeded(sync_task(), None).summary is not None


def test_a_comparison_is_a_verification() -> None:
    found = verification_of(
        [
            DirectoryResult(dir_check="/etc", num_total_files=10),
            DirectoryResult(dir_check="/srv", num_total_files=5, num_different_files=1, num_target_more_files=2),
        ]
    )
    assert (found.files, found.different, found.missing, found.extra, found.is_equal) == (15, 1, 0, 2, False)
    assert [directory.path for directory in found.directories] == ["/etc", "/srv"]
    done = succeeded(sync_task(verb="verify", consistency_text=found.model_dump_json()), None)
    assert done.verification == found


def test_an_agents_words_become_one_bounded_line() -> None:
    assert detail_text("a\nb\x00c  d") == "a b c d"
    assert detail_text({"reason": "no\u2028space"}) == '{"reason": "no space"}'
    assert len(detail_text("x" * 10_000)) == 500
    assert detail_text(None) == "null"
    assert detail_text("") == "nothing"


def test_a_long_log_comes_in_parts_that_fit() -> None:
    text = "".join(chr(33 + (number * 7919) % 90) for number in range(1_400_000))
    chunks = log_chunks_of("l1", text)
    assert [chunk.number for chunk in chunks] == list(range(len(chunks)))
    assert {chunk.count for chunk in chunks} == {len(chunks)}
    assert all(len(chunk.content) <= LOG_CHUNK_BYTES * 4 // 3 + 4 for chunk in chunks)
    assert len(log_chunks_of("l1", "")) == 1
