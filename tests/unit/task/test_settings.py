"""Configuration keys, names, wished disks and operations of a task."""

from __future__ import annotations

import pytest

from contracts.errors import MigrationError
from contracts.inventory import Disk, OperatingSystem, Partition, SourceInventory
from contracts.messages import agent
from contracts.messages.task import Phase, TaskAction
from contracts.messages.task_settings import OperateTask
from contracts.task_settings import (
    ConfigurationKey,
    ConfigurationSetting,
    TaskAttributes,
    WishedDisk,
    WishedVolume,
)
from services.task.domain.configuration import configured
from services.task.domain.instructions import agent_command, speed_command
from services.task.domain.operations import NOT_OFFERED, Operation, operate, operation_of
from services.task.domain.phases import Step
from services.task.domain.saga import act, succeed
from services.task.domain.task import Task
from services.task.domain.wishes import changed_attributes, checked_name, checked_priority, layout_options
from tests.unit.task.saga_world import cause, learned, new_task

GOOD = {
    "MIGRATE_EXCLUDE_DIR": "/var/cache,/srv/tmp/*",
    "SYNC_EXCLUDE_DIR": "/var/log",
    "ONLY_SYNC_DIR": "/srv;/home",
    "CONSISTENCY_DIR": "/etc",
    "CONSISTENCY_DIR_ILLEGAL": "/gone",
    "CONSISTENCY_MODE": "FULL",
    "CONSISTENCY_RECHECK": "true",
    "MIGRATE_DST_IP": "2001:db8::1",
    "DYNAMIC_PORT": "false",
    "NUM_PROCESS_MIGRATE": "4",
    "NUM_PROCESS_SYNC": "64",
    "LINUX_CPU_LIMIT": "50",
    "LINUX_MEM_LIMIT": "512",
    "LINUX_IO_LIMIT": "100",
    "LINUX_BLOCK_COMPRESS_THREAD_NUM": "2",
    "LINUX_BLOCK_CACHE_SIZE": "64",
    "INSTALL_PWD_AGENT": "true",
}
BAD = {
    "MIGRATE_EXCLUDE_DIR": "var/cache",
    "SYNC_EXCLUDE_DIR": "/var/../etc",
    "ONLY_SYNC_DIR": ",",
    "CONSISTENCY_DIR": "/a//b",
    "CONSISTENCY_DIR_ILLEGAL": "relative",
    "CONSISTENCY_MODE": "two words",
    "CONSISTENCY_RECHECK": "yes",
    "MIGRATE_DST_IP": "example.org",
    "DYNAMIC_PORT": "1",
    "NUM_PROCESS_MIGRATE": "0",
    "NUM_PROCESS_SYNC": "65",
    "LINUX_CPU_LIMIT": "101",
    "LINUX_MEM_LIMIT": "lots",
    "LINUX_IO_LIMIT": "-1",
    "LINUX_BLOCK_COMPRESS_THREAD_NUM": "²",
    "LINUX_BLOCK_CACHE_SIZE": "1e3",
    "INSTALL_PWD_AGENT": "TRUE",
}


def setting(key: str, value: str) -> ConfigurationSetting:
    return ConfigurationSetting(key=key, value=value)


def reach(task: Task, step: Step) -> Task:
    if task.step is None:
        task = act(task, TaskAction.START, cause(), has_consent=True, overwrite_target=False)
    while task.step is not step:
        at = cause()
        task = succeed(task, at, **learned(task, at.at))
    return task


def test_the_tables_of_this_test_name_every_key() -> None:
    assert set(GOOD) == set(BAD) == set(ConfigurationKey)


@pytest.mark.parametrize(("key", "value"), GOOD.items())
def test_each_key_is_kept_and_says_whether_it_acts(key: str, value: str) -> None:
    (kept,) = configured((), [setting(key, value)])
    acting = {"MIGRATE_EXCLUDE_DIR", "SYNC_EXCLUDE_DIR", "ONLY_SYNC_DIR", "CONSISTENCY_DIR"}
    acting |= {"LINUX_CPU_LIMIT", "LINUX_MEM_LIMIT", "LINUX_IO_LIMIT"}
    assert (kept.value, kept.status) == (value, "ACTIVE" if key in acting else "RECORDED")


@pytest.mark.parametrize(("key", "value"), BAD.items())
def test_each_key_is_validated(key: str, value: str) -> None:
    with pytest.raises(MigrationError, match=r"SMS\.TASK\.SETTING_INVALID"):
        configured((), [setting(key, value)])


def test_an_unknown_key_is_refused_and_the_known_ones_are_named() -> None:
    with pytest.raises(MigrationError) as refused:
        configured((), [setting("LINUX_LIMIT", "1")])
    assert refused.value.code == "SMS.TASK.SETTING_UNKNOWN"
    assert "LINUX_CPU_LIMIT" in refused.value.failure.remedy


def test_an_empty_value_removes_a_setting_and_the_others_stay() -> None:
    present = configured((), [setting("DYNAMIC_PORT", "true"), setting("LINUX_CPU_LIMIT", "5")])
    assert [kept.key for kept in configured(present, [setting("DYNAMIC_PORT", "")])] == ["LINUX_CPU_LIMIT"]


def test_folders_of_the_settings_reach_the_agent_with_the_commands_that_they_are_for() -> None:
    keys = ("MIGRATE_EXCLUDE_DIR", "SYNC_EXCLUDE_DIR", "ONLY_SYNC_DIR", "CONSISTENCY_DIR")
    task = new_task().model_copy(
        update={
            "configuration": configured((), [setting(key, f"/{key.lower()}") for key in keys]),
            "checks_consistency": True,
        }
    )
    copy = agent_command(reach(task, Step.COPY))
    verify = agent_command(reach(task, Step.VERIFY))
    launched = reach(task, Step.LAUNCH)
    at = cause()
    synced = act(
        succeed(launched, at, **learned(launched, at.at)),
        TaskAction.SYNC,
        at,
        has_consent=True,
        overwrite_target=False,
    )
    sync = agent_command(reach(synced, Step.SYNC))
    assert copy is not None
    assert verify is not None
    assert sync is not None
    found = [command.message for command in (copy, sync, verify)]
    assert all(isinstance(message, agent.TransferCommand) for message in found)
    assert [(message.excludes, message.only_paths) for message in found] == [  # type: ignore[attr-defined]
        (("/migrate_exclude_dir",), ()),
        (("/migrate_exclude_dir", "/sync_exclude_dir"), ("/only_sync_dir",)),
        (("/migrate_exclude_dir",), ("/consistency_dir",)),
    ]


def test_limits_are_said_to_a_source_that_sends_and_to_no_other() -> None:
    copying = reach(new_task(), Step.COPY)
    command = speed_command(copying)
    assert command is not None
    assert command.agent_id == copying.server_id
    assert command.message.IS_ORDERED is False
    assert speed_command(new_task()) is None


@pytest.mark.parametrize("name", ["a b", "", "x" * 256, "semi;colon", "ʘ"])
def test_a_name_has_letters_digits_chinese_characters_and_two_signs(name: str) -> None:
    assert checked_name("迁移_Web-1") == "迁移_Web-1"
    with pytest.raises(MigrationError, match=r"SMS\.TASK\.SETTING_INVALID"):
        checked_name(name)


def test_a_priority_is_low_standard_or_high() -> None:
    assert [checked_priority(number) for number in (0, 1, 2)] == [0, 1, 2]
    with pytest.raises(MigrationError) as refused:
        checked_priority(3)
    assert "0 (low), 1 (standard), 2 (high)" in refused.value.failure.remedy


def test_disks_are_wished_for_by_their_names_or_by_their_order() -> None:
    inventory = SourceInventory(
        hostname="web-1",
        architecture="x86_64",
        firmware="BIOS",
        operating_system=OperatingSystem(id="debian"),
        disks=(
            Disk(name="sda", device="/dev/sda", size_bytes=100, table="mbr", is_system=True),
            Disk(
                name="sdb",
                device="/dev/sdb",
                size_bytes=200,
                table="gpt",
                partitions=(Partition(number=1, name="sdb1", start_bytes=1, size_bytes=150, type_id="83"),),
            ),
        ),
    )
    wished = (
        WishedDisk(name="/dev/sda", size_bytes=100),
        WishedDisk(name="disk 1", size_bytes=300, volumes=(WishedVolume(name="/dev/sdb1", size_bytes=250),)),
    )
    assert layout_options(wished, inventory) == {"disk.sdb.size": "300", "partition.sdb1.size": "250"}


def test_an_update_changes_only_what_it_names() -> None:
    present = TaskAttributes(region_id="r1", migration_ip="192.0.2.1")
    changed = changed_attributes(present, TaskAttributes(migration_ip="192.0.2.2"))
    assert (changed.region_id, changed.migration_ip) == ("r1", "192.0.2.2")


@pytest.mark.parametrize("word", NOT_OFFERED)
def test_an_operation_that_this_version_lacks_is_refused_with_what_can_be_done_instead(word: str) -> None:
    with pytest.raises(MigrationError) as refused:
        operation_of(word)
    assert refused.value.code == "SMS.TASK.NOT_OFFERED"
    assert word in refused.value.failure.cause
    assert refused.value.failure.remedy == NOT_OFFERED[word]


def test_a_word_that_is_no_operation_is_refused() -> None:
    with pytest.raises(MigrationError, match=r"SMS\.TASK\.OPERATION_UNKNOWN"):
        operation_of("explode")


def ask(task: Task, operation: Operation, **options: bool) -> Task:
    request = OperateTask(idempotency_key="k", task_id=task.id, operation=operation.value, has_consent=True, **options)
    return operate(task, operation, request, cause())


def test_restart_goes_on_with_a_stopped_task_and_does_not_begin_a_new_one() -> None:
    with pytest.raises(MigrationError, match=r"SMS\.TASK\.NOT_ALLOWED"):
        ask(new_task(), Operation.RESTART)
    stopping = ask(reach(new_task(), Step.COPY), Operation.STOP)
    at = cause()
    paused = succeed(stopping, at)
    assert paused.phase is Phase.PAUSED
    assert ask(paused, Operation.RESTART).phase is Phase.COPYING


def test_a_report_of_too_much_speed_stops_the_task_with_a_code_of_its_own() -> None:
    stopping = ask(reach(new_task(), Step.COPY), Operation.STOP_FOR_SPEED)
    at = cause()
    paused = succeed(stopping, at)
    assert paused.failure is not None
    assert paused.failure.code == "SMS.TASK.OVER_SPEED_REPORTED"
    assert paused.failure.is_resumable


def test_a_start_may_ask_for_the_check_of_every_copy() -> None:
    assert ask(new_task(), Operation.START, checks_consistency=True).checks_consistency
