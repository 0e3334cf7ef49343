"""Greets whoever asks on `{{name}}.greet`, and tells on `{{name}}.greeted`."""

import simple_nats
from greeting import greeting


def start():
    nats = simple_nats.connect()

    def on_greet(message):
        answer = greeting(message.text)
        message.respond(answer)
        nats.publish("{{name}}.greeted", answer)

    nats.subscribe("{{name}}.greet", "greeters", on_greet)
    print("ready to greet")


Lifecycle, Handler, BatchHandler = simple_nats.plugin(start)
