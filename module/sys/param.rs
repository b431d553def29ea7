// SPDX-License-Identifier: GPL-2.0

//! Module parameters that can be read, and where it makes sense written, under
//! `/sys/module/netmap/parameters`. The kernel crate's own parameters are fixed at load time and
//! invisible.

use kernel::sync::atomic::{Atomic, Relaxed};

/// An `int` parameter.
#[repr(transparent)]
pub(crate) struct Param(Atomic<i32>);

impl Param {
    pub(crate) const fn new(default: i32) -> Self {
        Param(Atomic::new(default))
    }

    /// Whatever somebody wrote there last.
    #[inline]
    pub(crate) fn get(&self) -> i32 {
        self.0.load(Relaxed)
    }

    /// For parameters that tell rather than ask.
    pub(crate) fn set(&self, value: i32) {
        self.0.store(value, Relaxed)
    }

    /// Where the kernel's `param_ops_int` reads and writes.
    pub(crate) const fn as_ptr(&self) -> *mut kernel::ffi::c_void {
        self.0.as_ptr().cast()
    }
}

/// Mode of a parameter that root may write.
pub(crate) const WRITABLE: u16 = 0o644;
/// Mode of a parameter that is set at load time, or by the module itself.
pub(crate) const READABLE: u16 = 0o444;

/// The bytes of a string constant as an array, for `.modinfo`.
pub(crate) const fn bytes<const N: usize>(text: &str) -> [u8; N] {
    match text.as_bytes().first_chunk() {
        Some(bytes) => *bytes,
        None => panic!("the string is shorter than its array"),
    }
}

/// Declares parameters: `name = default, MODE, "description";` each.
macro_rules! params {
    ($($name:ident = $default:literal, $mode:ident, $text:literal;)*) => {$(
        #[doc = $text]
        #[allow(non_upper_case_globals)]
        pub(crate) static $name: $crate::sys::param::Param =
            $crate::sys::param::Param::new($default);

        #[allow(unsafe_code)]
        const _: () = {
            use $crate::sys::param;
            use kernel::{bindings, module_param::KernelParam};

            // SAFETY of the linkage: the kernel reads `__param` as an array of `struct
            // kernel_param`, which `KernelParam` is and which lives as long as the module.
            // `param_ops_int` reads and writes the int that `arg` points to, with
            // `kernel_param_lock` held or while the module is loaded (kernel/params.c). That is a
            // static `Atomic<i32>`, laid out as an i32; its plain stores of an aligned word are
            // whole to our loads, as the kernel's memory model has it.
            #[link_section = "__param"]
            #[used(compiler)]
            static DESCRIPTOR: KernelParam = KernelParam::new(bindings::kernel_param {
                name: concat!(stringify!($name), "\0").as_ptr().cast(),
                mod_: kernel::module::this_module::<$crate::LocalModule>().as_ptr(),
                ops: &raw const bindings::param_ops_int,
                perm: param::$mode,
                level: -1,
                flags: 0,
                __bindgen_anon_1: bindings::kernel_param__bindgen_ty_1 { arg: $name.as_ptr() },
            });

            const TYPE: &str = concat!("parmtype=", stringify!($name), ":int\0");
            #[link_section = ".modinfo"]
            #[used(compiler)]
            static TYPE_INFO: [u8; TYPE.len()] = param::bytes(TYPE);

            const TEXT: &str = concat!("parm=", stringify!($name), ":", $text, "\0");
            #[link_section = ".modinfo"]
            #[used(compiler)]
            static TEXT_INFO: [u8; TEXT.len()] = param::bytes(TEXT);
        };
    )*};
}
pub(crate) use params;
