"""oidc-agent: an access token from the agent that a person, or this monitor's user, has running.

    {"request": "access_token", "account": "egi", "min_valid_period": 420, "application_hint": "fedcloud-probes"}
    {"status": "success", "access_token": "...", "issuer": "...", "expires_at": 1541517118}
    {"status": "failure", "error": "No account configured with that short name"}

One request and one answer over a UNIX socket, which the agent then closes. A request goes out in one piece: where what
oidc-agent 4.2.6 reads first is no whole JSON, it takes that for the key of a client that wants to encrypt, and answers
with its own. Plain JSON is what its documentation asks of other programs; encryption is for its own, and needs NaCl.
Source: oidc-agent's documentation of its IPC; oidc-agent 4.2.6 as it answered.
"""

from __future__ import annotations

import json
import os
import select
import socket
import stat
import time

from libprobe import redact
from libprobe.clients.exchange import CONNECT, SENT, Exchange
from libprobe.failures import Failure, HelperFailure, Misconfigured, NoAnswer, OwnCredential
from libprobe.formats.access_token import describe_other_content
from libprobe.formats.excerpt import excerpt

TYPE_CHECKING = False
if TYPE_CHECKING:
    from libprobe.deadline import Deadline

VARIABLE = "OIDC_SOCK"
MAX_BYTES = 128 << 10
SHARE = 0.25
"""Of the time that is left, what the agent may take: it asks the issuer where its token ends too soon."""

MAX_SAID = 80


def request_token(account: str, path: str, deadline: Deadline) -> str:
    """An access token that is good for the rest of the run, a registered secret.

    path: of the socket. Raises: Misconfigured, OwnCredential, HelperFailure; OwnMachine where it was this machine that
    took the time.
    """
    if not path:
        raise Misconfigured(
            f"no oidc-agent for account {account}: ${VARIABLE} is not set",
            remedy="start oidc-agent, or name its socket in probes.ini, [credentials] oidc_socket",
        )
    wanted = {
        "request": "access_token",
        "account": account,
        "min_valid_period": int(deadline.remaining()) + 1,
        "application_hint": "fedcloud-probes",
    }
    raw = _ask(path, json.dumps(wanted).encode(), deadline.earlier_by(deadline.remaining() * (1 - SHARE)))
    try:
        answer = json.loads(raw)
    except (ValueError, RecursionError):
        answer = None
    if not isinstance(answer, dict):
        raise HelperFailure("answer that is not a JSON object", place=f"oidc-agent at {path}", link="from")
    token = answer.get("access_token")
    if isinstance(token, str) and not describe_other_content(token.encode()):
        return redact.register(token)
    error = answer.get("error")
    if not isinstance(error, str):
        raise HelperFailure("no access token and no reason", place=f"oidc-agent at {path}", link="from")
    raise OwnCredential(
        f'no access token for account {account} ("{excerpt(redact.blank(error), MAX_SAID)}")',
        place=f"oidc-agent at {path}",
        link="from",
        remedy=f"run oidc-add {account}",
        more=[f"try: oidc-token {account}"],
    )


def _ask(path: str, request: bytes, deadline: Deadline) -> bytes:
    """Raises: Misconfigured where there is no such socket of ours; HelperFailure, OwnMachine."""
    try:
        status = os.stat(path)
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", "") or "not a path"
        raise Misconfigured(
            f"no socket of oidc-agent ({why})", place=path, link="at", remedy="start oidc-agent"
        ) from None
    if not stat.S_ISSOCK(status.st_mode) or status.st_uid not in (os.geteuid(), 0):
        raise Misconfigured("no socket of oidc-agent that is ours", place=path, link="at")
    exchange = Exchange("access_token", "", 0, deadline, place=f"oidc-agent at {path}")
    exchange.begin_phase(CONNECT)
    answer = b""
    began, limit = time.monotonic(), max(0.05, deadline.remaining())
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as agent:
            agent.settimeout(limit)
            agent.connect(path)
            agent.sendall(request)
            exchange.begin_phase(SENT)
            while len(answer) <= MAX_BYTES:
                exchange.wait_for_peer(agent.fileno(), select.POLLIN, deadline.remaining)
                received = agent.recv(16384)
                if not received:
                    return answer
                answer += received
    except NoAnswer as late:
        raise _late_failure(late) from None
    except TimeoutError:  # while it was to accept the connection, or the request
        exchange.count_wait(time.monotonic() - began, limit)
        raise _late_failure(exchange.timeout_failure()) from None
    except OSError as error:
        raise HelperFailure(
            f"no exchange ({error.strerror})", place=f"oidc-agent at {path}", link="with", remedy="start it again"
        ) from None
    raise HelperFailure(f"more than {MAX_BYTES} bytes", place=f"oidc-agent at {path}", link="from")


def _late_failure(failure: Failure) -> Failure:
    """The agent's failure, or this machine's where that took the larger part of the time."""
    if not isinstance(failure, NoAnswer):
        return failure
    failure.more += ("it waits for the issuer, or for somebody to confirm",)
    return failure.retold(HelperFailure, remedy="try it with oidc-token")
