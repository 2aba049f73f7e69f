"""`fedcloud-availability`: its commands and options, and the way from them to a report and an exit code."""

from __future__ import annotations

import argparse
import math
import os
import re
import sys
import time
from datetime import UTC, datetime, timedelta

from libprobe import redact
from libprobe.deadline import Deadline
from libprobe.failures import HelperFailure, Misconfigured
from libprobe.files import read_small_file
from libprobe.probe import cli
from libprobe.programs import execution
from libprobe.programs.execution import DONE, USAGE, WITH_WARNINGS
from libprobe.text import likely_meant, number_of, safe, shortened
from libprobe.timelines.algebra import STATUSES
from libprobe.timelines.evaluation import LEVELS, SITE, Exclusion, Outage, is_series_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from typing import BinaryIO, NoReturn

    from libprobe.judge.ranges import Limit
    from libprobe.programs.availability.result_import import ResultImporter
    from libprobe.timelines.calculation import Calculation, FigureRow, Period
    from libprobe.timelines.store import Store

NAME = "fedcloud-availability"
DEFAULT_TIMEOUT_S = 3600.0
DAY_S = 86_400
MAX_WEIGHTS_BYTES = 4 << 20
EPILOG = (
    "Exit codes: 0 done, 1 done but for what a line tells, 2 not done, 3 wrong usage, a missing library, help and "
    "version. Days and months are those of UTC."
)

ONLY_WITH_GOCDB = {"site", "scope", "any_site", "production_only", "ca_path", "proxy_from_environment"}
NOT_WITH_GOCDB = {"topology", "as_of"}

OPTIONS_OF_COMMAND = {
    "import": {
        *("services", "topology", "as_of", "downtimes", "soft_states", "skip_missing", "gocdb"),
        *ONLY_WITH_GOCDB,
    },
    "figures": {
        *("month", "since", "until", "by", "level", "json", "csv", "prometheus", "html", "weights"),
        *("metric_profile", "aggregation_profile", "operations_profile"),
    },
    "why": {"month", "since", "until", "json", "metric_profile", "aggregation_profile", "operations_profile"},
    "status": {
        *("at", "month", "since", "until", "level", "json"),
        *("metric_profile", "aggregation_profile", "operations_profile"),
    },
    "exclude": {"since", "until", "reason", "host", "service_type", "metric", "take_back"},
    "prune": {"keep"},
}
"""The options of each command, by where they go; those that all have are not among them."""

BREAKS_OFF = "files that cannot be read to the end"

COMMON_OPTIONS = {"state_dir", "timeout", "verbose", "config"}


# ---- The run


def main(doc: str | None) -> NoReturn:
    """Run as this process: read sys.argv, print the report, exit with its code."""
    execution.main(lambda argv: execute(argv, doc=doc), _refusal)


def execute(argv: Sequence[str], *, doc: str | None = None) -> tuple[int, str]:
    """Return the exit code and what is to be printed; raises nothing but Interrupted."""
    parser = _parser(os.path.basename(argv[0]), doc or "")
    try:
        args = parser.parse_args(argv[1:])
        _check(parser, args)
    except cli.CommandLineExit as stop:
        return USAGE, f"{NAME}: {stop.text}\n" if stop.is_error else stop.text
    deadline = args.deadline = Deadline(args.timeout)
    return execution.carry_out(lambda: _run_command(args), deadline, _refusal, verbose=args.verbose)


def _refusal(sentence: str) -> str:
    return f"{NAME}: not done: {shortened(redact.blank(sentence), 1000)}"


def _lines(lines: Iterable[str]) -> str:
    return "".join(f"{redact.blank(line)}\n" for line in lines)


def _run_command(args: argparse.Namespace) -> tuple[int, str]:
    from libprobe.probe.settings import read_settings
    from libprobe.state.files import StateDirectory, default_directory
    from libprobe.targets import access
    from libprobe.timelines.store import Store

    args.settings = read_settings(args.config)
    is_import = args.command == "import"
    if is_import:
        directory = StateDirectory(args.state_dir or args.settings.get("state", "directory") or default_directory())
    else:
        directory = access.open_existing_state(args)
    run: dict[str, Callable[[argparse.Namespace, Store], tuple[int, str]]] = {
        "import": _import,
        "figures": _figures,
        "why": _why,
        "status": _status,
        "exclude": _exclude,
        "prune": _prune,
    }
    with Store(directory, create=is_import) as store:
        return run[args.command](args, store)


# ---- import


def _import(args: argparse.Namespace, store: Store) -> tuple[int, str]:
    from libprobe.programs.availability.result_import import ResultImporter, ServiceLookup, garbage_sought_rarely
    from libprobe.programs.ncg import index

    now = int(time.time())
    if args.as_of is not None and args.as_of > now:
        raise Misconfigured(f"--as-of {_day(args.as_of)} is in the future")
    report = []
    services = ServiceLookup(index.read(args.services) if args.services else ())
    if args.topology:
        for day, endpoints in _read_endpoints(args.topology, args.as_of, now).items():
            report.append(f"  topology: {_put_topology(store, endpoints, day * DAY_S)}")
    elif services.endpoints and not args.gocdb:
        ngi_of = store.ngis()
        named = [(site, kind, host, ngi_of.get(site, "")) for site, kind, host, _ in services.endpoints]
        report.append(f"  topology: {_put_topology(store, named, args.as_of or now)}")
    unreadable: list[str] = []
    if args.downtimes:
        report.append(_put_outages(store, _read_outages(args.downtimes, unreadable), now))
        report += [f"  {each}" for each in unreadable[:5]]
    troubles: list[str] = []
    if args.names:
        paths, count_passed, notes = _result_files(args, store.imported())
        report += notes
        with garbage_sought_rarely(), store.writer() as writer:
            importer = ResultImporter(writer, services, now, soft=args.soft_states)
            _read_files(paths, importer)
            settled = writer.settle()
        if any(map(os.path.isdir, args.names)):
            store.note_imported()
        troubles = importer.problems.sentences()
        passed = f", {number_of(count_passed, 'archive')} passed over" if count_passed else ""
        repeated = f"; {number_of(settled, 'repetition')} dropped" if settled else ""
        report.insert(0, f"{NAME}: {importer.summary()}{passed}{repeated}")
    else:
        report.insert(0, f"{NAME}: done")
    if args.gocdb:
        troubles += _ask_gocdb(args, store, now, report)
    report += [f"  not taken: {each}" for each in troubles]
    return (WITH_WARNINGS if troubles or unreadable else DONE), _lines(report)


def _ask_gocdb(args: argparse.Namespace, store: Store, now: int, report: list[str]) -> list[str]:
    """Take over today's endpoints and the declared downtimes; returns what could not be taken.

    A GOCDB that fails costs no result: it is told, and what was known stays.
    """
    from libprobe.programs.availability import live

    gocdb = live.open_gocdb(args)
    try:
        found = live.endpoints(gocdb, args)
        outages = None if args.downtimes else list(live.outages(gocdb, now))
    except HelperFailure as failure:
        troubles = [f"{failure}; the endpoints and downtimes that are known stay"]
    else:
        troubles = found.left_out
        report.append(f"  topology: {_put_topology(store, found.endpoints, now)}")
        if found.uncertified:
            report.append(f"  left out: {found.uncertified}")
        if outages is not None:
            report.append(_put_outages(store, outages, now, is_whole=not gocdb.unreadable))
    return troubles + [each.sentence for each in gocdb.unreadable[:5]]


def _put_outages(store: Store, outages: Iterable[Outage], now: int, *, is_whole: bool = True) -> str:
    kept, gone = store.put_outages(outages, now, is_whole=is_whole)
    return f"  downtimes: {number_of(kept, 'outage')} of services kept, {gone} withdrawn"


def _put_topology(store: Store, endpoints: Iterable[tuple[str, str, str, str]], at: int) -> str:
    kept = list(endpoints)
    is_new = store.put_topology(at // DAY_S, kept)
    since = datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d")
    return f"{number_of(len(kept), 'endpoint')} from {since} on" if is_new else f"unchanged on {since}"


def _read_endpoints(
    paths: Sequence[str], as_of: int | None, now: int
) -> dict[int, Iterable[tuple[str, str, str, str]]]:
    """The endpoints by the day from which on they are these; days since 1970. as_of: that day, as the option has it."""
    from libprobe.clients.gocdb import EndpointSelection, SavedCopy
    from libprobe.programs.availability import topology

    day = (as_of or now) // DAY_S
    are_json = [topology.is_json(path) for path in paths]
    if not any(are_json) and len(paths) == 1:
        saved = SavedCopy(paths[0]).topology(EndpointSelection())
        return {day: [(each.site, each.service_type, each.hostname.lower(), each.roc) for each in saved]}
    if not all(are_json):
        raise Misconfigured("more than one --topology is for the JSON of ARGO's web API: its endpoints and its groups")
    by_day = topology.read(paths, day)
    if as_of is not None and list(by_day) != [day]:
        raise Misconfigured("the topology has days of its own", remedy="leave out --as-of")
    return dict(by_day)


def _read_outages(path: str, unreadable: list[str]) -> Iterable[Outage]:
    from libprobe.clients.gocdb import SavedCopy
    from libprobe.programs.availability import topology

    saved = SavedCopy("", path)
    yield from topology.outages(saved.downtimes(now=datetime(2000, 1, 1, tzinfo=UTC), future=True))
    unreadable += [each.sentence for each in saved.unreadable]


def _result_files(args: argparse.Namespace, newest: int | None) -> tuple[list[str], int, list[str]]:
    """Files, and those of directories; how many archives are passed over, and with -v lines about what is not read.

    newest: when the newest result was had that the last import brought, None without any.
    """
    from libprobe.programs.availability import report, result_import

    names = result_import.without_missing(args.names) if args.skip_missing else args.names
    since = 0 if newest is None else newest - DAY_S
    paths: list[str] = []
    passed_over: list[str] = []
    for name in names:
        found = result_import.files_of_directory(name, since) if os.path.isdir(name) else None
        paths += found.files if found else [name]
        passed_over += found.passed_over if found else []
    notes = [f"  not there: {safe(name)}" for name in args.names if name not in names] if args.verbose else []
    if passed_over and args.verbose:
        old = f"last written to before {report.instant(since)}, a day before the newest result of the last import"
        count = number_of(len(passed_over), "archive")
        notes.append(f"  passed over: {count} {old} (to have one read, name the file itself)")
        notes += [f"    {safe(path)}" for path in passed_over]
    return paths, len(passed_over), notes


def _read_files(paths: Sequence[str], importer: ResultImporter) -> None:
    """Logs in the order of their beginnings, whatever the order of their names; then everything else."""
    from libprobe.programs.availability import argo, icinga, messages, nagios, result_import, sensu

    logs: list[tuple[int, str]] = []
    others: list[tuple[Callable[[BinaryIO, str, ResultImporter], None], str]] = []
    for path in paths:
        try:
            with result_import.open_result_file(path) as file:
                head = file.peek(4096)  # type: ignore[attr-defined]
        except result_import.BROKEN as error:
            importer.problems.note(BREAKS_OFF, f"{path}: {error}")
            continue
        if not head:
            importer.problems.note("empty files", path)
        elif nagios.is_log(head):
            logs.append((nagios.log_start(head), path))
        elif nagios.is_status(head):
            others.append((nagios.read_status, path))
        elif argo.is_avro(head):
            others.append((argo.read, path))
        elif icinga.is_events(head):
            others.append((icinga.read_events, path))
        elif icinga.is_state(head):
            others.append((icinga.read_state, path))
        elif sensu.is_events(head):
            others.append((sensu.read, path))
        elif messages.is_message(head):
            others.append((messages.read, path))
        else:
            raise Misconfigured(
                f"{path} is not a log, status.dat or retention.dat of Nagios, nor a file of events or metric results",
                remedy="leave it out",
            )
    log = nagios.LogReader(importer)
    for number, (_, path) in enumerate(sorted(logs), 1):
        _progress(f"{os.path.basename(path)}, {number} of {len(logs)}, {number_of(importer.lines, 'line')}")
        _read_file(log.read, path, importer)
    log.end()
    for read, path in others:
        _read_file(lambda file, path, read=read: read(file, path, importer), path, importer)  # type: ignore[misc]
    _progress("")


def _read_file(read: Callable[[BinaryIO, str], None], path: str, importer: ResultImporter) -> None:
    """Read a file as far as it can be read: what came before the place where it breaks off counts."""
    from libprobe.programs.availability import result_import

    try:
        with result_import.open_result_file(path) as file:
            read(file, path)
    except (*result_import.BROKEN, result_import.BrokenFile) as error:
        importer.problems.note(BREAKS_OFF, f"{path}: {error}")


def _progress(text: str) -> None:
    """On a terminal, a line that the next takes the place of."""
    if sys.stderr.isatty():
        sys.stderr.write(f"\r\x1b[K{safe(text)}")
        sys.stderr.flush()


# ---- figures, statuses, why


def _calculation(args: argparse.Namespace, store: Store, period: Period) -> Calculation:
    from libprobe.timelines import profiles
    from libprobe.timelines.calculation import Calculation

    profile = profiles.read(args.metric_profile, args.aggregation_profile, args.operations_profile)
    found = Calculation(store, profile, period)
    if not found.sites:
        raise Misconfigured(
            f"no endpoint that the profile {safe(profile.name)[:100]} counts is in the topology of {period.name}",
            remedy="give one with import --services, --topology or --gocdb",
        )
    return found


def _period(args: argparse.Namespace) -> Period:
    """The month or the days of the options, this month without any; never beyond now. Raises: Misconfigured."""
    from libprobe.timelines.calculation import Period, month_of

    now = int(time.time())
    if args.since is not None or args.until is not None:
        if args.since is None or args.until is None:
            raise Misconfigured("--from and --to belong together")
        start, end = args.since[0], args.until[1]
        if start % DAY_S or end % DAY_S:
            raise Misconfigured("figures are for whole days", remedy="give --from and --to as days, as 2026-10-07")
        name = f"{_day(start)} to {_day(end - 1)}" if end - start > DAY_S else _day(start)
    else:
        start = args.month if args.month is not None else month_of(now)
        end = month_of(start + 32 * DAY_S)
        name = _day(start)[:7]
    if start >= end:
        raise Misconfigured(f"--to is before --from: {name}")
    if start >= now:
        raise Misconfigured(f"{name} has not begun")
    return Period(name, start, min(end, now))


def _day(at: int) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d")


def _figures(args: argparse.Namespace, store: Store) -> tuple[int, str]:
    from libprobe.programs.availability import report

    period = _period(args)
    found = _calculation(args, store, period)
    sites = found.choose_sites(args.names)
    weights = _weights(args.weights) if args.weights else {}
    level = SITE if args.level == report.NGI else args.level
    rows: Iterable[FigureRow] = found.rows(_status_lines(sites), level, args.by)
    if args.level == report.NGI:
        rows = found.groups(rows, weights)
    if args.html:
        from libprobe.programs.availability import page

        return DONE, "".join(page.render(found, sites))
    if args.json:
        return DONE, report.results_json(rows, args.level, args.by) + "\n"
    if args.csv:
        return DONE, report.results_csv(rows, args.by)
    if args.prometheus:
        return DONE, report.prometheus(rows, period.name)
    return DONE, _lines([f"{period.name}, {_until(period)}", *report.figures_table(rows, args.level, args.by)])


def _status_lines(sites: Sequence[str]) -> Iterable[str]:
    for number, site in enumerate(sites, 1):
        if number % 10 == 1:
            _progress(f"{number} of {number_of(len(sites), 'site')}")
        yield site
    _progress("")


def _until(period: Period) -> str:
    from libprobe.programs.availability import report

    is_whole = period.end % DAY_S == 0
    return "UTC" if is_whole else f"until {report.instant(period.end)}"


def _weights(path: str) -> dict[str, float]:
    """Of sites, by name, as ARGO's web API has them. Raises: Misconfigured."""
    import json

    try:
        document = json.loads(read_small_file(path, "", MAX_WEIGHTS_BYTES))
        found = document["data"][0] if "data" in document else document
        weights = {str(each["name"]): float(each["value"]) for each in found["groups"]}
        if not all(math.isfinite(each) and each >= 0 for each in weights.values()):
            raise ValueError
    except (ValueError, KeyError, TypeError, IndexError, RecursionError):
        raise Misconfigured(f"{path} has no weights of sites in the form of ARGO's web API") from None
    return weights


def _why(args: argparse.Namespace, store: Store) -> tuple[int, str]:
    from libprobe.programs.availability import report

    period = _period(args)
    found = _calculation(args, store, period)
    (site,) = found.choose_sites(args.names)
    why = found.explain(site)
    if args.json:
        return DONE, report.why_json(why, period.name) + "\n"
    return DONE, _lines(report.why_lines(why, period.name, everything=bool(args.verbose)))


def _status(args: argparse.Namespace, store: Store) -> tuple[int, str]:
    from libprobe.programs.availability import report
    from libprobe.timelines.calculation import Period

    is_span = any(each is not None for each in (args.month, args.since, args.until))
    if is_span:
        period = _period(args)
    else:
        now = int(time.time())
        at = args.at[0] if args.at else now
        if at > now:
            raise Misconfigured(f"{report.instant(at)} is in the future")
        # its day as it is known now: a day that has a result only later than that instant is no day without any
        start = at - at % DAY_S
        period = Period(report.instant(at), start, max(min(start + DAY_S, now), at + 1))
    found = _calculation(args, store, period)
    of_each = {site: found.lines(site, args.level) for site in found.choose_sites(args.names)}
    if not is_span:
        of_each = {
            site: {
                path: [max(each for each in line if each.start <= at)._replace(start=at)]
                for path, line in paths.items()
            }
            for site, paths in of_each.items()
        }
    if args.json:
        entries = [
            ("/".join(path), [(each.start, each.status) for each in line])
            for paths in of_each.values()
            for path, line in paths.items()
        ]
        return DONE, report.status_json(entries) + "\n"
    rows: list[tuple[Sequence[str], str]] = []
    for paths in of_each.values():
        for path, line in paths.items():
            if is_span:
                starts = {each.start for each in line}
                for each in line:
                    rows.append(((*path, report.instant(each.start)), STATUSES[each.status]))
                    if each.end not in starts and each.end != period.end:
                        rows.append(((*path, report.instant(each.end)), "not in the topology"))
            else:
                rows.append((path, STATUSES[line[0].status]))
    header = [*reversed(LEVELS[LEVELS.index(args.level) :]), *(["from"] if is_span else []), "status"]
    table = report.table(header, ([*path, status] for path, status in rows))
    return DONE, _lines([period.name, *table])


# ---- exclusions, pruning


def _exclude(args: argparse.Namespace, store: Store) -> tuple[int, str]:
    from libprobe.programs.availability import report

    if args.take_back is not None:
        if not store.undo_exclusion(args.take_back):
            unknown = f"there is no exclusion {args.take_back}"
            raise Misconfigured(unknown, remedy=f"look at `{NAME} exclude`, which lists them")
        return DONE, _lines([f"{NAME}: exclusion {args.take_back} is taken back"])
    is_list = not any((args.since, args.until, args.reason, args.host, args.service_type, args.metric))
    if is_list:
        rows = [
            [
                str(number),
                report.instant(each.start),
                report.instant(each.end),
                " ".join(filter(None, each[3:])) or "everything",
                each.reason,
            ]
            for number, each in store.exclusions().items()
        ]
        return DONE, _lines(report.table(["number", "from", "to", "what", "reason"], rows))
    if args.since is None or args.until is None or not args.reason:
        raise Misconfigured("an exclusion needs --from, --to and --reason")
    start, end = args.since[0], args.until[1]
    if start >= end:
        raise Misconfigured("--to is before --from")
    site = args.names[0] if args.names else ""
    endpoints = store.endpoints()
    metrics = store.metrics()
    for what, given, known in (
        ("site", site, {each.site for each in endpoints}),
        ("host", (args.host or "").lower(), {each.host for each in endpoints}),
        ("service type", args.service_type or "", {each.service_type for each in endpoints}),
        ("metric", args.metric or "", metrics),
    ):
        is_of_vo = what == "metric" and any(is_series_of(name, given) for name in metrics)
        if given and given not in known and not is_of_vo:
            near = likely_meant(given, known)
            hint = f"did you mean {near[0]}?" if near else ""
            raise Misconfigured(f"no {what} {safe(given)[:100]} is known", remedy=hint)
    number = store.exclude(
        Exclusion(start, end, args.reason, site, args.service_type or "", (args.host or "").lower(), args.metric or "")
    )
    return DONE, _lines([f"{NAME}: exclusion {number} from {report.instant(start)} to {report.instant(end)}"])


def _prune(args: argparse.Namespace, store: Store) -> tuple[int, str]:
    before = int(time.time() - args.keep.value)
    before -= before % DAY_S
    results, sentences = store.prune(before)
    what = f"{number_of(results, 'result')} and {number_of(sentences, 'sentence')} from before {_day(before)} forgotten"
    return DONE, _lines([f"{NAME}: {what}"])


# ---- Options


def _check(parser: cli.Parser, args: argparse.Namespace) -> None:
    """Refuse an option that the command does not have, and names that it does not take."""
    if args.command not in OPTIONS_OF_COMMAND:  # which is not repeated: it could be a secret in the wrong place
        parser.error(f"the first word must be a command: one of {', '.join(OPTIONS_OF_COMMAND)}")
    allowed = OPTIONS_OF_COMMAND[args.command] | COMMON_OPTIONS
    for action in parser.arguments:
        if action.option_strings and action.dest in args.given and action.dest not in allowed:
            parser.error(f"{action.option_strings[-1]} has no effect with {args.command}")
    if args.command == "why" and len(args.names) != 1:
        parser.error("why takes the name of one site")
    if args.command == "exclude" and len(args.names) > 1:
        parser.error("exclude takes the name of one site, or none")
    if args.command == "prune":
        if args.names:
            parser.error("prune takes no names")
        if args.keep is None:
            parser.error("prune needs --keep, as --keep 400d")
    has_source = args.services or args.topology or args.downtimes or args.gocdb
    if args.command == "import" and not (args.names or has_source):
        parser.error("import takes files, or --services, --topology, --gocdb or --downtimes")
    for action in parser.arguments:
        if action.dest in args.given and action.dest in ONLY_WITH_GOCDB and not args.gocdb:
            parser.error(f"{action.option_strings[-1]} has no effect without --gocdb")
        if action.dest in args.given and action.dest in NOT_WITH_GOCDB and args.gocdb:
            parser.error(f"{action.option_strings[-1]} has no effect together with --gocdb; leave one of them out")
    if args.skip_missing and not args.names:
        parser.error("--skip-missing has no effect without files")
    if args.at is not None and any(each is not None for each in (args.month, args.since, args.until)):
        parser.error("--at is one instant; leave it out, or the period")
    if args.prometheus and args.by != "period":
        parser.error("--prometheus has one value for the whole period: leave out --by")
    if args.html and (args.by != "period" or args.level != SITE):
        parser.error("--html shows the days of sites: leave out --by and --level")
    if args.month is not None and (args.since is not None or args.until is not None):
        parser.error("give --month, or --from and --to")


def _parser(prog: str, doc: str) -> cli.Parser:
    parser = cli.Parser(prog=prog, doc=doc, codes=EPILOG, intermixed=True)
    what = parser.add_argument_group("what to do")
    what.add_argument("command", metavar="COMMAND", help=", ".join(OPTIONS_OF_COMMAND))
    what.add_argument(
        "names",
        nargs="*",
        type=cli.line,
        metavar="NAME",
        help="import: files; else sites by their names in the GOCDB",
    )
    source = parser.add_argument_group("import")
    source.add_argument(
        "--services", metavar="DIR", help="what fedcloud-ncg wrote: service types and sites of the monitor's services"
    )
    source.add_argument(
        "--topology",
        metavar="FILE",
        action="append",
        help="a saved answer of the GOCDB's get_service_endpoint, or of ARGO's topology/endpoints and, once more, "
        "topology/groups; default: --services",
    )
    source.add_argument(
        "--gocdb",
        metavar="URL",
        type=cli.web_address,
        help="ask this GOCDB for today's endpoints, as fedcloud-ncg does, and for the downtimes",
    )
    source.add_argument("--site", metavar="NAME", type=cli.line, help="--gocdb: this site only (exact GOCDB name)")
    source.add_argument(
        "--scope",
        metavar="NAMES",
        type=_scope,
        help="--gocdb: endpoints with all of these scopes (default EGI; '' for any)",
    )
    source.add_argument(
        "--any-site", action="store_true", help="--gocdb: sites that are not certified or not in production too"
    )
    source.add_argument(
        "--production-only", action="store_true", help="--gocdb: no services that are beta or not in production"
    )
    source.add_argument(
        "--as-of", metavar="DAY", type=_midnight, help="from which day on these are the endpoints (default: today)"
    )
    source.add_argument("--downtimes", metavar="FILE", help="a saved answer of the GOCDB about downtimes")
    source.add_argument(
        "--soft-states", action="store_true", help="count a state before the monitor has confirmed it by repetition"
    )
    source.add_argument(
        "--skip-missing", action="store_true", help="leave out files that are not there; one has to be there"
    )
    when = parser.add_argument_group("when (default: this month)")
    when.add_argument("--month", metavar="MONTH", type=_month, help="a month, as 2026-10")
    when.add_argument(
        "--from", dest="since", metavar="TIME", type=_time, help="a day, as 2026-10-07; exclude: or 2026-10-07T03:00Z"
    )
    when.add_argument("--to", dest="until", metavar="TIME", type=_time, help="the last day, or the instant of an end")
    when.add_argument("--at", metavar="TIME", type=_time, help="status: at which instant (default: now)")
    shown = parser.add_argument_group("figures and status")
    shown.add_argument("--by", choices=("hour", "day", "month", "period"), default="period", help="a figure for each")
    shown.add_argument(
        "--level", choices=("ngi", *reversed(LEVELS)), default=SITE, help="of what: ngi, site (default) ... metric"
    )
    form = shown.add_mutually_exclusive_group()
    form.add_argument("--json", action="store_true", help="JSON as ARGO's web API has it")
    form.add_argument("--csv", action="store_true", help="CSV")
    form.add_argument("--html", action="store_true", help="a page by itself: days by site, timelines, outages")
    form.add_argument("--prometheus", action="store_true", help="Prometheus' text form, as its node exporter reads it")
    shown.add_argument("--weights", metavar="FILE", help="computing power of sites, for --level ngi: JSON of ARGO")
    profile = parser.add_argument_group("profiles, JSON as of ARGO's web API (default: for the federated cloud)")
    profile.add_argument("--metric-profile", metavar="FILE", help="which metrics each service type has to have")
    profile.add_argument("--aggregation-profile", metavar="FILE", help="which service types count, and how")
    profile.add_argument("--operations-profile", metavar="FILE", help="what AND and OR mean")
    excluded = parser.add_argument_group("exclude (without a time: list what is excluded)")
    excluded.add_argument("--reason", metavar="TEXT", type=_reason, help="why the results of that time are no results")
    excluded.add_argument("--host", type=cli.host, help="only of this host")
    excluded.add_argument("--service-type", metavar="TYPE", type=cli.word, help="only of this service type")
    excluded.add_argument("--metric", metavar="NAME", type=cli.word, help="only this metric")
    excluded.add_argument("--take-back", metavar="NUMBER", type=_number, help="forget an exclusion")
    cli.tls(parser)
    kept = parser.add_argument_group("prune, and state")
    kept.add_argument("--keep", metavar="AGE", type=_keep, help="how much to keep, as 400d")
    kept.add_argument("--state-dir", metavar="DIR", help="where state is kept (default /var/lib/fedcloud-probes)")
    cli.standard(parser, timeout=DEFAULT_TIMEOUT_S)
    return parser


def _month(text: str) -> int:
    found = re.fullmatch(r"([0-9]{4})-([0-9]{2})", text, re.ASCII)
    try:
        if found and 2000 <= int(found[1]) < 3000:
            return int(datetime(int(found[1]), int(found[2]), 1, tzinfo=UTC).timestamp())
    except ValueError:
        pass
    raise argparse.ArgumentTypeError(f"{text!r} is not a month like 2026-10")


def _time(text: str) -> tuple[int, int]:
    """A day, as its beginning and its end, or an instant with its zone, twice; seconds since 1970."""
    try:
        if re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", text, re.ASCII):
            day = datetime.strptime(text, "%Y-%m-%d").replace(tzinfo=UTC)
            return int(day.timestamp()), int((day + timedelta(days=1)).timestamp())
        if re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:]{5,8}(Z|[+-][0-9]{2}:[0-9]{2})", text, re.ASCII):
            at = int(datetime.fromisoformat(text).timestamp())
            return at, at
    except (ValueError, OverflowError):
        pass
    raise argparse.ArgumentTypeError(f"{text!r} is not a day like 2026-10-07 or an instant like 2026-10-07T03:00:00Z")


def _midnight(text: str) -> int:
    start, end = _time(text)
    if start == end:
        raise argparse.ArgumentTypeError(f"{text!r} is not a day like 2026-10-07")
    return start


def _scope(text: str) -> str:
    if not text.isprintable():
        raise argparse.ArgumentTypeError(f"{text!r} has control characters in it")
    return text


def _reason(text: str) -> str:
    if not text.strip() or not text.isprintable():
        raise argparse.ArgumentTypeError(f"{text!r} is empty or has control characters in it")
    return text.strip()[:500]


def _number(text: str) -> int:
    return cli.whole_number(text, 10**9 - 1, "the number of an exclusion")


def _keep(text: str) -> Limit:
    found = cli.age_limit(text)
    if found is None:
        raise argparse.ArgumentTypeError(f"{text!r} is not an age above 0, as 400d")
    return found
