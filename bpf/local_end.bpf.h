/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What a SYN's local end, address and port, tells about its fate: the service, whether the address is this host's, and
 * what the listener there would take. All three are looked up at most once a jiffy and CPU, for a flood asks the same
 * of the same few ends; a change of the services counts at once (config.services_generation).
 */
#ifndef SYNKEEP_LOCAL_END_BPF_H
#define SYNKEEP_LOCAL_END_BPF_H

#include "service.bpf.h"
#include "socket.bpf.h"

#define LOCAL_ENDS 64 /* a CPU: local_end_index() has six bits */

struct local_end {
	__u64 jiffies;	  /* when all this was looked up */
	__u64 now_ns;	  /* the same */
	__u32 generation; /* of the services then */
	__be32 address[4];
	__u16 port;
	__u8 family;
	bool has_service;
	bool is_transit;   /* the service is for every address, but this one is not the host's */
	bool has_listener; /* listener and its verdict are known */
	bool is_daemon_port;
	bool cookie_noted; /* by the service's sentry */
	struct service service;
	struct service_key service_key;
	enum verdict listener_verdict; /* V_SYN_COOKIE or V_SYN_KERNEL_COOKIE where one may be sent */
	struct listener listener;
	__u32 syns; /* under flood, since all this was looked up: what the service's sentry has not heard of */
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, LOCAL_ENDS);
	__type(key, __u32);
	__type(value, struct local_end);
} local_ends SEC(".maps");

static __always_inline __u32 local_end_index(const struct tuple *t)
{
	__u32 mixed = t->local[0] ^ t->local[1] ^ t->local[2] ^ t->local[3] ^ (__u32)t->local_port << 16;

	return mixed * 0x9e3779b1U >> 26;
}

static __always_inline bool local_end_is_fresh(const struct local_end *end, const struct tuple *t,
					       const struct cpu_clock *clock, const struct config *conf)
{
	return end->jiffies == clock->jiffies && end->generation == conf->services_generation &&
	       end->address[0] == t->local[0] && end->address[1] == t->local[1] && end->address[2] == t->local[2] &&
	       end->address[3] == t->local[3] && end->port == t->local_port && end->family == t->family;
}

/* Tells the sentry of the SYNs of the last jiffy in which there were some: they pressed then, however long ago it is.
 */
static __always_inline void local_end_flush(struct local_end *end)
{
	struct sentry *s = end->syns ? sentry_of(&end->service) : NULL;

	if (s)
		sentry_press(s, end->service.half_open, end->syns, end->now_ns);
	end->syns = 0;
}

__noinline int local_end_read(struct xdp_md *ctx, const struct packet *p, const struct cpu_clock *clock,
			      const struct config *conf, struct local_end *end)
{
	struct service_match match;
	struct service_key key;
	__u8 port_kinds;

	if (!p || !clock || !conf || !end)
		return -1;
	local_end_flush(end);
	port_kinds = service_port_kinds(p->tuple.local_port);
	end->generation = conf->services_generation;
	end->jiffies = clock->jiffies;
	end->now_ns = clock->now_ns;
	__builtin_memcpy(end->address, p->tuple.local, sizeof(end->address));
	end->port = p->tuple.local_port;
	end->family = p->tuple.family;
	end->has_listener = false;
	end->listener.pressed = false;
	end->cookie_noted = false;
	end->is_daemon_port = service_port_of_daemon(port_kinds);
	match = service_find_key(&p->tuple, port_kinds, clock->now_ns, &key);
	end->service_key = key; /* Linux 6.1 looks nothing up by a key that is not on the stack */
	end->has_service = match.service;
	if (!match.service)
		return 0;
	end->service = *match.service;
	end->is_transit = match.any_address && !socket_address_is_local(ctx, p);
	return 0;
}

/* The packet's local end; NULL does not happen. No other CPU writes the element. */
static __always_inline struct local_end *local_end_get(struct xdp_md *ctx, const struct packet *p,
						       const struct cpu_clock *clock, const struct config *conf)
{
	__u32 index = local_end_index(&p->tuple);
	struct local_end *end = bpf_map_lookup_elem(&local_ends, &index);

	if (end && !local_end_is_fresh(end, &p->tuple, clock, conf))
		local_end_read(ctx, p, clock, conf, end);
	return end;
}

#endif /* SYNKEEP_LOCAL_END_BPF_H */
