# SPDX-License-Identifier: LGPL-2.1-or-later
# Ten guests one after the other: each is served, and nothing of it is left.
before=$(tree | wc -l)
for i in 1 2 3 4 5 6 7 8 9 10; do
	create "guest$i"
	await 60 is_up "guest$i"
	tell "guest$i" "hello$i"
	must xl destroy "guest$i"
done
is "$(tree | wc -l)" "$before"
record "tree" tree /local/domain
