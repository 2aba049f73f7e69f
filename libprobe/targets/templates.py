"""The templates that an endpoint offers, and the one that its registration in the GOCDB means."""

from __future__ import annotations

from libprobe.failures import BadData, Misconfigured
from libprobe.formats.occi import vocabulary as occi
from libprobe.formats.occi.query import Category, nearest, resolve
from libprobe.text import number_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

KINDS = {"image": occi.OS_TPL, "resource": occi.RESOURCE_TPL}
"""What a template of each option, --image and --resource, derives from."""


def registered(
    base: str,
    option: str,
    wanted: str,
    offered: list[Category],
    who_chose: Callable[[str, str], str] | None = None,
) -> Category:
    """The template that is meant. option: `image` or `resource`.

    who_chose: tells by which option the operator chose it, empty for the site by its registration in the GOCDB; asked
               only if it is not offered.
    Raises: BadData, naming what is offered instead; Misconfigured where it was the operator's choice.
    """
    found = resolve(wanted, offered)
    if found:
        return found
    near = ", ".join(nearest(wanted, offered))
    if who_chose and (by := who_chose(option, wanted)):
        raise Misconfigured(
            f"{base}: has no {option} {wanted}, which {by} names, among the "
            f"{number_of(len(offered), 'template')} it offers" + (f"; nearest: {near}" if near else ""),
            remedy=f"correct {by}; the site is not to blame",
        )
    raise BadData(
        f"{base}: registered {option} {wanted} is not among the {number_of(len(offered), 'template')} offered"
        + (f"; nearest: {near}" if near else ""),
        remedy="correct the URL in the GOCDB",
    )
