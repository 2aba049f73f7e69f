"""What an operator wants otherwise than it is generated: a file of theirs, read anew by every run.

    [all]
    repeat = 4h
    [metric eu.egi.cloud.OCCI-VM]
    notify = critical recovery
    [site EXAMPLE-CLOUD]
    contacts = cloud@example.org
    parents = router.example.org
    escalate = 3 manager@example.org
    [parent router.example.org]
    address = 192.0.2.1

Of several sections that a service belongs to, the later in this order counts, key by key: all, metric, ngi, site, host.
"""

from __future__ import annotations

import configparser
from typing import NamedTuple

from libprobe.failures import BadData, Misconfigured
from libprobe.files import read_small_file
from libprobe.formats.ncg import is_host, is_mail_address, object_name
from libprobe.judge.ranges import DURATION, quantity
from libprobe.probe.settings import describe_error, describe_unknown_name

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from libprobe.programs.ncg.inventory import Inventory

MAX_BYTES = 1 << 20
MAX_REPEAT_S = 366 * 86400.0
STATES = {"critical": "c", "unknown": "u", "warning": "w", "recovery": "r"}
"""The states that can be notified, and Nagios' letters for them."""

_ORDER = ("all", "metric", "ngi", "site", "host")
_KEYS = {
    "all": {"notify", "repeat", "escalate", "parents"},
    "metric": {"notify", "repeat", "escalate"},
    "ngi": {"notify", "repeat", "escalate", "parents", "contacts"},
    "site": {"notify", "repeat", "escalate", "parents", "contacts"},
    "host": {"notify", "repeat", "escalate", "parents"},
    "parent": {"address"},
}


class Escalation(NamedTuple):
    """From which notification on, whom to tell as well, and what that group of people is called."""

    first: int
    addresses: tuple[str, ...]
    group: str


class ServiceOverride(NamedTuple):
    """For a service, None for what is as it is generated.

    notify:   of STATES; empty: nobody is told
    repeat_s: how often people are told again, 0: never
    parents:  names of the hosts behind which it is
    """

    notify: tuple[str, ...] | None = None
    repeat_s: float | None = None
    escalation: Escalation | None = None
    parents: tuple[str, ...] = ()


class Overrides:
    """parents: address by name of each [parent ...]. escalations: all groups of people, by name."""

    def __init__(self, sections: Mapping[tuple[str, str], Mapping[str, object]] | None = None) -> None:
        self._sections = sections or {}
        self.parents = {name: str(values["address"]) for (kind, name), values in self._sections_of("parent")}
        found = (values.get("escalate") for _, values in self._sections.items())
        self.escalations = {each.group: each.addresses for each in found if isinstance(each, Escalation)}

    def _sections_of(self, kind: str) -> Iterator[tuple[tuple[str, str], Mapping[str, object]]]:
        return ((key, values) for key, values in self._sections.items() if key[0] == kind)

    def override_for(self, *, metric: str, ngi: str, site: str, host: str) -> ServiceOverride:
        """What is wanted for a service, or with an empty metric for a host."""
        names = {"all": "", "metric": metric, "ngi": ngi, "site": site, "host": host}
        values: dict[str, object] = {}
        for kind in _ORDER:
            values.update(self._sections.get((kind, names[kind]), {}))
        return ServiceOverride(
            values.get("notify"),  # type: ignore[arg-type]
            values.get("repeat"),  # type: ignore[arg-type]
            values.get("escalate"),  # type: ignore[arg-type]
            values.get("parents", ()),  # type: ignore[arg-type]
        )

    def contacts(self) -> Iterator[tuple[str, str, tuple[str, ...]]]:
        """("site" or "roc", name, addresses) of all that are given."""
        for (kind, name), values in self._sections.items():
            if addresses := values.get("contacts"):
                yield ("roc" if kind == "ngi" else "site"), name, tuple(addresses)  # type: ignore[arg-type]

    def sections_without_effect(self, inventory: Inventory) -> Iterator[str]:
        """A sentence for each section for which nothing is monitored."""
        there = {
            "metric": inventory.labels_in_use("metric"),
            "ngi": inventory.labels_in_use("roc"),
            "site": inventory.labels_in_use("site"),
        }
        for kind, name in self._sections:
            if kind in there and name not in there[kind]:
                yield f"overrides: nothing is monitored of [{kind} {name}]"


def read(path: str) -> Overrides:
    """Raises: Misconfigured, naming the file, the section and the key."""
    parser = configparser.ConfigParser(interpolation=None, default_section="")
    try:
        parser.read_string(read_small_file(path, "overrides", MAX_BYTES).decode("utf-8"), source=path)
        sections = {}
        for title in parser.sections():
            kind, _, name = title.partition(" ")
            if kind not in _KEYS or bool(name.strip()) is (kind == "all"):
                known = ", ".join(f"[{each} NAME]" for each in list(_KEYS)[1:])
                unknown = describe_unknown_name(f"[{title}]", kind, _KEYS)
                raise BadData(f"a section is not one of [all], {known}{unknown}")
            sections[kind, name.strip()] = {key: _value(title, kind, key, text) for key, text in parser[title].items()}
        _check(sections)
    except UnicodeDecodeError:
        raise Misconfigured(f"overrides {path} are not UTF-8") from None
    except configparser.Error as error:
        raise Misconfigured(f"overrides {path}{describe_error(error)}") from None
    except BadData as error:
        raise Misconfigured(f"overrides {path}: {error.sentence}") from None
    return Overrides(sections)


def _check(sections: Mapping[tuple[str, str], Mapping[str, object]]) -> None:
    """What one section alone does not tell. Raises: BadData."""
    repeats = sections.get(("all", ""), {}).get("repeat")
    for (kind, name), values in sections.items():
        title = f"{kind} {name}".strip()
        if kind == "parent" and not (is_host(name) and values.get("address")):
            raise BadData(f"[{title}] needs the name of a host, and an address")
        if missing := [each for each in values.get("parents", ()) if ("parent", each) not in sections]:  # type: ignore[attr-defined]
            raise BadData(f"[{title}]: there is no [parent {missing[0]}] with its address")
        if values.get("escalate") and not values.get("repeat", repeats):
            raise BadData(f"[{title}]: escalate counts notifications, so it needs a repeat here or in [all]")


def _value(title: str, kind: str, key: str, text: str) -> object:
    """Raises: BadData."""
    words = text.replace(",", " ").split()
    if key not in _KEYS[kind]:
        raise BadData(f"[{title}] has no {key}; known are {', '.join(sorted(_KEYS[kind]))}")
    good = bool(words)
    match key:
        case "notify":
            good = words == ["none"] or (good and set(words) <= set(STATES))
            value: object = tuple(each for each in STATES if each in words)
        case "repeat":
            value = 0.0 if text.strip() == "never" else _seconds(text.strip())
            good = value is not None
        case "escalate":
            first, addresses = (words or ["0"])[0], tuple(words[1:])
            good = first in map(str, range(2, 101)) and bool(addresses) and all(map(is_mail_address, addresses))
            value = Escalation(int(first), addresses, _group(title)) if good else None
        case "contacts":
            good = good and all(map(is_mail_address, words))
            value = tuple(words)
        case "parents":
            good = good and all(map(is_host, words))
            value = tuple(words)
        case _:
            good = len(words) == 1 and is_host(words[0])
            value = text.strip()
    if not good:
        raise BadData(f"[{title}]: {key} is {text[:80]!r}; {_FORMS[key]}")
    return value


_FORMS = {
    "notify": f"give some of {', '.join(STATES)}, or none",
    "repeat": "give a duration as 4h, or never",
    "escalate": "give from which notification on, 2 to 100, and e-mail addresses: 3 manager@example.org",
    "contacts": "give e-mail addresses of plain characters",
    "parents": "give names of hosts",
    "address": "give an IPv4 address or the name of a host",
}


def _group(title: str) -> str:
    return f"fedcloud-escalation-{object_name(title.strip())}"


def _seconds(text: str) -> float | None:
    try:
        seconds = quantity(text, DURATION)
    except ValueError:
        return None
    return seconds if 60 <= seconds <= MAX_REPEAT_S else None
