#!/bin/bash
# tosca-parser looks at no constraint of an input: with in_range [1, 4] nine CPUs are valid, and so is a required input without a value.
#
# Software:  tosca-parser 2.15.0 (PyPI). Seen 2026-11-30.
# Expected:  a value that is given for an input, or its default, is held against the constraints of the input and of the property
#            that it goes to (num_cpus: at least 1). A required input that is missing, and a given one that there is none of, are errors.
# Seen:      9 for in_range [1, 4], 3 for valid_values [1, 2, 4] and "16 GB" for at most 4 GB are taken, as a default too, and so is
#            a constraint "in_rnage". num_cpus: 0 is refused, through an input 0 is taken. A required input without a value becomes
#            None, for which there is a line in the log; a value for "cpu" where the input is "cpus" is dropped, the default is used.
# Matters:   what an operator writes into a template for users, at most 4 CPUs each, bounds nothing; a machine of the wrong size
#            comes up, or the site refuses it later. Compare inputs with their constraints before, and with their names.
set -eu
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"

python3 -m venv venv
export PIP_NO_DEPS=1
venv/bin/pip -q --disable-pip-version-check install tosca-parser==2.15.0 PyYAML==6.0.4 python-dateutil==4.0.0 pbr==7.1.3 stevedore==5.10.0
venv/bin/pip -q --disable-pip-version-check install requests==2.34.2 urllib3==2.8.0 idna==3.20 certifi==2026.7.22 charset-normalizer==3.5.3
venv/bin/python -W ignore - <<'PYTHON'
import pathlib
import sys

from toscaparser.common.exception import ValidationError
from toscaparser.tosca_template import ToscaTemplate

TEMPLATE = """
tosca_definitions_version: tosca_simple_yaml_1_0
topology_template:
  inputs:
    cpus: {%s}
  node_templates:
    machine:
      type: tosca.nodes.Compute
      capabilities:
        host: {properties: {%s}}
"""


def host(inputs, properties, given):
    """The properties of the machine that come out, or "refused"."""
    pathlib.Path("template.yaml").write_text(TEMPLATE % (inputs, properties))
    try:
        [machine] = ToscaTemplate("template.yaml", given).nodetemplates
    except ValidationError as error:
        return f"refused: {str(error).split('Error: ')[1].partition(chr(10))[0].partition(chr(9))[0].strip()}"
    return {each.name: each.value for each in machine.get_capability("host").get_properties_objects()}


INPUT = "num_cpus: {get_input: cpus}"
for inputs, properties, given, expected in (
    ("type: integer, default: 1, constraints: [{in_range: [1, 4]}]", INPUT, {"cpus": 9}, {"num_cpus": 9}),
    ("type: integer, default: 9, constraints: [{in_range: [1, 4]}]", INPUT, {}, {"num_cpus": 9}),
    ("type: integer, default: 1, constraints: [{valid_values: [1, 2, 4]}]", INPUT, {"cpus": 3}, {"num_cpus": 3}),
    ("type: integer, default: 1, constraints: [{in_rnage: [1, 4]}]", INPUT, {"cpus": 9}, {"num_cpus": 9}),
    ("type: scalar-unit.size, constraints: [{less_or_equal: 4 GB}]", "mem_size: {get_input: cpus}", {"cpus": "16 GB"}, {"mem_size": "16 GB"}),
    ("type: integer, default: 1", "num_cpus: 0", {}, "refused"),
    ("type: integer, default: 1", INPUT, {"cpus": 0}, {"num_cpus": 0}),
    ("type: integer, default: 1", INPUT, {"cpus": "nine"}, "refused"),
    ("type: integer, required: true", INPUT, {}, {"num_cpus": None}),
    ("type: integer, required: true", INPUT, {"cpu": 2}, {"num_cpus": None}),
    ("type: integer, default: 1", INPUT, {"cpu": 2}, {"num_cpus": 1}),
):
    got = host(inputs, properties, given)
    print(f"cpus: {{{inputs}}}, {properties}, given {given}: {got}")
    if (got if isinstance(got, dict) else got.partition(":")[0]) != expected:
        sys.exit(f"CHANGED: it was {expected}")
PYTHON
