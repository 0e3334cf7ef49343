//! Prints what comes on `stdout.out` and `stdout.err`, escape codes and all, and then
//! answers `printed`; `stdout.part` prints without ending the line.

use std::io::Write;

use simple_nats_guest::{Error, Message, NatsClient};

simple_nats_guest::plugin!(start);

fn start() -> Result<(), Error> {
    let nats = NatsClient::connect(None)?;
    nats.subscribe("stdout.out", None, |message: Message| {
        println!("{}", String::from_utf8_lossy(message.payload()));
        message.respond("printed")
    })?;
    nats.subscribe("stdout.err", None, |message: Message| {
        eprintln!("{}", String::from_utf8_lossy(message.payload()));
        message.respond("printed")
    })?;
    nats.subscribe("stdout.part", None, |message: Message| {
        let mut stdout = std::io::stdout();
        stdout.write_all(message.payload()).and_then(|()| stdout.flush()).expect("a stdout");
        message.respond("printed")
    })?;
    Ok(())
}
