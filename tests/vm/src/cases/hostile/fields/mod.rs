// SPDX-License-Identifier: MIT OR Apache-2.0

//! Requests that work, with one field after the other made wrong: every field of header, body and
//! options, and of old requests, by what lies at the ends of its range. Whatever comes of it has an
//! errno that is documented, and a reason; and what was refused has changed nothing.

pub mod asks;
pub mod legacy;
pub mod loops;
pub mod register;
mod sample;
pub mod switches;
