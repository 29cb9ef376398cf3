/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What libbpf and libxdp say while they work: kept for the moment in which something fails, shown only on demand.
 */
#ifndef SYNKEEP_BPF_LOG_H
#define SYNKEEP_BPF_LOG_H

#include <stdbool.h>

/* From now on both libraries speak to us; everything goes to stderr as well if verbose. */
void bpf_log_capture(bool verbose);

/* The last lines, at most count, that were said in earnest; "" if there were none. Ends with a newline. */
const char *bpf_log_last_lines(int count);

#endif /* SYNKEEP_BPF_LOG_H */
