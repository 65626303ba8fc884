import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { after, before, test } from 'node:test';
import { base64, fromHex, hex } from '@amanat/core/bytes';
import type { DocumentOf } from '@amanat/core/grants';
import { writeDocument } from '@amanat/core/grants';
import { generateCosigningKey } from '@amanat/core/keys';
import {
  CompactRange,
  chainStart,
  consistencyProof,
  encodePersonalLeaf,
  formatVerifierKey,
  leafHash,
  nextChainHash,
  TILE_HEIGHT,
  tilePath,
  tilesForSize,
} from '@amanat/core/log';
import type { VerifiedChain } from '@amanat/core/verify';
import { verifyBundle } from '@amanat/core/verify';
import type { LookUp } from '@amanat/keeper/client';
import { splitPrepared } from '@amanat/keeper/client';
import { auditTerms } from '../packages/server/audit/_log.ts';
import type { AuditReport } from '../packages/server/audit/audit.ts';
import { auditLog } from '../packages/server/audit/audit.ts';
import { LogKeys } from '../packages/server/log/keys.ts';
import type { NewLeaf } from '../packages/server/log/log.ts';
import { Publisher } from '../packages/server/log/publisher.ts';
import type { StoredNode } from '../packages/server/log/store.ts';
import { createSqliteLogStore } from '../packages/server/log/store-sqlite.ts';
import { storeTiles } from '../packages/server/log/tree.ts';
import { openDatabase, openDatabaseForReading } from '../packages/server/storage/sqlite.ts';
import {
  createSqliteWitnessStore,
  createWitnessTables,
} from '../packages/server/witness/store-sqlite.ts';
import { Witness } from '../packages/server/witness/witness.ts';
import { chances } from './_chances.ts';
import { ORIGIN } from './_instance.ts';
import type { Copy, Entries, Notice, Part, Person } from './_specimen.ts';
import { dumpOf, Specimen } from './_specimen.ts';

/**
 * Everything that is kept is tampered with, piece by piece: whatever is changed is noticed by somebody, or is shown to
 * change nothing, or stands among the limits that docs/reliability.md names. Nothing else is let by.
 */
/** Of which parts each byte is flipped, not a sample of them: `EACH_BYTE=store,keeper,log,proof`. */
const EACH_BYTE: readonly string[] = (process.env.EACH_BYTE ?? '').split(',').filter(Boolean);
const SEED = 20261125;
const STORE_FLIPS = 500;
const KEEPER_FLIPS = 300;
/** Of SQLite's file format: the page size, and a page that holds rows. */
const PAGE_BYTES = 4096;
const TABLE_LEAF = 13;
/** In each of the log's files. */
const LOG_FLIPS = 60;
const PROOF_FLIPS = 300;
/** Of a long row that was chosen, every so-and-so-many-th byte. */
const STEP = 8;

/** Who notices; or that nothing is changed by it; or that it is a limit. In the order of the document's columns. */
const COLUMNS = [
  'verify',
  'audit',
  'keeper',
  'gateway',
  'officer',
  'person',
  'saved proof',
  'evidence',
  'witness',
  'harmless',
  'limit',
] as const satisfies readonly (Notice['by'] | 'witness' | 'harmless' | 'limit')[];
type Column = (typeof COLUMNS)[number];
interface Judged {
  readonly column: Column | 'unnoticed';
  readonly what: string;
}
/** What is done, who notices, and the SQL that does it. */
type Case = readonly [what: string, by: Column, sql: readonly string[]];

/** What of the store may change without anybody's noticing, and what hangs on it. */
const STORE_LIMITS: readonly string[] = [
  'custody_announcements.',
  'custody_imports.chain',
  'custody_imports.created',
  'custody_imports.encoding',
  'custody_imports.mapping',
  'custody_imports.reject_bytes',
  'custody_imports.sheet',
  'custody_imports.token_hash',
  'log_state.',
  'public_leaves.time',
];
/** What of a saved proof nobody signed: which look-ups were never answered, who is protected, which chain is a number's. */
const PROOF_LIMITS: readonly string[] = ['unsigned'];
const NONE: readonly string[] = [];

const tally = new Map<string, Map<Column, number>>();
let specimen: Specimen;
let answers: string;
const dumps = {
  store: new Map<string, readonly string[]>(),
  keeper: new Map<string, readonly string[]>(),
};

before(async () => {
  specimen = await Specimen.make();
  specimen.put(specimen.now);
  for (const part of ['store', 'keeper'] as const) {
    const dump = dumpOf(pathOf(part));
    assert.ok(dump !== null);
    dumps[part] = dump as typeof dumps.store;
  }
  assert.equal(await specimen.verify(), null);
  assert.equal(await specimen.askStore(), null);
  const tried = await specimen.try();
  assert.ok(tried.notice === null);
  answers = tried.answers;
});

after(() => specimen?.[Symbol.dispose]());

function pathOf(part: Exclude<Part, 'public'>): string {
  return part === 'store' ? specimen.paths.database : specimen.keeperPath;
}

/** What was let by, and is none of the limits. */
const unnoticed: string[] = [];

/** Counts what came of one tampering. */
function note(kind: string, { column, what }: Judged, limits: readonly string[]): void {
  if (column === 'limit' || column === 'unnoticed') {
    const unknown = what
      .split(' ')
      .filter((each) => !limits.some((limit) => each.startsWith(limit)));
    unnoticed.push(...unknown.map((each) => `${kind}: ${each}`));
  }
  if (column !== 'unnoticed') count(kind, column);
}

function count(kind: string, column: Column): void {
  const row = tally.get(kind) ?? new Map<Column, number>();
  row.set(column, (row.get(column) ?? 0) + 1);
  tally.set(kind, row);
}

/** So many places of a part, spread evenly, so that every page has its share; or every one. */
function* placesIn(
  part: 'store' | 'keeper' | 'log' | 'proof',
  length: number,
  wanted: number,
): Generator<{ at: number; mask: number }> {
  const chance = chances(SEED);
  const isEach = EACH_BYTE.includes(part);
  const count = isEach ? length : Math.min(length, wanted);
  for (let nth = 0; nth < count; nth++) {
    const at = isEach ? nth : Math.floor(((nth + chance()) * length) / count);
    yield { at, mask: 1 << Math.floor(chance() * 8) };
  }
}

/** Columns of the tables in which two dumps differ. */
function differing(
  was: ReadonlyMap<string, readonly string[]>,
  is: ReadonlyMap<string, readonly string[]>,
): string[] {
  const found = new Set<string>();
  for (const table of new Set([...was.keys(), ...is.keys()])) {
    const [old, fresh] = [was.get(table) ?? [], is.get(table) ?? []];
    const gone = old.filter((row) => !fresh.includes(row)).map((row) => JSON.parse(row));
    const come = fresh.filter((row) => !old.includes(row)).map((row) => JSON.parse(row));
    if (gone.length !== come.length) found.add(`${table}.rows`);
    for (const [at, row] of gone.entries()) {
      for (const column of Object.keys(row)) {
        if (row[column] !== come[at]?.[column]) found.add(`${table}.${column}`);
      }
    }
  }
  return [...found];
}

function isSame(was: ReadonlyMap<string, readonly string[]>, is: typeof was): boolean {
  return (
    was.size === is.size &&
    [...was].every(([name, rows]) => rows.join('\n') === is.get(name)?.join('\n'))
  );
}

async function judge(part: 'store' | 'keeper', isQuick = false): Promise<Judged> {
  const dump = dumpOf(pathOf(part));
  const same = dump !== null && isSame(dumps[part], dump);
  if (part === 'store' && !(same && isQuick)) {
    const found = await specimen.verify();
    if (found !== null) return { column: found.by, what: found.what };
  }
  if (part === 'store') {
    const found = await specimen.askStore();
    if (found !== null) return { column: found.by, what: found.what };
  } else if (same) {
    const keeper = await specimen.openKeeper();
    if ('by' in keeper) return { column: 'keeper', what: keeper.what };
    keeper.close();
    specimen.spoiled('keeper');
  }
  if (same) return { column: 'harmless', what: 'the same' };
  const tried = await specimen.try();
  if (tried.notice !== null) return { column: tried.notice.by, what: tried.notice.what };
  const columns = dump === null ? 'unreadable' : differing(dumps[part], dump).join(' ');
  return { column: 'limit', what: columns };
}

test('a byte of the store is flipped', async () => {
  const kind = 'a byte of the store';
  let nth = 0;
  for (const { at, mask } of placesIn('store', specimen.now.store.length, STORE_FLIPS)) {
    specimen.putFlipped('store', at, mask);
    // What is the same is verified all the same, now and then.
    note(kind, await judge('store', nth++ % 8 !== 0), STORE_LIMITS);
  }
});

test('bytes of a leaf, of a ciphertext and of a sealed statement in the store are flipped', async () => {
  const { store } = specimen.now;
  for (const [kind, step, sql] of [
    ['each byte of a leaf', 1, 'SELECT bytes FROM leaves WHERE idx = 40'],
    [
      'every eighth byte of a ciphertext',
      STEP,
      'SELECT bytes FROM custody_ciphertexts WHERE id = 1',
    ],
    [
      'every eighth byte of a sealed statement',
      STEP,
      'SELECT body AS bytes FROM bodies ORDER BY idx DESC LIMIT 1',
    ],
  ] as const) {
    const bytes = specimen.read('store', sql)?.bytes as Uint8Array;
    const from = store.indexOf(bytes);
    assert.ok(from > 0, kind);
    for (let at = 0; at < bytes.length; at += step) {
      specimen.putFlipped('store', from + at, 1);
      note(kind, await judge('store'), NONE);
    }
  }
});

test('the last row of a table is made its first: no scan goes on for ever', async () => {
  const { store } = specimen.now;
  const sql = "SELECT rootpage FROM sqlite_schema WHERE name = 'custody_ciphertexts'";
  const page = (Number(specimen.read('store', sql)?.rootpage) - 1) * PAGE_BYTES;
  assert.equal(store[page], TABLE_LEAF);
  const cells = store.readUInt16BE(page + 3);
  const last = page + store.readUInt16BE(page + 8 + 2 * (cells - 1));
  // A length of two bytes, and the row's id.
  const at = last + 2;
  assert.equal(store[at], cells);
  specimen.putFlipped('store', at, cells);
  note('the last row of a table made its first', await judge('store'), NONE);
});

test('a byte of keeper.db is flipped', async () => {
  for (const { at, mask } of placesIn('keeper', specimen.now.keeper.length, KEEPER_FLIPS)) {
    specimen.putFlipped('keeper', at, mask);
    note('a byte of keeper.db', await judge('keeper'), NONE);
  }
});

test('each byte of her chain in keeper.db is flipped', async () => {
  const [person] = specimen.people;
  const subject = subjectOf(person as Person);
  const { chain } =
    specimen.read('keeper', `SELECT chain FROM subjects WHERE subject = X'${subject}'`) ?? {};
  const from = specimen.now.keeper.indexOf(chain as Uint8Array);
  for (let at = 0; at < 32; at++) {
    specimen.putFlipped('keeper', from + at, 1);
    note('each byte of her chain in keeper.db', await judge('keeper'), NONE);
  }
});

function audit(directory: string, statePath: string | null = null): Promise<AuditReport> {
  return auditLog(auditTerms({ directory }, specimen.logKey.note, { statePath }));
}

test('a byte of the log’s files is flipped', async () => {
  specimen.put(specimen.now);
  const size = Number(specimen.now.public.get('checkpoint')?.toString().split('\n')[1]);
  const tiles = [...tilesForSize(size)];
  const bundles = tiles.filter(({ level }) => level === 0);
  const files = [
    'checkpoint',
    ...tiles.map((tile) => tilePath(tile)),
    ...bundles.map((tile) => tilePath({ ...tile, level: 'entries' })),
  ];
  for (const file of files) {
    const bytes = specimen.now.public.get(file) as Buffer;
    const path = join(specimen.paths.public, file);
    // The shortest are flipped whole.
    for (const { at, mask } of placesIn('log', bytes.length, LOG_FLIPS)) {
      const spoiled = Buffer.from(bytes);
      spoiled[at] = (spoiled[at] ?? 0) ^ mask;
      writeFileSync(path, spoiled);
      const { findings } = await audit(specimen.paths.public);
      const [found] = findings;
      note(
        'a byte of the log’s files',
        { column: found === undefined ? 'unnoticed' : 'audit', what: file },
        NONE,
      );
    }
    writeFileSync(path, bytes);
  }
});

test('a byte of a saved proof is flipped', async () => {
  const { proof } = specimen.people[0] as Person;
  const bytes = Buffer.from(proof);
  const told = await toldBy(proof);
  assert.ok(told?.verified);
  for (const { at, mask } of placesIn('proof', bytes.length, PROOF_FLIPS)) {
    const spoiled = Buffer.from(bytes);
    spoiled[at] = (spoiled[at] ?? 0) ^ mask;
    const found = await toldBy(spoiled.toString());
    const column =
      found?.verified !== true ? 'person' : found.said === told.said ? 'harmless' : 'limit';
    note('a byte of a saved proof', { column, what: 'unsigned' }, PROOF_LIMITS);
  }
});

/** Whether a saved proof verifies under the keys known from elsewhere, and all that it then says. */
async function toldBy(file: string): Promise<{ verified: boolean; said: string } | null> {
  try {
    const { verified, chains, checkpoint } = await verifyBundle(file, specimen.keys, Date.now());
    return { verified, said: JSON.stringify([chains, checkpoint]) };
  } catch {
    return null;
  }
}

/** Swaps one column's values between two rows. */
function swap(table: string, column: string, one: string, other: string): string[] {
  const value = (where: string) => `(SELECT ${column} FROM was WHERE ${where})`;
  return [
    `CREATE TEMP TABLE was AS SELECT * FROM ${table}`,
    `UPDATE ${table} SET ${column} = CASE WHEN ${one} THEN ${value(other)} ELSE ${value(one)} END
      WHERE (${one}) OR (${other})`,
  ];
}

/** Swaps the keys of two rows, which are unique, by way of a third. */
function swapKeys(
  table: string,
  key: string,
  one: string | number,
  other: string | number,
  away: string | number,
) {
  const move = (from: string | number, to: string | number) =>
    `UPDATE ${table} SET ${key} = ${to} WHERE ${key} = ${from}`;
  return [move(one, away), move(other, one), move(away, other)];
}

test('rows of the store are changed', async () => {
  const [one, two] = specimen.people as [Person, Person];
  const [a, b] = [`X'${subjectOf(one)}'`, `X'${subjectOf(two)}'`];
  const [index, other] = [indexOf(one, 1), indexOf(two, 1)];
  const body = { one: `idx = ${index}`, other: `idx = ${other}` };
  const cases: readonly Case[] = [
    ['two leaves swapped', 'verify', swapKeys('leaves', 'idx', index, other, -1)],
    [
      'a leaf dated back an hour',
      'verify',
      [
        `UPDATE leaves SET bytes = CAST(replace(CAST(bytes AS TEXT), 'Z ', 'X ') AS BLOB) WHERE idx = ${index}`,
      ],
    ],
    [
      'the last leaf dropped',
      'verify',
      ['DELETE FROM leaves WHERE idx = (SELECT max(idx) FROM leaves)'],
    ],
    [
      'a leaf duplicated at the end',
      'verify',
      [
        `INSERT INTO leaves SELECT (SELECT max(idx) + 1 FROM leaves), bytes FROM leaves WHERE idx = ${index}`,
      ],
    ],
    ['two sealed statements swapped', 'person', swap('bodies', 'body', body.one, body.other)],
    [
      'two entries’ places swapped between people',
      'person',
      swap('entries', 'idx', `subject = ${a} AND number = 1`, `subject = ${b} AND number = 1`),
    ],
    [
      'two entries’ places swapped on one chain',
      'person',
      swap('entries', 'idx', `subject = ${a} AND number = 1`, `subject = ${a} AND number = 2`),
    ],
    ['an entry dropped', 'person', [`DELETE FROM entries WHERE subject = ${a} AND number = 2`]],
    [
      'an entry given to another person',
      'person',
      [`UPDATE entries SET subject = X'00' WHERE subject = ${a} AND number = 2`],
    ],
    ['a sealed statement dropped', 'person', [`DELETE FROM bodies WHERE idx = ${index}`]],
    ['two evidences swapped', 'evidence', swap('bodies', 'evidence', body.one, body.other)],
    ['two ciphertexts swapped', 'verify', swap('custody_ciphertexts', 'bytes', 'id = 1', 'id = 2')],
    ['a ciphertext dropped', 'verify', ['DELETE FROM custody_ciphertexts WHERE id = 1']],
    [
      'a record dropped from the index',
      'verify',
      ['DELETE FROM custody_records WHERE ciphertexts = 1'],
    ],
    [
      'a record given to another person',
      'verify',
      [`UPDATE custody_records SET subject = ${b} WHERE subject = ${a} AND holding = 1`],
    ],
    [
      'a record given to nobody',
      'verify',
      [`UPDATE custody_records SET subject = X'00' WHERE subject = ${a} AND holding = 1`],
    ],
    [
      'a record’s month of expiry changed',
      'verify',
      ['UPDATE custody_ciphertexts SET expiry_month = expiry_month + 1'],
    ],
    [
      'an import shown as unfinished',
      'verify',
      ["UPDATE custody_imports SET state = 'open' WHERE idx = 15"],
    ],
    [
      'a record’s digest changed',
      'verify',
      ['UPDATE custody_ciphertexts SET digest = zeroblob(16)'],
    ],
    ['announcements forgotten', 'limit', ['DELETE FROM custody_announcements']],
    ['an import’s importer changed', 'verify', ["UPDATE custody_imports SET importer = 'nobody'"]],
    [
      'an import’s groups renamed',
      'verify',
      ["UPDATE custody_imports SET layout = replace(layout, 'identity', 'identitz')"],
    ],
    [
      'a public entry dated back',
      'limit',
      ['UPDATE public_leaves SET time = time - 1 WHERE idx = 14'],
    ],
    ['a public entry taken for a person’s', 'verify', ['DELETE FROM public_leaves WHERE idx = 14']],
    ['a node of the tree changed', 'gateway', ['UPDATE nodes SET hash = zeroblob(32)']],
    [
      'how far the keeper followed set back',
      'limit',
      ["UPDATE log_state SET value = 1 WHERE name = 'followed'"],
    ],
    [
      'a trigger added to the schema of the store',
      'verify',
      ['CREATE TRIGGER t AFTER INSERT ON entries BEGIN DELETE FROM entries; END'],
    ],
    [
      'a table of the store named otherwise',
      'verify',
      ['ALTER TABLE entries RENAME TO was', 'ALTER TABLE was RENAME TO Entries'],
    ],
  ];
  await tryCases('rows of the store', 'store', cases);
});

test('rows of keeper.db are changed', async () => {
  const [one, two] = specimen.people as [Person, Person];
  const [a, b] = [`subject = X'${subjectOf(one)}'`, `subject = X'${subjectOf(two)}'`];
  const chain = one.seen.chains[0] as VerifiedChain;
  const before = chain.entries
    .slice(0, -1)
    .reduce<Uint8Array>(
      (hash, { index, leafHash }) => nextChainHash(hash, index, fromHex(leafHash ?? '')),
      chainStart(fromHex(chain.subject)),
    );
  const officer = specimen.instance.key('officer').public.id;
  const certificate = (specimen.read(
    'keeper',
    `SELECT idx FROM documents WHERE document LIKE '%"person":"p-1"%officer%'`,
  )?.idx ?? 0) as number;
  const cases: readonly (readonly [what: string, sql: readonly string[]])[] = [
    ['two people’s slots swapped', swap('subjects', 'subject_slot', a, b)],
    ['two people’s view slots swapped', swap('subjects', 'view_slot', a, b)],
    [
      'the slots of two period keys swapped',
      swap('periods', 'slot', "holding LIKE 's%'", "holding LIKE 't%'"),
    ],
    [
      'two wrapped keys swapped',
      swap(
        'slots',
        'wrapped',
        `slot = (SELECT subject_slot FROM subjects WHERE ${a})`,
        `slot = (SELECT subject_slot FROM subjects WHERE ${b})`,
      ),
    ],
    [
      'two wrapped secrets swapped',
      swap(
        'secrets',
        'wrapped',
        "name LIKE 'index/demo-telecom/cnic'",
        "name LIKE 'index/demo-border/cnic'",
      ),
    ],
    [
      'an index key renamed',
      [
        "UPDATE secrets SET name = 'index/demo-telecom/none' WHERE name = 'index/demo-telecom/cnic'",
      ],
    ],
    ['an index key dropped', ["DELETE FROM secrets WHERE name = 'index/demo-telecom/cnic'"]],
    ['two people’s chains swapped', swap('subjects', 'chain', a, b)],
    ['a number set back', [`UPDATE subjects SET number = number - 1 WHERE ${a}`]],
    [
      'a number and its chain set back',
      [`UPDATE subjects SET number = number - 1, chain = X'${hex(before)}' WHERE ${a}`],
    ],
    ['a subject’s row dropped', [`DELETE FROM subjects WHERE ${a}`]],
    [
      'two people’s codes swapped',
      [...swap('codes', 'lookup', a, b)].flatMap((sql, at) =>
        at === 0
          ? [sql, `DELETE FROM codes WHERE ${a} OR ${b}`]
          : [
              `INSERT INTO codes SELECT CASE WHEN ${a} THEN X'${subjectOf(two)}' ELSE X'${subjectOf(one)}' END, lookup FROM was WHERE ${a} OR ${b}`,
            ],
      ),
    ],
    ['a code dropped', [`DELETE FROM codes WHERE ${a}`]],
    ['people’s rows dropped', ['DELETE FROM people']],
    [
      'a protection ended',
      ['UPDATE subjects SET protected = 0', 'UPDATE people SET protected = 0'],
    ],
    ['spent requests forgotten', ['DELETE FROM spent', 'DELETE FROM spent_hashes']],
    ['budgets set back', ['DELETE FROM used']],
    ['open look-ups forgotten', ['DELETE FROM look_ups']],
    ['what an import has drawn set back', ['UPDATE imports SET drawn = 0']],
    [
      'an entry said not to be delivered',
      [`INSERT INTO undelivered VALUES (X'${subjectOf(one)}', 1)`],
    ],
    [
      'a number bound to another person',
      ['UPDATE bindings SET subject = (SELECT max(subject) FROM bindings)'],
    ],
    ['an officer’s certificate dropped', [`DELETE FROM documents WHERE idx = ${certificate}`]],
    [
      'an officer’s certificate altered',
      [
        `UPDATE documents SET document = replace(document, '900000', '900001') WHERE idx = ${certificate}`,
      ],
    ],
    ['two public documents reordered', swapKeys('documents', 'idx', 0, certificate, -1)],
    [
      'a public document dated back',
      [`UPDATE documents SET time = time - 1 WHERE idx = ${certificate}`],
    ],
    ['a suspension made up', [`INSERT INTO suspended VALUES ('${officer}', 1)`]],
    [
      'the tree that was followed set back',
      ['UPDATE meta SET value = \'{"size":0,"hashes":[]}\' WHERE name = \'range\''],
    ],
    [
      'the pinned genesis altered',
      [
        "UPDATE meta SET value = replace(value, 'journey.example', 'journey.exampla') WHERE name = 'genesis'",
      ],
    ],
    [
      'the keeper’s time set ahead',
      ["UPDATE meta SET value = value + 3600000 WHERE name = 'time'"],
    ],
    [
      'a trigger added to the schema',
      ['CREATE TRIGGER t AFTER INSERT ON used BEGIN DELETE FROM used; END'],
    ],
    ['the sum of all rows dropped', ['DELETE FROM row_sum']],
    ['the keeper’s time set back', ["UPDATE meta SET value = 0 WHERE name = 'time'"]],
  ];
  await tryCases(
    'rows of keeper.db',
    'keeper',
    cases.map(([what, sql]) => [what, 'keeper', sql]),
  );
});

test('an old copy is put back', async () => {
  const { now, old } = specimen;
  const kind = 'an old copy put back';
  for (const [parts, by, what] of [
    [['store'], 'gateway', 'store-older-than-keeper'],
    [['keeper'], 'gateway', 'keeper-older-than-log'],
    [['store', 'public'], 'gateway', 'store-older-than-keeper'],
    [['keeper', 'public'], 'gateway', 'keeper-older-than-log'],
    [['public'], 'harmless', ''],
    [['store', 'keeper'], 'saved proof', 'another entry under its number'],
    [['store', 'keeper', 'public'], 'saved proof', 'another entry under its number'],
  ] as const) {
    const copy = { ...now, ...Object.fromEntries(parts.map((part) => [part, old[part]])) };
    specimen.put(copy as Copy);
    const tried = await specimen.try();
    if (tried.notice === null) {
      assert.equal(tried.answers, answers, `${parts}`);
      // What is derived is written anew.
      const again = await specimen.verify();
      assert.equal(again, null);
      count(kind, 'harmless');
      assert.equal(by, 'harmless', `${parts}`);
      continue;
    }
    assert.deepEqual(tried.notice, { by, what }, `${parts}`);
    count(kind, by);
  }
});

test('an old copy of all is noticed by whoever audited the log before', async () => {
  const state = join(specimen.dir, 'audited.json');
  specimen.put(specimen.now);
  assert.deepEqual((await audit(specimen.paths.public, state)).findings, []);
  specimen.put(specimen.old);
  const { findings } = await audit(specimen.paths.public, state);
  assert.deepEqual(
    findings.map(({ code }) => code),
    ['shrunk'],
  );
});

test('an old copy of both is noticed by the gateway once witnesses cosign', async (t) => {
  const kind = 'an old copy put back, with witnesses';
  const witnesses = await Promise.all([0, 1, 2].map((at) => serve(t, witnessOf(t, at))));
  const enter = async <T extends 'witnesses' | 'agency'>(document: DocumentOf<T>) => {
    const opened = await specimen.open({ waits: true });
    assert.ok(!('by' in opened));
    await using parts = opened;
    const signed = specimen.instance.sign(
      writeDocument<T>(document),
      'administrator-1',
      'administrator-2',
    );
    // A cosignature of the second in which the keeper started counts for nobody: then the entry is followed later.
    const entered = await parts.log.appendPublic(signed).catch(() => parts.log.ready());
    assert.ok(entered === undefined || 'index' in entered, JSON.stringify(entered));
  };
  const name = { en: 'one more', ur: 'one more' };
  const contact = { email: 'office@agency.example', phone: null, address: null };
  const agency = { type: 'agency', version: 1, name, contact, subjectsPerDay: 1 } as const;
  specimen.put(specimen.now);
  await enter<'witnesses'>({
    type: 'witnesses',
    version: 1,
    witnesses: witnesses.map(({ key, url }) => ({ key, url })),
    quorum: 2,
    faulty: 0,
    breakGlass: null,
    time: Date.now(),
  });
  await enter<'agency'>({ ...agency, agency: 'one-more', time: Date.now() });
  const older = specimen.copy();
  await enter<'agency'>({ ...agency, agency: 'yet-another', time: Date.now() });
  const newer = specimen.copy();
  for (const [parts, what] of [
    [['store'], 'store-older-than-keeper'],
    [['keeper'], 'keeper-older-than-log'],
    [['store', 'keeper'], 'older-than-witnesses'],
    [['store', 'keeper', 'public'], 'older-than-witnesses'],
  ] as const) {
    const old = Object.fromEntries(parts.map((part) => [part, older[part]]));
    specimen.put({ ...newer, ...old });
    const opened = await specimen.open();
    assert.deepEqual(opened, { by: 'gateway', what }, `${parts}`);
    count(kind, 'gateway');
  }
});

/** A witness behind a server of its own. */
async function serve(t: TestContext, witness: { readonly witness: Witness; readonly key: string }) {
  const server = createServer(async (request, response) => {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    const answer = witness.witness.addCheckpoint(Buffer.concat(chunks));
    if (answer.code === 'cosigned') response.end(answer.lines);
    else if (answer.code === 'other-size') {
      response.writeHead(409, { 'content-type': 'text/x.tlog.size' }).end(`${answer.size}\n`);
    } else response.writeHead(422).end();
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.after(() => {
    server.closeAllConnections();
    server.close();
  });
  const { port } = server.address() as { port: number };
  return { key: witness.key, url: `http://127.0.0.1:${port}/` };
}

test('what she is answered is changed', async () => {
  const [person, other] = specimen.people as [Person, Person];
  const theirs = other.seen.material?.answer.subjects[0]?.entries ?? [];
  const kind = 'an entry of her answer';
  const changes: readonly [string, (entries: Entries) => Entries][] = [
    ['dropped', (entries) => entries.filter(({ number }) => number !== 2)],
    ['the last dropped', (entries) => entries.slice(0, -1)],
    ['duplicated', (entries) => [...entries, entries[1] as Entries[number]]],
    [
      'duplicated in another’s place',
      (entries) =>
        entries.map((each, at) =>
          at === 1
            ? { ...each, index: entries[0]?.index ?? 0, body: entries[0]?.body ?? '' }
            : each,
        ),
    ],
    [
      'reordered',
      (entries) =>
        entries.map((each, at) => ({ ...each, number: at === 0 ? 2 : at === 1 ? 1 : each.number })),
    ],
    [
      'another person’s',
      (entries) =>
        entries.map((each, at) => (at === 1 ? { ...(theirs[1] as Entries[number]) } : each)),
    ],
    [
      'of another leaf',
      (entries) =>
        entries.map((each, at) => (at === 1 ? { ...each, index: each.index - 1 } : each)),
    ],
  ];
  for (const [what, change] of changes) {
    const notice = await specimen.checkAnswer(person, change);
    assert.equal(notice?.by, 'person', what);
    count(kind, 'person');
  }
  assert.equal(await specimen.checkAnswer(person, (entries) => entries), null);
});

test('a leaf that the keeper prepared is dropped, duplicated, reordered or dated back on its way', async () => {
  const kind = 'a leaf on its way to the log';
  specimen.put(specimen.now);
  const opened = await specimen.open();
  assert.ok(!('by' in opened));
  await using parts = opened;
  const { log, keeper } = parts;
  const prepare = async () => {
    const { selectors, ...signed } = specimen.ask();
    const asks = [{ kind: 'request', signed, selectors, approval: null }] as const;
    const { answer } = await keeper.ask('resolve', { asks });
    const [resolved] = answer.asks;
    assert.ok(resolved?.outcome === 'resolved');
    const { id, subject } = resolved.lookUps[0] as LookUp;
    const [found] = parts.custody.recordsOf(
      subject,
      'sim-registrations',
      ['identity', 'number'],
      1,
    );
    assert.ok(found);
    const lookUps = [{ id, records: [found.read], abandoned: false }];
    const written = await keeper.ask('prepare', { lookUps });
    const [prepared] = splitPrepared(written.answer, written.attachment);
    assert.ok(prepared && 'number' in prepared);
    const { number, leaf, body, evidence } = prepared;
    return { bytes: leaf, entry: { lookUp: id, subject, number, body, evidence }, wanted: true };
  };
  const append = async (...leaves: NewLeaf[]) => {
    const appended = await log.append(leaves);
    return appended.map(({ keys }) => keys !== null);
  };
  const dropped = await prepare();
  assert.deepEqual(await append(await prepare()), [false], 'dropped: the next has no turn');
  count(kind, 'keeper');
  const dated = await prepare();
  const earlier = Buffer.from(
    dated.bytes.toString().replace(/T..Z/, (hour) => (hour === 'T00Z' ? 'T01Z' : 'T00Z')),
  );
  assert.deepEqual(await append({ ...dated, bytes: earlier }), [false], 'dated back');
  count(kind, 'keeper');
  const first = await prepare();
  const second = await prepare();
  assert.deepEqual(await append(second, first), [false, false], 'reordered');
  count(kind, 'keeper');
  const twice = await prepare();
  assert.deepEqual(
    await append(twice, { ...twice, entry: { ...twice.entry, lookUp: 900, number: 900 } }),
    [true, false],
    'duplicated',
  );
  count(kind, 'keeper');
  assert.ok(dropped.entry.number > 0);
});

test('a forked log is shown to two', async (t) => {
  const keys = new LogKeys(specimen.paths.log, ORIGIN);
  const database = openDatabaseForReading(specimen.fresh('store'));
  const store = createSqliteLogStore(database);
  const size = store.size();
  const ours = store.leaves(0, size);
  database.close();
  const other = (at: number) =>
    ours.map((leaf, index) =>
      index === at
        ? encodePersonalLeaf({
            kind: 'person',
            hour: '2026-11-23T09Z',
            commitment: randomBytes(32),
          })
        : leaf,
    );
  const [one] = specimen.people as [Person];
  // The other tree hides a look-up of hers.
  const theirs = other(indexOf(one, 1));
  const log = (leaves: readonly Uint8Array[]) =>
    publish(join(specimen.dir, `fork-${randomBytes(4).toString('hex')}`), leaves, keys);
  const a = await log(ours);
  const b = await log(theirs);
  const longer = await log([...theirs, ours[40] as Uint8Array]);
  const shorter = await log(theirs.slice(0, -1));
  const kind = 'a forked log';
  const codes = ({ findings }: AuditReport) => findings.map(({ code }) => code);

  await t.test('one auditor is shown both', async () => {
    for (const [shown, found] of [
      [b, 'fork'],
      [longer, 'fork'],
      [shorter, 'shrunk'],
    ] as const) {
      const state = join(specimen.dir, `state-${randomBytes(4).toString('hex')}`);
      assert.deepEqual(codes(await audit(a.directory, state)), []);
      const report = await audit(shown.directory, state);
      assert.deepEqual(codes(report), [found]);
      assert.ok(report.evidence.length > 0);
      count(kind, 'audit');
    }
  });
  await t.test('two auditors are shown one each: neither notices, until they compare', async () => {
    for (const shown of [b, longer, shorter]) {
      assert.deepEqual(
        codes(await audit(shown.directory, join(specimen.dir, `alone-${shown.size}`))),
        [],
      );
      count(kind, 'limit');
    }
  });
  await t.test('a person holds it against her head', async () => {
    for (const shown of [b, longer, shorter]) {
      const notice = await specimen.checkAgainst(one, shown);
      assert.deepEqual(notice, { by: 'person', what: 'head-checkpoint' });
      count(kind, 'person');
    }
  });
  await t.test('the keeper is shown it', async () => {
    for (const shown of [b, longer, shorter]) {
      specimen.put(specimen.now);
      const keeper = await specimen.openKeeper();
      assert.ok(!('by' in keeper));
      const ask = { checkpoint: shown.checkpoint, leaves: 0, wanted: [] };
      await assert.rejects(keeper.answer('commit', ask, Buffer.alloc(0)), {
        code: 'not-an-extension',
      });
      keeper.close();
      specimen.spoiled('keeper');
      count(kind, 'keeper');
    }
  });
  await t.test('no second tree has a quorum, whoever is asked for it', async () => {
    for (const shown of [b, longer]) {
      const witnesses = [0, 1, 2, 3].map((at) => witnessOf(t, at));
      const asked = (tree: Published, from: readonly number[], known: readonly number[]) =>
        from.filter((at) => {
          const old = known.includes(at) ? a : null;
          const proof = old === null || tree.size === old.size ? [] : tree.proofFromA;
          const body = `old ${old?.size ?? 0}\n${proof.map((hash) => `${base64(hash)}\n`).join('')}\n${tree.checkpoint}`;
          return witnesses[at]?.witness.addCheckpoint(Buffer.from(body)).code === 'cosigned';
        });
      // The first three cosign ours; whatever of the four is asked then, less than three cosign another.
      assert.deepEqual(asked(a, [0, 1, 2], []), [0, 1, 2]);
      assert.deepEqual(asked(shown, [0, 1, 2, 3], [0, 1, 2]), [3]);
      count(kind, 'witness');
    }
  });
});

interface Published {
  readonly directory: string;
  readonly size: number;
  readonly checkpoint: string;
  readonly proofFromA: readonly Uint8Array[];
}

/** Publishes a tree of these leaves under the log's own key, as the log does. */
async function publish(
  directory: string,
  leaves: readonly Uint8Array[],
  keys: LogKeys,
): Promise<Published> {
  mkdirSync(directory, { recursive: true });
  const database = openDatabase(join(directory, 'leaves.db'));
  try {
    const store = createSqliteLogStore(database);
    const range = CompactRange.empty();
    const nodes: StoredNode[] = [];
    for (const leaf of leaves) {
      range.append(leafHash(leaf), (level, index, hash) => {
        if (level > 0 && level % TILE_HEIGHT === 0)
          nodes.push({ level: level / TILE_HEIGHT, index, hash });
      });
    }
    store.append(
      0,
      leaves.map((bytes) => ({ bytes, entry: null, publicTime: null })),
      nodes,
      0,
    );
    const { size } = range;
    const checkpoint = keys.sign({ size, root: range.root() }, []);
    const onFailure = (error: unknown) => assert.fail(String(error));
    const onPublished = () => {};
    const publisher = new Publisher({
      store,
      directory,
      keys,
      intervalSeconds: 600,
      onPublished,
      onFailure,
    });
    publisher.offer({ size, checkpoint });
    await publisher.flush();
    await publisher.close();
    const proofFromA = await consistencyProof(
      storeTiles(store, size),
      Math.min(size, leaves.length - 1),
      size,
    );
    return { directory, size, checkpoint, proofFromA };
  } finally {
    database.close();
  }
}

function witnessOf(
  t: TestContext,
  at: number,
): { readonly witness: Witness; readonly key: string } {
  const database = openDatabase(join(specimen.dir, `witness-${randomBytes(4).toString('hex')}.db`));
  t.after(() => database.close());
  createWitnessTables(database);
  const key = generateCosigningKey('ed25519', `witness.example/${at}`);
  const store = createSqliteWitnessStore(database);
  const logs = [specimen.logKey.note];
  const witness = new Witness({ keys: [key], logs, store, now: Date.now });
  return { witness, key: formatVerifierKey(key.public) };
}

async function tryCases(
  kind: string,
  part: 'store' | 'keeper',
  cases: readonly Case[],
): Promise<void> {
  const wrong: string[] = [];
  for (const [what, by, sql] of cases) {
    specimen.put(specimen.alter(part, ...sql));
    const found = await judge(part);
    if (found.column !== by) wrong.push(`${what}: ${found.column}, by ${found.what}`);
    count(kind, found.column as Column);
  }
  assert.deepEqual(wrong, []);
}

/** Who of them it is at the first controller. */
function subjectOf({ seen }: Person): string {
  return seen.chains[0]?.subject ?? '';
}

/** Where an entry of hers stands in the log, by its number. */
function indexOf({ seen }: Person, number: number): number {
  return seen.chains[0]?.entries[number - 1]?.index ?? -1;
}

/** What was counted, as the document has it. */
function tableRows(): string[] {
  return [...tally].map(([kind, found]) => {
    const counts = COLUMNS.map((column) => found.get(column) ?? 0);
    const tried = counts.reduce((sum, each) => sum + each, 0);
    return `| ${[kind, tried, ...counts.map((each) => (each === 0 ? '' : each))].join(' | ')} |`;
  });
}

test('nothing is let by in silence, and docs/reliability.md counts what was tried', (t) => {
  for (const row of tableRows()) t.diagnostic(row);
  assert.deepEqual(unnoticed, []);
  const document = readFileSync(join(import.meta.dirname, '../docs/reliability.md'), 'utf8');
  const written = document.split('\n').filter((line) => /^\| [a-z].* \| [\d,]+ \|/.test(line));
  const cells = (row: string) => row.split('|').map((each) => each.trim());
  const own = tableRows().map(cells);
  assert.deepEqual(
    written.map((row) => cells(row)[1]),
    own.map(([, kind]) => kind),
  );
  if (EACH_BYTE.length > 0) return;
  for (const [at, row] of written.map(cells).entries()) {
    // An instance's keys are drawn anew in each run: of a sample only its size is always the same.
    const compared = isSample(row[1] ?? '') ? 3 : row.length;
    assert.deepEqual(row.slice(0, compared), own[at]?.slice(0, compared));
  }
});

/** Whether its bytes are chosen by chance among bytes that differ from run to run. */
function isSample(kind: string): boolean {
  return (
    kind === 'a byte of the store' ||
    kind === 'a byte of keeper.db' ||
    kind === 'a byte of a saved proof'
  );
}
