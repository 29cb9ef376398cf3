/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * One tracked connection as it is shown, whichever of the tables its record is in. Pure: records and the time go in.
 */
#ifndef SYNKEEP_FLOW_VIEW_H
#define SYNKEEP_FLOW_VIEW_H

#include "watch.h"

/* The kinds of table, in the order in which a connection goes through them. */
enum flow_table {
	FLOW_TABLE_HALF,  /* half4, half6 */
	FLOW_TABLE_LIVE,  /* flows4, flows6 */
	FLOW_TABLE_ENDED, /* tw4, tw6 */
	FLOW_TABLE_COUNT,
};

struct flow_view {
	enum flow_table table;
	enum tcp_state state;
	enum flow_owner owner;
	__u8 family; /* FAMILY_IPV4 or FAMILY_IPV6 */
	__u8 snd_wscale, rcv_wscale;
	__u8 remote[16], local[16]; /* IPv4: the first four bytes */
	__u16 remote_port, local_port;
	__u16 flags; /* enum flow_flag; FLOW_WSCALE only where the shifts are kept, terms only where they are agreed on
		      */
	__u16 mss;   /* 0: not known */
	__u32 irs, iss, rcv_nxt, snd_nxt;
	__u64 left_ns; /* until the deadline */
	/* Kept of live connections only. */
	__u64 age_ns;
	__u64 idle_ns; /* since the peer's last acceptable segment */
	__u64 rcv_bytes, snd_bytes;
	__u32 rcv_packets, snd_packets;
	__u8 probes;	    /* keepalive probes that went out since the peer's last segment */
	bool probe_refused; /* by an ICMP error */
	bool peer_dead;	    /* it was found so, and what the service wants was done about it */
};

/* key is a struct flow4_key or flow6_key, as family says. */
void flow_view_set_key(struct flow_view *view, __u8 family, const void *key);

/*
 * Fill in everything but the key. False where the record counts as absent at now_ns (CLOCK_MONOTONIC, as the programs
 * see it).
 */
bool flow_view_set_half_open(struct flow_view *view, const struct half_open *half, __u64 now_ns);
bool flow_view_set_live(struct flow_view *view, const struct flow *flow, __u64 now_ns);
bool flow_view_set_ended(struct flow_view *view, const struct ended *ended, __u64 now_ns);

/* The connection as it is after an event, the key too; its numbers and terms are not known. */
void flow_view_set_event(struct flow_view *view, const struct flow_event *event);

/* Who opened a connection with these flags, in a word: "out" is this host. */
static inline const char *flow_view_direction(__u16 flags)
{
	return flags & FLOW_OUTGOING ? "out" : "in";
}

/* Orders by local end, then remote end: IPv4 before IPv6, addresses before ports. As strcmp(). */
int flow_view_compare(const struct flow_view *a, const struct flow_view *b);

#endif /* SYNKEEP_FLOW_VIEW_H */
