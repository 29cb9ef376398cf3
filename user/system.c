/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Questions to the kernel. See system.h.
 */
#include <bpf/btf.h>
#include <dirent.h>
#include <errno.h>
#include <glob.h>
#include <limits.h>
#include <linux/capability.h>
#include <linux/ethtool.h>
#include <linux/sockios.h>
#include <net/if_arp.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "base.h"
#include "system.h"
#include "tcp_options.h"

static __u64 effective_capabilities(void)
{
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3] = {};

	return syscall(SYS_capget, &header, data) < 0 ? 0 : (__u64)data[1].effective << 32 | data[0].effective;
}

bool system_has_capability(int capability)
{
	return effective_capabilities() & 1ULL << capability;
}

bool system_may_load(void)
{
	__u64 effective = effective_capabilities();

	if (effective & 1ULL << CAP_SYS_ADMIN)
		effective |= 1ULL << CAP_BPF | 1ULL << CAP_PERFMON;
	return effective & 1ULL << CAP_NET_ADMIN && effective & 1ULL << CAP_BPF && effective & 1ULL << CAP_PERFMON;
}

static __u64 clock_ns(clockid_t clock)
{
	struct timespec now;

	clock_gettime(clock, &now);
	return now.tv_sec * NSEC_PER_SEC + now.tv_nsec;
}

__u64 system_monotonic_ns(void)
{
	return clock_ns(CLOCK_MONOTONIC);
}

__u64 system_tai_offset_ns(void)
{
	/* The two are read at slightly different times: the difference is whole seconds and a little less. */
	__s64 difference_ns = (__s64)(clock_ns(CLOCK_TAI) - clock_ns(CLOCK_REALTIME));
	__s64 seconds = (difference_ns + (__s64)NSEC_PER_SEC / 2) / (__s64)NSEC_PER_SEC;

	return seconds > 0 ? seconds * NSEC_PER_SEC : 0;
}

__u64 system_netns_inode(void)
{
	struct stat status;

	return stat("/proc/self/ns/net", &status) < 0 ? 0 : status.st_ino;
}

/* Name spaces that are held by a mount, as `ip netns add` makes them, stand as "net:[INODE]" in the mount table. */
static int mount_holds_netns(__u64 inode)
{
	char line[4096], name[32];
	int found = 0;
	FILE *mounts;

	snprintf(name, sizeof(name), " net:[%llu] ", inode);
	mounts = fopen("/proc/self/mountinfo", "re");
	if (!mounts)
		return -errno;
	while (!found && fgets(line, sizeof(line), mounts))
		found = strstr(line, name) != NULL;
	fclose(mounts);
	return found;
}

static int process_holds_netns(__u64 inode)
{
	struct dirent *entry;
	int found = 0;
	DIR *proc;

	proc = opendir("/proc");
	if (!proc)
		return -errno;
	while (!found && (entry = readdir(proc))) {
		char path[300];
		struct stat status;

		if (entry->d_name[0] < '1' || entry->d_name[0] > '9')
			continue;
		snprintf(path, sizeof(path), "/proc/%s/ns/net", entry->d_name);
		found = stat(path, &status) == 0 && status.st_ino == inode;
	}
	closedir(proc);
	return found;
}

int system_netns_is_alive(__u64 inode)
{
	int held = mount_holds_netns(inode);

	return held ? held : process_holds_netns(inode);
}

/* The last number of a sysctl; 0 if it can not be read. */
static __u64 sysctl_last_number(const char *path)
{
	unsigned long long number = 0;
	FILE *file = fopen(path, "re");

	if (!file)
		return 0;
	while (fscanf(file, "%llu", &number) == 1)
		;
	fclose(file);
	return number;
}

__u8 system_rcv_wscale(void)
{
	__u64 space = sysctl_last_number("/proc/sys/net/ipv4/tcp_rmem");
	__u64 by_option = sysctl_last_number("/proc/sys/net/core/rmem_max");
	__u8 shift = 0;

	if (by_option > space)
		space = by_option;
	while (shift < TCP_WSCALE_MAX && space >> shift > 65535)
		shift++;
	return shift;
}

bool system_has_handover_kfunc(void)
{
	struct btf *kernel = btf__load_vmlinux_btf();
	bool found = kernel && btf__find_by_name_kind(kernel, "bpf_tcp_req_attrs", BTF_KIND_STRUCT) > 0;

	btf__free(kernel);
	return found;
}

/* The least limit from a cgroup's directory up to where its hierarchy is mounted; ~0: none. */
static __u64 least_limit(const char *mount, const char *path, const char *file)
{
	unsigned long long least = ~0ULL, limit;
	char full[PATH_MAX], within[PATH_MAX];
	FILE *found;

	for (snprintf(within, sizeof(within), "%s", path); *within; *strrchr(within, '/') = '\0') {
		if (snprintf(full, sizeof(full), "%s%s/%s", mount, within, file) >= (int)sizeof(full))
			break;
		found = fopen(full, "re");
		if (!found)
			continue;
		if (fscanf(found, "%llu", &limit) == 1 && limit < least) /* "max" is no number */
			least = limit;
		fclose(found);
	}
	return least;
}

/* What the cgroup of this process lets it have, used or not: maps are charged to it. ~0: as much as there is. */
static __u64 cgroup_limit_bytes(void)
{
	char line[PATH_MAX], path[PATH_MAX];
	FILE *cgroups = fopen("/proc/self/cgroup", "re");
	__u64 least = ~0ULL, limit = ~0ULL;

	while (cgroups && fgets(line, sizeof(line), cgroups)) {
		if (sscanf(line, "0::%s", path) == 1)
			limit = least_limit("/sys/fs/cgroup", path, "memory.max");
		else if (sscanf(line, "%*d:memory:%s", path) == 1)
			limit = least_limit("/sys/fs/cgroup/memory", path, "memory.limit_in_bytes");
		least = limit < least ? limit : least;
	}
	if (cgroups)
		fclose(cgroups);
	return least;
}

__u64 system_available_bytes(void)
{
	__u64 available = 0, limit = cgroup_limit_bytes();
	unsigned long long kibibytes;
	char line[128];
	FILE *file = fopen("/proc/meminfo", "re");

	if (!file)
		return 0;
	while (!available && fgets(line, sizeof(line), file)) {
		if (sscanf(line, "MemAvailable: %llu kB", &kibibytes) == 1)
			available = kibibytes * 1024;
	}
	fclose(file);
	return available < limit ? available : limit;
}

/* A device that has no driver to speak of has no answer either. */
static void ask_driver(int fd, struct ifreq *request, struct system_device *device)
{
	struct ethtool_drvinfo info = { .cmd = ETHTOOL_GDRVINFO };

	request->ifr_data = (void *)&info;
	if (ioctl(fd, SIOCETHTOOL, request) < 0)
		info = (struct ethtool_drvinfo){};
	snprintf(device->driver, sizeof(device->driver), "%s", info.driver);
	snprintf(device->bus, sizeof(device->bus), "%s", info.bus_info);
}

static int count_queue_directories(const char *name)
{
	char pattern[96];
	glob_t found;
	int count;

	snprintf(pattern, sizeof(pattern), "/sys/class/net/%s/queues/rx-*", name);
	count = glob(pattern, 0, NULL, &found) ? 0 : (int)found.gl_pathc;
	globfree(&found);
	return count;
}

/* A driver that can not say has one, or directories in sysfs, if that is of this network namespace. */
static void ask_queues(int fd, struct ifreq *request, struct system_device *device)
{
	struct ethtool_channels channels = { .cmd = ETHTOOL_GCHANNELS };

	request->ifr_data = (void *)&channels;
	if (ioctl(fd, SIOCETHTOOL, request) < 0)
		channels = (struct ethtool_channels){};
	device->rx_queues = (int)(channels.rx_count + channels.combined_count);
	if (!device->rx_queues)
		device->rx_queues = count_queue_directories(request->ifr_name);
	if (!device->rx_queues)
		device->rx_queues = 1;
}

int system_device(const char *name, struct system_device *device)
{
	struct ifreq request = {};
	int fd, err = 0;

	if (strlen(name) >= sizeof(request.ifr_name))
		return -ENODEV;
	strcpy(request.ifr_name, name);
	fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	if (ioctl(fd, SIOCGIFINDEX, &request) < 0)
		goto failed;
	device->ifindex = request.ifr_ifindex;
	if (ioctl(fd, SIOCGIFMTU, &request) < 0)
		goto failed;
	device->mtu = request.ifr_mtu;
	if (ioctl(fd, SIOCGIFHWADDR, &request) < 0)
		goto failed;
	device->loopback = request.ifr_hwaddr.sa_family == ARPHRD_LOOPBACK;
	device->ethernet = request.ifr_hwaddr.sa_family == ARPHRD_ETHER;
	memcpy(device->mac, request.ifr_hwaddr.sa_data, sizeof(device->mac));
	ask_driver(fd, &request, device);
	ask_queues(fd, &request, device);
out:
	close(fd);
	return err;
failed:
	err = -errno;
	goto out;
}

int system_device_exists(int ifindex)
{
	struct ifreq request = { .ifr_ifindex = ifindex };
	int fd, exists = 1;

	fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	if (ioctl(fd, SIOCGIFNAME, &request) < 0)
		exists = errno == ENODEV ? 0 : -errno;
	close(fd);
	return exists;
}

__u16 system_mss(int mtu, int headers, __u16 least)
{
	int mss = mtu - headers;

	return mss < least ? least : mss > 65535 ? 65535 : mss;
}
