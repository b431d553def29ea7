// SPDX-License-Identifier: GPL-2.0

//! Who may use a region: its number alone opens it only to the same user in the same network
//! namespace.
//!
//! Whose memory it is goes by the caller, not by who opened the file: a node may be opened by one
//! for another who has no right to (systemd does so). What passes memory on is a descriptor that is
//! bound there.

use crate::{
    params,
    refusal::{refuse, Fallible},
    sys::file::Asker,
    sys::net::{NetId, NetNs},
};
use kernel::{prelude::*, task::Kuid};

/// Who wants memory.
#[derive(Clone, Copy)]
pub(crate) struct Claimant {
    net: NetId,
    user: Kuid,
    /// May change how the network works there: opens interfaces, and so sees the memory that they
    /// share.
    admin: bool,
    /// Parameter `admin_only` is 0: as in netmap, everybody is one user.
    everybody: bool,
}

impl Claimant {
    /// The calling process. It administrates only what whoever opened the file could administrate
    /// as well: that one may have kept a descriptor, and map what is bound there.
    pub(crate) fn current(asker: &Asker<'_>) -> Result<Self> {
        let net = NetNs::current()?;
        let everybody = params::admin_only.get() == 0;
        Ok(Claimant {
            net: net.id(),
            user: Kuid::current_euid(),
            admin: everybody || net.may_administrate() && net.may_be_administrated_by(asker),
            everybody,
        })
    }

    /// Whether he may make interfaces of the namespace, and open them.
    pub(crate) fn administrates(&self) -> bool {
        self.admin
    }

    /// Owner of a region that is made for one port of his.
    pub(super) fn alone(&self) -> Owner {
        Owner {
            net: self.net,
            user: Some(self.user),
        }
    }

    /// Owner of the region that has number 1 for him: that of the namespace's interfaces, or his
    /// own where these are not his to open.
    pub(super) fn shared(&self) -> Owner {
        Owner {
            net: self.net,
            user: (!self.admin).then_some(self.user),
        }
    }
}

/// Who may use a region by its number.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Owner {
    net: NetId,
    /// `None`: those who may administrate the namespace's network.
    user: Option<Kuid>,
}

impl Owner {
    /// Whether it is no user, but who administrates the namespace.
    pub(super) fn is_namespaces(&self) -> bool {
        self.user.is_none()
    }

    /// Whether the two are in one namespace. In any other, a region is as if it were not there.
    pub(super) fn is_near(&self, claimant: &Claimant) -> bool {
        self.net == claimant.net
    }

    /// Refuses whoever is not the owner.
    pub(super) fn admit(&self, claimant: &Claimant, id: u16) -> Fallible {
        match self.user {
            _ if !self.is_near(claimant) => refuse!(
                EACCES,
                "memory region {} belongs to another network namespace: name a descriptor that is \
                 bound in it (FERROMAP_OPT_REGION)",
                id
            ),
            _ if claimant.everybody => Ok(()),
            Some(user) if user != claimant.user => refuse!(
                EACCES,
                "memory region {} belongs to another user: name a descriptor that is bound in it \
                 (FERROMAP_OPT_REGION)",
                id
            ),
            None if !claimant.admin => refuse!(
                EACCES,
                "memory region {} is that of the network interfaces, which takes CAP_NET_ADMIN: or \
                 name a descriptor that is bound in it (FERROMAP_OPT_REGION)",
                id
            ),
            _ => Ok(()),
        }
    }

    /// Whether it is the memory that interfaces of the initial namespace share.
    pub(super) fn is_initial(&self) -> bool {
        self.user.is_none() && self.net == NetId::initial()
    }
}
