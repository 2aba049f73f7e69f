"""The pages of the accounting portal: when which site published its usage records.

Two kinds, told apart by their content:

* the table of 2015 (cloudsites2.html): one row per site with `Site`, `NumberOfMachines`, `CloudType` and
  `LastUpdated` among its headers, and a line `Page last updated: 2015-12-01 07:30:08.621071`;
* the later page of one site (<SITE>_Pub.html): a status such as
  `OK [ last published 2 days ago: 2021-02-27 ]`, and `lastBuild : 2021-03-01 05:10:00`.

No page names a zone; times are UTC, as a sister page of the first says. HTML is read as browsers read
it: attributes, upper case, line breaks, entities, links and left-out end tags make no difference.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from html.parser import HTMLParser

from libprobe.failures import BadData
from libprobe.formats import dates
from libprobe.formats.excerpt import excerpt
from libprobe.records import Record

MAX_ROWS = 20_000
MAX_CELLS = 64
MAX_CELL_CHARS = 1_000
MAX_TABLES_DEEP = 16
MAX_OUTSIDE_CHARS = 64 << 10
MAX_PENDING_CHARS = 64 << 10
"""Markup that is begun and not ended; html.parser looks at all of it again for each piece that comes."""
_SLICE_BYTES = 16 << 10

_SITE = frozenset({"site", "sitename"})
_UPDATED = frozenset({"lastupdated", "lastupdate", "lastupdatedutc", "updated"})
_MACHINES = frozenset({"numberofmachines", "machines", "numberofvms", "vms"})
_KIND = frozenset({"cloudtype", "type"})
_STATUS = frozenset({"publicationstatus", "synchronisationstatus", "synchronizationstatus"})

_DATE = re.compile(
    r"(\d{4})-(\d\d)-(\d\d)(?:[T ]\s*(\d\d):(\d\d):(\d\d)(?:[.,]\d{1,9})?\s*(?:Z|UTC|GMT|[+]00:?00)?)?",
    re.ASCII | re.IGNORECASE,
)
_PAGE_TIME = re.compile(
    r"(?:page\s+last\s+updated|last\s?build)\s*:?\s*(\d{4}-\d\d-\d\d[T ]\s*[0-9:.,]{5,20})", re.IGNORECASE
)
_STATUS_CELL = re.compile(r"(OK|WARN(?:ING)?|ERROR)\b\s*(.*)", re.DOTALL)
_PUBLISHED = re.compile(r"last\s+published\b[^:]{0,80}:\s*([0-9:. -]+)", re.IGNORECASE)
_NOT_OF_NAME = re.compile(r"[\W_]+")
_GROUPED = re.compile(r"\d{1,3}(?:[,.'\u2019 \u00a0\u202f]\d{3})+|\d+", re.ASCII)


class SiteRow(Record):
    """What the table says of one site, unchanged except that blanks are single.

    machines: None where it is no number.
    """

    site: str
    machines: int | None
    kind: str
    updated: str


class Publication(Record):
    """The later page's status of a site.

    word: OK, WARN or ERROR, the portal's own judgement. updated: empty if it names no date.
    text: the whole cell.
    """

    word: str
    updated: str
    text: str


class AccountingPage(Record):
    """A page of the portal.

    updated:      when the page was made, as an aware UTC instant; None if it does not say.
    is_table:     whether a table of sites was found, with rows or without.
    rows:         those of all such tables, in order.
    publications: the statuses of a page about one site.
    is_complete:  whether the page ended where a page can end.
    """

    updated: datetime | None
    is_table: bool
    rows: tuple[SiteRow, ...]
    publications: tuple[Publication, ...]
    is_complete: bool


def read_page(chunks: Iterable[bytes]) -> AccountingPage:
    """Read a page that comes in pieces of any size.

    A row that the page's end cuts off does not count: its date could be cut as well.
    Raises: BadData if it exceeds a limit of this module, or says when it was made by an impossible date.
    """
    reader = _TableParser()
    decode = codecs.getincrementaldecoder("utf-8")("replace").decode
    for chunk in chunks:
        for start in range(0, len(chunk), _SLICE_BYTES):
            reader.feed(decode(chunk[start : start + _SLICE_BYTES]))
            if len(reader.rawdata) > MAX_PENDING_CHARS:
                raise BadData(f"holds markup of more than {MAX_PENDING_CHARS >> 10} KiB that does not end")
    # close() is not called: it would take what was cut off for complete
    return AccountingPage(
        updated=_page_time(reader.outside),
        is_table=reader.is_table,
        rows=tuple(reader.rows),
        publications=tuple(reader.publications),
        is_complete=not reader.rawdata.strip() and (reader.is_ended or not reader.tables),
    )


def read_time(text: str) -> datetime:
    """Return a time as an aware UTC instant; fractions of a second are dropped.

    The portal writes YYYY-MM-DD hh:mm:ss; any other form is taken if it can mean one instant only (see `dates`).
    A date alone stands for the end of its day, so that nothing published on it is called older than it is.
    Raises: BadData for anything else, and for dates that no calendar has.
    """
    match = _DATE.fullmatch(text.strip())
    if match is None:
        instant, is_date_alone = dates.read_time(text)
    else:
        parts = [int(part) for part in match.groups() if part is not None]
        try:
            instant = datetime(*parts, tzinfo=UTC)  # type: ignore[misc, arg-type]
        except ValueError:
            raise BadData(f"{excerpt(text)!r} is a time that does not exist") from None
        is_date_alone = len(parts) == 3
    if not is_date_alone:
        return instant
    try:
        return instant + timedelta(days=1)
    except OverflowError:
        raise BadData(f"{excerpt(text)!r} is a time that does not exist") from None


def is_day(text: str) -> bool:
    """Whether a time that can be read is a date alone."""
    return ":" not in text


def _page_time(outside: str) -> datetime | None:
    match = _PAGE_TIME.search(outside)
    if match is None:
        return None
    try:
        return read_time(match[1].rstrip(".,:"))
    except BadData as error:
        raise BadData(f"says that it was made at an impossible time: {error.sentence}") from None


def _number(text: str) -> int | None:
    if len(text) > 24 or not _GROUPED.fullmatch(text):
        return None
    return int("".join(char for char in text if char.isdigit()))


class _Table:
    """A table that is open. columns: kind of column -> index, once the header row is seen."""

    def __init__(self) -> None:
        self.columns: dict[str, int] = {}
        self.cells: list[str] | None = None
        self.text: list[str] | None = None
        self.chars = 0
        self.span = 1


class _TableParser(HTMLParser):
    """Collects the rows of tables whose headers are known, and the text outside of tables."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.tables: list[_Table] = []
        self.rows: list[SiteRow] = []
        self.publications: list[Publication] = []
        self.is_table = False
        self.is_ended = False
        self._outside: list[str] = []
        self._outside_chars = 0
        self._hidden = ""

    @property
    def outside(self) -> str:
        return " ".join("".join(self._outside).split())

    def parse_marked_section(self, i: int, report: bool = True) -> int:
        """Python 3.11 asserts that it knows the keyword after `<![`; to browsers any other is a comment."""
        try:
            return super().parse_marked_section(i, report)
        except AssertionError:
            return self.parse_bogus_comment(i, report)

    # ---- events of the parser

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in ("script", "style"):
            self._hidden = tag
        elif tag == "table":
            if len(self.tables) >= MAX_TABLES_DEEP:
                raise BadData(f"tables within tables, more than {MAX_TABLES_DEEP} deep,")
            self.tables.append(_Table())
        elif tag == "tr" and self.tables:
            self._end_row()
            self.tables[-1].cells = []
        elif tag in ("td", "th") and self.tables:
            self._begin_cell(dict(attrs).get("colspan"))
        else:
            self.handle_data(" ")

    def handle_endtag(self, tag: str) -> None:
        if tag == self._hidden:
            self._hidden = ""
        elif tag == "table" and self.tables:
            self._end_row()
            self.tables.pop()
        elif tag in ("tr", "thead", "tbody", "tfoot") and self.tables:
            self._end_row()
        elif tag in ("td", "th") and self.tables:
            self._end_cell()
        elif tag in ("body", "html"):
            while self.tables:
                self._end_row()
                self.tables.pop()
            self.is_ended = True
        else:
            self.handle_data(" ")

    def handle_data(self, data: str) -> None:
        if self._hidden:
            return
        table = self.tables[-1] if self.tables else None
        if table is None:
            if self._outside_chars < MAX_OUTSIDE_CHARS:
                self._outside_chars += len(data)
                self._outside.append(data[:MAX_OUTSIDE_CHARS])
        elif table.text is not None and table.chars < MAX_CELL_CHARS:
            table.chars += len(data)
            table.text.append(data[:MAX_CELL_CHARS])

    # ---- rows and cells

    def _begin_cell(self, span: str | None) -> None:
        table = self.tables[-1]
        self._end_cell()
        if table.cells is None:
            table.cells = []
        table.text, table.chars = [], 0
        table.span = int(span) if span and span.isascii() and span.isdigit() and len(span) < 4 else 1

    def _end_cell(self) -> None:
        table = self.tables[-1]
        if table.text is None or table.cells is None:
            return
        text = " ".join("".join(table.text).split())
        for filler in [text, *[""] * (table.span - 1)][: MAX_CELLS - len(table.cells)]:
            table.cells.append(filler)
        table.text = None

    def _end_row(self) -> None:
        self._end_cell()
        table = self.tables[-1]
        cells, table.cells = table.cells, None
        if not cells:
            return
        columns = _columns(cells)
        if columns:
            table.columns = columns
            self.is_table = self.is_table or "site" in columns
        elif table.columns:
            self._add(table.columns, cells)

    def _add(self, columns: dict[str, int], cells: list[str]) -> None:
        def cell(kind: str) -> str:
            index = columns.get(kind, -1)
            return cells[index] if 0 <= index < len(cells) else ""

        if len(self.rows) + len(self.publications) >= MAX_ROWS:
            raise BadData(f"holds more than {MAX_ROWS} rows")
        if "site" in columns:
            if cell("site"):
                self.rows.append(SiteRow(cell("site"), _number(cell("machines")), cell("kind"), cell("updated")))
        elif match := _STATUS_CELL.match(cell("status")):
            published = _PUBLISHED.search(match[2])
            updated = published[1].strip() if published else ""
            self.publications.append(Publication(match[1], updated, match[0].strip()))


def _columns(cells: list[str]) -> dict[str, int]:
    """The columns that a header row names; empty if it is none that we know."""
    found: dict[str, int] = {}
    names = [_NOT_OF_NAME.sub("", cell.lower()) for cell in cells]
    for kind, known in (
        ("site", _SITE),
        ("updated", _UPDATED),
        ("machines", _MACHINES),
        ("kind", _KIND),
        ("status", _STATUS),
    ):
        index = next((index for index, name in enumerate(names) if name in known), None)
        if index is not None:
            found[kind] = index
    if "site" in found and "updated" in found:
        return found
    return {"status": found["status"]} if "status" in found else {}
