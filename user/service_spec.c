/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Reading and writing SPEC. See service_spec.h.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "duration.h"
#include "service_limits.h"
#include "source_limit.h"
#include "timeouts.h"

#define KEEPALIVE_STEP_MIN_MS 100 /* shorter, and a round trip is taken for silence */
#define KEEPALIVE_ANSWERS_MS 600  /* in which a peer answers at least once, see check_length() */
#define KEEPALIVE_PROBES_MAX 255
#define KNOWN_KEYS                                                                                                     \
	"policy=auto|always|monitor|off, owner=kernel|daemon, md5=pass|drop, keepalive=off|on|IDLE/INTERVAL/PROBES, "  \
	"dead=close|report, msl=TIME, half-open=N, new=N, open=N, source=/BITS[/BITS], limits=enforce|monitor, "       \
	"share=N|N%%, app=NAME, gone=drop|refuse"

static const char *const policy_names[] = {
	[POLICY_OFF] = "off",
	[POLICY_ALWAYS] = "always",
	[POLICY_MONITOR] = "monitor",
	[POLICY_AUTO] = "auto",
};
static const char *const owner_names[] = { [FLOW_OWNER_KERNEL] = "kernel", [FLOW_OWNER_DAEMON] = "daemon" };
static const char *const gone_names[] = { [GONE_DROP] = "drop", [GONE_REFUSE] = "refuse" };
static const char *const dead_names[] = { [DEAD_CLOSE] = "close", [DEAD_REPORT] = "report" };
static const char *const limits_names[] = { [false] = "enforce", [true] = "monitor" };
static const char *const signed_names[] = { [false] = "drop", [true] = "pass" };

struct complaint {
	char *text;
	size_t size;
};

static int __attribute__((format(printf, 2, 3))) complain(const struct complaint *complaint, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(complaint->text, complaint->size, format, args);
	va_end(args);
	return -EINVAL;
}

/* The place of the value among the words; -1: it is none of them. */
static int place_of(const char *value, const char *const *words, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		if (!strcmp(value, words[i]))
			return (int)i;
	}
	return -1;
}

static int parse_policy(const char *value, enum service_policy *policy, const struct complaint *complaint)
{
	int place = place_of(value, policy_names, ARRAY_LEN(policy_names));

	if (place < 0)
		return complain(complaint, "policy \"%.40s\" is unknown: it is auto, always, monitor or off", value);
	*policy = (enum service_policy)place;
	return 0;
}

static int take_policy(const char *value, struct service_spec *spec, const struct complaint *complaint)
{
	spec->has_policy = true;
	return parse_policy(value, &spec->policy, complaint);
}

static int take_owner(const char *value, struct service_spec *spec, const struct complaint *complaint)
{
	int place = place_of(value, owner_names, ARRAY_LEN(owner_names));

	if (!strcmp(value, "gateway"))
		return complain(complaint, "owner \"%s\" is not there yet: kernel and daemon are", value);
	if (place < 0)
		return complain(complaint, "owner \"%.40s\" is unknown: it is kernel or daemon", value);
	spec->owner = (enum flow_owner)place;
	return 0;
}

static int take_signed(const char *value, struct service_spec *spec, const struct complaint *complaint)
{
	int place = place_of(value, signed_names, ARRAY_LEN(signed_names));

	if (place < 0)
		return complain(complaint, "md5 \"%.40s\" is unknown: it is pass or drop", value);
	spec->passes_signed = place;
	return 0;
}

static int take_app(const char *value, struct service_spec *spec, const struct complaint *complaint)
{
	if (!*value || strlen(value) >= sizeof(spec->app))
		return complain(complaint, "app \"%.40s\" is not a name of 1 to %zu characters", value,
				sizeof(spec->app) - 1);
	strcpy(spec->app, value);
	return 0;
}

static int take_gone(const char *value, struct service_spec *spec, const struct complaint *complaint)
{
	int place = place_of(value, gone_names, ARRAY_LEN(gone_names));

	if (place < 0)
		return complain(complaint, "gone \"%.40s\" is unknown: it is drop or refuse", value);
	spec->gone = (enum service_gone)place;
	return 0;
}

/* A time between probes, or before them. */
static int parse_step(const char *text, __u32 *ms, const struct complaint *complaint)
{
	__u64 ns;

	if (!text || duration_parse_within(text, KEEPALIVE_STEP_MIN_MS * NSEC_PER_MSEC,
					   tcp_state_timeout_ns(TCPS_ESTABLISHED, 0), &ns))
		return complain(complaint,
				"keepalive: idle time and interval are times from %ums to 5d, as in 7200s/75s/10",
				KEEPALIVE_STEP_MIN_MS);
	*ms = ns / NSEC_PER_MSEC;
	return 0;
}

static int parse_probes(const char *text, __u8 *probes, const struct complaint *complaint)
{
	unsigned long number = 0;
	char *end = NULL;

	if (text && *text >= '0' && *text <= '9') /* strtoul() would take signs and blanks */
		number = strtoul(text, &end, 10);
	if (!end || *end || !number || number > KEEPALIVE_PROBES_MAX)
		return complain(complaint, "keepalive: it takes from 1 to %u probes, as in 7200s/75s/10",
				KEEPALIVE_PROBES_MAX);
	*probes = number;
	return 0;
}

/*
 * What no segment comes for is forgotten after a time (timeouts.h): a peer that is not found dead before then never is.
 * Linux leaves a probe unanswered that comes within 500 ms of one that it answered (tcp_invalid_ratelimit): where all
 * probes do, a peer that is there counts as dead.
 */
static int check_length(const struct keepalive *k, const struct complaint *complaint)
{
	__u64 length_ms = k->idle_ms + (__u64)k->interval_ms * k->probes;

	if (length_ms - k->interval_ms < KEEPALIVE_ANSWERS_MS)
		return complain(complaint,
				"keepalive: from the last segment to the last probe it is at least %ums, as with "
				"600ms/200ms/3: a peer may answer only two a second",
				KEEPALIVE_ANSWERS_MS);
	if (length_ms * NSEC_PER_MSEC < tcp_state_timeout_ns(TCPS_ESTABLISHED, 0))
		return 0;
	return complain(complaint, "keepalive: idle time and all intervals are together less than 5d, for so long is "
				   "a silent connection followed");
}

static int take_keepalive(const char *value, struct service_spec *spec, const struct complaint *complaint)
{
	struct keepalive *k = &spec->keepalive;
	char text[SERVICE_SPEC_FULL_BYTES], *rest = text;
	int err;

	if (!strcmp(value, "off"))
		return 0;
	if (!strcmp(value, "on")) {
		*k = (struct keepalive){ KEEPALIVE_IDLE_S * 1000, KEEPALIVE_INTERVAL_S * 1000, KEEPALIVE_PROBES,
					 .dead = k->dead };
		return 0;
	}
	if (!strchr(value, '/'))
		return complain(complaint,
				"keepalive \"%.40s\" is unknown: it is off, on or IDLE/INTERVAL/PROBES, as "
				"7200s/75s/10",
				value);
	snprintf(text, sizeof(text), "%s", value);
	err = parse_step(strsep(&rest, "/"), &k->idle_ms, complaint);
	if (!err)
		err = parse_step(strsep(&rest, "/"), &k->interval_ms, complaint);
	if (!err)
		err = parse_probes(rest, &k->probes, complaint);
	return err ? err : check_length(k, complaint);
}

static int take_dead(const char *value, struct service_spec *spec, const struct complaint *complaint)
{
	int place = place_of(value, dead_names, ARRAY_LEN(dead_names));

	if (place < 0)
		return complain(complaint, "dead \"%.40s\" is unknown: it is close or report", value);
	spec->keepalive.dead = (enum service_dead)place;
	return 0;
}

static int take_msl(const char *value, struct service_spec *spec, const struct complaint *complaint)
{
	__u64 ns;

	if (duration_parse_within(value, NSEC_PER_MSEC, TCP_MSL_MAX_S * NSEC_PER_SEC, &ns))
		return complain(complaint, "msl \"%.40s\" is not a time from 1ms to 1h, as 60s", value);
	spec->msl_ms = ns / NSEC_PER_MSEC;
	return 0;
}

static int take_half_open(const char *value, struct service_spec *spec, const struct complaint *complaint)
{
	if (!service_limits_parse_number(value, SENTRY_HALF_OPEN_MAX, &spec->half_open))
		return 0;
	return complain(complaint, "half-open \"%.40s\" is not a number of handshakes from 1 to %u", value,
			SENTRY_HALF_OPEN_MAX);
}

static int take_new(const char *value, struct service_spec *spec, const struct complaint *complaint)
{
	if (!service_limits_parse_number(value, SOURCE_LIMIT_RATE_MAX, &spec->limits.new_per_second))
		return 0;
	return complain(complaint, "new \"%.40s\" is not a number of connections a second from 1 to %u", value,
			SOURCE_LIMIT_RATE_MAX);
}

static int take_open(const char *value, struct service_spec *spec, const struct complaint *complaint)
{
	if (!service_limits_parse_number(value, SOURCE_LIMIT_OPEN_MAX, &spec->limits.open))
		return 0;
	return complain(complaint, "open \"%.40s\" is not a number of connections from 1 to %u", value,
			SOURCE_LIMIT_OPEN_MAX);
}

static int take_source(const char *value, struct service_spec *spec, const struct complaint *complaint)
{
	if (!service_limits_parse_source(value, &spec->limits))
		return 0;
	return complain(complaint, "source \"%.40s\" is not /BITS of IPv4, or /BITS/BITS with those of IPv6, as /24/48",
			value);
}

static int take_limits(const char *value, struct service_spec *spec, const struct complaint *complaint)
{
	int place = place_of(value, limits_names, ARRAY_LEN(limits_names));

	if (place < 0)
		return complain(complaint, "limits \"%.40s\" is unknown: it is enforce or monitor", value);
	spec->limits.monitor = place;
	return 0;
}

static int take_share(const char *value, struct service_spec *spec, const struct complaint *complaint)
{
	if (!service_limits_parse_share(value, spec))
		return 0;
	return complain(complaint, "share \"%.40s\" is neither 1%% to 100%% of the flow table nor a number of records",
			value);
}

enum key_place {
	KEY_POLICY,
	KEY_OWNER,
	KEY_SIGNED,
	KEY_KEEPALIVE,
	KEY_DEAD,
	KEY_MSL,
	KEY_HALF_OPEN,
	KEY_NEW,
	KEY_OPEN,
	KEY_SOURCE,
	KEY_LIMITS,
	KEY_SHARE,
	KEY_APP,
	KEY_GONE,
};

static const struct key {
	const char *name;
	int (*take)(const char *value, struct service_spec *spec, const struct complaint *complaint);
} keys[] = {
	[KEY_POLICY] = { "policy", take_policy },
	[KEY_OWNER] = { "owner", take_owner },
	[KEY_SIGNED] = { "md5", take_signed },
	[KEY_KEEPALIVE] = { "keepalive", take_keepalive },
	[KEY_DEAD] = { "dead", take_dead },
	[KEY_MSL] = { "msl", take_msl },
	[KEY_HALF_OPEN] = { "half-open", take_half_open },
	[KEY_NEW] = { "new", take_new },
	[KEY_OPEN] = { "open", take_open },
	[KEY_SOURCE] = { "source", take_source },
	[KEY_LIMITS] = { "limits", take_limits },
	[KEY_SHARE] = { "share", take_share },
	[KEY_APP] = { "app", take_app },
	[KEY_GONE] = { "gone", take_gone },
};

/* Which keys a SPEC had so far, by their place: none may come twice. */
struct keys_seen {
	bool key[ARRAY_LEN(keys)];
};

static int parse_key(char *text, struct service_spec *spec, struct keys_seen *seen, const struct complaint *complaint)
{
	char *value = strchr(text, '=');

	if (!value)
		return complain(complaint, "\"%.40s\" is not key=value; known keys: " KNOWN_KEYS, text);
	*value++ = '\0';
	for (size_t i = 0; i < ARRAY_LEN(keys); i++) {
		if (strcmp(text, keys[i].name))
			continue;
		if (seen->key[i])
			return complain(complaint, "%s is given twice", keys[i].name);
		seen->key[i] = true;
		return keys[i].take(value, spec, complaint);
	}
	return complain(complaint, "key \"%.40s\" is unknown; known keys: " KNOWN_KEYS, text);
}

static int parse_port(const char *text, __u16 *port, const struct complaint *complaint)
{
	unsigned int number = 0;

	if (!strcmp(text, "*")) {
		*port = 0;
		return 0;
	}
	for (const char *digit = text; *digit && number <= 65535; digit++) {
		if (*digit < '0' || *digit > '9')
			return complain(complaint, "port \"%.40s\" is not a number, nor * for any port", text);
		number = number * 10 + (*digit - '0');
	}
	if (number == 0 || number > 65535)
		return complain(complaint, "port \"%.40s\" is not in 1..65535, nor * for any port", text);
	*port = number;
	return 0;
}

static int check_ipv4(const __u8 *address, const char *text, const struct complaint *complaint)
{
	if (address[0] >= 224)
		return complain(complaint, "%s is multicast, broadcast or reserved: TCP has no service there", text);
	return 0;
}

static int check_ipv6(const __u8 *address, const char *text, const struct complaint *complaint)
{
	static const __u8 mapped[12] = { [10] = 0xff, [11] = 0xff };

	if (address[0] == 0xff)
		return complain(complaint, "%s is multicast: TCP has no service there", text);
	if (!memcmp(address, mapped, sizeof(mapped)))
		return complain(complaint, "%s is an IPv4 address on the wire: write %u.%u.%u.%u", text, address[12],
				address[13], address[14], address[15]);
	return 0;
}

static int parse_address(char *text, struct service_spec *spec, const struct complaint *complaint)
{
	size_t length = strlen(text);

	if (!strcmp(text, "*")) {
		spec->family = 0;
		return 0;
	}
	if (text[0] == '[' && text[length - 1] == ']') {
		text[length - 1] = '\0';
		text++;
		spec->family = FAMILY_IPV6;
		if (inet_pton(AF_INET6, text, spec->address) != 1)
			return complain(complaint, "\"%.64s\" is not an IPv6 address", text);
		return check_ipv6(spec->address, text, complaint);
	}
	spec->family = FAMILY_IPV4;
	if (inet_pton(AF_INET, text, spec->address) == 1)
		return check_ipv4(spec->address, text, complaint);
	if (strchr(text, ':'))
		return complain(complaint, "\"%.64s\": an IPv6 address stands in brackets, as in [2001:db8::2]:443",
				text);
	return complain(complaint, "\"%.64s\" is not an IP address, nor * for all of them; names are not looked up",
			text);
}

static int check(const struct service_spec *spec, const struct complaint *complaint)
{
	const char *error = service_limits_check(spec);

	if (error)
		return complain(complaint, "%s", error);
	if (spec->owner != FLOW_OWNER_DAEMON) {
		if (spec->app[0] || spec->gone != GONE_DROP)
			return complain(complaint, "app and gone are for owner=daemon");
		return 0;
	}
	if (spec->policy == POLICY_MONITOR)
		return complain(complaint, "policy monitor passes every packet to a listener of the kernel's, and with "
					   "owner=daemon there is none: it is auto, always or off");
	if (spec->keepalive.dead == DEAD_REPORT)
		return complain(complaint, "dead=report is for owner=kernel: the daemon closes its dead connections, "
					   "and tells the application");
	if (spec->passes_signed)
		return complain(complaint, "md5=pass leaves signatures to the kernel: the daemon's TCP checks none");
	return 0;
}

int service_spec_check(const struct service_spec *spec, char *error, size_t size)
{
	const struct complaint complaint = { error, size };

	return check(spec, &complaint);
}

int service_spec_parse(const char *text, struct service_spec *spec, char *error, size_t size)
{
	const struct complaint complaint = { error, size };
	char copy[SERVICE_SPEC_FULL_BYTES], *rest = copy, *place, *port, *key;
	struct keys_seen seen = {};
	int err;

	*spec = (struct service_spec){
		.policy = POLICY_AUTO,
		.owner = FLOW_OWNER_KERNEL,
		.limits = { .prefix_ipv4 = SOURCE_LIMIT_PREFIX_IPV4, .prefix_ipv6 = SOURCE_LIMIT_PREFIX_IPV6 },
	};
	if (snprintf(copy, sizeof(copy), "%s", text) >= (int)sizeof(copy))
		return complain(&complaint, "longer than any service: \"%.40s...\"", text);
	place = strsep(&rest, ",");
	port = strrchr(place, ':');
	if (!port || (place[0] == '[' && strchr(port, ']')))
		return complain(&complaint, "\"%.64s\" has no port: ADDR:PORT is wanted, * for any", place);
	*port++ = '\0';
	err = parse_address(place, spec, &complaint);
	if (!err)
		err = parse_port(port, &spec->port, &complaint);
	while (!err && (key = strsep(&rest, ",")))
		err = parse_key(key, spec, &seen, &complaint);
	if (!err && spec->owner == FLOW_OWNER_DAEMON && !spec->app[0])
		err = complain(&complaint, "owner=daemon needs app=NAME: the application that the daemon runs there");
	if (!err && seen.key[KEY_DEAD] && !spec->keepalive.idle_ms)
		err = complain(&complaint, "dead goes with keepalive=on or its times: nobody else finds peers dead");
	if (!err && (seen.key[KEY_SOURCE] || seen.key[KEY_LIMITS]) && !service_limits_given(spec))
		err = complain(&complaint,
			       "source and limits go with new=N or open=N: without them nothing is limited");
	return err ? err : check(spec, &complaint);
}

int service_spec_parse_policy(const char *text, enum service_policy *policy, char *error, size_t size)
{
	const struct complaint complaint = { error, size };

	return parse_policy(text, policy, &complaint);
}

void service_spec_format(const struct service_spec *spec, char *text, size_t size)
{
	char address[INET6_ADDRSTRLEN] = "*", port[8] = "*";

	if (spec->family)
		inet_ntop(spec->family, spec->address, address, sizeof(address));
	if (spec->port)
		snprintf(port, sizeof(port), "%u", spec->port);
	snprintf(text, size, spec->family == FAMILY_IPV6 ? "[%s]:%s" : "%s:%s", address, port);
}

char *service_spec_format_keepalive(const struct keepalive *k, char text[SERVICE_KEEPALIVE_BYTES])
{
	char idle[DURATION_BYTES], interval[DURATION_BYTES];

	if (!k->idle_ms)
		return strcpy(text, "off");
	snprintf(text, SERVICE_KEEPALIVE_BYTES, "%s/%s/%u", duration_format(idle, k->idle_ms * NSEC_PER_MSEC),
		 duration_format(interval, k->interval_ms * NSEC_PER_MSEC), k->probes);
	return text;
}

struct text {
	char *bytes;
	size_t size, used;
};

static void append_key(struct text *text, bool wanted, enum key_place key, const char *value)
{
	if (wanted && text->used < text->size)
		text->used +=
			snprintf(text->bytes + text->used, text->size - text->used, ",%s=%s", keys[key].name, value);
}

static void append_number(struct text *text, enum key_place key, __u32 number)
{
	char value[SERVICE_NUMBER_BYTES];

	snprintf(value, sizeof(value), "%u", number);
	append_key(text, number, key, value);
}

static void append_limits(struct text *text, const struct service_spec *spec)
{
	bool has_prefix = spec->limits.prefix_ipv4 != SOURCE_LIMIT_PREFIX_IPV4 ||
			  spec->limits.prefix_ipv6 != SOURCE_LIMIT_PREFIX_IPV6;
	char value[SERVICE_NUMBER_BYTES];

	append_number(text, KEY_NEW, spec->limits.new_per_second);
	append_number(text, KEY_OPEN, spec->limits.open);
	append_key(text, service_limits_given(spec) && has_prefix, KEY_SOURCE,
		   service_limits_format_source(&spec->limits, value));
	append_key(text, spec->limits.monitor, KEY_LIMITS, service_spec_limits_name(spec->limits.monitor));
	service_limits_format_share(spec, value);
	append_key(text, *value, KEY_SHARE, value);
}

void service_spec_format_full(const struct service_spec *spec, char *bytes, size_t size)
{
	struct text text = { .bytes = bytes, .size = size };
	char keepalive[SERVICE_KEEPALIVE_BYTES], msl[DURATION_BYTES], half_open[16];

	service_spec_format(spec, bytes, size);
	text.used = strlen(bytes);
	append_key(&text, true, KEY_POLICY, service_spec_policy_name(spec->policy));
	append_key(&text, spec->owner != FLOW_OWNER_KERNEL, KEY_OWNER, service_spec_owner_name(spec->owner));
	append_key(&text, spec->passes_signed, KEY_SIGNED, service_spec_signed_name(spec->passes_signed));
	append_key(&text, spec->keepalive.idle_ms, KEY_KEEPALIVE,
		   service_spec_format_keepalive(&spec->keepalive, keepalive));
	append_key(&text, spec->keepalive.dead != DEAD_CLOSE, KEY_DEAD, service_spec_dead_name(spec->keepalive.dead));
	append_key(&text, spec->msl_ms, KEY_MSL, duration_format(msl, spec->msl_ms * NSEC_PER_MSEC));
	snprintf(half_open, sizeof(half_open), "%u", spec->half_open);
	append_key(&text, spec->half_open && spec->half_open != SENTRY_HALF_OPEN_DEFAULT, KEY_HALF_OPEN, half_open);
	append_limits(&text, spec);
	append_key(&text, *spec->app, KEY_APP, spec->app);
	append_key(&text, spec->gone != GONE_DROP, KEY_GONE, service_spec_gone_name(spec->gone));
}

const char *service_spec_policy_name(enum service_policy policy)
{
	return policy < ARRAY_LEN(policy_names) ? policy_names[policy] : "unknown";
}

const char *service_spec_owner_name(enum flow_owner owner)
{
	return owner < ARRAY_LEN(owner_names) ? owner_names[owner] : "unknown";
}

const char *service_spec_signed_name(bool passes_signed)
{
	return signed_names[passes_signed];
}

const char *service_spec_limits_name(bool monitor)
{
	return limits_names[monitor];
}

const char *service_spec_gone_name(enum service_gone gone)
{
	return gone < ARRAY_LEN(gone_names) ? gone_names[gone] : "unknown";
}

const char *service_spec_dead_name(enum service_dead dead)
{
	return dead < ARRAY_LEN(dead_names) ? dead_names[dead] : "unknown";
}
