/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What the kernel says about this machine, this process and a network device. Reads only.
 */
#ifndef SYNKEEP_SYSTEM_H
#define SYNKEEP_SYSTEM_H

#include <linux/types.h>
#include <stdbool.h>

/* Whether this process has a capability, by its number, effectively. */
bool system_has_capability(int capability);

/* Whether the effective capabilities suffice to load programs and to attach them. */
bool system_may_load(void);

/* CLOCK_MONOTONIC, as bpf_ktime_get_ns() gives it. */
__u64 system_monotonic_ns(void);

/* How far TAI is ahead of UTC as the kernel knows it, in whole seconds: 0 until an NTP daemon has told it. */
__u64 system_tai_offset_ns(void);

/* The inode that names this process's network namespace; 0 if /proc can not tell. */
__u64 system_netns_inode(void);

/*
 * Whether a process or a mount is seen to hold the network namespace: 1, or 0, it is gone as far as we see; -errno: we
 * can not look.
 */
int system_netns_is_alive(__u64 inode);

/*
 * The shift that a listening socket of this namespace offers in its window scale option: that of the largest receive
 * buffer which the sysctls allow (as in tcp_select_initial_window() of the kernel).
 */
__u8 system_rcv_wscale(void);

/* Whether this kernel has bpf_sk_assign_tcp_reqsk(), or rather the type that came with it. */
bool system_has_handover_kfunc(void);

/*
 * Memory that can be had without swapping, by the kernel's estimate, and no more than the process's cgroups allow in
 * all; 0 if it can not tell.
 */
__u64 system_available_bytes(void);

struct system_device {
	int ifindex;
	int mtu;       /* bytes */
	int rx_queues; /* in use */
	bool loopback;
	bool ethernet;
	__u8 mac[6];	 /* if ethernet */
	char driver[32]; /* as ethtool(8) prints them; "" where the device does not say */
	char bus[32];
};

/* 0 or -errno; -ENODEV: there is no such device in this namespace. */
int system_device(const char *name, struct system_device *device);

/* Whether this namespace has a device of this index: 1, 0, or -errno. */
int system_device_exists(int ifindex);

/*
 * The MSS that a host behind this MTU offers, bytes; headers are those of IP and TCP without options. At least least,
 * which every path carries, in fragments if it must.
 */
__u16 system_mss(int mtu, int headers, __u16 least);

#endif /* SYNKEEP_SYSTEM_H */
