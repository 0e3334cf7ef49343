"""Answers requests on `rpc.sum`, and publishes each sum on `rpc.sum.done`. As
one of the queue group `workers` it gets its share of the requests."""

import simple_nats
from sums import sum_of


def start():
    nats = simple_nats.connect()

    def on_request(message):
        answer = str(sum_of(message.text))
        message.respond(answer)
        nats.publish("rpc.sum.done", answer)

    nats.subscribe("rpc.sum", "workers", on_request)
    print("rpc-worker answers on rpc.sum")


Lifecycle, Handler, BatchHandler = simple_nats.plugin(start)
