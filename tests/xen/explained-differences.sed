# SPDX-License-Identifier: LGPL-2.1-or-later
# What lxenstored answers otherwise than stock C xenstored 4.17 in the scenarios, as edits of stock's record, each with its reason.
