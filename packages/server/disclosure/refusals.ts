import { writeDocument } from '@amanat/core/grants';
import { coarseHour } from '@amanat/core/log';
import type { Log } from '../log/log.ts';

/** How often it is looked whether an hour is over. */
const LOOK_MS = 60_000;

/**
 * Counts the refusals that enter nobody's chain, because an officer has had more than ten in an hour, and enters
 * each agency's count in public when the hour is over. Kept in memory: a gateway that is killed loses the present
 * hour's count, which the keeper has for each officer.
 */
export class RefusalCounts implements Disposable {
  readonly #log: Pick<Log, 'appendPublic' | 'now'>;
  readonly #counts = new Map<string, { agency: string; hour: string; count: number }>();
  readonly #timer: NodeJS.Timeout;

  constructor(log: Pick<Log, 'appendPublic' | 'now'>) {
    this.#log = log;
    this.#timer = setInterval(() => void this.enter(), LOOK_MS).unref();
  }

  count(agency: string): void {
    const hour = coarseHour(this.#log.now());
    const key = `${agency} ${hour}`;
    const known = this.#counts.get(key) ?? { agency, hour, count: 0 };
    known.count += 1;
    this.#counts.set(key, known);
  }

  /** Enters the counts of hours that are over; `all`, the present one too. What the log does not take stays. */
  async enter({ all = false } = {}): Promise<void> {
    const present = coarseHour(this.#log.now());
    for (const [key, counted] of [...this.#counts]) {
      if (!all && counted.hour === present) continue;
      this.#counts.delete(key);
      const document = writeDocument<'refusals-counted'>({ type: 'refusals-counted', ...counted });
      try {
        await this.#log.appendPublic({ document, signatures: [] });
      } catch {
        // Counted anew for the same hour since, or not: nothing of it is lost.
        const since = this.#counts.get(key)?.count ?? 0;
        this.#counts.set(key, { ...counted, count: counted.count + since });
        return;
      }
    }
  }

  [Symbol.dispose](): void {
    clearInterval(this.#timer);
  }
}
