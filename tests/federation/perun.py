"""Perun's RPC with the one method that a monitor asks: utils/getPerunStatus.

    GET /cert/rpc/json/utils/getPerunStatus     to a client with a certificate

Source: Perun's Api servlet; see the answers and errors in its OpenAPI file. A web server in front guards `cert`.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field

from .faults import Fault, Faults, register
from .web import LOGIN_PAGE, Request, Response

SERVICE_TYPE = "egi.Perun"
PATH = "/cert/rpc/json/utils/getPerunStatus"

FAULTS = {
    "perun-error": Fault(
        "Perun answers with an error object, with the status `code`; older versions sent 200.",
        {"exception": "InternalErrorException", "message": "The database does not answer", "code": 400},
    ),
    "perun-lag": Fault("The consumer ldapcConsumer is `messages` behind.", {"messages": 500}),
    "perun-version": Fault("The version of PerunDB is `version`.", {"version": ".."}),
    "perun-no-version": Fault("The status has no line with the version of PerunDB."),
    "perun-2015": Fault("The status is one of November 2015, without the version of Perun itself."),
    "perun-body": Fault("Perun answers with `body` and the status `code`.", {"body": "", "code": 200}),
}
register(FAULTS)


@dataclass
class Perun:
    faults: Faults = field(default_factory=Faults)
    last_message: int = 1204

    def app(self, request: Request) -> Response:
        if request.peer is None:
            return Response(401, [("Content-Type", "text/html")], LOGIN_PAGE.replace(b"Sign in", b"401 Unauthorized"))
        if request.path != PATH:
            message = f"No such method: {request.path}"
            return _json(400, {"errorId": "1506a5", "name": "RpcException", "message": message})
        if (fault := self._take("perun-error", request)) is not None:
            return _json(fault["code"], {"errorId": "1506a4", "name": fault["exception"], "message": fault["message"]})
        if (fault := self._take("perun-body", request)) is not None:
            headers = [("Content-Type", "application/json;charset=utf-8")]
            return Response(int(fault["code"]), headers, str(fault["body"]).encode())
        return _json(200, self._status(request))

    def _status(self, request: Request) -> list[str]:
        lag = self._take("perun-lag", request)
        version = self._take("perun-version", request)
        old = self._take("perun-2015", request) is not None
        lines = [] if old else ["Version of Perun: 3.7.0"]
        if self._take("perun-no-version", request) is None:
            lines.append(f"Version of PerunDB: {version['version'] if version else '3.1.27'}")
        behind = lag["messages"] if lag else 1
        return [
            *lines,
            "Version of Servlet: Apache Tomcat/7.0.28",
            "Version of DB-driver: PostgreSQL Native Driver-9.4",
            "Version of DB: PostgreSQL-9.4.5",
            "Version of Java platform: 1.7.0_85",
            f"AuditerConsumer: 'ldapcConsumer' with last processed id='{self.last_message - behind}'",
            f"AuditerConsumer: '127.0.0.1:6071' with last processed id='{self.last_message}'",
            f"LastMessageId: {self.last_message}",
            "Timestamp: 2015-11-30 10:12:30.99",
        ]

    def _take(self, name: str, request: Request) -> dict[str, object] | None:
        return self.faults.take(name, request.method, request.path)


def _json(status: int, document: object) -> Response:
    return Response(status, [("Content-Type", "application/json;charset=utf-8")], json.dumps(document).encode())
