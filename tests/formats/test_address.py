"""Where a service listens, however it is written."""

from __future__ import annotations

import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from libprobe.failures import BadData
from libprobe.formats.address import (
    DEFAULT_PORTS,
    SECURE,
    Address,
    expect_visible,
    host_and_port,
    join_url,
    path_of,
    read_address,
    read_http_url,
    same_origin,
    without_query,
)


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
        ("https://user:sec/ret@host/", "the URL has a user name or password before its host, which everybody can read"),
        ("user:sec?ret@host:99999", "the URL has a user name or password before its host, which everybody can read"),
        ("https://user:secret @host/", 'there is a blank in the URL "https://...@host/"'),
        ("user:secret\x1b@host:80", 'there is a control character in the URL "...@host:80"'),
        ("https://host:0/", 'the port "0" in the URL is not a number from 1 to 65535'),
        ("https://host:99999/", 'the port "99999" in the URL is not a number from 1 to 65535'),
        ("https://host:http/", 'the port "http" in the URL is not a number from 1 to 65535'),
        ("https://host:٣/", 'the port "٣" in the URL is not a number from 1 to 65535'),
        ("https://-host/", '"-host" in the URL is not a host name'),
        ("https://a..b/", '"a..b" in the URL is not a host name'),
        ("https://2001:db8::7/", '"2001:db8::7" is not host:port or an IPv6 address in brackets'),
        ("https://[2001:db8::7/", 'the IPv6 address in "https://[2001:db8::7/" is not in brackets'),
        ("https://[fe80::1%eth0]/", '"fe80::1%eth0" in the URL is not an IPv6 address'),
        ("https://" + "a" * 3000, "the URL has 3008 characters, more than 2048"),
    ],
)
def test_what_cannot_be_connected_to_is_refused_with_the_reason(text, reason):
    with pytest.raises(BadData) as raised:
        read_address(text)
    assert raised.value.sentence == reason


def test_blanks_around_a_url_are_not_kept_with_it():
    """A worker keeps the addresses that it has read; what a site publishes may have a megabyte of blanks."""
    tracemalloc.start()
    try:
        for number in range(20):
            assert read_address(f"https://host{number}.example.org/{' ' * 1_000_000}").port_or_default == 443
        kept, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert kept < 2_000_000


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


# ---- the one reader for who compares and who connects

HERE = Address("https", "cloud.example.org", 443)


@pytest.mark.parametrize(
    "url",
    [
        "https://cloud.example.org",
        "https://cloud.example.org:443/",
        "https://cloud.example.org:/",
        "HTTPS://Cloud.Example.ORG./occi",
        "https://cloud.example.org:0443/",
        "https://cloud.example.org?image=a",
        "https://cloud.example.org#here",
        "https://cloud.example.org/@other.example.org/",
        "https://cloud.example.org?next=https://other.example.org:80/",
    ],
)
def test_one_place_written_differently_is_one_address(url):
    assert read_http_url(url) == HERE


@pytest.mark.parametrize(
    "url",
    [
        "http://cloud.example.org",
        "https://cloud.example.org:8443",
        "https://www.cloud.example.org",
        "https://cloud.example.org.example.net",
        "https://[2001:db8::7]",
    ],
)
def test_another_place_is_another_address(url):
    assert read_http_url(url) != HERE


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        (" https://cloud.example.org/", "there is a blank around the URL"),
        ("https://cloud.example.org/\n", "there is a blank around the URL"),
        ("https://cloud.example.org/a b", "there is a blank in the URL"),
        ("https://cloud.example.org/a\tb", "there is a blank in the URL"),
        ("https://cloud.exa\x00mple.org/", "there is a control character in the URL"),
        ("https://cloud.example.org/a\x7fb", "there is a control character in the URL"),
        ("https://cloud.example.org\\other.example.org/", "there is a backslash in the URL"),
        ("https://cloud.example.org/a\\b", "there is a backslash in the URL"),
        ("https:\\\\cloud.example.org", "there is a backslash in the URL"),
        ("https://robot@cloud.example.org/", "has a user name or password before its host"),
        ("https://a@b@cloud.example.org/", "has a user name or password before its host"),
        ("https://@cloud.example.org/", "has a user name or password before its host"),
        ("https://clöud.example.org/", "is not a host name"),
        ("https://cloud。example.org/", "is not a host name"),
        ("https://cloud%2eexample.org/", "is not a host name"),
        ("https://cloud.example.org:4_43/", "is not a number from 1 to 65535"),
        ("https://cloud.example.org:+443/", "is not a number from 1 to 65535"),
        ("https://cloud.example.org:65536/", "is not a number from 1 to 65535"),
        ("https://cloud.example.org:443:443/", "is not host:port or an IPv6 address in brackets"),
        ("https://[::1]x/", "is not in brackets"),
        ("https:cloud.example.org", "is not a number from 1 to 65535"),
        ("//cloud.example.org/", "names no host"),
        ("cloud.example.org", "does not begin with https:// or http://"),
        ("ftp://cloud.example.org/", "does not begin with https:// or http://"),
    ],
)
def test_what_two_readers_could_take_for_different_places_is_refused(url, reason):
    with pytest.raises(BadData) as raised:
        read_http_url(url)
    assert reason in raised.value.sentence
    assert "robot" not in raised.value.sentence


@pytest.mark.parametrize(
    ("reference", "leads"),
    [
        ("/occi/", "https://cloud.example.org/occi/"),
        ("again", "https://cloud.example.org/-/again"),
        ("//other.example.org/", "https://other.example.org/"),
        ("http://other.example.org/", "http://other.example.org/"),
    ],
)
def test_a_reference_is_joined_to_where_it_stands(reference, leads):
    assert join_url("https://cloud.example.org/-/", reference) == leads


@pytest.mark.parametrize(
    "reference", ["/a\tb", "/a\rb", " /a", "/a ", "/a b", "\\\\other.example.org/", "/\\a", "\x00/a", "//[/"]
)
def test_a_reference_with_two_readings_leads_nowhere(reference):
    with pytest.raises(BadData):
        join_url("https://cloud.example.org/-/", reference)


@given(st.text())
def test_any_text_is_an_http_address_or_bad_data(text):
    for url in (text, f"https://{text}", f"https://cloud.example.org{text}"):
        try:
            address = read_http_url(url)
        except BadData:
            continue
        assert address.scheme in ("http", "https")
        assert address.host.isascii()
        assert address.port


@pytest.mark.parametrize(
    ("url", "path"),
    [
        ("https://h", ""),
        ("https://h/", "/"),
        ("https://h:1/a/b?c/d", "/a/b"),
        ("https://h?a/b", ""),
        ("https://h#/a", ""),
        ("h/a", ""),
    ],
)
def test_the_path_ends_where_query_or_fragment_begin(url, path):
    assert path_of(url) == path


def test_urls_are_shown_without_query_and_user():
    assert without_query("https://user:secret@h:1/p?token=x#f") == "https://h:1/p"


@pytest.mark.parametrize(
    ("first", "second", "same"),
    [
        ("https://h/a", "https://h:443/b", True),
        ("https://h/a", "http://h/a", False),
        ("https://h/a", "https://H/a", True),
        ("https://h:1/a", "https://h:2/a", False),
    ],
)
def test_an_origin_is_scheme_host_and_port(first, second, same):
    assert same_origin(first, second) is same


def test_every_blank_and_every_control_character_is_refused_and_nothing_else():
    characters = [chr(code) for code in range(0x3100)]  # the last blank is U+3000
    refused = {}
    for char in characters:
        try:
            expect_visible(f"https://cloud.example.org/{char}/x")
        except BadData as error:
            refused[char] = str(error).split(" in the URL")[0]
    assert refused == {
        char: "there is a blank" if char.isspace() else "there is a control character"
        for char in characters
        if char.isspace() or not char.isprintable()
    }
