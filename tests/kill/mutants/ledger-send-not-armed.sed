# SPDX-License-Identifier: LGPL-2.1-or-later
# What a call sends is noted only behind it.
/^\tarm(connection, LEDGER_SEND, /d
