// SPDX-License-Identifier: GPL-2.0

//! `/dev/netmap`: the front door. It only routes.

use crate::{
    abi::consts::*,
    control::{self, Legacy},
    file::OpenFile,
    refusal::Name,
    sys::{
        backing::Backing,
        file::{Asker, Device, Kin, Poll},
        user, vmalloc,
    },
    world::World,
};
use kernel::{bindings::POLLERR, mm::Mm, prelude::*, seq_file::SeqFile, seq_print, sync::Arc};

impl Device for OpenFile {
    type Context = Arc<World>;

    fn open(world: &Arc<World>, kin: Kin<Self>) -> Result<Pin<KBox<Self>>> {
        OpenFile::new(world, kin)
    }

    /// Everything that goes here has locks of its own: who closes waits for no request.
    fn release(self: Pin<KBox<Self>>) {
        drop(self);
        vmalloc::give_back();
    }

    fn ioctl(&self, asker: &Asker<'_>, cmd: u32, arg: u64) -> Result<isize> {
        match cmd {
            NIOCTXSYNC => self.bound()?.txsync()?,
            NIOCRXSYNC => self.bound()?.rxsync()?,
            NIOCCTRL | NIOCREGIF | NIOCGINFO | NIOCCONFIG if arg == 0 => return Err(EINVAL),
            NIOCCTRL => control::ctrl(self, asker, arg)?,
            NIOCREGIF => control::legacy(self, asker, Legacy::Bind, arg)?,
            NIOCGINFO => control::legacy(self, asker, Legacy::Info, arg)?,
            NIOCCONFIG => {
                // For extensions of the switch in other modules, of which there are none.
                user::read_bytes(arg, &mut [0; 272])?;
                return Err(EINVAL);
            }
            _ => return Err(EOPNOTSUPP),
        }
        Ok(0)
    }

    fn poll<'a>(&'a self, poll: Poll<'a>) -> u32 {
        match self.binding() {
            Some(binding) => binding.poll(&poll),
            None => POLLERR,
        }
    }

    fn memory(&self) -> Option<&dyn Backing> {
        Some(self.binding()?.mem())
    }

    fn will_be_written(&self, from: &Mm) {
        if let Some(binding) = self.binding() {
            binding.add_writer(from);
        }
    }

    fn show(&self, out: &SeqFile) {
        let Some(binding) = self.binding() else {
            seq_print!(out, "netmap-port:\t(not bound)\n");
            return;
        };
        let held = binding.held();
        seq_print!(out, "netmap-port:\t{}\n", Name(binding.port().name()));
        seq_print!(out, "netmap-region:\t{}\n", held.set().region().id());
        let shape = held.set().shape();
        let line = |(kind, number): (&str, u16), name: &str, value: u64| {
            seq_print!(out, "netmap-{}{}-{}:\t{}\n", kind, number, name, value);
        };
        for (number, ring) in held.selection().tx.clone().zip(held.tx()) {
            let label = shape.tx_label(number);
            ring.counters.each(|name, value| line(label, name, value));
        }
        for (number, ring) in held.selection().rx.clone().zip(held.rx()) {
            let label = shape.rx_label(number);
            ring.counters.each(|name, value| line(label, name, value));
        }
    }
}
