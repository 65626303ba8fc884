import assert from 'node:assert/strict';
import { createHash, createPrivateKey } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { describe, test } from 'node:test';
import { fromHex, utf8 } from '@amanat/core/bytes';
import { importCosigningKey } from '@amanat/core/keys';
import { formatVerifierKey, parseCheckpoint, parseNote, parsePolicy } from '@amanat/core/log';
import fastify from 'fastify';
import { databaseInMemory } from '../storage/sqlite.ts';
import { witnessRoutes } from './routes.ts';
import { createSqliteWitnessStore, createWitnessTables } from './store-sqlite.ts';
import { Witness } from './witness.ts';

interface Sent {
  readonly name: string;
  readonly held: string | null;
  readonly body?: string;
  readonly hex?: string;
  readonly status: number;
}

interface Vectors {
  readonly witness: { readonly name: string; readonly seed: string; readonly vkey: string };
  readonly logs: readonly string[];
  readonly timeSeconds: number;
  readonly valid: readonly (Sent & { readonly answer: string; readonly checkpoint: string })[];
  readonly invalid: readonly (Sent & { readonly code: string; readonly answer?: string })[];
}

const vectors = JSON.parse(
  readFileSync(new URL('../../../vectors/add-checkpoints.json', import.meta.url), 'utf8'),
) as Vectors;
const { name, seed, vkey } = vectors.witness;
// What stands before an Ed25519 seed in its PKCS #8 (RFC 8410).
const der = Buffer.from(`302e020100300506032b657004220420${seed}`, 'hex');
const pem = createPrivateKey({ key: der, format: 'der', type: 'pkcs8' });
const key = importCosigningKey(String(pem.export({ format: 'pem', type: 'pkcs8' })), name);

const policy = `${vectors.logs.map((log) => `log ${log}\n`).join('')}quorum none\n`;
const logs = parsePolicy(utf8(policy)).logs.map((log) => log.key);

/** A witness of its own for one case, which comes to what it holds as any witness does. */
async function bench({ held }: Sent) {
  const database = databaseInMemory();
  createWitnessTables(database);
  const forks: string[] = [];
  const witness = new Witness({
    keys: [key],
    logs,
    store: createSqliteWitnessStore(database),
    now: () => vectors.timeSeconds * 1000 + 999,
    onFork: ({ origin }) => void forks.push(origin),
  });
  const app = fastify();
  await app.register(witnessRoutes, { witness });
  const latest = (note: string | null) => {
    const origin = note === null ? '' : parseCheckpoint(parseNote(note).text).origin;
    return app.inject(`/${createHash('sha256').update(origin).digest('hex')}/checkpoint`);
  };
  if (held !== null) {
    assert.equal(witness.addCheckpoint(utf8(`old 0\n\n${held}`)).code, 'cosigned');
  }
  return {
    witness,
    forks,
    latest,
    add: (body: Uint8Array) =>
      app.inject({ method: 'POST', url: '/add-checkpoint', payload: Buffer.from(body) }),
    [Symbol.asyncDispose]: async () => {
      await app.close();
      database.close();
    },
  };
}

function bodyOf({ body, hex }: Sent): Uint8Array {
  return body === undefined ? fromHex(hex as string) : utf8(body);
}

describe('add-checkpoint vectors', () => {
  test('name the witness by the key that it has', () => {
    assert.equal(formatVerifierKey(key.public), vkey);
  });

  test('that are invalid are refused, each with its status and for its reason, and change nothing', async () => {
    assert.ok(vectors.invalid.length > 110);
    for (const vector of vectors.invalid) {
      await using one = await bench(vector);
      const before = await one.latest(vector.held);
      const body = bodyOf(vector);
      const answer = await one.add(body);
      assert.equal(answer.statusCode, vector.status, vector.name);
      assert.equal(one.witness.addCheckpoint(body).code, vector.code, vector.name);
      assert.ok(!answer.body.includes('\u2014'), vector.name);
      // A size and its type are said where another size is held, and nowhere else.
      const isSize = answer.headers['content-type'] === 'text/x.tlog.size';
      assert.equal(isSize, vector.code === 'other-size', vector.name);
      if (isSize) assert.equal(answer.body, vector.answer, vector.name);
      assert.equal(one.forks.length, vector.code === 'forked' ? 1 : 0, vector.name);
      const after = await one.latest(vector.held);
      assert.equal(after.statusCode, vector.held === null ? 404 : 200, vector.name);
      assert.equal(after.body, before.body, vector.name);
    }
  });

  test('that are valid are cosigned, byte for byte, and shown to monitors', async () => {
    assert.ok(vectors.valid.length > 20);
    for (const vector of vectors.valid) {
      await using one = await bench(vector);
      const answer = await one.add(bodyOf(vector));
      assert.equal(answer.statusCode, vector.status, `${vector.name}: ${answer.body}`);
      assert.equal(answer.body, vector.answer, vector.name);
      const shown = await one.latest(vector.checkpoint);
      assert.equal(shown.statusCode, 200, vector.name);
      assert.equal(shown.body, vector.checkpoint, vector.name);
    }
  });
});
