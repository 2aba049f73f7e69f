"""The fault matrix: every executable against every fault that can befall it, and what each has to say then."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

from libprobe.formats.plugin_output import IMPERATIVE, read_plugin_output
from libprobe.programs.selfcheck.advice import advice
from tests.conftest import command
from tests.federation import accounting, appdb
from tests.reliability.peers import FAULTS, HOST, OCCI, SITE, Grid, Maker, Nowhere, Peer, Peers
from tests.reliability.runs import Outcome, run

OK, WARNING, CRITICAL, UNKNOWN = 0, 1, 2, 3
NOT_WRITTEN = 2
"""Of fedcloud-ncg, which is no probe: the old configuration stays."""


class Place(NamedTuple):
    """Where a peer listens. secure: it speaks TLS, or should."""

    host: str
    port: int
    secure: bool

    def url(self, scheme: str, path: str = "/") -> str:
        return f"{scheme}://{self.host}:{self.port}{path}"


class Column(NamedTuple):
    """An executable and whom it asks.

    speaks:    the ways of FAULTS that can befall it.
    blamed:    the exit code when the one who is asked is at fault: CRITICAL for an endpoint, UNKNOWN for a helper.
    named:     how a sentence names who is at fault; {at} stands for host and port in either form.
    arguments: its command line. before: one that is run first.
    share:     the part of the whole time that it gives to who is asked. whole: the rest may go to another before.
    twin:      it has its client in common with a column before it.
    """

    name: str
    speaks: tuple[str, ...]
    blamed: int
    named: str
    arguments: Callable[[Place], list[str]]
    before: Callable[[Place], list[str]] | None = None
    share: float = 1.0
    whole: bool = False
    twin: bool = False


def _plain_or_secure(scheme: str, secure: str, path: str) -> Callable[[Place], str]:
    return lambda place: place.url(secure if place.secure else scheme, path)


_ldap = _plain_or_secure("ldap", "ldaps", "/o=glue")
_stomp = _plain_or_secure("stomp", "stomp+ssl", "/")
_queue = _plain_or_secure("stomp", "stomp+ssl", "/queue/results")
_TOPIC = "/v1/projects/EGI/topics/metric_data"
_OCCI = "/?image=uuid_monitoring_20&resource=small"
PI = "/gocdbpi/public/"
_A_RESULT = (
    *("--no-send", "--metric", "eu.egi.cloud.OCCI-VM", "-H", HOST, "--service-type", OCCI, "--state", "OK"),
    *("--output", "fine"),
)
HTTP = ("any", "tls", "http")

COLUMNS: tuple[Column, ...] = (
    Column("check_occi_vm", HTTP, CRITICAL, "{at}", lambda at: ["check_occi_vm", "-u", at.url("https", _OCCI)]),
    Column(
        "check_occi_context",
        HTTP,
        CRITICAL,
        "{at}",
        lambda at: ["check_occi_context", "-u", at.url("https", _OCCI)],
        twin=True,
    ),
    Column(
        "check_apel_pub",
        HTTP,
        UNKNOWN,
        "accounting portal {at}|name {at} does not resolve",
        lambda at: ["check_apel_pub", "--site", SITE, "-u", at.url("https", accounting.TABLE_PATH)],
    ),
    Column(
        "check_appdb_update",
        (*HTTP, "cms"),
        CRITICAL,
        "{at}",
        lambda at: ["check_appdb_update", "-u", at.url("https", appdb.PATH), "--signature", "if-present"],
    ),
    Column(
        "check_openstack_vm",
        HTTP,
        CRITICAL,
        "{at}",
        lambda at: ["check_openstack_vm", "-u", at.url("https", "/v3")],
    ),
    Column(
        "check_openstack_swift",
        HTTP,
        CRITICAL,
        "{at}",
        lambda at: ["check_openstack_swift", "-u", at.url("https", "/v3")],
    ),
    Column(
        "check_openstack_images",
        HTTP,
        CRITICAL,
        "{at}",
        lambda at: [
            *("check_openstack_images", "-u", at.url("https", "/v3"), "--list", at.url("https", appdb.PATH)),
            *("--signature", "if-present"),
        ],
        share=0.6,
        whole=True,  # the list's host has the fault too, and is asked first
    ),
    Column(
        "check_cloud_info",
        HTTP,
        UNKNOWN,
        "information system {at}|information system name {at} does not resolve",
        lambda at: [
            *("check_cloud_info", "-u", at.url("https", "/v3"), "--auth", "none"),
            *("--information-system", at.url("https")),
        ],
        share=0.4,
    ),
    Column("check_perun", HTTP, CRITICAL, "{at}", lambda at: ["check_perun", "-u", at.url("https")]),
    Column(
        "check_cloud_bdii",
        ("any", "tls", "ldap"),
        CRITICAL,
        "{at}",
        lambda at: ["check_cloud_bdii", "-u", _ldap(at), "--site", SITE],
    ),
    Column("check_broker", ("any", "tls", "stomp"), CRITICAL, "{at}", lambda at: ["check_broker", "-u", _stomp(at)]),
    Column("check_endpoint_tcp", ("any",), CRITICAL, "{at}", lambda at: ["check_endpoint_tcp", "-u", at.url("https")]),
    Column(
        "check_endpoint_tcp --tls",
        ("any", "tls"),
        CRITICAL,
        "{at}",
        lambda at: ["check_endpoint_tcp", "--tls", "-u", at.url("https")],
    ),
    Column(
        "-H through the GOCDB",
        HTTP,
        UNKNOWN,
        "GOCDB {at}|GOCDB name {at} does not resolve",
        lambda at: ["check_endpoint_tcp", "-H", HOST, "--gocdb", at.url("https", PI)],
        share=0.25,
    ),
    Column(
        "fedcloud-ncg",
        HTTP,
        NOT_WRITTEN,
        "not written: .*GOCDB (name )?{at}.*; the old configuration stays",
        lambda at: ["fedcloud-ncg", "--gocdb", at.url("https", PI), "--no-validate"],
        twin=True,
    ),
    Column(
        "fedcloud-selfcheck",
        HTTP,
        UNKNOWN,
        "GOCDB {at}|GOCDB name {at} does not resolve",
        lambda at: ["fedcloud-selfcheck", SITE, "--gocdb", at.url("https", PI)],
        twin=True,
    ),
    Column(
        "fedcloud-publish --drain",
        ("any", "tls", "stomp"),
        UNKNOWN,
        "{at}.*; 1 result waiting",
        lambda at: ["fedcloud-publish", "--drain", "--publish", _queue(at)],
        before=lambda at: ["fedcloud-publish", "--publish", _queue(at), *_A_RESULT],
        twin=True,
    ),
    Column(
        "fedcloud-publish --to ams --drain",
        HTTP,
        UNKNOWN,
        "{at}.*; 1 result waiting",
        lambda at: ["fedcloud-publish", "--drain", "--to", "ams", "--publish", at.url("https", _TOPIC)],
        before=lambda at: ["fedcloud-publish", "--to", "ams", "--publish", at.url("https", _TOPIC), *_A_RESULT],
        twin=True,
    ),
)

# ---- what each has to say

HTTP_ERROR = {
    "401": r"\b401\b",
    "403": r"\b403\b",
    "404": r"\b404\b",
    "409": r"\b409\b",
    "429 with Retry-After": r"\b429\b.*; asks to wait 120 s",
    "500": r"\b500\b",
    "503": r"\b503\b.*; asks to wait 120 s",
}
_LATE = r"within [\d.]+ s"
_NO_ANSWER = rf"(no complete answer|no answer to CONNECT|TLS handshake not complete) {_LATE}"
_CUT_HANDSHAKE = r"connection (closed|reset) in TLS handshake by .*{at}"
_BROKEN_OFF = (
    r"connection ((closed|reset) (before an answer|within the answer|before any answer to CONNECT) from"
    r"|reset by) .*{at}"
)
_TOO_MUCH = (
    r"(answer larger than \d+ KiB from|frame with (headers|a body) of more than \d+ KiB from"
    r"|message of 2 GiB announced by {at}.*; more than 1 MiB is refused|no document but"
    rf"|no end after \d+ entries|no complete answer {_LATE})"
)
_NO_DOCUMENT = (
    r"(no category in the answer of|page without accounting data|nor JSON at all|not JSON"
    r"|a document with a DTD instead of results)"
)

SAYS: dict[str, str] = {
    "name unknown": r"name {at} does not resolve \(.+\)",
    "refused": r"connection refused by .*{at} \(127\.0\.0\.1\)",
    "no route": r"Network is unreachable at .*{at} \(give this monitor a route\)",
    "connection attempt not answered": rf"no connection {_LATE} to .*{{at}} \(127\.0\.0\.1\)",
    "mute after accept": _NO_ANSWER,
    "close after accept": rf"({_CUT_HANDSHAKE}|{_BROKEN_OFF})",
    "reset after accept": rf"({_CUT_HANDSHAKE}|{_BROKEN_OFF})",
    "garbage after accept": r"(no TLS spoken on|\" instead of (LDAP|STOMP) from)",
    "drip in the handshake": rf"TLS handshake not complete {_LATE}",
    "close in the handshake": _CUT_HANDSHAKE,
    "reset in the handshake": _CUT_HANDSHAKE,
    "certificate expired": r"certificate expired 3 d ago \(\d{4}-\d\d-\d\d \d\d:\d\d UTC\) on",
    "certificate not yet valid": r"certificate not valid before [-\d]+ [\d:]+ UTC \(in 3 d\) on",
    "certificate self-signed": r"certificate self-signed or of an unknown root CA on",
    "certificate of an unknown CA": r"certificate of an untrusted CA \(Unknown Test CA\) on",
    "certificate for another host": r"certificate for elsewhere\.fedcloud\.test instead of .*{at}",
    "certificate revoked": r"certificate revoked on \d{4}-\d\d-\d\d on",
    "certificate with a weak key": r"certificate too weak for TLS today \(its key\) on",
    "TLS 1.0 only": r"no TLS 1\.2 or later offered by",
    "client certificate refused, TLS 1.2": r"(our client certificate refused|client certificate wanted)",
    "client certificate refused, TLS 1.3": r"(our client certificate refused|client certificate "
    r"wanted|closed .* on our client certificate)"
    r"|our certificate may have been refused|connection closed without an answer",
    "mute after the request": _NO_ANSWER,
    "drip in the headers": _NO_ANSWER,
    "drip in the body": _NO_ANSWER,
    "close after the request": _BROKEN_OFF,
    "close in the headers": r"connection closed within the answer from",
    "close in the body": (
        r"connection closed (within the answer|in the middle of its "
        r"answer|before any answer to CONNECT)"
    ),
    "reset after the request": _BROKEN_OFF,
    "garbage for an answer": r"\" instead of (HTTP|LDAP|STOMP) from",
    "endless headers": r"(malformed HTTP \(got more than 100 headers\) from|frame with headers of more than)",
    "endless body": _TOO_MUCH,
    "200 MB body": _TOO_MUCH,
    "compression bomb": r"body in the coding 'gzip', not asked for, from",
    "redirect loop": r"more than 3 redirects from .*{at}.*; the last to https://{at}/again",
    "redirect to another host": r"redirect to .*https://elsewhere\.invalid/",
    "redirect to file:": r"redirect to .*file:///etc/passwd",
    "redirect to http: on loopback": r"redirect to .*http://localhost:\d+/",
    **HTTP_ERROR,
    "login page": r"(page \"Sign in\" (\(200\)|instead of an image list) from|page without accounting data"
    r"|an HTML page instead of results)",
    "wrong charset": r"(no category in the answer|page without accounting data|nor JSON at all)",
    "empty document": r"(answered with nothing|empty (answer|page|document)|but nothing)",
    "truncated document": r"(no image template offered at all|page without accounting data"
    r"|its second boundary is missing|breaks off|that is not JSON)",
    "deeply nested document": r"(is not JSON|not JSON|nor JSON at all|too deep|\d+ deep|broken LDAP|holds \d+ values)",
    "truncated CMS": r"the signature cannot be read: it breaks off",
    "deeply nested CMS": r"the signature cannot be read: it is no CMS",
    "entity bomb": _NO_DOCUMENT,
}

_ACCEPTS = r"accepts connections after [\d.]+ m?s"
_DONE = (OK, "")

EXCEPTIONS: dict[tuple[str, str], tuple[int, str]] = {
    # what is read all the same: who sends a good document under a wrong heading serves its users
    ("check_occi_vm", "wrong content type"): (OK, r"VM active after"),
    ("check_occi_context", "wrong content type"): (OK, r"offers all that is required"),
    ("check_apel_pub", "wrong content type"): (OK, rf"{SITE} last published 2 h ago"),
    ("check_appdb_update", "wrong content type"): (OK, r"3 images, signature good"),
    ("check_openstack_swift", "wrong content type"): (OK, r"1 MiB stored in"),
    # the object is changed by the way as any other document
    ("check_openstack_swift", "wrong charset"): (CRITICAL, r"other bytes than were stored, from byte 0 of"),
    # a Keystone that takes no login says most by its status alone
    ("check_openstack_swift", "404"): (CRITICAL, r"no Keystone at /v3 \(404 Not Found\) on {at}"),
    ("check_openstack_swift", "redirect loop"): (
        CRITICAL,
        r"redirect to https://{at}/again \(302\) from {at} when asked to log in",
    ),
    ("check_openstack_swift", "login page"): (CRITICAL, r"page \"Sign in\" \(200\) from {at} when asked to log in"),
    ("check_openstack_swift", "empty document"): (CRITICAL, r"401 Unauthorized from {at} when asked to log in"),
    ("check_openstack_swift", "truncated document"): (CRITICAL, r"401 Unauthorized from {at} when asked to log in"),
    ("check_openstack_swift", "deeply nested document"): (CRITICAL, r"no X-Subject-Token \(200 OK\) from {at}"),
    ("check_openstack_vm", "wrong content type"): (OK, r"VM active after"),
    ("check_openstack_vm", "wrong charset"): (OK, r"VM active after"),
    ("check_openstack_vm", "404"): (CRITICAL, r"no Keystone at /v3 \(404 Not Found\) on {at}"),
    ("check_openstack_vm", "redirect loop"): (
        CRITICAL,
        r"redirect to https://{at}/again \(302\) from {at} when asked to log in",
    ),
    ("check_openstack_vm", "login page"): (CRITICAL, r"page \"Sign in\" \(200\) from {at} when asked to log in"),
    ("check_openstack_vm", "empty document"): (CRITICAL, r"401 Unauthorized from {at} when asked to log in"),
    ("check_openstack_vm", "truncated document"): (CRITICAL, r"401 Unauthorized from {at} when asked to log in"),
    ("check_openstack_vm", "deeply nested document"): (CRITICAL, r"no X-Subject-Token \(200 OK\) from {at}"),
    ("check_openstack_images", "wrong content type"): (
        OK,
        r"0 of 3 images of image list {at} in step in RegionOne of {at} \(project ops\); missing as seen now: Image 1 ",
    ),
    ("check_openstack_images", "404"): (CRITICAL, r"no Keystone at /v3 \(404 Not Found\) on {at}"),
    ("check_openstack_images", "redirect loop"): (
        CRITICAL,
        r"redirect to https://{at}/again \(302\) from {at} when asked to log in",
    ),
    ("check_openstack_images", "login page"): (
        CRITICAL,
        r"page \"Sign in\" \(200\) from {at} when asked to log in",
    ),
    ("check_openstack_images", "empty document"): (CRITICAL, r"401 Unauthorized from {at} when asked to log in"),
    ("check_openstack_images", "truncated document"): (CRITICAL, r"401 Unauthorized from {at} when asked to log in"),
    ("check_openstack_images", "deeply nested document"): (CRITICAL, r"no X-Subject-Token \(200 OK\) from {at}"),
    # a signed list has another charset as well, and is a helper's
    ("check_openstack_images", "wrong charset"): (UNKNOWN, r"no image list, nor JSON at all from image list {at}"),
    ("check_cloud_info", "login page"): (UNKNOWN, r"page \"Sign in\" \(200\) instead of JSON"),
    ("check_cloud_info", "truncated document"): (UNKNOWN, r"answer that is not JSON from"),
    ("check_cloud_info", "wrong content type"): (OK, rf"is published as {SITE} with 1 project"),
    ("check_cloud_info", "wrong charset"): (OK, rf"is published as {SITE} with 1 project"),
    ("check_perun", "wrong content type"): (OK, r"runs Perun 3\.7\.0"),
    ("check_perun", "wrong charset"): (OK, r"runs Perun 3\.7\.0"),
    ("fedcloud-publish --to ams --drain", "wrong content type"): (OK, r"1 result sent to {at}, none waiting"),
    ("fedcloud-publish --to ams --drain", "wrong charset"): (OK, r"1 result sent to {at}, none waiting"),
    ("fedcloud-publish --to ams --drain", "redirect loop"): (
        UNKNOWN,
        r"redirect to https://{at}/again \(302\) from {at} \(give the address of AMS itself",
    ),
    ("fedcloud-publish --to ams --drain", "login page"): (
        UNKNOWN,
        r"page \"Sign in\" \(200\) instead of JSON from {at}",
    ),
    ("-H through the GOCDB", "wrong content type"): (CRITICAL, r"connection refused by localhost:1 "),
    ("-H through the GOCDB", "wrong charset"): (CRITICAL, r"connection refused by localhost:1 "),
    ("fedcloud-ncg", "wrong content type"): (OK, r"\d services on 1 host of 1 site, from the GOCDB"),
    ("fedcloud-ncg", "wrong charset"): (OK, r"\d services on 1 host of 1 site, from the GOCDB"),
    ("fedcloud-selfcheck", "wrong content type"): (CRITICAL, rf"{SITE}: CRITICAL - \d CRITICAL"),
    ("fedcloud-selfcheck", "wrong charset"): (CRITICAL, rf"{SITE}: CRITICAL - \d CRITICAL"),
    # a port that accepts is all that is asked for; and where a client certificate is wanted, TLS works
    ("check_endpoint_tcp", "mute after accept"): (OK, _ACCEPTS),
    ("check_endpoint_tcp", "close after accept"): (OK, _ACCEPTS),
    ("check_endpoint_tcp", "reset after accept"): (OK, _ACCEPTS),
    ("check_endpoint_tcp", "garbage after accept"): (OK, _ACCEPTS),
    ("check_endpoint_tcp --tls", "client certificate refused, TLS 1.2"): (
        OK,
        r"certificate valid for 36\d d, and (?:wants a client certificate|refuses ours)",
    ),
    ("check_endpoint_tcp --tls", "client certificate refused, TLS 1.3"): (OK, r"certificate valid for 36\d d"),
    # a private list, or one behind a client certificate, is for others: ours to know
    ("check_appdb_update", "401"): (UNKNOWN, r"access token wanted: the list is private \(401 Unauthorized\) from"),
    ("check_appdb_update", "client certificate refused, TLS 1.2"): (
        UNKNOWN,
        r"client certificate wanted by",
    ),
    ("check_appdb_update", "client certificate refused, TLS 1.3"): (
        UNKNOWN,
        r"client certificate wanted by",
    ),
    # nothing else is behind a redirect of Perun's than a login
    **{
        ("check_perun", f"redirect {where}"): (CRITICAL, rf"redirect to {target} \(302\) from {{at}}; not logged in")
        for where, target in (
            ("loop", r"https://{at}/again"),
            ("to another host", r"https://elsewhere\.invalid/"),
            ("to file:", r"file:///etc/passwd"),
            ("to http: on loopback", r"http://localhost:\d+/"),
        )
    },
    # codes of LDAP and STOMP stand in for those of HTTP
    ("check_cloud_bdii", "403"): (CRITICAL, r"login required \(insufficientAccessRights, 50\) by {at}; not for you"),
    ("check_cloud_bdii", "404"): (CRITICAL, r"base o=glue does not exist on {at}; it runs but holds no data"),
    ("check_cloud_bdii", "503"): (CRITICAL, r"refused \(busy, 51\) by {at} when asked to search"),
    ("check_broker", "500"): (CRITICAL, r"ERROR \"internal error: the disk is full\" from {at}; no answer to CONNECT"),
    ("fedcloud-publish --drain", "500"): (
        UNKNOWN,
        r"ERROR \"internal error: the disk is full\" from {at}; no answer to CONNECT",
    ),
}
"""What differs from SAYS, by column and fault: exit code and sentence."""

OWN = frozenset({"no route"})
"""Not a fault of anybody who is asked: it is this machine's kernel that says so, having asked nobody."""

WAITS = frozenset(
    {
        "connection attempt not answered",
        "mute after accept",
        "drip in the handshake",
        "mute after the request",
        "drip in the headers",
        "drip in the body",
        "endless body",
    }
)
"""Faults that last until the deadline."""

SAMPLE = frozenset(
    {
        "refused",
        "mute after accept",
        "certificate expired",
        "client certificate refused, TLS 1.2",
        "drip in the body",
        "close in the headers",
        "endless body",
        "redirect to http: on loopback",
        "429 with Retry-After",
        "500",
        "truncated document",
    }
)
"""What is enough for a column whose client another one has tried with everything; `make reliability` runs all."""

BUSY = re.compile(
    r"not (?:finished|read|resolved) within|no time left to connect|the time of -t was up"
    r"|no connection within|no answer in time|this machine took"
)
"""What a run says whose time was up before it came to the fault."""


class Cell(NamedTuple):
    """code, says: what the run has to end with; a regular expression in which {at} is host and port."""

    column: Column
    fault: str
    maker: Maker
    secure: bool
    code: int
    says: str

    @property
    def waits(self) -> bool:
        return self.fault in WAITS


def cells(column: Column, *, sampled: bool = False) -> Iterator[Cell]:
    """The cells of a column; sampled: fewer of a twin."""
    for fault, ways in FAULTS.items():
        for way in column.speaks:
            if way in ways and not (sampled and column.twin and fault not in SAMPLE):
                secure = way == "tls" or "http" in column.speaks
                yield Cell(column, fault, ways[way], secure, *expected(column, fault))


def expected(column: Column, fault: str) -> tuple[int, str]:
    """Exit code and sentence of a cell. Raises: KeyError for a fault of which nothing is said."""
    if (column.name, fault) in EXCEPTIONS:
        return EXCEPTIONS[column.name, fault]
    if fault in OWN and column.name.startswith("check_"):
        return UNKNOWN, SAYS[fault]
    return column.blamed, SAYS[fault]


class Limits(NamedTuple):
    """deadline_s: of faults that last until it, others get ten times as much. late_s: how much later a run may end.

    busy: the machine may be so busy that a run's time is up before it comes to the fault.
    """

    deadline_s: float = 3.0
    late_s: float = 1.0
    peak_kib: int = 64 << 10
    busy: bool = False


class Result(NamedTuple):
    """complaints: what is wrong with the outcome of a cell, in words; none if all is as it should be."""

    cell: Cell
    outcome: Outcome
    complaints: list[str]

    def __str__(self) -> str:
        return (
            f"{self.cell.column.name} x {self.cell.fault}: {'; '.join(self.complaints)}\n    {self.outcome.out[:400]}"
        )


def carry_out_all(
    wanted: Iterable[Cell], peers: Peers, directory: Path, limits: Limits, *, at_once: int
) -> Iterator[Result]:
    """Yield the results of cells in their order; most of them wait, so many are run at once."""

    def one(numbered: tuple[int, Cell]) -> Result:
        number, cell = numbered
        return carry_out(cell, peers.grid, peers.of(cell.maker), directory / str(number), limits)

    with ThreadPoolExecutor(at_once) as pool:
        yield from pool.map(one, enumerate(wanted))


def carry_out(cell: Cell, grid: Grid, peer: Peer, directory: Path, limits: Limits, **environment: object) -> Result:
    """Run the executable of a cell against its peer. environment: what its environment has beside the usual."""
    host = peer.host if isinstance(peer, Nowhere) else "localhost"
    place = Place(host, peer.port, cell.secure)
    state = ["--output" if cell.column.name == "fedcloud-ncg" else "--state-dir", str(directory / "state")]
    environment |= {"X509_USER_PROXY": grid.proxy, "X509_CERT_DIR": grid.authority.ca_directory}
    if "--to ams" in cell.column.name:
        state += ["--ams-token-file", str(grid.ams_token)]
    if cell.column.before:
        run(command(*cell.column.before(place), *state), directory, **environment)
    seconds = limits.deadline_s * (1 if cell.waits else 10)
    given = seconds / cell.column.share
    outcome = run(command(*cell.column.arguments(place), *state, "-t", f"{given:g}"), directory, **environment)
    ends = given if cell.column.whole else seconds
    return Result(cell, outcome, list(_complaints(cell, place, peer, outcome, limits, ends)))


def _complaints(
    cell: Cell, place: Place, peer: Peer, outcome: Outcome, limits: Limits, seconds: float
) -> Iterator[str]:
    at = rf"{re.escape(place.host)}(:| port ){place.port}"
    if cell.fault == "name unknown":
        at = re.escape(place.host) + "(:[0-9]+)?"
    is_excused = limits.busy and cell.waits and BUSY.search(outcome.sentence)
    if outcome.code != cell.code and not is_excused:
        yield f"exit code {outcome.code}, not {cell.code}"
    if not re.search(cell.says.replace("{at}", at), outcome.out) and not is_excused:
        yield f"does not say why: {cell.says}"
    if is_excused:
        pass
    elif cell.fault in OWN:
        pass  # nobody else is at fault, and the sentence that it has to say names this monitor
    elif outcome.code == cell.column.blamed and not re.search(cell.column.named.replace("{at}", at), outcome.sentence):
        yield f"does not say whose fault it is: {cell.column.named}"
    if re.search(r"a bug|Errno|Error\b.*:|_ssl\.c|Traceback", outcome.out.replace("Internal Server Error", "")):
        yield "speaks of its own insides"
    if outcome.code != OK and cell.column.name.startswith(("check_", "-H")) and not is_excused:
        # as the self-check shows it, to people who see nothing else
        told = read_plugin_output(outcome.out, is_problem=True)
        what = advice(told.sentence, told.remedy, critical=outcome.code == CRITICAL, page="")
        if not IMPERATIVE.match(what) or what.startswith("look up"):
            yield f"does not say what to do but {what!r}"
    if outcome.err:
        yield f"standard error: {outcome.err[:200]}"
    if outcome.seconds > seconds + limits.late_s:
        yield f"ended after {outcome.seconds:.2f} s, its deadline was {seconds:g} s"
    if outcome.peak_kib > limits.peak_kib:
        yield f"used {outcome.peak_kib >> 10} MiB"
    if outcome.left:
        yield f"left {', '.join(outcome.left)}"
    if getattr(peer, "canary", None) and peer.canary.connections:  # type: ignore[attr-defined]
        yield "went to the service that it was redirected to"
