// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Synkeep's programs. Read this file first: it is a packet's way, each step in a header of its own.
 *
 *   xdp_ingress   every frame that arrives
 *     packet.h                cuts it into what is judged
 *     service.bpf.h           is it for a service?
 *     sentry.bpf.h            is the service calm, or under flood?
 *     source_limit.bpf.h      has its source as much of it as it may?
 *     records.bpf.h           is it of a flow? the judge (include/judge.h) steps the flow's state
 *     source_list.bpf.h       is its source denied? asked of what no flow claims
 *     ingress_syn.bpf.h       a SYN: to its owner, or answered by a cookie (answer.bpf.h)
 *       local_end.bpf.h         which listener it is for
 *       presence.bpf.h          whether its tuple may have a socket
 *       kernel_cookie.bpf.h     cookies of the kernel's own
 *       prefix_budget.bpf.h     how many answers a prefix of addresses may get
 *     ingress_segment.bpf.h   anything else: handshakes, cookies, adoption (socket.bpf.h), strangers (budget.bpf.h)
 *     ingress_daemon.bpf.h    what is the daemon's: to its AF_XDP socket (daemon.bpf.h)
 *     time_wait.bpf.h         what is left of its connections for 2MSL, answered here
 *     ingress_icmp.bpf.h      ICMP errors about segments of the daemon's, and about keepalive probes
 *     outgoing.bpf.h          where no service is: connections that this host opens
 *     monitor.bpf.h           where the policy is monitor, what they decided is counted, and the packet passes
 *     verdict.bpf.h           the one way out
 *   tc_ingress    what XDP marked (hint.bpf.h) becomes a connection of the kernel's listener (handover.bpf.h); what
 *                 generic XDP got as one packet instead of several is counted in full (merged.bpf.h)
 *   tc_egress     what the kernel sends steps the same records (egress.bpf.h)
 *   seed          run at load, and for new services: records for what is connected already (seed.bpf.h)
 *   daemon_queues run by status, which may not look into the map itself: who serves the receive queues (daemon.bpf.h)
 *   upcoming_*    run by the daemon now and then: iterators, which tell what will be due in a table (ageing.bpf.h)
 *   attend        run by the daemon when that is due: takes what has expired away, says what else is to be done
 *   probe_flow, probe_over    run by the daemon for a keepalive probe, and behind the last
 *   release       run by the daemon for records of its that count for a service or a source (source_limit.bpf.h)
 *   watch_tell    run by the daemon while somebody watches connections: what becomes of its own (watch.bpf.h)
 *   sweep_start   run once at load: from then on a timer takes the slots of expired records back (sweep.bpf.h)
 *
 * Maps are in maps.bpf.h, their shapes in include/. Nothing here needs a process.
 */
#include "ageing.bpf.h"
#include "egress.bpf.h"
#include "handover.bpf.h"
#include "ingress_daemon.bpf.h"
#include "ingress_icmp.bpf.h"
#include "monitor.bpf.h"
#include "outgoing.bpf.h"
#include "packet_at_hand.bpf.h"
#include "seed.bpf.h"
#include "sweep.bpf.h"

static __always_inline bool is_syn(const struct segment *s)
{
	return (s->flags & (TCP_FLAG_SYN | TCP_FLAG_ACK)) == TCP_FLAG_SYN;
}

/* A SYN that passes may cross one of ours; where the tuple can have a socket, its half-open record is shown it. */
static __always_inline enum verdict ingress_any_syn(struct xdp_md *ctx, struct packet *p, struct cpu_clock *clock,
						    const struct config *conf)
{
	enum verdict verdict = ingress_syn(ctx, p, clock, conf);

	if (verdict_action(verdict) == VERDICT_PASS && presence_has(conf, &p->tuple))
		handshake_of_peer(ctx, p, clock, conf);
	return verdict;
}

/*
 * A frame that is shorter than its headers say may go on in further buffers, and *bytes is known to be too little. To
 * ask for the whole length costs 9 ns, so only such frames do.
 */
static __always_inline enum packet_kind ingress_weigh(struct xdp_md *ctx, struct packet *p, __u32 *bytes)
{
	enum packet_kind kind = packet_weigh(p, *bytes, DIRECTION_RCV);

	if (kind != PACKET_MALFORMED)
		return kind;
	*bytes = bpf_xdp_get_buff_len(ctx);
	return packet_weigh(p, *bytes, DIRECTION_RCV);
}

static __always_inline __u8 ingress_families(const struct packet *p)
{
	if (p->tuple.family == FAMILY_IPV4)
		return PROTECTED_IPV4;
	return p->tuple.family == FAMILY_IPV6 ? PROTECTED_IPV6 : PROTECTED_IPV4 | PROTECTED_IPV6;
}

/*
 * What hides whether it is TCP, or for which port. It may be for a service only if a service of its family is
 * protected, and, where the addresses are known, if it is for this host: a router's transit is left alone.
 */
static __always_inline enum verdict ingress_obscure(struct xdp_md *ctx, struct packet *p, enum packet_kind kind,
						    const struct cpu_clock *clock, const struct config *conf)
{
	__u8 families = ingress_families(p);

	if (!(conf->protected_families & families) || config_is_draining(conf, clock->now_ns))
		return V_OTHER;
	if (p->tuple.family && !socket_address_is_local(ctx, p))
		return V_OTHER;
	if (p->tuple.family && source_list_denies(p, clock, conf))
		return V_DENIED;
	if (kind == PACKET_LATER_FRAGMENT)
		return budget_spend(POLICY_ALWAYS, BUDGET_FRAGMENT, V_FRAGMENT, clock, conf);
	return budget_spend(POLICY_ALWAYS, BUDGET_NOT_UNDERSTOOD, V_NOT_UNDERSTOOD, clock, conf);
}

/* What is no SYN and of no flow; of a service with policy monitor, what always would make of it. */
static __always_inline enum verdict ingress_unclaimed(struct xdp_md *ctx, struct packet *p, enum packet_kind kind,
						      const struct service *service, struct cpu_clock *clock,
						      const struct config *conf)
{
	if (kind == PACKET_FRAGMENT && service->policy == POLICY_OFF)
		return V_FRAGMENT;
	if (kind == PACKET_FRAGMENT)
		return budget_spend(service->policy, BUDGET_FRAGMENT, V_FRAGMENT, clock, conf);
	if (kind == PACKET_MALFORMED)
		return V_MALFORMED;
	if (packet_flags_impossible(p->segment.flags) && !sentry_lets_pass(service, clock))
		return V_BAD_FLAGS;
	return segment_without_flow(ctx, p, service, clock, conf);
}

/*
 * The sentry of a service hears of each peer that has shown that it is there; at its next segment of one whose
 * handshake had no record to tell: its SYN-ACK went by another device, or the record has made room for others.
 */
static __always_inline enum verdict ingress_welcome(const struct service *service, const struct cpu_clock *clock,
						    enum verdict verdict)
{
	if (service && (verdict == V_HALF_OPEN_ACK || verdict == V_COOKIE_ACK || verdict == V_KERNEL_COOKIE_ACK ||
			verdict == V_DAEMON_COOKIE_ACK || verdict == V_ADOPTED))
		sentry_welcome(service, clock);
	return verdict;
}

/* bytes: of the frame's first buffer, and of all where more than that was looked at. */
static __always_inline enum verdict ingress(struct xdp_md *ctx, const struct frame *f, __u32 *bytes)
{
	const struct config *conf = config_get();
	struct packet *p = packet_at_hand();
	enum packet_kind kind = p ? packet_parse(p, f) : PACKET_OTHER;
	struct service_match match;
	struct cpu_clock *clock;
	struct tracked tracked;
	enum verdict verdict;
	__u8 port_kinds;

	if (kind == PACKET_OTHER || !conf)
		return V_OTHER;
	clock = clock_get(conf);
	if (!clock)
		return V_OTHER;
	if (kind == PACKET_ICMP)
		return ingress_icmp(ctx, p, clock, conf);
	if (kind == PACKET_OBSCURE || kind == PACKET_LATER_FRAGMENT)
		return ingress_obscure(ctx, p, kind, clock, conf);
	port_kinds = service_port_kinds(p->tuple.local_port);
	if (!port_kinds || !outgoing_or_service(port_kinds, &p->tuple, conf))
		return V_NO_SERVICE;
	if (kind == PACKET_TCP)
		kind = ingress_weigh(ctx, p, bytes);
	if (kind == PACKET_TCP && is_syn(&p->segment))
		return ingress_any_syn(ctx, p, clock, conf);
	if (kind == PACKET_TCP && !segment_has_no_flow(p, port_kinds, clock, conf) &&
	    flow_track(p, DIRECTION_RCV, clock, conf, &tracked))
		return tracked.owner == FLOW_OWNER_DAEMON ? daemon_segment_of_flow(ctx, p, &tracked)
							  : segment_of_flow(ctx, p, &tracked, clock, conf);
	match = service_find(&p->tuple, port_kinds, clock->now_ns);
	if (source_list_denies_unclaimed(ctx, p, &match, clock, conf))
		return match.service->policy == POLICY_MONITOR ? monitor_segment(p, clock, V_DENIED) : V_DENIED;
	if (service_port_of_daemon(port_kinds)) {
		verdict = ingress_of_daemon(ctx, p, kind, &match, clock, conf);
		if (verdict != V_NO_SERVICE)
			return ingress_welcome(match.service, clock, verdict);
	}
	if (!match.service && kind == PACKET_TCP && service_ports_outgoing(port_kinds))
		return outgoing_without_flow(ctx, p, clock, conf);
	if (!match.service)
		return V_NO_SERVICE;
	if (match.any_address && !socket_address_is_local(ctx, p))
		return V_TRANSIT;
	verdict = ingress_unclaimed(ctx, p, kind, match.service, clock, conf);
	ingress_welcome(match.service, clock, verdict);
	return match.service->policy == POLICY_MONITOR ? monitor_segment(p, clock, verdict) : verdict;
}

/* Frames in several buffers are understood; whether the kernel is told so is user space's choice (user/attach.c). */
SEC("xdp")
int xdp_ingress(struct xdp_md *ctx)
{
	const struct frame f = {
		.data = (void *)(long)ctx->data,
		.end = (void *)(long)ctx->data_end,
		.direction = DIRECTION_RCV,
	};
	__u32 bytes = ctx->data_end - ctx->data;
	enum verdict verdict = ingress(ctx, &f, &bytes);

	return verdict_leave_xdp(ctx, verdict, bytes);
}

SEC("tc")
int tc_ingress(struct __sk_buff *skb)
{
	const struct frame f = {
		.data = (void *)(long)skb->data,
		.end = (void *)(long)skb->data_end,
		.direction = DIRECTION_RCV,
	};
	bool again = handover_came_again(skb);
	enum hint_kind kind = hint_take(skb);
	const struct config *conf;
	struct cpu_clock *clock;
	enum verdict verdict;
	struct packet *p;

	if (skb->gso_size)
		merged_count(skb);
	if (kind == HINT_NONE && !again && !metadata_missing)
		return TC_ACT_UNSPEC;
	p = packet_at_hand();
	conf = config_get();
	clock = conf ? clock_get(conf) : NULL;
	if (!p || !clock || packet_parse(p, &f) != PACKET_TCP || !is_pure_ack(&p->segment) ||
	    !service_port_named(service_port_kinds(p->tuple.local_port)) ||
	    packet_weigh(p, skb->len, DIRECTION_RCV) != PACKET_TCP)
		return TC_ACT_UNSPEC;
	if (kind == HINT_NONE || kind == HINT_UNKNOWN)
		kind = handover_hint_from_record(p, clock);
	if (kind == HINT_NONE)
		return TC_ACT_UNSPEC;
	verdict = handover_to_listener(skb, p, kind, again, clock);
	if (verdict == V_HANDOVER_AGAIN)
		return handover_send_again(skb, p, clock, conf);
	if (verdict == V_SEGMENT)
		return TC_ACT_UNSPEC; /* the connection is there; XDP has counted the packet */
	return verdict_leave_tc(verdict, skb->len);
}

static __always_inline enum verdict egress(struct __sk_buff *skb, struct packet *p, struct cpu_clock *clock,
					   const struct config *conf)
{
	__u8 port_kinds = service_port_kinds(p->tuple.local_port);
	struct tracked tracked;
	const struct service *service;

	if (flow_track(p, DIRECTION_SND, clock, conf, &tracked)) {
		if (tracked.owner == FLOW_OWNER_DAEMON)
			return V_OWN_UNTRACKED;
		if (!egress_begins_anew(&p->segment, &tracked))
			return V_OWN_SEGMENT;
		flow_kill(&p->tuple, clock->now_ns);
		verdict_note(V_FLOW_REPLACED);
	}
	if (service_port_of_daemon(port_kinds) && daemon_has(&p->tuple, clock, conf))
		return V_OWN_UNTRACKED;
	service = service_find(&p->tuple, port_kinds, clock->now_ns).service;
	if (!service && !service_ports_outgoing(port_kinds))
		return V_OWN_UNTRACKED;
	if (p->segment.flags & TCP_FLAG_SYN)
		return p->segment.flags & TCP_FLAG_ACK ? egress_syn_ack(skb, p, service, clock, conf)
						       : egress_syn(skb, p, clock, conf);
	return egress_without_flow(skb, p, service, clock, conf);
}

SEC("tc")
int tc_egress(struct __sk_buff *skb)
{
	const struct frame f = {
		.data = (void *)(long)skb->data,
		.end = (void *)(long)skb->data_end,
		.direction = DIRECTION_SND,
	};
	struct packet *p = packet_at_hand();
	const struct config *conf;
	struct cpu_clock *clock;

	if (!p || packet_parse(p, &f) != PACKET_TCP || !service_port_kinds(p->tuple.local_port) ||
	    packet_weigh(p, skb->len, DIRECTION_SND) != PACKET_TCP)
		return TC_ACT_UNSPEC;
	conf = config_get();
	clock = conf ? clock_get(conf) : NULL;
	if (!clock)
		return TC_ACT_UNSPEC;
	if (skb->gso_segs > 1)
		packet_count_segments(p, skb->gso_segs);
	way_of_owner(skb, &f, p);
	return verdict_leave_tc(egress(skb, p, clock, conf), skb->len);
}

SEC("iter/tcp")
int seed(struct bpf_iter__tcp *ctx)
{
	struct sock_common *skc = ctx->sk_common;
	const struct config *conf = config_get();
	struct cpu_clock *clock = conf ? clock_get(conf) : NULL;
	struct tuple t = {};
	struct tcp_sock *tp;

	if (!skc || !clock || socket_kind(skc->skc_state) == SOCKET_LISTENING)
		return 0;
	seed_read_tuple(skc, &t);
	tp = socket_kind(skc->skc_state) == SOCKET_CONNECTED ? bpf_skc_to_tcp_sock(skc) : NULL;
	if (!seed_wants(tp, &t, clock, conf))
		return 0;
	if (tp)
		seed_flow(tp, skc->skc_state, &t, clock, conf);
	presence_mark(conf, &t);
	return 0;
}

SEC("syscall")
int sweep_start(void *ctx)
{
	__u32 zero = 0;
	struct sweep *s = bpf_map_lookup_elem(&sweeper, &zero);

	return s ? sweep_begin(s) : -1;
}

/* What is upcoming in each table, for the daemon: iterators, whose files give struct upcoming4 or upcoming6. */
SEC("iter/bpf_map_elem")
int upcoming_half4(struct bpf_iter__bpf_map_elem *ctx)
{
	return upcoming_half_open(ctx, FAMILY_IPV4);
}

SEC("iter/bpf_map_elem")
int upcoming_half6(struct bpf_iter__bpf_map_elem *ctx)
{
	return upcoming_half_open(ctx, FAMILY_IPV6);
}

SEC("iter/bpf_map_elem")
int upcoming_flows4(struct bpf_iter__bpf_map_elem *ctx)
{
	return upcoming_flow(ctx, FAMILY_IPV4);
}

SEC("iter/bpf_map_elem")
int upcoming_flows6(struct bpf_iter__bpf_map_elem *ctx)
{
	return upcoming_flow(ctx, FAMILY_IPV6);
}

SEC("iter/bpf_map_elem")
int upcoming_tw4(struct bpf_iter__bpf_map_elem *ctx)
{
	return upcoming_ended(ctx, FAMILY_IPV4);
}

SEC("iter/bpf_map_elem")
int upcoming_tw6(struct bpf_iter__bpf_map_elem *ctx)
{
	return upcoming_ended(ctx, FAMILY_IPV6);
}

SEC("syscall")
int attend(void *ctx)
{
	const struct config *conf = config_get();
	const struct agenda *a = agenda_get();
	__u64 now_ns;
	__u32 count;

	if (!conf || !a)
		return -1;
	now_ns = ageing_now_ns(conf);
	count = a->count;
	bpf_loop(count < AGENDA_ITEMS ? count : AGENDA_ITEMS, attend_item, &now_ns, 0);
	return 0;
}

SEC("syscall")
int probe_flow(struct age_call *call)
{
	const struct config *conf = config_get();
	struct flow6_key key = call->key;
	struct keepalive k;
	struct tuple t;
	struct flow *f;
	__u64 now_ns;

	call->found = false;
	if (!conf)
		return -1;
	now_ns = ageing_now_ns(conf);
	f = probe_find(&key, call->family, &t, now_ns);
	if (!f)
		return 0;
	service_keepalive(&t, now_ns, &k);
	if (ageing_flow_due(f, &k, call->resumed_ms, now_ns) == AGE_PROBE)
		call->found = probe_count(f, &t, ageing_probes(f, call->resumed_ms) + 1, now_ns, &call->flow);
	return 0;
}

SEC("syscall")
int probe_over(struct age_call *call)
{
	const struct config *conf = config_get();
	struct flow6_key key = call->key;
	struct tuple t;
	struct flow *f;
	__u64 now_ns;

	call->found = false;
	if (!conf)
		return -1;
	now_ns = ageing_now_ns(conf);
	f = probe_find(&key, call->family, &t, now_ns);
	if (f)
		call->found = (call->gone && probe_retire(&t, f, now_ns)) || probe_end(f);
	return 0;
}

/* The daemon tells what becomes of the connections that it owns. */
SEC("syscall")
int watch_tell(struct watch_call *call)
{
	const struct config *conf = config_get();
	const void *events = (const void *)call->events;
	__u64 count = call->count;
	struct flow_event event;
	__u32 news;

	if (!conf)
		return -1;
	news = watch_news(TCPS_CLOSED, FLOW_END_NONE, bpf_ktime_get_ns() + conf->test_advance_ns);
	for (__u32 i = 0; i < WATCH_CALL_MAX && i < count; i++) {
		if (bpf_copy_from_user(&event, sizeof(event), events + i * sizeof(event)))
			return -1;
		watch_pass(&event, news);
	}
	return 0;
}

/* The daemon's connections are over whose records count for a service or a source. */
SEC("syscall")
int release(struct release_call *call)
{
	const struct config *conf = config_get();
	__u32 bytes = call->family == FAMILY_IPV4 ? sizeof(struct flow4_key) : sizeof(struct flow6_key);
	const void *keys = (const void *)call->keys;
	__u8 family = call->family;
	__u32 count = call->count;
	struct flow6_key key = {};
	__u64 now_ns;

	if (!conf)
		return -1;
	now_ns = ageing_now_ns(conf);
	for (__u32 i = 0; i < RELEASE_CALL_MAX && i < count; i++) {
		if (bpf_copy_from_user(&key, bytes, keys + i * bytes))
			return -1;
		daemon_release(&key, family, now_ns);
	}
	return 0;
}

/* How many of the first receive queues, as many as skb->mark says, a daemon serves. */
SEC("tc")
int daemon_queues(struct __sk_buff *skb)
{
	__u32 served = 0;

	bpf_loop(skb->mark, daemon_count_queue, &served, 0);
	return served;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
