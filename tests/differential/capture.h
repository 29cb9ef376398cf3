/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Packets of a capture file (pcap, Ethernet), in their order. The end that a connection's first SYN went to is taken
 * for the owner. What is not TCP, is longer than a test's frame, or belongs to a connection whose SYN is not there is
 * left out.
 */
#ifndef SYNKEEP_TEST_CAPTURE_H
#define SYNKEEP_TEST_CAPTURE_H

#include "conversation.h"

#define CAPTURE_CONNECTIONS_MAX 64

struct capture {
	int connections;
	int packets;
	struct captured {
		int connection;		 /* from 0 on, by the first SYN */
		struct packet_spec spec; /* its tuple is the capture's own */
	} * packet;
};

/* NULL, or why the file is none. capture_free() takes whatever came of it. */
const char *capture_read(struct capture *c, const char *path);
void capture_free(struct capture *c);

#endif /* SYNKEEP_TEST_CAPTURE_H */
