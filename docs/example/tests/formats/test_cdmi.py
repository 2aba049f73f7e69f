from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from libprobe.failures import BadData
from libprobe.formats.cdmi import read_capabilities

ROOT = (
    b'{"objectType": "application/cdmi-capability", "capabilities": {"cdmi_domains": "true", "cdmi_queues": "false"}}'
)


def test_a_capability_counts_when_it_is_switched_on() -> None:
    assert read_capabilities(ROOT) == {"cdmi_domains"}


@pytest.mark.parametrize("body", [b"", b"<html>", b"[]", b"{}", ROOT.replace(b'{"cdmi', b'[{"cdmi')])
def test_anything_else_is_bad_data(body: bytes) -> None:
    with pytest.raises(BadData):
        read_capabilities(body)


@given(st.binary())
def test_no_input_raises_anything_but_bad_data(body: bytes) -> None:
    with contextlib.suppress(BadData):
        read_capabilities(body)
