// SPDX-License-Identifier: MIT OR Apache-2.0
//
// What the test programs here share: checks that end the program with words, requests that are
// made and refused, and frames of which every byte is known. A program says `step = "..."` before
// each part, and calls listen_to_the_library() first.

#ifndef CHECK_H
#define CHECK_H

#include <libnetmap.h>
#include <net/ferromap.h>
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if_packet.h>
#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

static const char *step = "the start";
static char said[512]; // the last sentence of the library, or of the kernel

__attribute__((noreturn)) static inline void fail(const char *file, int line, const char *what)
{
	printf("%s, %s:%d: %s (errno %d, %s; said: %s)\n", step, file, line, what, errno,
		strerror(errno), said);
	exit(1);
}

#define expect(what) \
	do { \
		if (!(what)) \
			fail(__FILE__, __LINE__, #what); \
	} while (0)

// Becomes true within 10 s: what the kernel does by and by.
#define eventually(what) \
	do { \
		int tries_left = 10000; \
		while (!(what)) { \
			if (tries_left-- == 0) \
				fail(__FILE__, __LINE__, #what " in vain"); \
			usleep(1000); \
		} \
	} while (0)

// So it fails, by this errno.
#define fails(what, error) \
	do { \
		errno = 0; \
		if (!(what) || errno != (error)) \
			fail(__FILE__, __LINE__, #what " with " #error); \
	} while (0)

// A call of the library fails by this errno, with a sentence that has these words.
#define refused(what, error, words) \
	do { \
		said[0] = '\0'; \
		fails(what, error); \
		if (strstr(said, words) == NULL) \
			fail(__FILE__, __LINE__, #what " with other words"); \
	} while (0)

static inline void hear(struct nmctx *ctx, const char *sentence)
{
	(void)ctx;
	snprintf(said, sizeof(said), "%s", sentence);
	errno = EDOM; // whatever this leaves there is not what the caller sees
}

static inline void listen_to_the_library(void)
{
	nmctx_get()->error = hear;
}

// Requests of one's own.

static inline int control(void)
{
	int fd = open("/dev/netmap", O_RDWR);

	expect(fd >= 0);
	return fd;
}

static inline int request(int fd, uint16_t type, const char *name, void *body, void *option)
{
	struct nmreq_header hdr;

	nmreq_header_init(&hdr, type, body);
	snprintf(hdr.nr_name, sizeof(hdr.nr_name), "%s", name);
	hdr.nr_options = (uintptr_t)option;
	return ioctl(fd, NIOCCTRL, &hdr);
}

// The kernel has a sentence for the last refusal, and the words are in it.
static inline bool says_why(int fd, uint16_t type, int error, const char *words)
{
	struct nmreq_why why = { .reqtype = 0 };

	if (request(fd, FERROMAP_REQ_WHY, "", &why, NULL) != 0 || why.len > WHY_TEXT)
		return false;
	snprintf(said, sizeof(said), "%.*s", (int)why.len, (const char *)why.text);
	return why.reqtype == type && why.error == (uint32_t)error && strstr(said, words) != NULL;
}

// The request is refused by this errno, and asked why, the kernel says these words.
#define refuses(fd, type, name, body, option, error, words) \
	do { \
		fails(request(fd, type, name, body, option) == -1, error); \
		if (!says_why(fd, type, error, words)) \
			fail(__FILE__, __LINE__, #type " with other words"); \
	} while (0)

// Ports.

static inline struct nmport_d *open_port(const char *name)
{
	struct nmport_d *d = nmport_open(name);

	if (d == NULL)
		fail(name, 0, "is not opened");
	return d;
}

static inline struct nmport_d *prepare(const char *name)
{
	struct nmport_d *d = nmport_prepare(name);

	if (d == NULL)
		fail(name, 0, "is no name");
	return d;
}

static inline struct netmap_ring *tx_ring(struct nmport_d *d)
{
	return NETMAP_TXRING(d->nifp, d->first_tx_ring);
}

static inline struct netmap_ring *rx_ring(struct nmport_d *d)
{
	return NETMAP_RXRING(d->nifp, d->first_rx_ring);
}

static inline void sync_tx(struct nmport_d *d)
{
	expect(ioctl(d->fd, NIOCTXSYNC, NULL) == 0);
}

static inline void sync_rx(struct nmport_d *d)
{
	expect(ioctl(d->fd, NIOCRXSYNC, NULL) == 0);
}

static inline void advance(struct netmap_ring *ring)
{
	ring->head = ring->cur = nm_ring_next(ring, ring->head);
}

// What poll says within this time: 0 for nothing.
static inline int polled(int fd, short events, int milliseconds)
{
	struct pollfd p = { .fd = fd, .events = events };
	int ready = poll(&p, 1, milliseconds);

	expect(ready >= 0);
	return ready == 0 ? 0 : p.revents;
}

// Frames.

#define FRAME_TYPE 0x88b5 // for experiments
#define LONGEST 1514
#define MOST 9000 // of several slots

// To everybody, from a station; the rest tells its number.
static inline void make_frame(unsigned char *frame, size_t len, unsigned char from, uint32_t number)
{
	const unsigned char source[] = { 2, 0, 0, 0, 0, from, FRAME_TYPE >> 8, FRAME_TYPE & 255 };
	size_t i;

	memset(frame, 255, 6);
	memcpy(frame + 6, source, sizeof(source));
	memcpy(frame + 14, &number, sizeof(number));
	for (i = 18; i < len; i++)
		frame[i] = (unsigned char)(i * 5 + number + from);
}

static inline void send_frame(struct nmport_d *d, size_t len, unsigned char from, uint32_t number)
{
	unsigned char frame[LONGEST];

	make_frame(frame, len, from, number);
	expect(nmport_inject(d, frame, len) == (int)len);
	sync_tx(d);
}

// Into the next slot of that ring; it is not sent yet.
static inline void put_frame(struct netmap_ring *ring, size_t len, unsigned char from,
	uint32_t number)
{
	struct netmap_slot *slot = &ring->slot[ring->head];

	expect(!nm_ring_empty(ring));
	make_frame((unsigned char *)NETMAP_BUF(ring, slot->buf_idx), len, from, number);
	slot->len = (uint16_t)len;
	slot->flags = 0;
	advance(ring);
}

static inline bool is_frame(const void *bytes, size_t len, unsigned char from, uint32_t number)
{
	unsigned char wanted[MOST];

	expect(len <= sizeof(wanted));
	make_frame(wanted, len, from, number);
	return memcmp(bytes, wanted, len) == 0;
}

// Waits for what comes on a ring, and leaves it there.
static inline struct netmap_slot *arrived(int fd, struct netmap_ring *ring)
{
	while (nm_ring_empty(ring))
		expect(polled(fd, POLLIN, 10000) == POLLIN);
	return &ring->slot[ring->head];
}

// The next frame on that ring is this one; it is taken out. Returns its flags.
static inline int take_on(int fd, struct netmap_ring *ring, size_t len, unsigned char from,
	uint32_t number)
{
	struct netmap_slot *slot = arrived(fd, ring);

	expect(slot->len == len);
	expect(is_frame(NETMAP_BUF_OFFSET(ring, slot), len, from, number));
	advance(ring);
	return slot->flags;
}

static inline int take(struct nmport_d *d, size_t len, unsigned char from, uint32_t number)
{
	return take_on(d->fd, rx_ring(d), len, from, number);
}

// Nothing else has come.
static inline bool is_silent(struct nmport_d *d)
{
	sync_rx(d);
	return nm_ring_empty(rx_ring(d));
}

// Frames of many lengths, more than a ring has slots.
static inline void exchange(struct nmport_d *from, struct nmport_d *to, unsigned char station)
{
	uint32_t number;

	for (number = 0; number < 1500; number++) {
		size_t len = 60 + number % (LONGEST - 59);

		send_frame(from, len, station, number);
		take(to, len, station, number);
	}
	expect(is_silent(to));
}

// The host: a socket that has all frames of ours on an interface.
static inline int host_of(const char *interface)
{
	struct sockaddr_ll at = {
		.sll_family = AF_PACKET,
		.sll_protocol = htons(FRAME_TYPE),
		.sll_ifindex = (int)if_nametoindex(interface),
	};
	struct timeval patience = { .tv_sec = 10 };
	int fd = socket(AF_PACKET, SOCK_RAW, htons(FRAME_TYPE));

	expect(fd >= 0 && at.sll_ifindex != 0);
	expect(bind(fd, (struct sockaddr *)&at, sizeof(at)) == 0);
	expect(setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience)) == 0);
	return fd;
}

static inline void host_sends(int fd, size_t len, unsigned char from, uint32_t number)
{
	unsigned char frame[LONGEST];

	make_frame(frame, len, from, number);
	expect(send(fd, frame, len, 0) == (ssize_t)len);
}

// What the interface itself sends is heard as well, and passed over.
static inline void host_hears(int fd, size_t len, unsigned char from, uint32_t number)
{
	unsigned char got[LONGEST];
	struct sockaddr_ll by;
	socklen_t size;
	ssize_t had;

	do {
		size = sizeof(by);
		had = recvfrom(fd, got, sizeof(got), MSG_TRUNC, (struct sockaddr *)&by, &size);
		expect(had >= 0);
	} while (by.sll_pkttype == PACKET_OUTGOING);
	expect(had == (ssize_t)len && is_frame(got, len, from, number));
}

// Something that it has not sent itself is there.
static inline bool host_has_more(int fd)
{
	unsigned char got[LONGEST];
	struct sockaddr_ll by;
	socklen_t size = sizeof(by);

	while (recvfrom(fd, got, sizeof(got), MSG_DONTWAIT, (struct sockaddr *)&by, &size) >= 0) {
		if (by.sll_pkttype != PACKET_OUTGOING)
			return true;
		size = sizeof(by);
	}
	expect(errno == EAGAIN);
	return false;
}

#endif // CHECK_H
