//! Runs the component as `simple-nats up` does: with what `plugins.toml` allows
//! and no more, and with a nats-server for the while.

use std::io::{BufRead, BufReader};
use std::process::{Child, ChildStderr, Command, Stdio};

/// The program, from the search path unless `SIMPLE_NATS` names another.
fn simple_nats(args: &[&str]) -> Command {
    let program = std::env::var_os("SIMPLE_NATS").unwrap_or_else(|| "simple-nats".into());
    let mut command = Command::new(program);
    command.args(args).current_dir(env!("CARGO_MANIFEST_DIR"));
    command
}

struct Host {
    process: Child,
    server: String,
    // Open for as long as the host writes to it.
    _log: BufReader<ChildStderr>,
}

impl Host {
    fn start() -> Self {
        let mut build = Command::new(env!("CARGO"));
        build.args(["build", "--quiet", "--release", "--target", "wasm32-wasip2"]);
        assert!(build.status().unwrap().success(), "it does not build");

        let mut up = simple_nats(&["up", "--server", "embedded", "--log-format", "text"]);
        let mut process = up.stderr(Stdio::piped()).spawn().expect("start simple-nats");
        let mut log = BufReader::new(process.stderr.take().unwrap());
        let mut lines = String::new();
        let mut server = None;
        while log.read_line(&mut lines).unwrap() > 0 {
            let line = lines.lines().last().unwrap();
            if let Some((_, address)) = line.split_once("embedded nats-server server=") {
                server = Some(address.to_owned());
            } else if line.contains("plugin ready") {
                return Self { process, server: server.unwrap(), _log: log };
            }
        }
        panic!("it did not become ready:\n{lines}");
    }

    /// The answer to a request.
    fn ask(&self, subject: &str, question: &str) -> String {
        let mut request = simple_nats(&["request", "--server", &self.server, subject, question]);
        let output = request.output().unwrap();
        String::from_utf8([output.stdout, output.stderr].concat()).unwrap()
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        // Not `Child::kill`, which would leave the server behind.
        let _ = Command::new("kill").arg(self.process.id().to_string()).status();
        let _ = self.process.wait();
    }
}

#[test]
fn whoever_asks_is_greeted() {
    let host = Host::start();
    assert_eq!(host.ask("{{name}}.greet", "Ada"), "hello Ada\n");
    let refused = host.ask("{{name}}.greet", " ");
    assert!(refused.contains("nobody to greet"), "{refused}");
}
