import assert from 'node:assert/strict';
import test from 'node:test';
import { sum } from './sum.js';
import { decode, encode } from './utf8.js';

test('numbers are added', () => {
  assert.equal(sum('1 2 3'), 6);
  assert.equal(sum(' -4\n4 '), 0);
});

test('what is no integer is named', () => {
  assert.throws(() => sum('1 two'), /"two" is no integer/);
  assert.throws(() => sum(''), /"" is no integer/);
});

test('text survives the way to bytes and back', () => {
  for (const text of ['', 'abc', 'grün', '漢字', '🦀']) {
    assert.deepEqual(encode(text), new TextEncoder().encode(text));
    assert.equal(decode(encode(text)), text);
  }
});

test('invalid bytes are replaced', () => {
  for (const bytes of [[0x80], [0xc0, 0x80], [0xe2, 0x82], [0xed, 0xa0, 0x80], [0xff, 0x41]]) {
    const input = Uint8Array.from(bytes);
    const got = decode(input);
    assert.ok(got.startsWith('\ufffd'), `${bytes}: ${got}`);
  }
  assert.equal(decode(Uint8Array.from([0xff, 0x41])), '\ufffdA');
});
