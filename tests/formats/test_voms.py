"""VOMS attribute certificates, made here since real ones expire."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from libprobe.failures import BadData
from libprobe.formats import voms

BEGIN, END = b"20151120120000Z", b"20151121000000Z"
FQANS = ["/ops/Role=NULL/Capability=NULL", "/ops/monitoring/Role=lcgadmin/Capability=NULL"]
URI = b"ops://voms.example.org:15009"
CN, ORG, DC = "0603550403", "060355040a", "060a0992268993f22c640119"


def tlv(tag: int, *contents: bytes) -> bytes:
    """Encode an element; lengths as DER wants them."""
    value = b"".join(contents)
    size = len(value)
    if size < 0x80:
        return bytes([tag, size]) + value
    digits = size.to_bytes((size.bit_length() + 7) // 8, "big")
    return bytes([tag, 0x80 | len(digits)]) + digits + value


def sequence(*contents: bytes) -> bytes:
    return tlv(0x30, *contents)


def name(*parts: tuple[str, str]) -> bytes:
    return sequence(*(tlv(0x31, sequence(bytes.fromhex(oid), tlv(0x0C, value.encode()))) for oid, value in parts))


ISSUER = sequence(tlv(0xA4, name((DC, "org"), (ORG, "Example"), (CN, "voms.example.org"))))
ALGORITHM = sequence(bytes.fromhex("06092a864886f70d01010b"))
FQAN_ATTRIBUTE = bytes.fromhex("060a2b06010401be45646404")


def syntax(fqans: list[str], uri: bytes | None = URI) -> bytes:
    authority = b"" if uri is None else tlv(0xA0, tlv(0x86, uri))
    return tlv(0x31, sequence(authority, sequence(*(tlv(0x04, fqan.encode()) for fqan in fqans))))


def certificate(
    fqans: list[str] = FQANS,
    uri: bytes | None = URI,
    issuer: bytes = tlv(0xA0, ISSUER),
    times: tuple[bytes, ...] = (BEGIN, END),
    attributes: bytes | None = None,
) -> bytes:
    """Encode an attribute certificate (RFC 5755 section 4.1)."""
    info = sequence(
        tlv(0x02, b"\x01"),
        sequence(tlv(0xA0, sequence(tlv(0xA4, name((CN, "user")))), tlv(0x02, b"\x05"))),
        issuer,
        ALGORITHM,
        tlv(0x02, b"\x07"),
        sequence(*(tlv(0x18, one) for one in times)),
        sequence(sequence(FQAN_ATTRIBUTE, syntax(fqans, uri))) if attributes is None else attributes,
        sequence(),
    )
    return sequence(info, ALGORITHM, tlv(0x03, b"\x00" * 32))


@pytest.mark.parametrize(
    "wrapped",
    [lambda ac: ac, sequence, lambda ac: sequence(sequence(ac))],
    ids=["no wrapping", "single", "double, as VOMS writes it"],
)
def test_an_attribute_certificate_is_read(wrapped: Callable[[bytes], bytes]) -> None:
    (found,) = voms.read_attribute_certificates(wrapped(certificate()))
    assert found == voms.AttributeCertificate(
        vo="ops",
        fqans=tuple(FQANS),
        issuer="/DC=org/O=Example/CN=voms.example.org",
        not_before=datetime(2015, 11, 20, 12, tzinfo=UTC),
        not_after=datetime(2015, 11, 21, tzinfo=UTC),
        uri="ops://voms.example.org:15009",
    )
    assert found.plain_fqans == ("/ops", "/ops/monitoring/Role=lcgadmin")


def test_several_vos_keep_their_order() -> None:
    both = sequence(sequence(certificate(), certificate(["/dteam"], b"dteam://v:1")))
    assert [found.vo for found in voms.read_attribute_certificates(both)] == ["ops", "dteam"]


@pytest.mark.parametrize(("uri", "vo"), [(None, "ops"), (b"", "ops"), (b"no address", "ops"), (b"vo.x://h", "vo.x")])
def test_the_vo_comes_from_the_uri_or_the_first_fqan(uri: bytes | None, vo: str) -> None:
    (found,) = voms.read_attribute_certificates(sequence(certificate(uri=uri)))
    assert found.vo == vo


def test_the_older_form_of_an_issuer_is_read() -> None:
    (found,) = voms.read_attribute_certificates(sequence(certificate(issuer=ISSUER)))
    assert found.issuer.endswith("/CN=voms.example.org")


@pytest.mark.parametrize(
    ("fqan", "plain"),
    [
        ("/ops/Role=NULL/Capability=NULL", "/ops"),
        ("/ops/Role=production/Capability=NULL", "/ops/Role=production"),
        ("/ops/a/b", "/ops/a/b"),
        ("/ops", "/ops"),
        ("", ""),
    ],
)
def test_null_parts_of_an_fqan_are_dropped(fqan: str, plain: str) -> None:
    assert voms.plain_fqan(fqan) == plain


def nested(depth: int) -> bytes:
    data = b""
    for _ in range(depth):
        data = sequence(data)
    return data


MALFORMED = {
    "nothing": b"",
    "no certificate": sequence(sequence()),
    "not a sequence": tlv(0x04, b"x"),
    "nesting": nested(5_000),
    "too many": sequence(*[sequence()] * 100),
    "short information": sequence(sequence(sequence(tlv(0x02, b"\x01")), ALGORITHM, tlv(0x03, b"\x00"))),
    "one time": sequence(certificate(times=(BEGIN,))),
    "local time": sequence(certificate(times=(BEGIN, b"20151121000000"))),
    "no FQAN": sequence(certificate([])),
    "no attribute": sequence(certificate(attributes=sequence())),
    "FQAN without a slash": sequence(certificate(["ops"])),
    "FQAN of a slash": sequence(certificate(["/"])),
    "control character": sequence(certificate(["/ops\n"])),
    "endless FQAN": sequence(certificate(["/" + "x" * 2000])),
    "too many FQANs": sequence(certificate(["/ops"] * 1001)),
    "no issuer name": sequence(certificate(issuer=tlv(0xA0, sequence()))),
    "odd issuer name": sequence(certificate(issuer=tlv(0xA0, sequence(tlv(0xA4, sequence(), sequence()))))),
    "FQAN of another type": sequence(
        certificate(attributes=sequence(sequence(FQAN_ATTRIBUTE, tlv(0x31, sequence(sequence(tlv(0x02, b"\x01")))))))
    ),
}


@pytest.mark.parametrize("data", MALFORMED.values(), ids=MALFORMED.keys())
def test_malformed_attributes_are_bad_data(data: bytes) -> None:
    with pytest.raises(BadData):
        voms.read_attribute_certificates(data)


VALID = sequence(sequence(certificate()))


@settings(max_examples=400, deadline=None)
@given(st.integers(0, len(VALID) - 1), st.binary(max_size=3), st.booleans())
def test_damage_gives_a_result_or_bad_data(at: int, damage: bytes, cut: bool) -> None:
    data = VALID[:at] + damage + (b"" if cut else VALID[at + len(damage) :])
    try:
        assert voms.read_attribute_certificates(data)
    except BadData as failure:
        assert failure.sentence
