/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Both sides of the ledger. See ledger.h.
 */
#include "ledger.h"

static void add(struct verdict_counter *sum, const struct verdict_counter *counter)
{
	sum->packets += counter->packets;
	sum->bytes += counter->bytes;
}

struct ledger ledger_sum(const struct verdict_counter sums[VERDICT_COUNT], const struct verdict_counter *by_daemon)
{
	struct ledger ledger = { .out = *by_daemon };

	for (enum verdict verdict = 0; verdict < VERDICT_COUNT; verdict++) {
		if (verdict_ledger(verdict) == LEDGER_IN)
			add(&ledger.in, &sums[verdict]);
		else if (verdict_ledger(verdict) == LEDGER_OUT)
			add(&ledger.out, &sums[verdict]);
	}
	return ledger;
}
