"""Which of our metrics an argo-ncg will use, by its configuration directory; NCG itself hardly reports it.

The steps are those of argo-ncg 0.4.18, and the results were compared with its own for the same files: NCG exits with 0
even if it skipped every metric.
"""

from __future__ import annotations

import glob
import json
import os
import re
from typing import NamedTuple

from libprobe.failures import BadData, Misconfigured
from libprobe.files import read_small_file
from libprobe.formats import config_general
from libprobe.formats.ncg import localdb_fields, localdb_problem

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from libprobe.programs.catalogue import Metric

ALL = "all of them"
MAIN = "ncg.conf"
MAX_FILE_BYTES = 4 << 20
MAX_FILES = 10_000
_JSON_FILE, _JSON_DIRECTORY = "/etc/ncg-metric-config.conf", "/etc/ncg-metric-config.d"
_INTERNAL = (
    "srce.certificate.validity-local",
    "generic.disk.usage-local",
    "generic.procs.crond",
    "generic.dirsize.ams-publisher",
    "generic.file.nagios-cmd",
    "argo.ams-publisher.mon",
    "argo.poem-tools.check",
    "argo.ncg.mon",
)
_INTERNAL_BY_SWITCH = {
    "INCLUDE_PROXY_CHECKS": (
        "srce.gridproxy.validity",
        "srce.gridproxy.get",
        "argo.oidc.token-fetch",
        "argo.oidc.refresh-token-validity",
    ),
    "INCLUDE_IGTF_CHECKS": ("srce.cadist.check", "srce.cadist.get-files"),
    "INCLUDE_EGI_CHECKS": ("srce.nagios.good-ses", "org.nordugrid.ARC-CE-monitor", "org.nordugrid.ARC-CE-clean"),
}
_PARENTS = ("SiteSet", "SiteInfo", "LocalMetrics", "MetricConfig", "LocalMetricsAttrs", "ConfigGen")
_MODULES = frozenset({"File", "JSON", "POEM", "WEBAPI", "Hash", "Active", "LDAP", "GOCDB", "EOSC", "Nagios"})


class SkippedMetrics(NamedTuple):
    """metrics: their names, with `for <service type>` where it is not all of them"""

    metrics: list[str]
    reason: str


class NcgFindings(NamedTuple):
    """skipped: with a reason each. remarks: what else does not have the effect that it seems to have."""

    skipped: list[SkippedMetrics]
    remarks: list[str]


def check(directory: str, metrics: Sequence[Metric]) -> NcgFindings:
    """What an NCG with this directory will do with the metrics. Raises: Misconfigured where NCG cannot read it."""
    return _NcgCheck(directory, metrics).carry_out()


class _NcgCheck:
    def __init__(self, directory: str, metrics: Sequence[Metric]) -> None:
        self._metrics = {metric.name: metric for metric in metrics}
        self._reasons: dict[str, list[str]] = {}
        self._remarks: list[str] = []
        path = os.path.join(directory, MAIN)
        try:
            self._conf = config_general.read(path, _text(path), _included, os.environ)
        except BadData as error:
            raise Misconfigured(f"NCG cannot read its configuration: {error.sentence}") from None
        self._is_poem = self._is_webapi = False

    def _skip(self, metrics: Iterable[str], reason: str) -> None:
        self._reasons.setdefault(reason, []).extend(metrics)

    def _skip_all(self, reason: str) -> None:
        self._skip(self._metrics, reason)

    def carry_out(self) -> NcgFindings:
        for name in _PARENTS:
            if len(self._conf.blocks(f"NCG::{name}")) > 1:
                self._skip_all(f"NCG ends with an error, because there are two blocks NCG::{name} (make them one)")
        for name in ("MetricConfig", "LocalMetrics", "LocalMetricsAttrs"):
            self._check_stray_settings(name)
        self._check_generator()
        self._check_definitions(self._block("MetricConfig"))
        self._check_assignments(self._block("LocalMetrics"))
        skipped = [
            SkippedMetrics(_name_or_all(names, self._metrics), reason)
            for reason, names in self._reasons.items()
            if names
        ]
        return NcgFindings(skipped, self._remarks)

    def _block(self, name: str) -> config_general.ConfigBlock:
        return next(iter(self._conf.blocks(f"NCG::{name}")), config_general.ConfigBlock())

    def _check_stray_settings(self, name: str) -> None:
        """Settings beside the blocks of the modules: NCG takes each for a module that it cannot find."""
        block = self._block(name)
        if strays := [each for each in block if not block.blocks(each)]:
            self._skip_all(
                f"{strays[0]} is in NCG::{name}, but in no block within it, so NCG takes it for a module that it "
                "does not have, and leaves out what it comes to after it, in no certain order"
            )

    # ---- what is generated at all

    def _check_generator(self) -> None:
        nagios = self._block("ConfigGen").blocks("Nagios")
        if not nagios:
            self._skip_all("nothing is written, because NCG::ConfigGen has no block Nagios")
        kinds = [each for each in (self._conf.text("PROBES_TYPE") or "all").split(",") if each]
        for own in nagios:
            kinds = own.text("PROBES_TYPE", ",".join(kinds)).split(",")
        if unknown := [each for each in kinds if each not in ("all", "local", "native", "remote")]:
            self._skip_all(f"NCG ends with an error, because PROBES_TYPE is {unknown[0]} (make it all)")
        elif not {"all", "local", "native"} & set(kinds):
            self._skip_all("PROBES_TYPE is remote, so NCG generates no check that is run here (make it all)")

    # ---- definitions

    def _check_definitions(self, block: config_general.ConfigBlock) -> None:
        by_metric, problem = self._read_definitions(block)
        undefined = [name for name in self._metrics if name not in by_metric]
        if undefined and self._is_poem:
            problem = f"neither is it defined there ({problem}), nor may it be in POEM, where NCG asks first"
        self._skip(undefined, f"NCG has no definition of it: {problem}")
        for name in self._metrics:
            if len(places := by_metric.get(name, {})) > 1:
                self._remarks.append(
                    f"{name} is defined in {' and '.join(sorted(places))}, of which NCG makes one, in no certain order"
                )
        wanted = list(_INTERNAL)
        for switch, names in _INTERNAL_BY_SWITCH.items():
            wanted += names if self._conf.is_on(switch) else ()
        missing = [name for name in wanted if name not in by_metric]
        if missing and not self._is_poem:
            self._skip_all(
                f"NCG ends with exit code 2, and ncg.reload.sh throws away what it wrote, as the monitoring host's own "
                f"metrics are not defined: {', '.join(missing)}"
            )
        self._check_attributes(
            {name: _merge_attributes(places) for name, places in by_metric.items() if name in self._metrics}
        )

    def _read_definitions(self, block: config_general.ConfigBlock) -> tuple[dict[str, dict[str, object]], str]:
        """Definitions by metric and file, and why there are no others."""
        found: dict[str, dict[str, object]] = {}
        for poem in block.blocks("POEM"):
            if not poem.is_on("TOKEN"):
                return found, (
                    "NCG::MetricConfig ends for NCG at POEM, which has no TOKEN, so it does not come to JSON "
                    "(give it one, or take the block POEM out)"
                )
            self._is_poem = True
            if not poem.text("POEM_FILE"):
                self._remarks.append("POEM is asked first, and NCG ends with exit code 2 where it does not answer")
            if saved := poem.text("POEM_FILE"):
                for each in _json_of(saved)[0]:
                    _add(found, each, saved)
        blocks = block.blocks("JSON")
        if not blocks:
            return found, "NCG::MetricConfig has no block JSON (add an empty one)"
        return found, "; ".join(dict.fromkeys([self._read_definition_files(own, found) for own in blocks]))

    def _read_definition_files(self, block: config_general.ConfigBlock, found: dict[str, dict[str, object]]) -> str:
        file = block.text("METRIC_CONFIG_FILE") or _JSON_FILE
        directory = block.text("METRIC_CONFIG_DIR") or _JSON_DIRECTORY
        if not os.path.isfile(file):
            return f"{file} is not there, so NCG reads none of {directory} either (put {{}} into it)"
        if not os.path.isdir(directory):
            return f"{directory} is not there (make the directory, and link fedcloud-probes.conf into it)"
        unreadable = []
        for path in [file, *(each for each in _files_below(directory) if each.endswith(".conf"))]:
            documents, problem = _json_of(path)
            for document in documents:
                _add(found, document, path)
            if problem:
                unreadable.append(f"{path} {problem}, and NCG passes over it")
        return "; ".join(unreadable) or f"no *.conf below {directory} has it (link fedcloud-probes.conf into it)"

    def _check_attributes(self, definitions: dict[str, dict[str, dict[str, str]]]) -> None:
        """What NCG drops by a metric's flags and attributes."""
        block = self._block("LocalMetricsAttrs")
        active = block.blocks("Active")
        if not active:
            self._remarks.append("NCG::LocalMetricsAttrs has no block Active, so no port and no URL reaches a probe")
        if any(not each.is_on("INCLUDE_PROXY_CHECKS") for each in active):
            elsewhere = self._conf.is_on("INCLUDE_PROXY_CHECKS") or block.is_on("INCLUDE_PROXY_CHECKS")
            self._skip(
                (name for name, each in definitions.items() if "X509_USER_PROXY" in each.get("attribute", {})),
                "it can use a proxy, and INCLUDE_PROXY_CHECKS=1 does not stand inside the block Active of "
                "NCG::LocalMetricsAttrs" + (", only outside of it" if elsewhere else ""),
            )
        vo = self._conf.text("VO") or "ops"
        for own in self._block("ConfigGen").blocks("Nagios"):
            vo = own.text("VO") or vo
        acted_for = {each.strip().lower() for each in vo.split(",")}
        asked = self._block("SiteInfo")
        known = [each.text("VO") or "ops" for name in ("GOCDB", "WEBAPI", "EOSC") for each in asked.blocks(name)]
        if known and not acted_for & {each.lower() for each in known}:
            self._skip(
                (name for name, each in definitions.items() if each.get("flags", {}).get("VO") not in (None, "", "0")),
                f"it acts for a VO: NCG is to act for {vo}, and takes the sites to support {known[0]} alone (give "
                f"VO={vo} inside GOCDB of NCG::SiteInfo as well)",
            )

    # ---- which service has which metric

    def _check_assignments(self, block: config_general.ConfigBlock) -> None:
        for name in block:
            if name not in _MODULES and block.blocks(name):
                self._remarks.append(f"{name} in NCG::LocalMetrics: a site of that name has the metrics of it alone")
        types, problem = self._read_assignments(block)
        for name, metric in self._metrics.items():
            missing = [each for each in metric.service_types if each not in types.get(name, {})]
            if not metric.service_types or not missing:
                continue
            what = [name] if name not in types else [f"{name} for {each}" for each in missing]
            why = self._why_lost(block, name) or problem
            self._skip(what, why + (", nor may a profile of WEBAPI name it" if self._is_webapi else ""))

    def _read_assignments(self, block: config_general.ConfigBlock) -> tuple[dict[str, set[str]], str]:
        """Service types by metric, and why there are no others."""
        found: dict[str, set[str]] = {}
        for webapi in block.blocks("WEBAPI"):
            if not webapi.is_on("TOKEN"):
                return found, (
                    "NCG::LocalMetrics ends for NCG at WEBAPI, which has no TOKEN, so it reads no localdb (give it "
                    "one, or take the block WEBAPI out)"
                )
            self._is_webapi = True
            self._remarks.append("WEBAPI is asked first, and NCG ends with exit code 2 where it does not answer")
        blocks = block.blocks("File")
        if not blocks:
            return found, "NCG::LocalMetrics has no block File, so NCG reads no localdb"
        for own in blocks:
            paths, problem = _localdb_files(own)
            if problem:
                return found, problem
            for path in paths:
                for line in _text(path).split("\n"):
                    fields = localdb_fields(line)
                    if fields[:1] in (["ADD_SERVICE_METRIC"], ["SERVICE_METRIC"]) and len(fields) > 2:
                        found.setdefault(fields[2], set()).add(fields[1])
                self._remarks += _attribute_problems(path)
        return found, (
            f"no line of a localdb gives it to a service type (link fedcloud-probes.localdb into {_places(blocks)})"
        )

    def _why_lost(self, block: config_general.ConfigBlock, metric: str) -> str:
        """Of a line of a localdb that was to give a metric to services and does not."""
        for own in block.blocks("File"):
            for path in _localdb_files(own)[0]:
                for number, line in enumerate(_text(path).split("\n"), 1):
                    fields = line.strip().split("!")
                    names_it = metric in [each.strip() for each in fields] and not fields[0].startswith("#")
                    if fields[0].endswith("SERVICE_METRIC") and names_it and len(localdb_fields(line)) != len(fields):
                        if line.endswith("\r"):
                            return f"{path} has lines that end with CR and LF, and NCG passes over all metrics in them"
                        return f"{path}, line {number} {localdb_problem(line) or 'is not understood by NCG'}"
        return ""


def _name_or_all(names: list[str], metrics: dict[str, Metric]) -> list[str]:
    names = list(dict.fromkeys(names))
    return [ALL] if set(names) >= set(metrics) else names


def _places(blocks: Sequence[config_general.ConfigBlock]) -> str:
    return next((each.text("DB_DIRECTORY") for each in blocks if each.text("DB_DIRECTORY")), "DB_DIRECTORY")


def _localdb_files(block: config_general.ConfigBlock) -> tuple[list[str], str]:
    file, directory = block.text("DB_FILE"), block.text("DB_DIRECTORY")
    if not file and not directory:
        return [], "File of NCG::LocalMetrics names neither a DB_FILE nor a DB_DIRECTORY"
    for path, is_there, what in ((file, os.path.isfile, "DB_FILE"), (directory, os.path.isdir, "DB_DIRECTORY")):
        if path and not is_there(path):
            return [], f"{what}={path} is not there, so NCG reads no localdb at all"
    return [*([file] if file else []), *(_files_below(directory) if directory else [])], ""


def _attribute_problems(path: str) -> Iterator[str]:
    """Of lines for attributes, of which what is behind a quote or beyond ASCII is lost with all that follows."""
    for number, line in enumerate(_text(path).split("\n"), 1):
        problem = localdb_problem(line.removesuffix("\r"))
        if problem and ("ATTRIBUTE" in line.split("!")[0] or "stops reading" in problem):
            yield f"{path}, line {number} {problem}"
            if "stops reading" in problem:
                return


def _merge_attributes(places: dict[str, object]) -> dict[str, dict[str, str]]:
    found: dict[str, dict[str, str]] = {}
    for definition in places.values():
        for key, value in definition.items() if isinstance(definition, dict) else ():
            if isinstance(value, dict):
                found.setdefault(key, {}).update({str(inner): str(each) for inner, each in value.items()})
    return found


def _add(found: dict[str, dict[str, object]], document: object, path: str) -> None:
    for name, definition in document.items() if isinstance(document, dict) else ():
        found.setdefault(name, {})[path] = definition


def _json_of(path: str) -> tuple[list[object], str]:
    """The objects of a file, or what is wrong with it."""
    try:
        document = json.loads(_text(path))
    except Misconfigured as error:
        return [], error.sentence.removeprefix(f"{path} ")
    except (ValueError, RecursionError) as error:
        return [], f"is not JSON ({error})"
    documents = document if isinstance(document, list) else [document]
    return (documents, "") if all(isinstance(each, dict) for each in documents) else ([], "holds no object")


def _files_below(directory: str) -> list[str]:
    """As NCG finds them: links too, nothing that begins with a dot."""
    found: list[str] = []
    pending = [directory]
    while pending and len(found) < MAX_FILES:
        place = pending.pop()
        for path in sorted(glob.glob(os.path.join(glob.escape(place), "*"))):
            if os.path.isdir(path):
                # a link to a directory above would be walked for ever
                pending += [] if os.path.realpath(path) in os.path.realpath(place) else [path]
            elif os.path.isfile(path):
                found.append(path)
    return found


def _included(name: str, of: str) -> Iterator[tuple[str, str]]:
    """Raises: BadData where NCG ends, as what is named is not there."""
    path = os.path.join(os.path.dirname(of), name)
    if re.search(r"[*?\[]", name):
        paths = sorted(glob.glob(path))
    elif os.path.isdir(path):
        paths = sorted(each for each in glob.glob(os.path.join(glob.escape(path), "*")) if os.path.isfile(each))
    elif not os.path.exists(path):
        raise BadData(f"{of} includes {name}, which is not there")
    else:
        paths = [path]
    for each in paths:
        yield each, _text(each)


def _text(path: str) -> str:
    """Raises: Misconfigured."""
    return read_small_file(path, "", MAX_FILE_BYTES).decode("latin-1")
