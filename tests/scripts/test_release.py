"""What a release is made of: the lock file, the bill of materials and the audit."""

from __future__ import annotations

import hashlib
import json
import os
import re
import runpy
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import setuptools
from packaging.requirements import Requirement

from tests.conftest import ROOT, clean_environment
from tests.federation.web import Request, Response, WebServer
from tests.pace import AMPLE_S

LOCK = ROOT / "release" / "requirements-3.11.txt"


@pytest.fixture(scope="module")
def locked() -> dict[str, tuple[str, list[str]]]:
    """Version and hashes by name."""
    found: dict[str, tuple[str, list[str]]] = {}
    for block in re.split(r"\n(?=[A-Za-z0-9])", LOCK.read_text()):
        pinned = re.match(r"([a-z0-9-]+)==(\S+) \\\n", block)
        if pinned:
            found[pinned[1]] = (pinned[2], re.findall(r"--hash=sha256:([0-9a-f]{64})\b", block))
    return found


@pytest.fixture(scope="module")
def wanted() -> list[Requirement]:
    """What setup.py asks for, without and with [boot]."""
    arguments: dict[str, object] = {}
    real, here = setuptools.setup, os.getcwd()
    try:
        os.chdir(ROOT)
        setuptools.setup = lambda **given: arguments.update(given)  # type: ignore[assignment]
        runpy.run_path("setup.py")
    finally:
        setuptools.setup = real
        os.chdir(here)
    texts = [*arguments["install_requires"], *arguments["extras_require"]["boot"]]  # type: ignore[misc, index]
    return [Requirement(text) for text in texts]


def test_all_that_is_needed_is_locked_in_a_version_that_is_allowed(locked, wanted):
    assert len(wanted) > 10
    for each in wanted:
        name = each.name.lower().replace(".", "-")
        assert name in locked, f"{name} is not locked: make lock"
        assert each.specifier.contains(locked[name][0]), f"{name} {locked[name][0]} is not {each.specifier}: make lock"


def test_every_library_has_hashes_and_comes_from_nowhere_in_particular(locked):
    assert all(hashes for _, hashes in locked.values())
    lines = [line for line in LOCK.read_text().splitlines() if not line.lstrip().startswith(("#", "--hash=sha256:"))]
    assert all(re.fullmatch(r"[a-z0-9-]+==[\w.+!-]+ \\", line) for line in lines), "an option or a URL"
    assert len(lines) == len(locked)


@pytest.fixture(scope="module")
def bill(tmp_path_factory) -> tuple[dict, Path]:
    tmp_path = tmp_path_factory.mktemp("dist")
    wheel = tmp_path / "fedcloud_probes-1.2.3-py3-none-any.whl"
    wheel.write_bytes(b"a wheel")
    environment = clean_environment(https_proxy="http://127.0.0.1:1", http_proxy="http://127.0.0.1:1")
    command = [sys.executable, ROOT / "scripts/make-sbom", tmp_path]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=AMPLE_S)
    assert (done.returncode, done.stderr) == (0, "")
    path = Path(done.stdout.strip())
    assert path == tmp_path / "fedcloud_probes-1.2.3.cdx.json"
    return json.loads(path.read_text()), path


def test_the_bill_lists_what_is_locked_and_names_the_wheel(bill, locked):
    document, _ = bill
    assert {each["name"]: each["version"] for each in document["components"]} == {
        name: version for name, (version, _) in locked.items()
    }
    subject = document["metadata"]["component"]
    assert (subject["name"], subject["version"]) == ("fedcloud-probes", "1.2.3")
    assert subject["hashes"] == [{"alg": "SHA-256", "content": hashlib.sha256(b"a wheel").hexdigest()}]
    hashes = {
        each["name"]: {one["content"] for reference in each["externalReferences"] for one in reference["hashes"]}
        for each in document["components"]
    }
    assert hashes == {name: set(found) for name, (_, found) in locked.items()}


def test_the_bill_tells_who_needs_what(bill, wanted):
    document, _ = bill
    needs = {each["ref"]: set(each["dependsOn"]) for each in document["dependencies"]}
    names = {ref: ref.removeprefix("pkg:pypi/").partition("@")[0] for ref in needs}
    direct = {names[ref] for ref in needs[document["metadata"]["component"]["bom-ref"]]}
    assert direct == {each.name.lower().replace(".", "-") for each in wanted}
    [requests] = [ref for ref, name in names.items() if name == "requests"]
    assert {names[ref] for ref in needs[requests]} == {"certifi", "charset-normalizer", "idna", "urllib3"}


def test_the_bill_is_cyclonedx(bill):
    from cyclonedx.schema import SchemaVersion
    from cyclonedx.validation.json import JsonStrictValidator

    document, path = bill
    assert document["bomFormat"] == "CycloneDX"
    version = SchemaVersion.from_version(document["specVersion"])
    assert JsonStrictValidator(version).validate_str(path.read_text()) is None


# ---- the audit


@pytest.fixture
def advisories() -> Iterator[WebServer]:
    """An OSV database that knows one vulnerability."""

    affected = {
        "package": {"name": "requests", "ecosystem": "PyPI"},
        "ranges": [{"type": "ECOSYSTEM", "events": [{"introduced": "0"}, {"fixed": "99"}]}],
    }
    known = {"vulns": [{"id": "GHSA-aaaa-bbbb-cccc", "details": "made up", "affected": [affected]}]}

    def app(request: Request) -> Response:
        is_known = json.loads(request.body)["package"]["name"] == "requests"
        return Response(200, [("Content-Type", "application/json")], json.dumps(known if is_known else {}).encode())

    web = WebServer("advisories", app)
    web.start()
    yield web
    web.stop()


def audit(url: str, home: Path) -> subprocess.CompletedProcess[str]:
    environment = clean_environment(AUDIT_URL=url, HOME=home)
    command = [sys.executable, ROOT / "scripts/audit"]
    return subprocess.run(command, capture_output=True, text=True, env=environment, timeout=AMPLE_S)


def test_the_audit_asks_for_every_library_and_names_what_is_vulnerable(advisories, tmp_path, locked):
    done = audit(f"{advisories.url}/v1/query", tmp_path)
    assert {json.loads(each.request.body)["package"]["name"] for each in advisories.requests} == set(locked)
    version = locked["requests"][0]
    assert done.stdout.splitlines() == [
        f"requests {version}: GHSA-aaaa-bbbb-cccc, fixed in 99",
        f"audit: {len(locked)} packages, known vulnerabilities: 1",
    ]
    assert done.returncode == 1


def test_an_audit_without_an_answer_says_that_nothing_was_checked(tmp_path):
    done = audit("http://127.0.0.1:1/v1/query", tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("audit: nothing was checked, the advisory database cannot be reached: ")
