"""The accounting portal's pages: what browsers would show, however it is marked up."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from libprobe.failures import BadData
from libprobe.formats.accounting import MAX_ROWS, Publication, SiteRow, read_page, read_time

DATA = Path(__file__).parents[1] / "data" / "apel"
HEAD = "<table><tr><th>Site</th><th>NumberOfMachines</th><th>CloudType</th><th>LastUpdated</th></tr>"
ROW = SiteRow("EXAMPLE-CLOUD", 1492, "OpenStack", "2015-12-01 05:40:44")


def page(text: str):
    return read_page([text.encode()])


def test_the_page_of_2015_is_read_whole():
    found = read_page([(DATA / "cloudsites2.html").read_bytes()])
    assert found.updated == datetime(2015, 12, 1, 7, 30, 8, tzinfo=UTC)
    assert (len(found.rows), found.is_table, found.is_complete) == (32, True, True)
    assert found.rows[0] == SiteRow("100IT", 17920, "OpenStack", "2015-12-01 00:09:28")
    assert found.rows[-1] == SiteRow("UPV-GRyCAP", 8241, "OpenNebula", "2015-12-01 06:15:09")


@pytest.mark.parametrize("size", [1, 7, 100, 1 << 16])
def test_the_pieces_in_which_a_page_comes_make_no_difference(size):
    data = (DATA / "cloudsites2.html").read_bytes()
    pieces = [data[start : start + size] for start in range(0, len(data), size)]
    assert read_page(pieces) == read_page([data])


def test_the_page_of_one_site_is_known_by_its_status():
    found = read_page([(DATA / "EXAMPLE-SITE_Pub.html").read_bytes()])
    assert found.publications == (Publication("OK", "2021-02-27", "OK [ last published 2 days ago: 2021-02-27 ]"),)
    assert found.updated == datetime(2021, 3, 1, 5, 10, tzinfo=UTC)
    assert not found.is_table
    assert found.is_complete


@pytest.mark.parametrize(
    "row",
    [
        "<tr><td>EXAMPLE-CLOUD</td><td>1492</td><td>OpenStack</td><td>2015-12-01 05:40:44</td></tr>",
        '<tr class="a" onclick="x(\'>\')"><td align=right>EXAMPLE-CLOUD</td><td>1492</td><td>OpenStack</td>'
        "<td>2015-12-01 05:40:44</td></tr>",
        "<TR><TD>EXAMPLE-CLOUD</TD><TD>1492</TD><TD>OpenStack</TD><TD>2015-12-01 05:40:44</TD></TR>",
        "<tr>\n<td>\n EXAMPLE-CLOUD\n</td>\r\n<td>1492</td><td>OpenStack</td><td>2015-12-01\n05:40:44</td>\n</tr>",
        "<tr><td>EXAMPLE-CLOUD<td>1492<td>OpenStack<td>2015-12-01 05:40:44",
        "<tr><td>&nbsp;EXAMPLE&#45;CLOUD&nbsp;</td><td>1492</td><td>Open&#x53;tack</td>"
        "<td>2015-12-01&nbsp;05:40:44</td></tr>",
        '<tr><td><a href="/s?a=1&b=<2>">EXAMPLE-CLOUD</a></td><td><b>1492</b></td><td>OpenStack</td>'
        "<td><font color=red>2015-12-01 05:40:44</font></td></tr>",
        "<tr><td>EXAMPLE-CLOUD</td><td>1,492</td><td>OpenStack</td><td>2015-12-01 05:40:44</td><td>more</td></tr>",
        "<tr><th>EXAMPLE-CLOUD</th><td>1 492</td><td>OpenStack</td><td>2015-12-01 05:40:44</td></tr>",
        "<!-- <tr><td>X</td></tr> --><tr><td>EXAMPLE-CLOUD</td><td>1492</td><td>OpenStack</td>"
        "<td>2015-12-01 05:40:44</td></tr>",
        "<td>EXAMPLE-CLOUD</td><td>1492</td><td>OpenStack</td><td>2015-12-01 05:40:44</td></tr>",
    ],
    ids=[
        "plain",
        "attributes",
        "upper-case",
        "lines",
        "no-end-tags",
        "entities",
        "links",
        "more-columns",
        "th",
        "comment",
        "no-tr",
    ],
)
def test_markup_makes_no_difference(row):
    found = page(f"{HEAD}{row}<tr><td>NEXT</td><td>1</td><td>X</td><td>2015-12-01 05:40:44</td></tr></table>")
    assert [each.site for each in found.rows] == ["EXAMPLE-CLOUD", "NEXT"]
    assert found.rows[0] == ROW


def test_columns_are_found_by_their_headers_in_any_order_and_spelling():
    found = page(
        "<table><thead><tr><td>No.</td><td><b>Last&nbsp;Updated</b></td><th>cloud type<th>SITE<th>Number of Machines"
        "</thead><tr><td>1<td>2015-12-01 05:40:44<td>OpenStack<td>EXAMPLE-CLOUD<td>1492</table>"
    )
    assert found.rows == (ROW,)


def test_a_cell_over_several_columns_moves_those_after_it():
    found = page(
        "<table><tr><th colspan=2>Site<th>LastUpdated<tr><td>A<td>x<td>2015-12-01 05:40:44"
        "<tr><td colspan=2>B<td>2015-12-01 05:40:45</table>"
    )
    assert [(row.site, row.updated[-2:]) for row in found.rows] == [("A", "44"), ("B", "45")]


def test_other_tables_around_it_and_within_its_cells_are_not_mixed_with_it():
    found = page(
        "<table><tr><th>Site<th>Contact<tr><td>X<td>x@y</table>"
        f"{HEAD}<tr><td>EXAMPLE-CLOUD<table><tr><td>inner</table></td><td>1492<td>OpenStack<td>2015-12-01 05:40:44"
        "</table><table><tr><td>Y<td>1<td>Z<td>2015-12-01 05:40:44</table>"
    )
    assert found.rows == (ROW,)


def test_rows_of_several_such_tables_are_put_together():
    row = "<tr><td>{}<td>1<td>X<td>2015-12-01 05:40:44</table>"
    assert [each.site for each in page(HEAD + row.format("A") + HEAD + row.format("B")).rows] == ["A", "B"]


def test_an_empty_table_is_a_table_without_rows():
    found = page(f"{HEAD}</table>")
    assert (found.is_table, found.rows, found.is_complete) == (True, (), True)


@pytest.mark.parametrize(
    "text", ["", "hello", "<html><body><h1>It works!</h1></body></html>", "<table><tr><td>a</table>", "\x00\xff<"]
)
def test_what_holds_no_table_of_sites_is_told_apart(text):
    found = page(text)
    assert (found.is_table, found.publications) == (False, ())


def test_a_row_that_the_end_cuts_off_does_not_count():
    whole = f"{HEAD}<tr><td>A<td>1<td>X<td>2015-12-01 05:40:44<tr><td>EXAMPLE-CLOUD<td>1492<td>OpenStack<td>2015-1"
    for text in (whole, whole + "2-01 05:40:44", whole + "2-01 05:40:44</td"):
        found = page(text)
        assert [row.site for row in found.rows] == ["A"]
        assert not found.is_complete
    ended = page(whole + "2-01 05:40:44</body>")
    assert ended.rows[1] == ROW
    assert ended.is_complete


def test_scripts_and_styles_are_no_text():
    found = page(f"<script>document.write('{HEAD}')</script><style>td > a {{}}</style>{HEAD}</table>")
    assert found.is_table
    assert page(f"<script>{HEAD}</script>").is_table is False


@pytest.mark.parametrize(
    ("text", "machines"),
    [("1492", 1492), ("1,234,567", 1234567), ("1.492", 1492), ("1'492", 1492), ("", None), ("many", None),
     ("-3", None), ("1,49", None), ("9" * 30, None), ("\u0661", None)],
)  # fmt: skip
def test_numbers_of_machines_may_be_grouped_and_may_be_none(text, machines):
    [row] = page(f"{HEAD}<tr><td>A<td>{text}<td>X<td>2015-12-01 05:40:44</table>").rows
    assert row.machines == machines


@pytest.mark.parametrize(
    "said",
    [
        "Page last updated: 2015-12-01 07:30:08.621071",
        "<b>Page last updated</b>:<br>2015-12-01\n07:30:08",
        "<p>PAGE LAST UPDATED: 2015-12-01T07:30:08Z</p>",
        "<ul><li>lastBuild : 2015-12-01 07:30:08.00</li></ul>",
    ],
)
def test_the_pages_own_time_is_found_before_and_after_the_table(said):
    expected = datetime(2015, 12, 1, 7, 30, 8, tzinfo=UTC)
    assert page(f"{said}{HEAD}</table>").updated == expected
    assert page(f"{HEAD}</table>{said}").updated == expected


def test_an_impossible_time_of_the_page_is_refused():
    with pytest.raises(BadData, match=r"impossible time: '2015-13-41 07:30:08' is a time that does not exist"):
        page("Page last updated: 2015-13-41 07:30:08")


@pytest.mark.parametrize(
    ("text", "instant"),
    [
        ("2015-12-01 05:40:44", datetime(2015, 12, 1, 5, 40, 44, tzinfo=UTC)),
        ("2015-12-01 05:40:44.123456", datetime(2015, 12, 1, 5, 40, 44, tzinfo=UTC)),
        ("2015-12-01T05:40:44Z", datetime(2015, 12, 1, 5, 40, 44, tzinfo=UTC)),
        (" 2015-12-01 05:40:44 UTC ", datetime(2015, 12, 1, 5, 40, 44, tzinfo=UTC)),
        ("2016-02-29", datetime(2016, 3, 1, tzinfo=UTC)),
        ("2015-12-01 05:40", datetime(2015, 12, 1, 5, 40, tzinfo=UTC)),
        ("2015-12-01 05:40:44+01:00", datetime(2015, 12, 1, 4, 40, 44, tzinfo=UTC)),
        ("29 Feb 2016", datetime(2016, 3, 1, tzinfo=UTC)),
    ],
)
def test_times_are_utc_and_a_day_stands_for_its_end(text, instant):
    assert read_time(text) == instant


@pytest.mark.parametrize(
    "text",
    ["1999-99-99 77:88:99", "2015-02-29", "0000-01-01 00:00:00", "9999-12-31", "", "never", "01/12/2015", "1448948444",
     "2015-12-01 05:40:44 CET", "2015-12-01 24:00:00", "31 Dec 9999",
     "\u0662\u0660\u0661\u0665-12-01"],
)  # fmt: skip
def test_other_and_impossible_times_are_refused(text):
    with pytest.raises(BadData):
        read_time(text)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("<table>" * 40, "tables within tables"),
        ("<!--" * 100_000, "does not end"),
        ("<a " + 'b="' * 100_000, "does not end"),
        (HEAD + "<tr><td>a" * (MAX_ROWS + 2), "rows"),
    ],
)
def test_a_hostile_page_is_refused_in_good_time(text, why):
    began = time.process_time()
    with pytest.raises(BadData, match=why):
        page(text)
    assert time.process_time() - began < 3


def test_long_cells_and_many_cells_are_cut():
    found = page(f"{HEAD}<tr>{'<td>' * 500}{'x' * 100_000}</tr><tr><td>{'a' * 5000}<td>1<td>X<td>2015-12-01</table>")
    assert all(len(row.site) <= 1000 for row in found.rows)


@pytest.mark.parametrize(
    "section", ["<![C30", "<![ x", "<![]>", "<![IGNORE[x]]>", "<![if IE]>", "<![CDATA[x]]>", "<![&[>"]
)
def test_a_marked_section_of_any_kind_is_a_comment(section):
    page = read_page([f"<table><tr><th>Site<th>LastUpdated<tr><td>A{section}><td>2026-01-01</table>".encode()])
    assert page.is_table


@given(st.lists(st.sampled_from([*"<>/&;!-\"'= \n", "table", "tr", "td", "th", "Site", "LastUpdated", "<td>", "<tr>",
                                 "<table>", "</table>", "2015-12-01 00:00:00", "&nbsp;", "<script>", "é", "\0",
                                 "Publication  Status", "OK [ last published"]), max_size=60))  # fmt: skip
def test_nothing_but_a_page_or_bad_data_comes_of_markup(parts):
    try:
        found = page("".join(parts))
    except BadData:
        return
    assert all(row.site for row in found.rows)


@given(st.binary(max_size=400))
def test_nothing_but_a_page_or_bad_data_comes_of_bytes(data):
    try:
        read_page([data])
    except BadData:
        pass


@given(st.text(max_size=40))
def test_nothing_but_a_time_or_bad_data_comes_of_text(text):
    try:
        assert read_time(text).tzinfo is UTC
    except BadData:
        pass
