// The engine of a plugin has no console. What is printed goes to the host's log.

import { getStderr } from 'wasi:cli/stderr@0.2.0';
import { getStdout } from 'wasi:cli/stdout@0.2.0';
import { encode } from './utf8.js';

const out = (...values) => print(getStdout(), values);
const err = (...values) => print(getStderr(), values);

globalThis.console ??= { log: out, info: out, debug: out, warn: err, error: err };

// The host takes 4,096 bytes at once.
const CHUNK_BYTES = 4096;

function print(stream, values) {
  const bytes = encode(`${values.map(shown).join(' ')}\n`);
  for (let at = 0; at < bytes.length; at += CHUNK_BYTES) {
    stream.blockingWriteAndFlush(bytes.subarray(at, at + CHUNK_BYTES));
  }
}

function shown(value) {
  if (value instanceof Error) return `${value.name}: ${value.message}\n${value.stack ?? ''}`;
  return typeof value === 'object' ? JSON.stringify(value) : String(value);
}
