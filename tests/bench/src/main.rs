//! Measures plugins beside native clients: the same work, the same server, rounds
//! in turn, in one run.
//!
//! Processor time per message is the figure to look at: at small messages the
//! server bounds the rate of everybody.

#![expect(clippy::print_stdout, reason = "a command-line tool talks to its user")]

mod clients;
mod cpu_clock;
mod load;
mod measure;
mod report;
mod rivals;
mod wire;
mod workloads;

use std::{fs, net::SocketAddr, path::PathBuf};

use anyhow::{Context, Result, ensure};
use clap::{Parser, Subcommand};
use test_support::NatsServer;

use crate::{clients::Client, rivals::Rival, workloads::WORKLOADS};

/// Measures plugins beside native clients
#[derive(Parser)]
#[command(name = "cargo xtask bench")]
struct Arguments {
    /// Fewer messages and rounds: under a minute
    #[arg(long)]
    quick: bool,

    /// Only workloads whose name contains this, such as `receive` or `one at a time`
    #[arg(long, value_name = "TEXT", default_value = "")]
    only: String,

    /// How often everything is measured; medians are shown. Default: 5, or 3 if quick
    #[arg(long, value_name = "N")]
    rounds: Option<u32>,

    /// Also write all results to this file
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,

    #[command(subcommand)]
    part: Option<Part>,
}

#[derive(Subcommand)]
enum Part {
    /// A client to be measured, in a process of its own
    #[command(hide = true)]
    Rival { rival: Rival, server: SocketAddr, name: String },
}

fn main() -> Result<()> {
    let arguments = Arguments::parse();
    if let Some(Part::Rival { rival, server, name }) = arguments.part {
        return rivals::run(rival, server, &name);
    }
    // One thread reads what children write, this one makes the load.
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()?
        .block_on(bench(&arguments))
}

async fn bench(arguments: &Arguments) -> Result<()> {
    let chosen = WORKLOADS.into_iter().filter(|workload| workload.name.contains(&arguments.only));
    let chosen: Vec<_> = match arguments.quick {
        true => chosen.map(|workload| workload.quick()).collect(),
        false => chosen.collect(),
    };
    let names = WORKLOADS.map(|workload| workload.name).join(", ");
    ensure!(!chosen.is_empty(), "no workload contains {:?}; there are {names}", arguments.only);
    let rounds = arguments.rounds.unwrap_or(if arguments.quick { 3 } else { 5 });

    let server = NatsServer::start().await?;
    let mut outcomes = Vec::new();
    let mut runs = 0;
    println!("{}", report::HEAD);
    for workload in chosen {
        println!("{}", workload.name);
        let mut samples: Vec<_> =
            Client::able_to(workload.kind).into_iter().map(|client| (client, Vec::new())).collect();
        for _ in 0..rounds {
            for (client, samples) in &mut samples {
                runs += 1;
                let name = format!("bench-{runs}");
                samples.push(measure::measure(&server, workload, *client, &name).await?);
            }
        }
        let sums = report::sum_up(workload, samples);
        print!("{}", report::table(&sums));
        outcomes.extend(sums);
    }
    if let Some(file) = &arguments.json {
        let text = serde_json::to_string_pretty(&outcomes)?;
        fs::write(file, text).with_context(|| format!("write {}", file.display()))?;
    }
    Ok(())
}
