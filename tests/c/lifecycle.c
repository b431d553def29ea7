// SPDX-License-Identifier: MIT OR Apache-2.0
//
// How long things last, in C: a port with its descriptors, its mappings and its processes, an
// interface that goes down, and one that goes away.

#define _GNU_SOURCE
#include "check.h"
#include <signal.h>
#include <sys/wait.h>

// Whether nobody has any ring of the port.
static bool is_free(const char *name)
{
	struct nmreq_register reg = { .nr_mode = NR_REG_ALL_NIC, .nr_flags = NR_EXCLUSIVE };
	int fd = control(), refused_by;

	errno = 0;
	request(fd, FERROMAP_REQ_PROBE, name, &reg, NULL);
	refused_by = errno;
	close(fd);
	expect(refused_by == 0 || refused_by == EBUSY);
	return refused_by == 0;
}

static void descriptors_and_mappings(void)
{
	struct nmreq_register reg = { .nr_mode = NR_REG_ALL_NIC };
	int fd = control(), copy;
	void *memory;

	step = "copies of a descriptor";
	expect(request(fd, NETMAP_REQ_REGISTER, "vale0:a", &reg, NULL) == 0 && !is_free("vale0:a"));
	copy = dup(fd);
	close(fd);
	expect(!is_free("vale0:a") && ioctl(copy, NIOCTXSYNC, NULL) == 0);

	step = "a mapping alone";
	memory = mmap(NULL, reg.nr_memsize, PROT_READ | PROT_WRITE, MAP_SHARED, copy, 0);
	expect(memory != MAP_FAILED);
	close(copy);
	expect(!is_free("vale0:a"));
	expect(strcmp(NETMAP_IF(memory, reg.nr_offset)->ni_name, "vale0:a") == 0);
	expect(munmap(memory, reg.nr_memsize) == 0);
	expect(is_free("vale0:a"));
}

// What the library maps once for all ports of a region, it maps by the first.
static void ports_of_one_region(void)
{
	struct nmport_d *first = open_port("vale0:a"), *more = open_port("vale0:b@share=vale0:a");

	step = "the first port of a region";
	nmport_close(first);
	expect(!is_free("vale0:a"));
	nmport_close(more);
	expect(is_free("vale0:a") && is_free("vale0:b"));

	step = "a later port of a region";
	first = open_port("vale0:a");
	more = open_port("vale0:b@share=vale0:a");
	nmport_close(more);
	expect(is_free("vale0:b") && !is_free("vale0:a"));
	nmport_close(first);
}

static void processes(void)
{
	struct nmport_d *a = open_port("vale0:a"), *b = open_port("vale0:b");
	pid_t child;
	int status;

	step = "a child that goes on with the port";
	child = fork();
	expect(child >= 0);
	if (child == 0) {
		// It has the pipe that failures are told by, and must not outlive its parent's.
		alarm(20);
		send_frame(a, 60, 1, 0);
		pause();
	}
	take(b, 60, 1, 0);
	nmport_close(a);
	expect(!is_free("vale0:a"));
	step = "a child that is killed";
	expect(kill(child, SIGKILL) == 0 && waitpid(child, &status, 0) == child);
	expect(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
	eventually(is_free("vale0:a"));
	nmport_close(b);
}

static void set_up(const char *name, bool up)
{
	struct ifreq req;
	int fd = socket(AF_INET, SOCK_DGRAM, 0);

	memset(&req, 0, sizeof(req));
	snprintf(req.ifr_name, sizeof(req.ifr_name), "%s", name);
	expect(fd >= 0 && ioctl(fd, SIOCGIFFLAGS, &req) == 0);
	req.ifr_flags = (short)(up ? req.ifr_flags | IFF_UP : req.ifr_flags & ~IFF_UP);
	expect(ioctl(fd, SIOCSIFFLAGS, &req) == 0);
	close(fd);
}

static bool arrives(struct nmport_d *from, struct nmport_d *to)
{
	send_frame(from, 60, 2, 0);
	sync_rx(to);
	if (nm_ring_empty(rx_ring(to)))
		return false;
	take(to, 60, 2, 0);
	return true;
}

// The next frame, which is left there.
static const void *next_on(struct nmport_d *d)
{
	return NETMAP_BUF(rx_ring(d), arrived(d->fd, rx_ring(d))->buf_idx);
}

static void interfaces(void)
{
	struct nmport_d *port = open_port("netmap:cv0"), *wire = open_port("netmap:cv1"), *gone;
	struct nmreq_vale_newif newif = { .nr_tx_slots = 0 };
	int fd = control();

	step = "an interface that goes down";
	set_up("cv0", false);
	send_frame(port, 60, 3, 0);
	expect(is_silent(port) && is_silent(wire));
	set_up("cv0", true);
	eventually(arrives(port, wire));
	// More of them may be on their way, and come before this one.
	send_frame(port, 60, 2, 1);
	while (is_frame(next_on(wire), 60, 2, 0))
		take(wire, 60, 2, 0);
	take(wire, 60, 2, 1);
	exchange(port, wire, 4);
	exchange(wire, port, 5);
	nmport_close(port);
	nmport_close(wire);

	step = "an interface that goes away";
	expect(request(fd, NETMAP_REQ_VALE_NEWIF, "cgone0", &newif, NULL) == 0);
	gone = open_port("netmap:cgone0");
	expect(polled(gone->fd, POLLIN, 0) == 0);
	expect(system("ip link del cgone0") == 0);
	expect(polled(gone->fd, POLLIN, 10000) & POLLERR);
	fails(ioctl(gone->fd, NIOCTXSYNC, NULL) == -1, EIO);
	fails(ioctl(gone->fd, NIOCRXSYNC, NULL) == -1, EIO);
	// Its memory is there as long as the program wants it.
	expect(strcmp(gone->nifp->ni_name, "cgone0") == 0);
	nmport_close(gone);
	refused(nmport_open("netmap:cgone0") == NULL, ENXIO, "no network interface cgone0");
	close(fd);
}

// All that a port of each kind takes comes back.
static void again_and_again(void)
{
	static const char *const kinds[] = { "vale0:a", "vale0:a{1", "netmap:cnew{1", "netmap:cv0*",
		"null:x", "vale0:kept/rt" };
	struct nmport_d *full = prepare("null:full"), *kept = open_port("vale0:kept");
	size_t i, k;

	// What is left of the 163840 buffers of region 1 is less than a hundred times what a port
	// takes.
	step = "a region that is nearly full";
	full->reg.nr_extra_bufs = 150000;
	expect(nmport_open_desc(full) == 0 && full->reg.nr_extra_bufs == 150000);
	step = "again and again";
	for (i = 0; i < 100; i++) {
		for (k = 0; k < sizeof(kinds) / sizeof(*kinds); k++) {
			struct nmport_d *d = prepare(kinds[k]);

			d->reg.nr_extra_bufs = 200;
			expect(nmport_open_desc(d) == 0 && d->reg.nr_extra_bufs == 200);
			nmport_close(d);
		}
	}
	nmport_close(kept);
	nmport_close(full);
}

int main(void)
{
	listen_to_the_library();
	descriptors_and_mappings();
	ports_of_one_region();
	processes();
	interfaces();
	again_and_again();
	return 0;
}
