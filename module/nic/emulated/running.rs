// SPDX-License-Identifier: GPL-2.0

//! Being shown the frames of an interface, or why that is refused.

use super::receive::ToRings;
use crate::{
    refusal::{refuse, Fallible, Name, Refusal},
    sys::net::{hook::Hook, Device, Rtnl},
};
use kernel::{prelude::*, sync::Arc};

/// An interface in netmap mode.
pub(in crate::nic) struct Running(Hook<ToRings>);

impl Running {
    pub(super) fn start(device: &Device, receiver: &Arc<ToRings>, rtnl: &Rtnl) -> Fallible<Self> {
        match Hook::new(device.again(), receiver.clone(), rtnl) {
            Ok(hook) => Ok(Running(hook)),
            Err(EBUSY) => Err(taken(device, rtnl)),
            Err(EINVAL) => refuse!(
                EINVAL,
                "{} is of kind {}, and the kernel lets nobody take frames of such an interface: \
                 open the one below it, by which they come and go",
                Name(&device.name()),
                Name(&device.kind(rtnl))
            ),
            Err(EOPNOTSUPP) => refuse!(
                EOPNOTSUPP,
                "this kernel lacks CONFIG_NETFILTER_INGRESS or CONFIG_NETFILTER_EGRESS, by which \
                 frames are met"
            ),
            Err(errno) => Err(errno.into()),
        }
    }

    /// Ends it. Dropped instead, it would take the lock that is held here.
    pub(in crate::nic) fn stop(self, rtnl: &Rtnl) {
        self.0.remove(rtnl);
    }
}

/// Says who takes the frames of the interface, which we cannot have for that.
fn taken(device: &Device, rtnl: &Rtnl) -> Refusal {
    if let Some((kind, master)) = device.master(rtnl) {
        let kind: &[u8] = match &*kind {
            b"" => b"interface",
            kind => kind,
        };
        return Refusal::new(
            EBUSY,
            fmt!(
                "{} is in {} {}, which takes its frames: take it out (ip link set {} nomaster), or \
                 open that",
                Name(&device.name()),
                Name(kind),
                Name(&master),
                Name(&device.name())
            ),
        );
    }
    let kind = device.kind(rtnl);
    if matches!(&*kind, b"macvtap" | b"ipvtap") {
        return Refusal::new(
            EBUSY,
            fmt!(
                "the frames of {}, a {}, go to whoever opens its /dev/tap: use that, or open the \
                 interface below it",
                Name(&device.name()),
                Name(&kind)
            ),
        );
    }
    Refusal::new(
        EBUSY,
        fmt!(
            "interfaces that were made on top of {} take its frames, as a macvlan or ipvlan does: \
             delete them (ip link del), or open one of them. ferromap doctor {} tells which",
            Name(&device.name()),
            Name(&device.name())
        ),
    )
}
