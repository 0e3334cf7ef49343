//! What the generator makes of the WIT package. Nothing else invokes it, and no
//! type of it is part of this crate's interface: the module is reachable only
//! because the code that `plugin!` expands to has to name it.

wit_bindgen::generate!({
    world: "batch-plugin",
    path: "../wit",
    pub_export_macro: true,
});
