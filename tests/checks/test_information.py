"""CloudInformation on entries that are at hand. From a real BDII: tests/probes/test_check_cloud_bdii.py."""

from __future__ import annotations

import re
from datetime import UTC, datetime

import pytest

from libprobe.checks import information
from libprobe.checks.information import BdiiContent, CloudInformation, PublicationRequirements
from libprobe.clients.ldap import LdapAddress
from libprobe.deadline import Deadline
from libprobe.failures import CRITICAL, OK, WARNING, HelperFailure
from libprobe.formats.ldap import LdapEntry
from libprobe.judge.contexts import Freshness, Scalar
from libprobe.probe.cli import age_limit
from libprobe.targets.bdii import Bdii
from tests.checks.judging import judge

NOW = datetime(2026, 11, 25, 12, tzinfo=UTC)
SITE, URL = "EXAMPLE-SITE", "https://cloud.site.test:11443/"
BELOW = f"GLUE2ServiceID=cloud,GLUE2GroupID=cloud,GLUE2DomainID={SITE},o=glue"
PLACE = "bdii.example.org:2170"
SUMMARY = "{where} has {what} in {entries}{age}: {interface} at {url}, {images}, {sizes}; took {time}{notes}"


def entry(dn: str, kind: str, **values: str | list[str]) -> LdapEntry:
    attributes = {name: value if isinstance(value, list) else [value] for name, value in values.items()}
    return LdapEntry(dn, {"objectclass": [kind], **attributes})


DOMAIN = entry(f"GLUE2DomainID={SITE},o=glue", "GLUE2AdminDomain", glue2domainid=SITE)
SERVICE = entry(BELOW, "GLUE2ComputingService", glue2servicetype="IaaS", glue2entitycreationtime="2026-11-25T11:30:00Z")
ENDPOINT = entry(
    f"GLUE2EndpointID=e,{BELOW}",
    "GLUE2ComputingEndpoint",
    glue2endpointurl=URL,
    glue2endpointinterfacename="OCCI",
)
IMAGE = entry(f"GLUE2ApplicationEnvironmentID=i,{BELOW}", "GLUE2ApplicationEnvironment")
SIZE = entry(f"GLUE2ExecutionEnvironmentID=s,{BELOW}", "GLUE2ExecutionEnvironment")
WHOLE = [DOMAIN, SERVICE, ENDPOINT, IMAGE, SIZE]


class Recorded(CloudInformation):
    entries: list[LdapEntry]

    def _read(self, picture: BdiiContent) -> float:
        for each in self.entries:
            picture.add(each)
        return 0.0


def check(entries, *, site=SITE, base="o=glue", notes=(), doubt=None, url="", strict=False, interface="OCCI", **more):
    bdii = Bdii(LdapAddress("ldap", "bdii.example.org", 2170), base, site, notes, doubt)
    made = Recorded(bdii, Deadline(60), PublicationRequirements(interface, url, strict), clock=lambda: NOW, **more)
    made.entries = entries
    return made


def judged(entries, **more):
    age = Freshness("age", age_limit("1h"), age_limit("0"), sentence=lambda said, seen: f"{said} old in {seen.subject}")
    at_least = Scalar("age_at_least")
    return judge(check(entries, **more), SUMMARY, "entries", "count", "response_time", age, at_least)


def without(*gone: LdapEntry) -> list[LdapEntry]:
    return [each for each in WHOLE if each not in gone]


def test_a_cloud_that_is_published_whole_is_ok():
    found = judged(WHOLE, notes=("a note",))
    assert found.status == OK, found.sentence
    assert found.sentence.startswith(
        f"{PLACE} has 1 cloud service of {SITE} in 5 entries, 30 min old: OCCI at cloud.site.test:11443, 1 image, "
        "1 size; took "
    )
    assert found.sentence.endswith("; a note")
    assert {name: value for name, value in found.values.items() if name != "response_time"} == {
        "age": "1800s;3600;;0", "endpoints": "1;;;0", "entries": "5;;;0", "images": "1;;;0", "services": "1;;;0",
        "sizes": "1;;;0",
    }  # fmt: skip
    assert found.details[:2] == [
        (1, f"asked: search at ldap://{PLACE} below o=glue"),
        (1, f"endpoint: OCCI at {URL} of {SITE}"),
    ]


@pytest.mark.parametrize(
    ("created", "status", "said"),
    [
        ("2026-11-25T11:00:01Z", OK, ""),
        ("2026-11-25T11:00:00Z", WARNING, f"60 min old in {PLACE} (limit 1h)"),
        ("2026-11-25T12:02:00Z", OK, ""),
        (
            "2026-11-25T12:02:01Z",
            WARNING,
            f"newest cloud entry of {SITE} created 121 s in the future in {PLACE} (set the clocks by NTP, there",
        ),
        ("yesterday", OK, ""),
    ],
)
def test_the_age_of_the_newest_entry_is_judged(created, status, said):
    entries = [
        DOMAIN,
        SERVICE._replace(attributes={**SERVICE.attributes, "glue2entitycreationtime": [created]}),
        *WHOLE[2:],
    ]
    found = judged(entries)
    assert found.status == status
    assert said in found.sentence


def test_a_time_without_its_zone_is_judged_by_the_latest_that_it_can_mean():
    def at(created: str):
        attributes = {**SERVICE.attributes, "glue2entitycreationtime": [created]}
        return judged([DOMAIN, SERVICE._replace(attributes=attributes), *WHOLE[2:]])

    found = at("2026-11-24T20:00:00")
    assert (found.status, found.values["age_at_least"], "age" in found.values) == (OK, "14400s;;;0", False)
    assert at("2026-11-25T11:00:00").values["age_at_least"] == "0s;;;0"
    told = "creation time: published without its zone, so judged by the latest instant it can mean"
    assert (1, told) in found.details
    assert "in the future" in at("2026-11-26T03:00:00").sentence


def test_clouds_of_2015_publish_no_times_and_are_not_judged_by_them():
    found = judged([DOMAIN, SERVICE._replace(attributes={"objectclass": ["GLUE2ComputingService"]}), *WHOLE[2:]])
    assert (found.status, "age" in found.values) == (OK, False)
    assert (1, "creation time: not published") in found.details


@pytest.mark.parametrize(
    ("entries", "said"),
    [
        ([], f"no entries at all in {PLACE} (see why its update publishes nothing)"),
        (
            [DOMAIN],
            f"no cloud service of {SITE} in {PLACE}; it has 1 entry (see what cloud-info-provider prints)",
        ),
        (
            [each._replace(dn=each.dn.replace(SITE, "OTHER")) for each in WHOLE],
            f"no cloud service of {SITE} in {PLACE}; it has 5 entries, only of OTHER (check the site name)",
        ),
        (without(ENDPOINT), f"no OCCI endpoint of {SITE} in {PLACE} (see what cloud-info-provider prints)"),
    ],
)
def test_what_is_missing_altogether_is_critical(entries, said):
    found = judged(entries)
    assert (found.status, found.sentence) == (CRITICAL, said)


def test_another_interface_is_named_where_the_wanted_one_is_missing():
    found = judged(WHOLE, interface="org.openstack.nova")
    assert found.status == CRITICAL
    assert found.sentence.startswith(f"no org.openstack.nova endpoint of {SITE} in {PLACE}; it has OCCI only (see")
    assert judged(WHOLE, interface="occi").status == OK


@pytest.mark.parametrize(
    ("entries", "said"),
    [
        (without(IMAGE), f"no images of {SITE}"),
        (without(IMAGE, SIZE), f"no images and no sizes of {SITE}"),
        (without(DOMAIN), f"no GLUE2AdminDomain entry of {SITE}"),
    ],
)
def test_what_is_missing_beside_it_is_a_warning(entries, said):
    found = judged(entries)
    assert (found.status, found.sentence) == (WARNING, f"{said} in {PLACE}")


def test_below_the_domain_and_for_no_site_no_domain_entry_is_expected():
    assert judged(without(DOMAIN), base=f"GLUE2DomainID={SITE},o=glue").status == OK
    assert judged(without(DOMAIN), site="").status == OK


@pytest.mark.parametrize(("validity", "status"), [("1801", OK), ("1799", WARNING), ("60", WARNING), ("x", OK)])
def test_entries_are_valid_for_as_long_as_they_say(validity, status):
    attributes = {**SERVICE.attributes, "glue2entityvalidity": [validity]}
    found = judged([DOMAIN, SERVICE._replace(attributes=attributes), *WHOLE[2:]])
    assert found.status == status
    if status:
        assert re.fullmatch(f"validity of all cloud entries of {SITE} ended .* ago in {PLACE}", found.sentence)


def test_a_published_url_is_compared_with_the_registered_one():
    assert judged(WHOLE, url="https://CLOUD.site.test:11443").status == OK
    found = judged(WHOLE, url="https://elsewhere.example.org/")
    assert (found.status, found.sentence) == (
        WARNING,
        f"OCCI URL is {URL}, but --occi-url is https://elsewhere.example.org in {PLACE}",
    )
    asked: list[str] = []

    def registered(host: str) -> str:
        asked.append(host)
        return "https://registered.example.org/" if host == "cloud.site.test" else ""

    found = judged(WHOLE, registered=registered, hostname="bdii.example.org")
    assert asked == ["bdii.example.org", "cloud.site.test"]
    assert found.sentence.endswith(f"but the GOCDB has https://registered.example.org in {PLACE}")
    found = judged(WHOLE, registered=lambda host: "")
    assert (found.status, found.details[-1]) == (
        OK,
        (1, "registered: no OCCI endpoint of cloud.site.test in the GOCDB"),
    )


def test_a_gocdb_that_fails_is_a_note_and_a_guessed_bdii_is_not_compared():
    def fails(host: str) -> str:
        raise HelperFailure("the GOCDB is down")

    found = judged(WHOLE, registered=fails)
    assert (found.status, found.sentence.rpartition("; ")[2]) == (OK, "not compared with the GOCDB: the GOCDB is down")
    doubt = HelperFailure("guessed")
    assert judged(WHOLE, registered=lambda host: "https://x/", doubt=doubt).status == OK


def test_faults_of_providers_are_a_warning_with_strict_only():
    attributes = {**ENDPOINT.attributes, "glue2endpointhealthstate": ["None"], "glue2endpointservingstate": ["[u'x']"]}
    entries = [DOMAIN, SERVICE, ENDPOINT._replace(attributes=attributes), IMAGE, SIZE]
    assert judged(entries).status == OK
    found = judged(entries, strict=True)
    assert (found.status, found.sentence) == (
        WARNING,
        f"GLUE2EndpointHealthState of GLUE2EndpointID=e is no value: None, and 1 fault more (see -v) in {PLACE}",
    )
    assert [text for _, text in found.details if text.startswith("fault: ")] == [
        "fault: GLUE2EndpointHealthState of GLUE2EndpointID=e is no value: None",
        "fault: GLUE2EndpointServingState of GLUE2EndpointID=e is a list printed as one value: [u'x']",
    ]


@pytest.mark.parametrize(
    "service",
    [
        entry(
            f"GLUE2ServiceID=x,GLUE2DomainID={SITE},o=glue", "GLUE2ComputingService", glue2servicetype="org.cloud.iaas"
        ),
        entry(f"GLUE2ServiceID=x,GLUE2DomainID={SITE},o=glue", "GLUE2CloudComputingService"),
        entry(f"GLUE2ServiceID=x,GLUE2GroupName=Cloud,GLUE2DomainID={SITE},o=glue", "GLUE2ComputingService"),
    ],
)
def test_a_cloud_is_known_by_its_type_its_class_or_its_group(service):
    picture = BdiiContent(SITE)
    picture.add(service)
    assert len(picture.cloud().services) == 1
    picture = BdiiContent(SITE)
    picture.add(entry(f"GLUE2ServiceID=x,GLUE2DomainID={SITE},o=glue", "GLUE2ComputingService", glue2servicetype="CE"))
    assert picture.cloud().services == []


def test_what_cannot_be_told_apart_is_counted():
    picture = BdiiContent(SITE)
    picture.add(entry("x" * 9000, "GLUE2ComputingService"))
    picture.add(entry("no dn", "GLUE2ComputingService"))
    assert (picture.entries, picture.dropped) == (2, 2)


# ---- which entries belong together


def seen(*entries: LdapEntry, site: str = SITE):
    picture = BdiiContent(site)
    for each in entries:
        picture.add(each)
    return picture.cloud()


def below(identity: str, domain: str = SITE) -> str:
    return f"GLUE2ServiceID={identity},GLUE2GroupID=cloud" + (f",GLUE2DomainID={domain}" if domain else "") + ",o=glue"


def of(identity: str, domain: str = SITE, **values: str | list[str]) -> list[LdapEntry]:
    """A service with an endpoint, two images and three sizes."""
    dn = below(identity, domain)
    return [
        entry(dn, "GLUE2ComputingService", **values),
        entry(
            f"GLUE2EndpointID=e,{dn}",
            "GLUE2ComputingEndpoint",
            glue2endpointinterfacename="OCCI",
            glue2endpointurl=identity,
        ),
        *[entry(f"GLUE2ApplicationEnvironmentID={n},{dn}", "GLUE2ApplicationEnvironment") for n in range(2)],
        *[entry(f"GLUE2ExecutionEnvironmentID={n},{dn}", "GLUE2ExecutionEnvironment") for n in range(3)],
    ]


def test_several_services_of_a_site_are_told_apart_and_counted_together():
    cloud = seen(*of("one"), *of("two"))
    assert (len(cloud.services), cloud.endpoint_count, cloud.image_count, cloud.size_count) == (2, 2, 4, 6)
    assert cloud.urls_of("OCCI") == ["one", "two"]
    assert [each.domain for each in cloud.services] == [SITE, SITE]


def test_what_comes_before_its_service_belongs_to_it():
    assert seen(*reversed(of("one"))).image_count == 2


def test_of_other_sites_only_their_names_are_kept():
    cloud = seen(*of("one"), *of("two", "OTHER"), *of("three", "ANOTHER"))
    assert (len(cloud.services), cloud.others, cloud.urls_of("occi")) == (1, ["ANOTHER", "OTHER"], ["one"])
    assert seen(*of("one", SITE.lower())).services != []
    everything = seen(*of("one"), *of("two", "OTHER"), site="")
    assert (len(everything.services), everything.others) == (2, [])


@pytest.mark.parametrize(("owner", "services", "others"), [(SITE.lower(), 1, []), ("", 1, []), ("OTHER", 0, ["OTHER"])])
def test_without_a_domain_above_it_a_service_is_of_whom_it_names(owner, services, others):
    cloud = seen(*of("one", "", glue2serviceadmindomainforeignkey=owner))
    assert (len(cloud.services), cloud.others) == (services, others)


def test_a_service_of_another_kind_is_no_cloud_though_it_is_called_so():
    dn = f"GLUE2ServiceID=cloud,GLUE2GroupID=grid,GLUE2DomainID={SITE},o=glue"
    assert seen(entry(dn, "GLUE2ComputingService")).services == []
    assert seen(entry(f"GLUE2EndpointID=e,{dn}", "GLUE2ComputingEndpoint")).services == []


def test_an_endpoint_may_have_several_interfaces_or_none():
    dn = below("one")
    many = entry(f"GLUE2EndpointID=a,{dn}", "GLUE2ComputingEndpoint", glue2endpointinterfacename=["OCCI", "nova"])
    none = entry(f"GLUE2EndpointID=b,{dn}", "GLUE2ComputingEndpoint", glue2endpointurl="x")
    cloud = seen(entry(dn, "GLUE2ComputingService"), many, none)
    assert (cloud.endpoint_count, cloud.interfaces()) == (2, ["OCCI", "nova"])
    assert cloud.services[0].endpoints == [("OCCI", ""), ("nova", ""), ("", "x")]


def test_the_names_that_are_kept_are_bounded(monkeypatch):
    monkeypatch.setattr(information, "MAX_ENDPOINTS", 2)
    monkeypatch.setattr(information, "MAX_SERVICES", 2)
    names = ["a", "b", "c"]
    many = entry(f"GLUE2EndpointID=a,{below('one')}", "GLUE2ComputingEndpoint", glue2endpointinterfacename=names)
    picture = BdiiContent(SITE)
    for each in (*of("one")[:1], many, *of("two")[:2], *of("three")[:1], *(e for n in "xyz" for e in of("s", n))):
        picture.add(each)
    cloud = picture.cloud()
    assert (cloud.endpoint_count, cloud.interfaces(), picture.dropped) == (2, ["a", "b"], 1)
    assert cloud.others == ["x", "y"]
    assert seen(*of("x" * 600), *of("x" * 601)).endpoint_count == 2


def test_the_newest_entry_counts_and_the_longest_validity():
    times = {"glue2entitycreationtime": "2026-11-25T10:00:00Z", "glue2entityvalidity": "60"}
    later = {"glue2entitycreationtime": "2026-11-25T11:00:00Z", "glue2entityvalidity": "3600"}
    broken = {"glue2entitycreationtime": "2026-11-25T11:30:00Z", "glue2entityvalidity": "long"}
    for order in ([times, later, broken], [broken, later, times]):
        cloud = seen(*(each for number, values in enumerate(order) for each in of(str(number), **values)[:1]))
        assert cloud.newest().latest == datetime(2026, 11, 25, 11, 30, tzinfo=UTC)
        assert cloud.valid_until() == NOW.timestamp()
    assert (seen(*of("one")).newest(), seen(*of("one")).valid_until()) == (None, None)
