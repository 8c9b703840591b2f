# SPDX-License-Identifier: LGPL-2.1-or-later
# A guest whose kernel panics, and one that is destroyed in the middle of what it does.
create one 'on_crash="destroy"'
await 60 is_up one
tell one crash
await 60 is_gone one
create two
await 60 is_up two
must xl destroy two
must is_gone two
record "tree" tree /local/domain
