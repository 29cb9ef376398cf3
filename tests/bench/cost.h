/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What cost.c and cost.bpf.c agree on. */
#ifndef SYNKEEP_BENCH_COST_H
#define SYNKEEP_BENCH_COST_H

#include "base.h"

#define COST_SYN_BYTES 74 /* Ethernet, IPv4, TCP with the options of Linux */
#define COST_PAYLOAD_BYTES 1448

/* The program's read-only data. */
struct cost_config {
	__u16 syn[COST_SYN_BYTES / 2]; /* a whole frame, but for what is drawn */
};

/* Its variables: one thread runs the programs, so they need no care. */
struct cost_variables {
	__u32 drawn_from; /* flows 0 to drawn_from - 1, at random */
	__u64 runs;	  /* so far: what is drawn next depends on it alone */
};

#define COST_NOT_RUN 77 /* what is returned where no target was called */

#endif /* SYNKEEP_BENCH_COST_H */
