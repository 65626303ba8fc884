import type { KeeperPort } from '@amanat/keeper/client';
import type { Log } from '../log/log.ts';
import type { Warn } from '../warn.ts';
import { namesOf } from '../warn.ts';

/** How often it is looked whether an order is open; the keeper is asked only where one is. */
const LOOK_MS = 1_000;

export interface OrdersDeps {
  readonly keeper: KeeperPort;
  readonly log: Pick<Log, 'appendPublic' | 'onOpen' | 'reason' | 'register'>;
  readonly warn: Warn;
}

/** The part that enters, in the keeper's words, that what two administrators ordered of its root or generations is done. */
export interface Orders extends Disposable {
  /** Never rejects: what does not succeed is told of and tried again at the next look, and the keeper says it until the log does. */
  look(): Promise<void>;
}

/** Makes the part: it looks whenever the log opens, and from then on by itself. */
export function createOrders(deps: OrdersDeps): Orders {
  let looking: Promise<void> | null = null;
  const look = () => {
    looking ??= enterCarriedOut(deps)
      .catch((error: unknown) => deps.warn('orders', namesOf(error)))
      .finally(() => {
        looking = null;
      });
    return looking;
  };
  deps.log.onOpen(() => void look());
  const timer = setInterval(() => void look(), LOOK_MS).unref();
  return { look, [Symbol.dispose]: () => clearInterval(timer) };
}

async function enterCarriedOut({ keeper, log }: OrdersDeps): Promise<void> {
  // Closed, it takes nothing, and says why by itself.
  if (log.reason !== null) return;
  if (log.register.orders.every(({ settled }) => settled !== null)) return;
  const { answer } = await keeper.ask('status', {});
  if (answer.carriedOut !== null) await log.appendPublic(answer.carriedOut);
}
