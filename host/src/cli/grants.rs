//! What of the system a guest gets to see, as flags of `run`.

use std::path::PathBuf;

use clap::Args;

use crate::plugin::{Directory, PluginSettings};

/// What a component sees of the system besides clocks and random numbers.
#[derive(Debug, Args)]
#[command(next_help_heading = "System")]
pub(super) struct Grants {
    /// Environment variable that the component sees; repeatable.
    #[arg(long = "env", value_name = "KEY=VALUE", value_parser = parse_pair)]
    environment: Vec<(String, String)>,

    /// Value that the component finds in `wasi:config/store`; repeatable.
    #[arg(long, value_name = "KEY=VALUE", value_parser = parse_pair)]
    config: Vec<(String, String)>,

    /// Directory that the component may read, under its own path or another one;
    /// repeatable.
    #[arg(long = "dir", value_name = "HOST[::GUEST]", value_parser = parse_directory)]
    readable: Vec<Directory>,

    /// Directory that the component may also write to; repeatable.
    #[arg(long = "dir-writable", value_name = "HOST[::GUEST]", value_parser = parse_directory)]
    writable: Vec<Directory>,
}

impl Grants {
    /// Sets what is granted.
    pub(super) fn apply(&self, settings: &mut PluginSettings) {
        settings.environment = self.environment.clone();
        settings.config = self.config.iter().cloned().collect();
        let writable = self.writable.iter().map(|directory| {
            let mut directory = directory.clone();
            directory.is_writable = true;
            directory
        });
        settings.directories = self.readable.iter().cloned().chain(writable).collect();
    }
}

fn parse_pair(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((key, value)) if !key.is_empty() => Ok((key.to_owned(), value.to_owned())),
        _ => Err(format!("{text:?} is not KEY=VALUE")),
    }
}

fn parse_directory(text: &str) -> Result<Directory, String> {
    let (host, guest) = text.split_once("::").unwrap_or((text, text));
    if host.is_empty() || guest.is_empty() {
        return Err(format!("{text:?} is not HOST or HOST::GUEST"));
    }
    let host = PathBuf::from(host);
    if !host.is_dir() {
        return Err(format!("{} is no directory", host.display()));
    }
    Ok(Directory { host, guest: guest.to_owned(), is_writable: false })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_directory_is_there_and_has_a_name_for_the_guest() {
        for wrong in ["", "::", "::data", "/::", "/no/such/directory"] {
            assert!(parse_directory(wrong).is_err(), "{wrong:?}");
        }
        let root = parse_directory("/::/data").unwrap();
        assert_eq!((root.host, root.guest.as_str()), (PathBuf::from("/"), "/data"));
        assert_eq!(parse_directory("/").unwrap().guest, "/");
    }
}
