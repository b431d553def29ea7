// SPDX-License-Identifier: MIT OR Apache-2.0

mod contention;
mod inbox;
mod table;
