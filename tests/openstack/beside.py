"""Our probes beside those of an argo-probe-fedcloud that is installed, on the same faults, one after the other.

    make openstack WHAT="--peer /path/to/novaprobe --write docs/migration.md"

It is run as it is installed; nothing of it is here. The table has what both said, what it took them and what they left
behind. What ours have to say is judged in native.py.
"""

from __future__ import annotations

import os
import subprocess
import sys
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.executables import command
from tests.pace import AMPLE_S, until

from .api import IMAGE
from .conftest import FOREIGN, Information, Robot, compared, containers
from .lab import KEYSTONE, Lab
from .native import INFO, SWIFT, VM

MEASURE = """
import os, sys
child = os.fork()
if not child:
    os.execv(sys.argv[2], sys.argv[2:])
_, status, usage = os.wait4(child, 0)
with open(sys.argv[1], "w") as file:
    file.write(f"{usage.ru_utime + usage.ru_stime} {usage.ru_maxrss}")
os._exit(os.waitstatus_to_exitcode(status) & 255)
"""
PEERS = {VM: "novaprobe", SWIFT: "swiftprobe", INFO: "cloudinfo"}


class Run(NamedTuple):
    """line: what was said first, without performance data. cpu_s: processor time. memory: the peak, in KiB."""

    code: int
    line: str
    cpu_s: float
    memory: int


class Both:
    """One monitor with both suites, with the same access token."""

    def __init__(self, lab: Lab, home: Path, novaprobe: Path, vo: str = "ops", lifetime_s: float = 3600) -> None:
        self.lab = lab
        self.home = home
        self.vo = vo
        self.robot = Robot(lab, home, vo, lifetime_s=lifetime_s)
        self.directory = novaprobe.parent
        authorities = home / "authorities.pem"
        authorities.write_text("".join(each.read_text() for each in sorted(lab.ca_directory.glob("*.0"))))
        self.environment = {"PATH": os.environ["PATH"], "HOME": str(home), "REQUESTS_CA_BUNDLE": str(authorities)}

    def run(self, words: list[str], environment: dict[str, str]) -> Run:
        used = self.home / "used"
        done = subprocess.run(
            [sys.executable, "-c", MEASURE, str(used), *words],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=AMPLE_S,
            cwd="/tmp",
            env=environment,
        )
        cpu, memory = used.read_text().split()
        text, err = (each.decode(errors="replace").strip() for each in (done.stdout, done.stderr))
        # a page of HTML stays as it is; who says nothing has often left a traceback, which ends with the reason
        shown = " ".join(text.split()) if text or not err else f"(a traceback) {err.splitlines()[-1]}"
        return Run(done.returncode, shown.partition(" | ")[0], float(cpu), int(memory))

    def ours(self, name: str, *more: object) -> Run:
        words = [*self.robot.keeping(name), *self.robot.at_keystone("--vo", self.vo, *more)]
        return self.run(command(name, *words), self.robot.environment)

    def theirs(self, name: str, *more: object) -> Run:
        login = [] if name == INFO else ["--access-token", self.robot.token]
        words = [self.directory / PEERS[name], "--endpoint", KEYSTONE, *login, *more]
        return self.run([str(word) for word in words], self.environment)

    def left(self) -> tuple[int, ...]:
        """How many VMs and containers theirs and ours have left, when all that was asked for has been done."""
        admin = self.lab.admin("ops")

        def listed() -> dict[str, tuple[str, str]]:
            found = {made: each for made, each in admin.servers().items() if each[0] not in FOREIGN}
            return {made: each for made, each in found.items() if each[0].startswith(("egi-sam-", "cloudmonprobe-"))}

        until(lambda: "BUILD" not in {state for _, state in listed().values()}, "all VMs are made", every_s=1)
        names = [name for name, _ in listed().values()] + containers(self.lab)
        for made in listed():
            admin.delete("compute", f"/servers/{made}")
        for name in containers(self.lab):
            path = f"/AUTH_{admin.project}/{name}"
            for each in admin.get("object-store", f"{path}?format=json"):
                admin.delete("object-store", f"{path}/{each['name']}")
            admin.delete("object-store", path)
        until(lambda: not listed(), "all VMs are gone", every_s=1)
        return tuple(sum(name.startswith("egi-sam-") is ours for name in names) for ours in (False, True))


@pytest.fixture
def both(lab: Lab, tmp_path: Path) -> Both:
    return Both(lab, tmp_path, novaprobe())


def novaprobe() -> Path:
    return Path(os.environ["OPENSTACK_PEER"])


class Fault(NamedTuple):
    """What is the matter with the site: a service that is stopped, or paused for so many seconds, or nothing."""

    what: str
    name: str
    stopped: str = ""
    ours: tuple[object, ...] = ()
    theirs: tuple[object, ...] = ()

    def strikes(self, lab: Lab) -> AbstractContextManager[None]:
        return lab.stopped(self.stopped) if self.stopped else nullcontext()


def of_size(name: str) -> tuple[str, ...]:
    """Without a size novaprobe takes one with 8 GB of disk at least, which is not there."""
    return ("--image", IMAGE, "--flavor", name)


TINY = of_size("tiny")
FAULTS = [
    Fault("nothing", VM, theirs=TINY),
    Fault("nothing", SWIFT),
    *(Fault(f"{each} stopped", VM, each, theirs=TINY) for each in ("nova-api", "neutron", "glance", "placement")),
    Fault("nova-scheduler stopped", VM, "nova-scheduler", ("-t", 90), (*TINY, "--vm-timeout", 60)),
    Fault("keystone stopped", VM, "keystone", theirs=TINY),
    Fault("rabbitmq stopped", VM, "rabbitmq", ("-t", 90), (*TINY, "-t", 60)),
    Fault("a size for which no host has room", VM, ours=("--size", "no-host"), theirs=of_size("no-host")),
    Fault("a size that is not there", VM, ours=("--size", "huge"), theirs=of_size("huge")),
    Fault("keystone stopped", SWIFT, "keystone"),
    # the containers' server last: Swift's proxy does not ask it for a minute after it was down
    *(Fault(f"{each} stopped", SWIFT, each) for each in ("swift-object", "swift-proxy", "swift-container")),
]


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: f"{fault.name} {fault.what}")
def test_both_on_a_fault_of_the_site(lab: Lab, both: Both, fault: Fault):
    with fault.strikes(lab):
        ours = both.ours(fault.name, *fault.ours)
        theirs = both.theirs(fault.name, *fault.theirs)
    compared(fault.what, fault.name, (theirs, ours), both.left())


@pytest.mark.parametrize("name", [VM, SWIFT])
def test_both_with_a_credential_that_is_ours_to_mend(lab: Lab, tmp_path: Path, name: str):
    more = TINY if name == VM else ()
    both = Both(lab, tmp_path / "expired", novaprobe(), lifetime_s=-3600)
    compared("an access token that has expired", name, (both.theirs(name, *more), both.ours(name)), both.left())
    both = Both(lab, tmp_path / "without", novaprobe(), "without.egi.eu")
    compared("a VO that has no project there", name, (both.theirs(name, *more), both.ours(name)), both.left())


def test_both_at_a_quota_that_is_used_up(lab: Lab, tmp_path: Path):
    admin = lab.admin("quota.egi.eu")
    made = admin.create("theirs")
    both = Both(lab, tmp_path, novaprobe(), "quota.egi.eu")
    try:
        ours, theirs = both.ours(VM), both.theirs(VM, *TINY)
    finally:
        admin.delete("compute", f"/servers/{made}")
    compared("a quota of one VM, and there is one", VM, (theirs, ours), both.left())


def test_both_with_an_image_beside_whose_attributes_are_not_json(lab: Lab, both: Both):
    """It is not the one that is wanted. Theirs looks at the attributes where an image is named by its reference."""
    admin = lab.admin("ops")
    image = {"name": "broken", "disk_format": "raw", "container_format": "bare", "APPLIANCE_ATTRIBUTES": "{'ad:appid'}"}
    made = admin.post("image", "/images", image)["id"]
    admin.put("image", f"/images/{made}/file", b"\0" * 65536, "application/octet-stream")
    try:
        ours, theirs = both.ours(VM), both.theirs(VM, "--registry-image", "images/cirros:1", "--flavor", "tiny")
    finally:
        admin.delete("image", f"/images/{made}")
    compared("an image whose `APPLIANCE_ATTRIBUTES` is not JSON", VM, (theirs, ours), both.left())


def test_both_killed_while_the_vm_is_made_and_run_again(lab: Lab, both: Both):
    admin = lab.admin()
    before = len(admin.servers())
    environments = {"ours": both.robot.environment, "theirs": both.environment}
    login = ["--endpoint", KEYSTONE, "--access-token", str(both.robot.token)]
    commands = {
        "ours": command(VM, *both.robot.keeping(VM), *both.robot.at_keystone()),
        "theirs": [str(both.directory / "novaprobe"), *login, *TINY],
    }
    runs = {}
    for who, words in commands.items():
        process = subprocess.Popen(words, stdout=subprocess.DEVNULL, cwd="/tmp", env=environments[who])
        until(lambda: len(admin.servers()) > before, "the VM is there")
        process.kill()
        process.wait()
        runs[who] = both.ours(VM) if who == "ours" else both.theirs(VM, *TINY)
        until(lambda: len(admin.servers()) == before, "the VM is gone")
    compared(
        "the run before was killed (kill -9) while its VM was made", VM, (runs["theirs"], runs["ours"]), both.left()
    )


@pytest.mark.parametrize(
    ("what", "changed"),
    [
        ("nothing", {}),
        ("published with a project that Keystone does not have", {"projects": [{"name": "ops", "id": "f" * 32}]}),
        ("published with a slash at the URL's end", {"url": f"{KEYSTONE}/"}),
    ],
)
def test_both_on_what_the_information_system_has(
    both: Both, published: Information, what: str, changed: dict[str, object]
):
    published.system.changed["REAL-CLOUD"] = changed
    ours = both.ours(INFO, "--information-system", published.url)
    theirs = both.theirs(INFO, "--is-endpoint", published.url, "--is-cache", both.home / "cache")
    compared(what, INFO, (theirs, ours), (0, 0))
