"""The worker under a real Nagios 4: results arrive, a reload and a restart cost nothing, without it all goes on."""

from __future__ import annotations

import re
import signal
import time

import pytest

from tests.conftest import clean_environment
from tests.nagios import HOST, Nagios, Service, SmallNagios, service
from tests.pace import is_over, seconds, until
from tests.programs.worker.handler import Worker
from tests.programs.worker.test_worker import FORKED, THREADS, Place

pytestmark = pytest.mark.needs("nagios4-core")

QUIET = "DEMO OK - done by "


@pytest.fixture
def place(tmp_path):
    made = Place(tmp_path)
    made.handler.go_away()
    yield made
    for each in made.workers:
        each.kill()


@pytest.fixture
def nagios(place):
    started = []

    def start(commands: dict[str, str], **settings: object) -> Nagios:
        services = [service(name, command) for name, command in commands.items()]
        made = SmallNagios(place.directory / "nagios", services, waits=True, settings=settings)
        started.append(made)
        made.start()
        return made

    yield start
    for each in started:
        each.stop()


def begin(place: Place, nagios: Nagios) -> Worker:
    """A worker that is registered for both probes."""
    until(nagios.query_socket.exists)
    words = [word for name in (THREADS, FORKED) for word in ("--probe", name)]
    environment = clean_environment(HOME=place.directory)
    worker = Worker(nagios.query_socket, place.directory, "--directory", place.directory, *words, **environment).start()
    place.workers.append(worker)
    until(lambda: worker.said().count("registered for") == 2)
    return worker


def since(nagios: Nagios, moment: float, *names: str) -> dict[str, str]:
    """Outputs of services whose last check began after a moment; nothing as long as one did not."""
    status = {service.name: each for service, each in nagios.status().items()}
    if not all(name in status and status[name].checked_at > moment for name in names):
        return {}
    return {name: status[name].output for name in names}


def test_results_of_warm_checks_are_those_of_the_services(place, nagios):
    limit = int(seconds(2))
    running = nagios(
        {
            "reads": place.command(THREADS),
            "creates": place.command(FORKED),
            "fails": place.command(THREADS, "bad"),
            "slow": place.command(THREADS, "sleep=900"),
            "shell": f"{place.command(THREADS)} | /bin/sed s/done/piped/",
            "other": "/bin/echo not ours",
        },
        service_check_timeout=limit,
    )
    worker = begin(place, running)
    moment = time.time()
    running.begin()
    names = ("reads", "creates", "fails", "slow", "shell", "other")
    family: set[int] = set()  # of any moment: the runner that also had the slow check is replaced

    def told() -> dict[str, str]:
        family.update(worker.family())
        return since(running, moment - 2, *names)

    said = until(told)
    assert int(said["reads"].removeprefix(QUIET)) in family
    assert int(said["creates"].removeprefix(QUIET)) != int(said["reads"].removeprefix(QUIET))
    assert re.fullmatch(r"DEMO OK - piped by \d+", said["shell"])
    assert said["other"] == "not ours"
    assert said["fails"] == "DEMO CRITICAL - done"
    assert re.fullmatch(rf"\(Service check timed out after {limit}\.\d\d seconds\)", said["slow"])
    states = {name: running.status()[Service(HOST, name)].state for name in names}
    critical = {"fails", "slow"}
    assert states == {name: "CRITICAL" if name in critical else "OK" for name in names}
    warnings = [line for line in running.log().splitlines() if "Warning: " in line]
    assert all("illegal_macro_output_chars" in line or "timed out" in line for line in warnings), warnings


def test_a_reload_of_nagios_is_survived(place, nagios):
    running = nagios({"reads": place.command(THREADS)})
    worker = begin(place, running)
    running.reload()
    until(lambda: worker.said().count("registered for") == 4)
    moment = time.time()
    running.begin()
    said = until(lambda: since(running, moment, "reads"))
    assert int(said["reads"].removeprefix(QUIET)) in worker.family()


def test_when_the_worker_stops_nagios_runs_the_executables_again(place, nagios):
    running = nagios({f"reads {number}": place.command(THREADS, "sleep=0.2") for number in range(5)})
    worker = begin(place, running)
    running.begin()
    until(lambda: since(running, 0, *(f"reads {number}" for number in range(5))))
    family = worker.family()
    assert worker.stop() == 0
    moment = time.time() + 1
    said = until(lambda: since(running, moment, *(f"reads {number}" for number in range(5))))
    assert not {int(each.removeprefix(QUIET)) for each in said.values()} & set(family)
    assert not [pid for pid in family if not is_over(pid)]


def test_a_worker_that_is_killed_is_replaced_by_the_next(place, nagios):
    running = nagios({"reads": place.command(THREADS)})
    worker = begin(place, running)
    worker.process.send_signal(signal.SIGKILL)
    worker.process.wait()
    worker.start()
    until(lambda: worker.said().count("registered for") == 4)
    moment = time.time()
    running.begin()
    said = until(lambda: since(running, moment, "reads"))
    assert int(said["reads"].removeprefix(QUIET)) in worker.family()
