/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Beginning to count. See service_counts.h.
 */
#include "service_counts.h"

#include <errno.h>

#include <bpf/bpf.h>

#include "clocks.h"

int service_counts_share(const struct device *device, __u8 percent, __u32 *flows_max)
{
	struct bpf_map_info info = {};
	__u32 length = sizeof(info);

	if (bpf_obj_get_info_by_fd(device->flows_fd[0], &info, &length) < 0)
		return -errno;
	*flows_max = (__u64)info.max_entries * percent / 100;
	if (!*flows_max)
		*flows_max = 1;
	return 0;
}

/* Those of its sources: the next key is asked for before one goes. */
static int forget_sources(const struct device *device, __u32 sentry)
{
	struct source_account_key key, next;
	bool is_left = !bpf_map_get_next_key(device->source_accounts_fd, NULL, &next);

	while (is_left) {
		key = next;
		is_left = !bpf_map_get_next_key(device->source_accounts_fd, &key, &next);
		if (key.service == sentry && bpf_map_delete_elem(device->source_accounts_fd, &key) < 0 &&
		    errno != ENOENT)
			return -errno;
	}
	return 0;
}

/* What the programs write of the rest meanwhile is lost: it is what happens within a microsecond. */
int service_counts_reset(const struct device *device, __u32 sentry)
{
	struct sentry s;

	if (bpf_map_lookup_elem(device->sentries_fd, &sentry, &s) < 0)
		return -errno;
	s.counted_since_s = clocks_now_ns(device) / NSEC_PER_SEC;
	s.flows = 0;
	if (bpf_map_update_elem(device->sentries_fd, &sentry, &s, BPF_ANY) < 0)
		return -errno;
	return forget_sources(device, sentry);
}

bool service_counts_differ(const struct service *before, const struct service *after)
{
	return service_counts_flows(before) != service_counts_flows(after) ||
	       service_has_limits(before) != service_has_limits(after) ||
	       before->limits.prefix_ipv4 != after->limits.prefix_ipv4 ||
	       before->limits.prefix_ipv6 != after->limits.prefix_ipv6;
}
