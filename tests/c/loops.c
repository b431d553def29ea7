// SPDX-License-Identifier: MIT OR Apache-2.0
//
// CSB mode and kernel loops in C: frames through a loop on a switch port, a pipe, an interface
// and a persistent port, asleep, woken by eventfds and in their callers' context; and what is
// refused. It wants the interfaces cv0 and cv1, wired to each other.

#define _GNU_SOURCE
#include "check.h"
#include <pthread.h>
#include <sys/eventfd.h>

// A port with one ring each way, in CSB mode. Entry 0 of all tables is to transmit, 1 to receive.
struct loop {
	struct nmport_d *d;
	struct nm_csb_atok atok[2] __attribute__((aligned(64)));
	struct nm_csb_ktoa ktoa[2] __attribute__((aligned(64)));
	struct nmreq_opt_csb csb;
	uint32_t head[2];
	int wake_kernel[2], wake_us[2]; // eventfds, or -1
	struct nmreq_sync_kloop_start start;
	void *options;
	pthread_t thread;
	int error;
};

static void prepare_csb(struct loop *l, const char *name)
{
	memset(l, 0, sizeof(*l));
	l->d = prepare(name);
	l->csb.nro_opt.nro_reqtype = NETMAP_REQ_OPT_CSB;
	l->csb.csb_atok = (uintptr_t)l->atok;
	l->csb.csb_ktoa = (uintptr_t)l->ktoa;
	l->wake_kernel[0] = l->wake_kernel[1] = l->wake_us[0] = l->wake_us[1] = -1;
	l->start.sleep_us = 50;
}

static void open_csb(struct loop *l, const char *name)
{
	int i;

	prepare_csb(l, name);
	nmreq_push_option(&l->d->hdr, &l->csb.nro_opt);
	l->csb.nro_opt.nro_status = 99;
	expect(nmport_open_desc(l->d) == 0 && l->csb.nro_opt.nro_status == 0);
	nmreq_remove_option(&l->d->hdr, &l->csb.nro_opt);
	for (i = 0; i < 2; i++) {
		struct netmap_ring *ring = i == 0 ? tx_ring(l->d) : rx_ring(l->d);

		expect(l->atok[i].head == ring->head && l->atok[i].cur == ring->cur);
		expect(l->atok[i].appl_need_kick == 1 && l->atok[i].sync_flags == 1);
		expect(l->ktoa[i].hwcur == ring->head && l->ktoa[i].hwtail == ring->tail);
		expect(l->ktoa[i].kern_need_kick == 1);
		l->head[i] = ring->head;
	}
	// What a program did without a loop is over.
	expect(polled(l->d->fd, POLLIN | POLLOUT, 0) == POLLERR);
	fails(ioctl(l->d->fd, NIOCTXSYNC, NULL) == -1, EBUSY);
	fails(ioctl(l->d->fd, NIOCRXSYNC, NULL) == -1, EBUSY);
}

static void *run(void *arg)
{
	struct loop *l = (struct loop *)arg;

	errno = 0;
	request(l->d->fd, NETMAP_REQ_SYNC_KLOOP_START, "", &l->start, l->options);
	l->error = errno;
	return NULL;
}

static void start(struct loop *l)
{
	l->error = -1;
	expect(pthread_create(&l->thread, NULL, run, l) == 0);
}

static void stop(struct loop *l)
{
	expect(request(l->d->fd, NETMAP_REQ_SYNC_KLOOP_STOP, "", NULL, NULL) == 0);
	expect(pthread_join(l->thread, NULL) == 0);
	errno = l->error;
	expect(l->error == 0);
}

static void hand_over(struct loop *l, int ring)
{
	uint64_t one = 1;

	nm_sync_kloop_appl_write(&l->atok[ring], l->head[ring], l->head[ring]);
	// The kernel asks for a kick and looks once more; we write and look whether it asks.
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	if (l->wake_kernel[ring] != -1 &&
	    __atomic_load_n(&l->ktoa[ring].kern_need_kick, __ATOMIC_RELAXED))
		expect(write(l->wake_kernel[ring], &one, sizeof(one)) == sizeof(one));
}

static bool has_something(struct loop *l, int ring)
{
	uint32_t hwtail, hwcur;

	nm_sync_kloop_appl_read(&l->ktoa[ring], &hwtail, &hwcur);
	return hwtail != l->head[ring];
}

// Waits for room to send, or for a frame.
static void wait_for(struct loop *l, int ring)
{
	uint64_t times;

	if (l->wake_us[ring] == -1)
		eventually(has_something(l, ring));
	while (!has_something(l, ring)) {
		expect(polled(l->wake_us[ring], POLLIN, 10000) == POLLIN);
		expect(read(l->wake_us[ring], &times, sizeof(times)) == sizeof(times) && times > 0);
	}
}

static void send_by_loop(struct loop *l, size_t len, unsigned char from, uint32_t number)
{
	struct netmap_ring *ring = tx_ring(l->d);
	struct netmap_slot *slot;

	wait_for(l, 0);
	slot = &ring->slot[l->head[0]];
	make_frame((unsigned char *)NETMAP_BUF(ring, slot->buf_idx), len, from, number);
	slot->len = (uint16_t)len;
	slot->flags = 0;
	l->head[0] = nm_ring_next(ring, l->head[0]);
	hand_over(l, 0);
}

static void take_by_loop(struct loop *l, size_t len, unsigned char from, uint32_t number)
{
	struct netmap_ring *ring = rx_ring(l->d);
	struct netmap_slot *slot;

	wait_for(l, 1);
	slot = &ring->slot[l->head[1]];
	expect(slot->len == len);
	expect(is_frame(NETMAP_BUF(ring, slot->buf_idx), len, from, number));
	l->head[1] = nm_ring_next(ring, l->head[1]);
	hand_over(l, 1);
}

// More frames than a ring has slots, to and fro.
static void frames(struct loop *l, struct nmport_d *peer)
{
	uint32_t i;

	for (i = 0; i < 1500; i++) {
		size_t len = 60 + i % (LONGEST - 59);

		send_by_loop(l, len, 1, i);
		take(peer, len, 1, i);
		send_frame(peer, len, 2, i);
		take_by_loop(l, len, 2, i);
	}
	expect(is_silent(peer) && !has_something(l, 1));
}

static void over(const char *port, const char *other)
{
	struct nmport_d *peer = open_port(other);
	struct {
		struct nmreq_option nro_opt;
		struct nm_kloop_eventfds eventfds[2];
	} events = { .nro_opt = { .nro_reqtype = NETMAP_REQ_OPT_SYNC_KLOOP_EVENTFDS } };
	struct nmreq_opt_sync_kloop_mode direct = {
		.nro_opt = { .nro_reqtype = NETMAP_REQ_OPT_SYNC_KLOOP_MODE },
		.mode = NM_OPT_SYNC_KLOOP_DIRECT_TX | NM_OPT_SYNC_KLOOP_DIRECT_RX,
	};
	struct loop l;
	int i;

	open_csb(&l, port);
	start(&l);
	frames(&l, peer);
	refuses(l.d->fd, NETMAP_REQ_SYNC_KLOOP_START, "", &l.start, NULL, EBUSY,
		"is running already");
	refuses(l.d->fd, NETMAP_REQ_CSB_ENABLE, "", NULL, &l.csb, EBUSY,
		"is running: stop it first");
	expect(l.csb.nro_opt.nro_status == EBUSY);
	stop(&l);

	// The same loop once more, woken by eventfds.
	for (i = 0; i < 2; i++) {
		events.eventfds[i].ioeventfd = l.wake_kernel[i] = eventfd(0, 0);
		events.eventfds[i].irqfd = l.wake_us[i] = eventfd(0, 0);
		expect(l.wake_kernel[i] >= 0 && l.wake_us[i] >= 0);
	}
	events.nro_opt.nro_size = sizeof(events);
	events.nro_opt.nro_status = 99;
	l.options = &events;
	start(&l);
	frames(&l, peer);
	stop(&l);
	expect(events.nro_opt.nro_status == 0);

	// And where frames are sent by whoever signals.
	events.nro_opt.nro_next = (uintptr_t)&direct;
	events.nro_opt.nro_status = direct.nro_opt.nro_status = 99;
	start(&l);
	frames(&l, peer);
	stop(&l);
	expect(events.nro_opt.nro_status == 0 && direct.nro_opt.nro_status == 0);
	for (i = 0; i < 2; i++) {
		close(l.wake_kernel[i]);
		close(l.wake_us[i]);
	}
	nmport_close(l.d);
	nmport_close(peer);
}

static void refused_csb(const char *name, uint64_t atok, uint64_t ktoa, int error,
	const char *words)
{
	struct loop l;

	prepare_csb(&l, name);
	l.csb.csb_atok = atok;
	l.csb.csb_ktoa = ktoa;
	nmreq_push_option(&l.d->hdr, &l.csb.nro_opt);
	refused(nmport_open_desc(l.d) == -1, error, words);
	expect(l.csb.nro_opt.nro_status == (uint32_t)error);
	nmreq_remove_option(&l.d->hdr, &l.csb.nro_opt);
	nmport_undo_prepare(l.d);
}

static void without_csb(void)
{
	struct nmport_d *d = open_port("vale0:plain");
	struct loop l;
	uintptr_t good[2];
	int unbound = control();

	step = "what CSB mode wants";
	prepare_csb(&l, "vale0:a/x");
	good[0] = (uintptr_t)l.atok;
	good[1] = (uintptr_t)l.ktoa;
	nmport_undo_prepare(l.d);
	refused_csb("vale0:a", good[0], good[1], EINVAL, "with NR_EXCLUSIVE");
	refused_csb("vale0:a/x", good[0] + 4, good[1], EINVAL, "csb_atok is");
	refused_csb("vale0:a/x", good[0], good[1] + 32, EINVAL, "csb_ktoa is");
	refused_csb("vale0:a/x", 64, good[1], EFAULT, "cannot be accessed");
	refused_csb("vale0:a/x", good[0], 64, EFAULT, "cannot be accessed");
	refuses(d->fd, NETMAP_REQ_CSB_ENABLE, "", NULL, NULL, EINVAL, "needs NETMAP_REQ_OPT_CSB");
	refuses(d->fd, NETMAP_REQ_CSB_ENABLE, "", NULL, &l.csb, EINVAL,
		"with NR_EXCLUSIVE");
	refuses(unbound, NETMAP_REQ_CSB_ENABLE, "", NULL, &l.csb, ENXIO, "not bound");
	refuses(d->fd, NETMAP_REQ_SYNC_KLOOP_START, "", &l.start, NULL, EINVAL, "needs CSB mode");
	refuses(unbound, NETMAP_REQ_SYNC_KLOOP_START, "", &l.start, NULL, ENXIO, "not bound");
	refuses(unbound, NETMAP_REQ_SYNC_KLOOP_STOP, "", NULL, NULL, ENXIO, "not bound");
	close(unbound);
	nmport_close(d);

	step = "CSB mode for a port that is open";
	d = open_port("vale0:a/x");
	l.csb.nro_opt.nro_status = 99;
	expect(request(d->fd, NETMAP_REQ_CSB_ENABLE, "", NULL, &l.csb) == 0);
	expect(l.csb.nro_opt.nro_status == 0 && l.ktoa[0].hwtail == tx_ring(d)->tail);
	fails(ioctl(d->fd, NIOCTXSYNC, NULL) == -1, EBUSY);
	nmport_close(d);
}

// Options of START are refused: by this errno, which the first one has as its status.
static void refused_start(struct loop *l, struct nmreq_option *option, int error,
	const char *words)
{
	refuses(l->d->fd, NETMAP_REQ_SYNC_KLOOP_START, "", &l->start, option, error, words);
	expect(option->nro_status == (uint32_t)error);
}

static void what_start_wants(void)
{
	struct {
		struct nmreq_option nro_opt;
		struct nm_kloop_eventfds eventfds[2];
	} events = {
		.nro_opt = {
			.nro_reqtype = NETMAP_REQ_OPT_SYNC_KLOOP_EVENTFDS,
			.nro_size = sizeof(events),
		},
		.eventfds = { { -1, -1 }, { -1, -1 } },
	};
	struct nmreq_opt_sync_kloop_mode mode = {
		.nro_opt = { .nro_reqtype = NETMAP_REQ_OPT_SYNC_KLOOP_MODE },
	};
	struct loop l;
	int file = open("/dev/null", O_RDWR);

	step = "what a loop wants";
	open_csb(&l, "vale0:a/x");
	l.start.sleep_us = 1000001;
	refuses(l.d->fd, NETMAP_REQ_SYNC_KLOOP_START, "", &l.start, NULL, EINVAL,
		"sleep_us is 1000001");
	l.start.sleep_us = 1000000;
	events.nro_opt.nro_size -= sizeof(events.eventfds[0]);
	refused_start(&l, &events.nro_opt, EINVAL, "is 32: for 2 rings it is 40");
	events.nro_opt.nro_size = sizeof(events);
	events.eventfds[1].ioeventfd = file;
	refused_start(&l, &events.nro_opt, EINVAL, "ioeventfd of ring 1, is no eventfd");
	events.eventfds[1].ioeventfd = 999;
	refused_start(&l, &events.nro_opt, EBADF, "descriptor 999");
	events.eventfds[1].ioeventfd = -1;
	// A direct mode has nobody who signals it.
	mode.mode = NM_OPT_SYNC_KLOOP_DIRECT_TX;
	mode.nro_opt.nro_next = (uintptr_t)&events;
	refused_start(&l, &mode.nro_opt, EINVAL, "needs an ioeventfd for each");
	mode.mode = 4;
	refused_start(&l, &mode.nro_opt, EINVAL, "mode 0x4");

	step = "a stop before the start";
	expect(request(l.d->fd, NETMAP_REQ_SYNC_KLOOP_STOP, "", NULL, NULL) == 0);
	expect(request(l.d->fd, NETMAP_REQ_SYNC_KLOOP_START, "", &l.start, NULL) == 0);
	close(file);
	nmport_close(l.d);
}

int main(void)
{
	struct nmreq_vale_newif newif = { .nr_tx_slots = 0 };
	struct nmreq_vale_attach attach = { .reg = { .nr_mode = NR_REG_ALL_NIC } };
	struct nmreq_vale_detach detach = { .port_index = 0 };
	int fd = control();

	listen_to_the_library();
	step = "a loop on a switch port";
	over("vale0:a/x", "vale0:b");
	step = "a loop on a pipe";
	over("netmap:cloop{1/x", "netmap:cloop}1");
	step = "a loop on an interface";
	over("netmap:cv0/x", "netmap:cv1");
	step = "a loop on a persistent port";
	expect(request(fd, NETMAP_REQ_VALE_NEWIF, "cloop0", &newif, NULL) == 0);
	expect(request(fd, NETMAP_REQ_VALE_ATTACH, "vale1:cloop0", &attach, NULL) == 0);
	over("netmap:cloop0/x", "vale1:peer");
	expect(request(fd, NETMAP_REQ_VALE_DETACH, "vale1:cloop0", &detach, NULL) == 0);
	expect(request(fd, NETMAP_REQ_VALE_DELIF, "cloop0", NULL, NULL) == 0);
	without_csb();
	what_start_wants();
	close(fd);
	return 0;
}
