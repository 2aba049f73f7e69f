"""The container image: what it starts, as whom, and that its state outlives it. buildah runs it, as a chroot."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import uuid
from contextlib import contextmanager

import pytest

from libprobe import __version__
from tests.conftest import Report
from tests.packages.conftest import PROGRAMS, STATE_DIRECTORY

IMAGE = os.environ["FEDCLOUD_IMAGE"]
USER = 10001


def buildah(*words: object) -> str:
    done = subprocess.run(["buildah", *map(str, words)], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def configuration():
    return json.loads(buildah("inspect", "--type", "image", IMAGE))["OCIv1"]["config"]


@contextmanager
def container():
    """A container of the image, as `podman run --rm` has one."""
    name = f"try-{uuid.uuid4().hex}"
    buildah("from", "--name", name, IMAGE)
    # of two mounts at one place, the image's volume and the one that is given, buildah 1.28 leaves it to chance which
    # is the upper one where there are others beside them; podman and docker take the one that is given
    buildah("config", "--volume", f"{STATE_DIRECTORY}-", name)
    try:
        yield name
    finally:
        buildah("rm", name)


def run(*words: str, options=(), user: str = "") -> Report:
    """Run a command in a new container, as the image's own user unless another is named."""
    account = ["--user", user] if user else []
    with container() as name:
        done = subprocess.run(
            ["buildah", "run", *account, *options, name, "--", *words],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
        )
    # buildah adds what it thinks of an exit code other than 0
    err = re.sub(r"^(subprocess exited with status|Error: exit status) \d+\n", "", done.stderr, flags=re.MULTILINE)
    return Report(done.returncode, done.stdout, err)


@pytest.fixture
def monitor(federation, tmp_path):
    """What an operator gives to the container: the CAs, a proxy and settings to read, a directory for the state."""
    proxy, settings, state = tmp_path / "proxy.pem", tmp_path / "probes.ini", tmp_path / "state"
    shutil.copy(federation.proxy, proxy)
    proxy.chmod(0o600)
    lines = (
        "[gocdb]",
        f"url = {federation.gocdb.url}",
        "[accounting]",
        f"url = {federation.accounting_url}",
        "[appdb]",
        f"url = {federation.appdb_url}",
    )
    settings.write_text("\n".join(lines) + "\n")
    settings.chmod(0o644)
    state.mkdir(mode=0o700)

    def options(uid: int = USER) -> list[str]:
        os.chown(proxy, uid, uid)
        os.chown(state, uid, uid)
        return [
            f"--volume={federation.ca_directory}:/etc/grid-security/certificates:ro",
            f"--volume={proxy}:/tmp/x509up_u{uid}:ro",
            f"--volume={settings}:/etc/fedcloud-probes/probes.ini:ro",
            f"--volume={state}:{STATE_DIRECTORY}",
        ]

    options.state = state
    return options


def test_its_entry_point_is_the_selfcheck_as_a_user_that_is_not_root(configuration):
    assert configuration["User"] == f"{USER}:{USER}"
    assert configuration["Entrypoint"] == ["fedcloud-selfcheck"]
    assert list(configuration["Volumes"]) == [STATE_DIRECTORY]
    report = run(*configuration["Entrypoint"], *configuration["Cmd"])
    assert (report.code, report.err) == (3, "")
    assert report.out.startswith("usage: fedcloud-selfcheck ")
    assert run("id", "-u").out == f"{USER}\n"


@pytest.mark.parametrize("name", PROGRAMS)
def test_it_has_every_executable(name):
    assert run(name, "--version") == (3, f"{name} {__version__}\n", "")


def test_nothing_in_it_can_be_changed_by_its_user_but_the_state():
    found = run("find", "/usr", "/etc", "/var/lib", "/opt", "-xdev", "-writable", "-not", "-type", "l", "-print")
    assert {line for line in found.out.splitlines() if not line.startswith(f"{STATE_DIRECTORY}/")} == {STATE_DIRECTORY}


def test_the_selfcheck_asks_every_metric_of_a_site(configuration, federation, monitor):
    report = run(*configuration["Entrypoint"], federation.sites["ooi"].gocdb_name, options=monitor())
    assert report.code in (0, 1, 2), report.out + report.err
    assert re.search(r"^  OK +eu\.egi\.cloud\.OCCI-VM ", report.out, re.MULTILINE), report.out
    assert re.search(r"^  OK +org\.nagios\.CloudBDII-Check ", report.out, re.MULTILINE), report.out
    assert "not run" not in report.out


@pytest.mark.parametrize("uid", [USER, 4711], ids=["its own user", "the user of the proxy"])
def test_what_one_container_leaves_the_next_one_reads_from_the_volume(uid, federation, monitor):
    site = federation.sites["ooi"]
    options, user = monitor(uid), f"{uid}:{uid}"
    report = run("check_occi_vm", "-H", site.hostname, options=options, user=user)
    assert report.first.startswith("OCCI-VM OK - VM active after "), report.out + report.err
    assert (report.code, report.err) == (0, "")
    assert len(site.occi.created) == 1
    assert site.occi.vms() == []
    left = list(monitor.state.iterdir())
    assert left
    assert {path.stat().st_uid for path in left} == {uid}
    # the endpoint stands in the GOCDB alone, which fails now: the next container knows it from the volume
    federation.gocdb.faults.on("status", code=503)
    report = run("check_occi_vm", "-H", site.hostname, options=options, user=user)
    assert report.first.startswith("OCCI-VM OK - VM active after "), report.out + report.err
    without = [each for each in options if STATE_DIRECTORY not in each]
    assert run("check_occi_vm", "-H", site.hostname, options=without, user=user).code == 3
