// SPDX-License-Identifier: MIT OR Apache-2.0
//
// The headers and the library in a program in C++.

#define NETMAP_WITH_LIBS
#include <libnetmap.h>

int main()
{
	nmport_d *a = nmport_open("vale0:a");
	nm_desc *b = nm_open("vale0:b", nullptr, 0, nullptr);
	unsigned char frame[60] = { 255, 255, 255, 255, 255, 255, 2 };
	nm_pkthdr hdr;

	if (a == nullptr || b == nullptr || nmport_inject(a, frame, sizeof(frame)) != 60)
		return 1;
	if (ioctl(a->fd, NIOCTXSYNC, nullptr) != 0 || ioctl(b->fd, NIOCRXSYNC, nullptr) != 0)
		return 2;
	const unsigned char *got = nm_nextpkt(b, &hdr);
	if (got == nullptr || hdr.len != 60 || memcmp(got, frame, 60) != 0)
		return 3;
	nm_close(b);
	nmport_close(a);
	return 0;
}
