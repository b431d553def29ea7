// SPDX-License-Identifier: MIT OR Apache-2.0

//! Looking: the table of ports, and the same as JSON.

use crate::args::Args;
use common::{
    ports, say,
    table::{by_name, lay_out, Column},
    units::escape,
};
use ferromap::{Control, Errno, PortInfo, ValePort};
use nix::net::if_::if_nametoindex;
use std::error::Error;

/// One port, with what could be learned of it.
struct Row {
    /// Of an interface that was asked for by its name there is none.
    place: Option<ValePort>,
    name: String,
    kind: Kind,
    /// Sizes, and the length of the header; a port may not tell.
    info: Option<(PortInfo, u32)>,
}

/// What is behind a port.
#[derive(Clone, Copy)]
enum Kind {
    Interface,
    HostStack,
    Virtual,
}

/// All ports, or those of one switch.
pub fn list(control: &Control, switch: Option<&str>, args: &Args) -> Result<(), Box<dyn Error>> {
    let mut found = control.vale_ports()?;
    found.sort_by(|a, b| by_name(&a.name, &b.name));
    if let Some(switch) = switch {
        found.retain(|port| switch_of(&port.name) == switch);
        if found.is_empty() {
            return Err(format!("there is no switch {switch}").into());
        }
    }
    let mut rows = Vec::new();
    for port in found {
        match control.vale_port_info(&port) {
            Ok(info) => rows.push(Row::of_switch(port, Some(info))),
            // It has gone while we looked.
            Err(e) if e.errno() == Some(Errno::ENXIO) => {}
            Err(_) => rows.push(Row::of_switch(port, None)),
        }
    }
    print(&rows, args);
    Ok(())
}

/// One port, of which nothing may be missing.
pub fn show(control: &Control, name: &str, args: &Args) -> Result<(), Box<dyn Error>> {
    let row = if name.starts_with("vale") {
        let port = control
            .vale_port(name)?
            .ok_or_else(|| format!("there is no port {name}"))?;
        let info = control.vale_port_info(&port)?;
        Row::of_switch(port, Some(info))
    } else {
        let full = ports::full_name(name);
        let info = control.port_info(&full)?;
        // An interface whose header cannot be asked for has none.
        let header = control.port_header(&full).unwrap_or(0);
        Row {
            place: None,
            name: name.to_owned(),
            kind: kind(name),
            info: Some((info, header)),
        }
    };
    print(&[row], args);
    Ok(())
}

fn print(rows: &[Row], args: &Args) {
    if args.json {
        rows.iter().for_each(|row| say!("{}", row.json()));
    } else if rows.is_empty() {
        say!("There are no switches.");
    } else {
        let cells: Vec<_> = rows.iter().map(|row| row.cells(args.verbose)).collect();
        for line in lay_out(columns(args.verbose), &cells) {
            say!("{line}");
        }
    }
}

const COLUMNS: [Column; 12] = [
    Column::Text("SWITCH"),
    Column::Number("PORT"),
    Column::Text("NAME"),
    Column::Text("KIND"),
    Column::Number("HEADER"),
    Column::Number("REGION"),
    Column::Number("TX"),
    Column::Number("RX"),
    Column::Number("NUMBER"),
    Column::Number("HOST_TX"),
    Column::Number("HOST_RX"),
    Column::Number("BYTES"),
];

/// The last ones are for whoever wants more.
fn columns(verbose: bool) -> &'static [Column] {
    if verbose {
        &COLUMNS
    } else {
        &COLUMNS[..8]
    }
}

fn switch_of(name: &str) -> &str {
    name.split_once(':').map_or(name, |(switch, _)| switch)
}

/// The kernel does not say what a port is, but its name does: a switch port cannot be named like an
/// interface that is not plugged in.
fn kind(name: &str) -> Kind {
    let own = name.split_once(':').map_or(name, |(_, own)| own);
    if if_nametoindex(own).is_ok() {
        Kind::Interface
    } else if own.ends_with('^') {
        Kind::HostStack
    } else {
        Kind::Virtual
    }
}

impl Kind {
    fn name(self) -> &'static str {
        match self {
            Kind::Interface => "interface",
            Kind::HostStack => "host stack",
            Kind::Virtual => "virtual",
        }
    }
}

impl Row {
    fn of_switch(port: ValePort, info: Option<(PortInfo, u32)>) -> Self {
        Row {
            name: port.name.clone(),
            kind: kind(&port.name),
            place: Some(port),
            info,
        }
    }

    fn cells(&self, verbose: bool) -> Vec<String> {
        let place = |cell: fn(&ValePort) -> String| self.place.as_ref().map(cell);
        let info = |cell: fn(&(PortInfo, u32)) -> String| self.info.as_ref().map(cell);
        let plain = [
            place(|p| switch_of(&p.name).to_owned()),
            place(|p| p.port.to_string()),
            Some(self.name.clone()),
            Some(self.kind.name().to_owned()),
            info(|(_, header)| header.to_string()),
            info(|(i, _)| i.mem_id.to_string()),
            info(|(i, _)| format!("{}x{}", i.tx_rings, i.tx_slots)),
            info(|(i, _)| format!("{}x{}", i.rx_rings, i.rx_slots)),
        ];
        let more = [
            place(|p| p.switch.to_string()),
            info(|(i, _)| i.host_tx_rings.to_string()),
            info(|(i, _)| i.host_rx_rings.to_string()),
            info(|(i, _)| i.memory_size.to_string()),
        ];
        plain
            .into_iter()
            .chain(more.into_iter().filter(|_| verbose))
            .map(|cell| cell.unwrap_or_else(|| "-".to_owned()))
            .collect()
    }

    fn json(&self) -> String {
        let mut fields = vec!["\"type\":\"port\"".to_owned()];
        if let Some(place) = &self.place {
            fields.push(format!(
                "\"switch\":\"{}\",\"switch_number\":{},\"port\":{}",
                escape(switch_of(&place.name)),
                place.switch,
                place.port
            ));
        }
        fields.push(format!(
            "\"name\":\"{}\",\"kind\":\"{}\"",
            escape(&self.name),
            self.kind.name()
        ));
        if let Some((info, header)) = &self.info {
            fields.push(format!(
                "\"header\":{header},\"region\":{},\"region_bytes\":{},\"tx_rings\":{},\"tx_slots\":{},\"rx_rings\":{},\"rx_slots\":{},\"host_tx_rings\":{},\"host_rx_rings\":{}",
                info.mem_id,
                info.memory_size,
                info.tx_rings,
                info.tx_slots,
                info.rx_rings,
                info.rx_slots,
                info.host_tx_rings,
                info.host_rx_rings
            ));
        }
        format!("{{{}}}", fields.join(","))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(name: &str) -> Row {
        let port = ValePort {
            name: name.to_owned(),
            switch: 3,
            port: 12,
        };
        let mut info = PortInfo::default();
        (info.mem_id, info.tx_rings, info.tx_slots) = (2, 1, 1024);
        Row::of_switch(port, Some((info, 12)))
    }

    #[test]
    fn the_table_has_its_columns_under_their_names() {
        let lines = lay_out(columns(false), &[row("vale0:a^").cells(false)]);
        assert_eq!(
            lines,
            [
                "SWITCH  PORT  NAME      KIND        HEADER  REGION      TX   RX",
                "vale0     12  vale0:a^  host stack      12       2  1x1024  0x0"
            ]
        );
        assert_eq!(columns(true).len(), row("vale0:a").cells(true).len());
    }

    #[test]
    fn what_a_port_does_not_tell_is_a_dash() {
        let mut row = row("vale0:a");
        row.info = None;
        assert_eq!(row.cells(false)[4..], ["-", "-", "-", "-"]);
        assert!(!row.json().contains("region"));
    }
}
