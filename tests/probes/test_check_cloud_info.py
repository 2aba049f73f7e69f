"""check_cloud_info against the federation's information system and the Keystones of its OpenStack sites."""

from __future__ import annotations

import json
import os
import re
import time

import pytest

from tests import planted
from tests.conftest import Monitor, Report, at
from tests.federation.keystone import ISSUER
from tests.pace import seconds

PROBE = "check_cloud_info"
HOST = "stack.fedcloud.test"
NAME = "STACK-CLOUD"
LABELS = {"projects", "confirmed", "info_age", "time_to_login"}
INFO = r"https://localhost:\d+"
ASKED = r"information system localhost:\d+"
OURS = "(the endpoint itself was not judged)"


class Site:
    """The site that is looked at, and what is published of it."""

    def __init__(self, monitor: Monitor) -> None:
        self.monitor = monitor
        self.cloud = monitor.federation.cloud("stack")
        self.keystone = self.cloud.keystone
        self.info = monitor.federation.cloud_info
        self.web = monitor.federation.service("cloud-info").web

    def look(self, *words: object, host: str = HOST) -> Report:
        return self.monitor.run(PROBE, "-H", host, *words)

    def publish(self, **changed: object) -> None:
        self.info.changed[NAME] = changed

    def project(self, vo: str, identifier: str = "") -> dict[str, str]:
        return {"name": vo, "id": identifier or self.keystone.project_id(vo)}

    def asked(self) -> int:
        return len(self.web.requests)

    def age_copy(self, age_s: float) -> None:
        [path] = self.monitor.state.glob("cloudinfo-*.json")
        os.utime(path, (time.time() - age_s,) * 2)


@pytest.fixture
def site(monitor) -> Site:
    return Site(monitor)


def expect(report: Report, code: int, pattern: str) -> None:
    report.expect("InfoProvider", code, pattern)


# ---- what is published


def test_a_host_alone_is_enough(site):
    report = site.look()
    expect(
        report,
        0,
        rf"{at(site.cloud.url)} is published as {NAME} with 2 projects, 1 of them ours and in its Keystone \(ops\)",
    )
    assert set(report.performance) == LABELS
    assert report.performance["projects"] == "2;;;0"
    assert report.performance["confirmed"] == "1;;;0"
    assert report.performance["info_age"] == "0s;;;0"
    assert re.fullmatch(r"[\d.]+s;;;0", report.performance["time_to_login"])
    assert [each.request.path for each in site.web.requests] == ["/sites/"]


@pytest.mark.parametrize(
    "written",
    ["{0}/v3/", "{0}", "{0}/", "{1}/v3", "{0}//v3"],
    ids=["slash", "no version", "root", "case", "two slashes"],
)
def test_an_endpoint_is_the_same_however_its_url_is_written(site, written):
    root = site.cloud.url.removesuffix("/v3")
    site.publish(url=written.format(root, root.replace("https://localhost", "HTTPS://LocalHost")))
    assert site.look().code == 0


def test_the_default_port_makes_no_difference(site):
    site.publish(url="https://cloud.example.org/v3")
    report = site.monitor.run(PROBE, "-u", "https://cloud.example.org:443/v3", "--auth", "none")
    expect(report, 0, rf"cloud\.example\.org:443 is published as {NAME} with 2 projects, not looked at .*")
    site.publish(url="https://cloud.example.org:443/v3/")
    assert site.monitor.run(PROBE, "-u", "https://cloud.example.org/v3", "--auth", "none").code == 0
    site.publish(url="https://cloud.example.org:8443/v3")
    site.age_copy(601)
    assert site.monitor.run(PROBE, "-u", "https://cloud.example.org/v3", "--auth", "none").code == 2


def test_a_site_that_is_not_published_is_critical(site):
    site.info.faults.on("info-absent", site=NAME)
    expect(
        site.look(),
        2,
        rf"{at(site.cloud.url)} not in {ASKED}, whose only site is "
        rf"{site.monitor.federation.cloud('regions').url} \(see whether its information provider runs\)",
    )


def test_of_several_sites_the_nearest_is_named(site):
    site.info.faults.on("info-absent", site=NAME)
    site.info.more = [
        {"name": "FAR", "url": "https://keystone.example.org:5000/v3", "projects": []},
        {"name": "NEAR", "url": "https://cloud2.example.net:5000/v3?x=1", "projects": []},
    ]
    report = site.monitor.run(PROBE, "-u", "https://cloud.example.net:5000/v3", "--auth", "none")
    expect(
        report,
        2,
        rf"cloud\.example\.net:5000 not among the 3 sites in {ASKED}, the nearest is "
        r"https://cloud2\.example\.net:5000/v3 \(see whether its information provider runs\)",
    )


def test_another_endpoint_of_the_site_is_named(site):
    site.publish(url="https://old.example.org:5000/v3")
    expect(
        site.look(),
        2,
        rf"another endpoint of {NAME} than {at(site.cloud.url)} in {ASKED}: https://old\.example\.org:5000/v3 "
        r"\(correct the one that is wrong\)",
    )


def test_no_project_at_all_is_a_warning(site):
    site.publish(projects=[])
    expect(site.look(), 1, rf"published as {NAME} without any project, so no VO finds it: {at(site.cloud.url)}")


def test_two_entries_of_one_endpoint_count_together(site):
    site.publish(projects=[site.project("fedcloud.egi.eu")])
    site.info.more = [{"name": "TWIN", "url": f"{site.cloud.url}/", "projects": [site.project("ops")]}]
    expect(site.look(), 0, rf".* is published as {NAME} and TWIN with 2 projects, 1 of them ours .*")


def test_the_number_of_projects_can_have_limits(site):
    assert site.look("-w", "2:", "-c", "1:").code == 0
    expect(site.look("-w", "3:"), 1, rf"2 projects published as {NAME} for {at(site.cloud.url)} \(limit 3:\)")
    assert site.look("-c", "3:").code == 2


# ---- against the Keystone


def test_a_project_that_keystone_does_not_have_is_critical(site):
    site.publish(projects=[site.project("ops", "0a1b"), site.project("fedcloud.egi.eu")])
    expect(
        site.look(),
        2,
        rf"project 0a1b, published for VO ops, is none of ours on {at(site.cloud.url)}; Keystone lets us into ops "
        r"\(correct its id at the information provider\)",
    )


def test_our_vo_that_is_not_published_is_a_warning(site):
    site.publish(projects=[site.project("fedcloud.egi.eu")])
    expect(
        site.look(),
        1,
        rf"no project of VO ops published for {at(site.cloud.url)} \({NAME}\), "
        r"only of fedcloud\.egi\.eu; Keystone lets "
        r"us into ops",
    )


def test_projects_of_other_vos_are_not_judged_for_nobody_else_can_see_them(site):
    site.publish(projects=[site.project("ops"), *(site.project(f"vo{number}", f"id{number}") for number in range(9))])
    expect(site.look(), 0, r".* with 10 projects, 1 of them ours and in its Keystone \(ops\)")


def test_all_projects_of_ours_are_confirmed(site):
    token = planted.jwt(iss=ISSUER, exp=time.time() + 3600)
    site.keystone.register_access_token(token, vos=("ops", "fedcloud.egi.eu"))
    path = site.monitor.home / "token"
    path.write_text(token)
    path.chmod(0o600)
    report = site.look("--token-file", path)
    expect(report, 0, r".* with 2 projects, 2 of them ours and in its Keystone \(ops, fedcloud\.egi\.eu\)")


def test_a_project_that_was_chosen_by_an_option_accuses_nobody(site):
    site.publish(projects=[site.project("ops", "0a1b")])
    expect(
        site.look("--project", "ops"),
        3,
        r"whether project 0a1b, published for VO ops, exists on localhost:\d+ is not seen; .*",
    )


def test_without_a_login_only_what_is_published_is_looked_at(site):
    site.publish(projects=[site.project("ops", "0a1b")])
    report = site.look("--auth", "none")
    expect(report, 0, rf".* is published as {NAME} with 1 project, not looked at in its Keystone")
    assert set(report.performance) == {"projects", "info_age"}
    assert not site.monitor.federation.service("stack-keystone").web.requests


# ---- whose fault


@pytest.mark.parametrize(
    ("fault", "pattern"),
    [
        ({"name": "status", "code": 503}, r"503 Service Unavailable from {ASKED}"),
        ({"name": "html"}, r"page \"Sign in\" \(200\) instead of JSON from {ASKED}"),
        ({"name": "status", "code": 200, "body": "{}"}, r"no list of sites in the answer of {ASKED}"),
        ({"name": "endless-body"}, r"answer larger than 2048 KiB from {ASKED}"),
        (
            {"name": "redirect", "to": "https://localhost:1/"},
            r"redirect to another host \(https://localhost:1/\) from {ASKED}",
        ),
        ({"name": "close-request"}, r"connection (closed before an answer from|reset by) {ASKED}"),
    ],
    ids=["503", "login page", "no list", "endless", "redirect", "closed"],
)
def test_an_information_system_out_of_order_is_unknown_and_hides_no_fault_of_the_site(site, fault, pattern):
    site.info.faults.on(**fault)
    expect(site.look(), 3, pattern.replace("{ASKED}", ASKED))
    site.keystone.faults.on("status", code=500)
    assert site.look().code == 2


def test_an_information_system_with_no_site_at_all_is_out_of_order_itself(site):
    site.info.faults.on("info-empty")
    expect(site.look(), 3, rf"no site at all in {ASKED}")


def test_a_mute_information_system_leaves_time_for_the_site(site):
    site.info.faults.on("mute")
    report = site.look("-t", seconds(6))
    expect(report, 3, rf".* {ASKED}.*")
    assert "time_to_login" in report.performance


def test_a_site_that_lets_us_not_in_is_critical_and_one_that_is_not_published_besides(site):
    site.keystone.faults.on("status", code=503)
    expect(site.look(), 2, r"503 Service Unavailable from localhost:\d+ when asked to log in")
    site.info.faults.on("info-absent", site=NAME)
    assert site.look("-v").code == 2


def test_our_own_expired_credential_is_unknown_and_hides_no_absence(site):
    token = site.monitor.home / "token"
    token.write_text(planted.jwt(iss=ISSUER, exp=time.time() - 3600))
    token.chmod(0o600)
    expired = rf"our access token of {ISSUER} expired 60 min ago \(.* UTC\) in {token}"
    expect(site.look("--token-file", token), 3, rf"{expired} \(write a new one there\)")


def test_an_information_system_that_is_no_url_is_wrong_usage(site):
    assert site.look("--information-system", "nowhere").code == 3


# ---- the copy


def test_the_answer_is_kept_for_the_checks_of_other_sites_where_nobody_else_writes(site):
    assert site.look().code == 0
    assert site.look(host="regions.fedcloud.test").code == 0
    assert site.asked() == 1
    [path] = site.monitor.state.glob("cloudinfo-*.json")
    assert (path.stat().st_mode & 0o777, site.monitor.state.stat().st_mode & 0o777) == (0o600, 0o700)
    site.age_copy(601)
    assert site.look().code == 0
    assert site.asked() == 2


def test_what_a_copy_has_against_a_site_is_asked_for_again(site):
    site.publish(projects=[site.project("ops", "0a1b")])
    assert site.look().code == 2
    site.publish()
    report = site.look()
    assert (report.code, report.performance["info_age"]) == (0, "0s;;;0"), report.out
    site.info.faults.on("info-absent", site=NAME)
    assert site.look().code == 0  # as the copy has it, for some minutes
    site.age_copy(601)
    assert site.look().code == 2


def test_an_old_copy_serves_while_the_information_system_fails_and_accuses_nobody(site):
    assert site.look().code == 0
    site.age_copy(3600)
    site.info.faults.on("status", code=503)
    expect(site.look(), 0, rf".*\(ops\); by what was published 60 min ago; now 503 Service Unavailable from {ASKED}")
    report = site.monitor.run(PROBE, "-u", "https://other.example.org:5000/v3", "--auth", "none")
    expect(report, 3, rf"other\.example\.org:5000 not in {ASKED} 60 min ago; now 503 Service Unavailable from {ASKED}")
    site.age_copy(7 * 3600)
    expect(site.look(), 3, rf"503 Service Unavailable from {ASKED}")


@pytest.mark.parametrize("damage", [b"", b"{", b"7", b"[" * 100_000, b"[1, {}, null]" + b" " * (3 << 20)])
def test_a_damaged_copy_is_asked_for_again(site, damage):
    assert site.look().code == 0
    [path] = site.monitor.state.glob("cloudinfo-*.json")
    path.write_bytes(damage)
    assert site.look().code == 0
    assert site.asked() == 2


def test_a_copy_cannot_be_turned_elsewhere_by_a_link(site):
    assert site.look().code == 0
    [path] = site.monitor.state.glob("cloudinfo-*.json")
    other = site.monitor.home / "other"
    other.write_text("[]")
    path.unlink()
    path.symlink_to(other)
    assert site.look().code == 0
    assert site.asked() == 2
    assert (other.read_text(), path.is_symlink()) == ("[]", False)


def test_what_others_publish_harms_nothing(site):
    site.info.more = [
        {"name": 7, "url": "https://a.example.org/"},
        {"url": "no URL at all \x1b[31m|"},
        {"name": "x" * 5000, "url": "https://b.example.org/", "projects": "none"},
        {"name": "Y", "url": "https://c.example.org/", "projects": [None, {"id": 1, "name": "v"}, {"name": "w"}]},
    ]
    assert site.look().code == 0
    site.info.more = [json.loads('{"name": "z"}')]
    assert site.look().code == 0
