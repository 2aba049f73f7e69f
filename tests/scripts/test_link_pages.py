"""scripts/link-pages: links of installed pages to what only the sources have."""

from __future__ import annotations

import shutil
import subprocess

from tests.conftest import ROOT

WEB = "https://github.com/EGI-Federation/fedcloud-probes"


def link(directory):
    done = subprocess.run([ROOT / "scripts/link-pages", directory], capture_output=True, text=True)
    return done.returncode, done.stdout + done.stderr


def test_what_is_installed_is_linked_as_it_was_and_what_is_not_is_linked_on_the_web(tmp_path):
    (tmp_path / "docs").mkdir()
    page = tmp_path / "docs/install.md"
    shutil.copy(ROOT / "docs/ncg.md", tmp_path / "docs")
    page.write_text(
        "[a](ncg.md#options) [b](#pip) [c](https://example.org/x.md) [d](../fuzz/README.md) [e](example/) "
        '![f](../README.md) <img src="../LICENSE"> [g](../CONTRIBUTING.md#what-a-change-needs)'
    )
    assert link(tmp_path) == (0, "")
    assert page.read_text() == (
        f"[a](ncg.md#options) [b](#pip) [c](https://example.org/x.md) [d]({WEB}/blob/main/fuzz/README.md) "
        f'[e]({WEB}/tree/main/docs/example) ![f]({WEB}/blob/main/README.md) <img src="{WEB}/blob/main/LICENSE"> '
        f"[g]({WEB}/blob/main/CONTRIBUTING.md#what-a-change-needs)"
    )


def test_a_link_that_leads_nowhere_ends_the_build(tmp_path):
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs/x.md").write_text("[a](nowhere.md) [b](../../outside.md)")
    code, said = link(tmp_path)
    assert code == 1
    assert said == "docs/x.md: nowhere.md does not exist\ndocs/x.md: ../../outside.md does not exist\n"
