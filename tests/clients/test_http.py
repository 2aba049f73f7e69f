"""The HTTP client against real loopback servers, well-behaved and not."""

from __future__ import annotations

import errno
import gc
import os
import re
import socket
import struct
import threading
import weakref

import pytest

from libprobe.clients.credentials import find_certificate
from libprobe.clients.exchange import SENT, Exchange
from libprobe.clients.http import HttpClient, ResponseHead
from libprobe.clients.http import Response as HttpResponse
from libprobe.clients.proxies import WebProxy
from libprobe.clients.refusals import LoginRefused, QuotaRefused, Refusal, ServerError
from libprobe.deadline import Deadline
from libprobe.failures import (
    BadData,
    Misconfigured,
    NameUnknown,
    NoAnswer,
    OwnCredential,
    OwnMachine,
    ProtocolFailure,
    Refused,
    Rejected,
    TlsFailure,
)
from tests.conftest import at
from tests.federation.faults import Faults
from tests.federation.ldap_peer import LdapPeer
from tests.federation.web import Response, WebServer
from tests.pace import AMPLE_S, OWN_PART, Watch, excused, seconds


def answer(request):
    if request.path == "/big":
        return Response(200, [], b"x" * 100_000)
    if request.path == "/lines":
        return Response(200, [], b"one\r\ntwo\n\nlast")
    if request.path == "/json":
        return Response(200, [("Content-Type", "application/json; charset=utf8")], b'{"a": 1}')
    if request.path.startswith("/to"):
        return Response(302, [("Location", request.query["url"][0])])
    if request.path == "/loop":
        return Response(307, [("Location", "loop")])
    if request.path == "/cookie":
        return Response(200, [("Set-Cookie", "session=abc; Path=/")], b"")
    return Response(200, [("X-Two", "1"), ("X-Two", "2")], repr(sorted(request.headers.items())).encode())


@pytest.fixture
def server():
    with WebServer("test", answer, faults=Faults()) as running:
        yield running


@pytest.fixture
def client():
    made = HttpClient(Deadline(AMPLE_S))
    yield made
    made.close()


def test_headers_come_back_one_by_one_in_order(client, server):
    response = client.request("GET", server.url)
    assert [value for name, value in response.headers if name == "X-Two"] == ["1", "2"]
    assert response.header("x-two") == "1"
    assert response.header("absent") is None


def test_what_is_sent_names_us_and_asks_for_no_compression(client, server):
    text = client.request("GET", server.url, headers=[("A", "1"), ("A", "2")]).text
    assert "('A', '1, 2')" in text
    assert "fedcloud-probes/" in text
    assert "('Accept-Encoding', 'identity')" in text


def test_one_connection_serves_many_exchanges(client, server):
    for _ in range(5):
        client.request("GET", server.url)
        client.request("POST", server.url, body=b"x")
    assert server.connections == 1


@pytest.mark.parametrize("secured", [False, True], ids=["http", "https"])
def test_a_client_that_nobody_has_any_more_closes_its_connections_and_is_gone(federation, server, secured):
    """A process that runs many checks would fill with them otherwise."""
    site = federation.site("ooi")
    gc.collect()  # what other tests left
    before = connections_of_ours()
    client = HttpClient(Deadline(AMPLE_S), trust=str(federation.ca_directory))
    client.request("GET", f"{site.base}/-/" if secured else server.url)
    gone = weakref.ref(client)
    assert len(connections_of_ours()) == len(before) + 1
    del client
    gc.collect()
    assert gone() is None
    assert connections_of_ours() == before


def connections_of_ours() -> list[int]:
    """Descriptors of the connections that clients in this process hold open."""
    module = HttpClient.__module__.rpartition(".")[0] + ".sockets"
    found = [each for each in gc.get_objects() if isinstance(each, socket.socket) and type(each).__module__ == module]
    return sorted(each.fileno() for each in found if each.fileno() >= 0)


def test_cookies_are_not_carried_on_to_another_port(client, server):
    client.request("GET", f"{server.url}/cookie")
    with WebServer("other", answer) as other:
        assert "abc" not in client.request("GET", f"{other.url}/x").text


def test_a_body_is_limited(client, server):
    assert len(client.request("GET", f"{server.url}/big").body) == 100_000
    with pytest.raises(BadData, match=r"^answer larger than 9 KiB from localhost:\d+$"):
        client.request("GET", f"{server.url}/big", max_bytes=10_000)


def test_lines_are_streamed(client, server):
    with client.stream("GET", f"{server.url}/lines") as stream:
        assert list(stream.lines(1000)) == ["one\r", "two", "", "last"]
    with pytest.raises(BadData, match="line of more than"), client.stream("GET", f"{server.url}/big") as stream:
        list(stream.lines(1 << 20, max_line=2048))


def test_json_and_media_type(client, server):
    response = client.request("GET", f"{server.url}/json")
    assert (response.media_type, response.json()) == ("application/json", {"a": 1})
    with pytest.raises(BadData, match=r'^answer that is not JSON from localhost:\d+; it begins "one two last"$'):
        client.request("GET", f"{server.url}/lines").json()


def test_redirects_stay_within_the_origin(client, server):
    assert client.request("GET", f"{server.url}/to?url=/json").json() == {"a": 1}
    assert client.request("POST", f"{server.url}/to?url=/json").status == 302
    assert client.request("GET", f"{server.url}/to?url=/json", follow=None).status == 302
    for target in (
        "http://127.0.0.1:1/",
        "https://localhost/",
        "file:///etc/passwd",
        "//evil.example.org/",
        "http://[bad",
    ):
        with pytest.raises(
            ProtocolFailure, match=r"^redirect to (another origin \(.*\)|an unusable URL, .*,) from localhost:\d+$"
        ):
            client.request("GET", f"{server.url}/to?url={target}")
    with pytest.raises(ProtocolFailure, match=r"^more than 3 redirects from localhost:\d+; "):
        client.request("GET", f"{server.url}/to?url=/loop")


AMBIGUOUS = [
    "//{other}/x", "///{other}/x", "http:{other}/x", "\\\\{other}/x", "/\\{other}/x", "http:\\\\{other}/x",
    "http://{own}\\@{other}/x", "http://{other}\\@{own}/x", "http://{own}@{other}/x", "http://{other}@{own}/x",
    "http://{own}#@{other}/x", "http://{own}?@{other}/x", "http://{own}%40{other}/x", "http://{own}%2f@{other}/x",
    "http://{own} @{other}/x", "http://{own}\t@{other}/x", "http://{own};@{other}/x", "HTTP://{OTHER}/x",
    "http://{other}\x00{own}/x", "http://[::ffff:127.0.0.1]:{port}/x", "http://127.1:{port}/x", "http://2130706433:{port}/x",
    "http://127.0.0.1:{port}/x", "http://localhost.:{port}/x", "https://{own}/x", "http://\uff4cocalhost:{port}/x",
]  # fmt: skip


@pytest.mark.parametrize("target", AMBIGUOUS)
def test_a_redirect_that_two_parsers_may_read_differently_leads_no_token_to_another_origin(client, server, target):
    """What the other side received decides, not what we made of the address."""
    with WebServer("other", answer) as other:
        own, there = (each.url.removeprefix("http://") for each in (server, other))
        port = there.rpartition(":")[2]
        location = target.format(own=own, other=there, OTHER=there.upper(), port=port)

        def redirecting(request):
            return Response(302, [("Location", location)]) if request.path == "/from" else Response(200, [], b"here")

        server.app = redirecting
        try:
            client.request("GET", f"{server.url}/from", headers=[("X-Auth-Token", "sesame")])
        except (ProtocolFailure, BadData):
            pass
        assert other.requests == []
        assert {each.request.headers.get("X-Auth-Token") for each in server.requests} == {"sesame"}


def test_the_environments_proxy_is_used_only_if_asked_for(server, monkeypatch):
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.delenv("NO_PROXY", raising=False)
    url = server.url.replace("localhost", "127.0.0.2")
    with pytest.raises(Refused):  # the server listens on 127.0.0.1 only: nobody but a proxy could have answered
        HttpClient(Deadline(AMPLE_S)).request("GET", url)
    says = r"^connection refused by web proxy 127\.0\.0\.1:1; localhost:\d+ not asked$"
    with pytest.raises(OwnMachine) as caught:
        HttpClient(Deadline(AMPLE_S), proxy_from_environment=True).request("GET", server.url)
    assert re.search(says, caught.value.sentence)
    assert HttpClient(Deadline(AMPLE_S)).request("GET", server.url).status == 200


@pytest.mark.parametrize("fault", ["mute-accept", "mute", "drip-headers", "drip-body"])
def test_the_deadline_holds_against_a_peer_that_drips(server, fault):
    limit = seconds(0.6)
    server.faults.on(fault, **({"interval": limit / 10} if "drip" in fault else {}))
    client = HttpClient(Deadline(limit))
    watch = Watch()
    with pytest.raises(NoAnswer, match="no complete answer within"):
        client.request("GET", f"{server.url}/big")
    watch.ended_within(limit + 0.9)


def test_an_error_whose_body_does_not_end_leaves_most_of_the_time(server):
    """Its status says what counts; the login that a 401 leads to is somebody else's."""
    server.faults.on("status", code=401, body="x" * 1000)
    server.faults.on("drip-body", interval=AMPLE_S)
    limit = seconds(8)
    deadline = Deadline(limit)
    client = HttpClient(deadline)
    answer = client.request("GET", server.url)
    assert answer.status == 401
    assert deadline.remaining() > limit / 2 or excused("a quarter of the time for a body")
    server.faults.clear()
    assert client.request("GET", server.url).status == 200


@pytest.mark.parametrize("code", [403, 503])
def test_the_body_of_an_error_with_which_the_connection_ends_is_read(client, server, code):
    """As Apache says that what is behind it does not answer: http.client has let go of the connection by then."""
    server.faults.on("status", code=code, body="why", headers={"Connection": "close"})
    answer = client.request("GET", server.url)
    assert (answer.status, answer.text) == (code, "why")


def test_a_time_out_tells_of_the_exchange_in_which_the_time_went(server):
    limit = seconds(3)
    with WebServer("other", answer, faults=Faults()) as other:
        server.faults.on("late-answer", seconds=limit * 0.7)
        other.faults.on("mute")
        client = HttpClient(Deadline(limit))
        assert client.request("GET", server.url).status == 200
        with pytest.raises(NoAnswer) as caught:
            client.request("GET", f"{other.url}/x")
    assert re.fullmatch(
        rf"^no complete answer within [\d.]+ s from {at(other.url)}{OWN_PART}"
        rf"; [\d.]+ s of it went to {at(server.url)}$",
        caught.value.sentence,
    )


def test_another_deadline_holds_within_a_block(server):
    server.faults.on("mute", times=1)
    client = HttpClient(Deadline(AMPLE_S))
    limit = seconds(0.2)
    watch = Watch()
    with pytest.raises(NoAnswer), client.using_deadline(Deadline(limit)):
        client.request("GET", server.url)
    watch.ended_within(limit + 1.8)
    assert client.request("GET", server.url).status == 200


def test_the_peers_clock_is_noted(client, server):
    server.faults.on("date-skew", seconds=-7200)
    client.request("GET", server.url)
    assert -7205 < client.clock_skew < -7195


def test_a_ca_path_that_is_none_is_our_fault(tmp_path):
    with pytest.raises(Misconfigured, match="holds no CA certificates"):
        HttpClient(Deadline(AMPLE_S), trust=str(tmp_path)).request("GET", "https://localhost:1/")
    with pytest.raises(Misconfigured, match="cannot be read"):
        HttpClient(Deadline(AMPLE_S), trust=str(tmp_path / "none")).request("GET", "https://localhost:1/")
    (tmp_path / "bundle.pem").write_text("nonsense")
    with pytest.raises(Misconfigured, match="cannot be read as PEM"):
        HttpClient(Deadline(AMPLE_S), trust=str(tmp_path / "bundle.pem")).request("GET", "https://localhost:1/")


def test_a_server_that_wants_a_certificate_we_have_not(federation):
    site = federation.site("rocci")
    site.web.use_context(site.authority.server_context(site.credential, clients="required"))
    with pytest.raises((OwnCredential, ProtocolFailure)):
        HttpClient(Deadline(AMPLE_S), trust=str(federation.ca_directory)).request("GET", f"{site.base}/-/")


def test_only_the_given_cas_are_trusted(federation):
    with pytest.raises(TlsFailure, match=r"^certificate of an untrusted CA \(FedCloud Test CA\) on localhost:\d+$"):
        HttpClient(Deadline(AMPLE_S)).request("GET", f"{federation.site('ooi').base}/-/")


def test_the_first_connection_is_made_before_requests_is_loaded_and_carries_the_first_request(federation):
    server = federation.service("gocdb").web
    made = HttpClient(Deadline(AMPLE_S), trust=str(federation.ca_directory))
    before = server.connections
    for _ in range(2):
        made.request("GET", f"{server.url}/")
    assert server.connections - before == 1
    assert made.loading_s > 0


@pytest.mark.parametrize("url", ["http://localhost:99999/", "http://localhost:x/", "http://", "http://é.invalid/"])
def test_an_address_that_is_none_is_a_failure_with_what_was_asked(url):
    with pytest.raises((ProtocolFailure, NameUnknown), match=r"\bURL\b|^name .* does not resolve") as caught:
        HttpClient(Deadline(AMPLE_S)).request("GET", url)
    assert caught.value.details[0] == f"asked: GET {url}"


# ---- interim answers


@pytest.mark.parametrize("code", [100, 102, 103])
def test_the_answer_is_the_one_that_follows_the_interim_ones(client, server, code):
    """http.client passes over 100 alone, so a proxy that sends 103 Early Hints made a site that is well CRITICAL."""
    server.faults.on("interim", code=code, heads=3)
    first = client.request("GET", f"{server.url}/json")
    assert (first.status, first.header("Content-Type"), first.json()) == (
        200,
        "application/json; charset=utf8",
        {"a": 1},
    )
    server.faults.clear()
    assert client.request("GET", f"{server.url}/json").status == 200
    assert server.connections == 1


def test_interim_answers_without_end_are_told(client, server):
    server.faults.on("interim", code=103, heads=1000)
    with pytest.raises(
        ProtocolFailure, match=r"^malformed HTTP \(got more than 20 interim answers\) from localhost:\d+$"
    ):
        client.request("GET", f"{server.url}/json")


# ---- what a broken connection means


@pytest.mark.parametrize("cut", [b"HTTP/1.1 200", b"HTTP/1.1 200 OK\r\n", b"HTTP/1.1 200 OK\r\nContent-Type: te"])
def test_half_of_a_head_is_no_answer(client, cut):
    with (
        LdapPeer(lambda peer: (peer.sock.recv(4096), peer.send(cut))) as peer,
        pytest.raises(ProtocolFailure, match=r"^connection closed within the answer from localhost:\d+$"),
    ):
        client.request("DELETE", f"http://localhost:{peer.port}/x")


@pytest.mark.parametrize("size", [b"-1", b"-5", b"-ffffffff"])
def test_a_chunk_of_a_size_below_0_is_not_read_into_memory_without_end(client, size):
    """http.client reads all that comes, whatever it is, for a size of -1."""
    head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"

    def flood(peer) -> None:
        peer.sock.recv(4096)
        peer.send(head + size + b"\r\n")
        for _ in range(64):
            peer.send(bytes(1 << 20))

    with LdapPeer(flood) as peer, pytest.raises(ProtocolFailure) as caught:
        client.request("GET", f"http://localhost:{peer.port}/x", max_bytes=1024)
    assert caught.value.sentence.startswith("malformed HTTP (a chunk of a size below 0) from localhost:")


@pytest.mark.parametrize(
    ("number", "kind", "said"),
    [
        (
            errno.ENETDOWN,
            OwnMachine,
            r"^this machine\'s network failed within the connection \(Network is down\) to h:80 ",
        ),
        (
            errno.ENETUNREACH,
            OwnMachine,
            r"^this machine\'s network failed within the connection \(Network is unreachable\) to h:80 ",
        ),
        (
            errno.EPERM,
            OwnMachine,
            r"^this machine\'s network failed within the connection \(Operation not permitted\) to h:80 ",
        ),
        (errno.ENOMEM, OwnMachine, r"^monitoring host out of memory to ask h:80 \(raise its limits\)$"),
        (errno.ECONNRESET, ProtocolFailure, "connection reset"),
        (errno.ETIMEDOUT, ProtocolFailure, r"^connection lost \(Connection timed out\) to h:80$"),
        (errno.EBADF, OSError, "Bad file descriptor"),
        (errno.EINVAL, OSError, "Invalid argument"),
    ],
)
def test_what_ends_a_connection_is_the_peers_only_where_the_kernel_says_so(number, kind, said):
    exchange = Exchange("GET http://h/", "h", 80, Deadline(AMPLE_S))
    exchange.begin_phase(SENT)
    with pytest.raises(kind, match=said):
        raise exchange.io_failure(OSError(number, os.strerror(number)))


@pytest.fixture
def proxied(federation):
    """A client with our proxy, and the TLS settings of a good server."""
    found = find_certificate(str(federation.proxy))
    made = HttpClient(Deadline(AMPLE_S), trust=str(federation.ca_directory), credential=found)
    yield made, federation.site("rocci").web.context
    made.close()


def reset(peer) -> None:
    peer.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def test_who_answered_before_did_not_refuse_our_certificate(proxied):
    client, context = proxied
    seen = []

    def once(peer) -> None:
        if not seen:
            seen.append(peer.sock.recv(4096))
            peer.send(b"HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n")
            peer.sock.unwrap()
        else:
            peer.sock.recv(4096)
            reset(peer)

    with LdapPeer(once, context) as peer:
        url = f"https://localhost:{peer.port}/"
        assert client.request("GET", url).status == 204
        with pytest.raises(
            ProtocolFailure, match=r"^connection (reset by|closed before an answer from) localhost:\d+$"
        ):
            client.request("GET", url)


def test_who_breaks_off_before_any_answer_perhaps_refused_it(proxied):
    client, context = proxied

    def never(peer) -> None:
        peer.sock.recv(4096)
        reset(peer)

    with LdapPeer(never, context) as peer, pytest.raises(Rejected, match=r"; our certificate may have been refused$"):
        client.request("GET", f"https://localhost:{peer.port}/")


@pytest.mark.parametrize("end", [lambda peer: None, reset], ids=["close", "reset"])
def test_a_handshake_that_breaks_off_for_everybody_is_not_about_our_certificate(proxied, end):
    client, _ = proxied

    def break_off(peer) -> None:
        peer.sock.recv(4096)
        end(peer)

    with LdapPeer(break_off) as peer, pytest.raises(TlsFailure) as caught:
        client.request("GET", f"https://localhost:{peer.port}/")
    assert re.search(r"^connection (closed|reset) in TLS handshake by localhost:\d+$", caught.value.sentence)


def test_a_handshake_that_breaks_off_for_us_alone_is(proxied):
    client, context = proxied
    seen = []

    def pick(peer) -> None:
        """The first comes with our certificate; the second, who looks again, without."""
        if seen:
            context.wrap_socket(peer.sock, server_side=True).close()
        seen.append(1)

    with (
        LdapPeer(pick) as peer,
        pytest.raises(Rejected, match=r"; not without our client certificate, which it probably refused$"),
    ):
        client.request("GET", f"https://localhost:{peer.port}/")


@pytest.mark.parametrize(
    ("header", "says"),
    [
        ("120", "asks to wait 120 s"),
        ("99999999999999", "asks to wait "),
        ("0", ""),
        ("-5", ""),
        ("soon", ""),
        ("Wed, 21 Oct 2015 07:28:00 GMT", ""),
        ("Fri, 31 Dec 2100 23:59:59 GMT", "asks to wait "),
    ],
)
def test_retry_after_is_told_where_it_asks_for_a_pause(header, says):
    pause = ResponseHead("GET x", 429, "Too Many Requests", [("retry-after", header)]).retry_after_words
    assert pause.startswith(says)
    assert bool(pause) == bool(says)


def test_a_peer_that_ends_in_order_while_we_send_is_not_said_to_have_reset(tmp_path) -> None:
    """Once it has closed its side, Linux calls the reset that our next bytes meet a broken pipe."""

    def end(listener: socket.socket) -> None:
        connection, _ = listener.accept()
        connection.shutdown(socket.SHUT_WR)
        connection.recv(1)
        connection.close()  # with bytes that it has not read

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=end, args=(listener,))
        thread.start()
        url = f"http://127.0.0.1:{listener.getsockname()[1]}/x"
        with pytest.raises(ProtocolFailure, match="connection closed before an answer"):
            HttpClient(Deadline(AMPLE_S)).request("POST", url, body=b"x" * (32 << 20))
        thread.join()


@pytest.mark.parametrize("kind", [Refusal, QuotaRefused, LoginRefused, ServerError])
def test_a_refusal_has_the_status_and_all_words_of_its_answer(kind):
    head = ResponseHead("POST x", 403, "Forbidden", [("Content-Type", "text/plain")], place="cloud:1")
    refusal = HttpResponse(head, b"No room. " + b"Ask again later. " * 9).failure(kind, "create a VM", also="because")
    assert (refusal.http_status, refusal.error_text) == (403, ("No room. " + "Ask again later. " * 9).strip())
    assert str(refusal) == '403 "No room" from cloud:1 when asked to create a VM; because'


@pytest.mark.parametrize(
    ("number", "told"),
    [
        (errno.ENETUNREACH, "Network is unreachable at there (give this monitor a route)"),
        (errno.ENETDOWN, "Network is down at there (bring this monitor's network interface up)"),
        (errno.EADDRNOTAVAIL, "Cannot assign requested address at there (give this monitor an address of that kind)"),
        (
            errno.EAFNOSUPPORT,
            "Address family not supported by protocol at there (this monitor's kernel has addresses of that kind "
            "switched off)",
        ),
        (
            errno.EPERM,
            "this machine may not connect (Operation not permitted) to there (look at its firewall and its security "
            "policy)",
        ),
        (errno.ECONNREFUSED, "connection refused by there"),
        (errno.ECONNRESET, "connection reset as soon as it was made by there (start the service behind it)"),
        (errno.EHOSTDOWN, "Host is down at there"),
    ],
)
def test_what_the_kernel_says_of_a_connection_is_told_with_what_to_do(number, told):
    exchange = Exchange("GET https://h/", "h", 443, Deadline(9.0))
    failure = exchange.connect_failure(OSError(number, os.strerror(number)), "there")
    assert (str(failure), failure.exchange) == (told, exchange)
    is_ours = number in (errno.ENETUNREACH, errno.ENETDOWN, errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT, errno.EPERM)
    assert isinstance(failure, OwnMachine) is is_ours


def test_a_web_proxy_that_makes_no_tunnel_is_told_with_its_words():
    def refuse() -> None:
        peer, _ = listener.accept()
        with peer:
            while not asked.endswith(b"\r\n\r\n") and (data := peer.recv(4096)):
                asked.extend(data)
            peer.sendall(b"HTTP/1.1 403 Forbidden by rule\r\nContent-Length: 0\r\n\r\n")

    asked = bytearray()
    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=refuse, daemon=True).start()
        port = listener.getsockname()[1]
        proxy = WebProxy("127.0.0.1", port, {"Proxy-Authorization": "Basic eDp5"}, "h.test:443")
        with pytest.raises(OwnMachine) as caught:
            proxy.connect(Exchange("GET https://h.test/", "h.test", 443, Deadline(AMPLE_S)))
    assert caught.value.sentence == (
        f"no tunnel (403 Forbidden by rule) through web proxy 127.0.0.1:{port}; h.test:443 not asked"
    )
    assert bytes(asked) == (
        b"CONNECT h.test:443 HTTP/1.1\r\nHost: h.test:443\r\nProxy-Authorization: Basic eDp5\r\n\r\n"
    )
