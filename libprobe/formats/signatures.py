"""Whether a certificate or a CRL was signed with the key of its CA, also where that was with SHA-1.

Some grid CAs sign with SHA-1 still. cryptography (seen with 43 to 50) judges no such signature: of a certificate it
raises the same ValueError as for one of another name, and of a CRL it says False as of a forged one. The key itself
verifies both. Whether SHA-1 is good enough is for the caller; MD5 and what is older prove nothing and are never taken.
"""

from __future__ import annotations

from types import NoneType

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed448, ed25519, padding, rsa
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import SignatureAlgorithmOID

from libprobe.failures import BadData, Misconfigured
from libprobe.formats import der
from libprobe.formats.crl import MAX_CRL

TYPE_CHECKING = False
if TYPE_CHECKING:
    from cryptography.x509 import Certificate, CertificateRevocationList

WEAK = "sha1"
_TAKEN = (WEAK, "sha224", "sha256", "sha384", "sha512", "sha3-224", "sha3-256", "sha3-384", "sha3-512")


def digest(signed: Certificate | CertificateRevocationList) -> str:
    """The hash of a signature as it is named: `sha1`; empty where the kind of key needs none. Raises: BadData."""
    identifier = signed.signature_algorithm_oid
    try:
        algorithm = signed.signature_hash_algorithm
        if algorithm:
            return algorithm.name
        if identifier in (SignatureAlgorithmOID.ED25519, SignatureAlgorithmOID.ED448):
            return ""
    except UnsupportedAlgorithm:
        pass
    raise BadData(f"signed with an algorithm that is not known here ({identifier.dotted_string})")


def is_signed_by(signed: Certificate | CertificateRevocationList, issuer: Certificate) -> bool:
    """Whether it was made with the key of an issuer; their names are not compared.

    Raises: BadData for a signature that proves nothing, whoever made it; Misconfigured where this machine's policy
            forbids to look at one.
    """
    named = digest(signed)
    if named and named not in _TAKEN:
        raise BadData(f"signed with {named.upper()}, which can be forged")
    if not _names_one_algorithm(signed):
        return False
    data = signed.tbs_certificate_bytes if isinstance(signed, x509.Certificate) else signed.tbs_certlist_bytes
    key, value = issuer.public_key(), signed.signature
    how, algorithm = signed.signature_algorithm_parameters, signed.signature_hash_algorithm
    try:
        if isinstance(key, rsa.RSAPublicKey) and isinstance(how, (padding.PKCS1v15, padding.PSS)) and algorithm:
            key.verify(value, data, how, algorithm)
        elif isinstance(key, ec.EllipticCurvePublicKey) and isinstance(how, (ec.ECDSA, NoneType)) and algorithm:
            key.verify(value, data, ec.ECDSA(algorithm))  # cryptography 50 has no parameters for SHA-1
        elif isinstance(key, dsa.DSAPublicKey) and how is None and algorithm:
            key.verify(value, data, algorithm)
        elif isinstance(key, (ed25519.Ed25519PublicKey, ed448.Ed448PublicKey)) and how is None and not algorithm:
            key.verify(value, data)
        else:
            return False  # a signature of another kind of key
    except InvalidSignature:
        return False
    except UnsupportedAlgorithm as error:
        raise Misconfigured(
            f"a signature with {named.upper() or 'its algorithm'} is not looked at on this machine: {error}",
            remedy="look at its openssl.cnf and its crypto policy",
        ) from None
    return True


def _names_one_algorithm(signed: Certificate | CertificateRevocationList) -> bool:
    """Whether what is signed names the algorithm that stands beside the signature (RFC 5280 section 4.1.1.2)."""
    parts = der.read(signed.public_bytes(Encoding.DER), limit=MAX_CRL).expect(der.SEQUENCE).children()
    within = next((each for each in parts[0].children() if each.tag == der.SEQUENCE), None)
    return len(parts) == 3 and within == parts[1]
