# SPDX-License-Identifier: LGPL-2.1-or-later
# C xenstored serves; a live update puts lxenstored in its place while a guest counts: it misses no number, its watch, dom0's
# connections and its kernel's watches stay. Then it is as if lxenstored had always been there.
create one
await 60 is_up one
is_well one
must xenstore-control live-update /xen/lxenstored
echo lxenstored >/scenarios/daemon
is "$(cat /proc/$(cat /run/xenstore.pid)/comm)" lxenstored
tell one hello
is_well one
told=$(told_kernel)
must xenstore-write /local/domain/0/control/sysrq h
await 20 was_told_kernel "$told"
must xl list one
create two
await 60 is_up two
tell two hello
await 20 grep -q "guest: up" /var/log/xen/console/guest-two.log
killed=$(daemon)
must kill -9 "$killed"
await 10 is_another "$killed"
is_well one
is_well two
must lxenstore-dump --store /run/xenstored/store.mdb --check
