#!/bin/bash
# rt ends with 0 where the ticket system refuses a ticket, a reply or a search; `-q Operations "a or b"` binds b alone to the queue.
#
# Software:  rt5-clients 5.0.3+dfsg-3~deb12u7 of Debian 12, its command rt (rt-5), with libwww-perl; a few lines in the place of Request
#            Tracker, which answers a refusal with HTTP 200 and its own code in the first line. Seen 2026-11-30.
# Expected:  an exit code that is not 0 where nothing was done, as it is for a server that is down and for an unknown command.
#            -q bounds the whole search to its queue; a queue may have a blank in its name.
# Seen:      create, resolve, edit, correspond, merge, refused:      the refusal is printed, exit code 0
#            correspond -m text -a FILE that is not there:           nothing is sent, "Cannot read attachment", exit code 0
#            list of a search that is refused:                       "No matches found", exit code 0
#            -q Operations "Status=open or Status=new":              Status='open' or Status='new' and (Queue='Operations')
#            -q "Service Desk":                                      (Queue='Service' Desk), one quote in the middle of the name
# Matters:   the robot that opens a ticket for an outage takes it for opened; who looks whether there is one already finds none and opens a
#            second, or finds that of another queue. Look for "Ticket 12 created" in what it prints, and put parentheses around an "or".
set -eu
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
chmod 755 "$work"
cd "$work"

apt-get -qq -o APT::Sandbox::User=root download rt5-clients libwww-perl libhttp-message-perl liburi-perl libhttp-date-perl libtimedate-perl \
    libencode-locale-perl liblwp-mediatypes-perl libhttp-cookies-perl libnet-http-perl libhtml-parser-perl libhtml-tagset-perl libclone-perl \
    libio-html-perl libhttp-negotiate-perl libtry-tiny-perl libwww-robotrules-perl libfile-listing-perl
for package in ./*.deb; do dpkg-deb -x "$package" root; done
echo "rt5-clients $(dpkg-deb -f rt5-clients_*.deb Version)"
python3 - <<'PYTHON'
import email
import glob
import http.server
import os
import subprocess
import sys
import threading

SENT = []


class RequestTracker(http.server.BaseHTTPRequestHandler):
    """Refuses whatever it is asked, but the empty form of a new ticket."""

    def do_GET(self):
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0)).decode()
        form = email.message_from_string(f"Content-Type: {self.headers['Content-Type']}\n\n{body}")
        fields = {part.get_param("name", header="content-disposition"): part.get_payload() for part in form.walk() if not part.is_multipart()}
        content = fields.get("content", "")
        if content.count("\n") == 2:
            content = "".join(sorted(content.splitlines(keepends=True)))  # of these Perl has no order
        SENT.append((self.path.removeprefix("/REST/1.0/"), fields.get("query", content)))
        code, text = "403 Permission denied", "# You are not allowed to do that."
        if self.path.endswith("/show"):
            code, text = "200 Ok", "id: ticket/new\nQueue: General\nSubject: \nText: "
        elif "ticket/new" in content:
            code, text = "200 Ok", "# Could not create ticket."
        elif "/search/" in self.path and "Service" in fields["query"]:
            code, text = "400 Bad request", "Invalid query."
        elif "/search/" in self.path:
            code, text = "200 Ok", "No matching results."
        answer = f"RT/5.0.3 {code}\n\n{text}\n".encode()
        self.send_response(200)
        self.send_header("Content-Type", "text/plain; charset=utf-8")
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    do_POST = do_GET

    def log_message(self, *said):
        pass


server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), RequestTracker)
threading.Thread(target=server.serve_forever, daemon=True).start()
settings = {"HOME": os.getcwd(), "RTUSER": "robot", "RTPASSWD": "secret1", "no_proxy": "127.0.0.1", "PATH": os.environ["PATH"]}
settings["PERL5LIB"] = ":".join(["root/usr/share/perl5", *glob.glob("root/usr/lib/*/perl5/*")])


def rt(code, said, sent, *arguments, port=server.server_port):
    """Run rt against what it was: exit code, a sentence in its output, the last path and form or query that it sent."""
    SENT.clear()
    done = subprocess.run(
        ["perl", "root/usr/bin/rt-5", *arguments], capture_output=True, text=True, timeout=120, stdin=subprocess.DEVNULL,
        env={**settings, "RTSERVER": f"http://127.0.0.1:{port}"},
    )
    printed = done.stdout + done.stderr
    print(f"rt {' '.join(arguments)}: exit code {done.returncode}, sent: {SENT[-1:]!r:.160}, {printed.strip().splitlines()[-1]}")
    if done.returncode != code or said not in printed or (SENT[-1] if SENT else None) != sent:
        sys.exit(f"CHANGED: it was {code}, {said!r}, {sent}; it said {printed}")


refused = "You are not allowed to do that."
new = "id: ticket/new\nQueue: Operations\nSubject: site1 is down\nText: \n"
rt(0, "Could not create ticket", ("edit", new), "create", "-t", "ticket", "set", "queue=Operations", "subject=site1 is down")
rt(0, refused, ("ticket/12/merge/13", ""), "merge", "12", "13")
reply = "Ticket: 12\nAction: correspond\nCc:\nBcc:\nAttachment:\nTimeWorked: \nContent-Type: text/plain\nText: again\n"
rt(0, refused, ("ticket/12/comment", reply), "correspond", "-m", "again", "12")
rt(0, "Cannot read attachment", None, "correspond", "-m", "again", "-a", "output.txt", "12")
for arguments in (["resolve", "12"], ["edit", "12", "set", "status=resolved"]):
    rt(0, refused, ("edit", "id: ticket/12\nstatus: resolved\n"), *arguments)
either = "Status='open' or Status='new'"
rt(0, "No matches found", ("search/ticket", f"{either} and (Queue='Operations')"), "list", "-q", "Operations", "Status=open or Status=new")
desk = "Status='open' and (Queue='Service' Desk)"
rt(0, "No matches found", ("search/ticket", desk), "list", "-q", "Service Desk", "Status=open")
rt(1, "Unknown command", None, "lst")
rt(255, "Server error", None, "list", "Status=open", port=1)
PYTHON
