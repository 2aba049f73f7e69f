"""The federation as a whole, as probes meet it."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from tests.conftest import clean_environment
from tests.federation import bdii, broker
from tests.federation import gocdb as pi
from tests.federation import keystone as identity
from tests.federation.authority import HOST_VARIANTS
from tests.federation.control import Control
from tests.federation.faults import CATALOGUE, OCCI, WIRE
from tests.federation.federation import Federation, Site
from tests.pace import AMPLE_S, until

ROOT = Path(__file__).parents[2]
NAMES = ("occi-os", "ooi", "rocci", "snf", "rocci2")
ROBOT_DN = "/DC=test/DC=fedcloud/O=People/CN=Robot - cloudmon"
SCHEME = "http://schemas.ogf.org/occi/infrastructure#"


@pytest.fixture(scope="module")
def log() -> list[str]:
    return []


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory, log: list[str]) -> Iterator[Federation]:
    with Federation(tmp_path_factory.mktemp("federation"), log=log.append) as federation:
        yield federation


@pytest.fixture
def federation(shared: Federation) -> Iterator[Federation]:
    yield shared
    for site in shared.sites.values():
        site.occi.reset()
        site.faults.clear()
        site.certificate("good")
        if site.keystone:
            site.keystone.faults.clear()
    shared.gocdb.faults.clear()


@pytest.fixture
def client(federation: Federation) -> Iterator[requests.Session]:
    with requests.Session() as session:
        session.trust_env = False
        session.verify = str(federation.ca_directory)
        session.cert = str(federation.proxy)
        yield session


def log_in(client: requests.Session, site: Site) -> dict[str, str]:
    """Follow the challenge as a probe does and return the headers that authorise a request."""
    answer = client.get(f"{site.base}/-/", timeout=AMPLE_S)
    if answer.status_code == 200:
        return {}
    assert answer.status_code == 401
    found = re.fullmatch(r"(?:Keystone|snf-auth) uri=(['\"])(.*)\1", answer.headers["WWW-Authenticate"])
    assert found
    root = re.sub(r"/v[23][.0]*$", "", found[2])
    values = client.get(f"{root}/", timeout=AMPLE_S).json()["versions"]["values"]
    if values[0]["id"] == "v2.0":
        body = {"auth": {"voms": True, "tenantName": "ops"}}
        token = client.post(f"{root}/v2.0/tokens", json=body, timeout=AMPLE_S).json()["access"]["token"]["id"]
        return {"X-Auth-Token": token}
    login = f"{root}/v3/OS-FEDERATION/identity_providers/egi.eu/protocols/mapped/auth"
    answer = client.post(login, timeout=AMPLE_S)
    if answer.status_code == 405:
        answer = client.get(login, timeout=AMPLE_S)
    assert answer.status_code == 201
    token = answer.headers["X-Subject-Token"]
    projects = client.get(f"{root}/v3/auth/projects", headers={"X-Auth-Token": token}, timeout=AMPLE_S).json()[
        "projects"
    ]
    scope = {"project": {"id": projects[0]["id"]}}
    auth = {"auth": {"identity": {"methods": ["token"], "token": {"id": token}}, "scope": scope}}
    answer = client.post(f"{root}/v3/auth/tokens", json=auth, timeout=AMPLE_S)
    return {"X-Auth-Token": answer.headers["X-Subject-Token"]}


def template_ids(text: str, site: Site) -> list[str]:
    found = []
    for term in (site.image, site.resource):
        match = re.search(rf'Category: {re.escape(term)}; ?scheme="([^"]+)"', text)
        assert match, f"{site.name} does not offer {term}"
        found.append(match[1] + term)
    return found


# -- what GOCDB says --------------------------------------------------------------------------------------


def test_gocdb_lists_every_site_with_the_url_it_is_served_at(federation: Federation, client: requests.Session) -> None:
    query = {
        "method": "get_service_endpoint",
        "service_type": "eu.egi.cloud.vm-management.occi",
        "monitored": "Y",
    }
    answer = client.get(federation.gocdb.url, params=query, timeout=AMPLE_S)
    found = {each.findtext("HOSTNAME"): each for each in ET.fromstring(answer.content)}
    assert set(found) == {f"{name}.fedcloud.test" for name in NAMES}
    for site in federation.sites.values():
        service = found[site.hostname]
        assert service.findtext("URL") == site.url
        assert service.findtext("SITENAME") == site.gocdb_name
        assert service.findtext("HOSTDN") == site.credential.subject
        assert site.url == f"{site.base}/?image={site.image}&resource={site.resource}"
        assert site.url.startswith(f"https://localhost:{site.web.port}/")
    assert federation.site("ooi").base.endswith("/occi1.1")


def test_gocdb_can_be_asked_without_a_certificate(federation: Federation) -> None:
    query = {"method": "get_site_list"}
    answer = requests.get(federation.gocdb.url, query, verify=str(federation.ca_directory), timeout=AMPLE_S)
    listed = {each.get("NAME") for each in ET.fromstring(answer.content)}
    assert listed >= {f"{name.upper()}-CLOUD" for name in NAMES}  # central services are of sites of their own
    assert federation.gocdb.server is not None
    assert federation.gocdb.url == f"{federation.gocdb.server.url}/gocdbpi/public/"


def test_a_site_is_found_by_any_of_its_names(federation: Federation) -> None:
    site = federation.site("occi-os")
    assert federation.site("OCCI-OS-CLOUD") is federation.site("occi-os.fedcloud.test") is site
    with pytest.raises(KeyError, match="there are occi-os"):
        federation.site("occi")


# -- logging in and creating ------------------------------------------------------------------------------


@pytest.mark.parametrize("name", NAMES)
def test_the_robot_can_log_in_and_create_a_vm(federation: Federation, client: requests.Session, name: str) -> None:
    site = federation.site(name)
    headers = log_in(client, site)
    model = client.get(f"{site.base}/-/", headers={**headers, "Accept": "text/plain"}, timeout=AMPLE_S)
    assert model.status_code == 200
    categories = [f'compute; scheme="{SCHEME}"; class="kind"']
    for identifier in template_ids(model.text, site):
        scheme, _, term = identifier.rpartition("#")
        categories.append(f'{term}; scheme="{scheme}#"; class="mixin"')
    body = "".join(f"Category: {category}\n" for category in categories)
    for attribute in ("core.id", "core.title", "compute.hostname"):
        body += f'X-OCCI-Attribute: occi.{attribute}="demo"\n'
    headers |= {"Content-Type": "text/plain", "Accept": "text/plain"}
    answer = client.post(f"{site.base}/compute/", data=body, headers=headers, timeout=AMPLE_S)
    assert answer.status_code in (200, 201), answer.text
    (vm,) = site.occi.vms("ops")
    assert (vm.title, vm.user) == ("demo", ROBOT_DN)


@pytest.mark.parametrize("name", NAMES)
def test_without_credentials_every_site_answers_401(federation: Federation, name: str) -> None:
    site = federation.site(name)
    verify = str(federation.ca_directory)
    for headers in ({}, {"X-Auth-Token": "nonsense"}):
        answer = requests.get(f"{site.base}/-/", headers=headers, verify=verify, timeout=AMPLE_S)
        assert answer.status_code == 401
        assert ("WWW-Authenticate" in answer.headers) == (site.keystone is not None)


def test_ooi_refuses_an_unscoped_token_as_recorded(federation: Federation, client: requests.Session) -> None:
    site = federation.site("ooi")
    assert site.keystone is not None
    login = f"{site.keystone.url}/v3/OS-FEDERATION/identity_providers/egi.eu/protocols/mapped/auth"
    token = client.post(login, timeout=AMPLE_S).headers["X-Subject-Token"]
    answer = client.get(f"{site.base}/-/", headers={"X-Auth-Token": token}, timeout=AMPLE_S)
    assert (answer.status_code, answer.text) == (403, "Forbidden: Cannot find project ID in the token")


def test_synnefo_takes_the_project_from_its_own_header(federation: Federation, client: requests.Session) -> None:
    site = federation.site("snf")
    assert site.keystone is not None
    body = {"auth": {"voms": True}}
    answer = client.post(f"{site.keystone.url}/v2.0/tokens", json=body, timeout=AMPLE_S)
    headers = {"X-Auth-Token": answer.json()["access"]["token"]["id"]}
    assert client.get(f"{site.base}/-/", headers=headers, timeout=AMPLE_S).status_code == 401
    headers["X-Snf-Project"] = "ops"
    assert client.get(f"{site.base}/-/", headers=headers, timeout=AMPLE_S).status_code == 200


def test_the_other_user_is_in_another_project(federation: Federation, client: requests.Session) -> None:
    client.cert = str(federation.other_proxy)
    site = federation.site("rocci")
    site.occi.add_foreign("theirs", "ops")
    answer = client.get(f"{site.base}/compute/", headers={"Accept": "text/uri-list"}, timeout=AMPLE_S)
    assert answer.status_code in (200, 204)
    assert answer.text.strip() == ""


def test_tokens_of_one_site_are_nothing_at_another(federation: Federation, client: requests.Session) -> None:
    headers = log_in(client, federation.site("occi-os"))
    answer = client.get(f"{federation.site('snf').base}/-/", headers=headers, timeout=AMPLE_S)
    assert answer.status_code == 401


# -- certificates and faults ------------------------------------------------------------------------------


@pytest.mark.parametrize("variant", [each for each in HOST_VARIANTS if each not in ("good", "revoked")])
def test_a_site_can_change_its_certificate_while_it_runs(
    federation: Federation, client: requests.Session, variant: str
) -> None:
    site = federation.site("ooi")
    site.certificate(variant)
    with pytest.raises(requests.exceptions.SSLError):
        client.get(f"{site.base}/-/", timeout=AMPLE_S)
    site.certificate("good")
    assert client.get(f"{site.base}/-/", timeout=AMPLE_S).status_code == 401


def test_a_revoked_certificate_is_served_and_listed(federation: Federation, client: requests.Session) -> None:
    site = federation.site("ooi")
    credential = site.certificate("revoked")
    assert client.get(f"{site.base}/-/", timeout=AMPLE_S).status_code == 401  # requests does not look at CRLs
    command = [
        "openssl",
        "verify",
        "-crl_check",
        "-CApath",
        str(federation.ca_directory),
        str(credential.path),
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert "certificate revoked" in done.stderr


def test_a_fault_is_switched_where_it_has_an_effect(federation: Federation) -> None:
    ooi = federation.site("ooi")
    assert ooi.keystone is not None
    assert federation.switch("ooi", "slow") is ooi.faults
    assert federation.switch("ooi", "quota") is ooi.faults
    assert federation.switch("ooi", "ks-no-projects") is ooi.keystone.faults
    assert federation.switch("ooi-keystone", "slow") is ooi.keystone.faults
    assert federation.switch("gocdb", "gocdb-error") is federation.gocdb.faults
    for service, fault in (("rocci", "ks-no-projects"), ("gocdb", "quota"), ("ooi", "gocdb-error")):
        with pytest.raises(ValueError, match="has no effect"):
            federation.switch(service, fault)
    with pytest.raises(ValueError, match="no fault is called"):
        federation.switch("ooi", "quuota")
    with pytest.raises(KeyError, match="no service"):
        federation.switch("oi", "slow")


def test_the_catalogue_is_complete_and_has_no_fault_twice() -> None:
    parts = [*WIRE, *OCCI, *pi.FAULTS, *identity.FAULTS]
    assert len(set(parts)) == len(parts)
    assert set(parts) <= set(CATALOGUE)  # other servers add theirs when they are imported


# -- for those who run it ---------------------------------------------------------------------------------


def test_environment_and_configuration_point_at_it(federation: Federation) -> None:
    environment = federation.environment()
    assert Path(environment["X509_USER_PROXY"]) == federation.proxy
    assert Path(environment["X509_CERT_DIR"]) == federation.ca_directory
    text = Path(environment["FEDCLOUD_PROBES_CONFIG"]).read_text()
    assert text.splitlines() == [
        "[gocdb]",
        f"url = {federation.gocdb.url}",
        "[tls]",
        f"ca_path = {federation.ca_directory}",
        "[state]",
        f"directory = {federation.directory / 'state'}",
        "[accounting]",
        f"url = {federation.accounting_url}",
        "[appdb]",
        f"url = {federation.appdb_url}",
        "[images]",
        f"lists = {federation.registry_url}",
        "[cloudinfo]",
        f"url = {federation.cloud_info_url}",
    ]


def test_the_log_says_who_asked_what(federation: Federation, client: requests.Session, log: list[str]) -> None:
    site = federation.site("ooi")
    log.clear()
    headers = log_in(client, site)
    client.get(f"{site.base}/-/", headers=headers, timeout=AMPLE_S)
    # The line is written before the answer is sent.
    assert re.fullmatch(r"ooi +GET /occi1\.1/-/ -> 401, nobody", log[0])
    assert log[-1].endswith(f"-> 200, {ROBOT_DN} (token, ops)")
    assert any(line.endswith(f"-> 201, {ROBOT_DN} (ops)") for line in log)


def test_a_service_can_be_added_while_it_runs(federation: Federation) -> None:
    class Portal:
        name = "portal"
        running = False

        def start(self) -> None:
            self.running = True

        def stop(self) -> None:
            self.running = False

        def describe(self) -> str:
            return "portal"

    portal = Portal()
    federation.add(portal)
    try:
        assert portal.running
        assert federation.describe()[-1] == "portal"
        assert federation.service("portal") is portal
    finally:
        federation.services.remove(portal)


def test_starting_takes_a_second_of_processor_time_at_most(tmp_path: Path) -> None:
    began = time.process_time()
    with Federation(tmp_path):
        took_s = time.process_time() - began
    assert took_s < 5  # a slow machine; a quick one takes a quarter of a second


def test_after_stop_nothing_listens(tmp_path: Path) -> None:
    with Federation(tmp_path) as federation:
        urls = [site.base for site in federation.sites.values()]
    for url in urls:
        with pytest.raises(requests.exceptions.ConnectionError, match="refused"):
            requests.get(url, verify=False, timeout=AMPLE_S)


# -- the control server -----------------------------------------------------------------------------------


@pytest.fixture
def control(federation: Federation) -> Iterator[str]:
    server = Control(federation)
    federation.add(server)
    yield server.url
    server.stop()
    federation.services.remove(server)


def test_faults_are_switched_over_http(federation: Federation, control: str) -> None:
    answer = requests.put(f"{control}/sites/ooi/faults/slow?seconds=0.5&method=POST", timeout=AMPLE_S)
    assert (answer.status_code, answer.text) == (200, "ooi: slow is on\n")
    assert federation.site("ooi").faults.get("slow") == {"seconds": 0.5, "method": "POST"}
    assert "fault slow seconds=0.5 method=POST" in requests.get(f"{control}/", timeout=AMPLE_S).text
    requests.put(f"{control}/sites/ooi/faults/ks-no-projects", timeout=AMPLE_S)
    assert "ks-no-projects" in requests.get(f"{control}/sites/ooi-keystone/faults", timeout=AMPLE_S).text
    requests.delete(f"{control}/sites/ooi/faults/slow", timeout=AMPLE_S)
    assert requests.get(f"{control}/sites/ooi/faults", timeout=AMPLE_S).text == "no faults\n"
    requests.delete(f"{control}/sites/ooi/faults", timeout=AMPLE_S)
    assert requests.get(f"{control}/sites/ooi-keystone/faults", timeout=AMPLE_S).text == "no faults\n"


def test_vms_are_listed_over_http(federation: Federation, control: str) -> None:
    assert requests.get(f"{control}/sites/snf/vms", timeout=AMPLE_S).text == "no VMs\n"
    federation.site("snf").occi.add_foreign("theirs", "ops")
    for path in ("/sites/snf/vms", "/"):
        assert "active 'theirs' project=ops" in requests.get(f"{control}{path}", timeout=AMPLE_S).text


def test_certificates_are_changed_over_http(federation: Federation, control: str, client: requests.Session) -> None:
    requests.put(f"{control}/sites/snf/certificate/expired", timeout=AMPLE_S)
    with pytest.raises(requests.exceptions.SSLError, match="expired"):
        client.get(federation.site("snf").base, timeout=AMPLE_S)


@pytest.mark.parametrize(
    ("method", "path", "status", "text"),
    [
        ("PUT", "/sites/ooi/faults/slo", 400, "no fault is called 'slo'"),
        ("PUT", "/sites/ooi/faults/slow?second=1", 400, "has no parameter second"),
        ("PUT", "/sites/gocdb/faults/quota", 400, "quota has no effect at gocdb"),
        ("PUT", "/sites/ooi/certificate/exp", 400, "known are good"),
        ("PUT", "/sites/elsewhere/faults/slow", 404, "no service 'elsewhere'"),
        ("GET", "/sites/elsewhere/vms", 404, "no site 'elsewhere'"),
        ("POST", "/", 404, "no such request"),
    ],
)
def test_mistakes_are_explained(control: str, method: str, path: str, status: int, text: str) -> None:
    answer = requests.request(method, f"{control}{path}", timeout=AMPLE_S)
    assert (answer.status_code, text in answer.text) == (status, True), answer.text


def test_a_browser_is_refused(control: str) -> None:
    for headers in ({"Origin": "https://example.org"}, {"Host": "example.org:80"}):
        assert requests.get(f"{control}/", headers=headers, timeout=AMPLE_S).status_code == 403


# -- the command ------------------------------------------------------------------------------------------


def run(*arguments: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "tests.federation", *arguments]
    return subprocess.Popen(command, cwd=ROOT, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_command_runs_until_it_is_told_to_stop(tmp_path: Path, number: signal.Signals) -> None:
    env_file = tmp_path / "federation.env"
    process = run(
        "--directory", str(tmp_path / "federation"), "--env-file", str(env_file), "--log-requests", "--no-broker"
    )
    try:
        until(lambda: env_file.exists() or process.poll() is not None)
        assert process.poll() is None, process.communicate()[0]
        shell = f". {env_file}; openssl x509 -in $X509_USER_PROXY -noout -subject; echo $FEDERATION_CONTROL"
        done = subprocess.run(["sh", "-c", shell], capture_output=True, text=True, check=True)
        assert "Robot - cloudmon" in done.stdout
        overview = requests.get(f"{done.stdout.split()[-1]}/", timeout=AMPLE_S).text
        assert all(name in overview for name in NAMES)
        requests.get(
            re.search(r"^occi-os +(\S+)", overview, re.MULTILINE)[1],  # type: ignore[index]
            verify=str(tmp_path / "federation" / "certificates"),
            timeout=AMPLE_S,
        )
        os.kill(process.pid, number)
        output = process.communicate(timeout=AMPLE_S)[0]
    finally:
        process.kill()
    assert process.returncode == 0, output
    assert "export X509_USER_PROXY=" in output
    assert "check_occi_vm -H occi-os.fedcloud.test" in output
    assert re.search(r"^\d\d:\d\d:\d\d\.\d{3} occi-os +GET / -> 401, nobody$", output, re.MULTILINE)
    assert "Traceback" not in output
    assert not env_file.exists()


def test_the_banner_names_every_executable_with_a_command_that_works(tmp_path: Path) -> None:
    process = run("--directory", str(tmp_path / "federation"))
    assert process.stdout
    banner: list[str] = []
    try:
        for line in process.stdout:
            banner.append(line)
            if line.startswith("Stop it"):
                break
        told = [line.strip() for line in banner if re.match("    (export|check_|fedcloud-)", line)]
        exports = [line for line in told if line.startswith("export ")]
        commands = [line for line in told if line not in exports]
        for each in commands:
            # a busy machine takes longer than the probes' own limits; that they answer is what is looked at
            patient = f"{each} -t {AMPLE_S:g}" if each.startswith("check_") else each
            done = subprocess.run(
                ["bash", "-euc", "\n".join([*exports, patient])],
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                cwd=tmp_path,
                env=clean_environment(HOME=tmp_path),
            )
            assert (done.returncode, done.stderr) == (0, ""), f"{each}\n{done.stdout}"
    finally:
        process.terminate()
        process.communicate(timeout=AMPLE_S)
    named = {each.split()[0] for each in commands}
    missing = {path.name for path in (ROOT / "probes").iterdir() if path.is_file()} - named
    needs = {"check_availability", "fedcloud-downtimes", "fedcloud-worker"}
    if not bdii.is_installed():
        needs.add("check_cloud_bdii")
    if not broker.is_installed():
        needs |= {"check_broker", "fedcloud-publish"}
    assert missing == needs, "".join(banner)
    assert all(name in "".join(banner) for name in ("check_availability", "fedcloud-downtimes", "fedcloud-worker"))


def test_the_catalogue_is_printed() -> None:
    output = run("--catalogue").communicate(timeout=AMPLE_S)[0]
    assert all(re.search(rf"^{re.escape(name)} ", output, re.MULTILINE) for name in CATALOGUE)
