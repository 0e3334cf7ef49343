//! Shows the whole thing at work: a real server, plugins in hosts of their own,
//! and requests from another process.

use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpStream},
    time::Instant,
};

use anyhow::{Context, Result};
use serde_json::Value;

use crate::{
    child::{Child, Output},
    guests, setup,
    steps::{Steps, read},
    workspace::Workspace,
};

/// A plugin of the demo and all that it may do.
struct Plugin {
    name: &'static str,
    rights: &'static [&'static str],
}

/// The caller comes last: it needs the worker.
const PLUGINS: &[Plugin] = &[
    Plugin { name: "echo", rights: &["--allow-subscribe", "echo"] },
    Plugin {
        name: "rpc-worker",
        rights: &["--allow-subscribe", "rpc.worker", "--allow-queue-group", "workers"],
    },
    Plugin { name: "rpc-caller", rights: &["--allow-publish", "rpc.worker"] },
];

/// What the caller prints of the worker's second answer, to [1, 2].
const ANSWER: &str = "call 2: sum 3";

const REQUESTS: &[(&str, &str)] =
    &[("echo", "hello"), ("echo", "the sandbox answers"), ("echo", "once more")];

struct Server {
    process: Child,
    client: SocketAddr,
    monitor: SocketAddr,
}

/// Builds all that is needed and runs the demo; `stay` leaves it running.
pub(crate) fn run(workspace: &Workspace, steps: &mut Steps, stay: bool) -> Result<()> {
    let server_binary = setup::run(workspace, steps)?;
    guests::examples(workspace, steps)?;
    steps.run("host", workspace.cargo("build").args(["--bin", "simple-nats"]))?;

    let mut server = steps.step("a real nats-server", || {
        let mut command = workspace.command(&server_binary);
        command.args(["-a", "127.0.0.1", "-p", "-1", "-m", "-1"]);
        start_server(Child::start("nats-server", &mut command, Output::Hide)?)
    })?;
    let hosts: Vec<Child> = steps.step("one host per plugin", || {
        PLUGINS.iter().map(|plugin| start_plugin(workspace, &server, plugin)).collect()
    })?;
    steps.step("one plugin calls another", || {
        let caller = hosts.last().context("no caller")?;
        caller.wait_for("an answer to its call", |line| line.contains(ANSWER).then_some(()))
    })?;
    steps.step("requests from another process", || {
        REQUESTS.iter().try_for_each(|request| send(workspace, &server, *request))
    })?;
    steps.step("the server's view", || show_connections(server.monitor))?;

    if stay {
        println!("── running until Ctrl-C; try, from another terminal:");
        println!("  {} request --server {} echo hi", workspace.host().display(), server.client);
        // Ctrl-C reaches the whole process group: server, hosts and this.
        server.process.wait()?;
    }
    Ok(())
}

fn start_server(process: Child) -> Result<Server> {
    let announced = |prefix: &'static str| {
        process.wait_for(prefix, |line| line.split_once(prefix)?.1.trim().parse().ok())
    };
    let monitor = announced("Starting http monitor on")?;
    let client = announced("Listening for client connections on")?;
    println!("  clients at {client}, monitoring at http://{monitor}");
    Ok(Server { process, client, monitor })
}

fn start_plugin(workspace: &Workspace, server: &Server, plugin: &Plugin) -> Result<Child> {
    let component = workspace.guests().join(plugin.name).with_extension("wasm");
    println!("  {} may: {}", plugin.name, plugin.rights.join(" "));
    let mut command = workspace.command(workspace.host());
    command
        .arg("run")
        .arg(component)
        .args(["--server", &server.client.to_string(), "--log-format", "text"])
        .args(plugin.rights);
    let start = Instant::now();
    let host = Child::start(plugin.name, &mut command, Output::Show)?;
    host.wait_for("plugin ready", |line| line.contains("plugin ready").then_some(()))?;
    println!("  {} was ready {:.0?} after its process started", plugin.name, start.elapsed());
    Ok(host)
}

fn send(workspace: &Workspace, server: &Server, (subject, payload): (&str, &str)) -> Result<()> {
    let mut command = workspace.command(workspace.host());
    command.args(["request", "--server", &server.client.to_string(), subject, payload]);
    let start = Instant::now();
    let answer = read(&mut command)?;
    println!(
        "  {subject} <- {payload:?}; answer {:?}; {:.1?} for the whole process",
        answer.trim_end(),
        start.elapsed()
    );
    Ok(())
}

fn show_connections(monitor: SocketAddr) -> Result<()> {
    let mut stream = TcpStream::connect(monitor).context("connect to the monitoring port")?;
    // Version 1.0: the body comes unchunked and ends with the connection.
    stream.write_all(b"GET /connz?subs=1 HTTP/1.0\r\n\r\n")?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    let (_, body) = answer.split_once("\r\n\r\n").context("no body in the answer of connz")?;
    let page: Value = serde_json::from_str(body).context("parse connz")?;
    let connections = page.get("connections").and_then(Value::as_array);
    println!("  {:<16} {:>8} {:>8}  subscriptions", "client", "msgs in", "msgs out");
    for connection in connections.into_iter().flatten() {
        let text = |key| connection.get(key).and_then(Value::as_str).unwrap_or_default();
        let number = |key| connection.get(key).and_then(Value::as_u64).unwrap_or_default();
        let subjects = connection.get("subscriptions_list").and_then(Value::as_array);
        let subjects: Vec<_> = subjects.into_iter().flatten().filter_map(Value::as_str).collect();
        println!(
            "  {:<16} {:>8} {:>8}  {}",
            text("name"),
            number("in_msgs"),
            number("out_msgs"),
            subjects.join(" ")
        );
    }
    Ok(())
}
