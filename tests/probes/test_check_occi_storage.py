"""check_occi_vm --with-storage: a volume is made, attached, detached and removed, and none is left in any case."""

from __future__ import annotations

import json
import os
import re
import signal
from dataclasses import replace
from pathlib import Path

import pytest

from tests.conftest import Monitor
from tests.federation.occi import model
from tests.pace import AMPLE_S, excused, growing, seconds, until
from tests.probes.test_check_occi_vm import OURS, PROBE

CLOUDS = ["occi-os", "ooi", "rocci", "rocci2"]
LINKS = {
    "occi-os": "/storage/link/",
    "ooi": "/storagelink/",
    "rocci": "/link/storagelink/",
    "rocci2": "/storagelink/",
}
"""Where each cloud has its links."""
LEFTOVERS = "fedcloud-leftovers"


def look(monitor: Monitor, site: str, *arguments: object, **options: object):
    return monitor.run(PROBE, "-u", monitor.federation.site(site).url, "--with-storage", *arguments, **options)


def recorded(monitor: Monitor) -> list[str]:
    """The VMs and volumes that the state directory remembers."""
    return sorted(each.name for suffix in ("vm", "volume") for each in monitor.state.glob(f"*.{suffix}"))


def asked(site, method: str) -> list[str]:
    """The paths that were asked so, in order, without the prefix of the endpoint and with ids replaced."""
    return [
        re.sub(
            r"[0-9a-f-]{36}(_[0-9a-f-]{36})?$|\d+(_[0-9a-f]+)?$", "ID", each.request.path.removeprefix(site.occi.path)
        )
        for each in site.web.requests
        if each.request.method == method
    ]


def paths(site, method: str) -> list[str]:
    """The paths that were asked so, in order, as they were."""
    return [each.request.path for each in site.web.requests if each.request.method == method]


def place_of(site) -> str:
    return site.base.partition("://")[2].partition("/")[0]


def announce(site, kind: str, location: str) -> None:
    """Let the endpoint say that the members of a kind are at a location."""
    registry = site.occi.registry
    site.occi.registry = model.Registry(
        replace(each, location=location) if each.id == kind else each for each in registry
    )


def detachment_within(monitor: Monitor, tmp_path: Path, limit_s: float) -> str:
    """A PYTHONPATH with which a detachment gets so long instead of its minute."""
    (tmp_path / "quick").mkdir()
    (tmp_path / "quick" / "sitecustomize.py").write_text(
        f"import libprobe.checks.occi_storage\nlibprobe.checks.occi_storage.DETACH_S = {limit_s}\n"
    )
    return f"{tmp_path / 'quick'}{os.pathsep}{monitor.environment.get('PYTHONPATH', '')}"


def let_last_run_count(monitor: Monitor) -> None:
    """Let the run that failed have waited for as long as is needed to count before the next, however busy we are."""
    [noted] = monitor.state.glob("late-volume-*.json")
    noted.write_text(json.dumps(json.loads(noted.read_text()) | {"waited": 1e6}))


def is_clean(monitor: Monitor, site) -> bool:
    return (site.occi.vms(), site.occi.storages(), site.occi.storage_links(), recorded(monitor)) == ([], [], [], [])


# ---- the good case


@pytest.mark.parametrize("cloud", CLOUDS)
def test_a_volume_is_made_attached_detached_and_removed(monitor, cloud):
    site = monitor.federation.site(cloud)
    foreign = site.occi.add_foreign("theirs", "ops")
    site.occi.add_foreign_storage("their volume", "ops")
    report = look(monitor, cloud, "--storage-size", "3")
    assert re.fullmatch(
        rf"OCCI-VM OK - VM active after [\d.]+ m?s on {re.escape(place_of(site))} "
        rf"\({re.escape(site.image)}, {re.escape(site.resource)}\), volume of 3 GiB attached in [\d.]+ m?s, "
        r"removed in [\d.]+ m?s",
        report.first,
    ), report.out
    assert (report.code, report.err, report.lines) == (0, "", [])
    assert list(report.performance) == [
        "time_to_active",
        "time_to_attach",
        "time_to_create",
        "time_to_delete",
        "time_total",
    ]
    link = LINKS[cloud]
    assert asked(site, "POST") == ["/compute/", "/storage/", link]
    assert asked(site, "DELETE") == [f"{link}ID", "/compute/ID", "/storage/ID"]
    [volume] = [
        each.request for each in site.web.requests if each.request.path.endswith("/storage/") and each.request.body
    ]
    assert b"occi.storage.size=3\n" in volume.body
    [title] = re.findall(rb'occi.core.title="([^"]+)"', volume.body)
    assert OURS.fullmatch(title.decode())
    assert title.decode() not in {name for name, _ in site.occi.created}
    assert [vm.id for vm in site.occi.vms()] == [foreign]
    assert (site.occi.storages(), site.occi.storage_links(), recorded(monitor)) == (["their volume"], [], [])


def test_without_the_option_nothing_of_storage_is_asked(monitor):
    site = monitor.federation.site("ooi")
    report = monitor.run(PROBE, "-u", site.url)
    assert report.code == 0
    assert "volume" not in report.out
    assert not [each.request.path for each in site.web.requests if "storage" in each.request.path]


def test_v_tells_the_volume_and_its_device(monitor):
    report = look(monitor, "rocci", "-v")
    text = "\n".join(report.lines)
    assert report.code == 0
    assert re.search(r"^volume: /storage/\S+ \(egi-sam-[a-z0-9-]+\)$", text, re.MULTILINE)
    assert re.search(r"^volume attached: /link/storagelink/\S+, device /dev/vdb$", text, re.MULTILINE)
    assert re.search(r"^volume detached in ", text, re.MULTILINE)


@pytest.mark.parametrize("size", ["0", "0.5", "1025"])
def test_a_size_that_is_no_whole_number_of_gib_is_refused(monitor, size):
    report = look(monitor, "ooi", f"--storage-size={size}")
    assert report.code == 3
    said = f"usage: argument --storage-size: '{size}' is not a number from 1 to 1024 (see check_occi_vm --help)"
    assert report.first == f"OCCI-VM UNKNOWN - {said}"


def test_a_size_without_storage_is_refused(monitor):
    report = monitor.run(PROBE, "-H", "localhost", "--storage-size", "2")
    said = "usage: --storage-size has no effect without --with-storage (see check_occi_vm --help)"
    assert (report.code, report.first) == (3, f"OCCI-VM UNKNOWN - {said}")


# ---- what the cloud refuses or lacks


def test_a_cloud_without_the_kinds_is_critical_and_nothing_is_made(monitor):
    site = monitor.federation.site("snf")
    report = look(monitor, "snf")
    assert report.code == 2
    assert report.first == f"OCCI-VM CRITICAL - not offered: storage or storagelink, on {place_of(site)}"
    assert site.occi.created == []
    assert recorded(monitor) == []


def test_a_cloud_without_a_volume_service_is_critical_with_its_words_and_keeps_no_entry(monitor):
    site = monitor.federation.site("ooi")
    site.faults.on("no-storage")
    for _ in range(2):
        report = look(monitor, "ooi")
        assert report.code == 2
        assert re.match(
            rf'OCCI-VM CRITICAL - 500 "Unexpected API Error[^"]*" from {re.escape(place_of(site))} '
            "when asked to list the volumes",
            report.first,
        ), report.first
        assert is_clean(monitor, site)
    assert asked(site, "POST") == ["/compute/", "/compute/"]


@pytest.mark.parametrize("code", [400, 403, 413])
def test_a_volume_that_is_refused_is_critical_and_leaves_nothing(monitor, code):
    site = monitor.federation.site("rocci")
    site.faults.on("status", code=code, body="no volumes for you", method="POST", path="/storage/")
    report = look(monitor, "rocci")
    assert report.code == 2
    assert str(code) in report.first or "refuse" in report.first
    assert "when asked to create a volume" in report.first
    assert is_clean(monitor, site)


def test_a_link_that_is_refused_is_critical_and_leaves_nothing(monitor):
    site = monitor.federation.site("ooi")
    site.faults.on("status", code=403, body="not on this host", method="POST", path="/storagelink/")
    report = look(monitor, "ooi")
    assert report.code == 2
    assert "when asked to attach the volume" in report.first
    assert is_clean(monitor, site)


def test_a_volume_that_is_made_still_is_attached_once_it_can_be(monitor):
    """ooi calls it online meanwhile."""
    site = monitor.federation.site("ooi")
    site.faults.on("storage-making", times=3)
    report = look(monitor, "ooi")
    assert report.code == 0, report.out
    assert asked(site, "POST") == ["/compute/", "/storage/", *["/storagelink/"] * 4]
    links = [each for each in site.web.requests if each.request.path.removeprefix(site.occi.path) == "/storagelink/"]
    [detached] = [
        each for each in site.web.requests if each.request.method == "DELETE" and "/storagelink/" in each.request.path
    ]
    # of four requests the first three were refused, at least 0.1 s apart: what the volume's making took is not counted
    longest = detached.request.at - links[2].request.at
    assert float(report.performance["time_to_attach"].partition("s")[0]) <= longest + 0.05
    assert is_clean(monitor, site)


@pytest.mark.parametrize("cloud", ["rocci", "occi-os"])
@pytest.mark.parametrize("state", ["error", "degraded"])
def test_a_volume_that_fails_is_critical_and_removed(monitor, cloud, state):
    site = monitor.federation.site(cloud)
    site.faults.on("storage-offline", state=state)
    report = look(monitor, cloud)
    assert report.code == 2
    assert report.first == (
        f"OCCI-VM CRITICAL - volume went into state {state} instead of online, no reason told, on {place_of(site)}"
    )
    assert is_clean(monitor, site)


@pytest.mark.parametrize(
    ("cloud", "fault", "late"),
    [("rocci", "storage-offline", "still offline"), ("ooi", "storage-making", "not ready to be attached")],
)
def test_a_volume_that_is_late_is_a_warning_then_critical_and_removed(monitor, cloud, fault, late):
    """Also on ooi, which shows each volume as online and refuses the link."""
    site = monitor.federation.site(cloud)
    site.faults.on(fault)
    for code, word, end in ((1, "WARNING", ""), (2, "CRITICAL", ", as in the run .* before")):
        for limit in growing(4):
            report = look(monitor, cloud, "-v", "-t", limit)
            if "active so late" not in report.first:
                break
        assert report.code == code, report.out
        assert re.fullmatch(
            rf"OCCI-VM {word} - volume {late} after [\d.]+ m?s on {re.escape(place_of(site))}, given up{end}",
            report.first,
        ), report.first
        if cloud == "ooi":
            told = [line for line in report.lines if line.startswith("the volume could not be attached yet: ")]
            assert "creating" in told[0]
        assert is_clean(monitor, site)
        let_last_run_count(monitor)


@pytest.mark.parametrize("is_mute", [False, True])
def test_a_volume_for_which_a_late_vm_left_no_time_is_a_warning_that_is_not_counted(monitor, is_mute):
    site = monitor.federation.site("rocci")
    for limit in growing(4):
        site.faults.on("build-seconds", seconds=0.55 * limit)  # of 0.75 for the work, of which 0.25 would do
        if is_mute:
            site.faults.on("held", method="POST", path="/storage/")
        else:
            site.faults.on("storage-offline")
        report = look(monitor, "rocci", "-t", limit)
        site.faults.clear()
        until(site.web.is_idle)
        if "VM still" not in report.first and "not finished" not in report.first:
            break
    assert report.code == 1, report.out
    late = "no complete answer within .*" if is_mute else "volume still offline after .*, given up"
    end = r"; VM active so late that [\d.]+ m?s were left for the volume \(raise -t to wait longer\).*"
    assert re.fullmatch(f"OCCI-VM WARNING - {late}{end}", report.first), report.first
    assert not list(monitor.state.glob("late-volume-*"))
    if is_mute:  # what was held came to be after the run had looked
        assert monitor.run(PROBE, "-u", site.url).code == 0
    assert is_clean(monitor, site)


def test_a_link_that_is_late_is_a_warning_and_goes_with_its_vm(monitor):
    site = monitor.federation.site("rocci")
    site.faults.on("link-inactive")
    report = look(monitor, "rocci", "-t", seconds(4))
    assert report.code == 1
    assert report.first.startswith("OCCI-VM WARNING - volume link still inactive after "), report.first
    assert is_clean(monitor, site)


# ---- what stays


def test_a_volume_that_cannot_be_removed_is_a_warning_and_the_next_run_removes_it(monitor):
    site = monitor.federation.site("rocci")
    site.faults.on("delete-refused", path="/storage/")
    report = look(monitor, "rocci", "-t", seconds(5))
    assert report.code == 1
    assert re.fullmatch(
        r"OCCI-VM WARNING - volume not removed: 304 .*\(egi-sam-[a-z0-9-]+; next run retries\)", report.first
    ), report.first
    assert site.occi.vms() == []
    assert len(site.occi.storages()) == 1
    [name] = recorded(monitor)
    assert name == f"{site.occi.storages()[0]}.volume"
    site.faults.clear()
    report = monitor.run(PROBE, "-u", site.url)  # a run without storage cleans as well
    assert report.code == 0
    assert report.first.endswith("; removed 1 volume that an earlier run had left")
    assert is_clean(monitor, site)


def test_a_link_that_cannot_be_removed_is_a_warning_and_goes_with_its_vm(monitor):
    site = monitor.federation.site("rocci")
    site.faults.on("delete-refused", path="/storagelink/")
    report = look(monitor, "rocci", "-t", seconds(5))
    assert report.code == 1
    assert report.first.startswith("OCCI-VM WARNING - volume not detached: 304 ")
    deleted = asked(site, "DELETE")
    assert deleted[deleted.index("/compute/ID") :] == ["/compute/ID", "/storage/ID"]  # the link went with its VM
    assert is_clean(monitor, site)


def test_a_vm_that_stays_does_not_keep_its_volume(monitor):
    site = monitor.federation.site("rocci")
    site.faults.on("delete-refused", path="/compute/")
    report = look(monitor, "rocci", "-t", seconds(10))
    assert report.code == 1
    assert len(site.occi.vms()) == 1
    assert site.occi.storages() == []
    site.faults.clear()
    assert look(monitor, "rocci").code == 0
    assert is_clean(monitor, site)


def test_a_link_that_stayed_with_its_vm_is_removed_before_the_volume(monitor, tmp_path):
    site = monitor.federation.site("rocci")
    site.faults.on("delete-refused", path="/compute/")
    site.faults.on("status", code=409, method="DELETE", path=LINKS["rocci"])
    quick = detachment_within(monitor, tmp_path, 1.0)
    process = monitor.start(PROBE, "-u", site.url, "--with-storage", "-t", seconds(10), PYTHONPATH=quick)
    until(lambda: "/compute/ID" in asked(site, "DELETE"))
    site.faults.off("status")
    out, _ = process.communicate(timeout=AMPLE_S)
    assert process.returncode == 1, out
    assert (len(site.occi.vms()), site.occi.storages(), site.occi.storage_links()) == (1, [], [])
    assert asked(site, "DELETE")[-2:] == [f"{LINKS['rocci']}ID", "/storage/ID"]
    site.faults.clear()
    assert look(monitor, "rocci").code == 0
    assert is_clean(monitor, site)


@pytest.mark.parametrize("cloud", CLOUDS)
@pytest.mark.parametrize("where", ["/storage/", "link/"])
def test_a_lost_answer_leaves_no_volume(monitor, cloud, where):
    site = monitor.federation.site(cloud)
    path = where if where == "/storage/" else LINKS[cloud]
    site.faults.on("lost-answer", method="POST", path=path, times=1)
    report = look(monitor, cloud)
    assert report.code == 2
    assert is_clean(monitor, site)


@pytest.mark.parametrize(
    ("cloud", "fault"),
    [
        ("occi-os", "no-location"),
        ("rocci", "no-location"),
        ("ooi", "wrong-authority"),
        ("rocci2", "wrong-authority"),
        ("occi-os", "relative-location"),
        ("ooi", "relative-location"),
    ],
)
def test_only_the_path_of_a_location_counts_and_one_that_is_not_told_is_found(monitor, cloud, fault):
    site = monitor.federation.site(cloud)
    site.faults.on(fault)
    report = look(monitor, cloud)
    assert report.code == 0, report.out
    assert is_clean(monitor, site)


def test_a_volume_that_is_a_strangers_is_never_attached_nor_deleted(monitor):
    site = monitor.federation.site("rocci")
    stranger = site.occi.add_foreign_storage("their volume", "ops")
    answer = {"code": 201, "headers": {"Location": f"/storage/{stranger}"}}
    site.faults.on("status", method="POST", path="/storage/", times=1, **answer)
    report = look(monitor, "rocci", "-t", seconds(8))
    assert report.code == 2
    assert report.first.startswith("OCCI-VM CRITICAL - another volume (their volume) given for our new one by ")
    assert site.occi.storages() == ["their volume"]
    assert not [path for path in asked(site, "POST") if "link" in path]
    assert not [path for path in asked(site, "DELETE") if "storage" in path]


@pytest.mark.parametrize("location", ["/storage/", "/compute/{theirs}"])
def test_a_location_that_is_no_volumes_is_never_deleted(monitor, location):
    site = monitor.federation.site("rocci")
    theirs = site.occi.add_foreign("theirs", "ops")
    answer = {"code": 201, "headers": {"Location": location.format(theirs=theirs)}}
    site.faults.on("status", method="POST", path="/storage/", times=1, **answer)
    report = look(monitor, "rocci")
    assert report.code == 2
    [ours] = [identifier for title, identifier in site.occi.created if title != "theirs"]
    assert paths(site, "DELETE") == [f"/compute/{ours}"]
    assert [vm.id for vm in site.occi.vms()] == [theirs]


@pytest.mark.parametrize("cloud", CLOUDS)
def test_a_link_that_is_a_strangers_is_not_taken_for_ours_nor_deleted(monitor, cloud):
    site = monitor.federation.site(cloud)
    theirs = (site.occi.add_foreign("theirs", "ops"), site.occi.add_foreign_storage("their volume", "ops"))
    location = site.occi.add_foreign_link(*theirs, "ops")
    answer = {"code": 201, "headers": {"Location": location}}
    site.faults.on("status", method="POST", path=LINKS[cloud], times=1, **answer)
    report = look(monitor, cloud, "-v")
    assert report.code == 2
    assert re.fullmatch(
        rf"OCCI-VM CRITICAL - another volume link \(to \S*/storage/{theirs[1]}\) given for our new one "
        rf"by {re.escape(place_of(site))}",
        report.first,
    ), report.first
    assert f"the other link: {location}" in report.lines
    assert asked(site, "DELETE") == ["/compute/ID", "/storage/ID"]
    assert (site.occi.storages(), site.occi.storage_links()) == (["their volume"], [theirs])
    assert ([vm.id for vm in site.occi.vms()], recorded(monitor)) == ([theirs[0]], [])


def test_a_link_that_is_given_as_a_volume_is_never_deleted(monitor):
    """Where the links are below the volumes, a link's address is that of a volume by its beginning."""
    site = monitor.federation.site("occi-os")
    theirs = (site.occi.add_foreign("theirs", "ops"), site.occi.add_foreign_storage("their volume", "ops"))
    location = site.occi.add_foreign_link(*theirs, "ops")
    site.faults.on("status", method="POST", path="/storage/", times=1, code=201, headers={"Location": location})
    report = look(monitor, "occi-os")
    said = f"'{location[:60]}', below {LINKS['occi-os']}, for a volume's address from {place_of(site)}"
    assert (report.code, report.first) == (2, f"OCCI-VM CRITICAL - {said}")
    assert asked(site, "DELETE") == ["/compute/ID"]
    assert (site.occi.storages(), site.occi.storage_links()) == (["their volume"], [theirs])
    assert [vm.id for vm in site.occi.vms()] == [theirs[0]]


def test_a_vm_that_is_given_as_a_link_is_never_deleted(monitor):
    """An endpoint that announces its links where its VMs are can give any VM's path for a link's."""
    site = monitor.federation.site("rocci")
    theirs = site.occi.add_foreign("theirs", "ops")
    site.faults.on("held", method="POST", path="/storage/", times=1)
    announce(site, model.STORAGELINK, "/compute/")
    process = monitor.start(PROBE, "-u", site.url, "--with-storage")
    until(lambda: site.web.held == 1)
    answer = {"code": 201, "headers": {"Location": f"/compute/{theirs}"}}
    site.faults.on("status", method="POST", path="/compute/", times=1, **answer)
    site.faults.off("held")
    out, _ = process.communicate(timeout=AMPLE_S)
    said = f"another volume link (of kind compute) given for our new one by {place_of(site)}"
    assert (process.returncode, out.decode().partition(" | ")[0]) == (2, f"OCCI-VM CRITICAL - {said}")
    assert f"/compute/{theirs}" not in paths(site, "DELETE")
    assert [vm.id for vm in site.occi.vms()] == [theirs]
    assert (site.occi.storages(), recorded(monitor)) == ([], [])


def test_a_detachment_without_an_answer_does_not_take_the_time_of_the_run(monitor, tmp_path):
    site = monitor.federation.site("rocci")
    site.faults.on("held", method="DELETE", path=LINKS["rocci"])
    quick = detachment_within(monitor, tmp_path, 1.0)
    process = monitor.start(PROBE, "-u", site.url, "--with-storage", "-t", AMPLE_S * 4, PYTHONPATH=quick)
    until(lambda: site.web.held == 1)
    until(lambda: site.occi.vms() == [])
    site.faults.off("held")
    out, _ = process.communicate(timeout=AMPLE_S)
    if not ("this machine took" in out.decode() and excused(repr(out))):  # where it starved, that is no fault of a site
        assert process.returncode == 1, out
        assert out.decode().startswith("OCCI-VM WARNING - volume not detached: "), out
    assert is_clean(monitor, site)


def test_a_link_that_shows_no_target_is_left_to_go_with_its_vm(monitor):
    site = monitor.federation.site("rocci")
    shown = 'Category: storagelink; scheme="http://schemas.ogf.org/occi/infrastructure#"; class="kind"\n'
    site.faults.on("status", method="GET", path=LINKS["rocci"], code=200, body=shown)
    report = look(monitor, "rocci")
    said = f"volume not detached: its link is shown without a target on {place_of(site)}, so it may be another's"
    assert (report.code, report.first) == (1, f"OCCI-VM WARNING - {said}")
    assert asked(site, "DELETE") == ["/compute/ID", "/storage/ID"]
    assert is_clean(monitor, site)


# ---- ended from outside


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize("path", ["/storage/", "/storagelink/"])
def test_a_signal_cleans_up(monitor, number, path):
    site = monitor.federation.site("ooi")
    site.faults.on("held", method="POST", path=path, times=1)
    process = monitor.start(PROBE, "-u", site.url, "--with-storage")
    until(lambda: site.web.held == 1)
    process.send_signal(number)
    until(lambda: site.occi.vms() == [])
    site.faults.off("held")
    out, _ = process.communicate(timeout=AMPLE_S)
    assert process.returncode == 3
    assert out.decode().startswith("OCCI-VM UNKNOWN - interrupted by ")
    until(site.web.is_idle)
    if recorded(monitor):  # what was held came to be after the run had looked
        assert monitor.run(PROBE, "-u", site.url).code == 0
    assert is_clean(monitor, site)


@pytest.mark.parametrize("cloud", CLOUDS)
@pytest.mark.parametrize("moment", ["volume", "link"])
def test_killed_the_next_run_removes_link_vm_and_volume(monitor, cloud, moment):
    site = monitor.federation.site(cloud)
    foreign = site.occi.add_foreign_storage("their volume", "ops")
    path = "/storage/" if moment == "volume" else LINKS[cloud]
    site.faults.on("late-answer", seconds=AMPLE_S, method="POST", path=path, times=1)
    process = monitor.start(PROBE, "-u", site.url, "--with-storage")
    until(lambda: len(site.occi.storages()) == 2 if moment == "volume" else site.occi.storage_links() != [])
    process.kill()
    process.communicate()
    assert len(recorded(monitor)) == 2
    report = monitor.run(PROBE, "-u", site.url)
    assert report.code == 0, report.out
    assert report.first.endswith(
        "; removed 1 VM that an earlier run had left; removed 1 volume that an earlier run had left"
    )
    assert site.occi.storages() == ["their volume"]
    assert foreign
    assert (site.occi.vms(), site.occi.storage_links(), recorded(monitor)) == ([], [], [])


def test_fedcloud_leftovers_lists_and_removes_volumes(monitor):
    site = monitor.federation.site("ooi")
    site.faults.on("late-answer", seconds=AMPLE_S, method="POST", path="/storagelink/", times=1)
    process = monitor.start(PROBE, "-u", site.url, "--with-storage")
    until(lambda: site.occi.storage_links() != [])
    process.kill()
    process.communicate()
    listed = monitor.run(LEFTOVERS)
    assert listed.code == 0
    assert re.match(r"LEFTOVERS OK - 1 VM and 1 volume left, ", listed.first), listed.out
    assert re.search(r"\(/occi1.1/storage/[0-9a-f-]+\)", "\n".join(listed.lines))
    removed = monitor.run(LEFTOVERS, "--remove")
    assert removed.code == 0, removed.out
    assert removed.first.startswith("LEFTOVERS OK - nothing is left")
    assert is_clean(monitor, site)
