//! The fuzz targets in an ordinary test: the corpus, and random input from a seed.

#![expect(
    clippy::indexing_slicing,
    clippy::panic,
    unreachable_pub,
    reason = "code that only tests use, and that is public for the fuzz targets"
)]

#[path = "src/decode.rs"]
mod decode;
#[path = "src/names.rs"]
mod names;
#[path = "src/session/mod.rs"]
mod session;

use std::{fs, path::Path};

use anyhow::{Context, Result};
use arbitrary::{Arbitrary, Unstructured};
use simple_nats::{policy, protocol};

/// So many random inputs for each target.
const RANDOM: usize = 3_000;

/// The corpus of a target, and random bytes that are the same each time.
fn inputs(target: &str) -> Result<Vec<Vec<u8>>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/fuzz/corpus").join(target);
    let mut inputs = Vec::new();
    for file in folder.read_dir().with_context(|| format!("list {}", folder.display()))? {
        inputs.push(fs::read(file?.path())?);
    }
    let mut random = fastrand::Rng::with_seed(1);
    for _ in 0..RANDOM {
        let length = random.usize(0..2_000);
        inputs.push(std::iter::repeat_with(|| random.u8(..)).take(length).collect());
    }
    Ok(inputs)
}

fn replay<'a, T: Arbitrary<'a>>(inputs: &'a [Vec<u8>], check: impl Fn(&T)) {
    let inputs = inputs.iter().map(|bytes| T::arbitrary_take_rest(Unstructured::new(bytes)));
    // As in a fuzz target, bytes that are too few are no input.
    inputs.flatten().for_each(|input| check(&input));
}

#[test]
fn operations_do_not_depend_on_how_bytes_come() -> Result<()> {
    replay(&inputs("decode")?, decode::check);
    Ok(())
}

#[test]
fn accepted_names_are_harmless() -> Result<()> {
    replay(&inputs("names")?, names::check);
    Ok(())
}

#[test]
fn every_course_of_a_connection_keeps_its_promises() -> Result<()> {
    replay(&inputs("session")?, session::check);
    Ok(())
}
