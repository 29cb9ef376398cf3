// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * icmp.h: any bytes behind Ethernet and an IP header that says ICMP, at the end of their buffer. What the parser says
 * of a quoted segment must stand where the message has it, within the packet.
 */
#include "fuzz.h"
#include "icmp.h"

#define ETH_BYTES 14

static void error_is_the_messages(const struct packet *p, const struct frame *f, const struct icmp_error *error)
{
	const uint8_t *icmp = (const uint8_t *)f->data + p->tcp_offset, *quote = icmp + 8;
	bool ipv4 = p->tuple.family == FAMILY_IPV4;
	size_t header_bytes = ipv4 ? quote[0] % 16 * 4U : 40, address_bytes = ipv4 ? 4 : 16;
	const uint8_t *addresses = quote + (ipv4 ? 12 : 8), *tcp = quote + header_bytes;

	must(tcp + 8 <= (const uint8_t *)f->end);
	must((size_t)(tcp + 8 - (const uint8_t *)f->data) <= p->ip_offset + p->segment.packet_bytes);
	must(quote[0] / 16 == (ipv4 ? 4 : 6) && quote[ipv4 ? 9 : 6] == 6);
	must(!memcmp(error->tuple.local, addresses, address_bytes));
	must(!memcmp(error->tuple.remote, addresses + address_bytes, address_bytes));
	must(error->tuple.local_port == get_be16(tcp) && error->tuple.remote_port == get_be16(tcp + 2));
	must(error->tuple.family == p->tuple.family && error->seq == get_be32(tcp + 4));
	must(error->kind == ICMP_ERROR_TOO_BIG || !error->mtu);
	must(error->kind != ICMP_ERROR_TOO_BIG || (ipv4 ? icmp[0] == 3 && icmp[1] == 4 : icmp[0] == 2));
	must(ipv4 ? icmp[0] == 3 || icmp[0] == 4 || icmp[0] == 11 || icmp[0] == 12 : icmp[0] >= 1 && icmp[0] <= 4);
}

/* Two bytes in front align the IP header; the first byte of the input chooses the family. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct packet p = { 0 };
	struct icmp_error error;
	struct frame f;
	uint8_t *buffer;
	bool ipv4;

	if (size < 1 + ETH_BYTES + 40)
		return 0;
	ipv4 = data[0] & 1;
	buffer = malloc(2 + size - 1);
	must(buffer);
	memcpy(buffer + 2, data + 1, size - 1);
	f = (struct frame){ buffer + 2, buffer + 2 + size - 1, DIRECTION_RCV };
	memcpy(buffer + 2 + 12, ipv4 ? "\x08\x00" : "\x86\xdd", 2);
	buffer[2 + ETH_BYTES] = ipv4 ? 0x40 | (buffer[2 + ETH_BYTES] & 15) : 0x60;
	if (ipv4)
		buffer[2 + ETH_BYTES + 9] = 1;
	else if (!(data[0] & 2))
		buffer[2 + ETH_BYTES + 6] = 58;
	if (packet_parse(&p, &f) == PACKET_ICMP && icmp_parse(&p, &f, &error))
		error_is_the_messages(&p, &f, &error);
	free(buffer);
	return 0;
}
