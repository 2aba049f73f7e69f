"""The life cycle from within: what no executable can be made to do."""

from __future__ import annotations

import json
import re
import time
from contextlib import AbstractContextManager, nullcontext
from itertools import pairwise

import pytest

from fuzz.targets import occi_session
from libprobe.checks import compute, occi_vm
from libprobe.checks.occi_vm import ComputeLifeCycle, Contextualisation, smallest_template
from libprobe.checks.removal import Remover
from libprobe.clients.refusals import UNKNOWN_MACHINE, QuotaRefused, Refusal, ServerError
from libprobe.deadline import Deadline
from libprobe.failures import CRITICAL, BadData, EndpointFailure, NoAnswer
from libprobe.formats.occi.entity import Entity
from libprobe.formats.occi.query import Category, Model, read_model_json
from libprobe.formats.occi.vocabulary import COMPUTE
from libprobe.probe import cli
from libprobe.probe.settings import Settings
from libprobe.state.files import StateDirectory
from libprobe.state.journal import SUFFIX, UNSEEN_GRACE_S, UNSEEN_LOOKS, VOLUME_SUFFIX, Journal
from libprobe.targets import access
from libprobe.targets.topology import find_occi
from libprobe.text import number_of
from tests.conftest import at
from tests.federation.occi import DIALECTS
from tests.federation.occi.renderings import Style, Writer
from tests.federation.ports import free_port
from tests.pace import AMPLE_S


@pytest.fixture
def life(federation, tmp_path):
    """A life cycle at the ooi site, ready to be measured."""
    parser = cli.Parser(prog="test", doc="")
    for add in (cli.endpoint, cli.occi, cli.credentials, cli.gocdb):
        add(parser)
    site = federation.site("ooi")
    args = parser.parse_args(
        ["-u", site.url, "--cert", str(federation.proxy), "--ca-path", str(federation.ca_directory)]
    )
    args.settings = Settings()
    state = StateDirectory(str(tmp_path / "state"))
    deadline = Deadline(20)
    endpoint = find_occi(args, deadline, state)
    return ComputeLifeCycle(
        endpoint, access.make_occi_access(args, endpoint.base, deadline), Journal(state), deadline, Contextualisation()
    )


@pytest.mark.parametrize("where", ["_await_active", "_note_active", "examine"])
def test_a_bug_in_the_middle_is_a_bug_and_the_vm_is_removed_all_the_same(federation, life, monkeypatch, where):
    def bug(*_: object) -> None:
        raise ZeroDivisionError("a bug")

    monkeypatch.setattr(life, where, bug)
    with pytest.raises(ZeroDivisionError):
        list(life.probe())
    site = federation.site("ooi")
    assert (len(site.occi.created), site.occi.vms()) == (1, [])


def test_the_wait_between_polls_grows_with_the_time_and_ends_at_ten_seconds(life, monkeypatch):
    """Within a tenth of a second for a fast cloud, within 2 % for a slow one, six times a minute in the end."""
    now = [1000.0]
    polls: list[float] = []
    monkeypatch.setattr(compute.time, "monotonic", lambda: now[0])
    monkeypatch.setattr(life._work_deadline, "sleep", lambda seconds: now.__setitem__(0, now[0] + seconds))
    monkeypatch.setattr(life._work_deadline, "remaining", lambda: 2000.0 - now[0])
    monkeypatch.setattr(life, "_poll", lambda path: (polls.append(now[0] - 1000) or UNKNOWN_MACHINE, None))
    life._asked_at = 1000.0
    entry = life._journal.begin("e", "i")
    entry.note_location("/compute/1")
    assert life._await_active(entry) is None
    gaps = [after - before for before, after in pairwise(polls)]
    assert polls[0] == 0
    assert max(gap for gap, at in zip(gaps, polls, strict=False) if at < 10) <= 0.101
    assert all(gap <= max(0.101, 0.021 * at) for gap, at in zip(gaps, polls, strict=False))
    assert max(gaps) == 10.0
    assert len(polls) < 400


class Passing:
    """Time that passes by sleeping only, and a cloud whose VM looks as it is told to from one second to another."""

    def __init__(self, life, monkeypatch, troubled: tuple[float, float], active_at: float) -> None:
        self.now = 0.0
        self.troubled, self.active_at = troubled, active_at
        monkeypatch.setattr(compute.time, "monotonic", lambda: self.now)
        monkeypatch.setattr(life._work_deadline, "sleep", lambda seconds: setattr(self, "now", self.now + seconds))
        monkeypatch.setattr(life._work_deadline, "remaining", lambda: 300.0 - self.now)
        monkeypatch.setattr(life._occi, "show", self.show)
        life._asked_at = 0.0

    def show(self, path: str) -> Entity:
        if self.troubled[0] <= self.now < self.troubled[1]:
            raise ServerError("the cloud stumbles", 503)
        state = "active" if self.now >= self.active_at else "inactive"
        return Entity("", "", (), {"occi.compute.state": state}, [], "")


@pytest.mark.parametrize("began", [0.0, 40.0, 200.0])
def test_patience_is_counted_from_the_trouble_and_not_from_the_request(life, monkeypatch, began):
    """A cloud that took its time before may stumble as long as one that has just been asked."""
    entry = life._journal.begin("e", "i")
    entry.note_location("/compute/1")
    Passing(life, monkeypatch, (began, began + 0.8 * compute.PATIENCE_S), began + 20)
    assert life._await_active(entry).state == "active"
    cloud = Passing(life, monkeypatch, (began, 1000.0), 1000.0)
    with pytest.raises(ServerError):
        life._await_active(entry)
    assert compute.PATIENCE_S <= cloud.now - began <= compute.PATIENCE_S + 3 * compute.retry_pause(cloud.now) + 2


@pytest.mark.parametrize("said", ["ERROR building the compute instance", "Build of the VM: an Error", "build failed"])
def test_a_500_that_tells_of_a_failed_build_is_no_trouble_that_may_pass(life, monkeypatch, said):
    entry = life._journal.begin("e", "i")
    entry.note_location("/compute/1")

    def show(path: str) -> Entity:
        raise ServerError("the cloud stumbles", 500, said)

    cloud = Passing(life, monkeypatch, (0.0, 0.0), 1000.0)
    monkeypatch.setattr(life._occi, "show", show)
    with pytest.raises(EndpointFailure, match=rf'^VM failed to build: "{said}" on localhost:\d+$'):
        life._await_active(entry)
    assert cloud.now == 0.0


def test_a_path_with_somebody_elses_vm_is_told_and_forgotten(life, monkeypatch):
    entry = life._journal.begin("e", "i")
    entry.note_location("/compute/1")
    Passing(life, monkeypatch, (0.0, 0.0), 0.0)
    theirs = Entity("", "", (), {"occi.compute.state": "active"}, [], "theirs")
    monkeypatch.setattr(life._occi, "show", lambda path: theirs)
    with pytest.raises(BadData) as caught:
        life._await_active(entry)
    assert caught.value.sentence == f"another VM (theirs) given for our new one by {at(life.subject)}"
    assert caught.value.more == ("the other VM: /compute/1",)
    assert entry.path is None


def test_where_somebody_elses_vm_is_at_our_path_ours_is_looked_for_and_both_are_told(life, monkeypatch):
    entry = life._journal.begin("e", "i")
    entry.note_location("/compute/1")
    life._requested.add(entry.title)
    monkeypatch.setattr(life, "_may_be_ours", lambda *_: False)
    monkeypatch.setattr(life, "_find_late", lambda _: None)
    life._remove(entry)
    assert life.details[0] == (1, f"another VM given for our new one by {at(life.subject)}")
    assert (1, "the other VM: /compute/1") in life.details
    assert life.details[-1] == (1, f"no VM {entry.title} to be found; later runs go on looking for it")
    assert entry.path is None


def test_where_the_look_before_the_deletion_takes_all_of_the_time_that_look_is_why_the_vm_stays(life, monkeypatch):
    """A deletion that is begun with no time left would tell of a name that was not resolved, and not of the cloud."""
    entry = life._journal.begin("e", "i")
    entry.note_location("/occi1.1/compute/1")
    life._requested.add(entry.title)
    life._removal_deadline = Deadline(0)
    mute = NoAnswer("no complete answer within 20 s", of=life.asked)

    def show(path: str) -> Entity:
        raise mute

    monkeypatch.setattr(life._occi, "show", show)
    with pytest.raises(NoAnswer) as caught:
        life._remove(entry)
    assert caught.value is mute
    assert entry.path == "/occi1.1/compute/1"


def test_patience_begins_anew_with_each_trouble(life, monkeypatch):
    entry = life._journal.begin("e", "i")
    entry.note_location("/compute/1")
    cloud = Passing(life, monkeypatch, (0.0, 0.0), 100.0)
    troubled = [(at, at + 0.8 * compute.PATIENCE_S) for at in (20.0, 50.0, 80.0)]

    def show(path: str) -> Entity:
        cloud.troubled = next((each for each in troubled if each[0] <= cloud.now < each[1]), (0.0, 0.0))
        return cloud.show(path)

    monkeypatch.setattr(life._occi, "show", show)
    assert life._await_active(entry).state == "active"


class Inactive(Passing):
    """A VM of ooi that stays inactive, and what nova answers to each action."""

    def __init__(self, life, monkeypatch, *answers: str) -> None:
        super().__init__(life, monkeypatch, (0.0, 0.0), 1000.0)
        life._is_ooi = life._is_confirmed_ours = True
        self.answers = iter(answers)
        self.asked: list[tuple[str, float]] = []
        monkeypatch.setattr(life._occi, "trigger_action", self.act)

    def act(self, path: str, action: str) -> None:
        self.asked.append((action, self.now))
        said = next(self.answers)
        if said:
            raise Refusal("refused", 409, f"Cannot '{action}' instance 1 while it is in vm_state {said}")
        if action == "start":
            self.active_at = self.now


def test_what_inactive_means_is_asked_after_twenty_seconds_and_before_the_end(life, monkeypatch):
    entry = life._journal.begin("e", "i")
    entry.note_location("/compute/1")
    cloud = Inactive(life, monkeypatch, "building", "error")
    with pytest.raises(
        EndpointFailure,
        match=r'^VM failed to build: "vm_state error" on localhost:\d+$',
    ):
        life._await_active(entry)
    (first, at), (last, later) = cloud.asked
    assert (first, last) == ("suspend", "suspend")
    assert 20 <= at <= 21
    assert 285 <= later <= 300


def test_a_vm_that_our_question_suspended_is_started_again(life, monkeypatch):
    """It became active between our look and our question."""
    entry = life._journal.begin("e", "i")
    entry.note_location("/compute/1")
    cloud = Inactive(life, monkeypatch, "", "active", "")
    assert life._await_active(entry).state == "active"
    assert [action for action, _ in cloud.asked] == ["suspend", "start", "start"]
    assert life._notes[-1].endswith("was suspended by that and started again")
    [seconds] = [metric.value for metric in life._metrics if metric.name == "time_to_active"]
    assert seconds == cloud.asked[0][1]  # what our question cost is no part of it


def test_a_vm_that_breaks_as_it_is_woken_from_what_our_question_did_is_no_fault_of_the_sites(life, monkeypatch):
    entry = life._journal.begin("e", "i")
    entry.note_location("/compute/1")
    life.needs_active_vm = True
    cloud = Inactive(life, monkeypatch, "", "")
    monkeypatch.setattr(life._occi, "trigger_action", lambda *_: cloud.asked.append(("", cloud.now)))
    broken = Entity("", "", (), {"occi.compute.state": "error"}, [], "")
    monkeypatch.setattr(life._occi, "show", lambda path: broken if cloud.asked else Passing.show(cloud, path))
    assert life._await_active(entry) is None
    assert cloud.now <= cloud.asked[0][1] + compute.WAKE_S + 3
    [said] = [metric.value for metric in life._metrics if metric.name == "outcome"]
    assert (said.status, said.sentence) == (
        3,
        "the VM became active as its state was asked for, was suspended by that and could not be started again, so no "
        f"more was asked of it, on {at(life.subject)}",
    )


@pytest.mark.parametrize("name", sorted(DIALECTS))
def test_ooi_is_known_by_what_it_announces_as_well(name):
    """A proxy may say what it is itself in the Server header."""
    dialect = DIALECTS[name]()
    categories = dialect.categories(dialect.default_templates)
    model = read_model_json(json.dumps(Writer(Style(), str).model_json(categories)).encode())
    assert occi_vm.is_ooi(model, "nginx") == (name == "ooi")
    assert occi_vm.is_ooi(Model(), dialect.server) == (name == "ooi")


def test_each_look_in_vain_for_a_left_over_is_counted_and_so_many_are_enough(life, monkeypatch):
    """A VM that was never seen would else be looked for as long as the state directory lives."""
    life.read_model()
    journal, where = life._journal, (life.endpoint.base, life._owner())
    entry = journal.begin(*where)
    entry.release()
    late = entry.created_at + UNSEEN_GRACE_S + 3600
    monkeypatch.setattr(compute.time, "time", lambda: late)
    for number in range(UNSEEN_LOOKS):
        [left] = journal.leftovers(*where)
        assert (left.title, left.looks) == (entry.title, number)
        left.release()
        life._remove_leftovers()
        assert life._metrics == []
    assert journal.leftovers(*where) == []


def told(life) -> list[tuple[int, str]]:
    return [(each.value.status, each.value.sentence) for each in life._metrics if each.name == "outcome"]


def test_what_earlier_runs_and_an_earlier_owner_left_is_removed_and_counted(federation, life):
    life.read_model()
    site = federation.site("ooi")
    for identity in (life._owner(), "/DC=org/CN=the robot's old name ops"):
        entry = life._journal.begin(life.subject, identity)
        site.occi.add_foreign(entry.title, "ops")
        entry.release()
    life._remove_leftovers()
    assert (life._notes, told(life)) == (["removed 2 VMs that an earlier run had left"], [])
    assert (site.occi.vms(), list(life._journal.entries())) == ([], [])


def test_what_stays_of_an_earlier_run_is_a_warning_that_names_it(life, monkeypatch):
    life.read_model()

    def refuse(*_):
        raise EndpointFailure("not today", of=life.asked)

    monkeypatch.setattr(life._remover, "remove", refuse)
    entry = life._journal.begin(life.subject, life._owner())
    entry.note_location("/compute/1")
    entry.release()
    life._remove_leftovers()
    said = f"VM of an earlier run not removed: not today on {at(life.subject)} ({entry.title}; next run retries)"
    assert (told(life), life._notes) == ([(1, said)], [])
    assert life._quota_holders == [("VM", f"{entry.title} is still there")]
    assert [each.title for each in life._journal.entries()] == [entry.title]


def leave(life, count: int) -> list[str]:
    """What earlier runs left: titles in the order in which the journal has them."""
    for _ in range(count):
        life._journal.begin(life.subject, life._owner()).release()
    entries = life._journal.leftovers(life.subject, life._owner())
    for each in entries:
        each.release()
    return [each.title for each in entries]


def test_each_of_several_left_overs_has_its_share_of_the_time(life, monkeypatch):
    """One whose deletion is refused at each run would else keep the others for ever."""
    life.read_model()
    given: list[tuple[str, float]] = []
    monkeypatch.setattr(life._remover, "remove", lambda entry, until: given.append((entry.title, until.remaining())))
    titles = leave(life, 3)
    life._remove_own(life._journal, Deadline(AMPLE_S))
    assert [title for title, _ in given] == titles
    for (_, seconds), share in zip(given, (3, 2, 1), strict=True):
        assert 0 < seconds <= AMPLE_S / share
    assert given[0][1] > AMPLE_S / 4
    assert told(life) == []


def test_left_overs_that_no_time_was_left_for_are_told_as_that_and_not_as_a_fault_of_the_site(life, monkeypatch):
    life.read_model()
    monkeypatch.setattr(life._remover, "remove", lambda *_: pytest.fail("it was asked for"))
    first, *_ = leave(life, 3)
    assert life._remove_own(life._journal, Deadline(0)) == 0
    said = f"3 VMs of earlier runs not looked for: no time was left ({first} and 2 others; next run retries)"
    assert told(life) == [(1, said)]
    assert len(life._journal.leftovers(life.subject, life._owner())) == 3, "they are free for the next run"


@pytest.mark.parametrize("wanted", [SUFFIX, VOLUME_SUFFIX])
@pytest.mark.parametrize("left", [(SUFFIX,), (VOLUME_SUFFIX,), (VOLUME_SUFFIX, SUFFIX, VOLUME_SUFFIX)])
def test_a_quota_is_filled_only_by_what_is_of_the_kind_that_was_refused(life, monkeypatch, wanted, left):
    """A volume that stays takes no part of a quota of VMs, nor does a VM of a quota of volumes."""

    def entry_of(suffix):
        entry = life._journal.of_kind(suffix).begin(life.subject, "/CN=robot ops")
        entry.note_location("/somewhere/1")
        return entry

    entries = [entry_of(suffix) for suffix in left]
    for each in entries:
        life._note_quota_holder(each, "is still there")
    if wanted == VOLUME_SUFFIX:
        beside = entry_of(VOLUME_SUFFIX)
        monkeypatch.setattr(life, "entries_beside", lambda: [beside])
    outcome = life._judge_failure(QuotaRefused("no quota left", 403, of=life.asked)).value
    in_the_way = [each.title for each in entries if each.kind == wanted]
    said, thing = f"no quota left on {at(life.subject)}", "VM" if wanted == SUFFIX else "volume"
    if in_the_way:
        said += f"; {number_of(len(in_the_way), thing)} of this monitor's own may fill it, so the site is not blamed: "
        said += f"{in_the_way[0]} is still there"
    assert (outcome.status, outcome.sentence) == (3 if in_the_way else 2, said)
    assert [text for _, text in life.details] == [f"in the way: {title} is still there" for title in in_the_way]


@pytest.mark.parametrize(("where", "is_warned"), [("here", True), ("elsewhere", False)])
def test_what_another_owner_or_another_url_has_is_named_with_its_age_and_where_it_is(life, where, is_warned):
    """Runs of the other URL may still remove it: that is a note, and no warning before a day has passed."""
    life.read_model()
    closed = f"https://localhost:{free_port()}/occi1.1"
    entry = life._journal.begin(life.subject if is_warned else closed, "/DC=org/CN=old ops")
    entry.note_location("/compute/1")
    entry.release()
    life._remove_leftovers()
    failed = f"not visible as {life._owner()}" if is_warned else f"connection refused by {at(closed)}"
    there = re.escape(f"({entry.title} at {at(entry.endpoint)}, ")
    said = rf"VM of an earlier run not removed: {re.escape(failed)}.* {there}\d.* old; see fedcloud-leftovers\)"
    [(status, sentence)] = told(life) if is_warned else [(0, note) for note in life._notes]
    assert status == (1 if is_warned else 0)
    assert re.fullmatch(said, sentence), sentence
    assert bool(life._notes) is not is_warned
    assert [each.title for each in life._journal.entries()] == [entry.title]


def template(term: str, title: str = "") -> Category:
    return Category(term, "http://x#", "mixin", title, (), None, (), ())


@pytest.mark.parametrize(
    ("terms", "chosen"),
    [
        (["m1-large", "m1-tiny", "m1-small"], "m1-tiny"),
        (["extra_large", "small", "medium", "large"], "small"),
        (["4cpu-8gb-20dsk", "2cpu-4gb-20dsk", "2cpu-2gb-20dsk"], "2cpu-2gb-20dsk"),
        (["alpha", "beta"], None),
        ([], None),
    ],
)
def test_the_smallest_of_templates_by_their_names(terms, chosen):
    found = smallest_template([template(term) for term in terms])
    assert (found.term if found else None) == chosen


def test_a_title_tells_the_size_where_the_term_is_a_number():
    assert smallest_template([template("2", "Flavor: m1.small"), template("1", "Flavor: m1.tiny")]).term == "1"


def test_a_long_name_is_not_searched_for_ever():
    began = time.process_time()
    assert smallest_template([template("x", "1" * 60_000)] * 20) is None
    assert time.process_time() - began < 2


def test_templates_that_differ_in_nothing_but_their_place_can_be_compared():
    tiny = template("m1.tiny")
    assert smallest_template([tiny._replace(location="/x/"), tiny]) is not None


def test_a_collection_whose_address_is_no_url_is_looked_for_where_the_specification_has_it(
    federation, life, monkeypatch
):
    query = life._occi._query

    def with_another_address(rendering: str) -> Model:
        model = query(rendering)
        model.kinds[:] = [each._replace(location="http://[") if each.id == COMPUTE else each for each in model.kinds]
        return model

    monkeypatch.setattr(life._occi, "_query", with_another_address)
    assert [metric.name for metric in life.probe() if metric.name == "time_to_active"] == ["time_to_active"]
    assert federation.site("ooi").occi.vms() == []


VM = "/occi1.1/compute/179c425e-ce7f-4657-a06d-9eb5b9cd4f42"
CLOUD = "http://cloud.example.org:8787"


@pytest.mark.parametrize(
    ("session", "line", "values"),
    [
        ("life", "OK - fine", "time_to_active time_to_create time_to_delete time_total"),
        ("unregistered", "OK - fine", "time_to_active time_to_create time_to_delete time_total"),
        ("login", "OK - fine", "time_to_active time_to_create time_to_delete time_total"),
        ("login-v2", "OK - fine", "time_to_active time_to_create time_to_delete time_total"),
        (
            "failed",
            f"CRITICAL - VM went into state error instead of active, no reason told, on {at(CLOUD)}",
            "time_to_create time_to_delete time_total",
        ),
        (
            "refused",
            f'CRITICAL - no quota or capacity left (403 "Quota exceeded") from {at(CLOUD)} when asked to create a VM',
            "time_total",
        ),
        (
            "unlocated",
            f"CRITICAL - connection refused by {at(CLOUD)} when asked to show VMs",
            "time_to_create time_total",
        ),
        ("context", "CRITICAL - the endpoint offers no mixin to hand over user_data", ""),
        ("redirect", f'CRITICAL - redirect to an unusable URL, "http://[", from {at(CLOUD)}', ""),
    ],
)
def test_a_scripted_cloud_is_judged(session, line, values):
    """The first inputs of the fuzzing: whole HTTP answers, a clock that only sleeping moves."""
    report = occi_session.read(occi_session.seeds()[session]).split("\n")
    said, _, performance = report[0].partition(" | ")
    assert said == f"FUZZ {line}"
    labels = [re.fullmatch(r"(\w+)=[\d.]+s;;;0", each) for each in performance.split()]
    assert [label and label[1] for label in labels] == values.split(), performance
    if line == "OK - fine":
        project = ", project ops" if "login" in session else ""
        assert report[1:] == [
            f"endpoint: {CLOUD}/occi1.1",
            "server software: ooi/1.2",
            "image: http://x/os#image (SL6)",
            "size: http://x/res#small (2 CPU, 4 GB)",
            f"acting as: a certificate{project}",
            f"VM: {VM} (egi-sam-monitor-0)",
            "address: none told",
            "",
        ]


@pytest.mark.parametrize("scheme", [b"http://x/r\xc3\xa9s", b"http://x/a,b", b"http://x/\xff\xff\xff"])
def test_a_template_whose_identifier_cannot_be_sent_is_the_sites_fault(scheme):
    data = occi_session.seeds()["life"].replace(b"http://x/res", scheme)
    said = occi_session.read(data).split("\n")[0]
    identifier = f"{scheme.decode('utf-8', 'replace')}#small"
    assert said == f"FUZZ CRITICAL - {identifier!r} offered, which is no identifier of OCCI, by {at(CLOUD)}"


@pytest.mark.parametrize(("option", "kind"), [("image", "os_tpl"), ("resource", "resource_tpl")])
def test_a_cloud_that_offers_no_template_of_a_kind_is_told_by_that(option, kind):
    data = occi_session.seeds()["life"].replace(f"#{kind}".encode(), f"#{'x' * len(kind)}".encode())
    line, *_ = occi_session.read(data).split("\n")
    assert line == f"FUZZ CRITICAL - no {option} template offered at all ({kind}) by {at(CLOUD)}"


def test_a_key_that_the_only_rendering_cannot_carry_is_our_own(monkeypatch):
    """A server that takes text/occi only, where a comma divides."""
    _, model, created, *rest = re.split(rb"^.|\n%%\n", occi_session.seeds()["life"], flags=re.DOTALL)
    model = model.replace(
        b"Category: image;",
        b'Category: public_key; scheme="http://schemas.openstack.org/instance/credentials#"; class="mixin"\n'
        b'Category: user_data; scheme="http://schemas.openstack.org/compute/instance#"; class="mixin"\n'
        b"Category: image;",
    )
    model = re.sub(rb"Content-Length: \d+", b"Content-Length: %d" % len(model.partition(b"\r\n\r\n")[2]), model)
    monkeypatch.setattr(
        occi_session, "Contextualisation", lambda *_: Contextualisation(b"", "ssh-ed25519 AAAA work, home")
    )
    refused = b"HTTP/1.1 415 No\r\nContent-Length: 0\r\n\r\n"
    said = occi_session.read(b"\x16" + occi_session.SEPARATOR.join([model, refused, refused, created, *rest]))
    assert said.startswith("FUZZ UNKNOWN - what the VM is given cannot be sent as text/occi (")
    assert (
        f"has characters that would break the request) to {at(CLOUD)} (take a public key with a plain comment)" in said
    )


def test_two_keys_within_a_second_have_two_names_where_a_key_needs_one(monkeypatch):
    """occi-os refuses a name that its user has given before."""
    dialect = DIALECTS["occi-os"]()
    categories = dialect.categories(dialect.default_templates)
    model = read_model_json(json.dumps(Writer(Style(), str).model_json(categories)).encode())
    times = iter((1000.0, 1000.001))
    monkeypatch.setattr(occi_vm.time, "time", lambda: next(times))
    wanted = Contextualisation(public_key="ssh-ed25519 AAAA")
    names = []
    for _ in range(2):
        [(_, given)] = occi_vm.contextualisation_mixins(model, wanted, dialect.server)
        assert given.pop("org.openstack.credentials.publickey.data") == wanted.public_key
        names += given.values()
    assert names == ["egi-sam-f4240", "egi-sam-f4241"]


class EndlessListing:
    """A cloud that lists one more VM of a title after each one that is removed."""

    def __init__(self) -> None:
        self.deleted: list[str] = []

    def using_deadline(self, deadline: Deadline) -> AbstractContextManager[None]:
        return nullcontext()

    def find(self, title: str, *, gone: str = "", at_most: int = 0) -> str:
        return f"/compute/{len(self.deleted) + 1}"

    def delete(self, path: str) -> bool:
        self.deleted.append(path)
        return True

    def show(self, path: str) -> None:
        return None


def test_a_cloud_that_lists_ever_more_vms_of_one_request_is_told_after_eight():
    cloud = EndlessListing()
    remover = Remover(cloud, CLOUD, lambda entry: None)
    with pytest.raises(EndpointFailure) as caught:
        remover.remove_duplicates("/compute/0", "egi-sam-vm-1", Deadline(AMPLE_S))
    assert caught.value.status == CRITICAL
    assert caught.value.sentence == f"more than 8 VMs of one request made by {at(CLOUD)}"
    assert (remover.duplicates, cloud.deleted) == (8, [f"/compute/{number}" for number in range(1, 9)])
