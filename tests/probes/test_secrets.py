"""Tokens, passwords and private keys: where they go, and where they never go.

That no report carries one is asserted for every report of every test: see `tests.conftest.Report`. Here are the ways on
which one could come out.
"""

from __future__ import annotations

import base64
import os
import re
import subprocess
from collections.abc import Callable, Iterator
from http import HTTPStatus
from pathlib import Path
from urllib.parse import quote

import pytest

from tests import planted
from tests.conftest import ROOT, Monitor, Report, at
from tests.executables import command
from tests.federation.federation import Site
from tests.federation.stomp_responder import Responder, ResponderBehaviour
from tests.federation.web import Request, Response, WebServer
from tests.pace import AMPLE_S, until
from tests.programs.worker.handler import QueryHandler, Worker

VM = "check_occi_vm"


def secret_file(path: Path, content: str, mode: int = 0o600) -> Path:
    path.write_text(f"{content}\n")
    path.chmod(mode)
    return path


class Robot:
    """A monitor that acts by an access token, and a cloud that takes it."""

    def __init__(self, monitor: Monitor) -> None:
        self.monitor = monitor
        self.site: Site = monitor.federation.site("ooi")
        self.token = planted.secret("access")
        self.file = secret_file(monitor.home / "token", self.token)
        assert self.site.keystone
        self.keystone: WebServer = monitor.federation.service("ooi-keystone").web  # type: ignore[attr-defined]
        self.site.keystone.register_access_token(self.token, "robot", ["ops"])

    def look(self, *arguments: object, **environment: object) -> Report:
        environment.setdefault("X509_USER_PROXY", "")
        return self.monitor.run(VM, "-u", self.site.url, "--token-file", self.file, *arguments, **environment)


@pytest.fixture
def robot(monitor: Monitor) -> Iterator[Robot]:
    robot = Robot(monitor)
    app, keystone = robot.site.web.app, robot.site.keystone
    yield robot
    robot.site.web.app = app
    assert keystone


# ---- what is printed


@pytest.mark.parametrize("cloud", ["occi-os", "ooi", "rocci", "snf", "rocci2"])
def test_the_whole_exchange_is_shown_and_no_secret_in_it(monitor, cloud):
    report = monitor.run(VM, "-u", monitor.federation.site(cloud).url, "-vvv")
    assert report.code == 0
    assert "libprobe.http: request: POST " in report.out
    if monitor.federation.site(cloud).keystone:
        assert "X-Auth-Token: [secret]" in report.out


ECHOES: dict[str, Callable[[str], str]] = {
    "in clear": str,
    "in a URL": lambda token: f"/login?next=/&token={quote(token, safe='')}",
    "in base64": lambda token: base64.b64encode(f"token: {token};".encode()).decode(),
    "cut": lambda token: "x" * 270 + token,
    "cut further on": lambda token: "y" * 285 + token,
    "in JSON": lambda token: '{"error": {"message": "bad token ' + token.replace("/", "\\/") + '"}}',
    "in HTML": lambda token: f"<html><body><h1>Bad token</h1><p>{token}</p></body></html>",
    "in many pieces": lambda token: " ".join(token[at:] for at in range(0, 20, 5)),
}


@pytest.mark.parametrize("verbose", ["-v", "-vvv"])
@pytest.mark.parametrize("echo", ECHOES)
def test_an_error_that_echoes_our_token_is_shown_without_it(robot, echo, verbose):
    app = robot.site.web.app

    def echoing(request: Request) -> Response:
        token = request.headers.get("X-Auth-Token")
        if request.method != "POST" or not token:
            return app(request)
        kind = "application/json" if echo == "in JSON" else "text/html" if echo == "in HTML" else "text/plain"
        return Response(403, [("Content-Type", kind), ("X-Echo", token)], ECHOES[echo](token).encode(), reason=token)

    robot.site.web.app = echoing
    report = robot.look(verbose)
    assert report.code in (2, 3)
    assert re.match(r"OCCI-VM \w+ - 403 .*from localhost:\d+ when asked to create a VM", report.first), report.first


def test_a_bug_with_a_secret_in_its_words_is_reported_without_it(monkeypatch, capsys):
    from libprobe import redact
    from libprobe.probe import run

    token = planted.secret("bug")

    def check(args, deadline):
        redact.register(token)
        raise RuntimeError(f"cannot parse {token!r} of {{'Authorization': 'Bearer {token}'}}")
        yield

    code, out = run.execute("X", lambda parser: None, check, ["x", "-v"], doc="")
    report = Report(code, out, capsys.readouterr().err)
    assert report.code == 3
    assert "a bug in the probe: RuntimeError: cannot parse '[secret]'" in report.first
    assert "Traceback" in report.out


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_the_password_of_a_web_proxy_is_never_shown(monitor, scheme):
    site = monitor.federation.site("rocci")
    url = site.url if scheme == "https" else site.url.replace("https:", "http:")
    proxies = {f"{scheme}_proxy": f"http://monitor:{planted.plain_secret()}@127.0.0.1:1"}
    report = monitor.run(VM, "-u", url, "--proxy-from-environment", "-vvv", **proxies)
    assert report.code in (2, 3)


@pytest.mark.parametrize(
    ("proxy", "said"),
    [
        (
            "monitor:{}@127.0.0.1:99999",
            '"...@127.0.0.1:99999", cannot be used: the port "99999" in the URL is not a number',
        ),
        (
            "ftp://monitor:{}@127.0.0.1",
            '"ftp://...@127.0.0.1", cannot be used: its scheme is ftp, and only http is spoken',
        ),
        ("http://monitor:7/{}@127.0.0.1:0", '"http://...@127.0.0.1:0", cannot be used: the port "0" in the URL'),
    ],
)
def test_a_web_proxy_that_cannot_be_used_is_named_without_its_password(monitor, proxy, said):
    site = monitor.federation.site("rocci")
    environment = {"https_proxy": proxy.format("Geheim4711")}
    report = monitor.run(VM, "-u", site.url, "--proxy-from-environment", **environment)
    assert report.code == 3
    assert report.first.startswith(f"OCCI-VM UNKNOWN - the web proxy of the environment, {said}")
    assert "Geheim" not in report.out


def test_a_web_proxy_that_wants_a_login_answers_for_no_endpoint(monitor):
    """Over http it is the proxy that reads the request; over https it refuses to connect us."""
    with WebServer("proxy", lambda request: Response(407, [("Proxy-Authenticate", "Basic realm=x")], b"")) as web:
        for scheme in ("http", "https"):
            url = f"{scheme}://cloud.example.org:80/?image=a&resource=b"
            environment = {f"{scheme}_proxy": web.url, "no_proxy": "", "NO_PROXY": ""}
            report = monitor.run(VM, "-u", url, "--auth", "none", "--proxy-from-environment", **environment)
            assert report.code == 3
            said = (
                "no tunnel (407 Proxy Authentication Required) through"
                if scheme == "https"
                else "login wanted (407) by"
            )
            assert report.first == (
                f"OCCI-VM UNKNOWN - {said} web proxy {at(web.url)}; cloud.example.org:80 not asked "
                "(see http_proxy, https_proxy and no_proxy of the probe)"
            )


@pytest.mark.parametrize(
    ("status", "headers", "code"),
    [
        (502, [], 3),
        (503, [("Retry-After", "120")], 3),
        (504, [], 3),
        (500, [("X-Squid-Error", "ERR_CANNOT_FORWARD 0")], 3),
        (500, [], 2),
    ],
)
def test_what_a_web_proxy_can_have_answered_itself_is_not_held_against_the_endpoint(monitor, status, headers, code):
    with WebServer("proxy", lambda request: Response(status, headers, b"")) as web:
        environment = {"http_proxy": web.url, "no_proxy": "", "NO_PROXY": ""}
        url = "http://cloud.example.org/?image=a&resource=b"
        report = monitor.run(VM, "-u", url, "--auth", "none", "--proxy-from-environment", **environment)
    assert report.code == code, report.out
    if code == 3:
        assert report.first == (
            f"OCCI-VM UNKNOWN - {status} {HTTPStatus(status).phrase}, its own or of who is behind it, from web proxy "
            f"{at(web.url)}; asked for cloud.example.org:80 (see http_proxy, https_proxy and no_proxy of the probe)"
        )
    else:
        assert report.first == (
            "OCCI-VM CRITICAL - 500 Internal Server Error from cloud.example.org:80 when asked to say what it offers"
        )


@pytest.mark.parametrize(
    "location",
    [
        "http://u:{0}@host:99999/?access_token={0}",
        "//u:{0}@host:0/",
        "/x y?token={0}",
        "u:{0}@host",
        "http://h\\@{0}@T/#{0}",
    ],
)
def test_a_redirect_shows_no_password_or_token_of_its_target(robot, location):
    secret = "Geheim4711"
    robot.site.faults.on("redirect", to=location.format(secret))
    report = robot.look("-v")
    assert report.code in (2, 3)
    assert secret not in report.out


ASKED_AT = {
    "check_apel_pub": ("-u", "--site", "SITE"),
    "check_appdb_update": ("-u",),
    "check_broker": ("-u",),
    "check_cloud_bdii": ("-u",),
    "check_credential": ("-u",),
    "check_endpoint_tcp": ("-u",),
    "check_occi_context": ("-u",),
    "check_occi_vm": ("-u",),
    "check_openstack_swift": ("-u",),
    "check_perun": ("-u",),
    "fedcloud-downtimes": ("--gocdb",),
    "fedcloud-ncg": ("--gocdb",),
    "fedcloud-selfcheck": ("--gocdb", "--site", "SITE"),
}
"""How an operator names a URL, and what else an executable has to be given; some refuse it, and say of what."""


@pytest.mark.parametrize("name", ASKED_AT)
def test_a_secret_in_a_url_of_the_operators_own_is_never_repeated(monitor, name):
    """One that no machine made looks like any other word: it is known by the name of its parameter."""
    option, *others = ASKED_AT[name]
    url = "https://127.0.0.1:9/x?region=a&access_token=correct-horse%2Bbattery&b=c"
    words = command(name, option, url, *others, "-v")
    done = subprocess.run(
        words, capture_output=True, text=True, timeout=AMPLE_S, cwd=monitor.home, env=monitor.environment
    )
    assert done.stdout + done.stderr
    assert "correct-horse" not in done.stdout + done.stderr


# ---- where it is sent


@pytest.mark.parametrize("code", [301, 302, 303, 307, 308])
def test_a_redirect_takes_no_secret_to_another_host(robot, code):
    asked: list[Request] = []

    def elsewhere(request: Request) -> Response:
        asked.append(request)
        return Response(200, [], b"")

    authority = robot.monitor.federation.authority
    context = authority.server_context(authority.host(["localhost"]), clients="optional")
    web = WebServer("elsewhere", elsewhere, context=context)
    web.start()
    try:
        robot.site.faults.on("redirect", to=f"{web.url}/-/", code=code)
        report = robot.look("-vvv")
        robot.site.faults.clear()
        robot.site.keystone.faults.on("redirect", to=f"{web.url}/v3/auth", code=code)
        second = robot.look("-vvv")
    finally:
        web.stop()
    assert (report.code, second.code) == (2, 2)
    assert asked == []


def test_a_challenge_to_log_in_elsewhere_gets_no_token(robot):
    asked: list[Request] = []

    def elsewhere(request: Request) -> Response:
        asked.append(request)
        return Response(200, [("X-Subject-Token", planted.plain_secret())], b"{}")

    web = WebServer("elsewhere", elsewhere)
    web.start()
    try:
        challenge = [("WWW-Authenticate", f"Keystone uri='{web.url.replace('localhost', '127.0.0.1')}'")]
        robot.site.web.app = lambda request: Response(401, challenge, b"")
        report = robot.look()
    finally:
        web.stop()
    assert report.code == 3
    assert asked == []


@pytest.fixture
def plain(robot: Robot) -> Iterator[WebServer]:
    """The same cloud over http."""
    with WebServer("plain", robot.site.web.app) as web:
        yield web


def over_http(robot: Robot, plain: WebServer) -> str:
    return robot.site.url.replace(robot.site.web.url, plain.url)


def tokens_sent(web: WebServer) -> list[str]:
    return [token for each in web.requests if (token := each.request.headers.get("X-Auth-Token"))]


@pytest.mark.parametrize("login", ["token", "proxy"])
@pytest.mark.parametrize("probe", [VM, "check_occi_context"])
def test_an_endpoint_over_http_gets_no_token(robot, plain, login, probe):
    words = (
        ("--token-file", robot.file) if login == "token" else ("--cert", robot.monitor.environment["X509_USER_PROXY"])
    )
    asked = len(robot.keystone.requests)
    report = robot.monitor.run(probe, "-u", over_http(robot, plain), *words)
    assert report.code == 3
    name = "OCCI-VM" if probe == VM else "OCCI-Context"
    assert report.first == (
        f"{name} UNKNOWN - Keystone token wanted over http, unencrypted, by {at(plain.url)} (use an https URL; "
        "--plain-token sends it all the same)"
    )
    assert len(plain.requests) == 1
    assert tokens_sent(plain) == []
    assert len(robot.keystone.requests) == asked
    told = robot.monitor.run(probe, "-u", over_http(robot, plain), *words, "-v")
    assert f"the Keystone that was not asked for a token: {robot.keystone.url}" in told.lines, told.out


def test_an_endpoint_over_http_gets_a_token_where_the_operator_says_so(robot, plain):
    url = over_http(robot, plain)
    report = robot.monitor.run(VM, "-u", url, "--token-file", robot.file, "--plain-token", X509_USER_PROXY="")
    assert report.code == 0, report.out
    assert report.first.startswith("OCCI-VM OK - VM active after ")
    assert f" on {at(plain.url)} (" in report.first
    assert tokens_sent(plain)
    settings = robot.monitor.home / "probes.ini"
    own = Path(robot.monitor.environment["FEDCLOUD_PROBES_CONFIG"]).read_text()
    for hosts, code in (("old.example.org LOCALHOST", 0), ("old.example.org", 3)):
        settings.write_text(f"{own}\n[credentials]\nplain_token_to = {hosts}\n")
        report = robot.look("-u", url, FEDCLOUD_PROBES_CONFIG=settings)
        assert report.code == code, report.out


# ---- what other users of the machine can see


def seen_of(pid: int) -> str:
    """What /proc tells of a process and all below it: command lines and environments."""
    text = ""
    todo = [pid]
    while todo:
        each = todo.pop()
        try:
            for name in ("cmdline", "environ"):
                text += Path(f"/proc/{each}/{name}").read_bytes().replace(b"\0", b"\n").decode(errors="replace")
            for task in Path(f"/proc/{each}/task").iterdir():
                todo += map(int, (task / "children").read_text().split())
        except OSError:
            continue
    return text


def watched(process: subprocess.Popen[bytes], has_happened: Callable[[], bool]) -> str:
    """What was to be seen of a process and its children until something has happened."""
    seen = []

    def look() -> bool:
        done = has_happened()
        seen.append(seen_of(process.pid))
        return done

    until(look)
    return "".join(seen)


def ended(process: subprocess.Popen[bytes]) -> Report:
    out, err = process.communicate(timeout=AMPLE_S)
    return Report(process.returncode, out.decode(), err.decode())


def test_neither_command_lines_nor_environments_hold_a_token(robot):
    """Of a probe, and of those that the self-check starts, which are told of the token by a settings file."""
    settings = robot.monitor.home / "probes.ini"
    own = Path(robot.monitor.environment["FEDCLOUD_PROBES_CONFIG"]).read_text()
    settings.write_text(own + f"\n[credentials]\ntoken_file = {robot.file}\n")
    environment = {"FEDCLOUD_PROBES_CONFIG": settings, "X509_USER_PROXY": ""}
    for line in (
        (VM, "-u", robot.site.url),
        ("fedcloud-selfcheck", robot.site.gocdb_name, "--metric", "eu.egi.cloud.OCCI-VM"),
    ):
        robot.site.faults.on("held", path="/-/", times=1)
        process = robot.monitor.start(*line, **environment)
        seen = watched(process, lambda: robot.site.web.held == 1)
        robot.site.faults.off("held")
        report = ended(process)
        assert report.code == 0, report.out
        assert VM in seen
        assert planted.leaks(seen) == []


def test_a_password_is_not_to_be_seen_of_who_sends_in_the_background(monitor, tmp_path):
    file = secret_file(tmp_path / "password", planted.secret("broker"))
    with Responder(ResponderBehaviour(mute_at="SEND")) as responder:
        process = monitor.start(
            "fedcloud-publish",
            f"--publish=stomp://127.0.0.1:{responder.port}/queue/results",
            "--login=sam",
            "--plain-login",
            f"--password-file={file}",
            "--hostname=cloud.example.org",
            "--metric=eu.egi.cloud.OCCI-VM",
            "--service-type=eu.egi.cloud.vm-management.occi",
            "--site=EXAMPLE-CLOUD",
            "--state=OK",
            "--output=fine",
            f"-t{AMPLE_S}",
        )
        assert ended(process).code == 0
        until(lambda: any(name == "SEND" for name, _, _ in responder.frames))
        senders = [pid for pid in map(int, filter(str.isdigit, os.listdir("/proc"))) if str(file) in seen_of(pid)]
        assert senders
        assert planted.leaks("".join(map(seen_of, senders))) == []


# ---- the programs beside the probes


def test_the_reports_of_a_self_check_hold_no_secret(robot, tmp_path):
    settings = robot.monitor.home / "probes.ini"
    own = Path(robot.monitor.environment["FEDCLOUD_PROBES_CONFIG"]).read_text()
    settings.write_text(own + f"\n[credentials]\ntoken_file = {robot.file}\n")
    app = robot.site.web.app

    def echoing(request: Request) -> Response:
        token = request.headers.get("X-Auth-Token")
        return Response(403, [], f"bad token {token}".encode()) if token and request.method == "POST" else app(request)

    robot.site.web.app = echoing
    files = {kind: tmp_path / f"report.{kind}" for kind in ("html", "junit")}
    report = robot.monitor.run(
        "fedcloud-selfcheck", robot.site.gocdb_name, "--metric", "eu.egi.cloud.OCCI-VM", "--json",
        *(f"--{kind}={path}" for kind, path in files.items()),
        FEDCLOUD_PROBES_CONFIG=settings, X509_USER_PROXY="",
    )  # fmt: skip
    assert report.code == 2
    assert "bad token [secret]" in report.out
    for path in files.values():
        text = path.read_text()
        assert "bad token [secret]" in text
        assert planted.leaks(text) == []


def test_the_worker_tells_nagios_no_secret(robot, tmp_path):
    handler = QueryHandler(tmp_path / "qh")
    worker = Worker(handler.path, tmp_path, "--probe", VM, **robot.monitor.environment).start()
    try:
        connection = handler.accept()
        connection.accept()
        line = f"{ROOT}/probes/{VM} -u '{robot.site.url}' --token-file {robot.file} --auth token -vvv"
        connection.order(1, f"{line} --state-dir {robot.monitor.state}")
        answer = connection.answer(60)
        assert answer["wait_status"] == "0", answer["outstd"]
        assert "X-Auth-Token: [secret]" in answer["outstd"]
        assert worker.said() is not None
    finally:
        worker.kill()


# ---- files that others can read


OPEN = "is open to others (mode 0644) (chmod 600 "


@pytest.mark.parametrize("way", ["--cert", "--key", "X509_USER_PROXY", "X509_USER_KEY", "userkey.pem", "--token-file"])
def test_a_secret_that_others_can_read_is_refused(monitor, tmp_path, way):
    site = monitor.federation.site("ooi")
    user = monitor.federation.authority.robot
    environment: dict[str, object] = {"X509_USER_PROXY": "", "HOME": tmp_path}
    arguments: list[object] = []
    if way in ("--cert", "X509_USER_PROXY"):
        proxy = monitor.federation.authority.proxy(path=tmp_path / "x509up", mode=0o644)
        if way == "--cert":
            arguments = [way, proxy]
        else:
            environment[way] = proxy
    elif way == "--token-file":
        arguments = [way, secret_file(tmp_path / "token", planted.secret("access"), 0o644)]
    else:
        globus = tmp_path / ".globus"
        globus.mkdir()
        key, certificate = globus / "userkey.pem", globus / "usercert.pem"
        key.write_bytes(user.userkey.read_bytes())
        key.chmod(0o644)
        certificate.write_bytes(user.usercert.read_bytes())
        if way == "--key":
            arguments = ["--cert", certificate, way, key]
        elif way == "X509_USER_KEY":
            environment |= {"X509_USER_CERT": certificate, way: key}
    report = monitor.run(VM, "-u", site.url, *arguments, **environment)
    assert (report.code, report.err) == (3, "")
    assert OPEN in report.first
    assert not [each for each in site.web.requests if each.request.peer and each.request.peer.chain]


@pytest.mark.parametrize("way", ["--password-file", "--broker-key"])
def test_a_secret_for_the_broker_that_others_can_read_is_refused(probe, monitor, tmp_path, way):
    publish = "--publish=stomp://127.0.0.1:9/queue/x"
    if way == "--password-file":
        arguments = ["--login=sam", way, secret_file(tmp_path / "pw", planted.secret("broker"), 0o644)]
    else:
        publish = publish.replace("stomp:", "stomp+ssl:")
        user = monitor.federation.authority.robot
        key = tmp_path / "key.pem"
        key.write_bytes(user.userkey.read_bytes())
        key.chmod(0o644)
        arguments = ["--broker-cert", user.usercert, way, key]
    report = probe("fedcloud-publish", "--drain", publish, "--state-dir", tmp_path / "state", *arguments)
    assert (report.code, report.err) == (3, "")
    assert OPEN in report.first
