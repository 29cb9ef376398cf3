/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Whether a packet's source is denied or allowed, by the list that the command line has written (include/source_list.h,
 * user/source_table.c). Asked only of what would be new: connections that are there go on.
 */
#ifndef SYNKEEP_SOURCE_LIST_BPF_H
#define SYNKEEP_SOURCE_LIST_BPF_H

#include "daemon.bpf.h"
#include "socket.bpf.h"
#include "verdict.bpf.h"

#define SOURCE_EXPIRED_MAX 8 /* expired prefixes, one within the other: who is behind more of them is not listed */

/* The action for the packet's source, by the longest prefix that has not expired. */
__noinline enum source_action source_list_find(const struct packet *p, const struct cpu_clock *clock)
{
	__u32 zero = 0, part, word, least;
	const struct source_entry *entry;
	struct source_key key;
	const __u64 *bits;
	void *list;

	if (!p || !clock)
		return SOURCE_UNLISTED;
	part = source_filter_part(p->tuple.family, p->tuple.remote);
	word = part / 64;
	bits = bpf_map_lookup_elem(&source_filter, &word);
	list = bpf_map_lookup_elem(&source_lists, &zero);
	if (!list || !bits || !(*bits >> part % 64 & 1))
		return SOURCE_UNLISTED;
	source_key_of(&key, p->tuple.family, p->tuple.remote);
	least = p->tuple.family == FAMILY_IPV4 ? SOURCE_IPV4_BITS : 0;
	for (int i = 0; i < SOURCE_EXPIRED_MAX; i++) {
		entry = bpf_map_lookup_elem(list, &key);
		if (!entry || entry->prefixlen < least)
			break;
		if (source_entry_is_alive(entry, clock->now_ns))
			return entry->action;
		if (!entry->prefixlen)
			break;
		key.prefixlen = entry->prefixlen - 1;
	}
	return SOURCE_UNLISTED;
}

/*
 * Whether the list denies the packet's source, in p whether it allows it. Where nothing is listed that costs an array
 * access. A shield that is being unloaded, or whose trial is over, denies nothing: who locked himself out gets in.
 */
static __always_inline bool source_list_denies(struct packet *p, const struct cpu_clock *clock,
					       const struct config *conf)
{
	enum source_action action;
	__u32 zero = 0;

	if (!bpf_map_lookup_elem(&source_lists, &zero) || config_is_draining(conf, clock->now_ns))
		return false;
	action = source_list_find(p, clock);
	p->source_allowed = action == SOURCE_ALLOW;
	if (action == SOURCE_DENY_MONITOR)
		verdict_note(V_DENY_MONITORED);
	return action == SOURCE_DENY;
}

/*
 * Whether the tuple is of a connection that is there, or of a handshake under way, though no flow claims the packet: it
 * has a socket, or another record of the daemon's.
 */
static __noinline bool source_list_spares(struct xdp_md *ctx, const struct packet *p, const struct service *service,
					  const struct cpu_clock *clock, const struct config *conf)
{
	struct bpf_sock *socket;
	bool spares;

	if (service->sockets_known && !presence_has(conf, &p->tuple))
		return false;
	if (service->owner == FLOW_OWNER_DAEMON)
		return daemon_has(&p->tuple, clock, conf);
	socket = socket_find(ctx, &p->tuple);
	if (!socket)
		return false;
	spares = socket_kind(socket->state) != SOCKET_LISTENING;
	bpf_sk_release(socket);
	return spares;
}

/* The same for a packet of a service that is no SYN, and that no flow claims. */
static __always_inline bool source_list_denies_unclaimed(struct xdp_md *ctx, struct packet *p,
							 const struct service_match *match,
							 const struct cpu_clock *clock, const struct config *conf)
{
	const struct service *service = match->service;

	if (!service || service->policy == POLICY_OFF || !source_list_denies(p, clock, conf))
		return false;
	if (match->any_address && !socket_address_is_local(ctx, p))
		return false;
	return !source_list_spares(ctx, p, service, clock, conf);
}

#endif /* SYNKEEP_SOURCE_LIST_BPF_H */
