//! Learning what plugins need instead of refusing it.

use std::sync::Arc;

use crate::plugin::PluginSettings;
use crate::policy::{Learner, Policy};

/// The plugins of one command that may do everything, and what they did of it.
#[derive(Default)]
pub(super) struct Learning(Vec<(String, Arc<Learner>)>);

impl Learning {
    /// Lets a plugin do everything, and remembers it.
    pub(super) fn watch(&mut self, settings: &mut PluginSettings) {
        let known = self.0.iter().find(|(name, _)| *name == settings.name);
        let learner = known.map(|(_, learner)| Arc::clone(learner)).unwrap_or_default();
        if known.is_none() {
            self.0.push((settings.name.clone(), Arc::clone(&learner)));
        }
        // What is allowed already would not be learned.
        settings.policy = Policy::deny_all();
        settings.learner = Some(learner);
    }

    /// Prints the least policy of each, as part of a manifest.
    #[expect(clippy::print_stdout, reason = "its output is what the option is for")]
    pub(super) fn print(&self) {
        for (index, (name, learner)) in self.0.iter().enumerate() {
            if index > 0 {
                println!();
            }
            print!("{}", learner.policy_of(name));
        }
    }
}
