// SPDX-License-Identifier: MIT OR Apache-2.0

/* Drops frames that match one of its rules, which are held in maps and may change at any time. What
 * it looks at is told by `xdp filter --help`; a frame that is too short to be looked at is left to
 * the stack. */
#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <bpf/bpf_endian.h>
#include "counts.h"

#define RULES 65536
#define TAGS 2
#define EXTENSIONS 6
#define FRAGMENT_OFFSET 0x1fff

struct prefix4 {
	__u32 length;
	__u8 address[4];
};

struct prefix6 {
	__u32 length;
	__u8 address[16];
};

struct port {
	__u8 protocol;
	__u8 zero;
	__be16 number;
};

struct tag {
	__be16 tci;
	__be16 type;
};

/* Of IPv6: those that tell their length in units of 8 bytes. */
struct extension {
	__u8 next;
	__u8 length;
};

struct fragment {
	__u8 next;
	__u8 reserved;
	__be16 offset;
	__be32 id;
};

struct {
	__uint(type, BPF_MAP_TYPE_LPM_TRIE);
	__uint(max_entries, RULES);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct prefix4);
	__type(value, __u8);
} prefixes4 SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_LPM_TRIE);
	__uint(max_entries, RULES);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct prefix6);
	__type(value, __u8);
} prefixes6 SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, RULES);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct port);
	__type(value, __u8);
} ports SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, RULES);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, __be16);
	__type(value, __u8);
} ethertypes SEC(".maps");

static __always_inline int port_matches(void *at, void *end, __u8 protocol)
{
	__be16 *numbers = at;
	struct port key = { .protocol = protocol };

	if (protocol != IPPROTO_TCP && protocol != IPPROTO_UDP)
		return 0;
	/* Source and destination. */
	if ((void *)(numbers + 2) > end)
		return 0;
	key.number = numbers[1];
	return bpf_map_lookup_elem(&ports, &key) != NULL;
}

static __always_inline int ipv4_matches(void *at, void *end)
{
	struct iphdr *ip = at;
	struct prefix4 key = { .length = 32 };

	if ((void *)(ip + 1) > end)
		return 0;
	__builtin_memcpy(key.address, &ip->saddr, sizeof(key.address));
	if (bpf_map_lookup_elem(&prefixes4, &key))
		return 1;
	/* Only the first fragment has ports. */
	if (ip->frag_off & bpf_htons(FRAGMENT_OFFSET))
		return 0;
	return port_matches(at + ip->ihl * 4, end, ip->protocol);
}

static __always_inline int ipv6_matches(void *at, void *end)
{
	struct ipv6hdr *ip = at;
	struct prefix6 key = { .length = 128 };
	__u8 next;

	if ((void *)(ip + 1) > end)
		return 0;
	__builtin_memcpy(key.address, &ip->saddr, sizeof(key.address));
	if (bpf_map_lookup_elem(&prefixes6, &key))
		return 1;
	next = ip->nexthdr;
	at = ip + 1;
	for (int i = 0; i < EXTENSIONS; i++) {
		struct extension *extension = at;
		struct fragment *fragment = at;

		switch (next) {
		case IPPROTO_HOPOPTS:
		case IPPROTO_ROUTING:
		case IPPROTO_DSTOPTS:
			if ((void *)(extension + 1) > end)
				return 0;
			next = extension->next;
			at += (extension->length + 1) * 8;
			break;
		case IPPROTO_FRAGMENT:
			if ((void *)(fragment + 1) > end)
				return 0;
			if (fragment->offset & bpf_htons(0xfff8))
				return 0;
			next = fragment->next;
			at = fragment + 1;
			break;
		default:
			return port_matches(at, end, next);
		}
	}
	return 0;
}

static __always_inline int matches(void *at, void *end)
{
	struct ethhdr *eth = at;
	__be16 type;

	if ((void *)(eth + 1) > end)
		return 0;
	type = eth->h_proto;
	at = eth + 1;
	for (int i = 0; i < TAGS; i++) {
		struct tag *tag = at;

		if (type != bpf_htons(ETH_P_8021Q) && type != bpf_htons(ETH_P_8021AD))
			break;
		/* A rule may name the tag itself. */
		if (bpf_map_lookup_elem(&ethertypes, &type))
			return 1;
		if ((void *)(tag + 1) > end)
			return 0;
		type = tag->type;
		at = tag + 1;
	}
	if (bpf_map_lookup_elem(&ethertypes, &type))
		return 1;
	if (type == bpf_htons(ETH_P_IP))
		return ipv4_matches(at, end);
	if (type == bpf_htons(ETH_P_IPV6))
		return ipv6_matches(at, end);
	return 0;
}

SEC("xdp")
int filter(struct xdp_md *ctx)
{
	void *data = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end;

	return verdict(ctx, matches(data, end) ? XDP_DROP : XDP_PASS);
}
