"""From a signer's certificate to a CA that we trust: the path, judged as RFC 5280 section 6 has it.

Grid CAs break the rules of the web (no alternative names, version 1 roots), so the verifier of the
`cryptography` library does not take their certificates. Checked here: names and signatures link by link,
validity, that issuers are CAs and may sign, path lengths, revocation where a CRL is at hand, and that no critical
extension is unknown. Proxies are no signers: vmcatcher, whose rules these are, takes none.
"""

from __future__ import annotations

from cryptography.x509 import (
    BasicConstraints,
    DeltaCRLIndicator,
    ExtensionNotFound,
    IssuingDistributionPoint,
    KeyUsage,
    Version,
)

from libprobe import host_resources
from libprobe.failures import BadData, Misconfigured
from libprobe.formats import crl, dn, signatures
from libprobe.formats.x509 import DRAFT_PROXY_CERT_INFO, PROXY_CERT_INFO
from libprobe.records import Record
from libprobe.text import duration

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from datetime import datetime

    from cryptography import x509

MAX_DEPTH = 8
_UNDERSTOOD = frozenset(
    {
        "2.5.29.15",  # keyUsage
        "2.5.29.19",  # basicConstraints
        "2.5.29.32",  # certificatePolicies: we ask for none
        "2.5.29.37",  # extendedKeyUsage: grid hosts sign with server certificates
        "2.5.29.17",  # subjectAltName
        "2.5.29.14",
        "2.5.29.35",
        "2.5.29.31",
    }
)


class IssuerCrl(Record):
    """A CRL of a CA and the file it is from."""

    crl: x509.CertificateRevocationList
    path: str


def verify(
    signer: x509.Certificate,
    others: Iterable[x509.Certificate],
    trusted: Callable[[x509.Name], list[x509.Certificate]],
    revocations: Callable[[x509.Certificate], IssuerCrl | None],
    now: datetime,
    *,
    allow_sha1: bool = False,
) -> list[x509.Certificate]:
    """Return the chain from the signer to the CA that we trust, both included.

    others:      untrusted certificates that may stand between.
    trusted:     the CAs of a name. revocations: the newest CRL of a CA, None if there is none.
    Raises: BadData when the chain is at fault; Misconfigured when a CA or CRL of ours is.
    """
    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return _verify(signer, list(others), trusted, revocations, now, allow_sha1=allow_sha1)
        except (BadData, Misconfigured):
            raise
        except ImportError:
            raise  # a library is missing: that is no answer of anybody's
        except Exception as error:
            host_resources.raise_if_short(error)
            # the library raises on access what it did not look at before
            raise BadData(f"the signer's certificate cannot be judged: {type(error).__name__}: {error}") from error


def _verify(
    signer: x509.Certificate,
    others: list[x509.Certificate],
    trusted: Callable[[x509.Name], list[x509.Certificate]],
    revocations: Callable[[x509.Certificate], IssuerCrl | None],
    now: datetime,
    *,
    allow_sha1: bool,
) -> list[x509.Certificate]:
    _expect_signer(signer)
    chain = [signer]
    anchored = False
    while not anchored:
        certificate = chain[-1]
        anchors = trusted(certificate.issuer)
        issuer = _issuer_of(certificate, anchors)
        anchored = issuer is not None
        if issuer is None:
            issuer = _issuer_of(certificate, [each for each in others if each not in chain])
        if issuer is None:
            raise BadData(_no_issuer(certificate, bool(anchors)))
        _expect_valid(certificate, now, ours=False)
        _expect_known_extensions(certificate)
        if not allow_sha1 and signatures.digest(certificate) == signatures.WEAK:
            raise BadData(
                f"the certificate {_words(certificate)} is signed with SHA1, which can be forged",
                remedy="accept it with --allow-sha1",
            )
        _expect_issuer(issuer, below=len(chain) - 1, ours=anchored)
        _expect_not_revoked(certificate, issuer, revocations(issuer) if anchored else None, now)
        chain.append(issuer)
        if len(chain) > MAX_DEPTH:
            raise BadData(f"the chain of {_words(signer)} is longer than {MAX_DEPTH} certificates")
    _expect_valid(chain[-1], now, ours=True)
    return chain


def _issuer_of(certificate: x509.Certificate, candidates: Iterable[x509.Certificate]) -> x509.Certificate | None:
    """The one of several certificates whose name and key a certificate was issued with."""
    for candidate in candidates:
        if candidate.subject != certificate.issuer:
            continue
        try:
            if signatures.is_signed_by(certificate, candidate):
                return candidate
        except BadData as error:
            raise BadData(f"the certificate {_words(certificate)} is {error.sentence}") from None
    return None


def _no_issuer(certificate: x509.Certificate, name_is_known: bool) -> str:
    if certificate.issuer == certificate.subject:
        return f"the signer {_words(certificate)} is self-signed, and not trusted here"
    issuer = dn.slash_form(certificate.issuer)
    if name_is_known:
        return f"the certificate {_words(certificate)} was not made with the key of its CA {issuer}"
    return f"the certificate {_words(certificate)} is of a CA that is not trusted here: {issuer}"


def _expect_signer(signer: x509.Certificate) -> None:
    names = {extension.oid.dotted_string for extension in signer.extensions}
    if names & {PROXY_CERT_INFO, DRAFT_PROXY_CERT_INFO}:
        raise BadData(f"it is signed with the proxy {_words(signer)}; subscribers take no proxies")
    try:
        usage = signer.extensions.get_extension_for_class(KeyUsage).value
    except ExtensionNotFound:
        return
    if not (usage.digital_signature or usage.content_commitment):
        raise BadData(f"the certificate {_words(signer)} is not for signing (key usage)")


def _expect_valid(certificate: x509.Certificate, now: datetime, *, ours: bool) -> None:
    who = f"the {'trusted CA' if ours else 'certificate'} {_words(certificate)}"
    sentence = ""
    if now > certificate.not_valid_after_utc:
        sentence = f"{who} expired {duration((now - certificate.not_valid_after_utc).total_seconds())} ago"
    elif now < certificate.not_valid_before_utc:
        sentence = f"{who} is not valid before {certificate.not_valid_before_utc:%Y-%m-%d %H:%M} UTC"
    if sentence and ours:
        raise Misconfigured(sentence, remedy="update the trust anchors of this machine")
    if sentence:
        raise BadData(sentence)


def _expect_known_extensions(certificate: x509.Certificate) -> None:
    for extension in certificate.extensions:
        if extension.critical and extension.oid.dotted_string not in _UNDERSTOOD:
            raise BadData(
                f"the certificate {_words(certificate)} has a critical extension that is not understood: "
                f"{extension.oid.dotted_string}"
            )


def _expect_issuer(issuer: x509.Certificate, *, below: int, ours: bool) -> None:
    """below: how many CA certificates stand between the issuer and the signer."""
    try:
        constraints = issuer.extensions.get_extension_for_class(BasicConstraints).value
    except ExtensionNotFound:
        if ours and issuer.version == Version.v1:
            return  # roots older than version 3 have no extensions
        raise BadData(f"the certificate {_words(issuer)} is not a CA's") from None
    if not constraints.ca:
        raise BadData(f"the certificate {_words(issuer)} is not a CA's")
    if constraints.path_length is not None and below > constraints.path_length:
        raise BadData(f"the CA {_words(issuer)} may have {constraints.path_length} CAs below it, and has {below}")
    try:
        usage = issuer.extensions.get_extension_for_class(KeyUsage).value
    except ExtensionNotFound:
        return
    if not usage.key_cert_sign:
        raise BadData(f"the CA {_words(issuer)} may not issue certificates (key usage)")


def _expect_not_revoked(
    certificate: x509.Certificate, issuer: x509.Certificate, found: IssuerCrl | None, now: datetime
) -> None:
    try:
        revoked = found and revoked_on(certificate, issuer, found, now)
    except Misconfigured as failure:
        raise Misconfigured(f"{failure.sentence}, so the signer cannot be judged", remedy=failure.remedy) from None
    if revoked:
        raise BadData(f"the certificate {_words(certificate)} was revoked on {revoked:%Y-%m-%d}")


def revoked_on(
    certificate: x509.Certificate, issuer: x509.Certificate, found: IssuerCrl, now: datetime
) -> datetime | None:
    """Return when a certificate was revoked, None if it was not. Raises: Misconfigured for a CRL that is no good."""
    listed, path = found
    try:
        is_of_issuer = signatures.is_signed_by(listed, issuer)
    except BadData as error:
        raise Misconfigured(
            f"the CRL {path} is {error.sentence}", remedy="ask its CA for one that is signed with SHA-256"
        ) from None
    if not is_of_issuer:
        raise Misconfigured(f"the CRL {path} is not signed by {_words(issuer)}", remedy=crl.FETCH_CRL_REMEDY)
    fault = crl.crl_problem(path, listed.last_update_utc, listed.next_update_utc, now)
    if fault:
        raise Misconfigured(fault, remedy=crl.FETCH_CRL_REMEDY)
    entry = listed.get_revoked_certificate_by_serial_number(certificate.serial_number)
    if entry is None:
        return None
    for value in (extension.value for extension in listed.extensions):
        if isinstance(value, DeltaCRLIndicator) or (isinstance(value, IssuingDistributionPoint) and value.indirect_crl):
            return None  # its serial numbers may be other CAs', or have been released again
    return entry.revocation_date_utc


def _words(certificate: x509.Certificate) -> str:
    return dn.slash_form(certificate.subject)
