"""Whether what a user hands over to a new VM reaches it: log in with the key, find what user_data left; any cloud."""

from __future__ import annotations

import ipaddress
import os
import time

from nagiosplugin import Metric

from libprobe.checks.compute import LifeCycle
from libprobe.clients import ssh
from libprobe.clients.exchange import NoRoute
from libprobe.failures import WARNING, EndpointFailure, Failure, Misconfigured, NoAnswer, Unreachable
from libprobe.formats.address import host_and_port
from libprobe.records import Record
from libprobe.text import duration

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from libprobe.clients.machines import VirtualMachine
    from libprobe.deadline import Deadline

MARKER_FILE = "/var/tmp/egi-sam-context"

ATTEMPT_S = 20.0
"""How long one attempt to log in may take; a VM that is still booting can be slow, or mute."""

ADDRESS_PATIENCE_S = 30.0
"""How long an active VM may be without an address that is told."""

LOGIN_SHARE = 1 / 3
"""Part of the working time that must be left when the VM is active, for its silence to count against it."""

SLACK_S = 0.5
FIRST_PAUSE_S, LONGEST_PAUSE_S, PAUSE_SHARE = 0.5, 10.0, 0.1
MAX_ADDRESSES = 4


class SshLoginOptions(Record):
    """How to log in to the VM. patience_s: for how long that is tried, None: as long as the run allows.

    is_user_given: whether it was the operator who named the user.
    """

    user: str
    port: int
    patience_s: float | None = None
    is_user_given: bool = False


class Inconclusive(Failure):
    """Neither seen to work nor the site's fault: no address that we can be expected to reach, or no time."""

    status = WARNING


class BootLifeCycle(LifeCycle):
    """The life of a VM that gets a fresh key and user_data, and is logged in to while it is active.

    Yields beside what the life of any VM does: time_to_context, and the time of `login_label` (s, since the VM was
    asked for). A subclass calls `begin_login` once its deadlines are known, makes `_key` before the VM is asked for,
    and hands key and user_data over.
    """

    needs_active_vm = True
    login_label = "time_to_login"
    _key: ssh.KeyPair

    def begin_login(self, login: SshLoginOptions) -> None:
        self._login_options = login
        self._marker = os.urandom(16).hex()
        self._login_address, self._logged_in_at = "", 0.0
        self._marker_state = ""
        # ends before the timer behind the working time strikes, which knows no reason
        left = self.deadline.remaining() - self._work_deadline.remaining()
        self._login_deadline = self.deadline.earlier_by(left + SLACK_S)
        self._login_s = self._login_deadline.remaining()

    def handed_over_by(self, name: str) -> str:
        """How user_data or public_key was handed over, as the end of a sentence, where that may be the reason."""
        return ""

    def is_seen_inside(self, path: str) -> bool:
        """Whether it is to be seen without a login that both have reached the VM. Raises: Failure."""
        return False

    def examine(self, path: str, entity: VirtualMachine) -> Iterator[Metric]:
        """Log in as soon as that is possible, then look for the marker; both may take while the VM boots."""
        yield from super().examine(path, entity)
        left = self._login_deadline.remaining()
        patience = self._login_options.patience_s
        if patience is not None and patience < left:
            self._login_deadline = self.deadline.earlier_by(self.deadline.remaining() - patience)
        try:
            yield from self._keep_trying_to_log_in(path, self.login_addresses(path, entity))
        except EndpointFailure as failure:
            if left >= (self._login_s * LOGIN_SHARE if patience is None else patience):
                raise
            unproven = failure.retold(Inconclusive, remedy="raise -t to wait longer")
            unproven.add(f"VM active so late that {duration(left)} were left for this")
            raise unproven from None

    def _keep_trying_to_log_in(self, path: str, addresses: list[str]) -> Iterator[Metric]:
        """Until that has worked, or is to be seen without it. Raises: EndpointFailure, Inconclusive, NoRoute."""
        began = time.monotonic()
        failures: dict[str, Failure] = {}
        while True:
            if self.is_seen_inside(path):
                yield self._elapsed_metric("time_to_context")
                return
            for address in [self._login_address] if self._login_address else addresses:
                try:
                    yield from self._log_in_and_wait(address)
                    self.facts["booted"] = "it accepted its key and had run its user_data"
                    return
                except (EndpointFailure, NoRoute) as failure:  # without IPv6 here, another address may be reached
                    is_cut_short = isinstance(failure, NoAnswer) and self._login_deadline.has_passed()
                    if not is_cut_short or address not in failures:
                        failures[address] = failure
                if self._login_address:
                    break
            passed = time.monotonic() - began
            pause = _poll_interval(passed)
            if self._login_deadline.remaining() <= pause:
                break
            self._login_deadline.sleep(pause)
        if self._login_address:
            raise self._marker_failure(failures[self._login_address], passed)
        raise self.login_failure(failures, passed)

    def _log_in_and_wait(self, address: str) -> Iterator[Metric]:
        """Log in and wait for the marker. Raises: EndpointFailure; NoRoute where this monitor has none to there."""
        port = self._login_options.port
        with ssh.login(
            address, port, self._login_options.user, self._key, self._attempt_deadline(), self._login_deadline
        ) as session:
            if not self._login_address:
                self._login_address, self._logged_in_at = address, time.monotonic()
                self.detail(1, f"SSH: {host_and_port(address, port)}, {session.software}")
                yield self._elapsed_metric(self.login_label)
            self._await_marker(session)
        yield self._elapsed_metric("time_to_context")

    def _elapsed_metric(self, label: str) -> Metric:
        seconds = time.monotonic() - self._asked_at
        self.facts[label] = duration(seconds)
        return Metric(label, seconds, "s", min=0, context="time")

    def _attempt_deadline(self) -> Deadline:
        """The deadline of one attempt to log in."""
        left = self.deadline.remaining()
        return self.deadline.earlier_by(max(left - ATTEMPT_S, left - self._login_deadline.remaining()))

    def login_addresses(self, path: str, entity: VirtualMachine) -> list[str]:
        """The addresses to try, those that the whole world can reach first; waits for one to be told.

        Raises: EndpointFailure when none is.
        """
        began = time.monotonic()
        found = usable_addresses(entity.addresses)
        while not found:
            passed = time.monotonic() - began
            if passed > ADDRESS_PATIENCE_S or self._login_deadline.remaining() <= 1.0:
                told = ", ".join(entity.addresses[:3])
                reason = f"VM active without a usable address ({told})" if told else "VM active without an address"
                raise EndpointFailure(reason, of=self.asked)
            self._login_deadline.sleep(1.0)
            seen, _ = self._poll(path)
            entity = seen or entity
            found = usable_addresses(entity.addresses)
        return found

    def _await_marker(self, session: ssh.SshSession) -> None:
        """Raises: EndpointFailure when the session or the time ends."""
        while True:
            try:
                content = session.read(MARKER_FILE, 4096)
            except NoAnswer:
                if not self._marker_state:
                    raise
                raise _MarkerMissing(self._marker_state) from None  # cut short by our own deadline
            if self._marker.encode() in content:
                return
            passed = time.monotonic() - self._logged_in_at
            what = "holds something else" if content else "is not there"
            self._marker_state = f"{MARKER_FILE} {what} {duration(passed)} after the login"
            pause = _poll_interval(passed)
            if self._login_deadline.remaining() <= pause:
                raise _MarkerMissing(self._marker_state)
            self._login_deadline.sleep(pause)

    def _marker_failure(self, failure: Failure, waited: float) -> Failure:
        """Return the failure of a VM that accepted the login and does not show the marker. waited: seconds.

        A route that this monitor has lost since the login is its own failure.
        """
        if isinstance(failure, NoRoute):
            return failure
        if isinstance(failure, _MarkerMissing):
            said = f"{failure.sentence}{self.handed_over_by('user_data')}"
            return EndpointFailure("user_data did not reach the VM", of=self.asked, also=said)
        said = f"{failure.sentence}, tried for {duration(waited)}"
        return EndpointFailure("user_data could not be seen in the VM", of=self.asked, also=said)

    def login_failure(self, failures: dict[str, Failure], waited: float) -> Failure:
        """Return the failure of a VM that no address gave a login to, the site's or not.

        failures: by address; waited: seconds.
        """
        blamed = {each: failure for each, failure in failures.items() if _is_sites_fault(each, failure)}
        own = route_failure(failures)
        if own is not None and not blamed:
            return own
        tried = f"tried for {duration(waited)}"
        for failure in blamed.values():
            if isinstance(failure, ssh.KeyRefused):
                user = self._login_options.user
                said = f"{failure.sentence}, {tried}"
                if self._login_options.is_user_given:
                    return Misconfigured(
                        f"user {user} of --ssh-user refused by the VM",
                        of=self.asked,
                        also=said,
                        remedy="name a user that its image has",
                    )
                return EndpointFailure(
                    "public_key did not reach the VM",
                    of=self.asked,
                    also=f"{said}{self.handed_over_by('public_key')}",
                    remedy="name another user with --ssh-user",
                )
        reasons = "; ".join(failure.sentence for failure in (blamed or failures).values())
        if blamed:
            return EndpointFailure("no login to the active VM", of=self.asked, also=f"{reasons}, {tried}")
        return Inconclusive(
            "contextualisation not seen: VM without a public address that we reach",
            of=self.asked,
            also=f"{reasons}, {tried}",
        )


class _MarkerMissing(EndpointFailure):
    """The VM accepted the login, and the file that user_data should have written is not there."""


def _poll_interval(passed: float) -> float:
    """Return the seconds to wait before the next look: few at first, then a tenth of those that have passed."""
    return min(LONGEST_PAUSE_S, max(FIRST_PAUSE_S, passed * PAUSE_SHARE))


def usable_addresses(told: Sequence[str]) -> list[str]:
    """Return the texts that are IP addresses of a host, public ones first, at most MAX_ADDRESSES of them."""
    found = []
    for text in told[:64]:
        try:
            address = ipaddress.ip_address(text.partition("/")[0].strip("[]"))
        except ValueError:
            continue
        is_nobodys = address.is_multicast or address.is_unspecified or address.is_reserved
        if address.is_loopback or not is_nobodys:
            found.append(address)
    found.sort(key=lambda address: not is_public(address))
    return list(dict.fromkeys(str(address) for address in found))[:MAX_ADDRESSES]


def is_public(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> bool:
    """Whether everybody can reach the address.

    Loopback counts: a site must not publish it, unless it is this machine's own cloud.
    """
    return address.is_global or address.is_loopback


def route_failure(failures: dict[str, Failure]) -> NoRoute | None:
    """This monitor's own failure where it has no route to a public IPv4 address; None if it lacks IPv6 at most.

    failures: by address. What a VM with such an address does is not known then, so nothing is its site's fault.
    """
    for address, failure in failures.items():
        found = ipaddress.ip_address(address)
        if isinstance(failure, NoRoute) and found.version == 4 and is_public(found):
            return failure
    return None


def _is_sites_fault(text: str, failure: Failure) -> bool:
    """Whether the VM should have been reached at this address.

    At a private address, which may be somebody else's in our own network, even a refused key proves
    nothing; and no route to an IPv6 address can mean that this monitor has no IPv6, as its own kernel may say.
    """
    if isinstance(failure, NoRoute):
        return False
    address = ipaddress.ip_address(text)
    return is_public(address) and not (address.version == 6 and isinstance(failure, Unreachable))
