import type { LogFiles } from './source.ts';

/** A log's files in memory. */
export function memoryFiles(files: ReadonlyMap<string, Uint8Array>): LogFiles {
  return { read: async (path) => files.get(path)?.slice() ?? null };
}
