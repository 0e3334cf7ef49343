"""An echo and nothing more, as a plugin in Python."""

import simple_nats


def start():
    nats = simple_nats.connect()
    nats.subscribe("echo", None, lambda message: message.respond(message.payload))


Lifecycle, Handler, BatchHandler = simple_nats.plugin(start)
