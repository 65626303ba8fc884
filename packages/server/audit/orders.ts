import { base64, fromBase64 } from '@amanat/core/bytes';
import { CoreError } from '@amanat/core/errors';
import { Register, readPublicDocument } from '@amanat/core/grants';
import { MAX_ENTRY_BYTES } from '@amanat/core/log';
import { list, object, text } from '@amanat/core/shape';
import { decodeSigned } from '../log/log.ts';
import type { Notice } from './notices.ts';

/** Orders, and what is said of them, of which an audit knows. Of more, it follows none. */
const LEAVES_MAX = 512;
/** How long the keeper may take for what two administrators ordered: custodians have to come for it. */
const CARRIED_OUT_MS = 7 * 86_400_000;
const TYPES: ReadonlySet<string> = new Set(['root-rotation', 'generation-rotation', 'carried-out']);

/** Reads what {@link OrdersSeen.keep} gave. */
export const readOrdersSeen = object({
  /** The genesis, and the leaves that took effect, in order and in base64. */
  leaves: list(text(4 * Math.ceil(MAX_ENTRY_BYTES / 3)), 0, LEAVES_MAX + 1),
});
/** What an audit remembers of orders. */
export type KeptOrders = ReturnType<typeof readOrdersSeen>;

/** What was ordered of a keeper's root and generations, and is not carried out by what the log says. */
export interface OrderCounts {
  readonly open: number;
  /** Those of the open ones that were signed more than seven days ago. */
  readonly overdue: number;
}

/** Whether the keeper has carried out what two administrators ordered of its keys, by the log's public entries alone. */
export class OrdersSeen {
  readonly #register = new Register();
  #leaves: readonly string[] = [];

  /** What does not take effect any more is passed by. @throws CoreError 'bad-encoding' */
  static from({ leaves }: KeptOrders): OrdersSeen {
    const seen = new OrdersSeen();
    for (const leaf of leaves) seen.#take(fromBase64(leaf), null);
    return seen;
  }

  /** What {@link OrdersSeen.from} takes. */
  keep(): KeptOrders {
    return { leaves: [...this.#leaves] };
  }

  /** Takes in what was noticed behind what it has, in a log of this origin. */
  take(notices: readonly Notice[], origin: string): void {
    for (const notice of notices) if (notice instanceof Uint8Array) this.#take(notice, origin);
  }

  /** @param now milliseconds since 1970 */
  count(now: number): OrderCounts {
    const open = this.#register.orders.filter(({ settled }) => settled === null);
    const overdue = open.filter(({ document }) => document.time + CARRIED_OUT_MS < now);
    return { open: open.length, overdue: overdue.length };
  }

  /** @param origin whose genesis begins the log; null: any */
  #take(bytes: Uint8Array, origin: string | null): void {
    const signed = decodeSigned(bytes);
    if (signed === null || this.#leaves.length > LEAVES_MAX) return;
    try {
      const document = readPublicDocument(signed.document);
      const isMeant =
        document.type === 'genesis'
          ? origin === null || document.origin === origin
          : TYPES.has(document.type);
      // None of them needs a time or a place.
      if (isMeant && this.#register.apply(0, signed, 0) === null) {
        this.#leaves = [...this.#leaves, base64(bytes)];
      }
    } catch (error) {
      // It is in the log and has no effect.
      if (!(error instanceof CoreError)) throw error;
    }
  }
}
