/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Which service, if any, a packet's local address and port belong to. */
#ifndef SYNKEEP_SERVICE_BPF_H
#define SYNKEEP_SERVICE_BPF_H

#include "sentry.bpf.h"

/* enum port_kind of this port, and shifted left by ANY_PORT_SHIFT that of any port. */
#define ANY_PORT_SHIFT 4

/* What may concern this port, 0 for nothing: all that a packet for no service costs. */
static __always_inline __u8 service_port_kinds(__u16 port)
{
	__u32 index = port, any = 0;
	__u8 *named = bpf_map_lookup_elem(&ports, &index);
	__u8 *every = bpf_map_lookup_elem(&ports, &any);

	return (named ? *named : 0) | (every ? *every << ANY_PORT_SHIFT : 0);
}

/* Whether services may name this port. */
static __always_inline bool service_port_named(__u8 kinds)
{
	return kinds & ~(PORT_OUTGOING << ANY_PORT_SHIFT);
}

/* Whether connections that this host opens are tracked, whatever their port is. */
static __always_inline bool service_ports_outgoing(__u8 kinds)
{
	return kinds & PORT_OUTGOING << ANY_PORT_SHIFT;
}

/* Whether connections of the daemon's may be on this port. */
static __always_inline bool service_port_of_daemon(__u8 kinds)
{
	return kinds & (PORT_DAEMON | PORT_DAEMON << ANY_PORT_SHIFT);
}

/* What service_find() found. */
struct service_match {
	const struct service *service; /* NULL: none */
	bool any_address;	       /* it names no address: the packet's may not be this host's */
};

/* Looks one key up. A service that was deleted counts only where none stands, and only until its last cookie is stale.
 */
static __always_inline bool service_match(struct service_match *match, const struct service_key *key, bool any_address,
					  __u64 now_ns)
{
	const struct service *service = bpf_map_lookup_elem(&services, key);

	if (!service || (service->retired_ns && (service->retired_ns <= now_ns || match->service)))
		return false;
	match->service = service;
	match->any_address = any_address;
	return !service->retired_ns;
}

/*
 * The most specific service for the tuple's local end: address before wildcard, then port before wildcard. Its key is
 * left in *key, but not of one that was deleted.
 */
static __always_inline struct service_match service_find_key(const struct tuple *t, __u8 kinds, __u64 now_ns,
							     struct service_key *key)
{
	struct service_match match = {};

	*key = (struct service_key){ .family = t->family };
	__builtin_memcpy(key->address, t->local, sizeof(key->address));
	if (kinds & PORT_EXACT) {
		key->port = t->local_port;
		if (service_match(&match, key, false, now_ns))
			return match;
	}
	if (kinds & PORT_EXACT << ANY_PORT_SHIFT) {
		key->port = 0;
		if (service_match(&match, key, false, now_ns))
			return match;
	}
	__builtin_memset(key->address, 0, sizeof(key->address));
	if (kinds & PORT_ANY_ADDRESS) {
		key->port = t->local_port;
		if (service_match(&match, key, true, now_ns))
			return match;
	}
	if (kinds & PORT_ANY_ADDRESS << ANY_PORT_SHIFT) {
		key->port = 0;
		service_match(&match, key, true, now_ns);
	}
	return match;
}

static __always_inline struct service_match service_find(const struct tuple *t, __u8 kinds, __u64 now_ns)
{
	struct service_key key;

	return service_find_key(t, kinds, now_ns, &key);
}

/* The maximum segment lifetime of the tuple's connections: its service's, or the common one. */
__noinline __u64 service_msl_ns(const struct tuple *t, const struct cpu_clock *clock, const struct config *conf)
{
	const struct service *service;

	if (!t || !clock || !conf)
		return TCP_MSL_DEFAULT_S * NSEC_PER_SEC;
	service = service_find(t, service_port_kinds(t->local_port), clock->now_ns).service;
	return service && service->msl_ms ? service->msl_ms * NSEC_PER_MSEC : conf->msl_ns;
}

/*
 * A segment of nobody's presses the sentry of its service as a handshake does. The service is looked up once more, for
 * its key. The flood before may be over, and nobody have noted it yet.
 */
__noinline int service_press(const struct packet *p, const struct cpu_clock *clock)
{
	const struct service *service;
	struct service_key key;
	struct sentry *s;

	if (!p || !clock)
		return -1;
	service = service_find_key(&p->tuple, service_port_kinds(p->tuple.local_port), clock->now_ns, &key).service;
	s = service ? sentry_of(service) : NULL;
	if (!s)
		return -1;
	sentry_all_clear(service, &key, clock->now_ns);
	if (!sentry_press(s, service->half_open, 1, clock->now_ns))
		return 0;
	return sentry_alarm(service, &key, SENTRY_STRANGERS, clock->now_ns);
}

/* The keepalive of the tuple's connections, as its service has it now; off where there is none. */
__noinline int service_keepalive(const struct tuple *t, __u64 now_ns, struct keepalive *k)
{
	const struct service *service;

	if (!t || !k)
		return -1;
	service = service_find(t, service_port_kinds(t->local_port), now_ns).service;
	if (service)
		*k = service->keepalive;
	else
		*k = (struct keepalive){};
	return 0;
}

#endif /* SYNKEEP_SERVICE_BPF_H */
