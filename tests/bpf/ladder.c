// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <string.h>

#include "ladder.h"
#include "talk.h"

struct ladder ladder_begin(__u8 family, __u16 local_port)
{
	return (struct ladder){
		.tuple = shield_tuple(family, local_port),
		.irs = LADDER_PEER_ISN,
		.iss = LADDER_OWN_ISN,
		.peer_tsval = 100000,
		.own_tsval = 500000,
	};
}

struct ladder ladder_accepted(__u8 family)
{
	struct ladder l;
	struct talk t;

	talk_init(&t, family, PORT_ALWAYS);
	talk_establish(&t);
	l = ladder_begin(family, PORT_ALWAYS);
	l.irs = t.peer_nxt - 1;
	l.iss = t.iss;
	l.peer_tsval = t.offer.tsval;
	l.own_tsval = t.own_tsval;
	l.by_cookie = true;
	return l;
}

struct ladder ladder_opened(__u8 family)
{
	struct ladder l = ladder_begin(family, PORT_EPHEMERAL);

	shield_track_outgoing(true);
	/* clang-format off */
	ladder(&l,
/*	  who    flags      seq ack bytes  verdict      state             rcv_nxt  wup snd_nxt una */
	{ OWNER, SYN,         0,  0,    0, V_OWN_SYN,     TCPS_SYN_SENT,        0,   0,      1,  0 },
	{ PEER,  SYN | ACK,   0,  1,    0, V_SYN_ACK,     TCPS_ESTABLISHED,     1,   1,      1,  1 },
	{ OWNER, ACK,         1,  1,    0, V_OWN_SEGMENT, TCPS_ESTABLISHED,     1,   1,      1,  1 });
	/* clang-format on */
	return l;
}

struct ladder ladder_connection(int i)
{
	__u8 family = ladder_families[i % 2];

	shield_reset(NULL);
	return i / 2 ? ladder_opened(family) : ladder_accepted(family);
}

static void add_options(struct packet_spec *spec, __u32 tsval, __u32 tsecr)
{
	const struct tcp_options of_syn = { .tsval = tsval,
					    .tsecr = spec->flags & ACK ? tsecr : 0,
					    .mss = LADDER_MSS,
					    .wscale = LADDER_WSCALE,
					    .sack_permitted = true,
					    .has_timestamps = true };

	if (spec->flags & SYN)
		packet_build_options(spec, LAYOUT_LINUX, &of_syn);
	else if (!(spec->flags & RST))
		packet_build_timestamps(spec, tsval, tsecr);
}

static struct packet_spec packet_of(const struct ladder *l, const struct rung *r)
{
	bool own = r->sender == OWNER;
	struct packet_spec spec = {
		.tuple = l->tuple,
		.direction = r->sender,
		.seq = (own ? l->iss : l->irs) + r->seq,
		.ack = r->flags & ACK ? (own ? l->irs : l->iss) + r->ack : 0,
		.window = r->flags & SYN ? LADDER_WINDOW << LADDER_WSCALE >> 1 : LADDER_WINDOW,
		.flags = r->flags,
		.payload_bytes = r->bytes,
	};

	add_options(&spec, (own ? l->own_tsval : l->peer_tsval) - r->older, own ? l->peer_tsval : l->own_tsval);
	return spec;
}

/* Says where on the ladder something is wrong. */
#define check_number(l, what, got, want)                                                                               \
	do {                                                                                                           \
		__u32 got_ = (got), want_ = (want);                                                                    \
		if (got_ != want_)                                                                                     \
			fail_msg("rung %zu: " what " is %d, not %d", (l)->rung, (int)got_, (int)want_);                \
	} while (0)

static void check_name(const struct ladder *l, const char *what, const char *got, const char *want)
{
	if (strcmp(got, want) != 0)
		fail_msg("rung %zu: %s is %s, not %s", l->rung, what, got, want);
}

static void check_half_open(const struct ladder *l, const struct half_open *h, const struct rung *r)
{
	check_name(l, "state", tcp_state_name(h->state), tcp_state_name(r->state));
	check_number(l, "iss", h->iss, l->iss);
	check_number(l, "snd_nxt", h->snd_nxt - l->iss, r->snd_nxt);
	check_number(l, "irs", h->irs, r->state == TCPS_SYN_SENT ? 0 : l->irs);
	check_number(l, "being alive", h->deadline_ns > shield_now_ns(), true);
}

static void check_flow(const struct ladder *l, const struct flow *f, const struct rung *r)
{
	check_name(l, "state", tcp_state_name(f->state), tcp_state_name(r->state));
	check_number(l, "rcv_nxt", f->rcv_nxt - l->irs, r->rcv_nxt);
	check_number(l, "rcv_wup", f->rcv_wup - l->irs, r->rcv_wup);
	check_number(l, "snd_nxt", f->snd_nxt - l->iss, r->snd_nxt);
	check_number(l, "snd_una", f->snd_una - l->iss, r->snd_una);
	check_number(l, "being alive", f->deadline_ns > shield_now_ns(), true);
	check_number(l, "being ours", !!(f->flags & FLOW_OUTGOING), !l->by_cookie);
}

static void check_ended(const struct ladder *l, const struct ended *e, const struct rung *r)
{
	check_name(l, "state", tcp_state_name(e->state), tcp_state_name(r->state));
	check_number(l, "rcv_nxt", e->rcv_nxt - l->irs, r->rcv_nxt);
	check_number(l, "snd_nxt", e->snd_nxt - l->iss, r->snd_nxt);
}

static void check_record(const struct ladder *l, const struct rung *r)
{
	bool was_reset = r->sender == DIRECTION_SND && (r->flags & TCP_FLAG_RST);
	bool none = r->state == NO_RECORD || (r->state == TCPS_CLOSED && !l->by_cookie && !was_reset);
	bool is_half_open = r->state == TCPS_SYN_SENT || r->state == TCPS_SYN_RECEIVED;
	bool has_ended = !none && (r->state == TCPS_TIME_WAIT || r->state == TCPS_CLOSED);
	struct half_open h;
	struct ended e;
	struct flow f;

	check_number(l, "a half-open record", shield_half_open(&l->tuple, &h), is_half_open);
	check_number(l, "an ended record", shield_ended(&l->tuple, &e), has_ended);
	check_number(l, "a live record", shield_flow(&l->tuple, &f), !none && !is_half_open && !has_ended);
	if (is_half_open)
		check_half_open(l, &h, r);
	else if (has_ended)
		check_ended(l, &e, r);
	else if (!none)
		check_flow(l, &f, r);
}

static void climb_rung(struct ladder *l, const struct rung *r)
{
	__u32 ticks = 1 + r->later_s * 1000;
	struct packet_spec spec;
	struct outcome o;
	struct frame f;

	l->rung++;
	l->peer_tsval += ticks;
	l->own_tsval += ticks;
	if (r->later_s)
		shield_advance(r->later_s * NSEC_PER_SEC);
	spec = packet_of(l, r);
	packet_build(&f, &spec);
	o = r->sender == OWNER ? shield_send(&f) : shield_receive(&f);
	check_name(l, "verdict", shield_verdict_name(o.verdict), shield_verdict_name(r->verdict));
	check_record(l, r);
}

void ladder_climb(struct ladder *l, const struct rung *rungs, size_t count)
{
	l->rung = 0;
	for (size_t i = 0; i < count; i++)
		climb_rung(l, &rungs[i]);
}
