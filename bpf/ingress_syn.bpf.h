/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * A SYN for a service: to its owner, or answered with a cookie. Nothing is stored here, whatever comes.
 *
 * For a service of the daemon's all is the same, but that its terms are in the config and no listener is asked.
 */
#ifndef SYNKEEP_INGRESS_SYN_BPF_H
#define SYNKEEP_INGRESS_SYN_BPF_H

#include "addresses.h"
#include "answer.bpf.h"
#include "budget.bpf.h"
#include "clock.bpf.h"
#include "cookie_site.h"
#include "daemon.bpf.h"
#include "ip_options.bpf.h"
#include "kernel_cookie.bpf.h"
#include "local_end.bpf.h"
#include "monitor.bpf.h"
#include "options.bpf.h"
#include "prefix_budget.bpf.h"
#include "presence.bpf.h"
#include "source_list.bpf.h"
#include "time_wait.bpf.h"
#include "verdict.bpf.h"

/*
 * How a SYN for a listener is answered. With a full accept queue it is not, as the kernel does it: the peer repeats its
 * SYN until there is room. A cookie would let it believe in a connection that waits for it to speak first.
 */
static __always_inline enum verdict syn_verdict(const struct listener *listener, const struct config *conf)
{
	enum handover_reason reason = listener_handover(listener, conf->best_handover);

	switch (handover_way(reason)) {
	case HANDOVER_KFUNC:
		return listener->queue_full ? V_SYN_QUEUE_FULL : V_SYN_COOKIE;
	case HANDOVER_HELPER:
		return listener->queue_full ? V_SYN_QUEUE_FULL : V_SYN_KERNEL_COOKIE;
	default:
		return reason == HANDOVER_BECAUSE_NO_SYNCOOKIES ? V_SYN_SYSCTL : V_SYN_UNANSWERED;
	}
}

/* What the daemon's TCP promises. Whether it is there is asked each time: a cookie that nobody takes is a lie. */
static __always_inline enum verdict syn_read_daemon(struct xdp_md *ctx, struct listener *l, const struct config *conf)
{
	const struct daemon_terms *terms = &conf->daemon_terms;

	*l = (struct listener){
		.owner = FLOW_OWNER_DAEMON,
		.window = terms->window,
		.wscale = terms->flags & FLOW_WSCALE,
		.sack = terms->flags & FLOW_SACK,
		.ecn = terms->flags & FLOW_ECN,
		.timestamps = !!(terms->flags & FLOW_TIMESTAMPS),
	};
	return daemon_is_here(ctx) ? V_SYN_COOKIE : V_DAEMON_GONE;
}

/*
 * Looks up who would get the SYN. V_SYN_LIVE: a tuple that is live or in TIME-WAIT decides for itself, for a cookie
 * would leave its peer hanging (RFC 5961, 4; RFC 6191). Any other verdict is of the listener, and is remembered, but
 * not while its accept queue fills.
 */
__noinline enum verdict syn_find_owner(struct xdp_md *ctx, const struct packet *p, struct local_end *end)
{
	const struct config *conf = config_get();
	struct bpf_sock *socket;
	struct tcp_sock *tp;

	if (!p || !end || !conf)
		return V_SYN_NO_LISTENER;
	if (end->service.owner == FLOW_OWNER_DAEMON)
		return syn_read_daemon(ctx, &end->listener, conf);
	socket = socket_find(ctx, &p->tuple);
	if (socket && socket_kind(socket->state) != SOCKET_LISTENING) {
		bpf_sk_release(socket);
		presence_mark(conf, &p->tuple);
		return V_SYN_LIVE;
	}
	end->listener_verdict = V_SYN_NO_LISTENER;
	tp = socket ? bpf_skc_to_tcp_sock(socket) : NULL;
	if (tp) {
		socket_read_listener(tp, &end->listener);
		end->listener_verdict = syn_verdict(&end->listener, conf);
	}
	if (socket)
		bpf_sk_release(socket);
	end->has_listener = !tp || !end->listener.queue_filling;
	return end->listener_verdict;
}

static __always_inline enum verdict syn_owner(struct xdp_md *ctx, const struct packet *p, struct local_end *end,
					      const struct config *conf)
{
	if (end->has_listener && end->service.sockets_known && !presence_has(conf, &p->tuple))
		return end->listener_verdict;
	return syn_find_owner(ctx, p, end);
}

/* What the listener can buffer, in whole segments of the peer's, as the kernel offers it in its own SYN-ACKs. */
static __always_inline __u16 syn_window(const struct listener *listener, __u32 mss)
{
	__u32 window = listener->window > 0xffff ? 0xffff : listener->window;

	if (listener->window_clamp && window > listener->window_clamp)
		window = listener->window_clamp;
	return mss && window > mss ? window - window % mss : window;
}

static __always_inline void syn_agree(struct cookie_terms *terms, const struct packet *p, const struct tcp_options *o,
				      const struct listener *l)
{
	__u8 ecn_setup = TCP_FLAG_ECE | TCP_FLAG_CWR;  /* RFC 3168, 6.1.1 */
	__u16 least = cookie_min_mss(p->tuple.family); /* as Linux's cookies have it: every path carries that */

	terms->mss = o->mss > least ? o->mss : least;
	terms->wscale = l->wscale ? o->wscale : TCP_WSCALE_NONE;
	terms->sack = l->sack && o->sack_permitted;
	terms->timestamps = l->timestamps && o->has_timestamps;
	terms->ecn = l->ecn && (p->segment.flags & ecn_setup) == ecn_setup;
}

/* What a SYN-ACK offers: the handshake's terms, and the cookie that keeps them. */
struct syn_offer {
	struct cookie cookie;
	struct cookie_terms terms;
};

__noinline int syn_offer(const struct packet *p, const struct tcp_options *o, const struct listener *l,
			 struct cpu_clock *clock, struct syn_offer *offer)
{
	const struct config *conf = config_get();
	struct cookie_site site;

	if (!p || !o || !l || !clock || !offer || !conf)
		return -1;
	site = cookie_site_for(conf, p->tuple.family, l->owner);
	syn_agree(&offer->terms, p, o, l);
	offer->terms.rcv_wscale = site.rcv_wscale;
	offer->cookie = cookie_make(&clock->cookie, &site, &p->tuple, p->segment.seq, &offer->terms);
	clock->cookie_sent_ns = clock->now_ns;
	return 0;
}

/* The same with a cookie of the kernel's own, which needs nobody here when it comes back. False: there is none. */
__noinline bool syn_offer_of_kernel(struct xdp_md *ctx, const struct packet *p, const struct tcp_options *o,
				    const struct listener *l, struct syn_offer *offer)
{
	const struct config *conf = config_get();

	if (!p || !o || !l || !offer || !conf)
		return false;
	syn_agree(&offer->terms, p, o, l);
	kernel_cookie_limit(&offer->terms, l->timestamps);
	offer->terms.rcv_wscale = kernel_cookie_rcv_wscale(conf->rcv_wscale, l->window, l->window_clamp);
	offer->cookie.tsval = kernel_cookie_tsval(&offer->terms, bpf_ktime_get_ns() / NSEC_PER_MSEC);
	return kernel_cookie_make(ctx, p, offer->terms.mss, &offer->cookie.isn);
}

/* False: the frame could not be made into the answer. */
__noinline bool syn_answer(struct xdp_md *ctx, const struct packet *p, const struct tcp_options *o,
			   const struct listener *l, const struct syn_offer *offer)
{
	const struct config *conf = config_get();
	const struct cookie_terms *terms;
	struct answer answer = {};

	if (!p || !o || !l || !offer || !conf)
		return false;
	terms = &offer->terms;
	answer.tuple = p->tuple;
	answer.ip_offset = p->ip_offset;
	answer.frame_bytes = p->ip_offset + p->segment.packet_bytes;
	answer.seq = offer->cookie.isn;
	answer.ack = p->segment.seq + 1;
	answer.tsval = offer->cookie.tsval;
	answer.tsecr = o->tsval;
	answer.window = syn_window(l, terms->mss);
	answer.mss = o->mss ? cookie_site_for(conf, p->tuple.family, l->owner).mss : 0;
	answer.wscale = terms->wscale == TCP_WSCALE_NONE ? TCP_WSCALE_NONE : terms->rcv_wscale;
	answer.sack = terms->sack;
	answer.timestamps = terms->timestamps;
	answer.flags = TCP_FLAG_SYN | TCP_FLAG_ACK | (terms->ecn ? TCP_FLAG_ECE : 0);
	return answer_write(ctx, &answer);
}

/* The sentry knows when a cookie was last sent: once a jiffy it is told. */
static __always_inline void syn_note_cookie(struct local_end *end, const struct cpu_clock *clock)
{
	struct sentry *s = end->cookie_noted ? NULL : sentry_of(&end->service);

	if (s)
		s->cookie_sent_ns = clock->now_ns;
	end->cookie_noted = true;
}

/* A SYN that a cookie could answer, as far as the packet alone tells. */
static __always_inline enum verdict syn_protected(struct xdp_md *ctx, const struct packet *p, struct local_end *end,
						  struct cpu_clock *clock, const struct config *conf)
{
	struct tcp_options options;
	struct syn_offer offer = {};
	enum verdict verdict;

	if (!options_read_usual(ctx, p, &options) && !options_read_xdp(ctx, p, &options))
		return V_BAD_OPTIONS;
	if (options.has_signature && !end->service.passes_signed)
		return V_SYN_SIGNED_REFUSED;
	if (options.has_signature)
		return budget_spend(end->service.policy, BUDGET_SYN_SIGNED, V_SYN_SIGNED, clock, conf);
	verdict = syn_owner(ctx, p, end, conf);
	/* Whether the kernel would give its cookie is not asked: to ask tells its listener of an overflow. */
	if (end->service.policy == POLICY_MONITOR && verdict_action(verdict) == VERDICT_TX)
		return verdict;
	if (verdict_action(verdict) == VERDICT_TX && !prefix_budget_spend(p, clock, conf))
		return V_SYN_PREFIX_OVER_BUDGET;
	switch (verdict) {
	case V_SYN_LIVE:
		return budget_spend(end->service.policy, BUDGET_SYN_LIVE, V_SYN_LIVE, clock, conf);
	case V_SYN_NO_LISTENER:
		return budget_spend(end->service.policy, BUDGET_SYN_NO_LISTENER, V_SYN_NO_LISTENER, clock, conf);
	case V_SYN_COOKIE:
		syn_note_cookie(end, clock);
		syn_offer(p, &options, &end->listener, clock, &offer);
		break;
	case V_SYN_KERNEL_COOKIE:
		sentry_note_kernel_cookie(&end->service, clock);
		if (!syn_offer_of_kernel(ctx, p, &options, &end->listener, &offer))
			return V_SYN_NO_COOKIE;
		break;
	default:
		return verdict;
	}
	return syn_answer(ctx, p, &options, &end->listener, &offer) ? verdict : V_SYN_NO_ROOM;
}

/* What policy always makes of a SYN, but that it is not answered where the policy is monitor. */
static __always_inline enum verdict syn_judge(struct xdp_md *ctx, struct packet *p, struct local_end *end,
					      struct cpu_clock *clock, const struct config *conf)
{
	struct ethhdr *eth = (void *)(long)ctx->data;

	if (packet_flags_impossible(p->segment.flags))
		return V_BAD_FLAGS;
	if (config_is_draining(conf, clock->now_ns))
		return V_SYN_DRAINING;
	if ((void *)(eth + 1) > (void *)(long)ctx->data_end || !addresses_possible(&p->tuple, eth))
		return V_IMPOSSIBLE_ADDRESS;
	if (p->has_ip_options && ip_options_need_owner(ctx, p))
		return budget_spend(end->service.policy, BUDGET_NOT_UNDERSTOOD, V_NOT_UNDERSTOOD, clock, conf);
	return syn_protected(ctx, p, end, clock, conf);
}

/* Its answer is no longer than the SYN, and only what one could be from gets one (RFC 9293, 3.10.7.1). */
__noinline enum verdict syn_refuse(struct xdp_md *ctx, const struct packet *p)
{
	struct ethhdr *eth = (void *)(long)ctx->data;
	struct answer answer = { .wscale = TCP_WSCALE_NONE, .flags = TCP_FLAG_RST | TCP_FLAG_ACK };

	if (!p || packet_flags_impossible(p->segment.flags) || (void *)(eth + 1) > (void *)(long)ctx->data_end ||
	    !addresses_possible(&p->tuple, eth))
		return V_DAEMON_GONE;
	answer.tuple = p->tuple;
	answer.ip_offset = p->ip_offset;
	answer.frame_bytes = p->ip_offset + p->segment.packet_bytes;
	answer.ack = p->segment.seq + 1 + p->segment.payload_bytes;
	return answer_write(ctx, &answer) ? V_DAEMON_GONE_REFUSED : V_SYN_NO_ROOM;
}

/* A SYN that the daemon was to have, and what becomes of it where none is. */
static __always_inline enum verdict syn_given(struct xdp_md *ctx, const struct packet *p, const struct local_end *end,
					      const struct cpu_clock *clock, const struct config *conf,
					      enum verdict verdict)
{
	if (verdict == V_DAEMON_GONE && end->has_service && end->service.gone == GONE_REFUSE)
		verdict = prefix_budget_spend(p, clock, conf) ? syn_refuse(ctx, p) : V_SYN_PREFIX_OVER_BUDGET;
	make_opaque(verdict); /* clang 19 knows what a global function can return, the verifier does not */
	return verdict;
}

/*
 * What is not answered or dropped, the daemon sees. A handshake that begins in calm may be under way when a flood
 * begins: its SYN again must then find its record, and not be answered by a cookie. Calm bounds how many these are.
 */
static __always_inline enum verdict syn_for_daemon(struct xdp_md *ctx, const struct packet *p,
						   const struct local_end *end, const struct cpu_clock *clock,
						   const struct config *conf, enum verdict verdict)
{
	if (verdict == V_SYN_CALM)
		presence_mark(conf, &p->tuple);
	if (verdict_action(verdict) == VERDICT_PASS)
		verdict = daemon_give(ctx, DAEMON_SYN);
	return syn_given(ctx, p, end, clock, conf, verdict);
}

/*
 * Whether the tuple has a connection of the daemon's. Where a service is, a look at the presence filter comes first;
 * elsewhere the daemon has opened it, and the filter may not have heard of it yet.
 */
static __always_inline enum daemon_tuple syn_on_daemons(const struct packet *p, const struct local_end *end,
							const struct cpu_clock *clock, const struct config *conf)
{
	if (!end->is_daemon_port || (end->has_service && !presence_has(conf, &p->tuple)))
		return DAEMON_TUPLE_NONE;
	return daemon_tuple(&p->tuple, clock, conf);
}

/* The TCB decides (RFC 5961, 4), or TIME-WAIT (RFC 6191). */
static __always_inline enum verdict syn_again(struct xdp_md *ctx, struct packet *p, const struct local_end *end,
					      enum daemon_tuple has, const struct cpu_clock *clock,
					      const struct config *conf)
{
	enum service_policy policy = end->has_service ? end->service.policy : POLICY_ALWAYS;
	enum verdict verdict;

	if (has == DAEMON_TUPLE_TIME_WAIT)
		return time_wait_segment(ctx, p, policy, clock, conf);
	verdict = budget_spend(policy, BUDGET_SYN_LIVE, V_DAEMON_SYN, clock, conf);
	return verdict == V_DAEMON_SYN ? daemon_give(ctx, DAEMON_SYN) : verdict;
}

/*
 * Policy auto: whether the SYN goes to its owner. In calm it costs the sentry's look, and once a jiffy and CPU one at
 * the listener; what presses it too much is answered already.
 */
__noinline bool syn_is_calm(struct xdp_md *ctx, const struct packet *p, struct local_end *end,
			    const struct cpu_clock *clock)
{
	struct sentry *s = end ? sentry_of(&end->service) : NULL;
	enum sentry_cause cause = SENTRY_NONE;
	struct service_key key;

	if (!s || !p || !clock)
		return true;
	if (sentry_is_flooded(s, clock->now_ns)) {
		end->syns++;
		return false;
	}
	key = end->service_key; /* as in local_end_read() */
	if (s->flood_since_ns)
		sentry_all_clear(&end->service, &key, clock->now_ns);
	if (sentry_press(s, end->service.half_open, 1, clock->now_ns))
		cause = SENTRY_HALF_OPEN;
	else if (end->service.owner == FLOW_OWNER_KERNEL) {
		if (!end->has_listener)
			syn_find_owner(ctx, p, end);
		if (end->listener.pressed)
			cause = SENTRY_QUEUE;
	}
	if (cause != SENTRY_NONE)
		sentry_alarm(&end->service, &key, cause, clock->now_ns);
	return cause == SENTRY_NONE;
}

/* What the source's limits have against the SYN; V_OTHER: nothing. Only services with limits pay for it. */
static __always_inline enum verdict syn_beyond_limits(const struct packet *p, const struct local_end *end,
						      const struct cpu_clock *clock)
{
	if (!service_has_limits(&end->service) || p->source_allowed)
		return V_OTHER;
	return source_limit_of_syn(&p->tuple, &end->service, clock);
}

/* Connections that count are counted here, behind a cookie: the daemon's TCP completes no handshake of them itself. */
static __always_inline bool syn_needs_cookie(const struct service *service)
{
	return service->owner == FLOW_OWNER_DAEMON && service_counts_flows(service);
}

/* What the service's policy makes of a SYN. */
static __always_inline enum verdict syn_by_policy(struct xdp_md *ctx, struct packet *p, struct local_end *end,
						  struct cpu_clock *clock, const struct config *conf)
{
	enum verdict verdict;

	if (end->service.policy == POLICY_OFF)
		return V_SYN_OFF;
	if (source_list_denies(p, clock, conf))
		return V_DENIED;
	verdict = syn_beyond_limits(p, end, clock);
	if (verdict != V_OTHER)
		return verdict;
	if (end->service.policy == POLICY_AUTO && !syn_needs_cookie(&end->service) && syn_is_calm(ctx, p, end, clock))
		return V_SYN_CALM;
	return syn_judge(ctx, p, end, clock, conf);
}

static __always_inline enum verdict ingress_syn(struct xdp_md *ctx, struct packet *p, struct cpu_clock *clock,
						const struct config *conf)
{
	struct local_end *end = local_end_get(ctx, p, clock, conf);
	enum daemon_tuple has = end ? syn_on_daemons(p, end, clock, conf) : DAEMON_TUPLE_NONE;
	enum verdict verdict;

	if (has)
		return syn_given(ctx, p, end, clock, conf, syn_again(ctx, p, end, has, clock, conf));
	if (!end || !end->has_service)
		return V_NO_SERVICE;
	if (end->is_transit)
		return V_TRANSIT;
	verdict = syn_by_policy(ctx, p, end, clock, conf);
	if (end->service.owner == FLOW_OWNER_DAEMON)
		return syn_for_daemon(ctx, p, end, clock, conf, verdict);
	return end->service.policy == POLICY_MONITOR ? monitor_syn(ctx, p, end, verdict) : verdict;
}

#endif /* SYNKEEP_INGRESS_SYN_BPF_H */
