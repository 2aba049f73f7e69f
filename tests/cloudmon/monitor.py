"""A real Nagios 4 that runs what fedcloud-ncg writes, as whoever starts it, in a directory of its own.

    with Federation(directory) as federation, CloudMonitor(federation, directory / "monitor") as monitor:
        monitor.until(monitor.is_all_ok, "all services are OK")

The configuration is the generated one. What `TEST_MONITOR` adds belongs to the main file, which is the operator's.
"""

from __future__ import annotations

import subprocess
import time
from collections.abc import Iterable
from pathlib import Path

from tests.conftest import ROOT, command
from tests.federation.federation import Federation
from tests.nagios import PROGRAM, Nagios, Service
from tests.pace import factor

from .scenes import checked_since

INTERVAL_FACTOR = 0.01  # OCCI-VM every 36 s, the TCP metrics every 9 s: half a processor for the whole federation


def at_our_pace() -> float:
    """The factor for intervals, longer where much else is done: checks by the clock would take what time there is."""
    return INTERVAL_FACTOR * min(factor(), 10.0)


TEST_MONITOR = """
# A monitor for tests: begins at once, writes down at once what it finds, and sends no mail. On a machine that is
# slower than the intervals, checks come later instead of piling up.
max_concurrent_checks=12
service_inter_check_delay_method=0.1
service_interleave_factor=1
check_result_reaper_frequency=1
status_update_interval=1
enable_notifications=0
"""


class NotWritten(Exception):
    """fedcloud-ncg did not write a configuration; the text is its report."""


class CloudMonitor(Nagios):
    """See the module. Raises: ValueError for a directory whose path is too long."""

    def __init__(
        self,
        federation: Federation,
        directory: Path,
        *,
        interval_factor: float = INTERVAL_FACTOR,
        program: str = PROGRAM,
    ) -> None:
        self.federation = federation
        self.generated = directory / "generated"
        self._interval_factor = interval_factor
        where = (directory, directory / "nagios.cfg", directory / "var")
        super().__init__(*where, environment=federation.environment(), program=program)

    def generate(self) -> str:
        """Write the configuration anew from the federation's GOCDB; returns the report. Raises: NotWritten."""
        words = (
            *("--output", self.generated, "--format", "nagios", "--stand-alone", self.state),
            *("--definitions", ROOT / "etc/ncg", "--probes-path", ROOT / "probes"),
            *("--interval-factor", f"{self._interval_factor:.6f}"),
        )
        done = subprocess.run(
            command("fedcloud-ncg", *words),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            env=self.environment,
        )
        if done.returncode not in (0, 1):
            raise NotWritten(done.stdout + done.stderr)
        main = (self.generated / "nagios/nagios.cfg").read_text()
        main = main.replace("cfg_dir=objects", f"cfg_dir={self.generated}/nagios/objects")
        self.configuration.write_text(main + TEST_MONITOR)
        return done.stdout

    def __enter__(self) -> CloudMonitor:
        self.generate()
        self.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self.stop()

    def probes(self, *words: str) -> list[int]:
        """The processes of probes that run now, whether Nagios still does or not; only those with all the words."""
        return self.plugins(str(ROOT / "probes/check_"), *words)

    def is_all_ok(self) -> bool:
        known = self.status()
        return bool(known) and all(each.state == "OK" for each in known.values())

    def check_now(self, services: Iterable[Service], at: int = 0) -> None:
        """Check services without waiting for their turn, as an operator does from the web page. at: Unix time."""
        for service in services:
            self.command(f"SCHEDULE_FORCED_SVC_CHECK;{service.host};{service.name};{at or int(time.time())}")

    def round(self, services: Iterable[Service]) -> None:
        """Have services checked; returns when each has the result of a check that began after this call."""
        began = int(time.time())  # Nagios notes whole seconds
        checked_since(self, services, began, lambda those: self.check_now(those, max(began + 1, int(time.time()))))
