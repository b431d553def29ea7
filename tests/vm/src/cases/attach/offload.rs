// SPDX-License-Identifier: MIT OR Apache-2.0

//! The stack of one namespace, with all its offloads, behind a switch port with virtio-net headers,
//! as a guest's is; and that of another behind an attached interface, which is the judge of what
//! arrives.

use crate::harness::attach::Attached;
use crate::harness::check::*;
use crate::harness::frame::station;
use crate::harness::packets::*;
use crate::harness::random::Random;
use crate::harness::raw::device::Device;
use crate::harness::raw::request::set_vnet_hdr;
use crate::harness::raw::*;
use crate::harness::traffic::*;
use crate::harness::wire::*;
use crate::harness::Case;
use ferromap_abi::consts::*;
use nix::sched::{unshare, CloneFlags};
use nix::sys::socket::{setsockopt, sockopt};
use std::fs::File;
use std::io::{Read as _, Write as _};
use std::net::{Shutdown, TcpListener, TcpStream, UdpSocket};
use std::os::fd::AsRawFd;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::sync::mpsc::{channel, Sender};
use std::time::Duration;

pub const CASES: &[Case] = crate::cases![
    offload_a_guests_tcp_reaches_an_attached_interface,
    offload_a_guests_datagrams_reach_an_attached_interface,
    offload_fragments_are_put_together_by_a_stack,
    offload_segments_are_as_long_as_the_interface_takes,
];

nix::ioctl_write_int!(tunsetiff, b'T', 202);
nix::ioctl_write_int!(tunsetoffload, b'T', 208);
nix::ioctl_write_ptr!(tunsetvnethdrsz, b'T', 216, i32);

/// `TUN_F_*`: everything but what tunnels need.
const OFFLOADS: u64 = 0x01 | 0x02 | 0x04 | 0x08 | 0x20 | 0x40;
/// Bytes of the headers.
const HEADER: usize = 12;

/// A thread in a namespace of its own, which does what it is told.
struct Place(Sender<Box<dyn FnOnce() + Send>>, i32);

impl Place {
    fn new() -> Outcome<Place> {
        let (tell, told) = channel::<Box<dyn FnOnce() + Send>>();
        let (answer, answered) = channel();
        std::thread::spawn(move || {
            let _ = answer.send(unshare(CloneFlags::CLONE_NEWNET).map(|()| nix::unistd::gettid()));
            told.into_iter().for_each(|f| f());
        });
        let thread = answered.recv().map_err(|e| failure(e.to_string()))??;
        Ok(Place(tell, thread.as_raw()))
    }

    /// Has `f` run there. What this answers waits for its end.
    fn begin<T: Send + 'static>(
        &self,
        f: impl FnOnce() -> Outcome<T> + Send + 'static,
    ) -> impl FnOnce() -> Outcome<T> {
        let (answer, answered) = channel();
        let _ = self.0.send(Box::new(move || {
            let _ = answer.send(f());
        }));
        move || {
            let come = answered.recv_timeout(PATIENCE);
            come.map_err(|e| failure(format!("nothing came of it: {e}")))?
        }
    }

    fn run<T: Send + 'static>(
        &self,
        f: impl FnOnce() -> Outcome<T> + Send + 'static,
    ) -> Outcome<T> {
        self.begin(f)()
    }
}

/// Gives an interface of the calling namespace its addresses, which end in `last`; in VLAN 100
/// others.
fn configure(name: &str, last: u8) -> Outcome {
    let other = 3 - last;
    ip("link set lo up")?;
    ip(&format!("link set {name} up"))?;
    ip(&format!(
        "link add link {name} name {name}.100 type vlan id 100"
    ))?;
    for (name, net) in [(name.to_string(), 9), (format!("{name}.100"), 10)] {
        ip(&format!("link set {name} up"))?;
        ip(&format!("addr add 10.{net}.0.{last}/24 dev {name}"))?;
        ip(&format!("addr add fd{net:02}::{last}/64 dev {name} nodad"))?;
        // Who is who is known: what is tested is not whether broadcasts pass.
        for address in [
            format!("10.{net}.0.{other}"),
            format!("fd{net:02}::{other}"),
        ] {
            let mac = format!("02:fe:00:00:00:0{other}");
            ip(&format!(
                "neigh replace {address} lladdr {mac} dev {name} nud permanent"
            ))?;
        }
    }
    Ok(())
}

/// Addresses of the far side: by IPv4 and IPv6, and the same in the VLAN.
const FAR: [&str; 4] = ["10.9.0.2", "fd09::2", "10.10.0.2", "fd10::2"];

/// What all cases have: `far` with an interface whose other end, `fm0`, is attached to `vale0`
/// beside a port with headers, `vale0:guest`.
struct Scene {
    far: Place,
    port: Bound,
    _attached: Attached,
}

impl Scene {
    fn new() -> Outcome<Scene> {
        let modprobe = std::process::Command::new("modprobe")
            .args(["-a", "tun", "8021q"])
            .status()?;
        that("modprobe", modprobe.success())?;
        wire()?;
        let far = Place::new()?;
        ip("link set fm1 address 02:fe:00:00:00:02")?;
        ip(&format!("link set fm1 netns {}", far.1))?;
        far.run(|| configure("fm1", 2))?;
        let device = Device::open()?;
        let attached = Attached::by(&device, "vale0:fm0", NR_REG_ALL_NIC)?;
        let port = vale("vale0:guest").bind()?;
        set_vnet_hdr("vale0:guest", HEADER as u32)?;
        Ok(Scene {
            far,
            port,
            _attached: attached,
        })
    }
}

/// A namespace with a tap interface, which the port with headers is the other end of.
struct Guest<'s> {
    near: Place,
    tap: File,
    port: &'s Bound,
}

impl<'s> Guest<'s> {
    fn new(scene: &'s Scene) -> Outcome<Self> {
        let near = Place::new()?;
        let tap = near.run(|| {
            let file = File::options()
                .read(true)
                .write(true)
                .open("/dev/net/tun")?;
            // SAFETY: all zeros are such a request.
            let mut request: libc::ifreq = unsafe { std::mem::zeroed() };
            for (to, from) in request.ifr_name.iter_mut().zip(b"tap0") {
                *to = *from as libc::c_char;
            }
            request.ifr_ifru.ifru_flags =
                (libc::IFF_TAP | libc::IFF_NO_PI | libc::IFF_VNET_HDR) as libc::c_short;
            // SAFETY: the calls want a pointer to the request, flags, and a pointer to a number.
            unsafe {
                works(
                    "TUNSETIFF",
                    tunsetiff(file.as_raw_fd(), (&raw mut request) as libc::c_ulong),
                )?;
                works("TUNSETOFFLOAD", tunsetoffload(file.as_raw_fd(), OFFLOADS))?;
                works(
                    "TUNSETVNETHDRSZ",
                    tunsetvnethdrsz(file.as_raw_fd(), &(HEADER as i32)),
                )?;
            }
            ip("link set tap0 address 02:fe:00:00:00:01")?;
            configure("tap0", 1)?;
            let flags = nix::fcntl::OFlag::O_NONBLOCK;
            nix::fcntl::fcntl(&file, nix::fcntl::FcntlArg::F_SETFL(flags))?;
            Ok(file)
        })?;
        Ok(Guest {
            near,
            tap,
            port: &scene.port,
        })
    }

    /// Carries frames between the interface and the port until `done`. Returns how many of the
    /// guest's asked for segmentation of some kind.
    fn carry(&mut self, done: &AtomicBool) -> Outcome<u32> {
        let (tx, rx) = (self.port.tx(0), self.port.rx(0));
        let (mut frame, mut long) = (vec![0; 70_000], 0);
        while !done.load(SeqCst) {
            let mut idle = true;
            while tx.space() > 40 {
                let Ok(len) = self.tap.read(&mut frame) else {
                    break;
                };
                long += u32::from(frame[1] != 0);
                let pieces: Vec<_> = frame[..len].chunks(2048).collect();
                tx.put_fragments(&pieces);
                idle = false;
            }
            self.port.device.txsync()?;
            self.port.device.rxsync()?;
            for frame in rx.take_frames() {
                same("its header", &frame[..HEADER], [0; HEADER])?;
                // What the interface does not take is lost, as it would be anywhere.
                let _ = self.tap.write(&frame);
                idle = false;
            }
            if idle {
                std::thread::sleep(Duration::from_millis(1));
            }
        }
        Ok(long)
    }

    /// Carries frames while `f` runs.
    fn carry_while<T>(&mut self, f: impl FnOnce(&Place) -> Outcome<T> + Send) -> Outcome<(T, u32)>
    where
        T: Send,
    {
        let done = AtomicBool::new(false);
        let near = Place(self.near.0.clone(), self.near.1);
        std::thread::scope(|scope| {
            let ran = scope.spawn(|| {
                let result = f(&near);
                done.store(true, SeqCst);
                result
            });
            let long = self.carry(&done);
            done.store(true, SeqCst);
            let result = ran.join().map_err(|_| failure("it panicked"))?;
            Ok((result?, long?))
        })
    }
}

fn bytes(len: usize) -> Vec<u8> {
    let mut random = Random::new(len as u64);
    (0..len / 8)
        .flat_map(|_| random.next().to_ne_bytes())
        .collect()
}

/// Both directions, both protocols, with and without a tag.
fn offload_a_guests_tcp_reaches_an_attached_interface() -> Outcome {
    const LEN: usize = 500_000;
    let scene = Scene::new()?;
    let mut guest = Guest::new(&scene)?;
    for far in FAR {
        let served = scene.far.begin(move || {
            let (mut stream, _) = TcpListener::bind((far, 5001))?.accept()?;
            let mut came = Vec::new();
            stream.read_to_end(&mut came)?;
            stream.write_all(&bytes(LEN + 8))?;
            Ok(came)
        });
        let (back, long) = guest.carry_while(|near| {
            near.run(move || {
                let mut tried = 0;
                let mut stream = loop {
                    // Until somebody listens.
                    match TcpStream::connect((far, 5001)) {
                        Ok(stream) => break stream,
                        Err(e) if tried == 100 => return Err(e.into()),
                        Err(_) => std::thread::sleep(Duration::from_millis(20)),
                    }
                    tried += 1;
                };
                stream.write_all(&bytes(LEN))?;
                stream.shutdown(Shutdown::Write)?;
                let mut back = Vec::new();
                stream.read_to_end(&mut back)?;
                Ok(back)
            })
        })?;
        that(format!("what went to {far}"), served()? == bytes(LEN))?;
        that(format!("what came from {far}"), back == bytes(LEN + 8))?;
        // Or nothing was tried.
        that(format!("{long} long frames"), long > 5)?;
    }
    let refused = debug_counter("vale0:guest", "tx0", "drop_bad_header")?;
    same("refused", refused, 0)
}

fn offload_a_guests_datagrams_reach_an_attached_interface() -> Outcome {
    let scene = Scene::new()?;
    let mut guest = Guest::new(&scene)?;
    for far in FAR {
        let socket = scene.far.run(move || {
            let socket = UdpSocket::bind((far, 5002))?;
            socket.set_read_timeout(Some(Duration::from_secs(10)))?;
            Ok(socket)
        })?;
        let (came, long) = guest.carry_while(|near| {
            near.run(move || {
                let sender = UdpSocket::bind(if far.contains(':') {
                    "[::]:0"
                } else {
                    "0.0.0.0:0"
                })?;
                works(
                    "UDP_SEGMENT",
                    setsockopt(&sender, sockopt::UdpGsoSegment, &1200),
                )?;
                sender.send_to(&bytes(20_000), (far, 5002))?;
                Ok(())
            })?;
            let mut came: Vec<Vec<u8>> = Vec::new();
            while came.concat().len() < 20_000 {
                let mut datagram = vec![0; 2000];
                let len = socket.recv(&mut datagram)?;
                came.push(datagram[..len].to_vec());
            }
            Ok(came)
        })?;
        let want: Vec<_> = bytes(20_000).chunks(1200).map(|c| c.to_vec()).collect();
        that(format!("datagrams to {far}"), came == want)?;
        that(format!("{long} long frames"), long > 0)?;
    }
    Ok(())
}

/// No stack asks for that any more, but guests do.
fn offload_fragments_are_put_together_by_a_stack() -> Outcome {
    let scene = Scene::new()?;
    for (v6, far) in [(false, FAR[0]), (true, FAR[1])] {
        let socket = scene.far.run(move || {
            let socket = UdpSocket::bind((far, 22136))?;
            socket.set_read_timeout(Some(Duration::from_secs(10)))?;
            Ok(socket)
        })?;
        let make = Make {
            v6,
            ..Make::default()
        };
        let sent = bytes(30_000);
        let mut frame = make.frame(station(2), station(1), &sent);
        let at = make.headers() - 2;
        frame[at..at + 2].fill(0x5a);
        let mut asks = make.asks(FRAGMENTS, 1480).to_vec();
        asks.resize(HEADER, 0);
        let whole = [asks, frame].concat();
        let pieces: Vec<_> = whole.chunks(2048).collect();
        scene.port.tx(0).put_fragments(&pieces);
        scene.port.device.txsync()?;
        let mut datagram = vec![0; 60_000];
        let len = socket.recv(&mut datagram)?;
        that(format!("the datagram to {far}"), datagram[..len] == sent)?;
    }
    Ok(())
}

/// The MTU of the interface counts, also when it is changed.
fn offload_segments_are_as_long_as_the_interface_takes() -> Outcome {
    wire()?;
    ip("link set fm0 mtu 1300")?;
    let device = Device::open()?;
    let _attached = Attached::by(&device, "vale0:fm0", NR_REG_ALL_NIC)?;
    let (port, far) = (vale("vale0:guest").bind()?, vale("fm1").bind()?);
    set_vnet_hdr("vale0:guest", HEADER as u32)?;
    let make = Make {
        tcp: Some(tcp(1, &[])),
        ..Make::default()
    };
    let sent = bytes(10_000);
    let mut asks = make.asks(TCPV4, 1448).to_vec();
    asks.resize(HEADER, 0);
    let whole = [asks, make.frame(station(2), station(1), &sent)].concat();
    for (mtu, longest, count) in [(1300, 1314, 8), (1000, 1014, 11), (1500, 1502, 7)] {
        ip(&format!("link set fm0 mtu {mtu}"))?;
        // The next frame that is carried brings the news.
        port.send(&[[
            &[0; HEADER][..],
            &crate::harness::frame::frame(station(2), station(1), 1),
        ]
        .concat()])?;
        same("carried", wait_for(&far, 1)?.len(), 1)?;
        let pieces: Vec<_> = whole.chunks(2048).collect();
        port.tx(0).put_fragments(&pieces);
        port.device.txsync()?;
        let came = wait_for(&far, count)?;
        let lens: Vec<_> = came.iter().map(|frame| frame.len()).collect();
        same(format!("{lens:?}"), lens.iter().max(), Some(&longest))?;
        let payload: Vec<_> = came.iter().flat_map(|frame| read(frame).payload).collect();
        that("payload", payload == sent)?;
    }
    Ok(())
}
