// SPDX-License-Identifier: MIT OR Apache-2.0

/* Drops every frame. */
#include "counts.h"

SEC("xdp")
int drop(struct xdp_md *ctx)
{
	return verdict(ctx, XDP_DROP);
}
