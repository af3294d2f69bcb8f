"""Templates, consents and what a task takes from a template, on a real bus and store."""

from __future__ import annotations

import asyncio
import logging
from pathlib import Path

import nats
import pytest

from contracts.errors import MigrationError
from contracts.messages.agreement import (
    AcceptPrivacyAgreement,
    ListTaskErrors,
    Offer,
    PrivacyAgreement,
    ShowOffer,
    ShowPrivacyAgreement,
    TaskErrors,
)
from contracts.messages.reply import Accepted
from contracts.messages.task import ActOnTask, CreateTask, Phase, ShowTask, TaskAction, TaskDetails
from contracts.messages.template import (
    CreateTemplate,
    DeleteTemplates,
    ListTemplates,
    ShowTargetPassword,
    ShowTemplate,
    TargetPassword,
    TemplateChanges,
    TemplateDetails,
    TemplateDisk,
    TemplateList,
    TemplatesDeleted,
    UpdateTemplate,
)
from contracts.subjects import req
from services.task.bootstrap import COLLECTIONS, wire
from services.task.settings import TaskSettings
from shared.bus import ServiceBus
from shared.bus.reading import M
from tests.bus.conftest import Bench
from tests.bus.task.world import World

CANARY = "canary-7f3a91"


async def ask(bus: ServiceBus, verb: str, message: object, reply: type[M], account: str = "default") -> M:
    return await bus.request(req("task", verb), message, reply, account=account)  # type: ignore[arg-type]


async def create(bus: ServiceBus, key: str = "k", account: str = "default", **changes: object) -> str:
    template = TemplateChanges.model_validate({"name": "web", **changes})
    return (
        await ask(bus, "create-template", CreateTemplate(idempotency_key=key, template=template), Accepted, account)
    ).id


async def test_a_template_lives_through_restarts_and_is_made_once_per_key(bench: Bench, settings: TaskSettings) -> None:
    async with bench.running(settings, wire, COLLECTIONS) as context:
        made = await create(context.bus, region="r1")
        assert await create(context.bus, region="r1") == made
        assert await create(context.bus, "other") != made
    async with bench.running(settings, wire, COLLECTIONS) as context:
        listed = await ask(context.bus, "list-templates", ListTemplates(region="r1"), TemplateList)
        assert ([one.id for one in listed.templates], listed.count) == ([made], 1)
        page = await ask(context.bus, "list-templates", ListTemplates(limit=1, offset=1), TemplateList)
        assert (len(page.templates), page.count) == (1, 2)


async def test_a_password_is_shown_to_who_asks_for_it_and_is_nowhere_else(
    bench: Bench, settings: TaskSettings, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    heard: list[bytes] = []
    client = await nats.connect(bench.server.url)

    async def hear(raw: object) -> None:
        heard.append(repr((raw.subject, raw.headers, raw.data)).encode())  # type: ignore[attr-defined]

    await client.subscribe("sms.v1.evt.>", cb=hear)
    async with bench.running(settings, wire, COLLECTIONS) as context:
        made = await create(context.bus, target_password=CANARY)
        changes = UpdateTemplate(idempotency_key="u", template_id=made, changes=TemplateChanges(region="r2"))
        await ask(context.bus, "update-template", changes, Accepted)
        shown = await ask(context.bus, "show-template", ShowTemplate(template_id=made), TemplateDetails)
        listed = await ask(context.bus, "list-templates", ListTemplates(), TemplateList)
        password = await ask(context.bus, "show-target-password", ShowTargetPassword(template_id=made), TargetPassword)
        with pytest.raises(MigrationError, match=r"SMS\.TEMPLATE\.NOT_FOUND"):
            await ask(context.bus, "show-target-password", ShowTargetPassword(template_id=made), TargetPassword, "b")
        async with asyncio.timeout(5):
            while len(heard) < 2:
                await asyncio.sleep(0.02)
    await client.close()
    assert password.target_password == CANARY
    assert shown.template.has_target_password
    everything = shown.model_dump_json() + listed.model_dump_json() + caplog.text
    assert CANARY not in everything
    assert not any(CANARY.encode() in message for message in heard)
    kept = [path for path in Path(bench.folder).rglob("*") if path.is_file()]
    assert any(path.name == "task.seal" for path in kept)
    assert not [path for path in kept if CANARY.encode() in path.read_bytes()]


async def test_each_template_of_many_is_deleted_or_reported_by_itself(bench: Bench, settings: TaskSettings) -> None:
    async with bench.running(settings, wire, COLLECTIONS) as context:
        mine, foreign = await create(context.bus), await create(context.bus, account="b")
        request = DeleteTemplates(template_ids=("unknown", mine, foreign, mine))
        deleted = await ask(context.bus, "delete-templates", request, TemplatesDeleted)
        left = await ask(context.bus, "list-templates", ListTemplates(), TemplateList, "b")
    codes = [one.failure.code if one.failure else "" for one in deleted.items]
    missing = "SMS.TEMPLATE.NOT_FOUND"
    assert codes == [missing, "", missing, missing]
    assert [one.id for one in left.templates] == [foreign]


async def test_a_repeated_change_is_made_once(bench: Bench, settings: TaskSettings) -> None:
    async with bench.running(settings, wire, COLLECTIONS) as context:
        made = await create(context.bus)
        first = UpdateTemplate(idempotency_key="u1", template_id=made, changes=TemplateChanges(region="r1"))
        await ask(context.bus, "update-template", first, Accepted)
        second = UpdateTemplate(idempotency_key="u2", template_id=made, changes=TemplateChanges(region="r2"))
        await ask(context.bus, "update-template", second, Accepted)
        await ask(context.bus, "update-template", first, Accepted)
        shown = await ask(context.bus, "show-template", ShowTemplate(template_id=made), TemplateDetails)
    assert shown.template.region == "r2"


async def test_a_task_is_made_as_its_template_says(bench: Bench, settings: TaskSettings, world: World) -> None:
    async with bench.running(settings, wire, COLLECTIONS) as context:
        disk = TemplateDisk(index=0, name="system", disk_type="SSD", size_bytes=40 << 30)
        made = await create(context.bus, flavor="local.4c8g", disks=[disk], target_server_name="new")
        request = CreateTask(idempotency_key="k", server_id="s1", template_id=made)
        task_id = (await ask(context.bus, "create", request, Accepted)).id
        await ask(context.bus, "delete-templates", DeleteTemplates(template_ids=(made,)), TemplatesDeleted)
        task = (await ask(context.bus, "show", ShowTask(task_id=task_id), TaskDetails)).task
        for unknown in ({"template_id": made}, {"project_id": "unknown"}):
            with pytest.raises(MigrationError, match=r"NOT_FOUND"):
                await ask(context.bus, "create", request.model_copy(update=unknown), Accepted)
    assert (task.options.cpu_count, task.options.memory_bytes) == (4, 8 << 30)
    assert task.layout.disks[0].size_bytes == 40 << 30
    assert task.placement.target_server_name == "new"
    assert task.template_id == made
    assert task.project_id


async def test_a_repeated_start_is_answered_alike_although_the_task_has_moved_on(
    bench: Bench, settings: TaskSettings, world: World
) -> None:
    async with bench.running(settings, wire, COLLECTIONS) as context:
        task_id = (await ask(context.bus, "create", CreateTask(idempotency_key="k", server_id="s1"), Accepted)).id
        start = ActOnTask(idempotency_key="s", task_id=task_id, action=TaskAction.START, has_consent=True)
        for _ in range(3):
            assert (await ask(context.bus, "act", start, Accepted)).id == task_id
            await asyncio.sleep(0.2)


async def test_servers_whose_migration_met_an_error_are_listed(
    bench: Bench, settings: TaskSettings, world: World
) -> None:
    world.fails["copy"] = 1
    async with bench.running(settings, wire, COLLECTIONS) as context:
        task_id = (await ask(context.bus, "create", CreateTask(idempotency_key="k", server_id="s1"), Accepted)).id
        start = ActOnTask(idempotency_key="s", task_id=task_id, action=TaskAction.START, has_consent=True)
        await ask(context.bus, "act", start, Accepted)
        async with asyncio.timeout(15):
            while (await ask(context.bus, "show", ShowTask(task_id=task_id), TaskDetails)).task.phase != Phase.PAUSED:
                await asyncio.sleep(0.05)
        errors = await ask(context.bus, "list-errors", ListTaskErrors(), TaskErrors)
        beyond = await ask(context.bus, "list-errors", ListTaskErrors(offset=1), TaskErrors)
        foreign = await ask(context.bus, "list-errors", ListTaskErrors(), TaskErrors, "b")
    (row,) = errors.errors
    assert (row.server_id, row.host_name, row.failure.code) == ("s1", "web-1", "SMS.TEST.GONE")
    assert (errors.count, beyond.count, beyond.errors, foreign.count) == (1, 1, (), 0)


async def test_a_user_agrees_once_for_oneself(bench: Bench, settings: TaskSettings) -> None:
    async with bench.running(settings, wire, COLLECTIONS) as context:
        show = ShowPrivacyAgreement(user_id="u1")
        before = await ask(context.bus, "show-privacy-agreement", show, PrivacyAgreement)
        for _ in range(2):
            await ask(context.bus, "accept-privacy-agreement", AcceptPrivacyAgreement(user_id="u1"), Accepted)
        after = await ask(context.bus, "show-privacy-agreement", show, PrivacyAgreement)
        other = await ask(context.bus, "show-privacy-agreement", ShowPrivacyAgreement(user_id="u2"), PrivacyAgreement)
        offer = await ask(context.bus, "show-offer", ShowOffer(), Offer)
    assert before.accepted_at is None
    assert after.accepted_at is not None
    assert other.accepted_at is None
    assert offer.regions
