"""The credentials of the monitor: certificates and proxies as grid tools find them, and tokens from files.

A fault of our own credential is OwnCredential (UNKNOWN): it says what to do and blames no site.
Order of search, as grid tools have it: --cert, $X509_USER_PROXY, /tmp/x509up_u<uid>,
$X509_USER_CERT with $X509_USER_KEY, ~/.globus/usercert.pem with userkey.pem.
"""

from __future__ import annotations

import os
import stat

from libprobe import redact
from libprobe.failures import BadData, OwnCredential
from libprobe.records import Record
from libprobe.text import duration

TYPE_CHECKING = False
if TYPE_CHECKING:
    from datetime import datetime

    from libprobe.failures import Failure, Rejected
    from libprobe.formats import x509

MAX_FILE = 1 << 20
RENEW = "run voms-proxy-init --rfc --voms {vo}"
DOUBTFUL_PROXIES = {
    "legacy": "is a legacy (GT2) proxy, which servers on today's OpenSSL refuse",
    "draft": "is a draft (GT3) proxy, which servers on today's OpenSSL refuse",
    "limited": "is a limited proxy, which many services refuse",
    "independent": "is an independent proxy, which has none of its owner's rights",
}
RENEW_TOKEN = "write a new one there"
CLOCK_TOLERANCE_S = 60.0
"""By how much our clock may differ from that of who gave an access token: within it, its audience is asked."""


class Credential:
    """A certificate or proxy with its private key.

    cert_path: file of the certificates, the first of which is the key's.
    key_path:  file of the key, None where it is in `cert_path`.
    facts:     what the file says of itself.
    """

    def __init__(self, cert_path: str, key_path: str | None, facts: x509.CredentialFacts) -> None:
        self.cert_path = cert_path
        self.key_path = key_path
        self.facts = facts

    @property
    def identity(self) -> str:
        """DN of the person or robot, in slash form, without the names that proxies append."""
        return self.facts.identity

    @property
    def bits(self) -> int | None:
        """Size of the private key, None where that is no measure of its strength."""
        return self.facts.key_bits

    @property
    def vos(self) -> list[str]:
        """Virtual organisations of its VOMS attribute certificates, the primary first."""
        return [each.vo for each in self.facts.attribute_certificates]

    def describe(self) -> str:
        kind = f"{self.facts.proxy} proxy" if self.facts.proxy else "certificate"
        members = f", VO {', '.join(self.vos)}" if self.vos else ""
        return f"{kind} {self.cert_path} of {self.identity}{members}"

    def expect_valid(self, *, now: datetime, seconds: float, vo: str | None = None) -> str:
        """Make sure that it is valid for the whole run and, if one is asked for, of the right VO.

        Of several attribute certificates the wanted VO's counts, and without a wish any: one of another VO may have
        ended. A plain certificate has none; whether its owner's VO is known there is for the server to say.
        Returns the VO to act for: the wanted one, else the first whose attributes are valid, empty without any.
        Raises: OwnCredential.
        """
        renew = self._renew(vo)
        facts = self.facts
        if facts.not_before > now:
            what = "proxy" if facts.proxy else "certificate"
            raise self._fault(
                f"{what} not valid before {_instant(facts.not_before)}", remedy="set this machine's clock"
            )
        self._expect_lasting("proxy" if facts.proxy else "certificate", facts.not_after, now, seconds, renew)
        wanted = [each for each in facts.attribute_certificates if vo in (None, "", each.vo)]
        if vo and facts.proxy and not facts.attribute_certificates:
            raise self._fault("proxy has no VOMS attributes", also=f"those of {vo} are wanted", remedy=renew)
        if not wanted:
            if vo and self.vos:
                raise self._fault(f"no VOMS attributes of {vo}", also=f"it has {', '.join(self.vos)}", remedy=renew)
            return vo or ""
        for each in wanted:
            if each.not_before <= now and (each.not_after - now).total_seconds() >= seconds:
                return each.vo
        best = max(wanted, key=lambda each: each.not_after)
        self._expect_lasting("VOMS attributes", best.not_after, now, seconds, renew)
        raise self._fault(
            f"VOMS attributes not valid before {_instant(best.not_before)}",
            remedy="set the clock of this machine, or of the VOMS server",
        )

    def _expect_lasting(self, what: str, end: datetime, now: datetime, seconds: float, renew: str) -> None:
        left = (end - now).total_seconds()
        if left <= 0:
            raise self._fault(f"{what} expired {duration(-left)} ago", remedy=renew)
        if left < seconds:
            ends = "end" if what.endswith("s") else "ends"
            raise self._fault(
                f"{what} {ends} in {duration(left)}", also=f"this run may take {duration(seconds)}", remedy=renew
            )

    def _fault(self, reason: str, *, also: str = "", remedy: str = "") -> OwnCredential:
        return OwnCredential(reason, place=self.cert_path, link="in", also=also, remedy=remedy)

    def blame_if_weak(self, refusal: Rejected, vo: str = "", *, by_voms: bool = True) -> Failure:
        """Return a refusal as OwnCredential where our credential is the likely reason, else as it was.

        by_voms: whether VOMS attributes may be what is asked for; in a TLS handshake nobody looks at them.
        """
        why = self._weakness(by_voms=by_voms)
        if not why:
            return refusal
        own = refusal.retold(OwnCredential, remedy=self._renew(vo))
        own.add(f"probably because our {self.cert_path} {why}")
        return own

    def _weakness(self, *, by_voms: bool) -> str:
        """Return what servers may rightly refuse in it, as the end of a sentence about it; empty for nothing."""
        facts = self.facts
        if facts.proxy in DOUBTFUL_PROXIES:
            return DOUBTFUL_PROXIES[facts.proxy]
        if not facts.is_complete:
            return "lacks the certificate that the proxy was made from"
        if by_voms and not self.vos:
            return "has no VOMS attributes" if facts.proxy else "is no proxy with VOMS attributes"
        return ""

    def _renew(self, vo: str | None) -> str:
        return RENEW.format(vo=vo or (self.vos[0] if self.vos else "ops"))


class SendRefusal(Record):
    """Why a secret is not sent to a host. why: the end of a sentence. remedy: what the operator can do."""

    why: str
    remedy: str


class Audience(Record):
    """To whom a secret may be sent: to those that the operator named, and over TLS.

    What the GOCDB or a BDII names is not enough: a site writes there what it likes.
    hosts:    as `host_name` has them. is_clear_allowed: whether it may also go where nothing encrypts it.
    named_by_option: the option that names one more host. allowed_by_option: the one that allows to send it in clear.
    secured:  how to reach such a service over TLS, for the remedy.
    """

    hosts: frozenset[str]
    is_clear_allowed: bool
    named_by_option: str
    allowed_by_option: str
    secured: str

    def refusal_for(self, host: str, *, is_encrypted: bool) -> SendRefusal | None:
        """Why a secret is not sent to a host; None if it may be."""
        if host_name(host) not in self.hosts:
            return SendRefusal(
                f"{host} was not named by an option", f"if it is meant, allow it with {self.named_by_option} {host}"
            )
        if not is_encrypted and not self.is_clear_allowed:
            return SendRefusal(
                "nothing would encrypt it", f"{self.secured}; {self.allowed_by_option} sends it all the same"
            )
        return None


def _instant(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M} UTC"


def host_name(text: str) -> str:
    """A host's name or address as it is compared: in lower case, IPv6 without brackets."""
    return text.lower().removeprefix("[").removesuffix("]").removesuffix(".")


def find_certificate(cert: str | None = None, key: str | None = None) -> Credential | None:
    """Return the credential that grid tools would use; None when there is none anywhere.

    cert, key: as the options or the settings name them; then nothing else is looked at.
    Raises: OwnCredential for one that is named or found and cannot be used.
    """
    if cert:
        return _read_credential(cert, key)
    named = os.environ.get("X509_USER_PROXY")
    if named:
        return _read_credential(named, None)
    default = f"/tmp/x509up_u{os.getuid()}"
    if os.path.lexists(default):
        return _read_credential(default, None)
    named, named_key = os.environ.get("X509_USER_CERT"), os.environ.get("X509_USER_KEY")
    if named and named_key:
        return _read_credential(named, named_key)
    home = os.path.expanduser("~/.globus")
    pair = (os.path.join(home, "usercert.pem"), os.path.join(home, "userkey.pem"))
    if all(os.path.lexists(path) for path in pair):
        return _read_credential(*pair)
    return None


def read_token(path: str, what: str = "access token") -> str:
    """Return the access token in a file, or another secret of one word, registered as a secret.

    Raises: OwnCredential for a file that is absent, readable by others, or holds something else; it is not quoted.
    """
    data = read_private(path, what)
    token = data.decode("ascii", "replace").strip()
    if what == "access token":
        from libprobe.formats.access_token import describe_other_content

        instead = describe_other_content(data)
        if instead:
            raise OwnCredential(
                f"{instead} instead of an access token", place=path, link="in", remedy="write the token alone there"
            )
    elif not token or not token.isascii() or not token.isprintable() or " " in token or "\ufffd" in token:
        raise OwnCredential(f"no {what} (one line of printable characters)", place=path, link="in")
    return redact.register(token)


def read_access_token(path: str, *, now: datetime) -> str:
    """The same for an access token that is to be valid now. Raises: OwnCredential."""
    token = read_token(path)
    fault = token_problem(token, now)
    if fault:
        raise OwnCredential(fault, place=path, link="in", remedy=RENEW_TOKEN)
    return token


def token_problem(
    token: str, now: datetime, *, tolerance: float = CLOCK_TOLERANCE_S, what: str = "access token"
) -> str:
    """Why a token cannot be valid, by what it says of itself; empty where it can be, or is opaque.

    what: which kind of token it is, for the sentence.
    """
    from libprobe.formats.access_token import read_claims

    claims = read_claims(token)
    if claims is None:
        return ""
    which = " ".join((f"our {what}", claims.describe())).strip()
    if claims.expires and (now - claims.expires).total_seconds() > tolerance:
        ago = duration((now - claims.expires).total_seconds())
        return f"{which} expired {ago} ago ({_instant(claims.expires)})"
    if claims.not_before and (claims.not_before - now).total_seconds() > tolerance:
        return f"{which} is not valid before {_instant(claims.not_before)}"
    return ""


def _read_credential(cert: str, key: str | None) -> Credential:
    from libprobe.formats import x509

    if key:
        private = read_private(key, "private key")
        data = _read_owned(cert, "certificate", private=False) + b"\n" + private
    else:
        data = read_private(cert, "proxy or certificate")
    try:
        facts = x509.read_credential(data)
    except BadData as error:
        raise OwnCredential(error.sentence, place=cert, link="in", remedy=RENEW.format(vo="ops")) from None
    if not facts.has_key:
        raise OwnCredential("no private key", place=cert, link="in", remedy="name its file with --key")
    if facts.key_encrypted:
        raise OwnCredential(
            "encrypted private key",
            place=key or cert,
            link="in",
            also="a probe cannot ask for its passphrase",
            remedy=RENEW.format(vo="ops"),
        )
    return Credential(cert, key, facts)


def read_private(path: str, what: str) -> bytes:
    """Return the content of a file that must be ours and closed to everybody else.

    what: what it holds, for the sentence. Raises: OwnCredential.
    """
    return _read_owned(path, what, private=True)


def _read_owned(path: str, what: str, *, private: bool) -> bytes:
    """Read a file of ours; a private one must be closed to everybody else, as grid tools insist."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except OSError as error:
        redact.register_if_secret(
            path, is_path=True
        )  # of a settings file or the environment, it may be the token itself
        raise OwnCredential(f"{what} {path} cannot be read: {error.strerror}") from None
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise OwnCredential(f"{what} {path} is not a regular file")
    with open(descriptor, "rb") as file:
        status = os.fstat(descriptor)
        if status.st_uid not in (os.geteuid(), 0):
            raise OwnCredential(f"{what} {path} belongs to another user (uid {status.st_uid})")
        if private and status.st_mode & 0o077:
            mode = stat.S_IMODE(status.st_mode)
            raise OwnCredential(f"{what} {path} is open to others (mode {mode:04o})", remedy=f"chmod 600 {path}")
        try:
            data = file.read(MAX_FILE + 1)
        except OSError as error:
            raise OwnCredential(f"{what} {path} cannot be read: {error.strerror}") from None
    if len(data) > MAX_FILE:
        raise OwnCredential(f"{what} {path} is larger than {MAX_FILE} bytes")
    return data
