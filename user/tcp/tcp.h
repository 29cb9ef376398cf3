/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Synkeep's own TCP (RFC 9293), as its users see it: applications above it, and below it the rim that carries frames.
 *
 * One struct tcp is one worker's: it has its own connections, timers and memory, shares nothing and takes no lock. It
 * makes no system call and reads no clock: every call says what time it is (nanoseconds, CLOCK_MONOTONIC, never
 * backwards). The order of use:
 *
 *   1. tcp_new(), with the rim's functions
 *   2. tcp_listen() for each service; tcp_connect() at any time
 *   3. for each frame that came: tcp_input()
 *   4. behind each batch of frames, and when tcp_next_ns() has come: tcp_work(). It calls the applications, answers
 * what came (one acknowledgement for a batch, MUST-58, MUST-59), and fires the timers
 *   5. tcp_free(): every connection is aborted
 *
 * A connection is a struct tcb. Applications get it from accept() or tcp_connect(), and may use it until closed()
 * returns, or until they call tcp_close() or tcp_abort(); within any callback they may call any function below.
 */
#ifndef SYNKEEP_TCP_H
#define SYNKEEP_TCP_H

#include <sys/types.h>

#include "config.h"
#include "daemon.h"
#include "tcp/memory.h"
#include "watch.h"

struct tcp;
struct tcb;
struct tcp_listener;

/* --- applications ------------------------------------------------------------------------------------------------- */

/* What happens to a connection. Only closed() has to be there; the others may be NULL. */
struct tcp_app {
	const char *name;
	void (*accept)(struct tcb *tcb);	    /* it is established, from whichever end */
	void (*readable)(struct tcb *tcb);	    /* there is something to read, until tcp_recv() gives 0 */
	void (*writable)(struct tcb *tcb);	    /* there is room again, after tcp_send() took less than all */
	void (*closed)(struct tcb *tcb, int error); /* it is over: 0 by the book, or why, see below; tcb goes with it */
	void (*urgent)(struct tcb *tcb);	    /* the peer has urgent data (MUST-32): tcp_status() says how much */
	void (*advise)(struct tcb *tcb, int error); /* a soft error, or R1 was reached (SHLD-9, MUST-47): it goes on */
};

/*
 * Why a connection is over (MUST-12):
 *   0              both ends have closed, and all was delivered
 *   -ECONNRESET    the peer reset it
 *   -ECONNREFUSED  the peer reset our SYN, or an ICMP error says that nobody is there: to a SYN or a keepalive probe
 *   -ETIMEDOUT     the peer has not answered for the user time-out, or its keepalive probes
 *   -EHOSTUNREACH, -ENETUNREACH, -EMSGSIZE   ICMP errors, before the connection stood
 *   -ENOBUFS       no memory
 */

/* What can be chosen, for a listener's connections or one. Times in milliseconds. */
struct tcp_settings {
	__u32 recv_buffer_bytes; /* at most 1 GiB */
	__u32 send_buffer_bytes;
	__u32 user_timeout_ms;	 /* R2 (MUST-20, MUST-21, SHLD-11) of a connection that stands */
	__u32 syn_timeout_ms;	 /* R2 of one that does not yet (MUST-23: at least 180 s) */
	__u32 delayed_ack_ms;	 /* below 500 (MUST-40); 0: every segment is acknowledged at once */
	__u32 fin_wait_2_ms;	 /* how long FIN-WAIT-2 lasts after tcp_close(); half-closed it lasts for ever */
	__s32 linger_ms;	 /* tcp_close(): -1 by the book; 0 abort; else abort if it takes longer */
	__u32 msl_ms;		 /* 0: struct tcp_config's */
	__u32 keepalive_idle_ms; /* MUST-28 */
	__u32 keepalive_interval_ms;
	__u8 keepalive_probes;
	__u8 ttl;	     /* MUST-49; hop limit */
	__u8 dscp;	     /* MUST-48 */
	bool keepalive;	     /* MUST-25: off by default */
	bool nagle;	     /* MUST-17, SHLD-7 */
	bool window_scaling; /* RFC 7323 */
	bool timestamps;     /* RFC 7323 */
	bool sack;	     /* RFC 2018 */
	bool ecn;	     /* RFC 3168 */
	bool pacing;
	bool soft_errors; /* advise() is called for ICMP's soft errors (SHLD-20) */
};

struct tcp_settings tcp_settings_default(void);
bool tcp_settings_are_valid(const struct tcp_settings *settings);

/*
 * LISTEN (3.10.1): connections to this address (zeros: any) and port (0: any) are app's; several listeners may stand
 * side by side (MUST-42), the more exact counts. account: what its connections may take. settings are copied. NULL: no
 * memory, there is one, or the settings are out of range.
 */
struct tcp_listener *tcp_listen(struct tcp *tcp, const struct service_key *key, const struct tcp_app *app,
				void *context, const struct tcp_settings *settings, struct memory_account *account);

/* How many handshakes without a cookie the listener's peers have completed so far. */
__u64 tcp_listener_completed(const struct tcp_listener *listener);

/* No new connections; those that are there stay. */
void tcp_unlisten(struct tcp *tcp, struct tcp_listener *listener);

/*
 * OPEN, active (3.10.1). The tuple is chosen by the caller (MUST-43, MUST-44; RFC 6056 is the rim's), path is where its
 * segments go. 0 and *out; -EADDRINUSE, -EADDRNOTAVAIL: a peer that no TCP can have (MUST-46), -ENOMEM.
 */
int tcp_connect(struct tcp *tcp, const struct tuple *tuple, __u32 path, const struct tcp_app *app, void *context,
		const struct tcp_settings *settings, struct memory_account *account, __u64 now_ns, struct tcb **out);

enum tcp_send_flag {
	TCP_SEND_PUSH = 1 << 0,	  /* MAY-15: nothing waits for more */
	TCP_SEND_URGENT = 1 << 1, /* the last byte is urgent (MUST-30, MUST-62) */
	TCP_SEND_MORE = 1 << 2,	  /* more follows at once: an incomplete segment may wait */
};

/*
 * SEND (3.10.2): takes what there is room for. Returns its number of bytes, 0: writable() comes when there is room;
 * -EPIPE: shut down; -ENOTCONN.
 */
ssize_t tcp_send(struct tcb *tcb, const void *bytes, size_t length, unsigned int flags);

/* RECEIVE (3.10.3): the number of bytes, 0 at the end of the stream, -EAGAIN: nothing there yet. */
ssize_t tcp_recv(struct tcb *tcb, void *bytes, size_t length);

/* The same without a copy: what lies side by side, which tcp_skip() takes away. *bytes is good until then. */
ssize_t tcp_peek(struct tcb *tcb, const __u8 **bytes);
void tcp_skip(struct tcb *tcb, size_t length);

/* CLOSE (3.10.4): our FIN goes out behind all that was sent; the peer may go on. */
void tcp_shutdown(struct tcb *tcb);

/*
 * The application is done with it, in both directions: what was sent is delivered, no callback comes any more. Text
 * that was not read, or that comes later, is lost, and a RST tells the peer so (SHLD-3).
 */
void tcp_close(struct tcb *tcb);

/* ABORT (3.10.5): a RST, and nothing is left. */
void tcp_abort(struct tcb *tcb);

/* Settings of one connection; tcp_change() copies them. -EINVAL: out of range, and nothing is changed. */
const struct tcp_settings *tcp_settings(const struct tcb *tcb);
int tcp_change(struct tcb *tcb, const struct tcp_settings *settings);

/* STATUS (3.10.6). */
struct tcp_status {
	struct tuple tuple;
	enum tcp_state state;
	__u32 unread_bytes;
	__u32 unsent_bytes;    /* not acknowledged yet */
	__u32 urgent_bytes;    /* to be read up to the end of urgent data (MUST-33); 0: none */
	__u32 send_room_bytes; /* that tcp_send() would take */
	__u32 cwnd_bytes;
	__u32 srtt_us;
	__u32 mss_bytes;     /* of a segment that is full now */
	__u32 retransmitted; /* segments, of all that were sent */
	bool peer_closed;    /* its FIN came */
};
void tcp_status(const struct tcb *tcb, struct tcp_status *status);

void *tcp_context(const struct tcb *tcb);
void tcp_set_context(struct tcb *tcb, void *context);
struct tcp *tcp_of(const struct tcb *tcb);

/* --- the rim ------------------------------------------------------------------------------------------------------ */

/* What becomes of a connection's record in the maps. */
enum tcp_record_kind {
	TCP_RECORD_HALF_OPEN, /* in half4, half6: put; a TIME-WAIT before it is gone */
	TCP_RECORD_FLOW,      /* in flows4, flows6: put; what was half-open is gone */
	TCP_RECORD_ENDED,     /* in tw4, tw6: put; what was live is gone */
	TCP_RECORD_LOST,      /* its TCB went with an earlier daemon: what was live is gone; what had ended stays */
	TCP_RECORD_NONE,      /* gone from all three */
};

struct tcp_record {
	enum tcp_record_kind kind;
	union {
		struct half_open half_open;
		struct flow flow;
		struct ended ended;
	};
};

struct tcp_rim {
	void *context;
	/*
	 * Room for an IP packet of so many bytes that goes along a path: where its first byte goes, aligned to four,
	 * the link's header being written already. NULL: no room now; tcp_work() tries again.
	 */
	__u8 *(*frame)(void *context, __u32 path, __u32 bytes);
	/*
	 * What the last frame() gave is complete, or shorter than it was asked for. to_unverified: its receiver has not
	 * shown that it is where its packets say.
	 */
	void (*send)(void *context, __u32 bytes, bool to_unverified);
	/* The largest IP packet that a path's link takes. */
	__u32 (*mtu)(void *context, __u32 path);
	/* A record is to be written. It may wait for a few milliseconds; a later one of the same tuple replaces it. */
	void (*report)(void *context, const struct tuple *tuple, const struct tcp_record *record);
	/* A path's next hop does not seem to answer (MUST-20: R1), or does again. */
	void (*advise)(void *context, __u32 path, bool reachable);
	/* A connection has another state, or ended. time_ns is left to the rim. NULL: nobody wants to know. */
	void (*changed)(void *context, const struct flow_event *event);
};

struct tcp_config {
	struct tcp_rim rim;
	struct siphash_key isn_key; /* random (RFC 6528) */
	__u64 msl_ns;
	/*
	 * For how long a TIME-WAIT is kept here. 0: all of its 2MSL. Less: until its record is sure to be where others
	 * find it, who answer for it from then on.
	 */
	__u64 time_wait_ns;
	__u32 connections_max;
	__u32 syn_received_max;		/* of handshakes that are not complete, without a cookie */
	__u32 time_wait_max;		/* the oldest goes first */
	struct memory_account *account; /* of all connections together */
};

/* Why tcp_input() did what it did: one counter each. X(identifier, sentence) */
#define TCP_VERDICTS(X)                                                                                                \
	X(TAKEN, "segment of a connection")                                                                            \
	X(MALFORMED, "frame that is not TCP, or whose lengths contradict each other")                                  \
	X(BAD_CHECKSUM, "segment with a wrong checksum (MUST-3)")                                                      \
	X(BAD_OPTIONS, "segment with an option of an illegal length (MUST-7)")                                         \
	X(BAD_ADDRESS, "SYN from or to an address that no TCP can have (MUST-57, MUST-63)")                            \
	X(ACCEPTED, "connection whose cookie was right")                                                               \
	X(SYN_RECEIVED, "SYN answered: SYN-RECEIVED")                                                                  \
	X(SYN_BACKLOG_FULL, "SYN dropped: too many handshakes are under way")                                          \
	X(NO_ROOM, "new connection refused: too many connections, or too much memory used")                            \
	X(NO_CONNECTION, "segment of no connection: reset (3.10.7.1)")                                                 \
	X(NO_LISTENER, "SYN that nobody listens for: reset")                                                           \
	X(OUT_OF_WINDOW, "segment outside the window: acknowledged and dropped (3.10.7.4, first)")                     \
	X(OLD_TIMESTAMP, "segment with an old timestamp: acknowledged and dropped (RFC 7323, 5.3)")                    \
	X(NO_TIMESTAMP, "segment without the timestamp that was agreed on (RFC 7323, 3.2)")                            \
	X(NO_ACK, "segment without ACK (3.10.7.4, fifth)")                                                             \
	X(BAD_ACK, "acknowledgement of what was never sent, or long ago (RFC 5961, 5)")                                \
	X(CHALLENGED, "SYN or inexact RST: challenged (RFC 5961, 3 and 4)")                                            \
	X(UNCHALLENGED, "the same, beyond what is challenged in a second")                                             \
	X(RESET, "RST that was right")                                                                                 \
	X(RESET_IGNORED, "RST that was not, or in TIME-WAIT (RFC 1337)")                                               \
	X(TIME_WAIT, "segment of a connection in TIME-WAIT: acknowledged")                                             \
	X(TIME_WAIT_REUSED, "SYN that began anew behind a connection in TIME-WAIT (3.6.1, RFC 6191)")                  \
	X(TEXT_REFUSED, "text for which there was no memory, or that lay behind too many holes")                       \
	X(ICMP_TAKEN, "ICMP error about a segment that is in flight")                                                  \
	X(ICMP_IGNORED, "ICMP error about no segment in flight, or a source quench (RFC 5927, MUST-55)")

enum tcp_verdict {
#define X(id, sentence) TCPV_##id,
	TCP_VERDICTS(X)
#undef X
		TCPV_COUNT
};

/* Counts of a worker's TCP. */
struct tcp_counters {
	__u64 verdicts[TCPV_COUNT];
	__u64 segments_sent;
	__u64 segments_retransmitted;
	__u64 resets_sent;
	__u64 no_frame;		 /* a segment had to wait for room in the ring */
	__u64 time_wait_evicted; /* before its time */
	__u64 keepalives_sent;	 /* probes (3.8.4) */
	__u64 keepalives_answered;
	__u64 keepalives_refused; /* by ICMP: the connection is over */
	__u64 keepalives_in_vain; /* connections whose peer answered none of its probes */
	__u32 connections;	  /* now, without TIME-WAIT */
	__u32 connections_time_wait;
	__u32 connections_half_open; /* SYN-RECEIVED, without a cookie */
};

/* NULL: no memory. config is copied. */
struct tcp *tcp_new(const struct tcp_config *config, __u64 now_ns);
void tcp_free(struct tcp *tcp);

/*
 * A frame that came, from its Ethernet header on, and what XDP says about it. path: the way back, as the rim counts
 * them. The frame may be reused afterwards.
 */
enum tcp_verdict tcp_input(struct tcp *tcp, const struct daemon_hint *hint, const void *frame, __u32 bytes, __u32 path,
			   __u64 now_ns);

/* Calls applications, sends what is due, fires timers, reports records. */
void tcp_work(struct tcp *tcp, __u64 now_ns);

/* When tcp_work() is to be called at the latest; UINT64_MAX: not before another frame comes. */
__u64 tcp_next_ns(const struct tcp *tcp);

const struct tcp_counters *tcp_counters(const struct tcp *tcp);

/* Whether half of the room for handshakes without a cookie is taken. */
bool tcp_is_pressed(const struct tcp *tcp);

const char *tcp_verdict_name(enum tcp_verdict verdict);
const char *tcp_verdict_sentence(enum tcp_verdict verdict);

#endif /* SYNKEEP_TCP_H */
