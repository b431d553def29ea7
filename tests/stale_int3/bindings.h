/* SPDX-License-Identifier: GPL-2.0 */
/* What bindgen reads for the items named in bindings.list: includes, and what is a macro. */
#include <linux/kdebug.h>
#include <linux/notifier.h>

enum stale_int3_answer {
	STALE_INT3_STOP = NOTIFY_STOP,
	STALE_INT3_DONE = NOTIFY_DONE,
};
