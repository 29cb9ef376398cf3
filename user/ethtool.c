/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Asking by the ethtool ioctl. See ethtool.h.
 */
#include <errno.h>
#include <linux/ethtool.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "ethtool.h"

#define BLOCK_BITS 32

static int ask(int fd, const char *device, void *question)
{
	struct ifreq request = { .ifr_data = question };

	strncpy(request.ifr_name, device, sizeof(request.ifr_name) - 1);
	return ioctl(fd, SIOCETHTOOL, &request) < 0 ? -errno : 0;
}

/* How many features the kernel has names for. */
static int read_count(int fd, const char *device, __u32 *count)
{
	struct ethtool_sset_info *info = calloc(1, sizeof(*info) + sizeof(info->data[0]));
	int err;

	if (!info)
		return -ENOMEM;
	*info = (struct ethtool_sset_info){ .cmd = ETHTOOL_GSSET_INFO, .sset_mask = 1ULL << ETH_SS_FEATURES };
	err = ask(fd, device, info);
	*count = info->sset_mask ? info->data[0] : 0;
	free(info);
	return err;
}

static bool is_on(const struct ethtool_gfeatures *features, const struct ethtool_gstrings *names, const char *name)
{
	for (__u32 i = 0; i < names->len; i++) {
		if (!strncmp((const char *)names->data + (size_t)i * ETH_GSTRING_LEN, name, ETH_GSTRING_LEN))
			return features->features[i / BLOCK_BITS].active & 1U << i % BLOCK_BITS;
	}
	return false;
}

static int read_features(int fd, const char *device, __u32 total, const char *const *names, bool *on, size_t count)
{
	__u32 blocks = (total + BLOCK_BITS - 1) / BLOCK_BITS;
	struct ethtool_gstrings *strings = calloc(1, sizeof(*strings) + (size_t)total * ETH_GSTRING_LEN);
	struct ethtool_gfeatures *features = calloc(1, sizeof(*features) + blocks * sizeof(features->features[0]));
	int err = -ENOMEM;

	if (!strings || !features)
		goto out;
	*strings = (struct ethtool_gstrings){ .cmd = ETHTOOL_GSTRINGS, .string_set = ETH_SS_FEATURES, .len = total };
	*features = (struct ethtool_gfeatures){ .cmd = ETHTOOL_GFEATURES, .size = blocks };
	err = ask(fd, device, strings);
	if (!err)
		err = ask(fd, device, features);
	for (size_t i = 0; i < count && !err; i++)
		on[i] = is_on(features, strings, names[i]);
out:
	free(strings);
	free(features);
	return err;
}

int ethtool_features(const char *device, const char *const *names, bool *on, size_t count)
{
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0), err;
	__u32 total;

	memset(on, 0, count * sizeof(*on));
	if (fd < 0)
		return -errno;
	err = read_count(fd, device, &total);
	if (!err && total)
		err = read_features(fd, device, total, names, on, count);
	close(fd);
	return err == -EOPNOTSUPP ? 0 : err;
}

int ethtool_sizes(const char *device, struct ethtool_sizes *sizes)
{
	struct ethtool_ringparam ring = { .cmd = ETHTOOL_GRINGPARAM };
	struct ethtool_channels channels = { .cmd = ETHTOOL_GCHANNELS };
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	*sizes = (struct ethtool_sizes){};
	if (fd < 0)
		return -errno;
	if (!ask(fd, device, &ring)) {
		sizes->rx_ring = ring.rx_pending;
		sizes->rx_ring_max = ring.rx_max_pending;
	}
	if (!ask(fd, device, &channels)) {
		sizes->queues = channels.combined_count;
		sizes->queues_max = channels.max_combined;
	}
	close(fd);
	return 0;
}
