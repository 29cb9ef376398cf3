/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Reads a capture in the classic pcap format, of either byte order, with times in microseconds or nanoseconds, whose
 * link type is Ethernet. Pure: bytes in, packets out; nothing is copied.
 *
 *   file    magic 4 | version 2, 2 | zone 4 | accuracy 4 | snap length 4 | link type 4
 *   packet  seconds 4 | fraction 4 | captured 4 | length on the wire 4 | the captured bytes
 *
 * What is odd ends the reading with a name, and the packets before it are good.
 */
#ifndef SYNKEEP_PCAP_FILE_H
#define SYNKEEP_PCAP_FILE_H

#include "base.h"

#define PCAP_FILE_PACKET_MAX 262144 /* bytes: no snap length of a capture program is greater */

/* X(identifier, what is wrong with the file, or the packet) */
#define PCAP_FILE_ERRORS(X)                                                                                            \
	X(NONE, "")                                                                                                    \
	X(EMPTY, "it is shorter than the header of a pcap file")                                                       \
	X(PCAPNG, "it is a pcapng file: `editcap -F pcap IN OUT` or `tcpdump -r IN -w OUT` makes a pcap file of it")   \
	X(MAGIC, "it is no pcap file")                                                                                 \
	X(VERSION, "its version of the pcap format is not 2")                                                          \
	X(COOKED, "it was captured on all devices at once, without Ethernet headers: capture on the one device")       \
	X(LINK, "its link type is not Ethernet")                                                                       \
	X(HEADER_CUT, "the file ends within the header of it")                                                         \
	X(CUT, "the file ends within it")                                                                              \
	X(TOO_LONG, "it is longer than any packet can be: the file is damaged from there on")                          \
	X(LENGTHS, "more of it was captured than it had: the file is damaged from there on")

enum pcap_file_error {
#define X(id, sentence) PCAP_FILE_##id,
	PCAP_FILE_ERRORS(X)
#undef X
		PCAP_FILE_ERROR_COUNT
};

struct pcap_file {
	const __u8 *bytes;
	size_t size;
	size_t at; /* the next packet's header */
	bool swapped;
	bool has_nanoseconds;
	__u64 number; /* of the last packet that was read, from 1 on */
};

struct pcap_packet {
	__u64 number;
	__u64 time_ns; /* since 1970 */
	const __u8 *frame;
	__u32 captured_bytes;
	__u32 wire_bytes; /* at least as many: the capture may have cut it */
};

/* The bytes must outlive the reading. PCAP_FILE_NONE, or what is wrong with the file. */
enum pcap_file_error pcap_file_open(struct pcap_file *file, const void *bytes, size_t size);

/* True: *packet is the next one. False: *error says why; PCAP_FILE_NONE is the file's end, all else of packet number+1.
 */
bool pcap_file_next(struct pcap_file *file, struct pcap_packet *packet, enum pcap_file_error *error);

/* A sentence without its first word: "the file ends within it". */
const char *pcap_file_error_text(enum pcap_file_error error);

#endif /* SYNKEEP_PCAP_FILE_H */
