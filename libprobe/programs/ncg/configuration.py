"""The configuration files of a monitor, written from templates.

A template can print nothing but numbers, plain words and what the functions here have made of them: anything
else stops the run. So a value that no other check refused still cannot become part of a command or of
another definition.
"""

from __future__ import annotations

import hashlib
import os
from typing import NamedTuple

from libprobe.failures import BadData
from libprobe.formats.ncg import is_harmless, is_label, is_mail_address, is_option, is_url
from libprobe.programs.ncg import index
from libprobe.programs.ncg.check_command import SPARE_S, CheckedText, UnsafeText, arguments, check_name
from libprobe.programs.ncg.overrides import STATES, Overrides, ServiceOverride
from libprobe.text import decimal

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from typing import Any

    from jinja2 import Environment

    from libprobe.programs.catalogue import Metric
    from libprobe.programs.ncg.inventory import Inventory, MonitoredHost, MonitoredService

TEMPLATES = os.path.join(os.path.dirname(os.path.abspath(__file__)), "templates")
FORMATS = ("nagios", "icinga2", "nrpe", "sensu", "poem")
MAX_NRPE_COMMAND = 2_000
"""NRPE 4 reads lines of its configuration into 2048 bytes."""

NRPE_PORT = 5666
DEFAULT_PLUGINS = "/usr/lib/nagios/plugins"

_OPTION_NAMES = {"-H": "hostname", "-p": "port", "-u": "url", "-t": "timeout", "-w": "warning", "-c": "critical"}


class MonitorMachine(NamedTuple):
    """One of several machines that run Icinga.

    name: of its endpoint and zone, and in its certificate
    host: where the others reach it; empty: they do not, it reaches them
    port: where it listens, 0 for Icinga's own
    """

    name: str
    host: str = ""
    port: int = 0


class ConfigurationOptions(NamedTuple):
    """How the configuration is to be.

    probes:          directory of the executables; empty for that of each definition
    interval_factor: by which all intervals are multiplied
    contact:         e-mail address
    server:          the monitor's own name, in the custom variable _server
    fqan:            group and role for which metrics act that act for a VO, in _vo_fqan; empty: the VO
    satellites:      Icinga's satellites; none: one machine
    master:          Icinga's master
    stand_alone:     directory for the state of a monitor that runs from these files alone; empty: a part of a
                     monitor that has its own main configuration
    user:            as whom a monitor runs from these files alone
    output:          where the configuration will be
    nrpe:            machine that runs the probes, asked by check_nrpe; None: the monitor runs them
    plugins:         directory of check_nrpe and check_ping
    overrides:       what the operator wants otherwise
    main:            main file of the operator's own Nagios, which is to read it; empty: not known
    """

    probes: str = ""
    interval_factor: float = 1.0
    contact: str = "root@localhost"
    server: str = "localhost"
    fqan: str = ""
    satellites: tuple[MonitorMachine, ...] = ()
    master: MonitorMachine = MonitorMachine("master")
    stand_alone: str = ""
    user: str = "nagios"
    output: str = ""
    main: str = ""
    nrpe: MonitorMachine | None = None
    plugins: str = DEFAULT_PLUGINS
    overrides: Overrides = Overrides()

    def is_called(self, machine: MonitorMachine) -> bool:
        """Whether the others connect to a machine, and not it to them.

        Of two that know each other's address both connect at once, and each closes the other's (Icinga 2.13):
        so the master is called only by satellites that it cannot call.
        """
        return bool(machine.host) and (machine is not self.master or not all(each.host for each in self.satellites))


class ConfigurationWriter:
    """Writes files below a directory; remembers how many."""

    def __init__(self, directory: str, inventory: Inventory, plan: ConfigurationOptions) -> None:
        self.directory = directory
        self.inventory = inventory
        self.plan = plan
        self.files = 0
        self.warnings: list[str] = []
        self._environment = _environment(self)

    def write_index(self, kinds: Iterable[str] = ()) -> None:
        """Write the list of all services, whatever the monitor. Raises: OSError.

        kinds: for which a list of their own is needed, as others lie beside them that are not written anew
        """
        index.write(self.directory, self.inventory.all_entries())
        for kind in kinds:
            index.write(self.directory, self.inventory.entries(), index.list_name(kind))

    def write_nagios(self) -> None:
        """Raises: OSError; so do the others."""
        for name in ("commands", "contacts", "templates", "groups", *self._optional_templates()):
            self._render(f"nagios/{name}.cfg", f"nagios/objects/{name}.cfg")
        for site in self.inventory.sites():
            self._render(
                "nagios/site.cfg", f"nagios/objects/sites/{self.inventory.object_name_of(site)}.cfg", site=site
            )
        if self.plan.stand_alone:
            self._render("nagios/nagios.cfg", "nagios/nagios.cfg")

    def write_icinga2(self) -> None:
        satellites = [each.name for each in self.plan.satellites]
        everywhere = "icinga2/zones.d/global-templates" if satellites else "icinga2/conf.d"
        for name in ("commands", "templates", "groups", *self._optional_templates()):
            self._render(f"icinga2/{name}.conf", f"{everywhere}/{name}.conf")
        # Only the master tells people: a satellite that did as well would tell them twice.
        told_by = f"icinga2/zones.d/{self.plan.master.name}" if satellites else everywhere
        self._render("icinga2/contacts.conf", f"{told_by}/contacts.conf")
        if satellites:
            self._render("icinga2/zones.conf", "icinga2/zones.conf")
        for site in self.inventory.sites():
            place = f"icinga2/zones.d/{satellite_of(site, satellites)}" if satellites else f"{everywhere}/sites"
            self._render("icinga2/site.conf", f"{place}/{self.inventory.object_name_of(site)}.conf", site=site)
        if self.plan.stand_alone:
            for machine in (self.plan.master, *self.plan.satellites):
                is_master = machine is self.plan.master
                name = "icinga2.conf" if is_master else f"satellites/{machine.name}.conf"
                self._render("icinga2/icinga2.conf", f"icinga2/{name}", machine=machine, is_master=is_master)

    def _optional_templates(self) -> list[str]:
        """Templates of files that only some configurations have."""
        return ["nrpe"] * bool(self.plan.nrpe) + ["parents"] * bool(self.plan.overrides.parents)

    def write_nrpe(self) -> None:
        for site in self.inventory.sites():
            self._render("nrpe/site.cfg", f"nrpe/{self.inventory.object_name_of(site)}.cfg", site=site)

    def _render(self, template: str, name: str, **values: object) -> None:
        """Write one file piece by piece, so that a large site is not in memory as a whole."""
        stream = self._environment.get_template(template).stream(**values)
        stream.enable_buffering(64)
        self.write_text(name, stream)

    def write_text(self, name: str, pieces: Iterable[str]) -> None:
        """Write one file. Raises: OSError."""
        path = os.path.join(self.directory, name)
        os.makedirs(os.path.dirname(path), mode=0o755, exist_ok=True)
        with open(path, "x", encoding="utf-8") as file:
            file.writelines(pieces)
            file.flush()
            os.fsync(file.fileno())
        self.files += 1

    # ---- what templates call

    def override_for(self, service: MonitoredService) -> ServiceOverride:
        """What the operator wants otherwise for a service."""
        return self.plan.overrides.override_for(
            metric=service.metric, ngi=service.roc, site=service.site, host=service.host
        )

    def parents_of(self, host: MonitoredHost) -> tuple[str, ...]:
        """The hosts behind which a host is."""
        return self.plan.overrides.override_for(metric="", ngi=host.roc, site=host.site, host=host.name).parents

    def path_of(self, metric: Metric) -> str:
        return os.path.join(self.plan.probes or metric.path, metric.probe)

    def longest_s(self) -> int:
        """How long a monitor must let any command run: a probe that is killed cannot clean up."""
        return int(max(metric.timeout_s for metric in self.inventory.metrics.values())) + SPARE_S

    def used_metrics(self) -> list[Metric]:
        """Metrics that some service has, by name."""
        return [self.inventory.metrics[name] for name in self.inventory.labels_in_use("metric")]

    def used_probes(self) -> list[Metric]:
        """One metric for each executable in use."""
        return list({metric.probe: metric for metric in self.used_metrics()}.values())

    def nrpe_commands(self, site: str) -> Iterator[tuple[str, str]]:
        """(name, command line) of a site's services; one that NRPE could not read is left out, with a warning."""
        for service in self.inventory.services(site):
            line = f"{self.path_of(self.inventory.metrics[service.metric])} {arguments(service)}"
            if len(line) > MAX_NRPE_COMMAND:
                self.warnings.append(
                    f"{site}, {service.host}: left out {service.name} for NRPE: its command is too long"
                )
                continue
            yield check_name(service), CheckedText(line)

    def icinga_arguments(self, probe: str) -> list[tuple[str, str, bool, str]]:
        """(option, variable, whether it takes a value, description) of all that the catalogue passes to a probe."""
        found: dict[str, tuple[bool, str]] = {
            "-t": (True, "seconds within which the whole run ends"),
            "-w": (True, "warning threshold"),
            "-c": (True, "critical threshold"),
            "--config": (True, "settings file"),
        }
        for metric in self.inventory.metrics.values():
            if metric.probe == probe:
                if "NOHOSTNAME" not in metric.flags:
                    found["-H"] = (True, "host name as in the GOCDB")
                for name, option in metric.attributes:
                    found.setdefault(option, (True, f"NCG attribute {name}"))
                for option, value in metric.parameters:
                    found.setdefault(option, (bool(value), "given by the metric definition"))
        return [
            (option, variable(probe, option), takes, description)
            for option, (takes, description) in sorted(found.items())
        ]


def _nagios_states(notify: tuple[str, ...]) -> str:
    return CheckedText(",".join(STATES[each] for each in notify) or "n")


def _icinga_states(notify: tuple[str, ...]) -> str:
    """The states of an array of Icinga; a recovery is told by the state OK."""
    return CheckedText(", ".join("OK" if each == "recovery" else each.capitalize() for each in notify))


def variable(probe: str, option: str) -> str:
    """`occi_vm_hostname`, as Icinga's template library names the variable of an option."""
    return f"{command_name(probe)}_{_OPTION_NAMES.get(option, option.lstrip('-').replace('-', '_'))}"


def command_name(probe: str) -> str:
    return probe.removeprefix("check_").replace("-", "_").replace(".", "_")


def satellite_of(site: str, satellites: Sequence[str]) -> str:
    """The satellite for a site: it changes for few sites when a satellite is added or removed."""
    return max(satellites, key=lambda name: hashlib.sha256(f"{name}\0{site}".encode()).digest())


def icinga_string(value: str) -> str:
    """A string of Icinga's language; what needs an escape in it, or is a macro (`$`), is refused."""
    if not (is_harmless(value) or is_url(value)):
        raise UnsafeText(f"{value!r} in a string")
    return CheckedText(f'"{value}"')


def label(value: str) -> str:
    """The name of a site or an NGI, for people: a value of its own, or within single quotes."""
    if not is_label(value):
        raise UnsafeText(f"{value!r} as a label")
    return CheckedText(value)


def _text(value: str) -> str:
    """A string of Icinga's language that may be a label."""
    return CheckedText(f'"{value}"') if is_label(value) else icinga_string(value)


def _option(value: str) -> str:
    if not is_option(value):
        raise UnsafeText(f"{value!r} as an option")
    return CheckedText(f'"{value}"')


def url(value: str) -> str:
    if not is_url(value):
        raise UnsafeText(f"{value!r} as a URL")
    return CheckedText(value)


def _words(values: Iterable[str]) -> str:
    return CheckedText(",".join(str(_expect_checked(value)) for value in values))


def _strings(values: Iterable[str]) -> str:
    return CheckedText(", ".join(icinga_string(value) for value in values))


def _description(value: str) -> str:
    if not all(char.isalnum() or char in " ._-" for char in value) or not value.isascii():
        raise UnsafeText(f"{value!r} as a description")
    return CheckedText(f'"{value}"')


def _expect_checked(value: Any) -> Any:
    """What every expression of a template passes before it is printed."""
    if isinstance(value, (CheckedText, int)) or (isinstance(value, str) and is_harmless(value)):
        return value
    raise UnsafeText(f"{value!r} cannot be printed")


def _environment(writer: ConfigurationWriter) -> Environment:
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=False,  # not HTML: `finalize` refuses what would have to be escaped
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        finalize=_expect_checked,
    )
    factor = writer.plan.interval_factor
    environment.filters.update(
        string=icinga_string,
        url=url,
        option=_option,
        label=label,
        text=_text,
        object=writer.inventory.object_name_of,
        words=_words,
        strings=_strings,
        description=_description,
        minutes=lambda seconds: CheckedText(decimal(max(seconds * factor, 1.0) / 60, 4)),
        seconds=lambda seconds: CheckedText(f"{decimal(max(seconds * factor, 1.0), 3)}s"),
        command=command_name,
    )
    environment.globals.update(
        inventory=writer.inventory,
        plan=writer.plan,
        writer=writer,
        arguments=arguments,
        variable=variable,
        nrpe_name=check_name,
        nrpe_port=NRPE_PORT,
        nagios_states=_nagios_states,
        icinga_states=_icinga_states,
    )
    return environment


def check_contact(address: str) -> str:
    """An e-mail address that can stand on a command line. Raises: BadData."""
    if not is_mail_address(address):
        raise BadData(f"--contact {address!r} is not a plain e-mail address")
    return address
