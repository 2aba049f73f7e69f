"""Packages of which a probe needs a part only: the rest is not loaded, until somebody asks for it.

What is left out here was measured to matter and is not used: see who calls. Nothing of a package is changed.
"""

from __future__ import annotations

import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import ModuleType
    from typing import Any


def skip_init(name: str) -> ModuleType:
    """Let modules of a package be imported without its `__init__`, which runs when it is asked for a name.

    name: `nagiosplugin`, or `urllib3.http2` inside of a package, which is not loaded by this.
    Returns the package. Does nothing where it is loaded already. Raises: ImportError where it is missing.
    """
    if name in sys.modules:
        return sys.modules[name]
    from importlib.machinery import PathFinder

    spec, path = None, None
    at = ""
    for part in name.split("."):
        at = f"{at}.{part}".lstrip(".")
        spec = PathFinder.find_spec(at, path)
        if spec is None or spec.submodule_search_locations is None:
            raise ImportError(f"{at} is not installed", name=at)
        path = list(spec.submodule_search_locations)
    package = type(sys)(name)
    package.__path__ = path or []
    package.__spec__ = spec
    package.__getattr__ = lambda wanted: _run_init(package, wanted)  # type: ignore[method-assign]
    sys.modules[name] = package
    return package


def _run_init(package: ModuleType, wanted: str) -> Any:
    """Run the package's own `__init__` after all, unless a module of the package is meant."""
    spec = package.__spec__
    if wanted.startswith("__") or spec is None or spec.loader is None or _is_module(package, wanted):
        raise AttributeError(wanted)
    del package.__dict__["__getattr__"]
    spec.loader.exec_module(package)
    return getattr(package, wanted)


def _is_module(package: ModuleType, name: str) -> bool:
    from importlib.machinery import PathFinder

    return PathFinder.find_spec(f"{package.__name__}.{name}", package.__path__) is not None
