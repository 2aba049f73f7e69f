"""Signs documents in ways that no tool does any more, or should: for the tests of what has to be refused."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime
from typing import Any

from asn1crypto import algos, cms
from asn1crypto import x509 as asn1_x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding

HASHES = {
    "sha1": hashes.SHA1(),
    "sha256": hashes.SHA256(),
    "sha384": hashes.SHA384(),
    "sha512": hashes.SHA512(),
    "md5": hashes.MD5(),
}


def encoded(certificate: Any) -> asn1_x509.Certificate:
    return asn1_x509.Certificate.load(certificate.public_bytes(serialization.Encoding.DER))


def signed(
    content: bytes,
    signer: Any,
    *,
    digest: str = "sha256",
    scheme: str = "",
    detached: bool = True,
    attributes: bool = True,
    certificates: list[Any] | None = None,
    digest_of: bytes | None = None,
    content_type: str = "data",
    signers: int = 1,
    repeat_digest: bool = False,
    named_digest: str = "",
    by_key_identifier: bool = False,
) -> bytes:
    """Return a SignedData structure; the options beside `digest` and `detached` are its faults.

    signer: has `certificate` and `key`.
    """
    key, certificate = signer.key, encoded(signer.certificate)
    elliptic = isinstance(key, ec.EllipticCurvePrivateKey)
    scheme = scheme or (f"{digest}_ecdsa" if elliptic else "rsassa_pkcs1v15")
    info: dict[str, Any] = {
        "version": "v1",
        "sid": cms.SignerIdentifier(
            {
                "issuer_and_serial_number": {
                    "issuer": certificate.issuer,
                    "serial_number": certificate.serial_number,
                }
            }
        )
        if not by_key_identifier
        else cms.SignerIdentifier("subject_key_identifier", certificate.key_identifier),
        "digest_algorithm": {"algorithm": named_digest or digest},
        "signature_algorithm": _algorithm(scheme, digest),
    }
    data = content
    if attributes:
        body = hashlib.new(digest, content if digest_of is None else digest_of).digest()
        listed = [
            {"type": "content_type", "values": [content_type]},
            {"type": "signing_time", "values": [cms.Time({"utc_time": datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)})]},
            *[{"type": "message_digest", "values": [body]}] * (2 if repeat_digest else 1),
        ]
        info["signed_attrs"] = cms.CMSAttributes(listed)
        data = b"\x31" + info["signed_attrs"].dump()[1:]
    info["signature"] = _signature(key, data, scheme, HASHES[digest])
    structure = cms.SignedData(
        {
            "version": "v1",
            "digest_algorithms": [{"algorithm": digest}],
            "encap_content_info": {"content_type": "data", **({} if detached else {"content": content})},
            "certificates": [encoded(each) for each in certificates] if certificates is not None else [certificate],
            "signer_infos": [cms.SignerInfo(info)] * signers,
        }
    )
    return cms.ContentInfo({"content_type": "signed_data", "content": structure}).dump()


def _algorithm(scheme: str, digest: str) -> Any:
    if scheme != "rsassa_pss":
        return {"algorithm": scheme}
    parameters = algos.RSASSAPSSParams(
        {
            "hash_algorithm": {"algorithm": digest},
            "mask_gen_algorithm": {"algorithm": "mgf1", "parameters": {"algorithm": digest}},
            "salt_length": 32,
        }
    )
    return {"algorithm": "rsassa_pss", "parameters": parameters}


def _signature(key: Any, data: bytes, scheme: str, algorithm: hashes.HashAlgorithm) -> bytes:
    if isinstance(key, ec.EllipticCurvePrivateKey):
        return key.sign(data, ec.ECDSA(algorithm))
    if scheme == "rsassa_pss":
        return key.sign(data, padding.PSS(padding.MGF1(algorithm), 32), algorithm)
    return key.sign(data, padding.PKCS1v15(), algorithm)
