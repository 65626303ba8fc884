import assert from 'node:assert/strict';
import type { TestContext } from 'node:test';
import { test } from 'node:test';
import type { FastifyInstance } from 'fastify';
import { pino } from 'pino';
import { networkOf } from './network.ts';
import { createServer } from './server.ts';

const PROXY = '127.0.0.1';

interface Edge {
  readonly app: FastifyInstance;
  readonly lines: string[];
  /** The status of one request that shows no authority. */
  fail(from: string, forwarded: string): Promise<number>;
}

async function edge(t: TestContext, trustedProxy: readonly string[]): Promise<Edge> {
  const lines: string[] = [];
  const logger = pino({ level: 'trace' }, { write: (line: string) => void lines.push(line) });
  const now = () => 0;
  const app = await createServer({ logger, mode: 'trial', version: '0.0.0', now, trustedProxy });
  app.get('/v1/refused', async (_request, reply) => reply.code(401).send({}));
  t.after(() => app.close());
  const fail = async (from: string, forwarded: string) => {
    const headers = { 'x-forwarded-for': forwarded };
    return (await app.inject({ url: '/v1/refused', remoteAddress: from, headers })).statusCode;
  };
  return { app, lines, fail };
}

test('whoever is not the proxy gains nothing by naming others', async (t) => {
  for (const trusted of [[], ['127.0.0.9']]) {
    const { fail } = await edge(t, trusted);
    for (let i = 0; i < 120; i++) assert.equal(await fail(PROXY, `192.0.2.${i}`), 401);
    assert.equal(await fail(PROXY, '198.51.100.1'), 429);
    assert.equal(await fail('127.0.0.2', '198.51.100.1'), 401);
  }
});

test('of what a proxy hands on only the address that it added itself counts', async (t) => {
  const { fail } = await edge(t, [PROXY]);
  for (let i = 0; i < 120; i++) {
    assert.equal(await fail(PROXY, `203.0.113.${i}, 127.0.0.1, 192.0.2.1`), 401);
  }
  assert.equal(await fail(PROXY, '203.0.113.250, 192.0.2.1'), 429);
  // The proxy's own address as its client's is no second proxy.
  assert.equal(await fail(PROXY, '192.0.2.1, 127.0.0.1'), 401);
  assert.equal(await fail(PROXY, '192.0.2.1, 192.0.2.2'), 401);
});

test('a client of the proxy is counted by its IPv6 network', async (t) => {
  const { fail } = await edge(t, [PROXY]);
  for (let i = 0; i < 120; i++) assert.equal(await fail(PROXY, `2001:db8:0:7::${i}`), 401);
  assert.equal(await fail(PROXY, '2001:0DB8:0:7:1:2:3:4'), 429);
  assert.equal(await fail(PROXY, '2001:db8:0:8::1'), 401);
});

test('a proxy that names its client by no address, or none, is counted itself', async (t) => {
  const { fail } = await edge(t, [PROXY]);
  for (let i = 0; i < 120; i++) assert.equal(await fail(PROXY, `unknown-${i}`), 401);
  assert.equal(await fail(PROXY, '192.0.2.1:4711'), 429);
  assert.equal(await fail(PROXY, ''), 429);
  assert.equal(await fail(PROXY, '192.0.2.1'), 401);
});

test('no address that a proxy names comes into a log line', async (t) => {
  const { app, fail, lines } = await edge(t, [PROXY]);
  for (let i = 0; i < 121; i++) await fail(PROXY, '203.0.113.77, 192.0.2.77');
  await app.inject({
    url: '/v1/nowhere',
    remoteAddress: PROXY,
    headers: { 'x-forwarded-for': '192.0.2.77' },
  });
  assert.ok(lines.length > 121);
  assert.doesNotMatch(lines.join(''), /192\.0\.2\.77|203\.0\.113\.77|127\.0\.0\.1/);
});

test('one network has one name, however it is written', () => {
  const name = networkOf('2001:db8::1');
  for (const written of ['2001:DB8:0:0:5::', '2001:0db8:0000::9', '2001:db8:0:0:1:2:3:4']) {
    assert.equal(networkOf(written), name, written);
  }
  assert.notEqual(networkOf('2001:db8:0:1::1'), name);
  assert.equal(networkOf('::FFFF:192.0.2.1'), '192.0.2.1');
  assert.notEqual(networkOf('::1'), networkOf('1::'));
});
