//! Failures, and the exit codes that tell them apart.

use std::fmt;
use std::process::ExitCode;

use crate::config::ManifestError;
use crate::connection::ConnectError;
use crate::plugin::{LoadError, StartError};

/// Why a command did not do what was asked. The codes are documented in the
/// program's help.
#[derive(Debug)]
pub(super) enum Failure {
    /// 1: it was tried and failed.
    Failed(anyhow::Error),
    /// 2: what was asked makes no sense.
    Usage(anyhow::Error),
    /// 2: nor does what the manifest says; told in several lines.
    Manifest(ManifestError),
    /// 3: the component can't be loaded.
    Component(anyhow::Error),
    /// 4: there is no server.
    NoServer(anyhow::Error),
}

impl Failure {
    /// The exit code alone.
    pub(super) fn code(&self) -> ExitCode {
        ExitCode::from(self.parts().0)
    }

    fn parts(&self) -> (u8, &dyn fmt::Display) {
        match self {
            Self::Failed(error) => (1, error),
            Self::Usage(error) => (2, error),
            Self::Manifest(error) => (2, error),
            Self::Component(error) => (3, error),
            Self::NoServer(error) => (4, error),
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.parts().1.fmt(f)
    }
}

impl From<anyhow::Error> for Failure {
    fn from(error: anyhow::Error) -> Self {
        Self::Failed(error)
    }
}

impl From<std::io::Error> for Failure {
    fn from(error: std::io::Error) -> Self {
        Self::Failed(error.into())
    }
}

impl From<ManifestError> for Failure {
    fn from(error: ManifestError) -> Self {
        Self::Manifest(error)
    }
}

impl From<LoadError> for Failure {
    fn from(error: LoadError) -> Self {
        Self::Component(error.into())
    }
}

impl From<ConnectError> for Failure {
    fn from(error: ConnectError) -> Self {
        Self::NoServer(error.into())
    }
}

impl From<StartError> for Failure {
    fn from(error: StartError) -> Self {
        match error {
            StartError::Load(error) => error.into(),
            StartError::Settings(error) => Self::Usage(error.into()),
            error @ (StartError::NoSubscriptions { .. }
            | StartError::NeedlessSubscriptions { .. }) => Self::Usage(error.into()),
            error @ StartError::NoServer { .. } => Self::NoServer(error.into()),
            other => Self::Failed(other.into()),
        }
    }
}

/// One clear line for each thing that is wrong, and the code.
#[expect(clippy::print_stderr, reason = "this is where the program tells its failure")]
pub(super) fn fail(failure: &Failure) -> ExitCode {
    let (_, error) = failure.parts();
    // Causes are part of the messages of our own errors already.
    match failure {
        Failure::Manifest(ManifestError::Problems(problems)) => {
            for problem in problems {
                eprintln!("error: {}", one_line(&problem.to_string()));
            }
        }
        _ => eprintln!("error: {}", one_line(&error.to_string())),
    }
    failure.code()
}

/// Parts of it come from guests and servers, which must not steer a terminal.
fn one_line(text: &str) -> String {
    let mut line = String::with_capacity(text.len());
    for c in text.chars() {
        if c.is_control() { line.extend(c.escape_default()) } else { line.push(c) }
    }
    line
}
