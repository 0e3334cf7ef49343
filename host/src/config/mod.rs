//! The manifest, a TOML file that says which plugins run and what each may do.
//!
//! Its shape is declared once, in `tables`: the JSON schema for editors follows
//! from that, and so does what is checked here, so that all mistakes of a file
//! are found together and each has its place. The result is settings for
//! [`plugin`](crate::plugin) and options for [`connection`](crate::connection).
//! Nothing here connects to anything, or runs a component.

mod build_plan;
mod connections;
mod document;
mod limits;
mod manifest;
mod permissions;
mod problem;
mod scalars;
mod schema;
mod secret;
mod structure;
mod tables;
mod units;

pub use build_plan::BuildPlan;
pub use limits::LimitSettings;
pub use manifest::{Manifest, PlannedConnection, PlannedPlugin};
pub use problem::{ManifestError, Problem};
pub use schema::schema;
pub use units::{Size, Time, UnitError};
