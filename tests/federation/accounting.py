"""The accounting portal: the table of all sites, and one page per site as later versions have them.

    /cloudtest/cloudsites2.html    one row per site of the federation
    /rss/<SITE>_Pub.html           the publication status of one site

Every page is made when it is asked for. Sources: see tests/data/apel/README.md.
"""

from __future__ import annotations

import urllib.parse
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from html import escape

from .faults import Fault, Faults, register
from .web import Request, Response

DAY_S = 86400.0
SERVICE_TYPE = "eu.egi.cloud.accounting"
TABLE_PATH = "/cloudtest/cloudsites2.html"

FAULTS = {
    "page-age": Fault("The portal's pages were made `seconds` ago, by what they say.", {"seconds": 2 * DAY_S}),
    "absent-site": Fault("The portal does not list `site`.", {"site": None}),
    "cut-page": Fault("The portal's page ends after `part` of it, with a fitting Content-Length.", {"part": 0.6}),
    "odd-markup": Fault("The portal's table has attributes, upper case, links, entities and no end tags."),
}
register(FAULTS)


@dataclass
class Record:
    """What a site published. age: how long ago. site: its name as the portal spells it. form: of its time."""

    site: str
    age: timedelta = timedelta(hours=2)
    machines: int = 1492
    kind: str = "OpenStack"
    form: str = "%Y-%m-%d %H:%M:%S"


@dataclass
class Accounting:
    """The portal and its content. body: serve this instead of any page of its own."""

    faults: Faults = field(default_factory=Faults)
    clock: Callable[[], datetime] = lambda: datetime.now(UTC)
    records: list[Record] = field(default_factory=list)
    body: bytes | None = None

    def reset(self, sites: list[str]) -> None:
        """Have one fresh record of each site, and no faults."""
        self.records = [Record(site) for site in sites]
        self.body = None
        self.faults.clear()

    def publishes(self, site: str, **changes: object) -> Record:
        """Change what a site published, or add a site."""
        record = next((each for each in self.records if each.site == site), None)
        if record is None:
            record = Record(site)
            self.records.append(record)
        for name, value in changes.items():
            setattr(record, name, value)
        return record

    # -- serving --

    def app(self, request: Request) -> Response:
        if request.method not in ("GET", "HEAD"):
            return Response(405, [("Allow", "GET, HEAD")])
        body = self.body if self.body is not None else self._page(urllib.parse.unquote(request.path))
        if body is None:
            return Response(404, [("Content-Type", "text/html")], b"<html><body><h1>Not Found</h1></body></html>\n")
        if (fault := self.faults.take("cut-page", request.method, request.path)) is not None:
            body = body[: int(len(body) * float(fault["part"]))]
        return Response(200, [("Content-Type", "text/html")], body)

    def _page(self, path: str) -> bytes | None:
        absent = self.faults.take("absent-site", "GET", path)
        records = [each for each in self.records if absent is None or each.site != absent["site"]]
        now = self.clock()
        stale = self.faults.take("page-age", "GET", path)
        made = now - timedelta(seconds=stale["seconds"] if stale else 60)
        if path == TABLE_PATH:
            odd = self.faults.take("odd-markup", "GET", path) is not None
            return (_odd_table if odd else _table)(records, now, made).encode()
        for record in records:
            if path == f"/rss/{record.site}_Pub.html":
                return _publication(record, now, made).encode()
        return None


def _table(records: list[Record], now: datetime, made: datetime) -> str:
    rows = "".join(
        f"<tr><td>{escape(each.site)}</td><td>{each.machines}</td><td>{escape(each.kind)}</td>"
        f"<td>{(now - each.age).strftime(each.form)}</td></tr>\n"
        for each in records
    )
    return (
        "<html><head><title>Sites publishing new cloud accounting records (SSM 2.0)</title></head>\n<body>\n"
        f"<p>Page last updated: {made:%Y-%m-%d %H:%M:%S.%f}</p>\n<table border=1>\n"
        "<tr><th>Site</th><th>NumberOfMachines</th><th>CloudType</th><th>LastUpdated</th></tr>\n"
        f"{rows}</table>\n</body></html>\n"
    )


def _odd_table(records: list[Record], now: datetime, made: datetime) -> str:
    """The same as browsers would show it, in every way that differs from `_table`."""
    rows = "".join(
        f"<TR class='row' ALIGN=\"left\">\n <TD>{now - each.age:%Y-%m-%d %H:%M:%S}.123456\n <td title='a > b'>"
        f'<a href="/site/{urllib.parse.quote(each.site)}">&#32;{escape(each.site)}&nbsp;</a>'
        f"<td>{each.machines:,}<!-- <td>0</td> --><TD colspan=2>{escape(each.kind)}<br></TD>"
        for each in records
    )
    return (
        "<!DOCTYPE html>\n<HTML><style>td > a { color: red }</style><BODY>\n"
        "<table><tr><td>Menu<td>Site map</table>\n"
        f"<P><b>Page last updated</b>:\n<i>{made:%Y-%m-%d %H:%M:%S}</i>\n<TABLE BORDER=0>\n"
        "<THEAD><TR><TH>Last&nbsp;Updated<TH><b>Site</b>\n<TH>Number of Machines<TH>Cloud Type<TH>Comment</THEAD>\n"
        f"<TBODY>{rows}</TABLE>\n<table><tr><th>Site<th>Remark<tr><td>NOBODY<td>left</table>\n"
    )


def _publication(record: Record, now: datetime, made: datetime) -> str:
    day = now - record.age
    days = (now.date() - day.date()).days
    word = "OK" if days <= 7 else "WARN" if days <= 30 else "ERROR"
    return (
        f"<html><head><title>{escape(record.site)}</title></head><body>\n<table border=1>\n"
        f'<tr><td colspan="3">Publication test of {escape(record.site)}</td></tr>\n'
        "<tr><th>Site</th><th>Records</th><th>Publication  Status</th></tr>\n"
        f"<tr><td>{escape(record.site)}</td><td>{record.machines}</td>"
        f"<td>{word} [ last published {days} days ago: {day:%Y-%m-%d} ]</td></tr>\n</table>\n"
        f"<ul><li>lastBuild : {made:%Y-%m-%d %H:%M:%S}.00</li></ul>\n</body></html>\n"
    )
