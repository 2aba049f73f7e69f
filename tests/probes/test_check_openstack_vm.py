"""check_openstack_vm against the Nova of a federation's OpenStack sites: what people see, and what is left."""

from __future__ import annotations

import json
import re
import signal
import time

import pytest

from tests import planted
from tests.conftest import Monitor, Report, at
from tests.federation.glance import Image
from tests.federation.keystone import ISSUER
from tests.federation.neutron import Network
from tests.federation.nova import Flavor
from tests.pace import AMPLE_S, seconds, until

PROBE = "check_openstack_vm"
HOST = "stack.fedcloud.test"
TIME = r"[\d.]+ m?s"
NOVA = r"https://localhost:\d+/v2\.1"
AT = r"localhost:\d+"
TITLE = r"egi-sam-[a-z0-9-]+-[0-9a-f]{12}"
UUID = "[0-9a-f]{8}-[0-9a-f-]{27}"
ID = rf"; X-Openstack-Request-Id req-{UUID}"
CENTOS = "Image for EGI Centos 7 [CentOS/7/VirtualBox]"
ALPINE = "registry.egi.eu/egi_vm_images/alpine"
QUOTA = {"quota_instances", "quota_cores", "quota_memory"}
TIMES = {"time_to_login", "time_to_create", "time_to_active", "time_to_delete", "time_total"}


class Site:
    """The site that is looked at, from the inside and as a monitor."""

    def __init__(self, monitor: Monitor, name: str = "stack") -> None:
        self.monitor = monitor
        self.cloud = monitor.federation.cloud(name)
        self.keystone = self.cloud.keystone
        self.nova, self.glance, self.neutron = self.cloud.nova, self.cloud.glance, self.cloud.neutron
        self.web = monitor.federation.service(f"{name}-nova").web

    @property
    def neutron_url(self) -> str:
        return self.cloud.catalogue["network"][self.cloud.regions[0]]

    def look(self, *words: object, **more: object) -> Report:
        return self.monitor.run(PROBE, "-H", self.cloud.hostname, *words, **more)

    def journal(self) -> list[str]:
        return sorted(path.name.removesuffix(".server") for path in self.monitor.state.glob("*.server"))

    def asked(self, method: str) -> list[str]:
        return [each.request.path for each in self.web.requests if each.request.method == method]

    def ours(self) -> list[str]:
        return [each.name for each in self.nova.servers() if re.fullmatch(TITLE, each.name)]

    def file(self, content: str) -> object:
        file = self.monitor.home / "secret"
        file.write_text(content)
        file.chmod(0o600)
        return file

    def with_token(self, *vos: str, user: str = "robot@egi.eu", **claims: object) -> tuple[str, object]:
        """The option for an access token that the site knows."""
        token = planted.jwt(iss=ISSUER, **{"exp": time.time() + 3600, **claims})
        self.keystone.register_access_token(token, user, vos=vos or ("ops",))
        return "--token-file", self.file(token)


@pytest.fixture
def site(monitor) -> Site:
    return Site(monitor)


def expect(report: Report, code: int, pattern: str) -> None:
    report.expect("OpenStack-VM", code, pattern)


# ---- all is well


def test_a_host_alone_is_enough(site):
    report = site.look()
    expect(
        report,
        0,
        rf"VM active after {TIME} in RegionOne of {at(site.cloud.url)} \(project ops, {re.escape(CENTOS)}, m1\.tiny\), "
        rf"removed in {TIME}",
    )
    assert set(report.performance) == TIMES | QUOTA
    assert report.performance["time_to_active"].endswith("s;300;;0")
    assert report.performance["quota_instances"] == "0;;;0;50"
    assert report.performance["quota_memory"] == "0B;;;0;53687091200"
    [(name, _)] = site.nova.created
    assert re.fullmatch(TITLE, name)
    assert (site.nova.deleted, site.nova.servers(), site.journal()) == (site.nova.created, [], [])


def test_v_tells_the_vm_what_it_is_made_of_and_where(site):
    text = "\n".join(site.look("-v").lines)
    for part in ("of STACK-CLOUD", "catalogue: RegionOne (compute, ", "region: RegionOne, Nova at https://"):
        assert part in text
    for part in (f"({CENTOS})", "size: 1 (m1.tiny)", "(ops-net)", "VM: /servers/", "address: 192.168.71.23"):
        assert part in text
    assert "acting as" not in text
    assert "acting as: rfc proxy" in "\n".join(site.look("-vv").lines)


def test_the_vm_is_marked_as_ours_and_as_monitors_of_the_federation_mark_theirs(site):
    process = _hold(site)
    [server] = site.nova.servers()
    assert set(server.metadata) == {"argo-mon-host", "egi-sam"}
    assert server.metadata["egi-sam"] == server.name
    process.terminate()
    process.communicate()


def test_every_way_to_log_in(site):
    assert site.look(*site.with_token()).code == 0
    token = next(each.id for each in site.keystone.tokens.values() if each.project == "ops")
    assert site.look("--keystone-token-file", site.file(token)).code == 0
    assert site.monitor.run(PROBE, "-u", site.cloud.url).code == 0
    assert len(site.nova.created) == 3


def test_a_password_that_nova_makes_is_shown_nowhere(site):
    report = site.look("-vvv")
    assert report.code == 0
    assert planted.MARK not in report.out


# ---- what it is made of


@pytest.mark.parametrize(
    ("wanted", "image"),
    [
        ("1017", CENTOS),
        ("1018", "EGI Ubuntu 22.04"),
        (f"{ALPINE}:3.20-2026.01.30-abc", "registry alpine"),
        (ALPINE, "registry alpine"),
        ("cirros-0.3.5", "cirros-0.3.5"),
        ("{id}", "cirros-0.3.5"),
        ("{hidden}", "hidden"),
    ],
    ids=["AppDB number", "number within attributes", "image_ref", "image_ref without tag", "name", "id", "hidden one"],
)
def test_an_image_by_whatever_it_is_known(site, wanted, image):
    ids = {"{id}": site.glance.named("cirros-0.3.5").id, "{hidden}": site.glance.named("hidden").id}
    site.glance.faults.on("glance-pages", size=3)
    expect(site.look("--image", ids.get(wanted, wanted)), 0, rf"VM active .* \(project ops, {re.escape(image)}, .*")


def test_of_several_images_the_newest_is_taken_and_that_is_said(site):
    newer = Image("newer", properties={"ad:appid": "1017"}, created=1.8e9)
    site.glance.images.append(newer)
    site.glance.images.append(Image("broken", "deactivated", properties={"ad:appid": "1017"}, created=1.81e9))
    site.glance.images.append(Image("no json", properties={"APPLIANCE_ATTRIBUTES": "{x"}))
    expect(
        site.look("--image", "1017"),
        0,
        rf"VM active .* \(project ops, newer, .*; of 2 images 1017 the newest was taken, {newer.id}",
    )


@pytest.mark.parametrize(
    ("wanted", "said"),
    [
        (
            "1016",
            (
                r"no image 1016, which --image names, among 6 active ones of project ops on {AT}; nearest: .* "
                r"\(correct --image, or share the VO's images with the project\)"
            ),
        ),
        (
            "cirros",
            (
                r"no image cirros, which --image names, among 6 active ones of project ops on {AT}; "
                r"nearest: cirros-0\.3\.5 \(correct --image\)"
            ),
        ),
        ("queued", r"image queued, which --image names, is queued instead of active on {AT} \(correct --image\)"),
        (
            "{deactivated}",
            r"image .*, which --image names, is deactivated instead of active on {AT} \(correct --image\)",
        ),
    ],
)
def test_an_image_that_cannot_be_used_is_told_with_the_nearest(site, wanted, said):
    named = wanted.strip("{}")
    wanted = site.glance.named(named).id if named != wanted else wanted
    expect(site.look("--image", wanted), 3, said.replace("{AT}", AT))
    assert site.nova.created == []


@pytest.mark.parametrize("status", ["deactivated", "queued"])
def test_an_image_of_egis_that_is_not_active_is_the_sites_fault_and_named_with_what_to_do(site, status):
    site.glance.named(CENTOS).status = status
    said = rf"image 1017, which --image names, is {status} instead of active on {AT}"
    expect(site.look("--image", "1017"), 2, rf"{said} \(upload it again, or activate it\)")
    assert site.nova.created == []


NAMED_BY_URL = [
    ("image=1016", r"no image 1016, {source}, among 6 active ones of project ops on {AT}; nearest: .* \({remedy}\)"),
    ("image=cirros", r"no image cirros, {source}, among 6 active .* on {AT}; nearest: cirros-0\.3\.5 \({remedy}\)"),
    ("resource=m1.tyni", r"no size m1\.tyni, {source}, among 8 on {AT}; nearest: m1\.tiny.* \({remedy}\)"),
]


@pytest.fixture
def registered(site):
    """A function that registers the site's Keystone once more, with such a query, and returns the new host's name."""
    from tests.federation import gocdb

    def register(query: str) -> str:
        host = "named.fedcloud.test"
        added.append(gocdb.Service(host, "org.openstack.nova", "STACK-NAMED", url=f"{site.cloud.url}?{query}"))
        site.monitor.federation.gocdb.add_service(added[-1])
        return host

    added: list[gocdb.Service] = []
    yield register
    for each in added:
        site.monitor.federation.gocdb.remove_service(each)


@pytest.mark.parametrize(("query", "said"), NAMED_BY_URL)
def test_what_an_operators_url_names_and_the_site_has_not_is_told_of_the_url(site, query, said):
    report = site.monitor.run(PROBE, "-u", f"{site.cloud.url}?{query}")
    remedy = "correct -u, or share the VO's images with the project" if "1016" in query else "correct -u"
    expect(report, 3, said.format(source="which -u names", AT=AT, remedy=remedy))
    assert "GOCDB" not in report.out
    assert site.nova.created == []


@pytest.mark.parametrize(("query", "said"), NAMED_BY_URL)
@pytest.mark.parametrize("is_passed", [False, True], ids=["by host name", "by -u too, as NCG passes it"])
def test_what_the_gocdbs_url_names_and_the_site_has_not_is_the_sites_fault(site, registered, query, said, is_passed):
    url = ("-u", f"{site.cloud.url}?{query}") if is_passed else ()
    report = site.monitor.run(PROBE, "-H", registered(query), *url)
    remedy = "share the VO's images with the project" if "1016" in query else "correct the URL in the GOCDB"
    expect(report, 2, said.format(source="registered in the GOCDB", AT=AT, remedy=remedy))


def test_an_operators_url_beside_a_host_that_is_registered_with_another_size_is_the_operators(site, registered):
    report = site.monitor.run(PROBE, "-H", registered("resource=m1.tiny"), "-u", f"{site.cloud.url}?resource=m1.tyni")
    expect(report, 3, rf"no size m1\.tyni, which -u names, among 8 on {AT}; nearest: m1\.tiny.* \(correct -u\)")


def test_a_project_that_sees_no_image_is_the_sites_fault(site):
    site.glance.images.clear()
    expect(site.look(), 2, rf"no active image seen at all by project ops on {AT}")


@pytest.mark.parametrize(
    ("image", "size"), [("bigram", "m1.nohost"), ("cirros-0.3.5", "m1.tiny")], ids=["much memory", "little"]
)
def test_the_smallest_size_that_holds_the_image(site, image, size):
    report = site.look("--image", image, "-v")
    assert f"size: {next(each.id for each in site.nova.flavors if each.name == size)} ({size})" in report.lines


def test_sizes_that_cannot_be_used(site):
    expect(
        site.look("--image", "bigdisk"),
        2,
        rf"none of 8 sizes can hold image bigdisk on {AT}; it needs 40 GiB of disk and 0 MiB of memory "
        r"\(add one with a disk of its own\)",
    )
    expect(
        site.look("--size", "m1.tyni"),
        3,
        rf"no size m1\.tyni, which --size names, among 8 on {AT}; nearest: m1\.tiny.* \(correct --size\)",
    )
    expect(
        site.look("--size", "volume.small"),
        2,
        r'403 "Only volume-backed servers are allowed for flavors with zero disk" from '
        rf"{AT} when asked to create a VM",
    )
    site.nova.flavors[:] = [Flavor("1", "m1.tiny", 1, 512, 1, disabled=True), Flavor("2", "m1.small", 1, 2048, 20)]
    expect(site.look(), 0, r"VM active .*, m1\.small\), .*")


def test_a_network_is_the_projects_one_or_the_one_that_is_named(site):
    assert site.look("--network", "ops-net").code == 0
    expect(
        site.look("--network", "nosuch"),
        3,
        rf"no network nosuch, which --network names, in project ops on {at(site.neutron_url)} "
        r"\(choose one that it sees: no-sub.*\)",
    )
    expect(
        site.look("--network", "no-subnet"),
        2,
        rf'400 "Network {UUID} requires a subnet.*" from {AT} when asked to create a VM',
    )
    expect(
        site.look("--network", "public"),
        2,
        rf'VM went into ERROR instead of ACTIVE: "Build of instance {UUID} aborted: .*" on {AT}',
    )
    site.neutron.networks[:] = [Network("theirs", "admin", shared=True)]
    assert "(theirs)" in "\n".join(site.look("-v").lines)
    site.neutron.networks[:] = [Network("b"), Network("a"), Network("theirs", "admin", shared=True)]
    assert "(a, the first by name of a, b)" in "\n".join(site.look("-v").lines)


@pytest.mark.parametrize(
    "others",
    [
        [Network("ops-net", number=1)],
        [Network("ops-net", "admin", shared=True)],
        [Network("ops-net", subnets=0, number=1)],
        [Network("ops-net", "admin", external=True), Network("ops-net", number=1)],
    ],
    ids=["two of the project", "one that is shared", "one without a subnet", "three"],
)
def test_a_name_of_several_networks_is_refused_with_their_ids_as_openstackclient_does(site, others):
    own = Network("ops-net")
    site.neutron.networks[:] = [own, *others]
    ids = sorted(each.id for each in site.neutron.networks)
    told = f"{ids[0]}, {ids[1]}" + (" and 1 other" if len(ids) == 3 else "")
    report = site.look("--network", "ops-net", "-v")
    expect(
        report,
        3,
        rf"{len(ids)} networks ops-net, which --network names, in project ops on {at(site.neutron_url)}; {told} "
        r"\(name one by its ID\)",
    )
    assert f"asked: GET {site.neutron_url}/v2.0/networks\n" in report.out
    assert all(f"network {each}: of " in report.out for each in ids)
    assert site.nova.created == []
    assert site.look("--network", own.id).code == 0


def test_an_id_wins_over_a_network_that_has_it_for_a_name(site):
    own = Network("ops-net")
    site.neutron.networks[:] = [Network(own.id, subnets=0), own]
    assert site.look("--network", own.id).code == 0


def test_of_two_networks_of_one_name_the_probe_takes_one_that_a_vm_can_be_on_and_tells_both(site):
    site.neutron.networks[:] = [Network("net", subnets=0, number=1), Network("net", number=2)]
    report = site.look("-v")
    assert report.code == 0
    assert f"network: {site.neutron.networks[1].id} (net)\n" in report.out
    site.neutron.networks.append(Network("net", number=3))
    report = site.look("-v")
    assert report.code == 0
    first, second = sorted(each.id for each in site.neutron.networks[1:])
    assert f"network: {first} (net, the first by name of net {first}, net {second})\n" in report.out


@pytest.mark.parametrize("names", [(), ("a",), ("a", "b")], ids=["none", "one", "two"])
def test_nova_is_never_asked_to_make_a_network(site, names):
    """`"networks": "auto"` makes network, subnet and router, which outlive the VM and take the project's quota."""
    site.neutron.networks[:] = [Network(name) for name in names]
    assert site.look().code == (0 if names else 1)
    [body] = [json.loads(each.request.body) for each in site.web.requests if each.request.method == "POST"]
    network = [{"uuid": site.neutron.networks[0].id}] if names else None
    assert body["server"].get("networks") == network
    assert site.nova.servers() == []


def test_several_networks_of_which_none_can_be_chosen_are_explained(site):
    site.neutron.networks[:] = [Network("a", subnets=0), Network("b", subnets=0)]
    expect(
        site.look(),
        2,
        r'409 "Multiple possible networks found, use a Network ID to be more specific" from '
        rf"{AT} when asked to create a VM \(name one with --network\)",
    )


def test_a_vm_without_any_address_is_a_warning(site):
    site.neutron.networks.clear()
    expect(
        site.look(),
        1,
        rf"VM is ACTIVE without any address on {AT}; project ops has no network that it could be on",
    )
    assert site.nova.servers() == []


# ---- regions and projects


def test_all_services_are_of_one_region(monitor):
    site = Site(monitor, "regions")
    expect(site.look(), 0, r"VM active after .* in RegionOne of .*")
    expect(site.look("--region", "RegionTwo"), 0, r"VM active after .* in RegionTwo of .*")
    assert [len(nova.created) for nova in site.cloud.novas.values()] == [1, 1]
    expect(
        site.look("--region", "West"), 3, rf"no region West, which --region names, in the catalogue of {AT} \(choose .*"
    )


def test_one_vm_in_each_region(monitor):
    site = Site(monitor, "regions")
    report = site.look("--all-regions", "-v")
    expect(report, 0, rf"VM active after .* in RegionOne and RegionTwo of {at(site.cloud.url)} \(project ops, .*")
    assert set(report.performance) == TIMES | QUOTA
    assert [len(nova.created) for nova in site.cloud.novas.values()] == [1, 1]
    assert [nova.servers() for nova in site.cloud.novas.values()] == [[], []]
    assert sum(line.startswith("VM: /servers/") for line in report.lines) == 2
    assert site.asked("POST") == ["/v2.1/servers"]
    logins = monitor.federation.service("regions-keystone").web.requests
    assert sum(each.request.method == "POST" for each in logins) == 2, "one login serves all regions"
    assert site.look("--all-regions", "--region", "RegionOne").code == 3


def test_a_region_that_fails_does_not_hide_the_other(monitor):
    site = Site(monitor, "regions")
    site.nova.faults.on("nova-build-error")
    report = site.look("--all-regions")
    expect(report, 2, rf'RegionOne: VM went into ERROR instead of ACTIVE: "No valid host was found" on {AT}')
    assert [len(nova.created) for nova in site.cloud.novas.values()] == [1, 1]
    assert set(report.performance) == TIMES | QUOTA
    assert (site.nova.servers(), site.journal()) == ([], [])


def test_what_stays_in_one_region_is_told_beside_what_is_worse_in_another(monitor):
    site = Site(monitor, "regions")
    site.cloud.novas["RegionOne"].faults.on("nova-build-error")
    site.cloud.novas["RegionTwo"].faults.on("nova-locked")
    report = site.look("--all-regions", "-t", seconds(16))
    [title] = site.journal()
    expect(
        report,
        2,
        rf'RegionOne: VM went into ERROR instead of ACTIVE: "No valid host was found" on {AT}; '
        rf"RegionTwo: VM not removed(: 409)? \({title}; next run retries\)",
    )


def test_what_stays_in_one_region_is_no_earlier_runs_in_the_next(monitor):
    """It is not asked for again either: a locked VM is asked for once in a run."""
    site = Site(monitor, "regions")
    site.cloud.novas["RegionOne"].faults.on("nova-locked")
    report = site.look("--all-regions", "-v")
    [title] = site.journal()
    said = rf'409 "Instance {UUID} is locked" from {AT} when asked to delete the VM'
    expect(report, 1, rf"RegionOne: VM active after {TIME}, not removed: {said} \({title}; next run retries\)")
    assert "earlier run" not in report.out
    assert len(site.asked("DELETE")) == 1
    site.cloud.novas["RegionOne"].faults.clear()
    expect(site.look("--all-regions"), 0, r"VM active .*; removed 1 VM that an earlier run had left")
    assert site.journal() == []


def test_what_is_said_of_the_login_is_said_once_for_all_regions(monitor):
    site = Site(monitor, "regions")
    expect(
        site.look("--all-regions", *site.with_token("fedcloud.egi.eu")),
        1,
        rf"acts in project fedcloud\.egi\.eu, which is not one of VO ops by its name, on {at(site.cloud.url)} "
        r"\(if it is meant, name it with --project\)",
    )


def test_the_time_of_the_login_is_told_with_the_keystone_that_took_it(monitor):
    site = Site(monitor, "regions")
    for words in ((), ("--all-regions",)):
        report = site.look(*words, "--response-time", "0.001ms,")
        expect(report, 1, rf"login complete only after {TIME} on {at(site.cloud.url)} \(limit 0\.001ms\)")


def test_a_region_that_lacks_a_service_is_passed_over(monitor):
    site = Site(monitor, "regions")
    urls = site.cloud.catalogue

    def public(kind: str, *regions: str) -> dict[str, object]:
        return {
            "type": kind,
            "endpoints": [{"interface": "public", "region": each, "url": urls[kind][each]} for each in regions],
        }

    both = ("RegionOne", "RegionTwo")
    said = [public("compute", *both), public("network", *both), public("image", "RegionTwo")]
    site.keystone.faults.on("ks-catalogue", catalogue=said)
    expect(site.look(), 0, r"VM active after .* in RegionTwo of .*")
    site.keystone.faults.on("ks-catalogue", catalogue=said[:2])
    expect(
        site.look(),
        2,
        r"no region with a public endpoint of compute and image and network in the catalogue of "
        r"localhost:\d+; RegionOne \(compute, "
        r"network\), RegionTwo \(compute, network\)",
    )


def test_a_project_is_the_vos_by_its_whole_name(site):
    site.keystone.vo_map["devops"] = "devops"
    try:
        expect(site.look(*site.with_token("devops", "ops")), 0, r"VM active .* \(project ops, .*")
        report = site.look(*site.with_token("devops"))
    finally:
        del site.keystone.vo_map["devops"]
    assert report.code == 1
    assert "acts in project devops, which is not one of VO ops" in report.first


# ---- whose fault


def test_a_token_of_no_project_is_never_used(site):
    """It reads everywhere, 200: flavours, public images, networks."""
    site.keystone.faults.on("ks-unscoped")
    expect(site.look(), 2, rf"the token is of no project in the answer of {AT}")
    assert site.web.requests == []


def test_a_cut_off_site_is_told_from_a_token_that_has_ended_by_the_tokens_own_words(site):
    good = site.with_token()
    site.keystone.faults.on("ks-introspection-down")
    expect(
        site.look(*good),
        2,
        rf"our access token refused \(401 .*\) from {AT}; it is of that issuer and has not ended .*",
    )
    site.keystone.faults.clear()
    expired = site.with_token(exp=time.time() - 7200)
    ended = rf"our access token of {ISSUER} expired 2 h ago \(.* UTC\) in {expired[1]}"
    expect(site.look(*expired), 3, rf"{ended} \(write a new one there\)")


def test_a_member_without_a_project_is_told(site):
    site.keystone.faults.on("ks-no-projects")
    report = site.look(*site.with_token())
    expect(report, 2, rf"no project for VO ops for us on {AT}; logged in, and offered none")
    assert site.web.requests == []


@pytest.mark.parametrize(
    ("service", "fault", "said"),
    [
        (
            "nova",
            "os-no-keystone",
            r'503 "The Keystone service is temporarily unavailable" from {AT} when asked to list the sizes',
        ),
        (
            "glance",
            "os-no-keystone",
            r"401 .*from {AT} when asked to list the images; Keystone takes .*",
        ),
        ("neutron", "os-no-keystone", r"503 .* from {AT} when asked to list the networks"),
        (
            "nova",
            "nova-no-glance",
            r'500 "Unexpected API Error" from {AT} when asked to create a VM; Nova could not reach Glance',
        ),
    ],
)
def test_a_service_that_is_down_is_named_with_its_request(site, service, fault, said):
    {"nova": site.nova, "glance": site.glance, "neutron": site.neutron}[service].faults.on(fault)
    expect(site.look(), 2, said.replace("{AT}", AT))
    assert site.nova.created == []


@pytest.mark.parametrize("service", ["nova", "glance", "neutron"])
def test_a_page_of_the_web_server_before_a_service_is_told_by_its_title(site, service):
    page = "<html><head><title>503 Service Unavailable</title></head><body>capacity problems</body></html>"
    faults = {"nova": site.nova, "glance": site.glance, "neutron": site.neutron}[service].faults
    faults.on("status", code=503, body=page, headers={"Content-Type": "text/html; charset=iso-8859-1"})
    expect(site.look(), 2, rf"503 Service Unavailable from {AT} when asked to list the \w+")


def test_a_keystone_that_goes_down_after_the_login_is_named_where_glance_says_401(site):
    site.glance.faults.on("os-no-keystone")
    site.keystone.faults.on("status", code=503, method="GET", path="/v3/auth/tokens")
    expect(
        site.look(),
        2,
        rf"401 .*from {AT} when asked to list the images; Keystone is out of order: 503 .* from {AT}",
    )


def test_every_service_that_nobody_answers_for_is_critical(site):
    for name in ("nova", "glance", "neutron", "keystone"):
        web = site.monitor.federation.service(f"stack-{name}").web
        web.stop()
        try:
            report = site.look("-t", seconds(30))
        finally:
            web.start()
        assert (report.code, "connection refused" in report.first) == (2, True), report.out


def test_a_host_with_its_port_is_our_mistake_and_nobody_is_asked(site):
    said = rf"usage: argument -H/--hostname: '{HOST}:5000' is not the name of a host "
    said += r"\(give a port with -p, or a URL with -u\)"
    expect(site.monitor.run(PROBE, "-H", f"{HOST}:5000"), 3, rf"{said} \(see {PROBE} --help\)")
    assert site.keystone.logins == []


def test_our_own_faults_are_unknown(site):
    expect(site.look("--token-file", "/nonexistent/token"), 3, "access token /nonexistent/token cannot be read: .*")
    expect(
        site.look("--project", "nosuch"), 3, rf"no project nosuch for us, which --project names, on {AT} \(choose .*"
    )
    expect(
        site.look("--keystone-token-file", site.with_token()[1]),
        3,
        rf"our Keystone token is unknown or has ended \(401 .*\) from {AT} .*",
    )
    assert site.nova.created == []


# ---- quota


@pytest.mark.parametrize("login", ["proxy", "access token", "Keystone token", "clouds.yaml"])
def test_a_url_that_is_no_keystones_is_told_as_that_and_blames_no_login(site, login):
    """Its 404s say nothing of an identity provider that an option names, nor of a token of ours."""
    url = site.cloud.url.removesuffix("/v3") + "/identity"
    words, remedy = ["-u", url], "start it, or correct the path of its URL"
    if login == "access token":
        words += ["--identity-provider", "egi.eu", *site.with_token()]
    elif login == "Keystone token":
        words += ["--keystone-token-file", site.file(planted.token())]
    elif login == "clouds.yaml":
        file = site.file(
            f"clouds:\n  site:\n    auth:\n      auth_url: {url}/v3\n      username: opsuser\n"
            f"      password: {planted.token()}\n      user_domain_name: Default\n"
        )
        words, remedy = ["--cloud", "site"], f"start it, or correct auth_url in cloud site of {file}"
        site.monitor.environment["OS_CLIENT_CONFIG_FILE"] = str(file)
    report = site.monitor.run(PROBE, *words)
    told, code = rf"no Keystone at /identity/v3 \(404 Not Found\) on {AT}", 3 if login == "clouds.yaml" else 2
    expect(report, code, rf"{told}{rf'; the GOCDB has https://{AT}/v3' if code == 3 else ''} \({remedy}\)")
    assert site.nova.created == []


def test_a_full_quota_is_seen_before_with_its_numbers(site):
    site.nova.add("theirs")
    site.nova.faults.on("nova-quota", limit=1)
    report = site.look()
    expect(report, 2, rf"quota of project ops full on {AT}; 1 of 1 instances used, 1 more wanted")
    assert report.performance["quota_instances"] == "1;;;0;1"
    assert (site.asked("POST"), site.journal()) == ([], [])


def test_a_quota_that_only_the_create_knows_of(site):
    site.nova.faults.on("nova-quota", limit=0, method="POST")
    expect(
        site.look(),
        2,
        r'403 "Quota exceeded for instances: Requested 1, but already used 0 of 0\.\.\." from '
        rf"{AT} when asked to create a VM",
    )
    assert site.journal() == []


def test_a_quota_that_our_own_left_overs_fill_is_not_held_against_the_site(site):
    site.nova.faults.on("nova-delete-ignored")
    assert site.look("-t", seconds(8)).code == 1
    site.nova.faults.on("nova-quota", limit=1)
    report = site.look("-t", seconds(8))
    expect(
        report,
        3,
        (
            rf"quota of project ops full on {AT}; .*; 1 VM of this monitor's own may "
            r"fill it, so the site is not blamed: .*"
        ),
    )


def test_limits_that_cannot_be_had_do_not_stop_a_run(site):
    site.nova.faults.on("status", code=500, path="/limits")
    report = site.look("-v")
    assert report.code == 0
    assert QUOTA.isdisjoint(report.performance)
    assert "the project's quota is not known: 500 " in "\n".join(report.lines)


# ---- a life that goes wrong


def test_error_is_told_in_novas_words_which_say_nothing_of_whose_fault_it_is(site):
    site.nova.faults.on("nova-build-error")
    expect(
        site.look(),
        2,
        rf'VM went into ERROR instead of ACTIVE: "No valid host was found" on {AT}',
    )
    assert (site.nova.servers(), site.journal()) == ([], [])


def test_a_5xx_while_polling_is_no_verdict(site):
    site.nova.faults.on("nova-build-seconds", seconds=0.5)
    site.nova.faults.on("nova-no-neutron", method="GET", times=4)
    assert site.look().code == 0


def test_a_vm_that_is_built_for_ever_is_a_warning_once_and_then_critical(site):
    site.nova.faults.on("nova-build-endless")
    limit = seconds(6)  # of both: a run that waited less than half as long says nothing of the one after it
    expect(site.look("-t", limit), 1, rf"VM still BUILD, scheduling after {TIME} on {AT}, given up")
    expect(site.look("-t", limit), 2, rf"VM still BUILD, scheduling after {TIME} on {AT}, given up, as in the .*")
    assert (site.nova.servers(), site.journal()) == ([], [])


def test_a_vm_that_somebody_deletes_is_told(site):
    process = _hold(site, "-v")
    [server] = site.nova.servers()
    server.deleted = server.gone = time.time()
    out, _ = process.communicate()
    assert process.returncode == 2
    assert "VM vanished after it was created (404) on localhost:" in out.decode()


def test_too_slow_is_a_warning(site):
    expect(site.look("-w", "0.001ms"), 1, rf"VM active only after {TIME} on {AT} \(limit 0\.001ms\).*")


def test_a_create_without_an_answer_is_looked_for_until_it_is_there(site):
    """Nova without its message queue: no answer, and the VM comes when the queue is back."""
    site.web.faults.on("held", method="POST", path="/v2.1/servers")
    report = site.look("-t", seconds(5))
    expect(report, 2, rf"no complete answer within {TIME} from {AT} when asked to create a VM")
    [title] = site.journal()
    assert (site.web.held, site.ours()) == (1, [])
    site.web.faults.off("held")
    until(lambda: site.ours() == [title])
    expect(site.look(), 0, r"VM active .*; removed 1 VM that an earlier run had left")
    assert (site.nova.servers(), site.journal()) == ([], [])


def test_a_create_whose_answer_is_lost_is_found_by_its_name(site):
    site.web.faults.on("lost-answer", method="POST")
    report = site.look()
    assert report.code == 2
    assert len(site.nova.created) == 1
    assert (site.nova.servers(), site.journal()) == ([], [])


# ---- deletion


def test_active_once_more_does_not_end_the_wait(site):
    for fault in ("nova-build-endless", "nova-active-once-more"):
        site.nova.faults.on(fault)
    site.nova.faults.on("nova-delete-seconds", seconds=1.0)
    assert site.look("-t", seconds(6)).code == 1
    assert (site.nova.servers(), site.journal()) == ([], [])


def test_a_deletion_that_ends_in_error_is_asked_for_again(site):
    site.nova.faults.on("nova-delete-error", times=1)
    assert site.look().code == 0
    assert len(site.asked("DELETE")) == 2
    assert (site.nova.servers(), site.journal()) == ([], [])


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        ("nova-locked", r'409 "Instance {U} is locked" from {AT} when asked to delete the VM'),
        ("nova-delete-ignored", r"still there {T} after its deletion was accepted by {AT}"),
    ],
)
def test_a_vm_that_stays_is_a_warning_named_with_its_request(site, fault, said):
    site.nova.faults.on(fault)
    report = site.look("-t", seconds(8))
    [title] = site.journal()
    for name, pattern in {"{AT}": AT, "{U}": UUID, "{T}": TIME}.items():
        said = said.replace(name, pattern)
    expect(report, 1, rf"VM active after {TIME}, not removed: {said} \({title}; next run retries\)")
    until(site.web.is_idle)  # what it asked for last is refused as well
    site.nova.faults.clear()
    for server in site.nova.servers():
        server.deleted = float("inf")
    expect(site.look(), 0, r"VM active .*; removed 1 VM that an earlier run had left")
    assert (site.nova.servers(), site.journal()) == ([], [])


def test_a_locked_vm_is_asked_for_once_and_named(site):
    """Until somebody unlocks it the answer is the same, and waiting for another one only makes the result late."""
    site.nova.faults.on("nova-locked")
    report = site.look("-v")
    [title] = site.journal()
    said = rf'409 "Instance {UUID} is locked" from {AT} when asked to delete the VM'
    expect(report, 1, rf"VM active after {TIME}, not removed: {said} \({title}; next run retries\)")
    assert re.search(rf"^in the site's logs: X-Openstack-Request-Id req-{UUID}$", report.out, re.MULTILINE)
    assert len(site.asked("DELETE")) == 1
    # so does a run that finds it
    site.web.requests.clear()
    report = site.look()
    assert report.code == 1
    assert len(site.asked("DELETE")) == 2
    assert len(site.journal()) == 2
    site.nova.faults.clear()
    expect(site.look(), 0, r"VM active .*; removed 2 VMs that an earlier run had left")
    assert (site.nova.servers(), site.journal()) == ([], [])


def test_what_is_left_in_a_project_of_the_same_name_in_another_domain_is_not_taken_for_gone(site, monkeypatch):
    """Who acts in the one does not see the VMs of the other, and has the same name for both."""
    site.nova.faults.on("nova-locked")
    assert site.look().code == 1
    [title] = site.journal()
    site.nova.faults.clear()
    [server] = site.nova.servers()
    known = site.keystone.project_id
    server.project = "that of the other domain"
    monkeypatch.setattr(site.keystone, "project_id", lambda name: known(f"{name} of another domain"))
    expect(
        site.look(),
        1,
        rf"VM of an earlier run not removed: not visible as \S.* ops; it is of another project of that name "
        rf"\({title} at localhost:\d+, \S+ \S+ old; see fedcloud-leftovers\)",
    )
    assert (site.ours(), site.journal()) == ([title], [title])
    said = f"{title} at .*: not visible as .* ops; it is of another project of that name"
    left = site.monitor.run("fedcloud-leftovers", "--remove")
    assert left.code == 1
    assert any(re.fullmatch(said, line) for line in left.lines), left.out
    monkeypatch.undo()
    server.project = "ops"
    expect(site.look(), 0, r"VM active .*; removed 1 VM that an earlier run had left")
    assert (site.nova.servers(), site.journal()) == ([], [])


def test_a_vm_that_fails_and_stays_is_told_with_both_the_worse_first(site):
    site.nova.faults.on("nova-build-error")
    site.nova.faults.on("nova-locked")
    report = site.look("-t", seconds(8), "-v")
    [title] = site.journal()
    expect(
        report,
        2,
        rf'VM went into ERROR instead of ACTIVE: "No valid host was found" on {AT}; '
        rf"VM not removed(?:: 409)? \({title}; next run retries\)",  # as much as fits, by the monitor's own name
    )
    assert len(report.first) <= 200 + len("OpenStack-VM CRITICAL - ")
    assert any(re.fullmatch(rf"not removed: /servers/{UUID} \({title}\)", line) for line in report.lines)
    whole = rf'VM not removed: 409 "Instance {UUID} is locked" from {AT} when asked to delete the VM \({title}; '
    assert re.search(whole, report.out)
    site.nova.faults.clear()
    assert site.look().code == 0
    assert (site.nova.servers(), site.journal()) == ([], [])


def test_a_login_that_is_lost_in_the_middle_leaves_a_vm_that_is_told_and_no_stranger(site):
    """What is said of our login (401) says nothing of the VM: its address stays known, and the next run removes it."""
    site.web.faults.on("held", method="GET", path="/servers/")
    process = site.monitor.start(PROBE, "-H", HOST, "-v")
    until(lambda: site.web.held)
    site.keystone.faults.on("ks-tokens-forgotten")
    site.web.faults.off("held")
    report = Report(*_ended(process))
    [title] = site.journal()
    expect(
        report,
        2,
        rf"401 Unauthorized from {AT} when asked to show the VM; nor does Keystone take it any more \(401\); "
        rf"VM not removed(?:: 401 Unauthorized)? \({title}; next run retries\)",  # as much as fits
    )
    assert "another VM" not in report.out
    assert any(re.fullmatch(rf"not removed: /servers/{UUID} \({title}\)", line) for line in report.lines)
    site.keystone.faults.clear()
    expect(site.look(), 0, r"VM active .*; removed 1 VM that an earlier run had left")
    assert (site.nova.servers(), site.journal()) == ([], [])


def _ended(process) -> tuple[int, str, str]:
    out, err = process.communicate()
    return process.returncode, out.decode(), err.decode()


def test_without_placement_a_vm_fails_and_can_only_be_deleted_later(site):
    """As Nova 26 was seen to answer: no host is found, and each deletion is a 500 until Placement is back."""
    said = "Unexpected API Error. Please report this at http://bugs.launchpad.net/nova/ and attach the Nova API log if "
    fault = {"code": 500, "message": f"{said}possible.\n<class 'openstack.exceptions.NotSupported'>"}
    site.nova.faults.on("nova-build-error")
    site.nova.faults.on(
        "status",
        code=500,
        method="DELETE",
        body=json.dumps({"computeFault": fault}),
        headers={"Content-Type": "application/json"},
    )
    report = site.look("-t", seconds(8), "-v")
    [title] = site.journal()
    expect(
        report,
        2,
        rf'VM went into ERROR instead of ACTIVE: "No valid host was found" on {AT}; '
        rf'VM not removed(?:: 500(?: "Unexpected API Error")?)? \({title}; next run retries\)',
    )
    assert "Nova says so where there is no room, and where Placement or the hosts are down" in report.lines
    until(site.web.is_idle)
    site.nova.faults.clear()
    expect(site.look(), 0, r"VM active .*; removed 1 VM that an earlier run had left")
    assert (site.nova.servers(), site.journal()) == ([], [])


def test_each_run_logs_in_anew_for_no_token_outlives_its_login(site):
    ends = []
    for _ in range(2):
        known = set(site.keystone.tokens)
        assert site.look(*site.with_token()).code == 0
        new = [token for token in site.keystone.tokens.values() if token.id not in known]
        assert [token.project for token in new] == [None, "ops"]
        assert len({token.expires for token in new}) == 1  # a token that is made from another ends with it
        ends.append(new[0].expires)
    assert ends[0] < ends[1]


def test_of_neutron_is_only_read_though_even_a_reader_could_make_a_network(site):
    site.keystone.faults.on("ks-role", role="reader")
    for network in (None, "ops-net"):
        assert site.look(*(("--network", network) if network else ()), "-vv").code == 0
    site.neutron.networks = []
    assert site.look().code == 1
    neutron = site.monitor.federation.service("stack-neutron").web
    assert {each.request.method for each in neutron.requests} == {"GET"}


def test_an_address_that_shows_another_name_is_never_deleted(site):
    site.nova.faults.on("nova-other-name")
    report = site.look("-t", seconds(8), "-v")
    expect(report, 2, rf"another VM \(.+\) given for our new one by {AT}")
    assert any(re.fullmatch(r"the other VM: .*/servers/\S+", line) for line in report.lines), report.out
    assert site.asked("DELETE") in ([], [f"/v2.1/servers/{site.nova.created[0][1]}"])


def test_only_what_bears_our_title_is_deleted(site):
    """Nova ignores a filter that it does not know, and takes a name for a pattern."""
    theirs = [site.nova.add(name).id for name in ("theirs", "egi-sam-other-0123456789ab", "cloudmonprobe-servertest")]
    assert site.look().code == 0
    assert [each.id for each in site.nova.servers()] == theirs
    assert site.asked("DELETE") == [f"/v2.1/servers/{site.nova.created[0][1]}"]


# ---- killed


MOMENTS, STEP_S = 25, 0.06


@pytest.mark.parametrize("half", [0, 1])
def test_killed_at_any_moment_the_next_run_leaves_nothing_of_ours_and_all_else(site, half):
    """Fifty moments in all, from the start of the process to its end, some of them followed by a whole run."""
    theirs = site.nova.add("theirs").id
    for step in range(half, 2 * MOMENTS, 2):
        site.nova.faults.on("nova-build-seconds", seconds=0.2)
        process = site.monitor.start(PROBE, "-H", HOST)
        time.sleep(0.1 + step * STEP_S / 2)
        process.kill()
        process.communicate()
        until(site.web.is_idle)  # what it had sent may have been carried out only now
        if step % 10 < 2:
            assert site.look().code == 0
            assert [each.id for each in site.nova.servers()] == [theirs]
    report = site.look()
    assert report.code == 0, report.out
    assert [each.id for each in site.nova.servers()] == [theirs]
    assert not set(site.journal()) & {name for name, _ in site.nova.created}


def test_killed_between_request_and_answer_the_vm_is_found_by_its_name(site):
    site.web.faults.on("late-answer", seconds=AMPLE_S, method="POST", times=1)
    process = site.monitor.start(PROBE, "-H", HOST)
    until(lambda: len(site.ours()) == 1)
    process.kill()
    process.communicate()
    assert len(site.journal()) == 1
    expect(site.look(), 0, r"VM active .*; removed 1 VM that an earlier run had left")
    assert (site.nova.servers(), site.journal()) == ([], [])


def lost(site: Site) -> str:
    """A VM of a run that was killed before it had an answer; returns its title."""
    site.web.faults.on("late-answer", seconds=AMPLE_S, method="POST", times=1)
    process = site.monitor.start(PROBE, "-H", HOST)
    until(lambda: len(site.ours()) == 1)
    process.kill()
    process.communicate()
    [title] = site.ours()
    return title


def test_one_that_has_another_name_by_now_is_found_by_its_metadata_on_whatever_page(site):
    """A metadata filter of a user's is ignored by Nova, and a site may make its pages as short as it likes."""
    lost(site)
    [ours] = site.nova.servers()
    ours.name = "renamed-by-policy"
    site.nova.reset()
    theirs = [site.nova.add(f"theirs-{number}", **{"egi-sam": "egi-sam-other-0123456789ab"}).id for number in range(5)]
    site.nova.take_back(ours)
    site.nova.max_limit = 2
    expect(site.look(), 0, r"VM active .*; removed 1 VM that an earlier run had left")
    assert ([each.id for each in site.nova.servers()], site.journal()) == (theirs, [])
    assert set(site.asked("DELETE")) == {f"/v2.1/servers/{each}" for each in (ours.id, site.nova.created[-1][1])}


def test_a_vm_of_the_peers_is_known_by_its_metadata_and_never_touched(site):
    """Also where it stands at the address that our journal has, and shows no name at all."""
    lost(site)
    site.nova.reset()
    theirs = site.nova.add("", **{"argo-mon-host": "mon.example.org"}).id
    other = site.nova.add("cloudmonprobe-servertest", **{"argo-mon-host": "mon.example.org"}).id
    [entry] = site.monitor.state.glob("*.server")
    with entry.open("a") as journal:
        journal.write(json.dumps({"path": f"/servers/{theirs}"}) + "\n")
    expect(site.look(), 0, r"VM active .*")
    assert [each.id for each in site.nova.servers()] == [theirs, other]
    assert set(site.asked("DELETE")) == {f"/v2.1/servers/{site.nova.created[-1][1]}"}
    assert len(site.journal()) == 1


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_interrupted_it_removes_the_vm_and_says_so(site, number):
    process = _hold(site)
    process.send_signal(number)
    out, _ = process.communicate()
    assert process.returncode == 3
    assert out.decode().startswith(f"OpenStack-VM UNKNOWN - interrupted by {signal.Signals(number).name}")
    assert (site.nova.servers(), site.journal()) == ([], [])


def test_another_monitors_vm_is_not_touched(federation, tmp_path):
    first, second = (Monitor(federation, tmp_path / name) for name in ("first", "second"))
    for monitor in (first, second):
        monitor.home.mkdir()
    site = Site(first)
    site.nova.faults.on("nova-locked")
    assert site.look("-t", seconds(8)).code == 1
    site.nova.faults.clear()
    [left] = site.ours()
    assert second.run(PROBE, "-H", HOST).code == 0
    assert site.ours() == [left]
    assert site.look().code == 0
    assert site.ours() == []


def test_a_vm_in_another_region_is_removed_there(monitor):
    site = Site(monitor, "regions")
    nova = site.cloud.novas["RegionTwo"]
    nova.faults.on("nova-locked")
    assert site.look("--region", "RegionTwo", "-t", seconds(8)).code == 1
    assert len(nova.servers()) == 1
    nova.faults.clear()
    expect(site.look(), 0, r"VM active .* in RegionOne .*; removed 1 VM that an earlier run had left")
    assert (nova.servers(), site.journal()) == ([], [])


def test_a_vm_at_an_address_that_the_catalogue_no_longer_has_is_not_asked_for_with_the_token(site):
    site.nova.faults.on("nova-locked")
    assert site.look("-t", seconds(8)).code == 1
    [entry] = site.monitor.state.glob("*.server")
    entry.write_text(re.sub(r'"endpoint": "[^"]+"', '"endpoint": "https://localhost:1/v2.1"', entry.read_text()))
    site.nova.reset()
    site.nova.faults.clear()
    report = site.look("-v")
    kept = rf"in the catalogue of {AT} \(egi-sam-vm-\S+ at localhost:1, {TIME} old; see fedcloud-leftovers\)"
    expect(
        report,
        0,
        rf"VM active after {TIME} .*; VM of an earlier run not removed: localhost:1 is no compute service today {kept}",
    )


def _hold(site: Site, *words: object):
    """A run whose VM is being built for ever, and no longer."""
    site.nova.faults.on("nova-build-endless")
    process = site.monitor.start(PROBE, "-H", site.cloud.hostname, *words)
    until(lambda: len(site.asked("GET")) > 6 and len(site.ours()) == 1)
    return process
