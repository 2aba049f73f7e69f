"""The embedded Keystone, asked as clients ask: v2.0 with VOMS, v3 with federation, and the Keystorm style."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization

from tests import planted
from tests.federation.authority import Authority, slash_form
from tests.federation.faults import CATALOGUE
from tests.federation.keystone import APACHE_401, FAULTS, ISSUER, Keystone
from tests.federation.web import Headers, Peer, Request, Response

URL = "https://localhost:5000"
ROBOT_DN = "/DC=test/DC=fedcloud/O=People/CN=Robot - cloudmon"
MAPPED = "/v3/OS-FEDERATION/identity_providers/egi.eu/protocols/mapped/auth"
OPENID = MAPPED.replace("mapped", "openid")
VOMS = {"auth": {"voms": True}}


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


def peer_of(path: Path) -> Peer:
    certificates = x509.load_pem_x509_certificates(path.read_bytes())
    chain = tuple(each.public_bytes(serialization.Encoding.DER) for each in certificates)
    return Peer(slash_form(certificates[0].subject), chain)


@pytest.fixture(scope="module")
def ops(authority: Authority) -> Peer:
    return peer_of(authority.proxy())


def keystone(*versions: str, **options: Any) -> Keystone:
    return Keystone(versions or ("v2.0", "v3"), url=lambda: URL, **options)


def ask(
    server: Keystone,
    method: str,
    path: str,
    body: object = None,
    *,
    peer: Peer | None = None,
    **headers: str,
) -> tuple[Response, Any]:
    fields = Headers((name.replace("_", "-"), value) for name, value in headers.items())
    data = b"" if body is None else json.dumps(body).encode()
    response = server.app(Request(method, path, {}, fields, data, peer))
    kind = dict(response.headers)["Content-Type"]
    return response, json.loads(response.body) if kind == "application/json" else response.body.decode()


def refused(server: Keystone, *arguments: Any, **options: Any) -> tuple[int, str]:
    response, document = ask(server, *arguments, **options)
    assert document["error"]["code"] == response.status
    return response.status, document["error"]["message"]


def v3_login(server: Keystone, peer: Peer | None, path: str = MAPPED, method: str = "POST", **headers: str) -> str:
    response, _ = ask(server, method, path, peer=peer, **headers)
    assert response.status == 201
    return dict(response.headers)["X-Subject-Token"]


def by_token(token: str, scope: object = None) -> dict[str, Any]:
    auth: dict[str, Any] = {"identity": {"methods": ["token"], "token": {"id": token}}}
    if scope is not None:
        auth["scope"] = scope
    return {"auth": auth}


# -- versions ---------------------------------------------------------------------------------------------


def test_the_root_answers_300_with_the_versions() -> None:
    response, document = ask(keystone(), "GET", "/")
    assert (response.status, response.reason) == (300, "MULTIPLE CHOICES")
    assert dict(response.headers)["Location"] == f"{URL}/v3/"
    values = document["versions"]["values"]
    assert [each["id"] for each in values] == ["v3.14", "v2.0"]
    assert values[0]["links"] == [{"rel": "self", "href": f"{URL}/v3/"}]


@pytest.mark.parametrize("path", ["/v3", "/v3/", "/v2.0"])
def test_a_version_describes_itself(path: str) -> None:
    response, document = ask(keystone(), "GET", path)
    assert response.status == 200
    assert document["version"]["id"].startswith(path.strip("/"))


def test_a_keystone_of_today_has_no_v2() -> None:
    response, text = ask(keystone("v3"), "POST", "/v2.0/tokens", VOMS)
    assert (response.status, response.reason) == (404, "NOT FOUND")
    assert text.startswith("<!doctype html>")


def test_a_version_that_does_not_exist_is_refused_at_once() -> None:
    with pytest.raises(ValueError, match="no such Keystone"):
        keystone("v4")


@pytest.mark.parametrize(
    ("versions", "options", "challenge"),
    [
        (("v3",), {}, f'Keystone uri="{URL}/v3"'),
        (("v2.0",), {"quote": "'"}, f"Keystone uri='{URL}/v2.0'"),
        ((), {"word": "snf-auth", "suffix": ""}, f'snf-auth uri="{URL}"'),
        ((), {}, f'Keystone uri="{URL}"'),
    ],
)
def test_challenges_come_in_every_form(versions: tuple[str, ...], options: dict[str, str], challenge: str) -> None:
    assert keystone(*versions).challenge(**options) == challenge


# -- v2.0 with VOMS ---------------------------------------------------------------------------------------


def test_v2_goes_from_an_unscoped_token_to_a_scoped_one(ops: Peer) -> None:
    server = keystone("v2.0")
    response, document = ask(server, "POST", "/v2.0/tokens", VOMS, peer=ops)
    unscoped = document["access"]["token"]
    assert response.status == 200
    assert "tenant" not in unscoped
    assert server.validate(unscoped["id"]) == (ROBOT_DN, None)

    _, document = ask(server, "GET", "/v2.0/tenants", X_Auth_Token=unscoped["id"])
    assert [tenant["name"] for tenant in document["tenants"]] == ["ops"]

    body = {"auth": {"voms": True, "tenantName": "ops"}}
    _, document = ask(server, "POST", "/v2.0/tokens", body, peer=ops)
    scoped = document["access"]["token"]
    assert scoped["tenant"]["name"] == "ops"
    assert server.validate(scoped["id"]) == (ROBOT_DN, "ops")


def test_v2_gives_a_scoped_token_for_an_unscoped_one(ops: Peer) -> None:
    server = keystone("v2.0")
    _, document = ask(server, "POST", "/v2.0/tokens", VOMS, peer=ops)
    token = {"id": document["access"]["token"]["id"]}
    _, document = ask(server, "POST", "/v2.0/tokens", {"auth": {"token": token, "tenantName": "ops"}})
    assert server.validate(document["access"]["token"]["id"]) == (ROBOT_DN, "ops")
    for auth in ({"token": token, "tenantName": "other"}, {"token": {"id": "nonsense"}}, {}):
        assert refused(server, "POST", "/v2.0/tokens", {"auth": auth})[0] == 401


def test_v2_mixes_its_time_stamps(ops: Peer) -> None:
    _, document = ask(keystone("v2.0"), "POST", "/v2.0/tokens", VOMS, peer=ops)
    token = document["access"]["token"]
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", token["expires"])
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}", token["issued_at"])


@pytest.mark.parametrize("voms", [False, "true", 1, None])
def test_v2_wants_voms_to_be_exactly_true(ops: Peer, voms: object) -> None:
    status, message = refused(keystone("v2.0"), "POST", "/v2.0/tokens", {"auth": {"voms": voms}}, peer=ops)
    assert (status, message) == (400, "Error in JSON, 'voms' must be set to true")


def test_v2_wants_a_proxy_with_its_chain_and_attributes(authority: Authority, ops: Peer) -> None:
    server = keystone("v2.0")
    assert refused(server, "POST", "/v2.0/tokens", VOMS)[0] == 400
    for peer in (
        Peer(ops.subject, ops.chain[:1]),
        peer_of(authority.robot.usercert),
        peer_of(authority.proxy(vos=())),
    ):
        status, message = refused(server, "POST", "/v2.0/tokens", VOMS, peer=peer)
        assert (status, message) == (400, "(5, VOMS extension missing)")


def test_v2_refuses_a_vo_that_is_not_mapped(authority: Authority) -> None:
    peer = peer_of(authority.proxy(vos=("dteam",)))
    server = keystone("v2.0")
    response, document = ask(server, "POST", "/v2.0/tokens", VOMS, peer=peer)
    assert (response.status, document["error"]["message"]) == (401, "Your VO is not authorized")
    assert dict(response.headers)["WWW-Authenticate"] == f'Keystone uri="{URL}/v2.0"'


def test_v2_refuses_another_tenant(ops: Peer) -> None:
    body = {"auth": {"voms": True, "tenantName": "fedcloud.egi.eu"}}
    assert refused(keystone("v2.0"), "POST", "/v2.0/tokens", body, peer=ops)[0] == 401


def test_v2_refuses_attributes_that_have_expired(authority: Authority) -> None:
    peer = peer_of(authority.proxy(ac_lifetime=timedelta(minutes=-1)))
    assert refused(keystone("v2.0"), "POST", "/v2.0/tokens", VOMS, peer=peer)[1] == "(7, Error in time checking)"


def test_only_the_first_fqan_is_looked_up(authority: Authority) -> None:
    vo_map = {"/ops/Role=pilot/Capability=NULL": "pilots", "ops": "everybody"}
    server = keystone("v2.0", vo_map=vo_map)
    pilot, plain = "/ops/Role=pilot/Capability=NULL", "/ops/Role=NULL/Capability=NULL"
    for fqans, project in (([pilot, plain], "pilots"), ([plain, pilot], "everybody")):
        _, document = ask(server, "POST", "/v2.0/tokens", VOMS, peer=peer_of(authority.proxy(fqans=fqans)))
        _, tenants = ask(server, "GET", "/v2.0/tenants", X_Auth_Token=document["access"]["token"]["id"])
        assert [each["name"] for each in tenants["tenants"]] == [project]


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b'{"auth": 1}', b'{"auth": {"voms": true}'])
def test_malformed_bodies_are_400(ops: Peer, body: bytes) -> None:
    response = keystone("v2.0").app(Request("POST", "/v2.0/tokens", body=body, peer=ops))
    assert response.status == 400


# -- v3 ---------------------------------------------------------------------------------------------------


def test_v3_goes_from_the_login_over_the_projects_to_a_scoped_token(ops: Peer) -> None:
    server = keystone("v3", catalogue=lambda: {"occi": "https://localhost:8787/occi1.1"})
    unscoped = v3_login(server, ops)
    assert server.validate(unscoped) == (ROBOT_DN, None)

    _, document = ask(server, "GET", "/v3/auth/projects", X_Auth_Token=unscoped)
    (project,) = document["projects"]
    assert (project["name"], project["enabled"]) == ("ops", True)

    body = by_token(unscoped, {"project": {"id": project["id"]}})
    response, document = ask(server, "POST", "/v3/auth/tokens", body)
    assert (response.status, response.reason) == (201, "CREATED")
    scoped = dict(response.headers)["X-Subject-Token"]
    assert server.validate(scoped) == (ROBOT_DN, "ops")
    assert document["token"]["project"]["name"] == "ops"
    assert document["token"]["catalog"][0]["endpoints"][0]["url"] == "https://localhost:8787/occi1.1"
    assert document["token"]["methods"] == ["token", "mapped"]


def test_v3_takes_bearer_tokens_it_knows() -> None:
    server = keystone("v3", methods=("openid", "oidc"))
    server.register_access_token("secret", "robot@egi.eu", ("ops", "fedcloud.egi.eu", "unknown"))
    for path in (OPENID, OPENID.replace("openid", "oidc")):
        token = v3_login(server, None, path, Authorization="Bearer secret")
        _, document = ask(server, "GET", "/v3/auth/projects", X_Auth_Token=token)
        assert [each["name"] for each in document["projects"]] == ["ops", "fedcloud.egi.eu"]
    for value, error in (
        ("Bearer other", ("invalid_token", "JWT token could not be validated")),
        ("Basic secret", ("invalid_request", "No bearer token found in the request")),
    ):
        response, page = ask(server, "POST", OPENID, Authorization=value)
        assert (response.status, page) == (401, APACHE_401)
        challenge = dict(response.headers)["WWW-Authenticate"]
        assert challenge == 'Bearer error="{}", error_description="{}"'.format(*error)


def test_v3_takes_a_jwt_while_it_is_valid_and_of_the_providers_issuer() -> None:
    now = datetime.now(UTC)
    server = keystone("v3", clock=lambda: now)
    for seconds, issuer, status in ((60, ISSUER, 201), (-60, ISSUER, 401), (60, "https://elsewhere.example.org", 403)):
        token = planted.jwt(iss=issuer, exp=int(now.timestamp()) + seconds)
        server.register_access_token(token)
        assert ask(server, "POST", OPENID, Authorization=f"Bearer {token}")[0].status == status


def test_v3_tells_a_method_that_is_off_from_a_protocol_that_is_not_registered(ops: Peer) -> None:
    server = keystone("v3", methods=("mapped", "openid"), protocols=("mapped",))
    server.register_access_token("secret")
    response, document = ask(server, "POST", MAPPED.replace("mapped", "voms"), peer=ops)
    assert (response.status, document["error"]["message"]) == (
        401,
        "Attempted to authenticate with an unsupported method.",
    )
    assert {"mapped", "openid"} <= set(document["error"]["identity"]["methods"])
    message = refused(server, "POST", OPENID, Authorization="Bearer secret")
    assert message == (404, "Could not find Federated Protocol: openid.")


def test_v3_wants_a_domain_with_a_projects_name(ops: Peer) -> None:
    server = keystone("v3")
    unscoped = v3_login(server, ops)
    status, message = refused(server, "POST", "/v3/auth/tokens", by_token(unscoped, {"project": {"name": "ops"}}))
    assert (status, message.partition(".")[0]) == (400, "Expecting to find domain in project")
    for domain, status in (({"id": "default"}, 201), ({"name": "Default"}, 201), ({"id": "other"}, 401)):
        scope = {"project": {"name": "OPS", "domain": domain}}
        assert ask(server, "POST", "/v3/auth/tokens", by_token(unscoped, scope))[0].status == status


def test_v3_refuses_what_it_does_not_know(ops: Peer) -> None:
    server = keystone("v3")
    assert refused(server, "POST", MAPPED.replace("mapped", "saml2"), peer=ops)[0] == 401
    assert refused(server, "POST", MAPPED.replace("egi.eu", "elsewhere"), peer=ops)[0] == 404
    assert refused(server, "GET", "/v3/auth/projects", X_Auth_Token="nonsense")[0] == 401
    token = v3_login(server, ops)
    assert refused(server, "POST", "/v3/auth/tokens", by_token("nonsense"))[0] == 404
    body = by_token(token, {"project": {"id": "0" * 32}})
    assert refused(server, "POST", "/v3/auth/tokens", body)[0] == 401
    assert refused(server, "DELETE", "/v3/auth/projects")[0] == 405


def test_the_recorded_401_has_a_challenge_and_this_body() -> None:
    user = {"name": "nobody", "domain": {"id": "default"}, "password": "wrong"}
    body = {"auth": {"identity": {"methods": ["password"], "password": {"user": user}}}}
    response, document = ask(keystone("v3"), "POST", "/v3/auth/tokens", body)
    assert (response.status, response.reason) == (401, "UNAUTHORIZED")
    assert dict(response.headers)["WWW-Authenticate"] == f'Keystone uri="{URL}/v3"'
    assert document == {
        "error": {
            "code": 401,
            "message": "The request you have made requires authentication.",
            "title": "Unauthorized",
        }
    }


def test_tokens_expire_and_never_outlive_the_attributes(authority: Authority) -> None:
    now = datetime.now(UTC)
    server = keystone("v3", clock=lambda: now)
    token = v3_login(server, peer_of(authority.proxy(ac_lifetime=timedelta(hours=1))))
    assert server.validate(token)
    now += timedelta(hours=1, seconds=2)
    assert server.validate(token) is None


def test_a_scoped_token_ends_with_the_one_it_was_made_from(ops: Peer) -> None:
    now = datetime.now(UTC)
    server = keystone("v3", clock=lambda: now, lifetime=timedelta(hours=1))
    first = v3_login(server, ops)
    now += timedelta(minutes=30)
    _, document = ask(server, "POST", "/v3/auth/tokens", by_token(first, {"project": {"id": server.project_id("ops")}}))
    old = server.token(first)
    assert old is not None
    assert document["token"]["expires_at"] == old.expires.strftime("%Y-%m-%dT%H:%M:%S.000000Z")


def test_revoked_and_unknown_tokens_are_not_valid(ops: Peer) -> None:
    server = keystone("v3")
    token = v3_login(server, ops)
    server.revoke(token)
    assert [server.validate(each) for each in (token, "nonsense", "", None)] == [None] * 4


def test_a_token_can_be_looked_at(ops: Peer) -> None:
    server = keystone("v3")
    token = v3_login(server, ops)
    response, document = ask(server, "GET", "/v3/auth/tokens", X_Auth_Token=token, X_Subject_Token=token)
    assert (response.status, document["token"]["user"]["name"]) == (200, ROBOT_DN)


# -- Keystorm ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", [MAPPED, "/v3/auth/federation/voms"])
def test_keystorm_takes_get_only(ops: Peer, path: str) -> None:
    server = keystone("v3", style="keystorm")
    response, _ = ask(server, "POST", path, peer=ops)
    assert (response.status, dict(response.headers)["Allow"]) == (405, "GET")
    token = v3_login(server, ops, path, method="GET")
    _, document = ask(server, "GET", "/v3/auth/projects", X_Auth_Token=token)
    assert [(each["id"], each["name"]) for each in document["projects"]] == [("ops", "ops")]


def test_keystone_has_no_keystorm_paths(ops: Peer) -> None:
    assert ask(keystone("v3"), "GET", "/v3/auth/federation/voms", peer=ops)[0].status == 404


# -- faults -----------------------------------------------------------------------------------------------


def test_the_faults_are_in_the_common_catalogue() -> None:
    assert {name: fault.description for name, fault in FAULTS.items()}.items() <= CATALOGUE.items()


def test_ks_vo_unmapped(ops: Peer) -> None:
    server = keystone()
    server.faults.on("ks-vo-unmapped")
    assert refused(server, "POST", MAPPED, peer=ops)[0] == 401
    assert refused(server, "POST", "/v2.0/tokens", VOMS, peer=ops)[0] == 401


def test_ks_no_projects(ops: Peer) -> None:
    server = keystone()
    server.faults.on("ks-no-projects")
    token = v3_login(server, ops)
    assert ask(server, "GET", "/v3/auth/projects", X_Auth_Token=token)[1]["projects"] == []
    assert ask(server, "GET", "/v2.0/tenants", X_Auth_Token=token)[1]["tenants"] == []


def test_ks_no_token_header(ops: Peer) -> None:
    server = keystone()
    server.faults.on("ks-no-token-header")
    assert "X-Subject-Token" not in dict(ask(server, "POST", MAPPED, peer=ops)[0].headers)
    assert "id" not in ask(server, "POST", "/v2.0/tokens", VOMS, peer=ops)[1]["access"]["token"]


def test_ks_internal_href() -> None:
    server = keystone()
    server.faults.on("ks-internal-href")
    _, document = ask(server, "GET", "/")
    assert document["versions"]["values"][0]["links"][0]["href"] == "http://keystone.internal:5000/v3/"


def test_ks_versions_broken() -> None:
    server = keystone()
    server.faults.on("ks-versions-broken", times=1)
    assert ask(server, "GET", "/")[1] == {"versions": {"v3.14": "stable"}}
    assert "values" in ask(server, "GET", "/")[1]["versions"]


def test_ks_no_scope(ops: Peer) -> None:
    server = keystone()
    server.faults.on("ks-no-scope")
    body = by_token(v3_login(server, ops), {"project": {"id": server.project_id("ops")}})
    assert refused(server, "POST", "/v3/auth/tokens", body)[0] == 401


def test_ks_not_json() -> None:
    server = keystone()
    server.faults.on("ks-not-json")
    assert ask(server, "GET", "/v3")[1].startswith("<html>")


def test_ks_tokens_forgotten(ops: Peer) -> None:
    server = keystone()
    token = v3_login(server, ops)
    server.faults.on("ks-tokens-forgotten")
    assert server.validate(token) is None
