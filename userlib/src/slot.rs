// SPDX-License-Identifier: MIT OR Apache-2.0

//! Flags of slots.

use ferromap_abi::consts::*;
use std::ops::BitOr;

/// Flags of a slot (`NS_*`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct SlotFlags(pub(crate) u16);

impl SlotFlags {
    /// None.
    pub const NONE: SlotFlags = SlotFlags(0);
    /// The packet goes on in the next slot.
    #[doc(alias = "NS_MOREFRAG")]
    pub const MORE_FRAGMENTS: SlotFlags = SlotFlags(NS_MOREFRAG);
    /// Report soon that this slot has been sent.
    #[doc(alias = "NS_REPORT")]
    pub const REPORT: SlotFlags = SlotFlags(NS_REPORT);
    /// Pass this received slot on to the host stack, or from there to the NIC, when it is released.
    #[doc(alias = "NS_FORWARD")]
    pub const FORWARD: SlotFlags = SlotFlags(NS_FORWARD);
    /// A switch should not learn the source address.
    #[doc(alias = "NS_NO_LEARN")]
    pub const NO_LEARN: SlotFlags = SlotFlags(NS_NO_LEARN);
    /// On a monitor: the frame was sent, not received.
    #[doc(alias = "NS_TXMON")]
    pub const SENT: SlotFlags = SlotFlags(NS_TXMON);

    /// The number in the slot.
    pub const fn bits(self) -> u16 {
        self.0
    }

    /// Whether all of `other` are set.
    pub const fn contains(self, other: SlotFlags) -> bool {
        self.0 & other.0 == other.0
    }
}

impl BitOr for SlotFlags {
    type Output = SlotFlags;
    fn bitor(self, other: SlotFlags) -> SlotFlags {
        SlotFlags(self.0 | other.0)
    }
}
