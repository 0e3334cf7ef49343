import assert from 'node:assert/strict';
import test from 'node:test';
import { greeting } from './greeting.js';

test('somebody is greeted by name', () => {
  assert.equal(greeting(' Ada\n'), 'hello Ada');
});

test('nobody is not greeted', () => {
  assert.throws(() => greeting(' '), /nobody to greet/);
});
