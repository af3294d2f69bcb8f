"""Makes a change of access hold at once: what is remembered is forgotten, what may no longer live is cut."""

from __future__ import annotations

from contracts.login import user_name
from services.identity.authorizer import decide_for
from services.identity.directory import Directory
from services.identity.domain.ports import ConnectionCutter
from services.identity.domain.records import Credential
from services.identity.logins import SUBSCRIBE
from services.identity.principals import Principals
from services.identity.records import IdentityRecords


class Revocations:
    """Called after the commit of every change of who may do what."""

    def __init__(
        self, records: IdentityRecords, directory: Directory, principals: Principals, cutter: ConnectionCutter
    ) -> None:
        self._records = records
        self._directory = directory
        self._principals = principals
        self._cutter = cutter

    async def enforce(self, account: str) -> None:
        """Look at every key of the account anew. Raises SMS.BUS.UNAVAILABLE when connections cannot be cut."""
        self._principals.forget_account(account)
        names: list[str] = []
        for credential in await self._directory.every(self._records.credentials, account):
            names += await self._names_to_cut(credential)
        stored = await self._directory.accounts.load(account, account)
        if stored is not None and not stored.value.is_enabled:
            agents = await self._directory.every(self._records.agents, account)
            names += [user_name("agent", agent.agent_id) for agent in agents]
        await self._cutter.cut(dict.fromkeys(names))

    def forget(self, account: str) -> None:
        """When something was only added: nothing needs to be cut."""
        self._principals.forget_account(account)

    async def enforce_key(self, credential: Credential) -> None:
        """As `enforce`, for one key."""
        self._principals.forget_account(credential.account)
        await self._cutter.cut(await self._names_to_cut(credential))

    async def _names_to_cut(self, credential: Credential) -> list[str]:
        principal = await self._principals.read(credential)
        events = user_name("events", credential.access_key)
        if principal is None:
            agents = await self._records.agents_enrolled_by(credential.account, credential.access_key)
            enrolled = (user_name("agent", agent.agent_id) for agent in agents)
            return [user_name("ak", credential.access_key), events, *enrolled]
        return [] if decide_for(principal, SUBSCRIBE).is_allowed else [events]
