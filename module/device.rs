// SPDX-License-Identifier: GPL-2.0

//! `/dev/netmap`: the front door. It only routes.

use crate::{
    abi::{
        consts::*,
        ext::{NmreqWhy, WHY_TEXT},
    },
    binding::Binding,
    control,
    live::{self, Counted},
    refusal::{refuse, Answer, Name, Refusal},
    sys::{
        file::{Asker, Device, Kin, Poll},
        user,
        vmalloc::HugeMem,
    },
    world::World,
};
use kernel::{
    bindings::POLLERR,
    prelude::*,
    seq_file::SeqFile,
    seq_print,
    sync::{new_mutex, Arc, Mutex, SetOnce},
};

/// An open file of the device.
#[pin_data]
pub(crate) struct OpenFile {
    /// Bound at most once in its life.
    binding: SetOnce<Binding>,
    world: Arc<World>,
    kin: Kin<Self>,
    /// The last refusal, for whoever asks why.
    #[pin]
    why: Mutex<Why>,
    _live: Counted,
}

struct Why {
    reqtype: u16,
    refusal: Option<Refusal>,
}

impl OpenFile {
    pub(crate) fn world(&self) -> &Arc<World> {
        &self.world
    }

    /// Calls `f` with the open file behind another descriptor of the calling process; see [`Kin::with`].
    pub(crate) fn with_other<T>(&self, fd: u32, f: impl FnOnce(&Self) -> T) -> Result<Option<T>> {
        self.kin.with(fd, f)
    }

    pub(crate) fn binding(&self) -> Option<&Binding> {
        self.binding.as_ref()
    }

    /// Binds the file, unless another thread was faster. Only called in a control request's turn.
    pub(crate) fn bind(&self, binding: Binding) -> Answer {
        if !self.binding.populate(binding) {
            refuse!(EBUSY, "this file is already bound");
        }
        Ok(())
    }

    /// Keeps why a request was refused, and answers the errno.
    pub(crate) fn remember(&self, reqtype: u16, refusal: Refusal) -> Error {
        let errno = refusal.errno;
        *self.why.lock() = Why {
            reqtype,
            refusal: Some(refusal),
        };
        errno
    }

    /// Why the last request was refused.
    pub(crate) fn last_refusal(&self) -> NmreqWhy {
        let why = self.why.lock();
        let refusal = why.refusal.as_ref();
        let sentence = refusal.map_or(&[][..], Refusal::why);
        let mut text = [0; WHY_TEXT];
        text[..sentence.len()].copy_from_slice(sentence);
        NmreqWhy {
            reqtype: why.reqtype.into(),
            errno: refusal.map_or(0, |refusal| refusal.errno.to_errno().unsigned_abs()),
            len: sentence.len() as u32,
            text,
        }
    }

    fn bound(&self) -> Result<&Binding> {
        self.binding().ok_or(ENXIO)
    }
}

impl Device for OpenFile {
    type Context = Arc<World>;

    fn open(world: &Arc<World>, kin: Kin<Self>) -> Result<Pin<KBox<Self>>> {
        let none = Why {
            reqtype: 0,
            refusal: None,
        };
        KBox::pin_init(
            pin_init!(OpenFile {
                binding: SetOnce::new(),
                world: world.clone(),
                kin,
                why <- new_mutex!(none),
                _live: Counted::new(live::Kind::File),
            }),
            GFP_KERNEL_ACCOUNT,
        )
    }

    fn release(self: Pin<KBox<Self>>) {
        let world = self.world.clone();
        let turn = world.turn.take();
        drop(self);
        drop(turn);
    }

    fn ioctl(&self, asker: &Asker<'_>, cmd: u32, arg: u64) -> Result<isize> {
        match cmd {
            NIOCTXSYNC => self.bound()?.txsync()?,
            NIOCRXSYNC => self.bound()?.rxsync()?,
            NIOCCTRL | NIOCREGIF | NIOCGINFO | NIOCCONFIG if arg == 0 => return Err(EINVAL),
            NIOCCTRL => control::ctrl(self, asker, arg)?,
            NIOCREGIF => control::legacy(self, asker, control::Legacy::Bind, arg)?,
            NIOCGINFO => control::legacy(self, asker, control::Legacy::Info, arg)?,
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

    fn memory(&self) -> Option<&HugeMem> {
        Some(self.binding()?.mem().memory())
    }

    fn will_be_written(&self) {
        if let Some(binding) = self.binding() {
            binding.add_writer();
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
