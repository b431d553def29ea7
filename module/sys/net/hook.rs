// SPDX-License-Identifier: GPL-2.0

//! Being shown the frames of an interface.

use super::{netfilter::Hooks, receiver::Receiver, rx_handler::RxHandler, Device, Rtnl};
use kernel::{prelude::*, sync::Arc};

/// The hooks of an interface: what it receives, and what the stack sends through it, is shown to
/// the receiver first. Dropping them without [`remove`](Self::remove) takes the lock for that.
pub(crate) struct Hook<R: Receiver> {
    /// Until it is hooked out.
    hooked: Option<(Hooks<R>, RxHandler<R>)>,
}

impl<R: Receiver> Hook<R> {
    /// Hooks in. `EBUSY` if another part of the kernel takes what the interface receives: it is in
    /// a bridge or a bond, for instance. `EINVAL` if the interface is of a kind that nobody can
    /// take frames of.
    pub(crate) fn new(device: Device, receiver: Arc<R>, rtnl: &Rtnl) -> Result<Self> {
        let claim = RxHandler::new(device.again(), receiver.clone(), rtnl)?;
        let hooks = Hooks::new(device, receiver, rtnl)?;
        Ok(Hook {
            hooked: Some((hooks, claim)),
        })
    }

    /// Hooks out. Nobody is in the receiver any more when this is done.
    pub(crate) fn remove(mut self, _: &Rtnl) {
        drop(self.hooked.take());
    }
}

impl<R: Receiver> Drop for Hook<R> {
    fn drop(&mut self) {
        if self.hooked.is_some() {
            let _rtnl = Rtnl::lock();
            drop(self.hooked.take());
        }
    }
}
