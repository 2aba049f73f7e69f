#!/bin/bash
# RabbitMQ gives a STOMP receipt for messages that it throws away: no such queue, or a full one, whatever "x-overflow" says.
#
# Software:  rabbitmq-server 3.10.8-1.1+deb12u1 of Debian 12, its STOMP plug-in. Seen 2026-11-29.
# Expected:  a RECEIPT, which comes of AMQP's publisher confirms, says that the broker has the message. A SEND to
#            /amq/queue/NAME (a queue that somebody else made) is refused if there is none; a queue that was made with the
#            headers x-max-length:2 and x-overflow:reject-publish refuses the third message.
# Seen:      /amq/queue/NAME without a queue, and /exchange/amq.direct/KEY without a binding: RECEIPT, the message is nowhere.
#            Four messages to the limited queue: four RECEIPTs, the last two are there. The plug-in reads x-max-length and
#            drops x-overflow in silence, so the limit pushes out the oldest.
# Matters:   who deletes a result once its receipt is there loses it after a misspelt destination, or one that was not made yet,
#            with every counter right. Publish to /queue/NAME, which makes it, or look at the queue from the other end
#            (as a probe of the broker does); never limit a queue of results by a client's headers.
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
    erlang-syntax-tools erlang-tftp erlang-tools erlang-xmerl
for package in ./*.deb; do dpkg-deb -x "$package" root; done
dpkg-deb -f rabbitmq-server_*.deb Version
sed -i "s,ROOTDIR=/usr/lib/erlang,ROOTDIR=$work/root/usr/lib/erlang," root/usr/lib/erlang/bin/erl

port() { python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'; }
stomp=$(port)
ERL_EPMD_PORT=$(port)
RABBITMQ_DIST_PORT=$(port)
export ERL_EPMD_PORT RABBITMQ_DIST_PORT ERL_EPMD_ADDRESS=127.0.0.1 HOME="$work" PATH="$work/root/usr/lib/erlang/bin:$PATH"
printf '[rabbitmq_stomp].\n' > plugins
printf 'listeners.tcp = none\nstomp.listeners.tcp.1 = 127.0.0.1:%s\n' "$stomp" > rabbitmq.conf
: > environment
export RABBITMQ_CONF_ENV_FILE="$work/environment" RABBITMQ_CONFIG_FILE="$work/rabbitmq.conf" RABBITMQ_NODENAME=finding@localhost
export RABBITMQ_ENABLED_PLUGINS_FILE="$work/plugins" RABBITMQ_MNESIA_BASE="$work/data" RABBITMQ_LOG_BASE="$work/log"
export RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS="-kernel inet_dist_use_interface {127,0,0,1}"
root/usr/lib/erlang/bin/epmd -port "$ERL_EPMD_PORT" -address 127.0.0.1 &
names=$!
"$(find root/usr/lib/rabbitmq/lib -path "*/sbin/rabbitmq-server")" > said 2>&1 &
broker=$!
for _ in $(seq 600); do grep -qs "Starting broker... completed" said && break; sleep 0.2; done
grep -q "Starting broker... completed" said || { tail said >&2; changed "the broker does not start in two minutes"; }

python3 - "$stomp" <<'PYTHON'
import socket
import sys


class Client:
    def __init__(self):
        self.socket = socket.create_connection(("127.0.0.1", int(sys.argv[1])))
        self.data = b""
        self.send("CONNECT", "accept-version:1.2", "host:/", "login:guest", "passcode:guest")
        self.receive()

    def send(self, command, *headers, body=""):
        self.socket.sendall("\n".join((command, *headers, "", body)).encode() + b"\0")

    def receive(self, patience=30):
        """The next frame, None if none comes."""
        self.socket.settimeout(patience)
        try:
            while b"\0" not in self.data:
                piece = self.socket.recv(65536)
                if not piece:
                    return None
                self.data += piece
        except TimeoutError:
            return None
        frame, _, self.data = self.data.partition(b"\0")
        return frame.decode().lstrip("\n")


def receipts(destination, *headers, number):
    """How many of so many messages are confirmed."""
    client = Client()
    for each in range(number):
        client.send("SEND", f"destination:{destination}", *headers, f"receipt:{each}", body=f"message {each}")
    return sum((client.receive() or "").startswith("RECEIPT") for each in range(number))


def kept(destination, *headers):
    """What is in a queue, read until nothing comes for some seconds."""
    client = Client()
    client.send("SUBSCRIBE", "id:0", f"destination:{destination}", *headers, "ack:auto", "receipt:subscribed")
    frames = iter(lambda: client.receive(5), None)
    return [frame.rpartition("\n\n")[2] for frame in frames if frame.startswith("MESSAGE")]


def compare(what, got, expected):
    print(f"{what}: {got}")
    if got != expected:
        sys.exit(f"CHANGED: {what} was {expected}")


compare("no such queue, receipts of 1", receipts("/amq/queue/results", number=1), 1)
compare("no binding, receipts of 1", receipts("/exchange/amq.direct/results", number=1), 1)
compare("kept in /queue/results", kept("/queue/results"), [])
limits = ("x-max-length:2", "x-overflow:reject-publish")
compare("a queue of two, receipts of 4", receipts("/queue/limited", *limits, number=4), 4)
compare("kept in it", kept("/queue/limited", *limits), ["message 2", "message 3"])
PYTHON
