// SPDX-License-Identifier: MIT OR Apache-2.0
//
// A program as people write them for netmap, in C: opens two ports of a switch, maps their memory
// and sends frames from each to the other. The structures below are written down from the
// description of the binary interface, so this also tests that Rust and C mean the same by it.

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <unistd.h>

#define TEST "c_program_exchanges_frames"

struct header {
	uint16_t version;
	uint16_t reqtype;
	uint32_t reserved;
	char name[64];
	uint64_t options;
	uint64_t body;
};

struct reg {
	uint64_t offset;
	uint64_t memsize;
	uint32_t tx_slots, rx_slots;
	uint16_t tx_rings, rx_rings;
	uint16_t host_tx_rings, host_rx_rings;
	uint16_t mem_id;
	uint16_t ringid;
	uint32_t mode;
	uint32_t extra_bufs;
	uint64_t flags;
};

struct slot {
	uint32_t buf_idx;
	uint16_t len;
	uint16_t flags;
	uint64_t ptr;
};

struct ring {
	int64_t buf_ofs;
	uint32_t num_slots;
	uint32_t buf_size;
	uint16_t ringid;
	uint16_t dir;
	uint32_t head, cur, tail;
	uint32_t flags;
	struct timeval ts;
	uint64_t offset_mask;
	uint64_t buf_align;
	uint8_t sem[128] __attribute__((aligned(128)));
	struct slot slot[];
};

struct interface {
	char name[16];
	uint32_t version;
	uint32_t flags;
	uint32_t tx_rings, rx_rings;
	uint32_t bufs_head;
	uint32_t host_tx_rings, host_rx_rings;
	uint32_t spare[3];
	int64_t ring_ofs[];
};

_Static_assert(sizeof(struct header) == 88, "header");
_Static_assert(sizeof(struct reg) == 56, "register");
_Static_assert(offsetof(struct reg, flags) == 48, "flags of register");
_Static_assert(sizeof(struct slot) == 16, "slot");
_Static_assert(offsetof(struct ring, head) == 20, "head");
_Static_assert(offsetof(struct ring, ts) == 40, "timestamp");
_Static_assert(offsetof(struct ring, sem) == 128, "room of the program");
_Static_assert(offsetof(struct ring, slot) == 256, "slots");
_Static_assert(offsetof(struct interface, ring_ofs) == 56, "ring offsets");

#define CONTROL _IOWR('i', 151, struct header)
#define TXSYNC _IO('i', 148)
#define RXSYNC _IO('i', 149)
#define REGISTER 1
#define ALL_NIC 1
#define API 14

#define FRAMES 2500u
#define LEN 200u

static void fail(const char *what)
{
	printf("%s (%s)\ntest " TEST " ... FAILED\n", what, strerror(errno));
	exit(1);
}

static void expect(int is_so, const char *what)
{
	if (!is_so)
		fail(what);
}

struct port {
	int fd;
	size_t size;
	char *mem;
	struct interface *nifp;
	struct ring *tx, *rx;
};

static struct port open_port(const char *name)
{
	struct reg reg = { .mode = ALL_NIC };
	struct header header = { .version = API, .reqtype = REGISTER };
	struct port port;

	snprintf(header.name, sizeof(header.name), "%s", name);
	header.body = (uintptr_t)&reg;
	port.fd = open("/dev/netmap", O_RDWR);
	expect(port.fd >= 0, "opening /dev/netmap");
	expect(ioctl(port.fd, CONTROL, &header) == 0, "REGISTER");
	expect(header.body == (uintptr_t)&reg, "the caller's pointer comes back");

	port.size = reg.memsize;
	port.mem = mmap(NULL, port.size, PROT_READ | PROT_WRITE, MAP_SHARED, port.fd, 0);
	expect(port.mem != MAP_FAILED, "mmap");
	port.nifp = (struct interface *)(port.mem + reg.offset);
	expect(strcmp(port.nifp->name, name) == 0, "the port's name in its netmap_if");
	expect(port.nifp->tx_rings == 1 && port.nifp->rx_rings == 1, "one ring each way");
	expect(port.nifp->host_tx_rings == 1, "a place for the host ring");
	// Transmit ring, its host ring, receive ring, its host ring.
	expect(port.nifp->ring_ofs[1] == 0 && port.nifp->ring_ofs[3] == 0, "no host rings");
	port.tx = (struct ring *)((char *)port.nifp + port.nifp->ring_ofs[0]);
	port.rx = (struct ring *)((char *)port.nifp + port.nifp->ring_ofs[2]);
	expect(port.tx->num_slots == reg.tx_slots && port.rx->num_slots == reg.rx_slots, "slots");
	expect(port.tx->head == 0 && port.tx->tail == reg.tx_slots - 1, "a fresh transmit ring");
	expect(port.rx->head == 0 && port.rx->tail == 0, "a fresh receive ring");
	return port;
}

static char *buffer(struct ring *ring, uint32_t index)
{
	return (char *)ring + ring->buf_ofs + (size_t)index * ring->buf_size;
}

static uint32_t next(struct ring *ring, uint32_t at)
{
	return at + 1 == ring->num_slots ? 0 : at + 1;
}

static void make_frame(unsigned char *frame, unsigned char from, uint32_t number)
{
	memset(frame, 0xff, 6);
	memcpy(frame + 6, (unsigned char[]){ 2, 0, 0, 0, 0, from, 0x88, 0xb5 }, 8);
	memcpy(frame + 14, &number, 4);
	for (uint32_t i = 18; i < LEN; i++)
		frame[i] = (unsigned char)(i * 7 + number + from);
}

// Fills the free slots with frames number, number + 1, ...; returns the first that was not sent.
static uint32_t send_some(struct port *port, unsigned char from, uint32_t number)
{
	struct ring *tx = port->tx;
	uint32_t at = tx->head;

	while (number < FRAMES && at != __atomic_load_n(&tx->tail, __ATOMIC_ACQUIRE)) {
		struct slot *slot = &tx->slot[at];

		make_frame((unsigned char *)buffer(tx, slot->buf_idx), from, number++);
		slot->len = LEN;
		slot->flags = 0;
		at = next(tx, at);
	}
	tx->cur = at;
	__atomic_store_n(&tx->head, at, __ATOMIC_RELEASE);
	expect(ioctl(port->fd, TXSYNC, NULL) == 0, "NIOCTXSYNC");
	return number;
}

// Receives until `upto` frames have come in all, looking at every byte.
static void receive(struct port *port, unsigned char from, uint32_t number, uint32_t upto)
{
	struct ring *rx = port->rx;
	unsigned char want[LEN];

	while (number < upto) {
		struct pollfd poll_for = { .fd = port->fd, .events = POLLIN };
		uint32_t at = rx->head;

		expect(poll(&poll_for, 1, 10000) == 1, "poll");
		expect(poll_for.revents == POLLIN, "POLLIN and nothing else");
		while (at != __atomic_load_n(&rx->tail, __ATOMIC_ACQUIRE)) {
			struct slot *slot = &rx->slot[at];

			make_frame(want, from, number++);
			expect(slot->len == LEN, "length of a frame");
			expect(slot->flags == 0x0100, "flags of a frame in one slot");
			expect(memcmp(buffer(rx, slot->buf_idx), want, LEN) == 0,
				"contents of a frame");
			at = next(rx, at);
		}
		rx->cur = at;
		__atomic_store_n(&rx->head, at, __ATOMIC_RELEASE);
	}
	expect(number == upto, "no frame too many");
	expect(ioctl(port->fd, RXSYNC, NULL) == 0, "NIOCRXSYNC");
	expect(rx->head == rx->tail, "an empty ring at the end");
	expect(rx->ts.tv_sec > 0, "a timestamp");
}

static void exchange(struct port *from, struct port *to, unsigned char station)
{
	uint32_t sent = 0;

	while (sent < FRAMES) {
		uint32_t first = sent;

		sent = send_some(from, station, sent);
		expect(next(from->tx, from->tx->tail) == from->tx->head,
			"all slots free after a sync");
		receive(to, station, first, sent);
	}
}

static void close_port(struct port *port)
{
	expect(munmap(port->mem, port->size) == 0, "munmap");
	expect(close(port->fd) == 0, "close");
}

int main(void)
{
	struct port a = open_port("vale0:a");
	struct port b = open_port("vale0:b");

	for (int round = 0; round < 4; round++) {
		exchange(&a, &b, 1);
		exchange(&b, &a, 2);
	}
	close_port(&a);
	close_port(&b);
	printf("test " TEST " ... ok\n");
	return 0;
}
