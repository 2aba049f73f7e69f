"""The run of fedcloud-ncg: options, the steps in their order, and the report."""

from __future__ import annotations

import argparse
import os
import re
import signal
import tempfile
from contextlib import contextmanager, suppress

from libprobe import redact
from libprobe.deadline import Deadline
from libprobe.failures import Asked, BadData, HelperFailure, Misconfigured
from libprobe.formats.address import host_port_of
from libprobe.formats.ncg import is_harmless, is_host, is_name
from libprobe.probe import cli
from libprobe.probe.settings import read_settings
from libprobe.programs import catalogue, execution
from libprobe.programs.execution import DONE, NOT_DONE, USAGE, WITH_WARNINGS
from libprobe.programs.ncg import overrides, poem, selection, sensu
from libprobe.programs.ncg.configuration import (
    DEFAULT_PLUGINS,
    FORMATS,
    ConfigurationOptions,
    ConfigurationWriter,
    MonitorMachine,
    check_contact,
)
from libprobe.programs.ncg.index import DEFAULT_OUTPUT
from libprobe.programs.ncg.inventory import Inventory, InventoryCounts
from libprobe.programs.ncg.output_directory import OutputDirectory
from libprobe.programs.ncg.previous import PreviousConfiguration, listed_files
from libprobe.text import duration, number_of, safe, shortened

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from typing import NoReturn

    from libprobe.clients.gocdb import Gocdb, SavedCopy
    from libprobe.clients.http import HttpClient
    from libprobe.formats.gocdb import Unreadable

DEFAULT_TIMEOUT_S = 900.0
MAX_SATELLITES = 100
DEFAULT_SHRINK_LIMIT = 50.0
WRITERS: dict[str, Callable[[ConfigurationWriter], None]] = {
    "nagios": ConfigurationWriter.write_nagios,
    "icinga2": ConfigurationWriter.write_icinga2,
    "nrpe": ConfigurationWriter.write_nrpe,
    "sensu": sensu.write,
    "poem": poem.write,
}
"""What writes each of FORMATS."""
ENDING = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
EPILOG = (
    "Exit codes: 0 written, 1 written with warnings, 2 not written and the old configuration kept, "
    "3 wrong usage, a missing library, help and version. With --check-ncg: 0 all metrics are taken, 1 some are not, "
    "2 that cannot be said."
)


def main(doc: str | None) -> NoReturn:
    """Run as this process: read sys.argv, print the report, exit with its code."""

    def commit() -> None:
        """From here on the new configuration is in place: nothing may keep the report from saying so."""
        signal.pthread_sigmask(signal.SIG_BLOCK, {*ENDING, signal.SIGALRM})

    execution.main(lambda argv: execute(argv, doc=doc, commit=commit), _not_written)


def execute(
    argv: Sequence[str], *, doc: str | None = None, commit: Callable[[], None] | None = None
) -> tuple[int, str]:
    """Return the exit code and the report; raises nothing but Interrupted.

    commit: called just before the new configuration takes the place of the old one.
    """
    parser = _parser(os.path.basename(argv[0]), doc or "")
    try:
        args = parser.parse_args(argv[1:])
        plan = _plan(args)
    except cli.CommandLineExit as stop:
        return USAGE, f"fedcloud-ncg: {stop.text}\n" if stop.is_error else stop.text
    except BadData as error:
        return USAGE, f"fedcloud-ncg: usage: {safe(redact.blank(str(error)))} (see {parser.prog} --help)\n"
    deadline = Deadline(args.timeout)

    def work() -> tuple[int, str]:
        code, lines = _check_ncg(args) if args.check_ncg else _Generation(args, plan, deadline, commit).carry_out()
        return code, execution.report(lines)

    return execution.carry_out(work, deadline, _not_checked if args.check_ncg else _not_written, verbose=args.verbose)


@contextmanager
def _scratch() -> Iterator[str]:
    """A directory for the length of a run, removed even where this process has hardly a descriptor left for that."""
    path = tempfile.mkdtemp(prefix="fedcloud-ncg-")
    try:
        yield path
    finally:
        with suppress(OSError):
            for name in os.listdir(path):  # of plain files; shutil.rmtree opens more, and gives up where it cannot
                os.unlink(os.path.join(path, name))
            os.rmdir(path)


def _not_written(sentence: str) -> str:
    return f"fedcloud-ncg: not written: {shortened(redact.blank(sentence), 1000)}; the old configuration stays"


def _not_checked(sentence: str) -> str:
    return f"fedcloud-ncg: not checked: {shortened(redact.blank(sentence), 1000)}"


def _check_ncg(args: argparse.Namespace) -> tuple[int, list[str]]:
    """What an argo-ncg will do with the metrics; raises: Failure."""
    from libprobe.programs.ncg import argo

    metrics = catalogue.read(args.definitions)
    found = argo.check(args.check_ncg, metrics)
    lacking = {name.partition(" for ")[0] for each in found.skipped for name in each.metrics}
    taken = 0 if argo.ALL in lacking else len(metrics) - len(lacking)
    lines = [f"fedcloud-ncg: NCG takes {taken} of {number_of(len(metrics), 'metric')}, by {args.check_ncg}"]
    skipped = [f"skips {', '.join(each.metrics)}: {each.reason}" for each in found.skipped]
    lines += [f"  {shortened(each, 1000)}" for each in skipped + found.remarks]
    return (WITH_WARNINGS if found.skipped else DONE), execution.made_safe(lines)


class _Generation:
    """One generation, from the topology to the report."""

    def __init__(
        self,
        args: argparse.Namespace,
        plan: ConfigurationOptions,
        deadline: Deadline,
        commit: Callable[[], None] | None,
    ) -> None:
        self._commit = commit
        self.args = args
        self.plan = plan
        self.deadline = deadline
        self.formats = list(dict.fromkeys(args.format or FORMATS[:1]))
        self.verdicts: list[str] = []
        self.monitor_warnings: list[str] = []
        self.monitor_warnings_dropped = 0
        self.uncertified: dict[str, int] = {}

    def carry_out(self) -> tuple[int, list[str]]:
        self.args.settings = read_settings(self.args.config)
        if self.args.overrides:
            self.plan = self.plan._replace(overrides=overrides.read(self.args.overrides))
            if self.plan.overrides.parents and self.plan.satellites:
                raise Misconfigured(f"overrides {self.args.overrides}: there are no parents with --satellite")
        metrics = catalogue.read(self.args.definitions)
        with OutputDirectory(self.args.output) as place, _scratch() as scratch:
            inventory = Inventory(
                metrics, os.path.join(scratch, "inventory"), vo=self.args.vo, cert=self.args.cert or ""
            )
            try:
                counts = self._read_topology(inventory)
                previous = PreviousConfiguration(place, inventory, self.formats)
                # nothing at all passed --allow-empty
                if counts.services and (refused := previous.refusal(counts.services, self.args.shrink_limit)):
                    return NOT_DONE, execution.made_safe([_not_written(refused), *previous.list_changes()])
                writer = ConfigurationWriter(place.staging, inventory, self.plan)
                for kind in self.formats:
                    before = writer.files
                    WRITERS[kind](writer)
                    verdict = self._verdict(kind, place, counts)
                    self.verdicts.append(f"{kind}: {number_of(writer.files - before, 'file')}, {verdict}")
                previous.keep_others()
                writer.write_index(self.formats if previous.others else ())
                unchanged = place.is_unchanged()
                end = [f"  unchanged in {place.path}" if unchanged else f"  written to {place.path}"]
                if self.args.dry_run:
                    end = [f"  not written to {place.path}: --dry-run", *previous.list_changes(), *listed_files(place)]
                else:
                    self._prepare_state()
                    if not unchanged:
                        if self._commit:
                            self._commit()
                        place.replace()
            finally:
                inventory.close()
            return self._report(inventory, counts, writer, [*previous.summary(), *end])

    def _read_topology(self, inventory: Inventory) -> InventoryCounts:
        """Read the topology into the inventory. Raises: HelperFailure; Misconfigured."""
        source = self._source()
        for endpoint in source.topology(selection.wanted(self.args, inventory.service_types)):
            inventory.add(endpoint)
        inventory.warn_all(f"left out: {each.sentence}" for each in source.unreadable)
        self.uncertified = source.uncertified
        self._read_contacts(inventory)
        counts = inventory.finalize()
        inventory.warn_all(self.plan.overrides.sections_without_effect(inventory))
        if not counts.services and not self.args.allow_empty:
            what = "no endpoint to be monitored"
            if inventory.endpoints:
                what = f"no usable one of {number_of(inventory.endpoints, 'endpoint')} to be monitored"
            host = host_port_of(source.url)  # empty for a saved copy
            asked = Asked(f"GOCDB {host}" if host else source.url, source.url)
            if self.uncertified and not inventory.endpoints:
                raise HelperFailure(
                    what,
                    of=asked,
                    link="in",
                    also=selection.describe_uncertified(self.uncertified),
                    remedy="give --any-site if they are to be monitored, or --allow-empty",
                )
            raise HelperFailure(
                what,
                of=asked,
                link="in",
                also="; ".join(inventory.warnings[:3]),
                remedy="see --site and --scope, or give --allow-empty if that is right",
            )
        return counts

    def _read_contacts(self, inventory: Inventory) -> None:
        """Read the contacts of each site. Raises: HelperFailure; Misconfigured; OwnCredential."""
        from libprobe.clients.gocdb import saved_contacts
        from libprobe.formats.gocdb import Contacts

        unreadable: list[Unreadable] = []
        for kind, name, addresses in self.plan.overrides.contacts():
            inventory.add_contacts(kind, Contacts(name, addresses))
        for path in self.args.contacts_from:
            for kind, contacts in saved_contacts(path, unreadable):
                inventory.add_contacts(kind, contacts)
        inventory.warn_all(f"contacts: {each.sentence}" for each in unreadable)
        if self.args.contacts_cert:
            from libprobe.clients import credentials
            from libprobe.targets import access

            found = credentials.find_certificate(self.args.contacts_cert, self.args.contacts_key)
            private = self._gocdb(access.make_http_client(self.args, self.deadline, found))
            for kind, contacts in private.contacts():
                inventory.add_contacts(kind, contacts)
            inventory.warn_all(f"contacts: {each.sentence}" for each in private.unreadable)

    @property
    def _sites_are_unknown(self) -> bool:
        return bool(self.args.saved and not self.args.sites_from and not self.args.any_site)

    def _prepare_state(self) -> None:
        """Make the directories that a monitor running from these files alone expects."""
        if self.plan.stand_alone:
            names = [each.name for each in (self.plan.master, *self.plan.satellites) if self.plan.satellites]
            for name in ("rw", "checkresults", *names):
                os.makedirs(os.path.join(self.plan.stand_alone, name), mode=0o700, exist_ok=True)

    def _source(self) -> Gocdb | SavedCopy:
        from libprobe.clients.gocdb import SavedCopy

        if self.args.saved:
            return SavedCopy(self.args.saved, sites=self.args.sites_from or "")
        from libprobe.targets import access

        return self._gocdb(access.make_http_client(self.args, self.deadline))

    def _gocdb(self, http: HttpClient) -> Gocdb:
        from libprobe.clients.gocdb import DEFAULT_URL, Gocdb

        return Gocdb(http, self.args.gocdb or self.args.settings.get("gocdb", "url", DEFAULT_URL), None, cache_s=0)

    def _verdict(self, kind: str, place: OutputDirectory, counts: InventoryCounts) -> str:
        if self.args.no_validate:
            return "not checked: --no-validate"
        if not counts.services:
            return "not checked: monitors take a configuration without services for a mistake"
        from libprobe.programs.ncg.validation import find_main_file, validate

        if kind == "nagios" and not self.plan.main and not self.plan.stand_alone:
            self.plan = self.plan._replace(main=find_main_file(place.path))
        result = validate(kind, place.staging, self.plan, counts, self.deadline)
        self.monitor_warnings += result.warnings
        self.monitor_warnings_dropped += result.warnings_dropped
        return result.report

    def _report(
        self, inventory: Inventory, counts: InventoryCounts, writer: ConfigurationWriter, end: list[str]
    ) -> tuple[int, list[str]]:
        warnings = inventory.warnings + writer.warnings + self.monitor_warnings
        dropped = inventory.warnings_dropped + self.monitor_warnings_dropped
        total = len(warnings) + dropped
        lines = [
            f"fedcloud-ncg: {number_of(counts.services, 'service')} on {number_of(counts.hosts, 'host')} of "
            f"{number_of(counts.sites, 'site')}, from {self.args.saved or 'the GOCDB'}, in "
            f"{duration(self.deadline.elapsed())}",
            *([f"  left out: {selection.describe_uncertified(self.uncertified)}"] if self.uncertified else []),
            *(["  sites: all of the copy, certified or not (--sites-from tells)"] if self._sites_are_unknown else []),
            *(f"  {verdict}" for verdict in self.verdicts),
            *end,
        ]
        if total:
            lines.append(f"{number_of(total, 'warning')}:")
            lines += [f"  {shortened(line, 500)}" for line in warnings]
        if dropped:
            lines.append(f"  ... and {dropped} more")
        return (WITH_WARNINGS if total else DONE), execution.made_safe(lines)


# ---- Options


def _parser(prog: str, doc: str) -> cli.Parser:
    parser = cli.Parser(prog=prog, doc=doc, codes=EPILOG)
    group = parser.add_argument_group("what is monitored")
    source = group.add_mutually_exclusive_group()
    source.add_argument(
        "--gocdb", metavar="URL", type=cli.web_address, help="GOCDB programmatic interface (default goc.egi.eu)"
    )
    source.add_argument("--from", dest="saved", metavar="FILE", help="a saved get_service_endpoint answer instead")
    group.add_argument("--site", metavar="NAME", help="this site only (exact GOCDB name)")
    group.add_argument("--scope", metavar="NAMES", help="endpoints with all of these scopes (default EGI; '' for any)")
    group.add_argument("--any-site", action="store_true", help="sites that are not certified or not in production too")
    group.add_argument("--sites-from", metavar="FILE", help="with --from: a saved get_site_list of the certified sites")
    group.add_argument("--production-only", action="store_true", help="no services that are beta or not in production")
    group.add_argument("--definitions", metavar="DIR", help="metric definitions and localdb, as etc/ncg")
    group.add_argument("--vo", metavar="NAME", default=catalogue.DEFAULT_VO, help="VO to act for (default ops)")
    group.add_argument("--fqan", metavar="FQAN", help="for _vo_fqan: group and role of the proxy (default the VO)")
    group.add_argument("--cert", metavar="FILE", help="proxy that the probes are to use, as they see it")
    group.add_argument(
        "--shrink-limit",
        metavar="PERCENT",
        type=_percentage,
        default=DEFAULT_SHRINK_LIMIT,
        help=f"refuse to lose more of the services in one run (default {DEFAULT_SHRINK_LIMIT:g})",
    )
    group.add_argument("--allow-empty", action="store_true", help="write a configuration that monitors nothing")
    group = parser.add_argument_group("what is written")
    group.add_argument(
        "--output", metavar="DIR", default=DEFAULT_OUTPUT, help=f"replaced as a whole ({DEFAULT_OUTPUT})"
    )
    group.add_argument("--dry-run", action="store_true", help="write nothing, say what would come, go and change")
    group.add_argument("--format", choices=FORMATS, action="append", help="may be repeated (default nagios)")
    group.add_argument("--probes-path", metavar="DIR", default="", help="where the probes are, if not as defined")
    group.add_argument(
        "--nrpe-at",
        metavar="HOST[:PORT]",
        default="",
        help="Nagios and Icinga ask this machine by check_nrpe, which has the files of --format nrpe",
    )
    group.add_argument(
        "--plugins-path",
        metavar="DIR",
        default=DEFAULT_PLUGINS,
        help=f"where check_nrpe and check_ping are ({DEFAULT_PLUGINS})",
    )
    group.add_argument("--server", metavar="NAME", help="the monitor's name, for _server (default: this machine's)")
    group.add_argument("--contact", metavar="EMAIL", default="root@localhost", help="whom to tell (root@localhost)")
    group.add_argument(
        "--contacts-cert",
        metavar="FILE",
        help="certificate with which the GOCDB is asked for the contacts of sites and NGIs, who are told as well",
    )
    cli.secret_file(
        group, "--contacts-key", holds="private key", help="its private key, where it is not in the same file"
    )
    group.add_argument(
        "--contacts-from",
        metavar="FILE",
        action="append",
        default=[],
        help="a saved get_site or get_roc_contacts answer of the GOCDB instead; may be repeated",
    )
    group.add_argument(
        "--overrides", metavar="FILE", help="contacts, notifications and parents by site, NGI, metric or host"
    )
    group.add_argument(
        "--interval-factor", metavar="N", type=_factor, default=1.0, help="multiply all intervals, for a test monitor"
    )
    group.add_argument(
        "--satellite",
        metavar="NAME[=HOST[:PORT]]",
        action="append",
        default=[],
        help="Icinga satellite; may be repeated",
    )
    group.add_argument(
        "--master", metavar="NAME[=HOST[:PORT]]", default="master", help="Icinga master (default master)"
    )
    group.add_argument(
        "--stand-alone", metavar="DIR", default="", help="write main configurations too, for monitors with state here"
    )
    group.add_argument(
        "--main-config",
        metavar="FILE",
        help="main file of your Nagios, asked about together with it (default: that of /etc which reads --output)",
    )
    group.add_argument(
        "--no-validate", action="store_true", help="do not ask nagios4 and icinga2 whether they accept it"
    )
    group = parser.add_argument_group("argo-ncg")
    group.add_argument(
        "--check-ncg",
        metavar="DIR",
        help="say which of the metrics an argo-ncg with this directory (/etc/argo-ncg) skips, and why; write nothing",
    )
    for name in [each.option_strings[-1] for each in parser.arguments if each.option_strings]:
        if name not in ("--check-ncg", "--definitions"):
            parser.not_with(name, "--check-ncg")
    parser.not_with("--sites-from", "--any-site")
    parser.only_with("--sites-from", "--from")
    parser.only_with("--contacts-key", "--contacts-cert")
    parser.not_with("--nrpe-at", "--satellite")
    parser.only_with("--plugins-path", "--nrpe-at", "--overrides")
    parser.not_with("--main-config", "--no-validate", "--stand-alone")
    parser.only_with("--satellite", "--format=icinga2")
    parser.only_with("--master", "--satellite")
    cli.tls(parser)
    cli.standard(parser, timeout=DEFAULT_TIMEOUT_S)
    return parser


def _plan(args: argparse.Namespace) -> ConfigurationOptions:
    """Raises: BadData for a value that cannot be written to a configuration."""
    paths = {
        "--probes-path": args.probes_path,
        "--plugins-path": args.plugins_path,
        "--stand-alone": args.stand_alone,
    }
    for option, value in paths.items():
        if value and not (value.startswith("/") and is_harmless(value)):
            raise BadData(f"{option} {value!r} is not an absolute path of plain characters")
    if args.cert and not is_harmless(args.cert):
        raise BadData(f"--cert {args.cert!r} is not a path of plain characters")
    if not is_name(args.vo):
        raise BadData(f"--vo {args.vo!r} is not the name of a VO")
    if args.server and not is_host(args.server):
        raise BadData(f"--server {args.server!r} is not a host name")
    if args.fqan and not is_harmless(args.fqan):
        raise BadData(f"--fqan {args.fqan!r} is not an FQAN like /ops/Role=NULL")
    satellites = tuple(_machine("--satellite", text) for text in args.satellite)
    master = _machine("--master", args.master)
    if not master.host and (unreachable := [each.name for each in satellites if not each.host]):
        raise BadData(
            f"--satellite {unreachable[0]} has no HOST, and neither has --master: one of the two must "
            "know where the other is"
        )
    names = [each.name for each in (master, *satellites)]
    if len(set(names)) < len(names) or "global-templates" in names or len(satellites) > MAX_SATELLITES:
        raise BadData("--satellite and --master must all have names of their own")
    return ConfigurationOptions(
        probes=args.probes_path.rstrip("/"),
        interval_factor=args.interval_factor,
        contact=check_contact(args.contact),
        server=args.server or _hostname(),
        fqan=args.fqan or "",
        satellites=satellites,
        master=master,
        stand_alone=args.stand_alone.rstrip("/"),
        user=_user(),
        nrpe=_nrpe_machine(args.nrpe_at) if args.nrpe_at else None,
        plugins=args.plugins_path.rstrip("/"),
        output=args.output,
        main=args.main_config or "",
    )


def _machine(option: str, text: str) -> MonitorMachine:
    name, equals, address = text.partition("=")
    host, colon, port = address.partition(":")
    if not is_name(name) or (equals and not (is_host(host) or (not host and port))) or (colon and not _is_port(port)):
        raise BadData(f"{option} {text!r} is not NAME, NAME=HOST, NAME=HOST:PORT or NAME=:PORT")
    return MonitorMachine(name, host, int(port or 0))


def _nrpe_machine(text: str) -> MonitorMachine:
    host, colon, port = text.partition(":")
    if not is_host(host) or (colon and not _is_port(port)):
        raise BadData(f"--nrpe-at {text!r} is not HOST or HOST:PORT")
    return MonitorMachine("fedcloud-nrpe", host, int(port or 0))


def _is_port(text: str) -> bool:
    return re.fullmatch(r"[1-9][0-9]{0,4}", text) is not None and int(text) <= 65535


def _factor(text: str) -> float:
    if not re.fullmatch(r"[0-9]{1,4}(\.[0-9]{1,6})?", text) or not 0 < float(text) <= 1000:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number above 0 and at most 1000")
    return float(text)


def _percentage(text: str) -> float:
    number = text.removesuffix("%")
    if not re.fullmatch(r"[0-9]{1,3}(\.[0-9]{1,3})?", number) or float(number) > 100:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number from 0 to 100")
    return float(number)


def _hostname() -> str:
    """This machine's own name, as NCG has it."""
    import socket

    name = socket.gethostname()
    return name if is_host(name) else "localhost"


def _user() -> str:
    """The user's name, for a monitor that runs as whoever generated its configuration."""
    import pwd

    try:
        name = pwd.getpwuid(os.geteuid()).pw_name
    except KeyError:
        return "nagios"
    return name if is_name(name) else "nagios"
