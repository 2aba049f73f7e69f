"""The ARGO Messaging Service, as argo-messaging 1.7.0 behind a balancer answers: topics, subscriptions, tokens.

    https://localhost:18443/v1/projects/EGI/topics/metric_data:publish
    https://localhost:18443/v1/projects/EGI/subscriptions/reader:pull

Source: its handlers and stores, read and not run; HAProxy 2.6 for what a balancer says. Its oddities are kept: a
request whose second message is too large has sent its first; a project that there is not is reported before an invalid
token; and an attribute with a quote is stored in a form that no reader gets.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from .faults import Fault, Faults, register
from .web import Request, Response

PROJECT, TOPIC = "EGI", "metric_data"
MAX_STORED_BYTES = 1_000_000
"""Kafka's limit for what AMS stores of a message; today's default is a little above."""
ACK_S = 10.0
INDENT = 3
NAME = re.compile(r"[a-zA-Z0-9_-]+")
PATH = re.compile(r"/v1/projects/([^/]*)/(topics|subscriptions)/([^/:]*):(publish|pull|acknowledge)")

FAULTS = {
    "ams-error": Fault(
        "Publishing fails as AMS has it, with `code`, after the first `taken` messages of a request.",
        {"code": 500, "taken": 0},
    ),
    "ams-refuses": Fault("A message with `text` in its data is refused with `code`.", {"text": None, "code": 413}),
    "balancer": Fault("The balancer before AMS answers `code` with a page of its own.", {"code": 503}),
    "unconfirmed": Fault("Publishing is answered 200 without the ids of the last `missing` messages.", {"missing": 1}),
}
register(FAULTS)

ERRORS = {
    400: ("Invalid Message Arguments", "INVALID_ARGUMENT"),
    401: ("Unauthorized", "UNAUTHORIZED"),
    403: ("Access to this resource is forbidden", "FORBIDDEN"),
    404: ("Topic doesn't exist", "NOT_FOUND"),
    408: ("ack timeout", "TIMEOUT"),
    409: ("Subscription's topic doesn't exist", "CONFLICT"),
    413: ("Message size is too large", "INVALID_ARGUMENT"),
    500: ("Backend Error", "INTERNAL_SERVER_ERROR"),
}
PAGES = {
    400: ("400 Bad request", "Your browser sent an invalid request."),
    403: ("403 Forbidden", "Request forbidden by administrative rules."),
    408: ("408 Request Time-out", "Your browser didn't send a complete request in time."),
    413: ("413 Payload Too Large", "The request entity exceeds the maximum allowed."),
    429: ("429 Too Many Requests", "You have sent too many requests in a given amount of time."),
    500: ("500 Internal Server Error", "An internal server error occurred."),
    502: ("502 Bad Gateway", "The server returned an invalid or incomplete response."),
    503: ("503 Service Unavailable", "No server is available to handle this request."),
    504: ("504 Gateway Time-out", "The server didn't respond in time."),
}


@dataclass
class Subscription:
    """offset: of the next message to be given; until: behind the last that was given and is not acknowledged."""

    topic: str
    offset: int = 0
    until: int = 0
    given_at: float = 0.0


@dataclass
class Ams:
    """One AMS with one project. published: every message of a topic, in order, as a consumer gets it.

    tokens: what each may, `publish` and `consume`. clock: seconds since the epoch. url: of the topic, if it is served.
    """

    url: str = ""
    clock: Callable[[], float] = time.time
    faults: Faults = field(default_factory=Faults)
    tokens: dict[str, frozenset[str]] = field(default_factory=dict)
    topics: dict[str, list[str]] = field(default_factory=dict)
    subscriptions: dict[str, Subscription] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def __post_init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        with self._lock:
            self.tokens.clear()
            self.topics.clear()
            self.topics[TOPIC] = []
            self.subscriptions.clear()
            self.subscriptions["reader"] = Subscription(TOPIC)

    def allow(self, token: str, *may: str) -> str:
        """Let whoever has this token publish, consume, or both."""
        self.tokens[token] = frozenset(may or ("publish", "consume"))
        return token

    def published(self, topic: str = TOPIC) -> list[dict[str, Any]]:
        with self._lock:
            return [json.loads(each) for each in self.topics[topic] if each]

    def app(self, request: Request) -> Response:
        if (fault := self._fault("balancer", request)) is not None:
            return self._page(int(fault["code"]))
        found = PATH.fullmatch(request.path)
        if found is None:
            return Response(404, [("Content-Type", "text/plain; charset=utf-8")], b"404 page not found\n")
        if request.method != "POST":
            return Response(405)
        project, kind, name, verb = found.groups()
        for value, what in ((project, "project"), (name, kind.removesuffix("s"))):
            if not NAME.fullmatch(value):
                return self._error(400, f"Invalid {what} name")
        token = request.headers.get("x-api-key") or (request.query.get("key") or [""])[0]
        if not token:
            return self._error(401)
        if project != PROJECT:
            return self._error(404, "project doesn't exist")
        if token not in self.tokens:
            return self._error(401)
        if ("publish" if verb == "publish" else "consume") not in self.tokens[token]:
            return self._error(403)
        with self._lock:
            if kind == "topics":
                return self._publish(request, name) if verb == "publish" else self._error(404)
            subscription = self.subscriptions.get(name)
            if subscription is None:
                return self._error(404, "Subscription doesn't exist")
            prefix = f"projects/{project}/subscriptions/{name}:"
            take = self._pull if verb == "pull" else self._acknowledge
            return take(request, subscription, prefix)

    def _publish(self, request: Request, topic: str) -> Response:
        stored = self.topics.get(topic)
        if stored is None:
            return self._error(404)
        messages = _messages(request.body)
        if messages is None:
            return self._error(400)
        error = self._fault("ams-error", request)
        refusal = self._fault("ams-refuses", request)
        ids = []
        for at, message in enumerate(messages):
            if error and at >= int(error["taken"]):
                return self._error(int(error["code"]))
            if refusal and refusal["text"].encode() in _decoded(message["data"]):
                return self._error(int(refusal["code"]))
            made = self._stored(message, len(stored))
            if len(made) > MAX_STORED_BYTES:
                return self._error(413)
            ids.append(str(len(stored)))
            stored.append(made)
        if (fault := self._fault("unconfirmed", request)) is not None:
            ids = ids[: len(ids) - int(fault["missing"])]
        return self._json(200, {"messageIds": ids})

    def _stored(self, message: dict[str, Any], offset: int) -> str:
        """What a consumer reads; nothing where an attribute is none that JSON can hold as it is."""
        if any(re.search(r'["\\\x00-\x1f]', each) for pair in message["attributes"].items() for each in pair):
            return ""
        seconds, fraction = divmod(self.clock(), 1)
        at = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds)) + f".{int(fraction * 1e9):09}".rstrip("0") + "Z"
        return json.dumps({"messageId": str(offset), **message, "publishTime": at}, indent=INDENT)

    def _pull(self, request: Request, subscription: Subscription, prefix: str) -> Response:
        options = _strings(request.body, "maxMessages", "returnImmediately")
        if options is None:
            return self._error(400, "Invalid Pull Parameters Arguments")
        if subscription.topic not in self.topics:
            return self._error(409)
        most = int(options["maxMessages"]) if options["maxMessages"].isdigit() else 1
        begin = subscription.offset
        found = self.topics[subscription.topic][begin : begin + max(1, most)]
        if "" in found:
            return self._error(500, "Message retrieved from broker network has invalid JSON Structure")
        subscription.until, subscription.given_at = begin + len(found), self.clock()
        listed = [
            {"ackId": f"{prefix}{begin + at}", "message": {**json.loads(each), "messageId": str(begin + at)}}
            for at, each in enumerate(found)
        ]
        return self._json(200, {"receivedMessages": listed})

    def _acknowledge(self, request: Request, subscription: Subscription, prefix: str) -> Response:
        try:
            ids = json.loads(request.body)["ackIds"]
            last = max(int(each.removeprefix(prefix)) for each in ids if each.startswith(prefix)) + 1
        except (ValueError, KeyError, TypeError, AttributeError):
            return self._error(400, "Invalid ack id")
        if not subscription.until:
            return self._error(500, "no ack pending")
        if not subscription.offset < last <= subscription.until:
            return self._error(500, "wrong ack")
        if self.clock() - subscription.given_at > ACK_S:
            return self._error(408)
        subscription.offset, subscription.until = last, 0
        return self._json(200, {})

    # -- answers --

    def _fault(self, name: str, request: Request) -> dict[str, Any] | None:
        return self.faults.take(name, request.method, request.path)

    def _error(self, code: int, message: str = "") -> Response:
        usual, status = ERRORS[code]
        return self._json(code, {"error": {"code": code, "message": message or usual, "status": status}})

    def _json(self, code: int, document: dict[str, Any]) -> Response:
        body = json.dumps(document, indent=INDENT, ensure_ascii=False).encode()
        return Response(code, [("Content-Type", "application/json; charset=utf-8")], body)

    def _page(self, code: int) -> Response:
        title, sentence = PAGES[code]
        body = f"<html><body><h1>{title}</h1>\n{sentence}\n</body></html>\n".encode()
        return Response(code, [("Content-Type", "text/html"), ("Cache-Control", "no-cache")], body)


def _messages(body: bytes) -> list[dict[str, Any]] | None:
    """The messages of a request as Go reads them: attributes are texts; what is not known is left out."""
    try:
        listed = json.loads(body).get("messages") or []
        made = [{"attributes": each.get("attributes") or {}, "data": each.get("data") or ""} for each in listed]
    except (ValueError, AttributeError, TypeError):
        return None
    texts = [text for each in made for text in (each["data"], *each["attributes"], *each["attributes"].values())]
    return made if all(isinstance(text, str) for text in texts) else None


def _strings(body: bytes, *names: str) -> dict[str, str] | None:
    try:
        found = {name: json.loads(body or b"{}").get(name, "") for name in names}
    except (ValueError, AttributeError):
        return None
    return found if all(isinstance(each, str) for each in found.values()) else None


def _decoded(data: str) -> bytes:
    try:
        return base64.b64decode(data, validate=True)
    except binascii.Error:
        return b""
