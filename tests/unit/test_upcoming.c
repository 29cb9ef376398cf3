/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Reading the iterators' files, which are pipes here: whole entries, of the right table, whatever a read ends with. */
#include <errno.h>
#include <unistd.h>

#include "unit.h"

#include "../../user/daemon/upcoming.c"

#define ENTRIES 900 /* of IPv6 more than one read, which ends within an entry */

static int opened, iterators, link_error, iterator_error;
static __u32 taken[2 * AGE_TABLES], most;

int bpf_obj_get(const char *path)
{
	static const char *const paths[] = {
		"/pins/upcoming_half4",	 "/pins/upcoming_half6", "/pins/upcoming_flows4",
		"/pins/upcoming_flows6", "/pins/upcoming_tw4",	 "/pins/upcoming_tw6",
	};

	assert_string_equal(path, paths[opened]);
	/* It is closed again: the link holds the program. */
	return dup(STDERR_FILENO);
}

int bpf_link_create(int program, int target, enum bpf_attach_type type, const struct bpf_link_create_opts *options)
{
	(void)program;
	assert_int_equal(target, 0);
	assert_int_equal(type, BPF_TRACE_ITER);
	assert_int_equal(options->iter_info->map.map_fd, 100 + opened);
	if (link_error && opened == 3) {
		errno = link_error;
		return -1;
	}
	opened++;
	return dup(STDERR_FILENO);
}

/* A file of the next table: entries with numbers. */
int bpf_iter_create(int link)
{
	bool is_ipv6 = iterators++ % 2;
	int ends[2];

	assert_true(link >= 0);
	if (iterator_error) {
		errno = iterator_error;
		return -1;
	}
	assert_int_equal(pipe(ends), 0);
	for (__u32 i = 0; i < ENTRIES; i++) {
		const struct upcoming4 of_ipv4 = { .due_ns = i, .key = { .remote_port = i } };
		const struct upcoming6 of_ipv6 = { .due_ns = i, .key = { .remote_port = i } };
		size_t bytes = is_ipv6 ? sizeof(of_ipv6) : sizeof(of_ipv4);

		assert_int_equal(write(ends[1], is_ipv6 ? (void *)&of_ipv6 : (void *)&of_ipv4, bytes), bytes);
	}
	close(ends[1]);
	return ends[0];
}

static bool take(void *context, enum age_table table, __u8 family, const void *list, __u32 count)
{
	__u32 index = 2 * table + (family == FAMILY_IPV6);

	assert_ptr_equal(context, taken);
	for (__u32 i = 0; i < count; i++) {
		const struct upcoming4 *of_ipv4 = (const struct upcoming4 *)list + i;
		const struct upcoming6 *of_ipv6 = (const struct upcoming6 *)list + i;

		assert_int_equal(index % 2 ? of_ipv6->due_ns : of_ipv4->due_ns, taken[index]);
		assert_int_equal(index % 2 ? of_ipv6->key.remote_port : of_ipv4->key.remote_port, taken[index]);
		taken[index]++;
	}
	return taken[index] < most;
}

static int open_all(struct upcoming *upcoming)
{
	const struct device device = {
		.pin_dir = "/pins",
		.half_fd = { 100, 101 },
		.flows_fd = { 102, 103 },
		.tw_fd = { 104, 105 },
	};

	opened = iterators = 0;
	return upcoming_open(upcoming, &device);
}

static int setup(void **state)
{
	(void)state;
	link_error = iterator_error = 0;
	most = UINT32_MAX;
	memset(taken, 0, sizeof(taken));
	return 0;
}

static void test_all_tables_read_every_entry_once_in_order(void **state)
{
	struct upcoming upcoming;

	(void)state;
	assert_int_equal(open_all(&upcoming), 0);
	assert_int_equal(upcoming_read(&upcoming, take, taken), 0);
	for (size_t i = 0; i < ARRAY_LEN(taken); i++)
		assert_int_equal(taken[i], ENTRIES);
	upcoming_close(&upcoming);
}

static void test_taker_that_wants_no_more_gets_no_more_of_that_table(void **state)
{
	struct upcoming upcoming;

	(void)state;
	most = 100;
	assert_int_equal(open_all(&upcoming), 0);
	assert_int_equal(upcoming_read(&upcoming, take, taken), 0);
	assert_in_range(taken[1], most, ENTRIES - 1);
	upcoming_close(&upcoming);
}

static void test_link_that_fails_is_told_and_all_is_closed(void **state)
{
	struct upcoming upcoming;

	(void)state;
	link_error = EINVAL;
	assert_int_equal(open_all(&upcoming), -EINVAL);
	assert_true(upcoming.links[2] >= 0);
	assert_int_equal(upcoming.links[3], -1);
	upcoming_close(&upcoming);
	assert_int_equal(upcoming.links[2], -1);
}

static void test_iterator_that_fails_is_told(void **state)
{
	struct upcoming upcoming;

	(void)state;
	assert_int_equal(open_all(&upcoming), 0);
	iterator_error = ENOMEM;
	assert_int_equal(upcoming_read(&upcoming, take, taken), -ENOMEM);
	upcoming_close(&upcoming);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_all_tables_read_every_entry_once_in_order, setup),
		cmocka_unit_test_setup(test_taker_that_wants_no_more_gets_no_more_of_that_table, setup),
		cmocka_unit_test_setup(test_link_that_fails_is_told_and_all_is_closed, setup),
		cmocka_unit_test_setup(test_iterator_that_fails_is_told, setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
