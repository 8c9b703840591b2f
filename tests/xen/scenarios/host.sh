# SPDX-License-Identifier: LGPL-2.1-or-later
# A Debian host, installed as doc/install.md says: who serves was started by Debian's script or by lxenstored.service, before what
# needs it, and what belongs to Xen can be started again beside it.
case $(cat /scenarios/daemon) in
debian)
	must systemctl is-active xen.service
	is "$(cat /proc/$(cat /run/xenstore.pid)/comm)" lxenstored
	;;
systemd)
	must systemctl is-active lxenstored.service xen.service
	is "$(systemctl show -p MainPID --value lxenstored.service)" "$(daemon)"
	;;
esac
must xl info
must xl list Domain-0
create one
await 60 is_up one
is_well one
tell one hello
await 20 grep -q "guest: up" /var/log/xen/console/guest-one.log
before=$(daemon)
must systemctl restart xen.service
is "$(daemon)" "$before"
is_well one
create two
await 60 is_up two
await 20 grep -q "guest: up" /var/log/xen/console/guest-two.log
must xl shutdown one
await 60 is_gone one
must lxenstore-dump --store /run/xenstored/store.mdb --check
