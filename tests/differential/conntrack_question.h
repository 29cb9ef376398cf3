/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What conntrack.c asks of conntrack.bpf.c for each packet that it sends: a global, question and answer in one. */
#ifndef SYNKEEP_TEST_CONNTRACK_QUESTION_H
#define SYNKEEP_TEST_CONNTRACK_QUESTION_H

#include "base.h"

#define CONNTRACK_MARK 0x64696666U /* "diff": the socket buffers of packets that are asked about */

struct conntrack_question {
	__be32 remote[4]; /* as in struct tuple */
	__be32 local[4];
	__be16 remote_port;
	__be16 local_port;
	__u8 family;
	__u32 packets; /* the answer: how many have come out of the router */
	__u32 state;   /* enum tcp_conntrack behind the last of them; TCP_CONNTRACK_NONE: no entry */
};

#endif /* SYNKEEP_TEST_CONNTRACK_QUESTION_H */
