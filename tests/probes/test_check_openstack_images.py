"""check_openstack_images against the Glance of a federation's OpenStack sites, its registry and its signed lists."""

from __future__ import annotations

import json
import re
import time

import pytest

from libprobe.checks.images import ImagesInStep, PublishedImages
from libprobe.clients.images import GlanceImages
from libprobe.clients.keystone import LoginRequest, ProjectToken
from libprobe.clients.openstack import OpenStackCloud
from libprobe.deadline import Deadline, OutOfTime
from libprobe.formats.images import PublishedImage
from libprobe.formats.openstack import CatalogueEndpoint, TokenScope
from libprobe.state.first_seen import FirstSeen
from libprobe.targets.access import OpenStackAccess
from libprobe.targets.topology import CloudEndpoint
from tests import planted
from tests.conftest import Monitor, Report, at
from tests.federation.glance import Image
from tests.federation.registry import Artefact
from tests.pace import AMPLE_S, seconds

PROBE = "check_openstack_images"
HOST = "stack.fedcloud.test"
DAY = 86400
LABELS = {"time_to_login", "published", "in_step", "missing", "outdated", "surplus", "lag"}
REGISTRY = r"localhost:\d+/egi_vm_images"
AT = r"localhost:\d+"
ID = "[0-9a-f]{8}-[0-9a-f-]{27}"
REQUEST = rf"; X-Openstack-Request-Id req-{ID}"


class Site:
    """The site that is looked at, from the inside and as a monitor."""

    def __init__(self, monitor: Monitor) -> None:
        self.monitor = monitor
        self.federation = monitor.federation
        self.cloud = self.federation.cloud("stack")
        self.glance = self.cloud.glance
        self.web = self.federation.service("stack-glance").web
        self.registry = self.federation.registry
        self.appdb = self.federation.appdb
        self.signed = ("--list", self.federation.appdb_url)

    @property
    def place(self) -> str:
        """Host and port of its Glance."""
        return at(self.cloud.catalogue["image"]["RegionOne"])

    def look(self, *words: object, host: str = HOST) -> Report:
        return self.monitor.run(PROBE, "-H", host, "-t", AMPLE_S, *words)

    def publish(self, repository: str, tags: list[str], version: str, *, days: float) -> Artefact:
        """The registry has one more artefact for so long."""
        self.registry.artefacts.append(Artefact(repository, tags, version, time.time() - days * DAY))
        return self.registry.artefacts[-1]

    def bring(self, *artefacts: Artefact, **more: object) -> None:
        """The site gets images of the registry, as atrope brings them."""
        for each in artefacts:
            image = Image(f"registry.egi.eu {each.repository}", properties=each.properties(), **more)
            self.glance.images.insert(0, image)

    def bring_listed(self, *numbers: int, **changed: str) -> None:
        """The site gets images of the signed list, as atrope brings them. changed: fields as they once were."""
        for number in numbers:
            was = {name.replace("_", ":"): value for name, value in changed.items()}
            said = {**self.appdb._image(number), **was}
            properties = {
                "appdb_id": said["dc:identifier"],
                "vmcatcher_event_ad_mpuri": said["ad:mpuri"],
                "image_hash": f"sha512:{said['sl:checksum:sha512']}",
                "vo": "ops",
                "APPLIANCE_ATTRIBUTES": json.dumps(said),
            }
            self.glance.images.insert(0, Image(said["dc:title"], properties=properties))

    def pass_days(self, days: float) -> None:
        """So many days ago was what the state directory has of now."""
        for path in self.monitor.state.glob("since-*.json"):
            said = json.loads(path.read_text())
            said["since"] = {key: at - days * DAY for key, at in said["since"].items()}
            path.write_text(json.dumps(said))


@pytest.fixture
def site(monitor) -> Site:
    return Site(monitor)


def expect(report: Report, code: int, pattern: str) -> None:
    report.expect("OpenStack-Images", code, pattern)


def counts(report: Report) -> dict[str, int]:
    labels = ("published", "in_step", "missing", "outdated", "surplus")
    return {label: int(report.performance[label].partition(";")[0]) for label in labels}


# ---- in step


def test_a_host_alone_is_enough(site):
    report = site.look()
    expect(report, 0, rf"1 image of {REGISTRY} in step in RegionOne of {at(site.cloud.url)} \(project ops\)")
    assert set(report.performance) == LABELS
    assert counts(report) == {"published": 1, "in_step": 1, "missing": 0, "outdated": 0, "surplus": 0}
    assert report.performance["lag"] == "0s;86400;;0"
    assert {report.performance[label] for label in ("published", "in_step")} == {"1;;;0"}
    assert {report.performance[label] for label in ("missing", "outdated", "surplus")} == {"0;;;0"}
    assert re.fullmatch(r"[\d.]+s;;;0", report.performance["time_to_login"])


def test_an_artefact_without_the_tag_for_clouds_and_one_of_an_old_version_need_not_be_there(site):
    names = {(each.repository, tuple(each.tags)) for each in site.registry.artefacts}
    assert {("tools/builder", ("1.0",)), ("alpine", ("3.20-2025.12.30-abc",))} <= names
    assert counts(site.look())["published"] == 1


def test_a_registry_is_asked_for_manifests_in_the_form_that_has_annotations(site):
    """Harbor gives an index, or none, to who does not say so."""
    assert site.look().code == 0
    asked = [each.request for each in site.federation.service("registry").web.requests]
    assert {each.method for each in asked} == {"GET"}
    accepted = {each.headers.get("Accept") for each in asked if "/manifests/" in each.path}
    assert accepted == {"application/vnd.oci.image.manifest.v1+json"}


class _Other(Artefact):
    """An artefact that somebody else has made; `version` is its manifest."""

    @property
    def manifest(self) -> bytes:
        return self.version.encode()


@pytest.mark.parametrize(
    "manifest",
    [
        '{"layers": [{"digest": "sha256:44"}]}',
        '{"layers": [{"annotations": null}], "annotations": ["eu.egi.cloud.tag"]}',
        '{"layers": [], "annotations": {"eu.egi.cloud.tag": ""}}',
        '{"layers": null, "annotations": {"eu.egi.cloud.tag": 7}}',
        '["eu.egi.cloud.tag"]',
    ],
)
def test_an_artefact_whose_manifest_says_nothing_of_clouds_is_passed_over(site, manifest):
    site.registry.artefacts.append(_Other("tools/theirs", ["1.0"], manifest))
    report = site.look()
    expect(report, 0, rf"1 image of {REGISTRY} in step in RegionOne of {at(site.cloud.url)} \(project ops\)")
    assert counts(report)["published"] == 1


def test_every_page_of_every_list_is_read(site):
    new = [site.publish(f"tools/linux{number}", ["1"], "2026-10-01", days=9) for number in range(130)]
    site.bring(*new)
    site.glance.faults.on("glance-pages", size=20)
    assert counts(site.look())["in_step"] == 131


def test_pages_of_which_no_image_can_be_read_are_told_and_do_not_end_the_list(site):
    site.bring(site.publish("alma", ["9"], "2026-10-01-7b98c834", days=9))
    for number in range(4):
        site.glance.images.insert(0, Image("theirs", id=f"{number}" * 1030))
    site.glance.faults.on("glance-pages", size=2)
    report = site.look()
    assert counts(report)["in_step"] == 2
    assert report.code == 0
    assert report.first.endswith("; 4 images of RegionOne could not be read"), report.first


def test_each_region_is_compared_or_the_one_that_is_named(site):
    cloud = site.federation.cloud("regions")
    new = site.publish("alma", ["9"], "2026-10-01-7b98c834", days=9)
    cloud.glance.images.insert(0, Image("alma", properties=new.properties()))
    assert site.look("--region", "RegionOne", host="regions.fedcloud.test").code == 0
    report = site.look(host="regions.fedcloud.test")
    glances = [at(cloud.catalogue["image"][region]) for region in ("RegionOne", "RegionTwo")]
    expect(report, 1, rf"RegionTwo: missing for 9 d: egi_vm_images/alma:9, on {glances[1]} \(limit 1d\)")
    assert counts(report) == {"published": 4, "in_step": 3, "missing": 1, "outdated": 0, "surplus": 0}
    site.publish("rocky", ["9"], "2026-10-01-7b98c834", days=8)
    expect(
        site.look(host="regions.fedcloud.test"),
        1,
        rf"RegionOne: missing for 8 d: egi_vm_images/rocky:9, on {glances[0]}; RegionTwo: missing for 9 d: "
        rf"egi_vm_images/alma:9, egi_vm_images/rocky:9, on {glances[1]} \(limit 1d\)",
    )


# ---- out of step with the registry


def test_an_image_that_is_missing_is_told_with_the_time_it_was_published(site):
    site.publish("alma", ["9", "9-2026-10-01-7b98c834"], "2026-10-01-7b98c834", days=9)
    report = site.look()
    expect(report, 1, rf"missing for 9 d: egi_vm_images/alma:9, on {site.place} \(limit 1d\)")
    assert counts(report)["missing"] == 1
    assert report.performance["lag"].startswith("7776")
    assert site.look("-c", "5d").code == 2
    assert site.look("-w", "10d").code == 0
    assert site.look("-w", "0").code == 0


def test_a_new_version_has_its_time(site):
    old = site.registry.artefacts[0]
    site.glance.images = []
    old.tags.reverse()
    site.bring(old)
    old.tags = old.tags[1:]
    new = site.publish("alpine", ["3.20"], "2026-11-20-aa", days=0.5)
    outdated = rf"egi_vm_images/alpine:3\.20: the list has 2026-11-20-aa, image {ID} is 2026\.01\.30-abc"
    report = site.look()
    expect(report, 0, rf"0 of 1 image of {REGISTRY} in step in .* \(project ops\); out of date for 12 h: {outdated}")
    assert counts(report) == {"published": 1, "in_step": 0, "missing": 0, "outdated": 1, "surplus": 0}
    new.pushed -= 2 * DAY
    expect(site.look(), 1, rf"out of date for 2\.5 d: {outdated}, on {site.place} \(limit 1d\)")
    site.bring(new)
    assert counts(site.look()) == {"published": 1, "in_step": 1, "missing": 0, "outdated": 0, "surplus": 1}


def test_the_digest_decides_where_the_version_is_the_same(site):
    [published] = site.registry.images
    site.glance.images = []
    site.bring(Artefact("alpine", ["3.20"], published.version, annotations={"other": "file"}))
    published.pushed = time.time() - 9 * DAY
    outdated = rf"egi_vm_images/alpine:3\.20: the list has digest [0-9a-f]{{12}}, image {ID} is digest [0-9a-f]{{12}}"
    expect(site.look(), 1, rf"out of date for 9 d: {outdated}, on {site.place} \(limit 1d\)")


def test_an_image_of_the_registry_that_it_no_longer_names_is_surplus_since_it_was_seen_so(site):
    site.bring(site.registry.artefacts[1])
    surplus = rf"registry\.egi\.eu alpine: image {ID}"
    report = site.look()
    expect(report, 0, rf"1 image of .*; no longer in the list as seen now: {surplus}")
    assert counts(report)["surplus"] == 1
    site.pass_days(2)
    expect(site.look(), 1, rf"no longer in the list for 2 d: {surplus}, on {site.place} \(limit 1d\)")
    site.glance.images.pop(0)
    assert site.look().code == 0
    site.bring(site.registry.artefacts[1])
    expect(site.look(), 0, r".* as seen now: .*")


@pytest.mark.parametrize(
    ("more", "why"),
    [
        ({"status": "deactivated"}, rf"image {ID} is there, and deactivated"),
        ({"status": "queued"}, rf"image {ID} is there, and queued"),
        (
            {"visibility": "shared", "member": "pending"},
            "it is shared with the project, which has not accepted it",
        ),
    ],
)
def test_why_an_image_is_missing_that_is_there(site, more, why):
    new = site.publish("alma", ["9"], "2026-10-01-7b98c834", days=9)
    site.bring(new, **more)
    expect(site.look(), 1, rf"missing for 9 d: egi_vm_images/alma:9: {why}, on {site.place} \(limit 1d\)")


def test_an_image_that_the_project_has_accepted_is_there(site):
    new = site.publish("alma", ["9"], "2026-10-01-7b98c834", days=9)
    site.bring(new, visibility="shared", member="accepted")
    assert counts(site.look())["in_step"] == 2


def test_many_are_named_by_the_first_and_counted(site):
    for number in range(9):
        site.publish(f"linux{number}", ["1"], "2026-10-01", days=20 - number)
    expect(
        site.look(),
        1,
        rf"missing for 20 d: egi_vm_images/linux0:1, egi_vm_images/linux1:1 and 7 others, on {site.place} "
        r"\(limit 1d\)",
    )
    told = site.look("-v").out
    assert all(f"RegionOne: egi_vm_images/linux{number}:1 missing for {20 - number} d\n" in told for number in range(9))


def test_a_long_name_is_cut_and_whole_in_the_details(site):
    name = "n" * 90
    site.publish(name, ["1"], "2026-10-01", days=9)
    cut = f"egi_vm_images/{name}"[:57]
    expect(site.look(), 1, rf"missing for 9 d: {cut}\.\.\., on {site.place} \(limit 1d\)")
    assert f"RegionOne: egi_vm_images/{name}:1 missing for 9 d\n" in site.look("-v").out


def test_what_is_missing_is_told_of_glance_which_was_asked_and_the_login_of_the_keystone(site):
    site.publish("alma", ["9"], "2026-10-01-7b98c834", days=9)
    assert site.place != at(site.cloud.url)
    report = site.look("--response-time", "1ms,", "-v")
    assert re.search(rf"\nimages of RegionOne: \d+ images by GET https://{site.place}/v2/images\n", report.out)
    assert f"missing for 9 d: egi_vm_images/alma:9, on {site.place} (limit 1d)" in report.out
    assert re.search(rf"login complete only after \S+ ms on {at(site.cloud.url)} \(limit 1ms\)", report.out), report.out


@pytest.mark.parametrize("step", ["list_all", "list_pending"])
def test_time_that_is_up_while_glance_is_asked_is_told_of_glance_and_not_of_its_keystone(monkeypatch, step):
    def end(*_):
        raise OutOfTime

    scope = TokenScope("ops", "1", (), (CatalogueEndpoint("image", "RegionOne", "https://glance.example.org:9292"),))
    cloud = OpenStackCloud(None, "https://keystone.example.org:5000/v3", LoginRequest("ops"))
    monkeypatch.setattr(cloud, "log_in", lambda: None)
    cloud.scope, cloud.login = scope, ProjectToken("", "ops", "")
    now = 0.0
    deadline = Deadline(60, clock=lambda: now)
    endpoint = CloudEndpoint(cloud.keystone.base, None, None, "")
    access = OpenStackAccess(cloud, "", "")
    published = PublishedImage("alma", frozenset({"alma"}), {})
    check = ImagesInStep(endpoint, access, None, [], FirstSeen(None), deadline, region="", now=lambda: 0.0)
    monkeypatch.setattr(check, "_fetch_lists", lambda: ([PublishedImages([published], lambda _: False)], None))
    monkeypatch.setattr(GlanceImages, "list_all", lambda _: [])
    monkeypatch.setattr(GlanceImages, step, end)
    now = 60.0
    deadline.waits.add(50, 50)
    told = list(check.probe())[-1].value
    said = "not finished within 60 s by glance.example.org:9292 (raise -t to wait longer)"
    assert (told.status, told.sentence) == (2, said)


# ---- signed lists


def test_a_signed_list_is_compared_by_identifier_address_version_and_checksum(site):
    site.bring_listed(1, 2, 3)
    report = site.look(*site.signed)
    expect(
        report,
        0,
        rf"3 images of image list {at(site.federation.appdb_url)} in step in RegionOne of {at(site.cloud.url)} "
        r"\(project ops\)",
    )
    assert f"list: {site.federation.appdb_url}\n" in site.look(*site.signed, "-v").out
    assert counts(report) == {"published": 3, "in_step": 3, "missing": 0, "outdated": 0, "surplus": 0}


@pytest.mark.parametrize(
    ("field", "value", "words"),
    [
        ("hv_version", "1.1", r"the list has 1\.2, image \S+ is 1\.1"),
        ("sl_checksum:sha512", "1" * 128, r"the list has sha512 [0-9a-f]{12}, image \S+ is sha512 1{12}"),
        ("ad_mpuri", "{before}:479/", r"the list has revision (?!479\b)\d+, image \S+ is revision 479"),
    ],
)
def test_an_older_version_of_a_signed_list(site, field, value, words):
    site.bring_listed(1, 2)
    site.bring_listed(3, **{field: value.replace("{before}", site.appdb.mpuri(3).rpartition(":")[0])})
    report = site.look(*site.signed)
    expect(report, 0, rf"2 of 3 images of .*; out of date as seen now: Image 3 \[CentOS/7/KVM\]: {words}")
    site.pass_days(3)
    assert site.look(*site.signed).code == 1


@pytest.mark.parametrize("order", [(1, 9), (9, 1)])
def test_of_several_older_versions_the_newest_is_told(site, order):
    site.bring_listed(1, 2)
    for days in order:
        site.bring_listed(3, hv_version=f"0.{days}")
        site.glance.images[0].created -= days * DAY
    told = r"Image 3 \[CentOS/7/KVM\]: the list has 1\.2, image \S+ is 0\.1"
    expect(site.look(*site.signed), 0, rf"2 of 3 images of .*; out of date as seen now: {told}")


def test_an_older_version_beside_the_new_one_is_surplus_whatever_vo_it_bears(site):
    site.bring_listed(1, 2)
    site.bring_listed(3, hv_version="1.1")
    del site.glance.images[0].properties["vo"]
    site.bring_listed(3)
    report = site.look(*site.signed)
    expect(
        report,
        0,
        rf"3 images of .* in step in .*; no longer in the list as seen now: Image 3 \[CentOS/7/KVM\]: image {ID}",
    )
    assert counts(report) == {"published": 3, "in_step": 3, "missing": 0, "outdated": 0, "surplus": 1}


def test_an_image_known_by_its_address_alone_is_the_lists(site):
    site.bring_listed(1, 2, 3)
    for image in site.glance.images[:3]:
        image.properties = {"vmcatcher_event_ad_mpuri": image.properties["vmcatcher_event_ad_mpuri"].rstrip("/")}
    assert counts(site.look(*site.signed))["in_step"] == 3


def test_what_the_list_no_longer_has_is_surplus_where_it_is_of_its_vo(site):
    site.bring_listed(1, 2, 3, 4, 5)
    site.glance.images[0].properties["vo"] = "another.vo"
    report = site.look(*site.signed)
    assert counts(report) == {"published": 3, "in_step": 3, "missing": 0, "outdated": 0, "surplus": 1}
    assert "Image 4" in report.first


@pytest.mark.parametrize(
    ("fault", "pattern"),
    [
        ("expired-list", r"the list expired 24 h ago, so nobody is to keep its images, from image list {AT}"),
        ("broken-signature", r"the document was changed after it was signed, from image list {AT}"),
        (
            "unknown-signer",
            r"the certificate /DC=test/DC=fedcloud/O=Hosts/CN=unknown-signer\.fedcloud\.test is of a CA that is not "
            r"trusted here: /DC=test/DC=elsewhere/CN=Unknown Test CA, from image list {AT}",
        ),
        (
            "wrong-signer",
            r"hv:dn is /DC=test/DC=fedcloud/O=Hosts/CN=appdb\.fedcloud\.test, but the list is signed by "
            r"/DC=test/DC=fedcloud/O=Hosts/CN=wrong-signer\.fedcloud\.test, from image list {AT} \(if that is meant, "
            r"accept it with --ignore-endorser\)",
        ),
        ("appdb-error", r'error "Image list does not exist" instead of an image list from image list {AT}'),
    ],
)
def test_a_list_that_is_not_to_be_trusted_is_no_fault_of_the_site(site, fault, pattern):
    site.appdb.faults.on(fault)
    expect(site.look(*site.signed), 3, pattern.replace("{AT}", AT))


def test_an_unsigned_list_is_taken_where_that_is_allowed(site):
    site.bring_listed(1, 2, 3)
    site.appdb.kind = "bare"
    assert site.look(*site.signed).code == 3
    assert site.look(*site.signed, "--signature", "if-present").code == 0


def test_two_lists_are_compared_together(site):
    site.bring_listed(1, 2)
    report = site.look(*site.signed, "--list", site.federation.registry_url)
    assert counts(report) == {"published": 4, "in_step": 3, "missing": 1, "outdated": 0, "surplus": 0}


# ---- whose fault


@pytest.mark.parametrize(
    ("fault", "pattern"),
    [
        (
            {"name": "status", "code": 503},
            r"503 Service Unavailable from image list localhost:\d+ when asked to list images",
        ),
        ({"name": "html"}, r"page \"Sign in\" \(200\) instead of JSON from image list localhost:\d+"),
        ({"name": "close-request"}, r"connection (closed before an answer from|reset by) image list localhost:\d+"),
        ({"name": "endless-body"}, r"answer larger than 4096 KiB from image list localhost:\d+"),
        ({"name": "registry-no-end"}, r"more than 500 artefacts in image list localhost:\d+"),
        (
            {"name": "redirect", "to": "https://localhost:1/"},
            r"redirect to https://localhost:1/ \(302\) from image list localhost:\d+ when asked to list images",
        ),
        ({"name": "status", "code": 200, "body": "{}"}, r"answer that is no list from image list localhost:\d+"),
    ],
    ids=["503", "login page", "closed", "endless", "no end", "redirect", "no list"],
)
def test_a_registry_out_of_order_is_unknown_and_hides_no_fault_of_the_site(site, fault, pattern):
    site.registry.faults.on(**fault)
    expect(site.look(), 3, rf"{pattern}.*")
    site.web.faults.on("status", code=500)
    expect(site.look(), 2, rf"500 Internal Server Error from {AT} when asked to list images")


def test_a_mute_registry_leaves_time_for_the_site(site):
    site.registry.faults.on("mute")
    report = site.look("-t", seconds(6))
    expect(report, 3, rf"no complete answer within .* from image list {AT} when asked to list images")
    assert [each.request.path for each in site.web.requests] == ["/v2/images"]


@pytest.mark.parametrize(
    ("fault", "pattern"),
    [
        ({"name": "status", "code": 503}, rf"503 Service Unavailable from {AT} when asked to list images"),
        ({"name": "html"}, rf"page \"Sign in\" \(200\) instead of JSON from {AT}"),
        ({"name": "status", "code": 200, "body": "[]"}, rf"answer that is no list of images from {AT}"),
        ({"name": "glance-next"}, rf'400 "Image again could not be found" from {AT} when asked to list images'),
        (
            {"name": "os-no-keystone"},
            rf"401 .*from {AT} when asked to list images; Keystone takes this token, so Glance .*",
        ),
    ],
    ids=["503", "login page", "no list", "unknown marker", "401"],
)
def test_a_glance_out_of_order_is_critical(site, fault, pattern):
    site.glance.faults.on(**fault)
    expect(site.look(), 2, pattern)


def test_pages_that_go_round_in_a_circle_have_an_end(site):
    first = site.glance.images[0].id
    site.glance.faults.on("glance-next", next=f"/v2/images?marker={first}")
    expect(site.look(), 2, rf"pages that go round in a circle from {AT}; the marker '{first}' came twice")


def test_what_others_write_beside_an_image_harms_nothing(site):
    deep = "[" * 20000 + "]" * 20000
    for value in ("no JSON", "[]", '"text"', deep, '{"eu.egi.cloud.image_ref": 7}', '{"appdb_id": {"a": "b"}}'):
        site.glance.images.insert(0, Image("x", properties={"APPLIANCE_ATTRIBUTES": value, "appdb_id": "\x1b[31m|"}))
    assert site.look().code == 0


# ---- logins


def login_file(site: Site, text: str) -> tuple[str, object]:
    path = site.monitor.home / "login"
    path.write_text(text)
    path.chmod(0o600)
    return "--list-login-file", path


def test_a_registry_that_wants_a_login_gets_it(site):
    login = f"robot$sam:{planted.plain_secret()}"
    site.registry.faults.on("registry-private", login=login)
    wants = (
        rf"login wanted: not everybody may read it \(401 .*\) from {AT} when asked to list images "
        r"\(give one with --list-login-file\)"
    )
    expect(site.look(), 3, wants)
    named = ("--list", site.federation.registry_url)
    assert site.look(*named, *login_file(site, login)).code == 0
    expect(
        site.look(*named, *login_file(site, "robot$sam:other")),
        3,
        rf"our login not taken \(401 .*\) from {AT} when asked to list images",
    )


def test_a_private_signed_list_gets_its_token(site):
    token = planted.plain_secret()
    site.bring_listed(1, 2, 3)
    site.appdb.faults.on("private-list", token=token)
    expect(
        site.look(*site.signed),
        3,
        rf"access token wanted: the list is private \(401 .*\) from {AT} \(give one with --list-login-file\)",
    )
    assert site.look(*site.signed, *login_file(site, token)).code == 0


def test_a_login_goes_to_no_other_host_and_never_in_clear(site):
    option = login_file(site, "robot$sam:secret")
    for lists in (["http://localhost:1/image.list"], [site.federation.registry_url, "https://other.test/image.list"]):
        words = [word for url in lists for word in ("--list", url)]
        expect(site.look(*words, *option), 3, r"the login of --list-login-file goes to one host only, over https")
    other = site.federation.service("stack-keystone").web
    site.registry.faults.on("registry-realm", realm=f"{other.url}/service/token")
    named = ("--list", site.federation.registry_url)
    expect(site.look(*named, *option), 3, rf"our login not taken \(401 .*\) from {AT} when asked to list images")
    assert not [each for each in other.requests if "/service/token" in each.request.path]


def test_a_state_directory_that_cannot_be_kept_is_unknown(site):
    site.bring(site.registry.artefacts[1])
    assert site.look().code == 0
    [path] = site.monitor.state.glob("since-*.json")
    path.unlink()
    path.mkdir()
    expect(site.look(), 3, r"state directory \S+ .*")


def test_damaged_state_is_begun_anew(site):
    site.bring(site.registry.artefacts[1])
    assert site.look().code == 0
    for damaged in ('{"at": 1', '{"at": "x", "since": []}', "[]", json.dumps({"at": time.time(), "since": [1]})):
        [path] = site.monitor.state.glob("since-*.json")
        path.write_text(damaged)
        expect(site.look(), 0, r".* as seen now: .*")
