import type { IncomingMessage } from 'node:http';
import { Socket } from 'node:net';
import type { FastifyInstance, FastifyReply } from 'fastify';
import type { Bounds, Pace } from './bounds.ts';

declare module 'fastify' {
  interface FastifyContextConfig {
    /** The body is an upload: it may take any time, as long as it keeps coming. */
    readonly isUpload?: boolean;
  }
}

const TIMEOUT = '408 Request Timeout';
const STATUSES: Readonly<Record<string, string>> = {
  ERR_HTTP_REQUEST_TIMEOUT: TIMEOUT,
  HPE_HEADER_OVERFLOW: '431 Request Header Fields Too Large',
};

/** Ends a connection whose bytes are no request: with a status where there is room for one, and at once. */
export function endMalformed(error: { readonly code?: string }, socket: Socket): void {
  endWith(socket, STATUSES[error.code ?? ''] ?? '400 Bad Request');
}

/** Waiting for the client to take the answer, or to close its side, would be one more way to hold a connection. */
function endWith(socket: Socket, status: string): void {
  if (socket.writable) socket.write(`HTTP/1.1 ${status}\r\nconnection: close\r\n\r\n`);
  socket.destroy();
}

/**
 * Ends connections whose request's body does not come in time. Node's own `requestTimeout` is one for all requests,
 * and an upload may take hours.
 */
export function boundArrival(app: FastifyInstance, { bodyMs, upload }: Bounds): void {
  app.addHook('onRequest', async (request, reply) => {
    if (!hasBody(request.raw)) return;
    const { isUpload = false } = request.routeOptions.config;
    // A body that is no upload is whole after one period, or too late.
    holdToPace(reply, isUpload ? upload : { everyMs: bodyMs, bytesMin: Number.POSITIVE_INFINITY });
  });
}

function hasBody({ headers }: IncomingMessage): boolean {
  const length = headers['content-length'];
  return headers['transfer-encoding'] !== undefined || (length !== undefined && length !== '0');
}

function holdToPace(reply: FastifyReply, { everyMs, bytesMin }: Pace): void {
  const { raw } = reply.request;
  const { socket } = raw;
  // What is injected has no line to be slow on.
  if (!(socket instanceof Socket)) return;
  let bytesBefore = socket.bytesRead;
  const timer = setInterval(() => {
    const bytesCame = socket.bytesRead - bytesBefore;
    bytesBefore = socket.bytesRead;
    if (raw.complete || bytesCame >= bytesMin) return;
    // What has come and waits for us is our delay, and not the client's.
    if (Number.isFinite(bytesMin) && raw.readableLength > 0) return;
    clearInterval(timer);
    if (reply.raw.headersSent) socket.destroy();
    else endWith(socket, TIMEOUT);
  }, everyMs);
  timer.unref();
  raw.once('close', () => clearInterval(timer));
}
