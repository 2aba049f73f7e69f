"""An access token for what outlives it: a refresh token, by its issuer, or a mytoken, by the server that gave it.

    GET  ISSUER/.well-known/openid-configuration    {"issuer", "token_endpoint"}
    POST token_endpoint   grant_type=refresh_token&refresh_token=...&client_id=...
    GET  SERVER/.well-known/mytoken-configuration   {"access_token_endpoint"}
    POST access_token_endpoint   {"grant_type": "mytoken", "mytoken": "..."}
    200  {"access_token", "token_type": "Bearer"}       400, 401  {"error", "error_description"}

What we come with goes to the issuer that was named, and where its own document says, over TLS only. Both are helpers:
what fails there says nothing of a site. A refusal is ours, where it is about what we came with.
Source: OpenID Connect Discovery 1.0; RFC 6749 sections 5.2 and 6; the API of oidc-mytoken (v0).
"""

from __future__ import annotations

import json
from urllib.parse import urlencode

from libprobe import redact
from libprobe.failures import Asked, BadData, EndpointFailure, HelperFailure, Misconfigured, OwnCredential
from libprobe.formats.access_token import describe_other_content
from libprobe.formats.address import host_port_of, read_http_url
from libprobe.formats.excerpt import excerpt

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from libprobe.clients.http import HttpClient, Response
    from libprobe.failures import Failure

DISCOVERY, MYTOKEN_DISCOVERY = "/.well-known/openid-configuration", "/.well-known/mytoken-configuration"
HELPER_SHARE = 0.25
"""Of the time that is left, what an issuer may take."""

OF_OURS = ("invalid_grant", "invalid_token", "expired_token", "access_denied", "usage_restricted")
"""Errors about the refresh token or mytoken itself."""

OF_CLIENT = ("invalid_client", "unauthorized_client", "invalid_scope", "insufficient_capabilities", "invalid_request")
"""Errors about how it is used."""

MAX_SAID = 80


class AccessTokenIssuer:
    """Who gives access tokens for something that we have.

    what: a word for that, `refresh token` or `mytoken`. whom: what is asked, for a sentence.
    """

    what, whom = "refresh token", "issuer"
    client_remedy = (
        "correct --client-id",
        "it has to be the client that the refresh token was given to, and one without a secret",
    )
    discovery = DISCOVERY
    endpoint = "token_endpoint"

    def __init__(self, http: HttpClient, url: str, client_id: str = "") -> None:
        self._http = http
        self._url = url.rstrip("/")
        self._client_id = client_id

    def renew(self, secret: str, path: str) -> str:
        """An access token, a registered secret. path: of the file that the secret is from, for the remedy.

        Raises: OwnCredential where what we have is refused; Misconfigured; HelperFailure for what else fails.
        """
        deadline = self._http.current_deadline()
        try:
            with self._http.using_deadline(deadline.earlier_by(deadline.remaining() * (1 - HELPER_SHARE))):
                answer = self._post(self._found(), secret)
            if not answer.is_success:
                raise self._refused(answer, path)
            return self._read(answer)
        except EndpointFailure as failure:
            failure.more = (*failure.more, "no site was judged")
            raise failure.retold(HelperFailure, whom=self.whom) from None

    def _found(self) -> str:
        """Where tokens are given. Raises: Failure."""
        self._require_tls(self._url)
        url = self._url + self.discovery
        answer = self._http.request("GET", url, headers=[("Accept", "application/json")], follow=None)
        if not answer.is_success:
            raise answer.failure(EndpointFailure, "say where it gives tokens")
        document = answer.json()
        found = document.get(self.endpoint) if isinstance(document, dict) else None
        if not isinstance(found, str):
            raise answer.bad_answer(f"no {self.endpoint}", link="in the answer of")
        issuer = document.get("issuer")
        if isinstance(issuer, str) and issuer.rstrip("/") != self._url:
            raise Misconfigured(
                f"issuer {excerpt(issuer, MAX_SAID)} instead of the one named, so our {self.what} is not sent,",
                of=answer,
                remedy="name the issuer as it does itself",
            )
        self._require_tls(found, by=answer.place)
        return found

    def _require_tls(self, url: str, by: str = "") -> None:
        """by: the place that names this URL; empty where an option or a setting does. Raises: Misconfigured."""
        if not read_http_url(url).is_secure:
            raise Misconfigured(
                f"no https, so our {self.what} is not sent",
                of=Asked(host_port_of(url), url),
                link="to",
                also=f"{by} names it" if by else "",
                remedy="" if by else "name its https address",
            )

    def _post(self, url: str, secret: str) -> Response:
        fields = {"grant_type": "refresh_token", "refresh_token": secret, "client_id": self._client_id}
        return self._ask(url, "application/x-www-form-urlencoded", urlencode(fields))

    def _ask(self, url: str, kind: str, body: str) -> Response:
        headers = [("Accept", "application/json"), ("Content-Type", kind)]
        return self._http.request("POST", url, headers=headers, body=body.encode(), secret_body=True, follow=None)

    def _refused(self, answer: Response, path: str) -> Failure:
        """Whose fault a refusal is, by the error that it names."""
        error, described = "", ""
        if answer.status in (400, 401, 403) and not answer.page_description:
            try:
                document = answer.json()
            except BadData:
                document = None
            if isinstance(document, dict):
                error, described = (_words(document.get(name)) for name in ("error", "error_description"))
        kind: type[Failure]
        if error in OF_OURS:
            kind, remedy, explained = OwnCredential, f"get a new {self.what}, write it into {path}", ""
        elif error in OF_CLIENT:
            kind, (remedy, explained) = Misconfigured, self.client_remedy
        else:
            return answer.failure(EndpointFailure, "give an access token")
        return answer.failure(
            kind,
            reason=f"our {self.what} refused",
            outcome=f'{answer.status} "{described or error}"',
            link="by",
            remedy=remedy,
            more=filter(None, (explained, f"error: {error}")),
        )

    def _read(self, answer: Response) -> str:
        document = answer.json()
        token = document.get("access_token") if isinstance(document, dict) else None
        if not isinstance(token, str) or describe_other_content(token.encode()):
            raise answer.bad_answer(f"no access token ({answer.status})", link="in the answer of")
        self._register(document)
        return redact.register(token)

    @staticmethod
    def _register(document: Any) -> None:
        """Whatever else is secret of an answer: a new refresh token, an ID token, a new mytoken."""
        found = [document, document.get("token_update")]
        for each in found:
            if isinstance(each, dict):
                for value in (each.get(name) for name in ("refresh_token", "id_token", "mytoken")):
                    if isinstance(value, str):
                        redact.register(value)


class MytokenServer(AccessTokenIssuer):
    """A server of mytokens."""

    what, whom = "mytoken", "mytoken server"
    client_remedy = (
        "make a mytoken with the capability AT",
        "it must not have restrictions that exclude this monitoring host",
    )
    discovery = MYTOKEN_DISCOVERY
    endpoint = "access_token_endpoint"

    def _post(self, url: str, secret: str) -> Response:
        wanted = {"grant_type": "mytoken", "mytoken": secret, "comment": "fedcloud-probes"}
        return self._ask(url, "application/json", json.dumps(wanted))


def _words(value: object) -> str:
    return excerpt(redact.blank(value), MAX_SAID) if isinstance(value, str) else ""
