#!/bin/bash
# check_smtp: a server that refuses HELO or the sender is OK, one that refuses everybody is a WARNING, and OK if its name has "220".
#
# Software:  check_smtp of monitoring-plugins-basic 2.3.3-5+deb12u2 of Debian 12; a few lines in the place of a mail server.
#            Seen 2026-11-30.
# Expected:  421 and 554 as the first answer ("not available", "no service here", RFC 5321) are CRITICAL: no mail gets in. So are a
#            refused HELO and, with -f, a refused MAIL. With -S or -D a server that offers no STARTTLS is CRITICAL: nobody who asks for
#            TLS can send there, and no certificate was seen.
# Seen:      421 or 554:                        exit code 1, "Invalid SMTP response", without performance data.
#            421 mx220.example.org too busy:    0, "SMTP OK": 220 is looked for anywhere in the line.
#            HELO 550; -f, and MAIL 451:        0, "SMTP OK".
#            -C 'MAIL ...' refused:             0 without -R, 1 with -R 250.
#            -S and -D 14 without STARTTLS:     1, "WARNING - TLS not supported by server".
#            a refused login (-A LOGIN):        2.
# Matters:   a mail server whose disk is full (452), which greylists its own monitor, or has lost its TLS settings pages nobody who is
#            paged for CRITICAL. Give -C with -R for each step, and let WARNINGs of this plugin page too.
set -eu
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
chmod 755 "$work"
cd "$work"

apt-get -qq -o APT::Sandbox::User=root download monitoring-plugins-basic
dpkg-deb -x monitoring-plugins-basic_*.deb root
echo "monitoring-plugins-basic $(dpkg-deb -f monitoring-plugins-basic_*.deb Version)"
python3 - <<'PYTHON'
import re
import socketserver
import subprocess
import sys
import threading

SAYS = {}
"""What the server answers: to the connection, and to each command."""
HEARD = []


class Mail(socketserver.StreamRequestHandler):
    def handle(self):
        self.say("")
        for line in self.rfile:
            HEARD.append(line.decode().split()[0].upper())
            self.say(HEARD[-1])

    def say(self, command):
        usual = {"": "220 mail.example.org", "EHLO": "250 mail.example.org", "HELO": "250 mail.example.org", "QUIT": "221 bye", "AUTH": "535 no"}
        self.wfile.write(f"{SAYS.get(command, usual.get(command, '250 fine'))}\r\n".encode())


socketserver.ThreadingTCPServer.daemon_threads = True
server = socketserver.ThreadingTCPServer(("127.0.0.1", 0), Mail)
threading.Thread(target=server.serve_forever, daemon=True).start()
MAIL = ("-C", "MAIL FROM:<probe@example.org>")
for says, options, code, text in (
    ({}, (), 0, "SMTP OK"),
    ({"": "421 too busy"}, (), 1, "Invalid SMTP response received from host on port N: 421 too busy"),
    ({"": "554 no mail here"}, (), 1, "Invalid SMTP response received from host on port N: 554 no mail here"),
    ({"": "421 mx220.example.org too busy"}, (), 0, "SMTP OK"),
    ({"HELO": "550 go away"}, (), 0, "SMTP OK"),
    ({"MAIL": "451 no space"}, ("-f", "probe@example.org"), 0, "SMTP OK"),
    ({"MAIL": "451 no space"}, MAIL, 0, "SMTP OK"),
    ({"MAIL": "451 no space"}, (*MAIL, "-R", "250"), 1, "SMTP WARNING - Invalid response '451 no space' to command 'MAIL FROM:<probe@example.org>'"),
    ({}, ("-S",), 1, "WARNING - TLS not supported by server"),
    ({}, ("-D", "14"), 1, "WARNING - TLS not supported by server"),
    ({}, ("-A", "LOGIN", "-U", "probe", "-P", "secret"), 2, "SMTP CRITICAL"),
):
    SAYS.clear()
    HEARD.clear()
    SAYS.update(says)
    plugin = ["root/usr/lib/nagios/plugins/check_smtp", "-H", "127.0.0.1", "-p", str(server.server_address[1]), "-t", "50", *options]
    done = subprocess.run(plugin, capture_output=True, text=True, timeout=120)
    said = re.sub("port [0-9]+", "port N", done.stdout.splitlines()[0]).strip()
    print(f"{says or 'all as usual'} {' '.join(options)}: {done.returncode} {said}")
    if done.returncode != code or not said.startswith(text) or not set(says) <= {"", *HEARD}:
        sys.exit(f"CHANGED: it was {code} {text}")
PYTHON
