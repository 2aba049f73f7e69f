"""Service types of the GOCDB that a probe or fedcloud-ncg knows, each once, and where their hosts usually listen."""

from __future__ import annotations

OCCI = "eu.egi.cloud.vm-management.occi"
CDMI = "eu.egi.cloud.storage-management.cdmi"
NOVA, SWIFT = "org.openstack.nova", "org.openstack.swift"
"""Those of OpenStack clouds; the URL of either is that of the site's Keystone."""
BDII, TOP_BDII = "eu.egi.cloud.information.bdii", "Top-BDII"
ACCOUNTING = "eu.egi.cloud.accounting"
PERUN = "egi.Perun"
MESSAGE_BROKER = "egi.MSGBroker"
VMCASTER, VMCATCHER = "eu.egi.cloud.vm-metadata.appdb-vmcaster", "eu.egi.cloud.vm-metadata.vmcatcher"
MARKETPLACE = "eu.egi.cloud.vm-metadata.marketplace"

OCCI_PORT, KEYSTONE_PORT, BDII_PORT, MESSAGE_BROKER_PORT = 8787, 5000, 2170, 6163

USUAL_PORTS = {OCCI: OCCI_PORT, MESSAGE_BROKER: MESSAGE_BROKER_PORT, BDII: BDII_PORT}
"""Where a host is asked whose registration names no port."""
