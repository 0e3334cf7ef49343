//! Uses the system as a message says: files, sockets, settings, random bytes. Answers
//! what came of it, or the error.

use std::net::{ToSocketAddrs, UdpSocket};
use std::time::Duration;

use simple_nats_guest::{Error, Message, NatsClient};

mod config {
    wit_bindgen::generate!({
        inline: "
            package wasi:config@0.2.0-rc.1;

            interface store {
                variant error { upstream(string), io(string) }
                get: func(key: string) -> result<option<string>, error>;
                get-all: func() -> result<list<tuple<string, string>>, error>;
            }

            world settings { import store; }
        ",
    });

    pub use wasi::config::store;
}

mod http {
    wit_bindgen::generate!({
        inline: "
            package wasi:http@0.2.3;

            interface fetch { status-of: func(url: string) -> u32; }

            world web { import fetch; }
        ",
    });

    pub use wasi::http::fetch;
}

mod random {
    wit_bindgen::generate!({
        inline: "
            package wasi:random@0.2.1;

            interface random { get-random-bytes: func(len: u64) -> list<u8>; }

            world dice { import random; }
        ",
    });

    pub use wasi::random::random;
}

simple_nats_guest::plugin!(start);

fn start() -> Result<(), Error> {
    let nats = NatsClient::connect(None)?;
    nats.subscribe("system.*", None, |message: Message| {
        let text = String::from_utf8_lossy(message.payload()).into_owned();
        let outcome = match message.subject().strip_prefix("system.") {
            Some("read") => std::fs::read_to_string(text).map_err(told),
            Some("write") => std::fs::write(text, "written").map(|()| "done".into()).map_err(told),
            Some("udp") => UdpSocket::bind(text).map(|_| "bound".into()).map_err(told),
            Some("lookup") => (text.as_str(), 80)
                .to_socket_addrs()
                .map(|all| format!("{:?}", all.collect::<Vec<_>>()))
                .map_err(told),
            Some("arguments") => Ok(std::env::args().collect::<Vec<_>>().join(" ")),
            Some("config") => match config::store::get(&text) {
                Ok(value) => Ok(value.unwrap_or_else(|| "nothing".into())),
                Err(error) => Err(format!("{error:?}")),
            },
            Some("http") => Ok(http::fetch::status_of(&text).to_string()),
            Some("random") => {
                let bytes = random::random::get_random_bytes(text.parse().unwrap_or_default());
                Ok(bytes.len().to_string())
            }
            Some("sleep") => {
                std::thread::sleep(Duration::from_millis(text.parse().unwrap_or_default()));
                Ok("slept".into())
            }
            _ => Err("no such thing".into()),
        };
        message.respond(outcome.unwrap_or_else(|error| format!("error: {error}")))
    })?;
    Ok(())
}

fn told(error: std::io::Error) -> String {
    error.to_string()
}
