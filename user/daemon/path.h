/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Paths: where frames go on the link. A path is the link's header of frames that leave: both MAC addresses, up to two
 * VLAN tags, and the type of what follows, which tells IPv4 from IPv6.
 *
 * A path is learned from a frame that came: its answers go back where it came from. Connections hold a path's number
 * for as long as they live and never give it back, so the table is bounded by forgetting: when it is full, a path that
 * neither came nor went for long makes room, and its number becomes void. What is sent along a void path is lost like
 * any other packet; the peer's next segment brings the connection to a path that is good.
 *
 * Pure.
 */
#ifndef SYNKEEP_DAEMON_PATH_H
#define SYNKEEP_DAEMON_PATH_H

#include "packet.h"

#define PATH_NONE 0U
#define PATHS_MAX 4096 /* a power of two */
#define PATH_SLOTS 8192
#define PATH_WORDS 3
#define MAC_BYTES 6

/* Zeros behind its end. */
struct path_header {
	union {
		__u8 bytes[PATH_WORDS * sizeof(__u64)];
		__u64 words[PATH_WORDS];
	};
	__u32 length; /* 14, 18 or 22 */
};

struct path {
	struct path_header header;
	__u32 number; /* its place, and above that how often the place was given anew; PATH_NONE: never used */
	__u16 next;   /* place + 1 of the next in its slot; 0: the last */
	bool used;    /* again, since the hand went by */
};

struct paths {
	struct path *last; /* that was learned or met: most frames come from where the one before came from */
	__u32 count;
	__u32 hand; /* where the next path is looked for that can go */
	__u16 slots[PATH_SLOTS];
	struct path table[PATHS_MAX];
};

/* Zeros are an empty table. */

/*
 * The path back, of a frame whose first PACKET_IP_OFFSET_MAX bytes may be read. PATH_NONE: nobody can answer it, its
 * source is no station's address or it carries no IP.
 */
__u32 path_learn(struct paths *paths, const __u8 *frame);

/* A path of our own finding, for connections that we open. */
__u32 path_add(struct paths *paths, const struct path_header *header);

/* The header to write for a path; NULL: its number is void. */
const struct path_header *path_header(struct paths *paths, __u32 number);

/* A header without tags. */
struct path_header path_make_header(const __u8 *to, const __u8 *from, __u8 family);

/* Whatever goes to a MAC address, in packets of this family and without a tag, goes to another from now on. */
void path_move(struct paths *paths, const __u8 *from, const __u8 *to, __u8 family);

/* Our own MAC address has changed. */
void path_move_source(struct paths *paths, const __u8 *from, const __u8 *to);

#endif /* SYNKEEP_DAEMON_PATH_H */
