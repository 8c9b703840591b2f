#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# All sources are as clang-format 14 makes them of .clang-format, every file names its licence, and what doc/architecture.md
# names is there; and libev's timers are started only where front/connection.h says.
cd "$TOP_SRCDIR" || exit 1
folders="doc include src tests tools"

result() {
	[ -z "$2" ] || printf '%s\n' "$2" | sed 's/^/# /'
	[ -z "$2" ] && echo "ok $1" || echo "not ok $1"
}

echo 1..4
if command -v clang-format-14 >/dev/null; then
	result "1 - clang-format changes nothing" \
		"$(find $folders -name '*.[ch]' -exec clang-format-14 --dry-run {} + 2>&1 | grep -E ': (warning|error):')"
else
	echo "ok 1 - clang-format changes nothing # SKIP clang-format-14 is not there"
fi
result "2 - every file has its SPDX line" "$(find .ci bootstrap configure.ac Makefile.am README.md CONTRIBUTING.md .clang-format m4 \
	man units $folders -type f \( -name '*.[ch18]' -o -name '*.sh' -o -name '*.md' -o -name '*.m4' -o -name '*.mk' -o -name '*.in' \
	-o -name '*.ac' -o -name '*.am' -o -name run -o -name bootstrap -o -name '.clang-format' \) \
	-exec grep -L 'SPDX-License-Identifier: LGPL-2.1-or-later' {} +)"
result "3 - the functions that doc/architecture.md names are in src/" "$(grep -oE '.[a-z_]+`' doc/architecture.md | sed -n 's/^`\(.*\)`$/\1/p' |
	sort -u | while read -r name; do grep -rqw "$name" src || echo "$name"; done)"
result "4 - timers of the loop are started by front_start_timer only" \
	"$(grep -rnE 'ev_timer_(start|again|stop) *\(' src | grep -v -e '^src/front/connection\.c:' -e '^src/handover/keeper\.c:')"
