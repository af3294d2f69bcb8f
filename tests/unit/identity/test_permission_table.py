"""The permission table of the service overview (Table 7-1), row by row, with its dependencies."""

from __future__ import annotations

from datetime import UTC, datetime
from itertools import chain, combinations

import pytest

from services.identity.authorizer import decide_for
from services.identity.domain.conditions import Circumstances
from services.identity.domain.decisions import NamedPolicy, decide_request
from services.identity.domain.dependencies import DEPENDENCIES
from services.identity.domain.directory import User, root_user
from services.identity.domain.policy_rules import check_document
from services.identity.domain.records import Credential, SealedSecret
from services.identity.domain.system_policies import (
    AGENT_TYPE,
    IDENTITY_TYPES,
    MIGRATION_TYPES,
    SYSTEM_POLICIES,
)
from services.identity.principals import Principal

NOW = datetime(2026, 1, 1, tzinfo=UTC)
# The columns of the table, in its order.
COLUMNS = ("SMS FullAccess", "OBS OperateAccess", "ECS FullAccess", "VPC FullAccess")
# Operation, its action here, and what the table marks in each column.
ROWS = (
    ("Creating migration tasks", "sms:task:create", (True, False, True, True)),
    ("Viewing migration progresses", "sms:task:get", (True, False, False, False)),
)


def policies_named(*names: str) -> list[NamedPolicy]:
    found = [policy for policy in SYSTEM_POLICIES.values() if policy.name in names]
    assert len(found) == len(set(names))
    return [NamedPolicy(name=policy.name, document=policy.document) for policy in found]


def may(action: str, *names: str, resource: str = "") -> bool:
    return decide_request(
        policies_named(*names),
        account="acc",
        action=action,
        resources=[resource] if resource else [],
        circumstances=Circumstances(user_name="anna"),
    ).is_allowed


@pytest.mark.parametrize(("operation", "action", "marks"), ROWS, ids=[row[0] for row in ROWS])
def test_a_row_needs_exactly_what_it_marks(operation: str, action: str, marks: tuple[bool, ...]) -> None:
    """With every one of the 16 combinations of the columns."""
    needed = {column for column, is_marked in zip(COLUMNS, marks, strict=True) if is_marked}
    for names in chain.from_iterable(combinations(COLUMNS, count) for count in range(len(COLUMNS) + 1)):
        assert may(action, *names) is (needed <= set(names)), (operation, names)


def test_read_only_access_views_progress_and_creates_nothing() -> None:
    assert may("sms:task:get", "SMS ReadOnlyAccess", resource="task:t1")
    assert may("sms:task:list", "SMS ReadOnlyAccess")
    assert not may("sms:task:create", "SMS ReadOnlyAccess", "ECS FullAccess", "VPC FullAccess")


def principal(user: User, *names: str) -> Principal:
    credential = Credential(
        account="acc",
        access_key="AK1",
        place="first",
        secret=SealedSecret(key_id="", nonce="", ciphertext=""),
        created_at=NOW,
        user_id=user.id,
    )
    return Principal(credential=credential, secret="", user=user, policies=tuple(policies_named(*names)))


@pytest.mark.parametrize(("operation", "action", "marks"), ROWS, ids=[row[0] for row in ROWS])
def test_the_account_itself_needs_no_policy(operation: str, action: str, marks: tuple[bool, ...]) -> None:
    assert decide_for(principal(root_user("acc", now=NOW)), action).is_allowed


def test_a_new_user_may_do_nothing() -> None:
    user = User(account="acc", id="u1", name="anna", created_at=NOW)
    for kind in (*MIGRATION_TYPES, *IDENTITY_TYPES, AGENT_TYPE):
        for verb in ("list", "get", "create", "delete"):
            assert not decide_for(principal(user), f"sms:{kind}:{verb}").is_allowed


def test_a_missing_dependency_is_named() -> None:
    decision = decide_request(
        policies_named("SMS FullAccess", "ECS FullAccess"),
        account="acc",
        action="sms:task:create",
        resources=[],
        circumstances=Circumstances(),
    )
    assert "sms:task:create needs vpc:securityGroups:create as well" in decision.reason


def test_a_dependency_can_be_denied_by_a_policy() -> None:
    for needed in DEPENDENCIES["sms:task:create"]:
        document = SYSTEM_POLICIES["system-ecs-full-access"].document
        statement = document.statement[0].model_copy(update={"effect": "Deny", "action": (needed,)})
        denying = NamedPolicy(name="no", document=document.model_copy(update={"statement": (statement,)}))
        decision = decide_request(
            [*policies_named("SMS FullAccess", "ECS FullAccess", "VPC FullAccess"), denying],
            account="acc",
            action="sms:task:create",
            resources=[],
            circumstances=Circumstances(),
        )
        assert not decision.is_allowed


def test_agent_access_is_for_the_life_of_an_agent_only() -> None:
    for verb in ("enrol", "register", "report", "command", "fetch_secret"):
        assert may(f"sms:agent:{verb}", "SMS AgentAccess", resource="agent:s1")
    for kind in (*MIGRATION_TYPES, *IDENTITY_TYPES):
        for verb in ("list", "get", "create", "update", "delete", "act", "subscribe"):
            assert not may(f"sms:{kind}:{verb}", "SMS AgentAccess")


@pytest.mark.parametrize("name", ["SMS FullAccess", "SMS ReadOnlyAccess", "ECS FullAccess", "VPC FullAccess"])
def test_no_policy_but_the_administrators_touches_who_may_do_what(name: str) -> None:
    for kind in IDENTITY_TYPES:
        for verb in ("list", "create", "update", "delete", "attach", "detach", "add_user"):
            assert not may(f"sms:{kind}:{verb}", name)


def test_read_only_access_fetches_no_secret_of_an_agent() -> None:
    for verb in ("fetch_secret", "get", "command"):
        assert not may(f"sms:agent:{verb}", "SMS ReadOnlyAccess")


def test_every_system_policy_is_one_that_could_be_written() -> None:
    for policy in SYSTEM_POLICIES.values():
        check_document(policy.document, account="acc")
