"""What a user does with a task, past the API, for tests that are about its agent."""

from __future__ import annotations

import time
import uuid

from contracts.messages.registry import ServerDetails, ShowServer
from contracts.messages.reply import Accepted
from contracts.messages.task import ActOnTask, CreateTask, Phase, ShowTask, TaskAction, TaskDetails, TaskView
from tests.api.bench import ApiBench


class Tasks:
    """A task of a server, created when the server has been checked."""

    def __init__(self, api: ApiBench, server_id: str) -> None:
        self._api = api
        deadline = time.monotonic() + 20
        while api.run(api.ask("registry", "show", ShowServer(server_id=server_id), ServerDetails)).feasibility is None:
            assert time.monotonic() < deadline
            time.sleep(0.05)
        message = CreateTask(idempotency_key=uuid.uuid4().hex, server_id=server_id)
        self.id: str = api.run(api.ask("task", "create", message, Accepted)).id

    def act(self, action: TaskAction) -> None:
        message = ActOnTask(
            idempotency_key=uuid.uuid4().hex, task_id=self.id, action=action, has_consent=True, overwrite_target=True
        )
        self._api.run(self._api.ask("task", "act", message, Accepted))

    def view(self) -> TaskView:
        return self._api.run(self._api.ask("task", "show", ShowTask(task_id=self.id), TaskDetails)).task

    def until(self, *phases: Phase, timeout_s: float = 30) -> TaskView:
        """At rest in one of the phases."""
        deadline = time.monotonic() + timeout_s
        while (view := self.view()).phase not in phases or view.step:
            assert time.monotonic() < deadline, f"{view.phase} {view.step} {view.error}"
            time.sleep(0.1)
        return view
