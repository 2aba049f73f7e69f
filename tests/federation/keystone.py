"""Keystone as cloud sites of the federation run it: v2.0 with keystone-voms, v3 with OS-FEDERATION, Keystorm.

Access tokens are judged by what stands before a Keystone, as by Apache with mod_auth_openidc.
Sources: recordings of Keystone (release Zed) behind Apache with mod_auth_openidc 2.4.12 for v3; keystone-voms
(keystone_voms/core.py) for v2.0; the Keystorm of the rOCCI project (app/controllers/v3, app/controllers/concerns)
for its style.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
import secrets
import threading
import uuid
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from .. import planted
from .authority import read_attributes, user_dn
from .faults import Fault, Faults, register
from .web import Request, Response

FAULTS = {
    "ks-vo-unmapped": Fault("Keystone maps no VO to a project: 401 at the login."),
    "ks-no-projects": Fault("Keystone lists no project (tenant) for the user."),
    "ks-no-token-header": Fault("Keystone gives a token without X-Subject-Token (v3) or token id (v2.0)."),
    "ks-internal-href": Fault(
        "The hrefs in Keystone's version list point elsewhere.", {"to": "http://keystone.internal:5000"}
    ),
    "ks-versions-broken": Fault("Keystone's version list is JSON of another shape."),
    "ks-no-scope": Fault("Keystone gives unscoped tokens only: 401 when asked for a project."),
    "ks-not-json": Fault("Keystone answers 200 with HTML where JSON is due."),
    "ks-introspection-down": Fault("What stands before Keystone cannot ask the issuer: no access token is good."),
    "ks-bearer-unsaid": Fault("A bad access token is refused in JSON, which does not mention the token."),
    "ks-bearer-stripped": Fault("The access token does not get through to Keystone."),
    "ks-provider-off": Fault("The identity provider is disabled in Keystone: 403."),
    "ks-role": Fault("The user has only the role `role` in each project.", {"role": "reader"}),
    "ks-catalogue": Fault("The catalogue of a v3 token is `catalogue`, in JSON.", {"catalogue": []}),
    "ks-unscoped": Fault("Keystone gives a token of no project, 201, when asked for one of a project."),
    "ks-tokens-forgotten": Fault("The endpoints no longer know the tokens Keystone has given."),
}
register(FAULTS)

VO_MAP = {"ops": "ops", "fedcloud.egi.eu": "fedcloud.egi.eu"}
UNAUTHENTICATED = "The request you have made requires authentication."
FORBIDDEN = "You are not authorized to perform the requested action."
NO_SCOPE = "Application credentials cannot request a scope."
NOT_SUPPORTED = "Attempted to authenticate with an unsupported method."
ASSUMED = (
    " The server could not comply with the request since it is either malformed or otherwise incorrect. The client is "
    "assumed to be in error."
)
CERTIFICATE_PROTOCOLS = ("mapped", "voms")
BEARER_PROTOCOLS = ("openid", "oidc")
ISSUER = "https://aai.egi.eu/auth/realms/egi"
APACHE_401 = """<!DOCTYPE HTML PUBLIC "-//W3C//DTD HTML 4.01//EN" "http://www.w3.org/TR/html4/strict.dtd">
<html><head>
<title>401 Unauthorized</title>
</head><body>
<h1>Unauthorized</h1>
<p>This server could not verify that you
are authorized to access the document
requested.  Either you supplied the wrong
credentials (e.g., bad password), or your
browser doesn't understand how to supply
the credentials required.</p>
</body></html>
"""


ROLES = ("member", "reader")
PRIVATE = "http://127.0.0.1:9"
"""Where the catalogue's internal and admin endpoints are: on the site's own network, over plain HTTP."""

Regions = Mapping[str, str]
"""Region -> public URL of a service; `{project}` in it becomes the id of the token's project."""


@dataclass(frozen=True)
class Token:
    """project: name, None for an unscoped token. projects: the names it may be scoped to."""

    id: str
    user: str
    projects: tuple[str, ...]
    project: str | None
    issued: datetime
    expires: datetime
    methods: tuple[str, ...]
    audit_ids: tuple[str, ...] = field(default_factory=lambda: (secrets.token_urlsafe(16),))
    roles: tuple[str, ...] = ROLES


@dataclass
class User:
    """A user of Keystone's own. projects: those it may act in. default: that of a login without scope."""

    name: str
    password: str
    projects: tuple[str, ...] = ("ops",)
    default: str | None = None
    domain: str = "default"
    is_enabled: bool = True

    @property
    def id(self) -> str:
        return user_id(self.name)


@dataclass
class ApplicationCredential:
    id: str
    name: str
    secret: str
    user: User
    project: str
    expires: datetime | None = None


class _Refused(Exception):
    """more: what stands beside code, message and title."""

    def __init__(self, status: int, message: str, **more: Any) -> None:
        super().__init__(message)
        self.status = status
        self.more = more


class _RefusedToken(Exception):
    """What stands before Keystone does not take the access token: an error of RFC 6750 and its description."""


class Keystone:
    """One Keystone and its tokens.

    versions: "v2.0", "v3" or both.
    style: "keystone", or "keystorm": version 3 only, login by GET, project ids equal to their names.
    lifetime: of tokens; a token never outlives the attributes it was given for.
    vo_map: FQAN or VO -> project. Only the first FQAN is looked up, as keystone-voms does, then the VO.
    url: returns scheme://host:port[/path] of this Keystone.
    catalogue: service type -> URL of RegionOne, or `Regions`; listed in scoped v3 tokens.
    methods: the federated login methods that are on; another one is refused as none that exists is.
    own_methods: likewise those of Keystone's own. logins: the bodies of all requests for a token, in their order.
    protocols: those that are registered with the identity provider. All that are on, by default.
    issuers: of access tokens that say whose they are, those that belong to the identity provider.
    """

    def __init__(
        self,
        versions: Iterable[str] = ("v2.0", "v3"),
        style: str = "keystone",
        *,
        url: Callable[[], str],
        lifetime: timedelta = timedelta(hours=24),
        vo_map: Mapping[str, str] | None = None,
        identity_provider: str = "egi.eu",
        catalogue: Callable[[], Mapping[str, str | Regions]] = dict,
        faults: Faults | None = None,
        methods: Sequence[str] | None = None,
        protocols: Sequence[str] | None = None,
        issuers: Sequence[str] = (ISSUER,),
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self.versions = frozenset(versions)
        if style not in ("keystone", "keystorm") or not self.versions <= {"v2.0", "v3"}:
            raise ValueError(f"no such Keystone: {style} {sorted(self.versions)}")
        self.style = style
        both = (*CERTIFICATE_PROTOCOLS, *BEARER_PROTOCOLS)
        self.methods = tuple(methods if methods is not None else both if style == "keystorm" else ("mapped", "openid"))
        self.protocols = tuple(self.methods if protocols is None else protocols)
        self.issuers = tuple(issuers)
        self.lifetime = lifetime
        self.vo_map = dict(VO_MAP if vo_map is None else vo_map)
        self.identity_provider = identity_provider
        self.faults = faults if faults is not None else Faults()
        self.tokens: dict[str, Token] = {}
        self._access_tokens: dict[str, tuple[str, tuple[str, ...]]] = {}
        self.forget_users()
        self._url = url
        self._catalogue = catalogue
        self._clock = clock
        self._lock = threading.Lock()

    @property
    def url(self) -> str:
        return self._url()

    def challenge(self, *, word: str = "Keystone", quote: str = '"', suffix: str | None = None) -> str:
        """Return the WWW-Authenticate value with which endpoints point here.

        suffix: what follows the URL; the only version, or nothing when there are two.
        """
        if suffix is None:
            suffix = "".join(f"/{version}" for version in self.versions) if len(self.versions) == 1 else ""
        return f"{word} uri={quote}{self.url}{suffix}{quote}"

    def register_access_token(
        self, access_token: str, user: str = "robot@egi.eu", vos: Sequence[str] = ("ops",)
    ) -> None:
        """Make a bearer token known, with the VOs its user is a member of."""
        with self._lock:
            self._access_tokens[access_token] = (user, tuple(vos))

    def forget_users(self) -> None:
        """Be without users of its own, as new, and switch its own methods on."""
        self.own_methods = ["external", "password", "token", "application_credential"]
        self.users: dict[str, User] = {}
        self.credentials: dict[str, ApplicationCredential] = {}
        self.logins: list[dict[str, Any]] = []

    def register_user(self, name: str, **more: Any) -> User:
        """Make a user of Keystone's own known."""
        user = self.users[name] = User(name, more.pop("password", planted.secret("password")), **more)
        return user

    def register_credential(
        self, user: User, project: str = "ops", expires: datetime | None = None
    ) -> ApplicationCredential:
        """Make an application credential of a user."""
        identifier = secrets.token_hex(16)
        made = ApplicationCredential(identifier, f"monitor-{identifier[:6]}", planted.secret("appcred"), user, project)
        made.expires = expires
        self.credentials[identifier] = made
        return made

    def token(self, token_id: str | None) -> Token | None:
        """Return a token that is known and not expired, scoped or not."""
        if self.faults.take("ks-tokens-forgotten") is not None:
            return None
        with self._lock:
            token = self.tokens.get(token_id or "")
        return token if token and token.expires > self._clock() else None

    def validate(self, token_id: str | None) -> tuple[str, str | None] | None:
        """Return (user, project) of a good token, the project None for an unscoped one."""
        token = self.token(token_id)
        return (token.user, token.project) if token else None

    def revoke(self, token_id: str) -> None:
        with self._lock:
            self.tokens.pop(token_id, None)

    def project_id(self, name: str) -> str:
        if self.style == "keystorm":
            return name
        return uuid.uuid5(uuid.NAMESPACE_URL, f"project/{name}").hex

    # -- the interface --

    def app(self, request: Request) -> Response:
        try:
            if self._fault("ks-not-json", request):
                return Response(200, [("Content-Type", "text/html")], b"<html><h1>It works!</h1></html>\n")
            return self._dispatch(request)
        except _Refused as refusal:
            return self._error(refusal.status, str(refusal), **refusal.more)
        except _RefusedToken as refusal:
            error, description = refusal.args
            challenge = f'Bearer error="{error}", error_description="{description}"'
            headers = [("WWW-Authenticate", challenge), ("Content-Type", "text/html; charset=iso-8859-1")]
            return Response(401, headers, APACHE_401.encode(), "Unauthorized")

    def _dispatch(self, request: Request) -> Response:
        path = request.path.rstrip("/")
        if path == "":
            return self._versions(request)
        version = path.split("/")[1]
        if version not in self.versions:
            return self._not_found()
        if path == f"/{version}":
            return self._allow(request, "GET") or self._json(200, {"version": self._version(request, version)})
        rest = path.removeprefix(f"/{version}")
        if version == "v2.0":
            return self._dispatch_v2(request, rest)
        return self._dispatch_v3(request, rest)

    def _dispatch_v2(self, request: Request, path: str) -> Response:
        match path:
            case "/tokens":
                return self._allow(request, "POST") or self._v2_token(request)
            case "/tenants":
                return self._allow(request, "GET") or self._v2_tenants(request)
        return self._not_found()

    def _dispatch_v3(self, request: Request, path: str) -> Response:
        if found := re.fullmatch(r"/OS-FEDERATION/identity_providers/([^/]+)/protocols/([^/]+)/auth", path):
            return self._federated(request, found[2], found[1])
        if self.style == "keystorm" and (found := re.fullmatch(r"/auth/federation/([^/]+)", path)):
            return self._federated(request, found[1])
        match path:
            case "/auth/projects" | "/OS-FEDERATION/projects":
                return self._allow(request, "GET") or self._v3_projects(request)
            case "/auth/tokens":
                return self._allow(request, "POST", "GET") or self._v3_tokens(request)
            case "/auth/catalog":
                return self._allow(request, "GET") or self._v3_catalogue(request)
        return self._not_found()

    def _fault(self, name: str, request: Request) -> bool:
        # A fault without parameters is an empty dict: only None says that it is off.
        return self.faults.take(name, request.method, request.path) is not None

    # -- versions --

    def _versions(self, request: Request) -> Response:
        if response := self._allow(request, "GET"):
            return response
        if self._fault("ks-versions-broken", request):
            return self._json(300, {"versions": {"v3.14": "stable"}})
        values = [self._version(request, version) for version in sorted(self.versions, reverse=True)]
        location = values[0]["links"][0]["href"]
        response = self._json(300, {"versions": {"values": values}}, ("Location", location))
        response.reason = "MULTIPLE CHOICES"
        return response

    def _version(self, request: Request, version: str) -> dict[str, Any]:
        fault = self.faults.take("ks-internal-href", request.method, request.path)
        href = f"{fault['to'] if fault else self.url}/{version}/"
        identifier, updated = ("v3.14", "2020-04-07") if version == "v3" else ("v2.0", "2014-04-17")
        media = f"application/vnd.openstack.identity-{'v3' if version == 'v3' else 'v2.0'}+json"
        return {
            "id": identifier,
            "status": "stable",
            "updated": f"{updated}T00:00:00Z",
            "links": [{"rel": "self", "href": href}],
            "media-types": [{"base": "application/json", "type": media}],
        }

    # -- v2.0 with VOMS --

    def _v2_token(self, request: Request) -> Response:
        auth = _object(self._body(request).get("auth"))
        if "voms" in auth:
            if auth["voms"] is not True:
                raise _Refused(400, "Error in JSON, 'voms' must be set to true")
            user, project, expires = self._voms_login(request)
        else:  # plain Keystone: a token for a token, with no certificate
            old = self.token(str(_object(auth.get("token", {})).get("id")))
            if old is None:
                raise _Refused(401, UNAUTHENTICATED)
            user, project, expires = old.user, old.projects[0], old.expires
        asked = auth.get("tenantName")
        if asked is None and auth.get("tenantId") is not None:
            asked = project if auth["tenantId"] == self.project_id(project) else ""
        if asked is not None and asked != project:
            raise _Refused(401, UNAUTHENTICATED)
        if asked is not None and self._fault("ks-no-scope", request):
            raise _Refused(401, UNAUTHENTICATED)
        token = self._issue(user, (project,), project if asked is not None else None, expires, ("voms",))
        answer: dict[str, Any] = {
            "token": {
                # The two stamps differ in form in the real answer as well.
                "issued_at": token.issued.strftime("%Y-%m-%dT%H:%M:%S.%f"),
                "expires": token.expires.strftime("%Y-%m-%dT%H:%M:%SZ"),
                "id": token.id,
            },
            "serviceCatalog": [],
            "user": {"username": user, "roles_links": [], "id": user_id(user), "roles": [], "name": user},
            "metadata": {"is_admin": 0, "roles": []},
        }
        if token.project is not None:
            answer["token"]["tenant"] = self._tenant(token.project)
            answer["user"]["roles"] = [{"name": "_member_"}]
            answer["serviceCatalog"] = [
                {
                    "endpoints": [{"adminURL": url, "internalURL": url, "publicURL": url, "region": "RegionOne"}],
                    "endpoints_links": [],
                    "type": kind,
                    "name": kind,
                }
                for kind, url in self._catalogue().items()
            ]
        if self._fault("ks-no-token-header", request):
            del answer["token"]["id"]
        return self._json(200, {"access": answer})

    def _v2_tenants(self, request: Request) -> Response:
        token = self._required_token(request)
        names = () if self._fault("ks-no-projects", request) else token.projects
        return self._json(200, {"tenants_links": [], "tenants": [self._tenant(name) for name in names]})

    def _tenant(self, name: str) -> dict[str, Any]:
        return {"description": f"{name} VO", "enabled": True, "id": self.project_id(name), "name": name}

    # -- v3 --

    def _federated(self, request: Request, protocol: str, provider: str = "") -> Response:
        methods = ("GET",) if self.style == "keystorm" else ("GET", "POST")
        if response := self._allow(request, *methods):
            return response
        # Apache is asked before Keystone is
        bearer = self._access_token(request) if protocol in BEARER_PROTOCOLS and protocol in self.methods else ""
        if protocol not in self.methods:
            if self.style == "keystorm":
                raise _Refused(404, "Not Found")
            known = ["external", "password", "token", *self.methods, "application_credential"]
            raise _Refused(401, NOT_SUPPORTED, identity={"methods": known})
        if provider not in ("", self.identity_provider):
            raise _Refused(404, f"Could not find Identity Provider: {provider}.")
        if protocol not in self.protocols:
            raise _Refused(404, f"Could not find Federated Protocol: {protocol}.")
        if self._fault("ks-provider-off", request):
            raise _Refused(403, FORBIDDEN)
        if protocol in BEARER_PROTOCOLS:
            user, projects, expires = self._bearer_login(request, bearer)
        else:
            try:
                user, project, expires = self._voms_login(request)
            except _Refused:
                if self.style == "keystorm":
                    raise
                # a mapping that matches nothing is all that Keystone sees of any of this
                raise _Refused(401, UNAUTHENTICATED) from None
            projects = (project,)
        token = self._issue(user, projects, None, expires, (protocol,))
        return self._v3_answer(request, token, protocol)

    def _v3_projects(self, request: Request) -> Response:
        token = self._required_token(request)
        names = () if self._fault("ks-no-projects", request) else token.projects
        projects = [
            {
                "id": self.project_id(name),
                "name": name,
                "domain_id": "default",
                "description": f"{name} VO",
                "enabled": True,
                "parent_id": "default",
                "is_domain": False,
                "tags": [],
                "options": {},
                "links": {"self": f"{self.url}/v3/projects/{self.project_id(name)}"},
            }
            for name in names
        ]
        links = {"next": None, "self": f"{self.url}/v3/auth/projects", "previous": None}
        return self._json(200, {"projects": projects, "links": links})

    def _v3_tokens(self, request: Request) -> Response:
        if request.method == "GET":
            self._required_token(request)
            subject = self.token(request.headers.get("X-Subject-Token"))
            if subject is None:
                raise _Refused(404, "Could not find token.")
            return self._v3_answer(request, subject, None, status=200)
        auth = _object(self._body(request).get("auth"))
        self.logins.append(auth)
        identity = _object(auth.get("identity"))
        method = (identity.get("methods") or [""])[0]
        if method not in self.own_methods:
            known = [*self.own_methods, *self.methods]
            raise _Refused(401, NOT_SUPPORTED, identity={"methods": known})
        if method == "password":
            return self._password(request, identity, auth.get("scope"))
        if method == "application_credential":
            return self._application_credential(request, identity, auth.get("scope"))
        if identity.get("methods") != ["token"]:
            raise _Refused(401, UNAUTHENTICATED)
        old = self.token(str(_object(identity.get("token")).get("id")))
        if old is None:
            raise _Refused(404, "Could not recognize Fernet token")
        scope = auth.get("scope", "unscoped")
        project = None
        if scope != "unscoped":
            if self._fault("ks-no-scope", request):
                raise _Refused(401, UNAUTHENTICATED)
            wanted = _object(_object(scope).get("project"))
            project = self._wanted_project(wanted, old.projects)
            if project is None:
                raise _Refused(401, UNAUTHENTICATED)
            if self._fault("ks-unscoped", request):
                project = None
        # As in Keystone, a token made from a token ends when the first one does.
        methods = tuple(dict.fromkeys(("token", *old.methods)))
        only = self.faults.take("ks-role", request.method, request.path)
        roles = (str(only["role"]),) if only else ROLES
        token = self._issue(old.user, old.projects, project, old.expires, methods, old.audit_ids, roles)
        return self._v3_answer(request, token, None)

    def _user(self, wanted: dict[str, Any]) -> User | None:
        """The user that a request means, by id, or by name in its domain. Raises: _Refused without a domain."""
        if "id" in wanted:
            return next((user for user in self.users.values() if user.id == wanted["id"]), None)
        if not wanted.get("domain"):
            raise _Refused(400, f"Expecting to find domain in user.{ASSUMED}")
        user = self.users.get(str(wanted.get("name")))
        domain = _object(wanted["domain"])
        names = {domain.get("id", ""), str(domain.get("name", "")).lower()}
        return user if user and user.domain in names else None

    def _password(self, request: Request, identity: dict[str, Any], scope: Any) -> Response:
        wanted = _object(_object(identity.get("password")).get("user"))
        user = self._user(wanted)
        if user is None or not user.is_enabled or wanted.get("password") != user.password:
            raise _Refused(401, UNAUTHENTICATED)
        project = user.default if scope is None else None
        if isinstance(scope, dict):
            project = self._wanted_project(_object(scope.get("project")), user.projects)
            if project is None:
                raise _Refused(401, UNAUTHENTICATED)
        end = self._clock() + self.lifetime
        return self._v3_answer(request, self._issue(user.name, user.projects, project, end, ("password",)), None)

    def _application_credential(self, request: Request, identity: dict[str, Any], scope: Any) -> Response:
        wanted = _object(identity.get("application_credential"))
        if "id" in wanted:
            found = self.credentials.get(str(wanted["id"]))
            if found is None:
                raise _Refused(404, f"Could not find Application Credential: {wanted['id']}.")
        else:
            user = self._user(_object(wanted.get("user")))
            named = (each for each in self.credentials.values() if each.user is user)
            found = next((each for each in named if each.name == wanted.get("name")), None)
        if found is None or found.secret != wanted.get("secret") or not found.user.is_enabled:
            raise _Refused(401, UNAUTHENTICATED)
        if (found.expires and found.expires <= self._clock()) or found.project not in found.user.projects:
            raise _Refused(401, UNAUTHENTICATED)
        if scope is not None:
            raise _Refused(401, f"Error authenticating with application credential: {NO_SCOPE}", identity={})
        end = self._clock() + self.lifetime
        ends = min(end, found.expires) if found.expires else end
        methods = ("application_credential",)
        token = self._issue(found.user.name, (found.project,), found.project, ends, methods)
        return self._v3_answer(request, token, None)

    def _v3_catalogue(self, request: Request) -> Response:
        token = self._required_token(request)
        if token.project is None:
            raise _Refused(403, "You are not authorized to perform the requested action: identity:get_auth_catalog.")
        catalogue = self._endpoints(request, token.project)
        return self._json(200, {"catalog": catalogue, "links": {"self": f"{self.url}/v3/auth/catalog"}})

    def _endpoints(self, request: Request, project: str) -> list[dict[str, Any]]:
        if (fault := self.faults.take("ks-catalogue", request.method, request.path)) is not None:
            return json.loads(fault["catalogue"]) if isinstance(fault["catalogue"], str) else fault["catalogue"]
        return [_catalogue_entry(kind, where, self.project_id(project)) for kind, where in self._catalogue().items()]

    def _wanted_project(self, wanted: dict[str, Any], projects: Sequence[str]) -> str | None:
        """The project that a scope means; a name needs its domain, and is compared without case."""
        if "name" not in wanted:
            return {self.project_id(name): name for name in projects}.get(str(wanted.get("id")))
        domain = _object(wanted.get("domain", {}))
        if not domain:
            raise _Refused(400, f"Expecting to find domain in project.{ASSUMED}")
        if domain.get("id", "default") != "default" or str(domain.get("name", "Default")).lower() != "default":
            return None
        return next((name for name in projects if name.lower() == str(wanted["name"]).lower()), None)

    def _v3_answer(self, request: Request, token: Token, protocol: str | None, *, status: int = 201) -> Response:
        user: dict[str, Any] = {
            "domain": {"id": "Federated", "name": "Federated"},
            "id": user_id(token.user),
            "name": token.user,
        }
        if protocol is not None:
            user["OS-FEDERATION"] = {
                "identity_provider": {"id": self.identity_provider},
                "protocol": {"id": protocol},
                "groups": [{"id": self.project_id(name)} for name in token.projects],
            }
        answer: dict[str, Any] = {
            "methods": list(token.methods),
            "user": user,
            "audit_ids": list(token.audit_ids),
            "expires_at": token.expires.strftime(self.form_of_end(token)),
            "issued_at": token.issued.strftime("%Y-%m-%dT%H:%M:%S.000000Z"),
        }
        if token.project is not None:
            domain = {"id": "default", "name": "Default"}
            answer |= {
                "project": {
                    "domain": domain,
                    "id": self.project_id(token.project),
                    "name": token.project,
                },
                "is_domain": False,
                "roles": [_role(name) for name in token.roles],
                "catalog": self._endpoints(request, token.project),
            }
        headers = [] if self._fault("ks-no-token-header", request) else [("X-Subject-Token", token.id)]
        return self._json(status, {"token": answer}, *headers)

    def form_of_end(self, token: Token) -> str:
        """That of a token which ends with its application credential is another one, in Keystone too."""
        ends = {each.expires for each in self.credentials.values()}
        return "%Y-%m-%dT%H:%M:%S" if token.expires in ends else "%Y-%m-%dT%H:%M:%S.000000Z"

    # -- logins --

    def _voms_login(self, request: Request) -> tuple[str, str, datetime]:
        """Return user DN, project and end of the attributes behind a client certificate.

        Raises: _Refused as keystone-voms words it: VOMS error 5 and 7, the mapping.
        """
        if request.peer is None:
            raise _Refused(400, f"Expecting to find SSL data in openstack.context.{ASSUMED}")
        try:
            attributes = read_attributes(request.peer.chain)
        except (ValueError, IndexError):
            raise _Refused(500, "(12, Parse error)") from None
        if not attributes or len(request.peer.chain) < 2:
            raise _Refused(400, "(5, VOMS extension missing)")
        first = attributes[0]
        now = self._clock()
        if not first.not_before <= now < first.not_after:
            raise _Refused(500, "(7, Error in time checking)")
        project = self.vo_map.get(first.fqans[0] if first.fqans else "") or self.vo_map.get(first.vo)
        if project is None or self._fault("ks-vo-unmapped", request):
            raise _Refused(401, "Your VO is not authorized")
        return user_dn(request.peer.chain), project, min(now + self.lifetime, first.not_after)

    def _access_token(self, request: Request) -> str:
        """The access token that was sent, if it is good. Raises: _RefusedToken, as mod_auth_openidc words it."""
        word, _, value = (request.headers.get("Authorization") or "").partition(" ")
        if word.lower() != "bearer" or self._fault("ks-bearer-stripped", request):
            raise _RefusedToken("invalid_request", "No bearer token found in the request")
        if self._fault("ks-introspection-down", request):
            raise _RefusedToken("invalid_token", "Reference token could not be introspected")
        token = value.strip()
        ends = _claims(token).get("exp")
        with self._lock:
            is_good = token in self._access_tokens
        if not is_good or (ends is not None and ends <= self._clock().timestamp()):
            if self._fault("ks-bearer-unsaid", request):
                raise _Refused(401, UNAUTHENTICATED)
            raise _RefusedToken("invalid_token", "JWT token could not be validated")
        return token

    def _bearer_login(self, request: Request, token: str) -> tuple[str, tuple[str, ...], datetime]:
        if _claims(token).get("iss", self.issuers[0]) not in self.issuers:
            raise _Refused(403, FORBIDDEN)
        with self._lock:
            user, vos = self._access_tokens[token]
        projects = tuple(dict.fromkeys(self.vo_map[vo] for vo in vos if vo in self.vo_map))
        if not projects or self._fault("ks-vo-unmapped", request):
            raise _Refused(401, UNAUTHENTICATED)
        return user, projects, self._clock() + self.lifetime

    def _required_token(self, request: Request) -> Token:
        token = self.token(request.headers.get("X-Auth-Token"))
        if token is None:
            raise _Refused(401, UNAUTHENTICATED)
        return token

    def _issue(
        self,
        user: str,
        projects: Sequence[str],
        project: str | None,
        expires: datetime,
        methods: tuple[str, ...],
        parents: tuple[str, ...] = (),
        roles: tuple[str, ...] = ROLES,
    ) -> Token:
        issued = self._clock()
        audit_ids = (secrets.token_urlsafe(16), *parents[-1:])
        token = Token(_token_id(self.style), user, tuple(projects), project, issued, expires, methods, audit_ids, roles)
        with self._lock:
            self.tokens[token.id] = token
        return token

    # -- answers --

    def _body(self, request: Request) -> dict[str, Any]:
        try:
            parsed = json.loads(request.body)
        except ValueError:
            raise _Refused(400, "Malformed json in request body") from None
        return _object(parsed)

    def _allow(self, request: Request, *methods: str) -> Response | None:
        """Return the refusal of a method that is not among those given."""
        if request.method in methods or (request.method == "HEAD" and "GET" in methods):
            return None
        response = self._error(405, "The method is not allowed for the requested URL.")
        response.headers.append(("Allow", ", ".join(methods)))
        return response

    def _not_found(self) -> Response:
        if self.style == "keystorm":
            return self._error(404, "Not Found")
        page = (
            "<!doctype html>\n<html lang=en>\n<title>404 Not Found</title>\n<h1>Not Found</h1>\n<p>The "
            "requested URL was not found on the server. If you entered the URL manually please check your "
            "spelling and try again.</p>\n"
        )
        headers = [("Content-Type", "text/html; charset=utf-8"), *self._common_headers()]
        return Response(404, headers, page.encode(), "NOT FOUND")

    def _error(self, status: int, message: str, **more: Any) -> Response:
        titles = {
            400: "Bad Request",
            401: "Unauthorized",
            403: "Forbidden",
            404: "Not Found",
            405: "Method Not Allowed",
        }
        title = titles.get(status, "Unexpected Error")
        extra = []
        if status == 401:
            extra = [("WWW-Authenticate", self.challenge())]
        response = self._json(status, {"error": {"code": status, **more, "message": message, "title": title}}, *extra)
        response.reason = title.upper()
        return response

    def _json(self, status: int, document: Any, *headers: tuple[str, str]) -> Response:
        fields = [("Content-Type", "application/json"), *headers, *self._common_headers()]
        reason = {200: "OK", 201: "CREATED"}.get(status)
        return Response(status, fields, json.dumps(document).encode(), reason)

    def _common_headers(self) -> list[tuple[str, str]]:
        return [("Vary", "X-Auth-Token"), ("x-openstack-request-id", f"req-{uuid.uuid4()}")]


def _object(value: Any) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise _Refused(400, "Invalid input: a JSON object is expected.")
    return value


def _claims(token: str) -> dict[str, Any]:
    """What a JSON web token says; nothing for an opaque one."""
    try:
        encoded = token.split(".")[1]
        return dict(json.loads(base64.urlsafe_b64decode(encoded + "==")))
    except (IndexError, ValueError, TypeError):
        return {}


def user_id(name: str) -> str:
    """By what Keystone knows the user of a name."""
    return hashlib.sha1(name.encode(), usedforsecurity=False).hexdigest()


def _short_id(name: str) -> str:
    return uuid.uuid5(uuid.NAMESPACE_URL, name).hex


def _token_id(style: str) -> str:
    # Fernet tokens begin with the base64 of their version byte; Keystorm's are encrypted and base64 too.
    body = base64.urlsafe_b64encode(secrets.token_bytes(96)).decode("ascii")
    return planted.MARK + body if style == "keystorm" else f"gAAAAA{planted.MARK}{body}"


def _role(name: str) -> dict[str, Any]:
    more = {"domain_id": None, "description": None, "options": {"immutable": True}}
    return {"id": _short_id(f"role/{name}"), "name": name, **more}


NAMES = {"compute": "nova", "image": "glance", "network": "neutron", "object-store": "swift", "identity": "keystone"}


def _catalogue_entry(kind: str, where: str | Regions, project: str) -> dict[str, Any]:
    """One service of the catalogue; as in a real one, its endpoints are in the order of their ids, which are random."""
    regions = {"RegionOne": where} if isinstance(where, str) else where
    endpoints = [
        {
            "id": _short_id(f"{kind}/{region}/{interface}"),
            "interface": interface,
            "region_id": region,
            "url": url.replace("{project}", project) if interface == "public" or isinstance(where, str) else PRIVATE,
            "region": region,
        }
        for region, url in regions.items()
        for interface in ("public", "internal", "admin")
    ]
    endpoints.sort(key=lambda each: each["id"])
    return {"endpoints": endpoints, "id": _short_id(kind), "type": kind, "name": NAMES.get(kind, kind)}
