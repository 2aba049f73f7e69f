"""Where a service listens: host and port of an endpoint as a GOCDB URL, a BDII entry or a person writes it.

    https://cloud.example.org:8787/?image=a    stomp+ssl://mq.example.org/    cloud.example.org:8787    [2001:db8::7]:80

Only what a connection needs is read; path and query are the business of whoever speaks the protocol.
"""

from __future__ import annotations

import re
from functools import lru_cache

from libprobe.failures import BadData
from libprobe.formats.excerpt import excerpt
from libprobe.records import Record

MAX_CHARS = 2_048
MAX_KNOWN = 256
"""Addresses that are kept once they were read: a check reads its own several times, a worker those of all checks."""

DEFAULT_PORTS = {
    "http": 80,
    "https": 443,
    "ldap": 389,
    "ldaps": 636,
    "stomp": 6163,
    "stomp+ssl": 6162,
    "stomp+tls": 6162,
    "stomps": 6162,
    "openwire": 6166,
    "openwire+ssl": 6167,
    "amqp": 5672,
    "amqps": 5671,
    "ssh": 22,
}
"""Ports by scheme; those of message brokers as EGI's network and its NCG have them."""

SECURE = frozenset({"https", "ldaps", "stomp+ssl", "stomp+tls", "stomps", "openwire+ssl", "amqps"})

PLAIN = frozenset(DEFAULT_PORTS) - SECURE - {"ssh"}
"""Schemes of which each has a twin with TLS: what is registered by one of them has no certificate."""

SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]{0,30})://")
HOST_NAME = re.compile(r"[A-Za-z0-9_](?:[A-Za-z0-9_.-]{0,251}[A-Za-z0-9_])?\.?")


class Address(Record):
    """scheme: in lower case, empty if none is written. host: in lower case, IPv6 without brackets."""

    scheme: str
    host: str
    port: int | None

    @property
    def port_or_default(self) -> int | None:
        """The port as written, else the scheme's; None where the scheme has none that we know."""
        return self.port if self.port is not None else DEFAULT_PORTS.get(self.scheme)

    @property
    def is_secure(self) -> bool:
        return self.scheme in SECURE


def read_address(text: str) -> Address:
    """Read a URL, or host:port. Raises: BadData with a sentence that says what is wrong with which part."""
    url = text.strip()
    if not url:
        raise BadData("the endpoint has no URL")
    if len(url) > MAX_CHARS:
        raise BadData(f"the URL has {len(url)} characters, more than {MAX_CHARS}")
    return _read_url(url)


@lru_cache(MAX_KNOWN)
def _read_url(url: str) -> Address:
    """As `read_address`, of a text without the blanks around it: it is kept, and they may be megabytes."""
    expect_visible(url)
    match = SCHEME.match(url)
    rest = url[match.end() :] if match else url
    host, port = read_authority(authority_of(rest), url)
    return Address(match[1].lower() if match else "", host, port)


def read_http_url(url: str) -> Address:
    """Read an http or https URL; the port is always set. Raises: BadData.

    This is the one reader for whoever compares an address and whoever connects to it. What two readers could take for
    different hosts is refused: blanks, control characters, backslashes, user information, letters beyond ASCII.
    """
    expect_unambiguous(url)
    address = read_address(url)
    if address.scheme not in ("http", "https"):
        raise BadData(f"the URL {without_password(url)} does not begin with https:// or http://")
    return address._replace(port=address.port_or_default)


class NormalizedUrl(Record):
    """Where a URL leads, in a form in which two ways to write the same are equal. query: its parameters, sorted."""

    scheme: str
    host: str
    port: int | None
    path: str
    query: tuple[str, ...]

    def is_same_as(self, other: NormalizedUrl) -> bool:
        """Whether both lead to the same; parameters that only one of them has ask for something there."""
        return self[:4] == other[:4] and (self.query == other.query or not (self.query and other.query))


def normalize_url(text: str) -> NormalizedUrl:
    """Where a URL leads, however it is written: slash at its end, default port, case of the host, order of parameters.

    Anything but a URL is equal only to itself.
    """
    url = text.strip()
    try:
        address = read_address(url)
    except BadData:
        return NormalizedUrl("", url, None, "", ())
    place, _, query = url.partition("#")[0].partition("?")
    path = place.partition("://")[2].partition("/")[2] if "://" in place else place.partition("/")[2]
    # `&amp;` that was escaped twice leaves an empty parameter `amp`
    parameters = sorted(each for each in re.split("[&;]", query) if each not in ("", "amp"))
    return NormalizedUrl(address.scheme, address.host, address.port_or_default, path.strip("/"), tuple(parameters))


def same_origin(first: str, second: str) -> bool:
    """Whether scheme, host and port of two URLs are equal. Raises: BadData for anything but an http(s) URL."""
    return read_http_url(first) == read_http_url(second)


def join_url(base: str, reference: str) -> str:
    """Where a reference, as in a redirect, leads from an http or https URL. Raises: BadData.

    The standard library's joining drops some characters silently: they are refused before.
    """
    from urllib.parse import urljoin

    expect_unambiguous(reference)
    try:
        return urljoin(base, reference)
    except ValueError:
        raise BadData(f"{without_password(reference)} is no URL") from None


def expect_unambiguous(url: str) -> None:
    """Refuse what one reader drops, or takes for a slash, and another does not. Raises: BadData."""
    if url != url.strip():
        raise BadData(f"there is a blank around the URL {without_password(url)}")
    if "\\" in url:
        raise BadData(f"there is a backslash in the URL {without_password(url)}")
    expect_visible(url)


def authority_of(rest: str) -> str:
    """What stands before path, query and fragment, of what follows the scheme of a URL."""
    return re.split(r"[/?#]", rest, maxsplit=1)[0]


def path_of(url: str) -> str:
    """What stands between the authority of a URL and its query or fragment."""
    rest = re.split(r"[?#]", url.partition("://")[2], maxsplit=1)[0]
    return f"/{rest.partition('/')[2]}" if "/" in rest else ""


def expect_visible(url: str) -> None:
    """Refuse blanks and control characters. Raises: BadData."""
    if url.isprintable() and " " not in url:  # of all blanks, this one alone is printable
        return
    for char in url:
        if char.isspace():
            raise BadData(f"there is a blank in the URL {without_password(url)}")
        if not char.isprintable():
            raise BadData(f"there is a control character in the URL {without_password(url)}")


def bracketed(host: str) -> str:
    """A host as a URL has it: an IPv6 address in brackets."""
    return f"[{host}]" if ":" in host else host


def host_and_port(host: str, port: int | str) -> str:
    """`host:port`, an IPv6 address in brackets."""
    return f"{bracketed(host)}:{port}"


def host_port_of(url: str) -> str:
    """Host and port of a URL, as a sentence names who was asked; empty for anything but a URL."""
    try:
        address = read_address(url)
    except BadData:
        return ""
    port = address.port_or_default
    return host_and_port(address.host, port) if port else address.host


def read_authority(authority: str, url: str) -> tuple[str, int | None]:
    """Return host and port of what stands between scheme and path; the port is None if none is written.

    url: the whole, for the sentence. Raises: BadData.
    """
    try:
        if "@" not in authority:
            return _read_authority(authority, url)
    except BadData:
        if "@" not in url:  # else what is wrong with it may be a part of a password, with a slash in it
            raise
    raise BadData("the URL has a user name or password before its host, which everybody can read")


def _read_authority(authority: str, url: str) -> tuple[str, int | None]:
    if authority.startswith("["):
        host, bracket, rest = authority[1:].partition("]")
        if not bracket or (rest and not rest.startswith(":")):
            raise BadData(f"the IPv6 address in {without_password(url)} is not in brackets")
        return _read_ipv6(host), _read_port(rest[1:])
    if authority.count(":") > 1:
        raise BadData(f"{without_password(authority)} is not host:port or an IPv6 address in brackets")
    host, _, port = authority.partition(":")
    if not host:
        raise BadData(f"the URL {without_password(url)} names no host")
    if not HOST_NAME.fullmatch(host) or ".." in host:
        raise BadData(f"{without_password(host)} in the URL is not a host name")
    return host.lower().removesuffix("."), _read_port(port)


def _read_ipv6(text: str) -> str:
    from ipaddress import IPv6Address

    try:
        if "%" in text:
            raise ValueError
        return str(IPv6Address(text))
    except ValueError:
        raise BadData(f"{without_password(text)} in the URL is not an IPv6 address") from None


def _read_port(text: str) -> int | None:
    """Return the port; `host:` without one is allowed (RFC 3986 section 3.2.3) and means none."""
    if not text:
        return None
    if not re.fullmatch(r"[0-9]{1,5}", text) or not 1 <= int(text) <= 65535:
        raise BadData(f"the port {without_password(text)} in the URL is not a number from 1 to 65535")
    return int(text)


def without_query(url: str) -> str:
    """The URL as shown to people: no query and no user information. Raises: ValueError for anything but a URL."""
    from urllib.parse import urlsplit

    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"


def without_password(text: str) -> str:
    """Return a value for a sentence, without what could be a password."""
    if "@" in text:  # wherever it stands: a password may have a slash in it, and a URL may lack its scheme
        scheme = SCHEME.match(text)
        text = f"{scheme[0] if scheme else ''}...@{text.rpartition('@')[2]}"
    return f'"{excerpt(text, 120)}"'
