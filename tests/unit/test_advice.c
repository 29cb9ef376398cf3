/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What status finds wrong. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "../../user/advice.c"
#include "../../user/finding.c"
#include "../../user/listener.c"
#include "../../user/netlink.c"
#include "../../user/service_handover.c"
#include "../../user/ethtool.c"
#include "../../user/duration.c"
#include "../../user/service_limits.c"
#include "../../user/service_spec.c"
#include "../../user/sysctls.c"
#include "../../user/vlan.c"

static const struct config active = { .phase = DEVICE_ACTIVE };
static const struct config draining = { .phase = DEVICE_DRAINING };

static const struct config over = { .phase = DEVICE_ACTIVE, .try_until_ns = 1000 };

/* What advice_give() said. */
struct heard {
	int problems, notes;
	char last[SENTENCE_BYTES], last_problem[SENTENCE_BYTES];
};

static struct status_service service_listening(void)
{
	return (struct status_service){
		.spec = { .family = FAMILY_IPV4, .address = { 10, 0, 0, 2 }, .port = 80, .policy = POLICY_ALWAYS },
		.listeners = { .tcp = 1 },
	};
}

static struct status status_all_well(struct status_service *service)
{
	return (struct status){
		.name = "eth0",
		.argument = "eth0",
		.current_name = "eth0",
		.config = &active,
		.services = service,
		.service_count = 1,
		.here = true,
		.exists = true,
		.attach = { .xdp = true, .tc_ingress = true, .tc_egress = true },
		.tables = { { .name = "flows4", .kind = FLOW_TABLE_LIVE, .records = 10, .max_records = 1000 } },
		.sysctls = { .syncookies = 1, .timestamps = 1, .sack = 1, .window_scaling = 1, .conntrack_loose = 1 },
		.has_handover_kfunc = true,
	};
}

static void hear(enum advice_kind kind, const char *sentence, void *context)
{
	struct heard *heard = context;

	snprintf(heard->last, sizeof(heard->last), "%s", sentence);
	if (kind == ADVICE_PROBLEM)
		snprintf(heard->last_problem, sizeof(heard->last_problem), "%s", sentence);
	heard->problems += kind == ADVICE_PROBLEM;
	heard->notes += kind == ADVICE_NOTE;
}

static struct heard advice_on(const struct status *status)
{
	struct heard heard = {};

	advice_give(status, hear, &heard);
	return heard;
}

static void assert_problem(const struct status *status, const char *part)
{
	struct heard heard = advice_on(status);

	assert_int_equal(heard.problems, 1);
	assert_int_equal(heard.notes, 0);
	assert_non_null(strstr(heard.last, part));
}

static void assert_note(const struct status *status, const char *part)
{
	struct heard heard = advice_on(status);

	assert_int_equal(heard.problems, 0);
	assert_int_equal(heard.notes, 1);
	assert_non_null(strstr(heard.last, part));
}

static void test_all_well_is_silent(void **state)
{
	struct status_service service = service_listening();
	struct status status = status_all_well(&service);
	struct heard heard = advice_on(&status);

	(void)state;
	assert_int_equal(heard.problems, 0);
	assert_int_equal(heard.notes, 0);
}

static void test_missing_program_is_a_problem(void **state)
{
	struct status_service service = service_listening();
	struct status status = status_all_well(&service);

	(void)state;
	status.attach.xdp = false;
	assert_problem(&status, "XDP program is not attached");
	status.attach.xdp = true;
	status.attach.tc_ingress = false;
	assert_problem(&status, "tc ingress");
	status.attach.tc_ingress = true;
	status.attach.tc_egress = false;
	assert_problem(&status, "tc egress");
}

static void test_trial_says_when_it_is_over(void **state)
{
	struct status_service service = service_listening();
	struct status status = status_all_well(&service);

	(void)state;
	status.config = &over;
	status.now_ns = over.try_until_ns - 1;
	assert_int_equal(advice_on(&status).notes, 0);
	status.now_ns++;
	assert_note(&status, "nobody kept it");
}

static void test_keepalive_without_a_daemon_is_a_problem(void **state)
{
	struct status_service service = service_listening();
	struct status status = status_all_well(&service);

	(void)state;
	service.spec.keepalive = (struct keepalive){ .idle_ms = 1000, .interval_ms = 1000, .probes = 3 };
	assert_problem(&status, "nobody asks the silent peers of services with keepalive: `synkeep run eth0` does");
	status.daemon.workers = 1;
	assert_int_equal(advice_on(&status).problems, 0);
}

/* What is wrong is that nobody serves it, and that is said already. */
static void test_keepalive_of_the_daemons_service_is_its_own(void **state)
{
	struct status_service service = service_listening();
	struct status status = status_all_well(&service);

	(void)state;
	service.spec.owner = FLOW_OWNER_DAEMON;
	service.spec.keepalive = (struct keepalive){ .idle_ms = 1000, .interval_ms = 1000, .probes = 3 };
	assert_problem(&status, "nobody gets through to its services");
}

static void test_monitored_service_says_what_it_would_lose(void **state)
{
	struct status_service service = service_listening();
	struct status status = status_all_well(&service);
	struct heard heard;

	(void)state;
	service.spec.policy = POLICY_MONITOR;
	assert_note(&status, "synkeep service add eth0 '10.0.0.2:80,policy=always'");
	service.monitored.losses[LOSS_SMALL_MSS] = 7;
	heard = advice_on(&status);
	assert_int_equal(heard.problems, 0);
	assert_int_equal(heard.notes, 2);
	assert_non_null(strstr(heard.last, "segments of that size (7 so far)"));
	/* What is suggested takes nothing away. */
	service.spec.passes_signed = true;
	service.spec.keepalive = (struct keepalive){ .idle_ms = 1000, .interval_ms = 1000, .probes = 3 };
	service.monitored.losses[LOSS_SMALL_MSS] = 0;
	status.daemon.workers = 1;
	assert_note(&status, "add eth0 '10.0.0.2:80,policy=always,md5=pass,keepalive=1s/1s/3'");
}

/* It is not worse off than without the shield. */
static void test_monitored_service_without_a_listener_is_no_problem(void **state)
{
	struct status_service service = service_listening();
	struct status status = status_all_well(&service);

	(void)state;
	service.spec.policy = POLICY_MONITOR;
	service.listeners.tcp = 0;
	status.sysctls.syncookies = 0;
	assert_int_equal(advice_on(&status).problems, 0);
}

static void test_cookies_back_without_any_handover_are_a_problem(void **state)
{
	static const enum verdict met[] = { V_HANDOVER, V_HANDOVER_STALE, V_HANDOVER_EARLY };
	struct status_service service = service_listening();
	struct status status = status_all_well(&service);

	(void)state;
	status.attach.before_tc_ingress = true;
	status.counters[V_COOKIE_ACK].packets = 1;
	assert_problem(&status, "ends the chain before tc_ingress");
	for (size_t i = 0; i < ARRAY_LEN(met); i++) {
		status.counters[met[i]].packets = 1;
		assert_note(&status, "comes before tc_ingress");
		status.counters[met[i]].packets = 0;
	}
}

static void test_filter_before_ours_is_a_note(void **state)
{
	struct status_service service = service_listening();
	struct status status = status_all_well(&service);

	(void)state;
	status.attach.before_tc_ingress = true;
	assert_note(&status, "comes before tc_ingress");
}

static void test_device_gone_is_the_only_problem(void **state)
{
	struct status_service service = service_listening();
	struct status status = status_all_well(&service);

	(void)state;
	status.exists = false;
	status.attach = (struct attach_state){};
	assert_problem(&status, "`synkeep unload eth0 --now`");
}

static void test_no_service_is_a_problem(void **state)
{
	struct status status = status_all_well(NULL);
	struct config outgoing = active;

	(void)state;
	status.service_count = 0;
	assert_problem(&status, "`synkeep service add eth0 SPEC`");
	outgoing.track_outgoing = true; /* there is work without one */
	status.config = &outgoing;
	assert_int_equal(advice_on(&status).problems, 0);
}

static void test_service_without_listener_is_a_problem(void **state)
{
	struct status_service service = service_listening();
	struct status status = status_all_well(&service);

	(void)state;
	service.listeners.tcp = 0;
	assert_problem(&status, "10.0.0.2:80: nothing listens");
}

static void test_service_that_is_off_needs_no_listener(void **state)
{
	struct status_service service = service_listening();
	struct status status = status_all_well(&service);
	struct heard heard;

	(void)state;
	service.listeners.tcp = 0;
	service.spec.policy = POLICY_OFF;
	status.sysctls.syncookies = 0;
	heard = advice_on(&status);
	assert_int_equal(heard.problems, 0);
}

static void test_kernel_cookies_in_overflow_only_are_a_problem(void **state)
{
	struct status_service service = service_listening();
	struct status status = status_all_well(&service);

	(void)state;
	service.listeners.mptcp = 1;
	assert_problem(&status, "10.0.0.2:80: the listener is MPTCP");
	assert_problem(&status, "only while the listener's queue overflows");
	assert_problem(&status, "`sysctl -w net.ipv4.tcp_syncookies=2`");
	status.sysctls.syncookies = 2;
	assert_note(&status, "GODEBUG=multipathtcp=0");
}

static void test_kernel_cookies_keep_options_without_offset_only(void **state)
{
	struct status_service service = service_listening();
	struct status status = status_all_well(&service);

	(void)state;
	status.has_handover_kfunc = false;
	status.sysctls.syncookies = 2;
	assert_note(&status, "no option but the MSS: Linux 6.9 has it; `sysctl -w net.ipv4.tcp_timestamps=2`");
	status.sysctls.timestamps = 2;
	assert_note(&status, "keep options by timestamps: Linux 6.9 has it");
}

static void test_no_handover_is_a_problem(void **state)
{
	const struct config passing = { .phase = DEVICE_ACTIVE, .best_handover = HANDOVER_PASS };
	struct status_service service = service_listening();
	struct status status = status_all_well(&service);

	(void)state;
	status.sysctls.syncookies = 0;
	assert_problem(&status, "10.0.0.2:80: net.ipv4.tcp_syncookies is 0, so SYNs are passed");
	status.config = &passing;
	assert_problem(&status, "loaded with --handover pass");
}

static void test_listeners_of_both_kinds_alike_are_told_once(void **state)
{
	const struct config helping = { .phase = DEVICE_ACTIVE, .best_handover = HANDOVER_HELPER };
	struct status_service service = service_listening();
	struct status status = status_all_well(&service);
	struct service_handover handovers[SERVICE_HANDOVERS_MAX];

	(void)state;
	service.listeners.mptcp = 2;
	assert_int_equal(service_handover_list(&status, &service, handovers), 2);
	assert_int_equal(handovers[0].reason, HANDOVER_BECAUSE_BEST);
	assert_int_equal(handovers[1].reason, HANDOVER_BECAUSE_MPTCP);
	assert_int_equal(handovers[1].listeners, 2);
	status.config = &helping;
	assert_int_equal(service_handover_list(&status, &service, handovers), 1);
	assert_int_equal(handovers[0].reason, HANDOVER_BECAUSE_FORCED_HELPER);
	assert_int_equal(handovers[0].listeners, 3);
	service.spec.policy = POLICY_OFF;
	assert_int_equal(service_handover_list(&status, &service, handovers), 0);
}

static void test_strict_conntrack_in_use_is_a_note(void **state)
{
	struct status_service service = service_listening();
	struct status status = status_all_well(&service);

	(void)state;
	status.sysctls.conntrack_loose = 0;
	assert_int_equal(advice_on(&status).notes, 0);
	status.sysctls.conntrack_count = 1;
	assert_note(&status, "`sysctl -w net.netfilter.nf_conntrack_tcp_loose=1`");
}

/* Lost handovers are counted as trouble anyhow, which is a note; that many of them are the firewall's doing. */
static void test_many_lost_handovers_are_a_problem(void **state)
{
	struct status_service service = service_listening();
	struct status status = status_all_well(&service);
	struct heard heard;

	(void)state;
	status.counters[V_HANDOVER].packets = 100;
	status.counters[V_HANDOVER_LOST].packets = 24;
	assert_note(&status, "HANDOVER_LOST 24");
	status.counters[V_HANDOVER_LOST].packets = 25;
	heard = advice_on(&status);
	assert_int_equal(heard.problems, 1);
	assert_non_null(strstr(heard.last_problem, "25 of 100 handovers"));
	assert_non_null(strstr(heard.last_problem, "firewall"));
	assert_null(strstr(heard.last_problem, "nf_conntrack_tcp_loose"));
	status.sysctls.conntrack_loose = 0;
	heard = advice_on(&status);
	assert_non_null(strstr(heard.last_problem, "nf_conntrack_tcp_loose=1"));
}

static void test_option_off_is_a_note(void **state)
{
	struct status_service service = service_listening();
	struct status status = status_all_well(&service);

	(void)state;
	status.sysctls.sack = 0;
	assert_note(&status, "net.ipv4.tcp_sack is 0");
}

static void test_unreadable_sysctls_are_not_judged(void **state)
{
	struct status_service service = service_listening();
	struct status status = status_all_well(&service);
	struct heard heard;

	(void)state;
	status.sysctls = (struct sysctls){ -1, -1, -1, -1, -1, -1, -1 };
	heard = advice_on(&status);
	assert_int_equal(heard.problems + heard.notes, 0);
}

static void test_live_table_nearly_full_is_a_problem(void **state)
{
	struct status_service service = service_listening();
	struct status status = status_all_well(&service);

	(void)state;
	status.tables[0].records = 899;
	assert_int_equal(advice_on(&status).problems, 0);
	status.tables[0].records = 900;
	assert_problem(&status, "flows4 is nearly full, 900 of 1000");
}

static void test_table_of_oldest_goes_first_may_be_full(void **state)
{
	struct status_service service = service_listening();
	struct status status = status_all_well(&service);

	(void)state;
	status.tables[1] = (struct status_table){ "tw4", FLOW_TABLE_ENDED, 1000, 1000, 0 };
	assert_int_equal(advice_on(&status).problems, 0);
}

static void test_other_namespace_leaves_out_what_is_not_seen(void **state)
{
	struct status_service service = service_listening();
	struct status status = status_all_well(&service);

	(void)state;
	status.here = false;
	status.attach = (struct attach_state){};
	service.listeners.tcp = 0;
	assert_note(&status, "another network namespace");
}

static void test_draining_is_a_note(void **state)
{
	struct status_service service = service_listening();
	struct status status = status_all_well(&service);

	(void)state;
	status.config = &draining;
	assert_note(&status, "being unloaded");
}

static void test_counted_trouble_is_a_note(void **state)
{
	struct status_service service = service_listening();
	struct status status = status_all_well(&service);

	(void)state;
	status.counters[V_SYN_COOKIE].packets = 5;
	status.counters[V_FLOWS_FULL].packets = 3;
	assert_note(&status, "FLOWS_FULL 3");
}

static void test_tags_that_hardware_takes_off(void **state)
{
	struct status_service service = service_listening();
	struct status status = status_all_well(&service);

	(void)state;
	status.vlan_loss = (struct vlan_loss){ .kinds = VLAN_8021Q, .taker = "eth0.5" };
	assert_problem(&status, "eth0.5");
	assert_problem(&status, "`ethtool -K eth0 rxvlan off`");
	assert_problem(&status, "--xdp generic");
	status.attach.xdp_mode = DEVICE_XDP_GENERIC;
	assert_problem(&status, "does not put them on");
	status.vlan_loss.kinds = VLAN_8021AD;
	assert_problem(&status, "`ethtool -K eth0 rx-vlan-stag-hw-parse off`");
}

static struct status_service service_of_daemon(void)
{
	return (struct status_service){
		.spec = { .port = 7, .policy = POLICY_ALWAYS, .owner = FLOW_OWNER_DAEMON },
	};
}

static void test_service_of_the_daemon_without_one_is_a_problem(void **state)
{
	struct status_service service = service_of_daemon();
	struct status status = status_all_well(&service);
	struct heard heard;

	(void)state;
	status.queues = (struct daemon_queues){ .count = 2 };
	heard = advice_on(&status);
	assert_int_equal(heard.problems, 1);
	assert_non_null(strstr(heard.last_problem, "`synkeep run eth0`"));
	status.queues.served = 1;
	heard = advice_on(&status);
	assert_int_equal(heard.problems, 1);
	assert_non_null(strstr(heard.last_problem, "1 of 2"));
	status.queues.served = 2;
	assert_int_equal(advice_on(&status).problems, 0);
	service = service_listening();
	status.queues.served = 0;
	assert_int_equal(advice_on(&status).problems, 0);
}

/* No listener is looked for, and what listeners are kept from does not concern it. */
static void test_service_of_the_daemon_needs_no_listener(void **state)
{
	struct status_service service = service_of_daemon();
	struct status status = status_all_well(&service);
	struct heard heard;

	(void)state;
	service.listeners.tcp = 1;
	status.queues = (struct daemon_queues){ 1, 1 };
	status.sysctls = (struct sysctls){ .syncookies = 0, .timestamps = 0 };
	heard = advice_on(&status);
	assert_int_equal(heard.problems + heard.notes, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_service_of_the_daemon_without_one_is_a_problem),
		cmocka_unit_test(test_service_of_the_daemon_needs_no_listener),
		cmocka_unit_test(test_all_well_is_silent),
		cmocka_unit_test(test_tags_that_hardware_takes_off),
		cmocka_unit_test(test_missing_program_is_a_problem),
		cmocka_unit_test(test_trial_says_when_it_is_over),
		cmocka_unit_test(test_keepalive_without_a_daemon_is_a_problem),
		cmocka_unit_test(test_keepalive_of_the_daemons_service_is_its_own),
		cmocka_unit_test(test_monitored_service_says_what_it_would_lose),
		cmocka_unit_test(test_monitored_service_without_a_listener_is_no_problem),
		cmocka_unit_test(test_cookies_back_without_any_handover_are_a_problem),
		cmocka_unit_test(test_filter_before_ours_is_a_note),
		cmocka_unit_test(test_device_gone_is_the_only_problem),
		cmocka_unit_test(test_no_service_is_a_problem),
		cmocka_unit_test(test_service_without_listener_is_a_problem),
		cmocka_unit_test(test_service_that_is_off_needs_no_listener),
		cmocka_unit_test(test_kernel_cookies_in_overflow_only_are_a_problem),
		cmocka_unit_test(test_kernel_cookies_keep_options_without_offset_only),
		cmocka_unit_test(test_no_handover_is_a_problem),
		cmocka_unit_test(test_listeners_of_both_kinds_alike_are_told_once),
		cmocka_unit_test(test_strict_conntrack_in_use_is_a_note),
		cmocka_unit_test(test_many_lost_handovers_are_a_problem),
		cmocka_unit_test(test_option_off_is_a_note),
		cmocka_unit_test(test_unreadable_sysctls_are_not_judged),
		cmocka_unit_test(test_live_table_nearly_full_is_a_problem),
		cmocka_unit_test(test_table_of_oldest_goes_first_may_be_full),
		cmocka_unit_test(test_other_namespace_leaves_out_what_is_not_seen),
		cmocka_unit_test(test_draining_is_a_note),
		cmocka_unit_test(test_counted_trouble_is_a_note),
	};

	return cmocka_run_group_tests_name("advice", tests, NULL, NULL);
}
