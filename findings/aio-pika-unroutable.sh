#!/bin/bash
# aio-pika: publish() with confirmations returns for a message that no queue takes, as for one that a queue keeps.
#
# Software:  aio-pika 10.2.1, aiormq 7.2.4 (PyPI), rabbitmq-server 3.10.8-1.1 of Debian 12. Seen 2026-11-30.
# Expected:  channel() has confirmations, and publish() sends with mandatory=True: what no queue takes raises, as in pika 1.4.4.
# Seen:      publish() to a queue that is not there:   returns a DeliveredMessage, whose `delivery` is the broker's Return
#            the same with mandatory=False:            returns an Ack, as for a message that was kept
#            a queue that is full (reject-publish), an exchange that is not there: these raise
#            channel(on_return_raises=True):           raises PublishError
# Matters:   a sender that waits for publish() and then removes its copy has lost the message. Open the channel with
#            on_return_raises=True.
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
venv/bin/pip -q --disable-pip-version-check install aio-pika==10.2.1 aiormq==7.2.4 pamqp==4.0.1 pika==1.4.4
venv/bin/python - "amqp://guest:guest@127.0.0.1:$amqp/" <<'PYTHON'
import asyncio
import sys

import aio_pika
import pika


def fail_unless(name, got, expected):
    print(f"{name}: {got}")
    if got != expected:
        sys.exit(f"CHANGED: it was {expected}")


async def publish(channel, queue, exchange="", **options):
    exchange = await channel.get_exchange(exchange, ensure=False) if exchange else channel.default_exchange
    try:
        answer = await exchange.publish(aio_pika.Message(b"a result"), queue, **options)
    except Exception as error:
        return type(error).__name__
    return " ".join([type(answer).__name__, *([type(answer.delivery).__name__] if hasattr(answer, "delivery") else [])])


async def main():
    connection = await aio_pika.connect(sys.argv[1])
    channel = await connection.channel()
    await channel.declare_queue("good", durable=True)
    await channel.declare_queue("full", durable=True, arguments={"x-max-length": 1, "x-overflow": "reject-publish"})
    fail_unless("a queue that keeps it", await publish(channel, "good"), "Ack")
    fail_unless("no such queue", await publish(channel, "no-queue"), "DeliveredMessage Return")
    fail_unless("no such queue, mandatory=False", await publish(channel, "no-queue", mandatory=False), "Ack")
    fail_unless("a queue for one message", [await publish(channel, "full") for _ in range(2)], ["Ack", "DeliveryError"])
    raising = await connection.channel(on_return_raises=True)
    fail_unless("no such queue, on_return_raises=True", await publish(raising, "no-queue"), "PublishError")
    fail_unless("no such exchange", await publish(channel, "good", "no-exchange"), "ChannelNotFoundEntity")
    await connection.close()


asyncio.run(main())
channel = pika.BlockingConnection(pika.URLParameters(sys.argv[1])).channel()
channel.confirm_delivery()
try:
    channel.basic_publish("", "no-queue", b"a result", mandatory=True)
    ended = "returned"
except pika.exceptions.AMQPError as error:
    ended = type(error).__name__
fail_unless("pika, no such queue", ended, "UnroutableError")
PYTHON
