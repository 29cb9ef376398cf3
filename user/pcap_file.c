/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Reads a capture in the classic pcap format. See pcap_file.h.
 */
#include <string.h>

#include "pcap_file.h"

#define FILE_HEADER_BYTES 24
#define PACKET_HEADER_BYTES 16
#define MAGIC_MICROSECONDS 0xa1b2c3d4U
#define MAGIC_NANOSECONDS 0xa1b23c4dU
#define MAGIC_PCAPNG 0x0a0d0d0aU /* the same in both byte orders */
#define VERSION_MAJOR 2
#define LINK_TYPE_MASK 0xffffU /* above it: whether frames end with their checksum, which is as good as padding */
#define LINK_ETHERNET 1
#define LINK_LINUX_COOKED 113
#define LINK_LINUX_COOKED_2 276

static __u32 get32(const struct pcap_file *file, size_t at)
{
	__u32 word;

	memcpy(&word, file->bytes + at, sizeof(word));
	return file->swapped ? __builtin_bswap32(word) : word;
}

static __u16 get16(const struct pcap_file *file, size_t at)
{
	__u16 half;

	memcpy(&half, file->bytes + at, sizeof(half));
	return file->swapped ? __builtin_bswap16(half) : half;
}

/* Sets the byte order and the unit of time. */
static enum pcap_file_error take_magic(struct pcap_file *file)
{
	__u32 magic = get32(file, 0);

	if (magic == MAGIC_PCAPNG)
		return PCAP_FILE_PCAPNG;
	file->swapped = magic != MAGIC_MICROSECONDS && magic != MAGIC_NANOSECONDS;
	magic = get32(file, 0);
	file->has_nanoseconds = magic == MAGIC_NANOSECONDS;
	return magic == MAGIC_MICROSECONDS || magic == MAGIC_NANOSECONDS ? PCAP_FILE_NONE : PCAP_FILE_MAGIC;
}

enum pcap_file_error pcap_file_open(struct pcap_file *file, const void *bytes, size_t size)
{
	enum pcap_file_error error;
	__u32 link;

	*file = (struct pcap_file){ .bytes = bytes, .size = size, .at = FILE_HEADER_BYTES };
	if (size < sizeof(__u32))
		return PCAP_FILE_EMPTY;
	error = take_magic(file);
	if (error)
		return error;
	if (size < FILE_HEADER_BYTES)
		return PCAP_FILE_EMPTY;
	if (get16(file, 4) != VERSION_MAJOR)
		return PCAP_FILE_VERSION;
	link = get32(file, 20) & LINK_TYPE_MASK;
	if (link == LINK_LINUX_COOKED || link == LINK_LINUX_COOKED_2)
		return PCAP_FILE_COOKED;
	return link == LINK_ETHERNET ? PCAP_FILE_NONE : PCAP_FILE_LINK;
}

bool pcap_file_next(struct pcap_file *file, struct pcap_packet *packet, enum pcap_file_error *error)
{
	size_t left = file->size - file->at;
	__u32 fraction;

	*error = PCAP_FILE_NONE;
	if (!left)
		return false;
	*error = PCAP_FILE_HEADER_CUT;
	if (left < PACKET_HEADER_BYTES)
		return false;
	fraction = get32(file, file->at + 4);
	*packet = (struct pcap_packet){
		.number = file->number + 1,
		.time_ns = get32(file, file->at) * NSEC_PER_SEC + fraction * (file->has_nanoseconds ? 1ULL : 1000ULL),
		.frame = file->bytes + file->at + PACKET_HEADER_BYTES,
		.captured_bytes = get32(file, file->at + 8),
		.wire_bytes = get32(file, file->at + 12),
	};
	*error = PCAP_FILE_TOO_LONG;
	if (packet->captured_bytes > PCAP_FILE_PACKET_MAX || packet->wire_bytes > PCAP_FILE_PACKET_MAX)
		return false;
	*error = PCAP_FILE_LENGTHS;
	if (packet->captured_bytes > packet->wire_bytes)
		return false;
	*error = PCAP_FILE_CUT;
	if (packet->captured_bytes > left - PACKET_HEADER_BYTES)
		return false;
	*error = PCAP_FILE_NONE;
	file->at += PACKET_HEADER_BYTES + packet->captured_bytes;
	file->number++;
	return true;
}

const char *pcap_file_error_text(enum pcap_file_error error)
{
	static const char *const texts[] = {
#define X(id, sentence) sentence,
		PCAP_FILE_ERRORS(X)
#undef X
	};

	return error < PCAP_FILE_ERROR_COUNT ? texts[error] : "?";
}
