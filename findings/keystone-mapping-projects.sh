#!/bin/bash
# keystone's federated mapping: of two VOs' rules that apply the groups add up, and the projects are those of the last rule alone.
#
# Software:  keystone 30.0.0 (PyPI), the engine that "keystone-manage mapping_engine" tries. Seen 2026-11-30.
# Expected:  whoever is in two VOs gets the groups and the projects of both rules. "not_any_of" holds for a user who has no such
#            claim. A prefix before a claim of several values is put before each of them. What would give a user the name of a
#            list is refused.
# Seen:      groups of both, projects of the last rule, with the schemas 1.0, 2.0 and 3.0; the order of the claims changes nothing.
#            A rule with "not_any_of" does not apply to a user without the claim, who is then refused. "egi-{0}" of two values is
#            one group with the name "egi-['a', 'b']", and "{0}" as a name one user "['x', 'y']".
# Matters:   who joins a second VO gets no role in the project of the first, and no log says so. Give roles by groups, and try each
#            mapping with an assertion of several values, and with one that lacks each claim.
set -eu
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
export HOME=$work

python3 -m venv venv
venv/bin/pip -q --disable-pip-version-check install keystone==30.0.0
venv/bin/python -W ignore - <<'PYTHON'
import sys

import keystone.conf
from keystone import exception
from keystone.federation import utils

keystone.conf.configure()
keystone.conf.CONF([], project="keystone", default_config_files=[])
EGI = {"name": "egi"}
ENTITLEMENT = "OIDC-eduperson_entitlement"


def entitlement(vo):
    return f"urn:mace:egi.eu:group:{vo}:role=member#aai.egi.eu"


def rule(vo):
    """Members of a VO have its group, and its project."""
    return {
        "local": [{"user": {"name": "{0}"}, "group": {"name": vo, "domain": EGI},
                   "projects": [{"name": vo, "roles": [{"name": "member"}]}]}],
        "remote": [{"type": "OIDC-sub"}, {"type": ENTITLEMENT, "any_one_of": [entitlement(vo)]}],
    }  # fmt: skip


def engine(rules, schema="1.0", **claims):
    """The names of user, groups and projects, or what was said instead."""
    mapping = {"rules": rules, "schema_version": schema}
    utils.validate_mapping_structure(mapping)
    try:
        got = utils.create_attribute_mapping_rules_processor(mapping | {"id": "egi"}).process(
            {f"OIDC-{name}": ";".join(values) for name, values in claims.items()}
        )
    except exception.ValidationError as error:
        return str(error)
    return got["user"]["name"], sorted({each["name"] for each in got["group_names"]}), [each["name"] for each in got["projects"]]


def compare(what, got, expected):
    print(f"{what}: {got}")
    if got != expected:
        sys.exit(f"CHANGED: it was {expected}")


A, B = "vo.a.example.org", "vo.b.example.org"
one, two = [entitlement(A)], [entitlement(A), entitlement(B)]
compare("member of A", engine([rule(A), rule(B)], sub=["u"], eduperson_entitlement=one), ("u", [A], [A]))
for schema in ("1.0", "2.0", "3.0"):
    got = engine([rule(A), rule(B)], schema, sub=["u"], eduperson_entitlement=two)
    compare(f"member of A and B, schema {schema}", got, ("u", [A, B], [B]))
compare("rules of B and A", engine([rule(B), rule(A)], sub=["u"], eduperson_entitlement=two), ("u", [A, B], [A]))

remote = [{"type": "OIDC-sub"}, {"type": "OIDC-blocked", "not_any_of": ["true"]}]
unless = [{"local": [{"user": {"name": "{0}"}}], "remote": remote}]
compare("not blocked: false", engine(unless, sub=["u"], blocked=["false"]), ("u", [], []))
got = engine(unless, sub=["u"])
print("without the claim blocked:", got)
if "Could not map any federated user" not in got:
    sys.exit("CHANGED: it was refused")

local = [{"user": {"name": "{0}"}, "groups": "egi-{1}", "domain": EGI}]
prefix = [{"local": local, "remote": [{"type": "OIDC-mail"}, {"type": "OIDC-groups"}]}]
compare("a group, a mail address", engine(prefix, mail=["x"], groups=["a"]), ("x", ["egi-a"], []))
compare("two of each", engine(prefix, mail=["x", "y"], groups=["a", "b"]), ("['x', 'y']", ["egi-['a', 'b']"], []))
PYTHON
