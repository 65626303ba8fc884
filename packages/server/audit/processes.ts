import type { ChildProcess } from 'node:child_process';
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { setImmediate as yieldToOthers } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import type { Checkpoint } from '@amanat/core/log';
import { CompactRange } from '@amanat/core/log';
import type { StorageErrorCode } from '../storage/errors.ts';
import { StorageError, toStorageError } from '../storage/errors.ts';
import type { AuditCode } from './errors.ts';
import { AuditError } from './errors.ts';
import type { PartResult, PartTask } from './part.ts';
import { PART_LEAVES, verifyPart } from './part.ts';
import type { LogSource } from './source.ts';
import { folderFiles, sourceOf } from './source.ts';
import type { LeavesSeen, StoredLog, StoredPartResult } from './stored.ts';
import { addSeen, noneSeen, verifyStoredPart } from './stored.ts';
import type { TreeVerification } from './tree.ts';
import { verifyTree } from './tree.ts';

const WORKER = fileURLToPath(new URL('worker.ts', import.meta.url));

/** What a worker answers to a task. */
type WorkerAnswer =
  | { readonly result: PartResult }
  | { readonly audit: { code: AuditCode; at: string | null; message: string } }
  | { readonly storage: { code: StorageErrorCode; message: string } };

type VerifyPart<R extends PartResult> = (task: PartTask) => Promise<R>;

export interface LocalTerms {
  /** How many processes hash beside one another; 1 is this one. */
  readonly processes: number;
  /** The tree that was verified before; none otherwise. */
  readonly from?: CompactRange;
  /** As of the tree's. */
  readonly wantsNotices?: boolean;
  readonly onLeaves?: (leaves: number) => void;
  readonly signal?: AbortSignal;
}

/** A log on this machine, and who verifies parts of it. */
interface LocalLog<R extends PartResult> {
  readonly source: LogSource;
  readonly verify: VerifyPart<R>;
  /** The script of a process that does the same by {@link answerTasks}, and its arguments. */
  readonly worker: readonly [script: string, ...words: string[]];
}

/**
 * Verifies the log in a folder, from leaves to root, on several processes: each takes a part of the tree, and gives
 * back its root. Processes, because threads of one process hash little faster together than one of them.
 * @throws AuditError 'unreachable', 'bad-response'; what the signal throws
 */
export function verifyFolder(
  directory: string,
  checkpoint: Pick<Checkpoint, 'size' | 'root'>,
  terms: LocalTerms,
): Promise<TreeVerification> {
  const source = sourceOf(folderFiles(directory));
  const verify = (task: PartTask) => verifyPart(source, task);
  return verifyLocal({ source, verify, worker: [WORKER, directory] }, checkpoint, terms);
}

/**
 * Verifies an instance's own log as {@link verifyFolder} does, and gives what was seen of its leaves besides.
 * @param worker a script that opens the same log, and calls {@link answerTasks} with {@link verifyStoredPart}
 * @throws AuditError 'unreachable'; StorageError; what the signal throws
 */
export async function verifyStored(
  log: StoredLog,
  worker: LocalLog<StoredPartResult>['worker'],
  checkpoint: Pick<Checkpoint, 'size' | 'root'>,
  terms: LocalTerms,
): Promise<TreeVerification & { readonly seen: LeavesSeen }> {
  const seen = noneSeen();
  const verify = (task: PartTask) => verifyStoredPart(log, task);
  const local = { source: log, verify, worker };
  const found = await verifyLocal(local, checkpoint, terms, (part) => addSeen(seen, part.seen));
  return { ...found, seen };
}

async function verifyLocal<R extends PartResult>(
  { source, verify, worker }: LocalLog<R>,
  checkpoint: Pick<Checkpoint, 'size' | 'root'>,
  {
    processes,
    from = CompactRange.empty(),
    wantsNotices = false,
    onLeaves = () => {},
    signal = new AbortController().signal,
  }: LocalTerms,
  onResult: (result: R) => void = () => {},
): Promise<TreeVerification> {
  const parts = Math.ceil((checkpoint.size - from.size) / PART_LEAVES);
  const count = Math.min(processes, parts);
  await using workers = new Workers<R>(worker, count > 1 ? count : 0);
  const verifiers = count > 1 ? workers.verifiers : [yielding(verify)];
  const runners = verifiers.map((run) => async (task: PartTask) => {
    const result = await run(task);
    onResult(result);
    return result;
  });
  return await verifyTree({ source, checkpoint, from, runners, wantsNotices, onLeaves, signal });
}

/** Reading and hashing leave no turn to anybody else, such as whoever presses Ctrl-C. */
function yielding<R extends PartResult>(verify: VerifyPart<R>): VerifyPart<R> {
  return async (task) => {
    await yieldToOthers();
    return verify(task);
  };
}

/** The whole of a process that verifies parts, one at a time, and ends when whoever asks has gone. */
export function answerTasks(verify: VerifyPart<PartResult>): void {
  process.on('message', async (task: PartTask) => {
    process.send?.(await answerTo(task, verify));
  });
}

async function answerTo(task: PartTask, verify: VerifyPart<PartResult>): Promise<WorkerAnswer> {
  try {
    return { result: await verify(task) };
  } catch (error) {
    if (error instanceof AuditError) {
      const { code, at, message } = error;
      return { audit: { code, at, message } };
    }
    const storage = toStorageError(error);
    if (storage === null) throw error;
    return { storage: { code: storage.code, message: storage.message } };
  }
}

/** Child processes that verify parts; they end with this one, however it ends. */
class Workers<R extends PartResult> {
  readonly #children: readonly ChildProcess[];

  constructor([script, ...words]: LocalLog<R>['worker'], count: number) {
    this.#children = Array.from({ length: count }, () =>
      fork(script, words, {
        serialization: 'advanced',
        // A group of its own: Ctrl-C is for this process, which then ends them.
        detached: true,
        execArgv: [],
        env: {},
        stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
      }),
    );
  }

  get verifiers(): readonly VerifyPart<R>[] {
    // What it answers is what its script's verifier gives.
    return this.#children.map((child) => (task) => run(child, task) as Promise<R>);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(
      this.#children.map(async (child) => {
        if (child.exitCode !== null || child.signalCode !== null) return;
        const ended = once(child, 'exit');
        child.kill('SIGKILL');
        await ended;
      }),
    );
  }
}

/** One task at a time. */
function run(child: ChildProcess, task: PartTask): Promise<PartResult> {
  return new Promise((resolve, reject) => {
    const settle = () => {
      child.off('message', onMessage);
      child.off('error', onEnd);
      child.off('exit', onEnd);
    };
    const onMessage = (answer: WorkerAnswer) => {
      settle();
      if ('result' in answer) return resolve(answer.result);
      if ('storage' in answer) {
        return reject(new StorageError(answer.storage.code, answer.storage.message));
      }
      const { code, at, message } = answer.audit;
      return reject(new AuditError(code, at, message));
    };
    const onEnd = (cause: unknown) => {
      settle();
      reject(new Error('a process that verifies has ended', { cause }));
    };
    child.on('message', onMessage);
    child.on('error', onEnd);
    child.on('exit', onEnd);
    child.send(task, (error) => {
      if (error !== null) onEnd(error);
    });
  });
}
