// SPDX-License-Identifier: MIT OR Apache-2.0

//! Looking: the table of ports, and the same as JSON.

use crate::args::Args;
use common::{
    json::{quoted, Object},
    ports, say,
    table::{by_name, lay_out, Column},
};
use ferromap::{Control, Errno, PortInfo, ValeKind, ValePort};
use std::error::Error;

/// One port, with what could be learned of it.
struct Row {
    /// Of an interface that was asked for by its name there is none.
    place: Option<ValePort>,
    name: String,
    kind: Option<ValeKind>,
    /// Sizes, and the length of the header; a port may not tell.
    info: Option<(PortInfo, u32)>,
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
            kind: Some(ValeKind::Interface),
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

fn kind_name(kind: ValeKind) -> &'static str {
    match kind {
        ValeKind::Interface => "interface",
        ValeKind::HostStack => "host stack",
        ValeKind::Virtual => "virtual",
        ValeKind::Persistent => "persistent",
    }
}

impl Row {
    fn of_switch(port: ValePort, info: Option<(PortInfo, u32)>) -> Self {
        Row {
            name: port.name.clone(),
            kind: port.kind,
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
            self.kind.map(kind_name).map(str::to_owned),
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

    fn json(&self) -> Object {
        let mut object = Object::new("port");
        if let Some(place) = &self.place {
            object = object
                .text("switch", switch_of(&place.name))
                .plain("switch_number", place.switch)
                .plain("port", place.port);
        }
        object = object
            .text("name", &self.name)
            .maybe("kind", self.kind.map(|kind| quoted(kind_name(kind))));
        match &self.info {
            None => object,
            Some((info, header)) => object.plain("header", header).sizes(info),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(name: &str) -> Row {
        let mut info = PortInfo::default();
        (info.mem_id, info.tx_rings, info.tx_slots) = (2, 1, 1024);
        Row {
            place: None,
            name: name.to_owned(),
            kind: Some(ValeKind::HostStack),
            info: Some((info, 12)),
        }
    }

    #[test]
    fn the_table_has_its_columns_under_their_names() {
        let lines = lay_out(columns(false), &[row("vale0:a^").cells(false)]);
        assert_eq!(
            lines,
            [
                "SWITCH  PORT  NAME      KIND        HEADER  REGION      TX   RX",
                "-          -  vale0:a^  host stack      12       2  1x1024  0x0"
            ]
        );
        assert_eq!(columns(true).len(), row("vale0:a").cells(true).len());
    }

    #[test]
    fn what_a_port_does_not_tell_is_a_dash() {
        let mut row = row("vale0:a");
        (row.info, row.kind) = (None, None);
        assert_eq!(row.cells(false)[3..], ["-", "-", "-", "-", "-"]);
        assert_eq!(
            row.json().to_string(),
            r#"{"type":"port","name":"vale0:a"}"#
        );
    }
}
