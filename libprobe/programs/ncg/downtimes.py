"""The run of fedcloud-downtimes: what the GOCDB declares, against what the monitor has scheduled.

Nothing is remembered between runs: the monitor itself is asked what there is. A downtime of ours is told by
its author and by the GOCDB's number in its comment.
"""

from __future__ import annotations

import argparse
import fcntl
import os
import re
import time
from collections import Counter

from libprobe import redact
from libprobe.deadline import Deadline
from libprobe.failures import Misconfigured
from libprobe.probe import cli
from libprobe.programs import execution
from libprobe.programs.execution import DONE, USAGE, WITH_WARNINGS
from libprobe.programs.ncg import index
from libprobe.programs.ncg.index import DEFAULT_OUTPUT
from libprobe.programs.ncg.scheduled import ScheduledDowntime, comment
from libprobe.text import duration, number_of, shortened

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Sequence
    from typing import NoReturn

    from libprobe.clients.gocdb import Gocdb, OutageIndex, SavedCopy
    from libprobe.formats.gocdb import Downtime as Outage
    from libprobe.formats.gocdb import Unreadable
    from libprobe.programs.ncg.configured_services import KnownService
    from libprobe.programs.ncg.index import MonitoredEntry
    from libprobe.programs.ncg.scheduled import HostAndService, Monitor

DEFAULT_TIMEOUT_S = 120.0
LOOK_AGAIN_S = 0.5
ICINGA_PORT = 5665
MAX_NAMED = 5
EPILOG = (
    "Exit codes: 0 the monitor has the downtimes of the GOCDB, 1 it has them but for those of which a line tells why, "
    "2 it may not have them, 3 wrong usage, a missing library, help and version."
)


# ---- The run


def main(doc: str | None) -> NoReturn:
    """Run as this process: read sys.argv, print the report, exit with its code."""
    execution.main(lambda argv: execute(argv, doc=doc), _refusal)


def execute(argv: Sequence[str], *, doc: str | None = None) -> tuple[int, str]:
    """Return the exit code and the report; raises nothing but Interrupted."""
    parser = _parser(os.path.basename(argv[0]), doc or "")
    try:
        args = parser.parse_args(argv[1:])
    except cli.CommandLineExit as stop:
        return USAGE, f"fedcloud-downtimes: {stop.text}\n" if stop.is_error else stop.text
    deadline = Deadline(args.timeout)
    return execution.carry_out(lambda: _carry_out(args, deadline), deadline, _refusal, verbose=args.verbose)


def _refusal(sentence: str) -> str:
    return f"fedcloud-downtimes: not done: {shortened(redact.blank(sentence), 1000)}"


def _carry_out(args: argparse.Namespace, deadline: Deadline) -> tuple[int, str]:
    from libprobe.clients.gocdb import OutageIndex
    from libprobe.probe.settings import read_settings

    args.settings = read_settings(args.config)
    monitor = _monitor(args, deadline)
    lock = _locked(os.path.join(args.output, index.NAME) if not args.ncg else args.nagios)
    try:
        source = _source(args, deadline)
        outages = OutageIndex(source.downtimes(future=True))
        if args.ncg:
            wanted = _WantedDowntimes(_match_nagios(monitor, source, outages), outages)
        else:
            wanted = _WantedDowntimes(((each, outages.affecting(each)) for each in index.read(args.output)), outages)
        known = monitor.known({each[:2] for each in wanted.downtimes})
        absent = {each[:2] for each in wanted.downtimes if each[:2] not in known.services}
        target = {each.what: each for each in wanted.downtimes if each[:2] not in absent}
        there = Counter(each.what for each in known.own_downtimes)
        now = int(time.time())
        # a monitor refuses what is over, and it may be by the time that it reads of it
        missing = [each for what, each in target.items() if not there[what] and each.end > now]
        surplus = _surplus(known.own_downtimes, target, now, source.unreadable)
        monitor.end(surplus)
        monitor.schedule(missing)
        if missing or surplus:
            _await_done(monitor, missing, surplus, deadline)
    finally:
        os.close(lock)
    lines = [
        f"fedcloud-downtimes: {number_of(wanted.declared, 'downtime')} for {number_of(len(target), 'service')}, from "
        f"{args.saved or 'the GOCDB'}, in {duration(deadline.elapsed())}",
        f"  {monitor.name}: {len(missing)} scheduled, {len(surplus)} ended early, "
        f"{len(target) - len(missing)} unchanged",
    ]
    unreadable = dict.fromkeys(f"{each.sentence}; what was scheduled for it stays" for each in source.unreadable)
    warnings = wanted.unmatched + _first_of(list(unreadable))
    if absent:
        first = min(absent)
        others = f" and {number_of(len(absent) - 1, 'other')}" if len(absent) > 1 else ""
        warnings.append(f"not known to {monitor.name}: {first[1]} on {first[0]}{others}; reload it, and run this again")
    lines += [f"  {shortened(each, 1000)}" for each in wanted.elsewhere + warnings]
    return (WITH_WARNINGS if warnings else DONE), execution.report(execution.made_safe(lines))


def _match_nagios(
    monitor: Monitor, source: Gocdb | SavedCopy, outages: OutageIndex
) -> Iterator[tuple[KnownService, list[Outage]]]:
    """The services of a Nagios that NCG configured, each with its outages.

    NCG writes neither URL nor endpoints, so the GOCDB is asked for them; of several services of one type on a host NCG
    takes the last, as it does here. With a saved answer the GOCDB is not asked: an outage of a few endpoints is one of
    the service. Raises: Misconfigured; HelperFailure.
    """
    from libprobe.clients.gocdb import EndpointSelection, Gocdb
    from libprobe.programs.ncg import configured_services

    path = getattr(monitor, "object_cache", "")
    if not path:
        raise Misconfigured("Nagios' main configuration does not set object_cache_file")
    services = configured_services.read_known_services(path)
    if not services:
        raise Misconfigured(f"{path} has no service with a service type (_service_flavour), as NCG writes them")
    if not isinstance(source, Gocdb):
        for each in services:
            yield each, outages.of_service(each.hostname, each.service_type)
        return
    registered = {}
    for endpoint in source.topology(EndpointSelection(frozenset(each.service_type for each in outages), scopes=())):
        for key in ("", endpoint.primary_key):
            registered[endpoint.hostname.lower(), endpoint.service_type, key] = endpoint
    for each in services:
        found = registered.get((each.hostname.lower(), each.service_type, each.primary_key))
        if found:
            each = each._replace(
                primary_key=found.primary_key,
                url=found.url,
                endpoints=found.endpoints,
                monitored_id=found.monitored_id,
            )
        yield each, outages.affecting(each)


def _first_of(sentences: Sequence[str]) -> list[str]:
    """The first few, and how many there are more."""
    more = len(sentences) - MAX_NAMED
    return [*sentences[:MAX_NAMED], *([f"and {number_of(more, 'other')} like that"] if more > 0 else [])]


def _surplus(
    ours: Iterable[ScheduledDowntime], target: Collection[object], now: int, unreadable: Iterable[Unreadable]
) -> list[ScheduledDowntime]:
    """What was withdrawn or moved, and what is there twice; not what ends by itself, nor what may be unreadable now."""
    numbers = {each.id for each in unreadable}
    seen = set()
    found = []
    for each in ours:
        if each.what in target and each.what not in seen:
            seen.add(each.what)
        elif each.end > now and each.number not in numbers and "" not in numbers:
            found.append(each)
    return found


def _await_done(
    monitor: Monitor, missing: Collection[ScheduledDowntime], surplus: Collection[ScheduledDowntime], deadline: Deadline
) -> None:
    """Wait until the monitor shows what it was told, or it is over. Raises: Misconfigured at the deadline."""
    ended = {each.handle for each in surplus}
    while True:
        began = time.monotonic()
        ours = monitor.known(()).own_downtimes
        there = {each.what for each in ours}
        open_ones = [each for each in missing if each.what not in there and each.end > time.time()]
        open_ones += [each for each in ours if each.handle in ended]
        if not open_ones:
            return
        pause = max(LOOK_AGAIN_S, time.monotonic() - began)  # a large status file takes seconds to read
        if deadline.remaining() <= pause + LOOK_AGAIN_S:
            raise Misconfigured(
                f"{monitor.name} was told, but does not show {number_of(len(open_ones), 'change')} within "
                f"{deadline.seconds:g} s, the first for {open_ones[0].service} on {open_ones[0].host}",
                remedy="see in its log whether it takes commands",
            )
        deadline.sleep(pause)


def _source(args: argparse.Namespace, deadline: Deadline) -> Gocdb | SavedCopy:
    from libprobe.clients.gocdb import DEFAULT_URL, Gocdb, SavedCopy

    if args.saved:
        return SavedCopy("", args.saved)
    from libprobe.targets import access

    url = args.gocdb or args.settings.get("gocdb", "url", DEFAULT_URL)
    return Gocdb(access.make_http_client(args, deadline), url, None, cache_s=0)


class _WantedDowntimes:
    """What the monitor is to have of the outages that have not ended yet, and what is to be said of the others.

    downtimes: of services of the monitor
    declared:  how many of the GOCDB these are
    elsewhere: lines on those of services, or of endpoints of them, that are not monitored here, as it should be
    unmatched: sentences on those of which that cannot be said
    """

    def __init__(
        self, services: Iterable[tuple[MonitoredEntry | KnownService, list[Outage]]], outages: OutageIndex
    ) -> None:
        found: dict[object, ScheduledDowntime] = {}
        matched: set[int] = set()
        registered: dict[HostAndService, set[str]] = {}
        for entry, affecting in services:
            numbers = registered.setdefault((entry.hostname.lower(), entry.service_type), set())
            numbers.update(number for number, _ in entry.endpoints if number)
            for each in affecting:
                matched.add(id(each))
                start, end = int(each.start.timestamp()), int(each.end.timestamp())
                text = comment(each.id, each.classification, each.description)
                made = ScheduledDowntime(entry.host, entry.service, each.id, start, end, text)
                found.setdefault(made.what, made)
        self.downtimes = list(found.values())
        self.declared = len({each.number for each in found.values()})
        others: list[str] = []
        partly: list[str] = []
        unmatched: list[str] = []
        for each in outages:
            if id(each) not in matched:
                what = f"downtime {each.id} of {each.service_type} on {each.hostname}"
                ids = {one.id for one in each.affected_endpoints}
                known = registered.get((each.hostname.lower(), each.service_type))
                if known is None or not ids:
                    others.append(what)
                elif ids <= known:
                    partly.append(f"{what} names endpoints that are not monitored")
                else:
                    named = each.affected_endpoints[0].url or "one without URL"
                    unmatched.append(
                        f"{what} names endpoints of which none is known here, the first {named}; run fedcloud-ncg again"
                    )
        self.elsewhere = _first_of(partly)
        if others:
            self.elsewhere.append(
                f"{number_of(len(others), 'outage')} of services that are not monitored here, the first: {others[0]}"
            )
        self.unmatched = _first_of(unmatched)


def _locked(path: str) -> int:
    """Hold the configuration's list of services, or Nagios' main file, against another run. Raises: Misconfigured."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError as error:
        raise Misconfigured(
            f"{path} cannot be read: {error.strerror}", remedy="name the --output of fedcloud-ncg"
        ) from None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(descriptor)
        raise Misconfigured("another fedcloud-downtimes is running", remedy="wait for it to end") from None
    return descriptor


def _monitor(args: argparse.Namespace, deadline: Deadline) -> Monitor:
    if args.nagios:
        from libprobe.programs.ncg.nagios import Nagios

        return Nagios(args.nagios, deadline)
    from libprobe.programs.ncg.icinga import Icinga

    return Icinga(args.icinga, args.icinga_login, args.icinga_ca, deadline)


# ---- Options


def _parser(prog: str, doc: str) -> cli.Parser:
    parser = cli.Parser(prog=prog, doc=doc, codes=EPILOG)
    group = parser.add_argument_group("what is told to whom")
    group.add_argument(
        "--output", metavar="DIR", default=DEFAULT_OUTPUT, help=f"where fedcloud-ncg wrote ({DEFAULT_OUTPUT})"
    )
    group.add_argument(
        "--ncg", action="store_true", help="NCG wrote the configuration: the services are those that Nagios knows"
    )
    monitor = group.add_mutually_exclusive_group(required=True)
    monitor.add_argument(
        "--nagios", metavar="FILE", help="main configuration of Nagios, such as /etc/nagios4/nagios.cfg"
    )
    monitor.add_argument(
        "--icinga",
        metavar="URL",
        type=_interface,
        help="interface of Icinga's master, as https://mon.example.org:5665/",
    )
    cli.secret_file(
        group,
        "--icinga-login",
        holds="login",
        default="/etc/fedcloud-probes/icinga-login",
        help="file with user:password (/etc/fedcloud-probes/icinga-login)",
    )
    group.add_argument(
        "--icinga-ca",
        metavar="PATH",
        default="/var/lib/icinga2/certs/ca.crt",
        help="authority of Icinga's certificate (/var/lib/icinga2/certs/ca.crt)",
    )
    parser.only_with("--ncg", "--nagios")
    parser.not_with("--output", "--ncg")
    parser.only_with("--icinga-login", "--icinga")
    parser.only_with("--icinga-ca", "--icinga")
    source = group.add_mutually_exclusive_group()
    source.add_argument(
        "--gocdb", metavar="URL", type=cli.web_address, help="GOCDB programmatic interface (default goc.egi.eu)"
    )
    source.add_argument("--from", dest="saved", metavar="FILE", help="a saved answer about downtimes instead")
    cli.tls(parser)
    cli.standard(parser, timeout=DEFAULT_TIMEOUT_S)
    return parser


def _interface(text: str) -> str:
    """The URL of an interface, with its port. Only https: the password goes there."""
    found = re.fullmatch(r"https://([A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])(:[0-9]{1,5})?/?", text)
    if not found:
        raise argparse.ArgumentTypeError(f"{text!r} is not a URL like https://mon.example.org:5665/")
    return f"https://{found[1]}{found[2] or f':{ICINGA_PORT}'}"
