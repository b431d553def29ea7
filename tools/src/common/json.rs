// SPDX-License-Identifier: MIT OR Apache-2.0

//! JSON objects, one field after the other.

use crate::units::escape;
use ferromap::PortInfo;
use std::fmt::Display;

/// An object that is being written.
#[derive(Clone, Default)]
pub struct Object(Vec<String>);

impl Object {
    /// The first field tells what kind of object it is.
    pub fn new(kind: &str) -> Self {
        Object::default().text("type", kind)
    }

    /// A number, `true`, or JSON already.
    pub fn plain(mut self, key: &str, value: impl Display) -> Self {
        self.0.push(format!("{}:{value}", quoted(key)));
        self
    }

    pub fn text(self, key: &str, value: &str) -> Self {
        self.plain(key, quoted(value))
    }

    /// What is not known is left out.
    pub fn maybe(self, key: &str, value: Option<impl Display>) -> Self {
        match value {
            Some(value) => self.plain(key, value),
            None => self,
        }
    }

    pub fn list(self, key: &str, items: impl IntoIterator<Item = impl Display>) -> Self {
        let items: Vec<String> = items.into_iter().map(|item| item.to_string()).collect();
        self.plain(key, format!("[{}]", items.join(",")))
    }

    /// What a port has: rings, slots, and its region.
    pub fn sizes(self, sizes: &PortInfo) -> Self {
        self.plain("region", sizes.mem_id)
            .plain("region_bytes", sizes.memory_size)
            .plain("tx_rings", sizes.tx_rings)
            .plain("tx_slots", sizes.tx_slots)
            .plain("rx_rings", sizes.rx_rings)
            .plain("rx_slots", sizes.rx_slots)
            .plain("host_tx_rings", sizes.host_tx_rings)
            .plain("host_rx_rings", sizes.host_rx_rings)
    }
}

/// A text as a JSON string.
pub fn quoted(text: &str) -> String {
    format!("\"{}\"", escape(text))
}

impl Display for Object {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{{{}}}", self.0.join(","))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn objects_have_their_fields_in_order() {
        let inner = Object::default().maybe("gone", None::<u64>).text("a", "\"");
        let object = Object::new("port").plain("n", 3).list("of", [inner]);
        assert_eq!(
            object.to_string(),
            r#"{"type":"port","n":3,"of":[{"a":"\""}]}"#
        );
    }
}
