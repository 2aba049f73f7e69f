"""Times in any form that can mean one instant only."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from libprobe.failures import BadData
from libprobe.formats import dates

AT = datetime(2015, 12, 1, 5, 40, 44, tzinfo=UTC)


@pytest.mark.parametrize(
    "text",
    [
        "2015-12-01 05:40:44", "2015-12-01T05:40:44.123Z", "2015-12-01 05:40:44 GMT", "2015-12-01 05:40:44+00:00",
        "2015-12-01T06:40:44+01:00", "2015-11-30 23:10:44 -06:30", "1 Dec 2015 05:40:44", "Dec 1, 2015 5:40:44 AM",
        "Tue, 1 Dec 2015 05:40:44 GMT", "Tue Dec  1 05:40:44 2015", "1 December 2015, 05:40:44 UTC",
        "1st of Dec 2015 05:40:44",
    ],
)  # fmt: skip
def test_a_time_that_can_mean_one_instant_is_read(text):
    assert dates.read_time(text) == (AT, False)


@pytest.mark.parametrize("text", ["2015-12-01", "1 Dec 2015", "December 1st, 2015", "Tuesday, 1 Dec 2015"])
def test_a_date_alone_is_told_to_be_one(text):
    assert dates.read_time(text) == (datetime(2015, 12, 1, tzinfo=UTC), True)


def test_numbers_of_which_one_alone_can_be_the_month_are_unambiguous():
    assert dates.read_time("13/12/2015 05:40").instant == dates.read_time("12/13/2015 05:40").instant
    assert dates.read_time("13.12.2015").is_day


@pytest.mark.parametrize(
    "text",
    [
        "", "10", "2015", "Dec 2015", "12/2015", "1 Dec", "Tuesday", "05:40", "today", "never", "1448948444",
        "01/12/2015", "01.12.2015 05:40", "1 2 2015", "01/12/15", "2015 2016-12-01",  # which is the month?
        "1 Dec 2015 17h",  # an hour without its minutes
        "Mon, 1 Dec 2015 05:40:44 GMT",  # that was a Tuesday
        "2015-12-01 05:40:44 CET", "2015-12-01 05:40 IST", "2015-12-01 05:40 EST", "2015-12-01 05:40 GMT+3",
        "2015-12-01 05:40 UTC-03:00", "2015-12-01 25:00", "2015-02-30", "2015-13-01", "0000-01-01",
        "\u0662\u0660\u0661\u0665-12-01", "2015-12-01 05:40" + " " * 60 + "x", "31 Dec 9999 23:59 -14:00",
        "1 Dec 2015 and more",
    ],
)  # fmt: skip
def test_what_can_mean_several_or_none_is_refused(text):
    with pytest.raises(BadData, match="is not a time that can be read in one way only"):
        dates.read_time(text)


@given(st.text(alphabet="0123456789 -/:.,TZ+adeghinoprstuyADJMS", max_size=40) | st.text(max_size=40))
def test_nothing_but_a_time_or_bad_data_comes_of_text(text):
    for each in (text, f"2015 {text}", f"1 Dec 2015 {text}"):
        try:
            assert dates.read_time(each).instant.tzinfo is UTC
        except BadData:
            pass
