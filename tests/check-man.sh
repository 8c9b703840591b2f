#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# Man pages: mandoc finds no fault in them, and they have the options that --help has.
pages="$TOP_SRCDIR/man"
lists=$(mktemp -d) || exit 1
trap 'rm -r "$lists"' EXIT

# The options on standard input, "-x" and "--name", one a line.
options_of_help() {
	sed -nE 's/^ +((-[A-Za-z], )?--[a-z-]+|-[A-Za-z]).*/\1/p' | tr -d , | tr ' ' '\n' | sort -u
}
options_of_page() {
	sed -n 's/^\.It Fl //p' | sed 's/^/-/; s/ , Fl / -/g; s/ \(Ar\|Cm\|Ns\) .*//' | tr ' ' '\n' | sort -u
}

# Reports the test named, which passes if standard input is empty.
result() {
	mistakes=$(cat)
	[ -z "$mistakes" ] || printf '%s\n' "$mistakes" | sed 's/^/# /'
	[ -z "$mistakes" ] && echo "ok $1" || echo "not ok $1"
}

# $1: number of the first test, $2: the program, $3: its page
compare() {
	name=$(basename "$2")
	"$2" --help | options_of_help >"$lists/help"
	options_of_page <"$3" >"$lists/page"
	[ -s "$lists/help" ] || echo "--help itself" >"$lists/help"
	comm -23 "$lists/help" "$lists/page" | result "$1 - $name: the page has every option of --help"
	comm -13 "$lists/help" "$lists/page" | result "$(($1 + 1)) - $name: --help has every option of the page"
}

# $1: number of the test, $2: the page. What other pages there are is the machine's affair.
lint() {
	title="$1 - mandoc finds no fault in $(basename "$2")"
	if command -v mandoc >/dev/null; then
		mandoc -T lint "$2" 2>&1 | grep -vE 'referenced manual not found|outdated mandoc.db' | result "$title"
	else
		echo "ok $title # SKIP mandoc is not there"
	fi
}

echo 1..9
compare 1 "$LXENSTORED" "$pages/lxenstored.8"
compare 3 "$LXENSTORE_DUMP" "$pages/lxenstore-dump.1"
compare 5 "$LXENSTORE_LOAD" "$pages/lxenstore-load.1"
lint 7 "$pages/lxenstored.8"
lint 8 "$pages/lxenstore-dump.1"
lint 9 "$pages/lxenstore-load.1"
