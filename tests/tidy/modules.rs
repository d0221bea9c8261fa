//! No cycle between the modules of a crate. Dependencies are computed from the paths in
//! each file; re-exports are followed to the module that defines the item.

use crate::root;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use syn::visit::Visit;

/// Module path within the crate, such as `containers::keeper`; the root is empty.
type Module = Vec<String>;

/// Cycles that existed when this test was added, by crate. Remove entries, never add one:
/// move the shared type down, pass a value instead, or split the crate.
const KNOWN: &str = include_str!("module_cycles.txt");

#[derive(Default)]
struct Source {
    /// Names that `use` brings into the module, with the path they stand for.
    imports: BTreeMap<String, Vec<String>>,
    /// Modules imported whole (`use path::*`).
    globs: Vec<Vec<String>>,
    /// Every path that the module uses, re-exports excluded.
    paths: BTreeSet<Vec<String>>,
    /// Names of modules written in the file itself (`mod tests { … }`).
    inline: BTreeSet<String>,
    /// Modules in files of their own that only tests compile.
    test_files: BTreeSet<String>,
}

/// Collects paths of expressions, types and private imports, except in tests.
struct Collector<'a>(&'a mut Source);

fn is_test(attributes: &[syn::Attribute]) -> bool {
    attributes.iter().any(|attribute| {
        let text = match &attribute.meta {
            syn::Meta::List(list) if list.path.is_ident("cfg") => list.tokens.to_string(),
            _ => return false,
        };
        text.contains("test") || text.contains("fuzz")
    })
}

fn flatten(tree: &syn::UseTree, before: &[String], found: &mut Vec<(Option<String>, Vec<String>)>) {
    let with = |name: &syn::Ident| before.iter().cloned().chain([name.to_string()]).collect::<Vec<_>>();
    match tree {
        syn::UseTree::Path(path) => flatten(&path.tree, &with(&path.ident), found),
        syn::UseTree::Name(name) if name.ident == "self" => found.push((before.last().cloned(), before.to_vec())),
        syn::UseTree::Name(name) => found.push((Some(name.ident.to_string()), with(&name.ident))),
        syn::UseTree::Rename(rename) => found.push((Some(rename.rename.to_string()), with(&rename.ident))),
        syn::UseTree::Glob(_) => found.push((None, before.to_vec())),
        syn::UseTree::Group(group) => group.items.iter().for_each(|item| flatten(item, before, found)),
    }
}

impl<'ast> Visit<'ast> for Collector<'_> {
    fn visit_item_mod(&mut self, item: &'ast syn::ItemMod) {
        if item.content.is_some() {
            self.0.inline.insert(item.ident.to_string());
        }
        if !is_test(&item.attrs) {
            syn::visit::visit_item_mod(self, item);
        } else if item.content.is_none() {
            self.0.test_files.insert(item.ident.to_string());
        }
    }

    fn visit_item_use(&mut self, item: &'ast syn::ItemUse) {
        if is_test(&item.attrs) {
            return;
        }
        let mut found = Vec::new();
        flatten(&item.tree, &[], &mut found);
        let reexports = !matches!(item.vis, syn::Visibility::Inherited);
        for (name, path) in found {
            match name {
                Some(name) => {
                    self.0.imports.insert(name, path.clone());
                }
                None => self.0.globs.push(path.clone()),
            }
            if !reexports {
                self.0.paths.insert(path);
            }
        }
    }

    fn visit_path(&mut self, path: &'ast syn::Path) {
        if path.segments.len() > 1 {
            let segments = path.segments.iter().map(|segment| segment.ident.to_string());
            self.0.paths.insert(segments.collect());
        }
        syn::visit::visit_path(self, path);
    }

    fn visit_item_fn(&mut self, item: &'ast syn::ItemFn) {
        if !is_test(&item.attrs) {
            syn::visit::visit_item_fn(self, item);
        }
    }
}

fn read(dir: &Path, module: &Module, sources: &mut BTreeMap<Module, Source>) {
    for entry in std::fs::read_dir(dir).expect("a readable folder") {
        let path = entry.expect("a readable entry").path();
        let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        let mut own = module.clone();
        if path.is_dir() {
            own.push(name);
            read(&path, &own, sources);
            continue;
        }
        if path.extension().is_none_or(|extension| extension != "rs") {
            continue;
        }
        if !["lib", "main", "mod"].contains(&name.as_str()) {
            own.push(name);
        }
        let text = std::fs::read_to_string(&path).expect("readable");
        let file = syn::parse_file(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        if is_test(&file.attrs) {
            continue;
        }
        Collector(sources.entry(own).or_default()).visit_file(&file);
    }
}

fn remove_tests(sources: &mut BTreeMap<Module, Source>) {
    let of = |(module, source): (&Module, &Source)| -> Vec<Module> {
        let names = source.test_files.iter();
        names
            .map(|name| module.iter().chain([name]).cloned().collect())
            .collect()
    };
    let tests: Vec<Module> = sources.iter().flat_map(of).collect();
    sources.retain(|module, _| !tests.iter().any(|test| module.starts_with(test)));
}

/// The module in which the item that `path` names, seen from `from`, is defined; `None` for
/// other crates.
fn resolve(
    sources: &BTreeMap<Module, Source>,
    from: &Module,
    path: &[String],
    seen: &mut BTreeSet<(Module, Vec<String>)>,
) -> Option<Module> {
    if !seen.insert((from.clone(), path.to_vec())) {
        return None;
    }
    let (first, rest) = path.split_first()?;
    let (mut at, mut rest) = match first.as_str() {
        "crate" => (Module::new(), rest),
        "self" => (from.clone(), rest),
        "super" => (from[..from.len().checked_sub(1)?].to_vec(), rest),
        name => {
            let source = sources.get(from)?;
            let mut child = from.clone();
            child.push(name.to_owned());
            if sources.contains_key(&child) {
                (child, rest)
            } else {
                // `use image::image` names another crate; it would be followed without end.
                let target = source.imports.get(name).filter(|target| target[0] != name)?;
                let whole: Vec<String> = target.iter().chain(rest).cloned().collect();
                return resolve(sources, from, &whole, seen);
            }
        }
    };
    while let Some((name, after)) = rest.split_first() {
        if name == "super" {
            at.pop()?;
            rest = after;
            continue;
        }
        let mut child = at.clone();
        child.push(name.clone());
        if sources.contains_key(&child) {
            (at, rest) = (child, after);
            continue;
        }
        let source = sources.get(&at)?;
        if source.inline.contains(name) {
            return Some(at);
        }
        if let Some(target) = source.imports.get(name).filter(|target| target[0] != *name) {
            let whole: Vec<String> = target.iter().chain(after).cloned().collect();
            return resolve(sources, &at, &whole, seen).or(Some(at));
        }
        return Some(at);
    }
    Some(at)
}

fn dependencies(sources: &BTreeMap<Module, Source>) -> BTreeMap<Module, BTreeSet<Module>> {
    let of = |module: &Module, source: &Source| {
        let resolved = source
            .paths
            .iter()
            .filter_map(|path| resolve(sources, module, path, &mut BTreeSet::new()));
        resolved.filter(|target| target != module).collect()
    };
    sources
        .iter()
        .map(|(module, source)| (module.clone(), of(module, source)))
        .collect()
}

/// Strongly connected components of more than one module (Tarjan's would be faster; crates
/// are small).
fn cycles(dependencies: &BTreeMap<Module, BTreeSet<Module>>) -> BTreeSet<BTreeSet<Module>> {
    let reachable = |from: &Module| {
        let mut found = BTreeSet::new();
        let mut open = vec![from.clone()];
        while let Some(module) = open.pop() {
            for target in dependencies.get(&module).into_iter().flatten() {
                if found.insert(target.clone()) {
                    open.push(target.clone());
                }
            }
        }
        found
    };
    let reach: BTreeMap<&Module, BTreeSet<Module>> =
        dependencies.keys().map(|module| (module, reachable(module))).collect();
    reach
        .iter()
        .filter(|(module, to)| to.contains(**module))
        .map(|(module, to)| {
            let mutual = to
                .iter()
                .filter(|other| reach.get(other).is_some_and(|back| back.contains(*module)));
            mutual.cloned().collect()
        })
        .collect()
}

fn crates() -> Vec<(String, std::path::PathBuf)> {
    let server = std::fs::read_dir(root().join("server")).expect("server/ exists");
    let mut found: Vec<_> = server
        .map(|entry| entry.expect("readable").path())
        .chain(["shared", "web", "xtask", "tests/harness"].map(|folder| root().join(folder)))
        .filter(|folder| folder.join("src").is_dir())
        .map(|folder| {
            let name = folder.file_name().unwrap_or_default().to_string_lossy().into_owned();
            (name, folder.join("src"))
        })
        .collect();
    found.sort();
    found
}

#[test]
fn modules_of_a_crate_have_no_cycle() {
    let known: BTreeSet<&str> = KNOWN.lines().filter(|line| !line.starts_with('#')).collect();
    let mut found = BTreeSet::new();
    for (name, src) in crates() {
        let mut sources = BTreeMap::new();
        read(&src, &Module::new(), &mut sources);
        remove_tests(&mut sources);
        let dependencies = dependencies(&sources);
        for cycle in cycles(&dependencies) {
            for from in &cycle {
                for to in dependencies[from].intersection(&cycle) {
                    let show = |module: &Module| {
                        if module.is_empty() {
                            "(root)".to_owned()
                        } else {
                            module.join("::")
                        }
                    };
                    found.insert(format!("{name}: {} -> {}", show(from), show(to)));
                }
            }
        }
    }
    if std::env::var_os("GANTRY_TEST_WRITE").is_some() {
        let lines: Vec<String> = found.iter().map(|line| format!("{line}\n")).collect();
        let head =
            "# Dependencies that are part of a module cycle and existed when the test was added. Remove lines only.\n";
        std::fs::write(
            root().join("tests/tidy/module_cycles.txt"),
            head.to_owned() + &lines.concat(),
        )
        .expect("writable");
        return;
    }
    let new: Vec<&String> = found.iter().filter(|line| !known.contains(line.as_str())).collect();
    assert!(
        new.is_empty(),
        "module cycles: {new:#?}\nmove the shared type down, pass a value instead of the whole, or split the crate"
    );
    let gone: Vec<&str> = known.into_iter().filter(|line| !found.contains(*line)).collect();
    assert!(
        gone.is_empty(),
        "these dependencies are no longer part of a cycle: {gone:#?}\nremove them from tests/tidy/module_cycles.txt"
    );
}
