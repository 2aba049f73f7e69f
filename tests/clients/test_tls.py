"""TLS contexts that the checks of one process share, and what a handshake that breaks off is called."""

from __future__ import annotations

import os
import re
import shutil
import ssl
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from libprobe.clients import chain, ldap, sockets, stomp, tls
from libprobe.clients.credentials import find_certificate
from libprobe.clients.exchange import Exchange
from libprobe.clients.http import HttpClient
from libprobe.deadline import Deadline
from libprobe.failures import TlsFailure
from tests.federation.ldap_peer import LdapPeer
from tests.pace import AMPLE_S
from tests.reliability import peers


@pytest.fixture
def sharing(monkeypatch):
    monkeypatch.setattr(tls, "_shared", None)
    tls.share_contexts()


@pytest.fixture
def trust(federation, tmp_path):
    """A copy of the federation's CA directory."""
    return shutil.copytree(federation.ca_directory, tmp_path / "certificates", symlinks=True)


def ask(site, trust):
    client = HttpClient(Deadline(AMPLE_S), trust=str(trust))
    try:
        client.request("GET", f"{site.base}/-/")
    finally:
        client.close()


def test_a_process_that_does_not_say_so_shares_nothing(trust):
    assert tls.make_http_context(str(trust)) is not tls.make_http_context(str(trust))


def test_the_context_is_the_same_as_long_as_its_files_are(sharing, trust, federation, tmp_path):
    proxy = tmp_path / "proxy"
    shutil.copy(federation.environment()["X509_USER_PROXY"], proxy)
    proxy.chmod(0o600)
    credential = find_certificate(str(proxy))
    first = tls.make_http_context(str(trust), credential)
    assert tls.make_http_context(str(trust), credential) is first
    assert tls.make_http_context(str(trust)) is not first
    shutil.copy(proxy, tmp_path / "new")
    os.replace(tmp_path / "new", proxy)
    assert tls.make_http_context(str(trust), credential) is not first


def test_threads_that_ask_at_once_get_the_same(sharing, trust, monkeypatch):
    """Each bundle of CAs in memory as often as there are threads would be most of what the process takes."""
    make = tls.make_context
    monkeypatch.setattr(tls, "make_context", lambda *args: time.sleep(0.2) or make(*args))
    with ThreadPoolExecutor(8) as pool:
        made = list(pool.map(lambda _: tls.make_http_context(str(trust)), range(8)))
    assert len(set(map(id, made))) == 1


def test_a_context_ends_by_its_age(sharing, trust, monkeypatch):
    first = tls.make_http_context(str(trust))
    later = time.monotonic() + tls.SHARED_S + 1
    monkeypatch.setattr(time, "monotonic", lambda: later)
    assert tls.make_http_context(str(trust)) is not first


def test_no_more_than_some_are_kept(sharing, trust, tmp_path):
    for number in range(3 * tls.MAX_SHARED):
        tls.make_http_context(str(shutil.copytree(trust, tmp_path / str(number), symlinks=True)))
        assert len(tls._shared) <= tls.MAX_SHARED


def test_a_ca_that_was_taken_away_is_trusted_no_more(sharing, trust, federation):
    """OpenSSL would go on with what it has read: the directory's time tells that it has changed."""
    site = federation.site("ooi")
    shutil.copy(trust / "FedCloudTestCA.pem", trust / "00000000.0")  # so that the directory is not without any CA
    ask(site, trust)
    for path in trust.glob("*.0"):
        if path.name != "00000000.0":
            path.unlink()
    with pytest.raises(TlsFailure, match=r"^certificate of an untrusted CA \(FedCloud Test CA\) on localhost:\d+$"):
        ask(site, trust)


def greeting(context: ssl.SSLContext) -> bytes:
    """What a client says first."""
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    with pytest.raises(ssl.SSLWantReadError):
        context.wrap_bio(incoming, outgoing, server_hostname="localhost").do_handshake()
    return outgoing.read()


def test_what_is_not_http_gets_a_context_that_says_nothing_of_http(sharing, trust):
    assert tls.make_context(str(trust)) not in [made for _, made in tls._shared.values()]
    tls.make_http_context(str(trust))
    assert tls.make_context(str(trust)) not in [made for _, made in tls._shared.values()]
    assert b"http/1.1" not in greeting(tls.make_context(str(trust)))


@pytest.mark.parametrize("is_shared", [False, True])
def test_a_server_is_told_that_http_is_spoken_whether_or_not_contexts_are_shared(trust, monkeypatch, is_shared):
    """A front end that chooses by it must not answer a check in a worker's thread otherwise than one by itself."""
    monkeypatch.setattr(tls, "_shared", {} if is_shared else None)
    assert b"\x08http/1.1" in greeting(tls.make_http_context(str(trust)))


@pytest.fixture
def bundle(federation, tmp_path, monkeypatch):
    """The CAs of the federation as the system's, in one file."""
    monkeypatch.setattr(tls, "_prepared", [])
    path = tmp_path / "bundle.pem"
    path.write_bytes((federation.ca_directory / "FedCloudTestCA.pem").read_bytes())
    monkeypatch.setenv("SSL_CERT_FILE", str(path))
    monkeypatch.setenv("SSL_CERT_DIR", str(tmp_path / "none"))
    tls.prepare_system_context()
    return path


def test_the_prepared_context_is_for_one_that_trusts_the_system(bundle, trust, federation):
    made = tls._prepared[0][1]
    assert tls.make_context(str(trust)) is not made
    assert tls.make_context(str(bundle)) is not made
    assert tls.make_context(None, find_certificate(federation.environment()["X509_USER_PROXY"])) is made
    assert tls.make_context(None) is not made


def test_the_prepared_context_trusts_the_systems_cas(bundle, federation):
    made = tls._prepared[0][1]
    client = HttpClient(Deadline(AMPLE_S))
    try:
        assert client.request("GET", f"{federation.site('ooi').base}/-/").status != 0
        assert client._tls_context() is made
    finally:
        client.close()


def test_what_is_prepared_for_other_cas_is_not_used(bundle, monkeypatch, federation):
    """Neither after a CA was taken away, in place even, nor for a process whose environment names others."""
    made = tls._prepared[0][1]
    size = bundle.stat().st_size
    times = bundle.stat().st_atime_ns, bundle.stat().st_mtime_ns
    bundle.write_bytes(b"#" * size)
    os.utime(bundle, ns=times)
    client = HttpClient(Deadline(AMPLE_S))
    try:
        with pytest.raises(TlsFailure, match=r"^certificate of an untrusted CA \(FedCloud Test CA\) on localhost:\d+$"):
            client.request("GET", f"{federation.site('ooi').base}/-/")
        assert client._tls_context() is not made
    finally:
        client.close()


@pytest.mark.parametrize("name", ["SSL_CERT_FILE", "SSL_CERT_DIR"])
def test_what_is_prepared_is_not_for_an_environment_that_names_other_cas(bundle, monkeypatch, tmp_path, name):
    made = tls._prepared[0][1]
    monkeypatch.setenv(name, f"{tmp_path}/others:{tmp_path}/more")
    assert tls.make_context(None) is not made
    tls.prepare_system_context()
    again = tls._prepared[0][1]
    tls.prepare_system_context()
    assert tls._prepared[0][1] is again
    assert tls.make_context(None) is again


GOODBYE = b"\x15\x03\x03\x00\x02\x01\x00"
CANCELLED = b"\x15\x03\x03\x00\x02\x01\x5a"
FATAL_GOODBYE = b"\x15\x03\x03\x00\x02\x02\x00"


def answers_hello(answer: bytes = b"", *, resets: bool = False):
    def behaviour(peer):
        peer.sock.recv(65536)
        peer.send(answer)
        if resets:
            peers.reset(peer)

    return LdapPeer(behaviour)


def half_a_flight(authority):
    context = authority.server_context(authority.host(["localhost"]))

    def behaviour(peer):
        incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        server = context.wrap_bio(incoming, outgoing, server_side=True)
        incoming.write(peer.sock.recv(65536))
        with pytest.raises(ssl.SSLWantReadError):
            server.do_handshake()
        peer.send(outgoing.read()[:400])

    return LdapPeer(behaviour)


EARLY_ENDS = {
    "without a word": (lambda _: answers_hello(), "closed"),
    "goodbye": (lambda _: answers_hello(GOODBYE), "closed"),
    "cancelled": (lambda _: answers_hello(CANCELLED + GOODBYE), "closed"),
    "half a flight": (half_a_flight, "closed"),
    "reset": (lambda _: answers_hello(resets=True), "reset"),
}


def over_http(port):
    HttpClient(Deadline(AMPLE_S)).request("GET", f"https://localhost:{port}/")


def over_ldap(port):
    access = ldap.LdapConnectOptions(context=tls.make_context(None))
    with ldap.LdapClient(ldap.LdapAddress("ldaps", "localhost", port), Deadline(AMPLE_S), access) as client:
        client.connect()


def over_stomp(port):
    with stomp.StompSession("localhost", port, Deadline(AMPLE_S), context=tls.make_context(None)) as session:
        session.connect()


@pytest.mark.parametrize("ask", [over_http, over_ldap, over_stomp])
@pytest.mark.parametrize("end", EARLY_ENDS)
def test_an_early_end_is_the_same_sentence_whatever_python_says_of_it(federation, end, ask):
    """An end without a word is SSLZeroReturnError in 3.11.2 and SSLEOFError later; a goodbye is the former in all."""
    make, how = EARLY_ENDS[end]
    with make(federation.authority) as peer, pytest.raises(TlsFailure) as caught:
        ask(peer.port)
    assert re.fullmatch(rf"connection {how} in TLS handshake by localhost:\d+", caught.value.sentence)
    assert caught.value.remedy == "enable TLS there"


def test_an_alert_without_a_name_leaves_no_trace_of_the_library(federation):
    with answers_hello(FATAL_GOODBYE) as peer, pytest.raises(TlsFailure) as caught:
        over_http(peer.port)
    assert caught.value.sentence.startswith("TLS failed (the TLS library names no reason) with localhost:")


@pytest.mark.parametrize("ask_again", [tls.peer_certificate, chain.fetch_presented])
def test_a_second_look_has_little_time_for_its_connection_too(monkeypatch, ask_again):
    """It is for the words of a failure that is certain: a firewall that drops us by then must not take all the time."""
    left: list[float] = []

    def connect(exchange: Exchange) -> None:
        left.append(exchange.deadline.remaining())
        raise TimeoutError

    monkeypatch.setattr(sockets, "connect", connect)
    for seconds in (600.0, tls.LOOK_AGAIN_S - 1):
        assert not ask_again(Exchange("a handshake", "localhost", 1, Deadline(seconds)))
    assert 0 < left[0] <= tls.LOOK_AGAIN_S
    assert 0 < left[1] <= tls.LOOK_AGAIN_S - 1


def test_a_server_s_certificate_with_serial_zero_is_described_without_a_word_on_stderr(recwarn):
    """Home-made ones have it, as some grid CAs do; cryptography warns of it (findings/igtf-serial-zero.sh)."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "cloud.example.org")])
    now = datetime.now(UTC)
    made = x509.CertificateBuilder(name, name, key.public_key(), 1, now, now + timedelta(days=1)).sign(key, SHA256())
    encoded = made.public_bytes(Encoding.DER).replace(b"\x02\x01\x01", b"\x02\x01\x00", 1)
    assert tls.read_certificate(encoded).names == ["CN=cloud.example.org (no subjectAltName)"]
    assert not recwarn.list


@pytest.mark.parametrize(
    ("names", "told"),
    [
        ([], "no name at all"),
        (["a.test", "b.test", "c.test"], "a.test, b.test, c.test"),
        (["a.test", "b.test", "c.test", "d.test"], "a.test, b.test, c.test and 1 other name"),
        (["a.test", "b.test", "c.test", "d.test", "e.test"], "a.test, b.test, c.test and 2 other names"),
    ],
)
def test_a_certificate_of_another_host_is_told_by_its_first_names(monkeypatch, names, told):
    shown = tls.PeerCertificate(names, "CN=CA", datetime.now(UTC), datetime.now(UTC), has_dns_name=True)
    monkeypatch.setattr(tls, "peer_certificate", lambda _: shown)
    error = ssl.SSLCertVerificationError(1, "certificate verify failed")
    error.verify_code, error.verify_message = 62, "Hostname mismatch"
    failure = tls.explain_error(error, Exchange("GET https://h.test/", "h.test", 443, Deadline(AMPLE_S)))
    assert failure.sentence == f"certificate for {told} instead of h.test:443"
    every = f"the names in the certificate: {', '.join(names)}"
    assert (every in failure.details) is (len(names) > 3)
