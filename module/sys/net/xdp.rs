// SPDX-License-Identifier: GPL-2.0

//! XDP programs, and running them on frames in the kernel's own memory.

use super::{bindings, home::Inhabited, packet::aligned};
use crate::{
    live::{self, Counted},
    refusal::{refuse, Fallible},
    sys::bottom_half::Disabled,
};
use core::{marker::PhantomData, ops::Range, ptr::NonNull};
use kernel::{
    bindings::{
        bpf_attach_type_BPF_XDP, bpf_insn, bpf_map_type_BPF_MAP_TYPE_UNSPEC, bpf_prog,
        bpf_prog_type_BPF_PROG_TYPE_XDP,
    },
    prelude::*,
};

/// Bytes in front of a frame that may be added to it: `XDP_PACKET_HEADROOM` of linux/bpf.h.
pub(crate) const HEADROOM: u32 = 256;
/// Bytes behind a frame that are never its own: drivers keep `struct skb_shared_info` there, in
/// whole cache lines, and what works on frames takes it to be so.
pub(crate) const TAIL: u32 = aligned(size_of::<bindings::skb_shared_info>() as u32);

/// A loaded program, which stays loaded while this lives.
pub(crate) struct Program {
    program: NonNull<bpf_prog>,
    /// See [`Program::sees`] and [`Program::moves`].
    sees: u32,
    moves: bool,
    _live: Counted,
}

// SAFETY: a program is reference counted, never changes, and may run on all CPUs at once.
unsafe impl Send for Program {}
// SAFETY: what is read of a program never changes, and several CPUs may run it at once.
unsafe impl Sync for Program {}

impl Program {
    /// The program behind a file descriptor of the calling process.
    pub(crate) fn from_fd(fd: i32) -> Fallible<Self> {
        // A negative number is the descriptor of nothing, as the kernel will find.
        // SAFETY: copes with any number; what it returns is an error or a reference.
        let found = kernel::error::from_err_ptr(unsafe {
            bindings::bpf_prog_get_type_dev(fd as u32, bpf_prog_type_BPF_PROG_TYPE_XDP, false)
        });
        let program = match found.map(NonNull::new) {
            Ok(Some(program)) => Program {
                // SAFETY: what was returned is a whole program.
                sees: unsafe { seen_by(program.cast().as_ptr()) },
                // SAFETY: a whole program has a description, which its reference keeps. The
                // verifier notes there whether helpers are called that move a frame's ends or its
                // metadata, also by what may take a part's place (kernel/bpf/cfg.c).
                moves: unsafe { (*(*program.cast::<bpf_prog>().as_ptr()).aux).changes_pkt_data },
                program: program.cast(),
                _live: Counted::new(live::Kind::XdpProgram),
            },
            Ok(None) => return Err(EINVAL.into()),
            Err(e) if e == EBADF => refuse!(EBADF, "descriptor {} is not open", fd),
            Err(e) if e == EINVAL => {
                refuse!(EINVAL, "descriptor {} is not a program of type XDP", fd)
            }
            Err(e) => return Err(e.into()),
        };
        // SAFETY: the reference keeps the program, whose description does not change.
        let (attach_type, bound) = unsafe {
            let program = program.program.as_ptr();
            ((*program).expected_attach_type, (*(*program).aux).dev_bound)
        };
        if bound {
            refuse!(
                EINVAL,
                "the program was loaded for a certain network device, and a switch port is none"
            );
        }
        if attach_type != bpf_attach_type_BPF_XDP && attach_type != 0 {
            refuse!(
                EINVAL,
                "the program was loaded to run behind a map (attach type {}), not on a port",
                attach_type
            );
        }
        Ok(program)
    }

    /// Bytes at the start of a frame that it can read or write, now; `u32::MAX` where that may be
    /// all of them.
    pub(crate) fn sees(&self) -> u32 {
        // SAFETY: the reference keeps the program and its description. The flag is set before
        // another program takes the place of this one's code (BPF_PROG_TYPE_EXT).
        let extended =
            unsafe { (&raw const (*(*self.program.as_ptr()).aux).is_extended).read_volatile() };
        if extended {
            u32::MAX
        } else {
            self.sees
        }
    }

    /// Whether it may move the start of a frame, or look at what is before it.
    #[inline]
    pub(crate) fn moves(&self) -> bool {
        self.moves
    }

    /// Its id.
    pub(crate) fn id(&self) -> u32 {
        // SAFETY: the reference keeps the program and its description.
        unsafe { (*(*self.program.as_ptr()).aux).id }
    }
}

/// What [`Program::sees`] returns for a program as it was loaded. One that calls nothing has only
/// its own loads and stores, and the verifier notes how far into the frame these reach at most.
///
/// It does not for loads by addresses that the program may choose freely. Those are of a mode of
/// their own, as they may fault; the call that allows them, to the kfunc `bpf_rdonly_cast`, has
/// become a move (kernel/bpf/verifier.c, `bpf_fixup_kfunc_call`).
///
/// # Safety
///
/// It must be a program with all its instructions behind it.
unsafe fn seen_by(program: *const bpf_prog) -> u32 {
    // linux/bpf.h and linux/filter.h: BPF_JMP and BPF_JMP32; of these BPF_CALL, BPF_CALL_ARGS and
    // BPF_TAIL_CALL.
    const JUMPS: [u8; 2] = [0x05, 0x06];
    const CALLS: [u8; 3] = [0x80, 0xe0, 0xf0];
    // BPF_LDX, and of its modes BPF_MEM and BPF_MEMSX; the others are the likes of BPF_PROBE_MEM.
    const LOADS: u8 = 0x01;
    const CHECKED: [u8; 2] = [0x60, 0x80];
    // SAFETY: a whole program, as the caller promises. The pointer is to all of it, so that it
    // reaches the instructions.
    let (code, count) = unsafe {
        let code = &raw const (*program).__bindgen_anon_2;
        (code.cast::<bpf_insn>(), (*program).len as usize)
    };
    let anywhere = (0..count).any(|at| {
        // SAFETY: there are so many, as the caller promises.
        let code = unsafe { (*code.add(at)).code };
        match code & 0x07 {
            LOADS => !CHECKED.contains(&(code & 0xe0)),
            class => JUMPS.contains(&class) && CALLS.contains(&(code & 0xf0)),
        }
    });
    if anywhere {
        return u32::MAX;
    }
    // SAFETY: a whole program has a description, which goes with it.
    unsafe { (*(*program).aux).max_pkt_offset }.saturating_add(1)
}

impl Drop for Program {
    fn drop(&mut self) {
        // SAFETY: `from_fd` took the reference, and nobody uses the program by this value any more.
        unsafe { bindings::bpf_prog_put(self.program.as_ptr().cast()) };
    }
}

/// What a program decided about a frame.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Verdict {
    pub(crate) action: Action,
    /// For a redirection: the number of the port that the program named.
    pub(crate) port: u32,
}

/// By the numbers of linux/bpf.h, enum xdp_action.
#[derive(Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Action {
    Aborted,
    Drop,
    Pass,
    Tx,
    Redirect,
}

impl Verdict {
    pub(crate) const PASS: Verdict = Verdict::of(Action::Pass);

    const fn of(action: Action) -> Self {
        Verdict { action, port: 0 }
    }
}

/// What programs are told a frame came from. Helpers of theirs want it to be a network interface,
/// so there is one, which nobody else sees.
///
/// # Invariants
///
/// `dev` is ours alone.
pub(crate) struct Ingress {
    dev: NonNull<bindings::net_device>,
}

// SAFETY: by the invariant nobody else has the device, which is bound to no thread.
unsafe impl Send for Ingress {}

impl Ingress {
    pub(crate) fn new() -> Result<Self> {
        // SAFETY: asks for memory, for which it may sleep: requests that attach a program do this.
        let dev = unsafe { bindings::alloc_netdev_dummy(0) };
        let dev = NonNull::new(dev.cast::<bindings::net_device>()).ok_or(ENOMEM)?;
        // INVARIANT: nobody else knows the device.
        Ok(Ingress { dev })
    }
}

impl Drop for Ingress {
    fn drop(&mut self) {
        // SAFETY: by the invariant nobody else has the device, and it was never registered.
        unsafe { bindings::free_netdev(self.dev.as_ptr().cast()) };
    }
}

/// Frames are being run through programs.
pub(crate) struct Session<'s> {
    frame: bindings::xdp_buff,
    /// Where helpers leave where a frame is to go.
    ///
    /// # Invariants
    ///
    /// It is this task's, and there for as long as the session is. What is in it before `nh` is
    /// initialised.
    redirection: NonNull<bindings::bpf_redirect_info>,
    _session: PhantomData<&'s ()>,
}

/// Calls `f`, which may run programs on frames from a transmit ring of a port; their helpers look
/// in `net` for sockets and routes. The CPU is ours for all of it.
pub(crate) fn session<T>(
    ingress: &mut Ingress,
    net: Inhabited<'_>,
    (port, ring): (u8, u16),
    _: &Disabled,
    f: impl FnOnce(&mut Session<'_>) -> T,
) -> T {
    // SAFETY: the device is ours, and no program looks at it now. While one does, the namespace is
    // there.
    unsafe {
        ingress.dev.as_mut().ifindex = port.into();
        ingress.dev.as_mut().nd_net.net = net.as_ptr();
    }
    // SAFETY: all zeros are a valid value of these, and what is left so means that there is
    // nothing.
    let (mut queue, mut frame) =
        unsafe { core::mem::zeroed::<(bindings::xdp_rxq_info, bindings::xdp_buff)>() };
    queue.dev = ingress.dev.as_ptr();
    queue.queue_index = ring.into();
    frame.rxq = &raw mut queue;
    // What helpers leave for whoever called the program. It has to stay where it is while the task
    // knows of it.
    let mut context = core::mem::MaybeUninit::<bindings::bpf_net_context>::uninit();
    // SAFETY: sets the flags that tell which of its parts are initialised: none. Whoever asks for a
    // part initialises it first if they do not say that it is (linux/filter.h:
    // bpf_net_ctx_get_ri and its kin), and there is no other way to one. It is taken back below; a
    // task that has one already keeps that.
    let context = unsafe { bindings::bpf_net_ctx_set(context.as_mut_ptr()) };
    // INVARIANT: the context is this task's, ours or one from before, and is taken back below or
    // later. `bpf_net_ctx_get_ri` clears what is before `nh`, unless a call before this one did.
    let mut session = Session {
        frame,
        // SAFETY: this task has a context now, of which this is a part, so that it is not null.
        redirection: unsafe { NonNull::new_unchecked(bindings::bpf_net_ctx_get_ri()) },
        _session: PhantomData,
    };
    let result = f(&mut session);
    // SAFETY: it came from `bpf_net_ctx_set`, in this task, and is taken back once.
    unsafe { bindings::bpf_net_ctx_clear(context) };
    result
}

impl Session<'_> {
    /// Runs `program` on the frame that is at `frame` in `room`, behind which there are [`TAIL`]
    /// bytes more. Returns what it decided and where the frame is now.
    #[inline(always)]
    pub(crate) fn run(
        &mut self,
        program: &Program,
        room: &mut [u8],
        frame: Range<u32>,
    ) -> (Verdict, Range<u32>) {
        let bytes = room.len() as u32;
        if frame.start > frame.end || frame.end > bytes.saturating_sub(TAIL) {
            return (Verdict::of(Action::Drop), frame);
        }
        let start = room.as_mut_ptr();
        // SAFETY: both are inside the room, by the check above.
        let (data, end) = unsafe {
            (
                start.add(frame.start as usize),
                start.add(frame.end as usize),
            )
        };
        self.frame.data_hard_start = start.cast();
        self.frame.data = data.cast();
        self.frame.data_end = end.cast();
        self.frame.data_meta = data.cast();
        // `frame_sz`, which comes first, and no flags.
        const BEHIND: u32 = if cfg!(target_endian = "big") { 32 } else { 0 };
        self.frame.__bindgen_anon_1.bindgen_union_field = u64::from(bytes) << BEHIND;
        // SAFETY: by the invariant it is there, and only this task's programs write it, none of
        // which runs now.
        unsafe { (*self.redirection.as_ptr()).map_id = 0 };
        // SAFETY: the frame is in memory that is ours, with room for `skb_shared_info` behind; all
        // that the kernel asks of the caller, bottom halves and the task's context, is what a
        // session is.
        let action = unsafe {
            bindings::bpf_prog_run_xdp(program.program.as_ptr().cast(), &raw mut self.frame)
        };
        let at = |p: *mut c_void| (p as usize).wrapping_sub(start as usize) as u32;
        let frame = at(self.frame.data)..at(self.frame.data_end);
        (self.verdict(program, action), frame)
    }

    #[inline(always)]
    fn verdict(&self, program: &Program, action: u32) -> Verdict {
        // What most frames get is looked up, not jumped to.
        const USUAL: [Action; 3] = [Action::Drop, Action::Pass, Action::Tx];
        match USUAL.get((action as usize).wrapping_sub(1)) {
            Some(&action) => Verdict::of(action),
            None => self.unusual(program, action),
        }
    }

    #[inline(never)]
    fn unusual(&self, program: &Program, action: u32) -> Verdict {
        match self.chosen_port() {
            Some(port) if action == Action::Redirect as u32 => Verdict {
                action: Action::Redirect,
                port,
            },
            _ => self.aborted(program, action),
        }
    }

    /// The port that a program named with `bpf_redirect`. Nothing if it named none, or something of
    /// a map: those hold network interfaces.
    fn chosen_port(&self) -> Option<u32> {
        // What `bpf_redirect` leaves, and nothing else: net/core/filter.c, bpf_xdp_redirect.
        let left = self.redirection.as_ptr();
        // SAFETY: by the invariant it is there, and these fields, all before `nh`, are initialised;
        // no program of this task runs now.
        let (id, kind, index) = unsafe { ((*left).map_id, (*left).map_type, (*left).tgt_index) };
        let direct = id == i32::MAX as u32 && kind == bpf_map_type_BPF_MAP_TYPE_UNSPEC;
        direct.then(|| u32::try_from(index).unwrap_or(u32::MAX))
    }

    /// Traces that a frame is dropped for the program's own mistake.
    #[cold]
    fn aborted(&self, program: &Program, action: u32) -> Verdict {
        let program = program.program.as_ptr().cast();
        // SAFETY: device and program live; both only look.
        unsafe {
            let dev = (*self.frame.rxq).dev;
            if action > 4 {
                bindings::bpf_warn_invalid_xdp_action(dev.cast(), program, action);
            }
            bindings::trace_xdp_exception(dev.cast(), program, action);
        }
        Verdict::of(Action::Aborted)
    }
}
