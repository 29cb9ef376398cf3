// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Services and connections of the daemon's: what is answered for it, what it gets and with which words before the
 * frame, and that the programs leave its records alone.
 */
#include <linux/bpf.h>
#include <string.h>

#include "sockets.h"
#include "talk.h"

#define ACK TCP_FLAG_ACK
#define DAEMON_ISS 0x7000U

static const __u8 families[] = { FAMILY_IPV4, FAMILY_IPV6 };

static void assert_given(const struct outcome *o, enum daemon_frame kind)
{
	assert_verdict(*o, V_DAEMON_SEGMENT + kind);
	assert_int_equal(o->daemon.kind, kind);
	if (kind != DAEMON_COOKIE_ACK)
		assert_int_equal(o->daemon.flags | o->daemon.mss | o->daemon.snd_wscale | o->daemon.rcv_wscale, 0);
}

static struct outcome peer_sends_syn(const struct talk *t)
{
	struct packet_spec syn = talk_syn(t);

	return shield_receive_packet(&syn);
}

static struct outcome peer_sends(const struct talk *t, __u8 flags, __u32 payload_bytes)
{
	struct packet_spec spec = talk_peer_segment(t, flags, payload_bytes);

	return shield_receive_packet(&spec);
}

static struct outcome kernel_sends(const struct talk *t, __u8 flags)
{
	struct packet_spec spec = talk_owner_segment(t, flags, 0);
	struct frame f;

	packet_build(&f, &spec);
	return shield_send(&f);
}

/* --- the daemon's records, as it writes them --- */

static struct flow flow_of(const struct talk *t)
{
	return (struct flow){
		.tag = flow_tag(&t->tuple),
		.state = TCPS_ESTABLISHED,
		.owner = FLOW_OWNER_DAEMON,
		.rcv_nxt = t->peer_nxt,
		.rcv_max = t->peer_nxt,
		.rcv_edge = t->peer_nxt + 0xffff,
		.snd_nxt = t->own_nxt,
		.snd_una = t->own_nxt,
		.deadline_ns = ~0ULL,
	};
}

static struct half_open half_open_of(enum tcp_state state)
{
	return (struct half_open){
		.deadline_ns = ~0ULL,
		.irs = TALK_PEER_ISN,
		.iss = DAEMON_ISS,
		.snd_nxt = DAEMON_ISS + 1,
		.state = state,
		.owner = FLOW_OWNER_DAEMON,
	};
}

static struct ended ended_of(const struct talk *t, enum tcp_state state, __u16 flags)
{
	return (struct ended){
		.deadline_ns = ~0ULL,
		.irs = t->peer_nxt - 1,
		.iss = t->own_nxt - 1,
		.rcv_nxt = t->peer_nxt,
		.snd_nxt = t->own_nxt,
		.state = state,
		.owner = FLOW_OWNER_DAEMON,
		.flags = flags,
	};
}

enum record { RECORD_FLOW, RECORD_HALF_OPEN, RECORD_TIME_WAIT, RECORD_COUNT };

/* A record of the daemon's, as the peer's next segment meets it; the tuple is in the presence filter. */
static void put_record(struct talk *t, __u8 family, __u16 port, enum record record)
{
	struct half_open h = half_open_of(TCPS_SYN_RECEIVED);
	struct ended e;
	struct flow f;

	talk_init(t, family, port);
	t->own_nxt = DAEMON_ISS + 1;
	t->peer_nxt++;
	e = ended_of(t, TCPS_TIME_WAIT, 0);
	f = flow_of(t);
	if (record == RECORD_FLOW)
		shield_put_flow(&t->tuple, &f);
	else if (record == RECORD_HALF_OPEN)
		shield_put_half_open(&t->tuple, &h);
	else
		shield_put_ended(&t->tuple, &e);
}

/* The record is the one that was put, byte for byte, and there is no other. */
static void assert_record(const struct talk *t, enum record record)
{
	struct half_open h, want_h = half_open_of(TCPS_SYN_RECEIVED);
	struct ended e, want_e = ended_of(t, TCPS_TIME_WAIT, 0);
	struct flow f, want_f = flow_of(t);

	assert_int_equal(shield_flow(&t->tuple, &f), record == RECORD_FLOW);
	assert_int_equal(shield_half_open(&t->tuple, &h), record == RECORD_HALF_OPEN);
	assert_int_equal(shield_ended(&t->tuple, &e), record == RECORD_TIME_WAIT);
	if (record == RECORD_FLOW)
		assert_memory_equal(&f, &want_f, sizeof(f));
	else if (record == RECORD_HALF_OPEN)
		assert_memory_equal(&h, &want_h, sizeof(h));
	else
		assert_memory_equal(&e, &want_e, sizeof(e));
}

/* --- SYNs, answered for the daemon --- */

static struct packet_view answer_to_syn(const struct talk *t)
{
	struct outcome o = peer_sends_syn(t);
	struct packet_view view;

	assert_verdict(o, V_SYN_COOKIE);
	assert_null(packet_build_read(&view, &o.frame));
	return view;
}

static void test_listen_syn_answered_by_the_daemons_terms(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(families); i++) {
		struct packet_view view;
		struct talk t;

		talk_init(&t, families[i], PORT_DAEMON_ALWAYS);
		t.ecn = true;
		view = answer_to_syn(&t);
		assert_int_equal(view.options.wscale, SHIELD_DAEMON_RCV_WSCALE);
		assert_int_equal(view.window, SHIELD_DAEMON_WINDOW / 1460 * 1460);
		assert_int_equal(view.options.mss, i ? SHIELD_MSS_IPV6 : SHIELD_MSS_IPV4);
		assert_true(view.options.sack_permitted && view.options.has_timestamps);
		assert_true(view.flags & TCP_FLAG_ECE);
	}
}

static void test_listen_syn_answered_without_what_the_daemon_does_not(void **state)
{
	struct packet_view view;
	struct talk t;

	(void)state;
	shield_config.daemon_terms.flags = 0;
	shield_configure();
	talk_init(&t, FAMILY_IPV4, PORT_DAEMON_ALWAYS);
	t.ecn = true;
	view = answer_to_syn(&t);
	assert_int_equal(view.options.wscale, TCP_WSCALE_NONE);
	assert_false(view.options.sack_permitted || view.options.has_timestamps);
	assert_false(view.flags & TCP_FLAG_ECE);
}

/* The peer's largest segment has to fit into a buffer, two tags before it. */
static void test_listen_syn_answered_with_mss_that_fits(void **state)
{
	struct talk t;

	(void)state;
	shield_config.mss_ipv4 = shield_config.mss_ipv6 = 8960;
	shield_configure();
	talk_init(&t, FAMILY_IPV4, PORT_DAEMON_ALWAYS);
	assert_int_equal(answer_to_syn(&t).options.mss, SYNKEEP_DAEMON_FRAME_BYTES - 22 - 40);
	talk_init(&t, FAMILY_IPV6, PORT_DAEMON_ALWAYS);
	assert_int_equal(answer_to_syn(&t).options.mss, SYNKEEP_DAEMON_FRAME_BYTES - 22 - 60);
	talk_init(&t, FAMILY_IPV4, PORT_ALWAYS);
	assert_int_equal(answer_to_syn(&t).options.mss, 8960);
}

static void test_listen_policy_off_syn_given(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(families); i++) {
		struct outcome o;
		struct talk t;

		talk_init(&t, families[i], PORT_DAEMON_OFF);
		o = peer_sends_syn(&t);
		assert_given(&o, DAEMON_SYN);
	}
}

static void test_listen_draining_syn_given(void **state)
{
	struct outcome o;
	struct talk t;

	(void)state;
	shield_config.phase = DEVICE_DRAINING;
	shield_configure();
	talk_init(&t, FAMILY_IPV4, PORT_DAEMON_ALWAYS);
	o = peer_sends_syn(&t);
	assert_given(&o, DAEMON_SYN);
}

/* What a cookie can not keep, and what an answer would have to be more than a SYN-ACK for. */
static void test_listen_syn_that_no_cookie_answers_given_within_budget(void **state)
{
	static const __u8 loose_source_route[4] = { 131, 3, 4 };
	struct packet_spec syn;
	struct outcome o;
	struct frame f;
	struct talk t;

	(void)state;
	talk_init(&t, FAMILY_IPV4, PORT_DAEMON_ALWAYS);
	syn = talk_syn(&t);
	packet_build(&f, &syn);
	packet_build_put_ip_options(&f, loose_source_route, sizeof(loose_source_route));
	o = shield_receive(&f);
	assert_given(&o, DAEMON_SYN);
	t.offer.mss = COOKIE_MIN_MSS_IPV4 - 1;
	o = peer_sends_syn(&t);
	assert_given(&o, DAEMON_SYN);
	shield_config.budget_per_second = 0;
	shield_configure();
	assert_verdict(shield_receive(&f), V_UNVERIFIED_OVER_BUDGET);
	assert_verdict(peer_sends_syn(&t), V_UNVERIFIED_OVER_BUDGET);
}

static void test_listen_bad_syn_dropped_as_ever(void **state)
{
	struct packet_spec syn;
	struct frame f;
	struct talk t;

	(void)state;
	talk_init(&t, FAMILY_IPV4, PORT_DAEMON_ALWAYS);
	syn = talk_syn(&t);
	syn.flags |= TCP_FLAG_FIN;
	assert_verdict(shield_receive_packet(&syn), V_BAD_FLAGS);
	syn = talk_syn(&t);
	syn.options[0] = TCP_OPTION_MD5;
	syn.options[1] = 18;
	syn.options[18] = TCP_OPTION_EOL;
	assert_verdict(shield_receive_packet(&syn), V_SYN_SIGNED_REFUSED);
	syn.options[1] = 0;
	assert_verdict(shield_receive_packet(&syn), V_BAD_OPTIONS);
	syn = talk_syn(&t);
	packet_build(&f, &syn);
	f.bytes[FRAME_ETH_BYTES + 12] = 127;
	assert_verdict(shield_receive(&f), V_IMPOSSIBLE_ADDRESS);
}

static void test_wildcard_only_local_addresses(void **state)
{
	struct outcome o;
	struct talk t;

	(void)state;
	talk_init(&t, FAMILY_IPV4, PORT_DAEMON_WILDCARD);
	talk_get_cookie(&t);
	o = peer_sends(&t, ACK, 0);
	assert_given(&o, DAEMON_COOKIE_ACK);
	sockets_sysctl("ip_forward", 1);
	t.tuple.local[0] = net32(0xcb007105); /* 203.0.113.5, behind the wire */
	assert_verdict(peer_sends_syn(&t), V_TRANSIT);
	assert_verdict(peer_sends(&t, ACK, 0), V_TRANSIT);
	sockets_sysctl("ip_forward", 0);
}

/* --- nobody is there --- */

static void test_gone_everything_dropped(void **state)
{
	struct talk t, off;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(families); i++) {
		talk_init(&off, families[i], PORT_DAEMON_OFF);
		talk_init(&t, families[i], PORT_DAEMON_ALWAYS);
		talk_get_cookie(&t);
		shield_put_daemon(false);
		assert_verdict(peer_sends_syn(&t), V_DAEMON_GONE);
		assert_verdict(peer_sends_syn(&off), V_DAEMON_GONE);
		assert_verdict(peer_sends(&off, ACK, 0), V_DAEMON_GONE);
		assert_verdict(peer_sends(&t, ACK, 0), V_DAEMON_GONE);
		assert_false(shield_flow(&t.tuple, &t.model)); /* no record that nobody keeps */
		put_record(&t, families[i], PORT_DAEMON_ALWAYS, RECORD_FLOW);
		assert_verdict(peer_sends(&t, ACK, 0), V_DAEMON_GONE);
		shield_put_daemon(true);
	}
}

static void assert_refused(const struct outcome *o, const struct talk *t, __u32 syn_bytes, __u32 syn_payload_bytes)
{
	struct packet_view view;

	assert_verdict(*o, V_DAEMON_GONE_REFUSED);
	assert_null(packet_build_read(&view, &o->frame));
	assert_int_equal(view.flags, TCP_FLAG_RST | ACK);
	assert_int_equal(view.seq, 0);
	assert_int_equal(view.ack, t->peer_nxt + 1 + syn_payload_bytes);
	assert_int_equal(view.window, 0);
	assert_int_equal(view.option_bytes, 0);
	assert_int_equal(view.payload_bytes, 0);
	assert_memory_equal(view.tuple.remote, t->tuple.remote, sizeof(view.tuple.remote));
	assert_memory_equal(view.tuple.local, t->tuple.local, sizeof(view.tuple.local));
	assert_int_equal(view.tuple.remote_port, t->tuple.remote_port);
	assert_int_equal(view.tuple.local_port, t->tuple.local_port);
	assert_true(o->frame.length <= syn_bytes);
}

static void test_gone_refused_syn_reset(void **state)
{
	(void)state;
	shield_put_daemon(false);
	for (size_t i = 0; i < ARRAY_LEN(families); i++) {
		for (__u32 payload_bytes = 0; payload_bytes <= 100; payload_bytes += 100) {
			struct packet_spec syn;
			struct outcome o;
			struct frame f;
			struct talk t;

			talk_init(&t, families[i], PORT_DAEMON_REFUSE);
			syn = talk_syn(&t);
			syn.payload_bytes = payload_bytes;
			packet_build(&f, &syn);
			o = shield_receive(&f);
			assert_refused(&o, &t, f.length, payload_bytes);
			packet_build_put_tag(&f, 0x8100, 5);
			o = shield_receive(&f);
			assert_int_equal(packet_build_take_tag(&o.frame), 0x81000005);
			assert_refused(&o, &t, f.length, payload_bytes);
		}
	}
}

/* Also where the daemon would have seen the SYN. */
static void test_gone_policy_off_syn_reset(void **state)
{
	struct packet_spec syn;
	struct outcome o;
	struct frame f;
	struct talk t;

	(void)state;
	shield_put_daemon(false);
	shield_put_daemon_service(FAMILY_IPV4, PORT_DAEMON_REFUSE, false, POLICY_OFF, GONE_REFUSE);
	talk_init(&t, FAMILY_IPV4, PORT_DAEMON_REFUSE);
	syn = talk_syn(&t);
	packet_build(&f, &syn);
	o = shield_receive(&f);
	assert_refused(&o, &t, f.length, 0);
	f.bytes[FRAME_ETH_BYTES + 12] = 224; /* an answer would go to many */
	assert_verdict(shield_receive(&f), V_DAEMON_GONE);
	syn.flags |= TCP_FLAG_RST;
	assert_verdict(shield_receive_packet(&syn), V_DAEMON_GONE);
	shield_put_daemon_service(FAMILY_IPV4, PORT_DAEMON_REFUSE, false, POLICY_ALWAYS, GONE_REFUSE);
}

static void test_gone_segments_are_not_reset(void **state)
{
	struct talk t;

	(void)state;
	shield_put_daemon(false);
	put_record(&t, FAMILY_IPV4, PORT_DAEMON_REFUSE, RECORD_FLOW);
	assert_verdict(peer_sends(&t, ACK, 0), V_DAEMON_GONE);
}

/* --- cookies --- */

static void test_cookie_ack_makes_the_record_and_tells_the_terms(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(families); i++) {
		struct outcome o;
		struct talk t;
		struct flow f;

		talk_init(&t, families[i], PORT_DAEMON_ALWAYS);
		t.offer.wscale = 5;
		t.offer.mss = 1400;
		talk_get_cookie(&t);
		o = peer_sends(&t, ACK, 0);
		assert_given(&o, DAEMON_COOKIE_ACK);
		assert_int_equal(o.daemon.flags, FLOW_WSCALE | FLOW_SACK | FLOW_TIMESTAMPS);
		assert_int_equal(o.daemon.snd_wscale, 5);
		assert_int_equal(o.daemon.rcv_wscale, SHIELD_DAEMON_RCV_WSCALE);
		assert_int_equal(o.daemon.mss, i ? 1380 : 1400);
		assert_true(shield_flow(&t.tuple, &f));
		assert_state(f.state, TCPS_ESTABLISHED);
		assert_int_equal(f.owner, FLOW_OWNER_DAEMON);
		assert_int_equal(f.flags, FLOW_COOKIE | FLOW_WSCALE | FLOW_SACK | FLOW_TIMESTAMPS);
		assert_int_equal(f.irs, TALK_PEER_ISN);
		assert_int_equal(f.rcv_nxt, TALK_PEER_ISN + 1);
		assert_int_equal(f.iss, t.iss);
		assert_int_equal(f.snd_nxt, t.iss + 1);
		assert_int_equal(f.snd_una, t.iss + 1);
		assert_int_equal(f.snd_wnd, TALK_WINDOW);
		assert_int_equal(f.lock, FLOW_LOCK_FREE);
		assert_int_equal(f.snd_wscale, 5);
		assert_int_equal(f.rcv_wscale, SHIELD_DAEMON_RCV_WSCALE);
		assert_int_equal(f.mss, o.daemon.mss);
		assert_true(f.deadline_ns > shield_now_ns());
	}
}

static void test_cookie_ack_without_options_tells_so(void **state)
{
	struct outcome o;
	struct talk t;

	(void)state;
	talk_init(&t, FAMILY_IPV4, PORT_DAEMON_ALWAYS);
	t.offer = (struct tcp_options){ .mss = 536, .wscale = TCP_WSCALE_NONE };
	t.ecn = true;
	talk_get_cookie(&t);
	o = peer_sends(&t, ACK, 0);
	assert_given(&o, DAEMON_COOKIE_ACK);
	assert_int_equal(o.daemon.flags, FLOW_ECN);
	assert_int_equal(o.daemon.snd_wscale, 0);
	assert_int_equal(o.daemon.rcv_wscale, 0);
	assert_int_equal(o.daemon.mss, 536);
}

/* A cookie can not be judged without them, and not every stack begins its options with two NOPs. */
static void test_cookie_ack_with_timestamps_elsewhere_is_right(void **state)
{
	struct packet_spec ack;
	struct outcome o;
	struct talk t;

	(void)state;
	talk_init(&t, FAMILY_IPV4, PORT_DAEMON_ALWAYS);
	talk_get_cookie(&t);
	ack = talk_peer_segment(&t, ACK, 0);
	memmove(ack.options, ack.options + 2, 10);
	ack.options[10] = ack.options[11] = TCP_OPTION_NOP;
	o = shield_receive_packet(&ack);
	assert_given(&o, DAEMON_COOKIE_ACK);
}

static void test_cookie_ack_repeated_is_a_segment(void **state)
{
	struct flow before, after;
	struct outcome o;
	struct talk t;

	(void)state;
	talk_init(&t, FAMILY_IPV6, PORT_DAEMON_ALWAYS);
	talk_get_cookie(&t);
	peer_sends(&t, ACK, 0);
	assert_true(shield_flow(&t.tuple, &before));
	o = peer_sends(&t, ACK, 10);
	assert_given(&o, DAEMON_SEGMENT);
	assert_true(shield_flow(&t.tuple, &after));
	assert_memory_equal(&before, &after, sizeof(before));
}

static void test_cookie_ack_wrong_dropped(void **state)
{
	struct talk t;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(families); i++) {
		talk_init(&t, families[i], PORT_DAEMON_ALWAYS);
		talk_get_cookie(&t);
		t.own_nxt ^= 1 << 20;
		assert_verdict(peer_sends(&t, ACK, 0), V_NO_FLOW); /* though just loaded: nobody else's connections */
		assert_false(shield_flow(&t.tuple, &t.model));
	}
}

static void test_cookie_ack_no_room_dropped(void **state)
{
	struct outcome o;
	struct talk t;

	(void)state;
	talk_init(&t, FAMILY_IPV4, PORT_DAEMON_ALWAYS);
	talk_get_cookie(&t);
	shield_fill_flows();
	o = peer_sends(&t, ACK, 0);
	assert_verdict(o, V_DAEMON_NO_ROOM);
	assert_false(o.noted[V_FLOWS_FULL]); /* which says that the connection works */
}

/* A cookie for one owner promises nothing for the other: their window scales differ. */
static void test_cookie_of_the_kernels_is_none_of_the_daemons(void **state)
{
	struct talk t;

	(void)state;
	talk_init(&t, FAMILY_IPV4, PORT_DAEMON_ALWAYS);
	shield_put_service(FAMILY_IPV4, PORT_DAEMON_ALWAYS, false, POLICY_OFF, 0);
	shield_put_daemon_service(FAMILY_IPV4, PORT_DAEMON_ALWAYS, false, POLICY_ALWAYS, GONE_DROP);
	talk_get_cookie(&t);
	shield_config.daemon_terms.rcv_wscale--;
	shield_configure();
	assert_verdict(peer_sends(&t, ACK, 0), V_NO_FLOW);
}

/* --- records --- */

static void test_every_record_any_segment_given_and_untouched(void **state)
{
	static const __u8 flags[] = { ACK, TCP_FLAG_FIN | ACK, TCP_FLAG_RST, TCP_FLAG_SYN | ACK, TCP_FLAG_FIN,
				      0,   TCP_FLAG_RST | ACK, 0x3f };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(families); i++) {
		for (enum record record = 0; record < RECORD_COUNT; record++) {
			for (size_t j = 0; j < ARRAY_LEN(flags); j++) {
				struct outcome o;
				struct talk t;

				shield_reset(state);
				put_record(&t, families[i], j % 2 ? PORT_DAEMON_OFF : PORT_DAEMON_ALWAYS, record);
				o = peer_sends(&t, flags[j], j * 100);
				assert_given(&o, DAEMON_SEGMENT);
				assert_record(&t, record);
			}
		}
	}
}

static void test_every_record_expired_counts_as_absent(void **state)
{
	struct half_open h = half_open_of(TCPS_SYN_RECEIVED);
	struct ended e;
	struct flow f;
	struct talk t;

	(void)state;
	talk_init(&t, FAMILY_IPV4, PORT_DAEMON_ALWAYS);
	assert_verdict(peer_sends(&t, ACK, 0), V_NO_FLOW); /* the programs know the time now */
	f = flow_of(&t);
	e = ended_of(&t, TCPS_TIME_WAIT, 0);
	f.deadline_ns = h.deadline_ns = e.deadline_ns = shield_now_ns();
	shield_put_flow(&t.tuple, &f);
	shield_put_half_open(&t.tuple, &h);
	shield_put_ended(&t.tuple, &e);
	assert_verdict(peer_sends(&t, ACK, 10), V_NO_FLOW);
	assert_verdict(peer_sends_syn(&t), V_SYN_COOKIE);
}

/* An element that is being given to another connection. */
static void test_flow_of_another_tuple_counts_as_absent(void **state)
{
	struct flow f;
	struct talk t;

	(void)state;
	talk_init(&t, FAMILY_IPV4, PORT_DAEMON_ALWAYS);
	f = flow_of(&t);
	f.tag++;
	shield_put_flow(&t.tuple, &f);
	assert_verdict(peer_sends(&t, ACK, 10), V_NO_FLOW);
}

static void test_every_record_syn_given_within_budget(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(families); i++) {
		for (enum record record = 0; record < RECORD_COUNT; record++) {
			struct outcome o;
			struct talk t;

			shield_reset(state);
			put_record(&t, families[i], PORT_DAEMON_ALWAYS, record);
			shield_fill_presence();
			o = peer_sends_syn(&t);
			assert_given(&o, DAEMON_SYN);
			assert_record(&t, record);
			shield_config.budget_per_second = 0;
			shield_configure();
			assert_verdict(peer_sends_syn(&t), V_UNVERIFIED_OVER_BUDGET);
		}
	}
}

/* The filter is what a flood's SYNs cost: who is not in it is not looked up. */
static void test_cookie_flow_syn_found_by_presence(void **state)
{
	struct outcome o;
	struct flow f;
	struct talk t;

	(void)state;
	talk_init(&t, FAMILY_IPV4, PORT_DAEMON_ALWAYS);
	f = flow_of(&t);
	shield_put_flow(&t.tuple, &f);
	assert_verdict(peer_sends_syn(&t), V_SYN_COOKIE);
	shield_reset(state);
	talk_get_cookie(&t);
	peer_sends(&t, ACK, 0);
	o = peer_sends_syn(&t);
	assert_given(&o, DAEMON_SYN);
}

/* What the daemon puts there itself is in the filter from the segment on that completes the handshake. */
static void test_half_open_segment_marks_presence(void **state)
{
	struct outcome o;
	struct talk t;

	(void)state;
	put_record(&t, FAMILY_IPV6, PORT_DAEMON_ALWAYS, RECORD_HALF_OPEN);
	assert_verdict(peer_sends_syn(&t), V_SYN_COOKIE);
	peer_sends(&t, ACK, 0);
	o = peer_sends_syn(&t);
	assert_given(&o, DAEMON_SYN);
}

static void test_ended_handshake_shown_again_is_a_replay(void **state)
{
	struct ended e;
	struct talk t;

	(void)state;
	talk_init(&t, FAMILY_IPV4, PORT_DAEMON_ALWAYS);
	talk_get_cookie(&t);
	e = ended_of(&t, TCPS_CLOSED, FLOW_COOKIE);
	shield_put_ended(&t.tuple, &e);
	assert_verdict(peer_sends(&t, ACK, 0), V_COOKIE_REPLAY);
	assert_false(shield_flow(&t.tuple, &t.model));
}

/* Its peer has not heard the RST, and is told again. */
static void test_ended_by_our_rst_segment_given(void **state)
{
	struct outcome o;
	struct ended e;
	struct talk t;

	(void)state;
	talk_init(&t, FAMILY_IPV4, PORT_DAEMON_ALWAYS);
	talk_get_cookie(&t);
	e = ended_of(&t, TCPS_CLOSED, FLOW_COOKIE | FLOW_SND_RST);
	shield_put_ended(&t.tuple, &e);
	o = peer_sends(&t, ACK, 0);
	assert_given(&o, DAEMON_SEGMENT);
	t.peer_nxt += 10;
	o = peer_sends(&t, ACK, 0);
	assert_given(&o, DAEMON_SEGMENT);
	assert_false(shield_flow(&t.tuple, &t.model));
}

static void test_ended_new_cookie_opens_anew(void **state)
{
	struct half_open h = half_open_of(TCPS_SYN_RECEIVED);
	struct outcome o;
	struct ended e;
	struct talk t;

	(void)state;
	talk_init(&t, FAMILY_IPV6, PORT_DAEMON_ALWAYS);
	e = ended_of(&t, TCPS_CLOSED, FLOW_COOKIE | FLOW_SND_RST);
	e.irs -= 1000;
	h.owner = FLOW_OWNER_KERNEL; /* from before the service was the daemon's */
	shield_put_ended(&t.tuple, &e);
	shield_put_half_open(&t.tuple, &h);
	shield_fill_presence(); /* it is looked up, and no reason to bother the daemon */
	talk_get_cookie(&t);
	o = peer_sends(&t, ACK, 0);
	assert_given(&o, DAEMON_COOKIE_ACK);
	assert_false(shield_ended(&t.tuple, &e));
	assert_false(shield_half_open(&t.tuple, &h));
}

/* --- no record --- */

static void test_listen_policy_off_stranger_given(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(families); i++) {
		struct outcome o;
		struct talk t;

		shield_reset(state);
		talk_init(&t, families[i], PORT_DAEMON_OFF);
		o = peer_sends(&t, ACK, 0);
		assert_given(&o, DAEMON_STRANGER);
		shield_config.budget_per_second = 0; /* as for the kernel's services with that policy, there is none */
		shield_configure();
		o = peer_sends(&t, TCP_FLAG_RST, 0);
		assert_given(&o, DAEMON_STRANGER);
	}
}

static void test_listen_policy_always_impossible_flags_dropped(void **state)
{
	struct talk t;

	(void)state;
	talk_init(&t, FAMILY_IPV4, PORT_DAEMON_ALWAYS);
	assert_verdict(peer_sends(&t, TCP_FLAG_RST | TCP_FLAG_FIN, 0), V_BAD_FLAGS);
}

static void test_fragment_and_malformed_dropped(void **state)
{
	static const __u16 ports[] = { PORT_DAEMON_OFF, PORT_DAEMON_ALWAYS, PORT_EPHEMERAL };

	(void)state;
	shield_put_daemon_port(PORT_EPHEMERAL, true);
	for (size_t i = 0; i < ARRAY_LEN(ports); i++) {
		struct packet_spec spec;
		struct frame f;
		struct talk t;

		put_record(&t, FAMILY_IPV4, PORT_EPHEMERAL, RECORD_FLOW); /* the only thing on its port */
		talk_init(&t, FAMILY_IPV4, ports[i]);
		spec = talk_peer_segment(&t, ACK, 0);
		packet_build(&f, &spec);
		f.bytes[FRAME_ETH_BYTES + FRAME_IPV4_BYTES + 12] = 0x40;
		assert_verdict(shield_receive(&f), V_MALFORMED);
		packet_build_put16(&f, FRAME_ETH_BYTES + 6, 0x2000);
		assert_verdict(shield_receive(&f), V_DAEMON_FRAGMENT);
		t.tuple.remote_port++; /* no record */
		spec = talk_peer_segment(&t, ACK, 0);
		packet_build(&f, &spec);
		packet_build_put16(&f, FRAME_ETH_BYTES + 6, 0x2000);
		assert_verdict(shield_receive(&f), ports[i] == PORT_EPHEMERAL ? V_NO_SERVICE : V_DAEMON_FRAGMENT);
	}
}

static void test_segment_behind_ip_options_given(void **state)
{
	static const __u8 loose_source_route[4] = { 131, 3, 4 }, options[8] = { 0, 0, 1, 4 };
	struct packet_spec spec;
	struct outcome o;
	struct frame f;
	struct talk t;

	(void)state;
	put_record(&t, FAMILY_IPV4, PORT_DAEMON_ALWAYS, RECORD_FLOW);
	spec = talk_peer_segment(&t, ACK, 0);
	packet_build(&f, &spec);
	packet_build_put_ip_options(&f, loose_source_route, sizeof(loose_source_route));
	o = shield_receive(&f);
	assert_given(&o, DAEMON_SEGMENT);
	put_record(&t, FAMILY_IPV6, PORT_DAEMON_ALWAYS, RECORD_FLOW);
	spec = talk_peer_segment(&t, ACK, 0);
	packet_build(&f, &spec);
	packet_build_put_ipv6_extension(&f, 60, options);
	o = shield_receive(&f);
	assert_given(&o, DAEMON_SEGMENT);
}

/* --- connections that the daemon opens --- */

static void test_syn_sent_from_any_port_handshake_given(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(families); i++) {
		struct half_open h = half_open_of(TCPS_SYN_SENT);
		struct outcome o;
		struct talk t;

		shield_reset(state);
		talk_init(&t, families[i], PORT_EPHEMERAL);
		t.own_nxt = DAEMON_ISS + 1;
		shield_put_half_open(&t.tuple, &h);
		assert_verdict(peer_sends(&t, TCP_FLAG_SYN | ACK, 0), V_NO_SERVICE);
		shield_put_daemon_port(PORT_EPHEMERAL, true);
		o = peer_sends_syn(&t); /* simultaneous open */
		assert_given(&o, DAEMON_SYN);
		o = peer_sends(&t, TCP_FLAG_SYN | ACK, 0);
		assert_given(&o, DAEMON_SEGMENT);
		o = peer_sends(&t, TCP_FLAG_RST | ACK, 0);
		assert_given(&o, DAEMON_SEGMENT);
		shield_put_daemon_port(PORT_EPHEMERAL, false);
	}
}

/* The port may be the kernel's as well. */
static void test_port_of_the_daemons_other_tuples_pass(void **state)
{
	struct talk t;

	(void)state;
	shield_put_daemon_port(PORT_EPHEMERAL, true);
	put_record(&t, FAMILY_IPV4, PORT_EPHEMERAL, RECORD_FLOW);
	t.tuple.remote_port++;
	assert_verdict(peer_sends(&t, ACK, 0), V_NO_SERVICE);
	assert_verdict(peer_sends_syn(&t), V_NO_SERVICE);
}

/* --- ICMP --- */

/* In the first row unreachable, then source quench and packet too big, time exceeded, parameter problem. */
static const struct {
	__u8 type4, type6;
} errors[] = { { 3, 1 }, { 4, 2 }, { 11, 3 }, { 12, 4 } };

static void test_every_record_icmp_error_given(void **state)
{
	static const __u16 ports[] = { PORT_DAEMON_ALWAYS, PORT_DAEMON_OFF, PORT_EPHEMERAL };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(families); i++) {
		for (size_t j = 0; j < ARRAY_LEN(errors); j++) {
			for (enum record record = 0; record < RECORD_COUNT; record++) {
				struct outcome o;
				struct frame f;
				struct talk t;

				shield_reset(state);
				shield_put_daemon_port(PORT_EPHEMERAL, true);
				put_record(&t, families[i], ports[record], record);
				packet_build_icmp(&f, &t.tuple, i ? errors[j].type6 : errors[j].type4, 1, 0);
				o = shield_receive(&f);
				assert_given(&o, DAEMON_ICMP);
				packet_build_put_tag(&f, 0x8100, 5);
				o = shield_receive(&f);
				assert_given(&o, DAEMON_ICMP);
				assert_record(&t, record);
			}
		}
	}
}

static void test_icmp_about_anything_else_passes(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(families); i++) {
		__u8 unreachable = i ? 1 : 3, echo = i ? 128 : 8;
		struct talk t;
		struct frame f;
		struct flow kernels;

		put_record(&t, families[i], PORT_DAEMON_ALWAYS, RECORD_FLOW);
		packet_build_icmp(&f, &t.tuple, echo, 0, 0);
		assert_verdict(shield_receive(&f), V_OTHER);
		t.tuple.remote_port++;
		packet_build_icmp(&f, &t.tuple, unreachable, 1, 0);
		assert_verdict(shield_receive(&f), V_OTHER);
		kernels = flow_of(&t);
		kernels.owner = FLOW_OWNER_KERNEL;
		shield_put_flow(&t.tuple, &kernels);
		assert_verdict(shield_receive(&f), V_OTHER);
		put_record(&t, families[i], PORT_EPHEMERAL, RECORD_FLOW); /* not a port of the daemon's */
		packet_build_icmp(&f, &t.tuple, unreachable, 1, 0);
		assert_verdict(shield_receive(&f), V_OTHER);
	}
}

/* --- two owners --- */

static void test_kernels_flow_on_the_daemons_service_passes(void **state)
{
	struct flow f;
	struct talk t;

	(void)state;
	talk_init(&t, FAMILY_IPV4, PORT_DAEMON_ALWAYS);
	f = flow_of(&t);
	f.owner = FLOW_OWNER_KERNEL;
	shield_put_flow(&t.tuple, &f);
	assert_verdict(peer_sends(&t, ACK, 0), V_SEGMENT);
}

/* Of a connection that the kernel opens from a port on which the daemon has others. */
static void test_kernels_handshake_and_time_wait_on_the_daemons_port_pass(void **state)
{
	struct talk t;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(families); i++) {
		struct half_open h = half_open_of(TCPS_SYN_SENT);
		struct ended e;

		shield_reset(state);
		shield_track_outgoing(true);
		shield_put_daemon_port(PORT_EPHEMERAL, true);
		talk_init(&t, families[i], PORT_EPHEMERAL);
		t.own_nxt = DAEMON_ISS + 1;
		h.owner = FLOW_OWNER_KERNEL;
		shield_put_half_open(&t.tuple, &h);
		assert_verdict(peer_sends(&t, TCP_FLAG_SYN | ACK, 0), V_SYN_ACK);
		shield_reset(state);
		shield_track_outgoing(true);
		shield_put_daemon_port(PORT_EPHEMERAL, true);
		e = ended_of(&t, TCPS_TIME_WAIT, 0);
		e.owner = FLOW_OWNER_KERNEL;
		shield_put_ended(&t.tuple, &e);
		assert_verdict(peer_sends(&t, ACK, 0), V_TIME_WAIT_SEGMENT);
	}
}

/* A service changes hands; connections do not. */
static void test_daemons_connection_outlives_its_service(void **state)
{
	struct outcome o;
	struct talk t;

	(void)state;
	for (enum record record = 0; record < RECORD_COUNT; record++) {
		put_record(&t, FAMILY_IPV4, PORT_DAEMON_ALWAYS, record);
		shield_put_service(FAMILY_IPV4, PORT_DAEMON_ALWAYS, false, POLICY_OFF, 0);
		shield_put_daemon_port(PORT_DAEMON_ALWAYS, true);
		shield_fill_presence();
		o = peer_sends(&t, ACK, 0);
		assert_given(&o, DAEMON_SEGMENT);
		o = peer_sends_syn(&t);
		assert_given(&o, DAEMON_SYN);
		shield_reset(state);
	}
	shield_put_daemon_service(FAMILY_IPV4, PORT_DAEMON_ALWAYS, false, POLICY_ALWAYS, GONE_DROP);
}

/* What the kernel sends on such a tuple is no step of the connection's: a RST for want of a socket, most likely. */
static void test_every_record_kernels_own_segment_passes_and_touches_nothing(void **state)
{
	static const __u8 flags[] = { ACK, TCP_FLAG_RST, TCP_FLAG_SYN, TCP_FLAG_SYN | ACK };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(families); i++) {
		for (enum record record = 0; record < RECORD_COUNT; record++) {
			for (size_t j = 0; j < ARRAY_LEN(flags); j++) {
				struct talk t;

				shield_reset(state);
				put_record(&t, families[i], PORT_DAEMON_OFF, record);
				t.own_nxt += 1000;
				assert_verdict(kernel_sends(&t, flags[j]), V_OWN_UNTRACKED);
				t.own_nxt -= 1000;
				assert_record(&t, record);
			}
		}
	}
}

/* --- the frame --- */

static void test_frame_longer_than_a_buffer_dropped(void **state)
{
	struct talk t;

	(void)state;
	put_record(&t, FAMILY_IPV4, PORT_DAEMON_ALWAYS, RECORD_FLOW);
	shield_config.daemon_frame_bytes = FRAME_ETH_BYTES + FRAME_IPV4_BYTES + FRAME_TCP_BYTES + 12 + 100;
	shield_configure();
	assert_verdict(peer_sends(&t, ACK, 100), V_DAEMON_SEGMENT);
	assert_verdict(peer_sends(&t, ACK, 101), V_DAEMON_FRAME_TOO_LARGE);
}

static void test_frame_in_several_buffers_dropped(void **state)
{
	struct packet_spec spec;
	struct frame f;
	struct talk t;

	(void)state;
	put_record(&t, FAMILY_IPV4, PORT_DAEMON_ALWAYS, RECORD_FLOW);
	spec = talk_peer_segment(&t, ACK, 1000);
	packet_build(&f, &spec);
	assert_verdict(shield_receive_in_buffers(&f, 500), V_DAEMON_FRAME_TOO_LARGE);
}

static void test_frame_behind_other_metadata_has_ours_only(void **state)
{
	struct packet_spec spec;
	struct outcome o;
	struct frame f;
	struct talk t;

	(void)state;
	put_record(&t, FAMILY_IPV4, PORT_DAEMON_ALWAYS, RECORD_FLOW);
	spec = talk_peer_segment(&t, ACK, 10);
	packet_build(&f, &spec);
	o = shield_receive_behind_metadata(&f, 32);
	assert_given(&o, DAEMON_SEGMENT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_listen_syn_answered_by_the_daemons_terms, shield_reset),
		cmocka_unit_test_setup(test_listen_syn_answered_without_what_the_daemon_does_not, shield_reset),
		cmocka_unit_test_setup(test_listen_syn_answered_with_mss_that_fits, shield_reset),
		cmocka_unit_test_setup(test_listen_policy_off_syn_given, shield_reset),
		cmocka_unit_test_setup(test_listen_draining_syn_given, shield_reset),
		cmocka_unit_test_setup(test_listen_syn_that_no_cookie_answers_given_within_budget, shield_reset),
		cmocka_unit_test_setup(test_listen_bad_syn_dropped_as_ever, shield_reset),
		cmocka_unit_test_setup(test_wildcard_only_local_addresses, shield_reset),
		cmocka_unit_test_setup(test_gone_everything_dropped, shield_reset),
		cmocka_unit_test_setup(test_gone_refused_syn_reset, shield_reset),
		cmocka_unit_test_setup(test_gone_policy_off_syn_reset, shield_reset),
		cmocka_unit_test_setup(test_gone_segments_are_not_reset, shield_reset),
		cmocka_unit_test_setup(test_cookie_ack_makes_the_record_and_tells_the_terms, shield_reset),
		cmocka_unit_test_setup(test_cookie_ack_without_options_tells_so, shield_reset),
		cmocka_unit_test_setup(test_cookie_ack_with_timestamps_elsewhere_is_right, shield_reset),
		cmocka_unit_test_setup(test_cookie_ack_repeated_is_a_segment, shield_reset),
		cmocka_unit_test_setup(test_cookie_ack_wrong_dropped, shield_reset),
		cmocka_unit_test_setup(test_cookie_ack_no_room_dropped, shield_reset),
		cmocka_unit_test_setup(test_cookie_of_the_kernels_is_none_of_the_daemons, shield_reset),
		cmocka_unit_test_setup(test_every_record_any_segment_given_and_untouched, shield_reset),
		cmocka_unit_test_setup(test_every_record_expired_counts_as_absent, shield_reset),
		cmocka_unit_test_setup(test_flow_of_another_tuple_counts_as_absent, shield_reset),
		cmocka_unit_test_setup(test_every_record_syn_given_within_budget, shield_reset),
		cmocka_unit_test_setup(test_cookie_flow_syn_found_by_presence, shield_reset),
		cmocka_unit_test_setup(test_half_open_segment_marks_presence, shield_reset),
		cmocka_unit_test_setup(test_ended_handshake_shown_again_is_a_replay, shield_reset),
		cmocka_unit_test_setup(test_ended_by_our_rst_segment_given, shield_reset),
		cmocka_unit_test_setup(test_ended_new_cookie_opens_anew, shield_reset),
		cmocka_unit_test_setup(test_listen_policy_off_stranger_given, shield_reset),
		cmocka_unit_test_setup(test_listen_policy_always_impossible_flags_dropped, shield_reset),
		cmocka_unit_test_setup(test_fragment_and_malformed_dropped, shield_reset),
		cmocka_unit_test_setup(test_segment_behind_ip_options_given, shield_reset),
		cmocka_unit_test_setup(test_syn_sent_from_any_port_handshake_given, shield_reset),
		cmocka_unit_test_setup(test_port_of_the_daemons_other_tuples_pass, shield_reset),
		cmocka_unit_test_setup(test_every_record_icmp_error_given, shield_reset),
		cmocka_unit_test_setup(test_icmp_about_anything_else_passes, shield_reset),
		cmocka_unit_test_setup(test_kernels_flow_on_the_daemons_service_passes, shield_reset),
		cmocka_unit_test_setup(test_kernels_handshake_and_time_wait_on_the_daemons_port_pass, shield_reset),
		cmocka_unit_test_setup(test_daemons_connection_outlives_its_service, shield_reset),
		cmocka_unit_test_setup(test_every_record_kernels_own_segment_passes_and_touches_nothing, shield_reset),
		cmocka_unit_test_setup(test_frame_longer_than_a_buffer_dropped, shield_reset),
		cmocka_unit_test_setup(test_frame_in_several_buffers_dropped, shield_reset),
		cmocka_unit_test_setup(test_frame_behind_other_metadata_has_ours_only, shield_reset),
	};

	shield_takes_frags = true;
	return shield_run_tests("daemon", tests, ARRAY_LEN(tests));
}
