import { closeSync, fstatSync, fsyncSync, openSync, rmSync, writeSync } from 'node:fs';
import { mkdir, open, rename } from 'node:fs/promises';
import { dirname } from 'node:path';

const CHUNK_BYTES = 1024 * 1024;

/**
 * Writes a file that appears whole or not at all, with the folders above it. Its bytes are durable; its name is once
 * {@link syncFolder} has been called for its folder.
 * @throws whatever the file system throws
 */
export async function writeWhole(path: string, bytes: Uint8Array): Promise<void> {
  await mkdir(dirname(path), { recursive: true });
  const aside = `${path}.new`;
  const file = await open(aside, 'w', 0o644);
  try {
    await file.writeFile(bytes);
    await file.sync();
  } finally {
    await file.close();
  }
  await rename(aside, path);
}

/** Makes a folder's changed names durable. @throws whatever the file system throws */
export async function syncFolder(folder: string): Promise<void> {
  const handle = await open(folder, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

/** {@link syncFolder}, for what must not go on before it is done. @throws whatever the file system throws */
export function syncFolderNow(folder: string): void {
  const handle = openSync(folder, 'r');
  try {
    fsyncSync(handle);
  } finally {
    closeSync(handle);
  }
}

/** Overwrites a file with zeros, durably, and deletes it: what it held is not to stand in blocks that are free. */
export function wipe(path: string): void {
  const overwrite = overwriteLater(path);
  // Still named meanwhile: killed in between, it is there to be wiped again.
  overwrite();
  rmSync(path, { force: true });
}

/** Holds a file that is to lose its name, where it is there; what is given then overwrites it, once. */
export function overwriteLater(path: string): () => void {
  let file: number;
  try {
    file = openSync(path, 'r+');
  } catch (error) {
    if ((error as { code?: unknown }).code !== 'ENOENT') throw error;
    return () => {};
  }
  return () => {
    try {
      const { size } = fstatSync(file);
      const zeros = new Uint8Array(Math.min(CHUNK_BYTES, size));
      for (let at = 0; at < size; ) {
        at += writeSync(file, zeros, 0, Math.min(zeros.length, size - at), at);
      }
      fsyncSync(file);
    } finally {
      closeSync(file);
    }
  };
}
