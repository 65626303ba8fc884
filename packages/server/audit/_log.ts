import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { base64 } from '@amanat/core/bytes';
import { signingInput, writeDocument } from '@amanat/core/grants';
import type { SigningKey } from '@amanat/core/keys';
import { generateSigningKey, sign } from '@amanat/core/keys';
import type { NoteKey } from '@amanat/core/log';
import {
  CompactRange,
  encodeEntryBundle,
  encodeTile,
  formatCheckpoint,
  formatNote,
  formatVerifierKey,
  leafHash,
  noteKey,
  noteMessage,
  TILE_HEIGHT,
  TILE_WIDTH,
  tilePath,
  tilesForSize,
} from '@amanat/core/log';
import { encodeSigned } from '../log/log.ts';
import type { AuditTerms } from './audit.ts';

const ORIGIN = 'audited.example/log';

/** An audit that remembers nothing and asks for nothing but the tree, in this process. */
export function auditTerms(
  place: AuditTerms['place'],
  key: NoteKey,
  changes: Partial<AuditTerms>,
): AuditTerms {
  return {
    place,
    key,
    statePath: null,
    policy: null,
    maxAgeSeconds: null,
    processes: 1,
    now: Date.now,
    onLeaves: () => {},
    signal: new AbortController().signal,
    ...changes,
  };
}

/** A log of a test's own: its leaves, and a key that signs whatever it is asked to. */
export class TestLog {
  readonly key: NoteKey;
  leaves: Uint8Array[];
  readonly #signing = generateSigningKey('ed25519');

  constructor(leaves: readonly Uint8Array[] = []) {
    this.leaves = [...leaves];
    const text = this.#signing.public.text.slice('ed25519:'.length);
    this.key = noteKey(ORIGIN, new Uint8Array(Buffer.from(text, 'base64')));
  }

  /** Adds short leaves, each another. */
  grow(count: number): this {
    for (let i = 0; i < count; i++) this.leaves.push(someLeaf(this.leaves.length));
    return this;
  }

  /** Adds the document that begins a log of Amanat's, and names whose words its leaves may be. */
  begin(
    keeper: SigningKey,
    administrators: readonly SigningKey[],
    { origin = this.key.name, activationSeconds = 0 } = {},
  ): void {
    const document = writeDocument<'genesis'>({
      type: 'genesis',
      origin,
      mode: 'demo',
      logKey: formatVerifierKey(noteKey(origin, this.key.publicKey)),
      keeperKey: keeper.public.text,
      keeperSealingKey: `${'A'.repeat(87)}=`,
      administrators: administrators.map((key) => key.public.text),
      registrar: generateSigningKey('ed25519').public.text,
      activationSeconds,
      time: 0,
    });
    this.enter(document);
  }

  /** Adds a public document, signed by these in their order. */
  enter(document: string, ...signers: readonly SigningKey[]): void {
    const signatures = signers.map((key) => ({
      key: key.public.id,
      signature: base64(sign(key, signingInput(document))),
    }));
    this.leaves.push(encodeSigned({ document, signatures }) as Uint8Array);
  }

  /** The signed checkpoint of the first `size` leaves, or of another root. */
  checkpoint(size: number = this.leaves.length, root: Uint8Array = this.root(size)): string {
    const text = formatCheckpoint({ origin: ORIGIN, size, root });
    const signature = sign(this.#signing, noteMessage(text));
    return formatNote(text, [{ key: this.key, signature }]);
  }

  root(size: number = this.leaves.length): Uint8Array {
    return this.#range(size).root();
  }

  /** Every file of the tree of `size` leaves by its path, the checkpoint last. */
  files(size: number = this.leaves.length): Map<string, Uint8Array> {
    const nodes: Uint8Array[][] = [];
    this.#range(size, (level, _index, hash) => {
      if (level % TILE_HEIGHT !== 0) return;
      nodes[level / TILE_HEIGHT] ??= [];
      nodes[level / TILE_HEIGHT]?.push(hash);
    });
    const files = new Map<string, Uint8Array>();
    for (const tile of tilesForSize(size)) {
      const from = tile.index * TILE_WIDTH;
      const to = from + tile.width;
      files.set(tilePath(tile), encodeTile(nodes[tile.level]?.slice(from, to) ?? []));
      if (tile.level > 0) continue;
      const bundle = encodeEntryBundle(this.leaves.slice(from, to));
      files.set(tilePath({ ...tile, level: 'entries' }), bundle);
    }
    files.set('checkpoint', Buffer.from(this.checkpoint(size)));
    return files;
  }

  /** Writes the files of the tree of `size` leaves, beside those that are there, or alone. */
  publish(directory: string, { size = this.leaves.length, alone = false } = {}): void {
    if (alone) rmSync(directory, { recursive: true, force: true });
    for (const [path, bytes] of this.files(size)) {
      mkdirSync(dirname(join(directory, path)), { recursive: true });
      writeFileSync(join(directory, path), bytes);
    }
  }

  #range(size: number, onNode?: Parameters<CompactRange['append']>[1]): CompactRange {
    const range = CompactRange.empty();
    for (const leaf of this.leaves.slice(0, size)) range.append(leafHash(leaf), onNode);
    return range;
  }
}

export function someLeaf(seed: number): Uint8Array {
  return Buffer.from(`leaf ${seed}`);
}
