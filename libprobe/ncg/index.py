"""The list of what a configuration monitors, which lies beside it: one JSON object a line.

For programs that come after the monitor's configuration: they know which service belongs to which endpoint
without asking the GOCDB again, and know no more than the monitor does.
"""

from __future__ import annotations

import json
import os
from typing import NamedTuple

from libprobe.failures import Misconfigured

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

NAME = "services.jsonl"
MAX_LINE = 64 << 10


class Entry(NamedTuple):
    """A service of the monitor. url: of its endpoint, as registered in the GOCDB."""

    host: str
    service: str
    service_type: str
    site: str
    url: str


def write(directory: str, entries: Iterable[Entry]) -> None:
    """Raises: OSError."""
    with open(os.path.join(directory, NAME), "x", encoding="ascii") as file:
        file.writelines(f"{json.dumps(entry._asdict())}\n" for entry in entries)
        file.flush()
        os.fsync(file.fileno())


def read(directory: str) -> Iterator[Entry]:
    """Raises: Misconfigured."""
    path = os.path.join(directory, NAME)
    try:
        with open(path, encoding="ascii") as file:
            while line := file.readline(MAX_LINE):
                values = json.loads(line)
                yield Entry(*(str(values[name]) for name in Entry._fields))
    except OSError as error:
        raise Misconfigured(
            f"{path} cannot be read: {error.strerror}", remedy="name the --output of fedcloud-ncg"
        ) from None
    except (ValueError, KeyError, TypeError, RecursionError):
        raise Misconfigured(f"{path} is not what fedcloud-ncg wrote", remedy="run fedcloud-ncg again") from None
