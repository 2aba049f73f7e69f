#!/bin/bash
# check_rabbitmq_queue finds "messages OK (0)" in a full queue where the broker has no statistics of it.
#
# Software:  nagios-plugins-rabbitmq 1:1.2.0-2.4, rabbitmq-server 3.10.8-1.1+deb12u1, both of Debian 12. Seen 2026-11-29.
# Expected:  a queue whose number of messages the management interface does not tell is UNKNOWN, or there are no such answers.
# Seen:      100 messages, -c 50. With the broker's defaults: CRITICAL (100), but "OK - messages OK (0)" for some seconds after the
#            queue was made. With management_agent.disable_metrics_collector = true, as one sets
#            it where Prometheus asks for the metrics, the answer has the queue's name and no numbers: OK (0) for ever, with
#            "messages=0" as performance data. check_rabbitmq_overview then writes "messages=U" and is OK (0) as well.
# Matters:   the queue of results fills up after somebody changed to Prometheus, and its check is green. Ask for a least number of
#            consumers too (-c 50,-1,-1,1:): that is CRITICAL then. Or send a message through, as check_broker does.
set -eu
work=$(mktemp -d)
broker=
names=
trap '[ -z "$broker" ] || kill "$broker" 2>/dev/null; [ -z "$names" ] || kill "$names" 2>/dev/null; wait; rm -rf "$work"' EXIT
chmod 755 "$work"
cd "$work"
changed() { echo "CHANGED: $1" >&2; exit 1; }

apt-get -qq -o APT::Sandbox::User=root download rabbitmq-server erlang-base erlang-asn1 erlang-crypto erlang-eldap erlang-ftp \
    erlang-inets erlang-mnesia erlang-os-mon erlang-parsetools erlang-public-key erlang-runtime-tools erlang-snmp erlang-ssl \
    erlang-syntax-tools erlang-tftp erlang-tools erlang-xmerl nagios-plugins-rabbitmq libmonitoring-plugin-perl \
    libclass-accessor-perl libclone-perl libconfig-tiny-perl libdevel-callchecker-perl libdynaloader-functions-perl \
    libencode-locale-perl libfile-listing-perl libhtml-parser-perl libhtml-tagset-perl libhttp-cookies-perl libhttp-date-perl \
    libhttp-message-perl libhttp-negotiate-perl libio-html-perl libjson-perl liblwp-mediatypes-perl libmath-calc-units-perl \
    libmodule-implementation-perl libmodule-runtime-perl libnet-http-perl libparams-classify-perl libparams-validate-perl \
    libsub-name-perl libtimedate-perl libtry-tiny-perl liburi-perl libwww-perl libwww-robotrules-perl
for package in ./*.deb; do dpkg-deb -x "$package" root; done
for package in nagios-plugins-rabbitmq rabbitmq-server; do echo "$package $(dpkg-deb -f ${package}_*.deb Version)"; done
sed -i "s,ROOTDIR=/usr/lib/erlang,ROOTDIR=$work/root/usr/lib/erlang," root/usr/lib/erlang/bin/erl

port() { python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'; }
stomp=$(port)
web=$(port)
ERL_EPMD_PORT=$(port)
RABBITMQ_DIST_PORT=$(port)
export ERL_EPMD_PORT RABBITMQ_DIST_PORT ERL_EPMD_ADDRESS=127.0.0.1 HOME="$work" PATH="$work/root/usr/lib/erlang/bin:$PATH"
printf '[rabbitmq_stomp, rabbitmq_management].\n' > plugins
: > environment
export RABBITMQ_CONF_ENV_FILE="$work/environment" RABBITMQ_CONFIG_FILE="$work/rabbitmq.conf" RABBITMQ_NODENAME=finding@localhost
export RABBITMQ_ENABLED_PLUGINS_FILE="$work/plugins" RABBITMQ_MNESIA_BASE="$work/data" RABBITMQ_LOG_BASE="$work/log"
export RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS="-kernel inet_dist_use_interface {127,0,0,1}"
PERL5LIB="$work/root/usr/share/perl5:$(find "$work/root/usr/lib" -path "*/perl5/5*" -prune)"
export PERL5LIB
root/usr/lib/erlang/bin/epmd -port "$ERL_EPMD_PORT" -address 127.0.0.1 &
names=$!
start() { # is the collector disabled?
    cat > rabbitmq.conf <<SETTINGS
listeners.tcp = none
stomp.listeners.tcp.1 = 127.0.0.1:$stomp
management.tcp.ip = 127.0.0.1
management.tcp.port = $web
management_agent.disable_metrics_collector = $1
SETTINGS
    : > said
    "$(find root/usr/lib/rabbitmq/lib -path "*/sbin/rabbitmq-server")" > said 2>&1 &
    broker=$!
    for _ in $(seq 600); do grep -q "Starting broker... completed" said && return; sleep 0.2; done
    tail said >&2
    changed "the broker does not start in two minutes"
}
check() { # into $got: exit code and text
    code=0
    perl root/usr/bin/check_rabbitmq_queue -H 127.0.0.1 --port "$web" --queue results -c 50 --no-proxy > answer 2> errors || code=$?
    got="$code $(cat answer)"
}
talk() { # command with its headers, number, what is counted: how many frames of that kind came
    python3 - "$stomp" "$@" <<'PYTHON'
import socket
import sys

port, frame, number, kind = int(sys.argv[1]), sys.argv[2], int(sys.argv[3]), sys.argv[4].encode()
peer = socket.create_connection(("127.0.0.1", port), 60)
peer.sendall(b"CONNECT\naccept-version:1.2\nhost:/\nlogin:guest\npasscode:guest\n\n\0")
peer.sendall(frame.encode().decode("unicode_escape").encode() * number)
data = b""
while data.count(b"\0") < 101 and (piece := peer.recv(65536)):
    data += piece
print(sum(part.lstrip().startswith(kind) for part in data.split(b"\0")))
PYTHON
}

start false
echo "messages sent, with receipts: $(talk 'SEND\ndestination:/queue/results\npersistent:true\nreceipt:r\n\nresult\0' 100 RECEIPT)"
for _ in $(seq 120); do
    check
    case $got in 2*"(100)"*) break ;; esac
    sleep 0.5
done
echo "with the collector:    $got"
case $got in "2 RABBITMQ_QUEUE CRITICAL - messages CRITICAL (100)"*) ;; *) changed "it was CRITICAL, 100" ;; esac
kill "$broker"
wait "$broker" || true

start true
for _ in 1 2 3; do
    sleep 4
    check
    echo "without the collector: $got"
    case $got in "0 RABBITMQ_QUEUE OK - messages OK (0) "*"messages=0;;50"*) ;; *) changed "it was OK, 0" ;; esac
done
there=$(talk 'SUBSCRIBE\nid:0\ndestination:/queue/results\nack:client\n\n\0' 1 MESSAGE)
echo "messages there: $there"
[ "$there" = 100 ] || changed "the queue still had 100 messages"
