/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Reading and writing what limits sources and shares. See service_limits.h.
 */
#include "service_limits.h"

#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "source_limit.h"

#define IPV4_BITS 32
#define IPV6_BITS 128

bool service_limits_given(const struct service_spec *spec)
{
	return spec->limits.new_per_second || spec->limits.open;
}

bool service_limits_count_flows(const struct service_spec *spec)
{
	return service_limits_given(spec) || spec->share_percent || spec->flows_max;
}

int service_limits_parse_number(const char *text, __u32 most, __u32 *number)
{
	__u64 value = 0;

	for (const char *digit = text; *digit; digit++) {
		if (*digit < '0' || *digit > '9' || value > most)
			return -EINVAL;
		value = value * 10 + (*digit - '0');
	}
	if (!value || value > most)
		return -EINVAL;
	*number = value;
	return 0;
}

int service_limits_parse_source(const char *text, struct source_limits *limits)
{
	char copy[SERVICE_NUMBER_BYTES], *rest = copy;
	__u32 ipv4_bits, ipv6_bits = SOURCE_LIMIT_PREFIX_IPV6;

	if (*text != '/' || snprintf(copy, sizeof(copy), "%s", text + 1) >= (int)sizeof(copy))
		return -EINVAL;
	if (service_limits_parse_number(strsep(&rest, "/"), IPV4_BITS, &ipv4_bits) ||
	    (rest && service_limits_parse_number(rest, IPV6_BITS, &ipv6_bits)))
		return -EINVAL;
	limits->prefix_ipv4 = ipv4_bits;
	limits->prefix_ipv6 = ipv6_bits;
	return 0;
}

int service_limits_parse_share(const char *text, struct service_spec *spec)
{
	char copy[SERVICE_NUMBER_BYTES], *percent;
	__u32 number;
	int err;

	if (snprintf(copy, sizeof(copy), "%s", text) >= (int)sizeof(copy))
		return -EINVAL;
	percent = strchr(copy, '%');
	if (!percent)
		return service_limits_parse_number(copy, INT32_MAX, &spec->flows_max);
	if (percent[1])
		return -EINVAL;
	*percent = '\0';
	err = service_limits_parse_number(copy, 100, &number);
	if (!err)
		spec->share_percent = number;
	return err;
}

/* Of the daemon's services the programs count the connections that a cookie has made: under policy off there are none.
 */
const char *service_limits_check(const struct service_spec *spec)
{
	if (spec->policy != POLICY_OFF)
		return NULL;
	if (service_limits_given(spec))
		return "new and open are not for policy off, which drops nothing";
	if (spec->owner == FLOW_OWNER_DAEMON && service_limits_count_flows(spec))
		return "share with owner=daemon is not for policy off: it is auto or always";
	return NULL;
}

char *service_limits_format_source(const struct source_limits *limits, char text[SERVICE_NUMBER_BYTES])
{
	snprintf(text, SERVICE_NUMBER_BYTES, "/%u/%u", limits->prefix_ipv4, limits->prefix_ipv6);
	return text;
}

char *service_limits_format_share(const struct service_spec *spec, char text[SERVICE_NUMBER_BYTES])
{
	text[0] = '\0';
	if (spec->share_percent)
		snprintf(text, SERVICE_NUMBER_BYTES, "%u%%", spec->share_percent);
	else if (spec->flows_max)
		snprintf(text, SERVICE_NUMBER_BYTES, "%u", spec->flows_max);
	return text;
}
