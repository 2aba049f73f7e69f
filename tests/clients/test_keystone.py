"""Which Keystone is named, and which is trusted."""

from __future__ import annotations

import re
import time

import pytest

from libprobe.clients.http import HttpClient
from libprobe.clients.keystone import (
    UNRELATED_PROJECT,
    Keystone,
    LoginRequest,
    ProjectToken,
    RefusedToken,
    _domain,
    _is_of_site,
    _project_distance,
)
from libprobe.deadline import Deadline
from libprobe.failures import BadData, EndpointFailure, HelperFailure, Misconfigured, OwnCredential, Rejected
from tests import planted
from tests.conftest import at
from tests.federation.keystone import ISSUER
from tests.federation.web import Response, WebServer
from tests.pace import AMPLE_S, seconds


@pytest.mark.parametrize(
    ("keystone", "endpoint"),
    [
        ("https://cloud.example.org:5000", "https://cloud.example.org:8787/occi1.1"),
        ("https://ks.example.org:5000", "https://cloud.example.org:8787"),
        ("https://KS.Example.org:5000", "https://cloud.example.org:8787"),
        ("http://127.0.0.1:5000", "http://127.0.0.1:8787"),
        ("https://[::1]:5000", "https://[::1]:8787"),
        ("https://ks.site.ac.uk:5000", "https://cloud.site.ac.uk:8787"),
        ("https://site.ac.uk:5000", "https://site.ac.uk:8787"),
        ("https://ks.ac.example.org:5000", "https://cloud.ac.example.org:8787"),
        ("https://ks.com.org:5000", "https://cloud.com.org:8787"),
    ],
)
def test_a_keystone_of_the_endpoints_own_domain_is_trusted(keystone, endpoint):
    assert _is_of_site(keystone, endpoint, "")


@pytest.mark.parametrize(
    ("keystone", "endpoint"),
    [
        ("https://ks.evil.org:5000", "https://cloud.example.org:8787"),
        ("https://evil.org", "https://example.org"),
        ("https://ks.org", "https://cloud.org"),
        ("https://127.0.0.2:5000", "https://127.0.0.1:8787"),
        ("https://example.org.evil.org", "https://cloud.example.org"),
        ("https://localhost", "https://cloud.example.org"),
        ("https://evil.co.uk:5000", "https://cloud.co.uk:8787"),
        ("https://evil.AC.UK:5000", "https://site.ac.uk:8787"),
        ("https://evil.edu.au:5000", "https://site.edu.au:8787"),
        ("https://evil.or.at:5000", "https://site.or.at:8787"),
    ],
)
def test_any_other_keystone_must_be_named(keystone, endpoint):
    with pytest.raises(Misconfigured, match="outside its own domain"):
        _is_of_site(keystone, endpoint, "")
    assert not _is_of_site(keystone, endpoint, keystone + "/v3")


@pytest.mark.parametrize(
    "uri", ["ftp://cloud.example.org", "nonsense", "https://", "https://user@cloud.example.org", "https://h:x"]
)
def test_what_is_no_url_is_the_sites_fault(uri):
    with pytest.raises(BadData, match=r"^Keystone that is no URL \('.*'\) from cloud\.example\.org:443$"):
        _is_of_site(uri, "https://cloud.example.org", "")


def test_a_trusted_keystone_that_is_no_url_is_our_mistake():
    with pytest.raises(Misconfigured, match=r"--keystone 'http://\[' is not a URL"):
        _is_of_site("https://other.example.net:5000", "https://cloud.example.org:8787", "http://[")


@pytest.mark.parametrize(
    ("host", "domain"),
    [("a.b.c", "b.c"), ("b.c", ""), ("localhost", ""), ("127.0.0.1", ""), ("::1", ""), ("A.B.C", "b.c")],
)
def test_a_domain_has_two_labels_at_least(host, domain):
    assert _domain(host) == domain


# ---- whose project it is


@pytest.mark.parametrize(
    ("project", "vo", "distance"),
    [
        ("ops", "ops", 0),
        ("OPS", "ops", 0),
        ("EGI_ops", "ops", 1),
        ("VO:fedcloud.egi.eu", "fedcloud.egi.eu", 1),
        ("egi-fedcloud", "fedcloud.egi.eu", 2),
        ("access", "vo.access.egi.eu", 2),
        ("devops", "ops", UNRELATED_PROJECT),
        ("ops2", "ops", UNRELATED_PROJECT),
        ("fedcloud.egi.eu", "ops", UNRELATED_PROJECT),
        ("egi.eu", "fedcloud.egi.eu", UNRELATED_PROJECT),
        ("a.b", "a+b", UNRELATED_PROJECT),
    ],
)
def test_a_projects_name_tells_how_far_it_is_from_the_vo(project, vo, distance):
    assert _project_distance(project, vo) == distance


# ---- where an access token goes


@pytest.mark.parametrize("version", ["", "/v3", "/v2.0"])
def test_an_access_token_is_not_sent_in_clear(version):
    token = planted.secret("access")
    with WebServer("keystone", lambda request: Response(200, [], b'{"versions": ["v3"]}')) as web:
        http = HttpClient(Deadline(AMPLE_S))
        with pytest.raises(Exception) as caught:
            Keystone(http, web.url + version, web.url, LoginRequest("ops", token=token)).login()
        http.close()
    sent = "".join(f"{each.request.path} {each.request.headers} {each.request.body!r}" for each in web.requests)
    assert planted.leaks(sent) == []
    assert token not in sent
    if version != "/v2.0":
        assert isinstance(caught.value, Misconfigured)
        assert str(caught.value) == f"no https, so the access token is not sent to {at(web.url)}"


@pytest.mark.parametrize("version", ["", "/v3", "/v2.0"])
def test_a_keystone_over_http_to_which_no_certificate_can_be_shown_is_the_sites_fault(version, federation):
    from libprobe.clients.credentials import find_certificate

    with WebServer("keystone", lambda request: Response(200, [], b'{"versions": ["v3"]}')) as web:
        http = HttpClient(Deadline(AMPLE_S), credential=find_certificate(str(federation.authority.proxy())))
        with pytest.raises(EndpointFailure) as caught:
            Keystone(http, web.url + version, web.url, LoginRequest("ops")).login()
        http.close()
    assert caught.value.sentence == f"no https, so nobody can show a certificate to {at(web.url)}"
    assert web.requests == []


def test_a_keystone_of_others_leaves_half_of_the_time_to_the_endpoint_and_is_to_blame_itself(federation):
    """Else a site is CRITICAL for the moment that a slow helper has left it."""
    from libprobe.clients.credentials import find_certificate

    web = federation.service("ooi-keystone").web
    federation.site("ooi").keystone.faults.on("mute")
    credential = find_certificate(str(federation.authority.proxy()))
    deadline = Deadline(seconds(20))
    http = HttpClient(deadline, trust=str(federation.ca_directory), credential=credential)
    keystone = Keystone(http, web.url, "https://cloud.example.org", LoginRequest("ops", trusted_keystone=web.url))
    before = deadline.remaining()
    with pytest.raises(
        HelperFailure,
        match=r"^no complete answer within .* from outside Keystone localhost:\d+$",
    ) as caught:
        keystone.login()
    assert caught.value.details[-1] == "the endpoint was not judged"
    assert deadline.remaining() > before * 0.3
    assert http.current_deadline() is deadline
    http.close()


def test_a_certificate_without_a_vo_is_not_shown_to_a_keystone_of_v2_which_wants_one(federation):
    from libprobe.clients.credentials import find_certificate

    web = federation.service("occi-os-keystone").web
    proxy = str(federation.authority.proxy(vos=()))
    credential = find_certificate(proxy)
    http = HttpClient(Deadline(AMPLE_S), trust=str(federation.ca_directory), credential=credential)
    with pytest.raises(OwnCredential) as caught:
        Keystone(http, f"{web.url}/v2.0", web.url, LoginRequest("ops")).login()
    http.close()
    assert re.fullmatch(
        rf"VOMS attributes wanted by v2\.0 of {at(web.url)}; probably because our \S+ has no VOMS attributes",
        caught.value.sentence,
    ), caught.value.sentence
    assert "/v2.0/tokens" not in [each.request.path for each in web.requests]


def log_in(federation, token: str) -> ProjectToken:
    cloud = federation.cloud("stack")
    http = HttpClient(Deadline(AMPLE_S), trust=str(federation.ca_directory))
    try:
        return Keystone(http, cloud.url, cloud.url, LoginRequest("ops", token=token)).login()
    finally:
        http.close()


def test_a_login_leads_into_the_vos_project_as_whom_keystone_knows(federation):
    keystone = federation.cloud("stack").keystone
    token = planted.jwt(iss=ISSUER, exp=time.time() + 3600)
    keystone.register_access_token(token, "robot@egi.eu", vos=("ops", "fedcloud.egi.eu"))
    login = log_in(federation, token)
    assert (login.project, login.project_id, login.caveat) == ("ops", keystone.project_id("ops"), "")
    assert re.fullmatch("[0-9a-f]{32,64}", login.user)
    other = planted.jwt(iss=ISSUER, exp=time.time() + 3600, sub="another")
    keystone.register_access_token(other, "another@egi.eu", vos=("ops",))
    assert log_in(federation, other).user not in ("", login.user)


def test_a_token_that_is_refused_is_told_with_what_it_says_of_itself(federation):
    keystone = federation.cloud("stack").keystone
    token = planted.jwt(iss=ISSUER, exp=time.time() + 3600)
    keystone.register_access_token(token, vos=("ops",))
    keystone.faults.on("ks-introspection-down")
    with pytest.raises(RefusedToken) as caught:
        log_in(federation, token)
    said = rf"our access token: of {ISSUER} until \d{{4}}-\d\d-\d\d \d\d:\d\d UTC"
    assert any(re.fullmatch(said, line) for line in caught.value.details), caught.value.details


def test_a_token_that_got_lost_on_its_way_is_told_so(federation):
    keystone = federation.cloud("stack").keystone
    token = planted.jwt(iss=ISSUER, exp=time.time() + 3600)
    keystone.register_access_token(token, vos=("ops",))
    challenge = 'Bearer realm="x", error="invalid_request", error_description="no token"'
    keystone.faults.on("status", code=401, headers={"WWW-Authenticate": challenge}, path="OS-FEDERATION")
    with pytest.raises(Rejected) as caught:
        log_in(federation, token)
    assert caught.value.sentence.endswith("; the access token did not get through to what checks it")
