import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Attempts } from './attempts.ts';

const NOW = 1_000_000;

test('one remote is stopped, another is not', () => {
  const attempts = new Attempts();
  for (let at = 0; at < 30; at++) assert.ok(attempts.take('192.0.2.1', NOW));
  assert.ok(!attempts.take('192.0.2.1', NOW));
  assert.ok(attempts.take('192.0.2.2', NOW));
});

test('the addresses of one IPv6 network are one remote', () => {
  const attempts = new Attempts();
  for (let at = 1; at <= 30; at++) {
    assert.ok(attempts.take(`2001:db8:0:7::${at.toString(16)}`, NOW));
  }
  assert.ok(!attempts.take('2001:db8:0:7:1:2:3:4', NOW));
  assert.ok(!attempts.take('2001:db8::7:0:0:0:9', NOW));
  assert.ok(attempts.take('2001:db8:0:8::1', NOW));
});

test('all together are stopped, whoever they are, and go on a minute later', () => {
  const attempts = new Attempts();
  let taken = 0;
  for (let at = 0; at < 1000; at++) {
    if (attempts.take(`198.51.${at >> 8}.${at & 255}`, NOW)) taken += 1;
  }
  assert.equal(taken, 600);
  assert.ok(attempts.take('203.0.113.1', NOW + 60_000));
});

test('an attempt that did not fail is not counted', () => {
  const attempts = new Attempts();
  for (let at = 0; at < 100; at++) {
    assert.ok(attempts.take('192.0.2.1', NOW));
    attempts.forgive('192.0.2.1');
  }
});

test('a clock set back begins a new window', () => {
  const attempts = new Attempts();
  for (let at = 0; at < 30; at++) attempts.take('192.0.2.1', NOW);
  assert.ok(attempts.take('192.0.2.1', NOW - 3_600_000));
});
