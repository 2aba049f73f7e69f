"""The federation's information system: a third party, so that whatever fails here is no site's fault.

Its answer has all sites, so it is kept for a while for the checks of the others: in our own state directory, and within
a size. A copy that is no longer fresh is used, and said to be so, while the information system fails.
Source: cloud-info-api. Asked without the slash after `sites` it redirects to http.
"""

from __future__ import annotations

import json
import time
from urllib.parse import quote

from libprobe.clients import documents
from libprobe.deadline import OutOfTime
from libprobe.failures import Asked, BadData, EndpointFailure, HelperFailure, Misconfigured, OwnCredential
from libprobe.formats import cloud_info
from libprobe.formats.address import host_port_of, without_query
from libprobe.records import Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager

    from libprobe.clients.http import HttpClient
    from libprobe.deadline import Deadline
    from libprobe.state.files import StateDirectory

DEFAULT_URL = "https://is.cloud.egi.eu"
MAX_ANSWER = 2 << 20
MAX_NAME = 150
WHOM = "information system"
"""What a sentence calls it, before its host."""

NOT_JUDGED = "the endpoint was not judged"

FRESH_S, MAX_STALE_S = 600.0, 6 * 3600.0


class FederationSites(Record):
    """The sites, how old that knowledge is (s), and why it is not fresher: empty if it was just asked for."""

    sites: list[cloud_info.Site]
    age_s: float = 0.0
    reason: str = ""
    cache_error: str = ""


class CloudInfo:
    """One information system. http: with a deadline short enough to leave time for the site."""

    def __init__(self, http: HttpClient, url: str, cache: StateDirectory, now: Callable[[], float] = time.time) -> None:
        documents.expect_url(url)
        if "?" in url or "#" in url:
            raise Misconfigured(f"{url!r} is not the URL of an information system, like {DEFAULT_URL}")
        self.url = without_query(url).rstrip("/")
        self._http = http
        self._cache = cache
        self._now = now

    def using_deadline(self, deadline: Deadline) -> AbstractContextManager[None]:
        """Let another deadline hold for what is asked in the block."""
        return self._http.using_deadline(deadline)

    def sites(self, *, fresh: bool = False) -> FederationSites:
        """All sites. fresh: ask in any case. Raises: HelperFailure where it fails and no copy is there."""
        kept = self._read_cache()
        if kept and kept.age_s < FRESH_S and not fresh:
            return kept
        try:
            body, sites = self._fetch_sites()
        except HelperFailure as failure:
            if kept:
                return kept._replace(reason=failure.sentence)
            raise
        try:
            self._cache.write(self._name, body)
        except Misconfigured as failure:
            return FederationSites(sites, cache_error=failure.sentence)
        return FederationSites(sites)

    def _fetch_sites(self) -> tuple[bytes, list[cloud_info.Site]]:
        url = f"{self.url}/sites/"
        try:
            answer = documents.get(
                self._http,
                f"{url}?include_projects=true",
                max_bytes=MAX_ANSWER,
                headers=[("Accept", "application/json")],
            )
            if answer.status != 200:
                raise answer.failure(BadData)
            if not answer.body.strip():
                raise answer.bad_answer("empty answer")
            return answer.body, answer.read_json(cloud_info.read_sites)
        except (EndpointFailure, OwnCredential) as failure:
            failure.more = (*failure.more, NOT_JUDGED)
            raise failure.retold(HelperFailure, whom=WHOM) from None
        except OutOfTime:
            asked = Asked(f"{WHOM} {host_port_of(url)}", f"GET {url}")
            raise documents.unread_failure("answer not read", asked, self._http.current_deadline()) from None
        finally:
            self._http.close()  # nothing else is asked there; where descriptors are short, the site needs them

    @property
    def _name(self) -> str:
        return f"cloudinfo-{quote(self.url.partition('://')[2], safe='')[-MAX_NAME:]}.json"

    def _read_cache(self) -> FederationSites | None:
        """The copy of an earlier answer; None where there is none, or one that is too old or damaged."""
        written = self._cache.modified_at(self._name)
        age = None if written is None else self._now() - written
        if age is None or not 0 <= age <= MAX_STALE_S:
            return None
        try:
            body = self._cache.read(self._name, MAX_ANSWER)
            return FederationSites(cloud_info.read_sites(json.loads(body)), age) if body else None
        except (BadData, ValueError, RecursionError, Misconfigured):
            return None  # it is asked for anew, and the file then replaced
