"""fedcloud-leftovers on OpenStack: VMs of Nova and containers of Swift, listed, removed, or named with the reason."""

from __future__ import annotations

import json
import re
import signal
import time

import pytest

from tests.conftest import Monitor
from tests.federation.keystone import user_id
from tests.pace import seconds, until
from tests.probes.test_check_occi_vm_orphans import left_over
from tests.probes.test_check_openstack_swift import Store
from tests.probes.test_check_openstack_vm import Site

PROGRAM = "fedcloud-leftovers"
OWNER = r"/DC=test/.* ops"
AGO = r"asked for [\d.]+ m?(?:s|in) ago"
ELSEWHERE = "https://localhost:1"


@pytest.fixture
def site(monitor) -> Site:
    return Site(monitor)


def left_server(site: Site) -> str:
    """A VM of ours that a run has left; returns its title."""
    site.nova.faults.on("nova-locked")
    assert site.look("-t", seconds(8)).code == 1
    site.nova.faults.clear()
    [title] = site.ours()
    return title


def left_with_key(site: Site) -> str:
    """A VM that a run with --boot has left, and its keypair; returns their title."""
    site.nova.faults.on("nova-console", output="")
    process = site.monitor.start("check_openstack_vm", "-H", site.cloud.hostname, "--boot")
    until(lambda: any(path.endswith("/action") for path in site.asked("POST")))
    process.send_signal(signal.SIGKILL)
    process.communicate()
    site.nova.faults.clear()
    [title] = site.ours()
    assert list(site.nova.keys) == [title]
    return title


def left_container(monitor: Monitor) -> str:
    """Likewise, a container."""
    store = Store(monitor)
    store.swift.faults.on("status", code=503, method="DELETE")
    assert store.look("-t", seconds(8)).code == 1
    store.swift.faults.clear()
    [title] = store.swift.containers()
    return title


def change(monitor: Monitor, suffix: str, **values: object) -> None:
    [file] = monitor.state.glob(f"*.{suffix}")
    with file.open("a") as journal:
        journal.write(json.dumps(values) + "\n")


def asked(monitor: Monitor) -> list[str]:
    names = ("stack-keystone", "stack-nova", "stack-swift")
    return [each.request.path for name in names for each in monitor.federation.service(name).web.requests]


def forget_requests(monitor: Monitor) -> None:
    for name in ("stack-keystone", "stack-nova", "stack-swift"):
        monitor.federation.service(name).web.requests.clear()


# ---- listing


def test_vms_and_containers_are_listed_with_their_keystone_and_nobody_is_asked(site):
    server, container = left_server(site), left_container(site.monitor)
    forget_requests(site.monitor)
    report = site.monitor.run(PROGRAM)
    assert (report.code, report.err, asked(site.monitor)) == (0, "", [])
    assert re.fullmatch(rf"LEFTOVERS OK - 1 VM and 1 container left, the oldest {AGO}", report.first), report.first
    through = re.escape(f"through Keystone {site.cloud.url}")
    [vm, other] = report.lines
    assert re.fullmatch(
        rf"{server} at https://localhost:\d+/v2\.1 \(/servers/[0-9a-f-]{{36}}\), {AGO} by {OWNER} {through}", vm
    ), vm
    assert re.fullmatch(
        rf"{container} at https://localhost:\d+/v1/AUTH_[0-9a-f]{{32}}, {AGO} by project ops {through}", other
    ), other
    assert report.performance["leftovers"] == "2;;;0"
    assert len(site.monitor.run(PROGRAM, "--at", site.cloud.url).lines) == 2
    assert len(site.monitor.run(PROGRAM, "--title", container).lines) == 1


# ---- removing


def test_all_are_removed_and_nothing_that_others_have_made(site):
    server, container = left_server(site), left_container(site.monitor)
    theirs = site.nova.add("cloudmonprobe-servertest", **{"argo-mon-host": "mon.example.org"})
    Store(site.monitor).swift.containers()["theirs"] = {}
    site.web.requests.clear()
    report = site.monitor.run(PROGRAM, "--remove")
    assert (report.code, report.first, report.err) == (0, "LEFTOVERS OK - nothing is left", "")
    assert [line.partition(" at ")[0] for line in report.lines] == [f"removed: {server}", f"removed: {container}"]
    assert [each.id for each in site.nova.servers()] == [theirs.id]
    assert list(Store(site.monitor).swift.containers()) == ["theirs"]
    assert len(set(site.asked("DELETE"))) == 1
    assert journal(site.monitor) == []


def test_a_keypair_goes_with_its_vm_and_no_other_one(site):
    title = left_with_key(site)
    site.nova.keys["somebody-elses"] = "ssh-rsa x"
    site.web.requests.clear()
    report = site.monitor.run(PROGRAM, "--remove")
    assert (report.code, report.first) == (0, "LEFTOVERS OK - nothing is left")
    vm, *_, key = site.asked("DELETE")
    assert vm.startswith("/v2.1/servers/")
    assert key == f"/v2.1/os-keypairs/{title}"
    assert (site.nova.servers(), list(site.nova.keys), journal(site.monitor)) == ([], ["somebody-elses"], [])


def test_a_vm_without_a_keypair_costs_no_request_for_one(site):
    left_server(site)
    site.web.requests.clear()
    assert site.monitor.run(PROGRAM, "--remove").code == 0
    assert [path for path in site.asked("DELETE") if "keypairs" in path] == []


def test_a_keypair_that_stays_is_named_and_keeps_its_entry(site):
    title = left_with_key(site)
    site.nova.faults.on("nova-key-stays")
    report = site.monitor.run(PROGRAM, "--remove")
    assert report.code == 1
    assert re.match(
        rf'LEFTOVERS WARNING - keypair not removed: 500 "Unexpected API Error" from localhost:\d+ when asked to '
        rf"remove the key.* \({title}\)$",
        report.first,
    ), report.first
    assert report.lines[0].partition(": ")[2].startswith("VM gone, its keypair is not: 500 ")
    assert report.performance["leftovers"] == "1;;;0"
    assert (site.nova.servers(), list(site.nova.keys), len(journal(site.monitor))) == ([], [title], 1)
    site.nova.faults.clear()
    assert site.monitor.run(PROGRAM, "--remove").first == "LEFTOVERS OK - nothing is left"
    assert (site.nova.keys, journal(site.monitor)) == ({}, [])


def test_the_keypair_of_another_user_is_named_and_left_to_that_one(site):
    title = left_with_key(site)
    report = site.monitor.run(PROGRAM, "--remove", *site.with_token())
    assert (report.code, report.first) == (
        1,
        f"LEFTOVERS WARNING - keypair not removed: not visible as access token of user {user_id('robot@egi.eu')}; it "
        f"is of user {user_id(site.nova.key_users[title])} ({title})",
    )
    assert report.lines[0].partition(": ")[2].startswith("VM gone, its keypair is not: not visible as access token")
    again = site.monitor.run(PROGRAM, "--remove", *site.with_token())
    assert again.first == report.first
    assert (site.nova.servers(), list(site.nova.keys), len(journal(site.monitor))) == ([], [title], 1)
    assert site.monitor.run(PROGRAM, "--remove").first == "LEFTOVERS OK - nothing is left"
    assert (site.nova.keys, journal(site.monitor)) == ({}, [])


def test_the_users_of_two_access_tokens_are_not_taken_for_one(site):
    """What one of them does not see may be there: it is only the owner who may call it gone."""
    one, two = (f"access token of user {user_id(name)} ops" for name in ("one@egi.eu", "two@egi.eu"))
    site.nova.faults.on("nova-locked")
    assert site.look("-t", seconds(8), *site.with_token(user="one@egi.eu")).code == 1
    site.nova.faults.clear()
    [title] = site.ours()
    assert f" by {one} through Keystone " in site.monitor.run(PROGRAM).lines[0]
    change(site.monitor, "server", path=None, looks=5, created_at=time.time() - 8 * 3600)
    site.nova.faults.on("nova-hidden")
    report = site.monitor.run(PROGRAM, "--remove", *site.with_token(user="two@egi.eu"))
    assert (report.code, report.first) == (1, f"LEFTOVERS WARNING - VM not removed: not visible as {two} ({title})")
    report = site.look(*site.with_token(user="two@egi.eu"))
    assert report.code == 1
    assert f"VM of an earlier run not removed: not visible as {two} ({title} at " in report.first
    assert len(journal(site.monitor)) == 1
    # of the owner it is the sixth look in vain
    report = site.monitor.run(PROGRAM, "--remove", *site.with_token(user="one@egi.eu"))
    assert (report.first, journal(site.monitor)) == ("LEFTOVERS OK - nothing is left", [])


@pytest.mark.parametrize("is_there", [True, False])
@pytest.mark.parametrize("program", [PROGRAM, "check_openstack_vm"])
def test_what_an_earlier_version_noted_with_a_token_of_anybody_counts_as_ours(site, program, is_there):
    """It is removed as by its owner, and one that nobody has seen is forgotten after its looks."""
    words = site.with_token(user="one@egi.eu")
    site.nova.faults.on("nova-locked")
    assert site.look("-t", seconds(8), *words).code == 1
    site.nova.faults.clear()
    [server] = site.nova.servers()
    change(site.monitor, "server", identity="access token ops")
    if is_there:
        server.name = ""  # for whom is not its owner the title would have to be there
        server.metadata.clear()
    else:
        site.nova.reset()
        change(site.monitor, "server", path=None, looks=5, created_at=time.time() - 8 * 3600)
    report = site.monitor.run(PROGRAM, "--remove", *words) if program == PROGRAM else site.look(*words)
    assert (report.code, report.err) == (0, ""), report.out
    assert "not removed" not in report.out
    until(lambda: not site.nova.servers())  # Nova shows a VM that is deleted for a moment
    assert journal(site.monitor) == []


def test_what_an_earlier_version_noted_with_a_token_of_another_project_is_not_ours(site):
    title = left_server(site)
    site.nova.reset()
    long_ago = time.time() - 8 * 3600
    change(site.monitor, "server", path=None, looks=5, created_at=long_ago, identity="access token devops")
    report = site.monitor.run(PROGRAM, "--remove", *site.with_token(user="one@egi.eu"))
    mine = f"access token of user {user_id('one@egi.eu')} ops"
    assert (report.code, report.first) == (1, f"LEFTOVERS WARNING - VM not removed: not visible as {mine} ({title})")
    assert len(journal(site.monitor)) == 1


@pytest.mark.parametrize("login", ["access", "keystone"])
def test_with_a_token_as_whom_it_is_another_owners_the_title_decides(site, login):
    left_server(site)
    left_container(site.monitor)
    words = site.with_token()
    if login == "keystone":
        token = next(each.id for each in site.keystone.tokens.values() if each.project == "ops")
        words = ("--keystone-token-file", site.file(token), "--at", site.cloud.url)
    report = site.monitor.run(PROGRAM, "--remove", *words)
    assert (report.code, report.first) == (0, "LEFTOVERS OK - nothing is left")
    assert (site.nova.servers(), Store(site.monitor).swift.containers(), journal(site.monitor)) == ([], {}, [])


def with_clouds_yaml(site: Site, **auth: object) -> dict[str, object]:
    """Write a clouds.yaml with a password of the project; returns the login that Keystone is to see."""
    user = site.keystone.register_user("opsuser")
    login = {"username": "opsuser", "password": user.password, "user_domain_name": "Default"}
    given = {"auth_url": site.cloud.url, **login, "project_name": "ops", "project_domain_id": "default", **auth}
    directory = site.monitor.home / ".config" / "openstack"
    directory.mkdir(parents=True, exist_ok=True)
    path = directory / "clouds.yaml"
    path.write_text(f"clouds:\n  site:\n    auth: {json.dumps(given)}\n")
    path.chmod(0o600)
    return {"name": "opsuser", "domain": {"name": "Default"}, "password": user.password}


@pytest.mark.parametrize("ending", ["", "/", "without version"])
def test_a_cloud_of_clouds_yaml_logs_in_and_what_is_of_others_stays_untouched(site, ending):
    title = left_with_key(site)
    occi = site.monitor.federation.site("ooi")
    left_over(site.monitor, occi)
    url = site.cloud.url.removesuffix("/v3") if ending == "without version" else site.cloud.url + ending
    user = with_clouds_yaml(site, auth_url=url)
    forget_requests(site.monitor)
    site.keystone.logins.clear()
    occi.web.requests.clear()
    # as another user than whom the probe ran as: the keypair is not this one's, and has to be asked for as the owner
    report = site.monitor.run(PROGRAM, "--remove", "--cloud", "site")
    assert (report.code, report.first) == (
        1,
        f"LEFTOVERS WARNING - keypair not removed: not visible as user opsuser; it is of user "
        f"{user_id(site.nova.key_users[title])} ({title})",
    )
    assert site.keystone.logins[0]["identity"] == {"methods": ["password"], "password": {"user": user}}
    assert f"/v2.1/os-keypairs/{title}" in site.asked("DELETE")
    assert (site.nova.servers(), occi.web.requests) == ([], [])
    assert len(site.monitor.remembered()) == 1


def test_a_cloud_that_nothing_was_recorded_for_is_told_before_anybody_is_asked(site):
    with_clouds_yaml(site, auth_url="https://localhost:1/v3")
    occi = site.monitor.federation.site("ooi")
    left_over(site.monitor, occi)
    forget_requests(site.monitor)
    report = site.monitor.run(PROGRAM, "--remove", "--cloud", "site")
    assert report.code == 3
    assert re.fullmatch(
        r"LEFTOVERS UNKNOWN - no VM, volume or container at https://localhost:1/v3 in the journal in \S+ "
        r"\(see what it has without --title, --at or --cloud\)",
        report.first,
    ), report.first
    assert asked(site.monitor) == []


def test_what_was_recorded_elsewhere_is_looked_for_through_the_cloud_when_that_is_said(site):
    title = left_container(site.monitor)
    with_clouds_yaml(site)
    change(site.monitor, "container", keystone=f"{ELSEWHERE}/v3")
    report = site.monitor.run(PROGRAM, "--remove", "--cloud", "site", "--at", f"{ELSEWHERE}/v3")
    assert (report.code, report.first) == (0, "LEFTOVERS OK - nothing is left")
    assert report.lines[0].startswith(f"removed: {title} at ")
    assert (Store(site.monitor).swift.containers(), journal(site.monitor)) == ({}, [])


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--cloud", "site"), "--cloud has no effect without --remove"),
        (("--remove", "--cloud", "site", "--auth", "x509"), "--auth has no effect together with --cloud"),
        (("--remove", "--cloud", "site", "--keystone", ELSEWHERE), "--keystone has no effect together with --cloud"),
        (
            ("--remove", "--cloud", "site", "--instead-at", ELSEWHERE),
            "--instead-at has no effect together with --cloud",
        ),
    ],
)
def test_a_cloud_of_clouds_yaml_says_all_that_these_would(site, words, said):
    report = site.monitor.run(PROGRAM, *words)
    assert report.code == 3
    assert report.first.startswith(f"LEFTOVERS UNKNOWN - usage: {said}"), report.first


def test_what_another_project_has_is_named_and_stays(site):
    server, container = left_server(site), left_container(site.monitor)
    site.keystone.vo_map["devops"] = "devops"
    try:
        report = site.monitor.run(PROGRAM, "--remove", "--vo", "devops", *site.with_token("devops"))
    finally:
        del site.keystone.vo_map["devops"]
    assert report.code == 1
    assert re.fullmatch(
        rf"LEFTOVERS WARNING - VM not removed: not visible as access token of user [0-9a-f]{{40}} devops "
        rf"\({server}\); container not removed: "
        rf"address no longer in the catalogue of Keystone localhost:\d+ for project devops, and no such container in "
        rf"its regions: RegionOne \({container}\)",
        report.first,
    ), report.first
    assert (site.ours(), len(journal(site.monitor))) == ([server], 2)


def test_what_was_gone_already_is_forgotten(site):
    server = left_server(site)
    site.nova.reset()
    report = site.monitor.run(PROGRAM, "--remove")
    assert (report.code, report.first) == (0, "LEFTOVERS OK - nothing is left")
    assert report.lines[0].startswith(f"was gone already: {server} at ")
    assert journal(site.monitor) == []


def test_a_vm_whose_nova_has_another_address_today_is_found_by_its_title(site):
    left_server(site)
    stranger = site.nova.add("theirs").id
    change(site.monitor, "server", endpoint=f"{ELSEWHERE}/v2.1", path=f"/servers/{stranger}")
    report = site.monitor.run(PROGRAM, "--remove")
    assert (report.code, report.first) == (0, "LEFTOVERS OK - nothing is left")
    assert [each.id for each in site.nova.servers()] == [stranger]


def test_one_that_no_region_has_is_named_with_the_address_that_is_gone(site):
    server = left_server(site)
    site.nova.reset()
    change(site.monitor, "server", endpoint=f"{ELSEWHERE}/v2.1")
    report = site.monitor.run(PROGRAM, "--remove")
    assert (report.code, report.first) == (
        1,
        "LEFTOVERS WARNING - VM not removed: address no longer in the catalogue of Keystone "
        f"{root(site).removeprefix('https://')} for project ops, and no such VM in its regions: RegionOne ({server})",
    )
    assert len(journal(site.monitor)) == 1


def test_a_keypair_whose_nova_has_another_address_today_is_removed_in_the_region_that_has_it(site):
    title = left_with_key(site)
    [server] = site.nova.servers()
    server.deleted = server.gone = time.time()
    change(site.monitor, "server", endpoint=f"{ELSEWHERE}/v2.1", vm="gone")
    report = site.look()
    assert report.code == 0
    assert re.search(
        rf"; keypair of an earlier run not removed: localhost:1 is no compute service .*{title}", report.out
    )
    report = site.monitor.run(PROGRAM, "--remove")
    assert (report.code, report.first) == (0, "LEFTOVERS OK - nothing is left")
    assert (site.nova.keys, journal(site.monitor)) == ({}, [])


def test_a_keypair_that_no_region_has_is_named_with_the_address_that_is_gone(site):
    title = left_with_key(site)
    site.nova.reset()
    change(site.monitor, "server", endpoint=f"{ELSEWHERE}/v2.1", vm="gone")
    report = site.monitor.run(PROGRAM, "--remove")
    assert (report.code, report.first) == (
        1,
        "LEFTOVERS WARNING - keypair not removed: address no longer in the catalogue of Keystone "
        f"{root(site).removeprefix('https://')} for project ops, and no such keypair in its regions: RegionOne "
        f"({title})",
    )
    assert site.asked("DELETE")[-1] == f"/v2.1/os-keypairs/{title}"
    assert len(journal(site.monitor)) == 1


def test_a_vm_in_another_region_is_removed_there(monitor):
    site = Site(monitor, "regions")
    nova = site.cloud.novas["RegionTwo"]
    nova.faults.on("nova-locked")
    assert site.look("--region", "RegionTwo", "-t", seconds(8)).code == 1
    nova.faults.clear()
    assert monitor.run(PROGRAM, "--remove").first == "LEFTOVERS OK - nothing is left"
    assert (nova.servers(), journal(monitor)) == ([], [])


def test_what_an_earlier_version_has_noted_needs_its_keystone_named(site):
    server = left_server(site)
    change(site.monitor, "server", keystone="")
    report = site.monitor.run(PROGRAM, "--remove")
    assert (report.code, report.first) == (
        1,
        "LEFTOVERS WARNING - VM not removed: noted by an earlier version without its Keystone; "
        f"name that with --instead-at ({server})",
    )
    assert site.monitor.run(PROGRAM, "--remove", "--instead-at", site.cloud.url).code == 0
    assert (site.nova.servers(), journal(site.monitor)) == ([], [])


def test_a_keystone_that_is_down_keeps_no_other_cloud_from_being_cleaned(site):
    server = left_server(site)
    occi = site.monitor.federation.site("ooi")
    left_over(site.monitor, occi)
    site.keystone.faults.on("status", code=503)
    report = site.monitor.run(PROGRAM, "--remove")
    assert report.code == 1
    assert re.match(
        rf"LEFTOVERS WARNING - VM not removed: 503 Service Unavailable from \S+ when asked to log in.* \({server}\)$",
        report.first,
    ), report.first
    assert (occi.occi.vms(), site.monitor.remembered(), len(journal(site.monitor))) == ([], [], 1)


def test_what_others_have_put_into_a_container_keeps_it(site):
    container = left_container(site.monitor)
    swift = Store(site.monitor).swift
    swift.containers()[container]["theirs"] = swift.containers()[container].pop("probe")
    report = site.monitor.run(PROGRAM, "--remove", "-t", seconds(8))
    assert report.code == 1
    assert "objects that are not ours: theirs" in report.first
    assert list(swift.containers()[container]) == ["theirs"]


def test_a_keystones_token_goes_to_no_other_keystone(site):
    left_server(site)
    report = site.monitor.run(PROGRAM, "--remove", "--keystone-token-file", site.file("gAAAAA"))
    assert (report.code, report.first) == (
        3,
        "LEFTOVERS UNKNOWN - usage: --keystone-token-file has no effect without --at or --instead-at "
        "(see fedcloud-leftovers --help)",
    )


def test_a_run_tells_where_more_is_to_be_seen(site):
    left_server(site)
    change(site.monitor, "server", identity="/DC=org/CN=old ops")
    [each] = site.nova.servers()
    each.project = "devops"
    report = site.look()
    assert report.code == 1
    assert "not visible as /DC=test" in report.first
    assert "; see fedcloud-leftovers)" in report.first


def root(site: Site) -> str:
    """The Keystone as sentences name it."""
    return site.cloud.url.removesuffix("/v3")


def journal(monitor: Monitor) -> list[str]:
    return sorted(path.name for pattern in ("*.server", "*.container") for path in monitor.state.glob(pattern))
