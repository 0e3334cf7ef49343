// Greets whoever asks on `{{name}}.greet`, and tells on `{{name}}.greeted`.

import { greeting } from './greeting.js';
import { connect, plugin } from './simple-nats.js';

export const { lifecycle, handler } = plugin(start);

function start() {
  const nats = connect();
  nats.subscribe('{{name}}.greet', 'greeters', (message) => {
    const answer = greeting(message.text);
    message.respond(answer);
    nats.publish('{{name}}.greeted', answer);
  });
  console.log('ready to greet');
}
