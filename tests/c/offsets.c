// SPDX-License-Identifier: MIT OR Apache-2.0
//
// Offsets in C, on every kind of port: frames start where their slots say, at both ends; and what
// is refused. It wants the interfaces cv0 and cv1, wired to each other.

#define _GNU_SOURCE
#include "check.h"

static struct nmport_d *open_at(const char *name, uint64_t initial, uint64_t most)
{
	struct nmport_d *d = prepare(name);
	uint32_t i;

	expect(nmport_offset(d, initial, most, 16, 0) == 0);
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
