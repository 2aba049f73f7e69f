"""The words of OCCI: media types, identifiers of categories, names of attributes; and the limits of all readers.

Sources: GFD.183/221 (core), GFD.184/224 (infrastructure), and the FedCloud extension to OCCI 1.1.
"""

from __future__ import annotations

from collections.abc import Iterable

TEXT_PLAIN, TEXT_OCCI, URI_LIST = "text/plain", "text/occi", "text/uri-list"
OCCI_JSON = "application/occi+json"

CORE = "http://schemas.ogf.org/occi/core#"
INFRASTRUCTURE = "http://schemas.ogf.org/occi/infrastructure#"
COMPUTE_ACTION = "http://schemas.ogf.org/occi/infrastructure/compute/action#"

ENTITY, RESOURCE, LINK = CORE + "entity", CORE + "resource", CORE + "link"
COMPUTE, NETWORK, STORAGE = INFRASTRUCTURE + "compute", INFRASTRUCTURE + "network", INFRASTRUCTURE + "storage"
NETWORK_INTERFACE, STORAGE_LINK = INFRASTRUCTURE + "networkinterface", INFRASTRUCTURE + "storagelink"
OS_TPL, RESOURCE_TPL = INFRASTRUCTURE + "os_tpl", INFRASTRUCTURE + "resource_tpl"

USER_DATA = "http://schemas.openstack.org/compute/instance#user_data"
PUBLIC_KEY = "http://schemas.openstack.org/instance/credentials#public_key"
"""The contextualisation mixins of the FedCloud extension to OCCI 1.1, which all four servers know."""
USER_DATA_1_2 = "http://schemas.ogf.org/occi/infrastructure/compute#user_data"
SSH_KEY_1_2 = "http://schemas.ogf.org/occi/infrastructure/credentials#ssh_key"
"""Their OCCI 1.2 names (GFD.224); ooi 1.2.0 advertises them and ignores what they bring."""

OPENSTACK_IMAGES = "http://schemas.openstack.org/template/os#"
"""The scheme of the image templates of occi-os and ooi."""

TITLE, SUMMARY, ID = "occi.core.title", "occi.core.summary", "occi.core.id"
HOSTNAME, STATE = "occi.compute.hostname", "occi.compute.state"
STATE_MESSAGE = "occi.compute.state.message"
STORAGE_SIZE = "occi.storage.size"
STORAGE_STATE, STORAGE_LINK_STATE = "occi.storage.state", "occi.storagelink.state"
SOURCE, TARGET = "occi.core.source", "occi.core.target"
OPENSTACK_STATE = "org.openstack.compute.state"
ADDRESS = "occi.networkinterface.address"

KIND, MIXIN, ACTION = "kind", "mixin", "action"

MAX_ENTRIES = 100_000
MAX_DEPTH = 16
MAX_NAME_CHARS = 1_024

Headers = Iterable[tuple[str, str]]

CLASSES = {KIND: KIND, MIXIN: MIXIN, ACTION: ACTION}
"""Each class of a category; what is read is kept as the constant, rather than the slice of a line that equals it."""
