"""A real OpenStack on loopback, and the executables against it: `make openstack`.

Keystone behind Apache with mod_auth_openidc, Glance, Placement, Neutron, Nova, Swift and ooi, unmodified, of Debian 12
and PyPI, with MariaDB and RabbitMQ. Not real are the hypervisor (nova's own fake driver: nothing boots), the switch,
and the issuer of access tokens. The tests are in no `test_*.py`, so that `make test` does not collect them: they take
minutes and 3 GB of memory.
"""
