"""The DER reader, which must not trust a single length."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from libprobe.failures import BadData
from libprobe.formats import der


def test_an_element_is_cut_into_its_parts() -> None:
    element = der.read(bytes.fromhex("3007 020105 0402abcd"))
    number, text = element.expect(der.SEQUENCE).children()
    assert number == der.DerElement(der.INTEGER, b"\x05")
    assert text.value == b"\xab\xcd"


def test_a_long_length_is_read() -> None:
    assert der.read(b"\x04\x82\x01\x00" + bytes(256)).value == bytes(256)


@pytest.mark.parametrize(
    ("encoded", "dotted"),
    [
        ("06092b06010401be450101", "1.3.6.1.4.1.8005.1.1"),
        ("0603550403", "2.5.4.3"),
        ("0603883703", "2.999.3"),
        ("060100", "0.0"),
    ],
)
def test_an_object_identifier_is_dotted(encoded: str, dotted: str) -> None:
    assert der.read(bytes.fromhex(encoded)).oid() == dotted


def test_a_time_is_an_aware_instant() -> None:
    assert der.read(b"\x18\x0f20150520030150Z").time() == datetime(2015, 5, 20, 3, 1, 50, tzinfo=UTC)


@pytest.mark.parametrize(
    ("digits", "year"), [(b"500101000000Z", 1950), (b"491231235959Z", 2049), (b"000229120000Z", 2000)]
)
def test_a_short_time_is_of_the_century_that_rfc_5280_says(digits: bytes, year: int) -> None:
    assert der.DerElement(der.UTC_TIME, digits).time().year == year


@pytest.mark.parametrize(
    "value", [b"20150520030150Z", b"1505200301Z", b"150520030150+0100", b"151320030150Z", b"", b"Z"]
)
def test_a_short_time_of_another_form_is_refused(value: bytes) -> None:
    with pytest.raises(BadData):
        der.DerElement(der.UTC_TIME, value).time()


@pytest.mark.parametrize(
    ("tag", "value", "text"),
    [
        (0x0C, "é".encode(), "é"),
        (0x13, b"KR", "KR"),
        (0x14, b"\xe9", "é"),
        (0x1E, b"\x00a", "a"),
        (0x16, b"a@b", "a@b"),
    ],
)
def test_every_kind_of_string_is_text(tag: int, value: bytes, text: str) -> None:
    assert der.DerElement(tag, value).text() == text


MALFORMED = {
    "empty": "",
    "only a tag": "30",
    "cut off": "300502",
    "indefinite length": "30800000",
    "length not minimal": "30810100",
    "length with a leading zero": "3082000100",
    "length cut off": "3082",
    "length of five bytes": "308500000000010000",
    "length beyond the end": "0484ffffffff00",
    "high tag number": "1f8101000000",
    "something behind it": "050000",
}


@pytest.mark.parametrize("encoded", MALFORMED.values(), ids=MALFORMED.keys())
def test_malformed_data_is_refused(encoded: str) -> None:
    with pytest.raises(BadData):
        der.read(bytes.fromhex(encoded))


@pytest.mark.parametrize(
    "value",
    [
        b"150520030150Z",
        b"20150520030150",
        b"20150520030150+0100",
        b"20150520030150.5Z",
        b"20151320030150Z",
        b"\xff",
    ],
)
def test_an_ambiguous_time_is_refused(value: bytes) -> None:
    with pytest.raises(BadData):
        der.DerElement(der.GENERALIZED_TIME, value).time()


@pytest.mark.parametrize("value", [b"", b"\x80", b"\x2b" * 65, b"\xff" * 64])
def test_a_broken_object_identifier_is_refused(value: bytes) -> None:
    with pytest.raises(BadData):
        der.DerElement(der.OBJECT_IDENTIFIER, value).oid()


def test_what_is_expected_is_named() -> None:
    with pytest.raises(BadData, match="0x02 stands where 0x30"):
        der.read(b"\x02\x01\x00").expect(der.SEQUENCE)
    with pytest.raises(BadData, match="primitive"):
        der.read(b"\x02\x01\x00").children()
    with pytest.raises(BadData, match="text"):
        der.read(b"\x02\x01\x00").text()


def test_sizes_are_bounded() -> None:
    with pytest.raises(BadData, match="more than"):
        der.read(bytes(der.MAX_BYTES + 1))
    many = b"\x05\x00" * (der.MAX_CHILDREN + 1)
    with pytest.raises(BadData, match="more than"):
        der.DerElement(der.SEQUENCE, many).children()
    assert len(der.DerElement(der.SEQUENCE, many[2:]).children()) == der.MAX_CHILDREN


@settings(max_examples=300, deadline=None)
@given(st.one_of(st.binary(max_size=60), st.binary(max_size=30).map(lambda b: bytes([0x30, len(b)]) + b)))
def test_any_bytes_are_read_or_bad_data(data: bytes) -> None:
    for use in (der.DerElement.children, der.DerElement.text, der.DerElement.oid, der.DerElement.time):
        try:
            use(der.read(data))
        except BadData as failure:
            assert failure.sentence
