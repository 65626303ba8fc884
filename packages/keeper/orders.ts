import type { Order, Register, Signed } from '@amanat/core/grants';
import { writeDocument } from '@amanat/core/grants';
import type { SigningKey } from '@amanat/core/keys';
import type { OrderSummary } from './ceremony-protocol.ts';
import type { KeyRing } from './key-ring.ts';
import { rootId } from './providers/root.ts';
import type { Roots } from './roots.ts';
import { signByKeeper } from './signers.ts';
import { FIRST_GENERATION } from './slots.ts';

/**
 * What two administrators ordered of the root and the generations, and whether it is carried out: by the root and the
 * generation that are in force, so that nothing is to be remembered, nor lost, between the change and its entry.
 */
export class Orders {
  readonly #register: Register;
  readonly #ring: KeyRing;
  readonly #roots: Roots;
  readonly #signing: SigningKey;

  constructor(deps: {
    readonly register: Register;
    readonly ring: KeyRing;
    readonly roots: Roots;
    readonly signing: SigningKey;
  }) {
    this.#register = deps.register;
    this.#ring = deps.ring;
    this.#roots = deps.roots;
    this.#signing = deps.signing;
  }

  /** That one is carried out, in the keeper's words, for the log; null where there is none of which it does not say so. */
  carriedOut(now: number): Signed | null {
    const last = this.#register.orders.findLast(
      (order) => order.settled === null && this.#isCarriedOut(order),
    );
    if (last === undefined) return null;
    const { hash: order } = last;
    const document = writeDocument<'carried-out'>({ type: 'carried-out', order, time: now });
    return signByKeeper(this.#signing, document);
  }

  /** Those of which the log does not say so, and the last of each kind. */
  summary(): readonly OrderSummary[] {
    const { orders } = this.#register;
    const lastOf = (type: string) => orders.findLast(({ document }) => document.type === type);
    return orders
      .filter((order) => order.settled === null || order === lastOf(order.document.type))
      .map((order) => ({
        type: order.document.type,
        index: order.index,
        isCarriedOut: this.#isCarriedOut(order),
        entered: order.settled,
      }));
  }

  #isCarriedOut({ document }: Order): boolean {
    if (document.type === 'root-rotation') return rootId(this.#roots.present) === document.root;
    const { generation, pastGeneration } = this.#ring;
    const ordered = FIRST_GENERATION + document.version;
    return generation > ordered || (generation === ordered && pastGeneration === null);
  }
}
