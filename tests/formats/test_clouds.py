"""One cloud of a clouds.yaml: what is merged into what, and what is refused."""

from __future__ import annotations

import pytest

from libprobe.failures import BadData
from libprobe.formats.clouds import PASSWORD, merged, read_cloud
from libprobe.formats.plain_yaml import Doubtful

LOGIN = {
    "auth_url": "https://keystone.example.org:5000/v3",
    "username": "opsuser",
    "password": "planted",
    "user_domain_name": "Default",
    "project_id": "p",
}


ONLY_GENERIC = ", which is only for auth_type password and token,"
UNVERIFIED = " against the verification of certificates, without which no secret is sent,"


def entry(profiles: object = None, **more: object):
    return read_cloud({"clouds": {"site": {"auth": LOGIN, **more}}}, "site", profiles)


def auth(**more: object):
    return {key: value for key, value in {**LOGIN, **more}.items() if value is not ...}


def test_password_is_the_login_where_no_type_is_named():
    found = entry(region_name="RegionOne", interface="internalURL", cacert="~/ca.pem")
    assert (found.kind, found.region, found.interface, found.cacert) == (PASSWORD, "RegionOne", "internal", "~/ca.pem")
    assert found.auth == LOGIN
    assert (found.secret, found.description) == ("planted", "user opsuser")


def test_a_project_beside_auth_wins_and_a_user_beside_it_does_not():
    assert entry(project_id="outer", username="outer").auth == {**LOGIN, "project_id": "outer"}


def test_tenants_are_projects_and_dashes_underscores_and_numbers_text():
    found = entry(auth=auth(project_id=..., **{"tenant-name": 12, "project-domain-id": "default"}))
    assert (found.auth["project_name"], found.auth["project_domain_id"]) == ("12", "default")


def test_a_domain_that_is_given_once_is_that_of_user_and_project():
    found = entry(auth=auth(user_domain_name=..., domain_id="d"))
    assert (found.auth["user_domain_id"], found.auth["project_domain_id"]) == ("d", "d")
    found = entry(auth=auth(user_domain_name=..., default_domain_name="D"))
    assert (found.auth["user_domain_name"], found.auth["project_domain_name"]) == ("D", "D")


def test_what_is_secret_is_laid_over_value_by_value():
    plain = {"clouds": {"site": {"auth": auth(password="old"), "region_name": "R"}}, "client": {"a": 1}}
    found = merged(plain, {"clouds": {"site": {"auth": {"password": "new"}}, "other": {}}})
    assert found["clouds"]["site"] == {"auth": auth(password="new"), "region_name": "R"}
    assert found["client"] == {"a": 1}
    assert plain["clouds"]["site"]["auth"]["password"] == "old"
    with pytest.raises(BadData):
        merged({"clouds": 1}, {"clouds": {"site": {}}})


def test_a_profile_is_under_the_cloud_and_its_regions_give_way():
    profiles = {"public-clouds": {"prof": {"auth": {"auth_url": "https://x", "username": "y"}, "regions": ["A", "B"]}}}
    assert entry(profiles, profile="prof").region == "A"
    found = entry(profiles, profile="prof", region_name="C")
    assert (found.region, found.auth["auth_url"], found.auth["username"]) == ("C", LOGIN["auth_url"], "opsuser")


@pytest.mark.parametrize(
    ("more", "what"),
    [
        ({"auth": auth(password=...)}, "no password"),
        ({"auth": auth(password=None)}, "no password"),
        ({"auth": auth(password=Doubtful(7))}, "password that YAML reads as another number or a date (line 7)"),
        ({"auth": auth(password=True)}, "password that is no text"),
        ({"auth": auth(username=...)}, "no username"),
        ({"auth": auth(user_domain_name=...)}, "username without user_domain_name or user_domain_id"),
        ({"auth": auth(user_domain_name=None)}, "empty user_domain_name"),
        (
            {"auth": auth(project_id=..., project_name="ops")},
            "project_name without project_domain_name or project_domain_id",
        ),
        ({"auth": auth(project_id=..., domain_id="d")}, "domain_id without a project"),
        ({"auth": auth(auth_url="keystone.example.org")}, "auth_url that is no http or https URL"),
        ({"auth": auth(auth_url="https://{region_name}")}, "brace in auth_url, which openstacksdk replaces,"),
        ({"auth": auth(auth_url=...)}, "no auth_url"),
        ({"auth": auth(user_name="x")}, "old name user_name, which not every program reads,"),
        ({"auth": auth(trust_id="x")}, "unsupported trust_id"),
        ({"auth": auth(**{"project-id": "q"})}, "project_id twice, with a dash and with an underscore,"),
        ({"auth": ["x"]}, "auth that is no mapping"),
        ({"auth_type": "v2password"}, "unsupported auth_type"),
        ({"auth_type": "v3oidcaccesstoken", "auth": auth(access_token="t")}, "no identity_provider"),
        ({"auth_type": "v3applicationcredential"}, "no application_credential_secret"),
        (
            {"auth_type": "v3applicationcredential", "auth": auth(application_credential_secret="s")},
            "no application_credential_id",
        ),
        (
            {"auth_type": "v3password", "auth": auth(default_domain_id="d")},
            "default_domain_id, which is only for auth_type password and token,",
        ),
        ({"verify": False}, f"verify{UNVERIFIED}"),
        ({"insecure": True}, f"insecure{UNVERIFIED}"),
        ({"region_name": "A,B"}, "several regions in region_name"),
        ({"regions": [{"name": "A", "values": {"auth": {}}}]}, "values of the first region's own"),
        ({"regions": []}, "regions that are no list"),
        ({"interface": "outer"}, "unknown interface"),
        ({"profile": "vexxhost"}, "a profile that no clouds-public.yaml has"),
        ({"cacert": "a\x1bb"}, "control characters in cacert"),
    ],
)
def test_what_cannot_be_meant_is_refused_by_its_key(more, what):
    with pytest.raises(BadData) as refused:
        entry(**more)
    assert refused.value.sentence == f"{what} in cloud site"
    assert "planted" not in str(refused.value)


@pytest.mark.parametrize("document", [None, [], {"clouds": None}, {"clouds": {}}, {"clouds": {"site": None}}])
def test_a_file_without_the_cloud_is_refused(document):
    with pytest.raises(BadData):
        read_cloud(document, "site")
