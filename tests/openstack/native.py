"""What is said of a real OpenStack by the executables that ask Keystone, Nova, Glance, Neutron and Swift themselves."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from tests import planted
from tests.conftest import SECONDS, Report
from tests.federation.appdb import PATH as LIST
from tests.federation.appdb import AppDb
from tests.federation.web import WebServer
from tests.pace import AMPLE_S, until

from .api import Api
from .conftest import Information, Robot, Row, containers
from .lab import KEYSTONE, Lab

VM, SWIFT, IMAGES, INFO = "check_openstack_vm", "check_openstack_swift", "check_openstack_images", "check_cloud_info"
LEFTOVERS, TCP = "fedcloud-leftovers", "check_endpoint_tcp"
LABELS = {VM: "OpenStack-VM", SWIFT: "OpenStack-Swift", IMAGES: "OpenStack-Images", INFO: "InfoProvider"}

KEYSTONE_AT = "localhost:5000"
NOVA, GLANCE, NEUTRON, STORE = (f"localhost:{port}" for port in (8774, 9292, 9696, 8080))
ID = "[0-9a-f]{8}-[0-9a-f-]{27}"
REQUEST = rf"; X-Openstack-Request-Id req-{ID}"
STORED = (
    rf"1 MiB stored in {SECONDS} in RegionOne of {KEYSTONE_AT} \(project ops\), "
    rf"read back in {SECONDS}, removed in {SECONDS}"
)
DONE = rf"VM active after {SECONDS} in RegionOne of {KEYSTONE_AT} \(project ops, cirros, tiny\), removed in {SECONDS}"


def expect(name: str, report: Report, code: int, pattern: str) -> None:
    report.expect(LABELS[name], code, pattern)


class Account(NamedTuple):
    """A local user with the role member in the project ops, as a site's administrator has one."""

    password: str
    credential: str
    secret: str

    def keys(self) -> list[Any]:
        """Its key pairs, which Nova has by user, not by project."""
        answer = Api("of-the-site", self.password, "ops").get("compute", "/os-keypairs")
        return list(answer["keypairs"])


@pytest.fixture(scope="session")
def account(lab: Lab) -> Account:
    password, secret = planted.plain_secret(), planted.plain_secret()
    admin = lab.admin("ops")
    user = {"name": "of-the-site", "password": password, "domain_id": "default"}
    made = admin.post("identity", "/users", {"user": user})["user"]["id"]
    role = admin.named("identity", "/roles", "member")["id"]
    admin.put("identity", f"/projects/{admin.project}/users/{made}/roles/{role}")
    credential = {"name": "monitor", "secret": secret}
    path = f"/users/{made}/application_credentials"
    api = Api("of-the-site", password, "ops")
    answer = api.post("identity", path, {"application_credential": credential})
    return Account(password, answer["application_credential"]["id"], secret)


@pytest.fixture(autouse=True)
def no_container_is_left(lab: Lab) -> Iterator[None]:
    """The twin of `nothing_is_left`, for Swift."""
    before = containers(lab)
    yield
    assert containers(lab) == before


# ---- check_openstack_vm


def test_a_vm_is_made_and_gone_again(robot: Robot, row: Row):
    report = robot.ask(VM)
    expect(VM, report, 0, DONE)
    assert robot.remembered() == []
    row("nothing", report)


def test_a_vm_that_does_not_boot_is_a_warning_and_its_key_goes_with_it(robot: Robot, account: Account, row: Row):
    """Nova's fake driver has three fixed lines on each console, and boots nothing."""
    report = robot.run(VM, "--cloud", "site", "--boot", "--wait", "5s", **robot.cloud(**by_password(account)))
    why = "3 lines on its console, none of user_data, and no public address to log in at"
    advice = r"\(make its image write to console ttyS0\)"
    expect(VM, report, 1, rf"VM active, but not seen to boot on {NOVA}; {why}, watched for {SECONDS} {advice}")
    assert account.keys() == []
    row("`--boot` of a VM that boots nothing", report)


def test_a_build_that_failed_is_the_sites_fault_and_told_with_its_reason(robot: Robot, row: Row):
    report = robot.ask(VM, "--size", "no-host")
    expect(VM, report, 2, rf'VM went into ERROR instead of ACTIVE: "No valid host was found" on {NOVA}')
    row("a size for which no host has room", report)


def test_a_used_up_quota_is_told(lab: Lab, tmp_path: Path, row: Row):
    admin = lab.admin("quota.egi.eu")
    made = admin.create("theirs")
    try:
        report = Robot(lab, tmp_path, "quota.egi.eu").ask(VM, "--vo", "quota.egi.eu")
    finally:
        admin.delete("compute", f"/servers/{made}")
    expect(VM, report, 2, rf"quota of project quota.egi.eu full on {NOVA}; 1 of 1 instances used, 1 more wanted")
    row("a quota of one VM, and there is one", report)


def test_a_vm_that_is_locked_is_named(lab: Lab, robot: Robot, admin: Api, row: Row):
    """By somebody of the project, while the run waits for it."""
    before = admin.servers()
    with lab.paused("nova-compute"):
        process = robot.start(VM, *robot.at_keystone("-t", 120))
        until(lambda: len(admin.servers()) > len(before))
        [made] = set(admin.servers()) - set(before)
        admin.post("compute", f"/servers/{made}/action", {"lock": None})
    out, err = process.communicate(timeout=AMPLE_S)
    report = Report(process.returncode, out.decode(), err.decode())
    refused = rf'409 "Instance {ID} is locked" from {NOVA} when asked to delete the VM'
    next_run = r"\(egi-sam-\S+; next run retries\)"
    expect(VM, report, 1, rf"VM active after {SECONDS}, not removed: {refused} {next_run}")
    row("a VM that somebody has locked", report)
    admin.post("compute", f"/servers/{made}/action", {"unlock": None})
    again = robot.ask(VM)
    expect(VM, again, 0, rf"{DONE}; removed 1 VM that an earlier run had left")
    row("the next run, when it is unlocked", again)


# ---- whose fault


def test_what_is_no_good_access_token_is_ours(lab: Lab, tmp_path: Path, row: Row):
    for name in (VM, SWIFT, IMAGES):
        report = Robot(lab, tmp_path / name, "ops", lifetime_s=-3600).ask(name)
        ended = r"expired 60 min ago \(\d{4}-\d\d-\d\d \d\d:\d\d UTC\) in \S+/token \(write a new one there\)"
        expect(name, report, 3, rf"our access token of https://aai\.example\.org/ {ended}")
        row("an access token that has expired", report)


def test_what_another_issuer_signed_is_ours(robot: Robot, row: Row):
    signed = robot.token.read_text().strip()
    robot.token.write_text(signed[:-20] + "".join(reversed(signed[-20:])) + "\n")
    report = robot.ask(VM)
    refused = rf'our access token refused \(401 "JWT token could not be validated"\) from {KEYSTONE_AT}'
    expect(VM, report, 3, rf"{refused} \(get a new one of the issuer that the site trusts\)")
    row("an access token whose signature is not that of the issuer", report)


def test_a_vo_that_has_no_project_is_told(lab: Lab, tmp_path: Path, row: Row):
    for name in (VM, SWIFT):
        report = Robot(lab, tmp_path / name, "without.egi.eu").ask(name, "--vo", "without.egi.eu")
        told = rf"no project for VO without\.egi\.eu for us on {KEYSTONE_AT}; logged in, and offered none"
        expect(name, report, 2, told)
        row("a VO that is mapped to a group without a project", report)


def test_a_token_of_no_vo_that_keystone_knows_is_not_the_sites_fault(lab: Lab, tmp_path: Path, row: Row):
    report = Robot(lab, tmp_path, "unknown.egi.eu").ask(VM, "--vo", "unknown.egi.eu")
    advice = r"\(get a new one of the issuer that the site trusts\)"
    ours = rf"our access token is of https://aai\.example\.org/, which is not egi\.eu {advice}"
    expect(VM, report, 3, rf"401 Unauthorized from {KEYSTONE_AT} when asked to log in; {ours}")
    row("an access token of no VO that Keystone knows", report)


# ---- --cloud


def by_password(account: Account, **changed: object) -> dict[str, Any]:
    user = {"username": "of-the-site", "password": account.password, "user_domain_name": "Default"}
    return {**user, "project_name": "ops", "project_domain_name": "Default", **changed}


def by_credential(account: Account, **changed: object) -> dict[str, Any]:
    made = {"application_credential_id": account.credential, "application_credential_secret": account.secret}
    return {"auth_type": "v3applicationcredential", **made, **changed}


@pytest.mark.parametrize(("login", "what"), [(by_password, "a password"), (by_credential, "an application credential")])
def test_the_login_of_a_clouds_yaml_is_enough(robot: Robot, account: Account, row: Row, login: Any, what: str):
    environment = robot.cloud(**login(account))
    report = robot.run(VM, "--cloud", "site", **environment)
    expect(VM, report, 0, DONE)
    row(f"nothing; `--cloud` with {what}", report)
    report = robot.run(SWIFT, "--cloud", "site", **environment)
    expect(SWIFT, report, 0, STORED)
    row(f"nothing; `--cloud` with {what}", report)


@pytest.mark.parametrize(
    ("login", "changed", "what", "why"),
    [
        (
            by_password,
            {"password": "wrong"},
            "another password",
            rf"user of-the-site refused \(401 Unauthorized\) by {KEYSTONE_AT}; "
            r"wrong name, domain or password, or the user is disabled or locked",
        ),
        (
            by_credential,
            {"application_credential_secret": "wrong"},
            "another secret",
            rf"application credential [0-9a-f]{{32}} refused \(401 Unauthorized\) by {KEYSTONE_AT}; "
            r"wrong secret, expired, or its user has lost the roles",
        ),
        (
            by_credential,
            {"application_credential_id": "0" * 32},
            "a credential that is not there",
            rf"application credential 0{{32}} unknown \(404\) on {KEYSTONE_AT}; "
            r"it was deleted, or is of another Keystone",
        ),
    ],
)
def test_a_login_that_is_refused_is_ours(
    robot: Robot, account: Account, row: Row, login: Any, changed: dict[str, object], what: str, why: str
):
    report = robot.run(VM, "--cloud", "site", **robot.cloud(**login(account, **changed)))
    expect(VM, report, 3, rf"{why} \((correct|write a new one into) cloud site of \S+/clouds\.yaml\)")
    row(f"`--cloud` with {what}", report)


# ---- check_openstack_swift


def test_an_object_is_stored_and_gone_again(robot: Robot, row: Row):
    report = robot.ask(SWIFT)
    expect(SWIFT, report, 0, STORED)
    row("nothing", report)


def test_memory_does_not_grow_with_an_object_of_1_gib(robot: Robot, row: Row):
    words = robot.at_keystone("-t", "30m", "-w", "20m", "--size")
    small, at_small = robot.measured(SWIFT, *words, "1KiB")
    large, at_large = robot.measured(SWIFT, *words, "1GiB")
    expect(SWIFT, small, 0, STORED.replace("1 MiB", "1 KiB", 1))
    expect(SWIFT, large, 0, STORED.replace("1 MiB", "1 GiB", 1))
    assert at_large - at_small < 8 << 10, (at_small, at_large)
    row(f"nothing; `--size 1GiB`, with {at_large >> 10} MiB of memory, {at_small >> 10} with `--size 1KiB`", large)


# ---- check_openstack_images, and the information system: these two helpers are the test federation's


@pytest.fixture
def image_list(lab: Lab) -> Iterator[AppDb]:
    """A signed list of one image."""
    made = AppDb(lab.authority, lab.authority.host(["appdb.fedcloud.test", "localhost"]), lambda: web.url, images=1)
    web = WebServer("appdb", made.app, faults=made.faults, context=lab.authority.server_context(made.signer))
    web.start()
    yield made
    web.stop()


@pytest.fixture
def brought(lab: Lab, image_list: AppDb) -> Iterator[str]:
    """That image is in the project, as what brings a list's images leaves it; its id."""
    said = image_list._image(1)
    image = {
        "name": said["dc:title"],
        "disk_format": "raw",
        "container_format": "bare",
        "visibility": "private",
        "appdb_id": said["dc:identifier"],
        "vmcatcher_event_ad_mpuri": said["ad:mpuri"],
        "image_hash": f"sha512:{said['sl:checksum:sha512']}",
        "APPLIANCE_ATTRIBUTES": json.dumps(said),
    }
    api = lab.admin("ops")
    made = api.post("image", "/images", image)["id"]
    api.put("image", f"/images/{made}/file", b"\0" * 65536, "application/octet-stream")
    try:
        yield made
    finally:
        lab.admin("ops").delete("image", f"/images/{made}")


SIGNED = r"image list localhost:\d+"


def test_images_in_step(lab: Lab, robot: Robot, image_list: AppDb, brought: str, row: Row):
    report = robot.ask(IMAGES, "--list", image_list.base_url() + LIST)
    expect(IMAGES, report, 0, rf"1 image of {SIGNED} in step in RegionOne of {KEYSTONE_AT} \(project ops\)")
    row("nothing; a signed list of one image, which is there", report)


def test_an_image_that_is_out_of_step_is_told(lab: Lab, robot: Robot, image_list: AppDb, brought: str, row: Row):
    image_list.images = 2
    words = ("--list", image_list.base_url() + LIST, "-w", "1s")

    def warned() -> Report | None:
        report = robot.ask(IMAGES, *words)
        return report if report.code else None

    in_step = rf"1 of 2 images of {SIGNED} in step in RegionOne of {KEYSTONE_AT} \(project ops\)"
    report = robot.ask(IMAGES, *words)
    expect(IMAGES, report, 0, rf"{in_step}; missing as seen now: Image 2 \[CentOS/7/KVM\]")
    row("one of two images is not there", report)
    report = until(warned, every_s=0.2)
    missing = rf"missing for {SECONDS}: Image 2 \[CentOS/7/KVM\], on {KEYSTONE_AT} \(limit 1s\)"
    expect(IMAGES, report, 1, missing)
    row("the same a second later, `-w 1s`", report)


def test_what_the_information_system_has_is_in_keystone(robot: Robot, published: Information, row: Row):
    report = robot.ask(INFO, "--information-system", published.url)
    published_as = "is published as REAL-CLOUD with 1 project"
    expect(INFO, report, 0, rf"{KEYSTONE_AT} {published_as}, 1 of them ours and in its Keystone \(ops\)")
    row("nothing", report)


def test_a_published_project_that_keystone_has_not_is_told(robot: Robot, published: Information, row: Row):
    published.system.changed["REAL-CLOUD"] = {"projects": [{"name": "ops", "id": "f" * 32}]}
    report = robot.ask(INFO, "--information-system", published.url)
    expect(
        INFO,
        report,
        2,
        rf"project f{{32}}, published for VO ops, is none of ours on {KEYSTONE_AT}; Keystone lets us into ops "
        r"\(correct its id at the information provider\)",
    )
    row("published with a project that Keystone does not have", report)


# ---- fedcloud-leftovers


def test_what_killed_runs_have_left_is_listed_and_removed(lab: Lab, robot: Robot, admin: Api, row: Row):
    before = admin.servers()
    with lab.paused("nova-compute"):
        process = robot.start(VM, *robot.at_keystone())
        until(lambda: len(admin.servers()) > len(before))
        process.kill()
        process.communicate()
    with lab.paused("swift-object"):
        process = robot.start(SWIFT, *robot.at_keystone())
        until(lambda: list(robot.state.glob("*.container")) and containers(lab))
        process.kill()
        process.communicate()
    report = robot.run(LEFTOVERS, "-w", "1ms")
    left = rf"1 VM and 1 container left, the oldest asked for {SECONDS} ago in the journal in \S+/state \(limit 1ms\)"
    report.expect("LEFTOVERS", 1, left)
    row("a VM and a container of runs that were killed", report)
    removed = robot.run(LEFTOVERS, "--remove", "--token-file", robot.token)
    removed.expect("LEFTOVERS", 0, "nothing is left")
    row("these, `--remove`", removed)
    assert (admin.servers(), containers(lab)) == (before, [])


# ---- check_endpoint_tcp


def test_the_port_and_the_certificate_of_keystone(lab: Lab, robot: Robot, row: Row):
    where = rf"{KEYSTONE_AT} \(127\.0\.0\.1\)"
    report = robot.run(TCP, "-u", KEYSTONE, "--tls", "--igtf")
    good = r"certificate valid for \d+ d, of FedCloudTestCA \(IGTF classic\)"
    report.expect("Endpoint-TCP", 0, rf"{where} accepts connections after {SECONDS}, {good}")
    row("nothing; `--tls --igtf`", report)
    with lab.stopped("apache"):
        report = robot.run(TCP, "-u", KEYSTONE)
    report.expect("Endpoint-TCP", 2, rf"connection refused by {where}")
    row("Apache stopped", report)


# ---- a part of the site is down


DOWN = "503 Service Unavailable from"
LISTING, LOGIN, MAKING = "when asked to list the", "when asked to log in", "when asked to make a container"
STOPPED = [
    ("neutron", VM, rf"{DOWN} {NEUTRON} {LISTING} networks"),
    ("glance", VM, rf"{DOWN} {GLANCE} {LISTING} images"),
    ("keystone", SWIFT, rf"{DOWN} {KEYSTONE_AT} {LOGIN}"),
    # before the containers' server, which Swift's proxy does not ask for a minute after it was down
    ("swift-object", SWIFT, rf"{DOWN} {STORE} when asked to store an object of 1 MiB"),
    ("swift-proxy", SWIFT, rf"{DOWN} {STORE} {MAKING}"),
    ("swift-container", SWIFT, rf"{DOWN} {STORE} {MAKING}"),
]


@pytest.mark.parametrize(("service", "name", "said"), STOPPED, ids=[f"{each[0]} {each[1]}" for each in STOPPED])
def test_a_service_that_is_down_is_the_sites_fault(
    lab: Lab, robot: Robot, row: Row, service: str, name: str, said: str
):
    with lab.stopped(service):
        report = robot.ask(name)
    expect(name, report, 2, said)
    row(f"{service} stopped", report)


NO_HOST = rf'VM went into ERROR instead of ACTIVE: "No valid host was found" on {NOVA}'
GIVEN_UP = rf"VM still BUILD, scheduling after {SECONDS} on {NOVA}, given up"
# Nova does not delete what Placement may have counted
STAYS = r'; VM not removed(: 500( "Unexpected API Error")?)? \(egi-sam-\S+; next run retries\)'


class Outage(NamedTuple):
    """A service that stops.

    runs: what each run says until it is back, by the exit codes that it may have. limit_s: `-t` of these runs.
    """

    service: str
    runs: tuple[dict[int, str], ...]
    limit_s: int = 90


OUTAGES = [
    Outage("keystone", ({2: rf"{DOWN} {KEYSTONE_AT} {LOGIN}"},)),
    Outage("mariadb", ({2: rf'502 "Proxy Error" from {KEYSTONE_AT} {LOGIN}'},)),
    Outage("placement", ({2: rf"{NO_HOST}({STAYS})?"},)),  # its deletion waits for it, or does not
    Outage("rabbitmq", ({2: rf"no complete answer within {SECONDS} from {NOVA}( when asked to create a VM)?"},)),
    # after a minute the conductor gives up waiting for it: the run has to go on for longer
    Outage("nova-scheduler", ({2: rf'VM went into ERROR instead of ACTIVE: "MessagingTimeout" on {NOVA}'},), 150),
    Outage("nova-conductor", ({1: GIVEN_UP}, {2: rf"{GIVEN_UP}, as in the .*"}), 60),
    # a host counts as alive for a minute after its last word
    Outage("nova-compute", ({1: GIVEN_UP, 2: NO_HOST},), 60),
]


@pytest.mark.parametrize("outage", OUTAGES, ids=lambda outage: outage.service)
def test_a_service_that_stops_is_the_sites_fault_and_when_it_is_back_nothing_is_left(
    lab: Lab, robot: Robot, row: Row, outage: Outage
):
    with lab.stopped(outage.service):
        reports = [robot.ask(VM, "-t", outage.limit_s) for _ in outage.runs]
    after = robot.ask(VM)
    for number, (report, said) in enumerate(zip(reports, outage.runs, strict=True)):
        row(f"{outage.service} stopped{', the next run' if number else ''}", report)
        assert report.code in said, report.out
        expect(VM, report, report.code, said[report.code])
    row(f"{outage.service} runs again", after)
    expect(VM, after, 0, rf"{DONE}(; removed 1 VM that an earlier run had left)?")
    assert robot.remembered() == []
