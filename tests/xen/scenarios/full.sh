# SPDX-License-Identifier: LGPL-2.1-or-later
# A guest is destroyed while its ring is full of replies that it has not read and of requests that wait for them.
create_hostile deaf
await 60 attacked deaf 1
# It has asked until nothing fitted any more; events for it come on top.
for i in 1 2 3 4 5 6 7 8; do
	must xenstore-write "$(home deaf)/data/more$i" "$i"
done
record "tree with the guest" tree /local/domain /libxl
must xl destroy deaf
must is_gone deaf
record "tree after destroy" tree
create one
await 60 is_up one
is_well one
must xl destroy one
