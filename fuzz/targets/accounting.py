"""The accounting portal's page, in pieces, and the judgement of a site by it.

The first byte: size of the pieces, and how the page is judged.
"""

from __future__ import annotations

from pathlib import Path

from fuzz import judged
from libprobe.checks.accounting import SiteAccounting
from libprobe.clients.accounting import FetchedPage
from libprobe.failures import BadData
from libprobe.formats import accounting
from libprobe.targets.sites import AccountedSite

MAX_BYTES = 16 << 10
RECORDED = Path(__file__).parents[2] / "tests/data/apel"
WORDS = (
    b"<table>", b"</table>", b"<tr>", b"<td>", b"<th>", b"</td>", b'<td colspan="64">', b"Site", b"NumberOfMachines",
    b"CloudType", b"LastUpdated", b"Page last updated: ", b"2026-11-25 11:00:00", b"9999-12-31", b"0000-00-00",
    b"lastBuild : ", b"OK [ last published 2 days ago: ", b"WARN ", b"ERROR ", b"Publication Status", b"<!--", b"-->",
    b"<script>", b"</script>", b"<![CDATA[", b"&#0;", b"&#x110000;", b"&nbsp", b"</html>", b"EXAMPLE-SITE", b"1,234",
)  # fmt: skip


class Recorded:
    """A portal whose page is at hand."""

    def __init__(self, page: accounting.AccountingPage, skew: float | None) -> None:
        self._fetched = FetchedPage(page, "https://accounting.example.org/cloudsites2.html", skew)

    def page(self, site: str) -> FetchedPage:
        return self._fetched


def read(data: bytes) -> None:
    size = (data[:1] or b"\0")[0]
    # html.parser begins anew with each piece; a page comes in one, and is cut into slices of 16 KiB
    page = accounting.read_page(judged.pieces(data[1:], max(size * 8 + 1, len(data) >> 9)))
    site = AccountedSite("no-such-site") if size & 1 == 0 and size else AccountedSite("EXAMPLE-SITE", "example")
    skew = (None, 4000.0, -1.0)[size % 3]
    resource = SiteAccounting(
        Recorded(page, skew), site, judged.deadline(), page_age=86400.0 * (size >> 1 & 1), now=lambda: judged.NOW
    )
    judged.check(resource, "page_age", "machines", "record_age")
    try:
        accounting.read_time(data[1:80].decode("utf-8", "replace"))
    except BadData as bad:
        failure = bad
    else:
        return
    raise failure


def seeds() -> dict[str, bytes]:
    table = (RECORDED / "cloudsites2.html").read_bytes()
    return {
        "table": b"\xfd" + table[:4000] + table[-600:],
        "publication": b"\xfd" + (RECORDED / "EXAMPLE-SITE_Pub.html").read_bytes(),
        "pieces": b"\0<p>Page last updated: 2026-11-25 11:00:00</p><table><tr><th>Site<th>NumberOfMachines<th>CloudType"
        b"<th>LastUpdated<tr><td>EXAMPLE-SITE<td>1,234<td>OpenNebula<td>2026-11-24 10:00:00</table></html>",
    }
