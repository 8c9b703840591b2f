# SPDX-License-Identifier: LGPL-2.1-or-later
# A guest that is saved and restored goes on counting where it was.
create one
await 60 is_up one
is_well one
before=$(value one data/counter)
must xl save one /tmp/one.saved
must is_gone one
must xl restore /tmp/one.saved
await 60 is_up one
rm /tmp/one.saved
tell one hello
is_well one
[ "$(value one data/counter)" -ge "$before" ] || fail "it counts anew"
record "tree" tree /local/domain/0
