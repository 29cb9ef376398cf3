/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What becomes of a packet, and by what. See explain.h.
 *
 * The program is not asked how it came to its verdict. What it looks at is in its maps, so it is read there before and
 * behind the packet: what has changed was changed by it.
 */
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <net/if.h>
#include <stdlib.h>
#include <string.h>

#include "clocks.h"
#include "cookie_site.h"
#include "explain.h"
#include "icmp.h"
#include "monitored.h"
#include "service_table.h"
#include "system.h"

#define BUDGETS (2 * BUDGET_COUNT) /* those of monitored services too */
#define EPOCHS_BACK 16		   /* for which a cookie that is too old is recognized */
#define ANSWERED 256		   /* tuples whose SYN xdp_ingress has answered: the last ones are remembered */
#define PART_BYTES 1024		   /* of text, of a long segment of this host's */

struct explain {
	struct device *device;
	struct device mirror; /* the twin's maps in the device's place, as far as they are read through it */
	struct twin *twin;
	struct service_spec *services;
	int service_count;
	struct listener_view *listeners;
	int listener_count;
	__u8 mac[6];
	int cpus;
	struct budget *budgets[2]; /* of each CPU: before a packet, and behind it */
	struct tuple answered[ANSWERED];
	__u64 answered_count;
	__u8 frame[2 + TWIN_FRAME_MAX] __attribute__((aligned(4)));
};

/* --- opening ----------------------------------------------------------------------------------------------------- */

static int read_surroundings(struct explain *e)
{
	char name[IF_NAMESIZE];
	struct system_device system;
	int err;

	if (!if_indextoname(e->device->config.ifindex, name))
		return -errno;
	err = system_device(name, &system);
	if (err)
		return err;
	memcpy(e->mac, system.mac, sizeof(e->mac));
	e->service_count = service_table_list(e->device, &e->services);
	if (e->service_count < 0)
		return e->service_count;
	e->listener_count = listener_list(&e->listeners);
	if (e->listener_count < 0)
		return e->listener_count;
	e->cpus = libbpf_num_possible_cpus();
	if (e->cpus < 0)
		return e->cpus;
	for (int i = 0; i < 2; i++)
		e->budgets[i] = calloc(BUDGETS * (size_t)e->cpus, sizeof(*e->budgets[i]));
	return e->budgets[0] && e->budgets[1] ? 0 : -ENOMEM;
}

static void mirror_maps(struct explain *e)
{
	device_init(&e->mirror);
	e->mirror.monitored_fd = twin_map(e->twin, "monitored");
	e->mirror.budgets_fd = twin_map(e->twin, "budgets");
	e->mirror.sentries_fd = twin_map(e->twin, "sentries");
	for (int i = 0; i < 2; i++) {
		e->mirror.flows_fd[i] = twin_map(e->twin, i ? "flows6" : "flows4");
		e->mirror.half_fd[i] = twin_map(e->twin, i ? "half6" : "half4");
		e->mirror.tw_fd[i] = twin_map(e->twin, i ? "tw6" : "tw4");
	}
}

int explain_open(struct device *device, __u32 queue, __u32 packets, struct explain **explain,
		 char error[TWIN_ERROR_BYTES])
{
	struct explain *e = calloc(1, sizeof(*e));
	int err;

	*explain = NULL;
	if (!e) {
		snprintf(error, TWIN_ERROR_BYTES, "%s", strerror(ENOMEM));
		return -ENOMEM;
	}
	e->device = device;
	err = twin_open(device, queue, packets, &e->twin, error);
	if (!err) {
		mirror_maps(e);
		err = read_surroundings(e);
		if (err)
			snprintf(error, TWIN_ERROR_BYTES, "services and listeners can not be read: %s", strerror(-err));
	}
	if (err) {
		explain_close(e);
		return err;
	}
	*explain = e;
	return 0;
}

void explain_close(struct explain *e)
{
	if (!e)
		return;
	twin_close(e->twin);
	free(e->services);
	free(e->listeners);
	free(e->budgets[0]);
	free(e->budgets[1]);
	free(e);
}

/* --- frames ------------------------------------------------------------------------------------------------------ */

static void read_options(struct explain_frame *out, const __u8 *frame)
{
	__u8 options[TCP_OPTIONS_BUFFER_BYTES] = {};
	const struct packet *p = &out->packet;
	__u32 from = p->tcp_offset + TCP_HEADER_BYTES;

	if (from + p->tcp_options_bytes > out->bytes)
		return;
	memcpy(options, frame + from, p->tcp_options_bytes);
	out->has_options = tcp_options_parse(options, p->tcp_options_bytes, &out->options);
}

/* The frame's words are aligned behind Ethernet's header. It may be padded, also where it was sent by this host. */
static void take_apart(struct explain_frame *out, __u8 *frame, __u32 bytes, enum direction direction)
{
	const struct frame f = { frame, frame + bytes, direction };
	struct icmp_error error;

	*out = (struct explain_frame){ .bytes = bytes };
	out->kind = packet_parse(&out->packet, &f);
	if (out->kind == PACKET_TCP)
		out->kind = packet_weigh(&out->packet, bytes, DIRECTION_RCV);
	if (out->kind == PACKET_TCP)
		read_options(out, frame);
	out->has_tuple = out->kind == PACKET_TCP || out->kind == PACKET_FRAGMENT || out->kind == PACKET_MALFORMED;
	out->tuple = out->packet.tuple;
	if (out->kind == PACKET_ICMP && icmp_parse(&out->packet, &f, &error)) {
		out->has_tuple = true;
		out->tuple = error.tuple;
	}
}

/* Which way the frame goes. */
static enum direction direction_of(const struct explain *e, const struct ethhdr *eth, __u32 bytes)
{
	bool is_own = bytes >= sizeof(*eth) && !memcmp(eth->h_source, e->mac, sizeof(e->mac));

	return is_own ? DIRECTION_SND : DIRECTION_RCV;
}

static int take_frame(struct explain *e, const void *frame, __u32 bytes, struct explain_frame *out)
{
	if (bytes > TWIN_FRAME_MAX)
		return -EMSGSIZE;
	memcpy(e->frame + 2, frame, bytes);
	take_apart(out, e->frame + 2, bytes, direction_of(e, (void *)(e->frame + 2), bytes));
	return 0;
}

int explain_expect(struct explain *e, const void *frame, __u32 bytes)
{
	struct explain_frame out;
	int err = take_frame(e, frame, bytes, &out);

	if (err == -EMSGSIZE || (!err && !out.has_tuple))
		return 0;
	return err ? err : twin_copy(e->twin, &out.tuple);
}

int explain_ready(struct explain *e)
{
	return twin_settle(e->twin);
}

/* --- what there is ----------------------------------------------------------------------------------------------- */

union record_key {
	struct flow4_key ipv4;
	struct flow6_key ipv6;
};

static int set_key(union record_key *key, const struct tuple *t)
{
	int i = t->family == FAMILY_IPV6;

	if (i)
		flow6_key_from_tuple(&key->ipv6, t);
	else
		flow4_key_from_tuple(&key->ipv4, t);
	return i;
}

bool explain_live_flow(const struct explain *e, const struct tuple *tuple, struct flow *flow)
{
	union record_key key;
	int i = set_key(&key, tuple);

	return !bpf_map_lookup_elem(e->mirror.flows_fd[i], &key, flow) && flow->deadline_ns > clocks_now_ns(e->device);
}

static void read_records(const struct explain *e, const struct tuple *t, struct explain_record *records)
{
	__u64 now_ns = clocks_now_ns(e->device);
	struct half_open half;
	union record_key key;
	struct ended ended;
	struct flow flow;
	int i = set_key(&key, t);

	memset(records, 0, FLOW_TABLE_COUNT * sizeof(*records));
	for (int table = 0; table < FLOW_TABLE_COUNT; table++)
		flow_view_set_key(&records[table].view, t->family, &key);
	if (!bpf_map_lookup_elem(e->mirror.half_fd[i], &key, &half))
		records[FLOW_TABLE_HALF].is_there =
			flow_view_set_half_open(&records[FLOW_TABLE_HALF].view, &half, now_ns);
	if (!bpf_map_lookup_elem(e->mirror.tw_fd[i], &key, &ended))
		records[FLOW_TABLE_ENDED].is_there =
			flow_view_set_ended(&records[FLOW_TABLE_ENDED].view, &ended, now_ns);
	if (bpf_map_lookup_elem(e->mirror.flows_fd[i], &key, &flow))
		return;
	records[FLOW_TABLE_LIVE].is_there = flow_view_set_live(&records[FLOW_TABLE_LIVE].view, &flow, now_ns);
	records[FLOW_TABLE_LIVE].snd_una = flow.snd_una;
	records[FLOW_TABLE_LIVE].rcv_edge = flow.rcv_edge;
}

/* The most specific first: address before wildcard, then port before wildcard. */
static const struct service_spec *find_service(const struct explain *e, const struct tuple *t)
{
	static const ipv6_bytes any;
	const struct service_spec *found = NULL;
	int best = -1;

	for (int i = 0; i < e->service_count; i++) {
		const struct service_spec *spec = &e->services[i];
		bool same_address = spec->family == t->family && !memcmp(spec->address, t->local, sizeof(any));
		bool is_any = !memcmp(spec->address, any, sizeof(any)) && (!spec->family || spec->family == t->family);
		int rank = 2 * same_address + !!spec->port;

		if ((!same_address && !is_any) || (spec->port && spec->port != t->local_port) || rank <= best)
			continue;
		best = rank;
		found = spec;
	}
	return found;
}

static void read_service(const struct explain *e, struct explanation *x)
{
	struct service_spec local_end = { .family = x->frame.tuple.family, .port = x->frame.tuple.local_port };

	x->service = find_service(e, &x->frame.tuple);
	memcpy(local_end.address, x->frame.tuple.local, sizeof(local_end.address));
	x->listeners = listener_match(e->listeners, e->listener_count, &local_end, e->device->config.ifindex);
}

/* --- what the packet has changed --------------------------------------------------------------------------------- */

static int read_budgets(const struct explain *e, struct budget *budgets)
{
	__u32 keys[BUDGETS], count = BUDGETS, place;

	if (bpf_map_lookup_batch(e->mirror.budgets_fd, NULL, &place, keys, budgets, &count, NULL) < 0 &&
	    errno != ENOENT)
		return -errno;
	return 0;
}

static void find_budgets(const struct explain *e, struct explanation *x)
{
	__u32 per_second = e->device->config.budget_per_second;

	for (__u32 i = 0; i < (__u32)BUDGETS * e->cpus; i++) {
		const struct budget *behind = &e->budgets[1][i];
		__u32 reason = i / e->cpus % BUDGET_COUNT;

		if (!memcmp(&e->budgets[0][i], behind, sizeof(*behind)))
			continue;
		x->draws[reason] = true;
		x->left[reason] = per_second ? behind->left_ns / (NSEC_PER_SEC / per_second) : 0;
	}
}

static int read_monitored(const struct explain *e, const struct explanation *x, struct monitored *sum)
{
	struct service_key key = { .family = x->frame.tuple.family };

	*sum = (struct monitored){};
	if (!x->service || x->service->policy != POLICY_MONITOR)
		return 0;
	key.port = x->service->port;
	memcpy(key.address, x->service->address, sizeof(key.address));
	return monitored_add(&e->mirror, &key, sum);
}

static enum verdict find_always(const struct monitored *before, const struct monitored *behind)
{
	enum verdict v = 0;

	while (v < VERDICT_COUNT && behind->verdicts[v] == before->verdicts[v])
		v++;
	return v;
}

/* What the device knows of where it comes from. left: of answers to the prefix, before the packet. */
static int read_source(const struct explain *e, struct explanation *x, __u32 *left)
{
	const struct tuple *t = &x->frame.tuple;
	int found;

	*left = 0;
	if (!x->frame.has_tuple)
		return 0;
	found = explain_source_listed(twin_map(e->twin, "source_lists"), t, x->now_ns, &x->listed);
	if (found < 0)
		return found;
	x->is_listed = found;
	found = 0;
	if (x->service && (x->service->limits.new_per_second || x->service->limits.open))
		found = explain_source_account(twin_map(e->twin, "source_accounts"), t, x->service, &x->account);
	if (found < 0)
		return found;
	x->has_account = found;
	return explain_source_answers(twin_map(e->twin, "prefix_budgets"), e->cpus, &e->device->config, t, x->now_ns,
				      left);
}

static int find_answers(const struct explain *e, struct explanation *x, __u32 left)
{
	int err;

	if (!x->frame.has_tuple || !e->device->config.answers_per_prefix)
		return 0;
	err = explain_source_answers(twin_map(e->twin, "prefix_budgets"), e->cpus, &e->device->config, &x->frame.tuple,
				     x->now_ns, &x->answers_left);
	x->draws_answer = x->answers_left != left || x->outcome.verdict == V_SYN_PREFIX_OVER_BUDGET;
	return err;
}

/* --- cookies ----------------------------------------------------------------------------------------------------- */

/*
 * The epoch of the cookie that the segment acknowledges. A clock takes what is of its own epoch or of the one before,
 * so the first one that takes it is of the cookie's epoch.
 */
static bool find_cookie(const struct explain *e, const struct explanation *x, __u32 *epoch)
{
	const struct config *conf = &e->device->config;
	const struct segment *s = &x->frame.packet.segment;
	const struct tcp_options *o = &x->frame.options;
	struct cookie_site site = cookie_site_for(conf, x->frame.tuple.family, x->service->owner);
	struct cookie_terms terms;
	bool found = false;

	for (__u32 candidate = x->epoch - EPOCHS_BACK; candidate != x->epoch + 2 && !found; candidate++) {
		struct cookie_clock clock = {};

		cookie_clock_set(&clock, &conf->keys, candidate * COOKIE_EPOCH_NS);
		found = cookie_check(&clock, &site, &x->frame.tuple, s->seq - 1, s->ack - 1, o->has_timestamps,
				     o->tsecr, &terms);
		explicit_bzero(&clock, sizeof(clock)); /* the epochs' keys */
		*epoch = candidate;
	}
	return found;
}

static void read_cookie(const struct explain *e, struct explanation *x)
{
	__u8 flags = x->frame.packet.segment.flags & (TCP_FLAG_SYN | TCP_FLAG_ACK | TCP_FLAG_RST);

	x->epoch = cookie_epoch(clocks_cookie_time_ns(e->device));
	if (x->outcome.verdict == V_SYN_COOKIE) {
		x->cookie = EXPLAIN_COOKIE_MADE;
		x->cookie_epoch = x->epoch;
	} else if (x->service && x->frame.has_options && flags == TCP_FLAG_ACK && find_cookie(e, x, &x->cookie_epoch)) {
		x->cookie = EXPLAIN_COOKIE_SHOWN;
	}
}

/* --- a packet ---------------------------------------------------------------------------------------------------- */

/* Its SYN got an answer here: the SYN-ACK that follows in a capture was made by xdp_ingress, too. */
static void remember_answered(struct explain *e, const struct explanation *x)
{
	if (x->outcome.action == XDP_TX)
		e->answered[e->answered_count++ % ANSWERED] = x->frame.tuple;
}

static bool was_answered(const struct explain *e, const struct tuple *t)
{
	for (__u64 i = 0; i < ANSWERED && i < e->answered_count; i++) {
		if (!memcmp(&e->answered[i], t, sizeof(*t)))
			return true;
	}
	return false;
}

static enum explain_way find_way(const struct explain *e, const struct explanation *x)
{
	__u8 syn_ack = TCP_FLAG_SYN | TCP_FLAG_ACK;

	if (direction_of(e, (const void *)(e->frame + 2), x->frame.bytes) == DIRECTION_RCV)
		return EXPLAIN_ARRIVES;
	if (x->service && x->service->owner == FLOW_OWNER_DAEMON)
		return EXPLAIN_UNSEEN;
	if (x->frame.kind == PACKET_TCP && (x->frame.packet.segment.flags & syn_ack) == syn_ack &&
	    was_answered(e, &x->frame.tuple))
		return EXPLAIN_UNSEEN;
	return EXPLAIN_LEAVES;
}

/*
 * A segment of this host's is captured before it is cut to what the wire carries, and may be longer than the program
 * can be shown: so it is cut here. What its text says does not matter. FIN and PSH are the last part's.
 */
static int run_in_parts(struct explain *e, struct explanation *x)
{
	const struct packet *p = &x->frame.packet;
	__u32 headers = p->ip_offset + p->headers_bytes, left = p->segment.payload_bytes, seq = p->segment.seq;
	struct tcphdr *tcp = (void *)(e->frame + 2 + p->tcp_offset);
	int err;

	do {
		__u32 part = left < PART_BYTES ? left : PART_BYTES;

		tcp->seq = net32(seq);
		err = twin_run(e->twin, DIRECTION_SND, e->frame + 2, headers + part, &x->outcome);
		left -= part;
		seq += part;
	} while (!err && left);
	return err;
}

static int run_programs(struct explain *e, struct explanation *x)
{
	if (x->way == EXPLAIN_ARRIVES)
		return twin_run(e->twin, DIRECTION_RCV, e->frame + 2, x->frame.bytes, &x->outcome);
	if (x->frame.kind == PACKET_TCP)
		return run_in_parts(e, x);
	return twin_run(e->twin, DIRECTION_SND, e->frame + 2, x->frame.bytes, &x->outcome);
}

/* What the packet meets, and what it leaves behind. */
static int run(struct explain *e, struct explanation *x)
{
	int err = read_budgets(e, e->budgets[0]);
	struct monitored monitored[2];
	__u32 answers;

	if (!err)
		err = read_source(e, x, &answers);
	if (!err)
		err = read_monitored(e, x, &monitored[0]);
	if (!err)
		err = run_programs(e, x);
	if (!err)
		err = read_budgets(e, e->budgets[1]);
	if (!err)
		err = read_monitored(e, x, &monitored[1]);
	if (!err)
		err = find_answers(e, x, answers);
	if (err)
		return err;
	find_budgets(e, x);
	x->always = find_always(&monitored[0], &monitored[1]);
	return 0;
}

/* What an arrival was answered with, and what it says of cookies. */
static void read_answer(struct explain *e, struct explanation *x)
{
	read_cookie(e, x);
	if (x->outcome.action != XDP_TX)
		return;
	take_apart(&x->answer, (__u8 *)x->outcome.frame, x->outcome.frame_bytes, DIRECTION_RCV);
	remember_answered(e, x);
}

int explain_packet(struct explain *e, const void *frame, __u32 bytes, struct explanation *x)
{
	int err;

	*x = (struct explanation){ .now_ns = clocks_now_ns(e->device) };
	err = take_frame(e, frame, bytes, &x->frame);
	if (err)
		return err;
	if (x->frame.has_tuple) {
		read_service(e, x);
		read_records(e, &x->frame.tuple, x->before);
	}
	x->way = find_way(e, x);
	if (x->way == EXPLAIN_UNSEEN)
		return 0;
	err = run(e, x);
	if (err)
		return err;
	if (x->frame.has_tuple)
		read_records(e, &x->frame.tuple, x->after);
	if (x->service && x->service->policy == POLICY_AUTO)
		bpf_map_lookup_elem(e->mirror.sentries_fd, &x->service->sentry, &x->sentry);
	if (x->way == EXPLAIN_ARRIVES)
		read_answer(e, x);
	return 0;
}
