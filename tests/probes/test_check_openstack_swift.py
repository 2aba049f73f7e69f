"""check_openstack_swift against the Swift of a federation's OpenStack sites: what people see, and what is left."""

from __future__ import annotations

import re
import time
from contextlib import nullcontext
from types import SimpleNamespace

import pytest

from libprobe.checks import objects
from libprobe.checks.objects import remove_container
from libprobe.clients.refusals import ServerError
from libprobe.clients.swift import ListedObject
from libprobe.deadline import Deadline, OutOfTime
from libprobe.failures import EndpointFailure, NoAnswer
from libprobe.state.files import StateDirectory
from libprobe.state.journal import CONTAINER_SUFFIX, Journal
from tests import planted
from tests.conftest import Monitor, Report, at
from tests.federation.keystone import ISSUER
from tests.pace import AMPLE_S, seconds, until

PROBE = "check_openstack_swift"
HOST = "stack.fedcloud.test"
TIME = r"[\d.]+ m?s"
CONTAINER = r"egi-sam-[a-z0-9-]+-[0-9a-f]{12}"
AT = r"localhost:\d+"
ACCOUNT = r"https://localhost:\d+/v1/AUTH_[0-9a-f]{32}"
LABELS = {"size", "time_to_login", "time_to_put", "time_to_get", "time_to_delete"}


class Store:
    """The site that is looked at, from the inside and as a monitor."""

    def __init__(self, monitor: Monitor) -> None:
        self.monitor = monitor
        self.cloud = monitor.federation.cloud("stack")
        self.keystone = self.cloud.keystone
        self.swift = self.cloud.swift
        self.web = monitor.federation.service("stack-swift").web

    def look(self, *words: object, host: str = HOST) -> Report:
        return self.monitor.run(PROBE, "-H", host, *words)

    def journal(self) -> list[str]:
        return sorted(path.name.removesuffix(".container") for path in self.monitor.state.glob("*.container"))

    def asked(self, method: str, end: str = "") -> list[str]:
        return [
            each.request.path
            for each in self.web.requests
            if each.request.method == method and each.request.path.endswith(end)
        ]

    def with_token(self, **claims: object) -> tuple[str, object]:
        """The option for an access token that the site knows."""
        token = planted.jwt(iss=ISSUER, **{"exp": time.time() + 3600, **claims})
        self.keystone.register_access_token(token)
        file = self.monitor.home / "token"
        file.write_text(token)
        file.chmod(0o600)
        return "--token-file", file

    def with_keystone_token(self) -> tuple[str, object]:
        """The option for a token of the site's Keystone, one that an earlier run has got there."""
        file = self.monitor.home / "keystone-token"
        file.write_text(next(each.id for each in self.keystone.tokens.values() if each.project == "ops"))
        file.chmod(0o600)
        return "--keystone-token-file", file


@pytest.fixture
def store(monitor) -> Store:
    return Store(monitor)


def expect(report: Report, code: int, pattern: str) -> None:
    report.expect("OpenStack-Swift", code, pattern)


# ---- all is well


def test_a_host_alone_is_enough(store):
    report = store.look()
    expect(
        report,
        0,
        rf"1 MiB stored in {TIME} in RegionOne of {at(store.cloud.url)} \(project ops\), read back in {TIME}, "
        rf"removed in {TIME}",
    )
    assert set(report.performance) == LABELS
    assert report.performance["size"] == "1048576B;;;0"
    limits = {"time_to_login": ";;;0", "time_to_put": ";30;;0", "time_to_get": ";30;;0", "time_to_delete": ";;;0"}
    for label, ends in limits.items():
        assert re.fullmatch(rf"[\d.]+s{ends}", report.performance[label]), label
    assert (len(store.swift.made), store.swift.containers(), store.journal()) == (1, {}, [])


def test_a_host_name_that_ends_with_a_dot_is_the_same_host(store):
    """It is looked up in the GOCDB, and sent to a server, without it; in -u as well."""
    where = rf"1 MiB stored in {TIME} in RegionOne of {at(store.cloud.url)} \(project ops\), .*"
    expect(store.look(host=f"{HOST}."), 0, where)
    expect(store.monitor.run(PROBE, "-u", store.cloud.url.replace("//localhost:", "//localhost.:")), 0, where)
    keystone = store.monitor.federation.service("stack-keystone").web
    assert {each.request.headers.get("Host") for each in keystone.requests} == {at(store.cloud.url)}


def test_every_way_to_log_in(store):
    expect(store.look(*store.with_token()), 0, r"1 MiB stored .* \(project ops\), .*")
    expect(store.look(*store.with_keystone_token()), 0, r"1 MiB stored .* \(project ops\), .*")
    assert store.monitor.run(PROBE, "-u", store.cloud.url).code == 0
    assert len(store.swift.made) == 3


def test_what_is_stored_is_as_large_as_was_asked_and_like_no_other(store):
    contents = []
    for size in ("1", "65536", "200001"):
        report = store.look("--size", size)
        assert report.code == 0, report.out
        assert report.performance["size"] == f"{size}B;;;0"
        [sent] = [each.request.body for each in store.web.requests if each.request.path.endswith("/probe")][:1]
        store.web.requests.clear()
        contents.append(sent)
    assert [len(each) for each in contents] == [1, 65536, 200001]
    assert len({contents[2][at : at + 65536] for at in range(0, 196608, 65536)}) == 3


def test_memory_does_not_grow_with_the_object(store):
    small, at_small = store.monitor.measured(PROBE, "-H", HOST, "--size", "1KiB")
    large, at_large = store.monitor.measured(PROBE, "-H", HOST, "--size", "40MiB", "-t", seconds(60))
    assert (small.code, large.code) == (0, 0), large.out
    assert at_large - at_small < 8 << 10


def test_each_region_is_tried_or_the_one_that_is_named(store):
    cloud = store.monitor.federation.cloud("regions")
    report = store.look(host="regions.fedcloud.test")
    expect(report, 0, r"1 MiB stored in .* in RegionOne and RegionTwo of .*")
    assert set(report.performance) == LABELS
    assert [len(swift.made) for swift in cloud.swifts.values()] == [1, 1]
    assert store.look("--region", "RegionTwo", host="regions.fedcloud.test").code == 0
    assert [len(swift.made) for swift in cloud.swifts.values()] == [1, 2]
    report = store.look("--region", "Regiontwo", host="regions.fedcloud.test")
    expect(
        report,
        3,
        r"no region Regiontwo, which --region names, in the catalogue of localhost:\d+ "
        r"\(choose one that it has, with its capitals: "
        r"RegionTwo, RegionOne\)",
    )


def test_a_region_that_fails_does_not_hide_the_other(store):
    cloud = store.monitor.federation.cloud("regions")
    cloud.swifts["RegionOne"].faults.on("swift-quota")
    report = store.look("-v", host="regions.fedcloud.test")
    expect(report, 2, rf'413 "Upload exceeds quota" from {AT} when asked to store an object of 1 MiB')
    assert [len(swift.made) for swift in cloud.swifts.values()] == [1, 1]
    assert [swift.containers() for swift in cloud.swifts.values()] == [{}, {}]


# ---- the cloud's own words


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        (
            {"name": "swift-quota"},
            r'413 "Upload exceeds quota" from {AT} when asked to store an object of 1 MiB',
        ),
        ({"name": "swift-devices"}, r"503 Service Unavailable from {AT} when asked to make a container"),
        (
            {"name": "swift-devices", "lost": 3, "path": "/probe", "method": "PUT"},
            r"404 Not Found from {AT} when asked to store an object of 1 MiB; it had just made the container, so its "
            r"disks may fail",
        ),
        (
            {"name": "status", "code": 507, "method": "PUT", "path": "/probe"},
            r"507 .* from {AT} when asked to store an object of 1 MiB",
        ),
        (
            {"name": "swift-damaged", "at": 70_000},
            r"other bytes than were stored, from byte 70000 of 1048576 on, from {AT}",
        ),
        (
            {"name": "swift-cut", "bytes": 100},
            r"other bytes than were stored, from byte 1048476 of 1048576 on, from {AT}",
        ),
        ({"name": "swift-etag"}, r"object stored with another MD5 than was sent on {AT}"),
        ({"name": "refuse"}, r"connection refused by {AT} \(127\.0\.0\.1\)"),
    ],
    ids=["quota", "two disks lost", "three disks lost", "507", "damaged", "cut off", "etag", "refused"],
)
def test_what_the_site_does_wrong_is_critical_and_nothing_stays(store, fault, said):
    if fault["name"] == "refuse":
        store.web.stop()
    else:
        store.swift.faults.on(**fault)
    try:
        report = store.look("-t", seconds(30))
    finally:
        store.web.start()
    expect(report, 2, said.replace("{AT}", AT))
    assert store.swift.containers() == {}


def test_without_a_role_that_may_store_the_roles_are_told(store):
    store.keystone.faults.on("ks-role", role="reader")
    report = store.look()
    expect(
        report,
        2,
        rf"403 Forbidden from {AT} when asked to make a container; our roles in project ops: reader",
    )
    assert store.journal() == []


def test_a_swift_that_cannot_ask_keystone_is_told_as_that(store):
    store.swift.faults.on("swift-no-keystone")
    refused = rf"401 Unauthorized from {AT} when asked to make a container; "
    expect(
        store.look(),
        2,
        rf"{refused}Keystone takes this token, so Swift cannot ask it, or asks another one",
    )
    store.keystone.faults.on("status", code=503, method="GET", path="/v3/auth/tokens")
    expect(
        store.look(),
        2,
        rf"{refused}Keystone is out of order: 503 Service Unavailable from {AT}",
    )


def test_a_catalogue_without_swift_is_the_sites_fault(store):
    said = {"type": "compute", "endpoints": [{"interface": "public", "region": "R", "url": "https://h/"}]}
    store.keystone.faults.on("ks-catalogue", catalogue=[said])
    expect(
        store.look(), 2, rf"no region with a public endpoint of object-store in the catalogue of {AT}; R \(compute\)"
    )


def test_the_projects_token_goes_nowhere_but_to_https(store):
    url = f"http://localhost:{store.web.port}/v1/AUTH_x"
    said = {"type": "object-store", "endpoints": [{"interface": "public", "region": "R", "url": url}]}
    store.keystone.faults.on("ks-catalogue", catalogue=[said])
    expect(
        store.look(),
        3,
        rf"object-store not asked: the catalogue has it at {url}, where nothing would encrypt our token, says {AT} .*",
    )
    assert store.web.connections == 0 or store.asked("PUT") == []


def test_a_redirect_is_not_followed(store):
    store.web.faults.on("redirect", to="https://localhost:1/elsewhere")
    report = store.look("-t", seconds(30))
    expect(
        report,
        2,
        rf"redirect to https://localhost:1/elsewhere \(302\) from {AT} when asked to make a container; our token .*",
    )


# ---- whose fault


def test_our_own_faults_are_unknown(store):
    expect(store.look("--token-file", "/nonexistent/token"), 3, "access token /nonexistent/token cannot be read: .*")
    expired = store.with_token(exp=time.time() - 7200)
    ended = rf"our access token of {ISSUER} expired 2 h ago \(.* UTC\) in {expired[1]}"
    expect(store.look(*expired), 3, rf"{ended} \(write a new one there\)")
    expect(
        store.look("--project", "nosuch"), 3, rf"no project nosuch for us, which --project names, on {AT} \(choose .*"
    )
    expect(
        store.look("--keystone-token-file", store.with_token()[1]),
        3,
        rf"our Keystone token is unknown or has ended \(401 .*\) from {AT} \(get a new one .*\)",
    )
    assert store.swift.made == []


def test_a_keystone_token_of_ours_that_ends_before_anything_is_made_leaves_nothing_to_remove(store):
    """What is refused with it is not made: no container is told that stays, and no later run looks for one."""
    assert store.look().code == 0
    store.web.faults.on("held", method="PUT", path="egi-sam-", times=1)
    process = store.monitor.start(PROBE, "-H", HOST, *store.with_keystone_token())
    until(lambda: store.web.held == 1)
    store.keystone.faults.on("ks-tokens-forgotten")
    store.web.faults.off("held")
    out, _ = process.communicate()
    first = out.decode().splitlines()[0]
    assert process.returncode == 3, first
    assert re.match(r"OpenStack-Swift UNKNOWN - our Keystone token is unknown by now or has ended \(401\) from ", first)
    assert "not removed" not in first
    assert (len(store.swift.made), store.journal()) == (1, [])


def test_a_site_that_does_not_take_a_good_token_is_at_fault(store):
    token = store.with_token()
    store.keystone.faults.on("ks-introspection-down")
    expect(
        store.look(*token),
        2,
        r'our access token refused \(401 "Reference token could not be '
        rf'introspected"\) from {AT}; it is of that issuer '
        r"and has not ended \(.*\)",
    )


def test_a_token_of_no_project_is_never_used(store):
    store.keystone.faults.on("ks-unscoped")
    expect(store.look(), 2, rf"the token is of no project in the answer of {AT}")
    assert store.web.requests == []


def test_a_site_that_does_not_answer_is_critical_and_what_may_come_is_looked_for(store):
    store.web.faults.on("mute", method="PUT")
    report = store.look("-t", seconds(4))
    expect(report, 2, rf"no complete answer within .* from {AT}.*")
    assert len(store.journal()) == 1


# ---- warnings


def test_an_object_that_is_not_listed_is_a_warning(store):
    store.swift.faults.on("swift-unlisted")
    report = store.look("-t", seconds(60))
    expect(report, 1, rf"object not in the container's list {TIME} after it was stored on {AT}")
    assert store.swift.containers() == {}


def test_too_slow_is_a_warning(store):
    report = store.look("-w", "0.001ms")
    late = rf"1 MiB stored only after {TIME} on {AT} \(limit 0\.001ms\)"
    expect(report, 1, rf"{late}; 1 MiB read back only after {TIME} \(limit 0\.001ms\)")


def test_another_vos_project_is_a_warning_or_refused(store):
    store.keystone.register_access_token(token := planted.token(), vos=("fedcloud.egi.eu",))
    file = store.monitor.home / "token"
    file.write_text(token)
    file.chmod(0o600)
    expect(
        store.look("--token-file", file),
        1,
        rf"acts in project fedcloud\.egi\.eu, which is not one of VO ops by its name, on {AT} "
        r"\(if it is meant, name it with --project\)",
    )
    expect(
        store.look("--token-file", file, "--vo", "ops"),
        3,
        rf"no project of VO ops, which --vo names, on {AT}; offered are .*",
    )


def test_a_container_that_cannot_be_emptied_is_a_warning_and_named(store):
    store.swift.faults.on("status", code=503, method="DELETE")
    report = store.look("-t", seconds(8))
    [container] = store.swift.containers()
    expect(
        report,
        1,
        rf"container not removed: 503 Service Unavailable from {AT} when asked to delete an object "
        rf"\({container}; next run retries\)",
    )
    assert store.journal() == [container]
    store.swift.faults.clear()
    expect(store.look(), 0, r"1 MiB stored .*; removed 1 container that an earlier run had left")
    assert (store.swift.containers(), store.journal()) == ({}, [])


class _Failing:
    """A store whose deletions fail one after the other, the last for ever; its container has the object still."""

    base = "https://store.example.org/v1/AUTH_a"

    def __init__(self, *failures: EndpointFailure) -> None:
        self.failures = list(failures)
        self.now = 0.0

    def using_deadline(self, _deadline: Deadline) -> nullcontext[None]:
        return nullcontext()

    def delete(self, _container: str, _name: str = "") -> bool:
        self.now += 0.1
        raise self.failures.pop(0) if len(self.failures) > 1 else self.failures[0]

    def list_objects(self, _container: str) -> list[ListedObject]:
        return [ListedObject("probe", 1, "")]


@pytest.mark.parametrize(
    ("failures", "told"),
    [
        ([ServerError("503 Service Unavailable", 503), NoAnswer("no complete answer")], "503 Service Unavailable"),
        ([NoAnswer("no complete answer"), ServerError("503 Service Unavailable", 503)], "503 Service Unavailable"),
        ([ServerError("500 Internal Error", 500), ServerError("503 Service Unavailable", 503)], "503 Service"),
        ([NoAnswer("no complete answer")], "no complete answer"),
    ],
)
def test_a_last_try_that_is_cut_off_does_not_hide_why_a_container_stays(failures, told):
    store = _Failing(*failures)
    with pytest.raises(EndpointFailure, match=told):
        remove_container(store, "egi-sam-vm-abc", Deadline(0.5, clock=lambda: store.now))


def test_an_object_that_comes_back_wrong_and_stays_is_told_with_both_the_worse_first(store):
    store.swift.faults.on("swift-damaged", at=70_000)
    store.swift.faults.on("status", code=503, method="DELETE")
    report = store.look("-t", seconds(8), "-v")
    [container] = store.swift.containers()
    expect(
        report,
        2,
        rf"other bytes than were stored, from byte 70000 of 1048576 on, from {AT}; "
        rf"container not removed(?:: 503 Service Unavailable)? \({container}; next run retries\)",
    )
    assert len(report.first) <= 200 + len("OpenStack-Swift CRITICAL - ")
    assert re.search(rf"container not removed: 503 .* when asked to delete an object \({container}; ", report.out)
    store.swift.faults.clear()
    assert store.look().code == 0
    assert (store.swift.containers(), store.journal()) == ({}, [])


def test_what_others_have_put_into_our_container_is_not_touched(store):
    store.swift.faults.on("status", code=503, method="DELETE")
    store.look("-t", seconds(8))
    store.swift.faults.clear()
    [container] = store.swift.containers()
    theirs = store.swift.containers()[container].pop("probe")
    store.swift.containers()[container]["theirs"] = theirs
    report = store.look("-t", seconds(8))
    expect(
        report,
        1,
        rf"container of an earlier run not removed: 409 Conflict from {AT} when asked to delete a container; it has "
        rf"objects that are not ours: theirs \({container}; next run retries\)",
    )
    assert list(store.swift.containers()[container]) == ["theirs"]


def test_a_container_that_is_said_to_be_gone_while_disks_fail_is_looked_for_later(store):
    store.swift.faults.on("swift-devices", lost=4, method="DELETE")
    report = store.look("-t", seconds(20))
    [container] = store.swift.containers()
    expect(report, 1, rf"container not removed: it is said not to be there \(404\) \({container}; next run retries\)")
    assert store.journal() == [container]
    assert store.look().code == 1
    store.swift.faults.clear()
    assert store.look().code == 0
    assert (store.swift.containers(), store.journal()) == ({}, [])


@pytest.mark.parametrize("fault", [{"name": "status", "code": 503}, {"name": "mute"}], ids=["down", "mute"])
def test_an_object_that_was_never_stored_does_not_keep_its_container(store, fault):
    """As with all object servers down: the container is there, empty, and can be removed."""
    store.web.faults.on(**fault, path="/probe")
    report = store.look("-t", seconds(12))
    assert report.code == 2, report.out
    assert len(store.swift.made) == 1
    assert (store.swift.containers(), store.journal()) == ({}, [])


@pytest.mark.parametrize("fault", ["swift-kept", "html", "status"])
def test_a_container_that_stays_though_its_deletion_was_answered_with_success_is_not_gone(store, fault):
    on = store.swift.faults if fault == "swift-kept" else store.web.faults
    on.on(fault, method="DELETE", path="egi-sam-", **({"code": 200} if fault == "status" else {}))
    report = store.look("-t", seconds(20))
    assert report.code == 1, report.out
    assert re.search(rf"container not removed: .* \({CONTAINER}; next run retries\)", report.first)
    assert store.journal() == list(store.swift.containers())
    on.clear()
    expect(store.look(), 0, "1 MiB stored in .*; removed 1 container that an earlier run had left")
    assert (store.swift.containers(), store.journal()) == ({}, [])


def test_one_that_is_seen_for_a_moment_after_its_deletion_is_waited_for(store):
    store.swift.faults.on("swift-kept", times=2)
    assert store.look().code == 0
    assert (store.swift.containers(), store.journal()) == ({}, [])


def test_a_list_that_cannot_be_had_says_nothing_of_a_container_that_was_deleted(store):
    store.web.faults.on("status", code=503, method="GET", path="egi-sam-")
    report = store.look("-v")
    assert report.code == 2
    assert "not removed" not in report.out
    assert (store.swift.containers(), store.journal()) == ({}, [])


@pytest.mark.parametrize("code", [401, 403, 413])
def test_a_container_that_was_made_though_the_store_refused_to_is_removed(store, code):
    store.swift.faults.on("swift-refused", code=code)
    report = store.look("-v")
    assert report.code == 2, report.out
    assert f" - {code} " in report.first and "when asked to make a container" in report.first
    assert re.search(rf"container {CONTAINER} made that was refused, on {AT}; it was removed", report.out)
    assert (len(store.swift.made), store.swift.containers(), store.journal()) == (1, {}, [])


@pytest.mark.parametrize(("code", "kept"), [(403, 0), (503, 1)])
def test_where_a_refusal_cannot_be_looked_into_that_changes_nothing_of_the_result(store, code, kept):
    store.swift.faults.on("swift-refused", code=413, times=1)
    store.web.faults.on("status", code=code, method="DELETE")
    report = store.look("-t", seconds(20))
    assert report.code == 2
    assert " - 413 " in report.first and "when asked to make a container" in report.first
    assert len(store.journal()) == kept
    store.web.faults.clear()
    assert store.look().code == 0
    assert len(store.swift.containers()) == 1 - kept


# ---- killed


@pytest.mark.parametrize("half", [0, 1])
def test_killed_at_any_moment_the_next_run_leaves_nothing_of_ours_and_all_else(store, half):
    """Fifty moments, from the start of the process to its end."""
    foreign = {"theirs", "egi-sam-other-monitor-0123456789ab"}
    for name in foreign:
        store.swift.containers()[name] = {}
    store.web.faults.on("slow", seconds=0.08)
    for step in range(half, 50, 2):
        process = store.monitor.start(PROBE, "-H", HOST)
        time.sleep(0.05 + step * 0.03)
        process.kill()
        process.communicate()
        until(store.web.is_idle)  # what it had sent may have been carried out only now
        if step % 10 < 8:
            continue  # what several runs have left is removed by one
        report = store.look()
        assert (report.code, report.err) == (0, ""), report.out
        assert set(store.swift.containers()) == foreign
    assert not [path for path in store.asked("DELETE") if any(name in path for name in foreign)]


BETWEEN = [("PUT", ""), ("PUT", "/probe"), ("GET", "/probe"), ("DELETE", "/probe")]


@pytest.mark.parametrize(("method", "end"), BETWEEN)
def test_killed_between_request_and_answer_it_is_found_by_its_title(store, method, end):
    store.web.faults.on("late-answer", seconds=AMPLE_S, method=method, path=end or "egi-sam-", times=1)
    process = store.monitor.start(PROBE, "-H", HOST)
    until(lambda: store.web.faults.get("late-answer") is None)
    process.kill()
    process.communicate()
    assert len(store.swift.made) == 1
    assert len(store.journal()) == 1
    report = store.look()
    assert report.code == 0, report.out
    assert (store.swift.containers(), set(store.journal()) & set(store.swift.containers())) == ({}, set())


def test_a_signal_that_ends_a_run_leaves_nothing(store):
    store.web.faults.on("held", method="GET", path="/probe", times=1)
    process = store.monitor.start(PROBE, "-H", HOST)
    until(lambda: store.web.held == 1)
    assert store.swift.containers()[store.swift.made[0]]
    process.terminate()
    out, _ = process.communicate()
    assert (process.returncode, out.decode().startswith("OpenStack-Swift UNKNOWN - interrupted by SIGTERM")) == (
        3,
        True,
    ), out
    assert (store.swift.containers(), store.journal()) == ({}, [])


def test_another_monitors_containers_are_not_touched(federation, tmp_path):
    first, second = (Monitor(federation, tmp_path / name) for name in ("first", "second"))
    for monitor in (first, second):
        monitor.home.mkdir()
    store = Store(first)
    store.swift.faults.on("status", code=503, method="DELETE")
    assert store.look("-t", seconds(8)).code == 1
    store.swift.faults.clear()
    [left] = store.swift.containers()
    assert second.run(PROBE, "-H", HOST).code == 0
    assert list(store.swift.containers()) == [left]
    assert store.look().code == 0
    assert store.swift.containers() == {}


def left_by_earlier_runs(tmp_path, count: int) -> tuple[objects.ObjectStore, SimpleNamespace, Journal]:
    """A check that has come to an object store, in whose journal this number of containers are, and that journal."""
    http = SimpleNamespace(using_deadline=lambda _: nullcontext())
    access = SimpleNamespace(cloud=SimpleNamespace(http=http, scope=SimpleNamespace(project="ops")))
    endpoint = SimpleNamespace(base="https://keystone.example.org:5000/v3", notes=())
    journal = Journal(StateDirectory(str(tmp_path / "state")), CONTAINER_SUFFIX)
    check = objects.ObjectStore(endpoint, access, journal, Deadline(AMPLE_S), wanted=1, region="")
    swift = SimpleNamespace(base="https://swift.example.org/v1/AUTH_1")
    for _ in range(count):
        journal.begin(swift.base, "project ops").release()
    return check, swift, journal


def test_each_of_several_left_overs_has_its_share_of_the_time(tmp_path, monkeypatch):
    """One whose deletion is refused at each run would else keep the others for ever."""
    check, swift, journal = left_by_earlier_runs(tmp_path, 3)
    given: list[float] = []
    monkeypatch.setattr(
        objects, "remove_container", lambda store, title, until: given.append(until.remaining()) or True
    )
    check._remove_leftovers(swift, Deadline(AMPLE_S))
    whole = AMPLE_S * objects.LEFTOVERS_SHARE
    for seconds_given, share in zip(given, (3, 2, 1), strict=True):
        assert 0 < seconds_given <= whole / share
    assert given[0] > whole / 4
    assert check._notes == ["removed 3 containers that an earlier run had left"]
    assert journal.leftovers(swift.base, "project ops") == []


def test_left_overs_that_no_time_was_left_for_are_told_as_that_and_not_as_a_fault_of_the_site(tmp_path, monkeypatch):
    check, swift, journal = left_by_earlier_runs(tmp_path, 3)
    monkeypatch.setattr(objects, "remove_container", lambda *_: pytest.fail("it was asked for"))
    check._remove_leftovers(swift, Deadline(0))
    [told] = check._metrics
    entries = journal.leftovers(swift.base, "project ops")
    first = entries[0].title
    said = f"3 containers of earlier runs not looked for: no time was left ({first} and 2 others; next run retries)"
    assert (told.value.status, told.value.sentence, check._notes) == (1, said, [])
    assert len(entries) == 3, "they are free for the next run"


@pytest.mark.parametrize("step", ["_remove_leftovers", "_store"])
def test_time_that_is_up_while_the_store_is_asked_is_told_of_the_store_and_not_of_its_keystone(
    tmp_path, monkeypatch, step
):
    def end(*_):
        raise OutOfTime

    check, swift, _ = left_by_earlier_runs(tmp_path, 0)
    swift.region = "RegionOne"
    now = 0.0
    check.deadline = Deadline(60, clock=lambda: now)
    now = 60.0
    check.deadline.waits.add(50, 50)
    monkeypatch.setattr(check, step, end)
    monkeypatch.setattr(check, "_clean_up", lambda *_: None)
    check._endpoint.site = "SITE"
    assert check._try_region(swift, Deadline(AMPLE_S), Deadline(AMPLE_S)) is None
    [told] = check._metrics
    said = "not finished within 60 s by swift.example.org:443 (raise -t to wait longer)"
    assert (told.value.status, told.value.sentence) == (2, said)
