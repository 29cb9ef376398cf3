/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * For each verdict that one packet can get, a situation and the packet. test_verdict.c sends them all.
 */
#ifndef SYNKEEP_TEST_STIMULI_H
#define SYNKEEP_TEST_STIMULI_H

#include "talk.h"

/* Where a frame goes in. */
enum hook {
	XDP_INGRESS,
	TC_INGRESS,
	TC_INGRESS_AGAIN, /* a packet that comes back */
	TC_EGRESS,
};

/* make() brings about the situation and writes the frame; the programs start from a clean state (shield_reset()). */
struct stimulus {
	enum verdict verdict;
	enum hook (*make)(struct frame *f);
};

extern const struct stimulus stimuli[];
extern const size_t stimuli_count;

/* Undoes what a make() left behind: sockets, sysctls. */
void stimuli_end(void);

#endif /* SYNKEEP_TEST_STIMULI_H */
