#!/bin/bash
# syslog-rfc5424-parser: of two parameters of one name the last is left, escapes stay in values, and the byte order mark in the text.
#
# Software:  syslog-rfc5424-parser 0.3.2 (PyPI). Seen 2026-11-30.
# Expected:  what RFC 5424 allows is read as it says: a parameter may stand there more than once, `\"`, `\\` and `\]` are one character, a
#            byte order mark only says that the text is UTF-8, and "-" is nothing.
# Seen:      [origin ip="192.0.2.1" ip="192.0.2.129"]:  one address, the last
#            [a b="disk \"C\" of [1\]"]:                  the backslashes stay in the value
#            a text with a byte order mark:              begins with U+FEFF, so it is not equal to what was sent
#            "-" for host and program:                   the text "-"; for process and message ID it is None
#            as_dict() of a time "-":                    a Token; of any other a text
# Matters:   a filter for a text finds the messages of one sender and not those of another; of a host with two addresses one is never
#            seen. Read structured data from the message itself, and strip U+FEFF.
set -eu
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"

python3 -m venv venv
venv/bin/pip -q --disable-pip-version-check install syslog-rfc5424-parser==0.3.2 lark-parser==0.6.7
venv/bin/python - <<'PYTHON'
import sys

from syslog_rfc5424_parser import SyslogMessage


def fail_unless(name, got, expected):
    print(f"{name}: {got!r}")
    if got != expected:
        sys.exit(f"CHANGED: it was {expected!r}")


def parse(data="-", text="endpoint is CRITICAL", head="2026-11-30T10:00:00Z a.example.org check_tcp 5 state"):
    return SyslogMessage.parse(f"<10>1 {head} {data} {text}").as_dict()


plain = parse()
fail_unless("a message", (plain["severity"], plain["msg"], plain["sd"]), ("crit", "endpoint is CRITICAL", {}))
fail_unless("two addresses", parse('[origin ip="192.0.2.1" ip="192.0.2.129"]')["sd"], {"origin": {"ip": "192.0.2.129"}})
fail_unless("escapes", parse(r'[a b="disk \"C\" of [1\]"]')["sd"], {"a": {"b": r"disk \"C\" of [1\]"}})
fail_unless("a backslash", parse(r'[a b="C:\\vm"]')["sd"], {"a": {"b": r"C:\\vm"}})
fail_unless("a byte order mark", parse(text="\ufeffendpoint is CRITICAL")["msg"], "\ufeffendpoint is CRITICAL")
nothing = parse(head="- - - - -")
got = [nothing[name] for name in ("hostname", "appname", "procid", "msgid")]
fail_unless("nothing", got, ["-", "-", None, None])
fail_unless("times", (type(nothing["timestamp"]).__name__, type(plain["timestamp"]).__name__), ("Token", "str"))
PYTHON
