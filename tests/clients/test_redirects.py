"""Redirects: what a server that sends us elsewhere gets, by each of the rules, and what is said."""

from __future__ import annotations

import pytest

from libprobe.clients.http import HttpClient
from libprobe.clients.redirects import DOCUMENT, MAX_REDIRECTS, SAME_ORIGIN, SERVICE
from libprobe.deadline import Deadline
from libprobe.failures import ProtocolFailure, Refused
from tests.federation.ports import free_port
from tests.federation.web import Response, WebServer
from tests.pace import AMPLE_S

RULES = {"same origin": SAME_ORIGIN, "document": DOCUMENT, "service": SERVICE}


@pytest.fixture
def client():
    made = HttpClient(Deadline(AMPLE_S))
    yield made
    made.close()


@pytest.fixture
def server():
    """/N leads to /N-1, with the status that is set, and /0 is there."""

    def count_down(request):
        number = int(request.path.strip("/"))
        if not number:
            return Response(200, [], b"here")
        return Response(made.status, [("Location", f"/{number - 1}?token=sesame")], b"")

    made = WebServer("countdown", count_down)
    made.status = 302
    with made:
        yield made


def asked(server):
    return [(each.request.method, each.request.path, each.request.body) for each in server.requests]


@pytest.mark.parametrize("rule", RULES)
def test_one_bound_holds_for_all_and_the_answer_names_the_first_request(client, server, rule):
    headers = [("X-Auth-Token", "sesame")]
    answer = client.request("GET", f"{server.url}/{MAX_REDIRECTS}", headers=headers, follow=RULES[rule])
    assert (answer.status, answer.body, answer.asked) == (200, b"here", f"GET {server.url}/{MAX_REDIRECTS}")
    assert [path for _, path, _ in asked(server)] == ["/3", "/2", "/1", "/0"]
    assert {each.request.headers.get("X-Auth-Token") for each in server.requests} == {"sesame"}


@pytest.mark.parametrize("rule", ["same origin", "document"])
def test_one_too_many_is_a_failure(client, server, rule):
    with pytest.raises(ProtocolFailure) as caught:
        client.request("GET", f"{server.url}/{MAX_REDIRECTS + 1}", follow=RULES[rule])
    place = server.url.removeprefix("http://")
    assert str(caught.value) == f"more than 3 redirects from {place}; the last to {server.url}/0"
    assert len(server.requests) == MAX_REDIRECTS + 1


def test_one_too_many_of_a_service_is_its_answer(client, server):
    answer = client.request("GET", f"{server.url}/{MAX_REDIRECTS + 1}", follow=SERVICE)
    assert answer.describe_refusal == "redirect to /0 (302)"
    assert (len(server.requests), answer.asked) == (MAX_REDIRECTS + 1, f"GET {server.url}/4")


@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_a_service_may_send_a_request_with_a_body_to_another_path(client, server, status):
    server.status = status
    assert client.request("POST", f"{server.url}/1", body=b"x", follow=SERVICE).status == 200
    assert asked(server) == [("POST", "/1", b"x"), ("POST", "/0", b"x")]


@pytest.mark.parametrize("rule", RULES)
def test_a_request_with_a_body_is_not_sent_again_where_a_get_is_asked_for(client, server, rule):
    server.status = 303
    assert client.request("POST", f"{server.url}/1", body=b"x", follow=RULES[rule]).status == 303
    assert client.request("GET", f"{server.url}/1", follow=RULES[rule]).status == 200
    assert asked(server) == [("POST", "/1", b"x"), ("GET", "/1", b""), ("GET", "/0", b"")]


@pytest.mark.parametrize("status", [300, 304, 305])
@pytest.mark.parametrize("rule", RULES)
def test_other_statuses_are_no_redirects(client, server, rule, status):
    server.status = status
    assert client.request("GET", f"{server.url}/1", follow=RULES[rule]).status == status
    assert len(server.requests) == 1


def test_none_is_followed_without_a_rule(client, server):
    assert client.request("GET", f"{server.url}/1", follow=None).status == 302
    assert len(server.requests) == 1


@pytest.mark.parametrize(
    ("rule", "said"),
    [("same origin", "another origin"), ("document", "another host"), ("service", "")],
)
def test_another_port_of_the_host_gets_nothing(client, server, rule, said):
    with WebServer("other", lambda request: Response(200, [], b"")) as other:
        server.app = lambda request: Response(302, [("Location", f"{other.url}/x?token=sesame")])
        if said:
            with pytest.raises(ProtocolFailure) as caught:
                client.request("GET", f"{server.url}/", follow=RULES[rule])
            place = server.url.removeprefix("http://")
            assert str(caught.value) == f"redirect to {said} ({other.url}/x) from {place}"
            assert f"redirected to: {other.url}/x, where no credential of ours goes" in caught.value.details
        else:
            answer = client.request("GET", f"{server.url}/", follow=RULES[rule])
            assert answer.describe_refusal == f"redirect to {other.url}/x (302)"
        assert other.requests == []


def test_a_failure_behind_a_redirect_names_the_request_that_failed(client, server):
    """The port is closed: it stands for one with TLS, to which a document may be moved."""
    closed = free_port()
    server.app = lambda request: Response(301, [("Location", f"https://localhost:{closed}/moved?token=sesame")])
    with pytest.raises(Refused) as caught:
        client.request("GET", f"{server.url}/", follow=DOCUMENT)
    assert caught.value.sentence.startswith(f"connection refused by localhost:{closed}")
    assert f"asked: GET https://localhost:{closed}/moved" in caught.value.details


@pytest.mark.parametrize("rule", ["same origin", "service"])
def test_nothing_but_a_document_may_move_to_https(client, server, rule):
    there = f"https://localhost:{free_port()}/moved"
    server.app = lambda request: Response(301, [("Location", there)])
    if rule == "service":
        assert client.request("GET", f"{server.url}/", follow=RULES[rule]).status == 301
    else:
        with pytest.raises(ProtocolFailure) as caught:
            client.request("GET", f"{server.url}/", follow=RULES[rule])
        place = server.url.removeprefix("http://")
        assert str(caught.value) == f"redirect to another origin ({there}) from {place}"


@pytest.mark.parametrize("status", [301, 302, 307, 308])
@pytest.mark.parametrize("rule", ["same origin", "document"])
def test_nothing_but_a_service_has_a_request_with_a_body_sent_again(client, server, rule, status):
    server.status = status
    assert client.request("POST", f"{server.url}/1", body=b"x", follow=RULES[rule]).status == status
    assert asked(server) == [("POST", "/1", b"x")]
