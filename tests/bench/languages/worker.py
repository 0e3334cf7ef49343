"""The worker of sums as a native client in Python: nats-py."""

import asyncio
import sys

import nats


async def main(url):
    connection = await nats.connect(url)

    async def on_request(message):
        answer = str(sum(int(word) for word in message.data.decode().split())).encode()
        await message.respond(answer)
        await connection.publish("rpc.sum.done", answer)

    await connection.subscribe("rpc.sum", queue="workers", cb=on_request)
    await connection.flush()
    print("plugin ready", file=sys.stderr, flush=True)
    await asyncio.Event().wait()


asyncio.run(main(sys.argv[1]))
