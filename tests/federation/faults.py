"""What an endpoint of the federation can be told to do wrong, and the switches for it.

An endpoint owns one `Faults`. The wire faults are carried out by `web.py`, the OCCI faults by `occi/`; both
ask `take()` when the moment for a fault has come. Asking costs one lookup while nothing is switched on.
"""

from __future__ import annotations

import difflib
import threading
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

FILTERS = ("method", "path", "times")
GIB = 1024**3


@dataclass(frozen=True)
class Fault:
    """One entry of the catalogue.

    parameters: name -> default; a default of None means that the parameter has to be given.
    before_request: it strikes when no request has been read yet, so method and path cannot select it.
    """

    sentence: str
    parameters: Mapping[str, Any] = field(default_factory=dict)
    before_request: bool = False

    @property
    def description(self) -> str:
        if not self.parameters:
            return self.sentence
        shown = (name if default is None else f"{name}={default!r}" for name, default in self.parameters.items())
        return f"{self.sentence} Parameters: {', '.join(shown)}."


WIRE: dict[str, Fault] = {
    "mute-accept": Fault("Accept the connection and never speak, not even the TLS handshake.", before_request=True),
    "close-accept": Fault("Close the connection as soon as it is accepted.", before_request=True),
    "drip-handshake": Fault(
        "Send the TLS handshake byte by byte, `interval` seconds apart; without TLS nothing changes.",
        {"interval": 1.0},
        before_request=True,
    ),
    "certificate-by-path": Fault(
        "Ask for a client certificate, and insist on one, when a request for `path` comes, and not in the handshake:"
        " with TLS 1.3 alone, to be switched on before the connection is made."
    ),
    "mute": Fault("Read the request and never answer it; it is not handled."),
    "close-request": Fault("Close the connection after the request was read; it is not handled."),
    "reset": Fault("Reset the connection (TCP RST) after the request was read; it is not handled."),
    "garbage": Fault("Answer with bytes that are no HTTP; the request is not handled."),
    "slow": Fault("Wait `seconds` before the request is handled.", {"seconds": 1.0}),
    "held": Fault("Wait until this is switched off before the request is handled, whether its client is there or not."),
    "status": Fault(
        "Answer with the status `code` instead of handling the request.",
        {"code": 503, "body": "", "headers": {}},
    ),
    "redirect": Fault("Redirect to `to` instead of handling the request.", {"to": None, "code": 302}),
    "html": Fault("Answer 200 with the HTML of a login page instead of handling the request."),
    "gzip-bomb": Fault("Answer 200 with a small gzip body that expands to `size_bytes` zeros.", {"size_bytes": GIB}),
    "endless-headers": Fault(
        "Answer with header lines until the client closes or `limit_bytes` are sent.",
        {"limit_bytes": 4 * GIB},
    ),
    "endless-body": Fault(
        "Answer 200 with a body that goes on until the client closes or `limit_bytes` are sent.",
        {"limit_bytes": 4 * GIB},
    ),
    "lost-answer": Fault("Handle the request and close the connection without an answer."),
    "corrupt-record": Fault("Handle the request and answer with a TLS record that cannot be decrypted, then close."),
    "tls-alert": Fault("Handle the request and answer with a fatal alert that is not encrypted, then close."),
    "interim": Fault(
        "Handle the request and send `heads` interim answers (102, 103) of the status `code` before the answer.",
        {"code": 103, "heads": 1},
    ),
    "late-answer": Fault("Handle the request at once and answer `seconds` later.", {"seconds": 1.0}),
    "drip-headers": Fault(
        "Handle the request and send the answer's head byte by byte, `interval` seconds apart.",
        {"interval": 1.0},
    ),
    "drip-body": Fault(
        "Handle the request and send the answer's body byte by byte, `interval` seconds apart.",
        {"interval": 1.0},
    ),
    "close-headers": Fault("Handle the request and close in the middle of the answer's head."),
    "close-body": Fault("Handle the request, promise the whole body and close after half of it."),
    "wrong-type": Fault(
        "Handle the request and answer with the Content-Type `type`.", {"type": "application/octet-stream"}
    ),
    "date-skew": Fault("Handle the request; the Date header is off by `seconds`.", {"seconds": 3600.0}),
}

OCCI: dict[str, Fault] = {
    "build-seconds": Fault("A VM created now takes `seconds` to become active.", {"seconds": 1.0}),
    "build-endless": Fault("A VM created now is built for ever."),
    "active-when-asked": Fault("A VM that is built for ever becomes active just before an action is carried out."),
    "start-broken": Fault("The action start is refused with `code`, or with 0 accepted without effect.", {"code": 409}),
    "build-error": Fault(
        "A VM created now fails to build, shown as the dialect shows it; `message` where it can carry one.",
        {"message": "No valid host was found. There are not enough hosts available."},
    ),
    "create-twice": Fault("A request makes two VMs alike; its answer has the second."),
    "create-refused": Fault("A VM is made and its creation answered with the refusal `code`.", {"code": 409}),
    "delete-listed": Fault("A deleted VM is not to be seen by its path any more, and is in every listing still."),
    "quota": Fault("Creating a VM is refused because a quota is used up, in the dialect's own words."),
    "delete-refused": Fault(
        "Deleting a VM is refused: 304 in rOCCI 1.1, 500 on pyssf, else `code`; the VM stays.", {"code": 409}
    ),
    "delete-ignored": Fault("Deleting a VM is answered with success, and the VM stays."),
    "delete-seconds": Fault("A deleted VM stays visible, in its old state, for `seconds`.", {"seconds": 1.0}),
    "wrong-authority": Fault(
        "Every URL in an answer carries the authority of `to`.", {"to": "http://internal.invalid:9999"}
    ),
    "relative-location": Fault("Every URL in an answer is a path without scheme and authority."),
    "client-id": Fault(
        "A VM created now shows the occi.core.id that its client gave, and lies elsewhere, as pyssf alone has it."
    ),
    "no-location": Fault("Creating a VM is answered with success that does not say where the VM is."),
    "template-gone": Fault(
        "The template, or any other mixin, with this `term` or identifier is not offered any more.", {"term": None}
    ),
    "no-storage": Fault(
        "The cloud has no volume service: its collection is answered with 500, as by ooi without cinder."
    ),
    "storage-offline": Fault("A storage created now is offline for ever, or in `state`.", {"state": "offline"}),
    "storage-making": Fault("A link is refused, as a volume that Cinder is still making cannot be attached."),
    "link-inactive": Fault("A link to a storage made now is inactive for ever."),
    "vm-address": Fault("A VM that becomes active has `address`; an empty one is told as such.", {"address": ""}),
    "headers-only": Fault("Everything but the query interface is rendered in text/occi only."),
    "hide-list": Fault("The collections of resources list nothing."),
    "list-broken": Fault("The collections of resources are answered with 500, after `seconds`.", {"seconds": 0.0}),
    "clock-skew": Fault("The cloud's clock is off: its Date header differs by `seconds`.", {"seconds": 3600.0}),
}

_FAULTS = {**WIRE, **OCCI}

CATALOGUE: dict[str, str] = {name: fault.description for name, fault in _FAULTS.items()}


def register(own: Mapping[str, Fault]) -> None:
    """Add the faults of another service to the catalogue. Raises: ValueError for a name that is taken."""
    for name, fault in own.items():
        if _FAULTS.setdefault(name, fault) is not fault:
            raise ValueError(f"two faults are called {name}")
        CATALOGUE[name] = fault.description


def _converted(fault: str, parameter: str, value: Any, default: Any) -> Any:
    """Return VALUE in the type of its default: a command line and a JSON document know fewer types."""
    try:
        if isinstance(default, float):
            return float(value)
        if isinstance(default, int):
            return int(value)
        if isinstance(default, dict):
            return dict(value)
    except (TypeError, ValueError) as error:
        raise ValueError(f"{fault}: {parameter}={value!r} does not fit: {error}") from None
    return value


class Faults:
    """The faults switched on at one endpoint; safe to use from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._active: dict[str, dict[str, Any]] = {}
        self._switched_off: Counter[str] = Counter()

    def on(self, name: str, **parameters: Any) -> None:
        """Switch a fault on; switching it on again replaces its parameters.

        parameters: the fault's own (see CATALOGUE) and the filters every fault takes: method (`POST`), path
        (a part of the request's path), times (it switches itself off after this number of uses).
        Raises: ValueError for an unknown fault or parameter, or one that is missing.
        """
        fault = _known(name)
        given = {key: value for key, value in parameters.items() if value is not None}
        unknown = sorted(set(given) - set(fault.parameters) - set(FILTERS))
        if unknown:
            allowed = ", ".join((*fault.parameters, *FILTERS))
            raise ValueError(f"{name} has no parameter {', '.join(unknown)}; it has {allowed}")
        missing = [key for key, default in fault.parameters.items() if default is None and key not in given]
        if missing:
            raise ValueError(f"{name} needs {', '.join(missing)}")
        if fault.before_request and {"method", "path"} & set(given):
            raise ValueError(f"{name} strikes before a request is read: method and path cannot select it")
        settled = dict(fault.parameters)
        for key, value in given.items():
            settled[key] = _converted(name, key, value, 1 if key == "times" else settled.get(key))
        if settled.get("times", 1) < 1:
            raise ValueError(f"{name}: times has to be at least 1")
        with self._lock:
            self._active[name] = settled

    def off(self, name: str) -> None:
        """Switch a fault off, whether it is on or not. Raises: ValueError for an unknown one."""
        _known(name)
        with self._lock:
            self._active.pop(name, None)
            self._switched_off[name] += 1

    def switched_off(self, name: str) -> int:
        """How often it was switched off, on or not; that a fault used up its times does not count."""
        with self._lock:
            return self._switched_off[name]

    def clear(self) -> None:
        with self._lock:
            self._active.clear()
            self._switched_off.update(list(_FAULTS))

    def active(self) -> dict[str, dict[str, Any]]:
        """Return name -> parameters, `times` being the uses that are left."""
        with self._lock:
            return {name: dict(parameters) for name, parameters in self._active.items()}

    def get(self, name: str) -> dict[str, Any] | None:
        """Return the parameters of a fault that is on, without using it up."""
        _known(name)
        with self._lock:
            parameters = self._active.get(name)
            return dict(parameters) if parameters is not None else None

    def take(self, name: str, method: str = "", path: str = "") -> dict[str, Any] | None:
        """Return the parameters if the fault is on and meant for this request, and count one use."""
        if not self._active:
            return None
        with self._lock:
            parameters = self._active.get(name)
            if parameters is None:
                return None
            if "method" in parameters and parameters["method"].upper() != method.upper():
                return None
            if parameters.get("path", "") not in path:
                return None
            if "times" in parameters:
                parameters["times"] -= 1
                if parameters["times"] <= 0:
                    del self._active[name]
            return dict(parameters)


def _known(name: str) -> Fault:
    fault = _FAULTS.get(name)
    if fault is None:
        near = difflib.get_close_matches(name, _FAULTS, n=3, cutoff=0.4)
        hint = f"did you mean {', '.join(near)}?" if near else f"there are {', '.join(_FAULTS)}"
        raise ValueError(f"no fault is called {name!r}; {hint}")
    return fault
