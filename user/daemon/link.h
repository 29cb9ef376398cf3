/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The device's link as the kernel tells it by rtnetlink: its MTU, its own MAC address, and its neighbours'. Changes are
 * followed, and paths with them: a neighbour that gets another MAC address takes along what went to the old one, unless
 * another neighbour has that still.
 *
 * Neighbours behind a VLAN device are those of another device, and are not followed: paths with a tag are only learned.
 */
#ifndef SYNKEEP_DAEMON_LINK_H
#define SYNKEEP_DAEMON_LINK_H

#include "daemon/path.h"

#define LINK_NEIGHBOURS_MAX 1024 /* more are not followed: their paths are learned anew from what they send */

struct link;

/* paths: that are to follow changes; NULL: none. 0 and *out, or -errno. */
int link_open(int ifindex, struct paths *paths, struct link **out);
void link_close(struct link *link); /* takes NULL */

/* Readable: link_follow() is due. */
int link_fd(const struct link *link);
void link_follow(struct link *link);

__u32 link_mtu(const struct link *link);
const __u8 *link_mac(const struct link *link);

/* A neighbour's MAC address; NULL: not known. address: as in struct tuple. */
const __u8 *link_neighbour(struct link *link, __u8 family, const __be32 *address);

/* From now on changes of routes are counted, too: for who opens connections. 0 or -errno. */
int link_follow_routes(struct link *link);
__u32 link_route_changes(const struct link *link);

/*
 * Asks the kernel to find out whether a neighbour is there, and where: as if it had just sent to it. 0 or -errno; the
 * answer comes through link_follow().
 */
int link_ask(const struct link *link, __u8 family, const __be32 *address);

/* The same for whoever a path leads to. */
void link_ask_by_header(const struct link *link, const struct path_header *header);

#endif /* SYNKEEP_DAEMON_LINK_H */
