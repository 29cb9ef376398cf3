/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What is wrong with a loaded device, and what to do about it. See advice.h.
 */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "advice.h"
#include "service_handover.h"

#define SENTENCE_BYTES 512
#define NEARLY_FULL_PERCENT 90
#define LOST_HANDOVERS_SUSPECT 4 /* one in so many */

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

static void judge_name(const struct advisor *advisor)
{
	const struct status *status = advisor->status;

	if (status->current_name[0] && strcmp(status->current_name, status->name))
		say(advisor, ADVICE_NOTE,
		    "the device is called %s now; synkeep goes on calling it %s until it is unloaded",
		    status->current_name, status->name);
}

static void judge_attachment(const struct advisor *advisor)
{
	const struct status *status = advisor->status;
	const char *argument = status->argument;

	if (status->attach_error) {
		say(advisor, ADVICE_PROBLEM, "what is attached can not be seen: %s", strerror(-status->attach_error));
		return;
	}
	if (!status->attach.xdp)
		say(advisor, ADVICE_PROBLEM,
		    "the XDP program is not attached, so no SYN is answered: `synkeep unload %s`, then load it again",
		    argument);
	if (!status->attach.tc_ingress)
		say(advisor, ADVICE_PROBLEM,
		    "the filter at tc ingress is missing, so no connection is handed over: `synkeep unload %s`, then "
		    "load "
		    "it again",
		    argument);
	if (!status->attach.tc_egress)
		say(advisor, ADVICE_PROBLEM,
		    "the filter at tc egress is missing, so only peers are followed: `synkeep unload %s`, then load it "
		    "again",
		    argument);
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

static void judge_vlan(const struct advisor *advisor)
{
	const struct status *status = advisor->status;
	char sentence[SENTENCE_BYTES];

	if (!status->attach.xdp || !status->vlan_loss.kinds)
		return;
	vlan_explain(&status->vlan_loss, status->name, status->attach.xdp_mode, sentence, sizeof(sentence));
	say(advisor, ADVICE_PROBLEM, "%s", sentence);
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

/* For listeners of the kernel's. */
static bool answers_syns(const struct status *status)
{
	for (int i = 0; i < status->service_count; i++) {
		const struct service_spec *spec = &status->services[i].spec;

		if (policy_answers(spec->policy) && spec->owner == FLOW_OWNER_KERNEL)
			return true;
	}
	return false;
}

static void judge_service(const struct advisor *advisor, const struct status_service *service)
{
	/* What is only monitored is not worse off than before. */
	enum advice_kind kind = policy_answers(service->spec.policy) ? ADVICE_PROBLEM : ADVICE_NOTE;
	struct service_handover handovers[SERVICE_HANDOVERS_MAX];
	char text[SERVICE_SPEC_BYTES], explanation[SENTENCE_BYTES];
	int count;

	if (service->spec.owner != FLOW_OWNER_KERNEL || service->spec.policy == POLICY_OFF)
		return;
	service_spec_format(&service->spec, text, sizeof(text));
	count = service_handover_list(advisor->status, service, handovers);
	if (!count)
		say(advisor, kind,
		    "%s: nothing listens there in this network namespace, so its SYNs are passed, %u a second and CPU: "
		    "start the server; for one behind DNAT, in a container or in a VRF, policy=off passes all",
		    text, advisor->status->config->budget_per_second);
	for (int i = 0; i < count; i++) {
		bool passes = service_handover_explain(advisor->status, handovers[i].reason, explanation,
						       sizeof(explanation));

		if (explanation[0])
			say(advisor, passes ? kind : ADVICE_NOTE, "%s: %s", text, explanation);
	}
}

static bool has_daemon_service(const struct status *status)
{
	for (int i = 0; i < status->service_count; i++) {
		if (status->services[i].spec.owner == FLOW_OWNER_DAEMON)
			return true;
	}
	return false;
}

/* What comes by a queue without a socket is dropped there. */
static void judge_daemon(const struct advisor *advisor)
{
	const struct daemon_queues *queues = &advisor->status->queues;

	if (!has_daemon_service(advisor->status) || (queues->served && queues->served == queues->count))
		return;
	if (!queues->served)
		say(advisor, ADVICE_PROBLEM,
		    "no daemon is there, so nobody gets through to its services: `synkeep run %s` serves them",
		    advisor->status->argument);
	else
		say(advisor, ADVICE_PROBLEM,
		    "the daemon serves %u of %u receive queues, and what comes by the others is dropped: start it "
		    "again",
		    queues->served, queues->count);
}

/* Of connections that the kernel owns: for its own the daemon's TCP does it. */
static bool asks_silent_peers(const struct status *status)
{
	for (int i = 0; i < status->service_count; i++) {
		const struct service_spec *spec = &status->services[i].spec;

		if (spec->keepalive.idle_ms && spec->owner == FLOW_OWNER_KERNEL)
			return true;
	}
	return false;
}

static void judge_keepalive(const struct advisor *advisor)
{
	if (asks_silent_peers(advisor->status) && !advisor->status->daemon.workers)
		say(advisor, ADVICE_PROBLEM,
		    "no daemon is there, so nobody asks the silent peers of services with keepalive: `synkeep run %s` "
		    "does",
		    advisor->status->argument);
}

/* What the clients of a service would miss, and how it is made to answer. */
static void tell_monitored(const struct advisor *advisor, const struct status_service *service)
{
	char text[SERVICE_SPEC_BYTES], full[SERVICE_SPEC_FULL_BYTES];
	struct service_spec protected = service->spec;

	if (service->spec.policy != POLICY_MONITOR)
		return;
	protected.policy = POLICY_ALWAYS;
	service_spec_format(&service->spec, text, sizeof(text));
	service_spec_format_full(&protected, full, sizeof(full));
	say(advisor, ADVICE_NOTE,
	    "%s is only monitored, and nothing is answered: `synkeep service add %s '%s'` protects it", text,
	    advisor->status->argument, full);
	for (enum monitor_loss loss = 0; loss < LOSS_COUNT; loss++) {
		if (service->monitored.losses[loss])
			say(advisor, ADVICE_NOTE, "%s, under policy always: %s (%llu so far)", text,
			    monitor_loss_info(loss)->sentence, service->monitored.losses[loss]);
	}
}

static void judge_services(const struct advisor *advisor)
{
	const struct status *status = advisor->status;

	for (int i = 0; i < status->service_count; i++)
		judge_service(advisor, &status->services[i]);
	for (int i = 0; i < status->service_count; i++)
		tell_monitored(advisor, &status->services[i]);
}

static void say_finding(const struct finding *finding, void *context)
{
	if (finding->kind != FINDING_OK)
		say(context, finding->kind == FINDING_PROBLEM ? ADVICE_PROBLEM : ADVICE_NOTE, "%s: `%s`", finding->text,
		    finding->remedy);
}

static void judge_sysctls(const struct advisor *advisor)
{
	const struct finding_listener listener = { say_finding, (void *)advisor };

	if (answers_syns(advisor->status))
		sysctls_judge(&advisor->status->sysctls, &listener);
}

/*
 * Where a firewall drops them, every packet after the first shows a handover that was lost. An accept queue that
 * overflows loses some.
 */
static void judge_lost_handovers(const struct advisor *advisor)
{
	__u64 lost = advisor->status->counters[V_HANDOVER_LOST].packets;
	__u64 handed_over = advisor->status->counters[V_HANDOVER].packets;

	if (lost * LOST_HANDOVERS_SUSPECT < handed_over || !lost)
		return;
	say(advisor, ADVICE_PROBLEM,
	    "%llu of %llu handovers never reached their listener: a firewall on this host drops packets that are new "
	    "to "
	    "connection tracking and no SYN, or invalid, and the first that it sees of a connection is its ACK: accept "
	    "the services' ports ahead of such rules%s",
	    lost, handed_over,
	    advisor->status->sysctls.conntrack_loose == 0 ? ", and `sysctl -w net.netfilter.nf_conntrack_tcp_loose=1`"
							  : "");
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

void advice_give_on_services(const struct status *status, advice_visit visit, void *context)
{
	const struct advisor advisor = { status, visit, context };

	if (!status->here)
		return;
	judge_services(&advisor);
	judge_sysctls(&advisor);
}

void advice_give_on_shield(const struct status *status, advice_visit visit, void *context)
{
	const struct advisor advisor = { status, visit, context };

	if (!status->exists)
		say(&advisor, ADVICE_PROBLEM,
		    "the device is gone and only its pins are left: `synkeep unload %s --now`", status->argument);
	else if (!status->here)
		say(&advisor, ADVICE_NOTE,
		    "the device is in another network namespace (inode %llu): what is attached and who listens can be "
		    "seen "
		    "from there only",
		    status->config->netns_inode);
	else {
		judge_name(&advisor);
		judge_attachment(&advisor);
		judge_vlan(&advisor);
		judge_ingress_chain(&advisor);
	}
	if (status->config->phase == DEVICE_DRAINING)
		say(&advisor, ADVICE_NOTE,
		    "being unloaded: SYNs are passed, cookies still taken; `synkeep unload %s` goes on, and Ctrl-C "
		    "then "
		    "makes it answer again",
		    status->argument);
	else if (config_is_draining(status->config, status->now_ns))
		say(&advisor, ADVICE_NOTE,
		    "the trial is over and nobody kept it: SYNs are passed, cookies still taken, and it unloads by "
		    "itself; `synkeep unload %s` does so, too",
		    status->argument);
	if (!status->service_count && !status->config->track_outgoing)
		say(&advisor, ADVICE_PROBLEM, "no service is protected: `synkeep service add %s SPEC` adds one",
		    status->argument);
	judge_daemon(&advisor);
	judge_keepalive(&advisor);
	if (status->here)
		judge_services(&advisor);
	judge_lost_handovers(&advisor);
	judge_tables(&advisor);
	tell_trouble(&advisor);
}

void advice_give(const struct status *status, advice_visit visit, void *context)
{
	const struct advisor advisor = { status, visit, context };

	advice_give_on_shield(status, visit, context);
	if (status->here)
		judge_sysctls(&advisor);
}
