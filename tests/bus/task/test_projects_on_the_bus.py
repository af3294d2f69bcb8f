"""Migration projects on a real bus and store: one default, servers that lie in them, what tasks take from them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from contracts.errors import MigrationError
from contracts.messages.migration_project import (
    CreateProject,
    DeleteProject,
    ListProjects,
    ProjectChanges,
    ProjectDetails,
    ProjectList,
    SetDefaultProject,
    ShowProject,
    UpdateProject,
    first_project_id,
)
from contracts.messages.reply import Accepted
from contracts.messages.task import CreateTask, ShowTask, TaskDetails
from contracts.subjects import req
from services.task.bootstrap import COLLECTIONS, wire
from services.task.settings import TaskSettings
from shared.bus import ServiceBus
from shared.bus.reading import M
from tests.bus.conftest import Bench
from tests.bus.task.many_servers import ManyServers


@pytest.fixture
async def world(bench: Bench) -> AsyncIterator[ManyServers]:
    world = ManyServers()
    await world.start(bench.server.url)
    yield world
    await world.stop()


async def ask(bus: ServiceBus, verb: str, message: object, reply: type[M], account: str = "default") -> M:
    return await bus.request(req("task", verb), message, reply, account=account)  # type: ignore[arg-type]


async def create(bus: ServiceBus, name: str, key: str = "", account: str = "default", **changes: object) -> str:
    project = ProjectChanges.model_validate({"name": name, **changes})
    request = CreateProject(idempotency_key=key or name, project=project)
    return (await ask(bus, "create-project", request, Accepted, account)).id


async def names(bus: ServiceBus, account: str = "default") -> dict[str, tuple[bool, bool]]:
    found = await ask(bus, "list-projects", ListProjects(), ProjectList, account)
    return {project.name: (project.is_default, project.has_servers) for project in found.projects}


async def test_an_account_has_one_default_project_before_anything_is_written(
    bench: Bench, settings: TaskSettings, world: ManyServers
) -> None:
    async with bench.running(settings, wire, COLLECTIONS) as context:
        assert await names(context.bus) == {"default": (True, True)}
        shown = await ask(context.bus, "show-project", ShowProject(), ProjectDetails)
        made = await create(context.bus, "one", is_default=True)
        assert await create(context.bus, "one", is_default=True) == made
        assert await names(context.bus) == {"one": (True, True), "default": (False, False)}
        assert await names(context.bus, "b") == {"default": (True, True)}
    assert shown.project.id == first_project_id("default")
    async with bench.running(settings, wire, COLLECTIONS) as context:
        assert await names(context.bus) == {"one": (True, True), "default": (False, False)}


async def test_at_any_time_exactly_one_project_is_the_default(
    bench: Bench, settings: TaskSettings, world: ManyServers
) -> None:
    async with bench.running(settings, wire, COLLECTIONS) as context:
        made = [await create(context.bus, f"p{number}") for number in range(4)]
        switches = (
            ask(context.bus, "set-default-project", SetDefaultProject(project_id=one), Accepted) for one in made * 3
        )
        await asyncio.gather(*switches, return_exceptions=True)
        assert [is_default for is_default, _ in (await names(context.bus)).values()].count(True) == 1


async def test_a_project_in_which_servers_lie_is_not_deleted(
    bench: Bench, settings: TaskSettings, world: ManyServers
) -> None:
    async with bench.running(settings, wire, COLLECTIONS) as context:
        made = await create(context.bus, "one")
        world.projects["c"] = made
        with pytest.raises(MigrationError, match=r"SMS\.PROJECT\.HAS_SERVERS.*1"):
            await ask(context.bus, "delete-project", DeleteProject(project_id=made), Accepted)
        world.projects.clear()
        with pytest.raises(MigrationError, match=r"SMS\.PROJECT\.NOT_FOUND"):
            await ask(context.bus, "delete-project", DeleteProject(project_id=made), Accepted, "b")
        await ask(context.bus, "delete-project", DeleteProject(project_id=made), Accepted)
        first = DeleteProject(project_id=first_project_id("default"))
        with pytest.raises(MigrationError, match=r"SMS\.PROJECT\.IS_DEFAULT"):
            await ask(context.bus, "delete-project", first, Accepted)
        assert list(await names(context.bus)) == ["default"]


async def test_a_name_is_taken_once_and_a_repeated_change_is_made_once(
    bench: Bench, settings: TaskSettings, world: ManyServers
) -> None:
    async with bench.running(settings, wire, COLLECTIONS) as context:
        made = await create(context.bus, "one")
        with pytest.raises(MigrationError, match=r"SMS\.PROJECT\.NAME_TAKEN"):
            await create(context.bus, "one", key="another")
        for key, region in (("u1", "r1"), ("u2", "r2"), ("u1", "r1")):
            changes = UpdateProject(idempotency_key=key, project_id=made, changes=ProjectChanges(region=region))
            await ask(context.bus, "update-project", changes, Accepted)
        shown = await ask(context.bus, "show-project", ShowProject(project_id=made), ProjectDetails)
    assert shown.project.region == "r2"


async def test_a_task_takes_rate_and_choices_from_its_project(
    bench: Bench, settings: TaskSettings, world: ManyServers
) -> None:
    async with bench.running(settings, wire, COLLECTIONS) as context:
        made = await create(context.bus, "one", rate_limit_bit_s=8_000_000, uses_public_address=False, is_default=True)
        first = first_project_id("default")
        for server_id, project_id, rate in (("a", "", 8_000_000), ("b", first, None)):
            request = CreateTask(idempotency_key=server_id, server_id=server_id, project_id=project_id)
            task_id = (await ask(context.bus, "create", request, Accepted)).id
            task = (await ask(context.bus, "show", ShowTask(task_id=task_id), TaskDetails)).task
            assert (task.options.rate_limit_bit_s, task.choices.uses_public_address) == (rate, rate is None)
            assert task.project_id == (project_id or made)


async def test_a_task_belongs_to_the_project_that_its_server_lies_in(
    bench: Bench, settings: TaskSettings, world: ManyServers
) -> None:
    async with bench.running(settings, wire, COLLECTIONS) as context:
        made = world.projects["a"] = await create(context.bus, "one", rate_limit_bit_s=8_000_000)
        other = await create(context.bus, "two")
        for key, project_id, expected in (("x", "", made), ("y", other, other)):
            server_id = "a" if key == "x" else "b"
            request = CreateTask(idempotency_key=key, server_id=server_id, project_id=project_id)
            task_id = (await ask(context.bus, "create", request, Accepted)).id
            task = (await ask(context.bus, "show", ShowTask(task_id=task_id), TaskDetails)).task
            assert task.project_id == expected
