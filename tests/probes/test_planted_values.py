"""A secret in the wrong place: as the value of every option that takes a file, and in every file that is read.

The options are found from the executables' parsers, so that a new one is tried without anybody thinking of it. An
executable runs in a fork of this process, which has most of its libraries loaded: there are some thousand runs.
"""

from __future__ import annotations

import os
import runpy
import socket
import sys
import threading
import traceback
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from libprobe.probe import cli
from libprobe.state.files import StateDirectory
from libprobe.state.journal import Journal
from libprobe.timelines.store import Store
from scripts import parsers
from tests import planted
from tests.conftest import Report, clean_environment

# Python 3.12 and later warn at each fork; the other threads are servers that wait for their next client
pytestmark = pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")

NAMES = [path.name for path in parsers.EXECUTABLES]
SECRET_FILES = ("token", "password", "login")
"""Words in the names of options whose file holds nothing but a secret."""

NOT_READ = {
    "fedcloud-worker": "it opens sockets and lists directories, reads no file, and stays until it is told to end",
}


class Option(NamedTuple):
    """An option that takes the path of a file or a directory."""

    executable: Path
    name: str
    kind: str


def options() -> list[Option]:
    return [
        Option(path, action.option_strings[-1], action.metavar)
        for path in parsers.EXECUTABLES
        for action in parsers.parser_of(path).arguments
        if action.metavar in cli.PATHS
    ]


def named(option: Option) -> str:
    return f"{option.executable.name}{option.name}"


# ---- running


class Peer:
    """A port that lets everybody in and hangs up: what an option's file is needed for, and never good."""

    def __init__(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=100)
        self.port = self._listener.getsockname()[1]
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        while True:
            try:
                self._listener.accept()[0].close()
            except OSError:
                return

    def close(self) -> None:
        self._listener.close()


@pytest.fixture(scope="module")
def peer() -> Iterator[Peer]:
    peer = Peer()
    yield peer
    peer.close()


def run(path: Path, *words: object, directory: Path, **environment: object) -> Report:
    """Run an executable in a fork; its report has been searched for planted secrets."""
    settings = clean_environment(HOME=directory, **environment)
    reader, writer = os.pipe()
    child = os.fork()
    if not child:
        try:
            os.close(reader)
            os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
            os.dup2(writer, 1)
            os.dup2(writer, 2)
            sys.stdout, sys.stderr = open(1, "w"), open(2, "w")  # noqa: SIM115 - the process ends with them
            os.chdir(directory)
            os.environ.clear()
            os.environ.update(settings)
            sys.argv = [str(path), *map(str, words)]
            runpy.run_path(str(path), run_name="__main__")
        except BaseException:
            traceback.print_exc()
        finally:
            sys.stderr.flush()
            os._exit(99)
    os.close(writer)
    with open(reader, "rb") as file:
        out = file.read().decode()
    return Report(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), out, "")


def left_at(endpoint: str, directory: Path, option: str) -> list[object]:
    """The state directory of a monitor that has left a VM at an endpoint."""
    if option == "--state-dir":
        return []
    Journal(StateDirectory(str(directory / "state"))).begin(endpoint, "/CN=somebody").release()
    return ["--state-dir", directory / "state"]


def availability(option: Option, directory: Path) -> list[object]:
    """A command of fedcloud-availability that has an option; its store is there where it has to be."""
    if option.name in ("--services", "--topology", "--downtimes"):
        return ["import"]
    if option.name == "--ca-path":
        return ["import", "--state-dir", directory / "state", "--gocdb", "https://127.0.0.1:1/gocdbpi/public/"]
    state = directory / "state"
    if option.name != "--state-dir":
        with Store(StateDirectory(str(state)), create=True) as store:
            store.put_topology(0, [("S", "org.openstack.swift", "h", "")])
    return ["figures", *(["--state-dir", state] if option.name != "--state-dir" else []), "--level", "ngi"]


def words_of(option: Option, peer: Peer, directory: Path) -> list[object]:
    """What else has to be said for an option's file to be read, whatever comes of that."""
    (directory / "configured").mkdir()
    (directory / "configured/services.jsonl").touch()
    saved = directory / "saved.xml"
    saved.write_text("<results></results>")
    url = f"127.0.0.1:{peer.port}"
    words: dict[str, list[object]] = {
        "check_availability": ["--site", "X", *availability(option, directory)[1:-2]],
        "check_apel_pub": ["--site", "X", "-u", f"https://{url}/"],
        "check_appdb_update": ["-u", f"https://{url}/list"],
        "check_broker": ["-u", f"stomp+ssl://{url}"],
        "check_credential": [],
        "check_cloud_bdii": ["-u", f"ldaps://{url}/o=glue", "--site", "X"],
        "check_endpoint_tcp": ["-u", f"https://{url}/", "--tls"],
        "check_occi_context": ["-u", f"https://{url}/?image=a&resource=b"],
        "check_occi_vm": ["-u", f"https://{url}/?image=a&resource=b"],
        "check_openstack_images": ["-u", f"https://{url}/v3", "--list", f"https://{url}/image.list"],
        "check_cloud_info": ["-u", f"https://{url}/v3"],
        "check_openstack_swift": ["-u", f"https://{url}/v3"],
        "check_openstack_vm": ["-u", f"https://{url}/v3"],
        "check_perun": ["-u", f"https://{url}/"],
        "fedcloud-availability": availability(option, directory),
        "fedcloud-downtimes": ["--output", directory / "configured"] * (option.name != "--output"),
        "fedcloud-leftovers": ["--remove", *left_at(f"https://{url}", directory, option.name)],
        "fedcloud-ncg": {
            "--check-ncg": [],
            "--from": ["--allow-empty", "--no-validate"],
            "--main-config": ["--from", saved, "--allow-empty"],
            "--plugins-path": ["--from", saved, "--allow-empty", "--no-validate", "--nrpe-at", "nrpe.example.org"],
        }.get(option.name, ["--from", saved, "--allow-empty", "--no-validate"]),
        "fedcloud-publish": ["--publish", f"stomp+ssl://{url}/queue/x", "--drain"],
        "fedcloud-selfcheck": ["X", "--gocdb", f"https://{url}/"],
        "fedcloud-worker": [],
    }
    found = words[option.executable.name]
    name = option.executable.name
    if name == "fedcloud-downtimes":
        if option.name.startswith("--icinga"):
            found += ["--icinga", f"https://{url}/"]
            if option.name != "--icinga-login":
                login = directory / "login"
                login.write_text("root:abc")
                login.chmod(0o600)
                found += ["--icinga-login", login]
        elif option.name != "--nagios":
            found += ["--nagios", directory / "absent.cfg"]
    if name == "fedcloud-ncg" and option.name not in ("--output", "--check-ncg"):
        found += ["--output", directory / "written"]
    found += {"--password-file": ["--login", "sam"], "--key": ["--cert", saved]}.get(option.name, [])
    if (name, option.name) == ("fedcloud-leftovers", "--keystone-token-file"):
        found += ["--at", f"https://{url}"]
    found += ["--contacts-cert", saved] if option.name == "--contacts-key" else []
    found += ["--broker-cert", saved] if option.name == "--broker-key" else []
    if name == "fedcloud-selfcheck" and option.name in ("--password-file", "--broker-cert", "--broker-key"):
        found += ["--publish", f"stomp+ssl://{url}/queue/x"]
    if option.name == "--ams-token-file":
        topic = ["--to", "ams", "--publish", f"https://{url}/v1/projects/EGI/topics/metric_data"]
        found = [*topic, *(["--drain"] if name == "fedcloud-publish" else found)]
    if any(action.dest == "timeout" for action in parsers.parser_of(option.executable).arguments):
        found += ["-t", "20"]
    return found


# ---- the secret as the value


@pytest.mark.parametrize("option", options(), ids=named)
def test_a_secret_in_place_of_a_path_is_refused_and_not_repeated(option, peer, tmp_path):
    words = words_of(option, peer, tmp_path)
    for given in (
        [option.name, planted.token()],
        [option.name, planted.plain_secret()],
        [f"{option.name}=-----BEGIN X-----\n{planted.plain_secret()}"],
    ):
        report = run(option.executable, *words, *given, directory=tmp_path)
        assert report.code == 3, report.out
        assert f"{option.name}: takes the path of a file; what was given looks like " in report.out


@pytest.mark.parametrize("option", [each for each in options() if any(w in each.name for w in SECRET_FILES)], ids=named)
def test_a_word_in_place_of_a_secrets_file_is_not_repeated_whatever_it_is(option, peer, tmp_path):
    report = run(
        option.executable,
        *words_of(option, peer, tmp_path),
        option.name,
        f"{planted.MARK}hunter",
        directory=tmp_path,
    )
    assert report.code == 3
    assert "takes the path of a file, and there is none of the name given, which could be the " in report.out


@pytest.mark.parametrize("path", parsers.EXECUTABLES, ids=NAMES)
def test_a_secret_is_not_repeated_wherever_else_it_stands(path, tmp_path):
    for secret in (planted.token(), planted.plain_secret()):
        for words in (
            ["--token", secret],
            [f"--token={secret}"],
            ["--passwd", f"{planted.MARK}hunter"],
            ["--version=" + secret],
            ["too", "many", secret],
            [secret, secret],
        ):
            report = run(path, *words, directory=tmp_path)
            assert report.code == 3
            assert "usage: " in report.out


@pytest.mark.parametrize(
    "path", [path for path in parsers.EXECUTABLES if path.name.startswith("check_")], ids=lambda p: p.name
)
def test_a_secret_is_not_repeated_as_the_value_of_any_option(path, peer, tmp_path):
    """It is refused, or blanked in what comes of it."""
    for action in parsers.parser_of(path).arguments:
        if action.nargs != 0 and action.metavar not in cli.PATHS:
            for secret in (planted.token(), planted.plain_secret()):
                words = [action.option_strings[-1], secret, "--gocdb", f"https://127.0.0.1:{peer.port}/"]
                report = run(path, *words, directory=tmp_path)
                assert report.code in (2, 3), report.out


# ---- the secret in the file


def contents() -> list[str]:
    """Files of all the forms that somebody reads here, with a secret where it is not expected."""
    word = f"{planted.MARK}hunter"  # like no secret: of what is not expected to be there, nothing is shown at all
    token = planted.token()  # like one: not shown where a value is expected either
    settings = (f"token_file = {token}", f"cert = {planted.plain_secret()}", f"{word} = x", word)
    return [
        f"{word}\n",
        f"root:{word}\nroot:{word}\n",
        f'{{"token": "{word}"}}',
        f"<token>{word}</token>",
        f"[{word}]\n",
        *(f"[credentials]\n{line}\n" for line in settings),
        f"[gocdb]\nurl = x\nurl = {word}",
        f"[gocdb]\ncache_hours = {token}\n",
        f"[http]\nproxy_from_environment = {token}\n[tls]\nca_path = {token}\n",
        f"[state]\ndirectory = {token}\n[gocdb]\nurl = {token}\n",
        f'{{"a": {{"probe": "check_a", "config": {{"path": "{token}"}}}}}}',
        f"{word}!ADD_SERVICE_METRIC!{token}\n",
        f"status_file={token}\ncommand_file={token}\n",
        f"<results><SERVICE_ENDPOINT><{token}/></SERVICE_ENDPOINT></results>",
        f"-----BEGIN CERTIFICATE-----\n{token}\n-----END CERTIFICATE-----\n",
        f"-----BEGIN PRIVATE KEY-----\n{token}\n-----END PRIVATE KEY-----\n",
    ]


FILES = ("a.conf", "a.localdb", "services.jsonl", "0123abcd.0", "0123abcd.r0", "a.vm", "check_a")
"""Names of files that are read in some directory."""


@pytest.mark.parametrize("option", [each for each in options() if each.executable.name not in NOT_READ], ids=named)
def test_nothing_of_a_file_that_could_hold_a_secret_is_quoted(option, peer, tmp_path):
    words = words_of(option, peer, tmp_path)
    path = tmp_path / "given"
    if option.kind == "DIR":
        path.mkdir()
    for content in contents():
        for file in [path / name for name in FILES] if option.kind == "DIR" else [path]:
            file.write_text(content)
            file.chmod(0o600)
        report = run(option.executable, *words, option.name, path, directory=tmp_path)
        assert "usage: " not in report.out, report.out
        assert "Traceback" not in report.out, report.out


@pytest.mark.parametrize("variable", ["X509_USER_PROXY", "X509_CERT_DIR", "FEDCLOUD_PROBES_CONFIG"])
@pytest.mark.parametrize("path", parsers.EXECUTABLES, ids=NAMES)
def test_a_secret_in_the_environments_place_of_a_path_is_not_repeated(path, variable, peer, tmp_path):
    if path.name not in NOT_READ:
        option = Option(path, "", "")
        report = run(path, *words_of(option, peer, tmp_path), directory=tmp_path, **{variable: planted.token()})
        assert report.code in (0, 1, 2, 3), report.out


def test_every_file_of_a_secret_is_known_as_one():
    for path in parsers.EXECUTABLES:
        for action in parsers.parser_of(path).arguments:
            if action.metavar == "FILE" and any(word in str(action.option_strings) for word in SECRET_FILES):
                assert action.holds, action.option_strings
