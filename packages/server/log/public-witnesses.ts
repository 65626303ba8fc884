import type { Cosignature } from '@amanat/core/log';
import { parseCosignerKey, parseNote } from '@amanat/core/log';
import type { PublicWitness } from '../config/config.ts';
import type { CheckpointToCosign } from './witness-client.ts';
import { NotCosigned, WitnessClient } from './witness-client.ts';

/** Between one request to a witness and the next. */
const INTERVAL_MS = 1_000;

export interface PublicWitnessesDeps {
  readonly witnesses: readonly PublicWitness[];
  /** Adds a cosignature to the published checkpoint, where that still is of this text. */
  readonly add: (text: string, cosignature: Cosignature) => Promise<void>;
  readonly onFailure: (error: unknown) => void;
}

/**
 * Hands published checkpoints on to witnesses that nobody relies on for a read: they see that the log is one, for
 * everybody. Aside from the reads, the latest at most once a second; one that fails costs nothing.
 */
export class PublicWitnesses {
  readonly #deps: PublicWitnessesDeps;
  readonly #clients: readonly WitnessClient[];
  #next: CheckpointToCosign | null = null;
  #timer: NodeJS.Timeout | null = null;
  #isClosed = false;

  constructor(deps: PublicWitnessesDeps) {
    this.#deps = deps;
    this.#clients = deps.witnesses.map(
      ({ key, url }) => new WitnessClient(parseCosignerKey(key), url, { intervalMs: INTERVAL_MS }),
    );
  }

  /** Tells of a checkpoint that is published. */
  offer(checkpoint: CheckpointToCosign): void {
    if (this.#clients.length === 0 || this.#isClosed) return;
    this.#next = checkpoint;
    if (this.#timer === null) this.#handOn();
  }

  close(): void {
    this.#isClosed = true;
    if (this.#timer !== null) clearTimeout(this.#timer);
    for (const client of this.#clients) client.close();
  }

  #handOn(): void {
    const checkpoint = this.#next;
    this.#next = null;
    this.#timer = null;
    if (checkpoint === null) return;
    this.#timer = setTimeout(() => this.#handOn(), INTERVAL_MS).unref();
    for (const client of this.#clients) void this.#ask(client, checkpoint);
  }

  async #ask(client: WitnessClient, checkpoint: CheckpointToCosign): Promise<void> {
    try {
      const cosignature = await client.cosign(checkpoint);
      const { text } = parseNote(checkpoint.note);
      await this.#deps.add(text, cosignature);
    } catch (error) {
      // One that rests was told of when it failed.
      const isTold = error instanceof NotCosigned && ['resting', 'overtaken'].includes(error.code);
      if (!isTold && !this.#isClosed) this.#deps.onFailure(error);
    }
  }
}
