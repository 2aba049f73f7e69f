#!/bin/bash
# rabbitmqadmin ends with 0 for a message that no queue takes, a misspelt property, column or tag.
#
# Software:  rabbitmqadmin of rabbitmq-server 3.10.8-1.1 of Debian 12. Seen 2026-11-30.
# Expected:  publish of what no queue takes, a property, a tag, a column or a field to sort by that does not exist: another exit code than
#            0, as a misspelt argument ("duarble=true") has.
# Seen:      publish routing_key=no-queue:                       "Message published but NOT routed", exit code 0
#            properties={"delivery-mode":2}:                     "Message published", not persistent; "delivery_mode" with a text is refused
#            declare user ... tags=administator:                 "user declared", exit code 0; it is refused everywhere
#            list queues name messges, --sort no-such-column:    an empty column, nothing is said, exit code 0
#            get of an empty queue:                              "No items", exit code 0
# Matters:   a script that puts results into a queue sees success where they are lost, and a limit on the backlog of a column that is
#            empty never alerts. Search the output for "NOT routed", and read a number or fail.
set -eu
work=$(mktemp -d)
broker=
names=
trap 'for each in $broker $names; do kill "$each" 2> /dev/null; done; wait; rm -rf "$work"' EXIT
chmod 755 "$work"
cd "$work"
changed() { echo "CHANGED: $1" >&2; exit 1; }

apt-get -qq -o APT::Sandbox::User=root download rabbitmq-server erlang-base erlang-asn1 erlang-crypto erlang-eldap erlang-ftp erlang-inets \
    erlang-mnesia erlang-os-mon erlang-parsetools erlang-public-key erlang-runtime-tools erlang-snmp erlang-ssl erlang-syntax-tools \
    erlang-tftp erlang-tools erlang-xmerl
for package in ./*.deb; do dpkg-deb -x "$package" root; done
echo "rabbitmq-server $(dpkg-deb -f rabbitmq-server_*.deb Version)"
sed -i "s,ROOTDIR=/usr/lib/erlang,ROOTDIR=$work/root/usr/lib/erlang," root/usr/lib/erlang/bin/erl

port() { python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'; }
amqp=$(port)
http=$(port)
ERL_EPMD_PORT=$(port)
RABBITMQ_DIST_PORT=$(port)
export ERL_EPMD_PORT RABBITMQ_DIST_PORT ERL_EPMD_ADDRESS=127.0.0.1 HOME="$work" PATH="$work/root/usr/lib/erlang/bin:$PATH"
echo "[rabbitmq_management]." > plugins
printf "listeners.tcp.1 = 127.0.0.1:%s\nmanagement.tcp.ip = 127.0.0.1\nmanagement.tcp.port = %s\n" "$amqp" "$http" > rabbitmq.conf
: > environment
export RABBITMQ_CONF_ENV_FILE="$work/environment" RABBITMQ_CONFIG_FILE="$work/rabbitmq.conf" RABBITMQ_NODENAME=finding@localhost
export RABBITMQ_ENABLED_PLUGINS_FILE="$work/plugins" RABBITMQ_MNESIA_BASE="$work/data" RABBITMQ_LOG_BASE="$work/log"
export RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS="-kernel inet_dist_use_interface {127,0,0,1}"
root/usr/lib/erlang/bin/epmd -port "$ERL_EPMD_PORT" -address 127.0.0.1 &
names=$!
"$(find root/usr/lib/rabbitmq/lib -path "*/sbin/rabbitmq-server")" > said 2>&1 &
broker=$!
for _ in $(seq 1500); do grep -qs "Starting broker... completed" said && break; sleep 0.2; done
grep -q "Starting broker... completed" said || { tail said >&2; changed "the broker does not start in five minutes"; }

admin() { python3 root/usr/bin/rabbitmqadmin -P "$http" "$@" 2>&1; }
compare() { # what, expected, command
    what=$1
    expected=$2
    shift 2
    code=0
    got=$("$@" | paste -sd' ') || code=$?
    echo "$what: $got, exit code $code"
    [ "$got, $code" = "$expected" ] || changed "it was: $expected"
}
set -o pipefail
admin declare queue name=results durable=true
compare "a queue that keeps it" "Message published, 0" admin publish routing_key=results payload=critical
compare "no such queue" "Message published but NOT routed, 0" admin publish routing_key=no-queue payload=critical
compare "a property misspelt" "Message published, 0" admin publish routing_key=results payload=second properties='{"delivery-mode":2}'
compare "a property that is none of its kind" "*** ['not_int', 'delivery_mode'] , 1" \
    admin publish routing_key=results payload=third properties='{"delivery_mode":"2"}'
properties() { admin -f raw_json get queue=results count=2 ackmode=ack_requeue_false | python3 -c '
import json, sys
print([(each["payload"], each["properties"]) for each in json.load(sys.stdin)])'; }
compare "what the queue had" "[('critical', []), ('second', [])], 0" properties
compare "of an empty queue" "No items, 0" admin get queue=results
compare "a tag misspelt" "user declared, 0" admin declare user name=operator password=secret tags=administator
admin declare permission vhost=/ user=operator configure='.*' write='.*' read='.*'
compare "what that user may" "*** Access refused: /api/queues?columns=name , 1" admin -u operator -p secret list queues name
compare "a column misspelt" "name	messges results	, 0" admin -f tsv list queues name messges
compare "to sort by a column misspelt" "name results, 0" admin -f tsv --sort no-such-column list queues name
code=0
got=$(admin declare queue name=second duarble=true | grep -c 'Argument "duarble" is not recognised') || code=$?
echo "an argument misspelt: named $got times, exit code $code"
[ "$got,$code" = 1,1 ] || changed "it was named, and exit code 1"
