import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { createServer } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { Api, isServed } from './client.ts';
import { CliError } from './errors.ts';

describe('the client of the API', () => {
  const folder = mkdtempSync(join(tmpdir(), 'amanat-client-'));
  const socketPath = join(folder, 'gateway.sock');
  let answer: (request: IncomingMessage, response: ServerResponse) => void = () => {};
  const server = createServer((request, response) => answer(request, response));
  before(() => new Promise<void>((done) => server.listen(socketPath, done)));
  after(() => {
    server.closeAllConnections();
    server.close();
    rmSync(folder, { recursive: true, force: true });
  });

  const failure = async (work: Promise<unknown>): Promise<CliError> => {
    const error = await work.then(
      () => null,
      (cause: unknown) => cause,
    );
    assert.ok(error instanceof CliError);
    return error;
  };
  const bytes = async function* (count: number) {
    for (let at = 0; at < count; at += 65_536) yield Buffer.alloc(Math.min(65_536, count - at));
  };

  it('turns a problem into what was refused, by which rule, and what to do', async () => {
    answer = (_request, response) => {
      response.writeHead(403, { 'content-type': 'application/problem+json' });
      const problem = { title: 'not granted', code: 'no-grant', rule: 'row-1', remedy: 'ask' };
      response.end(JSON.stringify(problem));
    };
    await using api = new Api({ socketPath });
    const error = await failure(api.post('/v1/requests', {}));
    const { code, message, reason, rule, remedy } = error;
    assert.deepEqual(
      { code, message, reason, rule, remedy },
      { code: 'refused', message: 'not granted', reason: 'no-grant', rule: 'row-1', remedy: 'ask' },
    );
  });

  it('calls it a failure where the gateway could not do it, or answers no problem', async () => {
    await using api = new Api({ socketPath });
    answer = (_request, response) => void response.writeHead(503).end('<html>');
    const busy = await failure(api.get('/'));
    assert.deepEqual([busy.code, busy.reason], ['failed', 'http-503']);
    answer = (_request, response) => void response.end('{');
    assert.match((await failure(api.get('/'))).message, /not json/);
    answer = (_request, response) => void response.destroy();
    assert.match((await failure(api.get('/'))).message, /cannot be reached/);
  });

  it('says so where nobody serves', async () => {
    assert.equal(await isServed(join(folder, 'nobody.sock')), false);
    assert.equal(await isServed(socketPath), true);
    await using api = new Api({ socketPath: join(folder, 'nobody.sock') });
    assert.equal((await failure(api.get('/'))).reason, 'ENOENT');
  });

  it('hears a refusal that comes while it is still sending', async () => {
    answer = (_request, response) => {
      response.writeHead(422, { 'content-type': 'application/problem+json', connection: 'close' });
      response.end(JSON.stringify({ title: 'the file is refused', code: 'bad-upload' }), () =>
        response.destroy(),
      );
    };
    await using api = new Api({ socketPath });
    const upload = {
      type: 'x/y',
      token: 't',
      sizeBytes: 64 * 1024 * 1024,
      source: bytes(64 * 1024 * 1024),
      signal: new AbortController().signal,
    };
    assert.equal((await failure(api.upload('/', upload))).reason, 'bad-upload');
  });

  it('stops sending when it is told to', async () => {
    answer = (request) => void request.resume();
    const stop = new AbortController();
    await using api = new Api({ socketPath });
    const endless = async function* () {
      for (;;) yield Buffer.alloc(65_536);
    };
    const sizeBytes = Number.MAX_SAFE_INTEGER;
    const sent = api.upload('/', {
      type: 'x/y',
      token: 't',
      sizeBytes,
      source: endless(),
      signal: stop.signal,
    });
    setTimeout(() => stop.abort(), 50);
    assert.equal((await failure(sent)).code, 'interrupted');
  });

  it('sends and gets back what it should', async () => {
    answer = (request, response) => {
      let length = 0;
      request.on('data', (chunk: Buffer) => {
        length += chunk.length;
      });
      request.on('end', () => {
        const { authorization } = request.headers;
        response.end(JSON.stringify({ length, method: request.method, authorization }));
      });
    };
    await using api = new Api({ socketPath });
    const sizeBytes = 200_000;
    const found = await api.upload('/', {
      type: 'x/y',
      token: 'secret',
      sizeBytes,
      source: bytes(sizeBytes),
      signal: new AbortController().signal,
    });
    assert.deepEqual(found, { length: sizeBytes, method: 'PUT', authorization: 'Bearer secret' });
    const { body } = await api.post<{ length: number }>('/', { a: 1 });
    assert.equal(body.length, 7);
  });
});
