"""Generated requests to every operation: no answer is a server error, each is as the API's document says."""

from __future__ import annotations

import uuid
from collections.abc import Iterator

import pytest
from schemathesis.core.failures import FailureGroup

from contracts.messages.account import CreateAccount, NewAccount
from services.gateway.documents import document
from tests.api.bench import ApiBench, running_bench
from tests.api.fuzzing import OPERATIONS, fuzz, operations, seed_of

EXAMPLES = 4
EXAMPLES_LONG = 1_000
# What reads the whole trace goes first: behind all others its thousand requests were not done after half an hour.
IN_ORDER = sorted(OPERATIONS, key=lambda operation_id: (operation_id != "verify_audit_trace", operation_id))


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ApiBench]:
    """One of its own: nothing is left as it was."""
    with running_bench(tmp_path_factory.mktemp("fuzz")) as bench:
        yield bench


@pytest.fixture(scope="module")
def key(api: ApiBench) -> tuple[str, str]:
    """Of an account that no other test looks into."""
    name = f"fuzz{uuid.uuid4().hex[:8]}"
    request = CreateAccount(idempotency_key=name, name=name)
    made: NewAccount = api.run(api.ask("identity", "create-account", request, NewAccount))
    return made.access_key, made.secret_key


@pytest.mark.parametrize("operation_id", IN_ORDER)
def test_an_operation_answers_as_its_document_says(
    api: ApiBench, key: tuple[str, str], operation_id: str, request: pytest.FixtureRequest
) -> None:
    seed = seed_of(request.config.getoption("--seed"), operation_id)
    fuzz(api, key, OPERATIONS[operation_id], examples=EXAMPLES, seed=seed)


@pytest.mark.long
@pytest.mark.parametrize("operation_id", IN_ORDER)
def test_generated_requests_of_an_operation_at_length(
    api: ApiBench, key: tuple[str, str], operation_id: str, request: pytest.FixtureRequest
) -> None:
    seed = seed_of(request.config.getoption("--seed"), operation_id)
    fuzz(api, key, OPERATIONS[operation_id], examples=EXAMPLES_LONG, seed=seed)


@pytest.mark.parametrize(
    "wrong",
    [{"201": {"description": "made"}}, {"200": {"content": {"application/json": {"schema": {"type": "integer"}}}}}],
)
def test_an_answer_that_the_document_does_not_know_is_found(
    api: ApiBench, key: tuple[str, str], wrong: dict[str, object]
) -> None:
    """The checks themselves: a document that promises something else is not kept."""
    doctored = document()
    doctored["paths"]["/"]["get"]["responses"] = wrong
    with pytest.raises(FailureGroup):
        fuzz(api, key, operations(doctored)["list_api_version"], examples=2, seed=1)
