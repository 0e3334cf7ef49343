//! What `bindgen!` makes of interfaces that others have defined. The messages of
//! `wasi:messaging` are not here, since two packages have its shape: see
//! `adapters::wasi_messaging`.

pub(in crate::plugin) mod wasmcloud_0_2 {
    wasmtime::component::bindgen!({
        path: "../wit/foreign/wasmcloud-messaging-0.2.0.wit",
        imports: { default: async },
        exports: { default: async },
    });
}

pub(in crate::plugin) mod logging {
    wasmtime::component::bindgen!({
        path: "../wit/foreign/wasi-logging-0.1.0-draft.wit",
        inline: "
            package simple-nats:logs;
            world logging-imports {
                import wasi:logging/logging@0.1.0-draft;
            }
        ",
        world: "simple-nats:logs/logging-imports",
    });
}

/// Asynchronous: only for an engine with concurrency.
pub(in crate::plugin) mod wasmcloud_streams {
    wasmtime::component::bindgen!({
        path: "../wit/foreign/wasmcloud-messaging-0.3.0-streams.wit",
    });
}
