"""When a request is carried out, repeated, waited for or refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from services.gateway.adapters.answers import ANSWERS, StoredAnswers
from services.gateway.domain.answers import Answer, Next, answer_id, decide
from services.gateway.domain.reply import Reply
from shared.store import open_store

CLAIMED = Answer(content_digest="d1", asked_at_s=1000.0, minute=16)
ANSWERED = CLAIMED.answered(Reply(status=201, body=b"{}"), keeps_body=True)


@pytest.mark.parametrize(
    ("found", "digest", "now_s", "expected"),
    [
        (None, "d1", 1000, Next.CARRY_OUT),
        (CLAIMED, "d1", 1014, Next.WAIT),
        (CLAIMED, "d1", 1016, Next.CARRY_OUT),
        (CLAIMED, "d2", 1001, Next.REFUSE),
        (ANSWERED, "d1", 1600, Next.REPEAT),
        (ANSWERED, "d2", 1600, Next.REFUSE),
        (ANSWERED, "d1", 1601, Next.CARRY_OUT),
        (ANSWERED, "d2", 1601, Next.CARRY_OUT),
    ],
)
def test_what_happens_to_a_request(found: Answer | None, digest: str, now_s: float, expected: Next) -> None:
    assert decide(found, content_digest=digest, now_s=now_s, claim_s=15) is expected


def test_an_answer_comes_back_byte_for_byte() -> None:
    reply = Reply(status=200, body=bytes(range(256)), headers=(("content-type", "text/csv"),))
    assert CLAIMED.answered(reply, keeps_body=True).reply() == reply


def test_a_refusal_of_a_secret_route_is_kept() -> None:
    refused = Reply(status=409, body=b"{}", error_code="SMS.X.Y")
    answer = CLAIMED.answered(refused, keeps_body=False)
    assert (answer.is_secret, answer.reply()) == (False, refused)


def test_ids_of_users_keys_and_signatures_do_not_meet() -> None:
    ids = {
        answer_id("u1", signature="k", idempotency_key=None),
        answer_id("u1", signature="s", idempotency_key="k"),
        answer_id("u2", signature="s", idempotency_key="k"),
    }
    assert len(ids) == 3
    assert answer_id("u1", signature="t", idempotency_key="k") in ids


async def test_old_answers_are_removed_and_young_ones_stay(tmp_path: Path) -> None:
    store = await open_store(f"sqlite:///{tmp_path / 'gateway.sqlite'}", "gateway", [ANSWERS])
    answers = StoredAnswers(store)
    for identifier, at_s in (("old", 6_000.0), ("middle", 6_600.0), ("young", 7_200.0)):
        answer = Answer(content_digest="d", asked_at_s=at_s, minute=int(at_s // 60))
        assert await answers.save("a", identifier, answer, over=0) == 1
    assert await answers.clean(now_s=6_000 + 600 + 120) == 1
    assert await answers.clean(now_s=6_600 + 600 + 120) == 1
    assert await answers.clean(now_s=6_600 + 600 + 120) == 0
    left = [await answers.load("a", identifier) is not None for identifier in ("old", "middle", "young")]
    assert left == [False, False, True]
    await store.close()
