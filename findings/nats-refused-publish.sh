#!/bin/bash
# nats-py: of a message that the server refuses publish() and flush() return; JetStream's publish() says "timeout" and not why.
#
# Software:  nats-py 2.16.0 (PyPI), nats-server 2.9.10-1+b3 of Debian 12. Seen 2026-11-30.
# Expected:  flush() comes back once the server has read all, so it raises what the server said of it; js.publish() raises the refusal.
# Seen:      publish() to a subject that is not permitted, flush():  both return, the message counts as sent in stats, errors_received is 0;
#            last_error and the callback have "permissions violation"
#            js.publish() to it:                                     TimeoutError
#            js.publish() to no stream, or to one that is full:      NoStreamResponseError, ServiceUnavailableError
# Matters:   who publishes, flushes and ends with 0 has lost the message, and who sees "timeout" looks for a slow server, not for a
#            permission. Look at last_error after flush(), or set error_cb and end there.
set -eu
work=$(mktemp -d)
server=
trap '[ -z "$server" ] || kill "$server" 2> /dev/null || :; wait; rm -rf "$work"' EXIT
chmod 755 "$work"
cd "$work"

apt-get -qq -o APT::Sandbox::User=root download nats-server
dpkg-deb -x nats-server_*.deb root
echo "nats-server $(dpkg-deb -f nats-server_*.deb Version)"
python3 -m venv venv
venv/bin/pip -q --disable-pip-version-check install nats-py==2.16.0
port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
cat > nats.conf <<CONFIGURATION
listen: 127.0.0.1:$port
jetstream { store_dir: "$work/streams" }
authorization {
    users = [
        {user: all, password: all}
        {user: probe, password: probe, permissions: {publish: ["results.>", "\$JS.API.>"], subscribe: [">"]}}
    ]
}
CONFIGURATION
root/usr/sbin/nats-server -c nats.conf > log 2>&1 &
server=$!
venv/bin/python - "127.0.0.1:$port" <<'PYTHON'
import asyncio
import sys
import time

import nats
from nats.js.api import DiscardPolicy, StreamConfig


def fail_unless(name, got, expected):
    print(f"{name}: {got}")
    if got != expected:
        sys.exit(f"CHANGED: it was {expected}")


async def ending(call):
    try:
        await call
    except Exception as error:
        return type(error).__name__
    return "returned"


async def connect(user):
    told = []

    async def note(error):
        told.append(str(error))

    waited = time.monotonic() + 120
    while True:
        try:
            client = await nats.connect(f"nats://{user}:{user}@{sys.argv[1]}", error_cb=note, allow_reconnect=False)
            return client, told
        except Exception:
            if time.monotonic() > waited:
                sys.exit("CHANGED: the server does not start in two minutes")
            await asyncio.sleep(0.2)


async def main():
    everything, _ = await connect("all")
    streams = everything.jetstream(timeout=120)
    await streams.add_stream(StreamConfig(name="results", subjects=["results.>"], max_msgs=1, discard=DiscardPolicy.NEW))
    await streams.add_stream(name="other", subjects=["other.>"])
    probe, told = await connect("probe")
    got = await ending(probe.publish("other.a", b"critical")), await ending(probe.flush(timeout=120))
    fail_unless("publish() and flush(), not permitted", got, ("returned", "returned"))
    waited = time.monotonic() + 60
    while not told and time.monotonic() < waited:
        await asyncio.sleep(0.1)
    refusal = 'nats: permissions violation for publish to "other.a"'
    fail_unless("error_cb, last_error", (told, str(probe.last_error)), ([refusal], refusal))
    fail_unless("stats", (probe.stats["out_msgs"], probe.stats["errors_received"]), (1, 0))
    fail_unless("the stream has", (await streams.stream_info("other")).state.messages, 0)
    fail_unless("js.publish(), not permitted", await ending(probe.jetstream().publish("other.a", b"critical", timeout=2)), "TimeoutError")
    probe, told = await connect("probe")
    got = await ending(probe.publish("results.a", b"critical")), await ending(probe.flush(timeout=120))
    fail_unless("publish() and flush(), permitted", (*got, told), ("returned", "returned", []))
    waited = time.monotonic() + 60
    while not (await streams.stream_info("results")).state.messages and time.monotonic() < waited:
        await asyncio.sleep(0.1)
    fail_unless("js.publish(), nobody keeps it", await ending(streams.publish("nobody", b"critical", timeout=120)), "NoStreamResponseError")
    full = await ending(streams.publish("results.a", b"critical", timeout=120))
    fail_unless("js.publish(), the stream is full", full, "ServiceUnavailableError")
    await everything.close()
    await probe.close()


asyncio.run(main())
PYTHON
