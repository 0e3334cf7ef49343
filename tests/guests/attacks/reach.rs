//! Reaches for the machine: files, environment, network. Answers a message with what
//! it got hold of.

use std::fs::{self, File};
use std::net::{TcpListener, TcpStream, ToSocketAddrs, UdpSocket};
use std::{env, io};

use simple_nats_guest::{Error, Message, NatsClient};

simple_nats_guest::plugin!(start);

fn start() -> Result<(), Error> {
    let nats = NatsClient::connect(None)?;
    nats.subscribe("attack.in", None, |message: Message| {
        let server = String::from_utf8_lossy(message.payload()).into_owned();
        let mut got: Vec<String> = files().chain(network(&server)).collect();
        got.extend(env::vars().map(|(name, _)| format!("variable {name}")));
        got.extend(env::args().map(|argument| format!("argument {argument}")));
        message.respond_json(&got)
    })?;
    Ok(())
}

fn files() -> impl Iterator<Item = String> {
    const PATHS: [&str; 6] = ["/etc/passwd", "/", ".", "..", "/proc/self/environ", "/dev/zero"];
    let read = PATHS.into_iter().filter(|path| fs::read(path).is_ok());
    let listed = PATHS.into_iter().filter(|path| fs::read_dir(path).is_ok());
    let made = ["/tmp/attack", "attack"].into_iter().filter(|path| File::create(path).is_ok());
    let found = read.chain(listed).chain(made).map(|path| format!("file {path}"));
    found.collect::<Vec<_>>().into_iter()
}

fn network(server: &str) -> impl Iterator<Item = String> {
    let name = |name: &str| (name, 80).to_socket_addrs().map(|found| found.count());
    let tried: [(&str, io::Result<usize>); 6] = [
        ("connection", TcpStream::connect(server).map(|_| 0)),
        ("listener", TcpListener::bind("127.0.0.1:0").map(|_| 0)),
        ("any listener", TcpListener::bind("[::]:0").map(|_| 0)),
        (
            "datagram",
            UdpSocket::bind("127.0.0.1:0").and_then(|socket| socket.send_to(b"x", server)),
        ),
        ("local name", name("localhost")),
        ("name", name("example.com")),
    ];
    let got = tried.into_iter().filter_map(|(what, outcome)| outcome.is_ok().then_some(what));
    got.map(|what| format!("network: {what}")).collect::<Vec<_>>().into_iter()
}
