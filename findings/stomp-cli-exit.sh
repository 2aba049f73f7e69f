#!/bin/bash
# stomp, the command of stomp.py: exit code 0 where the broker refused each message, and where the file of commands is not there.
#
# Software:  stomp.py 9.0.0 (PyPI), its command `stomp` and `python -m stomp`, with a broker of a few lines. Seen 2026-11-30.
# Expected:  `stomp -F commands` ends with another code than 0 if a command fails or cannot be read. A body arrives as it is in the file.
#            `sendrec`, which "blocks for receipt" by its help, waits.
# Seen:      each SEND is answered with ERROR, "no write permission":  exit code 0; the reason is printed now and then
#            a command that is misspelt, a file to send or a file of commands that is not there:  exit code 0
#            `sendrec` to a broker that never confirms:               ends at once, exit code 0
#            "send /queue/results OK   -  2 VMs":                      arrives as "OK - 2 VMs"
#            no broker at all:  `stomp` ends with 1, `python -m stomp` with 0
# Matters:   a cron job that sends its results by `stomp -F` and removes them after exit code 0 loses them while its login may not
#            write there. Send with a program that waits for the receipt of each message.
set -eu
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"

python3 -m venv venv
venv/bin/pip -q --disable-pip-version-check install stomp-py==9.0.0
venv/bin/python - <<'PYTHON'
import pathlib
import socket
import subprocess
import sys
import threading
import time

bodies = []
answers = {"ERROR": b"ERROR\nmessage:no write permission\n\nyou may not write there\0", "nothing": b""}


def serve(listener, answer):
    while True:
        connection, _ = listener.accept()
        data = b""
        while piece := connection.recv(65536):
            *frames, data = (data + piece).split(b"\0")
            for frame in frames:
                command, _, rest = frame.lstrip(b"\n").partition(b"\n")
                if command in {b"CONNECT", b"STOMP"}:
                    connection.sendall(b"CONNECTED\nversion:1.1\n\n\0")
                elif command == b"SEND":
                    bodies.append(rest.partition(b"\n\n")[2].decode())
                    connection.sendall(answers[answer])
        connection.close()


def start(answer):
    listener = socket.create_server(("127.0.0.1", 0))
    threading.Thread(target=serve, args=(listener, answer), daemon=True).start()
    return str(listener.getsockname()[1])


def run(port, command, file="commands", program=("venv/bin/stomp",)):
    if command:
        pathlib.Path("commands").write_text(command + "\n")
    done = subprocess.run([*program, "-H", "127.0.0.1", "-P", port, "-F", file], capture_output=True, text=True, timeout=60)
    return done.returncode, done.stdout


with socket.create_server(("127.0.0.1", 0)) as closed:
    nobody = str(closed.getsockname()[1])
refusing, silent = start("ERROR"), start("nothing")
MESSAGE = "send /queue/results OK   -  2 VMs"
for name, arguments, expected in (
    ("each message is refused", (refusing, MESSAGE), 0),
    ("a command is misspelt", (silent, "sned /queue/results OK"), 0),
    ("no such file to send", (silent, "sendfile /queue/results result.json"), 0),
    ("no such file of commands", (silent, "", "comands"), 0),
    ("no receipt comes for sendrec", (silent, "sendrec /queue/results OK"), 0),
    ("no broker", (nobody, MESSAGE), 1),
    ("no broker, python -m stomp", (nobody, MESSAGE, "commands", ("venv/bin/python", "-m", "stomp")), 0),
):
    code, said = run(*arguments)
    print(f"{name}: exit code {code}{', and says so' if 'write' in said or 'not' in said else ''}")
    if code != expected:
        sys.exit(f"CHANGED: it was {expected}")
for _ in range(100):
    if len(bodies) >= 2:
        break
    time.sleep(0.1)
print("arrived:", bodies)
if "OK - 2 VMs" not in bodies:
    sys.exit("CHANGED: blanks were taken out of the first")
PYTHON
