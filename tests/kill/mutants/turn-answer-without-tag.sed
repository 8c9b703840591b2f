# SPDX-License-Identifier: LGPL-2.1-or-later
# An answer is valid before what it confirms is committed.
s/ledger_append_reply(&client->ledger, store_tag(turn->store), /ledger_append_reply(\&client->ledger, 0, /
