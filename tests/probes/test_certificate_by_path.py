"""A server that asks for the client certificate only where a path wants it, as Apache with `SSLVerifyClient` does."""

from __future__ import annotations

import re

import pytest

from tests.conftest import at
from tests.federation.apache import Apache
from tests.federation.faults import Faults
from tests.federation.occi import Account, OcciServer
from tests.federation.web import Request, Response

apache_is_here = pytest.mark.needs("apache2-bin")


@pytest.fixture(params=["TLSv1.2", "TLSv1.3"])
def protected(request, federation, tmp_path):
    """Start an Apache before a cloud of its own, which wants a certificate where that path begins."""
    running: list[Apache] = []

    def login(asked: Request) -> Account | Response:
        if asked.peer is None and asked.path.startswith(path):
            return Response(401, [("Content-Type", "text/plain")], b"Not Authorized!")
        return Account(asked.peer.subject if asked.peer else "anybody", "ops")

    path = "/"

    def start(wanted: str) -> Apache:
        nonlocal path
        path = wanted
        cloud = OcciServer("rocci-1.1", login=login, faults=Faults(), base_url=lambda: running[0].url)
        made = Apache(tmp_path / "apache", federation.authority, cloud.app, protocol=request.param, path=wanted)
        running.append(made.__enter__())
        return made

    yield start
    for each in running:
        each.__exit__()


@pytest.fixture
def own_pair(federation):
    """Options for the robot's certificate and key: Apache takes no proxies."""
    robot = federation.authority.robot
    return "--cert", robot.usercert, "--key", robot.userkey


def requests_with(apache: Apache, path: str) -> list[tuple[str, int | None, str]]:
    return [
        (each.request.method, each.status, each.request.peer.subject if each.request.peer else "")
        for each in apache.asked_of_application
        if each.request.path.startswith(path)
    ]


@apache_is_here
def test_apache_gets_the_certificate_that_it_asks_for_within_the_connection(protected, federation, monitor, own_pair):
    apache = protected("/-/")
    report = monitor.run("check_occi_context", "-u", apache.url, *own_pair)
    assert (report.code, report.err) == (0, ""), report.out
    assert report.first == f"OCCI-Context OK - {at(apache.url)} offers all that is required, 3 images and 3 sizes"
    assert requests_with(apache, "/-/") == [("GET", 200, federation.authority.robot.subject)]


@apache_is_here
def test_a_request_with_a_body_waits_for_the_certificate_and_arrives_whole(protected, federation, monitor, own_pair):
    apache = protected("/compute/")
    report = monitor.run("check_occi_vm", "-u", apache.url, "--image", "monitoring", "--resource", "small", *own_pair)
    assert (report.code, report.err) == (0, ""), report.out
    created = [each for each in requests_with(apache, "/compute/") if each[0] == "POST"]
    assert created == [("POST", 201, federation.authority.robot.subject)]


@apache_is_here
def test_apache_that_wants_one_where_we_have_none_is_about_us(protected, monitor):
    apache = protected("/-/")
    report = monitor.run("check_occi_context", "-u", apache.url, "--auth", "none")
    assert report.code == 3
    assert re.fullmatch(
        rf"OCCI-Context UNKNOWN - client certificate wanted by {at(apache.url)}; we have none "
        r"\(give a proxy with --cert\)",
        report.first,
    ), report.first


@apache_is_here
def test_one_that_apache_refuses_within_the_connection_is_told_as_in_a_handshake(protected, monitor):
    apache = protected("/-/")
    report = monitor.run("check_occi_context", "-u", apache.url)  # with a proxy
    assert (report.code, report.first) == (
        2,
        f"OCCI-Context CRITICAL - our client certificate refused (TLS alert: certificate unknown) by {at(apache.url)}",
    )


def test_the_stand_in_asks_as_apache_does_over_tls_1_3(federation, monitor):
    site = federation.site("rocci")
    site.faults.on("certificate-by-path", path="/-/")
    report = monitor.run("check_occi_context", "-u", site.base)
    assert (report.code, report.err) == (0, ""), report.out
    assert [each.status for each in site.web.requests if each.request.peer] == [200]
    without = monitor.run("check_occi_context", "-u", site.base, "--auth", "none", "-v")
    assert (without.code, without.first) == (
        3,
        f"OCCI-Context UNKNOWN - client certificate wanted by {at(site.base)}; we have none (give a proxy with --cert)",
    )
    assert "TLS alert: certificate required; $X509_USER_PROXY names a proxy as well" in without.lines
