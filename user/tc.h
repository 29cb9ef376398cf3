/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Which filters traffic control has on a device, asked by rtnetlink: libbpf attaches and detaches them, but can not
 * list them. Reads only.
 */
#ifndef SYNKEEP_TC_H
#define SYNKEEP_TC_H

#include <linux/types.h>

#define TC_KIND_BYTES 16

enum tc_side {
	TC_SIDE_INGRESS,
	TC_SIDE_EGRESS,
};

struct tc_filter {
	__u32 handle;
	__u32 priority;
	__u32 program_id; /* 0: not a BPF filter, or the head of a list of them */
};

/*
 * The filters of one side of clsact, in the order in which they get packets. Their number, *filters for the caller to
 * free, or -errno.
 */
int tc_filters(int ifindex, enum tc_side side, struct tc_filter **filters);

/* The kind of the qdisc that stands where clsact does: "clsact", "ingress", or "" for none. 0 or -errno. */
int tc_ingress_qdisc(int ifindex, char kind[TC_KIND_BYTES]);

#endif /* SYNKEEP_TC_H */
