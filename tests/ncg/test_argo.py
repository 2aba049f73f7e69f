"""argo-ncg and fedcloud-ncg make the same of etc/ncg; argo-ncg is no package of Debian's, so it is followed by hand."""

from __future__ import annotations

import pytest

from libprobe import catalogue
from libprobe.failures import BadData
from libprobe.formats.ncg import IMAGE_LISTS, read_localdb
from tests.conftest import ROOT
from tests.ncg import argo, topology
from tests.test_catalogue import URLS, endpoint

SHIPPED = ROOT / "etc/ncg"
LOCALDB = SHIPPED / "fedcloud-probes.localdb"

DERIVED = {
    topology.OCCI: {
        "OCCI_URL": "https://cloud.example.org:8787/occi1.1",
        "OCCI_PORT": "8787",
        "OCCI_IMAGE": "http://occi.example.org/os_tpl#uuid-1",
        "OCCI_RESOURCE": "m1.tiny",
    },
    topology.CDMI: {"CDMI_PORT": "8080"},
    topology.BDII: {"BDII_PORT": "2170"},
    "egi.MSGBroker": {},
}
"""What NCG's modules for the GOCDB and for OCCI make of a URL, beside <service type>_URL."""


def pairs() -> list[tuple[str, str]]:
    return [(service_type, name) for service_type, names in argo.metrics(LOCALDB).items() for name in sorted(names)]


def test_both_know_the_same_metrics_and_the_same_attributes() -> None:
    read = catalogue.read(str(SHIPPED))
    assert set(argo.definitions(SHIPPED)) == {metric.name for metric in read}
    by_type: dict[str, set[str]] = {}
    for metric in read:
        for service_type in metric.service_types:
            by_type.setdefault(service_type, set()).add(metric.name)
    assert argo.metrics(LOCALDB) == by_type
    assert argo.attributes(LOCALDB) == read_localdb(LOCALDB.read_text()).service_attributes


@pytest.mark.parametrize(("service_type", "name"), pairs())
def test_both_give_a_probe_the_same_options(service_type: str, name: str) -> None:
    """The order apart, and the macro of the site's name, which Nagios replaces for NCG.

    An image list is not registered here: one that is wins over the localdb in fedcloud-ncg alone, as the notes say.
    """
    url = "" if service_type in IMAGE_LISTS else URLS.get(service_type, "")
    given = {f"{service_type}_URL": url} if url else {}
    given |= DERIVED.get(service_type, {}) | argo.attributes(LOCALDB).get(service_type, {})
    [metric] = [each for each in catalogue.read(str(SHIPPED)) if each.name == name]
    registered = endpoint(service_type, url)
    theirs = argo.command(argo.definitions(SHIPPED)[name], given, host=registered.hostname, vo="ops")
    site = {registered.site: "$_SERVICESITE_NAME$"}
    ours = {option: site.get(value, value) for option, value in catalogue.options(metric, registered)}
    if service_type == topology.BROKER:  # NCG derives no port from this URL, which the probe has as well
        assert ours.pop("-p", "6162") in ours["-u"]
    assert ours == theirs


def test_what_ends_ncgs_reading_is_refused_here(tmp_path) -> None:
    """A quote, or a letter that is not ASCII, even in a comment: what follows would have no effect."""
    for line in ('# say "no"', "# caf\u00e9", "\u00a0"):
        text = f"{line}\nSERVICE_ATTRIBUTE!a!B!c\n"
        (tmp_path / "localdb").write_text(text)
        assert argo.attributes(tmp_path / "localdb") == {}
        with pytest.raises(BadData, match="at which NCG stops reading attributes"):
            read_localdb(text)
