// SPDX-License-Identifier: MIT OR Apache-2.0
//
// A program as people write them with netmap's headers and library, here ours: opens ports in all
// ways that there are, exchanges frames over a switch, a wire and the host's stack, looks at every
// byte, asks about ports, and is refused what it should be. It wants the interfaces cv0 and cv1,
// wired to each other.

#define _GNU_SOURCE
#define NETMAP_WITH_LIBS
#include "check.h"
#include <pthread.h>
#include <stddef.h>

// The context: how often the library speaks, and what it has of our memory.
static int sentences, pieces;

static void count_and_hear(struct nmctx *ctx, const char *sentence)
{
	sentences++;
	hear(ctx, sentence);
}

static void *lend(struct nmctx *ctx, size_t size)
{
	void *memory = ctx == nmctx_get() ? malloc(size) : NULL;

	if (memory != NULL)
		__atomic_add_fetch(&pieces, 1, __ATOMIC_RELAXED);
	return memory;
}

static void give(struct nmctx *ctx, void *memory)
{
	(void)ctx;
	if (memory != NULL)
		__atomic_sub_fetch(&pieces, 1, __ATOMIC_RELAXED);
	free(memory);
}

static void *no_memory(struct nmctx *ctx, size_t size)
{
	(void)ctx;
	(void)size;
	return NULL;
}

static struct nmctx ours = { .error = count_and_hear, .malloc = lend, .free = give };

static void check(const void *frame, size_t len, size_t want, unsigned char from, uint32_t number)
{
	expect(len == want && is_frame(frame, want, from, number));
}

// Takes the next frame out, of however many slots.
static size_t receive(struct nmport_d *d, unsigned char *frame, size_t room)
{
	struct netmap_ring *ring = rx_ring(d);
	size_t len = 0;
	bool more = true;

	arrived(d->fd, ring);
	while (more) {
		struct netmap_slot *slot = &ring->slot[ring->head];

		expect(!nm_ring_empty(ring) && len + slot->len <= room);
		memcpy(frame + len, NETMAP_BUF_OFFSET(ring, slot), slot->len);
		len += slot->len;
		more = slot->flags & NS_MOREFRAG;
		advance(ring);
	}
	return len;
}

// Frames of several slots each.
static void long_frames(struct nmport_d *from, struct nmport_d *to, unsigned char station)
{
	static unsigned char frame[MOST], got[MOST];
	uint32_t number;

	for (number = 0; number < 300; number++) {
		size_t len = 60 + number * 37 % (MOST - 59);

		make_frame(frame, len, station, number);
		expect(nmport_inject(from, frame, len) == (int)len);
		sync_tx(from);
		check(got, receive(to, got, sizeof(got)), len, station, number);
	}
}

static void over_a_switch(void)
{
	struct nmport_d *a, *b;
	uint32_t extra = 0, buffer;
	unsigned char frame[60];
	int sent = 0;

	step = "over a switch";
	a = nmport_open("vale1:a");
	expect(a != NULL && a->fd >= 0 && a->register_done && a->mmap_done);
	expect(strcmp(a->hdr.nr_name, "vale1:a") == 0 && strcmp(a->nifp->ni_name, "vale1:a") == 0);
	expect(a->first_tx_ring == 0 && a->last_tx_ring == 0 && a->last_rx_ring == 0);
	expect(a->mem->size == a->reg.nr_memsize && a->mem->mem_id == a->reg.nr_mem_id);
	expect(a->nifp == NETMAP_IF(a->mem->mem, a->reg.nr_offset));

	b = nmport_prepare("vale1:b@conf:tx-slots=64,rx_slots=128");
	expect(b != NULL && b->fd == -1 && b->nifp == NULL);
	expect(b->reg.nr_tx_slots == 64 && b->reg.nr_rx_slots == 128);
	b->reg.nr_extra_bufs = 7;
	expect(nmport_open_desc(b) == 0);
	expect(rx_ring(b)->num_slots == 128);
	expect(NETMAP_TXRING(b->nifp, 0)->num_slots == 64);
	expect(b->mem != a->mem && b->reg.nr_mem_id != a->reg.nr_mem_id);

	// The extra buffers are a list, through their first words.
	expect(b->reg.nr_extra_bufs == 7);
	for (buffer = b->nifp->ni_bufs_head; buffer != 0; extra++) {
		char *at = NETMAP_BUF(rx_ring(b), buffer);

		expect(extra < 7 && NETMAP_BUF_IDX(rx_ring(b), at) == buffer);
		expect(at > (char *)b->mem->mem && at < (char *)b->mem->mem + b->mem->size);
		memcpy(&buffer, at, sizeof(buffer));
	}
	expect(extra == 7);

	exchange(a, b, 1);
	exchange(b, a, 2);
	long_frames(a, b, 3);
	expect(!nm_tx_pending(NETMAP_TXRING(a->nifp, 0)));

	// A ring of 64 slots takes 63, and then there is no room until a sync.
	make_frame(frame, sizeof(frame), 2, 0);
	while (nmport_inject(b, frame, sizeof(frame)) == sizeof(frame))
		sent++;
	expect(sent == 63 && nm_ring_empty(NETMAP_TXRING(b->nifp, 0)));
	expect(nm_tx_pending(NETMAP_TXRING(b->nifp, 0)));
	sync_tx(b);
	expect(nm_ring_space(NETMAP_TXRING(b->nifp, 0)) == 63);

	nmport_close(a);
	nmport_close(b);
}

static void several_rings(void)
{
	struct nmport_d *one, *other, *peer;
	unsigned char frame[100] = { 0 };

	step = "several rings";
	one = nmport_prepare("vale1:rings-0@conf:rings=2");
	expect(one != NULL && one->reg.nr_mode == NR_REG_ONE_NIC);
	expect(nmport_open_desc(one) == 0 && one->reg.nr_tx_rings == 2);
	other = nmport_clone(one);
	expect(other != NULL && other->fd == -1 && other->reg.nr_mem_id == one->reg.nr_mem_id);
	other->reg.nr_ringid = 1;
	expect(nmport_open_desc(other) == 0);
	expect(other->mem == one->mem && one->mem->refcount == 2);
	expect(one->first_tx_ring == 0 && one->last_tx_ring == 0);
	expect(other->first_tx_ring == 1 && other->last_tx_ring == 1 && other->first_rx_ring == 1);

	peer = nmport_open("vale1:peer/R");
	expect(peer != NULL && peer->last_tx_ring < peer->first_tx_ring);
	expect(nmport_inject(peer, frame, sizeof(frame)) == 0);
	send_frame(one, 100, 4, 1);
	take(peer, 100, 4, 1);
	// The memory stays as long as one of them is there.
	nmport_close(one);
	expect(other->mem->refcount == 1);
	send_frame(other, 100, 4, 2);
	take(peer, 100, 4, 2);
	nmport_close(other);
	nmport_close(peer);
}

// Both ways between a port's host rings and a socket on its interface.
static void with_the_stack(int port, struct netmap_ring *tx, struct netmap_ring *host, int stack)
{
	unsigned char frame[200];
	uint32_t number;

	for (number = 0; number < 50; number++) {
		struct netmap_slot *slot = &tx->slot[tx->head];

		host_sends(stack, sizeof(frame), 5, number);
		take_on(port, host, sizeof(frame), 5, number);

		make_frame(frame, sizeof(frame), 6, number);
		expect(!nm_ring_empty(tx));
		nm_pkt_copy(frame, NETMAP_BUF(tx, slot->buf_idx), sizeof(frame));
		slot->len = sizeof(frame);
		slot->flags = 0;
		advance(tx);
		expect(ioctl(port, NIOCTXSYNC, NULL) == 0);
		host_hears(stack, sizeof(frame), 6, number);
	}
}

static void over_a_host_ring(void)
{
	struct nmport_d *port, *wire;
	struct nm_desc *d;
	int stack = host_of("cv0");

	step = "over a host ring";
	port = nmport_open("netmap:cv0*");
	expect(port != NULL && port->reg.nr_host_tx_rings == 1);
	expect(port->reg.nr_mem_id == GLOBAL_MEM_ID);
	expect(port->last_tx_ring == port->reg.nr_tx_rings);
	with_the_stack(port->fd, NETMAP_TXRING(port->nifp, port->last_tx_ring),
		NETMAP_RXRING(port->nifp, port->last_rx_ring), stack);

	step = "over a wire";
	wire = nmport_open("netmap:cv1");
	expect(wire != NULL && wire->mem == port->mem);
	exchange(port, wire, 7);
	nmport_close(wire);
	nmport_close(port);

	step = "over a host ring, by nm_open()";
	d = nm_open("netmap:cv0*", NULL, 0, NULL);
	expect(d != NULL);
	with_the_stack(d->fd, NETMAP_TXRING(d->nifp, d->last_tx_ring),
		NETMAP_RXRING(d->nifp, d->last_rx_ring), stack);
	nm_close(d);
	close(stack);
}

static uint32_t dispatched;

static void on_frame(unsigned char *arg, const struct nm_pkthdr *hdr, const unsigned char *frame)
{
	expect(*arg == 42 && hdr->buf == frame && hdr->len == hdr->caplen && hdr->ts.tv_sec > 0);
	expect(IS_NETMAP_DESC(hdr->d) && hdr->slot->len == hdr->len);
	check(frame, hdr->len, 60 + dispatched, 8, dispatched);
	dispatched++;
	// The last one of the ring says that there is no other.
	expect((hdr->flags == NM_MORE_PKTS) == (dispatched < 100));
}

static void by_nm_open(void)
{
	struct nm_desc *x, *y, *z, read = { .fd = -1 };
	struct nm_pkthdr hdr;
	struct nmreq req = { .nr_tx_slots = 128, .nr_rx_slots = 256, .nr_arg3 = 3 };
	unsigned char frame[MOST], answer = 42;
	char name[40], err[NM_ERRBUF_SIZE];
	uint32_t i;

	step = "nm_open()";
	x = nm_open("vale2:x", &req, NETMAP_NO_TX_POLL, NULL);
	expect(x != NULL && IS_NETMAP_DESC(x) && NETMAP_FD(x) == x->fd && P2NMD(x) == x);
	expect(x->req.nr_tx_slots == 128 && x->req.nr_rx_slots == 256 && x->req.nr_arg3 == 3);
	expect(x->req.nr_ringid == NETMAP_NO_TX_POLL && x->req.nr_flags == NR_REG_ALL_NIC);
	expect(x->some_ring == NETMAP_TXRING(x->nifp, 0) && x->buf_start < x->buf_end);
	expect(NETMAP_BUF(x->some_ring, 0) == (char *)x->buf_start);

	// A second port in the memory of the first, with its sizes.
	snprintf(name, sizeof(name), "vale2:y@%d", x->req.nr_arg2);
	y = nm_open(name, NULL, NM_OPEN_NO_MMAP | NM_OPEN_RING_CFG, x);
	expect(y != NULL && y->mem == x->mem && !y->done_mmap && y->req.nr_tx_slots == 128);
	expect(y->req.nr_arg2 == x->req.nr_arg2);

	for (i = 0; i < 100; i++) {
		make_frame(frame, 60 + i, 8, i);
		expect(nm_inject(x, frame, 60 + i) == (int)(60 + i));
	}
	expect(ioctl(x->fd, NIOCTXSYNC, NULL) == 0);
	expect(polled(y->fd, POLLIN, 10000) == POLLIN);
	expect(nm_dispatch(y, 30, on_frame, &answer) == 30);
	expect(nm_dispatch(y, -1, on_frame, &answer) == 70);
	expect(nm_dispatch(y, 0, on_frame, &answer) == 0 && y->st.ps_recv == 100);

	// Longer than a buffer; and more than there is room for.
	make_frame(frame, sizeof(frame), 8, 100);
	expect(nm_inject(y, frame, sizeof(frame)) == sizeof(frame));
	expect(ioctl(y->fd, NIOCTXSYNC, NULL) == 0);
	expect(polled(x->fd, POLLIN, 10000) == POLLIN);
	for (i = 0; i < sizeof(frame); i += hdr.len) {
		unsigned char *part = nm_nextpkt(x, &hdr);

		expect(part != NULL && memcmp(part, frame + i, hdr.len) == 0);
		expect(NS_RFRAGS(hdr.slot) == 5);
		expect(!(hdr.slot->flags & NS_MOREFRAG) == (i + hdr.len == sizeof(frame)));
	}
	expect(nm_nextpkt(x, &hdr) == NULL);
	for (i = 0; nm_inject(x, frame, 60) == 60; i++)
		;
	expect(i == 127 && nm_inject(x, frame, 60) == 0);

	// The same port once more, by the other descriptor alone.
	z = nm_open(NULL, NULL, NM_OPEN_IFNAME | NM_OPEN_ARG1 | NM_OPEN_ARG2 | NM_OPEN_ARG3, x);
	expect(z != NULL && strcmp(z->req.nr_name, "vale2:x") == 0 && z->mem == x->mem);
	expect(nm_close(z) == 0);
	z = nm_open("vale2:z", NULL, NM_OPEN_NO_MMAP, NULL);
	expect(z != NULL && z->mem == NULL && z->nifp == NULL);
	expect(nm_mmap(z, NULL) == 0 && z->done_mmap && z->nifp != NULL);
	expect(nm_close(z) == 0);
	// Receive rings alone.
	z = nm_open("vale2:z/R", NULL, 0, NULL);
	expect(z != NULL && z->last_tx_ring < z->first_tx_ring && z->last_rx_ring == 0);
	expect(nm_inject(z, frame, 60) == 0);
	expect(nm_close(z) == 0 && nm_close(NULL) == EINVAL);

	expect(nm_parse("netmap:eth0{3/xzt@2", &read, err) == 0);
	expect(strcmp(read.req.nr_name, "eth0") == 0 && read.req.nr_ringid == 3 &&
		read.req.nr_arg2 == 2);
	expect(read.req.nr_flags ==
		(NR_REG_PIPE_MASTER | NR_EXCLUSIVE | NR_ZCOPY_MON | NR_MONITOR_TX));
	read.req.nr_flags = 0;
	expect(nm_parse("vale0:a}4/rRT", &read, err) == 0 && read.req.nr_ringid == 4);
	expect(read.req.nr_flags ==
		(NR_REG_PIPE_SLAVE | NR_MONITOR_RX | NR_RX_RINGS_ONLY | NR_TX_RINGS_ONLY));
	{
		static const struct {
			const char *name;
			uint32_t mode;
			int ring;
		} good[] = {
			{ "netmap:eth0-12", NR_REG_ONE_NIC, 12 },
			{ "netmap:eth0^", NR_REG_SW, 0 },
			{ "netmap:eth0^2", NR_REG_ONE_SW, 2 },
			{ "netmap:eth0*", NR_REG_NIC_SW, 0 },
		};
		static const char *const bad[] = {
			"eth0", "vale0", "netmap:", "netmap:0123456789abcdef", "netmap:eth0-",
			"netmap:eth0-x", "netmap:eth0-4095", "netmap:eth0{", "netmap:eth0/",
			"netmap:eth0/q", "netmap:eth0@", "netmap:eth0@0", "netmap:eth0@65536",
			"netmap:eth0*1", "netmap:eth0^-", "netmap:eth0@1@conf:slots=9",
		};
		for (i = 0; i < sizeof(good) / sizeof(*good); i++) {
			read.req.nr_flags = 0;
			expect(nm_parse(good[i].name, &read, err) == 0);
			expect(read.req.nr_flags == good[i].mode);
			expect(read.req.nr_ringid == good[i].ring);
		}
		for (i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
			errno = 0;
			expect(nm_parse(bad[i], &read, err) == -1 && errno == EINVAL);
			expect(strncmp(err, bad[i], strlen(bad[i])) == 0);
			errno = 0;
			expect(nm_open(bad[i], NULL, 0, NULL) == NULL && errno == EINVAL);
		}
	}
	errno = 0;
	expect(nm_open("netmap:none99", NULL, 0, NULL) == NULL && errno == ENXIO);
	errno = 0;
	expect(nm_open("vale2:x/x", NULL, 0, NULL) == NULL && errno == EBUSY);
	nm_close(y);
	nm_close(x);
	ND("not %s", "said");
	for (i = 0; i < 3; i++)
		RD(1, "said once a second, or twice: %s", step);
	D("said: %s", step);
}

static void bad_names(void)
{
	struct nmport_d *a = nmport_open("vale1:a");
	static const char bytes[] = "vale1:\xff";

	step = "bad names";
	expect(a != NULL);
	refused(nmport_open("eth0") == NULL, EINVAL, "starts with neither `netmap:`");
	refused(nmport_open("") == NULL, EINVAL, "starts with neither `netmap:`");
	refused(nmport_open(NULL) == NULL, EINVAL, "a null pointer is no name");
	refused(nmport_open(bytes) == NULL, EINVAL, "UTF-8");
	refused(nmport_open("bridge:a") == NULL, EINVAL, "`bridge:` is none of");
	refused(nmport_open("vale1:") == NULL, EINVAL, "the name of the port is missing");
	refused(nmport_open("vale1:0123456789abcdef") == NULL, EINVAL, "has at most 15 characters");
	refused(nmport_open("vale1:a-") == NULL, EINVAL, "a ring number from 0 to 4094");
	refused(nmport_open("vale1:a/q") == NULL, EINVAL, "none of /x /z /t /r /R /T");
	refused(nmport_open("vale1:a@0") == NULL, EINVAL, "not a memory region");
	refused(nmport_open("vale1:a@conf:slots=x") == NULL, EINVAL, "`x` is not a number");
	refused(nmport_open("vale1:a@odd=1") == NULL, EINVAL, "`@odd` is none of");
	refused(nmport_open("vale1:a@offset=32") == NULL, EINVAL, "for programs that enable it");
	refused(nmport_prepare("vale1:a@extmem=/no/such/file") == NULL, ENOENT, "/no/such/file");
	refused(nmport_prepare("vale1:a@share=netmap:none99") == NULL, ENXIO, "none99");
	// The kernel's own words.
	refused(nmport_open("netmap:none99") == NULL, ENXIO, "no network interface none99");
	refused(nmport_open("vale1:a/x") == NULL, EBUSY, "cannot be bound exclusively");
	refused(nmport_open("vale1:a-7") == NULL, EINVAL, "there is no ring 7");
	refused(nmport_open("vale1:b@54321") == NULL, EINVAL, "54321");
	nmport_close(a);
}

static void in_steps(void)
{
	struct nmport_d *d, *other;

	step = "step by step";
	d = nmport_new();
	expect(d != NULL && d->fd == -1 && d->ctx == nmctx_get());
	refused(nmport_mmap(d) == -1, EINVAL, "is not registered yet");
	refused(nmport_parse(d, "vale1:") == -1, EINVAL, "missing");
	expect(nmport_parse(d, "vale1:first") == 0 && nmport_parse(d, "vale1:steps-0/RT@1") == 0);
	expect(strcmp(d->hdr.nr_name, "vale1:steps") == 0 && d->reg.nr_mode == NR_REG_ONE_NIC);
	expect(d->reg.nr_flags == (NR_RX_RINGS_ONLY | NR_TX_RINGS_ONLY) && d->reg.nr_mem_id == 1);
	nmport_undo_parse(d);
	expect(d->hdr.nr_name[0] == '\0' && d->reg.nr_mode == 0);
	expect(nmport_parse(d, "vale1:steps") == 0);
	expect(nmport_register(d) == 0 && d->fd >= 0 && d->nifp == NULL && d->reg.nr_memsize > 0);
	refused(nmport_register(d) == -1, EINVAL, "vale1:steps is registered already");
	refused(nmport_parse(d, "vale1:other") == -1, EINVAL, "is registered already");
	refused(nmport_offset(d, 0, 0, 0, 0) == -1, EINVAL, "is registered already");
	refused(nmport_extmem(d, said, 4096) == -1, EINVAL, "is registered already");
	expect(nmport_mmap(d) == 0 && d->nifp != NULL && d->last_tx_ring == 0);
	expect(nmport_mmap(d) == 0);

	// In the same region by the other port's name, and by its number.
	other = nmport_open("vale1:sharing@share=vale1:steps");
	expect(other != NULL && other->reg.nr_mem_id == d->reg.nr_mem_id && other->mem == d->mem);
	nmport_close(other);

	nmport_undo_mmap(d);
	expect(d->nifp == NULL && d->mem == NULL && d->last_tx_ring < d->first_tx_ring);
	nmport_undo_register(d);
	expect(d->fd == -1 && !d->register_done);
	// The region has gone with the port: it is asked for as it was before.
	expect(d->reg.nr_mem_id == 0 && d->reg.nr_memsize == 0);
	expect(nmport_open_desc(d) == 0 && d->mmap_done);
	nmport_undo_open_desc(d);
	nmport_undo_open_desc(d);
	expect(d->fd == -1 && !d->mmap_done);
	nmport_undo_parse(d);
	nmport_delete(d);

	d = nmport_prepare("null:label@1");
	expect(d != NULL && strcmp(d->hdr.nr_name, "label") == 0 && d->reg.nr_mode == NR_REG_NULL);
	expect(nmport_open_desc(d) == 0 && d->reg.nr_mem_id == 1);
	nmport_undo_open_desc(d);
	nmport_undo_prepare(d);
	// Nothing is done about nothing.
	nmport_close(NULL);
	refused(nmport_open_desc(NULL) == -1, EINVAL, "no port");
	refused(nmport_clone(NULL) == NULL, EINVAL, "no port");
	expect(nmport_inject(NULL, said, 60) == 0 && nmport_extmem_getinfo(NULL) == NULL);
}

static void about_a_port(void)
{
	struct nmreq_port_info_get info;
	struct nmreq_register reg = { .nr_tx_slots = 5 };
	struct nmreq_header hdr;
	const char *at = "vale1:info{1-3/x@9@conf:slots=1", *name = "vale1:a@conf:slots=2";
	struct nmport_d *a;
	int fd = open("/dev/netmap", O_RDWR);

	step = "asking about a port";
	expect(fd >= 0);
	nmreq_header_init(&hdr, NETMAP_REQ_PORT_INFO_GET, &info);
	expect(hdr.nr_version == NETMAP_API && hdr.nr_reserved == 0 && hdr.nr_options == 0);
	expect(nmreq_header_decode(&at, &hdr, NULL) == 0);
	expect(strcmp(hdr.nr_name, "vale1:info{1") == 0 && strcmp(at, "-3/x@9@conf:slots=1") == 0);
	expect(nmreq_register_decode(&at, &reg, NULL) == 0 && strcmp(at, "@conf:slots=1") == 0);
	expect(reg.nr_mode == NR_REG_ONE_NIC && reg.nr_ringid == 3 && reg.nr_mem_id == 9);
	expect(reg.nr_flags == NR_EXCLUSIVE && reg.nr_tx_slots == 5);
	at = "-x";
	refused(nmreq_register_decode(&at, &reg, NULL) == -1, EINVAL, "a ring number");
	expect(strcmp(at, "-x") == 0);
	at = "a";
	refused(nmreq_header_decode(&at, &hdr, NULL) == -1, EINVAL, "is not a port name");

	at = "vale1:a";
	expect(nmreq_header_decode(&at, &hdr, NULL) == 0 && *at == '\0');
	a = nmport_open("vale1:a");
	expect(a != NULL);
	memset(&info, 0, sizeof(info));
	expect(ioctl(fd, NIOCCTRL, &hdr) == 0);
	expect(info.nr_mem_id == a->reg.nr_mem_id && info.nr_memsize == a->reg.nr_memsize);
	expect(info.nr_tx_slots == a->reg.nr_tx_slots && info.nr_rx_rings == 1);
	expect(nmreq_get_mem_id(&name, NULL) == a->reg.nr_mem_id);
	expect(strcmp(name, "@conf:slots=2") == 0);
	name = "netmap:none99";
	refused(nmreq_get_mem_id(&name, NULL) == -1, ENXIO, "none99");
	nmport_close(a);
	close(fd);
}

// REGISTER, which honours the option.
static void opened(struct nmport_d *d, struct nmreq_option *option)
{
	option->nro_status = 99;
	expect(nmport_open_desc(d) == 0);
	expect(option->nro_status == 0);
}

static void options(void)
{
	const size_t size = 64 << 20;
	struct nmreq_option first = { .nro_reqtype = 77 };
	struct nmreq_opt_csb csb = { .nro_opt = { .nro_reqtype = NETMAP_REQ_OPT_CSB } };
	struct nmreq_pools_info *info;
	struct nmreq_header hdr;
	struct nmport_d *d, *copy;
	char path[] = "/tmp/ferromap-XXXXXX", name[80];
	void *memory;
	int file;

	step = "the list of options";
	nmreq_header_init(&hdr, NETMAP_REQ_REGISTER, NULL);
	nmreq_push_option(&hdr, &first);
	nmreq_push_option(&hdr, &csb.nro_opt);
	expect(hdr.nr_options == (uintptr_t)&csb && csb.nro_opt.nro_next == (uintptr_t)&first);
	expect(nmreq_find_option(&hdr, 77) == &first && nmreq_find_option(&hdr, 78) == NULL);
	nmreq_remove_option(&hdr, &first);
	expect(csb.nro_opt.nro_next == 0 && nmreq_find_option(&hdr, 77) == NULL);
	nmreq_remove_option(&hdr, &csb.nro_opt);
	expect(hdr.nr_options == 0);
	nmreq_push_option(&hdr, (struct nmreq_option *)nmctx_malloc(NULL, sizeof(first)));
	nmreq_push_option(&hdr, (struct nmreq_option *)nmctx_malloc(NULL, sizeof(first)));
	nmreq_free_options(&hdr);
	expect(hdr.nr_options == 0);
	expect(strcmp(nmreq_option_name(NETMAP_REQ_OPT_OFFSETS), "offsets") == 0);
	expect(strcmp(nmreq_option_name(77), "unknown") == 0);

	step = "offsets";
	refused(nmport_enable_option("odd") == -1, ENOENT, "`odd` is none of");
	expect(nmport_enable_option("offset") == 0);
	d = nmport_prepare("vale1:offsets@offset=32");
	expect(d != NULL && d->hdr.nr_options == (uintptr_t)d->offsets);
	expect(d->offsets->nro_initial_offset == 32 && d->offsets->nro_max_offset == 32);
	refused(nmport_offset(d, 0, 0, 1ull << 32, 0) == -1, EINVAL, "64 bits");
	expect(nmport_offset(d, 64, 128, 16, 0) == 0);
	expect(nmreq_find_option(&d->hdr, NETMAP_REQ_OPT_OFFSETS) == &d->offsets->nro_opt);
	expect(d->offsets->nro_opt.nro_next == 0 && d->offsets->nro_offset_bits == 16);
	copy = nmport_clone(d);
	expect(copy != NULL && copy->offsets != d->offsets && copy->offsets->nro_max_offset == 128);
	expect(copy->hdr.nr_options == (uintptr_t)copy->offsets);
	nmport_undo_prepare(copy);
	opened(d, &d->offsets->nro_opt);
	{
		struct nmport_d *plain = nmport_open("vale1:plain");
		struct netmap_ring *ring = NETMAP_TXRING(d->nifp, 0);

		expect(plain != NULL && ring->offset_mask == 0xffff);
		expect(NETMAP_ROFFSET(ring, &ring->slot[0]) == 64);
		exchange(d, plain, 9);
		exchange(plain, d, 10);
		nmport_close(plain);
	}
	nmport_close(d);
	expect(nmport_disable_option("offset") == 0);
	refused(nmport_prepare("vale1:offsets@offset=32") == NULL, EINVAL, "enable it");

	step = "memory of the program";
	memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	expect(memory != MAP_FAILED);
	d = nmport_prepare("vale1:extmem");
	expect(d != NULL && nmport_extmem_getinfo(d) == NULL);
	expect(nmport_extmem(d, memory, size) == 0);
	refused(nmport_extmem(d, memory, size) == -1, EINVAL, "has memory for its region already");
	info = nmport_extmem_getinfo(d);
	expect(info == &d->extmem->nro_info && info->nr_memsize == size);
	info->nr_buf_pool_objsize = 2048;
	expect(d->extmem->nro_usrptr == (uintptr_t)memory);
	expect(nmreq_find_option(&d->hdr, NETMAP_REQ_OPT_EXTMEM) == &d->extmem->nro_opt);
	opened(d, &d->extmem->nro_opt);
	{
		struct nmport_d *plain = nmport_open("vale1:plain");

		expect(d->mem->is_extmem && d->mem->mem == memory);
		expect(info->nr_buf_pool_objtotal > 0);
		exchange(d, plain, 11);
		exchange(plain, d, 12);
		nmport_close(plain);
	}
	nmport_undo_open_desc(d);
	nmport_undo_extmem(d);
	expect(d->extmem == NULL && d->hdr.nr_options == 0);
	nmport_close(d);
	expect(munmap(memory, size) == 0);

	step = "memory of a file";
	file = mkstemp(path);
	expect(file >= 0);
	d = nmport_new();
	expect(d != NULL);
	refused(nmport_extmem_from_file(d, path) == -1, EINVAL, "empty");
	expect(ftruncate(file, 1 << 20) == 0);
	expect(nmport_extmem_from_file(d, path) == 0 && d->extmem->nro_info.nr_memsize == 1 << 20);
	strcpy((char *)(uintptr_t)d->extmem->nro_usrptr, "written");
	expect(pread(file, name, 8, 0) == 8 && strcmp(name, "written") == 0);
	nmport_close(d);
	snprintf(name, sizeof(name), "vale1:f@extmem:file=%s,buf-num=300,buf_size=2048", path);
	d = nmport_prepare(name);
	expect(d != NULL && d->extmem->nro_info.nr_buf_pool_objtotal == 300);
	expect(d->extmem->nro_info.nr_buf_pool_objsize == 2048);
	nmport_undo_prepare(d);
	close(file);
	unlink(path);

	step = "CSB";
	d = nmport_prepare("vale1:csb/x");
	expect(d != NULL);
	memory = aligned_alloc(64, 4096);
	memset(memory, 0, 4096);
	csb.csb_atok = (uintptr_t)memory;
	csb.csb_ktoa = (uintptr_t)memory + 2048;
	// What nobody honours is named.
	first = (struct nmreq_option){ .nro_reqtype = 77 };
	nmreq_push_option(&d->hdr, &first);
	ours.verbose = 1;
	said[0] = '\0';
	expect(nmport_open_desc(d) != 0 && errno == EOPNOTSUPP && first.nro_status == EOPNOTSUPP);
	expect(strstr(said, "option unknown: EOPNOTSUPP") != NULL);
	ours.verbose = 0;
	nmreq_remove_option(&d->hdr, &first);
	nmreq_push_option(&d->hdr, &csb.nro_opt);
	opened(d, &csb.nro_opt);
	{
		struct pollfd p = { .fd = d->fd, .events = POLLIN };
		struct nm_csb_atok *atok = (struct nm_csb_atok *)memory;

		expect(poll(&p, 1, 0) == 1 && (p.revents & POLLERR));
		expect(atok->appl_need_kick == 1);
	}
	// The program's own option is taken out by the program.
	nmreq_remove_option(&d->hdr, &csb.nro_opt);
	nmport_close(d);
	free(memory);
}

static int shared_number;

static void *count(void *unused)
{
	int i;

	for (i = 0; i < 20000; i++) {
		nmctx_lock(NULL);
		shared_number++;
		nmctx_unlock(NULL);
	}
	return unused;
}

static void *open_and_close(void *name)
{
	int i;

	for (i = 0; i < 20; i++) {
		struct nmport_d *d = nmport_open((const char *)name);

		expect(d != NULL);
		nmport_close(d);
	}
	return NULL;
}

static void contexts(void)
{
	struct nmctx mute = { .malloc = no_memory };
	static char one[] = "vale3:one", other[] = "vale3:other";
	pthread_t threads[2];

	step = "contexts";
	nmctx_ferror(NULL, "%d words", 2);
	expect(strcmp(said, "2 words") == 0);
	// One without memory, who does not listen.
	nmctx_set_default(&mute);
	sentences = 0;
	errno = 0;
	expect(nmport_open("vale1:a") == NULL && errno == ENOMEM && sentences == 0);
	errno = 0;
	expect(nmctx_malloc(NULL, 1) == NULL && errno == ENOMEM);
	nmctx_ferror(&mute, "nobody listens");
	expect(sentences == 0);
	nmctx_set_default(&ours);

	nmctx_set_threadsafe();
	expect(ours.lock != NULL);
	expect(pthread_create(&threads[0], NULL, count, NULL) == 0);
	expect(pthread_create(&threads[1], NULL, count, NULL) == 0);
	expect(pthread_join(threads[0], NULL) == 0 && pthread_join(threads[1], NULL) == 0);
	expect(shared_number == 40000);
	expect(pthread_create(&threads[0], NULL, open_and_close, one) == 0);
	expect(pthread_create(&threads[1], NULL, open_and_close, other) == 0);
	expect(pthread_join(threads[0], NULL) == 0 && pthread_join(threads[1], NULL) == 0);

	ours.verbose = 1;
	said[0] = '\0';
	nmport_close(nmport_open("vale1:a"));
	expect(strncmp(said, "vale1:a is open, in region ", 27) == 0);
	ours.verbose = 0;
}

static void in_the_header(void)
{
	union {
		struct netmap_ring ring;
		unsigned char room[512];
	} there;
	struct netmap_ring *ring = &there.ring;
	struct netmap_slot slot = { .ptr = 0xabcd0000 };
	struct nm_csb_atok atok = { .head = 0 };
	struct nm_csb_ktoa ktoa = { .hwcur = 3, .hwtail = 4 };
	uint32_t slots = 8, tail, cur;

	step = "what is in the header";
	memset(&there, 0, sizeof(there));
	memcpy((char *)ring + offsetof(struct netmap_ring, num_slots), &slots, sizeof(slots));
	expect(nm_ring_next(ring, 6) == 7 && nm_ring_next(ring, 7) == 0);
	ring->head = 6;
	ring->tail = 1;
	expect(nm_ring_space(ring) == 3 && !nm_ring_empty(ring) && nm_tx_pending(ring));
	ring->head = 2;
	expect(nm_ring_space(ring) == 7 && !nm_tx_pending(ring));
	ring->head = 1;
	expect(nm_ring_space(ring) == 0 && nm_ring_empty(ring));
	expect(NETMAP_ROFFSET(ring, &slot) == 0);
	ring->offset_mask = 0xff;
	NETMAP_WOFFSET(ring, &slot, 0x1234);
	expect(slot.ptr == 0xabcd0034 && NETMAP_ROFFSET(ring, &slot) == 0x34);
	slot.flags = 0x0320;
	expect(NS_RFRAGS(&slot) == 3);
	nm_sync_kloop_appl_write(&atok, 5, 4);
	expect(atok.cur == 5 && atok.head == 4);
	nm_sync_kloop_appl_read(&ktoa, &tail, &cur);
	expect(tail == 4 && cur == 3);
}

int main(void)
{
	nmctx_set_default(&ours);
	expect(nmctx_get() == &ours);
	over_a_switch();
	several_rings();
	over_a_host_ring();
	by_nm_open();
	bad_names();
	in_steps();
	about_a_port();
	options();
	contexts();
	in_the_header();
	step = "the end";
	expect(pieces == 0);
	// The library's own context is still there, and says things on stderr.
	nmctx_set_default(NULL);
	expect(nmctx_get() != &ours && nmctx_get()->error != NULL);
	expect(nmport_open("netmap:") == NULL && errno == EINVAL);
	return 0;
}
