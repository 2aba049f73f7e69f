"""Peers that misbehave, one fault each, on loopback.

A peer has a `port` and is started and stopped by `with`. By how far a client gets, there are those that it

    does not reach          Nowhere
    connects to             raw: what comes then is no protocol at all
    shakes hands with       certificate, old_tls, client_refused: their TLS is at fault
    asks over HTTP          web: the federation's services, good in themselves, on a server with one fault
    asks over LDAP, STOMP   the peers of tests/federation

FAULTS, at the end, is the list of them all. Certificates are made at run time, by one `Grid`.
"""

from __future__ import annotations

import contextlib
import socket
import ssl
import struct
import threading
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

from tests import planted
from tests.federation import (
    accounting,
    ams,
    appdb,
    ber,
    cloud_info,
    glance,
    gocdb,
    keystone,
    ldap_peer,
    neutron,
    nova,
    perun,
    swift,
)
from tests.federation.authority import Authority
from tests.federation.faults import Faults
from tests.federation.ldap_peer import BASE, Behaviour, Conversation, LdapPeer
from tests.federation.occi import Account, OcciServer
from tests.federation.stomp_responder import Responder, ResponderBehaviour
from tests.federation.web import Request, Response, WebServer
from tests.pace import seconds

SITE = "EXAMPLE-CLOUD"
HOST = "cloud.fedcloud.test"
OCCI = "eu.egi.cloud.vm-management.occi"
HUGE = 200 << 20
DEPTH = 20_000
"""Levels of a document that is nested without sense, within the size that everybody takes."""

BILLION_LAUGHS = (
    b'<?xml version="1.0"?>\n<!DOCTYPE results [\n<!ENTITY a "lol">\n'
    + b"".join(b'<!ENTITY %c "%s">\n' % (letter, b"&%c;" % (letter - 1) * 10) for letter in range(ord("b"), ord("k")))
    + b"]>\n<results>&j;</results>\n"
)


class Peer(Protocol):
    port: int

    def __enter__(self) -> Any: ...

    def __exit__(self, *_: object) -> None: ...


class Nowhere:
    """An address that leads nowhere. silent: a port at which connection attempts are not answered."""

    def __init__(self, host: str = "localhost", *, silent: bool = False) -> None:
        self.host = host
        self._open = [socket.socket()]
        self._open[0].bind(("127.0.0.1", 0))  # without listening it refuses, and nobody else gets the port
        self.port: int = self._open[0].getsockname()[1]
        self._silent = silent

    def __enter__(self) -> Nowhere:
        if not self._silent:
            return self
        self._open[0].listen(0)
        for _ in range(4):  # a queue that is full
            waiting = socket.socket()
            waiting.setblocking(False)
            with contextlib.suppress(BlockingIOError):
                waiting.connect(("127.0.0.1", self.port))
            self._open.append(waiting)
        return self

    def __exit__(self, *_: object) -> None:
        for each in self._open:
            each.close()


class Grid:
    """Certificates of servers and clients, and what a good server would have to say.

    proxy: what the probes present. ams_token: file of a token for ARGO Messaging.
    """

    def __init__(self, directory: Path) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        self.authority = Authority(directory)
        self.credential = self.authority.host(["localhost"])
        self.proxy = self.authority.proxy(path=directory / "x509up")
        self.ams_token = directory / "ams-token"
        self.ams_token.touch(0o600)
        self.ams_token.write_text(planted.plain_secret())
        self.revoked = self.authority.host_variant("revoked", ["localhost"])
        self.strangers = Authority(directory / "elsewhere")
        """An authority that no client here belongs to."""

    def context(self, clients: str = "none") -> ssl.SSLContext:
        """TLS as it should be."""
        return self.authority.server_context(self.credential, clients=clients)

    def services(self, url: Callable[[], str]) -> Callable[[Request], Response]:
        """All HTTP services in one, each at its own path; OCCI takes the rest. url: of the server."""
        registry = gocdb.Gocdb(base_url=url)
        registry.add_service(gocdb.Service(HOST, OCCI, SITE, url="https://localhost:1/?image=a&resource=b"))
        portal = accounting.Accounting()
        portal.publishes(SITE)
        lists = appdb.AppDb(self.authority, self.credential, url)
        members = perun.Perun()
        messaging = ams.Ams()
        messaging.allow(self.ams_token.read_text())
        cloud = OcciServer("rocci-1.1", login=lambda _: Account("robot", "ops"), faults=Faults(), base_url=url)
        ends = {swift.KIND: "/v1/AUTH_{project}", nova.KIND: "/v2.1", glance.KIND: "", neutron.KIND: ""}
        identity = keystone.Keystone(
            ("v3",), url=url, catalogue=lambda: {kind: {"RegionOne": f"{url()}{end}"} for kind, end in ends.items()}
        )
        pictures, nets = glance.Glance(identity), neutron.Neutron(identity)
        machines = nova.Nova(identity, pictures, nets, lambda: f"{url()}/v2.1", 0.0)
        ops = ("ops", identity.project_id("ops"))
        published = cloud_info.CloudInfo(lambda: [cloud_info.Site(SITE, f"{url()}/v3", HOST, [ops])])
        places = (
            ("/v3", identity.app),
            ("/sites/", published.app),
            ("/v1/AUTH_", swift.Swift(identity).app),
            ("/v2.1/", machines.app),
            ("/v2/images", pictures.app),
            ("/v2.0/networks", nets.app),
            ("/gocdbpi/", registry.app),
            (accounting.TABLE_PATH, portal.app),
            ("/store/", lists.app),
            ("/cert/", members.app),
            ("/v1/projects/", messaging.app),
            ("/", cloud.app),
        )

        def answer(request: Request) -> Response:
            return next(app(request) for place, app in places if request.path.startswith(place))

        return answer


Maker = Callable[[Grid], Peer]


class Peers:
    """Peers that are started when they are first asked for, and stopped together."""

    def __init__(self, directory: Path) -> None:
        self.grid = Grid(directory)
        self._lock = threading.Lock()
        self._running: dict[Maker, Peer] = {}
        self._stack = contextlib.ExitStack()

    def __enter__(self) -> Peers:
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def of(self, maker: Maker) -> Peer:
        with self._lock:
            if maker not in self._running:
                peer = maker(self.grid)
                self._stack.enter_context(peer)
                self._running[maker] = peer
            return self._running[maker]


# ---- no protocol at all: what the client sends is not looked at


def raw(behaviour: Behaviour) -> Maker:
    return lambda grid: LdapPeer(behaviour)  # its listener knows nothing of LDAP; its behaviours do


def mute(peer: Conversation) -> None:
    peer.wait()


def close(peer: Conversation) -> None:
    pass


def reset(peer: Conversation) -> None:
    """Close so that the other side, which is connected by then, gets a reset and not an end."""
    peer.stopping.wait(0.05)
    peer.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def garbage(peer: Conversation) -> None:
    peer.send(b"\x00\xff\xfe\x1b[31m220 ready | evil=1\r\n\x80\x81" * 3)
    peer.wait()


def shake_hands(how: str) -> Maker:
    """A TLS handshake that is good and does not come to its end. how: `drip` a byte a second, `close`, `reset`."""

    def make(grid: Grid) -> LdapPeer:
        context = grid.context()

        def behaviour(peer: Conversation) -> None:
            incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
            server = context.wrap_bio(incoming, outgoing, server_side=True)
            incoming.write(peer.sock.recv(65536))
            with contextlib.suppress(ssl.SSLWantReadError):
                server.do_handshake()
            flight = outgoing.read()
            if how == "drip":
                drip(peer, flight)
                return
            peer.send(flight[: len(flight) // 2])
            if how == "reset":
                reset(peer)

        return LdapPeer(behaviour)

    return make


def drip(peer: Conversation, data: bytes) -> None:
    for octet in data:
        peer.send(bytes([octet]))
        if peer.stopping.wait(seconds(1.0)):  # as the deadlines of these tests, which it has to outlast
            return


# ---- TLS


def certificate(variant: str) -> Maker:
    """A host certificate at fault: one of HOST_VARIANTS, or `weak`."""

    def make(grid: Grid) -> LdapPeer:
        authority = grid.authority
        names = ["localhost"]
        if variant == "revoked":  # before any probe runs, for it changes the CRL
            host = grid.revoked
        else:
            host = authority.host(names, weak=True) if variant == "weak" else authority.host_variant(variant, names)
        return LdapPeer(mute, authority.server_context(host))

    return make


def old_tls(grid: Grid) -> Peer:
    """TLS 1.0 and nothing later."""
    context = grid.context()
    context.set_ciphers("DEFAULT:@SECLEVEL=0")
    with warnings.catch_warnings():  # Python advises against what a bad server has to do
        warnings.simplefilter("ignore", DeprecationWarning)
        context.minimum_version = context.maximum_version = ssl.TLSVersion.TLSv1
    return LdapPeer(mute, context)


def client_refused(version: ssl.TLSVersion) -> Maker:
    """A server that wants a client certificate of an authority that is not ours."""

    def make(grid: Grid) -> LdapPeer:
        context = grid.strangers.server_context(grid.credential, clients="required")
        context.minimum_version = context.maximum_version = version

        def behaviour(peer: Conversation) -> None:
            refused = context.wrap_socket(peer.sock, server_side=True, do_handshake_on_connect=False)
            with refused:
                with contextlib.suppress(ssl.SSLError):
                    refused.do_handshake()
                # closing with something unread would send a reset, which overtakes the refusal
                refused.settimeout(2)
                while socket.socket.recv(refused, 4096):
                    pass

        return LdapPeer(behaviour)

    return make


# ---- HTTP


class WebPeer(WebServer):
    """A server of the grid's services. canary: a service beside it that nothing may reach."""

    canary: WebServer | None = None

    def __exit__(self, *exc: object) -> None:
        super().__exit__(*exc)
        if self.canary:
            self.canary.stop()


Spoiler = Callable[[Request, Response], Response]


def web(fault: str = "", *, spoil: Spoiler | None = None, **parameters: Any) -> Maker:
    """A good server with one fault of the wire, or one whose good answers go through `spoil`."""

    def make(grid: Grid) -> WebPeer:
        faults = Faults()
        if fault:
            faults.on(fault, **parameters)

        def app(request: Request) -> Response:
            answer = services(request)
            return spoil(request, answer) if spoil else answer

        made = WebPeer("web", app, context=grid.context("optional"), faults=faults)
        services = grid.services(lambda: made.url)
        return made

    return make


def status(code: int, **headers: str) -> Maker:
    return web("status", code=code, headers={name.replace("_", "-"): value for name, value in headers.items()})


def redirect(to: str) -> Maker:
    """A redirect to a URL, in which {web} is the server itself and {canary} a service on this machine."""

    def make(grid: Grid) -> WebPeer:
        made = web()(grid)
        assert isinstance(made, WebPeer)
        made.canary = WebServer("canary", lambda _: Response(200, [("Content-Type", "text/plain")], b"secret"))
        made.canary.start()
        made.faults.on("redirect", to=to.format(web=made.url, canary=made.canary.url))
        return made

    return make


def huge_body(grid: Grid) -> LdapPeer:
    """200 MB, announced as such; lines of text."""

    def behaviour(peer: Conversation) -> None:
        asked = b""
        while b"\r\n\r\n" not in asked:
            asked += peer.sock.recv(65536) or b"\r\n\r\n"
        peer.send(b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: %d\r\n\r\n" % HUGE)
        for _ in range(HUGE >> 16):
            peer.send((b"x" * 1023 + b"\n") * 64)

    return LdapPeer(behaviour, grid.context())


def wrong_charset(_: Request, answer: Response) -> Response:
    """A good document in an encoding that nothing names."""
    return Response(answer.status, answer.headers, answer.body.decode("utf-8", "replace").encode("utf-16"))


def half(_: Request, answer: Response) -> Response:
    """Half of a document, with a Content-Length that fits."""
    return Response(answer.status, answer.headers, answer.body[: len(answer.body) // 2])


def empty(_: Request, answer: Response) -> Response:
    return Response(answer.status, answer.headers, b"")


def nested(request: Request, answer: Response) -> Response:
    """A document of its kind, nested without sense."""
    if request.path.startswith("/gocdbpi/"):
        return Response(200, answer.headers, b"<results>" + b"<A>" * DEPTH + b"</A>" * DEPTH + b"</results>")
    if request.path.endswith(".html"):
        return Response(200, answer.headers, b"<html><body>" + b"<table><tr><td>" * DEPTH)
    headers = [("Content-Type", "application/occi+json" if request.path.startswith("/-/") else "application/json")]
    return Response(200, headers, b'{"a":' * DEPTH)


CMS_HEADERS = [("Content-Type", "application/pkcs7-mime; smime-type=signed-data")]


def nested_cms(*_: object) -> Response:
    """A signed list that is nothing but SEQUENCE in SEQUENCE."""
    data = b""
    for _level in range(20_000):
        data = ber.tlv(ber.SEQUENCE, data)
    return Response(200, CMS_HEADERS, data)


def half_cms(grid: Grid) -> Peer:
    """A signed list in DER that ends in the middle."""
    signed = appdb.sign(b'{"hv:imagelist": {}}' * 500, grid.credential)
    return web(spoil=lambda *_: Response(200, CMS_HEADERS, signed[: len(signed) // 2]))(grid)


def entity_bomb(_: Request, answer: Response) -> Response:
    return Response(200, answer.headers, BILLION_LAUGHS)


# ---- LDAP and STOMP


def ldap(behaviour: Behaviour) -> Maker:
    return lambda grid: LdapPeer(behaviour)


def slow_entries(peer: Conversation) -> None:
    drip(peer.bound(), BASE)


def no_ldap(peer: Conversation) -> None:
    peer.read()
    garbage(peer)


def stomp(**manner: Any) -> Maker:
    return lambda grid: Responder(ResponderBehaviour(**manner))


CONNECTED = b"CONNECTED\nversion:1.2\nserver:peer/1\nheart-beat:0,0\n\n\0"


def after_connect(act: Callable[[Conversation], None]) -> Maker:
    """A broker that reads CONNECT and then does something else than a broker does."""

    def behaviour(peer: Conversation) -> None:
        seen = b""
        while b"\0" not in seen:
            seen += peer.sock.recv(65536) or b"\0"
        act(peer)

    return lambda grid: LdapPeer(behaviour)


def endless(head: bytes, block: bytes) -> Callable[[Conversation], None]:
    def act(peer: Conversation) -> None:
        peer.send(head)
        while not peer.stopping.is_set():
            peer.send(block)

    return act


def cut_frame(peer: Conversation) -> None:
    peer.send(CONNECTED[:20])


def slow_frame(peer: Conversation) -> None:
    drip(peer, CONNECTED)


# ---- all of them

TLS12, TLS13 = ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3

FAULTS: dict[str, dict[str, Maker]] = {
    "name unknown": {"any": lambda grid: Nowhere("cloud.invalid")},
    "refused": {"any": lambda grid: Nowhere()},
    "no route": {"any": lambda grid: Nowhere("255.255.255.255")},
    "connection attempt not answered": {"any": lambda grid: Nowhere(silent=True)},
    "mute after accept": {"any": raw(mute)},
    "close after accept": {"any": raw(close)},
    "reset after accept": {"any": raw(reset)},
    "garbage after accept": {"any": raw(garbage)},
    "drip in the handshake": {"tls": shake_hands("drip")},
    "close in the handshake": {"tls": shake_hands("close")},
    "reset in the handshake": {"tls": shake_hands("reset")},
    "certificate expired": {"tls": certificate("expired")},
    "certificate not yet valid": {"tls": certificate("not-yet-valid")},
    "certificate self-signed": {"tls": certificate("self-signed")},
    "certificate of an unknown CA": {"tls": certificate("unknown-ca")},
    "certificate for another host": {"tls": certificate("wrong-host")},
    "certificate revoked": {"tls": certificate("revoked")},
    "certificate with a weak key": {"tls": certificate("weak")},
    "TLS 1.0 only": {"tls": old_tls},
    "client certificate refused, TLS 1.2": {"tls": client_refused(TLS12)},
    "client certificate refused, TLS 1.3": {"tls": client_refused(TLS13)},
    "mute after the request": {
        "http": web("mute"),
        "ldap": ldap(ldap_peer.mute_after_bind),
        "stomp": stomp(mute_at="CONNECT"),
    },
    "drip in the headers": {"http": web("drip-headers")},
    "drip in the body": {
        "http": web("drip-body", interval=10.0),
        "ldap": ldap(slow_entries),
        "stomp": after_connect(slow_frame),
    },
    "close after the request": {
        "http": web("close-request"),
        "ldap": ldap(ldap_peer.close_on_search),
        "stomp": stomp(close_at="CONNECT"),
    },
    "close in the headers": {"http": web("close-headers")},
    "close in the body": {
        "http": web("close-body"),
        "ldap": ldap(ldap_peer.close_inside_an_entry),
        "stomp": after_connect(cut_frame),
    },
    "reset after the request": {
        "http": web("reset"),
        "ldap": ldap(ldap_peer.reset),
        "stomp": after_connect(reset),
    },
    "garbage for an answer": {"http": web("garbage"), "ldap": ldap(no_ldap), "stomp": after_connect(garbage)},
    "endless headers": {
        "http": web("endless-headers"),
        "stomp": after_connect(endless(b"CONNECTED\n", b"x-padding:" + b"x" * 1000 + b"\n")),
    },
    "endless body": {
        "http": web("endless-body"),
        "ldap": ldap(ldap_peer.endless_entries),
        "stomp": after_connect(endless(b"CONNECTED\nversion:1.2\n\n", b"x" * 65536)),
    },
    "200 MB body": {
        "http": huge_body,
        "ldap": ldap(ldap_peer.huge_length),
        "stomp": after_connect(endless(b"CONNECTED\nversion:1.2\ncontent-length:%d\n\n" % HUGE, b"x" * 65536)),
    },
    "compression bomb": {"http": web("gzip-bomb", size_bytes=HUGE)},
    "redirect loop": {"http": redirect("{web}/again")},
    "redirect to another host": {"http": redirect("https://elsewhere.invalid/")},
    "redirect to file:": {"http": redirect("file:///etc/passwd")},
    "redirect to http: on loopback": {"http": redirect("{canary}/")},
    "401": {"http": status(401)},
    "403": {"http": status(403), "ldap": ldap(ldap_peer.bind_fails(50, "not for you"))},
    "404": {"http": status(404), "ldap": ldap(ldap_peer.search_fails(32))},
    "409": {"http": status(409)},
    "429 with Retry-After": {"http": status(429, Retry_After="120")},
    "500": {"http": status(500), "stomp": stomp(error_at="CONNECT", error=("internal error", "the disk is full"))},
    "503": {"http": status(503, Retry_After="120"), "ldap": ldap(ldap_peer.search_fails(51, "busy"))},
    "login page": {"http": web("html")},
    "wrong content type": {"http": web("wrong-type", type="image/png")},
    "wrong charset": {"http": web(spoil=wrong_charset)},
    "empty document": {"http": web(spoil=empty)},
    "truncated document": {"http": web(spoil=half)},
    "deeply nested document": {"http": web(spoil=nested), "ldap": ldap(ldap_peer.deep_nesting)},
    "truncated CMS": {"cms": half_cms},
    "deeply nested CMS": {"cms": web(spoil=nested_cms)},
    "entity bomb": {"http": web(spoil=entity_bomb)},
}
"""Rows of the matrix: what a peer does, by what is spoken with it. `any` and `tls` come before any protocol."""
