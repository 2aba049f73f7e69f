"""What an LDAP server sends, cut into messages and read, down to what is made of it: the picture of a site's cloud."""

from __future__ import annotations

from collections.abc import Iterator

from fuzz import judged
from libprobe.checks.information import BdiiContent, CloudInformation, PublicationRequirements
from libprobe.failures import BadData
from libprobe.formats import ldap
from libprobe.formats.address import read_address
from libprobe.targets.bdii import Bdii
from tests.federation import ber

MAX_BYTES = 8 << 10
WORDS = (
    b"\x30", b"\x31", b"\x61", b"\x64", b"\x65", b"\x73", b"\x78", b"\x79", b"\x84", b"\x82", b"\x8a", b"\xa3", b"\x0a",
    b"objectClass", b"GLUE2DomainID", b"GLUE2CloudComputingService", b"GLUE2ServiceType", b"IaaS", b"GLUE2EndpointURL",
    b"GLUE2EndpointInterfaceName", b"OCCI", b"GLUE2EntityCreationTime", b"2026-11-25T11:00:00Z", b"GLUE2EntityValidity",
    b"GLUE2GroupID=cloud,", b"o=glue", b"GLUE2ServiceAdminDomainForeignKey", b"9999-12-31T23:59:59", b"\\2c",
)  # fmt: skip


class Recorded(CloudInformation):
    """The check, with a server that says what is given."""

    def __init__(self, entries: list[ldap.LdapEntry], site: str) -> None:
        bdii = Bdii(read_address("ldap://bdii.example.org:2170"), "o=glue", site)
        wanted = PublicationRequirements("OCCI", "https://cloud.example.org:11443/", is_strict=True)
        super().__init__(bdii, judged.deadline(), wanted, clock=lambda: judged.NOW)
        self._entries = entries

    def _read(self, picture: BdiiContent) -> float:
        for entry in self._entries:
            picture.add(entry)
        return 0.0


def read(data: bytes) -> None:
    entries: list[ldap.LdapEntry] = []
    failure: BadData | None = None
    for message in _messages(data):
        try:
            _, found = ldap.read_message(message)
        except BadData as bad:
            failure = bad
            break
        if isinstance(found, ldap.LdapEntry):
            entries.append(found)
        elif isinstance(found, ldap.SearchReference):
            for url in found.urls[:50]:
                try:
                    ldap.read_url(url)
                except BadData as bad:
                    failure = bad
    for site in ("", "EXAMPLE-SITE"):
        judged.check(Recorded(entries, site), "entries", "count", "age", "age_at_least", "response_time")
    if failure:
        raise failure


def _messages(data: bytes) -> Iterator[bytes]:
    """Cut as the client does; what can no longer be cut is read all the same, and refused."""
    at = 0
    while at < len(data):
        try:
            size = ldap.message_size(data, at)
        except BadData:
            size = None
        if size is None or at + size > len(data):
            yield data[at:]
            return
        assert size > 0
        yield data[at : at + size]
        at += size


def seeds() -> dict[str, bytes]:
    below = "GLUE2ServiceID=cloud,GLUE2GroupID=cloud,GLUE2DomainID=EXAMPLE-SITE,o=glue"
    domain = ber.entry(
        1,
        "GLUE2DomainID=EXAMPLE-SITE,o=glue",
        {"objectClass": ["GLUE2AdminDomain"], "GLUE2DomainID": ["EXAMPLE-SITE"]},
    )
    service = ber.entry(
        2,
        below,
        {
            "objectClass": ["GLUE2Service", "GLUE2ComputingService"],
            "GLUE2ServiceType": ["IaaS"],
            "GLUE2EntityCreationTime": ["2026-11-25T11:00:00Z"],
            "GLUE2EntityValidity": ["3600"],
        },
    )
    endpoint = ber.entry(
        3,
        f"GLUE2EndpointID=occi,{below}",
        {
            "objectClass": ["GLUE2Endpoint", "GLUE2ComputingEndpoint"],
            "GLUE2EndpointURL": ["https://cloud.example.org:11443/"],
            "GLUE2EndpointInterfaceName": ["OCCI"],
            "GLUE2EndpointHealthState": ["None"],
        },
    )
    image = ber.entry(
        4,
        f"GLUE2ApplicationEnvironmentID=i,{below}",
        {"objectClass": ["GLUE2ApplicationEnvironment"], "GLUE2EntityCreationTime": ["2026-11-25T11:00:00"]},
    )
    done = ber.message(5, ber.tlv(0x65, b"\n\1\0\4\0\4\0"))
    reference = ber.message(6, ber.tlv(0x73, b"\4\x18ldap://elsewhere/o=glue?"))
    return {
        "site": domain + service + endpoint + image + done,
        "service": service,
        "endpoint": endpoint,
        "reference": reference + done,
        "bind": ber.message(1, ber.tlv(0x61, b"\n\1\0\4\0\4\0")),
    }
