#!/bin/bash
# rally: of iterations that all failed the average is 0.00 s, which passes each SLA of the duration; so does a misspelt action.
#
# Software:  rally 5.1.1 (PyPI), its scenarios Dummy.dummy and Dummy.dummy_exception. Seen 2026-11-30.
# Expected:  an average of no success is none, and its limit is not met. An action that no iteration has is an error, or its limit is
#            not met.
# Seen:      four iterations, four exceptions: max_avg_duration "0.00s <= 1.00s - Passed", outliers "0 <= 0 - Passed", "rally task
#            start" and "rally task sla-check" end with 0. max_avg_duration_per_atomic of a misspelt action: "0.00s <= 0.01s",
#            passed. failure_rate fails; two criteria that fail are exit codes 2 and 2.
# Matters:   a nightly measurement of how long a VM takes to boot is within its limit at a site where none boots. Add failure_rate to
#            each workload, and read the names of actions from a report.
set -eu
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
export HOME=$work

python3 -m venv venv
venv/bin/pip -q --disable-pip-version-check install rally==5.1.1
cat > rally.conf <<END
[database]
connection = sqlite:///$work/rally.db
END
rally() { timeout 600 venv/bin/rally --config-file rally.conf "$@" < /dev/null; }
rally db create > said 2>&1
rally env create --name example > said 2>&1

compare() {  # exit codes of start and check, workloads, what is said of each of them in their order
    local start=0 check=0 expected=$1 said_of
    printf '{"version": 2, "title": "example", "subtasks": [{"title": "example", "workloads": [%s]}]}' "$2" > task.json
    rally task start task.json > said 2>&1 || start=$?
    rally task sla-check --json > sla 2>> said || check=$?
    echo "exit codes $start and $check:"
    grep -o '"detail": .*' sla || true
    [ "$start $check" = "$expected" ] || { cat said sla; echo "CHANGED: it was $expected"; exit 1; }
    shift 2
    for said_of; do
        grep -q -- "$said_of" sla || { cat said sla; echo "CHANGED: it was $said_of"; exit 1; }
    done
}

workload() {  # scenario, SLA
    printf '{"scenario": {%s}, "runner": {"constant": {"times": 4, "concurrency": 1}}, "sla": {%s}}' "$1" "$2"
}

fails='"Dummy.dummy_exception": {"sleep": 0}'
sleeps='"Dummy.dummy": {"sleep": 0.1}'
compare "0 0" "$(workload "$fails" '"max_avg_duration": 1'), $(workload "$fails" '"outliers": {"max": 0}'), $(
    workload "$sleeps" '"max_avg_duration_per_atomic": {"nova.boot_servre": 0.01}')" \
    "0.00s <= 1.00s - Passed" "outliers 0 <= 0 - Passed" "nova.boot_servre'. 0.00s <= 0.01s"
compare "2 2" "$(workload "$fails" '"failure_rate": {"max": 0}'), $(workload "$sleeps" '"max_avg_duration": 0.01')" \
    "100.00% <= 0.00% - Failed" "<= 0.01s - Failed"
