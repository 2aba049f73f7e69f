"""The statuses of a timeline, and the operations that make one of several.

An operation is a table of pairs, as in ARGO's operations profile. It is refused where the result would depend on the
order in which statuses are joined, so that any number of them can be looked up at once: by the set of those present.
"""

from __future__ import annotations

from itertools import combinations_with_replacement, product

from libprobe.failures import Misconfigured
from libprobe.text import safe

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

STATUSES = ("OK", "WARNING", "UNKNOWN", "MISSING", "CRITICAL", "DOWNTIME")
OK, WARNING, UNKNOWN, MISSING, CRITICAL, DOWNTIME = range(6)
NONE = 7
"""In the place of a status where there is none: before the first of a line, or of one of several that is not there."""
MAX_COUNTS = 10_000
NUMBERS = {name: number for number, name in enumerate(STATUSES)}


class Operation:
    """How statuses are joined.

    joint_of_set: the joint status by the set of those present, a bit for each status; MISSING of an empty set.
    """

    def __init__(self, name: str, pairs: Mapping[tuple[int, int], int]) -> None:
        """pairs: the joint status of each two; one order of the two is enough. Raises: Misconfigured."""
        self.name = name
        both = {(b, a): x for (a, b), x in pairs.items()} | dict(pairs)
        for a, b in combinations_with_replacement(range(len(STATUSES)), 2):
            if (a, b) not in both:
                raise self._invalid(f"does not say what {STATUSES[a]} and {STATUSES[b]} make")
            if both[a, b] != both[b, a]:
                raise self._invalid(f"says two things of {STATUSES[a]} and {STATUSES[b]}")
            if a == b and both[a, b] != a:
                raise self._invalid(f"makes {STATUSES[both[a, a]]} of {STATUSES[a]} alone")
        for a, b, c in product(range(len(STATUSES)), repeat=3):
            if both[both[a, b], c] != both[a, both[b, c]]:
                names = ", ".join(STATUSES[each] for each in (a, b, c))
                raise self._invalid(f"makes of {names} what depends on the order in which they are joined")
        self._pairs = both
        self.joint_of_set = (MISSING, *(self.join(self._members(bits)) for bits in range(1, 1 << len(STATUSES))))
        self._counts: dict[int, StatusCounts] = {}

    def counts(self, number: int) -> StatusCounts:
        """For that number of statuses, which change one by one."""
        bits = number.bit_length()
        if bits not in self._counts:
            self._counts[bits] = StatusCounts(self, bits)
        return self._counts[bits]

    def join(self, statuses: Iterable[int]) -> int:
        """The joint status. Raises: ValueError for none."""
        joint = -1
        for each in statuses:
            joint = each if joint < 0 else self._pairs[joint, each]
        if joint < 0:
            raise ValueError("no status to join")
        return joint

    @staticmethod
    def _members(bits: int) -> list[int]:
        return [status for status in range(len(STATUSES)) if bits >> status & 1]

    def _invalid(self, what: str) -> Misconfigured:
        return Misconfigured(f"the operation {safe(self.name)[:40]} of the operations profile {what}")


class StatusCounts(dict[int, int]):
    """The joint status by how many there are of each status: one number, with some bits for each.

    change: what is added when a status takes the place of another, by `new << 3 | old`; of none, where old is NONE
    """

    def __init__(self, operation: Operation, bits: int) -> None:
        super().__init__()
        self._operation, self._bits = operation, bits
        added = (*(1 << status * bits for status in range(len(STATUSES))), 0, 0)
        self.change = tuple(added[new] - added[old] for new, old in product(range(NONE + 1), repeat=2))

    def __missing__(self, counts: int) -> int:
        if len(self) >= MAX_COUNTS:
            self.clear()
        mask = (1 << self._bits) - 1
        present = sum(1 << status for status in range(len(STATUSES)) if counts >> status * self._bits & mask)
        joint = self[counts] = self._operation.joint_of_set[present]
        return joint
