//! The reference of the WIT contract, which is made of the contract.

use std::fs;

use anyhow::{Context, Result, bail};

use crate::{
    steps::{Steps, read},
    workspace::Workspace,
};

const PAGE: &str = "docs/wit-reference.md";

/// Writes the page.
pub(crate) fn write(workspace: &Workspace, steps: &mut Steps) -> Result<()> {
    steps.step("reference of the contract", || {
        let page = read(workspace.wit_tools().arg("reference"))?;
        fs::write(workspace.root.join(PAGE), page).with_context(|| format!("write {PAGE}"))
    })
}

/// Fails if the page is not what the contract says.
pub(crate) fn check(workspace: &Workspace, steps: &mut Steps) -> Result<()> {
    steps.step("reference of the contract", || {
        let page = read(workspace.wit_tools().arg("reference"))?;
        let committed = fs::read_to_string(workspace.root.join(PAGE)).unwrap_or_default();
        if committed != page {
            bail!("{PAGE} is not what wit/ says; run `cargo xtask wit-reference`");
        }
        Ok(())
    })
}
