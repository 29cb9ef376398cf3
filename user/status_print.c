/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * A status in words. See status_print.h.
 */
#include <errno.h>
#include <stdio.h>

#include "advice.h"
#include "daemon_print.h"
#include "duration.h"
#include "format.h"
#include "sentry_print.h"
#include "service_handover.h"
#include "service_print.h"
#include "share_print.h"
#include "status_print.h"
#include "table.h"

#define HANDOVER_WORDS_BYTES 160

struct sentences {
	int problems;
	struct json_object *problem_list, *note_list;
};

static const char *phase_name(const struct status *status)
{
	if (config_is_draining(status->config, status->now_ns))
		return "draining";
	switch (status->config->phase) {
	case DEVICE_LOADING:
		return "loading";
	case DEVICE_ACTIVE:
		return "active";
	case DEVICE_DRAINING:
		return "draining";
	}
	return "unknown";
}

static const char *mode_name(enum device_xdp_mode mode)
{
	return mode == DEVICE_XDP_NATIVE ? "native" : "generic";
}

static __u64 loaded_for_ns(const struct status *status)
{
	return status->now_ns > status->config->loaded_at_ns ? status->now_ns - status->config->loaded_at_ns : 0;
}

/* What is left of a trial; 0: it is over, or there is none. */
static __u64 trial_left_ns(const struct status *status)
{
	return status->config->try_until_ns > status->now_ns ? status->config->try_until_ns - status->now_ns : 0;
}

static __u64 cookie_age_ns(const struct status *status)
{
	return status->now_ns > status->cookie_sent_ns ? status->now_ns - status->cookie_sent_ns : 0;
}

static __u32 count_records(const struct status *status, enum flow_table kind)
{
	__u32 count = 0;

	for (int i = 0; i < STATUS_TABLES; i++)
		count += status->tables[i].kind == kind ? status->tables[i].records : 0;
	return count;
}

/* --- for people ----------------------------------------------------------------------------------------------------
 */

static void print_trial(const struct status *status)
{
	char left[FORMAT_DURATION_BYTES];

	if (trial_left_ns(status))
		printf("  TRIAL    %s left, then it unloads by itself: `synkeep keep %s` keeps it\n",
		       format_duration(left, trial_left_ns(status)), status->argument);
}

static void print_attachment(const struct status *status)
{
	const struct attach_state *attach = &status->attach;

	if (!status->here || status->attach_error)
		return;
	printf("  XDP      %s", attach->xdp ? mode_name(attach->xdp_mode) : "not attached");
	if (attach->xdp && attach->dispatched)
		printf(", through libxdp's dispatcher, which runs %d", attach->dispatched);
	printf("\n  tc       ingress %s, egress %s\n", attach->tc_ingress ? "attached" : "missing",
	       attach->tc_egress ? "attached" : "missing");
}

static void print_cookies(const struct status *status)
{
	char age[FORMAT_DURATION_BYTES], left[FORMAT_DURATION_BYTES];

	printf("  cookies  epoch %u, ", cookie_epoch(status->cookie_time_ns));
	if (!status->cookie_sent_ns) {
		puts("none sent");
		return;
	}
	printf("last sent %s ago, ", format_duration(age, cookie_age_ns(status)));
	if (status->cookie_left_ns)
		printf("may come back for %s\n", format_duration(left, status->cookie_left_ns));
	else
		puts("none can come back");
}

/* Since when the key is what it is: the cookies' time; of one that has not begun, negative. */
static __s64 key_age_ns(const struct status *status)
{
	return (__s64)(status->cookie_time_ns - status->config->keys.from_epoch * COOKIE_EPOCH_NS);
}

static void print_key(const struct status *status)
{
	char time[FORMAT_DURATION_BYTES];
	__s64 age_ns = key_age_ns(status);

	if (age_ns < 0)
		printf("  key      a new one in %s, from epoch %u on", format_duration(time, -age_ns),
		       status->config->keys.from_epoch);
	else
		printf("  key      since epoch %u, which began %s ago", status->config->keys.from_epoch,
		       format_duration(time, age_ns));
	puts(status->config->key_is_shared ? "; other machines may have it" : "; this machine's alone");
}

/* How the work goes, in packets since the load. */
static void print_work(const struct status *status)
{
	const struct verdict_counter *counters = status->counters;
	__u64 dropped = 0;

	for (enum verdict verdict = 0; verdict < VERDICT_COUNT; verdict++)
		dropped += verdict_action(verdict) == VERDICT_DROP ? counters[verdict].packets : 0;
	printf("  packets  %llu SYNs answered, %llu cookies back, %llu connections handed over; %llu dropped\n",
	       counters[V_SYN_COOKIE].packets + counters[V_SYN_KERNEL_COOKIE].packets,
	       counters[V_COOKIE_ACK].packets + counters[V_KERNEL_COOKIE_ACK].packets +
		       counters[V_DAEMON_COOKIE_ACK].packets,
	       counters[V_HANDOVER].packets, dropped);
}

static const char *listener_words(const struct status *status, const struct status_service *service)
{
	if (service->spec.owner == FLOW_OWNER_DAEMON)
		return status->queues.served ? "daemon" : "no daemon";
	if (!status->here)
		return "not seen from here";
	switch (listener_kind(&service->listeners)) {
	case LISTENER_TCP:
		return "listening";
	case LISTENER_NONE:
		return "no listener";
	case LISTENER_MPTCP:
		return "MPTCP";
	}
	return "-";
}

/* "kfunc", "helper: the listener is MPTCP", or both, by comma. */
static void handover_words(const struct status *status, const struct status_service *service, char *text, size_t size)
{
	struct service_handover handovers[SERVICE_HANDOVERS_MAX];
	int count = service_handover_list(status, service, handovers);

	snprintf(text, size, "-");
	for (int i = 0, used = 0; i < count && status->here; i++) {
		const char *reason = handover_reason_sentence(handovers[i].reason);

		used += snprintf(text + used, size - used, "%s%s%s%s", i ? ", " : "",
				 handover_way_name(handover_way(handovers[i].reason)), *reason ? ": " : "", reason);
	}
}

/* Tables stand below their line: the first, empty column indents them. */
static int print_services(const struct status *status)
{
	static const struct table_column columns[] = {
		{ "", false },	  { "SERVICE", false }, { "POLICY", false },   { "OWNER", false },
		{ "MD5", false }, SERVICE_PRINT_TIMES,	{ "LISTENER", false }, { "HANDOVER", false },
	};
	struct table *table;
	int err;

	if (!status->service_count)
		return 0;
	table = table_new(columns, ARRAY_LEN(columns));
	if (!table)
		return -ENOMEM;
	for (int i = 0; i < status->service_count; i++) {
		const struct status_service *service = &status->services[i];
		char text[SERVICE_SPEC_BYTES], handover[HANDOVER_WORDS_BYTES];

		service_spec_format(&service->spec, text, sizeof(text));
		table_cell(table, "");
		table_cell(table, text);
		table_cell(table, service_spec_policy_name(service->spec.policy));
		table_cell(table, service_spec_owner_name(service->spec.owner));
		table_cell(table, service_spec_signed_name(service->spec.passes_signed));
		service_print_times(table, &service->spec);
		table_cell(table, listener_words(status, service));
		handover_words(status, service, handover, sizeof(handover));
		table_cell(table, handover);
	}
	err = table_flush(table, stdout);
	table_free(table);
	return err;
}

static __u64 losses(const struct monitored *monitored)
{
	__u64 sum = 0;

	for (enum monitor_loss loss = 0; loss < LOSS_COUNT; loss++)
		sum += monitored->losses[loss];
	return sum;
}

static void add_count(struct table *table, __u64 count)
{
	char text[FORMAT_SIZE_BYTES];

	snprintf(text, sizeof(text), "%llu", count);
	table_cell(table, text);
}

/* What policy always would have done, in packets; `synkeep counters` has the reasons. */
static int print_monitored(const struct status *status)
{
	static const struct table_column columns[] = {
		{ "", false },		{ "MONITORED", false }, { "WOULD-ANSWER", true },
		{ "WOULD-DROP", true }, { "WOULD-PASS", true }, { "LOSSES", true },
	};
	struct table *table = table_new(columns, ARRAY_LEN(columns));
	int err = 0;

	if (!table)
		return -ENOMEM;
	for (int i = 0; i < status->service_count; i++) {
		const struct status_service *service = &status->services[i];
		char text[SERVICE_SPEC_BYTES];

		if (service->spec.policy != POLICY_MONITOR)
			continue;
		service_spec_format(&service->spec, text, sizeof(text));
		table_cell(table, "");
		table_cell(table, text);
		add_count(table, monitor_sum(&service->monitored, VERDICT_TX));
		add_count(table, monitor_sum(&service->monitored, VERDICT_DROP));
		add_count(table, monitor_sum(&service->monitored, VERDICT_PASS));
		add_count(table, losses(&service->monitored));
	}
	if (table_rows(table))
		err = table_flush(table, stdout);
	table_free(table);
	return err;
}

static int print_tables(const struct status *status)
{
	static const struct table_column columns[] = {
		{ "", false },	{ "TABLE", false }, { "RECORDS", true },
		{ "OF", true }, { "FULL", true },   { "MEMORY", true },
	};
	struct table *table = table_new(columns, ARRAY_LEN(columns));
	char text[FORMAT_SIZE_BYTES];
	int err;

	if (!table)
		return -ENOMEM;
	for (int i = 0; i < STATUS_TABLES; i++) {
		const struct status_table *shown = &status->tables[i];
		__u64 full = shown->max_records ? (__u64)shown->records * 100 / shown->max_records : 0;

		table_cell(table, "");
		table_cell(table, shown->name);
		snprintf(text, sizeof(text), "%u", shown->records);
		table_cell(table, text);
		snprintf(text, sizeof(text), "%u", shown->max_records);
		table_cell(table, text);
		snprintf(text, sizeof(text), "%llu%%", full);
		table_cell(table, text);
		table_cell(table, format_bytes(text, shown->memory_bytes));
	}
	err = table_flush(table, stdout);
	table_free(table);
	return err;
}

static void print_sentence(enum advice_kind kind, const char *sentence, void *context)
{
	(void)context;
	printf("  %s  %s\n", kind == ADVICE_PROBLEM ? "PROBLEM" : "note   ", sentence);
}

static void count_sentence(enum advice_kind kind, const char *sentence, void *context)
{
	(void)sentence;
	((struct sentences *)context)->problems += kind == ADVICE_PROBLEM;
}

static void print_sources(const struct status *status)
{
	const __u64 *of = status->sources.of;

	if (of[SOURCE_DENY] || of[SOURCE_DENY_MONITOR] || of[SOURCE_ALLOW])
		printf("  sources  %llu denied, %llu only counted, %llu allowed\n", of[SOURCE_DENY],
		       of[SOURCE_DENY_MONITOR], of[SOURCE_ALLOW]);
}

int status_print_text(const struct status *status)
{
	struct sentences counted = {};
	char age[FORMAT_DURATION_BYTES], memory[FORMAT_SIZE_BYTES], msl[DURATION_BYTES];
	int err;

	advice_give(status, count_sentence, &counted);
	printf("%s: %s, loaded %s ago", status->name, phase_name(status), format_duration(age, loaded_for_ns(status)));
	if (counted.problems)
		printf(", %d PROBLEM%s below", counted.problems, counted.problems > 1 ? "S" : "");
	putchar('\n');
	print_trial(status);
	print_attachment(status);
	print_cookies(status);
	print_key(status);
	print_work(status);
	daemon_print_line(&status->daemon);
	daemon_print_ager_line(&status->daemon);
	printf("  flows    %u half-open, %u live, %u ended\n", count_records(status, FLOW_TABLE_HALF),
	       count_records(status, FLOW_TABLE_LIVE), count_records(status, FLOW_TABLE_ENDED));
	if (status->config->track_outgoing)
		puts("  tracked  connections that this host opens, too");
	print_sources(status);
	printf("  msl      %s, for services that do not say\n", duration_format(msl, status->config->msl_ns));
	printf("  memory   %s in all maps\n", format_bytes(memory, status->memory_bytes));
	err = print_services(status);
	if (!err)
		err = print_monitored(status);
	if (!err)
		err = sentry_print_text(status);
	if (!err)
		err = share_print_text(status);
	if (!err)
		err = print_tables(status);
	if (err)
		return err;
	advice_give(status, print_sentence, NULL);
	if (!counted.problems)
		puts(status->here ? "  all well" : "  all well as far as can be seen from here");
	return fflush(stdout) ? -EIO : 0;
}

/* --- for programs --------------------------------------------------------------------------------------------------
 */

static void add_attachment(struct json_object *object, const struct status *status)
{
	const struct attach_state *attach = &status->attach;
	struct json_object *part;

	if (!status->here || status->attach_error) {
		json_out_text(object, "xdp", NULL);
		json_out_text(object, "tc", NULL);
		return;
	}
	part = json_out_member(object, "xdp", json_object_new_object());
	json_out_bool(part, "attached", attach->xdp);
	json_out_text(part, "mode", attach->xdp ? mode_name(attach->xdp_mode) : NULL);
	json_out_bool(part, "dispatcher", attach->xdp && attach->dispatched);
	part = json_out_member(object, "tc", json_object_new_object());
	json_out_bool(part, "ingress", attach->tc_ingress);
	json_out_bool(part, "egress", attach->tc_egress);
}

static void add_cookies(struct json_object *object, const struct status *status)
{
	struct json_object *cookies = json_out_member(object, "cookies", json_object_new_object());

	json_out_number(cookies, "epoch", cookie_epoch(status->cookie_time_ns));
	if (status->cookie_sent_ns)
		json_out_number(cookies, "last_sent_ms_ago", cookie_age_ns(status) / NSEC_PER_MSEC);
	else
		json_out_text(cookies, "last_sent_ms_ago", NULL);
	json_out_number(cookies, "may_return_ms", status->cookie_left_ns / NSEC_PER_MSEC);
}

static void add_key(struct json_object *object, const struct status *status)
{
	struct json_object *key = json_out_member(object, "key", json_object_new_object());
	__s64 age_ns = key_age_ns(status);

	json_out_number(key, "from_epoch", status->config->keys.from_epoch);
	json_out_bool(key, "pending", age_ns < 0);
	json_out_number(key, age_ns < 0 ? "begins_in_ms" : "age_ms", (age_ns < 0 ? -age_ns : age_ns) / NSEC_PER_MSEC);
	json_out_bool(key, "shared", status->config->key_is_shared);
}

static const char *listener_word(const struct status *status, const struct status_service *service)
{
	if (service->spec.owner == FLOW_OWNER_DAEMON)
		return status->queues.served ? "daemon" : "none";
	if (!status->here)
		return NULL;
	switch (listener_kind(&service->listeners)) {
	case LISTENER_TCP:
		return "listening";
	case LISTENER_NONE:
		return "none";
	case LISTENER_MPTCP:
		return "mptcp";
	}
	return NULL;
}

static void add_handovers(struct json_object *object, const struct status *status, const struct status_service *service)
{
	struct json_object *list = json_out_member(object, "handover", json_object_new_array());
	struct service_handover handovers[SERVICE_HANDOVERS_MAX];
	int count = status->here ? service_handover_list(status, service, handovers) : 0;

	for (int i = 0; i < count; i++) {
		struct json_object *element = json_object_new_object();
		const char *reason = handover_reason_sentence(handovers[i].reason);

		json_out_text(element, "way", handover_way_name(handover_way(handovers[i].reason)));
		json_out_number(element, "listeners", handovers[i].listeners);
		json_out_text(element, "reason", *reason ? reason : NULL);
		json_object_array_add(list, element);
	}
}

static void add_monitored(struct json_object *element, const struct status_service *service)
{
	struct json_object *object;

	if (service->spec.policy != POLICY_MONITOR)
		return;
	object = json_out_member(element, "monitored", json_object_new_object());
	json_out_number(object, "would_answer", monitor_sum(&service->monitored, VERDICT_TX));
	json_out_number(object, "would_drop", monitor_sum(&service->monitored, VERDICT_DROP));
	json_out_number(object, "pass", monitor_sum(&service->monitored, VERDICT_PASS));
	json_out_number(object, "losses", losses(&service->monitored));
}

static void add_services(struct json_object *object, const struct status *status)
{
	struct json_object *list = json_out_member(object, "services", json_object_new_array());

	for (int i = 0; i < status->service_count; i++) {
		const struct status_service *service = &status->services[i];
		struct json_object *element = json_object_new_object();
		char text[SERVICE_SPEC_BYTES];

		service_spec_format(&service->spec, text, sizeof(text));
		json_out_text(element, "service", text);
		json_out_text(element, "policy", service_spec_policy_name(service->spec.policy));
		json_out_text(element, "owner", service_spec_owner_name(service->spec.owner));
		json_out_text(element, "md5", service_spec_signed_name(service->spec.passes_signed));
		service_print_times_json(element, &service->spec);
		json_out_text(element, "listener", listener_word(status, service));
		add_handovers(element, status, service);
		add_monitored(element, service);
		json_out_member(element, "auto", sentry_print_json(service, status->now_ns));
		json_out_member(element, "records", share_print_json(service));
		json_object_array_add(list, element);
	}
}

static void add_tables(struct json_object *object, const struct status *status)
{
	struct json_object *flows = json_out_member(object, "flows", json_object_new_object());
	struct json_object *list = json_out_member(object, "tables", json_object_new_array());

	json_out_number(flows, "half_open", count_records(status, FLOW_TABLE_HALF));
	json_out_number(flows, "live", count_records(status, FLOW_TABLE_LIVE));
	json_out_number(flows, "ended", count_records(status, FLOW_TABLE_ENDED));
	for (int i = 0; i < STATUS_TABLES; i++) {
		struct json_object *element = json_object_new_object();

		json_out_text(element, "table", status->tables[i].name);
		json_out_number(element, "records", status->tables[i].records);
		json_out_number(element, "max_records", status->tables[i].max_records);
		json_out_number(element, "memory_bytes", status->tables[i].memory_bytes);
		json_object_array_add(list, element);
	}
	json_out_number(object, "memory_bytes", status->memory_bytes);
}

/* Prefixes, by what becomes of packets from them. */
static void add_sources(struct json_object *object, const struct status *status)
{
	struct json_object *sources = json_out_member(object, "sources", json_object_new_object());

	json_out_number(sources, "denied", status->sources.of[SOURCE_DENY]);
	json_out_number(sources, "monitored", status->sources.of[SOURCE_DENY_MONITOR]);
	json_out_number(sources, "allowed", status->sources.of[SOURCE_ALLOW]);
	json_out_number(sources, "memory_bytes", status->sources.memory_bytes);
}

static void add_sentence(enum advice_kind kind, const char *sentence, void *context)
{
	struct sentences *sentences = context;

	json_object_array_add(kind == ADVICE_PROBLEM ? sentences->problem_list : sentences->note_list,
			      json_object_new_string(sentence));
}

struct json_object *status_print_json(const struct status *status)
{
	struct json_object *object = json_object_new_object();
	struct sentences sentences;

	json_out_text(object, "device", status->name);
	json_out_text(object, "phase", phase_name(status));
	json_out_number(object, "loaded_ms_ago", loaded_for_ns(status) / NSEC_PER_MSEC);
	if (status->config->try_until_ns)
		json_out_number(object, "try_left_ms", trial_left_ns(status) / NSEC_PER_MSEC);
	else
		json_out_text(object, "try_left_ms", NULL);
	json_out_number(object, "netns_inode", status->config->netns_inode);
	json_out_bool(object, "in_this_netns", status->here);
	json_out_bool(object, "track_outgoing", status->config->track_outgoing);
	json_out_number(object, "msl_ms", status->config->msl_ns / NSEC_PER_MSEC);
	add_attachment(object, status);
	add_cookies(object, status);
	add_key(object, status);
	json_out_member(object, "daemon", daemon_print_json(&status->daemon));
	json_out_member(object, "ager", daemon_print_ager_json(&status->daemon));
	add_services(object, status);
	add_tables(object, status);
	add_sources(object, status);
	sentences.problem_list = json_out_member(object, "problems", json_object_new_array());
	sentences.note_list = json_out_member(object, "notes", json_object_new_array());
	advice_give(status, add_sentence, &sentences);
	return object;
}
