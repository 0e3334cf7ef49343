//! Its `start` traps.

simple_nats_guest::plugin!(start);

fn start() {
    panic!("no start");
}
