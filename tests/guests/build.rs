//! Makes components of attackers that no compiler would make.
//!
//! A file `attacks/NAME.wat` is a piece of a core module. What it leaves out
//! comes from the folder `parts`: imports, helpers, a memory, an allocator, and
//! for each export of a plugin one that does little or nothing. If there is a
//! `NAME.wit`, the file is a whole module, of the world `other` there.

use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::{env, fs};

use wit_component::{ComponentEncoder, StringEncoding, embed_component_metadata};
use wit_parser::Resolve;

type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

const ATTACKS: &str = "attacks";

/// An export of a plugin.
struct Export {
    /// How a piece calls it.
    short: &'static str,
    whole: &'static str,
    signature: &'static str,
    /// What it does if a piece leaves it out.
    body: &'static str,
}

const EXPORTS: [Export; 6] = [
    Export {
        short: "start",
        whole: "simple-nats:client/lifecycle@0.1.0#start",
        signature: "(result i32)",
        body: "(call $listen) (i32.const 0)",
    },
    Export {
        short: "stop",
        whole: "simple-nats:client/lifecycle@0.1.0#stop",
        signature: "",
        body: "",
    },
    Export {
        short: "on-message",
        whole: "simple-nats:client/handler@0.1.0#on-message",
        signature: "(param $client i32) (param $sid i64)
            (param $subject i32) (param $subject-length i32)
            (param $has-reply i32) (param $reply i32) (param $reply-length i32)
            (param $headers i32) (param $header-count i32)
            (param $has-status i32) (param $code i32) (param $text i32) (param $text-length i32)
            (param $payload i32) (param $payload-length i32)
            (result i32)",
        body: "(i32.const 0)",
    },
    Export {
        short: "on-reply",
        whole: "simple-nats:client/handler@0.1.0#on-reply",
        signature: "(param $reply i32)",
        body: "",
    },
    Export {
        short: "on-event",
        whole: "simple-nats:client/handler@0.1.0#on-event",
        signature: "(param $client i32) (param $case i32) (param i64 i64 i32 i32)",
        body: "",
    },
    Export {
        short: "on-timer",
        whole: "simple-nats:client/handler@0.1.0#on-timer",
        signature: "(param $id i64)",
        body: "",
    },
];

fn main() -> Result<()> {
    println!("cargo::rerun-if-changed={ATTACKS}");
    println!("cargo::rerun-if-changed=../../wit");
    let out = PathBuf::from(env::var_os("OUT_DIR").ok_or("no OUT_DIR")?);
    for entry in fs::read_dir(ATTACKS)? {
        let path = entry?.path();
        let (Some(name), true) = (path.file_stem(), has_extension(&path, "wat")) else { continue };
        let component = assemble(&path).map_err(|error| format!("{}: {error}", path.display()))?;
        fs::write(out.join(name).with_extension("wasm"), component)?;
    }
    Ok(())
}

fn has_extension(path: &Path, wanted: &str) -> bool {
    path.extension().is_some_and(|extension| extension == wanted)
}

fn assemble(path: &Path) -> Result<Vec<u8>> {
    let text = fs::read_to_string(path)?;
    let other_world = path.with_extension("wit");
    if other_world.is_file() {
        return encode(Resolve::default(), &fs::read_to_string(other_world)?, "other", &text);
    }
    let mut resolve = Resolve::default();
    resolve.push_dir("../../wit")?;
    encode(resolve, &part("world.wit")?, "attacker", &module(text)?)
}

fn encode(mut resolve: Resolve, wit: &str, world: &str, module: &str) -> Result<Vec<u8>> {
    let package = resolve.push_str("world.wit", wit)?;
    let world = resolve.select_world(&[package], Some(world))?;
    let mut module = wat::parse_str(module)?;
    embed_component_metadata(&mut module, &resolve, world, StringEncoding::UTF8)?;
    let component = ComponentEncoder::default().validate(true).module(&module)?.encode();
    Ok(component.map_err(|error| format!("{error:#}"))?)
}

/// The core module around a piece of one.
fn module(mut piece: String) -> Result<String> {
    let mut rest = part("body.wat")?;
    for (name, sign) in [("memory.wat", "(export \"memory\")"), ("realloc.wat", "\"cabi_realloc\"")]
    {
        if !piece.contains(sign) {
            rest.push_str(&part(name)?);
        }
    }
    for Export { short, whole, signature, body } in EXPORTS {
        let short = format!("(export \"{short}\")");
        let whole = format!("(export \"{whole}\") {signature}");
        if piece.contains(&short) {
            piece = piece.replace(&short, &whole);
        } else {
            writeln!(rest, "(func {whole} {body})")?;
        }
    }
    Ok(format!("(module {}\n{piece}\n{rest})", part("imports.wat")?))
}

fn part(name: &str) -> Result<String> {
    let path = Path::new(ATTACKS).join("parts").join(name);
    Ok(fs::read_to_string(&path).map_err(|error| format!("{}: {error}", path.display()))?)
}
