"""The whole topology and the downtimes: paged, faulty, enormous, or from a saved copy."""

from __future__ import annotations

import contextlib
import re
import tracemalloc
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from benchmarks.ncg import write_topology
from libprobe.clients.gocdb import EndpointSelection, Gocdb, OutageIndex, SavedCopy
from libprobe.clients.http import HttpClient
from libprobe.deadline import Deadline
from libprobe.failures import HelperFailure, Misconfigured
from libprobe.formats.gocdb import Downtime
from libprobe.state.files import StateDirectory
from tests.federation import gocdb as pi
from tests.federation.faults import Faults
from tests.federation.web import Request, Response, WebServer
from tests.pace import AMPLE_S
from tests.programs.ncg import topology
from tests.programs.test_catalogue import endpoint

EVERYTHING = EndpointSelection(scopes=())


class Served:
    """A GOCDB of our own over plain HTTP, and a client for it."""

    def __init__(self) -> None:
        self.faults = Faults()
        self.content = pi.Gocdb(base_url=lambda: self.web.url, faults=self.faults, page_size=3)
        self.app = self.content.app
        self.web = WebServer("gocdb", lambda request: self.app(request), faults=self.faults)

    def client(self, seconds: float = AMPLE_S) -> Gocdb:
        return Gocdb(HttpClient(Deadline(seconds)), self.content.url, None, cache_s=0)

    def queries(self) -> list[dict[str, str]]:
        return [{name: values[-1] for name, values in each.request.query.items()} for each in self.web.requests]


@pytest.fixture
def served() -> Iterator[Served]:
    served = Served()
    topology.good(served.content)
    served.web.start()
    yield served
    served.web.stop()


def test_all_pages_are_read_and_everything_comes_once(served: Served) -> None:
    found = list(served.client().topology(EVERYTHING))
    assert [each.primary_key for each in found] == sorted(f"{each.id}G0" for each in served.content.services)
    assert next(query["next_cursor"] for query in served.queries()) == "0"
    assert len(served.queries()) == 3


def test_a_full_last_page_is_followed_by_an_empty_one(served: Served) -> None:
    del served.content.services[6:]
    assert len(list(served.client().topology(EVERYTHING))) == 6
    assert len(served.queries()) == 3


def test_a_gocdb_that_does_not_page_is_read_too(served: Served) -> None:
    served.app = lambda request: Response(200, [], topology.document(served.content))
    assert len(list(served.client().topology(EVERYTHING))) == len(served.content.services)


@pytest.mark.parametrize(
    ("wanted", "hosts"),
    [
        (EndpointSelection(), 7),
        (EndpointSelection(site="EXAMPLE"), 4),
        (EndpointSelection(site="EXAMPL_"), 0),
        (EndpointSelection(site="example"), 0),
        (EndpointSelection(frozenset({topology.OCCI})), 2),
        (EndpointSelection(frozenset({topology.OCCI, topology.PERUN})), 3),
        (EndpointSelection(frozenset({"eu.egi.cloud%"})), 0),
        (EndpointSelection(scopes=("Local",)), 0),
        (EndpointSelection(scopes=()), 8),
        (EndpointSelection(scopes=(), monitored_only=False), 9),
    ],
)
def test_a_selection_is_exact_live_and_saved(
    served: Served, tmp_path: Path, wanted: EndpointSelection, hosts: int
) -> None:
    """The GOCDB takes `_` and `%` for wildcards, and a saved copy is not filtered by anybody."""
    served.content.add_service(pi.Service("local.example.org", "other", "LOCAL", scopes=("Other",)))
    served.content.add_service(pi.Service("off.example.org", "other", "LOCAL", monitored=False, scopes=("Other",)))
    live = list(served.client().topology(wanted))
    assert len(live) == hosts
    copy = SavedCopy(str(topology.save(served.content, tmp_path)))
    assert sorted(copy.topology(wanted)) == sorted(live)


@pytest.mark.parametrize(
    ("body", "sentence"),
    [
        (b"<error>Unsupported parameter: x</error>", '^error "Unsupported parameter: x" in the answer of GOCDB'),
        (
            b"Unable to find method: x",
            r"^no document but 'Unable to find method: x' in the answer of GOCDB localhost:\d+$",
        ),
        (
            b"<html><body>Login</body></html>",
            r'^no results in the answer of GOCDB localhost:\d+; it begins "<html><body>Login',
        ),
        (
            b"<results><meta><count>5</count></meta></results>",
            r"^5 records announced on a page and 0 sent from GOCDB localhost:\d+$",
        ),
        (b"<results><a>&b</a></results>", "not well-formed"),
        (b"<results>" + b"<a>" * 50, "nested more than"),
    ],
)
def test_what_is_no_topology_is_the_gocdbs_failure(served: Served, body: bytes, sentence: str) -> None:
    served.app = lambda request: Response(200, [("Content-Type", "application/xml")], body)
    with pytest.raises(HelperFailure, match=sentence) as caught:
        list(served.client().topology(EVERYTHING))
    assert re.search(r" GOCDB localhost:\d+", caught.value.sentence)


def test_pages_that_lead_back_to_the_first_end(served: Served) -> None:
    def endless(request: Request) -> Response:
        request.query["next_cursor"] = ["0"]
        return served.content.app(request)

    served.app = endless
    with pytest.raises(HelperFailure, match=r"^pages that do not advance beyond 9004 from GOCDB localhost:\d+$"):
        list(served.client().topology(EVERYTHING))


def test_a_status_other_than_200_is_said(served: Served) -> None:
    served.app = lambda request: Response(503, [], b"")
    with pytest.raises(HelperFailure, match=r"^503 Service Unavailable from GOCDB localhost:\d+$"):
        list(served.client().topology(EVERYTHING))


def test_a_page_that_fails_in_the_middle_is_not_taken_for_the_end(served: Served) -> None:
    def second_fails(request: Request) -> Response:
        if request.query["next_cursor"] == ["0"]:
            return served.content.app(request)
        return Response(200, [], b"<error>The database is not available</error>")

    served.app = second_fails
    found = []
    with pytest.raises(HelperFailure):
        found.extend(served.client().topology(EVERYTHING))
    assert len(found) < len(served.content.services)


def test_what_is_kept_for_later_runs_is_what_was_answered(served: Served, tmp_path: Path) -> None:
    served.content.find("mq.example.org").extensions["K"] = "v"
    (tmp_path / "cache").mkdir(mode=0o700)
    with contextlib.closing(StateDirectory(str(tmp_path / "cache"))) as cache:
        client = Gocdb(HttpClient(Deadline(AMPLE_S)), served.content.url, cache, cache_s=3600)
        first = client.endpoints_of("mq.example.org", "")
        asked = len(served.queries())
        assert client.endpoints_of("mq.example.org", "").endpoints == first.endpoints
        assert [each.extensions for each in first.endpoints] == [(("K", "v"),)]
        assert len(served.queries()) == asked


# ---- Saved copies, and size


def test_eight_thousand_endpoints_are_read_in_bounded_memory(tmp_path: Path) -> None:
    write_topology(tmp_path / "large.xml", 8_000, bytes_each=1_000)
    assert (tmp_path / "large.xml").stat().st_size > 7 << 20
    tracemalloc.start()
    try:
        count = sum(1 for _ in SavedCopy(str(tmp_path / "large.xml")).topology(EndpointSelection()))
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert count == 8_000
    assert peak < 1 << 20


@pytest.mark.parametrize("path", ["", "/nonexistent", "/tmp", "/dev/zero"])
def test_what_is_no_file_is_said(path: str) -> None:
    with pytest.raises(Misconfigured):
        list(SavedCopy(path).topology(EVERYTHING))


# ---- Downtimes


def test_ongoing_outages_are_known_for_their_services(served: Served) -> None:
    cloud = served.content.find("cloud.example.org", topology.OCCI)
    six = served.content.find("six.example.org")
    perun = served.content.find("perun.example.org")
    now = datetime.now(UTC)
    served.content.add_downtime(cloud, description="power")
    served.content.add_downtime(six, severity="WARNING")
    served.content.add_downtime(perun, start=now + timedelta(hours=1), end=now + timedelta(hours=2))
    outages = OutageIndex(served.client().downtimes())
    down = {
        each.hostname + " " + each.service_type
        for each in served.client().topology(EVERYTHING)
        if outages.find_for(each)
    }
    assert down == {f"cloud.example.org {topology.OCCI}"}
    [found] = [outages.find_for(each) for each in served.client().topology(EVERYTHING) if outages.find_for(each)]
    assert found is not None
    assert found.description == "power"
    assert list(served.client().downtimes(site="OTHER.SITE_1")) == []
    assert len(list(served.client().downtimes(site="EXAMPLE"))) == 2


def test_downtimes_to_come_are_known_if_asked_for_and_what_is_over_today_is_not(served: Served) -> None:
    now = datetime.now(UTC)
    for service, hours in (("cloud.example.org", -1), ("six.example.org", 30), ("perun.example.org", -3)):
        start = now + timedelta(hours=hours)
        served.content.add_downtime(served.content.find(service), start=start, end=start + timedelta(hours=2))
    assert [each.hostname for each in served.client().downtimes()] == ["cloud.example.org"]
    asked = [each.hostname for each in served.client().downtimes(future=True)]
    assert asked == ["cloud.example.org", "six.example.org"]


def test_an_outage_of_one_endpoint_is_not_one_of_another(served: Served) -> None:
    urls = ("https://two.example.org:1/?image=a", "https://two.example.org:2/?image=a")
    endpoints = [pi.Endpoint(url) for url in urls]
    service = served.content.add_service(
        pi.Service("two.example.org", topology.OCCI, "EXAMPLE", urls[1], endpoints=endpoints)
    )
    served.content.add_downtime(service, endpoints=endpoints[:1])
    outages = OutageIndex(served.client().downtimes())
    unknown = {"primary_key": "", "endpoints": ()}
    assert outages.find_for(endpoint(hostname="TWO.example.org", url=urls[0], **unknown)) is not None
    assert outages.find_for(endpoint(hostname="two.example.org", url=urls[1], **unknown)) is None


def test_the_outage_that_ends_last_is_told(served: Served) -> None:
    cloud = served.content.find("cloud.example.org", topology.OCCI)
    now = datetime.now(UTC)
    for hours, description in ((1, "short"), (5, "long"), (2, "middle")):
        served.content.add_downtime(cloud, end=now + timedelta(hours=hours), description=description)
    told = OutageIndex(served.client().downtimes()).find_for(endpoint(primary_key=f"{cloud.id}G0"))
    assert told is not None
    assert told.description == "long"


def test_a_saved_copy_of_downtimes_is_judged_by_the_time_given(served: Served, tmp_path: Path) -> None:
    start = datetime(2026, 11, 1, tzinfo=UTC)
    cloud = served.content.find("cloud.example.org", topology.OCCI)
    served.content.add_downtime(cloud, start=start, end=start + timedelta(hours=2))
    saved = tmp_path / "downtimes.xml"
    saved.write_bytes(served.content._document({"method": "get_downtime", "scope": ""}, None))  # type: ignore[arg-type]
    copy = SavedCopy("", str(saved))

    def at(hours: float) -> list[Downtime]:
        return list(copy.downtimes(now=start + timedelta(hours=hours)))

    assert [len(at(hours)) for hours in (-0.1, 0, 1.9, 2)] == [0, 1, 1, 0]
    with_future = [len(list(copy.downtimes(now=start + timedelta(hours=hours), future=True))) for hours in (-9, 1, 2)]
    assert with_future == [1, 1, 0]
    assert list(SavedCopy("").downtimes()) == []


@pytest.mark.parametrize(
    "url", ["", "goc.example.org", "http://[", "https://", "https://goc:x/", "ftp://goc/", "https://goc/?x"]
)
def test_what_is_no_url_of_a_gocdb_is_our_mistake(url):
    with pytest.raises(Misconfigured, match=r"is not the URL of a GOCDB, like https://goc\.egi\.eu/"):
        Gocdb(None, url, None, cache_s=0)
