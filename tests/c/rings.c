// SPDX-License-Identifier: MIT OR Apache-2.0
//
// Rings in C: who owns which slot, what a sync does and does not, what poll waits for, which
// rings a program binds, frames in several slots and in memory of the program's own.

#define _GNU_SOURCE
#include "check.h"
#include <sys/epoll.h>

static void a_descriptor(void)
{
	struct nmreq_register reg = { .nr_mode = NR_REG_ALL_NIC };
	struct nmreq_header hdr;
	char byte;
	int fd = control();

	step = "a descriptor that is bound to nothing";
	fails(ioctl(fd, NIOCTXSYNC, NULL) == -1, ENXIO);
	fails(ioctl(fd, NIOCRXSYNC, NULL) == -1, ENXIO);
	expect(polled(fd, POLLIN, 0) == POLLERR);
	fails(read(fd, &byte, 1) == -1, EINVAL);
	fails(write(fd, "x", 1) == -1, EINVAL);
	fails(ioctl(fd, _IO('i', 1), NULL) == -1, EOPNOTSUPP);
	fails(ioctl(fd, NIOCCTRL, NULL) == -1, EINVAL);
	fails(ioctl(fd, NIOCCTRL, 64) == -1, EFAULT);
	nmreq_header_init(&hdr, NETMAP_REQ_REGISTER, &reg);
	strcpy(hdr.nr_name, "vale0:a");
	hdr.nr_version = NETMAP_MIN_API - 1;
	fails(ioctl(fd, NIOCCTRL, &hdr) == -1, EINVAL);
	hdr.nr_version = NETMAP_MAX_API;
	hdr.nr_reserved = 1;
	fails(ioctl(fd, NIOCCTRL, &hdr) == -1, EINVAL);
	refuses(fd, NETMAP_REQ_REGISTER, "vale0:a", NULL, NULL, EINVAL, "needs a body");
	refuses(fd, NETMAP_REQ_REGISTER, "vale0:a", (void *)64, NULL, EFAULT,
		"no memory that this process may use");
	refuses(fd, NETMAP_REQ_REGISTER, "none99", &reg, NULL, ENXIO,
		"no network interface none99");
	refuses(fd, NETMAP_REQ_REGISTER, "lo", &reg, NULL, EINVAL,
		"its MTU is 65536");
	reg.nr_mode = NR_REG_DEFAULT;
	refuses(fd, NETMAP_REQ_REGISTER, "vale0:a", &reg, NULL, EINVAL, "nr_mode is 0");
	reg.nr_mode = NR_REG_PIPE_MASTER;
	refuses(fd, NETMAP_REQ_REGISTER, "vale0:a", &reg, NULL, EINVAL, "nr_mode is 5");
	// After all of that it is as good as any.
	reg.nr_mode = NR_REG_ALL_NIC;
	hdr.nr_reserved = 0;
	expect(ioctl(fd, NIOCCTRL, &hdr) == 0 && reg.nr_memsize > 0);
	refuses(fd, NETMAP_REQ_REGISTER, "vale0:b", &reg, NULL, EBUSY, "already bound to vale0:a");
	close(fd);
}

static void which_rings(void)
{
	struct nmport_d *all = open_port("vale0:a@conf:rings=4"), *some, *one, *other;

	step = "which rings";
	some = open_port("vale0:a/R");
	expect(some->last_tx_ring < some->first_tx_ring && some->last_rx_ring == 3);
	expect(some->nifp->ring_ofs[0] == 0);
	sync_tx(some);
	nmport_close(some);
	some = open_port("vale0:a/T");
	expect(some->last_rx_ring < some->first_rx_ring && some->last_tx_ring == 3);
	sync_rx(some);
	nmport_close(some);
	some = open_port("vale0:a/RT");
	expect(polled(some->fd, POLLIN | POLLOUT, 0) == 0);
	nmport_close(some);
	refused(nmport_open("vale0:a-4") == NULL, EINVAL, "no ring 4");
	one = open_port("vale0:a-2");
	expect(one->first_tx_ring == 2 && one->last_tx_ring == 2 && one->first_rx_ring == 2);
	expect(tx_ring(one) == NETMAP_TXRING(all->nifp, 2) && tx_ring(one)->ringid == 2);
	refused(nmport_open("vale0:a-2/x") == NULL, EBUSY, "ring 2 cannot be bound exclusively");
	nmport_close(one);
	nmport_close(all);

	step = "rings to oneself";
	one = open_port("vale0:a-0/x@conf:rings=2");
	other = open_port("vale0:a-1/x");
	refused(nmport_open("vale0:a-0") == NULL, EBUSY, "bound exclusively by another file");
	refused(nmport_open("vale0:a") == NULL, EBUSY, "bound exclusively by another file");
	nmport_close(other);
	nmport_close(open_port("vale0:a-1"));
	nmport_close(one);
}

static void whose_slots(void)
{
	struct nmport_d *a = open_port("vale0:a@conf:slots=16"), *b = open_port("vale0:b");
	struct netmap_ring *tx = tx_ring(a), *rx = rx_ring(b);
	struct timeval before;
	uint32_t i, at;

	step = "whose slots";
	expect(tx->head == 0 && tx->cur == 0 && tx->tail == 15);
	expect(rx->head == 0 && rx->cur == 0 && rx->tail == 0);
	expect(tx->slot[0].len == tx->nr_buf_size && tx->slot[0].flags == 0);
	for (i = 0; i < 3; i++)
		send_frame(a, 60, 1, i);
	sync_rx(b);
	expect(nm_ring_space(rx) == 3);
	// Wakes for more than what is there, and holds that.
	rx->cur = rx->tail;
	expect(polled(b->fd, POLLIN, 0) == 0);
	send_frame(a, 60, 1, 3);
	expect(polled(b->fd, POLLIN, 10000) == POLLIN);
	for (i = 0; i < 4; i++)
		expect(NS_RFRAGS(&rx->slot[rx->head]) == 1 && take(b, 60, 1, i) == 0x0100);

	// The time is that of the last sync, though nothing came.
	before = rx->ts;
	usleep(2000);
	expect(is_silent(b) && timercmp(&rx->ts, &before, >));

	step = "indexes that make no sense";
	at = tx->head;
	tx->head = tx->cur = tx->num_slots + 7;
	sync_tx(a);
	expect(tx->head == at && tx->cur == at);
	tx->head = nm_ring_next(tx, at);
	expect(polled(a->fd, POLLOUT, 0) & POLLERR);
	expect(tx->head == at && tx->tail == (at + 15) % 16);
	tx->tail = at;
	send_frame(b, 60, 2, 0);
	sync_tx(a);
	expect(tx->tail == (at + 15) % 16);
	take(a, 60, 2, 0);
	expect(is_silent(b));
	memset(tx->sem, 77, sizeof(tx->sem));
	send_frame(a, 60, 1, 4);
	take(b, 60, 1, 4);
	expect(tx->sem[0] == 77 && tx->sem[sizeof(tx->sem) - 1] == 77);

	step = "slots that make no sense";
	put_frame(tx, 60, 1, 5);
	tx->slot[(tx->head + 15) % 16].len = 9000;
	put_frame(tx, 13, 1, 6);
	put_frame(tx, 60, 1, 7);
	sync_tx(a);
	take(b, 60, 1, 7);
	expect(is_silent(b) && !nm_tx_pending(tx));
	nmport_close(a);
	nmport_close(b);
}

// Opened with flags of one's own.
static struct nmport_d *open_with(const char *name, uint64_t flags)
{
	struct nmport_d *d = prepare(name);

	d->reg.nr_flags |= flags;
	expect(nmport_open_desc(d) == 0);
	return d;
}

static void what_poll_does(void)
{
	struct nmport_d *a = open_port("vale0:a"), *b = open_port("vale0:b"), *c;
	struct epoll_event event = { .events = EPOLLIN | EPOLLET };
	int epoll = epoll_create1(0);

	step = "what poll sends";
	put_frame(tx_ring(a), 60, 1, 0);
	expect(polled(a->fd, POLLIN, 0) == 0);
	take(b, 60, 1, 0);
	put_frame(tx_ring(a), 60, 1, 1);
	expect(polled(a->fd, 0, 0) == 0);
	take(b, 60, 1, 1);
	expect(polled(a->fd, POLLOUT | POLLIN, 0) == POLLOUT);

	c = open_with("vale0:c", NR_NO_TX_POLL | 0x1000);
	put_frame(tx_ring(c), 60, 2, 0);
	expect(polled(c->fd, POLLIN, 0) == 0);
	expect(is_silent(b) && nm_tx_pending(tx_ring(c)));
	expect(polled(c->fd, POLLOUT, 0) == POLLOUT);
	take(b, 60, 2, 0);
	nmport_close(c);

	step = "what poll receives";
	c = open_with("vale0:c", NR_DO_RX_POLL);
	send_frame(a, 60, 3, 0);
	expect(nm_ring_empty(rx_ring(c)));
	expect(polled(c->fd, POLLOUT, 0) == POLLOUT && nm_ring_space(rx_ring(c)) == 1);
	take(b, 60, 3, 0);
	nmport_close(c);

	step = "epoll";
	expect(epoll >= 0 && epoll_ctl(epoll, EPOLL_CTL_ADD, b->fd, &event) == 0);
	expect(epoll_wait(epoll, &event, 1, 0) == 0);
	send_frame(a, 60, 4, 0);
	expect(epoll_wait(epoll, &event, 1, 10000) == 1 && event.events == EPOLLIN);
	expect(epoll_wait(epoll, &event, 1, 0) == 0);
	send_frame(a, 60, 4, 1);
	expect(epoll_wait(epoll, &event, 1, 10000) == 1);
	close(epoll);
	nmport_close(a);
	nmport_close(b);
}

static void frames_of_parts(void)
{
	struct nmport_d *a = open_port("vale0:a"), *b = open_port("vale0:b");
	struct netmap_ring *tx = tx_ring(a), *rx = rx_ring(b);
	static const uint16_t parts[] = { 100, 1, 500 };
	unsigned char frame[601];
	size_t i, at = 0;

	step = "a frame in parts";
	make_frame(frame, sizeof(frame), 5, 0);
	for (i = 0; i < 3; i++) {
		struct netmap_slot *slot = &tx->slot[tx->head];

		slot->len = parts[i];
		slot->flags = i < 2 ? NS_MOREFRAG : NS_REPORT;
		// The last one is not in a buffer at all.
		if (i < 2) {
			memcpy(NETMAP_BUF(tx, slot->buf_idx), frame + at, parts[i]);
		} else {
			slot->flags |= NS_INDIRECT;
			slot->ptr = (uintptr_t)frame + at;
		}
		at += parts[i];
		advance(tx);
	}
	sync_tx(a);
	for (i = at = 0; i < 3; i++) {
		struct netmap_slot *slot = arrived(b->fd, rx);

		expect(slot->len == parts[i] && NS_RFRAGS(slot) == 3);
		expect(!(slot->flags & NS_MOREFRAG) == (i == 2));
		expect(memcmp(NETMAP_BUF(rx, slot->buf_idx), frame + at, parts[i]) == 0);
		at += parts[i];
		advance(rx);
	}

	step = "an address that is none";
	put_frame(tx, 60, 5, 1);
	tx->slot[tx->head - 1].flags = NS_INDIRECT;
	tx->slot[tx->head - 1].ptr = 64;
	send_frame(a, 60, 5, 2);
	take(b, 60, 5, 2);
	nmport_close(a);
	nmport_close(b);
}

// What Ferromap adds: within a region frames change hands.
static void handed_over(void)
{
	struct nmport_d *a = open_port("vale0:a"), *b = open_port("vale0:b@share=vale0:a");
	struct netmap_ring *tx = tx_ring(a), *rx = rx_ring(b);
	struct netmap_slot *slot = &tx->slot[tx->head];
	char *frame = NETMAP_BUF(tx, slot->buf_idx);
	uint32_t buffer = slot->buf_idx;

	step = "frames that are handed over";
	send_frame(b, 60, 6, 0);
	take(a, 60, 6, 0);
	// To that station alone: what is flooded is copied.
	tx->flags |= FERROMAP_NR_SWAP;
	put_frame(tx, 60, 7, 1);
	memcpy(frame, "\x02\0\0\0\0\x06", 6);
	sync_tx(a);
	expect(arrived(b->fd, rx)->buf_idx == buffer);
	expect(NETMAP_BUF(rx, buffer) == frame && NETMAP_BUF_IDX(rx, frame) == buffer);
	expect(slot->buf_idx != buffer && (slot->flags & NS_BUF_CHANGED));
	memset(frame, 255, 6);
	expect(take(b, 60, 7, 1) & NS_BUF_CHANGED);
	nmport_close(a);
	nmport_close(b);
}

int main(void)
{
	listen_to_the_library();
	a_descriptor();
	which_rings();
	whose_slots();
	what_poll_does();
	frames_of_parts();
	handed_over();
	return 0;
}
