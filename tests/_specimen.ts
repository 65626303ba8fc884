import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { base64, fromHex, hex } from '@amanat/core/bytes';
import type { JsonObject } from '@amanat/core/canonical';
import { Register, writeDocument } from '@amanat/core/grants';
import { deriveRecordKey } from '@amanat/core/keys';
import { encodePublicLeaf } from '@amanat/core/log';
import type { RecordRead } from '@amanat/core/statement';
import type {
  HistoryAnswer,
  InstanceKeys,
  ResourcePosition,
  TileReader,
  Verification,
  ViewSession,
} from '@amanat/core/verify';
import { askForView, makeBundle, tilePath, verifyHistory } from '@amanat/core/verify';
import type { View } from '@amanat/core/view';
import { readHead } from '@amanat/core/view';
import type { KeeperPort } from '@amanat/keeper/client';
import { KeeperRefused, KeeperUnavailable } from '@amanat/keeper/client';
import { openEvidence } from '../packages/keeper/evidence.ts';
import { Keeper } from '../packages/keeper/keeper.ts';
import { KeyRing } from '../packages/keeper/key-ring.ts';
import { passphraseProvider } from '../packages/keeper/providers/passphrase.ts';
import type { Root, RootProvider } from '../packages/keeper/providers/root.ts';
import { Refusal } from '../packages/keeper/refusal.ts';
import { Roots } from '../packages/keeper/roots.ts';
import { KeeperStore } from '../packages/keeper/store.ts';
import { createCitizen } from '../packages/server/citizen/citizen.ts';
import { verifyInstance } from '../packages/server/cli/commands/verify.ts';
import { Progress } from '../packages/server/cli/progress.ts';
import type { SignedRequest } from '../packages/server/cli/requests.ts';
import type { InstancePaths } from '../packages/server/config/paths.ts';
import { instancePaths } from '../packages/server/config/paths.ts';
import type { ImportDeps } from '../packages/server/custody/custody.ts';
import { createCustody } from '../packages/server/custody/custody.ts';
import { SqliteCustodyStore } from '../packages/server/custody/store-sqlite.ts';
import { readRequestBody } from '../packages/server/disclosure/body.ts';
import { createDisclosure } from '../packages/server/disclosure/disclosure.ts';
import type { LogKey } from '../packages/server/log/key.ts';
import { readLogKey } from '../packages/server/log/key.ts';
import { LogKeys } from '../packages/server/log/keys.ts';
import type { LogReason, LogStore } from '../packages/server/log/log.ts';
import { Log } from '../packages/server/log/log.ts';
import { createSqliteLogStore } from '../packages/server/log/store-sqlite.ts';
import { openDatabase, openDatabaseForReading } from '../packages/server/storage/sqlite.ts';
import type { Name } from './_instance.ts';
import { cnicOf, Instance, ORIGIN, PURPOSE, simsCsv, travelCsv } from './_instance.ts';

const HOLDING = 'sim-registrations';
/** Every group of the holdings that are held. */
const GROUPS = {
  'sim-registrations': ['identity', 'address', 'number', 'status'],
  'travel-history': ['identity', 'crossing', 'journey', 'document'],
};
/** Of whom records are held, and who are asked about in every trial. */
const PEOPLE = [1, 2, 3, 4, 5];
/** Who is protected: a request about her takes a second person. */
const PROTECTED = 6;
/** Of whom nothing is held. */
const UNKNOWN = 900;
/** With these the log has a full tile, so that the store keeps nodes of the tree. */
const COUNTED_LEAVES = 230;
const RECORDS_MAX = 10;
const ENTRIES_MAX = 10_000;

/** A chain's entries, as they are answered to her. */
export type Entries = HistoryAnswer['subjects'][number]['entries'];

/** What may be spoiled, by its place in an instance's folder. */
export type Part = 'store' | 'keeper' | 'public';

/** One copy of an instance: the two databases as they stand closed, and the log's files by their paths. */
export interface Copy {
  readonly store: Buffer;
  readonly keeper: Buffer;
  readonly public: ReadonlyMap<string, Buffer>;
}

/** A person who has her code, and what she saved. */
export interface Person {
  readonly cnic: string;
  readonly code: string;
  readonly view: View;
  readonly session: ViewSession;
  readonly seen: Verification;
  /** The file that she keeps. */
  readonly proof: string;
}

/** A record that is held, and the keys of all its groups, as the keeper would derive them. */
interface HeldRecord {
  readonly subject: string;
  readonly read: RecordRead;
  readonly keys: readonly Buffer[];
}

/** Who notices, and by what. */
export interface Notice {
  readonly by:
    | 'verify'
    | 'audit'
    | 'keeper'
    | 'gateway'
    | 'officer'
    | 'person'
    | 'saved proof'
    | 'evidence';
  readonly what: string;
}

/** A trial of a whole instance: what was noticed first, else all that it answered. */
export type Tried =
  | { readonly notice: Notice }
  | { readonly notice: null; readonly answers: string };

/**
 * An instance with a little of everything, closed, as bytes: made by the real keeper and the real log, and put into a
 * folder in memory to be spoiled, copy after copy.
 */
export class Specimen implements Disposable {
  readonly dir: string;
  readonly paths: InstancePaths;
  readonly instance: Instance;
  readonly now: Copy;
  /** The same instance some entries earlier. */
  readonly old: Copy;
  readonly people: readonly Person[];
  /** What one of them had saved when the instance was as old as the old copy. */
  readonly keys: InstanceKeys;
  readonly logKey: LogKey;
  readonly root: RootProvider;
  #records: readonly HeldRecord[] = [];
  readonly #sequence: number;
  #evidence: readonly {
    readonly index: number;
    readonly open: (sealed: Uint8Array) => void;
  }[] = [];
  #written: Partial<Record<Part, unknown>> = {};
  /** By a person's CNIC, the answer that was checked last and was found true: checking it again would say the same. */
  readonly #foundTrue = new Map<string, string>();

  private constructor(made: Made) {
    this.instance = made.instance;
    this.now = made.now;
    this.old = made.old;
    this.people = made.people;
    this.keys = made.keys;
    this.#sequence = made.sequence;
    const memory = existsSync('/dev/shm') ? '/dev/shm' : tmpdir();
    this.dir = mkdtempSync(join(memory, 'amanat-tamper-'));
    cpSync(made.instance.dir, this.dir, {
      recursive: true,
      filter: (path) => !path.endsWith('.sock'),
    });
    this.paths = instancePaths(this.dir);
    this.logKey = readLogKey(this.paths.log, ORIGIN);
    const passphrase = readFileSync(this.paths.passphrase);
    // Stretched once: it is the same for every copy.
    let unlocked: Promise<Root> | null = null;
    const provider = passphraseProvider(() => Buffer.from(passphrase));
    this.root = {
      unlock: (place) => {
        unlocked ??= provider.unlock(place);
        return unlocked;
      },
    };
  }

  static async make(): Promise<Specimen> {
    const instance = await Instance.create();
    try {
      const specimen = new Specimen(await make(instance));
      const { evidence, records } = await specimen.#openedByKeeper();
      specimen.#evidence = evidence;
      specimen.#records = records;
      return specimen;
    } catch (error) {
      await instance[Symbol.asyncDispose]();
      throw error;
    }
  }

  get keeperPath(): string {
    return join(this.paths.keeper, 'keeper.db');
  }

  /** Puts a copy's parts into the folder, those that are not there already as they are. */
  put(copy: Copy): void {
    if (this.#written.store !== copy.store) this.#putDatabase(this.paths.database, copy.store);
    if (this.#written.keeper !== copy.keeper) this.#putDatabase(this.keeperPath, copy.keeper);
    if (this.#written.public !== copy.public) {
      rmSync(this.paths.public, { recursive: true, force: true });
      for (const [path, bytes] of copy.public) {
        mkdirSync(dirname(join(this.paths.public, path)), { recursive: true });
        writeFileSync(join(this.paths.public, path), bytes);
      }
    }
    this.#written = { ...copy };
  }

  /** Says that these may no longer be what was put. */
  spoiled(...parts: readonly Part[]): void {
    for (const part of parts) this.#written[part] = null;
  }

  /** The present copy but for what is changed in one of its databases by SQL, its journal written back. */
  alter(part: 'store' | 'keeper', ...sql: readonly string[]): Copy {
    const path = join(this.dir, 'altered.db');
    this.#putDatabase(path, this.now[part]);
    const database = new DatabaseSync(path);
    for (const each of sql) database.exec(each);
    database.exec('PRAGMA wal_checkpoint(TRUNCATE)');
    database.close();
    return { ...this.now, [part]: readFileSync(path) };
  }

  /** One row of a database of the present copy. */
  read(part: 'store' | 'keeper', sql: string): Record<string, unknown> | undefined {
    const database = new DatabaseSync(this.fresh(part), { readOnly: true });
    try {
      return database.prepare(sql).get();
    } finally {
      database.close();
    }
  }

  /** The path of a database of the present copy, beside those that are spoiled. */
  fresh(part: 'store' | 'keeper'): string {
    const path = join(this.dir, `fresh-${part}.db`);
    this.#putDatabase(path, this.now[part]);
    return path;
  }

  /** One more request of the officer's. */
  ask(): SignedRequest {
    return this.instance.request('officer', [cnicOf(1)]);
  }

  /** Her check of her present view against a log that she is shown. */
  async checkAgainst(
    person: Person,
    { directory, checkpoint }: { readonly directory: string; readonly checkpoint: string },
  ): Promise<Notice | null> {
    const { seen } = person;
    const answer = { view: 'x', checkpoint, subjects: seen.material?.answer.subjects ?? [] };
    const tiles = {
      readTile: async (tile: ResourcePosition) => readFileSync(join(directory, tilePath(tile))),
    };
    return noticeOf(await this.#verifyAnswer(person, answer, tiles));
  }

  /** `amanat verify`. */
  async verify(): Promise<Notice | null> {
    const progress = () =>
      new Progress({ write: () => true }, { label: '', unit: 'leaves', now: Date.now });
    try {
      const pinned = { logKey: this.logKey.verifierKey, witnesses: null };
      const { signal } = new AbortController();
      const found = await verifyInstance(
        { dir: this.dir, progress, signal },
        { pinned, processes: 1 },
      );
      if (found.verified) return null;
      const { log, structure, imports } = found;
      const [first] = [
        ...log.differences.map(({ difference }) => difference),
        ...imports.map(({ problem }) => problem),
        ...structure.map(() => 'structure'),
      ];
      return { by: 'verify', what: first ?? 'nothing' };
    } catch (error) {
      return { by: 'verify', what: nameOf(error) };
    }
  }

  /** What the store answers to every question that is asked of it by way of a person or an officer. */
  async askStore(): Promise<Notice | null> {
    const database = openDatabaseForReading(this.paths.database);
    try {
      const log = createSqliteLogStore(database);
      // Reading needs the store alone.
      const store: Partial<ImportDeps> = {
        store: new SqliteCustodyStore(database),
        log: { register: new Register() } as ImportDeps['log'],
      };
      const custody = createCustody(store as ImportDeps);
      for (const person of this.people) {
        const subjects = person.view.subjects.map((each) => {
          const { subject, controller } = readHead(each.head);
          return { subject, controller, entries: entriesOf(log, subject), sealed: [] };
        });
        const answer = JSON.stringify(subjects);
        if (this.#foundTrue.get(person.cnic) === answer) continue;
        const found = await this.#check(person, subjects);
        if (found !== null) return found;
        this.#foundTrue.set(person.cnic, answer);
      }
      for (const { subject, read, keys } of this.#records) {
        const groups = read.groups.map(({ group }) => group);
        const found = custody.recordsOf(subject, read.holding, groups, RECORDS_MAX);
        const same = found.find((each) => each.read.record === read.record);
        if (same === undefined) continue;
        // A group that is not found is for a trial to tell.
        if (same.read.groups.length < groups.length) continue;
        if (custody.open(subject, same.read, keys, same.ciphertexts) === null) {
          return { by: 'officer', what: 'integrity' };
        }
      }
      const evidence = database.prepare('SELECT evidence FROM bodies WHERE idx = ?');
      for (const { index, open } of this.#evidence) {
        try {
          open(evidence.get(index)?.evidence as Uint8Array);
        } catch {
          return { by: 'evidence', what: 'does not open' };
        }
      }
      return null;
    } catch (error) {
      return { by: 'officer', what: nameOf(error) };
    } finally {
      database.close();
    }
  }

  /** Her own check of an answer with her present view, over entries that may be others than were. */
  async checkAnswer(person: Person, change: (entries: Entries) => Entries): Promise<Notice | null> {
    const subjects = person.seen.material?.answer.subjects ?? [];
    const [first, ...rest] = subjects;
    if (first === undefined) throw new Error('she has no chain');
    return this.#check(person, [{ ...first, entries: change(first.entries) }, ...rest]);
  }

  async #check(person: Person, subjects: HistoryAnswer['subjects']): Promise<Notice | null> {
    const checkpoint = person.seen.material?.answer.checkpoint ?? '';
    const tiles = {
      readTile: async (tile: ResourcePosition) => this.now.public.get(tilePath(tile)) as Buffer,
    };
    return noticeOf(await this.#verifyAnswer(person, { view: 'x', checkpoint, subjects }, tiles));
  }

  /** The checks that her browser makes, with the view that she was sealed at the end. */
  #verifyAnswer({ view, session }: Person, answer: HistoryAnswer, tiles: TileReader) {
    const now = readHead(view.subjects[0]?.head ?? '').time;
    return verifyHistory({
      answer,
      session: { ...session, open: async () => view },
      keys: this.keys,
      tiles,
      now,
    });
  }

  /** Starts keeper and gateway on what is in the folder, and asks them everything. */
  async try(): Promise<Tried> {
    let failure = () => null as string | null;
    try {
      const opened = await this.open();
      if ('by' in opened) return { notice: opened };
      await using parts = opened;
      failure = () => parts.keeper.failure;
      return await this.#askAll(parts);
    } catch (error) {
      const ended = failure();
      if (ended !== null) return { notice: { by: 'keeper', what: ended } };
      return { notice: { by: 'gateway', what: nameOf(error) } };
    }
  }

  async openKeeper(): Promise<Keeper | Notice> {
    try {
      return await Keeper.open({ database: this.keeperPath, root: this.root, wall: Date.now });
    } catch (error) {
      return { by: 'keeper', what: `does not start: ${nameOf(error)}` };
    }
  }

  /** What is in the folder, closed. */
  copy(): Copy {
    return {
      store: readFileSync(this.paths.database),
      keeper: readFileSync(this.keeperPath),
      public: filesUnder(this.paths.public),
    };
  }

  /** The gateway's parts on what is in the folder, over a keeper in this process; or what refuses to open. */
  async open({ waits = false } = {}) {
    this.spoiled('store', 'keeper', 'public');
    const opened = await this.openKeeper();
    if (!(opened instanceof Keeper)) return opened;
    await using started = new AsyncDisposableStack();
    started.defer(() => opened.close());
    const keeper = portOf(opened);
    const database = openDatabase(this.paths.database);
    started.defer(() => database.close());
    const log = new Log({
      store: createSqliteLogStore(database),
      keeper,
      keys: new LogKeys(this.paths.log, ORIGIN),
      publicDirectory: this.paths.public,
      publishSeconds: 600,
      now: Date.now,
    });
    started.defer(() => log.close());
    if (waits) await log.ready();
    const reason = await settled(log);
    if (keeper.failure !== null) return { by: 'keeper', what: keeper.failure } as const;
    if (reason !== null) return { by: 'gateway', what: reason } as const;
    const custody = createCustody({
      store: new SqliteCustodyStore(database),
      keeper,
      log,
      folder: this.paths.imports,
      allowSynthetic: true,
      randomBytes,
    });
    const records = custody;
    const disclosure = createDisclosure({
      keeper,
      log,
      records,
      warn: () => {},
      retryMs: 50,
      randomBytes,
    });
    started.defer(() => disclosure.close());
    const citizen = createCitizen({
      disclosure,
      keeper,
      log,
      custody,
      certify: async () => {},
    });
    const ended = started.move();
    const parts = { keeper, log, custody, disclosure, citizen };
    return { ...parts, [Symbol.asyncDispose]: () => ended.disposeAsync() };
  }

  async #askAll({ log, disclosure, citizen }: Opened): Promise<Tried> {
    await disclosure.start();
    const answers: unknown[] = [];
    for (const [offset, cnics] of [PEOPLE.map(cnicOf), [cnicOf(PROTECTED)]].entries()) {
      const sequence = this.#sequence + offset;
      const request = this.instance.request('officer', cnics, { sequence });
      const answer = await disclosure.request(readRequestBody({ ...request, approval: null }));
      answers.push(
        answer.outcome === 'disclosed'
          ? answer.results.map(({ records, error }) => ({ records, error }))
          : answer.outcome,
      );
      if ('code' in answer) return { notice: { by: 'officer', what: answer.code } };
      if (JSON.stringify(answers).includes('"integrity"')) {
        return { notice: { by: 'officer', what: 'integrity' } };
      }
    }
    for (const { code, seen } of this.people) {
      const session = await askForView(
        code,
        log.register.genesis?.keeperSealingKey ?? '',
        Date.now(),
      );
      const { enc, ciphertext } = session;
      const answer = await citizen.history({ enc, ciphertext }, '127.0.0.1');
      if (answer.outcome !== 'shown') {
        const what = answer.outcome === 'rejected' ? answer.code : answer.outcome;
        return { notice: { by: 'person', what } };
      }
      const found = await verifyHistory({
        answer,
        session,
        keys: this.keys,
        tiles: { readTile: async (tile) => readFileSync(join(this.paths.public, tilePath(tile))) },
        now: Date.now(),
      });
      const notice = noticeOf(found) ?? contradictionOf(seen, found);
      if (notice !== null) return { notice };
      answers.push(
        found.chains.map(({ controller, protected: isProtected, alias }) => ({
          controller,
          isProtected,
          alias,
        })),
        answer.subjects.map(({ held }) => held),
        // What she saw before she sees again; what has come since is of this very trial.
        seen.chains.map(({ subject, entries }) => {
          const chain = found.chains.find((each) => each.subject === subject);
          return entries.map((_, at) => {
            const entry = chain?.entries[at];
            return { statement: entry?.statement, delivered: entry?.delivered };
          });
        }),
      );
    }
    return { notice: null, answers: JSON.stringify(answers) };
  }

  async #openedByKeeper() {
    this.put(this.now);
    const store = KeeperStore.open(this.keeperPath);
    const database = openDatabaseForReading(this.paths.database);
    try {
      const unlocked = await this.root.unlock(new Roots(store).present);
      const ring = await KeyRing.unlock(store, unlocked);
      const slot = (subject: string, which: 'subject' | 'view') =>
        ring.findSubjectKey(Buffer.from(subject, 'hex'), which) as Buffer;
      const evidence = this.people.flatMap(({ seen }) =>
        seen.chains.flatMap(({ subject, entries }) =>
          entries.flatMap(({ statement, index }) => {
            const hash = statement?.evidence ?? null;
            if (hash === null) return [];
            const key = slot(subject, 'view');
            return [{ index, open: (sealed: Uint8Array) => void openEvidence(key, hash, sealed) }];
          }),
        ),
      );
      // Nothing of it has expired.
      const deps = { store: new SqliteCustodyStore(database), log: { register: new Register() } };
      const custody = createCustody(deps as unknown as ImportDeps);
      const subjects = database.prepare('SELECT DISTINCT subject FROM custody_records').all();
      const records = subjects
        .map((row) => hex(row.subject as Uint8Array))
        .flatMap((subject) =>
          Object.entries(GROUPS).flatMap(([holding, groups]) =>
            custody.recordsOf(subject, holding, groups, RECORDS_MAX).map(({ read }) => {
              const { groups: named, ...name } = read;
              const period = ring.periodKey(holding, read.expiryMonth) as Buffer;
              const keys = named.map(({ group, nonce }) => {
                const whole = { ...name, subject, group };
                return deriveRecordKey(slot(subject, 'subject'), period, whole, fromHex(nonce));
              });
              return { subject, read, keys };
            }),
          ),
        );
      return { evidence, records };
    } finally {
      store.close();
      database.close();
      this.spoiled('keeper');
    }
  }

  /** Puts the present copy into the folder, but for one byte of one of its databases. */
  putFlipped(part: 'store' | 'keeper', at: number, mask: number): void {
    this.put(this.now);
    const bytes = Buffer.from(this.now[part]);
    bytes[at] = (bytes[at] ?? 0) ^ mask;
    this.#putDatabase(part === 'store' ? this.paths.database : this.keeperPath, bytes);
    this.spoiled(part);
  }

  #putDatabase(path: string, bytes: Buffer): void {
    // Another file each time: nobody who still holds the last one is in the way.
    for (const each of ['', '-wal', '-shm']) rmSync(path + each, { force: true });
    writeFileSync(path, bytes);
  }

  [Symbol.dispose](): void {
    rmSync(this.dir, { recursive: true, force: true });
    rmSync(this.instance.dir, { recursive: true, force: true });
  }
}

type Opened = Exclude<Awaited<ReturnType<Specimen['open']>>, Notice>;

interface Made {
  readonly instance: Instance;
  readonly now: Copy;
  readonly old: Copy;
  readonly people: readonly Person[];
  readonly keys: InstanceKeys;
  readonly sequence: number;
}

/** A little of everything that there is: what is asked, refused, not found, protected, handed out, looked at. */
async function make(instance: Instance): Promise<Made> {
  await instance.importCsv('telecom-importer', HOLDING, simsCsv([...PEOPLE, PROTECTED]));
  await instance.importCsv('border-importer', 'travel-history', travelCsv([1, 2]));
  const codes = new Map<number, string>();
  for (const serial of [...PEOPLE, PROTECTED, UNKNOWN]) {
    const { code, signed } = instance.code(cnicOf(serial));
    await instance.gateway.citizen.handOutCode(signed);
    codes.set(serial, code);
  }
  await instance.gateway.citizen.protect(instance.protection(cnicOf(PROTECTED), true));
  await ask(instance, [1, 2]);
  await ask(instance, [UNKNOWN]);
  await ask(instance, [1], { purpose: 'https://w3id.org/dpv#Marketing' });
  await appendMany(instance);
  const old = await copyOf(instance);

  await ask(instance, [1, 3]);
  await ask(instance, [2], { name: 'officer-with-little' });
  const moved = simsCsv([2]).replace('Alif Mobile', 'Bay Telecom');
  await instance.importCsv('telecom-importer', HOLDING, moved);
  await ask(instance, PEOPLE);
  const { genesis } = instance.gateway.log.register;
  assert.ok(genesis !== null);
  const keys = { ...genesis, witnesses: null };
  const people: Person[] = [];
  for (const [serial, code] of codes) {
    people.push(await look(instance, { cnic: cnicOf(serial), code, keys }));
  }
  // One look-up stays open, as after a crash.
  await resolve(instance, [4]);
  const sequence = JSON.parse(instance.request('officer', [cnicOf(1)]).document).sequence as number;
  const now = await copyOf(instance, { andStop: true });
  return { instance, now, old, people, keys, sequence };
}

async function ask(
  instance: Instance,
  serials: readonly number[],
  { name = 'officer', purpose = PURPOSE }: { name?: Name; purpose?: string } = {},
): Promise<void> {
  const request = instance.request(name, serials.map(cnicOf), { purpose });
  await instance.gateway.disclosure.request(readRequestBody({ ...request, approval: null }));
}

/** Public entries of no consequence, for a tree of more than one tile. */
async function appendMany(instance: Instance): Promise<void> {
  const leaves = Array.from({ length: COUNTED_LEAVES }, (_, at) => ({
    bytes: encodePublicLeaf({
      document: writeDocument<'refusals-counted'>({
        type: 'refusals-counted',
        agency: `none-${at}`,
        hour: '2026-11-23T09Z',
        count: 1,
      }),
      signatures: [],
    }),
  }));
  await instance.gateway.log.append(leaves);
}

async function resolve(instance: Instance, serials: readonly number[]) {
  const terms = { holdings: [{ holding: HOLDING, groups: ['identity'] }] };
  const { selectors, ...signed } = instance.request('officer', serials.map(cnicOf), terms);
  const { answer } = await instance.gateway.keeper.ask('resolve', {
    asks: [{ kind: 'request', signed, selectors, approval: null }],
  });
  const [resolved] = answer.asks;
  if (resolved?.outcome !== 'resolved') throw new Error('not resolved');
  return resolved.lookUps;
}

async function look(
  instance: Instance,
  {
    cnic,
    code,
    keys,
  }: { cnic: string; code: string; keys: InstanceKeys & { keeperSealingKey: string } },
): Promise<Person> {
  const session = await askForView(code, keys.keeperSealingKey, Date.now());
  const { enc, ciphertext } = session;
  const answer = await instance.gateway.citizen.history({ enc, ciphertext }, '127.0.0.1');
  const seen = await verifyHistory({
    answer,
    session,
    keys,
    tiles: { readTile: async (tile) => readFileSync(join(instance.paths.public, tilePath(tile))) },
    now: Date.now(),
  });
  const { material } = seen;
  if (!seen.verified || material === null) throw new Error('her history does not verify');
  const proof = makeBundle({ ...seen, material }, Date.now());
  return { cnic, code, view: material.view, session, seen, proof };
}

/** The closed files of an instance; it goes on where it is not told to stop. */
async function copyOf(instance: Instance, { andStop = false } = {}): Promise<Copy> {
  await instance.stopGateway();
  await instance.stopKeeper();
  const copy = {
    store: readFileSync(instance.paths.database),
    keeper: readFileSync(join(instance.paths.keeper, 'keeper.db')),
    public: filesUnder(instance.paths.public),
  };
  if (andStop) return copy;
  await instance.startKeeper();
  await instance.startGateway();
  return copy;
}

function entriesOf(log: LogStore, subject: string): Entries {
  const entries = log.entriesOf(subject, 1, ENTRIES_MAX);
  return entries.map(({ number, index, body }) => ({ number, index, body: base64(body) }));
}

function filesUnder(folder: string): ReadonlyMap<string, Buffer> {
  const files = new Map<string, Buffer>();
  for (const entry of readdirSync(folder, { withFileTypes: true, recursive: true })) {
    const path = join(entry.parentPath, entry.name);
    if (entry.isFile()) files.set(path.slice(folder.length + 1), readFileSync(path));
  }
  return files;
}

/** A keeper in this process, behind what the gateway asks of one. */
interface InProcess extends KeeperPort {
  /** What its process would have ended with. */
  failure: string | null;
}

function portOf(keeper: Keeper): InProcess {
  const port: InProcess = {
    failure: null,
    async ask(name, body, attachment) {
      if (port.failure !== null) throw new KeeperUnavailable('the keeper has ended');
      try {
        const bytes = Buffer.from(attachment ?? []);
        const reply = await keeper.answer(name, body as unknown as JsonObject, bytes);
        return { answer: reply.answer as never, attachment: reply.attachment ?? Buffer.alloc(0) };
      } catch (error) {
        if (error instanceof Refusal) throw new KeeperRefused(error.code, error.message);
        port.failure = nameOf(error);
        throw new KeeperUnavailable('the keeper has ended', { cause: error });
      }
    },
  };
  return port;
}

/** What the log comes to at its first try: why it takes nothing, or null. */
async function settled(log: Log): Promise<LogReason | null> {
  while (log.reason === 'starting') await new Promise((resolve) => setTimeout(resolve, 1));
  return log.reason;
}

function noticeOf({ verified, checks }: Verification): Notice | null {
  if (verified) return null;
  const failed = checks.find(({ state }) => state !== 'ok');
  return { by: 'person', what: failed?.id ?? 'nothing' };
}

/** Where what she is shown is not what she saved: an entry that is gone, or another under its number. */
function contradictionOf(saved: Verification, found: Verification): Notice | null {
  for (const { subject, entries } of saved.chains) {
    const chain = found.chains.find((each) => each.subject === subject);
    for (const { number, leafHash } of entries) {
      if (chain?.entries[number - 1]?.leafHash === leafHash) continue;
      return { by: 'saved proof', what: 'another entry under its number' };
    }
  }
  return null;
}

function nameOf(error: unknown): string {
  const { name, code, message } = error as { name?: string; code?: string; message?: string };
  return `${name} ${code ?? ''} ${message}`;
}

/** Everything that a database holds, table by table, in the order of its keys; null where it cannot be read. */
export function dumpOf(path: string): ReadonlyMap<string, readonly string[]> | null {
  const database = new DatabaseSync(path, { readOnly: true });
  try {
    const schema = database.prepare('SELECT type, name, tbl_name, sql FROM sqlite_schema').all();
    const dump = new Map<string, readonly string[]>();
    dump.set(
      'schema',
      schema.map((row) => JSON.stringify(row)),
    );
    const numbers = ['user_version', 'application_id'].map((name) =>
      JSON.stringify(database.prepare(`PRAGMA ${name}`).get()),
    );
    dump.set('pragmas', numbers);
    for (const { type, name } of schema) {
      if (type !== 'table') continue;
      const rows = database.prepare(`SELECT * FROM "${name}"`).all();
      dump.set(
        String(name),
        rows.map((row) => JSON.stringify(row, inHex)),
      );
    }
    return dump;
  } catch {
    return null;
  } finally {
    database.close();
  }
}

function inHex(_name: string, value: unknown): unknown {
  return value instanceof Uint8Array ? `x${hex(value)}` : value;
}
