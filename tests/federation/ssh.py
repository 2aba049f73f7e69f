"""The VMs of all clouds, as far as one can log in to them: one SSH server on every address of 127.0.0.0/8.

Who connects to a VM's address meets what reached that VM: the server accepts the public key that its cloud
gave to it, and knows the files that its user_data wrote. The user_data is read, not run: lines of the form
`echo WORD > PATH` of a shell script are all that a guest understands, and `cat PATH` is its only command.
"""

from __future__ import annotations

import base64
import contextlib
import functools
import logging
import re
import shlex
import socket
import threading
import time
from collections.abc import Callable
from typing import Any, Protocol

from .faults import Fault, Faults, register

FAULTS = {
    "key-refused": Fault("A VM accepts no key."),
    "user-data-ignored": Fault("A VM has run no user_data."),
    "user-data-seconds": Fault("A VM has run its user_data `seconds` after it was created.", {"seconds": 1.0}),
    "ssh-drip": Fault("A VM sends its SSH banner byte by byte, `interval` seconds apart.", {"interval": 0.5}),
    "ssh-endless": Fault("A VM sends lines before its SSH banner for ever."),
    "command-mute": Fault("A VM accepts a command and never answers it."),
    "command-endless": Fault("A VM answers a command without an end."),
    "command-garbage": Fault("A VM answers a command with bytes that nobody asked for."),
    "session-lost": Fault("A VM closes the connection when it gets a command."),
}
register(FAULTS)

USERS = ("cloudadm",)
_ECHO = re.compile(r"\s*echo (\S+) > (\S+)\s*")


class Reachable(Protocol):
    """What of a VM reaches who logs in to it. user_data: base64; created_at: as time.time() has it."""

    @property
    def public_key(self) -> str | None: ...

    @property
    def user_data(self) -> str | None: ...

    @property
    def created_at(self) -> float: ...


def files_of(user_data: str | None) -> dict[str, bytes]:
    """What the user_data of a VM, in base64 as its cloud got it, has written: path -> content."""
    lines = base64.b64decode(user_data or "").decode("utf-8", "replace").splitlines()
    if not lines or not lines[0].startswith("#!/bin/sh"):
        return {}
    found = (_ECHO.fullmatch(line) for line in lines)
    return {match[2]: f"{match[1]}\n".encode() for match in found if match}


class Guests:
    """The SSH servers of the VMs; a service of the federation.

    at: the VM that has an address, None if none has. faults: mute-accept, close-accept and garbage of the
    wire, and those of this module.
    """

    name = "guests"
    own = FAULTS

    def __init__(self, at: Callable[[str], Reachable | None]) -> None:
        self.faults = Faults()
        self.logins: list[tuple[str, str, bool]] = []
        """(address, user, accepted) of every key that was offered."""
        self.methods: set[str] = set()
        """How anybody tried to log in."""
        self.commands: list[str] = []
        self._at = at
        self._open: set[Any] = set()
        self._lock = threading.Lock()
        self._listener: socket.socket | None = self._listen(0)
        self.port = self._listener.getsockname()[1]

    @staticmethod
    def _listen(port: int) -> socket.socket:
        listener = socket.socket()
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        with contextlib.suppress(OSError):  # older kernels want a privilege; `_serve` looks at the peer as well
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, b"lo\0")
        listener.bind(("0.0.0.0", port))
        listener.listen(64)
        return listener

    # -- a service --

    def start(self) -> None:
        if self._listener is None:
            self._listener = self._listen(self.port)
        threading.Thread(target=self._accept, args=(self._listener,), name="guests-accept", daemon=True).start()

    def stop(self) -> None:
        listener, self._listener = self._listener, None
        if listener is not None:
            with contextlib.suppress(OSError):
                listener.shutdown(socket.SHUT_RDWR)
            listener.close()
        with self._lock:
            doomed, self._open = self._open, set()
        for each in doomed:
            with contextlib.suppress(OSError):
                each.close()

    def describe(self) -> str:
        return f"{self.name:20} {f'port {self.port}':26} SSH of every VM, user {USERS[0]}"

    def reset(self) -> None:
        self.faults.clear()
        self.logins.clear()
        self.methods.clear()
        self.commands.clear()

    # -- connections --

    def _accept(self, listener: socket.socket) -> None:
        while True:
            try:
                connection, peer = listener.accept()
            except OSError:
                return
            if not peer[0].startswith("127."):
                connection.close()
                continue
            self._keep(connection)
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _keep(self, closable: Any) -> None:
        with self._lock:
            self._open.add(closable)

    def _serve(self, connection: socket.socket) -> None:
        with contextlib.suppress(OSError, EOFError):
            if self.faults.take("mute-accept") is not None:
                return
            if self.faults.take("close-accept") is not None or self._at(connection.getsockname()[0]) is None:
                connection.close()
                return
            if self.faults.take("garbage") is not None:
                connection.sendall(b"\x00\xff\x1b[31m|<b>\n" * 4)
                connection.close()
                return
            drip = self.faults.take("ssh-drip")
            if drip is not None:
                for byte in b"SSH-2.0-OpenSSH_9.2 with a long comment that takes its time\r\n":
                    connection.sendall(bytes([byte]))
                    time.sleep(drip["interval"])
                return
            if self.faults.take("ssh-endless") is not None:
                while True:
                    connection.sendall(b"welcome to this machine, please wait " * 2000)
            self._speak(connection)

    def _speak(self, connection: socket.socket) -> None:
        import paramiko

        transport = paramiko.Transport(connection)
        self._keep(transport)
        transport.local_version = "SSH-2.0-guest"
        transport.add_server_key(_host_key())
        with contextlib.suppress(paramiko.SSHException):
            transport.start_server(server=_guest(self, connection.getsockname()[0], transport))

    def answer(self, address: str, command: str, channel: Any, transport: Any) -> None:
        """Carry out a command of somebody who is logged in."""
        if self.faults.take("session-lost") is not None:
            transport.close()
            return
        if self.faults.take("command-mute") is not None:
            return
        with contextlib.suppress(OSError, EOFError):
            while self.faults.get("command-endless") is not None:
                channel.sendall(b"x" * 30_000)
            if self.faults.take("command-garbage") is not None:
                channel.sendall(b"\x00\xff\x1b[31m|<b>\n" * 40)
            words = shlex.split(command)
            vm = self._at(address)
            content = self._files(vm).get(words[1]) if vm and words[:1] == ["cat"] and len(words) == 2 else None
            channel.sendall(content or b"")
            channel.send_exit_status(0 if content else 1)
            channel.close()

    def _files(self, vm: Reachable) -> dict[str, bytes]:
        late = self.faults.get("user-data-seconds")
        is_too_early = late is not None and time.time() < vm.created_at + late["seconds"]
        if is_too_early or self.faults.get("user-data-ignored") is not None:
            return {}
        return files_of(vm.user_data)

    def accepts(self, address: str, user: str, key: Any) -> bool:
        vm = self._at(address)
        known = (vm.public_key or "").split()[:2] if vm else []
        is_known = known == [key.get_name(), key.get_base64()] and user in USERS
        accepted = is_known and self.faults.take("key-refused") is None
        self.logins.append((address, user, accepted))
        return accepted


def _guest(guests: Guests, address: str, transport: Any) -> Any:
    """What paramiko asks about one connection."""
    import paramiko

    logging.getLogger("paramiko").addHandler(logging.NullHandler())

    class Guest(paramiko.ServerInterface):
        def get_allowed_auths(self, username: str) -> str:
            return "publickey"

        def check_auth_none(self, username: str) -> int:
            guests.methods.add("none")
            return paramiko.AUTH_FAILED

        def check_auth_password(self, username: str, password: str) -> int:
            guests.methods.add("password")
            return paramiko.AUTH_FAILED

        def check_auth_publickey(self, username: str, key: Any) -> int:
            guests.methods.add("publickey")
            accepted = guests.accepts(address, username, key)
            return paramiko.AUTH_SUCCESSFUL if accepted else paramiko.AUTH_FAILED

        def check_channel_request(self, kind: str, chanid: int) -> int:
            opened = kind == "session"
            return paramiko.OPEN_SUCCEEDED if opened else paramiko.OPEN_FAILED_ADMINISTRATIVELY_PROHIBITED

        def check_channel_exec_request(self, channel: Any, command: bytes) -> bool:
            text = command.decode()
            guests.commands.append(text)
            # later: paramiko tells the client of its success only after this returns
            timer = threading.Timer(0.02, guests.answer, (address, text, channel, transport))
            timer.daemon = True
            timer.start()
            return True

    return Guest()


@functools.cache
def _host_key() -> Any:
    import paramiko

    return paramiko.ECDSAKey.generate()
