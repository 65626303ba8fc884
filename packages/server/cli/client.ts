import type { ClientRequest, IncomingMessage } from 'node:http';
import { Agent, request } from 'node:http';
import { createConnection } from 'node:net';
import { pipeline } from 'node:stream/promises';
import { CliError } from './errors.ts';
import { codeOf } from './files.ts';

/** Longest answer that is read: a person's longest view fits. */
const ANSWER_BYTES_MAX = 256 * 1024 * 1024;
/** Connections that are open at a time. */
const SOCKETS_MAX = 64;

/** A JSON answer and its status. */
export interface Answer<T> {
  readonly status: number;
  readonly body: T;
}

/** RFC 9457, as the gateway writes it. */
interface Problem {
  readonly title?: string;
  readonly detail?: string;
  readonly code?: string;
  readonly rule?: string | null;
  readonly remedy?: string;
}

/** Where the gateway is: its Unix socket, or a host and port. */
export type Where =
  | { readonly socketPath: string }
  | { readonly host: string; readonly port: number };

/** The gateway's HTTP API, from one of its clients. Answers are the caller's own gateway's and taken at their type. */
export class Api implements AsyncDisposable {
  readonly #where: Where;
  readonly #agent = new Agent({ keepAlive: true, maxSockets: SOCKETS_MAX });
  readonly #close: () => Promise<void>;

  /** @param close what else ends with it, such as a gateway that was started for it. */
  constructor(where: Where, close: () => Promise<void> = async () => {}) {
    this.#where = where;
    this.#close = close;
  }

  /** @throws CliError where the gateway refuses, or is not there */
  async get<T>(path: string): Promise<T> {
    return parseJson<T>(await this.#exchange('GET', path, null)).body;
  }

  /** Gives the answer of any status below 400. @throws CliError where the gateway refuses, or is not there */
  async post<T>(path: string, body: unknown): Promise<Answer<T>> {
    const bytes = Buffer.from(JSON.stringify(body));
    return parseJson<T>(await this.#exchange('POST', path, { type: 'application/json', bytes }));
  }

  /** The bytes of a static file. @throws CliError */
  async bytes(path: string): Promise<Buffer> {
    return (await this.#exchange('GET', path, null)).bytes;
  }

  /**
   * Sends a stream of known length under a bearer token. An answer that comes before the stream's end ends the sending.
   * @throws CliError where the gateway refuses or breaks off; an aborted signal's reason
   */
  async upload<T>(path: string, upload: Upload): Promise<T> {
    const sending = this.#open('PUT', path, {
      'content-type': upload.type,
      'content-length': upload.sizeBytes,
      authorization: `Bearer ${upload.token}`,
    });
    const answered = answerTo(sending);
    answered.catch(() => {});
    const sent = pipeline(upload.source, sending, { signal: upload.signal });
    try {
      await sent;
    } catch (error) {
      if (upload.signal.aborted) {
        sending.destroy();
        throw new CliError('interrupted', 'stopped', { cause: error });
      }
      // The gateway may have refused while we were still sending: then its answer says why.
      const early = await Promise.race([
        answered.catch(() => null),
        new Promise<null>((done) => setTimeout(done, 1000, null).unref()),
      ]);
      if (early === null) throw unreachable(error);
      return parseJson<T>(refuseOnProblem(early)).body;
    }
    return parseJson<T>(refuseOnProblem(await answered.catch(rethrowUnreachable))).body;
  }

  /** Text under a bearer token. @throws CliError */
  async text(path: string, token: string): Promise<string> {
    const sending = this.#open('GET', path, { authorization: `Bearer ${token}` });
    sending.end();
    const answer = refuseOnProblem(await answerTo(sending).catch(rethrowUnreachable));
    return answer.bytes.toString('utf8');
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#agent.destroy();
    await this.#close();
  }

  async #exchange(
    method: string,
    path: string,
    body: { readonly type: string; readonly bytes: Buffer } | null,
  ): Promise<Raw> {
    const headers =
      body === null ? {} : { 'content-type': body.type, 'content-length': body.bytes.length };
    const sending = this.#open(method, path, headers);
    sending.end(body?.bytes);
    return refuseOnProblem(await answerTo(sending).catch(rethrowUnreachable));
  }

  #open(method: string, path: string, headers: Record<string, string | number>): ClientRequest {
    return request({ ...this.#where, agent: this.#agent, method, path, headers });
  }
}

/** What {@link Api.upload} sends. */
export interface Upload {
  readonly type: string;
  readonly token: string;
  readonly sizeBytes: number;
  readonly source: AsyncIterable<Uint8Array>;
  readonly signal: AbortSignal;
}

/** Whether somebody listens at a Unix socket. */
export function isServed(socketPath: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = createConnection({ path: socketPath });
    socket.once('connect', () => {
      socket.destroy();
      resolve(true);
    });
    socket.once('error', () => resolve(false));
  });
}

interface Raw {
  readonly status: number;
  readonly type: string;
  readonly bytes: Buffer;
}

async function answerTo(sending: ClientRequest): Promise<Raw> {
  const incoming = await new Promise<IncomingMessage>((resolve, reject) => {
    sending.once('response', resolve);
    // Kept for good: an error after the answer must not end the process.
    sending.on('error', reject);
  });
  const chunks: Buffer[] = [];
  let length = 0;
  for await (const chunk of incoming as AsyncIterable<Buffer>) {
    length += chunk.length;
    if (length > ANSWER_BYTES_MAX) throw new CliError('failed', 'the answer is too long');
    chunks.push(chunk);
  }
  const type = incoming.headers['content-type'] ?? '';
  return { status: incoming.statusCode ?? 0, type, bytes: Buffer.concat(chunks) };
}

function refuseOnProblem(raw: Raw): Raw {
  if (raw.status < 400) return raw;
  const problem: Problem = raw.type.includes('json') ? parseJson<Problem>(raw).body : {};
  const what = problem.detail ?? problem.title ?? `the gateway answered ${raw.status}`;
  throw new CliError(raw.status >= 500 ? 'failed' : 'refused', what, {
    reason: problem.code ?? `http-${raw.status}`,
    ...(typeof problem.rule === 'string' ? { rule: problem.rule } : {}),
    ...(problem.remedy === undefined ? {} : { remedy: problem.remedy }),
  });
}

function parseJson<T>({ status, bytes }: Raw): Answer<T> {
  try {
    return { status, body: JSON.parse(bytes.toString('utf8')) as T };
  } catch (cause) {
    throw new CliError('failed', 'the gateway’s answer is not json', { cause });
  }
}

function unreachable(cause: unknown): CliError {
  return new CliError('failed', 'the gateway broke off, or cannot be reached', {
    cause,
    reason: codeOf(cause),
    remedy: 'see whether it runs, and try again',
  });
}

function rethrowUnreachable(error: unknown): never {
  throw error instanceof CliError ? error : unreachable(error);
}
