// SPDX-License-Identifier: MIT OR Apache-2.0

/* The verifier does not take it: it reads the frame without a look at where that ends. */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

SEC("xdp")
int refused(struct xdp_md *ctx)
{
	return *(int *)(long)ctx->data;
}
