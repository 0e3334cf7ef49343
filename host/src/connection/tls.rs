//! Encrypting a transport, and knowing who is at its other end.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use thiserror::Error;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::crypto::ring::default_provider;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use tokio_rustls::rustls::{
    AlertDescription, CertificateError, ClientConfig, Error as RustlsError, RootCertStore,
};

/// Enough of an unexpected text for a server's reason.
const MAX_SHOWN: usize = 64;

/// How a connection uses TLS. Files are read anew for each transport, so that
/// they can be replaced while the host runs.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct TlsOptions {
    /// Refuse servers that do not offer it. A server that demands it gets it
    /// either way.
    pub required: bool,
    /// Encrypt before the server has said anything, as it must be configured to
    /// expect (`handshake_first`).
    pub first: bool,
    /// Trust the authorities in this PEM file, and no others. None: those that
    /// the system trusts.
    pub ca_file: Option<PathBuf>,
    /// The host's own certificate and its private key, both PEM files.
    pub identity: Option<(PathBuf, PathBuf)>,
}

/// A transport could not be encrypted.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum TlsError {
    /// A file can't be used.
    #[error("TLS file {}: {reason}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        reason: String,
    },
    /// The system's trusted authorities can't be read.
    #[error("the system has no trusted certificate authorities: {0}; name a file with --tls-ca")]
    NoRoots(String),
    /// Certificate and key are of no use together.
    #[error("TLS settings: {0}")]
    Settings(#[from] RustlsError),
    /// The server is not who it should be, or does not want us.
    #[error("TLS with {name}: {}", explain(source))]
    Handshake {
        /// The name that the server's certificate must have.
        name: String,
        /// Why.
        source: io::Error,
    },
    /// TLS is wanted, and the server has none.
    #[error("TLS is required here, and the server does not offer it")]
    NotOffered,
    /// Someone has put plain text where encryption begins.
    #[error("plain text came before the encryption that was agreed on: {0:?}")]
    EarlyData(String),
    /// The host name is nothing a certificate can be for.
    #[error("{0:?} is no name that a certificate can have")]
    Name(String),
}

impl TlsOptions {
    /// Whether the files can be used.
    pub(super) fn check(&self) -> Result<(), TlsError> {
        // Without files there is nothing that could be wrong before it is used.
        if self.ca_file.is_some() || self.identity.is_some() {
            client_config(self)?;
        }
        Ok(())
    }
}

impl TlsError {
    /// The error for bytes that came too early; shows as many as tell what they are.
    pub(super) fn early_data(bytes: &[u8]) -> Self {
        let shown = bytes.get(..MAX_SHOWN).unwrap_or(bytes);
        Self::EarlyData(String::from_utf8_lossy(shown).into_owned())
    }
}

/// Encrypts a stream to the server of this name.
pub(super) async fn encrypt(
    stream: TcpStream,
    name: &str,
    options: &TlsOptions,
) -> Result<TlsStream<TcpStream>, TlsError> {
    let connector = TlsConnector::from(Arc::new(client_config(options)?));
    let server = ServerName::try_from(name.to_owned()).map_err(|_| TlsError::Name(name.into()))?;
    connector
        .connect(server, stream)
        .await
        .map_err(|source| TlsError::Handshake { name: name.to_owned(), source })
}

/// What went wrong, in plain words where the library has none. With TLS 1.3 a
/// server's refusal may come only after the handshake.
pub(super) fn explain(error: &io::Error) -> String {
    let cause = error.get_ref().and_then(|cause| cause.downcast_ref::<RustlsError>());
    let plain = match cause {
        // A signature that does not fit is that of an authority with the same name.
        Some(RustlsError::InvalidCertificate(
            CertificateError::UnknownIssuer | CertificateError::BadSignature,
        )) => {
            "no authority that is trusted here has signed the server's certificate; \
             name the file of the one that has with --tls-ca"
        }
        // The verifier's own error is behind a trait object that only shows its name.
        Some(RustlsError::InvalidCertificate(CertificateError::Other(other)))
            if other.to_string() == "CaUsedAsEndEntity" =>
        {
            "the server shows an authority's certificate as its own, as many self-signed ones \
             are; it needs one that is marked CA:FALSE"
        }
        Some(RustlsError::AlertReceived(AlertDescription::CertificateRequired)) => {
            "the server wants a certificate; name one with --tls-cert and --tls-key"
        }
        Some(RustlsError::AlertReceived(
            AlertDescription::BadCertificate | AlertDescription::UnknownCA,
        )) => "the server does not accept the certificate that it was shown",
        Some(RustlsError::InvalidMessage(_)) => "the server answered with something else than TLS",
        _ => return error.to_string(),
    };
    plain.to_owned()
}

fn client_config(options: &TlsOptions) -> Result<ClientConfig, TlsError> {
    let builder = ClientConfig::builder_with_provider(Arc::new(default_provider()))
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots(options.ca_file.as_deref())?);
    Ok(match &options.identity {
        None => builder.with_no_client_auth(),
        Some((certificate, key)) => {
            let chain = certificates(certificate)?;
            let secret =
                PrivateKeyDer::from_pem_file(key).map_err(|error| unusable(key, &error))?;
            builder.with_client_auth_cert(chain, secret)?
        }
    })
}

fn roots(file: Option<&Path>) -> Result<RootCertStore, TlsError> {
    let mut roots = RootCertStore::empty();
    match file {
        Some(path) => {
            for certificate in certificates(path)? {
                roots.add(certificate).map_err(|error| unusable(path, &error))?;
            }
        }
        None => {
            let system = rustls_native_certs::load_native_certs();
            roots.add_parsable_certificates(system.certs);
            if roots.is_empty() {
                let reasons: Vec<_> = system.errors.iter().map(ToString::to_string).collect();
                return Err(TlsError::NoRoots(reasons.join("; ")));
            }
        }
    }
    Ok(roots)
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let found: Result<Vec<_>, _> =
        CertificateDer::pem_file_iter(path).and_then(|certificates| certificates.collect());
    let found = found.map_err(|error| unusable(path, &error))?;
    if found.is_empty() {
        return Err(unusable(path, &"there is no certificate in it"));
    }
    Ok(found)
}

fn unusable(path: &Path, reason: &dyn std::fmt::Display) -> TlsError {
    TlsError::File { path: path.to_owned(), reason: reason.to_string() }
}
