"""Redirects: which ones are followed, where one leads, and what is said of one that leads elsewhere, or to no end.

A redirect is followed within the same origin; so headers, tokens and a body, which go along as they are, never reach
another host.
"""

from __future__ import annotations

import re
from urllib.parse import urlsplit

from libprobe.failures import BadData, ProtocolFailure
from libprobe.formats.address import join_url, read_http_url, without_password, without_query
from libprobe.formats.excerpt import excerpt
from libprobe.records import Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from libprobe.failures import HasAsked
    from libprobe.formats.address import Address

MAX_REDIRECTS = 3

_BY_GET, _BY_OTHERS = (301, 302, 303, 307, 308), (301, 302, 307, 308)
"""What a GET, or HEAD, follows; and what another request may, for 303 asks for a GET in its place."""


class RedirectRule(Record):
    """Which redirects are followed.

    any_method:  those of all requests, and not of GET and HEAD only.
    to_https:    from http to https on the same host as well, whatever the port.
    elsewhere:   in a sentence, the place to which none is followed.
    is_answer:   one that leads elsewhere, or is one too many, is an answer like any other, and no failure.
    """

    any_method: bool = False
    to_https: bool = False
    elsewhere: str = "another origin"
    is_answer: bool = False

    def next_url(self, asked: HasAsked, method: str, here: str, status: int, target: str, count: int) -> str:
        """Where a request is sent next; empty where its answer is the last one.

        asked: the request as it was sent first. here: the URL that was answered, with this status.
        target: the Location of the answer, empty without one. count: how many redirects were followed before.
        Raises: ProtocolFailure for a redirect that is not followed.
        """
        is_get = method in ("GET", "HEAD")
        if not target or status not in (_BY_GET if is_get else _BY_OTHERS if self.any_method else ()):
            return ""
        url, leads_to = _target(asked, here, target)
        if not self._follows(read_http_url(here), leads_to):
            if self.is_answer:
                return ""
            where = _without_login(url)
            raise ProtocolFailure(
                f"redirect to {self.elsewhere} ({excerpt(where, 60)})",
                of=asked,
                link="from",
                more=[f"redirected to: {where[:400]}, where no credential of ours goes"],
            )
        if count < MAX_REDIRECTS:
            return url
        if self.is_answer:
            return ""
        last = f"the last to {without_query(url)}"
        raise ProtocolFailure(f"more than {MAX_REDIRECTS} redirects", of=asked, link="from", also=last)

    def _follows(self, old: Address, new: Address | None) -> bool:
        if new is None or new == old:
            return new is not None
        return self.to_https and (old.scheme, new.scheme, new.host) == ("http", "https", old.host)


SAME_ORIGIN = RedirectRule()
DOCUMENT = RedirectRule(to_https=True, elsewhere="another host")
"""Of what a portal publishes: many lead from http to https."""
SERVICE = RedirectRule(any_method=True, is_answer=True)
"""Of a service that has its paths with a slash at their end, or without one, and a web server that mends it."""


def _target(asked: HasAsked, here: str, target: str) -> tuple[str, Address | None]:
    """Where a redirect leads from an http(s) URL, and that as an address, None for another scheme.

    Raises: ProtocolFailure for anything but a URL.
    """
    try:
        absolute = join_url(here, target)
        is_http = urlsplit(absolute).scheme in ("http", "https")
        return absolute, read_http_url(absolute) if is_http else None
    except (ValueError, BadData):
        # it may hold a password or a token of somebody's
        where = without_password(re.split(r"[?#]", target, maxsplit=1)[0][:80])
        raise ProtocolFailure(f"redirect to an unusable URL, {where},", of=asked, link="from") from None


def _without_login(url: str) -> str:
    """As `without_query`, for anything but a web address as well: there, what is before an @ can be a password too."""
    text = without_query(url)
    return f"...@{text.rpartition('@')[2]}" if "@" in text else text
