#!/bin/bash
# check_systemd -u is OK of a unit that is stopped, masked, restarts for ever or does not exist; of two -u the last one counts.
#
# Software:  check_systemd 5.0.0 (PyPI); a few lines in the place of systemctl, in its form. Seen 2026-11-30.
# Expected:  who names a unit wants it to run: inactive is CRITICAL (there is -i, "ignore an inactive state on a specific unit"), and so is
#            one that is not found. Each -u is looked at, as each -I and -e is. Wrong usage is UNKNOWN.
# Seen:      -u of a unit that is inactive, masked, not found, or "activating (auto-restart)":    OK, with that word; -i changes nothing
#            -u web.service -u nosuch.service:                                                    nosuch.service alone
#            all units, one of them in auto-restart:                                              OK, "all"
#            --state active -u UNIT:                                                              CRITICAL for all of these
#            --state activ:                                                                       2, which is CRITICAL
# Matters:   a service that was stopped by hand and forgotten, a unit that is named otherwise in the next release, and a daemon that dies
#            every five seconds are green. Give --state active with each -u, and one unit to a check.
set -eu
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
chmod 755 "$work"
cd "$work"

python3 -m venv venv
venv/bin/pip -q --disable-pip-version-check install check-systemd==5.0.0 nagiosplugin==1.4.0
mkdir bin
cat > units <<'UNITS'
  UNIT            LOAD   ACTIVE     SUB          DESCRIPTION
  web.service     loaded active     running      Web server
  stopped.service loaded inactive   dead         Stopped by hand
  loop.service    loaded activating auto-restart Dies every five seconds
● masked.service  masked inactive   dead         masked.service
UNITS
printf '%s\n' '' 'LOAD   = Reflects whether the unit definition was properly loaded.' '4 loaded units listed.' >> units
cat > bin/systemctl <<'SYSTEMCTL'
#!/bin/bash
case $1 in
list-units) cat units ;;
show)
    name=${*: -1}
    read -r load active sub < <(sed 's/^..//' units | awk -v name="$name" '$1 == name { print $2, $3, $4 }') || true
    printf 'Id=%s\nLoadState=%s\nActiveState=%s\nSubState=%s\n' "$name" "${load:-not-found}" "${active:-inactive}" "${sub:-dead}"
    ;;
*) exit 1 ;;
esac
SYSTEMCTL
chmod 755 bin/systemctl
export PATH="$work/bin:$PATH"
look() { # expected exit code, beginning of what is printed, options
    code=0
    venv/bin/check_systemd --no-startup-time "${@:3}" > answer 2>&1 || code=$?
    said=$(sed 's/ |.*//; q' answer)
    echo "${*:3}: $code, $said"
    [ "$code" = "$1" ] && [ "${said#"$2"}" != "$said" ] || { echo "CHANGED: it was $1, $2" >&2; exit 1; }
}
look 0 'SYSTEMD OK - web.service: active' -u web.service
look 0 'SYSTEMD OK - stopped.service: inactive' -u stopped.service
look 0 'SYSTEMD OK - stopped.service: inactive' -i -u stopped.service
look 0 'SYSTEMD OK - masked.service: inactive' -u masked.service
look 0 'SYSTEMD OK - loop.service: activating' -u loop.service
look 0 'SYSTEMD OK - nosuch.service: inactive' -u nosuch.service
look 0 'SYSTEMD OK - nosuch.service: inactive' -u web.service -u nosuch.service
look 2 'SYSTEMD CRITICAL - nosuch.service: inactive' --state active -u nosuch.service
look 2 'SYSTEMD CRITICAL - loop.service: activating' --state active -u loop.service
look 0 'SYSTEMD OK - web.service: active' --state active -u nosuch.service -u web.service
look 0 'SYSTEMD OK - all'
look 2 'usage:' --state activ -u web.service
sed -i 's/activating auto-restart/failed     failed      /' units
look 2 'SYSTEMD CRITICAL - loop.service: failed'
