"""Into an OpenStack cloud by its Keystone, and to its services by the catalogue."""

from __future__ import annotations

import re
import time

import pytest

from libprobe import redact
from libprobe.clients.credentials import find_certificate
from libprobe.clients.http import HttpClient
from libprobe.clients.keystone import TOKEN, LocalLogin, LoginRequest
from libprobe.clients.openstack import OpenStackCloud
from libprobe.clients.refusals import LoginRefused, Refusal, ServerError
from libprobe.deadline import Deadline
from libprobe.failures import BadData, EndpointFailure, Misconfigured, OwnCredential, ProtocolFailure, Rejected
from tests import planted
from tests.conftest import at
from tests.federation.keystone import ISSUER
from tests.federation.web import Response, WebServer
from tests.pace import AMPLE_S


class Site:
    """An OpenStack site of the federation, and us before it."""

    def __init__(self, federation) -> None:
        self.federation = federation
        self.cloud = federation.cloud("regions")
        self.keystone = self.cloud.keystone
        self.clients: list[HttpClient] = []
        self.before: dict[str, dict[str, str] | None] = {}

    def serve(self, kind: str, **regions: str) -> None:
        """Name a service in the catalogue, by region."""
        self.before.setdefault(kind, self.cloud.catalogue.get(kind))
        self.cloud.catalogue[kind] = regions

    def access_token(self, **claims: object) -> str:
        token = planted.jwt(iss=ISSUER, exp=time.time() + 3600, **claims)
        self.keystone.register_access_token(token)
        return token

    def enter(self, *, token: str = "", given: str = "", **login_request: object) -> OpenStackCloud:
        trusted = str(self.federation.ca_directory)
        certificate = None if token or given else find_certificate(str(self.federation.proxy))
        self.clients.append(HttpClient(Deadline(AMPLE_S), trust=trusted, credential=certificate))
        cloud = OpenStackCloud(
            self.clients[-1], self.cloud.url, LoginRequest("ops", token=token, **login_request), given
        )
        cloud.log_in()
        return cloud


@pytest.fixture
def site(federation):
    site = Site(federation)
    yield site
    for client in site.clients:
        client.close()
    for kind, regions in site.before.items():
        del site.cloud.catalogue[kind]
        if regions is not None:
            site.cloud.catalogue[kind] = regions


@pytest.mark.parametrize("how", ["access token", "proxy"])
def test_who_logs_in_has_a_projects_token_and_its_catalogue(site, how):
    cloud = site.enter(token=site.access_token() if how == "access token" else "")
    assert (cloud.scope.project, cloud.caveat, cloud.scope.roles) == ("ops", "", ("member", "reader"))
    assert cloud.regions("identity", chosen="") == ["RegionOne", "RegionTwo"]
    assert site.keystone.validate(cloud.login.token)[1] == "ops"


def test_a_token_of_the_keystones_own_is_taken_as_it_is_or_for_another_project(site):
    token = site.enter(token=site.access_token()).login.token
    assert site.enter(given=token).login.token == token
    site.keystone.register_access_token(both := planted.token(), vos=("ops", "fedcloud.egi.eu"))
    ops = site.enter(token=both, project="ops").login.token
    other = site.enter(given=ops, project="fedcloud.egi.eu")
    assert (other.scope.project, other.login.token != ops) == ("fedcloud.egi.eu", True)
    unscoped = next(each.id for each in site.keystone.tokens.values() if each.project is None)
    assert site.enter(given=unscoped).scope.project == "ops"


def test_a_token_of_the_keystones_own_that_has_ended_is_ours(site):
    with pytest.raises(
        OwnCredential, match=r"^our Keystone token is unknown or has ended \(401 Unauthorized\) from localhost:\d+ "
    ):
        site.enter(given=redact.register(planted.secret("keystone")))


def test_a_good_token_that_is_refused_is_the_sites_fault_with_what_to_look_at(site):
    site.keystone.faults.on("ks-introspection-down")
    with pytest.raises(Rejected) as caught:
        site.enter(token=site.access_token())
    assert caught.value.sentence.endswith("; it is of that issuer and has not ended"), caught.value.sentence
    assert caught.value.remedy == "see whether the issuer is reached from there and its keys are known"
    assert "mod_auth_openidc's log tells whether the issuer was reached" in caught.value.details


def test_nothing_is_asked_with_a_token_of_no_project(site):
    site.keystone.faults.on("ks-unscoped")
    with pytest.raises(BadData, match=r"^the token is of no project in the answer of localhost:\d+$"):
        site.enter(token=site.access_token())


def test_a_refusal_of_keystone_has_the_requests_name(site):
    site.keystone.faults.on("ks-no-scope")
    with pytest.raises(Rejected) as caught:
        site.enter(token=site.access_token())
    at_keystone = at(site.federation.service("regions-keystone").web.url)
    assert caught.value.sentence == (
        f"401 Unauthorized from {at_keystone} when asked to get a token for the project; the access token's user may "
        "not be mapped there"
    )
    assert re.fullmatch(r"in the site's logs: X-Openstack-Request-Id req-[-\w]+", caught.value.details[-1])


def test_version_2_is_never_asked(site):
    site.keystone.faults.on("ks-no-projects")
    with pytest.raises(EndpointFailure):
        site.enter()
    paths = {each.request.path for each in site.federation.service("regions-keystone").web.requests}
    assert paths
    assert not [path for path in paths if not path.startswith("/v3/")]


def test_the_projects_are_asked_for_where_a_federated_user_has_them(site):
    """`/v3/users/<who we are>/projects` is 200 and empty for one that has its roles by a mapping."""
    site.enter(token=site.access_token())
    requests = [each.request for each in site.federation.service("regions-keystone").web.requests]
    asked = [each.path for each in requests if each.method == "GET"]
    assert asked.count("/v3/auth/projects") == 1
    assert [path for path in asked if path.startswith("/v3/users/")] == []


# ---- whose fault a refused access token is


def test_a_site_that_refuses_a_good_access_token_is_at_fault(site):
    site.keystone.faults.on("ks-introspection-down")
    with pytest.raises(Rejected) as caught:
        site.enter(token=site.access_token())
    assert caught.value.sentence == (
        'our access token refused (401 "Reference token could not be introspected") from '
        f"{at(site.federation.service('regions-keystone').web.url)}; it is of that issuer and has not ended"
    )
    until = rf"our access token: of {ISSUER} until \d{{4}}-\d\d-\d\d \d\d:\d\d UTC"
    assert [each for each in caught.value.details if re.fullmatch(until, each)]


@pytest.mark.parametrize(
    "claims",
    [{"exp": time.time() + 5}, {"exp": time.time() - 5}, {"iss": "https://idp.example.org/"}, {"exp": None}, None],
    ids=["ends now", "has ended", "of another issuer", "without an end", "opaque"],
)
def test_one_that_is_not_known_to_be_good_is_ours(site, claims):
    site.keystone.faults.on("ks-introspection-down")
    said = {"iss": ISSUER, "exp": time.time() + 3600} | (claims or {})
    with pytest.raises(OwnCredential):
        site.enter(token=planted.token() if claims is None else planted.jwt(**said))


def test_with_clocks_that_differ_nobody_is_known_to_be_at_fault(site):
    site.keystone.faults.on("ks-introspection-down")
    site.keystone.faults.on("date-skew", seconds=7200)
    with pytest.raises(OwnCredential, match=r"its clock is .* ahead of ours"):
        site.enter(token=site.access_token())


# ---- regions and endpoints


def test_services_are_of_one_region(site):
    site.serve("compute", RegionOne="https://one.test/v2.1", RegionTwo="https://two.test/v2.1")
    site.serve("image", RegionTwo="https://images.test/{project}/")
    cloud = site.enter(token=site.access_token())
    assert cloud.regions("compute", chosen="") == ["RegionOne", "RegionTwo"]
    assert cloud.regions("compute", "image", chosen="") == ["RegionTwo"]
    assert cloud.regions("compute", chosen="RegionOne") == ["RegionOne"]
    assert cloud.service("image", "RegionTwo").base == f"https://images.test/{cloud.scope.project_id}"
    with pytest.raises(
        BadData,
        match=(
            r"^no public endpoint of compute and image in region RegionOne in the "
            r"catalogue of localhost:\d+; RegionOne "
        ),
    ):
        cloud.regions("compute", "image", chosen="RegionOne")
    with pytest.raises(
        BadData, match=r"^no region with a public endpoint of volumev3 in the catalogue of localhost:\d+; RegionOne "
    ):
        cloud.regions("volumev3", chosen="")
    with pytest.raises(Misconfigured, match=r"^no region regionone, which --region names, .*: RegionOne, RegionTwo\)$"):
        cloud.regions("compute", chosen="regionone")


def test_the_token_goes_over_http_only_where_the_operator_allows_it(site):
    token = site.access_token()
    with WebServer("nova", lambda request: Response(200, [], b"{}")) as web:
        site.serve("compute", RegionOne=web.url)
        with pytest.raises(
            Misconfigured,
            match=(
                r"^compute not asked: the catalogue has it at http://localhost:\d+, "
                r"where nothing would encrypt our token, says localhost:\d+ \(name the https address there\)$"
            ),
        ) as caught:
            site.enter(token=token).service("compute", "RegionOne")
        said = "[credentials] plain_token_to in probes.ini sends the token all the same"
        assert said in caught.value.details
        assert web.requests == []
        allowed = site.enter(token=token, plain_hosts=frozenset({"localhost"})).service("compute", "RegionOne")
        assert allowed.request("GET", "/limits").is_success


@pytest.fixture
def nova(site):
    """A service that answers as it is told, and us before it."""
    answers: list[Response] = []
    credential = site.federation.authority.host(["localhost"])
    context = site.federation.authority.server_context(credential, clients="none")
    with WebServer("nova", lambda request: answers[0], context=context) as web:
        site.serve("compute", RegionOne=web.url)
        yield site.enter(token=site.access_token()).service("compute", "RegionOne"), answers, web


def refusal(nova, status, body=b"", *headers):
    service, answers, _ = nova
    answers[:] = [Response(status, list(headers), body)]
    return service.refusal_failure(service.request("GET", "/limits"), "tell its limits")


def test_a_refusal_has_the_services_words_and_the_requests_name(nova):
    words = b'{"forbidden": {"code": 403, "message": "Policy doesn\'t allow it."}}'
    json = ("Content-Type", "application/json")
    failure = refusal(nova, 403, words, json, ("X-Compute-Request-Id", "req-1"), ("x-openstack-request-id", "req-2"))
    assert isinstance(failure, LoginRefused)
    assert failure.http_status == 403
    assert re.fullmatch(
        r"403 \"Policy doesn't allow it\" from localhost:\d+ when asked to tell its limits; our roles in project ops: "
        "member, reader",
        failure.sentence,
    )
    assert failure.details[-1] == "in the site's logs: X-Openstack-Request-Id req-2"
    failure = refusal(nova, 409, b"", ("X-Trans-Id", "tx1"))
    assert isinstance(failure, Refusal)
    assert re.fullmatch(r"409 Conflict from localhost:\d+ when asked to tell its limits", failure.sentence)
    assert failure.details[-1] == "in the site's logs: X-Trans-Id tx1"
    failure = refusal(nova, 503, b"", ("X-Trans-Id", "tx\x001"), ("Retry-After", "7"))
    assert isinstance(failure, ServerError)
    assert re.fullmatch(
        r"503 Service Unavailable from localhost:\d+ when asked to tell its limits; asks to wait 7 s", failure.sentence
    )
    assert failure.pause_s == 7.0


def test_a_redirect_is_not_followed_with_the_token(nova):
    service, _, web = nova
    failure = refusal(nova, 302, b"", ("Location", f"{web.url}/elsewhere"))
    assert isinstance(failure, ProtocolFailure)
    assert failure.sentence == (
        f"redirect to {web.url}/elsewhere (302) from {at(web.url)} when asked to "
        "tell its limits; our token does not follow"
    )
    assert [each.request.path for each in web.requests] == ["/limits"]
    assert service.base == web.url


def test_a_401_is_told_with_what_keystone_says_of_the_token(site, nova):
    """Glance and Swift say it too where they cannot ask Keystone."""
    said = refusal(nova, 401).sentence
    assert said.endswith("; Keystone takes this token, so Nova cannot ask it, or asks another one")
    site.keystone.faults.on("status", code=503, method="GET", path="/v3/auth/tokens")
    said = refusal(nova, 401).sentence
    assert re.search(
        r"^401 Unauthorized from localhost:\d+ when asked to tell its limits; Keystone is out of order: "
        r"503 Service Unavailable from localhost:\d+$",
        said,
    ), said
    site.keystone.faults.clear()
    site.keystone.faults.on("ks-tokens-forgotten")
    said = refusal(nova, 401).sentence
    assert said.endswith("when asked to tell its limits; nor does Keystone take it any more (401)"), said


@pytest.mark.parametrize("how", ["option", "clouds.yaml"])
def test_a_401_for_a_keystone_token_of_ours_that_has_ended_meanwhile_is_no_fault_of_the_site(site, nova, how):
    """Who comes with a token of this Keystone has to see that it lasts; one that we logged in for is the site's."""
    service, answers, _ = nova
    token = service.cloud.login.token
    if how == "option":
        cloud = site.enter(given=token)
    else:
        cloud = site.enter(local_login=LocalLogin(TOKEN, {"id": token}, "the token", "cloud site of clouds.yaml"))
    ours = cloud.service("compute", "RegionOne"), answers, None
    assert isinstance(refusal(ours, 401), LoginRefused)  # Keystone knows it still
    site.keystone.faults.on("ks-tokens-forgotten")
    failure = refusal(ours, 401)
    assert isinstance(failure, OwnCredential)
    assert re.fullmatch(
        r"our Keystone token is unknown by now or has ended \(401\) from localhost:\d+ when asked to tell its limits "
        r"\(get a new one of this Keystone\)",
        str(failure),
    ), str(failure)
    assert isinstance(refusal(nova, 401), LoginRefused)


def test_a_keystone_that_is_lost_in_the_middle_of_a_run_says_nothing_of_our_token(site, nova):
    """Services say 401 where Keystone says 404, and it says that of everything where its web server has lost it."""
    service, answers, _ = nova
    ours = site.enter(given=service.cloud.login.token).service("compute", "RegionOne"), answers, None
    site.keystone.faults.on("status", code=404, path="/v3")
    failure = refusal(ours, 401)
    assert isinstance(failure, LoginRefused)
    assert re.fullmatch(
        r"401 Unauthorized from localhost:\d+ when asked to tell its limits; Keystone is out of order: "
        r"no Keystone at /v3 \(404 Not Found\) on localhost:\d+",
        failure.sentence,
    ), failure.sentence


@pytest.mark.parametrize(("seconds", "kept"), [(60, 6), (420, 20)])
def test_a_login_at_a_url_in_doubt_leaves_time_to_find_out_whose_it_is(monkeypatch, seconds, kept):
    """Of time that stands still, so that it is known what is left."""
    left: list[float] = []
    http = HttpClient(Deadline(seconds, clock=lambda: 0.0), trust="")

    def refuse():
        left.append(http.current_deadline().remaining())
        raise EndpointFailure("404")

    def judge(failure, file):
        left.append(http.current_deadline().remaining())
        return failure.retold(Misconfigured)

    for judge_address, expected in ((judge, [seconds - kept, seconds]), (None, [seconds])):
        request = LoginRequest("ops", file="cloud site")
        cloud = OpenStackCloud(http, "https://localhost:1/v3", request, judge_address=judge_address)
        monkeypatch.setattr(cloud.keystone, "login", refuse)
        monkeypatch.setattr(cloud.keystone, "is_surely_one", lambda failure: False)
        left.clear()
        with pytest.raises(Misconfigured if judge_address else EndpointFailure):
            cloud.log_in()
        assert left == [pytest.approx(each) for each in expected]
        assert cloud.is_doubtful is bool(judge_address)
