/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Time as a loaded device's programs see it, and what their map "clocks" says. Reads only.
 */
#ifndef SYNKEEP_CLOCKS_H
#define SYNKEEP_CLOCKS_H

#include "device.h"

/* CLOCK_MONOTONIC, and what tests add to it: what deadlines are compared with. */
__u64 clocks_now_ns(const struct device *device);

/* The cookies' time, which machines that share a key agree on; its epoch is that whose key new cookies get. */
__u64 clocks_cookie_time_ns(const struct device *device);

/* When a CPU last sent a cookie, 0 for never. 0 or -errno. */
int clocks_cookie_sent(const struct device *device, __u64 *sent_ns);

#endif /* SYNKEEP_CLOCKS_H */
