import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { CoreError } from '@amanat/core/errors';
import type { ResourcePosition } from '@amanat/core/log';
import { HASH_LENGTH, parseTilePath, TILE_WIDTH, tilePath } from '@amanat/core/log';
import type { FastifyInstance, FastifyReply } from 'fastify';
import { faultOf, sendFault } from '../http/faults.ts';

/**
 * The log's static files (C2SP tlog-tiles): GET /checkpoint and GET /tile/…. A path that is not exactly a tile's
 * is not found, so that no other file can be asked for.
 */
export async function logRoutes(
  app: FastifyInstance,
  { publicDirectory }: { readonly publicDirectory: string },
): Promise<void> {
  app.get(
    '/checkpoint',
    { schema: { summary: 'The log’s newest published checkpoint, a signed note' } },
    async (_request, reply) => {
      const note = await readIfThere(join(publicDirectory, 'checkpoint'));
      if (note === null) return notFound(reply);
      return reply.header('cache-control', 'no-cache').type('text/plain; charset=utf-8').send(note);
    },
  );
  app.get(
    '/tile/*',
    { schema: { summary: 'A tile of hashes, or a bundle of entries' } },
    async (request, reply) => {
      const position = positionOf((request.raw.url ?? '').slice(1));
      if (position === null) return notFound(reply);
      const bytes = await readTile(publicDirectory, position);
      if (bytes === null) return notFound(reply);
      return reply
        .header('cache-control', 'public, max-age=31536000, immutable')
        .type('application/octet-stream')
        .send(bytes);
    },
  );
}

function positionOf(path: string): ResourcePosition | null {
  try {
    return parseTilePath(path);
  } catch (error) {
    if (error instanceof CoreError) return null;
    throw error;
  }
}

/** A partial tile goes once the full one is there: whoever still asks for it gets the full one's beginning. */
async function readTile(directory: string, position: ResourcePosition): Promise<Buffer | null> {
  const found = await readIfThere(join(directory, tilePath(position)));
  if (found !== null || position.width === TILE_WIDTH) return found;
  const full = await readIfThere(join(directory, tilePath({ ...position, width: TILE_WIDTH })));
  if (full === null) return null;
  const isTile = position.level !== 'entries';
  const end = isTile ? position.width * HASH_LENGTH : endOfEntries(full, position.width);
  return full.subarray(0, end);
}

function endOfEntries(bundle: Buffer, count: number): number {
  let end = 0;
  for (let i = 0; i < count; i++) end += 2 + bundle.readUInt16BE(end);
  return end;
}

async function readIfThere(path: string): Promise<Buffer | null> {
  try {
    return await readFile(path);
  } catch (error) {
    const code = (error as { code?: unknown }).code;
    if (code === 'ENOENT' || code === 'ENOTDIR' || code === 'EISDIR') return null;
    throw error;
  }
}

function notFound(reply: FastifyReply): FastifyReply {
  return sendFault(reply, faultOf('not-found', 'the log has no such file, or not yet'));
}
