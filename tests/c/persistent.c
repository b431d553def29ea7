// SPDX-License-Identifier: MIT OR Apache-2.0
//
// Persistent ports in C: made, plugged into a switch and opened by both names, with pipes and
// monitors, and deleted; and what is refused meanwhile.

#define _GNU_SOURCE
#include "check.h"

static int fd;

static void newif(const char *name, struct nmreq_vale_newif *body)
{
	expect(request(fd, NETMAP_REQ_VALE_NEWIF, name, body, NULL) == 0);
	expect(if_nametoindex(name) != 0);
}

static void delif(const char *name)
{
	expect(request(fd, NETMAP_REQ_VALE_DELIF, name, NULL, NULL) == 0);
	expect(if_nametoindex(name) == 0);
}

static void made_and_deleted(void)
{
	struct nmreq_vale_newif body = {
		.nr_tx_slots = 64,
		.nr_rx_slots = 128,
		.nr_tx_rings = 2,
		.nr_rx_rings = 200,
	};
	struct nmport_d *d;

	step = "a persistent port";
	newif("cpp0", &body);
	expect(body.nr_tx_slots == 64 && body.nr_rx_slots == 128);
	expect(body.nr_tx_rings == 2 && body.nr_rx_rings == VALE_MAX_RINGS && body.nr_mem_id > 1);
	d = open_port("netmap:cpp0");
	expect(d->reg.nr_tx_slots == 64 && d->reg.nr_rx_slots == 128 && d->last_tx_ring == 1);
	expect(d->reg.nr_rx_rings == VALE_MAX_RINGS && d->reg.nr_mem_id == body.nr_mem_id);
	expect(d->reg.nr_host_tx_rings == 0 && (d->nifp->ni_flags & NI_PRIV_MEM));
	// Without a switch all that it sends is discarded, and nothing comes.
	send_frame(d, 60, 1, 0);
	expect(!nm_tx_pending(tx_ring(d)) && is_silent(d));
	refused(nmport_open("netmap:cpp0^") == NULL, EINVAL, "no host rings");
	refuses(fd, NETMAP_REQ_VALE_DELIF, "cpp0", NULL, NULL, EBUSY, "cpp0 is open");
	nmport_close(d);

	step = "names of persistent ports";
	refuses(fd, NETMAP_REQ_VALE_NEWIF, "cpp0", &body, NULL, EEXIST,
		"an interface cpp0 already");
	refuses(fd, NETMAP_REQ_VALE_NEWIF, "valecpp", &body, NULL, EINVAL,
		"cannot be an interface's name");
	refuses(fd, NETMAP_REQ_VALE_NEWIF, "cpp4567890123456", &body, NULL, EINVAL,
		"cannot be an interface's name");
	body.nr_mem_id = 54321;
	refuses(fd, NETMAP_REQ_VALE_NEWIF, "cpp1", &body, NULL, EINVAL, "no memory region 54321");
	refuses(fd, NETMAP_REQ_VALE_DELIF, "cpp1", NULL, NULL, ENXIO, "no interface cpp1");
	refuses(fd, NETMAP_REQ_VALE_DELIF, "cv0", NULL, NULL, EINVAL, "cv0 is no persistent port");
	refuses(fd, NETMAP_REQ_VALE_DELIF, "cpp0", &body, NULL, EINVAL, "has no body");

	step = "a persistent port in region 1";
	memset(&body, 0, sizeof(body));
	body.nr_mem_id = GLOBAL_MEM_ID;
	newif("cpp1", &body);
	expect(body.nr_tx_slots == VALE_DEFAULT_SLOTS && body.nr_tx_rings == 1);
	d = open_port("netmap:cpp1");
	expect(d->reg.nr_mem_id == GLOBAL_MEM_ID && !(d->nifp->ni_flags & NI_PRIV_MEM));
	nmport_close(d);
	delif("cpp1");
	delif("cpp0");
}

static void plugged_in(void)
{
	struct nmreq_vale_newif body = { .nr_tx_slots = 0 };
	struct nmreq_vale_attach attach = { .reg = { .nr_mode = NR_REG_ALL_NIC } };
	struct nmreq_vale_detach detach = { .port_index = 99 };
	struct nmreq_port_info_get info = { .nr_tx_slots = 0 };
	struct nmport_d *d, *same, *peer = open_port("vale0:peer"), *monitor, *slave;

	step = "a persistent port in a switch";
	newif("cpp0", &body);
	refuses(fd, NETMAP_REQ_VALE_DETACH, "vale0:cpp0", &detach, NULL, ENXIO,
		"no port vale0:cpp0");
	refused(nmport_open("vale0:cpp0") == NULL, EINVAL, "not attached to vale0");
	expect(request(fd, NETMAP_REQ_VALE_ATTACH, "vale0:cpp0", &attach, NULL) == 0);
	expect(attach.port_index == 1);
	refuses(fd, NETMAP_REQ_VALE_ATTACH, "vale0:cpp0", &attach, NULL, EBUSY,
		"a port cpp0 already");
	refuses(fd, NETMAP_REQ_VALE_DELIF, "cpp0", NULL, NULL, EBUSY, "plugged in as vale0:cpp0");
	// The first mapping of the region is the last to go.
	same = open_port("vale0:cpp0");
	d = open_port("netmap:cpp0");
	expect(d->mem == same->mem && tx_ring(d) == tx_ring(same));
	expect(request(fd, NETMAP_REQ_PORT_INFO_GET, "vale0:cpp0", &info, NULL) == 0);
	expect(info.nr_mem_id == d->reg.nr_mem_id && info.nr_rx_slots == VALE_DEFAULT_SLOTS);
	exchange(d, peer, 1);
	exchange(peer, same, 2);

	step = "monitors and pipes of a persistent port";
	monitor = open_port("vale0:cpp0/rt");
	send_frame(d, 100, 3, 0);
	expect(take(monitor, 100, 3, 0) & NS_TXMON);
	send_frame(peer, 100, 4, 0);
	expect(!(take(monitor, 100, 4, 0) & NS_TXMON));
	take(d, 100, 4, 0);
	nmport_close(monitor);
	monitor = open_port("netmap:cpp0{1");
	slave = open_port("netmap:cpp0}1");
	expect(monitor->mem == d->mem);
	exchange(monitor, slave, 5);
	nmport_close(monitor);
	nmport_close(slave);

	step = "what a program has open is unplugged";
	nmport_close(d);
	expect(request(fd, NETMAP_REQ_VALE_DETACH, "vale0:cpp0", &detach, NULL) == 0);
	expect(detach.port_index == 1);
	take(peer, 100, 3, 0);
	send_frame(same, 60, 6, 0);
	expect(is_silent(peer));
	nmport_close(same);
	delif("cpp0");
	nmport_close(peer);
}

int main(void)
{
	fd = control();
	listen_to_the_library();
	made_and_deleted();
	plugged_in();
	close(fd);
	return 0;
}
