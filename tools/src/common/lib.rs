// SPDX-License-Identifier: MIT OR Apache-2.0

//! What the tools share: how they are told what to do, how they end, and how they speak.

pub mod cli;
pub mod json;
pub mod ports;
pub mod signals;
pub mod table;
pub mod units;
pub mod watch;

/// As `println!`, but whoever reads us may go away, as `head` does.
#[macro_export]
macro_rules! say {
    ($($text:tt)*) => {{
        use std::io::Write;
        let _ = writeln!(std::io::stdout(), $($text)*);
    }};
}
