// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "sample.h"

#include <bpf/bpf.h>
#include <bpf/btf.h>
#include <linux/bpf.h>
#include <linux/perf_event.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>

#include "tool.h"

#define PERIOD_NS 20000
#define RING_BYTES (1 << 22) /* samples of a second and more */
#define FRAMES_MAX 32
#define PLACES_MAX 1024
#define FUNCTIONS_MAX 128

/* Where a line's code begins; it ends where the next one does. */
struct line {
	__u64 address;
	const char *file;
	__u32 number;
};

struct symbol {
	__u64 address;
	char name[64];
};

/* A line, what it had called, and how often it was met there. */
struct place {
	const struct line *line;
	const char *helper; /* NULL: the line's own code */
	unsigned long count;
};

struct sample {
	int event;
	struct perf_event_mmap_page *ring;
	struct btf *btf;
	struct line *lines;
	struct symbol *symbols;
	size_t line_count, symbol_count, place_count;
	struct place places[PLACES_MAX];
	__u64 function_addresses[FUNCTIONS_MAX];
	__u32 function_bytes[FUNCTIONS_MAX], function_count;
};

/* --- the program's lines ----------------------------------------------------------------------------------------- */

static int compare_addresses(const void *a, const void *b)
{
	__u64 x = *(const __u64 *)a, y = *(const __u64 *)b; /* what lines and symbols begin with */

	return x < y ? -1 : x > y;
}

static void *allocate(size_t count, size_t size)
{
	void *memory = calloc(count, size);

	if (!memory)
		tool_fail("memory");
	return memory;
}

static void read_lines(struct sample *s, int program)
{
	struct bpf_prog_info info = {};
	__u32 info_bytes = sizeof(info);
	struct bpf_line_info *sources;
	__u64 *addresses;

	if (bpf_obj_get_info_by_fd(program, &info, &info_bytes))
		tool_fail("reading the program");
	s->line_count = info.nr_jited_line_info;
	s->function_count = info.nr_jited_ksyms;
	if (!s->line_count || s->line_count != info.nr_line_info || s->function_count > FUNCTIONS_MAX) {
		errno = ENOTSUP;
		tool_fail("the program's lines");
	}
	sources = allocate(s->line_count, sizeof(*sources));
	addresses = allocate(s->line_count, sizeof(*addresses));
	info = (struct bpf_prog_info){
		.nr_line_info = (__u32)s->line_count,
		.line_info_rec_size = sizeof(*sources),
		.line_info = (__u64)(unsigned long)sources,
		.nr_jited_line_info = (__u32)s->line_count,
		.jited_line_info_rec_size = sizeof(*addresses),
		.jited_line_info = (__u64)(unsigned long)addresses,
		.nr_jited_ksyms = s->function_count,
		.jited_ksyms = (__u64)(unsigned long)s->function_addresses,
		.nr_jited_func_lens = s->function_count,
		.jited_func_lens = (__u64)(unsigned long)s->function_bytes,
	};
	if (bpf_obj_get_info_by_fd(program, &info, &info_bytes))
		tool_fail("reading the program's lines");
	s->btf = btf__load_from_kernel_by_id(info.btf_id);
	if (!s->btf)
		tool_fail("reading the program's BTF");
	s->lines = allocate(s->line_count, sizeof(*s->lines));
	for (size_t i = 0; i < s->line_count; i++)
		s->lines[i] = (struct line){
			.address = addresses[i],
			.file = btf__name_by_offset(s->btf, sources[i].file_name_off),
			.number = BPF_LINE_INFO_LINE_NUM(sources[i].line_col),
		};
	qsort(s->lines, s->line_count, sizeof(*s->lines), compare_addresses);
	free(sources);
	free(addresses);
}

/* --- the kernel's functions -------------------------------------------------------------------------------------- */

static void read_symbols(struct sample *s)
{
	FILE *file = fopen("/proc/kallsyms", "r");
	size_t room = 1 << 19;
	struct symbol symbol;
	char type;

	if (!file)
		tool_fail("/proc/kallsyms");
	s->symbols = allocate(room, sizeof(*s->symbols));
	while (s->symbol_count < room &&
	       fscanf(file, "%llx %c %63s%*[^\n]", (unsigned long long *)&symbol.address, &type, symbol.name) == 3) {
		if (type == 't' || type == 'T')
			s->symbols[s->symbol_count++] = symbol;
	}
	fclose(file);
	qsort(s->symbols, s->symbol_count, sizeof(*s->symbols), compare_addresses);
}

/* The last of the sorted records that does not begin behind the address; NULL: all do. */
static const void *find_last(const void *records, size_t count, size_t size, __u64 address)
{
	const char *first = records;

	while (count) {
		const char *middle = first + count / 2 * size;

		if (*(const __u64 *)middle > address) {
			count /= 2;
		} else {
			first = middle + size;
			count -= count / 2 + 1;
		}
	}
	return first == (const char *)records ? NULL : first - size;
}

/* --- samples ----------------------------------------------------------------------------------------------------- */

static bool is_of_program(const struct sample *s, __u64 address)
{
	for (__u32 i = 0; i < s->function_count; i++) {
		if (address - s->function_addresses[i] < s->function_bytes[i])
			return true;
	}
	return false;
}

static void count_place(struct sample *s, const struct line *line, const char *helper)
{
	size_t i = 0;

	while (i < s->place_count && (s->places[i].line != line || s->places[i].helper != helper))
		i++;
	if (i == PLACES_MAX)
		return;
	if (i == s->place_count)
		s->places[s->place_count++] = (struct place){ .line = line, .helper = helper };
	s->places[i].count++;
}

/* The chain of calls, innermost first. What the thread did outside of the program is of no interest. */
static void take_chain(struct sample *s, const __u64 *chain, __u64 length)
{
	const struct symbol *helper = NULL;
	bool innermost = true;

	for (__u64 i = 0; i < length; i++) {
		/* a return address is behind its call, perhaps in the next line */
		__u64 address = innermost ? chain[i] : chain[i] - 1;

		if (chain[i] >= (__u64)PERF_CONTEXT_MAX)
			continue; /* a mark, not an address */
		innermost = false;
		if (is_of_program(s, address)) {
			count_place(s, find_last(s->lines, s->line_count, sizeof(*s->lines), address),
				    helper ? helper->name : NULL);
			return;
		}
		helper = find_last(s->symbols, s->symbol_count, sizeof(*s->symbols), address);
	}
}

/* Copies from the ring, which has no beginning and no end. */
static void read_ring(const struct sample *s, __u64 at, void *to, size_t bytes)
{
	const char *data = (const char *)s->ring + s->ring->data_offset;

	for (size_t i = 0; i < bytes; i++)
		((char *)to)[i] = data[(at + i) % RING_BYTES];
}

static void drain(struct sample *s)
{
	struct {
		struct perf_event_header header;
		__u64 length;
		__u64 chain[FRAMES_MAX];
	} record;
	__u64 head = __atomic_load_n(&s->ring->data_head, __ATOMIC_ACQUIRE), at = s->ring->data_tail;

	for (; at < head; at += record.header.size) {
		read_ring(s, at, &record.header, sizeof(record.header));
		if (record.header.type != PERF_RECORD_SAMPLE || record.header.size > sizeof(record))
			continue;
		read_ring(s, at, &record, record.header.size);
		take_chain(s, record.chain, record.length);
	}
	__atomic_store_n(&s->ring->data_tail, head, __ATOMIC_RELEASE);
}

struct sample *sample_open(int program)
{
	struct perf_event_attr attributes = {
		.type = PERF_TYPE_SOFTWARE,
		.size = sizeof(attributes),
		.config = PERF_COUNT_SW_CPU_CLOCK,
		.sample_period = PERIOD_NS,
		.sample_type = PERF_SAMPLE_CALLCHAIN,
		.disabled = 1,
		.exclude_user = 1,
		.exclude_callchain_user = 1,
		.sample_max_stack = FRAMES_MAX - 2, /* and the marks */
	};
	struct sample *s = allocate(1, sizeof(*s));

	read_lines(s, program);
	read_symbols(s);
	s->event = (int)syscall(SYS_perf_event_open, &attributes, 0, -1, -1, 0);
	if (s->event < 0)
		tool_fail("perf_event_open");
	s->ring = mmap(NULL, (size_t)getpagesize() + RING_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, s->event, 0);
	if (s->ring == MAP_FAILED)
		tool_fail("the samples' ring");
	return s;
}

void sample_close(struct sample *s)
{
	munmap(s->ring, (size_t)getpagesize() + RING_BYTES);
	close(s->event);
	btf__free(s->btf);
	free(s->symbols);
	free(s->lines);
	free(s);
}

void sample_start(struct sample *s)
{
	ioctl(s->event, PERF_EVENT_IOC_ENABLE, 0);
}

void sample_stop(struct sample *s)
{
	ioctl(s->event, PERF_EVENT_IOC_DISABLE, 0);
	drain(s);
}

void sample_print(const struct sample *s)
{
	printf("[");
	for (size_t i = 0; i < s->place_count; i++) {
		const struct place *p = &s->places[i];

		printf("%s{\"file\": \"%s\", \"line\": %u, \"samples\": %lu, \"helper\": ", i ? ",\n  " : "",
		       p->line->file, p->line->number, p->count);
		printf(p->helper ? "\"%s\"}" : "null}", p->helper);
	}
	printf("]");
}
