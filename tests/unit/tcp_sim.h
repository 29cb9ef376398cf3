/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Two TCPs joined by a simulated link: it drops, doubles, reorders and corrupts packets by chance, has a delay, a rate,
 * a queue and an MTU. Time is simulated; it jumps to whatever happens next.
 *
 * Everything that leaves is read by wire_read(), so it must be well-formed; and the right edge of what each end offers
 * never moves left (SHLD-14) by more than its shift rounds down.
 */
#ifndef SYNKEEP_TCP_SIM_H
#define SYNKEEP_TCP_SIM_H

#include <stdio.h>
#include <stdlib.h>

#include "../differential/chance.h"
#include "seq.h"
#include "tcp_wire.h"

#define SIM_IDLE_ROUNDS_MAX 10000

struct sim_link {
	/* One in a million. */
	__u32 drop, duplicate, reorder, corrupt;
	__u32 no_room;		/* how often the rim has no frame for a segment */
	__u32 mtu;		/* IP packet, bytes */
	__u64 delay_ns;		/* one way */
	__u64 reorder_ns;	/* by how much more a packet is delayed that others overtake, at most */
	__u64 bytes_per_second; /* 0: no limit */
	__u64 queue_ns;		/* what would wait longer for the link is dropped */
	bool marks;		/* what waited for half of that is marked, where it is capable of it (RFC 3168) */
	__u64 silent_ns;	/* after this time the link is cut; 0: never */
};

struct sim;

struct sim_packet {
	struct sim_packet *next; /* in order of arrival */
	__u64 due_ns;
	int to;
	bool corrupted;
	__u32 bytes;
	__u8 frame[]; /* IP's header is aligned to four */
};

struct sim_end {
	struct sim *sim;
	int index;
	struct tuple tuple; /* as this end sees it */
	struct memory_account account;
	struct tcp *tcp;
	__u64 link_free_ns; /* when what it sent will have left */
	__u8 *room;	    /* of the frame that is being written */
	__u64 sent, lost, corrupted, marked;
	/* The right edge of the window that it offered. */
	bool has_edge;
	__u32 edge;
	__s8 wscale; /* of its SYN, -1: none */
};

struct sim {
	__u64 now_ns;
	__u64 chance;
	__u64 seed;
	struct sim_link link;
	struct sim_end ends[2];
	struct sim_packet *packets;
};

static struct sim *sim_current; /* for what is printed when a sanitizer ends it */

#define sim_must(sim, condition)                                                                                       \
	do {                                                                                                           \
		if (!(condition)) {                                                                                    \
			print_error("seed %llu, at %.6f s: broken: %s\n", (sim)->seed, (double)(sim)->now_ns * 1e-9,   \
				    #condition);                                                                       \
			_fail(__FILE__, __LINE__);                                                                     \
		}                                                                                                      \
	} while (0)

static inline bool sim_happens(struct sim *sim, __u32 one_in_a_million)
{
	return chance_below(&sim->chance, 1000000) < one_in_a_million;
}

/* --- the link ----------------------------------------------------------------------------------------------------- */

static inline void sim_queue(struct sim *sim, int to, const __u8 *ip, __u32 bytes, __u64 due_ns)
{
	struct sim_packet *packet = malloc(sizeof(*packet) + 2 + WIRE_ETH_BYTES + bytes), **at = &sim->packets;

	sim_must(sim, packet);
	*packet = (struct sim_packet){ .due_ns = due_ns, .to = to, .bytes = WIRE_ETH_BYTES + bytes };
	wire_put_ethernet(packet->frame + 2, &sim->ends[to].tuple);
	memcpy(packet->frame + 2 + WIRE_ETH_BYTES, ip, bytes);
	if (sim_happens(sim, sim->link.corrupt)) {
		__u32 bit = chance_below(&sim->chance, bytes * 8);

		packet->frame[2 + WIRE_ETH_BYTES + bit / 8] ^= 1 << bit % 8;
		packet->corrupted = true;
		sim->ends[!to].corrupted++;
	}
	while (*at && (*at)->due_ns <= due_ns)
		at = &(*at)->next;
	packet->next = *at;
	*at = packet;
}

/* CE, as a router does it; the header's checksum is put right. */
static inline void sim_mark(struct sim_end *end, __u8 *ip)
{
	if (ip[0] >> 4 == 6) {
		if (!(ip[1] & 0x30))
			return;
		ip[1] |= 0x30;
	} else {
		if (!(ip[1] & 3))
			return;
		ip[1] |= 3;
		wire_put16(ip + 10, 0);
		wire_put16(ip + 10, (__u16)~wire_sum(0, ip, 20));
	}
	end->marked++;
}

/* A packet leaves an end, and goes through the link's queue. */
static inline void sim_transmit(struct sim_end *end, __u8 *ip, __u32 bytes)
{
	struct sim *sim = end->sim;
	const struct sim_link *link = &sim->link;
	__u64 start_ns = end->link_free_ns > sim->now_ns ? end->link_free_ns : sim->now_ns, due_ns;

	end->sent++;
	if (sim_happens(sim, link->drop) || (link->silent_ns && sim->now_ns > link->silent_ns) ||
	    (link->bytes_per_second && start_ns - sim->now_ns > link->queue_ns)) {
		end->lost++;
		return;
	}
	if (link->marks && start_ns - sim->now_ns > link->queue_ns / 2)
		sim_mark(end, ip);
	if (link->bytes_per_second)
		start_ns += bytes * NSEC_PER_SEC / link->bytes_per_second;
	end->link_free_ns = start_ns;
	due_ns = start_ns + link->delay_ns;
	if (sim_happens(sim, link->duplicate))
		sim_queue(sim, !end->index, ip, bytes, due_ns + chance_below(&sim->chance, 1000000));
	if (sim_happens(sim, link->reorder))
		due_ns += link->reorder_ns * chance_below(&sim->chance, 1000) / 1000;
	sim_queue(sim, !end->index, ip, bytes, due_ns);
}

/* --- the rim ------------------------------------------------------------------------------------------------------ */

static inline __u8 *sim_frame(void *context, __u32 path, __u32 bytes)
{
	struct sim_end *end = context;

	sim_must(end->sim, path == (__u32)end->index && bytes >= 40 && bytes <= end->sim->link.mtu);
	if (sim_happens(end->sim, end->sim->link.no_room))
		return NULL;
	free(end->room);
	end->room = malloc(bytes); /* a byte more, and the sanitizer sees it */
	return end->room;
}

/* The edge of the window that a segment offers stays or moves right, but for what the shift takes (RFC 7323, 2.4). */
static inline void sim_watch_window(struct sim_end *end, const struct wire_segment *s)
{
	__u32 window = (__u32)s->window, edge, unit = 1;

	if (s->flags & SYN) {
		end->wscale = s->has_wscale ? (__s8)s->wscale : -1;
		end->has_edge = false;
		return;
	}
	if (!(s->flags & ACK) || (s->flags & RST))
		return;
	if (end->wscale > 0 && end->sim->ends[!end->index].wscale >= 0)
		unit <<= end->wscale;
	edge = s->ack + window * unit;
	sim_must(end->sim, !end->has_edge || seq_after(edge + unit, end->edge));
	end->edge = end->has_edge ? seq_max(edge, end->edge) : edge;
	end->has_edge = true;
}

static inline void sim_send(void *context, __u32 bytes, bool to_unverified)
{
	struct sim_end *end = context;
	struct wire_segment s;

	(void)to_unverified;
	sim_must(end->sim, end->room);
	s = wire_read(end->room, bytes, &end->tuple, false);
	sim_watch_window(end, &s);
	sim_transmit(end, end->room, bytes);
	free(end->room);
	end->room = NULL;
}

static inline __u32 sim_mtu(void *context, __u32 path)
{
	(void)path;
	return ((struct sim_end *)context)->sim->link.mtu;
}

static inline void sim_report(void *context, const struct tuple *tuple, const struct tcp_record *record)
{
	struct sim_end *end = context;

	(void)record;
	sim_must(end->sim, !memcmp(tuple, &end->tuple, sizeof(*tuple)));
}

static inline void sim_advise(void *context, __u32 path, bool reachable)
{
	(void)context;
	(void)path;
	(void)reachable;
}

/* --- both ends ---------------------------------------------------------------------------------------------------- */

static inline void sim_init(struct sim *sim, __u64 seed, __u8 family)
{
	memset(sim, 0, sizeof(*sim));
	sim->seed = seed;
	sim->chance = seed;
	sim->now_ns = 1000 * NSEC_PER_SEC;
	sim->link.mtu = 1500;
	sim_current = sim;
	for (int i = 0; i < 2; i++) {
		struct sim_end *end = &sim->ends[i];

		end->sim = sim;
		end->index = i;
		end->tuple = unit_tuple(family);
		end->account.limit_bytes = 1ULL << 40;
		end->wscale = -1;
	}
	struct tuple *t = &sim->ends[1].tuple;

	*t = (struct tuple){ .family = family, .remote_port = t->local_port, .local_port = t->remote_port };
	memcpy(t->remote, sim->ends[0].tuple.local, sizeof(t->remote));
	memcpy(t->local, sim->ends[0].tuple.remote, sizeof(t->local));
}

/* Makes an end's TCP, with 2MSL of its own. */
static inline void sim_start(struct sim *sim, int index, __u64 msl_ns)
{
	struct sim_end *end = &sim->ends[index];
	struct tcp_config config = {
		.rim = { end, sim_frame, sim_send, sim_mtu, sim_report, sim_advise, NULL },
		.isn_key = { sim->seed, (__u64)index },
		.msl_ns = msl_ns,
		.connections_max = 4,
		.syn_received_max = 2,
		.time_wait_max = 2,
		.account = &end->account,
	};

	end->tcp = tcp_new(&config, sim->now_ns);
	sim_must(sim, end->tcp);
}

static inline void sim_deliver(struct sim *sim, struct sim_packet *packet)
{
	struct sim_end *end = &sim->ends[packet->to];
	const __u8 *frame = packet->frame + 2;
	struct daemon_hint hint = { .mark = DAEMON_MARK, .kind = DAEMON_SEGMENT };
	const __u8 *tcp = frame + WIRE_ETH_BYTES + wire_ip_bytes(&end->tuple);
	enum tcp_verdict verdict;

	if ((tcp[13] & (SYN | ACK | RST)) == SYN)
		hint.kind = DAEMON_SYN;
	verdict = tcp_input(end->tcp, &hint, frame, packet->bytes, (__u32)packet->to, sim->now_ns);
	sim_must(sim, verdict < TCPV_COUNT);
	sim_must(sim, packet->corrupted || (verdict != TCPV_BAD_CHECKSUM && verdict != TCPV_MALFORMED &&
					    verdict != TCPV_BAD_OPTIONS));
}

static inline __u64 sim_next_ns(const struct sim *sim)
{
	__u64 next = sim->packets ? sim->packets->due_ns : UINT64_MAX;

	for (int i = 0; i < 2; i++) {
		__u64 own = tcp_next_ns(sim->ends[i].tcp);

		next = own < next ? own : next;
	}
	return next;
}

/* Whatever happens at one moment: packets arrive, in a batch, then both TCPs work. */
static inline void sim_happen(struct sim *sim, __u64 now_ns)
{
	if (now_ns > sim->now_ns)
		sim->now_ns = now_ns;
	while (sim->packets && sim->packets->due_ns <= sim->now_ns) {
		struct sim_packet *packet = sim->packets;

		sim->packets = packet->next;
		sim_deliver(sim, packet);
		free(packet);
	}
	for (int i = 0; i < 2; i++)
		tcp_work(sim->ends[i].tcp, sim->now_ns);
}

/* Until this time. Fails where the TCPs want to work for ever without time going on. */
static inline void sim_run_until(struct sim *sim, __u64 end_ns)
{
	unsigned int idle = 0;

	for (__u64 next; (next = sim_next_ns(sim)) <= end_ns;) {
		idle = next > sim->now_ns ? 0 : idle + 1;
		sim_must(sim, idle < SIM_IDLE_ROUNDS_MAX);
		sim_happen(sim, next);
	}
	sim_happen(sim, end_ns);
}

static inline void sim_free(struct sim *sim)
{
	for (int i = 0; i < 2; i++) {
		tcp_free(sim->ends[i].tcp);
		free(sim->ends[i].room);
	}
	while (sim->packets) {
		struct sim_packet *packet = sim->packets;

		sim->packets = packet->next;
		free(packet);
	}
	sim_current = NULL;
}

#endif /* SYNKEEP_TCP_SIM_H */
