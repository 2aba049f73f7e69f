"""A cloud that answers anything: the life of a VM and the look at an offer, over HTTP and through its login.

The first byte says what is registered and which check runs; the rest are whole HTTP answers, with SEPARATOR between
them, each for one connection. When they are used up, nothing listens any more. Time passes by sleeping only.
"""

from __future__ import annotations

import socket
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any
from unittest import mock

from fuzz import judged
from libprobe import deadline as deadlines
from libprobe import redact
from libprobe.checks.occi_vm import ComputeLifeCycle, Contextualisation
from libprobe.checks.offer import OcciOffer, read_requirements
from libprobe.clients import sockets, tls
from libprobe.clients.credentials import Credential
from libprobe.clients.exchange import SENDING, Exchange
from libprobe.clients.http import HttpClient
from libprobe.clients.keystone import LoginRequest
from libprobe.clients.occi import OcciClient
from libprobe.deadline import Deadline
from libprobe.failures import Refused
from libprobe.state import failed_runs, journal
from libprobe.targets.access import OcciAccess
from libprobe.targets.topology import CloudEndpoint

MAX_BYTES = 16 << 10
SEPARATOR = b"\n%%\n"
BASE = "http://cloud.example.org:8787/occi1.1"
TITLE = "egi-sam-monitor-0"
COLLECTIONS = ("", "/occi1.1", "/occi1.1/compute")
VM = "/occi1.1/compute/179c425e-ce7f-4657-a06d-9eb5b9cd4f42"
WORDS = (
    SEPARATOR, b"HTTP/1.1 200 OK\r\n", b"HTTP/1.1 201 Created\r\n", b"HTTP/1.1 401 Unauthorized\r\n",
    b"HTTP/1.1 404 N\r\n", b"HTTP/1.1 302 Found\r\n", b"HTTP/1.1 500 E\r\n", b"HTTP/1.1 100 Continue\r\n\r\n",
    b"\r\n\r\n", b"HTTP/1.1 406 N\r\n", b"Content-Type: text/plain\r\n", b"Content-Type: application/occi+json\r\n",
    b"Content-Type: text/occi\r\n", b"Content-Length: 5\r\n", b"Transfer-Encoding: chunked\r\n",
    b"Content-Encoding: gzip\r\n", b"X-Subject-Token: t0ken-t0ken",
    b"WWW-Authenticate: Keystone uri='https://", b"cloud.example.org:5000/v3'\r\n",
    b'{"projects": [{"name": "ops", "id": "1"}]}', b'{"access": {"token": {"id": "t0ken-t0ken"}}}',
    b'{"tenants": [{"name": "ops", "id": "1"}]}', b"Location: ", b"Date: Wed, 25 Nov 2026 12:00:00 GMT\r\n",
    b"X-OCCI-Location: ", VM.encode(), b"http://cloud.example.org:8787",
    b'X-OCCI-Attribute: occi.compute.state="active"\n', b'X-OCCI-Attribute: occi.core.title="egi-sam-monitor-0"\n',
    b'Category: compute; scheme="', b'http://schemas.ogf.org/occi/infrastructure#"; class="kind"\n', b'; location="',
    b'; rel="http://schemas.ogf.org/occi/infrastructure#os_tpl"', b'; class="mixin"', b"org.openstack.compute.state",
    b'"error"', b"occi.compute.state.message", b"http://[", b"5\r\nhello\r\n0\r\n\r\n",
)  # fmt: skip


class _Clock:
    """Time that passes when somebody sleeps."""

    def __init__(self) -> None:
        self.now = 0.0

    def monotonic(self) -> float:
        return self.now

    def thread_time(self) -> float:
        return 0.0  # computing takes none of it

    def sleep(self, seconds: float) -> None:
        # whoever polls forever without sleeping is caught by the fuzzer's own limit
        self.now += seconds


class _Entry(journal.JournalEntry):
    """What the journal keeps of a VM, kept nowhere."""

    def __init__(self, path: str | None = None) -> None:
        self.endpoint, self.identity, self.title, self.created_at = BASE, "/O=Grid/CN=monitor", TITLE, 0.0
        self.path, self.looks, self.is_done = path, 0, False
        self.has_key = self.is_only_key = False
        self.project_id = ""
        self.kind, self.thing = journal.SUFFIX, journal.THINGS[journal.SUFFIX]

    def _note(self, more: dict[str, object]) -> None:
        path = str(more.get("path", VM))
        is_one_vm = path.startswith("/") and path.isprintable() and path.rstrip("/") not in COLLECTIONS
        assert is_one_vm or not path  # of a VM that the noted path does not lead to, it keeps none

    def forget(self) -> None:
        self.is_done = True

    def release(self) -> None:
        pass


class _Lateness(failed_runs.FailedRuns):
    """As if no run had been before."""

    def __init__(self) -> None:
        pass

    def note_failed_run(self, kind: str, endpoint: str, waited: float, now: float) -> failed_runs.FailedRunCount:
        return failed_runs.FailedRunCount(1)

    def is_noted(self, kind: str, endpoint: str, now: float) -> bool:
        return False

    def clear(self, kind: str, endpoint: str) -> None:
        pass


class _Journal(journal.Journal):
    def __init__(self, leftovers: list[_Entry]) -> None:
        self.unreadable: list[str] = []
        self.path = "nowhere"
        self.thing = journal.THINGS[journal.SUFFIX]
        self._leftovers = leftovers
        self.failed_runs = _Lateness()

    def of_kind(self, suffix: str) -> _Journal:
        return _Journal([])

    def begin(self, endpoint: str, identity: str, site: str = "", keystone: str = "", project_id: str = "") -> _Entry:
        return _Entry()

    def entries(self) -> Iterator[journal.JournalEntry]:
        yield from ()

    def leftovers(self, endpoint: str, *identities: str, project_id: str = "") -> list[journal.JournalEntry]:
        return list(self._leftovers)


def _nowhere(base: str) -> OcciClient:
    raise AssertionError("no entry is of another endpoint")


def _proxy() -> Credential:
    """A proxy with attributes of ops, as far as it is looked at."""
    attributes = SimpleNamespace(vo="ops")
    facts: Any = SimpleNamespace(proxy="rfc", is_complete=True, attribute_certificates=(attributes,))
    return Credential("/tmp/x509up", None, facts)


def read(data: bytes) -> str:
    """Returns the check's report."""
    kind = (data[:1] or b"\0")[0]
    answers = iter(data[1:].split(SEPARATOR))
    with _peer(answers) as clock:
        deadline = Deadline(20.0, clock=clock.monotonic)
        http = HttpClient(deadline, credential=_proxy() if kind & 1 else None)
        wish = LoginRequest(vo="ops", plain_hosts=frozenset({"cloud.example.org"}))
        access = OcciAccess(OcciClient(http, BASE, wish), "/O=Grid/CN=monitor", "a certificate", _nowhere)
        endpoint = CloudEndpoint(BASE, "image" if kind & 2 else None, "small" if kind & 4 else None, "small")
        try:
            if kind & 8:
                return judged.check(
                    OcciOffer(endpoint, access, deadline, read_requirements([], [])), "response_time", "count"
                )
            wanted = Contextualisation(b"#!/bin/sh\n", "ssh-ed25519 AAAA") if kind & 16 else Contextualisation(b"", "")
            remembered = _Journal([_Entry(), _Entry(VM)] if kind & 32 else [])
            life = ComputeLifeCycle(endpoint, access, remembered, deadline, wanted)
            return judged.check(life, "time", "time_to_active", "too_slow")
        finally:
            http.close()
            redact.forget_secrets()


@contextmanager
def _peer(answers: Iterator[bytes]) -> Iterator[_Clock]:
    """Let connections lead to the answers, and sleeping be over at once."""
    clock = _Clock()

    def connect(exchange: Exchange, **_: Any) -> sockets.DeadlineSocket:
        answer = next(answers, None)
        if answer is None:
            raise Refused("connection refused", of=exchange, link="by")
        ours, theirs = socket.socketpair()
        with theirs:
            theirs.setblocking(False)
            theirs.send(answer[: 64 << 10] or b"\r\n")
            theirs.shutdown(socket.SHUT_WR)
        made = sockets.DeadlineSocket(fileno=ours.detach())
        made.setblocking(False)
        made.exchange, made.limit, made.poll_interval_s, made.raced_s = exchange, lambda: 1.0, 0.0, 0.0
        exchange.begin_phase(SENDING)
        return made

    @contextmanager
    def enforced(self: Deadline) -> Iterator[Deadline]:
        yield self

    def context_for_http(*_: object) -> ssl.SSLContext:
        return ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)

    def secure(plain: sockets.DeadlineSocket, *_: object) -> Any:
        return plain  # what is said within TLS is judged here, TLS itself elsewhere

    with (
        mock.patch.object(sockets, "connect", connect),
        mock.patch.object(Deadline, "enforced", enforced),
        mock.patch.object(deadlines, "time", clock),
        mock.patch.object(tls, "make_http_context", context_for_http),
        mock.patch.object(tls, "secure", secure),
    ):
        yield clock


def seeds() -> dict[str, bytes]:
    def answer(status: str, body: str = "", *headers: str, kind: str = "text/plain") -> bytes:
        head = "".join(f"{line}\r\n" for line in (f"HTTP/1.1 {status}", f"Content-Type: {kind}", *headers))
        return f"{head}Content-Length: {len(body)}\r\nServer: ooi/1.2\r\n\r\n{body}".encode()

    infrastructure = 'scheme="http://schemas.ogf.org/occi/infrastructure#"'
    model = answer(
        "200 OK",
        f'Category: compute; {infrastructure}; class="kind"; location="/occi1.1/compute/"\n'
        'Category: image; scheme="http://x/os#"; class="mixin"; title="SL6"; '
        'rel="http://schemas.ogf.org/occi/infrastructure#os_tpl"\n'
        'Category: small; scheme="http://x/res#"; class="mixin"; title="2 CPU, 4 GB"; '
        'rel="http://schemas.ogf.org/occi/infrastructure#resource_tpl"\n',
    )
    created = answer("201 Created", f"X-OCCI-Location: http://cloud.example.org:8787{VM}\n")

    def shown(state: str) -> bytes:
        return answer(
            "200 OK",
            f'Category: compute; {infrastructure}; class="kind"\nX-OCCI-Attribute: occi.compute.state="{state}"\n'
            f'X-OCCI-Attribute: occi.core.title="{TITLE}"\nX-OCCI-Attribute: occi.core.id="179c"\n',
        )

    listing = answer("200 OK", f"X-OCCI-Location: http://cloud.example.org:8787{VM}\n")
    gone, deleted = answer("404 Not Found", "gone"), answer("204 No Content")
    challenge = answer("401 Unauthorized", "", "WWW-Authenticate: Keystone uri='https://cloud.example.org:5000/v3'")
    token = answer("201 Created", "{}", "X-Subject-Token: t0ken-t0ken")
    projects = answer("200 OK", '{"projects": [{"name": "ops", "id": "1"}]}', kind="application/json")
    old = answer("200 OK", '{"access": {"token": {"id": "t0ken-t0ken"}}}', kind="application/json")
    tenants = answer("200 OK", '{"tenants": [{"name": "ops", "id": "1"}]}', kind="application/json")
    missing = answer("404 Not Found")

    def session(kind: int, *answers: bytes) -> bytes:
        return bytes((kind,)) + SEPARATOR.join(answers)

    life = (model, created, shown("inactive"), shown("active"), deleted, gone)
    return {
        "life": session(6, *life),
        "unregistered": session(0, *life),
        "login": session(7, challenge, token, projects, token, *life),
        "login-v2": session(7, challenge.replace(b"/v3", b"/v2.0"), old, tenants, old, *life),
        "no-login": session(7, challenge, *[missing] * 8),
        "context": session(22, *life),
        "leftovers": session(38, model, listing, shown("active"), deleted, gone, shown("active"), deleted, gone, *life),
        "failed": session(6, model, created, shown("error"), deleted, gone),
        "unlocated": session(6, model, answer("200 OK", "OK"), missing, listing, shown("active"), deleted, gone),
        "offer": session(14, model),
        "redirect": session(14, answer("302 Found", "", "Location: http://[")),
        "refused": session(6, model, answer("403 Forbidden", "Quota exceeded")),
    }
