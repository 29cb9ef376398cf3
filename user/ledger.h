/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The ledger of a device: what came from sources that are not verified, and what left for them. Where every SYN gets a
 * cookie, out is never more than in. In calm it may be: the owner answers as TCP asks, SYN-ACKs again and again. Pure.
 */
#ifndef SYNKEEP_LEDGER_H
#define SYNKEEP_LEDGER_H

#include "verdict.h"

struct ledger {
	struct verdict_counter in;
	struct verdict_counter out;
};

/* From what the verdicts counted since the load, and what the daemon has sent to unverified sources since it began. */
struct ledger ledger_sum(const struct verdict_counter sums[VERDICT_COUNT], const struct verdict_counter *by_daemon);

#endif /* SYNKEEP_LEDGER_H */
