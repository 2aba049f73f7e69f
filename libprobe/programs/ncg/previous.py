"""What the old configuration monitors: compared with a new one, and kept where its format is not written."""

from __future__ import annotations

import os

from libprobe.failures import Misconfigured
from libprobe.formats.excerpt import excerpt
from libprobe.programs.ncg import configured_services, index
from libprobe.programs.ncg.configuration import FORMATS
from libprobe.text import number_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from libprobe.programs.ncg.inventory import Inventory, InventoryDifference
    from libprobe.programs.ncg.output_directory import OutputDirectory

MAX_LISTED = 200
MAX_NAMED = 20


class PreviousConfiguration:
    """The configuration that is there, beside what a run is to write.

    formats: those that are written
    others:  those that are there and are not
    """

    def __init__(self, place: OutputDirectory, inventory: Inventory, formats: Sequence[str]) -> None:
        self._place = place
        self._inventory = inventory
        self._formats = formats
        self.others = [kind for kind in FORMATS if kind not in formats and self._was_written(kind)]
        self.difference = self._compare()

    def _was_written(self, kind: str) -> bool:
        return os.path.isdir(os.path.join(self._place.path, kind))

    def _entries(self, kind: str) -> Iterator[index.MonitoredEntry]:
        own = index.list_name(kind)
        has_own = os.path.exists(os.path.join(self._place.path, own))
        return index.read(self._place.path, own if has_own else index.NAME)

    def _compare(self) -> InventoryDifference:
        kinds = [kind for kind in self._formats if self._was_written(kind)]
        return self._inventory.compare((entry for kind in kinds for entry in self._monitored(kind)), MAX_LISTED)

    def _monitored(self, kind: str) -> Iterator[index.MonitoredEntry]:
        """By the list, unless that is damaged or lost, or does not have all that is in the files. Raises: OSError."""
        in_files = sum(1 for _ in configured_services.read(self._place.path, kind))
        try:
            if sum(1 for _ in self._entries(kind)) >= in_files:
                yield from self._entries(kind)
                return
        except Misconfigured:
            pass
        yield from configured_services.read(self._place.path, kind)

    def refusal(self, services: int, limit: float) -> str:
        """Why so few services are not believed, empty if they are. limit: how many percent may go.

        Of all services, of the sites, and of the services of each type that several sites had: a type that one site
        alone has goes with what that site does.
        """
        found = self.difference
        if _is_beyond(found.before, services, limit):
            few = f"{number_of(services, 'service')} instead of {found.before}"
        elif _is_beyond(found.sites_before, left := found.sites_before - len(found.sites_gone), limit):
            gone = listed(found.sites_gone)
            few = f"services of {number_of(left, 'site')} instead of {found.sites_before}, without {gone}"
        else:
            shrunken = (
                f"{number_of(now, 'service')} of type {service_type} instead of {before}"
                for service_type, before, now, sites in found.kinds
                if sites > 1 and _is_beyond(before, now, limit)
            )
            few = next(shrunken, "")
        return few and (
            f"{few}, and no more than {limit:g}% of them may go in one run (look whether the GOCDB's answer is whole; "
            "if all is right, give --shrink-limit 100 this once)"
        )

    def keep_others(self) -> None:
        """Take over the other formats as they are, with lists of what they monitor. Raises: OSError; Misconfigured."""
        for kind in self.others:
            self._place.keep_directory(kind)
            try:
                index.write(self._place.staging, self._entries(kind), index.list_name(kind))
                self._inventory.add_entries_of_others(self._entries(kind))
            except Misconfigured as error:
                raise Misconfigured(
                    error.sentence, remedy=f"give --format {kind} too, so that it is written anew"
                ) from None

    def summary(self) -> list[str]:
        """Lines where services come or go; those of a first run are no news."""
        found = self.difference
        if not found.before or not (found.removed_count or found.added_count):
            return []
        lines = [f"  {number_of(found.added_count, 'service')} more, {found.removed_count} fewer than before"]
        if found.sites_gone:
            lines.append(f"  no service any more: {listed(found.sites_gone)}")
        return lines

    def list_changes(self) -> list[str]:
        """A line for each service that goes or comes, of a bounded number of each."""
        found = self.difference
        lines: list[str] = []
        for word, count, names in (
            ("goes", found.removed_count, found.removed),
            ("comes", found.added_count, found.added),
        ):
            lines += [f"  {word}: {host} {service} ({site})" for host, service, site in names]
            if count > len(names):
                lines.append(f"  {word}: ... and {count - len(names)} more")
        return lines


def _is_beyond(before: int, now: int, limit: float) -> bool:
    return before - now > before * limit / 100


def listed(names: Sequence[str]) -> str:
    """Names of sites for a sentence, of a bounded number."""
    more = len(names) - MAX_NAMED
    return ", ".join(excerpt(name, 60) for name in names[:MAX_NAMED]) + (f" and {more} more" if more > 0 else "")


def listed_files(place: OutputDirectory) -> list[str]:
    """A line for each file that differs, of a bounded number. Raises: OSError."""
    found = place.differences()
    more = [f"  ... and {number_of(len(found) - MAX_LISTED, 'more file')}"] if len(found) > MAX_LISTED else []
    return [f"  {each}" for each in found[:MAX_LISTED]] + more
