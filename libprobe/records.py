"""Records: named tuples with types, as `typing.NamedTuple` has them, that cost nothing to define.

`typing.NamedTuple` looks at the type of every field, which it has to compile where annotations are text: 0.2 ms
a field, which makes more of a probe's start than argparse. A type checker takes a Record for a NamedTuple.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import NamedTuple as Record
else:
    from collections import namedtuple

    class _Made(type):
        def __new__(cls, name, bases, body):
            if not bases:
                return super().__new__(cls, name, bases, body)
            fields = list(body.get("__annotations__", ()))
            defaults = [body.pop(field) for field in fields if field in body]
            plain = namedtuple(name, fields, defaults=defaults, module=body["__module__"])
            return type(name, (plain,), {"__slots__": (), **body})

    class Record(metaclass=_Made):
        """Subclass it as `typing.NamedTuple`: fields, defaults, methods and properties."""


__all__ = ["Record"]
