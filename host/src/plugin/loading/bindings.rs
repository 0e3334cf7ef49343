//! What `bindgen!` makes of the WIT contract; nothing else invokes it.
//!
//! `publisher` and `packed-inbox` are not here: their functions are called once
//! for each message, so they read and write guest memory in place; see
//! `imports::publisher` and `imports::packed_inbox`.

wasmtime::component::bindgen!({
    path: "../wit",
    inline: "
        package simple-nats:host;
        world guest {
            import simple-nats:client/types@0.1.0;
            import simple-nats:client/client@0.1.0;
            import simple-nats:client/subscriber@0.1.0;
            import simple-nats:client/requester@0.1.0;
            import simple-nats:client/timers@0.1.0;
            import simple-nats:client/inbox@0.1.0;
            export simple-nats:client/lifecycle@0.1.0;
            export simple-nats:client/handler@0.1.0;
        }
    ",
    world: "simple-nats:host/guest",
    imports: {
        "simple-nats:client/client.connect": async,
        "simple-nats:client/client.flush": async,
        "simple-nats:client/client.rtt": async,
        "simple-nats:client/requester.request-and-wait": async,
        "simple-nats:client/requester.request": async,
        "simple-nats:client/inbox.next": async,
    },
    exports: { default: async },
});

pub(in crate::plugin) use simple_nats::client::{
    client, inbox, requester, subscriber, timers, types,
};
