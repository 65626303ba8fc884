import { Agent as HttpAgent, request as httpRequest } from 'node:http';
import { Agent as HttpsAgent, request as httpsRequest } from 'node:https';
import { setTimeout as sleep } from 'node:timers/promises';
import { base64, fromUtf8 } from '@amanat/core/bytes';
import { CoreError } from '@amanat/core/errors';
import { verifyNoteSignature } from '@amanat/core/keys';
import type { Cosignature, CosignerKey } from '@amanat/core/log';
import { formatNote, openCosignatures, parseNote } from '@amanat/core/log';

/** How long a witness may take to answer. */
const ANSWER_MS_MAX = 5_000;
/** After a failure a witness is left alone for so long, doubling; then the next checkpoint is its chance. */
const REST_MS_MIN = 250;
const REST_MS_MAX = 5_000;
const ANSWER_BYTES_MAX = 16_384;
const SIZE = /^(0|[1-9][0-9]{0,15})\n$/;

/** A signed checkpoint, and the way to it from any earlier size. */
export interface CheckpointToCosign {
  readonly size: number;
  readonly note: string;
  /** RFC 6962's consistency proof from that size. */
  readonly proofFrom: (size: number) => Promise<readonly Uint8Array[]>;
}

/** Why a witness gave no cosignature. */
export type WitnessFailure =
  | 'unreachable'
  | 'refuses'
  | 'lies'
  | 'ahead'
  | 'resting'
  | 'overtaken'
  /** Its clock is not the keeper's: the keeper would not count what it signed. */
  | 'wrong-time';

/** A checkpoint was not cosigned by this witness. */
export class NotCosigned extends Error {
  override name = 'NotCosigned';
  readonly code: WitnessFailure;

  constructor(code: WitnessFailure, options?: ErrorOptions) {
    super(`witness gave no cosignature: ${code}`, options);
    this.code = code;
  }
}

export interface WitnessClientOptions {
  readonly intervalMs?: number;
  readonly now?: () => number;
}

interface Pending {
  readonly checkpoint: CheckpointToCosign;
  readonly resolve: (cosignature: Cosignature) => void;
  readonly reject: (error: NotCosigned) => void;
}

/**
 * One witness (C2SP tlog-witness). It has one checkpoint at a time; of those that come meanwhile the latest waits, so
 * that a slow one is always asked about the present.
 */
export class WitnessClient {
  readonly #key: CosignerKey;
  readonly #url: URL;
  readonly #agent: HttpAgent | HttpsAgent;
  readonly #now: () => number;
  /** The size that the witness stands at, as far as we know. */
  #size = 0;
  #busy = false;
  #next: Pending | null = null;
  #restsUntil = 0;
  #restMs = REST_MS_MIN;
  readonly #intervalMs: number;
  #asksFrom = 0;

  /**
   * @param intervalMs between one request and the next
   * @param now milliseconds, by a clock that never goes back.
   */
  constructor(
    key: CosignerKey,
    url: string,
    { intervalMs = 0, now = () => performance.now() }: WitnessClientOptions = {},
  ) {
    this.#intervalMs = intervalMs;
    this.#key = key;
    this.#url = new URL(`${url.replace(/\/$/, '')}/add-checkpoint`);
    const options = { keepAlive: true, maxSockets: 1 };
    this.#agent =
      this.#url.protocol === 'https:' ? new HttpsAgent(options) : new HttpAgent(options);
    this.#now = now;
  }

  /** Has the checkpoint cosigned. @throws NotCosigned */
  cosign(checkpoint: CheckpointToCosign): Promise<Cosignature> {
    if (this.#now() < this.#restsUntil) return Promise.reject(new NotCosigned('resting'));
    return new Promise((resolve, reject) => {
      this.#next?.reject(new NotCosigned('overtaken'));
      this.#next = { checkpoint, resolve, reject };
      if (!this.#busy) void this.#run();
    });
  }

  close(): void {
    this.#next?.reject(new NotCosigned('overtaken'));
    this.#next = null;
    this.#agent.destroy();
  }

  async #run(): Promise<void> {
    this.#busy = true;
    for (let next = this.#take(); next !== null; next = this.#take()) {
      const { checkpoint, resolve, reject } = next;
      try {
        resolve(await this.#ask(checkpoint));
        this.#restMs = REST_MS_MIN;
      } catch (error) {
        const failure =
          error instanceof NotCosigned ? error : new NotCosigned('unreachable', { cause: error });
        // What it said of itself is believed no longer than it is of use.
        this.#size = 0;
        this.#restsUntil = this.#now() + this.#restMs;
        this.#restMs = Math.min(2 * this.#restMs, REST_MS_MAX);
        reject(failure);
      }
    }
    this.#busy = false;
  }

  #take(): Pending | null {
    const next = this.#next;
    this.#next = null;
    return next;
  }

  async #ask(checkpoint: CheckpointToCosign): Promise<Cosignature> {
    // The second time from where the witness says it stands.
    for (const isLast of [false, true]) {
      if (this.#size > checkpoint.size) throw new NotCosigned('ahead');
      const early = this.#asksFrom - this.#now();
      if (early > 0) await sleep(early, undefined, { ref: false });
      this.#asksFrom = this.#now() + this.#intervalMs;
      const { status, body } = await this.#post(await addCheckpointBody(checkpoint, this.#size));
      if (status === 200) {
        const cosignature = this.#open(checkpoint.note, body);
        this.#size = checkpoint.size;
        return cosignature;
      }
      const stands =
        status === 409 ? Number(SIZE.exec(body.toString('latin1'))?.[1] ?? Number.NaN) : Number.NaN;
      // Its word alone: at the next checkpoint it is asked again.
      if (stands > checkpoint.size) throw new NotCosigned('ahead');
      if (Number.isNaN(stands) || isLast) break;
      this.#size = stands;
    }
    throw new NotCosigned('refuses');
  }

  /** The witness's own cosignature among the lines it answered with. A line that lies must not reach the keeper. */
  #open(note: string, lines: Uint8Array): Cosignature {
    try {
      const { text, signatures } = parseNote(`${note}${fromUtf8(lines)}`);
      const own = signatures.filter(
        ({ key }) => key.name === this.#key.name && key.keyId === this.#key.keyId,
      );
      const [cosignature] = openCosignatures(
        formatNote(text, own),
        [this.#key],
        verifyNoteSignature,
      );
      if (cosignature !== undefined) return cosignature;
    } catch (error) {
      if (!(error instanceof CoreError)) throw error;
    }
    throw new NotCosigned('lies');
  }

  #post(body: string, isLast = false): Promise<{ readonly status: number; readonly body: Buffer }> {
    return new Promise((resolve, reject) => {
      const send = this.#url.protocol === 'https:' ? httpsRequest : httpRequest;
      const headers = { 'content-type': 'text/plain', 'content-length': Buffer.byteLength(body) };
      const options = {
        method: 'POST',
        agent: this.#agent,
        headers,
        signal: AbortSignal.timeout(ANSWER_MS_MAX),
      };
      const request = send(this.#url, options, (response) => {
        const chunks: Buffer[] = [];
        let bytes = 0;
        response.on('data', (chunk: Buffer) => {
          chunks.push(chunk);
          bytes += chunk.length;
          if (bytes > ANSWER_BYTES_MAX) response.destroy(new Error('answer is too long'));
        });
        response.on('error', reject);
        response.on('end', () =>
          resolve({ status: response.statusCode ?? 0, body: Buffer.concat(chunks, bytes) }),
        );
      });
      request.on('error', (error) => {
        // A connection that the witness closed while it was idle says nothing of the witness.
        if (request.reusedSocket && !isLast) resolve(this.#post(body, true));
        else reject(error);
      });
      // An upgrade or an end before the answer settles nothing by itself.
      request.on('close', () => reject(new NotCosigned('unreachable')));
      request.end(body);
    });
  }
}

/** A body of add-checkpoint (C2SP tlog-witness). */
async function addCheckpointBody(checkpoint: CheckpointToCosign, from: number): Promise<string> {
  const proof = await checkpoint.proofFrom(from);
  return [`old ${from}`, ...proof.map(base64), '', checkpoint.note].join('\n');
}
