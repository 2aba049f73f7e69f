"""Records are named tuples in all that is asked of them."""

from __future__ import annotations

import pickle
import subprocess
import sys

import pytest

from libprobe.records import Record
from tests.conftest import ROOT, clean_environment


class Point(Record):
    """A place."""

    x: float
    y: float = 0.0
    name: str = "origin"

    @property
    def is_origin(self) -> bool:
        return self == (0.0, 0.0, self.name)


def test_fields_have_names_defaults_and_places():
    point = Point(1.0, name="a")
    assert (point.x, point.y, point.name) == tuple(point) == (1.0, 0.0, "a")
    assert point._replace(x=0.0).is_origin
    assert (repr(point), Point.__doc__) == ("Point(x=1.0, y=0.0, name='a')", "A place.")


def test_a_record_cannot_be_changed():
    with pytest.raises(AttributeError):
        Point(1.0).x = 2.0  # type: ignore[misc]
    with pytest.raises(AttributeError):
        Point(1.0).z = 2.0  # type: ignore[attr-defined]


def test_a_field_without_default_has_to_be_given():
    with pytest.raises(TypeError, match="'x'"):
        Point()  # type: ignore[call-arg]


def test_a_record_can_be_sent_to_another_process():
    assert pickle.loads(pickle.dumps(Point(1.0))) == Point(1.0)


def test_defining_records_does_not_load_typing():
    seen = "import sys, libprobe.records; print('typing' in sys.modules)"
    done = subprocess.run([sys.executable, "-S", "-c", seen], capture_output=True, text=True, env=clean_environment())
    assert done.stdout == "False\n"


def test_what_a_probe_loads_defines_records_only():
    """typing.NamedTuple would make every probe slower, and nothing else would show it."""
    programs = (
        "libprobe/programs/ncg/",
        "libprobe/programs/selfcheck/",
        "libprobe/programs/worker/",
        "libprobe/records.py",
    )
    sources = [
        path for path in (ROOT / "libprobe").rglob("*.py") if not str(path.relative_to(ROOT)).startswith(programs)
    ]
    assert len(sources) > 50
    assert [str(path) for path in sources if "(NamedTuple)" in path.read_text()] == []
