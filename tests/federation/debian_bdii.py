"""Debian's own BDII: the slapd configuration of the package `bdii`, and its bdii-update that fills it.

Here nothing is ours but paths, port and pace: information providers drop LDIF into a directory, the daemon
reads it again and again and brings the database up to date, entries that vanish from the LDIF included.
One thing is mended: bdii-update 6.0.0 of Debian 12 calls OpenLDAP's tools with -h and -p, which 2.5 no longer
knows; that of Debian 13 gives a URL.
"""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import time
from pathlib import Path

from tests.federation.ports import free_port
from tests.pace import AMPLE_S

from .bdii import find

CONFIG = Path("/usr/share/bdii/bdii-slapd.conf")
DEFAULT_LDIF = Path("/usr/share/bdii/default.ldif")

TOOL = """#!/bin/sh
# -h HOST -p PORT, which OpenLDAP 2.5 no longer takes, as -H URL; all else as it is
host=
arguments=
while [ $# -gt 0 ]; do
    case $1 in
    -h) host=$2; shift ;;
    -p) port=$2; shift ;;
    *) arguments="$arguments '$1'" ;;
    esac
    shift
done
[ -z "$host" ] || arguments="-H ldap://$host:$port $arguments"
eval "exec /usr/bin/$(basename "$0") $arguments"
"""


def is_installed() -> bool:
    return bool(find("slapd") and find("bdii-update") and CONFIG.exists())


class DebianBdii:
    """One resource or site BDII on loopback. Use it as a context manager."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._slapd: subprocess.Popen[bytes] | None = None
        self.port = free_port()
        for each in ("ldif", "provider", "plugin", "archive", "run/db", "db/grid", "db/glue", "db/stats"):
            (directory / each).mkdir(parents=True)

    @property
    def url(self) -> str:
        return f"ldap://localhost:{self.port}/o=glue"

    def publish(self, name: str, ldif: str) -> None:
        """Let a provider publish this LDIF; empty: nothing any more. It is served after the next update."""
        path = self._directory / "ldif" / f"{name}.ldif"
        if ldif:
            path.with_suffix(".new").write_text(ldif, "utf-8")
            path.with_suffix(".new").rename(path)
        else:
            path.unlink()

    def __enter__(self) -> DebianBdii:
        here = self._directory
        (here / "ldif/default.ldif").write_text(DEFAULT_LDIF.read_text())
        config = CONFIG.read_text().replace("/var/lib/bdii", str(here)).replace("/run/bdii", str(here / "run"))
        (here / "slapd.conf").write_text(config)
        (here / "bdii.conf").write_text(
            f"BDII_LOG_FILE={here}/log\nBDII_PID_FILE={here}/run/update.pid\nBDII_RUN_DIR={here}/run\n"
            f"BDII_LOG_LEVEL=ERROR\nBDII_LDIF_DIR={here}/ldif\nBDII_PROVIDER_DIR={here}/provider\n"
            f"BDII_PLUGIN_DIR={here}/plugin\nBDII_PORT={self.port}\nBDII_BREATHE_TIME=1\nBDII_READ_TIMEOUT=300\n"
            f"BDII_ARCHIVE_SIZE=0\nBDII_DELETE_DELAY=0\nBDII_VAR_DIR={here}\n"
        )
        (here / "bin").mkdir()
        for tool in ("ldapadd", "ldapmodify", "ldapdelete", "ldapsearch"):
            (here / "bin" / tool).write_text(TOOL)
            (here / "bin" / tool).chmod(0o755)
        self._slapd = subprocess.Popen(
            [str(find("slapd")), "-d", "0", "-h", f"ldap://127.0.0.1:{self.port}", "-f", str(here / "slapd.conf")],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        self._await_slapd(self._slapd)
        subprocess.run(  # it becomes a daemon by itself
            [str(find("bdii-update")), "-c", str(here / "bdii.conf"), "-d"],
            env={"PATH": f"{here}/bin:/usr/sbin:/usr/bin:/sbin:/bin", "SLAPD_CONF": str(here / "slapd.conf")},
            check=True,
        )
        return self

    def __exit__(self, *_: object) -> None:
        with contextlib.suppress(OSError, ValueError):
            os.kill(int((self._directory / "run/update.pid").read_text()), signal.SIGKILL)
        if self._slapd:
            self._slapd.kill()
            self._slapd.wait()

    def _await_slapd(self, process: subprocess.Popen[bytes]) -> None:
        give_up = time.monotonic() + AMPLE_S
        while process.poll() is None and time.monotonic() < give_up:
            with contextlib.suppress(OSError):
                socket.create_connection(("127.0.0.1", self.port), timeout=AMPLE_S).close()
                return
            time.sleep(0.01)
        self.__exit__()
        raise RuntimeError(f"slapd does not start with {self._directory}/slapd.conf")
