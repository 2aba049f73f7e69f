"""The catalogue of metrics: NCG's files as they are shipped, and the command lines made from them."""

from __future__ import annotations

import importlib.machinery
import importlib.util
import json
import random
import re
import subprocess
from pathlib import Path
from types import ModuleType

import pytest

from libprobe.failures import BadData, Misconfigured
from libprobe.formats.gocdb import ServiceEndpoint
from libprobe.formats.ncg import attributes, read_localdb
from libprobe.probe import cli
from libprobe.programs import catalogue
from tests.conftest import ROOT, clean_environment, command

SHIPPED = ROOT / "etc/ncg"
OCCI = "eu.egi.cloud.vm-management.occi"
HOUR, DAY = 3600.0, 86400.0

TABLE = {
    "eu.egi.Keystone-IGTF": 4 * HOUR,
    "eu.egi.cloud.APEL-Pub": 12 * HOUR,
    "eu.egi.cloud.AppDB-Update": HOUR / 4,
    "eu.egi.cloud.Broker-Check": HOUR / 4,
    "eu.egi.cloud.Certificate": 6 * HOUR,
    "eu.egi.cloud.InfoProvider": HOUR,
    "eu.egi.cloud.OCCI-Context": HOUR,
    "eu.egi.cloud.OCCI-VM": HOUR,
    "eu.egi.cloud.OpenStack-Images": HOUR,
    "eu.egi.cloud.OpenStack-Swift": HOUR / 4,
    "eu.egi.cloud.OpenStack-VM": HOUR,
    "eu.egi.cloud.Perun-Check": HOUR / 12,
    "org.nagios.Broker-TCP": HOUR / 4,
    "org.nagios.CDMI-TCP": HOUR / 4,
    "org.nagios.CloudBDII-Check": HOUR / 4,
    "org.nagios.Keystone-TCP": HOUR / 4,
    "org.nagios.OCCI-TCP": HOUR / 4,
}
"""EGI's table of cloud metrics, with the deeper one for brokers."""

URLS = {
    OCCI: "https://cloud.example.org:8787/occi1.1/?image=http://occi.example.org/os_tpl%23uuid-1&resource=m1.tiny",
    "eu.egi.cloud.storage-management.cdmi": "https://cloud.example.org:8080/",
    "eu.egi.cloud.information.bdii": "ldap://bdii.example.org:2171/o=glue",
    "eu.egi.cloud.vm-metadata.marketplace": "https://appdb.example.org/store/vo/image.list",
    "egi.MSGBroker": "stomp+ssl://mq.example.org:6162/",
    "egi.Perun": "https://perun.example.org/cert/rpc/",
    "org.openstack.nova": "https://keystone.example.org:5000/v3",
    "org.openstack.swift": "https://keystone.example.org:5000/v3",
}


def endpoint(service_type: str = OCCI, url: str | None = None, **more: object) -> ServiceEndpoint:
    given = {
        "primary_key": "9001G0",
        "hostname": "cloud.example.org",
        "service_type": service_type,
        "site": "EXAMPLE-CLOUD",
        "url": URLS.get(service_type, "") if url is None else url,
        "direct_url": "",
        "beta": False,
        "in_production": True,
        "monitored": True,
        "host_dn": "",
        "roc": "AsiaPacific",
        "scopes": ("EGI",),
        "portal_url": "",
        "notifications": None,
    }
    return ServiceEndpoint(**{**given, **more})  # type: ignore[arg-type]


def metric(name: str) -> catalogue.Metric:
    return next(each for each in catalogue.read(str(SHIPPED)) if each.name == name)


def probe(path: Path) -> ModuleType:
    loader = importlib.machinery.SourceFileLoader(path.name, str(path))
    spec = importlib.util.spec_from_loader(path.name, loader)
    assert spec is not None
    module = importlib.util.module_from_spec(spec)
    loader.exec_module(module)
    return module


# ---- The files that are shipped


def test_the_intervals_are_those_of_the_table() -> None:
    assert {each.name: each.interval_s for each in catalogue.read(str(SHIPPED))} == TABLE


def test_the_limits_of_ages_are_those_of_the_table() -> None:
    assert dict(metric("eu.egi.cloud.APEL-Pub").parameters) == {
        "--site": "$_SERVICESITE_NAME$",
        "-w": "7d",
        "-c": "30d",
    }
    assert dict(metric("eu.egi.cloud.AppDB-Update").parameters) == {"-w": "6h", "-c": "12h"}


@pytest.mark.parametrize("name", TABLE)
def test_every_metric_can_end_before_it_is_asked_again_and_is_for_some_service(name: str) -> None:
    found = metric(name)
    assert 0 < found.timeout_s <= found.interval_s
    assert found.retry_s <= found.interval_s
    assert found.service_types
    assert found.path == "/usr/libexec/argo-monitoring/probes/fedcloud"


@pytest.mark.parametrize("name", TABLE)
def test_the_page_of_a_metric_is_the_one_that_its_probe_names_and_it_is_there(name: str) -> None:
    found = metric(name)
    said = subprocess.run(
        command(found.probe, "-v", "-t", "0"), capture_output=True, text=True, env=clean_environment()
    ).stdout
    assert said.splitlines()[1] == f"what it means, and what to do: {found.docurl}"
    page = ROOT / "docs" / found.docurl.rpartition("/docs/")[2]
    assert page.read_text().startswith(f"# {found.probe}\n")


@pytest.mark.parametrize("name", TABLE)
def test_the_real_probe_takes_the_command_line_in_any_order(name: str) -> None:
    found = metric(name)
    module = probe(ROOT / "probes" / found.probe)
    for service_type in found.service_types:
        options = catalogue.options(found, endpoint(service_type), cert="/tmp/x509up_robot")
        random.Random(name).shuffle(options)
        words = [word for option in options for word in option if word]
        assert not any(re.search(r"[\s'\"$!;|&<>`\\*?(){}]", word) for word in words)
        parser = cli.Parser(prog=found.probe, doc="")
        module.options(parser)
        cli.standard(parser, timeout=60)
        args = parser.parse_args(words)
        assert args.timeout == found.timeout_s
        assert getattr(args, "hostname", None) == (None if "NOHOSTNAME" in found.flags else "cloud.example.org")


@pytest.mark.parametrize("name", TABLE)
def test_the_probes_docstring_names_its_metric(name: str) -> None:
    found = metric(name)
    text = (ROOT / "probes" / found.probe).read_text()
    assert name in text


def test_ncg_could_read_the_files() -> None:
    """What its documentation calls traps: all values are texts, no double quote, no 0 as a value."""
    document = json.loads((SHIPPED / "fedcloud-probes.conf").read_text())
    for definition in document.values():
        assert set(definition) == {
            "probe",
            "config",
            "attribute",
            "parameter",
            "dependency",
            "flags",
            "docurl",
            "parent",
        }
        assert set(definition["config"]) == {"interval", "maxCheckAttempts", "path", "retryInterval", "timeout"}
        assert all(isinstance(value, str) for value in definition["config"].values())
        assert not {"NOHOSTNAME", "NOARGS", "NOTIMEOUT"} <= set(definition["flags"])
        assert "0" not in definition["parameter"].values()
        assert not set(definition["attribute"].values()) & set(definition["parameter"])
    localdb = (SHIPPED / "fedcloud-probes.localdb").read_text()
    assert '"' not in localdb
    assert all(line.count("!") in (2, 3) for line in localdb.splitlines() if line and not line.startswith("#"))


def test_without_a_name_the_definitions_of_the_package_are_read() -> None:
    if Path(catalogue.SYSTEM_DIRECTORY).is_dir():
        pytest.skip("this machine has definitions of its own")
    assert catalogue.read() == catalogue.read(str(SHIPPED))


# ---- Command lines


def test_an_occi_endpoint_is_passed_in_parts() -> None:
    assert catalogue.command(metric("eu.egi.cloud.OCCI-VM"), endpoint(), "/opt/probes", vo="ops", cert="/tmp/p") == [
        "/opt/probes/check_occi_vm",
        *("-H", "cloud.example.org"),
        *("-t", "420"),
        *("--image", "http://occi.example.org/os_tpl#uuid-1"),
        *("--resource", "m1.tiny"),
        *("--endpoint", "https://cloud.example.org:8787/occi1.1"),
        *("--vo", "ops"),
        *("--cert", "/tmp/p"),
    ]


def test_the_macro_of_the_site_is_replaced_by_its_name() -> None:
    command = catalogue.command(metric("eu.egi.cloud.APEL-Pub"), endpoint("eu.egi.cloud.accounting", "a b; c"))
    assert command[1:] == ["-t", "120", "--site", "EXAMPLE-CLOUD", "-c", "30d", "-w", "7d"]


@pytest.mark.parametrize(
    ("name", "service_type", "url", "options"),
    [
        ("org.nagios.OCCI-TCP", OCCI, "https://c.example.org/?image=a", ["-p", "443", "-u", "https://c.example.org"]),
        ("org.nagios.OCCI-TCP", OCCI, "http://c.example.org/?image=a", ["-p", "80", "-u", "http://c.example.org"]),
        ("org.nagios.CDMI-TCP", "eu.egi.cloud.storage-management.cdmi", "", []),
        ("org.nagios.Broker-TCP", "eu.egi.cloud.broker.proprietary.slipstream", "", []),
        (
            "org.nagios.Broker-TCP",
            "eu.egi.cloud.broker.proprietary.slipstream",
            "https://s.example.org:8443/",
            ["-p", "8443", "-u", "https://s.example.org:8443/"],
        ),
        ("org.nagios.CloudBDII-Check", "eu.egi.cloud.information.bdii", "http://bdii.example.org/", ["--site"]),
        ("org.nagios.CloudBDII-Check", "eu.egi.cloud.information.bdii", "ldap://b.example.org:2171/", ["--site"]),
    ],
)
def test_a_port_comes_from_the_url_or_the_localdb(name: str, service_type: str, url: str, options: list[str]) -> None:
    command = catalogue.command(metric(name), endpoint(service_type, url))
    rest = command[command.index("-t") + 2 :]
    assert rest[: len(options)] == options
    assert ("-p" in rest) == ("-p" in options)


@pytest.mark.parametrize(
    ("service_type", "url"),
    [
        (OCCI, "https://cloud.example.org:8787/occi1.1"),
        ("eu.egi.cloud.storage-management.cdmi", "https://cloud.example.org:8080/"),
        ("org.openstack.nova", "https://keystone.example.org:5000/v3"),
        ("org.openstack.swift", "https://keystone.example.org:5000/v3"),
    ],
)
def test_the_certificate_of_every_service_with_tls_is_watched(service_type: str, url: str) -> None:
    found = metric("eu.egi.cloud.Certificate")
    assert found.is_for(endpoint(service_type))
    limits = ["--certificate", "30d:,7d:", "--service-type", service_type, "--tls-by-scheme"]
    host = ["-H", "cloud.example.org", "-t", "60"]
    assert catalogue.command(found, endpoint(service_type))[1:] == [*host, "-u", url, *limits]
    if service_type != OCCI:  # whose URL has to be there, else the probe is to look it up
        assert catalogue.command(found, endpoint(service_type, ""))[1:] == [*host, *limits]


def test_a_bdii_has_no_certificate_to_watch() -> None:
    assert not metric("eu.egi.cloud.Certificate").is_for(endpoint("eu.egi.cloud.information.bdii"))


def test_a_registered_image_list_wins_over_the_default() -> None:
    found = metric("eu.egi.cloud.AppDB-Update")
    marketplace = "eu.egi.cloud.vm-metadata.marketplace"
    assert URLS[marketplace] in catalogue.command(found, endpoint(marketplace))
    for url in ("", "https://appdb.example.org/"):
        command = catalogue.command(found, endpoint(marketplace, url))
        assert command[command.index("-u") + 1].endswith("/store/vappliance/fedcloud.monitoring.va/image.list")


@pytest.mark.parametrize("name", ["eu.egi.cloud.OCCI-VM", "eu.egi.cloud.OCCI-Context", "org.nagios.OCCI-TCP"])
@pytest.mark.parametrize("url", ["", "host:8787/?image=a", "https://c.example.org:99999/", "https://a b/", "ftp://c/"])
def test_an_unusable_url_is_said_and_not_left_out_silently(name: str, url: str) -> None:
    with pytest.raises(BadData):
        catalogue.command(metric(name), endpoint(url=url))


HOSTILE = [
    "$USER1$",
    "a;b",
    "a!b",
    "a b",
    "`id`",
    "$(id)",
    "a|b",
    "a>b",
    "'",
    '"',
    "\\",
    "-x",
    "--help",
    "a\nb",
    "é",
    "\u202e",
]


@pytest.mark.parametrize("value", [*HOSTILE, "a" * 10_000, "{{{x}}}", "%n%"[:1] + "\x00"])
def test_no_hostile_value_reaches_a_command(value: str) -> None:
    from urllib.parse import quote

    for given in (
        endpoint(url=f"https://cloud.example.org:8787/?image={quote(value)}&resource=small"),
        endpoint(url=f"https://cloud.example.org:8787/?image=a&resource={quote(value)}"),
        endpoint(hostname=value),
    ):
        with pytest.raises(BadData):
            catalogue.command(metric("eu.egi.cloud.OCCI-VM"), given)
    if value not in ("a b", "é"):
        with pytest.raises(BadData):
            catalogue.command(metric("eu.egi.cloud.APEL-Pub"), endpoint("eu.egi.cloud.accounting", site=value))


# ---- Definitions of one's own


def definitions(directory: Path, conf: str | None = None, localdb: str = "") -> str:
    text = (SHIPPED / "fedcloud-probes.conf").read_text() if conf is None else conf
    (directory / "metrics.conf").write_text(text)
    (directory / "mine.localdb").write_text(localdb)
    (directory / "README.md").write_text("not read")
    return str(directory)


def test_a_host_attribute_wins_over_the_url(tmp_path: Path) -> None:
    path = definitions(
        tmp_path,
        localdb=f"HOST_ATTRIBUTE!cloud.example.org!OCCI_PORT!1234\nADD_SERVICE_METRIC!{OCCI}!org.nagios.OCCI-TCP\n",
    )
    [found] = [each for each in catalogue.read(path) if each.service_types]
    command = catalogue.command(found, endpoint())
    assert command[command.index("-p") + 1] == "1234"


@pytest.mark.parametrize(
    ("conf", "localdb", "sentence"),
    [
        ("{", "", "metrics.conf: it is not JSON"),
        ("[]", "", "metrics.conf: it is not an object"),
        ("{}", "", "defines no metric"),
        (None, "ADD_SERVICE_METRIC!a!b", "a is given the metric b, which is not defined"),
        (None, 'SERVICE_ATTRIBUTE!a!B!c"', "mine.localdb: line 1 has a double quote"),
        (None, "# x\nSERVICE_ATTRIBUTE!a!B!c d", "mine.localdb: line 2 is not understood"),
        (None, "MODIFY_METRIC_CONFIG!a!interval!1", "mine.localdb: line 1 has no effect in NCG"),
        (None, "ADD_HOST_SERVICE_METRIC!h!a!b", "h a is given the metric b, which is not defined"),
        ('{"a b": {}}', "", "cannot be the name of a metric"),
        ('{"m": {"probe": "../x", "config": {}}}', "", 'm: probe "../x" is not the name of a file'),
        ('{"m": {"probe": "x", "config": {"path": "$USER1$"}}}', "", "m: path"),
        ('{"m": {"probe": "x", "config": {"path": "/p", "interval": "0"}}}', "", "m: interval"),
        ('{"m": {"probe": "x", "config": [1]}}', "", "m: config is not an object"),
        ('{"m": {"probe": "x", "config": {"path": "/p"}, "flags": {"NRPE": 1}}}', "", "m: flag"),
    ],
)
def test_wrong_definitions_are_said_with_their_place(
    tmp_path: Path, conf: str | None, localdb: str, sentence: str
) -> None:
    with pytest.raises(Misconfigured, match=re.escape(sentence)):
        catalogue.read(definitions(tmp_path, conf, localdb))


@pytest.mark.parametrize("no", ["0", "", 0])
def test_a_flag_of_0_is_switched_off(tmp_path: Path, no: object) -> None:
    document = json.loads((SHIPPED / "fedcloud-probes.conf").read_text())
    document["eu.egi.cloud.OCCI-VM"]["flags"]["VO"] = no
    document["eu.egi.cloud.APEL-Pub"]["flags"]["NOHOSTNAME"] = no
    read = {each.name: each for each in catalogue.read(definitions(tmp_path, json.dumps(document)))}
    assert read["eu.egi.cloud.OCCI-VM"].service_description("ops") == "eu.egi.cloud.OCCI-VM"
    assert catalogue.options(read["eu.egi.cloud.APEL-Pub"], endpoint("eu.egi.cloud.accounting"))[0] == (
        "-H",
        "cloud.example.org",
    )


def test_an_attribute_of_0_is_an_option_without_a_value(tmp_path: Path) -> None:
    localdb = f"HOST_ATTRIBUTE!cloud.example.org!OCCI_PORT!0\nADD_SERVICE_METRIC!{OCCI}!org.nagios.OCCI-TCP\n"
    found = next(each for each in catalogue.read(definitions(tmp_path, localdb=localdb)) if each.service_types)
    assert ("-p", "") in catalogue.options(found, endpoint())


def test_values_for_all_are_the_defaults_of_those_for_some(tmp_path: Path) -> None:
    localdb = "GLOBAL_ATTRIBUTE!A!1\nGLOBAL_ATTRIBUTE!B!1\nATTRIBUTE!B!2\nATTRIBUTE!C!2\nSERVICE_ATTRIBUTE!t!C!3\n"
    values, _ = attributes(endpoint("t"), read_localdb(localdb))
    assert values == {"A": "1", "B": "2", "C": "3"}


def test_hosts_are_compared_letter_by_letter_as_by_ncg() -> None:
    localdb = read_localdb("HOST_ATTRIBUTE!Cloud.example.org!A!1\n")
    assert attributes(endpoint("t"), localdb)[0] == {}
    assert attributes(endpoint("t", hostname="Cloud.example.org"), localdb)[0] == {"A": "1"}


def test_a_parameter_that_is_more_than_a_word_is_refused(tmp_path: Path) -> None:
    document = json.loads((SHIPPED / "fedcloud-probes.conf").read_text())
    for value in ("a b", "$USER1$", "x;y", "`id`"):
        document["org.nagios.CDMI-TCP"]["parameter"] = {"-x": value}
        with pytest.raises(Misconfigured, match="not one plain word"):
            catalogue.read(definitions(tmp_path, json.dumps(document)))


def test_a_directory_that_is_not_there_is_said(tmp_path: Path) -> None:
    with pytest.raises(Misconfigured, match="No such file"):
        catalogue.read(str(tmp_path / "none"))
