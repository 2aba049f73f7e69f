"""Running the executables of this checkout; no more than the demo needs, so nothing of pytest."""

from __future__ import annotations

import os
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def command(name: str, *arguments: object) -> list[str]:
    """The command line that runs an executable of this checkout."""
    path = Path(name) if "/" in name else ROOT / "probes" / name
    return [sys.executable, str(path), *map(str, arguments)]


def clean_environment(**more: object) -> dict[str, str]:
    """As small as Nagios' own: nothing of the developer's credentials or proxies."""
    kept = {key: value for key, value in os.environ.items() if key.startswith(("COVERAGE", "COV_"))}
    return {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": str(ROOT),
        "FEDCLOUD_PROBES_WORKER": "no",  # one that happens to run on this machine has no part in a test
        **kept,
        **{k: str(v) for k, v in more.items()},
    }
