import { chmodSync, rmSync } from 'node:fs';
import type { Server, Socket } from 'node:net';
import { createServer } from 'node:net';
import type { JsonObject } from '@amanat/core/canonical';
import type { Frame } from './frame.ts';
import { encodeFrame, FrameReader } from './frame.ts';
import type { KeeperQuestion } from './keeper.ts';
import { FRAME_BYTES_MAX } from './protocol.ts';
import { Refusal } from './refusal.ts';

/** Frames that may wait for their answer before the socket is no longer read. */
const QUEUE_MAX = 64;
/** Messages that are made durable together. */
const TOGETHER_MAX = 8;

/** What a message is answered with. */
export interface Answer {
  readonly answer: object;
  readonly attachment?: Buffer;
}

/** Whoever answers what comes over a socket. */
export interface Answering {
  /** Somebody has come, after whatever the last one asked. */
  greet(): void;
  /** Answers messages in their order. Throws where memory and database may differ. */
  answerTogether(questions: readonly KeeperQuestion[]): Promise<readonly (Answer | Refusal)[]>;
}

/** Serves one at a time over a Unix socket that only this user can open, or its group too where that is wanted. */
export class KeeperSocket {
  readonly #answering: Answering;
  readonly #server: Server;
  readonly #fail: (error: unknown) => void;
  #current: Socket | null = null;
  #tail: Promise<void> = Promise.resolve();

  /** @param fail is called where the process must end, because memory and database may differ. */
  constructor(answering: Answering, fail: (error: unknown) => void) {
    this.#answering = answering;
    this.#fail = fail;
    this.#server = createServer((socket) => this.#accept(socket));
  }

  /** @param mode who may connect: its owner, or with 0o660 its group too, where the gateway is another user. */
  async listen(path: string, mode: 0o600 | 0o660): Promise<void> {
    rmSync(path, { force: true });
    await new Promise<void>((resolve, reject) => {
      this.#server.once('error', reject);
      this.#server.listen({ path }, resolve);
    });
    chmodSync(path, mode);
  }

  /** Stops listening, answers what was asked, and closes. */
  async close(): Promise<void> {
    const closed = new Promise<void>((resolve) => this.#server.close(() => resolve()));
    await this.#tail;
    this.#current?.destroy();
    await closed;
  }

  #accept(socket: Socket): void {
    if (this.#current !== null) {
      socket.destroy();
      return;
    }
    this.#current = socket;
    this.#tail = this.#tail.then(() => this.#answering.greet());
    const reader = new FrameReader();
    const waiting: Frame[] = [];
    socket.on('data', (chunk: Buffer) => {
      try {
        const wasIdle = waiting.length === 0;
        for (const frame of reader.push(chunk)) waiting.push(frame);
        if (waiting.length >= QUEUE_MAX) socket.pause();
        if (!wasIdle || waiting.length === 0) return;
        this.#tail = this.#tail.then(() => this.#answerAll(socket, waiting)).catch(this.#fail);
      } catch {
        socket.destroy();
      }
    });
    // A lost connection is the other end's affair; what it asked is done all the same.
    socket.on('error', () => socket.destroy());
    socket.on('close', () => {
      this.#current = null;
    });
  }

  /** Answers what waits until nothing does. Frames stay in `waiting` until they are answered. */
  async #answerAll(socket: Socket, waiting: Frame[]): Promise<void> {
    while (waiting.length > 0) {
      const frames = waiting.slice(0, TOGETHER_MAX);
      const questions = frames.map(({ json, attachment }) => readQuestion(json, attachment));
      const known = questions.filter((question) => question !== null);
      const answers = await this.#answering.answerTogether(known);
      for (const [at, { id }] of known.entries()) reply(socket, id, answers[at]);
      waiting.splice(0, frames.length);
      // Without an id there is nothing to answer to: the other end does not speak to a keeper.
      if (known.length < questions.length) socket.destroy();
      if (waiting.length < QUEUE_MAX) socket.resume();
    }
  }
}

function reply(socket: Socket, id: number, answered: Answer | Refusal | undefined): void {
  if (answered === undefined) throw new Error('the keeper left a question out');
  if (answered instanceof Refusal) {
    socket.write(encodeFrame({ id, refused: answered.code, detail: answered.message }));
    return;
  }
  const frame = encodeFrame({ id, answer: answered.answer }, answered.attachment);
  answered.attachment?.fill(0);
  if (frame.length > FRAME_BYTES_MAX) {
    const detail = 'the answer is longer than a frame: ask for less at a time';
    socket.write(encodeFrame({ id, refused: 'too-large', detail }));
    return;
  }
  socket.write(frame, () => frame.fill(0));
}

/** The members of a question, or null: whatever a frame holds, reading it throws nothing. */
function readQuestion(json: unknown, attachment: Buffer): (KeeperQuestion & { id: number }) | null {
  if (typeof json !== 'object' || json === null) return null;
  const { id, name, body } = json as { id?: unknown; name?: unknown; body?: unknown };
  if (typeof id !== 'number' || typeof name !== 'string') return null;
  // The message's own reader looks at the body.
  return { id, name, body: body as JsonObject, attachment };
}
