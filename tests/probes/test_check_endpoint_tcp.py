"""check_endpoint_tcp as Nagios runs it: ports that accept, refuse and stay mute; certificates; what it costs."""

from __future__ import annotations

import contextlib
import json
import re
import socket
import ssl
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta

import pytest

from tests.conftest import ROOT, Report, clean_environment
from tests.federation import gocdb as pi
from tests.federation.authority import Credential
from tests.federation.ports import free_port, unanswered
from tests.pace import Watch, seconds, timer_was_first

PROBE = "check_endpoint_tcp"
SECONDS = r"\d[\d.]* m?s"
CDMI = "eu.egi.cloud.storage-management.cdmi"


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as made:
        yield made


@pytest.fixture
def port(listener: socket.socket) -> int:
    return listener.getsockname()[1]


@pytest.fixture
def closed_port() -> int:
    return free_port()


# ---- host and port


def test_a_port_that_accepts_is_ok(probe, port):
    report = probe(PROBE, "-H", "127.0.0.1", "-p", port)
    assert re.fullmatch(rf"Endpoint-TCP OK - 127\.0\.0\.1:{port} accepts connections after {SECONDS}", report.first)
    assert (report.code, report.err, report.lines) == (0, "", [])
    assert list(report.performance) == ["connect_time", "resolve_time"]
    for label in ("connect_time", "resolve_time"):
        assert re.fullmatch(r"[\d.]+s;;;0", report.performance[label]), label


def test_a_name_is_told_with_the_address_that_answered(probe, port):
    report = probe(PROBE, "-H", "localhost", "-p", port)
    assert re.fullmatch(
        rf"Endpoint-TCP OK - localhost:{port} \(127\.0\.0\.1\) accepts connections after {SECONDS}", report.first
    )


def test_a_port_that_refuses_is_critical_with_the_address(probe, closed_port):
    assert probe(PROBE, "-H", "127.0.0.1", "-p", closed_port) == Report(
        2,
        f"Endpoint-TCP CRITICAL - connection refused by 127.0.0.1:{closed_port}\n",
        "",
    )


def test_a_name_that_does_not_resolve_is_critical(probe):
    report = probe(PROBE, "-H", "cloud.invalid", "-p", 80)
    assert report.code == 2
    assert report.first.startswith("Endpoint-TCP CRITICAL - name cloud.invalid does not resolve (")


def test_a_host_that_does_not_answer_is_critical_within_the_deadline(probe):
    with unanswered("127.0.0.1") as port:
        limit = seconds(1)
        watch = Watch()
        report = probe(PROBE, "-H", "127.0.0.1", "-p", port, "-t", limit)
    watch.ended_within(limit + 1.5)
    assert (report.code, report.err) == (2, "")
    assert re.fullmatch(
        rf"Endpoint-TCP CRITICAL - no connection within {SECONDS} to 127\.0\.0\.1:{port}",
        report.first,
    ) or timer_was_first(report.first), report.first


@pytest.mark.parametrize(
    "url", ["http://127.0.0.1:{}/?image=a&resource=b", "127.0.0.1:{}", "stomp+ssl://127.0.0.1:{}/"]
)
def test_a_url_of_any_scheme_says_where(probe, port, url):
    assert probe(PROBE, "-u", url.format(port)).code == 0


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("https://127.0.0.1/?image=a", 443),
        ("http://127.0.0.1", 80),
        ("stomp+ssl://127.0.0.1/", 6162),
        ("stomp://127.0.0.1/", 6163),
        ("ldap://127.0.0.1/o=glue", 389),
    ],
)
def test_without_a_port_the_schemes_is_meant(monitor, url, expected):
    report = monitor.run_alone(PROBE, "-u", url)
    assert report.out == (f"Endpoint-TCP CRITICAL - connection refused by 127.0.0.1:{expected}\n")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((), "no endpoint is named (give -H HOST, with -p PORT, or -u URL)"),
        (
            ("-u", "cloud.example.org"),
            "-u: cloud.example.org names no port, and its scheme has none by default (give -p)",
        ),
        (("-u", "https://h:99999"), '-u: the port "99999" in the URL is not a number from 1 to 65535'),
        (
            ("-H", "h", "-p", "99999"),
            "usage: argument -p/--port: '99999' is not a port between 1 and 65535 (see check_endpoint_tcp --help)",
        ),
        (
            ("-H", "h", "-4", "-6"),
            "usage: argument -6: not allowed with argument -4 (see check_endpoint_tcp --help)",
        ),
        (
            ("-H", "h", "--certificate", "x:"),
            "usage: argument --certificate: 'x' is not a number, alone or with a unit (ms, s, m, min, h, d, w) "
            "(see check_endpoint_tcp --help)",
        ),
        (
            ("-H", "h", "--tls", "--tls-by-scheme"),
            "usage: --tls-by-scheme has no effect together with --tls; leave one of them out "
            "(see check_endpoint_tcp --help)",
        ),
    ],
)
def test_options_that_do_not_fit_are_unknown(probe, arguments, said):
    assert probe(PROBE, *arguments) == Report(3, f"Endpoint-TCP UNKNOWN - {said}\n", "")


@pytest.mark.parametrize(("option", "code", "word"), [("-w", 1, "WARNING"), ("-c", 2, "CRITICAL")])
def test_a_connection_slower_than_a_limit_alerts(probe, port, option, code, word):
    report = probe(PROBE, "-H", "127.0.0.1", "-p", port, option, "0.001ms")
    assert report.code == code
    assert re.fullmatch(
        rf"Endpoint-TCP {word} - connected only after {SECONDS} to 127\.0\.0\.1:{port} \(limit 0\.001ms\)",
        report.first,
    )
    assert re.fullmatch(
        r"0\.\d+s;0\.000001;;0" if option == "-w" else r"0\.\d+s;;0\.000001;0", report.performance["connect_time"]
    )


# ---- several addresses


def test_an_address_that_refuses_before_one_that_accepts_is_a_warning_that_names_it(probe, port, names):
    environment = names(cloud=["127.0.0.2", "127.0.0.1"])
    report = probe(PROBE, "-H", "cloud", "-p", port, **environment)
    assert report.code == 1
    assert report.first == (
        f"Endpoint-TCP WARNING - connection refused by cloud:{port} (127.0.0.2); "
        f"cloud:{port} (127.0.0.1) accepts connections"
    )


def test_an_address_after_the_one_that_accepts_is_not_tried(probe, port, names):
    report = probe(PROBE, "-H", "cloud", "-p", port, **names(cloud=["127.0.0.1", "127.0.0.2"]))
    assert report.code == 0


def test_an_address_that_this_machine_has_no_route_to_is_no_fault_of_the_sites(probe, port, names):
    environment = names(cloud=["2001:db8::7", "127.0.0.1"], unrouted="2001:db8::7")
    report = probe(PROBE, "-H", "cloud", "-p", port, "-v", **environment)
    assert report.code == 0
    assert report.lines == [f"no route from here: Network is unreachable at cloud:{port} (2001:db8::7)"]


def test_a_host_to_which_this_machine_has_no_route_at_all_is_not_the_sites_fault(probe, names):
    environment = names(cloud=["2001:db8::7"], unrouted="2001:db8::7")
    report = probe(PROBE, "-H", "cloud", "-p", 80, **environment)
    assert report.code == 3
    assert report.first == (
        "Endpoint-TCP UNKNOWN - Network is unreachable at cloud:80 (2001:db8::7) (give this monitor a route)"
    )


def test_when_no_address_accepts_all_are_named(probe, closed_port, names):
    report = probe(PROBE, "-H", "cloud", "-p", closed_port, **names(cloud=["127.0.0.1", "127.0.0.2"]))
    assert report.first == (
        f"Endpoint-TCP CRITICAL - connection refused by cloud:{closed_port} (127.0.0.2); "
        f"connection refused by cloud:{closed_port} (127.0.0.1)"
    )


def test_a_mute_address_leaves_time_for_the_others(probe, names):
    with unanswered("127.0.0.2") as port, socket.create_server(("127.0.0.1", port)):
        environment = names(cloud=["127.0.0.2", "127.0.0.1"])
        report = probe(PROBE, "-H", "cloud", "-p", port, "-t", seconds(5), **environment)
    assert report.code == 1
    assert re.fullmatch(
        rf"Endpoint-TCP WARNING - no connection within {SECONDS} "
        rf"to cloud:{port} \(127\.0\.0\.2\); "
        rf"cloud:{port} \(127\.0\.0\.1\) accepts connections",
        report.first,
    ), report.first


ALL = "--all-addresses"


def test_all_addresses_that_accept_are_ok_and_counted(probe, names):
    with socket.create_server(("0.0.0.0", 0)) as listener:
        port = listener.getsockname()[1]
        environment = names(cloud=["127.0.0.1", "127.0.0.2", "127.0.0.3"])
        report = probe(PROBE, "-H", "cloud", "-p", port, ALL, "-v", **environment)
        callers = sorted(listener.accept()[0].getsockname()[0] for _ in range(3))
    assert callers == ["127.0.0.1", "127.0.0.2", "127.0.0.3"]
    assert re.fullmatch(
        rf"Endpoint-TCP OK - all 3 addresses of cloud:{port} accept connections after {SECONDS} at most",
        report.first,
    ), report.first
    assert (report.code, report.err) == (0, "")
    assert list(report.performance) == ["addresses", "addresses_failed", "connect_time", "resolve_time"]
    assert (report.performance["addresses"], report.performance["addresses_failed"]) == ("3;;;0", "0;;;0")
    for label in ("connect_time", "resolve_time"):
        assert re.fullmatch(r"[\d.]+s;;;0", report.performance[label]), label
    assert [line.partition(": ")[0] for line in report.lines] == [
        f"cloud:{port} (127.0.0.{last})" for last in (1, 2, 3)
    ]


@pytest.mark.parametrize("order", [("127.0.0.1", "127.0.0.2"), ("127.0.0.2", "127.0.0.1")])
def test_one_of_all_addresses_that_fails_is_a_warning_wherever_it_stands(probe, port, names, order):
    report = probe(PROBE, "-H", "cloud", "-p", port, ALL, **names(cloud=list(order)))
    assert (report.code, report.err) == (1, "")
    assert report.first == (
        f"Endpoint-TCP WARNING - 1 of 2 addresses of cloud:{port} fails: connection refused by cloud:{port} (127.0.0.2)"
    )
    assert report.performance["addresses_failed"] == "1;;;0"


def test_all_addresses_that_fail_are_critical(probe, closed_port, names):
    report = probe(PROBE, "-H", "cloud", "-p", closed_port, ALL, **names(cloud=["127.0.0.1", "127.0.0.2"]))
    assert (report.code, report.first) == (
        2,
        f"Endpoint-TCP CRITICAL - connection refused by cloud:{closed_port} (127.0.0.2); "
        f"connection refused by cloud:{closed_port} (127.0.0.1)",
    )
    assert dict(report.performance)["addresses_failed"] == "2;;;0"


def test_of_all_addresses_the_first_four_that_fail_are_told_and_all_are_counted(probe, port, names):
    report = probe(PROBE, "-H", "cloud", "-p", port, ALL, **names(cloud=[f"127.0.0.{last}" for last in range(1, 8)]))
    refused = "; ".join(f"connection refused by cloud:{port} (127.0.0.{last})" for last in range(2, 6))
    assert (report.code, report.err) == (1, "")
    assert report.first == f"Endpoint-TCP WARNING - 6 of 7 addresses of cloud:{port} fail: {refused}"
    assert (report.performance["addresses"], report.performance["addresses_failed"]) == ("7;;;0", "6;;;0")


def test_of_all_addresses_one_without_a_route_is_not_judged(probe, port, names):
    environment = names(cloud=["2001:db8::7", "127.0.0.1"], unrouted="2001:db8::7")
    report = probe(PROBE, "-H", "cloud", "-p", port, ALL, "-v", **environment)
    assert (report.code, report.performance["addresses"]) == (0, "1;;;0")
    assert [line for line in report.lines if line.startswith("no route from here: ") and "2001:db8::7" in line]
    assert re.fullmatch(rf"Endpoint-TCP OK - cloud:{port} accepts connections after {SECONDS}", report.first), (
        report.first
    )


def test_of_all_addresses_a_mute_one_leaves_time_for_those_after_it(probe, names):
    with unanswered("127.0.0.1") as port, socket.create_server(("127.0.0.2", port)):
        environment = names(cloud=["127.0.0.1", "127.0.0.2"])
        report = probe(PROBE, "-H", "cloud", "-p", port, ALL, "-t", seconds(5), **environment)
    assert report.code == 1
    assert re.fullmatch(
        rf"Endpoint-TCP WARNING - 1 of 2 addresses of cloud:{port} fails: no connection within {SECONDS} "
        rf"to cloud:{port} \(127\.0\.0\.1\)",
        report.first,
    ), report.first


def test_the_slowest_of_all_addresses_is_the_one_that_is_told(probe, names):
    with socket.create_server(("0.0.0.0", 0)) as listener:
        port = listener.getsockname()[1]
        words = ("-H", "cloud", "-p", port, ALL, "-w", "0.001ms")
        report = probe(PROBE, *words, **names(cloud=["127.0.0.1", "127.0.0.2"]))
    assert report.code == 1
    assert re.fullmatch(
        rf"Endpoint-TCP WARNING - connected only after {SECONDS} to cloud:{port} \(127\.0\.0\.[12]\) "
        r"\(limit 0\.001ms\)",
        report.first,
    ), report.first


def test_4_and_6_choose_the_kind_of_address(probe, port, names):
    environment = names(cloud=["::1", "127.0.0.1"])
    assert probe(PROBE, "-H", "cloud", "-p", port, "-4", **environment).code == 0
    report = probe(PROBE, "-H", "cloud", "-p", port, "-6", **environment)
    assert report.code == 2
    assert report.first.endswith(f" cloud:{port} (::1)")
    report = probe(PROBE, "-H", "127.0.0.1", "-p", port, "-6", **environment)
    assert report.first.startswith("Endpoint-TCP CRITICAL - name 127.0.0.1 does not resolve to an IPv6 address (")


# ---- the GOCDB


@pytest.mark.parametrize("dot", ["", "."])
def test_by_host_name_alone_the_gocdb_says_where(monitor, dot):
    site = monitor.federation.site("ooi")
    report = monitor.run(PROBE, "-H", site.hostname + dot)
    assert (report.code, report.err) == (0, "")
    assert re.fullmatch(
        rf"Endpoint-TCP OK - localhost:{site.web.port} \(127\.0\.0\.1\) accepts connections after {SECONDS}",
        report.first,
    )


@pytest.mark.parametrize("kind", [CDMI, "eu.egi.cloud.broker.vmdirac", "egi.MSGBroker"])
def test_the_service_type_chooses_among_a_hosts_services(monitor, port, kind):
    gocdb = monitor.federation.gocdb
    url = f"https://127.0.0.1:{port}" if kind == CDMI else f"127.0.0.1:{port}"
    service = gocdb.add_service(pi.Service("two.fedcloud.test", kind, "TWO", url=url))
    try:
        report = monitor.run(PROBE, "-H", "two.fedcloud.test", "--service-type", kind)
        assert report.code == 0, report.out
        assert f"127.0.0.1:{port} accepts" in report.first
    finally:
        gocdb.remove_service(service)


def test_a_registration_without_a_port_is_the_sites_fault(monitor):
    gocdb = monitor.federation.gocdb
    service = gocdb.add_service(pi.Service("noport.fedcloud.test", CDMI, "NOPORT", url="cdmi.fedcloud.test"))
    try:
        report = monitor.run(PROBE, "-H", "noport.fedcloud.test", "--service-type", CDMI)
        assert report.code == 2
        assert report.first.startswith(
            "Endpoint-TCP CRITICAL - unusable URL in the GOCDB for noport.fedcloud.test (NOPORT): "
            "cdmi.fedcloud.test names no port, and its scheme has none by default (correct it at https://"
        )
    finally:
        gocdb.remove_service(service)


def test_a_host_that_the_gocdb_does_not_know_is_tried_on_the_usual_port(monitor):
    report = monitor.run_alone(PROBE, "-H", "127.0.0.1")
    assert report.first == (
        "Endpoint-TCP CRITICAL - connection refused by 127.0.0.1:8787; "
        "127.0.0.1 is not in the GOCDB as eu.egi.cloud.vm-management.occi, tried on port 8787"
    )
    report = monitor.run(PROBE, "-H", "127.0.0.1", "--service-type", CDMI)
    assert report.first == (
        f"Endpoint-TCP UNKNOWN - 127.0.0.1 is not in the GOCDB as {CDMI}, which has no port by default "
        "(give -p PORT or -u URL)"
    )


def test_limits_of_a_certificate_that_nobody_looks_at_are_refused(probe):
    report = probe(PROBE, "-H", "127.0.0.1", "-p", "1", "--certificate", "30d:,7d:")
    assert report == Report(
        3,
        "Endpoint-TCP UNKNOWN - usage: --certificate has no effect without --tls or --tls-by-scheme "
        "(see check_endpoint_tcp --help)\n",
        "",
    )


def test_a_gocdb_that_fails_is_unknown(monitor):
    monitor.federation.gocdb.faults.on("empty")
    report = monitor.run(PROBE, "-H", monitor.federation.site("ooi").hostname)
    assert report.code == 3
    assert re.fullmatch(
        r"Endpoint-TCP UNKNOWN - empty document in the answer of GOCDB localhost:\d+ \(give -u URL\)", report.first
    ), report.first


# ---- TLS


def tls(monitor, site: str, *arguments: object) -> Report:
    return monitor.run(PROBE, "-u", monitor.federation.site(site).url, "--tls", *arguments)


def test_with_tls_the_certificate_is_judged_too(monitor):
    report = tls(monitor, "ooi", "-v")
    assert re.fullmatch(
        rf"Endpoint-TCP OK - localhost:\d+ \(127\.0\.0\.1\) accepts connections after {SECONDS}, "
        r"certificate valid for 36\d d",
        report.first,
    ), report.out
    assert (report.code, report.err) == (0, "")
    assert list(report.performance) == ["certificate_lifetime", "connect_time", "handshake_time", "resolve_time"]
    assert re.fullmatch(r"315\d{5}s;1209600:;;0", report.performance["certificate_lifetime"])
    assert re.fullmatch(r"[\d.]+s;;;0", report.performance["handshake_time"])
    assert report.lines[0].startswith("TLS: TLSv1.3, ")
    assert report.lines[1].startswith("certificate: for ooi.fedcloud.test, localhost, 127.0.0.1")


@pytest.mark.parametrize(
    ("words", "code", "said", "limits"),
    [
        ((), 0, "{} accepts connections after {}, certificate valid for 36\\d d", "1209600:;;0"),
        (
            ("--certificate", "500d:,400d:"),
            2,
            "certificate ends in 36\\d d on {} \\(limit 400d:\\)",
            "43200000:;34560000:;0",
        ),
    ],
)
@pytest.mark.parametrize("by", ["-u", "-H"])
def test_by_its_scheme_an_endpoint_with_https_has_its_certificate_judged(monitor, by, words, code, said, limits):
    site = monitor.federation.site("ooi")
    where = ("-u", site.url) if by == "-u" else ("-H", site.hostname)
    report = monitor.run(PROBE, *where, "--tls-by-scheme", *words)
    state = {0: "OK", 2: "CRITICAL"}[code]
    subject = rf"localhost:{site.web.port} \(127\.0\.0\.1\)"
    assert re.fullmatch(rf"Endpoint-TCP {state} - {said.format(subject, SECONDS)}", report.first), report.first
    assert (report.code, report.err) == (code, "")
    assert report.performance["certificate_lifetime"].endswith(f"s;{limits}")


@pytest.mark.parametrize("scheme", ["http", "stomp", "ldap"])
def test_by_its_scheme_an_endpoint_without_tls_has_no_certificate_which_is_said(probe, port, scheme):
    report = probe(PROBE, "-u", f"{scheme}://127.0.0.1:{port}/", "--tls-by-scheme", "--certificate", "30d:,7d:")
    assert re.fullmatch(
        rf"Endpoint-TCP OK - 127\.0\.0\.1:{port} accepts connections after {SECONDS}; its URL says {scheme}, so "
        "it has no certificate",
        report.first,
    ), report.first
    assert (report.code, report.err, list(report.performance)) == (0, "", ["connect_time", "resolve_time"])


def test_what_has_no_scheme_is_greeted(probe, listener, port):
    """A host and a port say nothing of TLS: who asks for certificates there means that there is one."""
    threading.Thread(target=lambda: listener.accept()[0].sendall(b"SSH-2.0-x\r\n"), daemon=True).start()
    report = probe(PROBE, "-H", "127.0.0.1", "-p", port, "--tls-by-scheme")
    assert report.code == 2
    assert report.first == f"Endpoint-TCP CRITICAL - no TLS spoken on 127.0.0.1:{port}"


@pytest.mark.parametrize(
    ("ranges", "code", "word", "limit"),
    [
        ("400d:", 1, "WARNING", "400d:"),
        ("400d:,", 1, "WARNING", "400d:"),
        ("500d:,400d:", 2, "CRITICAL", "400d:"),
        (",400d:", 2, "CRITICAL", "400d:"),
    ],
)
def test_a_certificate_that_ends_soon_alerts(monitor, ranges, code, word, limit):
    report = tls(monitor, "ooi", "--certificate", ranges)
    assert report.code == code
    assert re.fullmatch(
        rf"Endpoint-TCP {word} - certificate ends in 36\d d on localhost:\d+ \(127\.0\.0\.1\) \(limit {limit}\)",
        report.first,
    ), report.first


@pytest.fixture
def greeted(monitor, listener, port) -> Callable[..., Report]:
    """Look at a server with that certificate, which greets whoever comes."""
    authority = monitor.federation.authority

    def look(
        credential: Credential,
        *arguments: object,
        tls_1_3_alone: bool = False,
        host: str = "localhost",
        settings: Callable[[ssl.SSLContext], None] = lambda _: None,
        **environment: object,
    ) -> Report:
        context = authority.server_context(credential)
        settings(context)
        if tls_1_3_alone:
            context.minimum_version = ssl.TLSVersion.TLSv1_3

        def greet(plain: socket.socket) -> None:
            with contextlib.suppress(OSError):
                context.wrap_socket(plain, server_side=True).recv(1)

        def serve() -> None:
            with contextlib.suppress(OSError):
                while True:
                    threading.Thread(target=greet, args=(listener.accept()[0],), daemon=True).start()

        threading.Thread(target=serve, daemon=True).start()
        return monitor.run(PROBE, "-H", host, "-p", port, "--tls", *arguments, **environment)

    return look


@pytest.fixture
def nodes(monitor, names) -> Iterator[Callable[..., Report]]:
    """Look at two nodes of one name, whose certificates end in so many days."""
    authority = monitor.federation.authority
    listeners: list[socket.socket] = []

    def look(days: tuple[int, int], *arguments: object, alternative_names: object = True) -> Report:
        for last, left in enumerate(days, 1):
            end = datetime.now(UTC) + timedelta(days=left, minutes=1)
            credential = authority.host(
                ["cloud"],
                not_before=end - timedelta(days=99),
                not_after=end,
                alternative_names=alternative_names,
            )
            port = listeners[0].getsockname()[1] if listeners else 0
            listeners.append(socket.create_server((f"127.0.0.{last}", port)))
            threading.Thread(
                target=serve, args=(listeners[-1], authority.server_context(credential)), daemon=True
            ).start()
        words = ("-H", "cloud", "-p", port, "--tls", ALL, *arguments)
        return monitor.run(PROBE, *words, **names(cloud=["127.0.0.1", "127.0.0.2"]))

    def serve(listener: socket.socket, context: ssl.SSLContext) -> None:
        while True:
            try:
                with context.wrap_socket(listener.accept()[0], server_side=True) as secured:
                    secured.recv(1)
            except ssl.SSLError:
                continue
            except OSError:
                if listener.fileno() < 0:
                    return

    yield look
    for each in listeners:
        each.close()


@pytest.mark.parametrize("days", [(-3, 90), (90, -3)])
def test_of_all_addresses_one_whose_certificate_has_expired_fails(nodes, days):
    report = nodes(days)
    bad = 1 + days.index(-3)
    assert re.fullmatch(
        rf"Endpoint-TCP WARNING - 1 of 2 addresses of cloud:\d+ fails: certificate expired 3 d ago "
        rf"\(.* UTC\) on cloud:\d+ \(127\.0\.0\.{bad}\)",
        report.first,
    ), report.first
    assert (report.code, report.performance["addresses_failed"]) == (1, "1;;;0")


@pytest.mark.parametrize("days", [(90, 10), (10, 90)])
def test_of_all_addresses_the_certificate_that_ends_first_counts(nodes, days):
    report = nodes(days)
    soon = 1 + days.index(10)
    assert re.fullmatch(
        rf"Endpoint-TCP WARNING - certificate ends in 10 d on cloud:\d+ \(127\.0\.0\.{soon}\) \(limit 14d:\)",
        report.first,
    ), report.first
    assert (report.code, report.performance["addresses_failed"]) == (1, "0;;;0")
    assert list(report.performance) == [
        *("addresses", "addresses_failed", "certificate_lifetime", "connect_time", "handshake_time", "resolve_time")
    ]


def test_of_all_addresses_each_whose_certificate_has_its_name_in_the_cn_only_is_told(nodes):
    report = nodes((90, 60), alternative_names=False)
    assert (report.code, report.performance["addresses_failed"]) == (1, "0;;;0")
    one = r"certificate has the host name in its CN only on cloud:\d+ \(127\.0\.0\.{}\); many clients refuse that "
    how = r"\(request one with subjectAltName\)"
    both = "; ".join(one.format(last) + how for last in (1, 2))
    assert re.fullmatch(f"Endpoint-TCP WARNING - {both}", report.first), report.first


def with_tls_1_2(context: ssl.SSLContext) -> None:
    context.maximum_version = ssl.TLSVersion.TLSv1_2


def with_old_ciphers(context: ssl.SSLContext) -> None:
    with_tls_1_2(context)
    context.set_ciphers("AES128-SHA")


def test_a_server_with_no_cipher_that_we_offer_never_showed_a_certificate_and_is_not_ok(monitor, greeted, port):
    """Its alert, `handshake failure`, is also what TLS 1.2 says to who has no client certificate."""
    report = greeted(monitor.federation.authority.host(["localhost"]), settings=with_old_ciphers)
    assert report.code == 2
    assert report.first == (
        "Endpoint-TCP CRITICAL - no TLS cipher, group or kind of key in common (TLS alert: handshake failure) with "
        f"localhost:{port} (127.0.0.1) (enable what is considered safe today)"
    )


# ---- a server that wants a certificate of ours


def wanting(authority, *, takes_proxies: bool = True, tls_1_2: bool = True) -> Callable[[ssl.SSLContext], None]:
    """The settings of a grid service: it insists on a client certificate of that authority's."""

    def settings(context: ssl.SSLContext) -> None:
        if tls_1_2:
            with_tls_1_2(context)
        context.load_verify_locations(capath=str(authority.ca_directory))
        context.verify_mode = ssl.CERT_REQUIRED
        if takes_proxies:
            context.verify_flags |= ssl.VerifyFlags.VERIFY_ALLOW_PROXY_CERTS

    return settings


@pytest.fixture
def anonymous(tmp_path):
    """The environment of a monitor that has no certificate of its own."""
    return {"X509_USER_PROXY": "", "HOME": tmp_path}


@pytest.mark.parametrize("tls_1_2", [True, False])
def test_the_monitor_s_own_proxy_is_presented_where_one_is_wanted(monitor, greeted, tls_1_2):
    authority = monitor.federation.authority
    soon = authority.host(["localhost"], not_after=authority.now + timedelta(days=5))
    report = greeted(soon, settings=wanting(authority, tls_1_2=tls_1_2))
    assert (report.code, report.err) == (1, "")
    assert re.search(r" - certificate ends in (5|4\.\d+) d on \S+ \(\S+\) \(limit 14d:\)$", report.first), report.out
    assert list(report.performance) == ["certificate_lifetime", "connect_time", "handshake_time", "resolve_time"]


@pytest.mark.parametrize(
    ("takes_proxies", "has_one", "wants"),
    [(True, False, "wants a client certificate"), (False, True, "refuses ours")],
)
def test_who_refuses_us_in_the_handshake_has_its_certificate_judged_all_the_same(
    monitor, greeted, anonymous, takes_proxies, has_one, wants
):
    authority = monitor.federation.authority
    environment = {} if has_one else anonymous
    settings = wanting(authority, takes_proxies=takes_proxies)
    good = greeted(authority.host(["localhost"]), "-v", settings=settings, **environment)
    assert (good.code, good.err) == (0, "")
    assert re.search(rf" accepts connections after {SECONDS}, certificate valid for 36\d d, and {wants}$", good.first)
    assert list(good.performance) == ["certificate_lifetime", "connect_time", "resolve_time"]
    assert any("client certificate" in line for line in good.lines)


def test_its_certificate_and_those_above_it_that_end_soon_are_told(monitor, greeted, anonymous):
    authority = monitor.federation.authority
    soon = authority.host(["localhost"], not_after=authority.now + timedelta(days=5))
    report = greeted(soon, settings=wanting(authority), **anonymous)
    assert (report.code, report.err) == (1, "")
    assert re.search(r" - certificate ends in (5|4\.\d+) d on \S+ \(\S+\) \(limit 14d:\)$", report.first), report.out


def test_a_ca_above_it_that_ends_soon_is_told(monitor, greeted, anonymous):
    authority = monitor.federation.authority
    middle = authority.intermediate("Issuing CA", lifetime=timedelta(hours=30))
    report = greeted(authority.host(["localhost"], issuer=middle), settings=wanting(authority), **anonymous)
    assert report.code == 1
    assert re.search(r" - certificate of its CA /DC=test/DC=fedcloud/CN=Issuing CA ends in ", report.first), report.out


@pytest.mark.parametrize("alternative_names", [False, "addresses"])
def test_its_name_in_the_cn_only_is_told(monitor, greeted, anonymous, alternative_names):
    authority = monitor.federation.authority
    credential = authority.host(["localhost"], alternative_names=alternative_names)
    report = greeted(credential, settings=wanting(authority), **anonymous)
    assert report.code == 1
    assert "certificate has the host name in its CN only" in report.first


@pytest.mark.parametrize("has_one", [True, False])
def test_its_revoked_certificate_is_critical_and_a_crl_of_no_use_unknown(
    monitor, greeted, anonymous, tmp_path, has_one
):
    authority = monitor.federation.authority
    host = authority.host(["localhost"])
    environment = {} if has_one else anonymous
    settings = wanting(authority, takes_proxies=False)
    listed = authority.directory_with(tmp_path / "listed", authority.crl([authority.entry(host.certificate)]))
    report = greeted(host, "--ca-path", listed, settings=settings, **environment)
    assert (report.code, report.err) == (2, "")
    assert re.search(r" - certificate revoked on \d{4}-\d\d-\d\d on localhost:\d+ \(127\.0\.0\.1\)$", report.first), (
        report.out
    )
    expired = authority.directory_with(tmp_path / "old", authority.crl(next_update=timedelta(days=-3)))
    unjudged = greeted(host, "--ca-path", expired, settings=settings, **environment)
    assert (unjudged.code, unjudged.err) == (3, "")
    assert re.search(
        r"judged on localhost:\d+ \(127\.0\.0\.1\); the CRL \S+\.r0 expired 3 d ago \(run fetch-crl\)$", unjudged.first
    )


@pytest.mark.parametrize("takes_proxies", [True, False])
def test_a_certificate_that_is_named_has_to_be_accepted(monitor, greeted, takes_proxies):
    authority = monitor.federation.authority
    proxy = monitor.federation.environment()["X509_USER_PROXY"]
    settings = wanting(authority, takes_proxies=takes_proxies)
    report = greeted(authority.host(["localhost"]), "--cert", proxy, settings=settings)
    assert (report.code, report.err) == (0 if takes_proxies else 2, "")
    assert "certificate_lifetime" in report.performance
    if not takes_proxies:
        assert re.search(
            r" - our client certificate refused \(TLS alert: [\w ]+\) by localhost:\d+ \(\S+\)$", report.first
        ), report.out


def test_an_expired_proxy_of_ours_hinders_only_where_it_is_named(monitor, greeted):
    authority = monitor.federation.authority
    expired = authority.proxy(lifetime=timedelta(hours=-2))
    report = greeted(authority.host(["localhost"]), "-v", settings=wanting(authority), X509_USER_PROXY=expired)
    assert (report.code, report.err) == (0, "")
    assert report.first.endswith(", and wants a client certificate")
    assert any(
        line.startswith(f"no certificate of ours was presented: proxy expired 2 h ago in {expired}")
        for line in report.lines
    ), report.out
    named = greeted(authority.host(["localhost"]), "--cert", expired)
    assert (named.code, named.err) == (3, "")
    assert re.match(rf"Endpoint-TCP UNKNOWN - proxy expired 2 h ago in {expired} \(", named.first), named.out


def test_a_certificate_without_a_handshake_is_refused(probe):
    report = probe(PROBE, "-H", "127.0.0.1", "-p", 1, "--cert", "x")
    assert (report.code, report.first) == (
        3,
        "Endpoint-TCP UNKNOWN - usage: --cert has no effect without --tls or --tls-by-scheme "
        "(see check_endpoint_tcp --help)",
    )


NOTHING_TO_OFFER = """openssl_conf = all
[all]
ssl_conf = ssl
[ssl]
system_default = limits
[limits]
MaxProtocol = TLSv1.1
"""


def test_an_openssl_of_ours_that_may_offer_nothing_is_no_sites_fault(monitor, greeted, port, tmp_path):
    settings = tmp_path / "openssl.cnf"
    settings.write_text(NOTHING_TO_OFFER)
    report = greeted(monitor.federation.authority.host(["localhost"]), OPENSSL_CONF=settings)
    assert report.code == 3
    assert report.first == (
        f"Endpoint-TCP UNKNOWN - this machine cannot do TLS (no protocols available) with localhost:{port} (127.0.0.1) "
        "(look at its openssl.cnf and its crypto policy)"
    )


def test_the_dot_at_the_end_of_a_host_name_is_neither_sent_nor_looked_for_in_the_certificate(monitor, greeted, port):
    asked: list[str | None] = []

    def note(context: ssl.SSLContext) -> None:
        context.sni_callback = lambda _, name, __: asked.append(name)

    report = greeted(monitor.federation.authority.host(["localhost"]), host="localhost.", settings=note)
    assert (report.code, report.err) == (0, "")
    assert report.first.startswith(f"Endpoint-TCP OK - localhost:{port} (127.0.0.1) accepts connections after ")
    assert set(asked) == {"localhost"}


def test_an_intermediate_certificate_that_ends_tomorrow_is_told(monitor, greeted):
    authority = monitor.federation.authority
    middle = authority.intermediate("Issuing CA", lifetime=timedelta(hours=30))
    report = greeted(authority.host(["localhost"], issuer=middle), "-v")
    assert re.fullmatch(
        r"Endpoint-TCP WARNING - certificate of its CA /DC=test/DC=fedcloud/CN=Issuing CA ends in (30|29\.\d+) h "
        r"on localhost:\d+ \(127\.0\.0\.1\) \(limit 14d:\)",
        report.first,
    ), report.out
    assert (report.code, report.err) == (1, "")
    assert re.fullmatch(r"10\d{4}s;1209600:;;0", report.performance["certificate_lifetime"])
    assert any(line.startswith("chain: /DC=test/DC=fedcloud/CN=Issuing CA valid until ") for line in report.lines)
    assert not any("not shown to its end" in line for line in report.lines)


def test_who_wants_it_critical_gets_it_of_an_intermediate_too(monitor, greeted):
    authority = monitor.federation.authority
    middle = authority.intermediate("Issuing CA", lifetime=timedelta(hours=30))
    assert greeted(authority.host(["localhost"], issuer=middle), "--certificate", "14d:,3d:").code == 2


def test_an_intermediate_certificate_that_outlives_the_servers_own_changes_nothing(monitor, greeted):
    authority = monitor.federation.authority
    report = greeted(authority.host(["localhost"], issuer=authority.intermediate("Issuing CA")))
    assert report.code == 0
    assert re.search(r", certificate valid for 36\d d$", report.first), report.first


def test_the_end_of_the_root_is_no_sites_matter(monitor, greeted):
    authority = monitor.federation.authority
    root_s = (authority.ca_certificate.not_valid_after_utc - authority.now).total_seconds()
    report = greeted(authority.host(["localhost"], not_after=authority.now + timedelta(days=7000)))
    assert report.code == 0
    assert float(report.performance["certificate_lifetime"].partition("s")[0]) > root_s + 86400


@pytest.mark.skipif(sys.version_info >= (3, 13), reason="from Python 3.13 on the chain is always shown")
def test_a_chain_that_cannot_be_seen_is_said_to_be_so(monitor, greeted):
    authority = monitor.federation.authority
    middle = authority.intermediate("Issuing CA", lifetime=timedelta(hours=30))
    report = greeted(authority.host(["localhost"], issuer=middle), "-v", tls_1_3_alone=True)
    assert report.code == 0
    assert "chain: not shown to its end; with TLS 1.3 alone only Python 3.13 and later have it" in report.lines


def test_a_certificate_with_the_hosts_name_in_its_cn_only_is_told(monitor, greeted):
    authority = monitor.federation.authority
    report = greeted(authority.host(["localhost"], alternative_names=False))
    assert (report.code, report.err) == (1, "")
    assert re.fullmatch(
        r"Endpoint-TCP WARNING - certificate has the host name in its CN only on localhost:\d+ \(127\.0\.0\.1\); "
        r"many clients refuse that \(request one with subjectAltName\)",
        report.first,
    ), report.first
    assert "certificate_lifetime" in report.performance


def test_a_certificate_for_an_address_alone_has_no_need_of_a_name(monitor, greeted):
    authority = monitor.federation.authority
    assert greeted(authority.host(["cloud"], alternative_names="addresses"), host="127.0.0.1").code == 0


@pytest.mark.parametrize(
    ("variant", "said"),
    [
        ("expired", r"certificate expired 3 d ago \(\d{4}-\d\d-\d\d \d\d:\d\d UTC\)"),
        ("not-yet-valid", r"certificate not valid before \d{4}-\d\d-\d\d \d\d:\d\d UTC \(in [\d.]+ \w+\)"),
        ("wrong-host", r"certificate for elsewhere\.fedcloud\.test instead of"),
        ("self-signed", "certificate self-signed or of an unknown root CA"),
        ("unknown-ca", r"certificate of an untrusted CA \(Unknown Test CA\)"),
    ],
)
def test_a_bad_certificate_is_critical_only_when_tls_is_asked_for(monitor, variant, said):
    monitor.federation.site("ooi").certificate(variant)
    report = tls(monitor, "ooi")
    assert report.code == 2
    assert re.fullmatch(rf"Endpoint-TCP CRITICAL - {said}( on)? localhost:\d+ \(127\.0\.0\.1\)", report.first), (
        report.first
    )
    assert "connect_time" in report.performance
    assert monitor.run(PROBE, "-u", monitor.federation.site("ooi").url).code == 0


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        ("mute-accept", rf"TLS handshake not complete within {SECONDS} with {{}}"),
        ("drip-handshake", rf"TLS handshake not complete within {SECONDS} with {{}}"),
        ("close-accept", r"connection (closed|reset) in TLS handshake by {} \(enable TLS there\)"),
    ],
)
def test_a_handshake_that_does_not_come_about_is_critical_within_the_deadline(monitor, fault, said):
    monitor.federation.site("ooi").faults.on(fault)
    limit = seconds(1.5)
    watch = Watch()
    report = tls(monitor, "ooi", "-t", limit)
    watch.ended_within(limit + 1.5)
    assert (report.code, report.err) == (2, "")
    assert re.fullmatch(
        "Endpoint-TCP CRITICAL - " + said.format(r"localhost:\d+ \(127\.0\.0\.1\)"),
        report.first,
    ) or timer_was_first(report.first), report.first


def test_a_port_that_does_not_speak_tls_is_named(probe, listener, port):
    def answer() -> None:
        connection, _ = listener.accept()
        with connection:
            connection.recv(4096)
            connection.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")

    threading.Thread(target=answer, daemon=True).start()
    report = probe(PROBE, "-H", "127.0.0.1", "-p", port, "--tls")
    assert report.first == f"Endpoint-TCP CRITICAL - no TLS spoken on 127.0.0.1:{port}"


def test_a_ca_path_without_cas_is_our_own_fault(probe, port, tmp_path):
    report = probe(PROBE, "-H", "127.0.0.1", "-p", port, "--tls", "--ca-path", tmp_path)
    assert report.first == (
        f"Endpoint-TCP UNKNOWN - CA directory {tmp_path} holds no CA certificates ([hash].0) "
        "(install the trust anchors, or name another with --ca-path)"
    )


# ---- what it costs


MODULES = """
import json, os, runpy, sys
leave = os._exit
def told(code):
    print(json.dumps(sorted(sys.modules)), file=sys.stderr, flush=True)
    leave(code)
os._exit = told
sys.argv = sys.argv[1:]
runpy.run_path(sys.argv[0], run_name="__main__")
"""
NEVER = [
    "requests",
    "urllib3",
    "urllib",
    "configparser",
    "cryptography",
    "ldap3",
    "stomp",
    "http",
    "email",
    "xml",
    "pyexpat",
    "dataclasses",
    "pathlib",
    "subprocess",
    "asyncio",
    "hashlib",
    "uuid",
    "datetime",
    "ipaddress",
    "idna",
    "certifi",
    "decimal",
]


def modules(*arguments: object) -> set[str]:
    command = [sys.executable, "-c", MODULES, str(ROOT / "probes" / PROBE), *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, env=clean_environment(), cwd="/tmp")
    return set(json.loads(done.stderr))


@pytest.mark.parametrize("options", [(), ("-w", "1s", "-c", "2s"), ("-t", "50", "-v")])
def test_without_tls_nothing_is_loaded_that_a_connection_does_not_need(port, options):
    loaded = modules("-H", "127.0.0.1", "-p", port, *options)
    assert {"nagiosplugin", "socket"} <= loaded
    assert loaded.isdisjoint([*NEVER, "ssl"])


def test_a_url_costs_no_more(port):
    assert modules("-u", f"https://127.0.0.1:{port}/").isdisjoint([*NEVER, "ssl"])


def test_with_tls_only_ssl_and_what_finds_a_crl_are_loaded_in_addition(monitor):
    site = monitor.federation.site("ooi")
    ca = monitor.federation.ca_directory
    loaded = modules("-H", "localhost", "-p", site.web.port, "--tls", "--ca-path", ca)
    assert "ssl" in loaded
    assert loaded.isdisjoint([name for name in NEVER if name not in ("calendar", "datetime", "hashlib")])
