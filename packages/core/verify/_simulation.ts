import { createHash, randomBytes } from 'node:crypto';
import { base64, concat, fromBase64, fromHex, hex } from '../bytes.ts';
import type { Json } from '../canonical.ts';
import { canonicalText } from '../canonical.ts';
import { signingInput } from '../grants/documents.ts';
import type { CosigningKey, KeyKind, SealingKey, SigningKey } from '../keys/index.ts';
import {
  cosign,
  generateCosigningKey,
  generateSealingKey,
  generateSigningKey,
  importSealingKey,
  openSealed,
  seal,
  sealOnce,
  secretKey,
  sign,
} from '../keys/index.ts';
import type { ResourcePosition, TilePosition } from '../log/index.ts';
import {
  CompactRange,
  chainStart,
  coarseHour,
  encodeEntryBundle,
  encodePersonalLeaf,
  encodePublicLeaf,
  encodeTile,
  formatCheckpoint,
  formatNote,
  formatVerifierKey,
  leafHash,
  nextChainHash,
  noteKey,
  noteMessage,
  parseNote,
  TILE_HEIGHT,
  TILE_WIDTH,
} from '../log/index.ts';
import { writeShredCertificate } from '../shred-certificate.ts';
import type { SealedPlace, Statement } from '../statement.ts';
import { commitTo, encodeBody, leafOf } from '../statement.ts';
import type { Head, SubjectView, View } from '../view.ts';
import { bodyAad, readViewAsk, sealedBodyAad, VIEW_ANSWER, VIEW_INFO, writeView } from '../view.ts';

const ORIGIN = 'log.amanat.example';

/** What a test says of one look-up; the rest is filled in. */
export type Planned = Partial<Statement> & Pick<Statement, 'kind' | 'time'>;

const EMPTY = {
  type: 'statement',
  agency: null,
  officer: null,
  approved: null,
  purpose: null,
  legalBasis: null,
  refusal: null,
  reads: [],
  records: [],
  seal: null,
  seals: [],
  evidence: null,
  token: null,
} as const;

interface Entry {
  readonly number: number;
  readonly index: number;
  readonly body: Uint8Array;
  readonly key: Uint8Array;
}

interface Chain {
  readonly subject: string;
  readonly controller: string;
  readonly alias: boolean;
  readonly entries: Entry[];
  readonly sealed: Entry[];
  readonly opened: SubjectView['opened'][number][];
  hash: Uint8Array;
}

/** The gateway's answer, as the API gives it. */
export interface SimulatedAnswer {
  readonly view: string;
  readonly checkpoint: string;
  readonly subjects: {
    readonly subject: string;
    readonly controller: string;
    readonly entries: { number: number; index: number; body: string }[];
    readonly sealed: { number: number; index: number; body: string }[];
    readonly held: { holding: string; records: number; firstImport: number; until: string }[];
  }[];
  readonly withheld: { readonly possible: boolean };
  readonly witnessed: boolean;
}

/** Gateway, keeper and log in one object, made of core's own functions, for tests of what judges them. */
export class Simulation {
  readonly code: string = randomBytes(16).toString('hex');
  readonly #logKey: SigningKey = generateSigningKey('ed25519');
  readonly #keeperKey: SigningKey;
  readonly #sealing: SealingKey;
  readonly #range = CompactRange.empty();
  readonly #nodes = new Map<string, Uint8Array>();
  readonly #leaves: Uint8Array[] = [];
  readonly #chains = new Map<string, Chain>();
  #witnesses: { readonly keys: readonly CosigningKey[]; readonly quorum: number } | null = null;
  /** Of each month that is destroyed, by the index of its entry, what the gateway gives out. */
  readonly certified = new Map<number, { certificate: string; signature: string; leaf: string }>();

  private constructor(keeperKey: SigningKey, sealing: SealingKey) {
    this.#keeperKey = keeperKey;
    this.#sealing = sealing;
  }

  static async create(keeperKind: KeyKind = 'ed25519'): Promise<Simulation> {
    const { publicKey, pkcs8 } = await generateSealingKey();
    const sealing = await importSealingKey(publicKey, pkcs8);
    return new Simulation(generateSigningKey(keeperKind), sealing);
  }

  get size(): number {
    return this.#leaves.length;
  }

  get keys() {
    const key = noteKey(ORIGIN, fromBase64(this.#logKey.public.text.slice('ed25519:'.length)));
    const witnesses = this.#witnesses && {
      keys: this.#witnesses.keys.map((each) => formatVerifierKey(each.public)),
      quorum: this.#witnesses.quorum,
    };
    return { logKey: formatVerifierKey(key), keeperKey: this.#keeperKey.public.text, witnesses };
  }

  /** From now on the first of these witnesses, as many as the quorum, cosign each checkpoint. */
  appoint(keys: readonly CosigningKey[], quorum: number): void {
    this.#witnesses = { keys, quorum };
  }

  get keeperSealingKey(): string {
    return base64(this.#sealing.publicKey);
  }

  /** Appends entries about organisations. */
  addPublic(...documents: readonly Json[]): void {
    for (const document of documents) {
      this.#append(encodePublicLeaf({ document: canonicalText(document), signatures: [] }));
    }
  }

  /** Destroys a holding's month, as the keeper certifies it. Gives where its entry stands. */
  expire(holding: string, month: string, time: number): number {
    const index = this.size;
    this.addPublic({ type: 'expiry', holding, month, time });
    const leaf = this.#leaves[index] as Uint8Array;
    const certificate = writeShredCertificate({
      type: 'shred-certificate',
      kind: 'period',
      holding,
      month,
      index,
      leaf: hex(leafHash(leaf)),
      generation: 2,
      destroyed: time,
      time,
      backups: [],
    });
    const signature = base64(sign(this.#keeperKey, signingInput(certificate)));
    this.certified.set(index, { certificate, signature, leaf: base64(leaf) });
    return index;
  }

  /** Appends entries about other people. */
  addNoise(count: number, time: number): void {
    for (let i = 0; i < count; i++) {
      const commitment = createHash('sha256').update(`noise ${this.size}`).digest();
      this.#append(encodePersonalLeaf({ kind: 'person', hour: coarseHour(time), commitment }));
    }
  }

  /** Appends an entry on her chain at a controller, or on that of a number of hers. */
  addEntry(controller: string, planned: Planned, alias = false): void {
    const chain = this.#chainOf(controller, alias);
    const number = chain.entries.length + 1;
    const statement: Statement = {
      ...EMPTY,
      controller,
      subject: chain.subject,
      number,
      ...planned,
    };
    const plain = encodeBody(randomBytes(32), statement);
    const key = randomBytes(32);
    const body = seal(secretKey(key), plain, bodyAad(chain.subject, number), randomBytes(12));
    const leaf = encodePersonalLeaf(leafOf(statement, commitTo(plain)));
    const index = this.size;
    this.#append(leaf);
    chain.hash = nextChainHash(chain.hash, index, leafHash(leaf));
    chain.entries.push({ number, index, body, key });
  }

  /** Appends an entry that is sealed about her; with `about`, one that withholds an earlier one for longer. */
  addSealed(
    controller: string,
    planned: Planned,
    until: string,
    about: SealedPlace | null = null,
  ): SealedPlace {
    const chain = this.#chainOf(controller, false);
    const number = chain.sealed.length + 1;
    const statement: Statement = {
      ...EMPTY,
      controller,
      subject: chain.subject,
      number,
      seal: { ground: 'https://w3id.org/dpv#LegalObligation', until },
      seals: about === null ? [] : [about],
      ...planned,
    };
    const plain = encodeBody(randomBytes(32), statement);
    const key = randomBytes(32);
    const aad = sealedBodyAad(chain.subject, number);
    const body = seal(secretKey(key), plain, aad, randomBytes(12));
    const leaf = encodePersonalLeaf(leafOf(statement, commitTo(plain)));
    const index = this.size;
    this.#append(leaf);
    chain.sealed.push({ number, index, body, key });
    return { index, number, leafHash: hex(leafHash(leaf)) };
  }

  /** Opens what is sealed, into her chain. */
  addOpening(controller: string, places: readonly SealedPlace[], planned: Planned): void {
    this.addEntry(controller, { seals: places, ...planned, kind: 'opened' });
    const chain = this.#chainOf(controller, false);
    const keys = places.map(({ number }) => (chain.sealed[number - 1] as Entry).key);
    chain.opened.push({
      number: chain.entries.length,
      delivered: true,
      bodyKeys: base64(concat(...keys)),
    });
  }

  /**
   * Answers one asking as the gateway and the keeper would together, the sign-in entered first. `alterHead` and
   * `alterView` are what a keeper that lies, or somebody with its keys, could do.
   */
  async answer(
    ask: { readonly enc: string; readonly ciphertext: string },
    {
      now,
      undelivered = [],
      signIn = true,
      alterHead = (head) => head,
      alterView = (view) => view,
      afterHead = () => {},
    }: {
      readonly now: number;
      readonly undelivered?: readonly number[];
      readonly signIn?: boolean;
      readonly alterHead?: (head: Head) => Head;
      readonly alterView?: (view: View) => View;
      /** What happens between the keeper's head and the checkpoint of the answer. */
      readonly afterHead?: () => void;
    },
  ): Promise<SimulatedAnswer | 'unknown-code'> {
    const sealed = { enc: fromBase64(ask.enc), ciphertext: fromBase64(ask.ciphertext) };
    const { plaintext, exporter } = await openSealed(this.#sealing, VIEW_INFO, sealed);
    if (readViewAsk(plaintext).code !== this.code) return 'unknown-code';
    const chains = [...this.#chains.values()];
    if (signIn) {
      for (const { controller, alias } of chains)
        this.addEntry(controller, { kind: 'sign-in', time: now }, alias);
    }
    const session = createHash('sha256').update(sealed.enc).digest('hex');
    const view: View = {
      type: 'view',
      subjects: chains.map((chain) => {
        const head: Head = {
          type: 'head',
          session,
          subject: chain.subject,
          controller: chain.controller,
          number: chain.entries.length,
          chain: hex(chain.hash),
          size: this.size,
          root: hex(this.#range.root()),
          time: now,
        };
        // The keeper signs first: an alteration behind its back keeps the old signature.
        const document = canonicalText(head);
        const signature = base64(sign(this.#keeperKey, signingInput(document)));
        return {
          head: canonicalText(alterHead(head) as unknown as Json),
          signature,
          protected: false,
          alias: chain.alias,
          undelivered: chain === chains[0] ? undelivered : [],
          first: 1,
          bodyKeys: base64(concat(...chain.entries.map((entry) => entry.key))),
          opened: chain.opened,
        };
      }),
    };
    afterHead();
    const key = secretKey(exporter(VIEW_ANSWER));
    return {
      view: base64(sealOnce(key, writeView(alterView(view)), new Uint8Array(0))),
      checkpoint: this.checkpoint(),
      subjects: chains.map(({ subject, controller, entries, sealed, opened }) => ({
        subject,
        controller,
        entries: entries.map(({ number, index, body }) => ({ number, index, body: base64(body) })),
        sealed:
          opened.length === 0
            ? []
            : sealed.map(({ number, index, body }) => ({ number, index, body: base64(body) })),
        held: [],
      })),
      withheld: { possible: false },
      witnessed: this.#witnesses !== null,
    };
  }

  /** The signed checkpoint of the tree as it is; under another origin, what a log that has two would sign. */
  checkpoint(origin: string = ORIGIN): string {
    const text = formatCheckpoint({ origin, size: this.size, root: this.#range.root() });
    const key = noteKey(ORIGIN, fromBase64(this.#logKey.public.text.slice('ed25519:'.length)));
    const note = formatNote(text, [{ key, signature: sign(this.#logKey, noteMessage(text)) }]);
    if (this.#witnesses === null) return note;
    const { keys, quorum } = this.#witnesses;
    return keys.slice(0, quorum).reduce((each, witness) => addCosignature(each, witness), note);
  }

  /** A tile of hashes. */
  tile({ level, index, width }: TilePosition): Uint8Array {
    return encodeTile(
      Array.from({ length: width }, (_, i) => {
        const node = this.#nodes.get(`${level * TILE_HEIGHT}/${index * TILE_WIDTH + i}`);
        if (node === undefined) throw new Error('no such tile');
        return node;
      }),
    );
  }

  /** A tile or a bundle of entries. */
  resource({ level, index, width }: ResourcePosition): Uint8Array {
    if (level !== 'entries') return this.tile({ level, index, width });
    return encodeEntryBundle(this.#leaves.slice(index * TILE_WIDTH, index * TILE_WIDTH + width));
  }

  #chainOf(controller: string, alias: boolean): Chain {
    const name = `${alias ? 'alias' : 'subject'} ${controller}`;
    const known = this.#chains.get(name);
    if (known !== undefined) return known;
    const subject = createHash('sha256').update(name).digest('hex').slice(0, 32);
    const hash = chainStart(fromHex(subject));
    const chain = { subject, controller, alias, entries: [], sealed: [], opened: [], hash };
    this.#chains.set(name, chain);
    return chain;
  }

  #append(leaf: Uint8Array): void {
    this.#leaves.push(leaf);
    this.#range.append(leafHash(leaf), (level, index, hash) => {
      if (level % TILE_HEIGHT === 0) this.#nodes.set(`${level}/${index}`, hash);
    });
  }
}

/** The same bytes with one bit of one byte changed. */
export function flipBit(bytes: Uint8Array, at: number): Uint8Array {
  const changed = new Uint8Array(bytes);
  changed[at] = (changed[at] as number) ^ 1;
  return changed;
}

/** The same base64 with one bit changed in the byte at `at`. */
export function flipBase64(text: string, at: number): string {
  return base64(flipBit(fromBase64(text), at));
}

/** Four witnesses of Ed25519, by the names of their keys. */
export function makeWitnesses(): readonly CosigningKey[] {
  return ['east', 'west', 'north', 'south'].map((name) =>
    generateCosigningKey('ed25519', `witness.example/${name}`),
  );
}

/** The note with one more witness's line. The time is of 2001: nobody's checks go by it. */
export function addCosignature(note: string, witness: CosigningKey): string {
  const { text, signatures } = parseNote(note);
  return formatNote(text, [...signatures, cosign(witness, text, 1_000_000_000)]);
}
