import type { KeyObject } from 'node:crypto';
import { randomBytes, randomFillSync } from 'node:crypto';
import { encodeNames, MacKey, open, SEAL_NONCE_BYTES, seal, secretKey } from '@amanat/core/keys';
import type { Root } from './providers/root.ts';
import type { RowSumKeys } from './row-sum.ts';
import type { Wrapped } from './slots.ts';
import { DESTROYED, Slots } from './slots.ts';
import type { KeeperStore } from './store.ts';

const KEY_BYTES = 32;
const POOL_BYTES = 65_536;
const ID_BYTES = 16;
/** The secret by which all rows are authenticated. */
const ROWS = 'rows';

/** A subject's keys: S, which her records need; V, which her chain needs; W, which what is sealed about her needs. */
export type SubjectSlot = 'subject' | 'view' | 'seal';

interface SlotQueries {
  readonly read: string;
  readonly write: string;
  /** In the order of subjects, those after one, so many of them. */
  readonly page: string;
}

const SLOTS: Readonly<Record<SubjectSlot, SlotQueries>> = {
  subject: {
    read: 'SELECT subject_slot AS slot FROM subjects WHERE subject = ?',
    write: 'INSERT INTO subjects (subject_slot, subject, number, protected) VALUES (?, ?, 0, 0)',
    page: 'SELECT subject, subject_slot AS slot FROM subjects WHERE subject > ? ORDER BY subject LIMIT ?',
  },
  view: {
    read: 'SELECT view_slot AS slot FROM subjects WHERE subject = ?',
    write: 'UPDATE subjects SET view_slot = ? WHERE subject = ?',
    page: 'SELECT subject, view_slot AS slot FROM subjects WHERE subject > ? ORDER BY subject LIMIT ?',
  },
  seal: {
    read: 'SELECT seal_slot AS slot FROM subjects WHERE subject = ?',
    write: 'UPDATE subjects SET seal_slot = ? WHERE subject = ?',
    page: 'SELECT subject, seal_slot AS slot FROM subjects WHERE subject > ? ORDER BY subject LIMIT ?',
  },
};
export const SUBJECT_SLOTS = Object.keys(SLOTS) as readonly SubjectSlot[];

/** A generation that is drawn, and written nowhere yet. */
export interface DrawnGeneration {
  readonly generation: number;
  readonly key: KeyObject;
  /** Under this root. */
  readonly wrapped: Uint8Array;
  readonly root: Root;
}

/** Draws a generation. */
export async function drawGeneration(root: Root, generation: number): Promise<DrawnGeneration> {
  const bytes = randomBytes(KEY_BYTES);
  const wrapped = await root.wrap(bytes, generationName(generation));
  const key = secretKey(bytes);
  bytes.fill(0);
  return { generation, key, wrapped, root };
}

/** Unwraps and creates keys. The root key wraps generations; the present generation wraps all others. */
export class KeyRing {
  readonly #store: KeeperStore;
  readonly #slots: Slots;
  #root: Root;
  readonly #generations: Map<number, KeyObject>;
  readonly #secrets = new Map<string, MacKey>();
  readonly #periods = new Map<string, Buffer>();
  /** The present one. */
  generation: number;
  readonly #pool = Buffer.alloc(POOL_BYTES);
  #poolAt = POOL_BYTES;

  /** @param generations as {@link KeyRing.unlock} finds them */
  constructor(store: KeeperStore, root: Root, generations: ReadonlyMap<number, KeyObject>) {
    this.#store = store;
    this.#slots = new Slots(store);
    this.#root = root;
    this.#generations = new Map(generations);
    this.generation = Math.max(0, ...generations.keys());
  }

  /** @throws RootError; CoreError 'bad-ciphertext' where the root is another's, or a generation is not what its name says */
  static async unlock(store: KeeperStore, root: Root): Promise<KeyRing> {
    const slots = new Slots(store);
    const generations = new Map<number, KeyObject>();
    for (const row of store.all('SELECT generation, slot FROM generations')) {
      const generation = Number(row.generation);
      const { wrapped } = slots.read(Number(row.slot));
      const bytes = await root.unwrap(wrapped, generationName(generation));
      generations.set(generation, secretKey(bytes));
      bytes.fill(0);
    }
    return new KeyRing(store, root, generations);
  }

  /** Writes a new keeper's first generation, and the key of its rows. Inside a transaction of the caller's. */
  static begin(store: KeeperStore, root: Root, first: DrawnGeneration): KeyRing {
    const ring = new KeyRing(store, root, new Map());
    ring.addGeneration(first);
    ring.putSecret(ROWS, ring.random(KEY_BYTES));
    return ring;
  }

  /**
   * What all rows are authenticated with. It has to be there, or was taken away: only {@link begin} draws it.
   * @throws Error where it is not; CoreError where it is not what its name says
   */
  rowSumKeys(): RowSumKeys {
    const bytes = this.secretBytes(ROWS);
    const key = new MacKey(bytes);
    bytes.fill(0);
    return { key, random: (count) => this.random(count) };
  }

  /** Random bytes from a pool: one system call for many nonces. A copy, the pool's bytes wiped. */
  random(bytes: number): Buffer {
    if (this.#poolAt + bytes > POOL_BYTES) {
      randomFillSync(this.#pool);
      this.#poolAt = 0;
    }
    const taken = Buffer.from(this.#pool.subarray(this.#poolAt, this.#poolAt + bytes));
    this.#pool.fill(0, this.#poolAt, this.#poolAt + bytes);
    this.#poolAt += bytes;
    return taken;
  }

  /** Stores a secret that was made elsewhere, such as a private key. */
  putSecret(name: string, secret: Uint8Array): void {
    const { generation, wrapped } = this.#wrap(secret, encodeNames('secret', name));
    this.#store.run('INSERT INTO secrets VALUES (?, ?, ?)', name, generation, wrapped);
  }

  /** The bytes of a secret that is there. */
  secretBytes(name: string): Buffer {
    const row = this.#store.get('SELECT generation, wrapped FROM secrets WHERE name = ?', name);
    if (row === undefined) throw new Error('keeper lacks a key of its own');
    const generation = Number(row.generation);
    const wrapped = row.wrapped as Uint8Array;
    return this.#unwrap({ generation, wrapped }, encodeNames('secret', name));
  }

  /** A long-lived symmetric key by name, drawn at its first use. Inside a transaction of the caller's. */
  secret(name: string): MacKey {
    const known = this.#secrets.get(name);
    if (known !== undefined) return known;
    const row = this.#store.get('SELECT 1 FROM secrets WHERE name = ?', name);
    if (row === undefined) this.putSecret(name, this.random(KEY_BYTES));
    const key = new MacKey(this.secretBytes(name));
    this.#secrets.set(name, key);
    return key;
  }

  /** A long-lived key to seal with, drawn at its first use. Inside a transaction of the caller's, or before the first. */
  sealingKey(name: string): KeyObject {
    const row = this.#store.get('SELECT 1 FROM secrets WHERE name = ?', name);
    if (row === undefined) this.putSecret(name, this.random(KEY_BYTES));
    const bytes = this.secretBytes(name);
    const key = secretKey(bytes);
    bytes.fill(0);
    return key;
  }

  /** The period key of a holding's expiry month, drawn at its first use; null once it is destroyed. */
  periodKey(holding: string, month: string): Buffer | null {
    const name = `${holding} ${month}`;
    const known = this.#periods.get(name);
    if (known !== undefined) return known;
    const about = encodeNames('period', holding, month);
    const slot = this.#periodSlot(holding, month);
    if (slot !== null) {
      const wrapped = this.#slots.read(slot);
      if (wrapped.generation === DESTROYED.generation) return null;
      const key = this.#unwrap(wrapped, about);
      this.#periods.set(name, key);
      return key;
    }
    const key = this.random(KEY_BYTES);
    this.#addPeriod(holding, month, this.#wrap(key, about));
    this.#periods.set(name, key);
    return key;
  }

  /**
   * Destroys the period key, in its slot and in memory; where none was drawn, none ever will be. Gives the generation
   * that had wrapped it; null where there was no key.
   */
  destroyPeriod(holding: string, month: string): number | null {
    const name = `${holding} ${month}`;
    this.#periods.get(name)?.fill(0);
    this.#periods.delete(name);
    const slot = this.#periodSlot(holding, month);
    if (slot !== null) return this.#destroy(slot);
    this.#addPeriod(holding, month, DESTROYED);
    return null;
  }

  /**
   * One key out of a subject's slots: 'destroyed', or null where none was drawn yet.
   */
  findSubjectKey(subject: Buffer, slot: SubjectSlot): Buffer | 'destroyed' | null {
    const row = this.#store.get(SLOTS[slot].read, subject);
    if (row === undefined || row.slot === null) return null;
    const wrapped = this.#slots.read(Number(row.slot));
    if (wrapped.generation === DESTROYED.generation) return 'destroyed';
    return this.#unwrap(wrapped, encodeNames(slot, subject));
  }

  /**
   * Draws a key that was not drawn before: S at her first mention, V and W at the first look-up that needs it, which few
   * ever have. Who has either has S.
   */
  drawSubjectKey(subject: Buffer, slot: SubjectSlot): Buffer {
    if (slot !== 'subject' && this.#store.get(SLOTS.subject.read, subject) === undefined) {
      this.drawSubjectKey(subject, 'subject');
    }
    const key = this.random(KEY_BYTES);
    const wrapped = this.#wrap(key, encodeNames(slot, subject));
    this.#store.run(SLOTS[slot].write, this.#slots.append(wrapped), subject);
    return key;
  }

  /** Destroys S as {@link destroyPeriod} does P. */
  destroySubjectKey(subject: Buffer): number | null {
    const row = this.#store.get(SLOTS.subject.read, subject);
    if (row !== undefined) return this.#destroy(Number(row.slot));
    this.#store.run(SLOTS.subject.write, this.#slots.append(DESTROYED), subject);
    return null;
  }

  #periodSlot(holding: string, month: string): number | null {
    const row = this.#store.get(
      'SELECT slot FROM periods WHERE holding = ? AND month = ?',
      holding,
      month,
    );
    return row === undefined ? null : Number(row.slot);
  }

  #addPeriod(holding: string, month: string, wrapped: Wrapped): void {
    const slot = this.#slots.append(wrapped);
    this.#store.run('INSERT INTO periods VALUES (?, ?, ?)', holding, month, slot);
  }

  #destroy(slot: number): number | null {
    const { generation } = this.#slots.read(slot);
    this.#slots.overwrite(slot, DESTROYED);
    return generation === DESTROYED.generation ? null : generation;
  }

  /** Draws the generation after the present one. */
  drawNextGeneration(): Promise<DrawnGeneration> {
    return drawGeneration(this.#root, this.generation + 1);
  }

  /**
   * Has a generation wrap what is wrapped from here on. Inside a transaction of the caller's. Not one that was drawn under
   * a root that has been left meanwhile.
   */
  addGeneration({ generation, key, wrapped, root }: DrawnGeneration): void {
    if (root !== this.#root) return;
    const slot = this.#slots.append({ generation, wrapped });
    this.#store.run('INSERT INTO generations VALUES (?, ?)', generation, slot);
    this.#generations.set(generation, key);
    this.generation = generation;
  }

  /** A generation that wraps nothing new, the oldest; null where there is none. */
  get pastGeneration(): number | null {
    const oldest = Math.min(...this.#generations.keys());
    return oldest === this.generation ? null : oldest;
  }

  /** Wraps some of the secrets anew that are not under the present generation. Gives how many. */
  rewrapSecrets(most: number): number {
    const sql = 'SELECT name FROM secrets WHERE generation <> ? LIMIT ?';
    const names = this.#store.all(sql, this.generation, most).map(({ name }) => String(name));
    for (const name of names) {
      const bytes = this.secretBytes(name);
      const { generation, wrapped } = this.#wrap(bytes, encodeNames('secret', name));
      bytes.fill(0);
      const update = 'UPDATE secrets SET generation = ?, wrapped = ? WHERE name = ?';
      this.#store.run(update, generation, wrapped, name);
    }
    return names.length;
  }

  /** Wraps period keys anew, those after `after`, so many. Gives the last, or null where there are no more. */
  rewrapPeriods(after: readonly [string, string], most: number): readonly [string, string] | null {
    const sql = `SELECT holding, month, slot FROM periods WHERE (holding, month) > (?, ?)
      ORDER BY holding, month LIMIT ?`;
    const rows = this.#store.all(sql, ...after, most);
    for (const { holding, month, slot } of rows) {
      this.#rewrap(Number(slot), encodeNames('period', String(holding), String(month)));
    }
    const last = rows.at(-1);
    return last === undefined ? null : [String(last.holding), String(last.month)];
  }

  /** Wraps subjects' keys of one kind anew, those after `after`, so many. Gives the last, or null where there are no more. */
  rewrapSubjects(kind: SubjectSlot, after: Uint8Array, most: number): Buffer | null {
    const rows = this.#store.all(SLOTS[kind].page, after, most);
    for (const { subject, slot } of rows) {
      if (slot !== null) this.#rewrap(Number(slot), encodeNames(kind, subject as Uint8Array));
    }
    const last = rows.at(-1);
    return last === undefined ? null : Buffer.from(last.subject as Uint8Array);
  }

  /** Destroys a past generation, under which nothing is wrapped any more. Inside a transaction of the caller's. */
  destroyGeneration(generation: number): void {
    this.#slots.overwrite(this.#slotOf(generation), DESTROYED);
    this.#store.run('DELETE FROM generations WHERE generation = ?', generation);
    this.#generations.delete(generation);
  }

  /**
   * Whether of so many slots after `after` any is still under a past generation, its own slot aside; and the last of them,
   * or null where they are the last of all: those that come after are under the present one.
   */
  findUnder(
    generation: number,
    after: number,
    most: number,
  ): { readonly isFound: boolean; readonly last: number | null } {
    const sql = `SELECT count(*) AS looked, max(slot) AS last, sum(generation = ? AND slot <> ?) AS found
      FROM (SELECT slot, generation FROM slots WHERE slot > ? ORDER BY slot LIMIT ?)`;
    const row = this.#store.get(sql, generation, this.#slotOf(generation), after, most);
    const isLast = Number(row?.looked) < most;
    return { isFound: Number(row?.found) > 0, last: isLast ? null : Number(row?.last) };
  }

  /** The generations under another root, for {@link useRoot}, each of them opened once: a root that does not is none. */
  async wrapGenerations(root: Root): Promise<ReadonlyMap<number, Uint8Array>> {
    const wrapped = new Map<number, Uint8Array>();
    for (const [generation, key] of this.#generations) {
      const bytes = key.export();
      const about = generationName(generation);
      const under = await root.wrap(bytes, about);
      const opened = await root.unwrap(under, about);
      if (!opened.equals(bytes)) throw new Error('a root does not open what it wrapped');
      bytes.fill(0);
      opened.fill(0);
      wrapped.set(generation, under);
    }
    return wrapped;
  }

  /**
   * Puts all generations under another root. Inside a transaction of the caller's. False where a generation came or went
   * since they were wrapped, and nothing is done.
   */
  useRoot(root: Root, wrapped: ReadonlyMap<number, Uint8Array>): boolean {
    const all = [...this.#generations.keys()];
    if (all.length !== wrapped.size || !all.every((each) => wrapped.has(each))) return false;
    for (const [generation, bytes] of wrapped) {
      this.#slots.overwrite(this.#slotOf(generation), { generation, wrapped: bytes });
    }
    this.#root = root;
    return true;
  }

  #slotOf(generation: number): number {
    const sql = 'SELECT slot FROM generations WHERE generation = ?';
    const row = this.#store.get(sql, generation);
    if (row === undefined) throw new Error('keeper lacks the slot of a generation');
    return Number(row.slot);
  }

  #rewrap(slot: number, about: Uint8Array): void {
    const before = this.#slots.read(slot);
    if (before.generation === this.generation || before.generation === DESTROYED.generation) return;
    const key = this.#unwrap(before, about);
    this.#slots.overwrite(slot, this.#wrap(key, about));
    key.fill(0);
  }

  #wrap(key: Uint8Array, about: Uint8Array): Wrapped {
    const { generation } = this;
    const nonce = this.random(SEAL_NONCE_BYTES);
    return { generation, wrapped: seal(this.#generationKey(generation), key, about, nonce) };
  }

  #unwrap({ generation, wrapped }: Wrapped, about: Uint8Array): Buffer {
    return open(this.#generationKey(generation), wrapped, about);
  }

  #generationKey(generation: number): KeyObject {
    const key = this.#generations.get(generation);
    if (key === undefined) throw new Error('keeper lacks the generation that wraps a key');
    return key;
  }
}

function generationName(generation: number): Uint8Array {
  return encodeNames('generation', String(generation));
}

/** 16 bytes of HMAC-SHA-256: how every keyed id is made. */
export function keyedId(key: MacKey, ...parts: readonly (string | Uint8Array)[]): Buffer {
  return keyedDigest(key, ...parts).subarray(0, ID_BYTES);
}

/** HMAC-SHA-256 over the length-prefixed parts. */
export function keyedDigest(key: MacKey, ...parts: readonly (string | Uint8Array)[]): Buffer {
  return key.digest(encodeNames(...parts));
}
