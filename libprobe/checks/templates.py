"""The templates that an endpoint offers, and the one that its registration in the GOCDB means."""

from __future__ import annotations

from libprobe.failures import BadData
from libprobe.formats import occi
from libprobe.text import number_of

KINDS = {"image": occi.OS_TPL, "resource": occi.RESOURCE_TPL}
"""What a template of each option, --image and --resource, derives from."""


def registered(base: str, option: str, wanted: str, offered: list[occi.Category]) -> occi.Category:
    """The template that the registered URL means. option: `image` or `resource`.

    Raises: BadData, naming what is offered instead.
    """
    found = occi.resolve(wanted, offered)
    if found:
        return found
    near = ", ".join(occi.nearest(wanted, offered))
    raise BadData(
        f"{base}: registered {option} {wanted} is not among the {number_of(len(offered), 'template')} offered"
        + (f"; nearest: {near}" if near else ""),
        remedy="correct the URL in the GOCDB",
    )
