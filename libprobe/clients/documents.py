"""Documents published at an address: followed within their host, kept within a size."""

from __future__ import annotations

from libprobe.clients.http import (
    MAX_REDIRECTS,
    redirect_target,
    too_many_redirects,
    without_query,
)
from libprobe.failures import Asked, BadData, Misconfigured, ProtocolFailure
from libprobe.formats.address import host_port_of, read_http_url
from libprobe.formats.excerpt import excerpt

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from libprobe.clients.http import HttpClient, Response


def get(http: HttpClient, url: str, *, max_bytes: int, headers: Iterable[tuple[str, str]] = ()) -> Response:
    """Ask for a document and return the answer, whatever its status.

    Redirects are followed within the same origin, and from http to https on the same host, which portals
    do; headers, which may hold a token, therefore never reach another host.
    Raises: the failures of `clients.http`; BadData for a body above `max_bytes`; Misconfigured for anything but a URL.
    """
    expect_url(url)
    sent = list(headers)
    asked = Asked(host_port_of(url), f"GET {without_query(url)}")
    here = url
    for _ in range(MAX_REDIRECTS + 1):
        with http.stream("GET", here, headers=sent, follow=False) as answer:
            target = answer.header("Location") if answer.is_redirect else None
            if not target:
                answer.asked = asked.request
                return answer.whole(max_bytes)
        here = _target(asked, here, target)
    raise too_many_redirects(asked, here)


def expect_url(url: str) -> None:
    """Make sure that it is an http or https URL without a user in it. Raises: Misconfigured.

    What has an @ and is no URL is not repeated: what stands before it may be a token, however the URL is written.
    """
    if is_url(url):
        return
    if "@" in url:
        raise Misconfigured("the URL has a user or token in it", remedy="put the token into the file of --token-file")
    raise Misconfigured(f"{url!r} is not an http or https URL")


def is_url(url: str) -> bool:
    """Whether it is an http or https URL with a host and no impossible port."""
    try:
        read_http_url(url)
    except BadData:
        return False
    return True


def _target(asked: Asked, here: str, target: str) -> str:
    absolute, new = redirect_target(asked, here, target)
    old = read_http_url(here)
    upgrades = new is not None and (old.scheme, new.scheme, new.host) == ("http", "https", old.host)
    if new != old and not upgrades:
        where = without_query(absolute)
        raise ProtocolFailure(
            f"redirect to another host ({excerpt(where, 60)})",
            of=asked,
            link="from",
            more=[f"redirected to: {where[:400]}"],
        )
    return absolute
