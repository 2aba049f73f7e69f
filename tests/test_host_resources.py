"""Whether it is this machine that lacks something: what is raised then, and what is tried."""

from __future__ import annotations

import errno
import socket
import ssl
import subprocess
import sys

import pytest

from libprobe import host_resources
from libprobe.deadline import Interrupted, OutOfTime
from tests.conftest import clean_environment

NO_SEGMENT = "/usr/lib/_ssl.so: failed to map segment from shared object"


def caused(error: BaseException, by: BaseException) -> BaseException:
    error.__context__ = by
    return error


OUT_OF = {
    "no memory left": "monitoring host out of memory",
    "Cannot allocate memory": "monitoring host out of memory",
    "Too many open files": "monitoring host out of file descriptors for this process",
    "No space left on device": "monitoring host out of disk space",
}


@pytest.mark.parametrize(
    ("error", "what"),
    [
        (MemoryError(), "no memory left"),
        (OSError(errno.EMFILE, "x"), "Too many open files"),
        (OSError(errno.ENOSPC, "x"), "No space left on device"),
        (BlockingIOError(errno.EAGAIN, "x"), "Resource temporarily unavailable"),  # of fork, where a limit is reached
        (RuntimeError("can't start new thread"), "can't start new thread"),
        (ImportError(NO_SEGMENT, name="_ssl"), "no memory left"),
        (ImportError("libssl.so.3: cannot open shared object file: Too many open files"), "Too many open files"),
        (caused(LookupError("unknown encoding: idna"), MemoryError()), "no memory left"),
        (caused(ImportError("SSL not supported"), caused(ImportError("no _ssl"), MemoryError())), "no memory left"),
    ],
)
def test_what_this_machine_lacks_is_seen_in_what_was_raised(error, what):
    assert host_resources.missing_resource(error) == what
    said = OUT_OF.get(what, f"monitoring host cannot go on: {what}")
    assert host_resources.shortage_sentence(error) == f"{said} (raise its limits, or run less at a time)"
    with pytest.raises(MemoryError, match=what):
        host_resources.raise_if_short(error)


@pytest.mark.parametrize(
    "error",
    [
        ValueError("x"),
        ModuleNotFoundError("No module named 'ldap3'", name="ldap3"),
        RuntimeError("x"),
        OSError(errno.ECONNRESET, "x"),
        socket.gaierror(socket.EAI_NONAME, "x"),
        ssl.SSLError(errno.ENOMEM, "a number of OpenSSL's, not of the kernel's"),
    ],
)
def test_what_is_another_fault_is_left_to_whoever_knows_it(error):
    assert host_resources.missing_resource(error) == host_resources.shortage_sentence(error) == ""
    host_resources.raise_if_short(error)


@pytest.mark.parametrize("end", [OutOfTime(), Interrupted("interrupted by SIGTERM")])
def test_an_error_that_stands_for_the_end_of_the_run_is_that_end(end):
    """While a library makes a class, Python 3.11 raises a RuntimeError in its place: no certificate is to blame."""
    error = RuntimeError("Error calling __set_name__ on an instance")
    error.__cause__ = end
    with pytest.raises(type(end)) as caught:
        host_resources.raise_if_short(error)
    assert caught.value is end


def test_a_ring_of_causes_comes_to_an_end():
    first, second = ValueError(), ValueError()
    first.__cause__, second.__cause__ = second, first
    assert host_resources.missing_resource(first) == ""


@pytest.mark.parametrize(
    ("limit", "said"), [("AS, (30 << 20,) * 2", "no memory left"), ("NOFILE, (3, 3)", "Too many open files")]
)
def test_what_no_error_tells_is_tried(limit, said):
    code = (
        "import resource; from libprobe import host_resources; before = host_resources.missing_resource(); "
        f"resource.setrlimit(resource.RLIMIT_{limit}); print(repr(before), "
        "host_resources.missing_resource(LookupError('idna')))"
    )
    done = subprocess.run([sys.executable, "-c", code], env=clean_environment(), capture_output=True, text=True)
    assert (done.stdout, done.stderr) == (f"'' {said}\n", "")


def test_to_try_whether_there_is_memory_costs_none():
    """A check in a worker does so each time that it fails."""
    code = (
        "import resource\n"
        "from libprobe import host_resources\n"
        "def resident(): return int(open('/proc/self/statm').read().split()[1]) * resource.getpagesize()\n"
        "host_resources.missing_resource()\n"
        "before = resident()\n"
        "for _ in range(20): host_resources.missing_resource()\n"
        "print(resident() - before)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], env=clean_environment(), capture_output=True, text=True)
    assert done.stderr == ""
    assert int(done.stdout) < host_resources.MEMORY_PROBE_BYTES / 4
