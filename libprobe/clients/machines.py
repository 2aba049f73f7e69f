"""What the life of a VM needs of a cloud, whatever protocol that speaks; the clients of OCCI and of Nova have it."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import Protocol

from libprobe.deadline import Deadline


class VirtualMachine(Protocol):
    """A VM as it was seen. title, hostname: what it calls itself; state: `active`, or another word of the cloud's."""

    @property
    def title(self) -> str: ...

    @property
    def hostname(self) -> str: ...

    @property
    def state(self) -> str: ...

    @property
    def addresses(self) -> Sequence[str]: ...


class ComputeClient(Protocol):
    """The VMs of one user at one endpoint, each by a path that is the cloud's own.

    project, project_id, user, caveat: where the login has led, as in `keystone.ProjectToken`.
    deletion_request: by which name the site finds our last deletion in its logs, as lines for -v.
    """

    project: str
    project_id: str
    user: str
    caveat: str
    deletion_request: tuple[str, ...]

    def show(self, path: str) -> VirtualMachine | None:
        """The VM at a path, None if there is none. Raises: Failure."""

    def delete(self, path: str) -> bool:
        """Ask to delete one VM; True if it was there, False if it was gone already. Raises: Failure."""

    def find(self, title: str, *, gone: str = "", at_most: int = ...) -> str | None:
        """The path of a VM with exactly this title, None if there is none. Raises: Failure.

        gone: a path where nothing is to be seen; a VM that is listed there all the same is found as well.
        at_most: how many VMs that are listed without a title are asked for theirs.
        """

    def own_path(self, location: str) -> str:
        """The path of a VM from an address that the cloud gave. Raises: BadData for what can be no VM's."""

    def has_failed_deletion(self, machine: VirtualMachine) -> bool:
        """Whether a deletion that was accepted has failed, so that it has to be asked for again."""

    def using_deadline(self, deadline: Deadline) -> AbstractContextManager[None]:
        """Let that deadline hold for the exchanges in the block."""

    def reconnect(self) -> None:
        """Go on over new connections: an exchange was broken off within."""
