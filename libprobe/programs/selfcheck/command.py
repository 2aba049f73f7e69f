"""`fedcloud-selfcheck`: its options, and the way from them to a report and an exit code."""

from __future__ import annotations

import contextlib
import os
import sys
import time
from contextlib import closing

from libprobe import redact
from libprobe.deadline import Deadline, Interrupted, OutOfTime, end_on_signals
from libprobe.failures import CRITICAL, STATUS_NAMES, UNKNOWN, Failure, Misconfigured
from libprobe.probe import cli, door, output
from libprobe.probe.door import SETTINGS_ENVIRONMENT
from libprobe.text import decimal, safe

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable
    from typing import NoReturn

    from libprobe.formats.metric_result import MetricResult
    from libprobe.formats.plugin_output import PerformanceValue
    from libprobe.probe.settings import Settings
    from libprobe.programs.selfcheck.history import History
    from libprobe.programs.selfcheck.registry import SelfCheckScope
    from libprobe.programs.selfcheck.results import JobResult, MetricJob, SelfCheckRun
    from libprobe.programs.selfcheck.runner import ProcessOutcome

NAME = "SELFCHECK"
DEFAULT_TIMEOUT_S = 3600.0
MAX_JOBS = 256
PER_PROCESSOR = 16
"""Probes mostly wait; each takes about 30 MB of memory and, at its start, 0.2 s of processor time."""

PUBLISH_RESERVE_S = 60.0


def main(doc: str | None) -> NoReturn:
    """Run the command as this process: a report on standard output, the worst state as exit code."""
    output.open_descriptors()
    end_on_signals()
    try:
        code = _run_command(doc)
    except (Failure, Interrupted) as end:
        code = _print_and_fail(str(end))
    except Exception as error:
        missing = output.missing_words(error)
        if not missing and "-v" in sys.argv[1:]:
            import traceback

            print(safe_lines(traceback.format_exc()))
        code = _print_and_fail(
            missing or f"a bug: {type(error).__name__}: {error}; run it with -v for the traceback, and report it"
        )
    with contextlib.suppress(OSError):  # nobody reads; the exit code still says it
        sys.stdout.flush()
    os._exit(code)


def safe_lines(text: str) -> str:
    return "\n".join(safe(redact.blank(line)) for line in text.splitlines())


def _print_and_fail(sentence: str) -> int:
    with contextlib.suppress(OSError):
        print(f"{NAME} UNKNOWN - {safe(redact.blank(sentence))}", flush=True)
    return UNKNOWN


def options(parser: cli.Parser) -> None:
    what = parser.add_argument_group("what to check")
    what.add_argument("site", nargs="?", type=cli.word, metavar="SITE", help="a site, by its name in the GOCDB")
    what.add_argument("--host", type=cli.word, help="one host, by its name in the GOCDB")
    what.add_argument("--all", action="store_true", help="everything that the GOCDB has as monitored")
    what.add_argument(
        "--metric",
        action="append",
        type=cli.word,
        metavar="NAME",
        help="only this metric; may be given several times; OCCI-VM means eu.egi.cloud.OCCI-VM",
    )
    shown = parser.add_argument_group("how it is shown (default: a table)")
    shown.add_argument("--json", action="store_true", help="one JSON document instead of the table")
    shown.add_argument("--junit", metavar="FILE", help="write JUnit XML; - for standard output")
    shown.add_argument("--html", metavar="FILE", help="write a self-contained web page; - for standard output")
    shown.add_argument(
        "--prometheus", metavar="FILE", help="write Prometheus' text form, as its node exporter reads it; - likewise"
    )
    shown.add_argument("--repeat", action="store_true", help="keep the results, and show what changed since")
    how = parser.add_argument_group("how it is run")
    how.add_argument(
        "--jobs", type=_jobs, default=0, metavar="N", help="how many probes at a time (default 16 for each processor)"
    )
    how.add_argument(
        "--count-downtimes", action="store_true", help="let endpoints in downtime decide the exit code as well"
    )
    how.add_argument("--vo", type=cli.word, help="virtual organisation to act for (default ops)")
    how.add_argument("--cert", metavar="FILE", default="", help="proxy for the probes (default: as each finds it)")
    cli.secret_file(how, "--token-file", holds="access token", help="file with an access token for the probes")
    how.add_argument("--definitions", metavar="DIR", help="metric definitions (default /etc/fedcloud-probes/ncg)")
    how.add_argument("--probes", metavar="DIR", default="", help="where the probes are (default: beside this program)")
    cli.tls(parser)
    cli.gocdb(parser)
    from libprobe.programs.publish import publishing

    publishing.options(parser)


def _jobs(text: str) -> int:
    return cli.whole_number(text, MAX_JOBS)


def _run_command(doc: str | None) -> int:
    parser = cli.Parser(prog=os.path.basename(sys.argv[0]), doc=doc or "")
    options(parser)
    cli.standard(parser, timeout=DEFAULT_TIMEOUT_S)
    try:
        args = parser.parse_args(sys.argv[1:])
        scope = _scope(parser, args)
    except cli.CommandLineExit as stop:
        if stop.is_error:
            return _print_and_fail(stop.text)
        sys.stdout.write(stop.text)
        return UNKNOWN
    from libprobe.probe.settings import read_settings

    deadline = Deadline(args.timeout)
    args.settings = read_settings(args.config)
    _check_files(args)
    try:
        run, before = _run_checks(args, scope, deadline)
    except OutOfTime:
        return _print_and_fail(f"the time of -t was up before anything could be checked{deadline.own_share_words()}")
    code = run.status
    for deliver in (_make_history_writer(args, run, before), _publish(args, run)):
        try:
            note = deliver()
        except Failure as failure:
            note, code = str(failure), _at_least_unknown(code)
        except Interrupted as end:
            note, code = f"{end}; what was not sent waits", _at_least_unknown(code)
        if note:
            run = run._replace(notes=(*run.notes, redact.blank(note)))
    try:
        return _print_report(args, run, code)
    except BrokenPipeError:
        return code
    except OSError as error:  # of standard output: a file that cannot be written is told there
        return door.note_lost_report(code, error)


def _scope(parser: cli.Parser, args: argparse.Namespace) -> SelfCheckScope:
    from libprobe.programs.selfcheck.registry import SelfCheckScope

    if bool(args.site) + bool(args.host) + args.all != 1:
        parser.error("give one of SITE, --host HOST and --all")
    if args.json + sum(path == "-" for path in _files(args)) > 1:
        parser.error("only one of --json, --junit -, --html - and --prometheus - can have standard output")
    return SelfCheckScope(args.site or "", args.host or "")


def _files(args: argparse.Namespace) -> tuple[str, str, str]:
    """Where the reports are written that have a place of their own; empty for those that nobody wants."""
    return args.junit or "", args.html or "", args.prometheus or ""


def _check_files(args: argparse.Namespace) -> None:
    """Before anything is run for nothing. Raises: Misconfigured."""
    if args.publish:
        from libprobe.programs.publish import publishing

        publishing.read_broker(args)
    if args.probes and not os.path.isdir(args.probes):
        raise Misconfigured(f"--probes {args.probes} is not a directory", remedy="name the one that has the check_*")
    if args.cert and not os.path.isfile(args.cert):
        raise Misconfigured(
            f"--cert {args.cert} is not a file", remedy="make a proxy with voms-proxy-init --rfc, or name it"
        )
    if args.token_file and not os.path.isfile(args.token_file):
        raise Misconfigured("--token-file names no file", remedy="get an access token, or name its file")
    for path in _files(args):
        if path and path != "-":
            directory = os.path.dirname(os.path.abspath(path))
            if os.path.isdir(path) or not os.access(directory, os.W_OK):
                raise Misconfigured(f"{path} cannot be written", remedy="name a file in a directory that is yours")


def _run_checks(args: argparse.Namespace, scope: SelfCheckScope, deadline: Deadline) -> tuple[SelfCheckRun, History]:
    """Ask the GOCDB, run everything, and put it together. Raises: HelperFailure, Misconfigured."""
    from datetime import UTC, datetime

    from libprobe.clients.gocdb import DEFAULT_URL, Gocdb
    from libprobe.programs import catalogue
    from libprobe.programs.selfcheck import history, plan, registry
    from libprobe.programs.selfcheck.results import SelfCheckRun
    from libprobe.targets import access

    began = time.monotonic()
    now = datetime.now(UTC)
    metrics = plan.choose_metrics(catalogue.read(args.definitions), args.metric or [])
    url = args.gocdb or args.settings.get("gocdb", "url", DEFAULT_URL)
    http = access.make_http_client(args, deadline)
    with deadline.enforced():
        gocdb = Gocdb(http, url, None, cache_s=0)  # no copy: what was registered a minute ago is to be seen
        types = frozenset(name for metric in metrics for name in metric.possible_types)
        endpoints, notes = registry.endpoints(gocdb, scope, types)
        outages, more = registry.outages(gocdb, scope)
        http.close()
    notes += more
    vo = args.vo or args.settings.get("credentials", "vo")
    jobs, more = plan.make_jobs(endpoints, outages, metrics, _probes(args), vo=vo, cert=args.cert, verbose=args.verbose)
    if not args.metric:  # with a choice of metrics it is no news that others have none
        notes += more
    before = history.History({})
    if args.repeat:
        before = history.read(access.open_state_directory(args), _history_file(args, scope, url))
    results, cut_short = _run(args, jobs, before, deadline)
    if not jobs:
        notes.append("nothing to run: no metric matches")
    there = {each.key for each in jobs}
    gone = [key.split("\t") for key in before.runs if key not in there]
    return SelfCheckRun(
        subject=scope.description,
        results=tuple(results),
        started=now,
        seconds=time.monotonic() - began,
        monitor=os.uname().nodename,
        gocdb=url,
        notes=tuple(notes),
        gone=tuple((parts[0], parts[1], parts[4]) for parts in gone if len(parts) == 5),
        since=datetime.fromtimestamp(before.at, UTC) if before.at is not None else None,
        counted_downtimes=args.count_downtimes,
        cut_short=cut_short,
    ), before


def _history_file(args: argparse.Namespace, scope: SelfCheckScope, url: str) -> str:
    from libprobe.programs.selfcheck import history

    return history.file_of(scope.description, url, args.metric or [])


def _probes(args: argparse.Namespace) -> str:
    return os.path.abspath(args.probes or os.path.dirname(os.path.realpath(sys.argv[0])))


def _run(
    args: argparse.Namespace, jobs: list[MetricJob], before: History, deadline: Deadline
) -> tuple[list[JobResult], str]:
    """All results in the order of the jobs, and why it was cut short, if it was."""
    from libprobe.programs.selfcheck.console import ProgressBar
    from libprobe.programs.selfcheck.runner import JobRunner

    at_once = args.jobs or min(MAX_JOBS, PER_PROCESSOR * (os.cpu_count() or 1))
    results: dict[int, JobResult] = {}
    with (
        _ProbeEnvironment(args) as environment,
        ProgressBar(len(jobs), sys.stderr, wanted=sys.stderr.isatty()) as progress,
    ):
        runner = JobRunner(at_once, environment)

        def done(index: int, ended: ProcessOutcome) -> None:
            result = _result(jobs[index], ended, before)
            results[index] = result
            progress.advance(result)

        runnable = [index for index, job in enumerate(jobs) if not job.problem]
        for index, job in enumerate(jobs):
            if job.problem:
                results[index] = _unusable_result(job, before)
                progress.advance(results[index])
        reserve = PUBLISH_RESERVE_S if args.publish and deadline.seconds > 2 * PUBLISH_RESERVE_S else 0.0
        runner.run(
            [jobs[index] for index in runnable],
            deadline.earlier_by(reserve),
            lambda index, ended: done(runnable[index], ended),
        )
    return [results[index] for index in range(len(jobs))], runner.stopped


class _ProbeEnvironment:
    """The probes' environment: ours, and what --gocdb, --state-dir, --ca-path and the like say, as settings of theirs.

    So all of them have it, whatever options a metric passes.
    """

    def __init__(self, args: argparse.Namespace) -> None:
        self._changed = {
            ("gocdb", "url"): args.gocdb,
            ("state", "directory"): args.state_dir,
            ("tls", "ca_path"): args.ca_path,
            ("credentials", "cert"): args.cert and os.path.abspath(args.cert),
            ("credentials", "token_file"): args.token_file and os.path.abspath(args.token_file),
            ("http", "proxy_from_environment"): "yes" if args.proxy_from_environment else "",
        }
        self._settings: Settings = args.settings
        self._path = ""

    def __enter__(self) -> dict[str, str]:
        from libprobe.probe.settings import KNOWN

        environment = dict(os.environ)
        changed = {key: str(value) for key, value in self._changed.items() if value}
        if not changed:
            if self._settings.path:
                environment[SETTINGS_ENVIRONMENT] = os.path.abspath(self._settings.path)
            return environment
        import configparser
        import tempfile

        parser = configparser.ConfigParser(interpolation=None)
        for section, keys in KNOWN.items():
            for key in sorted(keys):
                value = changed.get((section, key)) or self._settings.get(section, key)
                if value:
                    if not parser.has_section(section):
                        parser.add_section(section)
                    parser.set(section, key, value)
        with tempfile.NamedTemporaryFile("w", prefix="fedcloud-selfcheck-", suffix=".ini", delete=False) as file:
            parser.write(file)
        self._path = environment[SETTINGS_ENVIRONMENT] = file.name
        return environment

    def __exit__(self, *_: object) -> None:
        if self._path:
            os.unlink(self._path)


def _unusable_result(job: MetricJob, before: History) -> JobResult:
    """A registration that is unusable: the site's doing, found without asking anybody."""
    from datetime import UTC, datetime

    from libprobe.programs.selfcheck.results import JobResult

    past = before.runs.get(job.key, ())
    return JobResult(job, CRITICAL, job.problem, job.remedy, (), (), 0.0, datetime.now(UTC), past)


def _result(job: MetricJob, ended: ProcessOutcome, before: History) -> JobResult:
    """What a process' end means: a plugin's result, or UNKNOWN where it is none."""
    import signal
    from datetime import UTC, datetime

    from libprobe.formats.plugin_output import read_plugin_output
    from libprobe.programs.selfcheck.results import JobResult

    status = ended.code if ended.code in (0, 1, 2, 3) else UNKNOWN
    read = read_plugin_output(ended.output, is_problem=status != 0)
    sentence, errors = read.sentence, safe(ended.errors.strip().rpartition("\n")[2])
    wrong = ended.trouble
    if ended.code is None:
        sentence = ""
    elif ended.code < 0 and not wrong:
        wrong = f"the probe was killed by {signal.Signals(-ended.code).name}"
    elif ended.code > 3:
        wrong = f"the probe ended with the exit code {ended.code}"
    elif not sentence and not wrong:
        wrong = "the probe printed nothing"
    if ended.trouble:
        # we told it to end, by SIGTERM: that it was, is no news, and would look like a second signal
        sentence = sentence.removeprefix("interrupted by SIGTERM").removeprefix("; ")
    if wrong:
        status = UNKNOWN
        sentence = "; ".join(part for part in (wrong, sentence, "" if sentence else errors) if part)
    lines = (*read.lines, *([f"on standard error: {errors}"] if errors and not wrong else []))
    return JobResult(
        job,
        status,
        sentence,
        read.remedy,
        tuple(read.performance),
        lines,
        ended.seconds,
        datetime.fromtimestamp(ended.started, UTC),
        before.runs.get(job.key, ()),
        is_measured=not wrong,
    )


def _make_history_writer(args: argparse.Namespace, run: SelfCheckRun, before: History) -> Callable[[], str]:
    def remember() -> str:
        from libprobe.programs.selfcheck import history
        from libprobe.programs.selfcheck.registry import SelfCheckScope
        from libprobe.targets import access

        if args.repeat and not run.cut_short:
            name = _history_file(args, SelfCheckScope(args.site or "", args.host or ""), run.gocdb)
            history.write(access.open_state_directory(args), name, run, before)
        return ""

    return remember


def _publish(args: argparse.Namespace, run: SelfCheckRun) -> Callable[[], str]:
    """Put all results into the spool, then send what is in it: what a broker refuses now waits there."""

    def publish() -> str:
        if not args.publish:
            return ""

        from libprobe.programs.publish import publishing

        broker = publishing.read_broker(args)
        with closing(publishing.open_spool(args)) as spool:
            for result in run.results:
                if result.is_measured and result.job.is_published:
                    publishing.put(spool, broker, _message(run, result))
            return publishing.send_all(args, spool, Deadline(PUBLISH_RESERVE_S))

    return publish


def _message(run: SelfCheckRun, result: JobResult) -> MetricResult:
    from datetime import timedelta

    from libprobe.formats.metric_result import MetricResult

    job = result.job
    remedy = f" ({result.remedy})" if result.remedy else ""
    return MetricResult(
        hostname=job.hostname,
        service_type=job.service_type,
        metric=job.metric,
        status=STATUS_NAMES[result.status],
        summary=redact.blank(result.sentence + remedy),
        timestamp=result.started + timedelta(seconds=result.seconds),
        url=job.url,
        site=job.site,
        details=redact.blank("\n".join(result.lines)),
        gathered_at=run.monitor,
        nagios_name=job.nagios_name,
        vo=job.vo,
        roc=job.roc,
        performance=" ".join(map(_written_value, result.performance)),
    )


def _written_value(value: PerformanceValue) -> str:
    """As a plugin writes it; quoted, because a label may have blanks."""
    bounds = ("" if each is None else decimal(each) for each in (value.minimum, value.maximum))
    return ";".join(
        (f"'{value.label}'={decimal(value.value)}{value.unit}", value.warning, value.critical, *bounds)
    ).rstrip(";")


def _at_least_unknown(code: int) -> int:
    from libprobe.programs.selfcheck.results import worst

    return worst((code, UNKNOWN))


def _print_report(args: argparse.Namespace, run: SelfCheckRun, code: int) -> int:
    from libprobe.programs.selfcheck import console

    taken = args.json or "-" in _files(args)
    if args.json:
        from libprobe.programs.selfcheck import document

        _write("-", document.render(run))
    if args.junit:
        from libprobe.programs.selfcheck import junit

        code = _write_report(args.junit, junit.render(run), code)
    if args.html:
        from libprobe.programs.selfcheck import page

        code = _write_report(args.html, page.render(run), code)
    if args.prometheus:
        from libprobe.programs.selfcheck import prometheus

        code = _write_report(args.prometheus, prometheus.render(run), code)
    if not taken and any(_files(args)):
        _write("-", "\n".join([console.headline(run), *console.footer(run)]) + "\n")
    elif not taken and sys.stdout.isatty():
        console.print_table(run, sys.stdout, details=args.verbose > 0)
    elif not taken:
        _write("-", console.render_plain(run, details=args.verbose > 0))
    return code


def _write_report(path: str, text: str, code: int) -> int:
    try:
        _write(path, text)
    except BrokenPipeError:
        pass
    except OSError as error:
        if path == "-":
            raise
        return _at_least_unknown(max(code, _print_and_fail(f"{path} cannot be written: {error.strerror}")))
    return code


def _write(path: str, text: str) -> None:
    """Write to standard output, or a file whole or not at all. Raises: OSError."""
    data = redact.blank(text).encode("utf-8", "replace")
    if path == "-":
        sys.stdout.flush()
        door.write_all(1, data)
        return
    if os.path.exists(path) and not os.path.isfile(path):
        with open(path, "wb") as special:  # a pipe or a device cannot be replaced
            special.write(data)
        return
    import secrets

    temporary = os.path.join(os.path.dirname(path), f".{os.path.basename(path)}.{secrets.token_hex(6)}")
    try:
        with open(temporary, "xb") as file:
            file.write(data)
        os.replace(temporary, path)
    except BaseException:
        if os.path.exists(temporary):
            os.unlink(temporary)
        raise
