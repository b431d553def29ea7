// SPDX-License-Identifier: MIT OR Apache-2.0

/* Leaves every frame to the stack. */
#include "counts.h"

SEC("xdp")
int pass(struct xdp_md *ctx)
{
	return verdict(ctx, XDP_PASS);
}
