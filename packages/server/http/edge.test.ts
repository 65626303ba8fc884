import assert from 'node:assert/strict';
import type { Socket } from 'node:net';
import { connect } from 'node:net';
import type { Readable } from 'node:stream';
import type { TestContext } from 'node:test';
import { test } from 'node:test';
import type { FastifyReply } from 'fastify';
import { pino } from 'pino';
import type { Bounds } from './bounds.ts';
import { BOUNDS } from './bounds.ts';
import { createServer, listenOnPort } from './server.ts';

/** More than the system's own buffers of a connection hold. */
const LARGE_BYTES = 24 * 1024 * 1024;
/** Longer than any test takes: a bound that is not the one tested. */
const NEVER_MS = 600_000;

const slack: Bounds = {
  ...BOUNDS,
  headersMs: NEVER_MS,
  checkMs: 20,
  bodyMs: NEVER_MS,
  upload: { everyMs: NEVER_MS, bytesMin: 1 },
  keepAliveMs: NEVER_MS,
  replySilenceMs: NEVER_MS,
};

interface Served {
  readonly port: number;
  /** How large replies ended: whether the whole was handed over. */
  readonly ended: Promise<boolean>[];
  /** Bytes of the upload that came, as they come. */
  uploaded: number;
}

/** The server on a TCP port, with routes that take a body, take an upload, and answer much. */
async function serve(t: TestContext, bounds: Partial<Bounds>): Promise<Served> {
  const all = { ...slack, ...bounds };
  const logger = pino({ level: 'silent' });
  const options = { logger, mode: 'trial', version: '0.0.0', now: Date.now, bounds: all } as const;
  const app = await createServer(options);
  const served = { port: 0, ended: [] as Promise<boolean>[], uploaded: 0 };
  app.addContentTypeParser('application/x-upload', (_request, payload, done) =>
    done(null, payload),
  );
  const large = async (_request: unknown, reply: FastifyReply) => {
    const { raw } = reply;
    served.ended.push(
      new Promise((resolve) => raw.once('close', () => resolve(raw.writableFinished))),
    );
    return 'x'.repeat(LARGE_BYTES);
  };
  app.get('/v1/small', async () => ({ ok: true }));
  app.post('/v1/body', async () => ({ ok: true }));
  app.get('/v1/large', large);
  app.post('/v1/large', large);
  app.get('/v1/waits', () => new Promise(() => {}));
  const config = { isUpload: true };
  app.put('/v1/late', { config: { isUpload: true }, bodyLimit: LARGE_BYTES }, async (request) => {
    await new Promise((done) => setTimeout(done, 4000));
    for await (const chunk of request.body as Readable) served.uploaded += chunk.length;
    return { ok: true };
  });
  app.put('/v1/upload', { config, bodyLimit: LARGE_BYTES }, async (request) => {
    for await (const chunk of request.body as Readable) served.uploaded += chunk.length;
    return { ok: true };
  });
  await app.ready();
  const listener = await listenOnPort(app, 0, all);
  t.after(async () => {
    await listener.close();
    await app.close();
  });
  return Object.assign(served, { port: listener.port });
}

interface Line {
  readonly socket: Socket;
  /** What came so far. */
  text(): string;
  readonly closed: Promise<void>;
}

function dial(t: TestContext, { port }: Served, sent = ''): Line {
  let text = '';
  const socket = connect(port, '127.0.0.1');
  socket.on('data', (chunk) => {
    text += chunk;
  });
  // Being cut off may come as a reset.
  socket.on('error', () => {});
  const closed = new Promise<void>((resolve) => socket.once('close', () => resolve()));
  if (sent !== '') socket.write(sent);
  t.after(() => socket.destroy());
  return { socket, text: () => text, closed };
}

/** Asks and reads nothing of what comes. */
function dialDeaf(t: TestContext, { port }: Served, sent: string): Socket {
  const socket = connect(port, '127.0.0.1');
  socket.on('error', () => {});
  socket.write(sent);
  t.after(() => socket.destroy());
  return socket;
}

async function until(holds: () => boolean): Promise<void> {
  for (let i = 0; i < 1000 && !holds(); i++) await new Promise((done) => setTimeout(done, 10));
  assert.ok(holds(), 'it did not come about');
}

const head = (line: string, ...headers: string[]) =>
  [`${line} HTTP/1.1`, 'host: h', ...headers, '', ''].join('\r\n');
const post = (path: string, type = 'application/json') =>
  head(`POST ${path}`, `content-type: ${type}`, 'content-length: 100000');
const get = (path: string) => head(`GET ${path}`);
const ask = ({ port }: Served, path: string, init?: RequestInit) =>
  fetch(`http://127.0.0.1:${port}${path}`, init);

/** Sends a byte at a time until the line is cut. */
async function drip(line: Line): Promise<void> {
  const timer = setInterval(() => line.socket.writable && line.socket.write(' '), 10);
  await line.closed;
  clearInterval(timer);
}

test('a body that drips is cut, wherever it was sent to, and others are answered', async (t) => {
  const served = await serve(t, { bodyMs: 100 });
  const lines = ['/v1/body', '/v1/nowhere'].map((path) => dial(t, served, post(path)));
  const chunked = dial(
    t,
    served,
    head('POST /v1/body', 'content-type: application/json', 'transfer-encoding: chunked'),
  );
  await Promise.all(lines.map(drip));
  await chunked.closed;
  for (const line of [...lines, chunked]) assert.match(line.text(), /^(HTTP\/1.1 408 |$)/);
  assert.equal((await ask(served, '/v1/small')).status, 200);
  const whole = { method: 'POST', body: '{}', headers: { 'content-type': 'application/json' } };
  assert.equal((await ask(served, '/v1/body', whole)).status, 200);
});

test('headers that drip are cut, and so is a connection that says nothing or is idle', async (t) => {
  const served = await serve(t, { headersMs: 100, keepAliveMs: 100 });
  const dripping = dial(t, served, 'GET /v1/small HTTP/1.1\r\nhost: ');
  const silent = dial(t, served);
  const idle = dial(t, served, get('/v1/small'));
  await Promise.all([drip(dripping), silent.closed, idle.closed]);
  assert.match(dripping.text(), /^(HTTP\/1.1 408 |$)/);
  assert.match(idle.text(), /^HTTP\/1.1 200 /);
});

test('an upload that stops or drips is cut', async (t) => {
  const served = await serve(t, { upload: { everyMs: 100, bytesMin: 1000 } });
  const upload = head(
    'PUT /v1/upload',
    'content-type: application/x-upload',
    'content-length: 9000000',
  );
  const stopped = dial(t, served, upload + 'x'.repeat(5000));
  const dripping = dial(t, served, upload + 'x'.repeat(5000));
  await Promise.all([stopped.closed, drip(dripping)]);
  await until(() => served.uploaded >= 10_000);
  assert.equal((await ask(served, '/v1/small')).status, 200);
});

test('an upload that is slow and steady goes on for many times the bound of other bodies', async (t) => {
  const served = await serve(t, { bodyMs: 20, upload: { everyMs: 2_000, bytesMin: 10 } });
  const upload = head(
    'PUT /v1/upload',
    'content-type: application/x-upload',
    'content-length: 3000',
  );
  const line = dial(t, served, upload);
  for (let i = 0; i < 30; i++) {
    line.socket.write('x'.repeat(100));
    await new Promise((done) => setTimeout(done, 10));
  }
  await until(() => line.text().includes('"ok":true'));
  assert.equal(served.uploaded, 3000);
});

test('an upload that waits for us is not held to have stopped', async (t) => {
  const served = await serve(t, { upload: { everyMs: 1500, bytesMin: 1000 } });
  const body = 'x'.repeat(1_000_000);
  const headers = { 'content-type': 'application/x-upload' };
  const answer = await ask(served, '/v1/late', { method: 'PUT', body, headers });
  assert.equal(answer.status, 200);
  assert.equal(served.uploaded, body.length);
});

test('more connections than the bound are refused, and those there go on', async (t) => {
  const served = await serve(t, { connectionsMax: 2 });
  const first = dial(t, served, get('/v1/small'));
  const second = dial(t, served, get('/v1/small'));
  await until(() => [first, second].every((line) => line.text().includes('"ok":true')));
  const third = dial(t, served, get('/v1/small'));
  await third.closed;
  assert.equal(third.text(), '');
  first.socket.write(get('/v1/small'));
  await until(() => first.text().split('"ok":true').length === 3);
  second.socket.end();
  await second.closed;
  const fourth = dial(t, served, get('/v1/small'));
  await until(() => fourth.text().includes('"ok":true'));
});

test('whoever sends more requests at once than one connection may have under way is cut off', async (t) => {
  const served = await serve(t, { requestsMax: 4 });
  const few = dial(t, served, get('/v1/small').repeat(4));
  await until(() => few.text().split('"ok":true').length === 5);
  // Requests that were answered are under way no more.
  few.socket.write(get('/v1/small').repeat(4));
  await until(() => few.text().split('"ok":true').length === 9);
  const many = dial(t, served, get('/v1/waits').repeat(5));
  await many.closed;
  assert.equal(many.text(), '');
});

test('a reply that is not read is let go of', async (t) => {
  const served = await serve(t, { replySilenceMs: 100 });
  dialDeaf(t, served, get('/v1/large'));
  await until(() => served.ended.length === 1);
  assert.equal(await served.ended[0], false);
  assert.equal((await ask(served, '/v1/small')).status, 200);
});

/** Reads a little at a time, and goes on until the reply has ended. */
async function sip(socket: Socket, ended: () => Promise<boolean> | undefined): Promise<boolean> {
  const timer = setInterval(() => socket.read(), 10);
  await until(() => ended() !== undefined);
  const whole = await ended();
  clearInterval(timer);
  return whole ?? false;
}

test('a reply that is read too slowly is let go of, though never silent', async (t) => {
  const rate = LARGE_BYTES * 10;
  const served = await serve(t, { replySilenceMs: 1_000, replyBytesPerSecondMin: rate });
  const socket = dialDeaf(t, served, get('/v1/large'));
  assert.equal(await sip(socket, () => served.ended[0]), false);
});

test('a reply that is read slowly and steadily comes whole', async (t) => {
  const served = await serve(t, { replySilenceMs: 5_000, replyBytesPerSecondMin: 1024 });
  const socket = dialDeaf(t, served, get('/v1/large'));
  assert.equal(await sip(socket, () => served.ended[0]), true);
});

test('while too much is not read no more that is large is sent, but what is small, and what is signed for', async (t) => {
  const served = await serve(t, { unreadBytesMax: 3 * LARGE_BYTES });
  const deaf = dialDeaf(t, served, get('/v1/large'));
  await until(() => served.ended.length === 1);
  const refused = await ask(served, '/v1/large');
  assert.equal(refused.status, 503);
  const { code } = (await refused.json()) as { code: string };
  assert.equal(code, 'too-much-unread');
  assert.equal((await ask(served, '/v1/small')).status, 200);
  const signed = await ask(served, '/v1/large', { method: 'POST' });
  assert.equal((await signed.text()).length, LARGE_BYTES);
  deaf.destroy();
  assert.equal(await served.ended[0], false);
  const after = await ask(served, '/v1/large');
  assert.equal((await after.text()).length, LARGE_BYTES);
});
