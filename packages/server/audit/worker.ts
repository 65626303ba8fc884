import { verifyPart } from './part.ts';
import { answerTasks } from './processes.ts';
import { folderFiles, sourceOf } from './source.ts';

/** Verifies parts of the log in a folder, which is its argument. */
const source = sourceOf(folderFiles(process.argv[2] as string));

answerTasks((task) => verifyPart(source, task));
