// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Whoever is attacked in whose name SYNs come here gets no more answers than config.answers_per_prefix; peers behind
 * other prefixes get theirs.
 */
#include <bpf/bpf.h>
#include <linux/bpf.h>

#include "listed.h"
#include "prefix_budget.h"
#include "sockets.h"
#include "steered.h"

#define CPUS_MAX 1024
#define BURST 50

static const __u8 families[] = { FAMILY_IPV4, FAMILY_IPV6 };

/* A burst of a tenth of a second: two answers. */
static int setup(void **state)
{
	static const __u64 full[CPUS_MAX];

	shield_reset(state);
	for (__u32 i = 0; i < PREFIX_BUDGETS; i++)
		assert_int_equal(bpf_map_update_elem(shield_map("prefix_budgets"), &i, full, BPF_ANY), 0);
	shield_config.answers_per_prefix = 20;
	shield_configure();
	return 0;
}

static int allow_syncookies(void **state)
{
	(void)state;
	sockets_sysctl("tcp_syncookies", 1);
	return 0;
}

/* Each SYN of the burst is from another address of the prefix; only the last word tells them apart. */
static void assert_burst_gets(const struct talk *t, enum verdict answer, int most)
{
	int last = t->tuple.family == FAMILY_IPV4 ? 0 : 3, answered = 0;

	for (int i = 0; i < BURST; i++) {
		struct packet_spec syn = talk_syn(t);
		struct outcome o;

		syn.tuple.remote[last] = net32((host32(syn.tuple.remote[last]) & ~0xffU) + 1 + i);
		o = shield_receive_packet(&syn);
		answered += o.action == XDP_TX;
		assert_verdict(o, o.action == XDP_TX ? answer : V_SYN_PREFIX_OVER_BUDGET);
	}
	assert_in_range(answered, 1, most);
}

static void test_listen_burst_from_a_prefix_answered_within_budget(void **state)
{
	for (size_t i = 0; i < ARRAY_LEN(families); i++) {
		struct packet_spec syn;
		struct talk t;

		setup(state);
		talk_init(&t, families[i], PORT_ALWAYS);
		assert_burst_gets(&t, V_SYN_COOKIE, BURST / 2);
		syn = talk_syn(&t);
		syn.tuple.remote[families[i] == FAMILY_IPV6] ^= net32(families[i] == FAMILY_IPV6 ? 0x10000 : 0x100);
		assert_verdict(shield_receive_packet(&syn), V_SYN_COOKIE);
		shield_advance(NSEC_PER_SEC);
		assert_verdict(steered_syn(&t), V_SYN_COOKIE);
	}
}

static void test_listen_kernel_cookies_within_budget(void **state)
{
	struct talk t;

	(void)state;
	sockets_sysctl("tcp_syncookies", 2);
	shield_config.best_handover = HANDOVER_HELPER;
	shield_configure();
	talk_init(&t, FAMILY_IPV4, PORT_ALWAYS);
	assert_burst_gets(&t, V_SYN_KERNEL_COOKIE, BURST / 2);
}

static void test_daemon_gone_refusals_within_budget(void **state)
{
	struct talk t;

	(void)state;
	shield_put_daemon(false);
	talk_init(&t, FAMILY_IPV6, PORT_DAEMON_REFUSE);
	assert_burst_gets(&t, V_DAEMON_GONE_REFUSED, BURST / 2);
}

static void test_listen_without_limit_all_answered(void **state)
{
	struct talk t;

	(void)state;
	shield_config.answers_per_prefix = 0;
	shield_configure();
	talk_init(&t, FAMILY_IPV4, PORT_ALWAYS);
	assert_burst_gets(&t, V_SYN_COOKIE, BURST);
	assert_false(shield_saw(V_SYN_PREFIX_OVER_BUDGET));
}

static void test_listen_allowed_source_all_answered(void **state)
{
	struct talk t;

	(void)state;
	talk_init(&t, FAMILY_IPV6, PORT_ALWAYS);
	listed_put(&t.tuple, 48, SOURCE_ALLOW, 0);
	assert_burst_gets(&t, V_SYN_COOKIE, BURST);
	assert_false(shield_saw(V_SYN_PREFIX_OVER_BUDGET));
}

/* Nobody is answered there, so nobody's answers are used up. */
static void test_monitored_syns_spend_nothing(void **state)
{
	struct talk t;

	(void)state;
	talk_init(&t, FAMILY_IPV4, PORT_MONITOR);
	for (int i = 0; i < BURST; i++)
		assert_verdict(steered_syn(&t), V_MONITORED);
	talk_init(&t, FAMILY_IPV4, PORT_ALWAYS);
	assert_verdict(steered_syn(&t), V_SYN_COOKIE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_listen_without_limit_all_answered, setup),
		cmocka_unit_test_setup(test_listen_allowed_source_all_answered, setup),
		cmocka_unit_test_setup(test_listen_burst_from_a_prefix_answered_within_budget, setup),
		cmocka_unit_test_setup_teardown(test_listen_kernel_cookies_within_budget, setup, allow_syncookies),
		cmocka_unit_test_setup(test_daemon_gone_refusals_within_budget, setup),
		cmocka_unit_test_setup(test_monitored_syns_spend_nothing, setup),
	};

	return shield_run_tests("prefix_budget", tests, ARRAY_LEN(tests));
}
