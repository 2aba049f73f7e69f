"""What the formats have in common of a check: what it is called, its command line, and how long that may run."""

from __future__ import annotations

import shlex

from libprobe.formats.ncg import is_harmless, is_label, is_option

TYPE_CHECKING = False
if TYPE_CHECKING:
    from libprobe.programs.ncg.inventory import MonitoredService

SPARE_S = 30
"""How much longer than its -t a command may run: a probe that is killed cannot clean up."""


class CheckedText(str):
    """Text that may be written to a configuration unchanged."""


class UnsafeText(Exception):
    """A template was about to print what could mean something; this is a bug."""


def check_name(service: MonitoredService) -> str:
    """What a service is called where names are not by host: NRPE's command, Sensu's check."""
    return f"{service.host}_{service.name}"


def arguments(service: MonitoredService) -> str:
    """The options of a service for a command line: quoted where a shell would see more than a word."""
    for option, value in service.options:
        if not is_option(option) or (value and not (is_harmless(value) or is_label(value))):
            raise UnsafeText(f"{option!r} {value!r} in a command")
    return CheckedText(" ".join(shlex.quote(word) for pair in service.options for word in pair if word))
