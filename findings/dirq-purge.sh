#!/bin/bash
# dirq: a purge takes a message that is being added away from its producer, and fails for five minutes after a producer that died.
#
# Software:  dirq 1.8 (PyPI), its class Queue. Seen 2026-11-30.
# Expected:  purge() looks at temporary elements that are older than maxtemp (300 s) alone, and at locks older than maxlock (600 s): it
#            may be called beside producers and consumers.
# Seen:      during an add(), before its first file:       the directory is gone, add() ends with FileNotFoundError
#            during an add(), between two files:           purge() ends with OSError, "Directory not empty"
#            during a remove() of a message of two files:  both end with OSError, and the message stays in "obsolete"
#            after an add() that refused its data (a number in a table), or a producer that was killed: OSError of each purge() until the
#            leftover is 300 s old. Locks are looked at last, so none is taken off meanwhile. count() counts the leftovers.
# Matters:   a purge each minute beside a busy producer costs results, and one leftover keeps messages locked whose consumer died. Purge
#            while nobody adds or removes, or use QueueSimple, whose purge() keeps the young.
set -eu
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"

python3 -m venv venv
venv/bin/pip -q --disable-pip-version-check install dirq==1.8
venv/bin/python - <<'PYTHON'
import os
import sys

import dirq.QueueSimple
import dirq.queue

SCHEMA = {"body": "string", "header": "table"}
MESSAGE = {"body": "OK", "header": {"service": "org.example.vm"}}
RESULTS = (
    ("purge before the first file", "nothing", "FileNotFoundError"),
    ("purge between two files", "OSError", "nothing"),
    ("purge within a remove", "OSError", "OSError"),
    ("purge after data that were refused", "OSError", "QueueError"),
)  # fmt: skip


def raised(call, *arguments):
    try:
        call(*arguments)
    except Exception as error:
        return type(error).__name__
    return "nothing"


class Halfway(dict):
    """A message; the other process purges when its part NUMBER is about to be written."""

    number = 0

    def __getitem__(self, key):
        if not said and list(self).index(key) == self.number:
            said.append(raised(other.purge))
        return super().__getitem__(key)


def unlink_after_a_purge(path):
    if not said:
        said.append(raised(other.purge))
    unlink(path)


got, said = [], []
unlink = os.unlink
for number, (when, *_) in enumerate(RESULTS):
    queue, other = (dirq.queue.Queue(f"queue{number}", schema=SCHEMA) for _ in range(2))
    said.clear()
    message = Halfway(MESSAGE)
    if "files" in when or "file" in when.split():
        message.number = number
        ended = raised(queue.add, message)
    elif "remove" in when:
        name = queue.add(MESSAGE)
        queue.lock(name)
        os.unlink = unlink_after_a_purge
        ended = raised(queue.remove, name)
        os.unlink = unlink
    else:
        stuck = queue.add(MESSAGE)
        queue.lock(stuck)
        os.utime(f"{queue.path}/{stuck}", (0, 0))
        ended = raised(queue.add, {"body": "OK", "header": {"attempt": 3}})
        said.append(raised(other.purge))
        said.append(raised(other.purge))
        print(f"a lock of 1970 is {'kept' if not queue.lock(stuck) else 'taken off'}")
        if said[0] != said[1] or queue.lock(stuck):
            sys.exit("CHANGED: the second purge failed too, the lock was kept")
    got.append((when, said[0], ended))
    left = sum(len(os.listdir(f"{queue.path}/{kind}")) for kind in ("temporary", "obsolete"))
    print(f"{when}: purge() raises {said[0]}, add() or remove() {ended}; {left} left over; count() is {queue.count()}, of {len(list(queue))}")
    if queue.count() != len(list(queue)) + left:
        sys.exit("CHANGED: what was left over was counted")
if got != list(RESULTS):
    sys.exit(f"CHANGED: it was {RESULTS}")

simple = dirq.QueueSimple.QueueSimple("simple")
simple.add("OK")
young = os.listdir("simple")[0]
os.rename(f"simple/{young}/{os.listdir('simple/' + young)[0]}", f"simple/{young}/00000000000000.tmp")
print("QueueSimple, a young .tmp: purge() raises", raised(simple.purge), os.listdir(f"simple/{young}"))
if os.listdir(f"simple/{young}") != ["00000000000000.tmp"]:
    sys.exit("CHANGED: it was kept")
PYTHON
