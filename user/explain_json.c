/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * An explanation as JSON. See explain_json.h.
 */
#include <linux/bpf.h>

#include "explain_json.h"
#include "explain_words.h"
#include "format.h"
#include "json_out.h"

static void add_options(struct json_object *object, const struct tcp_options *o)
{
	if (o->mss)
		json_out_number(object, "mss", o->mss);
	if (o->wscale != TCP_WSCALE_NONE)
		json_out_number(object, "wscale", o->wscale);
	json_out_bool(object, "sack", o->sack_permitted);
	json_out_bool(object, "timestamps", o->has_timestamps);
	if (o->has_timestamps) {
		json_out_number(object, "tsval", o->tsval);
		json_out_number(object, "tsecr", o->tsecr);
	}
}

/* Where the packet is TCP, and whole. */
static void add_segment(struct json_object *object, const struct explain_frame *f)
{
	const struct segment *s = &f->packet.segment;
	char flags[PACKET_CRAFT_FLAGS_BYTES];

	json_out_text(object, "flags", packet_craft_letters(flags, s->flags));
	json_out_number(object, "seq", s->seq);
	json_out_number(object, "ack", s->ack);
	json_out_number(object, "window", s->window);
	json_out_number(object, "payload_bytes", s->payload_bytes);
	if (f->has_options)
		add_options(object, &f->options);
}

static struct json_object *frame_to_json(const struct explain_frame *f, __u32 missing_bytes)
{
	struct json_object *object = json_object_new_object();
	char address[FORMAT_ADDRESS_BYTES];
	const struct tuple *t = &f->tuple;

	json_out_text(object, "kind", explain_words_kind(f->kind));
	json_out_number(object, "bytes", f->bytes);
	json_out_number(object, "missing_bytes", missing_bytes);
	if (f->has_tuple) {
		json_out_text(object, "remote_address", format_address(address, t->family, (const __u8 *)t->remote));
		json_out_number(object, "remote_port", t->remote_port);
		json_out_text(object, "local_address", format_address(address, t->family, (const __u8 *)t->local));
		json_out_number(object, "local_port", t->local_port);
	}
	if (f->kind == PACKET_TCP)
		add_segment(object, f);
	return object;
}

static struct json_object *sentry_to_json(const struct explanation *x)
{
	__u32 limit = explain_words_half_open(x->service);
	struct json_object *object = json_object_new_object();
	bool flooded = sentry_is_flooded(&x->sentry, x->now_ns);

	json_out_text(object, "state", flooded ? "flood" : "calm");
	json_out_number(object, "under_way", sentry_pressure(&x->sentry, limit, x->now_ns));
	json_out_number(object, "half_open", limit);
	json_out_text(object, "cause", flooded ? explain_words_cause(x->sentry.cause) : NULL);
	return object;
}

static struct json_object *service_to_json(const struct explanation *x)
{
	const struct service_spec *spec = x->service;
	char text[SERVICE_SPEC_FULL_BYTES];
	struct json_object *object;

	if (!spec)
		return NULL;
	object = json_object_new_object();
	service_spec_format_full(spec, text, sizeof(text));
	json_out_text(object, "spec", text);
	json_out_text(object, "policy", service_spec_policy_name(spec->policy));
	json_out_text(object, "owner", service_spec_owner_name(spec->owner));
	json_out_member(object, "sentry", spec->policy == POLICY_AUTO ? sentry_to_json(x) : NULL);
	json_out_text(object, "listener",
		      spec->owner == FLOW_OWNER_KERNEL ? explain_words_listener(&x->listeners) : NULL);
	return object;
}

static struct json_object *record_to_json(const struct explain_record *record)
{
	struct json_object *object = json_object_new_object();
	const struct flow_view *v = &record->view;
	char terms[FORMAT_OPTIONS_BYTES];

	json_out_text(object, "map", explain_words_table(v));
	json_out_text(object, "state", tcp_state_name(v->state));
	json_out_text(object, "owner", service_spec_owner_name(v->owner));
	json_out_number(object, "rcv_nxt", v->rcv_nxt);
	json_out_number(object, "snd_nxt", v->snd_nxt);
	if (v->table == FLOW_TABLE_LIVE) {
		json_out_number(object, "rcv_edge", record->rcv_edge);
		json_out_number(object, "snd_una", record->snd_una);
	}
	json_out_number(object, "left_ms", v->left_ns / NSEC_PER_MSEC);
	json_out_text(object, "options", format_options(terms, v->flags, v->snd_wscale, v->rcv_wscale, v->mss));
	return object;
}

static struct json_object *records_to_json(const struct explain_record *records)
{
	struct json_object *list = json_object_new_array();

	for (int table = 0; table < FLOW_TABLE_COUNT; table++) {
		if (records[table].is_there)
			json_object_array_add(list, record_to_json(&records[table]));
	}
	return list;
}

static struct json_object *budgets_to_json(const struct explanation *x)
{
	struct json_object *list = json_object_new_array(), *object;

	for (__u32 reason = 0; reason < BUDGET_COUNT; reason++) {
		if (!x->draws[reason])
			continue;
		object = json_object_new_object();
		json_out_text(object, "for", explain_words_budget(reason));
		json_out_number(object, "left", x->left[reason]);
		json_object_array_add(list, object);
	}
	return list;
}

static struct json_object *listed_to_json(const struct explanation *x)
{
	char prefix[SOURCE_RULE_PREFIX_BYTES];
	struct json_object *object;

	if (!x->is_listed)
		return NULL;
	object = json_object_new_object();
	json_out_text(object, "prefix", source_rule_format_prefix(prefix, &x->listed.key));
	json_out_text(object, "action", explain_words_listed(x->listed.entry.action));
	return object;
}

static struct json_object *account_to_json(const struct explanation *x)
{
	const struct source_limits *limits = x->service ? &x->service->limits : NULL;
	struct json_object *object;

	if (!x->has_account)
		return NULL;
	object = json_object_new_object();
	json_object_object_add(object, "open", json_object_new_int(x->account.open));
	json_out_number(object, "open_limit", limits->open);
	if (limits->new_per_second)
		json_out_number(object, "new_left", explain_source_rate_left(&x->account, limits, x->now_ns));
	json_out_number(object, "new_limit", limits->new_per_second);
	return object;
}

static struct json_object *answers_to_json(const struct explanation *x)
{
	struct json_object *object;

	if (!x->draws_answer)
		return NULL;
	object = json_object_new_object();
	json_out_number(object, "left", x->answers_left);
	return object;
}

static struct json_object *cookie_to_json(const struct explanation *x)
{
	struct json_object *object;

	if (x->cookie == EXPLAIN_COOKIE_NONE)
		return NULL;
	object = json_object_new_object();
	json_out_text(object, "is", x->cookie == EXPLAIN_COOKIE_MADE ? "made" : "shown");
	json_out_number(object, "epoch", x->cookie_epoch);
	json_out_number(object, "epoch_now", x->epoch);
	return object;
}

static struct json_object *notes_to_json(const struct explanation *x)
{
	struct json_object *list = json_object_new_array();

	for (enum verdict v = 0; v < VERDICT_COUNT; v++) {
		if (x->outcome.noted[v])
			json_object_array_add(list, json_object_new_string(verdict_info(v)->name));
	}
	return list;
}

static void add_outcome(struct json_object *object, const struct explanation *x)
{
	const struct verdict_info *info = verdict_info(x->outcome.verdict);
	bool answers = x->answer.kind == PACKET_TCP;

	json_out_text(object, "verdict", info->name);
	json_out_text(object, "sentence", info->sentence);
	json_out_text(object, "action", x->way == EXPLAIN_ARRIVES ? explain_words_action(x->outcome.action) : NULL);
	json_out_member(object, "answer", answers ? frame_to_json(&x->answer, 0) : NULL);
	json_out_member(object, "service", service_to_json(x));
	json_out_member(object, "before", records_to_json(x->before));
	json_out_member(object, "behind", records_to_json(x->after));
	json_out_member(object, "budgets", budgets_to_json(x));
	json_out_member(object, "listed", listed_to_json(x));
	json_out_member(object, "account", account_to_json(x));
	json_out_member(object, "answers", answers_to_json(x));
	json_out_member(object, "cookie", cookie_to_json(x));
	json_out_text(object, "always", x->always == VERDICT_COUNT ? NULL : verdict_info(x->always)->name);
	json_out_member(object, "noted", notes_to_json(x));
}

struct json_object *explain_json(__u64 number, __u32 missing_bytes, const struct explanation *x)
{
	struct json_object *object = json_object_new_object();

	if (number)
		json_out_number(object, "number", number);
	json_out_member(object, "packet", frame_to_json(&x->frame, missing_bytes));
	json_out_bool(object, "leaves", x->way != EXPLAIN_ARRIVES);
	if (x->way == EXPLAIN_UNSEEN || x->outcome.verdict == VERDICT_COUNT)
		json_out_text(object, "verdict", NULL);
	else
		add_outcome(object, x);
	return object;
}
