"""Documents at an address: redirects within a host, nothing sent to another."""

from __future__ import annotations

import pytest

from libprobe.clients import documents
from libprobe.clients.http import HttpClient
from libprobe.deadline import Deadline
from libprobe.failures import Asked, BadData, Misconfigured, ProtocolFailure
from tests.federation.authority import Authority
from tests.federation.web import Response, WebServer
from tests.pace import AMPLE_S


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    return Authority(tmp_path_factory.mktemp("ca"))


@pytest.fixture
def client(authority):
    made = HttpClient(Deadline(AMPLE_S), trust=str(authority.ca_directory))
    yield made
    made.close()


@pytest.fixture
def serve(authority):
    running = []

    def start(app, *, tls: bool = False) -> WebServer:
        context = authority.server_context(authority.host(["localhost"])) if tls else None
        running.append(WebServer(f"web{len(running)}", app, context=context))
        running[-1].start()
        return running[-1]

    yield start
    for each in running:
        each.stop()


def to(target: str):
    return lambda request: Response(302, [("Location", target)])


def hello(request):
    return Response(200, [], b"hello")


def test_redirects_within_the_origin_are_followed(serve, client):
    web = serve(lambda request: hello(request) if request.path == "/b" else Response(301, [("Location", "/b")]))
    answer = documents.get(client, f"{web.url}/a", max_bytes=10, headers=[("Authorization", "x")])
    assert (answer.status, answer.body, answer.asked) == (200, b"hello", f"GET {web.url}/a")
    assert [each.request.headers.get("Authorization") for each in web.requests] == ["x", "x"]


def test_http_may_lead_to_https_on_the_same_host(serve, client):
    secure = serve(hello, tls=True)
    assert documents.get(client, serve(to(f"{secure.url}/x")).url, max_bytes=10).body == b"hello"


@pytest.mark.parametrize("tls", [True, False])
def test_another_host_or_port_gets_nothing(serve, client, tls):
    other = serve(hello, tls=tls)
    for target in (other.url.replace("localhost", "127.0.0.1"), *([other.url] if not tls else [])):
        web = serve(to(f"{target}/x?secret=1"))
        with pytest.raises(
            ProtocolFailure,
            match=r"^redirect to another host \(https?://(127\.0\.0\.1|localhost):\d+/x\) from localhost:\d+$",
        ):
            documents.get(client, web.url, max_bytes=10, headers=[("Authorization", "x")])
    assert other.requests == []


def test_https_does_not_lead_back_to_http(serve, client):
    plain = serve(hello)
    with pytest.raises(
        ProtocolFailure, match=r"^redirect to another host \(http://localhost:\d+\) from localhost:\d+$"
    ):
        documents.get(client, serve(to(plain.url), tls=True).url, max_bytes=10)
    assert plain.requests == []


@pytest.mark.parametrize("target", ["http://[", "mailto:x", "http://a:b@localhost/"])
def test_what_is_no_address_is_not_followed(serve, client, target):
    with pytest.raises(
        ProtocolFailure,
        match=(
            r"^redirect to (an unusable URL|another host) .*from localhost:\d+$|^redirect to "
            r"an unusable URL, .*, from localhost:\d+$"
        ),
    ):
        documents.get(client, serve(to(target)).url, max_bytes=10)


def test_a_circle_ends(serve, client):
    web = serve(to("/again"))
    with pytest.raises(
        ProtocolFailure, match=r"^more than 3 redirects from localhost:\d+; the last to http://localhost:\d+/again$"
    ):
        documents.get(client, web.url, max_bytes=10)
    assert len(web.requests) == 4


def test_a_large_document_is_refused_and_a_large_error_cut(serve, client):
    web = serve(lambda request: Response(200 if request.path == "/" else 500, [], b"x" * 100_000))
    with pytest.raises(BadData, match="larger than 1 KiB"):
        documents.get(client, f"{web.url}/", max_bytes=1024)
    assert len(documents.get(client, f"{web.url}/error", max_bytes=1024).body) <= 64 << 10


@pytest.mark.parametrize(
    "url", ["", "x", "ftp://a/", "http://", "http://a:0/", "http://a:b/", "file:///etc/passwd", "http://["]
)
def test_what_is_no_url_is_our_own_fault(client, url):
    with pytest.raises(Misconfigured, match="is not an http or https URL"):
        documents.get(client, url, max_bytes=10)


@pytest.mark.parametrize(
    "url",
    [
        "https://sesame-open:x-oauth-basic@localhost/",
        "https://sesame-open@localhost?x",
        "https:/sesame-open@localhost/",
        "sesame-open:x-oauth-basic@localhost/",
        "https://localhost:1@sesame-open@localhost/",
    ],
)
def test_a_token_within_a_url_is_refused_and_not_repeated(client, url):
    with pytest.raises(Misconfigured) as caught:
        documents.get(client, url, max_bytes=10)
    assert str(caught.value) == "the URL has a user or token in it (put the token into the file of --token-file)"


def test_an_at_sign_in_the_path_or_the_query_is_no_user(serve, client):
    web = serve(hello)
    for rest in ("/lists/me@site", "?owner=me@site"):
        assert documents.get(client, web.url + rest, max_bytes=10).body == b"hello"


def test_a_document_that_was_not_read_in_time_is_told_with_whose_time_it_was():
    now = 0.0
    deadline = Deadline(10, clock=lambda: now)
    now = 10.0
    asked = Asked("portal portal.example.org:443", "GET https://portal.example.org/")
    said = "page not read within 10 s from portal portal.example.org:443"
    ours = f"{said}; this machine took 10 s of it and others 0 s (look whether the monitoring host is overloaded)"
    failure = documents.unread_failure("page not read", asked, deadline)
    assert (str(failure), failure.details) == (ours, ["asked: GET https://portal.example.org/"])
    deadline.waits.add(6.0, 6.0)
    assert str(documents.unread_failure("page not read", asked, deadline)) == said
