//! Exits with the code in its first argument. WASI 0.2 carries only success (0) and
//! failure (any other, seen as 1).

fn main() {
    let code = std::env::args().nth(1).and_then(|code| code.parse().ok());
    std::process::exit(code.expect("an exit code"));
}
