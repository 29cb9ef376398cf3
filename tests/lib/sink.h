/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What sink.c and sink.bpf.c share: which addresses are spoofed, what completed connections are like, and what was
 * counted.
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
	__u16 window; /* that a completed connection offers */
	__u16 text;   /* whether it begins with four bytes of text */
};

/* Map "counters", one element a CPU: packets to or from spoofed addresses, segments by their flags. */
struct sink_counters {
	__u64 syn; /* without ACK */
	__u64 syn_ack;
	__u64 rst;
	__u64 other;
	__u64 not_tcp;
	__u64 bytes; /* of the frames of all, as Synkeep counts them */
};

#endif /* SYNKEEP_TESTS_SINK_H */
