/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Putting the programs on a device and taking them off again: XDP through libxdp, the others as clsact filters.
 *
 * Ours is, whatever its name, a program that uses our config map: that holds for a load that was cut short anywhere
 * too, for the maps are pinned before the first program is attached. Nothing that is not ours is touched.
 */
#ifndef SYNKEEP_ATTACH_H
#define SYNKEEP_ATTACH_H

#include <bpf/libbpf.h>
#include "device.h"

#define ATTACH_ERROR_BYTES 512

/* Which of ours are on a device. */
struct attach_state {
	bool xdp;
	bool tc_ingress;
	bool tc_egress;
	bool before_tc_ingress;	       /* filters of others get packets first there, and may end the chain */
	enum device_xdp_mode xdp_mode; /* if xdp */
	int dispatched;		       /* programs that share the device by libxdp's dispatcher; 0: no dispatcher */
};

/* Whether an XDP program of ours finds room on the device beside others. 0 or -errno with the reason in error. */
int attach_check_xdp_room(int ifindex, char *error, size_t size);

/*
 * Loads the object, which has been opened only, and attaches its program xdp_ingress. libxdp must do both at a stroke:
 * under its dispatcher the program is loaded as another type.
 *
 * Returns 0 or -errno with the reason in error; the object may be loaded after a failure. *refused: the programs are
 * good, the device does not take them in this mode. For another mode the object must be opened anew.
 */
int attach_xdp(struct bpf_object *object, int ifindex, enum device_xdp_mode mode, bool *refused, char *error,
	       size_t size);

/* Whether attach_tc() will have to make clsact: to be written down first, for who clears away. 0 or -errno, as above.
 */
int attach_tc_prepare(int ifindex, bool *needs_clsact, char *error, size_t size);

/* Attaches the filters, egress first, so that no connection is handed over unseen. 0 or -errno, as above. */
int attach_tc(int ifindex, bool make_clsact, int ingress_fd, int egress_fd, char *error, size_t size);

/*
 * What is there of the programs that use the device's config map; nothing where the device is gone. 0 or -errno;
 * -EXDEV: the device is in another network namespace.
 */
int attach_query(const struct device *device, struct attach_state *state);

/*
 * Takes ours off a device that exists: XDP, then the filters, then clsact if that is ours and has no filter left.
 * detached says what was there; *clsact whether the qdisc was removed. 0 or -errno, as above.
 */
int attach_detach(const struct device *device, struct attach_state *detached, bool *clsact, char *error, size_t size);

#endif /* SYNKEEP_ATTACH_H */
