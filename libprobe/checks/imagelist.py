"""Whether a published image list is fresh, whole and signed by whom it names.

The list is what is tested: what is wrong with it, or with its server, is CRITICAL. Our CA directory, its
CRLs and our access token are our own.
"""

from __future__ import annotations

from datetime import UTC, datetime

from nagiosplugin import Metric

from libprobe.checks.base import Check, outcome_metric
from libprobe.clients.appdb import DEFAULT_URL
from libprobe.clients.credentials import Audience, host_name
from libprobe.failures import CRITICAL, WARNING, Asked, BadData
from libprobe.formats import imagelist, smime
from libprobe.formats.address import without_query
from libprobe.records import Record
from libprobe.text import duration, number_of, similar

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Iterator
    from typing import Protocol

    from cryptography.x509 import Certificate

    from libprobe.clients.appdb import FetchedDocument
    from libprobe.clients.credentials import Audience
    from libprobe.deadline import Deadline
    from libprobe.formats.cms import Signature

    class DocumentSource(Protocol):
        url: str

        def fetch(self) -> FetchedDocument: ...


FUTURE_S = 300.0
"""How far ahead of our clock the publisher's may be."""


def audience(args: argparse.Namespace) -> Audience:
    """To whom the access token may go: hosts of options, of the settings, and AppDB's own."""
    from libprobe.targets import access

    own = args.settings.get("appdb", "url", DEFAULT_URL)
    hosts = access.named_hosts(args) | access.url_hosts(own) | {host_name(each) for each in args.token_to}
    return Audience(hosts, args.plain_token, "--token-to", "--plain-token", "give an https URL")


class SignatureRules:
    """What is asked of a list's signature.

    signature:      `require`; `if-present`, which takes unsigned lists too; `ignore`, which verifies nothing.
    match_endorser: whether signer and CA have to be those that the list names.
    ca_path:        directory or bundle, None for the system's.
    """

    def __init__(
        self, signature: str = "require", *, match_endorser: bool = True, allow_sha1: bool = False, ca_path: str | None
    ) -> None:
        self.signature = signature
        self.match_endorser = match_endorser
        self.allow_sha1 = allow_sha1
        self.ca_path = ca_path


def make_signature_rules(args: argparse.Namespace) -> SignatureRules:
    """What the options of `cli.signature` ask for. Raises: Misconfigured for a CA path that does not exist."""
    from libprobe.targets import access

    return SignatureRules(
        args.signature,
        match_endorser=not args.ignore_endorser,
        allow_sha1=args.allow_sha1,
        ca_path=access.ca_path(args),
    )


class VerifiedSignature(Record):
    """A signature that was verified, and the certificates from its signer's to the one that is trusted."""

    signature: Signature
    chain: tuple[Certificate, ...]


def verify_envelope(
    envelope: smime.Envelope, rules: SignatureRules, now: datetime
) -> tuple[bytes, VerifiedSignature | None]:
    """The document in an envelope, and its proof; None where none was looked at. Raises: BadData; Misconfigured."""
    if envelope.kind == "unsigned":
        # what is no list at all is better said by whoever reads it
        is_list = envelope.content.lstrip()[:1] == b"{" and not imagelist.appdb_error(envelope.content)
        if rules.signature == "require" and is_list:
            raise BadData("the list is not signed", remedy="take it as it is with --signature if-present")
        return envelope.content, None
    if rules.signature == "ignore" and envelope.kind == "clear-signed":
        return envelope.content, None
    from libprobe.formats import cms

    if rules.signature == "ignore":
        return cms.content(envelope.signature), None
    signature = cms.verify(envelope.signature, _renderings(envelope), allow_sha1=rules.allow_sha1)
    return signature.content, VerifiedSignature(signature, _verify_chain(signature, rules, now))


def signer_problem(found: imagelist.ImageList, proof: VerifiedSignature | None, rules: SignatureRules) -> str:
    """That a list is not signed by whom it names; empty where it is, or need not be."""
    if proof is None or not rules.match_endorser:
        return ""
    from libprobe.formats import dn

    signer = proof.signature.signer
    for field, named, actual, what in (
        ("hv:dn", found.endorser, dn.slash_form(signer.subject), "signed by"),
        ("hv:ca", found.endorser_ca, dn.slash_form(signer.issuer), "by a certificate of"),
    ):
        if not imagelist.same_name(named, actual):
            said = f"{field} is {named}" if named else f"{field} is empty"
            return f"{said}, but the list is {what} {actual}"
    return ""


def _renderings(envelope: smime.Envelope) -> Iterator[bytes] | None:
    """As it came; and with the line ends that were signed, which some transports change."""
    if envelope.kind == "opaque":
        return None

    def each() -> Iterator[bytes]:
        yield envelope.content
        yield smime.canonical(envelope.content)
        # the line end before the boundary, which belongs to it, is signed by some senders
        yield smime.canonical(envelope.content + b"\n")

    return each()


def _verify_chain(signature: Signature, rules: SignatureRules, now: datetime) -> tuple[Certificate, ...]:
    from libprobe.clients.anchors import TrustAnchors
    from libprobe.formats import chains

    anchors = TrustAnchors(rules.ca_path)
    return tuple(
        chains.verify(
            signature.signer,
            signature.certificates,
            anchors.find_trusted,
            anchors.find_crl,
            now,
            allow_sha1=rules.allow_sha1,
        )
    )


class PublishedList(Check):
    """Fetches an image list and judges it.

    image: ad:mpuri of an image that has to be in it, empty for none. now: the instant to judge at, aware.
    Yields: age (s), time_left (s), images, size (B), and judgements.
    """

    def __init__(
        self,
        source: DocumentSource,
        rules: SignatureRules,
        deadline: Deadline,
        *,
        image: str = "",
        notes: list[str] | None = None,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        super().__init__(deadline)
        self.subject = without_query(source.url)
        self._source = source
        self._rules = rules
        self._image = image
        self._now = now
        joined = f" [{'; '.join(notes)}]" if notes else ""
        self.caveats = tuple(notes or ())
        self.facts.update(list=f"list from {self.place}", notes=joined, signed="signature not looked at")

    def measure(self) -> Iterator[Metric]:
        fetched = self._source.fetch()
        now, size, skew = self._now(), len(fetched.body), fetched.clock_skew
        self.detail(1, f"list: {self.subject}")
        yield Metric("size", size, "B", min=0)
        try:
            envelope = smime.open_envelope(fetched.body, fetched.media_type)
            content, proof = verify_envelope(envelope, self._rules, now)
            self._describe_signature(proof, is_signed=envelope.kind != "unsigned")
            del fetched, envelope  # memory is short: the document is decoded next
            found = imagelist.read_image_list(smime.without_text_header(content))
            del content
        except BadData as error:
            error.placed(Asked(self.place, f"GET {self.subject}"), ", from" if error.link == "on" else error.link)
            raise
        self._describe(found)
        yield Metric("images", len(found.images), min=0)
        yield Metric("time_left", (found.expires - now).total_seconds(), "s")
        yield from self._judge_dates(found, now, skew)
        yield from self._judge_signer(found, proof)
        yield from self._judge_images(found, now)
        if found.missing_fields:
            said = f"the list lacks {', '.join(found.missing_fields)}, so vmcatcher refuses it"
            yield outcome_metric(WARNING, f"{said}, from {self.place}")

    # ---- the signature

    def _describe_signature(self, proof: VerifiedSignature | None, *, is_signed: bool) -> None:
        if not is_signed:
            self.facts["signed"] = "unsigned"
        if proof is None:
            return
        from libprobe.formats import dn

        signature = proof.signature
        signer = dn.slash_form(signature.signer.subject)
        self.facts["signed"] = "signature good"
        signed_at = f" at {signature.signing_time:%Y-%m-%d %H:%M:%S} UTC" if signature.signing_time else ""
        self.detail(1, f"signed by {signer}{signed_at}, {signature.digest.upper()}")
        self.detail(1, f"signer's certificate valid until {signature.signer.not_valid_after_utc:%Y-%m-%d %H:%M} UTC")
        self.detail(2, "chain: " + ", ".join(dn.slash_form(each.subject) for each in proof.chain))

    def _judge_signer(self, found: imagelist.ImageList, proof: VerifiedSignature | None) -> Iterator[Metric]:
        fault = signer_problem(found, proof, self._rules)
        if fault:
            yield outcome_metric(
                CRITICAL, f"{fault}, from {self.place} (if that is meant, accept it with --ignore-endorser)"
            )

    # ---- dates and images

    def _judge_dates(self, found: imagelist.ImageList, now: datetime, skew: float | None) -> Iterator[Metric]:
        age = (now - found.created).total_seconds()
        if age < -FUTURE_S:
            clock = f"; its server's clock is {duration(skew)} ahead of ours" if skew and skew > 60 else ""
            yield outcome_metric(
                CRITICAL,
                f"list created {duration(-age)} in the future ({found.created:%Y-%m-%d %H:%M:%S} UTC), from "
                f"{self.place}{clock}",
            )
        else:
            self.facts["age"] = duration(max(0.0, age))
            yield Metric("age", max(0.0, age), "s", min=0)
        if now >= found.expires:
            past = duration((now - found.expires).total_seconds())
            yield outcome_metric(
                CRITICAL, f"list expired {past} ago, so subscribers drop its images, from {self.place}"
            )

    def _judge_images(self, found: imagelist.ImageList, now: datetime) -> Iterator[Metric]:
        self.facts["images"] = number_of(len(found.images), "image")
        if not found.images:
            yield outcome_metric(WARNING, f"no image in the list from {self.place}")
        if not self._image:
            return
        image = imagelist.find_image(found.images, self._image)
        if image is None:
            yield outcome_metric(CRITICAL, self._describe_missing(found))
        elif image.expires and now >= image.expires:
            past = duration((now - image.expires).total_seconds())
            yield outcome_metric(CRITICAL, f"image {image.mpuri} expired {past} ago in the list from {self.place}")

    def _describe_missing(self, found: imagelist.ImageList) -> str:
        offered = [image.mpuri for image in found.images if image.mpuri]
        base = imagelist.without_revision(self._image)
        near = [each for each in offered if imagelist.without_revision(each) == base]
        near = near or similar(self._image, offered)
        nearest = f"; the nearest is {near[0]}" if near else ""
        if len(found.images) == 1:
            only = f"; its only image is {offered[0]}" if offered else ""
            return f"{self._image} is not in the list from {self.place}{only}"
        among = number_of(len(found.images), "image")
        return f"{self._image} is not among the {among} of the list from {self.place}{nearest}"

    def _describe(self, found: imagelist.ImageList) -> None:
        self.detail(1, f"title: {found.title or 'none'}; version {found.version or 'unknown'}; VO {found.vo or 'none'}")
        self.detail(1, f"created {found.created:%Y-%m-%d %H:%M:%S}, expires {found.expires:%Y-%m-%d %H:%M:%S} UTC")
        if not found.has_zone:
            self.detail(1, "dc:date:created names no zone; read as UTC")
        if not found.is_wrapped:
            self.detail(1, "the list has the deprecated form, without hv:imagelist")
        if found.uri and found.uri.rstrip("/") != self.subject.rstrip("/"):
            self.detail(1, f"hv:uri is another address: {found.uri}")
        dropped = sum(1 for image in found.images if image.missing_fields)
        if dropped:
            self.detail(1, f"{number_of(dropped, 'image')} without a required field; hepixvmitrust drops such silently")
        for image in found.images:
            self.detail(2, f"image: {image.mpuri or image.identifier} {image.version} {image.title}")
