// SPDX-License-Identifier: MIT OR Apache-2.0

// Hands every frame of an interface to the AF_XDP socket of its queue.

#include <linux/bpf.h>

// A map as the loader knows it without type information.
struct {
	__u32 type, key_size, value_size, max_entries, flags;
} sockets __attribute__((section("maps"), used)) = {
	.type = BPF_MAP_TYPE_XSKMAP,
	.key_size = sizeof(__u32),
	.value_size = sizeof(__u32),
	.max_entries = 1,
};

static long (*const redirect_map)(void *map, __u64 key, __u64 flags) =
	(void *)BPF_FUNC_redirect_map;

__attribute__((section("xdp"), used)) int redirect(struct xdp_md *frame)
{
	return redirect_map(&sockets, frame->rx_queue_index, XDP_PASS);
}

char terms[] __attribute__((section("license"), used)) = "Dual MIT/GPL";
