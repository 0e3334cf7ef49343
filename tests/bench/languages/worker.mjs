// The worker of sums as a native client in JavaScript: nats.js.

import { connect } from '@nats-io/transport-node';

const connection = await connect({ servers: process.argv[2] });
const decoder = new TextDecoder();
connection.subscribe('rpc.sum', {
  queue: 'workers',
  callback: (error, message) => {
    if (error) throw error;
    const words = decoder.decode(message.data).split(' ');
    const answer = String(words.map(Number).reduce((total, number) => total + number, 0));
    message.respond(answer);
    connection.publish('rpc.sum.done', answer);
  },
});
await connection.flush();
console.error('plugin ready');
