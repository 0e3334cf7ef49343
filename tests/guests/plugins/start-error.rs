//! Its `start` answers the error `nothing to serve here`.

simple_nats_guest::plugin!(start);

fn start() -> Result<(), &'static str> {
    Err("nothing to serve here")
}
