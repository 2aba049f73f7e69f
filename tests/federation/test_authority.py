"""The certificate authority, checked with the openssl program and with real TLS connections."""

from __future__ import annotations

import contextlib
import os
import re
import ssl
import stat
import subprocess
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import requests
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.x509.oid import NameOID
from hypothesis import given
from hypothesis import strategies as st

from tests.federation import der
from tests.federation.authority import (
    P12_PASSWORD,
    PROXY_CERT_INFO,
    PROXY_KINDS,
    VOMS_AC_SEQUENCE,
    Authority,
    pem_blocks,
    read_attributes,
    read_vo,
    slash_form,
    subject_hash,
    subject_hash_old,
    user_dn,
)
from tests.federation.web import Request, Response, WebServer
from tests.pace import AMPLE_S

ROBOT_DN = "/DC=test/DC=fedcloud/O=People/CN=Robot - cloudmon"


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture
def own_authority(tmp_path: Path) -> Authority:
    """For tests that revoke or publish."""
    return Authority(tmp_path)


def openssl(*arguments: object, stdin: bytes = b"") -> subprocess.CompletedProcess[str]:
    done = subprocess.run(["openssl", *map(str, arguments)], input=stdin, capture_output=True, check=False)
    return subprocess.CompletedProcess(done.args, done.returncode, done.stdout.decode(), done.stderr.decode())


def verify(authority: Authority, path: Path, *options: str) -> str:
    """Return what openssl says of a certificate file: "OK" or the first error."""
    directory = authority.ca_directory
    done = openssl("verify", *options, "-CApath", directory, "-untrusted", path, path)
    if done.returncode == 0:
        return "OK"
    found = re.search(r"error \d+ at \d+ depth lookup: (.*)", done.stderr)
    assert found, done.stderr
    return found[1]


def chain_of(path: Path) -> tuple[bytes, ...]:
    certificates = x509.load_pem_x509_certificates(path.read_bytes())
    return tuple(each.public_bytes(serialization.Encoding.DER) for each in certificates)


# -- the CA directory -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "parts",
    [
        [
            (NameOID.COUNTRY_NAME, "KR"),
            (NameOID.ORGANIZATION_NAME, "KISTI"),
            (NameOID.COMMON_NAME, "Grid CA"),
        ],
        [(NameOID.DOMAIN_COMPONENT, "Org"), (NameOID.COMMON_NAME, "  Two   Blanks  inside ")],
        [(NameOID.COMMON_NAME, "Zertifizierungsstelle für ÄÖÜ")],
        [(NameOID.EMAIL_ADDRESS, "CA@Example.ORG"), (NameOID.COMMON_NAME, "x" * 64)],
    ],
)
def test_the_hashed_names_are_those_of_openssl(tmp_path: Path, parts: list[Any]) -> None:
    name = x509.Name([x509.NameAttribute(oid, value) for oid, value in parts])
    key = rsa.generate_private_key(65537, 1024)
    now = datetime.now(UTC)
    certificate = (x509.CertificateBuilder(name, name, key.public_key(), 1, now, now + timedelta(days=1))).sign(
        key, hashes.SHA256()
    )
    path = tmp_path / "certificate.pem"
    path.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    assert openssl("x509", "-in", path, "-noout", "-subject_hash").stdout.strip() == subject_hash(name)
    assert openssl("x509", "-in", path, "-noout", "-subject_hash_old").stdout.strip() == subject_hash_old(name)


def test_the_directory_holds_every_igtf_file_under_both_hashes(authority: Authority) -> None:
    name = authority.ca_certificate.subject
    for hashed in (subject_hash(name), subject_hash_old(name)):
        for suffix in ("0", "r0", "signing_policy", "namespaces"):
            assert (authority.ca_directory / f"{hashed}.{suffix}").read_bytes(), suffix
    assert (authority.ca_directory / "FedCloudTestCA.info").read_bytes()  # known by its alias alone


def test_the_crl_is_signed_by_the_ca(own_authority: Authority) -> None:
    done = openssl("crl", "-in", own_authority.write_crl(), "-noout", "-CApath", own_authority.ca_directory)
    assert (done.returncode, "verify OK" in done.stderr) == (0, True)


def test_an_expired_crl_is_noticed(own_authority: Authority) -> None:
    host = own_authority.host(["a.fedcloud.test"])
    assert verify(own_authority, host.path, "-crl_check") == "OK"
    own_authority.write_crl(next_update=timedelta(days=-1))
    assert verify(own_authority, host.path, "-crl_check") == "CRL has expired"


# -- hosts ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("variant", "verdict"),
    [
        ("good", "OK"),
        ("expired", "certificate has expired"),
        ("not-yet-valid", "certificate is not yet valid"),
        ("wrong-host", "hostname mismatch"),
        ("self-signed", "self-signed certificate"),
        ("unknown-ca", "unable to get local issuer certificate"),
        ("revoked", "certificate revoked"),
    ],
)
def test_each_host_variant_has_its_own_fault(own_authority: Authority, variant: str, verdict: str) -> None:
    host = own_authority.host_variant(variant, ["a.fedcloud.test", "localhost"])
    assert verify(own_authority, host.path, "-crl_check", "-verify_hostname", "localhost") == verdict
    assert stat.S_IMODE(host.path.stat().st_mode) == 0o600


def test_an_unknown_variant_is_refused(authority: Authority) -> None:
    with pytest.raises(ValueError, match="known are good"):
        authority.host_variant("expird", ["a.fedcloud.test"])


def test_a_host_of_2015_has_its_name_in_the_cn_alone(authority: Authority) -> None:
    host = authority.host(["a.fedcloud.test"], alternative_names=False)
    assert "Subject Alternative Name" not in openssl("x509", "-in", host.path, "-noout", "-text").stdout
    assert host.subject == "/DC=test/DC=fedcloud/O=Hosts/CN=a.fedcloud.test"


def test_a_weak_host_is_served_and_refused_by_a_modern_client(authority: Authority) -> None:
    host = authority.host(["localhost"], weak=True)
    with (
        WebServer("weak", lambda request: Response(200), context=authority.server_context(host)) as server,
        pytest.raises(requests.exceptions.SSLError, match="key too weak"),
    ):
        requests.get(server.url, verify=str(authority.ca_directory), timeout=AMPLE_S)


# -- users ------------------------------------------------------------------------------------------------


def test_the_user_has_the_files_of_a_globus_home(authority: Authority) -> None:
    user = authority.robot
    assert user.subject == ROBOT_DN
    assert [stat.S_IMODE(path.stat().st_mode) for path in (user.usercert, user.userkey)] == [0o644, 0o400]
    assert verify(authority, user.usercert, "-purpose", "sslclient") == "OK"
    done = openssl("pkcs12", "-in", user.usercred, "-passin", f"pass:{P12_PASSWORD.decode()}", "-nodes")
    assert (done.returncode, "PRIVATE KEY" in done.stdout) == (0, True)


def test_a_user_is_issued_once(authority: Authority) -> None:
    assert authority.user("Jane Doe") is authority.user("Jane Doe")
    assert authority.user("Jane Doe").subject != ROBOT_DN


# -- proxies ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "verdict"),
    [
        ("rfc", "OK"),
        ("limited", "OK"),
        ("independent", "OK"),
        ("draft", "unhandled critical extension"),
        ("legacy", "invalid CA certificate"),
    ],
)
def test_openssl_takes_rfc_proxies_only(authority: Authority, kind: str, verdict: str) -> None:
    assert verify(authority, authority.proxy(kind=kind), "-allow_proxy_certs") == verdict


def test_without_the_flag_no_proxy_is_taken(authority: Authority) -> None:
    assert "proxy certificates not allowed" in verify(authority, authority.proxy())


@pytest.mark.parametrize("depth", [1, 2, 3])
def test_a_proxy_file_has_proxy_key_and_chain(authority: Authority, depth: int) -> None:
    path = authority.proxy(depth=depth)
    assert list(pem_blocks(path)) == ["CERTIFICATE", "RSA PRIVATE KEY", *["CERTIFICATE"] * depth]
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert verify(authority, path, "-allow_proxy_certs") == "OK"
    names = [slash_form(x509.load_der_x509_certificate(each).subject) for each in chain_of(path)]
    assert re.fullmatch(re.escape(ROBOT_DN) + r"(/CN=\d+)" * depth, names[0])
    assert names[-1] == ROBOT_DN
    ssl.create_default_context().load_cert_chain(path)


def test_a_key_can_have_the_other_heading(authority: Authority) -> None:
    assert list(pem_blocks(authority.proxy(pkcs8=True)))[1] == "PRIVATE KEY"


def test_chain_first_cannot_be_loaded(authority: Authority) -> None:
    path = authority.proxy(order="chain-first")
    assert list(pem_blocks(path)) == ["CERTIFICATE", "CERTIFICATE", "RSA PRIVATE KEY"]
    with pytest.raises(ssl.SSLError, match="KEY_VALUES_MISMATCH"):
        ssl.create_default_context().load_cert_chain(path)


def test_a_short_key_is_too_weak_to_load(authority: Authority) -> None:
    with pytest.raises(ssl.SSLError, match="EE_KEY_TOO_SMALL"):
        ssl.create_default_context().load_cert_chain(authority.proxy(bits=1024))


def test_parts_can_be_left_out(authority: Authority) -> None:
    assert list(pem_blocks(authority.proxy(with_chain=False))) == ["CERTIFICATE", "RSA PRIVATE KEY"]
    assert list(pem_blocks(authority.proxy(with_key=False))) == ["CERTIFICATE", "CERTIFICATE"]


def test_path_and_mode_are_as_asked(authority: Authority, tmp_path: Path) -> None:
    path = authority.proxy(path=tmp_path / "x509up_u0", mode=0o644)
    assert path == tmp_path / "x509up_u0"
    assert stat.S_IMODE(path.stat().st_mode) == 0o644


def test_the_proxy_info_is_critical_and_names_its_policy(authority: Authority) -> None:
    text = openssl("x509", "-in", authority.proxy(), "-noout", "-text").stdout
    assert "Proxy Certificate Information: critical" in text
    assert "Policy Language: Inherit all" in text
    leaf = x509.load_pem_x509_certificates(authority.proxy(kind="limited").read_bytes())[0]
    value = leaf.extensions.get_extension_for_oid(x509.ObjectIdentifier(PROXY_CERT_INFO)).value
    assert isinstance(value, x509.UnrecognizedExtension)
    assert der.object_identifier("1.3.6.1.4.1.3536.1.1.1.9") in value.value


@pytest.mark.parametrize(
    ("lifetime", "skew", "verdict"),
    [
        (timedelta(hours=-1), timedelta(minutes=5), "certificate has expired"),
        (timedelta(hours=1), timedelta(hours=-2), None),
        (timedelta(hours=2), timedelta(minutes=-30), "certificate is not yet valid"),
    ],
)
def test_a_proxy_can_be_expired_or_early(
    authority: Authority, lifetime: timedelta, skew: timedelta, verdict: str | None
) -> None:
    if verdict is None:  # it would begin after its end
        with pytest.raises(ValueError):
            authority.proxy(lifetime=lifetime, not_before_skew=skew)
        return
    path = authority.proxy(lifetime=lifetime, not_before_skew=skew, vos=())
    assert verify(authority, path, "-allow_proxy_certs") == verdict


def test_now_can_be_chosen(tmp_path: Path) -> None:
    now = datetime(2015, 5, 20, 3, tzinfo=UTC)
    authority = Authority(tmp_path, now)
    leaf = x509.load_pem_x509_certificates(authority.proxy().read_bytes())[0]
    assert leaf.not_valid_before_utc == now - timedelta(minutes=5)
    assert leaf.not_valid_after_utc == now + timedelta(hours=12)


@pytest.mark.parametrize("wrong", [{"kind": "gt5"}, {"order": "reverse"}])
def test_misspelt_choices_are_refused(authority: Authority, wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="no such"):
        authority.proxy(**wrong)


# -- VOMS -------------------------------------------------------------------------------------------------


def test_vo_and_fqans_are_read_back(authority: Authority) -> None:
    fqans = ["/ops/Role=lcgadmin/Capability=NULL", "/ops/Role=NULL/Capability=NULL"]
    chain = chain_of(authority.proxy(fqans=fqans))
    assert read_vo(chain) == ("ops", fqans)
    assert user_dn(chain) == ROBOT_DN


def test_several_vos_keep_their_order(authority: Authority) -> None:
    path = authority.proxy(vos=("fedcloud.egi.eu", "ops"), fqans={"ops": ["/ops/cloud"]})
    found = read_attributes(chain_of(path))
    assert [(each.vo, each.fqans) for each in found] == [
        ("fedcloud.egi.eu", ["/fedcloud.egi.eu/Role=NULL/Capability=NULL"]),
        ("ops", ["/ops/cloud"]),
    ]


def test_no_vo_gives_a_plain_proxy(authority: Authority) -> None:
    assert read_vo(chain_of(authority.proxy(vos=()))) is None


def test_the_attributes_of_a_proxy_of_a_proxy_are_further_up(authority: Authority) -> None:
    chain = chain_of(authority.proxy(depth=2))
    assert read_vo(chain[:1]) is None
    assert read_vo(chain[1:2]) == read_vo(chain) == ("ops", ["/ops/Role=NULL/Capability=NULL"])
    assert user_dn(chain) == user_dn(chain[:2]) == ROBOT_DN


def test_the_attributes_can_end_before_the_proxy(authority: Authority) -> None:
    path = authority.proxy(ac_lifetime=timedelta(minutes=-1))
    (attributes,) = read_attributes(chain_of(path))
    assert attributes.not_after < datetime.now(UTC)
    assert verify(authority, path, "-allow_proxy_certs") == "OK"


def test_openssl_can_walk_the_attribute_certificate(authority: Authority, tmp_path: Path) -> None:
    chain = chain_of(authority.proxy())
    proxy, user = (x509.load_der_x509_certificate(each) for each in chain)
    value = proxy.extensions.get_extension_for_oid(x509.ObjectIdentifier(VOMS_AC_SEQUENCE)).value
    assert isinstance(value, x509.UnrecognizedExtension)
    encoded = value.value
    path = tmp_path / "ac.der"
    path.write_bytes(encoded)
    done = openssl("asn1parse", "-inform", "DER", "-in", path)
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert all("SEQUENCE" in line and f"d={depth} " in line for depth, line in enumerate(lines[:4]))
    integers = [int(found[1], 16) for line in lines if (found := re.search(r"INTEGER +:([0-9A-F]+)$", line))]
    assert user.serial_number in integers
    assert any("OCTET STRING" in line and ":/ops/Role=NULL/Capability=NULL" in line for line in lines)
    # asn1parse does not print what a context-specific element such as the URI [6] holds.
    assert b"\x86\x1eops://voms.fedcloud.test:15009" in encoded

    # The signature of the VOMS server covers the information, the first element.
    wrapped = der.element(der.element(encoded).children()[0].content)
    information, _, signature = wrapped.children()
    key = authority.voms_server.certificate.public_key()
    assert isinstance(key, rsa.RSAPublicKey)
    key.verify(signature.content[1:], information.encoding, padding.PKCS1v15(), hashes.SHA256())
    assert authority.voms_server.certificate.public_bytes(serialization.Encoding.DER) in information.encoding


def test_the_voms_files_name_server_and_ca(authority: Authority) -> None:
    authority.proxy(vos=("ops", "fedcloud.egi.eu"))
    server = "/DC=test/DC=fedcloud/O=Hosts/CN=voms.fedcloud.test"
    lsc = (authority.vomsdir / "fedcloud.egi.eu" / "voms.fedcloud.test.lsc").read_text()
    assert lsc.splitlines() == [server, "/DC=test/DC=fedcloud/CN=FedCloud Test CA"]
    first = authority.vomses.read_text().splitlines()[0]
    assert first == f'"ops" "voms.fedcloud.test" "15009" "{server}" "ops" "24"'


# -- TLS --------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def vo_server(authority: Authority) -> Iterator[WebServer]:
    """Answers with the DN and the VO it has read from the client's chain."""

    def app(request: Request) -> Response:
        if request.peer is None:
            return Response(200, [], b"nobody")
        vo = read_vo(request.peer.chain)
        return Response(200, [], f"{user_dn(request.peer.chain)} {vo[0] if vo else '-'}".encode())

    context = authority.server_context(authority.host(["localhost"]), clients="optional")
    with WebServer("vo", app, context=context) as server:
        yield server


def ask(authority: Authority, server: WebServer, cert: object = None) -> str:
    return requests.get(server.url, verify=str(authority.ca_directory), cert=cert, timeout=AMPLE_S).text  # type: ignore[arg-type]


@pytest.mark.parametrize("depth", [1, 2])
@pytest.mark.parametrize("kind", ["rfc", "limited"])
def test_a_proxy_with_its_chain_is_accepted_and_its_vo_read(
    authority: Authority, vo_server: WebServer, depth: int, kind: str
) -> None:
    path = authority.proxy(vos=("fedcloud.egi.eu",), depth=depth, kind=kind)
    assert ask(authority, vo_server, str(path)) == f"{ROBOT_DN} fedcloud.egi.eu"


def test_the_user_certificate_itself_is_accepted(authority: Authority, vo_server: WebServer) -> None:
    user = authority.robot
    assert ask(authority, vo_server, (str(user.usercert), str(user.userkey))) == f"{ROBOT_DN} -"


def test_optional_means_that_no_certificate_is_fine(authority: Authority, vo_server: WebServer) -> None:
    assert ask(authority, vo_server) == "nobody"


@pytest.mark.parametrize(
    "options",
    [
        {"with_chain": False},
        {"kind": "legacy"},
        {"kind": "draft"},
        {"lifetime": timedelta(hours=-1)},
    ],
    ids=str,
)
def test_a_proxy_that_cannot_be_verified_is_refused(
    authority: Authority, vo_server: WebServer, options: dict[str, Any]
) -> None:
    with pytest.raises(requests.exceptions.ConnectionError):  # SSLError, or the end of the connection in TLS 1.3
        ask(authority, vo_server, str(authority.proxy(**options)))


def test_required_means_that_no_certificate_is_refused(authority: Authority) -> None:
    context = authority.server_context(authority.host(["localhost"]), clients="required")
    with WebServer("strict", lambda request: Response(200, [], b"in"), context=context) as server:
        with pytest.raises(requests.exceptions.ConnectionError):
            ask(authority, server)
        assert ask(authority, server, str(authority.proxy())) == "in"


# -- DER --------------------------------------------------------------------------------------------------


@given(st.integers(0, 255).filter(lambda tag: tag & 0x1F != 0x1F), st.binary(max_size=400))
def test_an_element_is_read_back(tag: int, content: bytes) -> None:
    encoded = der.tlv(tag, content)
    assert der.element(encoded + b"rest") == (tag, content, encoded)


@given(st.binary(max_size=60))
def test_bytes_that_are_no_der_are_a_value_error(data: bytes) -> None:
    with contextlib.suppress(ValueError):
        assert b"".join(each.encoding for each in der.elements(data)) == data


@given(st.integers(0, 2**80))
def test_integers_are_those_of_openssl(value: int) -> None:
    content = der.element(der.integer(value)).content
    assert int.from_bytes(content, "big", signed=True) == value
    assert len(content) == 1 or content[:2] not in (b"\0" + bytes([each]) for each in range(128))


@pytest.mark.parametrize("dotted", ["1.3.6.1.4.1.8005.100.100.5", "2.5.29.56", "1.2.840.113549.1.1.11"])
def test_object_identifiers_are_those_of_openssl(dotted: str, tmp_path: Path) -> None:
    path = tmp_path / "oid.der"
    path.write_bytes(der.object_identifier(dotted))
    shown = openssl("asn1parse", "-inform", "DER", "-in", path, "-oid", os.devnull).stdout
    expected = {
        "2.5.29.56": "X509v3 No Revocation Available",
        "1.2.840.113549.1.1.11": "sha256WithRSAEncryption",
    }
    assert shown.rstrip().endswith((f":{dotted}", f":{expected.get(dotted, dotted)}"))


def test_every_kind_of_proxy_is_tested() -> None:
    assert set(PROXY_KINDS) == {"rfc", "limited", "independent", "draft", "legacy"}
