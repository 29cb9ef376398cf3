/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What xdp_ingress tells the daemon about a frame that it gives to an AF_XDP socket: metadata that ends where the frame
 * begins.
 *
 * The daemon believes it: what is verified is verified in XDP. A driver that has no room for metadata can not carry
 * services of the daemon's, and frames for them are dropped by name (DAEMON_NO_METADATA).
 *
 * Checksums are not verified in XDP. A segment is given whatever its numbers are; RFC 9293 as a whole is the daemon's.
 */
#ifndef SYNKEEP_DAEMON_H
#define SYNKEEP_DAEMON_H

#include "base.h"

#define DAEMON_MARK 0x53796e64U /* "Synd" */

enum daemon_frame {
	DAEMON_SEGMENT,	   /* its tuple has a record that says FLOW_OWNER_DAEMON, live */
	DAEMON_SYN,	   /* its service sees SYNs, no cookie can answer it, or its tuple is live */
	DAEMON_COOKIE_ACK, /* of a right cookie's connection, which the daemon has not reported yet: the terms are given
			    */
	DAEMON_STRANGER,   /* a segment without a record, of a service that answers as TCP asks (RFC 9293, 3.10.7.1) */
	DAEMON_SYN_AGAIN,  /* a SYN that may begin anew behind a connection in TIME-WAIT (RFC 9293, 3.6.1; RFC 6191) */
	DAEMON_ICMP,	   /* an ICMP error that quotes a segment from a tuple of the daemon's */
} __attribute__((packed));

struct daemon_hint {
	__u32 mark; /* DAEMON_MARK */
	enum daemon_frame kind;
	/* The terms, behind a cookie. */
	__u8 snd_wscale; /* the shift of windows that the peer sends */
	__u8 rcv_wscale; /* the shift of windows that we send */
	__u8 reserved;
	__u16 flags; /* enum flow_flag: FLOW_WSCALE, FLOW_SACK, FLOW_TIMESTAMPS, FLOW_ECN; FLOW_COUNTED of its record */
	__u16 mss;   /* the peer's, bytes */
	union {
		__u32 irs;     /* the peer's initial sequence number: the segment may not be the first that it sent */
		__u32 snd_nxt; /* DAEMON_SYN_AGAIN: where the old connection's numbers ended (3.6.1, MAY-2) */
	};
};

/* What the program "release" is given: whose records the daemon has done with, and that are to be counted down. */
struct release_call {
	__u64 keys;  /* where they are in its memory: struct flow4_key or flow6_key */
	__u32 count; /* up to RELEASE_CALL_MAX */
	__u32 family;
};

#define RELEASE_CALL_MAX 256

_Static_assert(sizeof(struct daemon_hint) == 16, "daemon_hint: metadata is a multiple of four bytes");

#endif /* SYNKEEP_DAEMON_H */
