import type { Register, Witnessing } from '@amanat/core/grants';
import { quorumOf } from '@amanat/core/grants';
import { formatNote, parseNote, signerId } from '@amanat/core/log';
import type { Witnessed } from '../http/problem.ts';
import { UNWITNESSED } from '../http/problem.ts';
import type { CheckpointToCosign } from './witness-client.ts';
import { NotCosigned, WitnessClient } from './witness-client.ts';

/** Fewer witnesses than the quorum cosigned a checkpoint. */
export class NotWitnessed extends Error {
  override name = 'NotWitnessed';
  /** What each witness failed with, by the name of its key. */
  readonly failures: Readonly<Record<string, string>>;

  constructor(failures: Readonly<Record<string, string>>, options?: ErrorOptions) {
    super('too few witnesses cosigned', options);
    this.failures = failures;
  }

  /** Why the log stands still: a witness that has seen more of it than we have means that ours is an old copy. */
  get reason(): 'not-witnessed' | 'older-than-witnesses' {
    return Object.values(this.failures).includes('ahead')
      ? 'older-than-witnesses'
      : 'not-witnessed';
  }
}

export interface CosigningTerms {
  /** Whether the smaller quorum does. */
  readonly isBroken: boolean;
  /** Whether the keeper counts a cosignature of this time, in seconds since 1970. */
  readonly counts: (timeSeconds: number) => boolean;
}

/** Gathers cosignatures of the witnesses that the log names, from all of them at once. */
export class Quorum {
  #clients = new Map<string, WitnessClient>();

  /**
   * The checkpoint's note with the cosignatures of a quorum: of those who are quickest, and the others are not waited
   * for. Where a smaller number does (the glass is broken), with that of all who answered.
   * @throws NotWitnessed
   */
  async cosign(
    checkpoint: CheckpointToCosign,
    witnessing: Witnessing,
    { isBroken, counts }: CosigningTerms,
  ): Promise<string> {
    const { document } = witnessing;
    const asked = this.#clientsOf(witnessing).map(async (client) => {
      const cosignature = await client.cosign(checkpoint);
      if (!counts(cosignature.timeSeconds)) throw new NotCosigned('wrong-time');
      return cosignature;
    });
    const found = await firstOf(asked, document.quorum);
    if (found.length < quorumOf(document, isBroken))
      throw new NotWitnessed(await failuresOf(witnessing, asked));
    const { text, signatures } = parseNote(checkpoint.note);
    return formatNote(text, [...signatures, ...found]);
  }

  close(): void {
    for (const client of this.#clients.values()) client.close();
  }

  /** Clients live as long as the log names their witness at that address. */
  #clientsOf({ document, keys }: Witnessing): readonly WitnessClient[] {
    const clients = new Map<string, WitnessClient>();
    for (const [at, { key, url }] of document.witnesses.entries()) {
      const id = `${key} ${url}`;
      const cosigner = keys[at];
      if (cosigner === undefined) throw new Error('a witness has no key');
      clients.set(id, this.#clients.get(id) ?? new WitnessClient(cosigner, url));
    }
    for (const [id, client] of this.#clients) if (!clients.has(id)) client.close();
    this.#clients = clients;
    return [...clients.values()];
  }
}

/** What the first `count` that succeed give; fewer, once all have ended. */
function firstOf<T>(promises: readonly Promise<T>[], count: number): Promise<readonly T[]> {
  return new Promise((resolve) => {
    const found: T[] = [];
    let ended = 0;
    const end = () => {
      ended += 1;
      if (found.length >= count || ended === promises.length) resolve(found.slice(0, count));
    };
    for (const promise of promises) {
      promise.then((value) => {
        found.push(value);
        end();
      }, end);
    }
  });
}

async function failuresOf({ keys }: Witnessing, asked: readonly Promise<unknown>[]) {
  const ended = await Promise.allSettled(asked);
  const failures = ended.flatMap((each, at) => {
    const key = keys[at];
    if (each.status === 'fulfilled' || key === undefined) return [];
    return [[signerId(key), each.reason instanceof NotCosigned ? each.reason.code : 'failed']];
  });
  return Object.fromEntries(failures) as Record<string, string>;
}

/** Whether witnesses cosign, and in words which of them have to. */
export function describeWitnessing(register: Register, time: number): Witnessed {
  const witnessing = register.witnessing(time);
  if (witnessing === null) return UNWITNESSED;
  const { witnesses, quorum, breakGlass } = witnessing.document;
  const until = register.brokenUntil(time);
  const words =
    until === null || breakGlass === null
      ? `cosigned by ${quorum} of ${witnesses.length} witnesses`
      : `glass broken until ${new Date(until).toISOString()}: ${breakGlass.quorum} of ${witnesses.length} witnesses do`;
  return { witnessed: true, witnessing: words };
}
