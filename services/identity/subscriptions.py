"""Subject to handler; no logic."""

from __future__ import annotations

from dataclasses import dataclass

from contracts.messages.account import CreateAccount, ListAccounts, ShowAccount, UpdateAccount
from contracts.messages.agent import EnrolAgent
from contracts.messages.api import AuthorizeRequest
from contracts.messages.identity import (
    CreateCredential,
    DeleteCredential,
    DisableCredential,
    EnableCredential,
    IssueEnrolmentToken,
    ListCredentials,
    RefuseAgent,
    RotateCredential,
)
from contracts.messages.policy import (
    CreatePolicy,
    DeletePolicy,
    ListPolicies,
    SetAttachment,
    ShowPolicy,
    UpdatePolicy,
)
from contracts.messages.user import (
    CreateGroup,
    CreateUser,
    DeleteGroup,
    DeleteUser,
    ListGroups,
    ListUsers,
    SetMembership,
    ShowGroup,
    ShowUser,
    UpdateUser,
)
from contracts.subjects import ROOT, cmd, req
from services.identity.account_handlers import AccountHandlers
from services.identity.authorizer import Authorizer
from services.identity.credential_handlers import CredentialHandlers
from services.identity.facts import SERVICE
from services.identity.group_handlers import GroupHandlers
from services.identity.handlers import Handlers
from services.identity.policy_handlers import PolicyHandlers
from services.identity.user_handlers import UserHandlers
from shared.bus import ServiceBus


@dataclass(frozen=True, kw_only=True)
class AllHandlers:
    """The handlers by what they are about."""

    agents: Handlers
    authorizer: Authorizer
    accounts: AccountHandlers
    users: UserHandlers
    groups: GroupHandlers
    policies: PolicyHandlers
    credentials: CredentialHandlers


def subscribe(bus: ServiceBus, handlers: AllHandlers) -> None:
    """Commands are acknowledged by the bus adapter after the handler's commit; requests are answered after it."""
    bus.on_request(req(SERVICE, "authorize"), AuthorizeRequest, handlers.authorizer.authorize)
    agents = handlers.agents
    bus.on_request(req(SERVICE, "issue-enrolment-token"), IssueEnrolmentToken, agents.issue_enrolment_token)
    bus.on_request(f"{ROOT}.enrol.*.*", EnrolAgent, agents.enrol_agent)
    bus.on_command(cmd(SERVICE, "refuse-agent"), RefuseAgent, agents.refuse_agent)
    _subscribe_accounts(bus, handlers.accounts)
    _subscribe_users(bus, handlers.users, handlers.groups)
    _subscribe_policies(bus, handlers.policies)
    _subscribe_credentials(bus, handlers.credentials)


def _subscribe_accounts(bus: ServiceBus, accounts: AccountHandlers) -> None:
    bus.on_request(req(SERVICE, "create-account"), CreateAccount, accounts.create)
    bus.on_request(req(SERVICE, "update-account"), UpdateAccount, accounts.update)
    bus.on_request(req(SERVICE, "show-account"), ShowAccount, accounts.show)
    bus.on_request(req(SERVICE, "list-accounts"), ListAccounts, accounts.list_accounts)


def _subscribe_users(bus: ServiceBus, users: UserHandlers, groups: GroupHandlers) -> None:
    bus.on_request(req(SERVICE, "create-user"), CreateUser, users.create)
    bus.on_request(req(SERVICE, "update-user"), UpdateUser, users.update)
    bus.on_request(req(SERVICE, "show-user"), ShowUser, users.show)
    bus.on_request(req(SERVICE, "list-users"), ListUsers, users.list_users)
    bus.on_request(req(SERVICE, "delete-user"), DeleteUser, users.delete)
    bus.on_request(req(SERVICE, "create-group"), CreateGroup, groups.create)
    bus.on_request(req(SERVICE, "show-group"), ShowGroup, groups.show)
    bus.on_request(req(SERVICE, "list-groups"), ListGroups, groups.list_groups)
    bus.on_request(req(SERVICE, "delete-group"), DeleteGroup, groups.delete)
    bus.on_request(req(SERVICE, "set-membership"), SetMembership, groups.set_membership)


def _subscribe_policies(bus: ServiceBus, policies: PolicyHandlers) -> None:
    bus.on_request(req(SERVICE, "create-policy"), CreatePolicy, policies.create)
    bus.on_request(req(SERVICE, "update-policy"), UpdatePolicy, policies.update)
    bus.on_request(req(SERVICE, "show-policy"), ShowPolicy, policies.show)
    bus.on_request(req(SERVICE, "list-policies"), ListPolicies, policies.list_policies)
    bus.on_request(req(SERVICE, "delete-policy"), DeletePolicy, policies.delete)
    bus.on_request(req(SERVICE, "set-attachment"), SetAttachment, policies.set_attachment)


def _subscribe_credentials(bus: ServiceBus, credentials: CredentialHandlers) -> None:
    bus.on_request(req(SERVICE, "create-credential"), CreateCredential, credentials.create)
    bus.on_request(req(SERVICE, "list-credentials"), ListCredentials, credentials.list_credentials)
    bus.on_request(req(SERVICE, "rotate-credential"), RotateCredential, credentials.rotate)
    bus.on_request(req(SERVICE, "disable-credential"), DisableCredential, credentials.disable)
    bus.on_request(req(SERVICE, "enable-credential"), EnableCredential, credentials.enable)
    bus.on_request(req(SERVICE, "delete-credential"), DeleteCredential, credentials.delete)
