/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What time alone does to a record: it expires, its peer is asked whether it is there, or found dead.
 *
 * Who keeps time:
 *   the hooks      take a record whose deadline has passed as absent
 *   the sweep      takes its slot back, now and then, when nobody else does (sweep.bpf.h)
 *   the daemon     does so at the deadline, and sends keepalive probes for connections that the kernel owns. Now and
 *                  then the iterators "upcoming_*" tell it what is due before the next time (struct upcoming); it waits
 *                  for that in a wheel, and lets the program "attend" judge and do what is due then (struct agenda)
 *
 * So a record's times are in the record alone. What moved meanwhile is judged "later" when its old time comes; what
 * nobody heard of, as behind a daemon that was killed, is found by the next look. Nothing is queued, so nothing can be
 * lost; and a record that lives long costs user space no memory until it is due.
 *
 * Keepalive (RFC 9293, 3.8.4; RFC 1122, 4.2.3.6) is for verified connections, while nothing is in flight and the peer's
 * window is open: else retransmission and window probes find out. The probe is SEQ=SND.NXT-1 without text (3.8.4).
 *
 * Pure, as judge.h is: records and the time go in.
 */
#ifndef SYNKEEP_AGEING_H
#define SYNKEEP_AGEING_H

#include "config.h"

/* Map "agenda", one element, mapped by the daemon. */
#define AGENDA_ITEMS 1024

/* What is due for a record. */
enum age_due {
	AGE_LATER,   /* nothing yet: something has moved it; or it is in a hook's hands just now */
	AGE_GONE,    /* it is not there */
	AGE_EXPIRED, /* its deadline has passed: it was taken away */
	AGE_PROBE,   /* a keepalive probe is to be sent */
	AGE_DEAD,    /* all probes stayed unanswered */
	AGE_REFUSED, /* an ICMP error answered a probe: nobody is there */
} __attribute__((packed));

enum age_table {
	AGE_HALF,  /* half4, half6 */
	AGE_FLOWS, /* flows4, flows6 */
	AGE_ENDED, /* tw4, tw6 */
	AGE_TABLES,
};

struct agenda_item {
	struct flow6_key key; /* of IPv4 a struct flow4_key in its place */
	__u32 late_ms;	      /* AGE_EXPIRED: behind its deadline */
	__u64 due_ns;	      /* AGE_LATER: when it is to be looked at again, CLOCK_MONOTONIC; may have passed */
	enum age_due due;
	struct keepalive keepalive; /* AGE_PROBE, AGE_DEAD and AGE_REFUSED: as the service has it */
};

struct agenda {
	/* The upcoming_*() report what is due before this, CLOCK_MONOTONIC. */
	__u64 until_ns;
	/*
	 * When the daemon last came back from a time in which it, or the machine, stood still: the answers to probes
	 * that were sent before may not have been heard, and these do not count. CLOCK_MONOTONIC, milliseconds.
	 */
	__u32 resumed_ms;
	/* What attend() is asked, and answers. */
	__u32 count;
	__u32 family;
	__u32 table; /* enum age_table */
	struct agenda_item items[AGENDA_ITEMS];
};

/* What the iterators give for a record: due_ns may have passed. */
struct upcoming4 {
	__u64 due_ns; /* CLOCK_MONOTONIC */
	struct flow4_key key;
	__u32 zero;
};

struct upcoming6 {
	__u64 due_ns;
	struct flow6_key key;
	__u32 zero;
};

/*
 * What the programs "probe_flow" and "probe_over" are asked, in their context. probe_flow counts a probe in the record,
 * and gives a copy of that to make the probe of; probe_over sets FLOW_PROBES_OVER, or takes the record away.
 */
struct age_call {
	struct flow6_key key; /* of IPv4 a struct flow4_key in its place */
	__u32 family;
	__u32 resumed_ms; /* as in struct agenda */
	__u32 gone;	  /* probe_over: the owner has no socket for it any more */
	__u32 found;	  /* answer: there is a live record for which that is still due, and it was done */
	__u32 zero;
	struct flow flow; /* answer */
};

/* Whether probes are out, or one was refused: else the peer has spoken meanwhile. */
static __always_inline bool ageing_are_probes_out(__u32 probes)
{
	return probes & (FLOW_PROBES_COUNT | FLOW_PROBE_REFUSED);
}

/* The probes that count: of those before resumed_ms nobody knows whether they were answered. */
static __always_inline __u32 ageing_probes(const struct flow *f, __u32 resumed_ms)
{
	return (__s32)(f->probed_ms - resumed_ms) < 0 ? 0 : f->probes & FLOW_PROBES_COUNT;
}

/* Whether it is known where the owner sends to: a record that was made from a socket does not, until the owner sends.
 */
static __always_inline bool ageing_knows_way(const struct flow *f)
{
	const __u8 *hop = f->next_hop;

	return hop[0] | hop[1] | hop[2] | hop[3] | hop[4] | hop[5];
}

/* Whether Synkeep would ask the peer, now that it is silent, if its service wants keepalive. */
static __always_inline bool ageing_may_probe(const struct flow *f)
{
	bool is_standing = f->state == TCPS_ESTABLISHED || f->state == TCPS_CLOSE_WAIT || f->state == TCPS_FIN_WAIT_2;
	bool is_owned = !(f->flags & FLOW_HANDOVER) || (f->flags & FLOW_KEEPALIVE);

	return f->owner == FLOW_OWNER_KERNEL && is_standing && is_owned && f->snd_una == f->snd_nxt && f->snd_wnd &&
	       !(f->probes & FLOW_PROBES_OVER) && ageing_knows_way(f);
}

/* Whether it does. */
static __always_inline bool ageing_is_probed(const struct flow *f, const struct keepalive *k)
{
	return k->idle_ms && ageing_may_probe(f);
}

/*
 * Milliseconds until the next probe is to be sent, or the last has been unanswered for long enough; 0: it is time.
 * Where ageing_is_probed().
 */
static __always_inline __u32 ageing_probe_in_ms(const struct flow *f, const struct keepalive *k, __u32 resumed_ms,
						__u64 now_ns)
{
	__u32 now_ms = (__u32)(now_ns / NSEC_PER_MSEC);
	bool begins = !ageing_probes(f, resumed_ms);
	__u32 passed_ms = begins ? now_ms - f->rcv_seen_ms : now_ms - f->probed_ms;
	__u32 wait_ms = begins ? k->idle_ms : k->interval_ms;

	if ((__s32)passed_ms < 0 && begins) /* the hooks' clocks may be a little ahead of this one's reading */
		passed_ms = 0;
	return passed_ms >= wait_ms ? 0 : wait_ms - passed_ms;
}

/* When something is due for a flow, CLOCK_MONOTONIC. */
static __always_inline __u64 ageing_flow_due_ns(const struct flow *f, const struct keepalive *k, __u32 resumed_ms,
						__u64 now_ns)
{
	__u64 probe_ns;

	if (!ageing_is_probed(f, k))
		return f->deadline_ns;
	probe_ns = now_ns;
	if (!(f->probes & FLOW_PROBE_REFUSED))
		probe_ns += ageing_probe_in_ms(f, k, resumed_ms, now_ns) * NSEC_PER_MSEC;
	return probe_ns < f->deadline_ns ? probe_ns : f->deadline_ns;
}

/* What is due for a flow now. */
static __always_inline enum age_due ageing_flow_due(const struct flow *f, const struct keepalive *k, __u32 resumed_ms,
						    __u64 now_ns)
{
	if (f->deadline_ns <= now_ns)
		return AGE_EXPIRED;
	if (!ageing_is_probed(f, k))
		return AGE_LATER;
	if (f->probes & FLOW_PROBE_REFUSED)
		return AGE_REFUSED;
	if (ageing_probe_in_ms(f, k, resumed_ms, now_ns))
		return AGE_LATER;
	return ageing_probes(f, resumed_ms) >= k->probes ? AGE_DEAD : AGE_PROBE;
}

#endif /* SYNKEEP_AGEING_H */
