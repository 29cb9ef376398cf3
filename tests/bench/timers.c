// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * timers: what a timer costs among many: in the wheels of timer_wheel.h, and in a binary heap beside them.
 *
 * All are armed, in no order of memory or of time; some are moved, in two ways; time goes on until all have fired.
 * Deadlines are anywhere in two hours, the time after which keepalive begins. Both lie in huge pages, where the kernel
 * has them. The cost is CPU time of this thread.
 *
 * Then the calendar in which the daemon keeps the keys of records that are due soon (horizon.h): as many, added in no
 * order of time, and taken when it comes.
 */
#include <getopt.h>
#include <sys/mman.h>

#include "daemon/horizon.h"
#include "flow.h"
#include "tcp/timer_wheel.h"
#include "timer_heap.h"
#include "tool.h"

#define TIMERS_MAX 100000000U
#define SPAN_NS (7200 * NSEC_PER_SEC)
#define STEP_NS NSEC_PER_MSEC /* in which time goes on */
#define KEYS_AT_ONCE 1024     /* as many as the daemon takes */
#define BUSY 1000	      /* timers that are moved near, and then back */

enum operation { ARM, MOVE, MOVE_NEAR, FIRE, OPERATIONS };

static const char *const operation_names[OPERATIONS] = { "arm", "move", "move near, and back", "fire" };

struct subject {
	const char *name;
	void (*arm)(__u32 timer, __u64 expires_ns);
	bool (*expire)(__u64 now_ns); /* one; false: there is none */
};

static __u32 timers = 10000000;
static __u32 *order; /* that timers are armed in: none */
static struct timer_wheel wheel;
static struct padded_timer {
	struct wheel_timer timer;
	__u64 padding; /* as part of a greater struct it may well lie in one cache line */
} * wheel_timers;
static struct timer_heap heap;

static const char usage[] = "usage: timers [--timers N] [--cpu N]\n"
			    "Prints nanoseconds for each operation on one of N timers (10000000), as JSON.\n";

static void parse_options(int argc, char **argv)
{
	static const struct option longs[] = {
		{ "timers", 1, NULL, 'n' }, { "cpu", 1, NULL, 'c' }, { "help", 0, NULL, 'h' }, {}
	};
	int option;

	while ((option = getopt_long(argc, argv, "", longs, NULL)) != -1) {
		switch (option) {
		case 'n':
			timers = (__u32)tool_number(optarg, BUSY, TIMERS_MAX, false);
			break;
		case 'c':
			tool_pin_cpu((int)tool_number(optarg, 0, CPU_SETSIZE - 1, false));
			break;
		case 'h':
			fputs(usage, stdout);
			exit(0);
		default:
			exit(2);
		}
	}
	if (argc != optind)
		tool_wrong_usage("it takes options only");
}

static void wheel_arm(__u32 timer, __u64 expires_ns)
{
	timer_wheel_arm(&wheel, &wheel_timers[timer].timer, expires_ns);
}

static bool wheel_expire(__u64 now_ns)
{
	return timer_wheel_expire(&wheel, now_ns);
}

static void heap_arm(__u32 timer, __u64 expires_ns)
{
	timer_heap_arm(&heap, timer, expires_ns);
}

static bool heap_expire(__u64 now_ns)
{
	return timer_heap_expire(&heap, now_ns) != TIMER_HEAP_NONE;
}

/* Memory that is there already, so that nothing measured is the kernel's. */
static void *memory_for(size_t bytes, int byte)
{
	void *memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (memory == MAP_FAILED)
		tool_fail("memory for the timers");
	madvise(memory, bytes, MADV_HUGEPAGE);
	return memset(memory, byte, bytes);
}

/* A time from 0 to span_ns, always the same for a number: both subjects get the same. */
static __u64 random_ns(__u64 number, __u64 span_ns)
{
	__u64 mixed = (number + 1) * 0x9e3779b97f4a7c15ULL;

	mixed = (mixed ^ mixed >> 32) * 0xd6e8feb86659fd93ULL;
	return (__u64)((unsigned __int128)(mixed ^ mixed >> 32) * span_ns >> 64);
}

static void shuffle(void)
{
	order = memory_for(timers * sizeof(*order), 0);
	for (__u32 i = 0; i < timers; i++) {
		__u32 other = (__u32)random_ns(i, i + 1);

		order[i] = order[other];
		order[other] = i;
	}
}

static __u64 arm_all(const struct subject *s)
{
	for (__u32 i = 0; i < timers; i++)
		s->arm(order[i], random_ns(i, SPAN_NS));
	return timers;
}

static __u64 move(const struct subject *s)
{
	for (__u32 i = 0; i < timers; i++)
		s->arm(order[timers - 1 - i], random_ns(~(__u64)i, SPAN_NS));
	return timers;
}

/* As a retransmission timer is set, and then something is acknowledged: while a few talk, most are silent. */
static __u64 move_near_and_back(const struct subject *s)
{
	for (__u32 first = 0; first + BUSY <= timers; first += BUSY) {
		for (__u32 i = first; i < first + BUSY; i++)
			s->arm(order[i], NSEC_PER_SEC / 5 + random_ns(i, NSEC_PER_SEC));
		for (__u32 i = first; i < first + BUSY; i++)
			s->arm(order[i], random_ns(i, SPAN_NS));
	}
	return timers / BUSY * BUSY * 2ULL;
}

static __u64 fire_all(const struct subject *s)
{
	__u64 fired = 0;

	for (__u64 now_ns = 0; now_ns <= SPAN_NS + STEP_NS; now_ns += STEP_NS) {
		while (s->expire(now_ns))
			fired++;
	}
	if (fired != timers) {
		errno = ERANGE;
		tool_fail("not every timer fired once");
	}
	return fired;
}

static void measure(const struct subject *s)
{
	static __u64 (*const operations[OPERATIONS])(const struct subject *) = { arm_all, move, move_near_and_back,
										 fire_all };

	printf("\"%s\": {", s->name);
	for (enum operation o = 0; o < OPERATIONS; o++) {
		double started = tool_seconds(CLOCK_THREAD_CPUTIME_ID);
		__u64 count = operations[o](s);

		printf("%s\"%s\": %.1f", o ? ", " : "", operation_names[o],
		       (tool_seconds(CLOCK_THREAD_CPUTIME_ID) - started) * 1e9 / (double)count);
	}
	printf("}");
}

/* --- the calendar of keys ---------------------------------------------------------------------------------------- */

static __u64 resident_bytes(void)
{
	unsigned long long pages = 0;
	FILE *file = fopen("/proc/self/statm", "r");

	if (!file || fscanf(file, "%*u %llu", &pages) != 1)
		tool_fail("/proc/self/statm");
	fclose(file);
	return pages * sysconf(_SC_PAGESIZE);
}

static void add_all(struct horizon *horizon)
{
	for (__u32 i = 0; i < timers; i++) {
		struct flow4_key key = { .remote_port = (__u16)i };

		errno = -horizon_add(horizon, &key, 1 + random_ns(i, HORIZON_NS), 0);
		if (errno)
			tool_fail("adding a key");
	}
}

static void take_all(struct horizon *horizon)
{
	static struct flow4_key keys[KEYS_AT_ONCE];
	__u64 taken = 0;
	__u32 count;

	for (__u64 now_ns = 0; taken < timers; now_ns += STEP_NS) {
		while ((count = horizon_take(horizon, keys, KEYS_AT_ONCE, now_ns)))
			taken += count;
	}
}

static void measure_horizon(void)
{
	__u64 before = resident_bytes(), bytes;
	struct horizon *horizon = horizon_new(sizeof(struct flow4_key), 0);
	double started = tool_seconds(CLOCK_THREAD_CPUTIME_ID), added;

	if (!horizon)
		tool_fail("the horizon");
	add_all(horizon);
	added = tool_seconds(CLOCK_THREAD_CPUTIME_ID);
	bytes = resident_bytes() - before;
	take_all(horizon);
	printf("\"horizon\": {\"add\": %.1f, \"take\": %.1f, \"bytes\": %.2f}", (added - started) * 1e9 / timers,
	       (tool_seconds(CLOCK_THREAD_CPUTIME_ID) - added) * 1e9 / timers, (double)bytes / timers);
	horizon_free(horizon);
}

int main(int argc, char **argv)
{
	parse_options(argc, argv);
	shuffle();
	wheel_timers = memory_for(timers * sizeof(*wheel_timers), 0);
	timer_wheel_init(&wheel, 0);
	heap.entries = memory_for(timers * sizeof(*heap.entries), 0);
	heap.positions = memory_for(timers * sizeof(*heap.positions), 0xff);
	printf("{");
	measure(&(struct subject){ "wheel", wheel_arm, wheel_expire });
	printf(", ");
	measure(&(struct subject){ "heap", heap_arm, heap_expire });
	printf(", ");
	measure_horizon();
	printf("}\n");
	return 0;
}
