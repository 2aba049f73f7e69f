#!/bin/bash
# amtool: a silence for several labels in one argument silences nothing, or with "!=" everything. Exit code 0.
#
# Software:  prometheus-alertmanager 0.25.0 of Debian 12. Seen 2026-11-30.
# Expected:  `silence add 'site=A,severity=warning'` is a silence with two matchers, or is refused, and so is "==".
# Seen:      site=A,severity=warning:      one matcher, site="A,severity=warning", which no alert has
#            site==A:                      site="=A"
#            'site!=A,severity=warning':   site!="A,severity=warning": the alerts of all sites are silenced, critical ones too
#            site=A severity=warning:      two arguments are two matchers
#            config routes test severity==critical:  the default receiver, exit code 0; --verify.receivers=b,a for "a,b" ends with 1
# Matters:   people are woken by what was silenced, or nobody is by anything. Give each matcher an argument of its own, and look at
#            `amtool silence query` and `amtool alert query --silenced` afterwards.
set -eu
work=$(mktemp -d)
server=
trap '[ -z "$server" ] || kill "$server" 2> /dev/null; wait; rm -rf "$work"' EXIT
chmod 755 "$work"
cd "$work"
changed() { echo "CHANGED: $1" >&2; exit 1; }

apt-get -qq -o APT::Sandbox::User=root download prometheus-alertmanager
dpkg-deb -x prometheus-alertmanager_*.deb root
echo "prometheus-alertmanager $(dpkg-deb -f prometheus-alertmanager_*.deb Version)"
# Its templates are looked for below /usr/share; the same number of bytes takes it to those that were unpacked.
cp root/usr/share/prometheus/alertmanager/*.tmpl .
python3 - <<'PYTHON'
import pathlib

TEMPLATES = b"/usr/share/prometheus/alertmanager"
program = pathlib.Path("root/usr/bin/prometheus-alertmanager").read_bytes()
pathlib.Path("alertmanager").write_bytes(program.replace(TEMPLATES, b"./" * (len(TEMPLATES) // 2)))
PYTHON
chmod 755 alertmanager
cat > alertmanager.yml <<'YAML'
global: {resolve_timeout: 1h}  # so that no alert ends before this script
route:
  receiver: everybody
  routes:
    - {receiver: pager, matchers: ['severity="critical"'], continue: true}
    - {receiver: site, matchers: ['site="A"']}
receivers: [{name: everybody}, {name: pager}, {name: site}]
YAML
start() {
    ./alertmanager --config.file alertmanager.yml --storage.path data --web.listen-address 127.0.0.1:0 --cluster.listen-address= > log 2>&1 &
    server=$!
    port=
    for _ in $(seq 600); do
        port=$(sed -n 's/.*[Ll]istening.*address=127.0.0.1:\([0-9]*\).*/\1/p' log | head -1)
        [ -n "$port" ] && curl -fsS "127.0.0.1:$port/-/ready" > /dev/null 2>&1 && return
        sleep 0.2
    done
    cat log
    changed "it does not start in two minutes"
}
start
amtool() { root/usr/bin/amtool --alertmanager.url="http://127.0.0.1:$port" "$@"; }
compare() { # what, got, expected
    echo "$1: $2"
    [ "$2" = "$3" ] || changed "it was: $3"
}
active() { amtool alert query -o json | python3 -c 'import json, sys
print(*sorted(each["labels"]["alertname"] for each in json.load(sys.stdin)))'; }
silence() { # expected matchers, expected alerts that are not silenced, arguments
    matchers=$1
    left=$2
    shift 2
    id=$(amtool silence add --comment=maintenance --duration=1h "$@")
    got=$(amtool silence query -o json | python3 -c 'import json, sys
print(*sorted((each["name"] + ("=" if each["isEqual"] else "!=") + each["value"] for each in json.load(sys.stdin)[0]["matchers"]), reverse=True), sep=" AND ")')
    compare "silence add $*" "$got" "$matchers"
    compare "  not silenced" "$(active)" "$left"
    amtool silence expire "$id"
}
for site in A B; do
    for severity in critical warning; do amtool alert add "$site-$severity" site=$site severity=$severity; done
done
for _ in $(seq 600); do [ "$(active | wc -w)" = 4 ] && break; sleep 0.1; done
all="A-critical A-warning B-critical B-warning"
compare "alerts" "$(active)" "$all"
silence "site=A AND severity=warning" "A-critical B-critical B-warning" site=A severity=warning
silence "site=A,severity=warning" "$all" site=A,severity=warning
silence "site==A" "$all" site==A
silence "site!=A,severity=warning" "" 'site!=A,severity=warning'

routes() { # expected, arguments
    expected=$1
    shift
    code=0
    got=$(root/usr/bin/amtool config routes test --config.file alertmanager.yml "$@" 2> /dev/null | sed -n 1p) || code=$?
    compare "config routes test $*" "$got, exit code $code" "$expected"
}
set -o pipefail
routes "pager,site, exit code 0" severity=critical site=A
routes "everybody, exit code 0" severity==critical
routes "pager,site, exit code 0" --verify.receivers=pager,site severity=critical site=A
routes "pager,site, exit code 1" --verify.receivers=site,pager severity=critical site=A
