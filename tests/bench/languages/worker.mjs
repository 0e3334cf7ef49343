// Both workloads as a native client in JavaScript: nats.js.

import { connect } from '@nats-io/transport-node';
import { sum } from '../../../examples/rpc-worker-javascript/sum.js';

const connection = await connect({ servers: process.argv[2] });

subscribe('rpc.sum', { queue: 'workers' }, (message) => {
  const answer = String(sum(message.string()));
  message.respond(answer);
  connection.publish('rpc.sum.done', answer);
});
subscribe('echo', {}, (message) => message.respond(message.data));
await connection.flush();
console.error('plugin ready');

function subscribe(subject, options, callback) {
  connection.subscribe(subject, {
    ...options,
    callback: (error, message) => {
      if (error) throw error;
      callback(message);
    },
  });
}
