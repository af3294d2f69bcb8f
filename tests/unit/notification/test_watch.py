"""What a task's transitions tell, when it stalls, and when its replica has grown old."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from contracts.errors.target import TARGET_UNKNOWN
from contracts.errors.task import TASK_STOPPED
from contracts.messages.notification import Topic
from contracts.messages.task import Phase, TaskChanged
from contracts.transfer import TransferProgress
from services.notification.domain.channel import Channel
from services.notification.domain.notice import notification
from services.notification.domain.progress import Movement
from services.notification.domain.watch import Watch, in_step, look, moved, notices_of

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
GONE = TARGET_UNKNOWN.failure(kind="target", id="t\r\nBcc: x@evil.example", target_id="t")
STOPPED = TASK_STOPPED.failure(actor="ann", step="COPY", task_id="t1")


def after(seconds: float) -> datetime:
    return NOON + timedelta(seconds=seconds)


def changed(version: int, before: Phase, to: Phase, step: str = "", **more: object) -> TaskChanged:
    return TaskChanged(
        task_id="t1",
        server_id="s1",
        server_name="web-1",
        version=version,
        event="e",
        from_phase=before,
        to_phase=to,
        step=step,
        **more,
    )


def channel(name: str = "c1", *topics: Topic, stalled_after_s: int = 60, lag_above_s: int = 0) -> Channel:
    return Channel(
        id=name,
        name=name,
        kind="webhook",
        topics=topics or ("finished", "failed", "stalled", "lag"),
        stalled_after_s=stalled_after_s,
        lag_above_s=lag_above_s,
        created_at=NOON,
    )


def copying() -> Watch:
    return moved(Watch(task_id="t1"), changed(1, Phase.PREPARING, Phase.COPYING, "COPY"), NOON)


def launched() -> Watch:
    """A full copy from noon to 100 s later."""
    return moved(copying(), changed(2, Phase.COPYING, Phase.LAUNCHING, "DETACH"), after(100))


def topics_of(event: TaskChanged) -> list[str]:
    return [notice.topic for notice in notices_of(event, key="k", at=NOON)]


def test_an_end_and_a_failure_are_told_and_nothing_in_between() -> None:
    assert topics_of(changed(9, Phase.LAUNCHED, Phase.FINISHED)) == ["finished"]
    assert topics_of(changed(9, Phase.DELETING, Phase.DELETED)) == ["finished"]
    assert topics_of(changed(9, Phase.COPYING, Phase.PAUSED, failure=GONE)) == ["failed"]
    assert topics_of(changed(9, Phase.STOPPING, Phase.FAILED, failure=GONE)) == ["failed"]
    assert topics_of(changed(9, Phase.LAUNCHED, Phase.LAUNCHED, failure=GONE)) == ["failed"]
    assert topics_of(changed(9, Phase.PREPARING, Phase.COPYING, "COPY")) == []
    assert topics_of(changed(9, Phase.COPYING, Phase.STOPPING, "STOP_SOURCE", failure=GONE)) == []


def test_a_task_that_a_person_stopped_has_not_failed() -> None:
    assert topics_of(changed(9, Phase.STOPPING, Phase.PAUSED, failure=STOPPED)) == []


def test_the_text_names_server_task_code_cause_and_remedy() -> None:
    notice = notices_of(changed(9, Phase.COPYING, Phase.FAILED, failure=GONE), key="k", at=NOON)[0]
    told = notification(notice, account="acme", channel_id="c1")
    for part in ("web-1 (s1)", "t1", "SMS.TARGET.UNKNOWN", told.cause, told.remedy, "FAILED", "2026-03-01T12:00:00"):
        assert part in told.text
    assert told.subject == "web-1: the migration has failed"


def test_what_an_agent_wrote_cannot_break_a_line() -> None:
    event = changed(9, Phase.COPYING, Phase.FAILED, failure=GONE).model_copy(
        update={"server_name": "web\r\nBcc: all@evil.example\x1b[2J\u202e" + "x" * 5000}
    )
    told = notification(notices_of(event, key="k", at=NOON)[0], account="acme", channel_id="c1")
    assert told.subject.startswith("web Bcc: all@evil.example [2J x")
    assert len(told.subject) <= 120
    assert not [line for line in told.text.splitlines() if line.startswith("Bcc:")]
    assert all(line.isprintable() for line in told.text.split("\n"))


def test_a_stall_is_told_once_and_its_end_once() -> None:
    watch, told = look(copying(), [channel()], now=after(59), quiet_s=59)
    assert told == []
    watch, told = look(watch, [channel()], now=after(60), quiet_s=60)
    assert [(notice.topic, notice.is_over, notice.seconds) for _, notice in told] == [("stalled", False, 60)]
    first = told[0][1].key
    watch, told = look(watch, [channel()], now=after(90), quiet_s=90)
    assert told == []
    watch, told = look(watch, [channel()], now=after(91), quiet_s=1)
    assert [(notice.topic, notice.is_over) for _, notice in told] == [("stalled", True)]
    watch, told = look(watch, [channel()], now=after(92), quiet_s=2)
    assert told == []
    _, again = look(watch, [channel()], now=after(200), quiet_s=61)
    assert again[0][1].key != first, "another stall is another notification"


def test_every_channel_has_its_own_patience_and_topics() -> None:
    channels = [channel("quick", stalled_after_s=10), channel("slow"), channel("deaf", "failed", stalled_after_s=1)]
    _, told = look(copying(), channels, now=after(30), quiet_s=30)
    assert [one.id for one, _ in told] == ["quick"]


def test_a_stall_that_ends_in_a_failure_is_not_said_to_be_over() -> None:
    watch, _ = look(copying(), [channel()], now=after(60), quiet_s=60)
    paused = moved(watch, changed(2, Phase.COPYING, Phase.PAUSED, failure=GONE), after(61))
    paused, told = look(paused, [channel()], now=after(62), quiet_s=0)
    assert told == []
    assert paused.stalled_for == ()


def test_a_task_at_rest_does_not_stall() -> None:
    _, told = look(launched(), [channel()], now=after(9999), quiet_s=9999)
    assert [notice.topic for _, notice in told] == []


def test_lag_counts_from_the_start_of_the_last_completed_round_and_is_told_once_each_way() -> None:
    hourly = [channel(lag_above_s=3600)]
    watch, told = look(launched(), hourly, now=after(3600), quiet_s=0)
    assert told == []
    watch, told = look(watch, hourly, now=after(3601), quiet_s=0)
    assert [(notice.topic, notice.seconds) for _, notice in told] == [("lag", 3601)]
    watch, told = look(watch, hourly, now=after(5000), quiet_s=0)
    assert told == []
    syncing = moved(watch, changed(5, Phase.SYNCING, Phase.SYNCING, "SYNC"), after(5000))
    watch, told = look(syncing, hourly, now=after(5001), quiet_s=0)
    assert told == [], "a round that runs makes nothing younger"
    synced = moved(watch, changed(6, Phase.SYNCING, Phase.LAUNCHING, "DETACH"), after(5060))
    _, told = look(synced, hourly, now=after(5061), quiet_s=0)
    assert [(notice.topic, notice.is_over, notice.seconds) for _, notice in told] == [("lag", True, 61)]


def test_a_full_copy_that_was_interrupted_is_as_old_as_its_first_beginning() -> None:
    paused = moved(copying(), changed(2, Phase.COPYING, Phase.PAUSED, failure=GONE), after(50))
    resumed = moved(paused, changed(3, Phase.PAUSED, Phase.COPYING, "COPY"), after(500))
    complete = moved(resumed, changed(4, Phase.COPYING, Phase.LAUNCHING, "DETACH"), after(600))
    assert complete.replica_from == NOON


def test_a_round_that_was_cut_short_leaves_the_replica_as_old_as_it_was() -> None:
    syncing = moved(launched(), changed(5, Phase.SYNCING, Phase.SYNCING, "SYNC"), after(5000))
    paused = moved(syncing, changed(6, Phase.SYNCING, Phase.PAUSED, failure=GONE), after(5060))
    assert paused.replica_from == NOON


def test_a_target_that_is_in_step_is_as_young_as_its_source_says_also_after_the_end_of_that() -> None:
    syncing = moved(launched(), changed(5, Phase.SYNCING, Phase.SYNCING, "SYNC"), after(200))
    syncing = in_step(syncing, after(9000))
    assert in_step(syncing, after(9030)) == syncing, "kept now and then only"
    hourly = [channel(lag_above_s=3600)]
    cut_short = moved(syncing, changed(6, Phase.SYNCING, Phase.PAUSED, failure=GONE), after(9100))
    assert look(cut_short, hourly, now=after(9200), quiet_s=0)[1] == []
    stopping = moved(syncing, changed(6, Phase.SYNCING, Phase.STOPPING, "STOP_SOURCE", failure=STOPPED), after(9100))
    stopped = changed(7, Phase.STOPPING, Phase.PAUSED, failure=STOPPED, replica_from=after(9101))
    assert moved(stopping, stopped, after(9102)).replica_from == after(9101)


def test_a_lag_that_was_told_ends_with_the_sync_that_has_caught_up() -> None:
    hourly = [channel(lag_above_s=3600)]
    syncing = moved(launched(), changed(5, Phase.SYNCING, Phase.SYNCING, "SYNC"), after(200))
    behind, told = look(syncing, hourly, now=after(5000), quiet_s=0, lag_s=4000)
    assert [(notice.topic, notice.is_over) for _, notice in told] == [("lag", False)]
    stopping = moved(behind, changed(6, Phase.SYNCING, Phase.STOPPING, "STOP_SOURCE", failure=STOPPED), after(5001))
    stopped = changed(7, Phase.STOPPING, Phase.PAUSED, failure=STOPPED, replica_from=after(5005))
    _, told = look(moved(stopping, stopped, after(5010)), hourly, now=after(5011), quiet_s=0)
    assert [(notice.topic, notice.is_over, notice.seconds) for _, notice in told] == [("lag", True, 6)]


def test_after_the_cutover_nobody_asks_for_the_age_of_the_replica() -> None:
    hourly = [channel(lag_above_s=3600)]
    cutting = moved(launched(), changed(5, Phase.LAUNCHED, Phase.CUTTING_OVER, "BOOT_HELPER"), after(200))
    done = moved(cutting, changed(6, Phase.CUTTING_OVER, Phase.LAUNCHED), after(300))
    assert look(done, hourly, now=after(99_999), quiet_s=0)[1] == []


def test_a_transition_that_comes_late_changes_nothing() -> None:
    assert moved(launched(), changed(1, Phase.PREPARING, Phase.COPYING, "COPY"), after(9)) == launched()


def progress(done: int, **more: object) -> TransferProgress:
    return TransferProgress(task_id="t1", stage="copying", bytes_done=done, **more)


def test_only_the_tasks_own_source_moves_it() -> None:
    movement, watch = Movement(), copying()
    assert movement.watch("acme", watch, now_s=0) == 0
    movement.heard("acme", "s1", progress(1), now_s=10)
    assert movement.watch("acme", watch, now_s=15) == 5
    movement.heard("acme", "another", progress(2), now_s=20)
    movement.heard("evil", "s1", progress(2), now_s=20)
    movement.heard("acme", "s1", progress(1), now_s=20)
    movement.heard("acme", "s1", progress(3, is_stalled=True), now_s=20)
    assert movement.watch("acme", watch, now_s=25) == 15
    movement.heard("acme", "s1", progress(2), now_s=30)
    assert movement.watch("acme", watch, now_s=31) == 1


def test_a_source_that_is_told_of_changes_is_neither_stalled_nor_behind_while_nothing_changes() -> None:
    movement, watch = Movement(), copying()
    strict = [channel("c1", "stalled", "lag", lag_above_s=100)]
    movement.watch("acme", watch, now_s=0)
    assert movement.lag_s("acme", "t1", now_s=0) is None

    def told(now_s: float) -> list[str]:
        quiet_s = movement.watch("acme", watch, now_s=now_s)
        lag_s = movement.lag_s("acme", "t1", now_s=now_s)
        _, found = look(watch, strict, now=after(now_s), quiet_s=quiet_s, lag_s=lag_s)
        return [notice.topic for _, notice in found]

    movement.heard("acme", "s1", progress(1).model_copy(update={"lag_s": 0.0}), now_s=5000)
    assert told(5010) == []
    movement.heard("acme", "s1", progress(1).model_copy(update={"lag_s": 90.0}), now_s=5020)
    assert told(5031) == ["lag"]
    assert told(5061) == ["stalled", "lag"]


def test_the_next_transfer_of_a_task_starts_with_a_fresh_count() -> None:
    movement = Movement()
    movement.watch("acme", copying(), now_s=0)
    syncing = moved(launched(), changed(5, Phase.SYNCING, Phase.SYNCING, "SYNC"), after(5000))
    assert movement.watch("acme", syncing, now_s=500) == 0
    assert movement.watch("acme", launched(), now_s=600) == 0


def test_reports_about_unknown_tasks_take_no_memory() -> None:
    movement = Movement()
    for number in range(100):
        movement.heard("acme", "s1", progress(1).model_copy(update={"task_id": f"t{number}"}), now_s=0)
    assert movement._marks == {}
