#!/bin/bash
# prometheus-openstack-exporter of Debian 12: it is written for Python 2, started with Python 3, and ends before it reads an option.
#
# Software:  prometheus-openstack-exporter 0.1.4-2.2 of Debian 12, with all that is imported before. Seen 2026-11-30.
# Expected:  a package of a stable release whose service is started by systemd runs with the Python that it depends on; with --help
#            it prints its options.
# Seen:      "#! /usr/bin/python3", then ModuleNotFoundError: No module named 'urlparse'. Exit code 1 for --help and
#            with its own configuration.
# Matters:   there are no figures of the cloud, and a rule that compares such a figure with a limit never fires. Alert on absent(),
#            or on up == 0, of each exporter.
set -eu
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"

apt-get -qq -o APT::Sandbox::User=root download prometheus-openstack-exporter python3-yaml
for package in *.deb; do dpkg-deb -x "$package" root; done
dpkg-deb -f prometheus-openstack-exporter_*.deb Version
command=root/usr/bin/prometheus-openstack-exporter
head -1 $command
for arguments in --help root/etc/prometheus-openstack-exporter.yaml; do
    code=0
    PYTHONPATH=root/usr/lib/python3/dist-packages python3 $command $arguments > said 2>&1 || code=$?
    echo "$arguments: exit code $code, $(tail -1 said)"
    if [ $code != 1 ] || ! grep -q "No module named 'urlparse'" said; then echo "CHANGED: it was 1, No module named 'urlparse'"; exit 1; fi
done
