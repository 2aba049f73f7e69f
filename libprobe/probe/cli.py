"""The options of every probe: one wording, one meaning, one place.

A usage error is one line on standard output and exit code 3, as is the help text: argparse's own
way, standard error and exit code 2, reads as CRITICAL in Nagios.
"""

from __future__ import annotations

import argparse
import math
import os
import re
import sys
from _thread import get_ident

from libprobe import __version__, redact
from libprobe.failures import BadData
from libprobe.judge.ranges import DURATION, NUMBER, SIZE, BadRange, Limit, Range, is_hidden, is_out_of_reach, quantity
from libprobe.probe import door
from libprobe.text import duration, shortened

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any, NoReturn, Protocol, TypeVar

    from libprobe.clients.ways import ConnectRule

    T = TypeVar("T")

    class OptionGroup(Protocol):
        """A group of options of a parser, or the parser itself."""

        def add_argument(self, *names: str, **more: Any) -> argparse.Action: ...
        def add_mutually_exclusive_group(self) -> OptionGroup: ...


MAX_TIMEOUT_S = 86400.0
MAX_VOLUME_GIB = 1024
MAX_USAGE = 600
"""Characters of a usage error, which quotes the command line, whatever that contains."""

PATHS = ("FILE", "PATH", "DIR")
"""What stands for a path in the help text; a value of these kinds is looked at before it is ever repeated."""

ENVIRONMENT_VARIABLES = (
    "X509_USER_PROXY",
    "X509_USER_CERT",
    "X509_USER_KEY",
    "X509_CERT_DIR",
    "FEDCLOUD_PROBES_CONFIG",
)
"""Where the environment names files; somebody may put into one of them what belongs into the file."""

EXIT_CODES = "Exit codes: 0 OK, 1 WARNING, 2 CRITICAL, 3 UNKNOWN (also help, version and wrong usage)."
LIMIT_SYNTAX = {
    "RANGE": "A RANGE is Nagios' own, and its bounds may carry a unit (ms s m h d w): 7d alerts above seven days, "
    "14d: below fourteen days, @1s:5s from one to five seconds.",
    "AGE": "An AGE is not a range: 7d alerts at seven days and more, 0 never (units: s m h d w).",
}
"""What the help text says of limits, by what stands for a value there."""

DEFAULT_COLUMNS, FEWEST_COLUMNS, MOST_COLUMNS = 80, 40, 120


class CommandLineExit(BaseException):
    """The command line asks for no check: help, version or a usage error; the text says which."""

    def __init__(self, text: str, *, is_error: bool = False) -> None:
        self.text = text
        self.is_error = is_error


class Parser(argparse.ArgumentParser):
    """An argument parser that neither prints nor exits, and takes no abbreviated option.

    doc:   the executable's docstring; commands that follow a line `Examples:` end the help text.
    codes: what its exit codes mean.
    intermixed: whether arguments may stand before, between and behind options.

    What it refuses beyond argparse, for every executable alike: an option that would do nothing (`only_with`,
    `not_with`), a warning limit that the critical one hides, and a secret where the path of a file is expected.
    What looks like a secret is blanked in whatever is printed later. What it says is the same with every Python, also
    where argparse's own words change from one to the next.
    """

    def __init__(self, *, prog: str, doc: str, codes: str = EXIT_CODES, intermixed: bool = False) -> None:
        text, _, examples = doc.strip().partition("\nExamples:\n")
        super().__init__(
            prog=prog, description=text.strip(), formatter_class=_HelpFormatter, allow_abbrev=False, add_help=False
        )
        self.suggest_on_error = False  # we suggest ourselves; from Python 3.15 on argparse would as well
        self.codes = codes
        self._intermixed = intermixed
        joined = re.sub(r"\\\n\s*", "", examples)
        self.examples = [line.strip() for line in joined.splitlines() if line.strip()]
        self.pairs_of_limits: list[tuple[str, str]] = []
        self.times_within: dict[str, Callable[[float], float]] = {}
        self.conditions: list[tuple[str, tuple[str, ...], bool]] = []
        self._given: dict[int, set[str]] = {}

    def only_with(self, option: str, *others: str) -> None:
        """Refuse an option without any of others, of which each is `--flag` or `--option=value`."""
        self.conditions.append((option, others, True))

    def not_with(self, option: str, *others: str) -> None:
        """Refuse an option beside any of others, likewise."""
        self.conditions.append((option, others, False))

    @property
    def arguments(self) -> list[argparse.Action]:
        """All options and arguments, in the order in which they were added."""
        return self._actions

    @property
    def options(self) -> dict[str, argparse.Action]:
        """The options by each of their names."""
        return self._option_string_actions

    def group(self, title: str) -> OptionGroup:
        """The group of options with a title; it is made where there is none."""
        return next((each for each in self._action_groups if each.title == title), None) or self.add_argument_group(
            title
        )

    # ---- reading

    def parse_args(  # type: ignore[override]
        self, args: Sequence[str] | None = None, namespace: argparse.Namespace | None = None
    ) -> argparse.Namespace:
        """As argparse has it; the result has `given` too, the destinations of the options that were given."""
        words = list(sys.argv[1:] if args is None else args)
        for variable in ENVIRONMENT_VARIABLES:
            redact.register_if_secret(os.environ.get(variable, ""))
        for word in words:
            redact.register_if_secret(word.partition("=")[2] if word.startswith("--") else word)
        me = get_ident()  # the worker's threads share one parser
        given = self._given[me] = set()
        try:
            parse = super().parse_intermixed_args if self._intermixed else super().parse_args
            parsed: argparse.Namespace = parse(words, namespace)
        finally:
            del self._given[me]
        parsed.given = frozenset(given)
        self._check(parsed)
        return parsed

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:
        given = list(sys.argv[1:] if args is None else args)
        self._values = [(name, value) for name, equals, value in (word.partition("=") for word in given) if equals]
        return super().parse_known_args(given, namespace)

    def error(self, message: str) -> NoReturn:
        said = shortened(redact.blank(self._explained(message)), MAX_USAGE)
        raise CommandLineExit(f"usage: {said} (see {self.prog} --help)", is_error=True)

    def exit(self, status: int = 0, message: str | None = None) -> NoReturn:
        raise CommandLineExit(message or "", is_error=bool(status))

    def _get_values(self, action: argparse.Action, arg_strings: list[str]) -> Any:
        # Python 3.11 takes the `--` of `--option=--` for the end of options, and an empty list for the value
        if action.option_strings and action.nargs is None and arg_strings == ["--"]:
            raise argparse.ArgumentError(action, "expected one argument")
        if action.option_strings and get_ident() in self._given:
            self._given[get_ident()].add(action.dest)
        if action.metavar in PATHS:
            for text in arg_strings:
                _expect_path(action, text)
        return super()._get_values(action, arg_strings)

    def _check(self, args: argparse.Namespace) -> None:
        """What is refused once all options are known."""
        for option, others, is_needed in self.conditions:
            if not self._is_given(args, option):
                continue
            there = [other for other in others if self._is_given(args, other)]
            if is_needed and not there:
                self.error(f"{option} has no effect without {' or '.join(others)}")
            if there and not is_needed:
                self.error(f"{option} has no effect together with {there[0]}; leave one of them out")
        for warning, critical in self.pairs_of_limits:
            limits = [getattr(args, self._option_string_actions[option].dest) for option in (warning, critical)]
            if self._is_given(args, warning) and is_hidden(*limits):
                self.error(
                    f"{warning} {limits[0].spec} would never be seen, for {critical} {limits[1].spec} is critical "
                    "wherever it alerts; are they the wrong way round?"
                )
        for option, within in self.times_within.items():
            value, most = getattr(args, self._option_string_actions[option].dest), within(args.timeout)
            for limit in value if isinstance(value, tuple) and self._is_given(args, option) else (value,):
                if self._is_given(args, option) and is_out_of_reach(limit, most):
                    self.error(
                        f"{option} {limit.spec} cannot be reached: with -t {args.timeout:g} what it judges ends after "
                        f"{duration(most)}; raise -t"
                    )

    def _is_given(self, args: argparse.Namespace, condition: str) -> bool:
        """Whether an option is given, or has a value: `--flag` or `--option=value`."""
        option, _, value = condition.partition("=")
        dest = self._option_string_actions[option].dest
        if not value:
            return dest in args.given
        actual = getattr(args, dest)
        return value in actual if isinstance(actual, list) else value == actual

    def _check_value(self, action: argparse.Action, value: Any) -> None:
        if action.choices is not None and value not in action.choices:
            choices = ", ".join(map(repr, action.choices))
            raise argparse.ArgumentError(action, f"invalid choice: {value!r} (choose from {choices})")

    def _explained(self, message: str) -> str:
        """Return argparse's message, with the option that may have been meant."""
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
        first = unknown.split()[0].partition("=")[0]
        if first.startswith("--"):
            unknown = first  # what follows is perhaps its value, and could be a password
        elif redact.looks_secret(unknown):
            return f"unknown argument {unknown}, which looks like a secret: it is given as the path of a file"
        near = difflib.get_close_matches(first, list(self._option_string_actions), n=1)
        if not near and first.startswith("--"):
            near = [each for each in self._option_string_actions if each.startswith(f"{first}-")][:1]
        if (
            not near
            and "-H" in self._option_string_actions
            and unknown[0].isalnum()
            and unknown.isprintable()
            and " " not in unknown
        ):
            near = [f"-H {unknown}"]
        return f"unknown argument {unknown}" + (f"; did you mean {near[0]}?" if near else "")

    # ---- help

    def format_help(self) -> str:
        """The help text, as wide as the terminal, or as $COLUMNS says."""
        columns = _columns()
        self.formatter_class = lambda prog, **more: _HelpFormatter(prog, columns, **more)
        self.epilog = "\n\n".join(self.closing())
        try:
            return super().format_help()
        finally:
            self.formatter_class, self.epilog = _HelpFormatter, None

    def closing(self) -> list[str]:
        """What follows the options in the help text: examples, the forms of limits, exit codes."""
        examples = "\n".join(["examples:", *(f"    {line}" for line in self.examples)]) if self.examples else ""
        return [part for part in (examples, self.forms(), self.codes) if part]

    def forms(self) -> str:
        """What is to be said of the limits that this executable takes; empty where it takes none."""
        kinds = {action.metavar for action in self._actions}
        return " ".join(words for kind, words in LIMIT_SYNTAX.items() if kind in kinds)


def _expect_path(action: argparse.Action, text: str) -> None:
    """Refuse what is more likely a secret than the path of a file. Raises: argparse.ArgumentError."""
    if not text or os.path.lexists(text) or ("/" in text and os.path.isdir(os.path.dirname(text))):
        return
    holds = getattr(action, "holds", "")
    if redact.register_if_secret(text, is_path=True):
        what = f"the {holds} itself" if holds else "a secret"
        raise argparse.ArgumentError(action, f"takes the path of a file; what was given looks like {what}")
    if holds and "/" not in text:
        redact.register(text)
        raise argparse.ArgumentError(
            action,
            f"takes the path of a file, and there is none of the name given, which could be the {holds} itself and is "
            "not repeated here (what has a / in it is taken for a path)",
        )


def secret_file(group: OptionGroup, option: str, *, holds: str, **more: Any) -> None:
    """Add an option that takes the path of a file with a secret in it. holds: what that is."""
    action = group.add_argument(option, metavar="FILE", **more)
    action.holds = holds  # type: ignore[attr-defined]


def signature(parser: Parser, group: OptionGroup) -> None:
    """Add what is asked of the signature of an image list; see `libprobe.checks.imagelist.SignatureRules`."""
    group.add_argument(
        "--signature",
        choices=("require", "if-present", "ignore"),
        default="require",
        help="whether the list has to be signed (default require); ignore verifies nothing",
    )
    group.add_argument("--ignore-endorser", action="store_true", help="accept a signer that the list does not name")
    group.add_argument("--allow-sha1", action="store_true", help="accept signatures with SHA-1, which can be forged")
    parser.not_with("--ignore-endorser", "--signature=ignore")
    parser.not_with("--allow-sha1", "--signature=ignore")


def plain_login(group: OptionGroup) -> None:
    """Add --plain-login, where a password is sent to a broker."""
    group.add_argument(
        "--plain-login", action="store_true", help="send the password also where no TLS protects it (default: never)"
    )


def _columns() -> int:
    """How wide help may be: $COLUMNS, the terminal's width, or DEFAULT_COLUMNS where there is none."""
    from shutil import get_terminal_size

    return max(FEWEST_COLUMNS, min(MOST_COLUMNS, get_terminal_size((DEFAULT_COLUMNS, 24)).columns))


class _NoColours:
    """The colours of help, as Python 3.14 names them: for whoever sets FORCE_COLOR too, Nagios is to read it."""

    def __getattr__(self, name: str) -> str:
        return ""


class _HelpFormatter(argparse.HelpFormatter):
    """Keeps the lines of states, and commands, and fills what is prose."""

    def __init__(self, prog: str, columns: int = 102, **more: Any) -> None:
        super().__init__(prog, max_help_position=min(30, columns // 3), width=columns - 2, **more)

    def _set_color(self, *_: object, **__: object) -> None:
        """Python 3.14 asks for colours here, and for none as well; finding them loads dataclasses and inspect."""
        self._theme, self._decolor = _NoColours(), str

    def _format_action_invocation(self, action: argparse.Action) -> str:
        # Python 3.13 names the value once, for all names of an option
        if not action.option_strings or action.nargs == 0:
            return super()._format_action_invocation(action)
        value = self._format_args(action, self._get_default_metavar_for_optional(action))
        return f"{', '.join(action.option_strings)} {value}"

    def _split_lines(self, text: str, width: int) -> list[str]:
        import textwrap

        return textwrap.wrap(text, width, break_on_hyphens=False)  # a path that is broken cannot be copied

    def _fill_text(self, text: str, width: int, indent: str) -> str:
        import textwrap

        filled = []
        for first, rest, words in _pieces(text):
            if words is None:
                filled.append(first)
            else:
                hanging = rest if len(rest) <= width // 3 else "  "
                filled.append(textwrap.fill(first + words, width, subsequent_indent=hanging, break_on_hyphens=False))
        return "\n".join(filled)


_FIELD = re.compile(r"(\w[\w ]{0,13}?(?::| when) +)(\S.*)")


def _pieces(text: str) -> list[tuple[str, str, str | None]]:
    """A text's lines as they belong together: (beginning, indent of what follows, words); no words: a line as it is."""
    pieces: list[tuple[str, str, str | None]] = []
    for line in text.split("\n"):
        before = pieces[-1] if pieces else ("", "", None)
        if not line.strip() or (line.startswith("    ") and not before[1]):
            pieces.append((line, "", None))
        elif found := _FIELD.fullmatch(line):
            pieces.append((found[1], " " * len(found[1]), found[2]))
        elif before[2] is not None and (not before[1] or line.startswith("  ")):
            pieces[-1] = (before[0], before[1], f"{before[2]} {line.strip()}")
        else:
            pieces.append(("", "", line))
    return pieces


class PrintAction(argparse.Action):
    """Help and version: their text ends the run, with exit code 3."""

    def __init__(self, option_strings: Sequence[str], dest: str, **kwargs: object) -> None:
        super().__init__(option_strings, dest, nargs=0, help=str(kwargs.get("help")), default=argparse.SUPPRESS)

    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> NoReturn:
        raise CommandLineExit(parser.format_help() if self.dest == "help" else f"{parser.prog} {__version__}\n")


class LongerRunAction(argparse.Action):
    """A flag with which a run takes longer: without -t, `const` seconds are its limit."""

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
        help=f"time limit of the whole run, cleaning included: seconds, or 5m, 1h (default {timeout:g})",
    )
    group.add_argument("-v", "--verbose", action="count", default=0, help="more detail; -vv and -vvv: still more")
    group.add_argument("--config", metavar="FILE", help="settings file (default /etc/fedcloud-probes/probes.ini)")
    group.add_argument("-V", "--version", action=PrintAction, help="print the version and exit with 3")
    group.add_argument("-h", "--help", action=PrintAction, help="print this text and exit with 3")


def worker(parser: Parser) -> None:
    """Add --worker: `libprobe.probe.door` reads it, before there is a parser."""
    parser.group("standard options").add_argument(
        "--worker",
        metavar="PATH",
        type=_door,
        help=f"socket of the resident worker that runs the check, or no for none (default {door.DEFAULT})",
    )


def severity(parser: Parser) -> None:
    """Add --severity: how bad a result may be that is reported; see `run`."""
    parser.group("standard options").add_argument(
        "--severity",
        choices=("warn", "crit"),
        default="crit",
        help="the worst state to report: with warn, CRITICAL is reported as WARNING, which is said (default crit)",
    )


def _door(text: str) -> str:
    if text not in door.OFF and not text.startswith("/"):
        raise argparse.ArgumentTypeError(f"{text!r} is not `no` or the absolute path of a socket")
    return text


def endpoint(parser: Parser, *, url: str = "URL as registered in the GOCDB", port: bool = True) -> None:
    """Add -H, -p and -u, which name the endpoint, and --connect-to and --source-address: by which way it is reached.

    port: whether to add -p.
    """
    group = parser.group("endpoint")
    group.add_argument("-H", "--hostname", metavar="HOST", type=_host, help="host name, looked up in the GOCDB")
    if port:
        group.add_argument("-p", "--port", type=_port, help="port, if it differs from the registered one")
    group.add_argument("-u", "--url", type=_word, help=url)
    group.add_argument(
        "--connect-to",
        metavar="HOST:PORT",
        type=_way,
        action="append",
        help="connect there instead, and verify the endpoint's own name; HOST1:PORT1:HOST2:PORT2 as curl has it",
    )
    group.add_argument(
        "--source-address",
        metavar="ADDRESS",
        type=_source,
        action="append",
        help="address of this machine that connections come from; one of each kind, IPv4 and IPv6",
    )


def _way(text: str) -> ConnectRule:
    from libprobe.clients.ways import read_way

    return _readable(read_way, text)


def _source(text: str) -> tuple[int, str]:
    from libprobe.clients.ways import read_source

    return _readable(read_source, text)


def _readable(read: Callable[[str], T], text: str) -> T:
    try:
        return read(text)
    except BadData as error:
        raise argparse.ArgumentTypeError(error.sentence) from None


def service_type(parser: Parser, *, default: str) -> None:
    """Add --service-type, under which the host of -H is looked up in the GOCDB."""
    parser.group("endpoint").add_argument(
        "--service-type",
        metavar="TYPE",
        type=_word,
        default=default,
        help=f"service type under which -H is looked up in the GOCDB (default {default})",
    )
    parser.only_with("--service-type", "-H")


def address_family(parser: Parser) -> None:
    """Add -4 and -6: args.family is a constant of `socket`, 0 for both."""
    group = parser.group("endpoint").add_mutually_exclusive_group()
    for flag, family, what in (("-4", 2, "IPv4"), ("-6", 10, "IPv6")):  # AF_INET, AF_INET6
        group.add_argument(
            flag, dest="family", action="store_const", const=family, default=0, help=f"{what} addresses only"
        )


def _certificate(group: OptionGroup, *, default: str = "default") -> None:
    """Add --cert and --key. default: the word before the list of places where grid tools look, in the help text."""
    group.add_argument(
        "--cert",
        metavar="FILE",
        help=f"proxy or certificate ({default}: $X509_USER_PROXY, /tmp/x509up_u<uid>, $X509_USER_CERT, ~/.globus)",
    )
    group.add_argument("--key", metavar="FILE", help="private key, if it is not in the file of --cert")


def certificate(parser: Parser, *, required: bool = True) -> None:
    """Add --cert and --key where a client certificate is the only way to log in; see access.find_certificate.

    required: whether it is our fault if there is none.
    """
    group = parser.add_argument_group("credentials")
    _certificate(group)
    parser.only_with("--key", "--cert")
    parser.set_defaults(auth="x509" if required else "auto", token_file=None)


def own_credentials(parser: Parser) -> None:
    """Add the options of check_credential: which of our credentials are judged, and what they must have."""
    group = parser.add_argument_group("credentials")
    _certificate(group, default="default without a token")
    secret_file(group, "--token-file", holds="access token", help="file with an OpenID Connect access token")
    secret_file(group, "--refresh-token-file", holds="refresh token", help="file with a refresh token or a mytoken")
    group.add_argument("--vo", type=_word, help="virtual organisation whose VOMS attributes the proxy has to have")
    group.add_argument("--fqan", type=_word, help="VOMS attribute that the proxy has to have, as /ops/Role=lcgadmin")
    group.add_argument(
        "--issuer", metavar="URL", type=web_address, help="required issuer of the tokens; its clock is compared"
    )
    parser.only_with("--key", "--cert")
    parser.set_defaults(auth="auto")
    tls(parser)


def occi(parser: Parser, *, context: bool = True, storage: bool = False) -> None:
    """Add the options of a virtual machine, and the endpoint as NCG passes it.

    context: whether to add --user-data and --public-key. storage: whether to add --with-storage.
    """
    group = parser.add_argument_group("virtual machine")
    group.add_argument("--endpoint", metavar="URL", type=_word, help="endpoint URL without templates, as NCG passes it")
    group.add_argument("--image", metavar="OS_TPL", type=_words, help="image template: term, full identifier or title")
    group.add_argument(
        "--resource", metavar="RESOURCE_TPL", type=_words, help="size template: term, full identifier or title"
    )
    if context:
        group.add_argument("--user-data", metavar="FILE", help="user_data for the VM")
        group.add_argument("--public-key", metavar="FILE", help="SSH public key for the VM")
    if storage:
        group.add_argument("--with-storage", action="store_true", help="attach a new volume to the VM and remove it")
        group.add_argument(
            "--storage-size", metavar="GIB", type=_volume_size, help="size of the volume in GiB (default 1)"
        )
        parser.only_with("--storage-size", "--with-storage")


def credentials(parser: Parser, *, cloud: bool = False, occi: bool = False) -> None:
    """Add the options for the login at an endpoint, and for trust.

    cloud: whether the endpoint is a Keystone itself; then a Keystone token can be given.
    occi:  whether it is, or may also be, another service, which names its Keystone; always so without `cloud`.
    """
    group = parser.add_argument_group("credentials")
    group.add_argument(
        "--auth",
        choices=("auto", "none", "x509", "token"),
        default="auto",
        help="how to log in (default auto: the certificate, or the token if one is given)",
    )
    _certificate(group)
    secret_file(group, "--token-file", holds="access token", help="file with an OpenID Connect access token")
    _token_sources(parser, group)
    group.add_argument("--vo", type=_word, help="virtual organisation to act for (default: the proxy's, else ops)")
    group.add_argument("--project", type=_word, help="Keystone project by name or id (default: chosen by the VO)")
    if cloud:
        secret_file(
            group,
            "--keystone-token-file",
            holds="Keystone token",
            help="file with a token that this Keystone has issued",
        )
    if cloud:
        group.add_argument(
            "--cloud", metavar="NAME", type=_word, help="Keystone and login as clouds.yaml has them under this name"
        )
    else:
        parser.set_defaults(cloud=None)
    if occi or not cloud:
        group.add_argument(
            "--keystone",
            metavar="URL",
            type=web_address,
            help="Keystone to log in to, if it is outside the endpoint's domain",
        )
    group.add_argument(
        "--identity-provider",
        metavar="NAME",
        type=_word,
        help="Keystone's name for the token's issuer (default egi.eu)",
    )
    group.add_argument(
        "--plain-token",
        action="store_true",
        help="send the Keystone token also to an endpoint over http (default: never)",
    )
    parser.only_with("--key", "--cert")
    parser.not_with("--cert", "--auth=none", "--auth=token")
    for option in SOURCES:
        parser.not_with(option, "--auth=none", "--auth=x509")
    for option in ("--project", "--keystone", "--identity-provider", "--plain-token"):
        if option in parser.options:
            parser.not_with(option, "--auth=none")
    if cloud:
        for other in ("--cert", *SOURCES, "--identity-provider"):
            parser.not_with(other, "--keystone-token-file", "--cloud")
        for other in ("--keystone-token-file", "--auth", "-H", "-u", "-p", "--keystone", "--instead-at"):
            if other in parser.options:
                parser.not_with(other, "--cloud")
    tls(parser)


SOURCES = ("--token-file", "--oidc-agent", "--mytoken-file", "--refresh-token-file")
"""Where an access token may come from; one of them."""


def _token_sources(parser: Parser, group: OptionGroup) -> None:
    """Add the ways to get an access token that is not in a file."""
    group.add_argument("--oidc-agent", metavar="ACCOUNT", type=_word, help="get an access token from oidc-agent")
    secret_file(group, "--mytoken-file", holds="mytoken", help="get an access token by the mytoken in this file")
    group.add_argument("--mytoken-server", metavar="URL", type=web_address, help="server that issued the mytoken")
    secret_file(
        group, "--refresh-token-file", holds="refresh token", help="get an access token by the refresh token in it"
    )
    group.add_argument("--issuer", metavar="URL", type=web_address, help="issuer of the refresh token")
    group.add_argument("--client-id", metavar="ID", type=_word, help="client that the refresh token was issued to")
    for number, option in enumerate(SOURCES):
        others = SOURCES[number + 1 :]
        if others:
            parser.not_with(option, *others)


def region(parser: Parser, *, default: str = "each that has the service") -> None:
    """Add --region, the region of an OpenStack cloud. default: the one used without the option, for the help text."""
    parser.group("endpoint").add_argument(
        "--region", metavar="REGION", type=_words, help=f"region of the catalogue (default: {default})"
    )


def server(parser: Parser) -> None:
    """Add image, size and network of a virtual machine of OpenStack; without an option, the probe chooses."""
    group = parser.group("virtual machine")
    group.add_argument(
        "--image", metavar="IMAGE", type=_words, help="image by id, name, AppDB number or image_ref (default: EGI's)"
    )
    group.add_argument(
        "--all-regions",
        action="store_true",
        help="create a VM in each region that has all services (default: only in the first)",
    )
    group.add_argument("--size", metavar="FLAVOUR", type=_words, help="size by id or name (default: the smallest)")
    group.add_argument("--network", metavar="NET", type=_words, help="network by id or name (default: the project's)")
    parser.not_with("--region", "--all-regions")


def booting(parser: Parser, *, boot: str) -> None:
    """Add --boot and the options of the login to the VM. boot: what it does, for the help text."""
    group = parser.add_argument_group("booting")
    group.add_argument("--boot", action=LongerRunAction, seconds=600.0, help=f"{boot} (default of -t then: 600)")
    group.add_argument("--ssh-user", metavar="NAME", default="cloudadm", type=_word, help="user to log in as")
    group.add_argument("--ssh-port", metavar="PORT", default=22, type=_port, help="port to log in at (default 22)")
    group.add_argument(
        "--wait",
        metavar="DURATION",
        type=seconds,
        help="how long an active VM may take to accept the login and to run its user_data (default: as -t allows)",
    )
    for option in ("--ssh-user", "--ssh-port", "--wait"):
        parser.only_with(option, "--boot")


def tls(parser: argparse.ArgumentParser) -> None:
    """Add the options for the trust in servers, and for the way to them."""
    group = parser.add_argument_group("trust")
    group.add_argument(
        "--ca-path",
        metavar="PATH",
        help="CA directory or bundle (default: $X509_CERT_DIR, /etc/grid-security/certificates, the system's)",
    )
    group.add_argument(
        "--proxy-from-environment", action="store_true", help="use the web proxy that the environment names"
    )


def gocdb(parser: argparse.ArgumentParser) -> None:
    """Add --gocdb, where endpoints are looked up, and --state-dir, where answers and the journal are kept."""
    group = parser.add_argument_group("look-up and state")
    group.add_argument(
        "--gocdb", metavar="URL", type=web_address, help="GOCDB programmatic interface (default goc.egi.eu)"
    )
    group.add_argument("--state-dir", metavar="DIR", help="where state is kept (default /var/lib/fedcloud-probes)")


def thresholds(
    parser: Parser, *, warning: str, critical: str, of: str, within: Callable[[float], float] | None = None
) -> None:
    """Add -w and -c as ranges of durations; an empty range never alerts.

    of:     what is judged, for the help text.
    within: how many seconds that can be with a -t, where running into -t is no worse than the limit: one that lies
            beyond is refused, for nobody would ever hear of it.
    """
    _ranges(parser, duration_range, warning, critical, of)
    if within:
        parser.times_within.update({"-w": within, "-c": within})


def _ranges(parser: Parser, read: Callable[[str], Range], warning: str | None, critical: str | None, of: str) -> None:
    """Add -w and -c as ranges that `read` understands."""
    group = parser.group("thresholds")
    for flag, name, default in (("-w", "warning", warning), ("-c", "critical", critical)):
        group.add_argument(
            flag,
            f"--{name}",
            type=read,
            default=default,
            metavar="RANGE",
            help=f"{name} range of the {of} (default {default or 'none'})",
        )
    parser.pairs_of_limits.append(("-w", "-c"))


def response_time(parser: Parser, *, of: str) -> None:
    """Add --response-time, where -w and -c judge something else; args.response_time is None or two ranges.

    of: what it is the time of, for the help text.
    """
    parser.group("thresholds").add_argument(
        "--response-time",
        type=duration_ranges,
        metavar="WARNING,CRITICAL",
        help=f"ranges of the time that {of} takes, as 2s,10s; either may be empty (default none)",
    )
    parser.times_within["--response-time"] = float


def duration_ranges(text: str) -> tuple[Range, Range]:
    """Two ranges of durations in seconds, the warning one before the comma; either may be empty."""
    parts = text.split(",")
    if len(parts) != 2:
        raise argparse.ArgumentTypeError(f"{text!r} is not the form WARNING,CRITICAL, as 2s,10s or ,10s")
    return _visible_pair(*parts)


def _visible_pair(warning_text: str, critical_text: str) -> tuple[Range, Range]:
    """Two ranges of durations, of which the critical one does not hide the warning one."""
    warning, critical = duration_range(warning_text), duration_range(critical_text)
    if is_hidden(warning, critical):
        raise argparse.ArgumentTypeError(
            f"{warning.spec} would never be seen, for {critical.spec} is critical wherever it alerts; are they the "
            "wrong way round?"
        )
    return warning, critical


def age_limits(parser: Parser, *, warning: str, critical: str, of: str) -> None:
    """Add -w and -c as ages from which on a state holds, for the context Freshness; 0 or nothing never alerts."""
    group = parser.add_argument_group("thresholds")
    for flag, name, default in (("-w", "warning", warning), ("-c", "critical", critical)):
        group.add_argument(
            flag,
            f"--{name}",
            type=age_limit,
            default=default,
            metavar="AGE",
            help=f"{name} when the {of} has reached this value, as 12h or 7d; 0: never (default {default})",
        )
    parser.pairs_of_limits.append(("-w", "-c"))


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


def number_thresholds(parser: Parser, *, warning: str | None = None, critical: str | None = None, of: str) -> None:
    """Add -w and -c as ranges of plain numbers; without them, and a default, nothing alerts. of: what is judged."""
    _ranges(parser, number_range, warning, critical, of)


def number_range(text: str) -> Range:
    """A range of plain numbers."""
    return _as_usage_error(lambda: Range(text, NUMBER))


def share(text: str) -> float:
    """A number of percent, above 0 and at most 100."""
    value = _as_usage_error(lambda: quantity(text, NUMBER))
    if not 0 < value <= 100:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of percent above 0 and at most 100")
    return value


def lifetime_thresholds(parser: Parser, *, warning: str, critical: str, of: str) -> None:
    """Add -w and -c as ranges of the time that something has left. of: what is judged."""
    _ranges(parser, lifetime_range, warning, critical, of)


def lifetime_range(text: str) -> Range:
    """One range of the time that something has left; see `lifetime_ranges`."""
    if "," in text:
        raise argparse.ArgumentTypeError(f"{text!r} is not one range")
    return lifetime_ranges(text)[0]


def lifetime_ranges(text: str) -> tuple[Range, Range]:
    """Two ranges of the time that something has left, the warning one before the comma; either may be empty.

    A bare number is what other plugins take for "alert below"; as a range it would alert above, when all is well.
    """
    parts = text.split(",")
    if len(parts) > 2:
        raise argparse.ArgumentTypeError(f"{text!r} is not WARNING,CRITICAL")
    if any(part.strip() and ":" not in part for part in parts):
        meant = ",".join(_below_range(part.strip()) for part in parts)
        for part in parts:
            duration_range(part)
        raise argparse.ArgumentTypeError(f"{text!r} would alert when much time is left; did you mean {meant}?")
    return _visible_pair(parts[0], parts[1] if len(parts) == 2 else "")


def _below_range(bound: str) -> str:
    """A bare number as the range that alerts below it, in days where it has no unit."""
    if not bound or ":" in bound:
        return bound
    return f"{bound}d:" if bound.isdigit() else f"{bound}:"


def duration_range(text: str) -> Range:
    """A range of durations in seconds."""
    return _as_usage_error(lambda: Range(text, DURATION))


def seconds(text: str) -> float:
    """A duration in seconds, at least 0."""
    value = _as_usage_error(lambda: quantity(text, DURATION))
    if value < 0:
        raise argparse.ArgumentTypeError(f"{text!r} is below 0")
    return value


MAX_SIZE = 50 << 20


def size(text: str) -> int:
    """A number of bytes, from 1 KiB to MAX_SIZE."""
    return _size(text, 1024, MAX_SIZE)


def object_size(text: str) -> int:
    """The bytes of an object that Swift takes in one piece: from 1 to 5 GiB."""
    return _size(text, 1, 5 << 30)


def _size(text: str, least: int, most: int) -> int:
    value = _as_usage_error(lambda: quantity(text, SIZE))
    if not least <= value <= most:
        low = "1KiB" if least == 1024 else least
        raise argparse.ArgumentTypeError(f"{text!r} is not between {low} and {most >> 20}MiB")
    return int(value)


def _timeout(text: str) -> float:
    value = _as_usage_error(lambda: quantity(text, DURATION))
    if not 0 < value <= MAX_TIMEOUT_S or not math.isfinite(value):
        raise argparse.ArgumentTypeError(f"{text!r} is not above 0 and at most {MAX_TIMEOUT_S:g} s")
    return value


def _volume_size(text: str) -> int:
    """Whole GiB, as Cinder has them."""
    return whole_number(text, MAX_VOLUME_GIB)


def _port(text: str) -> int:
    return whole_number(text, 65535, "a port between 1 and 65535")


def whole_number(text: str, most: int, what: str = "") -> int:
    """A whole number from 1 to the greatest that is allowed. what: for the sentence that refuses another."""
    if not (text.isascii() and text.isdigit() and len(text) <= 9 and 1 <= int(text) <= most):
        raise argparse.ArgumentTypeError(f"{text!r} is not {what or f'a number from 1 to {most}'}")
    return int(text)


def _word(text: str) -> str:
    """A value that is not empty and has no blanks or control characters: NCG passes values unquoted."""
    if any(character.isspace() for character in text.strip()):
        raise argparse.ArgumentTypeError(f"{text!r} is empty or has blanks or control characters in it")
    return _words(text)


def _words(text: str) -> str:
    """A value that is not empty and may have blanks within, as the title of an image has, but no control characters."""
    word = text.strip()
    if not word or not word.isprintable():
        raise argparse.ArgumentTypeError(f"{text!r} is empty or has blanks or control characters in it")
    if "://" not in word and redact.is_login(word):
        raise argparse.ArgumentTypeError(
            "what was given looks like a token or a key, which goes into a file of its own"
        )
    return word


def web_address(text: str) -> str:
    """An http or https URL with a host."""
    word = _word(text)
    if not re.fullmatch(r"https?://[^/?#\s]+([/?#].*)?", word, re.IGNORECASE):
        raise argparse.ArgumentTypeError(f"{text!r} is not an http or https URL")
    return word


def line(text: str) -> str:
    """A value that may have blanks in it, but no control characters, nor bytes that are no text; it may be empty."""
    if not text.isprintable():
        raise argparse.ArgumentTypeError(f"{text!r} has control characters in it, or is not UTF-8")
    return text.strip()


def _host(text: str) -> str:
    """Return the name of a host or its address. Raises: ArgumentTypeError for anything else.

    The dot that ends a name within the DNS is left out, as of a URL: no register, certificate or server has it.
    """
    name = _word(text).removesuffix(".")
    if not name or "/" in name or name.startswith("-"):
        raise argparse.ArgumentTypeError(f"{text!r} is not the name of a host (give a URL with -u)")
    if ":" in name and not _is_ipv6(name):
        said = f"{text!r} is not the name of a host (give a port with -p, or a URL with -u)"
        raise argparse.ArgumentTypeError(said)
    return name


def _is_ipv6(text: str) -> bool:
    """Whether that is an address of IPv6, in brackets or not, with a zone or not."""
    import socket

    try:
        socket.inet_pton(socket.AF_INET6, text.removeprefix("[").removesuffix("]").partition("%")[0])
    except (OSError, ValueError):
        return False
    return True


host, port, word = _host, _port, _word
"""Types of options that only one probe has."""


def _as_usage_error(make: Callable[[], T]) -> T:
    try:
        return make()
    except BadRange as error:
        raise argparse.ArgumentTypeError(str(error)) from None
