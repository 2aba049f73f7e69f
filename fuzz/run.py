"""One target under the fuzzer, in this process: `python -m fuzz.run TARGET [option of libFuzzer or directory]...`."""

from __future__ import annotations

import sys

import atheris

INSTRUMENTED = ("libprobe", "asn1crypto", "html.parser", "_markupbase", "json.decoder", "urllib.parse")
"""What the fuzzer sees the branches of: our own code, and what reads hostile bytes for us in Python."""

with atheris.instrument_imports(include=list(INSTRUMENTED)):
    from fuzz import judged, targets

    TARGET = targets.load(sys.argv[1])
    # what readers import only when they are called
    from libprobe.formats import chains, cms, dn  # noqa: F401


def one(data: bytes) -> None:
    judged.judge(TARGET.read, data)


if __name__ == "__main__":
    atheris.Setup([sys.argv[0], *sys.argv[2:]], one)
    atheris.Fuzz()
