"""One module per target.

read(data):  what the project does with such input. Raises: Failure, or whatever is a defect.
seeds():     inputs to begin with, by name.
WORDS:       what the format is made of, for the fuzzer's dictionary.
MAX_BYTES:   of an input; longer ones are not tried.
"""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from types import ModuleType

NAMES = sorted(path.stem for path in Path(__file__).parent.glob("*.py") if path.stem != "__init__")


def load(name: str) -> ModuleType:
    return import_module(f"fuzz.targets.{name}")
