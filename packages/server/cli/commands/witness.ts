import { once } from 'node:events';
import { utf8 } from '@amanat/core/bytes';
import { CoreError } from '@amanat/core/errors';
import type { PolicyLog } from '@amanat/core/log';
import { formatVerifierKey, parsePolicy } from '@amanat/core/log';
import type { Command } from '../command.ts';
import { wrongUsage } from '../errors.ts';

const PORT = 8421;

/** `amanat witness`: cosigns, until it is told to stop. */
export const witness: Command = {
  usage: '[--log VERIFIER-KEY …] [--port N]',
  about:
    'Serves POST /add-checkpoint and GET /<SHA-256 of the origin>/checkpoint (C2SP tlog-witness) on 127.0.0.1, for a ' +
    'proxy that ends TLS. Cosigns a checkpoint of a log in logs.policy once the log has shown that its tree extends ' +
    'the one cosigned last, and that is on the disk. Ctrl-C stops it.',
  example: 'amanat witness --dir ./witness --log log.example.org/amanat+…',
  options: {
    log: {
      value: 'KEY',
      help: 'verifier key of a log to witness besides those in logs.policy',
      many: true,
    },
    port: { value: 'N', help: `port on 127.0.0.1 (${PORT}; 0: any)` },
  },
  words: [0, 0],
  async run(call) {
    const logs = call.arguments.texts('log').map(readLogKey);
    const port = call.arguments.integer('port', { min: 0, max: 65_535, otherwise: PORT });
    const { startWitness } = await import('../../witness-server.ts');
    await using server = await startWitness({ dir: call.dir, port, logs });
    for (const key of server.keys) call.say(`Verifier key: ${formatVerifierKey(key.public)}`);
    call.say(`Witnessing ${server.logs.length} log keys at ${server.url} (Ctrl-C stops).`);
    if (!call.signal.aborted) await once(call.signal, 'abort');
    return { json: { stopped: true }, lines: ['Stopped.'] };
  },
};

/** A key as a line of logs.policy would have it. */
function readLogKey(text: string): PolicyLog['key'] {
  try {
    const [log] = parsePolicy(utf8(`log ${text}\nquorum none\n`)).logs;
    if (log !== undefined) return log.key;
  } catch (error) {
    if (!(error instanceof CoreError)) throw error;
  }
  throw wrongUsage('--log is not a log’s verifier key');
}
