"""Documents published at an address: followed within their host, kept within a size."""

from __future__ import annotations

from libprobe.clients.redirects import DOCUMENT
from libprobe.deadline import OVERLOADED
from libprobe.failures import BadData, HelperFailure, Misconfigured
from libprobe.formats.address import read_http_url
from libprobe.text import duration

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from libprobe.clients.http import HttpClient, Response
    from libprobe.deadline import Deadline
    from libprobe.failures import HasAsked


def get(http: HttpClient, url: str, *, max_bytes: int, headers: Iterable[tuple[str, str]] = ()) -> Response:
    """Ask for a document and return the answer, whatever its status.

    Redirects are followed within the same origin, and from http to https on the same host, which portals
    do; headers, which may hold a token, therefore never reach another host.
    Raises: the failures of `clients.http`; BadData for a body above `max_bytes`; Misconfigured for anything but a URL.
    """
    expect_url(url)
    with http.stream("GET", url, headers=headers, follow=DOCUMENT) as answer:
        return answer.whole(max_bytes)


def unread_failure(said: str, of: HasAsked, deadline: Deadline) -> HelperFailure:
    """The failure of a helper whose document was not read when the timer behind a deadline went off.

    said: what was not read, as it precedes the time: `page not read`. Where this machine took the larger part of the
    time, it says so, and what to do.
    """
    share = deadline.own_share()
    said = f"{said} within {duration(deadline.seconds)}"
    return HelperFailure(said, of=of, link="from", also=share, remedy=OVERLOADED if share else "")


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
