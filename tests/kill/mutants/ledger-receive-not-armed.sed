# SPDX-License-Identifier: LGPL-2.1-or-later
# What a call receives is noted only behind it.
/^\tarm(connection, LEDGER_RECEIVE, /d
