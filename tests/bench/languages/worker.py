"""Both workloads as a native client in Python: nats-py."""

import asyncio
import sys

import nats
from sums import sum_of


async def main(url):
    connection = await nats.connect(url)

    async def on_request(message):
        answer = str(sum_of(message.data.decode())).encode()
        await message.respond(answer)
        await connection.publish("rpc.sum.done", answer)

    async def on_echo(message):
        await message.respond(message.data)

    await connection.subscribe("rpc.sum", queue="workers", cb=on_request)
    await connection.subscribe("echo", cb=on_echo)
    await connection.flush()
    print("plugin ready", file=sys.stderr, flush=True)
    await asyncio.Event().wait()


asyncio.run(main(sys.argv[1]))
