// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <bpf/bpf.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "agenda.h"

const struct keepalive agenda_keepalive = { .idle_ms = IDLE_MS, .interval_ms = INTERVAL_MS, .probes = PROBES };
const __u8 agenda_families[] = { FAMILY_IPV4, FAMILY_IPV6 };
const enum flow_owner agenda_owners[] = { FLOW_OWNER_KERNEL, FLOW_OWNER_DAEMON };

static const char *const table_names[] = { [AGE_HALF] = "half", [AGE_FLOWS] = "flows", [AGE_ENDED] = "tw" };

struct agenda agenda;

int agenda_reset(void **state)
{
	shield_reset(state);
	for (size_t i = 0; i < ARRAY_LEN(agenda_families); i++)
		shield_set_keepalive(agenda_families[i], PORT_ALWAYS, &agenda_keepalive);
	memset(&agenda, 0, sizeof(agenda));
	return 0;
}

__u64 agenda_now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * NSEC_PER_SEC + now.tv_nsec + shield_config.test_advance_ns;
}

struct tuple agenda_tuple(__u8 family, __u16 remote_port)
{
	struct tuple t = shield_tuple(family, PORT_ALWAYS);

	t.remote_port = remote_port;
	return t;
}

struct flow agenda_silent_flow(const struct tuple *t, __u32 silent_ms)
{
	return (struct flow){
		.tag = flow_tag(t),
		.state = TCPS_ESTABLISHED,
		.snd_wnd = 1000,
		.deadline_ns = agenda_now_ns() + HOUR_NS,
		.rcv_seen_ms = shield_now_ms() - silent_ms,
		.next_hop = { 2, 0, 0, 0, 0, 1 },
	};
}

void agenda_put_record(enum age_table table, const struct tuple *t, enum flow_owner owner, __u64 deadline_ns)
{
	const struct half_open h = { .state = TCPS_SYN_RECEIVED, .owner = owner, .deadline_ns = deadline_ns };
	struct ended e = { .state = TCPS_TIME_WAIT, .owner = owner };
	struct flow f = agenda_silent_flow(t, 0);

	f.owner = owner;
	f.deadline_ns = deadline_ns;
	ended_set_times(&e, deadline_ns, 0);
	if (table == AGE_HALF)
		shield_put_half_open(t, &h);
	else if (table == AGE_FLOWS)
		shield_put_flow(t, &f);
	else
		shield_put_ended(t, &e);
}

bool agenda_has_record(enum age_table table, const struct tuple *t)
{
	struct half_open h;
	struct ended e;
	struct flow f;

	if (table == AGE_HALF)
		return shield_half_open(t, &h);
	return table == AGE_FLOWS ? shield_flow(t, &f) : shield_ended(t, &e);
}

void agenda_key_of(const struct tuple *t, struct flow6_key *key)
{
	memset(key, 0, sizeof(*key));
	if (t->family == FAMILY_IPV4)
		flow4_key_from_tuple((struct flow4_key *)key, t);
	else
		flow6_key_from_tuple(key, t);
}

void agenda_put_probed(const struct tuple *t, __u32 probes, __u32 probed_ago_ms)
{
	struct flow f = agenda_silent_flow(t, IDLE_MS + PROBES * INTERVAL_MS);

	f.probes = probes;
	f.probed_ms = shield_now_ms() - probed_ago_ms;
	shield_put_flow(t, &f);
}

static void agenda_write(void)
{
	__u32 zero = 0;

	assert_int_equal(bpf_map_update_elem(shield_map("agenda"), &zero, &agenda, BPF_ANY), 0);
}

static void read_upcoming(int fd, __u8 family, struct upcoming *upcoming)
{
	static char buffer[UPCOMING_MAX * sizeof(struct upcoming6)];
	size_t size = family == FAMILY_IPV4 ? sizeof(struct upcoming4) : sizeof(struct upcoming6), got = 0;
	ssize_t n;

	do {
		n = read(fd, buffer + got, sizeof(buffer) - got);
		got += n > 0 ? n : 0;
	} while (n > 0 || (n < 0 && errno == EAGAIN));
	assert_int_equal(n, 0);
	assert_int_equal(got % size, 0);
	upcoming->count = got / size;
	for (int i = 0; i < upcoming->count; i++) {
		memset(&upcoming->of[i], 0, sizeof(upcoming->of[i]));
		memcpy(&upcoming->of[i], buffer + i * size, size);
		if (family == FAMILY_IPV4)
			assert_int_equal(((struct upcoming4 *)&upcoming->of[i])->zero, 0);
	}
}

const struct upcoming *agenda_upcoming(enum age_table table, __u8 family, __u64 until_ns)
{
	static struct upcoming found;
	union bpf_iter_link_info info = {};
	LIBBPF_OPTS(bpf_link_create_opts, options, .iter_info = &info, .iter_info_len = sizeof(info));
	char map[16], program[32];
	int link, fd;

	agenda.until_ns = until_ns;
	agenda_write();
	snprintf(map, sizeof(map), "%s%c", table_names[table], family == FAMILY_IPV4 ? '4' : '6');
	snprintf(program, sizeof(program), "upcoming_%s", map);
	info.map.map_fd = shield_map(map);
	link = bpf_link_create(shield_program(program), 0, BPF_TRACE_ITER, &options);
	assert_true(link >= 0);
	fd = bpf_iter_create(link);
	assert_true(fd >= 0);
	read_upcoming(fd, family, &found);
	close(fd);
	close(link);
	return &found;
}

void agenda_ask(const struct tuple *t)
{
	struct agenda_item *item = &agenda.items[agenda.count++];

	memset(item, 0xa5, sizeof(*item));
	agenda_key_of(t, &item->key);
}

void agenda_attend(enum age_table table, __u8 family)
{
	LIBBPF_OPTS(bpf_test_run_opts, run);
	__u32 zero = 0;

	agenda.table = table;
	agenda.family = family;
	agenda_write();
	assert_int_equal(bpf_prog_test_run_opts(shield_program("attend"), &run), 0);
	assert_int_equal(run.retval, 0);
	assert_int_equal(bpf_map_lookup_elem(shield_map("agenda"), &zero, &agenda), 0);
}

const struct agenda_item *agenda_attend_one(enum age_table table, const struct tuple *t)
{
	agenda.count = 0;
	agenda_ask(t);
	agenda_attend(table, t->family);
	return &agenda.items[0];
}
