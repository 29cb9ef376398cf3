/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What a driver's native XDP can do, in the kernel's own words: generic netlink's family "netdev", since Linux 6.3.
 */
#ifndef SYNKEEP_XDP_FEATURES_H
#define SYNKEEP_XDP_FEATURES_H

#include <linux/types.h>

/* Bits, as in enum netdev_xdp_act of the kernel. */
enum xdp_feature {
	XDP_FEATURE_BASIC = 1 << 0,    /* drop, pass and send back */
	XDP_FEATURE_ZEROCOPY = 1 << 3, /* AF_XDP without a copy */
	XDP_FEATURE_FRAGS = 1 << 5,    /* frames in several buffers */
};

/* 0 or -errno; -ENOENT: this kernel does not tell. */
int xdp_features_read(int ifindex, __u64 *features);

#endif /* SYNKEEP_XDP_FEATURES_H */
