#!/bin/bash
# check_libvirt: a paused VM is "running", OK; limits of its network and disks are written into the performance data and judged by nobody.
#
# Software:  check_libvirt of monitoring-plugins-contrib 42.20230308+deb12u1+b1 with libvirt0 9.0.0-4+deb12u2 and libsys-virt-perl
#            9.0.0-1 of Debian 12, on libvirt's own test driver; the folder of its old figures is another one. Seen 2026-11-30.
# Expected:  a VM that is paused does not run: CRITICAL, or a WARNING, with its state. -w and -c are for what the command gives, or are
#            refused. VMs that are down or have crashed count in a list without limits, too.
# Seen:      -l running -s VM, paused:       "paused is in running state", OK; shut off or crashed is CRITICAL
#            -l list, three of four are not running: "2/4 VMs up", OK, with the paused one among those that are up
#            -N VM -l net -w 1 -c 2:          OK of 80267 bytes a second, "rx_bytes=80267.5;1;2"; -l io alike. -l mem is judged
# Matters:   QEMU pauses a VM at the first write for which its storage has no room: then all VMs of a host stand still, and each of
#            them is OK. Ask the VM itself, and `virsh domstate --reason`.
set -eu
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"

apt-get -qq -o APT::Sandbox::User=root download monitoring-plugins-contrib libsys-virt-perl libvirt0 libapparmor1 libcap-ng0 \
    libcurl3-gnutls libgnutls30 libnl-3-200 libnuma1 libsasl2-2 libssh-4 libssh2-1 libtirpc3 libyajl2 libxml2 libicu72 libglib2.0-0 \
    libnettle8 libhogweed6 libp11-kit0 libtasn1-6 libidn2-0 libunistring2 libnghttp2-14 librtmp1 libpsl5 libbrotli1 libldap-2.5-0 \
    libxml-simple-perl libxml-sax-perl libxml-namespacesupport-perl libxml-sax-base-perl libxml-sax-expat-perl libxml-parser-perl \
    libwww-perl libmonitoring-plugin-perl libclass-accessor-perl libsub-name-perl libparams-validate-perl libconfig-tiny-perl \
    libmath-calc-units-perl libmodule-implementation-perl libmodule-runtime-perl libtry-tiny-perl liblocale-gettext-perl
for package in ./*.deb; do dpkg-deb -x "$package" root; done
echo "monitoring-plugins-contrib $(dpkg-deb -f monitoring-plugins-contrib_*.deb Version), libvirt0 $(dpkg-deb -f libvirt0_*.deb Version)," \
    "libsys-virt-perl $(dpkg-deb -f libsys-virt-perl_*.deb Version)"
PERL5LIB=$work/root/usr/share/perl5:$(echo "$work"/root/usr/lib/*-linux-gnu/perl5/5.36)
LD_LIBRARY_PATH=$(echo "$work"/root/usr/lib/*-linux-gnu):$(echo "$work"/root/lib/*-linux-gnu)
export PERL5LIB LD_LIBRARY_PATH
mkdir old
sed "s|/var/lib/nagios/.cache/check_libvirt|$work/old|" root/usr/lib/nagios/plugins/check_libvirt > check_libvirt
python3 - <<'PYTHON'
import os
import pathlib
import re
import subprocess
import sys
import time

STATES = {"fine": 1, "paused": 3, "down": 5, "crashed": 6}  # as libvirt numbers them
DEVICES = """<devices>
    <disk type="file" device="disk"><source file="/guest/image"/><target dev="vda" bus="virtio"/></disk>
    <interface type="network"><mac address="aa:bb:cc:dd:ee:f1"/><source network="default"/><target dev="testnet0"/></interface>
</devices>"""
domains = "".join(
    f"""<domain type="test" xmlns:test="http://libvirt.org/schemas/domain/test/1.0"><name>{name}</name><memory unit="MiB">1024</memory>
    <vcpu>1</vcpu><os><type>hvm</type></os><test:runstate>{state}</test:runstate>{DEVICES if name == "fine" else ""}</domain>"""
    for name, state in STATES.items()
)
network = """<network><name>default</name><bridge name="virbr0"/><forward/><ip address="192.0.2.1" netmask="255.255.255.0"/></network>"""
pathlib.Path("node.xml").write_text(f"<node>{domains}{network}</node>")


def check(arguments, code, pattern):
    command = ["/usr/bin/perl", "check_libvirt", "-H", f"test://{os.getcwd()}/node.xml", *arguments.split()]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    said = done.stdout.strip().removeprefix("CHECK_LIBVIRT ")
    print(f"{arguments}: {done.returncode}, {said}")
    if done.returncode != code or not re.search(pattern, said):
        sys.exit(f"CHANGED: it was {code} with {pattern}; {done.stderr}")


check("-l running -s fine", 0, "fine is in running state")
check("-l running -s paused", 0, "paused is in running state")
check("-l running -s down", 2, "down is in down state")
check("-l running -s crashed", 2, "crashed is in crashed state")
check("-l list", 0, r"^OK - 2/4 VMs up: .*paused\(running\)")
check("-l list -c 3:", 2, r"^CRITICAL - 2/4 VMs up: .*paused\(running\)")
check("-N fine -l mem -w 1 -c 2", 2, r"MEM usage = 1024\.00 MB")
for kind, label in (("net", "rx_bytes"), ("io", "rd_bytes")):
    check(f"-N fine -l {kind} -w 1 -c 2", 0, "Skipped, first time")
    time.sleep(2)  # it makes rates of them
    check(f"-N fine -l {kind} -w 1 -c 2", 0, rf"^OK - .* {label}=[0-9]{{3,}}\.?[0-9]*;1;2")
PYTHON
