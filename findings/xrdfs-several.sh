#!/bin/bash
# xrdfs rm of several files ends with 0 where some are not removed, so does all that it reads on stdin.
#
# Software:  xrootd-client and xrootd-server 5.5.3-1 of Debian 12. Seen 2026-11-30.
# Expected:  xrdfs ends with another code than 0 if a part of what it was asked for failed, as it does for a single file; a setting
#            that is not there is an error.
# Seen:      rm /missing: 54;  rm /a /missing, rm /missing /b: 0, "[ERROR]" among the lines
#            echo "rm /missing" | xrdfs SERVER, and "echo lss / | ...":  exit code 0, as of all commands that come by stdin
#            query config misspelt:         0, "misspelt"
#            prepare /missing:              0, though stat /missing is 54
# Matters:   a probe that removes its file among others, or by a list on stdin, believes that all are gone. Ask for each file by
#            itself, and look at what is there afterwards.
set -eu
work=$(mktemp -d)
server=
trap '[ -z "$server" ] || kill "$server" 2> /dev/null; rm -rf "$work"' EXIT
chmod 755 "$work"
cd "$work"
changed() { echo "CHANGED: $1" >&2; exit 1; }

apt-get -qq -o APT::Sandbox::User=root download xrootd-client xrootd-server xrootd-plugins xrootd-server-plugins libxrdutils3 \
    libxrdserver3 libxrdcl3 libxrdposix3 libxrdxml3 libxrdapputils2 libxrdcrypto2 libxrdcryptolite2 libxrdhttputils2 libxrdssilib2 \
    libtinyxml2.6.2v5
for package in ./*.deb; do dpkg-deb -x "$package" root; done
echo "xrootd-client $(dpkg-deb -f xrootd-client_*.deb Version), xrootd-server $(dpkg-deb -f xrootd-server_*.deb Version)"
LD_LIBRARY_PATH=$(dirname "$(find "$PWD/root" -name 'libXrdUtils.so*' | head -1)")
export LD_LIBRARY_PATH PATH="$PWD/root/usr/bin:$PATH" XRD_CONNECTIONWINDOW=2 XRD_CONNECTIONRETRY=1

port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
mkdir -p data/folder admin
touch data/a data/b data/c
cat > server.cfg <<CONF
xrd.port $port
xrd.protocol xrootd *
oss.localroot $PWD/data
all.export /
all.adminpath $PWD/admin
all.pidpath $PWD/admin
CONF
other=
if [ "$(id -u)" = 0 ]; then # it does not run as root
    other="-R nobody"
    chown -R nobody data admin
fi
# shellcheck disable=SC2086  # two words, or none
root/usr/bin/xrootd $other -c server.cfg -n finding > log 2>&1 &
server=$!
fs() { # a command; its exit code and what it says
    code=0
    timeout 30 xrdfs "root://127.0.0.1:$port" "$@" > raw 2>&1 || code=$?
    tr -d "\\0" < raw > said
    echo "xrdfs $*: exit code $code; $(grep -v '^$' said | head -n 1)"
}
compare() { # what, got, expected
    [ "$2" = "$3" ] || { cat said >&2; changed "$1 was $3, and is $2"; }
}
for _ in $(seq 100); do fs ls / > /dev/null; [ "$code" = 0 ] && break; sleep 0.2; done
fs ls /
compare "a list" "$code $(paste -sd, said)" "0 /a,/b,/c,/folder"

fs rm /missing
compare "the exit code of one file that is not there" "$code" 54
fs rm /a /missing
compare "the exit code of two, the last is not there" "$code $(grep -c ERROR said)" "0 1"
fs rm /missing /b
compare "the exit code of two, the first is not there" "$code $(grep -c '^rm .*ERROR' said)" "0 1"
for command in "rm /missing" "lss /"; do
    code=0
    echo "$command" | timeout 30 xrdfs "root://127.0.0.1:$port" > raw 2>&1 || code=$?
    tr -d "\\0" < raw > said
    echo "$command by stdin: exit code $code; $(grep -o '\[ERROR\].*' said | head -n 1)"
    compare "the exit code of '$command' by stdin" "$code $(grep -q ERROR said && echo ERROR)" "0 ERROR"
done
fs query config misspelt
compare "query config misspelt" "$code $(grep . said)" "0 misspelt"
fs prepare /missing
compare "the exit code of prepare /missing" "$code" 0
fs stat /missing
compare "the exit code of stat /missing" "$code" 54
