// SPDX-License-Identifier: GPL-2.0

//! CSB mode and the loop: section 10 of the interface. None of these requests waits for a turn or
//! has anybody wait for one.

use super::{context::Context, options::Options};
use crate::{
    abi::{
        consts::*,
        options::{NmKloopEventfds, NmreqOptCsb, NmreqOptSyncKloopMode},
        wire::*,
    },
    binding::Binding,
    kloop::{check, Eventfds, Wishes},
    refusal::{refuse, Fallible, Refusal},
    ring::Selection,
    sys::eventfd::Eventfd,
};
use kernel::prelude::*;

/// The longest sleep between two rounds, in microseconds.
const MAX_SLEEP_US: u32 = 1_000_000;

/// The direct modes, which are all that there are.
const DIRECT: u32 = NM_OPT_SYNC_KLOOP_DIRECT_TX | NM_OPT_SYNC_KLOOP_DIRECT_RX;

/// Refuses a CSB that will not do for these rings, before anything is bound. `None` if the options
/// have none.
pub(super) fn check_csb(options: &mut Options, selection: &Selection) -> Fallible<Option<()>> {
    let rings = selection.tx.len() + selection.rx.len();
    let check =
        |csb: &mut NmreqOptCsb| check(selection.exclusive, csb.csb_atok, csb.csb_ktoa, rings);
    options.take(check)
}

/// Has a file that is being bound enter CSB mode, if an option says so. Writes to memory of the
/// process.
pub(super) fn take_csb(options: &mut Options, binding: &Binding) -> Fallible<Option<()>> {
    options
        .take(|csb: &mut NmreqOptCsb| binding.kloop().enable(binding, csb.csb_atok, csb.csb_ktoa))
}

/// The file's binding: `ENXIO` if it has none.
fn bound<'a>(context: &Context<'a>) -> Fallible<&'a Binding> {
    match context.file.binding() {
        Some(binding) => Ok(binding),
        None => refuse!(ENXIO, "this file is not bound: say REGISTER first"),
    }
}

/// `NETMAP_REQ_CSB_ENABLE`.
pub(super) fn csb_enable(context: &mut Context<'_>) -> Fallible {
    let binding = bound(context)?;
    if take_csb(&mut context.options, binding)?.is_none() {
        refuse!(
            EINVAL,
            "CSB_ENABLE needs NETMAP_REQ_OPT_CSB, which says where the CSB is"
        );
    }
    Ok(())
}

/// `NETMAP_REQ_SYNC_KLOOP_START`. Returns when the loop has ended.
pub(super) fn start(context: &mut Context<'_>, req: &mut NmreqSyncKloopStart) -> Fallible {
    let binding = bound(context)?;
    if req.sleep_us > MAX_SLEEP_US {
        refuse!(
            EINVAL,
            "sleep_us is {}: the loop sleeps up to {} microseconds",
            req.sleep_us,
            MAX_SLEEP_US
        );
    }
    let rings = binding.held().tx().len() + binding.held().rx().len();
    let eventfds = take_eventfds(&mut context.options, rings)?;
    let all_kick = eventfds.iter().all(|fds| fds.kick.is_some());
    context.options.take(|option: &mut NmreqOptSyncKloopMode| {
        if option.mode & !DIRECT != 0 {
            refuse!(
                EINVAL,
                "mode {:#x} has bits that are not known",
                option.mode
            );
        }
        if option.mode != 0 && !all_kick {
            refuse!(
                EINVAL,
                "a direct mode needs an ioeventfd for each of the {} rings",
                rings
            );
        }
        Ok(())
    })?;
    let wishes = Wishes {
        sleep_us: req.sleep_us,
        eventfds,
    };
    binding.kloop().start(binding, &wishes)
}

/// `NETMAP_REQ_SYNC_KLOOP_STOP`. Returns once the loop has ended.
pub(super) fn stop(context: &mut Context<'_>) -> Fallible {
    bound(context)?.kloop().stop()
}

/// The eventfds of each ring, or of none.
fn take_eventfds(options: &mut Options, rings: usize) -> Fallible<KVec<Eventfds>> {
    let taken = options.take_body(NETMAP_REQ_OPT_SYNC_KLOOP_EVENTFDS, |head, body| {
        let each = size_of::<NmKloopEventfds>();
        if body.len() != rings * each {
            refuse!(
                EINVAL,
                "nro_size of the eventfds is {}: for {} rings it is {}",
                head.nro_size,
                rings,
                size_of::<NmreqOption>() + rings * each
            );
        }
        let mut all = KVec::with_capacity(rings, GFP_KERNEL_ACCOUNT)?;
        for (i, fds) in body.chunks_exact(each).enumerate() {
            let (kick, irq) = fds.split_at(each / 2);
            let eventfds = Eventfds {
                kick: eventfd(kick, "ioeventfd", i)?,
                irq: eventfd(irq, "irqfd", i)?,
            };
            all.push(eventfds, GFP_KERNEL_ACCOUNT)?;
        }
        Ok(all)
    })?;
    Ok(taken.unwrap_or_default())
}

/// The eventfd behind a descriptor; none behind a negative one.
fn eventfd(bytes: &[u8], what: &str, ring: usize) -> Fallible<Option<Eventfd>> {
    let Ok(bytes) = <[u8; 4]>::try_from(bytes) else {
        return Err(EINVAL.into());
    };
    let fd = i32::from_ne_bytes(bytes);
    if fd < 0 {
        return Ok(None);
    }
    let eventfd = Eventfd::of(fd).map_err(|errno| {
        Refusal::new(
            errno,
            fmt!(
                "descriptor {}, the {} of ring {}, is no eventfd",
                fd,
                what,
                ring
            ),
        )
    })?;
    Ok(Some(eventfd))
}
