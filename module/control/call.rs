// SPDX-License-Identifier: GPL-2.0

//! A request on its way from the program and back.

use super::{context::Context, options::Options};
use crate::{
    abi::{
        name,
        wire::{NmreqHeader, Plain},
    },
    file::OpenFile,
    refusal::{refuse, Fallible},
    sys::{file::Asker, user},
    turn::Taken,
};
use kernel::prelude::*;

pub(super) struct Call<'a> {
    pub(super) file: &'a OpenFile,
    pub(super) asker: &'a Asker<'a>,
    pub(super) header: &'a mut NmreqHeader,
}

impl Call<'_> {
    /// A request that makes or unmakes something: one at a time does.
    pub(super) fn in_turn<T: Plain>(
        self,
        serve: impl FnOnce(&mut Context<'_>, &Taken<'_>, &mut T) -> Fallible,
    ) -> Fallible {
        self.with_body(|context, body| in_turn(context, |context, turn| serve(context, turn, body)))
    }

    /// A request that takes no part in that: it changes nothing, and what it looks at has locks of
    /// its own.
    pub(super) fn at_once<T: Plain>(
        self,
        serve: impl FnOnce(&mut Context<'_>, &mut T) -> Fallible,
    ) -> Fallible {
        self.with_body(|context, body| at_once(context, |context| serve(context, body)))
    }

    /// As [`in_turn`](Self::in_turn), for a request without a body.
    pub(super) fn bare_in_turn(
        self,
        serve: impl FnOnce(&mut Context<'_>, &Taken<'_>) -> Fallible,
    ) -> Fallible {
        self.without_body(|context| in_turn(context, serve))
    }

    /// As [`at_once`](Self::at_once), for a request without a body.
    pub(super) fn bare_at_once(self, serve: impl FnOnce(&mut Context<'_>) -> Fallible) -> Fallible {
        self.without_body(|context| at_once(context, serve))
    }

    /// Fetches the body, and writes it back if the request succeeds.
    fn with_body<T: Plain>(
        self,
        serve: impl FnOnce(&mut Context<'_>, &mut T) -> Fallible,
    ) -> Fallible {
        let addr = self.header.nr_body;
        if addr == 0 {
            refuse!(EINVAL, "request {} needs a body", self.header.nr_reqtype);
        }
        let mut body = user::read::<T>(addr)?;
        self.serve(size_of::<T>(), |context| serve(context, &mut body))?;
        Ok(user::write(addr, &body)?)
    }

    fn without_body(self, serve: impl FnOnce(&mut Context<'_>) -> Fallible) -> Fallible {
        if self.header.nr_body != 0 {
            refuse!(EINVAL, "request {} has no body", self.header.nr_reqtype);
        }
        self.serve(0, serve)
    }

    /// Fetches the options, serves the request, and writes back what became of the options. The
    /// program's memory is touched before and after, never in somebody's turn.
    fn serve(self, body: usize, serve: impl FnOnce(&mut Context<'_>) -> Fallible) -> Fallible {
        let (options, read) = Options::read(self.header.nr_options, body)?;
        let name = name::trim(&self.header.nr_name);
        let mut context = Context::new(self.file, self.asker, name, options);
        let result = read.and_then(|()| serve(&mut context));
        let written = context.options.write_back(result.is_ok());
        result?;
        if let Some(name) = context.listed {
            self.header.nr_name = *name.padded();
        }
        Ok(written?)
    }
}

/// Has others wait meanwhile.
pub(super) fn in_turn(
    context: &mut Context<'_>,
    serve: impl FnOnce(&mut Context<'_>, &Taken<'_>) -> Fallible,
) -> Fallible {
    let world = context.world;
    let turn = world.turn.take();
    context.look_up_name()?;
    serve(context, &turn)
}

pub(super) fn at_once(
    context: &mut Context<'_>,
    serve: impl FnOnce(&mut Context<'_>) -> Fallible,
) -> Fallible {
    context.look_up_name()?;
    serve(context)
}
