// SPDX-License-Identifier: MIT OR Apache-2.0
//
// Pipes in C: on names that nobody has, on a switch port, an interface and another pipe; what
// is in a slot, what waits, and what is refused. It wants the interfaces cv0 and cv1, wired to
// each other.

#define _GNU_SOURCE
#include "check.h"

#define POINTER 0x0123456789abcdefull // what a program likes to have in a slot

static void on_a_new_name(void)
{
	struct nmport_d *master, *slave;

	step = "a pipe on a new name";
	expect(if_nametoindex("cpipe") == 0);
	slave = open_port("netmap:cpipe}one");
	expect(if_nametoindex("cpipe") != 0);
	master = open_port("netmap:cpipe{one");
	expect(master->reg.nr_mem_id == slave->reg.nr_mem_id && master->mem == slave->mem);
	expect(strcmp(master->nifp->ni_name, "cpipe{one") == 0);
	expect(master->reg.nr_host_tx_rings == 0 && master->nifp->ni_host_tx_rings == 1);
	exchange(master, slave, 1);
	exchange(slave, master, 2);
	nmport_close(master);
	nmport_close(slave);
	eventually(if_nametoindex("cpipe") == 0);
}

// The library's names have one pipe at most, those of the kernel more.
static struct nmport_d *open_pipe_on_pipe(const char *name)
{
	struct nmport_d *d = prepare("vale0:base}1");

	snprintf(d->hdr.nr_name, sizeof(d->hdr.nr_name), "%s", name);
	expect(nmport_open_desc(d) == 0);
	return d;
}

static void on_a_switch_port(void)
{
	// A region is mapped by the first port in it, which lasts as long as the mapping.
	struct nmport_d *master = open_port("vale0:base{1"), *base = open_port("vale0:base");
	struct nmport_d *slave = open_port("vale0:base}1"), *peer = open_port("vale0:peer");
	struct nmport_d *above = open_pipe_on_pipe("vale0:base}1{2");
	struct nmport_d *below = open_pipe_on_pipe("vale0:base}1}2");

	step = "a pipe on a switch port";
	expect(master->reg.nr_mem_id == base->reg.nr_mem_id);
	expect(slave->mem == base->mem && peer->mem != base->mem);
	exchange(master, slave, 3);
	expect(is_silent(base) && is_silent(peer));
	exchange(base, peer, 4);
	expect(is_silent(master) && is_silent(slave));

	step = "a pipe on a pipe";
	expect(above->mem == base->mem);
	exchange(above, below, 5);
	exchange(below, above, 6);
	expect(is_silent(slave));
	nmport_close(above);
	nmport_close(below);

	step = "pipes that outlive their base";
	nmport_close(base);
	exchange(slave, master, 7);
	nmport_close(master);
	nmport_close(slave);
	nmport_close(peer);
}

static void on_an_interface(void)
{
	struct nmport_d *master = open_port("netmap:cv0{1"), *slave = open_port("netmap:cv0}1");
	int from = host_of("cv0"), to = host_of("cv1");

	step = "a pipe on an interface";
	expect(master->reg.nr_mem_id == GLOBAL_MEM_ID && slave->mem == master->mem);
	exchange(master, slave, 8);
	// The interface is still the host's.
	host_sends(from, 100, 9, 0);
	host_hears(to, 100, 9, 0);
	close(from);
	close(to);
	nmport_close(master);
	nmport_close(slave);
}

// Whose numbers count, and what is left when one end is closed.
static void what_waits(void)
{
	struct nmport_d *slave = prepare("vale0:wait}1@conf:tx-slots=32,rx-slots=16"), *master;
	uint32_t number;
	unsigned char frame[60];

	step = "frames for an end that is not open";
	expect(nmport_open_desc(slave) == 0);
	// The creator's numbers are the master's, though it is the slave.
	expect(slave->reg.nr_tx_slots == 16 && slave->reg.nr_rx_slots == 32);
	for (number = 0; number < 15; number++)
		send_frame(slave, 60 + number, 10, number);
	make_frame(frame, sizeof(frame), 10, number);
	expect(nmport_inject(slave, frame, sizeof(frame)) == 0);
	expect(polled(slave->fd, POLLOUT, 0) == 0);
	master = open_port("vale0:wait{1");
	expect(master->reg.nr_tx_slots == 32 && master->reg.nr_rx_slots == 16);
	for (number = 0; number < 4; number++)
		take(master, 60 + number, 10, number);
	sync_rx(master);
	expect(polled(slave->fd, POLLOUT, 10000) == POLLOUT);
	expect(nm_ring_space(tx_ring(slave)) == 4);

	step = "an end that comes back";
	nmport_close(master);
	master = open_port("vale0:wait{1");
	for (; number < 15; number++)
		take(master, 60 + number, 10, number);
	expect(is_silent(master));
	sync_tx(slave);
	expect(nm_ring_space(tx_ring(slave)) == 15 && !nm_tx_pending(tx_ring(slave)));
	nmport_close(master);
	nmport_close(slave);
}

static void what_is_in_a_slot(void)
{
	struct nmport_d *master = open_port("vale0:slot{1"), *slave = prepare("vale0:slot}1");
	struct netmap_ring *tx = tx_ring(master), *rx;
	uint32_t first = tx->head, i, sent[2], extra, next;

	step = "a chain in a pipe";
	slave->reg.nr_extra_bufs = 1;
	expect(nmport_open_desc(slave) == 0 && slave->reg.nr_extra_bufs == 1);
	rx = rx_ring(slave);
	for (i = 0; i < 2; i++) {
		struct netmap_slot *slot = &tx->slot[tx->head];

		expect(is_silent(slave));
		make_frame((unsigned char *)NETMAP_BUF(tx, slot->buf_idx), 60, 11, i);
		sent[i] = slot->buf_idx;
		slot->len = 60;
		slot->flags = i == 0 ? NS_MOREFRAG : 0;
		slot->ptr = POINTER + i;
		advance(tx);
		sync_tx(master);
	}
	for (i = 0; i < 2; i++) {
		struct netmap_slot *slot = arrived(slave->fd, rx);

		expect(slot->buf_idx == sent[i] && slot->ptr == POINTER + i);
		expect(slot->flags == (i == 0 ? NS_MOREFRAG : 0));
		expect(is_frame(NETMAP_BUF(rx, slot->buf_idx), 60, 11, i));
		if (i == 0)
			advance(rx);
	}

	step = "a buffer that the receiver keeps";
	extra = slave->nifp->ni_bufs_head;
	memcpy(&next, NETMAP_BUF(rx, extra), sizeof(next));
	expect(extra >= NETMAP_RESERVED_BUFS && next == 0);
	rx->slot[rx->head].buf_idx = extra;
	rx->slot[rx->head].flags |= NS_BUF_CHANGED;
	memcpy(NETMAP_BUF(rx, sent[1]), &next, sizeof(next));
	slave->nifp->ni_bufs_head = sent[1];
	advance(rx);
	sync_rx(slave);
	sync_tx(master);
	i = nm_ring_next(tx, first);
	expect(tx->slot[first].buf_idx == sent[0]);
	expect(tx->slot[i].buf_idx == extra && (tx->slot[i].flags & NS_BUF_CHANGED));
	nmport_close(master);
	nmport_close(slave);
}

static void refusals(void)
{
	struct nmport_d *many[PIPE_MAX_PER_BASE], *d, *slave;
	struct nmreq_register reg = { .nr_mode = NR_REG_ALL_NIC };
	struct nmreq_port_hdr hdr;
	const size_t size = (size_t)4 << 20;
	struct nmport_d *base;
	void *memory;
	char name[40];
	int i, fd = control();

	step = "what pipes refuse";
	refuses(fd, NETMAP_REQ_REGISTER, "vale0:a{", &reg, NULL, EINVAL, "a base and an id");
	refuses(fd, NETMAP_REQ_REGISTER, "{1", &reg, NULL, EINVAL, "a base and an id");
	refuses(fd, NETMAP_REQ_PORT_HDR_GET, "vale0:a{1", &hdr, NULL, ENODEV, "no pipe vale0:a{1");
	refused(nmport_open("vale0:a{1^") == NULL, EINVAL, "no host rings");
	refused(nmport_open("vale0:a{1*") == NULL, EINVAL, "no host rings");
	refused(nmport_open("vale0:a{1^0") == NULL, EINVAL, "no host rings");

	step = "an end to oneself";
	d = open_port("vale0:a{1/x");
	refused(nmport_open("vale0:a{1") == NULL, EBUSY, "bound exclusively by another file");
	slave = open_port("vale0:a}1");
	exchange(d, slave, 12);
	nmport_close(slave);
	nmport_close(d);

	step = "one pipe more than a port has";
	memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	expect(memory != MAP_FAILED);
	base = prepare("vale0:many@conf:slots=8");
	expect(nmport_extmem(base, memory, size) == 0);
	nmport_extmem_getinfo(base)->nr_if_pool_objtotal = 100;
	nmport_extmem_getinfo(base)->nr_ring_pool_objtotal = 300;
	nmport_extmem_getinfo(base)->nr_ring_pool_objsize = 512;
	nmport_extmem_getinfo(base)->nr_buf_pool_objtotal = 1800;
	expect(nmport_open_desc(base) == 0);
	for (i = 0; i < PIPE_MAX_PER_BASE; i++) {
		snprintf(name, sizeof(name), "vale0:many{%d", i);
		many[i] = open_port(name);
		expect(many[i]->mem == base->mem && many[i]->reg.nr_tx_slots == 8);
	}
	refused(nmport_open("vale0:many{more") == NULL, EINVAL, "has 64 pipes");
	// Not another one: the other end of one that is there.
	snprintf(name, sizeof(name), "vale0:many}%d", PIPE_MAX_PER_BASE - 1);
	slave = open_port(name);
	exchange(many[PIPE_MAX_PER_BASE - 1], slave, 13);
	nmport_close(slave);
	while (i > 0)
		nmport_close(many[--i]);
	nmport_close(base);
	expect(munmap(memory, size) == 0);
	close(fd);
}

int main(void)
{
	listen_to_the_library();
	on_a_new_name();
	on_a_switch_port();
	on_an_interface();
	what_waits();
	what_is_in_a_slot();
	refusals();
	return 0;
}
