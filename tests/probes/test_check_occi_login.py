"""How the OCCI probes log in with what this monitor has, and whose fault it is where they are not let in."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from tests import planted
from tests.conftest import Monitor, Report, at
from tests.federation.federation import Site
from tests.federation.keystone import ISSUER, Keystone
from tests.federation.web import Request, Response

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


# ---- whose what is left is


@pytest.mark.parametrize(
    ("owner", "is_ours"), [("access token ops", True), ("access token of user somebody-else ops", False)]
)
def test_what_an_earlier_version_noted_without_whose_token_it_was_counts_as_ours(login, owner, is_ours):
    """As another owner's, no run could ever take it for gone; what is another's is gone by nobody's word but theirs."""
    login.jwt()
    login.site.faults.on("status", method="DELETE", code=409, body="Instance 1 is locked")
    assert login.look().code == 1
    [vm] = login.site.occi.vms()
    [name] = login.monitor.remembered()
    with (login.monitor.state / name).open("a") as file:
        file.write(json.dumps({"identity": owner}) + "\n")
    login.site.faults.clear()
    login.site.occi.give(vm.id, "none of ours")
    report = login.look()
    said = (
        r"VM of an earlier run not removed: not visible as access token of user \S+ ops \(.*; see fedcloud-leftovers\)"
    )
    report.expect("OCCI-VM", 0 if is_ours else 1, r"VM active after .*, removed in \S+ m?s" if is_ours else said)
    assert login.monitor.remembered() == ([] if is_ours else [name])


# ---- an access token that is not good is ours to renew


@pytest.mark.parametrize("probe", PROBES)
@pytest.mark.parametrize(
    ("claims", "said"),
    [
        ({"expires": -7200}, r"expired 2 h ago \(\d{4}-\d\d-\d\d \d\d:\d\d UTC\)"),
        ({"nbf": time.time() + 86400}, r"is not valid before \d{4}-\d\d-\d\d \d\d:\d\d UTC"),
    ],
    ids=["expired", "not yet valid"],
)
def test_a_token_that_says_itself_that_it_is_not_valid_is_shown_to_nobody(login, probe, claims, said):
    login.jwt(**claims)
    report = login.look(probe=probe)
    assert (report.code, report.err) == (3, "")
    assert re.fullmatch(
        rf"OCCI-\w+ UNKNOWN - our access token of {ISSUER} {said} in {login.file} "
        r"\(write a new one there\)",
        report.first,
    ), report.first
    assert login.asked == []


def test_a_token_that_has_just_ended_by_our_clock_is_tried_and_is_ours_all_the_same(login):
    login.jwt(expires=-20)
    report = login.look()
    assert report.code == 3
    assert 'our access token refused (401 "JWT token could not be validated") from localhost:' in report.first
    login.keystone.faults.on("ks-bearer-unsaid")
    report = login.look()
    assert report.code == 3
    assert re.search(
        r" from localhost:\d+ when asked to log in; our access token of \S+ expired [\d.]+ \w+ ago \(",
        report.first,
    ), report.first


@pytest.mark.parametrize("probe", PROBES)
def test_a_token_that_is_refused_by_what_stands_before_keystone_is_ours(login, probe):
    login.jwt(known=False)
    report = login.look(probe=probe)
    assert (report.code, report.err) == (3, "")
    assert re.fullmatch(
        r"OCCI-\w+ UNKNOWN - our access token refused "
        r'\(401 "JWT token could not be validated"\) from localhost:\d+ '
        r"\(get a new one .*\)",
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
    assert 'our access token refused (401 "Reference token could not be introspected") from localhost:' in report.first


def test_a_token_of_another_issuer_is_ours_where_keystone_refuses_it(login):
    login.jwt(issuer="https://idp.example.org/realms/x", aud="elsewhere")
    report = login.look()
    assert report.code == 3
    assert re.search(
        r' - 403 "You are not authorized to perform the requested action" from localhost:\d+ when asked to log in; our '
        r"access token is of https://idp\.example\.org/realms/x for elsewhere, which is not egi\.eu \(",
        report.first,
    ), report.first


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        ("ks-vo-unmapped", "the access token's user may not be mapped there"),
        ("ks-provider-off", "the access token's user may not be mapped there"),
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
        f"OCCI-VM UNKNOWN - {what} instead of an access token in {login.file} (write the token alone there)"
    )
    assert login.asked == []


# ---- a proxy or certificate that is not good is ours to renew


CLOUDS = ["occi-os", "ooi", "rocci", "snf", "rocci2"]
REMEDY = r"\(run voms-proxy-init --rfc --voms ops\)"


def with_proxy(monitor: Monitor, cloud: str, proxy: Path, *arguments: object, probe: str = "check_occi_vm") -> Report:
    return monitor.run(probe, "-u", monitor.federation.site(cloud).url, *arguments, X509_USER_PROXY=proxy)


def asked(monitor: Monitor, cloud: str) -> int:
    names = [each.name for each in monitor.federation.services if each.name.partition("-keystone")[0] == cloud]
    return sum(len(monitor.federation.service(name).web.requests) for name in names)


@pytest.mark.parametrize("probe", PROBES)
@pytest.mark.parametrize("cloud", CLOUDS)
def test_a_proxy_without_attributes_is_ours_and_where_a_vo_is_named_nobody_is_asked(monitor, tmp_path, cloud, probe):
    """voms-proxy-init leaves one when the VOMS server does not answer it."""
    proxy = monitor.federation.authority.proxy(vos=(), path=tmp_path / "x509up")
    named = with_proxy(monitor, cloud, proxy, "--vo", "ops", probe=probe)
    assert (named.code, named.err) == (3, "")
    assert re.fullmatch(
        rf"OCCI-\w+ UNKNOWN - proxy has no VOMS attributes in {proxy}; those of ops are wanted {REMEDY}",
        named.first,
    ), named.first
    assert asked(monitor, cloud) == 0
    report = with_proxy(monitor, cloud, proxy, probe=probe)
    assert (report.code, report.err) == (3, "")
    assert re.fullmatch(
        rf"OCCI-\w+ UNKNOWN - .*; probably because our {proxy} has no VOMS attributes {REMEDY}",
        report.first,
    ), report.first
    assert monitor.federation.site(cloud).occi.created == []


@pytest.mark.parametrize("cloud", CLOUDS)
def test_a_plain_certificate_where_only_vos_are_mapped_is_ours(monitor, cloud):
    robot = monitor.federation.authority.robot
    url = monitor.federation.site(cloud).url
    report = monitor.run("check_occi_vm", "-u", url, "--cert", robot.usercert, "--key", robot.userkey, "--vo", "ops")
    assert report.code == 3
    said = f"probably because our {robot.usercert} is no proxy with VOMS attributes "
    assert said in report.first
    assert asked(monitor, cloud) > 0


@pytest.mark.parametrize("kind", ["legacy (GT2)", "draft (GT3)"])
@pytest.mark.parametrize("cloud", CLOUDS)
def test_an_old_kind_of_proxy_that_a_server_refuses_is_ours(monitor, tmp_path, cloud, kind):
    proxy = monitor.federation.authority.proxy(kind=kind.split()[0], path=tmp_path / "x509up")
    report = with_proxy(monitor, cloud, proxy)
    assert report.code == 3
    assert re.search(
        rf"certificate.*; probably because our {proxy} is a {re.escape(kind)} proxy, which servers "
        rf"on today's OpenSSL refuse {REMEDY}",
        report.first,
    ), report.first


def test_a_proxy_without_its_chain_is_ours(monitor, tmp_path):
    proxy = monitor.federation.authority.proxy(with_chain=False, path=tmp_path / "x509up")
    report = with_proxy(monitor, "occi-os", proxy)
    assert report.code == 3
    assert f"probably because our {proxy} lacks the certificate that the proxy was made from (" in report.first


@pytest.mark.parametrize("named", [[], ["--vo", "ops"]])
def test_attributes_that_are_not_valid_yet_are_shown_to_nobody(monitor, tmp_path, named):
    """The clock of the VOMS server is ahead: attributes begin with its now, proxies some minutes before ours."""
    proxy = monitor.federation.authority.proxy(ac_begin=timedelta(minutes=50), path=tmp_path / "x509up")
    report = with_proxy(monitor, "ooi", proxy, *named)
    assert report.code == 3
    assert re.fullmatch(
        rf"OCCI-VM UNKNOWN - VOMS attributes not valid before \d{{4}}-\d\d-\d\d \d\d:\d\d UTC in {proxy} "
        r"\(set the clock of this machine, or of the VOMS server\)",
        report.first,
    ), report.first
    assert asked(monitor, "ooi") == 0


@pytest.mark.parametrize("cloud", CLOUDS)
def test_old_attributes_below_fresh_ones_do_not_count(monitor, tmp_path, cloud):
    proxy = monitor.federation.authority.proxy(renewed={"ops": -timedelta(hours=1)}, path=tmp_path / "x509up")
    report = with_proxy(monitor, cloud, proxy, "-vv")
    assert report.code == 0, report.out
    assert f"acting as: rfc proxy {proxy} of {monitor.federation.authority.robot.subject}, VO ops" in report.out


@pytest.mark.parametrize(("cloud", "vos"), [("occi-os", ("ops", "dteam")), ("rocci", ("dteam", "ops"))])
@pytest.mark.parametrize("named", [[], ["--vo", "ops"]])
def test_attributes_of_another_vo_may_have_ended(monitor, tmp_path, cloud, vos, named):
    lasting = {"dteam": -timedelta(hours=1)}
    proxy = monitor.federation.authority.proxy(vos=vos, ac_lifetime=lasting, path=tmp_path / "x509up")
    assert with_proxy(monitor, cloud, proxy, *named).code == 0
    report = with_proxy(monitor, cloud, proxy, "--vo", "dteam")
    assert report.code == 3
    assert f"VOMS attributes expired 60 min ago in {proxy} (run voms-proxy-init --rfc --voms dteam)" in report.first


# ---- a project of another VO


@pytest.fixture
def keystones(monitor: Monitor) -> Iterator[dict[str, Keystone]]:
    """The Keystones of the federation by site, which may be set up in another way."""
    found = {site.name: site.keystone for site in monitor.federation.sites.values() if site.keystone}
    kept = ("vo_map", "versions", "methods", "protocols")
    before = {name: {each: getattr(keystone, each) for each in kept} for name, keystone in found.items()}
    yield found
    for name, values in before.items():
        for each, value in values.items():
            setattr(found[name], each, value)


App = Callable[[Request], Response]


@pytest.fixture
def answering(monitor: Monitor) -> Iterator[Callable[[str, Callable[[App, Request], Response]], None]]:
    """Have a service answer in another way: `answering("ooi", lambda app, request: ...)`."""
    before: dict[str, App] = {}

    def change(name: str, answer: Callable[[App, Request], Response]) -> None:
        web = monitor.federation.service(name).web  # type: ignore[attr-defined]
        app = before.setdefault(name, web.app)
        web.app = lambda request: answer(app, request)

    yield change
    for name, app in before.items():
        monitor.federation.service(name).web.app = app  # type: ignore[attr-defined]


BOTH = ("fedcloud.egi.eu", "ops")


@pytest.mark.parametrize("cloud", ["occi-os", "ooi", "rocci2"])
@pytest.mark.parametrize("probe", PROBES)
def test_a_proxy_whose_first_vo_is_another_is_not_used_in_that_ones_project(monitor, tmp_path, cloud, probe):
    proxy = monitor.federation.authority.proxy(vos=BOTH, path=tmp_path / "x509up")
    report = with_proxy(monitor, cloud, proxy, "--vo", "ops", probe=probe)
    assert (report.code, report.err) == (3, "")
    assert re.fullmatch(
        r"OCCI-\w+ UNKNOWN - no project of VO ops, which --vo names, on localhost:\d+; offered are "
        r"fedcloud\.egi\.eu; the first VO of our proxy is fedcloud\.egi\.eu "
        r"\(make one with voms-proxy-init --rfc --voms ops\)",
        report.first,
    ), report.first
    assert monitor.federation.site(cloud).occi.created == []
    assert with_proxy(monitor, cloud, proxy, probe=probe).code == 0  # without a wish, the first VO is meant


def test_a_vm_in_another_vos_project_is_a_warning_where_the_vo_is_a_default(login):
    token = planted.secret("access")
    login.keystone.register_access_token(token, "robot", ["fedcloud.egi.eu"])
    login.write(token)
    for probe in PROBES:
        report = login.look("--auth", "token", probe=probe)
        assert (report.code, report.err) == (1, "")
        assert re.fullmatch(
            r"OCCI-\w+ WARNING - acts in project fedcloud\.egi\.eu, which is not one of VO ops by its name, on "
            r"localhost:\d+ \(if it is meant, name it with --project\)",
            report.first,
        ), report.first
        assert login.look("--project", "fedcloud.egi.eu", probe=probe).code == 0
    created = len(login.site.occi.created)
    report = login.look("--vo", "ops")
    assert report.code == 3
    assert re.search(
        r"no project of VO ops, which --vo names, on localhost:\d+; offered are fedcloud\.egi\.eu; the access token's "
        r"user may not be in it \(if one of them is meant, name it with --project\)",
        report.first,
    ), report.first
    assert len(login.site.occi.created) == created


def test_the_vo_of_the_settings_is_a_default_as_well(monitor, tmp_path):
    settings = tmp_path / "probes.ini"
    settings.write_text(
        (monitor.federation.directory / "probes.ini").read_text() + "[credentials]\nvo = ops\n", encoding="utf-8"
    )
    proxy = monitor.federation.authority.proxy(vos=BOTH, path=tmp_path / "x509up")
    report = with_proxy(monitor, "occi-os", proxy, "--config", settings)
    assert report.code == 1
    assert (
        "acts in project fedcloud.egi.eu, which is not one of VO ops by its name; the first VO of our " in report.first
    )
    assert monitor.federation.site("occi-os").occi.vms() == []


def test_a_site_names_the_project_of_a_vo_as_it_likes(monitor, keystones):
    for cloud in ("occi-os", "ooi"):
        keystones[cloud].vo_map = {"ops": "monitoring of the federation"}
        assert with_proxy(monitor, cloud, monitor.federation.proxy, "--vo", "ops").code == 0


def test_a_part_of_a_word_is_no_name_of_a_vo(login, keystones):
    """`devops` comes first in the list and is not the project of ops."""
    keystones["ooi"].vo_map = {"dev": "devops", "ops": "EGI_ops"}
    token = planted.secret("access")
    login.keystone.register_access_token(token, "robot", ["dev", "ops"])
    login.write(token)
    report = login.look("--vo", "ops", "-vv")
    assert report.code == 0
    assert "project EGI_ops" in report.out


# ---- a no is not the end


def steps(monitor: Monitor, cloud: str) -> list[str]:
    """What the Keystone of a cloud was asked, shortened."""
    web, before = monitor.federation.service(f"{cloud}-keystone").web, "/v3/OS-FEDERATION/identity_providers/egi.eu"
    return [f"{each.request.method} {each.request.path.removeprefix(before)} {each.status}" for each in web.requests]


BOTH_VERSIONS = frozenset({"v3", "v2.0"})
OF_V3 = "/v3/"


@pytest.mark.parametrize("hint", ["", "/v3", "/v2.0"])
def test_where_v3_takes_access_tokens_only_v2_takes_voms(monitor, keystones, answering, hint):
    keystones["ooi"].versions, keystones["ooi"].methods = BOTH_VERSIONS, ("openid",)
    challenge = ("WWW-Authenticate", f"Keystone uri='{keystones['ooi'].url}{hint}'")

    def hinted(app: App, request: Request) -> Response:
        answer = app(request)
        others = [each for each in answer.headers if each[0].lower() != "www-authenticate"]
        return Response(answer.status, [*others, challenge], answer.body) if answer.status == 401 else answer

    answering("ooi", hinted)
    report = with_proxy(monitor, "ooi", monitor.federation.proxy)
    assert report.code == 0, report.out
    assert ("POST /protocols/mapped/auth 401" in steps(monitor, "ooi")) == (hint != "/v2.0")


def test_where_v3_maps_nobody_v2_may(monitor, keystones):
    keystones["ooi"].versions = BOTH_VERSIONS
    keystones["ooi"].faults.on("ks-vo-unmapped", path=OF_V3)
    report = with_proxy(monitor, "ooi", monitor.federation.proxy)
    assert report.code == 0, report.out
    assert "POST /v2.0/tokens 200" in steps(monitor, "ooi")


@pytest.mark.parametrize(
    "fault",
    [
        ("ks-vo-unmapped", {"path": "/mapped/"}),
        ("status", {"code": 500, "path": "/mapped/"}),
        ("status", {"code": 400, "path": "/mapped/"}),
        ("ks-no-token-header", {"path": "/mapped/"}),
        ("redirect", {"to": "https://aai.example.org/login", "path": "/mapped/"}),
        ("ks-no-projects", {"times": 1}),
        ("ks-no-scope", {"times": 1}),
        ("status", {"code": 404, "path": "/v3/auth/projects", "times": 1}),
    ],
    ids=lambda fault: f"{fault[0]} {' '.join(str(each) for each in fault[1].values())}",
)
def test_where_one_protocol_leads_to_nothing_another_one_does(monitor, keystones, fault):
    name, parameters = fault
    keystones["ooi"].methods = keystones["ooi"].protocols = ("mapped", "voms")
    keystones["ooi"].faults.on(name, **parameters)
    report = with_proxy(monitor, "ooi", monitor.federation.proxy)
    assert report.code == 0, report.out


@pytest.mark.parametrize(("methods", "protocols"), [(("oidc",), ("oidc",)), (("openid", "oidc"), ("oidc",))])
def test_a_token_is_taken_by_whichever_protocol_is_there(login, keystones, methods, protocols):
    keystones["ooi"].methods, keystones["ooi"].protocols = methods, protocols
    login.jwt()
    assert login.look().code == 0


def test_the_first_refusal_of_us_is_told_and_v_lists_what_was_tried(monitor, keystones):
    keystones["ooi"].versions = BOTH_VERSIONS
    keystones["ooi"].faults.on("ks-vo-unmapped")
    report = with_proxy(monitor, "ooi", monitor.federation.proxy, "-v")
    assert report.code == 2
    url = r"https://localhost:\d+"
    path = "/v3/OS-FEDERATION/identity_providers/egi.eu/protocols"
    assert re.fullmatch(
        rf"OCCI-VM CRITICAL - 401 Unauthorized from {at(url)} when asked to log in; VO ops may not be mapped there",
        report.first,
    ), report.first
    tried = [re.sub(url, "", line) for line in report.lines if line.startswith("tried: ")]
    assert [line.partition(": 4")[0] for line in tried] == [
        f"tried: POST {path}/mapped/auth",
        f"tried: POST {path}/voms/auth",
        *(f"tried: {method} /v3/auth/federation/{name}" for name in ("voms", "mapped") for method in ("POST", "GET")),
        "tried: POST /v2.0/tokens",
    ]
    assert "tried: " not in with_proxy(monitor, "ooi", monitor.federation.proxy).out


def test_where_no_login_method_of_ours_is_on_that_is_the_sites_fault(monitor, keystones):
    keystones["ooi"].methods = ("openid",)
    report = with_proxy(monitor, "ooi", monitor.federation.proxy)
    assert report.code == 2
    assert "no login method switched on that we could use (mapped, voms) on localhost:" in report.first


def test_a_keystone_behind_which_nobody_is_is_not_asked_for_everything(monitor, keystones):
    keystones["ooi"].faults.on("status", code=503)
    assert with_proxy(monitor, "ooi", monitor.federation.proxy).code == 2
    assert steps(monitor, "ooi") == ["POST /protocols/mapped/auth 503", "POST /v2.0/tokens 503"]


def test_a_keystone_that_breaks_off_is_not_asked_further(monitor, keystones):
    keystones["ooi"].faults.on("close-request")
    assert with_proxy(monitor, "ooi", monitor.federation.proxy).code == 2
    assert len(steps(monitor, "ooi")) == 1


@pytest.mark.parametrize("code", [301, 302, 307, 308])
@pytest.mark.parametrize("cloud", ["ooi", "occi-os"])
def test_a_redirect_to_another_path_of_keystone_is_followed(monitor, answering, cloud, code):
    def with_slash(app: App, request: Request) -> Response:
        if request.path.endswith("/"):
            return app(request)
        return Response(code, [("Location", f"{request.path}/"), ("Content-Type", "text/html")], b"<h1>Moved</h1>")

    answering(f"{cloud}-keystone", with_slash)
    report = with_proxy(monitor, cloud, monitor.federation.proxy)
    assert report.code == 0, report.out


@pytest.mark.parametrize("cloud", ["ooi", "occi-os"])
def test_any_good_status_is_good(monitor, answering, cloud):
    def other(app: App, request: Request) -> Response:
        answer = app(request)
        return Response({200: 203, 201: 202}.get(answer.status, answer.status), answer.headers, answer.body)

    answering(f"{cloud}-keystone", other)
    report = with_proxy(monitor, cloud, monitor.federation.proxy)
    assert report.code == 0, report.out


STRANGER = "https://keystone.example.org:5000/v3"
FORMS = {
    "two headers": ['Swift realm="AUTH_x"', "Keystone uri='{}'"],
    "one header": ['Basic realm="a, b", Keystone realm=x, uri="{}", Bearer scope=y'],
    "no quotes": ["keystone  uri = {}"],
    "a stranger first": [f"Keystone uri='{STRANGER}', Keystone uri='{{}}'"],
    "nothing that is a URL first": ["Keystone uri='nonsense'", "Keystone uri='{}'"],
    "one without quotes at its end": ["Keystone uri='{}"],
}


@pytest.mark.parametrize("status", [401, 403])
@pytest.mark.parametrize("form", FORMS)
def test_a_challenge_is_read_in_every_form(monitor, keystones, answering, form, status):
    def challenging(app: App, request: Request) -> Response:
        answer = app(request)
        if answer.status != 401:
            return answer
        challenges = [("www-authenticate", each.format(f"{keystones['ooi'].url}/v3")) for each in FORMS[form]]
        return Response(status, [("Content-Type", "text/plain"), *challenges], b"log in")

    answering("ooi", challenging)
    report = with_proxy(monitor, "ooi", monitor.federation.proxy)
    assert report.code == 0, report.out


def test_a_keystone_whose_token_the_endpoint_does_not_know_is_not_the_last(monitor, keystones, answering):
    urls = [keystones["rocci2"].url, keystones["ooi"].url]

    def two(app: App, request: Request) -> Response:
        answer = app(request)
        challenge = ", ".join(f"Keystone uri='{url}/v3'" for url in urls)
        return Response(401, [("WWW-Authenticate", challenge)], b"") if answer.status == 401 else answer

    answering("ooi", two)
    report = with_proxy(monitor, "ooi", monitor.federation.proxy)
    assert report.code == 0, report.out
    keystones["ooi"].faults.on("ks-vo-unmapped")
    report = with_proxy(monitor, "ooi", monitor.federation.proxy)
    place = at(monitor.federation.site("ooi").base)
    assert (report.code, report.first) == (
        2,
        f"OCCI-VM CRITICAL - 401 Unauthorized from {place} when asked to say what it offers",
    )


def test_of_several_keystones_that_refuse_us_the_first_is_told(monitor, keystones, answering):
    named = [STRANGER, f"{keystones['rocci2'].url}/v3", f"{keystones['ooi'].url}/v3"]
    headers = [("WWW-Authenticate", f"Keystone uri='{each}'") for each in named]
    answering("ooi", lambda app, request: Response(401, headers, b""))
    keystones["rocci2"].faults.on("status", code=503)
    keystones["ooi"].faults.on("ks-vo-unmapped")
    report = with_proxy(monitor, "ooi", monitor.federation.proxy, "-v")
    assert report.code == 2
    assert f"from {at(keystones['ooi'].url)} when asked to log in" in report.first
    assert "VO ops may not be mapped there" in report.first
    tried = [line for line in report.lines if line.startswith("tried: ")]
    assert any(line.endswith("allow it with --keystone https://keystone.example.org:5000)") for line in tried)
    assert any(keystones["rocci2"].url in line and ": 503 Service Unavailable from " in line for line in tried)
