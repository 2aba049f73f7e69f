from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import ROOT, clean_environment


@pytest.fixture(scope="session")
def made(tmp_path_factory):
    """Run a script of scripts/ that fills a directory: `made("make-man")` is what it wrote."""
    directories: dict[str, Path] = {}

    def make(script: str) -> Path:
        if script not in directories:
            directories[script] = tmp_path_factory.mktemp(script) / "new"
            subprocess.run(
                [sys.executable, ROOT / "scripts" / script, directories[script]],
                check=True,
                capture_output=True,
                cwd="/",
                env=clean_environment(SOURCE_DATE_EPOCH=1764028800),
            )
        return directories[script]

    return make
