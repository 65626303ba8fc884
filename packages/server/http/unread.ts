import { Socket } from 'node:net';
import type { FastifyInstance } from 'fastify';
import type { Bounds } from './bounds.ts';

/** An answer up to this size is sent whatever else is held: connections and their requests bound such answers. */
const SMALL_BYTES_MAX = 16 * 1024;

/** An answer that is not sent, because too much of others' is held already. */
export class TooMuchUnread extends Error {
  override name = 'TooMuchUnread';
}

/**
 * Bounds what clients that do not read their replies make the server hold: how long a reply may stay unread, how much
 * of all replies together, and how many requests one connection has under way. A stream is read as it is sent, and
 * holds nothing but its place.
 */
export function boundUnread(app: FastifyInstance, bounds: Bounds): void {
  const underWay = new WeakMap<Socket, number>();
  let unreadBytes = 0;

  app.addHook('onRequest', async (request, reply) => {
    const { socket } = request.raw;
    if (!(socket instanceof Socket)) return undefined;
    const count = (underWay.get(socket) ?? 0) + 1;
    if (count > bounds.requestsMax) {
      socket.destroy();
      return reply.hijack();
    }
    underWay.set(socket, count);
    reply.raw.once('close', () => underWay.set(socket, (underWay.get(socket) ?? 1) - 1));
    return undefined;
  });

  app.addHook('onSend', async (request, reply, payload) => {
    const { socket } = request.raw;
    if (!(socket instanceof Socket)) return payload;
    // Node ends the connection where nothing of it is read or written for so long, until the next request.
    reply.raw.setTimeout(bounds.replySilenceMs);
    const sizeBytes = sizeOf(payload);
    if (sizeBytes <= SMALL_BYTES_MAX) return payload;
    // What anybody may have leaves room for what has to be signed for.
    const room = request.method === 'GET' ? bounds.unreadBytesMax / 2 : bounds.unreadBytesMax;
    if (unreadBytes + sizeBytes > room) throw new TooMuchUnread();
    unreadBytes += sizeBytes;
    const wholeMs = bounds.replySilenceMs + (sizeBytes / bounds.replyBytesPerSecondMin) * 1000;
    const timer = setTimeout(() => socket.destroy(), wholeMs).unref();
    reply.raw.once('close', () => {
      clearTimeout(timer);
      unreadBytes -= sizeBytes;
    });
    return payload;
  });
}

function sizeOf(payload: unknown): number {
  if (typeof payload === 'string') return Buffer.byteLength(payload);
  return payload instanceof Uint8Array ? payload.byteLength : 0;
}
