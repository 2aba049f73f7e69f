"""The removal of what runs have left in an OpenStack cloud: where each is today, and that it is ours, comes first.

A token goes to no address but those of the catalogue that it came with. So what was noted at an address that the
catalogue no longer has is looked for, by its title alone, in each region that there is.
"""

from __future__ import annotations

import time

from libprobe.checks.objects import remove_container
from libprobe.checks.removal import (
    KeypairHidden,
    KeypairLeft,
    Remover,
    is_owned,
    not_visible,
    owner_name,
    remove_keypair,
)
from libprobe.clients import nova, swift
from libprobe.clients.nova import Nova
from libprobe.clients.swift import Swift
from libprobe.failures import EndpointFailure, Failure
from libprobe.formats.address import host_port_of
from libprobe.state.journal import CONTAINER_SUFFIX

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from libprobe.deadline import Deadline
    from libprobe.state.journal import JournalEntry
    from libprobe.targets.access import OpenStackAccess


class CloudRemover:
    """Removes VMs and containers from a cloud that was logged in to, by the journal."""

    def __init__(self, access: OpenStackAccess) -> None:
        self._cloud = access.cloud
        self._project = access.cloud.scope.project
        self._identity = access.identity

    def remove(self, entry: JournalEntry, until: Deadline) -> bool:
        """Remove one; returns whether it was there. One that is not there is forgotten once it may be (`is_done`).

        Raises: Failure when it stays, or cannot be seen as whom we are; KeypairLeft when only the VM's keypair does.
        """
        is_container = entry.kind == CONTAINER_SUFFIX
        kind = swift.KIND if is_container else nova.KIND
        user = self._cloud.login.user
        owner = f"project {self._project}" if is_container else owner_name(self._identity, user, self._project)
        project_id = self._cloud.scope.project_id
        is_owner = (
            entry.identity == owner
            if is_container
            else is_owned(entry, self._identity, user, self._project, project_id)
        )
        regions = {each.region: each.url.rstrip("/") for each in self._cloud.scope.offered if each.kind == kind}
        noted = next((region for region, url in regions.items() if url == entry.endpoint), None)
        if entry.is_only_key:
            return self._lone_keypair(
                entry, list(regions) if noted is None else [noted], until, is_noted=noted is not None
            )
        remove = self._container if is_container else self._server
        if noted is not None and is_owner:
            return remove(entry, noted, until, is_owner=True)
        failure: EndpointFailure | None = None
        for region in regions:
            try:
                if remove(entry, region, until, is_owner=False):
                    return True
            except EndpointFailure as found:
                failure = found
        if failure:
            raise failure
        if noted is None:
            raise Failure(self._describe_absence(entry.thing, list(regions)))
        raise not_visible(entry, owner, project_id)

    def _describe_absence(self, thing: str, regions: Sequence[str]) -> str:
        keystone = self._cloud.keystone.base
        there = ", ".join(sorted(regions)) or "it has none"
        return (
            f"address no longer in the catalogue of Keystone {host_port_of(keystone) or keystone} for project "
            f"{self._project}, and no such {thing} in its regions: {there}"
        )

    def _server(self, entry: JournalEntry, region: str, until: Deadline, *, is_owner: bool) -> bool:
        service = self._cloud.service(nova.KIND, region)
        client = Nova(service)

        def forget(entry: JournalEntry) -> None:
            if entry.has_key:
                with client.using_deadline(until):
                    remove_keypair(client, entry, self._identity)
            entry.forget()

        remover = Remover(client, service.base, forget)
        if is_owner:
            return remover.remove(entry, until)
        return remover.remove_by_title(entry, until, noted_path=True)

    def _lone_keypair(self, entry: JournalEntry, regions: Sequence[str], until: Deadline, *, is_noted: bool) -> bool:
        """Remove the keypair of a VM that is gone since an earlier run. Returns whether one of the regions had it.

        is_noted: whether the only one is where it was made; elsewhere its absence says nothing.
        """
        left: KeypairLeft | None = None
        for region in regions:
            client = Nova(self._cloud.service(nova.KIND, region))
            try:
                with client.using_deadline(until):
                    was_there = remove_keypair(client, entry, self._identity)
            except KeypairLeft as failure:
                left = failure if left is None or isinstance(left, KeypairHidden) else left
                continue
            if was_there or is_noted:
                entry.forget()
                return was_there
        raise left or KeypairLeft(self._describe_absence("keypair", regions))

    def _container(self, entry: JournalEntry, region: str, until: Deadline, *, is_owner: bool) -> bool:
        store = Swift(self._cloud.service(swift.KIND, region))
        with store.using_deadline(until):
            was_there = remove_container(store, entry.title, until)
        if was_there:
            entry.forget()
        elif is_owner:
            entry.note_not_found()
            if entry.is_forgotten(time.time()):
                entry.forget()
        return was_there
