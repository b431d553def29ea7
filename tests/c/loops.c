// SPDX-License-Identifier: MIT OR Apache-2.0
//
// CSB mode and kernel loops in C: frames through a loop on a switch port, a pipe, an interface
// and a persistent port; and what is refused. It wants the interfaces cv0 and cv1, wired to each
// other. Those on host rings are in host_loops.c.

#define _GNU_SOURCE
#include "loop.h"

// More frames than a ring has slots, to and fro, between a port with one ring each way and another.
static void frames(struct loop *l, void *others)
{
	struct nmport_d *peer = (struct nmport_d *)others;
	uint32_t i;

	expect(l->rings == 2);
	for (i = 0; i < 1500; i++) {
		size_t len = 60 + i % (LONGEST - 59);

		send_by_loop(l, 0, len, 1, i);
		take(peer, len, 1, i);
		send_frame(peer, len, 2, i);
		take_by_loop(l, 1, len, 2, i);
	}
	expect(is_silent(peer) && !has_something(l, 1));
}

static void over(const char *port, const char *other)
{
	struct nmport_d *peer = open_port(other);
	struct loop l;

	open_csb(&l, port);
	in_each_way(&l, frames, peer);
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
