// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * cost: what a packet costs in the programs of a loaded device, beside programs that do less (cost.bpf.c).
 *
 * Every combination of packet, flows and target is run for a chunk of packets, one after the other, round after round,
 * so that whatever disturbs the machine disturbs all alike. A chunk is one system call; its cost is the CPU time of
 * this thread. With --profile the device's own programs run once more and are sampled: where the time goes.
 */
#include "cost.h"

#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <getopt.h>

#include "config.h"
#include "packet_build.h"
#include "population.h"
#include "sample.h"
#include "tool.h"

#define ROUNDS_MAX 1000
#define AGE_NS (1000 * NSEC_PER_SEC)

struct options {
	struct in_addr local;
	__u16 port;
	__u32 flows;
	int rounds;
	__u32 runs;
	int cpu; /* -1: any */
	double profile_seconds;
	const char *pin_dir;
};

static const char usage[] =
	"usage: cost --local ADDRESS [option]... PIN_DIRECTORY\n"
	"  --port PORT    the service's port (80)\n"
	"  --flows N      how many flows of the fill tool are in the map (1000000)\n"
	"  --rounds N     rounds (20)\n"
	"  --runs N       packets of each kind in a round (50000)\n"
	"  --cpu N        the CPU to run on (any)\n"
	"  --profile S    samples each of the device's programs for so many seconds (0)\n"
	"Prints nanoseconds a packet, of each round, and samples by source line, as JSON.\n"
	"Run it in the service's network namespace: a SYN's listener is looked for there. The device\n"
	"is made to look as if it had been loaded long ago: segments of nobody's are no longer welcome.\n";

/* What comes of a flow, or leaves; and of floods, by peers that have none. */
enum packet_kind {
	PACKET_RECEIVED,
	PACKET_SENT,
	PACKET_SYN,
	PACKET_ACK,
	PACKET_SYN_ACK,
	PACKET_RST,
	PACKET_FIN,
	PACKET_PSH_ACK,
	PACKET_ILLEGAL,
	PACKET_KINDS
};

/* How a packet of each kind is drawn, and where it goes then. */
static const struct kind {
	const char *name;
	const char *draw;  /* program of cost.bpf.c */
	const char *slot;  /* program array of cost.bpf.c that says who is next */
	const char *pin;   /* the device's own program */
	const char *touch; /* the others, of cost.bpf.c; NULL: there is none */
	const char *lock;
	const char *nothing;
	__u8 flags; /* of a flood's segments */
} kinds[PACKET_KINDS] = {
#define STRANGER(name, flags)                                                                                          \
	{                                                                                                              \
		name, "draw_stranger", "xdp_target", "xdp_ingress", NULL, NULL, "nothing_xdp", flags                   \
	}
	{ "received", "draw_received", "xdp_target", "xdp_ingress", "touch_xdp", "lock_xdp", "nothing_xdp", 0 },
	{ "sent", "draw_sent", "tc_target", "tc_egress", "touch_tc", "lock_tc", "nothing_tc", 0 },
	{ "syn", "draw_syn", "xdp_target", "xdp_ingress", NULL, NULL, "nothing_xdp", TCP_FLAG_SYN },
	STRANGER("ack", TCP_FLAG_ACK),
	STRANGER("syn-ack", TCP_FLAG_SYN | TCP_FLAG_ACK),
	STRANGER("rst", TCP_FLAG_RST),
	STRANGER("fin", TCP_FLAG_FIN | TCP_FLAG_ACK),
	STRANGER("psh-ack", TCP_FLAG_PSH | TCP_FLAG_ACK),
	STRANGER("illegal", TCP_FLAG_FIN | TCP_FLAG_RST),
#undef STRANGER
};

/* One thing to measure. */
struct subject {
	const struct kind *kind;
	const struct frame *frame;
	const char *target; /* as it is printed */
	__u32 flows;	    /* drawn from */
	int draw, slot, program;
	double ns[ROUNDS_MAX];
};

#define SUBJECTS_MAX 32
#define TARGET_SYNKEEP "synkeep" /* the device's own program */

struct bench {
	const struct options *options;
	struct bpf_object *object;
	struct frame frames[PACKET_KINDS];
	struct subject subjects[SUBJECTS_MAX];
	int subject_count;
};

/* --- the command line -------------------------------------------------------------------------------------------- */

static void take_option(struct options *o, int option)
{
	switch (option) {
	case 'l':
		if (inet_pton(AF_INET, optarg, &o->local) != 1)
			tool_wrong_usage("--local is an IPv4 address");
		return;
	case 'p':
		o->port = (__u16)tool_number(optarg, 1, 65535, false);
		return;
	case 'n':
		o->flows = (__u32)tool_number(optarg, 1, POPULATION_MAX, false);
		return;
	case 'R':
		o->rounds = (int)tool_number(optarg, 1, ROUNDS_MAX, false);
		return;
	case 'r':
		o->runs = (__u32)tool_number(optarg, 1, 1e8, false);
		return;
	case 'c':
		o->cpu = (int)tool_number(optarg, 0, CPU_SETSIZE - 1, false);
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

static void parse_options(int argc, char **argv, struct options *o)
{
	static const struct option longs[] = {
		{ "local", 1, NULL, 'l' },   { "port", 1, NULL, 'p' }, { "flows", 1, NULL, 'n' },
		{ "rounds", 1, NULL, 'R' },  { "runs", 1, NULL, 'r' }, { "cpu", 1, NULL, 'c' },
		{ "profile", 1, NULL, 'P' }, { "help", 0, NULL, 'h' }, {}
	};
	int option;

	while ((option = getopt_long(argc, argv, "", longs, NULL)) != -1)
		take_option(o, option);
	if (argc - optind != 1 || !o->local.s_addr)
		tool_wrong_usage("it takes --local and a directory");
	o->pin_dir = argv[optind];
}

/* --- the frames -------------------------------------------------------------------------------------------------- */

/* What they have in common; the drawing programs write the peer and the numbers. */
static struct packet_spec describe(const struct options *o, enum direction direction, __u8 flags)
{
	return (struct packet_spec){
		.tuple = { .local = { o->local.s_addr }, .local_port = o->port, .family = FAMILY_IPV4 },
		.direction = direction,
		.window = 0xffff,
		.flags = flags,
	};
}

static void build_segment(struct frame *f, const struct options *o, enum direction direction)
{
	struct packet_spec spec = describe(o, direction, TCP_FLAG_ACK);

	spec.ack = (direction == DIRECTION_RCV ? POPULATION_ISS : POPULATION_IRS) + 1;
	spec.payload_bytes = COST_PAYLOAD_BYTES;
	packet_build_timestamps(&spec, 0, POPULATION_TSVAL);
	packet_build(f, &spec);
}

static void build_syn(struct frame *f, const struct options *o)
{
	struct tcp_options offer = { .mss = 1460, .wscale = 7, .sack_permitted = true, .has_timestamps = true };
	struct packet_spec spec = describe(o, DIRECTION_RCV, TCP_FLAG_SYN);

	packet_build_options(&spec, LAYOUT_LINUX, &offer);
	packet_build(f, &spec);
}

static void build_stranger(struct frame *f, const struct options *o, __u8 flags)
{
	struct packet_spec spec = describe(o, DIRECTION_RCV, flags);

	packet_build_timestamps(&spec, 1, 1);
	packet_build(f, &spec);
}

/* --- what is measured -------------------------------------------------------------------------------------------- */

/* Long enough for each kind of cookie of before to be stale. */
static void age_device(const struct options *o)
{
	int fd = tool_open_pin(o->pin_dir, "config");
	struct config config;
	__u32 zero = 0;

	if (bpf_map_lookup_elem(fd, &zero, &config))
		tool_fail("reading the configuration");
	config.loaded_at_ns -= AGE_NS;
	if (bpf_map_update_elem(fd, &zero, &config, BPF_ANY))
		tool_fail("writing the configuration");
	close(fd);
}

/* Whether the device's XDP program takes frames of several buffers: one that calls it has to take them too. */
static bool product_takes_fragments(const struct options *o)
{
	struct config config;
	__u32 zero = 0;

	if (bpf_map_lookup_elem(tool_open_pin(o->pin_dir, "config"), &zero, &config))
		tool_fail("reading the configuration");
	return config.xdp_mode == DEVICE_XDP_NATIVE;
}

static void load_programs(struct bench *b)
{
	struct cost_config config = {};
	struct bpf_program *program;

	memcpy(config.syn, b->frames[PACKET_SYN].bytes, sizeof(config.syn));
	b->object = tool_open_programs(&config, sizeof(config));
	bpf_object__for_each_program (program, b->object) {
		if (bpf_program__type(program) == BPF_PROG_TYPE_XDP && product_takes_fragments(b->options))
			bpf_program__set_flags(program, BPF_F_XDP_HAS_FRAGS);
	}
	if (bpf_map__reuse_fd(bpf_object__find_map_by_name(b->object, "flows4"),
			      tool_open_pin(b->options->pin_dir, "flows4")) ||
	    bpf_object__load(b->object))
		tool_fail("loading the programs");
}

static int program_fd(const struct bench *b, const char *name)
{
	return bpf_program__fd(bpf_object__find_program_by_name(b->object, name));
}

static void add_subject(struct bench *b, enum packet_kind kind, __u32 flows, const char *target, int program)
{
	struct subject *s = &b->subjects[b->subject_count++];

	s->kind = &kinds[kind];
	s->frame = &b->frames[kind];
	s->target = target;
	s->flows = flows;
	s->draw = program_fd(b, s->kind->draw);
	s->slot = bpf_map__fd(bpf_object__find_map_by_name(b->object, s->kind->slot));
	s->program = program;
}

static void add_subjects_of(struct bench *b, enum packet_kind kind, __u32 flows)
{
	const struct kind *k = &kinds[kind];

	add_subject(b, kind, flows, "nothing", program_fd(b, k->nothing));
	if (k->touch)
		add_subject(b, kind, flows, "touch", program_fd(b, k->touch));
	if (k->lock)
		add_subject(b, kind, flows, "lock", program_fd(b, k->lock));
	add_subject(b, kind, flows, TARGET_SYNKEEP, tool_open_pin(b->options->pin_dir, k->pin));
}

/* --- measuring --------------------------------------------------------------------------------------------------- */

/* Says who is next after the drawing, and from how many flows is drawn. */
static void prepare(const struct bench *b, const struct subject *s)
{
	int variables = bpf_map__fd(bpf_object__find_map_by_name(b->object, ".bss"));
	struct cost_variables values;
	__u32 zero = 0;

	if (bpf_map_lookup_elem(variables, &zero, &values))
		tool_fail("reading the variables");
	values.drawn_from = s->flows;
	if (bpf_map_update_elem(variables, &zero, &values, BPF_ANY) ||
	    bpf_map_update_elem(s->slot, &zero, &s->program, BPF_ANY))
		tool_fail("choosing the program");
}

static void run(const struct subject *s, __u32 runs)
{
	static __u8 out[FRAME_MAX_BYTES];
	LIBBPF_OPTS(bpf_test_run_opts, test, .data_in = s->frame->bytes, .data_size_in = s->frame->length,
		    .data_out = out, .data_size_out = sizeof(out), .repeat = (int)runs);

	if (bpf_prog_test_run_opts(s->draw, &test))
		tool_fail("running the programs");
	if ((int)test.retval == COST_NOT_RUN) {
		errno = EINVAL;
		tool_fail("the program was not called");
	}
}

static double ns_each(const struct bench *b, const struct subject *s)
{
	double started;

	prepare(b, s);
	started = tool_seconds(CLOCK_THREAD_CPUTIME_ID);
	run(s, b->options->runs);
	return (tool_seconds(CLOCK_THREAD_CPUTIME_ID) - started) * 1e9 / b->options->runs;
}

static void measure(struct bench *b)
{
	for (int round = 0; round < b->options->rounds; round++) {
		for (int i = 0; i < b->subject_count; i++)
			b->subjects[i].ns[round] = ns_each(b, &b->subjects[i]);
	}
}

static void profile(const struct bench *b, const struct subject *s)
{
	struct sample *sample = sample_open(s->program);
	double end = tool_seconds(CLOCK_MONOTONIC) + b->options->profile_seconds;

	prepare(b, s);
	while (tool_seconds(CLOCK_MONOTONIC) < end) {
		sample_start(sample);
		run(s, b->options->runs);
		sample_stop(sample);
	}
	sample_print(sample);
	sample_close(sample);
}

/* --- printing ---------------------------------------------------------------------------------------------------- */

static void print_subject(const struct bench *b, const struct subject *s)
{
	printf("{\"packet\": \"%s\", \"flows\": %u, \"target\": \"%s\", \"ns\": [", s->kind->name, s->flows, s->target);
	for (int round = 0; round < b->options->rounds; round++)
		printf("%s%.2f", round ? ", " : "", s->ns[round]);
	printf("]");
	if (b->options->profile_seconds > 0 && !strcmp(s->target, TARGET_SYNKEEP)) {
		printf(", \"samples\": ");
		profile(b, s);
	}
	printf("}");
}

int main(int argc, char **argv)
{
	static struct bench b;
	struct options o = { .port = 80, .flows = 1000000, .rounds = 20, .runs = 50000, .cpu = -1 };

	parse_options(argc, argv, &o);
	if (o.cpu >= 0)
		tool_pin_cpu(o.cpu);
	b.options = &o;
	build_segment(&b.frames[PACKET_RECEIVED], &o, DIRECTION_RCV);
	build_segment(&b.frames[PACKET_SENT], &o, DIRECTION_SND);
	build_syn(&b.frames[PACKET_SYN], &o);
	for (enum packet_kind kind = PACKET_ACK; kind < PACKET_KINDS; kind++)
		build_stranger(&b.frames[kind], &o, kinds[kind].flags);
	age_device(&o);
	load_programs(&b);
	for (enum packet_kind kind = PACKET_RECEIVED; kind <= PACKET_SENT; kind++) {
		add_subjects_of(&b, kind, 1);
		add_subjects_of(&b, kind, o.flows);
	}
	for (enum packet_kind kind = PACKET_SYN; kind < PACKET_KINDS; kind++)
		add_subjects_of(&b, kind, o.flows);
	measure(&b);
	printf("[");
	for (int i = 0; i < b.subject_count; i++) {
		printf(i ? ",\n " : "");
		print_subject(&b, &b.subjects[i]);
	}
	printf("]\n");
	bpf_object__close(b.object);
	return 0;
}
