#!/bin/bash
# The smartmon collector of node_exporter leaves out each disk behind one of a type that it does not know, and its exit code is 0.
#
# Software:  prometheus-node-exporter-collectors 0.0~git20230203.6f710f8-1 of Debian 12. Seen 2026-11-30.
# Expected:  each disk that smartctl finds has its series; one that is of no known type is left out alone. What tells nothing of its health
#            has no series of it. An NVMe disk has series of its wear and errors.
# Seen:      a good disk, one behind a USB bridge (usbjmicron), one that has FAILED:  the third has no series at all, exit code 0
#            a disk without SMART:                  smartmon_device_smart_healthy 0, as of one that has failed
#            NVMe, 97 % used, 12 media errors:      healthy 1, and no series of its temperature, wear or errors
# Matters:   plugging in a USB disk takes the alert of the disks behind it, and of a virtual disk an alert comes that is none. Look at the
#            number of disks too: count(smartmon_device_info).
set -eu
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
chmod 755 "$work"
cd "$work"
changed() { echo "CHANGED: $1" >&2; exit 1; }

apt-get -qq -o APT::Sandbox::User=root download prometheus-node-exporter-collectors
dpkg-deb -x prometheus-node-exporter-collectors_*.deb root
echo "prometheus-node-exporter-collectors $(dpkg-deb -f prometheus-node-exporter-collectors_*.deb Version)"
# smartctl needs disks and root: a few lines with the form of its output stand in for it.
sed "s,/usr/sbin/smartctl,./smartctl,g" root/usr/share/prometheus-node-exporter-collectors/smartmon.sh > smartmon.sh
grep -q '\./smartctl --scan-open' smartmon.sh || changed "smartctl was called by its path"
cat > smartctl <<'PROGRAM'
#!/bin/bash
case "$*" in
    -V) echo "smartctl 7.3 2022-02-28 r5338 [x86_64-linux] (local build)" ;;
    --scan-open) cat devices ;;
    "-i -H "*) cat "$(basename "$5").info" ;;
    "-A "*) cat "$(basename "$4").attributes" ;;
esac
PROGRAM
chmod 755 smartctl

disk() { # name, type, what it says of its health
    echo "/dev/$1 -d $2 # /dev/$1, a disk" >> devices
    {
        echo "=== START OF INFORMATION SECTION ==="
        echo "Serial Number:    number-of-$1"
        if [ -n "$3" ]; then
            echo "SMART support is: Available - device has SMART capability."
            echo "SMART support is: Enabled"
            echo "=== START OF READ SMART DATA SECTION ==="
            echo "SMART overall-health self-assessment test result: $3"
        else
            echo "SMART support is: Unavailable - device lacks SMART capability."
        fi
    } > "$1.info"
    cat > "$1.attributes" <<'TEXT'
=== START OF READ SMART DATA SECTION ===
ID# ATTRIBUTE_NAME          FLAG     VALUE WORST THRESH TYPE      UPDATED  WHEN_FAILED RAW_VALUE
197 Current_Pending_Sector  0x0012   100   100   000    Old_age   Always       -       8
TEXT
}
collect() { # prints the disks with their health, and whether there are sectors that wait
    code=0
    bash smartmon.sh > metrics 2> errors || code=$?
    healthy=$(sed -n 's,^smartmon_device_smart_healthy{disk="/dev/\([a-z0-9]*\)".* ,\1=,p' metrics | paste -sd' ')
    pending=$(sed -n 's,^smartmon_current_pending_sector_raw_value{disk="/dev/\([a-z0-9]*\)".*,\1,p' metrics | paste -sd' ')
    echo "$healthy, sectors of $pending, exit code $code"
}
compare() { # what, expected
    got=$(collect)
    echo "$1: $got"
    [ "$got" = "$2" ] || changed "it was: $2"
}

disk sda sat PASSED
disk sdc sat 'FAILED!'
compare "two disks" "sda=1 sdc=0, sectors of sda sdc, exit code 0"
rm devices
disk sda sat PASSED
disk sdb usbjmicron PASSED
disk sdc sat 'FAILED!'
compare "one behind a USB bridge between them" "sda=1 sdb=1, sectors of sda, exit code 0"
grep -q sdc metrics && changed "there was no series of the third disk"
echo "on stderr: $(cat errors)"
rm devices
disk vda sat ""
: > vda.attributes
compare "a disk without SMART" "vda=0, sectors of , exit code 0"
rm devices
disk nvme0 nvme PASSED
cat > nvme0.attributes <<'TEXT'
=== START OF SMART DATA SECTION ===
SMART/Health Information (NVMe Log 0x02)
Critical Warning:                   0x00
Temperature:                        44 Celsius
Available Spare:                    3%
Percentage Used:                    97%
Media and Data Integrity Errors:    12
TEXT
compare "an NVMe disk" "nvme0=1, sectors of , exit code 0"
got=$(grep -v '^#' metrics | grep -cvE 'version|run|active|available|enabled|healthy|device_info' || true)
echo "its series of wear, temperature and errors: $got"
[ "$got" = 0 ] || changed "it was 0"
