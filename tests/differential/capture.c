// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "capture.h"

#define MAGIC_MICROSECONDS 0xa1b2c3d4U
#define MAGIC_NANOSECONDS 0xa1b23c4dU
#define LINKTYPE_ETHERNET 1

/* In the byte order of the machine that wrote it. */
struct file_header {
	__u32 magic;
	__u16 version[2];
	__u32 reserved[2];
	__u32 longest;
	__u32 link_type;
};

struct packet_header {
	__u32 time[2];
	__u32 captured_bytes;
	__u32 bytes;
};

static bool ends_equal(const __be32 *address, __u16 port, const __be32 *other_address, __u16 other_port)
{
	return port == other_port && !memcmp(address, other_address, 16);
}

/* From the owner's side; the tuple of what a frame's sender sees as local, or the reverse. */
static struct tuple tuple_turned(const struct tuple *t)
{
	struct tuple turned = { .family = t->family, .remote_port = t->local_port, .local_port = t->remote_port };

	memcpy(turned.remote, t->local, sizeof(turned.remote));
	memcpy(turned.local, t->remote, sizeof(turned.local));
	return turned;
}

/* The connection of a packet whose sender is local, and which way it goes; false: none, and this is not its SYN. */
static bool find_connection(struct capture *c, struct tuple *known, const struct packet_view *view,
			    struct captured *out)
{
	struct tuple sent = view->tuple, received = tuple_turned(&sent);

	for (int i = 0; i < c->connections; i++) {
		const struct tuple *t = &known[i];
		bool sends = ends_equal(t->local, t->local_port, sent.local, sent.local_port);
		const struct tuple *same = sends ? &sent : &received;

		if (!ends_equal(t->local, t->local_port, same->local, same->local_port) ||
		    !ends_equal(t->remote, t->remote_port, same->remote, same->remote_port))
			continue;
		out->connection = i;
		out->spec.tuple = *t;
		out->spec.direction = sends ? DIRECTION_SND : DIRECTION_RCV;
		return true;
	}
	if ((view->flags & (TCP_FLAG_SYN | TCP_FLAG_ACK)) != TCP_FLAG_SYN || c->connections == CAPTURE_CONNECTIONS_MAX)
		return false;
	known[c->connections] = received;
	out->connection = c->connections++;
	out->spec.tuple = received;
	out->spec.direction = DIRECTION_RCV;
	return true;
}

/* The checksums of what the capturing host sent itself may have been left to its device. */
static bool read_packet(struct packet_view *view, struct frame *f)
{
	const char *wrong = packet_build_read(view, f);

	if (wrong && strstr(wrong, "checksum")) {
		packet_build_checksums(f);
		wrong = packet_build_read(view, f);
	}
	return !wrong;
}

static void take_frame(struct capture *c, struct tuple *known, struct frame *f)
{
	struct captured out = {};
	struct packet_view view;

	if (!read_packet(&view, f) || !find_connection(c, known, &view, &out))
		return;
	out.spec.seq = view.seq;
	out.spec.ack = view.ack;
	out.spec.window = view.window;
	out.spec.flags = view.flags;
	out.spec.payload_bytes = view.payload_bytes;
	out.spec.option_bytes = view.option_bytes;
	memcpy(out.spec.options, view.padding - view.payload_bytes - view.option_bytes, view.option_bytes);
	c->packet = realloc(c->packet, (c->packets + 1) * sizeof(*c->packet));
	if (!c->packet)
		abort();
	c->packet[c->packets++] = out;
}

static const char *read_header(FILE *file)
{
	struct file_header header;

	if (fread(&header, sizeof(header), 1, file) != 1 ||
	    (header.magic != MAGIC_MICROSECONDS && header.magic != MAGIC_NANOSECONDS))
		return "not a pcap file of this byte order";
	return header.link_type == LINKTYPE_ETHERNET ? NULL : "not a capture of Ethernet frames";
}

const char *capture_read(struct capture *c, const char *path)
{
	static struct tuple known[CAPTURE_CONNECTIONS_MAX];
	FILE *file = fopen(path, "rb");
	struct packet_header header;
	const char *wrong;
	struct frame f;

	*c = (struct capture){};
	if (!file)
		return strerror(errno);
	wrong = read_header(file);
	while (!wrong && fread(&header, sizeof(header), 1, file) == 1) {
		bool fits = header.captured_bytes <= FRAME_MAX_BYTES;

		f.length = header.captured_bytes;
		if (!fits && fseek(file, header.captured_bytes, SEEK_CUR))
			wrong = "cut short";
		else if (fits && fread(f.bytes, f.length, 1, file) != 1)
			wrong = "cut short";
		else if (fits)
			take_frame(c, known, &f);
	}
	fclose(file);
	return wrong;
}

void capture_free(struct capture *c)
{
	free(c->packet);
}
