# SPDX-License-Identifier: LGPL-2.1-or-later
# A guest with a disk and a network interface whose back ends are in dom0's kernel, found and connected through the tree by Debian's
# hotplug scripts: it reads and writes its disk and pings dom0. A second disk is attached and detached while it runs.
load loop xen-blkback xen-netback llc stp bridge
[ -e /sys/class/net/xenbr0 ] || { must brctl addbr xenbr0 && must ip addr add 10.9.0.1/24 dev xenbr0 && must ip link set xenbr0 up; }
for disk in one two; do
	{ echo "from dom0's disk $disk"; head -c 1048576 /dev/zero; } >/tmp/$disk.disk
done
disk() { echo "format=raw, vdev=$1, access=w, script=block, target=/tmp/$2.disk"; }

create one "disk=['$(disk xvda one)']" "vif=['mac=00:16:3e:00:00:01, bridge=xenbr0, script=vif-bridge']"
await 60 is_up one
tell one "disk written by the guest" "from dom0's disk one"
tell one "ping eth0 10.9.0.2 10.9.0.1" "pong 10.9.0.1"
must grep -q "written by the guest" /tmp/one.disk
record "tree" tree /local/domain /libxl
record "xl block-list" xl block-list one
record "xl network-list" xl network-list one
must xl block-attach one "$(disk xvdb two)"
is_well one
record "tree with a second disk" tree /local/domain /libxl
must xl block-detach one xvdb
is_well one
record "tree without it" tree /local/domain /libxl
must xl shutdown one
await 60 is_gone one
record "tree after shutdown" tree
record "devices" ls /sys/bus/xen-backend/devices
