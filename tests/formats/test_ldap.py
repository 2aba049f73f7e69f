from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ldap3.operation.bind import bind_operation
from ldap3.protocol.rfc4511 import LDAPMessage, MessageID, ProtocolOp
from ldap3.utils.asn1 import encode

from libprobe.failures import BadData
from libprobe.formats import ldap
from tests.federation import ber


def test_an_entry_is_read_with_all_its_values():
    data = ber.entry(7, "GLUE2DomainID=KR,o=glue", {"objectClass": ["a", "b"], "GLUE2EndpointURL": ["https://ü"]})
    number, answer = ldap.read_message(data)
    assert number == 7
    assert answer == ldap.LdapEntry(
        "GLUE2DomainID=KR,o=glue", {"objectclass": ["a", "b"], "glue2endpointurl": ["https://ü"]}
    )
    assert answer.first("objectclass") == "a"
    assert answer.first("absent") == ""


def test_attribute_names_have_no_case_and_add_up():
    _, answer = ldap.read_message(ber.entry(1, "o=glue", {"X": ["1"], "x": ["2"]}))
    assert answer.attributes == {"x": ["1", "2"]}


@pytest.mark.parametrize("kind", [ldap.BIND_RESPONSE, ldap.SEARCH_DONE, ldap.EXTENDED_RESPONSE])
def test_a_result_is_read_with_its_text_and_referrals(kind):
    data = ber.result(2, kind, 10, "go away", matched="o=glue", referrals=["ldap://other/", "ldap://third/"])
    expected = ldap.OperationResult(kind, 10, "o=glue", "go away", ["ldap://other/", "ldap://third/"], "")
    assert ldap.read_message(data) == (2, expected)


def test_a_reference_and_an_intermediate_response_are_told_apart():
    assert ldap.read_message(ber.reference(3, ["ldap://x/"])) == (3, ldap.SearchReference(["ldap://x/"]))
    assert ldap.read_message(ber.message(3, ber.tlv(ldap.INTERMEDIATE_RESPONSE, b""))) == (3, None)


def test_lengths_need_not_be_minimal():
    inner = b"\x02\x84\x00\x00\x00\x01\x05" + ber.tlv(ldap.SEARCH_DONE, b"\x0a\x01\x00\x04\x00\x04\x00")
    data = b"\x30\x84" + len(inner).to_bytes(4, "big") + inner
    assert ldap.message_size(data) == len(data)
    assert ldap.read_message(data)[0] == 5


def test_what_ldap3_writes_can_be_cut_into_messages():
    message = LDAPMessage()
    message["messageID"] = MessageID(1)
    message["protocolOp"] = ProtocolOp().setComponentByName("bindRequest", bind_operation(3, "ANONYMOUS"))
    data = encode(message)
    assert ldap.message_size(data) == len(data)
    with pytest.raises(BadData, match="which answers no search"):
        ldap.read_message(data)


def test_the_size_is_known_as_soon_as_the_head_is_there():
    data = ber.entry(1, "o=glue", {"a": ["x" * 300]})
    assert [ldap.message_size(data[:cut]) for cut in range(5)] == [None, None, None, None, len(data)]
    assert ldap.message_size(b"junk" + data, 4) == len(data)


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"HTTP/1.1 400 Bad Request", '"HTTP/1.1 400 Bad Request" instead of LDAP'),
        (b"\x30\x80\x02\x01\x01", "indefinite or oversized length"),
        (b"\x30\x85\x01\x00\x00\x00\x00", "indefinite or oversized length"),
    ],
)
def test_what_is_no_message_is_told_at_its_head(data, says):
    with pytest.raises(BadData, match=says):
        ldap.message_size(data)


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"", "breaks off"),
        (b"\x30\x03\x02\x01\x01", "breaks off"),
        (b"\x30\x05\x02\x01\x01\x64\x7f", "127 bytes where 0 are left"),
        (b"\x30\x03\x04\x01\x01", "0x04 where 0x02"),
        (b"\x30\x0b\x02\x09" + b"\x01" * 9, "number of 9 bytes"),
        (b"\x30\x02\x02\x00", "number of 0 bytes"),
        (b"\x30\x06\x02\x01\x01\x64\x80\x00", "indefinite"),
        (ber.message(1, ber.tlv(0x42, b"")), "kind 0x42, which answers no search"),
        (ber.message(1, b"\x64\x00") + b"x", "wrong length"),
        (ber.message(1, ber.tlv(0x73, b"\x04\x00" * 10_001)), "more than 10000 values"),
    ],
)
def test_a_broken_message_is_bad_data(data, says):
    with pytest.raises(BadData, match=says):
        ldap.read_message(data)


def test_nesting_is_not_followed():
    nested = b""
    for _ in range(20_000):
        nested = ber.tlv(0x30, nested)
    with pytest.raises(BadData):
        ldap.read_message(ber.message(1, ber.tlv(0x64, nested)))


@given(st.binary(max_size=400))
def test_any_bytes_are_a_message_or_bad_data(data):
    for read in (ldap.message_size, ldap.read_message):
        try:
            read(data)
        except BadData:
            pass


@given(st.data())
def test_a_damaged_message_is_a_message_or_bad_data(data):
    whole = bytearray(ber.entry(1, "GLUE2ServiceID=x,o=glue", {"objectClass": ["a", "b"], "c": ["d" * 200]}))
    for _ in range(data.draw(st.integers(1, 4))):
        whole[data.draw(st.integers(0, len(whole) - 1))] = data.draw(st.integers(0, 255))
    try:
        ldap.read_message(bytes(whole))
    except BadData:
        pass


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("ldap://host:2170/o=glue", ("ldap", "host", 2170, "o=glue")),
        ("LDAPS://Host.Example.org", ("ldaps", "host.example.org", None, "")),
        ("ldap://host.example.org.:2170", ("ldap", "host.example.org", 2170, "")),
        (" ldap://host:2170/mds-vo-name=X,o=grid\n", ("ldap", "host", 2170, "mds-vo-name=X,o=grid")),
        ("ldap://[2001:db8::1]:389/o=glue??sub?(a=b)", ("ldap", "2001:db8::1", 389, "o=glue")),
        ("ldap://host/GLUE2DomainID=A%20B,o=glue", ("ldap", "host", None, "GLUE2DomainID=A B,o=glue")),
        ("ldap://host:/", ("ldap", "host", None, "")),
    ],
)
def test_an_ldap_url_is_read(text, expected):
    assert ldap.is_ldap_url(text)
    assert ldap.read_url(text) == expected


@pytest.mark.parametrize(
    "text",
    ["", "host:2170", "http://host/", "ldap:/host", "ldap://", "ldap://host:0/", "ldap://host:99999", "ldap://host:x/",
     "ldap://user@host/", "ldap://ho st/", "ldap://host/\x1b[31m", "ldap://" + "x" * 3000],
)  # fmt: skip
def test_what_is_no_ldap_url_is_bad_data(text):
    with pytest.raises(BadData, match="is not a"):
        ldap.read_url(text)


@given(st.text(max_size=80))
def test_any_text_is_an_ldap_url_or_bad_data(text):
    for prefix in ("", "ldap://", "ldap://host:1/"):
        try:
            ldap.read_url(prefix + text)
        except BadData:
            pass
