//! Certificates for tests of TLS: an authority of their own, and what it signs.
//! Everything is a PEM file, as servers and clients want it.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};
use tempfile::TempDir;

/// An authority that nobody knows. Its files last as long as it does.
pub struct Authority {
    issuer: Issuer<'static, KeyPair>,
    folder: TempDir,
    own: Identity,
}

/// A certificate and its private key.
#[derive(Clone, Debug)]
pub struct Identity {
    /// The file of the certificate.
    pub certificate: PathBuf,
    /// The file of the key.
    pub key: PathBuf,
}

impl Authority {
    /// Makes a new one, of the same name as all others.
    pub fn new() -> Result<Self> {
        Self::called("authority")
    }

    /// Makes a new one with this common name.
    pub fn called(name: &str) -> Result<Self> {
        let folder = tempfile::tempdir().context("make a folder for certificates")?;
        // With the names of this machine, so that only its being an authority
        // can speak against a server that shows it.
        let mut params = params(name, LOCAL_NAMES)?;
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().context("make a key")?;
        let certificate = params.self_signed(&key).context("sign the authority")?;
        let own = Identity::write(folder.path(), "authority", &certificate.pem(), &key)?;
        Ok(Self { issuer: Issuer::new(params, key), folder, own })
    }

    /// The file to trust it by.
    pub fn file(&self) -> &Path {
        &self.own.certificate
    }

    /// Its own certificate and key, which are no good for a server.
    pub fn own(&self) -> &Identity {
        &self.own
    }

    /// A certificate for a server on this machine.
    pub fn for_this_machine(&self) -> Result<Identity> {
        self.issue("server", LOCAL_NAMES)
    }

    /// A certificate for hosts of these names and addresses, or for a client.
    /// `label` is its common name.
    pub fn issue(&self, label: &str, hosts: &[&str]) -> Result<Identity> {
        let key = KeyPair::generate().context("make a key")?;
        let certificate = params(label, hosts)?.signed_by(&key, &self.issuer);
        let certificate = certificate.with_context(|| format!("sign {label}"))?;
        Identity::write(self.folder.path(), label, &certificate.pem(), &key)
    }
}

impl Identity {
    /// The part of a server's configuration that names the files.
    pub fn config(&self) -> String {
        format!("cert_file: {:?}, key_file: {:?}", self.certificate, self.key)
    }

    fn write(folder: &Path, label: &str, certificate: &str, key: &KeyPair) -> Result<Self> {
        let write = |kind: &str, text: &str| {
            let path = folder.join(format!("{label}-{kind}.pem"));
            std::fs::write(&path, text).with_context(|| format!("write {}", path.display()))?;
            anyhow::Ok(path)
        };
        Ok(Self {
            certificate: write("certificate", certificate)?,
            key: write("key", &key.serialize_pem())?,
        })
    }
}

/// How a server on this machine may be called.
const LOCAL_NAMES: &[&str] = &["localhost", "127.0.0.1", "::1"];

fn params(label: &str, hosts: &[&str]) -> Result<CertificateParams> {
    let hosts: Vec<_> = hosts.iter().map(|&host| host.to_owned()).collect();
    let mut params = CertificateParams::new(hosts).with_context(|| format!("name {label}"))?;
    params.distinguished_name.push(DnType::CommonName, label);
    Ok(params)
}
