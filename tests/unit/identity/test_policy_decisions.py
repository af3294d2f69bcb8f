"""What policies decide: by cases, and by properties that hold for all of them."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from contracts.access_policy import PolicyDocument, PolicyStatement
from services.identity.domain.conditions import Circumstances
from services.identity.domain.decisions import NamedPolicy, decide, decide_request
from services.identity.domain.names import (
    ResourceName,
    matches_action,
    matches_resource,
    matches_segment,
    read_resource,
)

SERVER = ResourceName(service="sms", account="acc", type="server", identifier="s1")
ANNA = Circumstances(user_name="anna", source_address="10.1.2.3")


def policy(*statements: PolicyStatement, name: str = "p") -> NamedPolicy:
    return NamedPolicy(name=name, document=PolicyDocument(statement=statements))


def allow(*action: str, resource: tuple[str, ...] = ("*",), **condition: dict[str, tuple[str, ...]]) -> PolicyStatement:
    return PolicyStatement(effect="Allow", action=action, resource=resource, condition=condition)


def deny(*action: str, resource: tuple[str, ...] = ("*",), **condition: dict[str, tuple[str, ...]]) -> PolicyStatement:
    return PolicyStatement(effect="Deny", action=action, resource=resource, condition=condition)


def may(*statements: PolicyStatement, action: str = "sms:server:get", thing: ResourceName = SERVER) -> bool:
    return decide([policy(*statements)], action, [thing], ANNA).is_allowed


@pytest.mark.parametrize(
    ("pattern", "is_match"),
    [
        ("sms:server:get", True),
        ("SMS:Server:GET", True),
        ("sms:server:*", True),
        ("sms:*:get", True),
        ("sms:serv*:g*t", True),
        ("*:*:*", True),
        ("*", True),
        ("sms:server:ge", False),
        ("sms:server:gett", False),
        ("sms:*", False),
        ("sms:server", False),
        ("*:get", False),
        ("sms:server:get:x", False),
        ("sms*get", False),
        ("**", False),
        ("", False),
        ("sms:task:get", False),
        ("sms:.*:get", False),
        ("sms:[a-z]*:get", False),
        ("sms:?erver:get", False),
    ],
)
def test_an_action_is_matched_segment_by_segment_in_any_case(pattern: str, is_match: bool) -> None:
    assert matches_action(pattern, "sms:server:get") is is_match
    assert may(allow(pattern)) is is_match
    assert may(allow("*"), deny(pattern)) is not is_match


@pytest.mark.parametrize(
    ("pattern", "is_match"),
    [
        ("*", True),
        ("sms:*:acc:server:s1", True),
        ("sms::acc:server:s1", True),
        ("sms:*:*:server:*", True),
        ("SMS:*:acc:Server:s1", True),
        ("sms:*:acc:*:*", True),
        ("sms:*:acc:server:s*", True),
        ("sms:*:acc:server:S1", False),
        ("sms:*:ACC:server:s1", False),
        ("sms:*:other:server:s1", False),
        ("sms:*:acc:server:s", False),
        ("sms:*:acc:server:s2", False),
        ("sms:*:acc:task:s1", False),
        ("ecs:*:acc:server:s1", False),
        ("sms:*:acc:server", False),
        ("server:s1", False),
        ("**", False),
        ("sms:*", False),
    ],
)
def test_a_resource_is_matched_segment_by_segment(pattern: str, is_match: bool) -> None:
    assert matches_resource(pattern, SERVER) is is_match
    assert may(allow("*", resource=(pattern,))) is is_match


def test_nothing_is_allowed_by_default() -> None:
    assert not decide([], "sms:server:get", [SERVER], ANNA).is_allowed
    assert not decide([policy(allow("*"))], "sms:server:get", [], ANNA).is_allowed, "nothing is no resource"
    assert not may(deny("sms:task:*"))


def test_a_denial_names_policy_and_statement() -> None:
    decision = decide(
        [policy(allow("*"), name="a"), policy(allow("*"), deny("sms:server:get"), name="b")],
        "sms:server:get",
        [SERVER],
        ANNA,
    )
    assert decision.reason == "statement 2 of policy b denies sms:server:get on sms:*:acc:server:s1"


def test_every_resource_of_a_request_must_be_allowed() -> None:
    group = ResourceName(service="sms", account="acc", type="group", identifier="g1")
    user = ResourceName(service="sms", account="acc", type="user", identifier="u1")
    by_group = allow("sms:group:add_user", resource=("sms:*:acc:group:g1",))
    by_user = allow("sms:group:add_user", resource=("sms:*:acc:user:u1",))
    assert not decide([policy(by_group)], "sms:group:add_user", [group, user], ANNA).is_allowed
    assert decide([policy(by_group, by_user)], "sms:group:add_user", [group, user], ANNA).is_allowed
    no_user = deny("*", resource=("sms:*:acc:user:*",))
    assert not decide([policy(by_group, by_user, no_user)], "sms:group:add_user", [group, user], ANNA).is_allowed


@pytest.mark.parametrize(
    ("operator", "key", "value", "is_met"),
    [
        ("StringEquals", "g:UserName", "anna", True),
        ("StringEquals", "g:UserName", "Anna", False),
        ("StringNotEquals", "g:UserName", "anna", False),
        ("StringNotEquals", "g:UserName", "berta", True),
        ("IpAddress", "g:SourceIp", "10.0.0.0/8", True),
        ("IpAddress", "g:SourceIp", "10.1.2.3", True),
        ("IpAddress", "g:SourceIp", "10.1.2.4", False),
        ("NotIpAddress", "g:SourceIp", "10.0.0.0/8", False),
        ("NotIpAddress", "g:SourceIp", "192.0.2.0/24", True),
    ],
)
def test_a_statement_applies_when_its_condition_holds(operator: str, key: str, value: str, is_met: bool) -> None:
    condition = {operator: {key: (value,)}}
    assert may(allow("*", **condition)) is is_met
    assert may(allow("*"), deny("*", **condition)) is not is_met


@pytest.mark.parametrize("operator", ["IpAddress", "NotIpAddress"])
@pytest.mark.parametrize("address", ["", "unknown", "10.1.2"])
def test_what_cannot_be_told_is_decided_for_the_safe_side(operator: str, address: str) -> None:
    given_ = replace(ANNA, source_address=address)
    condition = {operator: {"g:SourceIp": ("10.0.0.0/8",)}}
    assert not decide([policy(allow("*", **condition))], "sms:server:get", [SERVER], given_).is_allowed
    denying = policy(allow("*"), deny("*", **condition))
    assert not decide([denying], "sms:server:get", [SERVER], given_).is_allowed


def test_a_condition_that_is_not_understood_allows_nothing_and_denies() -> None:
    condition = {"DateLess": {"g:CurrentTime": ("2030-01-01",)}}
    assert not may(allow("*", **condition))
    assert not may(allow("*"), deny("*", **condition))


def test_an_address_that_is_written_as_ipv6_is_the_same_address() -> None:
    condition = {"IpAddress": {"g:SourceIp": ("10.0.0.0/8",)}}
    mapped = replace(ANNA, source_address="::ffff:10.1.2.3")
    assert decide([policy(allow("*", **condition))], "sms:server:get", [SERVER], mapped).is_allowed


@pytest.mark.parametrize(
    "text", ["server:a:b", "server:", "server", ":s1", "server:a b", "server:ä", "server:" + "x" * 129, "server:a/b"]
)
def test_a_path_that_names_nothing_possible_is_denied_even_to_who_may_everything(text: str) -> None:
    assert read_resource(text, account="acc") is None
    decision = decide_request(
        [policy(allow("*"))], account="acc", action="sms:server:get", resources=[text], circumstances=ANNA
    )
    assert not decision.is_allowed


def test_the_collection_is_not_every_single_thing_in_it() -> None:
    one = policy(allow("sms:server:*", resource=("sms:*:acc:server:s1",)))
    for resources, is_allowed in ((["server:s1"], True), (["server:*"], False), ([], False)):
        decision = decide_request(
            [one], account="acc", action="sms:server:get", resources=resources, circumstances=ANNA
        )
        assert decision.is_allowed is is_allowed


def test_a_hostile_pattern_costs_no_more_than_others() -> None:
    assert not matches_segment("*a" * 60 + "b", "a" * 128)
    assert matches_segment("*a" * 60 + "*", "a" * 128)


PARTS = st.sampled_from(
    ["sms", "server", "task", "get", "delete", "s1", "s2", "acc", "*", "s*", "*1", "g*t", "SMS", "Server"]
)
ACTION_PATTERNS = st.one_of(st.just("*"), st.tuples(PARTS, PARTS, PARTS).map(":".join))
RESOURCE_PATTERNS = st.one_of(st.just("*"), st.tuples(PARTS, st.just("*"), PARTS, PARTS, PARTS).map(":".join))
CONDITIONS = st.sampled_from(
    [
        {},
        {"StringEquals": {"g:UserName": ("anna",)}},
        {"StringEquals": {"g:UserName": ("berta",)}},
        {"IpAddress": {"g:SourceIp": ("10.0.0.0/8",)}},
        {"NotIpAddress": {"g:SourceIp": ("10.0.0.0/8",)}},
    ]
)
STATEMENTS = st.builds(
    lambda **fields: PolicyStatement.model_validate(fields),
    effect=st.sampled_from(["Allow", "Deny"]),
    action=st.lists(ACTION_PATTERNS, min_size=1, max_size=3).map(tuple),
    resource=st.lists(RESOURCE_PATTERNS, min_size=1, max_size=3).map(tuple),
    condition=CONDITIONS,
)
POLICIES = st.lists(st.lists(STATEMENTS, min_size=1, max_size=4).map(lambda many: policy(*many)), max_size=4)
ACTIONS = st.sampled_from(["sms:server:get", "sms:server:delete", "sms:task:get"])
THINGS = st.lists(
    st.builds(
        ResourceName,
        service=st.just("sms"),
        account=st.just("acc"),
        type=st.sampled_from(["server", "task"]),
        identifier=st.sampled_from(["s1", "s2", "*"]),
    ),
    min_size=1,
    max_size=2,
)
GIVEN = st.sampled_from([ANNA, Circumstances(user_name="berta"), Circumstances(source_address="192.0.2.1")])


@given(POLICIES, ACTIONS, THINGS, GIVEN)
@settings(max_examples=150, deadline=None)
def test_an_explicit_deny_wins_wherever_it_stands(
    policies: list[NamedPolicy], action: str, things: list[ResourceName], given_: Circumstances
) -> None:
    denying = policy(deny(action, resource=(str(things[0]),)))
    for position in range(len(policies) + 1):
        with_deny = [*policies[:position], denying, *policies[position:]]
        assert not decide(with_deny, action, things, given_).is_allowed


@given(POLICIES, STATEMENTS, ACTIONS, THINGS, GIVEN)
@settings(max_examples=150, deadline=None)
def test_an_allow_never_takes_away_and_a_deny_never_gives(
    policies: list[NamedPolicy],
    statement: PolicyStatement,
    action: str,
    things: list[ResourceName],
    given_: Circumstances,
) -> None:
    before = decide(policies, action, things, given_).is_allowed
    after = decide([*policies, policy(statement)], action, things, given_).is_allowed
    assert after >= before if statement.effect == "Allow" else after <= before


@given(POLICIES, ACTIONS, THINGS, GIVEN)
@settings(max_examples=150, deadline=None)
def test_order_and_splitting_of_policies_change_nothing(
    policies: list[NamedPolicy], action: str, things: list[ResourceName], given_: Circumstances
) -> None:
    whole = decide(policies, action, things, given_).is_allowed
    split = [policy(statement) for one in reversed(policies) for statement in one.document.statement]
    assert decide(split, action, things, given_).is_allowed == whole
    assert decide(policies, action, list(reversed(things)), given_).is_allowed == whole


@given(POLICIES, ACTIONS, THINGS, GIVEN)
@settings(max_examples=150, deadline=None)
def test_the_case_of_actions_changes_nothing(
    policies: list[NamedPolicy], action: str, things: list[ResourceName], given_: Circumstances
) -> None:
    whole = decide(policies, action, things, given_).is_allowed
    assert decide(policies, action.upper(), things, given_).is_allowed == whole


@given(POLICIES, ACTIONS, THINGS, GIVEN)
@settings(max_examples=150, deadline=None)
def test_whatever_is_allowed_is_allowed_by_a_statement_that_says_so(
    policies: list[NamedPolicy], action: str, things: list[ResourceName], given_: Circumstances
) -> None:
    """Against a second, naive reading of policies: translate each pattern into a regular expression."""
    statements = [statement for one in policies for statement in one.document.statement]
    allowed = all(any(_says(one, "Allow", action, thing, given_) for one in statements) for thing in things)
    denied = any(_says(one, "Deny", action, thing, given_) for one in statements for thing in things)
    assert decide(policies, action, things, given_).is_allowed == (allowed and not denied)


def _says(statement: PolicyStatement, effect: str, action: str, thing: ResourceName, given_: Circumstances) -> bool:

    def fits(pattern: str, text: str, flags: int = 0) -> bool:
        if pattern == "*":
            return True
        expression = re.escape(pattern).replace(r"\*", "[^:]*")
        return re.fullmatch(expression, text, flags) is not None

    def fits_thing(pattern: str) -> bool:
        if pattern == "*":
            return True
        service, _, account, kind, identifier = pattern.split(":")
        return (
            fits(service, thing.service, re.IGNORECASE)
            and fits(account, thing.account)
            and fits(kind, thing.type, re.IGNORECASE)
            and fits(identifier, thing.identifier)
        )

    concerned = any(fits(one, action, re.IGNORECASE) for one in statement.action)
    concerned = concerned and any(map(fits_thing, statement.resource))
    return statement.effect == effect and concerned and _condition_applies(statement, given_)


def _condition_applies(statement: PolicyStatement, given_: Circumstances) -> bool:
    for operator, keys in statement.condition.items():
        for values in keys.values():
            known = given_.user_name if operator == "StringEquals" else given_.source_address
            if not known:
                return statement.effect == "Deny"
            is_inside = known.startswith("10.")
            met = known in values if operator == "StringEquals" else is_inside is (operator == "IpAddress")
            if not met:
                return False
    return True


@given(st.text(alphabet="a*", max_size=12), st.text(alphabet="ab:", max_size=12))
@settings(max_examples=200, deadline=None)
def test_a_wildcard_matches_as_a_regular_expression_does(pattern: str, value: str) -> None:

    expected = re.fullmatch(re.escape(pattern).replace(r"\*", ".*"), value) is not None
    assert matches_segment(pattern, value) is expected


@given(ACTION_PATTERNS, st.text(alphabet="abs:*", max_size=12))
@settings(max_examples=150, deadline=None)
def test_no_wildcard_reaches_into_another_segment(pattern: str, action: str) -> None:
    if pattern != "*" and action.count(":") != 2:
        assert not matches_action(pattern, action)
