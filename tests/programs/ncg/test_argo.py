"""argo-ncg and fedcloud-ncg make the same of etc/ncg; argo-ncg is no package of Debian's, so it is followed by hand."""

from __future__ import annotations

import re
import tempfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from libprobe.failures import BadData
from libprobe.formats.ncg import IMAGE_LISTS, read_localdb
from libprobe.programs import catalogue
from tests.conftest import ROOT
from tests.programs.ncg import argo, topology
from tests.programs.test_catalogue import URLS, endpoint

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


TYPE_MACRO = "$_SERVICESERVICE_FLAVOUR$"


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
    """The order apart, and the macros of the site's name and the service type, which Nagios replaces for NCG.

    An image list is not registered here: one that is wins over the localdb in fedcloud-ncg alone, as the notes say.
    """
    url = "" if service_type in IMAGE_LISTS else URLS.get(service_type, "")
    given = {f"{service_type}_URL": url} if url else {}
    given |= DERIVED.get(service_type, {}) | argo.attributes(LOCALDB).get(service_type, {})
    [metric] = [each for each in catalogue.read(str(SHIPPED)) if each.name == name]
    registered = endpoint(service_type, url)
    theirs = argo.command(argo.definitions(SHIPPED)[name], given, host=registered.hostname, vo="ops")
    theirs = {option: service_type if value == TYPE_MACRO else value for option, value in theirs.items()}
    site = {registered.site: "$_SERVICESITE_NAME$"}
    ours = {option: site.get(value, value) for option, value in catalogue.options(metric, registered)}
    if service_type == topology.BROKER:  # NCG derives no port from this URL, which the probe has as well
        assert ours.pop("-p", "6162") in ours["-u"]
    assert ours == theirs


def test_ncg_gives_no_probe_what_is_wrong(service_type: str = "eu.egi.cloud.broker.proprietary.slipstream") -> None:
    """A BDII that is registered by a web page has its usual place, and a registered port is the one to be tried.

    In NCG the localdb wins over what is registered, and a URL is passed on whatever it is.
    """
    found = argo.definitions(SHIPPED)
    given = {f"{topology.BDII}_URL": "http://bdii.example.org/", "URL": "http://bdii.example.org/", "BDII_PORT": "2170"}
    bdii = argo.command(found["org.nagios.CloudBDII-Check"], given, host="bdii.example.org", vo="ops")
    assert set(bdii) == {"-H", "-t", "--site"}
    given = {f"{service_type}_URL": "https://s.example.org:8443/"} | argo.attributes(LOCALDB).get(service_type, {})
    broker = argo.command(found["org.nagios.Broker-TCP"], given, host="s.example.org", vo="ops")
    assert broker == {"-H": "s.example.org", "-t": "30", "-u": "https://s.example.org:8443/"}


LINES = {
    "ADD_SERVICE_METRIC!a!b": None,
    "SERVICE_METRIC!a!b": None,
    "  ADD_SERVICE_METRIC!a!b": None,
    "ADD_HOST_SERVICE_METRIC!h.example.org!a!b": None,
    "SERVICE_ATTRIBUTE!a!B!c": None,
    'SERVICE_ATTRIBUTE!a!B!"c"': None,
    '"SERVICE_ATTRIBUTE"!"a"!B!c': None,
    "HOST_ATTRIBUTE!H.example.org!B!c": None,
    "ATTRIBUTE!B!c": None,
    "GLOBAL_ATTRIBUTE!B!c": None,
    "SERVICE_ATTRIBUTE!a!B!0": None,
    "ADD_SERVICE_METRIC!a!b\r": "ends with CR and LF, and NCG passes over every metric in such a file",
    "ADD_SERVICE_METRIC!a!b ": "has a blank beside its fields, and NCG passes over such a line",
    "ADD_SERVICE_METRIC!a !b": "has a blank beside its fields, and NCG passes over such a line",
    "ADD_SERVICE_METRIC !a!b": "has a blank beside its fields, and NCG passes over such a line",
    "ADD_SERVICE_METRIC!a! b": "has a blank beside its fields, and NCG passes over such a line",
    'ADD_SERVICE_METRIC!a!"b"': "has quotes, which NCG takes for a part of a name, except in a line for an attribute",
    " SERVICE_ATTRIBUTE!a!B!c": "has blanks around its fields, which NCG takes for a part of them",
    "SERVICE_ATTRIBUTE!a! B!c": "has blanks around its fields, which NCG takes for a part of them",
    "SERVICE_ATTRIBUTE!a!B!c\t": "has blanks around its fields, which NCG takes for a part of them",
    'SERVICE_ATTRIBUTE!a!B!"c "': "has blanks around its fields, which NCG takes for a part of them",
    'SERVICE_ATTRIBUTE!a!B!c"d"': "has a double quote, at which NCG stops reading attributes",
    'SERVICE_ATTRIBUTE!a!B!"c"d': "has a double quote, at which NCG stops reading attributes",
    '# say "no"': "has a double quote, at which NCG stops reading attributes",
    "\ufeffADD_SERVICE_METRIC!a!b": "has a character beyond ASCII, at which NCG stops reading attributes",
    "REMOVE_HOST_SERVICE_METRIC!h!a!b": "has no effect in NCG, which does REMOVE_HOST_SERVICE_METRIC before there are "
    "metrics; change what brings them",
    "MODIFY_METRIC_CONFIG!b!interval!1": "has no effect in NCG, which does MODIFY_METRIC_CONFIG before there are "
    "metrics; change what brings them",
    "ADD_SERVICE_METRIC!a": "is not understood, which begins with ADD_SERVICE_METRIC",
    "SERVICE_ATTRIBUTE!a!B!c d": "is not understood, which begins with SERVICE_ATTRIBUTE",
    "SERVICE_ATTRIBUTE!a!B!": "is not understood, which begins with SERVICE_ATTRIBUTE",
}
"""Lines of a localdb, and why they are refused; None for those that mean the same to both."""


@pytest.mark.parametrize("line", LINES)
def test_a_line_means_the_same_to_both_or_is_refused_with_what_ncg_makes_of_it(tmp_path, line: str) -> None:
    text = f"# a comment\n\n{line}\nSERVICE_ATTRIBUTE!z!Z!z\n"
    if LINES[line] is not None:
        with pytest.raises(BadData) as caught:
            read_localdb(text)
        assert caught.value.sentence == f"line 3 {LINES[line]}"
        return
    assert same(tmp_path, text)


def same(directory: Path, text: str) -> bool:
    path = directory / "localdb"
    path.write_bytes(text.encode())
    read = read_localdb(text)
    everywhere, over_them = read.attributes
    return (
        {owner: set(names) for owner, names in read.metrics.items()} == argo.metrics(path)
        and {owner: set(names) for owner, names in read.host_metrics.items()} == argo.host_metrics(path)
        and read.service_attributes == argo.attributes(path)
        and read.host_attributes == argo.attributes(path, "HOST_ATTRIBUTE")
        and over_them == argo.attributes(path, "ATTRIBUTE").get("", {})
        and everywhere == argo.attributes(path, "GLOBAL_ATTRIBUTE").get("", {})
    )


PARTS = ["ADD_SERVICE_METRIC", "SERVICE_ATTRIBUTE", "HOST_ATTRIBUTE", "ATTRIBUTE", "GLOBAL_ATTRIBUTE", "SERVICE_METRIC"]
PARTS += [
    "ADD_HOST_SERVICE_METRIC",
    "!",
    "!",
    "!a",
    "!B",
    "!c",
    '"',
    " ",
    "\n",
    "\n",
    "\r",
    "\t",
    "#",
    "0",
    "\x0b",
    "\x85",
]


@given(st.lists(st.sampled_from(PARTS), max_size=24).map("".join))
def test_whatever_is_not_refused_means_the_same_to_both(text: str) -> None:
    with tempfile.TemporaryDirectory() as directory:
        try:
            assert same(Path(directory), text)
        except BadData:
            pass


def test_what_ends_ncgs_reading_is_refused_here(tmp_path) -> None:
    """A quote, or a letter that is not ASCII, even in a comment: what follows would have no effect."""
    for line in ('# say "no"', "# caf\u00e9", "\u00a0"):
        text = f"{line}\nSERVICE_ATTRIBUTE!a!B!c\n"
        (tmp_path / "localdb").write_text(text)
        assert argo.attributes(tmp_path / "localdb") == {}
        with pytest.raises(BadData, match="at which NCG stops reading attributes"):
            read_localdb(text)


def test_the_page_compares_every_service_with_what_ncg_makes_of_it() -> None:
    page = (ROOT / "docs/ncg.md").read_text()
    rows = re.findall(r"^\| (\S+\.\S+) \| ((?:eu|org)\.\S+) \| [^|]+ \| [^|]+ \|$", page, re.MULTILINE)
    metrics = catalogue.read(str(ROOT / "etc/ncg"))
    assert sorted(rows) == sorted((each, metric.name) for metric in metrics for each in metric.service_types)
