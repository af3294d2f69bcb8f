"""What a user does with templates, migration projects and the small operations through the official SDK."""

from __future__ import annotations

import json

from huaweicloudsdksms.v3 import (
    CreateMigprojectRequest,
    CreatePrivacyAgreementsRequest,
    CreateTemplateReq,
    CreateTemplateRequest,
    DeleteMigprojectRequest,
    DeleteTemplateRequest,
    DeletetemplatesReq,
    DeleteTemplatesRequest,
    ListErrorServersRequest,
    ListErrorServersResponse,
    ListMigprojectsRequest,
    ListTemplatesRequest,
    ListTemplatesResponse,
    MigProject,
    MigprojectsResponseBody,
    Nics,
    PostMigProjectBody,
    PublicIp,
    SgObject,
    ShowConfigRequest,
    ShowMigprojectRequest,
    ShowPrivacyAgreementsRequest,
    ShowTargetPasswordRequest,
    ShowTemplateRequest,
    SmsClient,
    TemplateDisk,
    TemplateRequest,
    TemplateResponseBody,
    UpdateDefaultMigprojectRequest,
    UpdateMigprojectRequest,
    UpdateTemplateReq,
    UpdateTemplateRequest,
    VpcObject,
)

# SDK operations that these functions call.
OPERATIONS = frozenset(
    {
        "create_migproject",
        "create_privacy_agreements",
        "create_template",
        "delete_migproject",
        "delete_template",
        "delete_templates",
        "list_error_servers",
        "list_migprojects",
        "list_templates",
        "show_config",
        "show_migproject",
        "show_privacy_agreements",
        "show_target_password",
        "show_template",
        "update_default_migproject",
        "update_migproject",
        "update_template",
    }
)


def template(name: str, **more: object) -> TemplateRequest:
    """Everything that a template can say."""
    said: dict[str, object] = {
        "is_template": True,
        "region": "local",
        "projectid": "project",
        "target_server_name": f"{name}-new",
        "availability_zone": "local-1",
        "volumetype": "SAS",
        "data_volume_type": "SSD",
        "flavor": "local.2c2g",
        "vpc": VpcObject(id="autoCreate", name="net", cidr="192.168.0.0/16"),
        "nics": [Nics(id="autoCreate", name="subnet", cidr="192.168.0.1/24")],
        "security_groups": [SgObject(id="autoCreate", name="group")],
        "publicip": PublicIp(type="5_bgp", bandwidth_size=5, bandwidth_share_type="PER"),
        "disk": [TemplateDisk(index=0, name="system", disktype="SAS", size=40, device_use="OS")],
        "image_id": "image",
    }
    return TemplateRequest(name=name, **(said | more))


def create_template(client: SmsClient, name: str, **more: object) -> str:
    body = CreateTemplateReq(template=template(name, **more))
    return str(client.create_template(CreateTemplateRequest(body=body)).id)


def show_template(client: SmsClient, template_id: str) -> TemplateResponseBody:
    return client.show_template(ShowTemplateRequest(id=template_id)).template


def list_templates(client: SmsClient, **filters: object) -> ListTemplatesResponse:
    return client.list_templates(ListTemplatesRequest(**filters))


def update_template(client: SmsClient, template_id: str, changes: TemplateRequest) -> None:
    body = UpdateTemplateReq(template=changes)
    client.update_template(UpdateTemplateRequest(id=template_id, body=body))


def target_password(client: SmsClient, template_id: str) -> str:
    return str(client.show_target_password(ShowTargetPasswordRequest(id=template_id)).target_password)


def delete_template(client: SmsClient, template_id: str) -> None:
    client.delete_template(DeleteTemplateRequest(id=template_id))


def delete_templates(client: SmsClient, *template_ids: str) -> list[dict[str, object]]:
    """What became of each: the SDK's own model of the answer is a text."""
    body = DeletetemplatesReq(ids=list(template_ids))
    answer = client.delete_templates(DeleteTemplatesRequest(body=body))
    found: list[dict[str, object]] = json.loads(answer.raw_content)["templates"]
    return found


def create_project(client: SmsClient, name: str, **more: object) -> str:
    said: dict[str, object] = {"region": "local", "type": "MIGRATE_FILE"}
    body = PostMigProjectBody(name=name, **(said | more))
    return str(client.create_migproject(CreateMigprojectRequest(body=body)).id)


def show_project(client: SmsClient, project_id: str) -> MigProject:
    return client.show_migproject(ShowMigprojectRequest(mig_project_id=project_id))


def list_projects(client: SmsClient, **page: object) -> dict[str, MigprojectsResponseBody]:
    """By name."""
    found = client.list_migprojects(ListMigprojectsRequest(**page))
    return {project.name: project for project in found.migprojects}


def update_project(client: SmsClient, project_id: str, **changes: object) -> None:
    request = UpdateMigprojectRequest(mig_project_id=project_id, body=MigProject(**changes))
    client.update_migproject(request)


def make_default(client: SmsClient, project_id: str) -> None:
    client.update_default_migproject(UpdateDefaultMigprojectRequest(mig_project_id=project_id))


def delete_project(client: SmsClient, project_id: str) -> None:
    client.delete_migproject(DeleteMigprojectRequest(mig_project_id=project_id))


def list_errors(client: SmsClient, **page: object) -> ListErrorServersResponse:
    return client.list_error_servers(ListErrorServersRequest(**page))


def life_of_a_template(client: SmsClient, name: str) -> None:
    """Make one, find it, look at it, change it, read its password, delete it with another one."""
    made = create_template(client, name, target_password="canary-5e1a")  # noqa: S106 - no real one
    assert [one.id for one in list_templates(client, name=name, region="local", id=made).templates] == [made]
    shown = show_template(client, made)
    assert (shown.name, shown.flavor, shown.disk[0].size, shown.publicip.bandwidth_size) == (name, "local.2c2g", 40, 5)
    assert (shown.is_template, shown.nics[0].id, shown.vpc.cidr) == ("true", "autoCreate", "192.168.0.0/16")
    assert "canary-5e1a" not in str(shown)
    update_template(client, made, TemplateRequest(name=name, flavor="local.4c8g"))
    changed = show_template(client, made)
    assert (changed.flavor, changed.region) == ("local.4c8g", "local")
    assert target_password(client, made) == "canary-5e1a"
    other = create_template(client, f"{name}-2")
    delete_template(client, other)
    assert [one["deleted"] for one in delete_templates(client, made, other)] == [True, False]
    assert list_templates(client, name=name).count == 0


def life_of_a_project(client: SmsClient, name: str) -> None:
    """Make one, change it, make it the default and another one again, delete it."""
    default = next(project for project in list_projects(client).values() if project.isdefault)
    made = create_project(client, name, description="for tests", speed_limit=100, syncing=True)
    shown = show_project(client, made)
    assert (shown.name, shown.isdefault, shown.speed_limit, shown.type) == (name, False, 100, "MIGRATE_FILE")
    update_project(client, made, speed_limit=0, start_network_check=True)
    assert (show_project(client, made).speed_limit, show_project(client, made).syncing) == (0, True)
    make_default(client, made)
    assert [one for one, project in list_projects(client).items() if project.isdefault] == [name]
    make_default(client, default.id)
    delete_project(client, made)
    assert name not in list_projects(client)


def small_operations(client: SmsClient) -> None:
    """Read the configuration, agree to the privacy statement."""
    config = client.show_config(ShowConfigRequest())
    assert config.config["mainRegion"] == config.regions[0]["id"]
    client.create_privacy_agreements(CreatePrivacyAgreementsRequest())
    assert client.show_privacy_agreements(ShowPrivacyAgreementsRequest()).flag is True
    assert list_errors(client).count == len(list_errors(client, limit=1000).migration_errors)
