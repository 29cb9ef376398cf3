// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Policy monitor: whatever comes passes as it came, nothing is spent, and what policy always would have done is
 * counted. (That a packet which passes is the same byte for byte, shield_receive() looks at.)
 */
#include <linux/bpf.h>
#include <string.h>
#include <unistd.h>

#include "sockets.h"
#include "stimuli.h"

static const struct {
	__u16 port;
	bool any_address;
} protected[] = {
	{ PORT_ALWAYS, false },
	{ PORT_UNHEARD, false },
	{ PORT_MPTCP, false },
	{ PORT_WILDCARD, true },
};
static const __u8 families[] = { FAMILY_IPV4, FAMILY_IPV6 };

static void monitor_all(void)
{
	for (size_t i = 0; i < ARRAY_LEN(families); i++) {
		for (size_t j = 0; j < ARRAY_LEN(protected); j++)
			shield_monitor(families[i], protected[j].port, protected[j].any_address);
	}
}

static int protect_again(void **state)
{
	(void)state;
	stimuli_end();
	for (size_t i = 0; i < ARRAY_LEN(families); i++) {
		for (size_t j = 0; j < ARRAY_LEN(protected); j++)
			shield_put_service(families[i], protected[j].port, protected[j].any_address, POLICY_ALWAYS, 0);
	}
	return 0;
}

/* How often the verdict, or any, was counted, of all services that always protects otherwise. */
static __u64 counted(enum verdict verdict)
{
	__u64 count = 0;

	for (size_t i = 0; i < ARRAY_LEN(families); i++) {
		for (size_t j = 0; j < ARRAY_LEN(protected); j++) {
			struct monitored m = shield_monitored(families[i], protected[j].port, protected[j].any_address);

			for (int v = 0; v < VERDICT_COUNT; v++)
				count += v == (int)verdict || verdict == VERDICT_COUNT ? m.verdicts[v] : 0;
		}
	}
	return count;
}

/* Of no service, of one with policy off, or claimed by a flow: that is nothing to monitor. */
static bool is_none_of_its_business(enum verdict verdict)
{
	static const enum verdict others[] = { V_OTHER,	     V_SYN_ACK,	      V_NO_SERVICE,
					       V_TRANSIT,    V_SYN_OFF,	      V_SYN_CALM,
					       V_STRANGER,   V_HALF_OPEN_ACK, V_HALF_OPEN_SEGMENT,
					       V_MONITORED,  V_SEGMENT,	      V_OUT_OF_WINDOW,
					       V_CHALLENGED, V_BAD_ACK,	      V_NO_ACK_BIT };

	for (size_t i = 0; i < ARRAY_LEN(others); i++) {
		if (others[i] == verdict)
			return true;
	}
	return false;
}

/*
 * Of a service that the daemon owns, which can not have that policy; or of keepalive, which is a choice of its own and
 * drops the answers that it has asked for (test_probe.c).
 */
static bool is_beside_the_policy(enum verdict verdict)
{
	return (verdict >= V_DAEMON_SEGMENT && verdict <= V_TIME_WAIT_NO_TIMESTAMP) || verdict == V_PROBE_ANSWER;
}

/*
 * As it is counted. Whether the kernel would give a cookie of its own is not asked: that changes its listener. Nor
 * whether a prefix has had its answers, for it gets none.
 */
static enum verdict verdict_of_always(enum verdict verdict)
{
	if (verdict == V_SYN_PREFIX_OVER_BUDGET)
		return V_SYN_COOKIE;
	return verdict == V_SYN_NO_COOKIE ? V_SYN_KERNEL_COOKIE : verdict;
}

/* The situation comes about under policy always; the packet then meets policy monitor. */
static void test_each_stimulus_passes_and_is_counted_as_what_always_makes_of_it(void **state)
{
	for (size_t i = 0; i < stimuli_count; i++) {
		enum verdict expected = verdict_of_always(stimuli[i].verdict);
		bool passes = verdict_action(expected) == VERDICT_PASS;
		struct outcome o;
		struct frame f;

		shield_reset(state);
		if (!is_beside_the_policy(expected) && stimuli[i].make(&f) == XDP_INGRESS) {
			monitor_all();
			o = shield_receive(&f);
			assert_int_equal(o.action, XDP_PASS);
			assert_verdict(o, passes ? expected : V_MONITORED);
			assert_int_equal(counted(expected), !is_none_of_its_business(expected));
			assert_int_equal(counted(VERDICT_COUNT), !is_none_of_its_business(expected));
		}
		protect_again(state);
	}
}

static struct packet_spec syn_for(__u16 port)
{
	struct talk t;

	talk_init(&t, FAMILY_IPV4, port);
	return talk_syn(&t);
}

/* The budgets of policy always are as full as ever, and those of monitor run out as they would. */
static void test_over_budget_counted_and_nothing_spent(void **state)
{
	struct packet_spec syn = syn_for(PORT_UNHEARD);

	(void)state;
	shield_config.budget_per_second = 1;
	shield_configure();
	shield_monitor(FAMILY_IPV4, PORT_UNHEARD, false);
	assert_verdict(shield_receive_packet(&syn), V_SYN_NO_LISTENER);
	for (int i = 0; i < 3; i++)
		assert_verdict(shield_receive_packet(&syn), V_MONITORED);
	assert_int_equal(shield_monitored(FAMILY_IPV4, PORT_UNHEARD, false).verdicts[V_UNVERIFIED_OVER_BUDGET], 3);
	shield_put_service(FAMILY_IPV4, PORT_UNHEARD, false, POLICY_ALWAYS, 0);
	assert_verdict(shield_receive_packet(&syn), V_SYN_NO_LISTENER);
	assert_verdict(shield_receive_packet(&syn), V_UNVERIFIED_OVER_BUDGET);
}

static void test_service_without_an_element_still_passes(void **state)
{
	struct packet_spec syn = syn_for(PORT_ALWAYS);

	(void)state;
	shield_put_service(FAMILY_IPV4, PORT_ALWAYS, false, POLICY_MONITOR, 0);
	assert_verdict(shield_receive_packet(&syn), V_MONITORED);
}

static void test_monitor_to_always_answers_with_the_next_packet(void **state)
{
	struct packet_spec syn = syn_for(PORT_ALWAYS);

	(void)state;
	shield_monitor(FAMILY_IPV4, PORT_ALWAYS, false);
	assert_verdict(shield_receive_packet(&syn), V_MONITORED);
	shield_put_service(FAMILY_IPV4, PORT_ALWAYS, false, POLICY_ALWAYS, 0);
	assert_verdict(shield_receive_packet(&syn), V_SYN_COOKIE);
}

/* --- what a SYN would lose --- */

/* The SYN as a client sends it that knows no other options. */
static struct packet_spec syn_with_option(__u16 port, const __u8 *option, __u8 bytes)
{
	struct packet_spec syn = syn_for(port);

	memset(syn.options, TCP_OPTION_NOP, sizeof(syn.options));
	memcpy(syn.options, option, bytes);
	syn.option_bytes = (bytes + 3) / 4 * 4;
	return syn;
}

/* Sends the SYN to the monitored service; it must lose this and nothing else, or nothing where loss is LOSS_COUNT. */
static void assert_loses(const struct packet_spec *syn, enum monitor_loss loss)
{
	struct monitored m;

	shield_monitor(FAMILY_IPV4, syn->tuple.local_port, false);
	assert_int_equal(shield_receive_packet(syn).action, XDP_PASS);
	m = shield_monitored(FAMILY_IPV4, syn->tuple.local_port, false);
	for (int i = 0; i < LOSS_COUNT; i++)
		assert_int_equal(m.losses[i], i == (int)loss);
}

static void test_plain_syn_loses_nothing(void **state)
{
	struct packet_spec syn = syn_for(PORT_ALWAYS);

	(void)state;
	assert_loses(&syn, LOSS_COUNT);
}

static void test_fast_open_and_data_are_lost_where_the_syn_is_answered(void **state)
{
	static const __u8 wish[] = { TCP_OPTION_FAST_OPEN, 2 };
	static const __u8 cookie[] = { TCP_OPTION_FAST_OPEN, 10, 1, 2, 3, 4, 5, 6, 7, 8 };
	struct packet_spec syn = syn_with_option(PORT_ALWAYS, wish, sizeof(wish));

	(void)state;
	assert_loses(&syn, LOSS_FAST_OPEN);
	syn = syn_with_option(PORT_ALWAYS, cookie, sizeof(cookie));
	assert_loses(&syn, LOSS_FAST_OPEN);
	syn.tuple.local_port = PORT_UNHEARD; /* where it would pass */
	assert_loses(&syn, LOSS_COUNT);
	syn = syn_for(PORT_ALWAYS);
	syn.payload_bytes = 10;
	assert_loses(&syn, LOSS_SYN_DATA);
	syn.tuple.local_port = PORT_UNHEARD;
	assert_loses(&syn, LOSS_COUNT);
}

/* Only the kernel's own cookies can be handed to such a listener, and they keep options in timestamps alone. */
static void test_mptcp_listener_loses_mptcp_and_options_without_timestamps(void **state)
{
	static const __u8 mptcp[] = { TCP_OPTION_MPTCP, 4, 0x01, 0 };
	static const __u8 sack[] = { TCP_OPTION_SACK_PERMITTED, 2 };
	struct packet_spec syn = syn_with_option(PORT_ALWAYS, mptcp, sizeof(mptcp));
	int listener = sockets_listen_mptcp(FAMILY_IPV4, PORT_MPTCP);

	(void)state;
	assert_loses(&syn, LOSS_COUNT); /* with a plain listener it is never more than TCP */
	syn.tuple.local_port = PORT_MPTCP;
	assert_loses(&syn, LOSS_MPTCP);
	syn = syn_with_option(PORT_MPTCP, sack, sizeof(sack));
	assert_loses(&syn, LOSS_OPTIONS);
	syn = syn_for(PORT_MPTCP);
	assert_loses(&syn, LOSS_COUNT);
	close(listener);
}

static void test_signature_and_small_mss_are_lost(void **state)
{
	static const __u8 md5[18] = { TCP_OPTION_MD5, 18 }, ao[16] = { TCP_OPTION_AO, 16 };
	static const __u8 mss[] = { TCP_OPTION_MSS, 4, 0x02, 0x17 }; /* 535 */
	struct packet_spec syn = syn_with_option(PORT_ALWAYS, md5, sizeof(md5));

	(void)state;
	assert_loses(&syn, LOSS_SIGNED);
	syn = syn_with_option(PORT_ALWAYS, ao, sizeof(ao));
	assert_loses(&syn, LOSS_SIGNED);
	syn = syn_with_option(PORT_ALWAYS, mss, sizeof(mss));
	assert_loses(&syn, LOSS_SMALL_MSS);
	syn.tuple.local_port = PORT_UNHEARD;
	assert_loses(&syn, LOSS_COUNT);
}

static void test_handover_is_lost_where_every_syn_passes(void **state)
{
	struct packet_spec syn = syn_for(PORT_ALWAYS);

	(void)state;
	shield_config.best_handover = HANDOVER_PASS;
	shield_configure();
	assert_loses(&syn, LOSS_HANDOVER);
	shield_config.best_handover = HANDOVER_KFUNC;
	sockets_sysctl("tcp_syncookies", 0); /* stimuli_end() sets it back */
	shield_configure();
	assert_loses(&syn, LOSS_HANDOVER);
}

#define monitor_test(f) cmocka_unit_test_setup_teardown(f, shield_reset, protect_again)

int main(void)
{
	const struct CMUnitTest tests[] = {
		monitor_test(test_each_stimulus_passes_and_is_counted_as_what_always_makes_of_it),
		monitor_test(test_over_budget_counted_and_nothing_spent),
		monitor_test(test_service_without_an_element_still_passes),
		monitor_test(test_monitor_to_always_answers_with_the_next_packet),
		monitor_test(test_plain_syn_loses_nothing),
		monitor_test(test_fast_open_and_data_are_lost_where_the_syn_is_answered),
		monitor_test(test_mptcp_listener_loses_mptcp_and_options_without_timestamps),
		monitor_test(test_signature_and_small_mss_are_lost),
		monitor_test(test_handover_is_lost_where_every_syn_passes),
	};

	return shield_run_tests("monitor", tests, ARRAY_LEN(tests));
}
