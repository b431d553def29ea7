// SPDX-License-Identifier: MIT OR Apache-2.0

//! Which network interfaces there are, by their own names and by alternative ones
//! (`ip link property`).

use crate::{control::Control, spec::Config};
use ferromap_abi::{
    consts::{IFNAMSIZ, NETMAP_REQ_IFNAMSIZ},
    name::is_vale,
};
use nix::{errno::Errno, net::if_::if_nametoindex};

/// Whether there is an interface of that name.
pub(crate) fn is_there(name: &str) -> bool {
    match name.len() {
        0..IFNAMSIZ => if_nametoindex(name).is_ok(),
        // Only alternative names are so long. The system's call has no room for them; the module
        // has. No name has a colon in it, but options have.
        IFNAMSIZ..NETMAP_REQ_IFNAMSIZ if !name.contains(':') => {
            Control::open().is_ok_and(|control| {
                let info = control.info(name, &Config::default(), 0);
                let errno = info.err().and_then(|e| e.errno());
                // Whatever else is the matter with it, it is there, unless it is taken
                // for a switch.
                let is_switch = is_vale(name.as_bytes()) && errno == Some(Errno::EINVAL);
                errno != Some(Errno::ENXIO) && !is_switch
            })
        }
        _ => false,
    }
}
