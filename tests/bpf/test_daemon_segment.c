// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Segments that are the daemon's to judge: of its records, which the programs leave alone, and of none.
 */
#include <linux/bpf.h>
#include <netinet/in.h>

#include "steered.h"

#define ACK TCP_FLAG_ACK

static const __u8 families[] = { FAMILY_IPV4, FAMILY_IPV6 };

/* --- records --- */

static void test_every_live_record_any_segment_given_and_untouched(void **state)
{
	static const __u8 flags[] = { ACK, TCP_FLAG_FIN | ACK, TCP_FLAG_RST, TCP_FLAG_SYN | ACK, TCP_FLAG_FIN,
				      0,   TCP_FLAG_RST | ACK, 0x3f };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(families); i++) {
		for (enum steered_record record = 0; record < STEERED_TIME_WAIT; record++) {
			for (size_t j = 0; j < ARRAY_LEN(flags); j++) {
				struct outcome o;
				struct talk t;

				shield_reset(state);
				steered_put_record(&t, families[i], j % 2 ? PORT_DAEMON_OFF : PORT_DAEMON_ALWAYS,
						   record);
				o = steered_segment(&t, flags[j], j * 100);
				if (record == STEERED_FLOW)
					steered_assert(&o, DAEMON_SEGMENT);
				else
					steered_assert_unverified(&o);
				steered_assert_record(&t, record);
			}
		}
	}
}

static void test_every_record_expired_counts_as_absent(void **state)
{
	for (size_t i = 0; i < ARRAY_LEN(families); i++) {
		struct half_open h = steered_half_open(TCPS_SYN_RECEIVED);
		struct ended e;
		struct flow f;
		struct talk t;

		shield_reset(state);
		talk_init(&t, families[i], PORT_DAEMON_ALWAYS);
		assert_verdict(steered_segment(&t, ACK, 0), V_NO_FLOW); /* the programs know the time now */
		f = steered_flow(&t);
		e = steered_ended(&t, TCPS_TIME_WAIT, 0);
		f.deadline_ns = h.deadline_ns = shield_now_ns();
		e.deadline_ms = (__u32)(shield_now_ns() / NSEC_PER_MSEC);
		shield_put_flow(&t.tuple, &f);
		shield_put_half_open(&t.tuple, &h);
		shield_put_ended(&t.tuple, &e);
		assert_verdict(steered_segment(&t, ACK, 10), V_NO_FLOW);
		assert_verdict(steered_syn(&t), V_SYN_COOKIE);
	}
}

/* An element that is being given to another connection. */
static void test_flow_of_another_tuple_counts_as_absent(void **state)
{
	struct flow f;
	struct talk t;

	(void)state;
	talk_init(&t, FAMILY_IPV4, PORT_DAEMON_ALWAYS);
	f = steered_flow(&t);
	f.tag++;
	shield_put_flow(&t.tuple, &f);
	assert_verdict(steered_segment(&t, ACK, 10), V_NO_FLOW);
}

static void test_every_live_record_syn_given_within_budget(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(families); i++) {
		for (enum steered_record record = 0; record < STEERED_TIME_WAIT; record++) {
			struct outcome o;
			struct talk t;

			shield_reset(state);
			steered_put_record(&t, families[i], PORT_DAEMON_ALWAYS, record);
			shield_fill_presence();
			o = steered_syn(&t);
			steered_assert(&o, DAEMON_SYN);
			steered_assert_record(&t, record);
			shield_config.budget_per_second = 0;
			shield_configure();
			assert_verdict(steered_syn(&t), V_UNVERIFIED_OVER_BUDGET);
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
	f = steered_flow(&t);
	shield_put_flow(&t.tuple, &f);
	assert_verdict(steered_syn(&t), V_SYN_COOKIE);
	shield_reset(state);
	talk_get_cookie(&t);
	steered_segment(&t, ACK, 0);
	o = steered_syn(&t);
	steered_assert(&o, DAEMON_SYN);
}

/* What the daemon puts there itself is in the filter from the segment on that completes the handshake. */
static void test_half_open_segment_marks_presence(void **state)
{
	struct outcome o;
	struct talk t;

	(void)state;
	steered_put_record(&t, FAMILY_IPV6, PORT_DAEMON_ALWAYS, STEERED_HALF_OPEN);
	assert_verdict(steered_syn(&t), V_SYN_COOKIE);
	steered_segment(&t, ACK, 0);
	o = steered_syn(&t);
	steered_assert(&o, DAEMON_SYN);
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
		o = steered_segment(&t, ACK, 0);
		steered_assert(&o, DAEMON_STRANGER);
		shield_config.budget_per_second = 0; /* as for the kernel's services with that policy, there is none */
		shield_configure();
		o = steered_segment(&t, TCP_FLAG_RST, 0);
		steered_assert(&o, DAEMON_STRANGER);
	}
}

static void test_listen_policy_always_impossible_flags_dropped(void **state)
{
	struct talk t;

	(void)state;
	talk_init(&t, FAMILY_IPV4, PORT_DAEMON_ALWAYS);
	assert_verdict(steered_segment(&t, TCP_FLAG_RST | TCP_FLAG_FIN, 0), V_BAD_FLAGS);
}

/* The first fragment, which has the ports: without it the kernel puts nothing together, and so resets nobody. */
static void cut(struct frame *f, __u8 family)
{
	static const __u8 more_fragments[8] = { [3] = 1 };

	if (family == FAMILY_IPV4)
		packet_build_put16(f, FRAME_ETH_BYTES + 6, 0x2000);
	else
		packet_build_put_ipv6_extension(f, IPPROTO_FRAGMENT, more_fragments);
}

static void test_fragment_and_malformed_dropped(void **state)
{
	static const __u16 ports[] = { PORT_DAEMON_OFF, PORT_DAEMON_ALWAYS, PORT_EPHEMERAL };

	(void)state;
	shield_put_daemon_port(PORT_EPHEMERAL, true);
	for (size_t i = 0; i < ARRAY_LEN(ports) * ARRAY_LEN(families); i++) {
		__u16 port = ports[i / 2];
		__u8 family = families[i % 2];
		__u32 tcp = FRAME_ETH_BYTES + (family == FAMILY_IPV4 ? FRAME_IPV4_BYTES : FRAME_IPV6_BYTES);
		struct packet_spec spec;
		struct frame f;
		struct talk t;

		steered_put_record(&t, family, PORT_EPHEMERAL, STEERED_FLOW); /* the only thing on its port */
		talk_init(&t, family, port);
		spec = talk_peer_segment(&t, ACK, 0);
		packet_build(&f, &spec);
		f.bytes[tcp + 12] = 0x40;
		assert_verdict(shield_receive(&f), V_MALFORMED);
		cut(&f, family);
		assert_verdict(shield_receive(&f), V_DAEMON_FRAGMENT);
		t.tuple.remote_port++; /* no record */
		spec = talk_peer_segment(&t, ACK, 0);
		packet_build(&f, &spec);
		cut(&f, family);
		assert_verdict(shield_receive(&f), port == PORT_EPHEMERAL ? V_NO_SERVICE : V_DAEMON_FRAGMENT);
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
	steered_put_record(&t, FAMILY_IPV4, PORT_DAEMON_ALWAYS, STEERED_FLOW);
	spec = talk_peer_segment(&t, ACK, 0);
	packet_build(&f, &spec);
	packet_build_put_ip_options(&f, loose_source_route, sizeof(loose_source_route));
	o = shield_receive(&f);
	steered_assert(&o, DAEMON_SEGMENT);
	steered_put_record(&t, FAMILY_IPV6, PORT_DAEMON_ALWAYS, STEERED_FLOW);
	spec = talk_peer_segment(&t, ACK, 0);
	packet_build(&f, &spec);
	packet_build_put_ipv6_extension(&f, 60, options);
	o = shield_receive(&f);
	steered_assert(&o, DAEMON_SEGMENT);
}

/* --- connections that the daemon opens --- */

static void test_syn_sent_from_any_port_handshake_given(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(families); i++) {
		struct half_open h = steered_half_open(TCPS_SYN_SENT);
		struct outcome o;
		struct talk t;

		shield_reset(state);
		talk_init(&t, families[i], PORT_EPHEMERAL);
		t.own_nxt = STEERED_ISS + 1;
		shield_put_half_open(&t.tuple, &h);
		assert_verdict(steered_segment(&t, TCP_FLAG_SYN | ACK, 0), V_NO_SERVICE);
		shield_put_daemon_port(PORT_EPHEMERAL, true);
		o = steered_syn(&t); /* simultaneous open */
		steered_assert(&o, DAEMON_SYN);
		o = steered_segment(&t, TCP_FLAG_SYN | ACK, 0);
		steered_assert_unverified(&o);
		o = steered_segment(&t, TCP_FLAG_RST | ACK, 0);
		steered_assert_unverified(&o);
		shield_put_daemon_port(PORT_EPHEMERAL, false);
	}
}

/* The port may be the kernel's as well. */
static void test_port_of_the_daemons_other_tuples_pass(void **state)
{
	struct talk t;

	(void)state;
	shield_put_daemon_port(PORT_EPHEMERAL, true);
	steered_put_record(&t, FAMILY_IPV4, PORT_EPHEMERAL, STEERED_FLOW);
	t.tuple.remote_port++;
	assert_verdict(steered_segment(&t, ACK, 0), V_NO_SERVICE);
	assert_verdict(steered_syn(&t), V_NO_SERVICE);
}

/* --- the frame --- */

static void test_frame_longer_than_a_buffer_dropped(void **state)
{
	struct talk t;

	(void)state;
	steered_put_record(&t, FAMILY_IPV4, PORT_DAEMON_ALWAYS, STEERED_FLOW);
	shield_config.daemon_frame_bytes = FRAME_ETH_BYTES + FRAME_IPV4_BYTES + FRAME_TCP_BYTES + 12 + 100;
	shield_configure();
	assert_verdict(steered_segment(&t, ACK, 100), V_DAEMON_SEGMENT);
	assert_verdict(steered_segment(&t, ACK, 101), V_DAEMON_FRAME_TOO_LARGE);
}

static void test_frame_in_several_buffers_dropped(void **state)
{
	struct packet_spec spec;
	struct frame f;
	struct talk t;

	(void)state;
	steered_put_record(&t, FAMILY_IPV4, PORT_DAEMON_ALWAYS, STEERED_FLOW);
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
	steered_put_record(&t, FAMILY_IPV4, PORT_DAEMON_ALWAYS, STEERED_FLOW);
	spec = talk_peer_segment(&t, ACK, 10);
	packet_build(&f, &spec);
	o = shield_receive_behind_metadata(&f, 32);
	steered_assert(&o, DAEMON_SEGMENT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_every_live_record_any_segment_given_and_untouched, shield_reset),
		cmocka_unit_test_setup(test_every_record_expired_counts_as_absent, shield_reset),
		cmocka_unit_test_setup(test_flow_of_another_tuple_counts_as_absent, shield_reset),
		cmocka_unit_test_setup(test_every_live_record_syn_given_within_budget, shield_reset),
		cmocka_unit_test_setup(test_cookie_flow_syn_found_by_presence, shield_reset),
		cmocka_unit_test_setup(test_half_open_segment_marks_presence, shield_reset),
		cmocka_unit_test_setup(test_listen_policy_off_stranger_given, shield_reset),
		cmocka_unit_test_setup(test_listen_policy_always_impossible_flags_dropped, shield_reset),
		cmocka_unit_test_setup(test_fragment_and_malformed_dropped, shield_reset),
		cmocka_unit_test_setup(test_segment_behind_ip_options_given, shield_reset),
		cmocka_unit_test_setup(test_syn_sent_from_any_port_handshake_given, shield_reset),
		cmocka_unit_test_setup(test_port_of_the_daemons_other_tuples_pass, shield_reset),
		cmocka_unit_test_setup(test_frame_longer_than_a_buffer_dropped, shield_reset),
		cmocka_unit_test_setup(test_frame_in_several_buffers_dropped, shield_reset),
		cmocka_unit_test_setup(test_frame_behind_other_metadata_has_ours_only, shield_reset),
	};

	shield_takes_frags = true;
	return shield_run_tests("daemon_segment", tests, ARRAY_LEN(tests));
}
