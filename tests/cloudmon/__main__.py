"""`make cloudmon`: the embedded federation and a real Nagios 4 that watches it, in the foreground until Ctrl-C.

Prints the address of Nagios' web pages, how to switch faults on and off, and every change of a state. The
configuration is what fedcloud-ncg writes from the federation's GOCDB; it is written anew from time to time, as
by cron, and Nagios reloads it when it has changed.
"""

from __future__ import annotations

import argparse
import contextlib
import signal
import sys
import tempfile
import threading
import time
from pathlib import Path

from tests.federation import broker
from tests.federation.control import Control
from tests.federation.federation import Federation
from tests.nagios import PACKAGE, PROGRAM, Service, Status

from . import pages
from .monitor import INTERVAL_FACTOR, CloudMonitor, NotWritten

REGENERATED_EVERY_S = 60.0


def main(arguments: list[str] | None = None) -> int:
    options = _parse(arguments)
    if not Path(PROGRAM).exists():
        print(f"{PROGRAM} is not here: install the package {PACKAGE}", file=sys.stderr)
        return 1
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda *_: stop.set())
    with contextlib.ExitStack() as stack:
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="cloudmon-")))
        print("Starting the embedded federation and Nagios, on loopback addresses only ...", flush=True)
        federation = Federation(directory / "federation", build_seconds=options.build_seconds)
        control = Control(federation)
        federation.add(control)
        stack.enter_context(federation)
        if broker.is_installed() and not options.no_broker:
            federation.add_broker()
        if stop.is_set():
            return 0
        try:
            monitor = CloudMonitor(federation, directory / "monitor", interval_factor=options.interval_factor)
        except ValueError as error:
            print(error, flush=True)
            return 1
        stack.callback(lambda: print("Nagios and the federation are stopped; nothing is left of them.", flush=True))
        stack.enter_context(monitor)
        shown = None
        if pages.is_installed():
            shown = stack.enter_context(pages.Pages(monitor.configuration, monitor.directory, port=options.port))
        _welcome(federation, control, monitor, shown)
        is_well = _watch(monitor, stop)
        print("Stopping ...", flush=True)
    return 0 if is_well else 1


def _parse(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.cloudmon", description=__doc__, allow_abbrev=False)
    parser.add_argument(
        "--interval-factor",
        type=float,
        default=INTERVAL_FACTOR,
        metavar="N",
        help=f"multiplies all intervals (default {INTERVAL_FACTOR:g}: OCCI-VM every 36 s)",
    )
    parser.add_argument(
        "--build-seconds", type=float, default=1.0, metavar="S", help="how long a VM takes to become active (default 1)"
    )
    parser.add_argument("--port", type=int, default=0, metavar="PORT", help="of the web pages (default: a free one)")
    parser.add_argument("--no-broker", action="store_true", help="without the message broker, which takes 150 MB")
    return parser.parse_args(arguments)


def _welcome(federation: Federation, control: Control, monitor: CloudMonitor, shown: pages.Pages | None) -> None:
    print("\nThe federation is up:\n")
    print(*(f"    {line}" for line in federation.describe()), sep="\n")
    print(f"\nNagios' files are in {monitor.directory}.")
    if shown:
        print(f"Its web pages: {shown.url}")
    else:
        print(f"Its web pages are not here: install the package {pages.PACKAGE}.")
    print(
        "\nSwitch faults on and off (all of them: .venv/bin/python -m tests.federation --catalogue):\n\n"
        f"    curl -X PUT {control.url}/sites/ooi/faults/quota\n"
        f"    curl -X PUT {control.url}/sites/rocci/certificate/expired\n"
        f"    curl -X DELETE {control.url}/sites/ooi/faults\n"
        f"    curl {control.url}/\n"
        "\nChanges of state follow. Stop it with Ctrl-C.\n",
        flush=True,
    )


def _watch(monitor: CloudMonitor, stop: threading.Event) -> bool:
    """Print what changes until told to stop; returns False if Nagios ended by itself."""
    before: dict[Service, Status] = {}
    was_ok = False
    generated_at = time.monotonic()
    while not stop.wait(0.5):
        if monitor.process is None or monitor.process.poll() is not None:
            print(f"Nagios ended by itself:\n{monitor.last_words()}", flush=True)
            return False
        now = monitor.status()
        _print_changes(before, now)
        before = now or before  # between two writings there may be no file
        is_ok = monitor.is_all_ok()
        if is_ok and not was_ok:
            print(f"{time.strftime('%H:%M:%S')} all {len(before)} services are OK", flush=True)
        was_ok = is_ok
        if time.monotonic() - generated_at > REGENERATED_EVERY_S:
            generated_at = time.monotonic()
            _regenerate(monitor)
    return True


def _regenerate(monitor: CloudMonitor) -> None:
    try:
        report = monitor.generate()
    except NotWritten as error:
        print(str(error).strip(), flush=True)
        return
    if "\n  written to " in report:
        print(f"{report.strip()}\nNagios reloads it.", flush=True)
        monitor.reload()


def _print_changes(before: dict[Service, Status], now: dict[Service, Status]) -> None:
    for service, status in sorted(now.items()):
        old = before[service].state if service in before else "PENDING"
        if status.state != old:
            change = f"{old} -> {status.state}"
            name = f"{service.host} {service.name}"
            print(f"{time.strftime('%H:%M:%S')} {change:20} {name:55} {status.output}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
