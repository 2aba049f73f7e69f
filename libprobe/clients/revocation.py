"""Whether a server's certificate was revoked, by the CRLs that lie beside the CAs (`<hash>.r0`).

OpenSSL either insists on a CRL for every CA or looks at none. A grid CA directory has them for most CAs: so the
handshake is done without, and the chain that it accepted is judged here by the CRLs that there are, before anything
is said over the connection. One CRL is read for each certificate, and only those of its issuer.
"""

from __future__ import annotations

import time
from itertools import pairwise

from libprobe import host_resources
from libprobe.clients.anchors import read_hashed, silence_warnings
from libprobe.failures import BadData, Misconfigured
from libprobe.formats import crl, subject_hash

TYPE_CHECKING = False
if TYPE_CHECKING:
    from datetime import datetime


class CertificateRevoked(Exception):
    """A certificate of the chain was revoked; its text says which and since when."""


def expect_not_revoked(certificates: list[bytes], directory: str) -> None:
    """Judge a chain that OpenSSL has accepted.

    certificates: in DER, the server's own first. directory: CAs and CRLs with hashed names.
    Raises: CertificateRevoked; Misconfigured for a CRL of ours by which nothing can be judged.
    """
    for certificate, issuer in pairwise(certificates):
        _judge(directory, certificate, issuer, is_servers=certificate is certificates[0])


def _judge(directory: str, certificate: bytes, issuer: bytes, *, is_servers: bool) -> None:
    try:
        issued = crl.read_issued(certificate)
        found = _newest_crl(directory, issued.issuer)
    except BadData:
        return  # a name that OpenSSL takes and we cannot read: there is no saying which CRL is its
    if found is None:
        return
    path, listed = found
    moment = time.strftime("%Y%m%d%H%M%SZ", time.gmtime())
    is_current = listed.this_update <= moment and (not listed.next_update or moment <= listed.next_update)
    if is_current and not listed.may_list(issued.serial):
        return
    revoked = _revoked_on(certificate, issuer, path, listed)
    if revoked:
        whose = "certificate" if is_servers else "certificate of its CA"
        raise CertificateRevoked(f"{whose} revoked on {revoked:%Y-%m-%d}")


def _revoked_on(certificate: bytes, issuer: bytes, path: str, listed: crl.RevocationList) -> datetime | None:
    """Return when a certificate was revoked, None if it was not, by `cryptography`, which takes long to load."""
    from datetime import UTC, datetime

    from cryptography.x509 import load_der_x509_certificate, load_der_x509_crl

    from libprobe.formats.chains import IssuerCrl, revoked_on

    try:
        with silence_warnings():
            revocations = IssuerCrl(load_der_x509_crl(listed.encoded), path)
            both = load_der_x509_certificate(certificate), load_der_x509_certificate(issuer)
            return revoked_on(*both, revocations, datetime.now(UTC))
    except Misconfigured:
        raise
    except ImportError:
        raise  # a library is missing: that is no answer of anybody's
    except Exception as error:  # the library raises on access what it did not look at before
        host_resources.raise_if_short(error)
        raise _unreadable(path, error) from None


def _newest_crl(directory: str, issuer: bytes) -> tuple[str, crl.RevocationList] | None:
    """The newest CRL of a CA and its path, None if there is none. Raises: Misconfigured; BadData for the name."""
    found = read_hashed(directory, issuer, "r", crl.MAX_CRL, _read_list)
    name = subject_hash.canonical(issuer)
    of_name = [each for each in found if each[1].issuer == name]  # another CA's name may have the same hash
    return max(of_name, key=lambda each: each[1].this_update, default=None)


def _read_list(data: bytes, path: str) -> crl.RevocationList:
    try:
        return crl.read_list(data)
    except BadData as error:
        raise _unreadable(path, error) from None


def _unreadable(path: str, error: Exception) -> Misconfigured:
    return Misconfigured(f"the CRL {path} cannot be read: {str(error)[:100]}", remedy=crl.FETCH_CRL_REMEDY)
