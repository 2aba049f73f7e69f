"""The templates that an endpoint offers, and the one that its registration in the GOCDB means."""

from __future__ import annotations

from libprobe.failures import Asked, BadData, Misconfigured
from libprobe.formats.address import host_port_of
from libprobe.formats.occi import vocabulary as occi
from libprobe.formats.occi.query import Category, nearest, resolve
from libprobe.text import number_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

KINDS = {"image": occi.OS_TPL, "resource": occi.RESOURCE_TPL}
"""What a template of each option, --image and --resource, derives from."""


def find_registered(
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
    near = nearest(wanted, offered)
    if len(offered) == 1:
        instead, also = "not offered", f"the only template is {offered[0].term}"
    else:
        instead = f"not among the {number_of(len(offered), 'template')} offered"
        also = f"nearest: {', '.join(near)}" if near else ""
    asked = Asked(host_port_of(base), f"{base}/-/")
    if who_chose and (by := who_chose(option, wanted)):
        reason = f"{option} {wanted}, which {by} names, {instead}"
        raise Misconfigured(reason, of=asked, link="by", also=also, remedy=f"correct {by}")
    reason = f"registered {option} {wanted} {instead}"
    raise BadData(reason, of=asked, link="by", also=also, remedy="correct the URL in the GOCDB")
