"""The worker and the executables say the same, byte for byte, whatever is asked."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from libprobe.programs.worker.nagios_connection import OUTPUT_LIMIT
from tests.conftest import ROOT, Monitor
from tests.pace import AMPLE_S
from tests.programs.worker.handler import QueryHandler, Worker

CASES = [
    ("check_endpoint_tcp", "-H localhost -p {ooi}"),
    ("check_endpoint_tcp", "-u https://localhost:{ooi}/ --tls -v"),
    ("check_endpoint_tcp", "-u https://localhost:{ooi}/ --tls -vvv"),
    ("check_endpoint_tcp", "-H localhost -p 1"),
    ("check_endpoint_tcp", "-H localhost -p 1 -v"),
    ("check_endpoint_tcp", "-vv --nonsense"),
    ("check_occi_vm", "-v -H nowhere.invalid"),
    ("check_endpoint_tcp", "-H ooi.fedcloud.test"),
    ("check_endpoint_tcp", "-H no-such-name.invalid -p 1"),
    ("check_endpoint_tcp", ""),
    ("check_endpoint_tcp", "--help"),
    ("check_endpoint_tcp", "-V"),
    ("check_endpoint_tcp", "-H localhost -p 1 --config /nonexistent"),
    ("check_endpoint_tcp", "-H 'two words'"),
    ("check_endpoint_tcp", "-H ''"),
    ("check_endpoint_tcp", "-p 1e3 -H x -t 0"),
    ("check_occi_context", "-H ooi.fedcloud.test"),
    ("check_occi_context", "-H rocci.fedcloud.test -v"),
    ("check_occi_context", "-H snf.fedcloud.test -vv"),
    ("check_occi_context", "-H occi-os.fedcloud.test -vvv"),
    ("check_occi_context", "-u '{rocci_url}'"),
    ("check_occi_context", "-H ooi.fedcloud.test --optional nonsense"),
    ("check_occi_context", "-H ooi.fedcloud.test --require missing"),
    ("check_occi_context", "-H ooi.fedcloud.test --cert /nonexistent"),
    ("check_occi_vm", "-H ooi.fedcloud.test"),
    ("check_occi_vm", "-H rocci.fedcloud.test -v"),
    ("check_occi_vm", "-H nowhere.invalid"),
    ("check_occi_vm", "--help"),
    ("check_apel_pub", "-H ooi.fedcloud.test"),
    ("check_apel_pub", "--site NOBODY -v"),
    ("check_apel_pub", "--site OOI-CLOUD -c 1h -w 1h"),
    ("check_appdb_update", "-u {appdb}"),
    ("check_appdb_update", "-vvv -u {appdb} --image nothing"),
    ("check_appdb_update", "--token-file /nonexistent"),
    ("check_perun", "-H perun.fedcloud.test"),
    ("check_perun", "-H perun.fedcloud.test -vvv"),
    ("check_perun", "-u https://localhost:1/"),
    ("check_cloud_bdii", "-u ldap://localhost:1/o=glue"),
    ("check_cloud_bdii", "-u http://localhost/"),
    ("check_broker", "-u stomp://localhost:1"),
    ("check_broker", "--nonsense"),
    ("check_openstack_vm", "-H stack.fedcloud.test -v"),
    ("check_openstack_vm", "-H nowhere.invalid"),
    ("check_openstack_images", "-H stack.fedcloud.test -v"),
    ("check_openstack_images", "-H nowhere.invalid"),
    ("check_cloud_info", "-H stack.fedcloud.test"),
    ("check_cloud_info", "-H nowhere.invalid"),
    ("check_openstack_swift", "-H stack.fedcloud.test -v"),
    ("check_openstack_swift", "-H nowhere.invalid"),
    ("check_availability", "--site EXAMPLE-SITE"),
    ("check_credential", ""),
    ("check_credential", "--vo nothing -v"),
    ("check_credential", "--token-file /nonexistent"),
]

CHANGING = [
    # names first: a random one such as 57605d would read as 57605 days
    (r"[0-9a-f]{8}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{12}", "UUID"),
    (r"egi-sam-vm-[0-9a-f-]+", "NAME"),
    (r"\b[0-9a-f]{32,}\b", "HEX"),
    (r"\b127\.[1-9]\d*\.\d+\.\d+", "ADDRESS"),
    (r"(VM|compute/|/)(\d+)\b", r"\1NUMBER"),
    (r"(?<![\w.])\d+(\.\d+)? ?(ms|s|min|h|d)(?: \d+ ?(ms|s|min|h))?\b", "TIME"),
    (r"(_time|_age|lifetime|age|time_left|time_to_\w+)=[\d.]+s", r"\1=TIME"),
    (r"\d\d:\d\d:\d\d( GMT| UTC)?", "CLOCK"),
    (r"\bversion 20\d{12}\b", "version CLOCK"),
    (r"\(\d+ bytes\)", "BYTES"),
    (r"\bsize=\d+B", "size=BYTES"),  # a signature of the same list is a byte longer or shorter each time
]


def normal(text: str) -> str:
    for pattern, word in CHANGING:
        text = re.sub(pattern, word, text)
    return text


@pytest.fixture(scope="module")
def worker(shared_federation, tmp_path_factory):
    """A worker with all probes, and its Nagios; connections by executable."""
    directory: Path = tmp_path_factory.mktemp("worker")
    handler = QueryHandler(directory / "qh")
    monitor = Monitor(shared_federation, directory)
    running = Worker(handler.path, directory, **monitor.environment).start()
    names = [path.name for path in sorted((ROOT / "probes").glob("check_*"))]
    connections = {}
    for _ in names:
        connection = handler.accept()
        connection.accept()
        connections[Path(connection.plugin).name] = connection
    yield monitor, connections
    running.kill()


@pytest.mark.parametrize(("name", "arguments"), CASES, ids=[" ".join(case) for case in CASES])
def test_the_worker_says_what_the_executable_says(federation, worker, name, arguments):
    monitor, connections = worker
    federation.accounting.reset([site.gocdb_name for site in federation.sites.values()])
    site = federation.sites
    arguments = arguments.format(ooi=site["ooi"].web.port, rocci_url=site["rocci"].url, appdb=federation.appdb_url)
    if "-t " not in arguments:
        arguments = f"{arguments} -t {AMPLE_S:g}".strip()  # neither of the two is to be told that its time is up
    if "-vvv" in arguments:
        monitor.run(name, *shlex.split(arguments))  # so that both find the GOCDB's answer in the cache
    alone = monitor.run(name, *shlex.split(arguments))
    where = " ".join(map(str, monitor.keeping(name)))
    connections[name].order(1, " ".join(filter(None, (f"{ROOT}/probes/{name}", where, arguments))))
    answer = connections[name].answer()
    assert int(answer["wait_status"]) >> 8 == alone.code
    if len(alone.out.encode()) > OUTPUT_LIMIT:
        assert OUTPUT_LIMIT - 3 <= len(answer["outstd"].encode()) <= OUTPUT_LIMIT
        # a time that is a digit longer lets the cut fall elsewhere: the last line may be one in part
        assert normal(alone.out).startswith(normal(answer["outstd"].rpartition("\n")[0]))
    else:
        assert normal(answer["outstd"]) == normal(alone.out)
    assert answer["outerr"] == alone.err == ""


def test_many_checks_that_look_up_their_endpoint_leave_no_descriptor_open_in_their_runner(federation, tmp_path):
    """Each opens the state directory, where the GOCDB's answers are kept."""
    federation.accounting.reset([site.gocdb_name for site in federation.sites.values()])
    handler = QueryHandler(tmp_path / "qh")
    monitor = Monitor(federation, tmp_path)
    words = ("--probe", "check_apel_pub", "--runners", 1, "--max-runners", 1, "--threads", 4)
    running = Worker(handler.path, tmp_path, *words, **monitor.environment).start()
    host = federation.site("ooi").hostname
    look_up = f"{ROOT}/probes/check_apel_pub --state-dir {monitor.state} -H {host}"
    try:
        connection = handler.accept()
        connection.accept()

        def checks(number: int) -> tuple[set[int], int]:
            """Run so many; return the runners that there are, and how many descriptors they have open."""
            for key in range(number):
                connection.order(key, look_up)
            answers = connection.answers(number).values()
            assert all(each["outstd"].startswith("APEL-Pub OK - OOI-CLOUD last") for each in answers)
            runners = running.family()[2:]
            return set(runners), sum(len(list(Path(f"/proc/{pid}/fd").iterdir())) for pid in runners)

        runners, before = checks(20)
        same, after = checks(100)
        assert len(list(monitor.state.glob("gocdb-*.json"))) > 0
        assert same == runners
        assert after <= before + 4  # one a thread may be on its way
    finally:
        running.kill()


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("(egi-sam-vm-57605d-260d3fc4a83f)", "(egi-sam-vm-04086f-39e2b50d152f)"),
        ("active after 83 ms", "active after 1 min 3 s"),
        ("address: 127.41.0.2", "address: 127.41.0.13"),
        ("version 20261125230012;", "version 20261125230014;"),
    ],
)
def test_what_differs_by_chance_alone_is_no_difference(one, other):
    assert normal(one) == normal(other)
    assert normal(f"{one} OK") != normal(f"{other} CRITICAL")


def test_every_probe_is_in_the_table():
    assert {name for name, _ in CASES} == {path.name for path in (ROOT / "probes").glob("check_*")}
