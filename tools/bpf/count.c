// SPDX-License-Identifier: MIT OR Apache-2.0

/* Leaves every frame to the stack, and counts it. */
#include "counts.h"

SEC("xdp")
int count(struct xdp_md *ctx)
{
	return verdict(ctx, XDP_PASS);
}
