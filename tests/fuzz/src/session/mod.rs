//! Any course of a connection: what its owner asks for, what servers say, cuts,
//! moves and time, in any order.
//!
//! An honest script has servers that keep to the protocol, so that nothing may
//! be lost and both sides must agree in the end; in others a server may say
//! anything, and only what is promised in spite of that is checked.

mod ledger;
mod link;
mod script;
mod server;
mod settle;
mod transport;
mod world;

pub use script::Script;

/// Plays a script to its end and some way beyond.
pub fn check(script: &Script) {
    let mut world = world::World::new(script.honest);
    for step in &script.steps {
        world.take(step);
    }
    world.end();
}
