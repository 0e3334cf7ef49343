//! Making a transport and getting through the handshake.

use std::sync::Arc;

use bytes::BytesMut;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::address::ServerAddress;
use super::error::DialError;
use super::link::Link;
use super::open::open;
use super::shared::{ConnectionStatus, Interruption, Shared};
use super::tls::TlsError;
use super::transport::Transport;
use super::websocket::WebSocket;
use super::{block, tls};
use crate::protocol::{Connect, Event, ServerInfo};
use crate::time;

/// Makes a link to one server: all addresses of its name are tried, and the
/// whole is bounded by the connect timeout.
pub(super) async fn dial(server: &ServerAddress, shared: &Arc<Shared>) -> Result<Link, DialError> {
    let timeout = shared.options.connect_timeout;
    let attempt = async {
        let transport = match &shared.options.connector {
            Some(connector) => Transport::Made(connector.connect(server).await?),
            None => Transport::Tcp(open(server).await?),
        };
        shared.lock().session.handle_opened(time::now());
        Handshake { server, shared, introduced: false }.run(transport).await
    };
    let result = time::timeout(timeout, attempt).await.unwrap_or(Err(DialError::Timeout(timeout)));
    if result.is_err() {
        let mut state = shared.lock();
        state.session.handle_closed(time::now(), &[], false);
        // A failed handshake has nothing to tell anybody but its error.
        let _ = shared.deliver(&mut state);
    }
    result
}

/// From the open stream to the server's consent.
struct Handshake<'a> {
    server: &'a ServerAddress,
    shared: &'a Shared,
    /// The server has said who it is.
    introduced: bool,
}

/// What a handshake has come to.
enum Step {
    /// The server has to say more.
    More,
    /// It has said who it is.
    Introduced(Arc<ServerInfo>),
    /// It has accepted the connection.
    Accepted,
}

impl Handshake<'_> {
    async fn run(mut self, mut transport: Transport) -> Result<Link, DialError> {
        let tls = &self.shared.options.tls;
        let websocket = self.server.websocket();
        if tls.first || (websocket && (tls.required || self.server.tls())) {
            transport = self.encrypt(transport).await?;
        }
        if websocket {
            let socket = WebSocket::open(transport, self.server).await?;
            transport = Transport::WebSocket(Box::new(socket));
        }
        let mut input = BytesMut::new();
        loop {
            match self.digest(&mut input)? {
                Step::More => {
                    self.answer(&mut transport).await?;
                    block::provide(&mut input);
                    if transport.read_buf(&mut input).await? == 0 {
                        return Err(DialError::HungUp);
                    }
                }
                Step::Introduced(info) => {
                    if self.wants_encryption(&transport, &info)? {
                        // What came in plain text must not be taken for what the
                        // server says under encryption.
                        if !input.is_empty() {
                            return Err(TlsError::early_data(&input).into());
                        }
                        transport = self.encrypt(transport).await?;
                    }
                    let connect = self.introduction(&info)?;
                    self.shared.lock().session.authenticate(time::now(), &connect);
                }
                Step::Accepted => return Ok(Link::new(transport, input)),
            }
        }
    }

    /// Writes what the session has to say to what it has taken in.
    async fn answer(&self, transport: &mut Transport) -> Result<(), DialError> {
        let mut output = Vec::new();
        if self.shared.lock().session.take_output(&mut output) {
            transport.write_all(&output).await?;
            transport.flush().await?;
        }
        Ok(())
    }

    /// Whether either side wants it, and it is not done yet.
    fn wants_encryption(
        &self,
        transport: &Transport,
        info: &ServerInfo,
    ) -> Result<bool, DialError> {
        let wanted = self.shared.options.tls.required || self.server.tls();
        match transport {
            // A WebSocket is encrypted below, or not at all; and a connector has done
            // what there is to be done.
            Transport::Tls(_) | Transport::WebSocket(_) | Transport::Made(_) => Ok(false),
            Transport::Tcp(_) if wanted && !info.tls_required && !info.tls_available => {
                Err(TlsError::NotOffered.into())
            }
            Transport::Tcp(_) => Ok(wanted || info.tls_required),
        }
    }

    async fn encrypt(&self, transport: Transport) -> Result<Transport, DialError> {
        let Transport::Tcp(stream) = transport else { return Ok(transport) };
        let name = self.server.tls_name();
        let stream = tls::encrypt(stream, name, &self.shared.options.tls).await?;
        Ok(Transport::Tls(Box::new(stream)))
    }

    /// Takes what has arrived, up to where the server has said who it is, since
    /// encryption may be due there. Once it has accepted, everything behind that is
    /// ordinary traffic and goes its ordinary way.
    fn digest(&mut self, input: &mut BytesMut) -> Result<Step, DialError> {
        let now = time::now();
        let mut state = self.shared.lock();
        let mut step = Step::More;
        loop {
            let more = state.session.handle_input(now, input).map_err(DialError::NotNats)?;
            while let Some(event) = state.session.poll_event() {
                match event {
                    Event::Info(info) if !self.introduced => {
                        self.introduced = true;
                        return Ok(Step::Introduced(info));
                    }
                    Event::Connected => {
                        state.server = Some(self.server.clone());
                        if state.status == ConnectionStatus::Reconnecting {
                            state.status = ConnectionStatus::Connected;
                        }
                        step = Step::Accepted;
                    }
                    Event::ServerError(error) if !matches!(step, Step::Accepted) => {
                        return Err(DialError::Refused(*error));
                    }
                    other => {
                        self.shared
                            .route(&mut state, other)
                            .map_err(|interruption| self.explain(interruption))?;
                    }
                }
            }
            if !more {
                return Ok(step);
            }
        }
    }

    fn explain(&self, interruption: Interruption) -> DialError {
        match interruption {
            Interruption::Malformed(error) => DialError::NotNats(error),
            Interruption::Stale => DialError::Timeout(self.shared.options.connect_timeout),
        }
    }

    fn introduction(&self, info: &ServerInfo) -> Result<Connect, DialError> {
        let options = &self.shared.options;
        let mut connect = Connect {
            name: options.name.clone(),
            echo: !options.no_echo,
            headers: info.headers,
            no_responders: info.headers,
            tls_required: options.tls.required || self.server.tls(),
            ..Connect::default()
        };
        options.credentials.apply(self.server.login(), info, &mut connect)?;
        Ok(connect)
    }
}
