// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <linux/bpf.h>
#include <string.h>

#include "talk.h"

void talk_init(struct talk *t, __u8 family, __u16 port)
{
	*t = (struct talk){
		.tuple = shield_tuple(family, port),
		.offer = { .tsval = 100000, .mss = 1460, .wscale = 7, .sack_permitted = true, .has_timestamps = true },
		.peer_nxt = TALK_PEER_ISN,
	};
}

struct packet_spec talk_syn(const struct talk *t)
{
	struct packet_spec spec = {
		.tuple = t->tuple,
		.direction = DIRECTION_RCV,
		.seq = t->peer_nxt,
		.window = 64240,
		.flags = TCP_FLAG_SYN | (t->ecn ? TCP_FLAG_ECE | TCP_FLAG_CWR : 0),
	};

	packet_build_options(&spec, LAYOUT_LINUX, &t->offer);
	return spec;
}

struct packet_spec talk_peer_segment(const struct talk *t, __u8 flags, __u32 payload_bytes)
{
	struct packet_spec spec = {
		.tuple = t->tuple,
		.direction = DIRECTION_RCV,
		.seq = t->peer_nxt,
		.ack = flags & TCP_FLAG_ACK ? t->own_nxt : 0,
		.window = TALK_WINDOW,
		.flags = flags,
		.payload_bytes = payload_bytes,
	};

	if (t->offer.has_timestamps && !(flags & TCP_FLAG_RST))
		packet_build_timestamps(&spec, t->offer.tsval, t->own_tsval);
	return spec;
}

struct packet_spec talk_owner_segment(const struct talk *t, __u8 flags, __u32 payload_bytes)
{
	struct packet_spec spec = {
		.tuple = t->tuple,
		.direction = DIRECTION_SND,
		.seq = t->own_nxt,
		.ack = flags & TCP_FLAG_ACK ? t->peer_nxt : 0,
		.window = TALK_WINDOW,
		.flags = flags,
		.payload_bytes = payload_bytes,
	};

	if (t->offer.has_timestamps && !(flags & TCP_FLAG_RST))
		packet_build_timestamps(&spec, t->own_tsval, t->offer.tsval);
	return spec;
}

static struct packet_view take_syn_ack(struct talk *t, enum verdict verdict)
{
	struct packet_spec syn = talk_syn(t);
	struct outcome answer = shield_receive_packet(&syn);
	struct packet_view view;

	assert_verdict(answer, verdict);
	assert_null(packet_build_read(&view, &answer.frame));
	t->iss = view.seq;
	t->own_nxt = view.seq + 1;
	t->own_tsval = view.options.tsval;
	t->peer_nxt++;
	return view;
}

void talk_get_cookie(struct talk *t)
{
	take_syn_ack(t, V_SYN_COOKIE);
}

void talk_get_kernel_cookie(struct talk *t)
{
	struct packet_view view = take_syn_ack(t, V_SYN_KERNEL_COOKIE);

	t->offer.has_timestamps = view.options.has_timestamps;
	t->offer.sack_permitted = view.options.sack_permitted;
	t->ecn = view.flags & TCP_FLAG_ECE;
	if (view.options.wscale == TCP_WSCALE_NONE)
		t->offer.wscale = TCP_WSCALE_NONE;
}

struct flow talk_flow_from_cookie(const struct talk *t, const struct packet_spec *ack)
{
	struct segment s = packet_build_segment(ack);
	__u64 now_ns = shield_now_ns();
	struct frame frame;
	struct flow f = {
		.tag = flow_tag(&t->tuple),
		.state = TCPS_SYN_RECEIVED,
		.owner = FLOW_OWNER_KERNEL,
		.flags = (shield_config.counts_flows ? FLOW_COUNTED : 0) | FLOW_COOKIE | FLOW_HANDOVER |
			 (t->offer.sack_permitted ? FLOW_SACK : 0) | (t->offer.has_timestamps ? FLOW_TIMESTAMPS : 0) |
			 (t->ecn ? FLOW_ECN : 0),
		.mss = t->offer.mss,
		.irs = TALK_PEER_ISN,
		.iss = t->iss,
		.rcv_nxt = TALK_PEER_ISN + 1,
		.rcv_wup = TALK_PEER_ISN + 1,
		.rcv_edge = TALK_PEER_ISN + 1 + 0xffff,
		.rcv_max = TALK_PEER_ISN + 1,
		.snd_nxt = t->iss + 1,
		.snd_una = t->iss,
		.snd_tsval = t->offer.has_timestamps ? t->own_tsval : 0,
		.born_s = now_ns / NSEC_PER_SEC,
		.snd_seen_ms = (__u32)(now_ns / NSEC_PER_MSEC),
	};

	packet_build(&frame, ack);
	if (judge_is_bare(&f, &s))
		memcpy(f.next_hop, frame.bytes + sizeof(f.next_hop), sizeof(f.next_hop));
	if (t->tuple.family == FAMILY_IPV6 && f.mss > SHIELD_MSS_IPV6)
		f.mss = SHIELD_MSS_IPV6;
	if (t->offer.wscale != TCP_WSCALE_NONE) {
		f.flags |= FLOW_WSCALE;
		f.snd_wscale = t->offer.wscale;
		f.rcv_wscale = SHIELD_RCV_WSCALE;
	}
	flow_judge(&f, &s, DIRECTION_RCV, now_ns, SHIELD_MSL_NS);
	return f;
}

static void assert_record_is_model(const struct talk *t)
{
	struct flow f;

	assert_true(shield_flow(&t->tuple, &f));
	assert_state(f.state, t->model.state);
	assert_int_equal(f.rcv_nxt, t->model.rcv_nxt);
	assert_int_equal(f.snd_nxt, t->model.snd_nxt);
	assert_memory_equal(&f, &t->model, sizeof(f));
}

void talk_open(struct talk *t)
{
	struct packet_spec ack;
	struct outcome o;

	talk_get_cookie(t);
	ack = talk_peer_segment(t, TCP_FLAG_ACK, 0);
	o = shield_receive_packet(&ack);
	assert_verdict(o, V_COOKIE_ACK);
	assert_int_equal(o.hint, SHIELD_HINT_VERIFY);
	t->model = talk_flow_from_cookie(t, &ack);
	talk_assert_state(t, TCPS_ESTABLISHED);
	assert_true(t->model.flags & FLOW_HANDOVER);
}

void talk_establish(struct talk *t)
{
	talk_open(t);
	talk_owner_sends(t, TCP_FLAG_ACK, 0);
	talk_assert_state(t, TCPS_ESTABLISHED);
	assert_false(t->model.flags & FLOW_HANDOVER);
}

void talk_model_takes(struct talk *t, const struct packet_spec *spec)
{
	struct segment s = packet_build_segment(spec);

	flow_judge(&t->model, &s, spec->direction, shield_now_ns(), SHIELD_MSL_NS);
}

struct outcome talk_passes(struct talk *t, const struct packet_spec *spec)
{
	struct outcome o;
	struct frame f;

	packet_build(&f, spec);
	o = spec->direction == DIRECTION_RCV ? shield_receive(&f) : shield_send(&f);
	talk_model_takes(t, spec);
	if (!flow_has_ended(&t->model))
		assert_record_is_model(t);
	return o;
}

struct outcome talk_peer_sends(struct talk *t, __u8 flags, __u32 payload_bytes)
{
	struct packet_spec spec;

	t->offer.tsval++;
	spec = talk_peer_segment(t, flags, payload_bytes);
	t->peer_nxt += payload_bytes + !!(flags & TCP_FLAG_FIN);
	return talk_passes(t, &spec);
}

struct outcome talk_owner_sends(struct talk *t, __u8 flags, __u32 payload_bytes)
{
	struct packet_spec spec;
	struct outcome o;

	t->own_tsval++;
	spec = talk_owner_segment(t, flags, payload_bytes);
	t->own_nxt += payload_bytes + !!(flags & TCP_FLAG_FIN);
	o = talk_passes(t, &spec);
	assert_verdict(o, V_OWN_SEGMENT);
	return o;
}

void talk_assert_state(const struct talk *t, enum tcp_state state)
{
	assert_record_is_model(t);
	assert_state(t->model.state, state);
	assert_int_equal(t->model.rcv_nxt, t->peer_nxt);
	assert_int_equal(t->model.snd_nxt, t->own_nxt);
}

/* As long as the peer may need to hear of a reset, or 2MSL; and CLOSED until the cookie is stale, from a full second.
 */
static void assert_ended_times(const struct ended *e, const struct flow *f)
{
	__u64 stale_ns = (f->born_s + 1) * NSEC_PER_SEC + COOKIE_LIFETIME_NS + COOKIE_SKEW_NS;
	__u64 deadline_ns = f->state == TCPS_TIME_WAIT ? f->deadline_ns : shield_now_ns();
	__u64 mark_ns = f->flags & FLOW_COOKIE && stale_ns > deadline_ns ? stale_ns - deadline_ns : 0;

	if (f->flags & FLOW_SND_RST) {
		deadline_ns = shield_now_ns() + 1000 * NSEC_PER_SEC;
		mark_ns = 0;
	}
	assert_int_equal(e->deadline_ms, (__u32)((deadline_ns + NSEC_PER_MSEC - 1) / NSEC_PER_MSEC));
	assert_int_equal(e->mark_s, (mark_ns + NSEC_PER_SEC - 1) / NSEC_PER_SEC);
}

void talk_assert_ended(const struct talk *t, enum tcp_state state)
{
	struct ended e;
	struct flow f;

	assert_false(shield_flow(&t->tuple, &f));
	assert_state(t->model.state, state == TCPS_COUNT ? TCPS_CLOSED : state);
	if (state == TCPS_COUNT && (t->model.flags & FLOW_SND_RST))
		state = TCPS_CLOSED;
	if (state == TCPS_COUNT) {
		assert_false(shield_ended(&t->tuple, &e));
		return;
	}
	assert_true(shield_ended(&t->tuple, &e));
	assert_state(e.state, state);
	assert_int_equal(e.owner, FLOW_OWNER_KERNEL);
	assert_int_equal(e.irs, t->model.irs);
	assert_int_equal(e.handshake, t->model.iss - t->model.irs);
	assert_int_equal(e.rcv_nxt, t->model.rcv_nxt);
	assert_int_equal(e.snd_nxt, t->model.snd_nxt);
	assert_int_equal(e.flags, (__u8)t->model.flags);
	assert_ended_times(&e, &t->model);
}
