//! Measures plugins beside native clients: the same work, the same server, rounds
//! in turn, in one run.
//!
//! Processor time per message is the figure to look at: at small messages the
//! server bounds the rate of everybody.

#![expect(clippy::print_stdout, reason = "a command-line tool talks to its user")]

mod bare;
mod clients;
mod cpu_clock;
mod fleet;
mod load;
mod measure;
mod plot;
mod report;
mod rivals;
mod scale;
mod start;
mod wire;
mod workloads;

use std::{fs, net::SocketAddr, path::PathBuf};

use anyhow::{Context, Result, anyhow, ensure};
use clap::{Parser, Subcommand};
use serde::Serialize;
use test_support::NatsServer;

use crate::{clients::Client, report::Outcome, rivals::Rival, workloads::WORKLOADS};

/// Measures plugins beside native clients
#[derive(Parser)]
#[command(name = "cargo xtask bench")]
struct Arguments {
    /// Fewer messages and rounds: under a minute
    #[arg(long, global = true)]
    quick: bool,

    /// Only workloads whose name contains this, such as `receive` or `one at a time`
    #[arg(long, value_name = "TEXT", default_value = "")]
    only: String,

    /// How often everything is measured; medians are shown. Default: 5, or 3 if quick
    #[arg(long, value_name = "N", global = true)]
    rounds: Option<u32>,

    /// Also write all results to this file
    #[arg(long, value_name = "FILE", global = true)]
    json: Option<PathBuf>,

    /// Also draw them, as SVG: ratios, or how costs grow
    #[arg(long, value_name = "FILE", global = true)]
    plot: Option<PathBuf>,

    #[command(subcommand)]
    part: Option<Part>,
}

#[derive(Subcommand)]
enum Part {
    /// Measures what many plugins cost in one host
    Scale,
    /// Measures how long a plugin takes to start
    Start,
    /// A client to be measured, in a process of its own
    #[command(hide = true)]
    Rival { rival: Rival, server: SocketAddr, name: String, clients: usize },
    /// Instantiates a component with wasmtime alone, in a process of its own
    #[command(hide = true)]
    Bare { component: PathBuf, instances: usize },
}

fn main() -> Result<()> {
    let arguments = Arguments::parse();
    match &arguments.part {
        Some(Part::Rival { rival, server, name, clients }) => {
            return rivals::run(*rival, *server, name, *clients);
        }
        Some(Part::Bare { component, instances }) => {
            return bare::run(component, *instances).map_err(|error| anyhow!("{error:?}"));
        }
        _ => {}
    }
    // One thread reads what children write, this one makes the load.
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()?
        .block_on(measure_part(&arguments))
}

async fn measure_part(arguments: &Arguments) -> Result<()> {
    let rounds = arguments.rounds.unwrap_or(if arguments.quick { 3 } else { 5 });
    let server = NatsServer::start().await?;
    match arguments.part {
        Some(Part::Scale) => {
            let scale = scale::run(&server, rounds).await?;
            draw(arguments, || scale.plot())?;
            keep(arguments, &scale)
        }
        Some(Part::Start) => keep(arguments, &start::run(&server, rounds).await?),
        _ => {
            let outcomes = bench(arguments, &server, rounds).await?;
            draw(arguments, || plot::bars(&outcomes))?;
            keep(arguments, &outcomes)
        }
    }
}

/// Writes results to the file that was asked for.
fn keep(arguments: &Arguments, results: &impl Serialize) -> Result<()> {
    let Some(file) = &arguments.json else { return Ok(()) };
    let text = serde_json::to_string_pretty(results)?;
    fs::write(file, text).with_context(|| format!("write {}", file.display()))
}

/// Writes the drawing to the file that was asked for.
fn draw(arguments: &Arguments, drawing: impl FnOnce() -> String) -> Result<()> {
    let Some(file) = &arguments.plot else { return Ok(()) };
    fs::write(file, drawing()).with_context(|| format!("write {}", file.display()))
}

async fn bench(arguments: &Arguments, server: &NatsServer, rounds: u32) -> Result<Vec<Outcome>> {
    let chosen = WORKLOADS.into_iter().filter(|workload| workload.name.contains(&arguments.only));
    let chosen: Vec<_> = match arguments.quick {
        true => chosen.map(|workload| workload.quick()).collect(),
        false => chosen.collect(),
    };
    let names = WORKLOADS.map(|workload| workload.name).join(", ");
    ensure!(!chosen.is_empty(), "no workload contains {:?}; there are {names}", arguments.only);
    let mut outcomes = Vec::new();
    let mut runs = 0;
    println!("{}", report::HEAD);
    for workload in chosen {
        println!("{}", workload.name);
        let mut samples: Vec<_> =
            Client::able_to(workload).into_iter().map(|client| (client, Vec::new())).collect();
        for _ in 0..rounds {
            for (client, samples) in &mut samples {
                runs += 1;
                let name = format!("bench-{runs}");
                samples.push(measure::measure(server, workload, *client, &name).await?);
            }
        }
        let sums = report::sum_up(workload, samples);
        print!("{}", report::table(&sums));
        outcomes.extend(sums);
    }
    Ok(outcomes)
}
