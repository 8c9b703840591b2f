# SPDX-License-Identifier: LGPL-2.1-or-later
# The life of a guest as the toolstack sees it: the same answers and the same tree as with stock C xenstored.
record "xl list" xl list
create one
await 60 is_up one
is_well one
record "tree with a guest" tree
record "xl domname" xl domname "$(domid one)"
tell one hello
must grep -q "guest: up" /var/log/xen/console/guest-one.log
must xl pause one
before=$(value one data/counter)
sleep 0.5
is "$(value one data/counter)" "$before"
must xl unpause one
is_well one
must xl shutdown one
await 60 is_gone one
record "tree after shutdown" tree
create one
await 60 is_up one
await 60 is_up one
before=$(domid one)
is_new() { is_up one && [ "$(domid one)" != "$before" ]; }
must xl reboot one
await 60 is_new
is_well one
must xl destroy one
record "tree after destroy" tree
