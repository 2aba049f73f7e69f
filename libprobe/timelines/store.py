"""What is kept of results for figures: one file of SQLite below the state directory, `availability.sqlite`.

    change     results, by series and second; of those that are settled only where the status changes
    seen       on which days a series had a result, as runs of days: a day without one is MISSING
    topology   the endpoints as of a day, written down when they changed; topology_unchanged: days on which they had not
    downtime, exclusion; exclusion_given: the largest number that an exclusion has had, also one that is gone

A transaction is on disk or not there at all, whatever ends the process (SQLite's rollback journal, synced).

Results are settled SETTLED_AFTER_S behind the newest: those that only repeat the status before them are dropped, which
leaves one of sixty. What comes for a time that is settled could say that the status was another in between, and nobody
knows any more when it was the old one again; so it is refused and counted, unless it says what is known already.
A later result for the same second of a series takes the place of the one before it.
"""

from __future__ import annotations

import errno
import os
import sqlite3
import stat
import sys
from _thread import allocate_lock, get_ident, start_new_thread
from contextlib import contextmanager, suppress
from itertools import chain
from operator import itemgetter

from libprobe.failures import Misconfigured
from libprobe.records import Record
from libprobe.state.files import StateDirectory
from libprobe.timelines import lines
from libprobe.timelines.evaluation import Exclusion, MeasuredResults, Outage, TopologyEndpoint, is_series_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Container, Iterable, Iterator, Sequence
    from types import TracebackType
    from typing import Any

NAME = "availability.sqlite"
APPLICATION = 0x46434156  # FCAV
VERSION = 1
SETTLED_AFTER_S = 7 * 86_400
WAIT_S = 60.0
MAX_BATCH = 24_000
MAX_SENTENCE = 300
MAX_NAME = 300
MAX_SERIES_AT_ONCE = 500
ROWS_AT_ONCE = 8_000
"""Rows of one statement, where there are many: for all of them Python's lock is free, and another thread runs. Their
32,000 values are below the 32,766 of a statement that SQLite's default allows."""

MAX_WAITING_ROWS = 8 * ROWS_AT_ONCE
"""From this number on, whoever brings more waits until what is added in the background is done."""

SWITCH_S = 0.0005
"""For how long a thread that wants to run waits for one that does, while there are two."""

_LOOK_AGAIN_S = 1.0
MAX_SENTENCES = 10_000
"""Whose numbers are in memory while results are added."""

_AT_BITS = 40
NEVER = 1 << _AT_BITS
"""The midnight that ends what has no end yet."""

_SCHEMA = """
CREATE TABLE series (
    id INTEGER PRIMARY KEY, host TEXT NOT NULL, service_type TEXT NOT NULL, metric TEXT NOT NULL,
    settled_from INTEGER, settled_until INTEGER, UNIQUE (host, service_type, metric)
);
CREATE TABLE change (
    series INTEGER NOT NULL, at INTEGER NOT NULL, status INTEGER NOT NULL, sentence INTEGER, PRIMARY KEY (series, at)
) WITHOUT ROWID;
CREATE TABLE seen (
    series INTEGER NOT NULL, first INTEGER NOT NULL, last INTEGER NOT NULL, PRIMARY KEY (series, first)
) WITHOUT ROWID;
CREATE TABLE sentence (id INTEGER PRIMARY KEY, text TEXT NOT NULL UNIQUE);
CREATE TABLE topology (
    day INTEGER NOT NULL, host TEXT NOT NULL, service_type TEXT NOT NULL, site TEXT NOT NULL, ngi TEXT NOT NULL,
    PRIMARY KEY (day, host, service_type, site)
) WITHOUT ROWID;
CREATE TABLE topology_unchanged (day INTEGER PRIMARY KEY);
CREATE TABLE downtime (
    id TEXT NOT NULL, host TEXT NOT NULL, service_type TEXT NOT NULL, start INTEGER NOT NULL, end INTEGER NOT NULL,
    description TEXT NOT NULL, PRIMARY KEY (id, host, service_type)
) WITHOUT ROWID;
CREATE TABLE exclusion (
    id INTEGER PRIMARY KEY, start INTEGER NOT NULL, end INTEGER NOT NULL, reason TEXT NOT NULL, site TEXT NOT NULL,
    service_type TEXT NOT NULL, host TEXT NOT NULL, metric TEXT NOT NULL
);
CREATE TABLE exclusion_given (last INTEGER NOT NULL);
"""

_INTO_CHANGES = "INSERT INTO change (series, at, status, sentence) "
_UNLESS_KNOWN = (
    " ON CONFLICT (series, at) DO UPDATE SET status = excluded.status, sentence = excluded.sentence "
    "WHERE status <> excluded.status"
)
_ADD_RESULT = f"{_INTO_CHANGES} VALUES (?, ?, ?, nullif(?, 0)) {_UNLESS_KNOWN}"
_ADD_MANY = (
    f"{_INTO_CHANGES} SELECT column1, column2, column3, nullif(column4, 0) FROM (VALUES {{}}) WHERE true {{}}"
    f" {_UNLESS_KNOWN}"
)
_IN_ORDER = "ORDER BY 1, 2"
"""As the table has them, so that what is near there is met together: SQLite sorts while Python's lock is free."""

CHANGE_COLUMNS = 4
"""Of a result in `ResultWriter.add_new`, as many as the table of changes has."""

_IMPORTED = "CREATE TABLE IF NOT EXISTS imported (at INTEGER NOT NULL)"
_TOPOLOGY_UNCHANGED = "CREATE TABLE IF NOT EXISTS topology_unchanged (day INTEGER PRIMARY KEY)"
_EXCLUSION_GIVEN = "CREATE TABLE IF NOT EXISTS exclusion_given (last INTEGER NOT NULL)"
"""A store that was made before there was this table gets it where it is needed."""

_MARKS = (f"PRAGMA application_id = {APPLICATION}", f"PRAGMA user_version = {VERSION}")


class ImportCounts(Record):
    """Of what was given: added, known before, too late for a time that is settled."""

    added: int = 0
    known: int = 0
    late: int = 0


class PruneCounts(Record):
    results: int
    sentences: int


class StoreInUse(Misconfigured):
    """Another process holds the file for longer than we wait."""


class _BackgroundWork:
    """Work that a thread of its own does; is_done is true once nothing of it runs any more.

    It is no `threading.Thread`: up to Python 3.12 one whose `join` was interrupted counts as ended, though it runs.
    """

    def __init__(self, work: Callable[[], None]) -> None:
        self._work = work
        self._turn = allocate_lock()
        self._has_begun = self._is_prevented = False
        self._ended = allocate_lock()
        self._ended.acquire()
        self.failure: BaseException | None = None
        self.is_done = False
        self.thread = 0

    def start(self) -> None:
        """Raises: RuntimeError where no thread can be started."""
        start_new_thread(self._run, ())

    def _run(self) -> None:
        with self._turn:
            if self._is_prevented:
                return
            self._has_begun = True
        self.thread = get_ident()
        interval = sys.getswitchinterval()
        sys.setswitchinterval(SWITCH_S)
        try:
            self._work()
        except BaseException as failure:
            self.failure = failure  # raised where it is waited for
        finally:
            sys.setswitchinterval(interval)
            self.is_done = True
            self._ended.release()

    def prevent(self) -> bool:
        """Keep it from beginning; returns False where it has begun. A signal may have come as it was started."""
        with self._turn:
            self._is_prevented = True
            return not self._has_begun

    def wait(self) -> None:
        """Wait until it is done. A signal may end that, and it may be waited for again."""
        while not self.is_done:
            self._ended.acquire(timeout=_LOOK_AGAIN_S)


class Database:
    """SQLite's connection to the file. Raises: Misconfigured for all that SQLite cannot do; StoreInUse.

    One thread at a time uses the connection: whoever asks waits for what is done in the background.
    """

    def __init__(self, path: str, *, create: bool, wait_s: float = WAIT_S) -> None:
        self.path = path
        self._wait_s = wait_s
        self._background: _BackgroundWork | None = None
        self._check_file(create=create)
        try:
            self._connection = sqlite3.connect(
                path, timeout=wait_s, isolation_level=None, check_same_thread=not sqlite3.threadsafety
            )
            self._open()
        except sqlite3.Error as error:
            raise self.failure(error) from None

    def close(self) -> None:
        self._end_background()
        self._connection.close()

    @property
    def can_work_in_background(self) -> bool:
        """Whether a second thread is of use: SQLite allows one, and there is a processor for it."""
        return bool(sqlite3.threadsafety) and len(os.sched_getaffinity(0)) > 1

    @property
    def is_busy(self) -> bool:
        """Whether something is done in the background."""
        return self._background is not None and not self._background.is_done

    def in_background(self, work: Callable[[], None]) -> None:
        """Let another thread do some work with the database; returns at once.

        Whatever is asked of the database next waits until it is done, and raises what it raised.
        """
        self._wait()
        self._background = background = _BackgroundWork(work)  # known before it runs: a signal may come at any time
        try:
            background.start()
        except RuntimeError:  # this machine lets us have no thread
            self._background = None
            work()

    def _wait(self) -> None:
        """Wait for what is done in the background. Raises: what that raised."""
        background = self._background
        if background and background.thread != get_ident():
            background.wait()
            self._background = None
            if background.failure:
                raise background.failure

    def _end_background(self) -> None:
        """Break off what is done in the background: nothing of it is kept."""
        if self._background:
            if not self._background.prevent():
                self._connection.interrupt()
                self._background.wait()
            self._background = None

    @property
    def max_values(self) -> int:
        """How many values a statement can have."""
        return self._connection.getlimit(sqlite3.SQLITE_LIMIT_VARIABLE_NUMBER)

    def fetch_all(self, query: str, *values: object) -> list[tuple[Any, ...]]:
        self._wait()
        try:
            return self._connection.execute(query, values).fetchall()
        except sqlite3.Error as error:
            raise self.failure(error) from None

    def fetch_one(self, query: str, *values: object) -> tuple[Any, ...] | None:
        found = self.fetch_all(query, *values)
        return found[0] if found else None

    def fetch_number(self, query: str, *values: object) -> int | None:
        """The only value of the only row; None where there is neither."""
        found = self.fetch_one(query, *values)
        return found[0] if found else None

    def execute(self, statement: str, values: Sequence[object] = ()) -> sqlite3.Cursor:
        self._wait()
        try:
            return self._connection.execute(statement, values)
        except sqlite3.Error as error:
            raise self.failure(error) from None

    def execute_many(self, statement: str, rows: Iterable[Sequence[object]]) -> int:
        """Returns how many rows were changed."""
        self._wait()
        try:
            return self._connection.executemany(statement, rows).rowcount
        except sqlite3.Error as error:
            raise self.failure(error) from None

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All of the block is kept, or nothing of it."""
        self.execute("BEGIN IMMEDIATE")
        try:
            yield
            self.execute("COMMIT")
        except BaseException:
            self._end_background()
            with suppress(sqlite3.Error):  # else the journal does it when the file is opened next
                self._connection.execute("ROLLBACK")
            raise

    def failure(self, error: sqlite3.Error) -> Misconfigured:
        said = str(error)
        if "locked" in said:
            return StoreInUse(f"{self.path} is in use by another process for longer than {self._wait_s:g} s")
        if "is full" in said:
            return Misconfigured(f"{self.path} cannot be written: {os.strerror(errno.ENOSPC)}", remedy="make room")
        if "unable to open" in said and (lacking := self._lacking()):
            return Misconfigured(f"{self.path} cannot be opened: {lacking}", remedy="raise the limit")
        if "malformed" in said or "not a database" in said:
            return Misconfigured(
                f"{self.path} cannot be read: {said}", remedy="move it away, and import again what there is"
            )
        return Misconfigured(f"{self.path} cannot be used: {said}")

    @staticmethod
    def _lacking() -> str:
        """Why nothing can be opened, where it is this process that has no descriptors left: SQLite wants three."""
        held: list[int] = []
        try:
            held += (os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC) for _ in range(3))
        except OSError as error:
            return os.strerror(error.errno or 0)
        finally:
            for descriptor in held:
                os.close(descriptor)
        return ""

    def _check_file(self, *, create: bool) -> None:
        """What SQLite does not: a link is not followed, and a file is closed to others from its first byte on."""
        flags = os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK | (os.O_CREAT if create else 0)
        try:
            descriptor = os.open(self.path, flags, 0o600)
        except FileNotFoundError:
            raise Misconfigured(
                f"there are no results in {os.path.dirname(self.path)}", remedy="run fedcloud-availability import"
            ) from None
        except OSError as error:
            raise Misconfigured(f"{self.path} cannot be opened: {error.strerror}") from None
        try:
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                raise Misconfigured(f"{self.path} is not a file")
        finally:
            os.close(descriptor)

    def _open(self) -> None:
        self._connection.execute("PRAGMA synchronous = FULL")
        self._connection.execute("PRAGMA cache_size = -32768")
        if self._is_empty():
            with self.transaction():
                if self._is_empty():  # still, now that no other process can make it
                    for statement in (*_SCHEMA.split(";"), *_MARKS):
                        self._connection.execute(statement)
        (application,) = self._connection.execute("PRAGMA application_id").fetchone()
        (version,) = self._connection.execute("PRAGMA user_version").fetchone()
        if application != APPLICATION:
            raise Misconfigured(f"{self.path} is another program's database")
        if version != VERSION:
            raise Misconfigured(
                f"{self.path} is of version {version}, and this program knows {VERSION}", remedy="use the newer program"
            )

    def _is_empty(self) -> bool:
        (application,) = self._connection.execute("PRAGMA application_id").fetchone()
        return application == 0 and not self._connection.execute("SELECT 1 FROM sqlite_master").fetchone()


class Store:
    """The file, opened. Raises: Misconfigured, from every method, for a file that is no store or cannot be used."""

    def __init__(self, directory: StateDirectory, *, create: bool = False, wait_s: float = WAIT_S) -> None:
        """create: make it where there is none. wait_s: how long to wait for another process that writes."""
        self.path = os.path.join(directory.path, NAME)
        self._db = Database(self.path, create=create, wait_s=wait_s)

    def close(self) -> None:
        self._db.close()

    def __enter__(self) -> Store:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # ---- reading

    def measured(
        self, wanted: Sequence[tuple[str, str, str]], start: int, end: int
    ) -> dict[tuple[str, str, str], list[MeasuredResults]]:
        """As `evaluation.ResultSource` has it. A series of the metric for a VO, `metric-ops`, is one of it as well."""
        known = self._series_of({host for host, _, _ in wanted})
        series = {
            key: [(name, number) for name, number in known.get(key[:2], ()) if is_series_of(name, key[2])]
            for key in wanted
        }
        found = self._results(list({number: None for named in series.values() for _, number in named}), start, end)
        return {
            key: [found[number] if name == key[2] else found[number]._replace(name=name) for name, number in named]
            for key, named in series.items()
        }

    def _results(self, numbers: Sequence[int], start: int, end: int) -> dict[int, MeasuredResults]:
        """What there is of some series: together it takes half the time of reading one by one."""
        found: dict[int, MeasuredResults] = {}
        for at in range(0, len(numbers), MAX_SERIES_AT_ONCE):
            chosen = numbers[at : at + MAX_SERIES_AT_ONCE]
            marks = ",".join("?" * len(chosen))
            results = self._db.fetch_all(
                "SELECT series, group_concat(at - ? << 3 | status) FROM change "
                f"WHERE series IN ({marks}) AND at >= ? AND at < ? GROUP BY series",
                *(start, *chosen, start, end),
            )
            entries = {number: sorted(map(int, text.split(","))) for number, text in results}
            runs: dict[int, list[tuple[int, int]]] = {}
            for number, first, last in self._db.fetch_all(
                f"SELECT series, first, last FROM seen WHERE series IN ({marks}) AND last >= ? AND first * ? < ? "
                "ORDER BY series, first",
                *(*chosen, start // lines.DAY_S, lines.DAY_S, end),
            ):
                runs.setdefault(number, []).append((first * lines.DAY_S - start, (last + 1) * lines.DAY_S - start))
            for number, before in self._db.fetch_all(
                "SELECT id, (SELECT status FROM change WHERE series = id AND at < ? ORDER BY at DESC LIMIT 1) "
                f"FROM series WHERE id IN ({marks})",
                *(start, *chosen),
            ):
                unseen = self._unseen(runs.get(number, ()), end - start)
                found[number] = MeasuredResults(before, entries.get(number, []), unseen)
        return found

    @staticmethod
    def _unseen(runs: Iterable[tuple[int, int]], end: int) -> list[tuple[int, int]]:
        """The time between runs of days, from 0 to an end, as spans."""
        at = 0
        spans = []
        for first, last in runs:
            if first > at:
                spans.append((at, first))
            at = last
        return [*spans, (at, end)] if at < end else spans

    def sentence(self, host: str, service_type: str, metric: str, at: int) -> tuple[int, int, str] | None:
        """The result that held at an instant: when it was had, its status and sentence; None without one.

        Of several for a metric, the one with the worst status counts, of those that have a result on that day.
        """
        found = []
        day = at // lines.DAY_S
        for name, number in self._series_of([host]).get((host, service_type), ()):
            if is_series_of(name, metric):
                found += self._db.fetch_all(
                    "SELECT EXISTS (SELECT 1 FROM seen WHERE seen.series = ? AND first <= ? AND last >= ?), "
                    "status, at, coalesce(text, '') FROM change LEFT JOIN sentence ON sentence.id = sentence "
                    "WHERE series = ? AND at <= ? ORDER BY at DESC LIMIT 1",
                    *(number, day, day, number, at),
                )
        if not found:
            return None
        _, status, since, text = max(found)
        return since, status, text

    def endpoints(self) -> list[TopologyEndpoint]:
        """All that ever were in the topology, each with its days; the earliest list counts for the days before too."""
        days = [day for (day,) in self._db.fetch_all("SELECT DISTINCT day FROM topology ORDER BY day")]
        found: list[TopologyEndpoint] = []
        open_ones: dict[tuple[str, ...], int] = {}
        for at, day in enumerate(days):
            there = set(self._db.fetch_all("SELECT site, service_type, host, ngi FROM topology WHERE day = ?", day))
            midnight = day * lines.DAY_S if at else 0
            gone = [each for each in open_ones if each not in there]
            found += [self._endpoint(each, open_ones.pop(each), midnight) for each in gone]
            for each in there:
                open_ones.setdefault(each, midnight)
        found += [self._endpoint(each, start, NEVER) for each, start in open_ones.items()]
        return sorted(found)

    @staticmethod
    def _endpoint(key: tuple[str, ...], start: int, end: int) -> TopologyEndpoint:
        site, service_type, host, ngi = key
        return TopologyEndpoint(site, service_type, host, start, end, ngi)

    def outages(self, start: int, end: int) -> dict[tuple[str, str], list[Outage]]:
        """Those that touch a span, by host and service type."""
        found: dict[tuple[str, str], list[Outage]] = {}
        for row in self._db.fetch_all(
            "SELECT host, service_type, start, end, id, description FROM downtime WHERE start < ? AND end > ?",
            *(end, start),
        ):
            found.setdefault(row[:2], []).append(Outage(*row))
        return found

    def exclusions(self) -> dict[int, Exclusion]:
        """All, by number."""
        rows = self._db.fetch_all(
            "SELECT id, start, end, reason, site, service_type, host, metric FROM exclusion ORDER BY id"
        )
        return {row[0]: Exclusion(*row[1:]) for row in rows}

    def metrics(self) -> set[str]:
        """The names under which there are results: of a metric, or of the metric for a VO."""
        return {name for (name,) in self._db.fetch_all("SELECT DISTINCT metric FROM series")}

    def newest(self) -> int | None:
        """When the newest result was had; None without any."""
        return _newest(self._db)

    def imported(self) -> int | None:
        """When the newest result was had as of the last import of a directory of archives; None where that was never.

        fedcloud-publish appends results one by one: after that, older ones may not have been read yet.
        """
        if not self._db.fetch_all("SELECT 1 FROM sqlite_master WHERE name = 'imported'"):
            return None
        return self._db.fetch_number("SELECT max(at) FROM imported")

    def note_imported(self) -> None:
        """All archives that there were have been read."""
        newest = self.newest()
        if newest is None:
            return
        with self._db.transaction():
            self._db.execute(_IMPORTED)
            self._db.execute("DELETE FROM imported")
            self._db.execute("INSERT INTO imported VALUES (?)", (newest,))

    def last_day(self) -> int | None:
        """The midnight of the last day on which anything had a result; None without any."""
        day = self._db.fetch_number("SELECT max(last) FROM seen")
        return None if day is None else day * lines.DAY_S

    def _series_of(self, hosts: Iterable[str]) -> dict[tuple[str, str], list[tuple[str, int]]]:
        """The name and number of each series of some hosts, by host and service type; no other host's is looked at."""
        found: dict[tuple[str, str], list[tuple[str, int]]] = {}
        names = sorted(hosts)
        for at in range(0, len(names), MAX_SERIES_AT_ONCE):
            chosen = names[at : at + MAX_SERIES_AT_ONCE]
            for number, host, service_type, metric in self._db.fetch_all(
                "SELECT id, host, service_type, metric FROM series "
                f"WHERE host IN ({','.join('?' * len(chosen))}) ORDER BY id",
                *chosen,
            ):
                found.setdefault((host, service_type), []).append((metric, number))
        return found

    # ---- writing

    def writer(self) -> ResultWriter:
        """What adds results: `with store.writer() as writer`, one transaction."""
        return ResultWriter(self._db)

    def put_topology(self, day: int, endpoints: Iterable[tuple[str, str, str, str]]) -> bool:
        """Write down what endpoints there are from a day on: (site, service type, host, NGI) each.

        day: days since 1970. Returns whether they are others than before. An empty list is refused: it would end all.
        """
        there = {(site, service_type, host.lower(), ngi) for site, service_type, host, ngi in endpoints}
        if not there:
            raise Misconfigured("a topology without any endpoint is not taken")
        with self._db.transaction():
            self._db.execute(_TOPOLOGY_UNCHANGED)
            before = self._db.fetch_number("SELECT max(day) FROM topology WHERE day <= ?", day)
            known = self._db.fetch_all("SELECT site, service_type, host, ngi FROM topology WHERE day = ?", before)
            if set(known) == there:
                if before != day:
                    self._db.execute("INSERT OR IGNORE INTO topology_unchanged VALUES (?)", (day,))
                return False
            # a list for a day between does not hold beyond the day on which the one before it was seen again
            seen_again = self._db.fetch_number(
                "SELECT min(day) FROM topology_unchanged WHERE day > ? AND day < "
                "coalesce((SELECT min(day) FROM topology WHERE day > ?), ?)",
                *(day, day, NEVER),
            )
            if seen_again is not None:
                self._put_list(seen_again, known)
            self._put_list(day, there)
        return True

    def _put_list(self, day: int, endpoints: Iterable[tuple[str, ...]]) -> None:
        for table in ("topology", "topology_unchanged"):
            self._db.execute(f"DELETE FROM {table} WHERE day = ?", (day,))
        self._db.execute_many(
            "INSERT INTO topology (day, site, service_type, host, ngi) VALUES (?, ?, ?, ?, ?)",
            [(day, *each) for each in endpoints],
        )

    def ngis(self) -> dict[str, str]:
        """The NGI of each site, as the newest list that names it has it."""
        return dict(self._db.fetch_all("SELECT site, ngi FROM topology WHERE ngi <> '' ORDER BY day"))

    def put_outages(self, outages: Iterable[Outage], now: int, *, is_whole: bool = True) -> tuple[int, int]:
        """Keep declared outages; returns how many came and how many went.

        An id that is kept already is replaced. What has not begun by now and is no longer declared was withdrawn.
        is_whole: whether the list has all that are declared; nothing is withdrawn by one that cannot be read in part.
        """
        given = {(each.id, each.host, each.service_type): each for each in outages}
        with self._db.transaction():
            withdrawn = [
                key
                for *key, start in self._db.fetch_all("SELECT id, host, service_type, start FROM downtime")
                if is_whole
                and tuple(key) not in given
                and (start > now or key[0] in {each.id for each in given.values()})
            ]
            self._db.execute_many("DELETE FROM downtime WHERE id = ? AND host = ? AND service_type = ?", withdrawn)
            self._db.execute_many(
                "INSERT OR REPLACE INTO downtime (host, service_type, start, end, id, description) "
                "VALUES (?, ?, ?, ?, ?, ?)",
                [tuple(each) for each in given.values()],
            )
        return len(given), len(withdrawn)

    def exclude(self, exclusion: Exclusion) -> int:
        """Take a period out of the figures; returns its number, which no other has had."""
        with self._db.transaction():
            number = self._last_exclusion() + 1
            self._db.execute(
                "INSERT INTO exclusion (id, start, end, reason, site, service_type, host, metric) "
                "VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                (number, *exclusion),
            )
        return number

    def undo_exclusion(self, number: int) -> bool:
        """Forget an exclusion; False if there is none of that number."""
        with self._db.transaction():
            self._note_last_exclusion()
            return self._db.execute("DELETE FROM exclusion WHERE id = ?", (number,)).rowcount == 1

    def _last_exclusion(self) -> int:
        """The largest number that an exclusion has had, also one that is gone; 0 if there was none."""
        self._db.execute(_EXCLUSION_GIVEN)
        numbers = "SELECT id FROM exclusion UNION ALL SELECT last FROM exclusion_given"
        return self._db.fetch_number(f"SELECT max(id) FROM ({numbers})") or 0

    def _note_last_exclusion(self) -> None:
        """Keep the number of exclusions that are about to go: logs and mails have it."""
        last = self._last_exclusion()
        self._db.execute("DELETE FROM exclusion_given")
        self._db.execute("INSERT INTO exclusion_given (last) VALUES (?)", (last,))

    def settle(self) -> int:
        """Drop the results that repeat the status before them, as far as they are settled; returns how many."""
        with self._db.transaction():
            return _settle(self._db)

    def prune(self, before: int) -> PruneCounts:
        """Forget what is older than a midnight, but for the last of each kind before it, which says how it began."""
        day = before // lines.DAY_S
        with self._db.transaction():
            results = self._db.execute(
                "DELETE FROM change AS c WHERE at < ? AND EXISTS "
                "(SELECT 1 FROM change AS n WHERE n.series = c.series AND n.at > c.at AND n.at < ?)",
                (before, before),
            ).rowcount
            self._db.execute("DELETE FROM seen WHERE last < ?", (day,))
            self._db.execute("UPDATE OR REPLACE seen SET first = ? WHERE first < ?", (day, day))
            self._db.execute("DELETE FROM topology WHERE day < (SELECT max(day) FROM topology WHERE day <= ?)", (day,))
            self._db.execute(_TOPOLOGY_UNCHANGED)
            self._db.execute("DELETE FROM topology_unchanged WHERE day < ?", (day,))
            self._note_last_exclusion()
            for table in ("downtime", "exclusion"):
                self._db.execute(f"DELETE FROM {table} WHERE end <= ?", (before,))
            sentences = self._db.execute(
                "DELETE FROM sentence WHERE id NOT IN (SELECT sentence FROM change WHERE sentence IS NOT NULL)"
            ).rowcount
        self._db.execute("VACUUM")
        return PruneCounts(results, sentences)


def _newest(database: Database) -> int | None:
    return database.fetch_number("SELECT max((SELECT max(at) FROM change WHERE series = id)) FROM series")


def _settle(database: Database, without: Container[int] = ()) -> int:
    """As `Store.settle`, in a transaction. without: series that have no result that repeats the one before it."""
    newest = _newest(database)
    if newest is None:
        return 0
    horizon = (newest - SETTLED_AFTER_S) // lines.DAY_S * lines.DAY_S
    spans: list[tuple[int, int, int]] = []
    for number, since, until in database.fetch_all("SELECT id, settled_from, settled_until FROM series"):
        if number in without:
            continue
        spans.append((number, until or 0, horizon))
        if since is not None:  # what came later and is older than all that was settled
            spans.append((number, 0, min(since, horizon)))
    dropped = database.execute_many(
        "DELETE FROM change AS c WHERE series = ? AND at >= ? AND at < ?"
        " AND status = (SELECT status FROM change AS p WHERE p.series = c.series AND p.at < c.at"
        "               ORDER BY p.at DESC LIMIT 1)",
        spans,
    )
    database.execute(
        "UPDATE series SET settled_until = ?, settled_from = (SELECT min(at) FROM change WHERE series = id) "
        "WHERE EXISTS (SELECT 1 FROM change WHERE series = id AND at < ?)",
        (horizon, horizon),
    )
    return dropped


class ResultWriter:
    """Adds results in one transaction; in bounded memory, however many there are."""

    def __init__(self, database: Database) -> None:
        self._db = database
        self._transaction = database.transaction()
        self._known: dict[tuple[str, str, str], int] = {}
        self._highest = 0
        self._new_series: list[tuple[int, str, str, str]] = []  # not in the table yet
        self._settled: dict[int, tuple[int, int]] = {}
        self.open_from = 0
        """Nothing from this instant on is settled, of whatever series."""
        self._batch: dict[int, tuple[int, int, int, int]] = {}  # a row by its series and instant
        self._rest: list[int] = []  # of `add_new`, too few for a statement
        self._sentences = {"": 0}
        self._runs: dict[int, tuple[int, int]] = {}
        self._made: set[int] = set()
        self._unseen: set[int] = set()  # series that were made, and of which no run of days is in the table yet
        self.may_repeat: set[int] = set()
        """Series of which a result may say what the one before it said."""
        self.counts = ImportCounts()

    def __enter__(self) -> ResultWriter:
        self._transaction.__enter__()
        for number, host, service_type, metric, since, until in self._db.fetch_all("SELECT * FROM series"):
            self._known[host, service_type, metric] = number
            self._highest = max(self._highest, number)
            if until is not None:
                self._settled[number] = (since, until)
                self.open_from = max(self.open_from, until)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if kind is None:
                self.flush()
                self._put_runs()
        except BaseException as failure:
            self._transaction.__exit__(type(failure), failure, None)
            raise
        self._transaction.__exit__(kind, error, trace)

    def series(self, host: str, service_type: str, metric: str) -> int:
        """The number of a series, which is made where there is none."""
        key = (host.lower()[:MAX_NAME], service_type[:MAX_NAME], metric[:MAX_NAME])
        number = self._known.get(key)
        if number is None:
            number = self._known[key] = self._highest = self._highest + 1
            self._new_series.append((number, *key))
            self._made.add(number)
            self._unseen.add(number)
        return number

    def is_open(self, series: int, at: int) -> bool:
        """Whether a time of a series is not settled, so that whatever comes is taken."""
        settled = self._settled.get(series)
        return not settled or not settled[0] <= at < settled[1]

    def add(self, series: int, at: int, status: int, sentence: str = "", *, is_day_noted: bool = False) -> bool:
        """Add a result; False where it is too late.

        status: as in `algebra`. is_day_noted: the caller calls `note_confirmed` for the day.
        """
        if at < self.open_from and not self.is_open(series, at):
            before = self._db.fetch_number(
                "SELECT status FROM change WHERE series = ? AND at <= ? ORDER BY at DESC LIMIT 1", series, at
            )
            if before != status:
                self.counts = self.counts._replace(late=self.counts.late + 1)
                return False
            self.counts = self.counts._replace(known=self.counts.known + 1)
        else:
            number = self.number_of_sentence(sentence)
            self._batch[series << _AT_BITS | at] = series, at, status, number
            self.may_repeat.add(series)
            if len(self._batch) >= MAX_BATCH:
                self.flush()
        if not is_day_noted:
            self.note_confirmed(series, at, at)
        return True

    def note_confirmed(self, series: int, since: int, until: int) -> None:
        """A status was confirmed from one instant to another: no day between is without a result."""
        first, last = since // lines.DAY_S, until // lines.DAY_S
        run = self._runs.get(series)
        if run is None:
            self._runs[series] = (first, last)
        elif run[0] <= first and last <= run[1]:
            return
        elif first <= run[1] + 1 and last >= run[0] - 1:
            self._runs[series] = (min(first, run[0]), max(last, run[1]))
        else:
            self._put_run(series, *run)
            self._runs[series] = (first, last)

    def add_new(self, values: Sequence[int]) -> None:
        """Add results at once: series, instant, status and number of the sentence of each, one after the other.

        Each is at `open_from` or later, and later than what was added of its series before; and of another status,
        unless the series is one that `may_repeat`. The caller notes their days.
        Many are added in the background, where a second processor is there for it; few wait for more.
        """
        if self._batch:
            self.flush()
        self._rest += values
        at_once = CHANGE_COLUMNS * ROWS_AT_ONCE
        if not self._takes_many:
            self.flush()
        elif (count := len(self._rest) // at_once) and self._is_time(len(self._rest) // CHANGE_COLUMNS):
            many, self._rest = self._rest[: count * at_once], self._rest[count * at_once :]
            if self._db.can_work_in_background:  # where SQLite sorts, Python's lock is free
                self._db.in_background(lambda: self._put_many(many, _IN_ORDER))
            else:
                self._put_many(many, _IN_ORDER)

    @property
    def _takes_many(self) -> bool:
        """Whether a statement may have the values of ROWS_AT_ONCE results."""
        return self._db.max_values >= CHANGE_COLUMNS * ROWS_AT_ONCE

    def _is_time(self, waiting: int) -> bool:
        return waiting >= MAX_WAITING_ROWS or not self._db.is_busy

    def flush(self) -> None:
        """Add what waits. Where nothing does, the counts are not touched: a thread in the background may write them."""
        if self._new_series:
            self._db.execute_many(
                "INSERT INTO series (id, host, service_type, metric) VALUES (?, ?, ?, ?)", self._new_series
            )
            self._new_series = []
        if self._rest:
            self._put(zip(*[iter(self._rest)] * CHANGE_COLUMNS, strict=True))
            self._rest = []
        if self._batch:
            self._put(self._batch.values())
            self._batch.clear()

    def _put(self, rows: Iterable[tuple[int, ...]]) -> None:
        found = sorted(rows, key=itemgetter(0))  # as the table has them, so that what is near there is met together
        whole = len(found) // ROWS_AT_ONCE * ROWS_AT_ONCE if self._takes_many else 0
        if whole:
            self._put_many(list(chain.from_iterable(found[:whole])))
        self._count(self._db.execute_many(_ADD_RESULT, found[whole:]), len(found) - whole)

    def _put_many(self, values: list[int], order: str = "") -> None:
        """Add results as `add_new` has them: ROWS_AT_ONCE of them, or a multiple of that."""
        statement = _ADD_MANY.format(", ".join(["(?, ?, ?, ?)"] * ROWS_AT_ONCE), order)
        size = CHANGE_COLUMNS * ROWS_AT_ONCE
        for at in range(0, len(values), size):
            self._count(self._db.execute(statement, values[at : at + size]).rowcount, ROWS_AT_ONCE)

    def _count(self, changed: int, count: int) -> None:
        known = self.counts.known + count - changed
        self.counts = self.counts._replace(added=self.counts.added + changed, known=known)

    def number_of_sentence(self, text: str) -> int:
        """The number of a sentence, which is kept where it is new; 0 of an empty one."""
        known = self._sentences.get(text)
        if known is not None:
            return known
        if len(self._sentences) >= MAX_SENTENCES:
            self._sentences = {"": 0}
        kept = text[:MAX_SENTENCE]
        added = self._db.execute("INSERT OR IGNORE INTO sentence (text) VALUES (?)", (kept,))
        if added.rowcount:
            number = added.lastrowid
        else:
            number = self._db.fetch_number("SELECT id FROM sentence WHERE text = ?", kept)
        self._sentences[text] = number or 0
        return self._sentences[text]

    def settle(self) -> int:
        """As `Store.settle`, in this transaction."""
        self.flush()
        return _settle(self._db, self._made - self.may_repeat)

    def _put_runs(self) -> None:
        """Write all runs of days down: those of series that have none at once."""
        new = [(number, *run) for number, run in self._runs.items() if number in self._unseen]
        self._db.execute_many("INSERT INTO seen (series, first, last) VALUES (?, ?, ?)", new)
        for number, run in self._runs.items():
            if number not in self._unseen:
                self._put_run(number, *run)

    def _put_run(self, number: int, first: int, last: int) -> None:
        """Write a run of days down, as one with those that it meets."""
        self._unseen.discard(number)
        near = self._db.fetch_all(
            "SELECT first, last FROM seen WHERE series = ? AND last >= ? AND first <= ?", number, first - 1, last + 1
        )
        self._db.execute(
            "DELETE FROM seen WHERE series = ? AND last >= ? AND first <= ?", (number, first - 1, last + 1)
        )
        first = min([first, *(each[0] for each in near)])
        last = max([last, *(each[1] for each in near)])
        self._db.execute("INSERT INTO seen (series, first, last) VALUES (?, ?, ?)", (number, first, last))
