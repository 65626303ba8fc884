import { answerTasks, StoredLog, verifyStoredPart } from '../audit/audit.ts';
import { createSqliteLogStore } from '../log/store-sqlite.ts';
import { openDatabaseForReading } from '../storage/sqlite.ts';

/** Verifies parts of an instance's own log. Its arguments are the store's file and the folder of the static files. */
const [database, publicDirectory] = process.argv.slice(2) as [string, string];
const store = createSqliteLogStore(openDatabaseForReading(database));
const log = new StoredLog(store, publicDirectory);

answerTasks((task) => verifyStoredPart(log, task));
