import { readFile } from 'node:fs/promises';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';

/** A web server that serves a folder, and counts. */
export interface Served {
  readonly prefix: URL;
  /** Every path that was asked for, in order. */
  readonly requests: string[];
  /** Answers in place of a file, while it is set and gives true. */
  instead: ((path: string, request: IncomingMessage, response: ServerResponse) => boolean) | null;
  close(): Promise<void>;
}

/** Serves a folder on 127.0.0.1 under a prefix with a path. */
export async function serveFolder(directory: string): Promise<Served> {
  const requests: string[] = [];
  const server = createServer(async (request, response) => {
    const path = (request.url ?? '').replace(/^\/some\/log\//, '');
    requests.push(path);
    if (served.instead?.(path, request, response) === true) return;
    const bytes = await readFile(join(directory, path)).catch(() => null);
    response.writeHead(bytes === null ? 404 : 200).end(bytes ?? '');
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  const served: Served = {
    prefix: new URL(`http://127.0.0.1:${port}/some/log/`),
    requests,
    instead: null,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
  return served;
}
