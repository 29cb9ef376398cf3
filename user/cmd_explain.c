/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * synkeep explain: what would become of a packet, or of those in a capture, and by what.
 */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "bpf_log.h"
#include "cmd_devices.h"
#include "explain_print.h"
#include "packet_craft.h"
#include "pcap_file.h"
#include "system.h"

#define WINDOW_DEFAULT 64240

enum {
	OPTION_FROM = COMMAND_OPTION_OWN,
	OPTION_TO,
	OPTION_FLAGS,
	OPTION_SEQ,
	OPTION_ACK,
	OPTION_WINDOW,
	OPTION_MSS,
	OPTION_WSCALE,
	OPTION_SACK,
	OPTION_TIMESTAMPS,
	OPTION_PAYLOAD,
	OPTION_QUEUE,
	OPTION_VERBOSE,
	OPTION_JSON,
	OPTION_COUNT,
};

/* given[] says which options there were. */
struct options {
	const char *pin_root;
	const char *device;
	const char *file; /* NULL: a packet is described */
	struct packet_craft craft;
	__u32 queue;
	bool given[OPTION_COUNT];
	bool help;
};

/* --- a packet that is described ----------------------------------------------------------------------------------- */

/* What is not said of a segment of a live connection is as its peer would send it next. */
static void complete_segment(const struct explain *explain, const struct options *options, struct packet_craft *craft)
{
	struct flow flow;

	if ((craft->flags & TCP_FLAG_SYN) || !explain_live_flow(explain, &craft->tuple, &flow))
		return;
	if (!options->given[OPTION_SEQ])
		craft->seq = flow.rcv_nxt;
	if (!options->given[OPTION_ACK] && (craft->flags & TCP_FLAG_ACK))
		craft->ack = flow.snd_nxt;
	if (options->given[OPTION_TIMESTAMPS] || !(flow.flags & FLOW_TIMESTAMPS))
		return;
	craft->options.has_timestamps = true;
	craft->options.tsval = flow.rcv_tsval;
	craft->options.tsecr = flow.snd_tsval;
}

static int explain_described(struct explain *explain, const struct options *options, struct explain_print *print)
{
	static __u8 frame[PACKET_CRAFT_BYTES_MAX];
	struct packet_craft craft = options->craft;
	struct explanation explanation;
	__u32 bytes = packet_craft(&craft, frame);
	int err = explain_expect(explain, frame, bytes);

	if (!err)
		err = explain_ready(explain);
	if (err)
		return command_failed(&command_explain, "its records can not be copied: %s", strerror(-err));
	complete_segment(explain, options, &craft);
	bytes = packet_craft(&craft, frame);
	err = explain_packet(explain, frame, bytes, &explanation);
	if (err)
		return command_failed(&command_explain, "the program can not be run: %s", strerror(-err));
	explain_print_begin(print);
	explain_print(print, 0, 0, &explanation);
	return explain_print_end(print) ? EXIT_FAILED : EXIT_DONE;
}

/* --- a capture ---------------------------------------------------------------------------------------------------- */

struct mapped {
	void *bytes;
	size_t size;
};

/* 0 or -errno; -ESPIPE: it is not a file that can be read from any place. */
static int map_file(const char *name, struct mapped *mapped)
{
	int fd = open(name, O_RDONLY | O_CLOEXEC | O_NONBLOCK), err = 0; /* a named pipe must not hold us up */
	struct stat status;

	*mapped = (struct mapped){};
	if (fd < 0)
		return -errno;
	if (fstat(fd, &status) < 0)
		err = -errno;
	else if (!S_ISREG(status.st_mode))
		err = -ESPIPE;
	if (!err && status.st_size) {
		mapped->size = status.st_size;
		mapped->bytes = mmap(NULL, mapped->size, PROT_READ, MAP_PRIVATE, fd, 0);
		err = mapped->bytes == MAP_FAILED ? -errno : 0;
	}
	close(fd);
	return err;
}

static void unmap_file(const struct mapped *mapped)
{
	if (mapped->size)
		munmap(mapped->bytes, mapped->size);
}

/* The frame as it was on the wire: what the capture has cut is zeros. NULL: it is longer than a frame can be. */
static const __u8 *whole_frame(const struct pcap_packet *packet)
{
	static __u8 frame[TWIN_FRAME_MAX];

	if (packet->wire_bytes > sizeof(frame))
		return NULL;
	memcpy(frame, packet->frame, packet->captured_bytes);
	memset(frame + packet->captured_bytes, 0, packet->wire_bytes - packet->captured_bytes);
	return frame;
}

/* How many packets there are before the end, or before the first odd one. */
static __u32 count_packets(struct pcap_file file)
{
	enum pcap_file_error error;
	struct pcap_packet packet;

	while (pcap_file_next(&file, &packet, &error))
		;
	return file.number < TWIN_TUPLES_MAX ? file.number : TWIN_TUPLES_MAX;
}

static int expect_packets(struct explain *explain, struct pcap_file file)
{
	enum pcap_file_error error;
	struct pcap_packet packet;
	int err = 0;

	while (!err && pcap_file_next(&file, &packet, &error)) {
		const __u8 *frame = whole_frame(&packet);

		if (frame)
			err = explain_expect(explain, frame, packet.wire_bytes);
	}
	return err ? err : explain_ready(explain);
}

/* 0 or -errno: the program can not be run at all. */
static int explain_captured(struct explain *explain, const struct pcap_packet *packet, struct explain_print *print)
{
	const __u8 *frame = whole_frame(packet);
	struct explanation explanation;
	int err = frame ? explain_packet(explain, frame, packet->wire_bytes, &explanation) : -EMSGSIZE;

	if (err == -EMSGSIZE)
		explain_print_refused(print, packet->number, packet->wire_bytes,
				      "no frame that a device could receive");
	else if (!err)
		explain_print(print, packet->number, packet->wire_bytes - packet->captured_bytes, &explanation);
	return err == -EMSGSIZE ? 0 : err;
}

static int explain_capture(struct explain *explain, const struct options *options, struct pcap_file file,
			   struct explain_print *print)
{
	int err = expect_packets(explain, file), output;
	enum pcap_file_error error = PCAP_FILE_NONE;
	struct pcap_packet packet;

	if (err)
		return command_failed(&command_explain, "the records of its packets can not be copied: %s",
				      strerror(-err));
	explain_print_begin(print);
	while (!err && pcap_file_next(&file, &packet, &error))
		err = explain_captured(explain, &packet, print);
	output = explain_print_end(print);
	if (err)
		return command_failed(&command_explain, "the program can not be run on packet %llu: %s", file.number,
				      strerror(-err));
	if (error)
		return command_failed(&command_explain, "%s, packet %llu: %s", options->file, file.number + 1,
				      pcap_file_error_text(error));
	return output ? EXIT_FAILED : EXIT_DONE;
}

/* --- both --------------------------------------------------------------------------------------------------------- */

static int explain_on(struct device *device, const struct options *options, const struct pcap_file *file)
{
	struct explain_print print = {
		.json = options->given[OPTION_JSON],
		.entries = !file || options->given[OPTION_VERBOSE],
	};
	char error[TWIN_ERROR_BYTES];
	struct explain *explain;
	int result;

	if (explain_open(device, options->queue, file ? count_packets(*file) : 1, &explain, error))
		return command_failed(&command_explain, "%s", error);
	result = file ? explain_capture(explain, options, *file, &print) : explain_described(explain, options, &print);
	explain_close(explain);
	return result;
}

static int check_queue(const struct device *device, const struct options *options)
{
	struct system_device system;
	int err;

	if (!options->given[OPTION_QUEUE])
		return EXIT_DONE;
	err = system_device(device->name, &system);
	if (err || (int)options->queue < system.rx_queues)
		return EXIT_DONE; /* that it is not here is said later */
	return command_failed(&command_explain, "%s has no receive queue %u: they are 0 to %d", device->name,
			      options->queue, system.rx_queues - 1);
}

static void put_own_mac(const struct device *device, struct packet_craft *craft)
{
	struct system_device system;

	if (!system_device(device->name, &system))
		memcpy(craft->local_mac, system.mac, sizeof(craft->local_mac));
}

static int explain_device(struct options *options, const struct pcap_file *file)
{
	struct cmd_devices devices;
	int result = cmd_devices_open(&devices, &command_explain, options->pin_root, options->device);

	if (result != EXIT_DONE)
		return result;
	put_own_mac(devices.list, &options->craft);
	result = check_queue(devices.list, options);
	if (result == EXIT_DONE)
		result = explain_on(devices.list, options, file);
	cmd_devices_close(&devices);
	return result;
}

static int explain_file(struct options *options)
{
	enum pcap_file_error error;
	struct mapped mapped;
	struct pcap_file file;
	int err = map_file(options->file, &mapped), result;

	if (err)
		return command_failed(&command_explain, "%s: %s", options->file,
				      err == -ESPIPE ? "it is no regular file" : strerror(-err));
	error = pcap_file_open(&file, mapped.bytes, mapped.size);
	if (error)
		result = command_failed(&command_explain, "%s: %s", options->file, pcap_file_error_text(error));
	else
		result = explain_device(options, &file);
	unmap_file(&mapped);
	return result;
}

/* --- the command line --------------------------------------------------------------------------------------------- */

static int misused_number(const char *name, const char *text, __u32 most)
{
	return command_misused(&command_explain, "--%s \"%s\" is not a number of 0 to %u", name, text, most);
}

/* Behind the number stands end. */
static bool read_number(const char *text, char end, __u32 most, __u32 *number, const char **behind)
{
	unsigned long value;
	char *stop;

	if (*text < '0' || *text > '9')
		return false;
	errno = 0;
	value = strtoul(text, &stop, 0);
	*number = value;
	*behind = stop + 1;
	return !errno && value <= most && *stop == end;
}

static int take_number(const char *name, __u32 most, __u32 *number)
{
	const char *behind;

	return read_number(optarg, '\0', most, number, &behind) ? EXIT_DONE : misused_number(name, optarg, most);
}

static int take_timestamps(struct tcp_options *o)
{
	const char *behind;

	o->has_timestamps = true;
	if (read_number(optarg, '/', ~0U, &o->tsval, &behind) && read_number(behind, '\0', ~0U, &o->tsecr, &behind))
		return EXIT_DONE;
	return command_misused(&command_explain, "--timestamps \"%s\" is not TSVAL/TSECR, two numbers", optarg);
}

/* An address and a port, neither of them a wildcard. */
static int take_end(const char *name, struct service_spec *end)
{
	static const ipv6_bytes any;
	char complaint[SERVICE_SPEC_ERROR_BYTES];

	if (!strchr(optarg, ',') && !service_spec_parse(optarg, end, complaint, sizeof(complaint)) && end->port &&
	    memcmp(end->address, any, sizeof(any)))
		return EXIT_DONE;
	return command_misused(&command_explain,
			       "--%s \"%s\" is not an address and a port: 192.0.2.7:40000 and [2001:db8::1]:80 are",
			       name, optarg);
}

static int take_from(struct packet_craft *craft)
{
	struct service_spec end;
	int result = take_end("from", &end);

	if (result)
		return result;
	craft->tuple.family = end.family;
	craft->tuple.remote_port = end.port;
	memcpy(craft->tuple.remote, end.address, sizeof(craft->tuple.remote));
	return EXIT_DONE;
}

static int take_to(struct packet_craft *craft, __u8 *family)
{
	struct service_spec end;
	int result = take_end("to", &end);

	if (result)
		return result;
	*family = end.family;
	craft->tuple.local_port = end.port;
	memcpy(craft->tuple.local, end.address, sizeof(craft->tuple.local));
	return EXIT_DONE;
}

/* What the segment carries. */
static int take_segment_option(struct packet_craft *craft, int option)
{
	__u32 number = 0;
	int result;

	switch (option) {
	case OPTION_FLAGS:
		if (!packet_craft_flags(optarg, &craft->flags))
			return EXIT_DONE;
		return command_misused(&command_explain,
				       "--flags \"%s\" is none: of S, F, R, P, A, U, E and C, as SA, or \"none\"",
				       optarg);
	case OPTION_SEQ:
		return take_number("seq", ~0U, &craft->seq);
	case OPTION_ACK:
		return take_number("ack", ~0U, &craft->ack);
	case OPTION_WINDOW:
		result = take_number("window", 0xffff, &number);
		craft->window = number;
		return result;
	case OPTION_MSS:
		result = take_number("mss", 0xffff, &number);
		craft->options.mss = number;
		return result;
	case OPTION_WSCALE:
		result = take_number("wscale", TCP_WSCALE_MAX, &number);
		craft->options.wscale = number;
		return result;
	case OPTION_SACK:
		craft->options.sack_permitted = true;
		return EXIT_DONE;
	case OPTION_TIMESTAMPS:
		return take_timestamps(&craft->options);
	default: /* OPTION_PAYLOAD */
		return take_number("payload", PACKET_CRAFT_PAYLOAD_MAX, &craft->payload_bytes);
	}
}

static int take_option(struct options *options, int option, __u8 *to_family)
{
	if (option < OPTION_FROM || option >= OPTION_COUNT)
		return command_take_option(&command_explain, option, &options->pin_root, &options->help);
	options->given[option] = true;
	switch (option) {
	case OPTION_FROM:
		return take_from(&options->craft);
	case OPTION_TO:
		return take_to(&options->craft, to_family);
	case OPTION_QUEUE:
		return take_number("queue", 0xffff, &options->queue);
	case OPTION_VERBOSE:
	case OPTION_JSON:
		return EXIT_DONE;
	default:
		return take_segment_option(&options->craft, option);
	}
}

/* Either a file, or a whole description. */
static int check_options(const struct options *options, __u8 to_family)
{
	bool described = false;

	for (int i = OPTION_FROM; i <= OPTION_PAYLOAD; i++)
		described |= options->given[i];
	if (!options->device)
		return command_misused(&command_explain, "which device?");
	if (options->file && described)
		return command_misused(&command_explain, "a file has its packets; none is to be described beside it");
	if (options->file)
		return EXIT_DONE;
	if (!options->given[OPTION_FROM] || !options->given[OPTION_TO] || !options->given[OPTION_FLAGS])
		return command_misused(&command_explain,
				       "which packet? a pcap file has some, or --from, --to and --flags describe one");
	if (to_family != options->craft.tuple.family)
		return command_misused(&command_explain, "--from and --to are of different address families");
	return EXIT_DONE;
}

static int take_options(struct options *options, int argc, char **argv)
{
	static const struct option known[] = {
		{ "from", required_argument, NULL, OPTION_FROM },
		{ "to", required_argument, NULL, OPTION_TO },
		{ "flags", required_argument, NULL, OPTION_FLAGS },
		{ "seq", required_argument, NULL, OPTION_SEQ },
		{ "ack", required_argument, NULL, OPTION_ACK },
		{ "window", required_argument, NULL, OPTION_WINDOW },
		{ "mss", required_argument, NULL, OPTION_MSS },
		{ "wscale", required_argument, NULL, OPTION_WSCALE },
		{ "sack", no_argument, NULL, OPTION_SACK },
		{ "timestamps", required_argument, NULL, OPTION_TIMESTAMPS },
		{ "payload", required_argument, NULL, OPTION_PAYLOAD },
		{ "queue", required_argument, NULL, OPTION_QUEUE },
		{ "verbose", no_argument, NULL, OPTION_VERBOSE },
		{ "json", no_argument, NULL, OPTION_JSON },
		COMMAND_OPTIONS,
		{ 0 },
	};
	int option, result = EXIT_DONE;
	__u8 to_family = 0;

	while (!result && !options->help && (option = getopt_long(argc, argv, "h", known, NULL)) != -1)
		result = take_option(options, option, &to_family);
	if (result || options->help)
		return result;
	if (argc - optind > 2)
		return command_misused(&command_explain, "\"%s\" is one word too many", argv[optind + 2]);
	options->device = optind < argc ? argv[optind] : NULL;
	options->file = optind + 1 < argc ? argv[optind + 1] : NULL;
	return check_options(options, to_family);
}

static int run(int argc, char **argv)
{
	struct options options = {
		.pin_root = PINS_ROOT,
		.craft = { .options = TCP_OPTIONS_NONE, .window = WINDOW_DEFAULT },
	};
	int result = take_options(&options, argc, argv);

	if (options.help)
		return command_help(&command_explain);
	if (result != EXIT_DONE)
		return result;
	bpf_log_capture(false);
	return options.file ? explain_file(&options) : explain_device(&options, NULL);
}

const struct command command_explain = {
	.name = "explain",
	.summary = "what would become of a packet, and by which entries of the maps",
	.usage = "Usage: synkeep explain DEV FILE.pcap [--verbose] [--queue N] [--json] [--pin-root DIR]\n"
		 "       synkeep explain DEV --from ADDR:PORT --to ADDR:PORT --flags FLAGS [SEGMENT]... [--queue N]\n"
		 "                       [--json] [--pin-root DIR]\n"
		 "\n"
		 "Runs the device's programs on packets as if they came in now, on a copy of what it knows, so that\n"
		 "nothing changes and no packet leaves; says the verdict, its sentence and XDP action, what would be\n"
		 "sent back, and what decided: the service, its sentry, who listens, the tuple's records before and\n"
		 "behind the packet, the budget that it drew on, the epoch of its cookie. Of a capture the packets\n"
		 "come in their order, a line each, and what one changes the next one finds, those that this host\n"
		 "sent, too. Where a capture has cut a packet, the rest is taken as zeros.\n"
		 "\n"
		 "  DEV                a loaded device, in this network namespace\n"
		 "  FILE.pcap          a capture in the pcap format, of Ethernet\n"
		 "      --verbose      what decided, below each line; always with a packet that is described\n"
		 "      --from, --to   the packet's ends: 192.0.2.7:40000, [2001:db8::1]:80\n"
		 "      --flags FLAGS  letters of S F R P A U E C, as SA, or none\n"
		 "      --seq N, --ack N        0 by default; of a live connection, what its peer would send next\n"
		 "      --window N, --payload N unscaled window, 64240 by default; bytes of text, 0 by default\n"
		 "      --mss N, --wscale N, --sack, --timestamps TSVAL/TSECR   TCP options\n"
		 "      --queue N      the receive queue that it comes by, 0 by default\n"
		 "      --json         for programs: a list of packets\n"
		 "      --pin-root DIR where the devices are pinned, " PINS_ROOT " by default\n"
		 "  -h, --help         this text\n",
	.run = run,
};
