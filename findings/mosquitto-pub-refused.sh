#!/bin/bash
# mosquitto_pub and paho's single() succeed where the broker refused the message by MQTT 5.
#
# Software:  mosquitto and mosquitto-clients 2.0.11-1.2 of Debian 12, paho-mqtt 2.2.0 (PyPI). Seen 2026-11-30.
# Expected:  MQTT 3.1.1 cannot refuse a message, so exit code 0 says little there. With -V 5 the broker answers with a reason: mosquitto_pub
#            ends with another code than 0, publish.single() of paho raises. A broker confirms (QoS 1) what it keeps, by either version.
# Seen:      MQTT 5, a topic that the ACL denies:       "Warning: Publish 1 failed: Not authorized.", exit code 0; single() returns
#            MQTT 5, beyond message_size_limit:         "Packet too large", exit code 0
#            MQTT 3.1.1, the same two:                  exit code 0 without a word; single() returns; nothing arrives
#            either, six for a client that is away, max_queued_messages 3:  six times 0 without a warning; the first three are kept
# Matters:   results that are published by a cron job and deleted after exit code 0 are lost once the ACL or the size limit changes. Read
#            what mosquitto_pub prints, with -V 5, or the reason code that paho hands to on_publish.
set -eu
work=$(mktemp -d)
broker=
trap '[ -z "$broker" ] || kill "$broker" 2> /dev/null; rm -rf "$work"' EXIT
chmod 755 "$work"
cd "$work"
changed() { echo "CHANGED: $1" >&2; exit 1; }

apt-get -qq -o APT::Sandbox::User=root download mosquitto mosquitto-clients libmosquitto1 libcjson1 libdlt2 libwrap0
for package in ./*.deb; do dpkg-deb -x "$package" root; done
echo "mosquitto $(dpkg-deb -f mosquitto_*.deb Version)"
LD_LIBRARY_PATH=$(dirname "$(find "$PWD/root" -name 'libmosquitto.so*' | head -1)")
export LD_LIBRARY_PATH PATH="$PWD/root/usr/bin:$PATH" HOME="$PWD"
python3 -m venv venv
venv/bin/pip -q --disable-pip-version-check install paho-mqtt==2.2.0

port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
printf 'topic readwrite results/#\n' > acl
cat > broker.conf <<CONF
user root
listener $port 127.0.0.1
allow_anonymous true
acl_file $PWD/acl
message_size_limit 100
max_queued_messages 3
max_inflight_messages 1
CONF
root/usr/sbin/mosquitto -c broker.conf > log 2>&1 &
broker=$!
pub() { # version, topic, text
    code=0
    mosquitto_pub -h 127.0.0.1 -p "$port" -V "$1" -q 1 -t "$2" -m "$3" > said 2>&1 || code=$?
}
sub() { # version, topic, more
    version=$1 topic=$2
    shift 2
    ended=0
    mosquitto_sub -h 127.0.0.1 -p "$port" -V "$version" -q 1 -t "$topic" "$@" > got 2> said || ended=$?
}
compare() { # what, got, expected
    echo "$1: $2"
    [ "$2" = "$3" ] || { tail log >&2; changed "it was: $3"; }
}
for _ in $(seq 100); do pub 5 results/first OK; [ "$code" = 0 ] && break; sleep 0.2; done
compare "a message that is allowed" "$code $(cat said)" "0 "
large=$(printf '%0200d' 0)
for version in 5 311; do
    refused=() away=()
    [ "$version" = 311 ] || refused=("Warning: Publish 1 failed: Not authorized." "Warning: Publish 1 failed: Packet too large.") away=(-x 600)
    pub $version denied/site OK
    compare "MQTT $version, a topic that is denied" "$code $(cat said)" "0 ${refused[0]-}"
    pub $version results/large "$large"
    compare "MQTT $version, 200 bytes of 100" "$code $(cat said)" "0 ${refused[1]-}"

    sub $version results/queue -c -i "keeper$version" "${away[@]}" -E
    codes=
    for number in 1 2 3 4 5 6; do
        pub $version results/queue "message $number"
        codes="$codes$code$(cat said)"
    done
    sub $version results/queue -c -i "keeper$version" "${away[@]}" -C 4 -W 30
    compare "MQTT $version, six messages, a queue of three" "$codes, $(paste -sd, got)" "000000, message 1,message 2,message 3"
done
venv/bin/python - "$port" <<'PYTHON'
import subprocess
import sys

SINGLE = """
import sys
import paho.mqtt.client
import paho.mqtt.publish
topic, text, protocol = sys.argv[2:]
print(paho.mqtt.publish.single(topic, text, qos=1, hostname="127.0.0.1", port=int(sys.argv[1]), protocol=int(protocol)))
"""
for topic, text, protocol, expected in (
    ("results/site", "OK", "5", "returned"),
    ("denied/site", "OK", "5", "returned"),
    ("denied/site", "OK", "4", "returned"),
    ("results/site", "x" * 200, "4", "returned"),
):
    done = subprocess.run([sys.executable, "-c", SINGLE, sys.argv[1], topic, text, protocol], capture_output=True, text=True)
    got = "returned" if done.returncode == 0 else done.stderr
    print(f"paho's single(), protocol {protocol}, {topic}, {len(text)} bytes: {got}")
    if got != expected:
        sys.exit(f"CHANGED: it {expected}")
PYTHON
