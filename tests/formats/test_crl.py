"""The frame of a CRL, as the library reads it whole."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from hypothesis import given
from hypothesis import strategies as st

from libprobe.failures import BadData
from libprobe.formats import crl, subject_hash

KEY = ec.generate_private_key(ec.SECP256R1())
NAME = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "A CA")])
NOW = datetime(2026, 11, 25, 12, tzinfo=UTC)


def made(*serials: int, begin: datetime = NOW, end: datetime = NOW + timedelta(7)) -> x509.CertificateRevocationList:
    builder = x509.CertificateRevocationListBuilder().issuer_name(NAME).last_update(begin).next_update(end)
    for serial in serials:
        entry = x509.RevokedCertificateBuilder().serial_number(serial).revocation_date(begin)
        builder = builder.add_revoked_certificate(entry.build())
    return builder.sign(KEY, hashes.SHA256())


def certificate(serial: int) -> bytes:
    builder = x509.CertificateBuilder().subject_name(NAME).issuer_name(NAME).public_key(KEY.public_key())
    builder = builder.serial_number(serial).not_valid_before(NOW).not_valid_after(NOW + timedelta(1))
    return builder.sign(KEY, hashes.SHA256()).public_bytes(Encoding.DER)


@pytest.mark.parametrize("encoding", [Encoding.PEM, Encoding.DER])
def test_issuer_and_times_are_the_librarys(encoding):
    listed = made(5, end=datetime(2051, 1, 1, tzinfo=UTC))  # from 2050 on a time is written in another way
    found = crl.read_list(listed.public_bytes(encoding))
    assert found.issuer == subject_hash.canonical(NAME.public_bytes())
    assert (found.this_update, found.next_update) == ("20261125120000Z", "20510101000000Z")
    assert found.encoded == listed.public_bytes(Encoding.DER)


def test_text_around_the_pem_is_passed_over():
    pem = made(5).public_bytes(Encoding.PEM)
    assert crl.read_list(b"Certificate Revocation List:\n" + pem + b"and more\n") == crl.read_list(pem)


@given(serial=st.integers(1, (1 << 159) - 1), others=st.lists(st.integers(1, (1 << 159) - 1), max_size=3))
def test_a_serial_number_that_is_listed_is_never_overlooked(serial, others):
    found = crl.read_list(made(*others, serial).public_bytes(Encoding.PEM))
    assert found.may_list(crl.read_issued(certificate(serial)).serial)


def test_one_that_is_not_listed_is_not_found():
    found = crl.read_list(made(0x1234567890).public_bytes(Encoding.PEM))
    assert not found.may_list(crl.read_issued(certificate(0x1234567891)).serial)


def test_a_certificates_issuer_is_the_librarys():
    assert crl.read_issued(certificate(7)).issuer == NAME.public_bytes()


def test_a_list_that_is_cut_short_anywhere_is_bad_data():
    pem = made(0x1234567890).public_bytes(Encoding.PEM)
    whole = len(pem.rpartition(b"\n-----END")[0])
    for end in range(0, whole, 7):
        with pytest.raises(BadData):
            crl.read_list(pem[:end])


@given(st.binary(max_size=80))
def test_nothing_but_bad_data_comes_of_bytes(data):
    framed = b"\x30" + bytes([len(data)]) + data
    for encoded in (data, framed, b"\x30" + bytes([len(framed)]) + framed, b"-----BEGIN X509 CRL-----" + data):
        for read in (crl.read_list, crl.read_issued):
            try:
                read(encoded)
            except BadData:
                pass
