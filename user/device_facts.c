/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Asking the kernel about a device. See device_facts.h.
 */
#include "device_facts.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/if.h>
#include <linux/if_link.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/xsk.h"
#include "netlink.h"
#include "route.h"
#include "xdp_features.h"

#define FAR_AWAY 0xc0000201 /* 192.0.2.1 (RFC 5737): whatever is not near goes the same way */

static int note_link(const struct nlmsghdr *message, void *context)
{
	const struct ifinfomsg *link = NLMSG_DATA(message);
	struct device_facts *facts = context;

	facts->up = link->ifi_flags & IFF_UP;
	facts->carrier = link->ifi_flags & IFF_LOWER_UP;
	facts->has_master = netlink_attribute(IFLA_RTA(link), NLMSG_PAYLOAD(message, sizeof(*link)), IFLA_MASTER);
	return 1;
}

static int read_link(struct device_facts *facts)
{
	const struct {
		struct nlmsghdr header;
		struct ifinfomsg question;
	} request = {
		.header = { sizeof(request), RTM_GETLINK, NLM_F_REQUEST, 1, 0 },
		.question = { .ifi_family = AF_UNSPEC, .ifi_index = facts->system.ifindex },
	};

	return netlink_dump(NETLINK_ROUTE, &request.header, note_link, facts);
}

static int read_offloads(struct device_facts *facts)
{
	static const char *const names[] = { "rx-lro", "rx-gro-hw" };
	bool on[ARRAY_LEN(names)];
	int err = ethtool_features(facts->name, names, on, ARRAY_LEN(on));

	facts->lro = on[0];
	facts->gro_hw = on[1];
	return err ? err : ethtool_sizes(facts->name, &facts->sizes);
}

/* The stricter of the two counts, as the kernel has it (fib_validate_source): 1 is strict, 2 is loose. */
static void read_reverse_path(struct device_facts *facts)
{
	const __be32 far_away[4] = { htonl(FAR_AWAY) };
	char path[64];
	struct route route;
	int all = sysctls_read_one("net/ipv4/conf/all/rp_filter"), own;

	snprintf(path, sizeof(path), "net/ipv4/conf/%s/rp_filter", facts->name);
	own = sysctls_read_one(path);
	facts->rp_filter = all > own ? all : own;
	facts->default_elsewhere =
		!route_find(FAMILY_IPV4, far_away, 0, &route) && route.ifindex != facts->system.ifindex;
}

static bool is_here(const struct service_spec *spec)
{
	__be32 address[4];
	struct route route;

	memcpy(address, spec->address, sizeof(address));
	return route_find(spec->family, address, 0, &route) == -EADDRNOTAVAIL;
}

static void find_foreign_service(struct device_facts *facts)
{
	static const ipv6_bytes any;

	for (int i = 0; i < facts->status->service_count && !facts->foreign[0]; i++) {
		const struct service_spec *spec = &facts->status->services[i].spec;

		if (spec->policy != POLICY_OFF && memcmp(spec->address, any, sizeof(any)) && !is_here(spec))
			service_spec_format(spec, facts->foreign, sizeof(facts->foreign));
	}
}

static int count_filters(int ifindex)
{
	struct tc_filter *filters;
	int count = tc_filters(ifindex, TC_SIDE_INGRESS, &filters), real = 0;

	for (int i = 0; i < count; i++)
		real += filters[i].handle != 0;
	free(filters);
	return count < 0 ? 0 : real;
}

/* What is in the way of a load. */
static int read_room(struct device_facts *facts)
{
	int ifindex = facts->system.ifindex, err;
	DECLARE_LIBBPF_OPTS(bpf_xdp_query_opts, query);
	bool needs_clsact;

	err = bpf_xdp_query(ifindex, 0, &query);
	if (err)
		return err;
	err = attach_check_xdp_room(ifindex, facts->xdp_obstacle, sizeof(facts->xdp_obstacle));
	facts->xdp_attached = !err || err == -EBUSY ? query.attach_mode : XDP_ATTACHED_NONE;
	if (!attach_tc_prepare(ifindex, &needs_clsact, facts->tc_obstacle, sizeof(facts->tc_obstacle)))
		facts->filters = needs_clsact ? 0 : count_filters(ifindex);
	return vlan_read_loss(ifindex, DEVICE_XDP_NATIVE, &facts->vlan_loss);
}

int device_facts_read(const char *name, const struct status *status, bool loaded, struct device_facts *facts)
{
	int err;

	*facts = (struct device_facts){
		.name = name, .status = status, .loaded = loaded, .daemon_mtu_max = xsk_mtu_max()
	};
	err = system_device(name, &facts->system);
	if (!err)
		err = read_link(facts);
	if (!err)
		err = read_offloads(facts);
	if (err)
		return err;
	facts->tells_xdp = !xdp_features_read(facts->system.ifindex, &facts->xdp_features);
	read_reverse_path(facts);
	if (status)
		find_foreign_service(facts);
	if (!loaded)
		err = read_room(facts);
	return err ? err : veth_peer_read(facts->system.ifindex, &facts->peer);
}
