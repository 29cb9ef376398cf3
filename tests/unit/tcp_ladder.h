/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * One connection of a TCP, driven by hand: tests read as a ladder diagram.
 *
 *     tcb_in_fin_wait_1();
 *     peer_sends(FIN | ACK, .seq = 1, .ack = 2);
 *     expect(ACK, .seq = 2, .ack = 2);
 *     assert_state(TCPS_TIME_WAIT);
 *
 * Sequence numbers are relative: each end's SYN is 0, and so the first byte of its text 1. Both wrap within the first
 * segments. The peer offers what l.offer says, a plain MSS of 1460 if nothing else is said before the constructor, and
 * its segments acknowledge nothing by themselves. What leaves must be expected, in order; what was not shows in the
 * next expect() or expect_nothing(), and at the test's end.
 *
 * Time stands still but for after_ms().
 */
#ifndef SYNKEEP_TCP_LADDER_H
#define SYNKEEP_TCP_LADDER_H

#include <stdio.h>
#include <stdlib.h>

#include "tcp/isn.h"
#include "tcp/tcb.h"
#include "tcp_wire.h"

#pragma GCC diagnostic ignored "-Wmissing-field-initializers"

#define LADDER_QUEUE 512
#define LADDER_MSL_MS 60000
#define LADDER_WINDOW 60000 /* the peer's, where a test does not say */
#define LADDER_PATH 5

/* What left, and when. */
struct ladder_sent {
	__u64 at_ns;
	struct wire_segment segment; /* text points into frame */
	__u8 *frame;
};

/* What the application was told, and how often. */
struct ladder_app {
	unsigned int accepted, readable, writable, closed, urgent, advised;
	int error;  /* of closed() */
	int advice; /* the last one */
};

static struct ladder {
	/* To be chosen before the constructor. */
	struct tcp_settings settings;
	struct wire_segment offer; /* options of the peer's SYN */
	struct tcp_config config;
	struct service_key service;
	__u32 mtu;
	__s32 window; /* of the peer's segments; RFC 7323's shift is the test's affair */
	/* What there is. */
	struct tuple tuple;
	struct memory_account account;
	struct tcp *tcp;
	struct tcp_listener *listener;
	struct tcb *tcb; /* while the application may use it */
	struct ladder_app app;
	__u64 now_ns;
	__u32 irs, iss;
	bool iss_known;
	bool timestamps;	  /* agreed on: the peer's segments carry them */
	__u32 ts_recent;	  /* the last TSval that came from the TCP */
	enum tcp_verdict verdict; /* of the peer's last segment */
	bool has_record;
	struct tcp_record record; /* the last that was reported */
	bool reachable;
	unsigned int path_advice;
	bool no_room; /* the rim has no frame */
	__u8 room[WIRE_FRAME_MAX];
	struct ladder_sent sent[LADDER_QUEUE];
	unsigned int head, count;
	unsigned int to_unverified; /* how many of what left */
	__u64 last_sent_ns;	    /* when the segment left that was expected last */
} l;

/* --- the rim and the application ---------------------------------------------------------------------------------- */

static __u8 *ladder_frame(void *context, __u32 path, __u32 bytes)
{
	(void)context;
	assert_int_equal(path, LADDER_PATH);
	assert_in_range(bytes, 40, l.mtu);
	return l.no_room ? NULL : (__u8 *)(((uintptr_t)l.room + 3) & ~(uintptr_t)3);
}

static void ladder_send(void *context, __u32 bytes, bool to_unverified)
{
	struct ladder_sent *sent = &l.sent[(l.head + l.count) % LADDER_QUEUE];
	const __u8 *frame = (__u8 *)(((uintptr_t)l.room + 3) & ~(uintptr_t)3);
	struct tuple tuple = l.tuple;

	(void)context;
	l.to_unverified += to_unverified;
	assert_in_range(bytes, 40, l.mtu);
	assert_true(l.count++ < LADDER_QUEUE);
	sent->frame = malloc(bytes);
	assert_non_null(sent->frame);
	memcpy(sent->frame, frame, bytes);
	sent->at_ns = l.now_ns;
	tuple.remote_port = get_be16(sent->frame + wire_ip_bytes(&tuple) + 2); /* a test may go on with another port */
	sent->segment = wire_read(sent->frame, bytes, &tuple, false);
	if ((sent->segment.flags & SYN) && !l.iss_known) {
		l.iss = sent->segment.seq;
		l.iss_known = true;
	}
	if (sent->segment.timestamps)
		l.ts_recent = sent->segment.tsval;
}

static __u32 ladder_mtu(void *context, __u32 path)
{
	(void)context;
	assert_int_equal(path, LADDER_PATH);
	return l.mtu;
}

static void ladder_report(void *context, const struct tuple *tuple, const struct tcp_record *record)
{
	(void)context;
	if (memcmp(tuple, &l.tuple, sizeof(*tuple)))
		return;
	l.record = *record;
	l.has_record = true;
}

static void ladder_advise_path(void *context, __u32 path, bool reachable)
{
	(void)context;
	assert_int_equal(path, LADDER_PATH);
	l.path_advice++;
	l.reachable = reachable;
}

static void ladder_on_accept(struct tcb *tcb)
{
	assert_int_equal(l.app.accepted++, 0);
	l.tcb = tcb;
}

static void ladder_on_readable(struct tcb *tcb)
{
	assert_ptr_equal(tcb, l.tcb);
	l.app.readable++;
}

static void ladder_on_writable(struct tcb *tcb)
{
	assert_ptr_equal(tcb, l.tcb);
	l.app.writable++;
}

static void ladder_on_closed(struct tcb *tcb, int error)
{
	if (l.tcb)
		assert_ptr_equal(tcb, l.tcb);
	l.tcb = NULL;
	l.app.closed++;
	l.app.error = error;
}

static void ladder_on_urgent(struct tcb *tcb)
{
	assert_ptr_equal(tcb, l.tcb);
	l.app.urgent++;
}

static void ladder_on_advise(struct tcb *tcb, int error)
{
	assert_ptr_equal(tcb, l.tcb);
	l.app.advised++;
	l.app.advice = error;
}

static const struct tcp_app ladder_application = {
	.name = "ladder",
	.accept = ladder_on_accept,
	.readable = ladder_on_readable,
	.writable = ladder_on_writable,
	.closed = ladder_on_closed,
	.urgent = ladder_on_urgent,
	.advise = ladder_on_advise,
};

/* --- setting up --------------------------------------------------------------------------------------------------- */

/* The number that a connection of this tuple would begin with (RFC 6528). */
static __u32 ladder_isn_now(void)
{
	return isn_make(&l.config.isn_key, &l.tuple, l.now_ns);
}

static int ladder_setup(void **state)
{
	__u8 family = (__u8)(uintptr_t)*state;

	memset(&l, 0, sizeof(l));
	l.tuple = unit_tuple(family);
	l.account.limit_bytes = 1 << 30;
	l.mtu = 1500;
	l.window = LADDER_WINDOW;
	l.reachable = true;
	l.offer.mss = 1460;
	l.irs = 0xfffffff0;
	l.settings = tcp_settings_default();
	l.settings.delayed_ack_ms = 0;
	l.settings.pacing = false;
	l.settings.ecn = false;
	l.service = (struct service_key){ .port = l.tuple.local_port, .family = family };
	l.config = (struct tcp_config){
		.rim = { .frame = ladder_frame,
			 .send = ladder_send,
			 .mtu = ladder_mtu,
			 .report = ladder_report,
			 .advise = ladder_advise_path },
		.isn_key = { 1, 2 },
		.msl_ns = LADDER_MSL_MS * NSEC_PER_MSEC,
		.connections_max = 100,
		.syn_received_max = 10,
		.time_wait_max = 10,
		.account = &l.account,
	};
	/* 4 microseconds a number (MUST-8): ours will wrap behind the first 16 to 100. */
	l.now_ns = 1000 * NSEC_PER_SEC;
	l.now_ns += (__u64)(0xfffffff0U - ladder_isn_now()) * 4000;
	return 0;
}

static int ladder_teardown(void **state)
{
	(void)state;
	tcp_free(l.tcp);
	while (l.count--) {
		free(l.sent[l.head].frame);
		l.head = (l.head + 1) % LADDER_QUEUE;
	}
	return l.account.used_bytes == 0 ? 0 : -1;
}

/* A test in both families. */
#define ladder_test(f)                                                                                                 \
	{ #f, f, ladder_setup, ladder_teardown, (void *)FAMILY_IPV4 },                                                 \
	{                                                                                                              \
#f " (IPv6)", f, ladder_setup, ladder_teardown, (void *)FAMILY_IPV6                                    \
	}

/* --- time --------------------------------------------------------------------------------------------------------- */

static void ladder_work(void)
{
	tcp_work(l.tcp, l.now_ns);
}

/* Lets time pass, timer by timer. */
static void after_ns(__u64 ns)
{
	__u64 end_ns = l.now_ns + ns;
	unsigned int idle = 0;

	for (__u64 next; (next = tcp_next_ns(l.tcp)) <= end_ns;) {
		idle = next > l.now_ns ? 0 : idle + 1;
		if (idle > 1000)
			fail_msg("tcp_next_ns() does not go on");
		if (next > l.now_ns)
			l.now_ns = next;
		ladder_work();
	}
	l.now_ns = end_ns;
	ladder_work();
}

static inline void after_ms(__u64 ms)
{
	after_ns(ms * NSEC_PER_MSEC);
}

/* --- the peer ----------------------------------------------------------------------------------------------------- */

static inline __u32 ladder_peer_tsval(void)
{
	return (__u32)(l.now_ns / NSEC_PER_MSEC) + 0x10000;
}

/* What XDP says of a frame with these flags. */
static inline struct daemon_hint ladder_hint(__u8 flags)
{
	struct daemon_hint hint = { .mark = DAEMON_MARK, .kind = DAEMON_STRANGER };

	if ((flags & (SYN | ACK | RST)) == SYN)
		hint.kind = DAEMON_SYN;
	else if (l.tcp && (tcb_find(l.tcp, &l.tuple) || tcp_counters(l.tcp)->connections_time_wait))
		hint.kind = DAEMON_SEGMENT;
	return hint;
}

/* A frame comes, in memory that ends with it. */
static inline void ladder_input(const struct daemon_hint *hint, const __u8 *frame, __u32 bytes)
{
	__u8 *exact = malloc(bytes + 2);

	assert_non_null(exact);
	memcpy(exact + 2, frame, bytes);
	l.verdict = tcp_input(l.tcp, hint, exact + 2, bytes, LADDER_PATH, l.now_ns);
	free(exact);
}

static inline void ladder_peer_sends_as(const struct daemon_hint *hint, struct wire_segment s, bool work)
{
	static __u8 frame[WIRE_FRAME_MAX];

	s.seq += l.irs;
	if (s.flags & ACK)
		s.ack += l.iss;
	for (int i = 0; i < s.block_count; i++) {
		s.blocks[i].start += l.iss;
		s.blocks[i].end += l.iss;
	}
	if (!s.window)
		s.window = l.window;
	if (l.timestamps && !s.timestamps && !s.bare) {
		s.timestamps = true;
		s.tsval = ladder_peer_tsval();
		s.tsecr = s.flags & ACK ? l.ts_recent : 0;
	}
	ladder_input(hint, frame, wire_write(frame, &l.tuple, true, &s));
	if (work)
		ladder_work();
}

/* The peer sends a segment, and the TCP does what it does. */
#define peer_sends(flags_, ...)                                                                                        \
	do {                                                                                                           \
		const struct daemon_hint hint_ = ladder_hint(flags_);                                                  \
		ladder_peer_sends_as(&hint_, (struct wire_segment){ .flags = (flags_), ##__VA_ARGS__ }, true);         \
	} while (0)

/* The same within a batch: the TCP goes to work with the next peer_sends(). */
#define peer_sends_more(flags_, ...)                                                                                   \
	do {                                                                                                           \
		const struct daemon_hint hint_ = ladder_hint(flags_);                                                  \
		ladder_peer_sends_as(&hint_, (struct wire_segment){ .flags = (flags_), ##__VA_ARGS__ }, false);        \
	} while (0)

/* --- what must leave ---------------------------------------------------------------------------------------------- */

static inline void ladder_say(const char *what, const struct wire_segment *s)
{
	static const char names[] = "FSRPAUEC";
	char flags[9] = {};

	for (int i = 0, n = 0; i < 8; i++) {
		if (s->flags & 1 << i)
			flags[n++] = names[i];
	}
	print_error("%s <%s> seq %d ack %d length %u window %d", what, flags, (int)s->seq, (int)s->ack, s->length,
		    s->window);
	for (int i = 0; i < s->block_count; i++)
		print_error(" sack %d-%d", (int)s->blocks[i].start, (int)s->blocks[i].end);
	print_error("\n");
}

/* Takes the next segment that left, numbers relative. */
static inline struct wire_segment ladder_take(const char *file, int line)
{
	struct ladder_sent *sent = &l.sent[l.head];
	struct wire_segment s;

	if (!l.count) {
		print_error("%s:%d: nothing was sent\n", file, line);
		_fail(file, line);
	}
	s = sent->segment;
	s.seq -= l.iss;
	if (s.flags & ACK)
		s.ack -= l.irs;
	for (int i = 0; i < s.block_count; i++) {
		s.blocks[i].start -= l.irs;
		s.blocks[i].end -= l.irs;
	}
	l.last_sent_ns = sent->at_ns;
	l.head = (l.head + 1) % LADDER_QUEUE;
	l.count--;
	return s;
}

static inline void ladder_free_taken(void)
{
	unsigned int last = (l.head + LADDER_QUEUE - 1) % LADDER_QUEUE;

	free(l.sent[last].frame);
	l.sent[last].frame = NULL;
}

/*
 * Flags (PSH only where it is asked for), numbers and text must be right; what is not 0 in want besides: window,
 * urgent pointer, options, SACK blocks, DSCP, ECN and TTL.
 */
static inline bool ladder_matches(const struct wire_segment *s, const struct wire_segment *want)
{
	__u32 length = wire_length(want);

	if ((s->flags & ~PSH) != (want->flags & ~PSH) || ((want->flags & PSH) && !(s->flags & PSH)))
		return false;
	if (s->seq != want->seq || s->ack != want->ack || s->length != length)
		return false;
	if (want->text && memcmp(s->text, want->text, length))
		return false;
	if ((want->window == ZERO_WINDOW && s->window) || (want->window > 0 && s->window != want->window))
		return false;
	if (s->urgent != want->urgent || s->block_count != want->block_count ||
	    memcmp(s->blocks, want->blocks, sizeof(s->blocks[0]) * s->block_count))
		return false;
	if ((want->mss && s->mss != want->mss) || (want->timestamps && !s->timestamps) ||
	    (want->tsval && s->tsval != want->tsval) || (want->tsecr && s->tsecr != want->tsecr))
		return false;
	return (!want->ttl || s->ttl == want->ttl) && (!want->ecn || s->ecn == want->ecn) &&
	       (!want->dscp || s->dscp == want->dscp);
}

static inline struct wire_segment ladder_expect(struct wire_segment want, const char *file, int line)
{
	struct wire_segment s = ladder_take(file, line);

	want.length = wire_length(&want);
	if (!ladder_matches(&s, &want)) {
		ladder_say("wanted", &want);
		ladder_say("sent  ", &s);
		_fail(file, line);
	}
	ladder_free_taken();
	s.text = NULL;
	return s;
}

/* The next segment that left; its value is what it was, without text. */
#define expect(flags_, ...) ladder_expect((struct wire_segment){ .flags = (flags_), ##__VA_ARGS__ }, __FILE__, __LINE__)

static inline void ladder_expect_nothing(const char *file, int line)
{
	if (!l.count)
		return;
	struct wire_segment s = ladder_take(file, line);

	ladder_say("wanted nothing; sent", &s);
	ladder_free_taken();
	_fail(file, line);
}

#define expect_nothing() ladder_expect_nothing(__FILE__, __LINE__)

/* Whatever left is of no interest; returns how many segments it was. */
static inline unsigned int expect_anything(void)
{
	unsigned int count = l.count;

	while (l.count) {
		ladder_take(__FILE__, __LINE__);
		ladder_free_taken();
	}
	return count;
}

/* --- the application ---------------------------------------------------------------------------------------------- */

static inline void app_sends_flagged(const char *text, size_t length, unsigned int flags)
{
	assert_int_equal(tcp_send(l.tcb, text, length, flags), length);
	ladder_work();
}

static inline void app_sends(const char *text)
{
	app_sends_flagged(text, strlen(text), 0);
}

/* So many bytes of no importance; returns how many were taken. */
static inline ssize_t app_sends_bytes(size_t length)
{
	char *bytes = malloc(length);
	ssize_t taken;

	assert_non_null(bytes);
	for (size_t i = 0; i < length; i++)
		bytes[i] = (char)('a' + i % 26);
	taken = tcp_send(l.tcb, bytes, length, 0);
	free(bytes);
	ladder_work();
	return taken;
}

/* The text that is there, all of it. */
static inline void app_reads(const char *want)
{
	char text[4096];
	ssize_t length = tcp_recv(l.tcb, text, sizeof(text));

	assert_int_equal(length, strlen(want));
	assert_memory_equal(text, want, strlen(want));
	ladder_work();
}

static inline void app_reads_end(void)
{
	char byte;

	assert_int_equal(tcp_recv(l.tcb, &byte, 1), 0);
	ladder_work();
}

static inline void app_reads_nothing(void)
{
	char byte;

	assert_int_equal(tcp_recv(l.tcb, &byte, 1), -EAGAIN);
}

static inline void app_shuts_down(void)
{
	tcp_shutdown(l.tcb);
	ladder_work();
}

static inline void app_closes(void)
{
	tcp_close(l.tcb);
	l.tcb = NULL;
	ladder_work();
}

static inline void app_aborts(void)
{
	tcp_abort(l.tcb);
	l.tcb = NULL;
	ladder_work();
}

/* It was told so, once; no callback comes for a connection that it closed. */
static inline void assert_closed(int error)
{
	assert_int_equal(l.app.closed, 1);
	assert_int_equal(l.app.error, error);
}

static inline struct tcp_status ladder_status(void)
{
	struct tcp_status status;

	tcp_status(l.tcb, &status);
	return status;
}

/* --- the state ---------------------------------------------------------------------------------------------------- */

static inline enum tcp_state ladder_state(void)
{
	const struct tcb *tcb = tcb_find(l.tcp, &l.tuple);

	if (tcb)
		return tcb->state;
	if (tcp_counters(l.tcp)->connections_time_wait)
		return TCPS_TIME_WAIT;
	return l.listener ? TCPS_LISTEN : TCPS_CLOSED;
}

/* LISTEN where there is a listener and no connection. */
#define assert_state(state_) assert_string_equal(tcp_state_name(ladder_state()), tcp_state_name(state_))

#define assert_verdict(verdict_) assert_string_equal(tcp_verdict_name(l.verdict), tcp_verdict_name(verdict_))

#include "tcp_ladder_states.h"

#endif /* SYNKEEP_TCP_LADDER_H */
