"""The hash of a name is OpenSSL's."""

from __future__ import annotations

import subprocess

import pytest
from cryptography import x509
from cryptography.x509.name import _ASN1Type
from cryptography.x509.oid import NameOID
from hypothesis import given
from hypothesis import strategies as st

from libprobe.failures import BadData
from libprobe.formats.subject_hash import canonical, subject_hash
from tests.federation import authority


def name(*parts: tuple[x509.ObjectIdentifier, str], kind: _ASN1Type | None = None) -> x509.Name:
    return x509.Name([x509.NameAttribute(oid, text, kind) for oid, text in parts])


NAMES = [
    name((NameOID.DOMAIN_COMPONENT, "org"), (NameOID.COMMON_NAME, "Some  CA\t2")),
    name((NameOID.COUNTRY_NAME, "KR"), (NameOID.ORGANIZATION_NAME, " KISTI "), (NameOID.COMMON_NAME, "x" * 64)),
    name((NameOID.COMMON_NAME, "\u00c9cole Sup\u00e9rieure")),
    name((NameOID.COMMON_NAME, "Bmp \u00c9"), kind=_ASN1Type.BMPString),
    name((NameOID.EMAIL_ADDRESS, "CA@Example.ORG"), (NameOID.ORGANIZATIONAL_UNIT_NAME, "y" * 300)),
    name(*[(NameOID.ORGANIZATIONAL_UNIT_NAME, f"{number} Z" * 75) for number in range(5)]),
    x509.Name([]),
]


@pytest.mark.parametrize("given_name", NAMES[:3] + NAMES[4:])
def test_it_is_that_of_the_federations_authority(given_name):
    assert subject_hash(given_name.public_bytes()) == authority.subject_hash(given_name)


@pytest.mark.needs("openssl")
@pytest.mark.parametrize("given_name", NAMES[:6])
def test_it_is_that_of_openssl(tmp_path, given_name):
    from datetime import UTC, datetime, timedelta

    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    made = x509.CertificateBuilder().subject_name(given_name).issuer_name(given_name).public_key(key.public_key())
    now = datetime.now(UTC)
    made = made.serial_number(1).not_valid_before(now).not_valid_after(now + timedelta(1))
    path = tmp_path / "ca.pem"
    path.write_bytes(made.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM))
    command = ["openssl", "x509", "-noout", "-subject_hash", "-in", path]
    told = subprocess.run(command, check=True, capture_output=True, text=True)
    assert subject_hash(given_name.public_bytes()) == told.stdout.strip()


def test_the_form_of_a_short_name_is_kept_and_that_of_a_long_one_is_made_anew():
    short, long = NAMES[0].public_bytes(), NAMES[5].public_bytes()
    assert len(long) > 1024
    assert canonical(short) is canonical(bytes(bytearray(short)))
    assert canonical(long) == canonical(long) is not canonical(long)


@given(st.binary(max_size=60))
def test_nothing_but_a_hash_or_bad_data_comes_of_bytes(data):
    for encoded in (data, b"\x30" + bytes([len(data)]) + data):
        try:
            assert len(subject_hash(encoded)) == 8
        except BadData:
            pass
