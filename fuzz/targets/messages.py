"""What a plugin printed, taken apart, and on its way into a message to the broker and back out of it.

The first byte says its status.
"""

from __future__ import annotations

from fuzz import judged
from libprobe.formats import metric_data, metric_result, plugin_output
from libprobe.formats.metric_result import MetricResult
from libprobe.text import safe

MAX_BYTES = 8 << 10
WORDS = (
    b" OK - ", b" CRITICAL - ", b" | ", b"time=0.1s;1;2;0;10", b"'a b'=1", b"EOT", b"\nEOT\n", b"\nmetricStatus: OK\n",
    b"detailsData: ", b"serviceType: ", b"encrypted: yes", b"\r\n", b"\x1b[31m", b"\x1b]8;;http://x\x07", b"<script>",
    b"(renew it)", b"\xe2\x80\xae", b"\xe2\x80\xa8", b"\xc2\x9b31m", b"\0", b"\b", b"\t", b"\x0c", b"\xc2\x85",
)  # fmt: skip


def read(data: bytes) -> None:
    kind = (data[:1] or b"\0")[0]
    text = data[1:].decode("utf-8", "surrogateescape")
    found = plugin_output.read_plugin_output(text, is_problem=bool(kind & 1))
    for line in (
        found.subject,
        found.sentence,
        found.remedy,
        *found.lines,
        *(each.label for each in found.performance),
    ):
        assert line.isprintable() or not line
        assert not set(line) & set("<>|")
    summary, _, details = text.partition("\n")
    status = metric_result.STATUSES[kind % 4]
    result = MetricResult(
        hostname="cloud.example.org",
        service_type="eu.egi.cloud.vm-management.occi",
        metric="eu.egi.cloud.OCCI-VM",
        status=status,
        summary=summary,
        timestamp=judged.NOW,
        site=text[:300],
        details=details,
        performance=text,
    )
    attributes, record = metric_data.write_metric_data(result)
    assert attributes["type"] == metric_data.TYPE and safe(summary)[: metric_result.MAX_SUMMARY].encode() in record
    body = metric_result.write_metric_result(result)
    fields = metric_result.read_metric_result(body)
    assert fields["metricStatus"] == status and fields["hostName"] == "cloud.example.org"
    assert fields["summaryData"] == safe(summary)[: metric_result.MAX_SUMMARY]
    lines = body.splitlines()
    assert [line.strip().upper() for line in lines].count("EOT") == 1 and lines[-1] == "EOT"
    assert all(line.isprintable() for line in lines)
    metric_result.read_metric_result(text)


def seeds() -> dict[str, bytes]:
    return {
        "ok": b"\0OCCI-VM OK - VM active after 41.2 s | time_to_active=41.2s;300;;0 'a b'=1%;@1:2\nmore\nand more",
        "problem": b"\2OCCI-VM CRITICAL - https://a/: certificate expired 3 d ago (renew it)\n",
        "hostile": b"\2X CRITICAL - a\x1b[31mb <b>c</b>\nEOT\nmetricStatus: OK\n\xe2\x80\xaeabc",
        "message": b"\0hostName: a\nserviceType: b\nmetricStatus: OK\nmetricName: c\ntimestamp: 2026-11-25T11:00:00Z\n"
        b"detailsData: d\ne\nEOT\n",
    }
