// SPDX-License-Identifier: GPL-2.0

//! Everything there is: what control requests look things up in.

use crate::{attach::Attachments, registry::Registry, turn::Turn};
use kernel::{prelude::*, sync::Arc};

/// Everything there is.
pub(crate) struct World {
    pub(crate) registry: Registry,
    pub(crate) attachments: Arc<Attachments>,
    pub(crate) turn: Arc<Turn>,
}

impl World {
    pub(crate) fn new() -> Result<Arc<Self>> {
        let turn = Turn::new()?;
        let world = World {
            registry: Registry::new()?,
            attachments: Attachments::new(turn.clone())?,
            turn,
        };
        Ok(Arc::new(world, GFP_KERNEL)?)
    }
}
