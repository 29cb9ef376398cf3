// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * What an attacker tries to get past the shield: SYNs that the kernel would take and a careless parser does not see,
 * and packets that pass because somebody else is to judge them. Under policy always each is answered, dropped, or
 * passed within a budget: so the rest of a burst beyond the budget is dropped.
 */
#include <linux/bpf.h>
#include <netinet/in.h>
#include <string.h>

#include "sockets.h"
#include "talk.h"

#define BURST 50

static int setup_small_budget(void **state)
{
	shield_reset(state);
	shield_config.budget_per_second = 20; /* a burst of a tenth of a second: two packets */
	shield_configure();
	return 0;
}

/* Of a burst of the same packet most must be stopped, whatever verdict the first get. */
static void assert_burst_is_stopped(const struct frame *f)
{
	int passed = 0;

	for (int i = 0; i < BURST; i++) {
		struct outcome o = shield_receive(f);

		assert_int_not_equal(o.action, XDP_TX);
		passed += o.action == XDP_PASS;
	}
	assert_in_range(passed, 0, BURST / 2);
}

static struct packet_spec syn_to(__u8 family, __u16 port)
{
	struct talk t;

	talk_init(&t, family, port);
	return talk_syn(&t);
}

/* The first eight bytes of TCP in one fragment, the rest in another: the kernel puts a SYN together. */
static void test_syn_in_tiny_ipv4_fragments_burst_stopped(void **state)
{
	struct packet_spec syn = syn_to(FAMILY_IPV4, PORT_ALWAYS);
	struct frame first;

	(void)state;
	packet_build(&first, &syn);
	first.length = FRAME_ETH_BYTES + FRAME_IPV4_BYTES + 8;
	packet_build_put16(&first, FRAME_ETH_BYTES + 2, FRAME_IPV4_BYTES + 8);
	packet_build_put16(&first, FRAME_ETH_BYTES + 6, 0x2000); /* more fragments */
	assert_burst_is_stopped(&first);
}

static void test_syn_in_ipv4_fragments_burst_stopped(void **state)
{
	struct packet_spec syn = syn_to(FAMILY_IPV4, PORT_ALWAYS);
	struct frame f;

	(void)state;
	packet_build(&f, &syn);
	packet_build_put16(&f, FRAME_ETH_BYTES + 6, 0x2000);
	packet_build_checksums(&f);
	assert_burst_is_stopped(&f);
}

static struct frame later_fragment(__u8 family)
{
	static const __u8 behind_8_bytes[8] = { [3] = 8 };
	struct packet_spec syn = syn_to(family, PORT_ALWAYS);
	struct frame f;

	packet_build(&f, &syn);
	if (family == FAMILY_IPV4)
		packet_build_put16(&f, FRAME_ETH_BYTES + 6, 1);
	else
		packet_build_put_ipv6_extension(&f, IPPROTO_FRAGMENT, behind_8_bytes);
	return f;
}

/* It has no port, so it may be for the service; each would keep the kernel waiting for the rest. */
static void test_later_fragment_burst_stopped(void **state)
{
	const __u8 families[] = { FAMILY_IPV4, FAMILY_IPV6 };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(families); i++) {
		struct frame f = later_fragment(families[i]);

		setup_small_budget(NULL);
		assert_verdict(shield_receive(&f), V_FRAGMENT);
		assert_burst_is_stopped(&f);
	}
}

static void test_later_fragment_for_nobody_here_passes(void **state)
{
	struct frame f = later_fragment(FAMILY_IPV4);
	int before = sockets_sysctl("ip_forward", 1);

	(void)state;
	f.bytes[FRAME_ETH_BYTES + 9] = IPPROTO_UDP;
	assert_verdict(shield_receive(&f), V_OTHER);
	f.bytes[FRAME_ETH_BYTES + 9] = IPPROTO_TCP;
	packet_build_put16(&f, FRAME_ETH_BYTES + 16, 0xcb00); /* 203.0.x.x, behind the wire */
	assert_verdict(shield_receive(&f), V_OTHER);
	sockets_sysctl("ip_forward", before);
	shield_config.protected_families = PROTECTED_IPV6;
	shield_configure();
	f = later_fragment(FAMILY_IPV4);
	assert_verdict(shield_receive(&f), V_OTHER);
}

static struct packet_spec signed_syn(__u8 kind, __u8 length)
{
	struct packet_spec syn = syn_to(FAMILY_IPV4, PORT_ALWAYS);

	memset(syn.options, 0, sizeof(syn.options));
	syn.options[0] = kind;
	syn.options[1] = length;
	syn.option_bytes = 20;
	return syn;
}

static void test_signed_syn_passed_only_where_the_service_says_so(void **state)
{
	const struct packet_spec signed_syns[] = { signed_syn(TCP_OPTION_MD5, 18), signed_syn(TCP_OPTION_AO, 16) };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(signed_syns); i++) {
		shield_reset(NULL);
		assert_verdict(shield_receive_packet(&signed_syns[i]), V_SYN_SIGNED_REFUSED);
		shield_pass_signed(FAMILY_IPV4, PORT_ALWAYS, true);
		assert_verdict(shield_receive_packet(&signed_syns[i]), V_SYN_SIGNED);
		shield_pass_signed(FAMILY_IPV4, PORT_ALWAYS, false);
	}
}

static void test_signed_syn_that_is_passed_burst_stopped(void **state)
{
	struct packet_spec syn = signed_syn(TCP_OPTION_MD5, 18);
	struct frame f;

	(void)state;
	packet_build(&f, &syn);
	shield_pass_signed(FAMILY_IPV4, PORT_ALWAYS, true);
	assert_burst_is_stopped(&f);
	shield_pass_signed(FAMILY_IPV4, PORT_ALWAYS, false);
}

static void test_syn_on_live_tuple_burst_stopped(void **state)
{
	struct connection c = sockets_connect(shield_listener(FAMILY_IPV4, PORT_ALWAYS), FAMILY_IPV4, PORT_ALWAYS);
	struct packet_spec syn;
	struct frame f;
	struct talk t;

	(void)state;
	talk_init(&t, FAMILY_IPV4, PORT_ALWAYS);
	t.tuple = c.tuple;
	syn = talk_syn(&t);
	packet_build(&f, &syn);
	assert_burst_is_stopped(&f);
	sockets_close(&c);
}

/* The kernel answers each with a RST: no packet to an unverified source but the one cookie. */
static void test_syn_without_listener_burst_stopped(void **state)
{
	struct packet_spec syn = syn_to(FAMILY_IPV4, PORT_UNHEARD);
	struct frame f;

	(void)state;
	packet_build(&f, &syn);
	assert_burst_is_stopped(&f);
}

static void test_ack_without_listener_burst_stopped(void **state)
{
	struct packet_spec ack = syn_to(FAMILY_IPV4, PORT_UNHEARD);
	struct frame f;

	(void)state;
	ack.flags = TCP_FLAG_ACK;
	packet_build(&f, &ack);
	assert_burst_is_stopped(&f);
}

/* What only the kernel can judge, because the listener takes no handover, is within the budget all the same. */
static void test_ack_to_listener_that_takes_no_handover_burst_stopped(void **state)
{
	struct packet_spec ack = syn_to(FAMILY_IPV4, PORT_ALWAYS);
	struct frame f;

	(void)state;
	sockets_sysctl("tcp_syncookies", 0); /* allow_syncookies() undoes it */
	ack.flags = TCP_FLAG_ACK;
	packet_build(&f, &ack);
	assert_burst_is_stopped(&f);
}

static int allow_syncookies(void **state)
{
	(void)state;
	sockets_sysctl("tcp_syncookies", 1);
	return 0;
}

static void test_flags_that_never_go_together_stopped(void **state)
{
	static const __u8 flags[] = { 0,
				      TCP_FLAG_PSH,
				      TCP_FLAG_URG,
				      TCP_FLAG_SYN | TCP_FLAG_FIN,
				      TCP_FLAG_SYN | TCP_FLAG_RST,
				      TCP_FLAG_FIN | TCP_FLAG_RST,
				      TCP_FLAG_FIN | TCP_FLAG_RST | TCP_FLAG_ACK,
				      0xff };
	struct packet_spec spec = syn_to(FAMILY_IPV4, PORT_ALWAYS);

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(flags); i++) {
		struct outcome o;

		spec.flags = flags[i];
		o = shield_receive_packet(&spec);
		if (o.verdict != V_BAD_FLAGS)
			print_message("flags 0x%02x\n", flags[i]);
		assert_verdict(o, V_BAD_FLAGS);
	}
}

/* A source to which no answer may go: it would be reflected to many, to this host itself, or to nobody. */
static void test_syn_from_impossible_source_dropped(void **state)
{
	static const __u32 ipv4[] = { 0x00000000, 0x00000001, 0x7f000001, 0xe0000001,
				      0xefffffff, 0xffffffff, 0x0a090001 /* the service's own */ };
	static const __u32 ipv6[][4] = {
		{ 0, 0, 0, 0 },
		{ 0, 0, 0, 1 },
		{ 0, 0, 0, 0xc6336407 },      /* ::198.51.100.7 */
		{ 0, 0, 0xffff, 0xc6336407 }, /* ::ffff:198.51.100.7 */
		{ 0xff020000, 0, 0, 1 },
	};
	struct packet_spec syn = syn_to(FAMILY_IPV4, PORT_ALWAYS);

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(ipv4); i++) {
		syn.tuple.remote[0] = net32(ipv4[i]);
		assert_verdict(shield_receive_packet(&syn), V_IMPOSSIBLE_ADDRESS);
	}
	for (size_t i = 0; i < ARRAY_LEN(ipv6); i++) {
		syn = syn_to(FAMILY_IPV6, PORT_ALWAYS);
		for (int word = 0; word < 4; word++)
			syn.tuple.remote[word] = net32(ipv6[i][word]);
		assert_verdict(shield_receive_packet(&syn), V_IMPOSSIBLE_ADDRESS);
	}
	memcpy(syn.tuple.remote, syn.tuple.local, sizeof(syn.tuple.remote));
	assert_verdict(shield_receive_packet(&syn), V_IMPOSSIBLE_ADDRESS);
}

/* An end without a route, where answers go by the frame's MAC addresses: as good as any. */
static void test_syn_from_unusual_source_answered(void **state)
{
	struct packet_spec syn = syn_to(FAMILY_IPV4, PORT_ALWAYS);

	(void)state;
	syn.tuple.remote[0] = net32(0xa9fe0001); /* 169.254.0.1 */
	assert_verdict(shield_receive_packet(&syn), V_SYN_COOKIE);
	syn.tuple.remote[0] = net32(0xf0000001); /* 240.0.0.1 */
	assert_verdict(shield_receive_packet(&syn), V_SYN_COOKIE);
	syn = syn_to(FAMILY_IPV6, PORT_ALWAYS);
	syn.tuple.remote[0] = net32(0xfe800000); /* fe80::...:7 */
	assert_verdict(shield_receive_packet(&syn), V_SYN_COOKIE);
}

static void test_syn_from_group_mac_dropped(void **state)
{
	struct packet_spec syn = syn_to(FAMILY_IPV4, PORT_ALWAYS);
	struct frame f;

	(void)state;
	packet_build(&f, &syn);
	f.bytes[6] |= 1;
	assert_verdict(shield_receive(&f), V_IMPOSSIBLE_ADDRESS);
}

static void test_syn_to_broadcast_mac_dropped(void **state)
{
	struct packet_spec syn = syn_to(FAMILY_IPV4, PORT_ALWAYS);
	struct frame f;

	(void)state;
	packet_build(&f, &syn);
	memset(f.bytes, 0xff, 6);
	assert_verdict(shield_receive(&f), V_IMPOSSIBLE_ADDRESS);
}

/* One SYN that passes, for its signature say, opens the tuple to no more than its handshake needs. */
static void test_half_open_handshake_is_no_way_past_the_budget(void **state)
{
	struct packet_spec spec;
	struct frame f;
	struct talk t;

	(void)state;
	talk_init(&t, FAMILY_IPV4, PORT_ALWAYS);
	t.peer_nxt++;
	spec = talk_owner_segment(&t, TCP_FLAG_SYN | TCP_FLAG_ACK, 0);
	packet_build(&f, &spec);
	assert_verdict(shield_send(&f), V_OWN_SYN_ACK);
	spec = talk_peer_segment(&t, TCP_FLAG_ACK, 0);
	spec.ack += 4711;
	packet_build(&f, &spec);
	assert_burst_is_stopped(&f);
}

static void test_time_wait_socket_is_no_way_past_the_budget(void **state)
{
	struct connection c = sockets_connect(shield_listener(FAMILY_IPV4, PORT_ALWAYS), FAMILY_IPV4, PORT_ALWAYS);
	struct packet_spec ack;
	struct frame f;
	struct talk t;

	(void)state;
	sockets_close_to_time_wait(&c);
	talk_init(&t, FAMILY_IPV4, PORT_ALWAYS);
	t.tuple = c.tuple;
	ack = talk_peer_segment(&t, TCP_FLAG_ACK, 0);
	packet_build(&f, &ack);
	assert_burst_is_stopped(&f);
}

/* Its peer is reset again, within the budget; its cookie makes no connection any more. */
static void test_connection_that_the_owner_reset_is_no_way_past_the_budget(void **state)
{
	struct packet_spec ack;
	struct outcome o;
	struct frame f;
	struct talk t;

	(void)state;
	talk_init(&t, FAMILY_IPV4, PORT_ALWAYS);
	talk_open(&t);
	ack = talk_peer_segment(&t, TCP_FLAG_ACK, 0); /* the handshake's, as well */
	talk_owner_sends(&t, TCP_FLAG_RST, 0);
	packet_build(&f, &ack);
	o = shield_receive(&f);
	assert_verdict(o, V_ENDED_SEGMENT);
	assert_int_equal(o.hint, SHIELD_HINT_NONE);
	shield_set_metadata_missing(true);
	assert_int_equal(shield_hand_over(&f).verdict, VERDICT_COUNT);
	assert_burst_is_stopped(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_syn_in_tiny_ipv4_fragments_burst_stopped, setup_small_budget),
		cmocka_unit_test_setup(test_syn_in_ipv4_fragments_burst_stopped, setup_small_budget),
		cmocka_unit_test_setup(test_later_fragment_burst_stopped, setup_small_budget),
		cmocka_unit_test_setup(test_later_fragment_for_nobody_here_passes, shield_reset),
		cmocka_unit_test_setup(test_signed_syn_passed_only_where_the_service_says_so, shield_reset),
		cmocka_unit_test_setup(test_signed_syn_that_is_passed_burst_stopped, setup_small_budget),
		cmocka_unit_test_setup(test_syn_on_live_tuple_burst_stopped, setup_small_budget),
		cmocka_unit_test_setup(test_syn_without_listener_burst_stopped, setup_small_budget),
		cmocka_unit_test_setup(test_ack_without_listener_burst_stopped, setup_small_budget),
		cmocka_unit_test_setup_teardown(test_ack_to_listener_that_takes_no_handover_burst_stopped,
						setup_small_budget, allow_syncookies),
		cmocka_unit_test_setup(test_flags_that_never_go_together_stopped, shield_reset),
		cmocka_unit_test_setup(test_syn_from_impossible_source_dropped, shield_reset),
		cmocka_unit_test_setup(test_syn_from_unusual_source_answered, shield_reset),
		cmocka_unit_test_setup(test_syn_from_group_mac_dropped, shield_reset),
		cmocka_unit_test_setup(test_syn_to_broadcast_mac_dropped, shield_reset),
		cmocka_unit_test_setup(test_half_open_handshake_is_no_way_past_the_budget, setup_small_budget),
		cmocka_unit_test_setup(test_time_wait_socket_is_no_way_past_the_budget, setup_small_budget),
		cmocka_unit_test_setup(test_connection_that_the_owner_reset_is_no_way_past_the_budget,
				       setup_small_budget),
	};

	return shield_run_tests("bypass", tests, ARRAY_LEN(tests));
}
