import assert from 'node:assert/strict';
import { createHash, createHmac } from 'node:crypto';
import { readFileSync, statSync, writeFileSync } from 'node:fs';
import { join, sep } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { after, before, describe, test } from 'node:test';
import { base64, concat, hex, utf8 } from '@amanat/core/bytes';
import type { Json } from '@amanat/core/canonical';
import { canonicalBytes } from '@amanat/core/canonical';
import { encodeNames } from '@amanat/core/keys';
import type { Leaf } from '@amanat/core/log';
import { encodePersonalLeaf, leafHash, parseLeaf } from '@amanat/core/log';
import type { Statement } from '@amanat/core/statement';
import { leafOf } from '@amanat/core/statement';
import type { KeeperPort, Messages } from '@amanat/keeper/client';
import { unpackDrawRows } from '../packages/keeper/draw-rows.ts';
import { encodeFrames } from '../packages/server/custody/rows/frames.ts';
import { filesOf } from './_files.ts';
import { readHistory } from './_history.ts';
import { cnicOf, Instance, simsCsv, travelCsv } from './_instance.ts';
import { Served } from './_served.ts';

/** Every number that an outsider tries: the right ones are among them. */
const CANDIDATES = Array.from({ length: 1_000 }, (_, serial) => serial);
const HELD = CANDIDATES.filter((serial) => serial % 25 === 7);
/** She who is asked about again and again, and as often others are, each once. */
const [HER = 0, ...OTHERS] = HELD;
const TIMES = OTHERS.length;
const REQUESTS = 20;
const SELECTORS = 10;
const ZEROS = new Uint8Array(32);
/** As many as make an exact number. */
const WINDOW_BYTES = 6;

describe('what outsiders learn', { concurrency: false }, () => {
  let instance: Instance;
  const csvs = { sims: simsCsv(HELD), travel: travelCsv(HELD) };
  /** Digests without a key, as the gateway gives them to the keeper with each row. */
  const digests: Uint8Array[] = [];
  /** Indexes of leaves: about her, about the others, and of each large request by place of its selector. */
  const hers: number[] = [];
  const theirs: number[] = [];
  const requests: number[][] = [];
  /** What the public folder was before any look-up, after all of them, and once the gateway had ended. */
  const seen: { before: string; during: string; ended: string } = {
    before: '',
    during: '',
    ended: '',
  };
  let lastAnsweredMs = 0;
  let her: readonly Statement[] = [];
  let commitments: readonly string[] = [];
  let leaves: readonly Uint8Array[] = [];

  before(async () => {
    instance = await Instance.create();
    await instance.startGateway({ keeper: noting(digests) });
    await instance.importCsv('telecom-importer', 'sim-registrations', csvs.sims);
    await instance.importCsv('border-importer', 'travel-history', csvs.travel);
    await instance.stopGateway();
    await instance.stopKeeper();
    const settings = join(instance.dir, 'config.json');
    const config = JSON.parse(readFileSync(settings, 'utf8'));
    writeFileSync(settings, JSON.stringify({ ...config, publishSeconds: 3600 }));

    await using served = new Served(instance);
    await served.start();
    seen.before = stateOf(instance.paths.public);
    const ask = async (serials: readonly number[]): Promise<readonly number[]> => {
      const request = instance.request('officer', serials.map(cnicOf));
      const { status, text, json } = await served.post('/v1/requests', {
        ...request,
        approval: null,
      });
      assert.equal(status, 200, text);
      return json.results.map(({ index }: { readonly index: number }) => index);
    };
    for (const other of OTHERS) {
      hers.push(...(await ask([HER])));
      theirs.push(...(await ask([other])));
    }
    for (let at = 0; at < REQUESTS; at++) {
      requests.push([...(await ask(HELD.slice(at, at + SELECTORS)))]);
    }
    const codes = HELD.map((serial) => instance.code(cnicOf(serial)));
    for (const { signed } of codes) {
      assert.equal((await served.post('/v1/codes', signed)).status, 201);
    }
    lastAnsweredMs = Date.now();
    seen.during = stateOf(instance.paths.public);
    await served.stop();
    seen.ended = stateOf(instance.paths.public);

    await served.start();
    const history = await readHistory(served, codes[0]?.code ?? '');
    assert.ok(history.verified);
    const entries = history.chains.flatMap((chain) => chain.entries);
    her = entries.flatMap(({ statement }) => statement ?? []);
    commitments = entries.flatMap(({ commitment }) => commitment ?? []);
    await served.stop();
    leaves = readLeaves(instance.paths.database);
  });

  after(() => instance?.[Symbol.asyncDispose]());

  /** Every file that anybody may read. */
  const publicFiles = () => filesOf(instance.paths.public);
  /** What a thief of everything but the keeper's folder has. */
  const stolenFiles = () =>
    filesOf(instance.dir, (path) => path.startsWith(instance.paths.keeper + sep));

  test('a personal leaf has one length and one form: an hour and a commitment', () => {
    const personal = leaves.filter((leaf) => parseLeaf(leaf).kind === 'person');
    // The look-ups; a code at each of two controllers; her sign-in at both.
    assert.equal(personal.length, 2 * TIMES + REQUESTS * SELECTORS + 2 * HELD.length + 2);
    for (const leaf of personal) {
      assert.equal(leaf.length, 77);
      const parsed = parseLeaf(leaf) as Extract<Leaf, { kind: 'person' }>;
      assert.deepEqual(leaf, encodePersonalLeaf(parsed));
    }
    assert.equal(new Set(personal.map(hex)).size, personal.length);
  });

  test('the rest of the log is documents about organisations', () => {
    const types = leaves.map(parseLeaf).flatMap((leaf) => {
      return leaf.kind === 'public' ? [JSON.parse(leaf.document).type as string] : [];
    });
    assert.deepEqual([...new Set(types)].toSorted(), [
      'agency',
      'certificate',
      'declaration',
      'genesis',
      'grants',
      'import-begun',
      'import-ended',
    ]);
  });

  test('leaves about one person differ as much as leaves about different people', () => {
    const of = (index: number) => {
      const leaf = parseLeaf(leaves[index] as Uint8Array);
      assert.ok(leaf.kind === 'person');
      return leaf.commitment;
    };
    const mine = hers.map(of);
    const others = theirs.map(of);
    const same = mine.flatMap((a, at) => mine.slice(at + 1).map((b) => distance(a, b)));
    const mixed = mine.flatMap((a) => others.map((b) => distance(a, b)));
    for (const distances of [same, mixed]) {
      const mean = distances.reduce((sum, each) => sum + each, 0) / distances.length;
      // Of 256 random bits half differ, give or take 8; pairs are independent. Seven times the error of the mean.
      assert.ok(Math.abs(mean - 128) < (7 * 8) / Math.sqrt(distances.length), `${mean}`);
      assert.ok(Math.min(...distances) > 64 && Math.max(...distances) < 192);
    }
  });

  test('the order of a request’s leaves tells nothing of the order of its selectors', () => {
    let ascending = 0;
    for (const indexes of requests) {
      assert.equal(Math.max(...indexes) - Math.min(...indexes), SELECTORS - 1);
      for (const [at, index] of indexes.entries()) {
        ascending += indexes.slice(at + 1).filter((later) => later > index).length;
      }
    }
    const pairs = (REQUESTS * SELECTORS * (SELECTORS - 1)) / 2;
    // The variance of Kendall's statistic: n (n - 1) (2 n + 5) / 72 for each request.
    const variance = (REQUESTS * SELECTORS * (SELECTORS - 1) * (2 * SELECTORS + 5)) / 72;
    assert.ok(
      Math.abs(ascending - pairs / 2) < 7 * Math.sqrt(variance),
      `${ascending} of ${pairs}`,
    );
  });

  test('of the leaves of one code, places do not tell which controller’s each is', () => {
    const database = new DatabaseSync(instance.paths.database, { readOnly: true });
    const subjectsOf = (holding: string) =>
      new Set(
        database
          .prepare(
            'SELECT hex(subject) AS id FROM custody_records JOIN custody_holdings AS h ON h.id = holding WHERE h.name = ?',
          )
          .all(holding)
          .map(({ id }) => String(id)),
      );
    const telecom = subjectsOf('sim-registrations');
    const border = subjectsOf('travel-history');
    const codes = database
      .prepare('SELECT hex(subject) AS id, idx FROM entries ORDER BY idx')
      .all()
      .filter(({ idx }) => Number(idx) > Math.max(...requests.flat()))
      .slice(0, 2 * HELD.length)
      .map(({ id }) => String(id));
    database.close();
    const firsts = codes.filter((_, at) => at % 2 === 0);
    assert.ok(firsts.every((id) => telecom.has(id) || border.has(id)));
    // All alike once in 2^39 runs.
    assert.ok(firsts.some((id) => telecom.has(id)) && firsts.some((id) => border.has(id)));
  });

  test('between publications nothing public changes, whatever is looked up', () => {
    assert.equal(seen.during, seen.before);
    assert.notEqual(seen.ended, seen.during);
    // What appears then is of that moment: no file is of an entry's.
    const known = new Set(seen.before.split('\n'));
    const written = seen.ended.split('\n').filter((file) => !known.has(file));
    for (const file of written) assert.ok(Number(file.split(' ')[1]) >= lastAnsweredMs, file);
  });

  test('nothing public and nothing in the store confirms a guess of a number', async () => {
    const needles = new Map<string, string>();
    const guess = (what: string, bytes: Uint8Array) => {
      // As bytes, and as every text that a hash is written in.
      const short = bytes.subarray(0, 16);
      for (const form of [short, utf8(hex(short)), utf8(base64(bytes).slice(0, 20))]) {
        needles.set(Buffer.from(form).toString('latin1'), what);
      }
    };
    for (const serial of CANDIDATES) {
      for (const [type, value] of identifiersOf(serial)) {
        needles.set(value, `the number ${serial}`);
        for (const [name, hash] of guessesOf(type, value)) guess(`${name} of ${serial}`, hash);
      }
    }
    for (const statement of her) {
      const body = canonicalBytes(statement as unknown as Json);
      for (const nonce of [new Uint8Array(0), ZEROS]) {
        const commitment = sha256(utf8('amanat/v1 statement\n'), nonce, body);
        guess('a commitment without its nonce', commitment);
        const leaf = encodePersonalLeaf(leafOf(statement, commitment));
        guess('a leaf without its nonce', leafHash(leaf));
      }
    }
    for (const csv of Object.values(csvs)) {
      const upload = await framesOf(csv);
      for (const salt of [new Uint8Array(0), ZEROS.subarray(16), ZEROS]) {
        guess('an import’s commitment without its salt', sha256(salt, upload));
      }
    }
    assert.ok(digests.length >= 4 * HELD.length);
    for (const digest of digests) {
      guess('a row’s digest without its key', digest);
      guess('the same under a key of nothing', hmac(ZEROS, digest));
    }
    assert.deepEqual(findIn(publicFiles(), needles), []);
    assert.deepEqual(findIn(stolenFiles(), needles), []);
  });

  test('what is there is found by the same search', () => {
    const [commitment = ''] = commitments;
    const [index = 0] = hers;
    const needles = new Map([
      [base64(Buffer.from(commitment, 'hex')).slice(0, 20), 'a commitment'],
      [Buffer.from(leafHash(leaves[index] as Uint8Array)).toString('latin1'), 'a leaf’s hash'],
      ['"type":"import-begun"', 'an import'],
    ]);
    for (const files of [publicFiles(), stolenFiles()]) {
      assert.deepEqual(findIn(files, needles), ['a commitment', 'a leaf’s hash', 'an import']);
    }
  });
});

/** Passes the keeper's messages on, and notes what each drawn row is told by. */
function noting(digests: Uint8Array[]): (real: KeeperPort) => KeeperPort {
  return (real) => ({
    ask: (name, body, attachment) => {
      if (name === 'draw') {
        const { rows } = body as Messages['draw']['ask'];
        const asked = unpackDrawRows(Buffer.from(attachment ?? []), rows);
        for (const { recordKey, digest } of asked) digests.push(recordKey, digest);
      }
      return real.ask(name, body, attachment);
    },
  });
}

/** What identifies a person of this serial. */
function identifiersOf(serial: number): readonly (readonly [string, string])[] {
  return [
    ['cnic', cnicOf(serial)],
    ['msisdn', `+92398${String(serial).padStart(7, '0')}`],
  ];
}

/** Every hash of an identifier that somebody without keys, salts and nonces can compute. */
function guessesOf(type: string, value: string): readonly (readonly [string, Uint8Array])[] {
  const names = [
    utf8(value),
    encodeNames(value),
    encodeNames(type, value),
    encodeNames('demo-telecom', type, value),
    encodeNames('demo-border', type, value),
    canonicalBytes({ type, value }),
    canonicalBytes({ salt: '', type, value }),
    canonicalBytes({ salt: '00'.repeat(16), type, value }),
  ];
  return names.flatMap((name) => [
    ['a hash', sha256(name)] as const,
    ['a selectors’ root without salt', leafHash(name)] as const,
    ['a subject’s id without key', hmac(new Uint8Array(0), name)] as const,
    ['a subject’s id under a key of nothing', hmac(ZEROS, name)] as const,
  ]);
}

/** What of the needles (latin1) is anywhere in the files, in order of name; each once. */
function findIn(
  files: readonly { readonly bytes: Buffer }[],
  needles: ReadonlyMap<string, string>,
): readonly string[] {
  // By their ends: the numbers of a range begin alike.
  const ends = Map.groupBy(needles.keys(), (needle) =>
    Buffer.from(needle.slice(-WINDOW_BYTES), 'latin1').readUIntBE(0, WINDOW_BYTES),
  );
  const found = new Set<string>();
  for (const { bytes } of files) {
    for (let end = WINDOW_BYTES; end <= bytes.length; end++) {
      for (const needle of ends.get(bytes.readUIntBE(end - WINDOW_BYTES, WINDOW_BYTES)) ?? []) {
        const from = end - needle.length;
        if (from < 0 || bytes.toString('latin1', from, end) !== needle) continue;
        found.add(needles.get(needle) ?? '');
      }
    }
  }
  return [...found].toSorted();
}

function sha256(...parts: readonly Uint8Array[]): Uint8Array {
  return createHash('sha256')
    .update(concat(...parts))
    .digest();
}

function hmac(key: Uint8Array, message: Uint8Array): Uint8Array {
  return createHmac('sha256', key).update(message).digest();
}

/** How many bits differ. */
function distance(a: Uint8Array, b: Uint8Array): number {
  let bits = 0;
  for (const [at, byte] of a.entries()) {
    for (let rest = byte ^ (b[at] as number); rest > 0; rest >>= 1) bits += rest & 1;
  }
  return bits;
}

async function framesOf(csv: string): Promise<Uint8Array> {
  const content = utf8(csv);
  const frames: Uint8Array[] = [];
  for await (const frame of encodeFrames([
    { name: 'rows.csv', size: content.length, content: [content] },
  ])) {
    frames.push(frame);
  }
  return concat(...frames);
}

/** Every file's name, time and content. */
function stateOf(folder: string): string {
  return filesOf(folder)
    .map(({ path, bytes }) => `${path} ${statSync(path).mtimeMs} ${hex(sha256(bytes))}`)
    .toSorted()
    .join('\n');
}

function readLeaves(path: string): readonly Uint8Array[] {
  const database = new DatabaseSync(path, { readOnly: true });
  const rows = database.prepare('SELECT bytes FROM leaves ORDER BY idx').all();
  database.close();
  return rows.map(({ bytes }) => bytes as Uint8Array);
}
