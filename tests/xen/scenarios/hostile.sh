# SPDX-License-Identifier: LGPL-2.1-or-later
# Guests that do to their rings what no kernel would: the other guest and dom0 go on, and so does the daemon.
before=$(daemon)
create one
await 60 is_up one
for attack in indexes headers flood deaf; do
	create_hostile $attack
done
await 120 attacked indexes 50
await 120 attacked headers 50
await 120 attacked flood 5
await 120 attacked deaf 1
is_well one
tell one hello
# Whose ring is full is told more, which has no room.
for i in 1 2 3 4 5 6 7 8; do
	must xenstore-write "$(home deaf)/data/more$i" "$i"
done
must xl list
create two
await 60 is_up two
tell two hello
for attack in indexes headers flood deaf; do
	must xl destroy $attack
done
is_well one
is_well two
is "$(daemon)" "$before"
must xl destroy one
must xl destroy two
[ "$(cat /scenarios/daemon)" = stock ] || must lxenstore-dump --store /run/xenstored/store.mdb --check
