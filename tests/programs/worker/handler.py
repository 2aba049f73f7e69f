"""A query handler as Nagios has it, that a test drives by hand, and the worker under test."""

from __future__ import annotations

import os
import select
import signal
import socket
import subprocess
import sys
from pathlib import Path

from tests.conftest import ROOT, clean_environment
from tests.pace import AMPLE_S
from tests.planted import leaks

END = b"\0\1\0\0\0"


class Worker:
    """fedcloud-worker as a process; its journal goes to a file. query_socket: None for --local."""

    python = [sys.executable]

    def __init__(self, query_socket: Path | None, directory: Path, *arguments: object, **environment: object) -> None:
        self.journal = directory / "journal"
        self._environment = environment or clean_environment(HOME=directory)
        where = ["--socket", query_socket] if query_socket else ["--local"]
        self._command = [*self.python, ROOT / "probes/fedcloud-worker", *where, *arguments]
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> Worker:
        with open(self.journal, "ab") as journal:
            self.process = subprocess.Popen(
                [str(each) for each in self._command],
                stdin=subprocess.DEVNULL,
                stdout=journal,
                stderr=journal,
                cwd="/tmp",
                env={key: str(value) for key, value in self._environment.items()},
                start_new_session=True,
            )
        return self

    def stop(self, wait: float = AMPLE_S) -> int:
        assert self.process is not None
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(wait)

    def kill(self) -> None:
        """Whatever is left of it, after a test."""
        family = self.family()
        if self.process is not None:
            self.process.kill()
            self.process.wait()
        for pid in family:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass

    def family(self) -> list[int]:
        """Process ids of the supervisor, the fork server and all below, in that order."""
        found = [self.process.pid] if self.process is not None and self.process.poll() is None else []
        for pid in found:
            found += children(pid)
        return found

    def said(self) -> str:
        text = self.journal.read_text()
        assert not leaks(text), "the worker wrote a secret into its journal"
        return text


def children(pid: int) -> list[int]:
    try:
        return [int(each) for each in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except (OSError, ValueError):
        return []


class Connection:
    """One registration of a worker, as Nagios sees it."""

    def __init__(self, made: socket.socket) -> None:
        self.socket = made
        self._read = b""
        self.greeting = self._until(b"\0")
        pairs = dict(pair.split("=", 1) for pair in self.greeting.decode().removeprefix("@wproc register ").split(";"))
        self.plugin = pairs["plugin"]
        self.pairs = pairs

    def accept(self) -> None:
        self.socket.sendall(b"OK\0")

    def order(self, key: int, command: str, *, timeout: int = 900, environment: tuple[str, ...] = ()) -> None:
        pairs = [f"job_id={key}", "type=0", f"command={command}", f"timeout={timeout}"]
        pairs += [f"env={each}" for each in environment]
        self.socket.sendall("\0".join(pairs).encode() + END)

    def answer(self, wait: float = AMPLE_S) -> dict[str, str]:
        """The next answer; pairs as a dict."""
        self.socket.settimeout(wait)
        message = self._until(END)
        assert not leaks(message.decode()), "the worker told Nagios a secret"
        return dict(pair.split("=", 1) for pair in message.decode().split("\0"))

    def answers(self, count: int, wait: float = AMPLE_S) -> dict[int, dict[str, str]]:
        found = [self.answer(wait) for _ in range(count)]
        return {int(each["job_id"]): each for each in found}

    def is_idle(self, wait: float = 0.3) -> bool:
        return not self._read and not select.select([self.socket], [], [], wait)[0]

    def is_refused(self) -> bool:
        """Whether the worker takes no more orders."""
        try:
            self.socket.send(b"")
        except BrokenPipeError:
            return True
        return False

    def _until(self, end: bytes) -> bytes:
        while end not in self._read:
            data = self.socket.recv(1 << 20)
            if not data:
                raise ConnectionError("the worker closed the connection")
            self._read += data
        found, _, self._read = self._read.partition(end)
        return found


class QueryHandler:
    """Nagios' end of the query socket."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.connections: list[Connection] = []
        self.listen()

    def listen(self) -> None:
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.bind(str(self.path))
        self._socket.listen(64)
        self._socket.settimeout(AMPLE_S)

    def accept(self) -> Connection:
        connection = Connection(self._socket.accept()[0])
        self.connections.append(connection)
        return connection

    def registered(self, name: str) -> Connection:
        """Accept registrations until there is one for the executable of that name."""
        while True:
            connection = self.accept()
            connection.accept()
            if connection.plugin.endswith("/" + name):
                return connection

    def go_away(self) -> None:
        """As on reload: every connection closed, the socket gone."""
        self._socket.close()
        self.path.unlink()
        for each in self.connections:
            each.socket.close()
        self.connections.clear()
