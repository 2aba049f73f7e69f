"""fedcloud-downtimes with the files of a Nagios; with a whole Nagios and a whole Icinga: tests/cloudmon."""

from __future__ import annotations

import fcntl
import json
import os
import re
import subprocess
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import Encoding

from tests.conftest import ROOT, Report, at, clean_environment, command
from tests.federation import gocdb as pi
from tests.federation import web
from tests.federation.authority import Authority
from tests.federation.ports import free_port
from tests.pace import AMPLE_S, seconds
from tests.programs.ncg import topology

NOW = datetime.now(UTC).replace(microsecond=0)
END = NOW + timedelta(hours=2)
START = NOW - timedelta(hours=1)

Run = Callable[..., Report]


class FilesOfNagios:
    """Its main file, status file and command pipe; it does what it is told, and shows it at once."""

    def __init__(self, directory: Path, services: list[tuple[str, str]]) -> None:
        self.main = directory / "nagios.cfg"
        self.status = directory / "status.dat"
        self.pipe = directory / "nagios.cmd"
        self.main.write_text(f"# status_file=/nowhere\n status_file = {self.status} \ncommand_file={self.pipe}\n")
        self.services = services
        self.downtimes: dict[int, str] = {}
        self.told: list[str] = []
        self.is_deaf = False
        self._next = 1
        os.mkfifo(self.pipe)
        self._reader = os.open(self.pipe, os.O_RDONLY | os.O_NONBLOCK)
        os.set_blocking(self._reader, True)
        self._keeps_it_open = os.open(self.pipe, os.O_WRONLY)
        self._thread = threading.Thread(target=self._listen, daemon=True)
        self.write()
        self._thread.start()

    def has(self, host: str, service: str, start: datetime, end: datetime, author: str, comment: str) -> None:
        self.downtimes[self._next] = (
            f"host_name={host}\n\tservice_description={service}\n\tdowntime_id={self._next}\n\tauthor={author}\n"
            f"\tcomment={comment}\n\tstart_time={int(start.timestamp())}\n\tend_time={int(end.timestamp())}"
        )
        self._next += 1
        self.write()

    def write(self) -> None:
        blocks = [
            f"servicestatus {{\n\thost_name={host}\n\tservice_description={service}\n"
            "\tplugin_output=servicedowntime {\n\t}\n"
            for host, service in self.services
        ]
        blocks += [f"servicedowntime {{\n\t{text}\n\t}}\n" for text in self.downtimes.values()]
        new = self.status.with_suffix(".new")
        new.write_text("info {\n\tcreated=1\n\t}\n" + "".join(blocks))
        new.rename(self.status)

    def _listen(self) -> None:
        with open(self._reader, encoding="ascii") as lines:
            for line in lines:
                if line == "stop\n":
                    return
                self.told.append(line)
                if not self.is_deaf:
                    self._obey(line.rstrip("\n"))

    def _obey(self, line: str) -> None:
        name, *fields = line.partition("] ")[2].split(";")
        if name == "DEL_SVC_DOWNTIME":
            del self.downtimes[int(fields[0])]
            self.write()
        else:
            host, service, start, end, _, _, _, author, comment = fields
            times = [datetime.fromtimestamp(int(each), UTC) for each in (start, end)]
            self.has(host, service, *times, author, comment)

    def stop(self) -> None:
        os.write(self._keeps_it_open, b"stop\n")
        self._thread.join()
        os.close(self._keeps_it_open)


@pytest.fixture
def gocdb() -> pi.Gocdb:
    return topology.good()


@pytest.fixture
def generated(gocdb: pi.Gocdb, tmp_path: Path) -> Path:
    saved = topology.save(gocdb, tmp_path)
    words = ("--definitions", ROOT / "etc/ncg", "--output", tmp_path / "out", "--from", saved, "--no-validate")
    subprocess.run(
        command("fedcloud-ncg", *words), check=True, capture_output=True, env=clean_environment(HOME=tmp_path)
    )
    return tmp_path / "out"


@pytest.fixture
def nagios(generated: Path, tmp_path: Path) -> Iterator[FilesOfNagios]:
    entries = [json.loads(line) for line in (generated / "services.jsonl").read_text().splitlines()]
    files = FilesOfNagios(tmp_path, [(each["host"], each["service"]) for each in entries])
    yield files
    files.stop()


@pytest.fixture
def run(gocdb: pi.Gocdb, generated: Path, tmp_path: Path) -> Run:
    """Run it with the GOCDB's downtimes in a file."""

    def tell(*arguments: object, method: str = "get_downtime") -> Report:
        saved = tmp_path / "downtimes.xml"
        body = gocdb._document({"method": method, "scope": ""}, None)  # type: ignore[arg-type]
        saved.write_bytes(gocdb._spoilt(body, web.Request("GET", "/")))
        words = ("--output", generated, "--nagios", tmp_path / "nagios.cfg", "--from", saved, *arguments)
        done = subprocess.run(
            command("fedcloud-downtimes", *words),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=AMPLE_S,
            cwd="/tmp",
            env=clean_environment(HOME=tmp_path),
        )
        return Report(done.returncode, done.stdout.decode(), done.stderr.decode())

    return tell


def bdii(gocdb: pi.Gocdb) -> pi.Service:
    return gocdb.find("bdii.example.org")


def test_a_command_is_what_nagios_reads(gocdb: pi.Gocdb, nagios: FilesOfNagios, run: Run) -> None:
    downtime = gocdb.add_downtime(bdii(gocdb), start=START, end=END, description="x" * 5000)
    report = run()
    assert (report.code, report.err) == (0, "")
    [told] = nagios.told
    assert re.fullmatch(
        rf"\[\d+\] SCHEDULE_SVC_DOWNTIME;bdii.example.org;org.nagios.CloudBDII-Check;{int(START.timestamp())};"
        rf"{int(END.timestamp())};1;0;0;fedcloud-downtimes;GOCDB downtime {downtime.id}, scheduled: x{{150}}\n",
        told,
    ), told


def test_one_that_is_there_twice_is_ended_once(gocdb: pi.Gocdb, nagios: FilesOfNagios, run: Run) -> None:
    """As a run leaves it that was killed before Nagios showed what it was told."""
    downtime = gocdb.add_downtime(bdii(gocdb), start=START, end=END)
    for _ in range(2):
        comment = f"GOCDB downtime {downtime.id}, scheduled: Intervention"
        nagios.has("bdii.example.org", "org.nagios.CloudBDII-Check", START, END, "fedcloud-downtimes", comment)
    report = run()
    assert report.out.endswith("\n  Nagios: 0 scheduled, 1 ended early, 1 unchanged\n"), report.out
    assert [line.partition("] ")[2] for line in nagios.told] == ["DEL_SVC_DOWNTIME;2\n"]


def test_what_has_ended_and_what_others_declared_is_left_alone(
    gocdb: pi.Gocdb, nagios: FilesOfNagios, run: Run
) -> None:
    past = NOW - timedelta(minutes=30)
    gocdb.add_downtime(bdii(gocdb), start=START, end=past)
    service = ("bdii.example.org", "org.nagios.CloudBDII-Check")
    nagios.has(*service, START, past, "fedcloud-downtimes", "GOCDB downtime 1, scheduled: over")
    nagios.has(*service, START, END, "operator", "GOCDB downtime 1, scheduled: by hand")
    report = run()
    assert report.out.endswith("\n  Nagios: 0 scheduled, 0 ended early, 0 unchanged\n"), report.out
    assert nagios.told == []


def test_services_that_nagios_does_not_know_are_said(gocdb: pi.Gocdb, nagios: FilesOfNagios, run: Run) -> None:
    gocdb.add_downtime([bdii(gocdb), gocdb.find("perun.example.org")], start=START, end=END)
    nagios.services = [each for each in nagios.services if each[0] != "perun.example.org"]
    nagios.write()
    report = run()
    assert report.code == 1
    assert report.out.endswith(
        "\n  Nagios: 1 scheduled, 0 ended early, 0 unchanged\n"
        "  not known to Nagios: eu.egi.cloud.Perun-Check on perun.example.org; reload it, and run this again\n"
    ), report.out
    assert len(nagios.told) == 1


def test_what_a_plugin_printed_is_taken_for_no_downtime_wherever_it_is_cut(
    gocdb: pi.Gocdb, nagios: FilesOfNagios, run: Run
) -> None:
    """Nagios 4.4.6 was seen to keep 121,208 bytes of it, in one line of its status file."""
    ours = "\tauthor=fedcloud-downtimes\n\tcomment=x\n\tstart_time=1\n\tend_time=9999999999\n\tdowntime_id=4\n\t}\n"
    begin = "\tlong_plugin_output="
    filled = begin + "x" * ((64 << 10) - len(begin)) + "servicedowntime {\n"
    nagios.status.write_text(f"servicestatus {{\n\thost_name=h\n{filled}{ours}")
    assert run().out.endswith("\n  Nagios: 0 scheduled, 0 ended early, 0 unchanged\n")
    assert nagios.told == []


def test_a_nagios_that_takes_no_commands_is_found_out(gocdb: pi.Gocdb, nagios: FilesOfNagios, run: Run) -> None:
    gocdb.add_downtime(bdii(gocdb), start=START, end=END)
    nagios.is_deaf = True
    limit = seconds(5)
    report = run("-t", limit)
    assert (report.code, report.out) == (
        2,
        "fedcloud-downtimes: not done: Nagios was told, but does not show 1 change "
        f"within {limit:g} s, the first for "
        "org.nagios.CloudBDII-Check on bdii.example.org (see in its log whether it takes commands)\n",
    )


def test_a_nagios_that_does_not_run_is_said(gocdb: pi.Gocdb, nagios: FilesOfNagios, run: Run, tmp_path: Path) -> None:
    gocdb.add_downtime(bdii(gocdb), start=START, end=END)
    unread = tmp_path / "unread"
    os.mkfifo(unread)
    nagios.main.write_text(f"status_file={nagios.status}\ncommand_file={unread}\n")
    assert run() == Report(
        2,
        f"fedcloud-downtimes: not done: the command file {unread} cannot be written: nobody reads it "
        "(start Nagios, with check_external_commands=1)\n",
        "",
    )
    nagios.status.unlink()
    assert run().out == (
        f"fedcloud-downtimes: not done: the status file {nagios.status} cannot be read: No such file or directory "
        "(start Nagios)\n"
    )


@pytest.mark.parametrize(
    ("by", "why"),
    [
        ("no-end", r"its END_DATE is '', not Unix seconds"),
        ("control", r"it is not well-formed: not well-formed \(invalid token\): line \d+, column \d+"),
        ("latin-1", r"it is not well-formed: not well-formed \(invalid token\): line \d+, column \d+"),
    ],
)
def test_a_record_that_cannot_be_read_costs_itself(
    gocdb: pi.Gocdb, nagios: FilesOfNagios, run: Run, by: str, why: str
) -> None:
    """To guess its times would silence a site's failures, or fail to; what was scheduled for it stays."""
    before, spoilt, after = (
        gocdb.add_downtime(gocdb.find(host), start=START, end=END)
        for host in ("bdii.example.org", "perun.example.org", "six.example.org")
    )
    comment = f"GOCDB downtime {spoilt.id}, scheduled: Intervention"
    nagios.has("perun.example.org", "eu.egi.cloud.Perun-Check", START, END, "fedcloud-downtimes", comment)
    nagios.has("perun.example.org", "eu.egi.cloud.Perun-Check", START, END, "fedcloud-downtimes", "GOCDB downtime 1, x")
    gocdb.faults.on("unreadable-record", key=f"{spoilt.id}G0", by=by)
    report = run()
    assert (report.code, report.err) == (1, "")
    assert re.fullmatch(
        r"fedcloud-downtimes: 2 downtimes for 5 services, from .*\n"
        r"  Nagios: 5 scheduled, 1 ended early, 0 unchanged\n"
        rf"  downtime {spoilt.id}G0 cannot be read: {why}; what was scheduled for it stays\n",
        report.out,
    ), report.out
    assert {line.split(";")[1] for line in nagios.told} == {"bdii.example.org", "six.example.org", "2\n"}
    assert all(f"downtime {each.id}," in "".join(nagios.told) for each in (before, after))


def cloud(gocdb: pi.Gocdb, host: str, url: str, *endpoints: pi.Endpoint) -> pi.Service:
    return gocdb.add_service(pi.Service(host, topology.OCCI, "EXAMPLE", url, endpoints=list(endpoints)))


@pytest.fixture
def clouds(gocdb: pi.Gocdb) -> dict[str, pi.Service]:
    """As sites register them: the URL with its parameters, and ENDPOINTs of which some are monitored."""

    def unmonitored(url: str) -> pi.Endpoint:
        return pi.Endpoint(url, monitored=False)

    place = "https://{0}.example.org:8787/"
    full = place + "?image=i&resource=r"
    return {
        name: cloud(gocdb, f"{name}.example.org", full.format(name), *(unmonitored(each) for each in others))
        for name, others in (
            ("all", [place.format("all") + "occi1.1/", place.format("all") + "occi1.2/"]),
            ("same", ["HTTPS://Same.example.org.:8787?resource=r&image=i", place.format("same") + "occi1.2/"]),
            ("bare", [place.format("bare"), place.format("bare") + "occi1.2/"]),
        )
    } | {
        "twin": cloud(gocdb, "twin.example.org", "https://twin.example.org:1/?image=i"),
        "other twin": cloud(gocdb, "twin.example.org", "https://twin.example.org:2/?image=i"),
        "port": cloud(
            gocdb,
            "port.example.org",
            "https://port.example.org/?image=i",
            unmonitored("https://port.example.org:443?image=i"),
            unmonitored("https://port.example.org:8787/"),
        ),
        "chosen": cloud(
            gocdb,
            "chosen.example.org",
            full.format("chosen"),
            pi.Endpoint(full.format("chosen")),
            unmonitored(place.format("chosen") + "other/"),
        ),
    }


@pytest.mark.parametrize("method", ["get_downtime", "get_downtime_nested_services"])
@pytest.mark.parametrize(
    ("name", "named"), [("all", (0, 1)), ("same", (0,)), ("bare", (0,)), ("port", (0,)), ("chosen", (0,))]
)
def test_a_downtime_that_names_the_endpoints_of_a_service_is_scheduled(
    clouds: dict[str, pi.Service],
    gocdb: pi.Gocdb,
    nagios: FilesOfNagios,
    run: Run,
    name: str,
    named: tuple[int, ...],
    method: str,
) -> None:
    """The GOCDB's own form selects all; a slash, a port, a case or an order makes no other endpoint."""
    service = clouds[name]
    gocdb.add_downtime(service, start=START, end=END, endpoints=[service.endpoints[each] for each in named])
    report = run(method=method)
    assert (report.code, report.err) == (0, "")
    assert report.out.endswith("\n  Nagios: 4 scheduled, 0 ended early, 0 unchanged\n"), report.out
    assert {line.split(";")[1] for line in nagios.told} == {service.hostname}


def test_a_downtime_that_matches_nothing_is_reported(
    clouds: dict[str, pi.Service], gocdb: pi.Gocdb, nagios: FilesOfNagios, run: Run
) -> None:
    """Of an endpoint that is not monitored, and of a service that is none of ours: as it should be."""
    chosen = clouds["chosen"]
    first = gocdb.add_downtime(chosen, start=START, end=END, endpoints=chosen.endpoints[1:])
    other = gocdb.add_service(pi.Service("se.example.org", "SRM", "EXAMPLE"))
    second = gocdb.add_downtime(other, start=START, end=END)
    report = run()
    assert (report.code, report.err) == (0, "")
    assert report.out.endswith(
        "\n  Nagios: 0 scheduled, 0 ended early, 0 unchanged\n"
        f"  downtime {first.id} of {topology.OCCI} on chosen.example.org names endpoints that are not monitored\n"
        f"  1 outage of services that are not monitored here, the first: downtime {second.id} "
        "of SRM on se.example.org\n"
    ), report.out

    new = pi.Endpoint("https://new.example.org/", id=5)
    chosen.endpoints.append(new)  # since the configuration was made
    third = gocdb.add_downtime(chosen, start=START, end=END, endpoints=[new])
    report = run()
    assert report.code == 1
    assert report.out.endswith(
        f"\n  downtime {third.id} of {topology.OCCI} on chosen.example.org names endpoints of which none is "
        "known here, the first https://new.example.org/; run fedcloud-ncg again\n"
    ), report.out
    assert nagios.told == []


def test_the_key_tells_one_of_two_services_of_a_host_and_type(
    clouds: dict[str, pi.Service], gocdb: pi.Gocdb, nagios: FilesOfNagios, run: Run
) -> None:
    first, second = clouds["twin"], clouds["other twin"]
    gocdb.add_downtime(second, start=START, end=END)
    assert run(method="get_downtime_nested_services").code == 0
    names = {line.split(";")[2] for line in nagios.told}
    assert names
    assert all(name.endswith(f"_{second.id}G0") for name in names), (names, first.id)


def test_a_downtime_that_is_over_when_nagios_hears_of_it_is_no_error(
    gocdb: pi.Gocdb, nagios: FilesOfNagios, run: Run
) -> None:
    gocdb.add_downtime(bdii(gocdb), start=START, end=datetime.now(UTC) + timedelta(seconds=seconds(4)))
    nagios.is_deaf = True  # as it is for what has ended
    report = run()
    assert (report.code, report.err) == (0, "")
    assert len(nagios.told) <= 1


def test_two_runs_are_not_at_work_at_once(nagios: FilesOfNagios, generated: Path, run: Run) -> None:
    with open(generated / "services.jsonl") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        assert run().out == (
            "fedcloud-downtimes: not done: another fedcloud-downtimes is running (wait for it to end)\n"
        )


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ([], "one of the arguments --nagios --icinga is required"),
        (["--nagios", "a", "--icinga", "https://b"], "argument --icinga: not allowed with argument --nagios"),
        (
            ["--icinga", "http://mon.example.org:5665/"],  # the password would go there in the clear
            "argument --icinga: 'http://mon.example.org:5665/' is not a URL like https://mon.example.org:5665/",
        ),
        (
            ["--icinga", "mon.example.org"],
            "argument --icinga: 'mon.example.org' is not a URL like https://mon.example.org:5665/",
        ),
        (["--nagos", "a"], "one of the arguments --nagios --icinga is required"),
    ],
)
def test_a_usage_error_is_one_line_and_exit_code_3(probe, arguments: list[str], sentence: str) -> None:
    assert probe("fedcloud-downtimes", *arguments) == Report(
        3, f"fedcloud-downtimes: usage: {sentence} (see fedcloud-downtimes --help)\n", ""
    )


def test_a_directory_without_a_configuration_is_said(probe, tmp_path: Path) -> None:
    main = tmp_path / "nagios.cfg"
    main.write_text("status_file=/nowhere\n")
    assert probe("fedcloud-downtimes", "--output", tmp_path, "--nagios", main).out == (
        f"fedcloud-downtimes: not done: {main} does not set command_file\n"
    )
    main.write_text("status_file=/nowhere\ncommand_file=/nowhere\n")
    assert probe("fedcloud-downtimes", "--output", tmp_path, "--nagios", main).out == (
        f"fedcloud-downtimes: not done: {tmp_path}/services.jsonl cannot be read: No such file or directory "
        "(name the --output of fedcloud-ncg)\n"
    )


def test_an_icinga_login_that_others_can_read_is_refused(probe, tmp_path: Path) -> None:
    login = tmp_path / "login"
    login.write_text("user:password")
    login.chmod(0o644)
    report = probe("fedcloud-downtimes", "--icinga", "https://localhost:1/", "--icinga-login", login)
    assert report == Report(
        2,
        f"fedcloud-downtimes: not done: Icinga login {login} is open to others (mode 0644) (chmod 600 {login})\n",
        "",
    )


def test_an_icinga_that_is_not_there_is_said_with_its_port(probe, tmp_path: Path, generated: Path) -> None:
    login = tmp_path / "login"
    login.write_text("user:password")
    login.chmod(0o600)
    port = free_port()  # and no name, for which this machine's resolver would have to answer
    words = (
        "--output",
        generated,
        "--icinga",
        f"https://localhost:{port}",
        "--icinga-login",
        login,
        "--icinga-ca",
        "/etc/ssl/certs",
    )
    saved = tmp_path / "downtimes.xml"
    saved.write_text("<results></results>")
    report = probe("fedcloud-downtimes", *words, "--from", saved)
    assert (report.code, report.err) == (2, "")
    sentence = f"not done: connection refused by localhost:{port} (127.0.0.1)"
    assert report.out == f"fedcloud-downtimes: {sentence}\n", report.out


def tell_icinga(
    probe, generated: Path, tmp_path: Path, icinga: Callable[[web.Request], web.Response]
) -> tuple[Report, web.WebServer]:
    """A run without any downtime in the GOCDB against an Icinga that answers so; and the server, which is over."""
    authority = Authority(tmp_path / "authority")
    (tmp_path / "ca.pem").write_bytes(authority.ca_certificate.public_bytes(Encoding.PEM))
    login = tmp_path / "login"
    login.write_text("user:of-this-test-alone")
    login.chmod(0o600)
    (tmp_path / "none.xml").write_text("<results></results>")
    with web.WebServer("icinga", icinga, context=authority.server_context(authority.host(["localhost"]))) as server:
        words = ("--icinga", server.url, "--icinga-login", login, "--icinga-ca", tmp_path / "ca.pem")
        report = probe("fedcloud-downtimes", "--output", generated, *words, "--from", tmp_path / "none.xml")
    return report, server


def test_an_icinga_whose_filter_matches_nothing_any_more_is_no_failure(probe, generated: Path, tmp_path: Path) -> None:
    """A downtime that ends by itself between the question and the action: 500 with empty results (Icinga 2.13.6)."""
    there = [
        {
            "host_name": "bdii.example.org",
            "service_name": "org.nagios.CloudBDII-Check",
            "comment": "GOCDB downtime 7, scheduled: withdrawn",
            "start_time": START.timestamp(),
            "end_time": END.timestamp(),
            "__name": "bdii.example.org!org.nagios.CloudBDII-Check!7",
        }
    ]

    def icinga(request: web.Request) -> web.Response:
        if request.path == "/v1/actions/remove-downtime":
            there.clear()
            return web.Response(500, [("Content-Type", "application/json")], b'{"results":[]}')
        found = {"results": [{"attrs": each} for each in there]}
        return web.Response(200, [("Content-Type", "application/json")], json.dumps(found).encode())

    report, server = tell_icinga(probe, generated, tmp_path, icinga)
    paths = [each.request.path for each in server.requests]
    assert "/v1/actions/remove-downtime" in paths
    assert (report.code, report.err) == (0, ""), report.out
    assert report.out.endswith("\n  Icinga: 0 scheduled, 1 ended early, 0 unchanged\n")


@pytest.mark.parametrize(
    ("status", "body", "said"),
    [
        (401, b"", "401 Unauthorized from PLACE (look at the ApiUser, its password and permissions)"),
        (503, b'{"error":503,"status":"The API is shutting down."}', '503 "The API is shutting down" from PLACE'),
        (502, b"<html><title>502 Bad Gateway</title></html>", "502 Bad Gateway from PLACE"),
        (503, b"", "503 Service Unavailable from PLACE"),
        (200, b'{"results":[{"code":500,"status":"No such attribute."}]}', '"No such attribute" from PLACE'),
        (200, b"[]", "answer that is not a list of results from PLACE"),
    ],
)
def test_what_icinga_refuses_is_told_reason_first(
    probe, generated: Path, tmp_path: Path, status: int, body: bytes, said: str
) -> None:
    def icinga(request: web.Request) -> web.Response:
        if request.path == "/v1/objects/downtimes":
            return web.Response(status, [("Content-Type", "application/json")], body)
        return web.Response(200, [("Content-Type", "application/json")], b'{"results":[]}')

    report, server = tell_icinga(probe, generated, tmp_path, icinga)
    place = f"Icinga {at(server.url)} when asked to list its downtimes"
    assert report == Report(2, f"fedcloud-downtimes: not done: {said.replace('PLACE', place)}\n", "")


# ---- A Nagios that NCG configured


def object_cache(directory: Path, services: list[tuple[str, str, str]]) -> None:
    """As Nagios 4.4.6 writes it of what argo-ncg 0.4.18 wrote, with the services' names and types."""
    blocks = [
        f"define service {{\n\thost_name\t{host}\n\tservice_description\t{name}\n\tcheck_command\tncg_check_native!x\n"
        f"\t_SERVICE_FLAVOUR\t{service_type}\n\t_SITE_NAME\tEXAMPLE\n\t}}\n\n"
        for host, name, service_type in services
    ]
    text = "define timeperiod {\n\ttimeperiod_name\tncg-24x7\n\t}\n\n" + "".join(blocks)
    (directory / "objects.cache").write_text(
        text + "define service {\n\thost_name\tmon\n\tservice_description\tx\n\t}\n"
    )
    main = directory / "nagios.cfg"
    main.write_text(f"{main.read_text()}object_cache_file={directory}/objects.cache\n")


TCP = "org.nagios.OCCI-TCP"


def test_services_of_a_configuration_of_ncg_are_those_that_nagios_knows(federation, tmp_path: Path) -> None:
    """Without fedcloud-ncg's list: by service types and, with USE_IDS, by the keys in the names of hosts."""
    gocdb = federation.gocdb
    before = (list(gocdb.services), list(gocdb.downtimes), dict(gocdb.sites))
    ends = [pi.Endpoint(f"https://two.example.org:{port}/?image=a", monitored=port == 2) for port in (1, 2)]
    two = gocdb.add_service(pi.Service("two.example.org", topology.OCCI, "EXAMPLE", endpoints=ends))
    same = [
        gocdb.add_service(pi.Service("Same.example.org", topology.OCCI, "EXAMPLE", f"https://same.example.org:{port}/"))
        for port in (1, 2)
    ]
    other = gocdb.add_service(pi.Service("other.example.org", topology.PERUN, "EXAMPLE"))
    services = [
        ("two.example.org", TCP, f"{topology.OCCI},{topology.CDMI}"),
        *((f"Same.example.org_{each.id}G0", TCP, topology.OCCI) for each in same),
        ("perun.example.org", "eu.egi.cloud.Perun-Check", topology.PERUN),
    ]
    files = FilesOfNagios(tmp_path, [each[:2] for each in services])
    try:
        object_cache(tmp_path, services)
        gocdb.add_downtime(two, start=START, end=END, endpoints=[ends[1]])
        gocdb.add_downtime(two, start=START, end=END + timedelta(hours=1), endpoints=[ends[0]])
        gocdb.add_downtime(same[1], start=START, end=END)
        gocdb.add_downtime(other, start=START, end=END)
        done = subprocess.run(
            command("fedcloud-downtimes", "--nagios", tmp_path / "nagios.cfg", "--ncg"),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=AMPLE_S,
            env=clean_environment(HOME=tmp_path, **federation.environment()),
        )
    finally:
        files.stop()
        gocdb.services[:], gocdb.downtimes[:] = before[:2]
        gocdb.sites.clear()
        gocdb.sites.update(before[2])
    assert (done.returncode, done.stderr) == (0, b""), done.stdout
    told = sorted(line.partition("] ")[2].split(";")[1:5] for line in files.told)
    end = str(int(END.timestamp()))
    assert told == [
        [f"Same.example.org_{same[1].id}G0", TCP, str(int(START.timestamp())), end],
        ["two.example.org", TCP, str(int(START.timestamp())), end],
    ]
    assert b"\n  Nagios: 2 scheduled, 0 ended early, 0 unchanged\n" in done.stdout
    assert b"names endpoints that are not monitored\n" in done.stdout
    assert b"\n  1 outage of services that are not monitored here, the first: downtime " in done.stdout


def test_a_saved_answer_does_for_a_configuration_of_ncg_with_whole_services(
    gocdb: pi.Gocdb, nagios: FilesOfNagios, run: Run, tmp_path: Path
) -> None:
    """Nobody tells which endpoints a service has: an outage of one of them is taken for one of the service."""
    del run
    object_cache(tmp_path, [("cloud.example.org", TCP, topology.OCCI)])
    service = gocdb.find("cloud.example.org", topology.OCCI)
    service.endpoints += [
        pi.Endpoint("https://cloud.example.org:1/", id=77),
        pi.Endpoint("https://a.example.org/", id=78),
    ]
    gocdb.add_downtime(service, start=START, end=END, endpoints=service.endpoints[:1])
    saved = tmp_path / "downtimes.xml"
    saved.write_bytes(gocdb._document({"method": "get_downtime", "scope": ""}, None))  # type: ignore[arg-type]

    def tell(*words: object) -> Report:
        done = subprocess.run(
            command("fedcloud-downtimes", "--nagios", tmp_path / "nagios.cfg", "--from", saved, *words),
            capture_output=True,
            text=True,
            timeout=AMPLE_S,
            env=clean_environment(HOME=tmp_path),
        )
        return Report(done.returncode, done.stdout, done.stderr)

    report = tell("--ncg")
    assert report.out.endswith("\n  Nagios: 1 scheduled, 0 ended early, 0 unchanged\n"), report.out
    assert len(nagios.told) == 1
    (tmp_path / "objects.cache").write_text("define host {\n\thost_name\tx\n\t}\n")
    assert tell("--ncg") == Report(
        2,
        f"fedcloud-downtimes: not done: {tmp_path}/objects.cache has no service with a service type "
        "(_service_flavour), as NCG writes them\n",
        "",
    )
    (tmp_path / "objects.cache").unlink()
    assert tell("--ncg") == Report(
        2,
        f"fedcloud-downtimes: not done: the object cache {tmp_path}/objects.cache cannot be read: No such file or "
        "directory (start Nagios, or name its main file)\n",
        "",
    )
    assert tell("--ncg", "--output", tmp_path).code == 3
