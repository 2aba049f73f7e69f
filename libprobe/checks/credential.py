"""How long the monitor's own credentials are good for, and whether they are what its probes need.

When one of them ends, every site turns UNKNOWN at once; this is what says so before. Here our own credential is what is
judged: whatever makes it unusable is CRITICAL.
"""

from __future__ import annotations

import os
import time
from datetime import UTC, datetime
from urllib.parse import urlsplit

from nagiosplugin import Metric

from libprobe import host_resources
from libprobe.checks.base import Check, outcome_metric
from libprobe.clients import credentials
from libprobe.deadline import OVERLOADED
from libprobe.failures import (
    CRITICAL,
    OK,
    UNKNOWN,
    WARNING,
    BadData,
    CertificateWanted,
    Failure,
    HelperFailure,
    Misconfigured,
    OwnCredential,
    OwnMachine,
)
from libprobe.files import read_small_file
from libprobe.formats import access_token
from libprobe.formats.excerpt import excerpt
from libprobe.text import duration, number_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator

    from libprobe.clients.http import HttpClient
    from libprobe.deadline import Deadline
    from libprobe.formats import x509

DISCOVERY = "/.well-known/openid-configuration"
MAX_DISCOVERY = 256 << 10

MAX_SKEW_S = 60.0
"""By how much our clock may differ from an issuer's: from there on, fresh tokens are refused as not valid yet."""

MAX_CRLS = 5_000

ACCREDITED = "update the trust anchors, or ask whether it is still accredited"


class OwnCertificate(Check):
    """A certificate or proxy, as the other probes would find and present it.

    vo, fqan: whose VOMS attributes it has to have, and which of them; empty for none.
    ca_path:  where our trust anchors and CRLs are, None for the system's; it is `directory` afterwards.
    Yields: proxy_lifetime, attributes_lifetime, certificate_lifetime (s), as far as there are such; a judgement for
    each thing that makes it unusable; crl_age (s), where there are CRLs.
    """

    def __init__(self, args: argparse.Namespace, deadline: Deadline, ca_path: str | None) -> None:
        super().__init__(deadline)
        self.subject = "certificate"
        self._args = args
        self._ca_path = self.directory = ca_path
        self.facts["crls"] = ""
        self._now = datetime.now(UTC)

    def measure(self) -> Iterator[Metric]:
        from libprobe.targets import access

        try:
            found = access.find_certificate(self._args)
        except OwnCredential as failure:
            yield self.failed(failure, status=CRITICAL)
            return
        if found is None:
            yield self.failed(access.no_certificate(), status=CRITICAL)
            return
        self.subject = found.cert_path
        yield from self._judge(found, found.facts)
        yield from self._judge_links(found)
        yield from self._judge_anchors(found)

    def _judge(self, found: credentials.Credential, facts: x509.CredentialFacts) -> Iterator[Metric]:
        owner = _end_entity(facts)
        for each in facts.certificates:
            self.detail(
                1, f"{each.proxy or 'end entity'}: {each.subject}, valid until {_shown_instant(each.not_after)}"
            )
        if found.bits:
            self.detail(1, f"private key of {found.bits} bits")
        if why := credentials.DOUBTFUL_PROXIES.get(facts.proxy or ""):
            yield outcome_metric(WARNING, f"{self.subject} {why}")
        if facts.not_before > self._now:
            yield outcome_metric(CRITICAL, f"not valid before {_shown_instant(facts.not_before)}: {self.subject}")
        words = [f"{facts.proxy} proxy" if facts.proxy else "certificate", f"of {found.identity}"]
        if facts.proxy:
            left = self._seconds_until(min(each.not_after for each in facts.certificates if each.proxy))
            words.append(f"valid for {duration(left)}")
            yield Metric("proxy_lifetime", left, "s", min=None)
        if owner:
            left = self._seconds_until(owner.not_after)
            words.append(f"certificate valid for {duration(left)}" if facts.proxy else f"valid for {duration(left)}")
            yield Metric("certificate_lifetime", left, "s", min=None)
        else:
            yield outcome_metric(WARNING, f"no end entity certificate, which Keystone needs, in {self.subject}")
        yield from self._judge_attributes(facts, words)
        self.facts["certificate"] = f"{self.subject}: {' '.join(words[:2])}, {', '.join(words[2:])}"

    def _judge_links(self, found: credentials.Credential) -> Iterator[Metric]:
        """Whether each proxy was made with the key of the certificate behind it: by names alone, they seem to fit."""
        from cryptography.x509 import load_pem_x509_certificates

        from libprobe.clients.anchors import silence_warnings
        from libprobe.formats import dn, signatures

        try:
            pem = read_small_file(found.cert_path, "certificate", credentials.MAX_FILE)
            with silence_warnings():
                held = load_pem_x509_certificates(pem)
                for each in held[: sum(1 for certificate in found.facts.certificates if certificate.proxy)]:
                    makers = [other for other in held if other.subject == each.issuer]
                    if makers and not any(signatures.is_signed_by(each, maker) for maker in makers):
                        yield outcome_metric(
                            CRITICAL,
                            f"proxy not made with the key of the certificate beside it in {self.subject} "
                            "(make a new one)",
                        )
                        self.detail(
                            1, f"proxy: {dn.slash_form(each.subject)}; certificate: {dn.slash_form(each.issuer)}"
                        )
        except ImportError:
            raise  # a library is missing
        except Exception as error:  # the library raises on access what it did not look at before
            host_resources.raise_if_short(error)
            yield outcome_metric(UNKNOWN, f"signatures cannot be judged in {self.subject}: {error}")

    def _judge_attributes(self, facts: x509.CredentialFacts, words: list[str]) -> Iterator[Metric]:
        vo, fqan = self._args.vo or "", self._args.fqan or ""
        for each in facts.attribute_certificates:
            said = f"VO {each.vo} of {each.issuer}, valid until {_shown_instant(each.not_after)}"
            self.detail(1, f"attributes: {said}: {', '.join(each.plain_fqans[:20])}")
        wanted = [each for each in facts.attribute_certificates if vo in ("", each.vo)]
        if vo and not wanted:
            others = ", ".join(each.vo for each in facts.attribute_certificates)
            has = f"no VOMS attributes of {vo}, only of {others}," if others else "no VOMS attributes"
            yield outcome_metric(CRITICAL, f"{has} in {self.subject} ({credentials.RENEW.format(vo=vo)})")
        if fqan and not any(fqan in each.plain_fqans for each in wanted):
            yield outcome_metric(CRITICAL, f"no VOMS attribute {fqan} in {self.subject}")
        late = next((each for each in wanted if each.not_before > self._now), None)
        if late:
            yield outcome_metric(
                CRITICAL,
                f"VOMS attributes of {late.vo} not valid before {_shown_instant(late.not_before)} in {self.subject} "
                "(set the clock of this machine, or of the VOMS server)",
            )
        if wanted:
            soonest = min(wanted, key=lambda each: each.not_after)
            left = self._seconds_until(soonest.not_after)
            self.facts["vo"] = soonest.vo
            words.append(f"attributes of {soonest.vo} for {duration(left)}")
            yield Metric("attributes_lifetime", left, "s", min=None)

    def _judge_anchors(self, found: credentials.Credential) -> Iterator[Metric]:
        """Whether our own CA directory knows its issuer, and not that it was revoked; the state of the CRLs there."""
        from libprobe.clients.anchors import TrustAnchors

        directory = self._ca_path
        if directory and not os.path.exists(directory):
            yield outcome_metric(UNKNOWN, f"no trust anchors in {directory} (name them with --ca-path)")
            return
        if not directory:
            return
        if not os.path.isdir(directory):  # a bundle for servers may lack our own CA; all probes need to read it
            try:
                TrustAnchors(directory)
            except Misconfigured as failure:
                yield outcome_metric(UNKNOWN, str(failure))
            return
        newest, expired, count = self._survey_crls(directory)
        if expired:
            self.detail(1, f"expired CRLs in {directory}: {', '.join(expired[:20])}")
        if count:
            self.facts["crls"] = f", {number_of(count, 'CRL')}, {len(expired)} of them expired"
            yield Metric("crl_age", max(0.0, time.time() - newest), "s", min=0)
        yield from self._judge_issuer(found, directory)

    def _judge_issuer(self, found: credentials.Credential, directory: str) -> Iterator[Metric]:
        from libprobe.clients.anchors import TrustAnchors
        from libprobe.clients.revocation import CertificateRevoked, expect_not_revoked
        from libprobe.formats import x509

        try:
            pem = read_small_file(found.cert_path, "certificate", credentials.MAX_FILE)
            owner = x509.end_entity_of_pem(pem)
            if owner is None:
                return
            TrustAnchors(directory)
            chain = [owner]
            for fault in self._collect_issuers(chain, directory):
                yield outcome_metric(WARNING, f"{fault}; it issued {self.subject} ({ACCREDITED})")
            expect_not_revoked(chain, directory)
        except CertificateRevoked as revoked:
            yield outcome_metric(CRITICAL, f"{revoked} in {self.subject} (request a new one)")
        except BadData as error:
            yield outcome_metric(
                UNKNOWN, f"issuer of {self.subject} cannot be looked up in {directory}: {error.sentence}"
            )
        except Failure as failure:
            yield outcome_metric(failure.status, str(failure))
        except ImportError:
            raise  # a library is missing
        except Exception as error:  # the library raises on access what it did not look at before
            host_resources.raise_if_short(error)
            said = f"issuer of {self.subject} cannot be looked up in {directory}"
            yield outcome_metric(UNKNOWN, f"{said}: {type(error).__name__}: {error}")

    def _collect_issuers(self, chain: list[bytes], directory: str) -> Iterator[str]:
        """Add the CAs above a certificate to a chain, as our directory has them; yields what is wrong with them."""
        from cryptography.x509 import load_der_x509_certificate

        from libprobe.clients.anchors import silence_warnings
        from libprobe.clients.chain import MAX_DEPTH, make_trust_lookup
        from libprobe.formats import dn, signatures, x509

        known = make_trust_lookup(directory)
        with silence_warnings():
            while len(chain) < MAX_DEPTH and not (link := x509.read_chain_link(chain[-1])).is_self_issued:
                below = load_der_x509_certificate(chain[-1])
                name = dn.slash_form(below.issuer)
                named = [(each, load_der_x509_certificate(each)) for each in known(link.issuer)]
                made_it = [pair for pair in named if signatures.is_signed_by(below, pair[1])]
                if not made_it:
                    yield f"CA {name} {'has another key' if named else 'is missing'} in {directory}"
                    return
                encoded, issuer = max(made_it, key=lambda pair: pair[1].not_valid_after_utc)
                if issuer.not_valid_after_utc < self._now:
                    yield (
                        f"CA {name} expired {duration(-self._seconds_until(issuer.not_valid_after_utc))} ago in "
                        f"{directory}"
                    )
                elif issuer.not_valid_before_utc > self._now:
                    yield f"CA {name} is not valid before {_shown_instant(issuer.not_valid_before_utc)} in {directory}"
                chain.append(encoded)

    def _survey_crls(self, directory: str) -> tuple[float, list[str], int]:
        """When the newest CRL was made (seconds since the epoch), the names of expired ones, and how many there are."""
        from libprobe.formats import crl

        newest, count = 0.0, 0
        expired: list[str] = []
        moment = time.strftime("%Y%m%d%H%M%SZ", time.gmtime())
        try:
            files = sorted(name for name in os.listdir(directory) if name[-3:-1] == ".r" and name[-1].isdigit())
        except OSError as error:
            self.detail(1, f"{directory} cannot be read: {error.strerror}")
            return newest, expired, count
        for name in files[:MAX_CRLS]:
            if self.deadline.has_passed():
                within = duration(self.deadline.seconds)
                raise OwnMachine(f"CRLs of {directory} not read within {within} by this machine", remedy=OVERLOADED)
            try:
                listed = crl.read_list(read_small_file(os.path.join(directory, name), "CRL", crl.MAX_CRL))
            except Failure as failure:
                self.detail(1, failure.sentence)
                continue
            try:
                made = datetime.strptime(listed.this_update, "%Y%m%d%H%M%SZ").replace(tzinfo=UTC)
            except ValueError:
                self.detail(1, f"CRL {name} cannot be read: made at {listed.this_update!r}, which is not a date")
                continue
            count += 1
            if listed.next_update and listed.next_update < moment:
                expired.append(name)
            if listed.this_update <= moment:
                newest = max(newest, made.timestamp())
        return newest, expired, count

    def _seconds_until(self, end: datetime) -> float:
        return (end - self._now).total_seconds()


class OwnToken(Check):
    """An access token, a refresh token or a mytoken, in its file.

    kind:   `access token`, or `refresh token`, which becomes `mytoken` where the file turns out to hold one; the metric
            is `token_lifetime` or `refresh_token_lifetime` (s).
    issuer: URL of who has to have given it, or gives the access tokens for a mytoken; empty for anybody.
    Yields: the metric, where the token says when it ends; a judgement for whatever makes it unusable.
    """

    def __init__(self, path: str, kind: str, deadline: Deadline, *, issuer: str = "") -> None:
        super().__init__(deadline)
        self.subject = path
        self.kind = kind
        self._issuer = issuer

    def measure(self) -> Iterator[Metric]:
        now = datetime.now(UTC)
        try:
            claims = access_token.read_claims(credentials.read_token(self.subject, self.kind))
        except OwnCredential as failure:
            yield self.failed(failure, status=CRITICAL)
            return
        fact = self.kind.replace(" ", "_")
        if claims is None:
            self.facts[fact] = f"{self.subject}: {self.kind}, opaque, only its issuer knows when it ends"
            yield outcome_metric(OK, "")
            return
        issuer = claims.issuer
        if claims.mytoken:
            self.kind, issuer = "mytoken", claims.mytoken.issuer
            yield from self._judge_use(claims.mytoken)
        words = " ".join((self.kind, claims.describe())).strip()
        if claims.not_before and (claims.not_before - now).total_seconds() > credentials.CLOCK_TOLERANCE_S:
            yield outcome_metric(
                CRITICAL, f"{words} not valid before {_shown_instant(claims.not_before)} in {self.subject}"
            )
        if self._issuer and issuer.rstrip("/") != self._issuer.rstrip("/"):
            of = "for access tokens of" if claims.mytoken else "of"
            yield outcome_metric(
                CRITICAL, f"{self.kind} {of} {issuer or 'no issuer'}, not of {self._issuer}, in {self.subject}"
            )
        if claims.kind == "ID":
            said = "ID token instead of an access token"
            yield outcome_metric(WARNING, f"{said} in {self.subject}; most services refuse it as a login")
        if claims.unreadable:
            yield outcome_metric(
                WARNING,
                f"{self.kind} has {' and '.join(claims.unreadable)} in a form that is not a date in {self.subject}; "
                "servers may refuse it or never let it end",
            )
            self.detail(1, f"{words}: RFC 7519 wants {' and '.join(claims.unreadable)} as a number of seconds")
        if claims.expires is None:
            self.facts[fact] = f"{self.subject}: {words}, does not say when it ends"
            yield outcome_metric(OK, "")
            return
        left = (claims.expires - now).total_seconds()
        self.detail(1, f"{words}: valid until {_shown_instant(claims.expires)}")
        self.facts[fact] = f"{self.subject}: {words}, valid for {duration(left)}"
        label = "token_lifetime" if fact == "access_token" else "refresh_token_lifetime"
        yield Metric(label, left, "s", min=None)

    def _judge_use(self, mytoken: access_token.Mytoken) -> Iterator[Metric]:
        """Whether access tokens can be had for it, in every run again."""
        if not mytoken.gives_access:
            said = "mytoken without capability AT, so that it gives no access token,"
            yield outcome_metric(CRITICAL, f"{said} in {self.subject} (make one that has it)")
        elif mytoken.changes:
            said = "mytoken that changes with each use, after which the file has the old one,"
            yield outcome_metric(CRITICAL, f"{said} in {self.subject} (make one without rotation)")


class AgentAccount(Check):
    """An account of oidc-agent, where the other probes get their access tokens.

    path:   of the agent's socket. issuer: URL of who has to give the tokens; empty for anybody.
    Yields: a judgement. How long a token is good for is not judged: the agent renews it when it is asked.
    """

    def __init__(self, account: str, path: str, deadline: Deadline, *, issuer: str = "") -> None:
        super().__init__(deadline)
        self.subject = f"oidc-agent account {account}"
        self._account = account
        self._path = path
        self._issuer = issuer

    def measure(self) -> Iterator[Metric]:
        from libprobe.clients import oidc_agent

        try:
            claims = access_token.read_claims(oidc_agent.request_token(self._account, self._path, self.deadline))
        except OwnMachine:
            raise  # it says nothing of the agent
        except Failure as failure:
            yield self.failed(failure, status=CRITICAL)
            return
        words = "access token, opaque" if claims is None else f"access token {claims.describe()}".strip()
        self.facts["agent"] = f"{self.subject} gives an {words}"
        if self._issuer and claims and claims.issuer.rstrip("/") != self._issuer.rstrip("/"):
            said = f"access token of {claims.issuer or 'no issuer'}, not of {self._issuer}, from {self.subject}"
            yield outcome_metric(CRITICAL, said)
        yield outcome_metric(OK, "")


class TokenIssuer(Check):
    """Asks an issuer of tokens for its own description: whether it answers, and how far its clock is from ours.

    Yields: clock_offset (s), how far its clock is ahead of ours.
    """

    def __init__(self, url: str, http: HttpClient, deadline: Deadline) -> None:
        super().__init__(deadline)
        self.subject = url
        self._http = http
        self.facts["clock"] = ""

    def measure(self) -> Iterator[Metric]:
        try:
            answer = self._http.request("GET", self.subject.rstrip("/") + DISCOVERY, max_bytes=MAX_DISCOVERY)
            if answer.status != 200:
                raise HelperFailure(f"{answer.status} {answer.reason}".strip(), of=answer, link="from")
            described = answer.json()
        except Failure as failure:
            # it is asked as everybody may, so --cert would not help
            remedy = "" if isinstance(failure, CertificateWanted) else None
            yield self.failed(failure.retold(HelperFailure, whom="issuer", remedy=remedy))
            return
        named = described.get("issuer") if isinstance(described, dict) else None
        if not isinstance(named, str) or named.rstrip("/") != self.subject.rstrip("/"):
            yield outcome_metric(UNKNOWN, f"issuer {self.subject} calls itself {excerpt(str(named), 80)}")
        offset = self._http.clock_skew
        if offset is not None:
            host = urlsplit(self.subject).hostname
            self.facts["clock"] = f"; the clock of {host} differs by {duration(abs(offset))}"
            yield Metric("clock_offset", offset, "s")


def _end_entity(facts: x509.CredentialFacts) -> x509.Certificate | None:
    """The certificate of the user or host behind all proxies; None if it is not in the file."""
    return next((each for each in facts.certificates if each.proxy is None), None) if facts.is_complete else None


def _shown_instant(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M} UTC"
