"""What a command line of Nagios asks for: one of our probes with plain words, or something for a shell."""

from __future__ import annotations

import re
import shlex

IN_THREADS = frozenset(
    {
        "check_apel_pub",
        "check_appdb_update",
        "check_availability",
        "check_cloud_bdii",
        "check_cloud_info",
        "check_credential",
        "check_endpoint_tcp",
        "check_occi_context",
        "check_openstack_images",
        "check_perun",
    }
)
"""Probes that only read and use nothing that a process has only one of; what is not named here is forked."""

MAX_IN_THREAD = 16 << 10
"""Bytes of a command that a thread takes: each keeps a buffer of that size ready. A longer one is forked."""

THREAD, PROCESS, SHELL = "thread", "process", "shell"

_PLAIN = re.compile(rb"[\w./:@%+,=-]+(?: +[\w./:@%+,=-]+)* *")
_QUOTED = re.compile(rb"""(?:[\w./:@%+,= -]|'[^']*'|"[^"$`\\!]*")+""")
"""What every shell takes literally, so that `shlex` and a shell read the same words."""


def parse_command(command: bytes, registered: frozenset[str]) -> tuple[str, list[str]]:
    """How a command is to be run, and its words; for a shell, the command itself.

    registered: paths of our executables.
    """
    text = command.decode("utf-8", "surrogateescape")
    if _PLAIN.fullmatch(command):
        words = text.split()
    elif _QUOTED.fullmatch(command):
        words = shlex.split(text)
    else:
        return SHELL, [text]
    if not words or words[0] not in registered:
        return SHELL, [text]
    return (THREAD if fits_thread(words, len(command)) else PROCESS), words


def fits_thread(words: list[str], size: int) -> bool:
    """Whether a thread can run one of our executables. size: bytes of its words."""
    return words[0].rpartition("/")[2] in IN_THREADS and size <= MAX_IN_THREAD and not needs_process(words)


def needs_process(words: list[str]) -> bool:
    """Whether it must have a process to itself: --boot, which waits for minutes, or what may be -vvv, which listens to
    the loggers of the whole process."""
    options = [word for word in words[1:] if word.startswith("-")]
    loud = sum(1 if word.startswith("--verb") else 0 if word.startswith("--") else word.count("v") for word in options)
    return "--boot" in options or loud >= 3
