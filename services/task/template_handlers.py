"""One coroutine per request about templates."""

from __future__ import annotations

import uuid
from dataclasses import replace
from typing import Final

from contracts.envelope import Envelope
from contracts.errors import MigrationError
from contracts.errors.template import TEMPLATE_LIMIT
from contracts.items import ItemOutcome
from contracts.messages.reply import Accepted
from contracts.messages.template import (
    CreateTemplate,
    DeleteTemplates,
    ListTemplates,
    ShowTargetPassword,
    ShowTemplate,
    TargetPassword,
    TemplateDetails,
    TemplateList,
    TemplatesDeleted,
    UpdateTemplate,
)
from services.task.domain.pages import that_fit
from services.task.domain.ports import Clock, Seal, Templates
from services.task.domain.templates import MOST_TEMPLATES, change_template, matches, new_template, show_template
from shared.store import AlreadyAppliedError, ConflictError

_NAMESPACE: Final = uuid.UUID("0a4c7b52-6a52-4b62-9c30-6f0f2a9a4f0e")
_ATTEMPTS: Final = 5


class TemplateHandlers:
    """What users ask of templates."""

    def __init__(self, templates: Templates, seal: Seal, clock: Clock) -> None:
        self._templates = templates
        self._seal = seal
        self._clock = clock

    async def create(self, request: CreateTemplate, envelope: Envelope) -> Accepted:
        """Write a template down, its password sealed."""
        account = envelope.account
        identifier = uuid.uuid5(_NAMESPACE, f"{account}/{request.idempotency_key}").hex
        template = new_template(request.template, identifier=identifier, account=account, at=self._clock())
        known = await self._templates.all(account)
        if any(one.id == identifier for one in known):
            return Accepted(id=identifier)
        if len(known) >= MOST_TEMPLATES:
            raise MigrationError(TEMPLATE_LIMIT, count=len(known), limit=MOST_TEMPLATES)
        sealed = self._seal.seal(request.template.target_password or "", account=account, template_id=identifier)
        template = template.model_copy(update={"sealed_password": sealed})
        try:
            await self._templates.save(template, expected_version=0, change="created", cause=envelope)
        except ConflictError:
            await self._templates.load(account, identifier)  # the same request, repeated at the same time
        return Accepted(id=identifier)

    async def update(self, request: UpdateTemplate, envelope: Envelope) -> Accepted:
        """Change what is given."""
        cause = replace(envelope, id=f"request:{request.idempotency_key}")
        for attempt in range(_ATTEMPTS):
            template, version = await self._templates.load(envelope.account, request.template_id)
            changed = change_template(template, request.changes, self._clock())
            password = request.changes.target_password
            if password is not None:
                sealed = self._seal.seal(password, account=template.account, template_id=template.id)
                changed = changed.model_copy(update={"sealed_password": sealed})
            try:
                await self._templates.save(changed, expected_version=version, change="updated", cause=cause)
            except AlreadyAppliedError:
                break
            except ConflictError:
                if attempt == _ATTEMPTS - 1:
                    raise
                continue
            break
        return Accepted(id=request.template_id)

    async def show(self, request: ShowTemplate, envelope: Envelope) -> TemplateDetails:
        """One template."""
        template, _ = await self._templates.load(envelope.account, request.template_id)
        return TemplateDetails(template=show_template(template))

    async def list_templates(self, request: ListTemplates, envelope: Envelope) -> TemplateList:
        """Templates in the order of their ids."""
        found = [one for one in await self._templates.all(envelope.account) if matches(one, request)]
        views = (show_template(one) for one in found[request.offset :])
        return TemplateList(count=len(found), templates=that_fit(views, limit=request.limit))

    async def delete(self, request: DeleteTemplates, envelope: Envelope) -> TemplatesDeleted:
        """Each by itself."""
        outcomes = [await self._delete(one, envelope) for one in request.template_ids]
        return TemplatesDeleted(items=tuple(outcomes))

    async def show_target_password(self, request: ShowTargetPassword, envelope: Envelope) -> TargetPassword:
        """Open the seal."""
        template, _ = await self._templates.load(envelope.account, request.template_id)
        password = self._seal.open(template.sealed_password, account=template.account, template_id=template.id)
        return TargetPassword(template_id=template.id, target_password=password)

    async def _delete(self, template_id: str, envelope: Envelope) -> ItemOutcome:
        for attempt in range(_ATTEMPTS):
            try:
                template, version = await self._templates.load(envelope.account, template_id)
                await self._templates.delete(template, expected_version=version, cause=envelope)
            except ConflictError as error:
                if attempt == _ATTEMPTS - 1:
                    return ItemOutcome(id=template_id, failure=error.failure)
                continue
            except MigrationError as error:
                return ItemOutcome(id=template_id, failure=error.failure)
            break
        return ItemOutcome(id=template_id)
