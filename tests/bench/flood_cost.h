/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What flood_cost.c and flood_cost.bpf.c agree on. */
#ifndef SYNKEEP_BENCH_FLOOD_COST_H
#define SYNKEEP_BENCH_FLOOD_COST_H

#define FLOOD_COST_NOT_RUN 77 /* what is returned where no target was called */

#endif /* SYNKEEP_BENCH_FLOOD_COST_H */
