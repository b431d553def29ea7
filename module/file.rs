// SPDX-License-Identifier: GPL-2.0

//! An open file of the device: what it is bound to, and why its last request was refused.

use crate::{
    abi::ext::{NmreqWhy, WHY_TEXT},
    binding::Binding,
    live::{self, Counted},
    refusal::{refuse, Fallible, Refusal},
    sys::file::Kin,
    world::World,
};
use kernel::{
    prelude::*,
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
    pub(crate) fn new(world: &Arc<World>, kin: Kin<Self>) -> Result<Pin<KBox<Self>>> {
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

    pub(crate) fn world(&self) -> &Arc<World> {
        &self.world
    }

    /// By what other open files are known.
    pub(crate) fn kin(&self) -> &Kin<Self> {
        &self.kin
    }

    pub(crate) fn binding(&self) -> Option<&Binding> {
        self.binding.as_ref()
    }

    /// Binds the file, unless another thread was faster. Only called in a control request's turn.
    pub(crate) fn bind(&self, binding: Binding) -> Fallible {
        if !self.binding.populate(binding) {
            refuse!(EBUSY, "this file is already bound");
        }
        Ok(())
    }

    /// Keeps why a request was refused, and returns the errno.
    pub(crate) fn remember(&self, reqtype: u16, refusal: Refusal) -> Error {
        let errno = refusal.errno;
        // It begins anew by itself.
        if errno == ERESTARTNOINTR {
            return errno;
        }
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

    pub(crate) fn bound(&self) -> Result<&Binding> {
        self.binding().ok_or(ENXIO)
    }
}
