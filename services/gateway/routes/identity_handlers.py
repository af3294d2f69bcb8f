"""Who may do what: users, groups, policies and their attachments."""

from __future__ import annotations

from typing import Annotated

from fastapi import Query

from contracts.messages.policy import (
    CreatePolicy,
    DeletePolicy,
    ListPolicies,
    PolicyList,
    PolicyView,
    SetAttachment,
    ShowPolicy,
    UpdatePolicy,
)
from contracts.messages.reply import Accepted
from contracts.messages.user import (
    CreateGroup,
    CreateUser,
    DeleteGroup,
    DeleteUser,
    GroupList,
    GroupView,
    ListGroups,
    ListUsers,
    SetMembership,
    ShowGroup,
    ShowUser,
    UpdateUser,
    UserList,
    UserView,
)
from services.gateway.api.call import ApiCall
from services.gateway.api.router import ApiRouter
from services.gateway.domain.wire.identity import NewNamed, NewPolicy, PolicyChanges, UserChanges

router = ApiRouter(tag="identity")

Limit = Annotated[int, Query(ge=1, le=1000)]
Offset = Annotated[int, Query(ge=0, le=1_000_000)]

_MEMBER = "group:{group_id} user:{user_id}"
_USER_ATTACHMENT = "policy:{policy_id} user:{user_id}"
_GROUP_ATTACHMENT = "policy:{policy_id} group:{group_id}"


@router.get("/v3/users", action="sms:user:list", operation_id="list_users")
async def list_users(call: ApiCall, name: str = "", limit: Limit = 100, offset: Offset = 0) -> UserList:
    """The account's users in the order of their names. name: only the user of this name."""
    return await call.ask("identity", "list-users", ListUsers(name=name, limit=limit, offset=offset), UserList)


@router.post("/v3/users", action="sms:user:create", operation_id="create_user", status=201)
async def create_user(call: ApiCall, body: NewNamed) -> UserView:
    """Create a user, who may do nothing before a policy is attached."""
    message = CreateUser(idempotency_key=call.idempotency_key, name=body.name, description=body.description)
    return await call.ask("identity", "create-user", message, UserView)


@router.get("/v3/users/{user_id}", action="sms:user:get", resource="user:{user_id}", operation_id="show_user")
async def show_user(call: ApiCall, user_id: str) -> UserView:
    """One user with groups and policies."""
    return await call.ask("identity", "show-user", ShowUser(user_id=user_id), UserView)


@router.put("/v3/users/{user_id}", action="sms:user:update", resource="user:{user_id}", operation_id="update_user")
async def update_user(call: ApiCall, user_id: str, body: UserChanges) -> UserView:
    """Disable a user, which refuses the user's keys and cuts what has logged in with them, or enable it again."""
    message = UpdateUser(user_id=user_id, is_enabled=body.is_enabled, description=body.description)
    return await call.ask("identity", "update-user", message, UserView)


@router.delete("/v3/users/{user_id}", action="sms:user:delete", resource="user:{user_id}", operation_id="delete_user")
async def delete_user(call: ApiCall, user_id: str) -> Accepted:
    """Delete a user for good, with all keys."""
    return await call.ask("identity", "delete-user", DeleteUser(user_id=user_id), Accepted)


@router.get("/v3/groups", action="sms:group:list", operation_id="list_groups")
async def list_groups(call: ApiCall, name: str = "", limit: Limit = 100, offset: Offset = 0) -> GroupList:
    """The account's groups in the order of their names. name: only the group of this name."""
    return await call.ask("identity", "list-groups", ListGroups(name=name, limit=limit, offset=offset), GroupList)


@router.post("/v3/groups", action="sms:group:create", operation_id="create_group", status=201)
async def create_group(call: ApiCall, body: NewNamed) -> GroupView:
    """Create a group without members and policies."""
    message = CreateGroup(idempotency_key=call.idempotency_key, name=body.name, description=body.description)
    return await call.ask("identity", "create-group", message, GroupView)


@router.get("/v3/groups/{group_id}", action="sms:group:get", resource="group:{group_id}", operation_id="show_group")
async def show_group(call: ApiCall, group_id: str) -> GroupView:
    """One group with its members and policies."""
    return await call.ask("identity", "show-group", ShowGroup(group_id=group_id), GroupView)


@router.delete(
    "/v3/groups/{group_id}", action="sms:group:delete", resource="group:{group_id}", operation_id="delete_group"
)
async def delete_group(call: ApiCall, group_id: str) -> Accepted:
    """Delete a group; its members lose what it gave them."""
    return await call.ask("identity", "delete-group", DeleteGroup(group_id=group_id), Accepted)


@router.put(
    "/v3/groups/{group_id}/users/{user_id}",
    action="sms:group:add_user",
    resource=_MEMBER,
    operation_id="add_user_to_group",
)
async def add_user_to_group(call: ApiCall, group_id: str, user_id: str) -> Accepted:
    """Put a user into a group."""
    message = SetMembership(group_id=group_id, user_id=user_id, is_member=True)
    return await call.ask("identity", "set-membership", message, Accepted)


@router.delete(
    "/v3/groups/{group_id}/users/{user_id}",
    action="sms:group:remove_user",
    resource=_MEMBER,
    operation_id="remove_user_from_group",
)
async def remove_user_from_group(call: ApiCall, group_id: str, user_id: str) -> Accepted:
    """Take a user out of a group."""
    message = SetMembership(group_id=group_id, user_id=user_id, is_member=False)
    return await call.ask("identity", "set-membership", message, Accepted)


@router.get("/v3/policies", action="sms:policy:list", operation_id="list_policies")
async def list_policies(call: ApiCall, name: str = "", limit: Limit = 100, offset: Offset = 0) -> PolicyList:
    """The system's policies and the account's own. name: only the policy of this name."""
    message = ListPolicies(name=name, limit=limit, offset=offset)
    return await call.ask("identity", "list-policies", message, PolicyList)


@router.post("/v3/policies", action="sms:policy:create", operation_id="create_policy", status=201)
async def create_policy(call: ApiCall, body: NewPolicy) -> PolicyView:
    """Create a policy; it holds for nobody before it is attached."""
    message = CreatePolicy(
        idempotency_key=call.idempotency_key, name=body.name, description=body.description, document=body.document
    )
    return await call.ask("identity", "create-policy", message, PolicyView)


@router.get(
    "/v3/policies/{policy_id}", action="sms:policy:get", resource="policy:{policy_id}", operation_id="show_policy"
)
async def show_policy(call: ApiCall, policy_id: str) -> PolicyView:
    """One policy with whom it is attached to."""
    return await call.ask("identity", "show-policy", ShowPolicy(policy_id=policy_id), PolicyView)


@router.put(
    "/v3/policies/{policy_id}", action="sms:policy:update", resource="policy:{policy_id}", operation_id="update_policy"
)
async def update_policy(call: ApiCall, policy_id: str, body: PolicyChanges) -> PolicyView:
    """Change a policy; it holds at once for everybody whom it is attached to."""
    message = UpdatePolicy(policy_id=policy_id, description=body.description, document=body.document)
    return await call.ask("identity", "update-policy", message, PolicyView)


@router.delete(
    "/v3/policies/{policy_id}",
    action="sms:policy:delete",
    resource="policy:{policy_id}",
    operation_id="delete_policy",
)
async def delete_policy(call: ApiCall, policy_id: str) -> Accepted:
    """Delete a policy, wherever it is attached."""
    return await call.ask("identity", "delete-policy", DeletePolicy(policy_id=policy_id), Accepted)


@router.put(
    "/v3/policies/{policy_id}/users/{user_id}",
    action="sms:policy:attach",
    resource=_USER_ATTACHMENT,
    operation_id="attach_policy_to_user",
)
async def attach_policy_to_user(call: ApiCall, policy_id: str, user_id: str) -> Accepted:
    """Attach a policy to a user."""
    message = SetAttachment(policy_id=policy_id, user_id=user_id, is_attached=True)
    return await call.ask("identity", "set-attachment", message, Accepted)


@router.delete(
    "/v3/policies/{policy_id}/users/{user_id}",
    action="sms:policy:detach",
    resource=_USER_ATTACHMENT,
    operation_id="detach_policy_from_user",
)
async def detach_policy_from_user(call: ApiCall, policy_id: str, user_id: str) -> Accepted:
    """Detach a policy from a user."""
    message = SetAttachment(policy_id=policy_id, user_id=user_id, is_attached=False)
    return await call.ask("identity", "set-attachment", message, Accepted)


@router.put(
    "/v3/policies/{policy_id}/groups/{group_id}",
    action="sms:policy:attach",
    resource=_GROUP_ATTACHMENT,
    operation_id="attach_policy_to_group",
)
async def attach_policy_to_group(call: ApiCall, policy_id: str, group_id: str) -> Accepted:
    """Attach a policy to a group."""
    message = SetAttachment(policy_id=policy_id, group_id=group_id, is_attached=True)
    return await call.ask("identity", "set-attachment", message, Accepted)


@router.delete(
    "/v3/policies/{policy_id}/groups/{group_id}",
    action="sms:policy:detach",
    resource=_GROUP_ATTACHMENT,
    operation_id="detach_policy_from_group",
)
async def detach_policy_from_group(call: ApiCall, policy_id: str, group_id: str) -> Accepted:
    """Detach a policy from a group."""
    message = SetAttachment(policy_id=policy_id, group_id=group_id, is_attached=False)
    return await call.ask("identity", "set-attachment", message, Accepted)
