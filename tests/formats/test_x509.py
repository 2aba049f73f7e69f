"""Credentials of every kind that lies in a monitoring box's /tmp."""

from __future__ import annotations

import binascii
import os
import re
import subprocess
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509 as library
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
)
from cryptography.x509.name import _ASN1Type
from hypothesis import given, settings
from hypothesis import strategies as st

from libprobe.failures import BadData
from libprobe.formats import dn, x509
from tests.federation.authority import Authority

HOUR = timedelta(hours=1)


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


def read(path: Path) -> x509.CredentialFacts:
    return x509.read_credential(path.read_bytes())


def blocks(path: Path) -> list[bytes]:
    return re.findall(rb"-----BEGIN [^-]+-----.*?-----END [^-]+-----\n", path.read_bytes(), re.DOTALL)


def test_the_names_of_few_certificates_are_remembered(authority: Authority) -> None:
    """A worker reads those of the same servers and CAs again and again, and of others for ever."""
    x509.read_chain_link.cache_clear()
    certificate = x509.first_certificate(authority.host(["a.example.org"]).path.read_bytes())
    first = x509.read_chain_link(certificate)
    assert first.subject_words.endswith("/CN=a.example.org")
    assert x509.read_chain_link(bytes(bytearray(certificate))) is first
    for length in range(2 * x509.MAX_KNOWN_LINKS):
        with pytest.raises(BadData):
            x509.read_chain_link(certificate[:length])
    assert x509.read_chain_link.cache_info().currsize == 1
    assert x509.read_chain_link.cache_info().maxsize == x509.MAX_KNOWN_LINKS


def test_a_voms_proxy_is_read(authority: Authority) -> None:
    credential = read(authority.proxy(vos=["ops", "dteam"]))
    assert credential.proxy == "rfc"
    assert credential.identity == authority.robot.subject
    assert credential.subject.startswith(authority.robot.subject + "/CN=")
    assert credential.issuer == authority.robot.subject
    assert (credential.has_key, credential.key_encrypted, credential.key_bits) == (True, False, 2048)
    assert credential.is_complete
    assert len(credential.certificates) == 2
    assert [attributes.vo for attributes in credential.attribute_certificates] == ["ops", "dteam"]
    assert credential.attribute_certificates[0].plain_fqans == ("/ops",)
    assert credential.not_after_of == credential.subject


@pytest.mark.parametrize("kind", ["rfc", "limited", "independent", "draft", "legacy"])
def test_every_kind_of_proxy_is_told(authority: Authority, kind: str) -> None:
    credential = read(authority.proxy(kind=kind))
    assert (credential.proxy, credential.identity) == (kind, authority.robot.subject)
    assert credential.certificates[1].proxy is None


def test_attributes_are_found_below_a_proxy_of_a_proxy(authority: Authority) -> None:
    credential = read(authority.proxy(depth=2))
    assert [certificate.proxy for certificate in credential.certificates] == ["rfc", "rfc", None]
    assert len(credential.attribute_certificates) == 1
    assert credential.identity == authority.robot.subject


def test_the_attributes_of_what_a_proxy_was_renewed_from_do_not_count(authority: Authority) -> None:
    credential = read(authority.proxy(vos=("ops", "dteam"), renewed={"ops": -HOUR, "biomed": HOUR}))
    assert [certificate.proxy for certificate in credential.certificates] == ["rfc", "rfc", None]
    assert [attributes.vo for attributes in credential.attribute_certificates] == ["ops", "dteam"]
    assert credential.attribute_certificates[0].not_after == credential.not_after


def test_the_shortest_lifetime_counts(authority: Authority) -> None:
    user = authority.user("Short Lived", lifetime=timedelta(hours=3))
    by_user = read(authority.proxy(user=user, lifetime=12 * HOUR))
    assert by_user.not_after_of == user.subject
    assert by_user.not_after < by_user.certificates[0].not_after


def test_the_latest_beginning_counts(authority: Authority) -> None:
    credential = read(authority.proxy(not_before_skew=-HOUR))
    assert credential.not_before == credential.certificates[0].not_before
    assert credential.not_before > authority.now


def test_a_proxy_without_its_chain_has_an_identity(authority: Authority) -> None:
    credential = read(authority.proxy(with_chain=False))
    assert credential.identity == authority.robot.subject
    assert not credential.is_complete


@pytest.mark.parametrize("pkcs8", [True, False])
def test_both_key_headings_are_read(authority: Authority, pkcs8: bool) -> None:
    assert read(authority.proxy(pkcs8=pkcs8)).has_key


def test_a_weak_key_is_read_and_measured(authority: Authority) -> None:
    assert read(authority.proxy(bits=1024)).key_bits == 1024


def test_a_host_certificate_is_no_proxy(authority: Authority) -> None:
    host = authority.host(["cloud.example.org"])
    credential = x509.read_credential(host.certificate.public_bytes(Encoding.PEM))
    assert (credential.proxy, credential.has_key) == (None, False)
    assert credential.identity == credential.subject == host.subject


def test_an_encrypted_key_is_told(authority: Authority) -> None:
    user = authority.robot
    certificate = user.certificate.public_bytes(Encoding.PEM)
    for form in (PrivateFormat.PKCS8, PrivateFormat.TraditionalOpenSSL):
        key = user.key.private_bytes(Encoding.PEM, form, BestAvailableEncryption(b"secret"))
        credential = x509.read_credential(certificate + key)
        assert (credential.has_key, credential.key_encrypted) == (True, True)


def test_text_between_the_blocks_is_ignored(authority: Authority) -> None:
    pem = b"subject=/CN=x\r\n" + authority.proxy().read_bytes().replace(b"\n", b"\r\n") + b"\nBag Attributes\n"
    assert x509.read_credential(pem).proxy == "rfc"


def made(
    authority: Authority, key: object, *, until: datetime, names: list[library.NameAttribute] | None = None
) -> bytes:
    """A certificate of our CA for a key, with the key behind it."""
    own = names or [library.NameAttribute(library.NameOID.COMMON_NAME, "Anybody")]
    built = (
        library.CertificateBuilder()
        .subject_name(library.Name(own))
        .issuer_name(library.Name(own))
        .public_key(key.public_key())  # type: ignore[attr-defined]
        .serial_number(1)
        .not_valid_before(datetime(1999, 12, 31, 23, 59, 58, tzinfo=UTC))
        .not_valid_after(until)
        .sign(authority.robot.key, hashes.SHA256())
    )
    form = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())  # type: ignore[attr-defined]
    return built.public_bytes(Encoding.PEM) + form


@pytest.mark.parametrize("kind", ["rfc", "limited", "draft", "legacy", "host", "short"])
def test_what_is_read_is_what_the_library_reads(authority: Authority, kind: str) -> None:
    if kind == "host":
        pem = authority.host(["cloud.example.org"]).path.read_bytes()
    else:
        pem = authority.proxy(
            kind="rfc" if kind == "short" else kind, bits=1024 if kind == "short" else 2048
        ).read_bytes()
    ours, theirs = x509.read_credential(pem).certificates, library.load_pem_x509_certificates(pem)
    assert len(ours) == len(theirs)
    for one, other in zip(ours, theirs, strict=True):
        assert one.subject == dn.slash_form(other.subject)
        assert one.issuer == dn.slash_form(other.issuer)
        assert (one.not_before, one.not_after) == (other.not_valid_before_utc, other.not_valid_after_utc)
        assert one.key_bits == other.public_key().key_size


@pytest.mark.parametrize("year", [2049, 2050])
def test_both_forms_of_time_are_read(authority: Authority, year: int) -> None:
    until = datetime(year, 12, 31, 23, 59, 59, tzinfo=UTC)
    credential = x509.read_credential(made(authority, authority.robot.key, until=until))
    assert (credential.not_before, credential.not_after) == (datetime(1999, 12, 31, 23, 59, 58, tzinfo=UTC), until)


@pytest.mark.parametrize(
    ("make", "bits"),
    [
        (lambda: ec.generate_private_key(ec.SECP256R1()), 256),
        (lambda: ec.generate_private_key(ec.SECP521R1()), 521),
        (ed25519.Ed25519PrivateKey.generate, None),
    ],
)
def test_a_key_that_is_not_rsa_is_held_against_its_certificate_too(
    authority: Authority, make: Callable[[], object], bits: int | None
) -> None:
    until = datetime(2049, 1, 1, tzinfo=UTC)
    pem, other = made(authority, make(), until=until), made(authority, make(), until=until)
    credential = x509.read_credential(pem)
    assert (credential.has_key, credential.key_bits) == (True, bits)
    with pytest.raises(BadData, match="the key does not belong to the first certificate"):
        x509.read_credential(
            pem.partition(b"-----BEGIN PRIVATE")[0] + b"".join(other.partition(b"-----BEGIN PRIVATE")[1:])
        )


def test_a_name_that_is_not_of_its_type_does_not_make_a_credential_useless(authority: Authority) -> None:
    name = library.NameAttribute(library.NameOID.COMMON_NAME, "Jos?", _type=_ASN1Type.PrintableString)
    pem = made(authority, authority.robot.key, until=datetime(2049, 1, 1, tzinfo=UTC), names=[name])
    encoded = binascii.a2b_base64(pem.partition(b"-----END")[0].partition(b"-----\n")[2])
    latin = binascii.b2a_base64(encoded.replace(b"Jos?", b"Jos\xe9"))
    pem = b"-----BEGIN CERTIFICATE-----\n" + latin + b"-----END CERTIFICATE-----\n"
    assert x509.read_credential(pem).subject == "/CN=José"


def chain_first(authority: Authority) -> bytes:
    return authority.proxy(order="chain-first").read_bytes()


def foreign_key(authority: Authority) -> bytes:
    ours, other = authority.proxy(), authority.user("Somebody Else").key
    key = other.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return blocks(ours)[0] + key


def two_keys(authority: Authority) -> bytes:
    parts = blocks(authority.proxy())
    return b"".join([parts[0], parts[1], parts[1]])


def only_a_key(authority: Authority) -> bytes:
    return blocks(authority.proxy())[1]


def cut_off(authority: Authority) -> bytes:
    return authority.proxy().read_bytes()[:-40]


def broken_certificate(authority: Authority) -> bytes:
    parts = blocks(authority.proxy())
    return parts[0].replace(parts[0][100:140], b"A" * 40)


def broken_key(authority: Authority) -> bytes:
    parts = blocks(authority.proxy())
    return parts[0] + b"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"


def many(authority: Authority) -> bytes:
    return blocks(authority.proxy())[0] * (x509.MAX_CERTIFICATES + 1)


REFUSED: list[tuple[Callable[[Authority], bytes], str]] = [
    (chain_first, "the chain stands before the proxy certificate"),
    (foreign_key, "the key does not belong to the first certificate"),
    (two_keys, "2 private keys"),
    (only_a_key, "no certificate"),
    (cut_off, "breaks off inside its certificate"),
    (broken_certificate, "cannot be read"),
    (broken_key, "the private key cannot be read"),
    (many, "more than 20"),
    (lambda _: b"", "no certificate"),
    (lambda _: b"\x00\xff" * 1000, "no certificate"),
    (lambda _: b"x" * (x509.MAX_BYTES + 1), "too long"),
    (lambda _: b"-----BEGIN CERTIFICATE-----\n-----END CERTIFICATE-----\n", "certificate 1 cannot be read"),
]


@pytest.mark.parametrize(("make", "said"), REFUSED, ids=[said for _, said in REFUSED])
def test_what_is_no_credential_is_refused_with_a_sentence(
    authority: Authority, make: Callable[[Authority], bytes], said: str
) -> None:
    with pytest.raises(BadData) as caught:
        x509.read_credential(make(authority))
    assert said in caught.value.sentence


def test_the_library_writes_nothing_to_stderr(authority: Authority, recwarn: pytest.WarningsRecorder) -> None:
    read(authority.proxy())
    assert not recwarn.list


def test_a_name_is_in_slash_form_most_significant_first() -> None:
    oid = library.NameOID
    name = library.Name(
        [
            library.NameAttribute(oid.COUNTRY_NAME, "KR"),
            library.NameAttribute(oid.ORGANIZATION_NAME, "KISTI"),
            library.NameAttribute(oid.ORGANIZATION_NAME, "GRID"),
            library.NameAttribute(oid.COMMON_NAME, "host/a.example.org"),
            library.NameAttribute(oid.EMAIL_ADDRESS, "a@example.org"),
            library.NameAttribute(library.ObjectIdentifier("1.2.3.4"), "é\n"),
        ]
    )
    shown = "/C=KR/O=KISTI/O=GRID/CN=host/a.example.org/emailAddress=a@example.org/1.2.3.4=é\\x0A"
    assert dn.slash_form(name) == shown


def test_bytes_in_a_name_are_shown() -> None:
    assert dn.joined([("2.5.4.3", b"a\x00"), ("2.5.4.45", "x")]) == "/CN=a\\x00/2.5.4.45=x"


@pytest.fixture(scope="module")
def proxy(authority: Authority) -> bytes:
    return authority.proxy().read_bytes()


@settings(max_examples=200, deadline=None)
@given(data=st.data())
def test_damage_gives_a_result_or_bad_data(proxy: bytes, data: st.DataObject) -> None:
    at = data.draw(st.integers(0, len(proxy) - 1))
    damage = data.draw(st.binary(max_size=4))
    try:
        assert x509.read_credential(proxy[:at] + damage + proxy[at + len(damage) :]).certificates
    except BadData as failure:
        assert failure.sentence


@settings(max_examples=200, deadline=None)
@given(st.integers(0, 5_000), st.binary(min_size=1, max_size=2))
def test_damaged_der_gives_a_result_or_bad_data(der: bytes, at: int, damage: bytes) -> None:
    """Below the PEM armour, where the library reads on access only."""
    from base64 import encodebytes

    at %= len(der)
    damaged = der[:at] + damage + der[at + len(damage) :]
    pem = b"-----BEGIN CERTIFICATE-----\n" + encodebytes(damaged) + b"-----END CERTIFICATE-----\n"
    try:
        assert x509.read_credential(pem).certificates
    except BadData as failure:
        assert failure.sentence


@settings(max_examples=200, deadline=None)
@given(st.integers(0, 5_000), st.binary(min_size=1, max_size=2))
def test_a_damaged_key_gives_a_result_or_bad_data(authority: Authority, at: int, damage: bytes) -> None:
    certificate = authority.robot.certificate.public_bytes(Encoding.PEM)
    encoded = authority.robot.key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
    at %= len(encoded)
    damaged = encoded[:at] + damage + encoded[at + len(damage) :]
    pem = b"-----BEGIN PRIVATE KEY-----\n" + binascii.b2a_base64(damaged) + b"-----END PRIVATE KEY-----\n"
    try:
        assert x509.read_credential(certificate + pem).has_key
    except BadData as failure:
        assert failure.sentence


@pytest.fixture(scope="module")
def der(proxy: bytes) -> bytes:
    return library.load_pem_x509_certificate(proxy).public_bytes(Encoding.DER)


# ---- held against the clients that make proxies


@pytest.mark.needs("voms-clients")
@pytest.mark.parametrize(
    ("version", "kind"), [("4", "rfc"), ("4 -limited", "limited"), ("3", "draft"), ("2", "legacy")]
)
def test_what_voms_clients_make_is_read_as_they_read_it(
    authority: Authority, tmp_path, version: str, kind: str
) -> None:
    authority.proxy(vos=("ops",))  # so that there is a VOMS server
    server, robot, made = authority.voms_server, authority.robot, tmp_path / "made"
    key = tmp_path / "key"
    key.write_bytes(server.key.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption()))
    key.chmod(0o400)
    certificate = tmp_path / "certificate"
    certificate.write_bytes(server.certificate.public_bytes(Encoding.PEM))
    words = (
        f"voms-proxy-fake -proxyver {version} -bits 2048 -cert {robot.usercert} -key {robot.userkey} "
        f"-hostcert {certificate} -hostkey {key} -certdir {authority.ca_directory} -voms ops -out {made} "
        "-fqan /ops/Role=NULL/Capability=NULL -uri voms.fedcloud.test:15009"
    )
    subprocess.run(words.split(), check=True, capture_output=True)
    credential = read(made)
    assert (credential.proxy, credential.identity, credential.is_complete) == (kind, robot.subject, True)
    [attributes] = credential.attribute_certificates
    assert (attributes.vo, attributes.fqans) == ("ops", ("/ops/Role=NULL/Capability=NULL",))
    # that is why attributes may be not valid yet when the proxy is
    assert attributes.not_before > credential.certificates[0].not_before


@pytest.mark.needs("voms-clients")
def test_voms_clients_take_the_attributes_nearest_to_the_leaf_as_well(authority: Authority) -> None:
    for options in ({"renewed": {"ops": -HOUR, "biomed": HOUR}}, {"vos": ("dteam", "ops")}, {"depth": 2}, {"vos": ()}):
        proxy = authority.proxy(**options)  # type: ignore[arg-type]
        told = subprocess.run(
            ["voms-proxy-info", "-all", "-dont-verify-ac", "-file", str(proxy)],
            check=True,
            capture_output=True,
            env={**os.environ, "X509_CERT_DIR": str(authority.ca_directory), "X509_VOMS_DIR": str(authority.vomsdir)},
        )
        vos = re.findall(r"^VO +: (\S+)$", told.stdout.decode(), re.MULTILINE)
        assert vos == [each.vo for each in read(proxy).attribute_certificates]
