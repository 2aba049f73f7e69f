"""Whether a site's accounting records are fresh, as the accounting portal shows it.

The site is to blame for old records and for not being listed; everything else (a page that cannot be
read, is old itself or says impossible things) is the portal's fault. So is a page on which every site's records
are old: that several sites stop at once is far less likely than that the portal takes nothing up any more.
"""

from __future__ import annotations

from contextlib import suppress
from datetime import UTC, datetime

from nagiosplugin import Metric

from libprobe.checks.base import Check, outcome_metric
from libprobe.clients.accounting import WHOM
from libprobe.failures import CRITICAL, WARNING, Asked, BadData, Failure, HelperFailure
from libprobe.formats import accounting
from libprobe.formats.address import host_port_of, without_query
from libprobe.text import duration, number_of, similar

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Protocol

    from libprobe.clients.accounting import FetchedPage
    from libprobe.deadline import Deadline
    from libprobe.targets.sites import AccountedSite

    class PageSource(Protocol):
        def page(self, site: str) -> FetchedPage: ...


OTHER_SITES = 3
"""How many other sites have to be as late, and all that are listed, for it to be the portal that is stuck."""

FUTURE_S = 300.0
"""How far ahead of our clock another's may be."""


class SiteAccounting(Check):
    """Asks the portal when a site published last.

    page_age: seconds from which on the page itself is too old to judge anybody by; 0 for no limit.
    limit:    seconds from which on a record counts against its site; 0: never.
    now:      the instant to judge at, aware.
    Yields: record_age (s), machines, page_age (s), and judgements.
    """

    def __init__(
        self,
        portal: PageSource,
        site: AccountedSite,
        deadline: Deadline,
        *,
        page_age: float = 86400.0,
        limit: float = 0.0,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        super().__init__(deadline)
        self.subject = site.name
        self._portal = portal
        self._site = site
        self._page_age = page_age
        self._limit = limit
        self._now = now
        self._notes: list[str] = []
        self.facts.update(site=site.name, notes="")
        for note in site.notes:
            self._note(note)

    def measure(self) -> Iterator[Metric]:
        fetched = self._portal.page(self._site.name)
        where = f"{WHOM} {host_port_of(fetched.url)}"
        now = self._now()
        self.detail(1, f"accounting page {without_query(fetched.url)}")
        if fetched.page.updated:
            age = self._seconds_since(fetched.page.updated, now, "page last updated", where, fetched.clock_skew)
            self.detail(1, f"page last updated: {fetched.page.updated:%Y-%m-%d %H:%M:%S} UTC")
            yield Metric("page_age", age, "s", min=0)
            if 0 < self._page_age <= age:
                limit = f"limit {duration(self._page_age)}"
                raise HelperFailure(
                    f"page last updated {duration(age)} ago ({limit})",
                    of=Asked(where),
                    also=f"whether {self.subject} publishes is not known",
                )
        if fetched.page.publications:
            yield from self._judge_publication(fetched, where, now)
        else:
            yield from self._judge_row(fetched, where, now)

    def _note(self, text: str) -> None:
        self._notes.append(text)
        self.facts["notes"] = f" [{'; '.join(self._notes)}]"

    # ---- the table of all sites

    def _judge_row(self, fetched: FetchedPage, where: str, now: datetime) -> Iterator[Metric]:
        row = self._find_row(fetched.page, where)
        if row is None:
            self._expect_portal_is_current(fetched.page, where, now)
            absent: Failure = BadData(self._describe_absence(fetched.page, where))
            if self._site.blame:
                absent = self._site.blame(absent)
            yield self.failed(absent)
            return
        if row.site != self.subject:
            self._note(f"listed as {row.site}")
        updated = self._time(row.updated, where)
        age = self._seconds_since(updated, now, f"{row.site} last updated", where, fetched.clock_skew)
        self.detail(1, f"{row.site}: last updated {row.updated} UTC, {row.kind or 'of no type'}")
        if self._limit and age >= self._limit:
            self._expect_portal_is_current(fetched.page, where, now, row.site)
        if row.machines is not None:
            yield Metric("machines", row.machines, min=0)
        yield self._record_age(age)

    def _expect_portal_is_current(
        self, page: accounting.AccountingPage, where: str, now: datetime, site: str = ""
    ) -> None:
        """Make sure that the portal has fresh records of some other site, before this one is blamed.

        A row whose date cannot be read says nothing. Raises: HelperFailure where none of the others is younger than
        the limit, and they are several.
        """
        newest: dict[str, datetime] = {}
        for row in page.rows:
            if row.site.casefold() != site.casefold():
                with suppress(BadData):
                    updated = accounting.read_time(row.updated)
                    newest[row.site] = max(updated, newest.get(row.site, updated))
        if not self._limit or len(newest) < OTHER_SITES:
            return
        youngest = (now - max(newest.values())).total_seconds()
        if youngest >= self._limit:
            others = f"the {number_of(len(newest), 'other site')}" if site else f"its {number_of(len(newest), 'site')}"
            raise HelperFailure(
                f"stuck: none of {others} updated for {duration(youngest)}{' either' if site else ''}",
                of=Asked(where),
                also=f"whether {self.subject} publishes is not known",
                remedy="tell its operators",
            )

    def _find_row(self, page: accounting.AccountingPage, where: str) -> accounting.SiteRow | None:
        """The site's row: by its exact name, by its alias, or by its name in another case.

        Raises: HelperFailure when that is ambiguous, or the page broke off before.
        """
        if not page.rows and page.is_complete:
            raise HelperFailure("no site listed at all", of=Asked(where), link="by")
        names = [self._site.name, *([self._site.alias] if self._site.alias else [])]
        exact = [[row for row in page.rows if row.site == name] for name in names]
        folded = [[row for row in page.rows if row.site.casefold() == name.casefold()] for name in names]
        rows = next((found for found in (*exact, *folded) if found), None)
        if rows is None:
            if not page.is_complete:
                said = f"page breaks off after {number_of(len(page.rows), 'site')}, without {self.subject},"
                raise HelperFailure(said, of=Asked(where), link="from")
            return None
        if len({(row.site, row.updated) for row in rows}) > 1:
            listed = ", ".join(f"{row.site} {row.updated}" for row in rows[:3])
            said = f"{len(rows)} rows for {self.subject} that differ"
            raise HelperFailure(said, of=Asked(where), also=listed)
        return rows[0]

    def _describe_absence(self, page: accounting.AccountingPage, where: str) -> str:
        names = {row.site.casefold()[:60]: row.site for row in page.rows[:1000]}
        near = similar(self.subject.casefold()[:60], names, count=3, most=len(names))
        alike = f"; similar: {', '.join(names[each] for each in near)}" if near else ""
        self.detail(1, "a site's records have to carry its name in the GOCDB")
        return f"{self.subject} not among {number_of(len(page.rows), 'site')} on {where}{alike}"

    # ---- the page of one site

    def _judge_publication(self, fetched: FetchedPage, where: str, now: datetime) -> Iterator[Metric]:
        found = fetched.page.publications
        if len({(each.word, each.updated) for each in found}) > 1:
            raise HelperFailure(f"{len(found)} publication statuses that differ", of=Asked(where))
        [word, updated, text] = found[0]
        self.detail(1, f"status: {text}")
        if not updated:
            if word == "OK":
                raise HelperFailure(f"{text!r} without the date of the last publication", of=Asked(where))
            yield outcome_metric(CRITICAL, f"{self.subject} has no date of publication on {where}, which says {text!r}")
            return
        age = self._seconds_since(
            self._time(updated, where),
            now,
            f"{self.subject} last published",
            where,
            fetched.clock_skew,
            day=accounting.is_day(updated),
        )
        if word != "OK":
            yield outcome_metric(WARNING, f"{text!r} for {self.subject} on {where}")
        yield self._record_age(age)

    # ---- times

    def _record_age(self, age: float) -> Metric:
        self.facts["record_age"] = duration(age) if age else "less than a day"
        return Metric("record_age", age, "s", min=0)

    def _time(self, text: str, where: str) -> datetime:
        try:
            return accounting.read_time(text)
        except BadData as error:
            raise HelperFailure(f"last update of {self.subject}: {error.sentence},", of=Asked(where)) from None

    def _seconds_since(
        self, then: datetime, now: datetime, what: str, where: str, skew: float | None, *, day: bool = False
    ) -> float:
        """Seconds passed since; a day counts from its end. Raises: HelperFailure for the future."""
        age = (now - then).total_seconds()
        if -age <= FUTURE_S + (86400.0 if day else 0.0):
            return max(0.0, age)
        said = f"{what} {duration(-age)} in the future ({then:%Y-%m-%d %H:%M:%S} UTC)"
        if skew is None:
            clock = "the portal's clock or this machine's is wrong"
        elif abs(skew) > FUTURE_S:
            ahead = "ahead of" if skew > 0 else "behind"
            clock = f"the portal's clock is {duration(abs(skew))} {ahead} this machine's"
        else:
            clock = "the clocks agree, so the time itself is wrong"
        raise HelperFailure(said, of=Asked(where), also=clock)
