#!/bin/bash
# kombu: that no queue takes a message is raised by the publish() of a later message, which is not sent.
#
# Software:  kombu 5.7.0, amqp 5.4.2 (PyPI), rabbitmq-server 3.10.8-1.1 of Debian 12. Seen 2026-11-30.
# Expected:  publish(mandatory=True) of a message that no queue takes raises; the next one goes to its queue.
#            What a full queue refuses (x-overflow: reject-publish) is told.
# Seen:      publish(mandatory=True) without a queue, then two good messages:  the first returns, the second raises "NO_ROUTE" and is
#            not sent, the third is. With retry=True the same, nothing is tried again.
#            a queue that is full:                                  each publish() returns
#            with transport_options={"confirm_publish": True}:      the first raises, and of a full queue each that is refused
# Matters:   who sends again what raised sends the wrong message: the one without a queue is lost, and the good one is lost by who only
#            logs the exception. Use confirm_publish, or on_return= of the producer.
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

python3 -m venv venv
venv/bin/pip -q --disable-pip-version-check install kombu==5.7.0 amqp==5.4.2
venv/bin/python - "amqp://guest:guest@127.0.0.1:$amqp//" <<'PYTHON'
import select
import sys

import kombu


def fail_unless(name, got, expected):
    print(f"{name}: {got}")
    if got != expected:
        sys.exit(f"CHANGED: it was {expected}")


def publish(producer, number, key, **options):
    """Return how it ended, once the broker has said what it has to say."""
    try:
        producer.publish(number, routing_key=key, **options)
    except Exception as error:
        ended = f"{type(error).__name__} {error}".strip()
    else:
        ended = "returned"
        if options.get("mandatory") and not select.select([producer.connection.connection.sock], [], [], 60)[0]:
            sys.exit("CHANGED: the broker does not say that no queue takes the message")
    return ended


def waiting(queue):
    """Take all messages of the queue."""
    numbers = []
    with kombu.Connection(sys.argv[1]) as connection:
        channel = connection.channel()
        while message := kombu.Queue(queue, channel=channel).get(no_ack=True, accept=["json"]):
            numbers.append(message.payload)
    return numbers


with kombu.Connection(sys.argv[1]) as connection:
    channel = connection.channel()
    kombu.Queue("good", durable=True)(channel).declare()
    kombu.Queue("full", durable=True, queue_arguments={"x-max-length": 1, "x-overflow": "reject-publish"})(channel).declare()

NO_ROUTE = "ChannelError Basic.return: (312) NO_ROUTE"
for confirm, expected in (
    (False, (["returned", NO_ROUTE, "returned"], [3])),
    (True, ([NO_ROUTE, "returned", "returned"], [2, 3])),
):
    for options in ({}, {"retry": True, "retry_policy": {"max_retries": 2}}):
        with kombu.Connection(sys.argv[1], transport_options={"confirm_publish": confirm}) as connection:
            producer = connection.Producer()
            ended = [publish(producer, 1, "no-queue", mandatory=True, **options)]
            ended += [publish(producer, number, "good", **options) for number in (2, 3)]
        name = f"1 without a queue, 2 and 3 good, confirm_publish={confirm}, {'retry=True' if options else 'no retry'}"
        fail_unless(name, (ended, waiting("good")), expected)

for confirm, expected in ((False, "returned"), (True, "MessageNacked")):
    with kombu.Connection(sys.argv[1], transport_options={"confirm_publish": confirm}) as connection:
        producer = connection.Producer()
        ended = [publish(producer, number, "full") for number in (1, 2, 3)]
    fail_unless(f"a queue for one message, confirm_publish={confirm}", (ended, waiting("full")), (["returned", expected, expected], [1]))
PYTHON
