"""The cloud of `make openstack`, started once, and monitors of it. Nothing of this is used by `make test`."""

from __future__ import annotations

import json
import os
import re
import subprocess
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.conftest import Monitor, Report
from tests.federation.cloud_info import CloudInfo, Site
from tests.federation.web import WebServer
from tests.pace import until

from . import layers
from .api import IMAGE, Api
from .lab import KEYSTONE, OCCI, Lab

FOREIGN = ("somebody else's", "egi-sam-other-monitor-0123456789ab")
"""VMs in the project of the monitors that are not theirs; the last looks like one of another monitor."""


@pytest.fixture(scope="session")
def lab() -> Iterator[Lab]:
    with Lab(Path(os.environ["OPENSTACK_ROOT"]), Path(os.environ["OPENSTACK_LOGS"])) as running:
        running.up()
        for name in FOREIGN:
            running.admin("ops").create(name)
        yield running


@pytest.fixture
def admin(lab: Lab) -> Api:
    """Nova itself, by which is looked what is there."""
    return lab.admin()


@pytest.fixture(autouse=True)
def nothing_is_left(lab: Lab) -> Iterator[None]:
    """Whatever a test does: at its end there are the VMs of before, as they were, the foreign ones among them."""
    before = lab.admin().servers()
    assert {(name, "ACTIVE") for name in FOREIGN} <= set(before.values())
    yield
    until(
        lambda: lab.admin().servers() == before, f"there is no more than {before}", patience_s=90
    )  # it takes its time


def containers(lab: Lab) -> list[str]:
    api = lab.admin("ops")
    return [str(each["name"]) for each in api.get("object-store", f"/AUTH_{api.project}?format=json")]


class Information(NamedTuple):
    system: CloudInfo
    url: str


@pytest.fixture
def published(lab: Lab) -> Iterator[Information]:
    """The information system, which has this cloud with its project ops."""
    project = lab.admin("ops").project
    made = CloudInfo(lambda: [Site("REAL-CLOUD", KEYSTONE, "localhost", [("ops", project)])])
    context = lab.authority.server_context(lab.authority.host(["is.fedcloud.test", "localhost"]))
    web = WebServer("cloud-info", made.app, faults=made.faults, context=context)
    web.start()
    yield Information(made, web.url)
    web.stop()


class Robot(Monitor):
    """A monitor of this cloud: with a state directory and an access token of its own."""

    def __init__(self, lab: Lab, directory: Path, *vos: str, lifetime_s: float = 3600) -> None:
        directory.mkdir(exist_ok=True)
        super().__init__(lab, directory)
        self.token = lab.write_token(directory / "token", *vos, lifetime_s=lifetime_s)

    def arguments(self, *more: object, resource: str = "tiny", vo: str = "ops") -> list[object]:
        options = {"--endpoint": OCCI, "--image": IMAGE, "--resource": resource, "--token-file": self.token, "--vo": vo}
        return [*(word for option in options.items() for word in option), *more]

    def look(self, *more: object, **choices: str) -> Report:
        return self.run("check_occi_vm", *self.arguments(*more, **choices))

    def at_keystone(self, *more: object) -> list[object]:
        """The arguments of a probe that logs in at the Keystone with the access token."""
        return ["-u", KEYSTONE, "--token-file", self.token, *more]

    def ask(self, name: str, *more: object) -> Report:
        return self.run(name, *self.at_keystone(*more))

    def cloud(self, auth_type: str = "password", **auth: object) -> dict[str, object]:
        """Write a clouds.yaml with the cloud `site`; return the environment that names it."""
        path = self.home / "clouds.yaml"
        login = json.dumps({"auth_url": KEYSTONE, **auth})
        path.touch(0o600)
        path.write_text(f"clouds:\n  site:\n    auth_type: {auth_type}\n    auth: {login}\n")
        return {"OS_CLIENT_CONFIG_FILE": path}


Row = Callable[[str, Report], None]
_rows: list[list[str]] = []
_compared: list[list[str]] = []
LONGEST = 250
"""How many characters of a line the table of both has: theirs may be a page of HTML."""

HEADS = (["what was the matter", "what was said"], ["executable", "what was the matter", "argo-probe-fedcloud", "here"])
MARKS = (
    ("<!-- a real OpenStack: written by make openstack -->", "<!-- end of the real OpenStack -->"),
    ("<!-- side by side: written by make openstack -->", "<!-- end of side by side -->"),
)


def _shown(said: str) -> str:
    said = re.sub(r"\S+/token\b", "TOKEN-FILE", said)
    said = re.sub(r"/\S+/clouds\.yaml", "CLOUDS-FILE", said)
    said = re.sub(r"/tmp/\S+/state\b", "STATE-DIR", said)
    return said.replace("|", "\\|").replace(IMAGE, "IMAGE").replace("<", "&lt;")


@pytest.fixture
def row() -> Row:
    """Put what a probe said into the table: `row("what was the matter", report)`."""

    def put(what: str, report: Report) -> None:
        _rows.append([what, _shown(report.first)])

    return put


def compared(what: str, name: str, runs: tuple[tuple[int, str, float, int], ...], left: tuple[int, ...]) -> None:
    """Put what two probes said into the table of both. runs: exit code, line, CPU time in s and memory in KiB of each.

    left: how many VMs and containers each has left behind.
    """
    cells = []
    for (code, line, cpu_s, memory), number in zip(runs, left, strict=True):
        behind = f"; left behind: {number}" if number else ""
        said = line if len(line) <= LONGEST else f"{line[:LONGEST]}..."
        cells.append(f"{code}: {_shown(said)} ({cpu_s:.2f} s, {memory // 1024} MiB{behind})")
    _compared.append([name, what, *cells])


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, exitstatus: int) -> None:
    """Show what was said; write it into the page that `--write` names, if all was good."""
    peer = os.environ.get("OPENSTACK_PEER")
    rows, head, marks = (_compared, HEADS[1], MARKS[1]) if peer else (_rows, HEADS[0], MARKS[0])
    for each in rows:
        terminalreporter.line(": ".join(each))
    page = os.environ.get("OPENSTACK_WRITE")
    if not page or exitstatus:
        return
    form = "${source:Package} ${source:Upstream-Version}\n"
    query = ["chroot", os.environ["OPENSTACK_ROOT"], "dpkg-query", "-W", "-f", form, *layers.PACKAGES]
    listed = subprocess.run(query, check=True, stdout=subprocess.PIPE, text=True).stdout.splitlines()
    versions = [f"Debian 12: {', '.join([*sorted(set(listed)), layers.OOI.replace('==', ' ')])}."]
    if peer:
        versions.append(_versions(Path(peer)))
    table = [f"| {' | '.join(cells)} |" for cells in (head, ["---"] * len(head), *rows)]
    before, begin, rest = Path(page).read_text().partition(f"{marks[0]}\n")
    _, end, after = rest.partition(marks[1])
    assert begin and end, f"{page} lacks the two marks"
    Path(page).write_text("\n".join([before + begin, *versions, "", *table, "", end + after]))


def _versions(novaprobe: Path) -> str:
    """What was installed of them, and when it was run."""
    names = ["argo-probe-fedcloud", "keystoneauth1", "python-novaclient", "python-glanceclient", "python-neutronclient"]
    code = f"import importlib.metadata as m; print(*(f'{{name}} {{m.version(name)}}' for name in {names}), sep=', ')"
    python = novaprobe.read_text().splitlines()[0].removeprefix("#!").strip()
    done = subprocess.run([python, "-c", code], check=True, stdout=subprocess.PIPE, text=True)
    return f"Run on {datetime.now(UTC):%Y-%m-%d}: {done.stdout.strip()}."


@pytest.fixture
def robot(lab: Lab, tmp_path: Path) -> Robot:
    return Robot(lab, tmp_path, "ops")
