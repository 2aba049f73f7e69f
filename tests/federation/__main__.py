"""Runs the embedded federation in the foreground: `python -m tests.federation`."""

from __future__ import annotations

import argparse
import contextlib
import os
import shlex
import signal
import sys
import tempfile
import textwrap
import threading
from datetime import UTC, datetime
from pathlib import Path

from . import bdii
from .control import Control
from .faults import CATALOGUE
from .federation import DOMAIN, OCCI, Federation


def main(arguments: list[str] | None = None) -> int:
    options = _parse(arguments)
    if options.catalogue:
        for name, description in CATALOGUE.items():
            wrapped = textwrap.wrap(description, 80)
            print(f"{name:20} {wrapped[0]}", *(f"{'':20} {line}" for line in wrapped[1:]), sep="\n")
        return 0

    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())

    with contextlib.ExitStack() as stack:
        if options.directory is None:
            directory = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="federation-")))
        else:
            directory = options.directory.absolute()
            directory.mkdir(parents=True, exist_ok=True)
        log = _log if options.log_requests else None
        federation = Federation(directory, build_seconds=options.build_seconds, log=log)
        control = Control(federation, port=options.control_port)
        federation.add(control)
        stack.enter_context(federation)
        if not options.no_broker and not stop.is_set():
            federation.add_broker()
        _welcome(federation, control)
        if options.env_file is not None:
            _write_at_once(options.env_file, federation.exports() + f"export FEDERATION_CONTROL={control.url}\n")
            stack.callback(options.env_file.unlink, missing_ok=True)
        stop.wait()
        print("stopping", flush=True)
    return 0


def _parse(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.federation", description=__doc__, allow_abbrev=False)
    parser.add_argument(
        "--directory", type=Path, help="where certificates and configuration go (default: a temporary one)"
    )
    parser.add_argument(
        "--build-seconds", type=float, default=0.0, metavar="S", help="how long a VM takes to become active"
    )
    parser.add_argument("--no-broker", action="store_true", help="without the message broker, which takes 150 MB")
    parser.add_argument("--log-requests", action="store_true", help="print one line for each request")
    parser.add_argument("--env-file", type=Path, metavar="FILE", help="write shell exports here when everything is up")
    parser.add_argument(
        "--control-port",
        type=int,
        default=0,
        metavar="PORT",
        help="port of the control server (default: a free one)",
    )
    parser.add_argument("--catalogue", action="store_true", help="print every fault and exit")
    return parser.parse_args(arguments)


def _welcome(federation: Federation, control: Control) -> None:
    print("The federation is up:\n")
    print(*federation.describe(), sep="\n")
    print("\nPoint probes at it:\n")
    print(textwrap.indent(federation.exports(), "    "), end="")
    print(f'    export PATH="{Path(sys.executable).parent}:{Path.cwd() / "probes"}:$PATH"')
    print()
    print(*(f"    {line}" for line in examples(federation)), sep="\n")
    others = ", ".join(site.hostname for site in list(federation.sites.values())[1:])
    print(f"\nThe other clouds are {others}.")
    print(
        "check_availability, fedcloud-downtimes and fedcloud-worker need a monitor: make cloudmon starts one beside a "
        "federation."
    )
    print(
        "\nSwitch faults (all of them: .venv/bin/python -m tests.federation --catalogue):\n\n"
        f"    curl -X PUT '{control.url}/sites/ooi/faults/slow?seconds=5'\n"
        f"    curl -X PUT {control.url}/sites/ooi/certificate/expired\n"
        f"    curl -X DELETE {control.url}/sites/ooi/faults\n"
        f"    curl {control.url}/\n"
        "\nStop it with Ctrl-C.\n",
        flush=True,
    )


def examples(federation: Federation) -> list[str]:
    """A command for each executable that works against this federation as it is, by host name alone."""
    site = next(iter(federation.sites.values()))
    lines = [
        f"check_openstack_vm -H {next(iter(federation.clouds.values())).hostname}",
        f"check_occi_vm -H {site.hostname}",
        "fedcloud-leftovers",
        "check_credential",
        f"check_openstack_images -H {next(iter(federation.clouds.values())).hostname}",
        f"check_cloud_info -H {next(iter(federation.clouds.values())).hostname}",
        f"check_openstack_swift -H {next(iter(federation.clouds.values())).hostname}",
        f"check_occi_context -H {site.hostname}",
        f"check_endpoint_tcp -H {site.hostname} --service-type {OCCI}",
        f"check_apel_pub -H {site.hostname}",
        f"check_appdb_update -H appdb.{DOMAIN}",
        f"check_perun -H perun.{DOMAIN}",
    ]
    if bdii.is_installed():
        lines.append(f"check_cloud_bdii -H {site.hostname}")
    lines.append(f"fedcloud-selfcheck {site.gocdb_name}")
    token = shlex.quote(str(federation.directory / "ams-token"))
    lines.append(f"fedcloud-publish --to ams --ams-token-file {token} --publish {federation.ams.url} --drain")
    generated = shlex.quote(str(federation.directory / "generated"))
    lines.append(f"fedcloud-ncg --output {generated}")
    lines.append(f"fedcloud-availability import --services {generated}")
    if federation.broker and federation.broker.plain:
        lines.append(f"check_broker -H mq.{DOMAIN}")
        lines.append(f"fedcloud-publish --publish stomp://localhost:{federation.broker.plain}/queue/results --drain")
    return lines


def _log(line: str) -> None:
    print(f"{datetime.now(UTC).strftime('%H:%M:%S.%f')[:-3]} {line}", flush=True)


def _write_at_once(path: Path, text: str) -> None:
    """Write a file that is complete as soon as it exists: somebody waits for it."""
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    draft.write_text(text, "utf-8")
    draft.replace(path)


if __name__ == "__main__":
    sys.exit(main())
