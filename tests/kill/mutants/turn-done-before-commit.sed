# SPDX-License-Identifier: LGPL-2.1-or-later
# A request is consumed before it is committed.
s/^\tfault = domains_save_unsaved(.*$/\tledger_commit(turn->ledger);\n&/
