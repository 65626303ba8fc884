import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { request as httpRequest } from 'node:http';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { describe, test } from 'node:test';
import { concat, hex, utf8 } from '@amanat/core/bytes';
import type { CosigningKind } from '@amanat/core/keys';
import { generateCosigningKey, generateSigningKey, verifyNoteSignature } from '@amanat/core/keys';
import type { Cosignature, CosignerKey } from '@amanat/core/log';
import {
  emptyRoot,
  formatNote,
  MAX_NOTE_SIGNATURES,
  openCosignatures,
  parseNote,
} from '@amanat/core/log';
import { pino } from 'pino';
import { StorageError } from '../storage/errors.ts';
import { openDatabase } from '../storage/sqlite.ts';
import { startWitness } from '../witness-server.ts';
import { flipped, QuantumSafeLog, requestOf, SimulatedLog } from './_log.ts';
import type { WitnessStore } from './store.ts';
import { createSqliteWitnessStore, createWitnessTables } from './store-sqlite.ts';
import { createWitnessFolder, openWitnessFolder, Witness } from './witness.ts';

const NAME = 'witness.example/w1';
const ORIGIN = 'log.example/amanat';

function folderOf(t: TestContext): string {
  const dir = mkdtempSync(join(tmpdir(), 'amanat-witness-'));
  t.after(() => rmSync(dir, { recursive: true }));
  return dir;
}

function witnessFolder(t: TestContext, kinds: readonly CosigningKind[] = ['ed25519']): string {
  const dir = join(folderOf(t), 'witness');
  createWitnessFolder(dir, { name: NAME, kinds });
  return dir;
}

function policyOf(logs: readonly { readonly verifierKey: string }[]): string {
  return `${logs.map(({ verifierKey }) => `log ${verifierKey}\n`).join('')}quorum none\n`;
}

interface Answer {
  readonly status: number;
  readonly type: string | null;
  readonly body: string;
}

interface Bench {
  readonly url: string;
  readonly keys: readonly CosignerKey[];
  readonly lines: string[];
  timeMs: number;
  add(body: string | Uint8Array): Promise<Answer>;
  get(path: string): Promise<Answer>;
  latest(origin?: string): Promise<Answer>;
  /** The cosignatures that an answer of 200 holds, each verified over this text. */
  cosignatures(text: string, answer: Answer): readonly Cosignature[];
}

/** A witness that serves, of a folder that names these logs. */
async function bench(
  t: TestContext,
  logs: readonly { readonly verifierKey: string }[],
  kinds?: readonly CosigningKind[],
): Promise<Bench> {
  const dir = witnessFolder(t, kinds);
  writeFileSync(join(dir, 'logs.policy'), policyOf(logs));
  const lines: string[] = [];
  const found = { lines, timeMs: 1_764_000_000_500 };
  const server = await startWitness({
    dir,
    port: 0,
    logger: pino({ level: 'trace' }, { write: (line: string) => void lines.push(line) }),
    now: () => found.timeMs,
  });
  t.after(() => server[Symbol.asyncDispose]());
  const keys = server.keys.map((key) => key.public);
  const ask = async (path: string, init: RequestInit = {}): Promise<Answer> => {
    const response = await fetch(`${server.url}${path}`, init);
    const type = response.headers.get('content-type');
    return { status: response.status, type, body: await response.text() };
  };
  return Object.assign(found, {
    url: server.url,
    keys,
    add: (body: string | Uint8Array) =>
      ask('/add-checkpoint', { method: 'POST', body: Buffer.from(body as string) }),
    get: ask,
    latest: (origin = ORIGIN) =>
      ask(`/${createHash('sha256').update(origin).digest('hex')}/checkpoint`),
    cosignatures: (text: string, { status, body }: Answer) => {
      assert.equal(status, 200, body);
      const cosigned = openCosignatures(`${text}\n${body}`, keys, verifyNoteSignature);
      assert.equal(parseNote(`${text}\n${body}`).signatures.length, cosigned.length);
      return cosigned;
    },
  });
}

describe('a witness refuses', () => {
  test('what is not in the form of the call, with 400', async (t) => {
    const log = new SimulatedLog(ORIGIN);
    const witness = await bench(t, [log]);
    const good = log.request(0, 5);
    const note = log.checkpoint(5);
    const hash = log.root(3);
    const bodies: readonly (readonly [string, string | Uint8Array])[] = [
      ['empty', ''],
      ['only a newline', '\n'],
      ['no old size', `\n${note}`],
      ['a checkpoint alone', note],
      ['no empty line', good.replace('\n\n', '\n')],
      ['carriage returns', good.replaceAll('\n', '\r\n')],
      ['a leading zero', requestOf('00', [], note)],
      ['a sign', requestOf('+0', [], note)],
      ['below 0', requestOf('-1', [], note)],
      ['a space more', requestOf('0 ', [], note)],
      ['another word', good.replace('old', 'new')],
      ['a capital', good.replace('old', 'Old')],
      ['a size over 2^53 − 1', requestOf('9007199254740992', [], note)],
      ['64 lines of proof', requestOf(0, Array(64).fill(hash), note)],
      ['a hash of 31 bytes', requestOf(0, [hash.subarray(1)], note)],
      ['a hash of 33 bytes', requestOf(0, [concat(hash, hash.subarray(31))], note)],
      ['malformed base64', good.replace('\n\n', `\n${'*'.repeat(44)}\n\n`)],
      ['an unsigned checkpoint', requestOf(0, [], log.head(5))],
      ['a size with a leading zero', good.replace('\n5\n', '\n05\n')],
      ['a malformed signature line', good.replace('— ', '- ')],
      ['no last newline', good.slice(0, -1)],
      ['something behind it', `${good}x`],
      ['another’s malformed signature line', `${good}— stranger.example AAAA\n`],
      ['bytes that are not UTF-8', concat(utf8(good), Uint8Array.of(0xff))],
      ['a byte order mark', `\ufeff${good}`],
      ['a null', good.replace('old', 'ol\0d')],
    ];
    for (const [name, body] of bodies) {
      const { status, body: said } = await witness.add(body);
      assert.equal(status, 400, `${name}: ${said}`);
      assert.ok(!said.includes('—'), name);
    }
    assert.equal((await witness.latest()).status, 404);
    assert.equal((await witness.add(good)).status, 200);
  });

  test('an unknown origin with 404, by whomever it is signed', async (t) => {
    const log = new SimulatedLog(ORIGIN);
    const witness = await bench(t, [log]);
    const stranger = new SimulatedLog('stranger.example/log');
    assert.equal((await witness.add(stranger.request(0, 5))).status, 404);
    const text = stranger.head(5);
    const byOurs = formatNote(text, [log.signature(text)]);
    assert.equal((await witness.add(requestOf(0, [], byOurs))).status, 404);
    assert.equal((await witness.latest('stranger.example/log')).status, 404);
  });

  test('what the log’s key has not signed with 403', async (t) => {
    const log = new SimulatedLog(ORIGIN);
    const second = new SimulatedLog('second.example/log');
    const witness = await bench(t, [log, second]);
    const text = log.head(5);
    const right = log.signature(text);
    const impostor = new SimulatedLog(ORIGIN);
    const wrong = { ...right, signature: flipped(right.signature, 9) };
    const cases = {
      'signed by nobody known': [impostor.signature(text)],
      'signed by another log': [second.signature(text)],
      'a bit flipped': [wrong],
      'one good, one bad of the same key': [right, wrong],
      'signed for another text': [log.signature(log.head(6))],
      'too short': [{ ...right, signature: right.signature.subarray(1) }],
      'under the log’s id and another’s name': [
        { ...right, key: { ...right.key, name: 'second.example/log' } },
      ],
    };
    for (const [name, signatures] of Object.entries(cases)) {
      const { status } = await witness.add(requestOf(0, [], formatNote(text, signatures)));
      assert.equal(status, 403, name);
    }
    assert.equal((await witness.latest()).status, 404);
    const beside = formatNote(text, [impostor.signature(text), right]);
    assert.equal((await witness.add(requestOf(0, [], beside))).status, 200);
  });

  test('an old size over the checkpoint’s with 400, whatever was cosigned', async (t) => {
    const log = new SimulatedLog(ORIGIN);
    const witness = await bench(t, [log]);
    assert.equal((await witness.add(requestOf(6, [], log.checkpoint(5)))).status, 400);
    assert.equal((await witness.add(log.request(0, 9))).status, 200);
    assert.equal((await witness.add(requestOf(9, [], log.checkpoint(5)))).status, 400);
  });

  test('another old size than was cosigned last with 409, which says that size', async (t) => {
    const log = new SimulatedLog(ORIGIN);
    const witness = await bench(t, [log]);
    const conflict = (size: number) => ({
      status: 409,
      type: 'text/x.tlog.size',
      body: `${size}\n`,
    });
    assert.deepEqual(await witness.add(log.request(3, 5)), conflict(0));
    assert.equal((await witness.add(log.request(0, 9))).status, 200);
    const held = await witness.latest();
    for (const [from, to] of [
      [0, 9],
      [0, 12],
      [5, 12],
      [5, 8],
      [0, 8],
      [8, 8],
      [0, 0],
      [10, 12],
    ] as const) {
      assert.deepEqual(await witness.add(log.request(from, to)), conflict(9), `${from} ${to}`);
    }
    assert.deepEqual(await witness.latest(), held);
  });

  test('a proof that does not lead from the old tree to the new one with 422', async (t) => {
    const log = new SimulatedLog(ORIGIN);
    const witness = await bench(t, [log]);
    const proofs = async (from: number, to: number, wrong: readonly Uint8Array[][]) => {
      for (const proof of wrong) {
        const { status, body } = await witness.add(log.request(from, to, { proof }));
        assert.equal(status, 422, `${from} ${to} ${proof.length}: ${body}`);
        assert.ok(!body.includes('—'));
      }
    };
    await proofs(0, 5, [[log.root(5)], log.proof(3, 5)]);
    assert.equal((await witness.add(log.request(0, 5))).status, 200);
    const right = log.proof(5, 13);
    const [first = new Uint8Array()] = right;
    await proofs(5, 13, [
      [],
      right.slice(1),
      right.slice(0, -1),
      [...right, first],
      [...right].reverse(),
      [flipped(first, 0), ...right.slice(1)],
      log.proof(4, 13),
      log.proof(5, 12),
      Array(63).fill(first),
    ]);
    await proofs(5, 5, [[first]]);
    assert.equal((await witness.add(log.request(5, 13))).status, 200);
  });

  test('a tree without leaves that has a root with 422', async (t) => {
    const log = new SimulatedLog(ORIGIN);
    const witness = await bench(t, [log]);
    const text = log.head(0, log.root(1));
    const checkpoint = formatNote(text, [log.signature(text)]);
    assert.equal((await witness.add(requestOf(0, [], checkpoint))).status, 422);
    assert.equal((await witness.latest()).status, 404);
    assert.equal(hex(emptyRoot()), hex(log.root(0)));
    assert.equal((await witness.add(log.request(0, 0))).status, 200);
    assert.equal((await witness.add(requestOf(0, [], checkpoint))).status, 422);
    assert.equal((await witness.add(log.request(0, 4))).status, 200);
  });

  test('a log that forks, at the same size or a larger one, and keeps the proof of it', async (t) => {
    const log = new SimulatedLog(ORIGIN);
    const fork = log.fork(6);
    const witness = await bench(t, [log]);
    assert.equal((await witness.add(log.request(0, 9))).status, 200);
    const held = await witness.latest();
    assert.equal((await witness.add(fork.request(9, 9))).status, 422);
    assert.equal((await witness.add(fork.request(9, 9))).status, 422);
    assert.equal((await witness.add(fork.request(9, 14))).status, 422);
    assert.equal((await witness.add(fork.request(6, 14))).status, 409);
    assert.equal((await witness.add(fork.request(0, 14))).status, 409);
    assert.deepEqual(await witness.latest(), held);
    const told = witness.lines.map((line) => JSON.parse(line)).filter(({ held: it }) => it);
    assert.equal(told.length, 1);
    assert.equal(told[0].held, held.body);
    assert.equal(told[0].submitted, fork.checkpoint(9));
  });

  test('a body that is too large, and other calls', async (t) => {
    const log = new SimulatedLog(ORIGIN);
    const witness = await bench(t, [log]);
    assert.equal((await witness.add('x'.repeat(131_073))).status, 413);
    for (const path of [
      '/',
      '/add-checkpoint',
      '/checkpoint',
      `/${'0'.repeat(64)}/checkpoint`,
      `/${createHash('sha256').update(ORIGIN).digest('hex').toUpperCase()}/checkpoint`,
      '/__proto__/checkpoint',
    ]) {
      const { status, body } = await witness.get(path);
      assert.equal(status, 404, path);
      assert.ok(!body.includes('__proto__'));
    }
  });

  test('to wait for a body that does not come', async (t) => {
    const witness = await bench(t, [new SimulatedLog(ORIGIN)]);
    const { hostname, port } = new URL(witness.url);
    const socket = connect(Number(port), hostname);
    t.after(() => socket.destroy());
    socket.write('POST /add-checkpoint HTTP/1.1\r\nhost: a\r\ncontent-length: 100\r\n\r\nold 0\n');
    const ended = new Promise((resolve) => socket.once('close', resolve));
    socket.resume();
    await ended;
  });
});

describe('a witness cosigns', () => {
  test('a log that grows, with the time, and shows monitors what it cosigned last', async (t) => {
    const log = new SimulatedLog(ORIGIN);
    const witness = await bench(t, [log], ['ed25519', 'ml-dsa-44']);
    const sizes = [0, 1, 2, 3, 3, 8, 9, 64, 100];
    for (const [at, size] of sizes.entries()) {
      witness.timeMs += 1_500;
      const text = log.head(size);
      const answer = await witness.add(log.request(sizes[at - 1] ?? 0, size));
      assert.equal(answer.type, 'text/plain; charset=utf-8');
      const cosigned = witness.cosignatures(text, answer);
      assert.deepEqual(
        cosigned.map(({ key, timeSeconds }) => [key.type, timeSeconds]),
        [4, 6].map((type) => [type, Math.floor(witness.timeMs / 1000)]),
      );
      const latest = await witness.latest();
      assert.equal(latest.type, 'text/plain; charset=utf-8');
      assert.equal(latest.body, formatNote(text, [log.signature(text), ...cosigned]));
    }
  });

  test('what the log’s key signed, and hands on no line that nobody checked', async (t) => {
    const log = new SimulatedLog(ORIGIN);
    const witness = await bench(t, [log]);
    const text = log.head(5);
    const [own] = witness.keys;
    assert.ok(own);
    // A line that says it is the witness's own.
    const forged = { key: own, signature: new Uint8Array(72).fill(7) };
    const other = { key: { name: 'stranger.example', keyId: 1 }, signature: new Uint8Array(64) };
    const note = formatNote(text, [forged, log.signature(text), other]);
    const cosigned = witness.cosignatures(text, await witness.add(requestOf(0, [], note)));
    const { body } = await witness.latest();
    assert.equal(body, formatNote(text, [log.signature(text), ...cosigned]));
  });

  test('a checkpoint with as many signatures as a note may have', async (t) => {
    const log = new SimulatedLog(ORIGIN);
    const witness = await bench(t, [log]);
    const text = log.head(5);
    const others = Array.from({ length: MAX_NOTE_SIGNATURES - 1 }, (_, i) => ({
      key: { name: `w${i}.example`, keyId: i },
      signature: new Uint8Array(i < 20 ? 2_428 : 72),
    }));
    const note = formatNote(text, [...others, log.signature(text)]);
    assert.equal((await witness.add(requestOf(0, [], note))).status, 200);
  });

  test('extension lines, which Ed25519 signs', async (t) => {
    const log = new SimulatedLog(ORIGIN);
    const witness = await bench(t, [log], ['ed25519', 'ml-dsa-44']);
    const text = `${log.head(5)}an extension\n`;
    const note = formatNote(text, [log.signature(text)]);
    const answer = await witness.add(requestOf(0, [], note));
    assert.equal(witness.cosignatures(text, answer).length, 2);
  });

  test('several logs apart, one by two keys, one with ML-DSA-44', async (t) => {
    const logs = [new SimulatedLog(ORIGIN), new QuantumSafeLog('pq.example/log')] as const;
    const [log, quantumSafe] = logs;
    const renewed = log.fork(100);
    const newer = new SimulatedLog(ORIGIN, { signing: generateSigningKey('ed25519') });
    const witness = await bench(t, [...logs, newer]);
    witness.cosignatures(log.head(5), await witness.add(log.request(0, 5)));
    witness.cosignatures(quantumSafe.head(7), await witness.add(quantumSafe.request(0, 7)));
    assert.match((await witness.latest('pq.example/log')).body, /^pq\.example\/log\n7\n/);
    // The log's other key goes on where the first stopped.
    witness.cosignatures(newer.head(9), await witness.add(newer.request(5, 9)));
    assert.equal((await witness.add(log.request(5, 8))).body, '9\n');
    assert.deepEqual(renewed.root(9), newer.root(9));
  });

  test('whatever type the body says that it has, and none', async (t) => {
    const log = new SimulatedLog(ORIGIN);
    const witness = await bench(t, [log]);
    const types = [
      'application/json',
      'text/plain; charset=latin1',
      'application/octet-stream',
      undefined,
    ];
    for (const [at, type] of types.entries()) {
      const body = log.request(at, at + 1);
      const status = await new Promise((resolve, reject) => {
        const headers = type === undefined ? {} : { 'content-type': type };
        const sent = httpRequest(`${witness.url}/add-checkpoint`, { method: 'POST', headers });
        sent.once('error', reject).once('response', (response) => {
          response.resume();
          resolve(response.statusCode);
        });
        sent.end(body);
      });
      assert.equal(status, 200, type);
    }
  });

  test('one of two that come at once from one size, and never both', async (t) => {
    const log = new SimulatedLog(ORIGIN);
    const witness = await bench(t, [log]);
    let size = 0;
    for (let round = 0; round < 10; round++) {
      const bodies = [3, 1, 5, 2].map((more) => log.request(size, size + more));
      const answers = await Promise.all(bodies.map((body) => witness.add(body)));
      const won = answers.filter(({ status }) => status === 200);
      assert.equal(won.length, 1);
      const [, held = ''] = (await witness.latest()).body.split('\n');
      for (const { status, body } of answers) {
        if (status !== 200) assert.deepEqual([status, body], [409, `${held}\n`]);
      }
      size = Number(held);
    }
  });

  test('and says nothing in its lines of what was sent, but route and status', async (t) => {
    const log = new SimulatedLog(ORIGIN);
    const witness = await bench(t, [log]);
    await witness.add(log.request(0, 5));
    await witness.get('/secret-path?secret-query');
    const lines = witness.lines.map((line) => JSON.parse(line)).filter(({ route }) => route);
    assert.deepEqual(
      lines.map(({ route, status }) => [route, status]),
      [
        ['/add-checkpoint', 200],
        ['none', 404],
      ],
    );
    assert.ok(!witness.lines.join('').includes('secret'));
  });
});

describe('a witness’s state', () => {
  test('never shrinks or forks, whoever writes it', (t) => {
    const database = openDatabase(join(folderOf(t), 'witness.db'));
    t.after(() => database.close());
    createWitnessTables(database);
    const store = createSqliteWitnessStore(database);
    const head = (size: number, byte: number) => ({
      size,
      root: new Uint8Array(32).fill(byte),
      note: `${size} ${byte}`,
    });
    store.put(ORIGIN, head(5, 1));
    assert.throws(() => store.put(ORIGIN, head(4, 1)), /shrink or fork/);
    assert.throws(() => store.put(ORIGIN, head(5, 2)), /shrink or fork/);
    assert.deepEqual(store.latest(ORIGIN), head(5, 1));
    store.put(ORIGIN, { ...head(5, 1), note: 'again' });
    store.put(ORIGIN, head(6, 3));
    assert.deepEqual(store.latest(ORIGIN), head(6, 3));
    assert.equal(store.latest('other.example'), null);
  });

  test('that cannot be kept gives no cosignature', () => {
    const log = new SimulatedLog(ORIGIN);
    const store: WitnessStore = {
      atomically: (step) => {
        step();
        throw new StorageError('store-full', 'the disk is full');
      },
      latest: () => null,
      put: () => {},
    };
    const keys = [generateCosigningKey('ed25519', NAME)];
    const witness = new Witness({ keys, logs: [log.note], store, now: Date.now });
    assert.throws(() => witness.addCheckpoint(utf8(log.request(0, 5))), { code: 'store-full' });
  });

  test('of two keys of one log that share an id is none: the witness does not start', () => {
    const log = new SimulatedLog(ORIGIN);
    const twin = { ...log.note, publicKey: flipped(log.note.publicKey, 0) };
    const store = {} as WitnessStore;
    const keys = [generateCosigningKey('ed25519', NAME)];
    const make = (second: typeof twin) =>
      new Witness({ keys, logs: [log.note, second], store, now: Date.now });
    assert.throws(() => make(twin), { code: 'bad-settings' });
    assert.ok(make({ ...log.note }));
  });

  test('that is gone, or whose keys others can read, keeps the witness from starting', async (t) => {
    const start = async (dir: string) => {
      const server = await startWitness({ dir, port: 0, logger: pino({ level: 'silent' }) });
      t.after(() => server[Symbol.asyncDispose]());
      return server;
    };
    await assert.rejects(start(folderOf(t)), { code: 'no-witness' });
    const open = witnessFolder(t, ['ed25519', 'ml-dsa-44']);
    for (const file of ['ed25519.pem', 'ml-dsa-44.pem']) {
      chmodSync(join(open, file), 0o640);
      await assert.rejects(start(open), { code: 'key-open' });
      chmodSync(join(open, file), 0o600);
    }
    writeFileSync(join(open, 'ml-dsa-44.pem'), 'no key');
    await assert.rejects(start(open), { code: 'bad-key' });
    rmSync(join(open, 'ml-dsa-44.pem'));
    await assert.rejects(start(open), { code: 'bad-key' });
    writeFileSync(join(open, 'witness.json'), JSON.stringify({ name: NAME, keys: [] }));
    await assert.rejects(start(open), { code: 'bad-settings' });
    writeFileSync(join(open, 'witness.json'), JSON.stringify({ name: NAME, keys: ['ed25519'] }));
    writeFileSync(join(open, 'logs.policy'), 'log nonsense\nquorum none\n');
    await assert.rejects(start(open), { code: 'bad-settings' });
    writeFileSync(join(open, 'logs.policy'), 'quorum none\n');
    const server = await start(open);
    await assert.rejects(start(open), { code: 'already-served' });
    await server[Symbol.asyncDispose]();
    for (const file of ['witness.db', 'witness.db-wal', 'witness.db-shm'])
      rmSync(join(open, file), { force: true });
    await assert.rejects(start(open), { code: 'state-lost' });
    // An empty file in its place is no state either.
    writeFileSync(join(open, 'witness.db'), '');
    await assert.rejects(start(open), /no such table/);
  });

  test('is made once, in a folder of its own, its keys its owner’s alone', (t) => {
    const dir = witnessFolder(t, ['ed25519', 'ml-dsa-44']);
    assert.throws(() => createWitnessFolder(dir, { name: NAME, kinds: ['ed25519'] }), {
      code: 'folder-taken',
    });
    assert.throws(() => createWitnessFolder(join(dir, 'a'), { name: 'a b', kinds: ['ed25519'] }), {
      code: 'bad-key',
    });
    const { keys, logs } = openWitnessFolder(dir);
    assert.deepEqual(logs, []);
    assert.deepEqual(
      keys.map((key) => [key.public.type, key.public.name]),
      [
        [4, NAME],
        [6, NAME],
      ],
    );
    assert.ok(readFileSync(join(dir, 'ed25519.pem'), 'utf8').includes('PRIVATE KEY'));
  });
});
