"""The embedded GOCDB, asked as a client would ask, without a network."""

from __future__ import annotations

import urllib.parse
import xml.etree.ElementTree as ET
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

import pytest

from tests.federation.faults import CATALOGUE
from tests.federation.gocdb import FAULTS, Downtime, Endpoint, Gocdb, Service, ServiceGroup, Site
from tests.federation.web import Peer, Request

OCCI = "eu.egi.cloud.vm-management.occi"
NOW = datetime(2015, 5, 20, 12, tzinfo=UTC)
URL = "https://cloud.fedcloud.test:8787/?image=0f0f&resource=m1-tiny"
ROBOT = Peer("/DC=test/CN=robot", (b"",))


@pytest.fixture
def gocdb() -> Gocdb:
    gocdb = Gocdb(clock=lambda: NOW)
    gocdb.add_site(Site("EXAMPLE-CLOUD", extensions={"grade": "gold"}))
    gocdb.add_site(Site("OTHER_CLOUD", country="Spain", country_code="ES", roc="NGI_IBERGRID"))
    gocdb.add_service(
        Service(
            "cloud.fedcloud.test",
            OCCI,
            "EXAMPLE-CLOUD",
            url=URL,
            host_dn="/DC=test/DC=fedcloud/CN=cloud.fedcloud.test",
            host_ip="192.0.2.7",
            endpoints=[Endpoint(URL, extensions={"version": "1.1"})],
            extensions={"VO": "ops", "tier": "2"},
        )
    )
    gocdb.add_service(Service("other.fedcloud.test", OCCI, "OTHER_CLOUD", monitored=False, extensions={"VO": "atlas"}))
    gocdb.add_service(Service("cdmi.fedcloud.test", "eu.egi.cloud.storage-management.cdmi", "EXAMPLE-CLOUD"))
    gocdb.add_service(Service("test.fedcloud.test", OCCI, "EXAMPLE-CLOUD", scopes=("Local", "test")))
    return gocdb


def ask(gocdb: Gocdb, method: str, parameters: Mapping[str, str] | None = None, *, peer: Peer | None = None) -> str:
    """Return the body of the answer, by the private interface for those with a certificate."""
    query = {"method": [method], **{name: [value] for name, value in (parameters or {}).items()}}
    path = f"/gocdbpi/{'private' if peer else 'public'}/"
    response = gocdb.app(Request("GET", path, query, peer=peer))
    assert response.status == 200
    assert ("Content-Type", "application/xml") in response.headers
    return response.body.decode()


def tree(gocdb: Gocdb, method: str, **parameters: str) -> ET.Element:
    root = ET.fromstring(ask(gocdb, method, parameters))
    assert root.tag == "results"
    return root


def hosts(gocdb: Gocdb, **parameters: str) -> list[str | None]:
    return [each.findtext("HOSTNAME") for each in tree(gocdb, "get_service", **parameters)]


def test_a_service_has_every_field_in_the_real_order(gocdb: Gocdb) -> None:
    service = tree(gocdb, "get_service_endpoint", hostname="cloud.fedcloud.test")[0]
    assert [child.tag for child in service] == [
        *("PRIMARY_KEY", "HOSTNAME", "GOCDB_PORTAL_URL", "HOSTDN", "BETA", "SERVICE_TYPE", "HOST_IP", "CORE"),
        *("IN_PRODUCTION", "NODE_MONITORED", "NOTIFICATIONS", "SITENAME", "COUNTRY_NAME", "COUNTRY_CODE"),
        *("ROC_NAME", "URL", "ENDPOINTS", "SCOPES", "EXTENSIONS"),
    ]
    assert service.get("PRIMARY_KEY") == service.findtext("PRIMARY_KEY")
    assert service.findtext("URL") == URL
    endpoint = service.find("ENDPOINTS/ENDPOINT")
    assert endpoint is not None
    assert [child.tag for child in endpoint] == [
        *("ID", "NAME", "EXTENSIONS", "URL", "INTERFACENAME", "ENDPOINT_MONITORED"),
    ]
    assert endpoint.findtext("EXTENSIONS/EXTENSION/VALUE") == "1.1"
    assert [each.text for each in service.findall("SCOPES/SCOPE")] == ["EGI"]
    assert [each.text for each in service.findall("EXTENSIONS/EXTENSION/KEY")] == ["VO", "tier"]


def test_empty_fields_are_left_out_or_empty(gocdb: Gocdb) -> None:
    service = tree(gocdb, "get_service", hostname="cdmi.fedcloud.test")[0]
    assert service.find("HOSTDN") is None
    assert service.find("HOST_IP") is None
    assert (service.findtext("URL"), service.findtext("CORE")) == ("", "")


def test_fields_of_2015_can_be_left_out(gocdb: Gocdb) -> None:
    old = Service("old.fedcloud.test", OCCI, "EXAMPLE-CLOUD", notifications=None)
    old.endpoints.append(Endpoint(URL, monitored=None))
    gocdb.add_service(old)
    text = ask(gocdb, "get_service", {"hostname": "old.fedcloud.test"})
    assert "NOTIFICATIONS" not in text
    assert "ENDPOINT_MONITORED" not in text


def test_the_url_is_escaped_and_the_host_dn_is_cut_at_an_ampersand(gocdb: Gocdb) -> None:
    service = gocdb.find("cloud.fedcloud.test")
    service.host_dn = "/O=A & B/CN=x"
    service.endpoints[0].interface = "OCCI &amp; more"
    text = ask(gocdb, "get_service", {"hostname": "cloud.fedcloud.test"})
    assert "?image=0f0f&amp;resource=m1-tiny" in text
    assert ET.fromstring(text).findtext("SERVICE_ENDPOINT/HOSTDN") == "/O=A "
    assert "<INTERFACENAME>OCCI &amp; more</INTERFACENAME>" in text


@pytest.mark.parametrize(
    ("parameters", "found"),
    [
        ({}, ["cloud", "other", "cdmi"]),
        ({"hostname": "cloud%"}, ["cloud"]),
        ({"hostname": "%.fedcloud.test"}, ["cloud", "other", "cdmi"]),
        ({"hostname": "c_oud.fedcloud.test"}, ["cloud"]),
        ({"hostname": "cloud"}, []),
        ({"hostname": "."}, []),
        ({"service_type": OCCI}, ["cloud", "other"]),
        ({"sitename": "OTHER_CLOUD"}, ["other"]),
        ({"country": "Spain"}, ["other"]),
        ({"roc": "NGI_%"}, ["other"]),
        ({"monitored": "Y"}, ["cloud", "cdmi"]),
        ({"monitored": "n"}, ["other"]),
        ({"monitored": "maybe"}, ["cloud", "other", "cdmi"]),
        ({"scope": ""}, ["cloud", "other", "cdmi", "test"]),
        ({"scope": "Local"}, ["test"]),
        ({"scope": "Local,EGI"}, []),
        ({"scope": "Local,EGI", "scope_match": "any"}, ["cloud", "other", "cdmi", "test"]),
        ({"extensions": "(VO=ops)"}, ["cloud"]),
        ({"extensions": "(VO=)"}, ["cloud", "other"]),
        ({"extensions": "OR(VO=ops)(VO=atlas)"}, ["cloud", "other"]),
        ({"extensions": "(VO=%)NOT(VO=ops)"}, ["other"]),
        ({"extensions": "(VO=ops)(tier=3)"}, []),
    ],
    ids=str,
)
def test_filters(gocdb: Gocdb, parameters: dict[str, str], found: list[str]) -> None:
    assert hosts(gocdb, **parameters) == [f"{name}.fedcloud.test" for name in found]


def test_sites_that_are_closed_are_left_out_and_suspended_ones_are_not(gocdb: Gocdb) -> None:
    gocdb.sites["OTHER_CLOUD"].certification = "Suspended"
    assert "other.fedcloud.test" in hosts(gocdb)
    gocdb.sites["OTHER_CLOUD"].certification = "Closed"
    assert "other.fedcloud.test" not in hosts(gocdb)


@pytest.mark.parametrize(
    ("method", "parameters", "body"),
    [
        ("get_service", {"host": "x"}, "<error>Unsupported parameter: host</error>"),
        ("get_service", {"hostname": "a'b"}, "<error>Unsuported chracter in value: a'b</error>"),
        ("get_service", {"next_cursor": "x"}, "<error>Invalid 'next_cursor' parameter"),
        ("get_service", {"next_cursor": "0", "prev_cursor": "9"}, "<error>Invalid parameters"),
        ("get_downtime", {"ongoing_only": "maybe"}, "<error>Invalid ongoing_only value"),
        ("get_downtime", {"startdate": "yesterday"}, "<error>Invalid date: yesterday"),
        ("get_service", {"scope_match": "some"}, "<error>Invalid scope_match"),
        ("get_services", {}, "Unable to find method: get_services"),
        ("get_site", {}, "No valid identifier found"),
    ],
)
def test_errors_have_status_200(gocdb: Gocdb, method: str, parameters: dict[str, str], body: str) -> None:
    assert ask(gocdb, method, parameters).startswith(body)


def test_there_is_no_meta_without_a_cursor(gocdb: Gocdb) -> None:
    assert tree(gocdb, "get_service").find("meta") is None


def test_paging_goes_on_until_a_page_is_empty(gocdb: Gocdb) -> None:
    for number in range(250):
        gocdb.add_service(Service(f"n{number}.fedcloud.test", "Site-BDII", "EXAMPLE-CLOUD"))
    cursor, counts, seen = "0", [], set()
    while True:
        page = tree(gocdb, "get_service", service_type="Site-BDII", next_cursor=cursor)
        assert page[0].tag == "meta"
        assert page.findtext("meta/max_page_size") == "100"
        seen |= {each.text for each in page.iter("HOSTNAME")}
        counts.append(page.findtext("meta/count"))
        following = page.find("meta/link[@rel='next']")
        if following is None:
            break
        query = urllib.parse.parse_qs(urllib.parse.urlsplit(following.get("href", "")).query)
        assert query["service_type"] == ["Site-BDII"]
        (cursor,) = query["next_cursor"]
    assert counts == ["100", "100", "50", "0"]
    assert len(seen) == 250


def test_paging_goes_back(gocdb: Gocdb) -> None:
    gocdb.page_size = 2
    last = gocdb.services[2].id
    page = tree(gocdb, "get_service", prev_cursor=str(last))
    assert [each.text for each in page.iter("HOSTNAME")] == ["cloud.fedcloud.test", "other.fedcloud.test"]


def test_services_come_and_go(gocdb: Gocdb) -> None:
    added = gocdb.add_service(Service("new.fedcloud.test", OCCI, "NEW-SITE"))
    assert hosts(gocdb, sitename="NEW-SITE") == ["new.fedcloud.test"]
    gocdb.remove_service(added)
    gocdb.remove_service("cloud.fedcloud.test")
    assert hosts(gocdb) == ["other.fedcloud.test", "cdmi.fedcloud.test"]
    with pytest.raises(KeyError):
        gocdb.find("cloud.fedcloud.test")


def test_a_flat_downtime_is_repeated_for_each_service(gocdb: Gocdb) -> None:
    services = gocdb.services[:2]
    downtime = gocdb.add_downtime(
        services,
        start=NOW - timedelta(hours=1),
        end=NOW + timedelta(hours=1),
        endpoints=services[0].endpoints,
    )
    first, second = tree(gocdb, "get_downtime")
    assert first.get("CLASSIFICATION") == "SCHEDULED"
    assert first.findtext("ENDPOINT") == f"cloud.fedcloud.test{OCCI}"
    assert second.findtext("HOSTED_BY") == "OTHER_CLOUD"
    assert first.findtext("START_DATE") == str(int(downtime.start.timestamp()))
    assert first.findtext("FORMATED_START_DATE") == "2015-05-20 11:00"
    assert first.findtext("AFFECTED_ENDPOINTS/ENDPOINT/URL") == URL
    assert second.find("AFFECTED_ENDPOINTS/ENDPOINT") is None


def test_a_nested_downtime_lists_its_services(gocdb: Gocdb) -> None:
    gocdb.add_downtime(gocdb.services[:2], severity="WARNING", classification="UNSCHEDULED")
    (downtime,) = tree(gocdb, "get_downtime_nested_services")
    assert downtime.findtext("SEVERITY") == "WARNING"
    assert [each.findtext("HOSTNAME") for each in downtime.findall("SERVICES/SERVICE")] == [
        "cloud.fedcloud.test",
        "other.fedcloud.test",
    ]


@pytest.mark.parametrize(
    ("parameters", "found"),
    [
        ({}, "past running coming"),
        ({"ongoing_only": "yes"}, "running"),
        ({"startdate": "2015-05-20"}, "running coming"),
        ({"enddate": "2015-05-20"}, "past"),
        ({"windowstart": "2015-05-20", "windowend": "2015-05-20"}, "running"),
        ({"severity": "WARNING"}, "coming"),
        ({"topentity": "EXAMPLE-CLOUD"}, "past running"),
        ({"servicelist": "other.fedcloud.test"}, "coming"),
        ({"service_type_list": "Site-BDII"}, ""),
        ({"site_extensions": "(grade=gold)"}, "past running"),
    ],
    ids=str,
)
def test_downtimes_are_filtered(gocdb: Gocdb, parameters: dict[str, str], found: str) -> None:
    hour = timedelta(hours=1)
    cloud, other = gocdb.services[:2]
    gocdb.add_downtime(cloud, start=NOW - 72 * hour, end=NOW - 48 * hour, description="past")
    gocdb.add_downtime(cloud, start=NOW - hour, end=NOW + hour, description="running")
    gocdb.add_downtime(other, start=NOW + 48 * hour, end=NOW + 72 * hour, description="coming", severity="WARNING")
    shown = tree(gocdb, "get_downtime", **parameters)
    assert {each.findtext("DESCRIPTION") for each in shown} == set(found.split())


def test_a_downtime_can_be_removed(gocdb: Gocdb) -> None:
    downtime = gocdb.add_downtime(gocdb.services[0])
    assert isinstance(downtime, Downtime)
    gocdb.remove_downtime(downtime)
    assert len(tree(gocdb, "get_downtime")) == 0


def test_sites_are_public_in_short_and_private_in_full(gocdb: Gocdb) -> None:
    short = tree(gocdb, "get_site_list", sitename="EXAMPLE%")[0]
    assert (short.get("NAME"), short.get("ROC")) == ("EXAMPLE-CLOUD", "AsiaPacific")
    full = ET.fromstring(ask(gocdb, "get_site", {"country": "Korea"}, peer=ROBOT))[0]
    assert full.findtext("CERTIFICATION_STATUS") == "Certified"
    assert full.findtext("DOMAIN/DOMAIN_NAME") == "fedcloud.test"


def test_the_private_interface_wants_a_certificate(gocdb: Gocdb) -> None:
    request = Request("GET", "/gocdbpi/private/", {"method": ["get_site"]})
    assert gocdb.app(request).status == 403
    assert gocdb.app(Request("GET", "/elsewhere")).status == 404


def test_a_service_group_lists_its_members(gocdb: Gocdb) -> None:
    gocdb.add_group(ServiceGroup("CLOUD-CORE", gocdb.services[:1], description="Core & more"))
    text = ask(gocdb, "get_service_group", {"service_group_name": "CLOUD%"}, peer=ROBOT)
    group = ET.fromstring(text)[0]
    assert group.findtext("DESCRIPTION") == "Core & more"
    assert group.findtext("SERVICE_ENDPOINT/HOSTNAME") == "cloud.fedcloud.test"


def test_types_and_regions_are_listed(gocdb: Gocdb) -> None:
    types = [each.findtext("SERVICE_TYPE_NAME") for each in tree(gocdb, "get_service_types")]
    assert OCCI in types
    assert [each.get("ROC_NAME") for each in tree(gocdb, "get_roc_list")] == ["AsiaPacific", "NGI_IBERGRID"]


def test_the_faults_are_in_the_common_catalogue() -> None:
    assert {name: fault.description for name, fault in FAULTS.items()}.items() <= CATALOGUE.items()


def test_gocdb_error_is_a_document_with_status_200(gocdb: Gocdb) -> None:
    gocdb.faults.on("gocdb-error", message="ORA-12541")
    assert ask(gocdb, "get_service") == "<error>ORA-12541</error>"


@pytest.mark.parametrize("fault", ["raw-ampersand", "truncated", "empty"])
def test_a_spoilt_document_is_no_xml(gocdb: Gocdb, fault: str) -> None:
    gocdb.faults.on(fault)
    with pytest.raises(ET.ParseError):
        ET.fromstring(ask(gocdb, "get_service"))
    gocdb.faults.off(fault)
    assert hosts(gocdb)


def test_the_bomb_is_a_dtd_of_nested_entities(gocdb: Gocdb) -> None:
    gocdb.faults.on("doctype-bomb")
    text = ask(gocdb, "get_service")
    assert text.splitlines()[1] == "<!DOCTYPE results ["
    assert text.count("<!ENTITY") == 10
    assert "<results>&j;" in text


def test_no_results_is_a_good_document(gocdb: Gocdb) -> None:
    gocdb.faults.on("no-results", times=1)
    assert hosts(gocdb) == []
    assert hosts(gocdb)
