"""What an operator chose by an option and the endpoint does not have is the operator's mistake: UNKNOWN, not CRITICAL.

It is told with the option, and what is most like it. What the site registered in the GOCDB, and has no longer, is the
site's: CRITICAL; also where a configuration made from the GOCDB passes it by options.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import NamedTuple

import pytest

from tests import planted
from tests.conftest import Monitor, Report
from tests.federation.stomp_responder import Responder, ResponderBehaviour

VM, CONTEXT, TCP = "check_occi_vm", "check_occi_context", "check_endpoint_tcp"


class Stage(NamedTuple):
    monitor: Monitor
    broker: Responder

    @property
    def federation(self):
        return self.monitor.federation

    def run(self, name: str, *words: object, **environment: object) -> Report:
        return self.monitor.run(name, *words, **environment)

    def site(self, name: str = "rocci"):
        return self.federation.site(name)


@pytest.fixture
def stage(monitor: Monitor) -> Iterator[Stage]:
    manner = ResponderBehaviour(error_at="SUBSCRIBE", error=("AMQ229031: Unable to validate", "no such queue"))
    with Responder(manner) as responder:
        yield Stage(monitor, responder)


def with_token(stage: Stage, *words: object) -> Report:
    site = stage.site("ooi")
    token = stage.monitor.home / "token"
    token.write_text(planted.plain_secret())
    token.chmod(0o600)
    site.keystone.register_access_token(token.read_text(), "robot", ["ops"])
    return stage.run(VM, "-u", site.url, "--token-file", token, *words, X509_USER_PROXY="")


WRONG: dict[str, tuple[Callable[[Stage], Report], str]] = {
    "--image": (
        lambda s: s.run(VM, "-H", s.site().hostname, "--image", "uuid_monitoring_19"),
        r" - image uuid_monitoring_19, which --image names, not among the \d+ templates offered by localhost:\d+; "
        r"nearest: uuid_monitoring_20 \(correct --image\)$",
    ),
    "--image of check_occi_context": (
        lambda s: s.run(CONTEXT, "-H", s.site().hostname, "--image", "uuid_monitoring_19"),
        r" - image uuid_monitoring_19, which --image names, not among the \d+ templates offered by localhost:\d+; "
        r"nearest: uuid_monitoring_20 \(correct --image\)$",
    ),
    "--resource": (
        lambda s: s.run(VM, "-H", s.site().hostname, "--resource", "smal"),
        r" - resource smal, which --resource names, not among the \d+ templates offered by localhost:\d+; "
        r"nearest: small \(correct --resource\)$",
    ),
    "-u with a template": (
        lambda s: s.run(VM, "-u", f"{s.site().base}/?image=uuid_monitoring_19&resource=small"),
        r" - image uuid_monitoring_19, which -u names, not among the \d+ templates offered by localhost:\d+; "
        r"nearest: uuid_monitoring_20 \(correct -u\)$",
    ),
    "--image beside --endpoint, as the monitor's localdb has it": (
        lambda s: s.run(
            VM, "-H", s.site().hostname, "--endpoint", s.site().base, "--image", "nope", "--resource", "small"
        ),
        r" - image nope, which --image names, not among the \d+ templates offered by localhost:\d+ "
        r"\(correct --image\)$",
    ),
    "--project": (
        lambda s: s.run(VM, "-u", s.site("ooi").url, "--project", "opss"),
        r" - no project opss for us, which --project names, on localhost:\d+ \(choose one that it offers: ops\)$",
    ),
    "--identity-provider": (
        lambda s: with_token(s, "--identity-provider", "egi.eo"),
        r" - no federated login for egi\.eo, which --identity-provider names, on localhost:\d+ "
        r"\(leave it out for egi\.eu, or ask the site for its name\)$",
    ),
    "--site": (
        lambda s: s.run("check_apel_pub", "--site", "OOI-CLOUDS"),
        r" - OOI-CLOUDS not among \d+ sites on accounting portal localhost:\d+; similar: OOI-CLOUD, .*; "
        r"nor does the GOCDB know a site OOI-CLOUDS \(give --site as the GOCDB spells it\)$",
    ),
    "--site of check_cloud_bdii": (
        lambda s: s.run("check_cloud_bdii", "-u", s.federation.bdii.url, "--site", "OOI-CLOUDS"),
        r" - no cloud service of OOI-CLOUDS in localhost:\d+; it has \d+ entries, only of .*; "
        r"nor does the GOCDB know a site OOI-CLOUDS \(give --site as the GOCDB spells it\)$",
    ),
    "--base": (
        lambda s: s.run("check_cloud_bdii", "-u", s.federation.bdii.url, "--site", "OOI-CLOUD", "-b", "o=nothing"),
        r" - base o=nothing of --base does not exist on localhost:\d+ \(leave it out for o=glue\)$",
    ),
    "-u of another protocol": (
        lambda s: s.run("check_broker", "-u", f"http://127.0.0.1:{s.broker.port}"),
        r"-u: http://\S+ is not the address of a STOMP broker \(give stomp://HOST:PORT",
    ),
    "-u of check_cloud_bdii": (lambda s: s.run("check_cloud_bdii", "-u", s.site().url), r"-u: "),
    "-u of check_perun": (lambda s: s.run("check_perun", "-u", "ldap://localhost"), r"-u: "),
    "-u of check_occi_vm": (lambda s: s.run(VM, "-u", "ldap://localhost"), r"-u: "),
    "-u of check_apel_pub": (
        lambda s: s.run("check_apel_pub", "--site", "OOI-CLOUD", "-u", "ldap://localhost"),
        r"ldap://localhost' is not an http or https URL",
    ),
    "-u of check_appdb_update": (
        lambda s: s.run("check_appdb_update", "-u", "ldap://localhost"),
        r"ldap://localhost' is not an http or https URL",
    ),
    "--destination": (
        lambda s: s.run("check_broker", "-u", f"stomp://127.0.0.1:{s.broker.port}", "--destination", "/queue/nope"),
        r" - /queue/nope of --destination refused by 127\.0\.0\.1:\d+; AMQ229031: .* "
        r"\(name a queue or topic that we may use\)$",
    ),
    "--keystone that is no URL": (
        lambda s: s.run(VM, "-u", s.site("ooi").url, "--keystone", "foo"),
        r"usage: argument --keystone: 'foo' is not an http or https URL",
    ),
}


@pytest.mark.parametrize("case", WRONG)
def test_a_choice_that_does_not_exist_is_the_operators(stage, case):
    run, expected = WRONG[case]
    report = run(stage)
    assert report.code == 3, report.out
    assert re.search(expected, report.first), report.first
    assert "GOCDB)" not in report.first, report.first


def by_options(stage: Stage, name: str) -> Report:
    site = stage.site()
    return stage.run(
        name, "-H", site.hostname, "--endpoint", site.base, "--image", site.image, "--resource", site.resource
    )


@pytest.mark.parametrize("name", [VM, CONTEXT])
@pytest.mark.parametrize("way", ["by host name", "as a configuration made from the GOCDB passes it"])
def test_what_the_site_registered_and_has_no_longer_is_the_sites(stage, name, way):
    site = stage.site()
    site.faults.on("template-gone", term=site.image)
    report = stage.run(name, "-H", site.hostname) if way == "by host name" else by_options(stage, name)
    assert report.code == 2, report.out
    assert re.search(
        rf" CRITICAL - registered image {site.image} not among the \d+ templates offered by localhost:\d+ "
        r"\(correct the URL in the GOCDB\)$",
        report.first,
    ), report.first


def test_a_site_that_is_registered_and_publishes_nothing_is_critical(stage):
    report = stage.run("check_apel_pub", "--site", "EGI-MEMBERS")
    assert report.code == 2, report.out
    assert re.search(r" - EGI-MEMBERS not among \d+ sites on accounting portal localhost:\d+$", report.first), (
        report.out
    )
    assert "--site" not in report.first


def test_a_site_of_which_nobody_can_say_whether_it_is_one_is_unknown(stage):
    stage.federation.switch("gocdb", "status").on("status", code=503)
    report = stage.run("check_apel_pub", "--site", "OOI-CLOUDS")
    assert report.code == 3, report.out
    assert "whether there is such a site is not known: " in report.first


def test_where_the_gocdb_fails_a_template_given_by_option_is_not_held_against_the_site(stage):
    site = stage.site()
    site.faults.on("template-gone", term=site.image)
    stage.federation.switch("gocdb", "status").on("status", code=503)
    report = by_options(stage, VM)
    assert report.code == 3, report.out
    assert re.search(
        rf" - image {site.image}, which --image names, not among the \d+ templates offered by localhost:\d+ "
        r"\(correct --image\)$",
        report.first,
    ), report.first
