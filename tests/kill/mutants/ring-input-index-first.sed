# SPDX-License-Identifier: LGPL-2.1-or-later
# The guest may write over input before the ledger says that it has it.
/^\tledger_copy_in_end(ledger, len);$/{
N
s/\(.*\)\n\(.*\)/\2\n\1/
}
