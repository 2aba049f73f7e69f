"""Serve ooi 1.2.0 by Debian's nova and Python, which both are younger than it.

Nova refuses `enabled_apis = ooi`, what ooi's documentation says to set: this does what nova-api does for one API of
that list. Of ooi nothing is changed; what it expects of Python 3.6 and of its libraries then is put back around it.
"""

import collections
import collections.abc
import sys

import nova.cmd.api
import nova.conf
import webob
from nova import config, objects, service
from oslo_log import log

for name in ("Mapping", "Sequence"):
    setattr(collections, name, getattr(collections.abc, name))

from ooi.wsgi import parsers  # noqa: E402  it wants the names above

made = parsers.TextParser.__init__
asked = webob.Request.blank


def with_text(parser, headers, body):
    """ooi takes the body for text: in webob it is bytes."""
    made(parser, headers, body.decode() if isinstance(body, bytes) else body)


def of_neutron(path, environ=None, base_url=None, **more):
    """ooi asks neutron with the headers of its own client.

    Neutron renders no OCCI, and keystonemiddleware now leaves None for headers that are absent, which cannot be sent.
    """
    if environ is not None and base_url:
        environ = {name: value for name, value in environ.items() if value is not None}
        environ["HTTP_ACCEPT"] = "application/json"
    return asked(path, environ=environ, base_url=base_url, **more)


parsers.TextParser.__init__ = with_text
webob.Request.blank = staticmethod(of_neutron)

config.parse_args(sys.argv)
log.setup(nova.conf.CONF, "nova")
objects.register_all()
objects.Service.enable_min_version_cache()
server = service.WSGIService("ooi")
server.binary = "nova-osapi_compute"  # as which nova notes that it runs: it knows no nova-ooi
launcher = service.process_launcher()
launcher.launch_service(server, workers=1)
launcher.wait()
