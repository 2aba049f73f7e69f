#!/bin/bash
# RabbitMQ refuses messages with a header "timestamp:2026-11-29T12:00:00Z", names no reason, and stays connected after the ERROR.
#
# Software:  rabbitmq-server 3.10.8-1.1+deb12u1 of Debian 12, its STOMP plug-in. Seen 2026-11-29.
# Expected:  headers of a SEND that STOMP does not define are the sender's own and come out as they went in. After an ERROR frame
#            the server closes (STOMP 1.2), and the frame has the receipt-id of the message that is refused.
# Seen:      timestamp (unless it is a whole number), priority:high and persistent:1 are answered by ERROR "Processing error", no
#            receipt-id, no word of a header; message-id by ERROR "'message-id' is not allowed". The connection stays: the next
#            message on it gets its RECEIPT. Only for user-id:somebody, "precondition_failed", it is closed.
#            On the way out a message has its sender's "receipt" header. correlation-id:7 and testName:a come through.
# Matters:   a publisher that sends several messages ahead cannot tell which one was refused, and one that takes ERROR for the
#            end of the connection sends the following ones twice. Do not name headers of results timestamp or priority.
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
        try:
            self.socket.sendall("\n".join((command, *headers, "", body)).encode() + b"\0")
        except OSError:
            pass  # closed by the broker: receive() tells

    def receive(self, patience=30):
        """The next frame, None if none comes, "closed" at the end of the connection."""
        self.socket.settimeout(patience)
        try:
            while b"\0" not in self.data:
                piece = self.socket.recv(65536)
                if not piece:
                    return "closed"
                self.data += piece
        except TimeoutError:
            return None
        except OSError:
            return "closed"
        frame, _, self.data = self.data.partition(b"\0")
        return frame.decode().lstrip("\n")


def kind(frame):
    """The command, and what is told: whose receipt it is, or the message of an error."""
    head, *lines = (frame or "nothing").partition("\n\n")[0].split("\n")
    headers = dict(line.split(":", 1) for line in reversed(lines))
    told = "receipt-id" if head == "RECEIPT" else "message"
    return f"{head} {headers[told]}" + (" with a receipt-id" if head == "ERROR" and "receipt-id" in headers else "") if lines else head


def compare(header, *expected):
    """Send a message with this header, and another without."""
    client = Client()
    client.send("SEND", "destination:/queue/results", header, "receipt:first", body="a")
    first = kind(client.receive())
    client.send("SEND", "destination:/queue/results", "receipt:second", body="b")
    got = (first, kind(client.receive()))
    print(f"{header}: {'; '.join(got)}")
    if got != expected:
        sys.exit(f"CHANGED: {header} was {expected}")


refused = "ERROR Processing error"
compare("timestamp:2026-11-29T12:00:00Z", refused, "RECEIPT second")
compare("timestamp:1795953600", "RECEIPT first", "RECEIPT second")
compare("priority:high", refused, "RECEIPT second")
compare("persistent:1", refused, "RECEIPT second")
compare("message-id:7", "ERROR Invalid header", "RECEIPT second")
compare("user-id:somebody", "ERROR precondition_failed", "closed")
compare("correlation-id:7", "RECEIPT first", "RECEIPT second")
compare("testName:a", "RECEIPT first", "RECEIPT second")
reader = Client()
reader.send("SUBSCRIBE", "id:0", "destination:/queue/results", "ack:auto")
frames = []
while (frame := reader.receive(5)) not in (None, "closed"):
    frames.append(frame)
message = next((frame for frame in frames if "testName:a" in frame), "")
print(message)
if len(frames) != 10 or "receipt:first" not in message:
    sys.exit(f"CHANGED: ten messages were there, with their senders' receipt headers; now {len(frames)}")
PYTHON
