/* SPDX-License-Identifier: GPL-2.0 */
/* What bindgen reads for the items named in bindings.list. Includes only. */
#include <linux/kprobes.h>
