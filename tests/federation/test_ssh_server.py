"""The SSH server of the VMs, by what reached them."""

from __future__ import annotations

import base64

import pytest

from .ssh import files_of


@pytest.mark.parametrize(
    ("script", "files"),
    [
        ("#!/bin/sh\numask 022\necho abc > /var/tmp/x\n", {"/var/tmp/x": b"abc\n"}),
        ("#!/bin/sh\necho a > /x\necho b > /y\necho c > /x\n", {"/x": b"c\n", "/y": b"b\n"}),
        ("#!/bin/sh\nrm -rf /\n", {}),
        ("echo a > /x\n", {}),
        ("#cloud-config\n", {}),
        ("", {}),
    ],
)
def test_the_user_data_of_a_guest_is_read_and_not_run(script, files):
    assert files_of(base64.b64encode(script.encode()).decode()) == files


def test_no_user_data_leaves_no_files():
    assert files_of(None) == {}


def test_every_vm_of_every_cloud_has_an_address_of_its_own(federation):
    addresses = set()
    for site in federation.sites.values():
        for _ in range(3):
            site.occi.add_foreign("vm", "ops")
        for machine in site.occi.store.machines():
            [link] = site.occi.store.links((machine.kind, machine.id))
            address = link.attributes["occi.networkinterface.address"]
            assert site.occi.at(address).id == machine.id
            addresses.add(address)
    assert len(addresses) == 15
    assert all(address.startswith("127.") for address in addresses)


def test_faults_of_the_guests_can_be_switched(federation):
    assert federation.switch("guests", "key-refused") is federation.guests.faults
    with pytest.raises(ValueError, match="has no effect at guests"):
        federation.switch("guests", "quota")
