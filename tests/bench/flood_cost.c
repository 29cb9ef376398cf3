// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * flood_cost: what a packet of each kind of flood (flood_kinds.h) costs in the XDP program of a loaded device, and what
 * the program makes of it.
 *
 * Each kind is run for a chunk of packets, and as many that go to a program that ends at once, one kind after the
 * other, round after round, so that whatever disturbs the machine disturbs all alike. A chunk is one system call; its
 * cost is the CPU time of this thread.
 */
#include "flood_cost.h"

#include <bpf/bpf.h>
#include <getopt.h>

#include "flood_template.h"
#include "sample.h"
#include "tool.h"
#include "verdict.h"

#define ROUNDS_MAX 1000

struct options {
	struct flood_ends ends;
	int rounds;
	__u32 runs;
	double profile_seconds;
	const char *pin_dir;
};

struct subject {
	const struct flood_kind *kind;
	struct flood_template template;
	int draw;   /* the program that is run */
	int target; /* the program array that says who is next */
	int nothing;
	const char *verdict; /* the commonest */
	double ns[ROUNDS_MAX];
};

static const char usage[] =
	"usage: flood_cost --to ADDRESS [option]... PIN_DIRECTORY KIND...\n"
	"  --port PORT    the service's port (80)\n"
	"  --rounds N     rounds (20)\n"
	"  --runs N       packets of each kind in a round (50000)\n"
	"  --cpu N        the CPU to run on (any)\n"
	"Prints of each kind its commonest verdict and nanoseconds a packet, net of what a program\n"
	"costs that ends at once, of each round, as JSON. Kinds are those of the flood tool.\n"
	"Run it in the service's network namespace: its listener is looked for there.\n";

/* --- the command line -------------------------------------------------------------------------------------------- */

static void take_option(struct options *o, int option)
{
	switch (option) {
	case 't':
		if (inet_pton(AF_INET, optarg, o->ends.to) != 1)
			tool_wrong_usage("--to is an IPv4 address");
		return;
	case 'p':
		o->ends.to_ports.first = (__u16)tool_number(optarg, 1, 65535, false);
		return;
	case 'R':
		o->rounds = (int)tool_number(optarg, 1, ROUNDS_MAX, false);
		return;
	case 'r':
		o->runs = (__u32)tool_number(optarg, 1, 1e8, false);
		return;
	case 'c':
		tool_pin_cpu((int)tool_number(optarg, 0, CPU_SETSIZE - 1, false));
		return;
	case 'P':
		o->profile_seconds = tool_number(optarg, 0, 3600, true);
		return;
	case 'h':
		fputs(usage, stdout);
		exit(0);
	default:
		exit(2);
	}
}

/* Returns the index of the first kind among the arguments. */
static int parse_options(int argc, char **argv, struct options *o)
{
	static const struct option longs[] = { { "to", 1, NULL, 't' },	   { "port", 1, NULL, 'p' },
					       { "rounds", 1, NULL, 'R' }, { "runs", 1, NULL, 'r' },
					       { "cpu", 1, NULL, 'c' },	   { "profile", 1, NULL, 'P' },
					       { "help", 0, NULL, 'h' },   {} };
	int option;

	while ((option = getopt_long(argc, argv, "", longs, NULL)) != -1)
		take_option(o, option);
	if (argc - optind < 2 || !o->ends.to[0])
		tool_wrong_usage("it takes --to, a directory and kinds");
	o->pin_dir = argv[optind];
	return optind + 1;
}

/* --- what is measured -------------------------------------------------------------------------------------------- */

/* The template is read-only data, which the verifier knows: each kind has programs of its own. */
static void subject_load(struct subject *s, const struct options *o, const char *kind)
{
	struct bpf_object *object;
	struct bpf_program *program;

	s->kind = flood_kind_find(kind);
	if (!s->kind)
		tool_wrong_usage("there is no such kind");
	flood_template_make(&s->template, s->kind, &o->ends);
	object = tool_open_programs(&s->template, sizeof(s->template));
	/* As the device's own program, which is the driver's: who calls one that takes them has to take them, too. */
	bpf_object__for_each_program (program, object)
		bpf_program__set_flags(program, BPF_F_XDP_HAS_FRAGS);
	if (bpf_object__load(object))
		tool_fail("loading the programs");
	s->draw = bpf_program__fd(bpf_object__find_program_by_name(object, "draw"));
	s->nothing = bpf_program__fd(bpf_object__find_program_by_name(object, "nothing"));
	s->target = bpf_map__fd(bpf_object__find_map_by_name(object, "target"));
}

/* --- measuring --------------------------------------------------------------------------------------------------- */

/* Nanoseconds of CPU a packet. */
static double run(const struct subject *s, int target, __u32 runs)
{
	static __u8 out[4096];
	LIBBPF_OPTS(bpf_test_run_opts, test, .data_in = s->template.words, .data_size_in = s->template.length,
		    .data_out = out, .data_size_out = sizeof(out), .repeat = (int)runs);
	__u32 zero = 0;
	double started;

	if (bpf_map_update_elem(s->target, &zero, &target, BPF_ANY))
		tool_fail("choosing the program");
	started = tool_seconds(CLOCK_THREAD_CPUTIME_ID);
	if (bpf_prog_test_run_opts(s->draw, &test))
		tool_fail("running the programs");
	if (test.retval == FLOOD_COST_NOT_RUN) {
		errno = EINVAL;
		tool_fail("the program was not called");
	}
	return (tool_seconds(CLOCK_THREAD_CPUTIME_ID) - started) * 1e9 / runs;
}

/* How often the device's programs have come to each verdict. */
static void read_counters(int counters, __u64 *packets)
{
	int cpus = libbpf_num_possible_cpus();
	struct verdict_counter of_cpu[cpus];

	for (__u32 verdict = 0; verdict < VERDICT_COUNT; verdict++) {
		if (bpf_map_lookup_elem(counters, &verdict, of_cpu))
			tool_fail("reading the counters");
		packets[verdict] = 0;
		for (int cpu = 0; cpu < cpus; cpu++)
			packets[verdict] += of_cpu[cpu].packets;
	}
}

/* Runs some packets, to warm up and to see which verdict most of them meet. */
static void subject_meet(struct subject *s, int product, int counters, __u32 runs)
{
	__u64 before[VERDICT_COUNT], after[VERDICT_COUNT], most = 0;

	read_counters(counters, before);
	run(s, product, runs);
	read_counters(counters, after);
	for (enum verdict verdict = 0; verdict < VERDICT_COUNT; verdict++) {
		if (verdict_action(verdict) != VERDICT_NOTE && after[verdict] - before[verdict] > most) {
			most = after[verdict] - before[verdict];
			s->verdict = verdict_info(verdict)->name;
		}
	}
}

static void profile(const struct subject *s, int product, const struct options *o)
{
	struct sample *sample = sample_open(product);
	double end = tool_seconds(CLOCK_MONOTONIC) + o->profile_seconds;

	while (tool_seconds(CLOCK_MONOTONIC) < end) {
		sample_start(sample);
		run(s, product, o->runs);
		sample_stop(sample);
	}
	sample_print(sample);
	sample_close(sample);
}

static void subject_print(const struct subject *s, int product, const struct options *o)
{
	printf("{\"kind\": \"%s\", \"verdict\": \"%s\", \"ns\": [", s->kind->name, s->verdict);
	for (int round = 0; round < o->rounds; round++)
		printf("%s%.2f", round ? ", " : "", s->ns[round]);
	printf("]");
	if (o->profile_seconds > 0) {
		printf(", \"samples\": ");
		profile(s, product, o);
	}
	printf("}");
}

int main(int argc, char **argv)
{
	struct options o = { .ends = { .family = AF_INET,
				       .from = { 198, 18 },
				       .sources = 100000,
				       .to_ports = { 80, 1 },
				       .from_ports = { 1024, 32768 } },
			     .rounds = 20,
			     .runs = 50000 };
	int first = parse_options(argc, argv, &o), count = argc - first, product, counters;
	struct subject *subjects = calloc((size_t)count, sizeof(*subjects));

	if (!subjects)
		tool_fail("memory");
	product = tool_open_pin(o.pin_dir, "xdp_ingress");
	counters = tool_open_pin(o.pin_dir, "counters");
	for (int i = 0; i < count; i++) {
		subject_load(&subjects[i], &o, argv[first + i]);
		subject_meet(&subjects[i], product, counters, o.runs);
	}
	for (int round = 0; round < o.rounds; round++) {
		for (struct subject *s = subjects; s < subjects + count; s++)
			s->ns[round] = run(s, product, o.runs) - run(s, s->nothing, o.runs);
	}
	printf("[");
	for (int i = 0; i < count; i++) {
		printf(i ? ",\n " : "");
		subject_print(&subjects[i], product, &o);
	}
	printf("]\n");
	free(subjects);
	return 0;
}
