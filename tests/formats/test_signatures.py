"""Signatures of CAs by every hash and kind of key that they use, SHA-1 among them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.serialization import Encoding

from libprobe.failures import BadData
from libprobe.formats import signatures
from tests.federation.authority import signed_again

NOW = datetime.now(UTC)
RSA = rsa.generate_private_key(65537, 2048)
EC = ec.generate_private_key(ec.SECP256R1())
DSA = dsa.generate_private_key(1024)
ED = ed25519.Ed25519PrivateKey.generate()
NAME = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "CA")])
DIGESTS = {"md5": hashes.MD5(), "sha1": hashes.SHA1(), "sha256": hashes.SHA256(), "sha512": hashes.SHA512()}


def certificate(key, digest="sha256", *, pss=False):
    """A CA's own, signed by itself."""
    builder = (
        x509.CertificateBuilder()
        .subject_name(NAME)
        .issuer_name(NAME)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(NOW)
        .not_valid_after(NOW + timedelta(days=1))
    )
    return of(builder, key, digest, pss=pss, load=x509.load_der_x509_certificate)


def revocations(key, digest="sha256", *, pss=False):
    builder = x509.CertificateRevocationListBuilder().issuer_name(NAME).last_update(NOW)
    return of(builder.next_update(NOW + timedelta(days=1)), key, digest, pss=pss, load=x509.load_der_x509_crl)


def of(builder, key, digest, *, pss, load):
    scheme = {"rsa_padding": padding.PSS(padding.MGF1(DIGESTS[digest]), 32)} if pss else {}
    if digest in ("md5", "sha1"):
        return load(signed_again(builder.sign(key, hashes.SHA256()), key, digest))
    return builder.sign(key, None if key is ED else DIGESTS[digest], **scheme)


KINDS = [
    (RSA, "sha1", {}),
    (EC, "sha1", {}),
    (RSA, "sha256", {}),
    (RSA, "sha512", {}),
    (RSA, "sha256", {"pss": True}),
    (EC, "sha256", {}),
    (DSA, "sha256", {}),
    (ED, "sha256", {}),
]


@pytest.mark.parametrize("make", [certificate, revocations])
@pytest.mark.parametrize(("key", "digest", "how"), KINDS)
def test_one_that_is_good_is_told_from_one_that_is_forged(make, key, digest, how):
    signed = make(key, digest, **how)
    assert signatures.is_signed_by(signed, certificate(key))
    assert signatures.digest(signed) == ("" if key is ED else digest)
    another = {RSA: rsa.generate_private_key(65537, 2048), EC: ec.generate_private_key(ec.SECP256R1())}
    for other in (another.get(key), *(each for each in (RSA, EC, DSA, ED) if each is not key)):
        assert other is None or not signatures.is_signed_by(signed, certificate(other))


@pytest.mark.parametrize("make", [certificate, revocations])
def test_md5_proves_nothing_whoever_signed(make):
    with pytest.raises(BadData, match=r"^signed with MD5, which can be forged$"):
        signatures.is_signed_by(make(RSA, "md5"), certificate(RSA))


def test_one_that_names_another_algorithm_of_itself_is_not_taken():
    """Of a CRL the library says so when it reads it."""
    made = signed_again(certificate(RSA), RSA, "sha1", within="md5")
    assert not signatures.is_signed_by(x509.load_der_x509_certificate(made), certificate(RSA))


def test_an_algorithm_that_nobody_knows_is_told_as_such():
    encoded = certificate(RSA).public_bytes(Encoding.DER)
    unknown = encoded.replace(bytes.fromhex("2a864886f70d01010b"), bytes.fromhex("2a864886f70d010163"))
    with pytest.raises(
        BadData, match=r"^signed with an algorithm that is not known here \(1\.2\.840\.113549\.1\.1\.99\)$"
    ):
        signatures.is_signed_by(x509.load_der_x509_certificate(unknown), certificate(RSA))
