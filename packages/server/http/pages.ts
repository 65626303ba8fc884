import { existsSync } from 'node:fs';
import { join } from 'node:path';
import staticFiles from '@fastify/static';
import type { FastifyInstance } from 'fastify';

/** Addresses that are pages; each is the one application. */
const PAGES = ['/', '/register', '/log'] as const;

/** Serves the built pages. Where they are not built, nothing. */
export async function pageRoutes(
  app: FastifyInstance,
  { directory }: { readonly directory: string },
): Promise<void> {
  if (!existsSync(join(directory, 'index.html'))) return;
  await app.register(staticFiles, {
    root: directory,
    wildcard: false,
    index: false,
    cacheControl: false,
    setHeaders: (reply, path) => {
      // The build names assets by their content.
      const isNamedByContent = path.startsWith(join(directory, 'assets'));
      const lasting = 'public, max-age=31536000, immutable';
      reply.header('cache-control', isNamedByContent ? lasting : 'no-cache');
    },
  });
  for (const page of PAGES) {
    app.get(page, { schema: { hide: true } }, (_request, reply) => reply.sendFile('index.html'));
  }
}
