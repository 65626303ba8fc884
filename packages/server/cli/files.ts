import { closeSync, fsyncSync, openSync, renameSync, writeSync } from 'node:fs';
import { open, readFile, stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import { syncFolderNow } from '../storage/files.ts';
import { CliError } from './errors.ts';

/** Most bytes of a file or of standard input that is read whole, unless told otherwise. */
const TEXT_BYTES_MAX = 1024 * 1024;

/** What `--from` says where it is not given: standard input. */
export const STANDARD_INPUT = '-';

/** Reads a file whole, up to a bound. @throws CliError 'failed' */
export async function readBytes(path: string, max = TEXT_BYTES_MAX): Promise<Buffer> {
  try {
    const { size } = await stat(path);
    if (size > max) throw new CliError('failed', `${path} is larger than ${max} bytes`);
    return await readFile(path);
  } catch (cause) {
    if (cause instanceof CliError) throw cause;
    throw unreadable(path, cause);
  }
}

/** Why a file that somebody named cannot be read. */
export function unreadable(path: string, cause: unknown): CliError {
  const reason = codeOf(cause);
  const messages: Readonly<Record<string, string>> = {
    ENOENT: `there is no file ${path}`,
    EACCES: `${path} may not be read by this user`,
    EISDIR: `${path} is a folder`,
  };
  return new CliError('failed', messages[reason] ?? `${path} cannot be read`, { cause, reason });
}

/** {@link readBytes} as UTF-8. */
export async function readText(path: string, max = TEXT_BYTES_MAX): Promise<string> {
  return (await readBytes(path, max)).toString('utf8');
}

/**
 * Reads a file, or standard input where the path is `-`, up to a bound.
 * @throws CliError 'failed'
 */
export async function readInput(
  path: string,
  stdin: AsyncIterable<Uint8Array | string>,
  max = TEXT_BYTES_MAX,
): Promise<string> {
  if (path !== STANDARD_INPUT) return readText(path, max);
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of stdin) {
    const buffer = Buffer.from(chunk);
    bytes += buffer.length;
    if (bytes > max) throw new CliError('failed', `standard input is longer than ${max} bytes`);
    chunks.push(buffer);
  }
  return Buffer.concat(chunks).toString('utf8');
}

/**
 * Writes a file that only its owner may read, whole or not at all, and durably.
 * @throws CliError 'failed', also where it is there and `replace` is not set
 */
export function writePrivate(path: string, text: string, { replace }: { replace: boolean }): void {
  const target = replace ? `${path}.new` : path;
  try {
    const file = openSync(target, replace ? 'w' : 'wx', 0o600);
    try {
      writeSync(file, text);
      fsyncSync(file);
    } finally {
      closeSync(file);
    }
    if (replace) renameSync(target, path);
    syncFolderNow(dirname(path));
  } catch (cause) {
    const taken = codeOf(cause) === 'EEXIST';
    throw new CliError('failed', taken ? `${path} is there already` : `${path} cannot be written`, {
      cause,
      reason: codeOf(cause),
      ...(taken ? { remedy: 'choose another name, or move the file away' } : {}),
    });
  }
}

/** A file's bytes in chunks, so that its size does not matter. */
export async function* readChunks(path: string): AsyncGenerator<Buffer, void, undefined> {
  const file = await open(path, 'r');
  try {
    for await (const chunk of file.createReadStream({ highWaterMark: 256 * 1024 })) yield chunk;
  } finally {
    await file.close();
  }
}

/** The system's code of a failure, such as ENOENT. */
export function codeOf(error: unknown): string {
  const code = error instanceof Error && 'code' in error ? error.code : null;
  return typeof code === 'string' ? code : 'unknown';
}
