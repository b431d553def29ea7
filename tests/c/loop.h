// SPDX-License-Identifier: MIT OR Apache-2.0
//
// A port in CSB mode and the loop that moves its frames in the kernel: asleep, woken by eventfds,
// and in its callers' context.

#ifndef LOOP_H
#define LOOP_H

#include "check.h"
#include <net/netmap_virt.h>
#include <pthread.h>
#include <sys/eventfd.h>

#define MOST_RINGS 4

// Entries of all tables are those of the bound rings, first to transmit, then to receive.
struct loop {
	struct nmport_d *d;
	int rings;
	struct netmap_ring *ring[MOST_RINGS];
	struct nm_csb_atok atok[MOST_RINGS] __attribute__((aligned(64)));
	struct nm_csb_ktoa ktoa[MOST_RINGS] __attribute__((aligned(64)));
	struct nmreq_opt_csb csb;
	uint32_t head[MOST_RINGS];
	int wake_kernel[MOST_RINGS], wake_us[MOST_RINGS]; // eventfds, or -1
	struct nmreq_sync_kloop_start start;
	void *options;
	pthread_t thread;
	int error;
};

static inline void prepare_csb(struct loop *l, const char *name)
{
	int i;

	memset(l, 0, sizeof(*l));
	l->d = prepare(name);
	l->csb.nro_opt.nro_reqtype = NETMAP_REQ_OPT_CSB;
	l->csb.csb_atok = (uintptr_t)l->atok;
	l->csb.csb_ktoa = (uintptr_t)l->ktoa;
	for (i = 0; i < MOST_RINGS; i++)
		l->wake_kernel[i] = l->wake_us[i] = -1;
	l->start.sleep_us = 50;
}

static inline void open_csb(struct loop *l, const char *name)
{
	int i;

	prepare_csb(l, name);
	nmreq_push_option(&l->d->hdr, &l->csb.nro_opt);
	l->csb.nro_opt.nro_status = 99;
	expect(nmport_open_desc(l->d) == 0 && l->csb.nro_opt.nro_status == 0);
	nmreq_remove_option(&l->d->hdr, &l->csb.nro_opt);
	for (i = l->d->first_tx_ring; i <= l->d->last_tx_ring; i++)
		l->ring[l->rings++] = NETMAP_TXRING(l->d->nifp, i);
	for (i = l->d->first_rx_ring; i <= l->d->last_rx_ring; i++)
		l->ring[l->rings++] = NETMAP_RXRING(l->d->nifp, i);
	for (i = 0; i < l->rings; i++) {
		struct netmap_ring *ring = l->ring[i];

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

static inline void *run(void *arg)
{
	struct loop *l = (struct loop *)arg;

	errno = 0;
	request(l->d->fd, NETMAP_REQ_SYNC_KLOOP_START, "", &l->start, l->options);
	l->error = errno;
	return NULL;
}

static inline void start(struct loop *l)
{
	l->error = -1;
	expect(pthread_create(&l->thread, NULL, run, l) == 0);
}

static inline void stop(struct loop *l)
{
	expect(request(l->d->fd, NETMAP_REQ_SYNC_KLOOP_STOP, "", NULL, NULL) == 0);
	expect(pthread_join(l->thread, NULL) == 0);
	errno = l->error;
	expect(l->error == 0);
}

static inline void hand_over(struct loop *l, int ring)
{
	uint64_t one = 1;

	nm_sync_kloop_appl_write(&l->atok[ring], l->head[ring], l->head[ring]);
	// The kernel asks for a kick and looks once more; we write and look whether it asks.
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	if (l->wake_kernel[ring] != -1 &&
	    __atomic_load_n(&l->ktoa[ring].kern_need_kick, __ATOMIC_RELAXED))
		expect(write(l->wake_kernel[ring], &one, sizeof(one)) == sizeof(one));
}

static inline bool has_something(struct loop *l, int ring)
{
	uint32_t hwtail, hwcur;

	nm_sync_kloop_appl_read(&l->ktoa[ring], &hwtail, &hwcur);
	return hwtail != l->head[ring];
}

// Waits for room to send, or for a frame.
static inline void wait_for(struct loop *l, int ring)
{
	uint64_t times;

	if (l->wake_us[ring] == -1)
		eventually(has_something(l, ring));
	while (!has_something(l, ring)) {
		expect(polled(l->wake_us[ring], POLLIN, 10000) == POLLIN);
		expect(read(l->wake_us[ring], &times, sizeof(times)) == sizeof(times) && times > 0);
	}
}

// The next slot that is the program's, once there is one.
static inline struct netmap_slot *next_slot(struct loop *l, int entry)
{
	wait_for(l, entry);
	return &l->ring[entry]->slot[l->head[entry]];
}

// Gives the kernel the slot that is next.
static inline void pass_slot(struct loop *l, int entry)
{
	l->head[entry] = nm_ring_next(l->ring[entry], l->head[entry]);
	hand_over(l, entry);
}

static inline void send_by_loop(struct loop *l, int entry, size_t len, unsigned char from,
	uint32_t number)
{
	struct netmap_ring *ring = l->ring[entry];
	struct netmap_slot *slot = next_slot(l, entry);

	make_frame((unsigned char *)NETMAP_BUF(ring, slot->buf_idx), len, from, number);
	slot->len = (uint16_t)len;
	slot->flags = 0;
	pass_slot(l, entry);
}

static inline void take_by_loop(struct loop *l, int entry, size_t len, unsigned char from,
	uint32_t number)
{
	struct netmap_slot *slot = next_slot(l, entry);

	expect(slot->len == len);
	expect(is_frame(NETMAP_BUF(l->ring[entry], slot->buf_idx), len, from, number));
	pass_slot(l, entry);
}

// Has frames pass in each of the ways in which a loop runs; then the port is closed.
static inline void in_each_way(struct loop *l, void (*frames)(struct loop *l, void *others),
	void *others)
{
	struct {
		struct nmreq_option nro_opt;
		struct nm_kloop_eventfds eventfds[MOST_RINGS];
	} events = { .nro_opt = { .nro_reqtype = NETMAP_REQ_OPT_SYNC_KLOOP_EVENTFDS } };
	struct nmreq_opt_sync_kloop_mode direct = {
		.nro_opt = { .nro_reqtype = NETMAP_REQ_OPT_SYNC_KLOOP_MODE },
		.mode = NM_OPT_SYNC_KLOOP_DIRECT_TX | NM_OPT_SYNC_KLOOP_DIRECT_RX,
	};
	int i;

	start(l);
	frames(l, others);
	refuses(l->d->fd, NETMAP_REQ_SYNC_KLOOP_START, "", &l->start, NULL, EBUSY,
		"is running already");
	refuses(l->d->fd, NETMAP_REQ_CSB_ENABLE, "", NULL, &l->csb, EBUSY,
		"is running: stop it first");
	expect(l->csb.nro_opt.nro_status == EBUSY);
	stop(l);

	// The same loop once more, woken by eventfds.
	for (i = 0; i < l->rings; i++) {
		events.eventfds[i].ioeventfd = l->wake_kernel[i] = eventfd(0, 0);
		events.eventfds[i].irqfd = l->wake_us[i] = eventfd(0, 0);
		expect(l->wake_kernel[i] >= 0 && l->wake_us[i] >= 0);
	}
	events.nro_opt.nro_size = sizeof(events.nro_opt) +
		(size_t)l->rings * sizeof(events.eventfds[0]);
	events.nro_opt.nro_status = 99;
	l->options = &events;
	start(l);
	frames(l, others);
	stop(l);
	expect(events.nro_opt.nro_status == 0);

	// And where frames are sent by whoever signals.
	events.nro_opt.nro_next = (uintptr_t)&direct;
	events.nro_opt.nro_status = direct.nro_opt.nro_status = 99;
	start(l);
	frames(l, others);
	stop(l);
	expect(events.nro_opt.nro_status == 0 && direct.nro_opt.nro_status == 0);
	for (i = 0; i < l->rings; i++) {
		close(l->wake_kernel[i]);
		close(l->wake_us[i]);
	}
	nmport_close(l->d);
}

#endif // LOOP_H
