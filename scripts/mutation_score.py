"""The score of `make mutation`, module by module, as docs/reliability.md has it."""

from __future__ import annotations

import json
import sys
from collections import Counter
from pathlib import Path

RESULTS = Path(__file__).resolve().parent.parent / "mutants"
NOTICED, UNTESTED = "noticed", "in code that no test runs"
OF_EXIT_CODE = {0: "not noticed", 5: UNTESTED, 33: UNTESTED}
"""What mutmut notes of a mutant: how the tests ended. All others failed, broke off or took too long."""


def main() -> int:
    print("| module | changes | noticed | not noticed | in code that no test runs | score |")
    print("|---|---|---|---|---|---|")
    whole: Counter[str] = Counter()
    for path in sorted(RESULTS.rglob("*.meta")):
        codes = json.loads(path.read_text())["exit_code_by_key"].values()
        counted = Counter(OF_EXIT_CODE.get(code, NOTICED) for code in codes if code is not None)
        whole += counted
        if counted:
            print(line(f"`{path.relative_to(RESULTS / 'libprobe').with_suffix('')}`", counted))
    print(line("all", whole))
    return 0 if whole else 1


def line(name: str, counted: Counter[str]) -> str:
    tested = counted[NOTICED] + counted["not noticed"]
    score = f"{100 * counted[NOTICED] / tested:.0f} %" if tested else "-"
    numbers = (counted[NOTICED], counted["not noticed"], counted[UNTESTED])
    return f"| {name} | {sum(numbers)} | {' | '.join(map(str, numbers))} | {score} |"


if __name__ == "__main__":
    sys.exit(main())
