"""Results on their way to figures: Nagios' log, the states that it retains, messages, ARGO's metric data.

A file is read as all four, as if its first bytes said so.
"""

from __future__ import annotations

import io
import json

from fuzz import judged
from libprobe.programs.availability import argo, messages, nagios
from libprobe.programs.availability.result_import import ResultImporter, ServiceLookup
from libprobe.programs.ncg.index import MonitoredEntry
from libprobe.timelines.algebra import STATUSES

TYPE_CHECKING = False
if TYPE_CHECKING:
    from libprobe.timelines.store import ResultWriter

MAX_BYTES = 8 << 10
WORDS = (
    b"[1790812800] ", b"[01790812800] ", b"SERVICE ALERT: ", b"CURRENT SERVICE STATE: ", b"INITIAL SERVICE STATE: ",
    b"h;s;OK;HARD;1;said\n", b";CRITICAL;SOFT;3;", b"LOG ROTATION: DAILY\n", b"Nagios 4.4.6 starting... (PID=1)\n",
    b"Successfully shutdown... (PID=1)\n", b"(null)", b"servicestatus {\n", b"service {\n", b"}\n", b"host_name=h\n",
    b"service_description=s\n", b"last_check=1790812800\n", b"last_hard_state_change=1790812700\n", b"state_type=1\n",
    b"current_state=2\n", b"has_been_checked=1\n", b"hostName: h\n", b"metricStatus: OK\n", b"\nEOT\n", b"\xff", b"\0",
    b'{"headers": {}, "body": "', b"Obj\x01", b"avro.schema", b"avro.codec", b"deflate", b'{"type": "record"',
)  # fmt: skip
NOW = int(judged.NOW.timestamp())
READERS = (nagios.read_status, messages.read, argo.read)


class Kept:
    """Takes what a store would, and looks at it."""

    open_from = 1_790_812_850

    def __init__(self) -> None:
        self._numbers: dict[tuple[str, str, str], int] = {}
        self._sentences = [""]
        self._newest: dict[int, tuple[int, int]] = {}
        self.may_repeat: set[int] = set()

    def series(self, host: str, service_type: str, metric: str) -> int:
        return self._numbers.setdefault((host, service_type, metric), len(self._numbers) + 1)

    def add(self, series: int, at: int, status: int, sentence: str = "", *, is_day_noted: bool = False) -> bool:
        assert 1 <= series <= len(self._numbers) and 0 <= status < len(STATUSES)
        assert 946_684_800 <= at <= NOW + 300, "a result that cannot be one"
        assert sentence.isprintable() and not set(sentence) & set("<>|")
        return at % 7 != 0

    def add_new(self, values: list[int]) -> None:
        for series, at, status, number in zip(*[iter(values)] * 4, strict=True):
            newest, said = self._newest.get(series, (0, -1))
            assert at >= self.open_from and at > newest, "a result that is not later"
            assert status != said or series in self.may_repeat, "a result that says what the one before it said"
            self._newest[series] = at, status
            self.add(series, at, status, self._sentences[number], is_day_noted=True)

    def number_of_sentence(self, text: str) -> int:
        self._sentences.append(text)
        return len(self._sentences) - 1

    def note_confirmed(self, series: int, since: int, until: int) -> None:
        assert since <= until <= NOW + 300


def _importer() -> ResultImporter:
    writer: ResultWriter = Kept()  # type: ignore[assignment]
    return ResultImporter(writer, ServiceLookup([MonitoredEntry("h", "s", "t", "S", "")]), NOW)


def read(data: bytes) -> None:
    for soft in (False, True):
        importer = _importer()
        importer.soft = soft
        log = nagios.LogReader(importer)
        half = data.find(b"\n", len(data) // 2) + 1
        for part in (data[:half], data[half:]) if half else (data,):  # as two files, one after the other
            log.read(io.BytesIO(part), "log")
        log.end()
        _expect_told(importer)
        assert importer.lines == data.count(b"\n") + (not data.endswith(b"\n") and data != b"")
    for reader in READERS:
        importer = _importer()
        reader(io.BytesIO(data), "file", importer)
        _expect_told(importer)


def _expect_told(importer: ResultImporter) -> None:
    for sentence in importer.problems.sentences():
        assert sentence.isprintable() and len(sentence) < 500


LOG = b"""\
[1790812800] Nagios 4.4.6 starting... (PID=1)
[1790812800] INITIAL SERVICE STATE: h;s;OK;HARD;1;(null)
[1790812900] SERVICE ALERT: h;s;CRITICAL;SOFT;1;refused
[1790812960] SERVICE ALERT: h;s;CRITICAL;HARD;2;ref;used
[1790899200] LOG ROTATION: DAILY
[1790899200] CURRENT SERVICE STATE: h;s;CRITICAL;HARD;2;refused
[1790899100] SERVICE ALERT: h;other;OK;HARD;1;x
[1790899900] Successfully shutdown... (PID=1)
[17908"""
RETAINED = b"""\
# NAGIOS STATE RETENTION FILE
service {
host_name=h
service_description=s
last_check=1790812800
last_hard_state_change=1790812700
current_state=2
last_hard_state=2
state_type=1
has_been_checked=1
plugin_output=refused <b>
}
service {
"""
MESSAGES = b"""\
serviceType: t
hostName: h
metricName: s
metricStatus: OK
summaryData: fine
timestamp: 2026-10-01T00:00:00Z
EOT
{"headers": {}, "body": "hostName: h\\nEOT\\n"}
"""
FIELDS = {
    "timestamp": "2026-10-01T00:00:00Z",
    "service": "t",
    "hostname": "h",
    "metric": "s",
    "status": "OK",
    "summary": "fine",
}


def seeds() -> dict[str, bytes]:
    return {"log": LOG, "retained": RETAINED, "messages": MESSAGES, "avro": _avro()}


def _avro() -> bytes:
    """A file of ARGO's metric data with one record."""
    fields = [{"name": name, "type": "string"} for name in FIELDS]
    schema = json.dumps({"type": "record", "name": "metric_data", "fields": fields}).encode()
    record, sync = b"".join(_text(each.encode()) for each in FIELDS.values()), b"0" * 16
    header = b"Obj\x01" + _long(1) + _text(b"avro.schema") + _text(schema) + _long(0) + sync
    return header + _long(1) + _text(record) + sync


def _text(data: bytes) -> bytes:
    return _long(len(data)) + data


def _long(value: int) -> bytes:
    """Avro's form of a number that is not negative, below 8,192."""
    doubled = value << 1
    return bytes([doubled]) if doubled < 0x80 else bytes([doubled & 0x7F | 0x80, doubled >> 7])
