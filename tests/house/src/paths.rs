// SPDX-License-Identifier: MIT OR Apache-2.0

//! What a source says of others: the modules it declares, what it imports, and every path in it.
//!
//! It goes over tokens, not over syntax, so that the inside of a macro is read like the rest.

use proc_macro2::{Delimiter, Ident, TokenStream, TokenTree};
use std::collections::BTreeSet;

/// The names of a path, in order. One that imports everything ends in `*`.
pub(crate) type Path = Vec<String>;

/// What was found in one module, but for the modules within it.
#[derive(Default)]
pub(crate) struct Said {
    /// `mod name`, and what is between its braces if it has some.
    pub(crate) modules: Vec<(String, Option<TokenStream>)>,
    /// What names stand for because of a `use`, here or in one of the functions.
    pub(crate) uses: Vec<Use>,
    /// Paths of two names and more: a name alone is of this module, or among `uses`.
    pub(crate) paths: Vec<Path>,
    /// Every word but those of `uses`; `*` stands for all there are.
    words: BTreeSet<String>,
}

pub(crate) struct Use {
    pub(crate) name: String,
    pub(crate) path: Path,
    /// Whether others may import it from here.
    pub(crate) public: bool,
}

impl Said {
    pub(crate) fn read(tokens: TokenStream) -> Self {
        let mut said = Self::default();
        said.walk(tokens);
        said
    }

    pub(crate) fn anything() -> Self {
        let words = BTreeSet::from(["*".to_owned()]);
        Self {
            words,
            ..Self::default()
        }
    }

    /// Whether it was read, and not only guessed at.
    pub(crate) fn known(&self) -> bool {
        !self.words.contains("*")
    }

    /// Whether the word stands somewhere in it, but for imports.
    pub(crate) fn has(&self, word: &str) -> bool {
        !self.known() || self.words.contains(word)
    }

    fn walk(&mut self, tokens: TokenStream) {
        let tokens: Vec<TokenTree> = tokens.into_iter().collect();
        let mut rest = &tokens[..];
        while let [first, after @ ..] = rest {
            rest = match first {
                TokenTree::Group(group) => {
                    self.walk(group.stream());
                    after
                }
                // Not the `use<'a>` in a type.
                TokenTree::Ident(word) if word == "use" && !begins(after, '<') => {
                    let end = (0..after.len()).find(|&i| begins(&after[i..], ';'));
                    let (tree, after) = after.split_at(end.unwrap_or(after.len()));
                    let before = &tokens[..tokens.len() - rest.len()];
                    self.import(tree, &[], ends_in_pub(before));
                    after
                }
                TokenTree::Ident(word) if word == "mod" => self.module(after),
                TokenTree::Ident(word) => {
                    let (path, after) = path(word, after);
                    self.words.extend(path.iter().cloned());
                    if path.len() > 1 {
                        self.paths.push(path);
                    }
                    after
                }
                // The rest of a path that begins with no name of ours: `::core::mem`,
                // `<T as Port>::open`.
                _ => match past_colons(rest) {
                    Some([TokenTree::Ident(word), after @ ..]) => path(word, after).1,
                    _ => after,
                },
            };
        }
    }

    fn module<'t>(&mut self, tokens: &'t [TokenTree]) -> &'t [TokenTree] {
        match tokens {
            [TokenTree::Ident(name), TokenTree::Group(body), after @ ..]
                if body.delimiter() == Delimiter::Brace =>
            {
                self.modules.push((name.to_string(), Some(body.stream())));
                after
            }
            [TokenTree::Ident(name), after @ ..] => {
                self.modules.push((name.to_string(), None));
                after
            }
            _ => tokens,
        }
    }

    /// Notes what is imported by the tree or, between braces, the trees with commas between them.
    fn import(&mut self, trees: &[TokenTree], before: &[String], public: bool) {
        let trees = trees.split(|token| begins(std::slice::from_ref(token), ','));
        for tree in trees.filter(|tree| !tree.is_empty()) {
            let (mut path, mut name) = (before.to_vec(), None);
            let mut tokens = tree.iter();
            while let Some(token) = tokens.next() {
                match token {
                    TokenTree::Ident(word) if word == "as" => {
                        name = tokens.next().map(ToString::to_string);
                    }
                    TokenTree::Ident(word) => path.push(word.to_string()),
                    TokenTree::Punct(sign) if sign.as_char() == '*' => path.push("*".into()),
                    TokenTree::Group(group) => {
                        let inner: Vec<TokenTree> = group.stream().into_iter().collect();
                        self.import(&inner, &path, public);
                        path.clear();
                    }
                    _ => {}
                }
            }
            // `use ring::{self}` is `use ring`.
            if path.len() > 1 && path.last().is_some_and(|last| last == "self") {
                path.pop();
            }
            // A name that stands for itself leads nowhere: `use refuse` shows a macro
            // to other modules.
            if name.is_some() || path.len() > 1 {
                let name = name.unwrap_or_else(|| path[path.len() - 1].clone());
                self.uses.push(Use { name, path, public });
            }
        }
    }
}

/// The path that begins with `first`, and the tokens after it.
fn path<'t>(first: &Ident, mut tokens: &'t [TokenTree]) -> (Path, &'t [TokenTree]) {
    let mut path = vec![first.to_string()];
    while let Some([TokenTree::Ident(name), after @ ..]) = past_colons(tokens) {
        path.push(name.to_string());
        tokens = after;
    }
    (path, tokens)
}

/// `pub`, or `pub(crate)` and its like.
fn ends_in_pub(tokens: &[TokenTree]) -> bool {
    match tokens {
        [.., TokenTree::Ident(word)] | [.., TokenTree::Ident(word), TokenTree::Group(_)] => {
            word == "pub"
        }
        _ => false,
    }
}

/// What follows `::`, if that is what comes first.
fn past_colons(tokens: &[TokenTree]) -> Option<&[TokenTree]> {
    let after = tokens.get(1..).filter(|_| begins(tokens, ':'))?;
    after.get(1..).filter(|_| begins(after, ':'))
}

fn begins(tokens: &[TokenTree], with: char) -> bool {
    matches!(tokens, [TokenTree::Punct(sign), ..] if sign.as_char() == with)
}
