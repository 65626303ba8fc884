import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { test } from 'node:test';
import { Type } from '@sinclair/typebox';
import type { FastifyInstance } from 'fastify';
import { pino } from 'pino';
import { LogUnavailable } from '../log/errors.ts';
import { logRoutes } from '../log/routes.ts';
import { createServer, listenOnPort } from './server.ts';

const SECRET = '01234-5678901-3';

interface Bench {
  readonly app: FastifyInstance;
  readonly lines: string[];
  time: number;
}

async function bench(t: TestContext): Promise<Bench> {
  const lines: string[] = [];
  const logger = pino({ level: 'trace' }, { write: (line: string) => void lines.push(line) });
  const found = { lines, time: 0 };
  const app = await createServer({
    logger,
    mode: 'demo',
    version: '0.0.0',
    now: () => found.time,
  });
  const body = Type.Object({ name: Type.String() }, { additionalProperties: false });
  app.post('/v1/strict', { schema: { body } }, async () => ({ ok: true }));
  app.get('/v1/people/:id', async () => ({ ok: true }));
  app.get('/v1/closed', async () => {
    throw new LogUnavailable('store-unavailable');
  });
  app.get('/v1/broken', async () => {
    throw new TypeError(`cannot read ${SECRET}`);
  });
  app.get('/v1/refused', async (_request, reply) => reply.code(401).send({}));
  t.after(() => app.close());
  return Object.assign(found, { app });
}

const post = (payload: unknown) => ({ method: 'POST' as const, url: '/v1/strict', payload });

test('an unknown member is refused by name, and a missing one, and what is not json', async (t) => {
  const { app } = await bench(t);
  const unknown = await app.inject(post({ name: 'a', nmae: 'b' }) as never);
  assert.equal(unknown.statusCode, 400);
  assert.equal(unknown.headers['content-type'], 'application/problem+json; charset=utf-8');
  assert.equal(unknown.json().detail, 'nmae: no such member');
  assert.equal(unknown.json().code, 'malformed');
  assert.equal((await app.inject(post({}) as never)).json().detail, 'name: is missing');
  const named = await app.inject(post({ name: 'a', [SECRET]: 'b' }) as never);
  assert.equal(named.json().detail, '?: no such member');
  const broken = await app.inject({
    ...post(`{"name": "${SECRET}`),
    headers: { 'content-type': 'application/json' },
  } as never);
  assert.equal(broken.statusCode, 400);
  assert.ok(!broken.body.includes(SECRET));
  const typed = await app.inject({ ...post('x'), headers: { 'content-type': 'text/x' } } as never);
  assert.equal(typed.statusCode, 415);
  const large = await app.inject(post({ name: 'x'.repeat(200_000) }) as never);
  assert.equal(large.statusCode, 413);
});

test('an error of ours tells the client nothing, and a closed log says what to do', async (t) => {
  const { app } = await bench(t);
  const broken = await app.inject('/v1/broken');
  assert.equal(broken.statusCode, 500);
  assert.ok(!broken.body.includes(SECRET));
  const closed = await app.inject('/v1/closed');
  assert.equal(closed.statusCode, 503);
  assert.equal(closed.json().code, 'log-unavailable');
  assert.equal(closed.json().witnessed, false);
  assert.equal(closed.headers['retry-after'], '2');
});

test('no log line holds an address asked for, a body or an error’s own words', async (t) => {
  const { app, lines } = await bench(t);
  await app.inject(`/v1/people/${encodeURIComponent(SECRET)}?cnic=${SECRET}`);
  await app.inject(`/v1/nowhere/${SECRET}`);
  await app.inject('/v1/broken');
  await app.inject(post({ name: SECRET, [SECRET]: 1 }) as never);
  await app.inject({
    url: '/v1/refused',
    headers: { 'x-request-id': SECRET, 'user-agent': SECRET },
  });
  assert.ok(lines.length >= 5);
  assert.ok(!lines.join('').includes(SECRET));
  const [first] = lines.map((line) => JSON.parse(line) as { route: string; status: number });
  assert.equal(first?.route, '/v1/people/:id');
  assert.equal(first?.status, 200);
});

test('an address that cannot be routed is answered as a problem, and not repeated', async (t) => {
  const { app, lines } = await bench(t);
  const broken = await app.inject(`/v1/people/${SECRET}%ff`);
  assert.deepEqual([broken.statusCode, broken.json().code], [400, 'malformed']);
  const long = await app.inject(`/v1/people/${SECRET}${'x'.repeat(200)}`);
  assert.deepEqual([long.statusCode, long.json().code], [404, 'not-found']);
  for (const { body, headers } of [broken, long]) {
    assert.equal(headers['content-type'], 'application/problem+json; charset=utf-8');
    assert.ok(!body.includes(SECRET));
  }
  assert.ok(!lines.join('').includes(SECRET));
});

test('an address whose requests keep failing is asked to wait, others are not', async (t) => {
  const found = await bench(t);
  const { app } = found;
  for (let i = 0; i < 120; i++) assert.equal((await app.inject('/v1/refused')).statusCode, 401);
  const stopped = await app.inject('/v1/people/1');
  assert.equal(stopped.statusCode, 429);
  assert.equal(stopped.headers['retry-after'], '60');
  const other = await app.inject({ url: '/v1/people/1', remoteAddress: '192.0.2.7' });
  assert.equal(other.statusCode, 200);
  found.time = 60_001;
  assert.equal((await app.inject('/v1/people/1')).statusCode, 200);
});

test('every answer bars scripts from elsewhere and names the demonstration', async (t) => {
  const { app } = await bench(t);
  const { headers } = await app.inject('/v1/people/1');
  assert.match(String(headers['content-security-policy']), /default-src 'none';script-src 'self';/);
  assert.doesNotMatch(String(headers['content-security-policy']), /unsafe/);
  assert.equal(headers['amanat-mode'], 'demo');
  assert.equal(headers['cache-control'], 'no-store');
  assert.equal(headers['referrer-policy'], 'no-referrer');
});

test('the description is of OpenAPI 3.1 and names the routes', async (t) => {
  const { app } = await bench(t);
  const described = (await app.inject('/v1/openapi.json')).json();
  assert.equal(described.openapi, '3.1.0');
  assert.ok('/v1/people/{id}' in described.paths);
});

test('bytes that are not http end their connection and nothing else', async (t) => {
  const { app, lines } = await bench(t);
  await app.ready();
  const listener = await listenOnPort(app, 0);
  t.after(() => listener.close());
  const answer = await new Promise<string>((resolve) => {
    const socket = connect(listener.port, '127.0.0.1', () => socket.end(`GET ${SECRET}\r\n\r\n`));
    let text = '';
    socket.on('data', (chunk) => {
      text += chunk;
    });
    socket.on('close', () => resolve(text));
  });
  assert.match(answer, /^HTTP\/1.1 400/);
  const fine = await fetch(`http://127.0.0.1:${listener.port}/v1/people/1`);
  assert.equal(fine.status, 200);
  assert.ok(!lines.join('').includes(SECRET));
});

test('only exact paths of the log’s files are served; a partial tile is cut from the full one', async (t) => {
  const { app } = await bench(t);
  const folder = mkdtempSync(join(tmpdir(), 'amanat-public-'));
  t.after(() => rmSync(folder, { recursive: true }));
  mkdirSync(join(folder, 'tile/0'), { recursive: true });
  mkdirSync(join(folder, 'tile/entries'), { recursive: true });
  const tile = Buffer.from(Array.from({ length: 8192 }, (_, i) => i % 251));
  writeFileSync(join(folder, 'tile/0/000'), tile);
  const bundle = Buffer.concat(Array.from({ length: 256 }, (_, i) => Buffer.from([0, 2, i, i])));
  writeFileSync(join(folder, 'tile/entries/000'), bundle);
  writeFileSync(join(folder, 'tile/secret'), SECRET);
  await app.register(logRoutes, { publicDirectory: folder });
  for (const path of [
    '/checkpoint',
    '/tile/secret',
    '/tile/../checkpoint',
    '/tile/0/000?x=1',
    '/tile/0/%30%30%30',
    '/tile/00/000',
    '/tile/0/001',
    '/tile/0/000.p/256',
    '/tile/0/000/..%2f..%2fsecret',
    `/tile/${'x'.repeat(5000)}`,
  ]) {
    assert.equal((await app.inject(path)).statusCode, 404, path);
  }
  const full = await app.inject('/tile/0/000');
  assert.deepEqual(full.rawPayload, tile);
  assert.match(String(full.headers['cache-control']), /immutable/);
  const partial = await app.inject('/tile/0/000.p/3');
  assert.deepEqual(partial.rawPayload, tile.subarray(0, 96));
  const entries = await app.inject('/tile/entries/000.p/3');
  assert.deepEqual(entries.rawPayload, bundle.subarray(0, 12));
  writeFileSync(join(folder, 'checkpoint'), 'note\n');
  const checkpoint = await app.inject('/checkpoint');
  assert.equal(checkpoint.headers['cache-control'], 'no-cache');
});
