"""The example output on the pages of the probes is what the probes print: names and numbers apart, word for word.

Each page's examples stand here in their order, with what has to be the matter in the federation for it.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import NamedTuple

import pytest

from libprobe.timelines.algebra import CRITICAL, OK
from tests import planted
from tests.conftest import ROOT, Monitor, Report
from tests.federation.glance import Image
from tests.federation.registry import Artefact
from tests.federation.stomp_responder import Responder, ResponderBehaviour
from tests.pace import AMPLE_S, seconds
from tests.probes.test_check_availability import filled

LINE = re.compile(r"^([A-Za-z-]+) (OK|WARNING|CRITICAL|UNKNOWN) - (.*?)(?: \| (.*))?$", re.MULTILINE)
"""Name, state, sentence and performance data of a status line."""

STATES = ("OK", "WARNING", "CRITICAL", "UNKNOWN")

VARIABLE = [
    # what becomes of a connection to an address that nobody has is this machine's affair
    (r"(?<=reach: )[\d.]+ port \d+: [^()]+(?= \(tried for)", r"192\.0\.2\.1 port \d+: [^()|]+"),
    (r"(?<=similar: )[\w-]+(?:, [\w-]+)*", r"[\w-]+(?:, [\w-]+)*"),
    (r"[a-z]+(?:\+ssl)?://[^\s,;()|]*[^\s,;()|:.]", r"[a-z+]+://[^\s,;()|]*[^\s,;()|:]"),
    (r"\((?:[0-9]+\.[0-9.]+|[0-9a-f]+:[0-9a-f:]+)\)", r"\([0-9a-f.:]+\)"),
    (r"(?<![\w/=])registry\.example\.org\b", r"[\w.:-]+"),
    (r"(?<![\w/=])[a-z]+\.example\.org\b", r"[\w.-]+"),
    (r"\b[0-9a-f]{32}\b", r"[0-9a-f]{32}"),
    (r"\b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f-]{22}\b", r"[0-9a-f-]+"),
    (r"egi-sam-[\w-]+", r"egi-sam-[\w-]+"),
    (r"\btx[0-9a-f]{21}-[0-9a-f]{10}", r"tx[0-9a-f-]+"),
    (r"(?:\breq-)?\b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f-]{22}", r"(?:req-)?[0-9a-f-]{36}"),
    (r"/(?:DC|CN)=[^;,()]*?(?=,| \(| as |$)", r"/[A-Z]+=[^;,()]*?"),
    (r"(?:EXAMPLE|KISTI|KR-KISTI)-(?:CLOUD|SITE)|UPV-G[rR]yCAP|SZTAKI", r"[\w-]+"),
    (r"uuid_monitoring_\d+|\bsmall\b", r"[\w#:/.-]+"),
    (r"/(?:tmp|etc)/\S+", r"/\S+"),
    (r"(?<![\w.])\d[\d.]* (?:ms|s|min|h|d)\b", r"\d[\d.]* (?:ms|s|min|h|d)(?: \d+ (?:s|min|h))?"),
    (r"(?<=limit )[^)]+", r"[^)]+"),
    (r"(?<!\w)\d{4}-\d\d-\d\d \d\d:\d\d", r"\d{4}-\d\d-\d\d \d\d:\d\d"),
    (r"(?<![\w.])[\d.]*\d(?!\w)", r"[\d.]+"),
]
"""What differs from run to run, as an example has it and as a probe may print it."""


def shape(sentence: str) -> str:
    """The pattern of all sentences that say the same as an example."""
    found, rest = "", sentence
    variable = re.compile("|".join(f"({pattern})" for pattern, _ in VARIABLE))
    while match := variable.search(rest):
        found += re.escape(rest[: match.start()]) + VARIABLE[(match.lastindex or 1) - 1][1]
        rest = rest[match.end() :]
    return found + re.escape(rest)


class Stage(NamedTuple):
    """Where an example is played: a monitor, and its federation with faults to switch on."""

    monitor: Monitor
    directory: Path

    @property
    def federation(self):
        return self.monitor.federation

    def fault(self, service: str, name: str, **parameters: object) -> Stage:
        self.federation.switch(service, name).on(name, **parameters)
        return self

    def run(self, name: str, *words: object, **environment: object) -> Report:
        return self.monitor.run(name, *words, **environment)


def vm(stage: Stage, *words: object) -> Report:
    return stage.run("check_occi_vm", "-H", "ooi.fedcloud.test", *words)


def context(stage: Stage, *words: object, site: str = "ooi") -> Report:
    return stage.run("check_occi_context", "-H", f"{site}.fedcloud.test", *words)


def boot(stage: Stage, *words: object, port: int = 0) -> Report:
    port = port or stage.federation.guests.port
    limit = seconds(12)  # however far it is stretched, the wait fits into it
    return context(stage, "--boot", "--ssh-port", port, "-t", limit, "--wait", limit / 12, *words)


def answers(stage: Stage, without: str) -> Stage:
    """Let the cloud `rocci` announce what it does, without the lines that a pattern finds."""
    import requests

    site = stage.federation.site("rocci")
    url = f"{site.base}/-/"
    text = requests.get(
        url, cert=str(stage.federation.proxy), verify=str(stage.federation.ca_directory), timeout=AMPLE_S
    ).text
    kept = [line for line in text.splitlines() if not re.search(without, line)]
    headers = {"Content-Type": "text/plain"}
    site.faults.on("status", code=200, body="\n".join(kept), headers=headers)
    return stage


def tcp(stage: Stage, *words: object) -> Report:
    return stage.run("check_endpoint_tcp", "-u", stage.federation.site("ooi").base, *words)


def apel(stage: Stage, *words: object) -> Report:
    return stage.run("check_apel_pub", *(words or ("--site", "OOI-CLOUD")))


def published(stage: Stage, **age: float) -> Report:
    stage.federation.accounting.publishes("OOI-CLOUD", age=timedelta(**age))
    return apel(stage)


def stuck(stage: Stage) -> Stage:
    for each in list(stage.federation.accounting.records):
        stage.federation.accounting.publishes(each.site, age=timedelta(days=40))
    return stage


def bdii(stage: Stage, *words: object) -> Report:
    return stage.run("check_cloud_bdii", "-H", "ooi.fedcloud.test", *words)


def broker(stage: Stage, *words: object, **manner: object) -> Report:
    with Responder(ResponderBehaviour(**manner)) as responder:  # type: ignore[arg-type]
        return stage.run("check_broker", "-u", f"stomp://127.0.0.1:{responder.port}", *words)


def private(stage: Stage) -> Path:
    path = stage.directory / "password"
    path.write_text("not told\n")
    path.chmod(0o600)
    return path


def perun(stage: Stage, *words: object) -> Report:
    return stage.run("check_perun", "-H", "perun.fedcloud.test", *words)


def availability(stage: Stage, *words: object, status: int = OK, **how: int) -> Report:
    """Of a site that has had one status for two months."""
    directory = filled(stage.directory / "kept", (60 * 86_400, status), **how)
    return stage.run("check_availability", "--site", "EXAMPLE-SITE", "--state-dir", directory, *words)


def credential(stage: Stage, *words: object, seconds: float | None = None, **how: object) -> Report:
    """Of a proxy made as told, or of an access token that ends in so many seconds."""
    authority = stage.federation.authority
    if seconds is not None:
        file = stage.directory / "token"
        file.write_text(planted.jwt(iss="https://aai.example.org", exp=int(time.time() + seconds)))
        file.chmod(0o600)
        words = ("--token-file", file)
    else:
        path = authority.proxy(path=stage.directory / "x509up", **how)
        words = ("--cert", path, "--ca-path", authority.ca_directory, *words)
    return stage.run("check_credential", *words)


def swift(stage: Stage, *words: object, fault: str = "", **parameters: object) -> Report:
    if fault:
        stage.fault("stack-swift", fault, **parameters)
    return stage.run("check_openstack_swift", "-H", "stack.fedcloud.test", *words)


def server(stage: Stage, *words: object, fault: str = "", **parameters: object) -> Report:
    if fault:
        stage.fault("stack-nova", fault, **parameters)
    return stage.run("check_openstack_vm", "-H", "stack.fedcloud.test", *words)


def server_after_one_that_left_something(stage: Stage) -> Report:
    server(stage, "-t", seconds(8), fault="nova-locked")
    stage.federation.cloud("stack").nova.faults.clear()
    return server(stage)


def server_without_network(stage: Stage) -> Report:
    stage.federation.cloud("stack").neutron.networks.clear()
    return server(stage)


def swift_after_one_that_left_something(stage: Stage) -> Report:
    swift(stage, "-t", seconds(8), fault="status", code=503, method="DELETE")
    stage.federation.cloud("stack").swift.faults.clear()
    return swift(stage)


def images(stage: Stage, service: str = "", fault: str = "", **parameters: object) -> Report:
    if fault:
        stage.fault(service, fault, **parameters)
    return stage.run("check_openstack_images", "-H", "stack.fedcloud.test")


def images_out_of_step(stage: Stage) -> Report:
    """One is missing, and of another the site has an older version."""
    registry = stage.federation.registry
    [published] = registry.images
    glance = stage.federation.cloud("stack").glance
    published.tags = ["3.20"]
    glance.images = [Image("alpine", properties={**published.properties(), "appdb_id": ""})]
    published.annotations["eu.egi.cloud.tag"] = "2026-11-26-bbccddee"
    published.pushed = time.time() - 3 * 86400
    registry.artefacts.append(Artefact("alma", ["9"], "2026-11-20-aabb", time.time() - 9 * 86400))
    return images(stage)


def cloud_info(stage: Stage, service: str = "", fault: str = "", **parameters: object) -> Report:
    if fault:
        stage.fault(service, fault, **parameters)
    return stage.run("check_cloud_info", "-H", "stack.fedcloud.test")


def wrong_project(stage: Stage) -> Report:
    projects = [{"name": "ops", "id": "c2b7bd6a0f3e4cbb8f4f0a0c7a1f3d55"}]
    stage.federation.cloud_info.changed["STACK-CLOUD"] = {"name": "EXAMPLE-SITE", "projects": projects}
    return cloud_info(stage)


def template_gone(stage: Stage) -> Stage:
    return stage.fault("rocci", "template-gone", term=stage.federation.site("rocci").image)


def withdrawn(stage: Stage) -> Stage:
    return stage.fault("accounting", "absent-site", site="OOI-CLOUD")


def expired_certificate(stage: Stage) -> Stage:
    stage.federation.site("ooi").certificate("expired")
    return stage


def ending_intermediate(stage: Stage) -> Stage:
    site, authority = stage.federation.site("ooi"), stage.federation.authority
    middle = authority.intermediate("Issuing CA", lifetime=timedelta(hours=30))
    context = authority.server_context(authority.host([site.hostname, "localhost"], issuer=middle))
    site.web.use_context(context)
    return stage


def expired_proxy(stage: Stage) -> Report:
    path = stage.directory / "x509up_u992"
    stage.federation.authority.proxy(path=path, lifetime=timedelta(hours=-3))
    return stage.run("check_occi_vm", "-H", "rocci.fedcloud.test", "--cert", path)


def expired_crl(stage: Stage) -> Report:
    stage.federation.authority.write_crl(next_update=timedelta(days=-2))
    try:
        return stage.run("check_appdb_update")
    finally:
        stage.federation.authority.write_crl()


def without_paramiko(stage: Stage) -> Report:
    (stage.directory / "paramiko.py").write_text("raise ModuleNotFoundError('paramiko')\n")
    return stage.run("check_occi_context", "-H", "ooi.fedcloud.test", "--boot", PYTHONPATH=f"{stage.directory}:{ROOT}")


IGTF = "needs a CA directory with the IGTF's .info files: tests/probes/test_check_endpoint_tcp_igtf.py"
ELSEWHERE = "needs names with addresses of its own: tests/probes/test_check_endpoint_tcp.py"
WANTING = "needs a server of TLS 1.2 that wants a certificate: tests/probes/test_check_endpoint_tcp.py"
RABBIT = "needs the broker RabbitMQ: tests/probes/test_check_broker.py"

Scene = Callable[[Stage], Report] | str
SCENES: dict[str, list[Scene]] = {
    "check_occi_vm": [
        vm,
        lambda s: vm(s, "--with-storage"),
        lambda s: vm(s.fault("ooi", "build-seconds", seconds=0.6), "-w", "500ms"),
        lambda s: template_gone(s).run("check_occi_vm", "-H", "rocci.fedcloud.test"),
        lambda s: vm(expired_certificate(s)),
        lambda s: s.run("check_occi_vm", "-u", f"{s.federation.site('rocci').base}/?image=uuid_monitoring_19"),
        expired_proxy,
        "tests/probes/test_check_occi_vm_orphans.py has it, word for word",
    ],
    "check_occi_context": [
        context,
        lambda s: s.run("check_occi_context", "-u", answers(s, "user_data").federation.site("rocci").base),
        lambda s: context(s.fault("ooi", "slow", seconds=0.3), "-w", "100ms"),
        lambda s: s.run(
            "check_occi_context",
            "-u",
            answers(s, r"storage;|storagelink;|user_data|public_key|rel=.[^;]*os_tpl").federation.site("rocci").base,
        ),
        lambda s: s.run(
            "check_occi_context", "-u", answers(s, "rel=.[^;]*(os|resource)_tpl").federation.site("rocci").base
        ),
        lambda s: context(template_gone(s), site="rocci"),
        lambda s: context(s.fault("rocci", "status", code=503, body="maintenance"), site="rocci"),
        lambda s: s.run("check_occi_context", "-u", f"{s.federation.site('rocci').base}/?image=uuid_monitoring_19"),
        lambda s: context(s, "--optional", "storagelnk"),
        lambda s: boot(s, "-t", AMPLE_S, "--wait", AMPLE_S),  # that an answer comes does not depend on the pace
        "an address that nobody reaches is this machine's network's: tests/probes/test_check_occi_context.py",
        lambda s: boot(s.fault("guests", "key-refused")),
        lambda s: boot(s.fault("guests", "user-data-ignored")),
        lambda s: boot(s, port=1),
        without_paramiko,
    ],
    "check_endpoint_tcp": [
        tcp,
        lambda s: tcp(s, "--tls"),
        IGTF,
        IGTF,
        WANTING,
        ELSEWHERE,
        lambda s: tcp(s, "--tls", "--certificate", "9999d:,"),
        lambda s: tcp(ending_intermediate(s), "--tls"),
        lambda s: tcp(s, "-p", "1"),
        lambda s: tcp(expired_certificate(s), "--tls"),
        lambda s: s.run(
            "check_endpoint_tcp", "-H", "x.example.org", "--service-type", "eu.egi.cloud.storage-management.cdmi"
        ),
    ],
    "check_apel_pub": [
        apel,
        lambda s: apel(s, "--site", "ooi-cloud"),
        lambda s: published(s, days=10, hours=12),
        lambda s: published(s, days=41, hours=12),
        lambda s: apel(withdrawn(s), "--site", "OOI-CLOUD"),
        lambda s: apel(s, "--site", "OOI-CLOUDS"),
        lambda s: apel(s.fault("accounting", "page-age", seconds=2 * 86400)),
        lambda s: apel(stuck(s)),
        lambda s: apel(s.fault("accounting", "status", code=500)),
        lambda s: apel(s.fault("accounting", "cut-page", part=0.6), "--site", "SNF-CLOUD"),
        lambda s: apel(s, "-H", "x.example.org"),
    ],
    "check_appdb_update": [
        lambda s: s.run("check_appdb_update"),
        lambda s: s.fault("appdb", "stale-list", seconds=32400).run("check_appdb_update"),
        lambda s: s.fault("appdb", "expired-list").run("check_appdb_update"),
        lambda s: s.fault("appdb", "broken-signature").run("check_appdb_update"),
        lambda s: s.fault("appdb", "wrong-signer").run("check_appdb_update"),
        lambda s: s.fault("appdb", "appdb-error").run("check_appdb_update"),
        lambda s: s.fault("appdb", "private-list", token="sesame-open-0123456789").run("check_appdb_update"),
        expired_crl,
    ],
    "check_cloud_bdii": [
        bdii,
        lambda s: bdii(s.fault("bdii", "bdii-wrong-url", site="OOI-CLOUD")),
        lambda s: bdii(s.fault("bdii", "bdii-stale", seconds=3 * 86400)),
        lambda s: bdii(s.fault("bdii", "bdii-no-cloud")),
        lambda s: bdii(s.fault("bdii", "bdii-gone")),
        lambda s: bdii(s, "-p", "1"),
        lambda s: s.fault("gocdb", "status", code=503).monitor.run_alone("check_cloud_bdii", "-H", "localhost"),
    ],
    "check_broker": [
        RABBIT,
        RABBIT,
        lambda s: broker(s, "--destination", "/queue/egi.probe", "-w", "~:0"),
        lambda s: broker(s, "--destination", "/queue/egi.probe", "-t", seconds(3), unconfirmed=("SEND",)),
        lambda s: broker(s, error_at="CONNECT", error=("Bad CONNECT", "Virtual host 'x' access denied")),
        lambda s: s.run("check_broker", "-u", "stomp://localhost:1"),
        lambda s: broker(s, "--login", "sam", "--password-file", private(s)),
        RABBIT,
    ],
    "check_availability": [
        availability,
        lambda s: availability(s, "--target", "100", "--reliability", "0:", status=CRITICAL),
        lambda s: availability(s, "--target", "100", "--reliability", "0:", "-c", "60:", status=CRITICAL),
        lambda s: availability(s, days=4),
    ],
    "check_credential": [
        credential,
        lambda s: credential(s, seconds=399),
        lambda s: credential(s, "--ca-path", "/", ac_lifetime=timedelta(hours=-3)),
        lambda s: credential(s, mode=0o644),
        "asks an issuer: tests/probes/test_check_credential.py has it",
    ],
    "check_openstack_vm": [
        server,
        server_after_one_that_left_something,
        lambda s: server(s, "--boot", fault="nova-console", output="{marker}\n{marker}-key\n"),
        server_without_network,
        lambda s: server(s, "-t", seconds(8), fault="nova-locked"),
        lambda s: server(s, fault="nova-build-error"),
        lambda s: server(s, fault="nova-quota", limit=0),
        lambda s: server(s, fault="nova-no-neutron", method="POST"),
        lambda s: server(s, "--image", "1016"),
        lambda s: server(s, "--size", "m1.tyni"),
    ],
    "check_cloud_info": [
        cloud_info,
        lambda s: cloud_info(s, "cloud-info", "info-no-projects"),
        lambda s: cloud_info(s, "cloud-info", "info-absent", site="STACK-CLOUD"),
        wrong_project,
        lambda s: cloud_info(s, "cloud-info", "status", code=503),
    ],
    "check_openstack_images": [
        images,
        images_out_of_step,
        lambda s: images(s, "stack-glance", "status", code=503),
        lambda s: images(s, "registry", "status", code=503),
    ],
    "check_openstack_swift": [
        swift,
        swift_after_one_that_left_something,
        lambda s: swift(s, "-t", seconds(8), fault="swift-devices", lost=2, method="DELETE"),
        lambda s: swift(s, fault="swift-quota"),
        lambda s: swift(s, "--region", "West"),
    ],
    "check_perun": [
        perun,
        lambda s: perun(s.fault("perun", "perun-lag"), "-w", "100"),
        lambda s: perun(s.fault("perun", "perun-error")),
        lambda s: perun(s.fault("perun", "html")),
        lambda s: perun(s.fault("perun", "perun-error", exception="PrivilegeException", message="nobody")),
    ],
}


def examples(name: str) -> list[re.Match[str]]:
    page = (ROOT / f"docs/{name}.md").read_text()
    blocks = re.findall(r"^```text\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)
    return [line for block in blocks for line in LINE.finditer(block)]


def cases() -> Iterator[object]:
    for name, scenes in SCENES.items():
        for number, scene in enumerate(scenes):
            if not isinstance(scene, str):
                yield pytest.param(name, number, id=f"{name}-{number}")


@pytest.mark.parametrize("name", SCENES)
def test_every_example_of_a_page_has_its_scene_or_a_reason_why_not(name: str) -> None:
    assert len(examples(name)) == len(SCENES[name])
    for scene in SCENES[name]:
        if isinstance(scene, str) and (named := re.search(r"tests/\S+", scene)):
            assert (ROOT / named[0]).exists()


def test_every_probe_has_its_examples_played() -> None:
    assert set(SCENES) == {path.name for path in (ROOT / "probes").glob("check_*")}


@pytest.mark.parametrize(("name", "number"), list(cases()))
def test_a_probe_prints_what_its_page_shows(monitor: Monitor, tmp_path: Path, name: str, number: int) -> None:
    scene, example = SCENES[name][number], examples(name)[number]
    assert callable(scene)
    report = scene(Stage(monitor, tmp_path))
    subject, state, sentence, shown = example.groups()
    printed = LINE.match(report.out)
    assert printed, report.out
    assert (printed[1], printed[2], report.code) == (subject, state, STATES.index(state)), report.out
    assert re.fullmatch(shape(sentence), printed[3]), f"{printed[3]}\n{shape(sentence)}"
    labels = re.findall(r"(\w+)=[\d.-]", shown or "")
    if "..." in (shown or ""):
        assert set(labels) <= set(report.performance)
    else:
        assert labels == list(report.performance)
