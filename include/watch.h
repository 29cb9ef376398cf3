/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Watching connections while they change: `synkeep flows --watch`.
 *
 * A watcher takes a slot: an element of the map "watchers", into which it puts a ring buffer of its own, and a lease in
 * the map "watch", which it renews each second. While a lease is fresh the programs write a struct flow_event into its
 * slot's ring whenever a connection's state changes; a full ring loses the event, counts it, and nobody waits. A
 * watcher that was killed costs nothing once its lease has run out, and its slot is free.
 *
 * Of a connection: NEW with its first record, STATE with each step, END when it is CLOSED or in TIME-WAIT, whose end is
 * not told. A handshake's record that is pushed out by others, or replaced by another handshake's, ends unseen; so does
 * that of a daemon that was killed, when the next one resets the connection.
 */
#ifndef SYNKEEP_WATCH_H
#define SYNKEEP_WATCH_H

#include "flow.h"

#define WATCHERS_MAX 4
#define WATCH_LEASE_NS (3 * NSEC_PER_SEC)

struct watch_slot {
	__u64 lease_ns; /* CLOCK_MONOTONIC, as the programs see it, until when the watcher is there. Taken by
			   compare-and-swap: whoever finds another value than it wrote has lost the slot */
	__u64 lost;	/* events for which its rings had no room, since the load */
};

/* Map "watch", one element, mapped by watchers and by the daemon. */
struct watch {
	struct watch_slot slots[WATCHERS_MAX];
};

enum flow_event_kind {
	FLOW_EVENT_NEW,
	FLOW_EVENT_STATE,
	FLOW_EVENT_END,
};

/* How a connection ended. X(identifier, what is printed) */
#define FLOW_ENDS(X)                                                                                                   \
	X(NONE, "")                                                                                                    \
	X(CLOSED, "closed")                                                                                            \
	X(RESET_BY_PEER, "reset by the peer")                                                                          \
	X(RESET_BY_OWNER, "reset by the owner")                                                                        \
	X(EXPIRED, "expired")                                                                                          \
	X(DEAD, "peer found dead")                                                                                     \
	X(UNREACHABLE, "peer unreachable")                                                                             \
	X(REPLACED, "replaced by a new connection")                                                                    \
	X(UNTRACKED, "not followed any more: the flow table is full")

enum flow_end {
#define X(id, name) FLOW_END_##id,
	FLOW_ENDS(X)
#undef X
		FLOW_END_COUNT
} __attribute__((packed));

struct flow_event {
	__u64 time_ns; /* CLOCK_MONOTONIC */
	struct tuple tuple;
	__u64 rcv_bytes; /* as struct flow counts them; 0 where they are not known */
	__u64 snd_bytes;
	__u32 rcv_packets;
	__u32 snd_packets;
	__u16 flags;	       /* enum flow_flag */
	enum flow_end end;     /* FLOW_END_NONE: it goes on */
	enum tcp_state before; /* CLOSED if it is new; TCPS_COUNT: not known */
	enum tcp_state state;
	enum flow_owner owner;
	__u16 zero;
};

/*
 * What the program "watch_tell" is given in its context: events that the daemon writes of the connections that it owns.
 */
struct watch_call {
	__u64 events; /* where they are in its memory */
	__u64 count;  /* up to WATCH_CALL_MAX */
};

#define WATCH_CALL_MAX 256

/* The slots whose watchers are there, a bit each; 0: nobody watches. */
static __always_inline __u32 watch_audience(const struct watch *w, __u64 now_ns)
{
	return (w->slots[0].lease_ns > now_ns) << 0 | (w->slots[1].lease_ns > now_ns) << 1 |
	       (w->slots[2].lease_ns > now_ns) << 2 | (w->slots[3].lease_ns > now_ns) << 3;
}

/* The state that is told with an end: what does not stay in TIME-WAIT is CLOSED from then on. */
static __always_inline enum tcp_state flow_event_state(enum tcp_state state, enum flow_end end)
{
	return end == FLOW_END_NONE || state == TCPS_TIME_WAIT ? state : TCPS_CLOSED;
}

static __always_inline enum flow_event_kind flow_event_kind(const struct flow_event *e)
{
	if (e->end != FLOW_END_NONE)
		return FLOW_EVENT_END;
	return e->before == TCPS_CLOSED ? FLOW_EVENT_NEW : FLOW_EVENT_STATE;
}

#ifndef __bpf__
static inline const char *flow_end_name(enum flow_end end)
{
	static const char *const names[] = {
#define X(id, name) name,
		FLOW_ENDS(X)
#undef X
	};
	return end < FLOW_END_COUNT ? names[end] : "?";
}
#endif

_Static_assert(sizeof(struct flow_event) == 80, "flow_event: rings are read by other versions");
_Static_assert(sizeof(struct watch) == 64 && WATCHERS_MAX == 4, "watch: one cache line, and watch_audience()");

#endif /* SYNKEEP_WATCH_H */
