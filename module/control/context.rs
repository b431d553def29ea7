// SPDX-License-Identifier: GPL-2.0

//! What a request works with.

use super::{names, options::Options};
use crate::{file::OpenFile, port::PortLabel, refusal::Fallible, sys::file::Asker, world::World};
use kernel::sync::Arc;

/// What a request works with.
pub(super) struct Context<'a> {
    pub(super) file: &'a OpenFile,
    pub(super) asker: &'a Asker<'a>,
    pub(super) world: &'a Arc<World>,
    /// What the request is about.
    label: PortLabel,
    pub(super) options: Options,
    /// For a request that returns a name.
    pub(super) listed: Option<PortLabel>,
}

impl<'a> Context<'a> {
    /// For a request about `name`, which is without padding.
    pub(super) fn new(
        file: &'a OpenFile,
        asker: &'a Asker<'a>,
        name: &[u8],
        options: Options,
    ) -> Self {
        Context {
            file,
            asker,
            world: file.world(),
            label: PortLabel::new(&[name]),
            options,
            listed: None,
        }
    }

    /// From here on a port of a switch goes by the name that it has there.
    pub(super) fn look_up_name(&mut self) -> Fallible {
        self.label = names::known(&self.label, self.world)?;
        Ok(())
    }

    /// The name that the request is about.
    pub(super) fn name(&self) -> &[u8] {
        &self.label
    }
}
