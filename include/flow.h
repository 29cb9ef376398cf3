/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What is stored about a connection, as user space and bpftool see it in the maps.
 *
 *   half4, half6    struct half_open  SYN-SENT, and SYN-RECEIVED where the owner answered itself; the oldest goes first
 *   flows4, flows6  struct flow       every other live state
 *   tw4, tw6        struct ended      TIME-WAIT, and CLOSED until the cookie that made the flow is stale
 *
 * LISTEN has no record: a listener has no peer. A connection has a record in one of the three at a time, all under the
 * same key. "Local" is this machine's end and "remote" the peer's, whichever way a segment goes. Ports are in host
 * order and addresses are byte arrays, so that bpftool prints them readably. A record whose deadline has passed counts
 * as absent, wherever it is found.
 *
 * The records of the daemon's connections (FLOW_OWNER_DAEMON) are reports: the TCB is the truth, and what is said below
 * of locks and of who steps a record is of the kernel's. A right cookie makes the first one, ESTABLISHED, in XDP; from
 * then on the daemon alone writes and deletes them, whole, by its keys. The programs look for owner, tag and deadline,
 * and give the tuple's segments to the daemon; a connection without a record has none. So the record has to be there
 * before the daemon's first SYN leaves, and PORT_DAEMON on its local port; a SYN-ACK's may come a little later, for
 * under policy off and in calm the daemon is given strangers, too.
 */
#ifndef SYNKEEP_FLOW_H
#define SYNKEEP_FLOW_H

#include "tcp_fsm.h"

typedef __u8 ipv4_bytes[4] __attribute__((aligned(4)));
typedef __u8 ipv6_bytes[16] __attribute__((aligned(4)));

struct flow4_key {
	ipv4_bytes remote;
	ipv4_bytes local;
	__u16 remote_port;
	__u16 local_port;
};

struct flow6_key {
	ipv6_bytes remote;
	ipv6_bytes local;
	__u16 remote_port;
	__u16 local_port;
};

/* Both keys in one, on the stack of a program: an IPv4 address is in word 0, the others are 0. */
struct tuple {
	__be32 remote[4];
	__be32 local[4];
	__u16 remote_port;
	__u16 local_port;
	__u8 family;  /* FAMILY_IPV4 or FAMILY_IPV6 */
	__u8 zero[3]; /* tuples may be compared as bytes */
};

/* Who ends the connection. */
enum flow_owner {
	FLOW_OWNER_KERNEL,
	FLOW_OWNER_DAEMON,
} __attribute__((packed));

enum flow_flag {
	/* struct ended keeps those of the low byte. */
	FLOW_WSCALE = 1 << 0, /* both ends sent the window scale option */
	FLOW_SACK = 1 << 1,
	FLOW_TIMESTAMPS = 1 << 2,
	FLOW_ECN = 1 << 3,
	FLOW_COOKIE = 1 << 4,	/* made by a right cookie of ours */
	FLOW_ADOPTED = 1 << 5,	/* met in mid-life: read from the owner's socket */
	FLOW_OUTGOING = 1 << 6, /* this host opened it */
	FLOW_SND_RST = 1 << 7,	/* the owner reset it */
	/* The others are of live connections. */
	FLOW_HANDOVER = 1 << 8,	      /* the owner has not shown yet that it has the connection */
	FLOW_QUEUED = 1 << 9,	      /* handed to a listener with room in its accept queue */
	FLOW_SND_FIN = 1 << 10,	      /* our FIN went out at snd_fin */
	FLOW_RCV_FIN_AHEAD = 1 << 11, /* the peer's FIN came at rcv_max, data before it is still missing */
	FLOW_RCV_FIN = 1 << 12,	      /* the peer's FIN was taken */
	FLOW_KEEPALIVE = 1 << 13,     /* FLOW_QUEUED, and keepalive finds out if the peer is gone */
	FLOW_COUNTED = 1 << 14,	      /* counts for its service's share and its source's limit until it ends */
};

/* Who may step a flow's record. */
enum flow_lock {
	FLOW_LOCK_FREE,
	FLOW_LOCK_HELD,
	FLOW_LOCK_DEAD, /* about to be deleted: counts as absent, and nobody takes it any more */
};

/* What is known of keepalive probes that Synkeep sends for the owner (ageing.h): struct flow's probes. */
enum flow_probes {
	FLOW_PROBES_COUNT = 0xff,    /* that went out since the peer's last segment */
	FLOW_PROBE_AWAITED = 1 << 8, /* the owner has sent nothing since the last: its answer is not the owner's */
	FLOW_PROBE_REFUSED = 1 << 9, /* an ICMP error says that nobody is there */
	FLOW_PROBES_OVER = 1 << 10,  /* the peer was found dead, and what the service wants was done about it */
};

/*
 * One live connection. Every field but probes and probed_ms is read and written under lock by ingress and egress alike;
 * state is written by flow_step() in judge.h only. Sequence variables are named as in RFC 9293, 3.3.1.
 *
 * The struct is two cache lines. With a 12-byte key an element of the preallocated hash is three, which with its share
 * of the buckets makes 208 bytes of kernel memory a slot.
 */
struct flow {
	__u32 lock; /* enum flow_lock */
	__u32 tag;  /* flow_tag() of the key: tells a holder that the element was reused under its pointer */
	enum tcp_state state;
	enum flow_owner owner;
	__u16 flags;	 /* enum flow_flag */
	__u8 snd_wscale; /* the shift of windows that the peer sends */
	__u8 rcv_wscale; /* the shift of windows that we send */
	__u16 mss;	 /* the peer's MSS option as the owner was told it, bytes; 0: not known */
	__u32 irs;	 /* the peer's initial sequence number */
	__u32 iss;	 /* ours: the cookie, where FLOW_COOKIE is set */
	__u32 rcv_nxt;	 /* after what came without a hole */
	__u32 rcv_wup;	 /* the last acknowledgement that we sent */
	__u32 rcv_edge;	 /* the right edge of the window that we offered */
	__u32 rcv_max;	 /* the peer's FIN, see the flags; before that the end of what came behind a hole, if any */
	__u32 snd_nxt;
	__u32 snd_una;
	__u32 snd_fin;	 /* sequence number of our FIN, if FLOW_SND_FIN */
	__u16 rcv_wnd;	 /* the last window fields, unshifted: ours */
	__u16 snd_wnd;	 /* and the peer's */
	__u32 rcv_tsval; /* TS.Recent, the TSval to echo, if FLOW_TIMESTAMPS */
	__u32 snd_tsval; /* the last TSval that we sent */
	/* The second line. Milliseconds are CLOCK_MONOTONIC's, modulo 2^32. */
	__u64 deadline_ns; /* CLOCK_MONOTONIC; the record is absent from then on */
	__u64 rcv_bytes;   /* bytes of IP packets */
	__u64 snd_bytes;
	__u32 rcv_packets; /* as on the wire: a packet that is still to be cut counts its segments */
	__u32 snd_packets;
	__u32 born_s;	   /* CLOCK_MONOTONIC, seconds */
	__u32 rcv_seen_ms; /* the peer's last acceptable segment */
	__u32 snd_seen_ms; /* our last segment, which carried snd_tsval */
	__u32 probes;	   /* enum flow_probes: written without the lock, in one step */
	__u32 probed_ms;   /* the last probe */
	/*
	 * How the owner's last segment left, for those that Synkeep sends in its place; before the first the way back
	 * of the peer's segment that made the flow.
	 */
	__u8 next_hop[6]; /* the MAC address that it went to; zeros: not known */
	__u16 vlan_tci;	  /* of its 802.1Q tag; 0: it had none */
	__be32 ip_first;  /* the first four bytes of its IP header: traffic class, and of IPv6 the flow label */
};

/*
 * A handshake in which the owner has sent its own SYN: one that it opens (FLOW_OUTGOING), or a SYN that it answered
 * itself. Stepped by handshake.h only, read and written whole: see records.bpf.h.
 */
struct half_open {
	__u64 deadline_ns;
	__u32 irs; /* not known in SYN_SENT */
	__u32 iss;
	__u32 snd_nxt;	 /* behind our SYN, and the text that went with it (RFC 7413) */
	__u32 rcv_tsval; /* of the peer's last SYN */
	__u32 snd_tsval; /* of our last SYN */
	__u16 rcv_wnd;	 /* of our SYN or SYN-ACK, never shifted (RFC 7323, 2.2) */
	__u16 mss;
	__u16 flags;	      /* enum flow_flag; in SYN_SENT what we offer, then what both ends agree on */
	enum tcp_state state; /* TCPS_SYN_SENT or TCPS_SYN_RECEIVED */
	enum flow_owner owner;
	__u8 snd_wscale;
	__u8 rcv_wscale;
	__u8 syns; /* how often we sent our SYN, up to 255 */
	__u8 reserved;
};

/*
 * A connection that ended: TIME-WAIT until deadline_ms, then CLOSED until the cookie that made it is stale. Written
 * whole when the flow ends; after that ingress alone moves deadline_ms, in one step.
 *
 * Of a connection of the daemon's in TIME-WAIT nothing but this is left, and ingress answers for it.
 */
struct ended {
	__u32 deadline_ms; /* CLOCK_MONOTONIC, milliseconds modulo 2^32; at most 2^31 ms ahead */
	__u32 handshake;   /* the initial sequence numbers: ours less the peer's */
	union {
		__u32 irs;
		__u32 rcv_tsval; /* TS.Recent, if ended_answers() and FLOW_TIMESTAMPS */
	};
	__u32 rcv_nxt;
	__u32 snd_nxt;
	enum tcp_state state; /* TCPS_TIME_WAIT or TCPS_CLOSED */
	enum flow_owner owner;
	__u8 flags;  /* enum flow_flag */
	__u8 mark_s; /* for how long after the deadline a cookie could make the connection again */
};

/* Whether ingress answers for the connection while it is in TIME-WAIT: no TCB and no socket does. */
static __always_inline bool ended_answers(const struct ended *e)
{
	return e->state == TCPS_TIME_WAIT && e->owner == FLOW_OWNER_DAEMON;
}

/* Whether an acknowledgement with these numbers is that of the connection's handshake, again. */
static __always_inline bool ended_is_shown_again(const struct ended *e, __u32 seq, __u32 ack)
{
	return ack - seq == e->handshake && (ended_answers(e) || seq == e->irs + 1);
}

/* Milliseconds since the record counts as absent; negative: it does not yet. */
static __always_inline __s32 ended_late_ms(const struct ended *e, __u64 now_ns)
{
	return (__s32)((__u32)(now_ns / NSEC_PER_MSEC) - e->deadline_ms - e->mark_s * 1000U);
}

/* Milliseconds until the deadline, and until the record counts as absent; 0: that has passed. */
static __always_inline __u32 ended_left_ms(const struct ended *e, __u64 now_ns)
{
	__s32 left_ms = (__s32)(e->deadline_ms - (__u32)(now_ns / NSEC_PER_MSEC));

	return left_ms > 0 ? left_ms : 0;
}

static __always_inline __u32 ended_over_in_ms(const struct ended *e, __u64 now_ns)
{
	__s32 late_ms = ended_late_ms(e, now_ns);

	return late_ms < 0 ? -late_ms : 0;
}

static __always_inline bool ended_is_over(const struct ended *e, __u64 now_ns)
{
	return !ended_over_in_ms(e, now_ns);
}

/* What the connection is in, the record being there. */
static __always_inline enum tcp_state ended_state(const struct ended *e, __u64 now_ns)
{
	return ended_left_ms(e, now_ns) ? e->state : TCPS_CLOSED;
}

/* Sets both times: it ends at deadline_ns, and is kept as CLOSED until mark_ns if that is later. */
static __always_inline void ended_set_times(struct ended *e, __u64 deadline_ns, __u64 mark_ns)
{
	__u64 mark_s = mark_ns > deadline_ns ? (mark_ns - deadline_ns + NSEC_PER_SEC - 1) / NSEC_PER_SEC : 0;

	e->deadline_ms = (__u32)((deadline_ns + NSEC_PER_MSEC - 1) / NSEC_PER_MSEC);
	e->mark_s = mark_s > 255 ? 255 : mark_s;
}

/*
 * A 32-bit fingerprint of the tuple, kept in the record. Preallocated hash elements are reused at once after deletion,
 * so a program that holds a pointer compares the tag after taking the lock. It need not resist an adversary: a
 * collision matters only if the element changed hands in the nanoseconds between look-up and lock.
 */
static __always_inline __u32 flow_tag(const struct tuple *t)
{
	__u32 remote = t->remote[0] ^ t->remote[1] ^ t->remote[2] ^ t->remote[3];
	__u32 local = t->local[0] ^ t->local[1] ^ t->local[2] ^ t->local[3];
	__u32 ports = (__u32)t->remote_port << 16 | t->local_port;

	return (remote * 0x9e3779b1U) ^ (ports * 0x85ebca6bU) ^ local;
}

static __always_inline void flow4_key_from_tuple(struct flow4_key *key, const struct tuple *t)
{
	__builtin_memcpy(key->remote, t->remote, sizeof(key->remote));
	__builtin_memcpy(key->local, t->local, sizeof(key->local));
	key->remote_port = t->remote_port;
	key->local_port = t->local_port;
}

static __always_inline void flow6_key_from_tuple(struct flow6_key *key, const struct tuple *t)
{
	__builtin_memcpy(key->remote, t->remote, sizeof(key->remote));
	__builtin_memcpy(key->local, t->local, sizeof(key->local));
	key->remote_port = t->remote_port;
	key->local_port = t->local_port;
}

/* The way back, into a tuple of zeros. */
static __always_inline void flow4_key_to_tuple(const struct flow4_key *key, struct tuple *t)
{
	__builtin_memcpy(t->remote, key->remote, sizeof(key->remote));
	__builtin_memcpy(t->local, key->local, sizeof(key->local));
	t->remote_port = key->remote_port;
	t->local_port = key->local_port;
	t->family = FAMILY_IPV4;
}

static __always_inline void flow6_key_to_tuple(const struct flow6_key *key, struct tuple *t)
{
	__builtin_memcpy(t->remote, key->remote, sizeof(key->remote));
	__builtin_memcpy(t->local, key->local, sizeof(key->local));
	t->remote_port = key->remote_port;
	t->local_port = key->local_port;
	t->family = FAMILY_IPV6;
}

_Static_assert(sizeof(struct flow4_key) == 12, "flow4_key");
_Static_assert(sizeof(struct flow6_key) == 36, "flow6_key");
_Static_assert(sizeof(struct flow) == 128 && __builtin_offsetof(struct flow, deadline_ns) == 64,
	       "flow: two cache lines");
_Static_assert(sizeof(struct half_open) == 40, "half_open");
_Static_assert(sizeof(struct ended) == 24, "ended: 104 bytes a slot depend on it");

#endif /* SYNKEEP_FLOW_H */
