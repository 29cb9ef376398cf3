/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * A twin of a loaded device: the same programs on copies of its maps, to be shown packets and asked what became of
 * them. The device's own maps and counters stay as they are, nothing is attached or pinned, and no packet leaves.
 *
 *   1. twin_open()      2. twin_copy() for each tuple that packets will have      3. twin_settle()
 *   4. twin_run(), again and again: what one packet changes the next one finds    5. twin_close()
 *
 * A packet meets the sockets of this network namespace, which must be the device's, and the time is now. What differs:
 *
 *   - of flows, handshakes and ended connections the twin has those of the given tuples, no others; so it notes no
 *     ended connection that has to go for another (ENDED_EVICTED). Whether the flow table is full is as in life
 *   - what the programs pass unverified is reckoned for this process's CPU, for nobody knows which one it would be
 *   - metadata before the frame has room, whatever the driver says
 *   - a cookie of the kernel's own is made by the kernel, whose listener remembers that for two minutes
 */
#ifndef SYNKEEP_TWIN_H
#define SYNKEEP_TWIN_H

#include "device.h"
#include "judge.h"
#include "verdict.h"

#define TWIN_ERROR_BYTES 1024
#define TWIN_FRAME_MAX (65536 + 64) /* bytes: the longest IP packet and what may stand before it */
#define TWIN_SENT_MAX 3072	    /* a page, less what the kernel keeps for itself */
#define TWIN_TUPLES_MAX 262144	    /* beyond that, records of some find no room */

struct twin;

/* What became of a packet. */
struct twin_outcome {
	enum verdict verdict;	    /* VERDICT_COUNT: it leaves, and is none of a service's */
	__u32 action;		    /* what the program returned: of one that arrives enum xdp_action */
	__u32 noted[VERDICT_COUNT]; /* what was counted beside the verdict, how often */
	const __u8 *frame; /* the frame as the program left it, until the next one; words behind it are aligned */
	__u32 frame_bytes;
};

/*
 * Makes the twin of an open device, with room for so many tuples, up to TWIN_TUPLES_MAX. Packets come by the receive
 * queue. 0, or -errno with the reason in error.
 */
int twin_open(const struct device *device, __u32 queue, __u32 tuples, struct twin **twin, char error[TWIN_ERROR_BYTES]);
void twin_close(struct twin *twin); /* NULL is fine */

/* Copies what the device has of the tuple now, if it was not copied yet. 0 or -errno. */
int twin_copy(struct twin *twin, const struct tuple *tuple);

/* Fills the flow tables that are full in life. 0 or -errno. */
int twin_settle(struct twin *twin);

/*
 * Shows xdp_ingress a frame that arrives, or tc_egress one that the kernel sends. 0 or -errno; -EMSGSIZE: it is shorter
 * or longer than the program can be shown, which is TWIN_FRAME_MAX of what arrives, TWIN_SENT_MAX of what is sent.
 */
int twin_run(struct twin *twin, enum direction direction, const void *frame, __u32 bytes, struct twin_outcome *outcome);

/* The descriptor of one of the twin's maps, to be read; what is not copied is the device's own. -1: there is none. */
int twin_map(const struct twin *twin, const char *name);

#endif /* SYNKEEP_TWIN_H */
