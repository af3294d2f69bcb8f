"""The route table: a route without a permission cannot be declared, and no two routes meet."""

from __future__ import annotations

import pytest

from services.gateway.api.app import all_routes
from services.gateway.api.call import ApiCall
from services.gateway.api.router import ApiRouter
from services.gateway.routes import ROUTERS


async def endpoint(call: ApiCall) -> None:
    """Nothing."""


def test_a_route_without_an_action_cannot_be_declared() -> None:
    with pytest.raises(TypeError):
        ApiRouter(tag="x").get("/v3/x", operation_id="x")  # type: ignore[call-arg]


@pytest.mark.parametrize("action", ["", "task:get", "sms:task", "sms:Task:get", "sms:task:*", "obs:task:get"])
def test_an_action_has_one_form(action: str) -> None:
    with pytest.raises(ValueError, match="no action"):
        ApiRouter(tag="x").get("/v3/x", action=action, operation_id="x", resource="task:*")(endpoint)


@pytest.mark.parametrize("resource", ["task", "task:{other_id}", "task:{task_id}/x", "Task:{task_id}"])
def test_a_resource_names_what_the_path_has(resource: str) -> None:
    with pytest.raises(ValueError, match="x: "):
        ApiRouter(tag="x").get("/v3/x/{task_id}", action="sms:task:get", operation_id="x", resource=resource)(endpoint)


def test_a_route_names_the_things_of_its_path() -> None:
    router = ApiRouter(tag="x")
    path = "/v3/groups/{group_id}/users/{user_id}"
    router.put(path, action="sms:group:add", resource="group:{group_id} user:{user_id}", operation_id="x")(endpoint)
    [route] = router.routes
    assert route.resources({"group_id": "g 1", "user_id": "{group_id}"}) == ("group:g 1", "user:{group_id}")


@pytest.mark.parametrize(("path", "operation_id"), [("/v3/x", "y"), ("/v3/y", "x")])
def test_two_routes_share_neither_place_nor_name(path: str, operation_id: str) -> None:
    one, other = ApiRouter(tag="one"), ApiRouter(tag="other")
    one.get("/v3/x", action="sms:task:get", operation_id="x")(endpoint)
    other.get(path, action="sms:task:get", operation_id=operation_id)(endpoint)
    with pytest.raises(ValueError, match="declared twice"):
        all_routes([one, other])


def test_fixed_paths_go_before_parameters() -> None:
    places = [(route.method, route.path) for route in all_routes(ROUTERS)]
    assert places.index(("GET", "/v3/sources/overview")) < places.index(("GET", "/v3/sources/{source_id}"))
    assert places[-1] == ("GET", "/{version}")


def test_what_answers_with_a_secret_keeps_no_answer() -> None:
    """By the names of their fields; who adds such a reply has to think of it."""
    keeping = []
    for route in all_routes(ROUTERS):
        answer = route.endpoint.__globals__.get(str(route.endpoint.__annotations__.get("return")))
        names = set(getattr(answer, "model_fields", {}))
        if route.changes_state and route.keeps_answer and names & {"secret_key", "secret", "password", "private_key"}:
            keeping.append(route.operation_id)
    assert keeping == []
