"""--connect-to and --source-address: another way to the endpoint, whose own name is verified and sent."""

from __future__ import annotations

import http.server
import re
import socket
import ssl
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.conftest import ROOT, Report
from tests.federation.ports import free_port
from tests.pace import until

TCP = "check_endpoint_tcp"
SECONDS = r"\d[\d.]* m?s"
NAME = "ooi.fedcloud.test"


def has_ipv6() -> bool:
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError:
        return False
    return True


class Peer(NamedTuple):
    """A port that accepts, and from which addresses it was called."""

    port: int
    callers: list[str]


@pytest.fixture(params=["127.0.0.1", pytest.param("::1", marks=pytest.mark.skipif(not has_ipv6(), reason="no IPv6"))])
def address(request) -> str:
    return request.param


@pytest.fixture
def peer(address: str) -> Iterator[Peer]:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.create_server((address, 0), family=family) as listener:
        made = Peer(listener.getsockname()[1], [])

        def accept() -> None:
            while True:
                try:
                    connection, caller = listener.accept()
                except OSError:
                    return
                made.callers.append(caller[0])
                connection.close()

        threading.Thread(target=accept, daemon=True).start()
        yield made
        listener.shutdown(socket.SHUT_RDWR)


@pytest.fixture
def looked_up(tmp_path: Path) -> tuple[Path, dict[str, str]]:
    """A file with every name that a resolver would have been asked for, and the environment that makes it."""
    (tmp_path / "site").mkdir()
    (tmp_path / "site/sitecustomize.py").write_text(
        "import socket\n"
        "real = socket.getaddrinfo\n"
        "def look_up(host, port, family=0, kind=0, protocol=0, flags=0):\n"
        "    if not flags & socket.AI_NUMERICHOST:\n"
        f"        with open({str(tmp_path / 'names')!r}, 'a') as file: file.write(f'{{host}}\\n')\n"
        "        raise socket.gaierror(socket.EAI_NONAME, 'Name or service not known')\n"
        "    return real(host, port, family, kind, protocol, flags)\n"
        "socket.getaddrinfo = look_up\n"
    )
    return tmp_path / "names", {"PYTHONPATH": f"{tmp_path / 'site'}:{ROOT}"}


def bracketed(address: str) -> str:
    return f"[{address}]" if ":" in address else address


# ---- where it leads


@pytest.mark.parametrize("form", ["{there}", "cloud.example.org:8787:{there}", "::{there}"])
def test_the_other_address_is_asked_and_no_resolver(probe, peer, address, looked_up, form):
    names, environment = looked_up
    there = f"{bracketed(address)}:{peer.port}"
    words = ("-u", "https://cloud.example.org:8787/", "--connect-to", form.format(there=there))
    report = probe(TCP, *words, **environment)
    assert re.fullmatch(
        rf"Endpoint-TCP OK - cloud\.example\.org:8787 \({re.escape(address)}\) accepts connections after {SECONDS}"
        rf"; asked at {re.escape(there)} by --connect-to",
        report.first,
    ), report.first
    assert (report.code, report.err) == (0, "")
    assert until(lambda: peer.callers) == [address]
    assert not names.exists()


def test_an_address_alone_keeps_the_port(probe, peer, address):
    report = probe(TCP, "-H", "cloud.example.org", "-p", peer.port, "--connect-to", bracketed(address))
    assert report.code == 0
    assert report.first.endswith(f"; asked at {bracketed(address)}:{peer.port} by --connect-to")


def test_a_port_that_refuses_there_is_critical(probe):
    port = free_port()
    report = probe(TCP, "-H", "cloud.example.org", "-p", 8787, "--connect-to", f"127.0.0.1:{port}")
    assert report == Report(
        2,
        "Endpoint-TCP CRITICAL - connection refused by cloud.example.org:8787 (127.0.0.1); "
        f"asked at 127.0.0.1:{port} by --connect-to\n",
        "",
    )


def test_a_name_there_that_is_unknown_is_our_choice(probe, looked_up):
    names, environment = looked_up
    report = probe(TCP, "-H", "cloud.example.org", "-p", 8787, "--connect-to", "node.example.org", **environment)
    assert report == Report(
        3,
        "Endpoint-TCP UNKNOWN - --connect-to: node.example.org does not resolve: Name or service not known; asked at "
        "node.example.org:8787 by --connect-to\n",
        "",
    )
    assert names.read_text().split() == ["b'node.example.org'"]


def test_what_changed_nothing_is_told(probe, peer, address):
    url = f"https://{bracketed(address)}:{peer.port}/"
    report = probe(TCP, "-u", url, "--connect-to", "cloud.example.org:443:192.0.2.7:443")
    assert report.code == 0
    assert report.first.endswith("; --connect-to changed nothing: no connection was meant for what it is for")


# ---- whose name is verified


class Greeted(NamedTuple):
    port: int
    names: list[str | None]


@pytest.fixture
def greeted(monitor) -> Iterator[Greeted]:
    """A TLS server with a certificate for NAME, which keeps the names that it was greeted with."""
    credential = monitor.federation.authority.host([NAME])
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(credential.path)
    names: list[str | None] = []
    context.sni_callback = lambda _socket, name, _context: names.append(name)
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            while True:
                try:
                    with context.wrap_socket(listener.accept()[0], server_side=True) as secured:
                        secured.recv(1)
                except ssl.SSLError:
                    continue
                except OSError:
                    return

        threading.Thread(target=serve, daemon=True).start()
        yield Greeted(listener.getsockname()[1], names)
        listener.shutdown(socket.SHUT_RDWR)


def test_the_registered_name_is_greeted_and_verified(monitor, greeted):
    words = ("-u", f"https://{NAME}:8787/", "--tls", "--connect-to", f"127.0.0.1:{greeted.port}")
    report = monitor.run(TCP, *words)
    assert re.fullmatch(
        rf"Endpoint-TCP OK - {NAME}:8787 \(127\.0\.0\.1\) accepts connections after {SECONDS}, certificate valid "
        rf"for \d+ d; asked at 127\.0\.0\.1:{greeted.port} by --connect-to",
        report.first,
    ), report.first
    assert greeted.names
    assert set(greeted.names) == {NAME}


def test_a_certificate_for_another_name_is_critical_there_too(monitor, greeted):
    words = ("-u", "https://other.example.org:8787/", "--tls", "--connect-to", f"127.0.0.1:{greeted.port}")
    report = monitor.run(TCP, *words)
    assert report.code == 2
    assert report.first == (
        f"Endpoint-TCP CRITICAL - certificate for {NAME}, 127.0.0.1, ::1 instead of "
        f"other.example.org:8787 (127.0.0.1); asked at 127.0.0.1:{greeted.port} by --connect-to"
    )
    assert set(greeted.names) == {"other.example.org"}


# ---- every probe


@pytest.fixture
def web() -> Iterator[tuple[int, list[str]]]:
    """A web server, and which host it was asked for."""
    hosts: list[str] = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            hosts.append(str(self.headers["Host"]))
            self.send_error(404)

        def log_message(self, *_: object) -> None:
            """Nothing."""

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server.server_address[1], hosts
        server.shutdown()


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("check_apel_pub", ("--site", "X")),
        ("check_occi_context", ("--auth", "none")),
        ("check_appdb_update", ()),
    ],
)
def test_over_http_the_registered_name_is_asked_for(monitor, web, name, words):
    port, hosts = web
    url = "http://www.example.org:8080/"
    report = monitor.run(name, "-u", url, "--connect-to", f"127.0.0.1:{port}", *words)
    assert report.first.endswith(f"; asked at 127.0.0.1:{port} by --connect-to"), report.first
    assert hosts
    assert set(hosts) == {"www.example.org:8080"}


@pytest.mark.parametrize(
    ("name", "url"),
    [("check_cloud_bdii", "ldap://b.example.org/o=glue"), ("check_broker", "stomp://b.example.org")],
)
def test_over_ldap_and_stomp_too(monitor, peer, address, name, url):
    there = f"{bracketed(address)}:{peer.port}"
    report = monitor.run(name, "-u", url, "--connect-to", there)
    assert report.code == 2
    assert report.first.endswith(f"; asked at {there} by --connect-to"), report.first
    assert set(peer.callers) == {address}


def test_with_h_it_is_for_the_endpoint_that_the_gocdb_has_and_not_for_the_gocdb(monitor, peer, address):
    site = monitor.federation.site("ooi")
    there = f"{bracketed(address)}:{peer.port}"
    report = monitor.run(TCP, "-H", site.hostname, "--connect-to", there)
    assert report.code == 0, report.out
    assert re.fullmatch(
        rf"Endpoint-TCP OK - localhost:{site.web.port} \({re.escape(address)}\) accepts connections after {SECONDS}; "
        rf"asked at {re.escape(there)} by --connect-to",
        report.first,
    ), report.first
    assert until(lambda: peer.callers) == [address]


def test_a_proxy_connects_by_itself(monitor):
    words = ("-u", "http://www.example.org/", "--site", "X", "--connect-to", "127.0.0.1:1", "--proxy-from-environment")
    assert monitor.run("check_apel_pub", *words).first == (
        "APEL-Pub UNKNOWN - --connect-to does nothing through a web proxy, which connects by itself (leave out "
        "--proxy-from-environment, or proxy_from_environment in probes.ini)"
    )


# ---- where it comes from


def test_the_peer_sees_the_source(probe, peer, address):
    source = "127.0.0.5" if address == "127.0.0.1" else "::1"
    words = ("-H", address, "-p", peer.port, "--source-address", source)
    assert probe(TCP, *words).code == 0
    assert until(lambda: peer.callers) == [source]


def test_one_source_of_each_kind_may_be_given(probe, peer, address):
    words = ("--source-address", "127.0.0.6", "--source-address", "::1")
    assert probe(TCP, "-H", address, "-p", peer.port, *words).code == 0
    assert until(lambda: peer.callers) == ["127.0.0.6" if address == "127.0.0.1" else "::1"]


def test_over_http_the_peer_sees_it_too(monitor, web):
    port, hosts = web
    words = ("-u", f"http://127.0.0.1:{port}/", "--site", "X", "--source-address")
    monitor.run("check_apel_pub", *words, "127.0.0.7")
    assert hosts
    report = monitor.run("check_apel_pub", *words, "192.0.2.77")
    assert report.code == 3
    assert "--source-address 192.0.2.77: Cannot assign requested address" in report.first


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (
            ("--source-address", "192.0.2.77"),
            "--source-address 192.0.2.77: Cannot assign requested address (name an address that this machine has)",
        ),
        (
            ("--source-address", "127.0.0.5", "--source-address", "127.0.0.6"),
            "--source-address is given twice for one kind of address (leave out one of them)",
        ),
        (("--source-address", "127.0.0.5", "-6"), "--source-address 127.0.0.5 cannot reach what -6 asks for"),
        (
            ("--source-address", "eth0"),
            "usage: argument --source-address: 'eth0' is not an IPv4 or IPv6 address (see check_endpoint_tcp --help)",
        ),
        (
            ("--connect-to", "::1:443"),
            "usage: argument --connect-to: '1' is not the name of a host, nor an address (see check_endpoint_tcp "
            "--help)",
        ),
    ],
)
def test_what_cannot_be_is_unknown(probe, words, said):
    assert probe(TCP, "-H", "127.0.0.1", "-p", 9, *words) == Report(3, f"Endpoint-TCP UNKNOWN - {said}\n", "")


def test_a_source_of_the_other_kind_finds_no_address(probe):
    report = probe(TCP, "-H", "127.0.0.1", "-p", 9, "--source-address", "::1")
    assert report.code == 2
    assert report.first.startswith("Endpoint-TCP CRITICAL - name 127.0.0.1 does not resolve to an IPv6 address")
