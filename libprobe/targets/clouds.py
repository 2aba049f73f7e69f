"""clouds.yaml, secure.yaml and clouds-public.yaml where openstacksdk looks for them.

Each is the first that there is: $OS_CLIENT_CONFIG_FILE (of secure.yaml $OS_CLIENT_SECURE_FILE), the working directory,
~/.config/openstack, /etc/xdg/openstack, /etc/openstack; with .yaml, .yml or .json. No other OS_ variable means
anything, as openstacksdk has it for a cloud that is named.
A file that cannot be read, or is another user's, is told instead of passed over for the next one; so is one that has a
secret and is open to others.
"""

from __future__ import annotations

import os
import stat

from libprobe import redact
from libprobe.failures import BadData, Misconfigured, OwnCredential
from libprobe.formats import clouds, plain_yaml
from libprobe.formats.clouds import CloudEntry
from libprobe.records import Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

MAX_BYTES = 256 << 10
SUFFIXES = ("yaml", "yml", "json")
CLOUDS, SECURE, PROFILES = "clouds", "secure", "clouds-public"
VARIABLES = {CLOUDS: "OS_CLIENT_CONFIG_FILE", SECURE: "OS_CLIENT_SECURE_FILE"}


class _File(Record):
    path: str
    document: Any
    mode: int


def find_cloud(name: str) -> tuple[CloudEntry, str]:
    """The cloud of a name, and the file that has it; its secret is registered.

    Raises: Misconfigured; OwnCredential for a file that is open to others, or not ours.
    """
    found = _first(CLOUDS)
    if found is None:
        raise Misconfigured(
            f"no clouds.yaml found for cloud {name}",
            remedy=f"put it into ~/.config/openstack or /etc/openstack, or name it in ${VARIABLES[CLOUDS]}",
        )
    secure = _first(SECURE)
    try:
        entry = clouds.read_cloud(_over(found, secure), name, _profiles())
    except BadData as error:
        raise _misconfigured(error, found.path) from None
    redact.register(entry.secret)
    for each in (found, secure):
        if each and each.mode & 0o077 and _has_secret(each.document, name, entry):
            raise OwnCredential(
                f"{clouds.SECRETS[entry.kind]} of cloud {name} open to others (mode {each.mode:04o})",
                place=each.path,
                link="in",
                remedy="set its mode to 600, or move the secret to secure.yaml beside it",
            )
    return entry, found.path


def _misconfigured(error: BadData, path: str, link: str = "in") -> Misconfigured:
    """A reader's failure as one of the file."""
    failure = error.retold(Misconfigured)
    failure.place, failure.link = (f"{error.place} of {path}", "in") if error.place else (path, link)
    return failure


def _over(found: _File, secure: _File | None) -> Any:
    if secure is None:
        return found.document
    try:
        return clouds.merged(found.document, secure.document)
    except BadData as error:
        raise _misconfigured(error, secure.path) from None


def _profiles() -> Any:
    found = _first(PROFILES)
    return found.document if found else None


def _has_secret(document: Any, name: str, entry: CloudEntry) -> bool:
    """Whether one of the files has the secret; they have been read already."""
    try:
        own = document["clouds"][name]
    except (KeyError, TypeError):
        return False
    auth = own.get("auth") if isinstance(own, dict) else None
    values = [*own.values(), *(auth.values() if isinstance(auth, dict) else ())] if isinstance(own, dict) else []
    return any(str(value) == entry.secret for value in values)


def _first(kind: str) -> _File | None:
    named = os.environ.get(VARIABLES.get(kind, ""), "")
    if named:
        return _read(named, kind)
    for directory in _directories():
        for suffix in SUFFIXES:
            path = os.path.join(directory, f"{kind}.{suffix}")
            if os.path.exists(path):
                return _read(path, kind)
    return None


def _directories() -> list[str]:
    home = os.path.expanduser("~/.config")
    shared = os.environ.get("XDG_CONFIG_DIRS") or "/etc/xdg"
    return [
        os.getcwd(),
        os.path.join(os.environ.get("XDG_CONFIG_HOME") or home, "openstack"),
        os.path.join(home, "openstack"),
        os.path.join(shared, "openstack"),
        "/etc/openstack",
    ]


def _read(path: str, kind: str) -> _File:
    try:
        # a pipe that nobody writes to would hold us for ever
        with open(os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK), "rb") as file:
            status = os.fstat(file.fileno())
            if not stat.S_ISREG(status.st_mode):
                raise Misconfigured(f"{kind}.yaml {path} is not a regular file")
            if status.st_uid not in (os.geteuid(), 0):
                raise OwnCredential(f"{kind}.yaml {path} belongs to another user (uid {status.st_uid})")
            data = file.read(MAX_BYTES + 1)
    except OSError as error:
        redact.register_if_secret(path, is_path=True)
        raise Misconfigured(f"{kind}.yaml {path} cannot be read: {error.strerror}") from None
    if len(data) > MAX_BYTES:
        raise Misconfigured(f"{kind}.yaml {path} is larger than {MAX_BYTES} bytes")
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError:
        raise Misconfigured(f"{kind}.yaml {path} is not UTF-8") from None
    return _File(path, _parsed(path, text), stat.S_IMODE(status.st_mode))


def _parsed(path: str, text: str) -> Any:
    if path.endswith("json"):
        import json

        try:
            return json.loads(text, object_pairs_hook=_once)
        except BadData as error:
            raise _misconfigured(error, path) from None
        except (ValueError, RecursionError):
            raise Misconfigured(f"{path} is not JSON") from None
    try:
        return plain_yaml.read(text)
    except BadData as error:
        raise _misconfigured(error, path, "of") from None


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise BadData("a key that stands twice in one object")
    return found
