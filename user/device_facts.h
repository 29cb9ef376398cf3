/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What a network device is like, loaded or not, as far as a shield cares; doctor_device.h judges it. Reads only.
 */
#ifndef SYNKEEP_DEVICE_FACTS_H
#define SYNKEEP_DEVICE_FACTS_H

#include "ethtool.h"
#include "status.h"
#include "system.h"
#include "tc.h"
#include "veth_peer.h"

struct device_facts {
	const char *name;
	struct system_device system;
	bool up;
	bool carrier;
	bool has_master; /* it is a part of a bridge, bond or team */
	bool tells_xdp;	 /* the kernel knows what its driver can do: */
	__u64 xdp_features;
	struct ethtool_sizes sizes;
	bool lro;
	bool gro_hw;
	__u32 daemon_mtu_max; /* what the daemon's sockets take */
	struct veth_peer peer;
	int rp_filter;			  /* what counts of all's and its own; -1: could not be read */
	bool default_elsewhere;		  /* the default route of IPv4 leads by another device */
	char foreign[SERVICE_SPEC_BYTES]; /* a protected service whose address is not this host's; "": none */
	const struct status *status;	  /* what it is loaded with; NULL: nothing, or it can not be read */
	bool loaded;			  /* has pins, so what is attached may be theirs; false: what follows is read */
	char xdp_obstacle[ATTACH_ERROR_BYTES]; /* why no XDP program of ours finds room; "": it does */
	__u8 xdp_attached;		       /* XDP_ATTACHED_* of the kernel, if it is known what is */
	char tc_obstacle[ATTACH_ERROR_BYTES];  /* the same of the filters */
	int filters;			       /* of others, at tc ingress */
	struct vlan_loss vlan_loss;	       /* with native XDP */
};

/*
 * status: what the device is loaded with, which must outlive the facts; NULL. loaded: it has pins, legible or not. 0 or
 * -errno; -ENODEV: there is no such device in this network namespace.
 */
int device_facts_read(const char *name, const struct status *status, bool loaded, struct device_facts *facts);

#endif /* SYNKEEP_DEVICE_FACTS_H */
