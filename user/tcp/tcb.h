/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The transmission control block (RFC 9293, 3.3.1), and what a worker's TCP consists of. For the files of the TCP only.
 *
 * A TCB goes through these hands:
 *   made      tcb_make(), in LISTEN's place by a SYN or a cookie (arrive_listen.c), or by tcp_connect()
 *   stepped   tcb_step() alone writes its state; the table is include/tcp_fsm.h
 *   pending   whoever has changed something calls tcb_touch(); tcp_work() then calls the application and sends
 *   finished  tcb_finish(): it is off the wire, its timers are disarmed, its TIME-WAIT, if any, is a struct time_wait;
 *             it remains until the application has read what is there to read and has been told
 *   freed     by tcp_work(), and nowhere else
 */
#ifndef SYNKEEP_TCP_TCB_H
#define SYNKEEP_TCP_TCB_H

#include "seq.h"
#include "tcp/congestion.h"
#include "tcp/endpoints.h"
#include "tcp/list.h"
#include "tcp/reassembly.h"
#include "tcp/rtt.h"
#include "tcp/sent.h"
#include "tcp/tcp.h"
#include "tcp/timer_wheel.h"

enum tcb_flag {
	/* What was agreed on. */
	TCB_WSCALE = 1 << 0,
	TCB_SACK = 1 << 1,
	TCB_TIMESTAMPS = 1 << 2,
	TCB_ECN = 1 << 3,
	/* Its life. */
	TCB_ACTIVE = 1 << 4,	 /* by an active OPEN: MUST-11 */
	TCB_COOKIE = 1 << 5,	 /* made by a right cookie */
	TCB_HALF_OPEN = 1 << 6,	 /* counted as such */
	TCB_FIN_QUEUED = 1 << 7, /* CLOSE: the FIN stands behind what is to be sent */
	TCB_FIN_SENT = 1 << 8,
	TCB_FIN_RECEIVED = 1 << 9, /* and all before it */
	TCB_FIN_AHEAD = 1 << 10,   /* at rcv_fin, behind a hole */
	TCB_DETACHED = 1 << 11,	   /* the application has closed it: no callback */
	TCB_ABORT = 1 << 12,	   /* the application wants a RST sent */
	TCB_FINISHED = 1 << 13,	   /* off the wire, see above */
	/* For the application. */
	TCB_TELL_ACCEPT = 1 << 14,
	TCB_TELL_READABLE = 1 << 15,
	TCB_TELL_URGENT = 1 << 16,
	TCB_TELL_ADVICE = 1 << 17,
	TCB_WANTS_ROOM = 1 << 18, /* tcp_send() took less than all */
	/* For the peer. */
	TCB_ACK_NOW = 1 << 19,
	TCB_ACK_LATER = 1 << 20, /* something is not acknowledged yet */
	TCB_ECE = 1 << 21,	 /* echoed until CWR comes (RFC 3168, 6.1.3) */
	TCB_CWR = 1 << 22,	 /* the next text says that we slowed down */
	TCB_URGENT_OUT = 1 << 23,
	TCB_URGENT_IN = 1 << 24,
	TCB_MORE = 1 << 25,	      /* TCP_SEND_MORE: an incomplete segment waits */
	TCB_PUSH = 1 << 26,	      /* TCP_SEND_PUSH: Nagle's rule does not hold up what is there */
	TCB_WINDOW_LIMITED = 1 << 27, /* more would have been sent, had cwnd allowed it */
	TCB_KNOWN = 1 << 28,	      /* to the application: it opened it, or was told */
	TCB_SILLY_OVERRIDE = 1 << 29, /* the override time-out has run out (3.8.6.2.1) */
	TCB_END_READ = 1 << 30,	      /* the application has seen the end of what came */
	TCB_HAS_READ = 1U << 31,      /* the application has taken text since we last told the peer of our window */
};

#define TCB_R1 3 /* retransmissions that mean trouble (MUST-20, SHLD-10) */

/* In the order in which they are served. */
enum tcb_timer {
	TIMER_LOSS,	   /* RFC 8985: reordering, tail loss probe */
	TIMER_RETRANSMIT,  /* RFC 6298; with nothing in flight: the persist timer (3.8.6.1), the override (3.8.6.2.1) */
	TIMER_DELAYED_ACK, /* 3.8.6.3 */
	TIMER_PACE,	   /* text may leave, or find memory, from then on */
	TIMER_KEEPALIVE,   /* 3.8.4 */
	TIMER_LIFE,	   /* FIN-WAIT-2 without an application, linger */
	TIMER_RECORD,	   /* the record in the maps is to be written before it expires */
	TIMER_COUNT
};

/* What connections of one listener, or of one active OPEN, have in common. It lives as long as one of them does. */
struct tcp_origin {
	struct tcp *tcp;
	const struct tcp_app *app;
	struct memory_account *account;
	struct tcp_settings settings;
	__u32 references; /* connections, and the listener */
	__u64 completed;  /* handshakes without a cookie */
};

struct tcb {
	struct endpoint endpoint;
	struct tcp_origin *origin;
	void *context;
	__u32 deadlines[TIMER_COUNT]; /* in ticks of the wheel, modulo 2^32; 0: not armed. See tcb_arm() */
	struct list pending;	      /* tcp_work() is to look at it */
	struct list report;	      /* its record is to be written; of a finished one: in tcp->finished */
	__u32 flags;		      /* enum tcb_flag */
	__u32 path;		      /* where its segments go */
	enum tcp_state state;
	__u8 snd_wscale : 4; /* of windows that come */
	__u8 rcv_wscale : 4; /* of windows that go */
	bool is_counted;     /* its record is: FLOW_COUNTED */
	__u8 keepalive_unanswered;
	__u16 peer_mss;	      /* its option, or the default */
	__u16 mtu;	      /* the largest IP packet that the path is known to take */
	__u16 snd_mss;	      /* Eff.snd.MSS (3.7.1): text of a full segment, behind timestamps */
	__u16 rcv_mss;	      /* the largest text that came: what the peer takes for full */
	__u8 error_number;    /* why it is finished, or the last advice: an errno */
	__u8 retransmissions; /* of the first segment in flight, by time-out */
	union {
		__u8 challenges;       /* in the second of this number, modulo 256: */
		enum tcp_state before; /* once it is CLOSED or in TIME-WAIT: what it was before, */
	};
	union {
		__u8 challenges_s;
		enum flow_end end; /* and how it came there; FLOW_END_NONE: its error says */
	};
	/* Send sequence variables (figure 3). */
	__u32 iss;
	__u32 snd_una;
	__u32 snd_nxt;
	__u32 snd_wnd;
	__u32 snd_wl1;
	__u32 snd_wl2;
	__u32 snd_wnd_max; /* MAX.SND.WND (RFC 5961, 5.2; 3.8.6.2.1) */
	__u32 snd_up;	   /* the number behind the last urgent byte */
	__u32 recover;	   /* SND.NXT when a loss was met (RFC 6582, 3.2) */
	/* Receive sequence variables (figure 4). */
	__u32 irs;
	__u32 rcv_nxt;
	__u32 rcv_edge; /* RCV.NXT + RCV.WND as the peer was told: moves left by rounding alone (SHLD-14) */
	__u32 rcv_wup;	/* Last.ACK.sent (RFC 7323, 4.3) */
	__u32 rcv_up;
	__u32 rcv_fin; /* if TCB_FIN_AHEAD */
	/* Timestamps (RFC 7323). */
	__u32 ts_recent;
	__u32 ts_offset; /* TSval is the milliseconds of now and this */
	__u32 born_s;
	__u32 seen_ms;	     /* the last acceptable segment */
	__u32 sent_ms;	     /* the last text; 0: none yet */
	__u32 unanswered_ms; /* since when nothing has come, though something should; 0: nothing is waited for */
	__u32 rcv_packets;
	__u32 snd_packets;
	__u32 retransmitted;
	__u64 rcv_bytes; /* of IP packets */
	__u64 snd_bytes;
	__u64 pace_ns;	      /* the next text is not to leave before */
	struct byte_ring snd; /* text from snd_una on */
	struct reassembly rcv;
	struct rtt rtt;
	struct congestion congestion;
	struct sent sent;
};

_Static_assert(sizeof(struct tcb) <= 584, "tcb: with its record an idle connection takes at most 800 bytes");

struct tcp_listener {
	struct list link;
	struct service_key key;
	void *context;
	struct tcp_origin *origin;
};

struct tcp {
	struct tcp_config config;
	struct endpoints endpoints;
	struct timer_wheel wheel;
	struct list pending;  /* of struct tcb */
	struct list blocked;  /* pending too, but there was no room for frames */
	struct list finished; /* off the wire, not freed yet */
	struct list changed;  /* records of a new state, to be written at report_changed_ns */
	struct list moved;    /* records of new numbers, at report_moved_ns */
	struct list listeners;
	struct list time_waits; /* what began first comes first */
	__u64 report_changed_ns;
	__u64 report_moved_ns;
	__u64 now_ns; /* of the call that is under way */
	struct tcp_counters counters;
};

/* --- tcb.c -------------------------------------------------------------------------------------------------------- */

/* A TCB in CLOSED, in the table, with nothing agreed on yet. NULL: too many, or no memory. */
struct tcb *tcb_make(struct tcp *tcp, const struct tuple *tuple, struct tcp_origin *origin, void *context);

/* The TCB of a tuple; NULL: there is none on the wire. */
struct tcb *tcb_find(struct tcp *tcp, const struct tuple *tuple);

/* The one place that writes a state. */
void tcb_step(struct tcb *tcb, enum tcp_event event);

/* tcp_work() is to look at it. */
void tcb_touch(struct tcb *tcb);

/* A deadline is at most TCB_TIMER_MAX_MS ahead, and is kept to a tick of the wheel. */
#define TCB_TIMER_MAX_MS (5 * 86400 * 1000)
void tcb_arm(struct tcb *tcb, enum tcb_timer timer, __u64 deadline_ns);
void tcb_disarm(struct tcb *tcb, enum tcb_timer timer);

/* 0: it is not armed. */
__u64 tcb_deadline_ns(const struct tcb *tcb, enum tcb_timer timer);

/* Off the wire, see above. error as closed() is told it. In TIME-WAIT a struct time_wait takes over. */
void tcb_finish(struct tcb *tcb, int error);

/* Gives back what a finished one has. */
void tcb_free(struct tcb *tcb);

/* What follows from MTU, options and the peer's MSS (3.7.1, MUST-16). */
void tcb_set_mtu(struct tcb *tcb, __u32 mtu);

static inline __u32 tcb_ip_header_bytes(__u8 family)
{
	return family == FAMILY_IPV6 ? 40 : 20;
}

/* What an MSS option says to the family when the link takes packets of mtu (MUST-67). */
static inline __u16 tcb_mss_of_mtu(__u8 family, __u32 mtu)
{
	return (__u16)(mtu - tcb_ip_header_bytes(family) - 20);
}

/* The sequence number of the first byte in the send buffer. */
static inline __u32 tcb_snd_base(const struct tcb *tcb)
{
	return tcb->state <= TCPS_SYN_RECEIVED ? tcb->iss + 1 : tcb->snd_una;
}

/* The number behind the last byte in it: that of the FIN, once that is queued. */
static inline __u32 tcb_snd_end(const struct tcb *tcb)
{
	return tcb_snd_base(tcb) + tcb->snd.used;
}

/* Our clock as TSval shows it, milliseconds (RFC 7323, 4.1: 1 ms to 1 s a tick). */
static inline __u32 tcb_ts_now(const struct tcb *tcb)
{
	return (__u32)(tcb->origin->tcp->now_ns / NSEC_PER_MSEC) + tcb->ts_offset;
}

/* As callbacks are told it. */
static inline int tcb_error(const struct tcb *tcb)
{
	return -(int)tcb->error_number;
}

static inline __u32 tcb_now_ms(const struct tcb *tcb)
{
	__u32 ms = (__u32)(tcb->origin->tcp->now_ns / NSEC_PER_MSEC);

	return ms ? ms : 1; /* 0 is "never" */
}

static inline __u64 tcb_msl_ns(const struct tcb *tcb)
{
	__u32 own_ms = tcb->origin->settings.msl_ms;

	return own_ms ? own_ms * NSEC_PER_MSEC : tcb->origin->tcp->config.msl_ns;
}

static inline bool tcb_is_synchronized(enum tcp_state state)
{
	return state >= TCPS_ESTABLISHED;
}

/* R2, by what the connection waits for. */
static inline __u32 tcb_user_timeout_ms(const struct tcb *tcb)
{
	const struct tcp_settings *settings = &tcb->origin->settings;

	return tcb_is_synchronized(tcb->state) ? settings->user_timeout_ms : settings->syn_timeout_ms;
}

#endif /* SYNKEEP_TCP_TCB_H */
