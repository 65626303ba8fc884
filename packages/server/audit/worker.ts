import { AuditError } from './errors.ts';
import type { PartTask } from './part.ts';
import { verifyPart } from './part.ts';
import type { WorkerAnswer } from './processes.ts';
import { folderFiles, sourceOf } from './source.ts';

/**
 * A process that verifies parts of the log in a folder, one at a time, and ends when whoever asks has gone. The folder
 * is its argument, tasks come and answers go over its channel.
 */
const source = sourceOf(folderFiles(process.argv[2] as string));

process.on('message', async (task: PartTask) => {
  process.send?.(await answerTo(task));
});

async function answerTo(task: PartTask): Promise<WorkerAnswer> {
  try {
    return { result: await verifyPart(source, task) };
  } catch (error) {
    if (!(error instanceof AuditError)) throw error;
    const { code, at, message } = error;
    return { failed: { code, at, message } };
  }
}
