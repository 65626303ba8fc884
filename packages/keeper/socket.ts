import { chmodSync, rmSync } from 'node:fs';
import type { Server, Socket } from 'node:net';
import { createServer } from 'node:net';
import type { JsonObject } from '@amanat/core/canonical';
import type { Frame } from './frame.ts';
import { encodeFrame, FrameReader } from './frame.ts';
import type { Keeper } from './keeper.ts';
import { Refusal } from './refusal.ts';

/** Frames that may wait for their answer before the socket is no longer read. */
const QUEUE_MAX = 64;

/** Serves one gateway at a time over a Unix socket that only this user can open. */
export class KeeperSocket {
  readonly #keeper: Keeper;
  readonly #server: Server;
  readonly #fail: (error: unknown) => void;
  #current: Socket | null = null;
  #tail: Promise<void> = Promise.resolve();

  /** @param fail is called where the process must end, because memory and database may differ. */
  constructor(keeper: Keeper, fail: (error: unknown) => void) {
    this.#keeper = keeper;
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
    const reader = new FrameReader();
    let queued = 0;
    socket.on('data', (chunk: Buffer) => {
      try {
        for (const frame of reader.push(chunk)) {
          queued += 1;
          this.#tail = this.#tail
            .then(() => this.#answer(socket, frame))
            .catch(this.#fail)
            .finally(() => {
              queued -= 1;
              if (queued < QUEUE_MAX) socket.resume();
            });
        }
        if (queued >= QUEUE_MAX) socket.pause();
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

  async #answer(socket: Socket, frame: Frame): Promise<void> {
    const question = readQuestion(frame.json);
    if (question === null) {
      // Without an id there is nothing to answer to: the other end does not speak to a keeper.
      socket.destroy();
      return;
    }
    const { id, name, body } = question;
    try {
      const { answer, attachment } = await this.#keeper.answer(name, body, frame.attachment);
      const reply = encodeFrame({ id, answer }, attachment);
      attachment?.fill(0);
      socket.write(reply, () => reply.fill(0));
    } catch (error) {
      if (!(error instanceof Refusal)) throw error;
      socket.write(encodeFrame({ id, refused: error.code, detail: error.message }));
    }
  }
}

/** The members of a question, or null: whatever a frame holds, reading it throws nothing. */
function readQuestion(json: unknown): { id: number; name: string; body: JsonObject } | null {
  if (typeof json !== 'object' || json === null) return null;
  const { id, name, body } = json as { id?: unknown; name?: unknown; body?: unknown };
  if (typeof id !== 'number' || typeof name !== 'string') return null;
  // The message's own reader looks at the body.
  return { id, name, body: body as JsonObject };
}
