import assert from 'node:assert/strict';
import { connect } from 'node:net';
import { after, before, test } from 'node:test';
import type { FastifyInstance } from 'fastify';
import { pino } from 'pino';
import { BOUNDS } from '../http/bounds.ts';
import { createServer, listenOnPort } from '../http/server.ts';
import { Bench, framed, SIM_HEADING, simFile, simLine } from './_bench.ts';
import { importRoutes, UPLOAD_TYPE } from './routes.ts';

const HOLDING = 'sim-registrations';
/** How long a body may take that is no upload. */
const BODY_MS = 100;
const bounds = { ...BOUNDS, bodyMs: BODY_MS };

let bench: Bench;
let app: FastifyInstance;
before(async () => {
  bench = await Bench.open();
  app = await createServer({
    logger: pino({ level: 'silent' }),
    mode: 'demo',
    version: '0.0.0',
    now: Date.now,
    bounds,
  });
  await app.register(importRoutes, { custody: bench.custody });
});
after(async () => {
  await app.close();
  await bench.close();
});

function announce(upload: Uint8Array) {
  const { signed, ...rest } = bench.announce(HOLDING, upload);
  return { ...signed, ...rest };
}

const put = (url: string, token: string | null, payload: Buffer, type = UPLOAD_TYPE) =>
  app.inject({
    method: 'PUT',
    url,
    payload,
    headers: {
      'content-type': type,
      ...(token === null ? {} : { authorization: `Bearer ${token}` }),
    },
  });

test('an announcement that is not in its form is answered as a problem', async () => {
  const upload = await framed({ 'a.csv': simFile(1, 2) });
  const good = announce(upload);
  for (const payload of [{}, { ...good, extra: 1 }, { ...good, document: '{}' }]) {
    const reply = await app.inject({
      method: 'POST',
      url: '/v1/imports',
      headers: { 'content-type': 'application/json' },
      payload,
    });
    assert.equal(reply.statusCode, 400);
    assert.match(String(reply.headers['content-type']), /^application\/problem\+json/);
    const { code, remedy, witnessed } = reply.json();
    assert.deepEqual([code, witnessed, remedy.length > 0], ['malformed', false, true]);
  }
});

test('an upload without a token, with a wrong one, or of another type is refused', async () => {
  const upload = await framed({ 'a.csv': simFile(1, 2) });
  const begun = (
    await app.inject({ method: 'POST', url: '/v1/imports', payload: announce(upload) })
  ).json();
  const url = `/v1/imports/${begun.import}/upload`;
  assert.equal((await put(url, null, upload)).json().code, 'bad-token');
  assert.equal((await put(url, 'AAAA', upload)).statusCode, 401);
  assert.equal((await put(url, begun.upload, upload, 'text/csv')).statusCode, 415);
  assert.equal((await put('/v1/imports/999999/upload', begun.upload, upload)).statusCode, 404);
  assert.equal((await put('/v1/imports/x/upload', begun.upload, upload)).statusCode, 404);
  const cut = await put(url, begun.upload, upload.subarray(0, 90));
  assert.deepEqual([cut.statusCode, cut.json().code], [422, 'bad-upload']);
});

test('an import is announced, uploaded, followed, and its rejected rows fetched', async () => {
  const upload = await framed({ 'a.csv': `${SIM_HEADING + simLine(11)}x\n${simLine(12)}` });
  const posted = await app.inject({
    method: 'POST',
    url: '/v1/imports',
    payload: announce(upload),
  });
  assert.equal(posted.statusCode, 201);
  const begun = posted.json();
  assert.equal(begun.rowsDone, 0);
  const ended = await put(`/v1/imports/${begun.import}/upload`, begun.upload, upload);
  assert.equal(ended.statusCode, 200);
  const { rows, stored, rejected, state, ended: index, witnessed } = ended.json();
  assert.deepEqual([rows, stored, rejected, state, witnessed], [3, 2, 1, 'ended', false]);
  assert.ok(index > begun.import);
  // Sent once more, it answers the same.
  const again = await put(`/v1/imports/${begun.import}/upload`, begun.upload, upload);
  assert.deepEqual(again.json(), ended.json());
  const status = await app.inject({ url: `/v1/imports/${begun.import}` });
  assert.deepEqual(status.json(), ended.json());
  const rejects = await app.inject({
    url: `/v1/imports/${begun.import}/rejects`,
    headers: { authorization: `Bearer ${begun.upload}` },
  });
  assert.equal(rejects.body, 'line,column,reason\n3,,ragged-row\n');
  assert.match(String(rejects.headers['content-type']), /^text\/csv/);
  assert.equal((await app.inject({ url: `/v1/imports/${begun.import}/rejects` })).statusCode, 401);
  assert.equal((await app.inject({ url: '/v1/imports/999999' })).statusCode, 404);
});

test('an upload may take longer than any other body', async (t) => {
  const upload = await framed({ 'a.csv': simFile(41, 50) });
  const begun = (
    await app.inject({ method: 'POST', url: '/v1/imports', payload: announce(upload) })
  ).json();
  await app.ready();
  const listener = await listenOnPort(app, 0, bounds);
  t.after(() => listener.close());
  const socket = connect(listener.port, '127.0.0.1');
  socket.write(
    [
      `PUT /v1/imports/${begun.import}/upload HTTP/1.1`,
      'host: h',
      `authorization: Bearer ${begun.upload}`,
      `content-type: ${UPLOAD_TYPE}`,
      `content-length: ${upload.length}`,
      'connection: close',
      '\r\n',
    ].join('\r\n'),
  );
  for (let from = 0; from < upload.length; from += 100) {
    socket.write(upload.subarray(from, from + 100));
    await new Promise((done) => setTimeout(done, BODY_MS / 2));
  }
  let answer = '';
  for await (const chunk of socket) answer += chunk;
  assert.match(answer, /^HTTP\/1\.1 200 .*"stored":10,/s);
});

test('without a keeper an announcement and an upload are answered 503, and go on by themselves after', async () => {
  const upload = await framed({ 'a.csv': simFile(21, 30) });
  const begun = (
    await app.inject({ method: 'POST', url: '/v1/imports', payload: announce(upload) })
  ).json();
  await bench.killKeeper();
  const broken = await put(`/v1/imports/${begun.import}/upload`, begun.upload, upload);
  assert.deepEqual([broken.statusCode, broken.json().code], [503, 'keeper-unavailable']);
  assert.ok(broken.headers['retry-after']);
  const refused = await app.inject({
    method: 'POST',
    url: '/v1/imports',
    payload: announce(upload),
  });
  assert.equal(refused.statusCode, 503);
  await bench.startKeeper();
  await bench.log.ready();
  const ended = await put(`/v1/imports/${begun.import}/upload`, begun.upload, upload);
  assert.deepEqual([ended.statusCode, ended.json().stored], [200, 10]);
});
