// SPDX-License-Identifier: MIT OR Apache-2.0
//
// Monitors in C: copies and exchanged buffers of what a switch port, the end of a pipe, an
// interface and its host rings send and receive. It wants the interfaces cv0 and cv1, wired to
// each other.

#define _GNU_SOURCE
#include "check.h"

// The next frame that a monitor shows, and whether it was sent by the port that is watched.
static void shows(struct nmport_d *monitor, bool sent, unsigned char from, uint32_t number)
{
	int flags = take(monitor, 60 + number, from, number);

	expect(!!(flags & NS_TXMON) == sent);
}

// Each direction by itself and both at once.
static void copies(const char *port, const char *other)
{
	// Memory is mapped once, by the first port in it, which is not let go before that is
	// unmapped: so the one that is to end comes second.
	struct nmport_d *b = open_port(other), *a = open_port(port), *both, *tx, *rx;
	char name[40];
	uint32_t i;

	snprintf(name, sizeof(name), "%s/rt", port);
	both = open_port(name);
	snprintf(name, sizeof(name), "%s/t", port);
	tx = open_port(name);
	snprintf(name, sizeof(name), "%s/r", port);
	rx = open_port(name);
	expect(both->reg.nr_mem_id != a->reg.nr_mem_id && both->mem != tx->mem);
	expect(both->reg.nr_rx_slots == a->reg.nr_rx_slots);
	for (i = 0; i < 200; i++) {
		send_frame(a, 60 + i, 1, i);
		take(b, 60 + i, 1, i);
		shows(both, true, 1, i);
		shows(tx, true, 1, i);
		send_frame(b, 60 + i, 2, i);
		take(a, 60 + i, 2, i);
		shows(both, false, 2, i);
		shows(rx, false, 2, i);
	}
	expect(is_silent(both) && is_silent(tx) && is_silent(rx));

	// It cannot send, and says so only if asked.
	sync_tx(both);
	expect(polled(both->fd, POLLIN, 0) == 0);
	expect(polled(both->fd, POLLOUT, 0) & POLLERR);
	nmport_close(tx);
	nmport_close(rx);

	// It ends with what it watches.
	send_frame(a, 60, 3, 0);
	shows(both, true, 3, 0);
	nmport_close(a);
	expect(polled(both->fd, POLLIN, 10000) & POLLERR);
	sync_rx(both);
	expect(nm_ring_empty(rx_ring(both)));
	nmport_close(both);
	nmport_close(b);
}

static void exchanged_buffers(void)
{
	struct nmport_d *a = open_port("vale0:a"), *b = open_port("vale0:b"), *z;
	struct nmport_d *offsets = prepare("vale0:a/z");
	struct netmap_ring *tx = tx_ring(a), *rx = rx_ring(a);
	struct netmap_slot *slot;
	uint32_t buffer, at;

	step = "exchanged buffers";
	expect(nmport_offset(offsets, 0, 0, 16, 0) == 0);
	refused(nmport_open_desc(offsets) == -1, EOPNOTSUPP, "a zero-copy monitor has no offsets");
	expect(offsets->offsets->nro_opt.nro_status == EOPNOTSUPP);
	nmport_undo_prepare(offsets);

	z = open_port("vale0:a/z");
	expect(z->reg.nr_mem_id == a->reg.nr_mem_id && z->mem == a->mem);
	expect(z->reg.nr_flags == (NR_ZCOPY_MON | NR_MONITOR_TX | NR_MONITOR_RX));

	// Sent: the buffer goes to the monitor, the program has another one.
	at = tx->head;
	buffer = tx->slot[at].buf_idx;
	send_frame(a, 60, 4, 0);
	sync_tx(a);
	take(b, 60, 4, 0);
	slot = arrived(z->fd, rx_ring(z));
	expect(slot->buf_idx == buffer);
	expect(tx->slot[at].buf_idx != buffer && (tx->slot[at].flags & NS_BUF_CHANGED));
	shows(z, true, 4, 0);

	// Received: once the program has given it back, with what it did to it.
	send_frame(b, 62, 5, 1);
	slot = arrived(a->fd, rx);
	buffer = slot->buf_idx;
	expect(is_silent(z));
	make_frame((unsigned char *)NETMAP_BUF(rx, buffer), 62, 5, 2);
	advance(rx);
	sync_rx(a);
	expect(arrived(z->fd, rx_ring(z))->buf_idx == buffer && slot->buf_idx != buffer);
	shows(z, false, 5, 2);
	expect(is_silent(z));
	nmport_close(z);
	nmport_close(a);
	nmport_close(b);
}

// One that does not read costs nobody anything; it has the oldest that fitted.
static void one_that_sleeps(void)
{
	struct nmport_d *a = open_port("vale0:a"), *b = open_port("vale0:b");
	struct nmport_d *monitor = open_port("vale0:a/t@conf:slots=64");
	uint32_t i;

	step = "a monitor that does not read";
	expect(monitor->reg.nr_rx_slots == 64);
	exchange(a, b, 6);
	for (i = 0; i < 63; i++)
		expect(take(monitor, 60 + i, 6, i) & NS_TXMON);
	expect(is_silent(monitor));
	nmport_close(monitor);
	nmport_close(b);
	nmport_close(a);
}

static void host_rings(void)
{
	struct nmport_d *port = open_port("netmap:cv0*"), *monitor = open_port("netmap:cv0*/rt");
	int host = host_of("cv0");
	struct netmap_ring *up = NETMAP_TXRING(port->nifp, port->last_tx_ring);
	struct netmap_ring *down = NETMAP_RXRING(port->nifp, port->last_rx_ring);
	struct netmap_ring *seen = NETMAP_RXRING(monitor->nifp, monitor->last_rx_ring);

	step = "a monitor of host rings";
	expect(monitor->last_rx_ring > monitor->first_rx_ring);
	host_sends(host, 100, 7, 1);
	take_on(port->fd, down, 100, 7, 1);
	expect(!(take_on(monitor->fd, seen, 100, 7, 1) & NS_TXMON));

	put_frame(up, 100, 8, 2);
	sync_tx(port);
	host_hears(host, 100, 8, 2);
	expect(take_on(monitor->fd, seen, 100, 8, 2) & NS_TXMON);
	close(host);
	nmport_close(monitor);
	nmport_close(port);
}

int main(void)
{
	listen_to_the_library();
	step = "a port that nobody has open";
	refused(nmport_open("netmap:cv0/r") == NULL, EINVAL, "nobody has cv0 open");
	refused(nmport_open("vale0:a/rt") == NULL, EINVAL, "no port vale0:a to be watched");
	step = "a switch port";
	copies("vale0:a", "vale0:b");
	step = "an end of a pipe";
	copies("netmap:cmon{1", "netmap:cmon}1");
	step = "an interface";
	copies("netmap:cv0", "netmap:cv1");
	exchanged_buffers();
	one_that_sleeps();
	host_rings();
	return 0;
}
