"""Runs what a unit says as systemd would, on a machine without it: environment, conditions, one command after another.

Paths of the machine are taken below a directory, programs of ours from this checkout, and others from stand-ins
where the test has put one.
"""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from tests.conftest import ROOT, clean_environment

DIRECTORY = ROOT / "etc/systemd"
SETTINGS = "etc/fedcloud-probes/timers.conf"
OF_THE_MACHINE = re.compile(r"(?<![\w.])/(etc|run|var)/")
DIRECTORIES = {"State": "var/lib", "Runtime": "run", "Cache": "var/cache"}


class Outcome(NamedTuple):
    """state: done, skipped (by a condition) or failed. failed: the words of the command that did. output: of all."""

    state: str
    failed: list[str]
    output: str


class Unit:
    def __init__(self, name: str) -> None:
        self.name = name
        self.settings = read((DIRECTORY / name).read_text())

    def all(self, key: str) -> list[str]:
        """Every value of a key; an empty one takes back those before it."""
        found: list[str] = []
        for value in self.settings.get(key, []):
            found = [*found, value] if value else []
        return found

    def one(self, key: str) -> str:
        [value] = self.all(key)
        return value


def read(text: str) -> dict[str, list[str]]:
    settings: dict[str, list[str]] = {}
    for line in text.splitlines():
        if re.match(r"[A-Z]\w*=", line):
            key, _, value = line.partition("=")
            settings.setdefault(key, []).append(value)
        else:
            assert not line or line[0] in "#[", line
    return settings


class Machine:
    """A directory in which the paths of a monitoring host are, and stand-ins for programs."""

    def __init__(self, directory: Path, environment: Mapping[str, str]) -> None:
        self.directory = directory
        self.environment = dict(environment)
        self.calls = directory / "calls"
        self.calls.touch()
        (directory / "bin").mkdir()
        self.stands_in("systemctl", f'echo "$*" >>{self.calls}')

    def __truediv__(self, name: str) -> Path:
        path = self.directory / name.lstrip("/")
        path.parent.mkdir(parents=True, exist_ok=True)
        return path

    def stands_in(self, program: str, script: str) -> None:
        path = self.directory / "bin" / program
        path.write_text(f"#!/bin/sh\n{script}\n")
        path.chmod(0o755)

    def set(self, **values: str) -> None:
        """What the operator wrote into the file of settings; paths in it are taken as they are."""
        (self / SETTINGS).write_text("".join(f"{name}={value}\n" for name, value in values.items()))

    def run(self, name: str) -> Outcome:
        unit = Unit(name)
        environment = self._environment(unit)
        success = {0, *(int(code) for value in unit.all("SuccessExitStatus") for code in value.split())}
        place = (
            self.directory / unit.one("WorkingDirectory").replace("%t", "run")
            if "WorkingDirectory" in (unit.settings)
            else Path("/")
        )
        said = ""
        for key in ("ExecCondition", "ExecStart"):
            for line in unit.all(key):
                words = self.words(line, environment)
                done = subprocess.run(
                    words, cwd=place, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True
                )
                said += done.stdout + done.stderr
                if key == "ExecCondition" and 1 <= done.returncode <= 254:
                    return Outcome("skipped", [], said)
                if done.returncode not in success:
                    return Outcome("failed", words, said)
        return Outcome("done", [], said)

    def _environment(self, unit: Unit) -> dict[str, str]:
        environment = clean_environment(**self.environment, HOME=str(self.directory))
        environment["PATH"] = f"{self.directory}/bin:/usr/sbin:{environment['PATH']}"
        for kind, parent in DIRECTORIES.items():
            for each in unit.all(f"{kind}Directory"):
                path = self.directory / parent / each
                path.mkdir(parents=True, exist_ok=True)
                path.chmod(int((unit.all(f"{kind}DirectoryMode") or ["0755"])[0], 8))
                environment[f"{kind.upper()}_DIRECTORY"] = str(path)
        if credentials := unit.all("LoadCredential"):
            path = self.directory / "run/credentials" / unit.name
            path.mkdir(parents=True, exist_ok=True)
            for each in credentials:
                name, _, source = each.partition(":")
                (path / name).unlink(missing_ok=True)
                (path / name).write_bytes((self / source).read_bytes())
                (path / name).chmod(0o400)
            environment["CREDENTIALS_DIRECTORY"] = str(path)
        for value in unit.all("Environment"):
            for word in shlex.split(value):
                key, _, text = word.partition("=")
                if key not in self.environment:
                    environment[key] = self._here(text)
        assert unit.all("EnvironmentFile") in ([], [f"-/{SETTINGS}"])
        settings = self.directory / SETTINGS
        for line in settings.read_text().splitlines() if unit.all("EnvironmentFile") and settings.exists() else ():
            if not line.startswith("#") and line:
                key, _, text = line.partition("=")
                environment[key] = text
        return environment

    def words(self, line: str, environment: Mapping[str, str]) -> list[str]:
        """The words of a command, by the rules of systemd.service(5), "COMMAND LINES"."""
        found: list[str] = []
        for word in shlex.split(line.lstrip("+-@!:").replace("%%", "%")):
            if whole := re.fullmatch(r"\$(\w+)", word):
                found += shlex.split(environment.get(whole[1], ""))
                continue
            word = self._here(word)
            found.append(re.sub(r"\$\{(\w+)\}", lambda each: environment.get(each[1], ""), word))
        return self._program(found[0]) + found[1:]

    def _here(self, text: str) -> str:
        return OF_THE_MACHINE.sub(rf"{self.directory}/\1/", text)

    def _program(self, path: str) -> list[str]:
        name = path.rpartition("/")[2]
        if (self.directory / "bin" / name).exists():
            return [str(self.directory / "bin" / name)]
        if (ROOT / "probes" / name).exists():
            return [sys.executable, str(ROOT / "probes" / name)]
        return [path]
