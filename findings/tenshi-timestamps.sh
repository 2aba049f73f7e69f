#!/bin/bash
# tenshi finds nothing in the logs as Debian 12 writes them; where one of two recipients is refused nobody is told, a refused mail is gone.
#
# Software:  tenshi 0.13-7, with rsyslog 8.2302.0-1+deb12u2, both of Debian 12 (the file that rsyslog writes by its own default template);
#            a few lines in the place of a mail server. Seen 2026-11-30.
# Expected:  the rules are held against the logs of the same release, or it is said that no line can be read. Each recipient whom the mail
#            server takes is told. A report that the server refuses for now waits for the next try.
# Seen:      "Nov 30 10:00:00 host1 kernel: Oops":              the queue "critical" is mailed
#            the same by rsyslog, "2026-11-30T10:00:00...":     nothing; with a queue "noprefix" this has each line, trash as well
#            one of two recipients is refused with 550:         nobody has it, and so at each of three tries
#            452 after the text:                                it counts as sent, and never comes again; 452 of a recipient: it comes again
# Matters:   after the upgrade to Debian 12 the alerts of the log end without a word (what was trash before is mail with the queue
#            "noprefix"). Give it "set logprefix ^\d{4}-\S+\s(\S+)\s" and one queue for each recipient.
set -eu
work=$(mktemp -d)
pids=
trap '[ -z "$pids" ] || kill $pids 2> /dev/null || :; wait; rm -rf "$work"' EXIT
chmod 755 "$work"
cd "$work"

apt-get -qq -o APT::Sandbox::User=root download tenshi libio-bufferedselect-perl rsyslog libestr0 libfastjson4
for package in ./*.deb; do dpkg-deb -x "$package" root; done
for package in tenshi rsyslog; do echo "$package $(dpkg-deb -f ${package}_*.deb Version)"; done
libraries=$(dirname "$(find "$PWD/root" -name 'libestr.so*' | head -1)")
modules=$(dirname "$(find "$PWD/root" -name 'imuxsock.so' | head -1)")
printf 'module(load="imuxsock" SysSock.Use="off")\ninput(type="imuxsock" Socket="%s/socket")\n*.* -%s/syslog\n' "$PWD" "$PWD" > rsyslog.conf
LD_LIBRARY_PATH=$libraries root/usr/sbin/rsyslogd -n -i NONE -f rsyslog.conf -M "$modules" &
pids=$!
for _ in $(seq 300); do [ -S socket ] && break; sleep 0.1; done
logger -u socket -t kernel "Oops: 0002"
for _ in $(seq 300); do grep -qs Oops syslog && break; sleep 0.1; done
echo "rsyslog: $(cat syslog)"
PERL5LIB=root/usr/share/perl5 python3 - <<'PYTHON'
import grp
import os
import pathlib
import pwd
import re
import signal
import socketserver
import subprocess
import sys
import threading
import time

MAILS = []
TRIES = []
ANSWERS = {}


class MailServer(socketserver.StreamRequestHandler):
    def handle(self):
        def say(word):
            self.wfile.write(f"{word}\r\n".encode())

        say("220 here")
        told = []
        for line in self.rfile:
            word, _, rest = line.decode().strip().partition(":")
            if word == "RCPT TO":
                answer = ANSWERS.get(rest.strip("<>"), "250 ok")
                told += [rest.strip("<>")] if answer == "250 ok" else []
                say(answer)
            elif word == "DATA":
                say("354 go on")
                text = b"".join(iter(self.rfile.readline, b".\r\n")).decode()
                answer = ANSWERS.get("text", "250 ok")
                if answer == "250 ok":
                    MAILS.append((re.search(r"Subject: .*\[(\w+)\]", text)[1], told, text))
                say(answer)
                TRIES.append(text)
            elif word == "QUIT":
                say("221 end")
                return
            else:
                if word == "MAIL FROM":
                    TRIES.append(word)
                say("250 ok")


server = socketserver.ThreadingTCPServer(("127.0.0.1", 0), MailServer)
threading.Thread(target=server.serve_forever, daemon=True).start()


def wait_for(state):
    for _ in range(600):
        if state():
            return
        time.sleep(0.1)


def tenshi(case, expected, line, to="anna@example.org", more="", tries=2, last=False, **answers):
    """Give tenshi LINE and an ordinary one behind it, wait for TRIES of a mail, end it. Compare what was mailed to what it was.

    With LAST a line that is always found, and whose mail is taken, shows what becomes of those before.
    """
    for each in (MAILS, TRIES, ANSWERS):
        each.clear()
    ANSWERS.update(answers)
    user, group = pwd.getpwuid(os.getuid()).pw_name, grp.getgrgid(os.getgid()).gr_name
    pathlib.Path("tenshi.conf").write_text(
        f"set uid {user}\nset gid {group}\nset fifo {os.getcwd()}/fifo\nset sleep 0\nset mailserver 127.0.0.1:{server.server_address[1]}\n{more}"
        f"set queue critical tenshi@example.org {to} [now]\ntrash ^cron\ncritical ^kernel: Oops\ncritical ^last\n"
    )
    pathlib.Path("fifo").unlink(missing_ok=True)
    os.mkfifo("fifo")
    with open("said", "w") as said:
        daemon = subprocess.Popen(["perl", "root/usr/sbin/tenshi", "-f", "-c", "tenshi.conf", "-P", "pid"], stdout=said, stderr=said)
    with open("fifo", "r+b", buffering=0) as fifo:  # which waits for no reader
        prefix = line.partition("kernel:")[0]
        fifo.write(f"{line}\n{prefix}cron[7]: job done\n".encode())
        wait_for(lambda: len(TRIES) >= tries)
        if last:
            ANSWERS.clear()
            fifo.write(b"Nov 30 10:00:01 host1 last: the last line\n")
        wait_for(lambda: all(each in "".join(text for _, _, text in MAILS) for _, _, lines in expected for each in lines))
    daemon.send_signal(signal.SIGTERM)
    daemon.wait(300)
    got = {}
    for queue, told, text in MAILS:  # of which there are two if a second ends between two lines
        got.setdefault((queue, *told), []).extend(re.findall(r"^ +\d+: (?:\d{4}-\S+ \S+ )?(.*?)\r?$", text, re.MULTILINE))
    got = [(queue, told, sorted(lines)) for (queue, *told), lines in got.items()]
    print(f"{case}: {got}")
    if got != expected:
        sys.exit(f"CHANGED: it was {expected}")


old, new = "Nov 30 10:00:00 host1 kernel: Oops: 0002", pathlib.Path("syslog").read_text().strip()
anna, both = ["anna@example.org"], "anna@example.org,bernd@example.org"
oops = "kernel: Oops: 0002"
tenshi("as rsyslog wrote until Debian 11", [("critical", anna, [oops])], old, tries=2)
tenshi("as it writes", [("critical", anna, ["last: the last line"])], new, tries=0, last=True)
queue = "set queue noprefix tenshi@example.org anna@example.org [now]\n"
tenshi("with a queue for what has no prefix", [("noprefix", anna, ["cron[7]: job done", oops])], new, more=queue, tries=2)
prefix = "set logprefix ^\\d{4}-\\S+\\s(\\S+)\\s\n"
tenshi("with such a prefix", [("critical", anna, [oops])], new, more=prefix, tries=2)
tenshi("two recipients", [("critical", anna + ["bernd@example.org"], [oops])], old, to=both, tries=2)
tenshi("one of two is refused, three tries", [], old, to=both, tries=3, **{"bernd@example.org": "550 no such user"})
later = {"anna@example.org": "452 later"}
tenshi("452 of the recipient, three tries", [], old, tries=3, **later)
tenshi("452 after the text, and the next mail", [("critical", anna, ["last: the last line"])], old, last=True, text="452 later")
PYTHON
