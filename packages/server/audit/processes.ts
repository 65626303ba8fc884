import type { ChildProcess } from 'node:child_process';
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { setImmediate as yieldToOthers } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import type { Checkpoint } from '@amanat/core/log';
import { CompactRange } from '@amanat/core/log';
import type { AuditCode } from './errors.ts';
import { AuditError } from './errors.ts';
import type { PartResult, PartTask } from './part.ts';
import { PART_LEAVES, verifyPart } from './part.ts';
import type { LogSource } from './source.ts';
import { folderFiles, sourceOf } from './source.ts';
import type { TreeVerification } from './tree.ts';
import { verifyTree } from './tree.ts';

const WORKER = fileURLToPath(new URL('worker.ts', import.meta.url));

/** What a worker answers to a task. */
export type WorkerAnswer =
  | { readonly result: PartResult }
  | { readonly failed: { code: AuditCode; at: string | null; message: string } };

export interface FolderTerms {
  /** How many processes hash beside one another; 1 is this one. */
  readonly processes: number;
  /** The tree that was verified before; none otherwise. */
  readonly from?: CompactRange;
  readonly onLeaves?: (leaves: number) => void;
  readonly signal?: AbortSignal;
}

/**
 * Verifies the log in a folder, from leaves to root, on several processes: each takes a part of the tree, and gives
 * back its root. Processes, because threads of one process hash little faster together than one of them.
 * @throws AuditError 'unreachable', 'bad-response'; what the signal throws
 */
export async function verifyFolder(
  directory: string,
  checkpoint: Pick<Checkpoint, 'size' | 'root'>,
  {
    processes,
    from = CompactRange.empty(),
    onLeaves = () => {},
    signal = new AbortController().signal,
  }: FolderTerms,
): Promise<TreeVerification> {
  const source = sourceOf(folderFiles(directory));
  const parts = Math.ceil((checkpoint.size - from.size) / PART_LEAVES);
  const terms = { source, checkpoint, from, onLeaves, signal };
  const count = Math.min(processes, parts);
  if (count <= 1) return verifyTree({ ...terms, runners: [(task) => verifyHere(source, task)] });
  await using workers = new Workers(directory, count);
  return await verifyTree({ ...terms, runners: workers.runners });
}

async function verifyHere(source: LogSource, task: PartTask): Promise<PartResult> {
  // Reading and hashing leave no turn to anybody else, such as whoever presses Ctrl-C.
  await yieldToOthers();
  return verifyPart(source, task);
}

/** Child processes that verify parts; they end with this one, however it ends. */
class Workers {
  readonly #children: readonly ChildProcess[];

  constructor(directory: string, count: number) {
    this.#children = Array.from({ length: count }, () =>
      fork(WORKER, [directory], {
        serialization: 'advanced',
        // A group of its own: Ctrl-C is for this process, which then ends them.
        detached: true,
        execArgv: [],
        env: {},
        stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
      }),
    );
  }

  get runners(): readonly ((task: PartTask) => Promise<PartResult>)[] {
    return this.#children.map((child) => (task) => run(child, task));
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
      const { code, at, message } = answer.failed;
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
