/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The ladder's constructors: a connection in each state, by the shortest way. To be included by tcp_ladder.h only. */
#ifndef SYNKEEP_TCP_LADDER_STATES_H
#define SYNKEEP_TCP_LADDER_STATES_H

/* A TCP that nothing has happened to. */
static inline void tcp_alone(void)
{
	l.tcp = tcp_new(&l.config, l.now_ns);
	assert_non_null(l.tcp);
}

static inline void tcb_in_listen(void)
{
	tcp_alone();
	l.listener = tcp_listen(l.tcp, &l.service, &ladder_application, NULL, &l.settings, &l.account);
	assert_non_null(l.listener);
}

static inline void ladder_connect(void)
{
	assert_int_equal(tcp_connect(l.tcp, &l.tuple, LADDER_PATH, &ladder_application, NULL, &l.settings, &l.account,
				     l.now_ns, &l.tcb),
			 0);
	ladder_work();
}

static inline void tcb_in_syn_sent(void)
{
	tcp_alone();
	ladder_connect();
	expect(SYN);
}

/* The peer's SYN, with its offer, or its SYN-ACK. */
static inline void peer_sends_syn(__u8 flags)
{
	struct wire_segment syn = l.offer;
	const struct daemon_hint hint = ladder_hint(flags);

	syn.flags = flags;
	if (flags & ACK)
		syn.ack = 1;
	if (syn.timestamps) {
		syn.tsval = ladder_peer_tsval();
		syn.tsecr = flags & ACK ? l.ts_recent : 0;
	}
	ladder_peer_sends_as(&hint, syn, true);
}

/* By a passive OPEN. */
static inline void tcb_in_syn_received(void)
{
	tcb_in_listen();
	peer_sends_syn(SYN);
	l.timestamps = expect(SYN | ACK, .seq = 0, .ack = 1).timestamps;
}

/* By an active OPEN, and the peer's at the same time. */
static inline void tcb_in_syn_received_actively(void)
{
	tcb_in_syn_sent();
	peer_sends_syn(SYN);
	l.timestamps = expect(SYN | ACK, .seq = 0, .ack = 1).timestamps;
}

/* The peer has opened it. Numbers: both ends' next is 1. */
static inline void tcb_established(void)
{
	tcb_in_syn_received();
	peer_sends(ACK, .seq = 1, .ack = 1);
	expect_nothing();
	assert_non_null(l.tcb);
}

/* We have opened it. */
static inline void tcb_established_actively(void)
{
	tcb_in_syn_sent();
	peer_sends_syn(SYN | ACK);
	l.timestamps = expect(ACK, .seq = 1, .ack = 1).timestamps;
	expect_nothing();
	assert_int_equal(l.app.accepted, 1);
}

/* Our FIN is 1 and not acknowledged; half-closed: the application reads on. */
static inline void tcb_in_fin_wait_1(void)
{
	tcb_established();
	app_shuts_down();
	expect(FIN | ACK, .seq = 1, .ack = 1);
}

static inline void tcb_in_fin_wait_2(void)
{
	tcb_in_fin_wait_1();
	peer_sends(ACK, .seq = 1, .ack = 2);
	expect_nothing();
}

/* The peer's FIN is 1. */
static inline void tcb_in_close_wait(void)
{
	tcb_established();
	peer_sends(FIN | ACK, .seq = 1, .ack = 1);
	expect(ACK, .seq = 1, .ack = 2);
}

/* Both FINs are 1, ours is not acknowledged. */
static inline void tcb_in_closing(void)
{
	tcb_in_fin_wait_1();
	peer_sends(FIN | ACK, .seq = 1, .ack = 1);
	expect(ACK, .seq = 2, .ack = 2);
}

static inline void tcb_in_last_ack(void)
{
	tcb_in_close_wait();
	app_shuts_down();
	expect(FIN | ACK, .seq = 1, .ack = 2);
}

/* We closed first; both FINs are 1. */
static inline void tcb_in_time_wait(void)
{
	tcb_in_fin_wait_2();
	peer_sends(FIN | ACK, .seq = 1, .ack = 2);
	expect(ACK, .seq = 2, .ack = 2);
}

#endif /* SYNKEEP_TCP_LADDER_STATES_H */
