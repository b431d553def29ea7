// SPDX-License-Identifier: MIT OR Apache-2.0
//
// Kernel loops on host rings in C, alone and together with those of their interface: what the
// machine's own stack sends and hears. It wants the interfaces cv0 and cv1, wired to each other.

#define _GNU_SOURCE
#include "loop.h"

// Who is at the other ends: the far end of the wire for the interface's rings, and the host.
struct others {
	struct nmport_d *wire;
	int host;
};

static void between_wire_and_host(struct loop *l, void *others)
{
	enum { WIRE_TX, HOST_TX, WIRE_RX, HOST_RX };
	struct others *o = (struct others *)others;
	uint32_t i;

	expect(l->rings == 4);
	// Rings of the host follow those of the interface, in each direction.
	expect(l->ring[WIRE_TX]->ringid == 0 && l->ring[HOST_TX]->ringid == 1);
	expect(l->ring[WIRE_RX]->ringid == 0 && l->ring[HOST_RX]->ringid == 1);
	for (i = 0; i < 1500; i++) {
		size_t len = 60 + i % (LONGEST - 59);

		send_by_loop(l, WIRE_TX, len, 1, i);
		take(o->wire, len, 1, i);
		send_by_loop(l, HOST_TX, len, 2, i);
		host_hears(o->host, len, 2, i);
		send_frame(o->wire, len, 3, i);
		take_by_loop(l, WIRE_RX, len, 3, i);
		host_sends(o->host, len, 4, i);
		take_by_loop(l, HOST_RX, len, 4, i);
	}
	// Nothing went another way.
	expect(is_silent(o->wire));
	expect(!has_something(l, WIRE_RX) && !has_something(l, HOST_RX));
	expect(!host_has_more(o->host));
}

// While another file has the interface's rings: without them the host sends past its own.
static void with_the_host_alone(struct loop *l, void *others)
{
	enum { HOST_TX, HOST_RX };
	struct others *o = (struct others *)others;
	uint32_t i;

	expect(l->rings == 2);
	expect(l->ring[HOST_TX]->ringid == 1 && l->ring[HOST_RX]->ringid == 1);
	for (i = 0; i < 1500; i++) {
		size_t len = 60 + i % (LONGEST - 59);

		send_by_loop(l, HOST_TX, len, 5, i);
		host_hears(o->host, len, 5, i);
		host_sends(o->host, len, 6, i);
		take_by_loop(l, HOST_RX, len, 6, i);
	}
	expect(is_silent(o->wire) && !has_something(l, HOST_RX));
	expect(!host_has_more(o->host));
}

// A loop has an entry for each ring, whichever kind it is of.
static void as_many_eventfds_as_rings(void)
{
	struct {
		struct nmreq_option nro_opt;
		struct nm_kloop_eventfds eventfds[3];
	} few = {
		.nro_opt = {
			.nro_reqtype = NETMAP_REQ_OPT_SYNC_KLOOP_EVENTFDS,
			.nro_size = sizeof(few),
		},
		.eventfds = { { -1, -1 }, { -1, -1 }, { -1, -1 } },
	};
	struct loop l;

	open_csb(&l, "netmap:cv0*/x");
	refuses(l.d->fd, NETMAP_REQ_SYNC_KLOOP_START, "", &l.start, &few, EINVAL,
		"is 48: for 4 rings it is 56");
	expect(few.nro_opt.nro_status == EINVAL);
	nmport_close(l.d);
}

int main(void)
{
	struct others others = { .wire = NULL };
	struct nmport_d *rings;
	struct loop l;

	listen_to_the_library();
	others.wire = open_port("netmap:cv1");
	others.host = host_of("cv0");

	step = "a loop on all rings of an interface";
	open_csb(&l, "netmap:cv0*/x");
	in_each_way(&l, between_wire_and_host, &others);

	step = "a loop on host rings alone";
	rings = open_port("netmap:cv0");
	open_csb(&l, "netmap:cv0^/x");
	in_each_way(&l, with_the_host_alone, &others);
	nmport_close(rings);

	step = "eventfds of a loop on all rings";
	as_many_eventfds_as_rings();
	close(others.host);
	nmport_close(others.wire);
	return 0;
}
