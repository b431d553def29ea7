// SPDX-License-Identifier: MIT OR Apache-2.0

//! What can go wrong, in sentences that say what to do about it.

use nix::errno::Errno;
use std::{fmt, io};

/// The result of every call of this crate that can fail.
pub type Result<T> = std::result::Result<T, Error>;

/// Why a call failed. `Display` gives one sentence for people; [`Error::errno`] the
/// kernel's number.
///
/// `Debug` gives the same sentence, since that is what people see where `main` returns the error.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Error {
    /// `/dev/netmap` is not there: the module is not loaded.
    ModuleNotLoaded {
        /// What opening the device returned.
        errno: Errno,
    },
    /// This user may not open `/dev/netmap`.
    NoPermission {
        /// What opening the device returned.
        errno: Errno,
    },
    /// `/dev/netmap` is there and would not open, for another reason.
    Device {
        /// What opening the device returned.
        errno: Errno,
    },
    /// The port name does not follow the grammar of [`PortSpec`](crate::PortSpec).
    Name {
        /// The name as it was given.
        name: String,
        /// What is wrong with it.
        reason: String,
    },
    /// Somebody else has what this request needs.
    Busy(RequestError),
    /// The kernel refused a request for another reason.
    Request(RequestError),
    /// The region could not be mapped.
    Map {
        /// The port whose region it is.
        port: String,
        /// What `mmap` returned.
        errno: Errno,
    },
    /// Memory that was to be a port's region is not to be had.
    Memory {
        /// The file, or how much of what.
        name: String,
        /// What is wrong with it.
        reason: String,
        /// What the system returned, if it was asked.
        errno: Option<Errno>,
    },
    /// This process holds one of the rings already, through another [`Port`](crate::Port).
    RingHeld {
        /// The port that was to be opened.
        port: String,
    },
    /// The kernel's description of the port makes no sense, so that nothing of it is used.
    Layout {
        /// The port that was to be opened.
        port: String,
        /// What does not fit.
        reason: &'static str,
    },
    /// A sync call failed.
    Sync {
        /// `NIOCTXSYNC` or `NIOCRXSYNC`.
        call: &'static str,
        /// The port.
        port: String,
        /// What the call returned.
        errno: Errno,
    },
    /// `poll` failed, or reported an error on the port.
    Poll {
        /// The port.
        port: String,
        /// What `poll` returned; `None` if it returned `POLLERR`.
        errno: Option<Errno>,
    },
    /// What was counted cannot be told.
    Counters {
        /// The port.
        port: String,
        /// What reading `/proc` returned; `EOPNOTSUPP` if the module says nothing there.
        errno: Errno,
    },
    /// Two rings of different regions cannot exchange buffers.
    DifferentRegions,
    /// A frame does not fit: it needs more slots than a packet may have, or than a ring has.
    TooLong {
        /// Bytes of the frame.
        len: usize,
        /// Most that could be sent.
        most: usize,
    },
}

/// The particulars of a refused `NIOCCTRL` request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestError {
    /// The request, by its netmap name.
    pub call: &'static str,
    /// The port it was about; empty if none.
    pub port: String,
    /// What the kernel returned.
    pub errno: Errno,
    /// The kernel's own explanation, if it has one to offer.
    pub why: Option<String>,
}

impl Error {
    pub(crate) fn open_device(errno: Errno) -> Self {
        match errno {
            Errno::ENOENT | Errno::ENXIO | Errno::ENODEV => Error::ModuleNotLoaded { errno },
            Errno::EACCES | Errno::EPERM => Error::NoPermission { errno },
            _ => Error::Device { errno },
        }
    }

    pub(crate) fn request(
        call: &'static str,
        port: &str,
        errno: Errno,
        why: Option<String>,
    ) -> Self {
        let port = port.to_owned();
        let inner = RequestError {
            call,
            port,
            errno,
            why,
        };
        if errno == Errno::EBUSY {
            Error::Busy(inner)
        } else {
            Error::Request(inner)
        }
    }

    pub(crate) fn memory(name: impl fmt::Display, error: &io::Error) -> Self {
        let errno = error.raw_os_error().map(Errno::from_raw);
        Error::Memory {
            name: name.to_string(),
            reason: errno.map_or_else(|| error.to_string(), |errno| errno.desc().to_owned()),
            errno,
        }
    }

    /// The errno behind this error, if a system call reported one.
    pub fn errno(&self) -> Option<Errno> {
        match self {
            Error::ModuleNotLoaded { errno }
            | Error::NoPermission { errno }
            | Error::Device { errno }
            | Error::Map { errno, .. }
            | Error::Counters { errno, .. }
            | Error::Sync { errno, .. } => Some(*errno),
            Error::Busy(r) | Error::Request(r) => Some(r.errno),
            Error::Poll { errno, .. } | Error::Memory { errno, .. } => *errno,
            Error::Name { .. }
            | Error::RingHeld { .. }
            | Error::Layout { .. }
            | Error::DifferentRegions
            | Error::TooLong { .. } => None,
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Error::ModuleNotLoaded { errno } => write!(
                f,
                "/dev/netmap is not there ({}): the module is not loaded; try `modprobe netmap`",
                errno.desc()
            ),
            Error::NoPermission { errno } => write!(
                f,
                "/dev/netmap may not be opened by this user ({}): run as root, \
                 or ask for access to the device node",
                errno.desc()
            ),
            Error::Device { errno } => {
                write!(f, "/dev/netmap cannot be opened: {}", errno.desc())
            }
            Error::Name { name, reason } => write!(f, "`{name}` is not a port name: {reason}"),
            Error::Busy(r) | Error::Request(r) => r.fmt(f),
            Error::Map {
                port,
                errno: Errno::EINVAL,
            } => write!(
                f,
                "the memory of {port} cannot be mapped: if it is another program's own, name the \
                 same file as that, as in {port}@extmem=FILE"
            ),
            Error::Map { port, errno } => {
                write!(f, "the memory of {port} cannot be mapped: {}", errno.desc())
            }
            Error::Memory { name, reason, .. } => {
                write!(f, "{name} cannot be the memory of a port: {reason}")
            }
            Error::RingHeld { port } => write!(
                f,
                "this process holds a ring of {port} already: drop the first port, \
                 or bind other rings"
            ),
            Error::Layout { port, reason } => write!(
                f,
                "the kernel describes {port} in a way that makes no sense: {reason}"
            ),
            Error::Sync {
                call,
                port,
                errno: Errno::EIO,
            } => {
                write!(f, "{call} on {port} failed: the port has gone")
            }
            Error::Sync { call, port, errno } => {
                write!(f, "{call} on {port} failed: {}", errno.desc())
            }
            Error::Poll {
                port,
                errno: Some(errno),
            } => {
                write!(f, "poll on {port} failed: {}", errno.desc())
            }
            Error::Poll { port, errno: None } => write!(
                f,
                "poll reports an error on {port}: the port has gone, \
                 or a ring's indexes were damaged"
            ),
            Error::Counters {
                port,
                errno: Errno::EOPNOTSUPP,
            } => {
                write!(f, "the module does not tell what was counted on {port}")
            }
            Error::Counters { port, errno } => write!(
                f,
                "what was counted on {port} cannot be read: {}; is /proc mounted?",
                errno.desc()
            ),
            Error::DifferentRegions => f.write_str(
                "the two rings are in different memory regions: \
                 open the second port with the mem id of the first",
            ),
            Error::TooLong { len, most } => {
                write!(f, "a frame of {len} bytes is too long: at most {most} fit")
            }
        }
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Display for RequestError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.call)?;
        if !self.port.is_empty() {
            write!(f, " on {}", self.port)?;
        }
        write!(f, " failed: ")?;
        if let Some(why) = &self.why {
            return write!(f, "{why} ({})", self.errno);
        }
        f.write_str(self.errno.desc())?;
        // What the number most often means; a kernel with a reason of its own has given it above.
        let hint = match self.errno {
            Errno::EBUSY => "another program holds the port or one of these rings",
            Errno::ENXIO | Errno::ENODEV => "there is no such interface or port",
            Errno::ENOMEM => {
                "no room: see the sizes under /sys/module/netmap/parameters, \
                 and the name of the switch"
            }
            Errno::EOPNOTSUPP => "there is no such request or option, or not for this kind of port",
            Errno::EIO => "the port uses a virtio-net header: open it with accept_vnet_hdr",
            _ => return Ok(()),
        };
        write!(f, " ({hint})")
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Error::ModuleNotLoaded { errno }
            | Error::NoPermission { errno }
            | Error::Device { errno }
            | Error::Map { errno, .. }
            | Error::Counters { errno, .. }
            | Error::Sync { errno, .. }
            | Error::Poll {
                errno: Some(errno), ..
            }
            | Error::Memory {
                errno: Some(errno), ..
            } => Some(errno),
            Error::Busy(r) | Error::Request(r) => Some(&r.errno),
            _ => None,
        }
    }
}

/// Of the kind that the errno has; the error itself is inside.
impl From<Error> for io::Error {
    fn from(e: Error) -> Self {
        let kind = match (&e, e.errno()) {
            (_, Some(errno)) => io::Error::from(errno).kind(),
            (Error::RingHeld { .. }, _) => io::ErrorKind::ResourceBusy,
            (Error::Layout { .. }, _) => io::ErrorKind::InvalidData,
            (Error::Poll { .. }, _) => io::ErrorKind::Other,
            _ => io::ErrorKind::InvalidInput,
        };
        io::Error::new(kind, e)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn busy() -> Error {
        let why = Some("eth0 is a member of br0".to_owned());
        Error::request("REGISTER", "eth0", Errno::EBUSY, why)
    }

    #[test]
    fn main_shows_the_sentence() {
        let sentence =
            "REGISTER on eth0 failed: eth0 is a member of br0 (EBUSY: Device or resource busy)";
        assert_eq!(format!("{:?}", busy()), sentence);
        assert_eq!(busy().to_string(), sentence);
        let boxed: Box<dyn std::error::Error> = busy().into();
        assert_eq!(format!("{boxed:?}"), sentence);
    }

    #[test]
    fn the_kind_is_kept() {
        let errno = Errno::ENOENT;
        let port = || "vale0:a".to_owned();
        for (error, kind) in [
            (busy(), io::ErrorKind::ResourceBusy),
            (
                Error::RingHeld { port: port() },
                io::ErrorKind::ResourceBusy,
            ),
            (Error::ModuleNotLoaded { errno }, io::ErrorKind::NotFound),
            (
                Error::open_device(Errno::EACCES),
                io::ErrorKind::PermissionDenied,
            ),
            (Error::DifferentRegions, io::ErrorKind::InvalidInput),
            (
                Error::Poll {
                    port: port(),
                    errno: None,
                },
                io::ErrorKind::Other,
            ),
        ] {
            let sentence = error.to_string();
            let io = io::Error::from(error);
            assert_eq!((io.kind(), io.to_string()), (kind, sentence));
        }
    }
}
