//! Making a transport and getting through the handshake.

use std::sync::Arc;
use std::time::Instant;

use bytes::BytesMut;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpStream, lookup_host};

use super::address::{Login, ServerAddress};
use super::block;
use super::error::DialError;
use super::link::Link;
use super::options::ConnectionOptions;
use super::shared::{ConnectionStatus, Interruption, Shared};
use crate::protocol::{Connect, Event, ServerInfo};

/// Makes a link to one server: all addresses of its name are tried, and the
/// whole is bounded by the connect timeout.
pub(super) async fn dial(
    server: &ServerAddress,
    shared: &Arc<Shared>,
) -> Result<Link, DialError> {
    let timeout = shared.options.connect_timeout;
    let attempt = async {
        let stream = open(server).await?;
        shared.lock().session.handle_opened(Instant::now());
        handshake(stream, server, shared).await
    };
    let result = tokio::time::timeout(timeout, attempt)
        .await
        .unwrap_or(Err(DialError::Timeout(timeout)));
    if result.is_err() {
        let mut state = shared.lock();
        state.session.handle_closed(Instant::now(), &[], false);
        // A failed handshake has nothing to tell anybody but its error.
        let _ = shared.deliver(&mut state);
    }
    result
}

async fn open(server: &ServerAddress) -> Result<TcpStream, DialError> {
    let mut last = DialError::NoAddress;
    for address in lookup_host((server.host(), server.port())).await? {
        match TcpStream::connect(address).await {
            Ok(stream) => {
                // Whole batches are written at once, so there is nothing to gather.
                stream.set_nodelay(true)?;
                return Ok(stream);
            }
            Err(error) => last = error.into(),
        }
    }
    Err(last)
}

async fn handshake(
    mut stream: TcpStream,
    server: &ServerAddress,
    shared: &Shared,
) -> Result<Link, DialError> {
    let mut input = BytesMut::new();
    let mut output = Vec::new();
    let mut asked = false;
    loop {
        block::provide(&mut input);
        if stream.read_buf(&mut input).await? == 0 {
            return Err(DialError::HungUp);
        }
        let step = digest(server, shared, &mut input, &mut asked)?;
        if step == Step::Done {
            return Ok(Link::new(stream, input));
        }
        if shared.lock().session.take_output(&mut output) {
            stream.write_all(&output).await?;
            output.clear();
        }
    }
}

#[derive(PartialEq, Eq)]
enum Step {
    More,
    Done,
}

/// Takes what has arrived. Once the server has accepted, everything behind that
/// is ordinary traffic and goes its ordinary way.
fn digest(
    server: &ServerAddress,
    shared: &Shared,
    input: &mut BytesMut,
    asked: &mut bool,
) -> Result<Step, DialError> {
    let now = Instant::now();
    let mut state = shared.lock();
    let mut step = Step::More;
    loop {
        let more = state.session.handle_input(now, input).map_err(DialError::NotNats)?;
        while let Some(event) = state.session.poll_event() {
            match event {
                Event::Info(info) if !*asked => {
                    if info.tls_required {
                        return Err(DialError::TlsRequired);
                    }
                    *asked = true;
                    let connect = introduction(server, &shared.options, &info);
                    state.session.authenticate(now, &connect);
                }
                Event::Connected => {
                    state.server = server.to_string();
                    if state.status == ConnectionStatus::Reconnecting {
                        state.status = ConnectionStatus::Connected;
                    }
                    step = Step::Done;
                }
                Event::ServerError(error) if step == Step::More => {
                    return Err(DialError::Refused(error));
                }
                other => shared.route(&mut state, other).map_err(|interruption| {
                    match interruption {
                        Interruption::Malformed(error) => DialError::NotNats(error),
                        Interruption::Stale => DialError::Timeout(shared.options.connect_timeout),
                    }
                })?,
            }
        }
        if !more {
            return Ok(step);
        }
    }
}

fn introduction(
    server: &ServerAddress,
    options: &ConnectionOptions,
    info: &ServerInfo,
) -> Connect {
    let mut connect = Connect {
        name: options.name.clone(),
        echo: !options.no_echo,
        headers: info.headers,
        no_responders: info.headers,
        ..Connect::default()
    };
    match server.login() {
        Some(Login::User { name, password }) => {
            connect.user = Some(name.clone());
            connect.pass = Some(password.clone());
        }
        Some(Login::Token(token)) => connect.auth_token = Some(token.clone()),
        None => {}
    }
    connect
}
