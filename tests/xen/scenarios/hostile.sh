# SPDX-License-Identifier: LGPL-2.1-or-later
# Guests that do to their rings what no kernel would: the other guest and dom0 go on, and so does the daemon.
before=$(daemon)
create one
await 60 is_up one
for attack in indexes headers flood deaf; do
	create_hostile $attack
	case $attack in
	deaf) await 60 attacked deaf 1 ;;
	flood) await 60 attacked flood 3 ;;
	*) await 60 attacked $attack 20 ;;
	esac
	# Whose ring is full is told more, which has no room.
	must xenstore-write "$(home $attack)/data/more" 1 "$(home $attack)/data/even-more" 2
	tell one "hello during $attack"
	is_well one
	must xl list
	must xl destroy $attack
	must is_gone $attack
done
is_well one
is "$(daemon)" "$before"
must lxenstore-dump --store /run/xenstored/store.mdb --check
