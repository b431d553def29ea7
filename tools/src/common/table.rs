// SPDX-License-Identifier: MIT OR Apache-2.0

//! Tables for people.

/// Columns as wide as their widest cell; the first row is the head.
pub fn lay_out(table: &[Vec<String>]) -> Vec<String> {
    let width = |column: usize| {
        let cells = table.iter().filter_map(|row| row.get(column));
        cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
    };
    let line = |row: &Vec<String>| {
        let cells = row.iter().enumerate();
        let padded: Vec<String> = cells
            .map(|(column, cell)| format!("{cell:<0$}", width(column)))
            .collect();
        padded.join("  ").trim_end().to_owned()
    };
    table.iter().map(line).collect()
}
