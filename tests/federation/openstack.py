"""What the services of an OpenStack cloud have in common, as those of release Zed behind Apache answer.

A token is judged as keystonemiddleware does it: one of any project, or of none, may read. Each service has its own
words for a refusal, and its own names for the id of a request.
Source: recordings of Nova, Glance and Neutron (release Zed).
"""

from __future__ import annotations

import json
import uuid
from typing import Any

from .faults import Fault, Faults, register
from .keystone import UNAUTHENTICATED, Keystone, Token
from .web import Request, Response

FAULTS = {
    "os-no-keystone": Fault("The service cannot ask Keystone about a token: Nova and Neutron say 503, Glance 401."),
}
register(FAULTS)

UNVERIFIED = (
    "This server could not verify that you are authorized to access the document you requested. Either you supplied "
    "the wrong credentials (e.g., bad password), or your browser does not understand how to supply the credentials "
    "required."
)
UNAVAILABLE = (
    "The server is currently unavailable. Please try again at a later time.<br /><br />\nThe Keystone service is "
    "temporarily unavailable.\n\n"
)
END = "<br /><br />\n\n\n"
"""What webob puts after its messages."""


def short_id(name: str) -> str:
    """An id as those of the cloud, always the same for a name."""
    return str(uuid.uuid5(uuid.NAMESPACE_URL, name))


class Refused(Exception):
    """What the service answers instead of doing it."""

    def __init__(self, response: Response) -> None:
        super().__init__(response.status)
        self.response = response


class Api:
    """One service of a region, for whoever its Keystone knows.

    delays_auth: whether it lets a token that cannot be judged through, and then finds nobody: 401, as Glance does.
    """

    delays_auth = False
    request_ids: tuple[str, ...] = ("X-Openstack-Request-Id",)

    def __init__(self, keystone: Keystone) -> None:
        self.faults = Faults()
        self.keystone = keystone

    def app(self, request: Request) -> Response:
        try:
            response = self.answer(request)
        except Refused as refused:
            response = refused.response
        identifier = f"req-{uuid.uuid4()}"
        response.headers += [(name, identifier) for name in self.request_ids]
        return response

    def answer(self, request: Request) -> Response:
        raise NotImplementedError

    def fault(self, name: str, request: Request) -> dict[str, Any] | None:
        return self.faults.take(name, request.method, request.path)

    def token(self, request: Request) -> Token:
        """Raises: Refused."""
        lost = self.fault("os-no-keystone", request) is not None
        token = None if lost else self.keystone.token(request.headers.get("X-Auth-Token"))
        if token is not None:
            return token
        challenge = ("Www-Authenticate", f'Keystone uri="{self.keystone.url}/v3"')
        if self.delays_auth:
            raise Refused(self.web_error(401, UNVERIFIED + END, "Unauthorized", challenge))
        if lost:
            raise Refused(self.web_error(503, UNAVAILABLE, "Service Unavailable"))
        error = {"code": 401, "title": "Unauthorized", "message": UNAUTHENTICATED}
        raise Refused(self.json(401, {"error": error}, challenge))

    def project_id(self, token: Token) -> str:
        """The id of a token's project; of none, one that nobody has."""
        return self.keystone.project_id(token.project) if token.project else ""

    def json(self, status: int, document: Any, *headers: tuple[str, str]) -> Response:
        return Response(status, [("Content-Type", "application/json"), *headers], json.dumps(document).encode())

    def web_error(self, status: int, message: str, title: str, *headers: tuple[str, str]) -> Response:
        """An error of webob's: that of a router, or of Glance."""
        return self.json(status, {"message": message, "code": f"{status} {title}", "title": title}, *headers)

    def not_found(self) -> Response:
        return self.web_error(404, f"The resource could not be found.{END}", "Not Found")
