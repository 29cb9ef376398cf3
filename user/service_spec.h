/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * SPEC, the way in which people write a service: ADDR:PORT[,key=value]...
 *
 *   10.0.0.2:80                        an IPv4 address and a port
 *   [2001:db8::2]:443,policy=always    an IPv6 address, in brackets
 *   *:22                               a port of every address, IPv4 and IPv6
 *   10.0.0.2:*                         every port of an address
 *   0.0.0.0:22, [::]:22                a port of every address of one family
 *
 * Keys: policy=auto|always|monitor|off, owner=kernel|daemon, md5=pass|drop, keepalive=off|on|IDLE/INTERVAL/PROBES,
 * dead=close|report, msl=TIME, half-open=N, new=N, open=N, source=/BITS[/BITS], limits=enforce|monitor, share=N|N%, and
 * for the daemon's app=NAME, which it needs, and gone=drop|refuse. Pure: no map, no file, no name look-up.
 */
#ifndef SYNKEEP_SERVICE_SPEC_H
#define SYNKEEP_SERVICE_SPEC_H

#include "config.h"

#define SERVICE_SPEC_BYTES 64	     /* the longest "[ADDR]:PORT" with its 0 */
#define SERVICE_SPEC_FULL_BYTES 384  /* the longest with all keys */
#define SERVICE_NUMBER_BYTES 16	     /* the longest value of share= or source= */
#define SERVICE_KEEPALIVE_BYTES 64   /* the longest value of keepalive= */
#define SERVICE_SPEC_ERROR_BYTES 512 /* the longest complaint */

struct service_spec {
	__u8 family;	    /* FAMILY_IPV4, FAMILY_IPV6, or 0: both, and the address is a wildcard */
	ipv6_bytes address; /* as in struct service_key: zeros are a wildcard */
	__u16 port;	    /* 0: any */
	bool has_policy;    /* or the default applies */
	enum service_policy policy;
	enum flow_owner owner;
	bool passes_signed; /* SYNs that are signed (MD5, AO) */
	struct keepalive keepalive;
	__u32 msl_ms;	 /* 0: the device's */
	__u32 half_open; /* for policy auto; 0: SENTRY_HALF_OPEN_DEFAULT */
	struct source_limits limits;
	__u8 share_percent; /* of the flow table; 0: flows_max says it */
	__u32 flows_max;    /* its share of the flow table, records; 0: all of it, or as share_percent says */
	__u32 sentry;	    /* its element in the map "sentries", of one that was read from the table */
	/* If the owner is the daemon. */
	char app[SERVICE_APP_BYTES];
	enum service_gone gone;
};

/* 0, or -EINVAL and a complaint in error, which quotes what is wrong in the text and says what would be right. */
int service_spec_parse(const char *text, struct service_spec *spec, char *error, size_t size);

/*
 * Whether the spec makes sense with the policy that it has now, which may be a default. 0, or -EINVAL and a complaint.
 */
int service_spec_check(const struct service_spec *spec, char *error, size_t size);

/* A value of the key "policy". 0, or -EINVAL and a complaint. */
int service_spec_parse_policy(const char *text, enum service_policy *policy, char *error, size_t size);

/* "ADDR:PORT", which service_spec_parse() takes back. */
void service_spec_format(const struct service_spec *spec, char *text, size_t size);

/* The same with every key that is not as it is by default, and the policy: up to SERVICE_SPEC_FULL_BYTES. */
void service_spec_format_full(const struct service_spec *spec, char *text, size_t size);

/* The value of keepalive=. */
char *service_spec_format_keepalive(const struct keepalive *keepalive, char text[SERVICE_KEEPALIVE_BYTES]);

/* The words for policy=, owner=, md5=, gone=, dead= and limits=. */
const char *service_spec_policy_name(enum service_policy policy);
const char *service_spec_owner_name(enum flow_owner owner);
const char *service_spec_signed_name(bool passes_signed);
const char *service_spec_gone_name(enum service_gone gone);
const char *service_spec_dead_name(enum service_dead dead);
const char *service_spec_limits_name(bool monitor);

#endif /* SYNKEEP_SERVICE_SPEC_H */
