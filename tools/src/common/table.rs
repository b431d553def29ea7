// SPDX-License-Identifier: MIT OR Apache-2.0

//! Tables for people.

use crate::out::visible;
use std::cmp::Ordering;

/// A column by its head.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Column {
    Text(&'static str),
    /// Its cells end below each other, so that they can be compared at a glance.
    Number(&'static str),
}

impl Column {
    pub fn head(self) -> &'static str {
        match self {
            Column::Text(head) | Column::Number(head) => head,
        }
    }
}

/// The head and the rows as lines, each column as wide as its widest cell. A cell stays on its
/// line, whatever is in it.
pub fn lay_out(columns: &[Column], rows: &[Vec<String>]) -> Vec<String> {
    let rows: Vec<Vec<String>> = rows
        .iter()
        .map(|row| row.iter().map(|cell| visible(cell).into()).collect())
        .collect();
    let head = columns.iter().map(|column| column.head().to_owned());
    let head: Vec<String> = head.collect();
    let all = || std::iter::once(&head).chain(&rows);
    let widths: Vec<usize> = (0..columns.len())
        .map(|i| {
            let cells = all().filter_map(|row| row.get(i));
            cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
        })
        .collect();
    let line = |row: &Vec<String>| {
        let cells = row.iter().zip(columns).zip(&widths);
        let padded: Vec<String> = cells
            .map(|((cell, column), width)| match column {
                Column::Text(_) => format!("{cell:<width$}"),
                Column::Number(_) => format!("{cell:>width$}"),
            })
            .collect();
        padded.join("  ").trim_end().to_owned()
    };
    all().map(line).collect()
}

/// The order of names as people have it: numbers in them count as numbers, so `vale0:2` is before
/// `vale0:10`.
pub fn by_name(a: &str, b: &str) -> Ordering {
    let (mut left, mut right) = (a, b);
    while !left.is_empty() && !right.is_empty() {
        let ((x, xs), (y, ys)) = (part(left), part(right));
        let both_numbers = x.starts_with(is_digit) && y.starts_with(is_digit);
        let order = if both_numbers {
            let (x, y) = (x.trim_start_matches('0'), y.trim_start_matches('0'));
            x.len().cmp(&y.len()).then(x.cmp(y))
        } else {
            x.cmp(y)
        };
        if order.is_ne() {
            return order;
        }
        (left, right) = (xs, ys);
    }
    left.len().cmp(&right.len()).then(a.cmp(b))
}

fn is_digit(c: char) -> bool {
    c.is_ascii_digit()
}

/// The digits, or all but digits, that a text begins with, and the rest.
fn part(text: &str) -> (&str, &str) {
    let digits = text.starts_with(is_digit);
    let end = text.find(|c: char| is_digit(c) != digits);
    text.split_at(end.unwrap_or(text.len()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_end_below_each_other() {
        let row = |name: &str, n: &str| vec![name.to_owned(), n.to_owned(), "x".to_owned()];
        let columns = [Column::Text("NAME"), Column::Number("N"), Column::Text("Z")];
        assert_eq!(
            lay_out(
                &columns,
                &[row("a", "7"), row("longer", "1234"), row("b", "-")]
            ),
            [
                "NAME       N  Z",
                "a          7  x",
                "longer  1234  x",
                "b          -  x",
            ]
        );
    }

    #[test]
    fn numbers_in_names_count_as_numbers() {
        let mut names = [
            "vale10:a", "vale0:10", "vale0:2", "vale0:2^", "vale0:02", "eth0",
        ];
        names.sort_by(|a, b| by_name(a, b));
        assert_eq!(
            names,
            ["eth0", "vale0:02", "vale0:2", "vale0:2^", "vale0:10", "vale10:a"]
        );
        assert_eq!(by_name("a1", "a1"), Ordering::Equal);
    }
}
