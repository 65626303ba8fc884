import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, afterEach, before, describe, it } from 'node:test';
import { gzipSync } from 'node:zlib';
import type { Served } from './_served.ts';
import { serveFolder } from './_served.ts';
import { httpFiles, parsePrefix } from './http.ts';

const BYTES_MAX = 1_000;

describe('reading a log over HTTP', () => {
  const folder = mkdtempSync(join(tmpdir(), 'amanat-http-'));
  let served: Served;
  before(async () => {
    writeFileSync(join(folder, 'checkpoint'), 'what is there');
    served = await serveFolder(folder);
  });
  afterEach(() => {
    served.instead = null;
    served.requests.length = 0;
  });
  after(async () => {
    await served.close();
    rmSync(folder, { recursive: true });
  });

  const read = (
    path = 'checkpoint',
    { timeoutMs = 20_000, signal = new AbortController().signal } = {},
  ) => httpFiles(served.prefix, { timeoutMs, signal, backoffMs: 1 }).read(path, BYTES_MAX);

  it('ends at an answer that is longer than it may be, however it is sent', async () => {
    for (const send of ['with a length', 'without', 'without end', 'packed'] as const) {
      served.instead = (_path, _request, response) => {
        const body = Buffer.alloc(BYTES_MAX + 1);
        if (send === 'with a length') response.end(body);
        else if (send === 'without') response.write(body, () => response.end());
        else if (send === 'without end')
          response.on('drain', () => response.write(body)).write(body);
        else response.writeHead(200, { 'content-encoding': 'gzip' }).end(gzipSync(body));
        return true;
      };
      await assert.rejects(read(), { code: 'bad-response', at: 'checkpoint' }, send);
      assert.equal(served.requests.length, 1, send);
      served.requests.length = 0;
    }
  });

  it('follows no redirection', async () => {
    for (const status of [301, 302, 303, 307, 308]) {
      served.instead = (path, _request, response) => {
        if (path !== 'checkpoint') return false;
        response.writeHead(status, { location: new URL('elsewhere', served.prefix).href }).end();
        return true;
      };
      await assert.rejects(read(), { code: 'bad-response' });
    }
    assert.ok(!served.requests.includes('elsewhere'));
  });

  it('gives up on a server that hangs, or sends byte by byte, after a few tries', async () => {
    const timers = new Set<NodeJS.Timeout>();
    for (const behaviour of ['hangs', 'hangs within', 'drips'] as const) {
      served.instead = (_path, _request, response) => {
        if (behaviour !== 'hangs') response.write('a');
        if (behaviour === 'drips') timers.add(setInterval(() => response.write('a'), 20));
        return true;
      };
      await assert.rejects(read('checkpoint', { timeoutMs: 150 }), { code: 'unreachable' });
      assert.equal(served.requests.length, 3, behaviour);
      served.requests.length = 0;
    }
    for (const timer of timers) clearInterval(timer);
  });

  it('gives up on a server that is not there, breaks off, or has failures only', async () => {
    const elsewhere = await serveFolder(folder);
    await elsewhere.close();
    const { signal } = new AbortController();
    const gone = httpFiles(elsewhere.prefix, { signal, backoffMs: 1 });
    await assert.rejects(gone.read('checkpoint', BYTES_MAX), { code: 'unreachable' });
    served.instead = (_path, request) => request.socket.destroy() !== undefined;
    await assert.rejects(read(), { code: 'unreachable' });
    served.instead = (_path, _request, response) => response.writeHead(503).end() !== undefined;
    await assert.rejects(read(), { code: 'unreachable' });
    assert.equal(served.requests.length, 6);
  });

  it('takes no other answer for a file, and asks once', async () => {
    for (const status of [204, 206, 400, 401, 403]) {
      served.instead = (_path, _request, response) =>
        response.writeHead(status).end() !== undefined;
      await assert.rejects(read(), { code: 'bad-response' }, String(status));
    }
    assert.equal(served.requests.length, 5);
  });

  it('ends when it is called off', async () => {
    const stop = new AbortController();
    served.instead = () => {
      stop.abort();
      return true;
    };
    await assert.rejects(read('checkpoint', { signal: stop.signal }), { name: 'AbortError' });
  });

  it('takes only the address of a log for one', () => {
    for (const text of [
      'ftp://log.example/',
      'https://a@log.example/',
      'https://:b@log.example/',
      'https://log.example/?x',
      'log.example',
      'https://log.example/#x',
    ]) {
      assert.throws(() => parsePrefix(text), TypeError, text);
    }
    assert.equal(parsePrefix('https://log.example/a').href, 'https://log.example/a/');
  });

  it('gives a file’s bytes, packed or not, after failures that pass, and nothing for none', async () => {
    assert.equal(String(await read()), 'what is there');
    assert.equal(await read('tile/0/000'), null);
    assert.deepEqual(served.requests, ['checkpoint', 'tile/0/000']);
    served.instead = (_path, request, response) => {
      if (served.requests.length < 5) response.writeHead(429).end();
      else {
        assert.match(request.headers['accept-encoding'] as string, /gzip.*identity/);
        response.writeHead(200, { 'content-encoding': 'gzip' }).end(gzipSync('packed'));
      }
      return true;
    };
    assert.equal(String(await read()), 'packed');
  });
});
