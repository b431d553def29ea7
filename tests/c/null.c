// SPDX-License-Identifier: MIT OR Apache-2.0
//
// Memory in C: null ports, which are nothing but memory, what a region is made of, how it is
// mapped, and buffers that wander between two ports of one region.

#define _GNU_SOURCE
#include "check.h"

static void rings_without_traffic(void)
{
	struct nmport_d *d = prepare("null:nothing@1@conf:tx-rings=2,rx-rings=1,slots=32");
	struct nmreq_register reg = { .nr_mode = NR_REG_NULL };
	int fd = control();

	step = "a null port";
	refuses(fd, NETMAP_REQ_REGISTER, "nothing", &reg, NULL, EINVAL,
		"a null port needs a memory region");
	close(fd);
	d->reg.nr_extra_bufs = 5;
	expect(nmport_open_desc(d) == 0);
	expect(d->reg.nr_mode == NR_REG_NULL && d->reg.nr_mem_id == GLOBAL_MEM_ID);
	expect(d->reg.nr_tx_rings == 2 && d->reg.nr_rx_rings == 1 && d->reg.nr_extra_bufs == 5);
	expect(strcmp(d->nifp->ni_name, "null:nothing") == 0 && d->last_tx_ring == 1);
	// What is sent stays.
	send_frame(d, 60, 1, 0);
	sync_tx(d);
	expect(nm_tx_pending(tx_ring(d)) && nm_ring_space(tx_ring(d)) == 30);
	expect(is_silent(d) && polled(d->fd, POLLIN, 0) == 0);
	nmport_close(d);

	// No rings at all. A name alone asks for one each way, in region 1.
	d = prepare("null:none");
	expect(d->reg.nr_tx_rings == 1 && d->reg.nr_mem_id == GLOBAL_MEM_ID);
	d->reg.nr_tx_rings = d->reg.nr_rx_rings = 0;
	expect(nmport_open_desc(d) == 0);
	expect(d->reg.nr_tx_rings == 0 && d->last_tx_ring < d->first_tx_ring);
	expect(d->last_rx_ring < d->first_rx_ring);
	nmport_close(d);
}

// A buffer of a null port is sent by a port of a switch, and goes back.
static void buffers_for_others(void)
{
	struct nmport_d *a = open_port("vale0:a"), *b = open_port("vale0:b"), *store;
	struct netmap_ring *tx = tx_ring(a);
	uint32_t extra, next, was, i;

	step = "buffers of a null port";
	store = prepare("null:store@share=vale0:a");
	store->reg.nr_extra_bufs = 2;
	expect(nmport_open_desc(store) == 0 && store->mem == a->mem);
	for (i = 0; i < 100; i++) {
		struct netmap_slot *slot = &tx->slot[tx->head];

		extra = store->nifp->ni_bufs_head;
		memcpy(&next, NETMAP_BUF(tx, extra), sizeof(next));
		expect(extra >= NETMAP_RESERVED_BUFS && next >= NETMAP_RESERVED_BUFS);
		make_frame((unsigned char *)NETMAP_BUF(tx, extra), 80, 2, i);
		was = slot->buf_idx;
		slot->buf_idx = extra;
		slot->len = 80;
		slot->flags = NS_BUF_CHANGED;
		memcpy(NETMAP_BUF(tx, was), &next, sizeof(next));
		store->nifp->ni_bufs_head = was;
		advance(tx);
		sync_tx(a);
		expect(!(slot->flags & NS_BUF_CHANGED) && slot->buf_idx == extra);
		take(b, 80, 2, i);
	}
	nmport_close(store);
	nmport_close(a);
	nmport_close(b);
}

static void what_a_region_is_made_of(void)
{
	struct nmport_d *a = open_port("vale0:a");
	struct nmreq_pools_info info = { .nr_mem_id = 0 };
	struct nmreq_port_info_get size = { .nr_mem_id = 0 };
	int fd = control();
	char *base = (char *)a->mem->mem;

	step = "what a region is made of";
	expect(request(fd, NETMAP_REQ_POOLS_INFO_GET, "vale0:a", &info, NULL) == 0);
	expect(info.nr_mem_id == a->reg.nr_mem_id && info.nr_memsize == a->reg.nr_memsize);
	expect(info.nr_if_pool_offset == 0);
	expect(info.nr_ring_pool_offset ==
		(uint64_t)info.nr_if_pool_objtotal * info.nr_if_pool_objsize);
	expect(info.nr_buf_pool_offset == info.nr_ring_pool_offset +
		(uint64_t)info.nr_ring_pool_objtotal * info.nr_ring_pool_objsize);
	expect(info.nr_memsize == info.nr_buf_pool_offset +
		(uint64_t)info.nr_buf_pool_objtotal * info.nr_buf_pool_objsize);
	expect(NETMAP_BUF(tx_ring(a), 0) == base + info.nr_buf_pool_offset);
	expect(NETMAP_BUF(rx_ring(a), 0) == base + info.nr_buf_pool_offset);
	expect(tx_ring(a)->nr_buf_size == info.nr_buf_pool_objsize);
	expect(tx_ring(a)->dir == RING_DIR_TX && rx_ring(a)->dir == RING_DIR_RX);
	expect(request(fd, NETMAP_REQ_PORT_INFO_GET, "", &size, NULL) == 0);
	expect(size.nr_mem_id == GLOBAL_MEM_ID && size.nr_memsize > 0);
	size.nr_mem_id = 54321;
	refuses(fd, NETMAP_REQ_PORT_INFO_GET, "", &size, NULL, EINVAL, "no memory region 54321");
	refuses(fd, NETMAP_REQ_POOLS_INFO_GET, "", &info, NULL, ENXIO, "the port has no name");
	refuses(fd, NETMAP_REQ_POOLS_INFO_GET, "none99", &info, NULL, ENXIO,
		"no network interface none99");
	close(fd);
	nmport_close(a);
}

static void mapped_in_parts(void)
{
	struct nmport_d *a = open_port("vale0:a");
	const int both = PROT_READ | PROT_WRITE;
	size_t page = 4096, size = a->reg.nr_memsize;
	char *part, *whole = (char *)a->mem->mem;
	int unbound = control();

	step = "parts of a region";
	fails(mmap(NULL, page, both, MAP_SHARED, unbound, 0) == MAP_FAILED, EINVAL);
	fails(mmap(NULL, size + page, both, MAP_SHARED, a->fd, 0) == MAP_FAILED, EINVAL);
	fails(mmap(NULL, page, both, MAP_SHARED, a->fd, (off_t)size) == MAP_FAILED, EINVAL);
	part = (char *)mmap(NULL, page, both, MAP_SHARED, a->fd, (off_t)(size - page));
	expect(part != MAP_FAILED);
	memcpy(part + page - 8, "the end", 8);
	expect(memcmp(whole + size - 8, "the end", 8) == 0);
	expect(munmap(part, page) == 0);
	close(unbound);
	nmport_close(a);
}

// What Ferromap adds: the region of another descriptor, without its number.
static void region_of_a_descriptor(void)
{
	struct nmport_d *a = open_port("vale0:a"), *b = prepare("vale1:b");
	struct nmreq_opt_region region = {
		.nro_opt = { .nro_reqtype = FERROMAP_OPT_REGION, .nro_status = 99 },
		.fd = a->fd,
	};
	struct nmreq_register probe = { .nr_mode = NR_REG_ALL_NIC };
	int fd = control();

	step = "the region of a descriptor";
	nmreq_push_option(&b->hdr, &region.nro_opt);
	expect(nmport_open_desc(b) == 0 && region.nro_opt.nro_status == 0);
	expect(b->mem == a->mem);
	nmreq_remove_option(&b->hdr, &region.nro_opt);

	step = "whether a request would succeed";
	expect(request(fd, FERROMAP_REQ_PROBE, "vale1:b", &probe, NULL) == 0);
	expect(probe.nr_memsize == 0);
	probe.nr_flags = NR_EXCLUSIVE;
	refuses(fd, FERROMAP_REQ_PROBE, "vale1:b", &probe, NULL, EBUSY,
		"ring 0 cannot be bound exclusively");
	probe.nr_flags = 0;
	probe.nr_mode = NR_REG_SW;
	refuses(fd, FERROMAP_REQ_PROBE, "vale1:b", &probe, NULL, EINVAL, "no host rings");
	close(fd);
	nmport_close(b);
	nmport_close(a);
}

int main(void)
{
	listen_to_the_library();
	rings_without_traffic();
	buffers_for_others();
	what_a_region_is_made_of();
	mapped_in_parts();
	region_of_a_descriptor();
	return 0;
}
