"""Servers' chains judged by the CRLs of a directory, over real handshakes."""

from __future__ import annotations

import re
import socket
import ssl
import threading
from datetime import timedelta
from pathlib import Path

import pytest
from cryptography import x509

from libprobe import files
from libprobe.clients import sockets, tls
from libprobe.clients.exchange import Exchange
from libprobe.deadline import Deadline
from libprobe.failures import Failure, Misconfigured, TlsFailure
from tests.federation.authority import Authority, subject_hash
from tests.pace import AMPLE_S


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    return Authority(tmp_path_factory.mktemp("ca"))


@pytest.fixture(scope="module")
def host(authority):
    return authority.host(["localhost"])


def handshake(context: ssl.SSLContext, directory: Path) -> Failure | None:
    """Greet a server of that context; the failure, None if its certificate is taken."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            for _ in range(2):  # a failure may look at the certificate once more
                try:
                    plain, _ = listener.accept()
                    context.wrap_socket(plain, server_side=True).close()
                except OSError:
                    continue

        threading.Thread(target=serve, daemon=True).start()
        port = listener.getsockname()[1]
        exchange = Exchange("it", "localhost", port, Deadline(AMPLE_S))
        plain = sockets.connect(exchange)
        made = tls.make_context(str(directory))
        try:
            tls.secure(plain, made, exchange).close()
        except Failure as failure:
            return failure
        finally:
            plain.close()
    return None


@pytest.fixture
def look(authority, host, tmp_path):
    def greet(crl: bytes | None, *, more: dict[str, bytes] | None = None) -> Failure | None:
        directory = authority.directory_with(tmp_path / "other", crl)
        hashed = subject_hash(authority.ca_certificate.subject)
        for suffix, content in (more or {}).items():
            (directory / f"{hashed}.{suffix}").write_bytes(content)
        return handshake(authority.server_context(host), directory)

    return greet


def test_a_listed_certificate_is_refused(authority, host, look):
    failure = look(authority.crl([authority.entry(host.certificate)]))
    assert isinstance(failure, TlsFailure)
    day = f"{authority.now - timedelta(minutes=1):%Y-%m-%d}"
    assert re.fullmatch(rf"certificate revoked on {day} on localhost:\d+", str(failure)), failure


def test_the_newest_of_several_crls_counts(authority, host, look):
    old = authority.crl(last_update=timedelta(days=-5), next_update=timedelta(days=-4))
    new = authority.crl([authority.entry(host.certificate)])
    assert isinstance(look(old, more={"r1": new}), TlsFailure)


def test_the_crl_of_another_ca_whose_name_has_the_same_hash_is_passed_over(authority, look, tmp_path, host):
    other = Authority(tmp_path / "one")
    object.__setattr__(other, "_ca", other._unknown_ca)
    stranger = other.crl([authority.entry(host.certificate)], next_update=timedelta(days=-4))
    assert look(stranger) is None


def test_a_crl_that_the_ca_did_not_sign_condemns_nobody(authority, host, look, tmp_path):
    forged = Authority(tmp_path / "forger").crl([authority.entry(host.certificate)])
    failure = look(forged)
    assert isinstance(failure, Misconfigured)
    assert "is not signed by /DC=test/DC=fedcloud/CN=FedCloud Test CA (run fetch-crl)" in str(failure)


@pytest.mark.parametrize(
    "extension",
    [
        x509.DeltaCRLIndicator(1),
        x509.IssuingDistributionPoint(None, None, False, False, None, True, False),
    ],
)
def test_a_serial_number_in_a_delta_or_an_indirect_crl_may_be_somebody_elses(authority, host, look, extension):
    assert look(authority.crl([authority.entry(host.certificate)], extension=extension)) is None


def test_a_crl_of_user_certificates_is_taken_at_its_word(authority, host, look):
    only_users = x509.IssuingDistributionPoint(None, None, True, False, None, False, False)
    assert isinstance(look(authority.crl([authority.entry(host.certificate)], extension=only_users)), TlsFailure)


NOT_YET = r"is not valid before \d{4}-\d\d-\d\d \d\d:\d\d UTC, 48 h from now; the monitoring host's clock may be wrong"


@pytest.mark.parametrize(
    ("last_update", "next_update", "said"),
    [(-9, -2, r"expired 2 d ago \(run fetch-crl\)"), (2, 9, rf"{NOT_YET} \(run fetch-crl\)")],
)
def test_a_crl_that_is_not_of_today_says_nothing_of_whom_it_does_not_list(
    authority, look, last_update, next_update, said
):
    """Whoever was revoked since then does not stand in it."""
    failure = look(authority.crl(last_update=timedelta(days=last_update), next_update=timedelta(days=next_update)))
    assert isinstance(failure, Misconfigured)
    assert re.fullmatch(rf"certificate cannot be judged on localhost:\d+; the CRL \S+\.r0 {said}", str(failure)), str(
        failure
    )


@pytest.mark.parametrize("content", [b"", b"-----BEGIN X509 CRL-----\n", b"\x30\x82\xff\xff", b"0" * (8 << 20) + b"0"])
def test_a_crl_that_cannot_be_read_is_our_own_fault(look, content):
    failure = look(content)
    assert isinstance(failure, Misconfigured)
    assert re.match(r"certificate cannot be judged on localhost:\d+; \S", str(failure))


def test_a_bundle_has_no_crls(authority, host, tmp_path):
    directory = authority.directory_with(tmp_path / "other", authority.crl([authority.entry(host.certificate)]))
    (bundle,) = directory.glob("*.0")
    assert handshake(authority.server_context(host), bundle) is None


def test_a_revoked_ca_between_is_refused_and_one_without_a_crl_of_its_own_is_none(authority, tmp_path):
    middle = authority.intermediate("Issuing CA")
    context = authority.server_context(authority.host(["localhost"], issuer=middle))
    good = authority.directory_with(tmp_path / "good", authority.crl())
    assert handshake(context, good) is None
    bad = authority.directory_with(tmp_path / "bad", authority.crl([authority.entry(middle.certificate)]))
    failure = handshake(context, bad)
    assert isinstance(failure, TlsFailure)
    assert re.fullmatch(r"certificate of its CA revoked on 20\d\d-\d\d-\d\d on localhost:\d+", str(failure)), failure


def test_only_the_crls_of_the_chain_are_read(authority, host, tmp_path):
    directory = authority.directory_with(tmp_path / "other", authority.crl())
    for number in range(100):
        (directory / f"{number:08x}.0").write_bytes(b"nobody reads this")
        (directory / f"{number:08x}.r0").write_bytes(b"nor this")
    assert handshake(authority.server_context(host), directory) is None


def test_a_certificate_that_is_not_listed_does_not_cost_the_library(authority, host, tmp_path):
    import subprocess
    import sys

    from tests.conftest import clean_environment

    directory = authority.directory_with(
        tmp_path / "other", authority.crl([authority.entry(authority.host(["a.test"]).certificate)])
    )
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        context = authority.server_context(host)

        def serve() -> None:
            context.wrap_socket(listener.accept()[0], server_side=True).close()

        threading.Thread(target=serve, daemon=True).start()
        program = (
            "import sys; from libprobe.clients import sockets, tls; from libprobe.deadline import Deadline;"
            "from libprobe.clients.exchange import Exchange;"
            f"exchange = Exchange('it', 'localhost', {port}, Deadline({AMPLE_S})); plain = sockets.connect(exchange);"
            f"tls.secure(plain, tls.make_context({str(directory)!r}), exchange);"
            "print('libprobe.formats.crl' in sys.modules, 'cryptography' in sys.modules)"
        )
        done = subprocess.run(
            [sys.executable, "-c", program], capture_output=True, text=True, env=clean_environment(), timeout=AMPLE_S
        )
    assert (done.stdout, done.stderr) == ("True False\n", "")


def test_a_crl_that_is_kept_ends_when_another_takes_its_place(monkeypatch, authority, host, tmp_path):
    monkeypatch.setattr(files, "_kept", {})
    monkeypatch.setattr(files, "SETTLED_S", 0.0)
    context = authority.server_context(host)
    directory = authority.directory_with(tmp_path / "cas", authority.crl())
    assert handshake(context, directory) is None
    assert any(str(directory) in path and path.endswith(".r0") for path, _ in files._kept), "the CRL is not kept"
    listing = directory / f"{subject_hash(authority.ca_certificate.subject)}.r0"
    listing.write_bytes(authority.crl([authority.entry(host.certificate)]))
    assert str(handshake(context, directory)).startswith("certificate revoked on ")
    listing.unlink()
    assert handshake(context, directory) is None
