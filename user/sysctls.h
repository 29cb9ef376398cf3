/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The sysctls of a network namespace that decide what a handed-over connection can have, and whether it gets there.
 */
#ifndef SYNKEEP_SYSCTLS_H
#define SYNKEEP_SYSCTLS_H

#include "finding.h"

/* -1: could not be read. */
struct sysctls {
	int syncookies;
	int timestamps;
	int sack;
	int window_scaling;
	int abort_on_overflow;
	int conntrack_loose;
	int conntrack_count; /* connections that Netfilter tracks now */
};

/* Of the name space that the caller is in. Reads only. */
struct sysctls sysctls_read(void);

/* The number in a file below /proc/sys, -1 if it can not be read. */
int sysctls_read_one(const char *path);

/*
 * Tells of each whether it costs connections anything; tcp_syncookies is left out, for what it costs depends on the
 * listener (service_handover.h). Pure.
 */
void sysctls_judge(const struct sysctls *sysctls, const struct finding_listener *listener);

#endif /* SYNKEEP_SYSCTLS_H */
