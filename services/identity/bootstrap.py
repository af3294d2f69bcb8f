"""Builds identity's adapters: the only place that does."""

from __future__ import annotations

import asyncio
import logging
from datetime import UTC, datetime

from contracts.permissions import CONNECTION_CUTTER
from services.identity.account_handlers import AccountHandlers
from services.identity.adapters.authentication import AuthenticationResponder
from services.identity.adapters.bus_login import BusAddress, connect
from services.identity.adapters.connection_cutter import SystemAccountCutter
from services.identity.adapters.seals import FileSeal
from services.identity.adapters.user_jwt import AnswerSigner
from services.identity.authorizer import Authorizer
from services.identity.credential_handlers import CredentialHandlers
from services.identity.denials import DenialTrace
from services.identity.directory import Directory
from services.identity.domain.directory import INSTALLATION_ACCOUNT
from services.identity.domain.ports import Seal
from services.identity.enrolments import Enrolments
from services.identity.facts import SERVICE
from services.identity.group_handlers import GroupHandlers
from services.identity.handlers import Handlers
from services.identity.key_uses import KeyUses
from services.identity.logins import Logins
from services.identity.policy_handlers import PolicyHandlers
from services.identity.principals import Principals
from services.identity.records import IdentityRecords
from services.identity.revocations import Revocations
from services.identity.root_credential import import_root_credential, read_root_credential
from services.identity.settings import IdentitySettings
from services.identity.subscriptions import AllHandlers, subscribe
from services.identity.user_handlers import UserHandlers
from shared.bus.closing import close_client
from shared.service import ServiceContext
from shared.store.port import ConflictError, StoreUnavailableError
from shared.telemetry import log


async def wire(context: ServiceContext) -> None:
    """Raises ValueError or OSError when a key file cannot be used."""
    settings = context.settings
    if not isinstance(settings, IdentitySettings) or settings.bus_seed_file is None:
        raise TypeError("identity needs its own settings, with the seed file of its bus user")
    records, directory = IdentityRecords(context.store), Directory(context.store)
    seal = FileSeal(settings.seal_key_file)
    signer = AnswerSigner(settings.issuer_seed_file.read_text(encoding="ascii").strip())
    address = BusAddress(servers=tuple(settings.bus_addresses()), ca_file=settings.bus_ca_file)
    await _prepare(settings, records, directory, seal)

    closed = asyncio.Event()
    system = await connect(address, user=CONNECTION_CUTTER, seed_file=settings.system_seed_file, closed=closed)
    context.resources.push_async_callback(close_client, system)
    cutter = SystemAccountCutter(system)
    context.resources.push_async_callback(cutter.close)
    logins_connection = await connect(address, user=SERVICE, seed_file=settings.bus_seed_file, closed=closed)
    context.resources.push_async_callback(close_client, logins_connection)

    denials = DenialTrace(records)
    context.run_in_background("denial-trace", denials.run)
    principals = Principals(records, directory, seal)
    uses = KeyUses(records, interval_s=settings.key_use_interval_s)
    context.run_in_background("key-uses", uses.run)
    logins = Logins(records, principals, seal, uses)
    await AuthenticationResponder(logins_connection, logins, signer, denials).start()
    revocations = Revocations(records, directory, principals, cutter)
    credentials = CredentialHandlers(records, directory, seal, revocations)
    handlers = AllHandlers(
        agents=Handlers(records, seal, cutter, Enrolments(records, cutter)),
        authorizer=Authorizer(principals, uses),
        accounts=AccountHandlers(directory, credentials, revocations),
        users=UserHandlers(directory, credentials, revocations),
        groups=GroupHandlers(directory, revocations),
        policies=PolicyHandlers(directory, revocations),
        credentials=credentials,
    )
    subscribe(context.bus, handlers)
    _clean_in_background(context, records, interval_s=settings.cleaning_interval_s)

    async def watch_connections() -> None:
        await closed.wait()

    context.run_in_background("login-connections", watch_connections)


async def _prepare(settings: IdentitySettings, records: IdentityRecords, directory: Directory, seal: Seal) -> None:
    """The accounts that there must be, and the first key of the installation."""
    now = datetime.now(UTC)
    await directory.ensure_accounts({INSTALLATION_ACCOUNT, *await records.accounts_with_keys()}, now=now)
    if settings.root_credential_file is not None:
        root = read_root_credential(settings.root_credential_file)
        await import_root_credential(records, directory, seal, root, now=now)


def _clean_in_background(context: ServiceContext, records: IdentityRecords, *, interval_s: float) -> None:
    async def clean() -> None:
        while True:
            now = datetime.now(UTC)
            try:
                nonces, tokens = await records.forget_nonces(now=now), await records.forget_tokens(now=now)
                if nonces or tokens:
                    log("expired records removed", nonces=nonces, enrolment_tokens=tokens)
            except (StoreUnavailableError, ConflictError) as error:
                log("cleaning waits", level=logging.WARNING, error=error)
            await asyncio.sleep(interval_s)

    context.run_in_background("cleaning", clean)
