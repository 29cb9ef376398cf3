/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What is wrong with a loaded device, and what to do about it. See advice.h.
 */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "advice.h"

#define SENTENCE_BYTES 512
#define NEARLY_FULL_PERCENT 90

struct advisor {
	const struct status *status;
	advice_visit visit;
	void *context;
};

static void __attribute__((format(printf, 3, 4)))
say(const struct advisor *advisor, enum advice_kind kind, const char *format, ...)
{
	char sentence[SENTENCE_BYTES];
	va_list args;

	va_start(args, format);
	vsnprintf(sentence, sizeof(sentence), format, args);
	va_end(args);
	advisor->visit(kind, sentence, advisor->context);
}

static void judge_attachment(const struct advisor *advisor)
{
	const struct status *status = advisor->status;
	const char *name = status->name;

	if (!status->exists) {
		say(advisor, ADVICE_PROBLEM, "the device is gone and only its pins are left: `synkeep unload %s --now`",
		    name);
		return;
	}
	if (status->attach_error) {
		say(advisor, ADVICE_PROBLEM, "what is attached can not be seen: %s", strerror(-status->attach_error));
		return;
	}
	if (!status->attach.xdp)
		say(advisor, ADVICE_PROBLEM,
		    "the XDP program is not attached, so no SYN is answered: `synkeep unload %s`, then load it again",
		    name);
	if (!status->attach.tc_ingress)
		say(advisor, ADVICE_PROBLEM,
		    "the filter at tc ingress is missing, so no connection is handed over: `synkeep unload %s`, then "
		    "load "
		    "it again",
		    name);
	if (!status->attach.tc_egress)
		say(advisor, ADVICE_PROBLEM,
		    "the filter at tc egress is missing, so only peers are followed: `synkeep unload %s`, then load it "
		    "again",
		    name);
}

/* Whether cookies came back to the XDP program, and the filter at tc ingress met none of their packets. */
static bool handovers_are_missing(const struct status *status)
{
	static const enum verdict met[] = { V_HANDOVER, V_HANDOVER_STALE, V_HANDOVER_EARLY, V_HANDOVER_NO_LISTENER,
					    V_HANDOVER_REFUSED };

	for (size_t i = 0; i < ARRAY_LEN(met); i++) {
		if (status->counters[met[i]].packets)
			return false;
	}
	return status->counters[V_COOKIE_ACK].packets;
}

static void judge_ingress_chain(const struct advisor *advisor)
{
	const struct status *status = advisor->status;

	if (!status->attach.tc_ingress)
		return;
	if (handovers_are_missing(status))
		say(advisor, ADVICE_PROBLEM,
		    "another filter at the device's ingress ends the chain before tc_ingress, so no connection is "
		    "handed over: `tc filter show dev %s ingress` lists them; add it again with a greater pref than "
		    "tc_ingress has",
		    status->name);
	else if (status->attach.before_tc_ingress)
		say(advisor, ADVICE_NOTE,
		    "another filter comes before tc_ingress at the device's ingress: what it ends the chain for is "
		    "neither handed over nor followed");
}

static bool answers_syns(const struct status *status)
{
	for (int i = 0; i < status->service_count; i++) {
		if (status->services[i].spec.policy != POLICY_OFF)
			return true;
	}
	return false;
}

static void judge_service(const struct advisor *advisor, const struct status_service *service)
{
	char text[SERVICE_SPEC_BYTES];

	if (service->spec.owner != FLOW_OWNER_KERNEL || service->spec.policy == POLICY_OFF)
		return;
	service_spec_format(&service->spec, text, sizeof(text));
	switch (listener_kind(&service->listeners)) {
	case LISTENER_TCP:
		break;
	case LISTENER_NONE:
		say(advisor, ADVICE_PROBLEM, "%s: nothing listens there, so its SYNs are passed: start the server",
		    text);
		return;
	case LISTENER_MPTCP:
		say(advisor, ADVICE_PROBLEM,
		    "%s: the listener is MPTCP, which takes no cookie of ours, so its SYNs are passed: let it listen "
		    "with "
		    "plain TCP (Go programs: GODEBUG=multipathtcp=0)",
		    text);
		return;
	}
	if (service->listeners.mptcp)
		say(advisor, ADVICE_NOTE, "%s: some listeners there are MPTCP: their SYNs are passed", text);
}

static void judge_services(const struct advisor *advisor)
{
	const struct status *status = advisor->status;

	if (!status->service_count)
		say(advisor, ADVICE_PROBLEM, "no service is protected: `synkeep service add %s SPEC` adds one",
		    status->name);
	for (int i = 0; i < status->service_count && status->here; i++)
		judge_service(advisor, &status->services[i]);
}

static void judge_sysctls(const struct advisor *advisor)
{
	const struct status_sysctls *sysctls = &advisor->status->sysctls;
	const struct {
		const char *name;
		int value;
		const char *option;
	} options[] = {
		{ "tcp_timestamps", sysctls->timestamps, "timestamps" },
		{ "tcp_sack", sysctls->sack, "SACK" },
		{ "tcp_window_scaling", sysctls->window_scaling, "window scaling" },
	};

	if (!answers_syns(advisor->status))
		return;
	if (sysctls->syncookies == 0)
		say(advisor, ADVICE_PROBLEM,
		    "net.ipv4.tcp_syncookies is 0, which forbids the handover, so all SYNs are passed: `sysctl -w "
		    "net.ipv4.tcp_syncookies=1`");
	for (size_t i = 0; i < ARRAY_LEN(options); i++) {
		if (options[i].value == 0)
			say(advisor, ADVICE_NOTE, "net.ipv4.%s is 0: connections go without %s", options[i].name,
			    options[i].option);
	}
	if (sysctls->conntrack_loose == 0)
		say(advisor, ADVICE_NOTE,
		    "net.netfilter.nf_conntrack_tcp_loose is 0: where Netfilter tracks connections, it takes cookie "
		    "ACKs "
		    "for invalid, and rules that drop those end every handover");
}

static void judge_tables(const struct advisor *advisor)
{
	for (int i = 0; i < STATUS_TABLES; i++) {
		const struct status_table *table = &advisor->status->tables[i];

		/* The others push out their oldest record, as they should. */
		if (table->kind != FLOW_TABLE_LIVE ||
		    (__u64)table->records * 100 < (__u64)table->max_records * NEARLY_FULL_PERCENT)
			continue;
		say(advisor, ADVICE_PROBLEM,
		    "%s is nearly full, %u of %u: connections beyond work, but are not followed: load with a greater "
		    "--flows",
		    table->name, table->records, table->max_records);
	}
}

/* Counts run since the load, so they tell of trouble that may be over. */
static void tell_trouble(const struct advisor *advisor)
{
	for (enum verdict verdict = 0; verdict < VERDICT_COUNT; verdict++) {
		const struct verdict_info *info = verdict_info(verdict);
		__u64 packets = advisor->status->counters[verdict].packets;

		if (info->severity == VERDICT_TROUBLE && packets)
			say(advisor, ADVICE_NOTE, "counted since the load: %s %llu, %s", info->name, packets,
			    info->sentence);
	}
}

void advice_give(const struct status *status, advice_visit visit, void *context)
{
	const struct advisor advisor = { status, visit, context };

	if (!status->here)
		say(&advisor, ADVICE_NOTE,
		    "the device is in another network namespace (inode %llu): what is attached and who listens can be "
		    "seen "
		    "from there only",
		    status->config->netns_inode);
	else {
		judge_attachment(&advisor);
		judge_ingress_chain(&advisor);
	}
	if (status->config->phase == DEVICE_DRAINING)
		say(&advisor, ADVICE_NOTE,
		    "being unloaded: SYNs are passed, cookies still taken; `synkeep unload %s` goes on", status->name);
	else if (config_is_draining(status->config, status->now_ns))
		say(&advisor, ADVICE_NOTE,
		    "the trial is over and nobody kept it: SYNs are passed, cookies still taken, and it unloads by "
		    "itself; `synkeep unload %s` does so, too",
		    status->name);
	judge_services(&advisor);
	if (status->here)
		judge_sysctls(&advisor);
	judge_tables(&advisor);
	tell_trouble(&advisor);
}
