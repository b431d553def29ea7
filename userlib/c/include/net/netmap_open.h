/* SPDX-License-Identifier: MIT OR Apache-2.0 */

/*
 * Opening ports without a library, by the legacy request. Included by <net/netmap_user.h> where
 * NETMAP_WITH_LIBS is defined.
 *
 *	struct nm_desc *d = nm_open("netmap:eth0-1/x", NULL, 0, NULL);
 *
 * Names are netmap:NAME or valeX:NAME, of at most 15 bytes without `netmap:`, and then in this
 * order, each where it is wanted:
 *
 *	{N }N     master or slave end of pipe N      ^     host rings
 *	-N        ring pair N                        ^N    host ring pair N
 *	*         all rings and those of the host    @N    memory region N
 *	/x        share no ring                      /R /T receive, transmit rings only
 *	/z /t /r  monitor: without copies, of what is sent, of what is received
 */
#ifndef FERROMAP_NET_NETMAP_OPEN_H
#define FERROMAP_NET_NETMAP_OPEN_H

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>
#include <net/netmap_user.h>

#ifdef __cplusplus
extern "C" {
#endif

/*
 * Words of one's own for debugging: D(format, ...) prints a line, RD(n, format, ...) at most n a
 * second, ND() nothing.
 */
__attribute__((format(printf, 3, 4), unused))
static void nm_say(const char *function, int line, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	fprintf(stderr, "%s [%d] ", function, line);
	vfprintf(stderr, format, arguments);
	fputc('\n', stderr);
	va_end(arguments);
}

struct nm_rate {
	time_t second;
	int said;
};

static inline int nm_may_say(struct nm_rate *rate, int most)
{
	time_t now = time(NULL);

	if (now != rate->second) {
		rate->second = now;
		rate->said = 0;
	}
	return rate->said++ < most;
}

#ifndef D
#define D(...) nm_say(__func__, __LINE__, __VA_ARGS__)
#endif
#ifndef RD
#define RD(most, ...) \
	do { \
		static struct nm_rate nm_rate_here; \
		if (nm_may_say(&nm_rate_here, most)) \
			nm_say(__func__, __LINE__, __VA_ARGS__); \
	} while (0)
#endif
#ifndef ND
#define ND(...) do { } while (0)
#endif

struct nm_desc;

/* A frame that was received; begins as pcap's header does. */
struct nm_pkthdr {
	struct timeval ts;
	uint32_t caplen;
	uint32_t len;
	uint64_t flags;            /* NM_MORE_PKTS */
	struct nm_desc *d;
	struct netmap_slot *slot;  /* NS_MOREFRAG here: the frame goes on in the next one */
	uint8_t *buf;
};

#define NM_MORE_PKTS 1 /* there is another one in this ring already */

struct nm_stat {
	unsigned int ps_recv;
	unsigned int ps_drop;
	unsigned int ps_ifdrop;
};

#define NM_ERRBUF_SIZE 512

struct nm_desc {
	struct nm_desc *self; /* this one, if it is one */
	int fd;
	void *mem;
	uint64_t memsize;
	int done_mmap; /* nm_close() unmaps */
	struct netmap_if *nifp;
	uint16_t first_tx_ring, last_tx_ring, cur_tx_ring; /* last < first: there is none */
	uint16_t first_rx_ring, last_rx_ring, cur_rx_ring;
	struct nmreq req;     /* as it was returned */
	struct nm_pkthdr hdr; /* of the frame that was received last */

	/* By these NETMAP_BUF works without a ring at hand. */
	struct netmap_ring *some_ring;
	void *buf_start;
	void *buf_end;

	int snaplen;
	int promisc;
	int to_ms;
	char *errbuf;

	uint32_t if_flags;
	uint32_t if_reqcap;
	uint32_t if_curcap;

	struct nm_stat st;
	char msg[NM_ERRBUF_SIZE];
};

#define P2NMD(p) ((struct nm_desc *)(p))
#define IS_NETMAP_DESC(d) ((d) && P2NMD(d)->self == P2NMD(d))
#define NETMAP_FD(d) (P2NMD(d)->fd)

/*
 * Flags of nm_open(), beside NETMAP_NO_TX_POLL and NETMAP_DO_RX_POLL. What is not set is taken
 * from the request that is given, if there is one; else from the name.
 */
#define NM_OPEN_NO_MMAP 0x040000  /* use the memory of the other descriptor, or none */
#define NM_OPEN_IFNAME 0x080000   /* name, rings and flags of the other descriptor */
#define NM_OPEN_ARG1 0x100000     /* its nr_arg1, ... */
#define NM_OPEN_ARG2 0x200000
#define NM_OPEN_ARG3 0x400000
#define NM_OPEN_RING_CFG 0x800000 /* its numbers of rings and slots */

typedef void (*nm_cb_t)(unsigned char *arg, const struct nm_pkthdr *hdr,
	const unsigned char *frame);

/* Reads a decimal number and moves on behind it; -1 if there is none up to most. */
static inline long nm_read_number(const char **at, long most)
{
	long number = 0;
	const char *start = *at;

	for (; **at >= '0' && **at <= '9'; (*at)++) {
		number = number * 10 + (**at - '0');
		if (number > most)
			return -1;
	}
	return *at == start ? -1 : number;
}

/* Reads what comes behind a port's name into a request; what is wrong, or NULL. */
static inline const char *nm_read_suffix(const char *at, struct nmreq *req)
{
	uint32_t mode = NR_REG_ALL_NIC;
	long number = 0;

	if (*at == '{' || *at == '}') {
		mode = *at++ == '{' ? NR_REG_PIPE_MASTER : NR_REG_PIPE_SLAVE;
		number = nm_read_number(&at, 4094);
	} else if (*at == '-') {
		at++;
		mode = NR_REG_ONE_NIC;
		number = nm_read_number(&at, 4094);
	} else if (*at == '*') {
		at++;
		mode = NR_REG_NIC_SW;
	} else if (*at == '^') {
		at++;
		mode = NR_REG_SW;
		if (*at >= '0' && *at <= '9') {
			mode = NR_REG_ONE_SW;
			number = nm_read_number(&at, 4094);
		}
	}
	if (number < 0)
		return "a number from 0 to 4094 is expected";
	req->nr_flags = (req->nr_flags & ~(uint32_t)NR_REG_MASK) | mode;
	req->nr_ringid = (uint16_t)((req->nr_ringid & (NETMAP_NO_TX_POLL | NETMAP_DO_RX_POLL)) |
		number);

	if (*at == '/') {
		const char *flags = ++at;

		for (; *at != '\0' && *at != '@'; at++) {
			switch (*at) {
			case 'x': req->nr_flags |= NR_EXCLUSIVE; break;
			case 'z': req->nr_flags |= NR_ZCOPY_MON; break;
			case 't': req->nr_flags |= NR_MONITOR_TX; break;
			case 'r': req->nr_flags |= NR_MONITOR_RX; break;
			case 'R': req->nr_flags |= NR_RX_RINGS_ONLY; break;
			case 'T': req->nr_flags |= NR_TX_RINGS_ONLY; break;
			default: return "after / only x, z, t, r, R and T mean something";
			}
		}
		if (at == flags)
			return "after / one of x, z, t, r, R, T is expected";
	}
	if (*at == '@') {
		at++;
		number = nm_read_number(&at, 65535);
		if (number <= 0)
			return "after @ the number of a memory region is expected, from 1 to 65535";
		req->nr_arg2 = (uint16_t)number;
	}
	return *at == '\0' ? NULL : "there is something behind the end of the name";
}

/*
 * Reads a name into d->req. What is wrong is written to err, which has room for NM_ERRBUF_SIZE
 * bytes. Returns 0, or -1 with errno EINVAL.
 */
static inline int nm_parse(const char *name, struct nm_desc *d, char *err)
{
	const char *port = strncmp(name, "netmap:", 7) == 0 ? name + 7 : name;
	const char *wrong = NULL;
	size_t len = strcspn(port, "-*^{}/@");

	if (port == name && (strncmp(name, "vale", 4) != 0 || strchr(name, ':') == NULL))
		wrong = "it starts with neither netmap: nor the name of a switch, as vale0: is";
	else if (len == 0)
		wrong = "the name of the port is missing";
	else if (len >= sizeof(d->req.nr_name))
		wrong = "it is too long for nm_open(): a port's name has at most 15 bytes";
	else
		wrong = nm_read_suffix(port + len, &d->req);
	if (wrong != NULL) {
		snprintf(err, NM_ERRBUF_SIZE, "%s: %s", name, wrong);
		errno = EINVAL;
		return -1;
	}
	memset(d->req.nr_name, 0, sizeof(d->req.nr_name));
	memcpy(d->req.nr_name, port, len);
	return 0;
}

/* The first run of rings that are bound, among count entries of ring_ofs. */
static inline void nm_bound_rings(const ssize_t *ring_ofs, uint32_t count, uint16_t *first,
	uint16_t *last)
{
	uint32_t from = 0, to;

	while (from < count && ring_ofs[from] == 0)
		from++;
	for (to = from; to < count && ring_ofs[to] != 0; to++)
		;
	*first = (uint16_t)from;
	*last = (uint16_t)(to - 1);
	/* Of no rings at all there is none before the first. */
	if (count == 0) {
		*first = 1;
		*last = 0;
	}
}

/*
 * Maps the region of a bound descriptor, or takes the mapping of another one if that is of the same
 * region. Returns 0, or -1 with errno.
 */
static inline int nm_mmap(struct nm_desc *d, const struct nm_desc *other)
{
	struct netmap_if *nifp;
	struct netmap_ring *some;

	if (d->done_mmap)
		return 0;
	if (other != NULL && other->mem != NULL && other->req.nr_arg2 == d->req.nr_arg2 &&
	    other->memsize == d->req.nr_memsize) {
		d->mem = other->mem;
		d->memsize = other->memsize;
	} else {
		void *mem = mmap(NULL, d->req.nr_memsize, PROT_READ | PROT_WRITE, MAP_SHARED,
			d->fd, 0);

		if (mem == MAP_FAILED)
			return -1;
		d->mem = mem;
		d->memsize = d->req.nr_memsize;
		d->done_mmap = 1;
	}
	nifp = NETMAP_IF(d->mem, d->req.nr_offset);
	d->nifp = nifp;
	nm_bound_rings(nifp->ring_ofs, nifp->ni_tx_rings + nifp->ni_host_tx_rings,
		&d->first_tx_ring, &d->last_tx_ring);
	nm_bound_rings(nifp->ring_ofs + nifp->ni_tx_rings + nifp->ni_host_tx_rings,
		nifp->ni_rx_rings + nifp->ni_host_rx_rings, &d->first_rx_ring, &d->last_rx_ring);
	d->cur_tx_ring = d->first_tx_ring;
	d->cur_rx_ring = d->first_rx_ring;

	some = NULL;
	if (d->first_tx_ring <= d->last_tx_ring)
		some = NETMAP_TXRING(nifp, d->first_tx_ring);
	else if (d->first_rx_ring <= d->last_rx_ring)
		some = NETMAP_RXRING(nifp, d->first_rx_ring);
	if (some != NULL) {
		d->some_ring = some;
		d->buf_start = NETMAP_BUF(some, 0);
		d->buf_end = (char *)d->mem + d->memsize;
	}
	return 0;
}

/* Closes a port, but not the mapping of another one. Returns 0, or EINVAL if it is none. */
static inline int nm_close(struct nm_desc *d)
{
	if (!IS_NETMAP_DESC(d))
		return EINVAL;
	if (d->done_mmap)
		munmap(d->mem, d->memsize);
	if (d->fd != -1)
		close(d->fd);
	memset((void *)d, 0, sizeof(*d));
	free(d);
	return 0;
}

/*
 * Opens a port and maps its memory; NULL with errno otherwise: EINVAL for a name that is none, else
 * what open, ioctl or mmap returned. req, if given, is what the request starts from; with flags
 * NM_OPEN_* parts come from other. The kernel's own words for a refusal are in FERROMAP_REQ_WHY,
 * on the same descriptor: nmport_open() passes them on.
 */
static inline struct nm_desc *nm_open(const char *name, const struct nmreq *req, uint64_t flags,
	const struct nm_desc *other)
{
	struct nm_desc *d = (struct nm_desc *)calloc(1, sizeof(*d));
	int why;

	if (d == NULL)
		return NULL;
	d->self = d;
	d->fd = -1;
	if (req != NULL)
		d->req = *req;
	d->req.nr_version = NETMAP_API;
	d->req.nr_cmd = 0;
	if (other == NULL)
		flags &= ~(uint64_t)(NM_OPEN_IFNAME | NM_OPEN_ARG1 | NM_OPEN_ARG2 | NM_OPEN_ARG3 |
			NM_OPEN_RING_CFG);
	if (flags & NM_OPEN_IFNAME) {
		memcpy(d->req.nr_name, other->req.nr_name, sizeof(d->req.nr_name));
		d->req.nr_ringid = other->req.nr_ringid;
		d->req.nr_flags = other->req.nr_flags;
	} else if (nm_parse(name, d, d->msg) != 0) {
		goto failed;
	}
	if (flags & NM_OPEN_ARG1)
		d->req.nr_arg1 = other->req.nr_arg1;
	if (flags & NM_OPEN_ARG2)
		d->req.nr_arg2 = other->req.nr_arg2;
	if (flags & NM_OPEN_ARG3)
		d->req.nr_arg3 = other->req.nr_arg3;
	if (flags & NM_OPEN_RING_CFG) {
		d->req.nr_tx_slots = other->req.nr_tx_slots;
		d->req.nr_rx_slots = other->req.nr_rx_slots;
		d->req.nr_tx_rings = other->req.nr_tx_rings;
		d->req.nr_rx_rings = other->req.nr_rx_rings;
	}
	d->req.nr_ringid |= (uint16_t)(flags & (NETMAP_NO_TX_POLL | NETMAP_DO_RX_POLL));

	d->fd = open("/dev/netmap", O_RDWR);
	if (d->fd == -1)
		goto failed;
	if (ioctl(d->fd, NIOCREGIF, &d->req) == -1)
		goto failed;
	if ((!(flags & NM_OPEN_NO_MMAP) || other != NULL) && nm_mmap(d, other) == -1)
		goto failed;
	return d;

failed:
	why = errno;
	nm_close(d);
	errno = why;
	return NULL;
}

/*
 * Puts a frame into a ring that has room for it, beginning with the one after the last; over
 * several slots if it is longer than a buffer. Returns its length, or 0 where no ring has room. It
 * leaves with the next sync.
 */
static inline int nm_inject(struct nm_desc *d, const void *frame, size_t len)
{
	const char *from = (const char *)frame;
	int n, rings = (int)d->last_tx_ring + 1 - (int)d->first_tx_ring;

	for (n = 0; n < rings; n++) {
		uint16_t number = d->cur_tx_ring;
		struct netmap_ring *ring = NETMAP_TXRING(d->nifp, number);
		/* What a slot's length can say of a buffer. */
		size_t most = ring->nr_buf_size > 65535 ? 65535 : ring->nr_buf_size;
		size_t slots = len == 0 ? 1 : (len + most - 1) / most;
		size_t left = len;
		uint32_t at = ring->head;

		if (slots > nm_ring_space(ring)) {
			d->cur_tx_ring = number == d->last_tx_ring ? d->first_tx_ring :
				(uint16_t)(number + 1);
			continue;
		}
		for (; slots > 0; slots--) {
			struct netmap_slot *slot = &ring->slot[at];
			size_t part = slots == 1 ? left : most;

			nm_pkt_copy(from + (len - left), NETMAP_BUF(ring, slot->buf_idx), part);
			slot->len = (uint16_t)part;
			slot->flags = slots == 1 ? 0 : NS_MOREFRAG;
			left -= part;
			at = nm_ring_next(ring, at);
		}
		ring->head = ring->cur = at;
		return (int)len;
	}
	return 0;
}

/* The next slot that was received, released already: it is good until the next sync. Or NULL. */
static inline unsigned char *nm_nextpkt(struct nm_desc *d, struct nm_pkthdr *hdr)
{
	int n, rings = (int)d->last_rx_ring + 1 - (int)d->first_rx_ring;

	for (n = 0; n < rings; n++) {
		uint16_t number = d->cur_rx_ring;
		struct netmap_ring *ring = NETMAP_RXRING(d->nifp, number);

		if (!nm_ring_empty(ring)) {
			uint32_t at = ring->head;

			hdr->ts = ring->ts;
			hdr->d = d;
			hdr->slot = &ring->slot[at];
			hdr->buf = (uint8_t *)NETMAP_BUF(ring, hdr->slot->buf_idx);
			hdr->len = hdr->caplen = hdr->slot->len;
			ring->head = ring->cur = nm_ring_next(ring, at);
			hdr->flags = nm_ring_empty(ring) ? 0 : NM_MORE_PKTS;
			d->st.ps_recv++;
			return hdr->buf;
		}
		d->cur_rx_ring = number == d->last_rx_ring ? d->first_rx_ring :
			(uint16_t)(number + 1);
	}
	return NULL;
}

/*
 * Calls cb for slots that were received, for at most count of them; 0 and less mean all that are
 * there. Returns how many these were.
 */
static inline int nm_dispatch(struct nm_desc *d, int count, nm_cb_t cb, unsigned char *arg)
{
	int done;

	for (done = 0; count <= 0 || done < count; done++) {
		unsigned char *frame = nm_nextpkt(d, &d->hdr);

		if (frame == NULL)
			break;
		cb(arg, &d->hdr, frame);
	}
	return done;
}

#ifdef __cplusplus
}
#endif

#endif /* FERROMAP_NET_NETMAP_OPEN_H */
