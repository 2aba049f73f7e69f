"""Where a service listens, however it is written."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from libprobe.failures import BadData
from libprobe.formats.address import DEFAULT_PORTS, SECURE, Address, host_and_port, read_address


@pytest.mark.parametrize(
    ("text", "host", "port"),
    [
        ("https://cloud.example.org:8787/?image=a&resource=b", "cloud.example.org", 8787),
        ("https://cloud.example.org:8787?image=a", "cloud.example.org", 8787),
        ("https://cloud.example.org/occi1.1/", "cloud.example.org", 443),
        ("http://cloud.example.org", "cloud.example.org", 80),
        ("HTTP://Cloud.Example.ORG./", "cloud.example.org", 80),
        ("  https://cloud.example.org\n", "cloud.example.org", 443),
        ("https://cloud.example.org:/x", "cloud.example.org", 443),
        ("stomp://mq.example.org/", "mq.example.org", 6163),
        ("stomp+ssl://mq.example.org/", "mq.example.org", 6162),
        ("stomp+ssl://mq.example.org:61612/", "mq.example.org", 61612),
        ("ldap://bdii.example.org/o=glue", "bdii.example.org", 389),
        ("ldap://bdii.example.org:2170", "bdii.example.org", 2170),
        ("cloud.example.org:8787", "cloud.example.org", 8787),
        ("cloud.example.org:8787/?image=a", "cloud.example.org", 8787),
        ("cloud.example.org", "cloud.example.org", None),
        ("gsidcap://se.example.org", "se.example.org", None),
        ("https://[2001:DB8::7]:8787/", "2001:db8::7", 8787),
        ("[::1]:80", "::1", 80),
        ("https://192.0.2.7/", "192.0.2.7", 443),
        ("https://cloud.example.org/#user@host", "cloud.example.org", 443),
        ("https://cloud.example.org/?mail=user@host", "cloud.example.org", 443),
    ],
)
def test_host_and_port_are_read_and_the_port_is_the_schemes_where_none_is_written(text, host, port):
    address = read_address(text)
    assert (address.host, address.port_or_default) == (host, port)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "the endpoint has no URL"),
        (" \n", "the endpoint has no URL"),
        ("https://", 'the URL "https://" names no host'),
        ("https://:8787/", 'the URL "https://:8787/" names no host'),
        ("https://a b/", 'there is a blank in the URL "https://a b/"'),
        ("https://a\x1bb/", 'there is a control character in the URL "https://a b/"'),
        ("https://user:secret@host/", "the URL has a user name or password before its host, which everybody can read"),
        ("https://host:0/", 'the port "0" in the URL is not a number from 1 to 65535'),
        ("https://host:99999/", 'the port "99999" in the URL is not a number from 1 to 65535'),
        ("https://host:http/", 'the port "http" in the URL is not a number from 1 to 65535'),
        ("https://host:٣/", 'the port "٣" in the URL is not a number from 1 to 65535'),
        ("https://-host/", '"-host" in the URL is not a host name'),
        ("https://a..b/", '"a..b" in the URL is not a host name'),
        ("https://2001:db8::7/", '"2001:db8::7" is neither host:port nor an IPv6 address in brackets'),
        ("https://[2001:db8::7/", 'the IPv6 address in "https://[2001:db8::7/" is not in brackets'),
        ("https://[fe80::1%eth0]/", '"fe80::1%eth0" in the URL is not an IPv6 address'),
        ("https://" + "a" * 3000, "the URL has 3008 characters, more than 2048"),
    ],
)
def test_what_cannot_be_connected_to_is_refused_with_the_reason(text, reason):
    with pytest.raises(BadData) as raised:
        read_address(text)
    assert raised.value.sentence == reason


def test_an_ipv6_address_is_written_in_brackets():
    assert host_and_port("2001:db8::7", 80) == "[2001:db8::7]:80"
    assert host_and_port("host", "80") == "host:80"


def test_every_secure_scheme_has_a_port():
    assert set(DEFAULT_PORTS) >= SECURE
    assert Address("stomp+ssl", "h", None).is_secure
    assert not Address("stomp", "h", None).is_secure


@given(st.text())
def test_any_text_gives_an_address_or_bad_data(text):
    try:
        address = read_address(text)
    except BadData:
        return
    assert address.host
    assert address.port is None or 1 <= address.port <= 65535


@given(
    st.from_regex(r"[a-z][a-z0-9]{0,10}(\.[a-z][a-z0-9]{0,5}){0,3}", fullmatch=True),
    st.integers(1, 65535),
    st.sampled_from(sorted(DEFAULT_PORTS)),
)
def test_what_is_written_is_read_back(host, port, scheme):
    assert read_address(f"{scheme}://{host_and_port(host, port)}/path?query") == Address(scheme, host, port)
