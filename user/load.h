/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Loading a device: from nothing to a shield that stands without any process, or back to nothing where a step fails.
 */
#ifndef SYNKEEP_LOAD_H
#define SYNKEEP_LOAD_H

#include "attach.h"
#include "service_spec.h"
#include "cookie.h"
#include "system.h"
#include "teardown.h"

#define LOAD_FLOWS_MIN 64 /* LRU maps need a few elements a CPU */
#define LOAD_FLOWS_MAX (1U << 27)
#define LOAD_ANSWERS_MAX 1000000000 /* a second: one each nanosecond */
/* In flows4, flows6, tw4, tw6, with their share of the buckets; the presence filter comes on top of it. */
#define LOAD_BYTES_PER_FLOW 704
#define LOAD_BYTES_CONSTANT (17 << 20) /* half4 and half6 */

enum load_xdp {
	LOAD_XDP_ANY, /* native, or generic where the driver can not */
	LOAD_XDP_NATIVE,
	LOAD_XDP_GENERIC,
};

struct load {
	const char *pin_root;
	const char *name;
	struct system_device system; /* what the kernel says about the device */
	enum load_xdp xdp;
	enum handover_way best_handover;
	__u64 try_ns; /* not 0: a trial, over after this time unless someone keeps it */
	__u64 msl_ns;
	__u32 answers_per_prefix; /* as in the config */
	__u32 flows;		  /* slots of flows4, of flows6, of tw4 and of tw6 */
	bool track_outgoing;
	struct cookie_keys keys; /* from_epoch 0: the master key alone, from the load on */
	bool key_is_shared;
	const struct service_spec *services;
	size_t service_count;
};

struct load_result {
	bool mounted_bpffs;
	bool cleared; /* what an earlier load had left */
	struct teardown remains;
	enum device_xdp_mode xdp_mode;
	__u64 loaded_at_ns; /* as in the config */
	int native_error;   /* -errno: why XDP is not native although that was tried; 0 */
};

/* What a load of so many flows takes, bytes. */
__u64 load_memory_bytes(__u32 flows);

/*
 * 0, or -errno and the reason in error; nothing is left behind then, unless the reason says so. result is filled as far
 * as things went.
 */
int load_device(const struct load *load, struct load_result *result, char *error, size_t size);

#endif /* SYNKEEP_LOAD_H */
