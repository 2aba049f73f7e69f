"""nagiosplugin's model without its machinery: Resource, Metric, Context, Result, Summary.

`import nagiosplugin` loads all of the package, with logging, json, tempfile and more for its runtime,
cookies and log files, which costs twice as much as starting Python. A probe uses the model only (the
runtime's part is `libprobe.probe.run`), so the package is entered here without running its `__init__`; what
else is asked of it is loaded in the ordinary way. Source: nagiosplugin 1.4, whose modules of the model
import nothing of the others.
"""

from __future__ import annotations

import sys

from libprobe.judge import packages

MODEL = {
    "context": ("Context", "ScalarContext"),
    "metric": ("Metric",),
    "performance": ("Performance",),
    "range": ("Range",),
    "resource": ("Resource",),
    "result": ("Result", "Results"),
    "state": ("Ok", "Warn", "Critical", "Unknown"),
    "summary": ("Summary",),
}


def load_model() -> None:
    """Let `from nagiosplugin import Metric` and the like find the model, and load nothing else.

    Does nothing where the whole package is loaded already. Raises: ImportError where it is missing.
    """
    if "nagiosplugin" in sys.modules:
        return
    from importlib import import_module

    package = packages.skip_init("nagiosplugin")
    try:
        for module, names in MODEL.items():
            loaded = import_module(f"nagiosplugin.{module}")
            for name in names:
                setattr(package, name, getattr(loaded, name))
    except BaseException:
        del sys.modules["nagiosplugin"]
        raise
