#!/bin/bash
# NSCA: a service's CRITICAL without a text arrives as "the host is UP"; of a file with a result in each line one arrives, of all lines.
#
# Software:  nsca and nsca-client 2.10.2-2 of Debian 12. Seen 2026-11-29.
# Expected:  host, service, code and text, parted by tabs, "one entry per line" (send_nsca --help, which also wants an ETB between
#            results: one would think that the newline before it is enough). A line without a text is a service's result without
#            one, or refused; so is a code that is no number.
# Seen:      "site<tab>vm<tab>2" is taken for a host's result: host site, code "vm", which is 0, text "2": UP.
#            code CRITICAL is 0: OK. Two lines are one result, whose text goes on with the second line, "1 data packet(s)
#            sent"; parted by the byte ETB (octal 027) they are two. Of a name of 100 letters 63 arrive.
#            A text of 6000 letters: exit code 255, and nothing of that run is sent. All others: exit code 0.
# Matters:   who collects results in a file, a line each, and sends it once a minute has one service with a
#            long text and no word of the rest; a plugin that says nothing makes its host recover. End each record with ETB, and
#            put a text where there is none.
set -eu
work=$(mktemp -d)
daemon=
trap '[ -z "$daemon" ] || kill "$daemon" 2>/dev/null; wait; rm -rf "$work"' EXIT
chmod 755 "$work"
cd "$work"

apt-get -qq -o APT::Sandbox::User=root download nsca nsca-client libmcrypt4
for package in ./*.deb; do dpkg-deb -x "$package" root; done
echo "nsca $(dpkg-deb -f nsca_*.deb Version), nsca-client $(dpkg-deb -f nsca-client_*.deb Version)"
LD_LIBRARY_PATH=$work/root/usr/lib:$(echo "$work"/root/usr/lib/*-linux-gnu)
export LD_LIBRARY_PATH
port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
cat > nsca.cfg <<SETTINGS
server_address=127.0.0.1
server_port=$port
command_file=$work/nobody-reads-commands
alternate_dump_file=$work/arrived
password=secret
decryption_method=1
max_packet_age=300
SETTINGS
printf 'password=secret\nencryption_method=1\n' > send.cfg
root/usr/sbin/nsca -f -c nsca.cfg > said 2>&1 &
daemon=$!
for _ in $(seq 100); do (: < "/dev/tcp/127.0.0.1/$port") 2> /dev/null && break; sleep 0.1; done

try() { # what is sent, as printf has it; exit code and what arrives, with "/" for the ends of lines and "." for times
    : > arrived
    code=0
    # shellcheck disable=SC2059
    printf "$1" | root/usr/sbin/send_nsca -H 127.0.0.1 -p "$port" -c send.cfg > answer 2>&1 || code=$?
    [ "$code" != 0 ] || for _ in $(seq 100); do [ -s arrived ] && break; sleep 0.1; done
    sleep 0.3
    got="$code $(sed 's/^\[[0-9]*\] PROCESS_//' arrived | tr '\n' '/')"
    printf '%.60s\n  %.150s (%s)\n' "${1//\\t/ | }" "$got" "$(tail -1 answer)"
    [ "$got" = "$2" ] || { echo "CHANGED: it was $2" >&2; exit 1; }
}
try 'site\tvm\t2\tfailed\n' '0 SERVICE_CHECK_RESULT;site;vm;2;failed/'
try 'site\tvm\t2\n' '0 HOST_CHECK_RESULT;site;0;2/'
try 'site\tvm\tCRITICAL\tfailed\n' '0 SERVICE_CHECK_RESULT;site;vm;0;failed/'
try 'site\tvm\t0\tgood\nsite\ttcp\t2\trefused\n' '0 SERVICE_CHECK_RESULT;site;vm;0;good\nsite	tcp	2	refused/'
try 'site\tvm\t0\tgood\n\027site\ttcp\t2\trefused\n\027' '0 SERVICE_CHECK_RESULT;site;vm;0;good/SERVICE_CHECK_RESULT;site;tcp;2;refused/'
long=$(printf 'n%.0s' $(seq 100))
try "$long\tvm\t2\tfailed\n" "0 SERVICE_CHECK_RESULT;${long:0:63};vm;2;failed/"
try "site\tvm\t2\t$(printf 'x%.0s' $(seq 6000))\n" "255 "
