#!/bin/bash
# amqp-consume holds back a message whose program failed for as long as it runs; its exit code is 0.
#
# Software:  amqp-tools 0.11.0-1 and rabbitmq-server 3.10.8-1.1 of Debian 12. Seen 2026-11-30.
# Expected:  a message whose program ends with 1 goes back to the queue, or is dropped, and the next one is taken. `amqp-consume -c 1`
#            ends with another code than 0 if the program failed or was killed.
# Seen:      three messages, the program fails at the first:  the others are taken; the first is neither in the queue nor handled as long as amqp-consume runs
#            -c 1, the program ends with 1, or is killed:           exit code 0, the message is in the queue again
# Matters:   what a database refused once is seen again only after the consumer was started again. Let the program keep what it could
#            not handle, and end with 0.
set -eu
work=$(mktemp -d)
broker=
names=
consumer=
trap 'for each in $consumer $broker $names; do kill "$each" 2> /dev/null; done; wait; rm -rf "$work"' EXIT
chmod 755 "$work"
cd "$work"
changed() { echo "CHANGED: $1" >&2; exit 1; }

apt-get -qq -o APT::Sandbox::User=root download amqp-tools librabbitmq4 libpopt0 rabbitmq-server erlang-base erlang-asn1 \
    erlang-crypto erlang-eldap erlang-ftp erlang-inets erlang-mnesia erlang-os-mon erlang-parsetools erlang-public-key \
    erlang-runtime-tools erlang-snmp erlang-ssl erlang-syntax-tools erlang-tftp erlang-tools erlang-xmerl
for package in ./*.deb; do dpkg-deb -x "$package" root; done
echo "amqp-tools $(dpkg-deb -f amqp-tools_*.deb Version), rabbitmq-server $(dpkg-deb -f rabbitmq-server_*.deb Version)"
sed -i "s,ROOTDIR=/usr/lib/erlang,ROOTDIR=$work/root/usr/lib/erlang," root/usr/lib/erlang/bin/erl

port() { python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'; }
amqp=$(port)
ERL_EPMD_PORT=$(port)
RABBITMQ_DIST_PORT=$(port)
export ERL_EPMD_PORT RABBITMQ_DIST_PORT ERL_EPMD_ADDRESS=127.0.0.1 HOME="$work" PATH="$work/root/usr/lib/erlang/bin:$PATH"
: > plugins
printf 'listeners.tcp.1 = 127.0.0.1:%s\n' "$amqp" > rabbitmq.conf
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

LD_LIBRARY_PATH=$(dirname "$(find "$PWD/root" -name 'librabbitmq.so*' | head -1)")
export LD_LIBRARY_PATH PATH="$PWD/root/usr/bin:$PATH"
amqp() { # program, options
    program=$1
    shift
    "amqp-$program" -u "amqp://guest:guest@127.0.0.1:$amqp" "$@"
}
waiting() { amqp get -q results || true; } # takes the first message of the queue
compare() { # what, got, expected
    echo "$1: $2"
    [ "$2" = "$3" ] || changed "it was: $3"
}
program() { # a program for amqp-consume that notes the message, and ends by a command
    printf '#!/bin/sh\nmessage=$(cat)\necho "$message" >> taken\n%s\n' "$1" > program
    chmod 755 program
    : > taken
}
amqp declare-queue -q results -d > /dev/null
fail='case $message in first) exit 1 ;; esac'

for message in first second third; do amqp publish -r results -b $message; done
program "$fail"
amqp-consume -u "amqp://guest:guest@127.0.0.1:$amqp" -q results ./program &
consumer=$!
for _ in $(seq 600); do [ "$(wc -l < taken)" = 3 ] && break; sleep 0.1; done
compare "taken" "$(paste -sd, taken)" first,second,third
compare "waiting in the queue meanwhile" "$(waiting)" ""
kill "$consumer"
wait "$consumer" 2> /dev/null || true
consumer=
for _ in $(seq 100); do again=$(waiting); [ -n "$again" ] && break; sleep 0.1; done
compare "once amqp-consume has ended" "$again" first

for ending in 'exit 1' 'kill -9 $$'; do
    program "$ending"
    amqp publish -r results -b first
    code=0
    amqp consume -q results -c 1 ./program || code=$?
    compare "-c 1, a program that ends by '$ending': taken, exit code, in the queue" "$(cat taken),$code,$(waiting)" first,0,first
done
