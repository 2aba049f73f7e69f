from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from libprobe.failures import BadData
from libprobe.formats.metric_result import MetricResult, read_metric_result, write_metric_result
from tests.federation import consumer

NOW = datetime(2015, 11, 30, 10, 12, 30, tzinfo=UTC)
RESULT = MetricResult(
    hostname="cloud.example.org",
    service_type="eu.egi.cloud.vm-management.occi",
    metric="eu.egi.cloud.OCCI-VM",
    status="OK",
    summary="one line",
    timestamp=NOW,
    url="https://cloud.example.org:8787/",
    site="EXAMPLE-CLOUD",
    details="everything else\nmay run over several lines",
    gathered_at="nagios.example.org",
    nagios_name="eu.egi.cloud.OCCI-VM-ops",
    vo="ops",
    fqan="/ops/Role=NULL/Capability=NULL",
)


def lenient(body: str) -> dict[str, str]:
    """As some reader could: every kind of line end counts, blanks around do not, nor does the case of names."""
    fields = {}
    for line in body.splitlines():
        if line.strip() == "EOT":
            break
        name, colon, value = line.strip().partition(":")
        if colon:
            fields[name.strip().lower()] = value.strip()
    return fields


HEADERS = {"nagios_host": "nagios.example.org", "ROC": "AsiaPacific", "result-id": "17", "persistent": "true"}


def argo_reads(body: str) -> dict[str, str]:
    return consumer.fields(HEADERS, body)


def test_a_result_is_written_in_the_order_of_gridmon():
    assert write_metric_result(RESULT) == (
        "serviceURI: https://cloud.example.org:8787/\n"
        "hostName: cloud.example.org\n"
        "serviceFlavour: eu.egi.cloud.vm-management.occi\n"
        "siteName: EXAMPLE-CLOUD\n"
        "metricStatus: OK\n"
        "metricName: eu.egi.cloud.OCCI-VM\n"
        "summaryData: one line\n"
        "gatheredAt: nagios.example.org\n"
        "timestamp: 2015-11-30T10:12:30Z\n"
        "nagiosName: eu.egi.cloud.OCCI-VM-ops\n"
        "role: site\n"
        "voName: ops\n"
        "voFqan: /ops/Role=NULL/Capability=NULL\n"
        "serviceType: eu.egi.cloud.vm-management.occi\n"
        "detailsData: everything else\n"
        "may run over several lines\n"
        "EOT\n"
    )


def test_what_is_empty_is_left_out_but_not_what_senders_must_send():
    fields = read_metric_result(write_metric_result(RESULT._replace(url="", site="", details="", vo="", fqan="")))
    assert fields["serviceURI"] == "cloud.example.org"
    assert fields["siteName"] == ""
    assert not {"voName", "voFqan", "detailsData", "encrypted"} & set(fields)


def test_a_time_in_another_zone_is_sent_as_utc():
    there = NOW.astimezone(timezone(timedelta(hours=9)))
    assert "timestamp: 2015-11-30T10:12:30Z\n" in write_metric_result(RESULT._replace(timestamp=there))


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (
            {"status": "MISSING"},
            "the status of a metric result is 'MISSING', not one of OK, WARNING, CRITICAL, UNKNOWN",
        ),
        ({"hostname": ""}, "the metric result has no hostname"),
        ({"metric": "\n", "service_type": ""}, "the metric result has no service_type and no metric"),
        ({"timestamp": datetime(2015, 11, 30)}, "the time of the metric result has no time zone"),
    ],
)
def test_a_result_that_no_reader_would_take_is_refused(change, sentence):
    with pytest.raises(BadData) as raised:
        write_metric_result(RESULT._replace(**change))
    assert str(raised.value) == sentence


@pytest.mark.parametrize(
    "end", ["EOT", "EOT ", " EOT", "eot", "\x1b[0mEOT", "x\rEOT", "x\x0bEOT", "x\x85EOT", "x\u2028EOT"]
)
def test_no_text_of_a_plugin_ends_the_message_early(end):
    body = write_metric_result(RESULT._replace(details=f"before\n{end}\nafter"))
    assert body.splitlines()[-2] == "after"
    assert [line.strip() for line in body.splitlines()].count("EOT") == 1


@pytest.mark.parametrize(
    "forged",
    [
        "metricStatus: OK",
        " metricStatus: OK",
        "METRICSTATUS: OK",
        "siteName: OTHER",
        "\tmetricName : x",
        "encrypted: yes",
        "voName: other",
    ],
)
def test_no_text_of_a_plugin_sets_another_field(forged):
    result = RESULT._replace(status="CRITICAL", details=f"a\n{forged}", summary=f"down\n{forged}", vo="", fqan="")
    assert "voName" not in argo_reads(write_metric_result(result))
    for fields in (argo_reads(write_metric_result(result)), read_metric_result(write_metric_result(result))):
        assert fields["metricStatus"] == "CRITICAL"
        assert fields["siteName"] == "EXAMPLE-CLOUD"
        assert fields["metricName"] == RESULT.metric
        assert "encrypted" not in fields


@pytest.mark.parametrize("at", ["{}", " {}", "\t{} ", "EOT\n{}", "x\r{}", "x\x0b{}", "\x1b[0m{}", "\u200b{}"])
@pytest.mark.parametrize("header", ["nagios_host", "NAGIOS_HOST", "message-id", "ROC", "destination", "result-id"])
def test_no_text_of_a_plugin_takes_the_place_of_a_header(header, at):
    """ARGO's consumer lets the body win, so a site could put its results under another monitor's name."""
    forged = at.format(f"{header}: monitor.of.others.example.org")
    result = RESULT._replace(details=f"a\n{forged}", summary=f"down\n{forged}", site=forged)
    body = write_metric_result(result)
    assert {name: argo_reads(body)[name] for name in consumer.fields(HEADERS, "")} == consumer.fields(HEADERS, "")
    assert consumer.record(HEADERS, body)["monitoring_host"] == "nagios.example.org"
    assert header.lower() not in lenient(body)


@given(st.text(), st.text(), st.text())
def test_whatever_a_plugin_says_both_readers_get_the_same_fields(summary, details, site):
    body = write_metric_result(RESULT._replace(summary=summary, details=details, site=site))
    fields, theirs = read_metric_result(body), argo_reads(body)
    for name in ("serviceType", "timestamp", "hostName", "metricName", "metricStatus", "gatheredAt"):
        assert fields[name] == theirs[name] == read_metric_result(write_metric_result(RESULT))[name]


@given(st.text() | st.text(alphabet="EOT: \nmetricStatusOK", max_size=80))
def test_a_body_is_read_or_is_bad_data(text):
    try:
        assert read_metric_result(text)["hostName"]
    except BadData:
        pass


def test_a_summary_of_a_megabyte_is_cut():
    assert len(write_metric_result(RESULT._replace(summary="x" * 10**6, details="y\n" * 10**6))) < 20_000
