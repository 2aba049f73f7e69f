"""An OpenID provider as Keycloak, under EGI Check-in, answers, and a server of mytokens beside it.

    /.well-known/openid-configuration   /protocol/openid-connect/token, /certs, /token/introspect
    /.well-known/mytoken-configuration  /api/v0/token/access

Access tokens are signed (ES256), and every Keystone of the federation that is told of them takes them.
Source: OpenID Connect Discovery 1.0; RFC 6749, 7517, 7662; errors in Keycloak's words; the API of oidc-mytoken (v0).
"""

from __future__ import annotations

import base64
import json
import secrets
import time
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qs

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, utils

from .. import planted
from .faults import Fault, Faults, register
from .web import Request, Response

PATH = "/protocol/openid-connect"
MYTOKENS = "/api/v0/token/access"
CLIENT = "monitor"

FAULTS = {
    "op-error": Fault(
        "The token endpoint refuses: `status`, `error`, `description`.",
        {"status": 400, "error": "invalid_grant", "description": "Token is not active"},
    ),
    "op-other-issuer": Fault("The provider calls itself `issuer`.", {"issuer": "https://other.example.org"}),
    "op-endpoint": Fault("The provider's document names `url` as where tokens are given.", {"url": ""}),
    "op-no-token": Fault("The token endpoint answers 200 without an access token."),
}
register(FAULTS)


class Issuer:
    """tokens: access tokens that it gave, with their claims. told: what it was asked for tokens with."""

    def __init__(self, base_url: Callable[[], str]) -> None:
        self.faults = Faults()
        self._base_url = base_url
        self._key = ec.generate_private_key(ec.SECP256R1())
        self.reset()

    def reset(self) -> None:
        self.refresh_tokens: dict[str, str] = {}
        self.mytokens: set[str] = set()
        self.tokens: dict[str, dict[str, Any]] = {}
        self.told: list[dict[str, str]] = []
        self.on_token: Callable[[str], None] = lambda token: None
        self.lifetime_s = 3600.0

    @property
    def url(self) -> str:
        return self._base_url()

    def refresh_token(self, client: str = CLIENT) -> str:
        """A refresh token, given to a client."""
        token = planted.jwt(iss=self.url, typ="Offline")
        self.refresh_tokens[token] = client
        return token

    def mytoken(self) -> str:
        token = planted.jwt(iss=self.url, ver="0.7", name="monitor")
        self.mytokens.add(token)
        return token

    # -- serving --

    def app(self, request: Request) -> Response:
        match request.path:
            case "/.well-known/openid-configuration":
                return self._discovery(request)
            case "/.well-known/mytoken-configuration":
                return self._json(200, {"issuer": self.url, "access_token_endpoint": self.url + MYTOKENS})
            case "/protocol/openid-connect/certs":
                return self._json(200, {"keys": [self._public()]})
            case "/protocol/openid-connect/token":
                return self._token(request)
            case "/protocol/openid-connect/token/introspect":
                return self._introspect(request)
            case "/api/v0/token/access":
                return self._for_mytoken(request)
        return self._error(404, "HTTP 404 Not Found", "")

    def _discovery(self, request: Request) -> Response:
        fault = self.faults.take("op-other-issuer", request.method, request.path)
        elsewhere = self.faults.take("op-endpoint", request.method, request.path)
        below = self.url + PATH
        return self._json(
            200,
            {
                "issuer": fault["issuer"] if fault else self.url,
                "token_endpoint": elsewhere["url"] if elsewhere else f"{below}/token",
                "jwks_uri": f"{below}/certs",
                "introspection_endpoint": f"{below}/token/introspect",
                "grant_types_supported": ["authorization_code", "refresh_token"],
                "token_endpoint_auth_methods_supported": ["client_secret_basic", "none"],
            },
        )

    def _token(self, request: Request) -> Response:
        form = {name: values[0] for name, values in parse_qs(request.body.decode(), keep_blank_values=True).items()}
        self.told.append(form)
        if (refused := self._refusal(request)) is not None:
            return refused
        if form.get("grant_type") != "refresh_token":
            return self._error(400, "unsupported_grant_type", "Unsupported grant_type")
        client = self.refresh_tokens.get(form.get("refresh_token", ""))
        if form.get("client_id") not in self.refresh_tokens.values():
            return self._error(401, "invalid_client", "Invalid client or Invalid client credentials")
        if client is None:
            return self._error(400, "invalid_grant", "Invalid refresh token")
        if client != form.get("client_id"):
            mismatch = "Invalid refresh token. Token client and authorized client don't match"
            return self._error(400, "invalid_grant", mismatch)
        given = {"refresh_token": form["refresh_token"], "refresh_expires_in": 0, "id_token": planted.jwt(typ="ID")}
        return self._given(request, given)

    def _for_mytoken(self, request: Request) -> Response:
        wanted = json.loads(request.body)
        self.told.append(wanted)
        if (refused := self._refusal(request)) is not None:
            return refused
        if wanted.get("grant_type") != "mytoken" or wanted.get("mytoken") not in self.mytokens:
            return self._error(401, "invalid_token", "token not valid")
        return self._given(request, {})

    def _refusal(self, request: Request) -> Response | None:
        fault = self.faults.take("op-error", request.method, request.path)
        return self._error(fault["status"], fault["error"], fault["description"]) if fault else None

    def _given(self, request: Request, more: dict[str, Any]) -> Response:
        if self.faults.take("op-no-token", request.method, request.path) is not None:
            return self._json(200, {"token_type": "Bearer", "expires_in": 3600})
        token = self.access_token()
        self.on_token(token)
        return self._json(200, {"access_token": token, "token_type": "Bearer", "expires_in": 3600, **more})

    def _introspect(self, request: Request) -> Response:
        token = parse_qs(request.body.decode()).get("token", [""])[0]
        claims = self.tokens.get(token)
        is_active = claims is not None and claims["exp"] > time.time()
        return self._json(200, {"active": True, **(claims or {})} if is_active else {"active": False})

    def access_token(self) -> str:
        """A new access token, signed."""
        claims = {
            "iss": self.url,
            "sub": "robot@egi.eu",
            "typ": "Bearer",
            "exp": int(time.time() + self.lifetime_s),
            "jti": f"{planted.MARK}{secrets.token_hex(8)}",
        }
        signed = f"{_encoded({'alg': 'ES256', 'typ': 'JWT', 'kid': '1'})}.{_encoded(claims)}"
        first, second = utils.decode_dss_signature(self._key.sign(signed.encode(), ec.ECDSA(hashes.SHA256())))
        token = f"{signed}.{_base64(first.to_bytes(32, 'big') + second.to_bytes(32, 'big'))}"
        self.tokens[token] = claims
        return token

    def _public(self) -> dict[str, str]:
        numbers = self._key.public_key().public_numbers()
        x, y = (_base64(each.to_bytes(32, "big")) for each in (numbers.x, numbers.y))
        return {"kty": "EC", "crv": "P-256", "use": "sig", "alg": "ES256", "kid": "1", "x": x, "y": y}

    def _error(self, status: int, error: str, description: str) -> Response:
        return self._json(status, {"error": error, "error_description": description})

    def _json(self, status: int, document: Any) -> Response:
        return Response(status, [("Content-Type", "application/json")], json.dumps(document).encode())


def _encoded(part: dict[str, Any]) -> str:
    return _base64(json.dumps(part).encode())


def _base64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")
