"""Topologies for tests of the generator: a GOCDB's document with given services, good and hostile."""

from __future__ import annotations

from pathlib import Path

from tests.federation import gocdb as pi

OCCI = "eu.egi.cloud.vm-management.occi"
CDMI = "eu.egi.cloud.storage-management.cdmi"
ACCOUNTING = "eu.egi.cloud.accounting"
BDII = "eu.egi.cloud.information.bdii"
BROKER = "egi.MSGBroker"
PERUN = "egi.Perun"
NOVA = "org.openstack.nova"
SWIFT = "org.openstack.swift"

HOSTILE = [
    "$USER1$",
    "$HOSTNAME$",
    "a;touch x",
    "a!b",
    "a b",
    "`touch x`",
    "$(touch x)",
    "a|touch x",
    "a&touch x",
    "a>x",
    "'a",
    '"a',
    "a\\",
    "a}\ndefine service {\nhost_name evil",
    'a" ]; object Host "evil" { check_command = "dummy" } //',
    "{{{a}}}",
    "{{ 7 * 7 }}",
    "{% for x in () %}",
    "-x",
    "--config=x",
    "a\tb",
    "a*",
    "a?",
    "~root",
    "#a",
    "../../etc/passwd",
    "é",
    "\u202ea",
    "%n%s" + "\u00a0",
    "x" * 10_000,
]


LEGAL_SITES = ("a b", "é")
"""Of these: NCG keeps them, and so do we."""


def good(gocdb: pi.Gocdb | None = None) -> pi.Gocdb:
    """One site with a service of most types, and values that are odd but legal."""
    gocdb = gocdb or pi.Gocdb()
    for hostname, service_type, site, url in (
        (
            "cloud.example.org",
            OCCI,
            "EXAMPLE",
            "https://cloud.example.org:8787/occi1.1/?image=img%23a%2Bb,c=d@e~f&resource=m1",
        ),
        ("six.example.org", OCCI, "EXAMPLE", "https://[2001:db8::1]:8787/?image=a%25b"),
        ("cloud.example.org", ACCOUNTING, "EXAMPLE", ""),
        ("cloud.example.org", CDMI, "EXAMPLE", "https://cloud.example.org:8080/"),
        ("bdii.example.org", BDII, "OTHER.SITE_1", "ldap://bdii.example.org:2170/o=glue"),
        ("mq.example.org", BROKER, "OTHER.SITE_1", "stomp+ssl://mq.example.org:6162/"),
        ("perun.example.org", PERUN, "OTHER.SITE_1", ""),
    ):
        gocdb.add_service(pi.Service(hostname, service_type, site, url))
    return gocdb


def hostile(gocdb: pi.Gocdb) -> int:
    """Add every hostile value in every place; return how many endpoints that are."""
    import urllib.parse

    before = len(gocdb.services)
    for value in HOSTILE:
        quoted = urllib.parse.quote(value)
        gocdb.add_service(pi.Service("evil1.example.org", OCCI, "EVIL", f"https://evil1.example.org/?image={quoted}"))
        gocdb.add_service(pi.Service("evil2.example.org", OCCI, "EVIL", f"https://evil2.example.org/{value}?image=a"))
        gocdb.add_service(pi.Service("evil3.example.org", CDMI, "EVIL", f"https://{value}:8080/"))
        gocdb.add_service(pi.Service("evil4.example.org", BROKER, "EVIL", f"stomp://mq.example.org:6163/{value}"))
        gocdb.add_service(pi.Service(f"{value}", ACCOUNTING, "EVIL"))
        if value not in LEGAL_SITES:
            gocdb.add_service(pi.Service("evil5.example.org", ACCOUNTING, f"{value}"))
    return len(gocdb.services) - before


def document(gocdb: pi.Gocdb) -> bytes:
    """The whole of it, as the GOCDB gives it without paging."""
    return gocdb._document({"method": "get_service_endpoint", "scope": ""}, None)  # type: ignore[arg-type]


def save(gocdb: pi.Gocdb, directory: Path) -> Path:
    path = directory / "topology.xml"
    path.write_bytes(document(gocdb))
    return path


KEYSTONE = "https://keystone.example.org:5000/v3"


def clouds(gocdb: pi.Gocdb | None = None) -> pi.Gocdb:
    """What `good` has, and the services of a cloud of today; two Keystones on one host, and one without a URL."""
    gocdb = good(gocdb)
    for hostname, service_type, site, url in (
        ("keystone.example.org", NOVA, "EXAMPLE", KEYSTONE),
        ("keystone.example.org", SWIFT, "EXAMPLE", KEYSTONE),
        ("keystone.example.org", NOVA, "EXAMPLE", "https://keystone.example.org:5001/v3"),
        ("bare.example.org", NOVA, "OTHER.SITE_1", ""),
        ("list.example.org", "eu.egi.cloud.vm-metadata.marketplace", "OTHER.SITE_1", ""),
    ):
        gocdb.add_service(pi.Service(hostname, service_type, site, url))
    return gocdb
