//! The reference of the contract for people, made of what the WIT files say.

use std::fmt::Write;

use anyhow::{Context, Result, bail};
use wit_parser::{
    Function, Interface, PackageId, Resolve, Type, TypeDef, TypeDefKind, WorldItem, WorldKey,
};

/// The worlds that the host runs, as the page orders them.
const WORLDS: [&str; 4] = ["imports", "plugin", "batch-plugin", "command"];

const HEAD: &str = "\
<!-- Made by `cargo xtask wit-reference` of the files in wit/: change those. -->

# Reference of the WIT contract

The files in [`wit/`](../wit), one for each interface, are the source of truth; \
this page is made of them, for reading and finding.

Everything is synchronous. A function that waits suspends the calling instance \
and nothing else. Numbers of connections, subscriptions, requests and timers mean \
nothing in another plugin.
";

const AFTER_WORLDS: &str = "\
A component may leave out any import. The host tells what a component is by its \
exports. It also provides the WASI 0.2 packages `io`, `clocks`, `random`, `cli`, \
`filesystem` and `sockets`; files and sockets are refused at run time.
";

/// The page.
///
/// # Errors
/// If something in the contract is not documented.
pub(crate) fn page(resolve: &Resolve, package: PackageId) -> Result<String> {
    let package = resolve.packages.get(package).context("no package")?;
    let docs = documented("the package", &package.docs)?;
    let mut page = format!("{HEAD}\nPackage `{}`. {docs}\n", package.name);
    let interfaces = in_order(resolve, &package.worlds)?;

    let links: Vec<_> = interfaces.iter().map(|name| format!("[{name}](#{name})")).collect();
    writeln!(page, "\n[Worlds](#worlds) · {}\n\n## Worlds", links.join(" · "))?;
    for name in WORLDS {
        let world = package.worlds.get(name).with_context(|| format!("no world {name}"))?;
        let world = resolve.worlds.get(*world).with_context(|| format!("no world {name}"))?;
        let docs = documented(&format!("world {name}"), &world.docs)?;
        writeln!(page, "\n### world `{name}`\n\n{docs}\n")?;
        let list = |items: Vec<String>| {
            if items.is_empty() { "nothing".to_owned() } else { items.join(", ") }
        };
        writeln!(
            page,
            "Imports {}; exports {}.",
            list(names(resolve, &world.imports)),
            list(names(resolve, &world.exports))
        )?;
    }
    writeln!(page, "\n{AFTER_WORLDS}")?;

    for name in &interfaces {
        let interface = package.interfaces.get(name).and_then(|id| resolve.interfaces.get(*id));
        let interface = interface.with_context(|| format!("no interface {name}"))?;
        describe(&mut page, resolve, name, interface)?;
    }
    Ok(page.trim_end().to_owned() + "\n")
}

/// All interfaces, each before those that need it, exports last.
fn in_order(
    resolve: &Resolve,
    worlds: &wit_parser::IndexMap<String, wit_parser::WorldId>,
) -> Result<Vec<String>> {
    let mut order: Vec<String> = Vec::new();
    let mut exports: Vec<String> = Vec::new();
    for name in WORLDS {
        let world = worlds.get(name).and_then(|id| resolve.worlds.get(*id));
        let world = world.with_context(|| format!("no world {name}"))?;
        let add = |list: &mut Vec<String>, more: Vec<String>| {
            for name in more {
                if !list.contains(&name) {
                    list.push(name);
                }
            }
        };
        add(&mut order, names(resolve, &world.imports));
        add(&mut exports, names(resolve, &world.exports));
    }
    order.extend(exports);
    Ok(order)
}

fn names(resolve: &Resolve, items: &wit_parser::IndexMap<WorldKey, WorldItem>) -> Vec<String> {
    let interface = |item: &WorldItem| match item {
        WorldItem::Interface { id, .. } => resolve.interfaces.get(*id)?.name.clone(),
        _ => None,
    };
    items.values().filter_map(interface).collect()
}

fn describe(page: &mut String, resolve: &Resolve, name: &str, interface: &Interface) -> Result<()> {
    writeln!(
        page,
        "\n## {name}\n\n{}",
        documented(&format!("interface {name}"), &interface.docs)?
    )?;
    for (ty, id) in &interface.types {
        let what = format!("{name}.{ty}");
        let def = resolve.types.get(*id).with_context(|| what.clone())?;
        // A type of another interface is described there.
        if !matches!(def.kind, TypeDefKind::Type(Type::Id(_))) {
            describe_type(page, resolve, &what, ty, def)?;
        }
    }
    for function in interface.functions.values() {
        let what = format!("{name}.{}", function.name);
        let docs = documented(&what, &function.docs)?;
        let signature = signature(resolve, function)?;
        writeln!(page, "\n### func `{}`\n\n```wit\n{signature}\n```\n\n{docs}", function.name)?;
    }
    Ok(())
}

fn describe_type(
    page: &mut String,
    resolve: &Resolve,
    what: &str,
    name: &str,
    def: &TypeDef,
) -> Result<()> {
    let docs = documented(what, &def.docs)?;
    let mut rows = Vec::new();
    let kind = match &def.kind {
        TypeDefKind::Record(record) => {
            for field in &record.fields {
                let ty = type_name(resolve, &field.ty)?;
                rows.push((format!("`{}`", field.name), format!("`{ty}`"), &field.docs));
            }
            "record"
        }
        TypeDefKind::Variant(variant) => {
            for case in &variant.cases {
                let ty = case.ty.as_ref().map(|ty| type_name(resolve, ty)).transpose()?;
                let ty = ty.map_or_else(String::new, |ty| format!("`{ty}`"));
                rows.push((format!("`{}`", case.name), ty, &case.docs));
            }
            "variant"
        }
        TypeDefKind::Enum(of) => {
            rows.extend(
                of.cases.iter().map(|case| (format!("`{}`", case.name), String::new(), &case.docs)),
            );
            "enum"
        }
        TypeDefKind::Type(ty) => {
            writeln!(page, "\n### type `{name}` = `{}`\n\n{docs}", type_name(resolve, ty)?)?;
            return Ok(());
        }
        other => bail!("{what}: the reference knows no {}", other.as_str()),
    };
    writeln!(page, "\n### {kind} `{name}`\n\n{docs}\n")?;
    let head = if kind == "record" { "field" } else { "case" };
    writeln!(page, "| {head} | type | |\n|---|---|---|")?;
    for (name, ty, docs) in rows {
        let docs = docs.contents.as_deref().unwrap_or_default();
        let docs = docs.split_whitespace().collect::<Vec<_>>().join(" ").replace('|', "\\|");
        writeln!(page, "| {name} | {ty} | {docs} |")?;
    }
    Ok(())
}

fn documented(what: &str, docs: &wit_parser::Docs) -> Result<String> {
    let docs = docs.contents.as_deref().with_context(|| format!("{what} is not documented"))?;
    Ok(docs.trim().to_owned())
}

fn signature(resolve: &Resolve, function: &Function) -> Result<String> {
    let parameters = function.params.iter();
    let parameters = parameters
        .map(|parameter| Ok(format!("{}: {}", parameter.name, type_name(resolve, &parameter.ty)?)))
        .collect::<Result<Vec<_>>>()?;
    let result = match &function.result {
        Some(ty) => format!(" -> {}", type_name(resolve, ty)?),
        None => String::new(),
    };
    Ok(format!("{}: func({}){result}", function.name, parameters.join(", ")))
}

fn type_name(resolve: &Resolve, ty: &Type) -> Result<String> {
    let id = match ty {
        Type::Id(id) => *id,
        Type::Bool => return Ok("bool".to_owned()),
        Type::Char => return Ok("char".to_owned()),
        Type::String => return Ok("string".to_owned()),
        number => return Ok(format!("{number:?}").to_lowercase()),
    };
    let def = resolve.types.get(id).context("no such type")?;
    if let Some(name) = &def.name {
        return Ok(name.clone());
    }
    let optional = |ty: &Option<Type>| match ty {
        Some(ty) => type_name(resolve, ty),
        None => Ok("_".to_owned()),
    };
    Ok(match &def.kind {
        TypeDefKind::Option(ty) => format!("option<{}>", type_name(resolve, ty)?),
        TypeDefKind::List(ty) => format!("list<{}>", type_name(resolve, ty)?),
        TypeDefKind::Result(of) => match (&of.ok, &of.err) {
            (None, None) => "result".to_owned(),
            (ok, None) => format!("result<{}>", optional(ok)?),
            (ok, err) => format!("result<{}, {}>", optional(ok)?, optional(err)?),
        },
        TypeDefKind::Tuple(tuple) => {
            let types = tuple.types.iter().map(|ty| type_name(resolve, ty));
            format!("tuple<{}>", types.collect::<Result<Vec<_>>>()?.join(", "))
        }
        other => bail!("the reference knows no {}", other.as_str()),
    })
}
