# SPDX-License-Identifier: LGPL-2.1-or-later
# The ledger says that output was taken before the guest can take it.
/^\tring_store(&ring->page->rsp_prod, produced + len);$/{
N
s/\(.*\)\n\(.*\)/\2\n\1/
}
