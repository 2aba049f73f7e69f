#!/bin/bash
# sre-beacon: at an availability that is just the target all of the error budget is left, and a budget that is used up is "stable".
#
# Software:  sre-beacon 1.0.0 (PyPI). Seen 2026-11-30.
# Expected:  of a target of 99.9 % in 30 days (43.2 min) 99.95 % leaves half of the budget, 99.9 % none, 99.85 % overdraws it; a latency
#            above its target is not compliant; an objective without a value is named.
# Seen:      99.95 %:                         100 % left, 0 min consumed
#            99.9 %:                          100 % left, 0 min consumed
#            99.95 % as errors (0.05 %):      50 % left, as it is
#            99.85 %:                         50 % left, 21.6 min consumed, "depletes" in 15 days at a burn rate of 1
#            99.8 %:                          0 % left; the projection is "stable"
#            latency of 450 ms, target 200:   compliant
#            a value with a misspelt name:    the objective is not in the report, nor a word of it
# Matters:   a month that has missed its objective by half shows half of the budget as left, and once nothing is left the warning ends.
#            Compute the budget from minutes: 1 - (100 - availability) / (100 - target).
set -eu
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"

python3 -m venv venv
export PIP_NO_DEPS=1
venv/bin/pip -q --disable-pip-version-check install sre-beacon==1.0.0 PyYAML==6.0.4
venv/bin/python - <<'PYTHON'
import json
import sys

from sre_beacon.calculators.slo_calculator import calculate_slos_from_yaml, project_error_budget_depletion

CASES = {  # kind, target, value, and of the result: compliant, % left, minutes consumed, the projection
    "half used": ("availability", 99.9, 99.95, (True, 100, 0, "watch")),
    "all used": ("availability", 99.9, 99.9, (True, 100, 0, "watch")),
    "overdrawn by half": ("availability", 99.9, 99.85, (False, 50, 21.6, "warning")),
    "overdrawn twice": ("availability", 99.9, 99.8, (False, 0, 43.2, "stable")),
    "half, as errors": ("error_rate", 99.9, 0.05, (True, 50, 21.6, "warning")),
    "slow": ("latency", 200, 450, None),
    "misspelt": ("availability", 99.9, 90, None),
}
with open("objectives.yaml", "w") as file:
    json.dump({"slos": [{"name": name, "sli_type": kind, "target": target} for name, (kind, target, *_) in CASES.items()]}, file)
with open("values.yaml", "w") as file:
    values = [{"name": name.replace("misspelt", "mispelt"), "value": each[2], "burn_rate": 1} for name, each in CASES.items()]
    json.dump({"actuals": values}, file)
results = {each.slo.name: each for each in calculate_slos_from_yaml("objectives.yaml", "values.yaml")}
for name, (kind, target, value, expected) in CASES.items():
    if name not in results:
        print(f"{name}: not in the report")
        continue
    each = results[name]
    figures = (round(each.error_budget_remaining_pct, 3), round(each.error_budget_consumed_minutes, 3))
    got = (each.compliant, *figures, project_error_budget_depletion(each)["status"])
    print(f"{name}: {kind} {value}, target {target}: compliant {got[0]}, {got[1]} % left, {got[2]} min consumed, {got[3]}")
    if expected and got != expected:
        sys.exit(f"CHANGED: it was {expected}")
if "misspelt" in results or not results["slow"].compliant:
    sys.exit("CHANGED: the one was left out, the other compliant")
PYTHON
