"""How the OCCI probes log in with what this monitor has, and whose fault it is where they are not let in."""

from __future__ import annotations

import re
import time
from pathlib import Path

import pytest

from tests import planted
from tests.conftest import Monitor, Report
from tests.federation.federation import Site
from tests.federation.keystone import ISSUER

PROBES = ["check_occi_vm", "check_occi_context"]


class Login:
    """A monitor that acts by an access token, at a cloud whose Keystone takes some."""

    def __init__(self, monitor: Monitor) -> None:
        self.monitor = monitor
        self.site: Site = monitor.federation.site("ooi")
        assert self.site.keystone
        self.keystone = self.site.keystone
        self.file = monitor.home / "token"

    def write(self, content: str | bytes) -> Path:
        self.file.write_bytes(content if isinstance(content, bytes) else content.encode())
        self.file.chmod(0o600)
        return self.file

    def jwt(self, *, expires: float = 3600, known: bool = True, issuer: str = ISSUER, **claims: object) -> str:
        """Have a token in the file, whose times are counted from now; known: whether Keystone takes it."""
        token = planted.jwt(iss=issuer, exp=int(time.time() + expires), **claims)
        if known:
            self.keystone.register_access_token(token, "robot", ["ops"])
        self.write(token + "\n")
        return token

    def look(self, *arguments: object, probe: str = "check_occi_vm") -> Report:
        return self.monitor.run(probe, "-u", self.site.url, "--token-file", self.file, *arguments, X509_USER_PROXY="")

    @property
    def asked(self) -> list[str]:
        """What Keystone and cloud were asked."""
        webs = (self.site.web, self.monitor.federation.service("ooi-keystone").web)
        return [f"{each.request.method} {each.request.path}" for web in webs for each in web.requests]


@pytest.fixture
def login(monitor: Monitor) -> Login:
    return Login(monitor)


# ---- an access token that is not good is ours to renew


@pytest.mark.parametrize("probe", PROBES)
@pytest.mark.parametrize(
    ("claims", "said"),
    [
        ({"expires": -7200}, r"expired at \d{4}-\d\d-\d\d \d\d:\d\d UTC, 2 h ago"),
        ({"nbf": time.time() + 86400}, r"is valid only from \d{4}-\d\d-\d\d \d\d:\d\d UTC on, in [\d.]+ (h|d)"),
    ],
    ids=["expired", "not yet valid"],
)
def test_a_token_that_says_itself_that_it_is_not_valid_is_shown_to_nobody(login, probe, claims, said):
    login.jwt(**claims)
    report = login.look(probe=probe)
    assert (report.code, report.err) == (3, "")
    assert re.fullmatch(
        rf"OCCI-\w+ UNKNOWN - {login.file}: our access token of {ISSUER} {said} "
        r"\(write a new one to that file, before each that ends\)",
        report.first,
    ), report.first
    assert login.asked == []


def test_a_token_that_has_just_ended_by_our_clock_is_tried_and_is_ours_all_the_same(login):
    login.jwt(expires=-20)
    report = login.look()
    assert report.code == 3
    assert "refused our access token of" in report.first
    login.keystone.faults.on("ks-bearer-unsaid")
    report = login.look()
    assert report.code == 3
    assert re.search(r"refused \(401\), for our access token .* expired at .* ago \(", report.first), report.first


@pytest.mark.parametrize("probe", PROBES)
def test_a_token_that_is_refused_by_what_stands_before_keystone_is_ours(login, probe):
    login.jwt(known=False)
    report = login.look(probe=probe)
    assert (report.code, report.err) == (3, "")
    assert re.fullmatch(
        r"OCCI-\w+ UNKNOWN - POST https://localhost:\d+/v3/OS-FEDERATION/identity_providers/egi\.eu/protocols/openid/auth"
        rf": refused our access token of {ISSUER} until \d{{4}}-\d\d-\d\d \d\d:\d\d UTC "
        r"\(401: JWT token could not be validated\) \(get a new one .*\)",
        report.first,
    ), report.first


def test_an_opaque_token_is_taken_and_one_that_is_refused_is_ours(login):
    token = planted.secret("access")
    login.keystone.register_access_token(token, "robot", ["ops"])
    login.write(token)
    assert login.look().code == 0
    login.keystone.faults.on("ks-introspection-down")
    report = login.look()
    assert report.code == 3
    assert "refused our access token (401: Reference token could not be introspected) (" in report.first


def test_a_token_of_another_issuer_is_ours_where_keystone_refuses_it(login):
    login.jwt(issuer="https://idp.example.org/realms/x", aud="elsewhere")
    report = login.look()
    assert report.code == 3
    assert re.search(
        r": refused \(403\), for our access token is of https://idp\.example\.org/realms/x for elsewhere, which is not "
        r"egi\.eu \(",
        report.first,
    ), report.first


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        ("ks-vo-unmapped", "the access token's user is perhaps not mapped there"),
        ("ks-provider-off", "the access token's user is perhaps not mapped there"),
        ("ks-bearer-stripped", "the access token did not get through to what checks it"),
    ],
)
def test_a_good_token_that_is_refused_is_the_sites_fault(login, fault, said):
    login.jwt()
    login.keystone.faults.on(fault)
    report = login.look()
    assert report.code == 2
    assert said in report.first


@pytest.mark.parametrize(
    ("content", "what"),
    [
        ("gAAAAABl" + planted.MARK * 20, "a token of a Keystone"),
        (f"<html><head><title>{planted.MARK}</title></head></html>\n", "a page of HTML"),
        (f'{{"access_token": "{planted.MARK}"}}', "JSON with the token among other things"),
        ("\n", "an empty line"),
        ("", "nothing"),
        (f"{planted.MARK}\nother\n", "2 lines"),
    ],
)
def test_a_file_that_holds_something_else_is_told_and_not_quoted(login, content, what):
    login.write(content)
    report = login.look("-vvv")
    assert report.code == 3
    assert report.first == (
        f"OCCI-VM UNKNOWN - {login.file}: holds {what} instead of an access token "
        "(write the token alone there, on one line)"
    )
    assert login.asked == []
