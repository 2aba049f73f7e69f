"""Keystone, OpenStack's identity service: a certificate or an access token for a project's token.

A cloud's 401 names its Keystone. Spoken are v2.0 with VOMS (keystone-voms) and v3 federated login,
also as Keystorm has it. A no ends nothing: versions, protocols and projects are tried until one lets us in, and
if none does, the first refusal of us is told. Who breaks off or does not answer is not asked further.

Only a Keystone of the endpoint's own domain, or one that was named to us, is talked to: else one site's answer could
make us carry another site's token to it. One that is outside of the domain serves others as well: what fails there is
no site's fault, and a HelperFailure.
Source: occi.md sections 10 and 13; OS-FEDERATION of the Identity API v3.
"""

from __future__ import annotations

import json
import re
from urllib.parse import quote

from libprobe import redact
from libprobe.clients import credentials
from libprobe.clients.redirects import SERVICE
from libprobe.clients.refusals import describe_attempt
from libprobe.failures import (
    Asked,
    BadData,
    EndpointFailure,
    Failure,
    HelperFailure,
    Misconfigured,
    OwnCredential,
    Rejected,
)
from libprobe.formats.access_token import read_claims
from libprobe.formats.address import Address, authority_of, host_port_of, read_http_url
from libprobe.formats.challenges import bearer_error
from libprobe.formats.error_text import in_short, status_words
from libprobe.records import Record
from libprobe.text import MAX_COMPARED_CHARS, some_to_choose

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from typing import Any

    from libprobe.clients.http import HttpClient, Response, ResponseHead
    from libprobe.failures import Kind

MAX_PROJECTS_TRIED = 5
MAX_TOLD = 20
VERSIONS = ("v3", "v2.0")
GATEWAY_FAILURES = (502, 503, 504)
"""Nobody is behind the web server: no other path of that version has to be waited for."""

REFUSALS = (EndpointFailure, OwnCredential, Misconfigured)
"""What may be a no, after which something else is tried, unless it is the end of an exchange."""

HELPER_SHARE = 0.5
"""Of the time that is left, what a Keystone of others may take: a site that is left a moment only is not to blame."""

_ID = re.compile(r"[A-Za-z0-9._@-]{1,64}")
"""Keystone's own are of 32 or 64 hexadecimal digits; its table has room for 64 characters."""

NEW_TOKEN = "get a new one of the issuer that the site trusts"

NEW_KEYSTONE_TOKEN = "get a new one of this Keystone"

REGISTRATION_KINDS = frozenset(
    ("ac", "co", "com", "edu", "go", "gob", "gouv", "gov", "gv", "mil", "ne", "net", "nom", "or", "org", "re", "sch")
)
"""The labels below a country's code that name what kind of owner registers there: `ac.uk`, `edu.au`, `or.at`, `re.kr`.

Source: the Public Suffix List (publicsuffix.org) of 2026-08-19, of whose countries ten or more have most of them; the
others are those of the federation's. A name of that form that is somebody's own after all has to be allowed by
--keystone. Suffixes that name a place, as `krakow.pl`, are not among them.
"""

DEFAULT_IDENTITY_PROVIDER = "egi.eu"

PASSWORD, APPLICATION_CREDENTIAL, TOKEN = "password", "application_credential", "token"

POSSIBLE_CAUSES = {
    PASSWORD: "wrong name, domain or password, or the user is disabled or locked",
    APPLICATION_CREDENTIAL: "wrong secret, expired, or its user has lost the roles",
    TOKEN: "expired, or of another Keystone",
}
"""What a Keystone does not say: its 401 is the same word for word."""


class LocalLogin(Record):
    """A login at Keystone itself, without federation.

    method: PASSWORD, APPLICATION_CREDENTIAL or TOKEN. data: what `identity` has of it; with its secret.
    who:    the same for people. file: where it stands, `cloud NAME of FILE`.
    """

    method: str
    data: dict[str, Any]
    who: str
    file: str


class LoginRequest(Record):
    """Whom to log in as, and to what.

    vo:      virtual organisation whose project is wanted; project: a project by name or id instead.
    token:   an OpenID Connect access token, used instead of the certificate.
    is_vo_given, is_provider_given: whether it was the operator who named it on the command line.
    trusted_keystone: a Keystone outside the endpoint's domain that may be talked to; empty for none.
    plain_hosts: hosts, as `credentials.host_name` has them, that get the project's token also over http.
    local_login: a login at Keystone itself, used instead of certificate and token.
    scope:    `scope` of a request for a token, where the file of the login names a project.
    protocol: the federation protocol that this file names; empty to try those that there are.
    file:     that file, as `LocalLogin` has it; empty where options and settings say how to log in.
    """

    vo: str
    project: str = ""
    token: str = ""
    identity_provider: str = DEFAULT_IDENTITY_PROVIDER
    trusted_keystone: str = ""
    is_provider_given: bool = False
    is_vo_given: bool = False
    plain_hosts: frozenset[str] = frozenset()
    local_login: LocalLogin | None = None
    scope: dict[str, Any] | None = None
    protocol: str = ""
    file: str = ""


class ProjectToken(Record):
    """A project-scoped token, a registered secret, and the project's name.

    caveat: that the project is none of the wanted VO, as far as can be seen; empty where it is.
    answer:  what v3 gave it with, in which its catalogue is; None of v2.0.
    """

    token: str
    project: str
    caveat: str = ""
    answer: Response | None = None

    @property
    def user(self) -> str:
        """The id of whose it is: two people behind two access tokens have two. Empty where none is told, as by v2.0."""
        return self._told_id("user")

    @property
    def project_id(self) -> str:
        """The project's id: two domains may have a project of one name. Empty where none is told, as by v2.0."""
        return self._told_id("project")

    def _told_id(self, of: str) -> str:
        document = self.answer.json() if self.answer else None
        held = document.get("token") if isinstance(document, dict) else None
        told = held.get(of) if isinstance(held, dict) else None
        found = told.get("id") if isinstance(told, dict) else None
        return found if isinstance(found, str) and _ID.fullmatch(found) else ""


class Keystone:
    """A Keystone on behalf of one endpoint.

    uri:  as the challenge has it; may end in nothing, `/`, `/v2.0` or `/v3`.
    only: the one version that is spoken, whatever the URI says; empty for any.
    Raises: Misconfigured for one that is not to be trusted with our login.
    """

    def __init__(
        self, http: HttpClient, uri: str, endpoint: str, login_request: LoginRequest, *, only: str = ""
    ) -> None:
        self._http = http
        self._login_request = login_request
        self._only = only
        base = re.sub(r"/+$", "", uri.strip())
        version = re.search(r"/(v2\.0|v3)$", base)
        self._hint = version.group(1) if version else ""
        self.base = base[: -len(self._hint) - 1] if version else base
        self._is_shared = not _is_of_site(self.base, endpoint, login_request.trusted_keystone)
        self._is_secure = read_http_url(self.base).is_secure
        self.asked = Asked(host_port_of(self.base), self.base)
        self._refusals: list[Failure] = []
        self._tried: list[str] = []
        self._has_given_token = False

    def login(self) -> ProjectToken:
        """Return a token for the wanted project. Raises: Failure; says which step was refused and why."""
        if not self._is_shared:
            return self._login()
        deadline = self._http.current_deadline()
        try:
            with self._http.using_deadline(deadline.earlier_by(deadline.remaining() * (1 - HELPER_SHARE))):
                return self._login()
        except EndpointFailure as failure:
            failure.more = (*failure.more, "the endpoint was not judged")
            raise failure.retold(HelperFailure, whom="outside Keystone") from None

    def login_with(self, token: str) -> ProjectToken:
        """The same by a token of this Keystone's that we have already, in its own project or another one.

        Raises: Failure; OwnCredential where it is not good (any longer).
        """
        if not self._is_secure:
            raise Misconfigured("no https: our Keystone token is not sent there", of=self.asked, link=", to")
        answer = self.inspect_token(token)
        if not answer.is_success:
            if answer.status == 404:
                self.expect_presence()
            if answer.status in (401, 404):
                reason = "our Keystone token is unknown or has ended"
                raise answer.failure(OwnCredential, reason=reason, remedy=NEW_KEYSTONE_TOKEN)
            raise self._refusal_failure(answer, "look at our Keystone token")
        projects = _project_of(answer)
        if projects and (not self._login_request.project or self._order_projects(projects)):
            return self._scope_to_first(projects, lambda project: (token, answer))
        return self._in_project_v3(token)

    def expect_presence(self) -> None:
        """After a 404, which may be a Keystone's word for what was asked: whether there is a Keystone at all.

        Its version is told to everybody. That is asked where only version 3 is spoken, of the Keystone looked at.
        Raises: EndpointFailure where that is a 404 too.
        """
        if not self._only:
            return
        try:
            answer = self._ask_for_version()
        except EndpointFailure:
            return  # what was said before is told
        if answer.status != 404:
            return
        path = f"/{'/'.join([*self.base.split('/')[3:], 'v3'])}"
        file = self._login_request.file
        raise answer.failure(
            EndpointFailure,
            reason=f"no Keystone at {path}",
            outcome=status_words(404),
            link="on",
            remedy=f"start it, or correct auth_url in {file}" if file else "start it, or correct the path of its URL",
            more=request_id(answer),
        )

    def is_surely_one(self, failure: EndpointFailure) -> bool:
        """Whether a Keystone is at this URL for certain: it has given us a token, or describes its version 3.

        Other services of a cloud answer a request for a token as well, with a 401 or a 404 of theirs.
        failure: of the login; who did not answer is not asked once more.
        """
        if self._has_given_token or failure.exchange:
            return self._has_given_token
        try:
            answer = self._ask_for_version()
        except Failure:
            return False
        return answer.is_success and "application/vnd.openstack.identity-v3" in answer.text

    def _ask_for_version(self) -> Response:
        return self._request("GET", "/v3", [("Accept", "application/json")])

    def inspect_token(self, token: str) -> Response:
        """What this Keystone says of a token of its own, whatever its status: 401 or 404 where it is not good."""
        headers = [("Accept", "application/json"), ("X-Auth-Token", token), ("X-Subject-Token", token)]
        return self._request("GET", "/v3/auth/tokens", headers, secret=True)

    def _login(self) -> ProjectToken:
        if self._login_request.local_login:
            return self._log_in_locally(self._login_request.local_login)
        if not self._login_request.token and self._http.credential is None:
            raise self._failure(
                OwnCredential,
                "VOMS proxy or access token wanted",
                link="by",
                also="we have none",
                remedy="give --cert or $X509_USER_PROXY, or --token-file",
            )
        if not self._login_request.token and not self._is_secure:
            raise self._failure(
                EndpointFailure,
                "no https, so nobody can show a certificate",
                link="to",
                remedy="name its https address in the header WWW-Authenticate",
            )
        for version in self._versions():
            try:
                login = self._login_v3() if version == "v3" else self._login_v2()
            except REFUSALS as refusal:
                self._keep_refusal(refusal)
            else:
                if login:
                    return login
        failure = most_relevant_refusal(self._refusals)
        if isinstance(failure, _NoProvider) and self._login_request.file:
            failure = self._failure(
                Misconfigured,
                f"no federated login for {self._login_request.identity_provider} and protocol "
                f"{self._login_request.protocol}, which {self._login_request.file} names,",
                remedy="ask the site for their names",
            )
        elif isinstance(failure, _NoProvider) and self._login_request.is_provider_given:
            failure = self._failure(
                Misconfigured,
                f"no federated login for {self._login_request.identity_provider}, which --identity-provider names,",
                remedy=f"leave it out for {DEFAULT_IDENTITY_PROVIDER}, or ask the site for its name",
            )
        failure.tried = tuple(self._tried)
        raise failure

    def _versions(self) -> list[str]:
        """The versions to try, the likeliest first: that of the challenge, else those it lists; then the other one."""
        if self._only:
            return [self._only]
        listed = [self._hint]
        if not self._hint:
            answer = self._request("GET", "/", [("Accept", "application/json")])
            listed = [version for version in VERSIONS if f'"{version[:2]}' in answer.text]
        others = [version for version in VERSIONS if version not in listed]
        return listed + [version for version in others if version == "v3" or not self._login_request.token]

    def _keep_refusal(self, refusal: Failure) -> None:
        """Remember a refusal and let the next way be tried.

        Raises: the refusal itself where the exchange failed without an answer.
        """
        if refusal.exchange:
            refusal.tried = tuple(self._tried)
            raise refusal
        self._refusals.append(refusal)
        self._note(refusal)

    def _note(self, refusal: Failure) -> None:
        """Keep for -v what was tried."""
        told = describe_attempt(refusal)
        if told not in self._tried and len(self._tried) < MAX_TOLD:
            self._tried.append(told)

    def _request(
        self, method: str, path: str, headers: list[tuple[str, str]], body: bytes | None = None, *, secret: bool = False
    ) -> Response:
        """One request, also where the answer sends it to another path of this Keystone, as to one with a slash."""
        url = self.base + path
        answer = self._http.request(method, url, headers=headers, body=body, secret_body=secret, follow=SERVICE)
        self._has_given_token = self._has_given_token or bool(answer.header("X-Subject-Token"))
        return answer

    # ---- v3, with a login of Keystone's own

    def _log_in_locally(self, login: LocalLogin) -> ProjectToken:
        """Log in once, and only then go for the project: so a refusal tells which of the two it was.

        A second attempt with a wrong password would bring the user nearer to being locked.
        """
        if not self._is_secure:
            raise self._failure(
                Misconfigured,
                f"no https, so the secret of {login.who} is not sent",
                link="to",
                remedy=f"correct auth_url in {login.file}",
            )
        auth: dict[str, Any] = {"identity": {"methods": [login.method], login.method: login.data}}
        is_chosen = bool(self._login_request.project or self._login_request.scope)
        if is_chosen and login.method != APPLICATION_CREDENTIAL:
            auth["scope"] = "unscoped"
        answer = self._post_login(auth)
        token = answer.header("X-Subject-Token")
        if not answer.is_success or not token:
            if answer.status == 404:
                self.expect_presence()
            raise self._local_refusal(answer, login)
        redact.register(token)
        return self._token_of_answer(login, token, answer) or self._in_project_v3(token)

    def _post_login(self, auth: dict[str, Any]) -> Response:
        headers = [("Accept", "application/json"), ("Content-Type", "application/json")]
        return self._request("POST", "/v3/auth/tokens", headers, json.dumps({"auth": auth}).encode(), secret=True)

    def _token_of_answer(self, login: LocalLogin, token: str, answer: Response) -> ProjectToken | None:
        """Return the token with the project that Keystone gave with it; None where it gave none.

        Raises: Misconfigured where that is not the one that was chosen.
        """
        projects = _project_of(answer)
        if not projects:
            return None
        name, wanted = projects[0]["name"], self._login_request
        if wanted.project and not self._order_projects(projects):
            raise self._failure(
                Misconfigured,
                f"{login.who} is for project {name}, and --project names {wanted.project},",
                link="says",
                remedy="leave out --project, or take one that is made for that project",
            )
        named = wanted.scope["project"] if wanted.scope else {}
        if named and projects[0]["id" if "id" in named else "name"] != named.get("id", named.get("name")):
            raise Misconfigured(
                f"{login.who} is for project {name}, and {login.file} names another one,",
                of=self.asked,
                link="says",
                remedy="correct the project there, or take it out",
                more=["an application credential has its own project"],
            )
        self._expect_project_of_vo(projects)
        return ProjectToken(token, name, "", answer)

    def _expect_project_of_vo(self, projects: list[dict[str, str]]) -> None:
        """Raises: Misconfigured for the project of a login that does not belong to the VO of --vo."""
        vo = self._login_request.vo
        if self._login_request.is_vo_given and _project_distance(projects[0]["name"], vo) >= UNRELATED_PROJECT:
            raise self._other_vo_failure(projects)

    def _local_refusal(self, answer: Response, login: LocalLogin) -> Failure:
        """Why a login of Keystone's own was refused: the first thing to doubt is our credential."""
        status, more = str(answer.status), request_id(answer) if self._only else ()
        if _is_method_missing(answer):
            return answer.failure(
                Misconfigured,
                reason=f"no login by {login.method}",
                outcome=status,
                link="on",
                also="[auth] methods there does not have it",
                remedy=f"take another auth_type in {login.file}",
                more=more,
            )
        if answer.status in (401, 403):
            return answer.failure(
                OwnCredential,
                reason=f"{login.who} refused",
                link="by",
                also=POSSIBLE_CAUSES[login.method],
                remedy=f"correct {login.file}",
                more=more,
            )
        if answer.status == 404 and answer.media_type == "application/json" and login.method != PASSWORD:
            return answer.failure(
                OwnCredential,
                reason=f"{login.who} unknown",
                outcome=status,
                link="on",
                also="it was deleted, or is of another Keystone",
                remedy=f"write a new one into {login.file}",
                more=more,
            )
        return self._refusal_failure(answer, "log in")

    def _in_configured_project(self, unscoped: str, scope: dict[str, Any]) -> ProjectToken:
        """The token for the project that the login's file names. Raises: Misconfigured where Keystone refuses it."""
        answer = self._post_scope(unscoped, scope)
        if answer.status == 401:
            raise answer.failure(
                Misconfigured,
                reason=f"logged in, but no access to the project of {self._login_request.file}",
                outcome="401",
                link="on",
                remedy=f"choose one that it offers, with its domain: {_some_names(self.projects(unscoped))}",
                more=request_id(answer),
            )
        token = self._project_token(answer)
        projects = _project_of(answer)
        if projects:
            self._expect_project_of_vo(projects)
        return ProjectToken(token, projects[0]["name"] if projects else "", "", answer)

    # ---- v3

    def _login_v3(self) -> ProjectToken | None:
        for unscoped in self._federated():
            try:
                return self._in_project_v3(unscoped)
            except REFUSALS as refusal:
                self._keep_refusal(refusal)
        return None

    def _in_project_v3(self, unscoped: str) -> ProjectToken:
        if self._login_request.scope and not self._login_request.project:
            return self._in_configured_project(unscoped, self._login_request.scope)
        return self._scope_to_first(self.projects(unscoped), lambda project: self._scope_v3(unscoped, project["id"]))

    def projects(self, token: str) -> list[dict[str, str]]:
        """Name and id of each project that whoever has a token of version 3 may act in. Raises: Failure."""
        try:
            answer = self._ask("GET", "/v3/auth/projects", "list our projects", token=token)
        except _NotOffered:  # by the first releases with federation
            answer = self._ask("GET", "/v3/OS-FEDERATION/projects", "list our projects", token=token)
        return _projects(answer, "projects")

    def _federated(self) -> Iterator[str]:
        """An unscoped token by each federation protocol that lets us in. Raises: _NotOffered where none is there."""
        provider = quote(self._login_request.identity_provider, safe="")
        if self._login_request.token:
            protocol = quote(self._login_request.protocol, safe="")
            protocols = (protocol,) if protocol else ("openid", "oidc")
            headers = [("Authorization", f"Bearer {self._bearer()}")]
        else:
            protocols, headers = ("mapped", "voms"), []
        headers.append(("Accept", "application/json"))  # who takes HTML is sent to a login page by mod_auth_openidc
        registered = [f"/v3/OS-FEDERATION/identity_providers/{provider}/protocols/{name}/auth" for name in protocols]
        others = [f"/v3/auth/federation/{name}" for name in reversed(protocols)]
        if self._login_request.protocol:
            others = []
        is_there, off = False, 0
        for path in registered + others:
            for method in ("POST", "GET"):  # Keystorm takes GET only, Keystone both
                answer = self._request(method, path, headers, secret=True)
                token = answer.header("X-Subject-Token")
                if answer.is_success and token:
                    is_there = True
                    yield redact.register(token)
                    break
                refusal = self._refused_token(answer) or self._refusal_failure(answer, "log in")
                if not isinstance(refusal, _NotOffered):
                    is_there = True
                    self._keep_refusal(refusal)
                    if answer.status in GATEWAY_FAILURES:
                        return
                    break
                self._note(refusal)
                if _is_method_missing(answer):
                    off += 1
                    break
        if not is_there and off == len(protocols) and not self._login_request.protocol:
            raise self._failure(
                _NotOffered,
                f"no login method switched on that we could use ({', '.join(protocols)})",
                remedy="switch one on in keystone.conf, [auth] methods",
            )
        if not is_there:
            self.expect_presence()
            raise self._failure(
                _NoProvider,
                f"no federated login for identity provider {self._login_request.identity_provider}",
                remedy="give --identity-provider if it has another name",
            )

    def _scope_v3(self, unscoped: str, project: str) -> tuple[str, Response]:
        answer = self._post_scope(unscoped, {"project": {"id": project}})
        return self._project_token(answer), answer

    def _post_scope(self, unscoped: str, scope: dict[str, Any]) -> Response:
        """Ask for a token of a project by one that we have."""
        return self._post_login({"identity": {"methods": ["token"], "token": {"id": unscoped}}, "scope": scope})

    def _project_token(self, answer: Response) -> str:
        """The token that was asked for so, a registered secret. Raises: Failure for a refusal."""
        token = answer.header("X-Subject-Token")
        if not answer.is_success or not token:
            raise self._refusal_failure(answer, "get a token for the project")
        return redact.register(token)

    # ---- v2.0

    def _login_v2(self) -> ProjectToken:
        if self._login_request.token:
            raise self._failure(_NotOffered, "only v2.0 offered, which takes no access token", link="by")
        credential = self._http.credential
        if credential and not credential.vos:
            raise self._blame_credential(self._failure(Rejected, "VOMS attributes wanted", link="by v2.0 of"))
        answer = self._ask("POST", "/v2.0/tokens", "log in with VOMS", body={"auth": {"voms": True}})
        unscoped = _token_v2(answer)
        listing = self._ask("GET", "/v2.0/tenants", "list our tenants", token=unscoped)
        return self._scope_to_first(_projects(listing, "tenants"), self._scope_v2)

    def _scope_v2(self, tenant: dict[str, str]) -> tuple[str, None]:
        wanted = {"auth": {"voms": True, "tenantName": tenant["name"]}}
        return _token_v2(self._ask("POST", "/v2.0/tokens", "get a token for the tenant", body=wanted)), None

    # ---- both

    def _scope_to_first(self, projects: list[dict[str, str]], scope: Any) -> ProjectToken:
        """Scope to the project that fits best, or to the next one that lets us."""
        failure: Failure | None = None
        for project in self._order_projects(projects)[:MAX_PROJECTS_TRIED]:
            caveat = self._caveat_on_project(project["name"], len(projects))
            if caveat and self._login_request.is_vo_given:
                failure = failure or self._other_vo_failure(projects)
                break
            try:
                token, answer = scope(project)
                return ProjectToken(token, project["name"], caveat, answer)
            except REFUSALS as refusal:
                if refusal.exchange:
                    raise
                self._note(refusal)
                failure = failure or refusal
        if failure:
            raise failure
        wanted = (
            f"project {self._login_request.project}"
            if self._login_request.project
            else f"a project for VO {self._login_request.vo}"
        )
        if self._login_request.project and projects:
            names = [project["name"][:MAX_COMPARED_CHARS] for project in projects]
            near = some_to_choose(self._login_request.project, names)
            raise self._failure(
                Misconfigured,
                f"no {wanted} for us, which --project names,",
                remedy=f"choose one that it offers: {near}",
            )
        also = f"logged in, and offered {_some_names(projects)}"
        raise self._blame_credential(self._failure(Rejected, f"no {wanted.removeprefix('a ')} for us", also=also))

    def _order_projects(self, projects: list[dict[str, str]]) -> list[dict[str, str]]:
        """The projects to try: the one of --project; else all, the nearer its name to the VO's the earlier."""
        login_request = self._login_request
        if login_request.project:
            return [project for project in projects if login_request.project in (project["name"], project["id"])]
        return sorted(projects, key=lambda project: _project_distance(project["name"], login_request.vo))

    def _caveat_on_project(self, project: str, offered: int) -> str:
        """Return the caveat on a project whose name is not one of the wanted VO; empty where it is.

        A site names its projects as it likes: the only one that it gives to whoever has that VO's attributes is meant.
        """
        login_request = self._login_request
        if login_request.project or _project_distance(project, login_request.vo) < UNRELATED_PROJECT:
            return ""
        if not login_request.token and offered == 1 and self._vos[:1] in ([], [login_request.vo]):
            return ""
        return f"acts in project {project}, which is not one of VO {login_request.vo} by its name{self._first_vo}"

    @property
    def _vos(self) -> list[str]:
        return self._http.credential.vos if self._http.credential else []

    @property
    def _first_vo(self) -> str:
        """Why a Keystone may have taken us for another VO's: most look at the first attributes only."""
        first = "" if self._login_request.token else next(iter(self._vos), "")
        return f"; the first VO of our proxy is {first}" if first not in ("", self._login_request.vo) else ""

    def _other_vo_failure(self, projects: list[dict[str, str]]) -> Failure:
        """Return the failure that none of the projects belongs to the VO that was named."""
        vo = self._login_request.vo
        reason, offered = f"no project of VO {vo}, which --vo names,", f"offered are {_some_names(projects)}"
        if self._first_vo:
            remedy = f"make one with voms-proxy-init --rfc --voms {vo}"
            return self._failure(OwnCredential, reason, also=offered + self._first_vo, remedy=remedy)
        whose = "; the access token's user may not be in it" if self._login_request.token else ""
        remedy = "if one of them is meant, name it with --project"
        return self._failure(Misconfigured, reason, also=offered + whose, remedy=remedy)

    def _failure(self, kind: type[Kind], reason: str, *, link: str = "on", also: str = "", remedy: str = "") -> Kind:
        """A failure of this Keystone as a whole."""
        return kind(reason, of=self.asked, link=link, also=also, remedy=remedy)

    def _bearer(self) -> str:
        if not self._is_secure:
            raise self._failure(Misconfigured, "no https, so the access token is not sent", link="to")
        return self._login_request.token

    def _ask(self, method: str, path: str, doing: str, *, token: str | None = None, body: object = None) -> Response:
        headers = [("Accept", "application/json")]
        if token:
            headers.append(("X-Auth-Token", token))
        if body is not None:
            headers.append(("Content-Type", "application/json"))
        data = None if body is None else json.dumps(body).encode()
        answer = self._request(method, path, headers, data, secret="token" in path)
        if not answer.is_success:
            raise self._refusal_failure(answer, doing)
        return answer

    def _refusal_failure(self, answer: Response, doing: str) -> Failure:
        """What an answer that is not what was asked for means; of a cloud's own Keystone with the request's name."""
        failure = self._refusal(answer, doing)
        if self._only:
            failure.more += request_id(answer)
        return failure

    def _refusal(self, answer: Response, doing: str) -> Failure:
        if answer.is_success:
            if answer.page_description:
                return answer.failure(EndpointFailure, doing)
            return answer.failure(BadData, doing, reason="no X-Subject-Token")
        if answer.redirect_words:
            return answer.failure(EndpointFailure, doing)
        if _is_method_missing(answer):
            return answer.failure(_NotOffered, doing)
        if answer.status == 400:  # of keystone-voms, for a proxy without attributes, or without its chain
            doubted = self._blame_credential(answer.failure(Rejected, doing))
            return doubted if isinstance(doubted, OwnCredential) else answer.failure(EndpointFailure, doing)
        if answer.status in (401, 403):
            told = bearer_error(answer.headers)
            if self._login_request.token and told and told[0] == "invalid_request":
                return answer.failure(Rejected, doing, also="the access token did not get through to what checks it")
            who = f"VO {self._login_request.vo}" if not self._login_request.token else "the access token's user"
            return self._blame_credential(answer.failure(Rejected, doing, also=f"{who} may not be mapped there"))
        if answer.status in (404, 405, 501):
            return answer.failure(_NotOffered, doing)
        return answer.failure(EndpointFailure, doing)

    def _blame_credential(self, refusal: Rejected) -> Failure:
        """Return a refusal as OwnCredential where servers may well refuse our certificate, else as it was."""
        credential = self._http.credential
        return (
            credential.blame_if_weak(refusal, self._login_request.vo)
            if credential and not self._login_request.token
            else refusal
        )

    def _refused_token(self, answer: Response) -> OwnCredential | None:
        """The refusal of the access token itself; None where there is none, or its user was refused and not the token.

        What stands before a Keystone says so in a challenge (RFC 6750). It says the same where the site cannot ask the
        issuer; then all tokens are refused there, and ours is not known to be good either.
        """
        from datetime import UTC, datetime

        token = self._login_request.token
        if not token or answer.status not in (400, 401, 403):
            return None
        told = bearer_error(answer.headers)
        if told and told[0] in ("invalid_token", "insufficient_scope"):
            words = _describe_token(token)
            return answer.failure(
                RefusedToken,
                reason="our access token refused",
                outcome=f'{answer.status} "{in_short(told[1] or told[0])}"',
                also=self._http.clock_skew_words,
                remedy=NEW_TOKEN,
                more=[f"our access token:{words}"] if words else (),
            )
        fault = credentials.token_problem(token, datetime.now(UTC), tolerance=0.0)
        if not fault and not told:
            fault = issuer_problem(token, self._login_request.identity_provider)
        return answer.failure(OwnCredential, "log in", also=fault, remedy=NEW_TOKEN) if fault else None


REQUEST_IDS = ("X-Openstack-Request-Id", "X-Compute-Request-Id", "X-Trans-Id")
"""What a site's administrators search their logs for, the likeliest first."""


def request_id(answer: ResponseHead) -> tuple[str, ...]:
    """The name of a request for whoever reads the site's logs, as a line for -v; none where there is none."""
    for name in REQUEST_IDS:
        value = (answer.header(name) or "").strip()
        if value.isascii() and value.isprintable() and 0 < len(value) <= 120:
            return (f"in the site's logs: {name} {value}",)
    return ()


def _is_method_missing(answer: Response) -> bool:
    """Whether Keystone has that protocol's login method switched off, or never heard of it."""
    return answer.status == 401 and "unsupported method" in answer.text[:4096]


def _describe_token(token: str) -> str:
    """What an access token says of itself, as it follows `our access token`."""
    claims = read_claims(token)
    if claims is None:
        return ""
    until = f" until {claims.expires:%Y-%m-%d %H:%M} UTC" if claims.expires else ""
    return f" {claims.describe()}".rstrip() + until


def issuer_problem(token: str, identity_provider: str) -> str:
    """That a token is not of the identity provider, where that has a domain for its name, as in EGI."""
    claims = read_claims(token)
    if claims is None or not claims.issuer or "." not in identity_provider:
        return ""
    try:
        host = read_http_url(claims.issuer).host
    except BadData:
        host = claims.issuer
    is_of_it = f".{host}".endswith(f".{identity_provider.lower()}")
    return "" if is_of_it else f"our access token is {claims.describe()}, which is not {identity_provider}"


class RefusedToken(OwnCredential):
    """What stands before a Keystone does not take our access token, or cannot find out whether to take it."""


class _NotOffered(EndpointFailure):
    """That version or protocol is not there; another one may be."""


class _NoProvider(_NotOffered):
    """The identity provider is not there."""


def most_relevant_refusal(failures: Sequence[Failure]) -> Failure:
    """Return the refusal to report: the first about our credential, else the first that is not just an absence."""

    def rank(failure: Failure) -> int:
        is_of_us = isinstance(failure, (Rejected, OwnCredential, Misconfigured))
        return 0 if is_of_us else 2 if isinstance(failure, _NotOffered) else 1

    return min(failures, key=rank)


UNRELATED_PROJECT = 3
"""The distance of a project's name from that of a VO of which it tells nothing."""


def _project_distance(project: str, vo: str) -> int:
    """How far a project's name is from a VO's: the same, with it as a word, with a part that is its own, or another.

    `EGI_ops` is of ops, and `devops` is not; `fedcloud` and `VO:fedcloud.egi.eu` are of fedcloud.egi.eu.
    """
    name, whole = project.lower(), vo.lower()
    if name == whole:
        return 0
    own = next((label for label in whole.split(".") if label != "vo"), whole)
    for distance, word in ((1, whole), (2, own)):
        if re.search(rf"(?<![a-z0-9]){re.escape(word)}(?![a-z0-9])", name):
            return distance
    return UNRELATED_PROJECT


def _some_names(projects: list[dict[str, str]]) -> str:
    return ", ".join(project["name"][:MAX_COMPARED_CHARS] for project in projects[:5]) or "none"


def _is_of_site(base: str, endpoint: str, trusted: str) -> bool:
    """Whether a Keystone is of the endpoint's own domain, not only one that was named to us.

    Raises: Misconfigured for one that is neither; BadData for anything but an address.
    """
    try:
        keystone, home = read_http_url(base), read_http_url(endpoint).host
    except BadData:
        raise BadData(f"Keystone that is no URL ({base[:60]!r})", of=_asked(endpoint), link="from") from None
    host = keystone.host
    if host == home or (_domain(host) and _domain(host) == _domain(home)):
        return True
    if trusted and _trusted_address(trusted)[1:] == keystone[1:]:
        return False
    named = f"{keystone.scheme}://{authority_of(base.partition('://')[2])}"
    other = f" (not {trusted}, which --keystone or probes.ini names)" if trusted else ""
    raise Misconfigured(
        f"Keystone outside its own domain named{other}",
        of=_asked(endpoint),
        link="by",
        remedy=f"if it is to be trusted, allow it with --keystone {named}",
    )


def _asked(endpoint: str) -> Asked:
    return Asked(host_port_of(endpoint), endpoint)


def _trusted_address(trusted: str) -> Address:
    """Read the address of the Keystone that the settings trust. Raises: Misconfigured."""
    try:
        return read_http_url(trusted)
    except BadData:
        raise Misconfigured(f"--keystone {trusted!r} is not a URL") from None


def _domain(host: str) -> str:
    """The domain of a host name: what follows its first label, if that has two labels or more itself.

    None where that is a suffix below which everybody registers, as `ac.uk`: two hosts there are of two owners.
    """
    rest = host.lower().partition(".")[2]
    if "." not in rest or rest.replace(".", "").isdigit() or ":" in host:
        return ""
    kind, _, country = rest.partition(".")
    return "" if kind in REGISTRATION_KINDS and len(country) == 2 else rest


def _projects(answer: Response, key: str) -> list[dict[str, str]]:
    document = answer.json()
    listed = document.get(key) if isinstance(document, dict) else None
    if not isinstance(listed, list):
        raise answer.bad_answer(f"no list of {key}", link="in the answer of")
    return _listed(listed)


def _project_of(answer: Response) -> list[dict[str, str]]:
    """The project of a token that an answer describes, alone in a list; empty for a token of no project."""
    document = answer.json()
    held = document.get("token") if isinstance(document, dict) else None
    return _listed([held["project"]]) if isinstance(held, dict) and "project" in held else []


def _listed(projects: list[Any]) -> list[dict[str, str]]:
    """Those of projects that can be read, and are not switched off."""
    return [
        {"name": each["name"], "id": each["id"]}
        for each in projects
        if isinstance(each, dict)
        and isinstance(each.get("name"), str)
        and isinstance(each.get("id"), str)
        and each.get("enabled", True) is not False
    ]


def _token_v2(answer: Response) -> str:
    document = answer.json()
    try:
        token = document["access"]["token"]["id"]
    except (KeyError, TypeError, IndexError):
        token = None
    if not isinstance(token, str) or not token:
        raise answer.bad_answer("no access.token.id", link="in the answer of")
    return redact.register(token)
