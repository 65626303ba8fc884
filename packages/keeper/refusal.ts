import type { CeremonyRefusal } from './ceremony-protocol.ts';
import type { KeeperRefusal } from './protocol.ts';

/** The keeper refuses a whole message. An expected answer: nothing was changed. */
export class Refusal extends Error {
  override name = 'Refusal';
  readonly code: KeeperRefusal | CeremonyRefusal;

  constructor(code: KeeperRefusal | CeremonyRefusal, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}
