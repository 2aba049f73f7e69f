"""Logging in as a clouds.yaml has it: what is read, what Keystone receives, and whose fault a refusal is."""

from __future__ import annotations

import json
import os
import re
import time
from datetime import UTC, datetime, timedelta

import pytest

from tests import planted
from tests.conftest import Monitor, Report
from tests.federation.gocdb import Service
from tests.federation.keystone import ISSUER

PROBE, LABEL = "check_openstack_vm", "OpenStack-VM"
KEYSTONE = r"localhost:\d+"
UNAUTHENTICATED = r"\(401 Unauthorized\)"


class Site:
    """A site's administrator, who has a clouds.yaml and an account of the Keystone's own."""

    def __init__(self, monitor: Monitor) -> None:
        self.monitor = monitor
        self.cloud = monitor.federation.cloud("stack")
        self.keystone = self.cloud.keystone
        self.nova = self.cloud.nova
        self.user = self.keystone.register_user("opsuser")

    def write(self, auth: dict[str, object], name: str = "clouds", mode: int = 0o600, **more: object) -> str:
        """Write a file with one cloud, as YAML, and return its path."""
        directory = self.monitor.home / ".config" / "openstack"
        directory.mkdir(parents=True, exist_ok=True)
        given = {"auth": {"auth_url": self.cloud.url, **auth}, **more}
        path = directory / f"{name}.yaml"
        path.write_text("clouds:\n  site:\n    " + "\n    ".join(f"{key}: {json.dumps(given[key])}" for key in given))
        path.chmod(mode)
        return str(path)

    def password(self, **more: object) -> dict[str, object]:
        login = {"username": "opsuser", "password": self.user.password, "user_domain_name": "Default"}
        return {**login, "project_name": "ops", "project_domain_id": "default", **more}

    def look(self, *words: object, probe: str = PROBE, **more: object) -> Report:
        return self.monitor.run(probe, "--cloud", "site", *words, **more)

    @property
    def logins(self) -> list[dict[str, object]]:
        return self.keystone.logins


@pytest.fixture
def site(monitor) -> Site:
    return Site(monitor)


def expect(report: Report, code: int, pattern: str) -> None:
    report.expect(LABEL, code, pattern)


def expect_request_id(report: Report) -> None:
    assert re.search(r"^in the site's logs: X-Openstack-Request-Id req-[0-9a-f-]{36}$", report.out, re.MULTILINE)


GOOD = r"VM active after [\d.]+ m?s in RegionOne of localhost:\d+ \(project ops, .+\), removed in [\d.]+ m?s"


# ---- what logs in


def test_a_password_logs_in_once_and_only_then_asks_for_the_project(site):
    site.write(site.password())
    report = site.look("-vv")
    expect(report, 0, GOOD)
    user = {"name": "opsuser", "domain": {"name": "Default"}, "password": site.user.password}
    first, second = site.logins
    assert first == {"identity": {"methods": ["password"], "password": {"user": user}}, "scope": "unscoped"}
    assert second["identity"]["methods"] == ["token"]
    assert second["scope"] == {"project": {"name": "ops", "domain": {"id": "default"}}}
    assert "acting as: user opsuser, cloud site of " in report.out
    assert len(site.nova.created) == 1
    assert site.nova.servers() == []


def test_an_application_credential_has_its_project_with_it_and_asks_for_none(site):
    made = site.keystone.register_credential(site.user)
    login = {"application_credential_id": made.id, "application_credential_secret": made.secret}
    site.write(login, auth_type="v3applicationcredential")
    expect(site.look(), 0, GOOD)
    [only] = site.logins
    wanted = {"id": made.id, "secret": made.secret}
    assert only == {"identity": {"methods": ["application_credential"], "application_credential": wanted}}


def test_an_application_credential_by_the_name_that_its_user_gave_it(site):
    made = site.keystone.register_credential(site.user)
    login = {"application_credential_name": made.name, "application_credential_secret": made.secret}
    site.write({**login, "username": "opsuser", "user_domain_id": "default"}, auth_type="v3applicationcredential")
    expect(site.look(), 0, GOOD)


def test_a_token_whose_end_is_that_of_its_application_credential_has_another_form(site):
    ends = datetime.now(UTC).replace(microsecond=0) + timedelta(minutes=30)
    made = site.keystone.register_credential(site.user, expires=ends)
    login = {"application_credential_id": made.id, "application_credential_secret": made.secret}
    site.write(login, auth_type="v3applicationcredential")
    expect(site.look(), 0, GOOD)
    [token] = [each for each in site.keystone.tokens.values() if each.expires == ends]
    assert (token.expires, site.keystone.form_of_end(token)) == (ends, "%Y-%m-%dT%H:%M:%S")


def test_an_access_token_goes_to_the_protocol_that_is_written_there_and_to_no_other(site):
    token = planted.jwt(iss=ISSUER, exp=time.time() + 3600)
    site.keystone.register_access_token(token)
    login = {"access_token": token, "identity_provider": "egi.eu", "protocol": "openid"}
    scope = {"project_id": site.keystone.project_id("ops")}
    site.write({**login, **scope}, auth_type="v3oidcaccesstoken")
    expect(site.look(), 0, GOOD)
    path = site.write({**login, **scope, "protocol": "oidc"}, auth_type="v3oidcaccesstoken")
    expect(
        site.look(),
        3,
        rf"no federated login for egi.eu and protocol oidc, which cloud site of {path} names, on {KEYSTONE} "
        r"\(ask the site for their names\)",
    )


def test_a_keystone_token(site):
    site.write(site.password())
    assert site.look().code == 0
    token = next(each.id for each in site.keystone.tokens.values() if each.project == "ops")
    site.write({"token": token, "project_id": site.keystone.project_id("ops")}, auth_type="v3token")
    expect(site.look(), 0, GOOD)
    site.write({"token": token[:-4], "project_id": site.keystone.project_id("ops")}, auth_type="v3token")
    expect(
        site.look(),
        3,
        rf"the token unknown \(404\) on {KEYSTONE}; it was deleted, or is of another Keystone "
        r"\(write a new one into cloud site of \S+\)",
    )


def test_every_probe_of_a_keystone_takes_it(site):
    site.write(site.password())
    assert site.look(probe="check_openstack_swift").code == 0
    assert site.look(probe="check_openstack_images").code in (0, 1)
    assert "time_to_login" in site.look(probe="check_openstack_images").performance


# ---- which project


def test_a_project_that_is_not_the_users_is_told_from_a_wrong_password(site):
    path = site.write(site.password(project_name="fedcloud.egi.eu"))
    report = site.look("-v")
    expect(
        report,
        3,
        rf"logged in, but no access to the project of cloud site of {path} \(401\) on {KEYSTONE} "
        r"\(choose one that it offers, with its domain: ops\)",
    )
    expect_request_id(report)


def test_without_a_project_keystones_own_choice_is_taken_or_that_of_the_vo(site):
    login = site.password()
    del login["project_name"]
    site.user.default = "ops"
    site.write(login)
    expect(site.look(), 0, GOOD)
    assert "scope" not in site.logins[0]
    site.user.default = None
    expect(site.look(), 0, GOOD)


def test_project_wins_over_the_file_but_not_over_an_application_credential(site):
    site.user.projects = ("fedcloud.egi.eu", "ops")
    site.write(site.password(project_name="fedcloud.egi.eu"))
    expect(site.look("--project", "ops"), 0, GOOD)
    made = site.keystone.register_credential(site.user)
    login = {"application_credential_id": made.id, "application_credential_secret": made.secret}
    path = site.write(login, auth_type="v3applicationcredential")
    expect(
        site.look("--project", "fedcloud.egi.eu"),
        3,
        rf"application credential {made.id} is for project ops, and --project names fedcloud.egi.eu, says {KEYSTONE} "
        r"\(leave out --project, or take one that is made for that project\)",
    )
    site.write({**login, "project_id": "f" * 32}, auth_type="v3applicationcredential")
    expect(
        site.look(),
        3,
        rf"application credential {made.id} is for project ops, and cloud site of {path} names another one, says "
        rf"{KEYSTONE} \(correct the project there, or take it out\)",
    )
    assert site.look("--vo", "other.egi.eu").code == 3


# ---- whose fault a refusal is


@pytest.mark.parametrize("fault", ["password", "name", "domain", "off"])
def test_a_wrong_password_is_ours_and_is_tried_once(site, fault):
    login = site.password()
    if fault == "off":
        site.user.is_enabled = False
    else:
        key = {"password": "password", "name": "username", "domain": "user_domain_name"}[fault]
        login[key] = planted.secret("wrong") if fault == "password" else "nosuch"
    path = site.write(login)
    report = site.look("-v")
    expect(
        report,
        3,
        rf"user \w+ refused {UNAUTHENTICATED} by {KEYSTONE}; wrong name, domain or password, or the user is disabled "
        rf"or locked \(correct cloud site of {path}\)",
    )
    expect_request_id(report)
    assert len(site.logins) == 1
    assert site.nova.created == []


def test_an_application_credential_that_has_ended_or_whose_user_has_lost_the_project_is_ours(site):
    made = site.keystone.register_credential(site.user, expires=datetime.now(UTC) - timedelta(minutes=1))
    login = {"application_credential_id": made.id, "application_credential_secret": made.secret}
    path = site.write(login, auth_type="v3applicationcredential")
    refused = (
        rf"application credential {made.id} refused {UNAUTHENTICATED} by {KEYSTONE}; wrong secret, expired, or its "
        rf"user has lost the roles \(correct cloud site of {path}\)"
    )
    expect(site.look(), 3, refused)
    made.expires, site.user.projects = None, ()
    expect(site.look(), 3, refused)


def test_an_application_credential_that_was_deleted_is_ours(site):
    login = {"application_credential_id": "0" * 32, "application_credential_secret": planted.secret("appcred")}
    path = site.write(login, auth_type="v3applicationcredential")
    expect(
        site.look(),
        3,
        rf"application credential 0+ unknown \(404\) on {KEYSTONE}; it was deleted, or is of another "
        rf"Keystone \(write a new one into cloud site of {path}\)",
    )


def test_a_method_that_is_switched_off_is_told(site):
    path = site.write(site.password())
    site.keystone.own_methods.remove("password")
    expect(
        site.look(),
        3,
        rf"no login by password \(401\) on {KEYSTONE}; \[auth\] methods there does not have it "
        rf"\(take another auth_type in cloud site of {path}\)",
    )


def test_an_access_token_that_has_ended_is_sent_nowhere(site):
    token = planted.jwt(iss=ISSUER, exp=time.time() - 3600)
    login = {"access_token": token, "identity_provider": "egi.eu", "protocol": "openid"}
    path = site.write(login, auth_type="v3oidcaccesstoken")
    expect(
        site.look(),
        3,
        rf"our access token of {ISSUER} expired \d+ \w+ ago \([\d-]+ [\d:]+ UTC\) in cloud site of {path} "
        r"\(write a new one there\)",
    )
    assert site.monitor.federation.service("stack-keystone").web.requests == []


def test_a_keystone_that_nobody_answers_for_is_the_sites_fault(site):
    site.write(site.password())
    site.monitor.federation.service("stack-keystone").web.faults.on("status", code=503)
    report = site.look()
    assert report.code == 2
    assert "503" in report.out


@pytest.fixture
def gocdb(site):
    """The GOCDB, whose services are as before after a test."""
    found = site.monitor.federation.gocdb
    before = list(found.services)
    yield found
    found.services[:] = before


WRONG_ADDRESSES = {
    "nobody listens": (lambda s: "https://127.0.0.1:1/v3", r"connection refused by 127\.0\.0\.1:1"),
    "another path": (
        lambda s: f"{s.cloud.url.removesuffix('/v3')}/identity/v3",
        rf"no Keystone at /identity/v3 \(404 Not Found\) on {KEYSTONE}",
    ),
    "another service": (
        lambda s: s.monitor.federation.appdb_url.rpartition("/")[0],
        rf"no Keystone at \S+/v3 \(404 Not Found\) on {KEYSTONE}",
    ),
    "a page": (
        lambda s: f"{s.monitor.federation.service('registry').web.url}/v3",
        rf'page "Sign in" \(200\) from {KEYSTONE} when asked to log in',
    ),
}


@pytest.mark.parametrize("wrong", WRONG_ADDRESSES)
def test_an_auth_url_at_which_no_keystone_is_seen_is_the_files_fault(site, wrong):
    address, said = WRONG_ADDRESSES[wrong]
    site.monitor.federation.service("registry").web.faults.on("html")
    path = site.write(site.password(auth_url=address(site)))
    report = site.look()
    has = rf"the GOCDB has https://{KEYSTONE}/v3" if "localhost" in address(site) else "not registered in the GOCDB"
    expect(report, 3, rf"{said}; {has} \((start it, or )?correct auth_url in cloud site of {path}\)")


@pytest.mark.parametrize("probe", ["check_openstack_swift", "check_openstack_images", "check_cloud_info"])
def test_every_probe_doubts_an_auth_url_at_which_nobody_listens(site, probe):
    path = site.write(site.password(auth_url="https://127.0.0.1:1/v3"))
    report = site.look(probe=probe)
    assert (report.code, report.err) == (3, ""), report.out
    said = f"connection refused by 127.0.0.1:1; not registered in the GOCDB (correct auth_url in cloud site of {path})"
    assert report.first.endswith(f" UNKNOWN - {said}"), report.first


@pytest.mark.parametrize("url", ["https://127.0.0.1:1/v3", "https://127.0.0.1:1/"])
def test_where_the_gocdb_has_the_auth_url_it_is_the_sites_fault(site, gocdb, url):
    gocdb.add_service(Service("keystone.fedcloud.test", "org.openstack.swift", "DEAD", url="https://127.0.0.1:1/v3/"))
    site.write(site.password(auth_url=url))
    expect(site.look(), 2, r"connection refused by 127\.0\.0\.1:1")


def test_where_the_gocdb_cannot_be_asked_nobody_is_blamed(site):
    path = site.write(site.password())
    site.monitor.federation.service("stack-keystone").web.faults.on("status", code=503)
    site.monitor.federation.gocdb.faults.on("status", code=503)
    report = site.look("-v")
    expect(
        report,
        3,
        rf"503 Service Unavailable from {KEYSTONE} when asked to log in; whether it is registered in the GOCDB is not "
        rf"known \(correct auth_url in cloud site of {path}\)",
    )
    assert re.search(r"^503 Service Unavailable from GOCDB localhost:\d+$", report.out, re.MULTILINE)


def test_a_keystone_that_is_in_no_gocdb_is_judged_where_it_is_seen_to_be_one(site, gocdb):
    """It describes its version while it cannot log anybody in; before it cannot do either nobody knows what it is."""
    gocdb.services[:] = []
    path = site.write(site.password())
    faults = site.monitor.federation.service("stack-keystone").web.faults
    faults.on("status", code=500, method="POST")
    refused = rf"500 Internal Server Error from {KEYSTONE} when asked to log in"
    expect(site.look(), 2, refused)
    faults.on("status", code=500)
    expect(site.look(), 3, rf"{refused}; not registered in the GOCDB \(correct auth_url in cloud site of {path}\)")


def test_a_keystone_that_gave_a_token_and_then_breaks_off_is_judged(site, gocdb):
    gocdb.services[:] = []
    login = site.password()
    del login["project_name"]
    site.write(login)
    site.user.default = None
    site.monitor.federation.service("stack-keystone").web.faults.on("close-request", path="/v3/auth/projects")
    expect(site.look(), 2, rf"connection (closed before an answer from|reset by) {KEYSTONE}")


def test_a_password_is_not_sent_over_http(site):
    path = site.write(site.password(auth_url=site.cloud.url.replace("https", "http")))
    expect(
        site.look(),
        3,
        rf"no https, so the secret of user opsuser is not sent to {KEYSTONE} \(correct auth_url in cloud site of "
        rf"{path}\)",
    )
    assert site.logins == []


# ---- which file


def test_a_secret_that_others_can_read_is_told_and_not_used(site):
    path = site.write(site.password(), mode=0o644)
    expect(
        site.look(),
        3,
        rf"password of cloud site open to others \(mode 0644\) in {path} \(set its mode to 600, or move the "
        r"secret to secure.yaml beside it\)",
    )
    assert site.logins == []


def test_what_is_secret_may_stand_in_secure_yaml_and_the_rest_be_open(site):
    login = site.password()
    secret = {"password": login.pop("password")}
    site.write(login, mode=0o644)
    site.write(secret, name="secure")
    expect(site.look(), 0, GOOD)


def test_a_variable_names_the_file_and_no_other_one_means_anything(site):
    site.write(site.password(password=planted.secret("wrong")))
    good = site.write(site.password(), name="mine")
    expect(site.look(OS_CLIENT_CONFIG_FILE=good), 0, GOOD)
    expect(
        site.look(OS_CLIENT_CONFIG_FILE="/nonexistent"), 3, r"clouds.yaml /nonexistent cannot be read: No such file.*"
    )
    assert site.look(OS_PASSWORD=site.user.password).code == 3  # nothing of the environment mends the file


def test_a_profile_of_clouds_public_yaml_is_under_what_the_cloud_says(site):
    directory = site.monitor.home / ".config" / "openstack"
    login = site.password()
    directory.mkdir(parents=True)
    (directory / "clouds-public.yaml").write_text(
        f"public-clouds:\n  prof:\n    region_name: Nowhere\n    auth:\n      auth_url: {site.cloud.url}\n"
    )
    path = directory / "clouds.yaml"
    path.write_text(f"clouds:\n  site: {json.dumps({'profile': 'prof', 'auth': login, 'region_name': 'RegionOne'})}\n")
    path.chmod(0o600)
    expect(site.look(), 0, GOOD)
    path.write_text(path.read_text().replace('"prof"', '"vexxhost"'))
    expect(
        site.look(),
        3,
        rf"a profile that no clouds-public.yaml has in cloud site of {path} \(write auth_url and the rest of it "
        r"there\)",
    )


def test_a_region_and_an_interface_are_those_of_the_file_unless_an_option_names_one(site):
    path = site.write(site.password(), region_name="RegionTwo")
    expect(
        site.look(),
        3,
        rf"no region RegionTwo, which cloud site of {path} names, in the catalogue of {KEYSTONE} .+RegionOne.*",
    )
    expect(site.look("--region", "RegionOne"), 0, GOOD)
    site.write(site.password(), interface="internal")
    report = site.look()
    assert report.code != 0
    assert "http://127.0.0.1:9" in report.out


def test_a_file_that_cannot_be_read_for_certain_is_refused_with_the_line(site):
    path = site.write(site.password())
    with open(path, "a") as file:
        file.write("\n    other: &anchor 1\n")
    expect(
        site.look(),
        3,
        rf"an anchor \(&\) in line 4 of {path} \(write it as a plain `key: value`\)",
    )
    with open(path, "w") as file:
        file.write(f"clouds:\n  site:\n    auth:\n    auth_url: {site.cloud.url}\n    username: opsuser\n")
    expect(
        site.look(),
        3,
        rf"auth that is no mapping in cloud site of {path} "
        r"\(indent auth_url and what belongs to the login below auth\)",
    )
    site.write(site.password())
    expect(site.monitor.run(PROBE, "--cloud", "sit"), 3, rf"no cloud sit in {path} \(choose one that it has: site\)")
    os.remove(path)
    expect(
        site.look(),
        3,
        r"no clouds.yaml found for cloud site \(put it into ~/.config/openstack or /etc/openstack, or "
        r"name it in \$OS_CLIENT_CONFIG_FILE\)",
    )


def test_the_ca_is_that_of_the_file(site):
    site.write(site.password(), cacert="/nonexistent")
    expect(site.look(X509_CERT_DIR=""), 3, r".*/nonexistent.*")
    path = site.write(site.password(), verify=False)
    expect(
        site.look(),
        3,
        rf"verify against the verification of certificates, without which no secret is sent, in cloud site of {path} "
        r"\(name the CA with cacert or --ca-path\)",
    )


@pytest.mark.parametrize("option", ["-H", "-u", "-p", "--auth", "--cert", "--token-file", "--keystone-token-file"])
def test_a_cloud_says_all_that_these_would_say(site, option):
    value = {"-u": "https://keystone.example.org", "-p": "5000", "--auth": "none"}.get(option, "/etc/hosts")
    value = "keystone.example.org" if option == "-H" else value
    report = site.look(option, value)
    expect(
        report, 3, rf"usage: {option} has no effect together with --cloud; leave one of them out \(see {PROBE} --help\)"
    )
