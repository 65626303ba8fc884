import { fromBase64, hex } from '@amanat/core/bytes';
import { CoreError } from '@amanat/core/errors';
import type { Exporter, SealingKey } from '@amanat/core/keys';
import { openSealed } from '@amanat/core/keys';
import { VIEW_INFO } from '@amanat/core/view';
import type { Opened } from './codes.ts';
import { sha256 } from './hash.ts';
import type { Asked, AskRejection } from './protocol.ts';

const VIEWS_MAX = 4096;
/** How long a view waits for its sign-in's entry and for being fetched. */
const VIEW_MS = 10 * 60_000;

/** A person's own view, between her ask and its answer. In memory alone: a restart means asking again. */
export interface ViewSession {
  readonly session: string;
  /** When it is forgotten, answered or not; milliseconds since 1970. */
  readonly expires: number;
  readonly answerKey: Uint8Array;
  /** Her subjects at each controller, and the sign-in's look-up of each. */
  readonly subjects: readonly (Opened & { readonly id: number })[];
}

/** The views that wait, by the number of their ask. */
export class ViewSessions {
  readonly #byAsk = new Map<number, ViewSession>();

  /** Whether no more may wait. */
  isFull(now: number): boolean {
    this.#forget(now);
    return this.#byAsk.size >= VIEWS_MAX;
  }

  begin(ask: number, session: Omit<ViewSession, 'expires'>, now: number): void {
    this.#byAsk.set(ask, { ...session, expires: now + VIEW_MS });
  }

  /** The session of a view ask, unless it came too late for it. */
  find(ask: number, now: number): ViewSession | null {
    this.#forget(now);
    return this.#byAsk.get(ask) ?? null;
  }

  /** Ends the session whose sign-in this look-up is: it is given up, and a later ask has to sign in anew. */
  giveUp(lookUp: number): void {
    for (const [ask, { subjects }] of this.#byAsk) {
      if (subjects.some(({ id }) => id === lookUp)) this.#byAsk.delete(ask);
    }
  }

  /** The session has been answered, once. */
  end(ask: number): void {
    this.#byAsk.delete(ask);
  }

  /** Sessions that nobody came for. The oldest come first, so that the first one in time ends the walk. */
  #forget(now: number): void {
    for (const [ask, { expires }] of this.#byAsk) {
      if (expires > now) return;
      this.#byAsk.delete(ask);
    }
  }
}

/** A view ask opened, or why it is not. */
export type OpenedView =
  | { readonly code: Uint8Array; readonly session: string; readonly exporter: Exporter }
  | { readonly rejected: AskRejection };

/** Opens what a browser sealed to the keeper. */
export async function openView(
  sealing: SealingKey,
  asked: Extract<Asked, { kind: 'view' }>,
): Promise<OpenedView> {
  try {
    const enc = fromBase64(asked.enc);
    const sealed = { enc, ciphertext: fromBase64(asked.ciphertext) };
    const { plaintext, exporter } = await openSealed(sealing, VIEW_INFO, sealed);
    return { code: plaintext, session: hex(sha256(enc)), exporter };
  } catch (error) {
    if (error instanceof CoreError) return { rejected: 'malformed' };
    throw error;
  }
}
