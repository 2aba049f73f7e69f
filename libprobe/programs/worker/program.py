"""fedcloud-worker: options, then the supervisor."""

from __future__ import annotations

import os
import sys

from libprobe.failures import UNKNOWN
from libprobe.probe import cli, door, output
from libprobe.programs.worker import callers, status
from libprobe.text import safe

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse
    from typing import NoReturn

QUERY_SOCKETS = (
    "/var/lib/nagios4/rw/nagios.qh",
    "/var/spool/nagios/cmd/nagios.qh",
    "/usr/local/nagios/var/rw/nagios.qh",
    "/var/nagios/rw/nagios.qh",
)
"""Where Debian, EPEL, a build of one's own and SAM have it."""


def options(parser: cli.Parser) -> None:
    parser.add_argument("--socket", metavar="PATH", help="Nagios' query_socket (default: the usual places)")
    parser.add_argument(
        "--local", action="store_true", help="without Nagios: serve only the executables, which ask at the door"
    )
    parser.add_argument(
        "--door",
        metavar="PATH",
        help="socket at which executables ask, in a directory of this user alone (default: the one that systemd hands "
        f"over; with --local also {door.DEFAULT})",
    )
    parser.add_argument(
        "--calls", type=_count, default=200, help="checks in parallel for executables at the door (200)"
    )
    parser.not_with("--socket", "--local")
    parser.add_argument(
        "--directory",
        metavar="DIR",
        action="append",
        help="where the commands of Nagios find the probes (repeatable; default: where this program is)",
    )
    parser.add_argument(
        "--probe", metavar="NAME", action="append", help="probe to run warm (repeatable; default: every check_*)"
    )
    parser.add_argument("--runners", type=_count, default=2, help="processes with threads (default 2)")
    parser.add_argument("--max-runners", type=_count, default=3, help="as many while all are taken (default 3)")
    parser.add_argument("--threads", type=_count, default=20, help="checks at once in each of them (default 20)")
    parser.add_argument("--jobs", type=_count, default=20_000, help="checks after which one is replaced (20000)")
    parser.add_argument(
        "--drain",
        type=cli.seconds,
        default="10s",
        metavar="DURATION",
        help="how long running checks may go on after SIGTERM before they have to clean up (default 10s)",
    )
    parser.add_argument(
        "--status", action="store_true", help="tell what the worker at the door does, instead of being one"
    )
    parser.add_argument(
        "--as", dest="form", choices=status.FORMS, default="table", help="how --status tells it (default table)"
    )
    parser.only_with("--as", "--status")
    for option in ("--local", "--socket", "--directory", "--probe", "--calls"):
        parser.not_with(option, "--status")
    parser.add_argument("-V", "--version", action=cli.PrintAction, help="print the version and exit with 3")
    parser.add_argument("-h", "--help", action=cli.PrintAction, help="print this text and exit with 3")


def _count(text: str) -> int:
    return cli.whole_number(text, 1_000_000)


def main(doc: str | None) -> NoReturn:
    """Read sys.argv, work until SIGTERM, and exit with 0; 3 for a set-up that cannot work."""
    output.open_descriptors()
    parser = cli.Parser(prog="fedcloud-worker", doc=doc or "")
    options(parser)
    try:
        args = parser.parse_args(sys.argv[1:])
        if args.door and not args.door.startswith("/"):
            parser.error(f"--door {args.door} is not an absolute path")
        if args.status:
            _print_status(args.door or door.socket_path([]), args.form)
        query_socket = args.socket or next((each for each in QUERY_SOCKETS if os.path.exists(each)), "")
        if args.local:
            query_socket = ""
        elif not query_socket:
            parser.error("no query_socket of Nagios is in the usual places; name it with --socket, or use --local")
        where = args.door or ("" if callers.is_handed_over() or not args.local else door.DEFAULT)
        directories = args.directory or [os.path.dirname(os.path.abspath(sys.argv[0]))]
        paths = find(directories, args.probe)
        _expect_choices(parser, args, directories, paths)
    except cli.CommandLineExit as stop:
        begin = "fedcloud-worker: " if stop.is_error else ""
        output.print_and_exit(UNKNOWN, f"{begin}{stop.text.rstrip()}\n")
    _expect_library("nagiosplugin")
    from libprobe.programs.worker import supervisor

    try:
        listener = callers.DoorListener(where) if where or callers.is_handed_over() else None
    except callers.CannotListen as error:
        output.print_and_exit(UNKNOWN, f"fedcloud-worker: {error}\n")
    runners = 0 if args.local else args.runners
    limits = supervisor.Limits(
        runners,
        max(runners, args.max_runners) if runners else 0,
        args.threads,
        args.jobs,
        drain_s=args.drain,
        calls=args.calls,
    )
    supervisor.Supervisor(query_socket, paths, limits, supervisor.log, listener).run()
    sys.exit(0)


def _print_status(path: str, form: str) -> NoReturn:
    """Print the status of the worker at a socket."""
    try:
        output.print_and_exit(0, status.render_status(status.fetch_status(path), form))
    except status.StatusUnavailable as error:
        output.print_and_exit(UNKNOWN, f"fedcloud-worker: {safe(str(error))}\n")


def _expect_choices(parser: cli.Parser, args: argparse.Namespace, directories: list[str], paths: list[str]) -> None:
    """Refuse what was chosen and does not exist. Raises: cli.CommandLineExit."""
    if args.local and (idle := args.given & {"runners", "max_runners"}):
        parser.error(f"--{min(idle).replace('_', '-')} has no effect with --local: runners are for Nagios")
    if "max_runners" in args.given and args.max_runners < args.runners:
        parser.error(f"--max-runners {args.max_runners} has no effect: --runners {args.runners} is more")
    if absent := [each for each in args.directory or () if not os.path.isdir(each)]:
        parser.error(f"--directory {absent[0]} is not a directory")
    there = [os.path.basename(path) for path in paths]
    if missing := [each for each in args.probe or () if each not in there]:
        import difflib

        known = [os.path.basename(path) for path in find(directories, None)]
        near = ", ".join(difflib.get_close_matches(missing[0], known, n=3) or known)
        parser.error(f"--probe {missing[0]} cannot be run; choose from {near or 'none'}")
    if not paths:
        parser.error("no probes found; name their directory with --directory")


def _expect_library(name: str) -> None:
    """What every probe needs is missed now, and not by a fork server that cannot say so. Raises: ImportError."""
    from importlib.machinery import PathFinder

    if PathFinder.find_spec(name) is None:
        raise ImportError(f"{name} is not installed", name=name)


def find(directories: list[str], names: list[str] | None) -> list[str]:
    """Paths of the probes as Nagios' commands begin: DIR/check_x for each."""
    found = []
    for directory in directories:
        try:
            listed = sorted(os.listdir(directory))
        except OSError:
            continue
        for name in listed:
            path = os.path.join(directory, name)
            if name.startswith("check_") and (not names or name in names) and os.access(path, os.X_OK):
                found.append(path)
    return found
