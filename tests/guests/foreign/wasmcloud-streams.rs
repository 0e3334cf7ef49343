//! A component of wasmCloud 2: does what the first word of a message says, and tells
//! what came of it where an answer is wanted. May be entered while it waits.

// Elsewhere, linkers refuse the names of the exports.
#![cfg(target_family = "wasm")]

use std::hint::black_box;
use std::sync::atomic::{AtomicU32, Ordering};

use futures_util::future::join;

wit_bindgen::generate!({
    inline: "
        package test:streams;

        world guest {
            import wasmcloud:messaging/consumer@0.3.0;
            import wasi:clocks/monotonic-clock@0.3.0;
            import wasi:cli/stdout@0.3.0;
            import wasi:filesystem/types@0.3.0;
            import wasi:filesystem/preopens@0.3.0;
            import wasi:sockets/types@0.3.0;
            import wasi:sockets/ip-name-lookup@0.3.0;
            export wasmcloud:messaging/handler@0.3.0;
        }

        package wasi:clocks@0.3.0 {
            interface monotonic-clock {
                wait-for: async func(how-long: u64);
            }
        }

        package wasi:cli@0.3.0 {
            interface types {
                enum error-code { io, illegal-byte-sequence, pipe }
            }

            interface stdout {
                use types.{error-code};
                write-via-stream: func(data: stream<u8>) -> future<result<_, error-code>>;
            }
        }

        package wasi:filesystem@0.3.0 {
            interface types {
                flags descriptor-flags {
                    read, write, file-integrity-sync, data-integrity-sync, requested-write-sync,
                    mutate-directory,
                }
                flags path-flags { symlink-follow }
                flags open-flags { create, directory, exclusive, truncate }
                variant error-code {
                    access, already, bad-descriptor, busy, deadlock, quota, exist, file-too-large,
                    illegal-byte-sequence, in-progress, interrupted, invalid, io, is-directory,
                    loop, too-many-links, message-size, name-too-long, no-device, no-entry,
                    no-lock, insufficient-memory, insufficient-space, not-directory, not-empty,
                    not-recoverable, unsupported, no-tty, no-such-device, overflow,
                    not-permitted, pipe, read-only, invalid-seek, text-file-busy, cross-device,
                    other(option<string>),
                }
                resource descriptor {
                    open-at: async func(
                        path-flags: path-flags, path: string, open-flags: open-flags,
                        %flags: descriptor-flags
                    ) -> result<descriptor, error-code>;
                }
            }

            interface preopens {
                use types.{descriptor};
                get-directories: func() -> list<tuple<descriptor, string>>;
            }
        }

        package wasi:sockets@0.3.0 {
            interface types {
                enum ip-address-family { ipv4, ipv6 }
                variant error-code {
                    access-denied, not-supported, invalid-argument, out-of-memory, timeout,
                    invalid-state, address-not-bindable, address-in-use, remote-unreachable,
                    connection-refused, connection-broken, connection-reset, connection-aborted,
                    datagram-too-large, other(option<string>),
                }
                type ipv4-address = tuple<u8, u8, u8, u8>;
                type ipv6-address = tuple<u16, u16, u16, u16, u16, u16, u16, u16>;
                variant ip-address { ipv4(ipv4-address), ipv6(ipv6-address) }
                resource tcp-socket {
                    create: static func(family: ip-address-family)
                        -> result<tcp-socket, error-code>;
                }
                resource udp-socket {
                    create: static func(family: ip-address-family)
                        -> result<udp-socket, error-code>;
                }
            }

            interface ip-name-lookup {
                use types.{ip-address};
                variant error-code {
                    access-denied, invalid-argument, name-unresolvable, temporary-resolver-failure,
                    permanent-resolver-failure, other(option<string>),
                }
                resolve-addresses: async func(name: string) -> result<list<ip-address>, error-code>;
            }
        }
    ",
    world: "test:streams/guest",
    path: "../../wit/foreign/wasmcloud-messaging-0.3.0-streams.wit",
    generate_all,
});

use exports::wasmcloud::messaging::handler::Guest;
use wasi::cli::stdout::{ErrorCode, write_via_stream};
use wasi::clocks::monotonic_clock::wait_for;
use wasi::filesystem::preopens::get_directories;
use wasi::filesystem::types::{DescriptorFlags, OpenFlags, PathFlags};
use wasi::sockets::ip_name_lookup::resolve_addresses;
use wasi::sockets::types::{IpAddressFamily, TcpSocket, UdpSocket};
use wasmcloud::messaging::consumer;
use wasmcloud::messaging::types::{BrokerMessage, Error, HandleMessageError};

static HANDLED: AtomicU32 = AtomicU32::new(0);
static WAITING: AtomicU32 = AtomicU32::new(0);

struct Streams;

export!(Streams);

impl Guest for Streams {
    async fn handle_message(message: BrokerMessage) -> Result<(), HandleMessageError> {
        let count = HANDLED.fetch_add(1, Ordering::Relaxed) + 1;
        let body = message.body.collect().await;
        let text = String::from_utf8_lossy(&body).into_owned();
        let mut words = text.splitn(3, ' ');
        let mut word = || words.next().unwrap_or_default();
        let (verb, first, second) = (word(), word(), word());
        let answer = match verb {
            "echo" => format!("{} {first}", message.subject),
            "size" => body.len().to_string(),
            "count" => count.to_string(),
            "meet" => meet().await.to_string(),
            "publish" => match publish(first, second.into()).await {
                Ok(()) => "published".to_owned(),
                Err(error) => format!("{error:?}"),
            },
            "flood" => match publish(first, vec![b'x'; second.parse().unwrap_or(0)]).await {
                Ok(()) => "published".to_owned(),
                Err(error) => format!("{error:?}"),
            },
            "endless" => match publish_without_end(first).await {
                Ok(()) => "published".to_owned(),
                Err(error) => format!("{error:?}"),
            },
            "torrent" => loop {
                // Refused or not, there is more.
                let _ = publish(first, vec![b'x'; 1024]).await;
            },
            "spin" => loop {
                black_box(count);
            },
            "request" => match request(first, second).await {
                Ok(answer) => answer,
                Err(error) => format!("{error:?}"),
            },
            "print" => match print(format!("{first}\n")).await {
                Ok(()) => "printed".to_owned(),
                Err(error) => format!("{error:?}"),
            },
            "tcp" => tried(TcpSocket::create(IpAddressFamily::Ipv4)),
            "udp" => tried(UdpSocket::create(IpAddressFamily::Ipv4)),
            "look-up" => tried(resolve_addresses(first.to_owned()).await),
            "open" => open(first).await,
            "reject" => return Err(HandleMessageError::Reject),
            "retry" => return Err(HandleMessageError::Retry),
            "hang" => {
                wait_for(u64::MAX).await;
                "woke up".to_owned()
            }
            "trap" => std::process::abort(),
            other => return Err(HandleMessageError::Other(format!("what is {other}?"))),
        };
        let Some(reply_to) = message.reply_to else { return Ok(()) };
        let sent = publish(&reply_to, answer.into()).await;
        sent.map_err(|error| HandleMessageError::Other(format!("{error:?}")))
    }
}

/// Waits until another call waits too, and answers how many do then.
async fn meet() -> u32 {
    WAITING.fetch_add(1, Ordering::Relaxed);
    while WAITING.load(Ordering::Relaxed) < 2 {
        wait_for(1_000_000).await;
    }
    WAITING.load(Ordering::Relaxed)
}

async fn publish(subject: &str, bytes: Vec<u8>) -> Result<(), Error> {
    let (mut writer, body) = wit_stream::new();
    let write = async move {
        writer.write_all(bytes).await;
    };
    let message = BrokerMessage { subject: subject.to_owned(), body, reply_to: None };
    join(consumer::publish(message), write).await.0
}

/// Publishes a body that goes on until nobody takes any more of it.
async fn publish_without_end(subject: &str) -> Result<(), Error> {
    let (mut writer, body) = wit_stream::new();
    let write = async move { while writer.write_all(vec![b'x'; 64 << 10]).await.is_empty() {} };
    let message = BrokerMessage { subject: subject.to_owned(), body, reply_to: None };
    join(consumer::publish(message), write).await.0
}

async fn print(line: String) -> Result<(), ErrorCode> {
    let (mut writer, data) = wit_stream::new();
    let written = write_via_stream(data);
    writer.write_all(line.into_bytes()).await;
    drop(writer);
    written.await
}

fn tried<T, E: std::fmt::Debug>(result: Result<T, E>) -> String {
    result.map_or_else(|error| format!("{error:?}"), |_| "done".to_owned())
}

/// Opens a file in the first directory that there is.
async fn open(path: &str) -> String {
    let directories = get_directories();
    let Some((directory, _)) = directories.first() else { return "no directory".to_owned() };
    let (path, none) = (path.to_owned(), OpenFlags::empty());
    tried(directory.open_at(PathFlags::empty(), path, none, DescriptorFlags::READ).await)
}

async fn request(subject: &str, text: &str) -> Result<String, Error> {
    let (mut writer, body) = wit_stream::new();
    let bytes = text.as_bytes().to_vec();
    let write = async move {
        writer.write_all(bytes).await;
    };
    let asked = consumer::request(subject.to_owned(), body, Some(500));
    let answer = join(asked, write).await.0?;
    Ok(String::from_utf8_lossy(&answer.body.collect().await).into_owned())
}
