"""Every route x every role x own, foreign and unknown things: nobody is let in, or kept out, by accident."""

from __future__ import annotations

import re
import sys
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import httpx
import pytest

from services.gateway.api.app import all_routes
from services.gateway.domain.route import Route
from services.gateway.routes import ROUTERS
from tests.api.access_roles import Role, make_roles
from tests.api.access_things import BODIES, FIXED, KINDS, QUERIES, Things
from tests.api.bench import ApiBench, running_bench
from tests.api.bodies import body_of

ROUTES = all_routes(ROUTERS)
ROUTE_OF = {route.operation_id: route for route in ROUTES}
_AT_ONCE = 8
OWNERS = ("own", "foreign", "unknown")


@dataclass(frozen=True, kw_only=True)
class Cell:
    """One question to the API. ids: by path parameter."""

    route: Route
    role: Role
    owner: str
    ids: tuple[tuple[str, str], ...]

    def path(self) -> str:
        return self.route.path.format(**dict(self.ids))

    def anonymous(self, text: str) -> str:
        """A text without the ids and the request's own id."""
        for _, identifier in self.ids:
            text = text.replace(identifier, "ID")
        return re.sub(r'"request_id":"[0-9a-f]+"', "", text)

    def __str__(self) -> str:
        return f"{self.role.name} on {self.owner}: {self.route.method} {self.route.path}"


class Matrix:
    def __init__(self, api: ApiBench) -> None:
        self.roles = make_roles(api)
        self._clients = {role.name: api.client(role.key, is_signed=role.key is not None) for role in self.roles}
        roots = {role.account: self._clients[role.name] for role in self.roles if role.name.endswith("root")}
        self._accounts = tuple(roots)
        self.things = Things(api, roots)

    def close(self) -> None:
        for client in self._clients.values():
            client.close()

    def cells(self, route: Route) -> Iterator[Cell]:
        parameters = re.findall("{([a-z_]+)}", route.path)
        strangers = [name for name in parameters if name not in KINDS and name not in FIXED]
        assert strangers == [], "say in access_things.py what these name"
        names_things = any(name in KINDS for name in parameters)
        for role in self.roles:
            for owner in OWNERS if names_things else ("none",):
                ids = tuple((name, self._identifier(route, role, owner, name)) for name in parameters)
                yield Cell(route=route, role=role, owner=owner, ids=ids)

    def ask(self, cell: Cell) -> httpx.Response:
        operation_id = cell.route.operation_id
        body = body_of(operation_id, **BODIES.get(operation_id, {}))
        content = {} if body is None else {"json": body}
        client = self._clients[cell.role.name]
        return client.request(cell.route.method, cell.path(), params=QUERIES.get(operation_id), **content)  # type: ignore[arg-type]

    def _identifier(self, route: Route, role: Role, owner: str, name: str) -> str:
        if name in FIXED:
            return FIXED[name]
        kind = KINDS[name]
        if owner == "unknown":
            return self.things.unknown(kind)
        [other] = [account for account in self._accounts if account != role.account]
        account = role.account if owner == "own" else other
        takes_away = route.method == "DELETE" and owner == "own" and role.is_genuine and role.may(route.action)
        return self.things.fresh(account, kind) if takes_away else self.things.shared(account, kind)


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ApiBench]:
    """One of its own: nothing is left as it was."""
    with running_bench(tmp_path_factory.mktemp("matrix")) as bench:
        yield bench


@pytest.fixture(scope="module")
def matrix(api: ApiBench) -> Iterator[Matrix]:
    matrix = Matrix(api)
    yield matrix
    matrix.close()


@pytest.fixture(scope="module")
def answers(matrix: Matrix) -> dict[str, list[tuple[Cell, httpx.Response]]]:
    """By operation: every cell with its answer."""
    # What takes things away comes last, so that the others meet them.
    order = sorted(ROUTES, key=lambda route: (route.method == "DELETE", route.specificity()))
    answers = {}
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        for route in order:
            cells = list(matrix.cells(route))
            answers[route.operation_id] = list(zip(cells, pool.map(matrix.ask, cells), strict=True))
    return answers


@pytest.mark.parametrize("operation_id", [route.operation_id for route in ROUTES])
def test_each_role_gets_in_where_its_policies_say(
    answers: dict[str, list[tuple[Cell, httpx.Response]]], operation_id: str
) -> None:
    wrong = [
        f"{cell}: {answer.status_code} {answer.text[:200]}"
        for cell, answer in answers[operation_id]
        if not _is_right(cell, answer)
    ]
    assert wrong == []


@pytest.mark.parametrize("operation_id", [route.operation_id for route in ROUTES])
def test_foreign_and_unknown_things_are_answered_alike(
    answers: dict[str, list[tuple[Cell, httpx.Response]]], operation_id: str
) -> None:
    said = {
        (cell.role.name, cell.owner): (answer.status_code, cell.anonymous(answer.text), sorted(answer.headers))
        for cell, answer in answers[operation_id]
    }
    for (role, owner), answer in said.items():
        if owner == "foreign" and not (role == "root" and "{account_name}" in ROUTE_OF[operation_id].path):
            assert answer == said[role, "unknown"], role


def test_no_cell_is_empty(
    answers: dict[str, list[tuple[Cell, httpx.Response]]], matrix: Matrix, capsys: pytest.CaptureFixture[str]
) -> None:
    filled = [cell for asked in answers.values() for cell, _ in asked]
    expected = sum(
        len(matrix.roles) * (3 if set(re.findall("{([a-z_]+)}", route.path)) & set(KINDS) else 1) for route in ROUTES
    )
    assert len(filled) == expected
    # A request that cannot be read is refused before anyone looks whose thing it names.
    named = [(cell, answer) for asked in answers.values() for cell, answer in asked if cell.owner != "none"]
    assert [f"{cell}: {answer.text}" for cell, answer in named if answer.status_code == 400] == []
    counts = sorted(Counter(answer.status_code for asked in answers.values() for _, answer in asked).items())
    size = f"{len(ROUTES)} routes x {len(matrix.roles)} roles x own/foreign/unknown = {len(filled)} cells"
    with capsys.disabled():
        sys.stdout.write(f"\naccess matrix: {size}; answers: {dict(counts)}\n")


def _is_right(cell: Cell, answer: httpx.Response) -> bool:
    if not cell.role.is_genuine:
        return answer.status_code == 401
    if not cell.role.may(cell.route.action):
        return answer.status_code == 403 and answer.json()["error_code"] == "SMS.API.DENIED"
    is_let_in = answer.status_code not in {401, 403} and answer.status_code < 500
    if cell.owner in {"foreign", "unknown"} and not _administers(cell):
        # A body that cannot be read is refused before anything is looked up; accounts are for administrators.
        return answer.status_code in ({404, 403} if "{account_name}" in cell.route.path else {404, 400})
    return is_let_in


def _administers(cell: Cell) -> bool:
    """The installation's root user sees every account, and nothing that is in it."""
    return cell.role.name == "root" and "{account_name}" in cell.route.path
