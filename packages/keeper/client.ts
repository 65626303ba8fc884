import type { Socket } from 'node:net';
import { createConnection } from 'node:net';
import type { CeremonyMessages, CeremonyRefusal } from './ceremony-protocol.ts';
import type { Frame } from './frame.ts';
import { encodeFrame, FrameError, FrameReader } from './frame.ts';
import type { KeeperRefusal, MessageName, Messages } from './protocol.ts';

export type {
  CeremonyMessages,
  CeremonyRefusal,
  CeremonyStatus,
  OrderSummary,
  RootSummary,
} from './ceremony-protocol.ts';
export type { DevicePlaces } from './confinement.ts';
export { deviceArguments, keeperArguments } from './confinement.ts';
export { createKeeper, KEEPER_FILES } from './create.ts';
export { packDrawRows, unpackDrawnRows } from './draw-rows.ts';
export { FrameError, packLeaves } from './frame.ts';
export type { PreparedEntry, PreparedLookUp } from './prepared.ts';
export { splitPrepared } from './prepared.ts';
export * from './protocol.ts';
export { drawUnderPassphrase } from './providers/passphrase.ts';
export type { DeviceCode } from './providers/pkcs11.ts';
export { Device, DeviceError, drawInDevice } from './providers/pkcs11.ts';
export type { DrawnRoot } from './providers/root.ts';
export { drawShares, Shares } from './providers/shares.ts';

/** The keeper cannot be reached, or went away before it answered: nothing was released to us. */
export class KeeperUnavailable extends Error {
  override name = 'KeeperUnavailable';
}

/** The keeper refused the whole message. */
export class KeeperRefused extends Error {
  override name = 'KeeperRefused';
  readonly code: KeeperRefusal | CeremonyRefusal;

  constructor(code: KeeperRefusal | CeremonyRefusal, message: string) {
    super(message);
    this.code = code;
  }
}

/** Messages by name, each with its answer. */
type Table<M> = { readonly [N in keyof M]: { readonly ask: object; readonly answer: object } };

/** An answer and the bytes beside it. */
export interface Answered<N extends keyof M, M extends Table<M> = Messages> {
  readonly answer: M[N]['answer'];
  readonly attachment: Buffer;
}

/** What the gateway needs of a keeper; {@link KeeperClient} is one. */
export interface KeeperPort {
  ask<N extends MessageName>(
    name: N,
    body: Messages[N]['ask'],
    attachment?: Uint8Array,
  ): Promise<Answered<N>>;
}

interface Waiting {
  readonly id: number;
  readonly resolve: (frame: Frame) => void;
  readonly reject: (error: Error) => void;
}

const WAITING_MAX = 1024;
/** How long the keeper may be silent while a question waits; beyond that it counts as lost. */
const SILENT_MS_MAX = 10_000;

/**
 * One connection to the keeper. Questions may be asked before earlier ones are answered; answers come in
 * order. Connects at the first question, and again at the next one after a loss.
 */
export class KeeperClient<M extends Table<M> = Messages> {
  readonly #path: string;
  #socket: Socket | null = null;
  #waiting: Waiting[] = [];
  #nextId = 1;
  readonly #lostListeners: ((error: KeeperUnavailable) => void)[] = [];
  #silence: NodeJS.Timeout | undefined;

  constructor(path: string) {
    this.#path = path;
  }

  /**
   * Asks one question.
   * @throws KeeperUnavailable where no answer came, or none in time; KeeperRefused where the keeper refused the message.
   */
  async ask<N extends keyof M & string>(
    name: N,
    body: M[N]['ask'],
    attachment?: Uint8Array,
  ): Promise<Answered<N, M>> {
    if (this.#waiting.length >= WAITING_MAX)
      throw new KeeperUnavailable('too many questions at once');
    const id = this.#nextId++;
    // Encoded before it waits: what cannot be sent must not be in the line for answers.
    const question = encodeFrame({ id, name, body }, attachment);
    const frame = await new Promise<Frame>((resolve, reject) => {
      this.#waiting.push({ id, resolve, reject });
      if (this.#waiting.length === 1) this.#expectAnswer();
      this.#connected().write(question);
    });
    const reply = frame.json as
      | { id: number; answer: M[N]['answer'] }
      | { id: number; refused: KeeperRefusal | CeremonyRefusal; detail: string };
    if ('refused' in reply) throw new KeeperRefused(reply.refused, reply.detail);
    return { answer: reply.answer, attachment: frame.attachment };
  }

  /** Calls back whenever the connection is lost, or none comes about: the keeper that answers next may be another. */
  onLost(listener: (error: KeeperUnavailable) => void): void {
    this.#lostListeners.push(listener);
  }

  /** Ends the connection; unanswered questions fail. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#lose(new KeeperUnavailable('connection closed'));
  }

  #connected(): Socket {
    if (this.#socket !== null) return this.#socket;
    const socket = createConnection({ path: this.#path });
    const reader = new FrameReader();
    const lose = (error: KeeperUnavailable) => {
      if (this.#socket === socket) this.#lose(error);
    };
    socket.on('data', (chunk: Buffer) => {
      try {
        for (const frame of reader.push(chunk)) this.#take(frame);
      } catch (cause) {
        lose(new KeeperUnavailable('keeper does not speak frames', { cause }));
      }
    });
    socket.on('error', (cause) =>
      lose(new KeeperUnavailable('keeper cannot be reached', { cause })),
    );
    socket.on('close', () => lose(new KeeperUnavailable('keeper closed the connection')));
    this.#socket = socket;
    return socket;
  }

  /** @throws FrameError where it is no answer to the question that is next in line. */
  #take(frame: Frame): void {
    const [next] = this.#waiting;
    const reply = frame.json;
    if (next === undefined || typeof reply !== 'object' || reply === null) {
      throw new FrameError('frame answers nothing');
    }
    if (!('id' in reply) || reply.id !== next.id) throw new FrameError('answers are out of order');
    this.#waiting.shift();
    this.#expectAnswer();
    next.resolve(frame);
  }

  /** Begins to wait for the next answer, if one is due: a keeper that hangs is as good as none. */
  #expectAnswer(): void {
    clearTimeout(this.#silence);
    if (this.#waiting.length === 0) return;
    const lose = () => this.#lose(new KeeperUnavailable('keeper does not answer'));
    this.#silence = setTimeout(lose, SILENT_MS_MAX);
  }

  #lose(error: KeeperUnavailable): void {
    clearTimeout(this.#silence);
    const waiting = this.#waiting;
    this.#waiting = [];
    this.#socket?.destroy();
    this.#socket = null;
    for (const each of waiting) each.reject(error);
    for (const listener of this.#lostListeners) listener(error);
  }
}

/** A connection to a keeper's ceremony, for its own administrators. */
export class CeremonyClient extends KeeperClient<CeremonyMessages> {}
