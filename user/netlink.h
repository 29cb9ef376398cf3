/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Asking the kernel for a list by netlink. Reads only.
 */
#ifndef SYNKEEP_NETLINK_H
#define SYNKEEP_NETLINK_H

#include <linux/netlink.h>
#include <linux/rtnetlink.h>

/* Takes one message of the answer. 0 to go on, 1 if that was all that was wanted, or -errno. */
typedef int (*netlink_visit)(const struct nlmsghdr *message, void *context);

/*
 * Sends a request on a socket of its own and visits the answer. Only that to a request with NLM_F_DUMP has an end: for
 * others the visitor must find it. 0 or -errno.
 */
int netlink_dump(int protocol, const struct nlmsghdr *request, netlink_visit visit, void *context);

/* The attribute's 32 bits in the host's order; otherwise where it is missing or shorter. */
int netlink_number(const struct rtattr *attribute, int otherwise);

/* The first attribute of the type among length bytes of them, or NULL. */
const struct rtattr *netlink_attribute(const struct rtattr *attributes, int length, int type);

#endif /* SYNKEEP_NETLINK_H */
