// SPDX-License-Identifier: MIT OR Apache-2.0

//! What the tools print. Every line goes through here: [`say!`](crate::say) for what was asked for,
//! [`note!`](crate::note) for what people should know beside it. Names in a line may be anybody's:
//! it stays one line, and what could not be seen in it is spelt out.
//!
//! A line is one write, so that tools that share a terminal do not tear each other's lines. Where
//! the reader has gone, as `head` does, the tool ends at once and quietly, from whichever thread,
//! as if by SIGPIPE. That signal itself is ignored in Rust's programs.

use nix::{
    errno::Errno,
    poll::{poll, PollFd, PollFlags, PollTimeout},
    sys::signal::Signal,
    unistd::write,
};
use std::{
    borrow::Cow,
    fmt::Arguments,
    io,
    os::fd::AsFd,
    process::{exit, ExitCode},
    sync::atomic::{AtomicBool, Ordering::Relaxed},
};

/// A line on stdout.
#[macro_export]
macro_rules! say {
    ($($text:tt)*) => { $crate::out::say(format_args!($($text)*)) };
}

/// A line on stderr.
#[macro_export]
macro_rules! note {
    ($($text:tt)*) => { $crate::out::note(format_args!($($text)*)) };
}

/// Something was to be written to stdout, and was not.
static FAILED: AtomicBool = AtomicBool::new(false);

/// What [`say!`](crate::say) does.
pub fn say(line: Arguments<'_>) {
    data(shown(line).as_bytes());
}

/// What [`note!`](crate::note) does.
pub fn note(line: Arguments<'_>) {
    lines(&shown(line));
}

fn shown(line: Arguments<'_>) -> String {
    format!("{}\n", visible(&line.to_string()))
}

/// Whether people cannot see a character, or see others changed by it: what moves a terminal's
/// cursor, ends a line, turns the direction of what follows, or has no width.
pub fn is_hidden(c: char) -> bool {
    // Letters to Unicode, and empty to the eye.
    const BLANK: [char; 6] = [
        '\u{115f}',
        '\u{1160}',
        '\u{2800}',
        '\u{3164}',
        '\u{ffa0}',
        '\u{1d159}',
    ];
    // The standard library knows which characters are not to be printed as they are.
    let spelt = c.escape_debug().len() > 1;
    spelt && !matches!(c, '"' | '\'' | '\\') || BLANK.contains(&c)
}

/// A text for people to see: what they could not is spelt out.
pub fn visible(text: &str) -> Cow<'_, str> {
    if !text.contains(is_hidden) {
        return Cow::Borrowed(text);
    }
    let mut out = String::new();
    for c in text.chars() {
        if is_hidden(c) {
            out.extend(c.escape_default());
        } else {
            out.push(c);
        }
    }
    Cow::Owned(out)
}

/// Bytes for stdout as they are.
pub fn data(bytes: &[u8]) {
    told(put(io::stdout(), bytes));
}

/// Whole lines for stderr. That they cannot be written can be told nowhere. Who reports there only
/// would not find out that stdout's reader has gone.
pub fn lines(text: &str) {
    if put(io::stderr(), text.as_bytes()) == Err(Errno::EPIPE) || is_unread(io::stdout()) {
        reader_gone();
    }
}

/// Whether it is a pipe without a reader.
fn is_unread(to: impl AsFd) -> bool {
    let mut fds = [PollFd::new(to.as_fd(), PollFlags::empty())];
    let polled = poll(&mut fds, PollTimeout::ZERO);
    let [fd] = fds;
    polled == Ok(1)
        && fd
            .revents()
            .is_some_and(|got| got.contains(PollFlags::POLLERR))
}

/// What became of something for stdout. The status at the [end](status) will tell, too.
pub fn told(done: Result<(), Errno>) {
    match done {
        Ok(()) => {}
        Err(Errno::EPIPE) => reader_gone(),
        Err(errno) => {
            if !FAILED.swap(true, Relaxed) {
                note(format_args!(
                    "the output cannot be written: {}",
                    errno.desc()
                ));
            }
        }
    }
}

/// The program's status, given the one by what it did.
pub fn status(of_work: ExitCode) -> ExitCode {
    if FAILED.load(Relaxed) && of_work == ExitCode::SUCCESS {
        return ExitCode::FAILURE;
    }
    of_work
}

/// Ends the program as if this signal had.
pub fn end_by(signal: Signal) -> ! {
    exit(128 + signal as i32)
}

fn reader_gone() -> ! {
    end_by(Signal::SIGPIPE)
}

/// One write, as long as the other side takes all of it.
fn put(to: impl AsFd, mut bytes: &[u8]) -> Result<(), Errno> {
    while !bytes.is_empty() {
        match write(to.as_fd(), bytes) {
            Ok(written) => bytes = &bytes[written..],
            Err(Errno::EINTR) => {}
            // Whoever has the other end, or started us, has made it so.
            Err(Errno::EAGAIN) => {
                let mut fds = [PollFd::new(to.as_fd(), PollFlags::POLLOUT)];
                poll(&mut fds, PollTimeout::NONE).or_else(interrupted)?;
            }
            Err(errno) => return Err(errno),
        }
    }
    Ok(())
}

/// Whether it is but a stop and a continue.
fn interrupted(errno: Errno) -> Result<i32, Errno> {
    match errno {
        Errno::EINTR => Ok(0),
        errno => Err(errno),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use nix::{
        fcntl::{fcntl, FcntlArg, OFlag},
        unistd::{pipe, read},
    };

    #[test]
    fn a_line_is_one_write_and_a_gone_reader_is_seen() {
        let (reader, writer) = pipe().unwrap();
        // In a pipe of packets a read gets what one write wrote.
        fcntl(&writer, FcntlArg::F_SETFL(OFlag::O_DIRECT)).unwrap();
        let line = "x".repeat(4000);
        put(&writer, line.as_bytes()).unwrap();
        put(&writer, b"next\n").unwrap();
        let mut buffer = [0; 5000];
        assert_eq!(read(&reader, &mut buffer), Ok(4000));
        assert_eq!(read(&reader, &mut buffer), Ok(5));
        assert!(!is_unread(&writer));
        drop(reader);
        assert!(is_unread(&writer));
        assert_eq!(put(&writer, b"too late\n"), Err(Errno::EPIPE));
    }

    /// vale-ctl and errors had names in their sentences as they were.
    #[test]
    fn a_line_stays_one_whatever_name_is_in_it() {
        let name = "vale0:x\nvale0:\u{202e}0hte";
        assert_eq!(
            shown(format_args!("{name} is removed.")),
            "vale0:x\\nvale0:\\u{202e}0hte is removed.\n"
        );
    }

    #[test]
    fn a_full_pipe_that_does_not_block_is_waited_for() {
        let (reader, writer) = pipe().unwrap();
        fcntl(&writer, FcntlArg::F_SETFL(OFlag::O_NONBLOCK)).unwrap();
        let reading = std::thread::spawn(move || {
            let (mut buffer, mut all) = ([0; 4096], 0);
            while let Ok(n @ 1..) = read(&reader, &mut buffer) {
                all += n;
            }
            all
        });
        put(&writer, &[b'x'; 1 << 20]).unwrap();
        drop(writer);
        assert_eq!(reading.join().unwrap(), 1 << 20);
    }
}
