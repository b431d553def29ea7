// SPDX-License-Identifier: MIT OR Apache-2.0
//
// Offsets in C, on switch ports, interfaces, pipes, copy monitors and null ports: frames start
// where their slots say, at one end and at both, and no more of them than a gap has room for; and
// what is refused. It wants the interfaces cv0 and cv1, wired to each other.

#define _GNU_SOURCE
#include "check.h"

static struct nmport_d *open_with_gap(const char *name, uint64_t initial, uint64_t most,
	uint64_t gap)
{
	struct nmport_d *d = prepare(name);
	uint32_t i;

	expect(nmport_offset(d, initial, most, 16, gap) == 0);
	d->offsets->nro_opt.nro_status = 99;
	expect(nmport_open_desc(d) == 0 && d->offsets->nro_opt.nro_status == 0);
	expect(d->offsets->nro_max_offset == most);
	if (d->first_tx_ring <= d->last_tx_ring) {
		struct netmap_ring *ring = tx_ring(d);

		expect(ring->offset_mask == 0xffff);
		for (i = 0; i < ring->num_slots; i++)
			expect(NETMAP_ROFFSET(ring, &ring->slot[i]) == initial);
	}
	return d;
}

static struct nmport_d *open_at(const char *name, uint64_t initial, uint64_t most)
{
	return open_with_gap(name, initial, most, 0);
}

// Frames that begin anywhere up to the most, each slot with bits above the mask of the program's.
static void wander(struct nmport_d *from, struct nmport_d *to, unsigned char station)
{
	struct netmap_ring *tx = tx_ring(from);
	uint32_t i;

	for (i = 0; i < 1500; i++) {
		struct netmap_slot *slot = &tx->slot[tx->head];

		while (nm_ring_empty(tx))
			expect(polled(from->fd, POLLOUT, 10000) == POLLOUT);
		slot->ptr |= 0x123450000ull;
		NETMAP_WOFFSET(tx, slot, i % 129);
		make_frame((unsigned char *)NETMAP_BUF_OFFSET(tx, slot), 60 + i % 1000, station, i);
		slot->len = (uint16_t)(60 + i % 1000);
		slot->flags = 0;
		advance(tx);
		sync_tx(from);
		expect(NETMAP_ROFFSET(tx, slot) == i % 129);
		take(to, 60 + i % 1000, station, i);
	}
	expect(is_silent(to));
}

// Between two ports that both have offsets, and between one and a port without.
static void on(const char *port, const char *other, bool a_pipe)
{
	struct nmport_d *a = open_at(port, 32, 128), *b = open_at(other, 64, 128);

	wander(a, b, 1);
	wander(b, a, 2);
	exchange(a, b, 3);
	nmport_close(a);
	nmport_close(b);
	if (a_pipe)
		return; // its ends have one mask
	b = open_port(other);
	a = open_at(port, 32, 128);
	expect(tx_ring(b)->offset_mask == 0);
	wander(a, b, 4);
	exchange(b, a, 5);
	nmport_close(a);
	nmport_close(b);
}

// To one who watches, and to one who only has memory.
static void without_traffic_of_its_own(void)
{
	struct nmport_d *a = open_port("vale0:a"), *b = open_port("vale0:b"), *d;

	step = "offsets of a monitor";
	d = open_at("vale0:a/t", 96, 128);
	send_frame(a, 60, 6, 0);
	take(b, 60, 6, 0);
	expect(arrived(d->fd, rx_ring(d)) != NULL);
	expect(NETMAP_ROFFSET(rx_ring(d), &rx_ring(d)->slot[rx_ring(d)->head]) == 96);
	expect(take(d, 60, 6, 0) & NS_TXMON);
	nmport_close(d);
	step = "offsets of a null port";
	nmport_close(open_at("null:x", 16, 32));
	nmport_close(a);
	nmport_close(b);
}

// The next slot is a part of a frame that a station has sent.
static void part(struct nmport_d *d, size_t at, size_t len, const unsigned char *frame, bool more)
{
	struct netmap_ring *ring = rx_ring(d);
	struct netmap_slot *slot = arrived(d->fd, ring);

	expect(slot->len == len && NETMAP_ROFFSET(ring, slot) == 32);
	expect(memcmp(NETMAP_BUF_OFFSET(ring, slot), frame + at, len) == 0);
	expect(!(slot->flags & NS_MOREFRAG) == !more);
	advance(ring);
}

static void gaps(void)
{
	struct nmport_d *d, *other = open_port("vale0:b");
	unsigned char frame[LONGEST];

	make_frame(frame, sizeof(frame), 8, 0);
	step = "a gap on a switch port";
	d = open_with_gap("vale0:a", 32, 128, 64);
	send_frame(other, 64, 7, 0);
	take(d, 64, 7, 0);
	// One that does not fit is empty.
	send_frame(other, 65, 7, 1);
	part(d, 0, 0, frame, false);
	send_frame(other, 64, 7, 2);
	take(d, 64, 7, 2);
	nmport_close(d);
	nmport_close(other);

	step = "a gap on an interface";
	other = open_port("netmap:cv1");
	d = open_with_gap("netmap:cv0", 32, 128, 600);
	send_frame(other, sizeof(frame), 8, 0);
	part(d, 0, 600, frame, true);
	part(d, 600, 600, frame, true);
	part(d, 1200, LONGEST - 1200, frame, false);
	expect(is_silent(d));
	nmport_close(d);
	nmport_close(other);
}

static void refused_offsets(uint64_t initial, uint64_t most, uint64_t bits, int error,
	const char *words)
{
	struct nmport_d *d = prepare("vale0:a");

	expect(nmport_offset(d, initial, most, bits, 0) == 0);
	refused(nmport_open_desc(d) == -1, error, words);
	expect(d->offsets->nro_opt.nro_status == (uint32_t)error);
	nmport_undo_prepare(d);
}

int main(void)
{
	struct nmport_d *d, *more;

	listen_to_the_library();
	step = "offsets on a switch port";
	on("vale0:a", "vale0:b", false);
	step = "offsets on an interface";
	on("netmap:cv0", "netmap:cv1", false);
	step = "offsets on a pipe";
	on("vale0:a{1", "vale0:a}1", true);
	without_traffic_of_its_own();
	gaps();

	step = "offsets that will not do";
	refused_offsets(0, 0, 65, EINVAL, "nro_offset_bits is 65");
	refused_offsets(0, 4096, 16, EINVAL, "a buffer has 2048 bytes");
	refused_offsets(0, 256, 8, EINVAL, "takes more than 8 bits");
	refused_offsets(65, 64, 16, EINVAL, "nro_initial_offset is 65");
	d = open_at("vale0:a", 0, 64);
	refused_offsets(0, 128, 16, EBUSY, "up to 64 bytes");
	// Less than what is there is what is there.
	more = prepare("vale0:a");
	expect(nmport_offset(more, 0, 32, 8, 0) == 0 && nmport_open_desc(more) == 0);
	expect(more->offsets->nro_max_offset == 64 && tx_ring(more)->offset_mask == 0xffff);
	nmport_close(more);
	nmport_close(d);
	return 0;
}
