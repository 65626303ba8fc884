import assert from 'node:assert/strict';
import { Buffer } from 'node:buffer';
import { rmSync } from 'node:fs';
import { connect } from 'node:net';
import { after, before, describe, it } from 'node:test';
import { writeDocument } from '@amanat/core/grants';
import fc from 'fast-check';
import { inputsSettings, jsonLike, PLANTED } from './_fuzz.ts';
import { cnicOf, Instance } from './_instance.ts';
import { Served } from './_served.ts';

/** What an answer or a line may hold of a stack or of this machine's folders. */
const INNARDS = /\n\s+at |\.ts:\d|node_modules|node:internal|ERR_[A-Z]|SQLITE/;
/** In a URL's parts, headers and bodies: never to be read again. */
const MARKED = encodeURIComponent(PLANTED);

interface Route {
  readonly method: string;
  readonly path: string;
}

let instance: Instance;
let served: Served;
let routes: readonly Route[];
let bodies: Readonly<Record<string, object>>;
let port: number;

before(async () => {
  instance = await Instance.create();
  const asked = instance.request('officer', [cnicOf(1)]);
  const { code, signed: codeSigned } = instance.code(cnicOf(1));
  const { sealed } = await instance.viewAsk(code);
  const protection = instance.protection(cnicOf(1), true);
  bodies = {
    '/v1/requests': { ...asked, approval: null },
    '/v1/codes': codeSigned,
    '/v1/protections': protection,
    '/v1/erasures': instance.sign(
      writeDocument<'erasure'>({
        type: 'erasure',
        controller: 'demo-telecom',
        identifier: { type: 'cnic', value: cnicOf(1) },
        reason: 'asked for by the person',
        nonce: 'ab'.repeat(16),
        time: Date.now(),
      }),
      'administrator-1',
      'administrator-2',
    ),
    '/v1/seals/extensions': {
      ...instance.sign(
        writeDocument<'seal-extension'>({
          type: 'seal-extension',
          seal: 1,
          ground: 'https://w3id.org/dpv#LegalObligation',
          until: '2030-01-31',
          nonce: 'ab'.repeat(16),
          time: Date.now(),
        }),
        'officer',
      ),
      approval: null,
    },
    '/v1/history': sealed,
    '/v1/documents': protection,
    '/v1/imports': {
      ...protection,
      salt: 'ab'.repeat(16),
      mapping: null,
      encoding: null,
      sheet: null,
    },
    '/v1/grants/explain': {
      agency: 'demo-police',
      purpose: 'https://w3id.org/dpv#ServiceRegistration',
      legalBasis: 'https://w3id.org/dpv#LegalObligation',
      holdings: [{ holding: 'sim-registrations', groups: ['identity'] }],
      subjects: 1,
      protected: false,
      approved: false,
      time: null,
    },
  };
  await instance.stopGateway();
  await instance.stopKeeper();
  served = new Served(instance);
  port = Number(new URL(await served.start()).port);
  const { paths } = (await served.get('/v1/openapi.json')).json as {
    paths: Record<string, Record<string, unknown>>;
  };
  routes = Object.entries(paths).flatMap(([path, methods]) =>
    Object.keys(methods).map((method) => ({ method: method.toUpperCase(), path })),
  );
});
after(async () => {
  await served?.[Symbol.asyncDispose]();
  if (instance !== undefined) rmSync(instance.dir, { recursive: true });
});

/** One request, and what it must not be answered with. */
async function survives(
  { method, path }: Route,
  body: string | Buffer | null,
  headers: Record<string, string> = {},
): Promise<number> {
  const answer = await served.ask(method, path, body, headers);
  const at = `${method} ${path.slice(0, 80)}: ${answer.status} ${answer.text.slice(0, 200)}`;
  assert.ok(answer.status < 500 && answer.status >= 200, at);
  assert.ok(!answer.text.includes(PLANTED) && !answer.text.includes(MARKED), at);
  assert.doesNotMatch(answer.text, INNARDS, at);
  return answer.status;
}

const filled = (path: string, value: string) => path.replaceAll(/\{[^}]*\}|\*/g, () => value);

/** Parts of an address, encoded as they may be, or badly. */
const part = fc.oneof(
  fc.constantFrom(
    ...['0', '1', '-1', '999999999999999', '1e3', '__proto__', 'constructor', '%00', '%ff', '%'],
    ...['..%2f..%2fconfig.json', '%2e%2e', 'demo-police', 'sim-registrations', 'x'.repeat(3_000)],
    ...[MARKED, `${MARKED}%ff`, `${MARKED}${'x'.repeat(300)}`, '%D9%BE%E2%80%AE', ';', '0/000'],
  ),
  fc
    .string({ unit: 'binary', maxLength: 30 })
    .map((text) => encodeURIComponent(text.toWellFormed())),
);

const query = fc.oneof(
  fc.constantFrom('', `?${MARKED}`, `?a=${MARKED}&a=1&a[]=2`, '?__proto__[x]=1', '?%', '?%ff=%00'),
  part.map((text) => `?a=${text}`),
);

const typesOfBody = fc.constantFrom(
  ...['application/json', 'application/json; charset=utf-16', 'text/plain', ''],
  ...['application/vnd.amanat.files', 'multipart/form-data', PLANTED, 'application/json;'],
);

const headers = fc.record(
  {
    'content-type': typesOfBody,
    authorization: fc.constantFrom('Bearer', `Bearer ${PLANTED}`, 'Bearer AAAA', 'Basic Og=='),
    accept: fc.constantFrom('*/*', PLANTED, 'text/html'),
    range: fc.constantFrom('bytes=0-0', 'bytes=99999999999-', `bytes=${PLANTED}`),
    'if-none-match': fc.constantFrom('*', '"x"', PLANTED),
    'if-modified-since': fc.constantFrom('x', 'Thu, 01 Jan 1970 00:00:00 GMT'),
    'x-request-id': fc.constant(PLANTED),
    'user-agent': fc.constant(PLANTED),
    'accept-encoding': fc.constantFrom('gzip, br', PLANTED),
    expect: fc.constant('100-continue'),
  },
  { requiredKeys: [] },
);

describe('a gateway answers whatever comes, never with 500, with innards or with what it was sent', () => {
  it('every route of its description, with any address, headers and body', async () => {
    assert.ok(routes.length >= 18, `${routes.length} routes`);
    const statuses = new Set<number>();
    const bytes = fc.oneof(
      fc.constantFrom(null, '', '{', '[]', 'null', `"${PLANTED}"`, '{"__proto__":1}', '\u{feff}{}'),
      fc.constantFrom('['.repeat(100_000), `{"a":${'['.repeat(50_000)}`, 'x'.repeat(140_000)),
      fc.uint8Array({ maxLength: 60 }).map((each) => Buffer.from(each)),
      fc.jsonValue().map((value) => JSON.stringify(value)),
    );
    for (const route of routes) {
      const property = fc.asyncProperty(part, query, headers, bytes, async (...given) => {
        const [value, search, head, body] = given;
        const path = filled(route.path, value) + search;
        const sent = route.method === 'GET' ? null : body;
        statuses.add(await survives({ ...route, path }, sent, head as Record<string, string>));
      });
      await fc.assert(property, inputsSettings(25));
    }
    for (const status of [200, 400, 404, 413, 415]) assert.ok(statuses.has(status), `no ${status}`);
  });

  it('every route that takes a body, with one near a valid one', async () => {
    const posts = routes.filter(({ method, path }) => method === 'POST' && path in bodies);
    assert.equal(posts.length, routes.filter(({ method }) => method === 'POST').length);
    for (const route of posts) {
      const near = jsonLike(bodies[route.path]).any;
      const property = fc.asyncProperty(near, async (body) => {
        await survives(route, JSON.stringify(body) ?? null);
      });
      await fc.assert(property, inputsSettings(60));
    }
  });

  it('every method on every route', async () => {
    for (const { path } of routes) {
      for (const method of [
        'GET',
        'HEAD',
        'POST',
        'PUT',
        'PATCH',
        'DELETE',
        'OPTIONS',
        'PROPFIND',
      ]) {
        await survives({ method, path: filled(path, MARKED) }, method === 'POST' ? '{}' : null);
      }
    }
  });

  it('bytes that are no HTTP, or nearly', async () => {
    const start = 'POST /v1/requests HTTP/1.1\r\nHost: a\r\n';
    const pieces = fc.constantFrom(
      ...[start, `GET /${PLANTED} HTTP/1.1\r\n`, '\r\n', '\r\n\r\n', 'Content-Length: 10\r\n'],
      ...['Content-Length: -1\r\n', 'Transfer-Encoding: chunked\r\n', 'zz\r\n', '0\r\n\r\n'],
      ...['ffffffffffffffff\r\n', 'Content-Type: application/json\r\n', '{"a":', '\0', '\u{feff}'],
      ...[`${PLANTED}: 1\r\n`, `X: ${'x'.repeat(20_000)}\r\n`, 'GET / HTTP/9.9\r\n\r\n', 'PRI * '],
    );
    const raw = fc.oneof(
      fc.array(pieces, { maxLength: 8 }).map((each) => Buffer.from(each.join(''))),
      fc.uint8Array({ maxLength: 100 }).map((each) => Buffer.from(each)),
    );
    const property = fc.asyncProperty(raw, async (bytes) => {
      const answer = await exchange(bytes);
      assert.ok(!answer.includes(PLANTED), answer.slice(0, 300));
      assert.doesNotMatch(answer, /HTTP\/1\.1 5/);
      assert.doesNotMatch(answer, INNARDS);
    });
    await fc.assert(property, inputsSettings(120));
  });

  it('and after all of it, all is well, and no line holds anything that was sent', async () => {
    assert.equal((await served.get('/v1/health')).status, 200);
    assert.match(served.output, /"route":"\/v1\/requests"/);
    for (const planted of [PLANTED, MARKED, cnicOf(1)]) {
      assert.ok(!served.output.includes(planted));
    }
    assert.doesNotMatch(served.output, INNARDS);
  });
});

/** Sends bytes over TCP, ends, and gives what came until the other side closed. */
function exchange(bytes: Buffer): Promise<string> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1', () => socket.end(bytes));
    let text = '';
    socket.setEncoding('latin1');
    socket.on('data', (chunk) => {
      text += chunk;
    });
    // However it is closed, it is closed.
    socket.on('error', () => {});
    socket.on('close', () => resolve(text));
  });
}
