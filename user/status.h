/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The condition of a loaded device, gathered from its pins and from the kernel; what in it is wrong is judged in
 * advice.h. Reads only.
 */
#ifndef SYNKEEP_STATUS_H
#define SYNKEEP_STATUS_H

#include "attach.h"
#include "daemon_queues.h"
#include "daemon_view.h"
#include "device.h"
#include "flow_view.h"
#include "listener.h"
#include "monitor.h"
#include "service_spec.h"
#include "source_table.h"
#include "sysctls.h"
#include "vlan.h"

#define STATUS_TABLES (2 * FLOW_TABLE_COUNT)

/* One of half4, half6, flows4, flows6, tw4, tw6. */
struct status_table {
	const char *name;
	enum flow_table kind;
	__u32 records; /* that do not count as absent */
	__u32 max_records;
	__u64 memory_bytes;
};

struct status_service {
	struct service_spec spec;
	struct listener_match listeners; /* if the device is here */
	struct monitored monitored;	 /* if its policy is monitor */
	struct sentry sentry;
};

struct status {
	const char *name;
	const char *argument; /* what names it in a command that is suggested */
	const struct config *config;
	__u64 now_ns;	      /* as the programs see it */
	__u64 cookie_sent_ns; /* 0: never */
	__u64 cookie_left_ns; /* how long a cookie that was sent may still come back; 0: none can */
	__u64 cookie_time_ns;
	struct status_table tables[STATUS_TABLES];
	struct source_table_counts sources;
	__u64 memory_bytes; /* of all pinned maps and the list of sources, by the kernel's account */
	struct verdict_counter counters[VERDICT_COUNT];
	struct daemon_view daemon;
	struct status_service *services;
	int service_count;
	struct daemon_queues queues;
	bool here;   /* the device's network namespace is this one */
	bool exists; /* the device does, or at least its namespace */
	/* What can be seen from the device's network namespace only. */
	char current_name[IFNAMSIZ]; /* "" where there is none */
	int attach_error;	     /* -errno: attach could not be asked for */
	struct attach_state attach;
	struct vlan_loss vlan_loss; /* if attach.xdp */
	struct sysctls sysctls;
	bool has_handover_kfunc;
};

/* 0 or -errno; status_free() is due then too. The device must outlive the status. */
int status_read(const struct device *device, struct status *status);

/* The same with the services and what is seen of them from here, and neither tables nor counters. */
int status_read_services(const struct device *device, struct status *status);
void status_free(struct status *status);

#endif /* SYNKEEP_STATUS_H */
