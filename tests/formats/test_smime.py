"""Envelopes of signed documents."""

from __future__ import annotations

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from libprobe.failures import BadData
from libprobe.formats.smime import Envelope, canonical, open_envelope, without_text_header

SIGNATURE = b"0\x82\x01\x00" + bytes(range(256))
HEAD = b'MIME-Version: 1.0\nContent-Type: multipart/signed; protocol="x"; boundary="----AB"\n\nThis is signed\n\n'
PART = b'Content-Type: application/x-pkcs7-signature; name="smime.p7s"\nContent-Transfer-Encoding: base64\n\n'


def message(content: bytes, *, head: bytes = HEAD, part: bytes = PART, end: bytes = b"\n------AB--\n\n") -> bytes:
    return head + b"------AB\n" + content + b"\n------AB\n" + part + base64.encodebytes(SIGNATURE) + end


@pytest.mark.parametrize(
    "content",
    [
        b'{"hv:imagelist": 1}',
        b'{\r\n "a": 1\r\n}\r\n',
        b"",
        b'{"a":\n"------ABC"}',
        b"\n\n{}",
        b'Content-Type: text/plain\r\n\r\n{"a": 1}',
    ],
)
def test_the_clear_signed_part_is_cut_out_byte_for_byte(content):
    assert open_envelope(message(content)) == Envelope("clear-signed", content, SIGNATURE)


def test_all_line_ends_may_be_crlf_and_the_boundary_bare_or_folded():
    crlf = message(b'{\n "a": 1\n}').replace(b"\n", b"\r\n")
    assert open_envelope(crlf) == Envelope("clear-signed", b'{\r\n "a": 1\r\n}', SIGNATURE)
    folded = HEAD.replace(b'; boundary="----AB"', b";\n\tboundary=----AB")
    assert open_envelope(message(b"{}", head=folded)).content == b"{}"


@pytest.mark.parametrize("kind", [b"application/pkcs7-signature", b"Application/X-PKCS7-Signature"])
def test_the_type_of_the_signature_may_be_the_older_or_the_newer(kind):
    part = PART.replace(b"application/x-pkcs7-signature", kind)
    assert open_envelope(message(b"{}", part=part)).signature == SIGNATURE


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (HEAD, "its first boundary is missing"),
        (HEAD + b"------AB\n{}", "its second boundary is missing"),
        (HEAD + b"------AB\n{}\n------AB\n" + PART + b"MIIG", "its last boundary is missing"),
        (HEAD.replace(b"boundary", b"bound"), "names no boundary"),
        (message(b"{}", part=b"Content-Type: text/html\n\n"), "second part of the S/MIME message is 'text/html'"),
        (message(b"{}", part=PART + b"!?"), "not base64"),
        (message(b"{}", part=PART + b"A" * (1 << 19)), "the signature is .* bytes long, more than"),
    ],
)
def test_a_broken_envelope_is_refused_with_its_reason(data, why):
    with pytest.raises(BadData, match=why):
        open_envelope(data)


@pytest.mark.parametrize(
    "data",
    [
        SIGNATURE,
        b"-----BEGIN PKCS7-----\n" + base64.encodebytes(SIGNATURE) + b"-----END PKCS7-----\n",
        b"\n-----BEGIN CMS-----\n" + base64.encodebytes(SIGNATURE) + b"-----END CMS-----\n",
        b"MIME-Version: 1.0\nContent-Type: application/x-pkcs7-mime;\n smime-type=signed-data\n\n"
        + base64.encodebytes(SIGNATURE),
        b"Content-Type: application/pkcs7-mime\r\n\r\n" + base64.encodebytes(SIGNATURE).replace(b"\n", b"\r\n"),
        base64.encodebytes(SIGNATURE),
    ],
)
def test_opaque_signatures_are_decoded(data):
    assert open_envelope(data) == Envelope("opaque", b"", SIGNATURE)


def test_base64_alone_is_known_by_the_type_of_the_transport_too():
    data = base64.encodebytes(b"1" + SIGNATURE)
    assert open_envelope(data).kind == "unsigned"
    assert open_envelope(data, "application/pkcs7-mime").kind == "opaque"


@pytest.mark.parametrize(
    "data", [b'{"a": 1}', b"\xef\xbb\xbf\n {}", b"[]", b"<html></html>", b"hello\n\nworld", b"", b"a: b"]
)
def test_anything_else_is_unsigned_and_as_it_came(data):
    assert open_envelope(data) == Envelope("unsigned", data, b"")


def test_json_is_json_whatever_the_transport_calls_it():
    assert open_envelope(b'{"a": 1}', "application/pkcs7-mime").kind == "unsigned"


def test_lines_are_made_canonical_once():
    assert canonical(b"a\nb\r\nc") == b"a\r\nb\r\nc"
    assert canonical(canonical(b"a\nb")) == b"a\r\nb"


def test_the_header_of_signed_text_is_taken_off():
    assert without_text_header(b"Content-Type: text/plain\r\n\r\n{}") == b"{}"
    assert without_text_header(b'{"Content-Type: a": 1}') == b'{"Content-Type: a": 1}'
    assert without_text_header(b"Content-Type: text/plain") == b"Content-Type: text/plain"


@given(st.lists(st.sampled_from([HEAD, PART, b"------AB\n", b"------AB--", b"\n", b"\r\n", b"{}", b"MIIG", b"--",
                                 b"Content-Type: multipart/signed", b"-----BEGIN PKCS7-----",
                                 b"\0", b"0\x82"]), max_size=12))  # fmt: skip
def test_nothing_but_an_envelope_or_bad_data_comes_of_bytes(parts):
    try:
        found = open_envelope(b"".join(parts))
    except BadData:
        return
    assert found.kind in ("unsigned", "opaque", "clear-signed")
