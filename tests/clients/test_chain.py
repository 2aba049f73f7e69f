"""The chain of a server's certificate, over real handshakes: as Python shows it, and as it is found without."""

from __future__ import annotations

import socket
import ssl
import threading

import pytest
from cryptography.hazmat.primitives.serialization import Encoding

from libprobe.clients import chain, sockets, tls
from libprobe.clients.exchange import Exchange
from libprobe.deadline import Deadline
from libprobe.failures import Misconfigured
from tests.federation.authority import Authority, subject_hash
from tests.federation.ldap_peer import LdapPeer, mute
from tests.pace import AMPLE_S

IS_SHOWN = hasattr(ssl.SSLSocket, "get_verified_chain")
"""By Python, from 3.13 on."""


def der(certificate):
    return certificate.public_bytes(Encoding.DER)


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    return Authority(tmp_path_factory.mktemp("ca"))


@pytest.fixture
def middle(authority):
    return authority.intermediate("Issuing CA")


class Unshown:
    """A connection as a Python before 3.13 has it."""

    chain = None

    def __init__(self, secured):
        self.exchange = secured.exchange
        self.getpeercert = secured.getpeercert


def accepted(context, trust, *, shown: bool):
    with LdapPeer(mute, context) as peer:  # says no word of LDAP
        exchange = Exchange("it", "localhost", peer.port, Deadline(AMPLE_S))
        with tls.secure(sockets.connect(exchange), tls.make_context(trust), exchange) as secured:
            return chain.accepted_chain(secured if shown or not IS_SHOWN else Unshown(secured), trust), peer.connections


WAYS = [False, *([True] if IS_SHOWN else [])]


def trusts(authority, tmp_path):
    """The directory, and the same as a bundle."""
    directory = authority.directory_with(tmp_path / "directory", None)
    [bundle] = directory.glob("*.0")
    return {"directory": str(directory), "bundle": str(bundle)}


@pytest.mark.parametrize("kind", ["directory", "bundle"])
@pytest.mark.parametrize("shown", WAYS)
def test_a_chain_without_an_intermediate_takes_no_second_look(authority, tmp_path, kind, shown):
    host = authority.host(["localhost"])
    found, looks = accepted(authority.server_context(host), trusts(authority, tmp_path)[kind], shown=shown)
    assert found == ([der(host.certificate), der(authority.ca_certificate)], True)
    assert looks == 1


@pytest.mark.parametrize("kind", ["directory", "bundle"])
@pytest.mark.parametrize("shown", WAYS)
def test_an_intermediate_that_the_server_sends_is_seen(authority, middle, tmp_path, kind, shown):
    host = authority.host(["localhost"], issuer=middle)
    found, looks = accepted(authority.server_context(host), trusts(authority, tmp_path)[kind], shown=shown)
    assert found == ([der(each) for each in (host.certificate, middle.certificate, authority.ca_certificate)], True)
    assert looks == (1 if shown else 2)


@pytest.mark.parametrize("shown", WAYS)
def test_an_intermediate_that_is_trusted_takes_no_second_look(authority, middle, tmp_path, shown):
    host = authority.host(["localhost"], issuer=middle)
    directory = authority.directory_with(tmp_path / "directory", None)
    path = directory / f"{subject_hash(middle.certificate.subject)}.0"
    path.write_bytes(middle.certificate.public_bytes(Encoding.PEM))
    found, looks = accepted(authority.server_context(host), str(directory), shown=shown)
    assert found == ([der(each) for each in (host.certificate, middle.certificate, authority.ca_certificate)], True)
    assert looks == 1


@pytest.mark.parametrize("shown", WAYS)
def test_of_a_server_of_tls_1_3_alone_the_chain_ends_early_before_python_3_13(authority, middle, tmp_path, shown):
    host = authority.host(["localhost"], issuer=middle)
    context = authority.server_context(host)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    found, _ = accepted(context, trusts(authority, tmp_path)["directory"], shown=shown)
    if shown:
        assert (len(found.certificates), found.is_complete) == (3, True)
    else:
        assert found == ([der(host.certificate)], False)


def test_of_two_cas_of_one_name_the_one_whose_key_it_is(authority, tmp_path):
    """A CA with a new key keeps its name for a while."""
    other = Authority(tmp_path / "renewed")
    assert other.ca_certificate.subject == authority.ca_certificate.subject
    directory = authority.directory_with(tmp_path / "directory", None)
    hashed = subject_hash(authority.ca_certificate.subject)
    (directory / f"{hashed}.1").write_bytes((directory / f"{hashed}.0").read_bytes())
    (directory / f"{hashed}.0").write_bytes(other.ca_certificate.public_bytes(Encoding.PEM))
    host = authority.host(["localhost"])
    found, _ = accepted(authority.server_context(host), str(directory), shown=False)
    assert found == ([der(host.certificate), der(authority.ca_certificate)], True)


def test_an_issuer_that_signs_with_sha1_is_found_among_several(authority, middle):
    other = authority.intermediate("Issuing CA")
    own = der(authority.host(["localhost"], issuer=middle, digest="sha1").certificate)
    sent = [der(each.certificate) for each in (other, middle)]
    of_root = [der(authority.ca_certificate)]
    found = chain.completed_chain(own, lambda name: of_root if b"Issuing" not in name else [], lambda: sent)
    assert found == ([own, sent[1], *of_root], True)


def test_what_is_sent_counts_only_if_the_certificate_was_issued_with_its_key(authority, middle):
    """The second look is at a connection that nobody has verified."""
    host = authority.host(["localhost"], issuer=middle)
    forged = authority.intermediate("Issuing CA")
    sent = [der(host.certificate), b"no certificate", der(forged.certificate)]
    found = chain.completed_chain(der(host.certificate), lambda name: [], lambda: sent)
    assert found == ([der(host.certificate)], False)
    sent.append(der(middle.certificate))
    assert chain.completed_chain(der(host.certificate), lambda name: [], lambda: sent).certificates == [
        sent[0],
        sent[3],
    ]


def test_certificates_that_name_each_other_end_some_time(authority, middle):
    certificate = der(middle.certificate)
    found = chain.completed_chain(certificate, lambda name: [certificate], list)
    assert (len(found.certificates), found.is_complete) == (chain.MAX_DEPTH, False)


def test_what_cannot_be_read_ends_the_chain():
    assert chain.completed_chain(b"", lambda name: [], list) == ([b""], False)


@pytest.mark.parametrize("answer", [b"", b"HTTP/1.1 400 Bad Request\r\n\r\n", b"\x15\x03\x03\x00\x02\x02\x28"])
def test_of_a_server_that_does_not_go_on_nothing_is_seen(answer):
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve():
            plain, _ = listener.accept()
            plain.recv(4096)
            plain.sendall(answer)
            plain.close()

        threading.Thread(target=serve, daemon=True).start()
        exchange = Exchange("it", "localhost", listener.getsockname()[1], Deadline(AMPLE_S))
        assert chain.fetch_presented(exchange) == []


def test_through_a_web_proxy_nobody_is_greeted_once_more():
    exchange = Exchange("it", "localhost", 1, Deadline(AMPLE_S))
    exchange.is_proxied = True
    assert chain.fetch_presented(exchange) == []


def test_a_ca_of_ours_that_cannot_be_read_is_our_own_fault(authority, tmp_path):
    directory = authority.directory_with(tmp_path / "directory", None)
    context = tls.make_context(str(directory))
    host = authority.host(["localhost"])
    with LdapPeer(mute, authority.server_context(host)) as peer:
        exchange = Exchange("it", "localhost", peer.port, Deadline(AMPLE_S))
        with tls.secure(sockets.connect(exchange), context, exchange) as secured:
            [path] = directory.glob("*.0")
            path.write_bytes(b"-----BEGIN CERTIFICATE-----\n")
            with pytest.raises(Misconfigured, match=r"\.0 cannot be read: breaks off inside its certificate"):
                secured.chain = None
                chain.accepted_chain(secured if not IS_SHOWN else Unshown(secured), str(directory))
