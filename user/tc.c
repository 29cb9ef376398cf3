/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Two dumps by rtnetlink. See tc.h.
 */
#include <errno.h>
#include <linux/pkt_cls.h>
#include <linux/pkt_sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "netlink.h"
#include "tc.h"

static const struct rtattr *find_attribute(const struct nlmsghdr *message, int type)
{
	return netlink_attribute(TCA_RTA(NLMSG_DATA(message)), TCA_PAYLOAD(message), type);
}

static int dump(int type, const struct tcmsg *question, netlink_visit visit, void *context)
{
	const struct {
		struct nlmsghdr header;
		struct tcmsg question;
	} request = {
		.header = { sizeof(request), type, NLM_F_REQUEST | NLM_F_DUMP, 1, 0 },
		.question = *question,
	};

	return netlink_dump(NETLINK_ROUTE, &request.header, visit, context);
}

struct filter_list {
	struct tc_filter *filters;
	int count;
};

static __u32 program_id(const struct nlmsghdr *message)
{
	const struct rtattr *kind = find_attribute(message, TCA_KIND);
	const struct rtattr *options = find_attribute(message, TCA_OPTIONS);
	const struct rtattr *id = NULL;
	__u32 value = 0;

	if (kind && options && !strcmp(RTA_DATA(kind), "bpf"))
		id = netlink_attribute(RTA_DATA(options), RTA_PAYLOAD(options), TCA_BPF_ID);
	if (id)
		memcpy(&value, RTA_DATA(id), sizeof(value));
	return value;
}

static int add_filter(const struct nlmsghdr *message, void *context)
{
	const struct tcmsg *tc = NLMSG_DATA(message);
	struct filter_list *list = context;
	struct tc_filter *grown;

	if (message->nlmsg_type != RTM_NEWTFILTER)
		return 0;
	grown = realloc(list->filters, (list->count + 1) * sizeof(*grown));
	if (!grown)
		return -ENOMEM;
	list->filters = grown;
	grown[list->count++] = (struct tc_filter){
		.handle = tc->tcm_handle,
		.priority = TC_H_MAJ(tc->tcm_info) >> 16,
		.program_id = program_id(message),
	};
	return 0;
}

int tc_filters(int ifindex, enum tc_side side, struct tc_filter **filters)
{
	const struct tcmsg question = {
		.tcm_family = AF_UNSPEC,
		.tcm_ifindex = ifindex,
		.tcm_parent = TC_H_MAKE(TC_H_CLSACT, side == TC_SIDE_INGRESS ? TC_H_MIN_INGRESS : TC_H_MIN_EGRESS),
	};
	struct filter_list list = {};
	int err;

	err = dump(RTM_GETTFILTER, &question, add_filter, &list);
	if (err) {
		free(list.filters);
		list.filters = NULL;
	}
	*filters = list.filters;
	return err ? err : list.count;
}

struct qdisc_search {
	int ifindex;
	char *kind;
};

static int note_qdisc(const struct nlmsghdr *message, void *context)
{
	const struct rtattr *kind = find_attribute(message, TCA_KIND);
	const struct tcmsg *tc = NLMSG_DATA(message);
	const struct qdisc_search *search = context;

	if (message->nlmsg_type == RTM_NEWQDISC && tc->tcm_ifindex == search->ifindex &&
	    tc->tcm_parent == TC_H_CLSACT && kind)
		snprintf(search->kind, TC_KIND_BYTES, "%s", (const char *)RTA_DATA(kind));
	return 0;
}

int tc_ingress_qdisc(int ifindex, char kind[TC_KIND_BYTES])
{
	const struct tcmsg question = { .tcm_family = AF_UNSPEC, .tcm_ifindex = ifindex };
	struct qdisc_search search = { ifindex, kind };

	kind[0] = '\0';
	return dump(RTM_GETQDISC, &question, note_qdisc, &search);
}
