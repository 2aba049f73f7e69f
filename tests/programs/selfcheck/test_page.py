"""The web page: what is on it, and that nothing a probe, a site or the GOCDB says can do anything there."""

from __future__ import annotations

import base64
import hashlib
import html
import re
from datetime import UTC, datetime, timedelta
from html.parser import HTMLParser

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from libprobe.formats.plugin_output import PerformanceValue
from libprobe.programs.selfcheck import page
from libprobe.programs.selfcheck.results import EarlierRun, JobResult, MetricJob, RunningDowntime, SelfCheckRun
from tests import browser

NOW = datetime(2026, 11, 23, 7, 30, tzinfo=UTC)
JOB = MetricJob(
    site="EXAMPLE-CLOUD",
    hostname="cloud.example.org",
    service_type="eu.egi.cloud.vm-management.occi",
    url="https://cloud.example.org:8787/?image=a&resource=b",
    roc="AsiaPacific",
    metric="eu.egi.cloud.OCCI-VM",
    docurl="https://docs.example.org/occi?a=1&b=2",
    argv=("check",),
    timeout_s=300.0,
)
RESULT = JobResult(JOB, 0, "VM active after 41.2 s", "", (), (), 45.0, NOW)
VOID = {"meta", "br", "link", "img", "input", "hr"}
SVG = {"svg", "title", "rect", "line", "polyline", "circle"}


class Reader(HTMLParser):
    """Collects elements, their attributes and the text, and insists on elements that are closed in order."""

    def __init__(self, document: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.open: list[str] = []
        self.feed(document)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if self.open[-1:] != ["style"]:
            self.text += data

    def of(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.elements if name == tag]


def a_run(*results: JobResult, **fields: object) -> SelfCheckRun:
    made = SelfCheckRun(
        "EXAMPLE-CLOUD", results or (RESULT,), NOW, 45.2, "nagios.example.org", "https://goc.example.org/"
    )
    return made._replace(**fields)


def hostile(text: str) -> SelfCheckRun:
    """A run in which everything that comes from outside is that text."""
    downtime = RunningDowntime(text, text, NOW + timedelta(hours=1), text)
    job = JOB._replace(
        site=text, hostname=text, service_type=text, url=text, metric=text, docurl=text, downtime=downtime, roc=text
    )
    performance = (
        PerformanceValue(text, 1.0, "s", "1", "2", None, None),
        PerformanceValue(text, 1.0, text, "", "", None, None),
    )
    result = JobResult(job, 2, text, text, performance, (text, text), 1.0, NOW, (EarlierRun(1.0, 0, 1.0, text),) * 3)
    return SelfCheckRun(
        text, (result, RESULT), NOW, 1.0, text, text, (text,), ((text, text, text),), NOW, cut_short=text
    )


def test_the_page_says_what_is_wrong_why_and_what_to_do():
    bad = RESULT._replace(status=2, sentence="quota used up", remedy="give the VO more", lines=("VM: none",))
    read = Reader(page.render(a_run(bad)))
    for part in (
        "EXAMPLE-CLOUD",
        "CRITICAL",
        "cloud.example.org",
        JOB.url,
        "quota used up",
        "give the VO more",
        "VM: none",
    ):
        assert part in read.text
    [link] = read.of("a")
    assert link == {"href": JOB.docurl, "rel": "noopener noreferrer"}


def test_the_page_loads_nothing_and_its_policy_allows_nothing_but_its_own_style():
    document = page.render(a_run())
    read = Reader(document)
    [policy] = [each["content"] for each in read.of("meta") if each.get("http-equiv") == "Content-Security-Policy"]
    [style] = re.findall(r"<style>(.*?)</style>", document, re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    assert policy == f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"
    assert document.index("Content-Security-Policy") < document.index("<title>")
    assert not {"script", "link", "img", "iframe", "object", "form"} & {name for name, _ in read.elements}
    assert not [name for _, attributes in read.elements for name in attributes if name in ("style", "src", "srcset")]
    assert "url(" not in style
    assert "@import" not in style
    assert {"name": "viewport", "content": "width=device-width, initial-scale=1"} in read.of("meta")


HOSTILE = [
    "<script>document.documentElement.setAttribute('data-pwned','1')</script>",
    "\"><img src=x onerror=\"document.documentElement.setAttribute('data-pwned','1')\">",
    "</style><script>document.documentElement.setAttribute('data-pwned','1')</script>",
    "'><svg onload=\"document.documentElement.setAttribute('data-pwned','1')\">",
    "</title></pre></summary><base href=//evil.example/><meta http-equiv=refresh content=0;url=//evil.example/>",
    "javascript:document.documentElement.setAttribute('data-pwned','1')",
    "https://x/\" onmouseover=\"document.documentElement.setAttribute('data-pwned','1')",
    "&lt;script&gt;&#60;script&#62;",
    "\x00\x1b[31m\u202e\ud800 --><!-- <![CDATA[",
]


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_text_makes_no_element_and_no_attribute(text):
    check_structure(text)


@settings(max_examples=60, deadline=None)
@given(st.text() | st.text(alphabet="<>\"'&/=-! aonscript;", max_size=60))
def test_no_text_makes_an_element_or_an_attribute(text):
    check_structure(text)


def check_structure(text: str) -> None:
    harmless = Reader(page.render(hostile("harmless")))
    read = Reader(page.render(hostile(text)))
    known = {name for name, _ in harmless.elements} | {"a", "br"}
    assert {name for name, _ in read.elements} <= known
    allowed = {
        *("class", "id", "href", "rel", "lang", "charset", "http-equiv", "content", "name", "role", "aria-label"),
        *("width", "height", "viewbox", "rx", "x1", "x2", "y1", "y2", "cx", "cy", "r", "points", "stroke-width"),
    }
    assert {name for _, attributes in read.elements for name in attributes} <= allowed
    for link in read.of("a"):
        assert re.match(r"#site-\d+$|https?://", link["href"] or "")
    document = page.render(hostile(text)).replace("\n", "")
    assert all(char.isprintable() for char in document if char not in "\n")


@pytest.mark.needs("chromium")
def test_in_a_browser_nothing_runs_or_is_loaded_although_it_would_be_without_the_escapes_and_the_policy(tmp_path):
    done = {}
    for name in ("safe", "naked", "unguarded"):
        with browser.Visits() as visits:
            texts = browser.hostile(visits.url)
            document = page.render(hostile(" ".join([*texts, *(text for text in HOSTILE if "refresh" not in text)])))
            if name != "safe":
                document = document.replace("<main>", f"<main>{texts[0]}{texts[4]}", 1)
            if name == "unguarded":
                document = document.replace("Content-Security-Policy", "X-None", 1)
            path = tmp_path / f"{name}.html"
            path.write_text(document)
            shown = browser.dom(path, tmp_path / "profile")
        assert "EXAMPLE-CLOUD" in shown
        done[name] = (browser.is_pwned(shown), visits.paths != [])
    assert done == {"safe": (False, False), "naked": (False, False), "unguarded": (True, True)}


WIDTHS = (360, 600, 800, 1000, 1280)
MEASURE = """
addEventListener("load", () => { for (const frame of document.querySelectorAll("iframe")) {
  const page = frame.contentDocument.documentElement;
  const said = [...page.querySelectorAll(".said")].map(each => each.clientWidth);
  document.body.dataset["w" + frame.width] = Math.min(...said) + " " + page.scrollWidth;
}});"""


@pytest.mark.needs("chromium")
def test_in_a_browser_reasons_have_room_and_nothing_sticks_out_on_a_telephone_a_tablet_and_a_desk(tmp_path):
    long = RESULT._replace(status=2, sentence="the certificate of " + "a" * 300, remedy="renew it", lines=("b" * 300,))
    shown = html.escape(page.render(a_run(long, RESULT)), quote=True)
    frames = "".join(f'<iframe width="{each}" height="900" srcdoc="{shown}"></iframe>' for each in WIDTHS)
    (tmp_path / "frames.html").write_text(f"<!DOCTYPE html><body>{frames}<script>{MEASURE}</script></body>")
    seen = browser.dom(tmp_path / "frames.html", tmp_path / "profile")
    found = {
        int(width): (int(said), int(whole)) for width, said, whole in re.findall(r'data-w(\d+)="(\d+) (\d+)"', seen)
    }
    assert set(found) == set(WIDTHS)
    for width, (said, whole) in found.items():
        assert whole <= width
        assert said >= min(280, width * 0.7), found


@pytest.mark.parametrize(
    "url", ["", "javascript:alert(1)", "data:text/html,x", "//x/y", "http://", "https://x/ y", "http://[", "ftp://x/"]
)
def test_only_addresses_of_web_pages_become_links(url):
    read = Reader(page.render(a_run(RESULT._replace(job=JOB._replace(docurl=url)))))
    assert read.of("a") == []
    assert JOB.metric in read.text


def test_several_sites_have_an_overview_with_the_worst_first_and_one_has_none():
    other = RESULT._replace(job=JOB._replace(site="A-SITE"))
    bad = RESULT._replace(status=2)
    read = Reader(page.render(a_run(other, bad, subject="all sites")))
    assert [each["href"] for each in read.of("a") if each["href"].startswith("#")] == ["#site-0", "#site-1"]
    assert [each.get("id") for each in read.of("section")] == ["site-0", "site-1"]
    assert read.text.index("EXAMPLE-CLOUD") < read.text.index("A-SITE")
    assert read.text.rindex("EXAMPLE-CLOUD") < read.text.rindex("A-SITE")
    assert not [each for each in Reader(page.render(a_run(bad))).of("a") if each["href"].startswith("#")]


def test_the_endpoints_of_a_site_that_need_attention_come_first():
    def at(host: str, status: int) -> JobResult:
        return RESULT._replace(job=JOB._replace(hostname=host), status=status)

    text = Reader(page.render(a_run(at("a-fine", 0), at("b-slow", 1), at("c-down", 2), at("d-unknown", 3)))).text
    assert sorted(("a-fine", "b-slow", "c-down", "d-unknown"), key=text.index) == [
        "c-down",
        "d-unknown",
        "b-slow",
        "a-fine",
    ]


def test_plots_tell_in_words_what_they_show():
    past = (EarlierRun(1.0, 0, 2.0), EarlierRun(2.0, 2, 90.0))
    performance = (PerformanceValue("time_to_active", 41.2, "s", "300", "0:600", 0.0, None),)
    read = Reader(page.render(a_run(RESULT._replace(past=past, performance=performance))))
    labels = [each["aria-label"] for each in read.of("svg")]
    assert labels == ["the last 3 runs: 2 OK, 1 CRITICAL; the longest 90 s", "41.2 s"]
    assert [each["class"] for each in read.of("circle")] == ["p0", "p2", "p0"]
    assert len(read.of("polyline")) == 1


@given(
    st.floats(0, 1e6),
    st.lists(st.tuples(st.integers(0, 3), st.floats(0, 1e6)), max_size=30),
    st.lists(st.floats(-1e15, 1e15), max_size=5),
)
def test_plots_stay_within_their_frame(seconds, past, values):
    performance = tuple(PerformanceValue("x", value, "s", "1", "2:3", None, None) for value in values)
    result = RESULT._replace(
        seconds=seconds, past=tuple(EarlierRun(1.0, *each) for each in past), performance=performance
    )
    read = Reader(page.render(a_run(result)))
    for name, limit in (("x1", 140), ("x2", 140), ("width", 140), ("cx", 140), ("cy", 30)):
        for tag, attributes in read.elements:
            if tag in SVG and name in attributes:
                assert 0 <= float(attributes[name]) <= limit


def test_what_changed_and_what_is_in_downtime_is_on_the_page():
    downtime = RunningDowntime(
        "New firmware", "SCHEDULED", NOW + timedelta(hours=1), "https://goc.example.org/portal?id=1"
    )
    changed = RESULT._replace(status=2, past=(EarlierRun(1.0, 0, 1.0),))
    down = RESULT._replace(job=JOB._replace(downtime=downtime, hostname="other.example.org"), status=2)
    read = Reader(page.render(a_run(changed, down, since=NOW, gone=(("S", "old.example.org", "x.Y"),))))
    text = " ".join(read.text.split())
    for part in (
        "Changed since 2026-11-23 07:30 UTC",
        "worse: eu.egi.cloud.OCCI-VM at cloud.example.org: was OK, is CRITICAL",
        "gone: x.Y at old.example.org",
        "In downtime until 2026-11-23 08:30 UTC: New firmware",
        "was OK",
        "1in downtime",
    ):
        assert part in text, part
    assert "https://goc.example.org/portal?id=1" in [each["href"] for each in read.of("a")]


def test_a_site_of_which_nothing_counts_is_not_shown_as_ok():
    downtime = RunningDowntime("New firmware", "SCHEDULED", NOW + timedelta(hours=1), "")
    down = RESULT._replace(job=JOB._replace(downtime=downtime, site="DOWN-SITE"))
    read = Reader(page.render(a_run(down, RESULT, subject="all sites")))
    assert (
        re.findall(r"(DOWN-SITE|EXAMPLE-CLOUD) *(OK|in downtime)", read.text)
        == [
            ("DOWN-SITE", "in downtime"),
            ("EXAMPLE-CLOUD", "OK"),
        ]
        * 2
    )


def test_a_thousand_results_make_a_page_of_a_few_megabytes_at_most():
    results = [RESULT._replace(job=JOB._replace(site=f"SITE-{n}", hostname=f"h{n}")) for n in range(1000)]
    assert len(page.render(a_run(*results, subject="all sites"))) < 3_000_000
