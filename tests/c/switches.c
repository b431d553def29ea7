// SPDX-License-Identifier: MIT OR Apache-2.0
//
// Switches in C: which ports they have, interfaces that are plugged in, alone and with their host
// rings, and polled. It wants the interfaces cv0 and cv1, wired to each other.

#define _GNU_SOURCE
#include "check.h"

static int fd;

// How many ports are called so, by asking for one after the other.
static int listed(const char *name, int *all)
{
	struct nmreq_vale_list list = { .nr_bridge_idx = 0 };
	struct nmreq_header hdr;
	int found = 0;

	nmreq_header_init(&hdr, NETMAP_REQ_VALE_LIST, &list);
	for (*all = 0; ioctl(fd, NIOCCTRL, &hdr) == 0; (*all)++) {
		found += strcmp(hdr.nr_name, name) == 0;
		memset(hdr.nr_name, 0, sizeof(hdr.nr_name));
		list.nr_port_idx++;
	}
	expect(errno == ENOENT);
	return found;
}

static bool is_listed(const char *name)
{
	int all;

	return listed(name, &all) == 1;
}

static void lists(void)
{
	struct nmport_d *a = open_port("vale0:a"), *b = open_port("vale0:b");
	struct nmport_d *c = open_port("vale1:a");
	struct nmreq_vale_list list = { .nr_bridge_idx = 7, .nr_port_idx = 7 };
	int all;

	step = "which ports there are";
	expect(listed("vale0:b", &all) == 1 && all == 3);
	expect(is_listed("vale0:a") && is_listed("vale1:a") && !is_listed("vale1:b"));
	expect(request(fd, NETMAP_REQ_VALE_LIST, "vale0:b", &list, NULL) == 0);
	expect(list.nr_bridge_idx == 0 && list.nr_port_idx == 1);
	expect(list.pad1 == FERROMAP_VALE_VIRTUAL);
	expect(request(fd, NETMAP_REQ_VALE_LIST, "vale1:none", &list, NULL) == 0);
	expect(list.nr_bridge_idx == 1 && list.nr_port_idx == VALE_NO_PORT);
	refuses(fd, NETMAP_REQ_VALE_LIST, "vale2:a", &list, NULL, ENOENT, "no switch vale2");
	refuses(fd, NETMAP_REQ_VALE_LIST, "cv0", &list, NULL, EINVAL,
		"not the name of a switch port");
	nmport_close(a);
	nmport_close(b);
	nmport_close(c);
	expect(listed("", &all) == 0 && all == 0);
}

static uint32_t attach_in(const char *name, uint32_t mode, uint16_t region)
{
	struct nmreq_vale_attach body = {
		.reg = { .nr_mode = mode, .nr_mem_id = region },
		.port_index = 99,
	};

	expect(request(fd, NETMAP_REQ_VALE_ATTACH, name, &body, NULL) == 0);
	return body.port_index;
}

static uint32_t attach(const char *name, uint32_t mode)
{
	return attach_in(name, mode, 0);
}

static uint32_t detach(const char *name)
{
	struct nmreq_vale_detach body = { .port_index = 99 };

	expect(request(fd, NETMAP_REQ_VALE_DETACH, name, &body, NULL) == 0);
	return body.port_index;
}

static void an_interface(void)
{
	struct nmreq_vale_attach again = { .reg = { .nr_mode = NR_REG_ALL_NIC } };
	struct nmreq_vale_detach body;
	struct nmport_d *a = open_port("vale0:a"), *wire = open_port("netmap:cv1");
	struct nmport_d *monitor, *of_port;

	step = "an interface in a switch";
	expect(attach("vale0:cv0", NR_REG_ALL_NIC) == 1);
	expect(is_listed("vale0:cv0") && !is_listed("vale0:cv0^"));
	exchange(a, wire, 1);
	exchange(wire, a, 2);
	refused(nmport_open("netmap:cv0") == NULL, EBUSY, "attached to a switch");
	refused(nmport_open("vale0:cv0") == NULL, EBUSY, "attached to the switch");
	refuses(fd, NETMAP_REQ_VALE_ATTACH, "vale0:cv0", &again, NULL, EBUSY, "a port cv0 already");
	refuses(fd, NETMAP_REQ_VALE_ATTACH, "vale1:cv0", &again, NULL, EBUSY,
		"attached to a switch");
	// A program has this one.
	refuses(fd, NETMAP_REQ_VALE_ATTACH, "vale0:cv1", &again, NULL, EBUSY, "cv1 is open");
	refuses(fd, NETMAP_REQ_VALE_ATTACH, "vale0:none99", &again, NULL, EINVAL,
		"no network interface none99");
	refuses(fd, NETMAP_REQ_VALE_ATTACH, "cv1", &again, NULL, EINVAL, "does not name a switch");
	again.reg.nr_mode = NR_REG_ONE_NIC;
	refuses(fd, NETMAP_REQ_VALE_ATTACH, "vale0:cv1", &again, NULL, EINVAL, "nr_mode is 4");

	step = "a monitor of an interface in a switch";
	monitor = open_port("netmap:cv0/rt");
	of_port = open_port("vale0:cv0/rt");
	send_frame(a, 90, 3, 0);
	take(wire, 90, 3, 0);
	expect(take(monitor, 90, 3, 0) & NS_TXMON);
	// What the interface sends the switch's port has received.
	expect(!(take(of_port, 90, 3, 0) & NS_TXMON));
	nmport_close(monitor);
	nmport_close(of_port);

	expect(detach("vale0:cv0") == 1);
	refuses(fd, NETMAP_REQ_VALE_DETACH, "vale0:cv0", &body, NULL, ENXIO, "no port vale0:cv0");
	refuses(fd, NETMAP_REQ_VALE_DETACH, "cv0", &body, NULL, EINVAL, "does not name a switch");
	nmport_close(wire);
	nmport_close(open_port("netmap:cv0"));
	nmport_close(a);
}

// The stack of the host is a station of the switch then.
static void with_host_rings(void)
{
	struct nmport_d *a;
	int host;

	step = "an interface and its host in a switch";
	attach("vale0:cv0", NR_REG_NIC_SW);
	expect(is_listed("vale0:cv0") && is_listed("vale0:cv0^"));
	a = open_port("vale0:a");
	host = host_of("cv0");
	host_sends(host, 100, 4, 0);
	take(a, 100, 4, 0);
	send_frame(a, 100, 5, 1);
	host_hears(host, 100, 5, 1);
	close(host);
	nmport_close(a);
	// It stays without any program, until it is taken out.
	expect(is_listed("vale0:cv0"));
	detach("vale0:cv0");
	expect(!is_listed("vale0:cv0") && !is_listed("vale0:cv0^"));
}

// The region that a port is in, by its name.
static uint16_t region_of(const char *name)
{
	struct nmreq_port_info_get info = { .nr_mem_id = 0 };

	expect(request(fd, NETMAP_REQ_PORT_INFO_GET, name, &info, NULL) == 0);
	return info.nr_mem_id;
}

// An interface that is plugged in lies in the region that was asked for, and keeps it alive.
static void in_a_region(uint32_t mode)
{
	struct nmreq_vale_attach body = { .reg = { .nr_mode = mode } };
	struct nmport_d *a = open_port("vale0:a"), *wire = open_port("netmap:cv1"), *b;
	uint16_t region = a->reg.nr_mem_id;
	char name[32];

	step = "an interface of a switch in a region";
	// The interfaces' own is number 1.
	expect(region > 1 && wire->reg.nr_mem_id == 1);
	expect(attach_in("vale0:cv0", mode, region) == 1);
	expect(region_of("vale0:cv0") == region && region_of("cv0") == region);
	exchange(a, wire, 1);
	exchange(wire, a, 2);
	if (mode == NR_REG_NIC_SW) {
		int host = host_of("cv0");

		expect(region_of("vale0:cv0^") == region);
		host_sends(host, 100, 3, 0);
		take(a, 100, 3, 0);
		// The switch knows a's station, which the wire has sent as: to all, then.
		take(wire, 100, 3, 0);
		send_frame(a, 100, 4, 0);
		host_hears(host, 100, 4, 0);
		take(wire, 100, 4, 0);
		close(host);
	}
	nmport_close(a);

	step = "a region that an interface alone has";
	snprintf(name, sizeof(name), "vale0:b@%u", region);
	b = open_port(name);
	expect(b->reg.nr_mem_id == region && region_of("vale0:cv0") == region);
	exchange(b, wire, 5);
	exchange(wire, b, 6);
	nmport_close(b);
	expect(detach("vale0:cv0") == 1);

	step = "a region that has gone";
	expect(region_of("cv0") == 1);
	body.reg.nr_mem_id = region;
	refuses(fd, NETMAP_REQ_VALE_ATTACH, "vale0:cv0", &body, NULL, EINVAL, "no memory region");
	expect(attach("vale0:cv0", mode) == 0 && region_of("vale0:cv0") == 1);
	expect(detach("vale0:cv0") == 0);
	nmport_close(wire);
}

static void polled_by_a_thread(void)
{
	struct nmreq_vale_polling poll_it = {
		.nr_mode = NETMAP_POLLING_MODE_SINGLE_CPU,
		.nr_num_polling_cpus = 1,
	};
	struct nmreq_vale_detach body;
	struct nmport_d *a = open_port("vale0:a"), *wire = open_port("netmap:cv1");

	step = "an interface that is polled";
	attach("vale0:cv0", NR_REG_ALL_NIC);
	refuses(fd, NETMAP_REQ_VALE_POLLING_ENABLE, "vale0:a", &poll_it, NULL, EOPNOTSUPP,
		"not an attached interface");
	refuses(fd, NETMAP_REQ_VALE_POLLING_ENABLE, "vale0:none", &poll_it, NULL, ENXIO,
		"no port vale0:none");
	refuses(fd, NETMAP_REQ_VALE_POLLING_ENABLE, "cv0", &poll_it, NULL, EINVAL,
		"does not name a switch");
	refuses(fd, NETMAP_REQ_VALE_POLLING_DISABLE, "vale0:cv0", &poll_it, NULL, EFAULT,
		"not being polled");
	poll_it.nr_mode = 3;
	refuses(fd, NETMAP_REQ_VALE_POLLING_ENABLE, "vale0:cv0", &poll_it, NULL, EINVAL,
		"no polling mode 3");
	poll_it.nr_mode = NETMAP_POLLING_MODE_SINGLE_CPU;
	expect(request(fd, NETMAP_REQ_VALE_POLLING_ENABLE, "vale0:cv0", &poll_it, NULL) == 0);
	refuses(fd, NETMAP_REQ_VALE_POLLING_ENABLE, "vale0:cv0", &poll_it, NULL, EFAULT,
		"being polled already");
	refuses(fd, NETMAP_REQ_VALE_DETACH, "vale0:cv0", &body, NULL, EBUSY,
		"being polled: end that first");
	exchange(wire, a, 6);
	exchange(a, wire, 7);
	expect(request(fd, NETMAP_REQ_VALE_POLLING_DISABLE, "vale0:cv0", &poll_it, NULL) == 0);
	exchange(wire, a, 8);
	detach("vale0:cv0");
	nmport_close(a);
	nmport_close(wire);
}

int main(void)
{
	fd = control();
	listen_to_the_library();
	lists();
	an_interface();
	with_host_rings();
	in_a_region(NR_REG_ALL_NIC);
	in_a_region(NR_REG_NIC_SW);
	polled_by_a_thread();
	close(fd);
	return 0;
}
