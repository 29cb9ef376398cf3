/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The records of connections: finding, making, stepping and retiring them, one call for both address families.
 *
 * Two CPUs may hold a record at once: ingress and egress of one connection, or the sweep. A flow is read and written
 * under its lock (lock.bpf.h), after flow_lock() has seen that it is still the tuple's and still alive. Whoever ends a
 * flow leaves its lock dead, so that everybody else takes it as absent, writes its struct ended, and deletes it. The
 * deletion goes by key and can hit a new record of the same tuple that was made in between; that connection is adopted
 * from its socket with its next segment, so nothing but a few counts is lost. What counts for a service or a source
 * does so from the put, which is of a new element, to the deletion, which is of one that is there, so that it is
 * counted up and down once, whoever meets whom.
 *
 * Records of the daemon's are neither locked nor stepped here (flow.h). What is read of one may be of the report
 * before, or, for the nanoseconds in which an element changes hands, of another tuple: the daemon's TCP looks for the
 * TCB by the tuple in the packet, and so believes neither. Such a record goes with its deadline, as all do: should the
 * sweep delete one that has just been reported anew, the next report brings it back.
 */
#ifndef SYNKEEP_RECORDS_BPF_H
#define SYNKEEP_RECORDS_BPF_H

#include "lock.bpf.h"
#include "packet.h"
#include "presence.bpf.h"
#include "service.bpf.h"
#include "source_limit.bpf.h"
#include "verdict.bpf.h"
#include "watch.bpf.h"

/*
 * find, put and delete for a pair of maps. A map is named where it is used, so the pair is a macro's argument. They are
 * functions of their own because each needs a key, and keys inlined side by side would not fit the stack.
 *
 * The barrier keeps clang from making one call of the two look-ups: the verifier puts the map's own look-up in place of
 * the general one only where the map is known, which saves 20 ns.
 */
#define RECORD_CALLS(name, type, map4, map6)                                                                           \
	static __noinline type *name##_find(const struct tuple *t)                                                     \
	{                                                                                                              \
		struct flow4_key key4;                                                                                 \
		struct flow6_key key6;                                                                                 \
		type *found;                                                                                           \
                                                                                                                       \
		if (t->family == FAMILY_IPV4) {                                                                        \
			flow4_key_from_tuple(&key4, t);                                                                \
			found = bpf_map_lookup_elem(&map4, &key4);                                                     \
			compiler_barrier();                                                                            \
			return found;                                                                                  \
		}                                                                                                      \
		flow6_key_from_tuple(&key6, t);                                                                        \
		return bpf_map_lookup_elem(&map6, &key6);                                                              \
	}                                                                                                              \
	static __noinline long name##_put(const struct tuple *t, const type *value, __u64 flags)                       \
	{                                                                                                              \
		struct flow4_key key4;                                                                                 \
		struct flow6_key key6;                                                                                 \
                                                                                                                       \
		if (t->family == FAMILY_IPV4) {                                                                        \
			flow4_key_from_tuple(&key4, t);                                                                \
			return bpf_map_update_elem(&map4, &key4, value, flags);                                        \
		}                                                                                                      \
		flow6_key_from_tuple(&key6, t);                                                                        \
		return bpf_map_update_elem(&map6, &key6, value, flags);                                                \
	}                                                                                                              \
	static __noinline long name##_delete(const struct tuple *t)                                                    \
	{                                                                                                              \
		struct flow4_key key4;                                                                                 \
		struct flow6_key key6;                                                                                 \
                                                                                                                       \
		if (t->family == FAMILY_IPV4) {                                                                        \
			flow4_key_from_tuple(&key4, t);                                                                \
			return bpf_map_delete_elem(&map4, &key4);                                                      \
		}                                                                                                      \
		flow6_key_from_tuple(&key6, t);                                                                        \
		return bpf_map_delete_elem(&map6, &key6);                                                              \
	}

RECORD_CALLS(flow, struct flow, flows4, flows6)
RECORD_CALLS(half_open, struct half_open, half4, half6)
RECORD_CALLS(ended, struct ended, tw4, tw6)

static __always_inline void flow_unlock(struct flow *f)
{
	lock_give(f, FLOW_LOCK_FREE);
}

static __always_inline bool flow_is_alive(const struct flow *f, const struct tuple *t, __u64 now_ns)
{
	return f->tag == flow_tag(t) && f->deadline_ns > now_ns;
}

/* f, the tuple's record, locked; NULL: it no longer counts. */
static __always_inline struct flow *flow_lock_found(struct flow *f, const struct tuple *t, __u64 now_ns)
{
	if (!lock_take(f))
		return NULL;
	if (flow_is_alive(f, t, now_ns))
		return f;
	flow_unlock(f);
	return NULL;
}

/*
 * The tuple's live record, locked: every path from here must unlock it. NULL: none, none that still counts, or one of
 * the daemon's.
 */
static __always_inline struct flow *flow_lock(const struct tuple *t, __u64 now_ns)
{
	struct flow *f = flow_find(t);

	return f && f->owner == FLOW_OWNER_KERNEL ? flow_lock_found(f, t, now_ns) : NULL;
}

/* What became of a segment that was shown to a record, and whose record it was. */
struct tracked {
	enum flow_owner owner;
	__u32 iss;
	__u16 flags; /* the flow's, after the segment */
	/* If the owner is the kernel. */
	enum judgement judgement;
	__u32 irs;
	__u32 born_s;
};

/* How long a peer that has not heard our RST may go on sending: Linux repeats data for some 15 minutes. */
#define RESET_UNHEARD_NS (1000 * NSEC_PER_SEC)

/*
 * What stays of a flow in TIME_WAIT, for its 2MSL; of one that the owner reset, for as long as its peer may need to be
 * told again; and of any flow while its cookie could be shown again. Of others that are CLOSED nothing stays: false.
 */
static __always_inline bool flow_to_ended(const struct flow *f, struct ended *e, __u64 now_ns, __u64 msl_ns)
{
	__u64 stale_ns = f->flags & FLOW_COOKIE ? cookie_stale_ns(f->born_s) : 0, deadline_ns = now_ns;

	e->handshake = f->iss - f->irs;
	e->irs = f->irs;
	e->rcv_nxt = f->rcv_nxt;
	e->snd_nxt = f->snd_nxt;
	e->state = f->state;
	e->owner = f->owner;
	e->flags = f->flags;
	if (f->state == TCPS_TIME_WAIT)
		deadline_ns += tcp_state_timeout_ns(TCPS_TIME_WAIT, msl_ns);
	else if (f->flags & FLOW_SND_RST)
		deadline_ns += RESET_UNHEARD_NS;
	ended_set_times(e, deadline_ns, stale_ns);
	return deadline_ns > now_ns || stale_ns > now_ns;
}

/* Deletes the tuple's record, and counts it down if it counted. flags, born_s: of the record. */
static __always_inline void flow_remove(const struct tuple *t, __u16 flags, __u32 born_s, __u64 now_ns)
{
	if (!flow_delete(t) && (flags & FLOW_COUNTED))
		source_limit_uncount(t, born_s, now_ns);
}

/* Takes the tuple's record away from whoever else may hold it, and deletes it. */
static __noinline int flow_kill(const struct tuple *t, __u64 now_ns)
{
	struct flow *f = flow_find(t);
	__u32 news, born_s;
	__u16 flags;

	if (!f)
		return 0;
	flags = f->flags;
	born_s = f->born_s;
	if (lock_take(f)) {
		news = watch_news(f->state, f->deadline_ns <= now_ns ? FLOW_END_EXPIRED : FLOW_END_REPLACED, now_ns);
		if (news)
			watch_flow(t, f, news);
		lock_give(f, FLOW_LOCK_DEAD);
	}
	flow_remove(t, flags, born_s, now_ns);
	return 0;
}

/* Notes that another record has to go for the one that will be put. */
static __always_inline void ended_note_full(const struct tuple *t, const struct cpu_clock *clock)
{
	if ((t->family == FAMILY_IPV4 ? clock->tw4_full : clock->tw6_full) && !ended_find(t))
		verdict_note(V_ENDED_EVICTED);
}

/* Moves a flow that is marked dead to the ended: written first, so that the tuple is never unknown. */
static __always_inline void flow_retire(const struct tuple *t, const struct tracked *of, const struct ended *e,
					bool stays, const struct cpu_clock *clock, const struct config *conf)
{
	if (stays) {
		ended_note_full(t, clock);
		ended_put(t, e, BPF_ANY);
	}
	flow_remove(t, of->flags, of->born_s, clock->now_ns);
	presence_mark(conf, t);
}

/* By what segment a flow has ended. probes: the flow's, before that. */
static __always_inline enum verdict flow_end_note(const struct segment *s, enum direction direction, __u32 probes)
{
	if (!(s->flags & TCP_FLAG_RST))
		return V_FLOW_CLOSED;
	if (direction == DIRECTION_RCV && (probes & (FLOW_PROBES_COUNT | FLOW_PROBE_AWAITED)))
		return V_FLOW_PROBE_RESET;
	return V_FLOW_RESET;
}

/* Tells the step that a segment was. Whose RST ended the flow is known by the way that it went. */
static __always_inline void flow_tell_step(const struct packet *p, enum direction direction, const struct flow *f,
					   enum tcp_state before, __u64 now_ns)
{
	enum flow_end end = FLOW_END_NONE;
	__u32 news;

	if (f->state == before)
		return;
	if (flow_has_ended(f) && !(p->segment.flags & TCP_FLAG_RST))
		end = FLOW_END_CLOSED;
	else if (flow_has_ended(f) && direction == DIRECTION_RCV)
		end = FLOW_END_RESET_BY_PEER;
	else if (flow_has_ended(f))
		end = f->probes & FLOW_PROBES_OVER ? FLOW_END_DEAD : FLOW_END_RESET_BY_OWNER;
	news = watch_news(before, end, now_ns);
	if (news)
		watch_flow(&p->tuple, f, news);
}

/*
 * Shows the segment to the tuple's flow, and retires a flow that it ends; one of the daemon's is not touched. False:
 * the tuple has none.
 */
__noinline bool flow_track(const struct packet *p, enum direction direction, const struct cpu_clock *clock,
			   const struct config *conf, struct tracked *out)
{
	bool has_ended, answered, stays = false;
	enum tcp_state before;
	struct ended e = {};
	struct flow *f;
	__u32 probes;

	if (!p || !clock || !conf || !out)
		return false;
	f = flow_find(&p->tuple);
	if (!f)
		return false;
	out->owner = f->owner;
	out->iss = f->iss;
	out->flags = f->flags;
	if (out->owner == FLOW_OWNER_DAEMON)
		return flow_is_alive(f, &p->tuple, clock->now_ns);
	f = flow_lock_found(f, &p->tuple, clock->now_ns);
	if (!f)
		return false;
	probes = f->probes;
	before = f->state;
	out->judgement = flow_judge(f, &p->segment, direction, clock->now_ns, conf->msl_ns);
	out->irs = f->irs;
	out->born_s = f->born_s;
	out->flags = f->flags;
	answered = (probes & FLOW_PROBES_COUNT) && !f->probes;
	flow_tell_step(p, direction, f, before, clock->now_ns);
	has_ended = flow_has_ended(f);
	if (has_ended)
		stays = flow_to_ended(f, &e, clock->now_ns, service_msl_ns(&p->tuple, clock, conf));
	lock_give(f, has_ended ? FLOW_LOCK_DEAD : FLOW_LOCK_FREE);
	if (answered)
		verdict_note(V_PROBE_ANSWERED);
	if (!has_ended)
		return true;
	flow_retire(&p->tuple, out, &e, stays, clock, conf);
	verdict_note(flow_end_note(&p->segment, direction, probes));
	return true;
}

/* What every new record has, whatever made it. */
static __always_inline void flow_init(struct flow *f, const struct tuple *t, const struct cpu_clock *clock,
				      const struct config *conf)
{
	f->tag = flow_tag(t);
	if (!(f->flags & FLOW_RCV_FIN))
		f->rcv_max = f->rcv_nxt; /* a number that nobody can guess */
	f->born_s = clock->now_ns / NSEC_PER_SEC;
	f->rcv_seen_ms = clock->now_ns / NSEC_PER_MSEC;
	f->snd_seen_ms = f->rcv_seen_ms; /* at the latest: what we sent, the peer has answered */
	judge_refresh(f, clock->now_ns, conf->msl_ns);
}

__u64 flows_full_ns; /* CLOCK_MONOTONIC: when a connection last found no room for its record; 0: never */

#define EEXIST 17

/* Puts a record where the tuple has none. */
static __always_inline enum verdict flow_put_new(struct flow *f, const struct tuple *t, const struct cpu_clock *clock)
{
	long err = flow_put(t, f, BPF_NOEXIST);

	if (err && (f->flags & FLOW_COUNTED))
		source_limit_uncount(t, f->born_s, clock->now_ns);
	return err && err != -EEXIST ? V_FLOWS_FULL : V_SEGMENT; /* what is there, another CPU has made meanwhile */
}

/* A connection of the kernel's has no record, and works all the same. */
static __always_inline void flow_do_without(const struct tuple *t, const struct cpu_clock *clock,
					    const struct config *conf)
{
	presence_mark_lasting(conf, t);
	flows_full_ns = clock->now_ns;
}

/*
 * Makes the record of a connection whose numbers so far f holds. V_SEGMENT: it is made, and flow_track() is due: the
 * packet that gave the occasion is shown to the record like any later one. V_FLOWS_FULL, V_FLOWS_SHARE: there is no
 * room for it, which harms no connection of the kernel's, and is counted. V_SOURCE_RATE, V_SOURCE_OPEN: the peer may
 * not have it, and the packet is to be dropped. before: the state that watchers know the connection in, CLOSED if it is
 * new to them.
 */
__noinline enum verdict flow_make(struct flow *f, const struct packet *p, enum tcp_state before,
				  const struct cpu_clock *clock, const struct config *conf)
{
	enum verdict verdict = V_SEGMENT;
	const struct tuple *t;
	__u32 news;

	if (!f || !p || !clock || !conf)
		return V_FLOWS_FULL;
	t = &p->tuple;
	flow_init(f, t, clock, conf);
	flow_kill(t, clock->now_ns);
	if (conf->counts_flows)
		verdict = source_limit_count(f, t, p->source_allowed, clock);
	if (source_limit_refuses(verdict))
		return verdict;
	if (verdict == V_SEGMENT)
		verdict = flow_put_new(f, t, clock);
	if (verdict == V_SEGMENT) {
		presence_mark(conf, t);
		news = f->state == before ? 0 : watch_news(before, FLOW_END_NONE, clock->now_ns);
		if (news)
			watch_flow(t, f, news);
		return V_SEGMENT;
	}
	if (f->owner == FLOW_OWNER_KERNEL)
		flow_do_without(t, clock, conf);
	if (f->owner == FLOW_OWNER_KERNEL || verdict == V_FLOWS_SHARE)
		verdict_note(verdict);
	return verdict;
}

/*
 * Copies the tuple's half-open record, if it has one that has not expired. The element may be given to another
 * handshake under our hands: what was copied counts only if the numbers that tell handshakes apart are still the same
 * behind it.
 */
static __always_inline bool half_open_read(const struct tuple *t, __u64 now_ns, struct half_open *copy)
{
	const struct half_open *h = half_open_find(t);

	if (!h || h->deadline_ns <= now_ns)
		return false;
	*copy = *h;
	compiler_barrier();
	return h->deadline_ns == copy->deadline_ns && h->iss == copy->iss && h->irs == copy->irs;
}

/* An ended record that has not expired. */
static __always_inline struct ended *ended_alive(const struct tuple *t, __u64 now_ns)
{
	struct ended *e = ended_find(t);

	return e && !ended_is_over(e, now_ns) ? e : NULL;
}

/*
 * RFC 9293, 3.10.7.4, eighth: a FIN that comes again (time_wait_judge.h) restarts the 2MSL. The record is looked up
 * once more, behind all else: since it was judged the element may have been given to another tuple, whose deadline
 * stays.
 */
static __always_inline void ended_restart(const struct packet *p, const struct cpu_clock *clock,
					  const struct config *conf)
{
	struct ended restarted = {}, *e;

	ended_set_times(&restarted, clock->now_ns + 2 * service_msl_ns(&p->tuple, clock, conf), 0);
	e = ended_alive(&p->tuple, clock->now_ns);
	if (e)
		e->deadline_ms = restarted.deadline_ms;
}

#endif /* SYNKEEP_RECORDS_BPF_H */
