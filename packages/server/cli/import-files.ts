import { createHash } from 'node:crypto';
import { readdirSync, statSync } from 'node:fs';
import { basename, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { hex } from '@amanat/core/bytes';
import { writeDocument } from '@amanat/core/grants';
import type { SigningKey } from '@amanat/core/keys';
import { deriveKey } from '@amanat/core/keys';
import { describeRefusal, encodeFrames, RowBound } from '../custody/rows/rows.ts';
import type { Api } from './client.ts';
import { CliError } from './errors.ts';
import { readChunks, unreadable } from './files.ts';
import { signDocument } from './keys.ts';
import type { Random } from './requests.ts';

/** Most files in one import. */
const FILES_MAX = 1_000_000;
/** Rows beyond those counted, for what is drawn again when an interrupted import goes on. */
const ROW_SLACK = 16_384;
/** How long to wait where an upload to the same holding is running. */
const BUSY_TURNS_MAX = 20;
const BUSY_WAIT_MS = 250;
const UPLOAD_TYPE = 'application/vnd.amanat.files';

/** A file to import. */
export interface SourceFile {
  readonly name: string;
  readonly path: string;
  readonly sizeBytes: number;
}

/** What an import is made of. */
export interface ImportTerms {
  readonly api: Api;
  readonly key: SigningKey;
  readonly holding: string;
  readonly files: readonly SourceFile[];
  /** Whether each file is a record of its own rather than a table of them. */
  readonly ofImages: boolean;
  readonly mapping: unknown;
  readonly encoding: string | null;
  readonly sheet: string | null;
  readonly now: () => number;
  readonly random: Random;
  readonly signal: AbortSignal;
  /** Told the bytes so far, and of how many. */
  readonly onProgress: (step: 'read' | 'sent', bytes: number, total: number) => void;
}

/** How an import ended. */
export interface ImportSummary {
  readonly import: number;
  readonly holding: string;
  readonly ended: number | null;
  readonly rows: number;
  readonly stored: number;
  readonly unchanged: number;
  readonly rejected: number;
  readonly root: string;
  readonly resumed: boolean;
  /** From the first byte sent to the import's end in the log. */
  readonly seconds: number;
}

/**
 * The files of paths: a folder stands for every file in it, in the order of their names, so that the same folder is
 * always the same import.
 * @throws CliError 'failed' where one cannot be read; folders in folders are not looked into
 */
export function listFiles(paths: readonly string[]): SourceFile[] {
  const files = paths.flatMap((path) => {
    const found = statOf(path);
    if (!found.isDirectory()) return [{ name: basename(path), path, sizeBytes: found.size }];
    return readdirSync(path)
      .filter((name) => !name.startsWith('.'))
      .sort()
      .flatMap((name) => {
        const inside = join(path, name);
        const stat = statOf(inside);
        return stat.isFile() ? [{ name, path: inside, sizeBytes: stat.size }] : [];
      });
  });
  if (files.length === 0) throw new CliError('failed', 'there is no file to import');
  if (files.length > FILES_MAX) throw new CliError('failed', `more than ${FILES_MAX} files`);
  return files;
}

/**
 * Imports files: reads them once for the commitment that is signed, announces the import, and sends them. Sent again
 * after an interruption, by the same key for the same holding, the same files go on where they stopped.
 * @throws CliError
 */
export async function importFiles(terms: ImportTerms): Promise<ImportSummary> {
  const { api, key, holding, files, now } = terms;
  const salt = importSalt(key, holding);
  const { commitment, rows } = await commitToFiles(terms, salt);
  const announce = () => {
    const document = writeDocument<'import-begun'>({
      type: 'import-begun',
      holding,
      rowLimit: rows + ROW_SLACK,
      commitment,
      nonce: hex(terms.random(16)),
      time: now(),
    });
    const signed = { document, signatures: [signDocument(key, document)] };
    const { mapping, encoding, sheet } = terms;
    const reading = { salt: hex(salt), mapping, encoding, sheet };
    return api.post<Begun>('/v1/imports', { ...signed, ...reading });
  };
  const { status, body: begun } = await untilFree(announce, terms.signal);
  const started = now();
  const total = framedBytes(files);
  const ended = await api.upload<Omit<ImportSummary, 'resumed' | 'seconds' | 'holding'>>(
    `/v1/imports/${begun.import}/upload`,
    {
      type: UPLOAD_TYPE,
      token: begun.upload,
      sizeBytes: total,
      source: counted(frames(files), (bytes) => terms.onProgress('sent', bytes, total)),
      signal: terms.signal,
    },
  );
  const seconds = (now() - started) / 1000;
  return { ...ended, holding, resumed: status === 200, seconds };
}

/** An import that may be uploaded. */
interface Begun {
  readonly import: number;
  readonly upload: string;
}

/** Tries again for a while where an upload runs: one that was just interrupted takes a moment to end. */
async function untilFree<T>(announce: () => Promise<T>, signal: AbortSignal): Promise<T> {
  for (let turn = 1; ; turn++) {
    try {
      return await announce();
    } catch (error) {
      const isBusy = error instanceof CliError && error.reason === 'upload-running';
      if (!isBusy || turn === BUSY_TURNS_MAX) throw error;
      await sleep(BUSY_WAIT_MS, undefined, { signal });
    }
  }
}

/**
 * The salt of a commitment to files. It follows from the importer's key and the holding, so that sending the same files
 * again finds the import that was begun; nobody without the key can confirm a guess of them.
 */
function importSalt(key: SigningKey, holding: string): Buffer {
  const secret = key.object.export({ format: 'der', type: 'pkcs8' });
  return deriveKey(secret, 'amanat/v1 import salt', holding);
}

async function commitToFiles(
  { files, ofImages, sheet, signal, onProgress }: ImportTerms,
  salt: Uint8Array,
): Promise<{ commitment: string; rows: number }> {
  const digest = createHash('sha256').update(salt);
  const total = framedBytes(files);
  let bytes = 0;
  let rows = ofImages ? files.length : 0;
  for (const [at, file] of files.entries()) {
    const bound = ofImages ? null : new RowBound(sheet ?? undefined);
    for await (const chunk of frames([file], (read) => bound?.take(read))) {
      signal.throwIfAborted();
      digest.update(chunk);
      bytes += chunk.length;
      onProgress('read', bytes, total);
    }
    const counted = await bound?.rows();
    if (counted?.ok === false) {
      const message = describeRefusal(counted, { at: at + 1, name: file.name });
      throw new CliError('refused', message, { reason: counted.code });
    }
    rows += counted?.rows ?? 0;
  }
  return { commitment: digest.digest('hex'), rows };
}

function frames(
  files: readonly SourceFile[],
  onContent: (chunk: Buffer) => void = () => {},
): AsyncGenerator<Buffer> {
  const content = async function* (path: string) {
    for await (const chunk of readChunks(path)) {
      onContent(chunk);
      yield chunk;
    }
  };
  return toBuffers(
    encodeFrames(
      files.map(({ name, path, sizeBytes }) => ({ name, size: sizeBytes, content: content(path) })),
    ),
  );
}

async function* toBuffers(source: AsyncIterable<Uint8Array>): AsyncGenerator<Buffer> {
  for await (const chunk of source) {
    yield Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength);
  }
}

async function* counted(
  source: AsyncIterable<Buffer>,
  onBytes: (bytes: number) => void,
): AsyncGenerator<Buffer> {
  let bytes = 0;
  for await (const chunk of source) {
    yield chunk;
    bytes += chunk.length;
    onBytes(bytes);
  }
}

/** What encodeFrames writes: a head of ten bytes and the name for each file, and the file. */
function framedBytes(files: readonly SourceFile[]): number {
  return files.reduce((sum, file) => sum + 10 + Buffer.byteLength(file.name) + file.sizeBytes, 0);
}

function statOf(path: string) {
  try {
    return statSync(path);
  } catch (cause) {
    throw unreadable(path, cause);
  }
}
