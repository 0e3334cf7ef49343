//! `wasi:random` whose numbers follow from a seed.

use fastrand::Rng;
use wasmtime_wasi::WasiCtxBuilder;
use wasmtime_wasi::random::Deterministic;

/// After so many bytes they repeat.
const PERIOD: usize = 64 << 10;

/// Lets all random numbers of a guest follow from the seed.
pub(super) fn foretell(builder: &mut WasiCtxBuilder, seed: u64) {
    let mut random = Rng::with_seed(seed);
    let mut sequence =
        || Deterministic::new(std::iter::repeat_with(|| random.u8(..)).take(PERIOD).collect());
    builder.secure_random(sequence()).insecure_random(sequence()).insecure_random_seed(seed.into());
}
