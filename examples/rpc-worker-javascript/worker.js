// Answers requests on `rpc.sum`, and publishes each sum on `rpc.sum.done`. As
// one of the queue group `workers` it gets its share of the requests.

import { connect, plugin } from './simple-nats.js';
import { sum } from './sum.js';

export const { lifecycle, handler } = plugin(start);

function start() {
  const nats = connect();
  nats.subscribe('rpc.sum', 'workers', (message) => {
    const answer = String(sum(message.text));
    message.respond(answer);
    nats.publish('rpc.sum.done', answer);
  });
  console.log('rpc-worker answers on rpc.sum');
}
