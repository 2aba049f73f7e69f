"""SSH: log in with a key that was made for one VM, and read a file there.

Built on paramiko, which is an extra: only a probe that boots a VM needs it. What is added: the deadline
over every byte, a bound on how much a peer may send, and every error said as one of `libprobe.failures`.
A host key is accepted as it comes: the VM was made a moment ago, nobody can know its key, and nothing
secret is sent. No password, no agent and no key of the user's is ever tried.
"""

from __future__ import annotations

import errno
import shlex
from contextlib import contextmanager

from libprobe import host_resources
from libprobe.clients import sockets
from libprobe.clients.exchange import BODY, Exchange
from libprobe.failures import Failure, Misconfigured, Rejected
from libprobe.formats.address import host_and_port
from libprobe.formats.excerpt import excerpt

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Any

    from libprobe.deadline import Deadline

INSTALL = "pip install 'paramiko~=5.0'"
"""As setup.py has it in the extra `boot`; this project's own name may be in no index."""

MAX_RECEIVED = 1 << 20
"""Bytes that one peer may send in one session: a login and some small files need a few thousand."""

POLL_S = 0.1
"""paramiko's thread looks so often whether it is to end."""


class KeyRefused(Rejected):
    """The peer speaks SSH and does not accept our key for this user."""


class KeyPair:
    """A fresh key pair that exists in memory only. public: its line for authorized_keys."""

    def __init__(self, private: Any, comment: str) -> None:
        self.private = private
        self.public = f"{private.get_name()} {private.get_base64()} {comment}"


def make_key_pair(comment: str) -> KeyPair:
    """Make a key pair of the kind that most machines accept.

    ECDSA on P-256: OpenSSH knows it since 5.7, where Ed25519 came with 6.5 and RSA without SHA-1 with 7.2;
    rOCCI-server lets only `ssh-` and `ecds` pass.
    """
    return KeyPair(_paramiko().ECDSAKey.generate(), comment)


class SshSession:
    """One login. software: what the peer calls itself."""

    def __init__(self, transport: Any, wire: _ParamikoSocket) -> None:
        self.software = str(transport.remote_version)
        self._transport = transport
        self._socket = wire

    def read(self, path: str, max_bytes: int) -> bytes:
        """Return what a file holds, at most `limit` bytes; empty if there is none. Raises: Failure."""
        self._socket.exchange.asked = f"SSH to {self._socket.exchange.place}, cat {path}"
        self._socket.exchange.doing = f"read {path}"
        try:
            channel = self._transport.open_session(timeout=self._socket.remaining())
            channel.settimeout(self._socket.remaining())
            channel.exec_command(f"cat {shlex.quote(path)}")
            content = b""
            while len(content) < max_bytes:
                more = channel.recv(max_bytes - len(content))
                if not more:
                    break
                content += more
            channel.close()
        except ImportError:
            raise  # a library is missing: that is no answer of anybody's
        except Exception as error:
            host_resources.raise_if_short(error)
            raise self._socket.end_failure(error) from None
        if not content and not self._transport.is_active():
            raise self._socket.end_failure(None)
        return content


@contextmanager
def login(
    host: str, port: int, user: str, key: KeyPair, attempt_deadline: Deadline, run_deadline: Deadline
) -> Iterator[SshSession]:
    """Log in within `attempt_deadline`; the session in the block then ends by `run_deadline`.

    Raises: KeyRefused; Refused, Unreachable, NoAnswer, ProtocolFailure.
    """
    paramiko = _paramiko()
    exchange = Exchange(f"SSH to {host_and_port(host, port)} as {user}", host, port, attempt_deadline)
    wire = _ParamikoSocket(sockets.connect(exchange), exchange)
    transport: Any = None
    try:
        try:
            transport = paramiko.Transport(wire)
            transport.daemon = True
            # its own time-outs, of 15 and 30 s, would be shorter or longer than ours
            transport.banner_timeout = transport.handshake_timeout = transport.auth_timeout = (
                attempt_deadline.remaining()
            )
            transport.start_client(timeout=attempt_deadline.remaining())
            if not transport.initial_kex_done:
                raise TimeoutError
            missing = transport.auth_publickey(user, key.private)
        except paramiko.BadAuthenticationType as error:
            allowed = ", ".join(error.allowed_types)
            only = f"it takes {excerpt(allowed)} only"
            raise KeyRefused(f"login by key refused for user {user}", of=exchange, link="by", also=only) from None
        except paramiko.AuthenticationException as error:
            if attempt_deadline.has_passed() or not transport.is_active():
                raise wire.end_failure(None) from None
            raise KeyRefused(f"our key refused for user {user}", of=exchange, link="by") from error
        except ImportError:
            raise  # a library is missing: that is no answer of anybody's
        except Exception as error:
            host_resources.raise_if_short(error)
            raise wire.end_failure(error) from None
        if missing:
            more = f"it wants {excerpt(', '.join(missing))} too"
            raise KeyRefused(f"our key does not suffice for user {user}", of=exchange, also=more)
        exchange.deadline = run_deadline
        yield SshSession(transport, wire)
    finally:
        if transport is not None:
            transport.close()
        wire.close()


class _ParamikoSocket:
    """The socket that paramiko reads and writes: bounded by the deadline and by MAX_RECEIVED.

    failure: what ended it, as the connection had it: paramiko passes on another error, or none.
    """

    def __init__(self, connection: sockets.DeadlineSocket, exchange: Exchange) -> None:
        self.exchange = exchange
        self.failure: Failure | None = None
        self._connection = connection
        connection.poll_interval_s = POLL_S
        connection.limit = self.remaining

    def remaining(self) -> float:
        return self.exchange.deadline.remaining()

    @property
    def is_too_much(self) -> bool:
        return self.exchange.received > MAX_RECEIVED

    def recv(self, count: int) -> bytes:
        if self.exchange.deadline.has_passed() or self.is_too_much:
            return b""
        data: bytes = self._run_operation(self._connection.recv, count)
        if data:
            self.exchange.phase = BODY
        return data

    def send(self, data: bytes) -> int:
        if self.exchange.deadline.has_passed():
            raise BrokenPipeError("deadline passed")
        sent: int = self._run_operation(self._connection.send, data)
        return sent

    def _run_operation(self, operation: Callable[[Any], Any], argument: Any) -> Any:
        try:
            return operation(argument)
        except Failure as failure:
            self.failure = self.failure or failure
            raise BrokenPipeError(errno.EPIPE, failure.sentence) from None

    def settimeout(self, _seconds: float | None) -> None:
        """The deadline decides."""

    @property
    def _closed(self) -> bool:
        """paramiko asks so while it waits for its thread."""
        return self._connection.fileno() < 0

    def close(self) -> None:
        self._connection.close()

    def end_failure(self, error: Exception | None) -> Failure:
        """Return the failure behind an error of paramiko's, or behind none. Raises: what was not the peer's doing."""
        exchange = self.exchange
        if self.is_too_much:
            return exchange.protocol_failure(f"more than {MAX_RECEIVED // 1024} KiB")
        if self.failure:
            return self.failure
        if exchange.deadline.has_passed() or isinstance(error, TimeoutError):
            return exchange.timeout_failure()
        if error is None or isinstance(error, (EOFError, ConnectionError)):
            return exchange.closed_failure("closed")
        if not isinstance(error, _paramiko().SSHException):
            raise error
        text = str(error)
        if "banner" in text or "protocol version" in text or "UTF" in text:
            if not exchange.received:
                return exchange.closed_failure("closed")
            return exchange.protocol_failure("answer that is not SSH")
        if text in ("", "Negotiation failed."):
            return exchange.closed_failure("closed")
        return exchange.protocol_failure(f"broken SSH ({excerpt(text)})")


def _paramiko() -> Any:
    """The library, told to print nothing. Raises: Misconfigured where it is not installed."""
    import logging

    try:
        import paramiko
    except ImportError:
        raise Misconfigured("no Python library paramiko, which --boot needs", remedy=INSTALL) from None
    logger = logging.getLogger("paramiko")
    if not logger.handlers:
        # without a handler, Python prints errors of its thread to standard error
        logger.addHandler(logging.NullHandler())
    return paramiko
