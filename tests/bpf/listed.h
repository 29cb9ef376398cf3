/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The list of sources, as the command line would write it. After shield_reset() there is none.
 */
#ifndef SYNKEEP_TEST_LISTED_H
#define SYNKEEP_TEST_LISTED_H

#include "shield.h"
#include "source_list.h"

/* The prefix of so many bits that holds the tuple's remote end. */
void listed_put(const struct tuple *t, __u8 prefix_bits, enum source_action action, __u64 expires_ns);

/* Whether the filter has the bit of the tuple's remote end; putting sets it. */
void listed_set_filter(const struct tuple *t, bool has);

#endif /* SYNKEEP_TEST_LISTED_H */
