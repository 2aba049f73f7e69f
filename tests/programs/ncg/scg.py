"""What argo-scg makes of the JSON of POEM and of the Web-API: a check for each metric, an entity for each endpoint.

Told from argo-scg 0.5 as it ran on the files of fedcloud-ncg, and without this project's writer. Sensu fills an
entity's labels into a check's command; this gives the words of it, and nothing for a metric that it leaves out.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any


def commands(directory: Path) -> Iterator[tuple[str, str, str]]:
    """(metric, name of the entity, command) of all that is run. directory: with POEM's and the Web-API's answers."""
    metrics: dict[str, Any] = {}
    for each in _document(directory, "metrics"):
        metrics |= each
    values = {
        each["attribute"]: each["value"]
        for of_tenant in _document(directory, "metric_overrides").values()
        for each in of_tenant["global_attributes"]
    }
    [profile] = _document(directory, "metric_profiles")["data"]
    asked = {each["service"]: each["metrics"] for each in profile["services"]}
    for endpoint in _document(directory, "topology"):
        for name in asked.get(endpoint["service"], ()):
            command = _command(metrics[name], endpoint, values)
            if command:
                yield name, f"{endpoint['service']}__{endpoint['hostname']}", command


def _command(metric: dict[str, Any], endpoint: dict[str, Any], values: dict[str, str]) -> str:
    words = [f"{metric['config']['path']}/{metric['probe']}"]
    if "NOHOSTNAME" not in metric["flags"]:
        words.append(f"-H {endpoint['tags'].get('hostname', endpoint['hostname'])}")
    if "NOTIMEOUT" not in metric["flags"]:
        words.append(f"-t {metric['config']['timeout']}")
    for option, value in metric["parameter"].items():
        words.append(f"{option} {value.replace('$_SERVICESITE_NAME$', endpoint['group'])}".strip())
    for attribute, option in metric["attribute"].items():
        if attribute in values:
            words.append(f"{option} {values[attribute]}")
        elif attribute == "URL":
            if "info_URL" not in endpoint["tags"]:
                return ""
            words.append(f"{option} {endpoint['tags']['info_URL']}")
        elif attribute.endswith("_URL"):
            raise AssertionError(f"{attribute}: of several of one metric the last wins, so there is none")
    command = " ".join(words)
    assert not re.search(r"\$|\{\{", command), command
    return command


def _document(directory: Path, name: str) -> Any:
    return json.loads((directory / f"{name}.json").read_text())
