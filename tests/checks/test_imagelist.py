"""PublishedList on lists that are at hand. Signed, and over a connection: tests/probes/test_check_appdb_update.py."""

from __future__ import annotations

import base64
import json
from datetime import UTC, datetime

import pytest

from libprobe.checks.imagelist import PublishedList, SignatureRules
from libprobe.clients.appdb import FetchedDocument
from libprobe.deadline import Deadline
from libprobe.failures import CRITICAL, OK, WARNING
from libprobe.formats import dn, smime
from libprobe.judge.contexts import Freshness, Scalar
from libprobe.probe.cli import age_limit
from tests.checks.judging import judge
from tests.federation.authority import Authority
from tests.formats.signing import signed

NOW = datetime(2026, 11, 25, 12, tzinfo=UTC)
URL = "https://vmcaster.example.org/image.list"
HOST = "vmcaster.example.org:443"
IMAGE = "https://appdb.egi.eu/store/vo/image/0000-1111:7/"
SUMMARY = "{list} created {age} ago, {images}, {signed}{notes}"


def image(mpuri: str = IMAGE, **fields: object) -> dict[str, object]:
    known = ("dc:identifier", "dc:title", "hv:version", "hv:uri", "hv:size", "hv:format", "hv:hypervisor", "sl:arch",
             "sl:os", "sl:osversion", "sl:osname", "sl:comments", "sl:checksum:sha512", "dc:description")  # fmt: skip
    return {"hv:image": {**dict.fromkeys(known, "x"), "ad:mpuri": mpuri, **fields}}


def body(images: list[object] | None = None, **fields: object) -> bytes:
    found: dict[str, object] = {
        "dc:date:created": "2026-11-25T11:00:00Z",
        "dc:date:expires": "2026-12-25T11:00:00Z",
        "dc:identifier": "a", "dc:title": "b", "dc:description": "c", "dc:source": "d", "hv:version": "1",
        "hv:uri": URL,
        "ad:vo": "ops", "hv:endorser": {"hv:x509": {"hv:dn": "/CN=x", "hv:ca": "/CN=y"}},
        "hv:images": [image()] if images is None else images,
    }  # fmt: skip
    found.update(fields)
    return json.dumps({"hv:imagelist": {key: value for key, value in found.items() if value is not None}}).encode()


class Source:
    def __init__(self, data: bytes, skew: float | None) -> None:
        self.url = f"{URL}?token=secret"
        self._fetched = FetchedDocument(data, "application/json", skew)

    def fetch(self) -> FetchedDocument:
        return self._fetched


def judged(data: bytes, *, wanted: str = "", signature: str = "if-present", skew: float | None = None, notes=None):
    check = PublishedList(
        Source(data, skew),
        SignatureRules(signature, ca_path=None),
        Deadline(60),
        image=wanted,
        notes=notes,
        now=lambda: NOW,
    )
    freshness = Freshness("age", age_limit("1d"), age_limit("7d"))
    return judge(check, SUMMARY, freshness, Scalar("time_left"), "images", "size")


def test_a_list_that_is_fresh_and_whole_is_ok():
    data = body()
    found = judged(data, wanted=IMAGE, notes=["a note", "another"])
    assert found.status == OK, found.sentence
    assert found.sentence == f"list from {HOST} created 60 min ago, 1 image, unsigned [a note; another]"
    assert found.values == {
        "age": "3600s;86400;604800;0",
        "images": "1;;;0",
        "size": f"{len(data)}B;;;0",
        "time_left": "2588400s",
    }
    assert (1, f"list: {URL}") in found.details
    assert (1, "title: b; version 1; VO ops") in found.details
    assert (1, "created 2026-11-25 11:00:00, expires 2026-12-25 11:00:00 UTC") in found.details
    assert (2, f"image: {IMAGE} x x") in found.details
    assert judged(data).sentence.endswith("unsigned")


def test_a_list_that_has_to_be_signed_and_is_not_is_critical():
    found = judged(body(), signature="require")
    assert (found.status, found.sentence) == (
        CRITICAL,
        ("the list is not signed, from vmcaster.example.org:443 (take it as it is with --signature if-present)"),
    )


@pytest.mark.parametrize(
    ("created", "status"),
    [("2026-11-24T12:00:01Z", OK), ("2026-11-24T12:00:00Z", WARNING), ("2026-11-18T12:00:00Z", CRITICAL)],
)
def test_age_decides(created, status):
    assert judged(body(**{"dc:date:created": created})).status == status


@pytest.mark.parametrize(
    ("created", "skew", "said"),
    [
        ("2026-11-25T12:05:00Z", None, ""),
        (
            "2026-11-25T12:05:01Z",
            None,
            "list created 5 min in the future (2026-11-25 12:05:01 UTC), from vmcaster.example.org:443",
        ),
        (
            "2026-11-25T13:00:00Z",
            60.0,
            "list created 60 min in the future (2026-11-25 13:00:00 UTC), from vmcaster.example.org:443",
        ),
        (
            "2026-11-25T13:00:00Z",
            3600.0,
            (
                "list created 60 min in the future (2026-11-25 13:00:00 UTC), from "
                "vmcaster.example.org:443; its server's clock is 60 min ahead of ours"
            ),
        ),
        (
            "2026-11-25T13:00:00Z",
            -3600.0,
            "list created 60 min in the future (2026-11-25 13:00:00 UTC), from vmcaster.example.org:443",
        ),
    ],
)
def test_a_list_from_the_future_is_critical_and_a_little_of_it_is_not(created, skew, said):
    found = judged(body(**{"dc:date:created": created}), skew=skew)
    if said:
        assert (found.status, found.sentence) == (CRITICAL, said)
        assert "age" not in found.values
    else:
        assert (found.status, found.values["age"]) == (OK, "0s;86400;604800;0")


@pytest.mark.parametrize(
    ("expires", "said"),
    [("2026-11-25T12:00:01Z", ""), ("2026-11-25T12:00:00Z", "0 s"), ("2026-11-25T10:00:00Z", "2 h")],
)
def test_a_list_expires_at_its_end(expires, said):
    found = judged(body(**{"dc:date:expires": expires}))
    expected = f"list expired {said} ago, so subscribers drop its images, from {HOST}"
    assert (found.status, found.sentence) == (CRITICAL, expected) if said else found.status == OK


def test_a_list_without_images_is_a_warning():
    found = judged(body([]))
    assert (found.status, found.sentence) == (WARNING, "no image in the list from vmcaster.example.org:443")
    assert found.values["images"] == "0;;;0"


def test_a_list_that_lacks_fields_is_a_warning_that_names_them():
    found = judged(body(**{"hv:version": None, "dc:description": None}))
    assert found.status == WARNING
    assert found.sentence == f"the list lacks dc:description, hv:version, so vmcatcher refuses it, from {HOST}"


@pytest.mark.parametrize(
    ("wanted", "nearest"),
    [
        (IMAGE.replace(":7/", ":8/"), f"; the nearest is {IMAGE}"),
        (IMAGE.replace("0000", "0001"), f"; the nearest is {IMAGE}"),
        ("zzz", ""),
    ],
)
def test_an_image_that_is_not_in_it_is_critical_and_the_nearest_named(wanted, nearest):
    other = image("https://other.test/image/x:1/")
    found = judged(body([image(), other]), wanted=wanted)
    assert (found.status, found.sentence) == (
        CRITICAL,
        f"{wanted} is not among the 2 images of the list from {HOST}{nearest}",
    )


def test_the_only_image_is_named_where_another_one_is_wanted():
    found = judged(body(), wanted="zzz")
    assert (found.status, found.sentence) == (
        CRITICAL,
        f"zzz is not in the list from {HOST}; its only image is {IMAGE}",
    )


@pytest.mark.parametrize(
    ("expires", "status"), [("2026-11-25T12:00:01Z", OK), ("2026-11-25T12:00:00Z", CRITICAL), ("never", OK), (None, OK)]
)
def test_the_wanted_image_must_not_have_expired(expires, status):
    found = judged(body([image(**{"dc:date:expires": expires})]), wanted=IMAGE)
    assert found.status == status
    if status:
        assert found.sentence == (
            "image https://appdb.egi.eu/store/vo/image/0000-1111:7/ expired 0 s ago in the list from "
            "vmcaster.example.org:443"
        )


def test_oddities_are_told_with_v():
    odd = body([image(), {"hv:image": {"ad:mpuri": "y"}}], **{"hv:uri": "https://elsewhere/", "dc:title": None})
    found = [text for _, text in judged(odd.replace(b"11:00:00Z", b"11:00:00")).details]
    assert "title: none; version 1; VO ops" in found
    assert "hv:uri is another address: https://elsewhere/" in found
    assert "dc:date:created names no zone; read as UTC" in found
    assert "1 image without a required field; hepixvmitrust drops such silently" in found
    assert (1, "title: b; version unknown; VO none") in judged(body(**{"hv:version": None, "ad:vo": None})).details
    old = json.dumps(json.loads(body())["hv:imagelist"]).encode()
    assert (1, "the list has the deprecated form, without hv:imagelist") in judged(old).details
    plain = [text for _, text in judged(body()).details]
    assert not [text for text in plain if "hv:uri" in text or "zone" in text or "lack" in text or "deprecated" in text]


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"", f'no image list, nor JSON at all from {HOST}; it begins ""'),
        (b'{"egiappdb": {"details": "no such list"}}', f'error "no such list" instead of an image list from {HOST}'),
    ],
)
def test_what_is_no_list_is_critical_in_its_own_words(data, said):
    for signature in ("require", "if-present", "ignore"):
        found = judged(data, signature=signature)
        assert (found.status, found.sentence) == (CRITICAL, said)


# ---- the signature


@pytest.fixture(scope="module")
def authority(tmp_path_factory) -> Authority:
    return Authority(tmp_path_factory.mktemp("ca"), now=NOW)


@pytest.fixture(scope="module")
def signer(authority):
    return authority.host(["endorser.example.org"])


def envelope(data: bytes, signed_by: object, **how: object) -> bytes:
    """The list clear-signed as S/MIME, as `openssl smime -sign` writes it."""
    signature = base64.encodebytes(signed(smime.canonical(data), signed_by, **how)).decode()
    return (
        'MIME-Version: 1.0\nContent-Type: multipart/signed; boundary="xx"\n\n--xx\n'
        f"{data.decode()}\n--xx\nContent-Type: application/pkcs7-signature\n\n{signature}\n--xx--\n"
    ).encode()


def endorsed(signed_by, **other: str) -> bytes:
    """A list that names its signer."""
    names = {"hv:dn": signed_by.subject, "hv:ca": dn.slash_form(signed_by.certificate.issuer), **other}
    return body(**{"hv:endorser": {"hv:x509": names}})


def rules(authority: Authority, signature: str = "require", **more: bool) -> SignatureRules:
    return SignatureRules(signature, ca_path=str(authority.ca_directory), **more)


def judged_by(of: SignatureRules, data: bytes):
    check = PublishedList(Source(data, None), of, Deadline(60), now=lambda: NOW)
    return judge(check, SUMMARY, "age", "time_left", "images", "size")


@pytest.mark.parametrize("signature", ["require", "if-present"])
def test_a_list_signed_by_its_endorser_is_ok(authority, signer, signature):
    found = judged_by(rules(authority, signature), envelope(endorsed(signer), signer))
    assert (found.status, found.sentence) == (OK, f"list from {HOST} created 60 min ago, 1 image, signature good")
    texts = [text for _, text in found.details]
    assert f"signed by {signer.subject} at 2026-01-02 03:04:05 UTC, SHA256" in texts
    until = f"{signer.certificate.not_valid_after_utc:%Y-%m-%d %H:%M}"
    assert (1, f"signer's certificate valid until {until} UTC") in found.details
    chain = f"chain: {signer.subject}, {dn.slash_form(authority.ca_certificate.subject)}"
    assert (2, chain) in found.details


def test_an_opaque_list_without_signed_attributes_is_ok_and_tells_no_time(authority, signer):
    data = signed(endorsed(signer), signer, detached=False, attributes=False)
    found = judged_by(rules(authority), data)
    assert found.status == OK
    assert (1, f"signed by {signer.subject}, SHA256") in found.details


@pytest.mark.parametrize(
    ("other", "said"),
    [
        ({"hv:dn": "/CN=another"}, "hv:dn is /CN=another, but the list is signed by {subject}"),
        ({"hv:dn": ""}, "hv:dn is empty, but the list is signed by {subject}"),
        ({"hv:ca": "/CN=CA"}, "hv:ca is /CN=CA, but the list is by a certificate of {issuer}"),
    ],
)
def test_a_signer_that_the_list_does_not_name_is_critical_unless_that_is_meant(authority, signer, other, said):
    data = envelope(endorsed(signer, **other), signer)
    found = judged_by(rules(authority), data)
    expected = said.format(subject=signer.subject, issuer=dn.slash_form(signer.certificate.issuer))
    assert found.status == CRITICAL
    assert found.sentence == f"{expected}, from {HOST} (if that is meant, accept it with --ignore-endorser)"
    assert judged_by(rules(authority, match_endorser=False), data).status == OK


def test_what_was_changed_after_it_was_signed_is_critical_with_any_rule_but_one(authority, signer):
    data = envelope(endorsed(signer), signer).replace(b'"ad:vo": "ops"', b'"ad:vo": "oops"')
    for signature in ("require", "if-present"):
        found = judged_by(rules(authority, signature), data)
        assert (found.status, found.sentence) == (
            CRITICAL,
            ("the document was changed after it was signed, from vmcaster.example.org:443"),
        )
    assert judged_by(rules(authority, "ignore"), data).status == OK


@pytest.mark.parametrize("detached", [True, False])
def test_with_ignore_the_signature_is_not_looked_at(authority, signer, detached):
    data = endorsed(signer, **{"hv:dn": "/CN=another"})
    whole = envelope(data, signer) if detached else signed(data, signer, detached=False)
    found = judged_by(rules(authority, "ignore"), whole)
    assert (found.status, found.sentence.rpartition(", ")[2]) == (OK, "signature not looked at")
    assert not any("signed by" in text for _, text in found.details)


def test_a_signer_of_a_ca_that_is_not_trusted_is_critical(authority, signer, tmp_path):
    stranger = Authority(tmp_path / "other", now=NOW).host(["stranger.example.org"])
    found = judged_by(rules(authority), envelope(endorsed(stranger), stranger))
    assert found.status == CRITICAL
    assert found.sentence.startswith(f"the certificate {stranger.subject} was not made with the key of its CA ")


def test_sha1_is_accepted_only_where_it_is_allowed(authority, signer):
    data = envelope(endorsed(signer), signer, digest="sha1")
    found = judged_by(rules(authority), data)
    assert (found.status, found.sentence.endswith("(accept it with --allow-sha1)")) == (CRITICAL, True)
    assert judged_by(rules(authority, allow_sha1=True), data).status == OK
