// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * The SYN-ACK that answers a SYN with a cookie: which options, which lengths, which checksums, and that the cookie
 * says in user space (include/cookie.h) what the SYN asked for.
 *
 * Not here: what becomes of the cookie (test_cookie_ack.c), SYNs that are not answered (test_verdict.c).
 */
#include <linux/bpf.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "sockets.h"
#include "talk.h"

#define SYN_ACK_TTL 64
#define JIFFY_MAX_MS 10 /* the programs read the clocks once a jiffy */

/* A SYN's wishes, and what stands in the answer for them. */
struct wish {
	__u8 family;
	enum option_layout layout;
	bool ecn;
	struct tcp_options options;
};

static struct packet_spec syn_of(const struct wish *w)
{
	struct talk t;
	struct packet_spec syn;

	talk_init(&t, w->family, PORT_ALWAYS);
	t.offer = w->options;
	t.ecn = w->ecn;
	syn = talk_syn(&t);
	packet_build_options(&syn, w->layout, &w->options);
	return syn;
}

static __u16 own_mss(__u8 family)
{
	return family == FAMILY_IPV4 ? SHIELD_MSS_IPV4 : SHIELD_MSS_IPV6;
}

static struct cookie_terms terms_of(const struct wish *w)
{
	bool timestamps = w->options.has_timestamps;
	__u16 least = w->family == FAMILY_IPV4 ? COOKIE_MIN_MSS_IPV4 : COOKIE_MIN_MSS_IPV6;
	__u16 mss = w->options.mss > least ? w->options.mss : least;
	__u32 index = cookie_mss_index(w->family, own_mss(w->family), timestamps, mss);

	return (struct cookie_terms){
		.mss = cookie_mss(w->family, own_mss(w->family), timestamps, index),
		.wscale = w->options.wscale == TCP_WSCALE_NONE || w->options.wscale <= TCP_WSCALE_MAX
				  ? w->options.wscale
				  : TCP_WSCALE_MAX,
		.sack = w->options.sack_permitted,
		.ecn = w->ecn,
		.timestamps = timestamps,
	};
}

static void assert_headers(const struct packet_spec *syn, const struct frame *question, const struct outcome *answer,
			   const struct packet_view *view)
{
	assert_memory_equal(view->eth_destination, question->bytes + 6, 6);
	assert_memory_equal(view->eth_source, question->bytes, 6);
	assert_memory_equal(&view->tuple, &syn->tuple, offsetof(struct tuple, family) + 1);
	assert_int_equal(view->ttl, SYN_ACK_TTL);
	assert_int_equal(view->traffic_class, 0);
	assert_true(view->dont_fragment);
	assert_int_equal(view->ack, syn->seq + 1);
	assert_int_equal(view->payload_bytes, 0);
	assert_true(view->window > 0);
	assert_true(answer->frame.length <= question->length);
	assert_true(view->option_bytes <= syn->option_bytes);
}

/* The SYN was sent when the cookies' clock was at sent_ms. */
static void assert_options(const struct wish *w, const struct packet_view *view, __u32 sent_ms)
{
	const struct tcp_options *o = &view->options;

	assert_int_equal(o->mss, w->options.mss ? own_mss(w->family) : 0);
	assert_int_equal(o->wscale, w->options.wscale == TCP_WSCALE_NONE ? TCP_WSCALE_NONE : SHIELD_RCV_WSCALE);
	assert_int_equal(o->sack_permitted, w->options.sack_permitted);
	assert_int_equal(o->has_timestamps, w->options.has_timestamps);
	assert_int_equal(view->flags, TCP_FLAG_SYN | TCP_FLAG_ACK | (w->ecn ? TCP_FLAG_ECE : 0));
	if (!o->has_timestamps)
		return;
	assert_int_equal(o->tsecr, w->options.tsval);
	assert_false(seq_after(o->tsval, shield_cookie_clock().tsval_ms)); /* the clock is never ahead */
	assert_false(seq_before(o->tsval, sent_ms - (1U << COOKIE_TSVAL_BITS) - JIFFY_MAX_MS));
}

static void assert_cookie(const struct wish *w, const struct packet_spec *syn, const struct packet_view *view)
{
	struct cookie_clock clock = shield_cookie_clock();
	struct cookie_site site = shield_cookie_site(w->family);
	struct cookie_terms expected = terms_of(w), got = {};

	assert_true(cookie_check(&clock, &site, &syn->tuple, syn->seq, view->seq, view->options.has_timestamps,
				 view->options.tsval, &got));
	assert_int_equal(got.mss, expected.mss);
	assert_int_equal(got.wscale, expected.wscale);
	assert_int_equal(got.sack, expected.sack);
	assert_int_equal(got.ecn, expected.ecn);
	assert_int_equal(got.timestamps, expected.timestamps);
}

static void assert_answered(const struct wish *w)
{
	__u32 sent_ms = shield_cookie_clock().tsval_ms;
	struct packet_spec syn = syn_of(w);
	struct packet_view view;
	struct outcome answer;
	struct frame f;

	packet_build(&f, &syn);
	answer = shield_receive(&f);
	assert_verdict(answer, V_SYN_COOKIE);
	assert_int_equal(answer.hint, SHIELD_HINT_NONE);
	assert_null(packet_build_read(&view, &answer.frame));
	assert_headers(&syn, &f, &answer, &view);
	assert_options(w, &view, sent_ms);
	assert_cookie(w, &syn, &view);
}

/* Every on and off of the options, in every layout, for one MSS and one window scale. */
static void assert_all_combinations_answered(__u8 family, __u16 mss, __u8 wscale)
{
	for (int bits = 0; bits < 8; bits++) {
		for (int layout = 0; layout < LAYOUT_COUNT; layout++) {
			struct wish w = {
				.family = family,
				.layout = layout,
				.ecn = bits & 1,
				.options = { .mss = mss,
					     .wscale = wscale,
					     .sack_permitted = bits & 2,
					     .has_timestamps = bits & 4,
					     .tsval = 0xfffffff0U + bits },
			};

			assert_answered(&w);
		}
	}
}

static void test_syn_every_option_combination_ipv4_answered_in_kind(void **state)
{
	static const __u16 mss[] = { 0, 1, COOKIE_MIN_MSS_IPV4, 1299, 1300, 1400, 1460, 8960 };
	static const __u8 wscale[] = { TCP_WSCALE_NONE, 0, 7, TCP_WSCALE_MAX };

	(void)state;
	for (size_t m = 0; m < ARRAY_LEN(mss); m++) {
		for (size_t w = 0; w < ARRAY_LEN(wscale); w++)
			assert_all_combinations_answered(FAMILY_IPV4, mss[m], wscale[w]);
	}
}

static void test_syn_every_option_combination_ipv6_answered_in_kind(void **state)
{
	static const __u16 mss[] = { 0, 1, COOKIE_MIN_MSS_IPV6, 1279, 1280, 1440, 8940 };
	static const __u8 wscale[] = { TCP_WSCALE_NONE, 0, 7, TCP_WSCALE_MAX };

	(void)state;
	for (size_t m = 0; m < ARRAY_LEN(mss); m++) {
		for (size_t w = 0; w < ARRAY_LEN(wscale); w++)
			assert_all_combinations_answered(FAMILY_IPV6, mss[m], wscale[w]);
	}
}

static void test_syn_wscale_beyond_14_taken_as_14(void **state)
{
	struct wish w = { .family = FAMILY_IPV4, .options = { .mss = 1460, .wscale = 200 } };

	(void)state;
	assert_answered(&w);
}

static void test_syn_ece_without_cwr_is_no_ecn_setup(void **state)
{
	struct wish w = { .family = FAMILY_IPV4, .options = { .mss = 1460, .wscale = 7 } };
	struct packet_spec syn = syn_of(&w);
	struct packet_view view;
	struct outcome answer;

	(void)state;
	syn.flags |= TCP_FLAG_ECE; /* RFC 3168, 6.1.1 */
	answer = shield_receive_packet(&syn);
	assert_null(packet_build_read(&view, &answer.frame));
	assert_int_equal(view.flags, TCP_FLAG_SYN | TCP_FLAG_ACK);
	assert_cookie(&w, &syn, &view);
}

static bool frame_contains(const struct frame *f, __u8 byte, __u32 times)
{
	__u32 run = 0;

	for (__u32 i = 0; i < f->length; i++) {
		run = f->bytes[i] == byte ? run + 1 : 0;
		if (run == times)
			return true;
	}
	return false;
}

static void data_is_cut_off(__u8 family)
{
	static const __u32 payloads[] = { 1, 6, 7, 100, 1200 };
	struct wish w = { .family = family, .options = { .mss = 1400, .wscale = 2, .sack_permitted = true } };

	for (size_t i = 0; i < ARRAY_LEN(payloads); i++) {
		struct packet_spec syn = syn_of(&w);
		struct packet_view view;
		struct outcome answer;

		syn.payload_bytes = payloads[i];
		answer = shield_receive_packet(&syn);
		assert_verdict(answer, V_SYN_COOKIE);
		assert_null(packet_build_read(&view, &answer.frame));
		assert_int_equal(view.ack, syn.seq + 1); /* the data is to come again (RFC 9293, 3.10.7.4, fourth) */
		assert_int_equal(view.payload_bytes, 0);
		assert_int_equal(view.padding_bytes, 0);
		assert_false(frame_contains(&answer.frame, FRAME_PAYLOAD_BYTE, 3));
	}
}

static void test_syn_with_data_ipv4_answer_is_cut(void **state)
{
	(void)state;
	data_is_cut_off(FAMILY_IPV4);
}

static void test_syn_with_data_ipv6_answer_is_cut(void **state)
{
	(void)state;
	data_is_cut_off(FAMILY_IPV6);
}

/* A frame has 60 bytes at least, an answer without options 54: what is between must not be the peer's bytes. */
static void test_syn_shorter_than_a_frame_padding_is_zero(void **state)
{
	static const __u8 zeros[60];
	struct wish w = { .family = FAMILY_IPV4, .options = TCP_OPTIONS_NONE };

	(void)state;
	for (__u32 payload = 1; payload < 12; payload++) {
		struct packet_spec syn = syn_of(&w);
		struct packet_view view;
		struct outcome answer;

		syn.payload_bytes = payload;
		answer = shield_receive_packet(&syn);
		assert_verdict(answer, V_SYN_COOKIE);
		assert_null(packet_build_read(&view, &answer.frame));
		assert_true(view.padding_bytes <= 6);
		assert_memory_equal(view.padding, zeros, view.padding_bytes);
	}
}

static void window_fits_small_buffer(__u8 family)
{
	struct wish w = { .family = family, .options = { .mss = 1400, .wscale = 7, .has_timestamps = true } };
	struct packet_spec syn = syn_of(&w);
	int bytes = 4096, fd = sockets_listen(family, PORT_UNHEARD);
	socklen_t length = sizeof(bytes);
	struct packet_view view;
	struct outcome answer;

	assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &bytes, sizeof(bytes)), 0);
	assert_int_equal(getsockopt(fd, SOL_SOCKET, SO_RCVBUF, &bytes, &length), 0);
	syn.tuple.local_port = PORT_UNHEARD;
	answer = shield_receive_packet(&syn);
	close(fd);
	assert_verdict(answer, V_SYN_COOKIE);
	assert_null(packet_build_read(&view, &answer.frame));
	assert_true(view.window > 0);
	assert_true(view.window <= bytes);
}

static void test_syn_listener_with_small_buffer_window_fits(void **state)
{
	(void)state;
	window_fits_small_buffer(FAMILY_IPV4);
	window_fits_small_buffer(FAMILY_IPV6);
}

/* Answers a SYN that asks for everything, with the sysctl at 0, and takes the answer apart. */
static struct packet_view answer_without(const char *sysctl, struct cookie_terms *terms)
{
	struct wish w = { .family = FAMILY_IPV4,
			  .ecn = true,
			  .options = { .mss = 1460, .wscale = 7, .sack_permitted = true, .has_timestamps = true } };
	struct packet_spec syn = syn_of(&w);
	struct cookie_site site = shield_cookie_site(FAMILY_IPV4);
	struct cookie_clock clock = shield_cookie_clock();
	int before = sockets_sysctl(sysctl, 0);
	struct outcome answer = shield_receive_packet(&syn);
	struct packet_view view;

	sockets_sysctl(sysctl, before);
	assert_verdict(answer, V_SYN_COOKIE);
	assert_null(packet_build_read(&view, &answer.frame));
	assert_true(cookie_check(&clock, &site, &syn.tuple, syn.seq, view.seq, view.options.has_timestamps,
				 view.options.tsval, terms));
	return view;
}

static void test_syn_tcp_sack_off_answer_without_sack(void **state)
{
	struct cookie_terms terms;
	struct packet_view view = answer_without("tcp_sack", &terms);

	(void)state;
	assert_false(view.options.sack_permitted || terms.sack);
	assert_true(view.options.has_timestamps && terms.wscale == 7 && terms.ecn);
}

static void test_syn_tcp_timestamps_off_answer_without_timestamps(void **state)
{
	struct cookie_terms terms;
	struct packet_view view = answer_without("tcp_timestamps", &terms);

	(void)state;
	assert_false(view.options.has_timestamps || terms.timestamps);
	assert_true(view.options.sack_permitted && terms.wscale == 7 && terms.ecn);
}

static void test_syn_tcp_window_scaling_off_answer_without_wscale(void **state)
{
	struct cookie_terms terms;
	struct packet_view view = answer_without("tcp_window_scaling", &terms);

	(void)state;
	assert_int_equal(view.options.wscale, TCP_WSCALE_NONE);
	assert_int_equal(terms.wscale, TCP_WSCALE_NONE);
	assert_true(view.options.has_timestamps && terms.sack && terms.ecn);
}

static void test_syn_tcp_ecn_off_answer_without_ece(void **state)
{
	struct cookie_terms terms;
	struct packet_view view = answer_without("tcp_ecn", &terms);

	(void)state;
	assert_int_equal(view.flags, TCP_FLAG_SYN | TCP_FLAG_ACK);
	assert_false(terms.ecn);
	assert_true(view.options.has_timestamps && terms.sack && terms.wscale == 7);
}

/* Nothing is stored for an unverified source. */
static void test_syn_any_number_stores_nothing(void **state)
{
	struct half_open h;
	struct ended e;
	struct flow f;
	struct talk t;

	(void)state;
	talk_init(&t, FAMILY_IPV4, PORT_ALWAYS);
	for (t.tuple.remote_port = 1000; t.tuple.remote_port < 1100; t.tuple.remote_port++) {
		struct packet_spec syn = talk_syn(&t);

		assert_verdict(shield_receive_packet(&syn), V_SYN_COOKIE);
		assert_false(shield_flow(&t.tuple, &f));
		assert_false(shield_half_open(&t.tuple, &h));
		assert_false(shield_ended(&t.tuple, &e));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_syn_every_option_combination_ipv4_answered_in_kind, shield_reset),
		cmocka_unit_test_setup(test_syn_every_option_combination_ipv6_answered_in_kind, shield_reset),
		cmocka_unit_test_setup(test_syn_wscale_beyond_14_taken_as_14, shield_reset),
		cmocka_unit_test_setup(test_syn_ece_without_cwr_is_no_ecn_setup, shield_reset),
		cmocka_unit_test_setup(test_syn_with_data_ipv4_answer_is_cut, shield_reset),
		cmocka_unit_test_setup(test_syn_with_data_ipv6_answer_is_cut, shield_reset),
		cmocka_unit_test_setup(test_syn_shorter_than_a_frame_padding_is_zero, shield_reset),
		cmocka_unit_test_setup(test_syn_listener_with_small_buffer_window_fits, shield_reset),
		cmocka_unit_test_setup(test_syn_tcp_sack_off_answer_without_sack, shield_reset),
		cmocka_unit_test_setup(test_syn_tcp_timestamps_off_answer_without_timestamps, shield_reset),
		cmocka_unit_test_setup(test_syn_tcp_window_scaling_off_answer_without_wscale, shield_reset),
		cmocka_unit_test_setup(test_syn_tcp_ecn_off_answer_without_ece, shield_reset),
		cmocka_unit_test_setup(test_syn_any_number_stores_nothing, shield_reset),
	};

	return shield_run_tests("synack", tests, ARRAY_LEN(tests));
}
