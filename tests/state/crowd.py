"""Two hundred processes with one journal, some of which are killed; tells as JSON what each did.

    python -m tests.state.crowd DIRECTORY SEED

Forked from one process, so that they are many at a time and not one after the other's start.
"""

from __future__ import annotations

import json
import os
import random
import signal
import sys
import time

from libprobe.state.files import StateDirectory
from libprobe.state.journal import Journal

HERE = ("https://cloud.example.org:8787", "/CN=robot ops")
USERS = 200


def user(path: str, number: int, chance: random.Random, tell: int) -> None:
    """Remove what is left, begin, be killed or go on; each step is told before the next is taken."""

    def say(*words: object) -> None:
        os.write(tell, (json.dumps([number, *words]) + "\n").encode())

    journal = Journal(StateDirectory(path))
    say("monitor", journal.monitor)
    for entry in journal.leftovers(*HERE):
        say("took over", entry.title)
        entry.forget()
    mine = journal.begin(*HERE)
    say("begun", mine.title)
    time.sleep(chance.random() * 0.2)
    if chance.random() < 0.2:
        os.kill(os.getpid(), signal.SIGKILL)
    mine.note_location(f"/compute/{number}")
    if chance.random() < 0.2:
        os.kill(os.getpid(), signal.SIGKILL)
    say("ending", mine.title)
    mine.forget()


def main(path: str, seed: int) -> None:
    read, tell = os.pipe()
    children = []
    for number in range(USERS):
        child = os.fork()
        if not child:
            try:
                os.close(read)
                user(path, number, random.Random(seed * 1000 + number), tell)
            except BaseException as error:
                os.write(tell, (json.dumps([number, "failed", repr(error)]) + "\n").encode())
            os._exit(0)
        children.append(child)
    os.close(tell)
    with os.fdopen(read) as told:
        sys.stdout.write(told.read())
    for child in children:
        os.waitpid(child, 0)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
