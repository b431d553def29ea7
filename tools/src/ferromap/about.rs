// SPDX-License-Identifier: MIT OR Apache-2.0

//! Everything that is known of one port.

use crate::{
    counters::{self, Kind, Port},
    facts::Facts,
    holders::{self, Holders},
    names,
};
use common::json::Object;
use common::ports::full_name;
use ferromap::{Control, PortInfo, PortSpec};

pub struct About {
    name: String,
    /// As debugfs has it, if it is open; and the error where that cannot be read.
    open: Result<Option<Port>, String>,
    /// The switch port that it is, if it is an interface and plugged in.
    plugged: Option<String>,
    link: Option<Link>,
    sizes: Option<PortInfo>,
    header: Option<u32>,
    pub holders: Holders,
}

/// What sysfs tells of an interface.
struct Link {
    mtu: Option<u64>,
    state: String,
    driver: Option<String>,
}

impl About {
    pub fn learn(facts: &Facts, name: &str) -> Result<Self, String> {
        PortSpec::check_length(name).map_err(|e| e.to_string())?;
        let ports = counters::read(facts);
        let name = &*counters::listed(ports.as_deref().unwrap_or_default(), facts, name);
        let switched = name.starts_with("vale");
        let own = name.split_once(':').map_or(name, |(_, own)| own);
        let link = Link::learn(facts, own);
        // A pipe is named after an interface; a switch port of that name must not be made by
        // asking.
        if !switched && link.is_none() && !name.contains(['{', '}']) {
            return Err(format!(
                "there is no network interface {name}. ip -br link lists them"
            ));
        }
        let control = Control::open().map_err(|e| e.to_string())?;
        let (sizes, header) = if switched {
            let port = control.vale_port(name).map_err(|e| e.to_string())?;
            let port = port.ok_or_else(|| format!("there is no port {name}"))?;
            let (sizes, header) = control.vale_port_info(&port).map_err(|e| e.to_string())?;
            (Some(sizes), Some(header))
        } else {
            let full = full_name(name);
            // Where it cannot be asked for there is none.
            let header = control.port_header(&full).unwrap_or(0);
            let sizes = control.port_info(&full).map_err(|e| e.to_string())?;
            (Some(sizes), Some(header))
        };
        let plugged = ports.as_ref().ok();
        let plugged = plugged.and_then(|all| counters::plugged(all, name));
        Ok(About {
            name: name.to_owned(),
            plugged: plugged.map(str::to_owned),
            open: ports.and_then(|all| {
                match all.into_iter().find(|port| names::is(&port.name, name)) {
                    None if counters::only_own(facts) => Err(
                        "none of your processes has it open, and only root may see the others"
                            .into(),
                    ),
                    port => Ok(port),
                }
            }),
            link,
            sizes,
            header,
            holders: holders::find(facts),
        })
    }

    fn kind(&self) -> Option<Kind> {
        match &self.open {
            _ if self.plugged.is_some() => Some(Kind::Attached),
            Ok(Some(port)) => Some(port.kind),
            _ => None,
        }
    }

    /// For people.
    pub fn lines(&self) -> Vec<String> {
        let mut lines = vec![format!("{}: {}", self.name, self.state())];
        let mut line = |name: &str, text: String| lines.push(format!("  {name:<8} {text}"));
        if let Some(sizes) = &self.sizes {
            let rings = |count, slots| match count {
                0 => "none".to_owned(),
                1 => format!("1 of {slots} slots"),
                _ => format!("{count} of {slots} slots each"),
            };
            line("transmit", rings(sizes.tx_rings, sizes.tx_slots));
            line("receive", rings(sizes.rx_rings, sizes.rx_slots));
            if sizes.host_tx_rings + sizes.host_rx_rings > 0 {
                let (tx, rx) = (sizes.host_tx_rings, sizes.host_rx_rings);
                line("host", format!("{tx} transmit, {rx} receive"));
            }
            let (region, bytes) = (sizes.mem_id, sizes.memory_size);
            line("region", format!("{region}, {} MiB", bytes >> 20));
        }
        if let Some(header) = self.header {
            line("header", format!("{header} bytes"));
        }
        if let Some(link) = &self.link {
            let mtu = link.mtu.map_or("?".to_owned(), |mtu| mtu.to_string());
            let driver = link.driver.as_deref().unwrap_or("none, it is not hardware");
            line("MTU", mtu);
            line("link", link.state.clone());
            line("driver", driver.to_owned());
        }
        let mut held = false;
        for holder in self.holders.of(&self.name) {
            held = true;
            let (process, pid) = (&holder.process, holder.pid);
            line(
                "held by",
                format!("{process}, pid {pid}: {}", holder.rings()),
            );
        }
        if let Some(port) = &self.plugged {
            line("held by", format!("the kernel, as switch port {port}"));
        } else if !held {
            line("held by", "nobody that we can see".to_owned());
        }
        if let Err(why) = &self.open {
            line("unknown", why.clone());
        }
        lines
    }

    fn state(&self) -> &'static str {
        match self.kind() {
            Some(Kind::Emulated) => {
                "interface in emulated mode: each frame is copied between its driver and the rings"
            }
            Some(Kind::Attached) if self.name.ends_with('^') => {
                "host stack of an interface, attached to a switch"
            }
            Some(Kind::Attached) => "interface, attached to a switch",
            Some(Kind::Virtual) => "virtual, a switch port",
            Some(Kind::Pipe) => "one end of a pipe",
            Some(Kind::Monitor) => "monitor of another port",
            None if self.open.is_err() => "it is not known whether it is open",
            None => "not open; it would be in emulated mode",
        }
    }

    /// For programs.
    pub fn json(&self) -> Object {
        let mut object = Object::new("port")
            .text("name", &self.name)
            .plain("open", self.kind().is_some());
        if let Some(kind) = self.kind() {
            object = object.text("kind", kind.name());
        }
        if let Some(sizes) = &self.sizes {
            object = object.sizes(sizes);
        }
        object = object.maybe("header", self.header);
        if let Some(link) = &self.link {
            object = object.maybe("mtu", link.mtu).text("link", &link.state);
            if let Some(driver) = &link.driver {
                object = object.text("driver", driver);
            }
        }
        if let Some(port) = &self.plugged {
            object = object.text("attached_as", port);
        }
        object
            .list("holders", holder_objects(&self.name, &self.holders))
            .plain("unreadable_processes", self.holders.unreadable)
    }
}

/// Who has a port, for programs.
pub fn holder_objects(port: &str, holders: &Holders) -> Vec<Object> {
    let object = |holder: &holders::Holder| {
        Object::default()
            .plain("pid", holder.pid)
            .text("process", &holder.process)
            .text("rings", &holder.rings())
    };
    holders.of(port).map(object).collect()
}

impl Link {
    fn learn(facts: &Facts, name: &str) -> Option<Self> {
        if !facts.has_interface(name) {
            return None;
        }
        let carrier = facts.of(name, "carrier");
        let state = match carrier.as_deref() {
            Some("1") => "up",
            Some(_) => "no carrier",
            // The file cannot be read while the interface is down.
            None => "down",
        };
        Some(Link {
            mtu: facts.number(&format!("sys/class/net/{name}/mtu")),
            state: state.to_owned(),
            driver: facts.link(&format!("sys/class/net/{name}/device/driver")),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::facts::made_up::Machine;

    fn about(open: Result<Option<Port>, String>) -> About {
        About {
            name: "eth0".into(),
            open,
            plugged: None,
            link: None,
            sizes: Some(PortInfo::default()),
            header: Some(0),
            holders: Holders::default(),
        }
    }

    #[test]
    fn what_is_not_known_is_not_made_up() {
        let text = about(Err("no debugfs".into())).lines().join("\n");
        assert!(
            text.contains("not known") && text.contains("no debugfs"),
            "{text}"
        );
        let text = about(Ok(None)).lines().join("\n");
        assert!(
            text.contains("not open") && text.contains("nobody"),
            "{text}"
        );
        assert!(!about(Ok(None)).json().to_string().contains("kind"));
    }

    #[test]
    fn the_link_is_read_from_sysfs() {
        let machine = Machine::with(&[
            ("sys/class/net/eth0/ifindex", "2\n"),
            ("sys/class/net/eth0/mtu", "1500\n"),
            ("sys/class/net/eth0/carrier", "0\n"),
        ]);
        machine.link(
            "sys/class/net/eth0/device/driver",
            "../../bus/pci/drivers/virtio_net",
        );
        let link = Link::learn(&machine.0, "eth0").unwrap();
        assert_eq!((link.mtu, link.state.as_str()), (Some(1500), "no carrier"));
        assert_eq!(link.driver.as_deref(), Some("virtio_net"));
        assert!(Link::learn(&machine.0, "eth1").is_none());
    }
}
