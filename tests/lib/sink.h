/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What sink.c and sink.bpf.c share: which addresses are spoofed, and what was counted.
 */
#ifndef SYNKEEP_TESTS_SINK_H
#define SYNKEEP_TESTS_SINK_H

#include "base.h"

/* A flood's source addresses: those whose bits under the mask are these. One prefix a family. */
struct sink_config {
	__be32 ipv4;
	__be32 ipv4_mask;
	__be32 ipv6[4];
	__be32 ipv6_mask[4];
};

/* Map "counters", one element a CPU: segments to or from spoofed addresses, by their flags. */
struct sink_counters {
	__u64 syn; /* without ACK */
	__u64 syn_ack;
	__u64 rst;
	__u64 other;
};

#endif /* SYNKEEP_TESTS_SINK_H */
