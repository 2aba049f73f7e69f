"""Revoked host certificates, and CRLs of ours that are no good, over every protocol that has TLS."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from cryptography import x509

from tests.conftest import Monitor, Report, at
from tests.federation.authority import Authority
from tests.federation.stomp_responder import Responder
from tests.machine import lacking

Look = Callable[[Path], Report]


@pytest.fixture(params=["http", "ldaps", "starttls", "stomp", "tcp"])
def service(request, monitor: Monitor) -> Iterator[tuple[x509.Certificate, Look, str, str]]:
    """A service with a good certificate: that, a look at it with a CA directory, metric and place of its sentences."""
    federation = monitor.federation
    site = federation.site("ooi")

    def look_at(probe: str, *arguments: object) -> Look:
        return lambda directory: monitor.run(probe, *arguments, "--ca-path", directory)

    match request.param:
        case "http":
            yield (
                site.credential.certificate,
                look_at("check_occi_vm", "-u", site.url),
                "OCCI-VM",
                at(site.base),
            )
        case "tcp":
            look = look_at("check_endpoint_tcp", "-H", "localhost", "-p", site.web.port, "--tls")
            yield site.credential.certificate, look, "Endpoint-TCP", f"{at(site.web.url)} (127.0.0.1)"
        case "stomp":
            credential = federation.authority.host(["localhost"])
            with Responder(context=federation.authority.server_context(credential)) as responder:
                url = f"stomp+ssl://localhost:{responder.port}"
                yield credential.certificate, look_at("check_broker", "-u", url), "Broker", at(url)
        case way:
            if missing := lacking(["slapd", "glue-schema"]):
                pytest.skip(missing)
            url = federation.bdii.tls_url if way == "ldaps" else federation.bdii.url
            options = ["--starttls"] if way == "starttls" else []
            certificate = x509.load_pem_x509_certificate(federation.bdii.certificate[0].read_bytes())
            yield certificate, look_at("check_cloud_bdii", "-u", url, *options), "CloudBDII-Check", at(url)


def test_a_revoked_certificate_is_critical_and_the_sites_fault(service, federation, tmp_path):
    certificate, look, name, place = service
    authority = federation.authority
    directory = authority.directory_with(tmp_path / "ca", authority.crl([authority.entry(certificate)]))
    report = look(directory)
    said = rf"{name} CRITICAL - certificate revoked on \d{{4}}-\d\d-\d\d on {re.escape(place)}"
    assert re.fullmatch(said, report.first), report.first
    assert (report.code, report.err) == (2, "")


@pytest.mark.parametrize(
    ("times", "said"),
    [
        ({"next_update": timedelta(days=-3)}, r"expired 3 d ago \(run fetch-crl\)"),
        (
            {"last_update": timedelta(hours=50)},
            r"is not valid before \d{4}-\d\d-\d\d \d\d:\d\d UTC, [\d.]+ d from now; "
            r"the monitoring host's clock may be wrong \(run fetch-crl\)",
        ),
    ],
)
def test_a_crl_of_ours_that_is_not_of_today_is_unknown_and_says_what_to_do(service, federation, tmp_path, times, said):
    certificate, look, name, place = service
    authority = federation.authority
    crl = authority.crl([authority.entry(certificate)], **times)
    directory = authority.directory_with(tmp_path / "ca", crl)
    report = look(directory)
    begins = re.escape(f"{name} UNKNOWN - certificate cannot be judged on {place}; the CRL {directory}/")
    assert re.fullmatch(rf"{begins}\w{{8}}\.r0 {said}", report.first), report.first
    assert (report.code, report.err) == (3, "")


def test_without_a_crl_and_with_one_that_does_not_list_it_the_certificate_is_good(service, federation, tmp_path):
    _, look, _, _ = service
    authority = federation.authority
    other = authority.host(["other.fedcloud.test"]).certificate
    for number, crl in enumerate((None, authority.crl(), authority.crl([authority.entry(other)]))):
        report = look(authority.directory_with(tmp_path / f"ca{number}", crl))
        assert (report.code, report.err) == (0, ""), report.first


def test_a_crl_signed_with_sha1_is_as_good_as_any(service, federation, tmp_path):
    """Some grid CAs sign so still."""
    certificate, look, name, place = service
    authority = federation.authority
    for number, (revoked, code) in enumerate((([authority.entry(certificate)], 2), ([], 0))):
        report = look(authority.directory_with(tmp_path / f"ca{number}", authority.crl(revoked, digest="sha1")))
        assert (report.code, report.err) == (code, ""), report.first
        if revoked:
            said = rf"{name} CRITICAL - certificate revoked on \d{{4}}-\d\d-\d\d on {re.escape(place)}"
            assert re.fullmatch(said, report.first), report.first


@pytest.mark.parametrize(
    ("digest", "of_another", "said"),
    [
        ("sha1", True, r"is not signed by /DC=test/DC=fedcloud/CN=FedCloud Test CA \(run fetch-crl\)"),
        ("md5", False, r"is signed with MD5, which can be forged \(ask its CA for one that is signed with SHA-256\)"),
    ],
)
def test_a_crl_that_proves_nothing_is_told_with_its_own_reason(monitor, tmp_path, digest, of_another, said):
    site = monitor.federation.site("ooi")
    authority = monitor.federation.authority
    signer = Authority(tmp_path / "forger") if of_another else authority
    crl = signer.crl([authority.entry(site.credential.certificate)], digest=digest)
    report = monitor.run("check_occi_vm", "-u", site.url, "--ca-path", authority.directory_with(tmp_path / "ca", crl))
    assert (report.code, report.err) == (3, "")
    begins = rf"OCCI-VM UNKNOWN - certificate cannot be judged on {at(site.base)}; the CRL \S+\.r0"
    assert re.fullmatch(f"{begins} {said}", report.first), report.first


def test_a_server_s_certificate_signed_with_sha1_is_told_as_too_weak(monitor):
    site = monitor.federation.site("ooi")
    authority = monitor.federation.authority
    site.web.use_context(authority.server_context(authority.host(["localhost"], digest="sha1")))
    report = monitor.run("check_endpoint_tcp", "-H", "localhost", "-p", site.web.port, "--tls")
    assert (report.code, report.err) == (2, "")
    assert report.first == (
        "Endpoint-TCP CRITICAL - certificate too weak for TLS today (its signature, or that of a CA above it) "
        f"on {at(site.web.url)} (127.0.0.1) (request a new one)"
    )


def test_another_fault_of_the_certificate_comes_before_a_crl_of_ours(monitor, tmp_path):
    site = monitor.federation.site("ooi")
    site.certificate("wrong-host")
    directory = monitor.federation.authority.directory_with(tmp_path / "ca", b"not a CRL")
    report = monitor.run("check_occi_vm", "-u", site.url, "--ca-path", directory)
    assert (report.code, report.err) == (2, "")
    assert report.first.startswith("OCCI-VM CRITICAL - certificate for elsewhere.fedcloud.test instead of localhost")


def test_a_crl_that_cannot_be_read_is_unknown(monitor, tmp_path):
    site = monitor.federation.site("ooi")
    directory = monitor.federation.authority.directory_with(tmp_path / "ca", b"not a CRL")
    report = monitor.run("check_occi_vm", "-u", site.url, "--ca-path", directory)
    assert (report.code, report.err) == (3, "")
    assert re.search(r"cannot be judged on \S+; the CRL \S+\.r0 cannot be read: .* \(run fetch-crl\)$", report.first)


def test_the_gocdb_with_a_revoked_certificate_is_no_sites_fault(monitor, tmp_path):
    authority = monitor.federation.authority
    gocdb = monitor.federation.gocdb.server
    credential = authority.host(["localhost"])
    gocdb.use_context(authority.server_context(credential))
    directory = authority.directory_with(tmp_path / "ca", authority.crl([authority.entry(credential.certificate)]))
    report = monitor.run("check_occi_vm", "-H", "ooi.fedcloud.test", "--ca-path", directory)
    assert (report.code, report.err) == (3, "")
    assert re.match(r"OCCI-VM UNKNOWN - certificate revoked on [-\d]+ on GOCDB localhost:\d+", report.first)
