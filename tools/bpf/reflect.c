// SPDX-License-Identifier: MIT OR Apache-2.0

/* Sends every frame back to the station it came from. */
#include <linux/if_ether.h>
#include "counts.h"

SEC("xdp")
int reflect(struct xdp_md *ctx)
{
	struct ethhdr *eth = (void *)(long)ctx->data;
	__u8 address[ETH_ALEN];

	if ((void *)(eth + 1) > (void *)(long)ctx->data_end)
		return verdict(ctx, XDP_DROP);
	__builtin_memcpy(address, eth->h_dest, ETH_ALEN);
	__builtin_memcpy(eth->h_dest, eth->h_source, ETH_ALEN);
	__builtin_memcpy(eth->h_source, address, ETH_ALEN);
	return verdict(ctx, XDP_TX);
}
