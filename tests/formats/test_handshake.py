"""The first flight of a server, as OpenSSL writes it, and as nobody should."""

from __future__ import annotations

import ssl

import pytest
from cryptography.hazmat.primitives.serialization import Encoding
from hypothesis import given
from hypothesis import strategies as st

from libprobe.failures import BadData
from libprobe.formats import handshake
from tests.federation.authority import Authority


@pytest.fixture(scope="module")
def flight(tmp_path_factory):
    """What a server with an intermediate certificate answers to a greeting of TLS 1.2, and its certificates."""
    authority = Authority(tmp_path_factory.mktemp("ca"))
    middle = authority.intermediate("Issuing CA")
    host = authority.host(["localhost"], issuer=middle)
    client = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    client.maximum_version = ssl.TLSVersion.TLSv1_2
    towards, back = ssl.MemoryBIO(), ssl.MemoryBIO()
    with pytest.raises(ssl.SSLWantReadError):
        client.wrap_bio(back, towards, server_hostname="localhost").do_handshake()
    with pytest.raises(ssl.SSLWantReadError):
        authority.server_context(host).wrap_bio(towards, back, server_side=True).do_handshake()
    return back.read(), [each.public_bytes(Encoding.DER) for each in (host.certificate, middle.certificate)]


def test_the_certificates_are_read_as_soon_as_all_of_them_are_there(flight):
    data, certificates = flight
    answers = [handshake.read_certificates(data[:size]) for size in range(len(data) + 1)]
    complete = answers.index(certificates)
    assert set(map(type, answers[:complete])) == {type(None)}
    assert all(each == certificates for each in answers[complete:])


def records(messages: bytes, size: int) -> bytes:
    parts = [messages[at : at + size] for at in range(0, len(messages), size)]
    return b"".join(b"\x16\x03\x03" + len(each).to_bytes(2, "big") + each for each in parts)


def message(kind: int, body: bytes) -> bytes:
    return bytes([kind]) + len(body).to_bytes(3, "big") + body


def listed(*certificates: bytes) -> bytes:
    body = b"".join(len(each).to_bytes(3, "big") + each for each in certificates)
    return len(body).to_bytes(3, "big") + body


@pytest.mark.parametrize("size", [1, 3, 7, 1000])
def test_a_message_may_be_spread_over_records_of_any_size(size):
    messages = message(2, b"hello") + message(11, listed(b"one", b"another")) + message(14, b"")
    assert handshake.read_certificates(records(messages, size)) == [b"one", b"another"]


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"HTTP/1.1 400 Bad Request\r\n", "bytes that are not a TLS handshake"),
        (b"\x17\x03\x03\x00\x01x", "bytes that are not a TLS handshake"),
        (b"\x15\x03\x03\x00\x02\x02\x28", "ends before its certificates"),
        (records(message(14, b""), 99), "without certificates"),
        (records(message(11, b"\x00\x00\x09x"), 99), "whose length is wrong"),
        (records(message(11, b"\x00\x00\x04\x00\x00\x09x"), 99), "cut off, or too long"),
        (records(message(11, b"\x00\x00\x03\x00\x00\x00"), 99), "cut off, or too long"),
        (records(message(11, listed(*[b"x"] * 17)), 99), "cut off, or too long"),
        (b"\x16" * (handshake.MAX_BYTES + 1), "more than 256 KiB"),
    ],
)
def test_what_is_no_such_flight_is_said_to_be_none(data, said):
    with pytest.raises(BadData, match=said):
        handshake.read_certificates(data)


@given(st.binary(max_size=200), st.binary(max_size=200))
def test_nothing_but_bad_data_whatever_comes(data, body):
    for each in (data, b"\x16\x03\x03" + len(data).to_bytes(2, "big") + data, records(message(11, body), 50)):
        try:
            handshake.read_certificates(each)
        except BadData:
            pass
