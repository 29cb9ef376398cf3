/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What becomes of a packet on a loaded device, and by what: the verdict is the program's own, run on a twin of the
 * device (twin.h); beside it stands what there is of the packet's tuple and its service that a verdict comes from.
 *
 *   1. explain_open()   2. explain_expect() for each packet that will come   3. explain_ready()
 *   4. explain_packet() for each, in their order   5. explain_close()
 */
#ifndef SYNKEEP_EXPLAIN_H
#define SYNKEEP_EXPLAIN_H

#include "explain_source.h"
#include "flow_view.h"
#include "listener.h"
#include "packet.h"
#include "service_spec.h"
#include "tcp_options.h"
#include "twin.h"

/* One of the tables' records of a tuple. Of a live one the window too, by which segments are judged. */
struct explain_record {
	bool is_there;
	struct flow_view view;
	__u32 snd_una;
	__u32 rcv_edge; /* the right edge of the window that was offered */
};

/* A frame, taken apart. */
struct explain_frame {
	enum packet_kind kind;
	__u32 bytes;
	struct packet packet; /* as far as the kind says */
	bool has_tuple;
	struct tuple tuple;	    /* the packet's, or that of the segment which an ICMP error quotes */
	bool has_options;	    /* it is PACKET_TCP, and its options are legal */
	struct tcp_options options; /* if so */
};

/* Who judges a packet. */
enum explain_way {
	EXPLAIN_ARRIVES, /* xdp_ingress */
	EXPLAIN_LEAVES,	 /* tc_egress: the kernel sent it */
	EXPLAIN_UNSEEN,	 /* nobody: xdp_ingress or the daemon sent it */
};

enum explain_cookie {
	EXPLAIN_COOKIE_NONE,  /* the segment acknowledges no cookie of the device's key, of the last epochs */
	EXPLAIN_COOKIE_MADE,  /* its answer carries one of this epoch */
	EXPLAIN_COOKIE_SHOWN, /* it acknowledges one */
};

struct explanation {
	struct explain_frame frame;
	enum explain_way way; /* by its Ethernet source */
	struct twin_outcome outcome;
	struct explain_frame answer;	    /* if xdp_ingress sends one back */
	const struct service_spec *service; /* NULL: none for it */
	struct listener_match listeners;    /* if the service is the kernel's */
	struct sentry sentry;		    /* the service's, behind the packet, if its policy is auto */
	struct explain_record before[FLOW_TABLE_COUNT];
	struct explain_record after[FLOW_TABLE_COUNT];
	bool draws[BUDGET_COUNT]; /* on which budgets it drew */
	__u32 left[BUDGET_COUNT]; /* behind it, packets */
	bool is_listed;
	struct source_rule listed;     /* if so: what counts for its source */
	bool has_account;	       /* its source is known to a service that limits sources */
	struct source_account account; /* if so: as the packet met it */
	bool draws_answer;	       /* it asked for an answer to its source's prefix */
	__u32 answers_left;	       /* behind it */
	enum verdict always; /* if the service is monitored: what policy always would say; else VERDICT_COUNT */
	enum explain_cookie cookie;
	__u32 cookie_epoch; /* if there is one */
	__u32 epoch;	    /* now */
	__u64 now_ns;	    /* CLOCK_MONOTONIC, as the programs see it */
};

struct explain;

/* As twin_open() does. The device must stay open. */
int explain_open(struct device *device, __u32 queue, __u32 packets, struct explain **explain,
		 char error[TWIN_ERROR_BYTES]);
void explain_close(struct explain *explain); /* NULL is fine */

/* Copies what the device has of the frame's tuple. 0 or -errno. */
int explain_expect(struct explain *explain, const void *frame, __u32 bytes);

/* All have been expected. 0 or -errno. */
int explain_ready(struct explain *explain);

/* What the device has of a tuple that was expected: whether there is a live record, and that. */
bool explain_live_flow(const struct explain *explain, const struct tuple *tuple, struct flow *flow);

/*
 * Runs the program on a frame, on one that this host sent and that is longer than a segment on its segments. 0 or
 * -errno; -EMSGSIZE: the program can not be shown such a frame. The explanation is good until the next one.
 */
int explain_packet(struct explain *explain, const void *frame, __u32 bytes, struct explanation *explanation);

#endif /* SYNKEEP_EXPLAIN_H */
