/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * A crowd of clients that remember nothing: what each is to do next it reads off the segment that it answers. Its
 * addresses are those of population.h; its initial sequence number follows from them, so SEG.ACK says how much of what
 * it sends (SYN, one byte, FIN) the server has taken. crowd.c sends the first segment of each, and crowd.bpf.c, on the
 * device, answers what comes.
 */
#ifndef SYNKEEP_BENCH_CROWD_H
#define SYNKEEP_BENCH_CROWD_H

#include "base.h"

#define CROWD_HEADER_BYTES 54 /* Ethernet, IPv4, TCP without options */
#define CROWD_SYN_BYTES 58    /* with an MSS */

#define CROWD_TAKEN_OPEN 2 /* of an open connection: the SYN and the byte */

enum crowd_way {
	CROWD_OPEN,  /* opens a connection, sends a byte, and leaves it when that has come back */
	CROWD_PROBE, /* sends one a segment that is out of its window, which is to be acknowledged */
	CROWD_CLOSE, /* the same, and then the FIN */
	CROWD_ECHO,  /* opens, sends a byte, and closes when that has come back */
	CROWD_TAKE,  /* opens, and closes when the server has: TIME-WAIT is the server's */
};

/* The program's read-only data. */
struct crowd_config {
	__be32 server;
	__be16 port;
};

/* Its variables. The tool writes way; one CPU runs the program, so counters need no care. */
struct crowd_variables {
	enum crowd_way way;
	__u64 opened;
	__u64 answered; /* probes */
	__u64 closed;
	__u64 reset;
};

static __always_inline __u32 crowd_isn(__be32 address, __be16 port)
{
	return (address ^ (__u32)port << 16 ^ port) * 0x9e3779b1U;
}

#endif /* SYNKEEP_BENCH_CROWD_H */
