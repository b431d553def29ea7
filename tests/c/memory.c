// SPDX-License-Identifier: MIT OR Apache-2.0
//
// Two ports of a C program in memory of its own, given as such and as a file: frames go between
// them without a copy, and the memory is given back.

#define _GNU_SOURCE
#include "check.h"

#define SIZE ((size_t)4 << 20)
#define SIZES "if-num=8,ring-num=24,ring-size=20480,buf-num=256"
#define FILENAME "/dev/shm/ferromap-c-memory"

// How often this process has the file mapped.
static int mappings(void)
{
	FILE *maps = fopen("/proc/self/maps", "r");
	char line[512];
	int found = 0;

	expect(maps != NULL);
	while (fgets(line, sizeof(line), maps) != NULL)
		found += strstr(line, FILENAME) != NULL;
	fclose(maps);
	return found;
}

// The buffer of a received frame goes to the transmit ring of the other port.
static void pass_on(struct nmport_d *source, struct nmport_d *rx, struct nmport_d *tx,
	struct nmport_d *sink)
{
	struct netmap_ring *in = rx_ring(rx), *out = tx_ring(tx);
	struct netmap_slot *from, *to = &out->slot[out->head];
	uint32_t index = to->buf_idx;

	send_frame(source, 1000, 9, 0);
	from = arrived(rx->fd, in);
	to->buf_idx = from->buf_idx;
	to->len = from->len;
	to->flags |= NS_BUF_CHANGED;
	from->buf_idx = index;
	from->flags |= NS_BUF_CHANGED;
	advance(in);
	advance(out);
	sync_tx(tx);
	take(sink, 1000, 9, 0);
}

static void is_told(struct nmport_d *d)
{
	const struct nmreq_pools_info *info = nmport_extmem_getinfo(d);

	expect(info != NULL && d->extmem->nro_opt.nro_status == 0);
	expect(info->nr_memsize == SIZE && info->nr_mem_id == d->reg.nr_mem_id);
	expect(info->nr_mem_id > 1 && d->reg.nr_memsize == SIZE);
	expect(info->nr_if_pool_offset == 0 && info->nr_if_pool_objtotal == 8);
	expect(info->nr_if_pool_objsize == 1024);
	expect(info->nr_ring_pool_offset == 8 * 1024 && info->nr_ring_pool_objtotal == 24);
	expect(info->nr_ring_pool_objsize == 20480);
	expect(info->nr_buf_pool_offset == 8 * 1024 + 24 * 20480);
	// What is left is for buffers.
	expect(info->nr_buf_pool_objsize == 2048);
	expect(info->nr_buf_pool_objtotal == (SIZE - info->nr_buf_pool_offset) / 2048);
}

static struct nmport_d *within(const char *name, void *memory)
{
	struct nmport_d *d = nmport_prepare(name);
	struct nmreq_pools_info *info;

	expect(d != NULL && nmport_extmem(d, memory, SIZE) == 0);
	d->extmem->nro_opt.nro_status = 99;
	info = nmport_extmem_getinfo(d);
	info->nr_if_pool_objtotal = 8;
	info->nr_ring_pool_objtotal = 24;
	info->nr_ring_pool_objsize = 20480;
	info->nr_buf_pool_objtotal = 256;
	expect(nmport_open_desc(d) == 0);
	is_told(d);
	return d;
}

static void in_memory(void)
{
	void *memory = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	struct nmport_d *a, *b, *c;

	step = "memory of the program";
	expect(memory != MAP_FAILED);
	a = within("vale7:a@conf:slots=256", memory);
	b = within("vale7:b@conf:slots=256", memory);
	c = within("vale8:c@conf:slots=256", memory);
	expect(a->mem == b->mem && b->mem == c->mem && a->mem->refcount == 3);
	expect(a->mem->is_extmem && a->mem->mem == memory && a->mem->size == SIZE);
	expect((char *)a->nifp >= (char *)memory && (char *)a->nifp < (char *)memory + 8 * 1024);
	exchange(a, b, 1);
	exchange(b, a, 2);
	nmport_close(c);
	c = nmport_open("vale8:sink@conf:slots=256");
	expect(c != NULL && c->reg.nr_mem_id != a->reg.nr_mem_id);
	nmport_close(b);
	b = within("vale8:b@conf:slots=256", memory);
	{
		struct nmport_d *source = nmport_open("vale7:source@conf:slots=256");

		expect(source != NULL);
		pass_on(source, a, b, c);
		nmport_close(source);
	}
	nmport_close(a);
	nmport_close(b);
	nmport_close(c);
	// The memory is the program's, and stays.
	memset(memory, 1, SIZE);
	expect(munmap(memory, SIZE) == 0);
}

static void in_a_file(void)
{
	int file = open(FILENAME, O_RDWR | O_CREAT | O_TRUNC, 0600);
	struct nmport_d *a, *b, *again;
	char mine[] = "what the program has left";
	const char *suffix = "@conf:slots=256@extmem:file=" FILENAME "," SIZES;
	char name[200], *held;

	step = "memory of a file";
	expect(file >= 0 && ftruncate(file, SIZE) == 0);
	snprintf(name, sizeof(name), "vale7:a%s", suffix);
	a = nmport_open(name);
	expect(a != NULL);
	is_told(a);
	snprintf(name, sizeof(name), "vale7:b%s", suffix);
	b = nmport_open(name);
	expect(b != NULL && a->mem == b->mem);
	is_told(b);
	exchange(a, b, 1);
	exchange(b, a, 2);
	// Both see what the file has.
	held = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
	expect(held != MAP_FAILED);
	memcpy(held + SIZE - sizeof(mine), mine, sizeof(mine));
	expect(memcmp((char *)a->mem->mem + SIZE - sizeof(mine), mine, sizeof(mine)) == 0);
	expect(munmap(held, SIZE) == 0);

	step = "closing what is in a file";
	nmport_close(a);
	expect(mappings() > 0);
	snprintf(name, sizeof(name), "vale7:a%s", suffix);
	again = nmport_open(name);
	expect(again != NULL && again->mem == b->mem);
	exchange(again, b, 3);
	nmport_close(b);
	nmport_close(again);
	expect(mappings() == 0);
	close(file);
	unlink(FILENAME);
	refused(nmport_open(name) == NULL, ENOENT, "No such file");
}

// So many huge pages are free, of those that there are to be.
static int free_huge_pages(int all)
{
	FILE *file = fopen("/proc/sys/vm/nr_hugepages", "w");
	char line[128];
	int free_ones = -1;

	expect(file != NULL && fprintf(file, "%d", all) > 0 && fclose(file) == 0);
	file = fopen("/proc/meminfo", "r");
	expect(file != NULL);
	while (fgets(line, sizeof(line), file) != NULL)
		sscanf(line, "HugePages_Free: %d", &free_ones);
	fclose(file);
	return free_ones;
}

// There a buffer has as many bytes as it likes; elsewhere the pages of one do not lie together.
static void in_huge_pages(void)
{
	struct nmport_d *d[2];
	void *memory;
	uint32_t i;

	step = "huge pages";
	expect(free_huge_pages(2) == 2);
	memory = mmap(NULL, SIZE, PROT_READ | PROT_WRITE,
		MAP_PRIVATE | MAP_ANONYMOUS | MAP_HUGETLB, -1, 0);
	expect(memory != MAP_FAILED);
	for (i = 0; i < 2; i++) {
		struct nmreq_pools_info *info;

		d[i] = prepare(i == 0 ? "vale7:a@conf:slots=64" : "vale7:b@conf:slots=64");
		expect(nmport_extmem(d[i], memory, SIZE) == 0);
		info = nmport_extmem_getinfo(d[i]);
		info->nr_if_pool_objtotal = 8;
		info->nr_ring_pool_objtotal = 24;
		info->nr_ring_pool_objsize = 4096;
		info->nr_buf_pool_objtotal = 256;
		info->nr_buf_pool_objsize = 9216;
		expect(nmport_open_desc(d[i]) == 0);
		expect(info->nr_memsize == SIZE && info->nr_mem_id == d[i]->reg.nr_mem_id);
		expect(info->nr_ring_pool_offset == 8 * 1024);
		expect(info->nr_buf_pool_offset == 8 * 1024 + 24 * 4096);
		expect(info->nr_buf_pool_objsize == 9216);
		// All of what is left, in whole pages, which four have together: none is withheld.
		expect(info->nr_buf_pool_objtotal ==
			(SIZE - info->nr_buf_pool_offset) / (4 * 9216) * 4);
		expect(tx_ring(d[i])->nr_buf_size == 9216);
	}
	expect(d[0]->mem == d[1]->mem && d[0]->mem->mem == memory);
	expect(free_huge_pages(2) == 0);
	// A frame is in one slot, however long.
	for (i = 0; i < 300; i++) {
		size_t len = MOST - i;

		put_frame(tx_ring(d[i % 2]), len, 1, i);
		sync_tx(d[i % 2]);
		expect((take(d[1 - i % 2], len, 1, i) & NS_MOREFRAG) == 0);
	}
	expect(is_silent(d[0]) && is_silent(d[1]));
	// Pinned, they are not the system's again until both ports are closed.
	expect(munmap(memory, SIZE) == 0);
	expect(free_huge_pages(0) == 0);
	nmport_close(d[0]);
	nmport_close(d[1]);
	eventually(free_huge_pages(2) == 2);
	expect(free_huge_pages(0) == 0);
}

int main(void)
{
	listen_to_the_library();
	in_huge_pages();
	in_memory();
	in_a_file();
	return 0;
}
