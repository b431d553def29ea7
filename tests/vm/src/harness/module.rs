// SPDX-License-Identifier: MIT OR Apache-2.0

//! Loading and unloading netmap.ko.

use crate::harness::check::*;
use crate::harness::raw::null;
use crate::harness::traces::{read_parameter, references, write_parameter};
use crate::harness::traffic::wait_until;
use ferromap_abi::consts::GLOBAL_MEM_ID;
use nix::errno::Errno;
use nix::kmod::{delete_module, finit_module, DeleteModuleFlags, ModuleInitFlags};
use std::ffi::CString;
use std::fs::{self, File};
use std::path::Path;
use std::sync::OnceLock;

static PATH: OnceLock<Option<String>> = OnceLock::new();

/// Remembers where the module's file is, for cases that load it again.
pub fn set_path(path: Option<String>) {
    let _ = PATH.set(path);
}

/// Loads the module with these parameters (`name=value name=value`). `ENOENT` when the command line
/// did not say where it is.
pub fn load(parameters: &str) -> Result<(), Errno> {
    load_file(Path::new(path()?), parameters)
}

/// Where the module's file is.
pub fn path() -> Result<&'static str, Errno> {
    let path = PATH.get().and_then(Option::as_ref);
    path.map(String::as_str).ok_or(Errno::ENOENT)
}

/// Whether the module that is loaded, which is the one that is tried, is that in the file that the
/// command line named; `true` if it named none.
pub fn is_loaded() -> Result<bool, String> {
    let Ok(path) = path() else { return Ok(true) };
    let file = fs::read(path).map_err(|e| format!("{path}: {e}"))?;
    // What the linker made of all that is in it. A note is the same bytes in both.
    let note = "/sys/module/netmap/notes/.note.gnu.build-id";
    let note = fs::read(note).map_err(|e| format!("{note}: {e}"))?;
    Ok(file.windows(note.len()).any(|bytes| bytes == note))
}

/// Loads the module of that name from the same directory.
pub fn load_beside(name: &str, parameters: &str) -> Result<(), Errno> {
    let path = Path::new(path()?).with_file_name(format!("{name}.ko"));
    load_file(&path, parameters)
}

fn load_file(path: &Path, parameters: &str) -> Result<(), Errno> {
    let file = File::open(path).map_err(|e| Errno::from_raw(e.raw_os_error().unwrap_or(0)))?;
    let parameters = CString::new(parameters).map_err(|_| Errno::EINVAL)?;
    finit_module(&file, &parameters, ModuleInitFlags::empty())
}

/// Unloads the module; `EWOULDBLOCK` while it is in use.
pub fn unload() -> Result<(), Errno> {
    delete_module(c"netmap", DeleteModuleFlags::O_NONBLOCK)
}

/// Unloads; what was closed a moment ago may still be on its way.
pub fn unload_when_unused() -> Outcome {
    wait_until("nobody uses the module", || references() == Some(0))?;
    works("unloading", unload())
}

/// Uses the shared region once, with few buffers: with all of them it would take most of the time
/// of most cases.
pub fn warm_up() -> Result<(), Errno> {
    let usual = read_parameter("buf_num").map_err(|_| Errno::ENOENT)?;
    write_parameter("buf_num", "4096").map_err(|_| Errno::EACCES)?;
    let used = null(GLOBAL_MEM_ID).try_bind();
    write_parameter("buf_num", &usual).map_err(|_| Errno::EACCES)?;
    used
}
