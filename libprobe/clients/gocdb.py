"""The GOCDB's programmatic interface: which endpoints a site registered.

Its failures are HelperFailure: no site is to blame for them. Answers are kept on disk; a stale one is
used, and said to be stale, when the GOCDB does not answer.
Source: gocdb.md sections 1 to 4 and 9.
"""

from __future__ import annotations

import hashlib
import json
import time
from typing import NamedTuple
from urllib.parse import urlencode

from libprobe.failures import BadData, Failure, HelperFailure, Misconfigured
from libprobe.formats import gocdb

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from libprobe.clients.http import HttpClient
    from libprobe.state.files import StateDirectory

DEFAULT_URL = "https://goc.egi.eu/gocdbpi/public/"
MAX_ANSWER = 8 << 20
MAX_CACHED = 1 << 20
MAX_STALE_S = 30 * 86400.0


class Found(NamedTuple):
    """The endpoints of a host, and how old that knowledge is.

    age_s:  seconds since it was asked for; 0 for an answer just received.
    reason: why it is not fresher, empty if it is fresh.
    """

    endpoints: list[gocdb.ServiceEndpoint]
    age_s: float = 0.0
    reason: str = ""


class Gocdb:
    """One GOCDB. http: with a deadline short enough to leave time for the check itself."""

    def __init__(self, http: HttpClient, url: str, cache: StateDirectory | None, *, cache_s: float) -> None:
        if not url.startswith(("https://", "http://")) or "?" in url or "#" in url:
            raise Misconfigured(f"{url!r} is not the URL of a GOCDB, like {DEFAULT_URL}")
        self.url = url.rstrip("/") + "/"
        self._http = http
        self._cache = cache
        self._cache_s = cache_s

    def endpoints_of(self, hostname: str, service_type: str) -> Found:
        """The registered endpoints of a host, as the GOCDB has it or had it. Raises: HelperFailure.

        service_type: exact; empty for all.
        Names are compared exactly here, without regard to case: the GOCDB takes `%` and `_` as wildcards.
        """
        query = {"method": "get_service_endpoint", "hostname": hostname, "scope": ""}
        if service_type:
            query["service_type"] = service_type
        url = f"{self.url}?{urlencode(query)}"
        name = f"gocdb-{hashlib.sha256(url.encode()).hexdigest()[:24]}.json"
        kept = self._kept(name)
        if kept and kept.age_s < self._cache_s:
            return kept
        try:
            endpoints = self._ask(url, hostname)
        except Failure as failure:
            if kept:
                return Found(kept.endpoints, kept.age_s, failure.sentence)
            raise HelperFailure(
                f"GOCDB {failure.sentence}", remedy="give the endpoint with -u, or another GOCDB with --gocdb"
            ) from None
        self._keep(name, endpoints)
        return Found(endpoints)

    def _ask(self, url: str, hostname: str) -> list[gocdb.ServiceEndpoint]:
        with self._http.stream("GET", url, headers=[("Accept", "application/xml")]) as answer:
            if answer.status != 200:
                raise HelperFailure(f"{answer.asked}: answered {answer.status} {answer.reason}")
            try:
                read = gocdb.read_service_endpoints(answer.chunks(MAX_ANSWER))
                return [each for each in read if each.hostname.lower() == hostname.lower()]
            except BadData as error:
                raise HelperFailure(f"{answer.asked}: {error.sentence.removeprefix(answer.asked + ': ')}") from None

    def _kept(self, name: str) -> Found | None:
        data = self._cache.read(name, MAX_CACHED) if self._cache else None
        if not data:
            return None
        try:
            document = json.loads(data)
            age = time.time() - float(document["at"])
            endpoints = list(_thawed(document["endpoints"]))
        except (ValueError, KeyError, TypeError, RecursionError):
            return None
        return Found(endpoints, age) if -60 <= age <= MAX_STALE_S else None

    def _keep(self, name: str, endpoints: list[gocdb.ServiceEndpoint]) -> None:
        if self._cache is None:
            return
        data = json.dumps({"at": time.time(), "endpoints": [each._asdict() for each in endpoints]}).encode()
        if len(data) <= MAX_CACHED:
            self._cache.write(name, data)


def _thawed(entries: object) -> Iterator[gocdb.ServiceEndpoint]:
    assert isinstance(entries, list)
    for entry in entries:
        yield gocdb.ServiceEndpoint(**{**entry, "scopes": tuple(entry["scopes"])})
