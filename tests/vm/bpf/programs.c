// SPDX-License-Identifier: MIT OR Apache-2.0

/* What the tests put on switch ports. Frames are those of frame.rs: addresses, type, and a number
 * in four bytes. */
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#define NUMBER 14
#define MARK 18
#define BEHIND 200

/* Where `steer` and `by_number` send frames. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u32);
} target SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_DEVMAP);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u32);
} devices SEC(".maps");

/* The first `bytes` of the frame, if it has as many. */
static __always_inline unsigned char *start(struct xdp_md *ctx, __u32 bytes)
{
	unsigned char *data = (void *)(long)ctx->data;

	return data + bytes <= (unsigned char *)(long)ctx->data_end ? data : 0;
}

static __always_inline __u32 number(const unsigned char *data)
{
	return data[NUMBER] << 24 | data[NUMBER + 1] << 16 | data[NUMBER + 2] << 8 | data[NUMBER + 3];
}

static __always_inline int send_on(void)
{
	__u32 key = 0, *port = bpf_map_lookup_elem(&target, &key);

	return port ? bpf_redirect(*port, 0) : XDP_ABORTED;
}

/* The same whatever the frame. */
SEC("xdp") int aborted(struct xdp_md *ctx) { (void)ctx; return XDP_ABORTED; }
SEC("xdp") int drop(struct xdp_md *ctx) { (void)ctx; return XDP_DROP; }
SEC("xdp") int pass(struct xdp_md *ctx) { (void)ctx; return XDP_PASS; }
SEC("xdp") int tx(struct xdp_md *ctx) { (void)ctx; return XDP_TX; }
SEC("xdp") int unknown(struct xdp_md *ctx) { (void)ctx; return 77; }
SEC("xdp") int steer(struct xdp_md *ctx) { (void)ctx; return send_on(); }
SEC("xdp") int redirect_nowhere(struct xdp_md *ctx) { (void)ctx; return XDP_REDIRECT; }
SEC("xdp") int redirect_device(struct xdp_md *ctx)
{
	(void)ctx;
	return bpf_redirect_map(&devices, 0, XDP_REDIRECT);
}

/* Names a port, and then decides otherwise. */
SEC("xdp") int steer_but_pass(struct xdp_md *ctx) { (void)ctx; send_on(); return XDP_PASS; }

/* As `pass`, but with a call, after which nothing is known about what it looks at. Not one that the
 * kernel puts code in place of, as it does for bpf_get_smp_processor_id: then it is `pass`. */
SEC("xdp") int pass_calling(struct xdp_md *ctx)
{
	(void)ctx;
	return bpf_ktime_get_ns() ? XDP_PASS : XDP_DROP;
}

/* All actions in turn. */
SEC("xdp") int by_number(struct xdp_md *ctx)
{
	unsigned char *data = start(ctx, NUMBER + 4);

	if (!data)
		return XDP_ABORTED;
	switch (number(data) % 5) {
	case XDP_DROP:
		return XDP_DROP;
	case XDP_PASS:
		return XDP_PASS;
	case XDP_TX:
		return XDP_TX;
	case XDP_REDIRECT:
		return send_on();
	}
	return XDP_ABORTED;
}

/* The same without a call, and so without a redirection. */
SEC("xdp") int pass_odd(struct xdp_md *ctx)
{
	unsigned char *data = start(ctx, NUMBER + 4);

	return data && number(data) % 2 ? XDP_PASS : XDP_DROP;
}

/* What is marked does not get through. */
SEC("xdp") int unmarked(struct xdp_md *ctx)
{
	unsigned char *data = start(ctx, MARK + 1);

	return data && data[MARK] != 0xee ? XDP_PASS : XDP_DROP;
}

/* By an address that the verifier knows nothing about. The call is none any more when the program
 * has been loaded. */
extern void *bpf_rdonly_cast(const void *obj, __u32 btf_id) __ksym;

SEC("xdp") int unmarked_behind(struct xdp_md *ctx)
{
	unsigned char *data = start(ctx, ETH_HLEN);

	if (!data)
		return XDP_ABORTED;
	/* As nothing in particular. */
	data = bpf_rdonly_cast(data, 0);
	return data[BEHIND] != 0xee ? XDP_PASS : XDP_DROP;
}

SEC("xdp") int unmarked_calling(struct xdp_md *ctx)
{
	bpf_ktime_get_ns();
	return unmarked(ctx);
}

/* To station 3, whoever it was for. */
SEC("xdp") int for_station_3(struct xdp_md *ctx)
{
	unsigned char *data = start(ctx, ETH_ALEN);

	if (data)
		data[ETH_ALEN - 1] = 3;
	return XDP_PASS;
}

/* Writes where the frame came from behind its number. */
SEC("xdp") int origin(struct xdp_md *ctx)
{
	unsigned char *data = start(ctx, MARK + 2);

	if (data) {
		data[MARK] = ctx->ingress_ifindex;
		data[MARK + 1] = ctx->rx_queue_index;
	}
	return XDP_PASS;
}

/* The addresses and the type in front once more: what was there stays. */
SEC("xdp") int push(struct xdp_md *ctx)
{
	unsigned char *data;

	if (bpf_xdp_adjust_head(ctx, -ETH_HLEN))
		return XDP_ABORTED;
	data = start(ctx, 2 * ETH_HLEN);
	if (!data)
		return XDP_ABORTED;
	__builtin_memcpy(data, data + ETH_HLEN, ETH_HLEN);
	return XDP_PASS;
}

/*
 * What is marked leaves its first bytes in front of it and is otherwise as before. Whatever else
 * comes shows what it finds in front of itself: by starting there, with its addresses first, or,
 * where its mark is 2, behind its mark.
 */
#define FRONT 32
SEC("xdp") int front(struct xdp_md *ctx)
{
	unsigned char *data = start(ctx, MARK + 1 + FRONT), *meta;

	if (!data)
		return XDP_ABORTED;
	if (data[MARK] == 0xee) {
		if (bpf_xdp_adjust_head(ctx, -FRONT))
			return XDP_ABORTED;
		data = start(ctx, 2 * FRONT);
		if (!data)
			return XDP_ABORTED;
		__builtin_memcpy(data, data + FRONT, FRONT);
		return bpf_xdp_adjust_head(ctx, FRONT) ? XDP_ABORTED : XDP_PASS;
	}
	if (data[MARK] != 2) {
		if (bpf_xdp_adjust_head(ctx, -FRONT))
			return XDP_ABORTED;
		data = start(ctx, 2 * FRONT);
		if (!data)
			return XDP_ABORTED;
		__builtin_memcpy(data, data + FRONT, 2 * ETH_ALEN);
		return XDP_PASS;
	}
	if (bpf_xdp_adjust_meta(ctx, -FRONT))
		return XDP_ABORTED;
	data = start(ctx, MARK + 1 + FRONT);
	meta = (void *)(long)ctx->data_meta;
	if (!data || meta + FRONT > (unsigned char *)(long)ctx->data)
		return XDP_ABORTED;
	__builtin_memcpy(data + MARK + 1, meta, FRONT);
	return XDP_PASS;
}

/* Takes off what `push` put there. */
SEC("xdp") int pop(struct xdp_md *ctx)
{
	return bpf_xdp_adjust_head(ctx, ETH_HLEN) ? XDP_ABORTED : XDP_PASS;
}

SEC("xdp") int longer(struct xdp_md *ctx)
{
	return bpf_xdp_adjust_tail(ctx, 100) ? XDP_DROP : XDP_PASS;
}

SEC("xdp") int shorter(struct xdp_md *ctx)
{
	return bpf_xdp_adjust_tail(ctx, -10) ? XDP_DROP : XDP_PASS;
}

SEC("xdp") int too_short(struct xdp_md *ctx)
{
	return bpf_xdp_adjust_tail(ctx, 13 - (int)(ctx->data_end - ctx->data)) ? XDP_DROP : XDP_PASS;
}

/* As far back as it may well go: the kernel keeps the first bytes of the headroom for itself. */
SEC("xdp") int most_headroom(struct xdp_md *ctx)
{
	unsigned char *data;

	if (bpf_xdp_adjust_head(ctx, -200))
		return XDP_DROP;
	data = start(ctx, 200 + ETH_HLEN);
	if (data)
		__builtin_memcpy(data, data + 200, ETH_HLEN);
	return XDP_PASS;
}

SEC("xdp") int with_meta(struct xdp_md *ctx)
{
	return bpf_xdp_adjust_meta(ctx, -8) ? XDP_DROP : XDP_PASS;
}

/* Not for ports. */
SEC("tc") int not_xdp(struct __sk_buff *skb) { (void)skb; return 0; }
SEC("xdp/devmap") int behind_devmap(struct xdp_md *ctx) { (void)ctx; return XDP_PASS; }
SEC("xdp/cpumap") int behind_cpumap(struct xdp_md *ctx) { (void)ctx; return XDP_PASS; }

char _license[] SEC("license") = "GPL";
