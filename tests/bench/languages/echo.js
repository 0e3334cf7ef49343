// An echo and nothing more, as a plugin in JavaScript.

import { connect, plugin } from './simple-nats.js';

export const { lifecycle, handler } = plugin(() => {
  connect().subscribe('echo', undefined, (message) => message.respond(message.payload));
});
