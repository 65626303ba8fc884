/** Loaded before a command: ends it as a power cut would, before it gives a database its name. */
import promises from 'node:fs/promises';
import { syncBuiltinESMExports } from 'node:module';

const rename = promises.rename;
promises.rename = async (from, to) => {
  if (String(to).endsWith('.db')) {
    process.kill(process.pid, 'SIGKILL');
    for (;;);
  }
  await rename(from, to);
};
syncBuiltinESMExports();
