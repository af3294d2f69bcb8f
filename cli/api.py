"""The client of the HTTPS API: signed requests, typed replies, failures with cause and remedy."""

from __future__ import annotations

import asyncio
import ipaddress
import re
import ssl
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Final, TypeVar
from urllib.parse import quote

import httpx
from pydantic import BaseModel

from cli.api_answers import SERVICE, Reply, certificate_problem, read_reply
from cli.output import cell, duration, err
from cli.profile_file import Profile, chosen_profile
from cli.settings import CommandLineSettings
from cli.signing import Query, query_string, sign
from contracts.errors import MigrationError
from contracts.errors.cli import API_UNREACHABLE, NO_ANSWER, NOT_TRUSTED, PROFILE_UNREADABLE, USAGE

IDEMPOTENCY_HEADER: Final = "X-Sms-Idempotency-Key"
REPLY_WITHIN_S: Final = 30.0
_ASK_AGAIN_S: Final = 0.25
_CONNECT_WITHIN_S: Final = 5.0
_AWAY: Final = frozenset({502, 503, 504})
# The server takes 300 s; a smaller difference is no reason for it to refuse.
_SKEW_S: Final = 120.0
# Without "%2F", "." and "..": they would name another route than the one that is meant.
_PATH: Final = re.compile(r"(?!.*%2[fF])(?!.*/\.{1,2}(/|$))/[A-Za-z0-9/_.~%:@,+-]*")

Outcome = TypeVar("Outcome")


class ApiClient:
    """Requests with one profile over one HTTP connection pool. Make one with `connect`.

    Each method raises MigrationError: what the service refused with, or a failure of the way to it (SMS.CLI…).
    Path parameters that a user has typed go through `segment`. timeout_s: for the answer. patience_s: how long the
    gateway may be away.
    """

    def __init__(
        self,
        profile: Profile,
        http: httpx.AsyncClient,
        *,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
        patience_s: float = 8.0,
    ) -> None:
        self._profile = profile
        self._http = http
        self._clock = clock
        self._patience_s = patience_s
        self._ahead = timedelta()
        self._seen: dict[str, httpx.Response] = {}

    async def get(self, path: str, reply: type[Reply], *, timeout_s: float = REPLY_WITHIN_S, **query: object) -> Reply:
        """Read. query: names and values, None left out, a sequence as one pair for each of its values."""
        return read_reply(await self._request("GET", path, None, query, timeout_s), reply)

    async def get_bytes(self, path: str, *, timeout_s: float = REPLY_WITHIN_S, **query: object) -> bytes:
        """Read something that is no JSON, such as an archive."""
        answer = await self._request("GET", path, None, query, timeout_s)
        if answer.is_error:
            read_reply(answer, BaseModel)
        return answer.content

    async def post(
        self, path: str, body: BaseModel | None, reply: type[Reply], *, timeout_s: float = REPLY_WITHIN_S
    ) -> Reply:
        """Create or act."""
        return read_reply(await self._request("POST", path, body, {}, timeout_s), reply)

    async def put(
        self, path: str, body: BaseModel | None, reply: type[Reply], *, timeout_s: float = REPLY_WITHIN_S
    ) -> Reply:
        """Replace."""
        return read_reply(await self._request("PUT", path, body, {}, timeout_s), reply)

    async def delete(
        self,
        path: str,
        reply: type[Reply],
        body: BaseModel | None = None,
        *,
        timeout_s: float = REPLY_WITHIN_S,
        **query: object,
    ) -> Reply:
        """Remove."""
        return read_reply(await self._request("DELETE", path, body, query, timeout_s), reply)

    async def _request(
        self, method: str, path: str, body: BaseModel | None, query: Mapping[str, object], timeout_s: float
    ) -> httpx.Response:
        if not _PATH.fullmatch(path):
            raise MigrationError(USAGE, reason=f"{path!r} names nothing that there can be.", command="sms")
        content = b"" if body is None else body.model_dump_json(exclude_none=True).encode()
        # The same key each time: the gateway carries a write out once, however often it hears of it.
        headers = {} if method == "GET" else {IDEMPOTENCY_HEADER: str(uuid.uuid4())}
        pairs = _pairs(query)
        loop = asyncio.get_running_loop()
        give_up_at = loop.time() + self._patience_s
        while True:
            try:
                answer = await self._send(method, path, pairs, headers, content, timeout_s)
            except httpx.ReadTimeout as error:
                request = f"{method} {path}"
                raise MigrationError(NO_ANSWER, service=SERVICE, request=request, seconds=f"{timeout_s:g}") from error
            except httpx.TransportError as error:
                self._raise_if_not_trusted(error)
                if loop.time() > give_up_at:
                    reason = str(error) or type(error).__name__
                    raise MigrationError(API_UNREACHABLE, url=self._profile.endpoint, reason=reason) from error
            else:
                is_away = answer.status_code in _AWAY and loop.time() < give_up_at
                if not is_away and not self._follow_the_servers_clock(answer):
                    return answer
            await asyncio.sleep(_ASK_AGAIN_S)

    async def _send(
        self, method: str, path: str, query: Query, headers: Mapping[str, str], content: bytes, timeout_s: float
    ) -> httpx.Response:
        """One try, signed anew: a date that is too old would be refused."""
        encoded = query_string(query)
        url = f"{self._profile.endpoint}{path}{'?' if encoded else ''}{encoded}"
        known = self._seen.get(url) if method == "GET" else None
        signed = sign(
            method=method,
            path=path,
            query=query,
            headers={
                "Host": self._profile.endpoint.removeprefix("https://"),
                "Content-Type": "application/json",
                **({"If-None-Match": known.headers["ETag"]} if known is not None else {}),
                **headers,
            },
            body=content,
            access_key=self._profile.access_key,
            secret_key=self._profile.secret_key.get_secret_value(),
            now=self._clock() + self._ahead,
        )
        timeout = httpx.Timeout(timeout_s, connect=_CONNECT_WITHIN_S)
        answer = await self._http.request(method, url, headers=signed, content=content, timeout=timeout)
        if known is not None and answer.status_code == httpx.codes.NOT_MODIFIED:
            return known
        if method == "GET" and "ETag" in answer.headers:
            self._seen = {url: answer}
        return answer

    def _follow_the_servers_clock(self, answer: httpx.Response) -> bool:
        """Whether a refused request is worth another try: with the server's time, when this machine's is wrong.

        The time is the one of a server that has proved itself by its certificate; nothing was changed by the refusal.
        """
        if answer.status_code != httpx.codes.UNAUTHORIZED or self._ahead or "Date" not in answer.headers:
            return False
        try:
            ahead = parsedate_to_datetime(answer.headers["Date"]) - self._clock()
        except ValueError:
            return False
        if abs(ahead.total_seconds()) < _SKEW_S:
            return False
        self._ahead = ahead
        direction = "behind" if ahead > timedelta() else "ahead of"
        difference = duration(abs(ahead.total_seconds()))
        err.print(cell(f"this machine's clock is {difference} {direction} the server's; the server's time is used"))
        return True

    def _raise_if_not_trusted(self, error: httpx.TransportError) -> None:
        if reason := certificate_problem(error):
            ca_file = self._profile.ca_file or "the system's authorities"
            raise MigrationError(NOT_TRUSTED, url=self._profile.endpoint, reason=reason, ca_file=ca_file) from error


@asynccontextmanager
async def connect(profile: Profile) -> AsyncIterator[ApiClient]:
    """A client for a profile; nothing is sent before its first request.

    Raises MigrationError SMS.CLI.PROFILE_UNREADABLE when the profile's CA file cannot be used.
    """
    trust = trusted_authorities(profile.ca_file)
    host = httpx.URL(profile.endpoint).host
    # A proxy for the world outside is never meant for this machine itself.
    async with httpx.AsyncClient(verify=trust, trust_env=not _is_this_machine(host)) as http:
        yield ApiClient(profile, http, patience_s=CommandLineSettings().api_patience_s)


def on_api(data: Path, work: Callable[[ApiClient], Awaitable[Outcome]]) -> Outcome:
    """Do one piece of work with the profile of the root options, or else of a data folder."""

    async def connected() -> Outcome:
        async with connect(chosen_profile(data)) as client:
            return await work(client)

    return asyncio.run(connected())


def segment(text: str) -> str:
    """Text that a user has typed as one segment of a path."""
    return quote(text, safe="")


def trusted_authorities(ca_file: Path | None) -> ssl.SSLContext:
    """What may sign the server's certificate: the profile's authority alone, when it names one."""
    try:
        return ssl.create_default_context(cafile=None if ca_file is None else str(ca_file))
    except (OSError, ssl.SSLError) as error:
        reason = error.strerror or str(error)
        raise MigrationError(PROFILE_UNREADABLE, path=ca_file, reason=reason) from error


def _pairs(query: Mapping[str, object]) -> list[tuple[str, str]]:
    pairs = []
    for name, value in query.items():
        values = value if isinstance(value, (list, tuple)) else (value,)
        pairs += [(name, _text(one)) for one in values if one is not None]
    return pairs


def _text(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _is_this_machine(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
