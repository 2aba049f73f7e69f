"""Many runs of one executable at a time, in processes forked from one that has the library loaded.

    python tests/probes/crowd.py COUNT EXECUTABLE ARGUMENT...

Prints what the runs print, and then their exit codes, separated by blanks.
"""

from __future__ import annotations

import os
import runpy
import sys


def main(count: int, words: list[str]) -> None:
    from libprobe.formats import metric_result  # noqa: F401
    from libprobe.probe import settings  # noqa: F401 - what a run loads, loaded once
    from libprobe.programs.publish import handler, publishing  # noqa: F401 - what a run loads, loaded once

    children = []
    for _ in range(count):
        child = os.fork()
        if not child:
            try:
                sys.argv = list(words)
                runpy.run_path(words[0], run_name="__main__")
            finally:
                os._exit(99)
        children.append(child)
    codes = [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children]
    print(*codes)


if __name__ == "__main__":
    sys.path.insert(0, os.path.dirname(sys.argv[2]))
    main(int(sys.argv[1]), sys.argv[2:])
