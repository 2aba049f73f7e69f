"""The federation's AMS, by ARGO's own library: what is published is pulled and acknowledged, or refused."""

from __future__ import annotations

import json

import pytest
from argo_ams_library import AmsBalancerException, AmsMessage, AmsServiceException, AmsTimeoutException
from argo_ams_library import ArgoMessagingService as Library

from tests import planted
from tests.federation.ams import ACK_S, MAX_STORED_BYTES, Ams
from tests.federation.authority import Authority
from tests.federation.web import WebServer


class Clock:
    now = 1_448_878_350.25

    def __call__(self) -> float:
        return self.now


class Service:
    """An AMS of its own on loopback, and ARGO's library before it."""

    def __init__(self, authority: Authority) -> None:
        self.clock = Clock()
        self.ams = Ams(clock=self.clock)
        context = authority.server_context(authority.host(["localhost"]), clients="none")
        self.web = WebServer("ams", self.ams.app, context=context, faults=self.ams.faults)
        self.verify = str(authority.ca_directory)
        self.token = self.ams.allow(planted.secret("ams"))

    def consumer(self, token: str = "", project: str = "EGI") -> Library:
        return Library(endpoint=f"localhost:{self.web.port}", token=token or self.token, project=project)

    def publish(self, *texts: str, topic: str = "metric_data", **attributes: str) -> dict:
        messages = [AmsMessage(data=text, attributes=attributes or {"type": "x"}) for text in texts]
        return self.consumer().publish(topic, messages, verify=self.verify)

    def pull(self, count: int = 1) -> list[tuple[str, AmsMessage]]:
        return self.consumer().pull_sub("reader", count, return_immediately=True, verify=self.verify)


@pytest.fixture(scope="module")
def authority(tmp_path_factory) -> Authority:
    return Authority(tmp_path_factory.mktemp("ca"))


@pytest.fixture
def service(authority):
    made = Service(authority)
    with made.web:
        yield made


def test_what_the_library_publishes_it_pulls_in_order_until_it_is_acknowledged(service):
    assert service.publish("one", "two", "three", type="metric_data") == {"messageIds": ["0", "1", "2"]}
    for _ in range(2):
        first, second = service.pull(2)
        assert [first[0], second[0]] == ["projects/EGI/subscriptions/reader:0", "projects/EGI/subscriptions/reader:1"]
        assert [each[1].get_data() for each in (first, second)] == [b"one", b"two"]
    message = first[1]
    assert (message.get_attr(), message.get_msgid()) == ({"type": "metric_data"}, "0")
    assert message.get_publishtime() == "2015-11-30T10:12:30.25Z"
    assert service.consumer().ack_sub("reader", [first[0], second[0]], verify=service.verify)
    [(_, third)] = service.pull(5)
    assert third.get_data() == b"three"


def test_an_acknowledgement_that_comes_too_late_is_a_timeout_and_the_message_comes_again(service):
    service.publish("one")
    [(identity, _)] = service.pull()
    service.clock.now += ACK_S + 1
    with pytest.raises(AmsTimeoutException, match="ack timeout"):
        service.consumer().ack_sub("reader", [identity], verify=service.verify)
    assert [message.get_data() for _, message in service.pull()] == [b"one"]


@pytest.mark.parametrize(
    ("token", "project", "topic", "code", "says"),
    [
        ("pLaNtEd-other", "EGI", "metric_data", 401, "Unauthorized"),
        ("pLaNtEd-other", "OTHER", "metric_data", 404, "project doesn't exist"),
        ("", "EGI", "other", 404, "Topic doesn't exist"),
        ("", "EGI", "no.name", 400, "Invalid topic name"),
    ],
)
def test_a_request_is_refused_as_ams_does_and_in_that_order(service, token, project, topic, code, says):
    with pytest.raises(AmsServiceException) as refused:
        service.consumer(token, project).publish(topic, AmsMessage(data="x"), verify=service.verify)
    assert (refused.value.code, refused.value.msg) == (code, f"While trying the [topic_publish]: {says}")


def test_a_token_may_do_what_it_may_and_no_more(service):
    service.token = service.ams.allow(planted.secret("reader"), "consume")
    with pytest.raises(AmsServiceException, match="FORBIDDEN"):
        service.publish("x")
    assert service.pull() == []


def test_what_came_before_a_message_that_is_too_large_is_published(service):
    with pytest.raises(AmsServiceException, match="Message size is too large") as refused:
        service.publish("small", "x" * MAX_STORED_BYTES)
    assert refused.value.code == 413
    assert [message.get_data() for _, message in service.pull(5)] == [b"small"]


@pytest.mark.parametrize(
    ("code", "kind"),
    [(502, AmsBalancerException), (503, AmsBalancerException), (504, AmsTimeoutException), (408, AmsTimeoutException)],
)
def test_the_balancer_says_it_by_a_page(service, code, kind):
    service.ams.faults.on("balancer", code=code)
    with pytest.raises(kind, match=f"<h1>{code} "):
        service.publish("x")
    assert service.ams.published() == []


def test_an_attribute_with_a_quote_is_stored_so_that_nobody_can_read_on(service):
    service.publish("x", name='a"b')
    with pytest.raises(AmsServiceException, match="invalid JSON Structure"):
        service.pull()


def test_attributes_are_texts(service):
    body = json.dumps({"messages": [{"attributes": {"n": 1}, "data": "eA=="}]})
    consumer = service.consumer()
    with pytest.raises(AmsServiceException, match="Invalid Message Arguments"):
        url = f"https://localhost:{service.web.port}/v1/projects/EGI/topics/metric_data:publish"
        consumer.do_post(url, body, "topic_publish", verify=service.verify)
