// SPDX-License-Identifier: MIT OR Apache-2.0

mod inbox;
mod table;
mod turns;
