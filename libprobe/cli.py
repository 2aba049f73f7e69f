"""The options of every probe: one wording, one meaning, one place.

A usage error is one line on standard output and exit code 3, as is the help text: argparse's own
way, standard error and exit code 2, reads as CRITICAL in Nagios.
"""

from __future__ import annotations

import argparse
import math
import sys

from libprobe import __version__
from libprobe.ranges import DURATION, NUMBER, SIZE, BadRange, Limit, Range, quantity
from libprobe.text import shortened

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any, NoReturn, TypeVar

    T = TypeVar("T")

MAX_TIMEOUT_S = 86400.0
MAX_USAGE = 600
"""Characters of a usage error: it quotes the command line, whatever stands there."""


class Stop(BaseException):
    """The command line asks for no check: help, version or a usage error; the text says which."""

    def __init__(self, text: str, *, is_error: bool = False) -> None:
        self.text = text
        self.is_error = is_error


class Parser(argparse.ArgumentParser):
    """An argument parser that neither prints nor exits, and takes no abbreviated option.

    What it says is the same with every Python, also where argparse's own words change from one to the next.
    """

    color = False
    """Python 3.14 colours the help of whoever sets FORCE_COLOR, which is no part of what Nagios is to read."""

    suggest_on_error = False
    """We suggest ourselves; from Python 3.15 on argparse would as well."""

    def __init__(self, *, prog: str, doc: str) -> None:
        super().__init__(
            prog=prog,
            description=doc.strip(),
            formatter_class=_HelpFormatter,
            allow_abbrev=False,
            add_help=False,
            epilog="Exit codes: 0 OK, 1 WARNING, 2 CRITICAL, 3 UNKNOWN (also help, version and wrong usage). "
            "Thresholds are Nagios ranges whose bounds may carry a unit: 7d alerts above seven days, 14d: below "
            "fourteen.",
        )

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:
        given = list(sys.argv[1:] if args is None else args)
        self._values = [(name, value) for name, equals, value in (word.partition("=") for word in given) if equals]
        return super().parse_known_args(given, namespace)

    def error(self, message: str) -> NoReturn:
        raise Stop(f"usage: {shortened(self._explained(message), MAX_USAGE)} (see {self.prog} --help)", is_error=True)

    def exit(self, status: int = 0, message: str | None = None) -> NoReturn:
        raise Stop(message or "", is_error=bool(status))

    def _get_values(self, action: argparse.Action, arg_strings: list[str]) -> Any:
        # Python 3.11 takes the `--` of `--option=--` for the end of options, and an empty list for the value
        if action.option_strings and action.nargs is None and arg_strings == ["--"]:
            raise argparse.ArgumentError(action, "expected one argument")
        return super()._get_values(action, arg_strings)

    def _check_value(self, action: argparse.Action, value: Any) -> None:
        if action.choices is not None and value not in action.choices:
            choices = ", ".join(map(repr, action.choices))
            raise argparse.ArgumentError(action, f"invalid choice: {value!r} (choose from {choices})")

    def _explained(self, message: str) -> str:
        """argparse's message, with the option that was perhaps meant."""
        prefix = "unrecognized arguments: "
        before, is_value, value = message.partition(": ignored explicit argument ")
        if is_value:
            names = before.removeprefix("argument ").split("/")
            if not any(name in names and value == repr(given) for name, given in self._values):
                message = f"{prefix}-{value[1:-1]}"  # letters of `-vvq` that are no option: Python 3.13 says so itself
        if not message.startswith(prefix):
            argument, _, what = message.rpartition(": ")
            if what == "expected one argument":
                option = argument.rpartition("/")[2].removeprefix("argument ")
                return f"{argument}: needs a value (one that begins with a dash is written {option}=-...)"
            if what.startswith("ignored explicit argument "):
                return f"{argument}: takes no value, and {what.removeprefix('ignored explicit argument ')} was given"
            return message
        import difflib

        unknown = message[len(prefix) :]
        if not unknown.strip():
            return f"unknown argument {unknown!r}"
        near = difflib.get_close_matches(unknown.split()[0].partition("=")[0], list(self._option_string_actions), n=1)
        if (
            not near
            and "-H" in self._option_string_actions
            and unknown[0].isalnum()
            and unknown.isprintable()
            and " " not in unknown
        ):
            near = [f"-H {unknown}"]
        return f"unknown argument {unknown}" + (f"; did you mean {near[0]}?" if near else "")


class _HelpFormatter(argparse.RawDescriptionHelpFormatter):
    def __init__(self, prog: str) -> None:
        super().__init__(prog, max_help_position=30, width=100)

    def _format_action_invocation(self, action: argparse.Action) -> str:
        # Python 3.13 names the value once, for all names of an option
        if not action.option_strings or action.nargs == 0:
            return super()._format_action_invocation(action)
        value = self._format_args(action, self._get_default_metavar_for_optional(action))
        return f"{', '.join(action.option_strings)} {value}"


class _Print(argparse.Action):
    """Help and version: their text ends the run, with exit code 3."""

    def __init__(self, option_strings: Sequence[str], dest: str, **kwargs: object) -> None:
        super().__init__(option_strings, dest, nargs=0, help=str(kwargs.get("help")), default=argparse.SUPPRESS)

    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> NoReturn:
        raise Stop(parser.format_help() if self.dest == "help" else f"{parser.prog} {__version__}\n")


class LongerRun(argparse.Action):
    """A flag with which a run takes longer: without -t, so many seconds (`const`) are its limit."""

    def __init__(self, option_strings: Sequence[str], dest: str, *, seconds: float, help: str) -> None:
        super().__init__(option_strings, dest, nargs=0, const=seconds, default=False, help=help)

    def __call__(self, parser: argparse.ArgumentParser, namespace: argparse.Namespace, *_: object) -> None:
        setattr(namespace, self.dest, True)
        # the very object, not an equal number: that is what nobody has given
        if namespace.timeout is parser.get_default("timeout"):
            namespace.timeout = self.const


def standard(parser: Parser, *, timeout: float) -> None:
    """Add what every probe has: -t, -v, -V, -h and --config."""
    group = parser.add_argument_group("standard options")
    group.add_argument(
        "-t",
        "--timeout",
        type=_timeout,
        default=timeout,
        metavar="DURATION",
        help=f"end the whole run, cleaning included, within so many seconds (or 5m, 1h; default {timeout:g})",
    )
    group.add_argument("-v", "--verbose", action="count", default=0, help="say more; -vv and -vvv still more")
    group.add_argument("--config", metavar="FILE", help="settings file (default /etc/fedcloud-probes/probes.ini)")
    group.add_argument("-V", "--version", action=_Print, help="print the version and exit with 3")
    group.add_argument("-h", "--help", action=_Print, help="print this text and exit with 3")


def endpoint(
    parser: argparse.ArgumentParser, *, url: str = "URL as registered in the GOCDB", port: bool = True
) -> None:
    """Add -H, -p and -u: which endpoint is meant. port: whether -p can make a difference."""
    group = parser.add_argument_group("endpoint")
    group.add_argument("-H", "--hostname", metavar="HOST", type=_host, help="host name, looked up in the GOCDB")
    if port:
        group.add_argument("-p", "--port", type=_port, help="port, where it differs from the registered one")
    group.add_argument("-u", "--url", type=_word, help=url)


def service_type(parser: argparse.ArgumentParser, *, default: str) -> None:
    """Add --service-type: as what -H is looked up in the GOCDB."""
    parser.add_argument(
        "--service-type",
        metavar="TYPE",
        type=_word,
        default=default,
        help=f"as what the host of -H is looked up in the GOCDB (default {default})",
    )


def address_family(parser: argparse.ArgumentParser) -> None:
    """Add -4 and -6: args.family is a constant of `socket`, 0 for both."""
    group = parser.add_mutually_exclusive_group()
    for flag, family, what in (("-4", 2, "IPv4"), ("-6", 10, "IPv6")):  # AF_INET, AF_INET6
        group.add_argument(
            flag, dest="family", action="store_const", const=family, default=0, help=f"{what} addresses only"
        )


def certificate(parser: argparse.ArgumentParser, *, required: bool = True) -> None:
    """Add --cert and --key where a client certificate is the only way to log in; see access.find_certificate.

    required: whether it is our fault if there is none.
    """
    group = parser.add_argument_group("credentials")
    group.add_argument(
        "--cert",
        metavar="FILE",
        help="proxy or certificate (default: $X509_USER_PROXY, /tmp/x509up_u<uid>, $X509_USER_CERT, ~/.globus)",
    )
    group.add_argument("--key", metavar="FILE", help="private key, where it is not in the file of --cert")
    parser.set_defaults(auth="x509" if required else "auto", token_file=None)


def occi(parser: argparse.ArgumentParser, *, context: bool = True) -> None:
    """Add what a virtual machine is made of, and the endpoint as NCG passes it.

    context: whether what it is given comes from files.
    """
    group = parser.add_argument_group("virtual machine")
    group.add_argument("--endpoint", metavar="URL", type=_word, help="endpoint URL without templates, as NCG passes it")
    group.add_argument("--image", metavar="OS_TPL", type=_word, help="image template: term, full identifier or title")
    group.add_argument("--resource", metavar="RESOURCE_TPL", type=_word, help="size template, likewise")
    if context:
        group.add_argument("--user-data", metavar="FILE", help="contextualisation data to hand over")
        group.add_argument("--public-key", metavar="FILE", help="SSH public key to hand over")


def credentials(parser: argparse.ArgumentParser) -> None:
    """Add what says who we are and whom we trust."""
    group = parser.add_argument_group("credentials")
    group.add_argument(
        "--auth",
        choices=("auto", "none", "x509", "token"),
        default="auto",
        help="how to log in (default auto: the certificate, or the token if one is given)",
    )
    group.add_argument(
        "--cert",
        metavar="FILE",
        help="proxy or certificate (default: $X509_USER_PROXY, /tmp/x509up_u<uid>, $X509_USER_CERT, ~/.globus)",
    )
    group.add_argument("--key", metavar="FILE", help="private key, where it is not in the file of --cert")
    group.add_argument("--token-file", metavar="FILE", help="file with an OpenID Connect access token")
    group.add_argument("--vo", type=_word, help="virtual organisation to act for (default: the proxy's, else ops)")
    group.add_argument("--project", type=_word, help="Keystone project by name or id (default: chosen by the VO)")
    group.add_argument("--keystone", metavar="URL", type=_word, help="Keystone to trust if it is outside the domain")
    group.add_argument(
        "--identity-provider", metavar="NAME", type=_word, help="Keystone's name for it (default egi.eu)"
    )
    tls(parser)


def tls(parser: argparse.ArgumentParser) -> None:
    """Add what decides which servers are trusted."""
    group = parser.add_argument_group("trust")
    group.add_argument(
        "--ca-path",
        metavar="PATH",
        help="CA directory or bundle (default: $X509_CERT_DIR, /etc/grid-security/certificates, the system's)",
    )
    group.add_argument(
        "--proxy-from-environment", action="store_true", help="go through the web proxy that the environment names"
    )


def gocdb(parser: argparse.ArgumentParser) -> None:
    """Add where endpoints are looked up, and where the answers and our own traces are kept."""
    group = parser.add_argument_group("look-up and state")
    group.add_argument("--gocdb", metavar="URL", type=_word, help="GOCDB programmatic interface (default goc.egi.eu)")
    group.add_argument("--state-dir", metavar="DIR", help="where state is kept (default /var/lib/fedcloud-probes)")


def thresholds(parser: argparse.ArgumentParser, *, warning: str, critical: str, of: str) -> None:
    """Add -w and -c as ranges of durations; an empty range never alerts.

    of: what is judged, for the help text.
    """
    group = parser.add_argument_group("thresholds")
    for flag, name, default in (("-w", "warning", warning), ("-c", "critical", critical)):
        group.add_argument(
            flag,
            f"--{name}",
            type=duration_range,
            default=default,
            metavar="RANGE",
            help=f"{name} range of the {of} (default {default or 'none'})",
        )


def age_limits(parser: argparse.ArgumentParser, *, warning: str, critical: str, of: str) -> None:
    """Add -w and -c as ages from which on a state holds, for the context Freshness; 0 or nothing never alerts."""
    group = parser.add_argument_group("thresholds")
    for flag, name, default in (("-w", "warning", warning), ("-c", "critical", critical)):
        group.add_argument(
            flag,
            f"--{name}",
            type=age_limit,
            default=default,
            metavar="AGE",
            help=f"{name} when the {of} is so much or more, as 12h or 7d; 0: never (default {default})",
        )


UNIT_NEEDED_BELOW_S = 3600.0


def age_limit(text: str) -> Limit | None:
    """An age in seconds; None, for 0 and an empty text, where there is no limit.

    A small number without a unit is refused: it is days or hours in the configuration of older probes.
    """
    if not text.strip():
        return None
    value = seconds(text)
    if 0 < value < UNIT_NEEDED_BELOW_S and not text.strip()[-1:].isalpha():
        raise argparse.ArgumentTypeError(f"{text!r} would be seconds: say {text}s, {text}h or {text}d")
    return Limit(value, text.strip()) if value else None


def number_thresholds(parser: argparse.ArgumentParser, *, of: str) -> None:
    """Add -w and -c as ranges of plain numbers; without them nothing alerts. of: what is judged."""
    group = parser.add_argument_group("thresholds")
    for flag, name in (("-w", "warning"), ("-c", "critical")):
        group.add_argument(
            flag, f"--{name}", type=number_range, metavar="RANGE", help=f"{name} range of the {of} (default none)"
        )


def number_range(text: str) -> Range:
    """A range of plain numbers."""
    return _or_usage(lambda: Range(text, NUMBER))


def duration_ranges(text: str) -> tuple[Range, Range]:
    """Two ranges of durations, the warning one before the comma; either may be empty."""
    warning, _, critical = text.partition(",")
    return duration_range(warning), duration_range(critical)


def duration_range(text: str) -> Range:
    """A range of durations in seconds."""
    return _or_usage(lambda: Range(text, DURATION))


def seconds(text: str) -> float:
    """A duration in seconds, at least 0."""
    value = _or_usage(lambda: quantity(text, DURATION))
    if value < 0:
        raise argparse.ArgumentTypeError(f"{text!r} is below 0")
    return value


MAX_SIZE = 50 << 20


def size(text: str) -> int:
    """A number of bytes, from 1 KiB to MAX_SIZE."""
    value = _or_usage(lambda: quantity(text, SIZE))
    if not 1024 <= value <= MAX_SIZE:
        raise argparse.ArgumentTypeError(f"{text!r} is not between 1KiB and {MAX_SIZE >> 20}MiB")
    return int(value)


def _timeout(text: str) -> float:
    value = _or_usage(lambda: quantity(text, DURATION))
    if not 0 < value <= MAX_TIMEOUT_S or not math.isfinite(value):
        raise argparse.ArgumentTypeError(f"{text!r} is not above 0 and at most {MAX_TIMEOUT_S:g} s")
    return value


def _port(text: str) -> int:
    return whole_number(text, 65535, "a port between 1 and 65535")


def whole_number(text: str, most: int, what: str = "") -> int:
    """A whole number from 1 to the greatest that is allowed. what: for the sentence that refuses another."""
    if not (text.isascii() and text.isdigit() and len(text) <= 9 and 1 <= int(text) <= most):
        raise argparse.ArgumentTypeError(f"{text!r} is not {what or f'a number from 1 to {most}'}")
    return int(text)


def _word(text: str) -> str:
    """A value that is not empty and has no blanks or control characters: NCG passes values unquoted."""
    word = text.strip()
    if not word or not word.isprintable() or any(character.isspace() for character in word):
        raise argparse.ArgumentTypeError(f"{text!r} is empty or has blanks or control characters in it")
    return word


def line(text: str) -> str:
    """A value that may have blanks in it, but no control characters, nor bytes that are no text; it may be empty."""
    if not text.isprintable():
        raise argparse.ArgumentTypeError(f"{text!r} has control characters in it, or is not UTF-8")
    return text.strip()


def _host(text: str) -> str:
    """The name of a host or its address; what is none of them would be looked up in vain."""
    name = _word(text)
    if "/" in name or name.startswith("-"):
        raise argparse.ArgumentTypeError(f"{text!r} is not the name of a host (give a URL with -u)")
    return name


port, word = _port, _word
"""Types of options that only one probe has."""


def _or_usage(make: Callable[[], T]) -> T:
    try:
        return make()
    except BadRange as error:
        raise argparse.ArgumentTypeError(str(error)) from None
