"""The ARGO Messaging Service (AMS): messages handed over by HTTP, some at a time.

    POST <topic>:publish   x-api-key: <token>   {"messages": [{"attributes": {...}, "data": "<base64>"}]}
    200                    {"messageIds": ["17"]}
    else                   {"error": {"code": 404, "message": "Topic doesn't exist", "status": "NOT_FOUND"}}

It takes the messages of a request one by one: where it refuses one, those before it are taken, and it does not say how
many. What stands before it, a balancer, answers with pages or plain text of its own, and with 200 too.

Sources: argo-messaging 1.7.0, handlers/topics.go and handlers/errors.go; modern-successors.md section 8.
"""

from __future__ import annotations

import json
import re

from libprobe.failures import EndpointFailure, Failure, NoAnswer, ProtocolFailure, Rejected
from libprobe.formats.error_text import in_short
from libprobe.formats.excerpt import excerpt
from libprobe.records import Record
from libprobe.text import number_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from libprobe.clients.http import HttpClient, Response

MAX_MESSAGES = 100
"""In one request, as ARGO's own publisher has it."""

MAX_BYTES = 512 << 10
"""Of one request: AMS takes 1 MB a message, and nginx, which often stands before it, 1 MB a request."""

MAX_ANSWER = 256 << 10

NOT_ABOUT_MESSAGE = frozenset({401, 404, 405, 407, 408, 425, 429})
"""What is refused whatever the message is: the token, the topic; or for now, 408 and 429. Firewalls say 403 of one."""


class MessageRefused(EndpointFailure):
    """A request was refused for what is in it, as far as its status tells: too large, or malformed."""


class TokenRefused(Rejected):
    """AMS does not know our token (401)."""


class AmsMessage(Record):
    """attributes: values of letters, digits and dashes alone: AMS stores others so that nobody can read them."""

    attributes: dict[str, str]
    data: str


class AmsTopic:
    """A topic that messages go to.

    url:   `https://host/v1/projects/PROJECT/topics/TOPIC`.
    token: reads our token; asked again when it is refused, for whoever writes a new one meanwhile.
    """

    def __init__(self, http: HttpClient, url: str, token: Callable[[], str]) -> None:
        self._http = http
        self._url = url
        self._read_token = token
        self._token = token()

    def close(self) -> None:
        self._http.close()

    def publish(self, messages: list[AmsMessage]) -> Iterator[int]:
        """Send messages, and yield after each request how many of them AMS has confirmed with it.

        Raises: MessageRefused, where one of the request is at fault, or all of them together; TokenRefused; Rejected,
        NoAnswer and ProtocolFailure where none is; the failures of the HTTP client.
        """
        for part in _request_bodies(messages):
            body = b'{"messages": [' + b", ".join(part) + b"]}"
            try:
                self._post(body, len(part))
            except TokenRefused:
                new = self._read_token()
                if new == self._token:
                    raise
                self._token = new
                self._post(body, len(part))
            yield len(part)

    def _post(self, body: bytes, count: int) -> None:
        headers = [("x-api-key", self._token), ("Content-Type", "application/json")]
        answer = self._http.request(
            "POST",
            f"{self._url}:publish",
            headers=headers,
            body=body,
            max_bytes=MAX_ANSWER,
            follow=None,
        )
        if answer.status != 200:
            raise _refused(answer, f"take {'a message' if count == 1 else number_of(count, 'message')}")
        found = answer.json()
        ids = found.get("messageIds") if isinstance(found, dict) else None
        if not isinstance(ids, list) or len(ids) != count:
            said = f"{len(ids)} of {number_of(count, 'message')}" if isinstance(ids, list) else "no messages"
            more = [f"answered: {excerpt(answer.text, 200)}"]
            raise ProtocolFailure(f"{said} confirmed (200)", of=answer, link="by", more=more)


def _request_bodies(messages: list[AmsMessage]) -> Iterator[list[bytes]]:
    """The messages as JSON, in pieces of one request each."""
    part: list[bytes] = []
    size = 0
    for message in messages:
        made = json.dumps({"attributes": message.attributes, "data": message.data}).encode()
        if part and (len(part) >= MAX_MESSAGES or size + len(made) > MAX_BYTES):
            yield part
            part, size = [], 0
        part.append(made)
        size += len(made)
    if part:
        yield part


def _refused(answer: Response, doing: str) -> Failure:
    """What an answer means that is no 200, and who gave it."""
    own = _error_text(answer)
    if own is None:
        return _foreign_answer(answer, doing)
    outcome = f"{answer.status} {own}"
    if answer.status == 401:
        remedy = "write a valid token into the file of --ams-token-file"
        return answer.failure(TokenRefused, doing, outcome=outcome, remedy=remedy)
    if answer.status == 403:
        remedy = "ask for the right to publish on that topic, for the user of the token"
        return answer.failure(Rejected, doing, outcome=outcome, remedy=remedy)
    if answer.status == 404:
        return answer.failure(Rejected, doing, outcome=outcome, remedy="look at project and topic in --publish")
    return answer.failure(_failure_by_status(answer.status), doing, outcome=outcome)


def _foreign_answer(answer: Response, doing: str) -> Failure:
    """An answer that is not in AMS' form: of a balancer before it, or of something else altogether."""
    if answer.redirect_words:
        return answer.failure(
            ProtocolFailure,
            remedy="give the address of AMS itself in --publish",
            more=["no token of ours goes where a redirect leads"],
        )
    return answer.failure(
        _failure_by_status(answer.status),
        doing,
        more=["the answer is not in the form of AMS: it is of what stands before it"],
    )


def _failure_by_status(status: int) -> type[EndpointFailure]:
    if 400 <= status < 500 and status not in NOT_ABOUT_MESSAGE:
        return MessageRefused
    return NoAnswer if status in (408, 504) else ProtocolFailure


def _error_text(answer: Response) -> str | None:
    """What AMS says in its own form: `NOT_FOUND "Topic doesn't exist"`; None for what is in another."""
    try:
        error = json.loads(answer.body)["error"]
        code, status, message = error["code"], error.get("status"), error["message"]
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return None
    if code != answer.status or not isinstance(message, str):
        return None
    word = f"{status} " if isinstance(status, str) and re.fullmatch("[A-Z_]{1,40}", status) else ""
    return f'{word}"{in_short(message)}"'
