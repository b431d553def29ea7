// SPDX-License-Identifier: GPL-2.0

//! Who may ask for what.
//!
//! To ask, and to use ports of a switch, pipes and null ports, it suffices to have the node open;
//! to change anything, it must be open for writing, as for the mapping that follows. What a network
//! interface receives and sends is not one user's alone: for that it takes what it takes to
//! configure it.

use super::context::Context;
use crate::{
    params,
    refusal::{refuse, Fallible},
    sys::net::NetNs,
};
use kernel::prelude::*;

/// Whether the asker may change anything. `EACCES`, as for a writable mapping of a file that is
/// open for reading only.
pub(super) fn change(context: &Context<'_>) -> Fallible {
    if !context.asker.may_write() {
        refuse!(
            EACCES,
            "the node was opened for reading only: open /dev/netmap for reading and writing \
             (O_RDWR)"
        );
    }
    Ok(())
}

/// Whether the asker may have network interfaces of his namespace: `what` says for what.
pub(super) fn interfaces(context: &Context<'_>, what: &str) -> Fallible {
    if params::admin_only.get() == 0 {
        return Ok(());
    }
    administrate(
        context,
        what,
        ", or let root write 0 to /sys/module/netmap/parameters/admin_only",
    )
}

/// Whether the asker may change how his namespace's network works; `or_else` says what else he can
/// do.
///
/// Whoever opened the file must have been able to as well: otherwise a program with more rights
/// could be handed a file and brought to do with it what its opener may not (as for netlink
/// sockets, `netlink_ns_capable`).
pub(super) fn administrate(context: &Context<'_>, what: &str, or_else: &str) -> Fallible {
    let net = NetNs::current()?;
    if !net.may_administrate() {
        refuse!(
            EPERM,
            "{} needs CAP_NET_ADMIN: do it as root (sudo){}",
            what,
            or_else
        );
    }
    if !net.may_be_administrated_by(context.asker) {
        refuse!(
            EPERM,
            "{} needs CAP_NET_ADMIN, which whoever opened this file had not: open /dev/netmap anew",
            what
        );
    }
    Ok(())
}
