"""What the executables make of a state directory in trouble, and what becomes of VMs and results meanwhile.

Nothing that was promised is lost, nothing foreign is deleted, and no run ends with another code than 0 to 3.
"""

from __future__ import annotations

import json
import os
import re
import resource
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator

import pytest

from tests.conftest import ROOT, Monitor, Report, command
from tests.federation.federation import Site
from tests.federation.stomp_responder import Responder
from tests.pace import AMPLE_S, seconds

VM = "check_occi_vm"
TCP = "check_endpoint_tcp"
PUBLISH = "fedcloud-publish"
RESULT = (
    "--publish=stomp://127.0.0.1:9/queue/results",
    "--no-send",
    "--hostname=cloud.example.org",
    "--metric=eu.egi.cloud.OCCI-VM",
    "--service-type=eu.egi.cloud.vm-management.occi",
    "--site=EXAMPLE-CLOUD",
    "--state=OK",
    "--output=fine",
)


@pytest.fixture
def site(monitor: Monitor) -> Site:
    """A cloud with a VM of somebody else's, which is still there at the end."""
    site = monitor.federation.site("rocci")
    site.occi.add_foreign("theirs", "ops")
    return site


def ours(site: Site) -> list[str]:
    return [vm.title or vm.hostname for vm in site.occi.vms() if (vm.title or vm.hostname) != "theirs"]


def creates(site: Site) -> int:
    return sum(each.request.method == "POST" and "/compute" in each.request.path for each in site.web.requests)


def is_untouched(site: Site) -> bool:
    """Whether what is foreign is there, and no whole collection was ever deleted."""
    deleted = [each.request.path for each in site.web.requests if each.request.method == "DELETE"]
    foreign = [vm for vm in site.occi.vms() if (vm.title or vm.hostname) == "theirs"]
    return len(foreign) == 1 and all(re.search(r"/compute/[^/]+$", path) for path in deleted)


def cleaned(monitor: Monitor, site: Site) -> Report:
    """The next run, all trouble being over, is good and leaves nothing of ours."""
    report = monitor.run(VM, "-u", site.url)
    assert (report.code, report.err) == (0, ""), report.out
    assert ours(site) == []
    assert monitor.remembered() == []
    assert is_untouched(site)
    return report


def named(monitor: Monitor) -> None:
    """As after a first run: the monitor has a name."""
    monitor.state.mkdir(mode=0o700)
    (monitor.state / "monitor").write_text("somebody-abcdef\n")


def written(monitor: Monitor, site: Site, name: str, **values: object) -> None:
    """Put an entry into the journal, as a run that was killed would have left it."""
    identity = monitor.federation.authority.robot.subject
    entry = {"title": name, "endpoint": site.base, "identity": identity, "created_at": time.time(), **values}
    (monitor.state / f"{name}.vm").write_text(json.dumps(entry) + "\n")


def with_limits(monitor: Monitor, name: str, *arguments: object, **limits: int) -> Report:
    """Run an executable with limits of the kernel: `nofile=8`, `fsize=0`."""

    def limit() -> None:
        for kind, value in limits.items():
            resource.setrlimit(getattr(resource, f"RLIMIT_{kind.upper()}"), (value, value))

    done = subprocess.run(
        command(name, "--state-dir", monitor.state, *arguments),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        env=monitor.environment,
        cwd="/tmp",
        timeout=AMPLE_S,
        preexec_fn=limit,
    )
    return Report(done.returncode, done.stdout.decode(), done.stderr.decode())


# ---- no room, no writing


MOUNT = """
mount -t tmpfs -o size=64k,mode=700 none "$STATE"
{prepare}
"$@"
"""
FULL = MOUNT.format(prepare='dd if=/dev/zero of="$STATE/filler" bs=1k count=100 2>/dev/null || true')
READ_ONLY = MOUNT.format(prepare='mount -o remount,ro "$STATE"')
OLD_ANSWER_READ_ONLY = MOUNT.format(prepare='cp -p "$KEPT"/* "$STATE"; mount -o remount,ro "$STATE"')


@pytest.fixture
def mounted(monitor: Monitor) -> Callable[..., Report]:
    """Run an executable with a file system of its own for its state: full, or read-only."""
    unshare = ["unshare", "--mount"] if os.geteuid() == 0 else ["unshare", "--user", "--map-root-user", "--mount"]
    if not shutil.which("unshare") or subprocess.run([*unshare, "true"], capture_output=True).returncode:
        pytest.skip("this machine lets us have no mount namespace of our own")

    def run(script: str, name: str, *arguments: object, **environment: object) -> Report:
        monitor.state.mkdir(mode=0o700, exist_ok=True)
        done = subprocess.run(
            [*unshare, "sh", "-ec", script, "sh", *command(name, "--state-dir", monitor.state, *arguments)],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            cwd="/tmp",
            env={**monitor.environment, "STATE": str(monitor.state), **{k: str(v) for k, v in environment.items()}},
            timeout=AMPLE_S,
        )
        return Report(done.returncode, done.stdout.decode(), done.stderr.decode())

    return run


@pytest.mark.parametrize(("script", "why"), [(FULL, "No space left on device"), (READ_ONLY, "Read-only file system")])
def test_where_a_vm_cannot_be_written_down_none_is_made(monitor, site, mounted, script, why):
    report = mounted(script, VM, "-u", site.url)
    assert (report.code, report.err) == (3, "")
    assert report.first == (
        f"OCCI-VM UNKNOWN - state directory {monitor.state} cannot be written: {why} (repair it or give --state-dir)"
    )
    assert creates(site) == 0
    assert is_untouched(site)


@pytest.mark.parametrize(("script", "why"), [(FULL, "No space left on device"), (READ_ONLY, "Read-only file system")])
def test_a_result_that_cannot_be_kept_is_refused_and_not_lost_silently(mounted, script, why):
    report = mounted(script, PUBLISH, *RESULT)
    assert (report.code, report.err) == (3, "")
    assert report.first.startswith("PUBLISH UNKNOWN - ")
    assert why in report.first


@pytest.mark.parametrize(("script", "why"), [(FULL, "No space left on device"), (READ_ONLY, "Read-only file system")])
def test_an_answer_of_the_gocdb_that_cannot_be_kept_is_used_all_the_same(monitor, site, mounted, script, why):
    report = mounted(script, TCP, "-H", site.hostname, "--service-type", "eu.egi.cloud.vm-management.occi")
    assert (report.code, report.err) == (0, ""), report.out
    assert report.first.endswith(
        f"the GOCDB's answer could not be kept for later runs: state directory {monitor.state} cannot be written: {why}"
    )


def test_a_self_check_whose_history_cannot_be_kept_shows_its_results_and_says_so(site, mounted):
    report = mounted(FULL, "fedcloud-selfcheck", site.gocdb_name, "--metric", "org.nagios.OCCI-TCP", "--repeat")
    assert (report.code, report.err) == (3, "")
    assert report.first == "ROCCI-CLOUD: OK - 1 OK; 1 metric in " + report.first.rpartition(" in ")[2]
    assert re.search(r"^Note: state directory \S+ cannot be written: No space left on device", report.out, re.MULTILINE)


def test_a_kept_answer_serves_from_a_read_only_directory(monitor, site, mounted):
    arguments = ("-H", site.hostname, "--service-type", "eu.egi.cloud.vm-management.occi")
    assert monitor.run(TCP, *arguments).code == 0
    kept = monitor.state.rename(monitor.home / "kept")
    monitor.federation.gocdb.faults.on("status", code=503)
    report = mounted(OLD_ANSWER_READ_ONLY, TCP, *arguments, KEPT=kept)
    assert (report.code, report.err) == (0, ""), report.out


@pytest.mark.parametrize("name", [VM, PUBLISH])
def test_a_limit_on_the_size_of_files_is_an_unknown_of_our_own(monitor, site, name):
    report = with_limits(monitor, name, *(("-u", site.url) if name == VM else RESULT), fsize=0)
    assert (report.code, report.err) == (3, "")
    assert "File too large" in report.first
    assert creates(site) == 0


@pytest.mark.parametrize("descriptors", [5, 6, 8])
def test_without_descriptors_a_run_ends_judged_and_the_next_one_cleans(monitor, site, descriptors):
    report = with_limits(monitor, VM, "-u", site.url, "-t", seconds(20), nofile=descriptors)
    assert (report.code, report.err) in [(0, ""), (3, "")], report.out
    lacking = "OCCI-VM UNKNOWN - monitoring host out of file descriptors for this process"
    assert report.code == 0 or report.first.startswith(lacking), report.first
    cleaned(monitor, site)


@pytest.mark.parametrize(
    ("name", "closed"),
    [(VM, ">&-"), (VM, "2>&-"), (VM, "<&- >&- 2>&-"), (PUBLISH, "<&- >&- 2>&-"), ("fedcloud-selfcheck", ">&-")],
)
def test_what_is_printed_never_gets_into_a_file_of_ours(monitor, site, name, closed):
    arguments = {VM: ("-u", site.url), PUBLISH: RESULT, "fedcloud-selfcheck": ("NO-SUCH-SITE", "--repeat")}[name]
    line = command(name, "--state-dir", monitor.state, *arguments)
    done = subprocess.run(
        ["sh", "-c", f'"$@" {closed}', "sh", *line], env=monitor.environment, cwd="/tmp", timeout=AMPLE_S
    )
    assert done.returncode in ((3,) if name == "fedcloud-selfcheck" else (0,))
    for path in monitor.state.rglob("*"):
        assert path.is_dir() or not re.search(r"(OK|UNKNOWN|CRITICAL) - |Traceback", path.read_text()), path
    assert ours(site) == []


# ---- whose directory


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a directory away")
@pytest.mark.parametrize("name", [VM, PUBLISH])
def test_a_state_directory_of_somebody_else_is_refused(monitor, site, name):
    monitor.state.mkdir()
    os.chown(monitor.state, 12345, 12345)
    report = monitor.run(name, *(("-u", site.url) if name == VM else RESULT))
    assert (report.code, report.err) == (3, "")
    assert report.first.endswith(
        f"UNKNOWN - state directory {monitor.state} belongs to uid 12345, not to us (give another --state-dir)"
    )
    assert creates(site) == 0
    assert list(monitor.state.iterdir()) == []


@pytest.mark.parametrize("trap", ["link to a directory of ours", "link to nothing", "open to all"])
def test_a_directory_laid_out_for_us_in_a_shared_place_is_refused(monitor, site, trap):
    elsewhere = monitor.home / "elsewhere"
    if trap == "open to all":
        monitor.state.mkdir()
        monitor.state.chmod(0o777)
    else:
        if trap == "link to a directory of ours":
            elsewhere.mkdir(mode=0o700)
        monitor.state.symlink_to(elsewhere)
    report = monitor.run(VM, "-u", site.url)
    assert (report.code, report.err) == (3, "")
    assert f"state directory {monitor.state} can" in report.first
    assert creates(site) == 0
    assert not elsewhere.exists() or list(elsewhere.iterdir()) == []


def test_links_in_the_place_of_files_are_never_written_through(monitor, site):
    """Symbolic and hard ones: what they lead to stays as it was."""
    assert monitor.run(VM, "-H", site.hostname).code == 0
    precious = monitor.home / "precious"
    precious.write_text("precious\n")
    [answer] = monitor.state.glob("gocdb-*.json")
    for place in (answer, monitor.state / "egi-sam-x-0123456789ab.vm"):
        place.unlink(missing_ok=True)
        place.symlink_to(precious)
    (monitor.state / "egi-sam-y-0123456789ab.vm").hardlink_to(precious)
    monitor.federation.gocdb.faults.clear()
    report = monitor.run(VM, "-H", site.hostname)
    assert (report.code, report.err) == (0, ""), report.out
    assert precious.read_text() == "precious\n"
    assert json.loads(answer.read_text())["endpoints"]
    assert not answer.is_symlink()
    assert ours(site) == []


def test_a_link_in_the_place_of_the_monitors_name_is_refused(monitor, site):
    precious = monitor.home / "precious"
    precious.write_text("precious\n")
    monitor.state.mkdir(mode=0o700)
    (monitor.state / "monitor").symlink_to(precious)
    report = monitor.run(VM, "-u", site.url)
    assert (report.code, report.err) == (3, "")
    assert f"state directory {monitor.state} holds monitor, which cannot be opened" in report.first
    assert precious.read_text() == "precious\n"


# ---- damage


@pytest.fixture
def broker() -> Iterator[Responder]:
    with Responder() as responder:
        yield responder


DAMAGE = {
    "empty": b"",
    "zeros": b"\0" * 4096,
    "other JSON": b'{"at": 1e999, "endpoints": [{"scopes": 5}], "title": 7, "runs": []}',
    "huge number": b'{"at": 1' + b"0" * 400 + b', "endpoints": [], "created_at": 1' + b"0" * 400 + b"}",
    "large": b"x" * (2 << 20),
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_damaged_files_cost_no_run_and_no_vm_of_anybody(monitor, site, damage):
    """Every file of the state directory at once, the journal's among them."""
    assert monitor.run(VM, "-H", site.hostname).code == 0
    name = "egi-sam-somebody-0123456789ab.vm"
    (monitor.state / name).touch()
    files = list(monitor.state.iterdir())
    assert len(files) == 3
    for path in files:
        path.write_bytes(DAMAGE[damage])
    report = monitor.run(VM, "-H", site.hostname)
    assert (report.code, report.err) == (0, ""), report.out
    assert f"this monitor's journal: {name} is damaged and set aside in {monitor.state}" in report.first
    assert (monitor.state / f"{name}.unreadable").read_bytes() == DAMAGE[damage]
    cleaned(monitor, site)


@pytest.mark.parametrize("damage", DAMAGE)
def test_a_damaged_spool_loses_no_other_result(monitor, broker, damage):
    keep = (RESULT[0].replace(":9/", f":{broker.port}/"), *RESULT[1:])
    for _ in range(2):
        assert monitor.run(PUBLISH, *keep).code == 0
    [spool] = monitor.state.glob("spool-*")
    first, second = sorted(spool.glob("*.message"))
    kept = json.loads(second.read_text())["body"]
    for path in (first, spool / "counters", spool / "put-off"):
        path.write_bytes(DAMAGE[damage])
    assert monitor.run(PUBLISH, *keep).code == 0
    report = monitor.run(PUBLISH, RESULT[0].replace(":9/", f":{broker.port}/"), "--drain", "-t", seconds(10))
    assert (report.code, report.err) == (0, ""), report.out
    assert report.first.startswith("PUBLISH OK - 2 results sent to ")
    assert report.performance["dropped"].startswith("1c")
    assert next(body for name, _, body in broker.frames if name == "SEND") == kept
    assert list(spool.glob("*.message")) == []
    assert (spool / f"{first.name}.unreadable").read_bytes() == DAMAGE[damage]


def test_entries_that_say_something_else_delete_nothing_foreign(monitor, site):
    named(monitor)
    changes: list[dict[str, object]] = [
        {"title": ""},
        {"title": "theirs"},
        {"path": "/compute/"},
        {"path": "/compute/../network/"},
        {"path": "/"},
        {"path": "http://elsewhere.test/compute/1"},
        {"path": ["/compute/1"]},
        {"path": "/compute/unknown"},
    ]
    for number, change in enumerate(changes):
        written(monitor, site, f"egi-sam-somebody-{number:012x}", **change)
    report = monitor.run(VM, "-u", site.url)
    assert (report.code, report.err) == (0, ""), report.out
    assert report.first.count("is damaged and set aside") == 2
    assert is_untouched(site)
    asked = [each.request.path for each in site.web.requests]
    assert not any("network" in path or ".." in path for path in asked)


def test_an_entry_with_the_path_of_a_strangers_vm_deletes_nothing(monitor, site):
    named(monitor)
    [foreign] = site.occi.vms()
    written(monitor, site, "egi-sam-somebody-0123456789ab", path=f"/compute/{foreign.id}")
    report = monitor.run(VM, "-u", site.url)
    assert (report.code, report.err) == (0, ""), report.out
    assert is_untouched(site)
    assert monitor.remembered() == ["egi-sam-somebody-0123456789ab.vm"]  # ours may be elsewhere, or still to come


# ---- the clock


@pytest.mark.parametrize("days", [-3650, 3650])
def test_a_clock_that_was_wrong_when_a_vm_was_written_down_loses_none(monitor, site, days):
    """The VM comes into being only after a run that looked for it in vain."""
    named(monitor)
    written(monitor, site, "egi-sam-somebody-0123456789ab", created_at=time.time() + days * 86400)
    assert monitor.run(VM, "-u", site.url).code == 0
    site.occi.add_foreign("egi-sam-somebody-0123456789ab", "ops")
    assert "removed 1 VM that an earlier run had left" in cleaned(monitor, site).first


@pytest.mark.parametrize("days", [-3650, 3650])
def test_a_kept_answer_from_another_time_is_asked_for_anew(monitor, site, days):
    assert monitor.run(TCP, "-H", site.hostname, "--service-type", "eu.egi.cloud.vm-management.occi").code == 0
    [answer] = monitor.state.glob("gocdb-*.json")
    document = json.loads(answer.read_text())
    document["at"] += days * 86400
    document["endpoints"][0]["url"] = "https://elsewhere.test:1"
    answer.write_text(json.dumps(document))
    assert monitor.run(TCP, "-H", site.hostname, "--service-type", "eu.egi.cloud.vm-management.occi").code == 0
    assert json.loads(answer.read_text())["endpoints"][0]["url"] == site.url


def test_after_a_clock_that_was_ahead_results_keep_their_order_and_their_age_is_told(monitor):
    assert monitor.run(PUBLISH, *RESULT).code == 0
    [spool] = monitor.state.glob("spool-*")
    [first] = spool.glob("*.message")
    ahead = (int(time.time()) + 10 * 365 * 86400) * 10**9
    (spool / "counters").write_text(f"{ahead:020} {1:012} {0:012}\n")
    (spool / "put-off").write_text(json.dumps([time.time() + 10 * 365 * 86400, 3]))
    assert monitor.run(PUBLISH, *RESULT).code == 0
    _, second = sorted(spool.glob("*.message"))
    assert int(second.name[:20]) > ahead
    first.unlink()
    hour_ago = time.time() - 3600
    os.utime(second, (hour_ago, hour_ago))
    report = monitor.run(PUBLISH, RESULT[0], "--drain", "-t", seconds(5))
    assert float(report.performance["oldest_age"].split("s")[0]) == pytest.approx(3600, abs=60)


# ---- the end at any moment


STRACE = ("strace", "-f", "-qq", "-o")
STEPS = [("flock", 1), ("fsync", 1), ("renameat", 1), ("fsync", 2), ("fsync", 3), ("unlinkat", 1), ("fsync", 4)]
"""What a run asks of its journal, in this order; the create request comes after the second fsync."""

needs_strace = pytest.mark.needs("strace")


def traced(monitor: Monitor, site: Site, *options: str) -> tuple[Report, list[str]]:
    """Run the check under strace: its report, and the calls that were traced."""
    trace = monitor.home / "trace"
    done = subprocess.run(
        [*STRACE, str(trace), *options, *command(VM, "--state-dir", monitor.state, "-u", site.url, "-t", seconds(20))],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        env=monitor.environment,
        cwd="/tmp",
        timeout=AMPLE_S,
    )
    return Report(done.returncode, done.stdout.decode(), done.stderr.decode()), trace.read_text().splitlines()


@needs_strace
def test_the_intent_is_synced_file_and_directory_before_the_request_goes_out(monitor, site):
    named(monitor)
    report, lines = traced(monitor, site, "-y", "-e", "trace=flock,fsync,renameat,unlinkat,write")
    assert report.code == 0
    state = re.escape(str(monitor.state))
    steps = []
    for line in lines:
        call = re.match(rf"\d+ +(\w+)\(\d+<({state}[^>]*|socket:[^>]*|TCP[^>]*)>", line)
        if call:
            what = "directory" if call[2] == str(monitor.state) else "file" if call[2].startswith("/") else "network"
            steps.append(f"{call[1]} {what}")
    intent = ["flock file", "write file", "fsync file", "renameat directory", "fsync directory"]
    at = steps.index("flock file")
    assert steps[at : at + 5] == intent
    assert set(steps[:at]) == {"write network"}
    # from here on: the request, where the VM is, polls, the deletion, and the end of the entry
    rest = [step for step in steps[at + 5 :] if step != "write network"]
    assert steps[at + 5] == "write network"
    assert rest == ["write file", "fsync file", "unlinkat directory", "fsync directory"]
    assert creates(site) == 1


@needs_strace
@pytest.mark.parametrize(("call", "when"), STEPS)
def test_killed_at_every_write_nothing_is_lost(monitor, site, call, when):
    named(monitor)
    report, _ = traced(monitor, site, "-e", f"trace={call}", "-e", f"inject={call}:signal=KILL:when={when}")
    assert report.code in (-9, 137), report.out
    asked = creates(site) > 0
    assert asked == (STEPS.index((call, when)) > STEPS.index(("fsync", 2)))
    if ours(site):
        assert monitor.remembered() == [f"{title}.vm" for title in ours(site)]
    report = monitor.run(VM, "-u", site.url)
    assert (report.code, report.err, ours(site)) == (0, "", [])
    assert is_untouched(site)


@needs_strace
@pytest.mark.parametrize(("call", "when"), STEPS)
def test_a_disk_that_fails_at_any_write_never_costs_a_vm(monitor, site, call, when):
    named(monitor)
    error = {"flock": "ENOLCK", "renameat": "ENOSPC", "unlinkat": "EROFS"}.get(call, "EIO")
    report, _ = traced(monitor, site, "-e", f"trace={call}", "-e", f"inject={call}:error={error}:when={when}")
    assert report.err == ""
    assert ours(site) == []
    if STEPS.index((call, when)) <= STEPS.index(("fsync", 2)):
        assert report.code == 3
        assert f"state directory {monitor.state} cannot be written" in report.first
        assert creates(site) == 0
    elif (call, when) == ("fsync", 3):  # where the VM is: a convenience
        assert report.code == 0
    else:
        assert report.code == 1
        assert re.search(r"state directory \S+ .*; VM egi-sam-\S+ is gone all the same", report.first)
    cleaned(monitor, site)


def test_two_hundred_runs_at_once_keep_every_result_in_one_order(monitor, memory):
    monitor.state = memory / "state"
    done = subprocess.run(
        [sys.executable, ROOT / "tests/probes/crowd.py", "200", ROOT / "probes" / PUBLISH,
         "--state-dir", monitor.state, *RESULT],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        env=monitor.environment,
        cwd="/tmp",
        timeout=AMPLE_S,
    )  # fmt: skip
    assert done.stderr == ""
    assert done.stdout.split() == ["0"] * 200
    [spool] = monitor.state.glob("spool-*")
    places = [path.name[:20] for path in spool.glob("*.message")]
    assert len(set(places)) == 200
    assert re.fullmatch(r"\d{20} 0{9}200 0{12}\n", (spool / "counters").read_text())
    assert sorted(path.name for path in spool.iterdir() if path.suffix != ".message") == ["counters"]
