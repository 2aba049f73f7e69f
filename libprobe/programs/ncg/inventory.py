"""What is to be monitored: hosts and services in one order, however the GOCDB delivers them.

Kept in a temporary SQLite database on disk, so that 100,000 endpoints take no more memory than a hundred,
and so that the same endpoints give the same configuration in whatever order they came.
"""

from __future__ import annotations

import json
import sqlite3
from itertools import chain, count, groupby
from typing import NamedTuple

from libprobe.failures import BadData
from libprobe.formats.address import read_address
from libprobe.formats.excerpt import excerpt
from libprobe.formats.ncg import MACROS, is_host, is_label, is_mail_address, is_name, is_url, object_name
from libprobe.programs import catalogue
from libprobe.programs.ncg import index

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from libprobe.formats.gocdb import Contacts, ServiceEndpoint
    from libprobe.programs.catalogue import Metric

MAX_WARNINGS = 1_000
MAX_PORTAL_CHARS = 300
MAX_OBJECTS = 1_000
"""Names of groups that are kept in memory; those of a site's services are asked for one after the other."""

ADDRESS_PROBE = "check_endpoint_tcp"
"""The probe to which nothing of a URL matters but its scheme, host and port."""

_SCHEMA = """
CREATE TABLE old (
    host TEXT NOT NULL, name TEXT NOT NULL, site TEXT NOT NULL, type TEXT NOT NULL, PRIMARY KEY (host, name)
) WITHOUT ROWID;
CREATE TABLE label (
    kind TEXT NOT NULL, name TEXT NOT NULL, object TEXT NOT NULL, PRIMARY KEY (kind, name), UNIQUE (kind, object)
) WITHOUT ROWID;
CREATE TABLE contact (
    kind TEXT NOT NULL, name TEXT NOT NULL, address TEXT NOT NULL, PRIMARY KEY (kind, name, address)
) WITHOUT ROWID;
CREATE TABLE kept (host TEXT NOT NULL, name TEXT NOT NULL, entry TEXT NOT NULL, PRIMARY KEY (host, name)) WITHOUT ROWID;
CREATE TABLE service (
    host TEXT NOT NULL, site TEXT NOT NULL, type TEXT NOT NULL, metric TEXT NOT NULL, key TEXT NOT NULL,
    name TEXT NOT NULL, options TEXT NOT NULL, roc TEXT NOT NULL, portal TEXT NOT NULL, url TEXT NOT NULL,
    endpoints TEXT NOT NULL, monitored TEXT NOT NULL, country TEXT NOT NULL
);
"""
_INDEXES = """
CREATE INDEX service_by_host ON service (host, name);
CREATE INDEX service_by_site ON service (site, host, name);
CREATE TABLE home AS SELECT host, min(site) AS site, min(portal) AS portal FROM service GROUP BY host ORDER BY host;
CREATE INDEX home_by_host ON home (host);
CREATE INDEX home_by_site ON home (site, host);
"""
GROUPS = (
    ("SITE", "site", True),
    ("SERVICE", "type", False),
    ("METRIC", "metric", False),
    ("NGI", "roc", True),
    ("COUNTRY", "country", True),
)
"""How names of groups begin, of what they are, and whether that is a label."""

_BY_AGE = "site, type, length(key), key, options"
"""Of several like services, the one that was registered first keeps the plain name."""


class MonitoredService(NamedTuple):
    """One metric of one endpoint.

    name:    as the monitor shows it, unique on its host
    options: (option, value), an empty value for a bare option
    parents: names of services of the same host; while one of them is bad, nobody is told about this one
    """

    host: str
    site: str
    service_type: str
    metric: str
    name: str
    options: list[tuple[str, str]]
    roc: str
    parents: list[str]
    groups: list[str]


class MonitoredHost(NamedTuple):
    """site: the first of those that registered services on it, which owns its definition."""

    name: str
    site: str
    service_types: list[str]
    portal: str
    groups: list[str]
    roc: str


class Endpoint(NamedTuple):
    """An endpoint that has services. url: as they are given it, empty where none is."""

    host: str
    site: str
    service_type: str
    key: str
    roc: str
    url: str


class InventoryCounts(NamedTuple):
    sites: int
    hosts: int
    services: int


class InventoryDifference(NamedTuple):
    """Between what was monitored and what is to be.

    before:       how many services there were
    removed, added: (host, service, site) of as many as were wanted
    sites_before: how many sites had services
    sites_gone:   those of them that are to have none, by name
    kinds:        (service type, how many services of it there were, how many are to be, how many sites had one)
    """

    before: int
    removed_count: int
    added_count: int
    removed: list[tuple[str, str, str]]
    added: list[tuple[str, str, str]]
    sites_before: int
    sites_gone: list[str]
    kinds: list[tuple[str, int, int, int]]


class Inventory:
    """Filled with `add`, closed for additions with `finalize`, then read. vo, cert: as for catalogue.command."""

    def __init__(self, metrics: Sequence[Metric], path: str, *, vo: str = "ops", cert: str = "") -> None:
        self.metrics = {metric.name: metric for metric in metrics}
        self.vo = vo
        self.endpoints = 0
        self.warnings: list[str] = []
        self.warnings_dropped = 0
        self.cert = cert
        self._objects: dict[tuple[str, str], str] = {}
        self._by_type: dict[str, list[Metric]] = {}
        self._needed = {name for metric in metrics for name in metric.dependencies}
        for metric in metrics:
            for service_type in metric.possible_types:
                self._by_type.setdefault(service_type, []).append(metric)
        self._database = sqlite3.connect(path, isolation_level=None)
        for pragma in ("journal_mode = OFF", "synchronous = OFF", "cache_size = -8192", "temp_store = FILE"):
            self._database.execute(f"PRAGMA {pragma}")
        self._database.executescript(_SCHEMA)
        self._database.execute("BEGIN")

    def close(self) -> None:
        self._database.close()

    @property
    def service_types(self) -> frozenset[str]:
        """The types that some metric is for."""
        return frozenset(self._by_type)

    def warn(self, endpoint: ServiceEndpoint, sentence: str) -> None:
        self._warn(
            f"{excerpt(endpoint.site, 60) or 'no site'}, {excerpt(endpoint.hostname, 80) or 'no host'}, "
            f"{excerpt(endpoint.service_type, 60)}: {sentence}"
        )

    def warn_all(self, sentences: Iterable[str]) -> None:
        """Of what belongs to no endpoint that is known."""
        for sentence in sentences:
            self._warn(sentence)

    def _warn(self, line: str) -> None:
        if len(self.warnings) < MAX_WARNINGS:
            self.warnings.append(line)
        else:
            self.warnings_dropped += 1

    # ---- filling

    def add(self, endpoint: ServiceEndpoint) -> None:
        """Take an endpoint with all metrics of its type; what is unusable of it is left out, with a warning."""
        metrics = [each for each in self._by_type.get(endpoint.service_type, []) if each.is_for(endpoint)]
        if not metrics:
            return
        self.endpoints += 1
        if not is_label(endpoint.site):
            self.warn(
                endpoint, f"left out: the site's name {_shown(endpoint.site)} cannot be a name in a configuration"
            )
            return
        if not is_host(endpoint.hostname):
            self.warn(endpoint, f"left out: {_shown(endpoint.hostname)} is not a host name")
            return
        at_host = endpoint._replace(hostname=endpoint.hostname.lower())
        left_out: dict[str, list[str]] = {}
        without_url: dict[str, list[str]] = {}
        for metric in metrics:
            try:
                options = catalogue.options(metric, endpoint, vo=self.vo, cert=self.cert, looks_up=True)
            except BadData as error:
                left_out.setdefault(error.sentence, []).append(metric.name)
                continue
            if problem := catalogue.url_problem(metric, endpoint):
                without_url.setdefault(problem.sentence, []).append(metric.name)
            self._insert(at_host, metric, options)
        for sentence, names in left_out.items():
            self.warn(endpoint, f"left out {', '.join(names)}: {excerpt(sentence, 240)}")
        for sentence, names in without_url.items():
            self.warn(endpoint, f"not given to {', '.join(names)}, which will judge it: {excerpt(sentence, 240)}")

    def _insert(self, endpoint: ServiceEndpoint, metric: Metric, options: list[tuple[str, str]]) -> None:
        portal = endpoint.portal_url
        self._database.execute(
            "INSERT INTO service VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (
                endpoint.hostname,
                endpoint.site,
                endpoint.service_type,
                metric.name,
                endpoint.primary_key if is_name(endpoint.primary_key) else "",
                metric.service_description(self.vo),
                json.dumps(options),
                endpoint.roc if is_label(endpoint.roc) else "",
                portal if is_url(portal) and len(portal) <= MAX_PORTAL_CHARS else "",
                endpoint.url,
                json.dumps(index.shorten_endpoints(endpoint.endpoints)),
                endpoint.monitored_id,
                endpoint.country if is_label(endpoint.country) else "",
            ),
        )

    def add_contacts(self, kind: str, contacts: Contacts) -> None:
        """Add the contacts of a site ("site") or an NGI ("roc"); unusable addresses are left out, with a warning."""
        what = excerpt(contacts.name, 60)
        for address in contacts.addresses:
            if is_mail_address(address):
                values = (kind, contacts.name, address)
                self._database.execute("INSERT OR IGNORE INTO contact VALUES (?, ?, ?)", values)
            elif self._is_used(kind, contacts.name):
                self._warn(f"{what}: {_shown(address)} is not notified: not a plain e-mail address")

    def _is_used(self, kind: str, name: str) -> bool:
        assert kind in ("site", "roc")
        return bool(self._database.execute(f"SELECT 1 FROM service WHERE {kind} = ? LIMIT 1", (name,)).fetchone())

    def contacts(self, site: str) -> list[str]:
        """Addresses of a site's own; where it has none, of its NGI's."""
        query = "SELECT address FROM contact WHERE kind = 'site' AND name = ? ORDER BY address"
        of_ngi = (
            "SELECT DISTINCT address FROM contact WHERE kind = 'roc' "
            "AND name IN (SELECT roc FROM service WHERE site = ?) ORDER BY address"
        )
        for each in (query, of_ngi):
            if found := self._database.execute(each, (site,)).fetchall():
                return [address for (address,) in found]
        return []

    def finalize(self) -> InventoryCounts:
        """Give services of one host different names, build what reading needs, and count."""
        self._database.execute("COMMIT")
        self._database.execute("CREATE INDEX service_by_name ON service (host, name)")
        alike = "SELECT host, name FROM service GROUP BY host, name HAVING count(*) > 1 ORDER BY host, name"
        for host, name in self._database.execute(alike).fetchall():
            self._give_distinct_name(host, name)
        self._database.executescript("DROP INDEX service_by_name;" + _INDEXES)
        self._name_labels()
        self.warnings.sort()
        [counts] = self._database.execute("SELECT count(DISTINCT site), count(DISTINCT host), count(*) FROM service")
        return InventoryCounts(*counts)

    def _name_labels(self) -> None:
        """Give every site, NGI and country a name for files and groups that no other has, the plain ones their own."""
        for kind in ("site", "roc", "country"):
            for plain in (True, False):
                for label in self.labels_in_use(kind):
                    if label and is_name(label) is plain:
                        self._give_name(kind, label)

    def _give_name(self, kind: str, label: str) -> None:
        wanted = object_name(label)
        if kind == "roc":
            wanted = wanted.removeprefix("NGI_") or wanted  # as the groups have it before all of them
        numbered = (f"{wanted}-{number}" for number in count(2))
        name = next(name for name in chain([wanted], numbered) if not self._is_taken(kind, name))
        if name != wanted:
            what, other = {
                "site": ("files and groups", "site"),
                "roc": ("groups", "NGI"),
                "country": ("groups", "country"),
            }[kind]
            self._warn(f"{label}: its {what} are called {name}, as another {other}'s are {wanted}")
        self._database.execute("INSERT INTO label VALUES (?, ?, ?)", (kind, label, name))

    def _is_taken(self, kind: str, name: str) -> bool:
        found = self._database.execute("SELECT 1 FROM label WHERE kind = ? AND object = ?", (kind, name))
        return found.fetchone() is not None

    def _give_distinct_name(self, host: str, name: str) -> None:
        """The first of several services of one name keeps it; the others get the endpoint's key appended."""
        rows = self._database.execute(
            "SELECT rowid, site, type, key, metric, options, url FROM service WHERE host = ? AND name = ? "
            f"ORDER BY {_BY_AGE}",
            (host, name),
        ).fetchall()
        seen: dict[str, tuple[str, str]] = {}
        addresses: set[tuple[str, str]] = set()
        taken: set[str] = set()
        for rowid, site, service_type, key, metric, options, url in rows:
            where = f"{site}, {host}, {service_type}"
            new = name if not taken else f"{name}_{key}"
            address = self._address_alone(self.metrics[metric], json.loads(options))
            if options in seen or (address and (site, address) in addresses):
                self._database.execute("DELETE FROM service WHERE rowid = ?", (rowid,))
                if seen.get(options) == (service_type, url):
                    why = "the same is registered twice"
                elif options not in seen or seen[options][1] == url:
                    continue  # as Nova and Swift behind one Keystone: that is one question, and nobody's mistake
                else:
                    why = "another endpoint is asked in the same way"
                self._warn(f"{where}: left out {name} of {key or 'an endpoint'}: {why}")
            elif new in taken or (taken and not key):
                self._database.execute("DELETE FROM service WHERE rowid = ?", (rowid,))
                self._warn(
                    f"{where}: left out {name}: another endpoint of this host has it, and no key tells them apart"
                )
            else:
                self._database.execute("UPDATE service SET name = ? WHERE rowid = ?", (new, rowid))
                taken.add(new)
                seen[options] = (service_type, url)
                addresses.add((site, address))

    def _address_alone(self, metric: Metric, options: Iterable[tuple[str, str]]) -> str:
        """What a metric asks of host and port, whatever is there; empty for one that asks more, or that others need.

        Its certificate, say, is one for all that is registered there: not for each type, nor for each path of a URL.
        """
        if metric.probe != ADDRESS_PROBE or metric.name in self._needed:
            return ""
        given = dict(options)
        url = self._url(metric.name, given.items())
        try:
            address = read_address(url) if url else None
        except BadData:
            return ""
        if address is None:
            return ""
        of_endpoint = [option for name, option in metric.attributes if name.endswith("_URL")]
        of_endpoint += [option for option, value in metric.parameters if MACROS.get(value) == "service_type"]
        rest = {option: value for option, value in given.items() if option not in of_endpoint}
        return json.dumps([address.scheme, address.host.lower(), address.port_or_default, rest])

    # ---- reading

    def sites(self) -> Iterator[str]:
        for (site,) in self._database.execute("SELECT DISTINCT site FROM service ORDER BY site"):
            yield site

    def object_name_of(self, label: str, kind: str = "site") -> str:
        """What a site's files and groups are called, or the groups of an NGI ("roc") or country."""
        if (kind, label) not in self._objects:
            found = self._database.execute("SELECT object FROM label WHERE kind = ? AND name = ?", (kind, label))
            if len(self._objects) >= MAX_OBJECTS:
                self._objects.clear()
            [self._objects[kind, label]] = found.fetchone()
        return self._objects[kind, label]

    def labels_in_use(self, column: str) -> list[str]:
        """The sites, service types ("type"), metrics ("metric"), NGIs ("roc") and countries that occur."""
        assert column in ("site", "type", "metric", "roc", "country")
        found = self._database.execute(f"SELECT DISTINCT {column} FROM service WHERE {column} <> '' ORDER BY 1")
        return [value for (value,) in found]

    def hosts(self, site: str) -> Iterator[MonitoredHost]:
        """The hosts whose definition a site owns, by name."""
        rows = self._database.execute("SELECT host, portal FROM home WHERE site = ? ORDER BY host", (site,))
        for host, portal in rows:
            of = {
                column: [
                    value
                    for (value,) in self._database.execute(
                        f"SELECT DISTINCT {column} FROM service WHERE host = ? AND {column} <> '' ORDER BY 1", (host,)
                    )
                ]
                for column in ("type", "metric", "site", "roc", "country")
            }
            yield MonitoredHost(host, site, of["type"], portal, self._groups(of), next(iter(of["roc"]), ""))

    def services(self, site: str) -> Iterator[MonitoredService]:
        """The services of a site, by host and name."""
        rows = self._database.execute(
            "SELECT host, type, metric, key, name, options, roc, country FROM service WHERE site = ? ORDER BY 1, 5",
            (site,),
        )
        for host, service_type, metric, key, name, options, roc, country in rows:
            parents = self._parents(host, site, service_type, key, self.metrics[metric])
            pairs = [(option, value) for option, value in json.loads(options)]
            of = {"site": [site], "type": [service_type], "metric": [metric], "roc": [roc], "country": [country]}
            yield MonitoredService(host, site, service_type, metric, name, pairs, roc, parents, self._groups(of))

    def _groups(self, of: Mapping[str, list[str]]) -> list[str]:
        """Names of groups; those by site and service type begin as NCG's do."""
        return [
            f"{prefix}_{self.object_name_of(value, kind) if is_named else value}"
            for prefix, kind, is_named in GROUPS
            for value in of[kind]
            if value
        ]

    def topology(self) -> Iterator[Endpoint]:
        """The endpoints that have services, the older one of a type on a host first."""
        rows = self._database.execute(
            "SELECT host, site, type, key, roc, metric, options FROM service "
            "ORDER BY site, host, type, length(key), key, metric"
        )
        for (host, site, service_type, key, roc), found in groupby(rows, key=lambda row: row[:5]):
            urls = (self._url(metric, json.loads(options)) for *_, metric, options in found)
            yield Endpoint(host, site, service_type, key, roc, next(filter(None, urls), ""))

    def _url(self, metric: str, options: Iterable[tuple[str, str]]) -> str:
        """The URL of the endpoint that a service was given."""
        names = [option for name, option in self.metrics[metric].attributes if name.endswith("_URL")]
        given = dict(options)
        return next((str(given[option]) for option in names if option in given), "")

    def compare(self, old: Iterable[index.MonitoredEntry], listed: int) -> InventoryDifference:
        """What goes and what comes; listed: of how many of each the names are wanted. Raises: what `old` raises."""
        self._fill(
            "INSERT OR IGNORE INTO old VALUES (?, ?, ?, ?)",
            ((each.host, each.service, each.site, each.service_type) for each in old),
        )
        going = "FROM old WHERE NOT EXISTS (SELECT 1 FROM service AS s WHERE s.host = old.host AND s.name = old.name)"
        coming = "FROM service AS s WHERE NOT EXISTS (SELECT 1 FROM old WHERE s.host = old.host AND s.name = old.name)"

        def number_of(what: str) -> int:
            [(number,)] = self._database.execute(f"SELECT count(*) {what}")
            return int(number)

        def names(what: str) -> list[tuple[str, str, str]]:
            return self._database.execute(f"SELECT host, name, site {what} ORDER BY 1, 2 LIMIT ?", (listed,)).fetchall()

        gone = self._database.execute(
            "SELECT DISTINCT site FROM old WHERE site <> '' "
            "AND NOT EXISTS (SELECT 1 FROM service AS s WHERE s.site = old.site) ORDER BY site"
        ).fetchall()
        kinds = self._database.execute(
            "SELECT old.type, count(*), coalesce(now.number, 0), count(DISTINCT old.site) FROM old "
            "LEFT JOIN (SELECT type, count(*) AS number FROM service GROUP BY type) AS now ON now.type = old.type "
            "WHERE old.type <> '' GROUP BY old.type ORDER BY old.type"
        ).fetchall()
        return InventoryDifference(
            *(number_of("FROM old"), number_of(going), number_of(coming), names(going), names(coming)),
            sites_before=len(self._database.execute("SELECT DISTINCT site FROM old WHERE site <> ''").fetchall()),
            sites_gone=[site for (site,) in gone],
            kinds=kinds,
        )

    def add_entries_of_others(self, entries: Iterable[index.MonitoredEntry]) -> None:
        """Take over what another configuration beside this one monitors, for the list of all."""
        self._fill(
            "INSERT OR IGNORE INTO kept VALUES (?, ?, ?)",
            ((each.host, each.service, json.dumps(each._asdict())) for each in entries),
        )

    def _fill(self, statement: str, rows: Iterable[tuple[str, ...]]) -> None:
        self._database.execute("BEGIN")
        try:
            self._database.executemany(statement, rows)
        finally:
            self._database.execute("COMMIT")

    def all_entries(self) -> Iterator[index.MonitoredEntry]:
        """What is monitored by this configuration and by those beside it."""
        yield from self.entries()
        rows = self._database.execute(
            "SELECT entry FROM kept WHERE NOT EXISTS "
            "(SELECT 1 FROM service AS s WHERE s.host = kept.host AND s.name = kept.name) ORDER BY host, name"
        )
        for (entry,) in rows:
            yield index.MonitoredEntry(**json.loads(entry))

    def entries(self) -> Iterator[index.MonitoredEntry]:
        """What is monitored, for programs that come after."""
        rows = self._database.execute(
            "SELECT host, name, type, site, url, key, endpoints, monitored FROM service ORDER BY host, name"
        )
        for host, name, service_type, site, url, key, endpoints, monitored_id in rows:
            yield index.MonitoredEntry(host, name, service_type, site, url, key, json.loads(endpoints), monitored_id)

    def _parents(self, host: str, site: str, service_type: str, key: str, metric: Metric) -> list[str]:
        if not metric.dependencies:
            return []
        marks = ", ".join("?" * len(metric.dependencies))
        return [
            name
            for (name,) in self._database.execute(
                "SELECT name FROM service WHERE host = ? AND site = ? AND type = ? AND key = ? "
                f"AND metric IN ({marks}) ORDER BY name",
                (host, site, service_type, key, *metric.dependencies),
            )
        ]


def _shown(text: str) -> str:
    return f'"{excerpt(text, 60)}"'
