"""Install, start, try and stop a real OpenStack: `python -m tests.openstack [--up] [--write PAGE] [PYTEST...]`.

All of it is below one directory, $CACHE/openstack (default /var/cache/fedcloud-probes), and runs in name spaces of its
own: its network has nothing but loopback, and when this process ends, however it ends, all is stopped and unmounted.
"""

from __future__ import annotations

import argparse
import fcntl
import os
import signal
import subprocess
import sys
import time

from tests.conftest import ALONE
from tests.executables import ROOT

from . import layers
from .lab import Lab

APART = ["setpriv", "--pdeathsig", "KILL", "unshare", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc"]
WITHOUT_NETWORK = ["--net", sys.executable, "-I", "-S", "-c", ALONE]
LOGS = ROOT / "build/openstack"


def main() -> int:
    about = (__doc__ or "").split("\n")[0]
    parser = argparse.ArgumentParser(prog="python -m tests.openstack", description=about, allow_abbrev=False)
    parser.add_argument("--up", action="store_true", help="only start it, and stop it with Ctrl-C")
    parser.add_argument("--write", metavar="PAGE", default="", help="page to put a table of what was said into")
    parser.add_argument("--peer", metavar="NOVAPROBE", default="", help="only run beside that argo-probe-fedcloud")
    parser.add_argument("--step", choices=STEPS, help=argparse.SUPPRESS)  # what is done within the name spaces
    options, rest = parser.parse_known_args()
    if options.step:
        return STEPS[options.step](options, rest)
    if os.geteuid():
        os.execvp("sudo", ["sudo", sys.executable, "-m", "tests.openstack", *sys.argv[1:]])
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    layers.HOME.mkdir(parents=True, exist_ok=True)
    with open(layers.HOME / "lock", "w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            sys.exit("openstack: another one runs already")
        try:
            for layer in (layers.DEBIAN, layers.CONTENT):
                if not layer.is_current():
                    make(layer, lock.fileno())
            return apart(
                "up" if options.up else "try", lock.fileno(), ["--write", options.write, "--peer", options.peer, *rest]
            )
        finally:
            layers.RUNNING.remove()


def say(text: str) -> None:
    print(f"openstack: {text}", file=sys.stderr, flush=True)


def make(layer: layers.Layer, lock: int) -> None:
    began = time.monotonic()
    say(f"making {layer.path}")
    if apart(layer.name, lock):
        sys.exit(f"openstack: {layer.path} could not be made; logs are in {LOGS}")
    layer.finish()
    say(f"made {layer.path} in {time.monotonic() - began:.0f} s")


def apart(step: str, lock: int, rest: list[str] | None = None) -> int:
    """Do a step in name spaces of its own; only Debian's packages want the machine's network.

    The lock goes along: it is free when all that runs there has ended.
    """
    words = [*APART, *([] if step == layers.DEBIAN.name else WITHOUT_NETWORK)]
    words += [sys.executable, "-m", "tests.openstack", "--step", step, *(rest or [])]
    process = subprocess.Popen(words, cwd=ROOT, stdin=subprocess.DEVNULL, pass_fds=[lock])
    if step == "up":
        say(f"starting; a shell beside it: nsenter --net --mount --wd={ROOT} --target $(pgrep -P {process.pid}) bash")
    try:
        return process.wait()
    finally:
        process.kill()  # unshare, and with it all within
        process.wait()


def install(*_: object) -> int:
    layers.install_packages()
    return 0


def fill(*_: object) -> int:
    from . import content

    with layers.mounted(layers.CONTENT, layers.DEBIAN) as root, Lab(root, LOGS) as lab:
        content.fill(lab)
    return 0


def up(*_: object) -> int:
    with layers.mounted(layers.RUNNING, layers.DEBIAN, layers.CONTENT) as root, Lab(root, LOGS) as lab:
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, signal.SIGTERM})
        lab.up()
        say(f"up; logs are in {LOGS}. In that shell:\n{lab.exports()}")
        signal.sigwait({signal.SIGINT, signal.SIGTERM})
    return 0


def attempt(options: argparse.Namespace, rest: list[str]) -> int:
    """The tests, as pytest runs them: its fixture `lab` starts all."""
    import pytest

    with layers.mounted(layers.RUNNING, layers.DEBIAN, layers.CONTENT) as root:
        os.environ |= {"OPENSTACK_ROOT": str(root), "OPENSTACK_LOGS": str(LOGS), "OPENSTACK_WRITE": options.write}
        os.environ["OPENSTACK_PEER"] = options.peer
        names = ["beside"] if options.peer else ["verdicts", "native"]
        files = [str(ROOT / f"tests/openstack/{name}.py") for name in names]
        return int(pytest.main(["-p", "no:cacheprovider", *files, *rest]))


STEPS = {layers.DEBIAN.name: install, layers.CONTENT.name: fill, "up": up, "try": attempt}

if __name__ == "__main__":
    sys.exit(main())
