//! Lists the public items of a crate from its sources, one line per item.
//!
//! The list contains what another crate can name: items that are public from the root down or through `pub use`, and their fields,
//! variants, methods and traits. Items marked `doc(hidden)` are excluded. Conditions such as `cfg(feature = "…")` are in brackets.
use quote::ToTokens;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use syn::{Attribute, Fields, ImplItem, Item, ItemImpl, TraitItem, Type, UseTree, Visibility};

/// The items of a module, and its path in the crate.
struct Module {
    path: Vec<String>,
    items: Vec<Item>,
}

/// The modules of a crate by path, and the lines found so far.
struct Crate {
    modules: BTreeMap<Vec<String>, Module>,
    lines: BTreeSet<String>,
    /// Modules that are being listed, by the path under which they are public.
    open: Vec<(Vec<String>, String)>,
}

/// Returns the sorted public items of the crate whose root file is `root`.
///
/// # Errors
/// If a file cannot be read or parsed, with its path.
pub(super) fn listing(root: &Path) -> Result<String, String> {
    let mut found = Crate { modules: BTreeMap::new(), lines: BTreeSet::new(), open: Vec::new() };
    let folder = root.parent().unwrap_or(Path::new(".")).to_owned();
    found.load(root, &folder, Vec::new())?;
    found.module(&[], "");
    Ok(found.lines.iter().map(|line| format!("{line}\n")).collect())
}

impl Crate {
    /// Parses a file and the files of its modules, which are below `folder`.
    fn load(&mut self, file: &Path, folder: &Path, path: Vec<String>) -> Result<(), String> {
        let text = std::fs::read_to_string(file).map_err(|e| format!("{}: {e}", file.display()))?;
        let items = syn::parse_file(&text).map_err(|e| format!("{}: {e}", file.display()))?.items;
        self.add(items, folder, path)
    }

    fn add(&mut self, items: Vec<Item>, folder: &Path, path: Vec<String>) -> Result<(), String> {
        for item in &items {
            let Item::Mod(module) = item else { continue };
            if brackets(&module.attrs).contains("[test]") {
                continue;
            }
            let name = module.ident.to_string();
            let (mut below, folder) = (path.clone(), folder.join(&name));
            below.push(name);
            match &module.content {
                Some((_, items)) => self.add(items.clone(), &folder, below)?,
                None => {
                    let files: [PathBuf; 2] = [folder.with_extension("rs"), folder.join("mod.rs")];
                    let file = files.iter().find(|file| file.exists()).unwrap_or(&files[0]);
                    self.load(file, &folder, below)?;
                }
            }
        }
        self.modules.insert(path.clone(), Module { path, items });
        Ok(())
    }

    /// Lists what is public in the module at `path`, under the public name `name`.
    fn module(&mut self, path: &[String], name: &str) {
        let key = (path.to_vec(), name.to_owned());
        if self.open.contains(&key) {
            return;
        }
        self.open.push(key);
        for item in self.modules.get(path).map(|module| module.items.clone()).unwrap_or_default() {
            match &item {
                Item::Use(used) if is_public(&used.vis) && !is_hidden(&used.attrs) => {
                    let note = brackets(&used.attrs);
                    self.used(path, &used.tree, Vec::new(), name, &note);
                }
                Item::Macro(macros) if macros.attrs.iter().any(|a| a.path().is_ident("macro_export")) => {
                    if let Some(ident) = &macros.ident {
                        self.lines.insert(format!("{ident}!: macro"));
                    }
                }
                _ => self.item(path, &item, name, None, ""),
            }
        }
        self.open.pop();
    }

    /// Lists what a `pub use` of `tree` in the module `path` makes public.
    fn used(&mut self, path: &[String], tree: &UseTree, mut before: Vec<String>, name: &str, note: &str) {
        match tree {
            UseTree::Path(step) => {
                before.push(step.ident.to_string());
                self.used(path, &step.tree, before, name, note);
            }
            UseTree::Group(group) => {
                group.items.iter().for_each(|tree| self.used(path, tree, before.clone(), name, note));
            }
            UseTree::Glob(_) => match self.locate(path, &before) {
                Some(module) => self.module(&module, name),
                None => _ = self.lines.insert(format!("{name}*: use {}::*{note}", before.join("::"))),
            },
            UseTree::Name(leaf) => self.renamed(path, before, &leaf.ident.to_string(), None, (name, note)),
            UseTree::Rename(leaf) => {
                let rename = leaf.rename.to_string();
                self.renamed(path, before, &leaf.ident.to_string(), Some(&rename), (name, note));
            }
        }
    }

    fn renamed(&mut self, path: &[String], before: Vec<String>, leaf: &str, rename: Option<&str>, to: (&str, &str)) {
        let (name, note) = to;
        let public = rename.unwrap_or(leaf);
        let mut whole = before.clone();
        whole.push(leaf.to_owned());
        if let Some(module) = self.locate(path, &whole) {
            self.lines.insert(format!("{name}{public}: mod{note}"));
            return self.module(&module, &format!("{name}{public}::"));
        }
        let Some(module) = self.locate(path, &before) else {
            self.lines.insert(format!("{name}{public}: use {}{note}", whole.join("::")));
            return;
        };
        let items = self.modules.get(&module).map(|m| m.items.clone()).unwrap_or_default();
        for item in &items {
            if ident_of(item).as_deref() == Some(leaf) {
                self.item(&module, item, name, Some(public), note);
            } else if let Item::Use(used) = item
                && let Some(tree) = leaf_of(&used.tree, leaf)
            {
                // The module re-exports it.
                self.used(&module, &tree, Vec::new(), name, note);
            }
        }
    }

    /// Returns the module that `steps` name, relative to the module `path`.
    fn locate(&self, path: &[String], steps: &[String]) -> Option<Vec<String>> {
        let mut at = path.to_vec();
        for (i, step) in steps.iter().enumerate() {
            match step.as_str() {
                "crate" => at.clear(),
                "self" => {}
                "super" => _ = at.pop(),
                _ => {
                    let mut below = at.clone();
                    below.push(step.clone());
                    if !self.modules.contains_key(&below) {
                        // A path may start at the root of the crate.
                        let root = vec![step.clone()];
                        below = (i == 0 && self.modules.contains_key(&root)).then_some(root)?;
                    }
                    at = below;
                }
            }
        }
        Some(at)
    }

    /// Lists an item of the module `path` and its members, if it is public.
    fn item(&mut self, path: &[String], item: &Item, name: &str, rename: Option<&str>, note: &str) {
        let Some((vis, attrs)) = surface(item) else { return };
        if !is_public(vis) || is_hidden(attrs) {
            return;
        }
        let ident = ident_of(item).unwrap_or_default();
        let public = format!("{name}{}", rename.unwrap_or(&ident));
        let note = format!("{}{note}", brackets(attrs));
        let line = match item {
            Item::Mod(_) => {
                let mut below = path.to_vec();
                below.push(ident);
                self.module(&below, &format!("{public}::"));
                "mod".to_owned()
            }
            Item::Fn(function) => text(&function.sig),
            Item::Const(c) => format!("const {}", text(&c.ty)),
            Item::Static(s) => format!("static {}", text(&s.ty)),
            Item::Type(t) => format!("type {}", text(&t.ty)),
            Item::Struct(s) => {
                self.fields(&public, &s.fields);
                self.type_members(path, &ident, &public, attrs);
                format!("struct{}", text(&s.generics))
            }
            Item::Enum(e) => {
                for variant in &e.variants {
                    let mut fields = variant.fields.clone();
                    fields.iter_mut().for_each(|field| field.attrs.clear());
                    self.lines.insert(
                        format!("{public}::{}: variant {}", variant.ident, text(&fields)).trim_end().to_owned(),
                    );
                }
                self.type_members(path, &ident, &public, attrs);
                format!("enum{}", text(&e.generics))
            }
            Item::Trait(t) => {
                for item in t.items.iter().filter(|item| !trait_item_is_hidden(item)) {
                    if let TraitItem::Fn(method) = item {
                        self.lines.insert(format!("{public}::{}: {}", method.sig.ident, text(&method.sig)));
                    }
                }
                format!("trait{}", text(&t.generics))
            }
            _ => return,
        };
        self.lines.insert(format!("{public}: {line}{note}"));
    }

    fn fields(&mut self, public: &str, fields: &Fields) {
        for (i, field) in fields.iter().enumerate().filter(|(_, f)| is_public(&f.vis) && !is_hidden(&f.attrs)) {
            let name = field.ident.as_ref().map_or(i.to_string(), ToString::to_string);
            self.lines.insert(format!("{public}.{name}: {}", text(&field.ty)));
        }
    }

    /// Lists derives, methods and traits of the type `ident` that the module `path` defines.
    fn type_members(&mut self, path: &[String], ident: &str, public: &str, attrs: &[Attribute]) {
        for attr in attrs.iter().filter(|a| a.path().is_ident("derive")) {
            let list = text(attr.meta.require_list().map(|l| l.tokens.clone()).unwrap_or_default());
            self.lines.insert(format!("{public}: derive {list}"));
        }
        let modules: Vec<_> = self.modules.values().map(|m| (m.path.clone(), impls(&m.items))).collect();
        for (at, impls) in modules {
            for block in impls.iter().filter(|block| self_name(block).as_deref() == Some(ident)) {
                // An impl in another module is for the type that it imports, unless that module defines a type of this name.
                let other =
                    at != path && self.modules[&at].items.iter().any(|item| ident_of(item).as_deref() == Some(ident));
                if !other {
                    self.impl_block(block, public);
                }
            }
        }
    }

    fn impl_block(&mut self, block: &ItemImpl, public: &str) {
        let note = brackets(&block.attrs);
        if let Some((path, _)) = &block.trait_ {
            self.lines.insert(format!("{public}: impl {}{note}", text(path)));
            return;
        }
        for item in &block.items {
            let line = match item {
                ImplItem::Fn(f) if is_public(&f.vis) && !is_hidden(&f.attrs) => {
                    format!("{public}::{}: {}{}", f.sig.ident, text(&f.sig), brackets(&f.attrs))
                }
                ImplItem::Const(c) if is_public(&c.vis) && !is_hidden(&c.attrs) => {
                    format!("{public}::{}: const {}", c.ident, text(&c.ty))
                }
                _ => continue,
            };
            self.lines.insert(format!("{line}{note}"));
        }
    }
}

fn impls(items: &[Item]) -> Vec<ItemImpl> {
    let of = |item: &Item| if let Item::Impl(block) = item { Some(block.clone()) } else { None };
    items.iter().filter_map(of).collect()
}

/// Returns the last name of the type that a block is for.
fn self_name(block: &ItemImpl) -> Option<String> {
    let Type::Path(path) = &*block.self_ty else { return None };
    path.path.segments.last().map(|segment| segment.ident.to_string())
}

/// Returns the part of a `use` that imports `leaf`.
fn leaf_of(tree: &UseTree, leaf: &str) -> Option<UseTree> {
    match tree {
        UseTree::Path(step) => {
            let mut step = step.clone();
            *step.tree = leaf_of(&step.tree, leaf)?;
            Some(UseTree::Path(step))
        }
        UseTree::Group(group) => group.items.iter().find_map(|tree| leaf_of(tree, leaf)),
        UseTree::Name(name) => (name.ident == leaf).then(|| tree.clone()),
        UseTree::Rename(name) => (name.rename == leaf).then(|| tree.clone()),
        _ => None,
    }
}

fn surface(item: &Item) -> Option<(&Visibility, &[Attribute])> {
    Some(match item {
        Item::Mod(i) => (&i.vis, &i.attrs),
        Item::Fn(i) => (&i.vis, &i.attrs),
        Item::Const(i) => (&i.vis, &i.attrs),
        Item::Static(i) => (&i.vis, &i.attrs),
        Item::Type(i) => (&i.vis, &i.attrs),
        Item::Struct(i) => (&i.vis, &i.attrs),
        Item::Enum(i) => (&i.vis, &i.attrs),
        Item::Trait(i) => (&i.vis, &i.attrs),
        _ => return None,
    })
}

fn ident_of(item: &Item) -> Option<String> {
    let ident = match item {
        Item::Mod(i) => &i.ident,
        Item::Fn(i) => &i.sig.ident,
        Item::Const(i) => &i.ident,
        Item::Static(i) => &i.ident,
        Item::Type(i) => &i.ident,
        Item::Struct(i) => &i.ident,
        Item::Enum(i) => &i.ident,
        Item::Trait(i) => &i.ident,
        _ => return None,
    };
    Some(ident.to_string())
}

fn is_public(vis: &Visibility) -> bool {
    matches!(vis, Visibility::Public(_))
}

fn is_hidden(attrs: &[Attribute]) -> bool {
    let hides = |a: &&Attribute| a.path().is_ident("doc") && text(&a.meta).contains("(hidden)");
    attrs.iter().any(|a| hides(&a)) || brackets(attrs).contains("[test]")
}

fn trait_item_is_hidden(item: &TraitItem) -> bool {
    matches!(item, TraitItem::Fn(method) if is_hidden(&method.attrs))
}

/// Returns the conditions under which an item exists, in brackets.
fn brackets(attrs: &[Attribute]) -> String {
    let cfg = attrs.iter().filter(|a| a.path().is_ident("cfg")).filter_map(|a| a.meta.require_list().ok());
    cfg.map(|list| format!(" [{}]", text(&list.tokens))).collect()
}

/// Formats code with the usual spacing.
fn text(code: impl ToTokens) -> String {
    let tokens = code.to_token_stream().to_string().split_whitespace().collect::<Vec<_>>().join(" ");
    let pairs = [
        (" ::", "::"),
        (":: ", "::"),
        (" ,", ","),
        (" ;", ";"),
        (" :", ":"),
        ("& ", "&"),
        (" <", "<"),
        ("< ", "<"),
        (" >", ">"),
        ("( ", "("),
        (" )", ")"),
        (" (", "("),
        ("[ ", "["),
        (" ]", "]"),
        ("! ", "!"),
        (" !", "!"),
        (" .", "."),
        ("* ", "*"),
        (",)", ")"),
        (", }", " }"),
        ("? Sized", "?Sized"),
    ];
    pairs.iter().fold(tokens, |text, (from, to)| text.replace(from, to)).replace("->(", "-> (")
}
