// SPDX-License-Identifier: MIT OR Apache-2.0

//! Calls of methods, to which no path leads: where a type has more methods in another file than
//! its own, who calls one of those needs that file.
//!
//! What a receiver's type is cannot be told from tokens. So only names count that one file alone
//! gives to a function, and only in its folder: elsewhere it may be a method of the library's.

use crate::tree::{File, Link};
use proc_macro2::{Delimiter, TokenStream, TokenTree};
use std::collections::{BTreeMap, BTreeSet};

/// What one file says of functions and types.
#[derive(Default)]
struct Said {
    types: BTreeSet<String>,
    functions: BTreeSet<String>,
    /// The functions of each `impl Type`, by type. Not those of traits.
    methods: Vec<(String, BTreeSet<String>)>,
    calls: BTreeSet<String>,
}

/// Which files call methods that others of `files` have.
pub(crate) fn links(sources: &BTreeMap<String, String>, files: &[String]) -> BTreeSet<Link> {
    let said: Vec<Said> = files
        .iter()
        .map(|name| {
            let mut said = Said::default();
            if let Some(text) = sources.get(name) {
                said.walk(text.parse().unwrap_or_else(|e| panic!("{name}: {e}")));
            }
            said
        })
        .collect();
    let alone = |name: &str| said.iter().filter(|s| s.functions.contains(name)).count() == 1;
    let mut links = BTreeSet::new();
    for (to, of) in said.iter().enumerate() {
        let elsewhere = of.methods.iter().filter(|(on, _)| !of.types.contains(on));
        for name in elsewhere
            .flat_map(|(_, methods)| methods)
            .filter(|n| alone(n))
        {
            let beside = |from: File| from != to && folder(&files[from]) == folder(&files[to]);
            let calls = |from: &File| beside(*from) && said[*from].calls.contains(name);
            links.extend((0..said.len()).filter(calls).map(|from| Link {
                from,
                to,
                needed: true,
                path: format!(".{name}()"),
            }));
        }
    }
    links
}

fn folder(file: &str) -> &str {
    file.rsplit_once('/').map_or("", |(folder, _)| folder)
}

impl Said {
    fn walk(&mut self, tokens: TokenStream) {
        let tokens: Vec<TokenTree> = tokens.into_iter().collect();
        for (at, token) in tokens.iter().enumerate() {
            let before = tokens[..at].last().map(ToString::to_string);
            match token {
                TokenTree::Group(group) => self.walk(group.stream()),
                TokenTree::Ident(word) if word == "impl" => self.methods_of(&tokens[at + 1..]),
                TokenTree::Ident(word) => {
                    let names = match before.as_deref() {
                        Some("struct" | "enum" | "union") => &mut self.types,
                        Some("fn") => &mut self.functions,
                        Some(".") => &mut self.calls,
                        _ => continue,
                    };
                    names.insert(word.to_string());
                }
                _ => {}
            }
        }
    }

    /// What stands behind `impl`: `<T> Type<T> { ... }`, or a trait and `for`, or a type in a
    /// signature, which has no functions.
    fn methods_of(&mut self, tokens: &[TokenTree]) {
        let (mut depth, mut name) = (0, None);
        for (at, token) in tokens.iter().enumerate() {
            match token {
                TokenTree::Punct(sign) if sign.as_char() == '<' => depth += 1,
                TokenTree::Punct(sign) if sign.as_char() == '>' => depth -= 1,
                TokenTree::Punct(sign) if sign.as_char() == ';' => return,
                TokenTree::Ident(word) if depth == 0 && word == "for" => return,
                TokenTree::Ident(word) if depth == 0 && word == "where" => {
                    let body = tokens[at..].iter().find_map(braces);
                    self.methods.extend(name.zip(body.map(functions)));
                    return;
                }
                TokenTree::Ident(word) if depth == 0 => name = Some(word.to_string()),
                TokenTree::Group(_) => {
                    let body = braces(token);
                    self.methods.extend(name.zip(body.map(functions)));
                    return;
                }
                _ => {}
            }
        }
    }
}

fn braces(token: &TokenTree) -> Option<TokenStream> {
    match token {
        TokenTree::Group(group) if group.delimiter() == Delimiter::Brace => Some(group.stream()),
        _ => None,
    }
}

/// The names behind `fn`, but for those in a function.
fn functions(body: TokenStream) -> BTreeSet<String> {
    let tokens: Vec<TokenTree> = body.into_iter().collect();
    let pairs = tokens.windows(2);
    let named = pairs.filter(|pair| pair[0].to_string() == "fn");
    named.map(|pair| pair[1].to_string()).collect()
}
