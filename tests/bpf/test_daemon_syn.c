// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * SYNs for services of the daemon's: answered by its terms, given to it, and what becomes of them without it.
 */
#include <linux/bpf.h>
#include <netinet/in.h>

#include "sockets.h"
#include "steered.h"

#define ACK TCP_FLAG_ACK

static const __u8 families[] = { FAMILY_IPV4, FAMILY_IPV6 };

/* --- SYNs, answered for the daemon --- */

static struct packet_view answer_to_syn(const struct talk *t)
{
	struct outcome o = steered_syn(t);
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
		o = steered_syn(&t);
		steered_assert(&o, DAEMON_SYN);
	}
}

static void test_listen_draining_syn_given(void **state)
{
	(void)state;
	shield_config.phase = DEVICE_DRAINING;
	shield_configure();
	for (size_t i = 0; i < ARRAY_LEN(families); i++) {
		struct outcome o;
		struct talk t;

		talk_init(&t, families[i], PORT_DAEMON_ALWAYS);
		o = steered_syn(&t);
		steered_assert(&o, DAEMON_SYN);
	}
}

/* What a cookie can not keep, and what an answer would have to be more than a SYN-ACK for. */
static void test_listen_syn_that_no_cookie_answers_given_within_budget(void **state)
{
	static const __u8 loose_source_route[4] = { 131, 3, 4 }, authentication[8] = {};

	for (size_t i = 0; i < ARRAY_LEN(families); i++) {
		struct packet_spec syn;
		struct outcome o;
		struct frame f;
		struct talk t;

		shield_reset(state);
		talk_init(&t, families[i], PORT_DAEMON_ALWAYS);
		syn = talk_syn(&t);
		packet_build(&f, &syn);
		if (families[i] == FAMILY_IPV4)
			packet_build_put_ip_options(&f, loose_source_route, sizeof(loose_source_route));
		else
			packet_build_put_ipv6_extension(&f, IPPROTO_AH, authentication);
		o = shield_receive(&f);
		steered_assert(&o, DAEMON_SYN);
		shield_config.budget_per_second = 0;
		shield_configure();
		assert_verdict(shield_receive(&f), V_UNVERIFIED_OVER_BUDGET);
	}
}

static void test_listen_bad_syn_dropped_as_ever(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(families); i++) {
		struct packet_spec syn;
		struct frame f;
		struct talk t;

		talk_init(&t, families[i], PORT_DAEMON_ALWAYS);
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
		f.bytes[6] |= 1; /* from a group of stations */
		assert_verdict(shield_receive(&f), V_IMPOSSIBLE_ADDRESS);
	}
}

static void test_wildcard_only_local_addresses(void **state)
{
	struct outcome o;
	struct talk t;

	(void)state;
	talk_init(&t, FAMILY_IPV4, PORT_DAEMON_WILDCARD);
	talk_get_cookie(&t);
	o = steered_segment(&t, ACK, 0);
	steered_assert(&o, DAEMON_COOKIE_ACK);
	sockets_sysctl("ip_forward", 1);
	t.tuple.local[0] = net32(0xcb007105); /* 203.0.113.5, behind the wire */
	assert_verdict(steered_syn(&t), V_TRANSIT);
	assert_verdict(steered_segment(&t, ACK, 0), V_TRANSIT);
	sockets_sysctl("ip_forward", 0);
}

static void test_service_of_every_port_has_its_cookies_and_segments(void **state)
{
	struct outcome o;
	struct talk t;

	(void)state;
	shield_put_daemon_service(FAMILY_IPV6, 0, false, POLICY_ALWAYS, GONE_DROP);
	talk_init(&t, FAMILY_IPV6, PORT_EPHEMERAL + 1);
	talk_get_cookie(&t);
	o = steered_segment(&t, ACK, 0);
	steered_assert(&o, DAEMON_COOKIE_ACK);
	o = steered_segment(&t, ACK, 10);
	assert_verdict(o, V_DAEMON_SEGMENT);
	o = steered_syn(&t);
	steered_assert(&o, DAEMON_SYN);
	shield_delete_service(FAMILY_IPV6, 0, false);
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
		assert_verdict(steered_syn(&t), V_DAEMON_GONE);
		assert_verdict(steered_syn(&off), V_DAEMON_GONE);
		assert_verdict(steered_segment(&off, ACK, 0), V_DAEMON_GONE);
		assert_verdict(steered_segment(&t, ACK, 0), V_DAEMON_GONE);
		assert_false(shield_flow(&t.tuple, &t.model)); /* no record that nobody keeps */
		steered_put_record(&t, families[i], PORT_DAEMON_ALWAYS, STEERED_FLOW);
		assert_verdict(steered_segment(&t, ACK, 0), V_DAEMON_GONE);
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

/* What there was on the tuple went with the daemon, or is over where the SYN may begin anew. */
static void test_gone_syn_on_a_tuple_with_a_record_reset(void **state)
{
	static const enum steered_record records[] = { STEERED_FLOW, STEERED_TIME_WAIT };

	for (size_t i = 0; i < ARRAY_LEN(records) * ARRAY_LEN(families); i++) {
		struct packet_spec syn;
		struct outcome o;
		struct talk t;
		struct frame f;

		shield_reset(state);
		shield_put_daemon(false);
		steered_put_record(&t, families[i % ARRAY_LEN(families)], PORT_DAEMON_REFUSE,
				   records[i / ARRAY_LEN(families)]);
		shield_fill_presence();
		t.peer_nxt += 100000;
		syn = talk_syn(&t);
		packet_build(&f, &syn);
		o = shield_receive(&f);
		assert_refused(&o, &t, f.length, 0);
	}
}

static void test_gone_segments_are_not_reset(void **state)
{
	for (size_t i = 0; i < ARRAY_LEN(families); i++) {
		struct talk t;

		shield_reset(state);
		shield_put_daemon(false);
		steered_put_record(&t, families[i], PORT_DAEMON_REFUSE, STEERED_FLOW);
		assert_verdict(steered_segment(&t, ACK, 0), V_DAEMON_GONE);
	}
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
		cmocka_unit_test_setup(test_service_of_every_port_has_its_cookies_and_segments, shield_reset),
		cmocka_unit_test_setup(test_gone_everything_dropped, shield_reset),
		cmocka_unit_test_setup(test_gone_refused_syn_reset, shield_reset),
		cmocka_unit_test_setup(test_gone_policy_off_syn_reset, shield_reset),
		cmocka_unit_test_setup(test_gone_syn_on_a_tuple_with_a_record_reset, shield_reset),
		cmocka_unit_test_setup(test_gone_segments_are_not_reset, shield_reset),
	};

	return shield_run_tests("daemon_syn", tests, ARRAY_LEN(tests));
}
