import { equal, fromUtf8, hex } from '@amanat/core/bytes';
import { CompactRange, leafHash, parseCheckpoint, parseNote } from '@amanat/core/log';
import type { Answered, KeeperPort, MessageName, Messages } from '@amanat/keeper/client';
import { KeeperRefused, KeeperUnavailable } from '@amanat/keeper/client';
import type { LogStore } from './store.ts';

/**
 * A keeper for the log's own tests: it follows the tree and answers `commit` and `status`, gives 64 bytes of
 * a pattern as keys, and fails on command. It checks no signature and knows no statement.
 */
export class FakeKeeper implements KeeperPort {
  origin = 'log.test.example';
  /** Thrown by every question while it is set. */
  failure: Error | null = null;
  /** No question is looked at before. */
  held: Promise<unknown> = Promise.resolve();
  /** Answers, and takes no checkpoint. */
  refusesCheckpoints = false;
  /** Takes no checkpoint with a cosignature from before, milliseconds since 1970; a real one, from before its start. */
  cosignaturesFrom = 0;
  /** Checkpoints that were refused for it. */
  tooOld = 0;
  /** Follows, and then loses its answer. */
  losesNextAnswer = false;
  /** Sizes of the trees it was shown, in order. */
  readonly sizes: number[] = [];
  readonly wanted: number[] = [];
  range = CompactRange.empty();
  #staged: CompactRange | null = null;
  #turn: Promise<unknown> = Promise.resolve();
  readonly delayMs: number;

  constructor(delayMs = 0) {
    this.delayMs = delayMs;
  }

  /** A keeper that stands where the store last knew its keeper to be: a real one forgets nothing. */
  static behind(store: LogStore): FakeKeeper {
    const keeper = new FakeKeeper();
    for (const leaf of store.leaves(0, store.followed())) keeper.range.append(leafHash(leaf));
    return keeper;
  }

  ask<N extends MessageName>(
    name: N,
    body: Messages[N]['ask'],
    attachment: Uint8Array = new Uint8Array(),
  ): Promise<Answered<N>> {
    const turn = this.#turn.then(async () => {
      await this.held;
      if (this.delayMs > 0) await new Promise((resolve) => setTimeout(resolve, this.delayMs));
      if (this.failure !== null) throw this.failure;
      const answered = name === 'commit' ? this.#commit(body as never, attachment) : this.#status();
      if (name === 'commit' && this.losesNextAnswer) {
        this.losesNextAnswer = false;
        throw new KeeperUnavailable('connection lost');
      }
      return answered as unknown as Answered<N>;
    });
    this.#turn = turn.catch(() => {});
    return turn;
  }

  #status(): Answered<'status'> {
    const answer = {
      origin: this.origin,
      size: this.range.size,
      root: hex(this.range.root()),
      time: Date.now(),
      generation: 2,
      due: [],
      carriedOut: null,
      witnessed: false,
      cosignaturesFrom: this.cosignaturesFrom,
      releasedUncovered: 0,
      releasedUncounted: 0,
      open: [],
    };
    return { answer, attachment: Buffer.alloc(0) };
  }

  #commit(body: Messages['commit']['ask'], attachment: Uint8Array): Answered<'commit'> {
    if (this.refusesCheckpoints) throw new Error('not-witnessed');
    if (body.checkpoint !== null && hasOlder(body.checkpoint, this.cosignaturesFrom)) {
      this.tooOld += 1;
      throw new KeeperRefused('not-witnessed', 'cosignatures are too old');
    }
    const before = this.#staged ?? this.range;
    const range = CompactRange.from(before.size, before.hashes());
    let at = 0;
    while (at < attachment.length) {
      const end = at + 2 + (attachment[at] as number) * 256 + (attachment[at + 1] as number);
      range.append(leafHash(attachment.subarray(at + 2, end)));
      at = end;
    }
    this.#staged = body.checkpoint === null ? range : null;
    if (body.checkpoint === null) {
      return { answer: { size: this.range.size, released: [] }, attachment: Buffer.alloc(0) };
    }
    const head = parseCheckpoint(parseNote(body.checkpoint).text);
    if (range.size !== head.size || !equal(range.root(), head.root)) {
      throw new Error('not-an-extension');
    }
    this.range = range;
    this.sizes.push(range.size);
    this.wanted.push(...body.wanted);
    const released = body.wanted.map((id) => ({ id, keys: 2 }));
    return {
      answer: { size: range.size, released },
      attachment: Buffer.concat(body.wanted.map((id) => Buffer.alloc(64, id % 251))),
    };
  }
}

/** Whether a checkpoint has a cosignature of before. The first signature is the log's; others begin with their time. */
function hasOlder(checkpoint: string, fromMs: number): boolean {
  const [, ...cosignatures] = parseNote(checkpoint).signatures;
  const timesMs = cosignatures.map(
    ({ signature }) => Number(Buffer.from(signature).readBigUInt64BE()) * 1000,
  );
  return timesMs.some((timeMs) => timeMs < fromMs);
}

/** A leaf about a person, as the keeper would give it: 77 bytes that nobody can read. */
export function personalLeaf(seed: number): Uint8Array {
  const commitment = Buffer.alloc(32);
  commitment.writeUInt32BE(seed, 28);
  const text = `amanat/v1 person 2026-11-23T08Z ${commitment.toString('base64')}\n`;
  return Buffer.from(fromUtf8(Buffer.from(text)));
}
