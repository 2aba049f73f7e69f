"""What a command line asks for: a shell would read the same words, or a shell is asked."""

from __future__ import annotations

import subprocess

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from libprobe.programs.worker.commands import PROCESS, SHELL, THREAD, parse_command

OURS = frozenset({"/p/check_endpoint_tcp", "/p/check_occi_vm", "/p/check_occi_context", "/p/check_new"})


@pytest.mark.parametrize(
    ("command", "way"),
    [
        ("/p/check_endpoint_tcp", THREAD),
        ("/p/check_endpoint_tcp -H host -p 80 -vv", THREAD),
        ("/p/check_endpoint_tcp -u 'https://h/?a=b&c=d'", THREAD),
        ('/p/check_endpoint_tcp -u "https://h/?a=b&c=d"', THREAD),
        ("/p/check_endpoint_tcp -H h -vvv", PROCESS),
        ("/p/check_endpoint_tcp -H h -v -v -v", PROCESS),
        ("/p/check_endpoint_tcp -H h -4vvv", PROCESS),
        ("/p/check_endpoint_tcp -H h --verbose -v --verbose", PROCESS),
        ("/p/check_endpoint_tcp -H h -u http://h/" + 16000 * "x", THREAD),
        ("/p/check_endpoint_tcp -H h -u http://h/" + 17000 * "x", PROCESS),
        ("/p/check_occi_context -H h", THREAD),
        ("/p/check_occi_context -H h --boot", PROCESS),
        ("/p/check_occi_vm -H h", PROCESS),
        ("/p/check_new -H h", PROCESS),
        ("/p/check_endpoint_tcp -H h | tee /tmp/x", SHELL),
        ("/p/check_endpoint_tcp -H $HOST", SHELL),
        ("/p/check_endpoint_tcp -u https://h/?a=b&c=d", SHELL),
        ("/p/check_endpoint_tcp -H 'h", SHELL),
        ("/p/check_endpoint_tcp -H h; reboot", SHELL),
        ("/p/check_endpoint_tcp -H `id`", SHELL),
        ('/p/check_endpoint_tcp -H "`id`"', SHELL),
        ("/p/check_endpoint_tcp -H ~", SHELL),
        ("/p/check_endpoint_tcp -H *", SHELL),
        ("/p/check_endpoint_tcp -H a\nreboot", SHELL),
        ("/p/check_endpoint_tcp -H h #", SHELL),
        ("/q/check_endpoint_tcp -H h", SHELL),
        ("X=1 /p/check_endpoint_tcp -H h", SHELL),
        ("", SHELL),
    ],
)
def test_a_command_goes_where_it_can_be_run_as_nagios_would(command, way):
    assert parse_command(command.encode(), OURS)[0] == way


def test_a_shell_gets_the_command_as_it_came():
    assert parse_command(b"/p/check_endpoint_tcp \xff | cat", OURS) == (
        SHELL,
        [b"/p/check_endpoint_tcp \xff | cat".decode("utf-8", "surrogateescape")],
    )


WORDS = st.text(alphabet="""ab-=/:.'"\\ $`~*?&#\n%+,@!{}é""", max_size=20)


@settings(max_examples=60, deadline=None)
@given(WORDS)
def test_where_no_shell_is_asked_a_shell_would_have_read_the_same_words(rest):
    way, words = parse_command(f"/p/check_endpoint_tcp {rest}".encode(), OURS)
    if way != SHELL:
        said = subprocess.run(["/bin/sh", "-c", f"printf '%s\\0' x {rest}"], capture_output=True, check=True).stdout
        assert words[1:] == said.decode().split("\0")[1:-1]
