"""What ARGO Messaging, or a balancer before it, answers to results. The first byte says its status and its type."""

from __future__ import annotations

from types import SimpleNamespace

from libprobe.clients.ams import AmsMessage, AmsTopic
from libprobe.clients.http import Response, ResponseHead

MAX_BYTES = 8 << 10
STATUSES = (200, 200, 302, 400, 401, 404, 408, 413, 429, 500, 503)
WORDS = (
    b'{"messageIds": [', b'"17"', b'{"error": {', b'"code": 404', b'"code": 413', b'"message": "', b'"status": "',
    b"NOT_FOUND", b"Topic doesn't exist", b'"errors": [', b"<html><body><h1>", b"</h1>", b"null", b"NaN", b"[[[[",
    b"\\u0000", b"\\ud800", b"1e999", b"120",
)  # fmt: skip
TOPIC = "https://msg.example.org/v1/projects/EGI/topics/metric_data"


def read(data: bytes) -> None:
    kind = (data[:1] or b"\0")[0]
    headers = [("Content-Type", "text/html" if kind & 0x80 else "application/json")]
    if kind & 0x40:
        headers += [(name, data[1:200].decode("latin-1")) for name in ("Location", "Retry-After")]
    head = ResponseHead(f"POST {TOPIC}:publish", STATUSES[(kind & 0x3F) % len(STATUSES)], "Reason", headers)
    http = SimpleNamespace(request=lambda *_, **__: Response(head, data[1:]))
    topic = AmsTopic(http, TOPIC, lambda: "a token")
    assert list(topic.publish([AmsMessage({"type": "metric_data"}, "eA==")])) == [1]


def seeds() -> dict[str, bytes]:
    return {
        "taken": b'\0{\n   "messageIds": [\n      "17"\n   ]\n}',
        "refused": b'\7{"error": {"code": 413, "message": "Message size is too large", "status": "INVALID_ARGUMENT"}}',
        "page": b"\x8a<html><body><h1>503 Service Unavailable</h1>\nNo server is available.\n</body></html>",
        "redirect": b"\x42https://login.example.org/?x",
    }
