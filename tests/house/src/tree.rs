// SPDX-License-Identifier: MIT OR Apache-2.0

//! The modules of a crate, and which file is meant by a path in one of them.

use crate::paths::{Path, Said};
use std::collections::{BTreeMap, BTreeSet};

/// Which name in `Tree::files`.
pub(crate) type File = usize;

/// The first of `Tree::modules` is the crate itself.
const CRATE: usize = 0;

/// Re-exports of re-exports are followed so far. What goes on for longer imports itself, as
/// `use kernel::kernel` does.
const FAR: usize = 16;

pub(crate) struct Tree {
    pub(crate) files: Vec<String>,
    modules: Vec<Module>,
}

struct Module {
    file: File,
    parent: usize,
    children: BTreeMap<String, usize>,
    said: Said,
}

/// One file names another.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Link {
    pub(crate) from: File,
    pub(crate) to: File,
    /// Whether it needs what the other defines. If not, it finds something by way of the other, or
    /// only shows to others what is there.
    pub(crate) needed: bool,
    pub(crate) path: String,
}

impl Tree {
    /// Follows the declarations of modules from the file `root`. A module whose source is not there
    /// is a file, too: it names no other and has whatever is looked for.
    pub(crate) fn grow(sources: &BTreeMap<String, String>, root: &str) -> Self {
        let mut tree = Self {
            files: Vec::new(),
            modules: Vec::new(),
        };
        tree.add_file(sources, root, "", CRATE);
        tree
    }

    /// Adds the module that the file is. The files of its children are in `folder`.
    fn add_file(
        &mut self,
        sources: &BTreeMap<String, String>,
        name: &str,
        folder: &str,
        parent: usize,
    ) -> usize {
        self.files.push(name.to_owned());
        let said = sources.get(name).map_or_else(Said::anything, |text| {
            Said::read(text.parse().unwrap_or_else(|e| panic!("{name}: {e}")))
        });
        self.add(sources, self.files.len() - 1, said, folder, parent)
    }

    fn add(
        &mut self,
        sources: &BTreeMap<String, String>,
        file: File,
        mut said: Said,
        folder: &str,
        parent: usize,
    ) -> usize {
        let modules = std::mem::take(&mut said.modules);
        let this = self.modules.len();
        self.modules.push(Module {
            file,
            parent,
            children: BTreeMap::new(),
            said,
        });
        for (name, body) in modules {
            let inner = format!("{folder}{name}/");
            let (own, shared) = (format!("{folder}{name}.rs"), format!("{inner}mod.rs"));
            let child = match body {
                Some(body) => self.add(sources, file, Said::read(body), &inner, this),
                None if sources.contains_key(&shared) => {
                    self.add_file(sources, &shared, &inner, this)
                }
                None => self.add_file(sources, &own, &inner, this),
            };
            self.modules[this].children.insert(name, child);
        }
        this
    }

    /// The files in which that word stands, as far as their sources are there.
    pub(crate) fn files_that_say(&self, word: &str) -> BTreeSet<&str> {
        let say = |module: &&Module| module.said.known() && module.said.has(word);
        let modules = self.modules.iter().filter(say);
        modules.map(|module| &*self.files[module.file]).collect()
    }

    /// Which files name which others.
    pub(crate) fn links(&self) -> BTreeSet<Link> {
        let mut links = BTreeSet::new();
        for (at, Module { file, said, .. }) in self.modules.iter().enumerate() {
            let uses = said.uses.iter().map(|u| {
                let shown = u.public && !said.has(&u.name);
                (&u.path, !shown)
            });
            for (path, used) in uses.chain(said.paths.iter().map(|path| (path, true))) {
                for (to, defined) in self.meant(at, path, FAR) {
                    if to != *file {
                        links.insert(Link {
                            from: *file,
                            to,
                            needed: used && defined,
                            path: path.join("::"),
                        });
                    }
                }
            }
        }
        links
    }

    /// The files that the path leads to, and whether they define what it names. None if it leads
    /// out of the crate, or to a module as a whole: what is used of that is named elsewhere.
    fn meant(&self, mut at: usize, path: &[String], left: usize) -> Vec<(File, bool)> {
        let mut files = Vec::new();
        for (i, name) in path.iter().enumerate() {
            let (module, rest) = (&self.modules[at], &path[i + 1..]);
            match (name.as_str(), module.children.get(name)) {
                ("crate", _) => at = CRATE,
                ("super", _) => at = module.parent,
                ("self", _) => {}
                // A function may bear the same name, but nothing is within that.
                (_, Some(&child)) if !rest.is_empty() => at = child,
                (_, child) => {
                    let (imported, sure) = module.imports(name, rest);
                    // The first name is looked up where it is written; unknown, it is of another
                    // crate. What is no word of the module's, a macro of the kernel's has made.
                    let own = !sure && child.is_none() && (name == "*" || module.said.has(name));
                    if i > 0 && (own || !imported.is_empty()) {
                        files.push((module.file, own));
                    }
                    if left > 0 {
                        let further = |path: &Path| self.meant(at, path, left - 1);
                        files.extend(imported.iter().flat_map(further));
                    }
                    break;
                }
            }
        }
        files
    }
}

impl Module {
    /// What `name` may stand for here because of imports, with the names after it; and whether it
    /// does. It only may where it would come with everything that is somewhere, and everything is
    /// all that is imported.
    fn imports(&self, name: &str, after: &[String]) -> (Vec<Path>, bool) {
        let all = self.said.uses.iter();
        let named = all.clone().filter(|u| u.name == name || name == "*");
        let named: Vec<Path> = named.map(|u| [&u.path, after].concat()).collect();
        if !named.is_empty() {
            return (named, name != "*");
        }
        // Everything of another crate has nothing of ours.
        let ours = |first: &String| {
            ["crate", "self", "super"].contains(&first.as_str())
                || self.children.contains_key(first)
        };
        let all = all.filter(|u| u.name == "*" && ours(&u.path[0]));
        let possible = all.map(|u| {
            let from = &u.path[..u.path.len() - 1];
            [from, &[name.to_owned()], after].concat()
        });
        (possible.collect(), false)
    }
}
