// SPDX-License-Identifier: MIT OR Apache-2.0
//
// The requests from before NIOCCTRL, in C, by themselves and by nm_open(): ports of all kinds, old
// ways to say which rings, and the commands that are requests of their own today. It wants the
// interfaces cv0 and cv1, wired to each other.

#define _GNU_SOURCE
#define NETMAP_WITH_LIBS
#include "check.h"

static int fd;

static struct nmreq request_for(const char *name, uint16_t command)
{
	struct nmreq req = { .nr_version = NETMAP_API, .nr_cmd = command };

	snprintf(req.nr_name, sizeof(req.nr_name), "%s", name);
	return req;
}

static void register_by_hand(void)
{
	struct nmreq req = request_for("vale0:a", 0), before;
	struct netmap_if *nifp;
	int port = control();
	char *mem;

	step = "a request by hand";
	req.nr_version = NETMAP_API - 1;
	req.nr_tx_rings = 3;
	req.nr_arg3 = 4;
	before = req;
	fails(ioctl(port, NIOCREGIF, &req) == -1, EINVAL);
	expect(memcmp(&req, &before, sizeof(req)) == 0);
	req.nr_version = 99;
	expect(ioctl(port, NIOCREGIF, &req) == 0);
	expect(req.nr_tx_rings == 3 && req.nr_rx_rings == 1);
	expect(req.nr_tx_slots == VALE_DEFAULT_SLOTS);
	expect(req.nr_arg3 == 4 && req.nr_arg2 > 1 && req.nr_version == 99);
	mem = (char *)mmap(NULL, req.nr_memsize, PROT_READ | PROT_WRITE, MAP_SHARED, port, 0);
	expect(mem != MAP_FAILED);
	nifp = NETMAP_IF(mem, req.nr_offset);
	expect(strcmp(nifp->ni_name, "vale0:a") == 0 && nifp->ni_bufs_head >= NETMAP_RESERVED_BUFS);
	expect(NETMAP_TXRING(nifp, 2)->num_slots == req.nr_tx_slots);
	fails(ioctl(port, NIOCREGIF, &req) == -1, EBUSY);
	fails(ioctl(fd, NIOCREGIF, NULL) == -1, EINVAL);
	munmap(mem, req.nr_memsize);
	close(port);
}

// Which rings such a request binds, by the netmap_if.
static void binds(const char *name, uint16_t ringid, uint32_t flags, int first, int last)
{
	struct nmreq req = request_for(name, 0);
	struct netmap_if *nifp;
	int port = control(), i;
	char *mem;

	req.nr_ringid = ringid;
	req.nr_flags = flags;
	req.nr_tx_rings = req.nr_rx_rings = 3;
	expect(ioctl(port, NIOCREGIF, &req) == 0 && req.nr_ringid == ringid);
	mem = (char *)mmap(NULL, req.nr_memsize, PROT_READ | PROT_WRITE, MAP_SHARED, port, 0);
	expect(mem != MAP_FAILED);
	nifp = NETMAP_IF(mem, req.nr_offset);
	if (first < 0) // host rings
		first = last = (int)nifp->ni_tx_rings;
	for (i = 0; i < (int)(nifp->ni_tx_rings + nifp->ni_host_tx_rings); i++)
		expect((nifp->ring_ofs[i] != 0) == (i >= first && i <= last));
	munmap(mem, req.nr_memsize);
	close(port);
}

static void ways_to_say_which_rings(void)
{
	struct nmreq req = request_for("vale0:a", 0);

	step = "ring numbers as they were";
	binds("vale0:a", 0, 0, 0, 2);
	binds("vale0:a", NETMAP_HW_RING | 1, 0, 1, 1);
	binds("cv0", NETMAP_SW_RING, 0, -1, -1);
	binds("vale0:a", 2, NR_REG_ONE_NIC, 2, 2);
	binds("cv0", 0, NR_REG_SW, -1, -1);
	binds("vale0:a", NETMAP_NO_TX_POLL, NR_REG_ALL_NIC | NR_TX_RINGS_ONLY, 0, 2);
	req.nr_flags = NR_REG_NIC_SW;
	fails(ioctl(fd, NIOCREGIF, &req) == -1, EINVAL);
	req.nr_flags = 0;
	req.nr_ringid = NETMAP_HW_RING | 5;
	fails(ioctl(fd, NIOCREGIF, &req) == -1, EINVAL);
}

// Two ways to have a port, exchanging frames of many lengths.
static void by_nm_open(const char *name, const char *other)
{
	struct nm_desc *from = nm_open(name, NULL, 0, NULL), *to = nm_open(other, NULL, 0, from);
	unsigned char frame[LONGEST], *got;
	struct nm_pkthdr hdr;
	uint32_t i;

	expect(from != NULL && to != NULL);
	for (i = 0; i < 3000; i++) {
		struct nm_desc *tx = i % 2 == 0 ? from : to, *rx = i % 2 == 0 ? to : from;
		size_t len = 60 + i % (LONGEST - 59);

		make_frame(frame, len, 1, i);
		expect(nm_inject(tx, frame, len) == (int)len);
		expect(ioctl(tx->fd, NIOCTXSYNC, NULL) == 0);
		while ((got = nm_nextpkt(rx, &hdr)) == NULL)
			expect(polled(rx->fd, POLLIN, 10000) == POLLIN);
		expect(hdr.len == len && is_frame(got, len, 1, i));
	}
	nm_close(to);
	nm_close(from);
}

static void kinds_of_ports(void)
{
	struct nm_desc *d, *watched;
	struct nmport_d *end, *peer;
	struct nm_pkthdr hdr;
	unsigned char frame[60];

	step = "nm_open() of switch ports";
	by_nm_open("vale0:a", "vale0:b");
	step = "nm_open() of interfaces";
	by_nm_open("netmap:cv0", "netmap:cv1");
	step = "nm_open() of a pipe";
	by_nm_open("vale0:a{3", "vale0:a}3");
	by_nm_open("netmap:cleg{3", "netmap:cleg}3");

	step = "a pipe between both ways";
	d = nm_open("vale0:a{4", NULL, 0, NULL);
	expect(d != NULL && (d->req.nr_flags & NR_REG_MASK) == NR_REG_PIPE_MASTER);
	end = open_port("vale0:a}4");
	expect(end->reg.nr_mem_id == d->req.nr_arg2);
	make_frame(frame, sizeof(frame), 2, 0);
	expect(nm_inject(d, frame, sizeof(frame)) == sizeof(frame));
	expect(polled(d->fd, POLLOUT, 0) == POLLOUT);
	take(end, sizeof(frame), 2, 0);
	nmport_close(end);
	nm_close(d);

	step = "nm_open() of a monitor";
	fails(nm_open("vale0:a/rt", NULL, 0, NULL) == NULL, EINVAL);
	watched = nm_open("vale0:a", NULL, 0, NULL);
	d = nm_open("vale0:a/rt", NULL, 0, NULL);
	expect(watched != NULL && d != NULL && d->req.nr_arg2 != watched->req.nr_arg2);
	peer = open_port("vale0:b");
	expect(nm_inject(watched, frame, sizeof(frame)) == sizeof(frame));
	expect(ioctl(watched->fd, NIOCTXSYNC, NULL) == 0);
	take(peer, sizeof(frame), 2, 0);
	expect(polled(d->fd, POLLIN, 10000) == POLLIN && nm_nextpkt(d, &hdr) != NULL);
	expect(hdr.len == sizeof(frame) && (hdr.slot->flags & NS_TXMON));
	expect(is_frame(hdr.buf, sizeof(frame), 2, 0));
	nmport_close(peer);
	nm_close(d);
	nm_close(watched);

	step = "poll as nm_open() was told";
	d = nm_open("vale0:a", NULL, NETMAP_NO_TX_POLL, NULL);
	expect(d != NULL && nm_inject(d, frame, sizeof(frame)) == sizeof(frame));
	expect(polled(d->fd, POLLIN, 0) == 0 && nm_tx_pending(NETMAP_TXRING(d->nifp, 0)));
	nm_close(d);
}

static void questions(void)
{
	struct nmport_d *a = open_port("vale0:a@conf:tx-slots=64"), *b = open_port("vale1:b");
	struct nmreq req = request_for("vale0:a", 0);
	int found = 0;

	step = "questions";
	expect(ioctl(fd, NIOCGINFO, &req) == 0);
	expect(req.nr_tx_slots == 64 && req.nr_arg2 == a->reg.nr_mem_id);
	expect(req.nr_memsize == a->reg.nr_memsize && req.nr_offset == 0);
	req = request_for("", 0);
	expect(ioctl(fd, NIOCGINFO, &req) == 0);
	expect(req.nr_arg2 == GLOBAL_MEM_ID && req.nr_memsize > 0);
	req = request_for("", 0);
	req.nr_arg2 = a->reg.nr_mem_id;
	expect(ioctl(fd, NIOCGINFO, &req) == 0 && req.nr_memsize == a->reg.nr_memsize);
	req = request_for("none99", 0);
	fails(ioctl(fd, NIOCGINFO, &req) == -1, ENXIO);

	req = request_for("", NETMAP_BDG_LIST);
	for (; ioctl(fd, NIOCGINFO, &req) == 0; found++, req.nr_arg2++) {
		expect(strcmp(req.nr_name, found == 0 ? "vale0:a" : "vale1:b") == 0);
		expect(req.nr_arg1 == found && req.nr_arg2 == 0);
		memset(req.nr_name, 0, sizeof(req.nr_name));
	}
	expect(errno == ENOENT && found == 2);
	req = request_for("vale1:b", NETMAP_BDG_LIST);
	expect(ioctl(fd, NIOCGINFO, &req) == 0 && req.nr_arg1 == 1 && req.nr_arg2 == 0);
	nmport_close(a);
	nmport_close(b);
}

// A command, with its arguments, and the errno that it has: 0 if it is done.
static void command(const char *name, uint16_t number, uint16_t argument, int error)
{
	struct nmreq req = request_for(name, number);

	req.nr_arg1 = argument;
	if (number == NETMAP_BDG_POLLING_ON || number == NETMAP_BDG_POLLING_OFF)
		req.nr_flags = NR_REG_ALL_NIC; // by one CPU
	errno = 0;
	ioctl(fd, NIOCREGIF, &req);
	if (errno != error)
		fail(name, number, "the command has another errno");
	if (error == 0 && number == NETMAP_VNET_HDR_GET)
		expect(req.nr_arg1 == 12);
}

static void commands(void)
{
	struct nmport_d *a = open_port("vale0:a"), *wire = open_port("netmap:cv1");
	struct nm_ifreq config = { .nifr_name = "vale0:" };

	step = "commands";
	command("vale0:a", NETMAP_BDG_VNET_HDR, 11, EINVAL);
	command("vale0:a", NETMAP_BDG_VNET_HDR, 12, 0);
	command("vale0:a", NETMAP_VNET_HDR_GET, 0, 0);
	command("vale0:none", NETMAP_VNET_HDR_GET, 0, ENXIO);
	command("vale0:a", NETMAP_BDG_VNET_HDR, 0, 0);
	command("cleg0", NETMAP_BDG_NEWIF, 0, 0);
	command("cleg0", NETMAP_BDG_NEWIF, 0, EEXIST);
	expect(if_nametoindex("cleg0") != 0);
	command("vale0:cleg0", NETMAP_BDG_ATTACH, 0, 0);
	command("cleg0", NETMAP_BDG_DELIF, 0, EBUSY);
	command("vale0:cleg0", NETMAP_BDG_DETACH, 0, 0);
	command("cleg0", NETMAP_BDG_DELIF, 0, 0);
	command("cleg0", NETMAP_BDG_DELIF, 0, ENXIO);

	command("vale0:cv0", NETMAP_BDG_ATTACH, NETMAP_BDG_HOST, 0);
	command("vale0:cv0", NETMAP_BDG_ATTACH, 0, EBUSY);
	command("vale0:a", NETMAP_BDG_POLLING_ON, 1, EOPNOTSUPP);
	command("vale0:cv0", NETMAP_BDG_POLLING_ON, 1, 0);
	command("vale0:cv0", NETMAP_BDG_POLLING_ON, 1, EFAULT);
	command("vale0:cv0", NETMAP_BDG_DETACH, 0, EBUSY);
	exchange(a, wire, 3);
	command("vale0:cv0", NETMAP_BDG_POLLING_OFF, 1, 0);
	exchange(wire, a, 4);
	command("vale0:cv0", NETMAP_BDG_DETACH, 0, 0);
	command("vale0:cv0", NETMAP_BDG_DETACH, 0, ENXIO);

	step = "commands that are none";
	command("vale0:a", NETMAP_BDG_REGOPS, 0, EINVAL);
	command("vale0:a", 77, 0, EINVAL);
	command("vale0:a", NETMAP_PT_HOST_CREATE, 0, ENOMEM);
	command("vale0:a", NETMAP_PT_HOST_DELETE, 0, ENOMEM);
	fails(ioctl(fd, NIOCCONFIG, &config) == -1, EINVAL);
	nmport_close(a);
	nmport_close(wire);
}

int main(void)
{
	fd = control();
	listen_to_the_library();
	register_by_hand();
	ways_to_say_which_rings();
	kinds_of_ports();
	questions();
	commands();
	close(fd);
	return 0;
}
