"""Perun's answer over HTTP, and the judgement of it. The first byte says its status and its type."""

from __future__ import annotations

from types import SimpleNamespace

from fuzz import judged
from libprobe.checks.perun import PerunStatus
from libprobe.clients.http import Response, ResponseHead
from libprobe.formats.perun import read_answer
from libprobe.targets.perun import PerunEndpoint

MAX_BYTES = 8 << 10
STATUSES = (200, 200, 401, 403, 404, 500, 302)
WORDS = (
    b'["Version of PerunDB: 3.1.27"', b'"Version of Perun: 3.2.1"', b"AuditerConsumer: 'x' with last processed id='",
    b"LastMessageId: 1204", b'{"errorId": "1506a4"', b'"name": "PrivilegeException"', b'"message": "', b"<title>",
    b"<html>", b"NaN", b"[[[[", b"\\u0000", b"99999999999999999999",
)  # fmt: skip


def read(data: bytes) -> None:
    kind = (data[:1] or b"\0")[0]
    asked = "GET https://perun.example.org/cert/rpc/json/utils/getPerunStatus"
    headers = [("Content-Type", "text/html" if kind & 0x80 else "application/json")]
    if kind & 0x40:
        headers += [(name, data[1:200].decode("latin-1")) for name in ("Location", "Retry-After")]
    answer = Response(ResponseHead(asked, STATUSES[kind % len(STATUSES)], "Reason", headers), data[1:])
    http = SimpleNamespace(request=lambda *_, **__: answer, loading_s=0.0)
    perun = PerunEndpoint("https://perun.example.org/cert/rpc/json/utils/getPerunStatus")
    judged.check(PerunStatus(perun, http, "/O=Grid/CN=monitor", judged.deadline()), "response_time", "consumer_lag")
    read_answer(data[1:])


def seeds() -> dict[str, bytes]:
    return {
        "status": b'\0["Version of PerunDB: 3.1.27", "Version of Servlet: Apache Tomcat/7.0.28", '
        b"\"AuditerConsumer: 'ldapcConsumer' with last processed id='1203'\", \"LastMessageId: 1204\"]",
        "error": b'\0{"errorId": "1506a4", "name": "PrivilegeException", "message": "no"}',
        "page": b"\x80<html><head><title>Login</title></head></html>",
        "redirect": b"\x46https://login.example.org/?x",
    }
