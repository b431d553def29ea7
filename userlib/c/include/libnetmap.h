/* SPDX-License-Identifier: MIT OR Apache-2.0 */

/*
 * Opening ports: what programs link to by -lnetmap, here libferromap, which is made of the crate of
 * that name.
 *
 *	struct nmport_d *port = nmport_open("netmap:eth0-1/R@conf:slots=512");
 *
 * or in steps, with changes between them:
 *
 *	struct nmport_d *port = nmport_prepare("vale0:a");
 *	port->reg.nr_extra_bufs = 16;
 *	if (nmport_open_desc(port) == 0) ...
 *
 * A name is SUBSYSTEM:NAME[{ID|}ID][MODE][/FLAGS][@REGION][@OPTION...]:
 *
 *	netmap:eth0  vale0:a  null:x          what it is about; a switch is called valeX
 *	{ID }ID                               master or slave end of a pipe
 *	-N  ^  ^N  *                          one ring pair, host rings, one of these, all of both
 *	/x  /z /t /r  /R /T                   share no ring; monitors; receive, transmit rings only
 *	@N  @share=PORT                       memory region N, or that of another port
 *	@conf:slots=N,rings=N,host-rings=N    sizes, each also as tx-... or rx-...
 *	@offset=N  @offset:initial=N,bits=N   frames start there (see nmport_enable_option)
 *	@extmem=FILE  @extmem:file=F,buf-num=N,...   memory of a file; also if- and ring-num, -size
 *
 * A null port has one ring of 1024 slots each way, in region 1, unless something else is asked for.
 *
 * Functions that return int return 0, or -1 with errno; those that return a pointer NULL with
 * errno. In either case a sentence has gone to the context's error(), the kernel's own where the
 * kernel refused: by default to stderr. EINVAL is a name, an option or an order of calls that is
 * none. A nmport_d is for one thread at a time, different ones need no locks.
 */
#ifndef FERROMAP_LIBNETMAP_H
#define FERROMAP_LIBNETMAP_H

#include <errno.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/types.h>
#include <net/netmap_user.h>

#ifdef __cplusplus
extern "C" {
#endif

struct nmctx;
struct nmem_d;

/*
 * A port. hdr and reg are the request that opens it, and then what was returned; options of one's
 * own may be pushed onto hdr before. All else is for looking at.
 */
struct nmport_d {
	struct nmreq_header hdr;
	struct nmreq_register reg;
	struct nmem_d *mem;     /* its memory, once it is mapped */
	struct nmctx *ctx;
	int register_done;
	int mmap_done;
	struct nmreq_opt_extmem *extmem;   /* see nmport_extmem() */
	struct nmreq_opt_offsets *offsets; /* see nmport_offset() */

	struct netmap_if *nifp;
	uint16_t first_tx_ring; /* last < first: none is bound */
	uint16_t last_tx_ring;
	uint16_t first_rx_ring;
	uint16_t last_rx_ring;
	uint16_t cur_tx_ring;   /* where nmport_inject() begins */
	uint16_t cur_rx_ring;
	int fd;                 /* /dev/netmap, or -1 */

	struct nmreq_register asked; /* reg before it was returned; it is that again after undo */
};

/* Memory of a region, mapped once for all ports that are in it. */
struct nmem_d {
	uint16_t mem_id;
	int is_extmem;
	int refcount;
	void *mem;
	size_t size;
};

/*
 * The whole of it. A mapping holds the port that it was made by: of several ports in one region the
 * first one stays bound, though it is closed, until the last one is closed as well.
 */
struct nmport_d *nmport_open(const char *name);
void nmport_close(struct nmport_d *d);

/* By name and not open yet. What it fills in may be changed then. */
struct nmport_d *nmport_prepare(const char *name);
void nmport_undo_prepare(struct nmport_d *d);

/* Opens and maps what was prepared. */
int nmport_open_desc(struct nmport_d *d);
void nmport_undo_open_desc(struct nmport_d *d);

/* The single steps: an empty port, its name, the request, its memory; and back. */
struct nmport_d *nmport_new(void);
void nmport_delete(struct nmport_d *d);
int nmport_parse(struct nmport_d *d, const char *name);
void nmport_undo_parse(struct nmport_d *d);
int nmport_register(struct nmport_d *d);
void nmport_undo_register(struct nmport_d *d);
int nmport_mmap(struct nmport_d *d);
void nmport_undo_mmap(struct nmport_d *d);

/*
 * A second port of the same request, not open yet: with reg as it was returned, so that it is in
 * the same region and has the same sizes. Usually another ring is chosen then. Options for offsets
 * come along; memory of the program belongs to the region already.
 */
struct nmport_d *nmport_clone(struct nmport_d *d);

/*
 * Puts a frame into a ring that has room for it, over several slots if need be. Returns its length,
 * or 0 where no ring has room. It leaves with the next sync.
 */
int nmport_inject(struct nmport_d *d, const void *frame, size_t size);

/*
 * Have the region made of this memory, before the port is registered. What it came to is in the
 * info then, where numbers and sizes of objects may be asked for before (0: let the kernel choose).
 */
int nmport_extmem(struct nmport_d *d, void *base, size_t size);
int nmport_extmem_from_file(struct nmport_d *d, const char *file);
struct nmreq_pools_info *nmport_extmem_getinfo(struct nmport_d *d);
void nmport_undo_extmem(struct nmport_d *d);

/*
 * Have frames start at an offset in their buffers, before the port is registered: initially this
 * one, at most that one, in so many low bits of slot.ptr (0: all), with so much to the next frame
 * in the same buffer (0: there is none).
 */
int nmport_offset(struct nmport_d *d, uint64_t initial, uint64_t most, uint64_t bits,
	uint64_t gap);

/*
 * Which @OPTIONs names may have: share, conf, extmem are enabled at first, and offset is not, since
 * it is for programs that know of it. ENOENT if there is none of that name.
 */
int nmport_enable_option(const char *option);
int nmport_disable_option(const char *option);

/*
 * Parts of a name into parts of a request; *at is moved behind what was read. Requests that a
 * program makes by itself are begun by nmreq_header_init().
 */
void nmreq_header_init(struct nmreq_header *hdr, uint16_t type, void *body);
/* SUBSYSTEM:NAME, pipes included. */
int nmreq_header_decode(const char **at, struct nmreq_header *hdr, struct nmctx *ctx);
/* MODE, FLAGS and REGION. */
int nmreq_register_decode(const char **at, struct nmreq_register *reg, struct nmctx *ctx);
/* SUBSYSTEM:NAME: the number of that port's region, or -1. */
int32_t nmreq_get_mem_id(const char **name, struct nmctx *ctx);

/* The list of options of a request. They stay the caller's, but those that nmreq_free_options()
 * frees: these must come from nmctx_malloc() of the default context. */
void nmreq_push_option(struct nmreq_header *hdr, struct nmreq_option *option);
void nmreq_remove_option(struct nmreq_header *hdr, struct nmreq_option *option);
struct nmreq_option *nmreq_find_option(struct nmreq_header *hdr, uint32_t type);
void nmreq_free_options(struct nmreq_header *hdr);
const char *nmreq_option_name(uint32_t type);

/*
 * What the library needs of the program: where sentences go, and where memory comes from. Where a
 * function takes one, NULL means the default context. The memory functions must be fit for threads
 * if the program has any.
 */
typedef void nmctx_error_cb(struct nmctx *ctx, const char *sentence);
typedef void *nmctx_malloc_cb(struct nmctx *ctx, size_t size);
typedef void nmctx_free_cb(struct nmctx *ctx, void *memory);
typedef void nmctx_lock_cb(struct nmctx *ctx, int lock);

struct nmctx {
	int verbose; /* 1: error() also gets what went well */
	nmctx_error_cb *error; /* NULL: nobody wants to know */
	nmctx_malloc_cb *malloc;
	nmctx_free_cb *free;
	nmctx_lock_cb *lock; /* NULL: the library has locks of its own */
};

/* The default context, which may be changed in place, or replaced. */
struct nmctx *nmctx_get(void);
void nmctx_set_default(struct nmctx *ctx);
/* There is nothing to set: the library may be used by several threads in any case. */
void nmctx_set_threadsafe(void);
void nmctx_lock(struct nmctx *ctx);
void nmctx_unlock(struct nmctx *ctx);
void *nmctx_malloc(struct nmctx *ctx, size_t size);
void nmctx_free(struct nmctx *ctx, void *memory);

/* Says something of the program's own by the context's error(). */
__attribute__((format(printf, 2, 3), unused))
static void nmctx_ferror(struct nmctx *ctx, const char *format, ...)
{
	char sentence[512];
	va_list arguments;

	if (ctx == NULL)
		ctx = nmctx_get();
	if (ctx->error == NULL)
		return;
	va_start(arguments, format);
	vsnprintf(sentence, sizeof(sentence), format, arguments);
	va_end(arguments);
	ctx->error(ctx, sentence);
}

#ifdef __cplusplus
}
#endif

#endif /* FERROMAP_LIBNETMAP_H */
