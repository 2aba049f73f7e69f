#!/bin/bash
# oslo-config-validator: a value that the service refuses is valid, and so is each misspelt option of [keystone_authtoken].
#
# Software:  oslo.config 10.7.0, openstack-placement 16.0.0, keystonemiddleware 13.0.1 (PyPI). Seen 2026-11-30.
# Expected:  a word where the option is a number or a boolean, or none of the option's choices, is an error: the options that it
#            loads know their types. A misspelt option is an error in each section whose namespace is given. With --check-defaults
#            --fatal-warnings a file whose values are good passes.
# Seen:      "auth_strategy = keystnoe", "allocation_conflict_retry_count = ten", "debug = treu": exit code 0 without a word, with
#            --fatal-warnings too; placement refuses each of them. "auth_ulr" in [keystone_authtoken] has exit code 0.
#            --check-defaults --fatal-warnings ends with 1 for a file of good values.
# Matters:   a configuration that was checked before it is rolled out does not start, or fails at the first request that reads the
#            value. Load it as the service does, before it is restarted.
set -eu
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"

python3 -m venv venv
venv/bin/pip -q --disable-pip-version-check install oslo.config==10.7.0 openstack-placement==16.0.0 keystonemiddleware==13.0.1
cat > good.conf <<'END'
[DEFAULT]
debug = true
[api]
auth_strategy = noauth2
[placement]
allocation_conflict_retry_count = 20
[placement_database]
connection = sqlite://
[keystone_authtoken]
auth_url = https://keystone.example.org/v3
END
cat > load.py <<'END'
"""Read all options of a file as placement does, and print the first one that it refuses."""
import sys

from oslo_config import cfg
from placement import conf

options = cfg.ConfigOpts()
conf.register_opts(options)
try:
    options([], project="placement", default_config_files=sys.argv[1:])
    for group, names in options._groups.items():
        for name in names._opts:
            options[group][name]
except cfg.ConfigFileValueError as error:
    sys.exit(f"refused: {str(error)[:50]}")
except SystemExit:
    sys.exit("refused")
END

validate() {
    venv/bin/oslo-config-validator --namespace placement.conf --namespace oslo.log --namespace keystonemiddleware.auth_token \
        --input-file "$@" > said 2>&1
}

compare() {  # what, exit code, expected exit code
    echo "$1: exit code $2"
    [ "$2" = "$3" ] || { cat said; echo "CHANGED: it was exit code $3"; exit 1; }
}

validate good.conf && code=0 || code=$?
compare "good values" $code 0
sed 's/^allocation_conflict_retry_count/allocation_conflict_retry_cuont/' good.conf > bad.conf
validate bad.conf && code=0 || code=$?
compare "a misspelt option" $code 1
venv/bin/python load.py good.conf > said 2>&1 && code=0 || code=$?
compare "placement reads the good values" $code 0
for change in 's/^debug = .*/debug = treu/' 's/^auth_strategy = .*/auth_strategy = keystnoe/' \
    's/^allocation_conflict_retry_count = .*/allocation_conflict_retry_count = ten/'; do
    sed "$change" good.conf > bad.conf
    validate bad.conf --fatal-warnings && code=0 || code=$?
    compare "$change" $code 0
    if grep -q 'ERROR\|WARNING:oslo_config' said; then cat said; echo "CHANGED: a word was printed"; exit 1; fi
    venv/bin/python load.py bad.conf > said 2>&1 && code=0 || code=$?
    tail -1 said
    compare "  and placement reads it" $code 1
done
sed 's/^auth_url/auth_ulr/' good.conf > bad.conf
validate bad.conf --fatal-warnings && code=0 || code=$?
compare "auth_ulr in [keystone_authtoken]" $code 0
validate good.conf --check-defaults --fatal-warnings && code=0 || code=$?
compare "good values, --check-defaults --fatal-warnings" $code 1
