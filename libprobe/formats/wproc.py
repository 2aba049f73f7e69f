"""Messages between Nagios 4 and a worker that runs checks for it.

    -> @wproc register name=N;max_jobs=5000;plugin=/path/check_x NUL        <- OK NUL
    <- job_id=0 NUL type=0 NUL command=/path/check_x -H y NUL timeout=60 NUL 1 0 0 0
    -> job_id=0 NUL type=0 NUL ... wait_status=512 NUL outstd=... NUL 1 0 0 0

Source: Nagios Core 4.4, lib/kvvec.c and base/workers.c. `ru_*` pairs are left out: Nagios logs a warning
for each.
"""

from __future__ import annotations

from libprobe.failures import BadData

END = b"\0\1\0\0\0"
"""The NUL of a message's last pair, and the delimiter."""

MAX_MESSAGE = 1 << 20
TIMED_OUT = 62
"""ETIME: Nagios then says "timed out" and takes the state of its service_check_timeout_state."""

_RESERVED = frozenset(b"\0;= \t\n")


def registration(name: str, plugin: str, max_jobs: int) -> bytes:
    """What a worker says first, for one plugin. Raises: BadData for a path that cannot be said."""
    path = plugin.encode("utf-8", "surrogateescape")
    if _RESERVED & set(path):
        raise BadData(f"{plugin!r} has a blank, ; or = in it, which Nagios cannot match with a command")
    return b"@wproc register name=%s;max_jobs=%d;plugin=%s\0" % (name.encode(), max_jobs, path)


class CheckOrder:
    """One check that Nagios wants run.

    key, type: given back as they came. command: as a shell would read it. timeout: seconds, 0 for none.
    environment: `NAME=value` each, where Nagios is set up to pass its macros so.
    """

    __slots__ = ("command", "environment", "key", "timeout", "type")

    def __init__(self, key: bytes, type: bytes, command: bytes, timeout: float, environment: list[bytes]) -> None:
        self.key = key
        self.type = type
        self.command = command
        self.timeout = timeout
        self.environment = environment


def read_order(message: bytes) -> CheckOrder:
    """Read one message, without its END. Raises: BadData."""
    found: dict[bytes, bytes] = {}
    environment = []
    for pair in message.split(b"\0"):
        name, equals, value = pair.partition(b"=")
        if not equals:
            raise BadData(f"not a pair in a job of Nagios: {pair[:80]!r}")
        if name == b"env":
            environment.append(value)
        else:
            found[name] = value
    try:
        key, command, timeout = found[b"job_id"], found[b"command"], int(found.get(b"timeout", b"0"))
    except (KeyError, ValueError):
        raise BadData(f"a job of Nagios lacks its number, command or timeout: {message[:80]!r}") from None
    return CheckOrder(key, found.get(b"type", b"0"), command, float(max(0, timeout)), environment)


def result(order: CheckOrder, began: float, ended: float, wait_status: int, out: bytes, err: bytes = b"") -> bytes:
    """The answer to an order. began, ended: seconds since the epoch. wait_status: as `waitpid` has it."""
    return b"job_id=%s\0type=%s\0start=%.6f\0stop=%.6f\0runtime=%.6f\0exited_ok=1\0wait_status=%d\0" % (
        order.key,
        order.type,
        began,
        ended,
        max(0.0, ended - began),
        wait_status,
    ) + b"outstd=%s\0outerr=%s%s" % (_plain(out), _plain(err), END)


def timed_out(order: CheckOrder, began: float, ended: float) -> bytes:
    """The answer to an order that took longer than Nagios allows."""
    return (
        b"job_id=%s\0type=%s\0start=%.6f\0stop=%.6f\0runtime=%.6f\0exited_ok=0\0error_code=%d\0"
        % (
            order.key,
            order.type,
            began,
            ended,
            max(0.0, ended - began),
            TIMED_OUT,
        )
        + b"wait_status=0\0outstd=\0outerr=%s" % END
    )


def _plain(text: bytes) -> bytes:
    return text.replace(b"\0", b"").replace(b"\1", b"")
