# SPDX-License-Identifier: LGPL-2.1-or-later
# A driver domain: a guest that holds the back ends of another one's disk and network interface, with permissions as xl sets them.
# It dies, and who has used it goes on.
ROLE=driver create driver driver_domain=1
await 60 is_up driver
create one "disk=['format=raw, vdev=xvda, access=w, backend=driver, backendtype=phy, target=/dev/ram0']" \
	"vif=['mac=00:16:3e:00:00:01, backend=driver']"
await 60 is_up one
tell one "disk written by the guest" "from the driver domain"
tell one disk "written by the guest"
tell driver "up vif$(domid one).0 10.9.0.1" up
tell one "ping eth0 10.9.0.2 10.9.0.1" "pong 10.9.0.1"
record "tree" tree /local/domain /libxl
is_well one
is_well driver
must xl destroy driver
must is_gone driver
is_well one
record "tree after its death" tree /local/domain /libxl
must xl destroy one
record "tree at the end" tree
