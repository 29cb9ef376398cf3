// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * A packet for each verdict of include/verdict.h, and a test that fails if one has none. What a verdict means in full
 * is tested elsewhere; here it is only shown that it can be got, and how.
 */
#include <bpf/bpf.h>
#include <linux/bpf.h>
#include <unistd.h>

#include "listed.h"
#include "sockets.h"
#include "stimuli.h"
#include "watch.h"

/* Verdicts that no packet can get here, each with its reason. */
static const enum verdict unreachable[] = {
	V_DAEMON_NO_METADATA, /* needs a driver that has no room for metadata: a test run has, and so has veth */
	V_SYN_NO_ROOM, /* needs a driver whose frames can not be cut; an answer never needs more room than its SYN has
			*/
};

static struct outcome send_frame(const struct frame *f, enum hook hook)
{
	switch (hook) {
	case TC_INGRESS:
		return shield_hand_over(f);
	case TC_INGRESS_AGAIN:
		return shield_hand_over_again(f);
	case TC_EGRESS:
		return shield_send(f);
	default:
		return shield_receive(f);
	}
}

static void test_each_stimulus_gets_its_verdict(void **state)
{
	for (size_t i = 0; i < stimuli_count; i++) {
		struct outcome o;
		struct frame f;

		shield_reset(state);
		o = send_frame(&f, stimuli[i].make(&f));
		stimuli_end();
		assert_verdict(o, stimuli[i].verdict);
	}
}

/* --- what takes more than a packet --- */

static void test_connection_own_segment_on_device_adopted(void **state)
{
	struct connection c = sockets_connect(shield_listener(FAMILY_IPV4, PORT_ALWAYS), FAMILY_IPV4, PORT_ALWAYS);

	(void)state;
	shield_attach("lo");
	assert_int_equal(write(c.local, "x", 1), 1);
	assert_true(shield_counts_to(V_OWN_ADOPTED, 1));
	shield_detach();
	sockets_close(&c);
}

static void test_listener_cookie_ack_on_device_handed_over(void **state)
{
	struct packet_spec ack;
	struct frame f;
	struct talk t;

	(void)state;
	talk_init(&t, FAMILY_IPV6, PORT_ALWAYS);
	talk_get_cookie(&t);
	ack = talk_peer_segment(&t, TCP_FLAG_ACK, 0);
	packet_build(&f, &ack);
	shield_attach(WIRE_HERE);
	sockets_inject(&f);
	assert_true(shield_counts_to(V_HANDOVER, 1));
	shield_detach();
}

/* Of a cookie of the kernel's own, for a test run makes no request socket. */
static void test_queued_connection_not_there_noted_lost(void **state)
{
	struct packet_spec first;
	struct frame f;
	struct talk t;

	(void)state;
	sockets_sysctl("tcp_syncookies", 2);
	shield_config.best_handover = HANDOVER_HELPER;
	shield_configure();
	talk_init(&t, FAMILY_IPV4, PORT_ALWAYS);
	talk_get_kernel_cookie(&t);
	first = talk_peer_segment(&t, TCP_FLAG_ACK, 10);
	packet_build(&f, &first);
	assert_verdict(shield_receive(&f), V_KERNEL_COOKIE_ACK);
	shield_hand_over_again(&f);
	assert_noted(shield_hand_over_again(&f), V_HANDOVER_LOST);
	stimuli_end();
}

static void test_established_new_handshake_replaces_flow(void **state)
{
	struct packet_spec ack;
	struct talk t, next;

	(void)state;
	talk_init(&t, FAMILY_IPV4, PORT_ALWAYS);
	talk_establish(&t);
	next = t;
	next.peer_nxt += 0x1000000;
	talk_get_cookie(&next);
	ack = talk_peer_segment(&next, TCP_FLAG_ACK, 0);
	assert_noted(shield_receive_packet(&ack), V_FLOW_REPLACED);
}

static void test_syn_from_source_denied_with_monitor_noted(void **state)
{
	struct packet_spec syn;
	struct talk t;

	(void)state;
	talk_init(&t, FAMILY_IPV6, PORT_ALWAYS);
	listed_put(&t.tuple, 32, SOURCE_DENY_MONITOR, 0);
	syn = talk_syn(&t);
	assert_noted(shield_receive_packet(&syn), V_DENY_MONITORED);
}

static void test_flow_table_full_cookie_ack_noted(void **state)
{
	struct packet_spec ack;
	struct talk t;

	(void)state;
	talk_init(&t, FAMILY_IPV4, PORT_ALWAYS);
	talk_get_cookie(&t);
	shield_fill_flows();
	ack = talk_peer_segment(&t, TCP_FLAG_ACK, 0);
	assert_noted(shield_receive_packet(&ack), V_FLOWS_FULL);
}

static void test_sweep_expired_flow_noted(void **state)
{
	struct tuple t = shield_tuple(FAMILY_IPV4, PORT_ALWAYS);
	struct flow expired = { .state = TCPS_ESTABLISHED, .deadline_ns = 1 };

	(void)state;
	shield_put_flow(&t, &expired);
	shield_start_sweep();
	for (int second = 0; second < 8 && !shield_saw(V_FLOW_EXPIRED); second++)
		sleep(1);
	assert_true(shield_saw(V_FLOW_EXPIRED));
}

static void test_probe_port_unreachable_noted(void **state)
{
	struct frame f;
	struct talk t;

	(void)state;
	talk_init(&t, FAMILY_IPV4, PORT_ALWAYS);
	talk_establish(&t);
	t.model.snd_nxt = FRAME_QUOTED_SEQ + 1;
	t.model.probes = FLOW_PROBE_AWAITED | 1;
	shield_put_flow(&t.tuple, &t.model);
	packet_build_icmp(&f, &t.tuple, 3, 3, 0);
	assert_noted(shield_receive(&f), V_PROBE_REFUSED);
}

static void test_probed_flow_reset_noted(void **state)
{
	struct packet_spec rst;
	struct talk t;

	(void)state;
	talk_init(&t, FAMILY_IPV4, PORT_ALWAYS);
	talk_establish(&t);
	t.model.probes = FLOW_PROBE_AWAITED | 1;
	shield_put_flow(&t.tuple, &t.model);
	rst = talk_peer_segment(&t, TCP_FLAG_RST, 0);
	assert_noted(shield_receive_packet(&rst), V_FLOW_PROBE_RESET);
}

static void test_ended_table_full_close_noted(void **state)
{
	const struct ended e = { .state = TCPS_TIME_WAIT, .deadline_ms = shield_now_ms() + 60000 };
	struct tuple other = shield_tuple(FAMILY_IPV4, PORT_OFF);
	struct outcome o;
	struct talk t;

	(void)state;
	talk_init(&t, FAMILY_IPV4, PORT_ALWAYS);
	talk_establish(&t);
	for (other.remote_port = 1; other.remote_port <= SHIELD_FLOWS; other.remote_port++)
		shield_put_ended(&other, &e);
	shield_configure();
	talk_owner_sends(&t, TCP_FLAG_FIN | TCP_FLAG_ACK, 0);
	o = talk_peer_sends(&t, TCP_FLAG_FIN | TCP_FLAG_ACK, 0);
	assert_noted(o, V_FLOW_CLOSED);
	assert_noted(o, V_ENDED_EVICTED);
}

/* The second connection of a service that may have one. */
static void second_connection(const struct source_limits *limits, __u32 flows_max, enum verdict expected)
{
	struct talk first, second;
	struct packet_spec ack;

	shield_set_limits(PORT_ALWAYS, limits, flows_max);
	talk_init(&first, FAMILY_IPV4, PORT_ALWAYS);
	second = first;
	second.tuple.remote_port++;
	talk_open(&first);
	talk_get_cookie(&second);
	ack = talk_peer_segment(&second, TCP_FLAG_ACK, 0);
	assert_noted(shield_receive_packet(&ack), expected);
}

static void test_share_used_up_noted(void **state)
{
	(void)state;
	second_connection(&(struct source_limits){}, 1, V_FLOWS_SHARE);
}

static void test_source_beyond_its_limit_monitored(void **state)
{
	const struct source_limits limits = { .open = 1, .prefix_ipv4 = 32, .prefix_ipv6 = 64, .monitor = true };

	(void)state;
	second_connection(&limits, 0, V_SOURCE_MONITORED);
}

/* A watcher's ring has room for fewer events than many connections make. */
static void test_watcher_slow_event_lost(void **state)
{
	struct watch watch = { .slots = { { .lease_ns = ~0ULL } } };
	int ring = bpf_map_create(BPF_MAP_TYPE_RINGBUF, "events", 0, 0, 4096, NULL);
	__u32 zero = 0;

	(void)state;
	assert_int_equal(bpf_map_update_elem(shield_map("watchers"), &zero, &ring, BPF_ANY), 0);
	assert_int_equal(bpf_map_update_elem(shield_map("watch"), &zero, &watch, BPF_ANY), 0);
	for (int i = 0; i < 50 && !shield_saw(V_WATCH_LOST); i++) {
		struct talk t;

		talk_init(&t, FAMILY_IPV4, PORT_ALWAYS);
		t.tuple.remote_port = 1000 + i;
		talk_open(&t);
	}
	assert_true(shield_saw(V_WATCH_LOST));
	watch = (struct watch){};
	assert_int_equal(bpf_map_update_elem(shield_map("watch"), &zero, &watch, BPF_ANY), 0);
	close(ring);
}

static bool is_unreachable(enum verdict verdict)
{
	for (size_t i = 0; i < ARRAY_LEN(unreachable); i++) {
		if (unreachable[i] == verdict)
			return true;
	}
	return false;
}

static void test_no_verdict_is_without_a_packet(void **state)
{
	int missing = 0;

	(void)state;
	for (int v = 0; v < VERDICT_COUNT; v++) {
		if (shield_saw(v) == !is_unreachable(v))
			continue;
		print_message("%s %s\n", shield_verdict_name(v),
			      shield_saw(v) ? "is no longer unreachable" : "has no packet");
		missing++;
	}
	assert_int_equal(missing, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_each_stimulus_gets_its_verdict, shield_reset),
		cmocka_unit_test_setup(test_connection_own_segment_on_device_adopted, shield_reset),
		cmocka_unit_test_setup(test_listener_cookie_ack_on_device_handed_over, shield_reset),
		cmocka_unit_test_setup(test_queued_connection_not_there_noted_lost, shield_reset),
		cmocka_unit_test_setup(test_established_new_handshake_replaces_flow, shield_reset),
		cmocka_unit_test_setup(test_syn_from_source_denied_with_monitor_noted, shield_reset),
		cmocka_unit_test_setup(test_flow_table_full_cookie_ack_noted, shield_reset),
		cmocka_unit_test_setup(test_sweep_expired_flow_noted, shield_reset),
		cmocka_unit_test_setup(test_probe_port_unreachable_noted, shield_reset),
		cmocka_unit_test_setup(test_probed_flow_reset_noted, shield_reset),
		cmocka_unit_test_setup(test_ended_table_full_close_noted, shield_reset),
		cmocka_unit_test_setup(test_share_used_up_noted, shield_reset),
		cmocka_unit_test_setup(test_source_beyond_its_limit_monitored, shield_reset),
		cmocka_unit_test_setup(test_watcher_slow_event_lost, shield_reset),
		cmocka_unit_test_setup(test_no_verdict_is_without_a_packet, shield_reset),
	};

	return shield_run_tests("verdict", tests, ARRAY_LEN(tests));
}
