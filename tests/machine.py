"""What this machine has of Debian: scripts/debian-packages names all that the tests run, and by which target it comes.

    @pytest.mark.needs("nagios4-core")

skips a test where that package's program is missing, with a reason that is counted at the end of the run. Where
FEDCLOUD_NEEDS_ALL is set, as `.ci/run` does, such a test fails.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from tests.executables import ROOT

TARGETS = {"demo": "make demo", "test": "make test", "all": "make test-all"}


class Package(NamedTuple):
    """What stands for a package: target: what installs it. files: one of them is there if it is installed."""

    name: str
    target: str
    files: tuple[str, ...]

    @property
    def is_installed(self) -> bool:
        return any(Path(each).exists() for each in self.files)


def _read() -> dict[str, Package]:
    lines = (ROOT / "scripts/debian-packages").read_text().splitlines()
    rows = [line.split() for line in lines if line and not line.startswith("#")]
    return {name: Package(name, TARGETS[wanted], tuple(files.split("|"))) for wanted, name, files in rows}


PACKAGES = _read()


def lacking(names: Iterable[str]) -> str:
    """Why a test that needs these packages cannot run, empty if it can. Raises: KeyError for one that is not listed."""
    missing = [each for each in (PACKAGES[name] for name in names) if not each.is_installed]
    if not missing:
        return ""
    names = " and ".join(each.name for each in missing)
    return f"{names} {'is' if len(missing) == 1 else 'are'} not installed ({missing[-1].target} installs it)"


def needs_all() -> bool:
    return bool(os.environ.get("FEDCLOUD_NEEDS_ALL"))


def told(reasons: Iterable[str]) -> list[str]:
    """Lines for the end of a run: how many tests were skipped, by reason."""
    counted = Counter(reason.removeprefix("Skipped: ") for reason in reasons)
    return [f"{number} skipped: {reason}" for reason, number in counted.most_common()]
