"""Nagios' OCSP command: one result into the spool, and back to Nagios at once.

Nothing here waits for a network, and nothing is imported that only a sender needs.
"""

from __future__ import annotations

import os
import sys
import time

from libprobe import redact
from libprobe.failures import OK, STATUS_NAMES, UNKNOWN, BadData, Failure
from libprobe.probe import cli, output
from libprobe.programs.publish import publishing
from libprobe.text import safe

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Mapping
    from typing import NoReturn

    from libprobe.formats.metric_result import MetricResult

SENDER_S = 300.0
ENVIRONMENT = {
    "hostname": "NAGIOS_HOSTNAME",
    "metric": "NAGIOS__SERVICEMETRIC_NAME",
    "service": "NAGIOS_SERVICEDESC",
    "service_type": "NAGIOS__SERVICESERVICE_FLAVOUR",
    "site": "NAGIOS__SERVICESITE_NAME",
    "url": "NAGIOS__SERVICESERVICE_URI",
    "state": "NAGIOS_SERVICESTATE",
    "state_type": "NAGIOS_SERVICESTATETYPE",
    "output": "NAGIOS_SERVICEOUTPUT",
    "long_output": "NAGIOS_LONGSERVICEOUTPUT",
    "time": "NAGIOS_LASTSERVICECHECK",
    "vo": "NAGIOS__SERVICEVO",
    "fqan": "NAGIOS__SERVICEVO_FQAN",
    "roc": "NAGIOS__SERVICEROC",
    "performance_data": "NAGIOS_SERVICEPERFDATA",
}
"""Where enable_environment_macros is on, nothing of a result need pass a shell."""


def keep_result(options: Callable[[cli.Parser], None], doc: str | None) -> NoReturn:
    """Read sys.argv, keep the result, see to it that it is sent, and end the process."""
    output.open_descriptors()
    code, text = _keep_result(options, doc)
    output.print_and_exit(code, f"{text}\n" if text else "")


def _keep_result(options: Callable[[cli.Parser], None], doc: str | None) -> tuple[int, str]:
    parser = cli.Parser(prog=os.path.basename(sys.argv[0]), doc=doc or "")
    options(parser)
    cli.standard(parser, timeout=SENDER_S)
    try:
        args = parser.parse_args(sys.argv[1:])
    except cli.CommandLineExit as stop:
        return UNKNOWN, f"PUBLISH UNKNOWN - {stop.text}" if stop.is_error else stop.text.rstrip("\n")
    from libprobe.probe.settings import read_settings

    try:
        args.settings = read_settings(args.config)
        result = read_result(args, os.environ, time.time())
        if result is None:
            return OK, ""
        spool = publishing.open_spool(args)
        publishing.put(spool, publishing.read_broker(args), result)
        if not args.no_send:
            publishing.send_in_background(args, spool, args.timeout)
        if args.availability:
            _keep_for_figures(args, result)
    except Failure as failure:
        return UNKNOWN, f"PUBLISH UNKNOWN - {safe(redact.blank(str(failure)))}"
    except Exception as error:
        said = output.missing_words(error) or f"a bug: {type(error).__name__}: {error}"
        return UNKNOWN, f"PUBLISH UNKNOWN - {safe(redact.blank(said))}"
    return OK, ""


def _keep_for_figures(args: argparse.Namespace, result: MetricResult) -> None:
    """The message is kept already, and is sent whatever happens here. Raises: BadData, Misconfigured."""
    from libprobe.programs.publish import appending

    try:
        spool = appending.open_spool(args)
        appending.put(spool, result)
    except Failure as failure:
        failure.reason = f"kept for the broker and not for the availability store: {failure.reason}"
        raise
    if not args.no_send:
        appending.append_in_background(args, spool)


def read_result(args: argparse.Namespace, environment: Mapping[str, str], now: float) -> MetricResult | None:
    """Return the result of the options, else of Nagios' environment; None for one that must not be sent.

    That is one of a service outside the grid, and a soft state: what goes by when the check is repeated counts
    for no availability, and ARGO's own publisher leaves it out since 2017.
    Raises: BadData for a result that lacks something else.
    """
    from datetime import UTC, datetime

    from libprobe.formats.metric_result import MetricResult

    given = {
        name: _option_or_variable(getattr(args, name), environment.get(macro, ""))
        for name, macro in ENVIRONMENT.items()
    }
    if not given["service_type"]:
        return None  # the monitoring host watches its own disks too
    if given["state_type"].upper() not in ("HARD", "SOFT", ""):
        raise BadData(f"the type of a state is {given['state_type'][:40]!r}, not one of HARD, SOFT")
    if given["state_type"].upper() == "SOFT" and not args.soft_states:
        return None
    seconds = now
    if given["time"].isascii() and given["time"].isdigit() and 0 < int(given["time"][:12]) <= now + 86400:
        seconds = float(given["time"][:12])
    return MetricResult(
        hostname=given["hostname"],
        service_type=given["service_type"],
        metric=given["metric"] or given["service"],
        status=given["state"] if given["state"] in STATUS_NAMES else given["state"].upper(),
        summary=given["output"],
        timestamp=datetime.fromtimestamp(seconds, UTC),
        url=given["url"],
        site=given["site"],
        # Nagios writes the line breaks of long output as two characters
        details=given["long_output"].replace("\\n", "\n"),
        gathered_at=os.uname().nodename,
        nagios_name=given["service"],
        vo=given["vo"],
        fqan=given["fqan"],
        roc=given["roc"],
        performance=given["performance_data"],
    )


def _option_or_variable(option: str, variable: str) -> str:
    """An option, else the variable; a macro that Nagios does not know stays as it was written, and is nothing."""
    return next((text for text in (option.strip(), variable.strip()) if text and not _is_macro(text)), "")


def _is_macro(text: str) -> bool:
    return text.startswith("$") and text.endswith("$") and " " not in text
