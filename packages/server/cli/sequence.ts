import { closeSync, openSync, readFileSync, rmSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { CliError } from './errors.ts';
import { codeOf, writePrivate } from './files.ts';

const LOCK_TRIES = 100;
const LOCK_WAIT_MS = 20;

/**
 * Takes the next number of an officer's requests from the file beside the key. It is durable before it is given: two
 * requests under one number would suspend the key, so that a number may be lost but never given twice.
 * @throws CliError 'failed'
 */
export async function takeSequence(keyPath: string): Promise<number> {
  const path = `${keyPath}.sequence`;
  const lock = await takeLock(`${path}.lock`);
  try {
    const next = readLast(path) + 1;
    writePrivate(path, `${next}\n`, { replace: true });
    return next;
  } finally {
    lock();
  }
}

function readLast(path: string): number {
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (cause) {
    if (codeOf(cause) === 'ENOENT') return 0;
    throw new CliError('failed', `${path} cannot be read`, { cause });
  }
  if (!/^[1-9]\d{0,14}\n$/.test(text)) {
    throw new CliError('failed', `${path} does not hold a number`, {
      remedy: 'write the number of the last request of this key into it',
    });
  }
  return Number(text);
}

async function takeLock(path: string): Promise<() => void> {
  for (let turn = 0; turn < LOCK_TRIES; turn++) {
    try {
      closeSync(openSync(path, 'wx', 0o600));
      return () => rmSync(path, { force: true });
    } catch (cause) {
      if (codeOf(cause) !== 'EEXIST') {
        throw new CliError('failed', `${path} cannot be written`, { cause });
      }
      await sleep(LOCK_WAIT_MS);
    }
  }
  throw new CliError('failed', 'another request of this key is being numbered', {
    remedy: `if none is, remove ${path}`,
  });
}
