/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Prints explanations. See explain_print.h.
 */
#include "explain_print.h"

#include <errno.h>
#include <linux/bpf.h>
#include <stdio.h>

#include "explain_json.h"
#include "explain_words.h"
#include "format.h"
#include "json_out.h"

#define ENTRY "  %-9s "

/* --- a frame ------------------------------------------------------------------------------------------------------ */

static void print_options(const struct tcp_options *o)
{
	if (o->mss)
		printf(" mss %u", o->mss);
	if (o->wscale != TCP_WSCALE_NONE)
		printf(" wscale %u", o->wscale);
	if (o->sack_permitted)
		printf(" sack");
	if (o->has_timestamps)
		printf(" ts %u/%u", o->tsval, o->tsecr);
	if (o->has_signature)
		printf(" signed");
	if (o->has_mptcp)
		printf(" mptcp");
	if (o->has_fast_open)
		printf(" fast-open");
}

static void print_segment(const struct explain_frame *f)
{
	const struct segment *s = &f->packet.segment;

	printf("seq %u", s->seq);
	if (s->flags & TCP_FLAG_ACK)
		printf(" ack %u", s->ack);
	printf(" window %u", s->window);
	if (s->payload_bytes)
		printf(" payload %u", s->payload_bytes);
	if (f->has_options)
		print_options(&f->options);
}

static void print_ends(const struct explanation *x)
{
	char remote[FORMAT_ENDPOINT_BYTES], local[FORMAT_ENDPOINT_BYTES], flags[PACKET_CRAFT_FLAGS_BYTES];
	const struct explain_frame *f = &x->frame;
	const struct tuple *t = &f->tuple;

	format_endpoint(remote, t->family, (const __u8 *)t->remote, t->remote_port);
	format_endpoint(local, t->family, (const __u8 *)t->local, t->local_port);
	if (f->kind == PACKET_TCP)
		printf("%-4s ", packet_craft_letters(flags, f->packet.segment.flags));
	else
		printf("%s ", explain_words_kind(f->kind));
	if (x->way == EXPLAIN_ARRIVES)
		printf("%s > %s", remote, local);
	else
		printf("%s > %s", local, remote);
}

/* --- the entries -------------------------------------------------------------------------------------------------- */

static void print_record(const char *when, const struct explain_record *record)
{
	const struct flow_view *v = &record->view;
	char left[FORMAT_DURATION_BYTES], terms[FORMAT_OPTIONS_BYTES];

	printf(ENTRY "%s, %s, the %s's, rcv_nxt %u", when, explain_words_table(v), tcp_state_name(v->state),
	       service_spec_owner_name(v->owner), v->rcv_nxt);
	if (v->table == FLOW_TABLE_LIVE)
		printf(", window to %u, snd_una %u", record->rcv_edge, record->snd_una);
	printf(", snd_nxt %u, %s left", v->snd_nxt, format_duration(left, v->left_ns));
	format_options(terms, v->flags, v->snd_wscale, v->rcv_wscale, v->mss);
	printf("%s%s\n", *terms ? ", " : "", terms);
}

static void print_records(const char *when, const struct explain_record *records)
{
	bool none = true;

	for (int table = 0; table < FLOW_TABLE_COUNT; table++) {
		if (!records[table].is_there)
			continue;
		print_record(when, &records[table]);
		none = false;
	}
	if (none)
		printf(ENTRY "none\n", when);
}

static void print_sentry(const struct explanation *x)
{
	__u32 limit = explain_words_half_open(x->service);
	const struct sentry *s = &x->sentry;
	char since[FORMAT_DURATION_BYTES];

	if (sentry_is_flooded(s, x->now_ns))
		printf(ENTRY "under flood for %s: %s\n", "sentry",
		       format_duration(since, x->now_ns - s->flood_since_ns), explain_words_cause(s->cause));
	else
		printf(ENTRY "calm: %u of %u handshakes under way\n", "sentry", sentry_pressure(s, limit, x->now_ns),
		       limit);
}

static void print_service(const struct explanation *x)
{
	char spec[SERVICE_SPEC_FULL_BYTES];

	if (!x->service) {
		printf(ENTRY "none\n", "service");
		return;
	}
	service_spec_format_full(x->service, spec, sizeof(spec));
	printf(ENTRY "%s\n", "service", spec);
	if (x->service->policy == POLICY_AUTO)
		print_sentry(x);
	if (x->service->owner == FLOW_OWNER_KERNEL)
		printf(ENTRY "%s\n", "listener", explain_words_listener(&x->listeners));
}

static void print_account(const struct explanation *x)
{
	const struct source_limits *limits = &x->service->limits;

	printf(ENTRY "its source has %d connections", "limits", x->account.open);
	if (limits->open)
		printf(" of %u", limits->open);
	if (limits->new_per_second)
		printf(", and may begin %u of %u a second now",
		       explain_source_rate_left(&x->account, limits, x->now_ns), limits->new_per_second);
	puts("");
}

static void print_source(const struct explanation *x)
{
	char prefix[SOURCE_RULE_PREFIX_BYTES];

	if (x->is_listed)
		printf(ENTRY "%s is on the list: %s\n", "source", source_rule_format_prefix(prefix, &x->listed.key),
		       explain_words_listed(x->listed.entry.action));
	if (x->has_account)
		print_account(x);
	if (x->draws_answer)
		printf(ENTRY "%u more to its prefix at once\n", "answers", x->answers_left);
}

static void print_cookie(const struct explanation *x)
{
	if (x->cookie == EXPLAIN_COOKIE_NONE)
		return;
	printf(ENTRY "%s epoch %u, ", "cookie", x->cookie == EXPLAIN_COOKIE_MADE ? "made with the key of" : "of",
	       x->cookie_epoch);
	puts(explain_words_epoch(x));
}

static void print_notes(const struct explanation *x)
{
	if (x->always != VERDICT_COUNT)
		printf(ENTRY "policy always would say %s: %s\n", "monitored", verdict_info(x->always)->name,
		       verdict_info(x->always)->sentence);
	for (enum verdict v = 0; v < VERDICT_COUNT; v++) {
		if (x->outcome.noted[v])
			printf(ENTRY "%s: %s\n", "noted", verdict_info(v)->name, verdict_info(v)->sentence);
	}
}

static void print_entries(const struct explanation *x, __u32 missing_bytes)
{
	printf(ENTRY "%s\n", "reason", verdict_info(x->outcome.verdict)->sentence);
	printf(ENTRY "%u bytes, ", "frame", x->frame.bytes);
	if (x->frame.kind == PACKET_TCP)
		print_segment(&x->frame);
	else
		printf("%s", explain_words_kind(x->frame.kind));
	puts("");
	if (missing_bytes)
		printf(ENTRY "%u bytes were not captured, and are taken as zeros\n", "", missing_bytes);
	if (x->frame.has_tuple) {
		print_service(x);
		print_records("before", x->before);
		print_records("behind", x->after);
	}
	for (__u32 reason = 0; reason < BUDGET_COUNT; reason++) {
		if (x->draws[reason])
			printf(ENTRY "%s: %u more may pass at once\n", "budget", explain_words_budget(reason),
			       x->left[reason]);
	}
	print_source(x);
	print_cookie(x);
	print_notes(x);
}

/* --- packets ------------------------------------------------------------------------------------------------------ */

static void print_number(__u64 number)
{
	if (number)
		printf("#%-5llu ", number);
}

static void print_packet(const struct explain_print *print, __u64 number, __u32 missing_bytes,
			 const struct explanation *x)
{
	char flags[PACKET_CRAFT_FLAGS_BYTES];

	print_number(number);
	if (x->frame.has_tuple)
		print_ends(x);
	else
		printf("%s", explain_words_kind(x->frame.kind));
	if (x->way == EXPLAIN_UNSEEN || x->outcome.verdict == VERDICT_COUNT) {
		printf("  leaves: %s\n", explain_words_unseen(x));
		return;
	}
	printf("  %s  %s", verdict_info(x->outcome.verdict)->name,
	       x->way == EXPLAIN_ARRIVES ? explain_words_action(x->outcome.action) : "leaves");
	if (x->answer.kind == PACKET_TCP) {
		printf("  %s ", packet_craft_letters(flags, x->answer.packet.segment.flags));
		print_segment(&x->answer);
	}
	puts("");
	if (print->entries)
		print_entries(x, missing_bytes);
}

static void print_element(struct explain_print *print, struct json_object *object)
{
	const char *text = json_object_to_json_string_ext(object, JSON_C_TO_STRING_PRETTY | JSON_C_TO_STRING_SPACED);

	printf("%s\n%s", print->separates ? "," : "", text ? text : "null");
	print->separates = true;
	json_object_put(object);
}

void explain_print_begin(const struct explain_print *print)
{
	if (print->json)
		putchar('[');
}

void explain_print(struct explain_print *print, __u64 number, __u32 missing_bytes, const struct explanation *x)
{
	if (print->json)
		print_element(print, explain_json(number, missing_bytes, x));
	else
		print_packet(print, number, missing_bytes, x);
}

void explain_print_refused(struct explain_print *print, __u64 number, __u32 bytes, const char *why)
{
	struct json_object *object;

	if (!print->json) {
		print_number(number);
		printf("%u bytes: %s\n", bytes, why);
		return;
	}
	object = json_object_new_object();
	json_out_number(object, "number", number);
	json_out_number(object, "bytes", bytes);
	json_out_text(object, "error", why);
	print_element(print, object);
}

int explain_print_end(const struct explain_print *print)
{
	if (print->json)
		puts(print->separates ? "\n]" : "]");
	return fflush(stdout) ? -EIO : 0;
}
