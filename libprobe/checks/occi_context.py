"""Whether what a user hands over to a new VM by OCCI reaches it: what `boot.py` finds out, at an OCCI endpoint."""

from __future__ import annotations

from libprobe.checks.boot import MARKER_FILE, BootLifeCycle
from libprobe.checks.occi_vm import ComputeLifeCycle, Contextualisation
from libprobe.clients import ssh
from libprobe.formats.occi import profile

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from nagiosplugin import Metric

    from libprobe.checks.boot import SshLoginOptions
    from libprobe.checks.offer import OcciOffer
    from libprobe.deadline import Deadline
    from libprobe.formats.occi.query import Category, Model
    from libprobe.state.journal import Journal
    from libprobe.targets.access import OcciAccess


def marker_script(marker: str) -> bytes:
    """The user_data: a shell script, which cloud-init and CirrOS run alike.

    It leaves the marker where a user may read it; /var/tmp, because /tmp may be emptied while booting.
    """
    return f"#!/bin/sh\numask 022\necho {marker} > {MARKER_FILE}\n".encode()


class ContextLifeCycle(BootLifeCycle, ComputeLifeCycle):
    """The life of a VM at an OCCI endpoint that is seen to boot.

    Nothing is created when the offer has been found wanting: its own judgement says why.
    """

    kind = "context"

    def __init__(
        self, offer: OcciOffer, access: OcciAccess, journal: Journal, deadline: Deadline, login: SshLoginOptions
    ) -> None:
        self._offer = offer
        super().__init__(offer.endpoint, access, journal, deadline, Contextualisation())
        self.begin_login(login)

    def measure(self) -> Iterator[Metric]:
        if self._offer.is_usable:
            yield from super().measure()

    def read_model(self) -> Model:
        """Return the model that OcciOffer has read, and make the key pair while nothing has been created yet."""
        self._key = ssh.make_key_pair("egi-sam")
        self._contextualisation = Contextualisation(marker_script(self._marker), self._key.public)
        assert self._offer.model
        return self._offer.model

    def _add_facts(self, image: Category, size: Category) -> None:
        """Note the templates that were chosen here, which OcciOffer has not noted already."""
        chosen = (("image", image, self.endpoint.image), ("size", size, self.endpoint.resource))
        for what, template, registered in chosen:
            self.facts[what] = template.term
            if not registered:
                self.detail(1, f"{what}: {template.id} ({template.title})")

    def handed_over_by(self, name: str) -> str:
        """Return `, handed over by OCCI 1.2's ssh_key` where no mixin of OCCI 1.1 was used, which may be the reason.

        Else nothing. The whole name of the mixin is for -v.
        """
        names = (profile.USER_DATA, profile.PUBLIC_KEY)
        assert self._offer.model
        sent = profile.choose_context_mixins(self._offer.model, names)[name]
        if not sent or profile.VERSIONS[sent] == "OCCI 1.1":
            return ""
        self.detail(1, f"{name} was handed over by {sent}")
        return f", handed over by {profile.VERSIONS[sent]}'s {sent.rpartition('#')[2]}"
