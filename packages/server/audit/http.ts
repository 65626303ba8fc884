import { setTimeout as wait } from 'node:timers/promises';
import { AuditError } from './errors.ts';
import type { LogFiles } from './source.ts';

/** How long one answer may take, from the question to its last byte. */
const TIMEOUT_MS = 30_000;
/** How often a question is asked again when there was no answer, or one that says to come back later. */
const RETRIES_MAX = 2;
const BACKOFF_MS = 500;

const TOO_MANY_REQUESTS = 429;

export interface HttpTerms {
  readonly signal: AbortSignal;
  readonly timeoutMs?: number;
  readonly backoffMs?: number;
}

/** The prefix of a log. @throws TypeError for what is none: another scheme, a user, a query, a fragment */
export function parsePrefix(text: string): URL {
  const url = new URL(text.endsWith('/') ? text : `${text}/`);
  const isPlain =
    url.username === '' && url.password === '' && url.search === '' && url.hash === '';
  if (!isPlain || !(url.protocol === 'https:' || url.protocol === 'http:')) {
    throw new TypeError('not the address of a log');
  }
  return url;
}

/**
 * The files of a log behind an HTTP address. Every answer is bounded in bytes and in time; a redirection is refused,
 * since what answers for a log is what was named.
 */
export function httpFiles(prefix: URL, terms: HttpTerms): LogFiles {
  return {
    async read(path, bytesMax) {
      for (let tried = 0; ; tried++) {
        try {
          return await readOnce(new URL(path, prefix), { path, bytesMax, ...terms });
        } catch (error) {
          const isFinal = !(error instanceof AuditError) || error.code !== 'unreachable';
          if (isFinal || tried === RETRIES_MAX) throw error;
          const { backoffMs = BACKOFF_MS, signal } = terms;
          await wait(backoffMs * 2 ** tried, undefined, { signal });
        }
      }
    },
  };
}

async function readOnce(
  url: URL,
  {
    path,
    bytesMax,
    signal,
    timeoutMs = TIMEOUT_MS,
  }: HttpTerms & { readonly path: string; readonly bytesMax: number },
): Promise<Uint8Array | null> {
  try {
    const response = await fetch(url, {
      redirect: 'manual',
      headers: { 'accept-encoding': 'gzip, identity' },
      signal: AbortSignal.any([signal, AbortSignal.timeout(timeoutMs)]),
    });
    const { status } = response;
    if (status === 200) return await readBody(response, path, bytesMax);
    await response.body?.cancel();
    if (status === 404 || status === 410) return null;
    if (status === TOO_MANY_REQUESTS || status >= 500) {
      throw new AuditError('unreachable', path, `the log answers with ${status}`);
    }
    throw new AuditError('bad-response', path, `the log answers with ${status}`);
  } catch (cause) {
    if (cause instanceof AuditError) throw cause;
    signal.throwIfAborted();
    throw new AuditError('unreachable', path, 'the log does not answer', { cause });
  }
}

/** The whole body, counted as it is unpacked, so that a small answer cannot become a large one. */
async function readBody(response: Response, path: string, bytesMax: number): Promise<Uint8Array> {
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  for await (const chunk of response.body ?? []) {
    bytes += chunk.length;
    // Leaving the loop ends the answer.
    if (bytes > bytesMax) throw new AuditError('bad-response', path, 'the answer is too long');
    chunks.push(chunk);
  }
  return Buffer.concat(chunks, bytes);
}
