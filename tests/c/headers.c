// SPDX-License-Identifier: MIT OR Apache-2.0
//
// virtio-net headers in C: of which length, who may open a port with one, what becomes of it
// between ports of all lengths, and segments and checksums of what a port without headers gets.

#define _GNU_SOURCE
#include "check.h"
#include <arpa/inet.h>
#include <linux/virtio_net.h>

static uint32_t header_of(int fd, const char *port)
{
	struct nmreq_port_hdr hdr = { .nr_hdr_len = 99 };

	expect(request(fd, NETMAP_REQ_PORT_HDR_GET, port, &hdr, NULL) == 0);
	return hdr.nr_hdr_len;
}

static void set_header(int fd, const char *port, uint32_t len)
{
	struct nmreq_port_hdr hdr = { .nr_hdr_len = len };

	expect(request(fd, NETMAP_REQ_PORT_HDR_SET, port, &hdr, NULL) == 0);
	expect(header_of(fd, port) == len);
}

static void lengths(int fd)
{
	struct nmport_d *a = open_port("vale0:a"), *second, *other = open_port("vale0:b");
	struct nmreq_port_hdr hdr = { .nr_hdr_len = 11 };

	step = "lengths of a header";
	expect(header_of(fd, "vale0:a") == 0);
	refuses(fd, NETMAP_REQ_PORT_HDR_SET, "vale0:a", &hdr, NULL, EINVAL,
		"0, 10 or 12 bytes, not 11");
	hdr.nr_hdr_len = 12;
	refuses(fd, NETMAP_REQ_PORT_HDR_SET, "vale0:none", &hdr, NULL, ENXIO, "no port vale0:none");
	refuses(fd, NETMAP_REQ_PORT_HDR_SET, "cv0", &hdr, NULL, ENXIO, "cv0 is not a switch port");
	refuses(fd, NETMAP_REQ_PORT_HDR_GET, "vale0:none", &hdr, NULL, ENXIO, "no port vale0:none");
	expect(header_of(fd, "cv0") == 0);
	// The descriptor of the port will do as well.
	set_header(a->fd, "vale0:a", 10);
	set_header(fd, "vale0:a", 12);
	expect(header_of(fd, "vale0:b") == 0);

	step = "who opens a port with headers";
	refused(nmport_open("vale0:a") == NULL, EIO, "a virtio-net header of 12 bytes");
	second = prepare("vale0:a");
	second->reg.nr_flags |= NR_ACCEPT_VNET_HDR;
	expect(nmport_open_desc(second) == 0);
	nmport_close(second);
	nmport_close(open_port("vale0:b"));
	nmport_close(a);
	nmport_close(other);
}

// A header that asks for nothing, with bytes that the switch does not read.
static void between(int fd, uint32_t from, uint32_t to)
{
	struct nmport_d *a = open_port("vale0:a"), *b = open_port("vale0:b");
	struct netmap_ring *ring = rx_ring(b);
	unsigned char bytes[12 + 200] = { 0 }, wanted[12] = { 0 };
	struct netmap_slot *slot;
	const char *got;
	uint32_t i;

	set_header(fd, "vale0:a", from);
	set_header(fd, "vale0:b", to);
	for (i = 0; i < 20; i++) {
		// Where both have headers, they are passed on unread.
		if (to != 0 && from != 0) {
			memset(bytes, 0x40 + (int)i, from);
			memcpy(wanted, bytes, from < to ? from : to);
		}
		make_frame(bytes + from, 200, 1, i);
		expect(nmport_inject(a, bytes, from + 200) == (int)from + 200);
		sync_tx(a);
		slot = arrived(b->fd, ring);
		got = NETMAP_BUF(ring, slot->buf_idx);
		expect(slot->len == to + 200);
		expect(memcmp(got, wanted, to) == 0);
		expect(is_frame(got + to, 200, 1, i));
		advance(ring);
	}
	expect(is_silent(b));
	nmport_close(a);
	nmport_close(b);
}

// Internet checksum of some bytes, on top of a sum.
static uint32_t add_up(const unsigned char *bytes, size_t len, uint32_t sum)
{
	size_t i;

	for (i = 0; i < len; i++)
		sum += (uint32_t)(i % 2 == 0 ? bytes[i] << 8 : bytes[i]);
	while (sum > 0xffff)
		sum = (sum & 0xffff) + (sum >> 16);
	return sum;
}

static unsigned word(const unsigned char *at)
{
	return (unsigned)(at[0] << 8 | at[1]);
}

#define HEADERS (14 + 20 + 20) // Ethernet, IPv4, TCP
#define SEQUENCE 0x10203040u
#define PSH 8

static unsigned char payload(size_t at)
{
	return (unsigned char)(at * 3 + at / 256);
}

// A TCP frame as a guest hands it down: with the sum of the pseudo header for a checksum.
static void make_tcp(unsigned char *frame, size_t data)
{
	static const unsigned char ip[] = { 0x45, 0, 0, 0, 0x12, 0x34, 0x40, 0, 64, 6, 0, 0,
		10, 0, 0, 1, 10, 0, 0, 2 };
	uint32_t sum;
	size_t i;

	make_frame(frame, 60, 1, 0);
	memcpy(frame + 12, "\x08\0", 2);
	memcpy(frame + 14, ip, sizeof(ip));
	frame[16] = (unsigned char)((40 + data) >> 8);
	frame[17] = (unsigned char)(40 + data);
	sum = 0xffff & ~add_up(frame + 14, 20, 0);
	frame[24] = (unsigned char)(sum >> 8);
	frame[25] = (unsigned char)sum;
	memset(frame + 34, 0, 20);
	memcpy(frame + 34, "\x04\xd2\x00\x50\x10\x20\x30\x40", 8);
	frame[46] = 5 << 4;
	frame[47] = 0x10 | PSH;
	frame[48] = 0x20;
	sum = add_up(frame + 26, 8, 6 + 20 + (uint32_t)data);
	frame[50] = (unsigned char)(sum >> 8);
	frame[51] = (unsigned char)sum;
	for (i = 0; i < data; i++)
		frame[HEADERS + i] = payload(i);
}

// It has so many bytes of payload, from there on, and its checksums are right.
static void check_tcp(const unsigned char *frame, size_t len, size_t from, size_t data, bool last)
{
	const unsigned char *ip = frame + 14, *tcp = frame + 34;
	size_t i;

	expect(len == HEADERS + data);
	expect(word(ip + 2) == 40 + data && add_up(ip, 20, 0) == 0xffff);
	expect(add_up(tcp, 20 + data, add_up(ip + 12, 8, 6 + 20 + (uint32_t)data)) == 0xffff);
	expect(((uint32_t)word(tcp + 4) << 16 | word(tcp + 6)) == SEQUENCE + from);
	expect(!!(tcp[13] & PSH) == last);
	for (i = 0; i < data; i++)
		expect(frame[HEADERS + i] == payload(from + i));
}

// What the header asks for is done before a port without headers gets the frame.
static void work_for_the_switch(int fd)
{
	struct nmport_d *guest = open_port("vale0:guest"), *plain = open_port("vale0:plain");
	struct netmap_ring *ring = rx_ring(plain);
	struct virtio_net_hdr asks = {
		.flags = VIRTIO_NET_HDR_F_NEEDS_CSUM,
		.csum_start = 34,
		.csum_offset = 16,
	};
	static unsigned char bytes[12 + HEADERS + 3500];
	struct netmap_slot *slot;
	size_t from;

	step = "a checksum that is asked for";
	set_header(fd, "vale0:guest", 12);
	memcpy(bytes, &asks, sizeof(asks));
	make_tcp(bytes + 12, 501);
	expect(nmport_inject(guest, bytes, 12 + HEADERS + 501) == 12 + HEADERS + 501);
	sync_tx(guest);
	slot = arrived(plain->fd, ring);
	check_tcp((unsigned char *)NETMAP_BUF(ring, slot->buf_idx), slot->len, 0, 501, true);
	advance(ring);

	step = "segments";
	asks.gso_type = VIRTIO_NET_HDR_GSO_TCPV4;
	asks.gso_size = 1000;
	asks.hdr_len = HEADERS;
	memcpy(bytes, &asks, sizeof(asks));
	make_tcp(bytes + 12, 3500);
	expect(nmport_inject(guest, bytes, sizeof(bytes)) == sizeof(bytes));
	sync_tx(guest);
	for (from = 0; from < 3500; from += 1000) {
		size_t data = 3500 - from < 1000 ? 3500 - from : 1000;

		slot = arrived(plain->fd, ring);
		check_tcp((unsigned char *)NETMAP_BUF(ring, slot->buf_idx), slot->len, from, data,
			from + data == 3500);
		expect(NS_RFRAGS(slot) == 1 && !(slot->flags & NS_MOREFRAG));
		advance(ring);
	}

	step = "a header that makes no sense";
	asks.gso_type = 77;
	memcpy(bytes, &asks, sizeof(asks));
	expect(nmport_inject(guest, bytes, sizeof(bytes)) == sizeof(bytes));
	sync_tx(guest);
	expect(is_silent(plain) && !nm_tx_pending(tx_ring(guest)));
	nmport_close(guest);
	nmport_close(plain);
}

int main(void)
{
	static const uint32_t lens[] = { 0, 10, 12 };
	int fd = control();
	size_t i, j;

	listen_to_the_library();
	lengths(fd);
	step = "headers of two lengths";
	for (i = 0; i < 3; i++)
		for (j = 0; j < 3; j++)
			between(fd, lens[i], lens[j]);
	work_for_the_switch(fd);
	close(fd);
	return 0;
}
