// SPDX-License-Identifier: MIT OR Apache-2.0
//
// Interfaces in C, in emulated mode: which rings take what from the host, frames that are passed on
// to it and to the wire, several host rings, frames in parts. It wants the interfaces cv0 and cv1,
// wired to each other.

#define _GNU_SOURCE
#include "check.h"

static void frames_and_host(void)
{
	struct nmport_d *port, *wire = open_port("netmap:cv1");
	int host = host_of("cv0");

	step = "all rings of the wire";
	port = open_port("netmap:cv0");
	expect(port->reg.nr_mem_id == GLOBAL_MEM_ID && port->mem == wire->mem);
	expect(port->reg.nr_host_tx_rings == 1 && !(port->nifp->ni_flags & NI_PRIV_MEM));
	expect(port->nifp->ni_flags & FERROMAP_NI_EMULATED);
	expect(port->nifp->ring_ofs[port->reg.nr_tx_rings] == 0);
	exchange(port, wire, 1);
	exchange(wire, port, 2);
	nmport_close(port);
	// None of that was for the host.
	send_frame(wire, 60, 3, 0);
	host_hears(host, 60, 3, 0);

	step = "receive rings alone";
	port = open_port("netmap:cv0/R");
	host_sends(host, 61, 3, 1);
	take(wire, 61, 3, 1);
	send_frame(wire, 62, 3, 2);
	take(port, 62, 3, 2);
	nmport_close(port);

	step = "transmit rings alone";
	port = open_port("netmap:cv0/T");
	send_frame(wire, 63, 3, 3);
	host_hears(host, 63, 3, 3);
	send_frame(port, 64, 3, 4);
	take(wire, 64, 3, 4);
	nmport_close(port);

	step = "host rings alone";
	port = open_port("netmap:cv0^");
	expect(port->first_tx_ring == port->reg.nr_tx_rings && port->nifp->ring_ofs[0] == 0);
	host_sends(host, 65, 3, 5);
	take(wire, 65, 3, 5);
	send_frame(wire, 66, 3, 6);
	host_hears(host, 66, 3, 6);
	expect(is_silent(port));
	// Up to the host, as from the wire, and there is always room for more.
	put_frame(tx_ring(port), 67, 3, 7);
	sync_tx(port);
	host_hears(host, 67, 3, 7);
	expect(!nm_tx_pending(tx_ring(port)));
	nmport_close(port);
	close(host);
	nmport_close(wire);
}

static void passed_on(void)
{
	struct nmport_d *wire = open_port("netmap:cv1"), *port = open_port("netmap:cv0*");
	struct netmap_ring *rx = rx_ring(port);
	struct netmap_ring *down = NETMAP_RXRING(port->nifp, port->last_rx_ring);
	int host = host_of("cv0");
	uint32_t i;

	step = "from the wire to the host";
	rx->flags |= NR_FORWARD;
	for (i = 0; i < 6; i++) {
		struct netmap_slot *slot;

		send_frame(wire, 60 + i, 4, i);
		slot = arrived(port->fd, rx);
		if (i % 2 == 1)
			slot->flags |= NS_FORWARD;
		take(port, 60 + i, 4, i);
	}
	sync_rx(port);
	for (i = 1; i < 6; i += 2)
		host_hears(host, 60 + i, 4, i);

	step = "from the host to the wire";
	down->flags |= NR_FORWARD;
	for (i = 0; i < 6; i++) {
		struct netmap_slot *slot;

		host_sends(host, 60 + i, 5, i);
		slot = arrived(port->fd, down);
		if (i % 2 == 1)
			slot->flags |= NS_FORWARD;
		take_on(port->fd, down, 60 + i, 5, i);
	}
	expect(polled(port->fd, POLLIN, 0) == 0);
	for (i = 1; i < 6; i += 2)
		take(wire, 60 + i, 5, i);
	expect(is_silent(wire));
	close(host);
	nmport_close(port);
	nmport_close(wire);
}

static void host_rings(void)
{
	struct nmport_d *port, *one;

	step = "several host rings";
	port = open_port("netmap:cv0*@conf:host-rings=3");
	expect(port->reg.nr_host_tx_rings == 3 && port->reg.nr_host_rx_rings == 3);
	expect(port->last_tx_ring == port->reg.nr_tx_rings + 2);
	one = open_port("netmap:cv0^2@conf:host-rings=9");
	expect(one->reg.nr_host_tx_rings == 3 && one->first_tx_ring == one->last_tx_ring);
	expect(tx_ring(one) == NETMAP_TXRING(port->nifp, port->last_tx_ring));
	expect(rx_ring(one)->ringid == one->reg.nr_rx_rings + 2);
	refused(nmport_open("netmap:cv0^3") == NULL, EINVAL, "no host ring 3");
	refused(nmport_open("netmap:cv0^2/x") == NULL, EBUSY, "ring 3 cannot be bound exclusively");
	nmport_close(one);
	nmport_close(port);
	port = open_port("netmap:cv0^/x");
	expect(port->reg.nr_host_tx_rings == 1);
	refused(nmport_open("netmap:cv0*") == NULL, EBUSY, "bound exclusively by another file");
	one = open_port("netmap:cv0/x");
	nmport_close(one);
	nmport_close(port);
}

static void frames_of_parts(void)
{
	struct nmport_d *port = open_port("netmap:cv0"), *wire = open_port("netmap:cv1");
	struct netmap_ring *tx = tx_ring(port);
	unsigned char frame[900];
	size_t at;

	step = "a frame in parts";
	make_frame(frame, sizeof(frame), 6, 0);
	for (at = 0; at < sizeof(frame); at += 300) {
		struct netmap_slot *slot = &tx->slot[tx->head];

		memcpy(NETMAP_BUF(tx, slot->buf_idx), frame + at, 300);
		slot->len = 300;
		slot->flags = at < 600 ? NS_MOREFRAG : NS_REPORT;
		advance(tx);
	}
	sync_tx(port);
	expect(take(wire, sizeof(frame), 6, 0) == 0);
	eventually((sync_tx(port), !nm_tx_pending(tx)));

	step = "one buffer from ring to ring";
	send_frame(wire, 500, 7, 0);
	{
		struct netmap_slot *from = arrived(port->fd, rx_ring(port));
		struct netmap_slot *to = &tx->slot[tx->head];
		uint32_t buffer = to->buf_idx;

		to->buf_idx = from->buf_idx;
		to->len = from->len;
		to->flags = NS_BUF_CHANGED;
		from->buf_idx = buffer;
		from->flags |= NS_BUF_CHANGED;
		advance(rx_ring(port));
		advance(tx);
		sync_rx(port);
		sync_tx(port);
		take(wire, 500, 7, 0);
		eventually((sync_tx(port), !nm_tx_pending(tx)));
		expect(!(to->flags & (NS_BUF_CHANGED | NS_REPORT)));
	}
	nmport_close(port);
	nmport_close(wire);
}

int main(void)
{
	listen_to_the_library();
	frames_and_host();
	passed_on();
	host_rings();
	frames_of_parts();
	return 0;
}
