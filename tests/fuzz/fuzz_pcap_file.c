// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * pcap_file.h: any bytes as a file. Packets lie within the file one behind the other, nothing is left between them, and
 * what is behind the last one has a name. A file that is turned into the other byte order reads the same.
 */
#include "fuzz.h"

#include "../../user/pcap_file.c"

#define HEADER_BYTES 24

static void turn(uint8_t *bytes, size_t count)
{
	for (size_t i = 0; i < count / 2; i++) {
		uint8_t byte = bytes[i];

		bytes[i] = bytes[count - 1 - i];
		bytes[count - 1 - i] = byte;
	}
}

/* Turns every number in the headers of what pcap_file_next() has read, and of the first that it refused. */
static void turn_file(uint8_t *bytes, size_t size, const struct pcap_file *as_it_is)
{
	size_t at = HEADER_BYTES;

	turn(bytes, 4);
	turn(bytes + 4, 2);
	turn(bytes + 6, 2);
	for (size_t i = 8; i < HEADER_BYTES; i += 4)
		turn(bytes + i, 4);
	while (at + 16 <= size && at <= as_it_is->at) {
		uint32_t captured;

		memcpy(&captured, bytes + at + 8, sizeof(captured));
		captured = as_it_is->swapped ? __builtin_bswap32(captured) : captured;
		for (size_t i = 0; i < 16; i += 4)
			turn(bytes + at + i, 4);
		if (at == as_it_is->at)
			break;
		at += 16 + captured;
	}
}

/* Reads to the end; returns why it ended there. */
static enum pcap_file_error read_all(struct pcap_file *file, uint64_t *sum)
{
	enum pcap_file_error error;
	struct pcap_packet p;
	size_t at = file->at;

	while (pcap_file_next(file, &p, &error)) {
		must(error == PCAP_FILE_NONE);
		must(p.number == file->number);
		must(p.frame == file->bytes + at + 16);
		must(p.captured_bytes <= p.wire_bytes && p.wire_bytes <= PCAP_FILE_PACKET_MAX);
		must(file->at == at + 16 + p.captured_bytes && file->at <= file->size);
		at = file->at;
		*sum = *sum * 31 + p.time_ns + p.captured_bytes * 7 + p.wire_bytes;
	}
	must(file->at == at);
	must((error == PCAP_FILE_NONE) == (at == file->size));
	must(*pcap_file_error_text(error) || error == PCAP_FILE_NONE);
	return error;
}

/* On the heap, where the sanitizer sees an access beyond the end. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint8_t *bytes = malloc(size ? size : 1);
	uint64_t sum = 0, turned_sum = 0;
	struct pcap_file file, turned;
	enum pcap_file_error error;

	must(bytes);
	if (size)
		memcpy(bytes, data, size);
	if (pcap_file_open(&file, bytes, size) == PCAP_FILE_NONE) {
		error = read_all(&file, &sum);
		turn_file(bytes, size, &file);
		must(pcap_file_open(&turned, bytes, size) == PCAP_FILE_NONE);
		must(turned.swapped != file.swapped && turned.has_nanoseconds == file.has_nanoseconds);
		must(read_all(&turned, &turned_sum) == error && turned.number == file.number && turned_sum == sum);
	}
	free(bytes);
	return 0;
}
