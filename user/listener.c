/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The TCP sockets that listen in this network namespace. See listener.h.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <linux/inet_diag.h>
#include <linux/sock_diag.h>
#include <stdlib.h>
#include <string.h>

#include "listener.h"
#include "netlink.h"

#define DIAG_STATE_LISTEN 10 /* TCP_LISTEN of the kernel */

struct list {
	struct listener_view *listeners;
	int count;
};

static const __u8 any_address[16];
static const __u8 mapped_prefix[12] = { [10] = 0xff, [11] = 0xff };

/*
 * An MPTCP listener shows as a TCP one whose upper layer protocol is "mptcp". To ask for MPTCP sockets themselves would
 * need another kernel module.
 */
static bool has_mptcp_above(const struct rtattr *attributes, int length)
{
	const struct rtattr *info = netlink_attribute(attributes, length, INET_DIAG_ULP_INFO);
	const struct rtattr *name = NULL;

	if (info)
		name = netlink_attribute(RTA_DATA(info), RTA_PAYLOAD(info), INET_ULP_INFO_NAME);
	return name && strncmp(RTA_DATA(name), "mptcp", RTA_PAYLOAD(name)) == 0;
}

static struct listener_view read_listener(const struct nlmsghdr *message)
{
	const struct inet_diag_msg *diag = NLMSG_DATA(message);
	const struct rtattr *attributes = (const void *)(diag + 1);
	int length = NLMSG_PAYLOAD(message, sizeof(*diag));
	const struct rtattr *ipv6_only = netlink_attribute(attributes, length, INET_DIAG_SKV6ONLY);
	struct listener_view listener = {
		.family = diag->idiag_family,
		.ipv6_only = ipv6_only && *(const __u8 *)RTA_DATA(ipv6_only),
		.mptcp = has_mptcp_above(attributes, length),
		.port = ntohs(diag->id.idiag_sport),
		.ifindex = diag->id.idiag_if,
		.queued = diag->idiag_rqueue,
		.backlog = diag->idiag_wqueue,
	};

	memcpy(listener.address, diag->id.idiag_src,
	       listener.family == FAMILY_IPV4 ? sizeof(ipv4_bytes) : sizeof(ipv6_bytes));
	if (listener.family == FAMILY_IPV6 && memcmp(listener.address, mapped_prefix, sizeof(mapped_prefix)) == 0) {
		listener.family = FAMILY_IPV4;
		memmove(listener.address, listener.address + sizeof(mapped_prefix), sizeof(ipv4_bytes));
		memset(listener.address + sizeof(ipv4_bytes), 0, sizeof(mapped_prefix));
	}
	return listener;
}

static int add_listener(const struct nlmsghdr *message, void *context)
{
	struct list *list = context;
	struct listener_view *grown = realloc(list->listeners, (list->count + 1) * sizeof(*grown));

	if (!grown)
		return -ENOMEM;
	list->listeners = grown;
	grown[list->count++] = read_listener(message);
	return 0;
}

static int dump_family(__u8 family, struct list *list)
{
	const struct {
		struct nlmsghdr header;
		struct inet_diag_req_v2 question;
	} request = {
		.header = { sizeof(request), SOCK_DIAG_BY_FAMILY, NLM_F_REQUEST | NLM_F_DUMP, 1, 0 },
		.question = {
			.sdiag_family = family,
			.sdiag_protocol = IPPROTO_TCP,
			.idiag_ext = 1 << (INET_DIAG_INFO - 1), /* brings the upper layer protocol too */
			.idiag_states = 1 << DIAG_STATE_LISTEN,
		},
	};

	return netlink_dump(NETLINK_SOCK_DIAG, &request.header, add_listener, list);
}

int listener_list(struct listener_view **listeners)
{
	struct list list = {};
	int err = dump_family(FAMILY_IPV4, &list);

	if (!err)
		err = dump_family(FAMILY_IPV6, &list);
	if (err) {
		free(list.listeners);
		list.listeners = NULL;
	}
	*listeners = list.listeners;
	return err ? err : list.count;
}

static bool is_any(const __u8 *address)
{
	return memcmp(address, any_address, sizeof(any_address)) == 0;
}

static bool takes_family(const struct listener_view *listener, __u8 family)
{
	if (family == 0 || listener->family == family)
		return true;
	return listener->family == FAMILY_IPV6 && !listener->ipv6_only && is_any(listener->address);
}

static void count_listener(struct listener_match *match, const struct listener_view *listener)
{
	if (listener->mptcp)
		match->mptcp++;
	else
		match->tcp++;
}

struct listener_match listener_match(const struct listener_view *listeners, int count,
				     const struct service_spec *service, __u32 ifindex)
{
	struct listener_match on_address = {}, on_any = {};

	for (int i = 0; i < count; i++) {
		const struct listener_view *listener = &listeners[i];

		if ((service->port && listener->port != service->port) || !takes_family(listener, service->family) ||
		    (listener->ifindex && listener->ifindex != ifindex))
			continue;
		if (is_any(listener->address))
			count_listener(&on_any, listener);
		else if (is_any(service->address) ||
			 (listener->family == service->family &&
			  memcmp(listener->address, service->address, sizeof(ipv6_bytes)) == 0))
			count_listener(&on_address, listener);
	}
	if (is_any(service->address) || !service->port || !(on_address.tcp + on_address.mptcp)) {
		on_address.tcp += on_any.tcp;
		on_address.mptcp += on_any.mptcp;
	}
	return on_address;
}

enum listener_kind listener_kind(const struct listener_match *match)
{
	if (match->tcp)
		return LISTENER_TCP;
	return match->mptcp ? LISTENER_MPTCP : LISTENER_NONE;
}
