import type { Register } from '@amanat/core/grants';
import { writeDocument } from '@amanat/core/grants';
import type { KeeperPort } from '@amanat/keeper/client';
import type { Log } from '../log/log.ts';

/** How often the keeper is asked. */
const LOOK_MS = 5_000;
/** What one entry counts at most. */
const COUNT_MAX = 1_000_000;

export interface BrokenGlassDeps {
  readonly keeper: KeeperPort;
  readonly log: Pick<Log, 'appendPublic' | 'now'> & {
    readonly register: Pick<Register, 'witnessing'>;
  };
}

/**
 * Enters in public how many look-ups a broken glass released, once the full quorum has covered them. The count is the
 * keeper's, which takes off what the log has: a gateway that is killed in between counts nothing twice and leaves
 * nothing out.
 */
export class BrokenGlassCount implements Disposable {
  readonly #deps: BrokenGlassDeps;
  readonly #timer: NodeJS.Timeout;
  #entering: Promise<void> | null = null;

  constructor(deps: BrokenGlassDeps) {
    this.#deps = deps;
    this.#timer = setInterval(() => void this.enter(), LOOK_MS).unref();
  }

  /** Enters what there is to count. What the log does not take is asked for again. */
  enter(): Promise<void> {
    this.#entering ??= this.#enter()
      .catch(() => {})
      .finally(() => {
        this.#entering = null;
      });
    return this.#entering;
  }

  async #enter(): Promise<void> {
    const { keeper, log } = this.#deps;
    if (log.register.witnessing(log.now()) === null) return;
    const { answer } = await keeper.ask('status', {});
    if (answer.releasedUncounted === 0) return;
    const document = writeDocument<'broken-glass-counted'>({
      type: 'broken-glass-counted',
      releases: Math.min(answer.releasedUncounted, COUNT_MAX),
      time: log.now(),
    });
    await log.appendPublic({ document, signatures: [] });
  }

  [Symbol.dispose](): void {
    clearInterval(this.#timer);
  }
}
