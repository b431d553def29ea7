// SPDX-License-Identifier: MIT OR Apache-2.0

//! Options of a request: a list in the program's memory.
//!
//! # What this rests on
//!
//! `nr_options` and each `nro_next` are 0 or the address of an option that is there, and the list
//! ends. Programs that make options promise it; what the header says of them asks for it.

use ferromap_abi::wire::{NmreqHeader, NmreqOption};

/// The option at an address of the list.
///
/// # Safety
///
/// By what this file rests on, `address` is that of an option, or 0.
unsafe fn at<'a>(address: u64) -> Option<&'a mut NmreqOption> {
    let option = std::ptr::with_exposed_provenance_mut::<NmreqOption>(address as usize);
    // SAFETY: by this function's contract. The program has no other thread at the list.
    unsafe { option.as_mut() }
}

/// All options of a request, in their order: (type, status).
///
/// # Safety
///
/// The list of `hdr` is one (see above).
pub(crate) unsafe fn all(hdr: &NmreqHeader) -> Vec<(u32, u32)> {
    let mut all = Vec::new();
    let mut next = hdr.nr_options;
    // SAFETY: by the contract, along the list.
    while let Some(option) = unsafe { at(next) } {
        all.push((option.nro_reqtype, option.nro_status));
        next = option.nro_next;
    }
    all
}

/// Puts an option at the front.
///
/// # Safety
///
/// `option` is an option that stays as long as it is in the list.
pub(crate) unsafe fn push(hdr: &mut NmreqHeader, option: *mut NmreqOption) {
    // SAFETY: by the contract.
    if let Some(it) = unsafe { option.as_mut() } {
        it.nro_next = hdr.nr_options;
        hdr.nr_options = option.expose_provenance() as u64;
    }
}

/// Takes an option out, if it is there.
///
/// # Safety
///
/// The list of `hdr` is one (see above).
pub(crate) unsafe fn remove(hdr: &mut NmreqHeader, option: *const NmreqOption) {
    let mut link = &mut hdr.nr_options;
    while *link != 0 {
        let here = *link;
        // SAFETY: by the contract, along the list.
        let Some(it) = (unsafe { at(here) }) else {
            return;
        };
        if here == option.addr() as u64 {
            *link = it.nro_next;
            it.nro_next = 0;
            return;
        }
        link = &mut it.nro_next;
    }
}

/// The first option of that type, or null.
///
/// # Safety
///
/// The list of `hdr` is one (see above).
pub(crate) unsafe fn find(hdr: &NmreqHeader, kind: u32) -> *mut NmreqOption {
    let mut next = hdr.nr_options;
    // SAFETY: by the contract, along the list.
    while let Some(option) = unsafe { at(next) } {
        if option.nro_reqtype == kind {
            return option;
        }
        next = option.nro_next;
    }
    std::ptr::null_mut()
}

#[cfg(test)]
mod tests {
    use super::*;
    use ferromap_abi::wire::Plain;

    #[test]
    fn options_come_and_go() {
        let mut hdr = NmreqHeader::zeroed();
        let mut options = [1, 2, 3].map(|nro_reqtype| NmreqOption {
            nro_reqtype,
            ..NmreqOption::default()
        });
        let base = options.as_mut_ptr();
        let kinds = |hdr: &NmreqHeader| {
            // SAFETY: the list is made below, of options that stay.
            unsafe { all(hdr) }
                .into_iter()
                .map(|(kind, _)| kind)
                .collect::<Vec<_>>()
        };
        for i in 0..3 {
            // SAFETY: three options, which stay till the end.
            unsafe { push(&mut hdr, base.add(i)) };
        }
        assert_eq!(kinds(&hdr), [3, 2, 1]);
        // SAFETY: as above.
        unsafe {
            assert_eq!(find(&hdr, 2), base.add(1));
            assert!(find(&hdr, 4).is_null());
            remove(&mut hdr, base.add(1));
            assert_eq!(kinds(&hdr), [3, 1]);
            remove(&mut hdr, base.add(1));
            remove(&mut hdr, base.add(2));
            assert_eq!(kinds(&hdr), [1]);
            remove(&mut hdr, base);
        }
        assert_eq!(hdr.nr_options, 0);
    }
}
