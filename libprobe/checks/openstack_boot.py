"""Whether a VM of OpenStack's really boots, and gets its key and user_data: by its console, or by a login.

The user_data writes a word to the console, and another one if the key is in an authorized_keys file. Most VMs have a
private address only, which nobody but their own network reaches; the console is what every user can see. A login is
tried at public addresses, as for OCCI (`boot.py`).
The key is Nova's keypair of the VM's own name: it lives as long as the VM's entry in the journal, which notes it first.
"""

from __future__ import annotations

import base64
import ipaddress

from libprobe.checks.boot import MARKER_FILE, BootLifeCycle, Inconclusive, is_public, route_failure, usable_addresses
from libprobe.checks.openstack_vm import ServerLifeCycle
from libprobe.clients import ssh
from libprobe.clients.exchange import NoRoute
from libprobe.failures import EndpointFailure, Failure
from libprobe.text import duration, number_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from libprobe.checks.boot import SshLoginOptions
    from libprobe.checks.openstack_vm import ServerOptions
    from libprobe.clients.machines import VirtualMachine
    from libprobe.deadline import Deadline
    from libprobe.state.journal import Journal, JournalEntry
    from libprobe.targets.access import OpenStackAccess
    from libprobe.targets.topology import CloudEndpoint

KEY_PART_CHARS = 40
"""How many characters of a public key, at its end, are looked for: what precedes is the same in all of its kind."""

ALL_DONE = ("Cloud-init v.", "finished at ")
"""What cloud-init writes to the console when it has done all that it does."""


def console_script(marker: str, public_key: str) -> bytes:
    """The user_data: a shell script, which cloud-init and CirrOS run alike, once the key is in its place."""
    part = public_key.split()[1][-KEY_PART_CHARS:]
    files = "/home/*/.ssh/authorized_keys /root/.ssh/authorized_keys"
    return (
        f"#!/bin/sh\numask 022\necho {marker} > {MARKER_FILE}\necho {marker} > /dev/console\n"
        f"grep -qs '{part}' {files} && echo {marker}-key > /dev/console\n"
    ).encode()


class BootedServer(BootLifeCycle, ServerLifeCycle):
    """The life of a server that is seen to boot. Yields time_to_context (s) as well, and time_to_ssh by a login."""

    kind = "openstack-boot"
    login_label = "time_to_ssh"

    def __init__(
        self,
        endpoint: CloudEndpoint,
        access: OpenStackAccess,
        journal: Journal,
        deadline: Deadline,
        choice: ServerOptions,
        *,
        login: SshLoginOptions,
        seconds: float = 0.0,
    ) -> None:
        super().__init__(endpoint, access, journal, deadline, choice, seconds=seconds)
        self.begin_login(login)
        self._console = ""
        self._console_failure: Failure | None = None

    def prepare(self) -> None:
        super().prepare()
        self._key = ssh.make_key_pair("egi-sam")

    def hand_over(self, entry: JournalEntry) -> dict[str, Any]:
        entry.note_key(self._nova.user)
        self._nova.add_key(entry.title, self._key.public)
        data = console_script(self._marker, self._key.public)
        return {"key_name": entry.title, "user_data": base64.b64encode(data).decode()}

    def login_addresses(self, path: str, entity: VirtualMachine) -> list[str]:
        """Public ones only: at a private one of our own network somebody else may answer."""
        return [address for address in usable_addresses(entity.addresses) if is_public(ipaddress.ip_address(address))]

    def is_seen_inside(self, path: str) -> bool:
        """Whether the console shows both words."""
        try:
            self._console, self._console_failure = self._nova.console(path), None
        except EndpointFailure as failure:
            self._console_failure = failure
            return False
        if f"{self._marker}-key" not in self._console:
            return False
        self.facts["booted"] = "its console shows that its key and user_data reached it"
        return True

    def login_failure(self, failures: dict[str, Failure], waited: float) -> Failure:
        """What the console tells decides, where it tells anything."""
        tried = f"watched for {duration(waited)}"
        if self._marker in self._console:
            said = f"by its console user_data ran, and no authorized_keys file has the key, {tried}"
            return EndpointFailure("public_key did not reach the VM", of=self.asked, also=said)
        is_without_route = all(isinstance(failure, NoRoute) for failure in failures.values())
        if not is_without_route:
            return super().login_failure(failures, waited)
        if all(word in self._console for word in ALL_DONE):
            said = f"by its console cloud-init has finished and ran nothing of it, {tried}"
            return EndpointFailure("user_data did not reach the VM", of=self.asked, also=said)
        own = route_failure(failures)
        if own is not None:
            return own
        why, remedy = "empty console", "make its image write to console ttyS0"
        if self._console_failure:  # what the image writes is not known then
            why, remedy = f"no console ({self._console_failure.reason})", "see why Nova gives no console"
        elif self._console:
            why = f"{number_of(len(self._console.splitlines()), 'line')} on its console, none of user_data"
        where = "no public address to log in at"
        if failures:
            where = f"this monitor has no route to {' nor to '.join(failures)}"
        return Inconclusive(
            "VM active, but not seen to boot",
            of=self.asked,
            also=f"{why}, and {where}, {tried}",
            remedy=remedy,
            more=self._console_failure.details if self._console_failure else (),
        )
