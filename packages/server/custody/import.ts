import { createHash, timingSafeEqual } from 'node:crypto';
import { createReadStream, existsSync } from 'node:fs';
import { Readable } from 'node:stream';
import { fromHex, hex } from '@amanat/core/bytes';
import type { EntryRefusal, Register, Signed } from '@amanat/core/grants';
import { documentHash, writeDocument } from '@amanat/core/grants';
import type { KeeperPort } from '@amanat/keeper/client';
import type { ImportAsk } from './announcement.ts';
import { readAnnouncement, toMapping } from './announcement.ts';
import { Discarder } from './discard.ts';
import type { LeafSource } from './ended.ts';
import { endedEntries } from './ended.ts';
import { CustodyError } from './errors.ts';
import type { ImportPlan } from './plan.ts';
import { planImport } from './plan.ts';
import { REJECT_HEADING, RejectFile, rejectPath } from './reject-file.ts';
import type { Encoding, FilePlace, FileRefusal } from './rows/rows.ts';
import { decodeFrames, describeRefusal, FrameError, readImages, readTable } from './rows/rows.ts';
import type { CustodyStore, ImportState, IsExpired, Reading, StoredImport } from './store.ts';
import { Committed, Upload } from './upload.ts';

/** Uploads that run at a time, each to another holding. */
const UPLOADS_MAX = 4;
/** Open imports whose salts are remembered. The oldest is forgotten first, and has then to be announced again. */
const SALTS_MAX = 1_024;
const TOKEN_BYTES = 32;

/** What imports need of the log. */
export interface ImportLog extends LeafSource {
  readonly register: Register;
  now(): number;
  appendPublic(
    signed: Signed,
  ): Promise<{ readonly index: number } | { readonly refused: EntryRefusal }>;
}

/** What imports work with. */
export interface ImportDeps {
  readonly store: CustodyStore;
  readonly keeper: KeeperPort;
  readonly log: ImportLog;
  /** The folder of the lists of rejected rows. */
  readonly folder: string;
  /** Whether identifiers must be of the synthetic ranges (a demonstration), or must not be. */
  readonly allowSynthetic: boolean;
  readonly randomBytes: (count: number) => Buffer;
}

/** An import that may be uploaded. */
export interface Begun {
  readonly outcome: 'begun' | 'resumed';
  readonly import: number;
  /** The bearer token of its upload and its list of rejected rows; only its hash is kept. */
  readonly upload: string;
  readonly rowsDone: number;
}

/** Where an import stands. */
export interface ImportStatus {
  readonly import: number;
  readonly holding: string;
  readonly state: ImportState;
  /** Index of the import-ended entry; null before. */
  readonly ended: number | null;
  readonly rows: number;
  readonly stored: number;
  readonly unchanged: number;
  readonly rejected: number;
  /** Root over the stored rows so far, in hexadecimal; see leaf.ts. */
  readonly root: string;
}

/**
 * The writing side of custody. An import begins with its importer's entry in the log, and its records are seen by
 * nobody until its end is in the log too: until then they are half-done, whatever happens.
 */
export class Imports {
  readonly #deps: ImportDeps;
  /** Salts by import. They are never stored: with one, a thief of the store could confirm guesses of a small file. */
  readonly #salts = new Map<number, string>();
  readonly #uploading = new Set<string>();
  readonly #discarder: Discarder;

  constructor(deps: ImportDeps) {
    this.#deps = deps;
    this.#discarder = new Discarder(deps.store);
  }

  /**
   * Finishes what a crash left: imports whose end is in the log and not in the store, and refused ones that are
   * not wholly deleted. To be called when the log is open.
   */
  recover(): void {
    const { store, log } = this.#deps;
    const open = store.importsIn('open', Number.MAX_SAFE_INTEGER);
    const left = new Set(open.map(({ index }) => index).filter((index) => this.#hasEnded(index)));
    const first = Math.min(...left);
    if (left.size > 0) {
      // Read to its end, so that nothing is written while it is read.
      for (const { index, document } of [...endedEntries(log, first + 1)]) {
        if (left.has(document.import)) store.endImport(document.import, index);
      }
    }
    for (const { index } of store.importsIn('refused', Number.MAX_SAFE_INTEGER)) {
      this.#discarder.discard(index);
    }
  }

  /**
   * Enters an announcement in the log and opens its import; or, where the same importer has an import of the same
   * file open, opens that one again.
   * @throws CustodyError where it is refused; what the log throws where that cannot be written
   */
  async begin(ask: ImportAsk): Promise<Begun> {
    const { store, log, randomBytes } = this.#deps;
    const { document, salt, ...reading } = readAnnouncement(ask, log.now());
    const importer = ask.signed.signatures[0]?.key ?? '';
    const refused = log.register.check(ask.signed, log.now());
    if (refused !== null) throw new CustodyError(refused);
    const hash = documentHash(ask.signed.document);
    if (store.knowsDocument(hash)) throw new CustodyError('replayed');
    const declaration = log.register.declaration(document.holding, log.now());
    if (declaration === null) throw new CustodyError('undeclared-holding');
    const token = randomBytes(TOKEN_BYTES);
    const tokenHash = sha256(token);
    const upload = token.toString('base64url');

    const open = store.findOpen(importer, document.holding, document.commitment);
    if (open !== null && this.#canResume(open, declaration.version)) {
      const { index, progress } = open;
      if (this.#uploading.has(open.holding)) throw new CustodyError('upload-running');
      if (!isSameReading(open, reading) && progress.rowsDone > 0)
        throw new CustodyError('mapping-differs');
      store.resumeImport(index, { tokenHash, ...reading }, hash);
      this.#remember(index, salt);
      return { outcome: 'resumed', import: index, upload, rowsDone: progress.rowsDone };
    }

    const appended = await log.appendPublic(ask.signed);
    if ('refused' in appended) throw new CustodyError(appended.refused);
    const terms = {
      index: appended.index,
      holding: document.holding,
      importer,
      commitment: document.commitment,
      ...reading,
      rowLimit: document.rowLimit,
      declarationVersion: declaration.version,
      layout: planImport(declaration).layout,
      time: document.time,
    };
    store.addImport(terms, tokenHash, hash);
    this.#remember(appended.index, salt);
    return { outcome: 'begun', import: appended.index, upload, rowsDone: 0 };
  }

  /**
   * Takes an upload to its end. If it stops before, by whatever cause, what was taken is durable and the same bytes
   * sent again go on where it stopped; unless the error's code says that nothing is kept.
   * @throws CustodyError; what the log or the store throws where they cannot be written
   */
  async upload(
    index: number,
    token: string,
    body: AsyncIterable<Uint8Array>,
  ): Promise<ImportStatus> {
    const found = this.#authorise(index, token);
    if (found.state === 'ended') return statusOf(found);
    if (found.state !== 'open') throw new CustodyError('import-refused');
    const salt = this.#salts.get(index);
    // The gateway was started anew since: the salt comes with the next announcement.
    if (salt === undefined) throw new CustodyError('bad-token');
    if (this.#uploading.has(found.holding)) throw new CustodyError('upload-running');
    if (this.#uploading.size >= UPLOADS_MAX) throw new CustodyError('too-many-uploads');
    this.#uploading.add(found.holding);
    try {
      this.#requireCurrent(found);
      return await this.#run(found, salt, body);
    } catch (error) {
      if (error instanceof CustodyError && this.#isFinal(error, index)) this.#refuse(index);
      throw error;
    } finally {
      this.#uploading.delete(found.holding);
    }
  }

  /** Where an import stands. @throws CustodyError 'unknown-import' */
  status(index: number): ImportStatus {
    const found = this.#deps.store.findImport(index);
    if (found === null) throw new CustodyError('unknown-import');
    return statusOf(found);
  }

  /**
   * The list of an import's rejected rows, as CSV: line, column, reason.
   * @throws CustodyError 'unknown-import' or 'bad-token'
   */
  rejects(index: number, token: string): Readable {
    const { progress } = this.#authorise(index, token);
    const path = rejectPath(this.#deps.folder, index);
    if (progress.rejectBytes === 0 || !existsSync(path)) return Readable.from([REJECT_HEADING]);
    return createReadStream(path, { end: progress.rejectBytes - 1 });
  }

  /** Waits until nothing that was refused is left in the store. */
  async settled(): Promise<void> {
    await this.#discarder.settled();
  }

  /** Stops deleting what was refused; the next start goes on. */
  async close(): Promise<void> {
    await this.#discarder.close();
  }

  /** The story of an upload: bytes to rows to the store, then the commitment, then the end's entry. */
  async #run(
    found: StoredImport,
    salt: string,
    body: AsyncIterable<Uint8Array>,
  ): Promise<ImportStatus> {
    const { store, keeper, log, folder } = this.#deps;
    const declaration = log.register.declaration(found.holding, log.now());
    if (declaration === null) throw new CustodyError('undeclared-holding');
    const plan = planImport(declaration);
    using rejects = new RejectFile(rejectPath(folder, found.index), found.progress.rejectBytes);
    const requireCurrent = () => this.#requireCurrent(found);
    const isExpired: IsExpired = (holding, month) =>
      this.#deps.log.register.expiredBy(holding, month) !== null;
    const upload = new Upload(
      { store, keeper, plan, rejects, salt, requireCurrent, isExpired },
      found,
    );
    const committed = new Committed(body, fromHex(salt));
    try {
      await this.#takeFiles(upload, plan, found, committed);
    } catch (error) {
      // The error is the answer, whether or not the rows before it can still be written.
      await upload.flush().catch(() => {});
      if (error instanceof FrameError)
        throw new CustodyError('bad-upload', error.message, { cause: error });
      throw error;
    }
    await upload.finish();
    if (committed.digest() !== found.commitment) throw new CustodyError('commitment-differs');
    return this.#end(found.index, upload);
  }

  async #takeFiles(
    upload: Upload,
    plan: ImportPlan,
    found: StoredImport,
    body: AsyncIterable<Uint8Array>,
  ) {
    const identifiers = this.#deps.allowSynthetic ? 'synthetic' : 'real';
    const files = decodeFrames(body);
    if (plan.ofImages) {
      await upload.take(accept(readImages(files, plan.declaration, { identifiers }), null), 0);
      return;
    }
    const options = {
      identifiers,
      encoding: found.encoding as Encoding,
      ...(found.mapping === null ? {} : { mapping: toMapping(JSON.parse(found.mapping)) }),
      ...(found.sheet === null ? {} : { sheet: found.sheet }),
    } as const;
    let count = 0;
    for await (const file of files) {
      count += 1;
      const read = await readTable(file.content, plan.declaration, options);
      await upload.take(accept(read, { at: count, name: file.name }), count);
    }
  }

  async #end(index: number, upload: Upload): Promise<ImportStatus> {
    const { store, log } = this.#deps;
    const { rowsDone, stored, unchanged, rejected, range } = upload.progress;
    const document = writeDocument<'import-ended'>({
      type: 'import-ended',
      import: index,
      rows: rowsDone,
      stored,
      unchanged,
      rejected,
      root: hex(range.root()),
      time: log.now(),
    });
    const appended = await log.appendPublic({ document, signatures: [] });
    if ('refused' in appended) {
      // An earlier try may have come as far as the log and no farther.
      if (!this.#hasEnded(index)) throw new CustodyError(appended.refused);
      this.recover();
    } else {
      store.endImport(index, appended.index);
    }
    this.#salts.delete(index);
    return this.status(index);
  }

  /** Whether an open import can go on; if it never will, it is refused for good. */
  #canResume(open: StoredImport, declarationVersion: number): boolean {
    if (this.#isOvertaken(open) || open.declarationVersion !== declarationVersion) {
      this.#refuse(open.index);
      return false;
    }
    return true;
  }

  /** @throws CustodyError where the import may not go on */
  #requireCurrent(found: StoredImport): void {
    const { register } = this.#deps.log;
    const now = this.#deps.log.now();
    if (this.#isOvertaken(found)) throw new CustodyError('overtaken');
    if (register.declaration(found.holding, now)?.version !== found.declarationVersion) {
      throw new CustodyError('declaration-changed');
    }
    // Whoever announced it must still be allowed to: the key may have been revoked since.
    if (typeof register.key(found.importer, now) === 'string')
      throw new CustodyError('not-the-importer');
  }

  /** A version is later by its import's index: an older import must not end behind a younger one. */
  #isOvertaken(found: StoredImport): boolean {
    return (this.#deps.store.lastEnded(found.holding) ?? -1) > found.index;
  }

  #refuse(index: number): void {
    // What has ended in the log has ended, whatever the store knows of it yet.
    if (this.#hasEnded(index)) {
      this.recover();
      return;
    }
    this.#deps.store.refuseImport(index);
    this.#salts.delete(index);
    this.#discarder.discard(index);
  }

  /** Whether, after this error, the same upload can never come to a good end. */
  #isFinal(error: CustodyError, index: number): boolean {
    switch (error.code) {
      case 'commitment-differs':
      case 'declaration-changed':
      case 'overtaken':
      case 'row-limit':
        return true;
      case 'bad-file':
        // Before the first row another mapping, encoding or sheet may still make it fit.
        return (this.#deps.store.findImport(index)?.progress.rowsDone ?? 0) > 0;
      default:
        return false;
    }
  }

  #hasEnded(index: number): boolean {
    return this.#deps.log.register.import(index)?.ended === true;
  }

  #authorise(index: number, token: string): StoredImport {
    const found = this.#deps.store.findImport(index);
    if (found === null) throw new CustodyError('unknown-import');
    const given = sha256(Buffer.from(token, 'base64url'));
    if (!timingSafeEqual(given, found.tokenHash)) throw new CustodyError('bad-token');
    return found;
  }

  #remember(index: number, salt: string): void {
    this.#salts.delete(index);
    this.#salts.set(index, salt);
    const [oldest] = this.#salts.keys();
    if (this.#salts.size > SALTS_MAX && oldest !== undefined) this.#salts.delete(oldest);
  }
}

function isSameReading(a: Reading, b: Reading): boolean {
  return a.mapping === b.mapping && a.encoding === b.encoding && a.sheet === b.sheet;
}

function accept<T>(
  opened: { readonly ok: true; readonly batches: T } | FileRefusal,
  file: FilePlace | null,
): T {
  if (opened.ok) return opened.batches;
  throw new CustodyError('bad-file', `${opened.code}: ${describeRefusal(opened, file)}`);
}

function statusOf({ index, holding, state, endedIndex, progress }: StoredImport): ImportStatus {
  return {
    import: index,
    holding,
    state,
    ended: endedIndex,
    rows: progress.rowsDone,
    stored: progress.stored,
    unchanged: progress.unchanged,
    rejected: progress.rejected,
    root: hex(progress.range.root()),
  };
}

function sha256(bytes: Uint8Array): Buffer {
  return createHash('sha256').update(bytes).digest();
}
