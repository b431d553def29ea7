// SPDX-License-Identifier: MIT OR Apache-2.0

/* Counts what another program decides, while this one is attached to its end. */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>
#include "counts.h"

/* The kernel lets only GPL programs look at others. */
char _license[] SEC("license") = "Dual MIT/GPL";

/* The kernel's own view of the frame; nothing in it is looked at here. */
struct xdp_buff;

SEC("fexit")
int BPF_PROG(watch, struct xdp_buff *frame, int action)
{
	__u32 key = action;
	struct xdp_count *count;

	(void)ctx;
	/* The kernel takes what it does not know for XDP_ABORTED. */
	if (key > XDP_REDIRECT)
		key = XDP_ABORTED;
	count = bpf_map_lookup_elem(&xdp_counts, &key);
	if (count) {
		count->packets++;
		count->bytes += bpf_xdp_get_buff_len((struct xdp_md *)frame);
	}
	return 0;
}
