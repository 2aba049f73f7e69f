"""The accounting portal: a third party, so that whatever fails here is no site's fault."""

from __future__ import annotations

from functools import lru_cache
from urllib.parse import quote

from libprobe.clients import documents
from libprobe.deadline import OutOfTime
from libprobe.failures import Asked, EndpointFailure, HelperFailure, OwnCredential
from libprobe.formats import accounting
from libprobe.formats.address import host_port_of, without_query
from libprobe.records import Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from libprobe.clients.http import HttpClient

DEFAULT_URL = "http://goc-accounting.grid-support.ac.uk/cloudtest/cloudsites2.html"
MAX_PAGE = 2 << 20

WHOM = "accounting portal"
"""What a sentence calls it, before its host."""


MAX_KNOWN_PAGES = 2
"""Pages that are kept once they were read: the portal has one of all sites, which changes far less often than it is
asked for."""


class FetchedPage(Record):
    """A page, the address that was asked, and by how many seconds the portal's clock is ahead of ours, if known."""

    page: accounting.AccountingPage
    url: str
    clock_skew: float | None


class AccountingPortal:
    """One portal. url: of its page, in which `{site}` stands for the site's name."""

    def __init__(self, http: HttpClient, url: str = DEFAULT_URL) -> None:
        self._http = http
        self._url = url

    def page(self, site: str) -> FetchedPage:
        """Fetch and read the page. Raises: HelperFailure; Misconfigured for an unusable address."""
        url = self._url.replace("{site}", quote(site, safe=""))
        documents.expect_url(url)
        asked = Asked(f"{WHOM} {host_port_of(url)}", f"GET {without_query(url)}")
        try:
            answer = documents.get(self._http, url, max_bytes=MAX_PAGE, headers=[("Accept", "text/html, */*;q=0.1")])
            if answer.status != 200:
                raise answer.failure(EndpointFailure)
            page = _read_page(answer.body)
        except (EndpointFailure, OwnCredential) as failure:
            failure.placed(Asked(host_port_of(url), asked.request), "in the page of")
            raise failure.retold(HelperFailure, whom=WHOM) from None
        except OutOfTime:
            raise documents.unread_failure("page not read", asked, self._http.current_deadline()) from None
        if not page.is_table and not page.publications:
            what = "empty page" if not answer.body.strip() else "page without accounting data"
            title = [f"it is the {answer.page_description}"] if answer.page_description else []
            raise HelperFailure(what, of=asked, link="from", remedy="give its address with -u", more=title)
        return FetchedPage(page, url, self._http.clock_skew)


@lru_cache(MAX_KNOWN_PAGES)
def _read_page(body: bytes) -> accounting.AccountingPage:
    return accounting.read_page([body])
