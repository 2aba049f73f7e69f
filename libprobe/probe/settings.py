"""Site-wide defaults from one documented file, /etc/fedcloud-probes/probes.ini.

    [gocdb]        url, cache_hours
    [tls]          ca_path
    [credentials]  cert, key, vo, token_file, oidc_agent, oidc_socket, mytoken_file, mytoken_server,
                   refresh_token_file, issuer, client_id, identity_provider, keystone, plain_token_to
    [state]        directory
    [http]         proxy_from_environment
    [occi]         image, resource
    [accounting]   url
    [appdb]        url
    [images]       lists
    [cloudinfo]    url
    [worker]       socket, which `libprobe.probe.door` reads by itself

`--config FILE` or $FEDCLOUD_PROBES_CONFIG names another file. An option on the command line wins
over the file, the file over what is built in. A key that is not known is refused: a silent typing
error would be a setting that does nothing.
"""

from __future__ import annotations

import os
import re

from libprobe import redact
from libprobe.failures import Misconfigured
from libprobe.files import read_parsed
from libprobe.probe import door

TYPE_CHECKING = False
if TYPE_CHECKING:
    import configparser
    from collections.abc import Iterable, Sequence

KNOWN = {
    "gocdb": {"url", "cache_hours"},
    "tls": {"ca_path"},
    "credentials": {
        *("cert", "key", "vo", "token_file", "oidc_agent", "oidc_socket", "mytoken_file", "mytoken_server"),
        *("refresh_token_file", "issuer", "client_id", "identity_provider", "keystone", "plain_token_to"),
    },
    "state": {"directory"},
    "http": {"proxy_from_environment"},
    "occi": {"image", "resource"},
    "accounting": {"url"},
    "appdb": {"url"},
    "images": {"lists"},
    "cloudinfo": {"url"},
    "worker": {"socket"},
}
MAX_BYTES = 65536


class Settings:
    """The values of one settings file; `path` is None when there is none. Checks of one process may share it."""

    def __init__(
        self, values: dict[str, dict[str, str]] | None = None, path: str | None = None, secrets: Sequence[str] = ()
    ) -> None:
        self._values = values or {}
        self.path = path
        self.secrets = secrets
        """The values that look like secrets, which each check has to register."""

    def get(self, section: str, key: str, default: str = "") -> str:
        """The value of a known key, or the default; an empty value counts as absent."""
        return self._values.get(section, {}).get(key, "") or default

    def flag(self, section: str, key: str) -> bool:
        """A yes/no value; absent is no. Raises: Misconfigured for any other word."""
        word = self.get(section, key, "no").lower()
        if word not in ("yes", "no", "true", "false", "on", "off", "1", "0"):
            raise Misconfigured(f"{self.path}: [{section}] {key} is {word!r}, not yes or no")
        return word in ("yes", "true", "on", "1")

    def number(self, section: str, key: str, default: float) -> float:
        """A number of at least 0. Raises: Misconfigured."""
        from libprobe.judge.ranges import BadRange, quantity

        text = self.get(section, key)
        if not text:
            return default
        try:
            value = quantity(text, {"": 1.0})
        except BadRange as error:
            raise Misconfigured(f"{self.path}: [{section}] {key}: {error}") from None
        if value < 0:
            raise Misconfigured(f"{self.path}: [{section}] {key} is below 0")
        return value


def read_settings(path: str | None = None) -> Settings:
    """Read the settings file; without a path, the default one, which may be absent.

    Raises: Misconfigured for a named file that is absent, an unreadable file, an unknown key.
    """
    named = path or os.environ.get(door.SETTINGS_ENVIRONMENT)
    found = read_parsed(named or door.SETTINGS, "settings file", MAX_BYTES, _parse)
    if found is None:
        if named is None:
            return Settings()
        raise Misconfigured(f"settings file {named} does not exist")
    for secret in found.secrets:
        redact.register_if_secret(secret)  # for this check too, where another one has had the file read
    return found


def _parse(data: bytes, path: str) -> Settings:
    import configparser

    # [DEFAULT] is a section like any other, and none that we know: its values would hold nowhere
    parser = configparser.ConfigParser(interpolation=None, default_section="")
    try:
        parser.read_string(data.removeprefix(door.BYTE_ORDER_MARK).decode("utf-8"), source=path)
    except UnicodeDecodeError:
        raise Misconfigured(f"settings file {path} is not UTF-8") from None
    except configparser.Error as error:
        raise Misconfigured(f"settings file {path}{describe_error(error)}", remedy=NOT_SHOWN) from None
    values = {name: dict(parser.items(name)) for name in parser.sections()}
    secrets = []
    for section, keys in values.items():
        if section not in KNOWN:
            raise Misconfigured(
                f"settings file {path} has an unknown section{describe_unknown_name(f'[{section}]', section, KNOWN)}"
            )
        for key, value in keys.items():
            if key not in KNOWN[section]:
                known = describe_unknown_name(repr(key), key, KNOWN[section])
                raise Misconfigured(f"settings file {path} has an unknown key in [{section}]{known}")
            if redact.register_if_secret(value):
                secrets.append(value)
    where = values.get("worker", {}).get("socket", "")
    if where and where not in door.OFF and not where.startswith("/"):
        raise Misconfigured(f"settings file {path}: [worker] socket is not `no` or the absolute path of a socket")
    return Settings(values, path, secrets)


NOT_SHOWN = "the content is not shown, for it may be a secret; is this a settings file?"


def describe_error(error: configparser.Error) -> str:
    """Say what is wrong in which line, without quoting the file: it may be a token in the wrong place."""
    import configparser

    if isinstance(error, configparser.MissingSectionHeaderError):
        return f": line {error.lineno} comes before the first [section]"
    if isinstance(error, configparser.DuplicateSectionError):
        return f": line {error.lineno} begins a section for the second time"
    if isinstance(error, configparser.DuplicateOptionError):
        return f": line {error.lineno} sets a key for the second time"
    if isinstance(error, configparser.ParsingError) and error.errors:
        return f": line {error.errors[0][0]} is not a [section] or key = value"
    return " cannot be understood"


def describe_unknown_name(shown: str, name: str, known: Iterable[str]) -> str:
    """What is said of an unknown name: itself, if it is like a known one or at least like any name; else nothing of it.

    shown: as written in the file.
    """
    import difflib

    near = difflib.get_close_matches(name, list(known), n=1)
    if near:
        return f": {shown}; did you mean {near[0]}?"
    return f": {shown}" if re.fullmatch(r"[a-z]+([_ ][a-z]+){0,3}", name) and len(name) <= 24 else f" ({NOT_SHOWN})"
